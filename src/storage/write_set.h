// The ordered, versioned write set of one transaction: a skip list over an arena. Every write pushes a
// version stamped with the command that made it and a running sequence number, so that
//  - a reader at command c sees versions of commands before c,
//  - a cursor sees versions up to the sequence at which it was made,
//  - rolling back to a savepoint pops the versions pushed since.
// Nodes never move and are never unlinked: a node without versions is skipped by readers.
// One thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"

namespace stele::storage {

// Memory of a write set. Beyond a budget it comes from a file that is already unlinked: the system may
// write such pages out, and they are gone with the transaction.
class SpillArena {
 public:
  SpillArena(size_t budget, std::string directory) : budget_(budget), directory_(std::move(directory)) {}
  ~SpillArena();
  char* allocate(size_t bytes);
  std::string_view copy(std::string_view s);
  size_t bytes() const { return used_; }
  size_t spilled_bytes() const { return mapped_bytes_; }

 private:
  char* allocate_mapped(size_t bytes);
  size_t budget_;
  size_t used_ = 0;
  std::string directory_;
  Arena memory_;
  char* next_ = nullptr;
  char* end_ = nullptr;
  std::vector<std::pair<char*, size_t>> maps_;
  size_t mapped_bytes_ = 0;
};

class WriteSet {
 public:
  struct Version {
    std::string_view value;
    Version* older;
    uint64_t sequence;
    uint32_t command;
    bool erased;
  };
  struct Node {
    std::string_view key;
    Version* newest;
    Node* previous;  // null for the first
    Node* next[1];   // as many as the node is high
  };
  // Which versions a reader sees.
  struct View {
    uint32_t command = UINT32_MAX;  // versions of smaller commands; UINT32_MAX: all
    uint64_t sequence = UINT64_MAX;
  };
  enum class Found : uint8_t { kNothing, kValue, kErased };

  // Spills beyond `budget` bytes into unnamed files of `directory`.
  explicit WriteSet(size_t budget = SIZE_MAX, std::string directory = {});
  WriteSet(const WriteSet&) = delete;
  WriteSet& operator=(const WriteSet&) = delete;

  void put(std::string_view key, std::string_view value, uint32_t command) { push(key, value, false, command); }
  void erase(std::string_view key, uint32_t command) { push(key, {}, true, command); }
  void erase_range(std::string_view lower, std::string_view upper, uint32_t command);

  Found get(std::string_view key, const View& view, std::string_view* value) const;
  // True if the set has any version of the key, whatever the view.
  bool touches(std::string_view key) const;
  // True if a range erase in the view, younger than `sequence`, covers the key.
  bool range_erased(std::string_view key, const View& view, uint64_t sequence = 0) const;
  const Version* visible(const Node* node, const View& view) const;

  bool empty() const { return undo_.empty() && ranges_.empty(); }
  uint64_t sequence() const { return sequence_; }
  size_t bytes() const { return arena_.bytes(); }
  size_t spilled_bytes() const { return arena_.spilled_bytes(); }
  size_t versions() const { return undo_.size(); }
  void rollback_to(uint64_t sequence);

  const Node* first() const { return head_->next[0]; }
  const Node* last() const { return tail_ == head_ ? nullptr : tail_; }
  const Node* lower_bound(std::string_view key) const;  // first >= key
  const Node* before(std::string_view key) const;       // last < key
  const Node* at_or_before(std::string_view key) const; // last <= key

  struct RangeErase {
    std::string lower, upper;
    uint64_t sequence;
    uint32_t command;
  };
  const std::deque<RangeErase>& ranges() const { return ranges_; }

 private:
  static constexpr int kMaxHeight = 16;
  void push(std::string_view key, std::string_view value, bool erased, uint32_t command);
  Node* find_or_insert(std::string_view key);
  Node* make_node(std::string_view key, int height);
  const Node* find_less(std::string_view key, Node** path) const;

  SpillArena arena_;
  // In place, so that a transaction that writes nothing allocates nothing.
  alignas(Node) char head_storage_[sizeof(Node) + sizeof(Node*) * (kMaxHeight - 1)] = {};
  Node* head_;
  Node* tail_;
  Node* tails_[kMaxHeight];  // last node of each level: ascending keys are appended without a search
  int height_ = 1;
  uint64_t random_ = 0x9e3779b97f4a7c15ull;
  uint64_t sequence_ = 0;
  std::vector<Node*> undo_;  // one entry a version, oldest first
  std::deque<RangeErase> ranges_;
};

}  // namespace stele::storage
