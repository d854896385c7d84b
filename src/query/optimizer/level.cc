// One query level from tree to plan, and the statement around it.
#include "base/error.h"
#include "query/dml/point.h"
#include "query/optimizer/planner.h"
#include "query/scan_providers.h"
#include "types/builtin.h"
#include "types/oids.h"

namespace stele::query {

namespace {
std::vector<std::unique_ptr<ScanProvider>>& providers() {
  static std::vector<std::unique_ptr<ScanProvider>> list;
  return list;
}
}  // namespace
void register_scan_provider(std::unique_ptr<ScanProvider> p) { providers().push_back(std::move(p)); }
const std::vector<std::unique_ptr<ScanProvider>>& scan_providers() { return providers(); }

void too_many_relations() { throw Error(ErrorCode::kStatementTooComplex, fmt::format("a query level cannot join more than {} relations", kMaxRelations)); }

NodePtr Level::plan(Query q, double fraction) {
  if (planner_.ctx.eval != nullptr && planner_.ctx.eval->check_interrupts) planner_.ctx.eval->check_interrupts();
  tuple_fraction_ = fraction;
  adopt(std::move(q));
  expand_views();
  expand_ctes();
  bind_search_calls();
  flatten_join_vars();
  if (q_.set_operation) return plan_set_operation();
  limit_relations();
  base_leaves_ = count_leaves();
  prepare_modify();
  pull_up_sublinks();
  flatten_join_vars();
  pull_up_subqueries();
  simplify_all();
  if (q_.grouping_sets.empty()) {
    // HAVING that mentions no aggregate filters rows before grouping.
    bool grouped = !q_.group_by.empty();
    if (q_.having && grouped) {
      std::vector<ExprPtr> parts, keep;
      split_and(q_.having, parts);
      for (auto& p : parts) {
        if (has_aggregate(p) || has_volatile(p, planner_.ctx) || has_sublink(p)) { keep.push_back(p); continue; }
        q_.where = q_.where ? make_and({q_.where, p}) : p;
      }
      q_.having = make_and(keep);
      if (!q_.having && !q_.has_aggregates && false) q_.group_by.clear();
    }
    auto zero_grouping = [&](const ExprPtr& e, int level) -> ExprPtr {
      if (e->kind != ExprKind::kGrouping || level > 0) return nullptr;
      return make_const(oid::kInt4, {Datum::from_int(0), false}, planner_.ctx);
    };
    for (auto& t : q_.targets) t.expr = rewrite(t.expr, zero_grouping);
    if (q_.having) q_.having = rewrite(q_.having, zero_grouping);
  }
  reduce_outer_joins();
  plan_all_sublinks();
  add_modify_columns();

  bool grouping = q_.has_aggregates || !q_.group_by.empty() || !q_.grouping_sets.empty() || q_.having;
  bool windows = q_.has_windows;
  auto limit_of = [](const ExprPtr& e) {
    if (!e || e->kind != ExprKind::kConst || static_cast<const ConstExpr&>(*e).is_null) return -1.0;
    return static_cast<double>(static_cast<const ConstExpr&>(*e).value.as_int());
  };
  double outer_fraction = tuple_fraction_;
  if (q_.limit_count) {
    double c = limit_of(q_.limit_count), o = q_.limit_offset ? limit_of(q_.limit_offset) : 0;
    tuple_fraction_ = c >= 0 ? std::max(1.0, c + std::max(0.0, o)) : 0.1;
    if (q_.limit_count->kind == ExprKind::kConst && static_cast<const ConstExpr&>(*q_.limit_count).is_null) tuple_fraction_ = outer_fraction;
  }
  if (grouping || windows || (!q_.distinct.empty() && !q_.has_distinct_on)) tuple_fraction_ = 0;

  std::vector<SortKey> wanted;
  try {
    if (!q_.grouping_sets.empty()) {
    } else if (!q_.group_by.empty()) {
      for (auto& g : q_.group_by) wanted.push_back(sort_key_for(g, q_.targets));
    } else if (!grouping && !windows) {
      for (auto& o : q_.distinct.empty() || q_.has_distinct_on ? q_.order_by : q_.distinct) wanted.push_back(sort_key_for(o, q_.targets));
    }
  } catch (const Error&) {
    wanted.clear();
  }
  std::erase_if(wanted, [](auto& k) { return has_window(k.expr) || has_aggregate(k.expr) || returns_set(k.expr); });

  NodePtr n = grouping && q_.group_by.empty() && q_.grouping_sets.empty() ? min_max_by_index() : nullptr;
  if (!n) {
    n = plan_from_where(wanted);
    if (grouping) {
      n = plan_grouping(n);
      provided_below_ = n->group_keys;
      provided_below_.insert(provided_below_.end(), n->aggregates.begin(), n->aggregates.end());
    }
  } else {
    provided_below_ = n->set_targets;
  }
  if (windows) n = plan_windows(n);
  bool srf = std::any_of(q_.targets.begin(), q_.targets.end(), [](auto& t) { return returns_set(t.expr); });
  if (srf) n = plan_project(n);
  bool projected = srf;
  if (!q_.distinct.empty()) {
    if (!projected) { n = plan_project(n); projected = true; }
    n = plan_distinct(n);
  }
  if (!q_.order_by.empty()) {
    // Expressions of the result are computed before sorting, once; but what a LIMIT would throw away is
    // computed after it.
    if (!projected) {
      bool complex = std::any_of(q_.targets.begin(), q_.targets.end(), [&](auto& t) { return t.sort_group_ref != 0 && t.expr->kind != ExprKind::kVar && t.expr->kind != ExprKind::kAggregate && t.expr->kind != ExprKind::kWindow; });
      bool any_volatile = std::any_of(q_.targets.begin(), q_.targets.end(), [&](auto& t) { return t.sort_group_ref != 0 && has_volatile(t.expr, planner_.ctx); });
      bool late = std::any_of(q_.targets.begin(), q_.targets.end(), [&](auto& t) { return t.sort_group_ref == 0 && (has_volatile(t.expr, planner_.ctx) || walk(t.expr, [](const Expr& e, int) { return e.kind == ExprKind::kSubPlan; })); });
      if (complex && (any_volatile || (!late && !q_.row_locks.size()))) { n = plan_project(n); projected = true; }
    }
    n = plan_order(n);
  }
  if (!q_.row_locks.empty() && q_.command == CommandKind::kSelect) n = plan_locks(n);
  if (!projected || !n || n->type == NodeType::kAgg) n = plan_project(n);
  if (q_.limit_count || q_.limit_offset) n = plan_limit(n);
  tuple_fraction_ = outer_fraction;
  if (q_.command != CommandKind::kSelect) n = plan_modify(n);
  return n;
}

// min() and max() over an indexed column: one row from the end of the index each.
NodePtr Level::min_max_by_index() {
  if (q_.from.size() != 1 || q_.from[0]->is_join || q_.having || q_.has_windows) return nullptr;
  auto rte = planner_.rte(q_.from[0]->relation);
  if (rte->kind != RteKind::kRelation || rte->relation < oid::kFirstUserOid || !rte->sample_method.empty()) return nullptr;
  auto table = planner_.relation(rte->relation);
  if (!table || table->indexes.empty() || !inheritance_children(*planner_.state, table->oid).empty()) return nullptr;
  std::vector<ExprPtr> aggregates;
  std::function<void(const ExprPtr&)> visit = [&](const ExprPtr& x) {
    if (x->kind == ExprKind::kAggregate) { add_distinct(aggregates, x); return; }
    for_each_child(*x, visit);
  };
  bool bare = false;
  for (auto& t : q_.targets) {
    visit(t.expr);
    if (returns_set(t.expr)) return nullptr;
  }
  if (aggregates.empty() || bare) return nullptr;
  std::vector<std::pair<const AggregateExpr*, Oid>> found;
  for (auto& a : aggregates) {
    auto& agg = static_cast<const AggregateExpr&>(*a);
    auto* info = builtin::aggregate(agg.func);
    if (info == nullptr || info->sort_operator == 0 || agg.args.size() != 1 || agg.filter || !agg.order_by.empty() || agg.levels_up != 0) return nullptr;
    const Expr* arg = agg.args[0].get();
    while (arg->kind == ExprKind::kRelabel) arg = static_cast<const UnaryExpr*>(arg)->arg.get();
    if (arg->kind != ExprKind::kVar) return nullptr;
    bool indexed = false;
    for (Oid ix : table->indexes) {
      auto index = planner_.relation(ix);
      if (index && index->index && index->index->method == "btree" && index->index->valid && index->index->predicate_sql.empty() && index->index->keys[0].column == static_cast<const VarExpr*>(arg)->column) indexed = true;
    }
    if (!indexed) return nullptr;
    found.emplace_back(&agg, info->sort_operator);
  }
  if (q_.where && has_sublink(q_.where)) return nullptr;
  if (walk(q_.where, [](const Expr& e, int) { return e.kind == ExprKind::kSubPlan; })) return nullptr;
  auto result = std::make_shared<PlanNode>();
  result->type = NodeType::kProject;
  auto leaf = std::make_shared<PlanNode>();
  leaf->type = NodeType::kResult;
  result->children = {leaf};
  for (auto& [agg, sort_op] : found) {
    // SELECT col FROM t WHERE ... AND col IS NOT NULL ORDER BY col LIMIT 1, over a fresh copy of the entry.
    Query sub;
    auto entry = std::make_shared<RangeTableEntry>(*rte);
    sub.range_table = {entry};
    auto item = std::make_shared<FromItem>();
    item->relation = 1;
    sub.from = {item};
    int rti = q_.from[0]->relation;
    auto renumber = [&](const ExprPtr& e) {
      return rewrite(e, [&](const ExprPtr& x, int) -> ExprPtr {
        if (x->kind != ExprKind::kVar || static_cast<const VarExpr&>(*x).relation != rti) return nullptr;
        auto v = std::make_shared<VarExpr>(static_cast<const VarExpr&>(*x));
        v->relation = 1;
        return v;
      });
    };
    ExprPtr arg = renumber(agg->args[0]);
    auto not_null = std::make_shared<NullTestExpr>();
    not_null->type = oid::kBool;
    not_null->arg = arg;
    not_null->is_null = false;
    sub.where = q_.where ? make_and({renumber(q_.where), not_null}) : ExprPtr(not_null);
    TargetEntry t;
    t.expr = arg;
    t.resno = 1;
    t.sort_group_ref = 1;
    sub.targets = {t};
    SortGroupRef o;
    o.ref = 1;
    o.sort_op = sort_op;
    auto ops = btree_ops(sort_op, *planner_.state);
    o.descending = !ops.empty() && ops[0].strategy == 5;
    o.nulls_first = o.descending;
    sub.order_by = {o};
    sub.limit_count = make_const(oid::kInt8, {Datum::from_int(1), false}, planner_.ctx);
    auto plan = std::make_shared<SubPlanExpr>();
    plan->link = SubLinkKind::kExpr;
    plan->type = agg->type;
    plan->typmod = agg->typmod;
    plan->collation = agg->collation;
    std::shared_ptr<Level> inner;
    NodePtr path = plan_subselect(sub, plan->args, 1, &inner);
    // Only when the order really comes from an index.
    std::function<bool(const PlanNode&)> sorts = [&](const PlanNode& p) { return p.type == NodeType::kSort || std::any_of(p.children.begin(), p.children.end(), [&](auto& c) { return sorts(*c); }); };
    if (sorts(*path)) return nullptr;
    NodePtr done = finalize(path, inner->output_exprs(), *inner);
    plan->cacheable = !walk(q_.where, [](const Expr& e, int) { return e.kind == ExprKind::kParam && static_cast<const ParamExpr&>(e).id >= kExecParamBase; });
    plan->plan = static_cast<int>(planner_.stmt->subplans.size());
    plan->label = fmt::format("InitPlan {}", ++planner_.subplan_count);
    planner_.stmt->subplans.push_back(done);
    result->total += done->total;
    for (auto& x : q_.targets)
      x.expr = rewrite(x.expr, [&](const ExprPtr& e, int level) -> ExprPtr {
        if (level > 0 || e->kind != ExprKind::kAggregate) return nullptr;
        auto& other = static_cast<const AggregateExpr&>(*e);
        return other.func == agg->func && equal(other.args[0], agg->args[0]) ? ExprPtr(plan) : nullptr;
      });
  }
  leaf->total = result->total;
  return leaf;
}

Planner::Planner(ExecContext& c, bool fold) : ctx(c), fold_params(fold) {
  settings_ = c.settings != nullptr ? c.settings : &defaults_;
  state = c.catalog->state();
  stmt = std::make_shared<PlannedStatement>();
  exec.ctx = &c;
  exec.eval = c.eval;
}

std::shared_ptr<PlannedStatement> Planner::plan(const Query& q) {
  stmt->kind = q.command;
  stmt->version = state->version();
  Level level(*this, nullptr);
  NodePtr path = level.plan(q, 0);
  const Query& done = level.query();
  std::vector<ExprPtr> need;
  if (path->type == NodeType::kModifyTable) {
    stmt->root = finalize(path, {}, level);
    stmt->rows_returned = !done.returning.empty();
    for (size_t i = 0; i < done.returning.size(); ++i) stmt->output_slots.push_back(static_cast<int>(i));
  } else {
    need = level.output_exprs();
    stmt->root = finalize(path, need, level);
    stmt->rows_returned = true;
    Layout layout(stmt->root->layout);
    if (level.set_columns_.empty() && stmt->root->layout.size() == done.targets.size()) {
      for (size_t i = 0; i < done.targets.size(); ++i) if (!done.targets[i].junk) stmt->output_slots.push_back(static_cast<int>(i));
    } else {
      for (auto& e : need) stmt->output_slots.push_back(layout.find(e));
    }
  }
  auto& named = q.command == CommandKind::kSelect ? q.targets : q.returning;
  for (auto& t : named) {
    if (t.junk) continue;
    OutputColumn c;
    c.name = t.name;
    c.type = t.expr->type;
    c.typmod = t.expr->typmod;
    c.origin_table = t.origin_table;
    c.origin_column = t.origin_column;
    if (q.set_operation && stmt->columns.size() < q.set_operation->types.size()) {
      c.type = q.set_operation->types[stmt->columns.size()];
      c.typmod = stmt->columns.size() < q.set_operation->typmods.size() ? q.set_operation->typmods[stmt->columns.size()] : -1;
    }
    stmt->columns.push_back(std::move(c));
  }
  for (auto& r : rtable) {
    stmt->range_table.push_back(r);
    if (r->kind != RteKind::kRelation && r->relation == 0) continue;
    if (r->relation < oid::kFirstUserOid) continue;
    if (std::none_of(stmt->locks.begin(), stmt->locks.end(), [&](auto& l) { return l.first == r->relation && l.second >= r->lock_mode; })) {
      std::erase_if(stmt->locks, [&](auto& l) { return l.first == r->relation; });
      stmt->locks.emplace_back(r->relation, r->lock_mode);
      for (Oid child : inheritance_children(*state, r->relation)) stmt->locks.emplace_back(child, r->lock_mode);
    }
  }
  stmt->is_generic = !used_params;
  make_point_plan(*stmt, ctx);
  return stmt;
}

PlanPtr make_plan(const QueryPtr& query, ExecContext& ctx, bool fold_params) {
  Planner planner(ctx, fold_params);
  return planner.plan(*query);
}

}  // namespace stele::query
