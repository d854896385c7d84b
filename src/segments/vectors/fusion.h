// Combining ranked lists into one: the fusions that hybrid search offers through every door. A list is
// in rank order; scores are "higher is better".
#pragma once

#include <cstdint>
#include <vector>

namespace stele::segments::vectors {

struct Ranked {
  uint64_t row;
  float score;
};

// Reciprocal rank fusion (Cormack, Clarke, Buettcher, SIGIR 2009): sum of 1 / (k + rank), rank from 0.
std::vector<Ranked> reciprocal_rank_fusion(const std::vector<std::vector<Ranked>>& lists, double k,
                                           const std::vector<double>& weights = {});
// Distribution-based score fusion: each list's scores are mapped so that mean - 3 sigma is 0 and mean + 3 sigma
// is 1, clamped, and summed.
std::vector<Ranked> distribution_fusion(const std::vector<std::vector<Ranked>>& lists);

}  // namespace stele::segments::vectors
