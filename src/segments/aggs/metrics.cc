#include "segments/aggs/aggregator.h"

namespace stele::segments {

namespace {

template <typename T>
T& at(std::vector<T>& v, uint32_t i) {
  if (v.size() <= i) v.resize(std::max<size_t>(i + 1, v.size() * 3 / 2));
  return v[i];
}

struct Stats {
  uint64_t n = 0;
  double sum = 0, c = 0, sum_squares = 0;
  double min = std::numeric_limits<double>::infinity(), max = -std::numeric_limits<double>::infinity();
  void add(double v) {
    ++n;
    double y = v - c, t = sum + y;  // Kahan
    c = (t - sum) - y;
    sum = t;
    sum_squares += v * v;
    min = std::min(min, v);
    max = std::max(max, v);
  }
};

json::value or_null(bool some, double v) { return some ? json::value(v) : json::value(nullptr); }

class StatsMetric : public Aggregator {
 public:
  StatsMetric(AggEnvironment& env, std::string kind, const json::object& body)
      : Aggregator(env), source_(env, body, kind), kind_(std::move(kind)), sigma_(agg_number(body, "sigma", 2)) {
    if (sigma_ < 0) throw Error(ErrorCode::kInvalidParameterValue, "[sigma] must be greater than or equal to 0. Found [" + java_double(sigma_) + "] in [" + name + "]");
    if (source_.keyword()) {
      throw Error(ErrorCode::kInvalidParameterValue, "Field [" + source_.field()->path + "] of type [" + source_.field()->type_name + "] is not supported for aggregation [" + kind_ + "]");
    }
  }
  void start_leaf(size_t l) override { source_.start_leaf(l); }
  void collect(uint32_t doc, float, uint32_t owner) override {
    Stats& s = at(stats_, owner);
    source_.numbers(doc, [&](double v) { s.add(v); });
  }
  json::object result(uint32_t owner) override {
    Stats s = owner < stats_.size() ? stats_[owner] : Stats();
    bool some = s.n > 0;
    json::object o;
    auto text = [&](const char* key, double v) {
      if (some && !source_.decimals().empty()) {
        o[key] = decimal_format(source_.decimals(), v);
        return;
      }
      if (source_.field() == nullptr || !(source_.field()->is_date() || source_.field()->type == FieldType::kBoolean) || !some) {
        return;
      }
      o[key] = source_.field()->type == FieldType::kBoolean ? (v != 0 ? "true" : "false")
               : source_.format() != nullptr ? source_.format()->format(static_cast<int64_t>(v))
                                             : source_.field()->format->format(static_cast<int64_t>(v));
    };
    if (kind_ == "avg") {
      o["value"] = or_null(some, s.sum / static_cast<double>(s.n));
      text("value_as_string", s.sum / static_cast<double>(s.n));
    } else if (kind_ == "sum") {
      o["value"] = s.sum;
      text("value_as_string", s.sum);
    } else if (kind_ == "min" || kind_ == "max") {
      double v = kind_ == "min" ? s.min : s.max;
      o["value"] = or_null(some, v);
      text("value_as_string", v);
    } else {
      auto n = static_cast<double>(s.n);
      o["count"] = s.n;
      o["min"] = or_null(some, s.min);
      o["max"] = or_null(some, s.max);
      o["avg"] = or_null(some, s.sum / n);
      o["sum"] = s.sum;
      if (kind_ == "extended_stats") {
        double variance = some ? std::max(0.0, (s.sum_squares - s.sum * s.sum / n) / n) : 0;
        double sampling = s.n > 1 ? std::max(0.0, (s.sum_squares - s.sum * s.sum / n) / (n - 1)) : 0;
        o["sum_of_squares"] = or_null(some, s.sum_squares);
        o["variance"] = or_null(some, variance);
        o["variance_population"] = or_null(some, variance);
        o["variance_sampling"] = s.n > 1 ? json::value(sampling) : some ? json::value("NaN") : json::value(nullptr);
        double dev = std::sqrt(variance), sdev = std::sqrt(sampling);
        o["std_deviation"] = or_null(some, dev);
        o["std_deviation_population"] = or_null(some, dev);
        o["std_deviation_sampling"] = s.n > 1 ? json::value(sdev) : some ? json::value("NaN") : json::value(nullptr);
        json::object b;
        double mean = some ? s.sum / n : 0;
        auto nan_or = [&](double v) { return s.n > 1 ? json::value(v) : some ? json::value("NaN") : json::value(nullptr); };
        b["upper"] = or_null(some, mean + sigma_ * dev);
        b["lower"] = or_null(some, mean - sigma_ * dev);
        b["upper_population"] = or_null(some, mean + sigma_ * dev);
        b["lower_population"] = or_null(some, mean - sigma_ * dev);
        b["upper_sampling"] = nan_or(mean + sigma_ * sdev);
        b["lower_sampling"] = nan_or(mean - sigma_ * sdev);
        o["std_deviation_bounds"] = b;
      }
      text("min_as_string", s.min);
      text("max_as_string", s.max);
      text("avg_as_string", s.sum / n);
      text("sum_as_string", s.sum);
    }
    return o;
  }

 private:
  ValueSource source_;
  std::string kind_;
  double sigma_;
  std::vector<Stats> stats_;
};

class ValueCount : public Aggregator {
 public:
  ValueCount(AggEnvironment& env, const json::object& body) : Aggregator(env), source_(env, body, "value_count") {}
  void start_leaf(size_t l) override { source_.start_leaf(l); }
  void collect(uint32_t doc, float, uint32_t owner) override {
    uint64_t& n = at(counts_, owner);
    source_.raw(doc, [&](int64_t) { ++n; });
  }
  json::object result(uint32_t owner) override {
    json::object o;
    o["value"] = owner < counts_.size() ? counts_[owner] : 0;
    return o;
  }

 private:
  ValueSource source_;
  std::vector<uint64_t> counts_;
};

class Cardinality : public Aggregator {
 public:
  Cardinality(AggEnvironment& env, const json::object& body) : Aggregator(env), source_(env, body, "cardinality") {
    double threshold = agg_number(body, "precision_threshold", 3000);
    if (threshold < 0) throw Error(ErrorCode::kInvalidParameterValue, "[precisionThreshold] must be greater than or equal to 0. Found [" + std::to_string(static_cast<int64_t>(threshold)) + "] in [" + name + "]");
  }
  void start_leaf(size_t l) override { source_.start_leaf(l); }
  void collect(uint32_t doc, float, uint32_t owner) override {
    auto& set = at(seen_, owner);
    if (source_.keyword()) {
      const Column& c = source_.column();
      bool any = false;
      if (c) {
        for (uint32_t i = c.begin(doc); i < c.end(doc); ++i) {
          std::string_view term = c.term(static_cast<uint64_t>(c.value(i)));
          if (!source_.keeps(term)) continue;
          any = true;
          set.insert(std::hash<std::string_view>()(term));
        }
      }
      if (!any && source_.has_missing()) set.insert(std::hash<std::string_view>()(source_.missing_text()));
    } else {
      source_.raw(doc, [&](int64_t v) { set.insert(static_cast<uint64_t>(v)); });
    }
  }
  json::object result(uint32_t owner) override {
    json::object o;
    o["value"] = owner < seen_.size() ? seen_[owner].size() : 0;
    if (keeps_state) {
      o[kKeptState] = env_.kept_states.size();
      env_.kept_states.emplace_back();
      if (owner < seen_.size()) env_.kept_states.back().assign(seen_[owner].begin(), seen_[owner].end());
    }
    return o;
  }

 private:
  ValueSource source_;
  std::vector<std::unordered_set<uint64_t>> seen_;
};

class Percentiles : public Aggregator {
 public:
  Percentiles(AggEnvironment& env, const std::string& kind, const json::object& body)
      : Aggregator(env), source_(env, body, kind), kind_(kind), keyed_(agg_flag(body, "keyed", true)) {
    const char* key = kind == "percentiles" ? "percents" : "values";
    if (auto* p = body.if_contains(key); p != nullptr && p->is_array()) {
      for (auto& v : p->as_array()) points_.push_back(v.is_number() ? v.to_number<double>() : std::strtod(json_text(v).c_str(), nullptr));
      if (points_.empty() && kind != "percentiles") throw Error(ErrorCode::kInvalidParameterValue, "[values] must not be an empty array: [" + std::string(key) + "]");
      if (points_.empty()) throw Error(ErrorCode::kXContentParse, "[1:1] [percentiles] failed to parse field [percents]: [percents] must not be empty");
    } else if (kind == "percentiles") {
      points_ = {1, 5, 25, 50, 75, 95, 99};
    } else if (kind == "percentile_ranks") {
      throw Error(ErrorCode::kParsing, "Required [values]");
    }
    for (double p : points_) {
      if (kind == "percentiles" && (p < 0 || p > 100)) throw Error(ErrorCode::kInvalidParameterValue, "percent must be in [0,100], got [" + java_double(p) + "]: [percentiles]");
    }
    if (auto* t = body.if_contains("tdigest"); t != nullptr && t->is_object() && agg_number(t->as_object(), "compression", 100) < 0) {
      throw Error(ErrorCode::kInvalidParameterValue, "[compression] must be greater than or equal to 0. Found [" + java_double(agg_number(t->as_object(), "compression", 100)) + "]");
    }
    if (auto* t = body.if_contains("hdr"); t != nullptr && t->is_object()) {
      double d = agg_number(t->as_object(), "number_of_significant_value_digits", 3);
      digits_ = static_cast<int>(d);
      if (d < 0 || d > 5) throw Error(ErrorCode::kInvalidParameterValue, "[numberOfSignificantValueDigits] must be between 0 and 5: [" + kind + "]");
    }
    if (source_.keyword()) throw Error(ErrorCode::kInvalidParameterValue, "Field [" + source_.field()->path + "] of type [" + source_.field()->type_name + "] is not supported for aggregation [" + kind + "]");
  }
  void start_leaf(size_t l) override { source_.start_leaf(l); }
  void collect(uint32_t doc, float, uint32_t owner) override {
    auto& v = at(values_, owner);
    source_.numbers(doc, [&](double x) { v.push_back(x); });
  }
  json::object result(uint32_t owner) override {
    std::vector<double> v = owner < values_.size() ? values_[owner] : std::vector<double>();
    std::sort(v.begin(), v.end());
    json::object keyed;
    json::array list;
    if (kind_ == "median_absolute_deviation") {
      json::object o;
      if (v.empty()) {
        o["value"] = nullptr;
        return o;
      }
      double m = quantile(v, 0.5);
      for (double& x : v) x = std::abs(x - m);
      std::sort(v.begin(), v.end());
      o["value"] = quantile(v, 0.5);
      return o;
    }
    std::optional<HdrView> hdr;
    if (digits_ > 0 && !v.empty()) hdr.emplace(v, digits_);
    for (double p : points_) {
      json::value x;
      if (v.empty()) x = nullptr;
      else if (hdr) x = kind_ == "percentiles" ? hdr->percentile(p) : hdr->rank(p);
      else if (kind_ == "percentiles") x = quantile(v, p / 100);
      else {
        auto lo = std::lower_bound(v.begin(), v.end(), p), hi = std::upper_bound(v.begin(), v.end(), p);
        double rank = hi != lo ? (static_cast<double>(hi - v.begin())) / static_cast<double>(v.size())
                               : static_cast<double>(lo - v.begin()) / static_cast<double>(v.size());
        x = 100 * rank;
      }
      if (keyed_) {
        keyed[java_double(p)] = x;
        if (source_.field() != nullptr && source_.field()->is_date() && x.is_double()) keyed[java_double(p) + "_as_string"] = source_.field()->format->format(static_cast<int64_t>(x.as_double()));
      } else {
        json::object e;
        e["key"] = p;
        e["value"] = x;
        list.push_back(e);
      }
    }
    json::object o;
    if (keyed_) o["values"] = keyed;
    else o["values"] = list;
    if (keeps_state) {
      o[kKeptState] = env_.kept_states.size();
      env_.kept_states.emplace_back();
      for (double x : v) env_.kept_states.back().push_back(std::bit_cast<uint64_t>(x));
    }
    return o;
  }

 private:
  ValueSource source_;
  std::string kind_;
  bool keyed_;
  int digits_ = 0;  // of an HDR histogram; 0: exact
  std::vector<double> points_;
  std::vector<std::vector<double>> values_;
};

class WeightedAvg : public Aggregator {
 public:
  WeightedAvg(AggEnvironment& env, const json::object& body)
      : Aggregator(env), value_(env, part(body, "value"), "weighted_avg"), weight_(env, part(body, "weight"), "weighted_avg") {}
  void start_leaf(size_t l) override {
    value_.start_leaf(l);
    weight_.start_leaf(l);
  }
  void collect(uint32_t doc, float, uint32_t owner) override {
    auto& s = at(sums_, owner);
    double w = 0;
    int n = 0;
    weight_.numbers(doc, [&](double x) {
      w = x;
      ++n;
    });
    if (n == 0) return;
    if (n > 1) throw Error(ErrorCode::kInvalidParameterValue, "Encountered more than one weight for a single document. Use a script to combine multiple weights-per-doc into a single value.");
    value_.numbers(doc, [&](double x) {
      s.first += x * w;
      s.second += w;
    });
  }
  json::object result(uint32_t owner) override {
    json::object o;
    auto s = owner < sums_.size() ? sums_[owner] : std::pair<double, double>();
    o["value"] = or_null(s.second != 0, s.first / s.second);
    return o;
  }

 private:
  static const json::object& part(const json::object& body, const char* key) {
    auto* p = body.if_contains(key);
    if (p == nullptr || !p->is_object()) throw Error(ErrorCode::kInvalidParameterValue, "Required one of fields [" + std::string(key) + "]");
    return p->as_object();
  }
  ValueSource value_, weight_;
  std::vector<std::pair<double, double>> sums_;
};

class GeoMetric : public Aggregator {
 public:
  GeoMetric(AggEnvironment& env, const std::string& kind, const json::object& body) : Aggregator(env), source_(env, body, kind), bounds_(kind == "geo_bounds") {}
  void start_leaf(size_t l) override { source_.start_leaf(l); }
  void collect(uint32_t doc, float, uint32_t owner) override {
    State& s = at(states_, owner);
    if (!source_.column()) return;
    source_.raw(doc, [&](int64_t v) {
      GeoPoint p = decode_point(v);
      ++s.n;
      s.lat += p.lat;
      s.lon += p.lon;
      s.top = std::max(s.top, p.lat);
      s.bottom = std::min(s.bottom, p.lat);
      s.left = std::min(s.left, p.lon);
      s.right = std::max(s.right, p.lon);
    });
  }
  json::object result(uint32_t owner) override {
    State s = owner < states_.size() ? states_[owner] : State();
    json::object o;
    auto point = [](double lat, double lon) {
      json::object p;
      p["lat"] = lat;
      p["lon"] = lon;
      return p;
    };
    if (!bounds_) {
      if (s.n > 0) o["location"] = point(s.lat / static_cast<double>(s.n), s.lon / static_cast<double>(s.n));
      o["count"] = s.n;
    } else if (s.n > 0) {
      json::object b;
      b["top_left"] = point(s.top, s.left);
      b["bottom_right"] = point(s.bottom, s.right);
      o["bounds"] = b;
    }
    return o;
  }

 private:
  struct State { uint64_t n = 0; double lat = 0, lon = 0, top = -90, bottom = 90, left = 180, right = -180; };
  ValueSource source_;
  bool bounds_;
  std::vector<State> states_;
};

class TopHits : public Aggregator {
 public:
  TopHits(AggEnvironment& env, const json::object& body)
      : Aggregator(env), body_(body), size_(static_cast<size_t>(agg_number(body, "size", 3))), from_(static_cast<size_t>(agg_number(body, "from", 0))) {
    if (auto* s = body.if_contains("sort")) sort_ = *s;
    static const std::set<std::string_view> kKnown = {"size", "from", "sort", "_source", "highlight", "explain", "version", "seq_no_primary_term", "docvalue_fields", "stored_fields", "fields", "track_scores", "script_fields"};
    for (auto& [k, v] : body) {
      if (kKnown.count(k) == 0) throw Error(ErrorCode::kParsing, "Unknown key for a VALUE_STRING in [top_hits]: [" + std::string(k) + "].");
    }
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    State& s = at(states_, owner);
    ++s.total;
    s.max = std::max(s.max, score);
    Hit h{leaf_, doc, score};
    size_t keep = size_ + from_;
    auto first = [&](const Hit& a, const Hit& b) {
      if (!sort_.is_null()) return env_.before(a.leaf, a.doc, b.leaf, b.doc, sort_);
      return a.score > b.score;
    };
    auto it = std::upper_bound(s.hits.begin(), s.hits.end(), h, first);
    if (static_cast<size_t>(it - s.hits.begin()) >= keep) return;
    s.hits.insert(it, h);
    if (s.hits.size() > keep) s.hits.pop_back();
  }
  json::object result(uint32_t owner) override {
    State s = owner < states_.size() ? states_[owner] : State();
    json::object total, hits;
    total["value"] = s.total;
    total["relation"] = "eq";
    hits["total"] = total;
    bool scored = sort_.is_null();
    hits["max_score"] = scored && s.total > 0 ? json::value(static_cast<double>(s.max)) : json::value(nullptr);
    json::array list;
    for (size_t i = from_; i < s.hits.size(); ++i) {
      const Hit& h = s.hits[i];
      list.push_back(env_.render_hit(h.leaf, h.doc, scored ? static_cast<double>(h.score) : std::numeric_limits<double>::quiet_NaN(), body_));
    }
    hits["hits"] = list;
    json::object o;
    o["hits"] = hits;
    return o;
  }

 private:
  struct Hit { size_t leaf; uint32_t doc; float score; };
  struct State { uint64_t total = 0; float max = -std::numeric_limits<float>::infinity(); std::vector<Hit> hits; };
  json::object body_;
  size_t size_, from_;
  json::value sort_;
  std::vector<State> states_;
};

}  // namespace

double quantile(const std::vector<double>& v, double q) {
  if (v.empty()) return std::numeric_limits<double>::quiet_NaN();
  double at = q * static_cast<double>(v.size() - 1);
  auto lo = static_cast<size_t>(std::floor(at));
  size_t hi = std::min(lo + 1, v.size() - 1);
  return v[lo] + (v[hi] - v[lo]) * (at - static_cast<double>(lo));
}

AggregatorPtr make_metric(const std::string& type, const json::object& body, AggEnvironment& env) {
  if (type == "avg" || type == "sum" || type == "min" || type == "max" || type == "stats" || type == "extended_stats") {
    return std::make_unique<StatsMetric>(env, type, body);
  }
  if (type == "scripted_metric") return make_scripted_metric(body, env);
  if (type == "value_count") return std::make_unique<ValueCount>(env, body);
  if (type == "cardinality") return std::make_unique<Cardinality>(env, body);
  if (type == "percentiles" || type == "percentile_ranks" || type == "median_absolute_deviation") return std::make_unique<Percentiles>(env, type, body);
  if (type == "weighted_avg") return std::make_unique<WeightedAvg>(env, body);
  if (type == "geo_bounds" || type == "geo_centroid") return std::make_unique<GeoMetric>(env, type, body);
  if (type == "top_hits") return std::make_unique<TopHits>(env, body);
  if (AggregatorPtr a = make_statistics(type, body, env)) return a;
  return make_top_metric(type, body, env);
}

}  // namespace stele::segments
