// The inside of HnswGraph, shared by searching (hnsw.cc), building (hnsw_link.cc) and checkpoints
// (hnsw_checkpoint.cc).
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "segments/vectors/hnsw.h"
#include "segments/vectors/hnsw_memory.h"
#include "types/vector_kernels.h"

namespace stele::segments::vectors {

struct HnswGraph::Impl {
  explicit Impl(const HnswParams& p);
  ~Impl();

  NodeChunk& chunk(uint32_t slot) const { return *chunks[slot / kChunkNodes].load(std::memory_order_acquire); }
  char* node(uint32_t slot) const { return chunk(slot).nodes.data() + node_bytes * (slot % kChunkNodes); }
  NodeChunk* make_chunk(uint32_t number);

  Link* links(uint32_t slot, int layer) const {
    if (layer == 0) return reinterpret_cast<Link*>(node(slot) + links_offset);
    return chunk(slot).upper[slot % kChunkNodes].get() + static_cast<size_t>(layer - 1) * m;
  }
  uint32_t limit(int layer) const { return layer == 0 ? m0 : m; }
  const float* full_vector(uint32_t slot) const {
    if (params.quantize) {
      return reinterpret_cast<const float*>(chunk(slot).full.data()) + size_t{slot % kChunkNodes} * padded;
    }
    return reinterpret_cast<const float*>(node(slot) + vector_offset);
  }
  const CodeHeader* code(uint32_t slot) const { return reinterpret_cast<const CodeHeader*>(node(slot) + vector_offset); }

  // The metric itself, for results.
  float exact_distance(const float* a, const float* b) const {
    switch (params.metric) {
      case Metric::kL2: return bounded(a, b, padded, HUGE_VALF);
      case Metric::kInnerProduct: return -dot(a, b, padded);
      case Metric::kCosine: return 1.0f - dot(a, b, padded);
      case Metric::kL1: return bounded(a, b, padded, HUGE_VALF);
    }
    return 0;
  }

  void encode(const float* v, CodeHeader* out) const;
  float code_distance(const CodeHeader* a, const CodeHeader* b) const {
    const auto product = static_cast<float>(code_dot(reinterpret_cast<const int8_t*>(a + 1), reinterpret_cast<const int8_t*>(b + 1),
                                                     code_bytes, b->sum)) * (a->scale * b->scale);
    switch (params.metric) {
      case Metric::kL2: return a->norm_squared + b->norm_squared - 2 * product;
      case Metric::kInnerProduct: return -product;
      case Metric::kCosine: return 1.0f - product;
      case Metric::kL1: break;  // not quantised, see the constructor of HnswGraph
    }
    return 0;
  }

  // What traversal compares with: the codes of a query, or full vectors (always while building, so that a
  // quantised graph is as good as any).
  struct Target {
    const float* full = nullptr;
    const CodeHeader* code = nullptr;
  };
  Target target_of(uint32_t slot) const { return {full_vector(slot), nullptr}; }
  // What traversal orders by: of the order of the metric (for cosine, half the squared distance of the
  // normalised vectors: it can stop early). Anything >= bound when it reaches the bound.
  float distance(const Target& t, uint32_t slot, float bound = HUGE_VALF) const {
    if (t.code != nullptr) return code_distance(code(slot), t.code);
    const float* v = full_vector(slot);
    if (params.metric == Metric::kInnerProduct) return -dot(t.full, v, padded);
    if (params.metric == Metric::kCosine) return 0.5f * bounded(t.full, v, padded, 2 * bound);
    return bounded(t.full, v, padded, bound);
  }
  // Asks for the vector; the second half of a long one comes with the processor's own read-ahead.
  void prefetch(const Target& t, uint32_t slot) const {
    const auto* p = t.code != nullptr ? reinterpret_cast<const char*>(code(slot)) : reinterpret_cast<const char*>(full_vector(slot));
    const size_t bytes = t.code != nullptr ? sizeof(CodeHeader) + code_bytes : prefetch_bytes;
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i);
  }
  void prefetch_links(uint32_t slot) const {
    const char* p = node(slot) + links_offset;
    for (size_t i = 0; i < m0 * sizeof(Link); i += 64) __builtin_prefetch(p + i);
  }

  // Copies a node's links; they may change while we read, and each word is valid whenever it is read.
  uint32_t copy_links(uint32_t slot, int layer, uint32_t* out) const {
    const Link* l = links(slot, layer);
    const uint32_t n = limit(layer);
    uint32_t count = 0;
    for (; count < n; ++count) {
      const uint32_t to = l[count].load(std::memory_order_acquire);
      if (to == kNoLink) break;
      out[count] = to;
    }
    return count;
  }
  void set_links(uint32_t slot, int layer, const std::vector<Neighbor>& to);
  // Adds `from` to the links of `slot`, thinning them when they are full.
  void add_link(uint32_t slot, uint32_t from, float d, int layer, std::vector<Neighbor>& buffer);
  // Keeps at most `limit` of the candidates (ascending) so that each is nearer to the base than to any kept
  // one: links in different directions (algorithm 4 of the paper).
  void select_diverse(std::vector<Neighbor>& candidates, uint32_t limit) const;

  uint32_t greedy(const Target& t, uint32_t start, int layer, float* best_distance, Scratch& scratch, SearchStats* stats) const;
  // Leaves the ef nearest reachable nodes of one layer in scratch.frontier.
  void search_layer(const Target& t, uint32_t entry, float entry_distance, uint32_t ef, int layer, Scratch& scratch,
                    SearchStats* stats) const;
  // Filtered search of layer 0. Nodes that pass are candidates and results; where few neighbours of a node pass, those
  // of the neighbours that fail are looked at in their place, so that the passing nodes stay connected (ACORN's two hops).
  // `passes` is asked before anything is measured. False when it gave up.
  template <class Pass>
  bool search_filtered(const Target& t, uint32_t entry, float entry_distance, uint32_t ef, const Pass& passes,
                       const SearchOptions& options, Scratch& scratch, SearchStats* stats) const;

  int random_level() {
    const double u = std::max(rng.unit(), 1e-18);
    return std::min(kMaxLevel, static_cast<int>(-std::log(u) * level_factor));
  }

  HnswParams params;
  uint32_t m, m0;
  size_t padded;          // dimensions of a stored vector, with the zeros behind
  size_t code_bytes;
  double level_factor;
  Random rng;
  size_t vector_bytes, vector_offset, links_offset, node_bytes, prefetch_bytes;
  BoundedDistance bounded;
  PaddedDot dot;
  CodeDot code_dot;
  std::unique_ptr<std::atomic<NodeChunk*>[]> chunks;
  std::atomic<uint32_t> count{0};
  std::atomic<uint32_t> linked_count{0};
  // Entry point and top layer as one word: (level + 1) << 32 | slot; 0 while nothing is linked.
  std::atomic<uint64_t> entry{0};
  std::mutex entry_mutex;
  mutable ScratchPool pool;
};

}  // namespace stele::segments::vectors
