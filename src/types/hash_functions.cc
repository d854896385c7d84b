// Hash functions whose values clients can see (hash partitions, hash_numeric ...): PostgreSQL's own,
// bit for bit. TypeOps::hash is for hash tables in memory and is faster.
#include <bit>
#include <map>

#include "base/error.h"
#include "types/array.h"
#include "types/builtin.h"
#include "types/function.h"
#include "types/hash.h"
#include "types/numeric.h"
#include "types/oids.h"
#include "types/pg_hash.h"
#include "types/range.h"
#include "types/record.h"

namespace stele {

namespace {

struct HashProcs {
  ScalarFn plain = nullptr, extended = nullptr;
};

// The functions of a type's default hash operator class.
const HashProcs* hash_procs(Oid type) {
  static const std::map<Oid, HashProcs> all = [] {
    std::map<Oid, HashProcs> m;
    std::map<std::string, Oid> families;  // of default hash classes: family -> a type of it
    const FunctionRegistry& r = FunctionRegistry::instance();
    // pg_opclass: oid, name, method, family, type, default, key type.
    for (const auto& c : builtin::rows("pg_opclass")) {
      if (c[2] != "405" || c[5] != "t") continue;
      HashProcs procs;
      // pg_amproc: oid, family, left, right, number, function.
      for (const auto& p : builtin::rows("pg_amproc")) {
        if (p[1] != c[3] || p[2] != c[4] || p[3] != c[4]) continue;
        const BuiltinProc* f = builtin::proc(static_cast<Oid>(std::stoul(p[5])));
        if (f == nullptr) continue;
        (p[4] == "1" ? procs.plain : procs.extended) = r.scalar(f->source);
      }
      m[static_cast<Oid>(std::stoul(c[4]))] = procs;
    }
    m[oid::kVarchar] = m[oid::kText];
    return m;
  }();
  auto it = all.find(type);
  return it == all.end() || it->second.plain == nullptr ? nullptr : &it->second;
}

uint64_t hash_value(FnCall& like, Oid ops_type, Oid type, Datum v, const uint64_t* seed) {
  const HashProcs* p = hash_procs(ops_type);
  if (p == nullptr || (seed != nullptr && p->extended == nullptr)) {
    throw Error(ErrorCode::kUndefinedFunction,
                fmt::format("could not identify {} hash function for type {}", seed != nullptr ? "an extended" : "a",
                            like.context->catalog != nullptr ? like.context->catalog->format_type(type, -1) : std::to_string(type)));
  }
  const Datum args[] = {v, Datum{seed != nullptr ? *seed : 0}};
  const bool nulls[] = {false, false};
  const Oid types[] = {type, oid::kInt8};
  std::shared_ptr<void> cache;
  FnCall call{args, nulls, seed != nullptr ? 2 : 1, types, seed != nullptr ? oid::kInt8 : oid::kInt4, like.collation, -1, like.arena, like.context, &cache};
  const Datum d = (seed != nullptr ? p->extended : p->plain)(call);
  return seed != nullptr ? d.bits : static_cast<uint32_t>(d.bits);
}

template <typename T>
T hash_array(FnCall& c, const uint64_t* seed) {
  const ArrayView a(c.arg(0));
  T result = 1;
  for (int i = 0; i < a.count(); ++i) {
    const T one = a.is_null(i) ? 0 : static_cast<T>(hash_value(c, a.ops_type(), a.element(), a.get(i), seed));
    result = static_cast<T>((result << 5) - result + one);
  }
  return result;
}
template <typename T>
T hash_record(FnCall& c, const uint64_t* seed) {
  const RecordView v(c.arg(0));
  T result = 0;
  for (int i = 0; i < v.count(); ++i) {
    const T one = v.is_null(i) ? 0 : static_cast<T>(hash_value(c, v.column_ops(i), v.column_type(i), v.get(i), seed));
    result = static_cast<T>((result << 5) - result + one);
  }
  return result;
}

// Digits of base 10000 without zeros at the ends, and the weight of the first one.
struct NumericDigits {
  std::vector<int16_t> digits;
  int weight = 0;
  explicit NumericDigits(Datum v) {
    std::string text = numeric_text(v);
    if (!text.empty() && text[0] == '-') text.erase(0, 1);
    const size_t dot = text.find('.');
    std::string whole = text.substr(0, dot), fraction = dot == std::string::npos ? "" : text.substr(dot + 1);
    whole.insert(0, (4 - whole.size() % 4) % 4, '0');
    fraction.append((4 - fraction.size() % 4) % 4, '0');
    weight = static_cast<int>(whole.size() / 4) - 1;
    const std::string all = whole + fraction;
    for (size_t i = 0; i < all.size(); i += 4)
      digits.push_back(static_cast<int16_t>((all[i] - '0') * 1000 + (all[i + 1] - '0') * 100 + (all[i + 2] - '0') * 10 + (all[i + 3] - '0')));
    size_t zeros = 0;
    while (zeros < digits.size() && digits[zeros] == 0) ++zeros;
    weight -= static_cast<int>(zeros);
    digits.erase(digits.begin(), digits.begin() + static_cast<std::ptrdiff_t>(zeros));
    while (!digits.empty() && digits.back() == 0) digits.pop_back();
  }
  std::string_view bytes() const { return {reinterpret_cast<const char*>(digits.data()), digits.size() * 2}; }
};

// Flags and bounds of a range, bound values by their type's own hash.
template <typename T>
T hash_range(FnCall& c, const Range& r, const uint64_t* seed) {
  uint32_t flags = kRangeEmpty;
  T lower = 0, upper = 0;
  if (!r.empty) {
    flags = (r.lower.infinite ? kRangeLowerInfinite : r.lower.inclusive ? kRangeLowerInclusive : 0u) |
            (r.upper.infinite ? kRangeUpperInfinite : r.upper.inclusive ? kRangeUpperInclusive : 0u);
    const ElementInfo& e = r.type.element;
    if (!r.lower.infinite) lower = static_cast<T>(hash_value(c, e.ops_type, e.type, r.lower.value, seed));
    if (!r.upper.infinite) upper = static_cast<T>(hash_value(c, e.ops_type, e.type, r.upper.value, seed));
  }
  if constexpr (sizeof(T) == 4) {
    return std::rotl(pg_hash_uint32(flags) ^ lower, 1) ^ upper;
  } else {
    // Both halves rotate on their own.
    const uint64_t h = pg_hash_uint32_extended(flags, *seed) ^ lower;
    return (((h << 1) & 0xfffffffefffffffeull) | ((h >> 31) & 0x100000001ull)) ^ upper;
  }
}
template <typename T>
T hash_multirange(FnCall& c, const uint64_t* seed) {
  T result = 1;
  for (const Range& r : multirange_of(c.arg(0))) result = static_cast<T>((result << 5) - result + hash_range<T>(c, r, seed));
  return result;
}

std::string oid_bytes(Datum vector) {
  const ArrayView a(vector);
  std::string s;
  for (int i = 0; i < a.count(); ++i) {
    const Oid o = a.get(i).as_oid();
    s.append(reinterpret_cast<const char*>(&o), 4);
  }
  return s;
}
Datum int4(uint32_t v) { return Datum::from_int(static_cast<int32_t>(v)); }

}  // namespace

uint32_t pg_hash_numeric(Datum v) {
  if (!numeric_is_finite(v)) return 0;
  const NumericDigits d(v);
  if (d.digits.empty()) return 0xffffffffu;
  return pg_hash_any(d.bytes()) ^ static_cast<uint32_t>(d.weight);
}
uint64_t pg_hash_value_extended(Oid type, Datum v, Oid collation, uint64_t seed, EvalContext& context) {
  Arena arena;
  Oid ops = type;
  if (context.catalog != nullptr) {
    const auto facts = context.catalog->type_facts(type);
    if (facts.kind == 'e') ops = oid::kAnyEnum;
    else if (facts.kind == 'r') ops = oid::kAnyRange;
    else if (facts.kind == 'm') ops = oid::kAnyMultirange;
    else if (facts.kind == 'c') ops = oid::kRecord;
    else if (facts.category == 'A') ops = oid::kAnyArray;
  }
  std::shared_ptr<void> cache;
  FnCall like{nullptr, nullptr, 0, nullptr, oid::kInt8, collation, -1, &arena, &context, &cache};
  return hash_value(like, ops, type, v, &seed);
}
uint64_t pg_hash_numeric_extended(Datum v, uint64_t seed) {
  if (!numeric_is_finite(v)) return seed;
  const NumericDigits d(v);
  if (d.digits.empty()) return seed - 1;
  return pg_hash_any_extended(d.bytes(), seed) ^ static_cast<uint64_t>(static_cast<int64_t>(d.weight));
}

void register_hash_functions(FunctionRegistry& r) {
  r.add("hash_numeric", [](FnCall& c) { return int4(pg_hash_numeric(c.arg(0))); });
  r.add("hash_numeric_extended", [](FnCall& c) { return Datum{pg_hash_numeric_extended(c.arg(0), c.arg(1).bits)}; });
  r.add("hash_array", [](FnCall& c) { return int4(hash_array<uint32_t>(c, nullptr)); });
  r.add("hash_array_extended", [](FnCall& c) { return Datum{hash_array<uint64_t>(c, &c.args[1].bits)}; });
  r.add("hash_record", [](FnCall& c) { return int4(hash_record<uint32_t>(c, nullptr)); });
  r.add("hash_record_extended", [](FnCall& c) { return Datum{hash_record<uint64_t>(c, &c.args[1].bits)}; });
  r.add("hash_range", [](FnCall& c) { return int4(hash_range<uint32_t>(c, range_of(c.arg(0)), nullptr)); });
  r.add("hash_range_extended", [](FnCall& c) { return Datum{hash_range<uint64_t>(c, range_of(c.arg(0)), &c.args[1].bits)}; });
  r.add("hash_multirange", [](FnCall& c) { return int4(hash_multirange<uint32_t>(c, nullptr)); });
  r.add("hash_multirange_extended", [](FnCall& c) { return Datum{hash_multirange<uint64_t>(c, &c.args[1].bits)}; });
  r.add("hashoidvector", [](FnCall& c) { return int4(pg_hash_any(oid_bytes(c.arg(0)))); });
  r.add("hashoidvectorextended", [](FnCall& c) { return Datum{pg_hash_any_extended(oid_bytes(c.arg(0)), c.arg(1).bits)}; });
}

}  // namespace stele
