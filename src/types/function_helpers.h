// Small conveniences for the files that register many functions.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "types/function.h"

namespace stele {

// A name that outlives the registry.
std::string_view keep_name(std::string name);

// Registers <prefix><eq|ne|lt|le|gt|ge><suffix> and <prefix>cmp<suffix> from one three-way comparison.
template <int (*Compare)(FnCall&)>
void add_comparisons(FunctionRegistry& r, std::string prefix, std::string suffix = {}) {
  auto add = [&](const char* op, ScalarFn fn) { r.add(keep_name(prefix + op + suffix), fn); };
  add("eq", [](FnCall& c) { return Datum::from_bool(Compare(c) == 0); });
  add("ne", [](FnCall& c) { return Datum::from_bool(Compare(c) != 0); });
  add("lt", [](FnCall& c) { return Datum::from_bool(Compare(c) < 0); });
  add("le", [](FnCall& c) { return Datum::from_bool(Compare(c) <= 0); });
  add("gt", [](FnCall& c) { return Datum::from_bool(Compare(c) > 0); });
  add("ge", [](FnCall& c) { return Datum::from_bool(Compare(c) >= 0); });
  add("cmp", [](FnCall& c) { return Datum::from_int(Compare(c)); });
}

// min and max of a type as aggregates; by_value as in Datum.
void add_extremes(FunctionRegistry& r, Oid type, const char* type_name);

// Calls a registered function; throws internal_error when there is none. Null arguments are not passed.
Datum call_native(std::string_view prosrc, std::initializer_list<Datum> args, FnCall& like);
Datum call_native(std::string_view prosrc, std::initializer_list<Datum> args, Arena& arena, EvalContext& ctx);

// Exact numbers without knowing numeric's layout: v / 10^scale, shown with that scale.
Datum numeric_from_scaled(__int128 v, int scale, Arena& arena, EvalContext& ctx);
Datum numeric_from_text(std::string_view text, Arena& arena, EvalContext& ctx);
std::string numeric_text(Datum v, EvalContext& ctx);

std::string lower_ascii(std::string_view s);
// PostgreSQL's hashint8.
uint32_t pg_hash_int8(int64_t v);
uint64_t pg_hash_int8_extended(int64_t v, uint64_t seed);

}  // namespace stele
