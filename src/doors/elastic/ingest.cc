#include "doors/elastic/ingest.h"

#include "doors/elastic/scripts.h"

#include <re2/re2.h>

namespace stele::elastic {

[[noreturn]] static void failed(const std::string& why) { throw ElasticError(400, "illegal_argument_exception", why); }

// The value at a dotted path; null when a part is missing.
json::value* at_path(json::object& o, std::string_view path) {
  json::object* in = &o;
  if (path.starts_with("_source.")) path.remove_prefix(8);
  for (;;) {
    size_t dot = path.find('.');
    auto* v = in->if_contains(path.substr(0, dot));
    if (v == nullptr || dot == std::string_view::npos) return v;
    if (!v->is_object()) return nullptr;
    in = &v->get_object();
    path.remove_prefix(dot + 1);
  }
}
void set_path(json::object& o, std::string_view path, json::value value) {
  json::object* in = &o;
  if (path.starts_with("_source.")) path.remove_prefix(8);
  for (;;) {
    size_t dot = path.find('.');
    std::string_view name = path.substr(0, dot);
    if (dot == std::string_view::npos) {
      (*in)[name] = std::move(value);
      return;
    }
    json::value& v = (*in)[name];
    if (v.is_null()) v = json::object();
    if (!v.is_object()) failed("cannot set [" + std::string(path.substr(dot + 1)) + "] with parent object of type [java.lang.String] as part of path [" + std::string(path) + "]");
    in = &v.get_object();
    path.remove_prefix(dot + 1);
  }
}
namespace {

[[noreturn]] void bad_property(const std::string& processor, const std::string& property, const std::string& why) {
  throw ElasticError(400, "parse_exception", "[" + property + "] " + why, json::object{{"processor_type", processor}, {"property_name", property}});
}

std::string required(const std::string& type, const json::object& o, const char* property) {
  auto* v = o.if_contains(property);
  if (v == nullptr || v->is_null()) bad_property(type, property, "required property is missing");
  return json_text(*v);
}

bool remove_path(json::object& o, std::string_view path) {
  json::object* in = &o;
  if (path.starts_with("_source.")) path.remove_prefix(8);
  for (;;) {
    size_t dot = path.find('.');
    if (dot == std::string_view::npos) return in->erase(path) > 0;
    auto* v = in->if_contains(path.substr(0, dot));
    if (v == nullptr || !v->is_object()) return false;
    in = &v->get_object();
    path.remove_prefix(dot + 1);
  }
}

// {{field}} and {{{field}}} in a template.
std::string render(const std::string& text, IngestDocument& d, Engine& engine) {
  std::string out;
  size_t at = 0;
  for (;;) {
    size_t open = text.find("{{", at);
    if (open == std::string::npos) return out + text.substr(at);
    out += text.substr(at, open - at);
    size_t name = open + 2, close = text.find("}}", name);
    if (close == std::string::npos) return out + text.substr(open);
    size_t end = close + 2;
    if (text[name] == '{') {
      ++name;
      end += text.compare(end, 1, "}") == 0 ? 1 : 0;
    }
    std::string path = text.substr(name, close - name);
    path.erase(0, path.find_first_not_of(' '));
    path.erase(path.find_last_not_of(' ') + 1);
    if (path == "_index") out += d.index;
    else if (path == "_id") out += d.id;
    else if (path == "_routing") out += d.routing;
    else if (path == "_ingest.timestamp") out += std::to_string(engine.now_ms());
    else if (json::value* v = at_path(d.source, path)) out += json_text(*v);
    at = end;
  }
}

using Change = std::function<json::value(const json::value&)>;
// Field processors: field, target_field, ignore_missing; arrays element by element.
void change_field(const std::string& type, const json::object& o, IngestDocument& d, const char* must_be, const Change& f) {
  std::string field = required(type, o, "field");
  json::value* v = at_path(d.source, field);
  if (v == nullptr || v->is_null()) {
    if (flag_or(o, "ignore_missing", false)) return;
    failed(v == nullptr ? "field [" + field + "] not present as part of path [" + field + "]" : "field [" + field + "] is null, cannot process it.");
  }
  json::value result;
  if (v->is_array()) {
    json::array list;
    for (auto& e : v->get_array()) list.push_back(f(e));
    result = std::move(list);
  } else {
    if (must_be != nullptr && !v->is_string()) {
      const char* have = v->is_int64() ? "java.lang.Integer" : v->is_double() ? "java.lang.Double" : v->is_bool() ? "java.lang.Boolean" : "java.util.HashMap";
      failed("field [" + field + "] of type [" + have + "] cannot be cast to [" + must_be + "]");
    }
    result = f(*v);
  }
  set_path(d.source, text_or(o, "target_field", field), std::move(result));
}
std::string mapped(const json::value& v, int (*f)(int)) {
  std::string s = json_text(v);
  for (char& c : s) c = static_cast<char>(static_cast<uint8_t>(c) < 128 ? f(static_cast<uint8_t>(c)) : static_cast<uint8_t>(c));
  return s;
}

json::value convert(const json::value& v, const std::string& type) {
  std::string s = json_text(v);
  auto unable = [&](const char* what) { failed("unable to convert [" + s + "] to " + what); };
  char* end = nullptr;
  if (type == "integer" || type == "long") {
    int64_t n = std::strtoll(s.c_str(), &end, 0);
    if (s.empty() || *end != 0 || (type == "integer" && (n > INT32_MAX || n < INT32_MIN))) unable(type.c_str());
    return n;
  }
  if (type == "float" || type == "double") {
    double x = std::strtod(s.c_str(), &end);
    if (s.empty() || *end != 0) unable(type.c_str());
    return x;
  }
  if (type == "boolean") {
    std::string low = mapped(v, std::tolower);
    if (low != "true" && low != "false") failed("[" + s + "] is not a boolean value, cannot convert to boolean");
    return low == "true";
  }
  if (type == "string") return json::value(s);
  if (type == "auto") {
    if (!v.is_string()) return v;
    std::string low = mapped(v, std::tolower);
    if (low == "true" || low == "false") return low == "true";
    int64_t n = std::strtoll(s.c_str(), &end, 10);
    if (!s.empty() && *end == 0) return n;
    double x = std::strtod(s.c_str(), &end);
    if (!s.empty() && *end == 0) return x;
    return v;
  }
  bad_property("convert", "type", "type [" + type + "] not supported, cannot convert field.");
}

const std::set<std::string>& known_processors() {
  static const std::set<std::string> kKnown = {"set", "remove", "rename", "lowercase", "uppercase", "trim", "split", "join", "append", "convert", "gsub", "json", "fail", "drop", "pipeline", "foreach", "bytes", "dot_expander", "html_strip", "urldecode", "sort", "script", "date", "kv", "csv", "dissect", "grok", "reroute", "terminate", "fingerprint"};
  return kKnown;
}

bool run_processors(Engine& engine, const json::array& list, IngestDocument& d, int depth);
struct Terminated {};  // the rest of the pipeline is left out

bool run_processor(Engine& engine, const std::string& type, const json::object& o, IngestDocument& d, int depth) {
  if (type == "set") {
    std::string field = required(type, o, "field");
    json::value* old = at_path(d.source, field);
    if (!flag_or(o, "override", true) && old != nullptr && !old->is_null()) return true;
    json::value value;
    if (auto* from = o.if_contains("copy_from")) {
      json::value* v = at_path(d.source, json_text(*from));
      if (v == nullptr) failed("field [" + json_text(*from) + "] not present as part of path [" + json_text(*from) + "]");
      value = *v;
    } else {
      auto* v = o.if_contains("value");
      if (v == nullptr) bad_property(type, "value", "required property is missing");
      value = v->is_string() ? json::value(render(json_text(*v), d, engine)) : *v;
    }
    if (flag_or(o, "ignore_empty_value", false) && (value.is_null() || (value.is_string() && value.get_string().empty()))) return true;
    field = render(field, d, engine);
    if (field == "_index") d.index = json_text(value);
    else if (field == "_id") d.id = json_text(value);
    else if (field == "_routing") d.routing = json_text(value);
    else set_path(d.source, field, std::move(value));
  } else if (type == "remove") {
    auto* f = o.if_contains("field");
    if (f == nullptr) bad_property(type, "field", "required property is missing");
    json::array fields = f->is_array() ? f->get_array() : json::array{*f};
    for (auto& e : fields) {
      std::string field = render(json_text(e), d, engine);
      if (!remove_path(d.source, field) && !flag_or(o, "ignore_missing", false)) failed("field [" + field + "] not present as part of path [" + field + "]");
    }
  } else if (type == "rename") {
    std::string field = render(required(type, o, "field"), d, engine), to = render(required(type, o, "target_field"), d, engine);
    json::value* v = at_path(d.source, field);
    if (v == nullptr) {
      if (flag_or(o, "ignore_missing", false)) return true;
      failed("field [" + field + "] doesn't exist");
    }
    if (at_path(d.source, to) != nullptr && !flag_or(o, "override", false)) failed("field [" + to + "] already exists");
    json::value moved = *v;
    remove_path(d.source, field);
    set_path(d.source, to, std::move(moved));
  } else if (type == "lowercase") {
    change_field(type, o, d, "java.lang.String", [](const json::value& v) { return json::value(mapped(v, std::tolower)); });
  } else if (type == "uppercase") {
    change_field(type, o, d, "java.lang.String", [](const json::value& v) { return json::value(mapped(v, std::toupper)); });
  } else if (type == "trim") {
    change_field(type, o, d, "java.lang.String", [](const json::value& v) {
      std::string s = json_text(v);
      size_t a = s.find_first_not_of(" \t\r\n"), b = s.find_last_not_of(" \t\r\n");
      return json::value(a == std::string::npos ? std::string() : s.substr(a, b - a + 1));
    });
  } else if (type == "html_strip") {
    change_field(type, o, d, "java.lang.String", [](const json::value& v) {
      std::string out;
      int in = 0;
      for (char ch : json_text(v)) {
        if (ch == '<') {
          in = 1;
          if (!out.empty() && out.back() != '\n') out += '\n';
        } else if (ch == '>') in = 0;
        else if (in == 0) out += ch;
      }
      return json::value(out);
    });
  } else if (type == "split") {
    std::string separator = required(type, o, "separator");
    change_field(type, o, d, "java.lang.String", [&](const json::value& v) {
      json::array parts;
      std::string s = json_text(v);
      RE2 re(separator);
      if (!re.ok()) bad_property("split", "separator", "is not a regular expression");
      re2::StringPiece in(s);
      re2::StringPiece hit;
      size_t from = 0;
      while (from <= s.size() && re.Match(in, from, s.size(), RE2::UNANCHORED, &hit, 1) && !hit.empty()) {
        auto start = static_cast<size_t>(hit.data() - s.data());
        parts.push_back(json::value(s.substr(from, start - from)));
        from = start + hit.size();
      }
      parts.push_back(json::value(s.substr(from)));
      if (!flag_or(o, "preserve_trailing", false)) while (!parts.empty() && parts.back().as_string().empty()) parts.pop_back();
      return json::value(std::move(parts));
    });
  } else if (type == "gsub") {
    std::string pattern = required(type, o, "pattern"), replacement = required(type, o, "replacement");
    change_field(type, o, d, "java.lang.String", [&](const json::value& v) {
      RE2 re(pattern);
      if (!re.ok()) bad_property("gsub", "pattern", "Invalid regex pattern. " + re.error());
      std::string s = json_text(v), with;
      for (size_t i = 0; i < replacement.size(); ++i) {
        if (replacement[i] == '$' && i + 1 < replacement.size() && std::isdigit(static_cast<uint8_t>(replacement[i + 1])) != 0) with += '\\';
        else with += replacement[i];
      }
      RE2::GlobalReplace(&s, re, with);
      return json::value(s);
    });
  } else if (type == "join") {
    std::string field = required(type, o, "field"), separator = required(type, o, "separator"), text;
    json::value* v = at_path(d.source, field);
    if (v == nullptr || !v->is_array()) failed("field [" + field + "] of type [java.lang.String] cannot be cast to [java.util.List]");
    for (auto& e : v->get_array()) text += (text.empty() ? "" : separator) + json_text(e);
    set_path(d.source, text_or(o, "target_field", field), json::value(text));
  } else if (type == "append") {
    std::string field = render(required(type, o, "field"), d, engine);
    auto* given = o.if_contains("value");
    if (given == nullptr) bad_property(type, "value", "required property is missing");
    json::value* old = at_path(d.source, field);
    json::array list;
    if (old != nullptr && old->is_array()) list = old->get_array();
    else if (old != nullptr && !old->is_null()) list.push_back(*old);
    json::array more = given->is_array() ? given->get_array() : json::array{*given};
    for (auto& e : more) {
      json::value v = e.is_string() ? json::value(render(json_text(e), d, engine)) : e;
      if (flag_or(o, "allow_duplicates", true) || std::find(list.begin(), list.end(), v) == list.end()) list.push_back(std::move(v));
    }
    set_path(d.source, field, std::move(list));
  } else if (type == "convert") {
    std::string to = required(type, o, "type");
    change_field(type, o, d, nullptr, [&](const json::value& v) { return convert(v, to); });
  } else if (type == "bytes") {
    change_field(type, o, d, "java.lang.String", [](const json::value& v) {
      std::string s = mapped(v, std::tolower);
      char* end = nullptr;
      double n = std::strtod(s.c_str(), &end);
      static const std::map<std::string, double> kUnits = {{"b", 1}, {"kb", 1024.0}, {"mb", 1048576.0}, {"gb", 1073741824.0}, {"tb", 1099511627776.0}, {"pb", 1125899906842624.0}};
      auto unit = kUnits.find(end);
      if (unit == kUnits.end()) failed("failed to parse setting [Ingest Field] with value [" + json_text(v) + "] as a size in bytes: unit is missing or unrecognized");
      return json::value(static_cast<int64_t>(n * unit->second));
    });
  } else if (type == "json") {
    std::string field = required(type, o, "field");
    json::value* v = at_path(d.source, field);
    if (v == nullptr) failed("field [" + field + "] not present as part of path [" + field + "]");
    json::value parsed = parse_json(json_text(*v));
    if (flag_or(o, "add_to_root", false) && parsed.is_object()) merge_into(d.source, parsed.get_object());
    else set_path(d.source, text_or(o, "target_field", field), std::move(parsed));
  } else if (type == "dot_expander") {
    std::string field = required(type, o, "field");
    std::vector<std::string> names;
    for (auto& [k, v] : d.source) if (k.find('.') != std::string_view::npos && (field == "*" || k == field)) names.emplace_back(k);
    for (auto& n : names) {
      json::value v = d.source.at(n);
      d.source.erase(n);
      set_path(d.source, n, std::move(v));
    }
  } else if (type == "sort") {
    std::string field = required(type, o, "field");
    json::value* v = at_path(d.source, field);
    if (v == nullptr || !v->is_array()) failed("field [" + field + "] is null, cannot sort.");
    json::array list = v->get_array();
    bool desc = text_or(o, "order", "asc") == "desc";
    std::stable_sort(list.begin(), list.end(), [&](const json::value& a, const json::value& b) {
      const json::value &x = desc ? b : a, &y = desc ? a : b;
      if (x.is_number() && y.is_number()) return x.to_number<double>() < y.to_number<double>();
      return json_text(x) < json_text(y);
    });
    set_path(d.source, text_or(o, "target_field", field), std::move(list));
  } else if (type == "fail") {
    throw ElasticError(400, "fail_processor_exception", render(required(type, o, "message"), d, engine));
  } else if (type == "drop") {
    return false;
  } else if (type == "pipeline") {
    std::string name = render(required(type, o, "name"), d, engine);
    if (depth > 20) failed("Cycle detected for pipeline: " + name);
    auto p = engine.get_thing("pipeline", name);
    if (!p) {
      if (flag_or(o, "ignore_missing_pipeline", false)) return true;
      failed("Pipeline processor configured for non-existent pipeline [" + name + "]");
    }
    return run_processors(engine, p->at("processors").as_array(), d, depth + 1);
  } else if (type == "foreach") {
    std::string field = required(type, o, "field");
    json::value* v = at_path(d.source, field);
    if (v == nullptr || !v->is_array()) {
      if (flag_or(o, "ignore_missing", false)) return true;
      failed("field [" + field + "] not present as part of path [" + field + "]");
    }
    json::array in = v->get_array(), out;
    auto* inner = o.if_contains("processor");
    if (inner == nullptr || !inner->is_object()) bad_property(type, "processor", "required property is missing");
    for (auto& e : in) {
      json::object ingest{{"_value", e}};
      d.source["_ingest"] = ingest;
      run_processors(engine, json::array{*inner}, d, depth + 1);
      out.push_back(d.source.at("_ingest").as_object().at("_value"));
    }
    d.source.erase("_ingest");
    set_path(d.source, field, std::move(out));
  } else if (type == "script") {
    json::object spec;
    for (const char* k : {"source", "id", "lang", "params"}) if (auto* v = o.if_contains(k)) spec[k] = *v;
    DocumentScript(engine, spec).run_on_fields(d.source, d.index, d.id, d.routing);
  } else if (type == "reroute") {
    d.index = text_or(o, "destination", d.index);
  } else if (type == "terminate") {
    throw Terminated();
  } else if (!run_text_processor(type, o, d)) {
    failed("No processor type exists with name [" + type + "]");
  }
  return true;
}

bool run_processors(Engine& engine, const json::array& list, IngestDocument& d, int depth) {
  for (auto& p : list) {
    const auto& entry = *p.as_object().begin();
    std::string type(entry.key());
    const json::object& o = entry.value().as_object();
    try {
      if (auto* condition = o.if_contains("if")) {
        json::object copy = d.source;
        std::string index = d.index, id = d.id, routing = d.routing;
        if (!DocumentScript(engine, *condition).run_on_fields(copy, index, id, routing)) continue;
      }
      if (!run_processor(engine, type, o, d, depth)) return false;
    } catch (const std::exception& any) {
      if (dynamic_cast<const ElasticError*>(&any) == nullptr && dynamic_cast<const Error*>(&any) == nullptr) throw;
      if (auto* handlers = o.if_contains("on_failure"); handlers != nullptr && handlers->is_array()) {
        if (!run_processors(engine, handlers->get_array(), d, depth + 1)) return false;
      } else if (!flag_or(o, "ignore_failure", false)) {
        throw;
      }
    }
  }
  return true;
}

bool run_definition(Engine& engine, const json::object& definition, IngestDocument& d) {
  try {
    return run_processors(engine, definition.at("processors").as_array(), d, 0);
  } catch (const Terminated&) {
    return true;
  } catch (const ElasticError&) {
    auto* handlers = definition.if_contains("on_failure");
    if (handlers == nullptr || !handlers->is_array()) throw;
    return run_processors(engine, handlers->get_array(), d, 0);
  }
}

Reply simulate(Call& c) {
  json::object body = c.body(true);
  json::object definition;
  if (std::string name = c.part("name"); !name.empty()) {
    auto p = c.engine().get_thing("pipeline", name);
    if (!p) illegal("pipeline [" + name + "] does not exist");
    definition = *p;
  } else {
    auto* p = body.if_contains("pipeline");
    if (p == nullptr || !p->is_object()) bad_property("", "pipeline", "required property is missing");
    definition = p->get_object();
  }
  check_pipeline(definition);
  auto* docs = body.if_contains("docs");
  if (docs == nullptr) bad_property("", "docs", "required property is missing");
  if (!docs->is_array() || docs->get_array().empty()) illegal("must specify at least one document in [docs]");
  bool verbose = c.flag("verbose", false);
  auto shown = [&](const IngestDocument& d) {
    json::object o{{"_index", d.index}, {"_version", "-3"}, {"_id", d.id}};
    if (!d.routing.empty()) o["_routing"] = d.routing;
    o["_source"] = d.source;
    o["_ingest"] = json::object{{"timestamp", std::to_string(c.engine().now_ms())}};
    return o;
  };
  json::array out;
  for (auto& e : docs->get_array()) {
    if (!e.is_object()) illegal("malformed [docs] section, should include an inner object");
    auto* source = e.get_object().if_contains("_source");
    if (source == nullptr || !source->is_object()) bad_property("", "_source", "required property is missing");
    IngestDocument d{source->get_object(), text_or(e.get_object(), "_index", "_index"), text_or(e.get_object(), "_id", "_id"), text_or(e.get_object(), "_routing")};
    if (verbose) {
      json::array results;
      for (auto& p : definition.at("processors").as_array()) {
        std::string type(p.as_object().begin()->key());
        json::object r{{"processor_type", type}};
        if (auto tag = text_or(p.as_object().begin()->value().as_object(), "tag"); !tag.empty()) r["tag"] = tag;
        try {
          bool kept = run_processors(c.engine(), json::array{p}, d, 0);
          r["status"] = kept ? "success" : "dropped";
          if (kept) r["doc"] = shown(d);
          results.push_back(r);
          if (!kept) break;
        } catch (const ElasticError& x) {
          r["status"] = "error";
          r["error"] = x.body()["error"];
          results.push_back(r);
          break;
        }
      }
      out.push_back(json::object{{"processor_results", results}});
      continue;
    }
    try {
      if (run_definition(c.engine(), definition, d)) out.push_back(json::object{{"doc", shown(d)}});
      else out.push_back(nullptr);
    } catch (const ElasticError& x) {
      out.push_back(json::object{{"error", x.body()["error"]}});
    }
  }
  return Reply(json::object{{"docs", out}});
}

Reply put_pipeline(Call& c) {
  json::object body = c.body(true);
  check_pipeline(body);
  c.engine().put_thing("pipeline", c.part("name"), body);
  return Reply(json::object{{"acknowledged", true}});
}
Reply get_pipeline(Call& c) {
  json::object out;
  std::string want = c.part("name");
  for (auto& [n, b] : c.engine().things("pipeline")) {
    bool take = want.empty();
    for (auto& p : split(want, ',')) take |= glob(p, n);
    if (!take) continue;
    if (c.flag("summary", false)) out[n] = json::object{{"description", text_or(b, "description")}};
    else out[n] = b;
  }
  return Reply(out, out.empty() && !want.empty() && want.find('*') == std::string::npos ? 404 : 200);
}
Reply delete_pipeline(Call& c) {
  std::string name = c.part("name");
  bool some = false;
  for (auto& [n, b] : c.engine().things("pipeline")) {
    if (glob(name, n)) some |= c.engine().drop_thing("pipeline", n);
  }
  if (!some && name.find('*') == std::string::npos) throw ElasticError(404, "resource_not_found_exception", "pipeline [" + name + "] is missing");
  return Reply(json::object{{"acknowledged", true}});
}

}  // namespace

void check_pipeline(const json::object& definition) {
  auto* list = definition.if_contains("processors");
  if (list == nullptr) bad_property("", "processors", "required property is missing");
  if (!list->is_array()) bad_property("", "processors", "property isn't a list, but of type [java.lang.String]");
  for (auto& p : list->get_array()) {
    if (!p.is_object() || p.get_object().empty() || !p.get_object().begin()->value().is_object()) bad_property("", "processors", "property isn't a map");
    std::string type(p.get_object().begin()->key());
    const json::object& o = p.get_object().begin()->value().get_object();
    if (known_processors().count(type) == 0) throw ElasticError(400, "parse_exception", "No processor type exists with name [" + type + "]", json::object{{"processor_type", type}});
    static const std::map<std::string, std::vector<const char*>> kRequired = {
        {"set", {"field"}}, {"remove", {"field"}}, {"rename", {"field", "target_field"}}, {"lowercase", {"field"}}, {"uppercase", {"field"}}, {"trim", {"field"}},
        {"split", {"field", "separator"}}, {"join", {"field", "separator"}}, {"append", {"field", "value"}}, {"convert", {"field", "type"}}, {"gsub", {"field", "pattern", "replacement"}},
        {"json", {"field"}}, {"fail", {"message"}}, {"pipeline", {"name"}}, {"foreach", {"field", "processor"}}, {"bytes", {"field"}}, {"dot_expander", {"field"}}, {"html_strip", {"field"}}, {"sort", {"field"}}};
    if (auto it = kRequired.find(type); it != kRequired.end()) {
      for (const char* property : it->second) if (!o.contains(property)) bad_property(type, property, "required property is missing");
    }
    if (type == "set" && !o.contains("value") && !o.contains("copy_from")) bad_property(type, "value", "required property is missing");
  }
}

bool run_pipeline(Engine& engine, const std::string& name, IngestDocument& d) {
  auto p = engine.get_thing("pipeline", name);
  if (!p) illegal("pipeline with id [" + name + "] does not exist");
  return run_definition(engine, *p, d);
}

bool run_pipelines(Call& c, const std::string& requested, IngestDocument& d, std::vector<std::string>* executed) {
  std::string first = requested, last;
  IndexPtr x = c.engine().find(d.index);
  if (!x) {
    auto list = c.engine().by_alias(d.index);
    if (!list.empty()) x = list[0];
  }
  if (x) {
    if (first.empty()) first = x->setting("default_pipeline");
    last = x->setting("final_pipeline");
  }
  for (const std::string& name : {first, last}) {
    if (name.empty() || name == "_none") continue;
    if (executed != nullptr) executed->push_back(name);
    if (!run_pipeline(c.engine(), name, d)) return false;
  }
  return true;
}

std::vector<Route> ingest_routes() {
  constexpr const char* kParams = "timeout,master_timeout,summary,verbose,if_version";
  return {
      {"PUT", "/_ingest/pipeline/{name}", put_pipeline, kParams},
      {"GET", "/_ingest/pipeline/{name}", get_pipeline, kParams},
      {"GET", "/_ingest/pipeline", get_pipeline, kParams},
      {"DELETE", "/_ingest/pipeline/{name}", delete_pipeline, kParams},
      {"GET", "/_ingest/processor/grok", [](Call&) {
         json::object patterns;
         for (auto& [k, v] : grok_patterns()) patterns[k] = v;
         return Reply(json::object{{"patterns", patterns}});
       }, "s,ecs_compatibility"},
      {"GET,POST", "/_ingest/pipeline/_simulate", simulate, kParams},
      {"GET,POST", "/_ingest/pipeline/{name}/_simulate", simulate, kParams},
  };
}

}  // namespace stele::elastic
