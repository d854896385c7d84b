// Partitioned tables at run time: the bounds of one table's partitions in order, and which of them has a key.
#pragma once

#include <map>

#include "query/eval/eval.h"
#include "query/inheritance.h"

namespace stele::query {

class PartitionMap {
 public:
  struct Key {
    int16_t column = 0;        // 0: expr
    ExprPtr expr;              // over relation 1
    TypeInfo type;
    Oid collation = 0;
  };
  struct Value { char kind = 'v'; Datum value; };   // as catalog::PartitionDatum
  struct Partition {
    std::shared_ptr<const catalog::Relation> table;
    std::vector<Value> lower, upper, values;
    const catalog::PartitionBound& bound() const { return *table->bound; }
  };

  // The direct partitions of a partitioned table, as `ctx` sees the catalogue now.
  PartitionMap(std::shared_ptr<const catalog::Relation> table, ExecContext& ctx);

  const catalog::Relation& table() const { return *table_; }
  char strategy() const { return table_->partitioning->strategy; }
  const std::vector<Key>& keys() const { return keys_; }
  // In the order of their bounds, the default partition last.
  const std::vector<Partition>& partitions() const { return partitions_; }
  int default_partition() const { return default_; }
  // Key values of a row of the table.
  std::vector<NullableDatum> key_of(std::span<const NullableDatum> row, Arena& arena) const;
  // Position of the partition that takes a key; -1: none.
  int find(std::span<const NullableDatum> key) const;
  // "(a, lower(b)) = (1, x)".
  std::string describe(std::span<const NullableDatum> key) const;

  int compare(size_t key, Datum a, Datum b) const { return keys_[key].type.ops->compare(a, b, keys_[key].collation); }
  // A range bound against the first values of a key: below 0 when the bound is lower; 0 when they are equal as far as
  // the key goes.
  int compare_bound(const std::vector<Value>& bound, std::span<const NullableDatum> key) const;
  // Two range bounds against one another.
  int compare_bounds(const std::vector<Value>& a, const std::vector<Value>& b) const;
  uint64_t hash(std::span<const NullableDatum> key) const;

 private:
  std::vector<Value> decode(const std::vector<catalog::PartitionDatum>& list, bool one_key);
  std::shared_ptr<const catalog::Relation> table_;
  ExecContext& ctx_;
  std::vector<Key> keys_;
  std::vector<Partition> partitions_;
  struct ListEntry { Datum value; int partition; };
  std::vector<ListEntry> list_;     // sorted
  int default_ = -1, null_ = -1;
  Arena arena_;
};

// The key as CREATE TABLE has it: columns and expressions, with commas between.
std::string partition_key_text(const catalog::Relation& table);

// Where rows of a partitioned table and of those below it go.
class PartitionRouter {
 public:
  PartitionRouter(std::shared_ptr<const catalog::Relation> root, ExecContext& ctx) : root_(std::move(root)), ctx_(ctx) {}
  // The table without partitions that takes a row of the root. Throws check_violation when there is none.
  Oid route(std::span<const NullableDatum> row, Arena& arena);
  // The same; 0 when there is none.
  Oid find(std::span<const NullableDatum> row, Arena& arena) { return search(row, arena, false); }
  PartitionMap& map(Oid table);

 private:
  Oid search(std::span<const NullableDatum> row, Arena& arena, bool required);
  std::shared_ptr<const catalog::Relation> root_;
  ExecContext& ctx_;
  std::map<Oid, std::unique_ptr<PartitionMap>> maps_;
};

// Whether a row belongs into `table` by the bounds of it and of every partition above it.
bool in_partition(const catalog::Relation& table, std::span<const NullableDatum> row, ExecContext& ctx, Arena& arena, PartitionRouter* cache);

}  // namespace stele::query
