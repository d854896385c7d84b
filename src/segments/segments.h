// The search side of every relation: follows rows as an observer, builds tail fragments in the session,
// links them at the commit, and answers with leaves at a snapshot.
//
// Invariants
//  1. A row change is noted in the transaction's section; what a savepoint rolled back is not in the
//     section at commit, so its documents are never linked as live.
//  2. apply() only numbers, links and marks: fragments are finished before the commit enters the log.
//  3. After a start the indexes equal the rows at the recovered lsn (they are built from the rows).
#pragma once

#include <atomic>
#include <boost/json/fwd.hpp>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "catalog/catalog.h"
#include "rows/table_access.h"
#include "segments/mapping/mapping.h"
#include "segments/relation_index.h"
#include "storage/store.h"

namespace stele::segments {

// One relation with a search index. Shared; the mapping is replaced, never changed.
class IndexedRelation {
 public:
  IndexedRelation(Oid oid, RelationIndex::Options options) : oid(oid), index(std::move(options)) {}
  const Oid oid;
  RelationIndex index;
  std::atomic<int64_t> next_seq_no{0};

  MappingPtr mapping() const {
    std::lock_guard lock(mutex_);
    return mapping_;
  }
  void set_mapping(MappingPtr m) {
    std::lock_guard lock(mutex_);
    mapping_ = std::move(m);
  }
  std::string definition;  // what mapping_ was parsed from
  std::string metadata;    // the catalogue text the definition was taken from; guarded by Segments
  bool elastic = false;    // made by the Elasticsearch door: (_id, _source, ...)

 private:
  mutable std::mutex mutex_;
  MappingPtr mapping_;
};
using IndexedPtr = std::shared_ptr<IndexedRelation>;

// A row as a document.
struct RowDocument {
  std::string id, routing;
  int64_t version = 0, seq_no = -1;
};

class Segments : public storage::Participant, public rows::RowObserver {
 public:
  Segments(storage::Store& store, catalog::Catalog& catalog, std::string directory);
  ~Segments() override;
  // After Catalog::load(): builds the index of every relation that has one and starts merging.
  void load();

  IndexedPtr find(Oid relation) const;
  // The index of a relation as its definition in the catalogue says; null when it has none.
  IndexedPtr ensure(const catalog::Relation& relation, const catalog::State& state);
  // What a reader with this snapshot sees; with a transaction, its own rows too.
  std::vector<Leaf> leaves(IndexedRelation& r, storage::Lsn lsn, storage::Transaction* own = nullptr);

  // Makes new fields part of the relation's mapping, in a catalogue transaction of its own.
  MappingPtr extend_mapping(Oid relation, const std::function<MappingPtr(const Mapping&)>& change);

  // The document of the row being written when the writer has it parsed already: saves parsing it again.
  // Valid on this thread until reset.
  static void set_current_source(const json::object* source);
  // A row of an indexed relation as its _source, and its identity.
  static json::object row_source(const catalog::Relation& r, std::span<const NullableDatum> row, RowDocument* doc);

  // "" or what is wrong: every visible row has exactly one live document and the reverse.
  std::string check(Oid relation);

  // storage::Participant
  storage::ParticipantId id() const override { return storage::ParticipantId::kSegments; }
  void apply(storage::Lsn lsn, int64_t commit_us, storage::Section& section) override;
  storage::Lsn recovery_lsn() override { return UINT64_MAX; }  // rebuilt from rows
  void replay(const storage::LogRecord&) override {}
  // rows::RowObserver
  bool wants(const catalog::Relation& table, const catalog::State& state) override;
  void row_changed(storage::Transaction& txn, const rows::RowChange& change) override;
  void truncated(storage::Transaction& txn, const rows::Table& table) override;

 private:
  struct TxnState;
  std::shared_ptr<TxnState> state_of(storage::Transaction& txn);
  void rebuild(const IndexedPtr& r, const catalog::Ptr<catalog::Relation>& relation);
  void maintain_loop();

  storage::Store& store_;
  catalog::Catalog& catalog_;
  std::string directory_;
  mutable std::shared_mutex mutex_;
  std::map<Oid, IndexedPtr> relations_;
  std::mutex extend_mutex_;
  std::thread worker_;
  std::mutex work_mutex_;
  std::condition_variable work_;
  bool stop_ = false;
  std::atomic<bool> dirty_{false};
};

}  // namespace stele::segments
