#include "base/faulty_files.h"

#include "base/error.h"

namespace stele {

namespace {
std::string parent(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}
}  // namespace

class FaultyWritable final : public WritableFile {
 public:
  FaultyWritable(FaultyFiles& files, std::string path, std::unique_ptr<WritableFile> base)
      : files_(files), path_(std::move(path)), base_(std::move(base)), generation_(files.generation_) {}

  void append(std::string_view bytes) override {
    std::lock_guard lock(files_.mutex_);
    alive();
    files_.operation("append");
    base_->append(bytes);
    files_.files_[files_.now_at(path_)].size = base_->size();
  }
  void sync() override {
    std::lock_guard lock(files_.mutex_);
    alive();
    files_.operation("sync");
    auto& st = files_.files_[files_.now_at(path_)];
    st.synced = st.size;
  }
  uint64_t size() const override { return base_->size(); }

 private:
  void alive() const {
    if (generation_ != files_.generation_) {
      throw Error(ErrorCode::kIoError, fmt::format("file \"{}\" is gone: power was lost", path_));
    }
  }
  FaultyFiles& files_;
  std::string path_;
  std::unique_ptr<WritableFile> base_;
  uint64_t generation_;
};

FaultyFiles::FaultyFiles(uint64_t seed, Files& base) : base_(base), random_(seed) {}
FaultyFiles::~FaultyFiles() = default;

void FaultyFiles::operation(const std::string& what) {
  if (operations_++ >= fail_at_) {
    throw Error(ErrorCode::kIoError, fmt::format("injected failure of {} (operation {})", what, operations_));
  }
}

void FaultyFiles::fail_after(uint64_t operations) {
  std::lock_guard lock(mutex_);
  fail_at_ = operations_ + operations;
}

void FaultyFiles::heal() {
  std::lock_guard lock(mutex_);
  fail_at_ = UINT64_MAX;
}

uint64_t FaultyFiles::operations() const {
  std::lock_guard lock(mutex_);
  return operations_;
}

void FaultyFiles::power_loss() {
  std::lock_guard lock(mutex_);
  ++generation_;
  fail_at_ = UINT64_MAX;
  for (auto& [path, kept] : removed_) {
    // The removal was not durable: the name comes back unless it has been taken since.
    if (random_.below(2) == 0 && !base_.exists(path)) {
      base_.rename(kept, path);
    } else {
      base_.remove(kept);
    }
  }
  removed_.clear();
  for (auto it = files_.begin(); it != files_.end();) {
    auto& [path, st] = *it;
    if (!base_.exists(path)) {
      it = files_.erase(it);
      continue;
    }
    if (!st.name_durable && random_.below(2) == 0) {
      base_.remove(path);
      it = files_.erase(it);
      continue;
    }
    uint64_t keep = st.synced;
    if (st.size > st.synced) keep += random_.below(st.size - st.synced + 1);
    base_.truncate(path, keep);
    // Of the torn part, the last bytes may be garbage: sectors reach the disk in any order.
    if (keep > st.synced && random_.below(2) == 0) {
      uint64_t from = st.synced + random_.below(keep - st.synced);
      base_.truncate(path, from);
      std::string garbage;
      for (uint64_t i = from; i < keep; ++i) garbage.push_back(static_cast<char>(random_.next()));
      base_.open_append(path)->append(garbage);
    }
    st.synced = st.size = keep;
    st.name_durable = true;
    ++it;
  }
}

std::unique_ptr<WritableFile> FaultyFiles::create(const std::string& path) {
  std::lock_guard lock(mutex_);
  operation("create");
  bool existed = base_.exists(path);
  moved_.erase(path);
  auto base = base_.create(path);
  State& st = files_[path];
  bool durable = existed && st.name_durable;
  st = State{};
  st.name_durable = durable;
  return std::make_unique<FaultyWritable>(*this, path, std::move(base));
}

std::unique_ptr<WritableFile> FaultyFiles::open_append(const std::string& path) {
  std::lock_guard lock(mutex_);
  bool existed = base_.exists(path);
  if (!existed) operation("create");
  auto base = base_.open_append(path);
  if (!files_.contains(path)) {
    State& st = files_[path];
    st.size = st.synced = base->size();
    st.name_durable = existed;
  }
  return std::make_unique<FaultyWritable>(*this, path, std::move(base));
}

std::unique_ptr<ReadableFile> FaultyFiles::open(const std::string& path) {
  std::lock_guard lock(mutex_);
  return base_.open(path);
}

bool FaultyFiles::exists(const std::string& path) { return base_.exists(path); }

void FaultyFiles::remove(const std::string& path) {
  std::lock_guard lock(mutex_);
  operation("remove");
  auto it = files_.find(path);
  if (it != files_.end() && !it->second.name_durable) {
    base_.remove(path);
  } else {
    std::string kept = fmt::format("{}.removed.{}", path, operations_);
    base_.rename(path, kept);
    removed_[path] = kept;
  }
  if (it != files_.end()) files_.erase(it);
}

void FaultyFiles::rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(mutex_);
  operation("rename");
  base_.rename(from, to);
  moved_.erase(to);
  moved_[from] = to;
  auto it = files_.find(from);
  if (it != files_.end()) {
    State st = it->second;
    files_.erase(it);
    // Renames are taken as atomic and, as on journalled file systems, ordered with the data.
    st.name_durable = true;
    files_[to] = st;
  }
}

void FaultyFiles::truncate(const std::string& path, uint64_t size) {
  std::lock_guard lock(mutex_);
  operation("truncate");
  base_.truncate(path, size);
  auto it = files_.find(path);
  if (it != files_.end()) {
    it->second.size = size;
    it->second.synced = std::min(it->second.synced, size);
  }
}

std::vector<std::string> FaultyFiles::list(const std::string& directory) {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names = base_.list(directory);
  std::erase_if(names, [](const std::string& n) { return n.find(".removed.") != std::string::npos; });
  return names;
}

void FaultyFiles::make_directories(const std::string& path) { base_.make_directories(path); }

void FaultyFiles::sync_directory(const std::string& path) {
  std::lock_guard lock(mutex_);
  operation("sync directory");
  for (auto& [name, st] : files_) {
    if (parent(name) == path) st.name_durable = true;
  }
  for (auto it = removed_.begin(); it != removed_.end();) {
    if (parent(it->first) == path) {
      base_.remove(it->second);
      it = removed_.erase(it);
    } else {
      ++it;
    }
  }
}

}  // namespace stele
