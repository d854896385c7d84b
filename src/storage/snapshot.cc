#include "storage/store_impl.h"

namespace stele::storage {

SnapshotImpl::SnapshotImpl(StoreImpl& store, Lsn lsn)
    : Snapshot(lsn), store_(store), made_us_(store.clock().monotonic_us()) {
  std::lock_guard lock(store_.live_mutex_);
  place_ = store_.live_.insert(store_.live_.end(), this);
}

SnapshotImpl::~SnapshotImpl() {
  if (const rocksdb::Snapshot* s = rocks_.load()) store_.db().ReleaseSnapshot(s);
  std::lock_guard lock(store_.live_mutex_);
  store_.live_.erase(place_);
}

void SnapshotImpl::materialise() const {
  if (rocks_.load(std::memory_order_acquire) != nullptr) return;
  std::lock_guard lock(mutex_);
  if (rocks_.load(std::memory_order_relaxed) == nullptr) {
    rocks_.store(store_.db().GetSnapshot(), std::memory_order_release);
  }
}

const rocksdb::Snapshot* SnapshotImpl::rocks() const {
  if (expired_.load(std::memory_order_relaxed)) {
    throw Error(ErrorCode::kSnapshotTooOld, "snapshot too old")
        .hint("End the transaction; its snapshot exceeded the configured maximum age.");
  }
  materialise();
  return rocks_.load(std::memory_order_acquire);
}

SnapshotPtr StoreImpl::snapshot() {
  {
    std::lock_guard lock(snapshot_mutex_);
    if (!applying_) {
      if (!current_) current_ = std::make_shared<SnapshotImpl>(*this, published_.load());
      return current_;
    }
  }
  // A commit is being applied: its end is near.
  std::lock_guard commit(commit_mutex_);
  std::lock_guard lock(snapshot_mutex_);
  if (!current_) current_ = std::make_shared<SnapshotImpl>(*this, published_.load());
  return current_;
}

void StoreImpl::begin_apply() {
  std::shared_ptr<SnapshotImpl> old;
  {
    std::lock_guard lock(snapshot_mutex_);
    applying_ = true;
    old = std::move(current_);
    current_.reset();
  }
  // Nobody can come to share it any more; if somebody does already, he must keep seeing this state.
  if (old && old.use_count() > 1) old->materialise();
}

void StoreImpl::end_apply(Lsn lsn) {
  std::lock_guard lock(snapshot_mutex_);
  published_.store(lsn, std::memory_order_release);
  applying_ = false;
}

Lsn StoreImpl::horizon() const {
  std::lock_guard lock(live_mutex_);
  return live_.empty() ? published_.load() : live_.front()->lsn();
}

void StoreImpl::expire_snapshots() {
  if (options_.max_snapshot_age_us == 0) return;
  int64_t limit = clock_->monotonic_us() - options_.max_snapshot_age_us;
  std::lock_guard lock(snapshot_mutex_);
  std::lock_guard live(live_mutex_);
  for (SnapshotImpl* s : live_) {
    // The current one is as fresh as can be, however long nothing was committed.
    if (s->made_us_ < limit && s != current_.get() && s->lsn() < published_lsn()) s->expired_ = true;
  }
}

}  // namespace stele::storage
