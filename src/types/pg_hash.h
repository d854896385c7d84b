// PostgreSQL's hash values of types whose stored form here is not PostgreSQL's.
#pragma once

#include "types/context.h"
#include "types/datum.h"

namespace stele {

uint32_t pg_hash_numeric(Datum v);
uint64_t pg_hash_numeric_extended(Datum v, uint64_t seed);

// A value by the extended function of its type's default hash operator class. Throws undefined_function.
uint64_t pg_hash_value_extended(Oid type, Datum v, Oid collation, uint64_t seed, EvalContext& context);

}  // namespace stele
