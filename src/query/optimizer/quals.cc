// Where each condition may be evaluated: outer join delays, equivalence classes, implied equalities.
// Follows the rules of PostgreSQL's initsplan.c and equivclass.c.
#include "base/error.h"
#include "query/optimizer/planner.h"
#include "types/builtin.h"
#include "types/oids.h"

namespace stele::query {

int Level::rel_index(int rti) const {
  auto it = rel_position_.find(rti);
  return it == rel_position_.end() ? -1 : it->second;
}
Relids Level::bit(int rti) const {
  int i = rel_index(rti);
  return i < 0 ? 0 : Relids{1} << i;
}
Relids Level::relids_of(const ExprPtr& e) const {
  Relids out = 0;
  walk(e, [&](const Expr& x, int level) {
    if (x.kind == ExprKind::kVar && static_cast<const VarExpr&>(x).levels_up == level) out |= bit(static_cast<const VarExpr&>(x).relation);
    return false;
  });
  return out;
}

void Level::collect_base_relations() {
  std::function<void(const FromPtr&)> leaf = [&](const FromPtr& item) {
    if (item->is_join) {
      leaf(item->left);
      if (item->right) leaf(item->right);
      return;
    }
    if (base_.size() >= kMaxRelations) too_many_relations();
    int position = static_cast<int>(base_.size());
    auto rel = std::make_unique<RelInfo>();
    rel->rti = item->relation;
    rel->rte = planner_.rte(item->relation);
    rel->relids = Relids{1} << position;
    rel_position_[item->relation] = position;
    base_.push_back(rel.get());
    rels_[rel->relids] = std::move(rel);
  };
  for (auto& item : q_.from) leaf(item);
  all_ = base_.size() == 64 ? ~Relids{0} : (Relids{1} << base_.size()) - 1;
}

ClausePtr Level::make_clause(const ExprPtr& e) {
  auto c = std::make_shared<Clause>();
  c->expr = e;
  c->relids = c->required = relids_of(e);
  if (e->kind == ExprKind::kOp && static_cast<const OpExpr&>(*e).args.size() == 2) {
    auto& o = static_cast<const OpExpr&>(*e);
    c->left = o.args[0];
    c->right = o.args[1];
    c->left_relids = relids_of(c->left);
    c->right_relids = relids_of(c->right);
    c->op = o.op;
    bool is_equality = false;
    for (auto& b : btree_ops(o.op, *planner_.state)) is_equality |= b.strategy == 3;
    c->equality = (is_equality || op_hashable(o.op, *planner_.state)) && !has_volatile(e, planner_.ctx);
  }
  return c;
}

bool Level::check_delay(Relids& relids, bool) {
  bool delayed = false;
  for (bool again = true; again;) {
    again = false;
    for (auto& sj : special_) {
      if (!(relids & sj.min_right) && !(sj.kind == JoinKind::kFull && (relids & sj.min_left))) continue;
      delayed = true;
      Relids all = sj.min_left | sj.min_right;
      if ((relids & all) != all) { relids |= all; again = true; }
    }
  }
  return delayed;
}

void Level::distribute(const ExprPtr& clause, bool below_outer, Relids qualscope, Relids ojscope, Relids nonnullable, bool) {
  ClausePtr c = make_clause(clause);
  Relids relids = c->relids;
  bool pseudo = relids == 0;
  if (pseudo) {
    if (ojscope) relids = ojscope;
    else if (below_outer || has_volatile(clause, planner_.ctx)) relids = qualscope;
    else { one_time_.push_back(clause); return; }
  }
  bool maybe_ec = false;
  if (relids & nonnullable) {
    c->pushed_down = false;
    relids = ojscope;
    check_delay(relids, false);
  } else {
    c->delayed = check_delay(relids, true);
    maybe_ec = !c->delayed && !below_outer && !pseudo;
  }
  c->required = relids;
  if (maybe_ec && add_to_ec(c)) return;
  place(c);
}

void Level::place(const ClausePtr& c) {
  Relids r = c->required;
  if (std::popcount(r) == 1) {
    base_[std::countr_zero(r)]->quals.push_back(c);
    return;
  }
  clauses_.push_back(c);
}

SpecialJoin Level::make_special(Relids left, Relids right, Relids inner_rels, JoinKind kind, const ExprPtr& condition) {
  SpecialJoin sj;
  sj.kind = kind;
  sj.syn_left = left;
  sj.syn_right = right;
  if (kind == JoinKind::kFull) {
    sj.min_left = left;
    sj.min_right = right;
    return sj;
  }
  Relids clause_relids = condition ? relids_of(condition) : 0;
  Relids strict = 0;
  std::vector<ExprPtr> parts;
  split_and(condition, parts);
  for (size_t i = 0; i < base_.size(); ++i)
    for (auto& p : parts)
      if (is_strict_for(p, [&](const VarExpr& v) { return v.relation == base_[i]->rti; }, planner_.ctx)) strict |= Relids{1} << i;
  sj.lhs_strict = (strict & left) != 0;
  sj.min_left = clause_relids & left;
  sj.min_right = (clause_relids | inner_rels) & right;
  auto is_semi = [](JoinKind k) { return k == JoinKind::kSemi || k == JoinKind::kAnti; };
  for (auto& o : special_) {
    if (o.kind == JoinKind::kFull) {
      if (left & (o.syn_left | o.syn_right)) sj.min_left |= o.syn_left | o.syn_right;
      if (right & (o.syn_left | o.syn_right)) sj.min_right |= o.syn_left | o.syn_right;
      continue;
    }
    if ((left & o.syn_right) && (clause_relids & o.syn_right) && (is_semi(kind) || !(strict & o.min_right))) sj.min_left |= o.syn_left | o.syn_right;
    if ((right & o.syn_right) && ((clause_relids & o.syn_right) || !(clause_relids & o.min_left) || is_semi(kind) || is_semi(o.kind) || !o.lhs_strict))
      sj.min_right |= o.syn_left | o.syn_right;
  }
  sj.min_left &= left | sj.min_left;
  if (sj.min_left == 0) sj.min_left = left;
  if (sj.min_right == 0) sj.min_right = right;
  return sj;
}

Level::JoinScope Level::deconstruct(const FromPtr& item, bool below_outer) {
  JoinScope s;
  if (!item->is_join) {
    s.relids = bit(item->relation);
    return s;
  }
  std::vector<ExprPtr> quals;
  split_and(item->condition, quals);
  if (!item->right) {
    s = deconstruct(item->left, below_outer);
    for (auto& q : quals) distribute(q, below_outer, s.relids, 0, 0, false);
    return s;
  }
  bool outer_left = item->join == JoinKind::kFull;
  bool outer_right = item->join == JoinKind::kLeft || item->join == JoinKind::kAnti || item->join == JoinKind::kFull;
  JoinScope l = deconstruct(item->left, below_outer || outer_left);
  JoinScope r = deconstruct(item->right, below_outer || outer_right);
  s.relids = l.relids | r.relids;
  s.inner = item->join == JoinKind::kInner ? s.relids : l.inner | r.inner;
  if (item->join == JoinKind::kInner) {
    for (auto& q : quals) distribute(q, below_outer, s.relids, 0, 0, true);
    return s;
  }
  SpecialJoin sj = make_special(l.relids, r.relids, s.inner, item->join, item->condition);
  Relids ojscope = item->join == JoinKind::kSemi ? 0 : sj.min_left | sj.min_right;
  Relids nonnullable = item->join == JoinKind::kSemi ? 0 : item->join == JoinKind::kFull ? s.relids : l.relids;
  if (item->join == JoinKind::kLeft) nullable_ |= r.relids;
  if (item->join == JoinKind::kFull) nullable_ |= s.relids;
  for (auto& q : quals) distribute(q, below_outer, s.relids, ojscope, nonnullable, true);
  special_.push_back(sj);
  return s;
}

// Equivalence classes.
namespace {
ExprPtr strip_relabel(const ExprPtr& e) {
  const ExprPtr* p = &e;
  while ((*p)->kind == ExprKind::kRelabel) p = &static_cast<const UnaryExpr&>(**p).arg;
  return *p;
}
}  // namespace

int Level::ec_for(const ExprPtr& e, Oid family, Oid collation, bool create) {
  for (size_t i = 0; i < ecs_.size(); ++i) {
    if (ecs_[i].merged || ecs_[i].family != family || ecs_[i].collation != collation) continue;
    for (auto& m : ecs_[i].members)
      if (equal(m.expr, e) || equal(strip_relabel(m.expr), strip_relabel(e))) return static_cast<int>(i);
  }
  if (!create) return -1;
  EquivClass ec;
  ec.family = family;
  ec.collation = collation;
  Relids r = relids_of(e);
  // Results of set operations, aggregates and windows vary without having base relations.
  bool varies = r != 0 || walk(e, [](const Expr& x, int) {
    return x.kind == ExprKind::kVar || x.kind == ExprKind::kAggregate || x.kind == ExprKind::kGrouping || x.kind == ExprKind::kWindow || x.kind == ExprKind::kSubPlan;
  }) || has_volatile(e, planner_.ctx) || returns_set(e);
  ec.members.push_back({e, r, !varies});
  ec.relids = r;
  ec.has_const = !varies;
  ecs_.push_back(std::move(ec));
  return static_cast<int>(ecs_.size()) - 1;
}

bool Level::add_to_ec(const ClausePtr& c) {
  if (!c->equality || !op_mergeable(c->op, *planner_.state)) return false;
  if (c->left_relids == 0 && c->right_relids == 0) return false;
  Oid family = 0;
  for (auto& b : btree_ops(c->op, *planner_.state)) if (b.strategy == 3) { family = b.family; break; }
  if (family == 0) return false;
  if (equal(c->left, c->right)) return false;
  Oid collation = static_cast<const OpExpr&>(*c->expr).input_collation;
  int a = ec_for(c->left, family, collation, false), b = ec_for(c->right, family, collation, false);
  if (a < 0 && b < 0) a = ec_for(c->left, family, collation, true);
  if (a < 0) std::swap(a, b);
  auto& ec = ecs_[a];
  ec.from_clause = true;
  if (b >= 0 && a != b) {
    auto& other = ecs_[b];
    ec.members.insert(ec.members.end(), other.members.begin(), other.members.end());
    ec.relids |= other.relids;
    ec.has_const |= other.has_const;
    other.merged = true;
    return true;
  }
  for (auto& side : {c->left, c->right}) {
    if (std::any_of(ec.members.begin(), ec.members.end(), [&](auto& m) { return equal(m.expr, side); })) continue;
    Relids r = relids_of(side);
    ec.members.push_back({side, r, r == 0});
    ec.relids |= r;
    ec.has_const |= r == 0;
  }
  return true;
}

namespace {
ClausePtr equate(Level& level, const EquivClass& ec, const EquivClass::Member& x, const EquivClass::Member& y) {
  auto declared = [&](const ExprPtr& e) {
    TypeInfo t = type_info(e->type, level.planner_.ctx);
    if (t.kind == 'e') return Oid{oid::kAnyEnum};
    if (t.element != 0) return Oid{oid::kAnyArray};
    if (t.kind == 'c') return Oid{oid::kRecord};
    if (t.kind == 'r') return Oid{oid::kAnyRange};
    if (t.kind == 'm') return Oid{oid::kAnyMultirange};
    if (t.base == oid::kVarchar) return Oid{oid::kText};
    return t.base;
  };
  Oid op = family_operator(ec.family, declared(x.expr), declared(y.expr), 3);
  if (op == 0) return nullptr;
  auto e = std::make_shared<OpExpr>();
  e->type = oid::kBool;
  e->op = op;
  e->func = op_func(op, *level.planner_.state);
  e->args = {x.expr, y.expr};
  e->input_collation = ec.collation;
  ClausePtr c = level.make_clause(e);
  c->equality = true;
  return c;
}
}  // namespace

void Level::base_implied() {
  for (size_t i = 0; i < ecs_.size(); ++i) {
    EquivClass& ec = ecs_[i];
    if (ec.merged || !ec.from_clause) continue;
    if (ec.has_const) {
      // A Const is preferred to a parameter.
      const EquivClass::Member* constant = nullptr;
      for (auto& m : ec.members) if (m.is_const && (constant == nullptr || m.expr->kind == ExprKind::kConst)) constant = &m;
      for (auto& m : ec.members) {
        if (&m == constant) continue;
        ClausePtr c = equate(*this, ec, m, *constant);
        if (!c) continue;
        c->ec = static_cast<int>(i);
        if (c->relids == 0) one_time_.push_back(c->expr);
        else place(c);
      }
      continue;
    }
    for (size_t a = 0; a < ec.members.size(); ++a)
      for (size_t b = a + 1; b < ec.members.size(); ++b) {
        if (ec.members[a].relids != ec.members[b].relids || std::popcount(ec.members[a].relids) != 1) continue;
        if (ClausePtr c = equate(*this, ec, ec.members[a], ec.members[b])) { c->ec = static_cast<int>(i); place(c); }
        break;
      }
  }
}

void Level::ec_clauses(Relids outer, Relids inner, std::vector<ClausePtr>& out) {
  for (size_t i = 0; i < ecs_.size(); ++i) {
    EquivClass& ec = ecs_[i];
    if (ec.merged || !ec.from_clause || ec.has_const || !(ec.relids & outer) || !(ec.relids & inner)) continue;
    const EquivClass::Member *o = nullptr, *n = nullptr;
    std::vector<const EquivClass::Member*> spanning;
    auto simple = [](const EquivClass::Member* m) { return m != nullptr && m->expr->kind == ExprKind::kVar; };
    for (auto& m : ec.members) {
      if ((m.relids & ~(outer | inner)) != 0) continue;
      if ((m.relids & ~outer) == 0) { if (o == nullptr || (!simple(o) && simple(&m))) o = &m; }
      else if ((m.relids & ~inner) == 0) { if (n == nullptr || (!simple(n) && simple(&m))) n = &m; }
      else spanning.push_back(&m);
    }
    if (o != nullptr && n != nullptr)
      if (ClausePtr c = equate(*this, ec, *o, *n)) { c->ec = static_cast<int>(i); out.push_back(c); }
    for (auto* m : spanning) {
      const EquivClass::Member* with = o != nullptr ? o : n != nullptr ? n : spanning[0];
      if (with == m) continue;
      if (ClausePtr c = equate(*this, ec, *with, *m)) { c->ec = static_cast<int>(i); out.push_back(c); }
    }
  }
}

std::vector<ClausePtr> Level::join_clauses(Relids outer, Relids inner, Relids joined) {
  std::vector<ClausePtr> out;
  for (auto& c : clauses_) {
    if ((c->required & ~joined) != 0) continue;
    if ((c->required & ~outer) == 0 || (c->required & ~inner) == 0) continue;
    out.push_back(c);
  }
  ec_clauses(outer, inner, out);
  return out;
}

std::vector<PathKey> Level::pathkeys_for(const std::vector<SortKey>& keys) {
  std::vector<PathKey> out;
  for (auto& k : keys) {
    Oid family = 0;
    for (auto& b : btree_ops(k.sort_op, *planner_.state)) { family = b.family; break; }
    int ec = ec_for(k.expr, family, k.collation, true);
    if (ecs_[ec].has_const) continue;
    PathKey p{ec, k.descending, k.nulls_first};
    if (std::none_of(out.begin(), out.end(), [&](auto& x) { return x.ec == ec; })) out.push_back(p);
  }
  return out;
}

}  // namespace stele::query
