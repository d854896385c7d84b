#include "segments/vectors/collection.h"

#include <boost/json.hpp>

#include "base/error.h"

namespace stele::segments::vectors {

namespace {
constexpr size_t kMaxChunks = 1 << 18;
const json::value& empty_payload() {
  static const json::value v(json::object_kind);
  return v;
}
}  // namespace

Collection::Collection(std::map<std::string, DenseSpec> dense, std::map<std::string, SparseSpec> sparse)
    : dense_specs_(std::move(dense)), sparse_specs_(std::move(sparse)) {
  for (const auto& [name, spec] : dense_specs_) {
    if (spec.multi) {
      multi_[name] = std::make_unique<MultiField>(spec.graph);
    } else {
      dense_[name] = std::make_unique<VectorField>(spec.graph, spec.default_ef, spec.recall);
    }
  }
  for (const auto& [name, spec] : sparse_specs_) sparse_[name] = std::make_unique<SparseField>();
  chunks_ = std::make_unique<std::atomic<std::array<Point, kChunk>*>[]>(kMaxChunks);
  for (size_t i = 0; i < kMaxChunks; ++i) chunks_[i].store(nullptr, std::memory_order_relaxed);
}
Collection::~Collection() {
  for (size_t i = 0; i < kMaxChunks; ++i) {
    auto* chunk = chunks_[i].load(std::memory_order_relaxed);
    if (chunk == nullptr) break;
    delete chunk;
  }
}

void Collection::apply(Lsn lsn, const PointChange& change, Lsn horizon) {
  changed_.store(std::max(lsn, changed_.load(std::memory_order_relaxed)));
  uint32_t ordinal = UINT32_MAX;
  {
    std::shared_lock lock(mutex_);
    auto it = by_row_.find(change.row);
    if (it != by_row_.end()) ordinal = it->second;
  }
  std::shared_ptr<const PointVersion> before;
  uint32_t of_row = UINT32_MAX;
  PayloadPtr moved_payload;
  if (ordinal != UINT32_MAX && !change.erased && !(point(ordinal).id == change.id)) {
    const auto newest = point(ordinal).newest.load();
    if (newest != nullptr && !newest->erased) moved_payload = newest->payload;
    erase_version(ordinal, lsn);
    of_row = std::exchange(ordinal, UINT32_MAX);
  }
  if (ordinal == UINT32_MAX) {
    if (change.erased) return;
    ordinal = size_.load(std::memory_order_relaxed);
    STELE_CHECK(ordinal / kChunk < kMaxChunks);
    if (ordinal % kChunk == 0) chunks_[ordinal / kChunk].store(new std::array<Point, kChunk>, std::memory_order_release);
    Point& p = point(ordinal);
    p.row = change.row;
    p.id = change.id;
    p.before_of_row = of_row;
  } else {
    before = point(ordinal).newest.load();
  }
  auto version = std::make_shared<PointVersion>();
  version->born = lsn;
  version->erased = change.erased;
  version->payload = change.payload != nullptr ? change.payload : before != nullptr ? before->payload : moved_payload;
  if (before != nullptr) {
    // Readers older than `before` are gone when the horizon has passed it: its own past may go.
    if (before->born <= horizon && before->previous != nullptr) {
      auto cut = std::make_shared<PointVersion>(*before);
      cut->previous = nullptr;
      before = std::move(cut);
    }
    version->previous = before;
  }
  for (const auto& [name, v] : change.dense) {
    VectorField* field = this->dense(name);
    if (field == nullptr) continue;
    v.empty() ? field->clear(lsn, change.row) : field->set(lsn, change.row, v.data());
  }
  for (const auto& [name, v] : change.sparse) {
    SparseField* field = this->sparse(name);
    if (field == nullptr) continue;
    v.indexes.empty() ? field->clear(lsn, change.row) : field->set(lsn, change.row, v);
  }
  for (const auto& [name, v] : change.multi) {
    MultiField* field = this->multi(name);
    if (field == nullptr) continue;
    v.empty() ? field->clear(lsn, change.row) : field->set(lsn, change.row, v, horizon);
  }
  if (change.erased) {
    for (auto& [name, field] : multi_) field->clear(lsn, change.row);
    for (auto& [name, field] : dense_) field->clear(lsn, change.row);
    for (auto& [name, field] : sparse_) field->clear(lsn, change.row);
  }
  if (!change.erased && version->payload != nullptr && (change.payload != nullptr || before == nullptr)) {
    std::shared_lock lock(indexes_mutex_);
    for (const auto& index : indexes_) index->add(ordinal, *version->payload);
  }
  const bool was_live = before != nullptr && !before->erased;
  point(ordinal).newest.store(std::move(version));
  if (was_live && change.erased) live_.fetch_sub(1, std::memory_order_relaxed);
  if (!was_live && !change.erased) live_.fetch_add(1, std::memory_order_relaxed);
  if (ordinal == size_.load(std::memory_order_relaxed)) {
    std::unique_lock lock(mutex_);
    by_row_[change.row] = ordinal;
    auto [it, fresh] = by_id_.try_emplace(change.id, ordinal);
    if (!fresh) point(ordinal).before_of_id = std::exchange(it->second, ordinal);
    size_.store(ordinal + 1, std::memory_order_release);
  }
}

void Collection::erase_version(uint32_t ordinal, Lsn lsn) {
  auto version = std::make_shared<PointVersion>();
  version->born = lsn;
  version->erased = true;
  version->previous = point(ordinal).newest.load();
  const bool was_live = version->previous != nullptr && !version->previous->erased;
  point(ordinal).newest.store(std::move(version));
  if (was_live) live_.fetch_sub(1, std::memory_order_relaxed);
}

bool Collection::resolve(const Point& p, Lsn lsn, Found* out) const {
  std::shared_ptr<const PointVersion> v = p.newest.load();
  while (v != nullptr && v->born > lsn) v = v->previous;
  if (v == nullptr || v->erased) return false;
  out->row = p.row;
  out->id = p.id;
  out->payload = v->payload;
  out->version = v->born;
  return true;
}

bool Collection::get(const PointId& id, Lsn lsn, Found* out) const {
  uint32_t ordinal;
  {
    std::shared_lock lock(mutex_);
    auto it = by_id_.find(id);
    if (it == by_id_.end()) return false;
    ordinal = it->second;
  }
  for (; ordinal != UINT32_MAX; ordinal = point(ordinal).before_of_id) {
    if (resolve(point(ordinal), lsn, out)) return true;
  }
  return false;
}
bool Collection::get(RowId row, Lsn lsn, Found* out) const {
  uint32_t ordinal;
  {
    std::shared_lock lock(mutex_);
    auto it = by_row_.find(row);
    if (it == by_row_.end()) return false;
    ordinal = it->second;
  }
  for (; ordinal != UINT32_MAX; ordinal = point(ordinal).before_of_row) {
    if (resolve(point(ordinal), lsn, out)) return true;
  }
  return false;
}

uint64_t Collection::counted(const std::string& what, Lsn lsn, const std::function<uint64_t()>& count) const {
  const Lsn changed = changed_.load();
  if (lsn < changed) return count();
  {
    std::lock_guard lock(asked_mutex_);
    auto it = counts_.find(what);
    if (it != counts_.end() && it->second.first == changed) return it->second.second;
  }
  const uint64_t n = count();
  std::lock_guard lock(asked_mutex_);
  if (counts_.size() > 1000) counts_.clear();
  counts_[what] = {changed, n};
  return n;
}
void Collection::forget_asked() const {
  std::lock_guard lock(asked_mutex_);
  asked_.clear();
}
void Collection::add_index(const std::string& key, const json::value& schema) {
  auto index = std::make_shared<PayloadIndex>(key, schema);
  forget_asked();
  std::unique_lock lock(indexes_mutex_);   // no commit adds points meanwhile
  std::erase_if(indexes_, [&](const auto& other) { return other->key() == key; });
  const uint32_t n = size_.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < n; ++i) {
    for (auto v = point(i).newest.load(); v != nullptr; v = v->previous) {
      if (v->payload != nullptr) index->add(i, *v->payload);
    }
  }
  indexes_.push_back(std::move(index));
}
void Collection::remove_index(const std::string& key) {
  forget_asked();
  std::unique_lock lock(indexes_mutex_);
  std::erase_if(indexes_, [&](const auto& index) { return index->key() == key; });
}

std::optional<std::vector<uint32_t>> Collection::by_index(const Filter& filter, bool only_if_few) const {
  std::vector<FilterProbe> probes;
  filter.probes(&probes);
  if (probes.empty()) return std::nullopt;
  std::shared_lock lock(indexes_mutex_);
  const PayloadIndex* best = nullptr;
  const FilterProbe* with = nullptr;
  uint64_t fewest = UINT64_MAX;
  for (const FilterProbe& probe : probes) {
    for (const auto& index : indexes_) {
      if (index->key() != probe.key) continue;
      const auto n = index->estimate(probe);
      if (n && *n < fewest) {
        fewest = *n;
        best = index.get();
        with = &probe;
      }
    }
  }
  if (best == nullptr || (only_if_few && fewest * 10 > size_.load(std::memory_order_relaxed))) return std::nullopt;
  return best->find(*with);
}

void Collection::for_each_by_id(const PointId* from, Lsn lsn, const std::function<bool(const Found&)>& f) const {
  // In batches, so that no commit waits for a long scan.
  std::vector<uint32_t> batch;
  PointId next;
  bool started = from == nullptr;
  if (from != nullptr) next = *from;
  bool inclusive = true;
  for (;;) {
    batch.clear();
    {
      std::shared_lock lock(mutex_);
      auto it = started && inclusive ? by_id_.begin() : inclusive ? by_id_.lower_bound(next) : by_id_.upper_bound(next);
      for (; it != by_id_.end() && batch.size() < 256; ++it) batch.push_back(it->second);
    }
    if (batch.empty()) return;
    for (uint32_t ordinal : batch) {
      Found found;
      for (uint32_t o = ordinal; o != UINT32_MAX; o = point(o).before_of_id) {
        if (!resolve(point(o), lsn, &found)) continue;
        if (!f(found)) return;
        break;
      }
    }
    next = point(batch.back()).id;
    started = false;
    inclusive = false;
  }
}

void Collection::for_each(Lsn lsn, const std::function<bool(const Found&)>& f) const {
  const uint32_t n = size_.load(std::memory_order_acquire);
  Found found;
  for (uint32_t i = 0; i < n; ++i) {
    if (resolve(point(i), lsn, &found) && !f(found)) return;
  }
}

bool Collection::matches(const Filter& filter, const Found& p, Lsn lsn) const {
  PointView view;
  view.id = &p.id;
  view.payload = p.payload != nullptr ? p.payload.get() : &empty_payload();
  view.has_vector = [this, row = p.row, lsn](std::string_view name) {
    const std::string key(name);
    SparseVector s;
    const VectorField* field = dense(key);
    if (field != nullptr) return field->has(row, lsn);
    float ignored;
    if (const MultiField* m = multi(key)) return m->similarity({}, row, lsn, &ignored);
    const SparseField* sf = sparse(key);
    return sf != nullptr && sf->vector(row, lsn, &s);
  };
  return filter.matches(view);
}

std::vector<RowId> Collection::matching_rows(const Filter& filter, Lsn lsn) const {
  std::vector<RowId> rows;
  if (const auto* ids = filter.required_ids()) {
    for (const PointId& id : *ids) {
      Found found;
      if (get(id, lsn, &found) && matches(filter, found, lsn)) rows.push_back(found.row);
    }
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    return rows;
  }
  if (const auto ordinals = by_index(filter, false)) {
    Found found;
    for (uint32_t ordinal : *ordinals) {
      if (resolve(point(ordinal), lsn, &found) && matches(filter, found, lsn)) rows.push_back(found.row);
    }
    return rows;
  }
  for_each(lsn, [&](const Found& found) {
    if (matches(filter, found, lsn)) rows.push_back(found.row);
    return true;
  });
  return rows;
}

VectorField* Collection::dense(const std::string& name) const {
  auto it = dense_.find(name);
  return it == dense_.end() ? nullptr : it->second.get();
}
MultiField* Collection::multi(const std::string& name) const {
  auto it = multi_.find(name);
  return it == multi_.end() ? nullptr : it->second.get();
}
SparseField* Collection::sparse(const std::string& name) const {
  auto it = sparse_.find(name);
  return it == sparse_.end() ? nullptr : it->second.get();
}

std::shared_ptr<const RowBitmap> Collection::known_rows(const Filter& filter, Lsn lsn) const {
  constexpr size_t kKept = 16;
  const Lsn changed = changed_.load();
  if (filter.source().empty() || filter.source().size() > 4096 || lsn < changed) return nullptr;
  {
    std::lock_guard lock(asked_mutex_);
    auto it = std::find_if(asked_.begin(), asked_.end(), [&](const Asked& a) { return a.source == filter.source(); });
    if (it == asked_.end() || it->lsn < changed) {
      if (it != asked_.end()) asked_.erase(it);
      if (asked_.size() >= kKept) asked_.erase(asked_.begin());
      asked_.push_back({filter.source(), lsn, nullptr});
      return nullptr;
    }
    if (it->rows != nullptr) return it->rows;
  }
  // Asked again with nothing changed since: worth knowing in full.
  auto rows = std::make_shared<RowBitmap>();
  for (RowId row : matching_rows(filter, lsn)) rows->add(row);
  std::lock_guard lock(asked_mutex_);
  for (Asked& a : asked_) {
    if (a.source == filter.source()) a = {a.source, lsn, rows};
  }
  return rows;
}

std::vector<RowNeighbor> Collection::nearest(const std::string& name, const float* query, uint32_t k, uint32_t ef, bool exact,
                                             const Filter* filter, Lsn lsn, double rescore) const {
  const VectorField* field = dense(name);
  STELE_CHECK(field != nullptr);
  FieldSearch options{.k = k, .ef = ef, .lsn = lsn, .exact = exact, .rescore_factor = rescore};
  if (filter == nullptr) return field->search(query, options);
  if (const auto known = known_rows(*filter, lsn)) {
    options.bitmap = known.get();
    return field->search(query, options);
  }

  // Estimate the selectivity from a sample; a filter that leaves little is resolved to its rows first, one
  // that leaves much is asked during the traversal only.
  const uint32_t n = size_.load(std::memory_order_acquire);
  constexpr uint32_t kSample = 256;
  bool lazy = false;
  if (n > 8 * kSample && filter->required_ids() == nullptr && !exact && !by_index(*filter, true)) {
    uint32_t passed = 0, seen = 0;
    uint64_t state = n;
    for (uint32_t i = 0; i < kSample; ++i) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      Found found;
      if (!resolve(point(static_cast<uint32_t>((state >> 33) % n)), lsn, &found)) continue;
      ++seen;
      passed += matches(*filter, found, lsn);
    }
    lazy = seen > 0 && passed * 10 >= seen;
    if (lazy) options.matches = uint64_t{n} * passed / seen;
  }
  std::vector<RowId> rows;
  const RowFilter passes = [&](RowId row) {
    Found found;
    return get(row, lsn, &found) && matches(*filter, found, lsn);
  };
  if (lazy) {
    options.filter = &passes;
  } else {
    rows = matching_rows(*filter, lsn);
    options.rows = &rows;
  }
  return field->search(query, options);
}

bool Collection::link_some(size_t n) {
  bool any = false;
  for (auto& [name, field] : dense_) any = field->link_some(n) > 0 || any;
  return any;
}
bool Collection::tend(Lsn lsn, Lsn horizon) {
  for (auto& [name, field] : dense_) {
    if (field->worth_compacting()) {
      field->compact(horizon);
      if (!field->worth_compacting()) return true;   // old readers may still hold the dead
    }
    if (field->waiting() == 0 && field->audit(lsn)) return true;
  }
  return false;
}
uint64_t Collection::indexed() const {
  uint64_t n = 0;
  for (const auto& [name, field] : dense_) n += std::min<uint64_t>(field->indexed(), field->live());
  return n;
}
uint64_t Collection::waiting() const {
  uint64_t n = 0;
  for (const auto& [name, field] : dense_) n += field->waiting();
  return n;
}
uint64_t Collection::vectors() const {
  uint64_t n = 0;
  for (const auto& [name, field] : dense_) n += field->live();
  for (const auto& [name, field] : sparse_) n += field->live();
  for (const auto& [name, field] : multi_) n += field->live();
  return n;
}

}  // namespace stele::segments::vectors
