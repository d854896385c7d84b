// Nearest neighbours for the planner: ORDER BY column <=> vector (and <->, <#>, <+>) over an hnsw index.
#pragma once

#include "query/scan_providers.h"
#include "segments/vectors/vector_store.h"

namespace stele::query {

// `store` outlives every session.
std::unique_ptr<ScanProvider> make_hnsw_provider(segments::vectors::VectorStore& store);

}  // namespace stele::query
