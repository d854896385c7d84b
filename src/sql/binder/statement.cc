// SELECT, VALUES and set operations.
#include "sql/binder/binder.h"

namespace stele::sql {

std::shared_ptr<Query> Binder::statement(const Node* n, Scope* parent, CteState* parent_cte, bool locked_from_parent, bool resolve_unknowns) {
  check_stack_depth();
  Scope s;
  s.parent = parent;
  s.parent_cte = parent_cte;
  s.locked_from_parent = locked_from_parent;
  s.resolve_unknowns = resolve_unknowns;
  switch (n->node_case) {
    case pg::kSelectStmt: {
      const pg::SelectStmt* sel = n->select_stmt;
      if (sel->n_values_lists > 0 && sel->op == pg::SETOP_NONE) return values(s, sel);
      if (sel->op == pg::SETOP_NONE) return select(s, sel);
      return set_operations(s, sel);
    }
    case pg::kInsertStmt: return insert(s, n->insert_stmt);
    case pg::kUpdateStmt: return update(s, n->update_stmt);
    case pg::kDeleteStmt: return erase(s, n->delete_stmt);
    case pg::kMergeStmt: return merge(s, n->merge_stmt);
    default: throw Error(ErrorCode::kInternalError, "statement cannot be bound");
  }
}

// Ends a query: flags, range table, collations, CTEs.
void Binder::finish(Scope& s, Query& q) {
  q.range_table = s.range_table;
  q.has_aggregates = s.has_aggregates;
  q.has_windows = s.has_windows;
  q.has_target_srfs = s.has_srfs;
  q.has_sublinks = s.has_sublinks;
  q.has_modifying_cte = s.has_modifying_cte;
  assign_collations(q);
  q.ctes.clear();
  for (const CtePtr& c : s.ctes) q.ctes.push_back(c->table);
  if (ctx.user != 0) apply_read_policies(q);
}

static const char* strength_name(pg::LockingClause const* lc) {
  switch (lc->strength) {
    case pg::LCS_FORKEYSHARE: return "FOR KEY SHARE";
    case pg::LCS_FORSHARE: return "FOR SHARE";
    case pg::LCS_FORNOKEYUPDATE: return "FOR NO KEY UPDATE";
    default: return "FOR UPDATE";
  }
}

std::shared_ptr<Query> Binder::select(Scope& s, const pg::SelectStmt* n) {
  auto q = std::make_shared<Query>();
  s.query = q.get();
  if (n->with_clause != nullptr) {
    q->recursive = n->with_clause->recursive;
    with_clause(s, n->with_clause);
  }
  if (n->into_clause != nullptr)
    fail(ErrorCode::kSyntaxError, "SELECT ... INTO is not allowed here", n->into_clause->rel != nullptr ? n->into_clause->rel->location : -1);
  for (const Node* l : PG_LIST(n, locking_clause)) s.locking.push_back(l->locking_clause);
  for (const Node* w : PG_LIST(n, window_clause)) s.windows.push_back(w->window_def);
  from_clause(s, *q, PG_LIST(n, from_clause));
  q->targets = target_list(s, PG_LIST(n, target_list), ExprContext::kSelectTarget);
  mark_origins(s, q->targets);
  q->where = where_clause(s, n->where_clause, ExprContext::kWhere, "WHERE");
  q->having = where_clause(s, n->having_clause, ExprContext::kHaving, "HAVING");
  q->order_by = sort_clause(s, PG_LIST(n, sort_clause), q->targets, ExprContext::kOrderBy, false);
  group_clause(s, *q, PG_LIST(n, group_clause));
  q->group_distinct = n->group_distinct;
  if (n->n_distinct_clause > 0) {
    bool plain = n->distinct_clause[0] == nullptr || n->distinct_clause[0]->node_case == PG_QUERY__NODE__NODE__NOT_SET;
    if (plain) {
      q->distinct = distinct_clause(q->targets, q->order_by, false);
    } else {
      q->has_distinct_on = true;
      q->distinct = distinct_on(s, PG_LIST(n, distinct_clause), q->targets, q->order_by);
    }
  }
  bool ties = n->limit_option == pg::LIMIT_OPTION_WITH_TIES;
  q->limit_offset = limit_clause(s, n->limit_offset, ExprContext::kOffset, "OFFSET", false);
  q->limit_count = limit_clause(s, n->limit_count, ExprContext::kLimit, ties ? "FETCH FIRST" : "LIMIT", ties);
  q->with_ties = ties;
  window_definitions(s, *q);
  if (s.resolve_unknowns) resolve_unknown_targets(q->targets);
  for (const Node* l : PG_LIST(n, locking_clause)) locking(s, *q, l->locking_clause, false);
  if (s.locked_from_parent)
    for (size_t i = 0; i < s.range_table.size(); ++i)
      if (s.range_table[i]->kind == RteKind::kRelation) s.range_table[i]->required_privileges |= catalog::kUpdate;
  finish(s, *q);
  if (q->has_aggregates || !q->group_by.empty() || !q->grouping_sets.empty() || q->having != nullptr) check_aggregates(s, *q);
  q->dependencies = dependencies;
  return q;
}

std::shared_ptr<Query> Binder::values(Scope& s, const pg::SelectStmt* n) {
  auto q = std::make_shared<Query>();
  s.query = q.get();
  if (n->with_clause != nullptr) {
    q->recursive = n->with_clause->recursive;
    with_clause(s, n->with_clause);
  }
  std::vector<std::vector<ExprPtr>> rows;
  for (const Node* row : PG_LIST(n, values_lists)) {
    rows.push_back(expression_list(s, PG_LIST(row->list, items), ExprContext::kValues, false));
    if (rows.back().size() != rows[0].size())
      fail(ErrorCode::kSyntaxError, "VALUES lists must all be the same length", rows.back().empty() ? -1 : expr_location(rows.back()[0]));
  }
  auto rte = std::make_shared<RangeTableEntry>();
  rte->kind = RteKind::kValues;
  rte->alias = "*VALUES*";
  rte->required_privileges = 0;
  size_t width = rows[0].size();
  for (size_t c = 0; c < width; ++c) {
    std::vector<ExprPtr> column;
    for (auto& r : rows) column.push_back(r[c]);
    Oid type = common_type(column, "VALUES");
    for (size_t r = 0; r < rows.size(); ++r) rows[r][c] = column[r] = to_common(column[r], type, "VALUES");
    int32_t typmod = common_typmod(column, type);
    Oid coll = select_common_collation(column, true);
    rte->column_aliases.push_back("column" + std::to_string(c + 1));
    rte->column_types.push_back(type);
    rte->column_typmods.push_back(typmod);
    rte->column_collations.push_back(cat.type(type).collation == 0 ? 0 : coll != 0 ? coll : cat.type(type).collation);
  }
  rte->values = rows;
  NsPtr item = add_rte(s, rte);
  add_to_namespace(s, item, true, true);
  auto leaf = std::make_shared<FromItem>();
  leaf->relation = item->index;
  q->from.push_back(leaf);
  expand(s, item, 0, q->targets, true, -1);
  q->order_by = sort_clause(s, PG_LIST(n, sort_clause), q->targets, ExprContext::kOrderBy, false);
  bool ties = n->limit_option == pg::LIMIT_OPTION_WITH_TIES;
  q->limit_offset = limit_clause(s, n->limit_offset, ExprContext::kOffset, "OFFSET", false);
  q->limit_count = limit_clause(s, n->limit_count, ExprContext::kLimit, ties ? "FETCH FIRST" : "LIMIT", ties);
  q->with_ties = ties;
  if (n->n_locking_clause > 0)
    fail(ErrorCode::kFeatureNotSupported, std::string(strength_name(n->locking_clause[0]->locking_clause)) + " cannot be applied to VALUES");
  finish(s, *q);
  q->dependencies = dependencies;
  return q;
}

std::shared_ptr<const SetOperation> Binder::set_operation_tree(Scope& s, const pg::SelectStmt* n, bool top, std::vector<TargetEntry>* targets, Query& q) {
  check_stack_depth();
  if (n->into_clause != nullptr) fail(ErrorCode::kSyntaxError, "INTO is only allowed on first SELECT of UNION/INTERSECT/EXCEPT");
  if (n->n_locking_clause > 0)
    fail(ErrorCode::kFeatureNotSupported, std::string(strength_name(n->locking_clause[0]->locking_clause)) + " is not allowed with UNION/INTERSECT/EXCEPT");
  bool leaf = n->op == pg::SETOP_NONE;
  if (!leaf && !top && (n->n_sort_clause > 0 || n->limit_offset != nullptr || n->limit_count != nullptr || n->n_locking_clause > 0 || n->with_clause != nullptr))
    leaf = true;
  auto node = std::make_shared<SetOperation>();
  if (leaf) {
    Node wrap = PG_QUERY__NODE__INIT;
    wrap.node_case = pg::kSelectStmt;
    wrap.select_stmt = const_cast<pg::SelectStmt*>(n);
    auto sub = statement(&wrap, &s, nullptr, false, false);
    for (const TargetEntry& t : sub->targets)
      if (!t.junk) targets->push_back(t);
    auto rte = std::make_shared<RangeTableEntry>();
    rte->kind = RteKind::kSubquery;
    rte->alias = "*SELECT* " + std::to_string(s.range_table.size() + 1);
    rte->in_from_clause = false;
    for (const TargetEntry& t : *targets) {
      rte->column_aliases.push_back(t.name);
      rte->column_types.push_back(t.expr->type);
      rte->column_typmods.push_back(t.expr->typmod);
      rte->column_collations.push_back(t.expr->collation);
    }
    rte->subquery = sub;
    NsPtr item = add_rte(s, rte);
    node->leaf = true;
    node->relation = item->index;
    return node;
  }
  const char* context = n->op == pg::SETOP_UNION ? "UNION" : n->op == pg::SETOP_INTERSECT ? "INTERSECT" : "EXCEPT";
  node->op = n->op == pg::SETOP_UNION ? SetOp::kUnion : n->op == pg::SETOP_INTERSECT ? SetOp::kIntersect : SetOp::kExcept;
  node->all = n->all;
  bool recursive = top && s.parent_cte != nullptr && s.parent_cte->table.recursive;
  std::vector<TargetEntry> lt, rt;
  node->left = set_operation_tree(s, n->larg, false, &lt, q);
  if (recursive) {
    // The recursive term sees the columns of the other one.
    std::vector<TargetEntry> columns = lt;
    for (TargetEntry& t : columns)
      if (t.expr->type == oid::kUnknown) t.expr = coerce(t.expr, oid::kUnknown, oid::kText, -1, CoerceContext::kImplicit, FuncFormat::kImplicitCast, -1);
    cte_columns(*s.parent_cte, columns);
  }
  node->right = set_operation_tree(s, n->rarg, false, &rt, q);
  if (lt.size() != rt.size())
    fail(ErrorCode::kSyntaxError, std::string("each ") + context + " query must have the same number of columns", rt.empty() ? -1 : expr_location(rt[0].expr));
  auto push_coercion = [&](const std::shared_ptr<const SetOperation>& side, size_t column, ExprPtr e, std::vector<TargetEntry>& t) {
    t[column].expr = e;
    if (!side->leaf) return;
    auto sub = std::const_pointer_cast<Query>(s.range_table[side->relation - 1]->subquery);
    size_t k = 0;
    for (TargetEntry& x : sub->targets) {
      if (x.junk) continue;
      if (k++ == column) {
        x.expr = e;
        break;
      }
    }
    RangeTableEntry& rte = *s.range_table[side->relation - 1];
    rte.column_types[column] = e->type;
    rte.column_typmods[column] = e->typmod;
    rte.column_collations[column] = e->collation;
  };
  targets->clear();
  for (size_t i = 0; i < lt.size(); ++i) {
    std::vector<ExprPtr> pair{lt[i].expr, rt[i].expr};
    size_t which = 0;
    Oid type = common_type(pair, context, &which);
    int location = expr_location(pair[which]);
    // Literals and parameters take the type now; other columns are converted when the rows are.
    auto side = [&](const std::shared_ptr<const SetOperation>& tree, std::vector<TargetEntry>& t, ExprPtr& e) {
      if (e->type != oid::kUnknown) {
        if (e->type != type && !can_coerce(e->type, type, CoerceContext::kImplicit))
          fail(ErrorCode::kCannotCoerce, std::string(context) + " could not convert type " + cat.format_type(e->type) + " to " + cat.format_type(type), expr_location(e));
      } else if (e->kind == ExprKind::kConst || e->kind == ExprKind::kParam) {
        e = to_common(e, type, context);
        push_coercion(tree, i, e, t);
      }
    };
    side(node->left, lt, pair[0]);
    side(node->right, rt, pair[1]);
    int32_t typmod = common_typmod(pair, type);
    Oid coll = 0;
    if (cat.type(type).collation != 0) {
      bool dedup = !(n->op == pg::SETOP_UNION && n->all);
      coll = select_common_collation(pair, !dedup);
    }
    node->types.push_back(type);
    node->typmods.push_back(typmod);
    node->collations.push_back(coll);
    if (n->op != pg::SETOP_UNION || !n->all) {
      SortOps o = sort_group_ops(type, false, true, false, location);
      SortGroupRef r;
      r.ref = static_cast<int>(i) + 1;
      r.equality_op = o.eq;
      r.sort_op = o.lt;
      r.hashable = o.hashable;
      node->group_by.push_back(r);
    }
    ExprPtr result = pair[which];
    if (result->type != type || result->typmod != typmod || result->collation != coll) {
      auto placeholder = make<SetToDefaultExpr>();
      placeholder->type = type;
      placeholder->typmod = typmod;
      placeholder->collation = coll;
      placeholder->location = location;
      result = placeholder;
    }
    TargetEntry t;
    t.expr = result;
    t.name = lt[i].name;
    t.resno = static_cast<int>(i) + 1;
    targets->push_back(std::move(t));
  }
  return node;
}

std::shared_ptr<Query> Binder::set_operations(Scope& s, const pg::SelectStmt* n) {
  auto q = std::make_shared<Query>();
  s.query = q.get();
  const pg::SelectStmt* left = n->larg;
  while (left != nullptr && left->op != pg::SETOP_NONE) left = left->larg;
  if (left != nullptr && left->into_clause != nullptr)
    fail(ErrorCode::kSyntaxError, "SELECT ... INTO is not allowed here", left->into_clause->rel->location);
  if (n->n_locking_clause > 0)
    fail(ErrorCode::kFeatureNotSupported, std::string(strength_name(n->locking_clause[0]->locking_clause)) + " is not allowed with UNION/INTERSECT/EXCEPT");
  if (n->with_clause != nullptr) {
    q->recursive = n->with_clause->recursive;
    with_clause(s, n->with_clause);
  }
  std::vector<TargetEntry> columns;
  auto tree = set_operation_tree(s, n, true, &columns, *q);
  q->set_operation = tree;
  // The output: Vars of the leftmost query with the tree's types.
  const SetOperation* leftmost = tree.get();
  while (!leftmost->leaf) leftmost = leftmost->left.get();
  int relation = leftmost->relation;
  std::vector<NsColumn> sort_columns;
  std::vector<TargetEntry> leaf_targets;
  for (const TargetEntry& t : s.range_table[relation - 1]->subquery->targets)
    if (!t.junk) leaf_targets.push_back(t);
  for (size_t i = 0; i < tree->types.size(); ++i) {
    auto v = make<VarExpr>();
    v->relation = relation;
    v->column = static_cast<int16_t>(i + 1);
    v->type = tree->types[i];
    v->typmod = tree->typmods[i];
    v->collation = tree->collations[i];
    v->location = expr_location(leaf_targets[i].expr);
    q->targets.push_back(make_target(s, v, leaf_targets[i].name));
    sort_columns.push_back({leaf_targets[i].name, relation, v->column, v->type, v->typmod, v->collation, false});
  }
  // ORDER BY may name output columns only.
  auto rte = std::make_shared<RangeTableEntry>();
  auto item = std::make_shared<NsItem>();
  rte->kind = RteKind::kJoin;
  item->rte = rte;
  item->index = relation;
  item->columns = sort_columns;
  item->rel_visible = false;
  std::vector<NsPtr> saved = s.ns;
  s.ns = {item};
  size_t before = q->targets.size();
  q->order_by = sort_clause(s, PG_LIST(n, sort_clause), q->targets, ExprContext::kOrderBy, false);
  s.ns = saved;
  if (q->targets.size() != before)
    fail(ErrorCode::kFeatureNotSupported, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause", expr_location(q->targets[before].expr),
         "Only result column names can be used, not expressions or functions.",
         "Add the expression/function to every SELECT, or move the UNION into a FROM clause.");
  bool ties = n->limit_option == pg::LIMIT_OPTION_WITH_TIES;
  q->limit_offset = limit_clause(s, n->limit_offset, ExprContext::kOffset, "OFFSET", false);
  q->limit_count = limit_clause(s, n->limit_count, ExprContext::kLimit, ties ? "FETCH FIRST" : "LIMIT", ties);
  q->with_ties = ties;
  finish(s, *q);
  q->dependencies = dependencies;
  return q;
}

// --- FOR UPDATE and its kin -----------------------------------------------------------------------

void Binder::check_select_locking(const Query& q, const char* strength) {
  auto no = [&](const char* with) { fail(ErrorCode::kFeatureNotSupported, std::string(strength) + " is not allowed with " + with); };
  if (q.set_operation != nullptr) no("UNION/INTERSECT/EXCEPT");
  if (!q.distinct.empty()) no("DISTINCT clause");
  if (!q.group_by.empty() || !q.grouping_sets.empty()) no("GROUP BY clause");
  if (q.having != nullptr) no("HAVING clause");
  if (q.has_aggregates) no("aggregate functions");
  if (q.has_windows) no("window functions");
  if (q.has_target_srfs) no("set-returning functions in the target list");
}

void Binder::locking(Scope& s, Query& q, const pg::LockingClause* lc, bool pushed_down) {
  const char* name = strength_name(lc);
  q.has_aggregates = s.has_aggregates;
  q.has_windows = s.has_windows;
  q.has_target_srfs = s.has_srfs;
  check_select_locking(q, name);
  storage::LockMode mode = lc->strength == pg::LCS_FORKEYSHARE     ? storage::LockMode::kForKeyShare
                           : lc->strength == pg::LCS_FORSHARE      ? storage::LockMode::kForShare
                           : lc->strength == pg::LCS_FORNOKEYUPDATE ? storage::LockMode::kForNoKeyUpdate
                                                                    : storage::LockMode::kForUpdate;
  RowWait wait = lc->wait_policy == pg::LockWaitSkip ? RowWait::kSkipLocked : lc->wait_policy == pg::LockWaitError ? RowWait::kNoWait : RowWait::kBlock;
  std::function<void(Query&, std::vector<RtePtr>&, size_t)> lock_rte = [&](Query& query, std::vector<RtePtr>& rtes, size_t i) {
    RangeTableEntry& rte = *rtes[i];
    if (rte.kind == RteKind::kRelation) {
      rte.required_privileges |= catalog::kUpdate;
      for (RowLock& l : query.row_locks)
        if (l.relation == static_cast<int>(i) + 1) {
          l.strength = std::max(l.strength, mode);
          l.wait = std::max(l.wait, wait);
          return;
        }
      query.row_locks.push_back({static_cast<int>(i) + 1, mode, wait});
    } else if (rte.kind == RteKind::kSubquery && rte.subquery != nullptr) {
      auto sub = std::make_shared<Query>(*rte.subquery);
      check_select_locking(*sub, name);
      for (size_t k = 0; k < sub->range_table.size(); ++k)
        if (sub->range_table[k]->in_from_clause && (sub->range_table[k]->kind == RteKind::kRelation || sub->range_table[k]->kind == RteKind::kSubquery))
          lock_rte(*sub, sub->range_table, k);
      rte.subquery = sub;
    }
  };
  if (lc->n_locked_rels == 0) {
    for (size_t i = 0; i < s.range_table.size(); ++i) {
      if (!s.range_table[i]->in_from_clause) continue;
      lock_rte(q, s.range_table, i);
    }
    return;
  }
  for (const Node* n : PG_LIST(lc, locked_rels)) {
    const pg::RangeVar* rv = n->range_var;
    if (pg::has(rv->schemaname) || pg::has(rv->catalogname))
      fail(ErrorCode::kSyntaxError, std::string(name) + " must specify unqualified relation names", rv->location);
    bool found = false;
    for (size_t i = 0; i < s.range_table.size(); ++i) {
      RangeTableEntry& rte = *s.range_table[i];
      if (!rte.in_from_clause || rte.alias != rv->relname) continue;
      if (rte.kind == RteKind::kJoin && !rte.has_alias) continue;
      found = true;
      switch (rte.kind) {
        case RteKind::kRelation: case RteKind::kSubquery: lock_rte(q, s.range_table, i); break;
        case RteKind::kJoin: fail(ErrorCode::kFeatureNotSupported, std::string(name) + " cannot be applied to a join", rv->location);
        case RteKind::kFunction: fail(ErrorCode::kFeatureNotSupported, std::string(name) + " cannot be applied to a function", rv->location);
        case RteKind::kValues: fail(ErrorCode::kFeatureNotSupported, std::string(name) + " cannot be applied to VALUES", rv->location);
        case RteKind::kCte: fail(ErrorCode::kFeatureNotSupported, std::string(name) + " cannot be applied to a WITH query", rv->location);
        default: break;
      }
      break;
    }
    if (!found)
      fail(ErrorCode::kUndefinedTable, "relation \"" + std::string(rv->relname) + "\" in " + name + " clause not found in FROM clause", rv->location);
  }
}

std::shared_ptr<Query> bind_statement(const PgQuery__Node* statement, const BindContext& context) {
  Binder b(context);
  auto q = b.statement(statement, nullptr);
  q->dependencies = b.dependencies;
  return q;
}

}  // namespace stele::sql
