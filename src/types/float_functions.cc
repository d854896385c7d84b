// Operators and functions of real and double precision.
#include "base/error.h"
#include "types/array.h"
#include "types/function.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/scalar_io.h"
#include "types/type_ops.h"

namespace stele {
namespace {

constexpr double kRadiansPerDegree = 0.0174532925199432957692;

double d(FnCall& c, int i) { return c.arg(i).as_double(); }
double f(FnCall& c, int i) { return static_cast<double>(c.arg(i).as_float()); }
template <bool kFour>
double get(FnCall& c, int i) { return kFour ? f(c, i) : d(c, i); }

Datum check8(double v, bool inf_ok, bool zero_ok) {
  if (std::isinf(v) && !inf_ok) float_overflow();
  if (v == 0 && !zero_ok) float_underflow();
  return Datum::from_double(v);
}
Datum check4(float v, bool inf_ok, bool zero_ok) {
  if (std::isinf(v) && !inf_ok) float_overflow();
  if (v == 0 && !zero_ok) float_underflow();
  return Datum::from_float(v);
}

// kA, kB: is the side a float4. The result is float4 only when both are.
template <bool kA, bool kB, char kOp>
Datum arithmetic(FnCall& c) {
  if constexpr (kA && kB) {
    float a = c.arg(0).as_float(), b = c.arg(1).as_float();
    bool inf = std::isinf(a) || std::isinf(b);
    if constexpr (kOp == '+') return check4(a + b, inf, true);
    if constexpr (kOp == '-') return check4(a - b, inf, true);
    if constexpr (kOp == '*') return check4(a * b, inf, a == 0 || b == 0);
    if (b == 0 && !std::isnan(a)) division_by_zero();
    return check4(a / b, inf, a == 0 || std::isinf(b));
  } else {
    double a = get<kA>(c, 0), b = get<kB>(c, 1);
    bool inf = std::isinf(a) || std::isinf(b);
    if constexpr (kOp == '+') return check8(a + b, inf, true);
    if constexpr (kOp == '-') return check8(a - b, inf, true);
    if constexpr (kOp == '*') return check8(a * b, inf, a == 0 || b == 0);
    if (b == 0 && !std::isnan(a)) division_by_zero();
    return check8(a / b, inf, a == 0 || std::isinf(b));
  }
}
template <bool kA, bool kB>
int compare(FnCall& c) { return compare_floats(get<kA>(c, 0), get<kB>(c, 1)); }

template <bool kA, bool kB>
void add_pair(FunctionRegistry& r, const std::array<const char*, 11>& n) {
  r.add(n[0], [](FnCall& c) { return Datum::from_bool(compare<kA, kB>(c) == 0); });
  r.add(n[1], [](FnCall& c) { return Datum::from_bool(compare<kA, kB>(c) != 0); });
  r.add(n[2], [](FnCall& c) { return Datum::from_bool(compare<kA, kB>(c) < 0); });
  r.add(n[3], [](FnCall& c) { return Datum::from_bool(compare<kA, kB>(c) <= 0); });
  r.add(n[4], [](FnCall& c) { return Datum::from_bool(compare<kA, kB>(c) > 0); });
  r.add(n[5], [](FnCall& c) { return Datum::from_bool(compare<kA, kB>(c) >= 0); });
  r.add(n[6], [](FnCall& c) { return Datum::from_int(compare<kA, kB>(c)); });
  r.add(n[7], arithmetic<kA, kB, '+'>);
  r.add(n[8], arithmetic<kA, kB, '-'>);
  r.add(n[9], arithmetic<kA, kB, '*'>);
  r.add(n[10], arithmetic<kA, kB, '/'>);
}

template <int kBytes>
Datum to_int(double v) {
  double x = std::rint(v);
  constexpr double kLimit = kBytes == 2 ? 32768.0 : kBytes == 4 ? 2147483648.0 : 9223372036854775808.0;
  if (std::isnan(x) || x < -kLimit || x >= kLimit) int_out_of_range(kBytes);
  return Datum::from_int(static_cast<int64_t>(x));
}

[[noreturn]] void input_out_of_range() { throw Error(ErrorCode::kNumericValueOutOfRange, "input is out of range"); }

double power(double a, double b) {
  if (std::isnan(a)) return b == 0 ? 1.0 : a;
  if (std::isnan(b)) return a == 1 ? 1.0 : b;
  if (a == 0 && b < 0)
    throw Error(ErrorCode::kInvalidArgumentForPowerFunction, "zero raised to a negative power is undefined");
  if (a < 0 && std::floor(b) != b)
    throw Error(ErrorCode::kInvalidArgumentForPowerFunction,
                "a negative number raised to a non-integer power yields a complex result");
  double v = std::pow(a, b);
  if (std::isinf(a) || std::isinf(b)) return v;
  if (std::isinf(v)) float_overflow();
  if (v == 0 && a != 0) float_underflow();
  return v;
}

void check_log(double a) {
  if (a == 0) throw Error(ErrorCode::kInvalidArgumentForLogarithm, "cannot take logarithm of zero");
  if (a < 0) throw Error(ErrorCode::kInvalidArgumentForLogarithm, "cannot take logarithm of a negative number");
}

// ---- trigonometry in degrees: exact at the multiples of 30 and 45 that people know

double sind_q1(double x) {
  auto low = [](double y) { return std::sin(y * kRadiansPerDegree) / std::sin(30 * kRadiansPerDegree) / 2.0; };
  auto cos_low = [](double y) {
    return 1.0 - (1.0 - std::cos(y * kRadiansPerDegree)) / (1.0 - std::cos(60 * kRadiansPerDegree)) / 2.0;
  };
  return x <= 30 ? low(x) : cos_low(90 - x);
}
double cosd_q1(double x) {
  auto low = [](double y) { return std::sin(y * kRadiansPerDegree) / std::sin(30 * kRadiansPerDegree) / 2.0; };
  auto cos_low = [](double y) {
    return 1.0 - (1.0 - std::cos(y * kRadiansPerDegree)) / (1.0 - std::cos(60 * kRadiansPerDegree)) / 2.0;
  };
  return x <= 60 ? cos_low(x) : low(90 - x);
}
double sind(double x) {
  if (std::isinf(x)) input_out_of_range();
  x = std::fmod(x, 360.0);
  int sign = 1;
  if (x < 0) { x = -x; sign = -sign; }
  if (x > 180) { x = 360 - x; sign = -sign; }
  if (x > 90) x = 180 - x;
  return sign * sind_q1(x);
}
double cosd(double x) {
  if (std::isinf(x)) input_out_of_range();
  x = std::fmod(x, 360.0);
  int sign = 1;
  if (x < 0) x = -x;
  if (x > 180) x = 360 - x;
  if (x > 90) { x = 180 - x; sign = -sign; }
  return sign * cosd_q1(x);
}
double tand(double x) {
  if (std::isinf(x)) input_out_of_range();
  x = std::fmod(x, 360.0);
  int sign = 1;
  if (x < 0) { x = -x; sign = -sign; }
  if (x > 180) { x = 360 - x; sign = -sign; }
  if (x > 90) { x = 180 - x; sign = -sign; }
  double v = sign * (sind_q1(x) / cosd_q1(x) / (sind_q1(45) / cosd_q1(45)));
  return v == 0 ? 0 : v;
}
double cotd(double x) {
  if (std::isinf(x)) input_out_of_range();
  x = std::fmod(x, 360.0);
  int sign = 1;
  if (x < 0) { x = -x; sign = -sign; }
  if (x > 180) { x = 360 - x; sign = -sign; }
  if (x > 90) { x = 180 - x; sign = -sign; }
  double v = sign * (cosd_q1(x) / sind_q1(x) / (cosd_q1(45) / sind_q1(45)));
  return v == 0 ? 0 : v;
}
double asind_q1(double x) {
  if (x <= 0.5) return std::asin(x) / std::asin(0.5) * 30.0;
  return 90.0 - std::acos(x) / std::acos(0.5) * 60.0;
}
double acosd_q1(double x) {
  if (x <= 0.5) return 90.0 - std::asin(x) / std::asin(0.5) * 30.0;
  return std::acos(x) / std::acos(0.5) * 60.0;
}

template <double (*F)(double)>
Datum apply(FnCall& c) { return Datum::from_double(F(d(c, 0))); }

template <typename T>
Datum in_range(T value, T base, double offset, bool subtract, bool less) {
  if (std::isnan(offset) || offset < 0)
    throw Error(ErrorCode::kInvalidPrecedingOrFollowingSize, "invalid preceding or following size in window function");
  if (std::isnan(value)) return Datum::from_bool(std::isnan(base) ? true : !less);
  if (std::isnan(base)) return Datum::from_bool(less);
  if (std::isinf(offset) && std::isinf(base) && (subtract ? base > 0 : base < 0)) return Datum::from_bool(true);
  T sum = static_cast<T>(subtract ? base - offset : base + offset);
  return Datum::from_bool(less ? value <= sum : value >= sum);
}

uint32_t hash_double_pg(double v) {
  if (v == 0) return 0;
  if (v != v) v = std::numeric_limits<double>::quiet_NaN();
  char bytes[8];
  std::memcpy(bytes, &v, 8);
  return pg_hash_any({bytes, 8});
}

}  // namespace

void register_float_functions(FunctionRegistry& r) {
  add_pair<false, false>(r, {"float8eq", "float8ne", "float8lt", "float8le", "float8gt", "float8ge", "btfloat8cmp", "float8pl", "float8mi", "float8mul", "float8div"});
  add_pair<true, true>(r, {"float4eq", "float4ne", "float4lt", "float4le", "float4gt", "float4ge", "btfloat4cmp", "float4pl", "float4mi", "float4mul", "float4div"});
  add_pair<true, false>(r, {"float48eq", "float48ne", "float48lt", "float48le", "float48gt", "float48ge", "btfloat48cmp", "float48pl", "float48mi", "float48mul", "float48div"});
  add_pair<false, true>(r, {"float84eq", "float84ne", "float84lt", "float84le", "float84gt", "float84ge", "btfloat84cmp", "float84pl", "float84mi", "float84mul", "float84div"});
  r.add("float8um", [](FnCall& c) { return Datum::from_double(-d(c, 0)); });
  r.add("float8up", [](FnCall& c) { return c.arg(0); });
  r.add("float8abs", [](FnCall& c) { return Datum::from_double(std::fabs(d(c, 0))); });
  r.add("float8larger", [](FnCall& c) { return compare_floats(d(c, 0), d(c, 1)) > 0 ? c.arg(0) : c.arg(1); });
  r.add("float8smaller", [](FnCall& c) { return compare_floats(d(c, 0), d(c, 1)) < 0 ? c.arg(0) : c.arg(1); });
  r.add("float4um", [](FnCall& c) { return Datum::from_float(-c.arg(0).as_float()); });
  r.add("float4up", [](FnCall& c) { return c.arg(0); });
  r.add("float4abs", [](FnCall& c) { return Datum::from_float(std::fabs(c.arg(0).as_float())); });
  r.add("float4larger", [](FnCall& c) { return compare_floats(f(c, 0), f(c, 1)) > 0 ? c.arg(0) : c.arg(1); });
  r.add("float4smaller", [](FnCall& c) { return compare_floats(f(c, 0), f(c, 1)) < 0 ? c.arg(0) : c.arg(1); });

  r.add("i2tod", [](FnCall& c) { return Datum::from_double(static_cast<double>(c.int_arg(0))); });
  r.add("i4tod", [](FnCall& c) { return Datum::from_double(static_cast<double>(c.int_arg(0))); });
  r.add("i8tod", [](FnCall& c) { return Datum::from_double(static_cast<double>(c.int_arg(0))); });
  r.add("i2tof", [](FnCall& c) { return Datum::from_float(static_cast<float>(c.int_arg(0))); });
  r.add("i4tof", [](FnCall& c) { return Datum::from_float(static_cast<float>(c.int_arg(0))); });
  r.add("i8tof", [](FnCall& c) { return Datum::from_float(static_cast<float>(c.int_arg(0))); });
  r.add("dtoi2", [](FnCall& c) { return to_int<2>(d(c, 0)); });
  r.add("dtoi4", [](FnCall& c) { return to_int<4>(d(c, 0)); });
  r.add("dtoi8", [](FnCall& c) { return to_int<8>(d(c, 0)); });
  r.add("ftoi2", [](FnCall& c) { return to_int<2>(f(c, 0)); });
  r.add("ftoi4", [](FnCall& c) { return to_int<4>(f(c, 0)); });
  r.add("ftoi8", [](FnCall& c) { return to_int<8>(f(c, 0)); });
  r.add("ftod", [](FnCall& c) { return Datum::from_double(f(c, 0)); });
  r.add("dtof", [](FnCall& c) {
    double v = d(c, 0);
    return check4(static_cast<float>(v), std::isinf(v), v == 0);
  });

  r.add("dround", [](FnCall& c) { return Datum::from_double(std::rint(d(c, 0))); });
  r.add("dtrunc", [](FnCall& c) { return Datum::from_double(std::trunc(d(c, 0))); });
  r.add("dceil", [](FnCall& c) { return Datum::from_double(std::ceil(d(c, 0))); });
  r.add("dfloor", [](FnCall& c) { return Datum::from_double(std::floor(d(c, 0))); });
  r.add("dsign", [](FnCall& c) {
    double v = d(c, 0);
    return Datum::from_double(v > 0 ? 1 : v < 0 ? -1 : 0);
  });
  r.add("dsqrt", [](FnCall& c) {
    if (d(c, 0) < 0) throw Error(ErrorCode::kInvalidArgumentForPowerFunction, "cannot take square root of a negative number");
    return Datum::from_double(std::sqrt(d(c, 0)));
  });
  r.add("dcbrt", [](FnCall& c) { return Datum::from_double(std::cbrt(d(c, 0))); });
  r.add("dpow", [](FnCall& c) { return Datum::from_double(power(d(c, 0), d(c, 1))); });
  r.add("dexp", [](FnCall& c) {
    double a = d(c, 0);
    if (std::isnan(a)) return c.arg(0);
    return check8(std::exp(a), std::isinf(a), std::isinf(a));
  });
  r.add("dlog1", [](FnCall& c) {
    check_log(d(c, 0));
    return Datum::from_double(std::log(d(c, 0)));
  });
  r.add("dlog10", [](FnCall& c) {
    check_log(d(c, 0));
    return Datum::from_double(std::log10(d(c, 0)));
  });
  r.add("dacos", [](FnCall& c) {
    double v = d(c, 0);
    if (v < -1 || v > 1) input_out_of_range();
    return Datum::from_double(std::acos(v));
  });
  r.add("dasin", [](FnCall& c) {
    double v = d(c, 0);
    if (v < -1 || v > 1) input_out_of_range();
    return Datum::from_double(std::asin(v));
  });
  r.add("datan", apply<std::atan>);
  r.add("datan2", [](FnCall& c) { return Datum::from_double(std::atan2(d(c, 0), d(c, 1))); });
  r.add("dcos", [](FnCall& c) {
    if (std::isinf(d(c, 0))) input_out_of_range();
    return Datum::from_double(std::cos(d(c, 0)));
  });
  r.add("dsin", [](FnCall& c) {
    if (std::isinf(d(c, 0))) input_out_of_range();
    return Datum::from_double(std::sin(d(c, 0)));
  });
  r.add("dtan", [](FnCall& c) {
    if (std::isinf(d(c, 0))) input_out_of_range();
    return Datum::from_double(std::tan(d(c, 0)));
  });
  r.add("dcot", [](FnCall& c) {
    if (std::isinf(d(c, 0))) input_out_of_range();
    return Datum::from_double(1.0 / std::tan(d(c, 0)));
  });
  r.add("dsinh", apply<std::sinh>);
  r.add("dcosh", apply<std::cosh>);
  r.add("dtanh", apply<std::tanh>);
  r.add("dasinh", apply<std::asinh>);
  r.add("dacosh", [](FnCall& c) {
    if (d(c, 0) < 1) input_out_of_range();
    return Datum::from_double(std::acosh(d(c, 0)));
  });
  r.add("datanh", [](FnCall& c) {
    double v = d(c, 0);
    if (v < -1 || v > 1) input_out_of_range();
    return Datum::from_double(std::atanh(v));
  });
  r.add("dsind", apply<sind>);
  r.add("dcosd", apply<cosd>);
  r.add("dtand", apply<tand>);
  r.add("dcotd", apply<cotd>);
  r.add("dasind", [](FnCall& c) {
    double v = d(c, 0);
    if (std::isnan(v)) return c.arg(0);
    if (v < -1 || v > 1) input_out_of_range();
    return Datum::from_double(v >= 0 ? asind_q1(v) : -asind_q1(-v));
  });
  r.add("dacosd", [](FnCall& c) {
    double v = d(c, 0);
    if (std::isnan(v)) return c.arg(0);
    if (v < -1 || v > 1) input_out_of_range();
    return Datum::from_double(v >= 0 ? acosd_q1(v) : 90.0 + asind_q1(-v));
  });
  r.add("datand", [](FnCall& c) { return Datum::from_double(std::atan(d(c, 0)) / std::atan(1.0) * 45.0); });
  r.add("datan2d", [](FnCall& c) { return Datum::from_double(std::atan2(d(c, 0), d(c, 1)) / std::atan(1.0) * 45.0); });
  r.add("degrees", [](FnCall& c) { return check8(d(c, 0) / kRadiansPerDegree, std::isinf(d(c, 0)), d(c, 0) == 0); });
  r.add("radians", [](FnCall& c) { return Datum::from_double(d(c, 0) * kRadiansPerDegree); });
  r.add("dpi", [](FnCall&) { return Datum::from_double(M_PI); });
  r.add("drandom", [](FnCall& c) {
    uint64_t v = c.context->seeded_random ? c.context->seeded_random() : c.context->random();
    return Datum::from_double(static_cast<double>(v >> 12) * 0x1.0p-52);
  });
  r.add("setseed", [](FnCall& c) {
    double seed = d(c, 0);
    if (std::isnan(seed) || seed < -1 || seed > 1)
      throw Error(ErrorCode::kInvalidParameterValue,
                  fmt::format("setseed parameter {} is out of allowed range [-1,1]", seed));
    // xoroshiro128** seeded through splitmix64 gives the sequence that PostgreSQL gives.
    uint64_t mixed = static_cast<uint64_t>(static_cast<int64_t>(static_cast<double>((uint64_t{1} << 52) - 1) * seed));
    auto split = [&mixed] {
      uint64_t z = (mixed += 0x9e3779b97f4a7c15ull);
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
      return z ^ (z >> 31);
    };
    uint64_t s0 = split(), s1 = split();
    c.context->seeded_random = [s0, s1]() mutable {
      uint64_t x = s1 ^ s0, value = std::rotl(s0 * 5, 7) * 9;
      s0 = std::rotl(s0, 24) ^ x ^ (x << 16);
      s1 = std::rotl(x, 37);
      return value;
    };
    return Datum{};
  });

  r.add("width_bucket_float8", [](FnCall& c) {
    double v = d(c, 0), low = d(c, 1), high = d(c, 2);
    int64_t n = c.int_arg(3);
    auto bad = [](const char* m) { throw Error(ErrorCode::kInvalidArgumentForWidthBucketFunction, m); };
    if (n <= 0) bad("count must be greater than zero");
    if (std::isnan(v) || std::isnan(low) || std::isnan(high)) bad("operand, lower bound, and upper bound cannot be NaN");
    if (std::isinf(low) || std::isinf(high)) bad("lower and upper bounds must be finite");
    if (low == high) bad("lower bound cannot equal upper bound");
    int64_t result;
    if (low < high) {
      result = v < low ? 0 : v >= high ? n + 1 : static_cast<int64_t>(static_cast<double>(n) * ((v - low) / (high - low))) + 1;
      if (v >= low && v < high && result > n) result = n;
    } else {
      result = v > low ? 0 : v <= high ? n + 1 : static_cast<int64_t>(static_cast<double>(n) * ((low - v) / (low - high))) + 1;
      if (v <= low && v > high && result > n) result = n;
    }
    if (result > INT32_MAX) int_out_of_range(4);
    return Datum::from_int(result);
  });
  r.add("width_bucket_array", [](FnCall& c) {
    ArrayView a(c.arg(1));
    if (a.ndim() > 1) throw Error(ErrorCode::kArraySubscriptError, "thresholds must be one-dimensional array");
    if (a.has_nulls()) throw Error(ErrorCode::kNullValueNotAllowed, "thresholds array must not contain NULLs");
    const TypeOps& ops = type_ops(a.ops_type());
    int low = 0, high = a.count();
    while (low < high) {
      int mid = (low + high) / 2;
      if (ops.compare(c.arg(0), a.get(mid), c.collation) < 0) high = mid;
      else low = mid + 1;
    }
    return Datum::from_int(low);
  });
  r.add("in_range_float8_float8", [](FnCall& c) {
    return in_range<double>(d(c, 0), d(c, 1), d(c, 2), c.arg(3).as_bool(), c.arg(4).as_bool());
  });
  r.add("in_range_float4_float8", [](FnCall& c) {
    return in_range<double>(f(c, 0), f(c, 1), d(c, 2), c.arg(3).as_bool(), c.arg(4).as_bool());
  });
  r.add("hashfloat8", [](FnCall& c) { return Datum::from_int(static_cast<int32_t>(hash_double_pg(d(c, 0)))); });
  r.add("hashfloat4", [](FnCall& c) { return Datum::from_int(static_cast<int32_t>(hash_double_pg(f(c, 0)))); });
}

}  // namespace stele
