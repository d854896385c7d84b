// Text and binary forms of any type, by the functions that pg_type names. Handles arrays, enums,
// domains, records and the reg* types through the context's catalogue.
#pragma once

#include <string>
#include <string_view>

#include "types/context.h"
#include "types/datum.h"

namespace stele {

// Throws invalid_text_representation and friends with PostgreSQL's words.
Datum type_input(Oid type, std::string_view text, int32_t typmod, Arena& arena, EvalContext& ctx);
// Appends to out.
void type_output(Oid type, Datum value, std::string& out, EvalContext& ctx);
Datum type_receive(Oid type, std::string_view bytes, int32_t typmod, Arena& arena, EvalContext& ctx);
void type_send(Oid type, Datum value, std::string& out, EvalContext& ctx);

// The length/precision coercion of a type modifier: varchar(n), numeric(p,s), timestamp(p), bit(n)
// ... explicit casts truncate where the standard says so, assignments raise.
Datum apply_typmod(Oid type, Datum value, int32_t typmod, bool explicit_cast, Arena& arena,
                   EvalContext& ctx);

// Deep copy into `arena`. By-value types return the same word.
Datum copy_datum(bool by_value, Datum value, Arena& arena);

}  // namespace stele
