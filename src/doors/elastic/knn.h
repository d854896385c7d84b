// Vectors in searches: the `knn` section, `knn` queries and retrievers, rewritten to what the rest of the door
// answers: the nearest documents become clauses with their scores.
#pragma once

#include "doors/elastic/call.h"

namespace stele::elastic {

// The body with its knn section, top-level knn query and retriever resolved over the targets. Other bodies come back as
// they are.
json::object resolve_vectors(Call& c, const std::vector<Call::Target>& targets, json::object body);

}  // namespace stele::elastic
