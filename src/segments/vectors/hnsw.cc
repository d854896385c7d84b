#include "segments/vectors/hnsw.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/error.h"
#include "types/vector_kernels.h"

namespace stele::segments::vectors {

namespace {

constexpr uint32_t kChunkNodes = 1024;      // nodes a chunk of memory holds
constexpr uint32_t kMaxChunks = 1 << 20;
constexpr int kMaxLevel = 24;

// What a quantised vector needs beside its codes to give distances back.
struct CodeHeader {
  float scale;
  float norm_squared;
};

// Visited marks of one search: a slot is marked when its tag equals the epoch, so that clearing is O(1).
struct VisitedSet {
  std::vector<uint16_t> tags;
  uint16_t epoch = 0;
  void begin(size_t n) {
    if (tags.size() < n) tags.resize(n + n / 4 + 1024, 0);
    if (++epoch == 0) {
      std::fill(tags.begin(), tags.end(), uint16_t{0});
      epoch = 1;
    }
  }
  // True when the slot was not marked before. Slots added after begin() count as visited.
  bool mark(uint32_t slot) {
    if (slot >= tags.size() || tags[slot] == epoch) return false;
    tags[slot] = epoch;
    return true;
  }
  void prefetch(uint32_t slot) const {
    if (slot < tags.size()) __builtin_prefetch(&tags[slot]);
  }
};

class VisitedPool {
 public:
  std::unique_ptr<VisitedSet> take() {
    std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<VisitedSet>();
    auto set = std::move(free_.back());
    free_.pop_back();
    return set;
  }
  void give(std::unique_ptr<VisitedSet> set) {
    std::lock_guard lock(mutex_);
    free_.push_back(std::move(set));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<VisitedSet>> free_;
};

struct VisitedLease {
  explicit VisitedLease(VisitedPool& p) : pool(p), set(p.take()) {}
  ~VisitedLease() { pool.give(std::move(set)); }
  VisitedPool& pool;
  std::unique_ptr<VisitedSet> set;
};

// The best `capacity` candidates in ascending order, each expanded at most once: candidate queue and
// result list in one sorted array, which for the usual ef beats two heaps.
class Frontier {
 public:
  explicit Frontier(uint32_t capacity) : capacity_(capacity) { entries_.reserve(capacity + 1); }
  bool full() const { return entries_.size() >= capacity_; }
  float worst() const { return full() ? entries_.back().distance : std::numeric_limits<float>::infinity(); }
  void offer(float distance, uint32_t slot) {
    if (full() && distance >= entries_.back().distance) return;
    auto at = std::upper_bound(entries_.begin(), entries_.end(), distance,
                               [](float d, const Entry& e) { return d < e.distance; });
    const size_t index = static_cast<size_t>(at - entries_.begin());
    if (full()) entries_.pop_back();
    entries_.insert(entries_.begin() + static_cast<ptrdiff_t>(index), Entry{distance, slot, false});
    next_ = std::min(next_, index);
  }
  // The nearest candidate not expanded yet; false when there is none.
  bool pop(uint32_t* slot) {
    while (next_ < entries_.size() && entries_[next_].expanded) ++next_;
    if (next_ >= entries_.size()) return false;
    entries_[next_].expanded = true;
    *slot = entries_[next_++].slot;
    return true;
  }
  std::vector<Neighbor> take() const {
    std::vector<Neighbor> out;
    out.reserve(entries_.size());
    for (const Entry& e : entries_) out.push_back({e.distance, e.slot});
    return out;
  }

 private:
  struct Entry {
    float distance;
    uint32_t slot;
    bool expanded;
  };
  uint32_t capacity_;
  size_t next_ = 0;
  std::vector<Entry> entries_;
};

class SpinLock {
 public:
  void lock() {
    while (flag_.exchange(true, std::memory_order_acquire)) {
      while (flag_.load(std::memory_order_relaxed)) std::this_thread::yield();
    }
  }
  void unlock() { flag_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> flag_{false};
};

using Link = std::atomic<uint32_t>;

}  // namespace

// Memory of a node on layer 0: [count][2m links][vector, or code header and codes], one block so that a hop
// touches neighbouring cache lines. Upper layers live apart: they hold one node in m.
struct HnswGraph::Impl {
  explicit Impl(const HnswParams& p)
      : params(p),
        m(std::max(2u, p.m)),
        m0(2 * std::max(2u, p.m)),
        level_factor(1.0 / std::log(std::max(2u, p.m))),
        rng(p.seed) {
    vector_bytes = params.quantize ? sizeof(CodeHeader) + params.dimensions : params.dimensions * sizeof(float);
    vector_offset = (1 + m0) * sizeof(uint32_t);
    vector_offset = (vector_offset + 15) & ~size_t{15};
    node_bytes = (vector_offset + vector_bytes + 63) & ~size_t{63};
    chunks = std::make_unique<std::atomic<Chunk*>[]>(kMaxChunks);
    for (uint32_t i = 0; i < kMaxChunks; ++i) chunks[i].store(nullptr, std::memory_order_relaxed);
  }
  ~Impl() {
    for (uint32_t i = 0; i < kMaxChunks; ++i) {
      Chunk* c = chunks[i].load(std::memory_order_relaxed);
      if (c == nullptr) break;
      delete c;
    }
  }

  struct Chunk {
    Chunk(size_t node_bytes, size_t dimensions, bool keep_full)
        : nodes(static_cast<char*>(std::aligned_alloc(64, node_bytes * kChunkNodes))) {
      if (nodes == nullptr) throw std::bad_alloc();
      std::memset(nodes, 0, node_bytes * kChunkNodes);
      if (keep_full) full.resize(dimensions * kChunkNodes);
    }
    ~Chunk() { std::free(nodes); }
    Chunk(const Chunk&) = delete;
    Chunk& operator=(const Chunk&) = delete;
    char* nodes;
    std::vector<float> full;  // full vectors beside the codes, for rescoring
    std::array<SpinLock, kChunkNodes> locks;
    // Links of the upper layers: level * (1 + m) words; null for nodes of layer 0 only.
    std::array<std::unique_ptr<Link[]>, kChunkNodes> upper;
    std::array<uint8_t, kChunkNodes> level{};
    std::array<std::atomic<bool>, kChunkNodes> linked{};
  };

  Chunk& chunk(uint32_t slot) const { return *chunks[slot / kChunkNodes].load(std::memory_order_acquire); }
  char* node(uint32_t slot) const { return chunk(slot).nodes + node_bytes * (slot % kChunkNodes); }
  // [0] is the count.
  Link* links(uint32_t slot, int layer) const {
    if (layer == 0) return reinterpret_cast<Link*>(node(slot));
    return chunk(slot).upper[slot % kChunkNodes].get() + static_cast<size_t>(layer - 1) * (1 + m);
  }
  const float* full_vector(uint32_t slot) const {
    if (params.quantize) return chunk(slot).full.data() + size_t{slot % kChunkNodes} * params.dimensions;
    return reinterpret_cast<const float*>(node(slot) + vector_offset);
  }
  const CodeHeader* code(uint32_t slot) const { return reinterpret_cast<const CodeHeader*>(node(slot) + vector_offset); }

  float exact_distance(const float* a, const float* b) const {
    switch (params.metric) {
      case Metric::kL2: return l2_squared_f32(a, b, params.dimensions);
      case Metric::kInnerProduct: return -dot_f32(a, b, params.dimensions);
      case Metric::kCosine: return 1.0f - dot_f32(a, b, params.dimensions);
      case Metric::kL1: return l1_f32(a, b, params.dimensions);
    }
    return 0;
  }

  void encode(const float* v, CodeHeader* out) const {
    float largest = 0, norm = 0;
    for (uint32_t i = 0; i < params.dimensions; ++i) {
      largest = std::max(largest, std::fabs(v[i]));
      norm += v[i] * v[i];
    }
    out->scale = largest / 127.0f;
    out->norm_squared = norm;
    const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
    auto* codes = reinterpret_cast<int8_t*>(out + 1);
    for (uint32_t i = 0; i < params.dimensions; ++i) codes[i] = static_cast<int8_t>(std::lrintf(v[i] * inverse));
  }
  float code_distance(const CodeHeader* a, const CodeHeader* b) const {
    const float product = a->scale * b->scale *
        static_cast<float>(dot_i8(reinterpret_cast<const int8_t*>(a + 1), reinterpret_cast<const int8_t*>(b + 1), params.dimensions));
    switch (params.metric) {
      case Metric::kL2: return a->norm_squared + b->norm_squared - 2 * product;
      case Metric::kInnerProduct: return -product;
      case Metric::kCosine: return 1.0f - product;
      case Metric::kL1: break;  // not quantised, see the constructor of HnswGraph
    }
    return 0;
  }

  // A query (or a node that is being linked) in the form that traversal compares with.
  struct Target {
    const float* full = nullptr;
    const CodeHeader* code = nullptr;
  };
  Target target_of(uint32_t slot) const {
    return params.quantize ? Target{nullptr, code(slot)} : Target{full_vector(slot), nullptr};
  }
  float distance(const Target& t, uint32_t slot) const {
    return params.quantize ? code_distance(t.code, code(slot)) : exact_distance(t.full, full_vector(slot));
  }
  void prefetch(uint32_t slot) const {
    const char* p = node(slot) + vector_offset;
    const size_t bytes = std::min<size_t>(vector_bytes, 512);
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i);
  }

  // Copies a node's links; they may change while we read, and each word is valid whenever it is read.
  uint32_t copy_links(uint32_t slot, int layer, uint32_t* out) const {
    const Link* l = links(slot, layer);
    const uint32_t count = std::min(l[0].load(std::memory_order_acquire), layer == 0 ? m0 : m);
    for (uint32_t i = 0; i < count; ++i) out[i] = l[1 + i].load(std::memory_order_relaxed);
    return count;
  }

  uint32_t greedy(const Target& t, uint32_t start, int layer, float* best_distance, SearchStats* stats) const {
    std::vector<uint32_t> near(m0);
    uint32_t best = start;
    for (bool moved = true; moved;) {
      moved = false;
      const uint32_t n = copy_links(best, layer, near.data());
      if (stats != nullptr) stats->distances += n;
      for (uint32_t i = 0; i < n; ++i) {
        const float d = distance(t, near[i]);
        if (d < *best_distance) {
          *best_distance = d;
          best = near[i];
          moved = true;
        }
      }
    }
    return best;
  }

  // The ef nearest reachable nodes of one layer, all of them candidates.
  std::vector<Neighbor> search_layer(const Target& t, uint32_t entry, float entry_distance, uint32_t ef, int layer,
                                     SearchStats* stats) const {
    VisitedLease visited(visited_pool);
    visited.set->begin(count.load(std::memory_order_acquire));
    Frontier frontier(ef);
    visited.set->mark(entry);
    frontier.offer(entry_distance, entry);
    std::vector<uint32_t> near(m0);
    uint32_t slot;
    while (frontier.pop(&slot)) {
      const uint32_t n = copy_links(slot, layer, near.data());
      uint32_t fresh = 0;
      for (uint32_t i = 0; i < n; ++i) visited.set->prefetch(near[i]);
      for (uint32_t i = 0; i < n; ++i) {
        if (visited.set->mark(near[i])) near[fresh++] = near[i];
      }
      for (uint32_t i = 0; i < std::min(fresh, 2u); ++i) prefetch(near[i]);
      for (uint32_t i = 0; i < fresh; ++i) {
        if (i + 2 < fresh) prefetch(near[i + 2]);
        frontier.offer(distance(t, near[i]), near[i]);
      }
      if (stats != nullptr) {
        stats->distances += fresh;
        ++stats->hops;
      }
    }
    return frontier.take();
  }

  // Filtered search of layer 0. Nodes that pass are candidates and results; the neighbours of a node that
  // fails are looked at in its place, so that the passing nodes stay connected (ACORN's two hops).
  std::vector<Neighbor> search_filtered(const Target& t, uint32_t entry, float entry_distance, uint32_t ef,
                                        const SlotFilter& passes, SearchStats* stats) const {
    VisitedLease visited(visited_pool);
    visited.set->begin(count.load(std::memory_order_acquire));
    Frontier frontier(ef);
    std::vector<uint32_t> near(m0), second(m0), found;
    visited.set->mark(entry);
    auto expand = [&](uint32_t slot) {
      found.clear();
      const uint32_t n = copy_links(slot, 0, near.data());
      for (uint32_t i = 0; i < n; ++i) {
        if (!visited.set->mark(near[i])) continue;
        if (passes(near[i])) {
          found.push_back(near[i]);
          continue;
        }
        const uint32_t n2 = copy_links(near[i], 0, second.data());
        for (uint32_t j = 0; j < n2; ++j) {
          // Failing nodes at two hops stay unmarked: another path may need to pass through them.
          if (passes(second[j]) && visited.set->mark(second[j])) found.push_back(second[j]);
        }
        if (found.size() >= size_t{4} * m0) break;
      }
      for (size_t i = 0; i < found.size(); ++i) {
        if (i + 2 < found.size()) prefetch(found[i + 2]);
        frontier.offer(distance(t, found[i]), found[i]);
      }
      if (stats != nullptr) {
        stats->distances += static_cast<uint32_t>(found.size());
        ++stats->hops;
      }
    };
    if (passes(entry)) {
      frontier.offer(entry_distance, entry);
    } else {
      // Walk out from the entry through failing nodes, breadth first, until some pass.
      std::vector<uint32_t> ring{entry};
      for (size_t at = 0; at < ring.size() && at < size_t{8} * m0; ++at) {
        expand(ring[at]);
        if (!found.empty()) break;
        const uint32_t n = copy_links(ring[at], 0, near.data());
        for (uint32_t i = 0; i < n; ++i) ring.push_back(near[i]);
      }
    }
    uint32_t slot;
    while (frontier.pop(&slot)) expand(slot);
    return frontier.take();
  }

  // Keeps at most `limit` of the candidates (ascending) so that each is nearer to the base than to any kept
  // one: links in different directions (algorithm 4 of the paper).
  void select_diverse(std::vector<Neighbor>& candidates, uint32_t limit) const {
    if (candidates.size() <= limit) return;
    std::vector<Neighbor> kept;
    kept.reserve(limit);
    for (const Neighbor& c : candidates) {
      if (kept.size() >= limit) break;
      const Target t = target_of(c.slot);
      bool diverse = true;
      for (const Neighbor& k : kept) {
        if (distance(t, k.slot) < c.distance) {
          diverse = false;
          break;
        }
      }
      if (diverse) kept.push_back(c);
    }
    candidates.swap(kept);
  }

  void set_links(uint32_t slot, int layer, const std::vector<Neighbor>& to) {
    Link* l = links(slot, layer);
    for (size_t i = 0; i < to.size(); ++i) l[1 + i].store(to[i].slot, std::memory_order_relaxed);
    l[0].store(static_cast<uint32_t>(to.size()), std::memory_order_release);
  }

  // Adds `from` to the links of `slot`, thinning them when they are full.
  void add_link(uint32_t slot, uint32_t from, float d, int layer) {
    std::lock_guard lock(chunk(slot).locks[slot % kChunkNodes]);
    Link* l = links(slot, layer);
    const uint32_t limit = layer == 0 ? m0 : m;
    const uint32_t n = l[0].load(std::memory_order_relaxed);
    for (uint32_t i = 0; i < n; ++i) {
      if (l[1 + i].load(std::memory_order_relaxed) == from) return;
    }
    if (n < limit) {
      l[1 + n].store(from, std::memory_order_relaxed);
      l[0].store(n + 1, std::memory_order_release);
      return;
    }
    std::vector<Neighbor> candidates;
    candidates.reserve(n + 1);
    candidates.push_back({d, from});
    const Target t = target_of(slot);
    for (uint32_t i = 0; i < n; ++i) {
      const uint32_t other = l[1 + i].load(std::memory_order_relaxed);
      candidates.push_back({distance(t, other), other});
    }
    std::sort(candidates.begin(), candidates.end());
    select_diverse(candidates, limit);
    set_links(slot, layer, candidates);
  }

  int random_level() {
    const double u = std::max(rng.unit(), 1e-18);
    return std::min(kMaxLevel, static_cast<int>(-std::log(u) * level_factor));
  }

  HnswParams params;
  uint32_t m, m0;
  double level_factor;
  Random rng;
  size_t vector_bytes, vector_offset, node_bytes;
  std::unique_ptr<std::atomic<Chunk*>[]> chunks;
  std::atomic<uint32_t> count{0};
  std::atomic<uint32_t> linked_count{0};
  // Entry point and top layer as one word: (level + 1) << 32 | slot; 0 while nothing is linked.
  std::atomic<uint64_t> entry{0};
  std::mutex entry_mutex;
  mutable VisitedPool visited_pool;
};

HnswGraph::HnswGraph(const HnswParams& params) : params_(params) {
  STELE_CHECK(params.dimensions > 0);
  if (params_.metric == Metric::kL1) params_.quantize = false;
  impl_ = std::make_unique<Impl>(params_);
}
HnswGraph::~HnswGraph() = default;

std::vector<float> HnswGraph::prepare(const float* query) const {
  std::vector<float> q(query, query + params_.dimensions);
  if (params_.metric == Metric::kCosine) {
    const float norm = std::sqrt(dot_f32(query, query, params_.dimensions));
    if (norm > 0) {
      for (float& x : q) x /= norm;
    }
  }
  return q;
}

uint32_t HnswGraph::add(const float* vector) {
  Impl& g = *impl_;
  const uint32_t slot = g.count.load(std::memory_order_relaxed);
  STELE_CHECK(slot / kChunkNodes < kMaxChunks);
  if (slot % kChunkNodes == 0) {
    g.chunks[slot / kChunkNodes].store(new Impl::Chunk(g.node_bytes, params_.dimensions, params_.quantize),
                                       std::memory_order_release);
  }
  Impl::Chunk& c = g.chunk(slot);
  const std::vector<float> v = prepare(vector);
  const size_t bytes = params_.dimensions * sizeof(float);
  if (params_.quantize) {
    std::memcpy(c.full.data() + size_t{slot % kChunkNodes} * params_.dimensions, v.data(), bytes);
    g.encode(v.data(), reinterpret_cast<CodeHeader*>(g.node(slot) + g.vector_offset));
  } else {
    std::memcpy(g.node(slot) + g.vector_offset, v.data(), bytes);
  }
  const int level = g.random_level();
  c.level[slot % kChunkNodes] = static_cast<uint8_t>(level);
  if (level > 0) {
    const size_t words = static_cast<size_t>(level) * (1 + g.m);
    c.upper[slot % kChunkNodes] = std::make_unique<Link[]>(words);
  }
  g.count.store(slot + 1, std::memory_order_release);
  return slot;
}

void HnswGraph::link(uint32_t slot) {
  Impl& g = *impl_;
  const int level = g.chunk(slot).level[slot % kChunkNodes];
  // A node that raises the top layer holds the entry lock until it is the entry point.
  std::unique_lock entry_lock(g.entry_mutex, std::defer_lock);
  uint64_t entry = g.entry.load(std::memory_order_acquire);
  if (entry == 0 || level > static_cast<int>(entry >> 32) - 1) {
    entry_lock.lock();
    entry = g.entry.load(std::memory_order_acquire);
  }
  if (entry != 0) {
    const int top = static_cast<int>(entry >> 32) - 1;
    uint32_t at = static_cast<uint32_t>(entry);
    const Impl::Target t = g.target_of(slot);
    float d = g.distance(t, at);
    for (int layer = top; layer > level; --layer) at = g.greedy(t, at, layer, &d, nullptr);
    for (int layer = std::min(top, level); layer >= 0; --layer) {
      auto candidates = g.search_layer(t, at, d, std::max(params_.ef_construction, g.m), layer, nullptr);
      std::erase_if(candidates, [slot](const Neighbor& n) { return n.slot == slot; });
      if (candidates.empty()) continue;
      at = candidates.front().slot;
      d = candidates.front().distance;
      g.select_diverse(candidates, g.m);
      {
        std::lock_guard lock(g.chunk(slot).locks[slot % kChunkNodes]);
        g.set_links(slot, layer, candidates);
      }
      for (const Neighbor& n : candidates) g.add_link(n.slot, slot, n.distance, layer);
    }
  }
  g.chunk(slot).linked[slot % kChunkNodes].store(true, std::memory_order_release);
  if (entry_lock.owns_lock() && (entry == 0 || level > static_cast<int>(entry >> 32) - 1)) {
    g.entry.store(uint64_t(level + 1) << 32 | slot, std::memory_order_release);
  }
  g.linked_count.fetch_add(1, std::memory_order_acq_rel);
}

uint32_t HnswGraph::size() const { return impl_->count.load(std::memory_order_acquire); }
uint32_t HnswGraph::linked() const { return impl_->linked_count.load(std::memory_order_acquire); }
const float* HnswGraph::vector(uint32_t slot) const { return impl_->full_vector(slot); }
float HnswGraph::distance(const float* prepared, uint32_t slot) const {
  return impl_->exact_distance(prepared, impl_->full_vector(slot));
}

std::vector<Neighbor> HnswGraph::exact(const float* query, const uint32_t* slots, size_t n, uint32_t k) const {
  const std::vector<float> q = prepare(query);
  std::vector<Neighbor> best;  // max-heap of the k nearest
  for (size_t i = 0; i < n; ++i) {
    const Neighbor c{distance(q.data(), slots[i]), slots[i]};
    if (best.size() < k) {
      best.push_back(c);
      std::push_heap(best.begin(), best.end());
    } else if (k > 0 && c < best.front()) {
      std::pop_heap(best.begin(), best.end());
      best.back() = c;
      std::push_heap(best.begin(), best.end());
    }
  }
  std::sort_heap(best.begin(), best.end());
  return best;
}

std::vector<Neighbor> HnswGraph::search(const float* query, const SearchOptions& options, SearchStats* stats) const {
  const Impl& g = *impl_;
  const uint64_t entry = g.entry.load(std::memory_order_acquire);
  if (entry == 0 || options.k == 0) return {};
  const std::vector<float> q = prepare(query);
  std::unique_ptr<char[]> code;
  Impl::Target t{q.data(), nullptr};
  if (params_.quantize) {
    code = std::make_unique<char[]>(sizeof(CodeHeader) + params_.dimensions);
    g.encode(q.data(), reinterpret_cast<CodeHeader*>(code.get()));
    t = {nullptr, reinterpret_cast<const CodeHeader*>(code.get())};
  }
  uint32_t at = static_cast<uint32_t>(entry);
  float d = g.distance(t, at);
  for (int layer = static_cast<int>(entry >> 32) - 1; layer > 0; --layer) at = g.greedy(t, at, layer, &d, stats);

  uint32_t keep = options.k;
  if (params_.quantize) keep = static_cast<uint32_t>(std::ceil(options.k * std::max(1.0, options.rescore_factor)));
  const uint32_t ef = std::max(options.ef, keep);
  std::vector<Neighbor> found;
  if (options.filter == nullptr) {
    found = g.search_layer(t, at, d, ef, 0, stats);
  } else if (options.selectivity > 0.7) {
    // Most nodes pass: walk the whole graph with a wider front and drop the few that do not.
    found = g.search_layer(t, at, d, static_cast<uint32_t>(std::ceil(ef / options.selectivity)), 0, stats);
    std::erase_if(found, [&](const Neighbor& n) { return !(*options.filter)(n.slot); });
  } else {
    found = g.search_filtered(t, at, d, ef, *options.filter, stats);
  }
  if (params_.quantize) {
    if (found.size() > keep) found.resize(keep);
    for (Neighbor& n : found) n.distance = distance(q.data(), n.slot);
    std::sort(found.begin(), found.end());
  }
  if (found.size() > options.k) found.resize(options.k);
  return found;
}

uint64_t HnswGraph::memory_bytes() const {
  const uint64_t chunks = (size() + kChunkNodes - 1) / kChunkNodes;
  return chunks * (impl_->node_bytes * kChunkNodes + sizeof(Impl::Chunk) +
                   (params_.quantize ? uint64_t{params_.dimensions} * sizeof(float) * kChunkNodes : 0));
}

// Version 1: [u8 version][u32 nodes][u32 m][u64 entry], then a node: [u8 level] and, a layer: count, links (varints).
void HnswGraph::save_links(uint32_t limit, std::string& out) const {
  const Impl& g = *impl_;
  std::vector<uint32_t> near(g.m0);
  out.push_back(1);
  put_le<uint32_t>(out, limit);
  put_le<uint32_t>(out, g.m);
  uint64_t entry = g.entry.load(std::memory_order_acquire);
  if (static_cast<uint32_t>(entry) >= limit) {  // a later node took the lead: the highest one kept does
    entry = 0;
    for (uint32_t s = 0; s < limit; ++s) {
      const uint64_t level = g.chunk(s).level[s % kChunkNodes];
      if (entry == 0 || level + 1 > entry >> 32) entry = (level + 1) << 32 | s;
    }
  }
  put_le<uint64_t>(out, entry);
  for (uint32_t s = 0; s < limit; ++s) {
    const int level = g.chunk(s).level[s % kChunkNodes];
    out.push_back(static_cast<char>(level));
    for (int layer = 0; layer <= level; ++layer) {
      uint32_t n = g.copy_links(s, layer, near.data());
      n = static_cast<uint32_t>(std::remove_if(near.begin(), near.begin() + n, [limit](uint32_t x) { return x >= limit; }) - near.begin());
      put_varint(out, n);
      for (uint32_t i = 0; i < n; ++i) put_varint(out, near[i]);
    }
  }
}

bool HnswGraph::load_links(std::string_view in) {
  Impl& g = *impl_;
  Reader r(in);
  if (r.le<uint8_t>() != 1) return false;
  const uint32_t nodes = r.le<uint32_t>();
  if (nodes > size() || r.le<uint32_t>() != g.m) return false;
  const uint64_t entry = r.le<uint64_t>();
  if (static_cast<uint32_t>(entry) >= std::max(nodes, 1u)) return false;
  for (uint32_t s = 0; s < nodes && r.ok(); ++s) {
    Impl::Chunk& c = g.chunk(s);
    const int level = r.le<uint8_t>();
    if (level > kMaxLevel) return false;
    c.level[s % kChunkNodes] = static_cast<uint8_t>(level);
    c.upper[s % kChunkNodes] = level > 0 ? std::make_unique<Link[]>(static_cast<size_t>(level) * (1 + g.m)) : nullptr;
    for (int layer = 0; layer <= level; ++layer) {
      const uint64_t n = r.varint();
      if (n > (layer == 0 ? g.m0 : g.m)) return false;
      Link* l = g.links(s, layer);
      for (uint64_t i = 0; i < n; ++i) {
        const uint64_t to = r.varint();
        if (to >= nodes) return false;
        l[1 + i].store(static_cast<uint32_t>(to), std::memory_order_relaxed);
      }
      l[0].store(static_cast<uint32_t>(n), std::memory_order_release);
    }
    c.linked[s % kChunkNodes].store(true, std::memory_order_release);
  }
  if (!r.ok()) return false;
  g.entry.store(entry, std::memory_order_release);
  g.linked_count.store(nodes, std::memory_order_release);
  return true;
}

}  // namespace stele::segments::vectors
