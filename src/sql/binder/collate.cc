// Which collation each expression has and gives its functions: PostgreSQL's rules of implicit and
// explicit derivation, in one pass over finished expressions.
#include "sql/binder/binder.h"

namespace stele::sql {
namespace {

enum class Strength : uint8_t { kNone, kImplicit, kConflict, kExplicit };
struct State {
  Oid collation = 0;
  Strength strength = Strength::kNone;
  int location = -1;
  Oid collation2 = 0;
  int location2 = -1;
};

struct Pass {
  Binder& b;

  void merge(State& into, Oid collation, Strength strength, int location, Oid c2 = 0, int l2 = -1) {
    if (static_cast<int>(strength) > static_cast<int>(into.strength)) {
      into = {collation, strength, location, c2, l2};
      return;
    }
    if (strength != into.strength) return;
    if (strength == Strength::kImplicit && collation != into.collation) {
      // The default collation yields to any other.
      if (into.collation == oid::kDefaultCollation) into = {collation, strength, location};
      else if (collation != oid::kDefaultCollation) {
        into.strength = Strength::kConflict;
        into.collation2 = collation;
        into.location2 = location;
      }
    } else if (strength == Strength::kExplicit && collation != into.collation) {
      b.fail(ErrorCode::kCollationMismatch,
             "collation mismatch between explicit collations \"" + b.cat.collation_name(into.collation) + "\" and \"" + b.cat.collation_name(collation) + "\"", location);
    }
  }
  void merge(State& into, const State& s) { merge(into, s.collation, s.strength, s.location, s.collation2, s.location2); }

  State children(const Expr& e) {
    State s;
    for_each_child(e, [&](const ExprPtr& c) { merge(s, visit(c)); });
    return s;
  }

  void require(const State& s, const char* what) {
    if (s.strength == Strength::kConflict)
      b.fail(ErrorCode::kCollationMismatch,
             "collation mismatch between implicit collations \"" + b.cat.collation_name(s.collation) + "\" and \"" + b.cat.collation_name(s.collation2) + "\"", s.location2, {},
             "You can choose the collation by applying the COLLATE clause to one or both expressions.");
    (void)what;
  }

  State visit(const ExprPtr& p) {
    if (p == nullptr) return {};
    check_stack_depth();
    auto& e = const_cast<Expr&>(*p);
    auto type_collation = [&](Oid t) { const TypeRow* r = b.cat.find_type(t); return r == nullptr ? Oid{0} : r->collation; };
    // Fills in the result from the type and what the children gave.
    auto finish = [&](const State& s) -> State {
      Oid tc = type_collation(e.type);
      State out;
      if (tc == 0) {
        e.collation = 0;
        out.location = e.location;
        return out;
      }
      if (s.strength == Strength::kNone) {
        e.collation = tc;
        out = {tc, Strength::kImplicit, expr_location(p)};
      } else if (s.strength == Strength::kConflict) {
        e.collation = 0;
        out = s;
      } else {
        e.collation = s.collation;
        out = s;
      }
      return out;
    };
    switch (e.kind) {
      case ExprKind::kConst: case ExprKind::kVar: case ExprKind::kParam: case ExprKind::kCaseTest: case ExprKind::kDomainValue:
      case ExprKind::kSqlValue: case ExprKind::kSetToDefault: {
        if (e.kind == ExprKind::kConst && e.collation == 0 && e.type != oid::kUnknown) e.collation = type_collation(e.type);
        if (e.collation == 0) return {};
        return {e.collation, Strength::kImplicit, e.location};
      }
      case ExprKind::kCollate: {
        visit(static_cast<UnaryExpr&>(e).arg);
        return {e.collation, Strength::kExplicit, e.location};
      }
      case ExprKind::kFieldSelect: {
        State s = visit(static_cast<FieldSelectExpr&>(e).arg);
        (void)s;
        if (e.collation == 0) e.collation = type_collation(e.type);
        if (e.collation == 0) return {};
        return {e.collation, Strength::kImplicit, e.location};
      }
      case ExprKind::kRow: {
        for (const ExprPtr& a : static_cast<ListExpr&>(e).args) visit(a);
        return {};
      }
      case ExprKind::kRowCompare: {
        auto& r = static_cast<RowCompareExpr&>(e);
        r.collations.clear();
        for (size_t i = 0; i < r.left.size(); ++i) {
          State s;
          merge(s, visit(r.left[i]));
          merge(s, visit(r.right[i]));
          require(s, "row comparison");
          r.collations.push_back(s.strength == Strength::kNone ? 0 : s.collation);
        }
        return {};
      }
      case ExprKind::kCoerceToDomain: {
        visit(static_cast<UnaryExpr&>(e).arg);
        State s = visit(static_cast<UnaryExpr&>(e).arg);
        return finish(s);
      }
      case ExprKind::kSubLink: {
        auto& l = static_cast<SubLinkExpr&>(e);
        visit(l.test);
        if (l.link == SubLinkKind::kExpr || l.link == SubLinkKind::kArray) {
          for (const TargetEntry& t : l.subquery->targets)
            if (!t.junk) { e.collation = t.expr->collation; break; }
          if (type_collation(e.type) == 0) e.collation = 0;
          if (e.collation == 0) return {};
          return {e.collation, Strength::kImplicit, e.location};
        }
        return {};
      }
      case ExprKind::kFunc: {
        State s = children(e);
        static_cast<FuncExpr&>(e).input_collation = s.strength == Strength::kConflict ? 0 : s.collation;
        return finish(s);
      }
      case ExprKind::kOp: case ExprKind::kDistinct: case ExprKind::kNullIf: {
        State s = children(e);
        static_cast<OpExpr&>(e).input_collation = s.strength == Strength::kConflict ? 0 : s.collation;
        return finish(s);
      }
      case ExprKind::kScalarArrayOp: {
        State s = children(e);
        static_cast<ScalarArrayOpExpr&>(e).input_collation = s.strength == Strength::kConflict ? 0 : s.collation;
        return {};
      }
      case ExprKind::kMinMax: {
        State s = children(e);
        static_cast<ListExpr&>(e).input_collation = s.strength == Strength::kConflict ? 0 : s.collation;
        return finish(s);
      }
      case ExprKind::kAggregate: {
        auto& a = static_cast<AggregateExpr&>(e);
        State s;
        if (a.agg_kind == 'n') {
          for (const ExprPtr& x : a.args) merge(s, visit(x));
          for (SortKey& k : a.order_by) {
            visit(k.expr);
            k.collation = k.expr->collation;
          }
        } else {
          for (const ExprPtr& x : a.direct_args) merge(s, visit(x));
          for (const ExprPtr& x : a.args) {
            State one = visit(x);
            merge(s, one);
          }
          for (SortKey& k : a.order_by) {
            visit(k.expr);
            k.collation = k.expr->collation;
          }
        }
        visit(a.filter);
        a.input_collation = s.strength == Strength::kConflict ? 0 : s.collation;
        return finish(s);
      }
      case ExprKind::kWindow: {
        auto& w = static_cast<WindowExpr&>(e);
        State s;
        for (const ExprPtr& x : w.args) merge(s, visit(x));
        visit(w.filter);
        w.input_collation = s.strength == Strength::kConflict ? 0 : s.collation;
        return finish(s);
      }
      case ExprKind::kCase: {
        auto& c = static_cast<CaseExpr&>(e);
        visit(c.arg);
        State s;
        for (auto& [cond, result] : c.when) {
          visit(cond);
          merge(s, visit(result));
        }
        merge(s, visit(c.otherwise));
        return finish(s);
      }
      case ExprKind::kSubscript: {
        auto& x = static_cast<SubscriptExpr&>(e);
        State s = visit(x.container);
        for (auto& u : x.upper) visit(u);
        for (auto& l : x.lower) visit(l);
        if (x.assign != nullptr) merge(s, visit(x.assign));
        return finish(s);
      }
      case ExprKind::kArrayCoerce: {
        auto& u = static_cast<UnaryExpr&>(e);
        State s = visit(u.arg);
        visit(u.element);
        return finish(s);
      }
      default: {
        State s = children(e);
        return finish(s);
      }
    }
  }
};

}  // namespace

void Binder::assign_collations(const ExprPtr& e) { Pass{*this}.visit(e); }

void Binder::assign_list_collations(const std::vector<ExprPtr>& list) {
  for (const ExprPtr& e : list) assign_collations(e);
}

Oid Binder::select_common_collation(const std::vector<ExprPtr>& list, bool none_ok) {
  Pass p{*this};
  State s;
  for (const ExprPtr& e : list) p.merge(s, p.visit(e));
  if (s.strength == Strength::kConflict) {
    if (none_ok) return 0;
    p.require(s, "");
  }
  return s.strength == Strength::kNone ? 0 : s.collation;
}

void Binder::assign_collations(Query& q) {
  auto each = [&](const ExprPtr& e) { assign_collations(e); };
  for (TargetEntry& t : q.targets) each(t.expr);
  for (TargetEntry& t : q.returning) each(t.expr);
  each(q.where);
  each(q.having);
  std::function<void(const FromPtr&)> from = [&](const FromPtr& f) {
    if (f == nullptr || !f->is_join) return;
    from(f->left);
    from(f->right);
    each(f->condition);
  };
  for (const FromPtr& f : q.from) from(f);
  for (Window& w : q.windows) {
    each(w.start_offset);
    each(w.end_offset);
  }
  each(q.limit_count);
  each(q.limit_offset);
  if (q.on_conflict) {
    for (const ExprPtr& e : q.on_conflict->arbiter_elements) each(e);
    each(q.on_conflict->arbiter_where);
    for (TargetEntry& t : q.on_conflict->set) each(t.expr);
    each(q.on_conflict->where);
  }
  for (MergeAction& m : q.merge_actions) {
    each(m.condition);
    for (TargetEntry& t : m.targets) each(t.expr);
  }
}

}  // namespace stele::sql
