// Invariants
//  1. Records are written to files in lsn order, each once; `written_` <= `last_` and
//     `durable_` <= `written_`.
//  2. Whoever holds `io_busy_` is the only one to touch the current file; it takes all pending
//     records, writes them, and syncs if anybody asked. So one sync serves everyone waiting.
//  3. A file is complete and synced before the next one is created; only the last file can be torn.
//  4. After a failed write or sync nothing is ever reported durable again.
//  5. The next file is written with zeros beside the commits, as spare.<n>, and gets its name when it takes its header: a
//     sync of the log changes no file's length, so it need not wait for the file system's journal. A spare whose header
//     names the record after the last one is the newest file, whether its new name was durable or not; others hold nothing.
//     The directory is synced before there is another spare.
//
// On disk: file header (magic, version, first lsn, checksum), then records:
//   u32 payload size | u32 checksum | u64 lsn | u64 durable lsn when written | payload
// The checksum covers the other header fields and the payload. A zero header ends a file (space
// written ahead). The durable lsn tells damage from a torn tail: a record that some later record
// calls durable must be readable.
#include "storage/log.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/logging.h"

namespace stele::storage {

namespace {

constexpr uint64_t kMagic = 0x676f6c656c657473ull;  // "stelelog"
constexpr uint32_t kVersion = 1;
constexpr size_t kFileHeader = 24;
constexpr size_t kRecordHeader = 24;
constexpr size_t kReadChunk = 256 << 10;
constexpr size_t kPendingLimit = 8 << 20;  // beyond it append() writes itself
constexpr size_t kSmallBatch = 256 << 10;
constexpr uint64_t kPreallocate = 4 << 20;
constexpr uint64_t kSparePortion = 4 << 20;
constexpr auto kIdleSync = std::chrono::milliseconds(200);

std::string file_header(Lsn first) {
  std::string h;
  put_le<uint64_t>(h, kMagic);
  put_le<uint32_t>(h, kVersion);
  put_le<uint64_t>(h, first);
  put_le<uint32_t>(h, checksum32(h));
  return h;
}

uint32_t record_checksum(uint32_t size, Lsn lsn, Lsn durable, std::string_view payload) {
  char head[20];
  store_le(head, size);
  store_le(head + 4, lsn);
  store_le(head + 12, durable);
  return checksum32({head, sizeof head}, payload);
}

struct FileInfo {
  Lsn first;
  std::string path;
  uint64_t bytes;  // valid bytes
};

// Reads the records of one file in chunks.
class FileReader {
 public:
  enum class Outcome { kRecord, kEnd, kDamaged };
  FileReader(std::unique_ptr<ReadableFile> file, const std::string& path)
      : file_(std::move(file)), path_(path) {}

  // Checks the header; false when it is torn.
  bool open(Lsn expected_first) {
    char h[kFileHeader];
    if (file_->read(0, sizeof h, h) < sizeof h) return false;
    if (load_le<uint64_t>(h) != kMagic || load_le<uint32_t>(h + 20) != checksum32({h, 20})) return false;
    if (load_le<uint32_t>(h + 8) != kVersion) {
      throw Error(ErrorCode::kFeatureNotSupported,
                  fmt::format("log file \"{}\" has version {}, this server reads version {}", path_,
                              load_le<uint32_t>(h + 8), kVersion));
    }
    if (load_le<uint64_t>(h + 12) != expected_first) {
      throw Error(ErrorCode::kDataCorrupted, fmt::format("log file \"{}\" does not start where its name says", path_));
    }
    position_ = kFileHeader;
    next_ = expected_first;
    return true;
  }

  Outcome read(Lsn* lsn, Lsn* durable, std::string_view* payload) {
    if (!fill(kRecordHeader)) return rest_is_zero() ? Outcome::kEnd : Outcome::kDamaged;
    const char* h = at();
    uint32_t size = load_le<uint32_t>(h);
    uint32_t sum = load_le<uint32_t>(h + 4);
    *lsn = load_le<uint64_t>(h + 8);
    *durable = load_le<uint64_t>(h + 16);
    if (size == 0 && sum == 0 && *lsn == 0) return Outcome::kEnd;
    if (*lsn != next_ || !fill(kRecordHeader + size)) return Outcome::kDamaged;
    *payload = {at() + kRecordHeader, size};
    if (record_checksum(size, *lsn, *durable, *payload) != sum) return Outcome::kDamaged;
    position_ += kRecordHeader + size;
    ++next_;
    return Outcome::kRecord;
  }

  uint64_t position() const { return position_; }
  Lsn next() const { return next_; }

  // Forgets what was read ahead: the file may have grown.
  void refresh() { buffer_.clear(); }

  // Whether some whole record after the damage calls `lsn` durable. Only used when something is wrong.
  bool later_record_calls_durable(Lsn lsn) {
    std::string all(file_->size() - std::min(file_->size(), position_), '\0');
    all.resize(file_->read(position_, all.size(), all.data()));
    for (size_t i = 1; i + kRecordHeader <= all.size(); ++i) {
      const char* h = all.data() + i;
      uint32_t size = load_le<uint32_t>(h);
      Lsn l = load_le<uint64_t>(h + 8), d = load_le<uint64_t>(h + 16);
      if (l <= lsn || l > lsn + (1u << 30) || d < lsn || d >= l) continue;
      if (size > all.size() - i - kRecordHeader) continue;
      if (record_checksum(size, l, d, {h + kRecordHeader, size}) == load_le<uint32_t>(h + 4)) return true;
    }
    return false;
  }

 private:
  const char* at() const { return buffer_.data() + (position_ - buffer_at_); }
  bool fill(size_t n) {
    if (position_ >= buffer_at_ && position_ + n <= buffer_at_ + buffer_.size()) return true;
    buffer_at_ = position_;
    buffer_.resize(std::max(n, kReadChunk));
    // A size field that is garbage must not make us allocate more than the file holds.
    if (n > kReadChunk && position_ + n > file_->size()) {
      buffer_.clear();
      return false;
    }
    buffer_.resize(file_->read(position_, buffer_.size(), buffer_.data()));
    return buffer_.size() >= n;
  }
  bool rest_is_zero() const {
    for (size_t i = position_ - buffer_at_; i < buffer_.size(); ++i) {
      if (buffer_[i] != 0) return false;
    }
    return true;
  }

  std::unique_ptr<ReadableFile> file_;
  std::string path_;
  std::string buffer_;
  uint64_t buffer_at_ = 0;
  uint64_t position_ = 0;
  Lsn next_ = 0;
};

class LogImpl final : public Log {
 public:
  explicit LogImpl(const Options& o) : options_(o), files_(o.files ? *o.files : posix_files()) {}
  ~LogImpl() override;
  void start();

  void append(Lsn lsn, std::string_view payload) override;
  void sync(Lsn lsn) override;
  void request_sync(Lsn lsn) override;
  Lsn durable_lsn() const override { return durable_.load(std::memory_order_acquire); }
  Lsn last_lsn() const override { return last_.load(std::memory_order_acquire); }
  Lsn first_lsn() const override {
    std::lock_guard lock(mutex_);
    return segments_.front().first;
  }
  void on_durable(std::function<void(Lsn)> callback) override {
    std::lock_guard lock(mutex_);
    callbacks_.push_back(std::move(callback));
  }
  std::unique_ptr<LogCursor> read_from(Lsn from) override;
  void retain(const std::string& consumer, Lsn lsn) override;
  void forget(const std::string& consumer) override;
  uint64_t bytes_appended() const override { return bytes_appended_.load(std::memory_order_relaxed); }
  uint64_t sync_count() const override { return sync_count_.load(std::memory_order_relaxed); }
  uint64_t longest_sync_us() const override { return longest_sync_us_.load(std::memory_order_relaxed); }

 private:
  friend class Cursor;
  std::string path_of(Lsn first) const { return fmt::format("{}/{:016x}.log", options_.directory, first); }
  void create_file(Lsn first);
  struct Spare {
    std::unique_ptr<WritableFile> file;
    std::string path;
    uint64_t bytes = 0;
  };
  void take_spare(Lsn first, Spare& spare);
  void keeper_loop();  // makes spares
  // Writes everything pending and syncs if wanted. Called with the lock held and io_busy_ set by the
  // caller; drops the lock during I/O.
  void flush(std::unique_lock<std::mutex>& lock, bool want_sync);
  void write_through(Lsn lsn);  // until written_ >= lsn
  void writer_loop();
  void remove_old_files();  // lock held
  void remove_doomed(std::unique_lock<std::mutex>& lock);
  void check_failed_state() const {
    if (failed_) throw Error(ErrorCode::kIoError, "the log failed earlier: " + failure_);
  }
  void fail(const std::string& why);
  // Path and first lsn of the file that holds `lsn`; throws snapshot_too_old.
  FileInfo file_of(Lsn lsn) const;

  Options options_;
  Files& files_;

  mutable std::mutex mutex_;
  std::condition_variable io_done_;   // io_busy_ cleared, durable_ or written_ advanced
  std::condition_variable work_;      // wakes the writer thread
  std::string pending_;               // encoded records (written_, last_]
  struct Boundary {
    Lsn first;
    size_t offset;  // in pending_
    Spare spare;    // may be empty
  };
  std::vector<Boundary> boundaries_;  // where a new file starts
  Spare spare_;
  bool spare_wanted_ = false;
  uint64_t spare_number_ = 0;      // of the keeper
  uint64_t newest_capacity_ = 0;   // written ahead in the file that takes the next record
  std::condition_variable keeper_work_;
  bool io_busy_ = false;
  bool stop_ = false;
  bool failed_ = false;
  std::string failure_;
  std::deque<FileInfo> segments_;
  std::vector<std::string> doomed_;  // files no longer listed, to be removed by the writer thread
  uint64_t segment_fill_ = 0;  // bytes of the newest file once pending_ is written
  std::map<std::string, Lsn> consumers_;
  std::vector<std::function<void(Lsn)>> callbacks_;
  Lsn wanted_ = 0;  // syncs asked for by request_sync
  Lsn written_ = 0;

  std::unique_ptr<WritableFile> file_;  // owned by whoever holds io_busy_
  uint64_t allocated_ = 0;

  std::atomic<Lsn> durable_{0}, last_{0};
  std::atomic<uint64_t> bytes_appended_{0}, sync_count_{0}, longest_sync_us_{0};
  std::thread writer_, keeper_;
};

class Cursor final : public LogCursor {
 public:
  Cursor(LogImpl& log, Lsn from) : log_(log), next_(from) {}

  bool next(Lsn* lsn, std::string_view* payload) override {
    if (next_ > log_.last_lsn()) return false;
    log_.write_through(next_);
    for (int attempt = reader_ ? 0 : 1;; ++attempt) {
      if (attempt == 1) reader_ ? reader_->refresh() : open();
      if (attempt == 2) open();
      Lsn durable;
      auto outcome = FileReader::Outcome::kEnd;
      do {
        outcome = reader_->read(lsn, &durable, payload);
      } while (outcome == FileReader::Outcome::kRecord && *lsn < next_);
      if (outcome == FileReader::Outcome::kRecord) {
        ++next_;
        return true;
      }
      // A buffer read before the record was written, or the end of this file.
      if (attempt == 2) {
        throw Error(ErrorCode::kDataCorrupted, fmt::format("log record {} cannot be read", next_));
      }
    }
  }

 private:
  void open() {
    FileInfo info = log_.file_of(next_);
    if (!log_.files_.exists(info.path)) {
      throw Error(ErrorCode::kSnapshotTooOld, fmt::format("log record {} is no longer kept", next_));
    }
    reader_ = std::make_unique<FileReader>(log_.files_.open(info.path), info.path);
    if (!reader_->open(info.first)) {
      throw Error(ErrorCode::kDataCorrupted, fmt::format("log file \"{}\" has a damaged header", info.path));
    }
  }
  LogImpl& log_;
  Lsn next_;
  std::unique_ptr<FileReader> reader_;
};

void LogImpl::create_file(Lsn first) {
  std::string path = path_of(first);
  file_ = files_.create(path);
  file_->append(file_header(first));
  file_->sync();
  files_.sync_directory(options_.directory);
  allocated_ = 0;
}

void LogImpl::take_spare(Lsn first, Spare& spare) {
  file_ = std::move(spare.file);
  file_->append(file_header(first));
  files_.rename(spare.path, path_of(first));
  allocated_ = spare.bytes;
}

void LogImpl::keeper_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    keeper_work_.wait(lock, [&] { return stop_ || (spare_wanted_ && !failed_); });
    if (stop_) return;
    lock.unlock();
    Spare made;
    made.path = fmt::format("{}/spare.{}", options_.directory, ++spare_number_);
    try {
      files_.sync_directory(options_.directory);  // the last one's new name
      made.file = files_.create(made.path);
      // In portions: a sync of the log shall not queue behind all of it.
      while (made.bytes < options_.segment_bytes) {
        made.bytes = std::min(options_.segment_bytes, made.bytes + kSparePortion);
        made.file->preallocate(made.bytes);
        std::lock_guard check(mutex_);
        if (stop_) break;
      }
      files_.sync_directory(options_.directory);
    } catch (const Error& e) {
      logging::warning("log: no space could be written ahead: {}", e.message());
      made.file = nullptr;
    }
    lock.lock();
    if (made.file && !stop_) spare_ = std::move(made);
    spare_wanted_ = false;
  }
}

void LogImpl::start() {
  files_.make_directories(options_.directory);
  std::vector<Lsn> firsts;
  std::vector<std::string> spares;
  for (const std::string& name : files_.list(options_.directory)) {
    if (name.starts_with("spare.")) spares.push_back(options_.directory + "/" + name);
    if (name.size() != 20 || !name.ends_with(".log")) continue;
    firsts.push_back(std::stoull(name.substr(0, 16), nullptr, 16));
  }
  std::sort(firsts.begin(), firsts.end());

  Lsn last = firsts.empty() ? 0 : firsts.front() - 1;
  for (size_t i = 0; i < firsts.size() || !spares.empty(); ++i) {
    if (i == firsts.size()) {
      // A spare that took records and whose new name was lost.
      std::string path = spares.back();
      spares.pop_back();
      bool taken = false;
      try {
        taken = FileReader(files_.open(path), path).open(last + 1);
      } catch (const Error&) {
        // It holds records that are elsewhere by now.
      }
      if (taken && !firsts.empty() && firsts.back() != last + 1) {
        files_.rename(path, path_of(last + 1));
        files_.sync_directory(options_.directory);
        firsts.push_back(last + 1);
      } else {
        files_.remove(path);
      }
      --i;
      continue;
    }
    bool newest = i + 1 == firsts.size();
    std::string path = path_of(firsts[i]);
    if (firsts[i] != last + 1) {
      throw Error(ErrorCode::kDataCorrupted, fmt::format("log records {} to {} are missing", last + 1, firsts[i] - 1));
    }
    FileReader reader(files_.open(path), path);
    if (!reader.open(firsts[i])) {
      if (!newest) throw Error(ErrorCode::kDataCorrupted, fmt::format("log file \"{}\" has a damaged header", path));
      // The crash came while the file was being made; it holds nothing.
      files_.remove(path);
      files_.sync_directory(options_.directory);
      break;
    }
    Lsn lsn, durable;
    std::string_view payload;
    FileReader::Outcome outcome;
    while ((outcome = reader.read(&lsn, &durable, &payload)) == FileReader::Outcome::kRecord) last = lsn;
    if (outcome == FileReader::Outcome::kDamaged &&
        (!newest || reader.later_record_calls_durable(reader.next()))) {
      throw Error(ErrorCode::kDataCorrupted,
                  fmt::format("log file \"{}\" is damaged at record {}", path, reader.next()));
    }
    segments_.push_back({firsts[i], path, reader.position()});
  }
  for (const std::string& path : spares) files_.remove(path);
  // What was read may still be in the system's cache only; the sync below makes it durable.
  if (segments_.empty()) {
    create_file(last + 1);
    segments_.push_back({last + 1, path_of(last + 1), kFileHeader});
  } else {
    files_.truncate(segments_.back().path, segments_.back().bytes);
    file_ = files_.open_append(segments_.back().path);
    file_->sync();
    files_.sync_directory(options_.directory);
  }
  segment_fill_ = segments_.back().bytes;
  newest_capacity_ = std::min(options_.segment_bytes, kPreallocate);
  last_ = written_ = last;
  durable_ = last;
  writer_ = std::thread([this] { writer_loop(); });
  if (options_.preallocate) keeper_ = std::thread([this] { keeper_loop(); });
}

LogImpl::~LogImpl() {
  {
    std::unique_lock lock(mutex_);
    stop_ = true;
    work_.notify_all();
    keeper_work_.notify_all();
  }
  if (keeper_.joinable()) keeper_.join();
  if (spare_.file) {
    try {
      files_.remove(spare_.path);
    } catch (const Error&) {
      // The next start removes it.
    }
  }
  if (!writer_.joinable()) return;  // start() threw
  writer_.join();
  std::unique_lock lock(mutex_);
  if (!failed_ && !pending_.empty()) {
    io_done_.wait(lock, [&] { return !io_busy_; });
    io_busy_ = true;
    try {
      flush(lock, true);
    } catch (const Error&) {
    }
  }
}

void LogImpl::append(Lsn lsn, std::string_view payload) {
  std::unique_lock lock(mutex_);
  check_failed_state();
  STELE_CHECK(lsn == last_.load(std::memory_order_relaxed) + 1);
  uint64_t bytes = kRecordHeader + payload.size();
  STELE_CHECK(payload.size() < (uint64_t{1} << 32) - 1);
  bool full = segment_fill_ + bytes > options_.segment_bytes || (spare_.file && segment_fill_ + bytes > newest_capacity_);
  if (segment_fill_ > kFileHeader && full) {
    boundaries_.push_back({lsn, pending_.size(), std::move(spare_)});
    spare_ = Spare();
    newest_capacity_ = boundaries_.back().spare.file ? boundaries_.back().spare.bytes : std::min(options_.segment_bytes, kPreallocate);
    segment_fill_ = kFileHeader;
  }
  segment_fill_ += bytes;
  if (!spare_.file && !spare_wanted_ && keeper_.joinable() && segment_fill_ > newest_capacity_ / 2) {
    spare_wanted_ = true;
    keeper_work_.notify_one();
  }
  char head[kRecordHeader];
  auto size = static_cast<uint32_t>(payload.size());
  Lsn durable = durable_.load(std::memory_order_relaxed);
  store_le(head, size);
  store_le(head + 4, record_checksum(size, lsn, durable, payload));
  store_le(head + 8, lsn);
  store_le(head + 16, durable);
  pending_.append(head, sizeof head);
  pending_.append(payload);
  last_.store(lsn, std::memory_order_release);
  bytes_appended_.fetch_add(bytes, std::memory_order_relaxed);
  if (pending_.size() > kPendingLimit && !io_busy_) {
    io_busy_ = true;
    flush(lock, false);
  }
}

void LogImpl::fail(const std::string& why) {
  failed_ = true;
  failure_ = why;
  io_busy_ = false;
  io_done_.notify_all();
  if (!options_.on_failure) logging::die("the log cannot be written: " + why);
}

void LogImpl::flush(std::unique_lock<std::mutex>& lock, bool want_sync) {
  std::string batch;
  batch.swap(pending_);
  auto boundaries = std::move(boundaries_);
  boundaries_.clear();
  Lsn last = last_.load(std::memory_order_relaxed);
  lock.unlock();

  std::vector<FileInfo> made;
  uint64_t sync_us = 0;
  bool synced = false;
  try {
    size_t done = 0;
    for (auto& [first, offset, spare] : boundaries) {
      file_->append(std::string_view(batch).substr(done, offset - done));
      done = offset;
      file_->sync();
      if (spare.file) take_spare(first, spare);
      else create_file(first);
      made.push_back({first, path_of(first), 0});
    }
    std::string_view rest = std::string_view(batch).substr(done);
    // Worth it for small synced batches only; bulk appends amortise the growth themselves.
    if (options_.preallocate && want_sync && rest.size() < kSmallBatch &&
        file_->size() + rest.size() > allocated_) {
      allocated_ = std::min(options_.segment_bytes, file_->size() + rest.size() + kPreallocate);
      file_->preallocate(allocated_);
    }
    if (!rest.empty()) file_->append(rest);
    if (want_sync) {
      int64_t start = system_clock().monotonic_us();
      file_->sync();
      sync_us = static_cast<uint64_t>(system_clock().monotonic_us() - start);
      synced = true;
    }
  } catch (const Error& e) {
    lock.lock();
    fail(e.message());
    std::string why = failure_;
    lock.unlock();
    options_.on_failure(why);
    lock.lock();
    throw;
  }

  lock.lock();
  for (auto& info : made) segments_.push_back(info);
  written_ = std::max(written_, last);
  // Reuses the buffer's memory while it is of ordinary size.
  if (pending_.empty() && batch.capacity() <= (1 << 20)) {
    batch.clear();
    pending_.swap(batch);
  }
  io_busy_ = false;
  std::vector<std::function<void(Lsn)>> callbacks;
  if (synced) {
    durable_.store(last, std::memory_order_release);
    sync_count_.fetch_add(1, std::memory_order_relaxed);
    if (sync_us > longest_sync_us_) longest_sync_us_ = sync_us;
    callbacks = callbacks_;
  }
  if (!made.empty()) remove_old_files();
  io_done_.notify_all();
  if (!callbacks.empty()) {
    lock.unlock();
    for (auto& f : callbacks) f(last);
    lock.lock();
  }
}

void LogImpl::sync(Lsn lsn) {
  if (durable_lsn() >= lsn) return;
  std::unique_lock lock(mutex_);
  STELE_CHECK(lsn <= last_.load(std::memory_order_relaxed));
  while (durable_.load(std::memory_order_relaxed) < lsn) {
    check_failed_state();
    if (io_busy_) {
      io_done_.wait(lock);
      continue;
    }
    io_busy_ = true;
    flush(lock, true);
  }
}

void LogImpl::write_through(Lsn lsn) {
  std::unique_lock lock(mutex_);
  while (written_ < lsn) {
    check_failed_state();
    if (io_busy_) {
      io_done_.wait(lock);
      continue;
    }
    io_busy_ = true;
    flush(lock, false);
  }
}

void LogImpl::request_sync(Lsn lsn) {
  if (durable_lsn() >= lsn) return;
  std::lock_guard lock(mutex_);
  if (lsn <= wanted_) return;
  wanted_ = lsn;
  work_.notify_one();
}

void LogImpl::writer_loop() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    bool asked = work_.wait_for(lock, kIdleSync, [&] {
      return stop_ || !doomed_.empty() || (!failed_ && wanted_ > durable_.load(std::memory_order_relaxed));
    });
    if (stop_) break;
    if (!doomed_.empty()) {
      remove_doomed(lock);
      continue;
    }
    if (failed_) continue;
    // Unasked, so that what nobody waits for is durable soon all the same.
    if (!asked && durable_.load(std::memory_order_relaxed) == last_.load(std::memory_order_relaxed)) continue;
    if (io_busy_) {
      io_done_.wait(lock, [&] { return !io_busy_; });
      continue;
    }
    io_busy_ = true;
    try {
      flush(lock, true);
    } catch (const Error& e) {
      logging::error("log writer: {}", e.message());
    }
  }
}

FileInfo LogImpl::file_of(Lsn lsn) const {
  std::lock_guard lock(mutex_);
  for (auto it = segments_.rbegin(); it != segments_.rend(); ++it) {
    if (it->first <= lsn) return *it;
  }
  throw Error(ErrorCode::kSnapshotTooOld, fmt::format("log record {} is no longer kept", lsn));
}

std::unique_ptr<LogCursor> LogImpl::read_from(Lsn from) {
  if (from < first_lsn()) {
    throw Error(ErrorCode::kSnapshotTooOld,
                fmt::format("log record {} is no longer kept; the oldest is {}", from, first_lsn()));
  }
  return std::make_unique<Cursor>(*this, from);
}

void LogImpl::retain(const std::string& consumer, Lsn lsn) {
  std::lock_guard lock(mutex_);
  consumers_[consumer] = lsn;
  remove_old_files();
}

void LogImpl::forget(const std::string& consumer) {
  std::lock_guard lock(mutex_);
  consumers_.erase(consumer);
  remove_old_files();
}

void LogImpl::remove_old_files() {
  // Without the store's own consumer nothing has recovered yet, and nothing may go.
  if (!consumers_.contains("rocksdb")) return;
  auto needed = [&] {
    Lsn min = UINT64_MAX;
    for (auto& [name, lsn] : consumers_) min = std::min(min, lsn);
    return min;
  };
  // One consumer at a time: the next roll looks again.
  if (segments_.size() * options_.segment_bytes > options_.retain_cap_bytes && consumers_.size() > 1) {
    auto slowest = consumers_.end();
    for (auto it = consumers_.begin(); it != consumers_.end(); ++it) {
      if (it->first == "rocksdb") continue;
      if (slowest == consumers_.end() || it->second < slowest->second) slowest = it;
    }
    if (slowest->second < consumers_["rocksdb"]) {
      logging::warning("log consumer {} is too far behind (at {}) and was dropped", slowest->first,
                       slowest->second);
      consumers_.erase(slowest);
    }
  }
  Lsn min = needed();
  // A file may go when the one after it starts at or below the first record still needed.
  while (segments_.size() > 1 && segments_[1].first <= min + 1) {
    doomed_.push_back(segments_.front().path);
    segments_.pop_front();
  }
  if (!doomed_.empty()) work_.notify_one();
}

void LogImpl::remove_doomed(std::unique_lock<std::mutex>& lock) {
  std::vector<std::string> doomed;
  doomed.swap(doomed_);
  lock.unlock();
  for (const std::string& path : doomed) {
    try {
      files_.remove(path);
      // One by one, oldest first: a crash must not leave a gap.
      files_.sync_directory(options_.directory);
    } catch (const Error& e) {
      logging::warning("log: {}", e.message());
      break;
    }
  }
  lock.lock();
}

}  // namespace

std::unique_ptr<Log> Log::open(const Options& options) {
  auto log = std::make_unique<LogImpl>(options);
  log->start();
  return log;
}

}  // namespace stele::storage
