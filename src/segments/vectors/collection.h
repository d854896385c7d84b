// The reflection of one relation with vector columns: its rows as points (id, payload, vectors), every
// version visible by lsn. Fed by commits (VectorStore), read by the Qdrant door and by SQL's vector scans.
//
// Threads: apply() from the commit leader only, in Lsn order; everything else from any thread.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "segments/vectors/filter.h"
#include "segments/vectors/multi_field.h"
#include "segments/vectors/payload_index.h"
#include "segments/vectors/point.h"
#include "segments/vectors/sparse_field.h"
#include "segments/vectors/vector_field.h"

namespace stele::segments::vectors {

struct DenseSpec { HnswParams graph; uint32_t default_ef = 64; double recall = 0; bool on_disk = false; bool multi = false; };
struct SparseSpec { bool idf = false; };

using PayloadPtr = std::shared_ptr<const json::value>;

// One row change of a commit. `dense` and `sparse` hold only what changed: an empty vector clears.
struct PointChange {
  RowId row = 0;
  bool erased = false;
  PointId id;
  PayloadPtr payload;             // null: unchanged
  std::vector<std::pair<std::string, std::vector<float>>> dense;
  std::vector<std::pair<std::string, SparseVector>> sparse;
  std::vector<std::pair<std::string, MultiVector>> multi;
};

struct PointVersion {
  Lsn born = 0;
  bool erased = false;
  PayloadPtr payload;
  std::shared_ptr<const PointVersion> previous;
};

class Collection {
 public:
  Collection(std::map<std::string, DenseSpec> dense, std::map<std::string, SparseSpec> sparse);

  // `horizon`: no reader is older.
  void apply(Lsn lsn, const PointChange& change, Lsn horizon);

  struct Found { RowId row = 0; PointId id; PayloadPtr payload; Lsn version = 0; };
  bool get(const PointId& id, Lsn lsn, Found* out) const;
  bool get(RowId row, Lsn lsn, Found* out) const;
  uint64_t count() const { return live_.load(std::memory_order_relaxed); }

  // Points in id order from `from` on (inclusive); f returns false to stop.
  void for_each_by_id(const PointId* from, Lsn lsn, const std::function<bool(const Found&)>& f) const;
  // All points, in no order worth naming; f returns false to stop.
  void for_each(Lsn lsn, const std::function<bool(const Found&)>& f) const;
  bool matches(const Filter& filter, const Found& point, Lsn lsn) const;
  std::vector<RowId> matching_rows(const Filter& filter, Lsn lsn) const;

  VectorField* dense(const std::string& name) const;
  SparseField* sparse(const std::string& name) const;
  MultiField* multi(const std::string& name) const;
  // Of dense and multi-vector fields (`multi` in the spec).
  const std::map<std::string, DenseSpec>& dense_specs() const { return dense_specs_; }
  const std::map<std::string, SparseSpec>& sparse_specs() const { return sparse_specs_; }

  // Indexes over payload fields; one over the same field takes the place of an earlier one.
  void add_index(const std::string& key, const json::value& schema);
  void remove_index(const std::string& key);

  // What `count` says of the points at lsn, asked again only when something has changed. `what` names the question.
  uint64_t counted(const std::string& what, Lsn lsn, const std::function<uint64_t()>& count) const;

  // Nearest rows of a dense field under a payload filter, planned by the filter's selectivity.
  std::vector<RowNeighbor> nearest(const std::string& field, const float* query, uint32_t k, uint32_t ef, bool exact,
                                   const Filter* filter, Lsn lsn, double rescore = 3.0) const;
  // Links what waits into the graphs; true when something was done.
  bool link_some(size_t n);
  // Compacts or audits one graph that is due for it; true when something was done.
  bool tend(Lsn lsn, Lsn horizon);
  const std::map<std::string, std::unique_ptr<VectorField>>& fields() const { return dense_; }
  uint64_t indexed() const;
  uint64_t waiting() const;       // vectors to be linked yet
  uint64_t vectors() const;

 private:
  struct Point {
    RowId row;
    PointId id;
    // A row whose key changed is a new point; readers at older lsns go on to what stood here before.
    uint32_t before_of_row = UINT32_MAX, before_of_id = UINT32_MAX;
    std::atomic<std::shared_ptr<const PointVersion>> newest;
  };
  static constexpr size_t kChunk = 1024;
  Point& point(uint32_t ordinal) const { return (*chunks_[ordinal / kChunk].load(std::memory_order_acquire))[ordinal % kChunk]; }
  bool resolve(const Point& p, Lsn lsn, Found* out) const;
  void erase_version(uint32_t ordinal, Lsn lsn);
  // A superset of what the filter may match, by an index; nullopt when none helps.
  std::optional<std::vector<uint32_t>> by_index(const Filter& filter, bool only_if_few) const;

  std::map<std::string, DenseSpec> dense_specs_;
  std::map<std::string, SparseSpec> sparse_specs_;
  std::map<std::string, std::unique_ptr<VectorField>> dense_;
  std::map<std::string, std::unique_ptr<SparseField>> sparse_;
  std::map<std::string, std::unique_ptr<MultiField>> multi_;
  mutable std::shared_mutex mutex_;   // the two maps
  std::unordered_map<RowId, uint32_t> by_row_;
  std::map<PointId, uint32_t> by_id_;
  std::unique_ptr<std::atomic<std::array<Point, kChunk>*>[]> chunks_;
  std::atomic<uint32_t> size_{0};
  std::atomic<uint64_t> live_{0};
  // The rows of filters asked before, good for readers at or after the last change.
  struct Asked {
    std::string source;
    Lsn lsn = 0;
    std::shared_ptr<const RowBitmap> rows;   // null: asked once
  };
  std::shared_ptr<const RowBitmap> known_rows(const Filter& filter, Lsn lsn) const;
  void forget_asked() const;   // a text index changes what filters mean
  std::atomic<Lsn> changed_{0};
  mutable std::mutex asked_mutex_;
  mutable std::vector<Asked> asked_;         // newest last
  mutable std::map<std::string, std::pair<Lsn, uint64_t>> counts_;   // by question, with the last change they know
  mutable std::shared_mutex indexes_mutex_;
  std::vector<std::shared_ptr<PayloadIndex>> indexes_;

 public:
  ~Collection();
};

}  // namespace stele::segments::vectors
