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
  for (const auto& [name, spec] : dense_specs_) dense_[name] = std::make_unique<VectorField>(spec.graph, spec.default_ef);
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
  uint32_t ordinal = UINT32_MAX;
  {
    std::shared_lock lock(mutex_);
    auto it = by_row_.find(change.row);
    if (it != by_row_.end()) ordinal = it->second;
  }
  std::shared_ptr<const PointVersion> before;
  if (ordinal == UINT32_MAX) {
    if (change.erased) return;
    ordinal = size_.load(std::memory_order_relaxed);
    STELE_CHECK(ordinal / kChunk < kMaxChunks);
    if (ordinal % kChunk == 0) chunks_[ordinal / kChunk].store(new std::array<Point, kChunk>, std::memory_order_release);
    Point& p = point(ordinal);
    p.row = change.row;
    p.id = change.id;
  } else {
    before = point(ordinal).newest.load();
  }
  auto version = std::make_shared<PointVersion>();
  version->born = lsn;
  version->erased = change.erased;
  version->payload = change.payload != nullptr || before == nullptr ? change.payload : before->payload;
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
  if (change.erased) {
    for (auto& [name, field] : dense_) field->clear(lsn, change.row);
    for (auto& [name, field] : sparse_) field->clear(lsn, change.row);
  }
  const bool was_live = before != nullptr && !before->erased;
  point(ordinal).newest.store(std::move(version));
  if (was_live && change.erased) live_.fetch_sub(1, std::memory_order_relaxed);
  if (!was_live && !change.erased) live_.fetch_add(1, std::memory_order_relaxed);
  if (ordinal == size_.load(std::memory_order_relaxed)) {
    std::unique_lock lock(mutex_);
    by_row_[change.row] = ordinal;
    by_id_[change.id] = ordinal;
    size_.store(ordinal + 1, std::memory_order_release);
  }
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
  return resolve(point(ordinal), lsn, out);
}
bool Collection::get(RowId row, Lsn lsn, Found* out) const {
  uint32_t ordinal;
  {
    std::shared_lock lock(mutex_);
    auto it = by_row_.find(row);
    if (it == by_row_.end()) return false;
    ordinal = it->second;
  }
  return resolve(point(ordinal), lsn, out);
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
      if (resolve(point(ordinal), lsn, &found) && !f(found)) return;
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
    std::vector<float> v;
    SparseVector s;
    const VectorField* field = dense(key);
    if (field != nullptr) return field->vector(row, lsn, &v);
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
SparseField* Collection::sparse(const std::string& name) const {
  auto it = sparse_.find(name);
  return it == sparse_.end() ? nullptr : it->second.get();
}

std::vector<RowNeighbor> Collection::nearest(const std::string& name, const float* query, uint32_t k, uint32_t ef, bool exact,
                                             const Filter* filter, Lsn lsn, double rescore) const {
  const VectorField* field = dense(name);
  STELE_CHECK(field != nullptr);
  FieldSearch options{.k = k, .ef = ef, .lsn = lsn, .exact = exact, .rescore_factor = rescore};
  if (filter == nullptr) return field->search(query, options);

  // Estimate the selectivity from a sample; a filter that leaves little is resolved to its rows first, one
  // that leaves much is asked during the traversal only.
  const uint32_t n = size_.load(std::memory_order_acquire);
  constexpr uint32_t kSample = 256;
  bool lazy = false;
  if (n > 8 * kSample && filter->required_ids() == nullptr && !exact) {
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
uint64_t Collection::indexed() const {
  uint64_t n = 0;
  for (const auto& [name, field] : dense_) n += std::min<uint64_t>(field->indexed(), field->live());
  return n;
}
uint64_t Collection::vectors() const {
  uint64_t n = 0;
  for (const auto& [name, field] : dense_) n += field->live();
  for (const auto& [name, field] : sparse_) n += field->live();
  return n;
}

}  // namespace stele::segments::vectors
