// Text and binary forms, ordering and keys of bool, the integers, oid and its kin, floats.
#include "types/scalar_io.h"

#include <double-conversion/double-conversion.h>

#include <charconv>

#include "base/codec.h"
#include "base/error.h"
#include "types/composite_io.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/type_registry.h"

namespace stele {

void int_out_of_range(int width) {
  throw Error(ErrorCode::kNumericValueOutOfRange, width == 2   ? "smallint out of range"
                                                  : width == 4 ? "integer out of range"
                                                               : "bigint out of range");
}
void float_overflow() { throw Error(ErrorCode::kNumericValueOutOfRange, "value out of range: overflow"); }
void float_underflow() { throw Error(ErrorCode::kNumericValueOutOfRange, "value out of range: underflow"); }
void division_by_zero() { throw Error(ErrorCode::kDivisionByZero, "division by zero"); }

namespace {

[[noreturn]] void bad_syntax(const char* type, std::string_view s) {
  throw Error(ErrorCode::kInvalidTextRepresentation,
              fmt::format("invalid input syntax for type {}: \"{}\"", type, s));
}
[[noreturn]] void out_of_range(const char* type, std::string_view s) {
  throw Error(ErrorCode::kNumericValueOutOfRange, fmt::format("value \"{}\" is out of range for type {}", s, type));
}

int64_t parse_signed(std::string_view s, int64_t low, int64_t high, const char* type) {
  const char* p = s.data();
  const char* end = p + s.size();
  while (p < end && is_array_space(*p)) ++p;
  bool negative = false;
  if (p < end && (*p == '-' || *p == '+')) negative = *p++ == '-';
  if (p == end || *p < '0' || *p > '9') bad_syntax(type, s);
  // Negative values reach one further, so the sum is kept negative.
  int64_t v = 0;
  bool overflow = false;
  for (; p < end && *p >= '0' && *p <= '9'; ++p)
    overflow |= __builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, *p - '0', &v);
  while (p < end && is_array_space(*p)) ++p;
  if (p != end) bad_syntax(type, s);
  if (!negative) overflow |= __builtin_sub_overflow(0, v, &v);
  if (overflow || v < low || v > high) out_of_range(type, s);
  return v;
}

uint64_t parse_unsigned(std::string_view s, uint64_t high, const char* type, bool allow_negative) {
  std::string text(s);
  size_t i = 0;
  while (i < text.size() && is_array_space(text[i])) ++i;
  bool negative = i < text.size() && text[i] == '-';
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  size_t start = i;
  uint64_t v = 0;
  bool overflow = false;
  for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i)
    overflow |= __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, static_cast<uint64_t>(text[i] - '0'), &v);
  if (i == start) bad_syntax(type, s);
  while (i < text.size() && is_array_space(text[i])) ++i;
  if (i != text.size()) bad_syntax(type, s);
  if (negative) {
    // As strtoul does: the value wraps, within the signed range.
    if (!allow_negative || overflow || v > high / 2 + 1) out_of_range(type, s);
    return (0 - v) & high;
  }
  if (overflow || v > high) out_of_range(type, s);
  return v;
}

}  // namespace

int64_t parse_int2(std::string_view s) { return parse_signed(s, -32768, 32767, "smallint"); }
int64_t parse_int4(std::string_view s) { return parse_signed(s, INT32_MIN, INT32_MAX, "integer"); }
int64_t parse_int8(std::string_view s) { return parse_signed(s, INT64_MIN, INT64_MAX, "bigint"); }
Oid parse_oid(std::string_view s) { return static_cast<Oid>(parse_unsigned(s, 0xffffffffu, "oid", true)); }

bool parse_bool(std::string_view text) {
  std::string_view s = text;
  while (!s.empty() && is_array_space(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_array_space(s.back())) s.remove_suffix(1);
  auto prefix = [&](std::string_view word, size_t least) {
    return s.size() >= least && s.size() <= word.size() && strncasecmp(s.data(), word.data(), s.size()) == 0;
  };
  if (prefix("true", 1) || prefix("yes", 1) || prefix("on", 2) || s == "1") return true;
  if (prefix("false", 1) || prefix("no", 1) || prefix("off", 2) || s == "0") return false;
  bad_syntax("boolean", text);
}

namespace {
template <typename T>
T parse_float(std::string_view text, const char* type) {
  std::string_view s = text;
  while (!s.empty() && is_array_space(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_array_space(s.back())) s.remove_suffix(1);
  if (s.empty()) bad_syntax(type, text);
  std::string_view body = s;
  bool negative = body[0] == '-';
  if (body[0] == '-' || body[0] == '+') body.remove_prefix(1);
  if (!body.empty() && ((body[0] >= '0' && body[0] <= '9') || body[0] == '.')) {
    if (body.size() > 2 && body[0] == '0' && (body[1] == 'x' || body[1] == 'X')) {
      char* end = nullptr;
      std::string copy(s);
      T v = static_cast<T>(std::strtod(copy.c_str(), &end));
      if (*end != 0) bad_syntax(type, text);
      return v;
    }
    T v{};
    auto [p, ec] = std::from_chars(body.data(), body.data() + body.size(), v);
    if (p != body.data() + body.size() || ec == std::errc::invalid_argument) bad_syntax(type, text);
    if (ec == std::errc::result_out_of_range)
      throw Error(ErrorCode::kNumericValueOutOfRange, fmt::format("\"{}\" is out of range for type {}", s, type));
    return negative ? -v : v;
  }
  auto is = [&](const char* word) {
    return body.size() == std::strlen(word) && strncasecmp(body.data(), word, body.size()) == 0;
  };
  if (is("inf") || is("infinity")) {
    T inf = std::numeric_limits<T>::infinity();
    return negative ? -inf : inf;
  }
  if (is("nan") && body.size() == s.size()) return std::numeric_limits<T>::quiet_NaN();
  bad_syntax(type, text);
}

void append_digits(const char* digits, int n, int point, bool negative, int fixed_below, std::string& out) {
  if (negative) out += '-';
  int exponent = point - 1;
  if (exponent >= -4 && exponent < fixed_below) {
    if (point <= 0) {
      out += "0.";
      out.append(static_cast<size_t>(-point), '0');
      out.append(digits, static_cast<size_t>(n));
    } else if (point >= n) {
      out.append(digits, static_cast<size_t>(n));
      out.append(static_cast<size_t>(point - n), '0');
    } else {
      out.append(digits, static_cast<size_t>(point));
      out += '.';
      out.append(digits + point, static_cast<size_t>(n - point));
    }
    return;
  }
  out += digits[0];
  if (n > 1) {
    out += '.';
    out.append(digits + 1, static_cast<size_t>(n - 1));
  }
  out += 'e';
  out += exponent < 0 ? '-' : '+';
  int e = std::abs(exponent);
  if (e < 10) out += '0';
  out += std::to_string(e);
}

using double_conversion::DoubleToStringConverter;

// digits * 10^(point - n), when that is an integer of at most 64 significant bits: odd part and power of two.
bool exact_integer(const char* digits, int n, int point, uint64_t& odd, int& power) {
  unsigned __int128 m = 0;
  for (int i = 0; i < n; ++i) m = m * 10 + static_cast<unsigned>(digits[i] - '0');
  power = 0;
  for (int i = n; i < point; ++i) {
    m *= 5;
    ++power;
    if (m >> 96 != 0) return false;
  }
  while (m != 0 && (m & 1) == 0) {
    m >>= 1;
    ++power;
  }
  odd = static_cast<uint64_t>(m);
  return m == odd;
}
// Is the decimal exactly halfway from v (positive) to a neighbour?
template <typename T>
bool on_boundary(T v, const char* digits, int n, int point) {
  uint64_t odd;
  int power;
  if (!exact_integer(digits, n, point, odd, power)) return false;
  // Halfway values have just one bit more than the type's mantissa.
  if (std::bit_width(odd) != std::numeric_limits<T>::digits + 1) return false;
  // Compare with v: at that width the decimal is odd * 2^power and v is (odd +- 1) * 2^power.
  double low = std::ldexp(static_cast<double>(odd - 1), power), high = std::ldexp(static_cast<double>(odd + 1), power);
  return static_cast<double>(v) == low || static_cast<double>(v) == high;
}
template <typename T>
bool reads_back(T v, const char* digits, int n, int point) {
  std::string text(digits, static_cast<size_t>(n));
  text += "e" + std::to_string(point - n);
  T got{};
  std::from_chars(text.data(), text.data() + text.size(), got);
  return got == v;
}

template <typename T>
void append_float(T v, int extra, DoubleToStringConverter::DtoaMode mode, int fixed_below, std::string& out) {
  if (std::isnan(v)) {
    out += "NaN";
    return;
  }
  if (std::isinf(v)) {
    out += v < 0 ? "-Infinity" : "Infinity";
    return;
  }
  if (extra <= 0) {
    char buffer[64];
    int digits = std::max(std::numeric_limits<T>::digits10 + extra, 1);
    out.append(buffer, static_cast<size_t>(std::snprintf(buffer, sizeof buffer, "%.*g", digits, static_cast<double>(v))));
    return;
  }
  if (v == 0) {
    out += std::signbit(v) ? "-0" : "0";
    return;
  }
  char digits[32];
  bool negative = false;
  int n = 0, point = 0;
  DoubleToStringConverter::DoubleToAscii(static_cast<double>(v), mode, 0, digits, sizeof digits, &negative, &n, &point);
  // A decimal that lies exactly between two floats reads back by the rule of ties alone: PostgreSQL
  // does not count on it and takes the next longer one. Only integers of few bits can be such.
  if (point >= n && on_boundary<T>(std::fabs(v), digits, n, point)) {
    for (int precision = n + 1; precision <= std::numeric_limits<T>::max_digits10; ++precision) {
      DoubleToStringConverter::DoubleToAscii(static_cast<double>(v), DoubleToStringConverter::PRECISION, precision, digits,
                                             sizeof digits, &negative, &n, &point);
      if (n == precision && !on_boundary<T>(std::fabs(v), digits, n, point) && reads_back<T>(std::fabs(v), digits, n, point)) break;
    }
  }
  append_digits(digits, n, point, negative, fixed_below, out);
}
}  // namespace

double parse_float8(std::string_view s) { return parse_float<double>(s, "double precision"); }
float parse_float4(std::string_view s) { return parse_float<float>(s, "real"); }
void append_float8(double v, int extra, std::string& out) {
  append_float<double>(v, extra, DoubleToStringConverter::SHORTEST, 15, out);
}
void append_float4(float v, int extra, std::string& out) {
  append_float<float>(v, extra, DoubleToStringConverter::SHORTEST_SINGLE, 6, out);
}
void append_int(int64_t v, std::string& out) {
  char buffer[24];
  auto [p, ec] = std::to_chars(buffer, buffer + sizeof buffer, v);
  out.append(buffer, static_cast<size_t>(p - buffer));
}

namespace {

[[noreturn]] void short_message() {
  throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
}
void need_bytes(std::string_view in, size_t n) {
  if (in.size() < n) short_message();
  if (in.size() > n) throw Error(ErrorCode::kInvalidBinaryRepresentation, "incorrect binary data format");
}
void need_key(std::string_view in, size_t n) {
  if (in.size() < n) throw Error(ErrorCode::kIndexCorrupted, "index key is too short");
}

// ---- integers of any width: all live sign-extended in the word

Datum int2_in(std::string_view s, int32_t, Arena&, EvalContext&) { return Datum::from_int(parse_int2(s)); }
Datum int4_in(std::string_view s, int32_t, Arena&, EvalContext&) { return Datum::from_int(parse_int4(s)); }
Datum int8_in(std::string_view s, int32_t, Arena&, EvalContext&) { return Datum::from_int(parse_int8(s)); }
void int_out(Datum v, std::string& out, EvalContext&) { append_int(v.as_int(), out); }
void int4_out(Datum v, std::string& out, EvalContext&) { append_int(static_cast<int32_t>(v.bits), out); }
Datum int2_recv(std::string_view s, int32_t, Arena&, EvalContext&) {
  need_bytes(s, 2);
  return Datum::from_int(static_cast<int16_t>(__builtin_bswap16(load_le<uint16_t>(s.data()))));
}
Datum int4_recv(std::string_view s, int32_t, Arena&, EvalContext&) {
  need_bytes(s, 4);
  return Datum::from_int(static_cast<int32_t>(load_be32(s.data())));
}
Datum int8_recv(std::string_view s, int32_t, Arena&, EvalContext&) {
  need_bytes(s, 8);
  return Datum{load_be64(s.data())};
}
void int2_send(Datum v, std::string& out, EvalContext&) { put_be16(out, static_cast<uint16_t>(v.bits)); }
void int4_send(Datum v, std::string& out, EvalContext&) { put_be32(out, static_cast<uint32_t>(v.bits)); }
void int8_send(Datum v, std::string& out, EvalContext&) { put_be64(out, v.bits); }

int int_compare(Datum a, Datum b, Oid) { return a.as_int() < b.as_int() ? -1 : a.as_int() > b.as_int(); }
bool int_equal(Datum a, Datum b, Oid) { return a.bits == b.bits; }
uint64_t int_hash(Datum v, Oid) { return mix64(v.bits); }

template <int W>
void int_encode(Datum v, Oid, std::string& out) {
  if constexpr (W == 2) put_be16(out, static_cast<uint16_t>(v.bits ^ 0x8000u));
  if constexpr (W == 4) put_be32(out, static_cast<uint32_t>(v.bits) ^ 0x80000000u);
  if constexpr (W == 8) put_be64(out, v.bits ^ 0x8000000000000000ull);
}
template <int W>
Datum int_decode(std::string_view& in, Arena&) {
  need_key(in, W);
  Datum d;
  if constexpr (W == 2)
    d = Datum::from_int(static_cast<int16_t>(__builtin_bswap16(load_le<uint16_t>(in.data())) ^ 0x8000u));
  if constexpr (W == 4) d = Datum::from_int(static_cast<int32_t>(load_be32(in.data()) ^ 0x80000000u));
  if constexpr (W == 8) d = Datum{load_be64(in.data()) ^ 0x8000000000000000ull};
  in.remove_prefix(W);
  return d;
}
template <int W>
void fixed_skip(std::string_view& in) {
  need_key(in, W);
  in.remove_prefix(W);
}

// ---- unsigned: oid, reg*, xid, cid, xid8, "char", bool

Datum oid_in(std::string_view s, int32_t, Arena&, EvalContext&) { return Datum::from_oid(parse_oid(s)); }
template <int W>
Datum unsigned_in(std::string_view s, int32_t, Arena&, EvalContext&) {
  // xid and its kin take whatever strtoul takes; rubbish is zero.
  return Datum{std::strtoull(std::string(s).c_str(), nullptr, 0) & (W == 4 ? 0xffffffffull : ~0ull)};
}
void oid_out(Datum v, std::string& out, EvalContext&) { append_int(v.as_oid(), out); }
void xid8_out(Datum v, std::string& out, EvalContext&) { out += std::to_string(v.bits); }
Datum oid_recv(std::string_view s, int32_t, Arena&, EvalContext&) {
  need_bytes(s, 4);
  return Datum::from_oid(load_be32(s.data()));
}
int oid_compare(Datum a, Datum b, Oid) { return a.as_oid() < b.as_oid() ? -1 : a.as_oid() > b.as_oid(); }
bool oid_equal(Datum a, Datum b, Oid) { return a.as_oid() == b.as_oid(); }
uint64_t oid_hash(Datum v, Oid) { return mix64(v.as_oid()); }
void oid_encode(Datum v, Oid, std::string& out) { put_be32(out, v.as_oid()); }
Datum oid_decode(std::string_view& in, Arena&) {
  need_key(in, 4);
  Datum d = Datum::from_oid(load_be32(in.data()));
  in.remove_prefix(4);
  return d;
}
int word_compare(Datum a, Datum b, Oid) { return a.bits < b.bits ? -1 : a.bits > b.bits; }
void word_encode(Datum v, Oid, std::string& out) { put_be64(out, v.bits); }
Datum word_decode(std::string_view& in, Arena&) {
  need_key(in, 8);
  Datum d{load_be64(in.data())};
  in.remove_prefix(8);
  return d;
}

Datum bool_in(std::string_view s, int32_t, Arena&, EvalContext&) { return Datum::from_bool(parse_bool(s)); }
void bool_out(Datum v, std::string& out, EvalContext&) { out += v.as_bool() ? 't' : 'f'; }
Datum bool_recv(std::string_view s, int32_t, Arena&, EvalContext&) {
  need_bytes(s, 1);
  return Datum::from_bool(s[0] != 0);
}
void byte_send(Datum v, std::string& out, EvalContext&) { out.push_back(static_cast<char>(v.bits)); }
void byte_encode(Datum v, Oid, std::string& out) { out.push_back(static_cast<char>(v.bits)); }
Datum byte_decode(std::string_view& in, Arena&) {
  need_key(in, 1);
  Datum d{static_cast<uint8_t>(in[0])};
  in.remove_prefix(1);
  return d;
}

// "char": one byte, held unsigned. \ooo reads and writes a byte that is not ASCII.
Datum char_in(std::string_view s, int32_t, Arena&, EvalContext&) {
  auto octal = [](char c, char top) { return c >= '0' && c <= top; };
  if (s.size() == 4 && s[0] == '\\' && octal(s[1], '3') && octal(s[2], '7') && octal(s[3], '7'))
    return Datum{static_cast<uint64_t>((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'))};
  return Datum{s.empty() ? 0ull : static_cast<uint8_t>(s[0])};
}
void char_out(Datum v, std::string& out, EvalContext&) {
  uint8_t c = static_cast<uint8_t>(v.bits);
  if (c & 0x80) {
    out += '\\';
    out += static_cast<char>('0' + (c >> 6));
    out += static_cast<char>('0' + (c >> 3 & 7));
    out += static_cast<char>('0' + (c & 7));
  } else if (c != 0) {
    out += static_cast<char>(c);
  }
}
Datum char_recv(std::string_view s, int32_t, Arena&, EvalContext&) {
  need_bytes(s, 1);
  return Datum{static_cast<uint8_t>(s[0])};
}

// ---- floats

Datum float8_in(std::string_view s, int32_t, Arena&, EvalContext&) { return Datum::from_double(parse_float8(s)); }
Datum float4_in(std::string_view s, int32_t, Arena&, EvalContext&) { return Datum::from_float(parse_float4(s)); }
void float8_out(Datum v, std::string& out, EvalContext& ctx) { append_float8(v.as_double(), ctx.extra_float_digits, out); }
void float4_out(Datum v, std::string& out, EvalContext& ctx) { append_float4(v.as_float(), ctx.extra_float_digits, out); }
Datum float4_recv(std::string_view s, int32_t, Arena&, EvalContext&) {
  need_bytes(s, 4);
  return Datum{load_be32(s.data())};
}
int float8_compare(Datum a, Datum b, Oid) { return compare_floats(a.as_double(), b.as_double()); }
bool float8_equal(Datum a, Datum b, Oid) { return compare_floats(a.as_double(), b.as_double()) == 0; }
int float4_compare(Datum a, Datum b, Oid) {
  return compare_floats(static_cast<double>(a.as_float()), static_cast<double>(b.as_float()));
}
bool float4_equal(Datum a, Datum b, Oid c) { return float4_compare(a, b, c) == 0; }
uint64_t hash_double(double v) {
  if (v == 0) v = 0;
  if (v != v) v = std::numeric_limits<double>::quiet_NaN();
  return mix64(std::bit_cast<uint64_t>(v));
}
uint64_t float8_hash(Datum v, Oid) { return hash_double(v.as_double()); }
uint64_t float4_hash(Datum v, Oid) { return hash_double(static_cast<double>(v.as_float())); }
void float8_encode(Datum v, Oid, std::string& out) {
  double d = v.as_double();
  if (d == 0) d = 0;
  if (d != d) d = std::numeric_limits<double>::quiet_NaN();
  uint64_t bits = std::bit_cast<uint64_t>(d);
  put_be64(out, bits >> 63 ? ~bits : bits | 0x8000000000000000ull);
}
Datum float8_decode(std::string_view& in, Arena&) {
  need_key(in, 8);
  uint64_t bits = load_be64(in.data());
  in.remove_prefix(8);
  return Datum{bits >> 63 ? bits & ~0x8000000000000000ull : ~bits};
}
void float4_encode(Datum v, Oid, std::string& out) {
  float f = v.as_float();
  if (f == 0) f = 0;
  if (f != f) f = std::numeric_limits<float>::quiet_NaN();
  uint32_t bits = std::bit_cast<uint32_t>(f);
  put_be32(out, bits >> 31 ? ~bits : bits | 0x80000000u);
}
Datum float4_decode(std::string_view& in, Arena&) {
  need_key(in, 4);
  uint32_t bits = load_be32(in.data());
  in.remove_prefix(4);
  return Datum{bits >> 31 ? bits & ~0x80000000u : static_cast<uint32_t>(~bits)};
}

}  // namespace

void register_scalar_types(TypeTable& t) {
  t.ops(oid::kInt2, {int_compare, int_equal, int_hash, int_encode<2>, int_decode<2>, fixed_skip<2>});
  t.ops(oid::kInt4, {int_compare, int_equal, int_hash, int_encode<4>, int_decode<4>, fixed_skip<4>});
  t.ops(oid::kInt8, {int_compare, int_equal, int_hash, int_encode<8>, int_decode<8>, fixed_skip<8>});
  t.ops(oid::kMoney, {int_compare, int_equal, int_hash, int_encode<8>, int_decode<8>, fixed_skip<8>});
  t.ops(oid::kFloat4, {float4_compare, float4_equal, float4_hash, float4_encode, float4_decode, fixed_skip<4>});
  t.ops(oid::kFloat8, {float8_compare, float8_equal, float8_hash, float8_encode, float8_decode, fixed_skip<8>});
  const TypeOps oid_ops{oid_compare, oid_equal, oid_hash, oid_encode, oid_decode, fixed_skip<4>};
  for (Oid type : {oid::kOid, oid::kRegproc, oid::kRegprocedure, oid::kRegoper, oid::kRegoperator, oid::kRegclass,
                   oid::kRegtype, oid::kRegconfig, oid::kRegdictionary, oid::kRegnamespace, oid::kRegrole,
                   oid::kRegcollation})
    t.ops(type, oid_ops);
  // Transaction ids wrap: they have equality, and no order.
  for (Oid type : {oid::kXid, oid::kCid}) t.ops(type, {nullptr, oid_equal, oid_hash, oid_encode, oid_decode, fixed_skip<4>});
  for (Oid type : {oid::kXid8, oid::kPgLsn})
    t.ops(type, {word_compare, int_equal, int_hash, word_encode, word_decode, fixed_skip<8>});
  for (Oid type : {oid::kBool, oid::kChar})
    t.ops(type, {word_compare, int_equal, int_hash, byte_encode, byte_decode, fixed_skip<1>});

  t.io(oid::kBool, {bool_in, bool_out, bool_recv, byte_send});
  t.io(oid::kChar, {char_in, char_out, char_recv, byte_send});
  t.io(oid::kInt2, {int2_in, int_out, int2_recv, int2_send});
  t.io(oid::kInt4, {int4_in, int4_out, int4_recv, int4_send});
  t.io(oid::kInt8, {int8_in, int_out, int8_recv, int8_send});
  t.io(oid::kOid, {oid_in, oid_out, oid_recv, int4_send});
  t.io(oid::kXid, {unsigned_in<4>, oid_out, oid_recv, int4_send});
  t.io(oid::kCid, {unsigned_in<4>, oid_out, oid_recv, int4_send});
  t.io(oid::kXid8, {unsigned_in<8>, xid8_out, int8_recv, int8_send});
  t.io(oid::kFloat4, {float4_in, float4_out, float4_recv, int4_send});
  t.io(oid::kFloat8, {float8_in, float8_out, int8_recv, int8_send});
}

void register_scalar_functions(FunctionRegistry& r) {
#define STELE_IO(name, in, out, recv, send)    \
  r.add(name "in", &input_function<in>);       \
  r.add(name "out", &output_function<out>);    \
  r.add(name "recv", &input_function<recv>);   \
  r.add(name "send", &output_function<send>);
  STELE_IO("bool", bool_in, bool_out, bool_recv, byte_send)
  STELE_IO("char", char_in, char_out, char_recv, byte_send)
  STELE_IO("int2", int2_in, int_out, int2_recv, int2_send)
  STELE_IO("int4", int4_in, int4_out, int4_recv, int4_send)
  STELE_IO("int8", int8_in, int_out, int8_recv, int8_send)
  STELE_IO("oid", oid_in, oid_out, oid_recv, int4_send)
  STELE_IO("xid", unsigned_in<4>, oid_out, oid_recv, int4_send)
  STELE_IO("cid", unsigned_in<4>, oid_out, oid_recv, int4_send)
  STELE_IO("xid8", unsigned_in<8>, xid8_out, int8_recv, int8_send)
  STELE_IO("float4", float4_in, float4_out, float4_recv, int4_send)
  STELE_IO("float8", float8_in, float8_out, int8_recv, int8_send)
#undef STELE_IO
  for (const char* name : {"regprocrecv", "regprocedurerecv", "regoperrecv", "regoperatorrecv", "regclassrecv",
                           "regtyperecv", "regconfigrecv", "regdictionaryrecv", "regnamespacerecv", "regrolerecv",
                           "regcollationrecv"})
    r.add(name, &input_function<oid_recv>);
  for (const char* name : {"regprocsend", "regproceduresend", "regopersend", "regoperatorsend", "regclasssend",
                           "regtypesend", "regconfigsend", "regdictionarysend", "regnamespacesend", "regrolesend",
                           "regcollationsend"})
    r.add(name, &output_function<int4_send>);
}

}  // namespace stele
