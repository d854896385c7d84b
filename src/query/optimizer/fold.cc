// Constant folding and boolean simplification, and what expressions reveal about themselves.
#include "base/error.h"
#include "query/optimizer/planner.h"
#include "types/builtin.h"
#include "types/oids.h"

namespace stele::query {

ExprPtr make_const(Oid type, NullableDatum v, ExecContext& ctx, int32_t typmod, Oid collation) {
  auto c = std::make_shared<ConstExpr>();
  c->type = type;
  c->typmod = typmod;
  c->collation = collation;
  c->is_null = v.is_null;
  if (v.is_null) return c;
  if (type_info(type, ctx).by_value) { c->value = v.value; return c; }
  const Varlena* src = v.value.as_varlena();
  size_t bytes = sizeof(Varlena) + src->size;
  // Arrays and records hold 8-byte words: operator new's alignment suits them.
  c->owned = std::shared_ptr<char[]>(static_cast<char*>(::operator new(bytes)), [](char* p) { ::operator delete(p); });
  std::memcpy(c->owned.get(), src, bytes);
  c->value = Datum::from_varlena(reinterpret_cast<const Varlena*>(c->owned.get()));
  return c;
}
ExprPtr make_bool(bool v) {
  auto c = std::make_shared<ConstExpr>();
  c->type = oid::kBool;
  c->value = Datum::from_bool(v);
  return c;
}
bool is_true(const ExprPtr& e) {
  if (e->kind != ExprKind::kConst) return false;
  auto& c = static_cast<const ConstExpr&>(*e);
  return !c.is_null && c.value.as_bool();
}
bool is_false_or_null(const ExprPtr& e) {
  if (e->kind != ExprKind::kConst) return false;
  auto& c = static_cast<const ConstExpr&>(*e);
  return c.is_null || !c.value.as_bool();
}
ExprPtr make_var(int rti, int16_t column, Oid type, int32_t typmod, Oid collation) {
  auto v = std::make_shared<VarExpr>();
  v->relation = rti;
  v->column = column;
  v->type = type;
  v->typmod = typmod;
  v->collation = collation;
  return v;
}

void split_and(const ExprPtr& e, std::vector<ExprPtr>& out) {
  if (!e) return;
  if (e->kind == ExprKind::kBool && static_cast<const BoolExpr&>(*e).op == BoolOp::kAnd) {
    for (auto& a : static_cast<const BoolExpr&>(*e).args) split_and(a, out);
    return;
  }
  if (!is_true(e)) out.push_back(e);
}
namespace {
ExprPtr make_list(BoolOp op, std::vector<ExprPtr> list) {
  if (list.size() == 1) return list[0];
  auto b = std::make_shared<BoolExpr>();
  b->type = oid::kBool;
  b->op = op;
  b->args = std::move(list);
  return b;
}
}  // namespace
ExprPtr make_and(std::vector<ExprPtr> list) { return list.empty() ? nullptr : make_list(BoolOp::kAnd, std::move(list)); }
ExprPtr make_or(std::vector<ExprPtr> list) { return list.empty() ? make_bool(false) : make_list(BoolOp::kOr, std::move(list)); }

namespace {
char volatility_of(const Expr& e, ExecContext& ctx) {
  switch (e.kind) {
    case ExprKind::kFunc: return function_info(static_cast<const FuncExpr&>(e).func, ctx).volatility;
    case ExprKind::kOp: case ExprKind::kDistinct: case ExprKind::kNullIf: return function_info(static_cast<const OpExpr&>(e).func, ctx).volatility;
    case ExprKind::kScalarArrayOp: return function_info(static_cast<const ScalarArrayOpExpr&>(e).func, ctx).volatility;
    case ExprKind::kSqlValue: case ExprKind::kCoerceToDomain: case ExprKind::kCurrentOf: return 's';
    case ExprKind::kCoerceViaIo: {
      // Text forms of dates, floats and the reg* types depend on settings.
      Oid from = static_cast<const UnaryExpr&>(e).arg->type;
      auto plain = [](Oid t) { return t == oid::kText || t == oid::kVarchar || t == oid::kInt4 || t == oid::kInt8 || t == oid::kInt2 || t == oid::kNumeric || t == oid::kBool || t == oid::kUnknown; };
      auto parsed_alike = [](Oid t) { return t == oid::kFloat4 || t == oid::kFloat8 || t == oid::kJson || t == oid::kJsonb || t == oid::kUuid || t == oid::kOid || t == oid::kBytea; };
      return plain(from) && (plain(e.type) || parsed_alike(e.type)) ? 'i' : 's';
    }
    case ExprKind::kSubPlan: case ExprKind::kSubLink: return 's';
    default: return 'i';
  }
}
}  // namespace
bool has_volatile(const ExprPtr& e, ExecContext& ctx) {
  return walk(e, [&](const Expr& x, int) { return volatility_of(x, ctx) == 'v'; });
}
bool query_volatile(const Query& q, ExecContext& ctx) {
  return walk_query(q, [&](const Expr& x, int) { return volatility_of(x, ctx) == 'v'; }, 0);
}
bool has_mutable(const ExprPtr& e, ExecContext& ctx) {
  return walk(e, [&](const Expr& x, int) { return volatility_of(x, ctx) != 'i'; });
}

// True when the clause cannot be true if every column that `of` accepts is NULL.
bool is_strict_for(const ExprPtr& e, const std::function<bool(const VarExpr&)>& of, ExecContext& ctx) {
  if (!e) return false;
  auto any = [&](const std::vector<ExprPtr>& list) { return std::any_of(list.begin(), list.end(), [&](auto& a) { return is_strict_for(a, of, ctx); }); };
  switch (e->kind) {
    case ExprKind::kVar: return static_cast<const VarExpr&>(*e).levels_up == 0 && of(static_cast<const VarExpr&>(*e));
    case ExprKind::kOp: return function_info(static_cast<const OpExpr&>(*e).func, ctx).strict && any(static_cast<const OpExpr&>(*e).args);
    case ExprKind::kFunc: return function_info(static_cast<const FuncExpr&>(*e).func, ctx).strict && any(static_cast<const FuncExpr&>(*e).args);
    case ExprKind::kScalarArrayOp: {
      auto& s = static_cast<const ScalarArrayOpExpr&>(*e);
      return s.use_or && is_strict_for(s.scalar, of, ctx);
    }
    case ExprKind::kRelabel: case ExprKind::kCoerceViaIo: case ExprKind::kArrayCoerce: case ExprKind::kCollate:
      return is_strict_for(static_cast<const UnaryExpr&>(*e).arg, of, ctx);
    case ExprKind::kNullTest: {
      auto& n = static_cast<const NullTestExpr&>(*e);
      return !n.is_null && !n.row_format && is_strict_for(n.arg, of, ctx);
    }
    case ExprKind::kBooleanTest: {
      auto& b = static_cast<const BooleanTestExpr&>(*e);
      return (b.test == BoolTest::kIsTrue || b.test == BoolTest::kIsFalse || b.test == BoolTest::kIsNotUnknown) && is_strict_for(b.arg, of, ctx);
    }
    case ExprKind::kBool: {
      auto& b = static_cast<const BoolExpr&>(*e);
      if (b.op == BoolOp::kOr) return std::all_of(b.args.begin(), b.args.end(), [&](auto& a) { return is_strict_for(a, of, ctx); });
      return any(b.args);
    }
    default: return false;
  }
}

namespace {
class Folder {
 public:
  explicit Folder(Planner& p) : p_(p) {}

  ExprPtr fold(const ExprPtr& e) {
    if (!e) return e;
    switch (e->kind) {
      case ExprKind::kConst: case ExprKind::kVar: return e;
      case ExprKind::kParam: return fold_param(e);
      case ExprKind::kBool: return fold_bool(static_cast<const BoolExpr&>(*e), e);
      case ExprKind::kCase: return fold_case(static_cast<const CaseExpr&>(*e), e);
      case ExprKind::kCoalesce: return fold_coalesce(e);
      case ExprKind::kSubLink: {
        auto copy = std::make_shared<SubLinkExpr>(static_cast<const SubLinkExpr&>(*e));
        copy->test = fold(copy->test);
        return copy;
      }
      case ExprKind::kArrayCoerce: {
        // The element expression is over a placeholder: only the argument folds.
        auto copy = std::make_shared<UnaryExpr>(static_cast<const UnaryExpr&>(*e));
        copy->arg = fold(copy->arg);
        if (copy->arg->kind == ExprKind::kConst && !has_mutable(copy->element, p_.ctx)) return evaluate_now(copy);
        return copy;
      }
      case ExprKind::kNamedArg: return fold(static_cast<const UnaryExpr&>(*e).arg);
      default: break;
    }
    ExprPtr m = map_children(e, [&](const ExprPtr& c) { return fold(c); });
    return fold_node(m);
  }

 private:
  ExprPtr evaluate_now(const ExprPtr& e) {
    p_.arena.reset();
    NullableDatum v = evaluate_const(e, p_.exec, p_.arena);
    return make_const(e->type, v, p_.ctx, e->typmod, e->collation);
  }
  static bool is_const(const ExprPtr& e) { return e->kind == ExprKind::kConst; }
  static bool null_const(const ExprPtr& e) { return is_const(e) && static_cast<const ConstExpr&>(*e).is_null; }
  static bool all_const(const std::vector<ExprPtr>& list) { return std::all_of(list.begin(), list.end(), is_const); }

  ExprPtr fold_param(const ExprPtr& e) {
    auto& p = static_cast<const ParamExpr&>(*e);
    if (!p_.fold_params || p.param_kind != ParamKind::kExtern || p.id > static_cast<int>(p_.ctx.params.size())) return e;
    p_.used_params = true;
    return make_const(e->type, p_.ctx.params[p.id - 1], p_.ctx, e->typmod, e->collation);
  }
  ExprPtr fold_call(const ExprPtr& e, Oid func, const std::vector<ExprPtr>& args) {
    FunctionInfo info = function_info(func, p_.ctx);
    if (info.returns_set) return e;
    if (info.strict && info.volatility != 'v' && std::any_of(args.begin(), args.end(), null_const)) return make_const(e->type, {}, p_.ctx, e->typmod, e->collation);
    if (info.volatility == 'i' && all_const(args) && info.native != nullptr) return evaluate_now(e);
    return e;
  }
  ExprPtr fold_node(const ExprPtr& e) {
    switch (e->kind) {
      case ExprKind::kFunc: {
        auto& f = static_cast<const FuncExpr&>(*e);
        return f.returns_set ? e : fold_call(e, f.func, f.args);
      }
      case ExprKind::kOp: {
        auto& o = static_cast<const OpExpr&>(*e);
        ExprPtr r = fold_call(e, o.func, o.args);
        if (r->kind == ExprKind::kOp && o.args.size() == 2) return fold_bool_comparison(r);
        return r;
      }
      case ExprKind::kDistinct: case ExprKind::kNullIf: {
        auto& o = static_cast<const OpExpr&>(*e);
        return all_const(o.args) && volatility_of(*e, p_.ctx) == 'i' ? evaluate_now(e) : e;
      }
      case ExprKind::kScalarArrayOp: {
        auto& s = static_cast<const ScalarArrayOpExpr&>(*e);
        return is_const(s.scalar) && is_const(s.array) && volatility_of(*e, p_.ctx) == 'i' ? evaluate_now(e) : e;
      }
      case ExprKind::kRelabel: case ExprKind::kCollate: {
        auto& u = static_cast<const UnaryExpr&>(*e);
        if (!is_const(u.arg)) return e;
        auto c = std::make_shared<ConstExpr>(static_cast<const ConstExpr&>(*u.arg));
        c->type = e->type;
        c->typmod = e->typmod;
        c->collation = e->collation;
        return c;
      }
      case ExprKind::kCoerceViaIo: {
        auto& u = static_cast<const UnaryExpr&>(*e);
        return is_const(u.arg) && volatility_of(*e, p_.ctx) == 'i' ? evaluate_now(e) : e;
      }
      case ExprKind::kArray: case ExprKind::kMinMax: return all_const(static_cast<const ListExpr&>(*e).args) ? evaluate_now(e) : e;
      case ExprKind::kNullTest: {
        auto& n = static_cast<const NullTestExpr&>(*e);
        return is_const(n.arg) && (!n.row_format || null_const(n.arg)) ? evaluate_now(e) : e;
      }
      case ExprKind::kBooleanTest: return is_const(static_cast<const BooleanTestExpr&>(*e).arg) ? evaluate_now(e) : e;
      case ExprKind::kSubscript: {
        auto& s = static_cast<const SubscriptExpr&>(*e);
        bool constant = !s.assign && is_const(s.container);
        for (auto* list : {&s.upper, &s.lower}) for (auto& x : *list) constant &= !x || is_const(x);
        return constant ? evaluate_now(e) : e;
      }
      case ExprKind::kFieldSelect: {
        // A field of ROW(...) is the field itself.
        auto& f = static_cast<const FieldSelectExpr&>(*e);
        if (f.arg->kind == ExprKind::kRow) {
          auto& row = static_cast<const ListExpr&>(*f.arg);
          if (f.field >= 1 && f.field <= static_cast<int>(row.args.size()) && row.args[f.field - 1]->type == e->type) return row.args[f.field - 1];
        }
        return e;
      }
      default: return e;
    }
  }
  // x = true is x; x = false is NOT x.
  ExprPtr fold_bool_comparison(const ExprPtr& e) {
    auto& o = static_cast<const OpExpr&>(*e);
    bool eq = o.op == 91, ne = o.op == 85;
    if (!eq && !ne) return e;
    for (int i = 0; i < 2; ++i) {
      if (!is_const(o.args[i]) || null_const(o.args[i])) continue;
      bool v = static_cast<const ConstExpr&>(*o.args[i]).value.as_bool();
      return v == eq ? o.args[1 - i] : negate(o.args[1 - i]);
    }
    return e;
  }
  ExprPtr negate(const ExprPtr& a) {
    switch (a->kind) {
      case ExprKind::kConst: return null_const(a) ? a : make_bool(!static_cast<const ConstExpr&>(*a).value.as_bool());
      case ExprKind::kBool: {
        auto& b = static_cast<const BoolExpr&>(*a);
        if (b.op == BoolOp::kNot) return b.args[0];
        std::vector<ExprPtr> list;
        for (auto& x : b.args) list.push_back(negate(x));
        return b.op == BoolOp::kAnd ? make_or(std::move(list)) : make_and(std::move(list));
      }
      case ExprKind::kOp: {
        auto& o = static_cast<const OpExpr&>(*a);
        Oid n = op_negator(o.op, *p_.state);
        if (n == 0 || a->type != oid::kBool) break;
        auto copy = std::make_shared<OpExpr>(o);
        copy->op = n;
        copy->func = op_func(n, *p_.state);
        return copy;
      }
      case ExprKind::kScalarArrayOp: {
        auto& s = static_cast<const ScalarArrayOpExpr&>(*a);
        Oid n = op_negator(s.op, *p_.state);
        if (n == 0) break;
        auto copy = std::make_shared<ScalarArrayOpExpr>(s);
        copy->op = n;
        copy->func = op_func(n, *p_.state);
        copy->use_or = !s.use_or;
        return copy;
      }
      case ExprKind::kNullTest: {
        auto& n = static_cast<const NullTestExpr&>(*a);
        if (n.row_format) break;
        auto copy = std::make_shared<NullTestExpr>(n);
        copy->is_null = !n.is_null;
        return copy;
      }
      case ExprKind::kBooleanTest: {
        auto copy = std::make_shared<BooleanTestExpr>(static_cast<const BooleanTestExpr&>(*a));
        copy->test = static_cast<BoolTest>(static_cast<int>(copy->test) ^ 1);
        return copy;
      }
      default: break;
    }
    auto b = std::make_shared<BoolExpr>();
    b->type = oid::kBool;
    b->op = BoolOp::kNot;
    b->args = {a};
    return b;
  }
  ExprPtr fold_bool(const BoolExpr& b, const ExprPtr& e) {
    if (b.op == BoolOp::kNot) return negate(fold(b.args[0]));
    bool is_and = b.op == BoolOp::kAnd;
    std::vector<ExprPtr> list;
    bool have_null = false;
    for (auto& a : b.args) {
      ExprPtr x = fold(a);
      if (is_const(x)) {
        auto& c = static_cast<const ConstExpr&>(*x);
        if (c.is_null) { have_null = true; continue; }
        if (c.value.as_bool() != is_and) return x;
        continue;
      }
      if (x->kind == ExprKind::kBool && static_cast<const BoolExpr&>(*x).op == b.op)
        for (auto& y : static_cast<const BoolExpr&>(*x).args) list.push_back(y);
      else list.push_back(x);
    }
    if (have_null) list.push_back(make_const(oid::kBool, {}, p_.ctx));
    if (list.empty()) return make_bool(is_and);
    if (!is_and) return factor_or(std::move(list));
    return make_list(b.op, std::move(list));
  }
  // (a AND b) OR (a AND c) is a AND (b OR c).
  ExprPtr factor_or(std::vector<ExprPtr> arms) {
    if (arms.size() < 2) return make_or(std::move(arms));
    std::vector<ExprPtr> first, common;
    split_and(arms[0], first);
    for (auto& f : first) {
      bool everywhere = true;
      for (size_t i = 1; i < arms.size() && everywhere; ++i) {
        std::vector<ExprPtr> parts;
        split_and(arms[i], parts);
        everywhere = std::any_of(parts.begin(), parts.end(), [&](auto& x) { return equal(x, f); });
      }
      if (everywhere) common.push_back(f);
    }
    if (common.empty()) return make_or(std::move(arms));
    std::vector<ExprPtr> rest;
    for (auto& arm : arms) {
      std::vector<ExprPtr> parts, kept;
      split_and(arm, parts);
      for (auto& x : parts) if (std::none_of(common.begin(), common.end(), [&](auto& c) { return equal(c, x); })) kept.push_back(x);
      if (kept.empty()) { rest.clear(); break; }
      rest.push_back(make_and(std::move(kept)));
    }
    if (!rest.empty()) common.push_back(make_or(std::move(rest)));
    return make_and(std::move(common));
  }
  ExprPtr fold_case(const CaseExpr& c, const ExprPtr& e) {
    auto copy = std::make_shared<CaseExpr>(c);
    copy->arg = fold(c.arg);
    copy->when.clear();
    // With a constant argument the placeholders can be replaced.
    ExprPtr test = copy->arg && is_const(copy->arg) ? copy->arg : nullptr;
    for (auto& [condition, result] : c.when) {
      ExprPtr x = condition;
      if (test) x = rewrite(x, [&](const ExprPtr& y, int) -> ExprPtr {
        if (y->kind == ExprKind::kCaseTest) return test;
        return y->kind == ExprKind::kCase || y->kind == ExprKind::kArrayCoerce ? y : nullptr;
      });
      x = fold(x);
      if (is_const(x)) {
        if (is_false_or_null(x)) continue;
        ExprPtr r = fold(result);
        if (copy->when.empty()) return r;
        copy->otherwise = r;
        return copy;
      }
      copy->when.emplace_back(x, fold(result));
    }
    copy->otherwise = fold(c.otherwise);
    if (copy->when.empty()) return copy->otherwise ? copy->otherwise : make_const(e->type, {}, p_.ctx, e->typmod, e->collation);
    if (test) copy->arg = nullptr;
    return copy;
  }
  ExprPtr fold_coalesce(const ExprPtr& e) {
    auto copy = std::make_shared<ListExpr>(static_cast<const ListExpr&>(*e));
    copy->args.clear();
    for (auto& a : static_cast<const ListExpr&>(*e).args) {
      ExprPtr x = fold(a);
      if (null_const(x)) continue;
      if (is_const(x)) {
        if (copy->args.empty()) return x;
        copy->args.push_back(x);
        return copy;
      }
      copy->args.push_back(x);
    }
    if (copy->args.empty()) return make_const(e->type, {}, p_.ctx, e->typmod, e->collation);
    return copy->args.size() == 1 ? copy->args[0] : ExprPtr(copy);
  }
  Planner& p_;
};
}  // namespace

ExprPtr Planner::simplify(const ExprPtr& e) { return Folder(*this).fold(e); }

}  // namespace stele::query
