// Ingest processors that take texts apart.
#include <openssl/evp.h>
#include <re2/re2.h>

#include "doors/elastic/ingest.h"

namespace stele::elastic {

namespace {
[[noreturn]] void failed(const std::string& why) { throw ElasticError(400, "illegal_argument_exception", why); }
std::string required(const std::string& type, const json::object& o, const char* property) {
  auto* v = o.if_contains(property);
  if (v == nullptr || v->is_null()) throw ElasticError(400, "parse_exception", "[" + std::string(property) + "] required property is missing", json::object{{"processor_type", type}, {"property_name", property}});
  return json_text(*v);
}
// The text of "field"; nullopt: missing, and that is no error.
std::optional<std::string> text_of(const std::string& type, const json::object& o, IngestDocument& d) {
  std::string field = required(type, o, "field");
  json::value* v = at_path(d.source, field);
  if (v == nullptr || v->is_null()) {
    if (flag_or(o, "ignore_missing", false)) return std::nullopt;
    failed(v == nullptr ? "field [" + field + "] not present as part of path [" + field + "]" : "field [" + field + "] is null, cannot process it.");
  }
  return json_text(*v);
}
std::vector<std::string> texts(const json::value& v) {
  std::vector<std::string> out;
  if (v.is_array()) for (auto& e : v.get_array()) out.push_back(json_text(e));
  else out.push_back(json_text(v));
  return out;
}

void date(const json::object& o, IngestDocument& d) {
  auto text = text_of("date", o, d);
  if (!text) return;
  auto* formats = o.if_contains("formats");
  if (formats == nullptr) required("date", o, "formats");
  segments::ZonePtr zone = o.contains("timezone") ? segments::Zone::of(text_or(o, "timezone")) : nullptr;
  std::string output = text_or(o, "output_format", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX");
  for (auto& name : texts(*formats)) {
    std::optional<int64_t> ms;
    char* end;
    if (name == "UNIX" || name == "UNIX_MS") {
      double n = std::strtod(text->c_str(), &end);
      if (!text->empty() && *end == 0) ms = static_cast<int64_t>(name == "UNIX" ? n * 1000 : n);
    } else {
      ms = segments::DateFormat(name == "ISO8601" ? "strict_date_optional_time" : name).parse(*text, false, zone.get());
    }
    if (!ms) continue;
    set_path(d.source, text_or(o, "target_field", "@timestamp"), json::value(segments::DateFormat(output).format(*ms, zone.get())));
    return;
  }
  throw ElasticError(400, "illegal_argument_exception", "unable to parse date [" + *text + "]");
}

std::string trimmed(const std::string& s, const std::string& chars) {
  if (chars.empty()) return s;
  size_t a = s.find_first_not_of(chars), b = s.find_last_not_of(chars);
  return a == std::string::npos ? std::string() : s.substr(a, b - a + 1);
}
std::vector<std::string> split_by(const std::string& s, const std::string& pattern, int limit) {
  RE2 re(pattern, RE2::Quiet);
  if (!re.ok()) failed("invalid pattern [" + pattern + "]");
  std::vector<std::string> out;
  re2::StringPiece input(s), hit;
  size_t at = 0;
  while (at <= s.size() && (limit == 0 || static_cast<int>(out.size()) + 1 < limit) && re.Match(input, at, s.size(), RE2::UNANCHORED, &hit, 1) && !hit.empty()) {
    auto start = static_cast<size_t>(hit.data() - s.data());
    out.push_back(s.substr(at, start - at));
    at = start + hit.size();
  }
  out.push_back(s.substr(at));
  return out;
}

void kv(const json::object& o, IngestDocument& d) {
  auto text = text_of("kv", o, d);
  if (!text) return;
  std::string by = required("kv", o, "field_split"), value = required("kv", o, "value_split"), target = text_or(o, "target_field"), prefix = text_or(o, "prefix");
  std::set<std::string> include, exclude;
  if (auto* i = o.if_contains("include_keys")) for (auto& k : texts(*i)) include.insert(k);
  if (auto* e = o.if_contains("exclude_keys")) for (auto& k : texts(*e)) exclude.insert(k);
  for (auto& part : split_by(*text, by, 0)) {
    auto pair = split_by(part, value, 2);
    if (pair.size() != 2) failed("field [" + text_or(o, "field") + "] does not contain value_split [" + value + "]");
    std::string key = trimmed(pair[0], text_or(o, "trim_key")), v = trimmed(pair[1], text_or(o, "trim_value"));
    if ((!include.empty() && include.count(key) == 0) || exclude.count(key) != 0) continue;
    if (flag_or(o, "strip_brackets", false) && v.size() > 1 && std::strchr("([<\"'", v.front()) != nullptr) v = v.substr(1, v.size() - 2);
    std::string path = (target.empty() ? "" : target + ".") + prefix + key;
    json::value* old = at_path(d.source, path);
    if (old != nullptr && old->is_array()) old->get_array().push_back(json::value(v));
    else if (old != nullptr) *old = json::array{*old, json::value(v)};
    else set_path(d.source, path, json::value(v));
  }
}

void csv(const json::object& o, IngestDocument& d) {
  auto text = text_of("csv", o, d);
  auto* targets = o.if_contains("target_fields");
  if (targets == nullptr) required("csv", o, "target_fields");
  if (!text) return;
  std::vector<std::string> names = texts(*targets);
  if (names.size() == 1 && names[0].find(',') != std::string::npos) names = split(names[0], ',');
  char separator = text_or(o, "separator", ",")[0], quote = text_or(o, "quote", "\"")[0];
  bool trim = flag_or(o, "trim", false);
  std::vector<std::string> values(1);
  bool inside = false;
  for (size_t i = 0; i < text->size(); ++i) {
    char c = (*text)[i];
    if (inside && c == quote && i + 1 < text->size() && (*text)[i + 1] == quote) values.back() += (*text)[++i];
    else if (c == quote) inside = !inside;
    else if (c == separator && !inside) values.emplace_back();
    else values.back() += c;
  }
  for (size_t i = 0; i < names.size() && i < values.size(); ++i) {
    std::string v = trim ? trimmed(values[i], " \t") : values[i];
    if (v.empty() && !o.contains("empty_value")) continue;
    set_path(d.source, names[i], v.empty() ? o.at("empty_value") : json::value(v));
  }
}

// %{a} %{+a} %{?skip} %{*key} %{&value} between literal delimiters; "->" swallows repeated ones.
void dissect(const json::object& o, IngestDocument& d) {
  auto text = text_of("dissect", o, d);
  std::string pattern = required("dissect", o, "pattern");
  if (!text) return;
  struct Part { std::string key, delimiter; };
  std::vector<Part> parts;
  std::string lead;
  size_t at = pattern.find("%{");
  if (at == std::string::npos) failed("Unable to parse pattern: " + pattern);
  lead = pattern.substr(0, at);
  while (at != std::string::npos) {
    size_t close = pattern.find('}', at), next = pattern.find("%{", close);
    parts.push_back({pattern.substr(at + 2, close - at - 2), pattern.substr(close + 1, next == std::string::npos ? next : next - close - 1)});
    at = next;
  }
  auto bad = [&]() { failed("Unable to find match for dissect pattern: " + pattern + " against source: " + *text); };
  if (!text->starts_with(lead)) bad();
  size_t pos = lead.size();
  std::string glue = text_or(o, "append_separator");
  std::vector<std::pair<std::string, std::string>> out;
  std::map<std::string, std::string> keys;
  for (auto& p : parts) {
    bool pad = p.key.ends_with("->");
    std::string key = pad ? p.key.substr(0, p.key.size() - 2) : p.key;
    size_t end = p.delimiter.empty() ? text->size() : text->find(p.delimiter, pos);
    if (end == std::string::npos) bad();
    std::string v = text->substr(pos, end - pos);
    pos = end + p.delimiter.size();
    while (pad && !p.delimiter.empty() && text->compare(pos, p.delimiter.size(), p.delimiter) == 0) pos += p.delimiter.size();
    if (key.empty() || key[0] == '?') continue;
    if (key[0] == '*') keys[key.substr(1)] = v;
    else if (key[0] == '&') out.emplace_back(keys[key.substr(1)], v);
    else if (key[0] == '+') {
      std::string name = key.substr(1, key.find('/') - 1);
      bool found = false;
      for (auto& [k, x] : out) {
        if (k != name) continue;
        x += glue + v;
        found = true;
      }
      if (!found) out.emplace_back(name, v);
    } else out.emplace_back(key, v);
  }
  for (auto& [k, v] : out) set_path(d.source, k, json::value(v));
}

}  // namespace

const std::map<std::string, std::string>& grok_patterns() {
  static const std::map<std::string, std::string> kPatterns = {
      {"USERNAME", "[a-zA-Z0-9._-]+"}, {"USER", "%{USERNAME}"}, {"INT", "(?:[+-]?(?:[0-9]+))"}, {"BASE10NUM", "[+-]?(?:(?:[0-9]+(?:\\.[0-9]+)?)|(?:\\.[0-9]+))"}, {"NUMBER", "(?:%{BASE10NUM})"},
      {"BASE16NUM", "[+-]?(?:0x)?(?:[0-9A-Fa-f]+)"}, {"POSINT", "\\b(?:[1-9][0-9]*)\\b"}, {"NONNEGINT", "\\b(?:[0-9]+)\\b"}, {"WORD", "\\b\\w+\\b"}, {"NOTSPACE", "\\S+"}, {"SPACE", "\\s*"}, {"DATA", ".*?"}, {"GREEDYDATA", ".*"},
      {"QUOTEDSTRING", "(?:\"(?:\\\\.|[^\\\\\"])*\"|'(?:\\\\.|[^\\\\'])*')"}, {"QS", "%{QUOTEDSTRING}"}, {"UUID", "[A-Fa-f0-9]{8}-(?:[A-Fa-f0-9]{4}-){3}[A-Fa-f0-9]{12}"}, {"MAC", "(?:[A-Fa-f0-9]{2}[:-]){5}[A-Fa-f0-9]{2}"},
      {"IPV4", "(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]{1,2})\\.){3}(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]{1,2})"}, {"IPV6", "[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]+"}, {"IP", "(?:%{IPV6}|%{IPV4})"},
      {"HOSTNAME", "\\b(?:[0-9A-Za-z][0-9A-Za-z-]{0,62})(?:\\.(?:[0-9A-Za-z][0-9A-Za-z-]{0,62}))*\\.?"}, {"IPORHOST", "(?:%{IP}|%{HOSTNAME})"}, {"HOSTPORT", "%{IPORHOST}:%{POSINT}"}, {"EMAILLOCALPART", "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+(?:\\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+)*"},
      {"EMAILADDRESS", "%{EMAILLOCALPART}@%{HOSTNAME}"}, {"PATH", "(?:%{UNIXPATH}|%{WINPATH})"}, {"UNIXPATH", "(?:/[\\w_%!$@:.,+~-]*)+"}, {"WINPATH", "(?:[A-Za-z]+:|\\\\)(?:\\\\[^\\\\?*]*)+"}, {"URIPROTO", "[A-Za-z]+(?:\\+[A-Za-z+]+)?"},
      {"URIHOST", "%{IPORHOST}(?::%{POSINT})?"}, {"URIPATH", "(?:/[A-Za-z0-9$.+!*'(){},~:;=@#%&_\\-]*)+"}, {"URIPARAM", "\\?[A-Za-z0-9$.+!*'|(){},~@#%&/=:;_?\\-\\[\\]<>]*"}, {"URIPATHPARAM", "%{URIPATH}(?:%{URIPARAM})?"},
      {"URI", "%{URIPROTO}://(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?"}, {"MONTH", "\\b(?:[Jj]an(?:uary)?|[Ff]eb(?:ruary)?|[Mm]ar(?:ch)?|[Aa]pr(?:il)?|[Mm]ay|[Jj]un(?:e)?|[Jj]ul(?:y)?|[Aa]ug(?:ust)?|[Ss]ep(?:tember)?|[Oo]ct(?:ober)?|[Nn]ov(?:ember)?|[Dd]ec(?:ember)?)\\b"},
      {"MONTHNUM", "(?:0?[1-9]|1[0-2])"}, {"MONTHDAY", "(?:(?:0[1-9])|(?:[12][0-9])|(?:3[01])|[1-9])"}, {"DAY", "(?:Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?)"}, {"YEAR", "(?:\\d\\d){1,2}"},
      {"HOUR", "(?:2[0123]|[01]?[0-9])"}, {"MINUTE", "(?:[0-5][0-9])"}, {"SECOND", "(?:(?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?)"}, {"TIME", "%{HOUR}:%{MINUTE}(?::%{SECOND})"}, {"ISO8601_TIMEZONE", "(?:Z|[+-]%{HOUR}(?::?%{MINUTE}))"},
      {"TIMESTAMP_ISO8601", "%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?%{ISO8601_TIMEZONE}?"}, {"DATE_US", "%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}"}, {"DATE_EU", "%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}"},
      {"DATE", "%{DATE_US}|%{DATE_EU}"}, {"HTTPDATE", "%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}"}, {"LOGLEVEL", "(?:[Aa]lert|ALERT|[Tt]race|TRACE|[Dd]ebug|DEBUG|[Nn]otice|NOTICE|[Ii]nfo|INFO|[Ww]arn(?:ing)?|WARN(?:ING)?|[Ee]rr(?:or)?|ERR(?:OR)?|[Cc]rit(?:ical)?|CRIT(?:ICAL)?|[Ff]atal|FATAL|[Ss]evere|SEVERE)"},
      {"COMMONAPACHELOG", "%{IPORHOST:clientip} %{USER:ident} %{USER:auth} \\[%{HTTPDATE:timestamp}\\] \"(?:%{WORD:verb} %{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})\" %{NUMBER:response} (?:%{NUMBER:bytes}|-)"},
      {"COMBINEDAPACHELOG", "%{COMMONAPACHELOG} %{QS:referrer} %{QS:agent}"}};
  return kPatterns;
}

namespace {

void grok(const json::object& o, IngestDocument& d) {
  auto text = text_of("grok", o, d);
  auto* patterns = o.if_contains("patterns");
  if (patterns == nullptr) required("grok", o, "patterns");
  if (!text) return;
  std::map<std::string, std::string> own;
  if (auto* p = o.if_contains("pattern_definitions"); p != nullptr && p->is_object()) for (auto& [k, v] : p->get_object()) own[std::string(k)] = json_text(v);
  struct Capture { std::string field, type; };
  for (auto& pattern : texts(*patterns)) {
    std::vector<Capture> captures;
    std::function<std::string(const std::string&, int)> expand = [&](const std::string& p, int depth) {
      if (depth > 20) failed("circular reference in pattern");
      std::string out;
      for (size_t i = 0; i < p.size();) {
        if (p.compare(i, 2, "%{") != 0) {
          // A group of the pattern's own with a name.
          if (p.compare(i, 3, "(?<") == 0 && i + 3 < p.size() && p[i + 3] != '=' && p[i + 3] != '!') {
            size_t e = p.find('>', i);
            captures.push_back({p.substr(i + 3, e - i - 3), ""});
            out += "(?P<c" + std::to_string(captures.size() - 1) + ">";
            i = e + 1;
            continue;
          }
          out += p[i++];
          continue;
        }
        size_t e = p.find('}', i);
        if (e == std::string::npos) failed("invalid grok pattern [" + p + "]");
        auto parts = split(p.substr(i + 2, e - i - 2), ':');
        auto it = own.find(parts[0]);
        auto builtin = grok_patterns().find(parts[0]);
        if (it == own.end() && builtin == grok_patterns().end()) failed("Unable to find pattern [" + parts[0] + "] in Grok's pattern dictionary");
        const std::string& inner = it != own.end() ? it->second : builtin->second;
        if (parts.size() > 1) {
          size_t n = captures.size();
          captures.push_back({parts[1], parts.size() > 2 ? parts[2] : ""});
          out += "(?P<c" + std::to_string(n) + ">" + expand(inner, depth + 1) + ")";
        } else {
          out += "(?:" + expand(inner, depth + 1) + ")";
        }
        i = e + 1;
      }
      return out;
    };
    RE2 re(expand(pattern, 0), RE2::Quiet);
    if (!re.ok()) failed("Invalid regex pattern found in: [" + pattern + "]. " + re.error());
    std::vector<re2::StringPiece> groups(static_cast<size_t>(re.NumberOfCapturingGroups()) + 1);
    if (!re.Match(*text, 0, text->size(), RE2::UNANCHORED, groups.data(), static_cast<int>(groups.size()))) continue;
    for (auto& [name, number] : re.NamedCapturingGroups()) {
      const auto& g = groups[static_cast<size_t>(number)];
      if (g.data() == nullptr) continue;
      const Capture& c = captures[static_cast<size_t>(std::atoi(name.c_str() + 1))];
      std::string v(g.data(), g.size());
      std::string path;
      for (char ch : c.field) {
        if (ch == '[') path += path.empty() ? "" : ".";
        else if (ch != ']') path += ch;
      }
      json::value value(v);
      if (c.type == "int" || c.type == "long") value = std::atoll(v.c_str());
      else if (c.type == "float" || c.type == "double") value = std::strtod(v.c_str(), nullptr);
      else if (c.type == "boolean") value = v == "true";
      set_path(d.source, path, value);
    }
    return;
  }
  failed("Provided Grok expressions do not match field value: [" + *text + "]");
}

void fingerprint(const json::object& o, IngestDocument& d) {
  auto* fields = o.if_contains("fields");
  if (fields == nullptr) required("fingerprint", o, "fields");
  std::vector<std::string> names = texts(*fields);
  std::sort(names.begin(), names.end());
  std::string all = text_or(o, "salt");
  for (auto& n : names) {
    json::value* v = at_path(d.source, n);
    if (v == nullptr) {
      if (flag_or(o, "ignore_missing", false)) continue;
      failed("missing field [" + n + "] when calculating fingerprint");
    }
    all += '\0' + n + '\0' + json::serialize(*v);
  }
  std::string method = text_or(o, "method", "SHA-1");
  const EVP_MD* md = method == "MD5" ? EVP_md5() : method == "SHA-256" ? EVP_sha256() : method == "SHA-512" ? EVP_sha512() : EVP_sha1();
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(all.data(), all.size(), digest, &size, md, nullptr);
  std::string encoded((size + 2) / 3 * 4 + 1, '\0');
  encoded.resize(static_cast<size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()), digest, static_cast<int>(size))));
  set_path(d.source, text_or(o, "target_field", "fingerprint"), json::value(encoded));
}
}  // namespace

bool run_text_processor(const std::string& type, const json::object& o, IngestDocument& d) {
  if (type == "date") date(o, d);
  else if (type == "kv") kv(o, d);
  else if (type == "csv") csv(o, d);
  else if (type == "dissect") dissect(o, d);
  else if (type == "grok") grok(o, d);
  else if (type == "fingerprint") fingerprint(o, d);
  else return false;
  return true;
}

}  // namespace stele::elastic
