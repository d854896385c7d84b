// The order of a sorted set: a B+ tree over (score, member) whose inner nodes count what is below each child, so that
// ranks cost one descent. Leaves hold scores beside pointers to the elements: a search reads a few neighbouring cache
// lines a level and looks at members only where scores are equal.
//
// Invariants
// 1. An inner node repeats the first entry below each of its children (score and element), exactly.
// 2. counts[i] is the number of entries below child i. No node but an empty tree's root is empty.
// 3. Leaves are linked in order. All leaves are at the same depth.
//
// The tree owns its nodes, never the elements. An element's score must not change while it is in the tree, but by update().
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace stele::keyspace {

struct ZNode {
  ZNode* next;       // hash chain
  double score;
  uint32_t len;
  bool dirty;
  // The member's bytes follow.
  std::string_view key() const { return {reinterpret_cast<const char*>(this + 1), len}; }
  static ZNode* make(std::string_view member, double score);
};

class ZTree {
  struct Leaf {
    static constexpr uint32_t kMost = 60;
    Leaf* prev;
    Leaf* next;
    uint32_t n;
    double scores[kMost];
    ZNode* nodes[kMost];
  };
  struct Inner {
    static constexpr uint32_t kMost = 62;
    uint32_t n;
    double scores[kMost];
    ZNode* nodes[kMost];
    uint64_t counts[kMost];
    void* children[kMost];
  };

 public:
  // An element in order; false past the ends. Any change of the tree ends its use.
  class Place {
   public:
    Place() = default;
    explicit operator bool() const { return leaf_ != nullptr; }
    ZNode* operator*() const { return leaf_->nodes[at_]; }
    ZNode* operator->() const { return leaf_->nodes[at_]; }
    Place& operator++() {
      if (++at_ == leaf_->n) *this = Place(leaf_->next, 0);
      return *this;
    }
    Place& operator--() {
      if (at_-- == 0) *this = before(leaf_);
      return *this;
    }

   private:
    friend class ZTree;
    Place(const Leaf* leaf, uint32_t at) : leaf_(leaf), at_(at) {}
    static Place before(const Leaf* leaf) { return leaf->prev == nullptr ? Place() : Place(leaf->prev, leaf->prev->n - 1); }
    const Leaf* leaf_ = nullptr;
    uint32_t at_ = 0;
  };

  ZTree() = default;
  ~ZTree();
  ZTree(const ZTree&) = delete;
  ZTree& operator=(const ZTree&) = delete;
  size_t memory_bytes() const { return leaves_ * sizeof(Leaf) + inners_ * sizeof(Inner); }

  void insert(ZNode* n);                 // must not be in it
  void erase(ZNode* n);                  // must be in it
  void update(ZNode* n, double score);   // must be in it
  uint64_t rank(const ZNode* n) const;   // 0-based
  Place at_rank(uint64_t rank) const;    // false past the end
  Place first() const;
  Place last() const;
  // The first entry for which below(score, element) is not true; it must be true for a prefix of the order.
  template <class Below>
  Place first_not(Below below) const {
    if (root_ == nullptr) return {};
    const void* p = root_;
    for (int h = height_; h > 0; --h) {
      auto* in = static_cast<const Inner*>(p);
      uint32_t k = prefix(in->scores, in->nodes, in->n, below);
      p = in->children[k == 0 ? 0 : k - 1];
    }
    auto* leaf = static_cast<const Leaf*>(p);
    uint32_t k = prefix(leaf->scores, leaf->nodes, leaf->n, below);
    return k == leaf->n ? Place(leaf->next, 0) : Place(leaf, k);
  }
  // The last entry for which it is true.
  template <class Below>
  Place last_of(Below below) const {
    Place p = first_not(below);
    if (!p) return last_of_all(below);
    return --p;
  }
  // Proves the invariants; for tests.
  bool whole(uint64_t size) const;

 private:
  static constexpr int kMostLevels = 24;
  struct Path {
    struct { Inner* node; uint32_t at; } steps[kMostLevels];   // from the root
    Leaf* leaf;
    uint32_t at;
  };
  template <class Below>
  static uint32_t prefix(const double* scores, ZNode* const* nodes, uint32_t n, Below below) {
    uint32_t lo = 0;
    while (n > 0) {
      uint32_t half = n / 2;
      if (below(scores[lo + half], nodes[lo + half])) { lo += half + 1; n -= half + 1; }
      else n = half;
    }
    return lo;
  }
  template <class Below>
  Place last_of_all(Below below) const {
    Place p = last();
    return p && below(p->score, *p) ? p : Place();
  }
  void descend(double score, std::string_view member, const ZNode* present, Path* path) const;
  void first_changed(Path& path, int level);
  void erase_at(Path& path);
  void insert_child(Path& path, int level, void* left, void* right);
  void merge_upwards(Path& path, int level);
  void drop_child(Path& path, int level);
  bool whole(const void* p, int height, uint64_t* count, const ZNode** first, const Leaf** leaf) const;
  Leaf* new_leaf();
  Inner* new_inner();
  void free_below(void* p, int height);

  void* root_ = nullptr;
  int height_ = 0;    // of the root above the leaves
  uint32_t leaves_ = 0, inners_ = 0;
};

}  // namespace stele::keyspace
