// SQL names of types, as PostgreSQL's format_type() spells them.
#pragma once

#include <string>

#include "types/context.h"
#include "types/datum.h"

namespace stele {

// "integer", "character varying(20)", "timestamp(3) without time zone", "numeric(10,2)[]"; typmod -1
// is none. Users' types come from ctx's catalogue; ctx may be null for built-in ones.
std::string format_type_sql(Oid type, int32_t typmod, EvalContext* ctx);

}  // namespace stele
