// A level joins as many relations as Relids has bits. What is written with more is split: parts of it are planned as
// subqueries of their own, as PostgreSQL's join_collapse_limit and from_collapse_limit do with theirs.
#include "base/error.h"
#include "query/optimizer/planner.h"

namespace stele::query {

namespace {
constexpr size_t kAtMost = 48;   // of a level after the split: room for what is pulled up later
constexpr size_t kPart = 24;

size_t leaves_of(const FromPtr& item) {
  if (!item) return 0;
  return item->is_join ? leaves_of(item->left) + leaves_of(item->right) : 1;
}
void relations_of(const FromPtr& item, std::set<int>& out) {
  if (!item) return;
  if (!item->is_join) { out.insert(item->relation); return; }
  relations_of(item->left, out);
  relations_of(item->right, out);
}
}  // namespace

size_t Level::count_leaves() const {
  size_t n = 0;
  for (auto& item : q_.from) n += leaves_of(item);
  return n;
}

// Turns a part of FROM, and the conditions that concern it alone, into a subquery; null when something in it looks outside.
FromPtr Level::collapse(const FromPtr& item) {
  std::set<int> inside;
  relations_of(item, inside);
  if (inside.contains(q_.result_relation)) return nullptr;
  for (auto& lock : q_.row_locks)
    if (inside.contains(lock.relation)) return nullptr;
  auto only_inside = [&](const ExprPtr& e) {
    bool any = false;
    const bool outside = walk(e, [&](const Expr& x, int level) {
      if (x.kind != ExprKind::kVar || static_cast<const VarExpr&>(x).levels_up != level) return false;
      any = true;
      return !inside.contains(static_cast<const VarExpr&>(x).relation);
    });
    return any && !outside;
  };
  for (int rti : inside)
    if (planner_.rtable[rti - 1]->lateral) return nullptr;
  auto sub = std::make_shared<Query>();
  std::map<int, int> number;
  for (int rti : inside) {
    sub->range_table.push_back(std::make_shared<RangeTableEntry>(*planner_.rtable[rti - 1]));
    number[rti] = static_cast<int>(sub->range_table.size());
  }
  // Numbers of the new level; whatever refers to levels above is one further away.
  auto inward = [&](const ExprPtr& e) {
    ExprPtr moved = shift_levels(e, 1, 1);
    return rewrite(moved, [&](const ExprPtr& x, int level) -> ExprPtr {
      if (x->kind != ExprKind::kVar) return nullptr;
      auto& v = static_cast<const VarExpr&>(*x);
      if (v.levels_up != level || !number.contains(v.relation)) return nullptr;
      auto own = std::make_shared<VarExpr>(v);
      own->relation = number[v.relation];
      own->levels_up = level;
      return own;
    });
  };
  std::function<FromPtr(const FromPtr&)> renumber = [&](const FromPtr& from) -> FromPtr {
    if (!from) return nullptr;
    auto copy = std::make_shared<FromItem>(*from);
    if (!from->is_join) {
      copy->relation = number[from->relation];
      return copy;
    }
    copy->relation = 0;
    copy->left = renumber(from->left);
    copy->right = renumber(from->right);
    if (copy->condition) copy->condition = inward(copy->condition);
    return copy;
  };
  // Subqueries and functions inside may refer to levels above.
  for (auto& rte : sub->range_table)
    if (rte->subquery) {
      auto body = std::make_shared<Query>(*rte->subquery);
      shift_levels(*body, 1, 1);
      rte->subquery = body;
    }
  std::vector<ExprPtr> parts, kept, moved;
  if (q_.where) split_and(q_.where, parts);
  for (auto& p : parts) (only_inside(p) && !has_sublink(p) && !has_volatile(p, planner_.ctx) ? moved : kept).push_back(p);
  q_.where = make_and(kept);
  sub->from = {renumber(item)};
  std::vector<ExprPtr> conditions;
  for (auto& m : moved) conditions.push_back(inward(m));
  sub->where = make_and(conditions);
  // Columns that the rest of the level uses.
  auto rte = std::make_shared<RangeTableEntry>();
  rte->kind = RteKind::kSubquery;
  rte->alias = "joined";
  const int rti = add_rte(rte);
  std::map<std::pair<int, int16_t>, int16_t> columns;
  auto column_of = [&](const VarExpr& v) {
    auto [it, fresh] = columns.try_emplace({v.relation, v.column}, static_cast<int16_t>(columns.size() + 1));
    if (fresh) {
      TargetEntry t;
      t.expr = make_var(number[v.relation], v.column, v.type, v.typmod, v.collation);
      t.resno = it->second;
      t.name = fmt::format("c{}", it->second);
      sub->targets.push_back(t);
      rte->column_types.push_back(v.type);
      rte->column_typmods.push_back(v.typmod);
      rte->column_collations.push_back(v.collation);
      rte->column_aliases.push_back(t.name);
    }
    return it->second;
  };
  auto leaf = std::make_shared<FromItem>();
  leaf->relation = rti;
  // The part leaves FROM before the rest is rewritten.
  std::function<FromPtr(const FromPtr&)> replace = [&](const FromPtr& from) -> FromPtr {
    if (from == item) return leaf;
    if (!from || !from->is_join) return from;
    auto copy = std::make_shared<FromItem>(*from);
    copy->left = replace(from->left);
    copy->right = replace(from->right);
    return copy;
  };
  for (auto& from : q_.from) from = replace(from);
  // Entries of the part belong to its level from here on.
  for (int gone : inside) {
    auto dead = std::make_shared<RangeTableEntry>();
    dead->kind = RteKind::kResult;
    dead->alias = planner_.rtable[gone - 1]->alias;
    for (size_t i = 0; i < rtis_.size(); ++i)
      if (rtis_[i] == gone) q_.range_table[i] = dead;
    planner_.rtable[gone - 1] = dead;
  }
  rewrite_all([&](const ExprPtr& e, int level) -> ExprPtr {
    if (e->kind != ExprKind::kVar) return nullptr;
    auto& v = static_cast<const VarExpr&>(*e);
    if (v.levels_up != level || !inside.contains(v.relation)) return nullptr;
    auto out = std::make_shared<VarExpr>(v);
    out->relation = rti;
    out->column = column_of(v);
    return out;
  });
  if (sub->targets.empty()) {
    TargetEntry one;
    one.expr = make_bool(true);
    one.resno = 1;
    one.name = "c1";
    sub->targets.push_back(one);
    rte->column_types.push_back(one.expr->type);
    rte->column_typmods.push_back(-1);
    rte->column_collations.push_back(0);
    rte->column_aliases.push_back(one.name);
  }
  auto done = std::make_shared<RangeTableEntry>(*rte);
  done->subquery = sub;
  for (size_t i = 0; i < rtis_.size(); ++i)
    if (rtis_[i] == rti) q_.range_table[i] = done;
  planner_.rtable[rti - 1] = done;
  return leaf;
}

void Level::limit_relations() {
  for (size_t n = count_leaves(); n > kMaxRelations; n = count_leaves())
    while (count_leaves() > kAtMost) {
      const size_t before = count_leaves();
      // The largest join within the list that is small enough on its own, or several of the list's items.
      FromPtr part;
      std::function<void(const FromPtr&)> look = [&](const FromPtr& item) {
        if (!item || !item->is_join) return;
        const size_t size = leaves_of(item);
        if (size <= kPart) {
          if (size > 1 && (!part || size > leaves_of(part))) part = item;
          return;
        }
        look(item->left);
        look(item->right);
      };
      for (auto& item : q_.from) look(item);
      if (!part || q_.from.size() > kAtMost) {
        // Items that conditions connect belong together.
        std::vector<ExprPtr> conditions;
        if (q_.where) split_and(q_.where, conditions);
        std::vector<std::set<int>> sets(q_.from.size());
        for (size_t i = 0; i < q_.from.size(); ++i) relations_of(q_.from[i], sets[i]);
        auto connected = [&](const std::set<int>& a, const std::set<int>& b) {
          return std::any_of(conditions.begin(), conditions.end(), [&](const ExprPtr& c) {
            bool in_a = false, in_b = false;
            walk(c, [&](const Expr& x, int level) {
              if (x.kind != ExprKind::kVar || static_cast<const VarExpr&>(x).levels_up != level) return false;
              in_a |= a.contains(static_cast<const VarExpr&>(x).relation);
              in_b |= b.contains(static_cast<const VarExpr&>(x).relation);
              return false;
            });
            return in_a && in_b;
          });
        };
        size_t first = 0;
        while (first < q_.from.size() && (sets[first].contains(q_.result_relation) || leaves_of(q_.from[first]) > kPart)) ++first;
        if (first == q_.from.size()) break;
        std::set<int> group = sets[first];
        std::vector<size_t> members{first};
        size_t size = leaves_of(q_.from[first]);
        for (bool linked : {true, false})
          for (bool again = true; again && size < kPart;) {
            again = false;
            for (size_t i = 0; i < q_.from.size() && size < kPart; ++i) {
              if (std::find(members.begin(), members.end(), i) != members.end() || size + leaves_of(q_.from[i]) > kPart || sets[i].contains(q_.result_relation)) continue;
              if (linked && !connected(group, sets[i])) continue;
              members.push_back(i);
              group.insert(sets[i].begin(), sets[i].end());
              size += leaves_of(q_.from[i]);
              again = true;
            }
          }
        if (members.size() < 2) break;
        std::vector<FromPtr> items, rest;
        for (size_t m : members) items.push_back(q_.from[m]);
        for (size_t i = 0; i < q_.from.size(); ++i)
          if (std::find(members.begin(), members.end(), i) == members.end()) rest.push_back(q_.from[i]);
        part = from_chain(std::move(items), nullptr);
        rest.insert(rest.begin(), part);
        q_.from = std::move(rest);
      }
      if (!collapse(part) || count_leaves() >= before) {
        if (count_leaves() > kMaxRelations) too_many_relations();
        return;
      }
    }
}

}  // namespace stele::query
