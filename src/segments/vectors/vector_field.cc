#include "segments/vectors/vector_field.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/error.h"

namespace stele::segments::vectors {

uint32_t VectorField::State::find_locked(RowId row, Lsn lsn, uint32_t limit) const {
  auto it = rows.find(row);
  if (it == rows.end()) return UINT32_MAX;
  for (uint32_t s = it->second; s != UINT32_MAX; s = slots.at(s).previous) {
    if (s < limit && slots.visible(s, lsn)) return s;
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
    : params_(params), shape_(params), ef_(default_ef), recall_(recall), state_(std::make_shared<State>(params)), costs_(params.dimensions) {}
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
        st.slots.revive(s, lsn);
        st.rows[row] = s;
        live_.fetch_add(1, std::memory_order_relaxed);
        dead_.fetch_sub(1, std::memory_order_relaxed);
        return;
      }
    }
  }
  const uint32_t s = st.graph->size();
  uint32_t before = UINT32_MAX, previous = UINT32_MAX;
  {
    std::unique_lock lock(st.rows_mutex);
    auto [it, fresh] = st.rows.try_emplace(row, s);
    if (!fresh) {
      previous = it->second;
      if (st.slots.at(previous).died.load(std::memory_order_relaxed) == kAlive) before = previous;
    }
    st.slots.place(s, row, previous, lsn);
    it->second = s;
  }
  // The slot is complete before the graph counts it, so that every slot below size() can be read.
  STELE_CHECK(st.graph->add(vector) == s);
  if (before != UINT32_MAX) {
    st.slots.die(before, lsn);
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
  if (state->slots.at(it->second).died.load(std::memory_order_relaxed) != kAlive) return;
  state->slots.die(it->second, lsn);
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

size_t VectorField::link_some(size_t n) {
  const auto state = this->state();
  size_t done = 0;
  if (!state->graph->params().graph) return 0;
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
  if (!st->graph->params().graph) return 0;
  return st->graph->size() - std::min(st->graph->size(), st->linked_prefix.load(std::memory_order_acquire));
}
uint64_t VectorField::memory_bytes() const {
  const auto st = state();
  return st->graph->memory_bytes() + uint64_t{st->graph->size()} * (sizeof(Slot) + 24);
}

bool VectorField::worth_compacting() const {
  const uint64_t dead = dead_.load(std::memory_order_relaxed);
  const uint64_t kept = std::min(dead, kept_dead_.load(std::memory_order_relaxed));
  if (dead - kept > 1000 && (dead - kept) * 3 > live()) return true;
  const HnswParams wanted = shape(), now = state()->graph->params();
  return wanted.m != now.m || wanted.ef_construction != now.ef_construction || (wanted.quantize && wanted.metric != Metric::kL1) != now.quantize || wanted.graph != now.graph;
}

HnswParams VectorField::shape() const {
  std::lock_guard lock(shape_mutex_);
  return shape_;
}
void VectorField::reshape(const HnswParams& params, uint32_t default_ef) {
  std::lock_guard lock(shape_mutex_);
  shape_ = params;
  shape_.dimensions = params_.dimensions;
  shape_.metric = params_.metric;
  ef_.store(default_ef, std::memory_order_relaxed);
}

void VectorField::compact(Lsn horizon) {
  const auto old = state();
  const HnswParams shape = this->shape();
  auto fresh = std::make_shared<State>(shape);
  const uint32_t size = old->graph->size();
  std::vector<uint32_t> from;   // the old slot of each new one
  auto copy = [&](uint32_t s) {
    const Slot& x = old->slots.at(s);
    if (x.died.load(std::memory_order_acquire) <= horizon) return false;
    const uint32_t to = fresh->graph->size();
    auto [it, first] = fresh->rows.try_emplace(x.row, to);
    const uint32_t previous = first ? UINT32_MAX : std::exchange(it->second, to);
    fresh->slots.place(to, x.row, previous, x.born.load(std::memory_order_acquire));
    STELE_CHECK(fresh->graph->add_prepared(old->graph->vector(s)) == to);
    from.push_back(s);
    return true;
  };
  for (uint32_t s = 0; s < size; ++s) {
    if (!copy(s) || !shape.graph) continue;
    const auto to = static_cast<uint32_t>(from.size() - 1);
    fresh->graph->link(to);
    fresh->linked(to);
    fresh->next_to_link.store(to + 1);
  }
  std::lock_guard write(write_mutex_);
  for (uint32_t s = size; s < old->graph->size(); ++s) copy(s);  // added meanwhile; linked in the background
  uint64_t dead = 0;
  for (uint32_t to = 0; to < from.size(); ++to) {
    const Lsn died = old->slots.at(from[to]).died.load(std::memory_order_acquire);
    if (died == kAlive) continue;
    fresh->slots.die(to, died);
    ++dead;
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
  for (uint32_t s = 0; s < limit; ++s) put_le<uint64_t>(rows, st->slots.at(s).row);
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
    const RowId row = reader.le<uint64_t>();
    fresh->slots.place(s, row, UINT32_MAX, 0, 0);   // nobody's until a row claims it
    unclaimed_[row] = s;
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
