// Transition and final functions whose states are ordinary arrays: users' own aggregates are made of
// them (CREATE AGGREGATE). The built-in aggregates do not come this way (aggregates.cc).
#include <array>
#include <cmath>

#include "base/error.h"
#include "types/array.h"
#include "types/function.h"
#include "types/numeric.h"
#include "types/oids.h"
#include "types/scalar_io.h"

namespace stele {
namespace {

template <size_t N>
std::array<double, N> doubles(Datum d, const char* caller) {
  const ArrayView a(d);
  if (a.ndim() != 1 || a.count() != static_cast<int>(N) || a.has_nulls() || a.element() != oid::kFloat8)
    throw Error(ErrorCode::kInternalError, fmt::format("{}: expected {}-element float8 array", caller, N));
  std::array<double, N> v;
  for (size_t i = 0; i < N; ++i) v[i] = a.get(static_cast<int>(i)).as_double();
  return v;
}
template <size_t N>
Datum make(const std::array<double, N>& v, FnCall& c) {
  ArrayBuilder b(element_info(oid::kFloat8, nullptr));
  for (const double x : v) b.add(Datum::from_double(x));
  return b.finish(*c.arena);
}

// {count, sum, sum of squared differences from the mean}: Youngs and Cramer, 1971.
Datum accumulate(FnCall& c, double x, const char* caller) {
  auto [n, sum, squares] = doubles<3>(c.arg(0), caller);
  const double before = n, sum_before = sum;
  n += 1;
  sum += x;
  if (before > 0) {
    const double t = x * n - sum;
    squares += t * t / (n * before);
    if (std::isinf(sum) || std::isinf(squares)) {
      if (!std::isinf(sum_before) && !std::isinf(x)) float_overflow();
      squares = std::nan("");
    }
  } else if (std::isnan(x) || std::isinf(x)) {
    squares = std::nan("");
  }
  return make<3>({n, sum, squares}, c);
}
Datum combine(FnCall& c) {
  const auto a = doubles<3>(c.arg(0), "float8_combine"), b = doubles<3>(c.arg(1), "float8_combine");
  if (a[0] == 0) return make<3>(b, c);
  if (b[0] == 0) return make<3>(a, c);
  const double n = a[0] + b[0], t = a[1] / a[0] - b[1] / b[0], squares = a[2] + b[2] + a[0] * b[0] * t * t / n;
  if (std::isinf(squares) && !std::isinf(a[2]) && !std::isinf(b[2])) float_overflow();
  return make<3>({n, a[1] + b[1], squares}, c);
}
template <bool kSample, bool kRoot>
Datum spread(FnCall& c) {
  const auto [n, sum, squares] = doubles<3>(c.arg(0), kRoot ? (kSample ? "float8_stddev_samp" : "float8_stddev_pop") : (kSample ? "float8_var_samp" : "float8_var_pop"));
  if (n <= (kSample ? 1 : 0)) return c.null();
  const double v = squares / (kSample ? n - 1 : n);
  return Datum::from_double(kRoot ? std::sqrt(v) : v);
}

// {N, Sx, Sxx, Sy, Syy, Sxy} of pairs (y, x).
Datum regression(FnCall& c) {
  auto s = doubles<6>(c.arg(0), "float8_regr_accum");
  const double y = c.arg(1).as_double(), x = c.arg(2).as_double();
  const auto old = s;
  s[0] += 1;
  s[1] += x;
  s[3] += y;
  if (old[0] > 0) {
    const double tx = x * s[0] - s[1], ty = y * s[0] - s[3], scale = 1.0 / (s[0] * old[0]);
    s[2] += tx * tx * scale;
    s[4] += ty * ty * scale;
    s[5] += tx * ty * scale;
    if (std::isinf(s[1]) || std::isinf(s[2]) || std::isinf(s[3]) || std::isinf(s[4]) || std::isinf(s[5])) {
      const bool wide_x = std::isinf(old[1]) || std::isinf(x), wide_y = std::isinf(old[3]) || std::isinf(y);
      if (((std::isinf(s[1]) || std::isinf(s[2])) && !wide_x) || ((std::isinf(s[3]) || std::isinf(s[4])) && !wide_y) ||
          (std::isinf(s[5]) && !wide_x && !wide_y))
        float_overflow();
      if (std::isinf(s[2])) s[2] = std::nan("");
      if (std::isinf(s[4])) s[4] = std::nan("");
      if (std::isinf(s[5])) s[5] = std::nan("");
    }
  } else {
    if (!std::isfinite(x)) s[2] = s[5] = std::nan("");
    if (!std::isfinite(y)) s[4] = s[5] = std::nan("");
  }
  return make<6>(s, c);
}
using Sums = std::array<double, 6>;
// R::of gives the result, or false for NULL.
template <typename R>
Datum regression_result(FnCall& c) {
  double out = 0;
  if (!R::of(doubles<6>(c.arg(0), R::kName), &out)) return c.null();
  return Datum::from_double(out);
}
struct Sxx {
  static constexpr const char* kName = "float8_regr_sxx";
  static bool of(const Sums& s, double* o) { *o = s[2]; return s[0] >= 1; }
};
struct Syy {
  static constexpr const char* kName = "float8_regr_syy";
  static bool of(const Sums& s, double* o) { *o = s[4]; return s[0] >= 1; }
};
struct Sxy {
  static constexpr const char* kName = "float8_regr_sxy";
  static bool of(const Sums& s, double* o) { *o = s[5]; return s[0] >= 1; }
};
struct AvgX {
  static constexpr const char* kName = "float8_regr_avgx";
  static bool of(const Sums& s, double* o) { *o = s[1] / s[0]; return s[0] >= 1; }
};
struct AvgY {
  static constexpr const char* kName = "float8_regr_avgy";
  static bool of(const Sums& s, double* o) { *o = s[3] / s[0]; return s[0] >= 1; }
};
struct CovarPop {
  static constexpr const char* kName = "float8_covar_pop";
  static bool of(const Sums& s, double* o) { *o = s[5] / s[0]; return s[0] >= 1; }
};
struct CovarSamp {
  static constexpr const char* kName = "float8_covar_samp";
  static bool of(const Sums& s, double* o) { *o = s[5] / (s[0] - 1); return s[0] >= 2; }
};
struct Corr {
  static constexpr const char* kName = "float8_corr";
  static bool of(const Sums& s, double* o) {
    if (s[0] < 1 || s[2] == 0 || s[4] == 0) return false;
    *o = s[5] / std::sqrt(s[2] * s[4]);
    return true;
  }
};
struct R2 {
  static constexpr const char* kName = "float8_regr_r2";
  static bool of(const Sums& s, double* o) {
    if (s[0] < 1 || s[2] == 0) return false;
    *o = s[4] == 0 ? 1.0 : (s[5] * s[5]) / (s[2] * s[4]);
    return true;
  }
};
struct Slope {
  static constexpr const char* kName = "float8_regr_slope";
  static bool of(const Sums& s, double* o) { *o = s[5] / s[2]; return s[0] >= 1 && s[2] != 0; }
};
struct Intercept {
  static constexpr const char* kName = "float8_regr_intercept";
  static bool of(const Sums& s, double* o) { *o = (s[3] - s[1] * s[5] / s[2]) / s[0]; return s[0] >= 1 && s[2] != 0; }
};

// {count, sum} of integers.
std::array<int64_t, 2> integers(Datum d) {
  const ArrayView a(d);
  if (a.ndim() != 1 || a.count() != 2 || a.has_nulls() || a.element() != oid::kInt8)
    throw Error(ErrorCode::kInternalError, "expected 2-element int8 array");
  return {a.get(0).as_int(), a.get(1).as_int()};
}
Datum make(int64_t count, int64_t sum, FnCall& c) {
  ArrayBuilder b(element_info(oid::kInt8, nullptr));
  b.add(Datum::from_int(count));
  b.add(Datum::from_int(sum));
  return b.finish(*c.arena);
}
template <int kSign>
Datum average_step(FnCall& c) {
  const auto [count, sum] = integers(c.arg(0));
  return make(count + kSign, sum + kSign * c.int_arg(1), c);
}
// A NULL state is no sum yet; a NULL value leaves the state.
Datum sum_step(FnCall& c) {
  if (c.is_null(0)) return c.is_null(1) ? c.null() : Datum::from_int(c.int_arg(1));
  // Wraps around, as PostgreSQL's does.
  return Datum::from_int(static_cast<int64_t>(c.args[0].bits + (c.is_null(1) ? 0 : c.args[1].bits)));
}

}  // namespace

void register_aggregate_transition_functions(FunctionRegistry& r) {
  r.add("float8_accum", [](FnCall& c) { return accumulate(c, c.arg(1).as_double(), "float8_accum"); });
  r.add("float4_accum", [](FnCall& c) { return accumulate(c, static_cast<double>(c.arg(1).as_float()), "float4_accum"); });
  r.add("float8_combine", combine);
  r.add("float8_avg", [](FnCall& c) {
    const auto s = doubles<3>(c.arg(0), "float8_avg");
    return s[0] == 0 ? c.null() : Datum::from_double(s[1] / s[0]);
  });
  r.add("float8_var_pop", spread<false, false>);
  r.add("float8_var_samp", spread<true, false>);
  r.add("float8_stddev_pop", spread<false, true>);
  r.add("float8_stddev_samp", spread<true, true>);
  r.add("float8_regr_accum", regression);
  r.add("float8_regr_sxx", regression_result<Sxx>);
  r.add("float8_regr_syy", regression_result<Syy>);
  r.add("float8_regr_sxy", regression_result<Sxy>);
  r.add("float8_regr_avgx", regression_result<AvgX>);
  r.add("float8_regr_avgy", regression_result<AvgY>);
  r.add("float8_covar_pop", regression_result<CovarPop>);
  r.add("float8_covar_samp", regression_result<CovarSamp>);
  r.add("float8_corr", regression_result<Corr>);
  r.add("float8_regr_r2", regression_result<R2>);
  r.add("float8_regr_slope", regression_result<Slope>);
  r.add("float8_regr_intercept", regression_result<Intercept>);
  for (const char* n : {"int2_avg_accum", "int4_avg_accum"}) r.add(n, average_step<1>);
  for (const char* n : {"int2_avg_accum_inv", "int4_avg_accum_inv"}) r.add(n, average_step<-1>);
  r.add("int4_avg_combine", [](FnCall& c) {
    const auto a = integers(c.arg(0)), b = integers(c.arg(1));
    return make(a[0] + b[0], a[1] + b[1], c);
  });
  r.add("int8_avg", [](FnCall& c) {
    const auto s = integers(c.arg(0));
    if (s[0] == 0) return c.null();
    return numeric_div(numeric_from_int(s[1], *c.arena), numeric_from_int(s[0], *c.arena), *c.arena);
  });
  r.add("int2int4_sum", [](FnCall& c) {
    const auto s = integers(c.arg(0));
    return s[0] == 0 ? c.null() : Datum::from_int(s[1]);
  });
  for (const char* n : {"int2_sum", "int4_sum"}) r.add(n, sum_step);
  r.add("int8_sum", [](FnCall& c) {
    if (c.is_null(0)) return c.is_null(1) ? c.null() : numeric_from_int(c.int_arg(1), *c.arena);
    return c.is_null(1) ? c.arg(0) : numeric_add(c.arg(0), numeric_from_int(c.int_arg(1), *c.arena), *c.arena);
  });
  // Counting NULLs among arguments, or in the array given as VARIADIC.
  static constexpr auto kNulls = [](FnCall& c, bool nulls) -> Datum {
    int64_t n = 0;
    if (c.variadic_array) {
      if (c.is_null(0)) return c.null();
      const ArrayView a(c.arg(0));
      for (int i = 0; i < a.count(); ++i) n += a.is_null(i) == nulls;
    } else {
      for (int i = 0; i < c.nargs; ++i) n += c.is_null(i) == nulls;
    }
    return Datum::from_int(n);
  };
  r.add("pg_num_nulls", [](FnCall& c) { return kNulls(c, true); });
  r.add("pg_num_nonnulls", [](FnCall& c) { return kNulls(c, false); });
}

}  // namespace stele
