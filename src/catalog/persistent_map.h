// An immutable ordered map with path copying: with() and without() return a new map that shares all
// but O(log n) nodes with the old one. Copies are one pointer. Safe to read from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

namespace stele::catalog {

template <typename K, typename V>
class PersistentMap {
  struct Node;
  using Link = std::shared_ptr<const Node>;
  struct Node {
    K key;
    V value;
    uint64_t priority;
    Link left, right;
    size_t count;
  };

 public:
  const V* find(const K& key) const {
    const Node* n = root_.get();
    while (n != nullptr) {
      if (key < n->key) n = n->left.get();
      else if (n->key < key) n = n->right.get();
      else return &n->value;
    }
    return nullptr;
  }
  PersistentMap with(const K& key, V value) const {
    auto [l, r] = split(root_, key, /*drop_equal=*/true);
    Link node = make(key, std::move(value), next_priority(), nullptr, nullptr);
    return PersistentMap(merge(merge(l, node), r));
  }
  PersistentMap without(const K& key) const {
    if (find(key) == nullptr) return *this;
    auto [l, r] = split(root_, key, true);
    return PersistentMap(merge(l, r));
  }
  size_t size() const { return root_ ? root_->count : 0; }
  // Calls f(key, value) in order for keys >= from; stops when f returns false.
  template <typename F>
  void for_each_from(const K& from, F&& f) const { visit_from(root_.get(), from, f); }
  template <typename F>
  void for_each(F&& f) const { visit(root_.get(), f); }

  PersistentMap() = default;

 private:
  explicit PersistentMap(Link root) : root_(std::move(root)) {}

  // splitmix64 over a counter: balanced in expectation whatever the order of keys.
  static uint64_t next_priority() {
    thread_local uint64_t state = 0x9e3779b97f4a7c15ull;
    uint64_t z = (state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  static Link make(const K& key, V value, uint64_t priority, Link l, Link r) {
    size_t count = 1 + (l ? l->count : 0) + (r ? r->count : 0);
    return std::make_shared<const Node>(Node{key, std::move(value), priority, std::move(l), std::move(r), count});
  }
  static Link make(const Node& n, Link l, Link r) { return make(n.key, n.value, n.priority, std::move(l), std::move(r)); }
  static std::pair<Link, Link> split(const Link& n, const K& key, bool drop_equal) {
    if (!n) return {};
    if (key < n->key) {
      auto [l, r] = split(n->left, key, drop_equal);
      return {l, make(*n, r, n->right)};
    }
    if (n->key < key || !drop_equal) {
      auto [l, r] = split(n->right, key, drop_equal);
      return {make(*n, n->left, l), r};
    }
    return {n->left, n->right};
  }
  static Link merge(const Link& a, const Link& b) {
    if (!a) return b;
    if (!b) return a;
    if (a->priority > b->priority) return make(*a, a->left, merge(a->right, b));
    return make(*b, merge(a, b->left), b->right);
  }
  template <typename F>
  static bool visit(const Node* n, F& f) {
    if (n == nullptr) return true;
    return visit(n->left.get(), f) && f(n->key, n->value) && visit(n->right.get(), f);
  }
  template <typename F>
  static bool visit_from(const Node* n, const K& from, F& f) {
    if (n == nullptr) return true;
    if (n->key < from) return visit_from(n->right.get(), from, f);
    return visit_from(n->left.get(), from, f) && f(n->key, n->value) && visit(n->right.get(), f);
  }

  Link root_;
};

}  // namespace stele::catalog
