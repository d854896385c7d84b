// One vector column (or named vector) of a relation as a searchable structure: an HNSW graph plus, for
// each slot, which row it belongs to and the commits that made it (born) and ended it (died). A reader at
// lsn L sees exactly the slots with born <= L < died, whatever was added since.
//
// New vectors are searched exactly until the background linker has put them into the graph; an update that
// leaves the vector alone never comes here. Dead slots stay as way stations of the graph until compact() makes
// a graph without them in the background and puts it in the old one's place.
//
// A recall contract: with `recall` above 0 the field audits a sample of its own searches against exact ones
// and moves its default ef until they agree with the contract.
//
// Threads: set() and clear() from the commit leader only, in Lsn order; everything else from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "segments/vectors/hnsw.h"
#include "segments/vectors/search_costs.h"
#include "segments/vectors/slot_table.h"

namespace stele::segments::vectors {

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
  // Rows expected to pass the filter, if the caller knows; decides between an exact scan and the graph.
  uint64_t matches = UINT64_MAX;
  // Instead of a filter, all rows that pass, if the caller has them: the fastest way to search many times or wide.
  const RowBitmap* bitmap = nullptr;
  const std::vector<RowId>* rows = nullptr;
  double rescore_factor = 3.0;
};
struct FieldSearchStats {
  const char* path = "graph";        // graph, filtered graph, exact, graph then exact (the walk cost too much)
  uint32_t distances = 0;
  uint32_t ef = 0;
};

class VectorField {
 public:
  explicit VectorField(const HnswParams& params, uint32_t default_ef = 64, double recall = 0);
  ~VectorField();

  // The row's vector from commit `lsn` on; replaces the previous one. `vector` has params().dimensions floats.
  void set(Lsn lsn, RowId row, const float* vector);
  void clear(Lsn lsn, RowId row);    // the row has no vector from `lsn` on

  // Ascending by distance, equals by row; at most k, and exactly min(k, rows that pass) when `filter` or `rows` is given.
  std::vector<RowNeighbor> search(const float* query, const FieldSearch& options, FieldSearchStats* stats = nullptr) const;
  // The distance of one row at lsn; false when it has no vector there.
  bool distance(const float* prepared_query, RowId row, Lsn lsn, float* out) const;
  // The distance between a prepared query and a vector that is not in the field.
  float distance_to(const float* prepared_query, const float* vector) const;
  std::vector<float> prepare(const float* query) const { return state()->graph->prepare(query); }
  // The vector as stored (normalised for cosine).
  bool vector(RowId row, Lsn lsn, std::vector<float>* out) const;
  bool has(RowId row, Lsn lsn) const;

  // Links up to n waiting vectors into the graph; returns how many. Any number of threads may help.
  size_t link_some(size_t n);
  size_t waiting() const;
  uint64_t live() const { return live_.load(std::memory_order_relaxed); }
  uint64_t indexed() const { return state()->graph->linked(); }
  const HnswParams& params() const { return params_; }
  uint64_t memory_bytes() const;

  // The graph's parameters from now on (dimensions and metric are those they were): what stands is rebuilt by compact().
  void reshape(const HnswParams& params, uint32_t default_ef);
  HnswParams shape() const;
  // True when so many slots are dead, or the graph's parameters changed so, that compact() is worth its work.
  bool worth_compacting() const;
  // Rebuilds the graph from what readers at or after `horizon` may see. One thread at a time; beside everything.
  void compact(Lsn horizon);

  // Audits searches of the last while (or of stored vectors) against exact ones and moves ef; false when there was
  // nothing to do. Only with a contract.
  bool audit(Lsn lsn);
  uint32_t default_ef() const { return ef_.load(std::memory_order_relaxed); }
  double contract() const { return recall_; }   // 0: none
  // Of the last audits; negative when there was none.
  double measured_recall() const { return measured_.load(std::memory_order_relaxed); }

  // Writes what is linked to a file. restore() is for an empty field: vectors that set() is given afterwards and that
  // the file has for their rows take their places in its graph, until restored() ends that.
  bool save(const std::string& path);
  bool restore(const std::string& path, bool mapped);
  void restored();
  // Slots added since the last save() or restore().
  uint64_t unsaved() const;

 private:
  // All of it is replaced by compact().
  struct State {
    explicit State(const HnswParams& params) : graph(std::make_unique<HnswGraph>(params)) {}
    // The slot of `row` visible at lsn, or UINT32_MAX. The caller holds rows_mutex.
    uint32_t find_locked(RowId row, Lsn lsn, uint32_t limit) const;
    uint32_t find(RowId row, Lsn lsn) const;
    void linked(uint32_t s);         // moves linked_prefix

    std::unique_ptr<HnswGraph> graph;
    SlotTable slots;
    mutable std::shared_mutex rows_mutex;
    std::unordered_map<RowId, uint32_t> rows;  // newest slot
    std::atomic<uint32_t> next_to_link{0};
    std::atomic<uint32_t> linked_prefix{0};    // slots below it are all linked
    std::mutex link_mutex;
    std::vector<bool> ahead;                   // guarded by link_mutex: linked, from linked_prefix on
  };
  std::shared_ptr<State> state() const { return state_.load(std::memory_order_acquire); }
  // What passes, as far as it is known before anything is measured.
  struct Passing;
  Passing resolve(const State& s, const FieldSearch& options, uint32_t size) const;
  std::vector<RowNeighbor> exact(const State& s, const std::vector<float>& query, const FieldSearch& options, const Passing& passing,
                                 FieldSearchStats* stats) const;
  std::vector<RowNeighbor> walk(const State& s, const float* query, const std::vector<float>& prepared, const FieldSearch& options,
                                const Passing& passing, SearchOptions how, FieldSearchStats* stats, bool* gave_up) const;

  const HnswParams params_;
  mutable std::mutex shape_mutex_;
  HnswParams shape_;                 // guarded by shape_mutex_
  std::atomic<uint32_t> ef_;
  const double recall_;
  std::atomic<std::shared_ptr<State>> state_;
  std::mutex write_mutex_;           // set() and clear() against the last step of compact()
  std::atomic<uint64_t> live_{0};
  std::atomic<uint64_t> dead_{0};
  std::atomic<uint64_t> kept_dead_{0};   // dead slots that the last compact() had to keep for readers
  uint64_t saved_slots_ = 0;
  std::unordered_map<RowId, uint32_t> unclaimed_;   // of a restored file; only between restore() and restored()
  // Searches to audit: every so many leaves its query here.
  mutable std::atomic<uint32_t> searches_{0};
  mutable std::mutex audit_mutex_;
  mutable std::vector<std::vector<float>> sampled_;
  std::atomic<double> measured_{-1};
  mutable SearchCosts costs_;
  uint32_t audited_slots_ = 0;
};

}  // namespace stele::segments::vectors
