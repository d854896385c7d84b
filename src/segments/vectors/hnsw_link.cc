// Building: adding vectors and linking them.
#include "segments/vectors/hnsw_impl.h"

namespace stele::segments::vectors {

namespace {
// Among equals the newest first: equal vectors then hang together as a chain. Were the oldest preferred, they would
// fill each other's links and the newer ones could not be reached.
bool nearer_or_newer(const Neighbor& a, const Neighbor& b) {
  return a.distance < b.distance || (a.distance == b.distance && a.slot > b.slot);
}
}  // namespace

void HnswGraph::Impl::encode(const float* v, CodeHeader* out) const {
  float largest = 0, norm = 0;
  for (uint32_t i = 0; i < params.dimensions; ++i) {
    largest = std::max(largest, std::fabs(v[i]));
    norm += v[i] * v[i];
  }
  const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
  auto* codes = reinterpret_cast<int8_t*>(out + 1);
  int32_t sum = 0;
  for (uint32_t i = 0; i < params.dimensions; ++i) {
    codes[i] = static_cast<int8_t>(std::lrintf(v[i] * inverse));
    sum += codes[i];
  }
  std::memset(codes + params.dimensions, 0, code_bytes - params.dimensions);
  *out = {largest / 127.0f, norm, sum, 0};
}

void HnswGraph::Impl::select_diverse(std::vector<Neighbor>& candidates, uint32_t limit) const {
  if (candidates.size() <= limit) return;
  size_t kept = 0;
  for (const Neighbor c : candidates) {
    if (kept >= limit) break;
    const Target t = target_of(c.slot);
    bool diverse = true;
    for (size_t k = 0; k < kept && diverse; ++k) diverse = !(distance(t, candidates[k].slot, c.distance) < c.distance);
    if (diverse) candidates[kept++] = c;  // in place: what is kept stands before what is looked at
  }
  candidates.resize(kept);
}

void HnswGraph::Impl::set_links(uint32_t slot, int layer, const std::vector<Neighbor>& to) {
  Link* l = links(slot, layer);
  const uint32_t n = limit(layer);
  for (uint32_t i = 0; i < n; ++i) {
    l[i].store(i < to.size() ? to[i].slot : kNoLink, std::memory_order_release);
  }
}

void HnswGraph::Impl::add_link(uint32_t slot, uint32_t from, float d, int layer, std::vector<Neighbor>& candidates) {
  std::lock_guard lock(chunk(slot).locks[slot % kChunkNodes]);
  Link* l = links(slot, layer);
  const uint32_t most = limit(layer);
  const Target t = target_of(slot);
  uint32_t n = 0;
  for (; n < most; ++n) {
    const uint32_t to = l[n].load(std::memory_order_relaxed);
    if (to == from) return;
    if (to == kNoLink) {
      l[n].store(from, std::memory_order_release);
      return;
    }
    prefetch(t, to);
  }
  candidates.clear();
  candidates.push_back({d, from});
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t other = l[i].load(std::memory_order_relaxed);
    candidates.push_back({distance(t, other), other});
  }
  std::sort(candidates.begin(), candidates.end(), nearer_or_newer);
  select_diverse(candidates, most);
  set_links(slot, layer, candidates);
}

uint32_t HnswGraph::add(const float* vector) { return add_prepared(prepare(vector).data()); }

uint32_t HnswGraph::add_prepared(const float* v) {
  Impl& g = *impl_;
  const uint32_t slot = g.count.load(std::memory_order_relaxed);
  STELE_CHECK(slot / kChunkNodes < kMaxChunks);
  if (g.chunks[slot / kChunkNodes].load(std::memory_order_relaxed) == nullptr) {
    g.chunks[slot / kChunkNodes].store(g.make_chunk(slot / kChunkNodes), std::memory_order_release);
  }
  NodeChunk& c = g.chunk(slot);
  const size_t bytes = g.padded * sizeof(float);
  if (params_.quantize) {
    std::memcpy(c.full.data() + size_t{slot % kChunkNodes} * bytes, v, bytes);
    g.encode(v, reinterpret_cast<CodeHeader*>(g.node(slot) + g.vector_offset));
  } else {
    std::memcpy(g.node(slot) + g.vector_offset, v, bytes);
  }
  Link* l = g.links(slot, 0);
  for (uint32_t i = 0; i < g.m0; ++i) l[i].store(kNoLink, std::memory_order_relaxed);
  const int level = g.random_level();
  c.level[slot % kChunkNodes] = static_cast<uint8_t>(level);
  if (level > 0) {
    const size_t words = static_cast<size_t>(level) * g.m;
    c.upper[slot % kChunkNodes] = std::make_unique<Link[]>(words);
    for (size_t i = 0; i < words; ++i) c.upper[slot % kChunkNodes][i].store(kNoLink, std::memory_order_relaxed);
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
    ScratchLease scratch(g.pool);
    const int top = static_cast<int>(entry >> 32) - 1;
    uint32_t at = static_cast<uint32_t>(entry);
    const Impl::Target t = g.target_of(slot);
    float d = g.distance(t, at);
    for (int layer = top; layer > level; --layer) at = g.greedy(t, at, layer, &d, *scratch, nullptr);
    const uint32_t ef = std::max(params_.ef_construction, g.m);
    std::vector<std::vector<Neighbor>> chosen(static_cast<size_t>(std::min(top, level)) + 1);
    for (int layer = std::min(top, level); layer >= 0; --layer) {
      g.search_layer(t, at, d, ef, layer, *scratch, nullptr);
      auto& candidates = chosen[static_cast<size_t>(layer)];
      candidates.reserve(ef);
      scratch->frontier.for_each([&](float distance, uint32_t found) {
        if (found != slot) candidates.push_back({distance, found});
      });
      if (candidates.empty()) continue;
      std::sort(candidates.begin(), candidates.end(), nearer_or_newer);
      at = candidates.front().slot;
      d = candidates.front().distance;
      g.select_diverse(candidates, g.m);
    }
    // From the lowest layer up: whoever comes down to this node must find its links below.
    std::vector<Neighbor> buffer;
    buffer.reserve(g.m0 + 1);
    for (int layer = 0; layer <= std::min(top, level); ++layer) {
      const auto& candidates = chosen[static_cast<size_t>(layer)];
      {
        std::lock_guard lock(g.chunk(slot).locks[slot % kChunkNodes]);
        g.set_links(slot, layer, candidates);
      }
      for (const Neighbor& n : candidates) g.add_link(n.slot, slot, n.distance, layer, buffer);
    }
  }
  g.chunk(slot).linked[slot % kChunkNodes].store(true, std::memory_order_release);
  if (entry_lock.owns_lock() && (entry == 0 || level > static_cast<int>(entry >> 32) - 1)) {
    g.entry.store(uint64_t(level + 1) << 32 | slot, std::memory_order_release);
  }
  g.linked_count.fetch_add(1, std::memory_order_acq_rel);
}

}  // namespace stele::segments::vectors
