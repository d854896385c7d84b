// Rows written into a partitioned table: each goes through the writer of the partition that it belongs to.
#pragma once

#include "query/dml/writer.h"

namespace stele::query {

class RoutedWriter final : public TableWriter {
 public:
  RoutedWriter(std::shared_ptr<const catalog::Relation> table, ExecContext& ctx) : root_(table, ctx), router_(std::move(table), ctx), ctx_(ctx) {}
  void begin_insert() override { root_.begin_insert(); }
  uint64_t insert(std::span<const NullableDatum> row, std::span<const bool> given) override;
  // Rows of partitioned tables are known by their partition.
  void update(uint64_t, std::span<const NullableDatum>, std::span<const NullableDatum>) override;
  void erase(uint64_t, std::span<const NullableDatum>) override;
  void finish() override;

 private:
  struct Leaf { std::unique_ptr<WriterImpl> writer; std::vector<int16_t> positions; };
  WriterImpl root_;
  PartitionRouter router_;
  ExecContext& ctx_;
  std::map<Oid, Leaf> leaves_;
};

// A row of the table that `positions` was made from (attribute_map), in the other's form.
std::vector<NullableDatum> map_row(std::span<const NullableDatum> row, const std::vector<int16_t>& positions, size_t columns);

}  // namespace stele::query
