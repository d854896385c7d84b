// A hierarchical navigable small world graph (Malkov and Yashunin, arXiv:1603.09320) over dense
// vectors, growable, built by any number of threads at once, with filtered search by two-hop expansion
// (ACORN, arXiv:2403.04871). Nodes are numbered 0, 1, 2 ... as they are added ("slots"); what a slot
// means (row id, born and died lsn) is the owner's business.
//
// Threads: add() from one thread at a time; link(), search() and save() from any number, beside add().
// A slot may be linked once, after its add() returned.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace stele::segments::vectors {

enum class Metric : uint8_t { kL2, kInnerProduct, kCosine /* stored normalised */, kL1 };

struct HnswParams {
  uint32_t dimensions = 0;
  Metric metric = Metric::kL2;
  uint32_t m = 16;                // links a node on upper layers; twice as many on layer 0
  uint32_t ef_construction = 100;
  bool graph = true;              // false: nothing is linked, everything is measured (asked of the owner)
  bool quantize = false;          // traverse int8 codes, rescore with the full vectors
  uint64_t seed = 42;
};

// Smaller is nearer: L2 squared, negated inner product, 1 - cosine, L1.
struct Neighbor {
  float distance;
  uint32_t slot;
  bool operator<(const Neighbor& o) const {
    return distance < o.distance || (distance == o.distance && slot < o.slot);
  }
};

// Which slots may be results. Called concurrently; must be cheap.
using SlotFilter = std::function<bool(uint32_t)>;

struct SearchOptions {
  uint32_t k = 10;
  uint32_t ef = 64;               // raised to k
  const SlotFilter* filter = nullptr;
  // Instead of `filter`: the slots that pass, a bit each; slots behind `slots` fail.
  const uint64_t* bits = nullptr;
  uint32_t slots = 0;
  // Share of slots that pass. Above 0.7 the whole graph is walked and what fails is left out at the end: right where those
  // that fail lie scattered, as dead ones do. Below, only what passes is walked.
  double selectivity = 1.0;
  // Slots that pass the filter, to start a filtered traversal from beside the graph's entry.
  std::vector<uint32_t> starts;
  // When a filtered traversal that has not ended returns nothing; never, when it is zero.
  std::chrono::steady_clock::time_point give_up{};
  double rescore_factor = 2.0;    // quantised: candidates rescored, at most factor * k and ef
};
struct SearchStats { uint32_t distances = 0, hops = 0; bool gave_up = false; };

class HnswGraph {
 public:
  explicit HnswGraph(const HnswParams& params);
  ~HnswGraph();
  HnswGraph(const HnswGraph&) = delete;
  HnswGraph& operator=(const HnswGraph&) = delete;

  // Stores a vector (normalised for cosine) and returns its slot; found by exact() at once and by search()
  // once linked.
  uint32_t add(const float* vector);
  uint32_t add_prepared(const float* vector);   // as vector() of a graph with the same parameters gives it
  void link(uint32_t slot);
  uint32_t size() const;          // slots added
  uint32_t linked() const;        // slots linked

  // Ascending by distance. Slots not yet linked are not found: combine with exact() over them.
  std::vector<Neighbor> search(const float* query, const SearchOptions& options, SearchStats* stats = nullptr) const;
  // Exact distances of the given slots.
  std::vector<Neighbor> exact(const float* query, const uint32_t* slots, size_t n, uint32_t k) const;
  float distance(const float* prepared_query, uint32_t slot) const;
  float distance(const float* prepared_query, const float* prepared_vector) const;
  // The same, or anything at least `bound` once that is known to be reached: much sooner for far vectors.
  float distance_below(const float* prepared_query, uint32_t slot, float bound) const;
  void prefetch(uint32_t slot) const;   // for distances to come
  // The query in the form distance() wants (normalised for cosine).
  std::vector<float> prepare(const float* query) const;
  const float* vector(uint32_t slot) const;  // as stored

  const HnswParams& params() const { return params_; }
  uint64_t memory_bytes() const;

  // Writes slots below `limit`, all of which must be linked, to a file (made beside it, synced, renamed), with
  // `extra` bytes of the owner's. May run beside anything. False when the disk refuses.
  bool save(const std::string& path, uint32_t limit, std::string_view extra) const;
  // The graph of such a file, or null when there is none, it is damaged, or was made with other parameters.
  // `mapped`: nodes stay in the file and are read as they are touched (changed ones are copied to memory);
  // otherwise they are read into memory now.
  static std::unique_ptr<HnswGraph> open(const std::string& path, const HnswParams& params, bool mapped, std::string* extra);

 private:
  struct Impl;
  HnswParams params_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stele::segments::vectors
