#include "segments/vectors/hnsw.h"

#include "segments/vectors/hnsw_impl.h"
#include "segments/vectors/search_costs.h"

namespace stele::segments::vectors {

HnswGraph::Impl::Impl(const HnswParams& p)
    : params(p),
      m(std::max(2u, p.m)),
      m0(2 * std::max(2u, p.m)),
      padded((p.dimensions + kVectorPadding - 1) / kVectorPadding * kVectorPadding),
      code_bytes((p.dimensions + kCodePadding - 1) / kCodePadding * kCodePadding),
      level_factor(1.0 / std::log(std::max(2u, p.m))),
      rng(p.seed) {
  vector_bytes = params.quantize ? sizeof(CodeHeader) + code_bytes : padded * sizeof(float);
  const size_t link_bytes = m0 * sizeof(Link);
  if (params.quantize) {
    vector_offset = 0;
    links_offset = vector_bytes;
  } else {
    links_offset = 0;
    vector_offset = (link_bytes + 63) & ~size_t{63};
  }
  node_bytes = (std::max(vector_offset + vector_bytes, links_offset + link_bytes) + 63) & ~size_t{63};
  prefetch_bytes = std::min<size_t>(padded * sizeof(float), 512);
  bounded = params.metric == Metric::kL1 ? l1_bounded_kernel() : l2_squared_bounded_kernel();
  dot = dot_padded_kernel();
  code_dot = code_dot_kernel();
  chunks = std::make_unique<std::atomic<NodeChunk*>[]>(kMaxChunks);
  for (uint32_t i = 0; i < kMaxChunks; ++i) chunks[i].store(nullptr, std::memory_order_relaxed);
}

HnswGraph::Impl::~Impl() {
  for (uint32_t i = 0; i < kMaxChunks; ++i) {
    NodeChunk* c = chunks[i].load(std::memory_order_relaxed);
    if (c == nullptr) break;
    delete c;
  }
}

NodeChunk* HnswGraph::Impl::make_chunk(uint32_t number) {
  auto c = std::make_unique<NodeChunk>();
  const bool huge = number > 0;  // a small graph stays small
  c->nodes = Pages(node_bytes * kChunkNodes, huge);
  if (params.quantize) c->full = Pages(padded * sizeof(float) * kChunkNodes, huge);
  return c.release();
}

uint32_t HnswGraph::Impl::greedy(const Target& t, uint32_t start, int layer, float* best_distance, Scratch& scratch,
                                 SearchStats* stats) const {
  scratch.near.resize(m0);
  uint32_t best = start;
  for (bool moved = true; moved;) {
    moved = false;
    const uint32_t n = copy_links(best, layer, scratch.near.data());
    if (stats != nullptr) stats->distances += n;
    for (uint32_t i = 0; i < std::min(n, 2u); ++i) prefetch(t, scratch.near[i]);
    for (uint32_t i = 0; i < n; ++i) {
      if (i + 2 < n) prefetch(t, scratch.near[i + 2]);
      const float d = distance(t, scratch.near[i], *best_distance);
      if (d < *best_distance) {
        *best_distance = d;
        best = scratch.near[i];
        moved = true;
      }
    }
  }
  return best;
}

void HnswGraph::Impl::search_layer(const Target& t, uint32_t entry, float entry_distance, uint32_t ef, int layer,
                                   Scratch& scratch, SearchStats* stats) const {
  VisitedSet& visited = scratch.visited;
  Frontier& frontier = scratch.frontier;
  visited.begin(count.load(std::memory_order_acquire));
  frontier.begin(ef);
  scratch.near.resize(m0);
  uint32_t* near = scratch.near.data();
  visited.mark(entry);
  frontier.offer(entry_distance, entry);
  uint32_t slot, next;
  while (frontier.pop(&slot)) {
    const uint32_t n = copy_links(slot, layer, near);
    uint32_t fresh = 0;
    for (uint32_t i = 0; i < n; ++i) {
      const uint32_t to = near[i];
      if (visited.mark(to)) near[fresh++] = to;
    }
    for (uint32_t i = 0; i < std::min(fresh, 3u); ++i) prefetch(t, near[i]);
    if (layer == 0 && frontier.peek(&next)) prefetch_links(next);
    for (uint32_t i = 0; i < fresh; ++i) {
      if (i + 3 < fresh) prefetch(t, near[i + 3]);
      frontier.offer(distance(t, near[i], frontier.worst()), near[i]);
    }
    if (stats != nullptr) {
      stats->distances += fresh;
      ++stats->hops;
    }
  }
}

template <class Pass>
bool HnswGraph::Impl::search_filtered(const Target& t, uint32_t entry, float entry_distance, uint32_t ef, const Pass& passes,
                                      const SearchOptions& options, Scratch& scratch, SearchStats* stats) const {
  VisitedSet& visited = scratch.visited;
  Frontier& frontier = scratch.frontier;
  // The fewer pass, the thinner the subgraph of those that do: a wider front makes up for it.
  frontier.begin(static_cast<uint32_t>(ef * std::clamp(0.1 / std::max(options.selectivity, 1e-6), 1.0, 2.0)));
  scratch.near.resize(m0);
  scratch.second.resize(m0);
  auto &near = scratch.near, &second = scratch.second, &found = scratch.found, &failed = scratch.failed;
  uint32_t slot, next;
  // First a short walk that asks nobody, to the nodes nearest to the query: what passes around there is where to begin, and
  // near a border that a correlated filter draws only this finds it. Wide enough to meet some that pass.
  Frontier& around = scratch.around;
  around.begin(static_cast<uint32_t>(std::clamp(5 / std::max(options.selectivity, 1e-6), 24.0, std::max(24.0, 1.0 * ef))));
  around.offer(entry_distance, entry);
  visited.begin(count.load(std::memory_order_acquire));
  visited.mark(entry);
  if (passes(entry)) frontier.offer(entry_distance, entry);
  while (around.pop(&slot)) {
    const uint32_t n = copy_links(slot, 0, near.data());
    uint32_t fresh = 0;
    for (uint32_t i = 0; i < n; ++i) {
      if (visited.mark(near[i])) near[fresh++] = near[i];
    }
    for (uint32_t i = 0; i < std::min(fresh, 3u); ++i) prefetch(t, near[i]);
    for (uint32_t i = 0; i < fresh; ++i) {
      if (i + 3 < fresh) prefetch(t, near[i + 3]);
      const bool pass = passes(near[i]);
      const float d = distance(t, near[i], pass ? std::max(around.worst(), frontier.worst()) : around.worst());
      around.offer(d, near[i]);
      if (pass) frontier.offer(d, near[i]);
    }
    if (stats != nullptr) stats->distances += fresh, ++stats->hops;
  }
  // Hardly any that pass around the query: it lies outside of the region that a correlated filter leaves, and its nearest matches
  // lie scattered along the border, out of each other's sight. Only a much wider front meets them all.
  uint32_t all_around = 0, passing_around = 0;
  around.for_each([&](float, uint32_t s) {
    ++all_around;
    passing_around += passes(s) ? 1 : 0;
  });
  if (passing_around < 0.5 * options.selectivity * all_around) frontier.widen(4 * ef);
  // What fails around there must be there for the second walk to look through.
  visited.begin(count.load(std::memory_order_acquire));
  frontier.for_each([&](float, uint32_t s) { visited.mark(s); });
  // Neighbours that pass and a node is given: half as many as it has links keep a subgraph navigable.
  const uint32_t enough = m0 / 2;
  auto expand = [&](uint32_t slot) {
    found.clear();
    failed.clear();
    uint32_t passing = 0;
    const uint32_t n = copy_links(slot, 0, near.data());
    for (uint32_t i = 0; i < n; ++i) {
      if (passes(near[i])) {
        ++passing;
        if (visited.mark(near[i])) found.push_back(near[i]);
      } else if (!visited.marked(near[i])) {
        failed.push_back(near[i]);
      }
    }
    if (passing < enough) {
      for (size_t i = 0; i < std::min<size_t>(failed.size(), 4); ++i) prefetch_links(failed[i]);
      for (size_t i = 0; i < failed.size() && passing < enough; ++i) {
        if (i + 4 < failed.size()) prefetch_links(failed[i + 4]);
        visited.mark(failed[i]);
        const uint32_t n2 = copy_links(failed[i], 0, second.data());
        for (uint32_t j = 0; j < n2; ++j) {
          // Failing nodes at two hops stay unmarked: another path may need to pass through them.
          if (passes(second[j]) && visited.mark(second[j])) {
            found.push_back(second[j]);
            ++passing;
          }
        }
      }
    }
    for (size_t i = 0; i < std::min<size_t>(found.size(), 3); ++i) prefetch(t, found[i]);
    for (size_t i = 0; i < found.size(); ++i) {
      if (i + 3 < found.size()) prefetch(t, found[i + 3]);
      frontier.offer(distance(t, found[i], frontier.worst()), found[i]);
    }
    if (stats != nullptr) {
      stats->distances += static_cast<uint32_t>(found.size());
      ++stats->hops;
    }
  };
  for (uint32_t s : options.starts) prefetch(t, s);
  for (uint32_t s : options.starts) {
    if (visited.mark(s)) frontier.offer(distance(t, s, frontier.worst()), s);
  }
  const double give_up = options.give_up_ns > 0 ? worked_ns() + options.give_up_ns : HUGE_VAL;
  for (uint32_t hops = 1; frontier.pop(&slot); ++hops) {
    if (hops % 16 == 0 && give_up < HUGE_VAL && worked_ns() >= give_up) return false;
    if (frontier.peek(&next)) prefetch_links(next);
    expand(slot);
  }
  return true;
}

HnswGraph::HnswGraph(const HnswParams& params) : params_(params) {
  STELE_CHECK(params.dimensions > 0);
  if (params_.metric == Metric::kL1) params_.quantize = false;
  impl_ = std::make_unique<Impl>(params_);
}
HnswGraph::~HnswGraph() = default;

std::vector<float> HnswGraph::prepare(const float* query) const {
  std::vector<float> q(impl_->padded, 0.0f);
  std::copy(query, query + params_.dimensions, q.begin());
  if (params_.metric == Metric::kCosine) {
    const float norm = std::sqrt(impl_->dot(q.data(), q.data(), impl_->padded));
    // What is of length 1 already stays as it is, to the last bit.
    if (norm > 0 && std::fabs(norm - 1) > 1e-6f) {
      for (float& x : q) x /= norm;
    }
  }
  return q;
}

uint32_t HnswGraph::size() const { return impl_->count.load(std::memory_order_acquire); }
uint32_t HnswGraph::linked() const { return impl_->linked_count.load(std::memory_order_acquire); }
const float* HnswGraph::vector(uint32_t slot) const { return impl_->full_vector(slot); }
float HnswGraph::distance(const float* prepared, uint32_t slot) const {
  return impl_->exact_distance(prepared, impl_->full_vector(slot));
}

float HnswGraph::distance_below(const float* prepared, uint32_t slot, float bound) const {
  const Impl& g = *impl_;
  const float* v = g.full_vector(slot);
  if (params_.metric == Metric::kL2 || params_.metric == Metric::kL1) return g.bounded(prepared, v, g.padded, std::nextafter(bound, HUGE_VALF));
  if (params_.metric == Metric::kCosine) {
    // Half the squared distance is the same up to rounding, and can stop early.
    const float slack = bound + 1e-5f;
    const float d = 0.5f * g.bounded(prepared, v, g.padded, 2 * slack);
    if (d >= slack) return d;
  }
  return g.exact_distance(prepared, v);
}
void HnswGraph::prefetch(uint32_t slot) const { impl_->prefetch({impl_->full_vector(slot), nullptr}, slot); }

float HnswGraph::distance(const float* prepared, const float* vector) const { return impl_->exact_distance(prepared, vector); }

std::vector<Neighbor> HnswGraph::exact(const float* query, const uint32_t* slots, size_t n, uint32_t k) const {
  const std::vector<float> q = prepare(query);
  std::vector<Neighbor> best;  // max-heap of the k nearest
  for (size_t i = 0; i < n; ++i) {
    if (i + 2 < n) impl_->prefetch({q.data(), nullptr}, slots[i + 2]);
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
    code = std::make_unique<char[]>(sizeof(CodeHeader) + g.code_bytes);
    g.encode(q.data(), reinterpret_cast<CodeHeader*>(code.get()));
    t = {nullptr, reinterpret_cast<const CodeHeader*>(code.get())};
  }
  ScratchLease scratch(g.pool);
  uint32_t at = static_cast<uint32_t>(entry);
  float d = g.distance(t, at);
  for (int layer = static_cast<int>(entry >> 32) - 1; layer > 0; --layer) at = g.greedy(t, at, layer, &d, *scratch, stats);

  const uint32_t ef = std::max(options.ef, options.k);
  uint32_t keep = options.k;
  if (params_.quantize) keep = std::min(ef, static_cast<uint32_t>(std::ceil(options.k * std::max(1.0, options.rescore_factor))));
  std::vector<Neighbor> found;
  found.reserve(keep);
  const bool filtered = options.filter != nullptr || options.bits != nullptr;
  const bool wide = filtered && options.selectivity > 0.7;
  const auto of_bits = [bits = options.bits, n = options.slots](uint32_t s) { return s < n && (bits[s / 64] >> (s % 64) & 1) != 0; };
  const auto passes = [&](uint32_t s) { return options.bits != nullptr ? of_bits(s) : (*options.filter)(s); };
  bool finished = true;
  if (!filtered) {
    g.search_layer(t, at, d, ef, 0, *scratch, stats);
  } else if (wide) {
    // Most nodes pass: walk the whole graph with a wider front and drop the few that do not.
    g.search_layer(t, at, d, static_cast<uint32_t>(std::ceil(ef / options.selectivity)), 0, *scratch, stats);
  } else if (options.bits != nullptr) {
    finished = g.search_filtered(t, at, d, ef, of_bits, options, *scratch, stats);
  } else {
    finished = g.search_filtered(t, at, d, ef, *options.filter, options, *scratch, stats);
  }
  if (!finished) {
    if (stats != nullptr) stats->gave_up = true;
    return {};
  }
  // Ties with the last one kept come along, so that equal distances end in slot order.
  float last = 0;
  scratch->frontier.for_each([&](float distance, uint32_t slot) {
    if (found.size() >= keep && distance > last) return;
    if (wide && !passes(slot)) return;
    found.push_back({distance, slot});
    if (found.size() == keep) last = distance + 1e-6f * std::fabs(distance);
  });
  if (params_.quantize || params_.metric == Metric::kCosine) {
    if (params_.quantize) {
      for (const Neighbor& n : found) __builtin_prefetch(g.full_vector(n.slot));
    }
    for (Neighbor& n : found) n.distance = distance(q.data(), n.slot);
  }
  std::sort(found.begin(), found.end());
  if (found.size() > options.k) found.resize(options.k);
  return found;
}

uint64_t HnswGraph::memory_bytes() const {
  const uint64_t nodes = size();
  return nodes * impl_->node_bytes + (params_.quantize ? nodes * impl_->padded * sizeof(float) : 0) +
         (nodes + kChunkNodes - 1) / kChunkNodes * sizeof(NodeChunk) + nodes / impl_->m * (impl_->m + 4) * sizeof(Link);
}

}  // namespace stele::segments::vectors
