// Redis commands inside an SQL transaction. Writes run on a private copy of the keys they touch and are
// kept as effects; the effects join the transaction's commit, so that rows and keys change together or
// not at all. Reads see the transaction's own writes over the keyspace as of the statement's snapshot.
//
// One object per transaction, used by one thread at a time. A written key is locked until the end:
// other SQL transactions wait (deadlocks are found), Redis clients that would write it are held back.
// Rolling back to a savepoint takes back the effects and locks made since. The keyspace's latch is held
// from just before the commit enters the log until it is published, so no reader of either door sees
// half of it.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "keyspace/durable.h"
#include "storage/store.h"

namespace stele::keyspace {

class KeyspaceTxn {
 public:
  // The one of this transaction, made at first use.
  static KeyspaceTxn& of(DurableKeyspace& durable, storage::Transaction& txn);
  ~KeyspaceTxn();
  KeyspaceTxn(const KeyspaceTxn&) = delete;
  KeyspaceTxn& operator=(const KeyspaceTxn&) = delete;

  // Runs one command on data and returns its reply in RESP (2 or 3). Throws for commands that cannot be
  // part of a transaction, for conflicts (serialization_failure, deadlock_detected, lock_not_available)
  // and in read-only transactions. snapshot: of the statement; null: the newest commit.
  std::string run(int db, Argv argv, const storage::SnapshotPtr& snapshot, const storage::WaitOptions& wait, int resp = 3);

  // Every key as the snapshot and this transaction see it. The object is valid during the call only.
  void scan(int db, const storage::SnapshotPtr& snapshot, const std::function<void(std::string_view key, const Object& value, int64_t expire_ms)>& f);

  // A row's key (see row_source.h) changes when the transaction commits; event: "hset", "del" or null.
  void row_changed(std::string key, const char* event);
  // Adds to a table's stream of changes at the commit: {STELE.CHANGE, stream, limit, field, value...}.
  void table_changed(const std::vector<std::string>& effect);
  // Runs with the latch held, just before the commit; may throw.
  void check_at_commit(std::function<void()> f) { checks_.push_back(std::move(f)); hook(); }
  // With the latch held, when the commit is published: keys of rows that changed.
  using RowsChanged = std::function<void(const std::string& key)>;
  static RowsChanged rows_changed;   // set by the RowSource

 private:
  KeyspaceTxn(DurableKeyspace& durable, storage::Transaction& txn);
  struct Overlay;
  using KeyId = std::pair<int, std::string>;
  struct RowEvent { std::string key; const char* event; };

  void hook();
  void published();
  void aborted_to(size_t effects, size_t locks, size_t events);
  void lock_key(int db, std::string_view key, const storage::WaitOptions& wait, bool thin);
  bool import(int db, std::string_view key, const storage::SnapshotPtr& snapshot, bool thin = false);
  void rebuild();
  void add_effects(std::string effects);
  void release_latch();

  DurableKeyspace& durable_;
  Keyspace& ks_;
  storage::Transaction& txn_;
  const storage::OwnerId id_;
  std::unique_ptr<Overlay> overlay_;
  std::vector<std::string> effects_;    // of this transaction, in order
  std::vector<KeyId> locks_;            // in order
  std::set<KeyId> own_;                 // keys whose value in the overlay counts
  std::set<KeyId> thin_;                // streams of them without their entries, for XADD
  std::vector<RowEvent> events_;
  std::vector<std::function<void()>> checks_;
  int deferrals_ = 0;
  bool hooked_ = false, latched_ = false, stale_ = false;
};

}  // namespace stele::keyspace
