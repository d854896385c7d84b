#include "query/exec/catalog_rows.h"

#include "base/error.h"
#include "query/eval/eval.h"
#include "types/hash.h"
#include "types/oids.h"

namespace stele::query {

namespace {
struct Shared {
  catalog::StatePtr state;     // kept, so that no other state can have its address
  std::shared_ptr<const CatalogRows> rows;
};
struct Cache {
  std::mutex mutex;
  std::map<Oid, Shared> shared;                           // the state read last
  std::map<Oid, size_t> counts;
  std::map<std::pair<Oid, int16_t>, double> distinct;
};
Cache& cache() {
  static auto* c = new Cache;
  return *c;
}
}  // namespace

bool CatalogRows::hashable(Oid type) {
  switch (type) {
    case oid::kOid: case oid::kInt2: case oid::kInt4: case oid::kInt8: case oid::kChar: case oid::kBool: case oid::kName: case oid::kText: case oid::kRegproc: case oid::kRegclass:
    case oid::kRegtype: return true;
    default: return false;
  }
}

std::shared_ptr<const CatalogRows> CatalogRows::of(Oid relation, ExecContext& ctx) {
  if (!ctx.scan_system_catalog || !ctx.system_relation) throw Error(ErrorCode::kFeatureNotSupported, "system catalogues are not available here");
  bool shareable = ctx.system_catalog_shareable && ctx.system_catalog_shareable(relation);
  catalog::StatePtr state = ctx.catalog->state();
  Cache& c = cache();
  if (shareable) {
    std::lock_guard lock(c.mutex);
    auto it = c.shared.find(relation);
    if (it != c.shared.end() && it->second.state == state) return it->second.rows;
  }
  auto made = std::make_shared<CatalogRows>();
  auto def = ctx.system_relation(relation);
  if (!def) throw Error(ErrorCode::kInternalError, fmt::format("relation {} is not a system catalogue", relation));
  made->columns_ = def->columns.size();
  for (auto& col : def->columns) made->by_value_.push_back(type_info(col.type, ctx).by_value);
  ctx.scan_system_catalog(relation, [&](std::span<const NullableDatum> row) {
    made->values_.insert(made->values_.end(), row.begin(), row.end());
    ++made->count_;
    return true;
  }, made->arena_);
  std::lock_guard lock(c.mutex);
  size_t& known = c.counts[relation];
  // Estimates follow when the relation has grown or shrunk noticeably.
  if (known * 10 < made->count_ * 8 || known * 8 > made->count_ * 10)
    std::erase_if(c.distinct, [&](auto& d) { return d.first.first == relation; });
  known = made->count_;
  if (shareable) c.shared[relation] = {std::move(state), made};
  return made;
}

CatalogRows::Estimate CatalogRows::estimate(Oid relation, ExecContext& ctx) {
  Cache& c = cache();
  {
    std::lock_guard lock(c.mutex);
    if (auto it = c.counts.find(relation); it != c.counts.end()) return {it->second};
  }
  // Views that look at sessions or statistics may be dear to compute: only planned when run before.
  if (!ctx.system_catalog_shareable || !ctx.system_catalog_shareable(relation) || !ctx.scan_system_catalog) return {};
  return {of(relation, ctx)->size()};
}

double CatalogRows::distinct(Oid relation, int16_t column, ExecContext& ctx) {
  Cache& c = cache();
  {
    std::lock_guard lock(c.mutex);
    if (auto it = c.distinct.find({relation, column}); it != c.distinct.end()) return it->second;
  }
  auto def = ctx.system_relation ? ctx.system_relation(relation) : nullptr;
  if (!def || column <= 0 || column > static_cast<int16_t>(def->columns.size()) || !hashable(def->columns[static_cast<size_t>(column - 1)].type) ||
      !ctx.system_catalog_shareable || !ctx.system_catalog_shareable(relation)) return std::max(1.0, static_cast<double>(estimate(relation, ctx).rows) / 10);
  double n = std::max<double>(1, static_cast<double>(of(relation, ctx)->index(column).distinct));
  std::lock_guard lock(c.mutex);
  c.distinct[{relation, column}] = n;
  return n;
}

// Integers by their low 32 bits: oids and integers of every width that are equal hash alike.
uint64_t CatalogRows::hash(int16_t column, Datum value) const {
  if (by_value_[static_cast<size_t>(column - 1)]) return mix64(value.bits & 0xffffffffu);
  return hash_bytes(value.as_view());
}
bool CatalogRows::equals(size_t r, int16_t column, Datum value) const {
  NullableDatum d = row(r)[column - 1];
  if (d.is_null) return false;
  if (by_value_[static_cast<size_t>(column - 1)]) {
    // Equal in 32 bits, and nothing but a sign above them.
    auto plain = [](uint64_t bits) { return bits >> 32 == 0 || bits >> 32 == 0xffffffffu; };
    return d.value.bits == value.bits || (static_cast<uint32_t>(d.value.bits) == static_cast<uint32_t>(value.bits) && plain(d.value.bits) && plain(value.bits));
  }
  return d.value.as_view() == value.as_view();
}

const CatalogRows::Index& CatalogRows::index(int16_t column) const {
  std::lock_guard lock(mutex_);
  auto& slot = indexes_[column];
  if (slot) return *slot;
  auto made = std::make_unique<Index>();
  made->entries.reserve(count_);
  for (size_t i = 0; i < count_; ++i) {
    NullableDatum d = row(i)[column - 1];
    if (!d.is_null) made->entries.emplace_back(hash(column, d.value), static_cast<uint32_t>(i));
  }
  std::sort(made->entries.begin(), made->entries.end());
  for (size_t i = 0; i < made->entries.size(); ++i) made->distinct += i == 0 || made->entries[i].first != made->entries[i - 1].first;
  slot = std::move(made);
  return *slot;
}

void CatalogRows::find(int16_t column, Datum value, std::vector<uint32_t>& out) const {
  const Index& ix = index(column);
  uint64_t h = hash(column, value);
  for (auto it = std::lower_bound(ix.entries.begin(), ix.entries.end(), std::pair<uint64_t, uint32_t>(h, 0)); it != ix.entries.end() && it->first == h; ++it)
    if (equals(it->second, column, value)) out.push_back(it->second);
}

}  // namespace stele::query
