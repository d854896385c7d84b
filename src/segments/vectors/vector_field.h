// One vector column (or named vector) of a relation as a searchable structure: an HNSW graph plus, for
// each slot, which row it belongs to and the commits that made it (born) and ended it (died). A reader at
// lsn L sees exactly the slots with born <= L < died, whatever was added since.
//
// New vectors are searched exactly until the background linker has put them into the graph; an update that
// leaves the vector alone never comes here. Dead slots stay as way stations of the graph until so many
// are dead that rebuild() is worth it.
//
// Threads: set() and clear() from the commit leader only, in Lsn order; everything else from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "segments/vectors/hnsw.h"
#include "storage/log.h"

namespace stele::segments::vectors {

using storage::Lsn;
using RowId = uint64_t;
constexpr Lsn kAlive = UINT64_MAX;

struct RowNeighbor {
  float distance;
  RowId row;
};
// Which rows may be results; called concurrently, only for rows visible at the search's lsn.
using RowFilter = std::function<bool(RowId)>;

struct FieldSearch {
  uint32_t k = 10;
  uint32_t ef = 0;                   // 0: the field's default
  Lsn lsn = 0;
  bool exact = false;
  const RowFilter* filter = nullptr;
  // Rows expected to pass, if the caller knows; decides between an exact scan over `rows` and the graph.
  uint64_t matches = UINT64_MAX;
  // All rows that pass, when the caller has them (needs no filter call then).
  const std::vector<RowId>* rows = nullptr;
  double rescore_factor = 2.0;
};
struct FieldSearchStats {
  const char* path = "graph";        // graph, exact
  uint32_t distances = 0;
};

class VectorField {
 public:
  explicit VectorField(const HnswParams& params, uint32_t default_ef = 64);
  ~VectorField();

  // The row's vector from commit `lsn` on; replaces the previous one. `vector` has params().dimensions floats.
  void set(Lsn lsn, RowId row, const float* vector);
  void clear(Lsn lsn, RowId row);    // the row has no vector from `lsn` on

  // Ascending by distance; at most k, and exactly min(k, rows that pass) when `filter` or `rows` is given.
  std::vector<RowNeighbor> search(const float* query, const FieldSearch& options, FieldSearchStats* stats = nullptr) const;
  // The distance of one row at lsn; false when it has no vector there.
  bool distance(const float* prepared_query, RowId row, Lsn lsn, float* out) const;
  std::vector<float> prepare(const float* query) const { return graph_->prepare(query); }
  // The vector as stored (normalised for cosine).
  bool vector(RowId row, Lsn lsn, std::vector<float>* out) const;

  // Links up to n waiting vectors into the graph; returns how many. Any number of threads may help.
  size_t link_some(size_t n);
  size_t waiting() const;
  uint64_t live() const { return live_.load(std::memory_order_relaxed); }
  uint64_t indexed() const { return graph_->linked(); }
  const HnswParams& params() const { return graph_->params(); }
  uint64_t memory_bytes() const;
  // True when most slots are dead: the owner makes a new field from rows and swaps it in.
  bool worth_rebuilding() const;

 private:
  struct Slot {
    RowId row;
    std::atomic<Lsn> born{0}, died{kAlive};
  };
  static constexpr uint32_t kChunk = 4096;
  Slot& slot(uint32_t s) const { return (*slots_[s / kChunk].load(std::memory_order_acquire))[s % kChunk]; }
  bool visible(uint32_t s, Lsn lsn) const {
    const Slot& x = slot(s);
    return x.born.load(std::memory_order_acquire) <= lsn && x.died.load(std::memory_order_acquire) > lsn;
  }
  // The slot of `row` visible at lsn, or UINT32_MAX.
  uint32_t find(RowId row, Lsn lsn) const;
  std::vector<RowNeighbor> exact(const std::vector<float>& query, const FieldSearch& options, FieldSearchStats* stats) const;

  std::unique_ptr<HnswGraph> graph_;
  uint32_t default_ef_;
  std::unique_ptr<std::atomic<std::array<Slot, kChunk>*>[]> slots_;
  // Newest slot of each row, and each slot's predecessor for readers at older lsns.
  mutable std::shared_mutex rows_mutex_;
  std::unordered_map<RowId, std::vector<uint32_t>> rows_;
  std::atomic<uint64_t> live_{0};
  std::atomic<uint32_t> next_to_link_{0};
  // Slots below it are all linked.
  std::atomic<uint32_t> linked_prefix_{0};
  mutable std::mutex link_mutex_;
  std::vector<bool> linked_;  // guarded by link_mutex_, from linked_prefix_ on
};

}  // namespace stele::segments::vectors
