// PostgreSQL's hash values of types whose stored form here is not PostgreSQL's.
#pragma once

#include "types/datum.h"

namespace stele {

uint32_t pg_hash_numeric(Datum v);
uint64_t pg_hash_numeric_extended(Datum v, uint64_t seed);

}  // namespace stele
