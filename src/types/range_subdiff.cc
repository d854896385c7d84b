// Distances between bounds of the built-in range types.
#include "types/function.h"
#include "types/numeric.h"

namespace stele {

void register_range_subdiff_functions(FunctionRegistry& r) {
  for (const char* n : {"int4range_subdiff", "int8range_subdiff", "daterange_subdiff"})
    r.add(n, [](FnCall& c) { return Datum::from_double(static_cast<double>(c.int_arg(0)) - static_cast<double>(c.int_arg(1))); });
  for (const char* n : {"tsrange_subdiff", "tstzrange_subdiff"})
    r.add(n, [](FnCall& c) { return Datum::from_double((static_cast<double>(c.int_arg(0)) - static_cast<double>(c.int_arg(1))) / 1e6); });
  r.add("numrange_subdiff", [](FnCall& c) { return Datum::from_double(numeric_to_double(numeric_sub(c.arg(0), c.arg(1), *c.arena))); });
}

}  // namespace stele
