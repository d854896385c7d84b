// How many rows conditions keep: PostgreSQL's estimators over ColumnStatistics, whose values are in
// the row codec's form.
#include "query/exec/catalog_rows.h"
#include "query/optimizer/planner.h"
#include "types/builtin.h"
#include "types/oids.h"
#include "rows/codec.h"

namespace stele::query {

namespace {
constexpr double kEq = 0.005, kIneq = 1.0 / 3, kRange = 0.005, kMatch = 0.005, kUnknown = 0.5;
double clamp(double s) { return std::min(1.0, std::max(0.0, s)); }
const Expr* strip(const Expr* e) {
  while (e->kind == ExprKind::kRelabel || e->kind == ExprKind::kCollate) e = static_cast<const UnaryExpr*>(e)->arg.get();
  return e;
}
}  // namespace

Level::VarStats Level::var_stats(const ExprPtr& e) {
  VarStats v;
  const Expr* x = strip(e.get());
  if (x->kind != ExprKind::kVar) {
    Relids r = relids_of(e);
    if (std::popcount(r) == 1) { v.rel = base_[std::countr_zero(r)]; v.rows = v.rel->tuples; v.distinct = std::min(200.0, std::max(1.0, v.rows)); }
    return v;
  }
  auto& var = static_cast<const VarExpr&>(*x);
  int i = rel_index(var.relation);
  if (i < 0) return v;
  RelInfo* rel = base_[i];
  v.rel = rel;
  v.rows = rel->tuples;
  v.distinct = std::min(200.0, std::max(1.0, rel->tuples));
  if (rel->stats) {
    auto it = rel->stats->columns.find(var.column);
    if (it != rel->stats->columns.end()) {
      v.column = &it->second;
      v.distinct = it->second.distinct > 0 ? it->second.distinct : it->second.distinct < 0 ? -it->second.distinct * rel->tuples : v.distinct;
    }
  }
  if (rel->table) {
    for (Oid ix : rel->table->indexes) {
      auto index = planner_.relation(ix);
      if (index && index->index && index->index->unique && index->index->keys.size() == 1 && index->index->keys[0].column == var.column && index->index->predicate_sql.empty()) {
        v.unique = true;
        v.distinct = rel->tuples;
      }
    }
  } else if (rel->system && var.column > 0) {
    v.distinct = CatalogRows::distinct(rel->system->oid, var.column, planner_.ctx);
  } else if (rel->rte->kind == RteKind::kSubquery) {
    v.distinct = rel->tuples;
  }
  if (x->type == oid::kBool && v.column == nullptr) v.distinct = 2;
  v.distinct = std::max(1.0, v.distinct);
  return v;
}

namespace {
struct StatValues {
  Planner& p;
  Oid type;
  std::vector<Datum> values;
  StatValues(Planner& planner, Oid t, const std::vector<std::string>& encoded) : p(planner), type(t) {
    for (auto& s : encoded) values.push_back(rows::decode_value(rows::resolve_type(t, *p.state), s, p.arena));
  }
};

// The fraction of the histogram below v, interpolated within a bucket for numbers.
double histogram_fraction(const std::vector<Datum>& h, Datum v, const TypeOps& ops, Oid collation, Oid type) {
  int n = static_cast<int>(h.size());
  if (n < 2) return kUnknown;
  int lo = 0, hi = n;
  while (lo < hi) {
    int mid = (lo + hi) / 2;
    if (ops.compare(h[mid], v, collation) < 0) lo = mid + 1;
    else hi = mid;
  }
  if (lo == 0) return 0;
  if (lo >= n) return 1;
  double within = 0.5;
  auto number = [&](Datum d, double* out) {
    switch (type) {
      case oid::kInt2: case oid::kInt4: case oid::kInt8: case oid::kDate: case oid::kTimestamp: case oid::kTimestamptz: case oid::kTime:
        *out = static_cast<double>(d.as_int());
        return true;
      case oid::kFloat8: *out = d.as_double(); return true;
      case oid::kFloat4: *out = d.as_float(); return true;
      default: return false;
    }
  };
  double a, b, x;
  if (number(h[lo - 1], &a) && number(h[lo], &b) && number(v, &x) && b > a) within = clamp((x - a) / (b - a));
  return (lo - 1 + within) / (n - 1);
}
}  // namespace

double Level::selectivity(const ExprPtr& e) {
  switch (e->kind) {
    case ExprKind::kConst: return is_true(e) ? 1 : 0;
    case ExprKind::kBool: {
      auto& b = static_cast<const BoolExpr&>(*e);
      if (b.op == BoolOp::kNot) return clamp(1 - selectivity(b.args[0]));
      if (b.op == BoolOp::kOr) {
        double s = 0;
        for (auto& a : b.args) { double x = selectivity(a); s = s + x - s * x; }
        return clamp(s);
      }
      return list_selectivity(b.args);
    }
    case ExprKind::kNullTest: {
      auto& n = static_cast<const NullTestExpr&>(*e);
      VarStats v = var_stats(n.arg);
      double f = v.column != nullptr ? v.column->null_fraction : 0.005;
      return n.is_null ? f : 1 - f;
    }
    case ExprKind::kVar: {
      VarStats v = var_stats(e);
      if (v.column != nullptr)
        for (auto& [value, freq] : v.column->most_common) if (!value.empty() && value[0] != 0) return freq;
      return 0.5;
    }
    case ExprKind::kScalarArrayOp: {
      auto& s = static_cast<const ScalarArrayOpExpr&>(*e);
      double items = 10;
      if (s.array->kind == ExprKind::kConst) {
        auto& c = static_cast<const ConstExpr&>(*s.array);
        if (c.is_null) return 0;
        items = ArrayView(c.value).count();
      } else if (s.array->kind == ExprKind::kArray) {
        items = static_cast<double>(static_cast<const ListExpr&>(*s.array).args.size());
      }
      std::string name = op_name(s.op, *planner_.state);
      VarStats v = var_stats(s.scalar);
      if (name == "=" && s.use_or) return clamp(items / v.distinct);
      if (name == "<>" && !s.use_or) return clamp(1 - items / v.distinct);
      return s.use_or ? clamp(1 - std::pow(1 - kIneq, items)) : std::pow(kIneq, items);
    }
    case ExprKind::kBooleanTest: {
      auto& b = static_cast<const BooleanTestExpr&>(*e);
      double s = selectivity(b.arg);
      return b.test == BoolTest::kIsTrue ? s : b.test == BoolTest::kIsFalse ? 1 - s : b.test == BoolTest::kIsUnknown ? 0.005 : b.test == BoolTest::kIsNotTrue ? 1 - s : b.test == BoolTest::kIsNotFalse ? s : 0.995;
    }
    case ExprKind::kOp: break;
    case ExprKind::kDistinct: return 0.9;
    case ExprKind::kRowCompare: return kIneq;
    default: return e->type == oid::kBool ? (e->kind == ExprKind::kFunc ? 0.3333 : 0.5) : 0.5;
  }
  auto& o = static_cast<const OpExpr&>(*e);
  const BuiltinOperator* op = builtin::op(o.op);
  std::string est = op != nullptr ? op->restrict_estimator : "";
  if (o.args.size() != 2 || est.empty() || est == "-") return op != nullptr && op->result == oid::kBool ? 0.5 : 0.3333;
  Relids l = relids_of(o.args[0]), r = relids_of(o.args[1]);
  if (l && r) {
    if (est == "eqsel") {
      VarStats a = var_stats(o.args[0]), b = var_stats(o.args[1]);
      return clamp(1 / std::max(a.distinct, b.distinct));
    }
    return est == "neqsel" ? 0.995 : kIneq;
  }
  int var_side = l ? 0 : 1;
  ExprPtr var = o.args[var_side], other = o.args[1 - var_side];
  VarStats v = var_stats(var);
  double nulls = v.column != nullptr ? v.column->null_fraction : 0;
  bool known = false;
  NullableDatum constant;
  if (other->kind == ExprKind::kConst) {
    constant = {static_cast<const ConstExpr&>(*other).value, static_cast<const ConstExpr&>(*other).is_null};
    known = true;
  } else if (other->kind != ExprKind::kParam && !has_vars(other) && !has_volatile(other, planner_.ctx) &&
             !walk(other, [](const Expr& x, int) { return x.kind == ExprKind::kParam || x.kind == ExprKind::kSubLink || x.kind == ExprKind::kSubPlan; })) {
    try {
      constant = evaluate_const(other, planner_.exec, planner_.arena);
      known = true;
    } catch (...) {
    }
  } else if (other->kind == ExprKind::kParam && static_cast<const ParamExpr&>(*other).param_kind == ParamKind::kExtern) {
    planner_.used_params = true;
  }
  if (known && constant.is_null) return 0;
  TypeInfo t = type_info(var->type, planner_.ctx);
  TypeInfo ot = type_info(other->type, planner_.ctx);
  auto integer = [](Oid x) { return x == oid::kInt2 || x == oid::kInt4 || x == oid::kInt8; };
  bool comparable = known && v.column != nullptr && t.ops->compare != nullptr && (t.ops == ot.ops || (integer(t.base) && integer(ot.base)));
  const Expr* plain = strip(var.get());
  Oid stat_type = plain->type;
  if (est == "eqsel" || est == "neqsel") {
    double s;
    if (v.unique) s = 1 / std::max(1.0, v.rows);
    else if (comparable && plain->kind == ExprKind::kVar) {
      double total = 0;
      s = -1;
      for (auto& [value, freq] : v.column->most_common) {
        total += freq;
        Datum d = rows::decode_value(rows::resolve_type(stat_type, *planner_.state), value, planner_.arena);
        if (t.ops->compare(d, constant.value, o.input_collation) == 0) s = freq;
      }
      if (s < 0) {
        double others = v.distinct - static_cast<double>(v.column->most_common.size());
        s = (1 - total - nulls) / std::max(1.0, others);
        if (!v.column->most_common.empty()) s = std::min(s, v.column->most_common.back().second);
      }
    } else {
      s = (1 - nulls) / v.distinct;
    }
    return clamp(est == "eqsel" ? s : 1 - s - nulls);
  }
  bool less = est == "scalarltsel" || est == "scalarlesel", greater = est == "scalargtsel" || est == "scalargesel";
  if (less || greater) {
    if (!comparable || plain->kind != ExprKind::kVar || v.column->histogram.empty()) {
      return kIneq;
    }
    if (var_side == 1) std::swap(less, greater);
    StatValues h(planner_, stat_type, v.column->histogram);
    double below = histogram_fraction(h.values, constant.value, *t.ops, o.input_collation, t.base);
    double mcv = 0, mcv_match = 0;
    for (auto& [value, freq] : v.column->most_common) {
      mcv += freq;
      Datum d = rows::decode_value(rows::resolve_type(stat_type, *planner_.state), value, planner_.arena);
      int c = t.ops->compare(d, constant.value, o.input_collation);
      if (less ? c < 0 : c > 0) mcv_match += freq;
    }
    double hist = less ? below : 1 - below;
    return std::max(1e-5, clamp(hist * (1 - mcv - nulls) + mcv_match));
  }
  if (est == "likesel" || est == "iclikesel" || est == "regexeqsel" || est == "icregexeqsel") {
    if (known && other->type == oid::kText) {
      std::string_view pattern = constant.value.as_view();
      size_t fixed = 0;
      for (char c : pattern) { if (c == '%' || c == '_') continue; ++fixed; }
      bool prefix = !pattern.empty() && pattern[0] != '%' && pattern[0] != '_';
      return clamp(std::max(kMatch * 0.1, std::pow(prefix ? 0.2 : 0.5, std::min<double>(static_cast<double>(fixed), 5)) * 2));
    }
    return kMatch;
  }
  if (est == "nlikesel" || est == "nregexeqsel" || est == "icnlikesel") return 1 - kMatch;
  if (est == "contsel" || est == "matchingsel" || est == "arraycontsel" || est == "tsmatchsel") return 0.01;
  if (est == "areasel") return 0.005;
  return 0.3333;
}

double Level::clause_selectivity(const ClausePtr& c) {
  if (c->selectivity < 0) {
    c->selectivity = selectivity(c->expr);
    // What conditions drawn from it have removed already is not removed again.
    for (auto* rel : base_)
      for (auto& q : rel->quals)
        if (q->implied_by == c) c->selectivity = clamp(c->selectivity / std::max(1e-6, selectivity(q->expr)));
  }
  return c->selectivity;
}

double Level::join_rows(const RelInfo& a, const RelInfo& b, JoinKind kind, const std::vector<ClausePtr>& clauses) {
  double join_sel = 1, pushed_sel = 1;
  Relids joined = a.relids | b.relids;
  for (auto& c : clauses) {
    double s = clause_selectivity(c);
    bool is_join = kind == JoinKind::kInner || kind == JoinKind::kSemi || (!c->pushed_down && (c->required & ~joined) == 0);
    if (kind == JoinKind::kSemi || kind == JoinKind::kAnti) {
      // The fraction of outer rows that have a partner.
      if (c->equality) {
        bool left_outer = (c->left_relids & ~a.relids) == 0;
        VarStats o = var_stats(left_outer ? c->left : c->right), i = var_stats(left_outer ? c->right : c->left);
        double inner_distinct = std::min(i.distinct, std::max(1.0, b.rows));
        s = o.distinct <= inner_distinct ? 1 : inner_distinct / o.distinct;
      }
      is_join = kind == JoinKind::kSemi || !c->pushed_down;
    }
    (is_join ? join_sel : pushed_sel) *= s;
  }
  double n = 1;
  switch (kind) {
    case JoinKind::kInner: n = a.rows * b.rows * join_sel; break;
    case JoinKind::kLeft: n = std::max(a.rows * b.rows * join_sel, a.rows) * pushed_sel; break;
    case JoinKind::kRight: n = std::max(a.rows * b.rows * join_sel, b.rows) * pushed_sel; break;
    case JoinKind::kFull: n = std::max({a.rows * b.rows * join_sel, a.rows, b.rows}) * pushed_sel; break;
    case JoinKind::kSemi: n = a.rows * join_sel * pushed_sel; break;
    case JoinKind::kAnti: n = a.rows * (1 - join_sel) * pushed_sel; break;
  }
  return std::max(1.0, std::round(n));
}

double Level::estimate_groups(const std::vector<ExprPtr>& keys, double rows) {
  if (keys.empty()) return 1;
  std::map<const RelInfo*, double> per_rel;
  double n = 1;
  for (auto& k : keys) {
    std::vector<ExprPtr> vars;
    pull_needed(k, vars);
    if (vars.empty()) continue;
    for (auto& v : vars) {
      VarStats s = var_stats(v);
      double d = s.distinct;
      if (s.rel != nullptr && s.rel->tuples > 0 && s.rel->rows < s.rel->tuples) {
        // Expected distinct values left after the restriction.
        double ratio = s.rel->rows / s.rel->tuples;
        d *= 1 - std::pow(1 - ratio, s.rel->tuples / d);
        d = std::max(1.0, d);
      }
      auto [it, fresh] = per_rel.emplace(s.rel, d);
      if (!fresh) it->second *= d;
    }
  }
  for (auto& [rel, d] : per_rel) n *= rel != nullptr ? std::min(d, std::max(1.0, rel->rows)) : d;
  return std::max(1.0, std::min(std::ceil(n), std::max(1.0, rows)));
}

}  // namespace stele::query
