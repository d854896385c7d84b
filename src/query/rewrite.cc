#include "query/rewrite.h"

namespace stele::query {

ExprPtr rewrite(const ExprPtr& e, const Rewriter& f, int level) {
  if (!e) return e;
  if (ExprPtr r = f(e, level)) return r;
  if (e->kind == ExprKind::kSubLink) {
    auto copy = std::make_shared<SubLinkExpr>(static_cast<const SubLinkExpr&>(*e));
    copy->test = rewrite(copy->test, f, level);
    auto sub = std::make_shared<Query>(*copy->subquery);
    rewrite_query(*sub, f, level + 1);
    copy->subquery = std::move(sub);
    return copy;
  }
  return map_children(e, [&](const ExprPtr& c) { return rewrite(c, f, level); });
}

namespace {
FromPtr rewrite_from(const FromPtr& item, const Rewriter& f, int level) {
  if (!item->is_join) return item;
  auto copy = std::make_shared<FromItem>(*item);
  copy->left = rewrite_from(item->left, f, level);
  if (item->right) copy->right = rewrite_from(item->right, f, level);
  copy->condition = rewrite(item->condition, f, level);
  return copy;
}
void rewrite_targets(std::vector<TargetEntry>& list, const Rewriter& f, int level) {
  for (auto& t : list) t.expr = rewrite(t.expr, f, level);
}
}  // namespace

void rewrite_query(Query& q, const Rewriter& f, int level) {
  for (auto& rte : q.range_table) {
    auto copy = std::make_shared<RangeTableEntry>(*rte);
    if (copy->subquery) {
      auto sub = std::make_shared<Query>(*copy->subquery);
      rewrite_query(*sub, f, level + 1);
      copy->subquery = std::move(sub);
    }
    for (auto& e : copy->join_columns) e = rewrite(e, f, level);
    for (auto& fn : copy->functions) fn.call = rewrite(fn.call, f, level);
    for (auto& row : copy->values) for (auto& e : row) e = rewrite(e, f, level);
    for (auto& e : copy->sample_args) e = rewrite(e, f, level);
    copy->sample_repeatable = rewrite(copy->sample_repeatable, f, level);
    rte = std::move(copy);
  }
  for (auto& item : q.from) item = rewrite_from(item, f, level);
  q.where = rewrite(q.where, f, level);
  rewrite_targets(q.targets, f, level);
  rewrite_targets(q.returning, f, level);
  if (q.on_conflict) {
    rewrite_targets(q.on_conflict->set, f, level);
    q.on_conflict->where = rewrite(q.on_conflict->where, f, level);
    q.on_conflict->arbiter_where = rewrite(q.on_conflict->arbiter_where, f, level);
    for (auto& e : q.on_conflict->arbiter_elements) e = rewrite(e, f, level);
  }
  for (auto& c : q.check_options) c.expr = rewrite(c.expr, f, level);
  for (auto& a : q.merge_actions) {
    a.condition = rewrite(a.condition, f, level);
    rewrite_targets(a.targets, f, level);
  }
  q.having = rewrite(q.having, f, level);
  for (auto& w : q.windows) {
    w.start_offset = rewrite(w.start_offset, f, level);
    w.end_offset = rewrite(w.end_offset, f, level);
  }
  q.limit_offset = rewrite(q.limit_offset, f, level);
  q.limit_count = rewrite(q.limit_count, f, level);
  for (auto& c : q.ctes) {
    auto sub = std::make_shared<Query>(*c.query);
    rewrite_query(*sub, f, level + 1);
    c.query = std::move(sub);
  }
}

bool walk(const ExprPtr& e, const Visitor& f, int level) {
  if (!e) return false;
  if (f(*e, level)) return true;
  bool stop = false;
  for_each_child(*e, [&](const ExprPtr& c) { if (!stop) stop = walk(c, f, level); });
  if (!stop && e->kind == ExprKind::kSubLink)
    stop = walk_query(*static_cast<const SubLinkExpr&>(*e).subquery, f, level + 1);
  return stop;
}

namespace {
bool walk_from(const FromItem& item, const Visitor& f, int level) {
  return item.is_join && (walk_from(*item.left, f, level) || (item.right && walk_from(*item.right, f, level)) || walk(item.condition, f, level));
}
}  // namespace

bool walk_query(const Query& q, const Visitor& f, int level) {
  auto targets = [&](const std::vector<TargetEntry>& list) {
    return std::any_of(list.begin(), list.end(), [&](auto& t) { return walk(t.expr, f, level); });
  };
  for (auto& rte : q.range_table) {
    if (rte->subquery && walk_query(*rte->subquery, f, level + 1)) return true;
    for (auto& e : rte->join_columns) if (walk(e, f, level)) return true;
    for (auto& fn : rte->functions) if (walk(fn.call, f, level)) return true;
    for (auto& row : rte->values) for (auto& e : row) if (walk(e, f, level)) return true;
  }
  for (auto& item : q.from) if (walk_from(*item, f, level)) return true;
  if (walk(q.where, f, level) || targets(q.targets) || targets(q.returning) || walk(q.having, f, level) ||
      walk(q.limit_offset, f, level) || walk(q.limit_count, f, level)) return true;
  if (q.on_conflict && (targets(q.on_conflict->set) || walk(q.on_conflict->where, f, level))) return true;
  for (auto& c : q.check_options) if (walk(c.expr, f, level)) return true;
  for (auto& a : q.merge_actions) if (walk(a.condition, f, level) || targets(a.targets)) return true;
  for (auto& w : q.windows) if (walk(w.start_offset, f, level) || walk(w.end_offset, f, level)) return true;
  for (auto& c : q.ctes) if (walk_query(*c.query, f, level + 1)) return true;
  return false;
}

void for_each_rte(Query& q, int depth, const std::function<void(RangeTableEntry&, int)>& f) {
  for (auto& rte : q.range_table) {
    auto copy = std::make_shared<RangeTableEntry>(*rte);
    f(*copy, depth);
    if (copy->subquery) {
      auto sub = std::make_shared<Query>(*copy->subquery);
      for_each_rte(*sub, depth + 1, f);
      copy->subquery = std::move(sub);
    }
    rte = std::move(copy);
  }
  // rewrite_query() enters subqueries of entries and CTEs with level 1: those are done by this function.
  rewrite_query(q, [&](const ExprPtr& e, int level) -> ExprPtr {
    if (level > 0) return e;
    if (e->kind != ExprKind::kSubLink) return nullptr;
    auto copy = std::make_shared<SubLinkExpr>(static_cast<const SubLinkExpr&>(*e));
    auto sub = std::make_shared<Query>(*copy->subquery);
    for_each_rte(*sub, depth + 1, f);
    copy->subquery = std::move(sub);
    return copy;
  }, 0);
  for (auto& c : q.ctes) {
    auto sub = std::make_shared<Query>(*c.query);
    for_each_rte(*sub, depth + 1, f);
    c.query = std::move(sub);
  }
}

namespace {
int* levels_field(Expr& e) {
  switch (e.kind) {
    case ExprKind::kVar: return &static_cast<VarExpr&>(e).levels_up;
    case ExprKind::kAggregate: return &static_cast<AggregateExpr&>(e).levels_up;
    case ExprKind::kGrouping: return &static_cast<GroupingExpr&>(e).levels_up;
    default: return nullptr;
  }
}
Rewriter level_shifter(int delta, int min_level) {
  return [=](const ExprPtr& e, int level) -> ExprPtr {
    int* up = levels_field(const_cast<Expr&>(*e));
    if (up == nullptr || *up < min_level + level) return nullptr;
    auto copy = copy_expr(*e);
    *levels_field(*copy) += delta;
    if (e->kind == ExprKind::kVar) return copy;
    return map_children(copy, [&](const ExprPtr& c) { return rewrite(c, level_shifter(delta, min_level), level); });
  };
}
// CTE references carry a level too.
void shift_cte_levels(Query& q, int delta, int min_level) {
  for_each_rte(q, 0, [&](RangeTableEntry& rte, int depth) {
    if (rte.kind == RteKind::kCte && rte.cte_levels_up >= min_level + depth) rte.cte_levels_up += delta;
  });
}
}  // namespace

ExprPtr shift_levels(const ExprPtr& e, int delta, int min_level) {
  if (delta == 0) return e;
  return rewrite(e, level_shifter(delta, min_level), 0);
}
void shift_levels(Query& q, int delta, int min_level) {
  if (delta == 0) return;
  rewrite_query(q, level_shifter(delta, min_level), 0);
  shift_cte_levels(q, delta, min_level);
}

namespace {
Rewriter relation_offsetter(int offset) {
  return [=](const ExprPtr& e, int level) -> ExprPtr {
    if (e->kind != ExprKind::kVar) return nullptr;
    auto& v = static_cast<const VarExpr&>(*e);
    if (v.levels_up != level) return nullptr;
    auto copy = std::make_shared<VarExpr>(v);
    copy->relation += offset;
    return copy;
  };
}
FromPtr offset_from(const FromPtr& item, int offset) {
  auto copy = std::make_shared<FromItem>(*item);
  if (copy->relation > 0) copy->relation += offset;
  if (copy->is_join) {
    copy->left = offset_from(item->left, offset);
    if (item->right) copy->right = offset_from(item->right, offset);
  }
  return copy;
}
}  // namespace

ExprPtr offset_relations(const ExprPtr& e, int offset, int level) { return rewrite(e, relation_offsetter(offset), level); }
void offset_relations(Query& q, int offset) {
  rewrite_query(q, relation_offsetter(offset), 0);
  for (auto& item : q.from) item = offset_from(item, offset);
  for (auto& l : q.row_locks) l.relation += offset;
}

bool has_vars(const ExprPtr& e) {
  return walk(e, [](const Expr& x, int level) { return x.kind == ExprKind::kVar && static_cast<const VarExpr&>(x).levels_up == level; });
}
bool has_upper_vars(const ExprPtr& e) {
  return walk(e, [](const Expr& x, int level) {
    int* up = levels_field(const_cast<Expr&>(x));
    return up != nullptr && *up > level;
  });
}
bool query_has_upper_vars(const Query& q) {
  return walk_query(q, [](const Expr& x, int level) {
    int* up = levels_field(const_cast<Expr&>(x));
    return up != nullptr && *up > level;
  }, 0);
}
namespace {
bool has_kind(const ExprPtr& e, ExprKind kind) {
  return walk(e, [=](const Expr& x, int level) {
    if (x.kind != kind) return false;
    int* up = levels_field(const_cast<Expr&>(x));
    return up == nullptr || *up == level;
  });
}
}  // namespace
bool has_sublink(const ExprPtr& e) { return has_kind(e, ExprKind::kSubLink); }
bool has_aggregate(const ExprPtr& e) { return has_kind(e, ExprKind::kAggregate); }
bool has_window(const ExprPtr& e) {
  return walk(e, [](const Expr& x, int level) { return level == 0 && x.kind == ExprKind::kWindow; });
}
bool returns_set(const ExprPtr& e) {
  return walk(e, [](const Expr& x, int level) { return level == 0 && x.kind == ExprKind::kFunc && static_cast<const FuncExpr&>(x).returns_set; });
}

}  // namespace stele::query
