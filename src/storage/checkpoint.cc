#include "base/codec.h"
#include "base/logging.h"
#include "storage/store_impl.h"

namespace stele::storage {

namespace {
constexpr auto kBackgroundPeriod = std::chrono::seconds(1);
constexpr int64_t kCheckpointPeriodUs = int64_t{300} * 1000000;
}  // namespace

void StoreImpl::checkpoint() {
  std::lock_guard checkpoint(checkpoint_mutex_);
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

void StoreImpl::note_durable_state() {
  for (size_t i = 0; i < participants_.size(); ++i) {
    if (participants_[i] != nullptr) {
      log_->retain(fmt::format("participant {}", i), participants_[i]->recovery_lsn());
    }
  }
  log_->retain("rocksdb", read_applied(true));
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
