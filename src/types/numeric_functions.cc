// Operators, functions and casts of numeric.
#include "base/codec.h"
#include "base/error.h"
#include "types/array.h"
#include "types/big_decimal.h"
#include "types/function.h"
#include "types/hash.h"
#include "types/numeric.h"
#include "types/oids.h"
#include "types/scalar_io.h"
#include "types/type_registry.h"

namespace stele {
namespace {

Datum numeric_in(std::string_view s, int32_t typmod, Arena& arena, EvalContext&) { return numeric_parse(s, typmod, arena); }
void numeric_out(Datum v, std::string& out, EvalContext&) { numeric_append(v, out); }

// The wire form: digits in base 10000, a weight, a sign, a display scale.
void numeric_send(Datum v, std::string& out, EvalContext&) {
  Decimal d = decimal_of(v);
  if (!d.finite()) {
    put_be16(out, 0);
    put_be16(out, 0);
    put_be16(out, d.kind == Decimal::Kind::kNaN ? 0xC000 : d.negative ? 0xF000 : 0xD000);
    put_be16(out, static_cast<uint16_t>(d.kind == Decimal::Kind::kNaN ? 0 : 0x20));
    return;
  }
  std::string digits = big::digits(d.mag);
  // Align the point to a group of four.
  size_t fraction = static_cast<size_t>(d.scale);
  if (digits.size() < fraction) digits.insert(0, fraction - digits.size(), '0');
  size_t whole = digits.size() - fraction;
  digits.append((4 - fraction % 4) % 4, '0');
  digits.insert(0, (4 - whole % 4) % 4, '0');
  std::vector<uint16_t> groups;
  for (size_t i = 0; i < digits.size(); i += 4)
    groups.push_back(static_cast<uint16_t>((digits[i] - '0') * 1000 + (digits[i + 1] - '0') * 100 + (digits[i + 2] - '0') * 10 + (digits[i + 3] - '0')));
  int weight = static_cast<int>((whole + 3) / 4) - 1;
  size_t first = 0;
  while (first < groups.size() && groups[first] == 0) {
    ++first;
    --weight;
  }
  while (groups.size() > first && groups.back() == 0) groups.pop_back();
  if (first == groups.size()) weight = 0;
  put_be16(out, static_cast<uint16_t>(groups.size() - first));
  put_be16(out, static_cast<uint16_t>(weight));
  put_be16(out, d.negative ? 0x4000 : 0);
  put_be16(out, static_cast<uint16_t>(d.scale));
  for (size_t i = first; i < groups.size(); ++i) put_be16(out, groups[i]);
}

Datum numeric_recv(std::string_view s, int32_t typmod, Arena& arena, EvalContext&) {
  auto bad = [](const char* what) {
    throw Error(ErrorCode::kInvalidBinaryRepresentation, fmt::format("invalid {} in external \"numeric\" value", what));
  };
  if (s.size() < 8) throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
  auto word = [&](size_t i) { return __builtin_bswap16(load_le<uint16_t>(s.data() + 2 * i)); };
  size_t n = word(0);
  int weight = static_cast<int16_t>(word(1));
  uint16_t sign = word(2), scale = word(3);
  if (s.size() < 8 + 2 * n) throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
  if (sign == 0xC000) return make_numeric_special(NumericForm::kNaN, arena);
  if (sign == 0xD000) return make_numeric_special(NumericForm::kPositiveInfinity, arena);
  if (sign == 0xF000) return make_numeric_special(NumericForm::kNegativeInfinity, arena);
  if (sign != 0 && sign != 0x4000) bad("sign");
  if (scale > kMaxScale) bad("scale");
  std::string digits;
  for (size_t i = 0; i < n; ++i) {
    uint16_t g = word(4 + i);
    if (g >= 10000) bad("digit");
    digits += fmt::format("{:04}", g);
  }
  Decimal d;
  d.mag = big::from_digits(digits);
  // The digits end 4 * (n - 1 - weight) places after the point.
  int64_t places = 4 * (static_cast<int64_t>(n) - 1 - weight);
  if (n == 0) places = 0;
  d.negative = sign == 0x4000;
  // Digits beyond the display scale are dropped, as PostgreSQL does.
  d.mag = big::unshift10(d.mag, places - scale, false);
  d.scale = scale;
  if (d.mag.empty()) d.negative = false;
  return numeric_apply_typmod(make_numeric(d, arena), typmod, arena);
}

int compare_op(Datum a, Datum b, Oid) { return numeric_compare(a, b); }
bool equal_op(Datum a, Datum b, Oid) { return numeric_compare(a, b) == 0; }
uint64_t hash_op(Datum v, Oid) { return numeric_hash(v); }
void encode_op(Datum v, Oid, std::string& out) { numeric_encode_key(v, out); }

bool special(FnCall& c, int i) { return !numeric_is_finite(c.arg(i)); }
Datum nan(FnCall& c) { return make_numeric_special(NumericForm::kNaN, *c.arena); }
Datum infinity(FnCall& c, bool negative) {
  return make_numeric_special(negative ? NumericForm::kNegativeInfinity : NumericForm::kPositiveInfinity, *c.arena);
}

Datum ceil_or_floor(FnCall& c, bool up) {
  if (special(c, 0)) return c.arg(0);
  Datum t = numeric_trunc(c.arg(0), 0, *c.arena);
  int cmp = numeric_compare(t, c.arg(0));
  if (up && cmp < 0) return numeric_add(t, make_numeric(int64_t{1}, 0, *c.arena), *c.arena);
  if (!up && cmp > 0) return numeric_sub(t, make_numeric(int64_t{1}, 0, *c.arena), *c.arena);
  return t;
}

Datum div_trunc(FnCall& c) {
  Decimal a = decimal_of(c.arg(0)), b = decimal_of(c.arg(1));
  if (!a.finite() || !b.finite()) {
    if (a.kind == Decimal::Kind::kNaN || b.kind == Decimal::Kind::kNaN || (!a.finite() && !b.finite())) return nan(c);
    if (!a.finite()) {
      if (b.is_zero()) division_by_zero();
      return infinity(c, a.negative != b.negative);
    }
    return make_numeric(int64_t{0}, 0, *c.arena);
  }
  if (b.is_zero()) division_by_zero();
  return make_numeric(decimal_div(a, b, 0, true), *c.arena);
}

Datum square_root(FnCall& c) {
  Decimal a = decimal_of(c.arg(0));
  if (a.kind == Decimal::Kind::kNaN) return c.arg(0);
  if (a.negative) throw Error(ErrorCode::kInvalidArgumentForPowerFunction, "cannot take square root of a negative number");
  if (!a.finite()) return c.arg(0);
  return make_numeric(decimal_sqrt(a), *c.arena);
}
Datum exponential(FnCall& c) {
  Decimal a = decimal_of(c.arg(0));
  if (a.kind == Decimal::Kind::kNaN) return c.arg(0);
  if (!a.finite()) return a.negative ? make_numeric(int64_t{0}, 0, *c.arena) : c.arg(0);
  return make_numeric(decimal_exp(a), *c.arena);
}
void check_log(const Decimal& a) {
  if (a.is_zero()) throw Error(ErrorCode::kInvalidArgumentForLogarithm, "cannot take logarithm of zero");
  if (a.negative) throw Error(ErrorCode::kInvalidArgumentForLogarithm, "cannot take logarithm of a negative number");
}
Datum natural_log(FnCall& c) {
  Decimal a = decimal_of(c.arg(0));
  if (a.kind == Decimal::Kind::kNaN) return c.arg(0);
  check_log(a);
  if (!a.finite()) return c.arg(0);
  return make_numeric(decimal_ln(a), *c.arena);
}
Datum log_of(FnCall& c, const Decimal& base, const Decimal& a) {
  if (base.kind == Decimal::Kind::kNaN || a.kind == Decimal::Kind::kNaN) return nan(c);
  if ((!base.finite() || !a.finite()) && (base.negative || a.negative))
    throw Error(ErrorCode::kInvalidArgumentForLogarithm, "cannot take logarithm of a negative number");
  check_log(base);
  check_log(a);
  if (!base.finite() || !a.finite()) {
    if (!base.finite() && !a.finite()) return nan(c);
    if (!base.finite()) return make_numeric(int64_t{0}, 0, *c.arena);
    return infinity(c, false);
  }
  return make_numeric(decimal_log(base, a), *c.arena);
}
Datum power(FnCall& c) {
  Decimal a = decimal_of(c.arg(0)), b = decimal_of(c.arg(1));
  auto one = [&] { return make_numeric(int64_t{1}, 0, *c.arena); };
  auto zero = [&] { return make_numeric(int64_t{0}, 0, *c.arena); };
  Decimal unit = Decimal::from_int(1);
  auto integral = [](const Decimal& d) { return decimal_compare(decimal_round(d, 0, true), d) == 0; };
  auto odd = [&](const Decimal& d) {
    Decimal w = decimal_round(d, 0, true);
    return integral(d) && !w.mag.empty() && (w.mag[0] & 1);
  };
  if (!a.finite() || !b.finite()) {
    if (a.kind == Decimal::Kind::kNaN) return b.is_zero() ? one() : nan(c);
    if (b.kind == Decimal::Kind::kNaN) return decimal_compare(a, unit) == 0 ? one() : nan(c);
    if (decimal_compare(a, unit) == 0 || b.is_zero()) return one();
    if (a.is_zero() && b.negative)
      throw Error(ErrorCode::kInvalidArgumentForPowerFunction, "zero raised to a negative power is undefined");
    if (a.negative && b.finite() && !integral(b))
      throw Error(ErrorCode::kInvalidArgumentForPowerFunction,
                  "a negative number raised to a non-integer power yields a complex result");
    if (a.is_zero()) return zero();
    if (!b.finite()) {
      Decimal magnitude = a;
      magnitude.negative = false;
      int cmp = decimal_compare(magnitude, unit);
      if (cmp == 0) return one();
      return (cmp > 0) != b.negative ? infinity(c, false) : zero();
    }
    if (b.negative) return zero();
    return infinity(c, a.negative && odd(b));
  }
  if (a.is_zero() && b.negative)
    throw Error(ErrorCode::kInvalidArgumentForPowerFunction, "zero raised to a negative power is undefined");
  if (a.negative && !integral(b))
    throw Error(ErrorCode::kInvalidArgumentForPowerFunction,
                "a negative number raised to a non-integer power yields a complex result");
  return make_numeric(decimal_power(a, b), *c.arena);
}

Datum factorial(FnCall& c) {
  int64_t n = c.int_arg(0);
  if (n < 0) throw Error(ErrorCode::kNumericValueOutOfRange, "factorial of a negative number is undefined");
  if (n > 32177) throw Error(ErrorCode::kNumericValueOutOfRange, "value overflows numeric format");
  Decimal d = Decimal::from_int(1);
  for (int64_t i = 2; i <= n; ++i) {
    d.mag = big::mul_small(d.mag, static_cast<uint32_t>(i));
    if ((i & 1023) == 0 && c.context->check_interrupts) c.context->check_interrupts();
  }
  return make_numeric(d, *c.arena);
}

Limbs gcd_limbs(Limbs a, Limbs b) {
  while (!b.empty()) {
    Limbs r;
    big::div(a, b, &r);
    a = std::move(b);
    b = std::move(r);
  }
  return a;
}
Datum gcd(FnCall& c) {
  if (special(c, 0) || special(c, 1)) return nan(c);
  Decimal a = decimal_of(c.arg(0)), b = decimal_of(c.arg(1)), out;
  out.scale = std::max(a.scale, b.scale);
  out.mag = gcd_limbs(big::shift10(a.mag, out.scale - a.scale), big::shift10(b.mag, out.scale - b.scale));
  return make_numeric(out, *c.arena);
}
Datum lcm(FnCall& c) {
  if (special(c, 0) || special(c, 1)) return nan(c);
  Decimal a = decimal_of(c.arg(0)), b = decimal_of(c.arg(1)), out;
  out.scale = std::max(a.scale, b.scale);
  if (!a.is_zero() && !b.is_zero()) {
    Limbs x = big::shift10(a.mag, out.scale - a.scale), y = big::shift10(b.mag, out.scale - b.scale);
    out.mag = big::mul(big::div(x, gcd_limbs(x, y)), y);
  }
  return make_numeric(out, *c.arena);
}

Datum width_bucket(FnCall& c) {
  Datum v = c.arg(0), low = c.arg(1), high = c.arg(2);
  int64_t n = c.int_arg(3);
  auto bad = [](const char* m) { throw Error(ErrorCode::kInvalidArgumentForWidthBucketFunction, m); };
  if (n <= 0) bad("count must be greater than zero");
  if (numeric_is_nan(v) || numeric_is_nan(low) || numeric_is_nan(high)) bad("operand, lower bound, and upper bound cannot be NaN");
  if (special(c, 1) || special(c, 2)) bad("lower and upper bounds must be finite");
  int order = numeric_compare(low, high);
  if (order == 0) bad("lower bound cannot equal upper bound");
  auto out = [&](int64_t r) {
    if (r > INT32_MAX) int_out_of_range(4);
    return Datum::from_int(r);
  };
  if (order < 0 ? numeric_compare(v, low) < 0 : numeric_compare(v, low) > 0) return Datum::from_int(0);
  if (order < 0 ? numeric_compare(v, high) >= 0 : numeric_compare(v, high) <= 0) return out(n + 1);
  Decimal span = decimal_add(decimal_of(high), decimal_of(low), true), from = decimal_add(decimal_of(v), decimal_of(low), true);
  Decimal scaled = decimal_mul(from, Decimal::from_int(n));
  Datum q = make_numeric(decimal_div(scaled, span, 0, true), *c.arena);
  return out(numeric_to_int(q, 8) + 1);
}

Datum typmod_in(FnCall& c) {
  ArrayView a(c.arg(0));
  std::vector<int64_t> v;
  for (int i = 0; i < a.count(); ++i) v.push_back(parse_int4(a.get(i).as_view()));
  auto bad = [](std::string m) { throw Error(ErrorCode::kInvalidParameterValue, std::move(m)); };
  if (v.empty() || v.size() > 2) bad("invalid NUMERIC type modifier");
  if (v[0] < 1 || v[0] > 1000) bad(fmt::format("NUMERIC precision {} must be between 1 and 1000", v[0]));
  int64_t scale = v.size() == 2 ? v[1] : 0;
  if (scale < -1000 || scale > 1000) bad(fmt::format("NUMERIC scale {} must be between -1000 and 1000", scale));
  return Datum::from_int((v[0] << 16 | (scale & 0x7ff)) + 4);
}

class NumericSeries : public SetRows {
 public:
  explicit NumericSeries(FnCall& c) {
    auto check = [&](int i, const char* what) {
      if (!numeric_is_finite(c.arg(i)))
        throw Error(ErrorCode::kInvalidParameterValue,
                    fmt::format("{} cannot be {}", what, numeric_is_nan(c.arg(i)) ? "NaN" : "infinity"));
      return decimal_of(c.arg(i));
    };
    next_ = check(0, "start value");
    stop_ = check(1, "stop value");
    step_ = c.nargs > 2 ? check(2, "step size") : Decimal::from_int(1);
    if (step_.is_zero()) throw Error(ErrorCode::kInvalidParameterValue, "step size cannot equal zero");
  }
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    int cmp = decimal_compare(next_, stop_);
    if (step_.negative ? cmp < 0 : cmp > 0) return false;
    out[0] = make_numeric(next_, *c.arena);
    nulls[0] = false;
    next_ = decimal_add(next_, step_);
    return true;
  }

 private:
  Decimal next_, stop_, step_;
};
std::unique_ptr<SetRows> series(FnCall& c) { return std::make_unique<NumericSeries>(c); }

Datum in_range(FnCall& c) {
  Datum value = c.arg(0), base = c.arg(1), offset = c.arg(2);
  bool subtract = c.arg(3).as_bool(), less = c.arg(4).as_bool();
  if (numeric_is_nan(offset) || numeric_sign(offset) < 0)
    throw Error(ErrorCode::kInvalidPrecedingOrFollowingSize, "invalid preceding or following size in window function");
  if (numeric_is_nan(value)) return Datum::from_bool(numeric_is_nan(base) || !less);
  if (numeric_is_nan(base)) return Datum::from_bool(less);
  Datum sum = subtract ? numeric_sub(base, offset, *c.arena) : numeric_add(base, offset, *c.arena);
  if (numeric_is_nan(sum)) return Datum::from_bool(true);
  int cmp = numeric_compare(value, sum);
  return Datum::from_bool(less ? cmp <= 0 : cmp >= 0);
}

}  // namespace

void register_numeric_types(TypeTable& t) {
  t.ops(oid::kNumeric, {compare_op, equal_op, hash_op, encode_op, nullptr, numeric_skip_key});
  t.io(oid::kNumeric, {numeric_in, numeric_out, numeric_recv, numeric_send});
}

void register_numeric_functions(FunctionRegistry& r) {
  r.add("numeric_in", &input_function<numeric_in>);
  r.add("numeric_out", &output_function<numeric_out>);
  r.add("numeric_recv", &input_function<numeric_recv>);
  r.add("numeric_send", &output_function<numeric_send>);
  r.add("numerictypmodin", typmod_in);
  r.add("numerictypmodout", [](FnCall& c) {
    int64_t m = c.int_arg(0);
    if (m < 4) return c.text("");
    return c.text(fmt::format("({},{})", (m - 4) >> 16 & 0xffff, (((m - 4) & 0x7ff) ^ 1024) - 1024));
  });
  r.add("numeric", [](FnCall& c) { return numeric_apply_typmod(c.arg(0), static_cast<int32_t>(c.int_arg(1)), *c.arena); });
  r.add("numeric_add", [](FnCall& c) { return numeric_add(c.arg(0), c.arg(1), *c.arena); });
  r.add("numeric_sub", [](FnCall& c) { return numeric_sub(c.arg(0), c.arg(1), *c.arena); });
  r.add("numeric_mul", [](FnCall& c) { return numeric_mul(c.arg(0), c.arg(1), *c.arena); });
  r.add("numeric_div", [](FnCall& c) { return numeric_div(c.arg(0), c.arg(1), *c.arena); });
  r.add("numeric_mod", [](FnCall& c) { return numeric_mod(c.arg(0), c.arg(1), *c.arena); });
  r.add("numeric_div_trunc", div_trunc);
  r.add("numeric_uminus", [](FnCall& c) { return numeric_negate(c.arg(0), *c.arena); });
  r.add("numeric_uplus", [](FnCall& c) { return c.arg(0); });
  r.add("numeric_inc", [](FnCall& c) { return numeric_add(c.arg(0), make_numeric(int64_t{1}, 0, *c.arena), *c.arena); });
  r.add("numeric_abs", [](FnCall& c) { return numeric_sign(c.arg(0)) < 0 ? numeric_negate(c.arg(0), *c.arena) : c.arg(0); });
  r.add("numeric_sign", [](FnCall& c) {
    return numeric_is_nan(c.arg(0)) ? c.arg(0) : make_numeric(int64_t{numeric_sign(c.arg(0))}, 0, *c.arena);
  });
  r.add("numeric_eq", [](FnCall& c) { return Datum::from_bool(numeric_compare(c.arg(0), c.arg(1)) == 0); });
  r.add("numeric_ne", [](FnCall& c) { return Datum::from_bool(numeric_compare(c.arg(0), c.arg(1)) != 0); });
  r.add("numeric_lt", [](FnCall& c) { return Datum::from_bool(numeric_compare(c.arg(0), c.arg(1)) < 0); });
  r.add("numeric_le", [](FnCall& c) { return Datum::from_bool(numeric_compare(c.arg(0), c.arg(1)) <= 0); });
  r.add("numeric_gt", [](FnCall& c) { return Datum::from_bool(numeric_compare(c.arg(0), c.arg(1)) > 0); });
  r.add("numeric_ge", [](FnCall& c) { return Datum::from_bool(numeric_compare(c.arg(0), c.arg(1)) >= 0); });
  r.add("numeric_cmp", [](FnCall& c) { return Datum::from_int(numeric_compare(c.arg(0), c.arg(1))); });
  r.add("numeric_larger", [](FnCall& c) { return numeric_compare(c.arg(0), c.arg(1)) > 0 ? c.arg(0) : c.arg(1); });
  r.add("numeric_smaller", [](FnCall& c) { return numeric_compare(c.arg(0), c.arg(1)) < 0 ? c.arg(0) : c.arg(1); });
  r.add("numeric_round", [](FnCall& c) {
    if (special(c, 0)) return c.arg(0);
    return numeric_round(c.arg(0), static_cast<int>(c.int_arg(1)), *c.arena);
  });
  r.add("numeric_trunc", [](FnCall& c) {
    if (special(c, 0)) return c.arg(0);
    return numeric_trunc(c.arg(0), static_cast<int>(c.int_arg(1)), *c.arena);
  });
  r.add("sql:round/numeric", [](FnCall& c) { return special(c, 0) ? c.arg(0) : numeric_round(c.arg(0), 0, *c.arena); });
  r.add("sql:trunc/numeric", [](FnCall& c) { return special(c, 0) ? c.arg(0) : numeric_trunc(c.arg(0), 0, *c.arena); });
  r.add("numeric_ceil", [](FnCall& c) { return ceil_or_floor(c, true); });
  r.add("numeric_floor", [](FnCall& c) { return ceil_or_floor(c, false); });
  r.add("numeric_sqrt", square_root);
  r.add("numeric_exp", exponential);
  r.add("numeric_ln", natural_log);
  r.add("numeric_log", [](FnCall& c) { return log_of(c, decimal_of(c.arg(0)), decimal_of(c.arg(1))); });
  for (const char* n : {"sql:log/numeric", "sql:log10/numeric"})
    r.add(n, [](FnCall& c) { return log_of(c, Decimal::from_int(10), decimal_of(c.arg(0))); });
  r.add("numeric_power", power);
  r.add("numeric_fac", factorial);
  r.add("numeric_gcd", gcd);
  r.add("numeric_lcm", lcm);
  r.add("width_bucket_numeric", width_bucket);
  r.add("numeric_scale", [](FnCall& c) { return special(c, 0) ? c.null() : Datum::from_int(numeric_head(c.arg(0)).scale); });
  r.add("numeric_min_scale", [](FnCall& c) {
    if (special(c, 0)) return c.null();
    Decimal d = decimal_of(c.arg(0));
    std::string digits = big::digits(d.mag);
    int zeros = static_cast<int>(digits.size()) - static_cast<int>(digits.find_last_not_of('0') + 1);
    return Datum::from_int(digits.empty() ? 0 : std::max(0, d.scale - zeros));
  });
  r.add("numeric_trim_scale", [](FnCall& c) {
    if (special(c, 0)) return c.arg(0);
    Decimal d = decimal_of(c.arg(0));
    std::string digits = big::digits(d.mag);
    int zeros = static_cast<int>(digits.size()) - static_cast<int>(digits.find_last_not_of('0') + 1);
    return numeric_trunc(c.arg(0), digits.empty() ? 0 : std::max(0, d.scale - zeros), *c.arena);
  });
  r.add("in_range_numeric_numeric", in_range);

  for (const char* n : {"int2_numeric", "int4_numeric", "int8_numeric"})
    r.add(n, [](FnCall& c) { return make_numeric(c.int_arg(0), 0, *c.arena); });
  r.add("numeric_int2", [](FnCall& c) { return Datum::from_int(numeric_to_int(c.arg(0), 2)); });
  r.add("numeric_int4", [](FnCall& c) { return Datum::from_int(numeric_to_int(c.arg(0), 4)); });
  r.add("numeric_int8", [](FnCall& c) { return Datum::from_int(numeric_to_int(c.arg(0), 8)); });
  r.add("float8_numeric", [](FnCall& c) { return numeric_from_double(c.arg(0).as_double(), *c.arena); });
  r.add("float4_numeric", [](FnCall& c) { return numeric_from_float(c.arg(0).as_float(), *c.arena); });
  r.add("numeric_float8", [](FnCall& c) {
    double v = numeric_to_double(c.arg(0));
    if ((std::isinf(v) && !special(c, 0)) || (v == 0 && numeric_sign(c.arg(0)) != 0))
      throw Error(ErrorCode::kNumericValueOutOfRange,
                  fmt::format("\"{}\" is out of range for type double precision", numeric_text(c.arg(0))));
    return Datum::from_double(v);
  });
  r.add("numeric_float4", [](FnCall& c) {
    if (special(c, 0)) return Datum::from_float(static_cast<float>(numeric_to_double(c.arg(0))));
    return Datum::from_float(parse_float4(numeric_text(c.arg(0))));
  });
  r.add_set("generate_series_numeric", series);
  r.add_set("generate_series_step_numeric", series);
}

}  // namespace stele
