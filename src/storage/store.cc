#include <fcntl.h>
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/logging.h"
#include "storage/derived.h"
#include "storage/record.h"
#include "storage/store_impl.h"

namespace stele::storage {

void throw_rocks(const rocksdb::Status& s, const char* what) {
  ErrorCode code = s.IsCorruption() ? ErrorCode::kDataCorrupted
                   : s.IsNoSpace()  ? ErrorCode::kDiskFull
                                    : ErrorCode::kIoError;
  throw Error(code, fmt::format("storage error in {}: {}", what, s.ToString()));
}

// Makes the log durable before any memtable reaches disk.
class StoreImpl::FlushGuard final : public rocksdb::EventListener {
 public:
  explicit FlushGuard(StoreImpl& store) : store_(store) {}
  void OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) override {
    // Everything in the memtable was appended before it was written there.
    try {
      store_.log_->sync(store_.log_->last_lsn());
    } catch (const Error& e) {
      if (!store_.options_.on_log_failure) logging::die("rows may not reach disk before the log: " + e.message());
      frozen = true;
    }
  }
  // Set when the log failed and the process lives on (tests): no new file may be made.
  std::atomic<bool> frozen{false};

 private:
  StoreImpl& store_;
};

// Lets no table file be made once the log has failed.
class StoreImpl::GuardedFiles final : public rocksdb::FileSystemWrapper {
 public:
  explicit GuardedFiles(std::shared_ptr<FlushGuard> guard)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), guard_(std::move(guard)) {}
  const char* Name() const override { return "GuardedFiles"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file, rocksdb::IODebugContext* dbg) override {
    if (guard_->frozen) return rocksdb::IOStatus::IOError("the log failed");
    return target()->NewWritableFile(path, options, file, dbg);
  }

 private:
  std::shared_ptr<FlushGuard> guard_;
};

void StoreImpl::write_batch(rocksdb::WriteBatch* batch) {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  rocksdb::Status s = db_->Write(options, batch);
  if (s.ok()) return;
  if (guard_->frozen) throw_rocks(s, "write");
  // The commit is in the log already: going on without its rows would break every promise.
  logging::die("RocksDB cannot be written: " + s.ToString());
}

StoreImpl::StoreImpl(const StoreOptions& options)
    : options_(options), clock_(options.clock != nullptr ? options.clock : &system_clock()), hot_(options.hot_bytes) {}

rocksdb::ColumnFamilyOptions StoreImpl::family_options() const {
  rocksdb::ColumnFamilyOptions o;
  o.write_buffer_size = options_.write_buffer_bytes;
  o.max_write_buffer_number = 4;
  o.level_compaction_dynamic_level_bytes = true;
  o.compression = rocksdb::kLZ4Compression;
  o.compression_per_level = {rocksdb::kNoCompression, rocksdb::kNoCompression, rocksdb::kLZ4Compression};
  o.max_bytes_for_level_base = 256 << 20;
  o.target_file_size_base = 64 << 20;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = block_cache_;
  table.block_size = 8 << 10;
  table.format_version = 5;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = true;
  table.cache_index_and_filter_blocks = false;
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return o;
}

rocksdb::Options StoreImpl::sst_options() const {
  rocksdb::Options o(rocksdb::DBOptions(), family_options());
  o.compression_per_level.clear();
  o.compression = rocksdb::kLZ4Compression;
  return o;
}

// Two servers on one directory would cut each other's log.
void StoreImpl::lock_directory() {
  std::string path = options_.directory + "/LOCK";
  lock_fd_ = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (lock_fd_ < 0 || ::flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    throw Error(ErrorCode::kObjectInUse, fmt::format("data directory \"{}\" is in use by another process", options_.directory));
  }
}

void StoreImpl::check_format() {
  constexpr uint32_t kFormat = 1;
  std::string value;
  rocksdb::Status s = db_->Get(rocksdb::ReadOptions(), rows_, slice(kFormatKey), &value);
  if (s.IsNotFound()) {
    put_le<Lsn>(value, 0);
    put_le<uint32_t>(value, kFormat);
    rocksdb::WriteBatch batch;
    check_rocks(batch.Put(rows_, slice(kFormatKey), value), "open");
    write_batch(&batch);
    return;
  }
  check_rocks(s, "open");
  uint32_t format = value.size() < 12 ? 0 : load_le<uint32_t>(value.data() + kLsnBytes);
  if (format != kFormat) {
    throw Error(ErrorCode::kFeatureNotSupported,
                fmt::format("the data directory has format {}, this server reads format {}", format, kFormat));
  }
}

void StoreImpl::open_files() {
  posix_files().make_directories(options_.directory);
  posix_files().make_directories(bulk_directory());
  lock_directory();
  Log::Options lo;
  lo.directory = options_.directory + "/log";
  lo.files = options_.files;
  lo.segment_bytes = options_.log_segment_bytes;
  lo.on_failure = options_.on_log_failure;
  log_ = Log::open(lo);

  block_cache_ = rocksdb::NewLRUCache(options_.cache_bytes, 6);
  guard_ = std::make_shared<FlushGuard>(*this);
  rocksdb::DBOptions o;
  o.create_if_missing = true;
  o.atomic_flush = true;
  o.allow_concurrent_memtable_write = false;
  o.enable_write_thread_adaptive_yield = true;
  o.avoid_flush_during_shutdown = true;
  o.max_background_jobs = 2;
  o.max_open_files = -1;
  o.stats_dump_period_sec = 0;
  o.stats_persist_period_sec = 0;
  o.keep_log_file_num = 2;
  o.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  o.bytes_per_sync = 1 << 20;
  o.listeners.push_back(guard_);
  env_ = rocksdb::NewCompositeEnv(std::make_shared<GuardedFiles>(guard_));
  o.env = env_.get();
  std::string path = options_.directory + "/rows";

  std::vector<std::string> names;
  if (!rocksdb::DB::ListColumnFamilies(o, path, &names).ok()) names = {rocksdb::kDefaultColumnFamilyName};
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& n : names) families.emplace_back(n, family_options());
  rocksdb::DB* db = nullptr;
  check_rocks(rocksdb::DB::Open(o, path, families, &handles_, &db), "open");
  db_.reset(db);
  rows_ = handles_[0];
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == rocksdb::kDefaultColumnFamilyName) rows_ = handles_[i];
    if (names[i] == "temp") temp_ = handles_[i];
    if (names[i].starts_with("derived:")) {
      derived_[names[i].substr(8)] = std::make_unique<DerivedImpl>(*this, handles_[i]);
    }
  }
  // Temporary tables end with the server that made them.
  if (temp_ != nullptr) {
    check_rocks(db_->DropColumnFamily(temp_), "open");
    std::erase(handles_, temp_);
    check_rocks(db_->DestroyColumnFamilyHandle(temp_), "open");
  }
  check_rocks(db_->CreateColumnFamily(family_options(), "temp", &temp_), "open");
  handles_.push_back(temp_);

  check_format();
  load_large_commits();
  applied_written_ = read_applied(false);
  if (applied_written_ > log_->last_lsn()) {
    throw Error(ErrorCode::kDataCorrupted, "the log ends before the rows")
        .detail(fmt::format("Rows are applied up to {}, the log ends at {}.", applied_written_, log_->last_lsn()));
  }
}

Lsn StoreImpl::read_applied(bool durable) {
  rocksdb::ReadOptions ro;
  if (durable) ro.read_tier = rocksdb::kPersistedTier;
  std::string value;
  rocksdb::Status s = db_->Get(ro, rows_, slice(kAppliedKey), &value);
  if (s.IsNotFound()) return 0;
  check_rocks(s, "open");
  return load_le<Lsn>(value.data());
}

void StoreImpl::shutdown() {
  {
    std::lock_guard lock(background_mutex_);
    if (stop_) return;
    stop_ = true;
    background_wake_.notify_all();
  }
  warmer_.stop();
  if (background_.joinable()) background_.join();
  if (db_ && recovered_ && options_.checkpoint_on_close) {
    try {
      for (auto& f : on_close_) f();
      checkpoint();
    } catch (const Error& e) {
      logging::error("closing without a checkpoint: {}", e.message());
    }
  }
  participants_ = {};
}

StoreImpl::~StoreImpl() {
  shutdown();
  if (db_) {
    attachments_.clear();
    {
      std::lock_guard lock(snapshot_mutex_);
      current_.reset();
    }
    derived_.clear();
    for (auto* h : handles_) db_->DestroyColumnFamilyHandle(h);
    rocksdb::CancelAllBackgroundWork(db_.get(), true);
    db_->Close();
    db_.reset();
  }
  log_.reset();
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

void StoreImpl::add_participant(Participant* participant) {
  auto i = static_cast<size_t>(participant->id());
  STELE_CHECK(i < participants_.size() && !recovered_);
  participants_[i] = participant;
}

DerivedStore& StoreImpl::derived(const std::string& name) {
  std::lock_guard lock(derived_mutex_);
  auto& d = derived_[name];
  if (!d) {
    rocksdb::ColumnFamilyHandle* h = nullptr;
    check_rocks(db_->CreateColumnFamily(family_options(), "derived:" + name, &h), "open");
    handles_.push_back(h);
    d = std::make_unique<DerivedImpl>(*this, h);
  }
  return *d;
}

void StoreImpl::replay_record(const LogRecord& record, rocksdb::WriteBatch* batch) {
  std::string header, value;
  put_le<Lsn>(header, record.lsn);
  record.for_each_range([&](std::string_view lower, std::string_view upper) {
    check_rocks(batch->DeleteRange(rows_, slice(lower), slice(upper)), "recovery");
  });
  record.for_each_file([&](std::string_view name) {
    // The file comes at its place in the order: what is older goes in first.
    write_batch(batch);
    batch->Clear();
    std::string file(name);
    if (!posix_files().exists(bulk_directory() + "/" + file)) {
      throw Error(ErrorCode::kDataCorrupted, fmt::format("bulk file \"{}\" of log record {} is missing", file, record.lsn));
    }
    ingest(file);
    check_rocks(batch->Put(rows_, std::string(kBulkPrefix) + file, header), "recovery");
    if (uint64_t id = large_id_of(file)) {
      check_rocks(batch->Put(rows_, large_key(id), header), "recovery");
      large_commits_[id] = record.lsn;
    }
  });
  record.for_each_row([&](const RowOp& op) {
    if (op.erased) {
      check_rocks(batch->Delete(rows_, slice(op.key)), "recovery");
    } else {
      value.assign(header).append(op.value);
      check_rocks(batch->Put(rows_, slice(op.key), value), "recovery");
    }
  });
  check_rocks(batch->Put(rows_, slice(kAppliedKey), header), "recovery");
}

void StoreImpl::recover() {
  STELE_CHECK(!recovered_);
  Lsn applied = applied_written_;
  Lsn from = applied;
  std::array<Lsn, 16> starts{};
  for (size_t i = 0; i < participants_.size(); ++i) {
    if (participants_[i] == nullptr) continue;
    starts[i] = participants_[i]->recovery_lsn();
    from = std::min(from, starts[i]);
  }
  Lsn last = log_->last_lsn();
  if (from < last) {
    // Participants that fell behind what the log keeps rebuild from rows; they see only what is left.
    auto cursor = log_->read_from(std::max(from + 1, log_->first_lsn()));
    rocksdb::WriteBatch batch;
    Lsn lsn;
    std::string_view payload;
    uint64_t replayed = 0;
    while (cursor->next(&lsn, &payload)) {
      LogRecord record = decode_log_record(lsn, payload);
      if (lsn > applied) {
        replay_record(record, &batch);
        ++replayed;
        if (batch.GetDataSize() > (4 << 20)) {
          write_batch(&batch);
          batch.Clear();
        }
      }
      record.for_each_section([&](ParticipantId p, std::string_view) { last_section_[static_cast<size_t>(p)] = lsn; });
      for (size_t i = 0; i < participants_.size(); ++i) {
        if (participants_[i] != nullptr && lsn > starts[i]) participants_[i]->replay(record);
      }
    }
    if (batch.Count() > 0) write_batch(&batch);
    if (replayed > 0) logging::info("recovery applied {} commits, up to {}", replayed, last);
  }
  applied_written_ = last;
  published_ = last;
  clean_bulk_files_at_start();
  recovered_ = true;
  note_durable_state();
  background_ = std::thread([this] { background_loop(); });
}

std::unique_ptr<Transaction> StoreImpl::begin(const TxnOptions& options) { return make_transaction(*this, options); }

bool StoreImpl::read(std::string_view key, const SnapshotImpl* snapshot, bool use_cache, std::string* value, Lsn* lsn) {
  if (use_cache && hot_.get(key, snapshot != nullptr ? snapshot->lsn() : UINT64_MAX, value, lsn)) return true;
  Lsn newest_known = snapshot != nullptr ? snapshot->lsn() : published_lsn();
  rocksdb::ReadOptions ro;
  if (snapshot != nullptr) ro.snapshot = snapshot->rocks();
  rocksdb::PinnableSlice found;
  rocksdb::Status s = db_->Get(ro, family(key), slice(key), &found);
  if (s.IsNotFound()) return false;
  check_rocks(s, "read");
  Lsn written = resolve(load_le<Lsn>(found.data()));
  std::string_view v = view(found).substr(kLsnBytes);
  if (value != nullptr) value->assign(v);
  if (lsn != nullptr) *lsn = written;
  if (use_cache && hot_.offer(key, v, written, newest_known) == HotCache::Offered::kRoomForMore && key[0] != keyspace_byte::kCatalog) {
    warmer_.missed(key);
  }
  return true;
}

WarmResult StoreImpl::warm(std::string_view prefix, std::string* next, size_t keys) {
  const Lsn newest_known = published_lsn();
  rocksdb::ReadOptions ro;
  ro.fill_cache = false;  // the blocks are not needed again: their rows are in the hot cache
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(ro, rows_));
  it->Seek(slice(next->empty() ? prefix : std::string_view(*next)));
  for (size_t i = 0; i < keys && it->Valid(); ++i, it->Next()) {
    const std::string_view key = view(it->key());
    if (!key.starts_with(prefix)) return WarmResult::kEndOfRange;
    const std::string_view value = view(it->value());
    if (hot_.offer(key, value.substr(kLsnBytes), resolve(load_le<Lsn>(value.data())), newest_known) == HotCache::Offered::kFull) {
      return WarmResult::kFull;
    }
  }
  check_rocks(it->status(), "read");
  if (!it->Valid()) return WarmResult::kEndOfRange;
  next->assign(view(it->key()));
  return WarmResult::kMore;
}

bool StoreImpl::newest_lsn(std::string_view key, Lsn* lsn) { return read(key, nullptr, cacheable(key), nullptr, lsn); }

uint64_t StoreImpl::reserve_ids(const std::string& counter, uint64_t count) {
  std::lock_guard lock(ids_mutex_);
  auto [it, inserted] = counters_.try_emplace(counter);
  Counter& c = it->second;
  std::string key = std::string(kCounterPrefix) + counter;
  if (inserted) {
    std::string value;
    c.next = c.limit = read(key, nullptr, false, &value, nullptr) ? load_le<uint64_t>(value.data()) : 1;
  }
  if (c.next + count > c.limit) {
    // Numbers below the logged limit are never given out again; blocks grow with use.
    uint64_t limit = c.next + count + c.block;
    c.block = std::min<uint64_t>(c.block * 2, 1 << 20);
    auto txn = begin({});
    std::string value;
    put_le<uint64_t>(value, limit);
    txn->put(key, value);
    txn->commit();
    c.limit = limit;
  }
  uint64_t first = c.next;
  c.next += count;
  return first;
}

std::shared_ptr<void> StoreImpl::attachment(const std::string& name,
                                            const std::function<std::shared_ptr<void>(Store&)>& make) {
  std::lock_guard lock(attachments_mutex_);
  auto it = attachments_.find(name);
  if (it == attachments_.end()) it = attachments_.emplace(name, make(*this)).first;
  return it->second;
}

void StoreImpl::on_close(std::function<void()> f) {
  std::lock_guard lock(background_mutex_);
  on_close_.push_back(std::move(f));
}

std::unique_ptr<Store> Store::open(const StoreOptions& options) {
  auto store = std::make_unique<StoreImpl>(options);
  store->open_files();
  return store;
}

}  // namespace stele::storage
