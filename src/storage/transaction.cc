#include "base/codec.h"
#include "storage/cursor.h"
#include "storage/record.h"
#include "storage/store_impl.h"

namespace stele::storage {

namespace {

// Read marks are of use for what users see as rows; the catalog and counters stay out, as in PostgreSQL.
bool marked_space(std::string_view key) {
  return !key.empty() && (key[0] == keyspace_byte::kRow || key[0] == keyspace_byte::kIndex);
}

class TransactionImpl final : public Transaction {
 public:
  TransactionImpl(StoreImpl& store, const TxnOptions& options)
      : store_(store), options_(options), id_(LockManager::new_owner()),
        writes_(store.options().txn_memory_bytes, store.options().directory) {}
  ~TransactionImpl() override {
    if (state_ == State::kActive) abort();
  }

  OwnerId id() const override { return id_; }
  Isolation isolation() const override { return options_.isolation; }
  bool read_only() const override { return options_.read_only; }
  bool has_writes() const override { return !writes_.empty() || !sections_.empty() || !bulk_.empty(); }
  Store& store() override { return store_; }

  SnapshotPtr statement_snapshot() override {
    if (options_.isolation == Isolation::kReadCommitted) return store_.snapshot();
    if (!snapshot_) take_transaction_snapshot();
    return snapshot_;
  }

  uint32_t current_command() const override { return command_; }
  void next_command() override { ++command_; }

  bool get(std::string_view key, const ReadView& rv, std::string* value, Lsn* lsn) override;
  std::unique_ptr<Cursor> scan(std::string_view lower, std::string_view upper, const ReadView& rv,
                               bool reverse) override;
  void put(std::string_view key, std::string_view value) override {
    before_write(key);
    writes_.put(key, value, command_);
  }
  void erase(std::string_view key) override {
    before_write(key);
    writes_.erase(key, command_);
  }
  void erase_range(std::string_view lower, std::string_view upper) override {
    if (lower >= upper) return;
    before_write(lower, false);
    if (serializable() && marked_space(lower)) store_.ssi().write_range(serializable(), lower, upper);
    writes_.erase_range(lower, upper, command_);
  }
  std::unique_ptr<BulkWriter> bulk_writer() override;

  LockOutcome lock_row(std::string_view row_key, LockMode strength, const WaitOptions& wait) override;
  LockOutcome lock(const LockTag& tag, LockMode mode, const WaitOptions& wait) override {
    return store_.locks().acquire(id_, tag, mode, wait);
  }

  void append_section(ParticipantId participant, std::string_view payload) override {
    section(participant).payload.append(payload);
  }
  void set_prepared(ParticipantId participant, std::shared_ptr<void> prepared) override {
    section(participant).prepared = std::move(prepared);
  }
  std::shared_ptr<void> prepared(ParticipantId participant) override {
    for (Section& s : sections_) {
      if (s.participant == participant) return s.prepared;
    }
    return nullptr;
  }

  size_t savepoint() override;
  void rollback_to(size_t savepoint) override;
  void release(size_t savepoint) override {
    STELE_CHECK(savepoint < savepoints_.size());
    savepoints_.resize(savepoint);
  }

  void before_commit(std::function<void()> f) override { before_commit_.push_back(std::move(f)); }
  void on_published(std::function<void(Lsn)> f) override { on_published_.push_back(std::move(f)); }
  void on_abort(std::function<void()> f) override { on_abort_.push_back(std::move(f)); }

  Lsn commit() override;
  void abort() override;

  void add_bulk_file(BulkFile file) { bulk_.push_back(std::move(file)); }
  StoreImpl& impl() { return store_; }

 private:
  enum class State : uint8_t { kActive, kCommitted, kAborted };
  struct SavedSection {
    ParticipantId participant;
    size_t bytes;
    std::shared_ptr<void> prepared;
  };
  struct Savepoint {
    uint64_t sequence;
    uint64_t lock_mark;
    size_t before_commit, on_published, on_abort, bulk;
    std::vector<SavedSection> sections;
  };

  // The tracked transaction; null unless SERIALIZABLE and not known to be safe.
  SerializableTxn* serializable() {
    if (options_.isolation != Isolation::kSerializable) return nullptr;
    if (!snapshot_) take_transaction_snapshot();
    return ssi_;
  }
  void take_transaction_snapshot();
  void before_write(std::string_view key, bool mark = true) {
    STELE_CHECK(state_ == State::kActive);
    if (options_.read_only && key[0] != keyspace_byte::kTemp) {
      throw Error(ErrorCode::kReadOnlySqlTransaction, "cannot write in a read-only transaction");
    }
    if (mark && options_.isolation == Isolation::kSerializable && marked_space(key)) {
      if (SerializableTxn* t = serializable()) store_.ssi().write_key(t, key);
    }
  }
  Section& section(ParticipantId participant) {
    for (Section& s : sections_) {
      if (s.participant == participant) return s;
    }
    sections_.push_back({participant, {}, nullptr});
    return sections_.back();
  }
  WriteSet::View overlay(const ReadView& rv) const { return {rv.command, UINT64_MAX}; }
  // Whether keys of the range live in files that this transaction ingested: nobody else writes there, and
  // its snapshots may be older than the files.
  bool in_own_bulk(std::string_view lower, std::string_view upper) const {
    for (const BulkFile& f : bulk_) {
      if (f.largest >= lower && (upper.empty() || f.smallest < upper)) return true;
    }
    return false;
  }
  void discard_bulk(size_t from);
  Lsn commit_writes();
  // Writes the rows of a large commit as sorted files; nothing refers to them yet.
  std::vector<std::string> write_large_files(uint64_t id);
  void finish(State state) {
    state_ = state;
    ssi_ = nullptr;
    snapshot_.reset();
    store_.locks().release_all(id_);
  }

  StoreImpl& store_;
  TxnOptions options_;
  OwnerId id_;
  State state_ = State::kActive;
  uint32_t command_ = 1;
  WriteSet writes_;
  SnapshotPtr snapshot_;
  SerializableTxn* ssi_ = nullptr;
  std::vector<Section> sections_;
  std::vector<BulkFile> bulk_;
  std::vector<Savepoint> savepoints_;
  std::vector<std::function<void()>> before_commit_, on_abort_;
  std::vector<std::function<void(Lsn)>> on_published_;
};

void TransactionImpl::take_transaction_snapshot() {
  if (options_.isolation != Isolation::kSerializable) {
    snapshot_ = store_.snapshot();
    return;
  }
  if (options_.read_only && options_.deferrable) {
    // A snapshot that no running writer can make inconsistent needs no tracking.
    do {
      snapshot_ = store_.snapshot();
    } while (!store_.ssi().wait_safe(snapshot_->lsn(), nullptr));
    return;
  }
  ssi_ = store_.ssi().begin(store_.published_lsn(), options_.read_only);
  snapshot_ = store_.snapshot();
  store_.ssi().set_snapshot(ssi_, snapshot_->lsn());
}

bool TransactionImpl::get(std::string_view key, const ReadView& rv, std::string* value, Lsn* lsn) {
  if (!writes_.empty()) {
    std::string_view own;
    switch (writes_.get(key, overlay(rv), &own)) {
      case WriteSet::Found::kValue:
        if (value != nullptr) value->assign(own);
        if (lsn != nullptr) *lsn = 0;
        return true;
      case WriteSet::Found::kErased: return false;
      case WriteSet::Found::kNothing: break;
    }
  }
  if (options_.isolation == Isolation::kSerializable && marked_space(key)) {
    if (SerializableTxn* t = serializable()) store_.ssi().read_key(t, key);
  }
  const auto* snapshot = static_cast<const SnapshotImpl*>(rv.snapshot.get());
  if (!bulk_.empty() && in_own_bulk(key, std::string(key) + '\0')) return store_.read(key, nullptr, false, value, lsn);
  return store_.read(key, snapshot, StoreImpl::cacheable(key), value, lsn);
}

std::unique_ptr<Cursor> TransactionImpl::scan(std::string_view lower, std::string_view upper, const ReadView& rv,
                                              bool reverse) {
  CursorOptions o;
  o.snapshot = rv.snapshot;
  o.reverse = reverse;
  if (!writes_.empty()) {
    o.writes = &writes_;
    o.view = {rv.command, writes_.sequence()};
  }
  if (options_.isolation == Isolation::kSerializable && marked_space(lower)) o.ssi = serializable();
  if (!bulk_.empty() && in_own_bulk(lower, upper)) o.snapshot = nullptr;
  return make_cursor(store_, store_.family(lower), lower, upper, std::move(o));
}

LockOutcome TransactionImpl::lock_row(std::string_view row_key, LockMode strength, const WaitOptions& wait) {
  LockOutcome outcome = store_.locks().acquire(id_, {LockKind::kRow, row_key}, strength, wait);
  if (options_.isolation == Isolation::kReadCommitted || outcome == LockOutcome::kWouldBlock) return outcome;
  if (!snapshot_ || writes_.touches(row_key)) return outcome;
  Lsn newest;
  if (!store_.newest_lsn(row_key, &newest)) {
    throw Error(ErrorCode::kSerializationFailure, "could not serialize access due to concurrent delete");
  }
  // A key share only promises that the row stays; a newer version of it is as good.
  if (newest > snapshot_->lsn() && strength != LockMode::kForKeyShare) {
    throw Error(ErrorCode::kSerializationFailure, "could not serialize access due to concurrent update");
  }
  return outcome;
}

size_t TransactionImpl::savepoint() {
  Savepoint s;
  s.sequence = writes_.sequence();
  s.lock_mark = store_.locks().mark(id_);
  s.before_commit = before_commit_.size();
  s.on_published = on_published_.size();
  s.on_abort = on_abort_.size();
  s.bulk = bulk_.size();
  for (const Section& x : sections_) s.sections.push_back({x.participant, x.payload.size(), x.prepared});
  savepoints_.push_back(std::move(s));
  return savepoints_.size() - 1;
}

void TransactionImpl::rollback_to(size_t savepoint) {
  STELE_CHECK(savepoint < savepoints_.size());
  savepoints_.resize(savepoint + 1);
  const Savepoint& s = savepoints_.back();
  // What was hooked since is undone, youngest first.
  while (on_abort_.size() > s.on_abort) {
    auto f = std::move(on_abort_.back());
    on_abort_.pop_back();
    f();
  }
  writes_.rollback_to(s.sequence);
  discard_bulk(s.bulk);
  before_commit_.resize(s.before_commit);
  on_published_.resize(s.on_published);
  std::vector<Section> kept;
  for (const SavedSection& saved : s.sections) {
    for (Section& x : sections_) {
      if (x.participant != saved.participant) continue;
      x.payload.resize(saved.bytes);
      x.prepared = saved.prepared;
      kept.push_back(std::move(x));
      break;
    }
  }
  sections_ = std::move(kept);
  store_.locks().release_since(id_, s.lock_mark);
}

void TransactionImpl::discard_bulk(size_t from) {
  if (bulk_.size() <= from) return;
  std::vector<BulkFile> gone(std::make_move_iterator(bulk_.begin() + static_cast<ptrdiff_t>(from)),
                             std::make_move_iterator(bulk_.end()));
  bulk_.resize(from);
  store_.bulk_ended(gone, false);
}

std::vector<std::string> TransactionImpl::write_large_files(uint64_t id) {
  constexpr uint64_t kFileBytes = 256 << 20;
  std::vector<std::string> names;
  std::unique_ptr<rocksdb::SstFileWriter> writer;
  char header[kLsnBytes];
  store_le(header, kIndirectLsn | id);
  std::string value;
  uint64_t n = 0;
  auto finish = [&] {
    if (writer) check_rocks(writer->Finish(), "large commit");
    writer.reset();
  };
  try {
    for (const auto* node = writes_.first(); node != nullptr; node = node->next[0]) {
      if (node->newest == nullptr || node->key[0] == keyspace_byte::kTemp) continue;
      if (!writes_.ranges().empty() && writes_.range_erased(node->key, {}, node->newest->sequence)) continue;
      if (!writer) {
        names.push_back(fmt::format("large-{:016x}-{}.sst", id, names.size()));
        writer = std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions(), store_.sst_options());
        check_rocks(writer->Open(store_.bulk_directory() + "/" + names.back()), "large commit");
      }
      if (node->newest->erased) {
        check_rocks(writer->Delete(slice(node->key)), "large commit");
      } else {
        value.assign(header, sizeof header).append(node->newest->value);
        check_rocks(writer->Put(slice(node->key), value), "large commit");
      }
      if (++n % 4096 == 0 && writer->FileSize() > kFileBytes) finish();
    }
    finish();
  } catch (...) {
    writer.reset();
    for (const std::string& f : names) posix_files().remove(store_.bulk_directory() + "/" + f);
    throw;
  }
  posix_files().sync_directory(store_.bulk_directory());
  return names;
}

Lsn TransactionImpl::commit_writes() {
  bool large = writes_.bytes() > store_.options().large_commit_bytes;
  uint64_t large_id = 0;
  std::vector<std::string> files;
  if (large) {
    large_id = store_.reserve_ids("large commit", 1);
    files = write_large_files(large_id);
  }
  // Encoding is the expensive part and happens before the commit's mutex. Buffers are kept between the
  // commits of a thread.
  thread_local std::string record;
  thread_local rocksdb::WriteBatch batch;
  thread_local std::vector<size_t> headers;
  batch.Clear();
  headers.clear();
  RecordBuilder builder(&record);

  size_t ranges = 0, rows = 0, temp = 0;
  for (const auto& r : writes_.ranges()) {
    rocksdb::Slice l(r.lower), u(r.upper);
    check_rocks(batch.DeleteRange(store_.family(r.lower), l, u), "commit");
    r.lower[0] == keyspace_byte::kTemp ? ++temp : ++ranges;
  }
  auto live = [&](const WriteSet::Node* n) {
    return n->newest != nullptr &&
           (writes_.ranges().empty() || !writes_.range_erased(n->key, {}, n->newest->sequence));
  };
  for (const auto* n = writes_.first(); n != nullptr; n = n->next[0]) {
    if (!live(n)) continue;
    bool is_temp = n->key[0] == keyspace_byte::kTemp;
    if (large && !is_temp) continue;
    is_temp ? ++temp : ++rows;
    auto* family = store_.family(n->key);
    if (n->newest->erased) {
      check_rocks(batch.Delete(family, slice(n->key)), "commit");
    } else {
      char zero[kLsnBytes] = {};
      rocksdb::Slice k = slice(n->key);
      rocksdb::Slice v[2] = {{zero, sizeof zero}, slice(n->newest->value)};
      check_rocks(batch.Put(family, rocksdb::SliceParts(&k, 1), rocksdb::SliceParts(v, 2)), "commit");
      headers.push_back(batch.GetDataSize() - n->newest->value.size() - kLsnBytes);
    }
  }
  bool logged = ranges + rows + files.size() + sections_.size() + bulk_.size() > 0;
  CommitRequest request;
  request.ssi = ssi_;
  request.headers = &headers;
  request.writes = &writes_;
  request.sections = sections_;
  request.bulk = !bulk_.empty();
  if (logged) {
    builder.count(ranges);
    for (const auto& r : writes_.ranges()) {
      if (r.lower[0] != keyspace_byte::kTemp) builder.range(r.lower, r.upper);
    }
    builder.count(bulk_.size() + files.size());
    for (const BulkFile& f : bulk_) builder.file(f.name);
    for (const std::string& f : files) builder.file(f);
    builder.count(rows);
    for (const auto* n = rows > 0 ? writes_.first() : nullptr; n != nullptr; n = n->next[0]) {
      if (!live(n) || large || n->key[0] == keyspace_byte::kTemp) continue;
      n->newest->erased ? builder.erase(n->key) : builder.put(n->key, n->newest->value);
    }
    builder.count(sections_.size());
    for (const Section& s : sections_) builder.section(s);
    if (record.size() > (uint64_t{2} << 30)) {
      throw Error(ErrorCode::kProgramLimitExceeded, "transaction is too large")
          .detail(fmt::format("Its log record would take {} bytes.", record.size()));
    }
    request.record = &record;
    auto mark = [&](const std::string& key) {
      check_rocks(batch.Put(store_.family(key), key, std::string(kLsnBytes, '\0')), "commit");
      headers.push_back(batch.GetDataSize() - kLsnBytes);
    };
    for (const BulkFile& f : bulk_) mark(std::string(kBulkPrefix) + f.name);
    for (const std::string& f : files) mark(std::string(kBulkPrefix) + f);
    if (!files.empty()) {
      mark(large_key(large_id));
      request.files = &files;
      request.large_id = large_id;
    }
  }
  if (batch.Count() > 0) request.batch = &batch;
  Lsn lsn;
  try {
    lsn = store_.commit(request);
  } catch (...) {
    for (const std::string& f : files) posix_files().remove(store_.bulk_directory() + "/" + f);
    throw;
  }
  ssi_ = nullptr;
  if (!files.empty()) {
    std::vector<BulkFile> ended;
    for (std::string& f : files) ended.push_back({std::move(f), {}, {}});
    store_.bulk_ended(ended, true);
  }
  if (record.capacity() > (1 << 20)) {
    std::string().swap(record);
    batch = rocksdb::WriteBatch();
    std::vector<size_t>().swap(headers);
  }
  if (!bulk_.empty()) store_.bulk_ended(bulk_, true);
  return logged ? lsn : 0;
}

Lsn TransactionImpl::commit() {
  STELE_CHECK(state_ == State::kActive);
  Lsn lsn = 0;
  try {
    // Hooks may write and add hooks.
    for (size_t i = 0; i < before_commit_.size(); ++i) {
      auto f = before_commit_[i];
      f();
    }
    if (has_writes()) {
      lsn = commit_writes();
    } else if (ssi_ != nullptr) {
      store_.ssi().before_commit(ssi_);
      store_.ssi().committed(ssi_, store_.published_lsn());
      ssi_ = nullptr;
      store_.ssi().published();
    }
  } catch (...) {
    abort();
    throw;
  }
  finish(State::kCommitted);
  for (auto& f : on_published_) f(lsn);
  return lsn;
}

void TransactionImpl::abort() {
  if (state_ != State::kActive) return;
  state_ = State::kAborted;
  for (size_t i = on_abort_.size(); i-- > 0;) on_abort_[i]();
  discard_bulk(0);
  if (ssi_ != nullptr) store_.ssi().aborted(ssi_);
  finish(State::kAborted);
}

// Writes sorted files; each is ingested as soon as it is whole, under keys that nobody else can know. From the second
// block on a thread of its own compresses and writes while the caller goes on.
class BulkWriterImpl final : public BulkWriter {
 public:
  explicit BulkWriterImpl(TransactionImpl& txn) : txn_(txn), store_(txn.impl()) {
    store_le(header_, std::max<Lsn>(store_.published_lsn(), 1));
  }
  ~BulkWriterImpl() override {
    end_thread();
    if (writer_) {
      writer_.reset();
      posix_files().remove(path());
    }
    join_files();   // ingested ones are the transaction's to undo
  }

  void add(std::string_view key, std::string_view value) override {
    if (key[0] == keyspace_byte::kTemp) return txn_.put(key, value);   // another family, and never logged
    put_le<uint32_t>(block_, static_cast<uint32_t>(key.size()));
    put_le<uint32_t>(block_, static_cast<uint32_t>(value.size()));
    block_.append(key).append(header_, sizeof header_).append(value);
    if (block_.size() >= kBlockBytes) hand_over();
  }
  void finish() override {
    if (thread_.joinable()) {
      if (!block_.empty()) hand_over();
      end_thread();
      if (failure_) std::rethrow_exception(failure_);
    } else if (!writer_ && block_.size() < kSmallBytes) {
      // Not worth a file, with its sync: the write set takes it.
      for_each(block_, [&](std::string_view key, std::string_view value) { txn_.put(key, value.substr(kLsnBytes)); });
      block_.clear();
    } else {
      write(block_);
      block_.clear();
    }
    if (writer_) finish_file();
    join_files();
  }

 private:
  static constexpr uint64_t kFileBytes = 128 << 20;
  static constexpr size_t kBlockBytes = 1 << 20, kWaitingBlocks = 4, kSmallBytes = 128 << 10;
  std::string path() const { return store_.bulk_directory() + "/" + name_; }

  void hand_over() {
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return waiting_.size() < kWaitingBlocks || failure_; });
    if (failure_) std::rethrow_exception(failure_);
    waiting_.push_back(std::move(block_));
    lock.unlock();
    work_.notify_one();
    block_.clear();
    block_.reserve(kBlockBytes + (64 << 10));
  }
  void end_thread() {
    if (!thread_.joinable()) return;
    {
      std::lock_guard lock(mutex_);
      ended_ = true;
    }
    work_.notify_one();
    thread_.join();
  }
  void run() {
    for (;;) {
      std::string block;
      {
        std::unique_lock lock(mutex_);
        work_.wait(lock, [&] { return !waiting_.empty() || ended_; });
        if (waiting_.empty()) return;
        block = std::move(waiting_.front());
        waiting_.pop_front();
      }
      room_.notify_one();
      try {
        write(block);
      } catch (...) {
        std::lock_guard lock(mutex_);
        failure_ = std::current_exception();
        waiting_.clear();
        room_.notify_one();
        return;
      }
    }
  }

  // Keys with their values as they are stored.
  template <typename F>
  static void for_each(const std::string& block, F&& f) {
    for (size_t at = 0; at < block.size();) {
      const size_t key_bytes = load_le<uint32_t>(block.data() + at), value_bytes = load_le<uint32_t>(block.data() + at + 4) + kLsnBytes;
      f(std::string_view(block.data() + at + 8, key_bytes), std::string_view(block.data() + at + 8 + key_bytes, value_bytes));
      at += 8 + key_bytes + value_bytes;
    }
  }
  // The thread's from here on, or the caller's while there is none.
  void write(const std::string& block) {
    for_each(block, [&](std::string_view key, std::string_view value) {
      if (!writer_) {
        name_ = store_.new_bulk_name();
        writer_ = std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions(), store_.sst_options());
        check_rocks(writer_->Open(path()), "bulk load");
      }
      check_rocks(writer_->Put(slice(key), slice(value)), "bulk load");
    });
    if (writer_ && writer_->FileSize() > kFileBytes) finish_file();
  }
  void finish_file() {
    rocksdb::ExternalSstFileInfo info;
    check_rocks(writer_->Finish(&info), "bulk load");
    writer_.reset();
    posix_files().sync_directory(store_.bulk_directory());
    store_.ingest(name_);
    files_.push_back({name_, info.smallest_key, info.largest_key});
  }
  void join_files() {
    for (BulkFile& f : files_) txn_.add_bulk_file(std::move(f));
    files_.clear();
  }

  TransactionImpl& txn_;
  StoreImpl& store_;
  char header_[kLsnBytes];
  std::string block_, name_;
  std::unique_ptr<rocksdb::SstFileWriter> writer_;
  std::vector<BulkFile> files_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable work_, room_;
  std::deque<std::string> waiting_;
  std::exception_ptr failure_;
  bool ended_ = false;
};

std::unique_ptr<BulkWriter> TransactionImpl::bulk_writer() {
  before_write({&keyspace_byte::kRow, 1}, false);
  return std::make_unique<BulkWriterImpl>(*this);
}

}  // namespace

std::unique_ptr<Transaction> make_transaction(StoreImpl& store, const TxnOptions& options) {
  return std::make_unique<TransactionImpl>(store, options);
}

}  // namespace stele::storage
