#include "types/big_decimal.h"

#include "base/error.h"

namespace stele {
namespace big {

namespace {
void trim(Limbs& a) {
  while (!a.empty() && a.back() == 0) a.pop_back();
}
constexpr uint32_t kPow10[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
}  // namespace

int compare(const Limbs& a, const Limbs& b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  for (size_t i = a.size(); i-- > 0;)
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
}

Limbs add(const Limbs& a, const Limbs& b) {
  const Limbs& x = a.size() >= b.size() ? a : b;
  const Limbs& y = a.size() >= b.size() ? b : a;
  Limbs out(x.size() + 1);
  uint32_t carry = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    uint32_t v = x[i] + (i < y.size() ? y[i] : 0) + carry;
    carry = v >= kLimbBase;
    out[i] = v - (carry ? kLimbBase : 0);
  }
  out[x.size()] = carry;
  trim(out);
  return out;
}

Limbs sub(const Limbs& a, const Limbs& b) {
  Limbs out(a.size());
  uint32_t borrow = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    int64_t v = int64_t{a[i]} - (i < b.size() ? b[i] : 0) - borrow;
    borrow = v < 0;
    out[i] = static_cast<uint32_t>(v + (borrow ? kLimbBase : 0));
  }
  trim(out);
  return out;
}

Limbs mul(const Limbs& a, const Limbs& b) {
  if (a.empty() || b.empty()) return {};
  Limbs out(a.size() + b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    uint64_t carry = 0;
    for (size_t k = 0; k < b.size(); ++k) {
      uint64_t v = out[i + k] + uint64_t{a[i]} * b[k] + carry;
      carry = v / kLimbBase;
      out[i + k] = static_cast<uint32_t>(v % kLimbBase);
    }
    out[i + b.size()] = static_cast<uint32_t>(carry);
  }
  trim(out);
  return out;
}

Limbs mul_small(const Limbs& a, uint32_t b) {
  Limbs out(a.size() + 1);
  uint64_t carry = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    uint64_t v = uint64_t{a[i]} * b + carry;
    carry = v / kLimbBase;
    out[i] = static_cast<uint32_t>(v % kLimbBase);
  }
  out[a.size()] = static_cast<uint32_t>(carry);
  trim(out);
  return out;
}

Limbs shift10(const Limbs& a, int64_t n) {
  if (a.empty() || n <= 0) return a;
  Limbs out = n % 9 != 0 ? mul_small(a, kPow10[n % 9]) : a;
  out.insert(out.begin(), static_cast<size_t>(n / 9), 0);
  return out;
}

Limbs unshift10(const Limbs& a, int64_t n, bool round) {
  if (n <= 0) return shift10(a, -n);
  size_t whole = static_cast<size_t>(n / 9);
  if (whole > a.size()) return {};
  bool up = false;
  Limbs out(a.begin() + static_cast<ptrdiff_t>(whole), a.end());
  int small = static_cast<int>(n % 9);
  if (small != 0) {
    uint64_t rest = 0;
    for (size_t i = out.size(); i-- > 0;) {
      uint64_t v = rest * kLimbBase + out[i];
      out[i] = static_cast<uint32_t>(v / kPow10[small]);
      rest = v % kPow10[small];
    }
    up = rest >= kPow10[small] / 2;
  } else if (whole > 0) {
    up = a[whole - 1] >= kLimbBase / 2;
  }
  trim(out);
  if (round && up) out = add(out, {1});
  return out;
}

Limbs div(const Limbs& a, const Limbs& b, Limbs* rest) {
  if (compare(a, b) < 0) {
    if (rest != nullptr) *rest = a;
    return {};
  }
  if (b.size() == 1) {
    Limbs q(a.size());
    uint64_t r = 0;
    for (size_t i = a.size(); i-- > 0;) {
      uint64_t v = r * kLimbBase + a[i];
      q[i] = static_cast<uint32_t>(v / b[0]);
      r = v % b[0];
    }
    trim(q);
    if (rest != nullptr) *rest = r != 0 ? Limbs{static_cast<uint32_t>(r)} : Limbs{};
    return q;
  }
  // Knuth, The Art of Computer Programming, volume 2, 4.3.1, algorithm D.
  uint32_t scale = kLimbBase / (b.back() + 1);
  Limbs u = mul_small(a, scale), v = mul_small(b, scale);
  u.resize(a.size() + 1, 0);
  size_t n = v.size(), m = a.size() - n;
  Limbs q(m + 1);
  for (size_t j = m + 1; j-- > 0;) {
    uint64_t top = uint64_t{u[j + n]} * kLimbBase + u[j + n - 1];
    uint64_t guess = top / v[n - 1], r = top % v[n - 1];
    while (guess >= kLimbBase || guess * v[n - 2] > r * kLimbBase + u[j + n - 2]) {
      --guess;
      r += v[n - 1];
      if (r >= kLimbBase) break;
    }
    int64_t borrow = 0;
    uint64_t carry = 0;
    for (size_t i = 0; i < n; ++i) {
      uint64_t p = guess * v[i] + carry;
      carry = p / kLimbBase;
      int64_t t = int64_t{u[i + j]} - borrow - static_cast<int64_t>(p % kLimbBase);
      borrow = t < 0;
      u[i + j] = static_cast<uint32_t>(t + (borrow ? kLimbBase : 0));
    }
    int64_t t = int64_t{u[j + n]} - borrow - static_cast<int64_t>(carry);
    borrow = t < 0;
    u[j + n] = static_cast<uint32_t>(t + (borrow ? kLimbBase : 0));
    if (borrow != 0) {
      --guess;
      uint32_t c = 0;
      for (size_t i = 0; i < n; ++i) {
        uint32_t s = u[i + j] + v[i] + c;
        c = s >= kLimbBase;
        u[i + j] = s - (c ? kLimbBase : 0);
      }
      u[j + n] = (u[j + n] + c) % kLimbBase;
    }
    q[j] = static_cast<uint32_t>(guess);
  }
  trim(q);
  if (rest != nullptr) {
    u.resize(n);
    trim(u);
    *rest = div(u, {scale});
  }
  return q;
}

Limbs from_u64(uint64_t v) { return from_u128(v); }
Limbs from_u128(unsigned __int128 v) {
  Limbs out;
  for (; v != 0; v /= kLimbBase) out.push_back(static_cast<uint32_t>(v % kLimbBase));
  return out;
}
int64_t digit_count(const Limbs& a) {
  if (a.empty()) return 0;
  int64_t n = static_cast<int64_t>(a.size() - 1) * 9;
  for (uint32_t v = a.back(); v != 0; v /= 10) ++n;
  return n;
}
bool to_u128(const Limbs& a, unsigned __int128& out) {
  if (digit_count(a) > 38) return false;
  out = 0;
  for (size_t i = a.size(); i-- > 0;) out = out * kLimbBase + a[i];
  return true;
}
std::string digits(const Limbs& a) {
  if (a.empty()) return {};
  std::string out = std::to_string(a.back());
  for (size_t i = a.size() - 1; i-- > 0;) {
    char buffer[9];
    uint32_t v = a[i];
    for (int k = 8; k >= 0; --k) {
      buffer[k] = static_cast<char>('0' + v % 10);
      v /= 10;
    }
    out.append(buffer, 9);
  }
  return out;
}
Limbs from_digits(std::string_view s) {
  Limbs out;
  out.reserve(s.size() / 9 + 1);
  for (size_t end = s.size(); end > 0;) {
    size_t start = end > 9 ? end - 9 : 0;
    uint32_t v = 0;
    for (size_t i = start; i < end; ++i) v = v * 10 + static_cast<uint32_t>(s[i] - '0');
    out.push_back(v);
    end = start;
  }
  trim(out);
  return out;
}

Limbs sqrt(const Limbs& a) {
  if (a.empty()) return {};
  // Newton from above: a power of ten that is at least the root.
  Limbs x = shift10({1}, (digit_count(a) + 1) / 2);
  std::string lead = digits(a);
  int64_t n = static_cast<int64_t>(lead.size());
  if (n > 17) {
    int64_t take = 16 + (n & 1 ? 1 : 0);
    double d = std::sqrt(std::stod(lead.substr(0, static_cast<size_t>(take)))) + 1;
    x = shift10(from_u64(static_cast<uint64_t>(d) + 1), (n - take) / 2);
  }
  for (;;) {
    Limbs next = div(add(x, div(a, x)), {2});
    if (compare(next, x) >= 0) return x;
    x = std::move(next);
  }
}

}  // namespace big

Decimal Decimal::from_int(int64_t v) {
  Decimal d;
  d.negative = v < 0;
  d.mag = big::from_u64(v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v));
  return d;
}

Decimal decimal_of(Datum v) {
  const NumericHead& h = numeric_head(v);
  Decimal d;
  d.scale = h.scale;
  const char* body = v.as_varlena()->data + sizeof(NumericHead);
  switch (h.form) {
    case NumericForm::kSmall: {
      d = Decimal::from_int(numeric_small(v));
      d.scale = h.scale;
      return d;
    }
    case NumericForm::kWide: {
      Int128 m;
      std::memcpy(&m, body, 16);
      d.negative = m < 0;
      d.mag = big::from_u128(m < 0 ? -static_cast<unsigned __int128>(m) : static_cast<unsigned __int128>(m));
      return d;
    }
    case NumericForm::kBig:
      d.negative = h.negative != 0;
      d.mag.resize(h.limbs);
      std::memcpy(d.mag.data(), body, 4 * static_cast<size_t>(h.limbs));
      return d;
    case NumericForm::kNaN: return Decimal::nan();
    case NumericForm::kPositiveInfinity: return Decimal::infinity(false);
    case NumericForm::kNegativeInfinity: return Decimal::infinity(true);
  }
  return d;
}

Datum make_numeric(const Decimal& d, Arena& arena) {
  if (d.kind == Decimal::Kind::kNaN) return make_numeric_special(NumericForm::kNaN, arena);
  if (d.kind == Decimal::Kind::kInfinity)
    return make_numeric_special(d.negative ? NumericForm::kNegativeInfinity : NumericForm::kPositiveInfinity, arena);
  unsigned __int128 m;
  if (d.scale <= kMaxScale && big::to_u128(d.mag, m)) {
    Int128 v = static_cast<Int128>(m);
    return make_numeric_wide(d.negative ? -v : v, d.scale, arena);
  }
  if (d.scale > kMaxScale || big::digit_count(d.mag) - d.scale > kMaxIntegerDigits)
    throw Error(ErrorCode::kNumericValueOutOfRange, "value overflows numeric format");
  NumericHead head{static_cast<uint16_t>(d.scale), NumericForm::kBig, d.negative, static_cast<uint32_t>(d.mag.size())};
  Varlena* v = make_varlena(arena, sizeof head + 4 * d.mag.size());
  std::memcpy(v->data, &head, sizeof head);
  std::memcpy(v->data + sizeof head, d.mag.data(), 4 * d.mag.size());
  return Datum::from_varlena(v);
}

Decimal parse_decimal(std::string_view text) {
  auto bad = [&]() -> Decimal {
    throw Error(ErrorCode::kInvalidTextRepresentation,
                fmt::format("invalid input syntax for type numeric: \"{}\"", text));
  };
  auto space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  std::string_view s = text;
  while (!s.empty() && space(s.front())) s.remove_prefix(1);
  while (!s.empty() && space(s.back())) s.remove_suffix(1);
  auto is = [](std::string_view v, const char* word) {
    return v.size() == std::strlen(word) && strncasecmp(v.data(), word, v.size()) == 0;
  };
  if (is(s, "NaN")) return Decimal::nan();
  bool negative = false;
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) {
    negative = s[0] == '-';
    s.remove_prefix(1);
  }
  if (is(s, "inf") || is(s, "infinity")) return Decimal::infinity(negative);
  std::string digits;
  int64_t after_point = 0;
  bool point = false, any = false;
  size_t i = 0;
  for (; i < s.size(); ++i) {
    if (s[i] >= '0' && s[i] <= '9') {
      digits += s[i];
      any = true;
      after_point += point;
    } else if (s[i] == '.' && !point) {
      point = true;
    } else {
      break;
    }
  }
  if (!any) return bad();
  int64_t exponent = 0;
  if (i < s.size()) {
    if (s[i] != 'e' && s[i] != 'E') return bad();
    ++i;
    bool minus = i < s.size() && s[i] == '-';
    if (i < s.size() && (s[i] == '-' || s[i] == '+')) ++i;
    if (i >= s.size()) return bad();
    for (; i < s.size(); ++i) {
      if (s[i] < '0' || s[i] > '9') return bad();
      exponent = exponent * 10 + (s[i] - '0');
      if (exponent >= INT32_MAX / 2) return bad();
    }
    if (minus) exponent = -exponent;
  }
  Decimal d;
  d.mag = big::from_digits(digits);
  int64_t scale = after_point - exponent;
  if (scale < 0) {
    if (!d.mag.empty()) {
      if (big::digit_count(d.mag) - scale > kMaxIntegerDigits)
        throw Error(ErrorCode::kNumericValueOutOfRange, "value overflows numeric format");
      d.mag = big::shift10(d.mag, -scale);
    }
    scale = 0;
  }
  if (scale > kMaxScale) {
    // Too many decimals: what does not fit is refused, as the display scale would not.
    throw Error(ErrorCode::kNumericValueOutOfRange, "value overflows numeric format");
  }
  d.scale = static_cast<int>(scale);
  d.negative = negative && !d.mag.empty();
  return d;
}

std::string decimal_text(const Decimal& d) {
  if (d.kind == Decimal::Kind::kNaN) return "NaN";
  if (d.kind == Decimal::Kind::kInfinity) return d.negative ? "-Infinity" : "Infinity";
  std::string digits = big::digits(d.mag), out;
  if (d.negative) out += '-';
  size_t scale = static_cast<size_t>(d.scale);
  if (digits.size() <= scale) digits.insert(0, scale + 1 - digits.size(), '0');
  out.append(digits, 0, digits.size() - scale);
  if (scale > 0) {
    out += '.';
    out.append(digits, digits.size() - scale, scale);
  }
  return out;
}

double decimal_to_double(const Decimal& d) {
  if (d.kind == Decimal::Kind::kNaN) return std::numeric_limits<double>::quiet_NaN();
  if (d.kind == Decimal::Kind::kInfinity)
    return d.negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  std::string text = (d.negative ? "-" : "") + big::digits(d.mag) + "e-" + std::to_string(d.scale);
  if (d.mag.empty()) return 0;
  return std::strtod(text.c_str(), nullptr);
}

Decimal decimal_round(const Decimal& d, int scale, bool truncate) {
  if (!d.finite()) return d;
  Decimal out;
  out.negative = d.negative;
  out.mag = big::unshift10(d.mag, int64_t{d.scale} - scale, !truncate);
  out.scale = scale;
  if (scale < 0) {
    out.mag = big::shift10(out.mag, -int64_t{scale});
    out.scale = 0;
  }
  if (out.mag.empty()) out.negative = false;
  return out;
}

Decimal decimal_add(const Decimal& a, const Decimal& b, bool subtract) {
  bool b_negative = subtract ? !b.negative : b.negative;
  if (!a.finite() || !b.finite()) {
    if (a.kind == Decimal::Kind::kNaN || b.kind == Decimal::Kind::kNaN) return Decimal::nan();
    if (a.finite()) return Decimal::infinity(b_negative);
    if (b.finite() || a.negative == b_negative) return a;
    return Decimal::nan();
  }
  Decimal out;
  out.scale = std::max(a.scale, b.scale);
  Limbs x = big::shift10(a.mag, out.scale - a.scale), y = big::shift10(b.mag, out.scale - b.scale);
  if (a.negative == b_negative) {
    out.mag = big::add(x, y);
    out.negative = a.negative;
  } else {
    int c = big::compare(x, y);
    out.mag = c >= 0 ? big::sub(x, y) : big::sub(y, x);
    out.negative = c >= 0 ? a.negative : b_negative;
  }
  if (out.mag.empty()) out.negative = false;
  return out;
}

Decimal decimal_mul(const Decimal& a, const Decimal& b) {
  if (!a.finite() || !b.finite()) {
    if (a.kind == Decimal::Kind::kNaN || b.kind == Decimal::Kind::kNaN || a.is_zero() || b.is_zero()) return Decimal::nan();
    return Decimal::infinity(a.negative != b.negative);
  }
  Decimal out;
  out.mag = big::mul(a.mag, b.mag);
  out.scale = a.scale + b.scale;
  out.negative = a.negative != b.negative && !out.mag.empty();
  if (out.scale > kMaxScale) return decimal_round(out, kMaxScale);
  return out;
}

Decimal decimal_div(const Decimal& a, const Decimal& b, int scale, bool truncate) {
  Decimal out;
  out.scale = scale;
  // One digit more than asked decides the rounding.
  int64_t shift = int64_t{scale} + 1 + b.scale - a.scale;
  Limbs num = a.mag, den = b.mag;
  if (shift >= 0) num = big::shift10(num, shift);
  else den = big::shift10(den, -shift);
  out.mag = big::unshift10(big::div(num, den), 1, !truncate);
  out.negative = a.negative != b.negative && !out.mag.empty();
  return out;
}

int decimal_compare(const Decimal& a, const Decimal& b) {
  auto rank = [](const Decimal& d) {
    if (d.kind == Decimal::Kind::kNaN) return 3;
    if (d.kind == Decimal::Kind::kInfinity) return d.negative ? 0 : 2;
    return 1;
  };
  if (rank(a) != rank(b)) return rank(a) < rank(b) ? -1 : 1;
  if (!a.finite()) return 0;
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  int64_t da = a.mag.empty() ? INT64_MIN / 2 : big::digit_count(a.mag) - a.scale;
  int64_t db = b.mag.empty() ? INT64_MIN / 2 : big::digit_count(b.mag) - b.scale;
  int c;
  if (da != db) {
    c = da < db ? -1 : 1;
  } else {
    int scale = std::max(a.scale, b.scale);
    c = big::compare(big::shift10(a.mag, scale - a.scale), big::shift10(b.mag, scale - b.scale));
  }
  return a.negative ? -c : c;
}

namespace {
int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }
// Decimal exponent of the leading digit.
int64_t leading_exponent(const Decimal& d) { return big::digit_count(d.mag) - 1 - d.scale; }
}  // namespace

int decimal_weight(const Decimal& d) {
  return d.mag.empty() ? 0 : static_cast<int>(floor_div(leading_exponent(d), 4));
}
int decimal_first_digit(const Decimal& d) {
  if (d.mag.empty()) return 0;
  int64_t e = leading_exponent(d);
  size_t n = static_cast<size_t>(e - 4 * floor_div(e, 4)) + 1;
  // The top two limbs hold at least four digits when there are that many.
  uint64_t top = d.mag.back();
  if (d.mag.size() > 1) top = top * kLimbBase + d.mag[d.mag.size() - 2];
  std::string s = std::to_string(top);
  s.resize(n, '0');
  return std::stoi(s);
}

int division_scale(const Decimal& a, const Decimal& b) {
  int quotient_weight = decimal_weight(a) - decimal_weight(b);
  if (decimal_first_digit(a) <= decimal_first_digit(b)) --quotient_weight;
  int scale = kMinSignificantDigits - quotient_weight * 4;
  return std::min(std::max({scale, a.scale, b.scale, 0}), kMaxDisplayScale);
}

}  // namespace stele
