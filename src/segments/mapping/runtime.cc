// The "runtime" section of a mapping.
#include <boost/json.hpp>

#include "base/error.h"
#include "segments/mapping/mapping.h"

namespace stele::segments {

namespace {
[[noreturn]] void refuse(std::string m) { throw Error(ErrorCode::kDocumentMapperParsing, std::move(m)); }
const std::set<std::string>& runtime_types() {
  static const std::set<std::string> kTypes = {"boolean", "composite", "date", "double", "geo_point", "ip", "keyword", "long"};
  return kTypes;
}
}  // namespace

json::object checked_runtime(const json::object& given) {
  json::object out;
  for (auto& [name, spec] : given) {
    std::string field(name);
    if (spec.is_null()) {
      out[name] = nullptr;
      continue;
    }
    if (!spec.is_object()) refuse("Expected map for runtime field [" + field + "] definition but got a " + (spec.is_string() ? "java.lang.String" : "java.lang.Integer"));
    json::object d = spec.as_object();
    auto* type = d.if_contains("type");
    if (type == nullptr) refuse("No type specified for runtime field [" + field + "]");
    std::string kind = json_text(*type);
    if (kind == "lookup") throw Error(ErrorCode::kFeatureNotSupported, "runtime fields of type [lookup] are not supported by this server");
    if (runtime_types().count(kind) == 0) refuse("No handler for type [" + kind + "] declared on runtime field [" + field + "]");
    for (auto& [key, v] : d) {
      static const std::set<std::string_view> kKnown = {"type", "script", "format", "locale", "meta", "on_script_error", "fields"};
      if (kKnown.count(key) == 0 || (key == "fields" && kind != "composite") || ((key == "format" || key == "locale") && kind != "date")) {
        refuse("unknown parameter [" + std::string(key) + "] on runtime field [" + field + "] of type [" + kind + "]");
      }
    }
    if (kind == "composite") {
      auto* f = d.if_contains("fields");
      if (f == nullptr || !f->is_object() || f->as_object().empty()) refuse("composite runtime field [" + field + "] must declare its [fields]");
      if (!d.contains("script")) refuse("composite runtime field [" + field + "] must declare a [script]");
      for (auto& [sub, s] : f->as_object()) {
        if (!s.is_object() || !s.as_object().contains("type")) refuse("No type specified for runtime field [" + field + "." + std::string(sub) + "]");
        if (runtime_types().count(json_text(s.as_object().at("type"))) == 0) refuse("No handler for type [" + json_text(s.as_object().at("type")) + "] declared on runtime field [" + field + "." + std::string(sub) + "]");
      }
    }
    if (auto* s = d.if_contains("script"); s != nullptr && !s->is_null()) {
      json::object script;
      if (s->is_object()) script = s->as_object();
      else script["source"] = *s;
      if (!script.contains("lang") && !script.contains("id")) script["lang"] = "painless";
      d["script"] = std::move(script);
    }
    out[name] = std::move(d);
  }
  return out;
}

json::object Mapping::runtime(const json::object& asked) const {
  json::object all;
  if (auto* own = json().if_contains("runtime"); own != nullptr && own->is_object()) all = own->as_object();
  for (auto& [k, v] : checked_runtime(asked)) {
    if (v.is_null()) all.erase(k);
    else all[k] = v;
  }
  return all;
}

MappingPtr Mapping::with_runtime(const json::object& definitions) const {
  std::shared_ptr<Mapping> m(new Mapping);
  m->data_ = data_;
  m->analysis_ = analysis_;
  m->fields_ = fields_;
  m->objects_ = objects_;
  m->nested_options_ = nested_options_;
  auto add = [&](const std::string& path, const json::object& spec) {
    json::object d;
    d["type"] = spec.at("type");
    if (auto* f = spec.if_contains("format")) d["format"] = *f;
    m->fields_.erase(path);
    m->compile_field(path, d, "");
    m->fields_.at(path).runtime = true;
  };
  for (auto& [name, spec] : definitions) {
    if (!spec.is_object()) continue;
    std::string path(name);
    auto* fields = spec.as_object().if_contains("fields");
    if (fields == nullptr) add(path, spec.as_object());
    else for (auto& [sub, s] : fields->as_object()) add(path + "." + std::string(sub), s.as_object());
  }
  return m;
}

}  // namespace stele::segments
