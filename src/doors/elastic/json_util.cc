#include "doors/elastic/json_util.h"

#include "doors/elastic/scripts.h"

namespace stele::elastic {

json::value parse_json(std::string_view text) {
  json::parse_options o;
  o.max_depth = 500;
  boost::system::error_code ec;
  json::value v = json::parse(text, ec, {}, o);
  if (ec) {
    if (ec == json::error::too_deep) throw ElasticError(400, "x_content_parse_exception", "Document nesting depth (501) exceeds the maximum allowed (500, from `StreamReadConstraints.getMaxNestingDepth()`)");
    throw ElasticError(400, "x_content_parse_exception", "[1:1] Unexpected character: " + ec.message());
  }
  return v;
}

namespace {
void put_string(std::string_view s, std::string& out) {
  static const char* kHex = "0123456789ABCDEF";
  out.push_back('"');
  for (char ch : s) {
    auto c = static_cast<uint8_t>(ch);
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default:
        if (c < 0x20) {
          out += "\\u00";
          out.push_back(kHex[c >> 4]);
          out.push_back(kHex[c & 15]);
        } else {
          out.push_back(ch);
        }
    }
  }
  out.push_back('"');
}
void write(const json::value& v, bool pretty, int level, std::string& out) {
  auto line = [&](int l) {
    if (!pretty) return;
    out.push_back('\n');
    out.append(static_cast<size_t>(l) * 2, ' ');
  };
  switch (v.kind()) {
    case json::kind::null: out += "null"; break;
    case json::kind::bool_: out += v.get_bool() ? "true" : "false"; break;
    case json::kind::int64: out += std::to_string(v.get_int64()); break;
    case json::kind::uint64: out += std::to_string(v.get_uint64()); break;
    case json::kind::double_: {
      std::string d = segments::java_double(v.get_double());
      if (std::isfinite(v.get_double())) out += d;
      else put_string(d, out);
      break;
    }
    case json::kind::string: put_string(v.get_string(), out); break;
    case json::kind::array: {
      auto& a = v.get_array();
      if (a.empty()) {
        out += pretty ? "[ ]" : "[]";
        break;
      }
      out.push_back('[');
      for (size_t i = 0; i < a.size(); ++i) {
        if (i > 0) out.push_back(',');
        line(level + 1);
        write(a[i], pretty, level + 1, out);
      }
      line(level);
      out.push_back(']');
      break;
    }
    case json::kind::object: {
      auto& o = v.get_object();
      if (o.empty()) {
        out += pretty ? "{ }" : "{}";
        break;
      }
      out.push_back('{');
      bool first = true;
      for (auto& [k, e] : o) {
        if (!first) out.push_back(',');
        first = false;
        line(level + 1);
        put_string(k, out);
        out += pretty ? " : " : ":";
        write(e, pretty, level + 1, out);
      }
      line(level);
      out.push_back('}');
      break;
    }
  }
}
void yaml(const json::value& v, int level, bool inline_start, std::string& out) {
  std::string pad(static_cast<size_t>(level) * 2, ' ');
  auto scalar = [&](const json::value& x) {
    if (x.is_string()) put_string(x.get_string(), out);
    else write(x, false, 0, out);
    out.push_back('\n');
  };
  if (v.is_object() && !v.get_object().empty()) {
    bool first = inline_start;
    for (auto& [k, e] : v.get_object()) {
      if (!first) out += pad;
      first = false;
      out += std::string(k) + ":";
      bool nested = (e.is_object() && !e.get_object().empty()) || (e.is_array() && !e.get_array().empty());
      if (nested) {
        out.push_back('\n');
        yaml(e, e.is_array() ? level : level + 1, false, out);
      } else {
        out.push_back(' ');
        scalar(e);
      }
    }
  } else if (v.is_array() && !v.get_array().empty()) {
    for (auto& e : v.get_array()) {
      out += pad + "- ";
      yaml(e, level + 1, true, out);
    }
  } else {
    scalar(v);
  }
}
}  // namespace

std::string write_json(const json::value& v, bool pretty) {
  std::string out;
  write(v, pretty, 0, out);
  if (pretty) out.push_back('\n');
  return out;
}
std::string write_yaml(const json::value& v) {
  std::string out = "---\n";
  yaml(v, 0, false, out);
  return out;
}

json::value score_json(float score) {
  if (!std::isfinite(score)) return nullptr;
  return std::strtod(fmt::format("{}", score).c_str(), nullptr);
}

std::vector<std::string> split(std::string_view s, char by) {
  std::vector<std::string> out;
  size_t i = 0;
  while (i <= s.size()) {
    size_t e = std::min(s.find(by, i), s.size());
    if (e > i) out.emplace_back(s.substr(i, e - i));
    i = e + 1;
  }
  return out;
}
bool glob(std::string_view pattern, std::string_view s) { return segments::wildcard_match(pattern, s, false); }
std::string text_or(const json::object& o, std::string_view key, std::string fallback) {
  auto* v = o.if_contains(key);
  return v == nullptr || v->is_null() ? fallback : json_text(*v);
}
bool flag_or(const json::object& o, std::string_view key, bool fallback) {
  auto* v = o.if_contains(key);
  return v == nullptr || v->is_null() ? fallback : json_text(*v) == "true";
}

namespace {
using Path = std::vector<std::string>;
// What remains of the patterns below one key; full: a pattern ends here.
std::vector<Path> step(const std::vector<Path>& paths, std::string_view key, bool* full) {
  std::vector<Path> out;
  for (const Path& p : paths) {
    if (p.empty()) continue;
    if (p[0] == "**") {
      out.push_back(p);
      if (p.size() == 1) *full = true;
      else if (glob(p[1], key)) {
        if (p.size() == 2) *full = true;
        else out.emplace_back(p.begin() + 2, p.end());
      }
    } else if (glob(p[0], key)) {
      if (p.size() == 1) *full = true;
      else out.emplace_back(p.begin() + 1, p.end());
    }
  }
  return out;
}
bool include(const json::value& v, const std::vector<Path>& paths, json::value* out) {
  if (v.is_array()) {
    json::array a;
    for (auto& e : v.get_array()) {
      json::value x;
      if (include(e, paths, &x)) a.push_back(std::move(x));
    }
    if (a.empty()) return false;
    *out = std::move(a);
    return true;
  }
  if (!v.is_object()) return false;
  json::object o;
  for (auto& [k, e] : v.get_object()) {
    bool full = false;
    auto rest = step(paths, k, &full);
    if (full) {
      o[k] = e;
      continue;
    }
    json::value x;
    if (!rest.empty() && include(e, rest, &x)) o[k] = std::move(x);
  }
  if (o.empty()) return false;
  *out = std::move(o);
  return true;
}
json::value exclude(const json::value& v, const std::vector<Path>& paths) {
  if (v.is_array()) {
    json::array a;
    for (auto& e : v.get_array()) a.push_back(exclude(e, paths));
    return a;
  }
  if (!v.is_object()) return v;
  json::object o;
  for (auto& [k, e] : v.get_object()) {
    bool full = false;
    auto rest = step(paths, k, &full);
    if (full) continue;
    if (rest.empty()) {
      o[k] = e;
      continue;
    }
    json::value x = exclude(e, rest);
    bool emptied = (x.is_object() && x.get_object().empty() && e.is_object() && !e.get_object().empty()) ||
                   (x.is_array() && x.get_array().empty() && e.is_array() && !e.get_array().empty());
    if (!emptied) o[k] = std::move(x);
  }
  return o;
}
}  // namespace

json::value filter_path(const json::value& v, const std::string& spec) {
  std::vector<Path> in, ex;
  for (const std::string& p : split(spec, ',')) {
    if (p[0] == '-') ex.push_back(split(std::string_view(p).substr(1), '.'));
    else in.push_back(split(p, '.'));
  }
  json::value out = v;
  if (!in.empty()) {
    json::value x;
    if (!include(v, in, &x)) x = json::object();
    out = std::move(x);
  }
  if (!ex.empty()) out = exclude(out, ex);
  return out;
}

SourceFilter parse_source_filter(const json::value& v) {
  SourceFilter f;
  auto list = [](const json::value& x) {
    std::vector<std::string> out;
    if (x.is_array()) for (auto& e : x.get_array()) out.push_back(json_text(e));
    else out.push_back(json_text(x));
    return out;
  };
  if (v.is_bool()) f.enabled = v.get_bool();
  else if (v.is_string() || v.is_array()) f.includes = list(v);
  else if (v.is_object()) {
    for (auto& [k, x] : v.get_object()) {
      if (k == "includes" || k == "include") f.includes = list(x);
      else if (k == "excludes" || k == "exclude") f.excludes = list(x);
      else throw Error(ErrorCode::kParsing, "Unknown key for a VALUE_STRING in [" + std::string(k) + "].");
    }
  }
  return f;
}

namespace {
bool matches_or_under(const std::vector<std::string>& patterns, const std::string& path) {
  for (const std::string& p : patterns) {
    if (glob(p, path) || glob(p + ".*", path)) return true;
  }
  return false;
}
// Some pattern may match below `path`.
bool may_contain(const std::vector<std::string>& patterns, const std::string& path) {
  for (const std::string& p : patterns) {
    auto parts = split(p, '.'), mine = split(path, '.');
    bool ok = true;
    for (size_t i = 0; i < mine.size(); ++i) {
      if (i >= parts.size()) {
        ok = false;
        break;
      }
      if (!glob(parts[i], mine[i])) {
        ok = parts[i].find('*') != std::string::npos;
        break;
      }
      if (parts[i].find('*') != std::string::npos && i + 1 == parts.size()) break;
    }
    if (ok || p[0] == '*') return true;
  }
  return false;
}
bool filter_value(const json::value& v, const std::string& path, const SourceFilter& f, bool inside, json::value* out) {
  if (matches_or_under(f.excludes, path)) return false;
  bool in = inside || f.includes.empty() || matches_or_under(f.includes, path);
  if (v.is_object()) {
    if (!in && !may_contain(f.includes, path)) return false;
    json::object o;
    for (auto& [k, e] : v.get_object()) {
      json::value x;
      if (filter_value(e, path.empty() ? std::string(k) : path + "." + std::string(k), f, in && !path.empty() && !f.includes.empty() ? true : inside, &x)) o[k] = std::move(x);
    }
    if (o.empty() && !(v.get_object().empty() && in) && !(in && inside)) {
      if (!in || !v.get_object().empty()) {
        if (path.empty()) {
          *out = std::move(o);
          return true;
        }
        if (in) {
          *out = std::move(o);
          return true;
        }
        return false;
      }
    }
    *out = std::move(o);
    return true;
  }
  if (v.is_array()) {
    json::array a;
    bool any_object = false;
    for (auto& e : v.get_array()) {
      json::value x;
      any_object |= e.is_object();
      if (filter_value(e, path, f, inside, &x)) a.push_back(std::move(x));
    }
    if (a.empty() && !in) return false;
    if (a.empty() && any_object && !v.get_array().empty()) return false;
    *out = std::move(a);
    return true;
  }
  if (!in) return false;
  *out = v;
  return true;
}
}  // namespace

json::object filter_source(const json::object& source, const SourceFilter& f) {
  if (f.includes.empty() && f.excludes.empty()) return source;
  json::object out;
  for (auto& [k, e] : source) {
    json::value x;
    if (filter_value(e, std::string(k), f, false, &x)) out[k] = std::move(x);
  }
  return out;
}

void values_at(const json::value& v, std::string_view path, std::vector<json::value>& out) {
  if (v.is_array()) {
    for (auto& e : v.get_array()) values_at(e, path, out);
    return;
  }
  if (path.empty()) {
    if (!v.is_null()) out.push_back(v);
    return;
  }
  if (!v.is_object()) return;
  auto& o = v.get_object();
  if (auto* whole = o.if_contains(path)) {
    values_at(*whole, {}, out);
    return;
  }
  for (size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.', dot + 1)) {
    if (auto* c = o.if_contains(path.substr(0, dot))) values_at(*c, path.substr(dot + 1), out);
  }
}

bool merge_into(json::object& into, const json::object& patch) {
  bool changed = false;
  for (auto& [k, v] : patch) {
    auto* mine = into.if_contains(k);
    if (mine != nullptr && mine->is_object() && v.is_object()) {
      changed |= merge_into(mine->get_object(), v.get_object());
    } else if (mine == nullptr || *mine != v) {
      into[k] = v;
      changed = true;
    }
  }
  return changed;
}

void flatten(const json::object& o, const std::string& prefix, json::object& out) {
  for (auto& [k, v] : o) {
    std::string key = prefix.empty() ? std::string(k) : prefix + "." + std::string(k);
    if (v.is_object()) flatten(v.get_object(), key, out);
    else out[key] = v;
  }
}
json::object nest(const json::object& flat) {
  json::object out;
  for (auto& [k, v] : flat) {
    auto parts = split(std::string_view(k), '.');
    json::object* at = &out;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      json::value& next = (*at)[parts[i]];
      if (!next.is_object()) next = json::object();
      at = &next.get_object();
    }
    if (!parts.empty()) (*at)[parts.back()] = v;
  }
  return out;
}

ElasticError::ElasticError(int s, std::string type, std::string reason, json::object extra) : status(s) {
  error["type"] = type;
  error["reason"] = reason;
  for (auto& [k, v] : extra) error[k] = v;
}
json::object ElasticError::body() const {
  json::object e, out;
  if (root_cause.is_array()) {
    e["root_cause"] = root_cause;
  } else {
    json::object root = error;
    root.erase("caused_by");
    root.erase("failed_shards");
    e["root_cause"] = json::array{root};
  }
  for (auto& [k, v] : error) e[k] = v;
  out["error"] = e;
  out["status"] = status;
  return out;
}

json::object cause_of(const Error& e) {
  if (auto* s = dynamic_cast<const segments::script::ScriptError*>(&e)) return script_error(*s).error;
  json::object o;
  std::string type = rendering(e.code()).elastic_type;
  if (e.code() == ErrorCode::kInvalidDatetimeFormat) type = "parse_exception";
  o["type"] = type;
  o["reason"] = e.message();
  return o;
}
ElasticError to_elastic(const Error& e) {
  if (auto* s = dynamic_cast<const segments::script::ScriptError*>(&e)) return script_error(*s);
  const ErrorRendering& r = rendering(e.code());
  std::string type = r.elastic_type;
  int status = r.http_status;
  json::object extra;
  switch (e.code()) {
    case ErrorCode::kParsing: extra["line"] = 1; extra["col"] = 1; break;
    case ErrorCode::kInvalidDatetimeFormat: type = "parse_exception"; break;
    case ErrorCode::kDocumentMapperParsing:
      if (!e.detail().empty()) {
        type = "document_parsing_exception";
        extra["caused_by"] = json::object{{"type", "illegal_argument_exception"}, {"reason", e.detail()}};
      }
      break;
    case ErrorCode::kUndefinedTable: case ErrorCode::kIndexNotFound: type = "index_not_found_exception"; break;
    default: break;
  }
  return ElasticError(status, type, e.message(), extra);
}

}  // namespace stele::elastic
