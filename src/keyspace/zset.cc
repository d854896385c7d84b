#include "keyspace/zset.h"

namespace stele::keyspace {
namespace {
constexpr int kMaxHeight = 32;

int random_height() {
  int h = 1;
  uint64_t r = random_u64();
  while ((r & 3) == 0 && h < kMaxHeight) {
    ++h;
    r >>= 2;
    if (h % 30 == 0) r = random_u64();
  }
  return h;
}
// Where a search goes on if it does not follow x on this level: on its way while the one on this level is compared.
inline void prefetch_below(const ZNode* x, int level) {
  if (level > 0) __builtin_prefetch(x->levels()[level - 1].forward);
}
bool before(const ZNode* n, double score, std::string_view member) {
  return n->score < score || (n->score == score && n->key() < member);
}
}  // namespace

bool score_at_least(double v, const ScoreRange& r) { return r.min_open ? v > r.min : v >= r.min; }
bool score_at_most(double v, const ScoreRange& r) { return r.max_open ? v < r.max : v <= r.max; }
bool lex_at_least(std::string_view v, const LexRange& r) {
  if (r.min.kind != 0) return r.min.kind < 0;
  return r.min.open ? v > r.min.value : v >= r.min.value;
}
bool lex_at_most(std::string_view v, const LexRange& r) {
  if (r.max.kind != 0) return r.max.kind > 0;
  return r.max.open ? v < r.max.value : v <= r.max.value;
}

ZNode* ZNode::make(std::string_view member, double score, int height) {
  auto* n = static_cast<ZNode*>(mem_alloc(sizeof(ZNode) + sizeof(Level) * static_cast<size_t>(height) + member.size()));
  n->next = n->backward = nullptr;
  n->score = score;
  n->len = static_cast<uint32_t>(member.size());
  n->height = static_cast<uint8_t>(height);
  n->dirty = false;
  for (int i = 0; i < height; ++i) n->levels()[i] = {nullptr, 0};
  if (!member.empty()) std::memcpy(const_cast<char*>(n->key().data()), member.data(), member.size());
  return n;
}

Zset::Zset() : head_(ZNode::make({}, 0, kMaxHeight)) {}
Zset::~Zset() {
  for (ZNode* n = first(); n != nullptr;) {
    ZNode* following = after(n);
    mem_free(n);
    n = following;
  }
  mem_free(head_);
}

void Zset::link(ZNode* n) {
  ZNode* update[kMaxHeight];
  uint64_t rank[kMaxHeight];
  ZNode* x = head_;
  for (int i = level_ - 1; i >= 0; --i) {
    rank[i] = i == level_ - 1 ? 0 : rank[i + 1];
    prefetch_below(x, i);
    while (x->levels()[i].forward != nullptr && before(x->levels()[i].forward, n->score, n->key())) {
      rank[i] += x->levels()[i].span;
      x = x->levels()[i].forward;
      prefetch_below(x, i);
    }
    update[i] = x;
  }
  size_t length = table.size();  // without n
  for (int i = level_; i < n->height; ++i) {
    rank[i] = 0;
    update[i] = head_;
    head_->levels()[i].span = length;
  }
  if (n->height > level_) level_ = n->height;
  for (int i = 0; i < n->height; ++i) {
    auto& prev = update[i]->levels()[i];
    n->levels()[i].forward = prev.forward;
    n->levels()[i].span = prev.span - (rank[0] - rank[i]);
    prev.forward = n;
    prev.span = rank[0] - rank[i] + 1;
  }
  for (int i = n->height; i < level_; ++i) ++update[i]->levels()[i].span;
  n->backward = update[0] == head_ ? nullptr : update[0];
  if (ZNode* following = n->levels()[0].forward) following->backward = n;
  else tail_ = n;
}

void Zset::unlink(ZNode* n) {
  ZNode* x = head_;
  for (int i = level_ - 1; i >= 0; --i) {
    prefetch_below(x, i);
    while (x->levels()[i].forward != nullptr && x->levels()[i].forward != n &&
           before(x->levels()[i].forward, n->score, n->key())) {
      x = x->levels()[i].forward;
      prefetch_below(x, i);
    }
    auto& l = x->levels()[i];
    if (l.forward == n) {
      l.span += n->levels()[i].span - 1;
      l.forward = n->levels()[i].forward;
    } else {
      --l.span;
    }
  }
  if (ZNode* following = n->levels()[0].forward) following->backward = n->backward;
  else tail_ = n->backward;
  while (level_ > 1 && head_->levels()[level_ - 1].forward == nullptr) --level_;
}

ZNode* Zset::insert(std::string_view member, double score) {
  ZNode* n = ZNode::make(member, score, random_height());
  link(n);
  table.add(n);
  return n;
}
ZNode* Zset::update(ZNode* n, double score) {
  table.mark(n);
  ZNode* following = n->levels()[0].forward;
  if ((n->backward == nullptr || before(n->backward, score, n->key())) &&
      (following == nullptr || !before(following, score, n->key()))) {
    n->score = score;
    return n;
  }
  unlink(n);
  n->score = score;
  // link() derives new top levels' spans from the table's size, which must exclude n.
  table.remove(n->key());
  link(n);
  table.insert(n);
  return n;
}
bool Zset::remove(std::string_view member) {
  ZNode* n = table.find(member);
  if (n == nullptr) return false;
  unlink(n);
  table.take(member);
  mem_free(n);
  table.shrink_if_sparse();
  return true;
}
uint64_t Zset::rank(const ZNode* n) const {
  uint64_t rank = 0;
  ZNode* x = head_;
  for (int i = level_ - 1; i >= 0; --i) {
    while (x->levels()[i].forward != nullptr &&
           (x->levels()[i].forward == n || before(x->levels()[i].forward, n->score, n->key()))) {
      rank += x->levels()[i].span;
      x = x->levels()[i].forward;
    }
    if (x == n) return rank - 1;
  }
  return rank - 1;
}
ZNode* Zset::at_rank(uint64_t rank) const {
  if (rank >= table.size()) return nullptr;
  uint64_t passed = 0, want = rank + 1;
  ZNode* x = head_;
  for (int i = level_ - 1; i >= 0; --i) {
    while (x->levels()[i].forward != nullptr && passed + x->levels()[i].span <= want) {
      passed += x->levels()[i].span;
      x = x->levels()[i].forward;
    }
    if (passed == want) return x;
  }
  return nullptr;
}

template <class Below>
static ZNode* descend(ZNode* head, int level, Below below) {
  ZNode* x = head;
  for (int i = level - 1; i >= 0; --i)
    while (x->levels()[i].forward != nullptr && below(x->levels()[i].forward)) x = x->levels()[i].forward;
  return x;
}
ZNode* Zset::first_in(const ScoreRange& r) const {
  ZNode* n = descend(head_, level_, [&](ZNode* x) { return !score_at_least(x->score, r); })->levels()[0].forward;
  return n != nullptr && score_at_most(n->score, r) ? n : nullptr;
}
ZNode* Zset::last_in(const ScoreRange& r) const {
  ZNode* n = descend(head_, level_, [&](ZNode* x) { return score_at_most(x->score, r); });
  return n != head_ && score_at_least(n->score, r) ? n : nullptr;
}
ZNode* Zset::first_in(const LexRange& r) const {
  ZNode* n = descend(head_, level_, [&](ZNode* x) { return !lex_at_least(x->key(), r); })->levels()[0].forward;
  return n != nullptr && lex_at_most(n->key(), r) ? n : nullptr;
}
ZNode* Zset::last_in(const LexRange& r) const {
  ZNode* n = descend(head_, level_, [&](ZNode* x) { return lex_at_most(x->key(), r); });
  return n != head_ && lex_at_least(n->key(), r) ? n : nullptr;
}

}  // namespace stele::keyspace
