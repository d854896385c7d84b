#include "keyspace/ztree.h"

#include <cstring>

#include "keyspace/memory.h"

namespace stele::keyspace {
namespace {
// Nodes with fewer entries are joined to a neighbour if both together leave room.
constexpr uint32_t kFew = 15, kJoined = 48;

template <class T>
void open(T* array, uint32_t n, uint32_t at) { std::memmove(array + at + 1, array + at, (n - at) * sizeof(T)); }
template <class T>
void close(T* array, uint32_t n, uint32_t at) { std::memmove(array + at, array + at + 1, (n - at - 1) * sizeof(T)); }

bool less(double a, const ZNode* an, double b, std::string_view bm) { return a < b || (a == b && an->key() < bm); }

// How many entries come before (score, member).
uint32_t count_less(const double* scores, ZNode* const* nodes, uint32_t n, double score, std::string_view member) {
  uint32_t lo = 0, left = n;
  while (left > 0) {  // without branches that depend on data
    uint32_t half = left / 2;
    bool go = scores[lo + half] < score;
    lo = go ? lo + half + 1 : lo;
    left = go ? left - half - 1 : half;
  }
  if (lo == n || scores[lo] != score) return lo;
  uint32_t equal = 1;
  while (lo + equal < n && scores[lo + equal] == score) ++equal;
  while (equal > 0) {
    uint32_t half = equal / 2;
    if (nodes[lo + half]->key() < member) { lo += half + 1; equal -= half + 1; }
    else equal = half;
  }
  return lo;
}
// All the scores of a node at once: a search that waits for one line after the other takes three times as long.
void fetch_scores(const void* p) {
  for (size_t i = 0; i < 512; i += 64) __builtin_prefetch(static_cast<const char*>(p) + i);
}
}  // namespace

ZNode* ZNode::make(std::string_view member, double score) {
  auto* n = static_cast<ZNode*>(mem_alloc(sizeof(ZNode) + member.size()));
  n->next = nullptr;
  n->score = score;
  n->len = static_cast<uint32_t>(member.size());
  n->dirty = false;
  if (!member.empty()) std::memcpy(reinterpret_cast<char*>(n + 1), member.data(), member.size());
  return n;
}

ZTree::~ZTree() {
  if (root_ != nullptr) free_below(root_, height_);
}
void ZTree::free_below(void* p, int height) {
  if (height > 0) {
    auto* in = static_cast<Inner*>(p);
    for (uint32_t i = 0; i < in->n; ++i) free_below(in->children[i], height - 1);
  }
  mem_free(p);
}
ZTree::Leaf* ZTree::new_leaf() {
  auto* l = static_cast<Leaf*>(mem_alloc(sizeof(Leaf)));
  l->prev = l->next = nullptr;
  l->n = 0;
  ++leaves_;
  return l;
}
ZTree::Inner* ZTree::new_inner() {
  auto* in = static_cast<Inner*>(mem_alloc(sizeof(Inner)));
  in->n = 0;
  ++inners_;
  return in;
}

// To where (score, member) stands, or would stand. `present` is the element, if it is in the tree.
void ZTree::descend(double score, std::string_view member, const ZNode* present, Path* path) const {
  void* p = root_;
  fetch_scores(p);
  for (int level = 0; level < height_; ++level) {
    auto* in = static_cast<Inner*>(p);
    uint32_t k = count_less(in->scores, in->nodes, in->n, score, member);
    if (!(k < in->n && in->nodes[k] == present) && k > 0) --k;
    path->steps[level] = {in, k};
    p = in->children[k];
    fetch_scores(p);
  }
  path->leaf = static_cast<Leaf*>(p);
  path->at = count_less(path->leaf->scores, path->leaf->nodes, path->leaf->n, score, member);
}

// The first entry below the child that the path takes at `level` is another one, or has another score.
void ZTree::first_changed(Path& path, int level) {
  double score;
  ZNode* node;
  if (level == height_ - 1) {
    score = path.leaf->scores[0];
    node = path.leaf->nodes[0];
  } else {
    score = path.steps[level + 1].node->scores[0];
    node = path.steps[level + 1].node->nodes[0];
  }
  for (; level >= 0; --level) {
    auto& s = path.steps[level];
    s.node->scores[s.at] = score;
    s.node->nodes[s.at] = node;
    if (s.at != 0) return;
  }
}

void ZTree::insert(ZNode* n) {
  if (root_ == nullptr) root_ = new_leaf();
  Path path;
  descend(n->score, n->key(), nullptr, &path);
  for (int i = 0; i < height_; ++i) ++path.steps[i].node->counts[path.steps[i].at];
  Leaf* left = path.leaf;
  Leaf* leaf = left;
  Leaf* right = nullptr;
  uint32_t at = path.at;
  if (leaf->n == Leaf::kMost) {
    // At the very end everything stays: who adds in ascending order fills leaves.
    uint32_t keep = at == leaf->n && leaf->next == nullptr ? leaf->n : leaf->n / 2;
    right = new_leaf();
    right->n = leaf->n - keep;
    std::memcpy(right->scores, leaf->scores + keep, right->n * sizeof(double));
    std::memcpy(right->nodes, leaf->nodes + keep, right->n * sizeof(ZNode*));
    leaf->n = keep;
    right->prev = leaf;
    right->next = leaf->next;
    if (right->next != nullptr) right->next->prev = right;
    leaf->next = right;
    if (at > keep || keep == Leaf::kMost) {
      leaf = right;
      at -= keep;
    }
  }
  open(leaf->scores, leaf->n, at);
  open(leaf->nodes, leaf->n, at);
  leaf->scores[at] = n->score;
  leaf->nodes[at] = n;
  ++leaf->n;
  if (at == 0 && leaf == left) first_changed(path, height_ - 1);
  if (right != nullptr) insert_child(path, height_ - 1, left, right);
}

// A child of the path's node at `level` was split; left keeps its place there. Below the root (level -1) a new root grows.
void ZTree::insert_child(Path& path, int level, void* left, void* right) {
  bool leaves = level == height_ - 1;
  auto size = [&](void* p) -> uint64_t {
    if (leaves) return static_cast<Leaf*>(p)->n;
    auto* in = static_cast<Inner*>(p);
    uint64_t n = 0;
    for (uint32_t i = 0; i < in->n; ++i) n += in->counts[i];
    return n;
  };
  auto put = [&](Inner* in, uint32_t at, void* child) {
    in->scores[at] = leaves ? static_cast<Leaf*>(child)->scores[0] : static_cast<Inner*>(child)->scores[0];
    in->nodes[at] = leaves ? static_cast<Leaf*>(child)->nodes[0] : static_cast<Inner*>(child)->nodes[0];
    in->counts[at] = size(child);
    in->children[at] = child;
  };
  if (level < 0) {
    Inner* root = new_inner();
    root->n = 2;
    put(root, 0, left);
    put(root, 1, right);
    root_ = root;
    ++height_;
    return;
  }
  Inner* in = path.steps[level].node;
  uint32_t at = path.steps[level].at;
  in->counts[at] = size(left);
  ++at;
  Inner* more = nullptr;
  Inner* into = in;
  if (in->n == Inner::kMost) {
    uint32_t keep = at == in->n ? in->n - 2 : in->n / 2;
    more = new_inner();
    more->n = in->n - keep;
    std::memcpy(more->scores, in->scores + keep, more->n * sizeof(double));
    std::memcpy(more->nodes, in->nodes + keep, more->n * sizeof(ZNode*));
    std::memcpy(more->counts, in->counts + keep, more->n * sizeof(uint64_t));
    std::memcpy(more->children, in->children + keep, more->n * sizeof(void*));
    in->n = keep;
    if (at > keep) {
      into = more;
      at -= keep;
    }
  }
  open(into->scores, into->n, at);
  open(into->nodes, into->n, at);
  open(into->counts, into->n, at);
  open(into->children, into->n, at);
  ++into->n;
  put(into, at, right);
  if (more != nullptr) insert_child(path, level - 1, in, more);
}

void ZTree::erase(ZNode* n) {
  Path path;
  descend(n->score, n->key(), n, &path);
  erase_at(path);
}
void ZTree::erase_at(Path& path) {
  for (int i = 0; i < height_; ++i) --path.steps[i].node->counts[path.steps[i].at];
  Leaf* leaf = path.leaf;
  close(leaf->scores, leaf->n, path.at);
  close(leaf->nodes, leaf->n, path.at);
  --leaf->n;
  if (leaf->n == 0) {
    if (leaf->prev != nullptr) leaf->prev->next = leaf->next;
    if (leaf->next != nullptr) leaf->next->prev = leaf->prev;
    mem_free(leaf);
    --leaves_;
    if (height_ == 0) root_ = nullptr;
    else drop_child(path, height_ - 1);
    return;
  }
  if (path.at == 0) first_changed(path, height_ - 1);
  if (leaf->n < kFew) merge_upwards(path, height_ - 1);
}

// The child that the path takes at `level` is gone.
void ZTree::drop_child(Path& path, int level) {
  Inner* in = path.steps[level].node;
  uint32_t at = path.steps[level].at;
  close(in->scores, in->n, at);
  close(in->nodes, in->n, at);
  close(in->counts, in->n, at);
  close(in->children, in->n, at);
  --in->n;
  if (in->n == 0) {
    mem_free(in);
    --inners_;
    if (level == 0) { root_ = nullptr; height_ = 0; }
    else drop_child(path, level - 1);
    return;
  }
  if (at == 0 && level > 0) first_changed(path, level - 1);
  merge_upwards(path, level - 1);
}

// The child that the path takes at `level` may have become small, and then so may its parents.
void ZTree::merge_upwards(Path& path, int level) {
  for (; level >= 0; --level) {
    Inner* in = path.steps[level].node;
    uint32_t at = path.steps[level].at;
    bool leaves = level == height_ - 1;
    auto entries = [&](uint32_t i) { return leaves ? static_cast<Leaf*>(in->children[i])->n : static_cast<Inner*>(in->children[i])->n; };
    if (entries(at) >= kFew) return;
    uint32_t l = at;
    if (at + 1 < in->n && entries(at) + entries(at + 1) <= kJoined) l = at;
    else if (at > 0 && entries(at - 1) + entries(at) <= kJoined) l = at - 1;
    else if (level == 0 && in->n == 1) break;
    else return;
    uint32_t r = l + 1;
    if (leaves) {
      auto* a = static_cast<Leaf*>(in->children[l]);
      auto* b = static_cast<Leaf*>(in->children[r]);
      std::memcpy(a->scores + a->n, b->scores, b->n * sizeof(double));
      std::memcpy(a->nodes + a->n, b->nodes, b->n * sizeof(ZNode*));
      a->n += b->n;
      a->next = b->next;
      if (a->next != nullptr) a->next->prev = a;
      mem_free(b);
      --leaves_;
    } else {
      auto* a = static_cast<Inner*>(in->children[l]);
      auto* b = static_cast<Inner*>(in->children[r]);
      std::memcpy(a->scores + a->n, b->scores, b->n * sizeof(double));
      std::memcpy(a->nodes + a->n, b->nodes, b->n * sizeof(ZNode*));
      std::memcpy(a->counts + a->n, b->counts, b->n * sizeof(uint64_t));
      std::memcpy(a->children + a->n, b->children, b->n * sizeof(void*));
      a->n += b->n;
      mem_free(b);
      --inners_;
    }
    in->counts[l] += in->counts[r];
    close(in->scores, in->n, r);
    close(in->nodes, in->n, r);
    close(in->counts, in->n, r);
    close(in->children, in->n, r);
    --in->n;
  }
  while (height_ > 0 && static_cast<Inner*>(root_)->n == 1) {
    void* child = static_cast<Inner*>(root_)->children[0];
    mem_free(root_);
    --inners_;
    root_ = child;
    --height_;
  }
}

void ZTree::update(ZNode* n, double score) {
  Path path;
  descend(n->score, n->key(), n, &path);
  Leaf* leaf = path.leaf;
  uint32_t at = path.at;
  Place before = at > 0 ? Place(leaf, at - 1) : Place::before(leaf), after = at + 1 < leaf->n ? Place(leaf, at + 1) : Place(leaf->next, 0);
  if ((!before || less(before->score, *before, score, n->key())) && (!after || !less(after->score, *after, score, n->key()))) {
    n->score = leaf->scores[at] = score;
    if (at == 0) first_changed(path, height_ - 1);
    return;
  }
  erase_at(path);
  n->score = score;
  insert(n);
}

uint64_t ZTree::rank(const ZNode* n) const {
  Path path;
  descend(n->score, n->key(), n, &path);
  uint64_t rank = path.at;
  for (int i = 0; i < height_; ++i)
    for (uint32_t k = 0; k < path.steps[i].at; ++k) rank += path.steps[i].node->counts[k];
  return rank;
}
ZTree::Place ZTree::at_rank(uint64_t rank) const {
  if (root_ == nullptr) return {};
  const void* p = root_;
  for (int h = height_; h > 0; --h) {
    auto* in = static_cast<const Inner*>(p);
    uint32_t k = 0;
    while (k < in->n && rank >= in->counts[k]) rank -= in->counts[k++];
    if (k == in->n) return {};
    p = in->children[k];
  }
  auto* leaf = static_cast<const Leaf*>(p);
  return rank < leaf->n ? Place(leaf, static_cast<uint32_t>(rank)) : Place();
}
ZTree::Place ZTree::first() const {
  if (root_ == nullptr) return {};
  const void* p = root_;
  for (int h = height_; h > 0; --h) p = static_cast<const Inner*>(p)->children[0];
  return {static_cast<const Leaf*>(p), 0};
}
ZTree::Place ZTree::last() const {
  if (root_ == nullptr) return {};
  const void* p = root_;
  for (int h = height_; h > 0; --h) {
    auto* in = static_cast<const Inner*>(p);
    p = in->children[in->n - 1];
  }
  auto* leaf = static_cast<const Leaf*>(p);
  return {leaf, leaf->n - 1};
}

bool ZTree::whole(const void* p, int height, uint64_t* count, const ZNode** first, const Leaf** leaf) const {
  if (height == 0) {
    auto* l = static_cast<const Leaf*>(p);
    if (l->n == 0 || l->n > Leaf::kMost || l->prev != *leaf || (*leaf != nullptr && (*leaf)->next != l)) return false;
    for (uint32_t i = 0; i < l->n; ++i) {
      if (l->scores[i] != l->nodes[i]->score) return false;
      if (i > 0 && !less(l->scores[i - 1], l->nodes[i - 1], l->scores[i], l->nodes[i]->key())) return false;
    }
    if (*leaf != nullptr && !less((*leaf)->scores[(*leaf)->n - 1], (*leaf)->nodes[(*leaf)->n - 1], l->scores[0], l->nodes[0]->key())) return false;
    *leaf = l;
    *count += l->n;
    *first = l->nodes[0];
    return true;
  }
  auto* in = static_cast<const Inner*>(p);
  if (in->n == 0 || in->n > Inner::kMost) return false;
  for (uint32_t i = 0; i < in->n; ++i) {
    uint64_t below = 0;
    const ZNode* least = nullptr;
    if (!whole(in->children[i], height - 1, &below, &least, leaf)) return false;
    if (below != in->counts[i] || least != in->nodes[i] || least->score != in->scores[i]) return false;
    *count += below;
  }
  *first = in->nodes[0];
  return true;
}
bool ZTree::whole(uint64_t size) const {
  if (root_ == nullptr) return size == 0;
  uint64_t count = 0;
  const ZNode* first = nullptr;
  const Leaf* leaf = nullptr;
  return whole(root_, height_, &count, &first, &leaf) && count == size && leaf->next == nullptr;
}

}  // namespace stele::keyspace
