// The search side of every relation: follows rows as an observer, builds tail fragments in the session,
// links them at the commit, and answers with leaves at a snapshot.
//
// Invariants
//  1. A row change is noted in the transaction's section; what a savepoint rolled back is not in the
//     section at commit, so its documents are never linked as live.
//  2. apply() only numbers, links and marks: fragments are finished before the commit enters the log.
//  3. A start loads the files of each relation and brings up to date the rows that the log names after their
//     checkpoint; without (sound) files it builds from the rows. Either way index and rows are equal then.
//  4. A new definition is built beside the commits: on_change opens the journal on the leader, before any commit
//     that could miss it, and the builder thread takes its snapshot after that.
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
  // Born in the state of being built: what is committed before the build's snapshot is journalled.
  IndexedRelation(Oid oid, RelationIndex::Options options) : oid(oid), index(std::move(options)) { index.begin_build(false); }
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
  // Which definition (and which indexes) the contents were or are being built for.
  std::string tag() const {
    std::lock_guard lock(mutex_);
    return tag_;
  }
  void set_tag(std::string t) {
    std::lock_guard lock(mutex_);
    tag_ = std::move(t);
  }

 private:
  mutable std::mutex mutex_;
  MappingPtr mapping_;
  std::string tag_;
};
using IndexedPtr = std::shared_ptr<IndexedRelation>;

// A row as a document.
struct RowDocument {
  std::string id, routing;
  int64_t version = 0, seq_no = -1;
};

class Segments : public storage::Participant, public rows::RowObserver {
 public:
  // tail_bytes: what a relation may hold in memory only.
  Segments(storage::Store& store, catalog::Catalog& catalog, std::string directory, uint64_t tail_bytes = 32u << 20);
  ~Segments() override;
  // After Catalog::load(): loads or builds the index of every relation that has one and starts merging.
  void load();
  // Builds a relation's index again from its rows, in the background.
  void rebuild_later(const IndexedPtr& r);
  // Files for everything (clean shutdown).
  void checkpoint();
  // Relations with an index.
  std::vector<IndexedPtr> all() const;

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

  // "" or what is wrong: every visible row has exactly one live document with the terms, positions and column
  // values that indexing the row now gives, and the reverse.
  std::string check(Oid relation);

  // storage::Participant
  storage::ParticipantId id() const override { return storage::ParticipantId::kSegments; }
  void apply(storage::Lsn lsn, int64_t commit_us, storage::Section& section) override;
  storage::Lsn recovery_lsn() override;
  void replay(const storage::LogRecord& record) override;
  // rows::RowObserver
  bool wants(const catalog::Relation& table, const catalog::State& state) override;
  void row_changed(storage::Transaction& txn, const rows::RowChange& change) override;
  void truncated(storage::Transaction& txn, const rows::Table& table) override;

 private:
  struct TxnState;
  std::shared_ptr<TxnState> state_of(storage::Transaction& txn);
  IndexedPtr make_relation(Oid oid);
  std::string directory_of(Oid oid) const;
  // One row as a document of `builder`; false: it cannot be indexed.
  bool index_row(IndexedRelation& r, const catalog::Relation& relation, const rows::Table& table, uint64_t row_id, std::string_view bytes,
                 SegmentBuilder& builder, Arena& arena, std::vector<NullableDatum>& row, MappingPtr* mapping);
  RelationIndex::List index_rows(IndexedRelation& r, const catalog::Ptr<catalog::Relation>& relation, storage::Transaction& txn,
                                 const storage::SnapshotPtr& snapshot, MappingPtr* mapping);
  void build(const IndexedPtr& r);
  void catch_up(const IndexedPtr& r, const catalog::Ptr<catalog::Relation>& relation);
  void changed(const catalog::StatePtr& now, const std::vector<catalog::ObjectAddress>& changed);
  void checkpoint(IndexedRelation& r);
  void maintain_loop();
  void build_loop();

  storage::Store& store_;
  catalog::Catalog& catalog_;
  std::string directory_;
  uint64_t tail_bytes_;
  mutable std::shared_mutex mutex_;
  std::map<Oid, IndexedPtr> relations_;
  std::mutex extend_mutex_;
  std::thread worker_, builder_;
  std::mutex work_mutex_;
  std::condition_variable work_, build_work_;
  std::vector<IndexedPtr> builds_, trash_;  // guarded by work_mutex_
  bool stop_ = false;
  std::atomic<bool> dirty_{false}, loaded_{false};
  // Rows that the log names after the oldest checkpoint; filled by replay(), emptied by load().
  struct Replayed { storage::Lsn lsn; uint64_t row; bool truncate; };
  std::map<Oid, std::vector<Replayed>> replayed_;
};

// The definition of a relation's search side as JSON {"mappings":..., "analysis":...}; empty: it has none.
std::string search_definition(const catalog::Relation& r, const catalog::State& state);

}  // namespace stele::segments
