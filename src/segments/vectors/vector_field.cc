#include "segments/vectors/vector_field.h"

#include "base/error.h"

namespace stele::segments::vectors {

namespace {
constexpr uint32_t kMaxSlotChunks = 1 << 18;

// A bounded max-heap of the nearest rows.
class Nearest {
 public:
  explicit Nearest(uint32_t k) : k_(k) {}
  void offer(float distance, RowId row) {
    if (heap_.size() < k_) {
      heap_.push_back({distance, row});
      std::push_heap(heap_.begin(), heap_.end(), less);
    } else if (k_ > 0 && less({distance, row}, heap_.front())) {
      std::pop_heap(heap_.begin(), heap_.end(), less);
      heap_.back() = {distance, row};
      std::push_heap(heap_.begin(), heap_.end(), less);
    }
  }
  std::vector<RowNeighbor> take() {
    std::sort_heap(heap_.begin(), heap_.end(), less);
    return std::move(heap_);
  }
  static bool less(const RowNeighbor& a, const RowNeighbor& b) {
    return a.distance < b.distance || (a.distance == b.distance && a.row < b.row);
  }

 private:
  uint32_t k_;
  std::vector<RowNeighbor> heap_;
};
}  // namespace

VectorField::VectorField(const HnswParams& params, uint32_t default_ef)
    : graph_(std::make_unique<HnswGraph>(params)), default_ef_(default_ef) {
  slots_ = std::make_unique<std::atomic<std::array<Slot, kChunk>*>[]>(kMaxSlotChunks);
  for (uint32_t i = 0; i < kMaxSlotChunks; ++i) slots_[i].store(nullptr, std::memory_order_relaxed);
}

VectorField::~VectorField() {
  for (uint32_t i = 0; i < kMaxSlotChunks; ++i) {
    auto* chunk = slots_[i].load(std::memory_order_relaxed);
    if (chunk == nullptr) break;
    delete chunk;
  }
}

void VectorField::set(Lsn lsn, RowId row, const float* vector) {
  const uint32_t s = graph_->size();
  STELE_CHECK(s / kChunk < kMaxSlotChunks);
  if (s % kChunk == 0 && slots_[s / kChunk].load(std::memory_order_relaxed) == nullptr) {
    slots_[s / kChunk].store(new std::array<Slot, kChunk>, std::memory_order_release);
  }
  Slot& x = slot(s);
  x.row = row;
  x.died.store(kAlive, std::memory_order_relaxed);
  x.born.store(lsn, std::memory_order_release);
  uint32_t before = UINT32_MAX;
  {
    std::unique_lock lock(rows_mutex_);
    auto& chain = rows_[row];
    if (!chain.empty() && slot(chain.back()).died.load(std::memory_order_relaxed) == kAlive) before = chain.back();
    chain.push_back(s);
  }
  // The slot is complete before the graph counts it, so that every slot below size() can be read.
  STELE_CHECK(graph_->add(vector) == s);
  if (before != UINT32_MAX) {
    slot(before).died.store(lsn, std::memory_order_release);
  } else {
    live_.fetch_add(1, std::memory_order_relaxed);
  }
}

void VectorField::clear(Lsn lsn, RowId row) {
  std::shared_lock lock(rows_mutex_);
  auto it = rows_.find(row);
  if (it == rows_.end()) return;
  Slot& x = slot(it->second.back());
  if (x.died.load(std::memory_order_relaxed) != kAlive) return;
  x.died.store(lsn, std::memory_order_release);
  live_.fetch_sub(1, std::memory_order_relaxed);
}

uint32_t VectorField::find(RowId row, Lsn lsn) const {
  const uint32_t limit = graph_->size();
  std::shared_lock lock(rows_mutex_);
  auto it = rows_.find(row);
  if (it == rows_.end()) return UINT32_MAX;
  for (auto s = it->second.rbegin(); s != it->second.rend(); ++s) {
    if (*s < limit && visible(*s, lsn)) return *s;
  }
  return UINT32_MAX;
}

bool VectorField::distance(const float* prepared, RowId row, Lsn lsn, float* out) const {
  const uint32_t s = find(row, lsn);
  if (s == UINT32_MAX) return false;
  *out = graph_->distance(prepared, s);
  return true;
}

bool VectorField::vector(RowId row, Lsn lsn, std::vector<float>* out) const {
  const uint32_t s = find(row, lsn);
  if (s == UINT32_MAX) return false;
  const float* v = graph_->vector(s);
  out->assign(v, v + params().dimensions);
  return true;
}

std::vector<RowNeighbor> VectorField::exact(const std::vector<float>& q, const FieldSearch& options,
                                            FieldSearchStats* stats) const {
  if (stats != nullptr) stats->path = "exact";
  Nearest nearest(options.k);
  uint32_t measured = 0;
  if (options.rows != nullptr) {
    for (RowId row : *options.rows) {
      const uint32_t s = find(row, options.lsn);
      if (s == UINT32_MAX) continue;
      nearest.offer(graph_->distance(q.data(), s), row);
      ++measured;
    }
  } else {
    const uint32_t n = graph_->size();
    for (uint32_t s = 0; s < n; ++s) {
      if (!visible(s, options.lsn)) continue;
      const RowId row = slot(s).row;
      if (options.filter != nullptr && !(*options.filter)(row)) continue;
      nearest.offer(graph_->distance(q.data(), s), row);
      ++measured;
    }
  }
  if (stats != nullptr) stats->distances += measured;
  return nearest.take();
}

std::vector<RowNeighbor> VectorField::search(const float* query, const FieldSearch& options, FieldSearchStats* stats) const {
  const std::vector<float> q = graph_->prepare(query);
  const uint64_t live = std::max<uint64_t>(1, this->live());
  const uint32_t ef = std::max(options.ef == 0 ? default_ef_ : options.ef, options.k);
  const bool filtered = options.filter != nullptr || options.rows != nullptr;
  uint64_t matches = options.rows != nullptr ? options.rows->size() : filtered ? std::min(options.matches, live) : live;

  // A traversal measures some twenty vectors for each entry of its front, and pays more for each when the
  // filter makes it look two hops away; below that an exact scan is cheaper and perfect.
  const uint64_t traversal = uint64_t{ef} * (filtered ? 40 : 20);
  if (options.exact || matches <= traversal || options.k >= matches) return exact(q, options, stats);

  std::unordered_set<RowId> members;
  if (options.rows != nullptr) members.insert(options.rows->begin(), options.rows->end());
  const SlotFilter passes = [&](uint32_t s) {
    if (!visible(s, options.lsn)) return false;
    const RowId row = slot(s).row;
    if (options.rows != nullptr) return members.contains(row);
    return options.filter == nullptr || (*options.filter)(row);
  };
  const double slots = std::max<double>(1, graph_->size());
  SearchOptions so{.k = options.k, .ef = ef, .filter = &passes,
                   .selectivity = static_cast<double>(matches) / slots, .rescore_factor = options.rescore_factor};
  if (!filtered && static_cast<double>(live) >= slots) so.selectivity = 1.0;
  SearchStats ss;
  Nearest nearest(options.k);
  std::unordered_set<RowId> taken;
  for (const Neighbor& n : graph_->search(q.data(), so, &ss)) {
    if (taken.insert(slot(n.slot).row).second) nearest.offer(n.distance, slot(n.slot).row);
  }
  // What is not linked yet is measured exactly.
  const uint32_t size = graph_->size();
  for (uint32_t s = linked_prefix_.load(std::memory_order_acquire); s < size; ++s) {
    if (!passes(s)) continue;
    ++ss.distances;
    if (taken.insert(slot(s).row).second) nearest.offer(graph_->distance(q.data(), s), slot(s).row);
  }
  if (stats != nullptr) stats->distances += ss.distances;
  std::vector<RowNeighbor> out = nearest.take();
  // k results whenever k rows match: a front that ran dry falls back to measuring them all.
  if (out.size() < options.k && out.size() < matches) return exact(q, options, stats);
  return out;
}

size_t VectorField::link_some(size_t n) {
  size_t done = 0;
  while (done < n) {
    uint32_t s = next_to_link_.load(std::memory_order_relaxed);
    do {
      if (s >= graph_->size()) return done;
    } while (!next_to_link_.compare_exchange_weak(s, s + 1));
    graph_->link(s);
    ++done;
    std::lock_guard lock(link_mutex_);
    const uint32_t prefix = linked_prefix_.load(std::memory_order_relaxed);
    if (linked_.size() <= s - prefix) linked_.resize(s - prefix + 1, false);
    linked_[s - prefix] = true;
    uint32_t run = 0;
    while (run < linked_.size() && linked_[run]) ++run;
    if (run > 0) {
      linked_.erase(linked_.begin(), linked_.begin() + run);
      linked_prefix_.store(prefix + run, std::memory_order_release);
    }
  }
  return done;
}

size_t VectorField::waiting() const {
  return graph_->size() - std::min(graph_->size(), linked_prefix_.load(std::memory_order_acquire));
}
uint64_t VectorField::memory_bytes() const { return graph_->memory_bytes() + uint64_t{graph_->size()} * (sizeof(Slot) + 48); }
bool VectorField::worth_rebuilding() const { return graph_->size() > 10000 && live() * 3 < graph_->size(); }

}  // namespace stele::segments::vectors
