// Replacing parts of queries by other queries.
#pragma once

#include "types/text_search/ts_value.h"

namespace stele {

// One pass over a query for every (what, by) pair, in order. AND and OR match any of their operands
// in any order; what was put in is not searched again.
class TsRewriter {
 public:
  explicit TsRewriter(const TsNode& query);
  ~TsRewriter();
  // `by` may be null: the part goes away. False when nothing is left of the query.
  bool replace(const TsNode& what, const TsNode* by);
  // Makes what was put in searchable for the next pass.
  void again();
  // Null when nothing is left.
  TsNodePtr result() const;

 private:
  struct Node;
  std::unique_ptr<Node> root_;
};

}  // namespace stele
