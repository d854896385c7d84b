#include <rocksdb/experimental.h>
#include <rocksdb/utilities/checkpoint.h>

#include "base/codec.h"
#include "base/logging.h"
#include "storage/derived.h"

namespace stele::storage {

namespace {
constexpr auto kBackgroundPeriod = std::chrono::seconds(1);
constexpr int64_t kCheckpointPeriodUs = int64_t{300} * 1000000;
}  // namespace

void StoreImpl::checkpoint() {
  std::lock_guard checkpoint(checkpoint_mutex_);
  checkpoint_locked();
}

void StoreImpl::checkpoint_locked() {
  std::vector<std::pair<std::string, bool>> ended;
  {
    std::lock_guard lock(bulk_mutex_);
    ended.swap(ended_bulk_);
  }
  {
    // Commits of sections alone leave no trace in RocksDB; say that they are applied, too.
    std::lock_guard lock(commit_mutex_);
    Lsn published = published_.load();
    if (applied_written_ < published) {
      rocksdb::WriteBatch batch;
      std::string value;
      put_le<Lsn>(value, published);
      check_rocks(batch.Put(rows_, slice(kAppliedKey), value), "checkpoint");
      write_batch(&batch);
      applied_written_ = published;
    }
  }
  checkpoint_bytes_ = log_->bytes_appended();
  rocksdb::FlushOptions o;
  o.wait = true;
  o.allow_write_stall = true;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  {
    std::lock_guard lock(derived_mutex_);
    handles = handles_;
  }
  check_rocks(db_->Flush(o, handles), "checkpoint");
  note_durable_state();

  // Now it is durable what became of these files: their links may go, then the keys that named them.
  if (!ended.empty()) {
    rocksdb::WriteBatch batch;
    for (auto& [name, committed] : ended) {
      std::string path = bulk_directory() + "/" + name;
      if (posix_files().exists(path)) posix_files().remove(path);
    }
    posix_files().sync_directory(bulk_directory());
    for (auto& [name, committed] : ended) {
      if (committed) check_rocks(batch.Delete(rows_, std::string(kBulkPrefix) + name), "checkpoint");
    }
    if (batch.Count() > 0) write_batch(&batch);
  }
}

void StoreImpl::backup(const std::string& directory) {
  Files& files = posix_files();
  if (files.exists(directory)) {
    throw Error(ErrorCode::kDuplicateFile, fmt::format("directory \"{}\" exists already", directory));
  }
  files.make_directories(directory + "/log");
  files.make_directories(directory + "/bulk");
  auto copy = [&](const std::string& from, const std::string& to) {
    auto in = files.open(from);
    auto out = files.create(to);
    std::string buffer(1 << 20, '\0');
    for (uint64_t at = 0;;) {
      size_t n = in->read(at, buffer.size(), buffer.data());
      if (n == 0) break;
      out->append({buffer.data(), n});
      at += n;
    }
    out->sync();
  };
  // Under the checkpoint's mutex no bulk file goes and the log keeps what the copied rows need.
  std::lock_guard checkpoint(checkpoint_mutex_);
  log_->retain("backup", read_applied(true));
  try {
    checkpoint_locked();
    std::unique_ptr<rocksdb::Checkpoint> rows;
    rocksdb::Checkpoint* made = nullptr;
    check_rocks(rocksdb::Checkpoint::Create(db_.get(), &made), "backup");
    rows.reset(made);
    check_rocks(rows->CreateCheckpoint(directory + "/rows"), "backup");
    for (const std::string& name : files.list(bulk_directory())) {
      if (name.ends_with(".sst")) copy(bulk_directory() + "/" + name, directory + "/bulk/" + name);
    }
    // The log comes last and whole: it must reach beyond whatever the rows hold.
    log_->sync(log_->last_lsn());
    for (const std::string& name : files.list(options_.directory + "/log")) {
      if (!name.ends_with(".log")) continue;
      try {
        copy(options_.directory + "/log/" + name, directory + "/log/" + name);
      } catch (const Error& e) {
        // Let go before the call, removed by the log's thread only now.
        if (e.code() != ErrorCode::kUndefinedFile) throw;
      }
    }
    for (const char* d : {"", "/log", "/bulk"}) files.sync_directory(directory + d);
  } catch (...) {
    log_->forget("backup");
    throw;
  }
  log_->forget("backup");
}

void StoreImpl::compact_erased_ranges() {
  std::vector<ErasedRange> due;
  Lsn horizon = this->horizon();
  {
    std::lock_guard lock(erased_mutex_);
    auto ready = std::partition(erased_ranges_.begin(), erased_ranges_.end(),
                                [&](const ErasedRange& r) { return r.lsn > horizon; });
    due.assign(ready, erased_ranges_.end());
    erased_ranges_.erase(ready, erased_ranges_.end());
  }
  for (const ErasedRange& r : due) {
    rocksdb::Slice lower(r.lower), upper(r.upper);
    rocksdb::Status s = rocksdb::experimental::SuggestCompactRange(db_.get(), rows_, &lower, &upper);
    if (!s.ok()) logging::warning("giving back the space of erased rows: {}", s.ToString());
  }
}

void StoreImpl::note_durable_state() {
  // First of all, so that no commit made meanwhile can be let go.
  Lsn rows = read_applied(true);
  // What participants say to have comes first: derived state that advances after that is then seen below.
  std::array<Lsn, 16> have{};
  for (size_t i = 0; i < participants_.size(); ++i) {
    if (participants_[i] == nullptr) continue;
    have[i] = participants_[i]->recovery_lsn();
    // One that has nothing newer in the log does not hold it, however long it stays idle.
    if (have[i] >= last_section_[i].load()) have[i] = UINT64_MAX;
  }
  // Derived state that is not flushed yet would have to be made again from the log after a crash, whatever
  // its owner says to have applied. Holds are placed before others are let go.
  {
    std::lock_guard lock(derived_mutex_);
    for (auto& [name, d] : derived_) {
      Lsn durable = d->durable_applied();
      if (d->applied() > durable) {
        log_->retain("derived " + name, durable);
      } else {
        log_->forget("derived " + name);
      }
    }
  }
  for (size_t i = 0; i < participants_.size(); ++i) {
    if (participants_[i] != nullptr) log_->retain(fmt::format("participant {}", i), have[i]);
  }
  log_->retain("rocksdb", rows);
}

void StoreImpl::background_loop() {
  int64_t last_checkpoint = clock_->monotonic_us();
  Lsn checkpointed = published_lsn();
  std::unique_lock lock(background_mutex_);
  while (!stop_) {
    background_wake_.wait_for(lock, kBackgroundPeriod, [&] { return stop_; });
    if (stop_) break;
    lock.unlock();
    try {
      hot_.sweep();
      expire_snapshots();
      int64_t now = clock_->monotonic_us();
      uint64_t since = log_->bytes_appended() - checkpoint_bytes_;
      bool due = since > options_.checkpoint_log_bytes ||
                 (now - last_checkpoint > kCheckpointPeriodUs && published_lsn() > checkpointed);
      if (due) {
        checkpointed = published_lsn();
        checkpoint();
        compact_erased_ranges();
        last_checkpoint = now;
      } else {
        note_durable_state();
      }
    } catch (const Error& e) {
      logging::error("storage background work: {}", e.message());
    }
    lock.lock();
  }
}

}  // namespace stele::storage
