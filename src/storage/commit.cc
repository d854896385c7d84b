#include "base/codec.h"
#include "base/logging.h"
#include "storage/record.h"
#include "storage/store_impl.h"

namespace stele::storage {

namespace {
constexpr Lsn kAppliedEvery = 64;
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
      // Replay is idempotent, so recovery may start a little early: not every batch has to say how far it is.
      if (lsn >= applied_written_ + kAppliedEvery) {
        char header[kLsnBytes];
        store_le(header, lsn);
        check_rocks(r.batch->Put(rows_, slice(kAppliedKey), {header, sizeof header}), "commit");
        applied_written_ = lsn;
      }
      if (r.files != nullptr) {
        // The files become durable at once, so their record must be first.
        log_->sync(lsn);
        std::unique_lock large(large_mutex_);
        large_commits_[r.large_id] = lsn;
      }
      write_batch(r.batch);
      if (r.files != nullptr) {
        try {
          for (const std::string& f : *r.files) ingest(f);
        } catch (const Error& e) {
          logging::die("a commit that is in the log cannot be applied: " + e.message());
        }
      }
    }
    if (r.files != nullptr || r.bulk) changed_all_.store(lsn, std::memory_order_release);
    if (r.writes != nullptr) {
      if (!r.writes->ranges().empty()) changed_all_.store(lsn, std::memory_order_release);
      char last_table[4] = {};
      bool first_table = true;
      for (const auto* n = r.writes->first(); n != nullptr; n = n->next[0]) {
        if (n->key.size() < 5 || n->key[0] != keyspace_byte::kRow) continue;
        if (!first_table && std::memcmp(last_table, n->key.data() + 1, 4) == 0) continue;
        first_table = false;
        std::memcpy(last_table, n->key.data() + 1, 4);
        changed_[changed_slot(n->key)].store(lsn, std::memory_order_release);
      }
      for (const auto& range : r.writes->ranges()) {
        hot_.committed_erase_range(range.lower, range.upper, lsn);
        std::lock_guard erased(erased_mutex_);
        erased_ranges_.push_back({range.lower, range.upper, lsn});
      }
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
      last_section_[static_cast<size_t>(s.participant)].store(lsn, std::memory_order_relaxed);
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
