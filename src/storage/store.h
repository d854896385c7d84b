// The store: one log, the rows it produced (RocksDB), snapshots and transactions over them.
//
// Keys are byte strings in memcmp order; the first byte is the key space (keys.h). Every value in
// RocksDB starts with the 8-byte Lsn of the commit that wrote it; this interface strips it.
//
// A commit: append (log), apply (RocksDB and participants), publish (readers see it; locks are
// released only now), acknowledge (wait until durable as promised).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file.h"
#include "storage/locks.h"
#include "storage/log.h"
#include "storage/participant.h"

namespace stele::storage {

enum class Isolation : uint8_t { kReadCommitted, kRepeatableRead, kSerializable };
// Key spaces: the first byte of every key.
namespace keyspace_byte {
constexpr char kCatalog = 'c', kRow = 'r', kIndex = 'i', kMeta = 'm', kTemp = 't' /* never logged; dropped at start */;
}

// A consistent view of every commit with lsn() or less: rows, keyspace and segments. Cheap to share;
// holds back the cleaning horizon while alive.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  Lsn lsn() const { return lsn_; }
 protected:
  explicit Snapshot(Lsn lsn) : lsn_(lsn) {}
  Lsn lsn_;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

// What a read sees: commits up to `snapshot` (null: the latest published), overlaid with the
// transaction's own writes of commands before `command`.
struct ReadView {
  SnapshotPtr snapshot;
  uint32_t command = UINT32_MAX;
};

// Ordered iteration over [lower, upper). Sees the view as it was when the cursor was made; later
// writes of the same transaction do not disturb it. Views stay valid until the next move.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual bool valid() const = 0;
  virtual void next() = 0;
  virtual void seek(std::string_view key) = 0;  // to the first >= key (or last <= key if reverse)
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  virtual Lsn lsn() const = 0;  // of the commit that wrote it; 0 for the transaction's own writes
};

struct TxnOptions {
  Isolation isolation = Isolation::kReadCommitted;
  bool read_only = false;
  bool deferrable = false;
};

// Sorted files for new, truncated or re-keyed relations: keys must be added in ascending order under
// a prefix in which nothing is visible yet. Joined to the transaction by finish().
class BulkWriter {
 public:
  virtual ~BulkWriter() = default;
  virtual void add(std::string_view key, std::string_view value) = 0;
  virtual void finish() = 0;
};

class Store;

// Used by one thread at a time. Ends by commit() or abort(); the destructor aborts.
class Transaction {
 public:
  virtual ~Transaction() = default;
  virtual OwnerId id() const = 0;  // owner of its locks; unique for the life of the process
  virtual Isolation isolation() const = 0;
  virtual bool read_only() const = 0;
  virtual bool has_writes() const = 0;
  virtual Store& store() = 0;

  // The snapshot for a statement that starts now: a new one at READ COMMITTED, the transaction's
  // first one otherwise.
  virtual SnapshotPtr statement_snapshot() = 0;

  // Commands order a transaction's own writes: a statement reads at current_command() and writes
  // with it, so it does not see its own effects; next_command() makes them visible.
  virtual uint32_t current_command() const = 0;
  virtual void next_command() = 0;

  // False: no such key in the view. lsn is that of the version (0: own write). In SERIALIZABLE every
  // read and range is recorded for conflict detection.
  virtual bool get(std::string_view key, const ReadView& view, std::string* value, Lsn* lsn = nullptr) = 0;
  virtual std::unique_ptr<Cursor> scan(std::string_view lower, std::string_view upper,
                                       const ReadView& view, bool reverse = false) = 0;
  virtual void put(std::string_view key, std::string_view value) = 0;
  virtual void erase(std::string_view key) = 0;
  // Deletes everything in [lower, upper) at commit without reading it (TRUNCATE, DROP). Caller holds
  // an exclusive lock on what lives there.
  virtual void erase_range(std::string_view lower, std::string_view upper) = 0;
  virtual std::unique_ptr<BulkWriter> bulk_writer() = 0;

  // Throws as LockManager::acquire. At REPEATABLE READ and above, lock_row throws
  // serialization_failure when the row's newest version is younger than the snapshot.
  virtual LockOutcome lock_row(std::string_view row_key, LockMode strength, const WaitOptions& wait) = 0;
  virtual LockOutcome lock(const LockTag& tag, LockMode mode, const WaitOptions& wait) = 0;

  // The section for a participant, made empty at first use. Rolled back with savepoints if the
  // participant appends through append_section (earlier payload lengths are restored).
  virtual void append_section(ParticipantId participant, std::string_view payload) = 0;
  virtual void set_prepared(ParticipantId participant, std::shared_ptr<void> prepared) = 0;
  virtual std::shared_ptr<void> prepared(ParticipantId participant) = 0;

  // Savepoints nest. rollback_to keeps the savepoint itself; release forgets it and keeps its writes.
  virtual size_t savepoint() = 0;
  virtual void rollback_to(size_t savepoint) = 0;
  virtual void release(size_t savepoint) = 0;

  // Run before the commit enters the log (may throw: the transaction aborts), after publish, and
  // after an abort. Savepoint rollback drops those registered since.
  virtual void before_commit(std::function<void()> f) = 0;
  virtual void on_published(std::function<void(Lsn)> f) = 0;
  virtual void on_abort(std::function<void()> f) = 0;

  // Publishes; returns the commit's Lsn, or 0 when nothing was written. Throws serialization_failure.
  // Does not wait for durability: the caller acknowledges after Store::wait_durable(lsn).
  virtual Lsn commit() = 0;
  virtual void abort() = 0;
};

// Unlogged, ordered key-value state of a participant (the keyspace's cold data, segment metadata) in a
// column family of its own. `applied` is stored atomically with the batch and never becomes durable
// before the log does.
class DerivedStore {
 public:
  struct Op { std::string key; std::string value; bool erased = false; };
  virtual ~DerivedStore() = default;
  virtual void write(std::span<const Op> ops, Lsn applied) = 0;
  virtual void erase_range(std::string_view lower, std::string_view upper) = 0;
  virtual bool get(std::string_view key, std::string* value) = 0;
  virtual std::unique_ptr<Cursor> scan(std::string_view lower, std::string_view upper) = 0;
  virtual Lsn applied() = 0;          // of the durable or in-memory state
  virtual Lsn durable_applied() = 0;  // what a crash would keep
  virtual void flush() = 0;           // make the current state durable
};

struct StoreOptions {
  std::string directory;
  Files* files = nullptr;   // null: posix_files(); the log goes through it
  Clock* clock = nullptr;   // null: system_clock()
  uint64_t cache_bytes = 256 << 20;      // RocksDB block cache
  uint64_t hot_bytes = 256 << 20;        // in-memory form of hot rows and index entries
  uint64_t write_buffer_bytes = 64 << 20;
  uint64_t txn_memory_bytes = 256 << 20; // beyond it a transaction's write set spills
  uint64_t large_commit_bytes = 64 << 20; // a larger write set is committed as sorted files
  int64_t max_snapshot_age_us = 0;       // 0: no limit
  uint64_t checkpoint_log_bytes = 256 << 20;  // a checkpoint follows so many bytes of log
  uint64_t log_segment_bytes = 64 << 20;
  bool checkpoint_on_close = true;       // false: closing leaves what a crash would
  std::function<void(const std::string&)> on_log_failure;  // as Log::Options::on_failure
};

class Store {
 public:
  // Opens files and reads the last applied state; add_participant() then recover() before use.
  static std::unique_ptr<Store> open(const StoreOptions& options);
  virtual ~Store() = default;

  virtual void add_participant(Participant* participant) = 0;  // not owned
  virtual DerivedStore& derived(const std::string& name) = 0;  // created at first use, before recover()
  virtual void recover() = 0;

  virtual std::unique_ptr<Transaction> begin(const TxnOptions& options) = 0;
  virtual SnapshotPtr snapshot() = 0;  // at published_lsn()
  virtual Lsn published_lsn() const = 0;
  // The newest version of one key, outside any transaction; false: there is none. Any thread.
  virtual bool read_newest(std::string_view key, std::string* value, Lsn* lsn = nullptr) = 0;
  // Not older than the newest commit since the start that changed a row under this table's key prefix ('r' and
  // four bytes); known before that commit is published. 0: none. Any thread.
  virtual Lsn last_change(std::string_view row_prefix) const = 0;
  // Oldest lsn that any live snapshot may read; published_lsn() when there is none.
  virtual Lsn horizon() const = 0;

  // Commits sections without a transaction object: the keyspace's path. The caller holds its own
  // latches; they may be released when this returns (published). `apply` runs as usual.
  virtual Lsn commit_sections(std::span<Section> sections) = 0;

  virtual void wait_durable(Lsn lsn) = 0;
  virtual Log& log() = 0;
  virtual LockManager& locks() = 0;
  virtual Clock& clock() = 0;

  // Makes all applied state durable and lets the log go (CHECKPOINT, backup, clean shutdown).
  virtual void checkpoint() = 0;
  // Copies everything into a new directory while the store goes on: opened there, it is the store as of some
  // commit not older than the call. Files of layers above are not part of it; they rebuild. Throws duplicate_file.
  virtual void backup(const std::string& directory) = 0;
  // Unique 64-bit numbers that survive restarts (oids, row ids), reserved in blocks through the log.
  virtual uint64_t reserve_ids(const std::string& counter, uint64_t count) = 0;

  // One object a name for layers above that keep state beside the store; made at first use, destroyed
  // when the store closes.
  virtual std::shared_ptr<void> attachment(const std::string& name,
                                           const std::function<std::shared_ptr<void>(Store&)>& make) = 0;
  // Ends the store's own work: on_close hooks, a last checkpoint (as checkpoint_on_close says), the background
  // thread. Participants are not called any more: call it before they are destroyed. The destructor calls it
  // for participants that outlive the store.
  virtual void shutdown() = 0;
  // Run when the store closes in good order, before its last checkpoint; may still commit.
  virtual void on_close(std::function<void()> f) = 0;
};

LogRecord decode_log_record(Lsn lsn, std::string_view payload);

}  // namespace stele::storage
