#include "keyspace/zset.h"

namespace stele::keyspace {

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

Zset::~Zset() {
  table.for_each([](ZNode* n) { mem_free(n); });
}
ZNode* Zset::insert(std::string_view member, double score) {
  ZNode* n = ZNode::make(member, score);
  order.insert(n);
  table.add(n);
  return n;
}
void Zset::update(ZNode* n, double score) {
  table.mark(n);
  order.update(n, score);
}
bool Zset::remove(std::string_view member) {
  ZNode* n = table.take(member);
  if (n == nullptr) return false;
  order.erase(n);
  mem_free(n);
  table.shrink_if_sparse();
  return true;
}

Zset::Place Zset::first_in(const ScoreRange& r) const {
  Place p = order.first_not([&](double score, const ZNode*) { return !score_at_least(score, r); });
  return p && score_at_most(p->score, r) ? p : Place();
}
Zset::Place Zset::last_in(const ScoreRange& r) const {
  Place p = order.last_of([&](double score, const ZNode*) { return score_at_most(score, r); });
  return p && score_at_least(p->score, r) ? p : Place();
}
Zset::Place Zset::first_in(const LexRange& r) const {
  Place p = order.first_not([&](double, const ZNode* n) { return !lex_at_least(n->key(), r); });
  return p && lex_at_most(p->key(), r) ? p : Place();
}
Zset::Place Zset::last_in(const LexRange& r) const {
  Place p = order.last_of([&](double, const ZNode* n) { return lex_at_most(n->key(), r); });
  return p && lex_at_least(p->key(), r) ? p : Place();
}

}  // namespace stele::keyspace
