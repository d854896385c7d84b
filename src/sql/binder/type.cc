// Type names, their modifiers, collations, and the lookups that DDL shares with the binder.
#include "sql/binder/binder.h"
#include "types/array.h"
#include "types/function.h"

namespace stele::sql {

int32_t Binder::typmod_of(const pg::TypeName* t, const TypeRow& type) {
  if (t->n_typmods == 0) return t->typemod;
  if (type.typtype == 'd' || type.modin.empty())
    fail(ErrorCode::kSyntaxError, "type modifier is not allowed for type \"" + type.name + "\"", t->location);
  std::vector<std::string> words;
  for (const Node* n : PG_LIST(t, typmods)) {
    if (n->node_case == pg::kAConst) {
      const pg::AConst* c = n->a_const;
      switch (c->val_case) {
        case PG_QUERY__A__CONST__VAL_IVAL: words.push_back(std::to_string(c->ival->ival)); continue;
        case PG_QUERY__A__CONST__VAL_FVAL: words.emplace_back(c->fval->fval); continue;
        case PG_QUERY__A__CONST__VAL_SVAL: words.emplace_back(c->sval->sval); continue;
        default: break;
      }
      if (!c->isnull) { words.emplace_back("0"); continue; }
    } else if (n->node_case == pg::kColumnRef && n->column_ref->n_fields == 1) {
      words.emplace_back(pg::str(n->column_ref->fields[0]));
      continue;
    } else if (n->node_case == pg::kAExpr && n->a_expr->lexpr == nullptr && pg::is(n->a_expr->rexpr, pg::kAConst) && n->a_expr->n_name == 1 &&
               pg::str(n->a_expr->name[0]) == "-" && n->a_expr->rexpr->a_const->ival != nullptr) {
      words.push_back("-" + std::to_string(n->a_expr->rexpr->a_const->ival->ival));
      continue;
    }
    fail(ErrorCode::kSyntaxError, "type modifiers must be simple constants or identifiers", t->location);
  }
  ScalarFn fn = FunctionRegistry::instance().scalar(type.modin);
  if (fn == nullptr) return -1;
  Arena arena;
  ElementInfo info = element_info(oid::kCstring, ctx.eval);
  ArrayBuilder b(info);
  for (const std::string& w : words) b.add(make_bytes(arena, w));
  Datum arg = b.finish(arena);
  bool null = false;
  Oid arg_type = 1263;
  std::shared_ptr<void> cache;
  FnCall call{};
  call.args = &arg;
  call.nulls = &null;
  call.nargs = 1;
  call.arg_types = &arg_type;
  call.result_type = oid::kInt4;
  call.arena = &arena;
  call.context = ctx.eval;
  call.cache = &cache;
  try {
    return static_cast<int32_t>(fn(call).as_int());
  } catch (Error& e) {
    if (e.position() == 0) e.set_position(position(t->location));
    throw;
  }
}

static std::string typename_text(const pg::TypeName* t) {
  std::string s;
  for (const Node* n : PG_LIST(t, names)) s += (s.empty() ? "" : ".") + std::string(pg::str(n));
  if (t->pct_type) s += "%TYPE";
  if (t->n_array_bounds > 0) s += "[]";
  return s;
}

ResolvedType Binder::type_name_or_missing(const pg::TypeName* t, bool missing_ok) {
  if (t->n_names == 0) return {t->type_oid, t->typemod};
  std::vector<std::string> names = pg::strings(PG_LIST(t, names));
  if (t->pct_type) {
    if (names.size() < 2) fail(ErrorCode::kSyntaxError, "improper %TYPE reference (too few dotted names): " + names_to_string(names), t->location);
    std::string column = names.back(), table = names[names.size() - 2];
    Oid schema = names.size() >= 3 ? cat.schema(names[names.size() - 3]) : 0;
    auto r = cat.find_relation(table, schema);
    if (r == nullptr) fail(ErrorCode::kUndefinedTable, "relation \"" + names_to_string({names.begin(), names.end() - 1}) + "\" does not exist", t->location);
    const catalog::Column* c = r->column(column);
    if (c == nullptr) fail(ErrorCode::kUndefinedColumn, "column \"" + column + "\" of relation \"" + table + "\" does not exist", t->location);
    Oid type = c->type;
    if (t->n_array_bounds > 0) type = cat.type(type).array;
    return {type, c->typmod};
  }
  const TypeRow* row = nullptr;
  if (names.size() == 1) {
    row = cat.find_type(names[0]);
    // "char" the keyword is char(1), which the grammar turns into pg_catalog.bpchar.
  } else {
    size_t n = names.size();
    Oid schema = cat.schema(names[n - 2]);
    if (schema == 0 && !missing_ok) fail(ErrorCode::kInvalidSchemaName, "schema \"" + names[n - 2] + "\" does not exist", t->location);
    row = schema == 0 ? nullptr : cat.find_type(schema, names[n - 1]);
  }
  if (row != nullptr && t->n_array_bounds > 0) {
    Oid array = row->array;
    if (array == 0) row = nullptr;
    else {
      const TypeRow& element = *row;
      int32_t typmod = typmod_of(t, element);
      if (array >= oid::kFirstUserOid) dependencies.push_back({ObjectKind::kType, element.oid, 0});
      return {array, typmod};
    }
  }
  if (row == nullptr) {
    if (missing_ok) return {};
    fail(ErrorCode::kUndefinedObject, "type \"" + typename_text(t) + "\" does not exist", t->location);
  }
  if (!row->defined && !ctx.allow_shell_types) fail(ErrorCode::kUndefinedObject, "type \"" + typename_text(t) + "\" is only a shell", t->location);
  if (row->oid >= oid::kFirstUserOid) dependencies.push_back({ObjectKind::kType, row->oid, 0});
  Oid found = row->oid;
  return {found, typmod_of(t, *row)};
}

ResolvedType Binder::type_name(const pg::TypeName* t) { return type_name_or_missing(t, false); }

Oid Binder::collation_by_name(std::span<Node* const> list, int location) {
  std::vector<std::string> names = pg::strings(list);
  Oid schema = 0;
  if (names.size() > 1) {
    schema = cat.schema(names[names.size() - 2]);
    if (schema == 0) fail(ErrorCode::kInvalidSchemaName, "schema \"" + names[names.size() - 2] + "\" does not exist", location);
  }
  Oid c = cat.collation(names.back(), schema);
  if (c == 0)
    fail(ErrorCode::kUndefinedObject, "collation \"" + names_to_string(names) + "\" for encoding \"UTF8\" does not exist", location);
  if (c >= oid::kFirstUserOid) dependencies.push_back({ObjectKind::kCollation, c, 0});
  return c;
}

// --- for DDL ------------------------------------------------------------------------------------

ResolvedType resolve_type(const void* t, const BindContext& context) {
  return Binder(context).type_name(static_cast<const pg::TypeName*>(t));
}

ParsedExpression parse_expression(std::string_view sql) {
  ParseTreePtr tree = parse_sql("SELECT " + std::string(sql));
  if (tree->statements.size() != 1 || !pg::is(tree->statements[0].node, pg::kSelectStmt) || tree->statements[0].node->select_stmt->n_target_list != 1)
    throw Error(ErrorCode::kSyntaxError, "syntax error in expression \"" + std::string(sql) + "\"");
  return {tree, tree->statements[0].node->select_stmt->target_list[0]->res_target->val};
}

ResolvedType parse_type_string(std::string_view sql, const BindContext& context, bool allow_missing) {
  ParseTreePtr tree;
  if (sql.find_first_not_of(" \t\n\r\f") == std::string_view::npos) throw Error(ErrorCode::kSyntaxError, "invalid type name \"" + std::string(sql) + "\"");
  try {
    // The closing parenthesis ends the name where the scanner would otherwise go on.
    tree = parse_sql("SELECT CAST(NULL AS " + std::string(sql) + ")");
  } catch (const Error& e) {
    // The position within the name means nothing to the statement around it.
    throw Error(e.code(), e.message()).context("invalid type name \"" + std::string(sql) + "\"");
  }
  const Node* n = tree->statements.size() == 1 && pg::is(tree->statements[0].node, pg::kSelectStmt) &&
                          tree->statements[0].node->select_stmt->n_target_list == 1 && tree->statements[0].node->select_stmt->n_from_clause == 0
                      ? tree->statements[0].node->select_stmt->target_list[0]->res_target->val : nullptr;
  if (!pg::is(n, pg::kTypeCast) || n->type_cast->type_name->setof || pg::has(tree->statements[0].node->select_stmt->target_list[0]->res_target->name))
    throw Error(ErrorCode::kSyntaxError, "invalid type name \"" + std::string(sql) + "\"");
  BindContext c = context;
  c.text = {};
  try {
    return Binder(c).type_name_or_missing(n->type_cast->type_name, allow_missing);
  } catch (const Error& e) {
    Error copy = e;
    copy.set_position(0);
    throw copy;
  }
}

Oid resolve_collation(const std::vector<std::string>& names, const BindContext& context, int location) {
  if (names.empty()) return 0;
  Binder b(context);
  Oid schema = 0;
  if (names.size() > 1) {
    schema = b.cat.schema(names[names.size() - 2]);
    if (schema == 0) b.fail(ErrorCode::kInvalidSchemaName, "schema \"" + names[names.size() - 2] + "\" does not exist", location);
  }
  Oid c = b.cat.collation(names.back(), schema);
  if (c == 0) b.fail(ErrorCode::kUndefinedObject, "collation \"" + names_to_string(names) + "\" for encoding \"UTF8\" does not exist", location);
  return c;
}

Oid find_function(const void* object_with_args, char kind, const BindContext& context, bool missing_ok) {
  const auto* o = static_cast<const pg::ObjectWithArgs*>(object_with_args);
  Binder b(context);
  std::vector<std::string> names = pg::strings(PG_LIST(o, objname));
  std::string display = names_to_string(names);
  const char* what = kind == 'a' ? "aggregate" : kind == 'p' ? "procedure" : kind == 'f' ? "function" : "routine";
  Oid schema = 0;
  if (names.size() > 1) {
    schema = b.cat.schema(names[names.size() - 2]);
    if (schema == 0) {
      if (missing_ok) return 0;
      b.fail(ErrorCode::kInvalidSchemaName, "schema \"" + names[names.size() - 2] + "\" does not exist");
    }
  }
  auto all = b.cat.procs(names.back(), schema);
  const ProcRow* found = nullptr;
  std::vector<Oid> types;
  if (o->args_unspecified) {
    int n = 0;
    for (const ProcRow* p : all) {
      if (kind == 'f' && (p->kind == 'a' || p->kind == 'p')) continue;
      if ((kind == 'a' || kind == 'p') && p->kind != kind) continue;
      found = p;
      ++n;
    }
    if (n > 1)
      b.fail(ErrorCode::kAmbiguousFunction, std::string(what) + " name \"" + display + "\" is not unique", -1, {},
             std::string("Specify the argument list to select the ") + what + " unambiguously.");
    if (n == 0) {
      if (missing_ok) return 0;
      b.fail(ErrorCode::kUndefinedFunction, std::string("could not find a ") + what + " named \"" + display + "\"");
    }
    return found->oid;
  }
  for (const Node* n : PG_LIST(o, objargs)) {
    if (n == nullptr || n->node_case != pg::kTypeName) continue;
    ResolvedType t = b.type_name_or_missing(n->type_name, missing_ok);
    if (t.type == 0) return 0;
    types.push_back(t.type);
  }
  for (const ProcRow* p : all)
    if (p->args == types) found = p;
  auto sig = b.signature(display, types);
  if (found == nullptr) {
    if (missing_ok) return 0;
    if (kind == 'a' && types.empty()) b.fail(ErrorCode::kUndefinedFunction, "aggregate " + display + "(*) does not exist");
    b.fail(ErrorCode::kUndefinedFunction, std::string(kind == 0 ? "routine" : what) + " " + sig + " does not exist");
  }
  if (kind == 'f' && found->kind == 'a')
    b.fail(ErrorCode::kWrongObjectType, "\"" + display + "\" is an aggregate function", -1, {}, "Use DROP AGGREGATE to drop aggregate functions.");
  if (kind == 'f' && found->kind == 'p') b.fail(ErrorCode::kWrongObjectType, sig + " is not a function");
  if (kind == 'p' && found->kind != 'p') b.fail(ErrorCode::kWrongObjectType, sig + " is not a procedure");
  if (kind == 'a' && found->kind != 'a') b.fail(ErrorCode::kWrongObjectType, "function " + sig + " is not an aggregate");
  return found->oid;
}

Oid find_operator(const void* object_with_args, const BindContext& context, bool missing_ok) {
  const auto* o = static_cast<const pg::ObjectWithArgs*>(object_with_args);
  Binder b(context);
  std::vector<std::string> names = pg::strings(PG_LIST(o, objname));
  std::vector<Oid> types;
  for (const Node* n : PG_LIST(o, objargs)) {
    if (n == nullptr || n->node_case != pg::kTypeName) { types.push_back(0); continue; }
    types.push_back(b.type_name_or_missing(n->type_name, missing_ok).type);
  }
  if (types.size() == 1) types.insert(types.begin(), 0);
  Oid schema = names.size() > 1 ? b.cat.schema(names[names.size() - 2]) : 0;
  for (const OperatorRow* r : b.cat.operators(names.back(), schema))
    if (types.size() == 2 && r->left == types[0] && r->right == types[1]) return r->oid;
  if (missing_ok) return 0;
  b.fail(ErrorCode::kUndefinedFunction, "operator does not exist: " + b.op_signature(names, types[0], types[1], types[0] == 0));
}

catalog::Ptr<catalog::Relation> resolve_relation(const void* range_var, const BindContext& context, bool missing_ok) {
  const auto* rv = static_cast<const pg::RangeVar*>(range_var);
  Binder b(context);
  if (pg::has(rv->schemaname) && b.cat.schema(rv->schemaname) == 0 && !missing_ok)
    b.fail(ErrorCode::kInvalidSchemaName, std::string("schema \"") + rv->schemaname + "\" does not exist");
  pg::RangeVar copy = *rv;
  copy.location = -1;
  return b.open_relation(&copy, missing_ok);
}

ExprPtr bind_expression(const PgQuery__Node* node, const catalog::Relation* relation, ExprContext kind, const BindContext& context, Oid type,
                        int32_t typmod, std::string_view column_name) {
  Binder b(context);
  Scope s;
  Query q;
  s.query = &q;
  if (relation != nullptr) {
    if (kind == ExprContext::kTriggerWhen) {
      for (const char* name : {"old", "new"}) {
        NsPtr item = b.add_relation(s, *relation, storage::LockMode::kAccessShare, nullptr, false, false);
        item->name = name;
        item->rte->alias = name;
        item->rte->has_alias = true;
        b.add_to_namespace(s, item, true, false);
      }
    } else {
      NsPtr item = b.add_relation(s, *relation, storage::LockMode::kAccessShare, nullptr, false, true);
      b.add_to_namespace(s, item, true, true);
    }
  }
  ExprPtr e = b.expr(s, node, kind);
  if (type != 0) {
    Oid from = e->type;
    ExprPtr r = b.coerce_to_target(e, from, type, typmod, CoerceContext::kAssignment, FuncFormat::kImplicitCast, -1);
    if (r == nullptr) {
      if (kind == ExprContext::kColumnDefault || kind == ExprContext::kGeneratedColumn || kind == ExprContext::kFunctionDefault)
        b.fail(ErrorCode::kDatatypeMismatch,
               "column \"" + std::string(column_name) + "\" is of type " + b.cat.format_type(type) + " but default expression is of type " + b.cat.format_type(from),
               -1, {}, "You will need to rewrite or cast the expression.");
      if (kind == ExprContext::kExecuteParameter)
        b.fail(ErrorCode::kDatatypeMismatch,
               "parameter " + std::string(column_name) + " of type " + b.cat.format_type(from) + " cannot be coerced to the expected type " + b.cat.format_type(type), e->location, {},
               "You will need to rewrite or cast the expression.");
      b.fail(ErrorCode::kDatatypeMismatch,
             "column \"" + std::string(column_name) + "\" is of type " + b.cat.format_type(type) + " but expression is of type " + b.cat.format_type(from), -1, {},
             "You will need to rewrite or cast the expression.");
    }
    e = r;
  } else if (kind == ExprContext::kCheckConstraint || kind == ExprContext::kDomainCheck) {
    e = b.to_boolean(e, "CHECK");
  } else if (kind == ExprContext::kIndexPredicate || kind == ExprContext::kCopyWhere) {
    e = b.to_boolean(e, "WHERE");
  } else if (kind == ExprContext::kTriggerWhen) {
    e = b.to_boolean(e, "WHEN");
  } else if (kind == ExprContext::kPolicy) {
    e = b.to_boolean(e, "POLICY");
  } else if (e->type == oid::kUnknown) {
    e = b.coerce(e, e->type, oid::kText, -1, CoerceContext::kImplicit, FuncFormat::kImplicitCast, -1);
  }
  b.assign_collations(e);
  return e;
}

ExprPtr bind_domain_check(const PgQuery__Node* node, Oid type, int32_t typmod, Oid collation, const BindContext& context) {
  Binder b(context);
  Scope s;
  Query q;
  s.query = &q;
  b.domain = Domain{type, typmod, collation};
  ExprPtr e = b.to_boolean(b.expr(s, node, ExprContext::kDomainCheck), "CHECK");
  b.assign_collations(e);
  return e;
}

ExprPtr coerce_for_assignment(ExprPtr e, Oid type, int32_t typmod, std::string_view column, const BindContext& context) {
  Binder b(context);
  ExprPtr r = b.coerce_to_target(e, e->type, type, typmod, CoerceContext::kAssignment, FuncFormat::kImplicitCast, -1);
  if (r == nullptr)
    b.fail(ErrorCode::kDatatypeMismatch,
           "column \"" + std::string(column) + "\" is of type " + b.cat.format_type(type) + " but expression is of type " + b.cat.format_type(e->type), -1, {},
           "You will need to rewrite or cast the expression.");
  return r;
}

}  // namespace stele::sql
