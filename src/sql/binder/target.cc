// Target lists: SELECT's and RETURNING's entries, star expansion, column names.
#include "sql/binder/binder.h"

namespace stele::sql {

TargetEntry Binder::make_target(Scope& s, ExprPtr e, std::string name, bool junk) {
  TargetEntry t;
  t.expr = std::move(e);
  t.name = std::move(name);
  t.resno = s.next_resno++;
  t.junk = junk;
  return t;
}

std::vector<TargetEntry> Binder::target_list(Scope& s, std::span<Node* const> list, ExprContext kind) {
  std::vector<TargetEntry> out;
  ExprContext saved = s.kind;
  s.kind = kind;
  for (const Node* n : list) {
    const pg::ResTarget* r = n->res_target;
    if (r->val != nullptr && r->val->node_case == pg::kColumnRef) {
      const pg::ColumnRef* c = r->val->column_ref;
      if (c->n_fields > 0 && c->fields[c->n_fields - 1]->node_case == pg::kAStar) {
        expand_star(s, c, out, true);
        continue;
      }
    } else if (r->val != nullptr && r->val->node_case == pg::kAIndirection) {
      const pg::AIndirection* a = r->val->a_indirection;
      if (a->n_indirection > 0 && a->indirection[a->n_indirection - 1]->node_case == pg::kAStar) {
        pg::AIndirection copy = *a;
        --copy.n_indirection;
        ExprPtr base = copy.n_indirection > 0 ? indirection(s, &copy) : expr_in(s, copy.arg);
        expand_row(s, base, out, expr_location(base));
        continue;
      }
    }
    ExprPtr e = expr_in(s, r->val);
    std::string name = pg::has(r->name) ? std::string(r->name) : figure_name(r->val);
    out.push_back(make_target(s, e, name));
  }
  s.kind = saved;
  return out;
}

std::vector<ExprPtr> Binder::expression_list(Scope& s, std::span<Node* const> list, ExprContext kind, bool allow_default) {
  std::vector<ExprPtr> out;
  ExprContext saved = s.kind;
  s.kind = kind;
  for (const Node* n : list) {
    if (n->node_case == pg::kColumnRef && n->column_ref->n_fields > 0 && n->column_ref->fields[n->column_ref->n_fields - 1]->node_case == pg::kAStar) {
      std::vector<TargetEntry> t;
      expand_star(s, n->column_ref, t, false);
      for (auto& x : t) out.push_back(x.expr);
      continue;
    }
    if (n->node_case == pg::kAIndirection && n->a_indirection->n_indirection > 0 &&
        n->a_indirection->indirection[n->a_indirection->n_indirection - 1]->node_case == pg::kAStar) {
      pg::AIndirection copy = *n->a_indirection;
      --copy.n_indirection;
      ExprPtr base = copy.n_indirection > 0 ? indirection(s, &copy) : expr_in(s, copy.arg);
      std::vector<TargetEntry> t;
      expand_row(s, base, t, expr_location(base));
      for (auto& x : t) out.push_back(x.expr);
      continue;
    }
    if (allow_default && n->node_case == pg::kSetToDefault) {
      auto d = make<SetToDefaultExpr>();
      d->type = oid::kUnknown;
      d->location = n->set_to_default->location;
      out.push_back(d);
      continue;
    }
    out.push_back(expr_in(s, n));
  }
  s.kind = saved;
  return out;
}

void Binder::expand_star(Scope& s, const pg::ColumnRef* c, std::vector<TargetEntry>& out, bool top) {
  std::vector<std::string> names;
  for (const Node* f : PG_LIST(c, fields))
    if (f->node_case != pg::kAStar) names.emplace_back(pg::str(f));
  if (names.empty()) {
    bool found = false;
    for (size_t i = 0; i < s.ns.size(); ++i) {
      NsPtr item = s.ns[i];
      if (!item->cols_visible || item->lateral_only) continue;
      found = true;
      expand(s, item, 0, out, top, c->location);
    }
    if (!found) fail(ErrorCode::kSyntaxError, "SELECT * with no tables specified is not valid", c->location);
    return;
  }
  if (ctx.variables)
    if (ExprPtr e = ctx.variables(names, c->location)) {
      expand_row(s, e, out, c->location);
      return;
    }
  if (names.size() == 3 && names[0] == cat.database()) names.erase(names.begin());
  if (names.size() > 2)
    fail(ErrorCode::kSyntaxError, "improper qualified name (too many dotted names): " + names_to_string(names) + ".*", c->location);
  std::string schema = names.size() == 2 ? names[0] : "", rel = names.back();
  int levels = 0;
  NsPtr item = find_ns_item(s, schema, rel, c->location, &levels);
  if (item == nullptr) {
    // tbl.col.* expands a composite column.
    if (names.size() == 2) {
      if (NsPtr t = find_ns_item(s, "", names[0], c->location, &levels)) {
        if (ExprPtr e = scan_columns(s, t, levels, names[1], c->location)) {
          expand_row(s, e, out, c->location);
          return;
        }
      }
    } else if (ExprPtr e = column_named(s, rel, false, c->location)) {
      expand_row(s, e, out, c->location);
      return;
    }
    missing_relation(s, schema, rel, c->location);
  }
  expand(s, item, levels, out, top, c->location);
}

void Binder::expand_row(Scope& s, ExprPtr e, std::vector<TargetEntry>& out, int location) {
  // A whole-row Var is its columns.
  if (e->kind == ExprKind::kVar && as<VarExpr>(e).column == 0) {
    const auto& v = as<VarExpr>(e);
    Scope* p = &s;
    for (int l = v.levels_up; l-- > 0 && p != nullptr;) p = p->parent;
    if (p != nullptr)
      for (const NsPtr& item : p->ns)
        if (item->index == v.relation && !item->using_alias) {
          expand(s, item, v.levels_up, out, true, location);
          return;
        }
  }
  auto columns = row_columns(&s, e);
  if (columns.empty()) {
    if (e->type == oid::kRecord) fail(ErrorCode::kWrongObjectType, "record type has not been registered", location);
    fail(ErrorCode::kWrongObjectType, "type " + cat.format_type(e->type) + " is not composite", location);
  }
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].dropped) continue;
    auto f = make<FieldSelectExpr>();
    f->arg = e;
    f->field = static_cast<int16_t>(i + 1);
    f->type = columns[i].type;
    f->typmod = columns[i].typmod;
    f->collation = cat.type(columns[i].type).collation;
    f->location = location;
    out.push_back(make_target(s, f, columns[i].name));
  }
}

std::string Binder::figure_name(const Node* n) {
  std::string name;
  figure_name(n, name);
  return name.empty() ? "?column?" : name;
}

// Strength of the guess: 0 none, 1 weak (a type's name), 2 good.
int Binder::figure_name(const Node* n, std::string& name) {
  if (n == nullptr) return 0;
  switch (n->node_case) {
    case pg::kColumnRef: {
      std::string last;
      for (const Node* f : PG_LIST(n->column_ref, fields))
        if (f->node_case == pg::kString) last = pg::str(f);
      if (last.empty()) return 0;
      name = last;
      return 2;
    }
    case pg::kAIndirection: {
      std::string last;
      for (const Node* f : PG_LIST(n->a_indirection, indirection))
        if (f->node_case == pg::kString) last = pg::str(f);
      if (!last.empty()) { name = last; return 2; }
      return figure_name(n->a_indirection->arg, name);
    }
    case pg::kFuncCall: name = pg::str(n->func_call->funcname[n->func_call->n_funcname - 1]); return 2;
    case pg::kAExpr:
      if (n->a_expr->kind == pg::AEXPR_NULLIF) { name = "nullif"; return 2; }
      return 0;
    case pg::kTypeCast: {
      int strength = figure_name(n->type_cast->arg, name);
      if (strength <= 1 && n->type_cast->type_name != nullptr && n->type_cast->type_name->n_names > 0) {
        name = pg::str(n->type_cast->type_name->names[n->type_cast->type_name->n_names - 1]);
        return 1;
      }
      return strength;
    }
    case pg::kCollateClause: return figure_name(n->collate_clause->arg, name);
    case pg::kGroupingFunc: name = "grouping"; return 2;
    case pg::kSubLink:
      switch (n->sub_link->sub_link_type) {
        case pg::EXISTS_SUBLINK: name = "exists"; return 2;
        case pg::ARRAY_SUBLINK: name = "array"; return 2;
        case pg::EXPR_SUBLINK: {
          const Node* sub = n->sub_link->subselect;
          if (pg::is(sub, pg::kSelectStmt) && sub->select_stmt->n_target_list > 0) {
            const pg::ResTarget* r = sub->select_stmt->target_list[0]->res_target;
            if (pg::has(r->name)) { name = r->name; return 2; }
            return figure_name(r->val, name);
          }
          if (pg::is(sub, pg::kSelectStmt) && sub->select_stmt->n_values_lists > 0) { name = "column1"; return 2; }
          return 0;
        }
        default: return 0;
      }
    case pg::kCaseExpr: {
      int strength = figure_name(n->case_expr->defresult, name);
      if (strength <= 1) { name = "case"; return 1; }
      return strength;
    }
    case pg::kAArrayExpr: name = "array"; return 2;
    case pg::kRowExpr: name = "row"; return 2;
    case pg::kCoalesceExpr: name = "coalesce"; return 2;
    case pg::kMinMaxExpr: name = n->min_max_expr->op == pg::IS_GREATEST ? "greatest" : "least"; return 2;
    case pg::kSqlvalueFunction:
      switch (n->sqlvalue_function->op) {
        case pg::SVFOP_CURRENT_DATE: name = "current_date"; return 2;
        case pg::SVFOP_CURRENT_TIME: case pg::SVFOP_CURRENT_TIME_N: name = "current_time"; return 2;
        case pg::SVFOP_CURRENT_TIMESTAMP: case pg::SVFOP_CURRENT_TIMESTAMP_N: name = "current_timestamp"; return 2;
        case pg::SVFOP_LOCALTIME: case pg::SVFOP_LOCALTIME_N: name = "localtime"; return 2;
        case pg::SVFOP_LOCALTIMESTAMP: case pg::SVFOP_LOCALTIMESTAMP_N: name = "localtimestamp"; return 2;
        case pg::SVFOP_CURRENT_ROLE: name = "current_role"; return 2;
        case pg::SVFOP_CURRENT_USER: name = "current_user"; return 2;
        case pg::SVFOP_USER: name = "user"; return 2;
        case pg::SVFOP_SESSION_USER: name = "session_user"; return 2;
        case pg::SVFOP_CURRENT_CATALOG: name = "current_catalog"; return 2;
        default: name = "current_schema"; return 2;
      }
    default: return 0;
  }
}

void Binder::resolve_unknown_targets(std::vector<TargetEntry>& targets) {
  for (TargetEntry& t : targets)
    if (t.expr->type == oid::kUnknown)
      t.expr = coerce(t.expr, oid::kUnknown, oid::kText, -1, CoerceContext::kImplicit, FuncFormat::kImplicitCast, -1);
}

void Binder::mark_origins(Scope& s, std::vector<TargetEntry>& targets) {
  for (TargetEntry& t : targets) std::tie(t.origin_table, t.origin_column) = origin(s, t.expr);
}

}  // namespace stele::sql
