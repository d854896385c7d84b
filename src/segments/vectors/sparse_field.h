// A sparse vector column: postings by dimension, scored exactly by inner product. Visibility by born and
// died lsns as in VectorField; set() and clear() from the commit leader only, search() from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <shared_mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "segments/vectors/vector_field.h"

namespace stele::segments::vectors {

struct SparseVector {
  std::vector<uint32_t> indexes;   // ascending, distinct
  std::vector<float> values;
};
float sparse_dot(const SparseVector& a, const SparseVector& b);

class SparseField {
 public:
  void set(Lsn lsn, RowId row, SparseVector vector);
  void clear(Lsn lsn, RowId row);
  // Descending by score; rows that share no dimension with the query are no results. With `idf` each
  // dimension of the query is weighted by ln(1 + (n - df + 0.5) / (df + 0.5)).
  std::vector<RowNeighbor> search(const SparseVector& query, uint32_t k, Lsn lsn, const RowFilter* filter, bool idf) const;
  bool vector(RowId row, Lsn lsn, SparseVector* out) const;
  uint64_t live() const;

 private:
  struct Slot { RowId row; Lsn born; Lsn died; SparseVector vector; };
  struct Posting { uint32_t slot; float value; };
  bool visible(const Slot& s, Lsn lsn) const { return s.born <= lsn && s.died > lsn; }
  mutable std::shared_mutex mutex_;
  std::vector<Slot> slots_;
  std::unordered_map<RowId, uint32_t> newest_;
  std::unordered_map<uint32_t, std::vector<Posting>> postings_;
  uint64_t live_ = 0;
};

}  // namespace stele::segments::vectors
