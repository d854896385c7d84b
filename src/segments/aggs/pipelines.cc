// The less common pipelines over the buckets of a histogram: normalize, moving_percentiles, cumulative_cardinality; and the rules
// about where pipelines may stand.
#include <cmath>
#include <unordered_set>

#include "segments/aggs/aggregator.h"

namespace stele::segments {

namespace {
[[noreturn]] void illegal(std::string m) { throw Error(ErrorCode::kInvalidParameterValue, std::move(m)); }
[[noreturn]] void refuse(const std::string& m) { throw Error(ErrorCode::kInvalidParameterValue, "Validation Failed: 1: " + m + ";"); }

std::string path_of(const Pipeline& p) {
  auto* b = p.body.if_contains("buckets_path");
  if (b == nullptr) return {};
  return b->is_array() && !b->as_array().empty() ? json_text(b->as_array()[0]) : json_text(*b);
}
json::object* metric_of(json::value& bucket, const std::string& name) {
  json::object& o = bucket.as_object();
  auto* v = o.if_contains(name);
  if (v == nullptr) {
    for (auto& m : o) {
      std::string_view k = m.key();
      size_t hash = k.find('#');
      if (hash != std::string_view::npos && k.substr(hash + 1) == name) v = &m.value();
    }
  }
  return v != nullptr && v->is_object() ? &v->as_object() : nullptr;
}
const std::vector<uint64_t>* state_of(const Pipeline& p, json::object* metric) {
  auto* s = metric == nullptr ? nullptr : metric->if_contains(kKeptState);
  return s == nullptr ? nullptr : &p.env->kept_states[static_cast<size_t>(s->to_number<int64_t>())];
}

void normalize(const Pipeline& p, json::array& buckets) {
  std::string path = path_of(p), method = agg_string(p.body, "method");
  static const std::set<std::string> kMethods = {"rescale_0_1", "rescale_0_100", "percent_of_sum", "mean", "z-score", "softmax"};
  if (kMethods.count(method) == 0) illegal("invalid method [" + method + "]");
  std::vector<double> v;
  for (auto& b : buckets) v.push_back(bucket_metric(b.as_object(), path));
  double sum = 0, min = INFINITY, max = -INFINITY, n = 0;
  for (double x : v) {
    if (std::isnan(x)) continue;
    sum += x;
    min = std::min(min, x);
    max = std::max(max, x);
    n += 1;
  }
  double mean = sum / n, squares = 0, exponents = 0;
  for (double x : v) {
    if (std::isnan(x)) continue;
    squares += (x - mean) * (x - mean);
    exponents += std::exp(x);
  }
  double deviation = std::sqrt(squares / n);
  for (size_t i = 0; i < v.size(); ++i) {
    double x = v[i];
    if (std::isnan(x)) continue;
    double y = method == "rescale_0_1" ? (x - min) / (max - min) : method == "rescale_0_100" ? 100 * (x - min) / (max - min)
               : method == "percent_of_sum" ? x / sum : method == "mean" ? (x - mean) / (max - min) : method == "z-score" ? (x - mean) / deviation : std::exp(x) / exponents;
    json::object o;
    o["value"] = std::isnan(y) ? json::value("NaN") : json::value(y);
    buckets[i].as_object()[p.typed] = std::move(o);
  }
}

void moving_percentiles(const Pipeline& p, json::array& buckets) {
  if (!p.body.contains("window")) illegal("Required [window]");
  auto window = static_cast<int64_t>(agg_number(p.body, "window", 0)), shift = static_cast<int64_t>(agg_number(p.body, "shift", 0));
  if (window <= 0) illegal("[window] must be a positive, non-zero integer.");
  std::string path = path_of(p);
  auto n = static_cast<int64_t>(buckets.size());
  std::vector<const std::vector<uint64_t>*> states;
  for (auto& b : buckets) states.push_back(state_of(p, metric_of(b, path)));
  for (int64_t i = 0; i < n; ++i) {
    std::vector<double> values;
    for (int64_t k = std::clamp<int64_t>(i - window + shift, 0, n); k < std::clamp<int64_t>(i + shift, 0, n); ++k) {
      if (auto* s = states[static_cast<size_t>(k)]) for (uint64_t bits : *s) values.push_back(std::bit_cast<double>(bits));
    }
    json::object* shape = metric_of(buckets[static_cast<size_t>(i)], path);
    if (values.empty() || shape == nullptr) continue;
    std::sort(values.begin(), values.end());
    json::object o = *shape;
    o.erase(kKeptState);
    if (auto* keyed = o.if_contains("values"); keyed != nullptr && keyed->is_object()) {
      for (auto& m : keyed->as_object()) m.value() = quantile(values, std::strtod(std::string(m.key()).c_str(), nullptr) / 100);
    } else if (keyed != nullptr) {
      for (auto& e : keyed->as_array()) e.as_object()["value"] = quantile(values, e.as_object().at("key").to_number<double>() / 100);
    }
    buckets[static_cast<size_t>(i)].as_object()[p.typed] = std::move(o);
  }
}

void cumulative_cardinality(const Pipeline& p, json::array& buckets) {
  std::unordered_set<uint64_t> all;
  std::string path = path_of(p);
  for (auto& b : buckets) {
    if (auto* s = state_of(p, metric_of(b, path))) all.insert(s->begin(), s->end());
    json::object o;
    o["value"] = all.size();
    b.as_object()[p.typed] = std::move(o);
  }
}
}  // namespace

bool run_rare_pipeline(const Pipeline& p, json::array& buckets) {
  if (p.type == "normalize") normalize(p, buckets);
  else if (p.type == "moving_percentiles") moving_percentiles(p, buckets);
  else if (p.type == "cumulative_cardinality") cumulative_cardinality(p, buckets);
  else return false;
  return true;
}

void check_pipelines(const AggChildren& children, const std::string& parent, const json::object* parent_body) {
  if (!parent.empty() && parent != "nested" && parent != "reverse_nested" && parent != "filter" && parent != "random_sampler" && parent != "time_series") {
    for (auto& a : children.aggs) {
      if (a->type != "composite") continue;
      std::string factory;
      bool upper = true;
      for (char c : parent) {
        if (c != '_') factory.push_back(upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c);
        upper = c == '_';
      }
      illegal("[composite] aggregation cannot be used with a parent aggregation of type: [" + factory + "AggregatorFactory]");
    }
  }
  static const std::set<std::string> kSequential = {"derivative", "cumulative_sum", "serial_diff", "moving_fn", "moving_percentiles", "cumulative_cardinality", "normalize"};
  for (const Pipeline& p : children.pipelines) {
    if (!p.body.contains("buckets_path") && p.type != "bucket_sort") refuse("Required [buckets_path]");
    if (is_parent_pipeline(p.type)) {
      if (parent.empty()) refuse(p.type + " aggregation [" + p.name + "] must be declared inside of another aggregation");
      if (kSequential.count(p.type) != 0) {
        if (parent != "histogram" && parent != "date_histogram" && parent != "auto_date_histogram") {
          refuse(p.type + " aggregation [" + p.name + "] must have a histogram, date_histogram or auto_date_histogram as parent");
        }
        if (parent_body != nullptr && agg_number(*parent_body, "min_doc_count", 0) != 0 && p.type != "normalize") {
          refuse("parent histogram of " + p.type + " aggregation [" + p.name + "] must have min_doc_count of 0");
        }
      }
    } else {
      std::string path = path_of(p), first = path.substr(0, path.find('>'));
      bool found = false;
      for (auto& a : children.aggs) found |= a->name == first;
      for (auto& other : children.pipelines) found |= other.name == first;
      if (!found) refuse("No aggregation found for path [" + path + "]");
    }
    if (p.type == "moving_percentiles" || p.type == "cumulative_cardinality") {
      std::string path = path_of(p);
      for (auto& a : children.aggs) {
        if (a->name == path) a->keeps_state = true;
      }
    }
  }
}

}  // namespace stele::segments
