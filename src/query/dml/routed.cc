#include "query/dml/routed.h"

#include "base/error.h"

namespace stele::query {

std::vector<NullableDatum> map_row(std::span<const NullableDatum> row, const std::vector<int16_t>& positions, size_t columns) {
  std::vector<NullableDatum> out(columns);
  for (NullableDatum& v : out) v.is_null = true;
  for (size_t i = 0; i < positions.size() && i < row.size(); ++i)
    if (positions[i] > 0) out[static_cast<size_t>(positions[i] - 1)] = row[i];
  return out;
}

uint64_t RoutedWriter::insert(std::span<const NullableDatum> in, std::span<const bool> given) {
  root_.row_arena().reset();
  std::vector<NullableDatum> row(in.begin(), in.end());
  row.resize(root_.columns());
  root_.fill_defaults(row, given);
  const Oid to = router_.route(row, root_.row_arena());
  Leaf& leaf = leaves_[to];
  if (!leaf.writer) {
    leaf.writer = std::make_unique<WriterImpl>(ctx_.catalog->state()->relation(to), ctx_);
    leaf.writer->capture_for(root_);
    leaf.positions = attribute_map(root_.table(), leaf.writer->table());
  }
  leaf.writer->row_arena().reset();
  auto own = map_row(row, leaf.positions, leaf.writer->columns());
  if (!leaf.writer->prepare_filled(own, true)) return 0;
  uint64_t id = 0;
  leaf.writer->insert_prepared(own, false, {}, &id);
  return id;
}

void RoutedWriter::update(uint64_t, std::span<const NullableDatum>, std::span<const NullableDatum>) {
  throw Error(ErrorCode::kFeatureNotSupported, "rows of a partitioned table are changed in their partition");
}
void RoutedWriter::erase(uint64_t, std::span<const NullableDatum>) {
  throw Error(ErrorCode::kFeatureNotSupported, "rows of a partitioned table are changed in their partition");
}

void RoutedWriter::finish() {
  for (auto& [oid, leaf] : leaves_) leaf.writer->finish();
  root_.finish();
}

}  // namespace stele::query
