// Metrics that describe a distribution: string_stats, matrix_stats, boxplot, t_test, and percentiles as an HDR histogram counts them.
#include <cmath>

#include "segments/aggs/aggregator.h"
#include "segments/text/utf8.h"

namespace stele::segments {

namespace {
[[noreturn]] void illegal(std::string m) { throw Error(ErrorCode::kInvalidParameterValue, std::move(m)); }

template <typename T>
T& at(std::vector<T>& v, uint32_t i) {
  if (v.size() <= i) v.resize(std::max<size_t>(i + 1, v.size() * 3 / 2));
  return v[i];
}
void refuse(const ValueSource& s, const std::string& agg, bool wants_text) {
  if (s.field() == nullptr || s.keyword() == wants_text) return;
  illegal("Field [" + s.field()->path + "] of type [" + s.field()->type_name + "] is not supported for aggregation [" + agg + "]");
}

class StringStats : public Aggregator {
 public:
  StringStats(AggEnvironment& env, const json::object& body) : Aggregator(env), source_(env, body, "string_stats"), distribution_(agg_flag(body, "show_distribution", false)) {
    if (source_.field() != nullptr) refuse(source_, "string_stats", true);
  }
  void start_leaf(size_t l) override { source_.start_leaf(l); }
  void collect(uint32_t doc, float, uint32_t owner) override {
    State& s = at(states_, owner);
    const Column& c = source_.column();
    bool any = false;
    for (uint32_t i = c ? c.begin(doc) : 0, e = c ? c.end(doc) : 0; i < e; ++i, any = true) s.add(source_.show(c.term(static_cast<uint64_t>(c.value(i)))));
    if (!any && source_.has_missing()) s.add(source_.missing_text());
  }
  json::object result(uint32_t owner) override {
    State s = owner < states_.size() ? states_[owner] : State();
    bool some = s.count > 0;
    json::object o;
    o["count"] = s.count;
    o["min_length"] = some ? json::value(s.shortest) : json::value(nullptr);
    o["max_length"] = some ? json::value(s.longest) : json::value(nullptr);
    o["avg_length"] = some ? json::value(static_cast<double>(s.characters) / static_cast<double>(s.count)) : json::value(nullptr);
    std::vector<std::pair<double, std::string>> shares;
    double entropy = 0;
    for (auto& [ch, n] : s.seen) {
      double p = static_cast<double>(n) / static_cast<double>(s.characters);
      entropy -= p * std::log2(p);
      std::string text;
      append_code_point(text, ch);
      shares.emplace_back(p, std::move(text));
    }
    o["entropy"] = some ? json::value(entropy) : json::value(0.0);
    if (distribution_) {
      std::stable_sort(shares.begin(), shares.end(), [](auto& a, auto& b) { return a.first > b.first; });
      json::object d;
      for (auto& [p, text] : shares) d[text] = p;
      o["distribution"] = std::move(d);
    }
    return o;
  }

 private:
  struct State {
    uint64_t count = 0, characters = 0, shortest = UINT64_MAX, longest = 0;
    std::map<char32_t, uint64_t> seen;
    void add(std::string_view text) {
      uint64_t n = 0;
      for (char32_t ch : code_points(text)) {
        ++seen[ch];
        ++n;
      }
      ++count;
      characters += n;
      shortest = std::min(shortest, n);
      longest = std::max(longest, n);
    }
  };
  ValueSource source_;
  bool distribution_;
  std::vector<State> states_;
};

// Moments of several fields of the same documents (Pébay's one-pass formulas, kept simple: values are remembered).
class MatrixStats : public Aggregator {
 public:
  MatrixStats(AggEnvironment& env, const json::object& body) : Aggregator(env), mode_(agg_string(body, "mode", "avg")) {
    auto* f = body.if_contains("fields");
    if (f == nullptr) illegal("Required one of fields [fields], but none were specified. ");
    json::array names = f->is_array() ? f->as_array() : json::array{*f};
    for (auto& n : names) {
      json::object one;
      one["field"] = n;
      if (auto* m = body.if_contains("missing"); m != nullptr && m->is_object()) {
        if (auto* v = m->as_object().if_contains(json_text(n))) one["missing"] = *v;
      }
      names_.push_back(json_text(n));
      sources_.emplace_back(env, one, "matrix_stats");
      refuse(sources_.back(), "matrix_stats", false);
    }
    static const std::set<std::string> kModes = {"avg", "min", "max", "sum", "median"};
    if (kModes.count(mode_) == 0) illegal("Unknown mode [" + mode_ + "]");
  }
  void start_leaf(size_t l) override { for (auto& s : sources_) s.start_leaf(l); }
  void collect(uint32_t doc, float, uint32_t owner) override {
    std::vector<double> row;
    for (auto& s : sources_) {
      std::vector<double> v;
      s.numbers(doc, [&](double x) { v.push_back(x); });
      if (v.empty()) return;
      row.push_back(one_of(std::move(v)));
    }
    at(rows_, owner).push_back(std::move(row));
  }
  json::object result(uint32_t owner) override {
    static const std::vector<std::vector<double>> kNone;
    const auto& rows = owner < rows_.size() ? rows_[owner] : kNone;
    json::object o;
    o["doc_count"] = rows.size();
    if (rows.empty()) return o;
    size_t k = names_.size();
    auto n = static_cast<double>(rows.size());
    std::vector<double> mean(k), m2(k), m3(k), m4(k);
    for (auto& r : rows) for (size_t i = 0; i < k; ++i) mean[i] += r[i] / n;
    std::vector<std::vector<double>> cross(k, std::vector<double>(k));
    for (auto& r : rows) {
      for (size_t i = 0; i < k; ++i) {
        double d = r[i] - mean[i];
        m2[i] += d * d;
        m3[i] += d * d * d;
        m4[i] += d * d * d * d;
        for (size_t j = 0; j < k; ++j) cross[i][j] += d * (r[j] - mean[j]);
      }
    }
    auto number = [](double v) { return std::isnan(v) ? json::value("NaN") : json::value(v); };
    json::array fields;
    for (size_t i = 0; i < k; ++i) {
      json::object f, covariance, correlation;
      f["name"] = names_[i];
      f["count"] = rows.size();
      f["mean"] = mean[i];
      f["variance"] = n > 1 ? m2[i] / (n - 1) : 0.0;
      f["skewness"] = number(std::sqrt(n) * m3[i] / std::pow(m2[i], 1.5));
      f["kurtosis"] = number(n * m4[i] / (m2[i] * m2[i]));
      for (size_t j = 0; j < k; ++j) {
        covariance[names_[j]] = n > 1 ? cross[i][j] / (n - 1) : 0.0;
        correlation[names_[j]] = i == j ? json::value(1.0) : number(cross[i][j] / std::sqrt(m2[i] * m2[j]));
      }
      f["covariance"] = std::move(covariance);
      f["correlation"] = std::move(correlation);
      fields.push_back(std::move(f));
    }
    o["fields"] = std::move(fields);
    return o;
  }

 private:
  double one_of(std::vector<double> v) const {
    std::sort(v.begin(), v.end());
    if (mode_ == "min") return v.front();
    if (mode_ == "max") return v.back();
    if (mode_ == "median") return quantile(v, 0.5);
    double sum = 0;
    for (double x : v) sum += x;
    return mode_ == "sum" ? sum : sum / static_cast<double>(v.size());
  }
  std::vector<std::string> names_;
  std::vector<ValueSource> sources_;
  std::string mode_;
  std::vector<std::vector<std::vector<double>>> rows_;
};

class Boxplot : public Aggregator {
 public:
  Boxplot(AggEnvironment& env, const json::object& body) : Aggregator(env), source_(env, body, "boxplot") {
    refuse(source_, "boxplot", false);
    if (agg_number(body, "compression", 100) < 0) illegal("[compression] must be greater than or equal to 0. Found [" + java_double(agg_number(body, "compression", 100)) + "]");
  }
  void start_leaf(size_t l) override { source_.start_leaf(l); }
  void collect(uint32_t doc, float, uint32_t owner) override {
    auto& v = at(values_, owner);
    source_.numbers(doc, [&](double x) { v.push_back(x); });
  }
  json::object result(uint32_t owner) override {
    std::vector<double> v = owner < values_.size() ? values_[owner] : std::vector<double>();
    std::sort(v.begin(), v.end());
    json::object o;
    if (v.empty()) {
      for (auto& [k, text] : {std::pair{"min", "Infinity"}, {"max", "-Infinity"}, {"q1", "NaN"}, {"q2", "NaN"}, {"q3", "NaN"}, {"lower", "NaN"}, {"upper", "NaN"}}) o[k] = text;
      return o;
    }
    double q1 = quantile(v, 0.25), q3 = quantile(v, 0.75), reach = 1.5 * (q3 - q1), lower = v.back(), upper = v.front();
    for (double x : v) {
      if (x >= q1 - reach) lower = std::min(lower, x);
      if (x <= q3 + reach) upper = std::max(upper, x);
    }
    o["min"] = v.front();
    o["max"] = v.back();
    o["q1"] = q1;
    o["q2"] = quantile(v, 0.5);
    o["q3"] = q3;
    o["lower"] = lower;
    o["upper"] = upper;
    return o;
  }

 private:
  ValueSource source_;
  std::vector<std::vector<double>> values_;
};

// The regularised incomplete beta function by its continued fraction (Lentz).
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (std::abs(d) < kTiny ? kTiny : d);
  double h = d;
  for (int m = 1; m < 500; ++m) {
    double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    for (double step : {even, odd}) {
      d = 1 + step * d;
      c = 1 + step / c;
      d = 1 / (std::abs(d) < kTiny ? kTiny : d);
      if (std::abs(c) < kTiny) c = kTiny;
      h *= d * c;
    }
    if (std::abs(d * c - 1) < 1e-15) break;
  }
  return h;
}
double incomplete_beta(double a, double b, double x) {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log(1 - x));
  return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}
// P(T > |t|) of Student's distribution.
double student_tail(double t, double freedom) { return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2; }

class TTest : public Aggregator {
 public:
  TTest(AggEnvironment& env, const json::object& body)
      : Aggregator(env), kind_(agg_string(body, "type", "heteroscedastic")), tails_(static_cast<int>(agg_number(body, "tails", 2))), a_(env, part(body, "a"), "t_test"), b_(env, part(body, "b"), "t_test") {
    if (kind_ != "paired" && kind_ != "homoscedastic" && kind_ != "heteroscedastic") illegal("unknown t-test type [" + kind_ + "]");
    if (tails_ < 1 || tails_ > 2) illegal("[tails] must be 1 or 2. Found [" + std::to_string(tails_) + "] in [" + name + "]");
    refuse(a_, "t_test", false);
    refuse(b_, "t_test", false);
    if (auto* f = part(body, "a").if_contains("filter")) filters_[0] = *f;
    if (auto* f = part(body, "b").if_contains("filter")) filters_[1] = *f;
    if (kind_ == "paired" && (!filters_[0].is_null() || !filters_[1].is_null())) illegal("Paired t-test doesn't support filters");
  }
  void start_leaf(size_t l) override {
    a_.start_leaf(l);
    b_.start_leaf(l);
    for (int i = 0; i < 2; ++i) if (!filters_[i].is_null()) bits_[i] = env_.filter_bits(filters_[i], l, env_.nested);
  }
  void collect(uint32_t doc, float, uint32_t owner) override {
    State& s = at(states_, owner);
    auto in = [&](int i) { return filters_[i].is_null() || (!bits_[i].empty() && (bits_[i][doc >> 6] >> (doc & 63) & 1) != 0); };
    if (kind_ == "paired") {
      std::vector<double> a, b;
      a_.numbers(doc, [&](double x) { a.push_back(x); });
      b_.numbers(doc, [&](double x) { b.push_back(x); });
      if (a.size() > 1 || b.size() > 1) illegal("Encountered more than one value for a single document. Use a script to combine multiple values per doc into a single value.");
      if (a.size() == 1 && b.size() == 1) s.a.push_back(a[0] - b[0]);
      return;
    }
    if (in(0)) a_.numbers(doc, [&](double x) { s.a.push_back(x); });
    if (in(1)) b_.numbers(doc, [&](double x) { s.b.push_back(x); });
  }
  json::object result(uint32_t owner) override {
    State s = owner < states_.size() ? states_[owner] : State();
    double p = value(s);
    json::object o;
    o["value"] = std::isnan(p) ? json::value(nullptr) : json::value(p);
    return o;
  }

 private:
  struct State { std::vector<double> a, b; };
  static const json::object& part(const json::object& body, const char* key) {
    auto* p = body.if_contains(key);
    if (p == nullptr || !p->is_object()) illegal("Required [" + std::string(key) + "]");
    return p->as_object();
  }
  static std::pair<double, double> moments(const std::vector<double>& v) {
    double mean = 0, squares = 0;
    for (double x : v) mean += x / static_cast<double>(v.size());
    for (double x : v) squares += (x - mean) * (x - mean);
    return {mean, squares / static_cast<double>(v.size() - 1)};
  }
  double value(const State& s) const {
    double nan = std::numeric_limits<double>::quiet_NaN();
    auto na = static_cast<double>(s.a.size()), nb = static_cast<double>(s.b.size());
    if (na < 2 || (kind_ != "paired" && nb < 2)) return nan;
    auto [ma, va] = moments(s.a);
    if (kind_ == "paired") return tails_ * student_tail(ma / std::sqrt(va / na), na - 1);
    auto [mb, vb] = moments(s.b);
    if (kind_ == "homoscedastic") {
      double pooled = ((na - 1) * va + (nb - 1) * vb) / (na + nb - 2);
      return tails_ * student_tail((ma - mb) / std::sqrt(pooled * (1 / na + 1 / nb)), na + nb - 2);
    }
    double x = va / na, y = vb / nb;
    return tails_ * student_tail((ma - mb) / std::sqrt(x + y), (x + y) * (x + y) / (x * x / (na - 1) + y * y / (nb - 1)));
  }
  std::string kind_;
  int tails_;
  ValueSource a_, b_;
  json::value filters_[2];
  std::vector<uint64_t> bits_[2];
  std::vector<State> states_;
};
}  // namespace

// Values are counted in units of the largest power of two below the smallest value over half the sub-buckets of a magnitude.
HdrView::HdrView(const std::vector<double>& sorted, int digits) : values_(sorted) {
  double single = 2 * std::pow(10.0, digits);
  sub_buckets_ = std::exp2(std::ceil(std::log2(single)));
  double least = 0;
  for (double v : sorted) {
    if (v < 0) illegal("Negative values are not supported by the HDR histogram: [" + java_double(v) + "]");
    if (v > 0 && least == 0) least = v;
  }
  unit_ = least == 0 ? 1 : std::exp2(std::floor(std::log2(least))) / (sub_buckets_ / 2);
}
double HdrView::top_of(double v) const {
  double units = std::floor(v / unit_), size = 1;
  while (units >= sub_buckets_ * size) size *= 2;
  double low = std::floor(units / size) * size;
  return (low + size - 1) * unit_;
}
double HdrView::percentile(double p) const {
  auto n = static_cast<double>(values_.size());
  auto rank = static_cast<size_t>(std::max(1.0, std::ceil(std::nextafter(p * n / 100.0, 0.0))));
  return top_of(values_[std::min(rank, values_.size()) - 1]);
}
double HdrView::rank(double v) const {
  double top = top_of(v);
  auto n = std::upper_bound(values_.begin(), values_.end(), top) - values_.begin();
  return 100.0 * static_cast<double>(n) / static_cast<double>(values_.size());
}

AggregatorPtr make_statistics(const std::string& type, const json::object& body, AggEnvironment& env) {
  if (type == "string_stats") return std::make_unique<StringStats>(env, body);
  if (type == "matrix_stats") return std::make_unique<MatrixStats>(env, body);
  if (type == "boxplot") return std::make_unique<Boxplot>(env, body);
  if (type == "t_test") return std::make_unique<TTest>(env, body);
  return nullptr;
}

}  // namespace stele::segments
