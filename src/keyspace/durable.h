// Joins a keyspace to the store: effects become log sections, values are drained to RocksDB behind the
// log, and recovery is drained state plus replay.
//
// Invariants
// 1. Memory runs ahead of the log only while the latch is held or effects are pending; whoever drains
//    or commits first commits what is pending.
// 2. A drained value carries the lsn up to which it holds its key's effects; replay skips older ones.
//    Effects name one key each (or flush a database, which spares newer keys).
// 3. The derived store's applied lsn L says: every effect at or below L is in drained values.
// 4. A value may leave memory only when its key is clean (drained since its last change).
#pragma once

#include <condition_variable>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "keyspace/keyspace.h"
#include "storage/store.h"

namespace stele::keyspace {

class DurableKeyspace : public storage::Participant {
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
  uint64_t drained_bytes() const { return drained_bytes_; }
  Keyspace& keyspace() { return ks_; }

 private:
  using KeyId = std::pair<int, std::string>;
  void load();
  void run_effects(std::string_view payload, storage::Lsn lsn, bool recovering);
  storage::Lsn commit_pending_locked();
  void drain_all();
  void spill();
  bool drain_some(std::vector<std::string>& keys, size_t& next, storage::Lsn applied);
  void loop();
  static std::string disk_key(int db, std::string_view key);
  Entry* load_value(Database& d, Entry* e);

  Keyspace& ks_;
  storage::Store& store_;
  storage::DerivedStore& derived_;
  std::unordered_set<std::string> dirty_;                       // disk keys
  std::unordered_map<std::string, storage::Lsn> key_lsn_;       // during recovery
  storage::Lsn last_lsn_ = 0;
  bool functions_dirty_ = false, stopping_ = false, loaded_ = false;
  uint64_t drained_bytes_ = 0;
  std::unique_ptr<Session> session_;
  std::string sink_;
  std::thread thread_;
  std::mutex wait_mutex_;
  std::condition_variable wake_;
};

}  // namespace stele::keyspace
