// Fields that documents bring: dynamic mapping.
#include "segments/mapping/mapping_parts.h"

namespace stele::segments {

namespace {

// How a dynamic field is mapped; null: not at all.
class Discovery {
 public:
  Discovery(const Mapping& m, const json::object& root) : mapping_(m), root_(root), flat_(flat_objects(root)) {}
  json::object properties, runtime;  // what is new

  void object(const json::object& o, const std::string& prefix, const std::string& dynamic, const json::object* node, int depth) {
    if (depth > kMaxMappingDepth) illegal_mapping("Limit of mapping depth [20] has been exceeded due to object field [" + prefix + "]");
    for (auto& [key, value] : o) {
      std::string name(key);
      if (name.empty() || name.find_first_not_of(" .") == std::string::npos) {
        mapper_error(name.empty() ? "field name cannot be an empty string" : "field name cannot contain only whitespace: [" + name + "]");
      }
      walk(prefix, name, value, dynamic, node, depth);
    }
  }

 private:
  static const json::object* child(const json::object* node, std::string_view name) {
    if (node == nullptr) return nullptr;
    auto* p = node->if_contains("properties");
    if (p == nullptr || !p->is_object()) return nullptr;
    auto* c = p->as_object().if_contains(name);
    return c != nullptr && c->is_object() ? &c->as_object() : nullptr;
  }
  void walk(const std::string& prefix, const std::string& name, const json::value& value, const std::string& dynamic,
            const json::object* node, int depth) {
    size_t dot = name.find('.');
    if (!flat_ && dot != std::string::npos && dot > 0 && dot + 1 < name.size()) {
      json::object inner;
      inner[name.substr(dot + 1)] = value;
      walk(prefix, name.substr(0, dot), inner, dynamic, node, depth);
      return;
    }
    std::string path = prefix + name;
    const json::object* mine = flat_ ? child(&root_, path) : child(node, name);
    if (auto* r = root_.if_contains("runtime"); mine == nullptr && r != nullptr && r->is_object() && r->as_object().contains(path)) return;
    if (mine != nullptr) {
      auto* t = mine->if_contains("type");
      std::string type = t == nullptr ? "object" : json_text(*t);
      if (type != "object" && type != "nested") return;  // a concrete field takes it
      if (!flag(*mine, "enabled", true)) return;
      std::string inner = dynamic;
      if (auto* d = mine->if_contains("dynamic")) inner = json_text(*d);
      each(value, [&](const json::value& v) {
        if (v.is_object()) object(v.as_object(), path + ".", inner, mine, depth + 1);
      });
      return;
    }
    if (fresh_.count(path) != 0) {  // found earlier in this document
      each(value, [&](const json::value& v) {
        if (v.is_object()) object(v.as_object(), path + ".", dynamic, nullptr, depth + 1);
      });
      if (fresh_.at(path)) return;
      return;
    }
    if (value.is_null()) return;
    if (value.is_array() && empty(value)) return;
    if (dynamic == "strict") {
      throw Error(ErrorCode::kStrictDynamicMapping, "mapping set to strict, dynamic introduction of [" + name + "] within [" +
                                                        (prefix.empty() ? "_doc" : prefix.substr(0, prefix.size() - 1)) + "] is not allowed");
    }
    if (dynamic == "false") return;
    bool any_object = false;
    const json::value* sample = nullptr;
    each(value, [&](const json::value& v) {
      if (v.is_object()) any_object = true;
      else if (!v.is_null() && sample == nullptr) sample = &v;
    });
    if (any_object && (flat_ || dynamic == "runtime")) {
      each(value, [&](const json::value& v) {
        if (v.is_object()) object(v.as_object(), path + ".", dynamic, nullptr, depth + 1);
      });
      return;
    }
    if (any_object) {
      json::object definition;
      if (auto* t = match_template(path, name, "object", "")) definition = instantiate(*t, name, "object");
      auto* t = definition.if_contains("type");
      std::string type = t == nullptr ? "object" : json_text(*t);
      fresh_[path] = false;
      if (type != "object" && type != "nested") {
        put(path, definition);
        return;
      }
      if (!definition.contains("properties")) definition["properties"] = json::object();
      put(path, definition);
      each(value, [&](const json::value& v) {
        if (v.is_object()) object(v.as_object(), path + ".", dynamic, nullptr, depth + 1);
      });
      return;
    }
    if (sample == nullptr) return;
    json::object found = infer(path, name, *sample, value);
    if (dynamic == "runtime" && match_template(path, name, json_text(found.at("type")), "") == nullptr) {
      std::string type = json_text(found.at("type"));
      json::object d;
      d["type"] = type == "text" ? "keyword" : type == "float" ? "double" : type;
      runtime[path] = std::move(d);
    } else {
      put(path, std::move(found));
    }
    fresh_[path] = true;
  }
  template <typename F>
  static void each(const json::value& v, F&& f) {
    if (v.is_array()) for (auto& e : v.as_array()) each(e, f);
    else f(v);
  }
  static bool empty(const json::value& v) {
    bool any = false;
    each(v, [&](const json::value& e) { any |= !e.is_null(); });
    return !any;
  }
  json::object infer(const std::string& path, const std::string& name, const json::value& v, const json::value& whole) {
    std::string kind = v.is_bool() ? "boolean" : v.is_double() ? "double" : v.is_number() ? "long" : "string";
    if (kind == "long" && whole.is_array()) {  // a later double widens it
      each(whole, [&](const json::value& e) { if (e.is_double()) kind = "double"; });
    }
    std::string text = v.is_string() ? std::string(v.as_string()) : std::string();
    std::string format;
    if (kind == "string") {
      if (flag(root_, "date_detection", true)) {
        std::vector<std::string> formats = {"strict_date_optional_time", "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd"};
        if (auto* d = root_.if_contains("dynamic_date_formats"); d != nullptr && d->is_array()) {
          formats.clear();
          for (auto& e : d->as_array()) formats.push_back(json_text(e));
        }
        bool has_digit_date = text.size() >= 8 && text.find_first_of("-/:.") != std::string::npos && std::isdigit(static_cast<unsigned char>(text[0])) != 0;
        for (const std::string& f : formats) {
          if (root_.contains("dynamic_date_formats") ? !DateFormat(f).parse(text, false, nullptr) : !has_digit_date || !DateFormat(f).parse(text, false, nullptr)) continue;
          kind = "date";
          format = f == "strict_date_optional_time" ? "" : f == "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd" ? "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis" : f;
          break;
        }
      }
      if (kind == "string" && flag(root_, "numeric_detection", false)) {
        char* end;
        std::strtoll(text.c_str(), &end, 10);
        if (!text.empty() && *end == 0) kind = "long";
        else {
          std::strtod(text.c_str(), &end);
          if (!text.empty() && *end == 0) kind = "double";
        }
      }
    }
    if (const json::object* t = match_template(path, name, kind, format)) return instantiate(*t, name, kind);
    json::object d;
    if (kind == "string") {
      json::object keyword;
      keyword["type"] = "keyword";
      keyword["ignore_above"] = 256;
      json::object fields;
      fields["keyword"] = keyword;
      d["type"] = "text";
      d["fields"] = fields;
    } else if (kind == "double") {
      d["type"] = "float";
    } else {
      d["type"] = kind;
      if (!format.empty()) d["format"] = format;
    }
    return d;
  }
  const json::object* match_template(const std::string& path, const std::string& name, const std::string& kind, const std::string&) {
    auto* list = root_.if_contains("dynamic_templates");
    if (list == nullptr || !list->is_array()) return nullptr;
    for (auto& entry : list->as_array()) {
      if (!entry.is_object()) continue;
      for (auto& [tname, body] : entry.as_object()) {
        if (!body.is_object()) continue;
        const json::object& t = body.as_object();
        bool regex = t.contains("match_pattern") && json_text(t.at("match_pattern")) == "regex";
        auto any = [&](std::string_view key, const std::string& s) -> std::optional<bool> {
          auto* v = t.if_contains(key);
          if (v == nullptr) return std::nullopt;
          auto one = [&](const json::value& p) {
            if (!regex) return glob(json_text(p), s);
            Query q;
            return std::string(json_text(p)) == s || wildcard_match(json_text(p), s, false);
          };
          if (v->is_array()) {
            for (auto& p : v->as_array()) if (one(p)) return true;
            return false;
          }
          return one(*v);
        };
        if (auto m = any("match", name); m && !*m) continue;
        if (auto m = any("unmatch", name); m && *m) continue;
        if (auto m = any("path_match", path); m && !*m) continue;
        if (auto m = any("path_unmatch", path); m && *m) continue;
        if (auto m = any("match_mapping_type", kind); m && !*m) continue;
        if (auto m = any("unmatch_mapping_type", kind); m && *m) continue;
        auto* mapping = t.if_contains("mapping");
        return mapping != nullptr && mapping->is_object() ? &mapping->as_object() : nullptr;
      }
    }
    return nullptr;
  }
  static json::value substitute(const json::value& v, const std::string& name, const std::string& kind) {
    if (v.is_string()) {
      std::string s(v.as_string());
      for (auto& [from, to] : {std::pair<std::string, std::string>{"{name}", name}, {"{dynamic_type}", kind == "string" ? "text" : kind == "double" ? "double" : kind}, {"{dynamicType}", kind}}) {
        for (size_t i; (i = s.find(from)) != std::string::npos;) s.replace(i, from.size(), to);
      }
      return json::value(s);
    }
    if (v.is_object()) {
      json::object o;
      for (auto& [k, e] : v.as_object()) o[k] = substitute(e, name, kind);
      return o;
    }
    return v;
  }
  static json::object instantiate(const json::object& t, const std::string& name, const std::string& kind) {
    json::object o = substitute(t, name, kind).as_object();
    if (!o.contains("type") && kind != "object") {
      json::object typed;
      typed["type"] = kind == "string" ? "text" : kind == "double" ? "float" : kind;
      for (auto& [k, v] : o) typed[k] = v;
      return typed;
    }
    return o;
  }
  void put(const std::string& path, json::object definition) {
    // Insert below the chain of properties.
    json::object* at = &properties;
    if (flat_) {
      (*at)[path] = std::move(definition);
      return;
    }
    size_t i = 0;
    for (size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', i)) {
      json::value& next = (*at)[path.substr(i, dot - i)];
      if (!next.is_object()) next = json::object();
      json::object& o = next.as_object();
      if (!o.contains("properties")) o["properties"] = json::object();
      at = &o["properties"].as_object();
      i = dot + 1;
    }
    (*at)[path.substr(i)] = std::move(definition);
  }
  const Mapping& mapping_;
  const json::object& root_;
  bool flat_;
  std::map<std::string, bool> fresh_;
};

}  // namespace

MappingPtr Mapping::discover(const json::object& source) const {
  std::string dynamic = "true";
  if (auto* d = json().if_contains("dynamic")) dynamic = json_text(*d);
  Discovery d(*this, json());
  d.object(source, "", dynamic, &json(), 0);
  if (d.properties.empty() && d.runtime.empty()) return nullptr;
  json::object update;
  if (!d.properties.empty()) update["properties"] = std::move(d.properties);
  if (!d.runtime.empty()) update["runtime"] = std::move(d.runtime);
  return merge(update);
}

}  // namespace stele::segments
