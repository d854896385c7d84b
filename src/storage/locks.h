// The lock manager: tables, rows, advisory and any other named thing. Locks belong to an owner (a
// transaction or a session) and are granted in fair order. Deadlocks are found by walking the
// wait-for graph after deadlock_timeout; the waiter that found it is the victim.
//
// Threads: any. acquire() may block; try_* never does. A LockKey is a byte string with a kind.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace stele::storage {

// PostgreSQL's eight table modes, in its order of strength.
enum class LockMode : uint8_t {
  kNone, kAccessShare, kRowShare, kRowExclusive, kShareUpdateExclusive, kShare, kShareRowExclusive,
  kExclusive, kAccessExclusive,
  // Row strengths use their own conflict table.
  kForKeyShare, kForShare, kForNoKeyUpdate, kForUpdate,
  // As the two above, by who is about to write the row: whoever wants a unique key that the row has waits for a
  // writer (kAwaitWriter conflicts with writers only), not for one who merely locked the row.
  kNoKeyWrite, kKeyWrite, kAwaitWriter,
};
enum class LockKind : uint8_t { kRelation, kRow, kAdvisory, kObject, kKey /* unique index key, redis key */, kTransaction };
enum class WaitPolicy : uint8_t { kBlock, kNoWait, kSkip /* outcome kWouldBlock, no error */ };

struct LockTag {
  LockKind kind;
  std::string_view key;  // relation: 4-byte oid big-endian; row: its storage key; advisory: 16 bytes
};

using OwnerId = uint64_t;

struct LockInfo {  // for pg_locks
  LockKind kind; std::string key; LockMode mode; OwnerId owner; bool granted; int64_t wait_start_us;
};

struct WaitOptions {
  WaitPolicy policy = WaitPolicy::kBlock;
  int64_t lock_timeout_us = 0;      // 0: none. Exceeding it throws lock_not_available
  int64_t deadlock_timeout_us = 1000000;
  // Polled while waiting; throws to give up (cancel, shutdown).
  const std::function<void()>* check_interrupts = nullptr;
};

enum class LockOutcome : uint8_t { kGranted, kAlreadyHeld, kGrantedAfterWait, kWouldBlock };

class LockManager {
 public:
  LockManager();
  ~LockManager();
  // A fresh owner id, for a transaction or a session.
  static OwnerId new_owner();
  // Owners of one group never conflict with one another and wait as one in the search for deadlocks:
  // a session's own locks and those of its transactions. Without it an owner is its own group.
  void join_group(OwnerId owner, OwnerId group);
  // Throws deadlock_detected, lock_not_available (kNoWait, timeout), or what check_interrupts throws.
  LockOutcome acquire(OwnerId owner, const LockTag& tag, LockMode mode, const WaitOptions& wait);
  // Releases one acquisition; false when not held.
  bool release(OwnerId owner, const LockTag& tag, LockMode mode);
  void release_all(OwnerId owner);
  // Locks acquired after the mark can be given back when a savepoint is rolled back.
  uint64_t mark(OwnerId owner);
  void release_since(OwnerId owner, uint64_t mark);
  // True if some other owner holds a conflicting lock right now.
  bool conflicts(OwnerId owner, const LockTag& tag, LockMode mode) const;
  std::vector<LockInfo> list() const;
  // Owners that `owner` waits for (pg_blocking_pids).
  std::vector<OwnerId> blockers(OwnerId owner) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stele::storage
