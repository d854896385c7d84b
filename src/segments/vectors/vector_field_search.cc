// Searching a field: what passes, whether to walk the graph or to measure, and doing it.
#include "base/clock.h"
#include "segments/vectors/vector_field.h"

namespace stele::segments::vectors {

namespace {
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
  // What is farther than this is not among them.
  float bound() const { return heap_.size() < k_ ? HUGE_VALF : k_ == 0 ? -HUGE_VALF : heap_.front().distance; }
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

// What a filter said of each slot, so that it is asked once a search.
struct FilterMemo {
  std::vector<uint16_t> tags;   // epoch << 1 | passed
  uint16_t epoch = 0;
  void begin(size_t n) {
    if (tags.size() < n) tags.resize(n + n / 4 + 1024, 0);
    if (++epoch == 1u << 15) {
      std::fill(tags.begin(), tags.end(), uint16_t{0});
      epoch = 1;
    }
  }
};
// This thread's memo; another one when a filter searches in its turn.
class MemoLease {
 public:
  explicit MemoLease(size_t slots) {
    static thread_local std::vector<std::unique_ptr<FilterMemo>> free;
    free_ = &free;
    if (free.empty()) {
      memo_ = std::make_unique<FilterMemo>();
    } else {
      memo_ = std::move(free.back());
      free.pop_back();
    }
    memo_->begin(slots);
  }
  ~MemoLease() { free_->push_back(std::move(memo_)); }
  MemoLease(const MemoLease&) = delete;
  MemoLease& operator=(const MemoLease&) = delete;
  FilterMemo* get() const { return memo_.get(); }

 private:
  std::vector<std::unique_ptr<FilterMemo>>* free_;
  std::unique_ptr<FilterMemo> memo_;
};
}  // namespace


// One of: bits (of `selected` slots), a few slots, a filter to ask, or everything that is visible.
struct VectorField::Passing {
  std::vector<uint64_t> bits;
  std::vector<uint32_t> few;
  bool known = false;              // bits or few say it all
  uint64_t matches = 0;
};

namespace {
using SteadyClock = std::chrono::steady_clock;
// What this thread has worked, in nanoseconds: costs are learned from it, so that a busy machine does not count.
double worked_ns() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

// Below this an exact scan is not worth a thought, and small relations answer exactly.
constexpr uint64_t kAlwaysExact = 1000;
}  // namespace

VectorField::Passing VectorField::resolve(const State& st, const FieldSearch& options, uint32_t size) const {
  Passing p;
  if (options.rows == nullptr && options.bitmap == nullptr) {
    const uint64_t live = std::max<uint64_t>(1, this->live());
    p.matches = options.filter != nullptr ? std::min(options.matches, live) : live;
    return p;
  }
  p.known = true;
  const uint64_t given = options.bitmap != nullptr ? options.bitmap->size() : options.rows->size();
  // Finding one row costs as much as selecting from some hundred slots.
  if (given <= 16 + size / 1024) {
    std::shared_lock lock(st.rows_mutex);
    auto take = [&](RowId row) {
      const uint32_t s = st.find_locked(row, options.lsn, size);
      if (s != UINT32_MAX) p.few.push_back(s);
      return true;
    };
    if (options.bitmap != nullptr) {
      options.bitmap->for_each(take);
    } else {
      for (RowId row : *options.rows) take(row);
    }
    lock.unlock();
    std::sort(p.few.begin(), p.few.end());
    p.few.erase(std::unique(p.few.begin(), p.few.end()), p.few.end());
    p.matches = p.few.size();
  } else if (options.bitmap != nullptr) {
    p.matches = st.slots.select(*options.bitmap, options.lsn, size, &p.bits);
  } else {
    RowBitmap rows;
    for (RowId row : *options.rows) rows.add(row);
    p.matches = st.slots.select(rows, options.lsn, size, &p.bits);
  }
  return p;
}

std::vector<RowNeighbor> VectorField::exact(const State& st, const std::vector<float>& q, const FieldSearch& options, const Passing& p,
                                            FieldSearchStats* stats) const {
  const double started = worked_ns();
  Nearest nearest(options.k);
  const HnswGraph& graph = *st.graph;
  auto measure = [&](const uint32_t* slots, size_t n) {
    constexpr size_t kAhead = 4;
    for (size_t i = 0; i < std::min(n, kAhead); ++i) graph.prefetch(slots[i]);
    for (size_t i = 0; i < n; ++i) {
      if (i + kAhead < n) graph.prefetch(slots[i + kAhead]);
      const float bound = nearest.bound(), d = graph.distance_below(q.data(), slots[i], bound);
      if (d <= bound) nearest.offer(d, st.slots.at(slots[i]).row);
    }
  };
  uint64_t measured = 0;
  if (p.known && p.bits.empty()) {
    measure(p.few.data(), p.few.size());
    measured = p.few.size();
  } else {
    std::array<uint32_t, 256> batch;
    size_t n = 0;
    auto take = [&](uint32_t s) {
      batch[n++] = s;
      if (n < batch.size()) return;
      measure(batch.data(), n);
      measured += n;
      n = 0;
    };
    if (p.known) {
      for (size_t w = 0; w < p.bits.size(); ++w) {
        for (uint64_t left = p.bits[w]; left != 0; left &= left - 1) take(static_cast<uint32_t>(w * 64 + static_cast<size_t>(std::countr_zero(left))));
      }
    } else {
      const uint32_t size = graph.size();
      for (uint32_t s = 0; s < size; ++s) {
        if (!st.slots.visible(s, options.lsn)) continue;
        if (options.filter != nullptr && !(*options.filter)(st.slots.at(s).row)) continue;
        take(s);
      }
    }
    measure(batch.data(), n);
    measured += n;
  }
  if (p.known) costs_.measured_exact(measured, worked_ns() - started);
  if (stats != nullptr) stats->distances += static_cast<uint32_t>(measured);
  return nearest.take();
}

std::vector<RowNeighbor> VectorField::search(const float* query, const FieldSearch& options, FieldSearchStats* stats) const {
  const auto state = this->state();
  const State& st = *state;
  const std::vector<float> q = st.graph->prepare(query);
  const uint32_t ef = std::max(options.ef == 0 ? default_ef() : options.ef, options.k);
  const bool filtered = options.filter != nullptr || options.rows != nullptr || options.bitmap != nullptr;
  if (stats != nullptr) {
    stats->ef = ef;
    stats->path = "exact";
  }
  if (recall_ > 0 && !filtered && !options.exact && searches_.fetch_add(1, std::memory_order_relaxed) % 64 == 0) {
    std::lock_guard lock(audit_mutex_);
    if (sampled_.size() < 32) sampled_.emplace_back(query, query + params_.dimensions);
  }
  const uint32_t size = st.graph->size();
  const Passing p = resolve(st, options, size);
  if (options.exact || p.matches <= kAlwaysExact || options.k >= p.matches || (p.known && p.bits.empty()) || st.graph->linked() == 0) {
    return exact(st, q, options, p, stats);
  }
  // A walk measures some twenty vectors for each entry of its front.
  if (!filtered && p.matches <= uint64_t{ef} * 20) return exact(st, q, options, p, stats);

  SearchOptions how{.k = options.k, .ef = ef, .rescore_factor = options.rescore_factor};
  const double share = static_cast<double>(p.matches) / std::max<double>(1, size);
  if (!filtered) {
    how.selectivity = dead_.load(std::memory_order_relaxed) == 0 ? 1.0 : std::max(0.71, share);
    return walk(st, query, q, options, p, how, stats, nullptr);
  }
  how.selectivity = std::min(0.7, share);
  // Where matches are all of one region, the way from the graph's entry to them leads through nothing that passes:
  // the traversal starts from a sample of them too.
  Random random(size);
  double filter_ns = 0;
  if (p.known) {
    // The nearest of some hundred random ones are near enough to begin at.
    constexpr int kStarts = 256;
    std::vector<Neighbor> sample;
    for (int i = 0; i < kStarts; ++i) {
      // A random match: from a random word on, the next that has one.
      size_t w = random.below(p.bits.size());
      for (int tries = 0; tries < 64 && p.bits[w] == 0; ++tries) w = w + 1 == p.bits.size() ? 0 : w + 1;
      if (p.bits[w] != 0) sample.push_back({0, static_cast<uint32_t>(w * 64 + static_cast<size_t>(std::countr_zero(p.bits[w])))});
    }
    for (const Neighbor& n : sample) st.graph->prefetch(n.slot);
    for (Neighbor& n : sample) n.distance = st.graph->distance(q.data(), n.slot);
    std::sort(sample.begin(), sample.end());
    for (size_t i = 0; i < std::min<size_t>(sample.size(), 12); ++i) how.starts.push_back(sample[i].slot);
  } else {
    const double started = worked_ns();
    int asked = 0;
    for (; asked < 400 && how.starts.size() < 16; ++asked) {
      const auto s = static_cast<uint32_t>(random.below(size));
      if (st.slots.visible(s, options.lsn) && (*options.filter)(st.slots.at(s).row)) how.starts.push_back(s);
    }
    filter_ns = (worked_ns() - started) / std::max(1, asked);
  }
  double give_up_ns;
  if (!costs_.prefer_graph(p.matches, size, ef, filter_ns, &give_up_ns)) return exact(st, q, options, p, stats);
  how.give_up = SteadyClock::now() + std::chrono::nanoseconds(static_cast<int64_t>(give_up_ns));
  bool gave_up = false;
  auto out = walk(st, query, q, options, p, how, stats, &gave_up);
  // k results whenever k rows match: a front that ran dry falls back to measuring them all.
  if (gave_up || (out.size() < options.k && out.size() < p.matches)) {
    if (stats != nullptr) stats->path = "graph then exact";
    return exact(st, q, options, p, stats);
  }
  return out;
}

std::vector<RowNeighbor> VectorField::walk(const State& st, const float* query, const std::vector<float>& q, const FieldSearch& options,
                                           const Passing& p, SearchOptions how, FieldSearchStats* stats, bool* gave_up) const {
  const double started = worked_ns();
  const uint32_t size = st.graph->size();
  std::optional<MemoLease> lease;
  if (!p.known && options.filter != nullptr) lease.emplace(size);
  FilterMemo* memo = lease ? lease->get() : nullptr;
  const SlotFilter passes = [&](uint32_t s) {
    if (p.known) return s / 64 < p.bits.size() && (p.bits[s / 64] >> (s % 64) & 1) != 0;
    if (options.filter == nullptr) return st.slots.visible(s, options.lsn);
    if (s < memo->tags.size() && memo->tags[s] >> 1 == memo->epoch) return (memo->tags[s] & 1) != 0;
    const bool pass = st.slots.visible(s, options.lsn) && (*options.filter)(st.slots.at(s).row);
    if (s < memo->tags.size()) memo->tags[s] = static_cast<uint16_t>(memo->epoch << 1 | (pass ? 1 : 0));
    return pass;
  };
  if (p.known) {
    how.bits = p.bits.data();
    how.slots = static_cast<uint32_t>(std::min<size_t>(p.bits.size() * 64, UINT32_MAX));
  } else {
    how.filter = &passes;
  }
  if (stats != nullptr) stats->path = gave_up == nullptr ? "graph" : "filtered graph";
  SearchStats walked;
  Nearest nearest(options.k);
  std::unordered_set<RowId> taken;
  for (const Neighbor& n : st.graph->search(query, how, &walked)) {
    const RowId row = st.slots.at(n.slot).row;
    if (taken.insert(row).second) nearest.offer(n.distance, row);
  }
  if (p.known) costs_.measured_graph(static_cast<double>(p.matches) / std::max(1u, size), how.ef, worked_ns() - started, !walked.gave_up);
  // What is not linked yet is measured exactly.
  if (!walked.gave_up) {
    for (uint32_t s = st.linked_prefix.load(std::memory_order_acquire); s < size; ++s) {
      if (!passes(s)) continue;
      ++walked.distances;
      const RowId row = st.slots.at(s).row;
      if (taken.insert(row).second) nearest.offer(st.graph->distance(q.data(), s), row);
    }
  }
  if (stats != nullptr) stats->distances += walked.distances;
  if (gave_up != nullptr) *gave_up = walked.gave_up;
  return nearest.take();
}

}  // namespace stele::segments::vectors
