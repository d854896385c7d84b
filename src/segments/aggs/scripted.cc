// Aggregations that run scripts: scripted_metric, bucket_script, bucket_selector, moving_fn, and scripts in place of fields.
#include <cmath>

#include "segments/aggs/aggregator.h"
#include "segments/script/doc_values.h"
#include "segments/script/error.h"

namespace stele::segments {

namespace {
using script::List;
using script::Value;

class ScriptedMetric : public Aggregator {
 public:
  ScriptedMetric(AggEnvironment& env, const json::object& body) : Aggregator(env) {
    auto parse = [&](const char* key) -> std::optional<script::Call> {
      auto* s = body.if_contains(key);
      if (s == nullptr || s->is_null()) return std::nullopt;
      return script::parse_call(*s, env.stored_script);
    };
    init_ = parse("init_script");
    map_ = parse("map_script");
    combine_ = parse("combine_script");
    reduce_ = parse("reduce_script");
    if (!map_) throw Error(ErrorCode::kInvalidParameterValue, "[map_script] must be provided for metric aggregations.");
    if (!combine_) throw Error(ErrorCode::kInvalidParameterValue, "[combineScript] must not be null: [scripted_metric]");
    if (!reduce_) throw Error(ErrorCode::kInvalidParameterValue, "[reduceScript] must not be null: [scripted_metric]");
    params_ = Value(script::make_map());
    if (auto* p = body.if_contains("params"); p != nullptr && p->is_object()) params_ = script::from_json(*p);
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    const AggLeaf& l = env_.leaves[leaf_];
    map_->script->run({{"state", state(owner)}, {"doc", script::doc_of(*l.mapping, *l.leaf->segment, doc)}, {"params", with(*map_)}, {"_score", Value(static_cast<double>(score))}});
  }
  json::object result(uint32_t owner) override {
    script::ListPtr states = script::make_list();
    states->push_back(combine_->script->run({{"state", state(owner)}, {"params", with(*combine_)}}));
    json::object o;
    o["value"] = script::to_json(reduce_->script->run({{"states", Value(states)}, {"params", with(*reduce_)}}));
    return o;
  }

 private:
  Value with(const script::Call& c) const {
    auto* own = c.params.get<script::MapPtr>();
    return own != nullptr && (*own)->size() > 0 ? c.params : params_;
  }
  Value& state(uint32_t owner) {
    if (owner >= states_.size()) states_.resize(owner + 1);
    if (states_[owner].null()) {
      states_[owner] = Value(script::make_map());
      if (init_) init_->script->run({{"state", states_[owner]}, {"params", with(*init_)}});
    }
    return states_[owner];
  }
  std::optional<script::Call> init_, map_, combine_, reduce_;
  Value params_;
  std::vector<Value> states_;
};

// MovingFunctions.*
class MovingFunctions : public script::Host {
 public:
  std::string type() const override { return "MovingFunctions"; }
  bool index(const Value&, Value*) override { return false; }
  bool member(const std::string& name, const List* args, Value* out) override {
    if (args == nullptr || args->empty()) return false;
    auto* list = (*args)[0].get<script::ListPtr>();
    if (list == nullptr) return false;
    std::vector<double> v;
    for (auto& e : **list) if (!e.null() && !std::isnan(e.as_double())) v.push_back(e.as_double());
    double n = static_cast<double>(v.size()), nan = std::nan("");
    auto arg = [&](size_t i) { return args->at(i).as_double(); };
    auto done = [&](double d) { return *out = Value(d), true; };
    double sum = 0;
    for (double d : v) sum += d;
    if (name == "sum") return done(sum);
    if (name == "unweightedAvg") return done(v.empty() ? nan : sum / n);
    if (name == "min" || name == "max") {
      if (v.empty()) return done(nan);
      return done(name == "min" ? *std::min_element(v.begin(), v.end()) : *std::max_element(v.begin(), v.end()));
    }
    if (name == "stdDev") {
      if (v.empty()) return done(nan);
      double squares = 0;
      for (double d : v) squares += (d - arg(1)) * (d - arg(1));
      return done(std::sqrt(squares / n));
    }
    if (name == "linearWeightedAvg") {
      double weighted = 0, weights = 0, w = 1;
      for (double d : v) {
        weighted += d * w;
        weights += w++;
      }
      return done(v.empty() ? nan : weighted / weights);
    }
    if (name == "ewma") {
      double avg = 0;
      for (size_t i = 0; i < v.size(); ++i) avg = i == 0 ? v[0] : v[i] * arg(1) + avg * (1 - arg(1));
      return done(v.empty() ? nan : avg);
    }
    if (name == "holt") {
      double s = 0, b = 0, last_s = 0, last_b = 0;
      for (size_t i = 0; i < v.size(); ++i) {
        if (i == 0) {
          s = v[0];
          b = v.size() > 1 ? v[1] - v[0] : 0;
        } else {
          s = arg(1) * v[i] + (1 - arg(1)) * (last_s + last_b);
          b = arg(2) * (s - last_s) + (1 - arg(2)) * last_b;
        }
        last_s = s;
        last_b = b;
      }
      return done(v.empty() ? nan : s);
    }
    return false;
  }
};
}  // namespace

AggregatorPtr make_scripted_metric(const json::object& body, AggEnvironment& env) { return std::make_unique<ScriptedMetric>(env, body); }

void run_script_pipeline(const Pipeline& p, json::array& buckets) {
  if (!p.body.contains("script")) throw Error(ErrorCode::kParsing, "Missing required field [script] for pipeline aggregation [" + p.name + "]");
  script::Call call = script::parse_call(p.body.at("script"), {});
  bool zeros = agg_string(p.body, "gap_policy", "skip") == "insert_zeros", keep_values = agg_string(p.body, "gap_policy", "skip") == "keep_values";
  if (p.type == "moving_fn") {
    std::string path = agg_string(p.body, "buckets_path");
    if (!p.body.contains("window")) throw Error(ErrorCode::kInvalidParameterValue, "Required [window]");
    auto window = static_cast<int64_t>(agg_number(p.body, "window", 0)), shift = static_cast<int64_t>(agg_number(p.body, "shift", 0));
    if (window <= 0) throw Error(ErrorCode::kInvalidParameterValue, "[window] must be a positive, non-zero integer.");
    Value functions(script::HostPtr(std::make_shared<MovingFunctions>()));
    std::vector<double> all;
    for (auto& b : buckets) all.push_back(bucket_metric(b.as_object(), path));
    int64_t n = static_cast<int64_t>(all.size());
    for (int64_t i = 0; i < n; ++i) {
      script::ListPtr values = script::make_list();
      for (int64_t k = std::clamp<int64_t>(i - window + shift, 0, n); k < std::clamp<int64_t>(i + shift, 0, n); ++k) {
        double v = all[static_cast<size_t>(k)];
        if (!std::isnan(v) || zeros) values->push_back(Value(std::isnan(v) ? 0.0 : v));
      }
      if (std::isnan(all[static_cast<size_t>(i)]) && !zeros && !keep_values) continue;
      Value v = call.script->run({{"values", Value(values)}, {"params", call.params}, {"MovingFunctions", functions}});
      json::object o;
      double d = v.null() ? std::nan("") : v.as_double();
      o["value"] = std::isnan(d) ? json::value(nullptr) : json::value(d);
      buckets[static_cast<size_t>(i)].as_object()[p.typed] = o;
    }
    return;
  }
  auto* paths = p.body.if_contains("buckets_path");
  std::vector<std::pair<std::string, std::string>> named;
  if (paths != nullptr && paths->is_object()) for (auto& [k, v] : paths->as_object()) named.emplace_back(std::string(k), json_text(v));
  else if (paths != nullptr && paths->is_array()) for (size_t i = 0; i < paths->as_array().size(); ++i) named.emplace_back("_value" + std::to_string(i), json_text(paths->as_array()[i]));
  else if (paths != nullptr) named.emplace_back("_value", json_text(*paths));
  json::array kept;
  for (auto& b : buckets) {
    script::MapPtr params = script::make_map();
    if (auto* given = call.params.get<script::MapPtr>()) *params = **given;
    bool gap = false;
    for (auto& [name, path] : named) {
      double v = bucket_metric(b.as_object(), path);
      bool empty = path != "_count" && b.as_object().at("doc_count").to_number<double>() == 0;
      if (std::isnan(v) || empty) {
        gap = !zeros;
        v = zeros ? 0.0 : std::nan("");
      }
      params->at(name) = Value(v);
    }
    bool selector = p.type == "bucket_selector";
    if (selector) {
      Value v = call.script->run({{"params", Value(params)}});
      if (v.get<bool>() != nullptr ? v.as_bool() : v.as_double() != 0) kept.push_back(std::move(b));
      continue;
    }
    if (!gap || keep_values) {
      Value v = call.script->run({{"params", Value(params)}});
      if (!v.null()) {
        json::object o;
        o["value"] = v.as_double();
        b.as_object()[p.typed] = o;
      }
    }
    kept.push_back(std::move(b));
  }
  buckets = std::move(kept);
}

// Values that a script makes of a document (and, with a field, of each of its values).
std::function<void(const AggLeaf&, uint32_t, const std::vector<double>*, const std::function<void(double)>&)> script_values(const json::value& spec, AggEnvironment& env) {
  script::Call call = script::parse_call(spec, env.stored_script);
  return [call](const AggLeaf& l, uint32_t doc, const std::vector<double>* values, const std::function<void(double)>& f) {
    auto emit = [&](const Value& v) {
      if (v.null()) return;
      if (auto* list = v.get<script::ListPtr>()) {
        for (auto& e : **list) f(e.as_double());
        return;
      }
      if (auto* t = v.get<script::Instant>()) f(static_cast<double>(t->ms));
      else f(v.get<bool>() != nullptr ? static_cast<double>(v.as_bool()) : v.as_double());
    };
    Value doc_value = script::doc_of(*l.mapping, *l.leaf->segment, doc);
    if (values == nullptr) {
      emit(call.script->run({{"doc", doc_value}, {"params", call.params}}));
      return;
    }
    for (double v : *values) emit(call.script->run({{"doc", doc_value}, {"params", call.params}, {"_value", Value(v)}}));
  };
}

}  // namespace stele::segments
