// Subqueries in FROM: conditions pushed into them, and their plans as access paths.
#include "base/error.h"
#include "query/optimizer/planner.h"
#include "types/oids.h"

namespace stele::query {

bool Level::push_into_subquery(const ExprPtr& clause, int rti, Query& sub) {
  if (has_volatile(clause, planner_.ctx) || has_sublink(clause)) return false;
  bool ok = true;
  std::set<int> columns;
  walk(clause, [&](const Expr& e, int) {
    if (e.kind == ExprKind::kSubPlan) ok = false;
    if (e.kind == ExprKind::kVar) {
      auto& v = static_cast<const VarExpr&>(e);
      if (v.relation != rti || v.column <= 0) ok = false;
      else columns.insert(v.column);
    }
    return false;
  });
  if (!ok || columns.empty() || sub.limit_count || sub.limit_offset || sub.command != CommandKind::kSelect || sub.has_target_srfs || !sub.row_locks.empty()) return false;
  if (sub.set_operation) {
    std::function<bool(const SetOperation&)> fine = [&](const SetOperation& s) { return s.leaf || (s.op != SetOp::kExcept && fine(*s.left) && fine(*s.right)); };
    if (!fine(*sub.set_operation) || sub.recursive) return false;
    // Into every arm: the columns must have the arm's own types.
    std::function<bool(const SetOperation&, bool)> each = [&](const SetOperation& s, bool apply) -> bool {
      if (!s.leaf) return each(*s.left, apply) && each(*s.right, apply);
      auto& rte = sub.range_table[s.relation - 1];
      if (rte->kind != RteKind::kSubquery || !rte->subquery) return false;
      auto arm = std::make_shared<Query>(*rte->subquery);
      std::vector<const TargetEntry*> visible;
      for (auto& t : arm->targets) if (!t.junk) visible.push_back(&t);
      for (int c : columns) {
        if (c > static_cast<int>(visible.size())) return false;
        if (visible[c - 1]->expr->type != sub.set_operation->types[c - 1]) return false;
      }
      if (!push_into_subquery(clause, rti, *arm)) return false;
      if (apply) {
        auto copy = std::make_shared<RangeTableEntry>(*rte);
        copy->subquery = arm;
        rte = copy;
      }
      return true;
    };
    return each(*sub.set_operation, false) && each(*sub.set_operation, true);
  }
  std::vector<const TargetEntry*> visible;
  for (auto& t : sub.targets) if (!t.junk) visible.push_back(&t);
  for (int c : columns) {
    if (c > static_cast<int>(visible.size())) return false;
    const TargetEntry& t = *visible[c - 1];
    if (has_volatile(t.expr, planner_.ctx) || returns_set(t.expr)) return false;
    if (!sub.distinct.empty() && sub.has_distinct_on &&
        std::none_of(sub.distinct.begin(), sub.distinct.end(), [&](auto& d) { return d.ref == t.sort_group_ref && d.ref != 0; })) return false;
    if (sub.has_windows)
      for (auto& w : sub.windows)
        if (std::none_of(w.partition_by.begin(), w.partition_by.end(), [&](auto& d) { return d.ref == t.sort_group_ref && d.ref != 0; })) return false;
  }
  if (sub.grouping_sets.size() && has_aggregate(clause)) return false;
  ExprPtr pushed = rewrite(clause, [&](const ExprPtr& e, int level) -> ExprPtr {
    if (e->kind != ExprKind::kVar || level > 0) return nullptr;
    return visible[static_cast<const VarExpr&>(*e).column - 1]->expr;
  });
  if (sub.has_aggregates || !sub.group_by.empty() || !sub.grouping_sets.empty() || sub.having) {
    if (!sub.grouping_sets.empty()) { sub.having = sub.having ? make_and({sub.having, pushed}) : pushed; return true; }
    sub.having = sub.having ? make_and({sub.having, pushed}) : pushed;
  } else {
    sub.where = sub.where ? make_and({sub.where, pushed}) : pushed;
  }
  if (has_sublink(pushed)) sub.has_sublinks = true;
  return true;
}

void Level::subquery_path(RelInfo& rel) {
  auto rte = rel.rte;
  if (!rte->subquery) throw Error(ErrorCode::kInternalError, "range table entry without its subquery");
  Query sub = *rte->subquery;
  std::vector<ExprPtr> kept;
  std::vector<ClausePtr> left;
  for (auto& c : rel.quals) {
    if (!rte->security_barrier && c->relids == rel.relids && push_into_subquery(c->expr, rel.rti, sub)) continue;
    left.push_back(c);
    kept.push_back(c->expr);
  }
  rel.quals = left;
  auto node = std::make_shared<PlanNode>();
  node->type = NodeType::kSubqueryScan;
  node->rti = rel.rti;
  node->relids = rel.relids;
  node->alias = rte->alias;
  std::shared_ptr<Level> level;
  double fraction = 0;
  if (base_.size() == 1 && kept.empty() && tuple_fraction_ > 0 && !q_.has_aggregates && q_.group_by.empty() && q_.order_by.empty() && q_.distinct.empty() && !q_.has_windows) fraction = tuple_fraction_;
  size_t first_cte = planner_.stmt->ctes.size();
  NodePtr child = plan_subselect(sub, node->lateral_params, fraction, &level);
  if (!node->lateral_params.empty())
    for (size_t i = first_cte; i < planner_.stmt->ctes.size(); ++i) node->own_ctes.push_back(static_cast<int>(i));
  for (auto& [id, e] : node->lateral_params) rel.lateral |= relids_of(e);
  node->sub_columns = level->output_exprs();
  node->children = {child};
  node->quals = kept;
  rel.tuples = std::max(1.0, child->rows);
  set_base_size(rel);
  node->rows = rel.rows;
  node->width = rel.width;
  node->startup = child->startup;
  node->total = child->total + rel.tuples * (kept.empty() ? 0 : planner_.settings().cpu_tuple_cost + qual_cost(kept, planner_));
  node->required_outer = rel.lateral;
  // The order of the subquery, in terms of our columns.
  auto& order = level->q_.order_by;
  if (!order.empty()) {
    std::vector<SortKey> keys;
    for (auto& o : order) {
      int position = 0, at = 0;
      for (auto& t : level->q_.targets) {
        if (t.junk) continue;
        ++position;
        if (t.sort_group_ref == o.ref) at = position;
      }
      if (at == 0 || at > static_cast<int>(rte->column_types.size())) break;
      SortKey k;
      k.expr = make_var(rel.rti, static_cast<int16_t>(at), rte->column_types[at - 1], rte->column_typmods.size() >= static_cast<size_t>(at) ? rte->column_typmods[at - 1] : -1,
                        rte->column_collations.size() >= static_cast<size_t>(at) ? rte->column_collations[at - 1] : 0);
      k.collation = k.expr->collation;
      k.sort_op = o.sort_op;
      k.descending = o.descending;
      k.nulls_first = o.nulls_first;
      keys.push_back(k);
    }
    node->pathkeys = pathkeys_for(keys);
  }
  // The level's expressions must outlive its plan: finalize it now.
  std::vector<ExprPtr> need = node->sub_columns;
  node->children = {finalize(child, need, *level)};
  add_path(rel, node);
}

}  // namespace stele::query
