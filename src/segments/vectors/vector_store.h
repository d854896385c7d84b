// The reflections of every relation with vectors, kept right by commits. A participant of the log: sessions
// note row changes as they write, the commit leader applies them at the commit's lsn. After a restart reflections are
// rebuilt from rows; the graphs come from checkpoint files as far as their vectors are still those of the rows, and the
// rest is linked in the background (searched exactly meanwhile).
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "catalog/catalog.h"
#include "rows/table.h"
#include "segments/vectors/collection.h"
#include "storage/store.h"

namespace stele::segments::vectors {

// The column of a vector of a collection that the Qdrant door made. The two other columns keep their names to themselves.
inline std::string vector_column(const std::string& vector) {
  return vector.empty() ? "vector" : vector == "id" || vector == "payload" ? "vector:" + vector : vector;
}
// How a relation reads as a collection.
struct CollectionSpec {
  int16_t id_column = 0;                       // the single-column primary key
  int16_t payload_column = 0;                  // jsonb; 0: the payload is made from the other columns
  struct Vector { std::string name; int16_t column = 0; };
  std::vector<Vector> dense_columns, sparse_columns;
  std::vector<std::string> document_fields;    // dense ones in the payload itself: dense_vector fields of an Elasticsearch index
  std::map<std::string, DenseSpec> dense;
  std::map<std::string, SparseSpec> sparse;
  std::vector<std::pair<std::string, json::value>> payload_indexes;   // field, type or parameters
};
// nullopt: the relation has no vectors, or no key to name its points by.
std::optional<CollectionSpec> collection_spec(const catalog::Relation& relation, const catalog::State& state);

class VectorStore : public storage::Participant, public rows::RowObserver {
 public:
  // Graph checkpoints go to `directory`; empty: there are none.
  explicit VectorStore(storage::Store& store, std::string directory = {});
  ~VectorStore() override;

  // The reflection of a relation, made empty when there is none; null when it has no vectors.
  std::shared_ptr<Collection> collection(const catalog::Relation& relation, const catalog::State& state);
  // Builds every relation's reflection from its rows (after recovery), then starts the linkers.
  void load(catalog::Catalog& catalog);
  // Gives running graphs the parameters that the catalogue says now; what differs is rebuilt by the linker.
  void reconfigure(const catalog::Relation& relation, const catalog::State& state);
  // Fills one relation's reflection from its rows as `txn` sees them: CREATE INDEX on a filled table. The caller
  // holds a lock that keeps writers out.
  void build(const catalog::Relation& relation, const catalog::State& state, storage::Transaction& txn);

  // Changes of this relation that `txn` made and has not committed.
  std::vector<PointChange> pending(storage::Transaction& txn, const catalog::Relation& relation) const;

  // Rows of tables that have vectors are noted in the writing transaction ...
  bool wants(const catalog::Relation& table, const catalog::State& state) override;
  void row_changed(storage::Transaction& txn, const rows::RowChange& change) override;
  void truncated(storage::Transaction& txn, const rows::Table& table) override;
  // ... and applied with its commit.
  storage::ParticipantId id() const override { return storage::ParticipantId::kVectors; }
  void apply(Lsn lsn, int64_t commit_us, storage::Section& section) override;
  Lsn recovery_lsn() override { return UINT64_MAX; }
  void replay(const storage::LogRecord&) override {}

 private:
  struct Entry { std::shared_ptr<Collection> data; CollectionSpec spec; uint32_t storage_id = 0; };
  std::shared_ptr<Entry> entry(const catalog::Relation& relation, const catalog::State& state, bool restore = false);
  void wake();
  void link_loop();
  std::string checkpoint_path(uint32_t storage_id, const std::string& field) const;
  // Saves the graphs that changed much (or at all, with `all`) since their last checkpoints.
  bool checkpoint_one(bool all);

  storage::Store& store_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<uint32_t, std::shared_ptr<Entry>> entries_;   // by storage id
  std::atomic<bool> stopping_{false};
  const std::string directory_;
  // Moves with every commit that brings vectors; the linker sleeps on it.
  std::atomic<uint32_t> signal_{0};
  std::vector<std::thread> linkers_;
};

}  // namespace stele::segments::vectors
