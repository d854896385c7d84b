// Inner to this folder: the base of all aggregators and the values they read.
#pragma once

#include <boost/json.hpp>

#include "base/error.h"
#include "segments/aggs/aggregations.h"

namespace stele::segments {

class Aggregator {
 public:
  explicit Aggregator(AggEnvironment& env) : name(env.building), env_(env) {}
  virtual ~Aggregator() = default;
  virtual void start_leaf(size_t leaf) { leaf_ = leaf; }
  virtual void collect(uint32_t doc, float score, uint32_t owner) = 0;
  virtual json::object result(uint32_t owner) = 0;

  std::string name, type;  // as requested; typed_keys prefix in typed
  std::string typed;
  json::object meta;
  bool keeps_state = false;  // results name their values in AggEnvironment::kept_states, for a pipeline that merges them

 protected:
  AggEnvironment& env_;
  size_t leaf_ = 0;
};
using AggregatorPtr = std::unique_ptr<Aggregator>;

constexpr std::string_view kKeptState = "\001state", kRateUnit = "\001unit";  // members of results that never leave this folder

// A sibling or parent pipeline: works on results.
struct Pipeline {
  std::string name, type, typed;
  json::object body, meta;
  AggEnvironment* env = nullptr;
};
// The children of an aggregation.
struct AggChildren {
  std::vector<AggregatorPtr> aggs;
  std::vector<Pipeline> pipelines;
  bool typed_keys = false;
  void start_leaf(size_t leaf) { for (auto& a : aggs) a->start_leaf(leaf); }
  void collect(uint32_t doc, float score, uint32_t owner) { for (auto& a : aggs) a->collect(doc, score, owner); }
  // Results of one bucket appended to `out`, sibling pipelines included.
  void results(uint32_t owner, json::object& out);
};
AggChildren parse_children(const json::object& request, AggEnvironment& env, bool typed_keys, int depth);

// What a script makes of a document, or of the values of a field.
using ScriptValues = std::function<void(const AggLeaf&, uint32_t, const std::vector<double>*, const std::function<void(double)>&)>;
ScriptValues script_values(const json::value& spec, AggEnvironment& env);

// The values of one field (or a constant for what is missing).
class ValueSource {
 public:
  ValueSource() = default;
  ValueSource(AggEnvironment& env, const json::object& body, const std::string& agg, bool required = true);
  void start_leaf(size_t leaf);
  bool numeric() const { return !keyword_; }
  bool keyword() const { return keyword_; }
  const MappedField* field() const { return field_; }
  bool mapped() const { return field_ != nullptr; }
  // f(double)
  template <typename F>
  void numbers(uint32_t doc, F&& f) const {
    if (script_) {
      std::vector<double> values;
      for (uint32_t i = column_ ? column_.begin(doc) : 0, e = column_ ? column_.end(doc) : 0; i < e; ++i) values.push_back(as_number(column_.value(i)));
      script_(*leaf_, doc, field_ == nullptr ? nullptr : &values, f);
      return;
    }
    if (column_) {
      uint32_t b = column_.begin(doc), e = column_.end(doc);
      for (uint32_t i = b; i < e; ++i) f(as_number(column_.value(i)));
      if (b != e) return;
    }
    if (has_missing_) f(missing_number_);
  }
  // f(int64): column values, sortable bits for doubles.
  template <typename F>
  void raw(uint32_t doc, F&& f) const {
    if (column_) {
      uint32_t b = column_.begin(doc), e = column_.end(doc);
      for (uint32_t i = b; i < e; ++i) f(column_.value(i));
      if (b != e) return;
    }
    if (has_missing_) f(missing_raw_);
  }
  // Whether a term is of this field: the keys of a flattened field share a column.
  bool keeps(std::string_view term) const { return prefix_.empty() || term.starts_with(prefix_); }
  bool exists(uint32_t doc) const { return column_ && column_.end(doc) > column_.begin(doc); }
  const Column& column() const { return column_; }
  bool has_missing() const { return has_missing_; }
  const std::string& missing_text() const { return missing_text_; }
  double as_number(int64_t v) const;
  // The text of a keyword term as the response shows it.
  std::string show(std::string_view term) const;
  const DateFormat* format() const { return format_.get(); }
  const std::string& decimals() const { return decimals_; }  // the pattern of "format" for plain numbers
  const Zone* zone() const { return zone_.get(); }
  ZonePtr zone_ptr() const { return zone_; }

 private:
  AggEnvironment* env_ = nullptr;
  ScriptValues script_;
  const AggLeaf* leaf_ = nullptr;
  std::string name_, prefix_, decimals_;
  const MappedField* field_ = nullptr;
  bool keyword_ = false, has_missing_ = false;
  double missing_number_ = 0;
  int64_t missing_raw_ = 0;
  std::string missing_text_;
  std::shared_ptr<const DateFormat> format_;
  ZonePtr zone_;
  Column column_;
};

AggregatorPtr make_scripted_metric(const json::object& body, AggEnvironment& env);
// bucket_script, bucket_selector, moving_fn.
void run_script_pipeline(const Pipeline& p, json::array& buckets);
// string_stats, matrix_stats, boxplot, t_test; top_metrics, geo_line, rate. Null: unknown.
AggregatorPtr make_statistics(const std::string& type, const json::object& body, AggEnvironment& env);
AggregatorPtr make_top_metric(const std::string& type, const json::object& body, AggEnvironment& env);
// Makes rates of the sums that "rate" left in a bucket of a date histogram; months: its length, 0 when it has none in months.
void scale_rates(json::object& bucket, int64_t from_ms, int64_t to_ms, int months);
// Percentiles with the resolution of an HDR histogram of that many significant digits.
class HdrView {
 public:
  HdrView(const std::vector<double>& sorted, int digits);
  double percentile(double p) const;
  double rank(double v) const;

 private:
  double top_of(double v) const;  // the largest value counted as v is
  const std::vector<double>& values_;
  double sub_buckets_, unit_;
};
// A number by a pattern like "#,##0.00" or "Value is ##0.0".
std::string decimal_format(const std::string& pattern, double v);
// False: not one of its.
bool run_rare_pipeline(const Pipeline& p, json::array& buckets);
// Throws when a pipeline stands where it cannot work. parent: the type of the aggregation around them; empty at the top.
void check_pipelines(const AggChildren& children, const std::string& parent, const json::object* parent_body);
AggregatorPtr make_metric(const std::string& type, const json::object& body, AggEnvironment& env);  // null: not a metric
// The environment in which the children of a "nested" or "reverse_nested" aggregation work.
AggEnvironment& nested_environment(AggEnvironment& env, const std::string& type, const json::object& body);
AggregatorPtr make_nested(const std::string& type, const json::object& body, AggEnvironment& env, AggChildren children);
AggregatorPtr make_bucket(const std::string& type, const json::object& body, AggEnvironment& env, AggChildren children,
                          const std::string& name);  // null: unknown
bool is_pipeline(const std::string& type);
bool is_parent_pipeline(const std::string& type);
// Parent pipelines over the buckets of one aggregation, in place.
void run_parent_pipelines(const std::vector<Pipeline>& pipelines, json::array& buckets);
json::object run_sibling_pipeline(const Pipeline& p, const json::object& siblings);
// A number at "agg>metric.value" of a bucket; NaN when absent.
double bucket_metric(const json::object& bucket, std::string path);
std::string typed_name(const std::string& type, const ValueSource* source);
double quantile(const std::vector<double>& sorted, double q);
std::string agg_string(const json::object& o, std::string_view key, std::string fallback = {});
double agg_number(const json::object& o, std::string_view key, double fallback);
bool agg_flag(const json::object& o, std::string_view key, bool fallback);

}  // namespace stele::segments
