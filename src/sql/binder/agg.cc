// Aggregates, GROUPING and window calls: their level, their place, and the check that ungrouped columns
// do not escape.
#include <set>

#include "sql/binder/binder.h"

namespace stele::sql {

void Binder::finish_aggregate(Scope& s, const std::shared_ptr<AggregateExpr>& a, std::span<Node* const> order, bool within_group, const std::string& name) {
  for (const ExprPtr& d : a->direct_args) a->arg_types.push_back(d->type);
  for (const ExprPtr& x : a->args) a->arg_types.push_back(x->type);
  std::vector<TargetEntry> targets;
  int saved = s.next_resno;
  s.next_resno = 1;
  for (const ExprPtr& x : a->args) targets.push_back(make_target(s, x, {}));
  std::vector<SortGroupRef> sort, distinct;
  if (within_group) {
    for (size_t i = 0; i < order.size() && i < targets.size(); ++i) {
      add_sort(sort, targets, static_cast<int>(i), order[i]->sort_by, false);
    }
  } else if (!order.empty()) {
    sort = sort_clause(s, order, targets, ExprContext::kOrderBy, true);
  }
  if (a->distinct) distinct = distinct_clause(targets, sort, true);
  s.next_resno = saved;
  a->args.clear();
  for (const TargetEntry& t : targets)
    if (!t.junk) a->args.push_back(t.expr);
  auto key = [&](const SortGroupRef& r) {
    SortKey k;
    for (size_t i = 0; i < targets.size(); ++i)
      if (targets[i].sort_group_ref == r.ref) {
        k.expr = targets[i].expr;
        k.target = static_cast<int>(i);
      }
    k.sort_op = r.sort_op;
    k.equality_op = r.equality_op;
    k.descending = r.descending;
    k.nulls_first = r.nulls_first;
    k.hashable = r.hashable;
    return k;
  };
  for (const SortGroupRef& r : sort) a->order_by.push_back(key(r));
  if (a->distinct)
    for (const SortGroupRef& r : distinct)
      if (r.sort_op == 0) {
        for (const TargetEntry& t : targets)
          if (t.sort_group_ref == r.ref)
            fail(ErrorCode::kUndefinedFunction, "could not identify an ordering operator for type " + cat.format_type(t.expr->type), expr_location(t.expr),
                 "Aggregates with DISTINCT must be able to sort their inputs.");
      }
  std::vector<ExprPtr> args = a->args;
  for (const SortKey& k : a->order_by) args.push_back(k.expr);
  a->levels_up = aggregate_level(s, a->direct_args, args, a->filter, a->location, "aggregate function");
  check_aggregate_context(s, a->levels_up, a->location, false);
}

// Lowest level of the Vars and aggregates inside decides which query an aggregate belongs to.
int Binder::aggregate_level(Scope& s, const std::vector<ExprPtr>& direct, const std::vector<ExprPtr>& args, const ExprPtr& filter, int location, std::string_view what) {
  int var_level = -1, agg_level = -1;
  bool direct_pass = false;
  auto scan = [&](const ExprPtr& e) {
    walk(e, [&](const Expr& x, int level) {
      if (x.kind == ExprKind::kVar) {
        int l = static_cast<const VarExpr&>(x).levels_up - level;
        if (l >= 0 && (var_level < 0 || l < var_level)) var_level = l;
      } else if (x.kind == ExprKind::kAggregate) {
        int l = static_cast<const AggregateExpr&>(x).levels_up - level;
        if (l >= 0 && (agg_level < 0 || l < agg_level)) agg_level = l;
      } else if (x.kind == ExprKind::kGrouping) {
        int l = static_cast<const GroupingExpr&>(x).levels_up - level;
        if (l >= 0 && (agg_level < 0 || l < agg_level)) agg_level = l;
      }
      if (level == 0 && !direct_pass) {
        if (x.kind == ExprKind::kFunc && static_cast<const FuncExpr&>(x).returns_set)
          fail(ErrorCode::kFeatureNotSupported, "aggregate function calls cannot contain set-returning function calls", x.location, {},
               "You might be able to move the set-returning function into a LATERAL FROM item.");
        if (x.kind == ExprKind::kWindow)
          fail(ErrorCode::kGroupingError, "aggregate function calls cannot contain window function calls", x.location);
      }
      return false;
    });
  };
  for (const ExprPtr& a : args) scan(a);
  if (filter != nullptr) scan(filter);
  int level;
  if (var_level < 0) level = agg_level < 0 ? 0 : agg_level;
  else level = agg_level < 0 ? var_level : std::min(var_level, agg_level);
  if (level == agg_level) {
    int where = -1;
    for (const ExprPtr& a : args)
      walk(a, [&](const Expr& x, int l) {
        if (x.kind == ExprKind::kAggregate && static_cast<const AggregateExpr&>(x).levels_up - l == level) where = x.location;
        return where >= 0;
      });
    fail(ErrorCode::kGroupingError, std::string("aggregate function calls cannot be nested"), where >= 0 ? where : location);
  }
  if (!direct.empty()) {
    int saved_var = var_level, saved_agg = agg_level;
    var_level = agg_level = -1;
    direct_pass = true;
    for (const ExprPtr& d : direct) scan(d);
    if (var_level >= 0 && var_level < level)
      fail(ErrorCode::kGroupingError, "outer-level aggregate cannot contain a lower-level variable in its direct arguments", location);
    if (agg_level >= 0 && agg_level <= level) fail(ErrorCode::kGroupingError, "aggregate function calls cannot be nested", location);
    var_level = saved_var;
    agg_level = saved_agg;
  }
  return level;
}

void Binder::check_aggregate_context(Scope& s, int level, int location, bool grouping) {
  Scope* p = &s;
  for (int l = level; l-- > 0 && p->parent != nullptr;) p = p->parent;
  p->has_aggregates = true;
  bool named = false;
  std::string what = grouping ? "grouping operations" : "aggregate functions";
  auto msg = [&](const char* where) {
    fail(ErrorCode::kGroupingError, what + " are not allowed in " + where, location);
  };
  switch (p->kind) {
    case ExprContext::kOther: case ExprContext::kHaving: case ExprContext::kWindowPartition: case ExprContext::kWindowOrder:
    case ExprContext::kSelectTarget: case ExprContext::kOrderBy: case ExprContext::kDistinctOn: case ExprContext::kNone:
      break;
    case ExprContext::kJoinOn: case ExprContext::kJoinUsing: msg("JOIN conditions"); break;
    case ExprContext::kFromSubselect:
      fail(ErrorCode::kGroupingError, what + " are not allowed in FROM clause of their own query level", location);
    case ExprContext::kFromFunction: msg("functions in FROM"); break;
    case ExprContext::kWindowFrameRange: msg("window RANGE"); break;
    case ExprContext::kWindowFrameRows: msg("window ROWS"); break;
    case ExprContext::kWindowFrameGroups: msg("window GROUPS"); break;
    case ExprContext::kMergeWhen: msg("MERGE WHEN conditions"); break;
    case ExprContext::kCheckConstraint: case ExprContext::kDomainCheck: msg("check constraints"); break;
    case ExprContext::kColumnDefault: case ExprContext::kFunctionDefault: msg("DEFAULT expressions"); break;
    case ExprContext::kIndexExpression: msg("index expressions"); break;
    case ExprContext::kIndexPredicate: msg("index predicates"); break;
    case ExprContext::kStatsExpression: msg("statistics expressions"); break;
    case ExprContext::kAlterColTransform: msg("transform expressions"); break;
    case ExprContext::kExecuteParameter: msg("EXECUTE parameters"); break;
    case ExprContext::kTriggerWhen: msg("trigger WHEN conditions"); break;
    case ExprContext::kPartitionBound: msg("partition bound"); break;
    case ExprContext::kPartitionExpression: msg("partition key expressions"); break;
    case ExprContext::kGeneratedColumn: msg("column generation expressions"); break;
    case ExprContext::kCallArgument: msg("CALL arguments"); break;
    case ExprContext::kCopyWhere: msg("COPY FROM WHERE conditions"); break;
    case ExprContext::kPolicy: msg("policy expressions"); break;
    default: named = true; break;
  }
  if (named) fail(ErrorCode::kGroupingError, what + " are not allowed in " + context_name(p->kind), location);
}

ExprPtr Binder::grouping_func(Scope& s, const pg::GroupingFunc* g) {
  auto e = make<GroupingExpr>();
  if (g->n_args > 31) fail(ErrorCode::kTooManyArguments, "GROUPING must have fewer than 32 arguments", g->location);
  for (const Node* n : PG_LIST(g, args)) e->args.push_back(expr_in(s, n));
  e->type = oid::kInt4;
  e->location = g->location;
  e->levels_up = aggregate_level(s, {}, e->args, nullptr, g->location, "grouping");
  check_aggregate_context(s, e->levels_up, g->location, true);
  return e;
}

void Binder::finish_window(Scope& s, const std::shared_ptr<WindowExpr>& w, const pg::WindowDef* def, int location) {
  for (const ExprPtr& a : w->args)
    if (has_window(a)) {
      int where = -1;
      walk(a, [&](const Expr& x, int) { if (x.kind == ExprKind::kWindow) where = x.location; return where >= 0; });
      fail(ErrorCode::kWindowingError, "window function calls cannot be nested", where);
    }
  auto no = [&](const char* where) { fail(ErrorCode::kWindowingError, std::string("window functions are not allowed in ") + where, location); };
  switch (s.kind) {
    case ExprContext::kOther: case ExprContext::kSelectTarget: case ExprContext::kOrderBy: case ExprContext::kDistinctOn: case ExprContext::kNone: break;
    case ExprContext::kJoinOn: case ExprContext::kJoinUsing: no("JOIN conditions"); break;
    case ExprContext::kFromFunction: no("functions in FROM"); break;
    case ExprContext::kWindowPartition: case ExprContext::kWindowOrder: case ExprContext::kWindowFrameRange: case ExprContext::kWindowFrameRows:
    case ExprContext::kWindowFrameGroups: no("window definitions"); break;
    case ExprContext::kMergeWhen: no("MERGE WHEN conditions"); break;
    case ExprContext::kCheckConstraint: case ExprContext::kDomainCheck: no("check constraints"); break;
    case ExprContext::kColumnDefault: case ExprContext::kFunctionDefault: no("DEFAULT expressions"); break;
    case ExprContext::kIndexExpression: no("index expressions"); break;
    case ExprContext::kIndexPredicate: no("index predicates"); break;
    case ExprContext::kAlterColTransform: no("transform expressions"); break;
    case ExprContext::kExecuteParameter: no("EXECUTE parameters"); break;
    case ExprContext::kTriggerWhen: no("trigger WHEN conditions"); break;
    case ExprContext::kPolicy: no("policy expressions"); break;
    case ExprContext::kPartitionExpression: no("partition key expressions"); break;
    case ExprContext::kCallArgument: no("CALL arguments"); break;
    case ExprContext::kCopyWhere: no("COPY FROM WHERE conditions"); break;
    case ExprContext::kGeneratedColumn: no("column generation expressions"); break;
    default: no(context_name(s.kind)); break;
  }
  s.has_windows = true;
  // OVER name refers to a WINDOW item; an inline definition joins an equal one.
  if (pg::has(def->name)) {
    for (size_t i = 0; i < s.windows.size(); ++i)
      if (std::string_view(s.windows[i]->name) == def->name) {
        w->window = static_cast<int>(i);
        return;
      }
    fail(ErrorCode::kUndefinedObject, std::string("window \"") + def->name + "\" does not exist", def->location);
  }
  auto packed = [](const pg::WindowDef* d) {
    pg::WindowDef copy = *d;
    copy.location = 0;
    std::string out(protobuf_c_message_get_packed_size(&copy.base), '\0');
    protobuf_c_message_pack(&copy.base, reinterpret_cast<uint8_t*>(out.data()));
    return out;
  };
  std::string mine = packed(def);
  for (size_t i = 0; i < s.windows.size(); ++i)
    if (!pg::has(s.windows[i]->name) && packed(s.windows[i]) == mine) {
      w->window = static_cast<int>(i);
      return;
    }
  s.windows.push_back(def);
  w->window = static_cast<int>(s.windows.size()) - 1;
}

namespace {

// Every column that grouping leaves unambiguous: group keys, and whatever a grouped primary key decides.
struct GroupCheck {
  Binder& b;
  Scope& s;
  Query& q;
  std::vector<const TargetEntry*> keys;
  std::vector<const TargetEntry*> common;  // in every grouping set
  std::vector<int> determined;  // relations whose primary key is grouped
  bool in_direct = false;

  bool is_key(const ExprPtr& e, int level) {
    if (level == 0) {
      for (const TargetEntry* k : keys)
        if (equal(e, k->expr)) return true;
      return false;
    }
    // Inside a subquery the key's Vars carry higher levels.
    if (e->kind == ExprKind::kVar)
      for (const TargetEntry* k : keys)
        if (k->expr->kind == ExprKind::kVar) {
          const auto &kv = as<VarExpr>(k->expr), &v = as<VarExpr>(e);
          if (kv.relation == v.relation && kv.column == v.column && kv.levels_up + level == v.levels_up) return true;
        }
    return false;
  }

  bool primary_key_grouped(int relation) {
    const RangeTableEntry& rte = *s.range_table[relation - 1];
    if (rte.kind != RteKind::kRelation) return false;
    auto r = b.cat.relation(rte.relation);
    if (r == nullptr) return false;
    for (const catalog::Constraint& c : r->constraints) {
      if (c.kind != catalog::ConstraintKind::kPrimary || c.deferrable) continue;
      for (int16_t col : c.columns) {
        bool found = false;
        for (const TargetEntry* k : common)
          if (k->expr->kind == ExprKind::kVar && as<VarExpr>(k->expr).relation == relation && as<VarExpr>(k->expr).column == col && as<VarExpr>(k->expr).levels_up == 0)
            found = true;
        if (!found) return false;
      }
      b.dependencies.push_back({ObjectKind::kRelation, r->oid, 0});
      return true;
    }
    return false;
  }

  void check(const ExprPtr& e, int level) {
    if (e == nullptr) return;
    switch (e->kind) {
      case ExprKind::kConst: case ExprKind::kParam: return;
      case ExprKind::kAggregate: {
        const auto& a = as<AggregateExpr>(e);
        if (a.levels_up == level) {
          for (const ExprPtr& d : a.direct_args) {
            bool saved = in_direct;
            in_direct = true;
            check(d, level);
            in_direct = saved;
          }
          return;
        }
        if (a.levels_up > level) return;
        break;
      }
      case ExprKind::kGrouping:
        if (as<GroupingExpr>(e).levels_up >= level) return;
        break;
      default: break;
    }
    if (is_key(e, level)) return;
    if (e->kind == ExprKind::kVar) {
      const auto& v = as<VarExpr>(e);
      if (v.levels_up != level) return;
      if (std::find(determined.begin(), determined.end(), v.relation) != determined.end()) return;
      if (primary_key_grouped(v.relation)) {
        determined.push_back(v.relation);
        return;
      }
      const RangeTableEntry& rte = *s.range_table[v.relation - 1];
      std::string column = v.column > 0 && static_cast<size_t>(v.column) <= rte.column_aliases.size() ? rte.column_aliases[v.column - 1]
                           : v.column == 0 ? "*" : "";
      for (auto [name, number] : {std::pair{"ctid", -1}, {"xmin", -2}, {"cmin", -3}, {"xmax", -4}, {"cmax", -5}, {"tableoid", -6}})
        if (v.column == number) column = name;
      std::string shown = rte.alias + "." + column;
      if (level == 0)
        b.fail(ErrorCode::kGroupingError, "column \"" + shown + "\" must appear in the GROUP BY clause or be used in an aggregate function", v.location,
               in_direct ? "Direct arguments of an ordered-set aggregate must use only grouped columns." : "");
      b.fail(ErrorCode::kGroupingError, "subquery uses ungrouped column \"" + shown + "\" from outer query", v.location);
    }
    if (e->kind == ExprKind::kSubLink) {
      const auto& l = as<SubLinkExpr>(e);
      check(l.test, level);
      query(*l.subquery, level + 1);
      return;
    }
    for_each_child(*e, [&](const ExprPtr& c) { check(c, level); });
  }

  void query(const Query& sub, int level) {
    std::set<const Expr*> aggregated;  // Vars inside aggregates of this query that stand in the subquery
    walk_query(sub, [&](const Expr& x, int inner) {
      if (x.kind == ExprKind::kAggregate && static_cast<const AggregateExpr&>(x).levels_up == inner) {
        for_each_child(x, [&](const ExprPtr& c) {
          walk(c, [&](const Expr& y, int) {
            aggregated.insert(&y);
            return false;
          }, inner);
        });
        return false;
      }
      if (aggregated.contains(&x)) return false;
      if (x.kind == ExprKind::kAggregate && static_cast<const AggregateExpr&>(x).levels_up > inner) return false;
      if (x.kind == ExprKind::kVar && static_cast<const VarExpr&>(x).levels_up == inner) {
        const ExprPtr e(ExprPtr{}, &x);
        check(e, inner);
      }
      return false;
    }, level);
  }
};

// Expands to the list of grouping sets, each a set of refs.
std::vector<std::vector<int>> expand_sets(const GroupingSet& g) {
  std::vector<std::vector<int>> out;
  auto refs_of = [](const GroupingSet& c) { return c.refs; };
  switch (g.kind) {
    case GroupingSetKind::kEmpty: out.push_back({}); break;
    case GroupingSetKind::kSimple: out.push_back(g.refs); break;
    case GroupingSetKind::kRollup:
      for (size_t n = g.children.size() + 1; n-- > 0;) {
        std::vector<int> set;
        for (size_t i = 0; i < n; ++i) for (int r : refs_of(g.children[i])) set.push_back(r);
        out.push_back(set);
      }
      break;
    case GroupingSetKind::kCube:
      for (size_t mask = 0; mask < (size_t{1} << g.children.size()); ++mask) {
        std::vector<int> set;
        for (size_t i = 0; i < g.children.size(); ++i)
          if ((mask >> i & 1) != 0) for (int r : refs_of(g.children[i])) set.push_back(r);
        out.push_back(set);
      }
      break;
    case GroupingSetKind::kSets:
      for (const GroupingSet& c : g.children)
        for (auto& x : expand_sets(c)) out.push_back(x);
      break;
  }
  return out;
}

}  // namespace

void Binder::check_aggregates(Scope& s, Query& q) {
  GroupCheck c{*this, s, q, {}, {}, {}};
  std::vector<int> common_refs;
  bool restrict_common = false;
  if (!q.grouping_sets.empty()) {
    restrict_common = true;
    std::vector<std::vector<int>> all{{}};
    for (const GroupingSet& g : q.grouping_sets) {
      std::vector<std::vector<int>> next;
      for (auto& a : all)
        for (auto& x : expand_sets(g)) {
          auto u = a;
          u.insert(u.end(), x.begin(), x.end());
          next.push_back(u);
          if (next.size() > 4096)
            fail(ErrorCode::kStatementTooComplex, "too many grouping sets present (maximum 4096)");
        }
      all = std::move(next);
    }
    common_refs = all[0];
    for (auto& set : all) {
      std::vector<int> keep;
      for (int r : common_refs)
        if (std::find(set.begin(), set.end(), r) != set.end()) keep.push_back(r);
      common_refs = keep;
    }
  }
  for (const SortGroupRef& g : q.group_by)
    for (const TargetEntry& t : q.targets)
      if (t.sort_group_ref == g.ref) {
        c.keys.push_back(&t);
        if (!restrict_common || std::find(common_refs.begin(), common_refs.end(), g.ref) != common_refs.end()) c.common.push_back(&t);
      }
  // GROUPING's arguments must be keys; they become their refs.
  auto finish_grouping = [&](const ExprPtr& e) {
    walk(e, [&](const Expr& x, int level) {
      if (x.kind != ExprKind::kGrouping) return false;
      auto& g = const_cast<GroupingExpr&>(static_cast<const GroupingExpr&>(x));
      if (g.levels_up != level) return false;
      g.refs.clear();
      for (const ExprPtr& a : g.args) {
        int ref = 0;
        for (const TargetEntry* k : c.keys)
          if (equal(a, k->expr)) ref = k->sort_group_ref;
        if (ref == 0 && level > 0 && a->kind == ExprKind::kVar)
          for (const TargetEntry* k : c.keys)
            if (k->expr->kind == ExprKind::kVar && as<VarExpr>(k->expr).relation == as<VarExpr>(a).relation && as<VarExpr>(k->expr).column == as<VarExpr>(a).column)
              ref = k->sort_group_ref;
        if (ref == 0)
          fail(ErrorCode::kGroupingError, "arguments to GROUPING must be grouping expressions of the associated query level", expr_location(a));
        g.refs.push_back(ref);
      }
      return false;
    });
  };
  for (TargetEntry& t : q.targets) finish_grouping(t.expr);
  if (q.having != nullptr) finish_grouping(q.having);
  for (const TargetEntry& t : q.targets) c.check(t.expr, 0);
  if (q.having != nullptr) c.check(q.having, 0);
  const bool recursive_term = std::any_of(q.range_table.begin(), q.range_table.end(), [](const auto& rte) { return rte->cte_self_reference; });
  if (!q.has_aggregates || !recursive_term) return;
  auto refuse = [&](const ExprPtr& e) {
    walk(e, [&](const Expr& x, int level) {
      if (x.kind == ExprKind::kAggregate && static_cast<const AggregateExpr&>(x).levels_up == level)
        fail(ErrorCode::kInvalidRecursion, "aggregate functions are not allowed in a recursive query's recursive term", x.location);
      return false;
    });
  };
  for (const TargetEntry& t : q.targets) refuse(t.expr);
  if (q.having != nullptr) refuse(q.having);
}

}  // namespace stele::sql
