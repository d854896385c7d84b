#include "query/optimizer/planner.h"
#include "types/builtin.h"
#include "types/oids.h"

namespace stele::query {

int type_width(Oid type, int32_t typmod) {
  if (auto* b = builtin::type(type)) {
    if (b->len > 0) return b->len;
    if ((type == oid::kVarchar || type == oid::kBpchar) && typmod > 4) return std::min(typmod - 4 + 1, 1024);
  }
  return 32;
}
int exprs_width(const std::vector<ExprPtr>& list) {
  int w = 0;
  for (auto& e : list) w += type_width(e->type, e->typmod);
  return std::max(w, 0);
}

double qual_cost(const std::vector<ExprPtr>& quals, Planner& p) {
  double cost = 0;
  for (auto& q : quals)
    walk(q, [&](const Expr& e, int) {
      switch (e.kind) {
        case ExprKind::kFunc: cost += function_info(static_cast<const FuncExpr&>(e).func, p.ctx).cost * p.settings().cpu_operator_cost; break;
        case ExprKind::kOp: case ExprKind::kDistinct: case ExprKind::kNullIf: case ExprKind::kCoerceViaIo: cost += p.settings().cpu_operator_cost; break;
        case ExprKind::kScalarArrayOp: cost += 5 * p.settings().cpu_operator_cost; break;
        case ExprKind::kSubPlan: {
          auto& s = static_cast<const SubPlanExpr&>(e);
          if (!s.cacheable && !s.hashed) cost += p.stmt->subplans[s.plan]->total;
          break;
        }
        default: break;
      }
      return false;
    });
  return cost;
}

void cost_sort(PlanNode& n, const PlanNode& input, double limit, Planner& p) {
  double rows = std::max(2.0, input.rows);
  double keep = limit > 0 && limit < rows ? std::max(2.0, 2 * limit) : rows;
  n.startup = input.total + 2 * p.settings().cpu_operator_cost * rows * std::log2(keep);
  n.total = n.startup + p.settings().cpu_operator_cost * input.rows;
  n.rows = input.rows;
  n.width = input.width;
  if (rows * (input.width + 24) > static_cast<double>(p.settings().work_mem_bytes) && keep == rows)
    n.startup += rows * (input.width + 24) / 8192 * 2, n.total += rows * (input.width + 24) / 8192 * 2;
}

}  // namespace stele::query
