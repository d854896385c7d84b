// UNION, INTERSECT, EXCEPT and recursive CTEs.
#include "base/error.h"
#include "query/optimizer/planner.h"
#include "types/builtin.h"
#include "types/oids.h"

namespace stele::query {

namespace {
void setop_columns(const SetOperation& op, int rti, std::vector<ExprPtr>& out) {
  out.clear();
  for (size_t i = 0; i < op.types.size(); ++i)
    out.push_back(make_var(rti, static_cast<int16_t>(i + 1), op.types[i], i < op.typmods.size() ? op.typmods[i] : -1, i < op.collations.size() ? op.collations[i] : 0));
}
std::vector<SortKey> keys_of(const SetOperation& op, const std::vector<ExprPtr>& columns) {
  std::vector<SortKey> keys;
  for (size_t i = 0; i < columns.size(); ++i) {
    SortKey k;
    k.expr = columns[i];
    k.collation = columns[i]->collation;
    if (i < op.group_by.size()) { k.sort_op = op.group_by[i].sort_op; k.hashable = op.group_by[i].hashable; k.equality_op = op.group_by[i].equality_op; }
    keys.push_back(k);
  }
  return keys;
}
ExprPtr cast_to(const ExprPtr& e, Oid type, int32_t typmod, Oid collation) {
  std::shared_ptr<Expr> out;
  const BuiltinCast* found = nullptr;
  for (auto& c : builtin::casts()) if (c.source == e->type && c.target == type) found = &c;
  if (found != nullptr && found->func != 0) {
    auto f = std::make_shared<FuncExpr>();
    f->func = found->func;
    f->args = {e};
    f->format = FuncFormat::kImplicitCast;
    out = f;
  } else {
    auto texty = [](Oid t) { return t == oid::kText || t == oid::kVarchar || t == oid::kBpchar; };
    bool same = (found != nullptr && found->method == 'b') || (texty(e->type) && texty(type));
    auto u = std::make_shared<UnaryExpr>(same ? ExprKind::kRelabel : ExprKind::kCoerceViaIo);
    u->arg = e;
    out = u;
  }
  out->type = type;
  out->typmod = typmod;
  out->collation = collation;
  return out;
}
// An arm whose columns have other types than the result gives them those.
NodePtr coerce_columns(NodePtr n, const SetOperation& op, std::vector<ExprPtr>& columns) {
  bool differ = false;
  std::vector<ExprPtr> out;
  for (size_t i = 0; i < columns.size() && i < op.types.size(); ++i) {
    bool same = columns[i]->type == op.types[i] || op.types[i] == 0;
    out.push_back(same ? columns[i] : cast_to(columns[i], op.types[i], i < op.typmods.size() ? op.typmods[i] : -1, i < op.collations.size() ? op.collations[i] : 0));
    differ |= !same;
  }
  if (!differ) return n;
  auto p = std::make_shared<PlanNode>();
  p->type = NodeType::kProject;
  p->children = {n};
  p->set_targets = p->layout = out;
  p->startup = n->startup;
  p->total = n->total;
  p->rows = n->rows;
  p->width = exprs_width(out);
  columns = out;
  return p;
}
}  // namespace

// `columns` gives the Vars by which the result's columns are known above.
NodePtr Level::plan_set_node(const SetOperation& op, std::vector<ExprPtr>& columns) {
  if (op.leaf) {
    auto rte = planner_.rte(op.relation);
    if (rte->kind != RteKind::kSubquery) throw Error(ErrorCode::kInternalError, "set operation over something that is not a subquery");
    std::vector<std::pair<int, ExprPtr>> args;
    std::shared_ptr<Level> level;
    NodePtr path = plan_subselect(*rte->subquery, args, 0, &level);
    std::vector<ExprPtr> out = level->output_exprs();
    NodePtr done = finalize(path, out, *level);
    // Exactly the visible columns, in order.
    auto p = std::make_shared<PlanNode>();
    p->type = NodeType::kProject;
    p->children = {done};
    p->set_targets = out;
    p->layout = out;
    p->startup = done->startup;
    p->total = done->total;
    p->rows = done->rows;
    p->width = done->width;
    columns = out;
    return p;
  }
  auto n = std::make_shared<PlanNode>();
  // A pseudo entry names the result's columns.
  auto rte = std::make_shared<RangeTableEntry>();
  rte->kind = RteKind::kResult;
  rte->alias = "*SELECT*";
  for (auto& t : q_.targets) rte->column_aliases.push_back(t.name);
  setop_columns(op, add_rte(rte), columns);
  n->set_targets = n->layout = columns;
  bool recursive = recursive_cte_ >= 0 && &op == q_.set_operation.get();
  if (recursive) {
    std::vector<ExprPtr> lc, rc;
    n->type = NodeType::kRecursiveUnion;
    NodePtr left = coerce_columns(plan_set_node(*op.left, lc), op, lc);
    planner_.stmt->ctes[recursive_cte_].working_rows = left->rows * 10;
    NodePtr right = coerce_columns(plan_set_node(*op.right, rc), op, rc);
    n->children = {left, right};
    n->cte = recursive_cte_;
    n->set_all = op.all;
    n->sort_keys = keys_of(op, columns);
    n->rows = left->rows + 10 * right->rows;
    n->startup = left->startup;
    n->total = left->total + 10 * right->total + n->rows * planner_.settings().cpu_tuple_cost;
    n->width = left->width;
    return n;
  }
  if (op.op == SetOp::kUnion) {
    n->type = NodeType::kAppend;
    // Nested unions of the same sort become one Append.
    std::function<void(const SetOperation&)> gather = [&](const SetOperation& s) {
      if (!s.leaf && s.op == SetOp::kUnion && (s.all || !op.all) && s.types == op.types && !(recursive_cte_ >= 0 && &s == q_.set_operation.get())) {
        gather(*s.left);
        gather(*s.right);
        return;
      }
      std::vector<ExprPtr> c;
      NodePtr arm = plan_set_node(s, c);
      n->children.push_back(coerce_columns(arm, op, c));
    };
    gather(*op.left);
    gather(*op.right);
    n->rows = 0;
    for (auto& c : n->children) { n->rows += c->rows; n->total += c->total; n->width = std::max(n->width, c->width); }
    n->startup = n->children[0]->startup;
    n->total += n->rows * planner_.settings().cpu_tuple_cost * 0.5;
    if (op.all) return n;
    auto keys = keys_of(op, columns);
    bool hashable = std::all_of(keys.begin(), keys.end(), [](auto& k) { return k.hashable; });
    if (keys.empty()) return n;
    if (hashable) {
      auto agg = std::make_shared<PlanNode>();
      agg->type = NodeType::kAgg;
      agg->strategy = AggStrategy::kHashed;
      agg->children = {n};
      agg->group_keys = agg->layout = columns;
      agg->rows = n->rows;
      agg->width = n->width;
      agg->startup = n->total + n->rows * planner_.settings().cpu_operator_cost * static_cast<double>(columns.size());
      agg->total = agg->startup + n->rows * planner_.settings().cpu_tuple_cost;
      return agg;
    }
    NodePtr sorted = make_sort(n, keys);
    sorted->layout = columns;
    auto unique = std::make_shared<PlanNode>();
    unique->type = NodeType::kUnique;
    unique->children = {sorted};
    unique->sort_keys = keys;
    unique->layout = columns;
    unique->startup = sorted->startup;
    unique->total = sorted->total;
    unique->rows = sorted->rows;
    return unique;
  }
  std::vector<ExprPtr> lc, rc;
  n->type = NodeType::kSetOp;
  NodePtr left = plan_set_node(*op.left, lc), right = plan_set_node(*op.right, rc);
  left = coerce_columns(left, op, lc);
  right = coerce_columns(right, op, rc);
  n->children = {left, right};
  n->set_op = op.op;
  n->set_all = op.all;
  n->sort_keys = keys_of(op, columns);
  n->strategy = AggStrategy::kHashed;
  n->rows = op.op == SetOp::kIntersect ? std::min(left->rows, right->rows) : left->rows;
  n->width = left->width;
  n->startup = n->total = left->total + right->total + (left->rows + right->rows) * planner_.settings().cpu_operator_cost * static_cast<double>(columns.size());
  n->total += n->rows * planner_.settings().cpu_tuple_cost;
  return n;
}

NodePtr Level::plan_set_operation() {
  std::vector<ExprPtr> columns;
  NodePtr n = plan_set_node(*q_.set_operation, columns);
  set_columns_ = columns;
  // The top query's targets are Vars of the first arm's entry; ORDER BY refers to them.
  int leftmost = 0;
  for (auto* s = q_.set_operation.get(); s != nullptr; s = s->leaf ? nullptr : s->left.get()) if (s->leaf) leftmost = s->relation;
  auto to_columns = [&](const ExprPtr& e) {
    return rewrite(e, [&](const ExprPtr& x, int level) -> ExprPtr {
      if (level > 0 || x->kind != ExprKind::kVar) return nullptr;
      auto& v = static_cast<const VarExpr&>(*x);
      return v.relation == leftmost && v.column >= 1 && v.column <= static_cast<int>(columns.size()) ? columns[v.column - 1] : nullptr;
    });
  };
  for (auto& t : q_.targets) t.expr = to_columns(t.expr);
  if (q_.limit_count) q_.limit_count = planner_.simplify(q_.limit_count);
  if (q_.limit_offset) q_.limit_offset = planner_.simplify(q_.limit_offset);
  plan_all_sublinks();
  if (!q_.order_by.empty()) {
    n = plan_order(n);
    if (n->layout.empty()) n->layout = n->children[0]->layout;
  }
  bool trivial = true;
  size_t visible = 0;
  for (auto& t : q_.targets) {
    if (t.junk) continue;
    trivial &= visible < columns.size() && equal(t.expr, columns[visible]);
    ++visible;
  }
  if (!trivial) {
    auto p = std::make_shared<PlanNode>();
    p->type = NodeType::kProject;
    p->children = {n};
    for (auto& t : q_.targets) p->set_targets.push_back(t.expr);
    p->startup = n->startup;
    p->total = n->total;
    p->rows = n->rows;
    p->width = n->width;
    n = p;
    set_columns_.clear();
    for (auto& t : q_.targets) if (!t.junk) set_columns_.push_back(t.expr);
  }
  if (q_.limit_count || q_.limit_offset) n = plan_limit(n);
  return n;
}

}  // namespace stele::query
