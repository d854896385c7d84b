// Aggregates over numbers and booleans: sums, averages, variances, regressions, bits.
#include "base/error.h"
#include "types/big_decimal.h"
#include "types/function.h"
#include "types/numeric.h"
#include "types/scalar_io.h"

namespace stele {
namespace {

template <typename T>
std::unique_ptr<AggregateState> make(FnCall&) { return std::make_unique<T>(); }

class Count : public AggregateState {
 public:
  void add(FnCall& c) override {
    if (c.nargs == 0 || !c.is_null(0)) ++n_;
  }
  bool remove(FnCall& c) override {
    if (c.nargs == 0 || !c.is_null(0)) --n_;
    return true;
  }
  Datum finish(FnCall&) override { return Datum::from_int(n_); }

 private:
  int64_t n_ = 0;
};

// sum(int2), sum(int4) -> bigint; sum(money) -> money.
template <bool kMoney = false>
class SumInt : public AggregateState {
 public:
  void add(FnCall& c) override {
    if (__builtin_add_overflow(sum_, c.int_arg(0), &sum_)) overflow();
    ++n_;
  }
  bool remove(FnCall& c) override {
    sum_ -= c.int_arg(0);
    --n_;
    return true;
  }
  Datum finish(FnCall& c) override { return n_ == 0 ? c.null() : Datum::from_int(sum_); }

 private:
  [[noreturn]] static void overflow() {
    if (kMoney) throw Error(ErrorCode::kNumericValueOutOfRange, "money out of range");
    int_out_of_range(8);
  }
  int64_t sum_ = 0, n_ = 0;
};

// Exact sums of integers as numeric: sum(int8), avg(int).
template <bool kAverage>
class SumWide : public AggregateState {
 public:
  void add(FnCall& c) override {
    sum_ += c.int_arg(0);
    ++n_;
  }
  bool remove(FnCall& c) override {
    sum_ -= c.int_arg(0);
    --n_;
    return true;
  }
  Datum finish(FnCall& c) override {
    if (n_ == 0) return c.null();
    Datum sum = make_numeric_wide(sum_, 0, *c.arena);
    return kAverage ? numeric_div(sum, make_numeric(n_, 0, *c.arena), *c.arena) : sum;
  }

 private:
  Int128 sum_ = 0;
  int64_t n_ = 0;
};

template <bool kAverage>
class SumNumeric : public AggregateState {
 public:
  void add(FnCall& c) override { sum_.add(c.arg(0)); }
  bool remove(FnCall& c) override { return sum_.remove(c.arg(0)); }
  Datum finish(FnCall& c) override {
    if (sum_.count() == 0) return c.null();
    return kAverage ? sum_.average(*c.arena) : sum_.sum(*c.arena);
  }
  size_t bytes() const override { return sizeof *this; }

 private:
  NumericSum sum_;
};

class SumFloat8 : public AggregateState {
 public:
  void add(FnCall& c) override {
    double v = c.arg(0).as_double();
    infinite_ |= std::isinf(v);
    sum_ += v;
    if (std::isinf(sum_) && !infinite_) float_overflow();
    any_ = true;
  }
  Datum finish(FnCall& c) override { return any_ ? Datum::from_double(sum_) : c.null(); }

 private:
  double sum_ = 0;
  bool any_ = false, infinite_ = false;
};
class SumFloat4 : public AggregateState {
 public:
  void add(FnCall& c) override {
    float v = c.arg(0).as_float();
    infinite_ |= std::isinf(v);
    sum_ += v;
    if (std::isinf(sum_) && !infinite_) float_overflow();
    any_ = true;
  }
  Datum finish(FnCall& c) override { return any_ ? Datum::from_float(sum_) : c.null(); }

 private:
  float sum_ = 0;
  bool any_ = false, infinite_ = false;
};

// The shapes of variance.
enum class Spread { kAverage, kVarPop, kVarSamp, kStddevPop, kStddevSamp };
constexpr bool is_sample(Spread s) { return s == Spread::kVarSamp || s == Spread::kStddevSamp; }
constexpr bool is_root(Spread s) { return s == Spread::kStddevPop || s == Spread::kStddevSamp; }

// Youngs and Cramer's updating formulas, which PostgreSQL uses too.
template <Spread kShape, bool kFour>
class SpreadFloat : public AggregateState {
 public:
  void add(FnCall& c) override {
    double v = kFour ? static_cast<double>(c.arg(0).as_float()) : c.arg(0).as_double();
    double before = n_, old = sum_;
    n_ += 1;
    sum_ += v;
    if (before > 0) {
      double t = v * n_ - sum_;
      squares_ += t * t / (n_ * before);
      if (std::isinf(sum_) || std::isinf(squares_)) {
        if (!std::isinf(old) && !std::isinf(v)) float_overflow();
        squares_ = std::numeric_limits<double>::quiet_NaN();
      }
    } else if (std::isnan(v) || std::isinf(v)) {
      squares_ = std::numeric_limits<double>::quiet_NaN();
    }
  }
  Datum finish(FnCall& c) override {
    if (n_ == 0 || (is_sample(kShape) && n_ <= 1)) return c.null();
    if (kShape == Spread::kAverage) return Datum::from_double(sum_ / n_);
    double v = squares_ / (is_sample(kShape) ? n_ - 1 : n_);
    return Datum::from_double(is_root(kShape) ? std::sqrt(v) : v);
  }

 private:
  double n_ = 0, sum_ = 0, squares_ = 0;
};

template <Spread kShape>
class SpreadNumeric : public AggregateState {
 public:
  void add(FnCall& c) override { sum_.add(c.arg(0)); }
  bool remove(FnCall& c) override { return sum_.remove(c.arg(0)); }
  Datum finish(FnCall& c) override {
    bool ok = false;
    Datum d = sum_.variance(is_sample(kShape), is_root(kShape), *c.arena, ok);
    return ok ? d : c.null();
  }

 private:
  NumericSum sum_{true};
};

template <Spread kShape>
class SpreadInt : public AggregateState {
 public:
  void add(FnCall& c) override { change(c, 1); }
  bool remove(FnCall& c) override {
    change(c, -1);
    return true;
  }
  Datum finish(FnCall& c) override {
    if (n_ == 0 || (is_sample(kShape) && n_ <= 1)) return c.null();
    Limbs n = big::from_u64(static_cast<uint64_t>(n_));
    Limbs sum = big::from_u128(static_cast<unsigned __int128>(sum_ < 0 ? -sum_ : sum_));
    Limbs left = big::mul(n, big::add(big_squares_, big::from_u128(squares_))), right = big::mul(sum, sum);
    if (big::compare(left, right) <= 0) return make_numeric(int64_t{0}, 0, *c.arena);
    Decimal num, den = decimal_mul(Decimal::from_int(n_), Decimal::from_int(is_sample(kShape) ? n_ - 1 : n_));
    num.mag = big::sub(left, right);
    Decimal v = decimal_div(num, den, division_scale(num, den));
    if (is_root(kShape)) v = decimal_sqrt_to(v, v.scale);
    return make_numeric(v, *c.arena);
  }

 private:
  void change(FnCall& c, int sign) {
    Int128 v = c.int_arg(0);
    n_ += sign;
    sum_ += sign * v;
    unsigned __int128 square = static_cast<unsigned __int128>(v * v);
    if (sign < 0) {
      if (squares_ >= square) squares_ -= square;
      else {
        big_squares_ = big::sub(big::add(big_squares_, big::from_u128(squares_)), big::from_u128(square));
        squares_ = 0;
      }
      return;
    }
    unsigned __int128 next;
    if (__builtin_add_overflow(squares_, square, &next)) {
      big_squares_ = big::add(big_squares_, big::from_u128(squares_));
      next = square;
    }
    squares_ = next;
  }
  int64_t n_ = 0;
  Int128 sum_ = 0;
  unsigned __int128 squares_ = 0;
  Limbs big_squares_;
};

enum class Regression {
  kCount, kSxx, kSyy, kSxy, kAvgX, kAvgY, kR2, kSlope, kIntercept, kCovarPop, kCovarSamp, kCorr
};
template <Regression kShape>
class Regress : public AggregateState {
 public:
  void add(FnCall& c) override {
    double y = c.arg(0).as_double(), x = c.arg(1).as_double(), before = n_;
    double old_x = sx_, old_y = sy_;
    n_ += 1;
    sx_ += x;
    sy_ += y;
    if (before > 0) {
      double tx = x * n_ - sx_, ty = y * n_ - sy_, scale = 1.0 / (n_ * before);
      sxx_ += tx * tx * scale;
      syy_ += ty * ty * scale;
      sxy_ += tx * ty * scale;
      if (std::isinf(sx_) || std::isinf(sxx_) || std::isinf(sy_) || std::isinf(syy_) || std::isinf(sxy_)) {
        bool x_given = std::isinf(old_x) || std::isinf(x), y_given = std::isinf(old_y) || std::isinf(y);
        if (((std::isinf(sx_) || std::isinf(sxx_)) && !x_given) || ((std::isinf(sy_) || std::isinf(syy_)) && !y_given) ||
            (std::isinf(sxy_) && !x_given && !y_given))
          float_overflow();
        double nan = std::numeric_limits<double>::quiet_NaN();
        if (std::isinf(sxx_)) sxx_ = nan;
        if (std::isinf(syy_)) syy_ = nan;
        if (std::isinf(sxy_)) sxy_ = nan;
      }
    } else {
      double nan = std::numeric_limits<double>::quiet_NaN();
      if (!std::isfinite(x)) sxx_ = sxy_ = nan;
      if (!std::isfinite(y)) syy_ = sxy_ = nan;
    }
  }
  Datum finish(FnCall& c) override {
    if constexpr (kShape == Regression::kCount) return Datum::from_int(static_cast<int64_t>(n_));
    if (n_ < 1 || (kShape == Regression::kCovarSamp && n_ < 2)) return c.null();
    auto out = [](double v) { return Datum::from_double(v); };
    switch (kShape) {
      case Regression::kSxx: return out(sxx_);
      case Regression::kSyy: return out(syy_);
      case Regression::kSxy: return out(sxy_);
      case Regression::kAvgX: return out(sx_ / n_);
      case Regression::kAvgY: return out(sy_ / n_);
      case Regression::kCovarPop: return out(sxy_ / n_);
      case Regression::kCovarSamp: return out(sxy_ / (n_ - 1));
      case Regression::kCorr:
        if (sxx_ == 0 || syy_ == 0) return c.null();
        return out(sxy_ / std::sqrt(sxx_ * syy_));
      case Regression::kR2:
        if (sxx_ == 0) return c.null();
        if (syy_ == 0) return out(1);
        return out(sxy_ * sxy_ / (sxx_ * syy_));
      case Regression::kSlope: return sxx_ == 0 ? c.null() : out(sxy_ / sxx_);
      case Regression::kIntercept: return sxx_ == 0 ? c.null() : out((sy_ - sx_ * sxy_ / sxx_) / n_);
      default: return c.null();
    }
  }

 private:
  double n_ = 0, sx_ = 0, sxx_ = 0, sy_ = 0, syy_ = 0, sxy_ = 0;
};

template <char kOp>
class Bits : public AggregateState {
 public:
  void add(FnCall& c) override {
    uint64_t v = c.arg(0).bits;
    if (!any_) value_ = v;
    else if (kOp == '&') value_ &= v;
    else if (kOp == '|') value_ |= v;
    else value_ ^= v;
    any_ = true;
  }
  Datum finish(FnCall& c) override { return any_ ? Datum{value_} : c.null(); }

 private:
  uint64_t value_ = 0;
  bool any_ = false;
};

template <bool kAnd>
class Bools : public AggregateState {
 public:
  void add(FnCall& c) override {
    ++n_;
    true_ += c.arg(0).as_bool();
  }
  bool remove(FnCall& c) override {
    --n_;
    true_ -= c.arg(0).as_bool();
    return true;
  }
  Datum finish(FnCall& c) override {
    if (n_ == 0) return c.null();
    return Datum::from_bool(kAnd ? true_ == n_ : true_ > 0);
  }

 private:
  int64_t n_ = 0, true_ = 0;
};

template <Spread kShape>
void add_spread(FunctionRegistry& r, const std::array<const char*, 5>& names) {
  r.add_aggregate(names[0], make<SpreadInt<kShape>>);
  r.add_aggregate(names[1], make<SpreadInt<kShape>>);
  // Squares of bigints do not fit sums of 128 bits for long, which SpreadInt allows for.
  r.add_aggregate(names[2], make<SpreadInt<kShape>>);
  r.add_aggregate(names[3], make<SpreadNumeric<kShape>>);
  r.add_aggregate(names[4], make<SpreadFloat<kShape, false>>);
}

}  // namespace

void register_number_aggregate_functions(FunctionRegistry& r) {
  r.add_aggregate("count/any", make<Count>);
  r.add_aggregate("count/", make<Count>);
  r.add_aggregate("sum/int2", make<SumInt<>>);
  r.add_aggregate("sum/int4", make<SumInt<>>);
  r.add_aggregate("sum/money", make<SumInt<true>>);
  r.add_aggregate("sum/int8", make<SumWide<false>>);
  r.add_aggregate("sum/numeric", make<SumNumeric<false>>);
  r.add_aggregate("sum/float8", make<SumFloat8>);
  r.add_aggregate("sum/float4", make<SumFloat4>);
  for (const char* n : {"avg/int2", "avg/int4", "avg/int8"}) r.add_aggregate(n, make<SumWide<true>>);
  r.add_aggregate("avg/numeric", make<SumNumeric<true>>);
  r.add_aggregate("avg/float8", make<SpreadFloat<Spread::kAverage, false>>);
  r.add_aggregate("avg/float4", make<SpreadFloat<Spread::kAverage, true>>);

  add_spread<Spread::kVarPop>(r, {"var_pop/int2", "var_pop/int4", "var_pop/int8", "var_pop/numeric", "var_pop/float8"});
  add_spread<Spread::kVarSamp>(r, {"var_samp/int2", "var_samp/int4", "var_samp/int8", "var_samp/numeric", "var_samp/float8"});
  add_spread<Spread::kVarSamp>(r, {"variance/int2", "variance/int4", "variance/int8", "variance/numeric", "variance/float8"});
  add_spread<Spread::kStddevPop>(r, {"stddev_pop/int2", "stddev_pop/int4", "stddev_pop/int8", "stddev_pop/numeric", "stddev_pop/float8"});
  add_spread<Spread::kStddevSamp>(r, {"stddev_samp/int2", "stddev_samp/int4", "stddev_samp/int8", "stddev_samp/numeric", "stddev_samp/float8"});
  add_spread<Spread::kStddevSamp>(r, {"stddev/int2", "stddev/int4", "stddev/int8", "stddev/numeric", "stddev/float8"});
  r.add_aggregate("var_pop/float4", make<SpreadFloat<Spread::kVarPop, true>>);
  r.add_aggregate("var_samp/float4", make<SpreadFloat<Spread::kVarSamp, true>>);
  r.add_aggregate("variance/float4", make<SpreadFloat<Spread::kVarSamp, true>>);
  r.add_aggregate("stddev_pop/float4", make<SpreadFloat<Spread::kStddevPop, true>>);
  r.add_aggregate("stddev_samp/float4", make<SpreadFloat<Spread::kStddevSamp, true>>);
  r.add_aggregate("stddev/float4", make<SpreadFloat<Spread::kStddevSamp, true>>);

  r.add_aggregate("regr_count/float8,float8", make<Regress<Regression::kCount>>);
  r.add_aggregate("regr_sxx/float8,float8", make<Regress<Regression::kSxx>>);
  r.add_aggregate("regr_syy/float8,float8", make<Regress<Regression::kSyy>>);
  r.add_aggregate("regr_sxy/float8,float8", make<Regress<Regression::kSxy>>);
  r.add_aggregate("regr_avgx/float8,float8", make<Regress<Regression::kAvgX>>);
  r.add_aggregate("regr_avgy/float8,float8", make<Regress<Regression::kAvgY>>);
  r.add_aggregate("regr_r2/float8,float8", make<Regress<Regression::kR2>>);
  r.add_aggregate("regr_slope/float8,float8", make<Regress<Regression::kSlope>>);
  r.add_aggregate("regr_intercept/float8,float8", make<Regress<Regression::kIntercept>>);
  r.add_aggregate("covar_pop/float8,float8", make<Regress<Regression::kCovarPop>>);
  r.add_aggregate("covar_samp/float8,float8", make<Regress<Regression::kCovarSamp>>);
  r.add_aggregate("corr/float8,float8", make<Regress<Regression::kCorr>>);

  for (const char* n : {"bit_and/int2", "bit_and/int4", "bit_and/int8"}) r.add_aggregate(n, make<Bits<'&'>>);
  for (const char* n : {"bit_or/int2", "bit_or/int4", "bit_or/int8"}) r.add_aggregate(n, make<Bits<'|'>>);
  for (const char* n : {"bit_xor/int2", "bit_xor/int4", "bit_xor/int8"}) r.add_aggregate(n, make<Bits<'^'>>);
  r.add_aggregate("bool_and/bool", make<Bools<true>>);
  r.add_aggregate("every/bool", make<Bools<true>>);
  r.add_aggregate("bool_or/bool", make<Bools<false>>);
}

}  // namespace stele
