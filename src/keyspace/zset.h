// Sorted sets beyond the listpack form: one node an element, found by member in a hash table and by order or rank in a tree.
#pragma once

#include <cstdint>
#include <string_view>

#include "keyspace/hash_table.h"
#include "keyspace/ztree.h"

namespace stele::keyspace {

struct ScoreRange { double min, max; bool min_open, max_open; };
// Bounds of ZRANGEBYLEX; kind -1 is "-", +1 is "+".
struct LexBound { std::string_view value; int kind = 0; bool open = false; };
struct LexRange { LexBound min, max; };
bool score_at_least(double v, const ScoreRange& r);
bool score_at_most(double v, const ScoreRange& r);
bool lex_at_least(std::string_view v, const LexRange& r);
bool lex_at_most(std::string_view v, const LexRange& r);

class Zset {
 public:
  using Place = ZTree::Place;
  Zset() = default;
  ~Zset();
  Zset(const Zset&) = delete;
  Zset& operator=(const Zset&) = delete;
  size_t size() const { return table.size(); }
  ZNode* find(std::string_view member) { return table.find(member); }
  ZNode* insert(std::string_view member, double score);  // must be absent
  void update(ZNode* n, double score);
  bool remove(std::string_view member);
  uint64_t rank(const ZNode* n) const { return order.rank(n); }         // 0-based
  Place at_rank(uint64_t rank) const { return order.at_rank(rank); }    // false past the end
  Place first() const { return order.first(); }
  Place last() const { return order.last(); }
  // First element not below, last element not above; false when there is none.
  Place first_in(const ScoreRange& r) const;
  Place last_in(const ScoreRange& r) const;
  Place first_in(const LexRange& r) const;
  Place last_in(const LexRange& r) const;
  TrackedTable<ZNode> table;
  ZTree order;
};

}  // namespace stele::keyspace
