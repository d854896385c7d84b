// Joins a keyspace to the store: effects become log sections, values are drained to RocksDB behind the
// log, and recovery is drained state plus replay.
//
// Invariants
// 1. Memory runs ahead of the log only while the latch is held or effects are pending; whoever drains
//    or commits first commits what is pending.
// 2. A drained value carries the lsn up to which it holds its key's effects; replay skips older ones.
//    Effects name one key each (or flush a database, which spares newer keys).
// 3. The derived store's applied lsn L says: every effect at or below L is in drained values.
// 4. A value may leave memory only when its key is stored and clean (drained since its last change).
// 5. An entry that is dirty stands in its database's queue; one that is stored and goes away leaves its name in `removed`.
#pragma once

#include <condition_variable>
#include <deque>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "keyspace/keyspace.h"
#include "storage/store.h"

namespace stele::keyspace {

// The effect that adds to a table's stream of changes: this word, the stream's key, the length it is
// trimmed to (0: never), then fields and values.
constexpr std::string_view kTableChange = "STELE.CHANGE";

class DurableKeyspace : public storage::Participant, private ChangeSink {
 public:
  // Call before Store::recover(); both outlive this object.
  DurableKeyspace(Keyspace& keyspace, storage::Store& store);
  ~DurableKeyspace() override;
  void start();  // after recover(): begins draining and periodic syncs
  void stop();   // drains everything and checkpoints

  storage::ParticipantId id() const override { return storage::ParticipantId::kKeyspace; }
  void apply(storage::Lsn lsn, int64_t commit_us, storage::Section& section) override;
  storage::Lsn recovery_lsn() override;
  void replay(const storage::LogRecord& record) override;

  // For transactions that carry keyspace effects (see transaction.h): holds the latch from before the
  // commit until it is published, with nothing pending in front of it.
  void lock_for_commit();
  void unlock_after_commit();
  Keyspace& keyspace() { return ks_; }
  storage::Store& store() { return store_; }
  storage::Lsn last_lsn() const { return last_lsn_; }

 private:
  // What changed in a database since the last drain.
  struct Changes {
    std::deque<uint64_t> queue;                // hashes of the keys of dirty entries
    std::unordered_set<std::string> removed;   // stored keys that went away
    bool flushed = false;                      // nothing stored before counts any more
    bool empty() const { return queue.empty() && removed.empty() && !flushed; }
  };
  void changed(Database& d, std::string_view key) override;
  void removing(Database& d, const Entry& e) override;
  void flushed(Database& d) override;
  Changes& changes_of(const Database& d) { return changes_[static_cast<size_t>(d.id)]; }
  void load();
  void run_effects(std::string_view payload, storage::Lsn lsn, bool recovering);
  storage::Lsn commit_pending_locked();
  void drain_all();
  void drain_changes(int db, Changes& changes);
  void drain_entry(Database& d, Entry* e, storage::Lsn lsn, std::vector<storage::DerivedStore::Op>* ops);
  void spill();
  bool pressed();
  void drain_loop();
  void sync_loop();
  static std::string disk_key(int db, std::string_view key);
  static constexpr const char* kFunctionsKey = "f";
  Entry* load_value(Database& d, Entry* e);

  Keyspace& ks_;
  storage::Store& store_;
  storage::DerivedStore& derived_;
  std::vector<Changes> changes_;                                // by database
  std::unordered_map<std::string, storage::Lsn> key_lsn_;       // during recovery
  std::atomic<storage::Lsn> last_lsn_{0};
  bool functions_dirty_ = false, loaded_ = false;
  std::atomic<bool> stopping_{false};
  std::unique_ptr<Session> session_;
  std::string sink_;
  uint64_t longest_hold_us_ = 0;  // of the latch, in the last drain; the draining thread's
  std::thread drainer_, syncer_;
  std::mutex wait_mutex_;
  std::condition_variable wake_;
};

}  // namespace stele::keyspace
