// A column of multi-vectors (several vectors of one length a row), compared by MaxSim: for each vector of the
// question the best among the row's, summed (Khattab and Zaharia, arXiv:2004.12832). Measured exactly. Visibility by born
// and died lsns; set() and clear() from the commit leader only, everything else from any thread.
#pragma once

#include <memory>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "segments/vectors/vector_field.h"

namespace stele::segments::vectors {

using MultiVector = std::vector<std::vector<float>>;

class MultiField {
 public:
  explicit MultiField(const HnswParams& params) : params_(params) {}
  const HnswParams& params() const { return params_; }
  // `horizon`: no reader is older.
  void set(Lsn lsn, RowId row, MultiVector vectors, Lsn horizon);
  void clear(Lsn lsn, RowId row);
  bool vector(RowId row, Lsn lsn, MultiVector* out) const;
  // Higher is nearer: sums of inner products (of normalised vectors for cosine), of negated squared distances for L2, of
  // negated distances for L1. `query` prepared.
  bool similarity(const MultiVector& query, RowId row, Lsn lsn, float* out) const;
  // The k most similar rows as (similarity, row), best first. `rows`: only these.
  std::vector<RowNeighbor> search(const MultiVector& query, uint32_t k, Lsn lsn, const RowFilter* filter, const std::vector<RowId>* rows) const;
  MultiVector prepare(MultiVector query) const;
  uint64_t live() const;

 private:
  struct Version { Lsn born = 0, died = kAlive; std::shared_ptr<const MultiVector> vectors; };
  std::shared_ptr<const MultiVector> find(RowId row, Lsn lsn) const;
  float measure(const MultiVector& query, const MultiVector& vectors) const;

  const HnswParams params_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<RowId, std::vector<Version>> rows_;   // ascending by born
  uint64_t live_ = 0;
};

}  // namespace stele::segments::vectors
