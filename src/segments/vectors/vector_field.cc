#include "segments/vectors/vector_field.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/error.h"

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

VectorField::State::State(const HnswParams& params) : graph(std::make_unique<HnswGraph>(params)) {
  slots = std::make_unique<std::atomic<std::array<Slot, kChunk>*>[]>(kMaxSlotChunks);
  for (uint32_t i = 0; i < kMaxSlotChunks; ++i) slots[i].store(nullptr, std::memory_order_relaxed);
}
VectorField::State::~State() {
  for (uint32_t i = 0; i < kMaxSlotChunks; ++i) {
    auto* chunk = slots[i].load(std::memory_order_relaxed);
    if (chunk == nullptr) break;
    delete chunk;
  }
}
VectorField::Slot& VectorField::State::make_slot(uint32_t s) {
  STELE_CHECK(s / kChunk < kMaxSlotChunks);
  if (slots[s / kChunk].load(std::memory_order_relaxed) == nullptr) {
    slots[s / kChunk].store(new std::array<Slot, kChunk>, std::memory_order_release);
  }
  return slot(s);
}
uint32_t VectorField::State::find_locked(RowId row, Lsn lsn, uint32_t limit) const {
  auto it = rows.find(row);
  if (it == rows.end()) return UINT32_MAX;
  for (uint32_t s = it->second; s != UINT32_MAX; s = slot(s).previous) {
    if (s < limit && visible(s, lsn)) return s;
  }
  return UINT32_MAX;
}
uint32_t VectorField::State::find(RowId row, Lsn lsn) const {
  const uint32_t limit = graph->size();
  std::shared_lock lock(rows_mutex);
  return find_locked(row, lsn, limit);
}
void VectorField::State::linked(uint32_t s) {
  std::lock_guard lock(link_mutex);
  const uint32_t prefix = linked_prefix.load(std::memory_order_relaxed);
  if (ahead.size() <= s - prefix) ahead.resize(s - prefix + 1, false);
  ahead[s - prefix] = true;
  uint32_t run = 0;
  while (run < ahead.size() && ahead[run]) ++run;
  if (run > 0) {
    ahead.erase(ahead.begin(), ahead.begin() + run);
    linked_prefix.store(prefix + run, std::memory_order_release);
  }
}

VectorField::VectorField(const HnswParams& params, uint32_t default_ef, double recall)
    : params_(params), ef_(default_ef), recall_(recall), state_(std::make_shared<State>(params)) {}
VectorField::~VectorField() = default;

void VectorField::set(Lsn lsn, RowId row, const float* vector) {
  std::lock_guard write(write_mutex_);
  const auto state = this->state();
  State& st = *state;
  if (!unclaimed_.empty()) {
    // A vector that the restored graph has already.
    auto it = unclaimed_.find(row);
    if (it != unclaimed_.end()) {
      const uint32_t s = it->second;
      const std::vector<float> wanted = st.graph->prepare(vector);
      unclaimed_.erase(it);
      if (std::memcmp(wanted.data(), st.graph->vector(s), params_.dimensions * sizeof(float)) == 0) {
        std::unique_lock lock(st.rows_mutex);
        st.slot(s).born.store(lsn, std::memory_order_release);
        st.slot(s).died.store(kAlive, std::memory_order_release);
        st.rows[row] = s;
        live_.fetch_add(1, std::memory_order_relaxed);
        dead_.fetch_sub(1, std::memory_order_relaxed);
        return;
      }
    }
  }
  const uint32_t s = st.graph->size();
  Slot& x = st.make_slot(s);
  x.row = row;
  x.died.store(kAlive, std::memory_order_relaxed);
  x.born.store(lsn, std::memory_order_release);
  uint32_t before = UINT32_MAX;
  {
    std::unique_lock lock(st.rows_mutex);
    auto [it, fresh] = st.rows.try_emplace(row, s);
    if (!fresh) {
      x.previous = it->second;
      if (st.slot(it->second).died.load(std::memory_order_relaxed) == kAlive) before = it->second;
      it->second = s;
    }
  }
  // The slot is complete before the graph counts it, so that every slot below size() can be read.
  STELE_CHECK(st.graph->add(vector) == s);
  if (before != UINT32_MAX) {
    st.slot(before).died.store(lsn, std::memory_order_release);
    dead_.fetch_add(1, std::memory_order_relaxed);
  } else {
    live_.fetch_add(1, std::memory_order_relaxed);
  }
}

void VectorField::clear(Lsn lsn, RowId row) {
  std::lock_guard write(write_mutex_);
  const auto state = this->state();
  std::shared_lock lock(state->rows_mutex);
  auto it = state->rows.find(row);
  if (it == state->rows.end()) return;
  Slot& x = state->slot(it->second);
  if (x.died.load(std::memory_order_relaxed) != kAlive) return;
  x.died.store(lsn, std::memory_order_release);
  live_.fetch_sub(1, std::memory_order_relaxed);
  dead_.fetch_add(1, std::memory_order_relaxed);
}

bool VectorField::distance(const float* prepared, RowId row, Lsn lsn, float* out) const {
  const auto state = this->state();
  const uint32_t s = state->find(row, lsn);
  if (s == UINT32_MAX) return false;
  *out = state->graph->distance(prepared, s);
  return true;
}
float VectorField::distance_to(const float* prepared, const float* vector) const {
  const auto state = this->state();
  return state->graph->distance(prepared, state->graph->prepare(vector).data());
}
bool VectorField::vector(RowId row, Lsn lsn, std::vector<float>* out) const {
  const auto state = this->state();
  const uint32_t s = state->find(row, lsn);
  if (s == UINT32_MAX) return false;
  const float* v = state->graph->vector(s);
  out->assign(v, v + params_.dimensions);
  return true;
}
bool VectorField::has(RowId row, Lsn lsn) const { return state()->find(row, lsn) != UINT32_MAX; }

std::vector<RowNeighbor> VectorField::exact(const State& st, const std::vector<float>& q, const FieldSearch& options,
                                            FieldSearchStats* stats) const {
  if (stats != nullptr) stats->path = "exact";
  Nearest nearest(options.k);
  uint32_t measured = 0;
  const uint32_t n = st.graph->size();
  if (options.rows != nullptr) {
    std::vector<uint32_t> slots;
    slots.reserve(options.rows->size());
    {
      std::shared_lock lock(st.rows_mutex);
      for (RowId row : *options.rows) {
        const uint32_t s = st.find_locked(row, options.lsn, n);
        if (s != UINT32_MAX) slots.push_back(s);
      }
    }
    for (size_t i = 0; i < slots.size(); ++i) {
      if (i + 3 < slots.size()) __builtin_prefetch(st.graph->vector(slots[i + 3]));
      nearest.offer(st.graph->distance(q.data(), slots[i]), st.slot(slots[i]).row);
    }
    measured = static_cast<uint32_t>(slots.size());
  } else {
    for (uint32_t s = 0; s < n; ++s) {
      if (!st.visible(s, options.lsn)) continue;
      const RowId row = st.slot(s).row;
      if (options.filter != nullptr && !(*options.filter)(row)) continue;
      nearest.offer(st.graph->distance(q.data(), s), row);
      ++measured;
    }
  }
  if (stats != nullptr) stats->distances += measured;
  return nearest.take();
}

std::vector<RowNeighbor> VectorField::search(const float* query, const FieldSearch& options, FieldSearchStats* stats) const {
  const auto state = this->state();
  const State& st = *state;
  const std::vector<float> q = st.graph->prepare(query);
  const uint64_t live = std::max<uint64_t>(1, this->live());
  const uint32_t ef = std::max(options.ef == 0 ? default_ef() : options.ef, options.k);
  const bool filtered = options.filter != nullptr || options.rows != nullptr;
  uint64_t matches = options.rows != nullptr ? options.rows->size() : filtered ? std::min(options.matches, live) : live;
  if (stats != nullptr) stats->ef = ef;
  if (recall_ > 0 && !filtered && !options.exact && searches_.fetch_add(1, std::memory_order_relaxed) % 64 == 0) {
    std::lock_guard lock(audit_mutex_);
    if (sampled_.size() < 32) sampled_.emplace_back(query, query + params_.dimensions);
  }

  // A traversal measures some twenty vectors for each entry of its front, and pays more for each when the
  // filter makes it look two hops away; below that an exact scan is cheaper and perfect.
  const uint64_t traversal = uint64_t{ef} * (filtered ? 40 : 20);
  if (options.exact || matches <= traversal || options.k >= matches) return exact(st, q, options, stats);

  const uint32_t size = st.graph->size();
  std::vector<bool> members;
  if (options.rows != nullptr) {
    members.resize(size, false);
    std::shared_lock lock(st.rows_mutex);
    for (RowId row : *options.rows) {
      const uint32_t s = st.find_locked(row, options.lsn, size);
      if (s != UINT32_MAX) members[s] = true;
    }
  }
  std::optional<MemoLease> lease;
  if (options.rows == nullptr && options.filter != nullptr) lease.emplace(size);
  FilterMemo* memo = lease ? lease->get() : nullptr;
  const SlotFilter passes = [&](uint32_t s) {
    if (options.rows != nullptr) return s < members.size() && members[s];
    if (options.filter == nullptr) return st.visible(s, options.lsn);
    if (s < memo->tags.size() && memo->tags[s] >> 1 == memo->epoch) return (memo->tags[s] & 1) != 0;
    const bool pass = st.visible(s, options.lsn) && (*options.filter)(st.slot(s).row);
    if (s < memo->tags.size()) memo->tags[s] = static_cast<uint16_t>(memo->epoch << 1 | (pass ? 1 : 0));
    return pass;
  };
  const double slots = std::max<double>(1, size);
  SearchOptions so{.k = options.k, .ef = ef, .filter = &passes,
                   .selectivity = static_cast<double>(matches) / slots, .rescore_factor = options.rescore_factor};
  if (!filtered && dead_.load(std::memory_order_relaxed) == 0) so.selectivity = 1.0;
  // Where matches are all of one region, the way from the graph's entry to them leads through nothing that passes:
  // the traversal starts from a sample of them instead.
  if (filtered) {
    Random random(size);
    if (options.rows != nullptr) {
      std::shared_lock lock(st.rows_mutex);
      for (int i = 0; i < 24; ++i) {
        const uint32_t s = st.find_locked((*options.rows)[random.below(options.rows->size())], options.lsn, size);
        if (s != UINT32_MAX) so.starts.push_back(s);
      }
    } else {
      for (int i = 0; i < 400 && so.starts.size() < 16; ++i) {
        const auto s = static_cast<uint32_t>(random.below(size));
        if (passes(s)) so.starts.push_back(s);
      }
    }
  }
  if (stats != nullptr) stats->path = filtered ? "filtered graph" : "graph";
  SearchStats ss;
  Nearest nearest(options.k);
  std::unordered_set<RowId> taken;
  for (const Neighbor& n : st.graph->search(q.data(), so, &ss)) {
    if (taken.insert(st.slot(n.slot).row).second) nearest.offer(n.distance, st.slot(n.slot).row);
  }
  // What is not linked yet is measured exactly.
  for (uint32_t s = st.linked_prefix.load(std::memory_order_acquire); s < size; ++s) {
    if (!passes(s)) continue;
    ++ss.distances;
    if (taken.insert(st.slot(s).row).second) nearest.offer(st.graph->distance(q.data(), s), st.slot(s).row);
  }
  if (stats != nullptr) stats->distances += ss.distances;
  std::vector<RowNeighbor> out = nearest.take();
  // k results whenever k rows match: a front that ran dry falls back to measuring them all.
  if (out.size() < options.k && out.size() < matches) return exact(st, q, options, stats);
  return out;
}

size_t VectorField::link_some(size_t n) {
  const auto state = this->state();
  size_t done = 0;
  while (done < n) {
    uint32_t s = state->next_to_link.load(std::memory_order_relaxed);
    do {
      if (s >= state->graph->size()) return done;
    } while (!state->next_to_link.compare_exchange_weak(s, s + 1));
    state->graph->link(s);
    state->linked(s);
    ++done;
  }
  return done;
}

size_t VectorField::waiting() const {
  const auto st = state();
  return st->graph->size() - std::min(st->graph->size(), st->linked_prefix.load(std::memory_order_acquire));
}
uint64_t VectorField::memory_bytes() const {
  const auto st = state();
  return st->graph->memory_bytes() + uint64_t{st->graph->size()} * (sizeof(Slot) + 24);
}

bool VectorField::worth_compacting() const {
  const uint64_t dead = dead_.load(std::memory_order_relaxed);
  const uint64_t kept = std::min(dead, kept_dead_.load(std::memory_order_relaxed));
  return dead - kept > 1000 && (dead - kept) * 3 > live();
}

void VectorField::compact(Lsn horizon) {
  const auto old = state();
  auto fresh = std::make_shared<State>(params_);
  const uint32_t size = old->graph->size();
  std::vector<uint32_t> from;   // the old slot of each new one
  auto copy = [&](uint32_t s) {
    const Slot& x = old->slot(s);
    if (x.died.load(std::memory_order_acquire) <= horizon) return false;
    const uint32_t to = fresh->graph->size();
    Slot& y = fresh->make_slot(to);
    y.row = x.row;
    y.born.store(x.born.load(std::memory_order_acquire), std::memory_order_relaxed);
    auto [it, first] = fresh->rows.try_emplace(x.row, to);
    if (!first) y.previous = std::exchange(it->second, to);
    STELE_CHECK(fresh->graph->add_prepared(old->graph->vector(s)) == to);
    from.push_back(s);
    return true;
  };
  for (uint32_t s = 0; s < size; ++s) {
    if (!copy(s)) continue;
    const auto to = static_cast<uint32_t>(from.size() - 1);
    fresh->graph->link(to);
    fresh->linked(to);
    fresh->next_to_link.store(to + 1);
  }
  std::lock_guard write(write_mutex_);
  for (uint32_t s = size; s < old->graph->size(); ++s) copy(s);  // added meanwhile; linked in the background
  uint64_t dead = 0;
  for (uint32_t to = 0; to < from.size(); ++to) {
    const Lsn died = old->slot(from[to]).died.load(std::memory_order_acquire);
    fresh->slot(to).died.store(died, std::memory_order_relaxed);
    dead += died != kAlive;
  }
  dead_.store(dead, std::memory_order_relaxed);
  kept_dead_.store(dead, std::memory_order_relaxed);
  saved_slots_ = 0;
  state_.store(std::move(fresh), std::memory_order_release);
}

bool VectorField::audit(Lsn lsn) {
  if (recall_ <= 0) return false;
  std::vector<std::vector<float>> queries;
  {
    std::lock_guard lock(audit_mutex_);
    queries.swap(sampled_);
  }
  const auto st = state();
  const uint32_t size = st->linked_prefix.load(std::memory_order_acquire);
  if (queries.size() < 8 && (size < 2000 || size < audited_slots_ + audited_slots_ / 4)) {
    std::lock_guard lock(audit_mutex_);
    for (auto& v : queries) sampled_.push_back(std::move(v));  // wait for more
    return false;
  }
  audited_slots_ = std::max(audited_slots_, size);
  Random random(size);
  while (queries.size() < 16) {   // too few were asked: near stored vectors is where queries are
    const float *a = st->graph->vector(static_cast<uint32_t>(random.below(size))), *b = st->graph->vector(static_cast<uint32_t>(random.below(size)));
    std::vector<float> v(params_.dimensions);
    for (uint32_t i = 0; i < params_.dimensions; ++i) v[i] = 0.85f * a[i] + 0.15f * b[i];
    queries.push_back(std::move(v));
  }
  auto measure = [&](uint32_t ef) {
    size_t hits = 0, all = 0;
    for (const auto& v : queries) {
      const auto want = search(v.data(), {.k = 10, .lsn = lsn, .exact = true});
      const auto got = search(v.data(), {.k = 10, .ef = ef, .lsn = lsn});
      all += want.size();
      for (const auto& n : got) hits += !want.empty() && n.distance <= want.back().distance;
    }
    return all == 0 ? 1.0 : static_cast<double>(hits) / static_cast<double>(all);
  };
  uint32_t ef = default_ef();
  double recall = measure(ef);
  while (recall < recall_ && ef < 4096) {
    ef = ef + ef / 3 + 1;
    recall = measure(ef);
  }
  measured_.store(recall, std::memory_order_relaxed);
  // Down only when well above the contract, a little at a time: sixteen queries say little about the third digit.
  if (recall >= std::min(1.0, recall_ + 0.5 * (1 - recall_)) && ef > 16) ef -= ef / 16;
  ef_.store(ef, std::memory_order_relaxed);
  return true;
}

// The owner's part of a checkpoint: the row of each slot.
bool VectorField::save(const std::string& path) {
  const auto st = state();
  const uint32_t limit = st->linked_prefix.load(std::memory_order_acquire);
  std::string rows;
  rows.reserve(size_t{limit} * 8);
  for (uint32_t s = 0; s < limit; ++s) put_le<uint64_t>(rows, st->slot(s).row);
  if (!st->graph->save(path, limit, rows)) return false;
  std::lock_guard write(write_mutex_);
  saved_slots_ = limit;
  return true;
}

bool VectorField::restore(const std::string& path, bool mapped) {
  std::string rows;
  auto graph = HnswGraph::open(path, params_, mapped, &rows);
  if (graph == nullptr || rows.size() != size_t{graph->size()} * 8) return false;
  auto fresh = std::make_shared<State>(params_);
  fresh->graph = std::move(graph);
  const uint32_t n = fresh->graph->size();
  Reader reader(rows);
  std::lock_guard write(write_mutex_);
  for (uint32_t s = 0; s < n; ++s) {
    Slot& x = fresh->make_slot(s);
    x.row = reader.le<uint64_t>();
    x.died.store(0, std::memory_order_relaxed);   // nobody's until a row claims it
    unclaimed_[x.row] = s;
  }
  fresh->next_to_link.store(n);
  fresh->linked_prefix.store(n);
  dead_.store(n, std::memory_order_relaxed);
  saved_slots_ = n;
  state_.store(std::move(fresh), std::memory_order_release);
  return true;
}
void VectorField::restored() {
  std::lock_guard write(write_mutex_);
  unclaimed_ = {};
}
uint64_t VectorField::unsaved() const {
  const auto st = state();
  return st->graph->size() - std::min<uint64_t>(st->graph->size(), saved_slots_);
}

}  // namespace stele::segments::vectors
