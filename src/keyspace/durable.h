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
//    A collection drained by elements has a head with that lsn; elements that belong together reach RocksDB with it, in one batch.
// 5. An entry that is dirty stands in its database's queue; one that is stored and goes away leaves its name in `removed`.
#pragma once

#include <chrono>
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
  // After recover(): changes are committed from now on; in the background they are drained, and synced as appendfsync says.
  void start(bool background = true);
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
  // Writes everything that changed to the derived store: the draining thread's work, of nobody else beside it.
  void drain_all();

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
  using Ops = std::vector<storage::DerivedStore::Op>;
  void drain_changes(int db, Changes& changes);
  void drain_entry(Database& d, Entry* e, storage::Lsn lsn, Ops* ops);
  void held(std::chrono::steady_clock::time_point since);   // the latch; for statistics and pacing
  void rest(double least_share);

  // ---- collections by elements (drain_elements.cc) ----
  struct Slice;
  static bool by_elements(const Object& o);
  void drain_collection(int db, const std::string& key);
  std::unique_ptr<Dirt> track_anew(Object& o, const std::string& disk_key);   // returns what it replaced
  bool emit(Object& o, Slice* s);
  std::string head_of(Database& d, Entry* e, storage::Lsn lsn, uint64_t generation);
  // What an older form of the key left behind goes once the batch with `ops` is written: then erase_retired().
  void retire(std::string disk_key, Ops* ops);
  void erase_retired();
  static bool is_head(std::string_view dump, Type* type);
  void read_collection(const std::string& disk_key, std::string_view head, Object* out);
  void load_elements();
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
  // The draining thread's, once loaded: keys stored by elements and the generation that counts; what is to be erased.
  std::unordered_map<std::string, uint64_t> generations_;
  std::vector<std::pair<std::string, uint64_t>> retired_;
  uint64_t generation_ = 0;
  // Pacing, the draining thread's.
  uint64_t longest_hold_us_ = 0;  // of the latch, in the last drain
  uint64_t bytes_at_drain_ = 0;   // of log when the drain began
  uint64_t commands_seen_ = 0, commands_at_rest_ = 0;
  int64_t cpu_at_rest_us_ = 0;
  std::chrono::steady_clock::time_point rested_;
  bool pressed_ = false;          // memory is short: clean values are wanted soon
  std::thread drainer_, syncer_;
  std::mutex wait_mutex_;
  std::condition_variable wake_;
};

}  // namespace stele::keyspace
