#include "doors/elastic/call.h"

namespace stele::elastic {

ElasticError index_missing(const std::string& name) {
  return ElasticError(404, "index_not_found_exception", "no such index [" + name + "]",
                      json::object{{"resource.type", "index_or_alias"}, {"resource.id", name}, {"index_uuid", "_na_"}, {"index", name}});
}
void invalid(const std::vector<std::string>& problems) {
  std::string m = "Validation Failed: ";
  for (size_t i = 0; i < problems.size(); ++i) m += std::to_string(i + 1) + ": " + problems[i] + ";";
  throw ElasticError(400, "action_request_validation_exception", m);
}
void illegal(const std::string& m) { throw ElasticError(400, "illegal_argument_exception", m); }

json::object shards(int64_t n, bool with_skipped) {
  json::object o{{"total", n}, {"successful", n}};
  if (with_skipped) o["skipped"] = 0;
  o["failed"] = 0;
  return o;
}

bool Call::flag(std::string_view name, bool fallback) const {
  const std::string* p = request.param(name);
  if (p == nullptr) return fallback;
  if (p->empty() || *p == "true") return true;
  if (*p == "false") return false;
  illegal("Failed to parse value [" + *p + "] as only [true] or [false] are allowed.");
}
int64_t Call::number(std::string_view name, int64_t fallback) const {
  const std::string* p = request.param(name);
  if (p == nullptr) return fallback;
  char* end;
  int64_t v = std::strtoll(p->c_str(), &end, 10);
  if (p->empty() || *end != 0) {
    throw ElasticError(400, "illegal_argument_exception", "Failed to parse int parameter [" + std::string(name) + "] with value [" + *p + "]",
                       json::object{{"caused_by", json::object{{"type", "number_format_exception"}, {"reason", "For input string: \"" + *p + "\""}}}});
  }
  return v;
}
json::object Call::body(bool required) const {
  std::string_view text = request.body;
  std::string from_param;
  if (text.empty() && request.param("source") != nullptr) {
    from_param = *request.param("source");
    text = from_param;
  }
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    if (required) throw ElasticError(400, "parse_exception", "request body is required");
    return {};
  }
  json::value v = parse_json(text);
  if (!v.is_object()) throw ElasticError(400, "parsing_exception", "Expected [START_OBJECT] but found [" + std::string(v.is_array() ? "START_ARRAY" : "VALUE_STRING") + "]", json::object{{"line", 1}, {"col", 1}});
  return v.get_object();
}

std::vector<Call::Target> Call::resolve(const std::string& expression, bool allow_no, bool ignore_missing, bool closed_too) {
  std::map<std::string, Target> found;
  std::string expand = param("expand_wildcards", closed_too ? "open,closed" : "open");
  bool open = expand.find("open") != std::string::npos || expand == "all";
  bool closed = expand.find("closed") != std::string::npos || expand == "all";
  bool hidden = expand.find("hidden") != std::string::npos || expand == "all";
  auto add = [&](const IndexPtr& x, const json::value* filter) {
    auto [it, fresh] = found.try_emplace(x->name);
    Target& t = it->second;
    if (fresh) {
      t.index = x;
      t.unfiltered = filter == nullptr;
    } else if (filter == nullptr) {
      t.unfiltered = true;
    }
    if (filter != nullptr) t.filters.push_back(*filter);
  };
  auto filter_of = [](const IndexPtr& x, const std::string& alias) -> const json::value* {
    auto* a = x->aliases.if_contains(alias);
    if (a == nullptr || !a->is_object()) return nullptr;
    return a->get_object().if_contains("filter");
  };
  std::string expr = expression;
  bool everything = expr.empty() || expr == "_all" || expr == "*";
  std::vector<std::string> names = everything ? std::vector<std::string>{"*"} : split(expr, ',');
  bool wildcard_seen = false;
  std::string first_pattern;
  for (std::string name : names) {
    if (name.size() > 1 && name[0] == '<' && name.back() == '>') {  // date math
      std::string out;
      std::string in = name.substr(1, name.size() - 2);
      for (size_t i = 0; i < in.size(); ++i) {
        if (in[i] != '{') {
          out.push_back(in[i]);
          continue;
        }
        int depth = 0;
        size_t e = i;
        for (; e < in.size(); ++e) {
          depth += in[e] == '{' ? 1 : in[e] == '}' ? -1 : 0;
          if (depth == 0) break;
        }
        std::string math = in.substr(i + 1, e - i - 1), format = "yyyy.MM.dd";
        if (size_t b = math.find('{'); b != std::string::npos) {
          format = math.substr(b + 1, math.size() - b - 2);
          math = math.substr(0, b);
        }
        segments::DateFormat f(split(format, '|')[0]);
        out += f.format(segments::default_date_format().parse_math(math, engine().now_ms(), false, nullptr));
        i = e;
      }
      name = out;
    }
    bool exclude = name[0] == '-' && wildcard_seen;
    if (exclude) name = name.substr(1);
    if (name.find('*') != std::string::npos) {
      wildcard_seen = true;
      if (first_pattern.empty()) first_pattern = name;
      for (const IndexPtr& x : engine().all()) {
        bool is_hidden = (x->setting("hidden") == "true" || false) && !(name[0] == '.' && x->name[0] == '.');
        bool match = glob(name, x->name);
        if (exclude) {
          if (match) found.erase(x->name);
          continue;
        }
        if (x->closed ? !closed : !open) continue;
        if (match && (!is_hidden || hidden)) add(x, nullptr);
        if (!match && !x->data_stream.empty() && glob(name, x->data_stream)) add(x, nullptr);
        for (auto& [alias, def] : x->aliases) {
          if (!match && glob(name, alias)) add(x, filter_of(x, std::string(alias)));
        }
      }
      continue;
    }
    if (IndexPtr x = engine().find(name)) {
      if (exclude) found.erase(name);
      else {
        if (x->closed && !closed_too && !ignore_missing && expand.find("closed") == std::string::npos) {
          throw ElasticError(400, "index_closed_exception", "closed", json::object{{"index_uuid", x->uuid}, {"index", x->name}});
        }
        if (!x->closed || closed_too || closed) add(x, nullptr);
      }
      continue;
    }
    auto list = engine().by_alias(name);
    if (list.empty()) {
      if (ignore_missing) continue;
      if (!name.empty() && name[0] == '_') {
        throw ElasticError(400, "invalid_index_name_exception", "Invalid index name [" + name + "], must not start with '_', '-', or '+'", json::object{{"index_uuid", "_na_"}, {"index", name}});
      }
      throw index_missing(name);
    }
    for (auto& x : list) {
      if (exclude) found.erase(x->name);
      else add(x, filter_of(x, name));
    }
  }
  if (found.empty() && !allow_no) throw index_missing(expression.empty() ? "_all" : expression);
  std::vector<Target> out;
  for (auto& [n, t] : found) {
    if (t.unfiltered) t.filters.clear();
    out.push_back(std::move(t));
  }
  return out;
}
std::vector<Call::Target> Call::resolve_param(const std::string& name, bool closed_too) {
  return resolve(part(name), flag("allow_no_indices", true), flag("ignore_unavailable", false), closed_too);
}

IndexPtr Call::read_target(const std::string& name) {
  if (IndexPtr x = engine().find(name)) return x;
  auto list = engine().by_alias(name);
  if (list.empty()) throw index_missing(name);
  if (list.size() > 1) {
    std::string names;
    for (auto& x : list) names += (names.empty() ? "" : ", ") + x->name;
    illegal("alias [" + name + "] has more than one index associated with it [" + names + "], can't execute a single index op");
  }
  return list[0];
}

namespace {
// Settings under their full names, as a tree.
json::object full_settings(const json::object& given, bool as_text) {
  json::object flat, named;
  flatten(given, "", flat);
  for (auto& [k, x] : flat)
    named[std::string(k).starts_with("index.") ? std::string(k) : "index." + std::string(k)] = !as_text || x.is_array() || x.is_null() ? x : json::value(json_text(x));
  return nest(named);
}
void merge_template(json::object& out, const json::object& part, bool as_text) {
  for (const char* key : {"settings", "mappings", "aliases"}) {
    auto* v = part.if_contains(key);
    if (v == nullptr || !v->is_object()) continue;
    const json::object incoming = std::string_view(key) == "settings" ? full_settings(v->get_object(), as_text) : v->get_object();
    if (!out.contains(key)) out[key] = json::object();
    merge_into(out[key].get_object(), incoming);
  }
}
}  // namespace

json::object compose_template(Engine& e, const json::object& index_template, bool settings_as_text) {
  json::object out;
  if (auto* l = index_template.if_contains("composed_of"); l != nullptr && l->is_array()) {
    for (auto& n : l->get_array()) {
      auto part = e.get_thing("component_template", json_text(n));
      if (part && part->contains("template")) merge_template(out, part->at("template").as_object(), settings_as_text);
    }
  }
  if (auto* own = index_template.if_contains("template"); own != nullptr && own->is_object()) merge_template(out, own->get_object(), settings_as_text);
  return out;
}

namespace {
// Index templates that match a new index, composed into a create body.
json::object template_body(Engine& e, const std::string& name) {
  if (auto best = index_template_of(e, name)) return compose_template(e, best->second, false);
  json::object out;
  std::vector<std::pair<int64_t, json::object>> legacy;
  for (auto& [n, t] : e.things("template")) {
    auto* patterns = t.if_contains("index_patterns");
    bool match = false;
    if (patterns != nullptr && patterns->is_array()) for (auto& p : patterns->get_array()) match |= glob(json_text(p), name);
    else if (patterns != nullptr) match = glob(json_text(*patterns), name);
    if (match) legacy.emplace_back(t.contains("order") ? std::atoll(text_or(t, "order").c_str()) : 0, t);
  }
  std::stable_sort(legacy.begin(), legacy.end(), [](auto& a, auto& b) { return a.first < b.first; });
  for (auto& [o, t] : legacy) merge_template(out, t, false);
  return out;
}
}  // namespace

json::object compose_create_body(Engine& e, const std::string& name, const json::object& body) {
  json::object out = template_body(e, name);
  for (auto& [k, v] : body) {
    if (!v.is_object()) continue;
    json::object incoming = v.get_object();
    if (k == "settings") incoming = full_settings(incoming, false);
    if (!out.contains(k)) out[k] = json::object();
    if (k == "mappings" && !out[k].get_object().empty()) {
      auto m = segments::Mapping::parse(out[k].get_object(), nullptr);
      try {
        out[k] = m->merge(incoming)->json();
      } catch (const Error&) {
        merge_into(out[k].get_object(), incoming);
      }
    } else {
      merge_into(out[k].get_object(), incoming);
    }
  }
  return out;
}

IndexPtr Call::write_target(const std::string& name, bool require_alias, bool create) {
  if (IndexPtr x = engine().find(name)) {
    if (require_alias) {
      throw ElasticError(404, "index_not_found_exception", "no such index [" + name + "] and [require_alias] request flag is [true] and [" + name + "] is not an alias",
                         json::object{{"index_uuid", "_na_"}, {"index", name}});
    }
    return x;
  }
  auto list = engine().by_alias(name);
  if (!list.empty()) {
    if (list[0]->data_stream == name) {  // the newest generation
      return *std::max_element(list.begin(), list.end(), [](auto& a, auto& b) {
        bool own_a = a->name.starts_with(".ds-"), own_b = b->name.starts_with(".ds-");
        if (own_a != own_b) return own_b;
        auto generation = [](const std::string& n) { return n.size() > 6 ? n.substr(n.size() - 6) : n; };
        return own_a ? generation(a->name) < generation(b->name) : a->name < b->name;
      });
    }
    std::vector<IndexPtr> writable;
    for (auto& x : list) {
      auto* d = x->aliases.if_contains(name);
      auto* w = d != nullptr && d->is_object() ? d->get_object().if_contains("is_write_index") : nullptr;
      if (w != nullptr && json_text(*w) == "true") return x;
      if (list.size() == 1 && w == nullptr) writable.push_back(x);
    }
    if (!writable.empty()) return writable[0];
    illegal("no write index is defined for alias [" + name + "]. The write index may be explicitly disabled using is_write_index=false or the alias points to multiple indices without one being designated as a write index");
  }
  if (require_alias) {
    throw ElasticError(404, "index_not_found_exception", "no such index [" + name + "] and [require_alias] request flag is [true] and [" + name + "] is not an alias",
                       json::object{{"index_uuid", "_na_"}, {"index", name}});
  }
  if (!create) throw index_missing(name);
  {
    std::lock_guard lock(door.settings_mutex);
    for (auto* s : {&door.transient_settings, &door.persistent_settings}) {
      auto* v = s->if_contains("action.auto_create_index");
      if (v != nullptr && json_text(*v) == "false") {
        throw ElasticError(404, "index_not_found_exception", "no such index [" + name + "] and [action.auto_create_index] is [false]", json::object{{"index_uuid", "_na_"}, {"index", name}});
      }
    }
  }
  try {
    if (auto t = index_template_of(engine(), name); t && t->second.contains("data_stream")) return create_data_stream(engine(), name, t->second, t->first);
    return engine().create(name, compose_create_body(engine(), name, {}));
  } catch (const ElasticError& e) {
    if (IndexPtr x = engine().find(name)) return x;  // another request was faster
    throw;
  }
}

}  // namespace stele::elastic
