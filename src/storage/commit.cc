#include "base/codec.h"
#include "base/logging.h"
#include "storage/record.h"
#include "storage/store_impl.h"

namespace stele::storage {

void StoreImpl::write_batch(rocksdb::WriteBatch* batch) {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  rocksdb::Status s = db_->Write(options, batch);
  // The commit is in the log already: going on without its rows would break every promise.
  if (!s.ok()) logging::die("RocksDB cannot be written: " + s.ToString());
}

Lsn StoreImpl::commit(const CommitRequest& r) {
  std::unique_lock lock(commit_mutex_);
  if (r.ssi != nullptr) ssi_.before_commit(r.ssi);
  Lsn lsn = published_.load(std::memory_order_relaxed);
  if (r.record != nullptr) {
    ++lsn;
    int64_t now = clock_->unix_us();
    RecordBuilder::patch_time(r.record, now);
    log_->append(lsn, *r.record);
    begin_apply();
    if (r.batch != nullptr) {
      char* rep = const_cast<char*>(r.batch->Data().data());
      for (size_t at : *r.headers) store_le(rep + at, lsn);
      write_batch(r.batch);
      applied_written_ = lsn;
    }
    if (r.writes != nullptr) {
      for (const auto& range : r.writes->ranges()) hot_.committed_erase_range(range.lower, range.upper, lsn);
      for (const auto* n = r.writes->first(); n != nullptr; n = n->next[0]) {
        if (n->newest == nullptr || !cacheable(n->key)) continue;
        if (n->newest->erased || (!r.writes->ranges().empty() &&
                                  r.writes->range_erased(n->key, {}, n->newest->sequence))) {
          hot_.committed_erase(n->key, lsn);
        } else {
          hot_.committed_put(n->key, n->newest->value, lsn);
        }
      }
    }
    for (Section& s : r.sections) {
      Participant* p = participants_[static_cast<size_t>(s.participant)];
      if (p != nullptr) p->apply(lsn, now, s);
    }
  } else {
    // Temporary tables only: no number, but snapshots taken before must not see it.
    begin_apply();
    char* rep = const_cast<char*>(r.batch->Data().data());
    for (size_t at : *r.headers) store_le(rep + at, lsn);
    write_batch(r.batch);
  }
  if (r.ssi != nullptr) ssi_.committed(r.ssi, lsn);
  end_apply(lsn);
  if (r.record != nullptr) {
    for (Section& s : r.sections) {
      Participant* p = participants_[static_cast<size_t>(s.participant)];
      if (p != nullptr) p->published(lsn, s);
    }
  }
  lock.unlock();
  if (r.ssi != nullptr) ssi_.published();
  return lsn;
}

Lsn StoreImpl::commit_sections(std::span<Section> sections) {
  thread_local std::string record;
  RecordBuilder b(&record);
  b.count(0);
  b.count(0);
  b.count(0);
  b.count(sections.size());
  for (const Section& s : sections) b.section(s);
  CommitRequest r;
  r.record = &record;
  r.sections = sections;
  Lsn lsn = commit(r);
  if (record.capacity() > (1 << 20)) std::string().swap(record);
  return lsn;
}

}  // namespace stele::storage
