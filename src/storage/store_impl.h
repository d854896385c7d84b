// The parts of the store that its own files share. Nothing outside src/storage includes this.
//
// Invariants
//  1. commit_mutex_ orders commits: numbering, the log, RocksDB, hot forms, participants and publish all
//     happen under it, so state after publish(lsn) is exactly the commits up to lsn.
//  2. While `applying_`, RocksDB may hold part of an unpublished commit. A Snapshot that somebody uses
//     gets its RocksDB snapshot before that (SnapshotImpl::materialise), and no new Snapshot is made
//     until publish.
//  3. No memtable reaches disk before the log is durable up to every commit in it (FlushGuard), and no
//     file is ingested under a key range that anybody can see.
//  4. The key kAppliedKey is written with every few batches and flushed atomically with them over all column
//     families: everything up to it is in the rows. Recovery replays the log from there; replay is idempotent.
// Lock order: checkpoint_mutex_ > commit_mutex_ > snapshot spin lock, Ssi, hot cache shards.
#pragma once

#include <pthread.h>
#include <rocksdb/db.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/write_batch.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <unordered_map>

#include "storage/hot_cache.h"
#include "storage/ssi.h"
#include "storage/store.h"
#include "storage/warmer.h"
#include "storage/write_set.h"

namespace stele::storage {

class StoreImpl;

// Key of the meta entry whose lsn header says up to where the log is applied.
constexpr std::string_view kAppliedKey{"m\0applied", 9};
constexpr std::string_view kFormatKey{"m\0format", 8};
constexpr std::string_view kBulkPrefix{"m\0bulk/", 7};
constexpr std::string_view kCounterPrefix{"m\0id/", 5};
constexpr size_t kLsnBytes = 8;
// The files of a large commit are written before it has its number: their headers hold an id that stands
// for it, told by this bit. StoreImpl::resolve() knows the lsn.
constexpr Lsn kIndirectLsn = Lsn{1} << 63;
constexpr std::string_view kLargePrefix{"m\0large/", 8};

[[noreturn]] void throw_rocks(const rocksdb::Status& s, const char* what);
inline void check_rocks(const rocksdb::Status& s, const char* what) {
  if (!s.ok()) throw_rocks(s, what);
}
inline rocksdb::Slice slice(std::string_view s) { return {s.data(), s.size()}; }
inline std::string_view view(const rocksdb::Slice& s) { return {s.data(), s.size()}; }

class SnapshotImpl final : public Snapshot {
 public:
  SnapshotImpl(StoreImpl& store, Lsn lsn);
  ~SnapshotImpl() override;
  // RocksDB's snapshot, made at first need. Throws snapshot_too_old.
  const rocksdb::Snapshot* rocks() const;
  void materialise() const;

 private:
  friend class StoreImpl;
  StoreImpl& store_;
  mutable std::mutex mutex_;
  mutable std::atomic<const rocksdb::Snapshot*> rocks_{nullptr};
  std::atomic<bool> expired_{false};
  int64_t made_us_;
  std::list<SnapshotImpl*>::iterator place_;
};

// A mutex that spins for a moment before it sleeps: the commit holds it for microseconds.
class AdaptiveMutex {
 public:
  AdaptiveMutex() {
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&mutex_, &a);
    pthread_mutexattr_destroy(&a);
  }
  ~AdaptiveMutex() { pthread_mutex_destroy(&mutex_); }
  AdaptiveMutex(const AdaptiveMutex&) = delete;
  AdaptiveMutex& operator=(const AdaptiveMutex&) = delete;
  void lock() { pthread_mutex_lock(&mutex_); }
  void unlock() { pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t mutex_;
};

// What a transaction hands to the commit.
struct CommitRequest {
  std::string* record = nullptr;               // null: nothing for the log (temporary tables only)
  rocksdb::WriteBatch* batch = nullptr;        // null: no rows
  const std::vector<size_t>* headers = nullptr;  // offsets in batch of the lsn headers to fill in
  const WriteSet* writes = nullptr;            // for the hot cache
  std::span<Section> sections;
  const std::vector<std::string>* files = nullptr;  // sorted files with the rows of a large commit
  uint64_t large_id = 0;                            // that their lsn headers name
  SerializableTxn* ssi = nullptr;
  bool bulk = false;   // files of bulk writers join
};

struct BulkFile {
  std::string name;
  std::string smallest, largest;
};

class DerivedImpl;

class StoreImpl final : public Store {
 public:
  explicit StoreImpl(const StoreOptions& options);
  ~StoreImpl() override;
  void open_files();

  void add_participant(Participant* participant) override;
  DerivedStore& derived(const std::string& name) override;
  void recover() override;
  std::unique_ptr<Transaction> begin(const TxnOptions& options) override;
  SnapshotPtr snapshot() override;
  Lsn published_lsn() const override { return published_.load(std::memory_order_acquire); }
  Lsn horizon() const override;
  Lsn commit_sections(std::span<Section> sections) override;
  void wait_durable(Lsn lsn) override { log_->sync(lsn); }
  Log& log() override { return *log_; }
  LockManager& locks() override { return locks_; }
  Clock& clock() override { return *clock_; }
  void checkpoint() override;
  void backup(const std::string& directory) override;
  bool read_newest(std::string_view key, std::string* value, Lsn* lsn) override {
    return read(key, nullptr, cacheable(key), value, lsn);
  }
  uint64_t reserve_ids(const std::string& counter, uint64_t count) override;
  std::shared_ptr<void> attachment(const std::string& name,
                                   const std::function<std::shared_ptr<void>(Store&)>& make) override;
  void on_close(std::function<void()> f) override;
  void shutdown() override;

  // The pipeline of a commit; returns its lsn. Throws serialization_failure with nothing done.
  Lsn commit(const CommitRequest& request);

  rocksdb::DB& db() { return *db_; }
  rocksdb::ColumnFamilyHandle* family(std::string_view key) {
    return !key.empty() && key[0] == keyspace_byte::kTemp ? temp_ : rows_;
  }
  HotCache& hot() { return hot_; }
  Ssi& ssi() { return ssi_; }
  const StoreOptions& options() const { return options_; }
  Lsn last_change(std::string_view row_prefix) const override {
    return std::max(changed_[changed_slot(row_prefix)].load(std::memory_order_acquire), changed_all_.load(std::memory_order_acquire));
  }
  static size_t changed_slot(std::string_view row_key) {
    uint32_t id = 0;
    if (row_key.size() >= 5) std::memcpy(&id, row_key.data() + 1, 4);
    return (id * 2654435761u) >> 20;
  }
  static bool cacheable(std::string_view key) {
    return !key.empty() && (key[0] == keyspace_byte::kRow || key[0] == keyspace_byte::kIndex || key[0] == keyspace_byte::kCatalog);
  }
  // Reads one key as of the snapshot (null: newest), through the hot cache.
  bool read(std::string_view key, const SnapshotImpl* snapshot, bool use_cache, std::string* value, Lsn* lsn);
  // A step of filling the hot cache (see Warmer).
  WarmResult warm(std::string_view prefix, std::string* next, size_t keys);
  // Lsn of the newest version, without its value; false if there is none.
  bool newest_lsn(std::string_view key, Lsn* lsn);

  // The lsn that a stored header means.
  Lsn resolve(Lsn header) const { return (header & kIndirectLsn) == 0 ? header : resolve_indirect(header); }

  std::string bulk_directory() const { return options_.directory + "/bulk"; }
  std::string new_bulk_name();
  // Ingests a finished file of the bulk directory, which keeps its own link to it.
  void ingest(const std::string& name);
  // The transaction of these files ended; they are removed when that is durable.
  void bulk_ended(const std::vector<BulkFile>& files, bool committed);
  rocksdb::Options sst_options() const;

 private:
  friend class SnapshotImpl;
  friend class DerivedImpl;
  class FlushGuard;
  class GuardedFiles;

  Lsn resolve_indirect(Lsn header) const;
  void load_large_commits();
  rocksdb::ColumnFamilyOptions family_options() const;
  void begin_apply();
  void end_apply(Lsn lsn);
  void write_batch(rocksdb::WriteBatch* batch);
  Lsn read_applied(bool durable);
  void replay_record(const LogRecord& record, rocksdb::WriteBatch* batch);
  void clean_bulk_files_at_start();
  void background_loop();
  void checkpoint_locked();
  void compact_erased_ranges();
  void note_durable_state();
  void expire_snapshots();

  void lock_directory();
  void check_format();

  StoreOptions options_;
  int lock_fd_ = -1;
  Clock* clock_;
  std::unique_ptr<Log> log_;
  std::shared_ptr<FlushGuard> guard_;
  std::shared_ptr<rocksdb::Cache> block_cache_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* rows_ = nullptr;
  rocksdb::ColumnFamilyHandle* temp_ = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  std::map<std::string, std::unique_ptr<DerivedImpl>> derived_;
  std::mutex derived_mutex_;
  std::array<Participant*, 16> participants_{};
  std::array<std::atomic<Lsn>, 16> last_section_{};  // newest commit with a section of each participant

  HotCache hot_;
  Warmer warmer_{[this](std::string_view prefix, std::string* next, size_t keys) { return warm(prefix, next, keys); }};
  // By table, tables with equal hashes together: lsn of the last commit that changed rows; and of commits of files.
  std::array<std::atomic<Lsn>, 4096> changed_{};
  std::atomic<Lsn> changed_all_{0};
  Ssi ssi_;
  LockManager locks_;

  AdaptiveMutex commit_mutex_;
  std::atomic<Lsn> published_{0};
  Lsn applied_written_ = 0;  // under commit_mutex_: newest kAppliedKey written

  AdaptiveMutex snapshot_mutex_;
  bool applying_ = false;
  std::shared_ptr<SnapshotImpl> current_;  // at published_, shared by all readers
  mutable std::mutex live_mutex_;
  std::list<SnapshotImpl*> live_;  // in lsn order

  struct Counter {
    uint64_t next = 0, limit = 0, block = 1024;
  };
  std::mutex ids_mutex_;
  std::unordered_map<std::string, Counter> counters_;

  mutable std::shared_mutex large_mutex_;
  std::unordered_map<uint64_t, Lsn> large_commits_;  // id -> lsn, for as long as their rows may exist

  std::mutex bulk_mutex_;
  std::vector<std::pair<std::string, bool>> ended_bulk_;  // name, committed
  std::atomic<uint64_t> bulk_sequence_{0};

  std::mutex erased_mutex_;
  struct ErasedRange { std::string lower, upper; Lsn lsn; };
  std::vector<ErasedRange> erased_ranges_;  // whose space is still to be given back

  std::mutex checkpoint_mutex_;
  std::atomic<uint64_t> checkpoint_bytes_ = 0;  // log bytes when the last checkpoint was made
  std::atomic<bool> recovered_{false};

  std::mutex attachments_mutex_;
  std::unordered_map<std::string, std::shared_ptr<void>> attachments_;
  std::vector<std::function<void()>> on_close_;

  std::mutex background_mutex_;
  std::condition_variable background_wake_;
  bool stop_ = false;
  std::thread background_;
};

// The id in the name of a large commit's file; 0 for other bulk files.
uint64_t large_id_of(std::string_view name);
std::string large_key(uint64_t id);

std::unique_ptr<Transaction> make_transaction(StoreImpl& store, const TxnOptions& options);

}  // namespace stele::storage
