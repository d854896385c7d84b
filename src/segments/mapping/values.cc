// Values of single fields: between JSON, columns and text.
#include <arpa/inet.h>

#include <boost/json.hpp>
#include <charconv>
#include <double-conversion/double-conversion.h>

#include "base/error.h"
#include "segments/mapping/mapping.h"

namespace stele::segments {

namespace {
[[noreturn]] void bad(std::string m) { throw Error(ErrorCode::kInvalidParameterValue, std::move(m)); }

int64_t geohash_bits(std::string_view hash, GeoPoint* out) {
  static const std::string_view kBase = "0123456789bcdefghjkmnpqrstuvwxyz";
  double lat0 = -90, lat1 = 90, lon0 = -180, lon1 = 180;
  bool even = true;
  for (char c : hash) {
    size_t v = kBase.find(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    if (v == std::string_view::npos) return -1;
    for (int b = 4; b >= 0; --b) {
      bool bit = (v >> b & 1) != 0;
      double& lo = even ? lon0 : lat0;
      double& hi = even ? lon1 : lat1;
      (bit ? lo : hi) = (lo + hi) / 2;
      even = !even;
    }
  }
  *out = {(lat0 + lat1) / 2, (lon0 + lon1) / 2};
  return 0;
}
}  // namespace

std::string java_double(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "Infinity" : "-Infinity";
  using DC = double_conversion::DoubleToStringConverter;
  static const DC conv(DC::EMIT_TRAILING_DECIMAL_POINT | DC::EMIT_TRAILING_ZERO_AFTER_POINT, "Infinity", "NaN", 'E', -3, 7, 0, 0);
  char buf[64];
  double_conversion::StringBuilder b(buf, sizeof buf);
  conv.ToShortest(v, &b);
  std::string s = b.Finalize();
  size_t e = s.find('E');
  if (e != std::string::npos && s.find('.') == std::string::npos) s.insert(e, ".0");
  return s;
}

std::string json_text(const json::value& v) {
  switch (v.kind()) {
    case json::kind::string: return std::string(v.get_string());
    case json::kind::bool_: return v.get_bool() ? "true" : "false";
    case json::kind::int64: return std::to_string(v.get_int64());
    case json::kind::uint64: return std::to_string(v.get_uint64());
    case json::kind::double_: return java_double(v.get_double());
    case json::kind::null: return "null";
    default: return json::serialize(v);
  }
}

std::optional<std::string> encode_ip(std::string_view text) {
  std::string t(text);
  unsigned char buf[16];
  in_addr v4;
  if (::inet_pton(AF_INET, t.c_str(), &v4) == 1) {
    std::string out(10, '\0');
    out += "\xff\xff";
    out.append(reinterpret_cast<const char*>(&v4), 4);
    return out;
  }
  if (::inet_pton(AF_INET6, t.c_str(), buf) == 1) return std::string(reinterpret_cast<char*>(buf), 16);
  return std::nullopt;
}
std::string decode_ip(std::string_view b) {
  char text[INET6_ADDRSTRLEN] = {};
  if (b.size() != 16) return std::string(b);
  if (b.substr(0, 10) == std::string_view(std::string(10, '\0')) && b.substr(10, 2) == "\xff\xff") {
    ::inet_ntop(AF_INET, b.data() + 12, text, sizeof text);
  } else {
    ::inet_ntop(AF_INET6, b.data(), text, sizeof text);
  }
  return text;
}
std::optional<std::pair<std::string, std::string>> ip_range(std::string_view cidr) {
  size_t slash = cidr.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto base = encode_ip(cidr.substr(0, slash));
  if (!base) return std::nullopt;
  int bits = std::atoi(std::string(cidr.substr(slash + 1)).c_str());
  bool v4 = cidr.find(':') == std::string_view::npos;
  if (v4) bits += 96;
  if (bits < 0 || bits > 128) return std::nullopt;
  std::string lo = *base, hi = *base;
  for (int i = bits; i < 128; ++i) {
    auto k = static_cast<size_t>(i / 8);
    auto mask = static_cast<uint8_t>(0x80 >> (i % 8));
    lo[k] = static_cast<char>(static_cast<uint8_t>(lo[k]) & ~mask);
    hi[k] = static_cast<char>(static_cast<uint8_t>(hi[k]) | mask);
  }
  return std::pair{lo, hi};
}

GeoPoint parse_point(const json::value& v) {
  auto number = [](const json::value& n) -> double {
    if (n.is_number()) return n.to_number<double>();
    if (n.is_string()) {
      char* end;
      std::string s(n.as_string());
      double d = std::strtod(s.c_str(), &end);
      if (end != s.c_str() && *end == 0) return d;
    }
    bad("failed to parse field of type [geo_point]");
  };
  GeoPoint p;
  if (v.is_object()) {
    auto& o = v.as_object();
    if (auto* h = o.if_contains("geohash"); h != nullptr && h->is_string()) {
      if (geohash_bits(std::string_view(h->as_string()), &p) < 0) bad("unsupported symbol in geohash [" + json_text(*h) + "]");
      return p;
    }
    if (auto* c = o.if_contains("coordinates"); c != nullptr && c->is_array() && c->as_array().size() >= 2) {
      return {number(c->as_array()[1]), number(c->as_array()[0])};
    }
    auto* lat = o.if_contains("lat");
    auto* lon = o.if_contains("lon");
    if (lat == nullptr) bad("field [lat] missing");
    if (lon == nullptr) bad("field [lon] missing");
    p = {number(*lat), number(*lon)};
  } else if (v.is_array()) {
    auto& a = v.as_array();
    if (a.size() < 2) bad("[geo_point] field type does not accept < 2 dimensions");
    p = {number(a[1]), number(a[0])};
  } else if (v.is_string()) {
    std::string s(v.as_string());
    if (s.starts_with("POINT")) {
      double lon, lat;
      if (std::sscanf(s.c_str() + 5, " ( %lf %lf", &lon, &lat) != 2 && std::sscanf(s.c_str() + 5, "(%lf %lf", &lon, &lat) != 2) bad("failed to parse WKT [" + s + "]");
      p = {lat, lon};
    } else if (size_t comma = s.find(','); comma != std::string::npos) {
      p = {number(json::value(s.substr(0, comma))), 0};
      std::string lon = s.substr(comma + 1);
      while (!lon.empty() && lon[0] == ' ') lon.erase(0, 1);
      p.lon = number(json::value(lon));
    } else if (geohash_bits(s, &p) < 0 || s.empty()) {
      bad("unsupported symbol [" + s.substr(0, 1) + "] in geohash [" + s + "]");
    }
  } else {
    bad("geo_point expected");
  }
  if (p.lat < -90 || p.lat > 90) bad("illegal latitude value [" + java_double(p.lat) + "] for geo_point");
  if (p.lon < -180 || p.lon > 180) {
    bad("illegal longitude value [" + java_double(p.lon) + "] for geo_point");
  }
  return p;
}

std::optional<double> parse_distance_m(std::string_view s) {
  size_t i = 0;
  while (i < s.size() && (std::isdigit(static_cast<unsigned char>(s[i])) != 0 || s[i] == '.' || s[i] == '-' || s[i] == '+')) ++i;
  if (i == 0) return std::nullopt;
  double v = std::strtod(std::string(s.substr(0, i)).c_str(), nullptr);
  std::string_view u = s.substr(i);
  while (!u.empty() && u[0] == ' ') u.remove_prefix(1);
  static const std::map<std::string_view, double> kUnits = {
      {"", 1}, {"m", 1}, {"meters", 1}, {"km", 1000}, {"kilometers", 1000}, {"mi", 1609.344}, {"miles", 1609.344},
      {"yd", 0.9144}, {"yards", 0.9144}, {"ft", 0.3048}, {"feet", 0.3048}, {"in", 0.0254}, {"inch", 0.0254},
      {"cm", 0.01}, {"mm", 0.001}, {"nmi", 1852}, {"NM", 1852}, {"nauticalmiles", 1852}};
  auto it = kUnits.find(u);
  if (it == kUnits.end()) return std::nullopt;
  return v * it->second;
}

FieldOptions MappedField::options() const {
  FieldOptions o;
  switch (type) {
    case FieldType::kText:
      o.postings = index;
      o.positions = index;
      o.norms = index && norms;
      if (fielddata) o.column = ColumnKind::kKeyword;
      break;
    case FieldType::kKeyword: case FieldType::kIp:
      o.postings = index;
      if (doc_values) o.column = ColumnKind::kKeyword;
      o.norms = type == FieldType::kKeyword && norms;
      break;
    case FieldType::kFlattened:
      o.postings = true;
      o.column = ColumnKind::kKeyword;
      break;
    case FieldType::kDouble: case FieldType::kFloat: case FieldType::kHalfFloat: case FieldType::kScaledFloat:
      o.column = ColumnKind::kDouble;
      break;
    case FieldType::kCompletion: o.postings = true; break;
    case FieldType::kRange: o.column = ColumnKind::kKeyword; break;
    case FieldType::kBinary:
      if (doc_values) o.column = ColumnKind::kKeyword;
      break;
    case FieldType::kAlias: case FieldType::kDenseVector: case FieldType::kOther: break;
    default: o.column = ColumnKind::kInt64;
  }
  return o;
}

int64_t MappedField::date_value(const json::value& v, int* nanos) const {
  const DateFormat& f = format ? *format : default_date_format();
  std::string text = json_text(v);
  if (v.is_double()) text = fmt::format("{:.0f}", std::floor(v.as_double()));
  int n = 0;
  auto ms = f.parse(text, false, nullptr, &n);
  if (!ms) {
    throw Error(ErrorCode::kInvalidDatetimeFormat, "failed to parse date field [" + text + "] with format [" + f.spec() + "]");
  }
  if (nanos != nullptr) *nanos = n;
  return *ms;
}

int64_t MappedField::column_value(const json::value& v) const {
  auto as_double = [&]() -> double {
    if (v.is_number()) return v.to_number<double>();
    std::string s = json_text(v);
    char* end;
    double d = std::strtod(s.c_str(), &end);
    if (s.empty()) bad("empty String");
    if (end == s.c_str() || *end != 0 || v.is_bool()) bad("For input string: \"" + s + "\"");
    return d;
  };
  switch (type) {
    case FieldType::kBoolean: {
      if (v.is_bool()) return v.as_bool() ? 1 : 0;
      std::string s = json_text(v);
      if (s == "true") return 1;
      if (s == "false" || s.empty()) return 0;
      bad("Failed to parse value [" + s + "] as only [true] or [false] are allowed.");
    }
    case FieldType::kDate: return date_value(v);
    case FieldType::kDateNanos: {
      int nanos = 0;
      int64_t ms = date_value(v, &nanos);
      int64_t seconds = ms >= 0 ? ms / 1000 : (ms - 999) / 1000;
      return seconds * 1000000000 + nanos;
    }
    case FieldType::kLong: case FieldType::kInteger: case FieldType::kShort: case FieldType::kByte: {
      int64_t lo = type == FieldType::kLong ? INT64_MIN : type == FieldType::kInteger ? INT32_MIN : type == FieldType::kShort ? INT16_MIN : INT8_MIN;
      int64_t hi = type == FieldType::kLong ? INT64_MAX : type == FieldType::kInteger ? INT32_MAX : type == FieldType::kShort ? INT16_MAX : INT8_MAX;
      auto range = [&] { bad("Value [" + json_text(v) + "] is out of range for a" + (type == FieldType::kInteger ? "n " : " ") + type_name); };
      if (v.is_int64()) {
        int64_t i = v.as_int64();
        if (i < lo || i > hi) range();
        return i;
      }
      if (v.is_string()) {
        std::string s(v.as_string());
        int64_t i;
        auto r = std::from_chars(s.data(), s.data() + s.size(), i);
        if (r.ec == std::errc() && r.ptr == s.data() + s.size()) {
          if (i < lo || i > hi) range();
          return i;
        }
      }
      double d = as_double();
      if (!coerce && d != std::floor(d)) bad("Value [" + json_text(v) + "] has a decimal part");
      if (d < static_cast<double>(lo) || d > static_cast<double>(hi)) range();
      if (d >= 9.2233720368547758e18) return INT64_MAX;
      return static_cast<int64_t>(d);
    }
    case FieldType::kUnsignedLong: {
      uint64_t u;
      if (v.is_uint64()) u = v.as_uint64();
      else if (v.is_int64() && v.as_int64() >= 0) u = static_cast<uint64_t>(v.as_int64());
      else {
        std::string s = json_text(v);
        auto r = std::from_chars(s.data(), s.data() + s.size(), u);
        if (r.ec != std::errc() || r.ptr != s.data() + s.size()) bad("For input string: \"" + s + "\"");
      }
      return static_cast<int64_t>(u ^ (1ull << 63));
    }
    case FieldType::kScaledFloat: return sortable_bits(std::round(as_double() * scaling_factor) / scaling_factor);
    case FieldType::kFloat: return sortable_bits(static_cast<double>(static_cast<float>(as_double())));
    case FieldType::kHalfFloat: return sortable_bits(static_cast<double>(static_cast<float>(as_double())));
    case FieldType::kDouble: return sortable_bits(as_double());
    case FieldType::kGeoPoint: return encode_point(parse_point(v));
    default: bad("field [" + path + "] of type [" + type_name + "] has no column");
  }
}

json::value MappedField::render(int64_t v) const {
  switch (type) {
    case FieldType::kBoolean: return v;
    case FieldType::kUnsignedLong: return static_cast<uint64_t>(v) ^ (1ull << 63);
    case FieldType::kDouble: case FieldType::kFloat: case FieldType::kHalfFloat: case FieldType::kScaledFloat:
      return from_sortable_bits(v);
    default: return v;
  }
}
std::string MappedField::render_string(int64_t v, const DateFormat* f, const Zone* zone) const {
  switch (type) {
    case FieldType::kBoolean: return v != 0 ? "true" : "false";
    case FieldType::kDate: return (f != nullptr ? *f : format ? *format : default_date_format()).format(v, zone);
    case FieldType::kDateNanos: {
      int64_t s = v >= 0 ? v / 1000000000 : (v - 999999999) / 1000000000;
      auto nanos = static_cast<int>(v - s * 1000000000);
      return (f != nullptr ? *f : format ? *format : default_date_format()).format(s * 1000 + nanos / 1000000, zone, nanos);
    }
    default: return json_text(render(v));
  }
}

namespace {
std::string sortable(int64_t v) {
  uint64_t u = static_cast<uint64_t>(v) ^ (1ull << 63);
  std::string out;
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(u >> shift));
  return out;
}
// The neighbour of an address; false at the end of the space.
bool step(std::string& ip, int by) {
  for (size_t i = ip.size(); i-- > 0;) {
    auto c = static_cast<uint8_t>(ip[i]);
    ip[i] = static_cast<char>(c + by);
    if (by > 0 ? c != 0xff : c != 0) return true;
  }
  return false;
}
}  // namespace

std::string encode_range_bound(const MappedField& f, const json::value& v, bool upper, bool included, const DateFormat* format, const Zone* zone, int64_t now_ms) {
  const std::string& t = f.type_name;
  bool open = v.is_null();
  if (t == "ip_range") {
    if (open) return std::string(16, upper ? '\xff' : '\0');
    auto ip = encode_ip(json_text(v));
    if (!ip) throw Error(ErrorCode::kInvalidParameterValue, "'" + json_text(v) + "' is not an IP string literal.");
    if (!included) step(*ip, upper ? -1 : 1);
    return *ip;
  }
  if (t == "date_range") {
    if (open) return sortable(upper ? INT64_MAX : INT64_MIN);
    const DateFormat& fmt = format != nullptr ? *format : *f.format;
    int64_t ms = v.is_number() ? v.to_number<int64_t>() : fmt.parse_math(json_text(v), now_ms, upper == included, zone);
    return sortable(included ? ms : upper ? ms - 1 : ms + 1);
  }
  if (t == "float_range" || t == "double_range") {
    if (open) return sortable(sortable_bits(upper ? INFINITY : -INFINITY));
    double d = v.is_number() ? v.to_number<double>() : std::strtod(json_text(v).c_str(), nullptr);
    if (t == "float_range") {
      auto x = static_cast<float>(d);
      if (!included) x = std::nextafter(x, upper ? -INFINITY : INFINITY);
      return sortable(sortable_bits(static_cast<double>(x)));
    }
    return sortable(sortable_bits(d) + (included ? 0 : upper ? -1 : 1));
  }
  if (open) return sortable(upper ? INT64_MAX : INT64_MIN);
  std::string s = json_text(v);
  char* end;
  double d = std::strtod(s.c_str(), &end);
  if (s.empty() || *end != 0) throw Error(ErrorCode::kInvalidParameterValue, "For input string: \"" + s + "\"");
  int64_t n = v.is_int64() ? v.get_int64() : static_cast<int64_t>(upper ? std::floor(d) : std::ceil(d));
  if (t == "integer_range" && (n > INT32_MAX || n < INT32_MIN)) throw Error(ErrorCode::kInvalidParameterValue, "Value [" + s + "] is out of range for an integer");
  return sortable(included || static_cast<double>(n) != d ? n : upper ? n - 1 : n + 1);
}

std::pair<std::string, std::string> encode_range(const MappedField& f, const json::value& v) {
  if (f.type_name == "ip_range" && v.is_string()) {
    auto r = ip_range(json_text(v));
    if (!r) throw Error(ErrorCode::kInvalidParameterValue, "Expected [ip/prefix] but was [" + json_text(v) + "]");
    return *r;
  }
  if (!v.is_object()) throw Error(ErrorCode::kInvalidParameterValue, "error parsing field [" + f.path + "], expected an object but got " + f.path.substr(f.path.rfind('.') + 1));
  json::value lo, hi;
  bool with_lo = true, with_hi = true;
  for (auto& [k, e] : v.as_object()) {
    if (k == "gt" || k == "gte" || k == "from") lo = e, with_lo = k != "gt";
    else if (k == "lt" || k == "lte" || k == "to") hi = e, with_hi = k != "lt";
    else if (k != "include_lower" && k != "include_upper") throw Error(ErrorCode::kInvalidParameterValue, "error parsing field [" + f.path + "], with unknown parameter [" + std::string(k) + "]");
  }
  auto out = std::make_pair(encode_range_bound(f, lo, false, with_lo), encode_range_bound(f, hi, true, with_hi));
  if (out.first > out.second) throw Error(ErrorCode::kInvalidParameterValue, "min value (" + json_text(lo) + ") is greater than max value (" + json_text(hi) + ")");
  return out;
}

}  // namespace stele::segments
