// Operators and functions of bool, the integers and oid.
#include "base/error.h"
#include "types/array.h"
#include "types/function.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/scalar_io.h"

namespace stele {
namespace {

template <typename T>
constexpr int kWidth = static_cast<int>(sizeof(T));

template <typename T>
Datum checked(int64_t v) {
  if (v != static_cast<T>(v)) int_out_of_range(kWidth<T>);
  return Datum::from_int(v);
}
// Results have the wider type of both sides; the words hold both sign-extended.
template <typename R>
Datum int_add(FnCall& c) {
  int64_t v;
  if (__builtin_add_overflow(c.int_arg(0), c.int_arg(1), &v)) int_out_of_range(kWidth<R>);
  return checked<R>(v);
}
template <typename R>
Datum int_sub(FnCall& c) {
  int64_t v;
  if (__builtin_sub_overflow(c.int_arg(0), c.int_arg(1), &v)) int_out_of_range(kWidth<R>);
  return checked<R>(v);
}
template <typename R>
Datum int_mul(FnCall& c) {
  int64_t v;
  if (__builtin_mul_overflow(c.int_arg(0), c.int_arg(1), &v)) int_out_of_range(kWidth<R>);
  return checked<R>(v);
}
template <typename R>
Datum int_div(FnCall& c) {
  int64_t a = c.int_arg(0), b = c.int_arg(1);
  if (b == 0) division_by_zero();
  if (b == -1) {
    if (a == std::numeric_limits<R>::min()) int_out_of_range(kWidth<R>);
    return Datum::from_int(-a);
  }
  return Datum::from_int(a / b);
}
Datum int_mod(FnCall& c) {
  int64_t b = c.int_arg(1);
  if (b == 0) division_by_zero();
  return Datum::from_int(b == -1 ? 0 : c.int_arg(0) % b);
}
template <typename R>
Datum int_negate(FnCall& c) {
  if (c.int_arg(0) == std::numeric_limits<R>::min()) int_out_of_range(kWidth<R>);
  return Datum::from_int(-c.int_arg(0));
}
template <typename R>
Datum int_abs(FnCall& c) {
  if (c.int_arg(0) == std::numeric_limits<R>::min()) int_out_of_range(kWidth<R>);
  return Datum::from_int(std::abs(c.int_arg(0)));
}
Datum same(FnCall& c) { return c.arg(0); }
template <typename R>
Datum int_cast(FnCall& c) { return checked<R>(c.int_arg(0)); }
Datum int_and(FnCall& c) { return Datum::from_int(c.int_arg(0) & c.int_arg(1)); }
Datum int_or(FnCall& c) { return Datum::from_int(c.int_arg(0) | c.int_arg(1)); }
Datum int_xor(FnCall& c) { return Datum::from_int(c.int_arg(0) ^ c.int_arg(1)); }
Datum int_not(FnCall& c) { return Datum::from_int(~c.int_arg(0)); }
// Shift counts wrap at the machine's width, as the hardware under PostgreSQL does.
template <typename R>
Datum int_shl(FnCall& c) {
  int bits = kWidth<R> == 8 ? 63 : 31;
  return Datum::from_int(static_cast<R>(static_cast<uint64_t>(c.int_arg(0)) << (c.int_arg(1) & bits)));
}
template <typename R>
Datum int_shr(FnCall& c) {
  int bits = kWidth<R> == 8 ? 63 : 31;
  return Datum::from_int(c.int_arg(0) >> (c.int_arg(1) & bits));
}
Datum int_larger(FnCall& c) { return c.int_arg(0) > c.int_arg(1) ? c.arg(0) : c.arg(1); }
Datum int_smaller(FnCall& c) { return c.int_arg(0) < c.int_arg(1) ? c.arg(0) : c.arg(1); }
Datum int_eq(FnCall& c) { return Datum::from_bool(c.int_arg(0) == c.int_arg(1)); }
Datum int_ne(FnCall& c) { return Datum::from_bool(c.int_arg(0) != c.int_arg(1)); }
Datum int_lt(FnCall& c) { return Datum::from_bool(c.int_arg(0) < c.int_arg(1)); }
Datum int_le(FnCall& c) { return Datum::from_bool(c.int_arg(0) <= c.int_arg(1)); }
Datum int_gt(FnCall& c) { return Datum::from_bool(c.int_arg(0) > c.int_arg(1)); }
Datum int_ge(FnCall& c) { return Datum::from_bool(c.int_arg(0) >= c.int_arg(1)); }
Datum int_cmp(FnCall& c) { return Datum::from_int(c.int_arg(0) < c.int_arg(1) ? -1 : c.int_arg(0) > c.int_arg(1)); }

Datum oid_eq(FnCall& c) { return Datum::from_bool(c.arg(0).as_oid() == c.arg(1).as_oid()); }
Datum oid_ne(FnCall& c) { return Datum::from_bool(c.arg(0).as_oid() != c.arg(1).as_oid()); }
Datum oid_lt(FnCall& c) { return Datum::from_bool(c.arg(0).as_oid() < c.arg(1).as_oid()); }
Datum oid_le(FnCall& c) { return Datum::from_bool(c.arg(0).as_oid() <= c.arg(1).as_oid()); }
Datum oid_gt(FnCall& c) { return Datum::from_bool(c.arg(0).as_oid() > c.arg(1).as_oid()); }
Datum oid_ge(FnCall& c) { return Datum::from_bool(c.arg(0).as_oid() >= c.arg(1).as_oid()); }
Datum oid_cmp(FnCall& c) {
  return Datum::from_int(c.arg(0).as_oid() < c.arg(1).as_oid() ? -1 : c.arg(0).as_oid() > c.arg(1).as_oid());
}
Datum word_eq(FnCall& c) { return Datum::from_bool(c.arg(0).bits == c.arg(1).bits); }
Datum word_ne(FnCall& c) { return Datum::from_bool(c.arg(0).bits != c.arg(1).bits); }
Datum word_lt(FnCall& c) { return Datum::from_bool(c.arg(0).bits < c.arg(1).bits); }
Datum word_le(FnCall& c) { return Datum::from_bool(c.arg(0).bits <= c.arg(1).bits); }
Datum word_gt(FnCall& c) { return Datum::from_bool(c.arg(0).bits > c.arg(1).bits); }
Datum word_ge(FnCall& c) { return Datum::from_bool(c.arg(0).bits >= c.arg(1).bits); }
Datum word_cmp(FnCall& c) { return Datum::from_int(c.arg(0).bits < c.arg(1).bits ? -1 : c.arg(0).bits > c.arg(1).bits); }
Datum word_larger(FnCall& c) { return c.arg(0).bits > c.arg(1).bits ? c.arg(0) : c.arg(1); }
Datum word_smaller(FnCall& c) { return c.arg(0).bits < c.arg(1).bits ? c.arg(0) : c.arg(1); }

template <typename T>
uint64_t gcd_of(int64_t a, int64_t b) {
  uint64_t x = a < 0 ? 0 - static_cast<uint64_t>(a) : static_cast<uint64_t>(a);
  uint64_t y = b < 0 ? 0 - static_cast<uint64_t>(b) : static_cast<uint64_t>(b);
  while (y != 0) {
    uint64_t t = x % y;
    x = y;
    y = t;
  }
  if (x > static_cast<uint64_t>(std::numeric_limits<T>::max())) int_out_of_range(kWidth<T>);
  return x;
}
template <typename T>
Datum int_gcd(FnCall& c) { return Datum::from_int(static_cast<int64_t>(gcd_of<T>(c.int_arg(0), c.int_arg(1)))); }
template <typename T>
Datum int_lcm(FnCall& c) {
  int64_t a = c.int_arg(0), b = c.int_arg(1);
  if (a == 0 || b == 0) return Datum::from_int(0);
  int64_t v = a / static_cast<int64_t>(gcd_of<T>(a, b));
  if (__builtin_mul_overflow(v, b, &v) || v == std::numeric_limits<T>::min()) int_out_of_range(kWidth<T>);
  return checked<T>(v < 0 ? -v : v);
}

// in_range(value, base, offset, subtract, less) for RANGE frames.
Datum int_in_range(FnCall& c) {
  int64_t value = c.int_arg(0), base = c.int_arg(1), offset = c.int_arg(2), sum;
  bool subtract = c.arg(3).as_bool(), less = c.arg(4).as_bool();
  if (offset < 0)
    throw Error(ErrorCode::kInvalidPrecedingOrFollowingSize, "invalid preceding or following size in window function");
  bool overflow = subtract ? __builtin_sub_overflow(base, offset, &sum) : __builtin_add_overflow(base, offset, &sum);
  // Past the end of the type: the bound lies beyond every value.
  if (overflow) return Datum::from_bool(subtract ? !less : less);
  return Datum::from_bool(less ? value <= sum : value >= sum);
}

Datum hash_int4(FnCall& c) { return Datum::from_int(static_cast<int32_t>(pg_hash_uint32(static_cast<uint32_t>(c.arg(0).bits)))); }
Datum hash_int4_extended(FnCall& c) {
  return Datum{pg_hash_uint32_extended(static_cast<uint32_t>(c.arg(0).bits), c.arg(1).bits)};
}
// Equal to hashint4 for values that fit, so that the types can meet in one hash family.
uint32_t fold_int8(int64_t v) {
  uint32_t low = static_cast<uint32_t>(v), high = static_cast<uint32_t>(static_cast<uint64_t>(v) >> 32);
  return low ^ (v >= 0 ? high : ~high);
}
Datum hash_int8(FnCall& c) { return Datum::from_int(static_cast<int32_t>(pg_hash_uint32(fold_int8(c.int_arg(0))))); }
Datum hash_int8_extended(FnCall& c) { return Datum{pg_hash_uint32_extended(fold_int8(c.int_arg(0)), c.arg(1).bits)}; }

// ---- series

class IntSeries : public SetRows {
 public:
  IntSeries(int64_t start, int64_t stop, int64_t step, bool four_bytes)
      : next_(start), stop_(stop), step_(step), four_bytes_(four_bytes) {}
  bool next(FnCall&, Datum* out, bool* nulls) override {
    if (done_ || (step_ > 0 ? next_ > stop_ : next_ < stop_)) return false;
    out[0] = Datum::from_int(next_);
    nulls[0] = false;
    done_ = __builtin_add_overflow(next_, step_, &next_) || (four_bytes_ && next_ != static_cast<int32_t>(next_));
    return true;
  }

 private:
  int64_t next_, stop_, step_;
  bool four_bytes_;
  bool done_ = false;
};
template <bool kFour>
std::unique_ptr<SetRows> int_series(FnCall& c) {
  int64_t step = c.nargs > 2 ? c.int_arg(2) : 1;
  if (step == 0) throw Error(ErrorCode::kInvalidParameterValue, "step size cannot equal zero");
  return std::make_unique<IntSeries>(c.int_arg(0), c.int_arg(1), step, kFour);
}

}  // namespace

void register_int_functions(FunctionRegistry& r) {
  // Every pair of widths has its own name in pg_proc and the same code here.
  for (const char* n : {"int2eq", "int4eq", "int8eq", "int24eq", "int42eq", "int28eq", "int82eq", "int48eq", "int84eq", "cash_eq"}) r.add(n, int_eq);
  for (const char* n : {"int2ne", "int4ne", "int8ne", "int24ne", "int42ne", "int28ne", "int82ne", "int48ne", "int84ne", "cash_ne"}) r.add(n, int_ne);
  for (const char* n : {"int2lt", "int4lt", "int8lt", "int24lt", "int42lt", "int28lt", "int82lt", "int48lt", "int84lt", "cash_lt"}) r.add(n, int_lt);
  for (const char* n : {"int2le", "int4le", "int8le", "int24le", "int42le", "int28le", "int82le", "int48le", "int84le", "cash_le"}) r.add(n, int_le);
  for (const char* n : {"int2gt", "int4gt", "int8gt", "int24gt", "int42gt", "int28gt", "int82gt", "int48gt", "int84gt", "cash_gt"}) r.add(n, int_gt);
  for (const char* n : {"int2ge", "int4ge", "int8ge", "int24ge", "int42ge", "int28ge", "int82ge", "int48ge", "int84ge", "cash_ge"}) r.add(n, int_ge);
  for (const char* n : {"btint4cmp", "btint8cmp", "btint24cmp", "btint42cmp", "btint28cmp", "btint82cmp", "btint48cmp", "btint84cmp", "cash_cmp"}) r.add(n, int_cmp);
  for (const char* n : {"int2larger", "int4larger", "int8larger", "cashlarger"}) r.add(n, int_larger);
  for (const char* n : {"int2smaller", "int4smaller", "int8smaller", "cashsmaller"}) r.add(n, int_smaller);
  r.add("int2pl", int_add<int16_t>);
  r.add("int2mi", int_sub<int16_t>);
  r.add("int2mul", int_mul<int16_t>);
  r.add("int2div", int_div<int16_t>);
  for (const char* n : {"int4pl", "int24pl", "int42pl"}) r.add(n, int_add<int32_t>);
  for (const char* n : {"int4mi", "int24mi", "int42mi"}) r.add(n, int_sub<int32_t>);
  for (const char* n : {"int4mul", "int24mul", "int42mul"}) r.add(n, int_mul<int32_t>);
  for (const char* n : {"int4div", "int24div", "int42div"}) r.add(n, int_div<int32_t>);
  for (const char* n : {"int8pl", "int28pl", "int82pl", "int48pl", "int84pl"}) r.add(n, int_add<int64_t>);
  for (const char* n : {"int8mi", "int28mi", "int82mi", "int48mi", "int84mi"}) r.add(n, int_sub<int64_t>);
  for (const char* n : {"int8mul", "int28mul", "int82mul", "int48mul", "int84mul"}) r.add(n, int_mul<int64_t>);
  for (const char* n : {"int8div", "int28div", "int82div", "int48div", "int84div"}) r.add(n, int_div<int64_t>);
  for (const char* n : {"int2mod", "int4mod", "int8mod"}) r.add(n, int_mod);
  r.add("int2um", int_negate<int16_t>);
  r.add("int4um", int_negate<int32_t>);
  r.add("int8um", int_negate<int64_t>);
  r.add("int2abs", int_abs<int16_t>);
  r.add("int4abs", int_abs<int32_t>);
  r.add("int8abs", int_abs<int64_t>);
  for (const char* n : {"int2up", "int4up", "int8up", "i2toi4", "int28", "int48"}) r.add(n, same);
  for (const char* n : {"i4toi2", "int82"}) r.add(n, int_cast<int16_t>);
  r.add("int84", int_cast<int32_t>);
  r.add("int4inc", [](FnCall& c) { return checked<int32_t>(c.int_arg(0) + 1); });
  r.add("int8inc", [](FnCall& c) {
    if (c.int_arg(0) == INT64_MAX) int_out_of_range(8);
    return Datum::from_int(c.int_arg(0) + 1);
  });
  for (const char* n : {"int8inc_any", "int8inc_float8_float8"})
    r.add(n, [](FnCall& c) {
      if (c.int_arg(0) == INT64_MAX) int_out_of_range(8);
      return Datum::from_int(c.int_arg(0) + 1);
    });
  for (const char* n : {"int8dec", "int8dec_any"})
    r.add(n, [](FnCall& c) {
      if (c.int_arg(0) == INT64_MIN) int_out_of_range(8);
      return Datum::from_int(c.int_arg(0) - 1);
    });
  for (const char* n : {"int2and", "int4and", "int8and"}) r.add(n, int_and);
  for (const char* n : {"int2or", "int4or", "int8or"}) r.add(n, int_or);
  for (const char* n : {"int2xor", "int4xor", "int8xor"}) r.add(n, int_xor);
  for (const char* n : {"int2not", "int4not", "int8not"}) r.add(n, int_not);
  r.add("int2shl", int_shl<int16_t>);
  r.add("int4shl", int_shl<int32_t>);
  r.add("int8shl", int_shl<int64_t>);
  r.add("int2shr", int_shr<int16_t>);
  r.add("int4shr", int_shr<int32_t>);
  r.add("int8shr", int_shr<int64_t>);
  r.add("int4gcd", int_gcd<int32_t>);
  r.add("int8gcd", int_gcd<int64_t>);
  r.add("int4lcm", int_lcm<int32_t>);
  r.add("int8lcm", int_lcm<int64_t>);
  for (const char* n : {"in_range_int4_int8", "in_range_int4_int4", "in_range_int4_int2", "in_range_int2_int8",
                        "in_range_int2_int4", "in_range_int2_int2", "in_range_int8_int8"})
    r.add(n, int_in_range);

  r.add("oideq", oid_eq);
  r.add("oidne", oid_ne);
  r.add("oidlt", oid_lt);
  r.add("oidle", oid_le);
  r.add("oidgt", oid_gt);
  r.add("oidge", oid_ge);
  r.add("btoidcmp", oid_cmp);
  r.add("oidlarger", [](FnCall& c) { return Datum::from_oid(std::max(c.arg(0).as_oid(), c.arg(1).as_oid())); });
  r.add("oidsmaller", [](FnCall& c) { return Datum::from_oid(std::min(c.arg(0).as_oid(), c.arg(1).as_oid())); });
  r.add("oidtoi8", [](FnCall& c) { return Datum::from_int(c.arg(0).as_oid()); });
  r.add("i8tooid", [](FnCall& c) {
    if (c.int_arg(0) < 0 || c.int_arg(0) > 0xffffffffll)
      throw Error(ErrorCode::kNumericValueOutOfRange, "OID out of range");
    return Datum::from_oid(static_cast<Oid>(c.int_arg(0)));
  });
  for (const char* n : {"xideq", "cideq", "xideqint4"}) r.add(n, oid_eq);
  for (const char* n : {"xidneq", "xidneqint4"}) r.add(n, oid_ne);
  for (const char* n : {"xid8eq", "pg_lsn_eq", "booleq", "chareq"}) r.add(n, word_eq);
  for (const char* n : {"xid8ne", "pg_lsn_ne", "boolne", "charne"}) r.add(n, word_ne);
  for (const char* n : {"xid8lt", "pg_lsn_lt", "boollt", "charlt"}) r.add(n, word_lt);
  for (const char* n : {"xid8le", "pg_lsn_le", "boolle", "charle"}) r.add(n, word_le);
  for (const char* n : {"xid8gt", "pg_lsn_gt", "boolgt", "chargt"}) r.add(n, word_gt);
  for (const char* n : {"xid8ge", "pg_lsn_ge", "boolge", "charge"}) r.add(n, word_ge);
  for (const char* n : {"xid8cmp", "pg_lsn_cmp", "btboolcmp"}) r.add(n, word_cmp);
  for (const char* n : {"btint2cmp", "btcharcmp"}) r.add(n, [](FnCall& c) { return Datum::from_int(c.int_arg(0) - c.int_arg(1)); });
  for (const char* n : {"xid8_larger", "pg_lsn_larger"}) r.add(n, word_larger);
  for (const char* n : {"xid8_smaller", "pg_lsn_smaller"}) r.add(n, word_smaller);
  r.add("xid8toxid", [](FnCall& c) { return Datum::from_oid(static_cast<Oid>(c.arg(0).bits)); });

  r.add("booland_statefunc", [](FnCall& c) { return Datum::from_bool(c.arg(0).as_bool() && c.arg(1).as_bool()); });
  r.add("boolor_statefunc", [](FnCall& c) { return Datum::from_bool(c.arg(0).as_bool() || c.arg(1).as_bool()); });
  r.add("int4_bool", [](FnCall& c) { return Datum::from_bool(c.int_arg(0) != 0); });
  r.add("bool_int4", [](FnCall& c) { return Datum::from_int(c.arg(0).as_bool() ? 1 : 0); });
  r.add("booltext", [](FnCall& c) { return c.text(c.arg(0).as_bool() ? "true" : "false"); });
  r.add("chartoi4", [](FnCall& c) { return Datum::from_int(static_cast<int8_t>(c.arg(0).bits)); });
  r.add("i4tochar", [](FnCall& c) {
    if (c.int_arg(0) < -128 || c.int_arg(0) > 127)
      throw Error(ErrorCode::kNumericValueOutOfRange, "\"char\" out of range");
    return Datum{static_cast<uint8_t>(c.int_arg(0))};
  });

  for (const char* n : {"hashint2", "hashint4", "hashoid", "hashchar", "hashenum"}) r.add(n, hash_int4);
  for (const char* n : {"hashint2extended", "hashint4extended", "hashoidextended", "hashcharextended", "hashenumextended"})
    r.add(n, hash_int4_extended);
  for (const char* n : {"hashint8", "pg_lsn_hash"}) r.add(n, hash_int8);
  for (const char* n : {"hashint8extended", "pg_lsn_hash_extended"}) r.add(n, hash_int8_extended);

  r.add_set("generate_series_int4", int_series<true>);
  r.add_set("generate_series_step_int4", int_series<true>);
  r.add_set("generate_series_int8", int_series<false>);
  r.add_set("generate_series_step_int8", int_series<false>);
}

}  // namespace stele
