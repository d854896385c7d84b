// numeric: exact decimals with a display scale, NaN and the infinities.
//
// Payload: NumericHead, then
//   kSmall: int64 mantissa      value = mantissa / 10^scale; the usual case
//   kWide:  128-bit mantissa    |mantissa| < 10^38
//   kBig:   head.limbs words of base 10^9, least significant first; head.negative is the sign
//   kNaN, kPositiveInfinity, kNegativeInfinity: nothing
// A value is always in the first form that holds it, so equal values of equal scale are equal bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "types/datum.h"

namespace stele {

using Int128 = __int128;

enum class NumericForm : uint8_t { kSmall, kWide, kBig, kNaN, kPositiveInfinity, kNegativeInfinity };

struct NumericHead {
  uint16_t scale;
  NumericForm form;
  uint8_t negative;
  uint32_t limbs;
};

inline const NumericHead& numeric_head(Datum d) { return *reinterpret_cast<const NumericHead*>(d.as_varlena()->data); }
inline int64_t numeric_small(Datum d) {
  int64_t m;
  std::memcpy(&m, d.as_varlena()->data + sizeof(NumericHead), 8);
  return m;
}
inline Datum make_numeric(int64_t mantissa, int scale, Arena& arena) {
  Varlena* v = make_varlena(arena, sizeof(NumericHead) + 8);
  NumericHead head{static_cast<uint16_t>(scale), NumericForm::kSmall, 0, 0};
  std::memcpy(v->data, &head, sizeof head);
  std::memcpy(v->data + sizeof head, &mantissa, 8);
  return Datum::from_varlena(v);
}
Datum make_numeric_wide(Int128 mantissa, int scale, Arena& arena);
Datum make_numeric_special(NumericForm form, Arena& arena);

// Text forms; parse throws invalid_text_representation. typmod -1 is unconstrained.
Datum numeric_parse(std::string_view text, int32_t typmod, Arena& arena);
void numeric_append(Datum v, std::string& out);
std::string numeric_text(Datum v);
// Rounds to the precision and scale of the typmod; throws numeric field overflow.
Datum numeric_apply_typmod(Datum v, int32_t typmod, Arena& arena);

Datum numeric_from_int(int64_t v, Arena& arena);
Datum numeric_from_double(double v, Arena& arena);   // 15 significant digits, as PostgreSQL
Datum numeric_from_float(float v, Arena& arena);     // 6
double numeric_to_double(Datum v);
// Rounds; throws "<type> out of range" or cannot convert NaN to <type>.
int64_t numeric_to_int(Datum v, int width);

bool numeric_is_nan(Datum v);
bool numeric_is_finite(Datum v);
int numeric_sign(Datum v);  // NaN is 1

int numeric_compare(Datum a, Datum b);
uint64_t numeric_hash(Datum v);
void numeric_encode_key(Datum v, std::string& out);
void numeric_skip_key(std::string_view& in);

Datum numeric_add(Datum a, Datum b, Arena& arena);
Datum numeric_sub(Datum a, Datum b, Arena& arena);
Datum numeric_mul(Datum a, Datum b, Arena& arena);
Datum numeric_div(Datum a, Datum b, Arena& arena);
Datum numeric_mod(Datum a, Datum b, Arena& arena);
Datum numeric_negate(Datum a, Arena& arena);
Datum numeric_round(Datum a, int scale, Arena& arena);
Datum numeric_trunc(Datum a, int scale, Arena& arena);

// Sum of numerics (and optionally of their squares), for aggregates. Adding small values of a
// steady scale is one 128-bit addition.
class NumericSum {
 public:
  explicit NumericSum(bool squares = false) : squares_(squares) {}
  void add(Datum v) {
    const NumericHead& h = numeric_head(v);
    if (h.form == NumericForm::kSmall && h.scale == scale_ && !squares_) [[likely]] {
      ++count_;
      sum_ += numeric_small(v);
      if (++pending_ < (1u << 30)) return;
      spill();
      return;
    }
    add_slow(v, 1);
  }
  void add_int(int64_t v);
  // False when v's removal cannot be done exactly (its scale was the largest).
  bool remove(Datum v);
  void merge(const NumericSum& other);
  int64_t count() const { return count_; }
  Datum sum(Arena& arena) const;      // NULL is the caller's when count() == 0
  Datum average(Arena& arena) const;  // count() > 0
  // Variance or its root; nullopt in `ok` when there are too few values.
  Datum variance(bool sample, bool root, Arena& arena, bool& ok) const;

 private:
  void add_slow(Datum v, int sign);
  void spill();
  bool special(Arena& arena, Datum& out) const;
  bool squares_;
  int scale_ = 0;
  uint32_t pending_ = 0;  // additions since sum_ was last known to be far from overflow
  int64_t count_ = 0, nan_ = 0, positive_infinity_ = 0, negative_infinity_ = 0;
  int64_t at_scale_ = 0;  // values that set the largest scale
  Int128 sum_ = 0;
  // What overflowed, and sums of squares: exact big integers (see numeric.cc) as text of decimals.
  std::vector<uint32_t> big_;
  bool big_negative_ = false;
  std::vector<uint32_t> square_;
};

}  // namespace stele
