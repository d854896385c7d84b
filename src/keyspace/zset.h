// Sorted sets beyond the listpack form: one node an element, linked both in a hash table by member and
// in a skip list ordered by (score, member) with spans for ranks (Pugh 1990; spans as in rank trees).
#pragma once

#include <cstdint>
#include <string_view>

#include "keyspace/hash_table.h"

namespace stele::keyspace {

struct ZNode {
  struct Level { ZNode* forward; uint64_t span; };
  ZNode* next;       // hash chain
  ZNode* backward;
  double score;
  uint32_t len;
  uint8_t height;
  bool dirty;
  // Levels follow, then the member's bytes.
  Level* levels() { return reinterpret_cast<Level*>(this + 1); }
  const Level* levels() const { return reinterpret_cast<const Level*>(this + 1); }
  std::string_view key() const {
    return {reinterpret_cast<const char*>(levels() + height), len};
  }
  static ZNode* make(std::string_view member, double score, int height);
};

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
  Zset();
  ~Zset();
  Zset(const Zset&) = delete;
  Zset& operator=(const Zset&) = delete;
  size_t size() const { return table.size(); }
  ZNode* find(std::string_view member) { return table.find(member); }
  ZNode* insert(std::string_view member, double score);  // must be absent
  ZNode* update(ZNode* n, double score);                 // returns n, re-linked
  bool remove(std::string_view member);
  uint64_t rank(const ZNode* n) const;                   // 0-based
  ZNode* at_rank(uint64_t rank) const;                   // null past the end
  ZNode* first() const { return head_->levels()[0].forward; }
  ZNode* last() const { return tail_; }
  static ZNode* after(const ZNode* n) { return n->levels()[0].forward; }
  // First node not below, last node not above; null when the range is empty.
  ZNode* first_in(const ScoreRange& r) const;
  ZNode* last_in(const ScoreRange& r) const;
  ZNode* first_in(const LexRange& r) const;
  ZNode* last_in(const LexRange& r) const;
  TrackedTable<ZNode> table;

 private:
  void link(ZNode* n);
  void unlink(ZNode* n);
  ZNode* head_;
  ZNode* tail_ = nullptr;
  int level_ = 1;
};

}  // namespace stele::keyspace
