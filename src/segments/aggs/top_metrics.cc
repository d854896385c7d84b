// Metrics that look at single documents: top_metrics, geo_line; and rate, which its histogram scales.
#include <cmath>

#include "segments/aggs/aggregator.h"

namespace stele::segments {

namespace {
[[noreturn]] void illegal(std::string m) { throw Error(ErrorCode::kInvalidParameterValue, std::move(m)); }

template <typename T>
T& at(std::vector<T>& v, uint32_t i) {
  if (v.size() <= i) v.resize(std::max<size_t>(i + 1, v.size() * 3 / 2));
  return v[i];
}

// The best documents of each owner by a sort specification.
class Leaders : public Aggregator {
 public:
  Leaders(AggEnvironment& env, json::value sort, size_t size) : Aggregator(env), sort_(std::move(sort)), size_(size) {
    if (sort_.is_array() && sort_.as_array().size() != 1) illegal("[top_metrics] only supports sorting by a single field");
    const json::value& one = sort_.is_array() ? sort_.as_array()[0] : sort_;
    std::string field = one.is_string() ? json_text(one) : one.is_object() && !one.as_object().empty() ? std::string(one.as_object().begin()->key()) : "";
    if (field.empty()) illegal("Required [sort]");
    if (field[0] != '_') {
      json::object body;
      body["field"] = field;
      by_ = ValueSource(env, body, "top_metrics");
      checked_ = true;
    }
  }
  void start_leaf(size_t l) override {
    Aggregator::start_leaf(l);
    if (checked_) by_.start_leaf(l);
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    if (checked_ && !by_.exists(doc)) return;
    auto& hits = at(hits_, owner);
    Hit h{leaf_, doc, score};
    bool scores = !checked_;
    auto first = [&](const Hit& a, const Hit& b) { return scores ? a.score > b.score : env_.before(a.leaf, a.doc, b.leaf, b.doc, sort_); };
    auto it = std::upper_bound(hits.begin(), hits.end(), h, first);
    if (static_cast<size_t>(it - hits.begin()) >= size_) {
      overflow_.insert(owner);
      return;
    }
    hits.insert(it, h);
    if (hits.size() <= size_) return;
    hits.pop_back();
    overflow_.insert(owner);
  }

 protected:
  struct Hit { size_t leaf; uint32_t doc; float score; };
  const std::vector<Hit>& hits(uint32_t owner) const {
    static const std::vector<Hit> kNone;
    return owner < hits_.size() ? hits_[owner] : kNone;
  }
  bool cut(uint32_t owner) const { return overflow_.count(owner) != 0; }
  json::array sort_values(const Hit& h) {
    json::object options;
    options["sort"] = sort_;
    options["_source"] = false;
    json::object o = env_.render_hit(h.leaf, h.doc, static_cast<double>(h.score), options);
    auto* s = o.if_contains("sort");
    return s != nullptr && s->is_array() ? s->as_array() : json::array();
  }
  json::value sort_;
  size_t size_;

 private:
  ValueSource by_;
  bool checked_ = false;
  std::vector<std::vector<Hit>> hits_;
  std::set<uint32_t> overflow_;
};

size_t bounded_size(const json::object& body, double fallback) {
  double size = agg_number(body, "size", fallback);
  if (size < 1) illegal("[size] must be positive but was [" + std::to_string(static_cast<int64_t>(size)) + "]");
  return static_cast<size_t>(size);
}

class TopMetrics : public Leaders {
 public:
  TopMetrics(AggEnvironment& env, const json::object& body) : Leaders(env, sort_of(body), bounded_size(body, 1)) {
    if (size_ > 10) illegal("[top_metrics.size] must not be more than [10] but was [" + std::to_string(size_) + "]. This limit can be set by changing the [index.top_metrics_max_size] index level setting.");
    auto* m = body.if_contains("metrics");
    if (m == nullptr) illegal("Required [metrics]");
    json::array list = m->is_array() ? m->as_array() : json::array{*m};
    for (auto& e : list) {
      names_.push_back(agg_string(e.as_object(), "field"));
      json::object one;
      one["field"] = names_.back();
      sources_.emplace_back(env, one, "top_metrics");
    }
  }
  json::object result(uint32_t owner) override {
    json::array top;
    for (const Hit& h : hits(owner)) {
      json::object metrics;
      for (size_t i = 0; i < names_.size(); ++i) {
        sources_[i].start_leaf(h.leaf);
        metrics[names_[i]] = value(sources_[i], h.doc);
      }
      json::object o;
      o["sort"] = sort_values(h);
      o["metrics"] = std::move(metrics);
      top.push_back(std::move(o));
    }
    json::object o;
    o["top"] = std::move(top);
    return o;
  }

 private:
  static json::value sort_of(const json::object& body) {
    auto* s = body.if_contains("sort");
    return s == nullptr ? json::value("_score") : *s;
  }
  static json::value value(const ValueSource& s, uint32_t doc) {
    const Column& c = s.column();
    if (!c || c.begin(doc) == c.end(doc)) return nullptr;
    uint32_t i = c.begin(doc);
    if (s.keyword()) return json::value(s.show(c.term(static_cast<uint64_t>(c.value(i)))));
    const MappedField* f = s.field();
    if (f == nullptr) return nullptr;
    if (f->is_date()) return json::value(f->render_string(c.value(i)));
    return f->render(c.value(i));
  }
  std::vector<std::string> names_;
  std::vector<ValueSource> sources_;
};

class GeoLine : public Leaders {
 public:
  GeoLine(AggEnvironment& env, const json::object& body)
      : Leaders(env, sort_of(body), bounded_size(body, 10000)), point_(env, field_of(body, "point"), "geo_line"), with_sort_(agg_flag(body, "include_sort", false)) {
    if (size_ > 10000) illegal("[size] parameter [" + std::to_string(size_) + "] must be less than or equal to 10000");
  }
  void start_leaf(size_t l) override {
    Leaders::start_leaf(l);
    point_.start_leaf(l);
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    if (point_.exists(doc)) Leaders::collect(doc, score, owner);
  }
  json::object result(uint32_t owner) override {
    json::array line, keys;
    for (const Hit& h : hits(owner)) {
      point_.start_leaf(h.leaf);
      GeoPoint p = decode_point(point_.column().value(point_.column().begin(h.doc)));
      line.push_back(json::array{p.lon, p.lat});
      if (with_sort_) for (auto& v : sort_values(h)) keys.push_back(v);
    }
    json::object geometry, properties, o;
    geometry["type"] = "LineString";
    geometry["coordinates"] = std::move(line);
    properties["complete"] = !cut(owner);
    if (with_sort_) properties["sort_values"] = std::move(keys);
    o["type"] = "Feature";
    o["geometry"] = std::move(geometry);
    o["properties"] = std::move(properties);
    return o;
  }

 private:
  static const json::object& field_of(const json::object& body, const char* key) {
    auto* v = body.if_contains(key);
    if (v == nullptr || !v->is_object()) illegal("Required one of fields [" + std::string(key) + "]");
    return v->as_object();
  }
  static json::value sort_of(const json::object& body) {
    json::object o;
    o[agg_string(field_of(body, "sort"), "field")] = agg_string(body, "sort_order", "ASC") == "DESC" || agg_string(body, "sort_order", "asc") == "desc" ? "desc" : "asc";
    return json::value(json::array{o});
  }
  ValueSource point_;
  bool with_sort_;
};

// Sums values (or counts documents); the histogram around it divides by the length of each bucket.
class Rate : public Aggregator {
 public:
  Rate(AggEnvironment& env, const json::object& body) : Aggregator(env), unit_(agg_string(body, "unit")), counts_values_(agg_string(body, "mode", "sum") == "value_count"), has_field_(body.contains("field") || body.contains("script")) {
    std::string mode = agg_string(body, "mode", "sum");
    if (mode != "sum" && mode != "value_count") illegal("Unsupported rate mode [" + mode + "]");
    if (!has_field_ && body.contains("mode")) illegal("The mode parameter is only supported with field or script");
    if (has_field_) {
      source_ = ValueSource(env, body, "rate");
      if (source_.keyword() && !counts_values_) illegal("Field [" + source_.field()->path + "] of type [" + source_.field()->type_name + "] is not supported for aggregation [rate]");
    }
  }
  void start_leaf(size_t l) override {
    Aggregator::start_leaf(l);
    if (has_field_) source_.start_leaf(l);
  }
  void collect(uint32_t doc, float, uint32_t owner) override {
    double& sum = at(sums_, owner);
    if (!has_field_) sum += 1;
    else if (counts_values_) source_.raw(doc, [&](int64_t) { sum += 1; });
    else source_.numbers(doc, [&](double v) { sum += v; });
  }
  json::object result(uint32_t owner) override {
    json::object o;
    o["value"] = owner < sums_.size() ? sums_[owner] : 0.0;
    o[kRateUnit] = unit_;
    return o;
  }

 private:
  std::string unit_;
  bool counts_values_, has_field_;
  ValueSource source_;
  std::vector<double> sums_;
};
}  // namespace

void scale_rates(json::object& bucket, int64_t from_ms, int64_t to_ms, int months) {
  for (auto& member : bucket) {
    if (!member.value().is_object()) continue;
    json::object& o = member.value().as_object();
    auto* unit = o.if_contains(kRateUnit);
    if (unit == nullptr) {
      if (o.contains("doc_count") && !o.contains("buckets")) scale_rates(o, from_ms, to_ms, months);
      else if (auto* inner = o.if_contains("buckets"); inner != nullptr && inner->is_array()) for (auto& b : inner->as_array()) scale_rates(b.as_object(), from_ms, to_ms, months);
      continue;
    }
    static const std::map<std::string, double> kMs = {{"second", 1e3}, {"minute", 6e4}, {"hour", 3.6e6}, {"day", 8.64e7}, {"week", 6.048e8}};
    static const std::map<std::string, int> kMonths = {{"month", 1}, {"quarter", 3}, {"year", 12}};
    std::string name = json_text(*unit);
    double parts = 1;
    if (auto it = kMs.find(name); it != kMs.end()) {
      parts = static_cast<double>(to_ms - from_ms) / it->second;
    } else if (auto m = kMonths.find(name); m != kMonths.end()) {
      if (months == 0) illegal("Cannot use month-based rate unit [" + name + "] with non-month based calendar interval histogram [day] only week, day, hour, minute and second are supported for this histogram");
      parts = static_cast<double>(months) / m->second;
    } else if (!name.empty()) {
      illegal("Unsupported unit " + name);
    }
    o["value"] = o.at("value").to_number<double>() / parts;
    o.erase(kRateUnit);
  }
}

AggregatorPtr make_top_metric(const std::string& type, const json::object& body, AggEnvironment& env) {
  if (type == "top_metrics") return std::make_unique<TopMetrics>(env, body);
  if (type == "geo_line") return std::make_unique<GeoLine>(env, body);
  if (type == "rate") return std::make_unique<Rate>(env, body);
  return nullptr;
}

}  // namespace stele::segments
