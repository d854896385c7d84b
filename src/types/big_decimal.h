// Arbitrary precision decimals: the slow path of numeric. Magnitudes are integers in base 10^9,
// least significant limb first, without leading zero limbs; zero is empty.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "types/numeric.h"

namespace stele {

using Limbs = std::vector<uint32_t>;
constexpr uint32_t kLimbBase = 1000000000;

namespace big {
int compare(const Limbs& a, const Limbs& b);
Limbs add(const Limbs& a, const Limbs& b);
Limbs sub(const Limbs& a, const Limbs& b);  // a >= b
Limbs mul(const Limbs& a, const Limbs& b);
Limbs mul_small(const Limbs& a, uint32_t b);
Limbs shift10(const Limbs& a, int64_t n);         // a * 10^n, n >= 0
Limbs unshift10(const Limbs& a, int64_t n, bool round_half_up);  // a / 10^n
// Quotient truncated; remainder in *rest when given.
Limbs div(const Limbs& a, const Limbs& b, Limbs* rest = nullptr);
Limbs sqrt(const Limbs& a);  // floor
Limbs from_u64(uint64_t v);
Limbs from_u128(unsigned __int128 v);
int64_t digit_count(const Limbs& a);  // decimal digits; 0 for zero
bool to_u128(const Limbs& a, unsigned __int128& out);  // false past 10^38
std::string digits(const Limbs& a);  // "" for zero
Limbs from_digits(std::string_view digits);
}  // namespace big

struct Decimal {
  enum class Kind : uint8_t { kFinite, kNaN, kInfinity };
  Kind kind = Kind::kFinite;
  bool negative = false;
  int scale = 0;  // value = mag / 10^scale; also the display scale
  Limbs mag;

  bool is_zero() const { return kind == Kind::kFinite && mag.empty(); }
  bool finite() const { return kind == Kind::kFinite; }
  static Decimal nan() { Decimal d; d.kind = Kind::kNaN; return d; }
  static Decimal infinity(bool negative) { Decimal d; d.kind = Kind::kInfinity; d.negative = negative; return d; }
  static Decimal from_int(int64_t v);
};

Decimal decimal_of(Datum v);
// Throws "value overflows numeric format".
Datum make_numeric(const Decimal& d, Arena& arena);

Decimal parse_decimal(std::string_view text);
std::string decimal_text(const Decimal& d);
double decimal_to_double(const Decimal& d);
// Rounded half away from zero, or truncated, to `scale` digits (may be negative: then scale 0).
Decimal decimal_round(const Decimal& d, int scale, bool truncate = false);
Decimal decimal_add(const Decimal& a, const Decimal& b, bool subtract = false);
Decimal decimal_mul(const Decimal& a, const Decimal& b);
// Finite, b not zero; rounded or truncated to `scale`.
Decimal decimal_div(const Decimal& a, const Decimal& b, int scale, bool truncate = false);
int decimal_compare(const Decimal& a, const Decimal& b);

// PostgreSQL's base-10000 view, which its scale rules are written in.
int decimal_weight(const Decimal& d);       // of the first digit; 0 for zero
int decimal_first_digit(const Decimal& d);  // 0 for zero
int division_scale(const Decimal& a, const Decimal& b);

// Arguments finite; the scale of the result is PostgreSQL's.
Decimal decimal_sqrt(const Decimal& a);
Decimal decimal_exp(const Decimal& a);
Decimal decimal_ln(const Decimal& a);
Decimal decimal_log(const Decimal& base, const Decimal& a);
Decimal decimal_power(const Decimal& base, const Decimal& exponent);
// Root rounded to `scale`.
Decimal decimal_sqrt_to(const Decimal& a, int scale);

constexpr int kMaxDisplayScale = 1000, kMinSignificantDigits = 16, kMaxResultScale = 2000,
              kMaxScale = 16383, kMaxIntegerDigits = 131072;

}  // namespace stele
