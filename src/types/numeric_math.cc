// Roots, exponentials and logarithms of decimals. Fixed point over big integers: a value v at
// working scale w is the integer v * 10^w. Result scales follow PostgreSQL's rules.
#include "base/error.h"
#include "types/big_decimal.h"

namespace stele {
namespace {

struct Fixed {
  Limbs mag;
  bool negative = false;
};

Limbs one(int w) { return big::shift10({1}, w); }
Limbs fixed_mul(const Limbs& a, const Limbs& b, int w) { return big::unshift10(big::mul(a, b), w, true); }

Fixed to_fixed(const Decimal& d, int w) { return {big::unshift10(d.mag, int64_t{d.scale} - w, true), d.negative}; }
Decimal from_fixed(const Limbs& mag, bool negative, int w, int scale) {
  Decimal d;
  d.mag = mag;
  d.scale = w;
  d.negative = negative && !mag.empty();
  return decimal_round(d, scale);
}

// e^x at scale w for a value at scale w. Absolute error grows with the result, which the caller's
// choice of w covers.
Limbs fixed_exp(const Fixed& x, int w) {
  // Halve until the series converges fast; then square as often.
  int halvings = 0;
  Limbs r = x.mag;
  Limbs limit = big::shift10({1}, w - 2);
  while (big::compare(r, limit) > 0) {
    r = big::div(r, {1024});
    halvings += 10;
  }
  Limbs sum = one(w), term = one(w);
  for (uint32_t n = 1;; ++n) {
    term = big::div(fixed_mul(term, r, w), {n});
    if (term.empty()) break;
    sum = x.negative && (n & 1) ? big::sub(sum, term) : big::add(sum, term);
  }
  for (int i = 0; i < halvings; ++i) sum = fixed_mul(sum, sum, w);
  return sum;
}

double log10_of(const Decimal& d) {
  std::string digits = big::digits(d.mag);
  size_t n = std::min<size_t>(digits.size(), 17);
  return std::log10(std::stod(digits.substr(0, n))) + static_cast<double>(static_cast<int64_t>(digits.size() - n) - d.scale);
}

// ln(x) at scale w: Halley's iteration on e^y = x, three times the digits each step.
Fixed fixed_ln(const Decimal& x, int w) {
  // Bring x near 1 by a power of e so that relative precision is absolute: work on y = k + ln(x / e^k).
  constexpr double kLn10 = 2.302585092994045684;
  int guard = 12 + static_cast<int>(std::abs(log10_of(x)) > 1 ? std::abs(log10_of(x)) : 1);
  int wide = w + guard;
  double start = log10_of(x) * kLn10;
  Decimal y0 = parse_decimal(fmt::format("{:.17f}", start));
  Fixed y = to_fixed(y0, wide);
  Limbs target = to_fixed(x, wide).mag;
  // Tiny x: compare e^-y with 1/x instead, where digits are many.
  bool inverted = log10_of(x) < 0;
  if (inverted) {
    target = big::div(big::shift10({1}, int64_t{wide} + x.scale), x.mag);
    y.negative = !y.negative;
  }
  for (int digits = 14; ; digits *= 3) {
    Limbs e = fixed_exp(y, wide);
    bool less = big::compare(target, e) < 0;
    Limbs diff = less ? big::sub(e, target) : big::sub(target, e);
    Limbs step = big::div(big::shift10(big::mul_small(diff, 2), wide), big::add(target, e));
    // y += (less ? -step : step)
    if (y.negative == less) {
      y.mag = big::add(y.mag, step);
    } else if (big::compare(y.mag, step) >= 0) {
      y.mag = big::sub(y.mag, step);
    } else {
      y.mag = big::sub(step, y.mag);
      y.negative = !y.negative;
    }
    if (step.empty() || digits > wide) break;
  }
  if (inverted) y.negative = !y.negative;
  return {big::unshift10(y.mag, guard, true), y.negative};
}

[[noreturn]] void overflow() { throw Error(ErrorCode::kNumericValueOutOfRange, "value overflows numeric format"); }

int clamp_scale(int scale, std::initializer_list<int> at_least) {
  for (int s : at_least) scale = std::max(scale, s);
  return std::min(std::max(scale, 0), kMaxDisplayScale);
}

// Approximate decimal weight of ln(x), as PostgreSQL estimates it to choose scales.
int estimate_ln_weight(const Decimal& x) {
  if (x.negative || x.mag.empty()) return 0;
  Decimal low = parse_decimal("0.9"), high = parse_decimal("1.1");
  if (decimal_compare(x, low) >= 0 && decimal_compare(x, high) <= 0) {
    Decimal d = decimal_add(x, Decimal::from_int(1), true);
    if (d.mag.empty()) return 0;
    return decimal_weight(d) * 4 + static_cast<int>(std::log10(decimal_first_digit(d)));
  }
  double ln = log10_of(x) * 2.302585092994046;
  return static_cast<int>(std::log10(std::abs(ln)));
}

Decimal exp_to(const Decimal& a, int scale) {
  double v = decimal_to_double(a);
  if (std::abs(v) >= kMaxResultScale * 3) {
    if (v > 0) overflow();
    Decimal zero;
    zero.scale = scale;
    return zero;
  }
  int digits = std::max(0, static_cast<int>(v * 0.434294481903252) + 1);
  int w = scale + digits + 20;
  return from_fixed(fixed_exp(to_fixed(a, w), w), false, w, scale);
}

Decimal ln_to(const Decimal& a, int scale) {
  int w = scale + 6;
  Fixed y = fixed_ln(a, w);
  return from_fixed(y.mag, y.negative, w, scale);
}

Decimal power_int(const Decimal& base, int64_t exponent, int scale) {
  if (exponent == 0) return decimal_round(Decimal::from_int(1), scale);
  if (exponent == 1) return decimal_round(base, scale);
  if (exponent == -1) return decimal_div(Decimal::from_int(1), base, scale);
  if (exponent == 2) return decimal_round(decimal_mul(base, base), scale);
  if (base.mag.empty()) {
    if (exponent < 0) throw Error(ErrorCode::kDivisionByZero, "division by zero");
    Decimal zero;
    zero.scale = scale;
    return zero;
  }
  double weight = static_cast<double>(exponent) * log10_of(base);
  if (weight > 3.0 * 32767 * 4) overflow();
  if (weight + 1 < -scale) {
    Decimal zero;
    zero.scale = scale;
    return zero;
  }
  // Enough significant digits for the rounded result, kept through the squarings.
  int64_t significant = std::max<int64_t>(1, 1 + scale + static_cast<int64_t>(weight)) + 8 +
                        static_cast<int64_t>(std::log(std::abs(static_cast<double>(exponent))));
  auto cut = [&](Decimal d) {
    int64_t n = big::digit_count(d.mag);
    int64_t keep = d.scale - (n - significant);
    if (n > significant + 4 && keep < d.scale) {
      d.mag = big::unshift10(d.mag, d.scale - keep, true);
      d.scale = static_cast<int>(keep);  // may be negative here: trailing zeros are implied
    }
    return d;
  };
  uint64_t e = exponent < 0 ? 0 - static_cast<uint64_t>(exponent) : static_cast<uint64_t>(exponent);
  Decimal result = Decimal::from_int(1), factor = base;
  auto times = [&](const Decimal& x, const Decimal& y) {
    Decimal d;
    d.mag = big::mul(x.mag, y.mag);
    d.scale = x.scale + y.scale;
    d.negative = x.negative != y.negative;
    return cut(std::move(d));
  };
  for (;;) {
    if (e & 1) result = times(result, factor);
    e >>= 1;
    if (e == 0) break;
    factor = times(factor, factor);
    if (big::digit_count(factor.mag) - factor.scale > 2000000) {
      if (exponent > 0) overflow();
      Decimal zero;
      zero.scale = scale;
      return zero;
    }
  }
  if (result.scale < 0) {
    if (big::digit_count(result.mag) - result.scale > 2 * kMaxIntegerDigits) {
      if (exponent > 0) overflow();
      Decimal zero;
      zero.scale = scale;
      return zero;
    }
    result.mag = big::shift10(result.mag, -int64_t{result.scale});
    result.scale = 0;
  }
  if (exponent < 0) return decimal_div(Decimal::from_int(1), result, scale);
  return decimal_round(result, scale);
}

}  // namespace

Decimal decimal_sqrt_to(const Decimal& a, int scale) {
  Decimal out;
  int64_t shift = 2 * (int64_t{scale} + 1) - a.scale;
  Limbs n = shift >= 0 ? big::shift10(a.mag, shift) : big::unshift10(a.mag, -shift, false);
  out.mag = big::unshift10(big::sqrt(n), 1, true);
  out.scale = scale;
  return out;
}

Decimal decimal_sqrt(const Decimal& a) {
  int weight = decimal_weight(a) * 2 + 1;
  return decimal_sqrt_to(a, clamp_scale(kMinSignificantDigits - weight, {a.scale}));
}

Decimal decimal_exp(const Decimal& a) {
  double v = decimal_to_double(a) * 0.434294481903252;
  v = std::clamp(v, -double{kMaxResultScale}, double{kMaxResultScale});
  return exp_to(a, clamp_scale(kMinSignificantDigits - static_cast<int>(v), {a.scale}));
}

Decimal decimal_ln(const Decimal& a) {
  return ln_to(a, clamp_scale(kMinSignificantDigits - estimate_ln_weight(a), {a.scale}));
}

Decimal decimal_log(const Decimal& base, const Decimal& a) {
  int base_weight = estimate_ln_weight(base), a_weight = estimate_ln_weight(a);
  int scale = clamp_scale(kMinSignificantDigits - (a_weight - base_weight), {base.scale, a.scale});
  int working = scale + std::abs(base_weight) + std::abs(a_weight) + 12;
  Decimal ln_base = ln_to(base, working), ln_a = ln_to(a, working);
  if (ln_base.mag.empty()) throw Error(ErrorCode::kDivisionByZero, "division by zero");
  return decimal_div(ln_a, ln_base, scale);
}

Decimal decimal_power(const Decimal& base, const Decimal& exponent) {
  Decimal whole = decimal_round(exponent, 0, true);
  bool integral = decimal_compare(whole, exponent) == 0;
  if (integral) {
    unsigned __int128 m;
    if (big::to_u128(whole.mag, m) && m <= (unsigned __int128){2147483648u} - (whole.negative ? 0 : 1)) {
      int64_t e = static_cast<int64_t>(m);
      return power_int(base, whole.negative ? -e : e, clamp_scale(kMinSignificantDigits, {base.scale}));
    }
  }
  if (base.mag.empty()) {
    Decimal zero;
    zero.scale = kMinSignificantDigits;
    return zero;
  }
  bool negative = false;
  Decimal positive = base;
  if (base.negative) {
    // An integral exponent too big for the fast way: odd keeps the sign.
    negative = !whole.mag.empty() && (whole.mag[0] & 1);
    positive.negative = false;
  }
  int ln_weight = estimate_ln_weight(positive);
  // A rough product, of eight digits, decides the scale.
  int ln_scale = std::max(8 - ln_weight, 0);
  Decimal ln = ln_to(positive, ln_scale);
  Decimal product = decimal_round(decimal_mul(ln, exponent), ln_scale);
  double v = decimal_to_double(product);
  if (std::abs(v) > kMaxResultScale * 3.01) {
    if (v > 0) overflow();
    Decimal zero;
    zero.scale = kMaxDisplayScale;
    return zero;
  }
  v *= 0.434294481903252;
  int scale = clamp_scale(kMinSignificantDigits - static_cast<int>(v), {base.scale, exponent.scale});
  int significant = std::max(scale + static_cast<int>(v), 0);
  int working = std::max(significant - ln_weight + 8, 0) + 4 + static_cast<int>(std::max(0.0, log10_of(exponent)));
  Decimal out = exp_to(decimal_mul(ln_to(positive, working), exponent), scale);
  out.negative = negative && !out.mag.empty();
  return out;
}

}  // namespace stele
