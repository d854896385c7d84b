#include "segments/vectors/filter.h"

#include <boost/json.hpp>

#include "base/error.h"
#include "segments/vectors/payload.h"
#include "segments/vectors/text_analysis.h"

namespace stele::segments::vectors {

namespace {

[[noreturn]] void bad(std::string message) { throw Error(ErrorCode::kParsing, std::move(message)); }

double number_of(const json::value& v, const char* what) {
  if (const auto* i = v.if_int64()) return static_cast<double>(*i);
  if (const auto* u = v.if_uint64()) return static_cast<double>(*u);
  if (const auto* d = v.if_double()) return *d;
  bad(fmt::format("{} must be a number", what));
}
bool as_number(const json::value& v, double* out) {
  if (const auto* i = v.if_int64()) return *out = static_cast<double>(*i), true;
  if (const auto* u = v.if_uint64()) return *out = static_cast<double>(*u), true;
  if (const auto* d = v.if_double()) return *out = *d, true;
  return false;
}
std::string_view view(const json::string& s) { return {s.data(), s.size()}; }

// A scalar condition on the values a path leads to: true when any value (or any element of an array
// there) satisfies it.
class FieldCondition : public Filter {
 public:
  explicit FieldCondition(std::string_view key) : key_(key), path_(parse_path(key)) {}
  bool matches(const PointView& p) const override {
    bool found = false;
    visit_path(*p.payload, path_, [&](const json::value& v) {
      if (const json::array* a = v.if_array()) {
        for (const json::value& item : *a) {
          if (test(item)) return found = true, false;
        }
        return true;
      }
      if (test(v)) found = true;
      return !found;
    });
    return found;
  }

 protected:
  virtual bool test(const json::value& v) const = 0;
  const std::string key_;
  PayloadPath path_;
};

class MatchValue : public FieldCondition {
 public:
  MatchValue(std::string_view key, std::vector<json::value> values, bool except)
      : FieldCondition(key), values_(std::move(values)), except_(except) {}
  void probes(std::vector<FilterProbe>* out) const override {
    if (!except_) out->push_back({.key = key_, .values = values_});
  }

 protected:
  bool test(const json::value& v) const override {
    if (except_ && v.is_null()) return false;
    for (const json::value& wanted : values_) {
      if (same(v, wanted)) return !except_;
    }
    return except_;
  }

 private:
  static bool same(const json::value& a, const json::value& b) {
    if (a.is_string() || b.is_string()) {
      if (!a.is_string() || !b.is_string()) return false;
      if (a.get_string() == b.get_string()) return true;
      return false;
    }
    if (a.is_bool() || b.is_bool()) return a.is_bool() && b.is_bool() && a.get_bool() == b.get_bool();
    if (a.is_double()) return false;  // integers match integers only
    return a == b || (a.is_number() && b.is_number() && a.to_number<double>() == b.to_number<double>());
  }
  std::vector<json::value> values_;
  bool except_;
};

enum class TextMode : uint8_t { kAll, kAny, kPhrase };
class MatchText : public FieldCondition {
 public:
  MatchText(std::string_view key, std::string_view text, TextMode mode, std::shared_ptr<const TextAnalysis> analysis)
      : FieldCondition(key), text_(text), mode_(mode), analysis_(std::move(analysis)) {
    if (analysis_ != nullptr) {
      words_ = analysis_->query(text);
    } else if (mode_ == TextMode::kAny) {
      for (size_t at = 0; at < text_.size();) {
        const size_t end = std::min(text_.find(' ', at), text_.size());
        if (end > at) words_.push_back(text_.substr(at, end - at));
        at = end + 1;
      }
    }
  }
  void probes(std::vector<FilterProbe>* out) const override {
    if (analysis_ != nullptr && !words_.empty()) {
      out->push_back({.key = key_, .kind = FilterProbe::Kind::kTokens, .tokens = words_, .any_token = mode_ == TextMode::kAny});
    }
  }

 protected:
  bool test(const json::value& v) const override {
    const json::string* s = v.if_string();
    if (s == nullptr) return false;
    if (analysis_ == nullptr) {
      auto inside = [&](const std::string& w) { return view(*s).find(w) != std::string_view::npos; };
      return mode_ == TextMode::kAny ? std::any_of(words_.begin(), words_.end(), inside) : inside(text_);
    }
    if (words_.empty()) return false;
    const std::vector<std::string> have = analysis_->document(view(*s));
    if (mode_ == TextMode::kPhrase) return std::search(have.begin(), have.end(), words_.begin(), words_.end()) != have.end();
    auto contains = [&](const std::string& w) { return std::find(have.begin(), have.end(), w) != have.end(); };
    return mode_ == TextMode::kAny ? std::any_of(words_.begin(), words_.end(), contains) : std::all_of(words_.begin(), words_.end(), contains);
  }

 private:
  const std::string text_;
  const TextMode mode_;
  const std::shared_ptr<const TextAnalysis> analysis_;
  std::vector<std::string> words_;
};

struct Bounds {
  std::optional<double> gt, gte, lt, lte;
  bool contains(double x) const {
    return (!gt || x > *gt) && (!gte || x >= *gte) && (!lt || x < *lt) && (!lte || x <= *lte);
  }
};
class RangeCondition : public FieldCondition {
 public:
  RangeCondition(std::string_view key, Bounds bounds, bool datetime)
      : FieldCondition(key), bounds_(bounds), datetime_(datetime) {}
  void probes(std::vector<FilterProbe>* out) const override {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    out->push_back({.key = key_, .kind = FilterProbe::Kind::kRange, .low = std::max(bounds_.gt.value_or(-kInfinity), bounds_.gte.value_or(-kInfinity)),
                    .high = std::min(bounds_.lt.value_or(kInfinity), bounds_.lte.value_or(kInfinity))});
  }

 protected:
  bool test(const json::value& v) const override {
    double x;
    if (datetime_) {
      const json::string* s = v.if_string();
      return s != nullptr && parse_datetime(view(*s), &x) && bounds_.contains(x);
    }
    return as_number(v, &x) && bounds_.contains(x);
  }

 private:
  Bounds bounds_;
  bool datetime_;
};

struct GeoPoint { double lon, lat; };
bool geo_of(const json::value& v, GeoPoint* out) {
  const json::object* o = v.if_object();
  if (o == nullptr) return false;
  const json::value* lon = o->if_contains("lon");
  const json::value* lat = o->if_contains("lat");
  return lon != nullptr && lat != nullptr && as_number(*lon, &out->lon) && as_number(*lat, &out->lat);
}
GeoPoint parse_geo(const json::value& v) {
  GeoPoint p;
  if (!geo_of(v, &p)) bad("a geo point needs the numbers `lon` and `lat`");
  if (p.lon < -180 || p.lon > 180 || p.lat < -90 || p.lat > 90) bad("Validation error: geo point is out of range");
  return p;
}
double haversine_m(GeoPoint a, GeoPoint b) {
  constexpr double kEarthRadiusM = 6371008.8, kRadian = M_PI / 180;
  const double dlat = (b.lat - a.lat) * kRadian / 2, dlon = (b.lon - a.lon) * kRadian / 2;
  const double h = std::sin(dlat) * std::sin(dlat) +
                   std::cos(a.lat * kRadian) * std::cos(b.lat * kRadian) * std::sin(dlon) * std::sin(dlon);
  return 2 * kEarthRadiusM * std::asin(std::min(1.0, std::sqrt(h)));
}
using Ring = std::vector<GeoPoint>;
bool inside_ring(GeoPoint p, const Ring& ring) {
  bool in = false;
  for (size_t i = 0, j = ring.size() - 1; i < ring.size(); j = i++) {
    if ((ring[i].lat > p.lat) != (ring[j].lat > p.lat) &&
        p.lon < (ring[j].lon - ring[i].lon) * (p.lat - ring[i].lat) / (ring[j].lat - ring[i].lat) + ring[i].lon) {
      in = !in;
    }
  }
  return in;
}
struct GeoBox { double west, south, east, north; };
class GeoCondition : public FieldCondition {
 public:
  // `box`: what lies outside of it fails.
  GeoCondition(std::string_view key, GeoBox box, std::function<bool(GeoPoint)> inside)
      : FieldCondition(key), box_(box), inside_(std::move(inside)) {}
  void probes(std::vector<FilterProbe>* out) const override {
    out->push_back({.key = key_, .kind = FilterProbe::Kind::kBox, .west = box_.west, .south = box_.south, .east = box_.east, .north = box_.north});
  }

 protected:
  bool test(const json::value& v) const override {
    GeoPoint p;
    return geo_of(v, &p) && inside_(p);
  }

 private:
  const GeoBox box_;
  std::function<bool(GeoPoint)> inside_;
};

// Counts the values at a path: elements of arrays, 1 for any other value, 0 for null or nothing.
class ValuesCount : public Filter {
 public:
  ValuesCount(std::string_view key, Bounds bounds) : path_(parse_path(key)), bounds_(bounds) {}
  bool matches(const PointView& p) const override {
    bool any = false, found = false;
    visit_path(*p.payload, path_, [&](const json::value& v) {
      any = true;
      found = bounds_.contains(v.is_array() ? static_cast<double>(v.get_array().size()) : v.is_null() ? 0.0 : 1.0);
      return !found;
    });
    return any ? found : bounds_.contains(0);
  }

 private:
  PayloadPath path_;
  Bounds bounds_;
};

class EmptyCondition : public Filter {  // is_empty: absent, null or []
 public:
  explicit EmptyCondition(std::string_view key) : path_(parse_path(key)) {}
  bool matches(const PointView& p) const override {
    bool empty = true;
    visit_path(*p.payload, path_, [&](const json::value& v) {
      if (!v.is_null() && !(v.is_array() && v.get_array().empty())) empty = false;
      return empty;
    });
    return empty;
  }

 private:
  PayloadPath path_;
};
class NullCondition : public Filter {
 public:
  explicit NullCondition(std::string_view key) : path_(parse_path(key)) {}
  bool matches(const PointView& p) const override {
    bool null = false;
    visit_path(*p.payload, path_, [&](const json::value& v) {
      if (v.is_null()) null = true;
      if (const json::array* a = v.if_array()) {
        null = null || std::any_of(a->begin(), a->end(), [](const json::value& x) { return x.is_null(); });
      }
      return !null;
    });
    return null;
  }

 private:
  PayloadPath path_;
};
class HasId : public Filter {
 public:
  explicit HasId(std::vector<PointId> ids) : ids_(std::move(ids)), set_(ids_.begin(), ids_.end()) {}
  bool matches(const PointView& p) const override { return set_.contains(*p.id); }
  const std::vector<PointId>* required_ids() const override { return &ids_; }

 private:
  std::vector<PointId> ids_;
  std::set<PointId> set_;
};
class HasVector : public Filter {
 public:
  explicit HasVector(std::string name) : name_(std::move(name)) {}
  bool matches(const PointView& p) const override { return p.has_vector && p.has_vector(name_); }

 private:
  std::string name_;
};
// The inner filter holds for one and the same element of an array of objects.
class Nested : public Filter {
 public:
  Nested(std::string_view key, FilterPtr inner)
      : path_(parse_path(key.ends_with("[]") ? std::string(key) : std::string(key) + "[]")), inner_(std::move(inner)) {}
  bool matches(const PointView& p) const override {
    bool found = false;
    visit_path(*p.payload, path_, [&](const json::value& v) {
      if (!v.is_object()) return true;
      PointView element = p;
      element.payload = &v;
      found = inner_->matches(element);
      return !found;
    });
    return found;
  }

 private:
  PayloadPath path_;
  FilterPtr inner_;
};

class BoolFilter : public Filter {
 public:
  std::vector<FilterPtr> must, should, must_not, min_should;
  size_t min_count = 0;
  bool has_min_should = false;
  void set_source(std::string source) { source_ = std::move(source); }
  bool matches(const PointView& p) const override {
    for (const auto& f : must) {
      if (!f->matches(p)) return false;
    }
    for (const auto& f : must_not) {
      if (f->matches(p)) return false;
    }
    if (!should.empty() && std::none_of(should.begin(), should.end(), [&](const auto& f) { return f->matches(p); })) return false;
    if (has_min_should) {
      size_t n = 0;
      for (const auto& f : min_should) n += f->matches(p);
      if (n < min_count) return false;
    }
    return true;
  }
  void probes(std::vector<FilterProbe>* out) const override {
    for (const auto& f : must) f->probes(out);
  }
  const std::vector<PointId>* required_ids() const override {
    for (const auto& f : must) {
      if (const auto* ids = f->required_ids()) return ids;
    }
    return nullptr;
  }
};

const json::object& object_of(const json::value& v, const char* what) {
  const json::object* o = v.if_object();
  if (o == nullptr) bad(fmt::format("{} must be an object", what));
  return *o;
}
std::string key_of(const json::value& v) {
  const json::string* s = v.if_string();
  if (s == nullptr) bad("`key` must be a string");
  return std::string(view(*s));
}

Bounds parse_bounds(const json::object& o, bool* datetime) {
  Bounds b;
  *datetime = false;
  for (const auto& [name, v] : o) {
    std::optional<double>* to = name == "gt" ? &b.gt : name == "gte" ? &b.gte : name == "lt" ? &b.lt : name == "lte" ? &b.lte : nullptr;
    if (to == nullptr) bad(fmt::format("unknown field `{}`, expected one of `lt`, `gt`, `gte`, `lte`", view(json::string(name))));
    if (v.is_null()) continue;
    if (const json::string* s = v.if_string()) {
      double seconds;
      if (!parse_datetime(view(*s), &seconds)) bad(fmt::format("'{}' does not match accepted datetime format", view(*s)));
      *to = seconds;
      *datetime = true;
    } else {
      *to = number_of(v, "range bound");
    }
  }
  return b;
}

Ring parse_ring(const json::value& v) {
  const json::object& o = object_of(v, "geo line");
  const json::value* points = o.if_contains("points");
  if (points == nullptr || !points->is_array()) bad("missing field `points`");
  Ring ring;
  for (const json::value& p : points->get_array()) ring.push_back(parse_geo(p));
  if (ring.size() < 4) bad("Validation error: polygon line must have at least 4 points");
  if (ring.front().lon != ring.back().lon || ring.front().lat != ring.back().lat) {
    bad("Validation error: polygon line must be closed (first and last points equal)");
  }
  return ring;
}

// Where in a filter a condition stands: how deep, under which field, over which indexes.
struct Place {
  const json::object* schema = nullptr;
  std::string prefix;
  int depth = 0;
  Place deeper() const { return {schema, prefix, depth + 1}; }
  std::shared_ptr<const TextAnalysis> analysis(const std::string& key) const {
    const json::value* v = schema == nullptr ? nullptr : schema->if_contains(prefix + key);
    if (v == nullptr) return nullptr;
    const json::value* type = v->is_object() ? v->get_object().if_contains("type") : v;
    return type != nullptr && *type == "text" ? std::make_shared<const TextAnalysis>(*v) : nullptr;
  }
};

FilterPtr parse_match(const std::string& key, const json::value& match, const Place& place) {
  const json::object& m = object_of(match, "match");
  if (m.size() != 1) bad("data did not match any variant of untagged enum Match");
  const std::string kind(m.begin()->key());
  const json::value& v = m.begin()->value();
  if (kind == "value") {
    if (!v.is_string() && !v.is_int64() && !v.is_uint64() && !v.is_bool()) bad("data did not match any variant of untagged enum Match");
    return std::make_shared<MatchValue>(key, std::vector<json::value>{v}, false);
  }
  if (kind == "any" || kind == "except") {
    const json::array* a = v.if_array();
    auto whole = [](const json::value& x) { return x.is_int64() || x.is_uint64(); };
    auto text = [](const json::value& x) { return x.is_string(); };
    if (a == nullptr || !(std::all_of(a->begin(), a->end(), whole) || std::all_of(a->begin(), a->end(), text))) {
      bad("data did not match any variant of untagged enum Match");
    }
    return std::make_shared<MatchValue>(key, std::vector<json::value>(a->begin(), a->end()), kind == "except");
  }
  if (kind == "text" || kind == "text_any" || kind == "phrase") {
    const json::string* s = v.if_string();
    if (s == nullptr) bad("data did not match any variant of untagged enum Match");
    return std::make_shared<MatchText>(key, view(*s), kind == "text" ? TextMode::kAll : kind == "phrase" ? TextMode::kPhrase : TextMode::kAny,
                                       place.analysis(key));
  }
  bad("data did not match any variant of untagged enum Match");
}

FilterPtr parse_geo_condition(const std::string& key, const std::string& kind, const json::value& v) {
  const json::object& o = object_of(v, kind.c_str());
  auto need = [&](const char* name) -> const json::value& {
    const json::value* x = o.if_contains(name);
    if (x == nullptr) bad(fmt::format("missing field `{}`", name));
    return *x;
  };
  if (kind == "geo_bounding_box") {
    const GeoPoint tl = parse_geo(need("top_left")), br = parse_geo(need("bottom_right"));
    return std::make_shared<GeoCondition>(key, GeoBox{tl.lon, br.lat, br.lon, tl.lat}, [tl, br](GeoPoint p) {
      const bool lat = p.lat <= tl.lat && p.lat >= br.lat;
      const bool lon = tl.lon <= br.lon ? p.lon >= tl.lon && p.lon <= br.lon : p.lon >= tl.lon || p.lon <= br.lon;
      return lat && lon;
    });
  }
  if (kind == "geo_radius") {
    const GeoPoint center = parse_geo(need("center"));
    const double radius = number_of(need("radius"), "radius");
    // The box around a circle on the sphere; one that holds a pole holds every longitude.
    const double angle = std::max(0.0, radius) / 6371008.8, degree = 180 / M_PI;
    GeoBox box{-180, center.lat - angle * degree - 1e-6, 180, center.lat + angle * degree + 1e-6};
    if (box.south > -90 && box.north < 90) {
      const double wide = std::asin(std::min(1.0, std::sin(angle) / std::cos(center.lat / degree))) * degree + 1e-6;
      box.west = center.lon - wide < -180 ? center.lon - wide + 360 : center.lon - wide;
      box.east = center.lon + wide > 180 ? center.lon + wide - 360 : center.lon + wide;
      if (wide >= 180) box.west = -180, box.east = 180;
    }
    return std::make_shared<GeoCondition>(key, box, [center, radius](GeoPoint p) { return haversine_m(center, p) <= radius; });
  }
  Ring exterior = parse_ring(need("exterior"));
  std::vector<Ring> interiors;
  if (const json::value* list = o.if_contains("interiors"); list != nullptr && list->is_array()) {
    for (const json::value& r : list->get_array()) interiors.push_back(parse_ring(r));
  }
  GeoBox box{180, 90, -180, -90};
  for (const GeoPoint& p : exterior) {
    box = {std::min(box.west, p.lon), std::min(box.south, p.lat), std::max(box.east, p.lon), std::max(box.north, p.lat)};
  }
  return std::make_shared<GeoCondition>(key, box, [exterior, interiors](GeoPoint p) {
    return inside_ring(p, exterior) && std::none_of(interiors.begin(), interiors.end(), [&](const Ring& r) { return inside_ring(p, r); });
  });
}

FilterPtr parse_condition(const json::value& spec, const Place& place);

std::shared_ptr<BoolFilter> parse_bool(const json::object& o, const Place& place) {
  if (place.depth > 64) bad("filter is nested too deeply");
  auto out = std::make_shared<BoolFilter>();
  for (const auto& [name, v] : o) {
    std::vector<FilterPtr>* to = name == "must" ? &out->must : name == "should" ? &out->should : name == "must_not" ? &out->must_not : nullptr;
    if (name == "min_should") {
      if (v.is_null()) continue;
      const json::object& m = object_of(v, "min_should");
      const json::value* conditions = m.if_contains("conditions");
      const json::value* count = m.if_contains("min_count");
      if (conditions == nullptr || !conditions->is_array()) bad("missing field `conditions`");
      if (count == nullptr) bad("missing field `min_count`");
      out->has_min_should = true;
      out->min_count = static_cast<size_t>(std::max(0.0, number_of(*count, "min_count")));
      for (const json::value& c : conditions->get_array()) out->min_should.push_back(parse_condition(c, place.deeper()));
      continue;
    }
    if (to == nullptr) bad(fmt::format("unknown field `{}`, expected one of `should`, `min_should`, `must`, `must_not`", view(json::string(name))));
    if (v.is_null()) continue;
    if (const json::array* a = v.if_array()) {
      for (const json::value& c : *a) to->push_back(parse_condition(c, place.deeper()));
    } else {
      to->push_back(parse_condition(v, place.deeper()));
    }
  }
  return out;
}

FilterPtr parse_condition(const json::value& spec, const Place& place) {
  const json::object& o = object_of(spec, "condition");
  if (const json::value* v = o.if_contains("has_id")) {
    const json::array* a = v->if_array();
    if (a == nullptr) bad("`has_id` must be an array of point ids");
    std::vector<PointId> ids;
    for (const json::value& id : *a) ids.push_back(parse_point_id(id));
    return std::make_shared<HasId>(std::move(ids));
  }
  if (const json::value* v = o.if_contains("has_vector")) return std::make_shared<HasVector>(key_of(*v));
  if (const json::value* v = o.if_contains("nested")) {
    const json::object& n = object_of(*v, "nested");
    const json::value* key = n.if_contains("key");
    const json::value* inner = n.if_contains("filter");
    if (key == nullptr || inner == nullptr) bad("a nested condition needs `key` and `filter`");
    Place within = place.deeper();
    within.prefix += key_of(*key) + (key_of(*key).ends_with("[]") ? "." : "[].");
    return std::make_shared<Nested>(key_of(*key), parse_bool(object_of(*inner, "filter"), within));
  }
  for (const char* kind : {"is_empty", "is_null"}) {
    const json::value* v = o.if_contains(kind);
    if (v == nullptr || !v->is_object()) continue;
    const json::value* key = v->get_object().if_contains("key");
    if (key == nullptr) bad("missing field `key`");
    if (kind[3] == 'e') return std::make_shared<EmptyCondition>(key_of(*key));
    return std::make_shared<NullCondition>(key_of(*key));
  }
  if (const json::value* k = o.if_contains("key")) {
    const std::string key = key_of(*k);
    auto all = std::make_shared<BoolFilter>();
    for (const auto& [name, v] : o) {
      if (name == "key" || v.is_null()) continue;
      bool datetime;
      if (name == "match") {
        all->must.push_back(parse_match(key, v, place));
      } else if (name == "range") {
        const Bounds b = parse_bounds(object_of(v, "range"), &datetime);
        all->must.push_back(std::make_shared<RangeCondition>(key, b, datetime));
      } else if (name == "values_count") {
        all->must.push_back(std::make_shared<ValuesCount>(key, parse_bounds(object_of(v, "values_count"), &datetime)));
      } else if (name == "geo_bounding_box" || name == "geo_radius" || name == "geo_polygon") {
        all->must.push_back(parse_geo_condition(key, std::string(name), v));
      } else if (name == "is_empty" && v.is_bool()) {
        auto f = std::make_shared<EmptyCondition>(key);
        (v.get_bool() ? all->must : all->must_not).push_back(f);
      } else if (name == "is_null" && v.is_bool()) {
        auto f = std::make_shared<NullCondition>(key);
        (v.get_bool() ? all->must : all->must_not).push_back(f);
      } else {
        bad(fmt::format("unknown field `{}` in a field condition", std::string_view(name.data(), name.size())));
      }
    }
    if (all->must.empty() && all->must_not.empty()) bad("Validation error: At least one field condition must be specified");
    return all->must.size() == 1 && all->must_not.empty() ? all->must[0] : all;
  }
  return parse_bool(o, place);
}

}  // namespace

FilterPtr Filter::parse(const json::value& spec, const json::object* schema) {
  auto filter = parse_bool(object_of(spec, "filter"), {.schema = schema, .prefix = {}});
  filter->set_source(json::serialize(spec));
  return filter;
}

PointId parse_point_id(const json::value& v) {
  if (const auto* i = v.if_int64(); i != nullptr && *i >= 0) return PointId::from_number(static_cast<uint64_t>(*i));
  if (const auto* u = v.if_uint64()) return PointId::from_number(*u);
  if (const json::string* s = v.if_string()) {
    std::string uuid = canonical_uuid(view(*s));
    if (!uuid.empty()) return {PointId::Kind::kUuid, 0, std::move(uuid)};
    bad(fmt::format("value {} is not a valid point ID, valid values are either an unsigned integer or a UUID", view(*s)));
  }
  bad(fmt::format("value {} is not a valid point ID, valid values are either an unsigned integer or a UUID", json::serialize(v)));
}
json::value point_id_json(const PointId& id) {
  if (id.kind == PointId::Kind::kNumber) return json::value(id.number);
  return json::value(id.text);
}

bool parse_datetime(std::string_view s, double* seconds) {
  int y = 0, mo = 1, d = 1, h = 0, mi = 0;
  double sec = 0;
  auto digits = [&](size_t at, size_t n, int* out) {
    if (s.size() < at + n) return false;
    int v = 0;
    for (size_t i = at; i < at + n; ++i) {
      if (s[i] < '0' || s[i] > '9') return false;
      v = v * 10 + (s[i] - '0');
    }
    *out = v;
    return true;
  };
  if (s.size() < 10 || !digits(0, 4, &y) || s[4] != '-' || !digits(5, 2, &mo) || s[7] != '-' || !digits(8, 2, &d)) return false;
  if (mo < 1 || mo > 12 || d < 1 || d > 31) return false;
  size_t at = 10;
  double offset = 0;
  if (at < s.size()) {
    if (s[at] != 'T' && s[at] != 't' && s[at] != ' ') return false;
    if (!digits(11, 2, &h) || s.size() < 16 || s[13] != ':' || !digits(14, 2, &mi)) return false;
    at = 16;
    if (at < s.size() && s[at] == ':') {
      int whole;
      if (!digits(17, 2, &whole)) return false;
      sec = whole;
      at = 19;
      if (at < s.size() && s[at] == '.') {
        double scale = 0.1;
        for (++at; at < s.size() && s[at] >= '0' && s[at] <= '9'; ++at, scale /= 10) sec += scale * (s[at] - '0');
      }
    }
    if (h > 23 || mi > 59 || sec >= 61) return false;
    if (at < s.size() && (s[at] == 'Z' || s[at] == 'z')) {
      ++at;
    } else if (at < s.size() && (s[at] == '+' || s[at] == '-')) {
      int oh = 0, om = 0;
      const double sign = s[at] == '-' ? -1 : 1;
      if (!digits(at + 1, 2, &oh)) return false;
      size_t next = at + 3;
      if (next < s.size() && s[next] == ':') ++next;
      if (next < s.size() && !digits(next, 2, &om)) return false;
      at = next < s.size() ? next + 2 : next;
      offset = sign * (oh * 3600 + om * 60);
    }
    if (at != s.size()) return false;
  }
  // Days from civil (H. Hinnant, "chrono-compatible low-level date algorithms").
  const int yy = y - (mo <= 2), era = (yy >= 0 ? yy : yy - 399) / 400;
  const int yoe = yy - era * 400, doy = (153 * (mo + (mo > 2 ? -3 : 9)) + 2) / 5 + d - 1, doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  *seconds = (static_cast<double>(era) * 146097 + doe - 719468) * 86400.0 + h * 3600 + mi * 60 + sec - offset;
  return true;
}

}  // namespace stele::segments::vectors
