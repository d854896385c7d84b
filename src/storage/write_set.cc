#include "storage/write_set.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace stele::storage {

namespace {
constexpr size_t kLeastMap = 1 << 20, kLargestMap = 64 << 20;
}

SpillArena::~SpillArena() {
  for (auto [p, size] : maps_) ::munmap(p, size);
}

char* SpillArena::allocate(size_t bytes) {
  used_ += bytes;
  if (used_ <= budget_) return memory_.allocate(bytes);
  bytes = (bytes + 7) & ~size_t{7};
  if (bytes > static_cast<size_t>(end_ - next_)) return allocate_mapped(bytes);
  char* p = next_;
  next_ += bytes;
  return p;
}

std::string_view SpillArena::copy(std::string_view s) {
  char* p = allocate(s.size());
  if (!s.empty()) std::memcpy(p, s.data(), s.size());
  return {p, s.size()};
}

char* SpillArena::allocate_mapped(size_t bytes) {
  size_t size = std::max(std::clamp(budget_ / 4, kLeastMap, kLargestMap), (bytes + 4095) & ~size_t{4095});
  int fd = ::open(directory_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) {
    std::string name = directory_ + "/spill.XXXXXX";
    fd = ::mkstemp(name.data());
    if (fd >= 0) ::unlink(name.c_str());
  }
  // Space is taken now: running out of it later would be a signal, not an error.
  int e = fd < 0 ? errno : ::posix_fallocate(fd, 0, static_cast<off_t>(size));
  void* p = e == 0 ? ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
  if (e == 0 && p == MAP_FAILED) e = errno;
  if (fd >= 0) ::close(fd);
  if (p == MAP_FAILED) {
    throw Error(e == ENOSPC ? ErrorCode::kDiskFull : ErrorCode::kIoError,
                fmt::format("could not spill a transaction's writes to \"{}\": {}", directory_, std::strerror(e)));
  }
  maps_.emplace_back(static_cast<char*>(p), size);
  mapped_bytes_ += size;
  next_ = static_cast<char*>(p) + bytes;
  end_ = static_cast<char*>(p) + size;
  return static_cast<char*>(p);
}

WriteSet::WriteSet(size_t budget, std::string directory) : arena_(budget, std::move(directory)) {
  head_ = new (head_storage_) Node{};  // zero links follow
  tail_ = head_;
  for (Node*& t : tails_) t = head_;
}

WriteSet::Node* WriteSet::make_node(std::string_view key, int height) {
  char* p = arena_.allocate(sizeof(Node) + sizeof(Node*) * static_cast<size_t>(height - 1));
  Node* n = reinterpret_cast<Node*>(p);
  n->key = key.empty() ? std::string_view() : arena_.copy(key);
  n->newest = nullptr;
  n->previous = nullptr;
  for (int i = 0; i < height; ++i) n->next[i] = nullptr;
  return n;
}

const WriteSet::Node* WriteSet::find_less(std::string_view key, Node** path) const {
  Node* at = head_;
  for (int level = height_ - 1; level >= 0; --level) {
    while (at->next[level] != nullptr && at->next[level]->key < key) at = at->next[level];
    if (path != nullptr) path[level] = at;
  }
  return at;
}

WriteSet::Node* WriteSet::find_or_insert(std::string_view key) {
  Node* path[kMaxHeight];
  if (tail_ != head_ && tail_->key < key) {
    std::copy(tails_, tails_ + height_, path);
  } else {
    find_less(key, path);
    Node* found = path[0]->next[0];
    if (found != nullptr && found->key == key) return found;
  }
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  int height = 1;
  for (uint64_t r = random_; height < kMaxHeight && (r & 3) == 0; r >>= 2) ++height;
  for (; height_ < height; ++height_) path[height_] = head_;
  Node* n = make_node(key, height);
  for (int i = 0; i < height; ++i) {
    n->next[i] = path[i]->next[i];
    path[i]->next[i] = n;
    if (n->next[i] == nullptr) tails_[i] = n;
  }
  n->previous = path[0] == head_ ? nullptr : path[0];
  if (n->next[0] != nullptr) {
    n->next[0]->previous = n;
  } else {
    tail_ = n;
  }
  return n;
}

void WriteSet::push(std::string_view key, std::string_view value, bool erased, uint32_t command) {
  Node* n = find_or_insert(key);
  auto* v = reinterpret_cast<Version*>(arena_.allocate(sizeof(Version)));
  v->value = value.empty() ? std::string_view() : arena_.copy(value);
  v->older = n->newest;
  v->sequence = ++sequence_;
  v->command = command;
  v->erased = erased;
  n->newest = v;
  undo_.push_back(n);
}

void WriteSet::erase_range(std::string_view lower, std::string_view upper, uint32_t command) {
  ranges_.push_back({std::string(lower), std::string(upper), ++sequence_, command});
}

const WriteSet::Version* WriteSet::visible(const Node* node, const View& view) const {
  const Version* v = node->newest;
  while (v != nullptr && (v->sequence > view.sequence || (v->command >= view.command && view.command != UINT32_MAX))) {
    v = v->older;
  }
  return v;
}

bool WriteSet::range_erased(std::string_view key, const View& view, uint64_t sequence) const {
  for (const RangeErase& r : ranges_) {
    if (r.sequence > sequence && r.sequence <= view.sequence && (r.command < view.command || view.command == UINT32_MAX) &&
        key >= r.lower && key < r.upper) {
      return true;
    }
  }
  return false;
}

WriteSet::Found WriteSet::get(std::string_view key, const View& view, std::string_view* value) const {
  const Node* n = find_less(key, nullptr)->next[0];
  const Version* v = n != nullptr && n->key == key ? visible(n, view) : nullptr;
  if (!ranges_.empty() && range_erased(key, view, v != nullptr ? v->sequence : 0)) return Found::kErased;
  if (v == nullptr) return Found::kNothing;
  if (v->erased) return Found::kErased;
  *value = v->value;
  return Found::kValue;
}

bool WriteSet::touches(std::string_view key) const {
  const Node* n = find_less(key, nullptr)->next[0];
  if (n != nullptr && n->key == key && n->newest != nullptr) return true;
  return !ranges_.empty() && range_erased(key, View{});
}

void WriteSet::rollback_to(uint64_t sequence) {
  while (!undo_.empty() && undo_.back()->newest->sequence > sequence) {
    undo_.back()->newest = undo_.back()->newest->older;
    undo_.pop_back();
  }
  while (!ranges_.empty() && ranges_.back().sequence > sequence) ranges_.pop_back();
}

const WriteSet::Node* WriteSet::lower_bound(std::string_view key) const { return find_less(key, nullptr)->next[0]; }

const WriteSet::Node* WriteSet::before(std::string_view key) const {
  const Node* n = find_less(key, nullptr);
  return n == head_ ? nullptr : n;
}

const WriteSet::Node* WriteSet::at_or_before(std::string_view key) const {
  const Node* n = find_less(key, nullptr);
  if (n->next[0] != nullptr && n->next[0]->key == key) return n->next[0];
  return n == head_ ? nullptr : n;
}

}  // namespace stele::storage
