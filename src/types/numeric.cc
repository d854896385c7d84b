#include "types/numeric.h"

#include "base/codec.h"
#include "base/error.h"
#include "types/big_decimal.h"
#include "types/hash.h"
#include "types/scalar_io.h"

namespace stele {
namespace {

constexpr int kMaxWideDigits = 38;
struct Powers {
  Int128 p[kMaxWideDigits + 1];
  constexpr Powers() : p() {
    p[0] = 1;
    for (int i = 1; i <= kMaxWideDigits; ++i) p[i] = p[i - 1] * 10;
  }
};
constexpr Powers kPow10;

// A compact mantissa; false for the other forms.
bool compact(Datum v, Int128& m, int& scale) {
  const NumericHead& h = numeric_head(v);
  scale = h.scale;
  if (h.form == NumericForm::kSmall) {
    m = numeric_small(v);
    return true;
  }
  if (h.form == NumericForm::kWide) {
    std::memcpy(&m, v.as_varlena()->data + sizeof(NumericHead), 16);
    return true;
  }
  return false;
}
// m * 10^n when that stays below 10^38.
bool rescale(Int128& m, int n) {
  if (n == 0) return true;
  if (n > kMaxWideDigits) return m == 0;
  return !__builtin_mul_overflow(m, kPow10.p[n], &m) && m < kPow10.p[38] && m > -kPow10.p[38];
}
bool fits_wide(Int128 m) { return m < kPow10.p[38] && m > -kPow10.p[38]; }

int wide_digits(Int128 m) {
  int n = 0;
  unsigned __int128 u = m < 0 ? -static_cast<unsigned __int128>(m) : static_cast<unsigned __int128>(m);
  while (u != 0) {
    ++n;
    u /= 10;
  }
  return n;
}

// m / 10^n, rounded half away from zero or truncated.
Int128 drop_digits(Int128 m, int n, bool truncate) {
  if (n > kMaxWideDigits) return 0;
  Int128 q = m / kPow10.p[n];
  if (truncate) return q;
  Int128 r = m % kPow10.p[n];
  if (r < 0) r = -r;
  if (r * 2 >= kPow10.p[n] || r >= kPow10.p[n] - r) q += m < 0 ? -1 : 1;
  return q;
}

char* write_u128(unsigned __int128 v, char* end) {
  while (v > UINT64_MAX) {
    uint64_t low = static_cast<uint64_t>(v % 10000000000000000000ull);
    v /= 10000000000000000000ull;
    for (int i = 0; i < 19; ++i) {
      *--end = static_cast<char>('0' + low % 10);
      low /= 10;
    }
  }
  uint64_t u = static_cast<uint64_t>(v);
  while (u != 0) {
    *--end = static_cast<char>('0' + u % 10);
    u /= 10;
  }
  return end;
}

}  // namespace

Datum make_numeric_wide(Int128 m, int scale, Arena& arena) {
  if (m == static_cast<int64_t>(m)) return make_numeric(static_cast<int64_t>(m), scale, arena);
  if (!fits_wide(m)) {
    Decimal d;
    d.negative = m < 0;
    d.mag = big::from_u128(m < 0 ? -static_cast<unsigned __int128>(m) : static_cast<unsigned __int128>(m));
    d.scale = scale;
    return make_numeric(d, arena);
  }
  NumericHead head{static_cast<uint16_t>(scale), NumericForm::kWide, 0, 0};
  Varlena* v = make_varlena(arena, sizeof head + 16);
  std::memcpy(v->data, &head, sizeof head);
  std::memcpy(v->data + sizeof head, &m, 16);
  return Datum::from_varlena(v);
}

Datum make_numeric_special(NumericForm form, Arena& arena) {
  NumericHead head{0, form, 0, 0};
  Varlena* v = make_varlena(arena, sizeof head);
  std::memcpy(v->data, &head, sizeof head);
  return Datum::from_varlena(v);
}

Datum numeric_parse(std::string_view text, int32_t typmod, Arena& arena) {
  // The everyday literal: an optional sign, up to 18 digits, an optional point.
  const char* p = text.data();
  const char* end = p + text.size();
  bool negative = p < end && *p == '-';
  if (negative) ++p;
  int64_t m = 0;
  int digits = 0, scale = 0;
  bool point = false;
  for (; p < end && digits < 19; ++p) {
    if (*p >= '0' && *p <= '9') {
      m = m * 10 + (*p - '0');
      ++digits;
      scale += point;
    } else if (*p == '.' && !point) {
      point = true;
    } else {
      break;
    }
  }
  Datum d = p == end && digits > 0 && digits < 19 ? make_numeric(negative ? -m : m, scale, arena)
                                                  : make_numeric(parse_decimal(text), arena);
  return typmod < 4 ? d : numeric_apply_typmod(d, typmod, arena);
}

void numeric_append(Datum v, std::string& out) {
  Int128 m;
  int scale;
  if (!compact(v, m, scale) || scale > kMaxWideDigits) {
    out += decimal_text(decimal_of(v));
    return;
  }
  char buffer[96];
  char* end = buffer + sizeof buffer;
  bool negative = m < 0;
  char* p = write_u128(negative ? -static_cast<unsigned __int128>(m) : static_cast<unsigned __int128>(m), end);
  while (end - p <= scale) *--p = '0';
  if (negative) out += '-';
  out.append(p, static_cast<size_t>(end - p - scale));
  if (scale > 0) {
    out += '.';
    out.append(end - scale, static_cast<size_t>(scale));
  }
}
std::string numeric_text(Datum v) {
  std::string s;
  numeric_append(v, s);
  return s;
}

Datum numeric_round_to(Datum v, int scale, bool truncate, Arena& arena) {
  Int128 m;
  int have;
  if (compact(v, m, have) && scale >= 0) {
    if (scale == have) return v;
    if (scale < have) return make_numeric_wide(drop_digits(m, have - scale, truncate), scale, arena);
    if (rescale(m, scale - have)) return make_numeric_wide(m, scale, arena);
  }
  return make_numeric(decimal_round(decimal_of(v), scale, truncate), arena);
}
Datum numeric_round(Datum a, int scale, Arena& arena) {
  return numeric_round_to(a, std::clamp(scale, -kMaxIntegerDigits, kMaxScale), false, arena);
}
Datum numeric_trunc(Datum a, int scale, Arena& arena) {
  return numeric_round_to(a, std::clamp(scale, -kMaxIntegerDigits, kMaxScale), true, arena);
}

Datum numeric_apply_typmod(Datum v, int32_t typmod, Arena& arena) {
  if (typmod < 4) return v;
  int precision = (typmod - 4) >> 16 & 0xffff, scale = (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
  int whole = precision - scale;
  auto fail = [&](std::string detail) {
    throw Error(ErrorCode::kNumericValueOutOfRange, "numeric field overflow").detail(std::move(detail));
  };
  if (!numeric_is_finite(v)) {
    if (!numeric_is_nan(v))
      fail(fmt::format("A field with precision {}, scale {} cannot hold an infinite value.", precision, scale));
    return v;
  }
  Datum rounded = numeric_round_to(v, scale, false, arena);
  Int128 m;
  int have;
  bool too_big;
  if (compact(rounded, m, have)) {
    int limit = whole + have;
    too_big = limit <= 0 ? m != 0 : limit <= kMaxWideDigits && (m >= kPow10.p[limit] || m <= -kPow10.p[limit]);
  } else {
    Decimal d = decimal_of(rounded);
    too_big = big::digit_count(d.mag) - d.scale > whole;
  }
  if (too_big)
    fail(fmt::format("A field with precision {}, scale {} must round to an absolute value less than {}{}.", precision,
                     scale, whole != 0 ? "10^" : "", whole != 0 ? whole : 1));
  return rounded;
}

Datum numeric_from_int(int64_t v, Arena& arena) { return make_numeric(v, 0, arena); }

namespace {
Datum from_printed(double v, int digits, Arena& arena) {
  if (std::isnan(v)) return make_numeric_special(NumericForm::kNaN, arena);
  if (std::isinf(v)) return make_numeric_special(v < 0 ? NumericForm::kNegativeInfinity : NumericForm::kPositiveInfinity, arena);
  char buffer[64];
  int n = std::snprintf(buffer, sizeof buffer, "%.*g", digits, v);
  return numeric_parse({buffer, static_cast<size_t>(n)}, -1, arena);
}
}  // namespace
Datum numeric_from_double(double v, Arena& arena) { return from_printed(v, 15, arena); }
Datum numeric_from_float(float v, Arena& arena) { return from_printed(static_cast<double>(v), 6, arena); }

double numeric_to_double(Datum v) {
  Int128 m;
  int scale;
  if (compact(v, m, scale) && scale <= 22 && m <= Int128{1} << 53 && m >= -(Int128{1} << 53)) {
    // Both are exact doubles, so the quotient is correctly rounded.
    static constexpr double kExact[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
                                        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    return static_cast<double>(static_cast<int64_t>(m)) / kExact[scale];
  }
  return decimal_to_double(decimal_of(v));
}

int64_t numeric_to_int(Datum v, int width) {
  const char* type = width == 2 ? "smallint" : width == 4 ? "integer" : "bigint";
  if (!numeric_is_finite(v))
    throw Error(ErrorCode::kFeatureNotSupported,
                fmt::format("cannot convert {} to {}", numeric_is_nan(v) ? "NaN" : "infinity", type));
  Int128 m;
  int scale;
  if (compact(v, m, scale)) {
    if (scale > 0) m = drop_digits(m, scale, false);
  } else {
    Decimal d = decimal_round(decimal_of(v), 0);
    unsigned __int128 u;
    if (!big::to_u128(d.mag, u)) int_out_of_range(width);
    m = d.negative ? -static_cast<Int128>(u) : static_cast<Int128>(u);
  }
  Int128 limit = Int128{1} << (8 * width - 1);
  if (m < -limit || m >= limit) int_out_of_range(width);
  return static_cast<int64_t>(m);
}

bool numeric_is_nan(Datum v) { return numeric_head(v).form == NumericForm::kNaN; }
bool numeric_is_finite(Datum v) { return numeric_head(v).form <= NumericForm::kBig; }
int numeric_sign(Datum v) {
  Int128 m;
  int scale;
  if (compact(v, m, scale)) return m < 0 ? -1 : m > 0;
  const NumericHead& h = numeric_head(v);
  if (h.form == NumericForm::kBig) return h.negative ? -1 : 1;
  return h.form == NumericForm::kNegativeInfinity ? -1 : 1;
}

int numeric_compare(Datum a, Datum b) {
  const NumericHead& ha = numeric_head(a);
  const NumericHead& hb = numeric_head(b);
  if (ha.form == NumericForm::kSmall && hb.form == NumericForm::kSmall && ha.scale == hb.scale) {
    int64_t u = numeric_small(a), v = numeric_small(b);
    return u < v ? -1 : u > v;
  }
  Int128 x, y;
  int sx, sy;
  if (compact(a, x, sx) && compact(b, y, sy)) {
    if (sx == sy || (sx < sy ? rescale(x, sy - sx) : rescale(y, sx - sy))) return x < y ? -1 : x > y;
  }
  return decimal_compare(decimal_of(a), decimal_of(b));
}

uint64_t numeric_hash(Datum v) {
  Int128 m;
  int scale;
  if (compact(v, m, scale)) {
    if (m == 0) return mix64(0);
    while (m % 10 == 0) {
      m /= 10;
      --scale;
    }
    return mix64(static_cast<uint64_t>(m) ^ static_cast<uint64_t>(m >> 64) * 31) + mix64(static_cast<uint64_t>(scale) + 0x51);
  }
  Decimal d = decimal_of(v);
  if (!d.finite()) return mix64(d.kind == Decimal::Kind::kNaN ? 11 : d.negative ? 12 : 13);
  std::string digits = big::digits(d.mag);
  int64_t s = d.scale;
  size_t kept = digits.find_last_not_of('0') + 1;
  s -= static_cast<int64_t>(digits.size() - kept);
  digits.resize(kept);
  if (digits.size() <= kMaxWideDigits) {
    Int128 w = 0;
    for (char c : digits) w = w * 10 + (c - '0');
    if (d.negative) w = -w;
    return mix64(static_cast<uint64_t>(w) ^ static_cast<uint64_t>(w >> 64) * 31) + mix64(static_cast<uint64_t>(s) + 0x51);
  }
  return hash_bytes(digits) + mix64(static_cast<uint64_t>(s) + d.negative);
}

// class byte, exponent of the leading digit, digits in pairs plus one, 0. Negative: all inverted.
void numeric_encode_key(Datum v, std::string& out) {
  const NumericHead& h = numeric_head(v);
  switch (h.form) {
    case NumericForm::kNegativeInfinity: out.push_back(0x10); return;
    case NumericForm::kPositiveInfinity: out.push_back(0x50); return;
    case NumericForm::kNaN: out.push_back(0x60); return;
    default: break;
  }
  char buffer[48];
  std::string long_digits;
  std::string_view digits;
  Int128 m;
  int scale;
  bool negative;
  if (compact(v, m, scale)) {
    negative = m < 0;
    char* end = buffer + sizeof buffer;
    char* p = write_u128(negative ? -static_cast<unsigned __int128>(m) : static_cast<unsigned __int128>(m), end);
    digits = {p, static_cast<size_t>(end - p)};
  } else {
    Decimal d = decimal_of(v);
    negative = d.negative;
    scale = d.scale;
    long_digits = big::digits(d.mag);
    digits = long_digits;
  }
  if (digits.empty()) {
    out.push_back(0x30);
    return;
  }
  int32_t exponent = static_cast<int32_t>(digits.size()) - scale;
  digits = digits.substr(0, digits.find_last_not_of('0') + 1);
  size_t start = out.size();
  out.push_back(0x40);
  put_be32(out, static_cast<uint32_t>(exponent) ^ 0x80000000u);
  for (size_t i = 0; i < digits.size(); i += 2) {
    int pair = (digits[i] - '0') * 10 + (i + 1 < digits.size() ? digits[i + 1] - '0' : 0);
    out.push_back(static_cast<char>(pair + 1));
  }
  out.push_back(0);
  if (negative) {
    for (size_t i = start; i < out.size(); ++i) out[i] = static_cast<char>(~out[i]);
    out[start] = 0x20;
  }
}
void numeric_skip_key(std::string_view& in) {
  auto bad = [] { throw Error(ErrorCode::kIndexCorrupted, "index key is too short"); };
  if (in.empty()) bad();
  char kind = in[0];
  if (kind != 0x20 && kind != 0x40) {
    in.remove_prefix(1);
    return;
  }
  size_t end = in.size() < 5 ? std::string_view::npos : in.find(kind == 0x20 ? '\xff' : '\0', 5);
  if (end == std::string_view::npos) bad();
  in.remove_prefix(end + 1);
}

// ---- arithmetic

namespace {
template <bool kSubtract>
Datum add_or_sub(Datum a, Datum b, Arena& arena) {
  const NumericHead& ha = numeric_head(a);
  const NumericHead& hb = numeric_head(b);
  if (ha.form == NumericForm::kSmall && hb.form == NumericForm::kSmall && ha.scale == hb.scale) {
    int64_t v;
    if (!(kSubtract ? __builtin_sub_overflow(numeric_small(a), numeric_small(b), &v)
                    : __builtin_add_overflow(numeric_small(a), numeric_small(b), &v)))
      return make_numeric(v, ha.scale, arena);
  }
  Int128 x, y;
  int sx, sy;
  if (compact(a, x, sx) && compact(b, y, sy)) {
    int scale = std::max(sx, sy);
    if (rescale(x, scale - sx) && rescale(y, scale - sy)) {
      Int128 sum = kSubtract ? x - y : x + y;  // below 2 * 10^38: may pass 128 bits only by the next test
      if (!((kSubtract ? __builtin_sub_overflow(x, y, &sum) : __builtin_add_overflow(x, y, &sum))))
        return make_numeric_wide(sum, scale, arena);
    }
  }
  return make_numeric(decimal_add(decimal_of(a), decimal_of(b), kSubtract), arena);
}
}  // namespace

Datum numeric_add(Datum a, Datum b, Arena& arena) { return add_or_sub<false>(a, b, arena); }
Datum numeric_sub(Datum a, Datum b, Arena& arena) { return add_or_sub<true>(a, b, arena); }

Datum numeric_mul(Datum a, Datum b, Arena& arena) {
  const NumericHead& ha = numeric_head(a);
  const NumericHead& hb = numeric_head(b);
  if (ha.form == NumericForm::kSmall && hb.form == NumericForm::kSmall && ha.scale + hb.scale <= kMaxScale) {
    Int128 v = Int128{numeric_small(a)} * numeric_small(b);
    if (v == static_cast<int64_t>(v)) return make_numeric(static_cast<int64_t>(v), ha.scale + hb.scale, arena);
    return make_numeric_wide(v, ha.scale + hb.scale, arena);
  }
  Int128 x, y, p;
  int sx, sy;
  if (compact(a, x, sx) && compact(b, y, sy) && !__builtin_mul_overflow(x, y, &p) && sx + sy <= kMaxScale)
    return make_numeric_wide(p, sx + sy, arena);
  return make_numeric(decimal_mul(decimal_of(a), decimal_of(b)), arena);
}

namespace {
// What PostgreSQL's division scale looks at: base-10000 weight and first digit.
void weight_of(Int128 m, int scale, int& weight, int& first) {
  if (m == 0) {
    weight = first = 0;
    return;
  }
  int digits = wide_digits(m), e = digits - 1 - scale;
  weight = e >= 0 ? e / 4 : -((-e + 3) / 4);
  int lead = e - 4 * weight + 1;
  Int128 u = m < 0 ? -m : m;
  if (digits >= lead) first = static_cast<int>(u / kPow10.p[digits - lead]);
  else first = static_cast<int>(u * kPow10.p[lead - digits]);
}
}  // namespace

Datum numeric_div(Datum a, Datum b, Arena& arena) {
  Int128 x, y;
  int sx, sy;
  if (compact(a, x, sx) && compact(b, y, sy)) {
    if (y == 0) division_by_zero();
    int wx, fx, wy, fy;
    weight_of(x, sx, wx, fx);
    weight_of(y, sy, wy, fy);
    int qw = wx - wy;
    if (fx <= fy) --qw;
    int scale = std::min(std::max({kMinSignificantDigits - qw * 4, sx, sy, 0}), kMaxDisplayScale);
    int shift = scale + sy - sx;
    Int128 num = x, den = y;
    if (shift >= 0 ? rescale(num, shift) : rescale(den, -shift)) {
      Int128 q = num / den, r = num % den;
      if (r < 0) r = -r;
      Int128 d = den < 0 ? -den : den;
      if (r >= d - r) q += (x < 0) != (y < 0) ? -1 : 1;
      return make_numeric_wide(q, scale, arena);
    }
  }
  Decimal p = decimal_of(a), q = decimal_of(b);
  if (!p.finite() || !q.finite()) {
    if (p.kind == Decimal::Kind::kNaN || q.kind == Decimal::Kind::kNaN) return make_numeric(Decimal::nan(), arena);
    if (!p.finite() && !q.finite()) return make_numeric(Decimal::nan(), arena);
    if (!p.finite()) {
      if (q.is_zero()) division_by_zero();
      return make_numeric(Decimal::infinity(p.negative != q.negative), arena);
    }
    return make_numeric(int64_t{0}, 0, arena);
  }
  if (q.is_zero()) division_by_zero();
  return make_numeric(decimal_div(p, q, division_scale(p, q)), arena);
}

Datum numeric_mod(Datum a, Datum b, Arena& arena) {
  Int128 x, y;
  int sx, sy;
  if (compact(a, x, sx) && compact(b, y, sy)) {
    if (y == 0) division_by_zero();
    int scale = std::max(sx, sy);
    if (rescale(x, scale - sx) && rescale(y, scale - sy)) return make_numeric_wide(x % y, scale, arena);
  }
  Decimal p = decimal_of(a), q = decimal_of(b);
  if (!p.finite() || !q.finite()) {
    if (p.kind == Decimal::Kind::kNaN || q.kind == Decimal::Kind::kNaN) return make_numeric(Decimal::nan(), arena);
    if (!p.finite()) {
      if (q.is_zero()) division_by_zero();
      return make_numeric(Decimal::nan(), arena);
    }
    return a;
  }
  if (q.is_zero()) division_by_zero();
  Decimal out;
  out.scale = std::max(p.scale, q.scale);
  big::div(big::shift10(p.mag, out.scale - p.scale), big::shift10(q.mag, out.scale - q.scale), &out.mag);
  out.negative = p.negative && !out.mag.empty();
  return make_numeric(out, arena);
}

Datum numeric_negate(Datum a, Arena& arena) {
  Int128 m;
  int scale;
  if (compact(a, m, scale)) return make_numeric_wide(-m, scale, arena);
  Decimal d = decimal_of(a);
  if (d.kind != Decimal::Kind::kNaN) d.negative = !d.negative;
  return make_numeric(d, arena);
}

// ---- sums

void NumericSum::spill() {
  pending_ = 0;
  if (sum_ == 0) return;
  Decimal a, b;
  a.mag = big_;
  a.negative = big_negative_;
  b.negative = sum_ < 0;
  b.mag = big::from_u128(sum_ < 0 ? -static_cast<unsigned __int128>(sum_) : static_cast<unsigned __int128>(sum_));
  Decimal c = decimal_add(a, b);
  big_ = std::move(c.mag);
  big_negative_ = c.negative;
  sum_ = 0;
}

void NumericSum::add_int(int64_t v) {
  if (scale_ == 0 && !squares_) {
    ++count_;
    sum_ += v;
    if (++pending_ >= (1u << 30)) spill();
    return;
  }
  Arena arena;
  add_slow(make_numeric(v, 0, arena), 1);
}

void NumericSum::add_slow(Datum v, int sign) {
  const NumericHead& h = numeric_head(v);
  count_ += sign;
  switch (h.form) {
    case NumericForm::kNaN: nan_ += sign; return;
    case NumericForm::kPositiveInfinity: positive_infinity_ += sign; return;
    case NumericForm::kNegativeInfinity: negative_infinity_ += sign; return;
    default: break;
  }
  if (h.scale > scale_) {
    spill();
    big_ = big::shift10(big_, h.scale - scale_);
    square_ = big::shift10(square_, 2 * (h.scale - scale_));
    scale_ = h.scale;
    at_scale_ = 0;
  }
  if (h.scale == scale_) at_scale_ += sign;
  Int128 m;
  int scale;
  if (compact(v, m, scale) && rescale(m, scale_ - scale)) {
    Int128 s;
    // Small values may be added 2^30 times before sum_ is looked at: keep wide ones out of it.
    bool small = m == static_cast<int64_t>(m);
    if (!small || ++pending_ >= (1u << 30)) spill();
    if (!__builtin_add_overflow(sum_, sign > 0 ? m : -m, &s)) sum_ = s;
    if (!small) spill();
    if (squares_) {
      Int128 square;
      Limbs sq = !__builtin_mul_overflow(m, m, &square)
                     ? big::from_u128(static_cast<unsigned __int128>(square))
                     : big::mul(big::from_u128(m < 0 ? -static_cast<unsigned __int128>(m) : static_cast<unsigned __int128>(m)),
                                big::from_u128(m < 0 ? -static_cast<unsigned __int128>(m) : static_cast<unsigned __int128>(m)));
      square_ = sign > 0 ? big::add(square_, sq) : big::sub(square_, sq);
    }
    return;
  }
  Decimal d = decimal_of(v);
  d.mag = big::shift10(d.mag, scale_ - d.scale);
  d.scale = 0;
  if (squares_) square_ = sign > 0 ? big::add(square_, big::mul(d.mag, d.mag)) : big::sub(square_, big::mul(d.mag, d.mag));
  Decimal a;
  a.mag = big_;
  a.negative = big_negative_;
  Decimal c = decimal_add(a, d, sign < 0);
  big_ = std::move(c.mag);
  big_negative_ = c.negative;
}

bool NumericSum::remove(Datum v) {
  const NumericHead& h = numeric_head(v);
  // The display scale of the rest is not known when the last value of the largest scale may leave;
  // values added by the fast path are not counted, so only smaller scales are surely safe.
  if (numeric_is_finite(v) && h.scale == scale_ && scale_ > 0) return false;
  add_slow(v, -1);
  return true;
}

void NumericSum::merge(const NumericSum& o) {
  NumericSum other = o;
  other.spill();
  spill();
  int scale = std::max(scale_, other.scale_);
  big_ = big::shift10(big_, scale - scale_);
  square_ = big::shift10(square_, 2 * (scale - scale_));
  scale_ = scale;
  Decimal a, b;
  a.mag = big_;
  a.negative = big_negative_;
  b.mag = big::shift10(other.big_, scale - other.scale_);
  b.negative = other.big_negative_;
  Decimal c = decimal_add(a, b);
  big_ = std::move(c.mag);
  big_negative_ = c.negative;
  square_ = big::add(square_, big::shift10(other.square_, 2 * (scale - other.scale_)));
  count_ += other.count_;
  nan_ += other.nan_;
  positive_infinity_ += other.positive_infinity_;
  negative_infinity_ += other.negative_infinity_;
}

bool NumericSum::special(Arena& arena, Datum& out) const {
  if (nan_ > 0 || (positive_infinity_ > 0 && negative_infinity_ > 0))
    out = make_numeric_special(NumericForm::kNaN, arena);
  else if (positive_infinity_ > 0)
    out = make_numeric_special(NumericForm::kPositiveInfinity, arena);
  else if (negative_infinity_ > 0)
    out = make_numeric_special(NumericForm::kNegativeInfinity, arena);
  else
    return false;
  return true;
}

Datum NumericSum::sum(Arena& arena) const {
  Datum out;
  if (special(arena, out)) return out;
  if (big_.empty()) return make_numeric_wide(sum_, scale_, arena);
  NumericSum copy = *this;
  copy.spill();
  Decimal d;
  d.mag = copy.big_;
  d.negative = copy.big_negative_ && !d.mag.empty();
  d.scale = scale_;
  return make_numeric(d, arena);
}

Datum NumericSum::average(Arena& arena) const {
  return numeric_div(sum(arena), make_numeric(count_, 0, arena), arena);
}

Datum NumericSum::variance(bool sample, bool root, Arena& arena, bool& ok) const {
  ok = count_ > (sample ? 1 : 0);
  if (!ok) return {};
  if (nan_ > 0 || positive_infinity_ > 0 || negative_infinity_ > 0) return make_numeric_special(NumericForm::kNaN, arena);
  NumericSum copy = *this;
  copy.spill();
  // (n * sum(x^2) - sum(x)^2) / (n * n) or / (n * (n - 1)), exact up to the division.
  Limbs n = big::from_u64(static_cast<uint64_t>(count_));
  Limbs left = big::mul(n, square_), right = big::mul(copy.big_, copy.big_);
  if (big::compare(left, right) <= 0) return make_numeric(int64_t{0}, 0, arena);
  Decimal num, den;
  num.mag = big::sub(left, right);
  num.scale = 2 * scale_;
  den = Decimal::from_int(count_);
  den = decimal_mul(den, Decimal::from_int(sample ? count_ - 1 : count_));
  Decimal v = decimal_div(num, den, division_scale(num, den));
  if (root) v = decimal_sqrt_to(v, v.scale);
  return make_numeric(v, arena);
}

}  // namespace stele
