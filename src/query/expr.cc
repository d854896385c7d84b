#include "query/expr.h"

#include "query/query.h"
#include "query/rewrite.h"

namespace stele::query {

namespace {
template <typename T>
const T& as(const Expr& e) { return static_cast<const T&>(e); }

// One description of the children of every node: `visit` gets a reference to each child pointer,
// const for walking, mutable (of a fresh copy) for mapping.
template <typename E, typename F>
void children_of(E& base, const F& visit) {
  constexpr bool kConst = std::is_const_v<E>;
  auto cast = [&]<typename T>(T*) -> std::conditional_t<kConst, const T&, T&> {
    return static_cast<std::conditional_t<kConst, const T&, T&>>(base);
  };
  auto list = [&](auto& v) { for (auto& c : v) visit(c); };
  switch (base.kind) {
    case ExprKind::kConst: case ExprKind::kVar: case ExprKind::kParam: case ExprKind::kCaseTest:
    case ExprKind::kDomainValue: case ExprKind::kSqlValue: case ExprKind::kSetToDefault: case ExprKind::kCurrentOf:
      break;
    case ExprKind::kFunc: list(cast((FuncExpr*)nullptr).args); break;
    case ExprKind::kOp: case ExprKind::kDistinct: case ExprKind::kNullIf: list(cast((OpExpr*)nullptr).args); break;
    case ExprKind::kScalarArrayOp: { auto& x = cast((ScalarArrayOpExpr*)nullptr); visit(x.scalar); visit(x.array); break; }
    case ExprKind::kBool: list(cast((BoolExpr*)nullptr).args); break;
    case ExprKind::kCase: {
      auto& x = cast((CaseExpr*)nullptr);
      visit(x.arg);
      for (auto& [c, r] : x.when) { visit(c); visit(r); }
      visit(x.otherwise);
      break;
    }
    case ExprKind::kCoalesce: case ExprKind::kMinMax: case ExprKind::kArray: case ExprKind::kRow: list(cast((ListExpr*)nullptr).args); break;
    case ExprKind::kRowCompare: { auto& x = cast((RowCompareExpr*)nullptr); list(x.left); list(x.right); break; }
    case ExprKind::kNullTest: visit(cast((NullTestExpr*)nullptr).arg); break;
    case ExprKind::kBooleanTest: visit(cast((BooleanTestExpr*)nullptr).arg); break;
    case ExprKind::kRelabel: case ExprKind::kCoerceViaIo: case ExprKind::kArrayCoerce: case ExprKind::kConvertRowType:
    case ExprKind::kCoerceToDomain: case ExprKind::kCollate: case ExprKind::kNamedArg: {
      auto& x = cast((UnaryExpr*)nullptr); visit(x.arg); visit(x.element); break;
    }
    case ExprKind::kFieldSelect: visit(cast((FieldSelectExpr*)nullptr).arg); break;
    case ExprKind::kFieldStore: {
      auto& x = cast((FieldStoreExpr*)nullptr);
      visit(x.arg);
      for (auto& [n, v] : x.fields) visit(v);
      break;
    }
    case ExprKind::kSubscript: {
      auto& x = cast((SubscriptExpr*)nullptr);
      visit(x.container); list(x.upper); list(x.lower); visit(x.assign);
      break;
    }
    case ExprKind::kAggregate: {
      auto& x = cast((AggregateExpr*)nullptr);
      list(x.direct_args); list(x.args);
      for (auto& k : x.order_by) visit(k.expr);
      visit(x.filter);
      break;
    }
    case ExprKind::kGrouping: list(cast((GroupingExpr*)nullptr).args); break;
    case ExprKind::kWindow: { auto& x = cast((WindowExpr*)nullptr); list(x.args); visit(x.filter); break; }
    case ExprKind::kSubLink: visit(cast((SubLinkExpr*)nullptr).test); break;
    case ExprKind::kSubPlan: {
      auto& x = cast((SubPlanExpr*)nullptr);
      visit(x.test);
      for (auto& [id, v] : x.args) visit(v);
      break;
    }
  }
}

std::shared_ptr<Expr> copy_node(const Expr& e) {
  switch (e.kind) {
    case ExprKind::kConst: return std::make_shared<ConstExpr>(as<ConstExpr>(e));
    case ExprKind::kVar: return std::make_shared<VarExpr>(as<VarExpr>(e));
    case ExprKind::kParam: return std::make_shared<ParamExpr>(as<ParamExpr>(e));
    case ExprKind::kFunc: return std::make_shared<FuncExpr>(as<FuncExpr>(e));
    case ExprKind::kOp: case ExprKind::kDistinct: case ExprKind::kNullIf: return std::make_shared<OpExpr>(as<OpExpr>(e));
    case ExprKind::kScalarArrayOp: return std::make_shared<ScalarArrayOpExpr>(as<ScalarArrayOpExpr>(e));
    case ExprKind::kBool: return std::make_shared<BoolExpr>(as<BoolExpr>(e));
    case ExprKind::kCase: return std::make_shared<CaseExpr>(as<CaseExpr>(e));
    case ExprKind::kCaseTest: return std::make_shared<CaseTestExpr>(as<CaseTestExpr>(e));
    case ExprKind::kCoalesce: case ExprKind::kMinMax: case ExprKind::kArray: case ExprKind::kRow:
      return std::make_shared<ListExpr>(as<ListExpr>(e));
    case ExprKind::kRowCompare: return std::make_shared<RowCompareExpr>(as<RowCompareExpr>(e));
    case ExprKind::kNullTest: return std::make_shared<NullTestExpr>(as<NullTestExpr>(e));
    case ExprKind::kBooleanTest: return std::make_shared<BooleanTestExpr>(as<BooleanTestExpr>(e));
    case ExprKind::kRelabel: case ExprKind::kCoerceViaIo: case ExprKind::kArrayCoerce: case ExprKind::kConvertRowType:
    case ExprKind::kCoerceToDomain: case ExprKind::kCollate: case ExprKind::kNamedArg:
      return std::make_shared<UnaryExpr>(as<UnaryExpr>(e));
    case ExprKind::kDomainValue: return std::make_shared<DomainValueExpr>(as<DomainValueExpr>(e));
    case ExprKind::kFieldSelect: return std::make_shared<FieldSelectExpr>(as<FieldSelectExpr>(e));
    case ExprKind::kFieldStore: return std::make_shared<FieldStoreExpr>(as<FieldStoreExpr>(e));
    case ExprKind::kSubscript: return std::make_shared<SubscriptExpr>(as<SubscriptExpr>(e));
    case ExprKind::kAggregate: return std::make_shared<AggregateExpr>(as<AggregateExpr>(e));
    case ExprKind::kGrouping: return std::make_shared<GroupingExpr>(as<GroupingExpr>(e));
    case ExprKind::kWindow: return std::make_shared<WindowExpr>(as<WindowExpr>(e));
    case ExprKind::kSubLink: return std::make_shared<SubLinkExpr>(as<SubLinkExpr>(e));
    case ExprKind::kSubPlan: return std::make_shared<SubPlanExpr>(as<SubPlanExpr>(e));
    case ExprKind::kSqlValue: return std::make_shared<SqlValueExpr>(as<SqlValueExpr>(e));
    case ExprKind::kSetToDefault: return std::make_shared<SetToDefaultExpr>(as<SetToDefaultExpr>(e));
    case ExprKind::kCurrentOf: return std::make_shared<CurrentOfExpr>(as<CurrentOfExpr>(e));
  }
  return nullptr;
}
}  // namespace

std::shared_ptr<Expr> copy_expr(const Expr& e) { return copy_node(e); }

void for_each_child(const Expr& e, const std::function<void(const ExprPtr&)>& f) {
  children_of(e, [&](const ExprPtr& c) { if (c) f(c); });
}

ExprPtr map_children(const ExprPtr& e, const std::function<ExprPtr(const ExprPtr&)>& f) {
  std::vector<ExprPtr> mapped;
  bool changed = false;
  children_of(*e, [&](const ExprPtr& c) {
    if (!c) return;
    mapped.push_back(f(c));
    changed |= mapped.back() != c;
  });
  if (!changed) return e;
  auto copy = copy_node(*e);
  size_t next = 0;
  children_of(*copy, [&](ExprPtr& c) { if (c) c = std::move(mapped[next++]); });
  return copy;
}

namespace {
bool equal_const(const ConstExpr& a, const ConstExpr& b) {
  if (a.is_null || b.is_null) return a.is_null == b.is_null;
  if (a.value.bits == b.value.bits) return true;
  // Only by-reference constants own memory.
  return a.owned && b.owned && a.value.as_view() == b.value.as_view();
}

// Everything but the children.
bool equal_fields(const Expr& a, const Expr& b) {
  switch (a.kind) {
    case ExprKind::kConst: return equal_const(as<ConstExpr>(a), as<ConstExpr>(b));
    case ExprKind::kVar: {
      auto &x = as<VarExpr>(a), &y = as<VarExpr>(b);
      return x.relation == y.relation && x.column == y.column && x.levels_up == y.levels_up;
    }
    case ExprKind::kParam: {
      auto &x = as<ParamExpr>(a), &y = as<ParamExpr>(b);
      return x.param_kind == y.param_kind && x.id == y.id;
    }
    case ExprKind::kFunc: return as<FuncExpr>(a).func == as<FuncExpr>(b).func && as<FuncExpr>(a).variadic == as<FuncExpr>(b).variadic && as<FuncExpr>(a).input_collation == as<FuncExpr>(b).input_collation;
    case ExprKind::kOp: case ExprKind::kDistinct: case ExprKind::kNullIf: return as<OpExpr>(a).func == as<OpExpr>(b).func && as<OpExpr>(a).input_collation == as<OpExpr>(b).input_collation;
    case ExprKind::kScalarArrayOp: {
      auto &x = as<ScalarArrayOpExpr>(a), &y = as<ScalarArrayOpExpr>(b);
      return x.func == y.func && x.use_or == y.use_or && x.input_collation == y.input_collation;
    }
    case ExprKind::kBool: return as<BoolExpr>(a).op == as<BoolExpr>(b).op;
    case ExprKind::kCase: return as<CaseExpr>(a).when.size() == as<CaseExpr>(b).when.size() && !as<CaseExpr>(a).arg == !as<CaseExpr>(b).arg;
    case ExprKind::kMinMax: return as<ListExpr>(a).greatest == as<ListExpr>(b).greatest;
    case ExprKind::kRowCompare: {
      auto &x = as<RowCompareExpr>(a), &y = as<RowCompareExpr>(b);
      return x.comparison == y.comparison && x.ops == y.ops && x.left.size() == y.left.size();
    }
    case ExprKind::kNullTest: return as<NullTestExpr>(a).is_null == as<NullTestExpr>(b).is_null && as<NullTestExpr>(a).row_format == as<NullTestExpr>(b).row_format;
    case ExprKind::kBooleanTest: return as<BooleanTestExpr>(a).test == as<BooleanTestExpr>(b).test;
    case ExprKind::kCollate: return a.collation == b.collation;
    case ExprKind::kFieldSelect: return as<FieldSelectExpr>(a).field == as<FieldSelectExpr>(b).field;
    case ExprKind::kFieldStore: {
      auto &x = as<FieldStoreExpr>(a).fields, &y = as<FieldStoreExpr>(b).fields;
      return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](auto& p, auto& q) { return p.first == q.first; });
    }
    case ExprKind::kSubscript: {
      auto &x = as<SubscriptExpr>(a), &y = as<SubscriptExpr>(b);
      if (x.slice != y.slice || x.upper.size() != y.upper.size() || x.lower.size() != y.lower.size()) return false;
      for (size_t i = 0; i < x.upper.size(); ++i) if (!x.upper[i] != !y.upper[i]) return false;
      for (size_t i = 0; i < x.lower.size(); ++i) if (!x.lower[i] != !y.lower[i]) return false;
      return true;
    }
    case ExprKind::kAggregate: {
      auto &x = as<AggregateExpr>(a), &y = as<AggregateExpr>(b);
      if (x.func != y.func || x.distinct != y.distinct || x.star != y.star || x.variadic != y.variadic || x.levels_up != y.levels_up ||
          x.input_collation != y.input_collation || x.direct_args.size() != y.direct_args.size() || x.order_by.size() != y.order_by.size()) return false;
      for (size_t i = 0; i < x.order_by.size(); ++i)
        if (x.order_by[i].sort_op != y.order_by[i].sort_op || x.order_by[i].descending != y.order_by[i].descending || x.order_by[i].nulls_first != y.order_by[i].nulls_first) return false;
      return true;
    }
    case ExprKind::kGrouping: return as<GroupingExpr>(a).refs == as<GroupingExpr>(b).refs && as<GroupingExpr>(a).levels_up == as<GroupingExpr>(b).levels_up;
    case ExprKind::kWindow: {
      auto &x = as<WindowExpr>(a), &y = as<WindowExpr>(b);
      return x.func == y.func && x.window == y.window && x.star == y.star && x.input_collation == y.input_collation;
    }
    case ExprKind::kSubLink: return as<SubLinkExpr>(a).link == as<SubLinkExpr>(b).link && as<SubLinkExpr>(a).subquery == as<SubLinkExpr>(b).subquery;
    case ExprKind::kSubPlan: return as<SubPlanExpr>(a).plan == as<SubPlanExpr>(b).plan && as<SubPlanExpr>(a).multi_column == as<SubPlanExpr>(b).multi_column;
    case ExprKind::kSqlValue: return as<SqlValueExpr>(a).value == as<SqlValueExpr>(b).value;
    case ExprKind::kCurrentOf: return as<CurrentOfExpr>(a).cursor == as<CurrentOfExpr>(b).cursor;
    default: return true;
  }
}
}  // namespace

bool equal(const ExprPtr& a, const ExprPtr& b) {
  if (a == b) return true;
  if (!a || !b || a->kind != b->kind || a->type != b->type || a->typmod != b->typmod) return false;
  if (!equal_fields(*a, *b)) return false;
  if (a->kind == ExprKind::kVar || a->kind == ExprKind::kConst) return true;
  std::vector<const ExprPtr*> left;
  children_of(*a, [&](const ExprPtr& c) { left.push_back(&c); });
  size_t i = 0;
  bool same = true;
  children_of(*b, [&](const ExprPtr& c) {
    if (same) same = i < left.size() && equal(*left[i], c);
    ++i;
  });
  return same && i == left.size();
}

}  // namespace stele::query
