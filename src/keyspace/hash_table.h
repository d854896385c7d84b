// A chained hash table of intrusive nodes, grown and shrunk incrementally, with random picks and a
// cursor that survives both: every element present for the whole of a scan is returned at least once
// (reverse binary increment over the masks of both tables).
//
// A node type N has a member `N* next` and `std::string_view key() const`. The table never owns nodes.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "keyspace/dirt.h"
#include "keyspace/memory.h"

namespace stele::keyspace {

extern uint64_t g_hash_seed;
uint64_t hash_bytes(const char* p, size_t n);
inline uint64_t hash_key(std::string_view s) { return hash_bytes(s.data(), s.size()); }
uint64_t random_u64();  // one generator a thread

template <class N>
class HashTable {
 public:
  HashTable() = default;
  HashTable(const HashTable&) = delete;
  HashTable& operator=(const HashTable&) = delete;
  ~HashTable() { mem_free(tables_[0]); mem_free(tables_[1]); }

  size_t size() const { return used_[0] + used_[1]; }
  size_t buckets() const { return capacity(0) + capacity(1); }
  size_t memory_bytes() const { return buckets() * sizeof(N*); }
  bool rehashing() const { return rehash_ >= 0; }

  N* find(std::string_view key) { return size() == 0 ? nullptr : find_hashed(key, hash_key(key)); }
  N* find_hashed(std::string_view key, uint64_t h) {
    if (size() == 0) return nullptr;
    if (rehashing()) step(1);
    for (int t = 0; t <= (rehashing() ? 1 : 0); ++t) {
      for (N* n = tables_[t][h & (capacity(t) - 1)]; n != nullptr; n = n->next)
        if (n->key() == key) return n;
    }
    return nullptr;
  }
  // Hints to the processor, for lookups that follow: the bucket, and once that has arrived its first node.
  void prefetch_bucket(uint64_t h) const {
    for (int t = 0; t < 2; ++t)
      if (capacity(t) > 0) __builtin_prefetch(&tables_[t][h & (capacity(t) - 1)]);
  }
  void prefetch_chain(uint64_t h) const {
    for (int t = 0; t < 2; ++t)
      if (capacity(t) > 0) __builtin_prefetch(tables_[t][h & (capacity(t) - 1)]);
  }
  // Once that has arrived too: the second node, and what f(first) asks for.
  template <class F>
  void prefetch_behind(uint64_t h, F f) const {
    for (int t = 0; t < 2; ++t) {
      if (capacity(t) == 0) continue;
      if (const N* n = tables_[t][h & (capacity(t) - 1)]) {
        __builtin_prefetch(n->next);
        f(n);
      }
    }
  }
  const N* find(std::string_view key) const { return const_cast<HashTable*>(this)->find(key); }

  // The key must not be present.
  void insert(N* node) {
    if (rehashing()) step(1);
    grow_if_full();
    int t = rehashing() ? 1 : 0;
    N** slot = &tables_[t][hash_key(node->key()) & (capacity(t) - 1)];
    node->next = *slot;
    *slot = node;
    ++used_[t];
  }
  // Visits every node of the chains that a key of this hash may be in; f must not change the table.
  template <class F>
  void each_in_chain(uint64_t h, F f) {
    for (int t = 0; t < 2; ++t)
      if (capacity(t) > 0)
        for (N* n = tables_[t][h & (capacity(t) - 1)]; n != nullptr; n = n->next) f(n);
  }
  // Unlinks and returns the node, or null.
  N* remove(std::string_view key) {
    if (size() == 0) return nullptr;
    if (rehashing()) step(1);
    uint64_t h = hash_key(key);
    for (int t = 0; t <= (rehashing() ? 1 : 0); ++t) {
      for (N** p = &tables_[t][h & (capacity(t) - 1)]; *p != nullptr; p = &(*p)->next) {
        if ((*p)->key() == key) {
          N* found = *p;
          *p = found->next;
          --used_[t];
          return found;
        }
      }
    }
    return nullptr;
  }
  // Halves the table while it is nearly empty; incremental.
  void shrink_if_sparse() {
    if (rehashing() || capacity(0) <= 4 || paused_ > 0) return;
    if (used_[0] * 10 >= capacity(0)) return;
    size_t want = 4;
    while (want < used_[0]) want *= 2;
    if (want < capacity(0)) start_rehash(want);
  }
  void reserve(size_t n) {
    if (size() != 0 || rehashing()) return;
    size_t want = 4;
    while (want < n) want *= 2;
    if (want > capacity(0)) {
      mem_free(tables_[0]);
      tables_[0] = static_cast<N**>(mem_zeroed(want * sizeof(N*)));
      bits_[0] = log2_of(want);
    }
  }
  // Moves up to n buckets to the new table.
  void step(size_t n) {
    if (paused_ > 0) return;
    size_t empty = n * 10;
    while (n-- > 0 && used_[0] > 0) {
      while (tables_[0][rehash_] == nullptr) {
        ++rehash_;
        if (--empty == 0) return;
      }
      for (N* node = tables_[0][rehash_]; node != nullptr;) {
        N* next = node->next;
        N** slot = &tables_[1][hash_key(node->key()) & (capacity(1) - 1)];
        node->next = *slot;
        *slot = node;
        --used_[0];
        ++used_[1];
        node = next;
      }
      tables_[0][rehash_++] = nullptr;
    }
    if (used_[0] == 0) finish_rehash();
  }

  // Calls f(node) for every node; f may free the node. Rehashing is paused meanwhile.
  template <class F>
  void for_each(F f) {
    ++paused_;
    for (int t = 0; t < 2; ++t)
      for (size_t i = 0; i < capacity(t); ++i)
        for (N* n = tables_[t][i]; n != nullptr;) {
          N* next = n->next;
          f(n);
          n = next;
        }
    --paused_;
  }
  template <class F>
  void for_each(F f) const { const_cast<HashTable*>(this)->for_each(f); }
  void clear() {
    mem_free(tables_[0]);
    mem_free(tables_[1]);
    tables_[0] = tables_[1] = nullptr;
    bits_[0] = bits_[1] = -1;
    used_[0] = used_[1] = 0;
    rehash_ = -1;
  }

  // Takes nodes out for f to free, of a table in which nobody will look for anything any more; counts *most down. True when empty.
  template <class F>
  bool shed(size_t* most, F f) {
    if (rehash_ < 0) rehash_ = 0;
    for (int t = 0; t < 2; ++t) {
      if (used_[t] == 0) continue;
      for (; used_[t] > 0 && *most > 0; ++rehash_) {
        for (N* n = tables_[t][rehash_]; n != nullptr;) {
          N* next = n->next;
          f(n);
          n = next;
          --used_[t];
          *most -= *most > 0;
        }
        tables_[t][rehash_] = nullptr;
      }
      if (used_[t] > 0) return false;
      rehash_ = 0;
    }
    clear();
    return true;
  }

  // A node picked with (nearly) equal chance; the table must not be empty.
  N* random() {
    if (rehashing()) step(1);
    N* head = nullptr;
    while (head == nullptr) {
      uint64_t r = random_u64();
      if (rehashing()) {
        size_t c0 = capacity(0), span = c0 + capacity(1) - rehash_;
        size_t i = rehash_ + r % span;
        head = i >= c0 ? tables_[1][i - c0] : tables_[0][i];
      } else {
        head = tables_[0][r & (capacity(0) - 1)];
      }
    }
    size_t length = 0;
    for (N* n = head; n != nullptr; n = n->next) ++length;
    for (size_t skip = random_u64() % length; skip > 0; --skip) head = head->next;
    return head;
  }
  // A fairer pick among a sample of neighbouring buckets.
  N* fair_random() {
    N* sample[15];
    size_t n = some(sample, 15);
    return n == 0 ? random() : sample[random_u64() % n];
  }
  // Up to n nodes from random places; may return fewer.
  size_t some(N** out, size_t n) {
    if (n > size()) n = size();
    size_t got = 0, steps = n * 10;
    for (size_t i = 0; i < n && rehashing(); ++i) step(1);
    size_t tables = rehashing() ? 2 : 1;
    size_t mask = capacity(0) - 1;
    if (tables > 1 && capacity(1) - 1 > mask) mask = capacity(1) - 1;
    size_t i = random_u64() & mask, empty = 0;
    while (got < n && steps-- > 0) {
      for (size_t t = 0; t < tables; ++t) {
        if (i >= capacity(static_cast<int>(t))) continue;
        N* node = tables_[t][i];
        if (node == nullptr) {
          if (++empty >= 5 && empty > n) { i = random_u64() & mask; empty = 0; }
          continue;
        }
        empty = 0;
        for (; node != nullptr && got < n; node = node->next) out[got++] = node;
      }
      i = (i + 1) & mask;
    }
    return got;
  }

  // Visits one step's nodes with f(node) and returns the next cursor (0: finished).
  template <class F>
  uint64_t scan(uint64_t cursor, F f) {
    if (size() == 0) return 0;
    ++paused_;
    auto visit = [&](int t, size_t i) {
      for (N* n = tables_[t][i]; n != nullptr;) {
        N* next = n->next;
        f(n);
        n = next;
      }
    };
    auto advance = [](uint64_t v, uint64_t mask) {
      v |= ~mask;
      v = reverse(v);
      ++v;
      return reverse(v);
    };
    if (!rehashing()) {
      uint64_t mask = capacity(0) - 1;
      visit(0, cursor & mask);
      cursor = advance(cursor, mask);
    } else {
      int small = capacity(0) <= capacity(1) ? 0 : 1, large = 1 - small;
      uint64_t m0 = capacity(small) - 1, m1 = capacity(large) - 1;
      visit(small, cursor & m0);
      do {
        visit(large, cursor & m1);
        cursor = advance(cursor, m1);
      } while (cursor & (m0 ^ m1));
    }
    --paused_;
    return cursor;
  }

 private:
  static uint64_t reverse(uint64_t v) {
    v = __builtin_bswap64(v);
    v = ((v >> 4) & 0x0f0f0f0f0f0f0f0full) | ((v & 0x0f0f0f0f0f0f0f0full) << 4);
    v = ((v >> 2) & 0x3333333333333333ull) | ((v & 0x3333333333333333ull) << 2);
    return ((v >> 1) & 0x5555555555555555ull) | ((v & 0x5555555555555555ull) << 1);
  }
  static int8_t log2_of(size_t n) { return static_cast<int8_t>(63 - __builtin_clzll(n)); }
  size_t capacity(int t) const { return bits_[t] < 0 ? 0 : size_t{1} << bits_[t]; }
  void grow_if_full() {
    if (rehashing()) return;
    if (capacity(0) == 0) {
      tables_[0] = static_cast<N**>(mem_zeroed(4 * sizeof(N*)));
      bits_[0] = 2;
    } else if (used_[0] >= capacity(0) && paused_ == 0) {
      start_rehash(capacity(0) * 2);
    }
  }
  void start_rehash(size_t want) {
    tables_[1] = static_cast<N**>(mem_zeroed(want * sizeof(N*)));
    bits_[1] = log2_of(want);
    rehash_ = 0;
    if (used_[0] == 0) finish_rehash();
  }
  void finish_rehash() {
    mem_free(tables_[0]);
    tables_[0] = tables_[1];
    bits_[0] = bits_[1];
    used_[0] = used_[1];
    tables_[1] = nullptr;
    bits_[1] = -1;
    used_[1] = 0;
    rehash_ = -1;
  }

  N** tables_[2] = {nullptr, nullptr};
  size_t used_[2] = {0, 0};
  int64_t rehash_ = -1;
  int8_t bits_[2] = {-1, -1};
  uint16_t paused_ = 0;
};

// The elements of a collection. Nodes have a mark `dirty`, which means that their hash stands in the dirt's queue.
template <class N>
class TrackedTable : public HashTable<N> {
 public:
  std::unique_ptr<Dirt> dirt;
  void mark(N* n) {
    if (dirt == nullptr || n->dirty) return;
    n->dirty = true;
    dirt->queue.push_back(hash_key(n->key()));
  }
  void add(N* n) {
    this->insert(n);
    mark(n);
  }
  // Unlinks and returns the node, or null.
  N* take(std::string_view key) {
    N* n = this->remove(key);
    if (n == nullptr || dirt == nullptr || dirt->whole) return n;
    dirt->removed.emplace(key);
    if (dirt->removed.size() > kNamesKept + 2 * this->size()) {  // a queue of sorts: what is left costs less than what went
      dirt->whole = true;
      dirt->removed.clear();
    }
    return n;
  }

 private:
  static constexpr size_t kNamesKept = 65536;
};

}  // namespace stele::keyspace
