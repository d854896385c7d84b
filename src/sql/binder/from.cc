// FROM: tables, subqueries, functions, joins.
#include "sql/binder/binder.h"

namespace stele::sql {

ExprPtr Binder::where_clause(Scope& s, const Node* n, ExprContext kind, const char* name) {
  if (n == nullptr) return nullptr;
  return to_boolean(expr(s, n, kind), name);
}

void Binder::from_clause(Scope& s, Query& q, std::span<Node* const> list) {
  for (const Node* n : list) {
    NsPtr top;
    std::vector<NsPtr> ns;
    FromPtr item = from_item(s, n, &top, &ns);
    check_namespace_conflicts(s.ns, ns);
    for (NsPtr& x : ns) {
      x->lateral_only = true;
      x->lateral_ok = true;
    }
    q.from.push_back(item);
    s.ns.insert(s.ns.end(), ns.begin(), ns.end());
  }
  for (NsPtr& x : s.ns) {
    x->lateral_only = false;
    x->lateral_ok = true;
  }
}

static FromPtr leaf(int index) {
  auto f = std::make_shared<FromItem>();
  f->relation = index;
  return f;
}

FromPtr Binder::from_item(Scope& s, const Node* n, NsPtr* top, std::vector<NsPtr>* ns) {
  check_stack_depth();
  NsPtr item;
  switch (n->node_case) {
    case pg::kRangeVar: {
      const pg::RangeVar* rv = n->range_var;
      int levels = 0;
      if (!pg::has(rv->schemaname)) {
        if (CtePtr c = find_cte(s, rv->relname, &levels)) {
          auto rte = std::make_shared<RangeTableEntry>();
          rte->kind = RteKind::kCte;
          rte->cte_name = c->table.name;
          rte->cte_levels_up = levels;
          rte->cte_self_reference = !c->analyzed;
          ++c->table.references;
          if (c->table.query != nullptr && c->table.query->command != CommandKind::kSelect && c->table.query->returning.empty() &&
              !rte->cte_self_reference)
            fail(ErrorCode::kFeatureNotSupported, "WITH query \"" + c->table.name + "\" does not have a RETURNING clause", rv->location);
          rte->alias = rv->relname;
          apply_alias(*rte, rv->alias, c->table.column_types.size(), "table");
          for (size_t i = 0; i < c->table.column_types.size(); ++i) {
            rte->column_aliases.push_back(rv->alias != nullptr && i < rv->alias->n_colnames ? std::string(pg::str(rv->alias->colnames[i]))
                                                                                           : c->table.column_names[i]);
            rte->column_types.push_back(c->table.column_types[i]);
            rte->column_typmods.push_back(c->table.column_typmods[i]);
            rte->column_collations.push_back(c->table.column_collations[i]);
          }
          item = add_rte(s, rte);
          for (size_t i = 0; i < item->columns.size(); ++i)
            if (c->table.column_names[i] == "*DEPTH*" || (rte->cte_self_reference && i >= c->visible)) item->columns[i].hidden = true;
          break;
        }
      }
      if (const BindContext::HeldRows* held = ctx.held_rows && !pg::has(rv->schemaname) ? ctx.held_rows(rv->relname) : nullptr) {
        item = held_rows(s, *held, rv);
        break;
      }
      auto r = open_relation(rv, true);
      if (r == nullptr) {
        std::string shown = pg::has(rv->schemaname) ? std::string(rv->schemaname) + "." + rv->relname : rv->relname;
        for (Scope* p = &s; p != nullptr; p = p->parent)
          for (auto* future : p->future_ctes)
            if (!pg::has(rv->schemaname) && std::string_view(future->ctename) == rv->relname)
              fail(ErrorCode::kUndefinedTable, "relation \"" + shown + "\" does not exist", rv->location,
                   "There is a WITH item named \"" + shown + "\", but it cannot be referenced from this part of the query.",
                   "Use WITH RECURSIVE, or re-order the WITH items to remove forward references.");
        fail(ErrorCode::kUndefinedTable, "relation \"" + shown + "\" does not exist", rv->location);
      }
      if (r->relkind == 'i' || r->relkind == 'I')
        fail(ErrorCode::kWrongObjectType, "cannot open relation \"" + r->name + "\"", rv->location, "This operation is not supported for indexes.");
      if (r->relkind == 'c')
        fail(ErrorCode::kWrongObjectType, "cannot open relation \"" + r->name + "\"", rv->location, "This operation is not supported for composite types.");
      auto lock = storage::LockMode::kAccessShare;
      for (const pg::LockingClause* lc : s.locking) {
        if (lc->n_locked_rels == 0) lock = storage::LockMode::kRowShare;
        for (const Node* rel : PG_LIST(lc, locked_rels))
          if (std::string_view(rel->range_var->relname) == (rv->alias != nullptr ? rv->alias->aliasname : rv->relname)) lock = storage::LockMode::kRowShare;
      }
      if (s.locked_from_parent) lock = storage::LockMode::kRowShare;
      item = add_relation(s, *r, lock, rv->alias, rv->inh, true);
      break;
    }
    case pg::kRangeSubselect: {
      const pg::RangeSubselect* r = n->range_subselect;
      if (r->alias == nullptr) {
        if (pg::is(r->subquery, pg::kSelectStmt) && r->subquery->select_stmt->n_values_lists > 0)
          fail(ErrorCode::kSyntaxError, "VALUES in FROM must have an alias", -1, {}, "For example, FROM (VALUES ...) [AS] foo.");
        fail(ErrorCode::kSyntaxError, "subquery in FROM must have an alias", -1, {}, "For example, FROM (SELECT ...) [AS] foo.");
      }
      ExprContext saved = s.kind;
      s.kind = ExprContext::kFromSubselect;
      bool lateral = s.lateral_active;
      s.lateral_active = r->lateral;
      bool locked = false;
      for (const pg::LockingClause* lc : s.locking) {
        if (lc->n_locked_rels == 0) locked = true;
        for (const Node* rel : PG_LIST(lc, locked_rels))
          if (std::string_view(rel->range_var->relname) == r->alias->aliasname) locked = true;
      }
      auto q = statement(r->subquery, &s, nullptr, locked);
      s.lateral_active = lateral;
      s.kind = saved;
      item = add_subquery(s, q, r->alias, r->lateral, true);
      break;
    }
    case pg::kRangeFunction: item = range_function(s, n->range_function); break;
    case pg::kRangeTableSample: {
      const pg::RangeTableSample* t = n->range_table_sample;
      FromPtr f = from_item(s, t->relation, top, ns);
      RangeTableEntry& rte = *s.range_table[f->relation - 1];
      if (f->is_join || rte.kind != RteKind::kRelation || (rte.relkind != 'r' && rte.relkind != 'm' && rte.relkind != 'p'))
        fail(ErrorCode::kFeatureNotSupported, "TABLESAMPLE clause can only be applied to tables and materialized views", node_location(t->relation));
      std::string method(pg::str(t->method[t->n_method - 1]));
      if (method != "system" && method != "bernoulli")
        fail(ErrorCode::kUndefinedObject, "tablesample method " + method + " does not exist", t->location);
      rte.sample_method = method;
      if (t->n_args != 1)
        fail(ErrorCode::kFeatureNotSupported,
             "tablesample method " + method + " requires 1 argument, not " + std::to_string(t->n_args), t->location);
      for (const Node* a : PG_LIST(t, args)) {
        ExprPtr e = expr(s, a, ExprContext::kFromFunction);
        ExprPtr c = coerce_to_target(e, e->type, oid::kFloat4, -1, CoerceContext::kAssignment, FuncFormat::kImplicitCast, -1);
        if (c == nullptr)
          fail(ErrorCode::kDatatypeMismatch, "argument of TABLESAMPLE must be type real, not type " + cat.format_type(e->type), expr_location(e));
        assign_collations(c);
        rte.sample_args.push_back(c);
      }
      if (t->repeatable != nullptr) {
        rte.sample_repeatable = to_specific(expr(s, t->repeatable, ExprContext::kFromFunction), oid::kFloat8, "REPEATABLE");
        assign_collations(rte.sample_repeatable);
      }
      return f;
    }
    case pg::kJoinExpr: return join_item(s, n->join_expr, top, ns);
    case pg::kRangeTableFunc: fail(ErrorCode::kFeatureNotSupported, "XMLTABLE is not supported", n->range_table_func->location);
    default: throw Error(ErrorCode::kInternalError, "unrecognized node type in FROM clause");
  }
  *top = item;
  ns->push_back(item);
  item->rel_visible = item->cols_visible = true;
  return leaf(item->index);
}

FromPtr Binder::join_item(Scope& s, const pg::JoinExpr* j, NsPtr* top, std::vector<NsPtr>* ns) {
  auto f = std::make_shared<FromItem>();
  f->is_join = true;
  f->natural = j->is_natural;
  switch (j->jointype) {
    case pg::JOIN_LEFT: f->join = JoinKind::kLeft; break;
    case pg::JOIN_FULL: f->join = JoinKind::kFull; break;
    case pg::JOIN_RIGHT: f->join = JoinKind::kRight; break;
    default: f->join = JoinKind::kInner; break;
  }
  NsPtr l, r;
  std::vector<NsPtr> lns, rns;
  f->left = from_item(s, j->larg, &l, &lns);
  // The right side may refer laterally to the left one.
  bool lateral_ok = f->join == JoinKind::kInner || f->join == JoinKind::kLeft;
  for (NsPtr& x : lns) {
    x->lateral_only = true;
    x->lateral_ok = lateral_ok;
  }
  size_t mark = s.ns.size();
  s.ns.insert(s.ns.end(), lns.begin(), lns.end());
  f->right = from_item(s, j->rarg, &r, &rns);
  s.ns.resize(mark);
  check_namespace_conflicts(lns, rns);
  std::vector<NsPtr> both = lns;
  both.insert(both.end(), rns.begin(), rns.end());

  std::vector<std::string> using_names;
  if (j->is_natural) {
    for (const NsColumn& lc : l->columns) {
      if (lc.type == 0 || lc.name.empty()) continue;
      for (const NsColumn& rc : r->columns)
        if (rc.type != 0 && rc.name == lc.name) { using_names.push_back(lc.name); break; }
    }
  } else {
    using_names = pg::strings(PG_LIST(j, using_clause));
  }
  std::vector<NsColumn> columns;          // of the join
  std::vector<ExprPtr> join_columns;
  std::vector<bool> l_merged(l->columns.size(), false), r_merged(r->columns.size(), false);
  std::vector<size_t> deferred;  // output columns that are Vars of the join itself
  ExprPtr condition;
  if (j->is_natural || !using_names.empty()) {
    std::vector<ExprPtr> quals;
    for (size_t u = 0; u < using_names.size(); ++u) {
      const std::string& name = using_names[u];
      for (size_t v = 0; v < u; ++v)
        if (using_names[v] == name) fail(ErrorCode::kDuplicateColumn, "column name \"" + name + "\" appears more than once in USING clause");
      auto find = [&](const NsPtr& item, const char* side) {
        int found = -1;
        for (size_t i = 0; i < item->columns.size(); ++i)
          if (item->columns[i].type != 0 && item->columns[i].name == name) {
            if (found >= 0)
              fail(ErrorCode::kAmbiguousColumn, "common column name \"" + name + "\" appears more than once in " + side + " table");
            found = static_cast<int>(i);
          }
        if (found < 0)
          fail(ErrorCode::kUndefinedColumn, "column \"" + name + "\" specified in USING clause does not exist in " + side + " table");
        return static_cast<size_t>(found);
      };
      size_t li = find(l, "left"), ri = find(r, "right");
      l_merged[li] = r_merged[ri] = true;
      ExprPtr lv = column_var(s, l, li, 0, -1), rv = column_var(s, r, ri, 0, -1);
      quals.push_back(op(s, {"="}, lv, rv, -1));
      // The merged column.
      Oid type = common_type({lv, rv}, "JOIN/USING");
      int32_t typmod = common_typmod({lv, rv}, type);
      auto relabel = [&](const ExprPtr& e) -> ExprPtr {
        if (e->type != type)
          return coerce_to_target(e, e->type, type, typmod, CoerceContext::kImplicit, FuncFormat::kImplicitCast, -1);
        if (e->typmod != typmod) {
          auto u2 = make<UnaryExpr>(ExprKind::kRelabel);
          u2->arg = e;
          u2->type = type;
          u2->typmod = typmod;
          return u2;
        }
        return e;
      };
      ExprPtr lnode = relabel(lv), rnode = relabel(rv), merged;
      if (f->join == JoinKind::kInner) merged = lnode->kind == ExprKind::kVar ? lnode : rnode->kind == ExprKind::kVar ? rnode : lnode;
      else if (f->join == JoinKind::kLeft) merged = lnode;
      else if (f->join == JoinKind::kRight) merged = rnode;
      else {
        auto c = make<ListExpr>(ExprKind::kCoalesce);
        c->args = {lnode, rnode};
        c->type = type;
        c->typmod = typmod;
        merged = c;
      }
      assign_collations(merged);
      join_columns.push_back(merged);
      NsColumn c;
      c.name = name;
      c.type = merged->type;
      c.typmod = merged->typmod;
      c.collation = merged->collation;
      if (merged->kind == ExprKind::kVar) {
        c.relation = as<VarExpr>(merged).relation;
        c.column = as<VarExpr>(merged).column;
      } else {
        deferred.push_back(columns.size());
      }
      columns.push_back(c);
    }
    if (quals.size() == 1) condition = quals[0];
    else if (quals.size() > 1) {
      auto a = make<BoolExpr>();
      a->args = quals;
      a->type = oid::kBool;
      condition = a;
    }
    if (condition != nullptr) condition = to_boolean(condition, "JOIN/USING");
    f->using_columns = using_names;
  } else if (j->quals != nullptr) {
    std::vector<NsPtr> saved = s.ns;
    for (NsPtr& x : both) {
      x->lateral_only = false;
      x->lateral_ok = true;
    }
    // Only this join's relations (and, laterally, what is to the left) are visible in ON.
    s.ns = both;
    condition = where_clause(s, j->quals, ExprContext::kJoinOn, "JOIN/ON");
    s.ns = saved;
  }
  size_t merged = columns.size();
  auto take = [&](const NsPtr& item, const std::vector<bool>& skip) {
    for (size_t i = 0; i < item->columns.size(); ++i) {
      if (skip[i] || item->columns[i].type == 0) continue;
      columns.push_back(item->columns[i]);
      const NsColumn& c = item->columns[i];
      auto v = make<VarExpr>();
      v->relation = c.relation;
      v->column = c.column;
      v->type = c.type;
      v->typmod = c.typmod;
      v->collation = c.collation;
      join_columns.push_back(v);
      columns.back().hidden = false;
    }
  };
  take(l, l_merged);
  take(r, r_merged);

  auto rte = std::make_shared<RangeTableEntry>();
  rte->kind = RteKind::kJoin;
  rte->join_kind = f->join;
  rte->join_columns = join_columns;
  rte->merged_columns = static_cast<int>(merged);
  rte->alias = "unnamed_join";
  rte->required_privileges = 0;
  apply_alias(*rte, j->alias, columns.size(), "join expression");
  for (size_t i = 0; i < columns.size(); ++i) {
    if (j->alias != nullptr && i < j->alias->n_colnames) columns[i].name = pg::str(j->alias->colnames[i]);
    rte->column_aliases.push_back(columns[i].name);
    rte->column_types.push_back(columns[i].type);
    rte->column_typmods.push_back(columns[i].typmod);
    rte->column_collations.push_back(columns[i].collation);
  }
  NsPtr item = add_rte(s, rte);
  for (size_t i : deferred) {
    columns[i].relation = item->index;
    columns[i].column = static_cast<int16_t>(i + 1);
  }
  item->columns = columns;
  f->relation = item->index;
  f->condition = condition;

  std::vector<NsPtr> result;
  if (j->join_using_alias != nullptr) {
    rte->join_using_alias = j->join_using_alias->aliasname;
    auto u = std::make_shared<NsItem>(*item);
    u->name = j->join_using_alias->aliasname;
    u->columns.resize(merged);
    u->rel_visible = true;
    u->cols_visible = false;
    u->using_alias = true;
    std::vector<NsPtr> lone{u};
    check_namespace_conflicts(lone, both);
    result.push_back(u);
  }
  if (j->alias != nullptr) {
    // An alias hides everything inside.
    item->rel_visible = item->cols_visible = true;
    result.push_back(item);
    ns->insert(ns->end(), result.begin(), result.end());
    *top = item;
    return f;
  }
  for (NsPtr& x : both) {
    x->cols_visible = false;
    result.push_back(x);
  }
  item->rel_visible = false;
  item->cols_visible = true;
  item->name.clear();
  result.push_back(item);
  ns->insert(ns->end(), result.begin(), result.end());
  *top = item;
  return f;
}

NsPtr Binder::range_function(Scope& s, const pg::RangeFunction* r) {
  bool saved_lateral = s.lateral_active;
  s.lateral_active = true;
  std::vector<std::string> names;
  std::vector<ExprPtr> calls;
  std::vector<std::vector<Node*>> coldefs;
  for (const Node* pair : PG_LIST(r, functions)) {
    auto items = PG_LIST(pair->list, items);
    const Node* call = items[0];
    std::vector<Node*> defs;
    if (items.size() > 1 && items[1] != nullptr && items[1]->node_case == pg::kList)
      for (Node* d : PG_LIST(items[1]->list, items)) defs.push_back(d);
    // unnest(a, b, ...) is ROWS FROM (unnest(a), unnest(b), ...).
    if (pg::is(call, pg::kFuncCall)) {
      const pg::FuncCall* f = call->func_call;
      if (f->n_funcname == 1 && pg::str(f->funcname[0]) == "unnest" && f->n_args > 1 && f->n_agg_order == 0 && f->agg_filter == nullptr &&
          f->over == nullptr && !f->agg_star && !f->agg_distinct && !f->func_variadic && defs.empty()) {
        for (Node* arg : PG_LIST(f, args)) {
          ExprPtr last = s.last_srf;
          ExprContext kind = s.kind;
          s.kind = ExprContext::kFromFunction;
          ExprPtr a = expr_in(s, arg);
          ExprPtr e = function(s, {"pg_catalog", "unnest"}, {a}, nullptr, false, f->location);
          s.kind = kind;
          if (e == nullptr) fail(ErrorCode::kUndefinedFunction, "function " + signature("unnest", {a->type}) + " does not exist", f->location, {},
                                 "No function matches the given name and argument types. You might need to add explicit type casts.");
          calls.push_back(e);
          names.push_back("unnest");
          coldefs.emplace_back();
        }
        continue;
      }
    }
    calls.push_back(expr(s, call, ExprContext::kFromFunction));
    names.push_back(figure_name(call));
    coldefs.push_back(defs);
  }
  s.lateral_active = saved_lateral;
  for (const ExprPtr& c : calls) assign_collations(c);
  if (r->n_coldeflist > 0) {
    if (calls.size() != 1) {
      if (r->is_rowsfrom)
        fail(ErrorCode::kSyntaxError, "ROWS FROM() with multiple functions cannot have a column definition list", -1, {},
             "Put a separate column definition list for each function inside ROWS FROM().");
      fail(ErrorCode::kSyntaxError, "UNNEST() with multiple arguments cannot have a column definition list", -1, {},
           "Use separate UNNEST() calls inside ROWS FROM(), and attach a column definition list to each one.");
    }
    if (r->ordinality)
      fail(ErrorCode::kSyntaxError, "WITH ORDINALITY cannot be used with a column definition list", -1, {},
           "Put the column definition list inside ROWS FROM().");
    coldefs[0].assign(r->coldeflist, r->coldeflist + r->n_coldeflist);
  }
  bool lateral = r->lateral;
  for (const ExprPtr& c : calls)
    walk(c, [&](const Expr& x, int level) {
      if (x.kind == ExprKind::kVar && static_cast<const VarExpr&>(x).levels_up == level) lateral = true;
      return lateral;
    });
  return add_function_rte(s, names, calls, coldefs, r->ordinality, lateral, r->alias);
}

NsPtr Binder::add_function_rte(Scope& s, std::vector<std::string> names, std::vector<ExprPtr> calls, std::vector<std::vector<Node*>> coldefs,
                               bool ordinality, bool lateral, const pg::Alias* alias) {
  auto rte = std::make_shared<RangeTableEntry>();
  rte->kind = RteKind::kFunction;
  rte->lateral = lateral;
  rte->with_ordinality = ordinality;
  rte->required_privileges = 0;
  rte->alias = alias != nullptr ? alias->aliasname : names[0];
  bool sole_scalar = calls.size() == 1;
  auto add = [&](std::string name, Oid type, int32_t typmod, Oid collation) {
    rte->column_aliases.push_back(std::move(name));
    rte->column_types.push_back(type);
    rte->column_typmods.push_back(typmod);
    rte->column_collations.push_back(collation);
  };
  for (size_t i = 0; i < calls.size(); ++i) {
    const ExprPtr& call = calls[i];
    RangeFunction rf;
    rf.call = call;
    Oid base = cat.base_type(call->type);
    const ProcRow* p = call->kind == ExprKind::kFunc ? cat.proc(as<FuncExpr>(call).func) : nullptr;
    bool has_out = false;
    if (p != nullptr && call->type == oid::kRecord) {
      for (char m : p->arg_modes) has_out = has_out || m == 'o' || m == 'b' || m == 't';
    }
    if (!coldefs[i].empty()) {
      if (has_out)
        fail(ErrorCode::kSyntaxError, "a column definition list is redundant for a function with OUT parameters", coldefs[i][0]->column_def->location);
      if (call->type != oid::kRecord) {
        if (cat.is_composite(base))
          fail(ErrorCode::kSyntaxError, "a column definition list is redundant for a function returning a named composite type", coldefs[i][0]->column_def->location);
        fail(ErrorCode::kSyntaxError, "a column definition list is only allowed for functions returning \"record\"", coldefs[i][0]->column_def->location);
      }
      for (Node* d : coldefs[i]) {
        const pg::ColumnDef* def = d->column_def;
        ResolvedType t = type_name(def->type_name);
        if (cat.type(t.type).typtype == 'p')
          fail(ErrorCode::kInvalidTableDefinition, std::string("column \"") + def->colname + "\" has pseudo-type " + cat.format_type(t.type), def->location);
        if (def->type_name->setof)
          fail(ErrorCode::kInvalidTableDefinition, std::string("column \"") + def->colname + "\" cannot be declared SETOF", def->location);
        Oid coll = def->coll_clause != nullptr ? collation_by_name(PG_LIST(def->coll_clause, collname), def->coll_clause->location) : cat.type(t.type).collation;
        for (const std::string& other : rf.column_names)
          if (other == def->colname) fail(ErrorCode::kDuplicateColumn, std::string("column name \"") + def->colname + "\" specified more than once");
        rf.column_names.emplace_back(def->colname);
        rf.column_types.push_back(t.type);
        rf.column_typmods.push_back(t.typmod);
        rf.column_collations.push_back(coll);
        add(def->colname, t.type, t.typmod, coll);
      }
      sole_scalar = false;
    } else if (has_out) {
      // Polymorphic OUT columns resolve from the call's argument types.
      std::vector<Oid> actual, declared = p->args;
      for (const ExprPtr& a : as<FuncExpr>(call).args) actual.push_back(a->type);
      declared.resize(actual.size(), oid::kAny);
      for (size_t k = 0; k < p->all_args.size(); ++k) {
        char m = p->arg_modes[k];
        if (m != 'o' && m != 'b' && m != 't') continue;
        std::vector<Oid> d = declared;
        Oid t = is_polymorphic(p->all_args[k]) ? enforce_generics(actual, d, p->all_args[k], false) : p->all_args[k];
        std::string name = k < p->arg_names.size() && !p->arg_names[k].empty() ? p->arg_names[k] : "column" + std::to_string(rf.column_names.size() + 1);
        rf.column_names.push_back(name);
        rf.column_types.push_back(t);
        rf.column_typmods.push_back(-1);
        rf.column_collations.push_back(cat.type(t).collation);
        add(name, t, -1, cat.type(t).collation);
      }
      sole_scalar = false;
    } else if (cat.is_composite(base)) {
      auto r = cat.relation(cat.type(base).relation);
      for (const catalog::Column& c : r->columns) {
        if (c.dropped) add("", 0, -1, 0);
        else add(c.name, c.type, c.typmod, c.collation);
      }
      sole_scalar = false;
    } else if (call->type == oid::kRecord) {
      if (call->kind == ExprKind::kRow) {
        const auto& row = as<ListExpr>(call);
        for (size_t k = 0; k < row.args.size(); ++k) {
          std::string name = "f" + std::to_string(k + 1);
          rf.column_names.push_back(name);
          rf.column_types.push_back(row.args[k]->type);
          rf.column_typmods.push_back(row.args[k]->typmod);
          rf.column_collations.push_back(row.args[k]->collation);
          add(name, row.args[k]->type, row.args[k]->typmod, row.args[k]->collation);
        }
        sole_scalar = false;
      } else {
        fail(ErrorCode::kSyntaxError, "a column definition list is required for functions returning \"record\"", expr_location(call));
      }
    } else {
      if (cat.type(base).typtype == 'p' && call->type != oid::kVoid && call->type != oid::kCstring)
        fail(ErrorCode::kDatatypeMismatch, "function \"" + names[i] + "\" in FROM has unsupported return type " + cat.format_type(call->type), expr_location(call));
      // One column: named by the OUT parameter if there is one, else by the alias or the function.
      std::string name = names[i];
      if (sole_scalar && alias != nullptr) name = alias->aliasname;
      if (p != nullptr)
        for (size_t k = 0; k < p->arg_modes.size() && k < p->arg_names.size(); ++k)
          if ((p->arg_modes[k] == 'o' || p->arg_modes[k] == 'b' || p->arg_modes[k] == 't') && !p->arg_names[k].empty()) name = p->arg_names[k];
      add(name, call->type, call->typmod, call->collation);
    }
    rte->functions.push_back(std::move(rf));
  }
  if (ordinality) add("ordinality", oid::kInt8, -1, 0);
  size_t live = 0;
  for (Oid t : rte->column_types) live += t != 0;
  apply_alias(*rte, alias, live, "table");
  if (alias != nullptr) {
    size_t given = 0;
    for (size_t i = 0; i < rte->column_types.size() && given < alias->n_colnames; ++i)
      if (rte->column_types[i] != 0) rte->column_aliases[i] = pg::str(alias->colnames[given++]);
  }
  return add_rte(s, rte);
}

}  // namespace stele::sql
