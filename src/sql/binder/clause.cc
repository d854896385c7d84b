// ORDER BY, GROUP BY with grouping sets, DISTINCT, WINDOW, LIMIT.
#include "sql/binder/binder.h"

namespace stele::sql {

int Binder::assign_ref(std::vector<TargetEntry>& t, int index) {
  if (t[index].sort_group_ref != 0) return t[index].sort_group_ref;
  int max = 0;
  for (const TargetEntry& x : t) max = std::max(max, x.sort_group_ref);
  return t[index].sort_group_ref = max + 1;
}

// The target that an ORDER BY, GROUP BY or DISTINCT ON item names, added as junk if there is none.
int Binder::find_target(Scope& s, const Node* n, std::vector<TargetEntry>& t, ExprContext kind, bool sql99) {
  if (!sql99) {
    if (n->node_case == pg::kColumnRef && n->column_ref->n_fields == 1 && n->column_ref->fields[0]->node_case == pg::kString) {
      std::string name(pg::str(n->column_ref->fields[0]));
      int location = n->column_ref->location;
      bool use_output = true;
      // GROUP BY prefers an input column of that name.
      if (kind == ExprContext::kGroupBy && column_named(s, name, true, location) != nullptr) use_output = false;
      if (use_output) {
        int found = -1;
        for (size_t i = 0; i < t.size(); ++i) {
          if (t[i].junk || t[i].name != name) continue;
          if (found >= 0 && !equal(t[found].expr, t[i].expr))
            fail(ErrorCode::kAmbiguousColumn, std::string(context_name(kind)) + " \"" + name + "\" is ambiguous", location);
          if (found < 0) found = static_cast<int>(i);
        }
        if (found >= 0) {
          if (kind == ExprContext::kGroupBy) {
            if (has_aggregate(t[found].expr))
              fail(ErrorCode::kGroupingError, std::string("aggregate functions are not allowed in ") + context_name(kind), expr_location(t[found].expr));
            if (has_window(t[found].expr))
              fail(ErrorCode::kWindowingError, std::string("window functions are not allowed in ") + context_name(kind), expr_location(t[found].expr));
          }
          return found;
        }
      }
    }
    if (n->node_case == pg::kAConst) {
      const pg::AConst* c = n->a_const;
      if (c->isnull || (c->val_case != PG_QUERY__A__CONST__VAL_IVAL && c->val_case != PG_QUERY__A__CONST__VAL__NOT_SET))
        fail(ErrorCode::kSyntaxError, std::string("non-integer constant in ") + context_name(kind), c->location);
      int want = c->val_case == PG_QUERY__A__CONST__VAL_IVAL ? c->ival->ival : 0, at = 0;
      for (size_t i = 0; i < t.size(); ++i) {
        if (t[i].junk) continue;
        if (++at == want) {
          if (kind == ExprContext::kGroupBy) {
            if (has_aggregate(t[i].expr))
              fail(ErrorCode::kGroupingError, std::string("aggregate functions are not allowed in ") + context_name(kind), expr_location(t[i].expr));
            if (has_window(t[i].expr))
              fail(ErrorCode::kWindowingError, std::string("window functions are not allowed in ") + context_name(kind), expr_location(t[i].expr));
          }
          return static_cast<int>(i);
        }
      }
      fail(ErrorCode::kInvalidColumnReference, std::string(context_name(kind)) + " position " + std::to_string(want) + " is not in select list", c->location);
    }
  }
  ExprPtr e = expr(s, n, kind);
  // Coercions that nobody wrote do not make an entry another one.
  auto plain = [](const ExprPtr& x) {
    ExprPtr y = x;
    for (;;) {
      if (y->kind == ExprKind::kRelabel && as<UnaryExpr>(y).format == FuncFormat::kImplicitCast) y = as<UnaryExpr>(y).arg;
      else if (y->kind == ExprKind::kFunc && as<FuncExpr>(y).format == FuncFormat::kImplicitCast && !as<FuncExpr>(y).args.empty()) y = as<FuncExpr>(y).args[0];
      else return y;
    }
  };
  for (size_t i = 0; i < t.size(); ++i)
    if (equal(e, t[i].expr) || equal(e, plain(t[i].expr))) return static_cast<int>(i);
  t.push_back(make_target(s, e, "?column?", true));
  return static_cast<int>(t.size()) - 1;
}

void Binder::add_sort(std::vector<SortGroupRef>& out, std::vector<TargetEntry>& t, int index, const pg::SortBy* sb, bool resolve_unknown) {
  TargetEntry& tle = t[index];
  if (resolve_unknown && tle.expr->type == oid::kUnknown)
    tle.expr = coerce(tle.expr, oid::kUnknown, oid::kText, -1, CoerceContext::kImplicit, FuncFormat::kImplicitCast, -1);
  int location = sb->location >= 0 ? sb->location : expr_location(tle.expr);
  if (sb->node != nullptr && sb->sortby_dir != pg::SORTBY_USING) location = expr_location(tle.expr);
  SortGroupRef r;
  bool reverse = false;
  if (sb->sortby_dir == pg::SORTBY_USING) {
    std::vector<std::string> name = pg::strings(PG_LIST(sb, use_op));
    const OperatorRow* o = compatible_operator(name, tle.expr->type, tle.expr->type, false, location);
    r.sort_op = o->oid;
    bool found = false;
    for (auto [family, strategy] : cat.btree_memberships(o->oid)) {
      if (strategy != 1 && strategy != 5) continue;
      r.equality_op = cat.family_operator(family, o->left, o->right, 3);
      reverse = strategy == 5;
      found = true;
      break;
    }
    if (!found)
      fail(ErrorCode::kWrongObjectType, "operator " + name.back() + " is not a valid ordering operator", location, {},
           "Ordering operators must be \"<\" or \">\" members of btree operator families.");
    r.hashable = cat.sort_ops(tle.expr->type).hashable;
  } else {
    bool desc = sb->sortby_dir == pg::SORTBY_DESC;
    SortOps o = sort_group_ops(tle.expr->type, !desc, true, desc, location);
    r.sort_op = desc ? o.gt : o.lt;
    r.equality_op = o.eq;
    r.hashable = o.hashable;
    reverse = desc;
  }
  r.descending = reverse;
  r.nulls_first = sb->sortby_nulls == pg::SORTBY_NULLS_FIRST || (sb->sortby_nulls != pg::SORTBY_NULLS_LAST && reverse);
  int ref = assign_ref(t, index);
  for (const SortGroupRef& x : out)
    if (x.ref == ref) return;
  r.ref = ref;
  out.push_back(r);
}

std::vector<SortGroupRef> Binder::sort_clause(Scope& s, std::span<Node* const> list, std::vector<TargetEntry>& t, ExprContext kind, bool sql99) {
  std::vector<SortGroupRef> out;
  for (const Node* n : list) {
    int i = find_target(s, n->sort_by->node, t, kind, sql99);
    add_sort(out, t, i, n->sort_by, true);
  }
  return out;
}

void Binder::add_group(std::vector<SortGroupRef>& out, std::vector<TargetEntry>& t, int index, const std::vector<SortGroupRef>& sort, int location) {
  TargetEntry& tle = t[index];
  if (tle.expr->type == oid::kUnknown)
    tle.expr = coerce(tle.expr, oid::kUnknown, oid::kText, -1, CoerceContext::kImplicit, FuncFormat::kImplicitCast, -1);
  int ref = assign_ref(t, index);
  for (const SortGroupRef& x : out)
    if (x.ref == ref) return;
  for (const SortGroupRef& x : sort)
    if (x.ref == ref) {
      out.push_back(x);
      return;
    }
  SortOps o = sort_group_ops(tle.expr->type, false, true, false, location >= 0 ? location : expr_location(tle.expr));
  SortGroupRef r;
  r.ref = ref;
  r.equality_op = o.eq;
  r.sort_op = o.lt;
  r.hashable = o.hashable;
  out.push_back(r);
}

GroupingSet Binder::grouping_set(Scope& s, const Node* n, Query& q, bool top, std::vector<SortGroupRef>& flat) {
  auto one = [&](const Node* x) {
    int i = find_target(s, x, q.targets, ExprContext::kGroupBy, false);
    add_group(flat, q.targets, i, q.order_by, -1);
    return q.targets[i].sort_group_ref;
  };
  auto row_items = [&](const Node* x) {
    std::vector<int> refs;
    if (pg::is(x, pg::kRowExpr) && x->row_expr->row_format == pg::COERCE_IMPLICIT_CAST) {
      for (const Node* a : PG_LIST(x->row_expr, args)) refs.push_back(one(a));
    } else {
      refs.push_back(one(x));
    }
    return refs;
  };
  if (!pg::is(n, pg::kGroupingSet)) return {GroupingSetKind::kSimple, row_items(n), {}};
  const pg::GroupingSet* g = n->grouping_set;
  GroupingSet out;
  switch (g->kind) {
    case pg::GROUPING_SET_EMPTY: out.kind = GroupingSetKind::kEmpty; return out;
    case pg::GROUPING_SET_ROLLUP: out.kind = GroupingSetKind::kRollup; break;
    case pg::GROUPING_SET_CUBE: out.kind = GroupingSetKind::kCube; break;
    default: out.kind = GroupingSetKind::kSets; break;
  }
  if (out.kind == GroupingSetKind::kCube && g->n_content > 12)
    fail(ErrorCode::kTooManyColumns, "CUBE is limited to 12 elements", g->location);
  for (const Node* c : PG_LIST(g, content)) {
    GroupingSet child = grouping_set(s, c, q, false, flat);
    out.children.push_back(std::move(child));
  }
  return out;
}

void Binder::group_clause(Scope& s, Query& q, std::span<Node* const> list) {
  bool sets = false;
  std::function<bool(const Node*)> has_sets = [&](const Node* n) { return pg::is(n, pg::kGroupingSet); };
  for (const Node* n : list) sets = sets || has_sets(n);
  std::vector<SortGroupRef> flat;
  std::vector<Node*> items;
  for (Node* n : list) items.push_back(n);
  if (!sets) {
    for (const Node* n : items) {
      if (pg::is(n, pg::kRowExpr) && n->row_expr->row_format == pg::COERCE_IMPLICIT_CAST) {
        for (const Node* a : PG_LIST(n->row_expr, args)) {
          int i = find_target(s, a, q.targets, ExprContext::kGroupBy, false);
          add_group(flat, q.targets, i, q.order_by, -1);
        }
        continue;
      }
      int i = find_target(s, n, q.targets, ExprContext::kGroupBy, false);
      add_group(flat, q.targets, i, q.order_by, -1);
    }
    q.group_by = flat;
    return;
  }
  std::vector<int> simple;
  for (const Node* n : items) {
    GroupingSet g = grouping_set(s, n, q, true, flat);
    q.grouping_sets.push_back(std::move(g));
  }
  q.group_by = flat;
}

std::vector<SortGroupRef> Binder::distinct_clause(std::vector<TargetEntry>& t, const std::vector<SortGroupRef>& sort, bool is_agg) {
  std::vector<SortGroupRef> out;
  for (const SortGroupRef& x : sort) {
    for (const TargetEntry& tle : t)
      if (tle.sort_group_ref == x.ref && tle.junk)
        fail(ErrorCode::kInvalidColumnReference,
             is_agg ? "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list"
                    : "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
             expr_location(tle.expr));
    out.push_back(x);
  }
  for (size_t i = 0; i < t.size(); ++i)
    if (!t[i].junk) add_group(out, t, static_cast<int>(i), sort, -1);
  if (out.empty())
    fail(ErrorCode::kSyntaxError, is_agg ? "an aggregate with DISTINCT must have at least one argument" : "SELECT DISTINCT must have at least one column");
  return out;
}

int node_location(const Node* n) {
  switch (n->node_case) {
    case pg::kColumnRef: return n->column_ref->location;
    case pg::kAConst: return n->a_const->location;
    case pg::kFuncCall: return n->func_call->location;
    case pg::kAExpr: return n->a_expr->lexpr != nullptr ? node_location(n->a_expr->lexpr) : n->a_expr->location;
    case pg::kTypeCast: return node_location(n->type_cast->arg);
    case pg::kRangeVar: return n->range_var->location;
    default: return -1;
  }
}

std::vector<SortGroupRef> Binder::distinct_on(Scope& s, std::span<Node* const> list, std::vector<TargetEntry>& t, const std::vector<SortGroupRef>& sort) {
  std::vector<int> refs, order;
  for (const Node* n : list) {
    int i = find_target(s, n, t, ExprContext::kDistinctOn, false);
    order.push_back(i);
    refs.push_back(assign_ref(t, i));
  }
  std::vector<SortGroupRef> out;
  bool skipped = false;
  for (const SortGroupRef& x : sort) {
    if (std::find(refs.begin(), refs.end(), x.ref) != refs.end()) {
      if (skipped) {
        int location = node_location(list[static_cast<size_t>(std::find(refs.begin(), refs.end(), x.ref) - refs.begin())]);
        fail(ErrorCode::kInvalidColumnReference, "SELECT DISTINCT ON expressions must match initial ORDER BY expressions", location);
      }
      out.push_back(x);
    } else {
      skipped = true;
    }
  }
  for (size_t k = 0; k < refs.size(); ++k) {
    bool have = false;
    for (const SortGroupRef& x : out) have = have || x.ref == refs[k];
    if (have) continue;
    if (skipped)
      fail(ErrorCode::kInvalidColumnReference, "SELECT DISTINCT ON expressions must match initial ORDER BY expressions", node_location(list[k]));
    add_group(out, t, order[k], sort, -1);
  }
  return out;
}

ExprPtr Binder::frame_offset(Scope& s, int options, const Window& w, const std::vector<TargetEntry>& t, const Node* n, Oid* func) {
  if (n == nullptr) return nullptr;
  ExprPtr e;
  const char* name;
  if ((options & frame::kRows) != 0) {
    e = to_specific(expr(s, n, ExprContext::kWindowFrameRows), oid::kInt8, "ROWS");
    name = "ROWS";
  } else if ((options & frame::kGroups) != 0) {
    e = to_specific(expr(s, n, ExprContext::kWindowFrameGroups), oid::kInt8, "GROUPS");
    name = "GROUPS";
  } else {
    name = "RANGE";
    e = expr(s, n, ExprContext::kWindowFrameRange);
    const ExprPtr* key = nullptr;
    for (const TargetEntry& x : t)
      if (x.sort_group_ref == w.order_by[0].ref) key = &x.expr;
    Oid column = cat.base_type((*key)->type);
    // in_range support functions of the sort's operator family.
    Oid family = 0;
    if (const OpclassRow* c = cat.opclass(cat.default_opclass(column, 403))) family = c->family;
    struct Choice { Oid offset, func; };
    std::vector<Choice> choices;
    for (auto& row : builtin::rows("pg_amproc"))
      if (row[4] == "3" && static_cast<Oid>(std::stoul(row[1])) == family && static_cast<Oid>(std::stoul(row[2])) == column)
        choices.push_back({static_cast<Oid>(std::stoul(row[3])), static_cast<Oid>(std::stoul(row[5]))});
    if (choices.empty())
      fail(ErrorCode::kFeatureNotSupported, "RANGE with offset PRECEDING/FOLLOWING is not supported for column type " + cat.format_type((*key)->type), expr_location(e));
    const Choice* pick = nullptr;
    Oid type = e->type;
    int matches = 0;
    for (const Choice& c : choices) {
      if (type == oid::kUnknown ? c.offset == column : can_coerce(type, c.offset, CoerceContext::kImplicit)) {
        if (c.offset == type || pick == nullptr || pick->offset != type) pick = &c;
        ++matches;
      }
    }
    if (pick == nullptr && type == oid::kUnknown && choices.size() == 1) { pick = &choices[0]; matches = 1; }
    if (pick == nullptr)
      fail(ErrorCode::kFeatureNotSupported,
           "RANGE with offset PRECEDING/FOLLOWING is not supported for column type " + cat.format_type((*key)->type) + " and offset type " + cat.format_type(type),
           expr_location(e), {}, "Cast the offset value to an appropriate type.");
    if (matches > 1 && pick->offset != type) {
      for (const Choice& c : choices)
        if (c.offset == column) pick = &c;
    }
    if (e->type != pick->offset)
      e = coerce_to_target(e, e->type, pick->offset, -1, CoerceContext::kImplicit, FuncFormat::kImplicitCast, -1);
    *func = pick->func;
  }
  walk(e, [&](const Expr& x, int level) {
    if (x.kind == ExprKind::kVar && static_cast<const VarExpr&>(x).levels_up == level)
      fail(ErrorCode::kInvalidColumnReference, std::string("argument of ") + name + " must not contain variables", x.location);
    return false;
  });
  return e;
}

void Binder::window_definitions(Scope& s, Query& q) {
  for (size_t i = 0; i < s.windows.size(); ++i) {
    const pg::WindowDef* d = s.windows[i];
    Window w;
    w.name = d->name;
    w.base_name = d->refname;
    const Window* base = nullptr;
    if (!w.name.empty())
      for (const Window& o : q.windows)
        if (o.name == w.name) fail(ErrorCode::kWindowingError, "window \"" + w.name + "\" is already defined", d->location);
    if (!w.base_name.empty()) {
      for (const Window& o : q.windows)
        if (o.name == w.base_name) base = &o;
      if (base == nullptr) fail(ErrorCode::kUndefinedObject, "window \"" + w.base_name + "\" does not exist", d->location);
    }
    w.order_by = sort_clause(s, PG_LIST(d, order_clause), q.targets, ExprContext::kWindowOrder, true);
    for (const Node* n : PG_LIST(d, partition_clause)) {
      int t = find_target(s, n, q.targets, ExprContext::kWindowPartition, true);
      add_group(w.partition_by, q.targets, t, w.order_by, -1);
    }
    w.frame_options = d->frame_options;
    if (base != nullptr) {
      if (!w.partition_by.empty())
        fail(ErrorCode::kWindowingError, "cannot override PARTITION BY clause of window \"" + w.base_name + "\"", d->location);
      w.partition_by = base->partition_by;
      if (!w.order_by.empty() && !base->order_by.empty())
        fail(ErrorCode::kWindowingError, "cannot override ORDER BY clause of window \"" + w.base_name + "\"", d->location);
      if (w.order_by.empty()) w.order_by = base->order_by;
      constexpr int kDefaults = frame::kRange | frame::kStartUnboundedPreceding | frame::kEndCurrentRow;
      if (base->frame_options != kDefaults) {
        if (!w.name.empty() || !w.order_by.empty() || d->frame_options != kDefaults)
          fail(ErrorCode::kWindowingError, "cannot copy window \"" + w.base_name + "\" because it has a frame clause", d->location);
        fail(ErrorCode::kWindowingError, "cannot copy window \"" + w.base_name + "\" because it has a frame clause", d->location, {},
             "Omit the parentheses in this OVER clause.");
      }
    }
    constexpr int kOffsets = frame::kStartOffsetPreceding | frame::kStartOffsetFollowing | frame::kEndOffsetPreceding | frame::kEndOffsetFollowing;
    if ((w.frame_options & frame::kRange) != 0 && (w.frame_options & kOffsets) != 0 && w.order_by.size() != 1)
      fail(ErrorCode::kWindowingError, "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column", d->location);
    if ((w.frame_options & frame::kGroups) != 0 && w.order_by.empty())
      fail(ErrorCode::kWindowingError, "GROUPS mode requires an ORDER BY clause", d->location);
    w.start_offset = frame_offset(s, w.frame_options, w, q.targets, d->start_offset, &w.start_in_range_func);
    w.end_offset = frame_offset(s, w.frame_options, w, q.targets, d->end_offset, &w.end_in_range_func);
    q.windows.push_back(std::move(w));
  }
}

ExprPtr Binder::limit_clause(Scope& s, const Node* n, ExprContext kind, const char* name, bool with_ties) {
  if (n == nullptr) return nullptr;
  ExprPtr e = to_specific(expr(s, n, kind), oid::kInt8, name);
  walk(e, [&](const Expr& x, int level) {
    if (x.kind == ExprKind::kVar && static_cast<const VarExpr&>(x).levels_up == level)
      fail(ErrorCode::kInvalidColumnReference, std::string("argument of ") + name + " must not contain variables", x.location);
    return false;
  });
  if (with_ties && n->node_case == pg::kAConst && n->a_const->isnull)
    fail(ErrorCode::kInvalidRowCountInLimitClause, "row count cannot be null in FETCH FIRST ... WITH TIES clause");
  return e;
}

}  // namespace stele::sql
