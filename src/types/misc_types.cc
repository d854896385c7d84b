// Smaller types and what fits nowhere else: tid, money, pg_lsn, aclitem, format_type, random seeds.
#include "base/codec.h"
#include "base/error.h"
#include "types/array.h"
#include "types/big_decimal.h"
#include "types/builtin.h"
#include "types/composite_io.h"
#include "types/format_type.h"
#include "types/function.h"
#include "types/hash.h"
#include "types/numeric.h"
#include "types/oids.h"
#include "types/scalar_io.h"
#include "types/text.h"
#include "types/type_registry.h"

namespace stele {
namespace {

[[noreturn]] void bad_syntax(const char* type, std::string_view s) {
  throw Error(ErrorCode::kInvalidTextRepresentation, fmt::format("invalid input syntax for type {}: \"{}\"", type, s));
}
void need_key(std::string_view in, size_t n) {
  if (in.size() < n) throw Error(ErrorCode::kIndexCorrupted, "index key is too short");
}

// ---- tid: block (4 bytes) and offset (2 bytes), big-endian, so that bytes order as values do

std::string make_tid(uint32_t block, uint16_t offset) {
  std::string s;
  put_be32(s, block);
  put_be16(s, offset);
  return s;
}
Datum tid_in(std::string_view text, int32_t, Arena& arena, EvalContext&) {
  unsigned long long block = 0, offset = 0;
  char end = 0;
  std::string s(text);
  if (std::sscanf(s.c_str(), "(%llu,%llu%c", &block, &offset, &end) != 3 || end != ')' || block > UINT32_MAX || offset > UINT16_MAX)
    bad_syntax("tid", text);
  return make_bytes(arena, make_tid(static_cast<uint32_t>(block), static_cast<uint16_t>(offset)));
}
void tid_out(Datum v, std::string& out, EvalContext&) {
  const char* p = v.as_view().data();
  out += fmt::format("({},{})", load_be32(p), __builtin_bswap16(load_le<uint16_t>(p + 4)));
}
Datum tid_recv(std::string_view s, int32_t, Arena& arena, EvalContext&) {
  if (s.size() != 6) throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
  return make_bytes(arena, s);
}
void bytes_send(Datum v, std::string& out, EvalContext&) { out += v.as_view(); }
int bytes_compare(Datum a, Datum b, Oid) { return compare_text(a.as_view(), b.as_view(), oid::kCCollation); }
bool bytes_equal(Datum a, Datum b, Oid) { return a.as_view() == b.as_view(); }
uint64_t bytes_hash(Datum v, Oid) { return hash_bytes(v.as_view()); }
void fixed_encode(Datum v, Oid, std::string& out) { out += v.as_view(); }
Datum tid_decode(std::string_view& in, Arena& arena) {
  need_key(in, 6);
  Datum d = make_bytes(arena, in.substr(0, 6));
  in.remove_prefix(6);
  return d;
}
void tid_skip(std::string_view& in) {
  need_key(in, 6);
  in.remove_prefix(6);
}

void register_tid(FunctionRegistry& r) {
  r.add("tidin", &input_function<tid_in>);
  r.add("tidout", &output_function<tid_out>);
  r.add("tidrecv", &input_function<tid_recv>);
  r.add("tidsend", &output_function<bytes_send>);
  r.add("tideq", [](FnCall& c) { return Datum::from_bool(c.text_arg(0) == c.text_arg(1)); });
  r.add("tidne", [](FnCall& c) { return Datum::from_bool(c.text_arg(0) != c.text_arg(1)); });
  r.add("tidlt", [](FnCall& c) { return Datum::from_bool(bytes_compare(c.arg(0), c.arg(1), 0) < 0); });
  r.add("tidle", [](FnCall& c) { return Datum::from_bool(bytes_compare(c.arg(0), c.arg(1), 0) <= 0); });
  r.add("tidgt", [](FnCall& c) { return Datum::from_bool(bytes_compare(c.arg(0), c.arg(1), 0) > 0); });
  r.add("tidge", [](FnCall& c) { return Datum::from_bool(bytes_compare(c.arg(0), c.arg(1), 0) >= 0); });
  r.add("bttidcmp", [](FnCall& c) { return Datum::from_int(bytes_compare(c.arg(0), c.arg(1), 0)); });
  r.add("tidlarger", [](FnCall& c) { return bytes_compare(c.arg(0), c.arg(1), 0) > 0 ? c.arg(0) : c.arg(1); });
  r.add("tidsmaller", [](FnCall& c) { return bytes_compare(c.arg(0), c.arg(1), 0) < 0 ? c.arg(0) : c.arg(1); });
  // PostgreSQL stores a block as its high and its low half, each and the offset little-endian.
  static constexpr auto kStored = [](std::string_view s) { return std::string{s[1], s[0], s[3], s[2], s[5], s[4]}; };
  r.add("hashtid", [](FnCall& c) { return Datum::from_int(static_cast<int32_t>(pg_hash_any(kStored(c.text_arg(0))))); });
  r.add("hashtidextended", [](FnCall& c) { return Datum{pg_hash_any_extended(kStored(c.text_arg(0)), c.arg(1).bits)}; });
}

// ---- money: cents in the word; dollars as under lc_monetary C

Datum cash_in(std::string_view text, int32_t, Arena&, EvalContext&) {
  std::string_view s = text;
  size_t i = 0;
  auto skip = [&] { while (i < s.size() && is_array_space(s[i])) ++i; };
  skip();
  bool negative = false;
  if (i < s.size() && s[i] == '$') ++i;
  skip();
  if (i < s.size() && (s[i] == '-' || s[i] == '(')) {
    negative = true;
    ++i;
  } else if (i < s.size() && s[i] == '+') {
    ++i;
  }
  skip();
  if (i < s.size() && s[i] == '$') ++i;
  skip();
  int64_t v = 0;
  int decimals = 0;
  bool point = false, overflow = false;
  for (; i < s.size(); ++i) {
    if (s[i] >= '0' && s[i] <= '9' && (!point || decimals < 2)) {
      overflow |= __builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, s[i] - '0', &v);
      decimals += point;
    } else if (s[i] == '.' && !point) {
      point = true;
    } else if (s[i] == ',') {
      continue;
    } else {
      break;
    }
  }
  bool up = i < s.size() && s[i] >= '5' && s[i] <= '9';
  for (; decimals < 2; ++decimals) overflow |= __builtin_mul_overflow(v, 10, &v);
  if (up) overflow |= __builtin_sub_overflow(v, 1, &v);
  while (i < s.size() && s[i] >= '0' && s[i] <= '9') ++i;
  for (; i < s.size(); ++i) {
    if (is_array_space(s[i]) || s[i] == ')' || s[i] == '$') continue;
    if (s[i] == '-') negative = true;
    else if (s[i] != '+') bad_syntax("money", text);
  }
  if (!negative) overflow |= __builtin_sub_overflow(0, v, &v);
  if (overflow)
    throw Error(ErrorCode::kNumericValueOutOfRange, fmt::format("value \"{}\" is out of range for type money", text));
  return Datum::from_int(v);
}
void cash_out(Datum d, std::string& out, EvalContext&) {
  int64_t v = d.as_int();
  uint64_t u = v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v);
  std::string whole = std::to_string(u / 100);
  for (int i = static_cast<int>(whole.size()) - 3; i > 0; i -= 3) whole.insert(static_cast<size_t>(i), ",");
  out += fmt::format("{}${}.{:02}", v < 0 ? "-" : "", whole, u % 100);
}
Datum cash_recv(std::string_view s, int32_t, Arena&, EvalContext&) {
  if (s.size() != 8) throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
  return Datum{load_be64(s.data())};
}
void cash_send(Datum v, std::string& out, EvalContext&) { put_be64(out, v.bits); }
[[noreturn]] void money_range() { throw Error(ErrorCode::kNumericValueOutOfRange, "money out of range"); }
Datum from_rounded(double v) {
  v = std::rint(v);
  if (std::isnan(v) || v < -9223372036854775808.0 || v >= 9223372036854775808.0) money_range();
  return Datum::from_int(static_cast<int64_t>(v));
}
Datum cash_scale(int64_t cash, double factor, bool divide) {
  if (divide && factor == 0) division_by_zero();
  return from_rounded(divide ? static_cast<double>(cash) / factor : static_cast<double>(cash) * factor);
}
Datum cash_times(int64_t a, int64_t b) {
  int64_t v;
  if (__builtin_mul_overflow(a, b, &v)) money_range();
  return Datum::from_int(v);
}
Datum cash_over(int64_t a, int64_t b) {
  if (b == 0) division_by_zero();
  return Datum::from_int(b == -1 ? -a : a / b);
}

std::string below_thousand(uint64_t n) {
  static const char* const kSmall[] = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
                                       "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
                                       "eighteen", "nineteen"};
  static const char* const kTens[] = {"", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"};
  auto below_hundred = [&](uint64_t v) {
    if (v < 20) return std::string(kSmall[v]);
    return std::string(kTens[v / 10]) + (v % 10 != 0 ? std::string(" ") + kSmall[v % 10] : "");
  };
  if (n < 100) return below_hundred(n);
  const std::string s = std::string(kSmall[n / 100]) + " hundred";
  if (n % 100 == 0) return s;
  return s + (n % 100 < 20 && !(n % 10 == 0 && n % 100 > 10) ? " and " : " ") + below_hundred(n % 100);
}
std::string cash_words(int64_t cash) {
  uint64_t v = cash < 0 ? 0 - static_cast<uint64_t>(cash) : static_cast<uint64_t>(cash), dollars = v / 100;
  std::string out = cash < 0 ? "minus " : "";
  static constexpr struct { uint64_t unit; const char* name; } kUnits[] = {
      {1000000000000000ull, "quadrillion"}, {1000000000000ull, "trillion"}, {1000000000ull, "billion"},
      {1000000ull, "million"}, {1000ull, "thousand"}, {1ull, ""}};
  // The blanks between are PostgreSQL's, doubled ones too.
  for (const auto& u : kUnits) {
    const uint64_t part = dollars / u.unit % 1000;
    if (part == 0) continue;
    out += below_thousand(part);
    if (u.name[0] != 0) out += std::string(" ") + u.name + " ";
  }
  if (dollars == 0) out += "zero";
  out += dollars == 1 ? " dollar and " : " dollars and ";
  out += below_thousand(v % 100) + (v % 100 == 1 ? " cent" : " cents");
  out[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(out[0])));
  return out;
}

void register_money(FunctionRegistry& r) {
  r.add("cash_in", &input_function<cash_in>);
  r.add("cash_out", &output_function<cash_out>);
  r.add("cash_recv", &input_function<cash_recv>);
  r.add("cash_send", &output_function<cash_send>);
  r.add("cash_pl", [](FnCall& c) {
    int64_t v;
    if (__builtin_add_overflow(c.int_arg(0), c.int_arg(1), &v)) money_range();
    return Datum::from_int(v);
  });
  r.add("cash_mi", [](FnCall& c) {
    int64_t v;
    if (__builtin_sub_overflow(c.int_arg(0), c.int_arg(1), &v)) money_range();
    return Datum::from_int(v);
  });
  for (const char* n : {"cash_mul_int8", "cash_mul_int4", "cash_mul_int2", "int8_mul_cash", "int4_mul_cash", "int2_mul_cash"})
    r.add(n, [](FnCall& c) { return cash_times(c.int_arg(0), c.int_arg(1)); });
  for (const char* n : {"cash_div_int8", "cash_div_int4", "cash_div_int2"})
    r.add(n, [](FnCall& c) { return cash_over(c.int_arg(0), c.int_arg(1)); });
  r.add("cash_mul_flt8", [](FnCall& c) { return cash_scale(c.int_arg(0), c.arg(1).as_double(), false); });
  r.add("flt8_mul_cash", [](FnCall& c) { return cash_scale(c.int_arg(1), c.arg(0).as_double(), false); });
  r.add("cash_div_flt8", [](FnCall& c) { return cash_scale(c.int_arg(0), c.arg(1).as_double(), true); });
  r.add("cash_mul_flt4", [](FnCall& c) { return cash_scale(c.int_arg(0), static_cast<double>(c.arg(1).as_float()), false); });
  r.add("flt4_mul_cash", [](FnCall& c) { return cash_scale(c.int_arg(1), static_cast<double>(c.arg(0).as_float()), false); });
  r.add("cash_div_flt4", [](FnCall& c) { return cash_scale(c.int_arg(0), static_cast<double>(c.arg(1).as_float()), true); });
  r.add("cash_div_cash", [](FnCall& c) {
    if (c.int_arg(1) == 0) division_by_zero();
    return Datum::from_double(static_cast<double>(c.int_arg(0)) / static_cast<double>(c.int_arg(1)));
  });
  for (const char* n : {"int4_cash", "int8_cash"})
    r.add(n, [](FnCall& c) {
      int64_t v;
      if (__builtin_mul_overflow(c.int_arg(0), int64_t{100}, &v)) int_out_of_range(8);
      return Datum::from_int(v);
    });
  r.add("cash_words", [](FnCall& c) { return c.text(cash_words(c.int_arg(0))); });
  r.add("cash_numeric", [](FnCall& c) { return make_numeric(c.int_arg(0), 2, *c.arena); });
  r.add("numeric_cash", [](FnCall& c) {
    Datum cents = numeric_mul(c.arg(0), make_numeric(int64_t{100}, 0, *c.arena), *c.arena);
    return Datum::from_int(numeric_to_int(cents, 8));
  });
}

// ---- pg_lsn: a position in the log, in the word

Datum lsn_in(std::string_view text, int32_t, Arena&, EvalContext&) {
  size_t slash = text.find('/');
  auto part = [&](std::string_view s) -> uint64_t {
    if (s.empty() || s.size() > 8) bad_syntax("pg_lsn", text);
    uint64_t v = 0;
    for (char c : s) {
      if (!std::isxdigit(static_cast<unsigned char>(c))) bad_syntax("pg_lsn", text);
      v = v * 16 + static_cast<uint64_t>(std::isdigit(static_cast<unsigned char>(c)) ? c - '0' : (c | 32) - 'a' + 10);
    }
    return v;
  };
  if (slash == std::string_view::npos) bad_syntax("pg_lsn", text);
  return Datum{part(text.substr(0, slash)) << 32 | part(text.substr(slash + 1))};
}
void lsn_out(Datum v, std::string& out, EvalContext&) {
  out += fmt::format("{:X}/{:X}", v.bits >> 32, v.bits & 0xffffffffu);
}
Datum lsn_plus(FnCall& c, Datum lsn, Datum n, bool minus) {
  if (!numeric_is_finite(n))
    throw Error(ErrorCode::kFeatureNotSupported,
                numeric_is_nan(n) ? (minus ? "cannot subtract NaN from pg_lsn" : "cannot add NaN to pg_lsn")
                                  : "cannot convert infinity to pg_lsn");
  Datum base = make_numeric_wide(static_cast<Int128>(lsn.bits), 0, *c.arena);
  Decimal d = decimal_round(decimal_of(minus ? numeric_sub(base, n, *c.arena) : numeric_add(base, n, *c.arena)), 0);
  unsigned __int128 v;
  if (d.negative || !big::to_u128(d.mag, v) || v > UINT64_MAX)
    throw Error(ErrorCode::kInvalidParameterValue, "pg_lsn out of range");
  return Datum{static_cast<uint64_t>(v)};
}

// ---- aclitem, kept as its text: privileges are the catalogue's business

Datum acl_in(std::string_view s, int32_t, Arena& arena, EvalContext&) {
  if (s.find('=') == std::string_view::npos)
    throw Error(ErrorCode::kInvalidTextRepresentation, "missing \"=\" sign");
  return make_bytes(arena, s);
}

}  // namespace

void register_misc_types(TypeTable& t) {
  t.ops(oid::kTid, {bytes_compare, bytes_equal, bytes_hash, fixed_encode, tid_decode, tid_skip});
  t.io(oid::kTid, {tid_in, tid_out, tid_recv, bytes_send});
  t.io(oid::kMoney, {cash_in, cash_out, cash_recv, cash_send});
  t.io(oid::kPgLsn, {lsn_in, lsn_out, cash_recv, cash_send});
  t.io(oid::kAclitem, {acl_in, bytes_send, nullptr, nullptr});
  t.ops(oid::kAclitem, {nullptr, bytes_equal, bytes_hash, nullptr, nullptr, nullptr});
}

void register_misc_functions(FunctionRegistry& r) {
  register_tid(r);
  register_money(r);
  r.add("pg_lsn_in", &input_function<lsn_in>);
  r.add("pg_lsn_out", &output_function<lsn_out>);
  r.add("pg_lsn_recv", &input_function<cash_recv>);
  r.add("pg_lsn_send", &output_function<cash_send>);
  r.add("pg_lsn_mi", [](FnCall& c) {
    return make_numeric_wide(static_cast<Int128>(c.arg(0).bits) - static_cast<Int128>(c.arg(1).bits), 0, *c.arena);
  });
  r.add("pg_lsn_pli", [](FnCall& c) { return lsn_plus(c, c.arg(0), c.arg(1), false); });
  r.add("pg_lsn_mii", [](FnCall& c) { return lsn_plus(c, c.arg(0), c.arg(1), true); });
  r.add("sql:numeric_pl_pg_lsn/numeric,pg_lsn", [](FnCall& c) { return lsn_plus(c, c.arg(1), c.arg(0), false); });
  r.add("aclitemin", &input_function<acl_in>);
  r.add("aclitemout", &output_function<bytes_send>);
  r.add("aclitem_eq", [](FnCall& c) { return Datum::from_bool(c.text_arg(0) == c.text_arg(1)); });
  r.add("hash_aclitem", [](FnCall& c) { return Datum::from_int(static_cast<int32_t>(pg_hash_any(c.text_arg(0)))); });

  r.add("format_type", [](FnCall& c) {
    if (c.is_null(0)) return c.null();
    // Without its length char is another type than char(1), and so is bit.
    if (!c.is_null(1) && c.int_arg(1) == -1) {
      if (c.arg(0).as_oid() == oid::kBpchar) return c.text("bpchar");
      if (c.arg(0).as_oid() == oid::kBit) return c.text("\"bit\"");
    }
    return c.text(format_type_sql(c.arg(0).as_oid(), c.is_null(1) ? -1 : static_cast<int32_t>(c.int_arg(1)), c.context));
  });
  r.add("oidvectortypes", [](FnCall& c) {
    ArrayView a(c.arg(0));
    std::string out;
    for (int i = 0; i < a.count(); ++i) {
      if (i > 0) out += ", ";
      out += format_type_sql(a.get(i).as_oid(), -1, c.context);
    }
    return c.text(out);
  });
  r.add("hashfloat8extended", [](FnCall& c) {
    double v = c.arg(0).as_double();
    if (v == 0) return c.arg(1);
    char bytes[8];
    std::memcpy(bytes, &v, 8);
    return Datum{pg_hash_any_extended({bytes, 8}, c.arg(1).bits)};
  });
  r.add("hashfloat4extended", [](FnCall& c) {
    double v = static_cast<double>(c.arg(0).as_float());
    if (v == 0) return c.arg(1);
    char bytes[8];
    std::memcpy(bytes, &v, 8);
    return Datum{pg_hash_any_extended({bytes, 8}, c.arg(1).bits)};
  });
  r.add("btequalimage", [](FnCall&) { return Datum::from_bool(true); });
  r.add("btvarstrequalimage", [](FnCall& c) { return Datum::from_bool(collation_is_deterministic(c.collation)); });
  r.add("record_image_lt", [](FnCall& c) { return Datum::from_bool(bytes_compare(c.arg(0), c.arg(1), 0) < 0); });
  r.add("record_image_le", [](FnCall& c) { return Datum::from_bool(bytes_compare(c.arg(0), c.arg(1), 0) <= 0); });
  r.add("record_image_gt", [](FnCall& c) { return Datum::from_bool(bytes_compare(c.arg(0), c.arg(1), 0) > 0); });
  r.add("record_image_ge", [](FnCall& c) { return Datum::from_bool(bytes_compare(c.arg(0), c.arg(1), 0) >= 0); });
  r.add("btrecordimagecmp", [](FnCall& c) { return Datum::from_int(bytes_compare(c.arg(0), c.arg(1), 0)); });
}

}  // namespace stele
