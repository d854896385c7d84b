// Text of the plain scalar types, for callers that have no Datum to hand.
#pragma once

#include <string>
#include <string_view>

#include "types/context.h"
#include "types/datum.h"

namespace stele {

// Throw invalid_text_representation / numeric_value_out_of_range in PostgreSQL's words.
int64_t parse_int2(std::string_view s);
int64_t parse_int4(std::string_view s);
int64_t parse_int8(std::string_view s);
Oid parse_oid(std::string_view s);
bool parse_bool(std::string_view s);
double parse_float8(std::string_view s);
float parse_float4(std::string_view s);
// Shortest text that reads back; with digits <= 0, as many significant digits as extra_float_digits says.
void append_float8(double v, int extra_digits, std::string& out);
void append_float4(float v, int extra_digits, std::string& out);
void append_int(int64_t v, std::string& out);

[[noreturn]] void int_out_of_range(int width);
[[noreturn]] void float_overflow();
[[noreturn]] void float_underflow();
[[noreturn]] void division_by_zero();

// Ordering of floats: NaN equals NaN and is greater than everything.
inline int compare_floats(double a, double b) {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a == b) return 0;
  bool an = a != a, bn = b != b;
  return an == bn ? 0 : an ? 1 : -1;
}

}  // namespace stele
