#include "query/exec/column_cache.h"

namespace stele::query {

bool ColumnCache::Columns::find(uint64_t row_id, size_t* position) const {
  auto& ids = *row_ids;
  if (ids.empty() || row_id < ids.front() || row_id > ids.back()) return false;
  // Ids are mostly dense: the guess is mostly right.
  size_t guess = static_cast<size_t>(row_id - ids.front());
  if (guess < ids.size() && ids[guess] == row_id) { *position = guess; return true; }
  auto it = std::lower_bound(ids.begin(), ids.begin() + static_cast<long>(std::min(guess + 1, ids.size())), row_id);
  if (it == ids.end() || *it != row_id) return false;
  *position = static_cast<size_t>(it - ids.begin());
  return true;
}

ColumnCache& ColumnCache::of(storage::Store& store) {
  auto held = store.attachment("query.column_cache", [](storage::Store&) { return std::make_shared<ColumnCache>(); });
  return *static_cast<ColumnCache*>(held.get());
}

void ColumnCache::forget(Table& t) {
  bytes_ -= t.bytes;
  bool building = t.building;
  t = Table{};
  t.building = building;
}

void ColumnCache::make_room(const Table& keep) {
  while (bytes_ > budget_) {
    Table* oldest = nullptr;
    for (auto& [name, t] : tables_)
      if (&t != &keep && t.bytes > 0 && (oldest == nullptr || t.used < oldest->used)) oldest = &t;
    if (oldest == nullptr) return;
    forget(*oldest);
  }
}

namespace {
// Serializable transactions record what they read; a transaction's own rows are not in the cache.
bool usable(const rows::TableAccess& access, storage::Transaction& txn, const storage::ReadView& view) {
  return view.snapshot && !txn.has_writes() && txn.isolation() != storage::Isolation::kSerializable && access.table().prefix()[0] == storage::keyspace_byte::kRow;
}
}  // namespace

void ColumnCache::scanned(const rows::TableAccess& access, storage::Transaction& txn, const storage::ReadView& view) {
  if (!usable(access, txn, view)) return;
  storage::Lsn changed = txn.store().last_change(access.table().prefix());
  if (changed > view.snapshot->lsn()) return;
  std::lock_guard lock(mutex_);
  Table& t = tables_[access.table().prefix()];
  if (t.scanned_at != changed) { t.scanned_at = changed; t.scans = 0; t.too_large = false; }
  ++t.scans;
}

std::unique_ptr<ColumnCache::Columns> ColumnCache::acquire(const rows::TableAccess& access, storage::Transaction& txn, const storage::ReadView& view, const std::vector<int16_t>& attributes,
                                                           bool build, const std::function<void()>& interrupts) {
  if (!usable(access, txn, view)) return nullptr;
  storage::Store& store = txn.store();
  const std::string& prefix = access.table().prefix();
  storage::Lsn at = view.snapshot->lsn(), changed = store.last_change(prefix);
  if (changed > at) return nullptr;
  auto collect = [&](Table& t) {
    auto out = std::make_unique<Columns>();
    out->row_ids = t.row_ids;
    for (int16_t a : attributes) out->columns.push_back(a > 0 ? t.columns.at(a) : nullptr);
    t.used = ++clock_;
    return out;
  };
  std::vector<int16_t> missing;
  {
    std::lock_guard lock(mutex_);
    auto it = tables_.find(prefix);
    if (it == tables_.end()) return nullptr;
    Table& t = it->second;
    if (t.lsn != 0 && changed > t.lsn) forget(t);
    for (int16_t a : attributes)
      if (a > 0 && !t.columns.count(a) && std::find(missing.begin(), missing.end(), a) == missing.end()) missing.push_back(a);
    if (missing.empty() && t.row_ids) return collect(t);
    if (!build || t.building || t.too_large || t.scanned_at != changed || t.scans < 1) return nullptr;
    t.building = true;
  }
  auto ids = std::make_shared<std::vector<uint64_t>>();
  std::vector<std::shared_ptr<Column>> made;
  for (size_t i = 0; i < missing.size(); ++i) made.push_back(std::make_shared<Column>());
  bool too_large = false;
  auto done = [&](const std::function<void(Table&)>& f) {
    std::lock_guard lock(mutex_);
    Table& t = tables_[prefix];
    t.building = false;
    f(t);
  };
  try {
    auto& format = access.table().format();
    for (auto cursor = access.scan(view); cursor.valid(); cursor.next()) {
      ids->push_back(cursor.row_id());
      for (size_t i = 0; i < missing.size(); ++i) {
        NullableDatum d = format.decode(cursor.bytes(), static_cast<size_t>(missing[i] - 1), made[i]->arena);
        made[i]->values.push_back(d.value);
        made[i]->nulls.push_back(d.is_null ? 1 : 0);
      }
      if ((ids->size() & 4095) == 0) {
        interrupts();
        size_t bytes = ids->capacity() * 8;
        for (auto& c : made) bytes += c->bytes();
        if (bytes > budget_ / 2) { too_large = true; break; }
      }
    }
  } catch (...) {
    done([](Table&) {});
    throw;
  }
  std::unique_ptr<Columns> out;
  done([&](Table& t) {
    if (too_large) { t.too_large = true; return; }
    storage::Lsn newest = store.last_change(prefix);
    if (newest > at || (t.lsn != 0 && newest > t.lsn)) return;
    if (t.row_ids && t.row_ids->size() != ids->size()) return;
    if (t.lsn == 0) {
      t.lsn = at;
      t.row_ids = ids;
      t.bytes += ids->capacity() * 8;
      bytes_ += ids->capacity() * 8;
    }
    for (size_t i = 0; i < missing.size(); ++i) {
      if (!t.columns.emplace(missing[i], made[i]).second) continue;
      t.bytes += made[i]->bytes();
      bytes_ += made[i]->bytes();
    }
    bool complete = std::all_of(attributes.begin(), attributes.end(), [&](int16_t a) { return a <= 0 || t.columns.count(a); });
    if (complete) out = collect(t);
    make_room(t);
  });
  return out;
}

}  // namespace stele::query
