// Conditions on one relation that follow from an OR over several: of (a.x = 1 AND b.y = 2) OR (a.x = 3 AND b.y = 4)
// relation a can apply (x = 1 OR x = 3) before the join.
#include "query/optimizer/planner.h"

namespace stele::query {

namespace {
// The part of e that speaks of `relids` alone: null when some arm has none.
ExprPtr restriction(Level& level, const ExprPtr& e, Relids relids) {
  std::vector<ExprPtr> arms;
  for (auto& arm : static_cast<const BoolExpr&>(*e).args) {
    std::vector<ExprPtr> parts, mine;
    split_and(arm, parts);
    for (auto& p : parts) {
      if (p->kind == ExprKind::kBool && static_cast<const BoolExpr&>(*p).op == BoolOp::kOr && level.relids_of(p) != relids) {
        if (ExprPtr inner = restriction(level, p, relids)) mine.push_back(inner);
        continue;
      }
      if (level.relids_of(p) == relids && !has_volatile(p, level.planner_.ctx) && !walk(p, [](const Expr& x, int) { return x.kind == ExprKind::kSubPlan || x.kind == ExprKind::kSubLink; }))
        mine.push_back(p);
    }
    if (mine.empty()) return nullptr;
    arms.push_back(make_and(mine));
  }
  return make_or(arms);
}
}  // namespace

void Level::extract_or_quals() {
  for (auto& c : clauses_) {
    if (!c->pushed_down || c->delayed || c->expr->kind != ExprKind::kBool || static_cast<const BoolExpr&>(*c->expr).op != BoolOp::kOr || std::popcount(c->relids) < 2) continue;
    for (auto* rel : base_) {
      if (!(c->relids & rel->relids) || (nullable_ & rel->relids) || rel->lateral) continue;
      ExprPtr e = restriction(*this, c->expr, rel->relids);
      if (!e) continue;
      ClausePtr made = make_clause(e);
      // As PostgreSQL: only worth it when it removes something.
      if (selectivity(e) > 0.9) continue;
      made->implied_by = c;
      rel->quals.push_back(made);
    }
  }
}

// Lower and upper bounds of one expression make a range; other conditions are independent.
double Level::list_selectivity(const std::vector<ExprPtr>& list) {
  struct Range { ExprPtr of; double low = -1, high = -1; };
  std::vector<Range> ranges;
  double s = 1;
  for (auto& e : list) {
    int direction = 0;
    ExprPtr of = bound_of(e, &direction);
    if (!of) { s *= selectivity(e); continue; }
    double x = selectivity(e);
    auto it = std::find_if(ranges.begin(), ranges.end(), [&](auto& r) { return equal(r.of, of); });
    if (it == ranges.end()) { ranges.push_back({of, -1, -1}); it = ranges.end() - 1; }
    double& slot = direction > 0 ? it->low : it->high;
    slot = slot < 0 ? x : std::min(slot, x);
  }
  for (auto& r : ranges) {
    if (r.low < 0 || r.high < 0) { s *= r.low < 0 ? r.high : r.low; continue; }
    constexpr double kDefault = 1.0 / 3;
    if (std::abs(r.low - kDefault) < 1e-9 && std::abs(r.high - kDefault) < 1e-9) { s *= 0.005; continue; }
    VarStats v = var_stats(r.of);
    double both = r.low + r.high - 1 + (v.column != nullptr ? v.column->null_fraction : 0);
    if (both <= 0) both = both < -0.01 ? 0.005 : 1e-10;
    s *= both;
  }
  return std::min(1.0, std::max(0.0, s));
}

// x of `x < constant` (direction -1) or `x > constant` (+1); null for anything else.
ExprPtr Level::bound_of(const ExprPtr& e, int* direction) {
  if (e->kind != ExprKind::kOp) return nullptr;
  auto& o = static_cast<const OpExpr&>(*e);
  if (o.args.size() != 2) return nullptr;
  Relids l = relids_of(o.args[0]), r = relids_of(o.args[1]);
  if ((l != 0) == (r != 0)) return nullptr;
  for (auto& b : btree_ops(o.op, *planner_.state)) {
    if (b.strategy == 3) return nullptr;
    bool greater = b.strategy > 3;
    if (r) greater = !greater;
    *direction = greater ? 1 : -1;
    return l ? o.args[0] : o.args[1];
  }
  return nullptr;
}

}  // namespace stele::query
