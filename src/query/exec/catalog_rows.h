// Rows of system catalogue relations, computed once a catalogue state and shared by every statement that reads
// that state; hashed by column on demand.
#pragma once

#include <mutex>

#include "query/execution.h"

namespace stele::query {

class CatalogRows {
 public:
  // The relation's rows at the context's catalogue state. Any thread. Relations whose rows depend on more than the
  // state (sessions, settings ...) are computed for the caller alone.
  static std::shared_ptr<const CatalogRows> of(Oid relation, ExecContext& ctx);

  // For the planner: of the last state that was asked for.
  struct Estimate { size_t rows = 100; };
  static Estimate estimate(Oid relation, ExecContext& ctx);
  static double distinct(Oid relation, int16_t column, ExecContext& ctx);

  // Integers (oids, regclass ...) and strings: what find() can look up.
  static bool hashable(Oid type);

  size_t size() const { return count_; }
  size_t columns() const { return columns_; }
  const NullableDatum* row(size_t i) const { return values_.data() + i * columns_; }
  // Positions of the rows whose column (an attribute number) equals value, in order; hashable types only.
  void find(int16_t column, Datum value, std::vector<uint32_t>& out) const;
  bool equals(size_t row, int16_t column, Datum value) const;

 private:
  struct Index { std::vector<std::pair<uint64_t, uint32_t>> entries; size_t distinct = 0; };
  const Index& index(int16_t column) const;
  uint64_t hash(int16_t column, Datum value) const;

  Arena arena_;
  std::vector<NullableDatum> values_;
  std::vector<bool> by_value_;
  size_t count_ = 0, columns_ = 0;
  mutable std::mutex mutex_;
  mutable std::map<int16_t, std::unique_ptr<Index>> indexes_;
};

}  // namespace stele::query
