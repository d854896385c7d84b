// Walking and rewriting expressions through sublinks and whole queries, with the nesting level.
#pragma once

#include <functional>

#include "query/query.h"

namespace stele::query {

std::shared_ptr<Expr> copy_expr(const Expr& e);

// Returns a replacement, or null to go on into the children. `level` counts enclosing subqueries
// entered so far: a Var of the starting query has levels_up == level.
using Rewriter = std::function<ExprPtr(const ExprPtr&, int level)>;
ExprPtr rewrite(const ExprPtr& e, const Rewriter& f, int level = 0);
// Rewrites every expression of the query in place; subqueries and CTEs with level + 1.
void rewrite_query(Query& q, const Rewriter& f, int level);

// Returns true to stop. Visits the node itself, then its children and subqueries.
using Visitor = std::function<bool(const Expr&, int level)>;
bool walk(const ExprPtr& e, const Visitor& f, int level = 0);
bool walk_query(const Query& q, const Visitor& f, int level);

// Every range table entry at every depth (entries and subqueries are copied, so f may change them).
void for_each_rte(Query& q, int depth, const std::function<void(RangeTableEntry&, int depth)>& f);

// Adds delta to levels_up of everything that refers to level `min_level` or above.
ExprPtr shift_levels(const ExprPtr& e, int delta, int min_level = 1);
void shift_levels(Query& q, int delta, int min_level = 1);
// Adds offset to the relation number of this level's Vars.
void offset_relations(Query& q, int offset);
ExprPtr offset_relations(const ExprPtr& e, int offset, int level = 0);

// True if the expression (or a subquery in it) has a Var of this level's relations.
bool has_vars(const ExprPtr& e);
bool has_upper_vars(const ExprPtr& e);
bool has_sublink(const ExprPtr& e);
bool has_aggregate(const ExprPtr& e);
bool has_window(const ExprPtr& e);
bool returns_set(const ExprPtr& e);
bool query_has_upper_vars(const Query& q);

}  // namespace stele::query
