#include <unistd.h>

#include <cerrno>

#include "base/codec.h"
#include "base/logging.h"
#include <rocksdb/sst_file_reader.h>

#include "storage/store_impl.h"

namespace stele::storage {

// A bulk file has two links: one in bulk/, one in RocksDB's directory once ingested. The link in bulk/
// stays until the state that says what became of its transaction is durable:
//   in bulk/, no meta key after recovery  -> the transaction did not commit: its keys are erased
//   in bulk/, with meta key               -> committed; the link may go
//   named by a replayed record            -> ingested again (later records then change it again)
// Files of large commits ("large-<id>-<n>.sst") are ingested by the commit itself, after its record is durable:
// one that no record names was never ingested.

uint64_t large_id_of(std::string_view name) {
  if (!name.starts_with("large-")) return 0;
  return std::stoull(std::string(name.substr(6, 16)), nullptr, 16);
}

std::string large_key(uint64_t id) {
  std::string key(kLargePrefix);
  put_be64(key, id);
  return key;
}

Lsn StoreImpl::resolve_indirect(Lsn header) const {
  std::shared_lock lock(large_mutex_);
  auto it = large_commits_.find(header & ~kIndirectLsn);
  STELE_CHECK(it != large_commits_.end());
  return it->second;
}

void StoreImpl::load_large_commits() {
  std::string upper(kLargePrefix);
  ++upper.back();
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions(), rows_));
  for (it->Seek(slice(kLargePrefix)); it->Valid() && view(it->key()) < upper; it->Next()) {
    large_commits_[load_be64(it->key().data() + kLargePrefix.size())] = load_le<Lsn>(it->value().data());
  }
  check_rocks(it->status(), "open");
}

std::string StoreImpl::new_bulk_name() {
  return fmt::format("{:016x}-{:x}.sst", clock_->unix_us(), bulk_sequence_.fetch_add(1));
}

void StoreImpl::ingest(const std::string& name) {
  std::string path = bulk_directory() + "/" + name;
  std::string link = path + ".ingest";
  ::unlink(link.c_str());
  if (::link(path.c_str(), link.c_str()) != 0) {
    throw Error(ErrorCode::kIoError, fmt::format("could not link file \"{}\": {}", path, std::strerror(errno)));
  }
  rocksdb::IngestExternalFileOptions o;
  o.move_files = true;
  o.snapshot_consistency = true;
  o.allow_global_seqno = true;
  o.allow_blocking_flush = true;
  o.write_global_seqno = false;
  check_rocks(db_->IngestExternalFile(rows_, {link}, o), "bulk load");
}

void StoreImpl::bulk_ended(const std::vector<BulkFile>& files, bool committed) {
  if (!committed) {
    rocksdb::WriteBatch batch;
    for (const BulkFile& f : files) {
      check_rocks(batch.DeleteRange(rows_, f.smallest, f.largest + '\0'), "bulk load");
    }
    write_batch(&batch);
  }
  std::lock_guard lock(bulk_mutex_);
  for (const BulkFile& f : files) ended_bulk_.emplace_back(f.name, committed);
}

void StoreImpl::clean_bulk_files_at_start() {
  posix_files().make_directories(bulk_directory());
  rocksdb::WriteBatch batch;
  std::vector<BulkFile> uncommitted;
  std::vector<BulkFile> committed;
  for (const std::string& name : posix_files().list(bulk_directory())) {
    std::string path = bulk_directory() + "/" + name;
    if (!name.ends_with(".sst")) {
      posix_files().remove(path);
      continue;
    }
    std::string value;
    if (db_->Get(rocksdb::ReadOptions(), rows_, std::string(kBulkPrefix) + name, &value).ok()) {
      committed.push_back({name, {}, {}});
      continue;
    }
    if (large_id_of(name) != 0) {
      posix_files().remove(path);
      continue;
    }
    rocksdb::SstFileReader reader(sst_options());
    if (!reader.Open(path).ok()) {  // never finished, so never ingested
      posix_files().remove(path);
      continue;
    }
    std::unique_ptr<rocksdb::Iterator> it(reader.NewIterator(rocksdb::ReadOptions()));
    BulkFile f{name, {}, {}};
    it->SeekToFirst();
    if (it->Valid()) f.smallest = it->key().ToString();
    it->SeekToLast();
    if (it->Valid()) f.largest = it->key().ToString();
    uncommitted.push_back(std::move(f));
  }
  if (!uncommitted.empty()) bulk_ended(uncommitted, false);
  if (!committed.empty()) bulk_ended(committed, true);
}

}  // namespace stele::storage
