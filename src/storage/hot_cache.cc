#include "storage/hot_cache.h"

#include <cstdlib>

#include "base/hash.h"

namespace stele::storage {

namespace {
constexpr size_t kShardBits = 7;
constexpr size_t kShards = size_t{1} << kShardBits;
constexpr size_t kLargestEntry = 64 << 10;
constexpr size_t kTableShare = 32;  // an entry's share of the slots, which are between 3/8 and 3/4 full

// Held for tens of nanoseconds; yields when the holder was descheduled.
class SpinLock {
 public:
  void lock() {
    int spins = 0;
    while (flag_.exchange(true, std::memory_order_acquire)) {
      while (flag_.load(std::memory_order_relaxed)) {
        if (++spins > 200) {
          std::this_thread::yield();
          spins = 0;
        }
      }
    }
  }
  void unlock() { flag_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> flag_{false};
};
}  // namespace

struct HotCache::Entry {
  Lsn lsn;
  uint32_t key_size;
  uint32_t value_size;
  uint32_t capacity;  // bytes in data
  bool referenced;
  char data[];

  std::string_view key() const { return {data, key_size}; }
  std::string_view value() const { return {data + key_size, value_size}; }
  size_t bytes() const { return sizeof(Entry) + capacity + kTableShare; }
};

struct alignas(64) HotCache::Shard {
  // The hash stands beside the pointer: a probe sequence then stays in one or two cache lines, and only the entry that
  // is meant is touched.
  struct Slot {
    uint64_t hash = 0;
    Entry* entry = nullptr;
  };

  SpinLock lock;
  std::vector<Slot> slots = std::vector<Slot>(64);
  size_t count = 0;
  size_t bytes = 0;
  size_t hand = 0;
  Lsn last_commit = 0;  // youngest commit that touched a key of this shard

  ~Shard() {
    for (Slot& s : slots) std::free(s.entry);
  }
  size_t mask() const { return slots.size() - 1; }
  // The slot of the key, or the empty slot where the search ended.
  size_t find(uint64_t hash, std::string_view key) const {
    size_t i = hash & mask();
    while (slots[i].entry != nullptr && !(slots[i].hash == hash && slots[i].entry->key() == key)) i = (i + 1) & mask();
    return i;
  }
  void erase_slot(size_t i) {
    bytes -= slots[i].entry->bytes();
    std::free(slots[i].entry);
    slots[i].entry = nullptr;
    --count;
    // Close the gap: move back entries whose home lies at or before it.
    for (size_t j = (i + 1) & mask(); slots[j].entry != nullptr; j = (j + 1) & mask()) {
      size_t home = slots[j].hash & mask();
      if (((j - home) & mask()) >= ((j - i) & mask())) {
        slots[i] = slots[j];
        slots[j].entry = nullptr;
        i = j;
      }
    }
  }
  void place(Slot slot) {
    size_t i = slot.hash & mask();
    while (slots[i].entry != nullptr) i = (i + 1) & mask();
    slots[i] = slot;
  }
  void insert(uint64_t hash, Entry* e) {
    if ((count + 1) * 4 > slots.size() * 3) {
      std::vector<Slot> old(slots.size() * 2);
      old.swap(slots);
      for (const Slot& o : old) {
        if (o.entry != nullptr) place(o);
      }
    }
    place({hash, e});
    ++count;
    bytes += e->bytes();
  }
  void evict(size_t budget) {
    while (bytes > budget && count > 0) {
      Entry* e = slots[hand & mask()].entry;
      if (e == nullptr) {
        ++hand;
      } else if (e->referenced) {
        e->referenced = false;
        ++hand;
      } else {
        erase_slot(hand & mask());  // the gap may be filled: look at the slot again
      }
    }
  }
};

HotCache::HotCache(uint64_t budget_bytes)
    : shards_(std::make_unique<Shard[]>(kShards)), shard_budget_(budget_bytes / kShards) {}
HotCache::~HotCache() = default;

HotCache::Shard& HotCache::shard(uint64_t hash) const { return shards_[hash >> (64 - kShardBits)]; }

bool HotCache::in_erased_range(std::string_view key, Lsn lsn) const {
  std::shared_lock lock(ranges_mutex_);
  for (const Range& r : ranges_) {
    if (lsn < r.lsn && key >= r.lower && key < r.upper) return true;
  }
  return false;
}

bool HotCache::get(std::string_view key, Lsn at, std::string* value, Lsn* lsn) const {
  uint64_t h = hash64(key);
  Shard& s = shard(h);
  std::lock_guard lock(s.lock);
  Entry* e = s.slots[s.find(h, key)].entry;
  if (e == nullptr || e->lsn > at) return false;
  if (has_ranges_.load(std::memory_order_acquire) && in_erased_range(key, e->lsn)) return false;
  e->referenced = true;
  if (value != nullptr) value->assign(e->data + e->key_size, e->value_size);
  if (lsn != nullptr) *lsn = e->lsn;
  return true;
}

HotCache::Offered HotCache::offer(std::string_view key, std::string_view value, Lsn lsn, Lsn snapshot) {
  size_t need = key.size() + value.size();
  if (need > kLargestEntry || need + sizeof(Entry) > shard_budget_) return Offered::kRefused;
  const uint64_t h = hash64(key);
  Shard& s = shard(h);
  std::lock_guard lock(s.lock);
  if (s.last_commit > snapshot || range_lsn_.load(std::memory_order_acquire) > snapshot ||
      s.slots[s.find(h, key)].entry != nullptr) {
    return Offered::kRefused;
  }
  // Slack, so that the usual update fits in place.
  size_t capacity = (need + 15) & ~size_t{15};
  auto* e = static_cast<Entry*>(std::malloc(sizeof(Entry) + capacity));
  if (e == nullptr) return Offered::kRefused;
  e->lsn = lsn;
  e->key_size = static_cast<uint32_t>(key.size());
  e->value_size = static_cast<uint32_t>(value.size());
  e->capacity = static_cast<uint32_t>(capacity);
  e->referenced = false;
  std::memcpy(e->data, key.data(), key.size());
  if (!value.empty()) std::memcpy(e->data + key.size(), value.data(), value.size());
  s.insert(h, e);
  if (s.bytes > shard_budget_) s.evict(shard_budget_);
  return s.bytes < shard_budget_ / 4 * 3 ? Offered::kRoomForMore : Offered::kFull;
}

void HotCache::committed_put(std::string_view key, std::string_view value, Lsn lsn) {
  uint64_t h = hash64(key);
  Shard& s = shard(h);
  std::lock_guard lock(s.lock);
  s.last_commit = lsn;
  size_t i = s.find(h, key);
  Entry* e = s.slots[i].entry;
  if (e == nullptr) return;
  size_t need = key.size() + value.size();
  if (need > e->capacity) {
    if (need > kLargestEntry) {
      s.erase_slot(i);
      return;
    }
    size_t capacity = (need + need / 4 + 15) & ~size_t{15};
    auto* bigger = static_cast<Entry*>(std::realloc(e, sizeof(Entry) + capacity));
    if (bigger == nullptr) {
      s.erase_slot(i);
      return;
    }
    s.bytes += capacity - bigger->capacity;
    bigger->capacity = static_cast<uint32_t>(capacity);
    s.slots[i].entry = e = bigger;
  }
  if (!value.empty()) std::memcpy(e->data + e->key_size, value.data(), value.size());
  e->value_size = static_cast<uint32_t>(value.size());
  e->lsn = lsn;
  if (s.bytes > shard_budget_) s.evict(shard_budget_);
}

void HotCache::committed_erase(std::string_view key, Lsn lsn) {
  uint64_t h = hash64(key);
  Shard& s = shard(h);
  std::lock_guard lock(s.lock);
  s.last_commit = lsn;
  size_t i = s.find(h, key);
  if (s.slots[i].entry != nullptr) s.erase_slot(i);
}

void HotCache::committed_erase_range(std::string_view lower, std::string_view upper, Lsn lsn) {
  std::unique_lock lock(ranges_mutex_);
  ranges_.push_back({std::string(lower), std::string(upper), lsn});
  range_lsn_.store(lsn, std::memory_order_release);
  has_ranges_.store(true, std::memory_order_release);
}

void HotCache::sweep() {
  if (!has_ranges_.load(std::memory_order_acquire)) return;
  std::vector<Range> ranges;
  {
    std::shared_lock lock(ranges_mutex_);
    ranges = ranges_;
  }
  for (size_t n = 0; n < kShards; ++n) {
    Shard& s = shards_[n];
    std::lock_guard lock(s.lock);
    for (size_t i = 0; i < s.slots.size();) {
      Entry* e = s.slots[i].entry;
      bool stale = false;
      if (e != nullptr) {
        for (const Range& r : ranges) {
          if (e->lsn < r.lsn && e->key() >= r.lower && e->key() < r.upper) stale = true;
        }
      }
      if (stale) {
        s.erase_slot(i);  // the gap may be filled: look at the slot again
      } else {
        ++i;
      }
    }
  }
  std::unique_lock lock(ranges_mutex_);
  ranges_.erase(ranges_.begin(), ranges_.begin() + static_cast<ptrdiff_t>(ranges.size()));
  has_ranges_.store(!ranges_.empty(), std::memory_order_release);
}

uint64_t HotCache::bytes() const {
  uint64_t n = 0;
  for (size_t i = 0; i < kShards; ++i) {
    std::lock_guard lock(shards_[i].lock);
    n += shards_[i].bytes;
  }
  return n;
}

uint64_t HotCache::entries() const {
  uint64_t n = 0;
  for (size_t i = 0; i < kShards; ++i) {
    std::lock_guard lock(shards_[i].lock);
    n += shards_[i].count;
  }
  return n;
}

}  // namespace stele::storage
