// Text and binary forms of arrays, records and enums.
#pragma once

#include <string>
#include <string_view>

#include "types/context.h"
#include "types/datum.h"

namespace stele {

Datum array_input(Oid element, std::string_view text, int32_t typmod, Arena& arena, EvalContext& ctx);
void array_output(Datum array, std::string& out, EvalContext& ctx);
Datum array_receive(Oid element, std::string_view bytes, int32_t typmod, Arena& arena, EvalContext& ctx);
void array_send(Datum array, std::string& out, EvalContext& ctx);

Datum record_input(Oid type, std::string_view text, int32_t typmod, Arena& arena, EvalContext& ctx);
void record_output(Datum record, std::string& out, EvalContext& ctx);
Datum record_receive(Oid type, std::string_view bytes, int32_t typmod, Arena& arena, EvalContext& ctx);
void record_send(Datum record, std::string& out, EvalContext& ctx);

// An enum's Datum: high word orders as sort_order does, low word is the label's oid.
Datum make_enum(const EnumLabel& label);
Datum enum_input(Oid type, std::string_view text, EvalContext& ctx);
void enum_output(Oid type, Datum value, std::string& out, EvalContext& ctx);

inline bool is_array_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

}  // namespace stele
