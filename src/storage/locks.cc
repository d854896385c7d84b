// Invariants
//  1. A LockHead exists while it has a holder or a waiter; it is found and changed under the mutex of
//     its shard only.
//  2. A waiter is granted by whoever releases, under that mutex, in queue order; nobody overtakes a
//     waiter whose mode conflicts with his, except an owner who already holds the lock.
//  3. The deadlock search takes all shard mutexes in index order, so it sees one instant.
//  4. An owner's list of acquisitions is changed by the owner's thread only (grants are recorded by the
//     waiter itself when it wakes); its shard mutex guards the map, not the list.
#include "storage/locks.h"

#include "base/clock.h"
#include "base/hash.h"

namespace stele::storage {

namespace {

constexpr uint16_t bit(LockMode m) { return static_cast<uint16_t>(1u << static_cast<unsigned>(m)); }

template <typename... M>
constexpr uint16_t bits(M... m) { return static_cast<uint16_t>((0u | ... | bit(m))); }

using enum LockMode;
// Modes that conflict with each mode: PostgreSQL's tables 13.2 (relations) and 13.3 (rows).
constexpr uint16_t kConflicts[] = {
    0,
    bits(kAccessExclusive),
    bits(kExclusive, kAccessExclusive),
    bits(kShare, kShareRowExclusive, kExclusive, kAccessExclusive),
    bits(kShareUpdateExclusive, kShare, kShareRowExclusive, kExclusive, kAccessExclusive),
    bits(kRowExclusive, kShareUpdateExclusive, kShareRowExclusive, kExclusive, kAccessExclusive),
    bits(kRowExclusive, kShareUpdateExclusive, kShare, kShareRowExclusive, kExclusive, kAccessExclusive),
    bits(kRowShare, kRowExclusive, kShareUpdateExclusive, kShare, kShareRowExclusive, kExclusive, kAccessExclusive),
    bits(kAccessShare, kRowShare, kRowExclusive, kShareUpdateExclusive, kShare, kShareRowExclusive, kExclusive,
         kAccessExclusive),
    bits(kForUpdate, kKeyWrite),
    bits(kForNoKeyUpdate, kForUpdate, kNoKeyWrite, kKeyWrite),
    bits(kForShare, kForNoKeyUpdate, kForUpdate, kNoKeyWrite, kKeyWrite),
    bits(kForKeyShare, kForShare, kForNoKeyUpdate, kForUpdate, kNoKeyWrite, kKeyWrite),
    bits(kForShare, kForNoKeyUpdate, kForUpdate, kNoKeyWrite, kKeyWrite, kAwaitWriter),
    bits(kForKeyShare, kForShare, kForNoKeyUpdate, kForUpdate, kNoKeyWrite, kKeyWrite, kAwaitWriter),
    bits(kNoKeyWrite, kKeyWrite),
};
constexpr size_t kModes = std::size(kConflicts);
constexpr uint16_t conflicts_of(LockMode m) { return kConflicts[static_cast<size_t>(m)]; }

// A row lock that is held covers every other one whose conflicts are among its own.
bool covered(uint16_t held, LockMode mode) {
  for (size_t m = static_cast<size_t>(kForKeyShare); m < kModes; ++m) {
    if ((held >> m & 1) != 0 && (conflicts_of(mode) & ~kConflicts[m]) == 0) return true;
  }
  return false;
}

bool is_row_mode(LockMode m) { return m >= kForKeyShare; }

const char* mode_name(LockMode m) {
  static constexpr const char* kNames[kModes] = {
      "INVALID", "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock",
      "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock",
      // PostgreSQL waits for the transaction that holds a row, with a share lock.
      "ShareLock", "ShareLock", "ShareLock", "ShareLock", "ShareLock", "ShareLock", "ShareLock"};
  return kNames[static_cast<size_t>(m)];
}

std::string describe(LockKind kind, std::string_view key) {
  switch (kind) {
    case LockKind::kRelation:
      if (key.size() >= 4) {
        uint32_t oid = 0;
        for (int i = 0; i < 4; ++i) oid = oid << 8 | static_cast<uint8_t>(key[static_cast<size_t>(i)]);
        return fmt::format("relation {}", oid);
      }
      return "relation";
    case LockKind::kRow: return "tuple";
    case LockKind::kAdvisory: return "advisory lock";
    case LockKind::kObject: return "object";
    case LockKind::kKey: return "key";
    case LockKind::kTransaction: return "transaction";
  }
  return "lock";
}

struct Holder {
  OwnerId owner;
  OwnerId group;
  uint16_t modes = 0;
  std::array<uint16_t, kModes> counts{};
};

struct Waiter {
  OwnerId owner;
  OwnerId group;
  LockMode mode;
  int64_t start_us;
  bool granted = false;
  bool victim = false;  // of a deadlock: about to leave, so it is part of no other cycle
  std::condition_variable wake;
};

// Nearly always one.
class Holders {
 public:
  bool empty() const { return size_ == 0; }
  Holder* begin() { return data(); }
  Holder* end() { return data() + size_; }
  const Holder* begin() const { return data(); }
  const Holder* end() const { return data() + size_; }
  Holder* add(OwnerId owner, OwnerId group) {
    Holder h{owner, group};
    if (size_ == 0) {
      first_ = h;
    } else {
      if (size_ == 1) more_.assign(1, first_);
      more_.push_back(h);
    }
    ++size_;
    return end() - 1;
  }
  void remove(Holder* h) {
    *h = *(end() - 1);
    if (--size_ == 0) return;
    if (size_ == 1) {
      first_ = more_[0];
      more_.clear();
    } else {
      more_.pop_back();
    }
  }

 private:
  Holder* data() { return size_ <= 1 ? &first_ : more_.data(); }
  const Holder* data() const { return size_ <= 1 ? &first_ : more_.data(); }
  Holder first_{};
  std::vector<Holder> more_;  // all of them, from two on
  uint32_t size_ = 0;
};

struct LockHead {
  LockKind kind;
  std::string key;
  uint64_t hash;
  Holders holders;
  std::vector<Waiter*> waiters;

  Holder* holder(OwnerId owner) {
    for (Holder& h : holders) {
      if (h.owner == owner) return &h;
    }
    return nullptr;
  }
  bool held_against(OwnerId group, LockMode mode) const {
    for (const Holder& h : holders) {
      if (h.group != group && (h.modes & conflicts_of(mode)) != 0) return true;
    }
    return false;
  }
  uint16_t held_by_group(OwnerId group) const {
    uint16_t modes = 0;
    for (const Holder& h : holders) {
      if (h.group == group) modes |= h.modes;
    }
    return modes;
  }
  void grant(OwnerId owner, OwnerId group, LockMode mode) {
    Holder* h = holder(owner);
    if (h == nullptr) h = holders.add(owner, group);
    h->modes |= bit(mode);
    ++h->counts[static_cast<size_t>(mode)];
  }
};

struct Acquisition {
  LockHead* head;
  LockMode mode;
  uint64_t sequence;
};

struct OwnerRecord {
  OwnerId group = 0;
  uint64_t next_sequence = 1;
  std::vector<Acquisition> held;
};

constexpr size_t kShards = 64;

// Open addressing over heads that come from slabs and are used again.
class HeadTable {
 public:
  LockHead* find(const LockTag& tag, uint64_t hash) const {
    if (count_ == 0) return nullptr;
    for (size_t i = hash & mask();; i = (i + 1) & mask()) {
      const Slot& s = slots_[i];
      if (s.head == nullptr) return nullptr;
      if (s.hash == hash && s.head->kind == tag.kind && s.head->key == tag.key) return s.head;
    }
  }
  LockHead* insert(const LockTag& tag, uint64_t hash) {
    if ((count_ + 1) * 4 > slots_.size() * 3) grow();
    if (free_.empty()) {
      constexpr size_t kSlab = 32;
      slabs_.push_back(std::make_unique<LockHead[]>(kSlab));
      for (size_t i = kSlab; i-- > 0;) free_.push_back(&slabs_.back()[i]);
    }
    LockHead* head = free_.back();
    free_.pop_back();
    head->kind = tag.kind;
    head->key.assign(tag.key);
    head->hash = hash;
    place({hash, head});
    ++count_;
    return head;
  }
  void erase(LockHead* head) {
    size_t i = head->hash & mask();
    while (slots_[i].head != head) i = (i + 1) & mask();
    slots_[i].head = nullptr;
    --count_;
    // Close the gap: move back entries whose home lies at or before it.
    for (size_t j = (i + 1) & mask(); slots_[j].head != nullptr; j = (j + 1) & mask()) {
      size_t home = slots_[j].hash & mask();
      if (((j - home) & mask()) >= ((j - i) & mask())) {
        slots_[i] = slots_[j];
        slots_[j].head = nullptr;
        i = j;
      }
    }
    if (count_ == 0 && slabs_.size() > 64) {  // after a huge transaction
      free_ = {};
      slabs_.clear();
      slots_ = std::vector<Slot>(64);
      return;
    }
    free_.push_back(head);
  }
  template <typename F>
  void for_each(F f) const {
    for (const Slot& s : slots_) {
      if (s.head != nullptr) f(*s.head);
    }
  }

 private:
  struct Slot {
    uint64_t hash = 0;
    LockHead* head = nullptr;
  };
  size_t mask() const { return slots_.size() - 1; }
  void place(Slot s) {
    size_t i = s.hash & mask();
    while (slots_[i].head != nullptr) i = (i + 1) & mask();
    slots_[i] = s;
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& s : old) {
      if (s.head != nullptr) place(s);
    }
  }
  std::vector<Slot> slots_ = std::vector<Slot>(64);
  std::vector<std::unique_ptr<LockHead[]>> slabs_;
  std::vector<LockHead*> free_;
  size_t count_ = 0;
};

}  // namespace

struct LockManager::Impl {
  struct Shard {
    mutable std::mutex mutex;
    HeadTable heads;
  };
  struct OwnerShard {
    mutable std::mutex mutex;
    std::unordered_map<OwnerId, std::unique_ptr<OwnerRecord>> owners;
  };
  std::array<Shard, kShards> shards;
  std::array<OwnerShard, kShards> owners;

  static uint64_t hash(const LockTag& tag) { return hash64(tag.key, static_cast<uint64_t>(tag.kind)); }
  Shard& shard(uint64_t h) { return shards[h >> 58]; }

  OwnerRecord& record(OwnerId owner) {
    OwnerShard& s = owners[hash_int(owner) % kShards];
    std::lock_guard lock(s.mutex);
    auto& r = s.owners[owner];
    if (!r) {
      r = std::make_unique<OwnerRecord>();
      r->group = owner;
    }
    return *r;
  }
  OwnerRecord* find_record(OwnerId owner) {
    OwnerShard& s = owners[hash_int(owner) % kShards];
    std::lock_guard lock(s.mutex);
    auto it = s.owners.find(owner);
    return it == s.owners.end() ? nullptr : it->second.get();
  }

  static LockHead* find(Shard& s, const LockTag& tag, uint64_t h) { return s.heads.find(tag, h); }
  static void drop_if_unused(Shard& s, LockHead* head) {
    if (head->holders.empty() && head->waiters.empty()) s.heads.erase(head);
  }

  // Grants to waiters from the front as long as they conflict with nobody before them.
  static void wake_waiters(LockHead* head) {
    uint16_t ahead = 0;  // modes that earlier waiters still wait for
    for (auto it = head->waiters.begin(); it != head->waiters.end();) {
      Waiter* w = *it;
      if (!head->held_against(w->group, w->mode) && (conflicts_of(w->mode) & ahead) == 0) {
        head->grant(w->owner, w->group, w->mode);
        w->granted = true;
        it = head->waiters.erase(it);
        w->wake.notify_one();
      } else {
        ahead |= bit(w->mode);
        ++it;
      }
    }
  }

  void release_one(LockHead* head, OwnerId owner, LockMode mode) {
    Shard& s = shard(head->hash);
    std::lock_guard lock(s.mutex);
    Holder* h = head->holder(owner);
    STELE_CHECK(h != nullptr && h->counts[static_cast<size_t>(mode)] > 0);
    if (--h->counts[static_cast<size_t>(mode)] == 0) {
      h->modes &= static_cast<uint16_t>(~bit(mode));
      if (h->modes == 0) {
        head->holders.remove(h);
      }
      if (!head->waiters.empty()) wake_waiters(head);
      drop_if_unused(s, head);
    }
  }

  struct Edge {
    OwnerId waiter, group_blocking;
    OwnerId owner_blocking;
    LockMode mode;
    LockKind kind;
    std::string key;
  };

  // Groups that a waiter waits for: conflicting holders, and conflicting waiters ahead of it.
  static void edges_of(const LockHead& head, const Waiter& w, std::vector<Edge>* out) {
    auto add = [&](OwnerId group, OwnerId owner) {
      out->push_back({w.owner, group, owner, w.mode, head.kind, head.key});
    };
    for (const Holder& h : head.holders) {
      if (h.group != w.group && (h.modes & conflicts_of(w.mode)) != 0) add(h.group, h.owner);
    }
    for (const Waiter* other : head.waiters) {
      if (other == &w) break;
      if (other->group != w.group && (bit(other->mode) & conflicts_of(w.mode)) != 0) add(other->group, other->owner);
    }
  }

  std::unordered_map<OwnerId, std::vector<Edge>> wait_graph() {
    std::unordered_map<OwnerId, std::vector<Edge>> graph;
    for (Shard& s : shards) {
      s.heads.for_each([&](const LockHead& head) {
        for (const Waiter* w : head.waiters) {
          if (!w->victim) edges_of(head, *w, &graph[w->group]);
        }
      });
    }
    return graph;
  }

  // All shard mutexes, in order.
  struct AllLocked {
    explicit AllLocked(Impl& impl) : impl(impl) {
      for (Shard& s : impl.shards) s.mutex.lock();
    }
    ~AllLocked() {
      for (Shard& s : impl.shards) s.mutex.unlock();
    }
    Impl& impl;
  };

  // The cycle through `group`, empty if there is none. `waiter` becomes its victim in the same instant, so that of those
  // who look at once only one gives way. The caller holds no shard mutex.
  std::vector<Edge> find_cycle(OwnerId group, Waiter* waiter) {
    AllLocked all(*this);
    auto graph = wait_graph();
    std::vector<Edge> path;
    std::unordered_set<OwnerId> visited;
    std::function<bool(OwnerId)> walk = [&](OwnerId at) {
      auto it = graph.find(at);
      if (it == graph.end()) return false;
      for (const Edge& e : it->second) {
        path.push_back(e);
        if (e.group_blocking == group) return true;
        if (visited.insert(e.group_blocking).second && walk(e.group_blocking)) return true;
        path.pop_back();
      }
      return false;
    };
    waiter->victim = walk(group);
    return waiter->victim ? path : std::vector<Edge>{};
  }

  [[noreturn]] static void throw_deadlock(const std::vector<Edge>& cycle) {
    std::string detail;
    for (const Edge& e : cycle) {
      if (!detail.empty()) detail += "\n";
      std::string target = is_row_mode(e.mode) ? fmt::format("transaction {}", e.owner_blocking) : describe(e.kind, e.key);
      detail += fmt::format("Process {} waits for {} on {}; blocked by process {}.", e.waiter, mode_name(e.mode),
                            target, e.group_blocking);
    }
    throw Error(ErrorCode::kDeadlockDetected, "deadlock detected")
        .detail(std::move(detail))
        .hint("See server log for query details.");
  }
};

LockManager::LockManager() : impl_(std::make_unique<Impl>()) {}
LockManager::~LockManager() = default;

OwnerId LockManager::new_owner() {
  static std::atomic<OwnerId> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

void LockManager::join_group(OwnerId owner, OwnerId group) { impl_->record(owner).group = group; }

namespace {
[[noreturn]] void throw_not_available(const LockTag& tag, bool timeout) {
  if (timeout) throw Error(ErrorCode::kLockNotAvailable, "canceling statement due to lock timeout");
  if (tag.kind == LockKind::kRow) throw Error(ErrorCode::kLockNotAvailable, "could not obtain lock on row");
  throw Error(ErrorCode::kLockNotAvailable, "could not obtain lock on " + describe(tag.kind, tag.key));
}
}  // namespace

LockOutcome LockManager::acquire(OwnerId owner, const LockTag& tag, LockMode mode, const WaitOptions& wait) {
  uint64_t h = Impl::hash(tag);
  Impl::Shard& s = impl_->shard(h);
  OwnerRecord& record = impl_->record(owner);
  OwnerId group = record.group;
  std::unique_lock lock(s.mutex);

  LockHead* head = Impl::find(s, tag, h);
  if (head == nullptr) head = s.heads.insert(tag, h);
  auto note = [&] { record.held.push_back({head, mode, record.next_sequence++}); };

  Holder* mine = head->holder(owner);
  if (mine != nullptr) {
    if ((mine->modes & bit(mode)) != 0) {
      // Rows are released together at the end; only other kinds count their acquisitions.
      if (tag.kind != LockKind::kRow) {
        ++mine->counts[static_cast<size_t>(mode)];
        note();
      }
      return LockOutcome::kAlreadyHeld;
    }
    if (is_row_mode(mode) && covered(mine->modes, mode)) return LockOutcome::kAlreadyHeld;
  }

  uint16_t own = head->held_by_group(group);
  bool blocked = head->held_against(group, mode);
  if (!blocked && own == 0) {
    for (const Waiter* w : head->waiters) {
      if (w->group != group && (bit(w->mode) & conflicts_of(mode)) != 0) {
        blocked = true;
        break;
      }
    }
  }
  if (!blocked) {
    head->grant(owner, group, mode);
    note();
    return LockOutcome::kGranted;
  }
  if (wait.policy != WaitPolicy::kBlock) {
    Impl::drop_if_unused(s, head);
    if (wait.policy == WaitPolicy::kSkip) return LockOutcome::kWouldBlock;
    throw_not_available(tag, false);
  }

  Waiter w;
  w.owner = owner;
  w.group = group;
  w.mode = mode;
  w.start_us = system_clock().monotonic_us();
  // An owner that holds the lock goes ahead of those who wait for him anyway.
  auto place = head->waiters.end();
  if (own != 0) {
    for (place = head->waiters.begin(); place != head->waiters.end(); ++place) {
      if ((conflicts_of((*place)->mode) & own) != 0) break;
    }
  }
  head->waiters.insert(place, &w);

  auto give_up = [&] {
    std::erase(head->waiters, &w);
    Impl::wake_waiters(head);
    Impl::drop_if_unused(s, head);
  };
  int64_t deadlock_at = w.start_us + wait.deadlock_timeout_us;
  int64_t timeout_at = wait.lock_timeout_us > 0 ? w.start_us + wait.lock_timeout_us : INT64_MAX;
  constexpr int64_t kPollUs = 20000;
  while (!w.granted) {
    int64_t now = system_clock().monotonic_us();
    if (now >= timeout_at) {
      give_up();
      throw_not_available(tag, true);
    }
    if (now >= deadlock_at) {
      deadlock_at = INT64_MAX;
      lock.unlock();
      auto cycle = impl_->find_cycle(group, &w);
      lock.lock();
      if (w.granted) break;
      if (!cycle.empty()) {
        give_up();
        lock.unlock();
        Impl::throw_deadlock(cycle);
      }
      continue;
    }
    int64_t until = std::min(timeout_at, deadlock_at);
    if (wait.check_interrupts != nullptr && *wait.check_interrupts) {
      lock.unlock();
      try {
        (*wait.check_interrupts)();
      } catch (...) {
        lock.lock();
        if (w.granted) {
          // Granted meanwhile: the caller gives up all the same and must not keep it.
          note();
          lock.unlock();
          release(owner, tag, mode);
        } else {
          give_up();
        }
        throw;
      }
      lock.lock();
      if (w.granted) break;
      until = std::min(until, system_clock().monotonic_us() + kPollUs);
    }
    int64_t left = until == INT64_MAX ? 3600000000 : until - system_clock().monotonic_us();
    if (left > 0) w.wake.wait_for(lock, std::chrono::microseconds(left));
  }
  note();
  return LockOutcome::kGrantedAfterWait;
}

bool LockManager::release(OwnerId owner, const LockTag& tag, LockMode mode) {
  OwnerRecord* record = impl_->find_record(owner);
  if (record == nullptr) return false;
  for (size_t i = record->held.size(); i-- > 0;) {
    Acquisition a = record->held[i];
    // The head is ours to look at: what we hold keeps it alive, and kind and key never change.
    if (a.mode == mode && a.head->kind == tag.kind && a.head->key == tag.key) {
      record->held.erase(record->held.begin() + static_cast<ptrdiff_t>(i));
      impl_->release_one(a.head, owner, mode);
      return true;
    }
  }
  return false;
}

void LockManager::release_all(OwnerId owner) {
  Impl::OwnerShard& os = impl_->owners[hash_int(owner) % kShards];
  std::unique_ptr<OwnerRecord> record;
  {
    std::lock_guard lock(os.mutex);
    auto it = os.owners.find(owner);
    if (it == os.owners.end()) return;
    record = std::move(it->second);
    os.owners.erase(it);
  }
  for (const Acquisition& a : record->held) impl_->release_one(a.head, owner, a.mode);
}

uint64_t LockManager::mark(OwnerId owner) {
  OwnerRecord* record = impl_->find_record(owner);
  return record == nullptr ? 0 : record->next_sequence - 1;
}

void LockManager::release_since(OwnerId owner, uint64_t mark) {
  OwnerRecord* record = impl_->find_record(owner);
  if (record == nullptr) return;
  while (!record->held.empty() && record->held.back().sequence > mark) {
    Acquisition a = record->held.back();
    record->held.pop_back();
    impl_->release_one(a.head, owner, a.mode);
  }
}

bool LockManager::conflicts(OwnerId owner, const LockTag& tag, LockMode mode) const {
  uint64_t h = Impl::hash(tag);
  Impl::Shard& s = impl_->shard(h);
  OwnerRecord* record = impl_->find_record(owner);
  OwnerId group = record != nullptr ? record->group : owner;
  std::lock_guard lock(s.mutex);
  LockHead* head = Impl::find(s, tag, h);
  return head != nullptr && head->held_against(group, mode);
}

std::vector<LockInfo> LockManager::list() const {
  std::vector<LockInfo> out;
  for (Impl::Shard& s : impl_->shards) {
    std::lock_guard lock(s.mutex);
    s.heads.for_each([&](const LockHead& head) {
      for (const Holder& holder : head.holders) {
        for (size_t m = 1; m < kModes; ++m) {
          if (holder.counts[m] > 0) out.push_back({head.kind, head.key, static_cast<LockMode>(m), holder.owner, true, 0});
        }
      }
      for (const Waiter* w : head.waiters) out.push_back({head.kind, head.key, w->mode, w->owner, false, w->start_us});
    });
  }
  return out;
}

std::vector<OwnerId> LockManager::blockers(OwnerId owner) const {
  std::vector<OwnerId> out;
  for (Impl::Shard& s : impl_->shards) {
    std::lock_guard lock(s.mutex);
    s.heads.for_each([&](const LockHead& head) {
      for (const Waiter* w : head.waiters) {
        if (w->owner != owner && w->group != owner) continue;
        std::vector<Impl::Edge> edges;
        Impl::edges_of(head, *w, &edges);
        for (const auto& e : edges) {
          if (std::find(out.begin(), out.end(), e.owner_blocking) == out.end()) out.push_back(e.owner_blocking);
        }
      }
    });
  }
  return out;
}

}  // namespace stele::storage
