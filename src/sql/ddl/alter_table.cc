// ALTER TABLE and its kin.
#include "query/inheritance.h"
#include "rows/codec.h"
#include "rows/sequences.h"
#include "sql/ddl/ddl.h"
#include "sql/ddl/table_options.h"
#include "sql/redis/row_keys.h"

namespace stele::sql {

using namespace query;  // NOLINT

namespace {
// The present value of a column, in an expression over the table's rows as they are.
ExprPtr column_value(const Column& c) {
  auto v = std::make_shared<VarExpr>();
  v->relation = 1;
  v->column = c.number;
  v->type = c.type;
  v->typmod = c.typmod;
  v->collation = c.collation;
  return v;
}
// What a rewrite computes for each row: every column as it is, but one.
std::vector<ExprPtr> columns_with(const Relation& r, int16_t column, const ExprPtr& value) {
  std::vector<ExprPtr> out;
  for (const Column& c : r.columns) out.push_back(c.number == column ? value : column_value(c));
  return out;
}
}  // namespace

std::string Ddl::alter_table(const pg::AlterTableStmt* s) {
  const char* tag = s->objtype == pg::OBJECT_INDEX ? "ALTER INDEX" : s->objtype == pg::OBJECT_VIEW ? "ALTER VIEW" : s->objtype == pg::OBJECT_MATVIEW ? "ALTER MATERIALIZED VIEW"
                    : s->objtype == pg::OBJECT_SEQUENCE ? "ALTER SEQUENCE" : s->objtype == pg::OBJECT_TYPE ? "ALTER TYPE" : s->objtype == pg::OBJECT_FOREIGN_TABLE ? "ALTER FOREIGN TABLE" : "ALTER TABLE";
  if (s->objtype == pg::OBJECT_FOREIGN_TABLE)
    if (auto r = relation(s->relation, true); r != nullptr && r->relkind != 'f') fail(ErrorCode::kWrongObjectType, "\"" + r->name + "\" is not a foreign table");
  bool light = true;
  for (const Node* n : PG_LIST(s, cmds)) {
    auto t = n->alter_table_cmd->subtype;
    light = light && (t == pg::AT_SetStatistics || t == pg::AT_ValidateConstraint || t == pg::AT_SetRelOptions || t == pg::AT_ResetRelOptions);
    // What Redis clients see of a table begins and ends with no writer in between.
    if (t == pg::AT_SetRelOptions || t == pg::AT_ResetRelOptions)
      for (const Node* o : PG_LIST(n->alter_table_cmd->def->list, items)) light = light && !std::string_view(o->def_elem->defname).starts_with("redis_");
  }
  Ptr<Relation> found = table_for(s->relation, light ? LockMode::kShareUpdateExclusive : LockMode::kAccessExclusive, s->missing_ok);
  if (found == nullptr) return tag;
  auto wrong = [&](const char* word) { fail(ErrorCode::kWrongObjectType, "\"" + found->name + "\" is not " + word); };
  if (s->objtype == pg::OBJECT_INDEX && !found->index) wrong("an index");
  if (s->objtype == pg::OBJECT_VIEW && found->relkind != 'v') wrong("a view");
  if (s->objtype == pg::OBJECT_SEQUENCE && found->relkind != 'S') wrong("a sequence");
  if (s->objtype == pg::OBJECT_TYPE && found->relkind != 'c') wrong("a composite type");
  if (s->objtype == pg::OBJECT_TABLE && found->relkind == 'c')
    fail(ErrorCode::kWrongObjectType, "\"" + found->name + "\" is a composite type", -1, {}, "Use ALTER TYPE instead.");
  auto r = edit(found);
  if (r->relkind == 'c')
    state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
      if (r->row_type != 0 && static_cast<const Relation&>(*o).of_type == r->row_type)
        for (const Node* n : PG_LIST(s, cmds))
          if (n->alter_table_cmd->behavior != pg::DROP_CASCADE)
            fail(ErrorCode::kDependentObjectsStillExist, "cannot alter type \"" + r->name + "\" because it is the type of a typed table", -1, {}, "Use ALTER ... CASCADE to alter the typed tables too.");
    });
  recurse_ = s->relation->inh;
  recursing_ = false;
  // PostgreSQL's passes: drops, type changes, columns, then constraints.
  auto pass = [](const pg::AlterTableCmd* c) {
    switch (c->subtype) {
      case pg::AT_DropColumn: case pg::AT_DropConstraint: case pg::AT_DropNotNull: case pg::AT_DropIdentity: case pg::AT_DropExpression: return 0;
      case pg::AT_AlterColumnType: return 1;
      case pg::AT_AddColumn: return 2;
      case pg::AT_ColumnDefault: case pg::AT_SetNotNull: case pg::AT_AddIdentity: case pg::AT_SetIdentity: return 3;
      case pg::AT_AddConstraint: return c->def->constraint->contype == pg::CONSTR_FOREIGN ? 5 : 4;
      default: return 6;
    }
  };
  for (int p = 0; p <= 6; ++p)
    for (const Node* n : PG_LIST(s, cmds))
      if (pass(n->alter_table_cmd) == p) {
        check_alter_child(*r, n->alter_table_cmd);
        const Relation before = *r;
        alter_command(r, n->alter_table_cmd, s);
        if (state()->relation(r->oid) == nullptr) return tag;
        alter_children(before, before, n->alter_table_cmd, s);
        r = edit(state()->relation(r->oid));
        host.next_command();
      }
  redis::check_table_options(*r, *state());
  return tag;
}

void Ddl::add_column(std::shared_ptr<Relation>& r, const pg::ColumnDef* d, bool missing_ok) {
  if (r->column(std::string_view(d->colname)) != nullptr) {
    if (missing_ok) {
      notice(std::string("column \"") + d->colname + "\" of relation \"" + r->name + "\" already exists, skipping", {}, {}, "NOTICE", ErrorCode::kDuplicateColumn);
      return;
    }
    fail(ErrorCode::kDuplicateColumn, std::string("column \"") + d->colname + "\" of relation \"" + r->name + "\" already exists");
  }
  NewTable t;
  t.relation = r;
  column_from(t, d);
  NewColumn& n = t.columns[0];
  Column c = n.column;
  c.number = static_cast<int16_t>(r->columns.size() + 1);
  r->columns.push_back(c);
  ++r->schema_version;
  put(std::make_shared<Relation>(*r));
  const TypeRow* type = view().find_type(c.type);
  if (type != nullptr && type->element >= oid::kFirstUserOid) type = view().find_type(type->element);
  if (type != nullptr) depend({ObjectKind::kRelation, r->oid, c.number}, {ObjectKind::kType, type->oid, 0});
  if (r->relkind == 'c') return;
  bool rewritten = false;
  if (n.serial || c.identity != catalog::Identity::kNone) {
    Target st{r->schema, choose_name(r->name, c.name, "seq", r->schema), r->persistence == 't'};
    std::span<Node* const> seq_options;
    if (n.identity != nullptr) seq_options = PG_LIST(n.identity, options);
    auto seq = make_sequence(st, c.type, seq_options, r->oid, c.number, c.identity != catalog::Identity::kNone, r->persistence);
    if (n.serial) {
      r->columns.back().default_sql = "nextval(" + quote_literal(quote_identifier(view().schema_name(seq->schema)) + "." + quote_identifier(seq->name)) + "::regclass)";
      changes().add_dependency({{ObjectKind::kDefault, r->oid, c.number}, {ObjectKind::kRelation, r->oid, c.number}, DependencyKind::kAuto});
      changes().add_dependency({{ObjectKind::kDefault, r->oid, c.number}, {ObjectKind::kRelation, seq->oid, 0}, DependencyKind::kNormal});
    }
    rewritten = true;
    put(std::make_shared<Relation>(*r));
    host.next_command();
    // Every present row takes its own number.
    std::string sql = "nextval(" + quote_literal(quote_identifier(view().schema_name(seq->schema)) + "." + quote_identifier(seq->name)) + "::regclass)";
    ParsedExpression p = parse_expression(sql);
    BindContext b = bind();
    b.text = sql;
    ExprPtr number = bind_expression(p.node, nullptr, ExprContext::kColumnDefault, b, c.type, c.typmod, c.name);
    Relation from = *r;
    from.columns.back().missing_value.reset();
    rewrite(from, r, columns_with(from, c.number, number));
  } else if (n.generated != nullptr || n.default_expr != nullptr) {
    set_default(*r, c.number, n.generated != nullptr ? n.generated : n.default_expr, n.generated != nullptr);
    put(std::make_shared<Relation>(*r));
    BindContext b = bind();
    ExprPtr e = bind_expression(n.generated != nullptr ? n.generated : n.default_expr, n.generated != nullptr ? r.get() : nullptr,
                                n.generated != nullptr ? ExprContext::kGeneratedColumn : ExprContext::kColumnDefault, b, c.type, c.typmod, c.name);
    bool is_volatile = false;
    walk(e, [&](const Expr& x, int) {
      Oid func = x.kind == ExprKind::kFunc ? static_cast<const FuncExpr&>(x).func : x.kind == ExprKind::kOp ? static_cast<const OpExpr&>(x).func : 0;
      if (func != 0)
        if (const ProcRow* p = view().proc(func); p != nullptr && p->volatility == 'v') is_volatile = true;
      return false;
    });
    if (n.generated != nullptr || is_volatile) {
      host.next_command();
      Relation from = *r;
      rewrite(from, r, columns_with(from, c.number, e));
      rewritten = true;
    } else {
      // One value for all rows that are there: kept with the column.
      Arena arena;
      NullableDatum value = evaluate(e, host.exec(), arena);
      if (!value.is_null) r->columns.back().missing_value = rows::encode_value(rows::resolve_type(c.type, *state()), value.value);
      put(std::make_shared<Relation>(*r));
    }
  }
  if (const TypeRow* own = view().find_type(c.type); own != nullptr && own->typtype == 'd' && n.generated == nullptr && n.default_expr == nullptr && !n.serial && c.identity == catalog::Identity::kNone && r->relkind == 'r') {
    // The domain's own default is the value of the rows that are there; it has to satisfy the domain.
    std::string sql = "NULL";
    for (Oid d = c.type; d != 0;) {
      auto t = state()->type(d);
      if (t == nullptr || t->typtype != 'd') break;
      if (!t->default_sql.empty()) { sql = t->default_sql; break; }
      d = t->base;
    }
    host.next_command();
    const std::string any = query_text("SELECT 1 FROM ONLY " + quote_identifier(view().schema_name(r->schema)) + "." + quote_identifier(r->name) + " LIMIT 1");
    ParsedExpression p = parse_expression(sql);
    BindContext db = bind();
    CatalogView sv = stored_view();
    db.view = &sv;
    db.text = sql;
    if (!any.empty() || sql != "NULL") {
      Arena arena;
      const Oid base = view().base_type(c.type);
      NullableDatum value = evaluate(bind_expression(p.node, nullptr, ExprContext::kColumnDefault, db, base, -1, c.name), host.exec(), arena);
      if (!any.empty()) host.exec().eval->catalog->check_domain(c.type, value);
      if (!value.is_null) r->columns.back().missing_value = rows::encode_value(rows::resolve_type(c.type, *state()), value.value);
      put(std::make_shared<Relation>(*r));
    }
  }
  if (c.not_null && !rewritten && !r->columns.back().missing_value && r->relkind == 'r') {
    host.next_command();
    Constraint nn;
    nn.kind = ConstraintKind::kNotNull;
    nn.columns = {c.number};
    validate_constraint(*r, nn, host.exec());
  }
  for (auto& [k, column] : t.column_constraints) {
    host.next_command();
    if (k->contype == pg::CONSTR_CHECK) add_check(r, k, column, true);
    else if (k->contype == pg::CONSTR_FOREIGN) add_foreign_key(r, k, column, true);
    else add_index_constraint(r, k, column, true);
  }
  add_inherited_column(*state()->relation(r->oid), r->column(static_cast<int16_t>(c.number)) != nullptr ? *state()->relation(r->oid)->column(c.number) : c, d);
}

// Fills the relation anew from the rows of its old form, under new storage ids for it and its indexes.
void Ddl::rewrite(const Relation& from, std::shared_ptr<Relation>& r, const std::vector<ExprPtr>& columns) {
  r->storage_id = catalog().allocate_storage_id();
  for (Oid i : r->indexes) {
    auto index = edit(state()->relation(i));
    erase_storage(*index);
    index->storage_id = catalog().allocate_storage_id();
    put(index);
  }
  put(std::make_shared<Relation>(*r));
  host.next_command();
  Relation to = *r;
  rewrite_table(from, to, columns, host.exec());
  erase_storage(from);
  r = edit(state()->relation(r->oid));
}

void Ddl::alter_column_type(std::shared_ptr<Relation>& r, const pg::AlterTableCmd* c) {
  const Column* found = r->column(std::string_view(c->name));
  if (found == nullptr) fail(ErrorCode::kUndefinedColumn, std::string("column \"") + c->name + "\" of relation \"" + r->name + "\" does not exist");
  Column old = *found;
  const pg::ColumnDef* d = c->def->column_def;
  BindContext b = bind();
  ResolvedType t = resolve_type(d->type_name, b);
  if (view().type(t.type).typtype == 'p') fail(ErrorCode::kInvalidTableDefinition, "column \"" + old.name + "\" has pseudo-type " + view().format_type(t.type));
  if (old.identity != catalog::Identity::kNone && t.type != oid::kInt2 && t.type != oid::kInt4 && t.type != oid::kInt8)
    fail(ErrorCode::kInvalidParameterValue, "identity column type must be smallint, integer, or bigint");
  if (view().type(t.type).collation == 0 && d->coll_clause != nullptr) fail(ErrorCode::kDatatypeMismatch, "collations are not supported by type " + view().format_type(t.type));
  ExprPtr e;
  if (d->raw_default != nullptr) {
    e = bind_expression(d->raw_default, r.get(), ExprContext::kAlterColTransform, b);
  } else {
    e = column_value(old);
  }
  ExprPtr converted;
  try {
    converted = coerce_for_assignment(e, t.type, t.typmod, old.name, b);
  } catch (const Error& err) {
    if (err.code() != ErrorCode::kDatatypeMismatch) throw;
    if (d->raw_default != nullptr)
      fail(ErrorCode::kDatatypeMismatch, "result of USING clause for column \"" + old.name + "\" cannot be cast automatically to type " + view().format_type(t.type), -1, {}, "You might need to add an explicit cast.");
    fail(ErrorCode::kDatatypeMismatch, "column \"" + old.name + "\" cannot be cast automatically to type " + view().format_type(t.type), -1, {},
         "You might need to specify \"USING " + quote_identifier(old.name) + "::" + view().format_type(t.type, t.typmod) + "\".");
  }
  // What is built on the column: views forbid it, indexes and constraints follow.
  for (const auto& dep : state()->dependents_of({ObjectKind::kRelation, r->oid, old.number})) {
    if (dep.dependent.kind == ObjectKind::kRelation) {
      auto o = state()->relation(dep.dependent.oid);
      if (o != nullptr && (o->relkind == 'v' || o->relkind == 'm'))
        fail(ErrorCode::kFeatureNotSupported, "cannot alter type of a column used by a view or rule", -1,
             "rule _RETURN on " + describe({ObjectKind::kRelation, o->oid, 0}) + " depends on column \"" + old.name + "\"");
    }
    if (dep.dependent.kind == ObjectKind::kTrigger)
      fail(ErrorCode::kFeatureNotSupported, "cannot alter type of a column used in a trigger definition", -1, describe(dep.dependent) + " depends on column \"" + old.name + "\"");
  }
  std::string default_sql = old.default_sql;
  if (!old.default_sql.empty() && !old.generated) {
    // The default converts as an assignment would.
    ParsedExpression p = parse_expression(old.default_sql);
    BindContext db = bind();
    db.text = old.default_sql;
    try {
      ExprPtr de = bind_expression(p.node, nullptr, ExprContext::kColumnDefault, db, t.type, t.typmod, old.name);
      default_sql = stored_sql(de, nullptr);
    } catch (const Error&) {
      fail(ErrorCode::kDatatypeMismatch, "default for column \"" + old.name + "\" cannot be cast automatically to type " + view().format_type(t.type));
    }
  }
  Relation from = *r;
  Column& col = r->columns[old.number - 1];
  col.type = t.type;
  col.typmod = t.typmod;
  col.default_sql = default_sql;
  col.missing_value.reset();
  col.collation = d->coll_clause != nullptr ? resolve_collation(pg::strings(PG_LIST(d->coll_clause, collname)), b, d->coll_clause->location) : view().type(t.type).collation;
  ++r->schema_version;
  for (Oid i : r->indexes) {
    auto index = edit(state()->relation(i));
    bool uses = false;
    for (auto& k : index->index->keys)
      if (k.column == old.number) {
        uses = true;
        k.type = col.type;
        k.typmod = col.typmod;
        k.collation = col.collation;
        Oid am = index->index->method == "hash" ? 405 : index->index->method == "gin" ? 2742 : 403;
        k.opclass = view().default_opclass(col.type, am);
      }
    for (size_t k = 0; k < index->index->keys.size(); ++k)
      if (index->index->keys[k].column == old.number) {
        index->columns[k].type = col.type;
        index->columns[k].typmod = col.typmod;
      }
    if (uses) put(index);
  }
  if (r->relkind != 'r' && r->relkind != 'm') {
    put(std::make_shared<Relation>(*r));
    return;
  }
  // The same bytes serve when only the declared length grows.
  bool same = converted->kind == ExprKind::kVar || (converted->kind == ExprKind::kRelabel && static_cast<const UnaryExpr&>(*converted).arg->kind == ExprKind::kVar &&
                                                    d->raw_default == nullptr);
  put(std::make_shared<Relation>(*r));
  host.next_command();
  if (same && view().base_type(old.type) == view().base_type(t.type)) {
    col.missing_value = old.missing_value;
    put(std::make_shared<Relation>(*r));
    return;
  }
  rewrite(from, r, columns_with(from, old.number, converted));
}

void Ddl::alter_command(std::shared_ptr<Relation>& r, const pg::AlterTableCmd* c, const pg::AlterTableStmt*) {
  auto column = [&]() -> Column& {
    const Column* f = r->column(std::string_view(c->name));
    if (f == nullptr) fail(ErrorCode::kUndefinedColumn, std::string("column \"") + c->name + "\" of relation \"" + r->name + "\" does not exist");
    return r->columns[f->number - 1];
  };
  bool cascade = c->behavior == pg::DROP_CASCADE;
  switch (c->subtype) {
    case pg::AT_AddColumn: case pg::AT_AddColumnRecurse: case pg::AT_AddColumnToView: add_column(r, c->def->column_def, c->missing_ok); return;
    case pg::AT_DropColumn: case pg::AT_DropColumnRecurse: {
      const Column* f = r->column(std::string_view(c->name));
      if (f == nullptr) {
        if (!c->missing_ok) fail(ErrorCode::kUndefinedColumn, std::string("column \"") + c->name + "\" of relation \"" + r->name + "\" does not exist");
        notice(std::string("column \"") + c->name + "\" of relation \"" + r->name + "\" does not exist, skipping");
        return;
      }
      drop_inherited_column(*r, f->name);
      drop_column(r, f->number, cascade);
      return;
    }
    case pg::AT_ColumnDefault: {
      Column& col = column();
      if (col.identity != catalog::Identity::kNone)
        fail(ErrorCode::kSyntaxError, "column \"" + col.name + "\" of relation \"" + r->name + "\" is an identity column", -1, {},
             c->def == nullptr ? "Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead." : "");
      if (col.generated)
        fail(ErrorCode::kSyntaxError, "column \"" + col.name + "\" of relation \"" + r->name + "\" is a generated column", -1, {},
             c->def == nullptr ? "Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead." : "");
      try {
        set_default(*r, col.number, c->def, false);
      } catch (const Error& e) {
        // The new default is checked apart from the statement's text.
        Error copy = e;
        if (e.code() == ErrorCode::kInvalidTextRepresentation) copy.set_position(0);
        throw copy;
      }
      break;
    }
    case pg::AT_DropNotNull: {
      Column& col = column();
      for (const Constraint& k : r->constraints)
        if (k.kind == ConstraintKind::kPrimary && std::find(k.columns.begin(), k.columns.end(), col.number) != k.columns.end())
          fail(ErrorCode::kInvalidTableDefinition, "column \"" + col.name + "\" is in a primary key");
      if (col.identity != catalog::Identity::kNone)
        fail(ErrorCode::kSyntaxError, "column \"" + col.name + "\" of relation \"" + r->name + "\" is an identity column");
      col.not_null = false;
      break;
    }
    case pg::AT_SetNotNull: {
      Column& col = column();
      if (col.not_null) return;
      Constraint nn;
      nn.kind = ConstraintKind::kNotNull;
      nn.columns = {col.number};
      if (r->relkind == 'r') validate_constraint(*r, nn, host.exec());
      col.not_null = true;
      break;
    }
    case pg::AT_DropExpression: {
      Column& col = column();
      if (!col.generated) {
        if (!c->missing_ok) fail(ErrorCode::kObjectNotInPrerequisiteState, "column \"" + col.name + "\" of relation \"" + r->name + "\" is not a stored generated column");
        notice("column \"" + col.name + "\" of relation \"" + r->name + "\" is not a stored generated column, skipping");
        return;
      }
      col.generated = false;
      col.default_sql.clear();
      changes().drop_dependencies_of({ObjectKind::kDefault, r->oid, col.number});
      break;
    }
    case pg::AT_SetStatistics: column().statistics_target = c->def != nullptr && c->def->node_case == pg::kInteger ? c->def->integer->ival : -1; break;
    case pg::AT_SetOptions: for (auto& [k, v] : options(PG_LIST(c->def->list, items))) column().options[k] = v; break;
    case pg::AT_ResetOptions: for (auto& [k, v] : options(PG_LIST(c->def->list, items))) column().options.erase(k); break;
    case pg::AT_SetStorage: {
      std::string word(pg::str(c->def));
      char s = static_cast<char>(std::tolower(static_cast<unsigned char>(word[0])));
      if (word == "external" || word == "EXTERNAL") s = 'e';
      if (word == "extended" || word == "EXTENDED") s = 'x';
      column().storage = s;
      break;
    }
    case pg::AT_SetCompression: break;
    case pg::AT_AlterColumnType: alter_column_type(r, c); return;
    case pg::AT_AddConstraint: case pg::AT_AddConstraintRecurse: {
      const pg::Constraint* k = c->def->constraint;
      if (k->contype == pg::CONSTR_CHECK) add_check(r, k, {}, true);
      else if (k->contype == pg::CONSTR_FOREIGN) add_foreign_key(r, k, {}, true);
      else add_index_constraint(r, k, {}, true);
      return;
    }
    case pg::AT_AlterConstraint: {
      const pg::Constraint* k = c->def->constraint;
      bool found = false;
      for (Constraint& x : r->constraints)
        if (x.name == k->conname) {
          found = true;
          if (x.kind != ConstraintKind::kForeignKey) fail(ErrorCode::kWrongObjectType, "constraint \"" + x.name + "\" of relation \"" + r->name + "\" is not a foreign key constraint");
          x.deferrable = k->deferrable;
          x.initially_deferred = k->initdeferred;
        }
      if (!found) fail(ErrorCode::kUndefinedObject, std::string("constraint \"") + k->conname + "\" of relation \"" + r->name + "\" does not exist");
      break;
    }
    case pg::AT_ValidateConstraint: case pg::AT_ValidateConstraintRecurse: {
      bool found = false;
      for (Constraint& x : r->constraints)
        if (x.name == c->name) {
          found = true;
          if (x.kind != ConstraintKind::kForeignKey && x.kind != ConstraintKind::kCheck)
            fail(ErrorCode::kWrongObjectType, "constraint \"" + x.name + "\" of relation \"" + r->name + "\" is not a foreign key or check constraint");
          if (!x.validated && r->relkind == 'r') validate_constraint(*r, x, host.exec());
          x.validated = true;
        }
      if (!found) fail(ErrorCode::kUndefinedObject, std::string("constraint \"") + c->name + "\" of relation \"" + r->name + "\" does not exist");
      break;
    }
    case pg::AT_DropConstraint: case pg::AT_DropConstraintRecurse: {
      std::optional<Constraint> gone;
      for (const Constraint& k : r->constraints)
        if (k.name == c->name) gone = k;
      drop_constraint(r, c->name, cascade, c->missing_ok);
      if (gone) drop_inherited_constraint(*r, *gone);
      return;
    }
    case pg::AT_ChangeOwner: {
      Oid owner = role_spec(c->newowner);
      if (!host.superuser() && !is_member(host.current_user(), owner))
        fail(ErrorCode::kInsufficientPrivilege, "must be member of role \"" + view().role_name(owner) + "\"");
      r->owner = owner;
      for (Oid i : r->indexes) {
        auto m = edit(state()->relation(i));
        m->owner = owner;
        put(m);
      }
      state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
        auto seq = std::static_pointer_cast<const Relation>(o);
        if (seq->relkind != 'S' || seq->sequence->owner_table != r->oid) return;
        auto m = edit(seq);
        m->owner = owner;
        put(m);
      });
      if (auto t = state()->type(r->row_type)) {
        auto m = edit(t);
        m->owner = owner;
        put(m);
      }
      break;
    }
    case pg::AT_SetRelOptions: {
      auto given = options(PG_LIST(c->def->list, items));
      check_options(given, r->index ? r->index->method : r->relkind == 'v' ? "view" : "table");
      for (auto& [k, v] : given) r->options[k] = v;
      break;
    }
    case pg::AT_ResetRelOptions: for (auto& [k, v] : options(PG_LIST(c->def->list, items))) r->options.erase(k); break;
    case pg::AT_ReplaceRelOptions: r->options = options(PG_LIST(c->def->list, items)); break;
    case pg::AT_SetLogged: r->persistence = 'p'; break;
    case pg::AT_SetUnLogged: r->persistence = 'u'; break;
    case pg::AT_ClusterOn: case pg::AT_DropCluster: {
      if (r->partitioning) fail(ErrorCode::kFeatureNotSupported, "cannot mark index clustered in partitioned table");
      mark_clustered(*this, *r, c->subtype == pg::AT_ClusterOn ? c->name : nullptr);
      return;
    }
    case pg::AT_SetTableSpace: {
      set_tablespace(*r, c->name);
      break;
    }
    case pg::AT_GenericOptions: case pg::AT_AlterColumnGenericOptions: alter_foreign_options(*this, *r, c); break;
    case pg::AT_DropOids: return;
    case pg::AT_SetAccessMethod: check_table_method(c->name); return;
    case pg::AT_EnableRowSecurity: r->row_security = true; break;
    case pg::AT_DisableRowSecurity: r->row_security = false; break;
    case pg::AT_ForceRowSecurity: r->force_row_security = true; break;
    case pg::AT_NoForceRowSecurity: r->force_row_security = false; break;
    case pg::AT_ReplicaIdentity: {
      const pg::ReplicaIdentityStmt* i = c->def->replica_identity_stmt;
      r->replica_identity = i->identity_type[0];
      break;
    }
    case pg::AT_EnableTrig: case pg::AT_EnableAlwaysTrig: case pg::AT_EnableReplicaTrig: case pg::AT_DisableTrig: case pg::AT_EnableTrigAll: case pg::AT_DisableTrigAll:
    case pg::AT_EnableTrigUser: case pg::AT_DisableTrigUser: {
      bool one = c->subtype == pg::AT_EnableTrig || c->subtype == pg::AT_EnableAlwaysTrig || c->subtype == pg::AT_EnableReplicaTrig || c->subtype == pg::AT_DisableTrig;
      char value = c->subtype == pg::AT_DisableTrig || c->subtype == pg::AT_DisableTrigAll || c->subtype == pg::AT_DisableTrigUser ? 'D'
                   : c->subtype == pg::AT_EnableAlwaysTrig ? 'A' : c->subtype == pg::AT_EnableReplicaTrig ? 'R' : 'O';
      bool found = !one;
      for (Oid t : r->triggers) {
        auto trig = state()->get_as<catalog::Trigger>(ObjectKind::kTrigger, t);
        if (trig == nullptr || (one && trig->name != c->name)) continue;
        found = true;
        auto m = edit(trig);
        m->enabled = value;
        put(m);
      }
      if (!found) fail(ErrorCode::kUndefinedObject, std::string("trigger \"") + c->name + "\" for table \"" + r->name + "\" does not exist");
      return;
    }
    case pg::AT_EnableRule: case pg::AT_EnableAlwaysRule: case pg::AT_EnableReplicaRule: case pg::AT_DisableRule: {
      auto rule = std::find_if(r->rules.begin(), r->rules.end(), [&](const auto& x) { return x.name == c->name; });
      if (rule == r->rules.end()) fail(ErrorCode::kUndefinedObject, std::string("rule \"") + c->name + "\" for relation \"" + r->name + "\" does not exist");
      rule->enabled = c->subtype == pg::AT_EnableRule ? 'O' : c->subtype == pg::AT_EnableAlwaysRule ? 'A' : c->subtype == pg::AT_EnableReplicaRule ? 'R' : 'D';
      break;
    }
    case pg::AT_DropOf: {
      if (r->of_type == 0) fail(ErrorCode::kWrongObjectType, "\"" + r->name + "\" is not a typed table");
      const Oid type = std::exchange(r->of_type, 0);
      put(std::make_shared<Relation>(*r));
      const auto kept = state()->dependencies_of({ObjectKind::kRelation, r->oid, 0});
      changes().drop_dependencies_of({ObjectKind::kRelation, r->oid, 0});
      for (const auto& d : kept)
        if (d.dependent.sub != 0 || d.referenced.kind != ObjectKind::kType || d.referenced.oid != type) changes().add_dependency(d);
      return;
    }
    case pg::AT_AddOf: {
      BindContext b = bind();
      const Oid type = resolve_type(c->def->type_name, b).type;
      auto source = view().relation(view().type_relation(type));
      if (source == nullptr || source->relkind != 'c') fail(ErrorCode::kWrongObjectType, "type " + view().format_type(type) + " is not a composite type");
      std::vector<const Column*> mine;
      for (const Column& x : r->columns)
        if (!x.dropped) mine.push_back(&x);
      size_t at = 0;
      for (const Column& x : source->columns) {
        if (x.dropped) continue;
        if (at >= mine.size()) fail(ErrorCode::kDatatypeMismatch, "table is missing column \"" + x.name + "\"");
        if (mine[at]->name != x.name) fail(ErrorCode::kDatatypeMismatch, "table has column \"" + mine[at]->name + "\" where type requires \"" + x.name + "\"");
        if (mine[at]->type != x.type || mine[at]->typmod != x.typmod) fail(ErrorCode::kDatatypeMismatch, "table \"" + r->name + "\" has different type for column \"" + x.name + "\"");
        ++at;
      }
      if (at < mine.size()) fail(ErrorCode::kDatatypeMismatch, "table has extra column \"" + mine[at]->name + "\"");
      r->of_type = type;
      put(std::make_shared<Relation>(*r));
      depend({ObjectKind::kRelation, r->oid, 0}, {ObjectKind::kType, type, 0});
      return;
    }
    case pg::AT_AddInherit: add_inherit(r, c->def->range_var); return;
    case pg::AT_DropInherit: drop_inherit(r, c->def->range_var); return;
    case pg::AT_AddIdentity: {
      Column& col = column();
      if (col.type != oid::kInt2 && col.type != oid::kInt4 && col.type != oid::kInt8)
        fail(ErrorCode::kInvalidParameterValue, "identity column type must be smallint, integer, or bigint");
      if (!col.not_null) fail(ErrorCode::kObjectNotInPrerequisiteState, "column \"" + col.name + "\" of relation \"" + r->name + "\" must be declared NOT NULL before identity can be added");
      if (col.identity != catalog::Identity::kNone) fail(ErrorCode::kObjectNotInPrerequisiteState, "column \"" + col.name + "\" of relation \"" + r->name + "\" is already an identity column");
      if (!col.default_sql.empty()) fail(ErrorCode::kObjectNotInPrerequisiteState, "column \"" + col.name + "\" of relation \"" + r->name + "\" already has a default value");
      const pg::Constraint* k = c->def->constraint;
      col.identity = std::string_view(k->generated_when) == "a" ? catalog::Identity::kAlways : catalog::Identity::kByDefault;
      int16_t number = col.number;
      Target st{r->schema, choose_name(r->name, col.name, "seq", r->schema), r->persistence == 't'};
      make_sequence(st, col.type, PG_LIST(k, options), r->oid, number, true, r->persistence);
      break;
    }
    case pg::AT_SetIdentity: {
      Column& col = column();
      if (col.identity == catalog::Identity::kNone) fail(ErrorCode::kObjectNotInPrerequisiteState, "column \"" + col.name + "\" of relation \"" + r->name + "\" is not an identity column");
      std::vector<Node*> seq_options;
      for (Node* n : PG_LIST(c->def->list, items)) {
        if (std::string_view(n->def_elem->defname) == "generated") {
          std::string v = def_string(n->def_elem);
          col.identity = n->def_elem->arg->node_case == pg::kInteger && n->def_elem->arg->integer->ival == 'd' ? catalog::Identity::kByDefault
                         : v == "d" ? catalog::Identity::kByDefault : catalog::Identity::kAlways;
        } else {
          seq_options.push_back(n);
        }
      }
      if (!seq_options.empty())
        state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
          auto seq = std::static_pointer_cast<const Relation>(o);
          if (seq->relkind != 'S' || seq->sequence->owner_table != r->oid || seq->sequence->owner_column != col.number) return;
          auto m = edit(seq);
          std::optional<int64_t> restart;
          auto& sequences = rows::Sequences::of(*host.exec().engine->store);
          rows::SequenceState st = sequences.state(*m);
          sequence_options(*m->sequence, seq_options, false, &restart, nullptr, m->name);
          m->storage_id = catalog().allocate_storage_id();
          if (restart) sequences.set(*m, *restart, false);
          else sequences.set(*m, st.last_value, st.is_called);
          put(m);
        });
      break;
    }
    case pg::AT_DropIdentity: {
      Column& col = column();
      if (col.identity == catalog::Identity::kNone) {
        if (!c->missing_ok) fail(ErrorCode::kObjectNotInPrerequisiteState, "column \"" + col.name + "\" of relation \"" + r->name + "\" is not an identity column");
        notice("column \"" + col.name + "\" of relation \"" + r->name + "\" is not an identity column, skipping");
        return;
      }
      col.identity = catalog::Identity::kNone;
      int16_t number = col.number;
      put(std::make_shared<Relation>(*r));
      std::vector<Oid> sequences;
      state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
        auto& seq = static_cast<const Relation&>(*o);
        if (seq.relkind == 'S' && seq.sequence->owner_table == r->oid && seq.sequence->owner_column == number) sequences.push_back(seq.oid);
      });
      for (Oid o : sequences) changes().drop(ObjectKind::kRelation, o);
      return;
    }
    case pg::AT_AttachPartition: attach_partition(r, c->def->partition_cmd); return;
    case pg::AT_DetachPartition: detach_partition(r, c->def->partition_cmd); return;
    case pg::AT_DetachPartitionFinalize: fail(ErrorCode::kObjectNotInPrerequisiteState, std::string("partition \"") + c->def->partition_cmd->name->relname + "\" is not pending detach in partitioned table \"" + r->name + "\"");
    default: fail(ErrorCode::kFeatureNotSupported, "this form of ALTER TABLE is not supported");
  }
  put(std::make_shared<Relation>(*r));
}

}  // namespace stele::sql
