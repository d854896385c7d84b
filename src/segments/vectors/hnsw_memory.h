// Memory of a graph: nodes in chunks that never move, so that readers need no lock while it grows.
// A node of layer 0 is one block: [links][vector], or [code header][codes][links] with the full vectors
// apart; upper layers live apart, one node in m has any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace stele::segments::vectors {

constexpr uint32_t kChunkNodes = 4096;      // nodes a chunk holds
constexpr uint32_t kMaxChunks = 1 << 18;
constexpr int kMaxLevel = 24;
constexpr uint32_t kNoLink = UINT32_MAX;    // ends a list of links that is not full

using Link = std::atomic<uint32_t>;

// What a quantised vector needs beside its codes to give distances back.
struct CodeHeader {
  float scale;
  float norm_squared;
  int32_t sum;          // of the codes
  uint32_t unused;
};

class SpinLock {
 public:
  void lock() {
    while (flag_.exchange(true, std::memory_order_acquire)) {
      while (flag_.load(std::memory_order_relaxed)) std::this_thread::yield();
    }
  }
  void unlock() { flag_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> flag_{false};
};

// Zeroed pages; huge ones are asked for when the size is worth it.
class Pages {
 public:
  Pages() = default;
  // `file` >= 0: a private mapping of that file from `offset` on, read as it is touched.
  Pages(size_t bytes, bool huge, int file = -1, uint64_t offset = 0);
  ~Pages();
  Pages(Pages&& o) noexcept : data_(std::exchange(o.data_, nullptr)), bytes_(std::exchange(o.bytes_, 0)) {}
  Pages& operator=(Pages&& o) noexcept {
    std::swap(data_, o.data_);
    std::swap(bytes_, o.bytes_);
    return *this;
  }
  char* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  char* data_ = nullptr;
  size_t bytes_ = 0;
};

struct NodeChunk {
  Pages nodes;
  Pages full;   // full vectors beside the codes, for rescoring; padded like those in nodes
  std::array<SpinLock, kChunkNodes> locks;
  // Links of the upper layers: m words a level; null for nodes of layer 0 only.
  std::array<std::unique_ptr<Link[]>, kChunkNodes> upper;
  std::array<uint8_t, kChunkNodes> level{};
  std::array<std::atomic<bool>, kChunkNodes> linked{};
};

// Visited marks of one search: a slot is marked when its tag equals the epoch, so that clearing is O(1).
struct VisitedSet {
  std::vector<uint16_t> tags;
  uint16_t epoch = 0;
  void begin(size_t n) {
    if (tags.size() < n) tags.resize(n + n / 4 + 1024, 0);
    if (++epoch == 0) {
      std::fill(tags.begin(), tags.end(), uint16_t{0});
      epoch = 1;
    }
  }
  bool marked(uint32_t slot) const { return slot >= tags.size() || tags[slot] == epoch; }
  // True when the slot was not marked before. Slots added after begin() count as visited.
  bool mark(uint32_t slot) {
    if (slot >= tags.size() || tags[slot] == epoch) return false;
    tags[slot] = epoch;
    return true;
  }
};

// The best `capacity` candidates in ascending order, each expanded at most once: candidate queue and
// result list in one sorted array, which for the usual sizes beats two heaps. A slot's top bit says that it was
// expanded.
class Frontier {
 public:
  void begin(uint32_t capacity) {
    capacity_ = capacity;
    size_ = next_ = 0;
    if (entries_.size() < capacity + size_t{1}) entries_.resize(capacity + size_t{1});
    worst_ = std::numeric_limits<float>::infinity();
  }
  // Room for more; what is in it stays.
  void widen(uint32_t capacity) {
    if (capacity <= capacity_) return;
    capacity_ = capacity;
    if (entries_.size() < capacity + size_t{1}) entries_.resize(capacity + size_t{1});
    worst_ = std::numeric_limits<float>::infinity();
  }
  float worst() const { return worst_; }
  uint32_t size() const { return size_; }
  void offer(float distance, uint32_t slot) {
    if (!(distance < worst_)) return;
    // Branch-free search for the first entry that is farther.
    uint32_t at = 0, n = size_;
    while (n > 1) {
      const uint32_t half = n / 2;
      at += entries_[at + half - 1].distance <= distance ? half : 0;
      n -= half;
    }
    if (n == 1) at += entries_[at].distance <= distance ? 1 : 0;
    const uint32_t end = size_ < capacity_ ? size_ : capacity_ - 1;
    std::memmove(&entries_[at + 1], &entries_[at], (end - at) * sizeof(Entry));
    entries_[at] = {distance, slot};
    size_ = end + 1;
    if (size_ == capacity_) worst_ = entries_[size_ - 1].distance;
    next_ = std::min(next_, at);
  }
  // The nearest candidate not expanded yet; false when there is none.
  bool pop(uint32_t* slot) {
    while (next_ < size_ && (entries_[next_].slot & kExpanded) != 0) ++next_;
    if (next_ >= size_) return false;
    *slot = entries_[next_].slot;
    entries_[next_++].slot |= kExpanded;
    return true;
  }
  // What pop() would give now, if nothing nearer is offered.
  bool peek(uint32_t* slot) const {
    for (uint32_t i = next_; i < size_; ++i) {
      if ((entries_[i].slot & kExpanded) == 0) {
        *slot = entries_[i].slot;
        return true;
      }
    }
    return false;
  }
  template <class F>
  void for_each(const F& f) const {
    for (uint32_t i = 0; i < size_; ++i) f(entries_[i].distance, entries_[i].slot & ~kExpanded);
  }

 private:
  static constexpr uint32_t kExpanded = 1u << 31;
  struct Entry {
    float distance;
    uint32_t slot;
  };
  uint32_t capacity_ = 0, size_ = 0, next_ = 0;
  float worst_ = 0;
  std::vector<Entry> entries_;
};

// What one search needs, kept between searches.
struct Scratch {
  VisitedSet visited;
  Frontier frontier, around;
  std::vector<uint32_t> near, second, found, failed;
};

class ScratchPool {
 public:
  std::unique_ptr<Scratch> take() {
    std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<Scratch>();
    auto s = std::move(free_.back());
    free_.pop_back();
    return s;
  }
  void give(std::unique_ptr<Scratch> s) {
    std::lock_guard lock(mutex_);
    free_.push_back(std::move(s));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Scratch>> free_;
};

struct ScratchLease {
  explicit ScratchLease(ScratchPool& p) : pool(p), scratch(p.take()) {}
  ~ScratchLease() { pool.give(std::move(scratch)); }
  Scratch* operator->() const { return scratch.get(); }
  Scratch& operator*() const { return *scratch; }
  ScratchPool& pool;
  std::unique_ptr<Scratch> scratch;
};

}  // namespace stele::segments::vectors
