// The index method "hnsw": CREATE INDEX fills the reflection from the table's rows.
#pragma once

#include "segments/vectors/vector_store.h"

namespace stele::sql {

// Once, at start-up. `store` outlives every session.
void register_hnsw_index(segments::vectors::VectorStore& store);

}  // namespace stele::sql
