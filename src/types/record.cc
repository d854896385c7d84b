#include "types/record.h"

#include "base/error.h"
#include "types/oids.h"

namespace stele {

Datum make_record(Oid type, int32_t shape, std::span<const ElementInfo> columns,
                  std::span<const NullableDatum> values, Arena& arena) {
  STELE_CHECK(columns.size() == values.size());
  size_t n = columns.size();
  size_t size = sizeof(RecordHeader) + n * sizeof(RecordColumn);
  for (size_t i = 0; i < n; ++i) {
    if (values[i].is_null) continue;
    size += columns[i].width > 0 ? 8 : (sizeof(Varlena) + values[i].value.as_varlena()->size + 7) & ~size_t{7};
  }
  Varlena* v = make_varlena(arena, size);
  RecordHeader header{type, shape, static_cast<uint32_t>(n), 0};
  std::memcpy(v->data, &header, sizeof header);
  size_t at = sizeof(RecordHeader) + n * sizeof(RecordColumn);
  for (size_t i = 0; i < n; ++i) {
    RecordColumn c{columns[i].type, columns[i].ops_type, values[i].is_null ? 0 : static_cast<uint32_t>(at),
                   columns[i].width > 0};
    std::memcpy(v->data + sizeof header + i * sizeof c, &c, sizeof c);
    if (values[i].is_null) continue;
    if (c.by_value) {
      std::memcpy(v->data + at, &values[i].value.bits, 8);
      at += 8;
      continue;
    }
    const Varlena* e = values[i].value.as_varlena();
    uint32_t head[2] = {e->size, 0};
    std::memcpy(v->data + at, head, 8);
    if (e->size > 0) std::memcpy(v->data + at + 8, e->data, e->size);
    size_t end = at + 8 + e->size, next = (end + 7) & ~size_t{7};
    std::memset(v->data + end, 0, next - end);
    at = next;
  }
  return Datum::from_varlena(v);
}

namespace {
struct Shapes {
  std::shared_mutex mutex;
  std::map<std::vector<std::string>, int32_t> ids;
  std::deque<std::vector<std::string>> names;
};
Shapes& shapes() {
  static Shapes* s = new Shapes;
  return *s;
}
}  // namespace

int32_t intern_record_shape(std::vector<std::string> names) {
  Shapes& s = shapes();
  {
    std::shared_lock lock(s.mutex);
    auto it = s.ids.find(names);
    if (it != s.ids.end()) return it->second;
  }
  std::unique_lock lock(s.mutex);
  auto [it, added] = s.ids.emplace(names, static_cast<int32_t>(s.names.size()));
  if (added) s.names.push_back(std::move(names));
  return it->second;
}

const std::vector<std::string>& record_shape(int32_t shape) {
  Shapes& s = shapes();
  std::shared_lock lock(s.mutex);
  STELE_CHECK(shape >= 0 && static_cast<size_t>(shape) < s.names.size());
  return s.names[static_cast<size_t>(shape)];  // a deque never moves what it holds
}

std::vector<std::string> record_column_names(const RecordView& record, EvalContext& ctx) {
  std::vector<std::string> names;
  if (record.type() != oid::kRecord && record.type() != 0 && ctx.catalog != nullptr) {
    for (const CompositeColumn& c : ctx.catalog->composite_columns(record.type()))
      if (!c.dropped) names.push_back(c.name);
  } else if (record.shape() >= 0) {
    names = record_shape(record.shape());
  }
  for (int i = static_cast<int>(names.size()); i < record.count(); ++i) names.push_back(fmt::format("f{}", i + 1));
  return names;
}

}  // namespace stele
