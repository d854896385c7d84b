// Sublinks that did not become joins: planned on their own, run by SubPlanExpr nodes.
#include "base/error.h"
#include "query/optimizer/planner.h"
#include "types/oids.h"

namespace stele::query {

NodePtr Level::plan_subselect(const Query& sub, std::vector<std::pair<int, ExprPtr>>& args, double fraction, std::shared_ptr<Level>* out) {
  Query q = sub;
  // Everything that belongs to this level becomes an exec parameter.
  rewrite_query(q, [&](const ExprPtr& e, int level) -> ExprPtr {
    ExprPtr mine;
    if (e->kind == ExprKind::kVar) {
      auto& v = static_cast<const VarExpr&>(*e);
      if (v.levels_up != level) return nullptr;
    } else if (e->kind == ExprKind::kAggregate) {
      if (static_cast<const AggregateExpr&>(*e).levels_up != level) return nullptr;
    } else if (e->kind == ExprKind::kGrouping) {
      if (static_cast<const GroupingExpr&>(*e).levels_up != level) return nullptr;
    } else {
      return nullptr;
    }
    mine = shift_levels(e, -level, level);
    if (mine->kind == ExprKind::kVar && static_cast<const VarExpr&>(*mine).column == 0) mine = expand_whole_row(static_cast<const VarExpr&>(*mine));
    if (mine->kind == ExprKind::kVar && planner_.rte(static_cast<const VarExpr&>(*mine).relation)->kind == RteKind::kJoin)
      mine = planner_.rte(static_cast<const VarExpr&>(*mine).relation)->join_columns[static_cast<const VarExpr&>(*mine).column - 1];
    int id = -1;
    for (auto& [i, x] : args) if (equal(x, mine)) id = i;
    if (id < 0) {
      id = planner_.new_param();
      args.emplace_back(id, mine);
    }
    auto p = std::make_shared<ParamExpr>();
    p->param_kind = ParamKind::kExec;
    p->id = id;
    p->type = e->type;
    p->typmod = e->typmod;
    p->collation = e->collation;
    return p;
  }, 1);
  auto level = std::make_shared<Level>(planner_, this);
  NodePtr plan = level->plan(std::move(q), fraction);
  *out = level;
  return plan;
}

namespace {
// Parameters set outside of the tree: by an enclosing subplan or nested loop.
bool uses_exec_params(const Query& q) {
  return walk_query(q, [](const Expr& e, int) {
    if (e.kind != ExprKind::kParam) return false;
    auto& p = static_cast<const ParamExpr&>(e);
    return p.param_kind == ParamKind::kExec && p.id >= kExecParamBase;
  }, 0);
}
}  // namespace

ExprPtr Level::plan_sublinks(const ExprPtr& e, bool top_qual) {
  if (!e || !has_sublink_anywhere(e)) return e;
  // Columns of SET (a, b) = (SELECT ...) are found by the sublink's number.
  return rewrite(e, [&](const ExprPtr& x, int level) -> ExprPtr {
    if (level > 0) return nullptr;
    if (x->kind == ExprKind::kParam) {
      auto& p = static_cast<const ParamExpr&>(*x);
      if (p.param_kind != ParamKind::kExec || p.id >= kExecParamBase || (p.id >> 16) == 0) return nullptr;
      auto it = multi_.find(p.id >> 16);
      if (it == multi_.end()) return nullptr;
      auto plan = std::make_shared<SubPlanExpr>(static_cast<const SubPlanExpr&>(*it->second));
      plan->multi_column = p.id & 0xffff;
      plan->type = x->type;
      plan->typmod = x->typmod;
      plan->collation = x->collation;
      return plan;
    }
    if (x->kind != ExprKind::kSubLink) return nullptr;
    auto& link = static_cast<const SubLinkExpr&>(*x);
    auto plan = std::make_shared<SubPlanExpr>();
    plan->link = link.link;
    plan->type = x->type;
    plan->typmod = x->typmod;
    plan->collation = x->collation;
    plan->location = x->location;
    double fraction = link.link == SubLinkKind::kExists ? 1 : link.link == SubLinkKind::kAny || link.link == SubLinkKind::kAll ? 0.5 : 0;
    Query sub = *link.subquery;
    if (link.link == SubLinkKind::kExists && sub.command == CommandKind::kSelect && !sub.set_operation && !sub.has_aggregates && sub.group_by.empty() && sub.grouping_sets.empty() && !sub.having &&
        !sub.has_target_srfs && !sub.limit_offset && !sub.limit_count) {
      // Only existence matters.
      sub.targets.clear();
      sub.order_by.clear();
      sub.distinct.clear();
      sub.windows.clear();
      sub.has_windows = false;
    }
    bool outer_params = uses_exec_params(sub);
    std::shared_ptr<Level> inner;
    size_t first_cte = planner_.stmt->ctes.size();
    NodePtr path = plan_subselect(sub, plan->args, fraction, &inner);
    NodePtr done = finalize(path, link.link == SubLinkKind::kExists && inner->query().targets.empty() ? std::vector<ExprPtr>{} : inner->output_exprs(), *inner);
    plan->test = plan_sublinks(link.test, false);
    plan->cacheable = plan->args.empty() && !outer_params;
    if (!plan->cacheable)
      for (size_t i = first_cte; i < planner_.stmt->ctes.size(); ++i) plan->ctes.push_back(static_cast<int>(i));
    // Uncorrelated ANY over hashable equalities is answered from a hash table.
    if (link.link == SubLinkKind::kAny && plan->args.empty() && plan->test) {
      std::vector<ExprPtr> parts;
      split_and(plan->test, parts);
      bool ok = true;
      for (auto& p : parts) {
        ok = ok && p->kind == ExprKind::kOp && static_cast<const OpExpr&>(*p).args.size() == 2 && op_hashable(static_cast<const OpExpr&>(*p).op, *planner_.state);
        if (!ok) break;
        auto& o = static_cast<const OpExpr&>(*p);
        auto has_column = [](const ExprPtr& a) {
          return walk(a, [](const Expr& y, int) { return y.kind == ExprKind::kParam && static_cast<const ParamExpr&>(y).param_kind == ParamKind::kExec && static_cast<const ParamExpr&>(y).id < kExecParamBase; });
        };
        TypeInfo a = type_info(o.args[0]->type, planner_.ctx), b = type_info(o.args[1]->type, planner_.ctx);
        ok = !has_column(o.args[0]) && has_column(o.args[1]) && !has_vars(o.args[1]) && a.ops == b.ops && a.ops->hash != nullptr;
      }
      plan->hashed = ok;
    }
    plan->plan = static_cast<int>(planner_.stmt->subplans.size());
    planner_.stmt->subplans.push_back(done);
    bool init = plan->cacheable && (link.link == SubLinkKind::kExpr || link.link == SubLinkKind::kExists || link.link == SubLinkKind::kArray || link.link == SubLinkKind::kMultiExpr || link.link == SubLinkKind::kRowCompare);
    plan->label = fmt::format("{}{} {}", plan->hashed ? "hashed " : "", init ? "InitPlan" : "SubPlan", ++planner_.subplan_count);
    if (link.link == SubLinkKind::kMultiExpr) {
      multi_[link.multi_id] = plan;
      auto null = make_const(oid::kRecord, {}, planner_.ctx);
      return null;
    }
    return plan;
  });
}

bool Level::has_sublink_anywhere(const ExprPtr& e) {
  if (!multi_.empty()) return true;
  return walk(e, [](const Expr& x, int) { return x.kind == ExprKind::kSubLink; });
}

void Level::plan_all_sublinks() {
  auto each = [&](ExprPtr& e) { if (e) e = plan_sublinks(e, false); };
  // Multi-column assignments come first: their columns refer to them.
  for (auto& t : q_.targets) if (t.expr && t.expr->kind == ExprKind::kSubLink && static_cast<const SubLinkExpr&>(*t.expr).link == SubLinkKind::kMultiExpr) each(t.expr);
  for (auto& t : q_.targets) each(t.expr);
  for (auto& t : q_.returning) each(t.expr);
  each(q_.where);
  each(q_.having);
  each(q_.limit_count);
  each(q_.limit_offset);
  if (q_.on_conflict) {
    for (auto& t : q_.on_conflict->set) if (t.expr && t.expr->kind == ExprKind::kSubLink && static_cast<const SubLinkExpr&>(*t.expr).link == SubLinkKind::kMultiExpr) each(t.expr);
    for (auto& t : q_.on_conflict->set) each(t.expr);
    each(q_.on_conflict->where);
  }
  for (auto& c : q_.check_options) each(c.expr);
  for (auto& a : q_.merge_actions) {
    each(a.condition);
    for (auto& t : a.targets) each(t.expr);
  }
  for (auto& w : q_.windows) { each(w.start_offset); each(w.end_offset); }
  std::function<FromPtr(const FromPtr&)> from = [&](const FromPtr& item) -> FromPtr {
    if (!item->is_join) return item;
    auto copy = std::make_shared<FromItem>(*item);
    copy->left = from(item->left);
    if (item->right) copy->right = from(item->right);
    each(copy->condition);
    return copy;
  };
  for (auto& item : q_.from) item = from(item);
  for (size_t i = 0; i < q_.range_table.size(); ++i) {
    auto& rte = q_.range_table[i];
    if (rte->kind != RteKind::kFunction && rte->kind != RteKind::kValues) continue;
    auto copy = std::make_shared<RangeTableEntry>(*rte);
    for (auto& f : copy->functions) each(f.call);
    for (auto& r : copy->values) for (auto& e : r) each(e);
    rte = copy;
    planner_.rtable[rtis_[i] - 1] = copy;
  }
}

}  // namespace stele::query
