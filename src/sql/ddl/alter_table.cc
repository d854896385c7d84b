// ALTER TABLE and its kin, RENAME, SET SCHEMA, OWNER TO.
#include "rows/codec.h"
#include "rows/sequences.h"
#include "sql/ddl/ddl.h"
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
                    : s->objtype == pg::OBJECT_SEQUENCE ? "ALTER SEQUENCE" : s->objtype == pg::OBJECT_TYPE ? "ALTER TYPE" : "ALTER TABLE";
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
  if (s->objtype == pg::OBJECT_INDEX && found->relkind != 'i') wrong("an index");
  if (s->objtype == pg::OBJECT_VIEW && found->relkind != 'v') wrong("a view");
  if (s->objtype == pg::OBJECT_SEQUENCE && found->relkind != 'S') wrong("a sequence");
  if (s->objtype == pg::OBJECT_TYPE && found->relkind != 'c') wrong("a composite type");
  auto r = edit(found);
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
        alter_command(r, n->alter_table_cmd, s);
        if (state()->relation(r->oid) == nullptr) return tag;
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
  if (c.not_null && !rewritten && !r->columns.back().missing_value) {
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
  // Children get the column as an inherited one.
  std::vector<Ptr<Relation>> children;
  state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
    auto child = std::static_pointer_cast<const Relation>(o);
    if (std::find(child->parents.begin(), child->parents.end(), r->oid) != child->parents.end()) children.push_back(child);
  });
  for (auto& child : children) {
    if (child->column(std::string_view(c.name)) != nullptr) continue;
    auto m = edit(child);
    Column copy = r->columns.back();
    copy.number = static_cast<int16_t>(m->columns.size() + 1);
    copy.inherited = true;
    m->columns.push_back(copy);
    ++m->schema_version;
    put(m);
  }
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
  if (old.inherited) fail(ErrorCode::kInvalidTableDefinition, "cannot alter inherited column \"" + old.name + "\"");
  BindContext b = bind();
  ResolvedType t = resolve_type(d->type_name, b);
  if (view().type(t.type).typtype == 'p') fail(ErrorCode::kInvalidTableDefinition, "column \"" + old.name + "\" has pseudo-type " + view().format_type(t.type));
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
      if (f->inherited) fail(ErrorCode::kInvalidTableDefinition, "cannot drop inherited column \"" + f->name + "\"");
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
      validate_constraint(*r, nn, host.exec());
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
          if (!x.validated) validate_constraint(*r, x, host.exec());
          x.validated = true;
        }
      if (!found) fail(ErrorCode::kUndefinedObject, std::string("constraint \"") + c->name + "\" of relation \"" + r->name + "\" does not exist");
      break;
    }
    case pg::AT_DropConstraint: case pg::AT_DropConstraintRecurse: drop_constraint(r, c->name, cascade, c->missing_ok); return;
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
    case pg::AT_SetRelOptions: for (auto& [k, v] : options(PG_LIST(c->def->list, items))) r->options[k] = v; break;
    case pg::AT_ResetRelOptions: for (auto& [k, v] : options(PG_LIST(c->def->list, items))) r->options.erase(k); break;
    case pg::AT_ReplaceRelOptions: r->options = options(PG_LIST(c->def->list, items)); break;
    case pg::AT_SetLogged: r->persistence = 'p'; break;
    case pg::AT_SetUnLogged: r->persistence = 'u'; break;
    case pg::AT_ClusterOn: case pg::AT_DropCluster: case pg::AT_SetTableSpace: case pg::AT_DropOids: case pg::AT_SetAccessMethod: return;
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
    case pg::AT_AddInherit: {
      Ptr<Relation> parent = relation(c->def->range_var);
      for (const Column& pc : parent->columns) {
        if (pc.dropped) continue;
        const Column* mine = r->column(std::string_view(pc.name));
        if (mine == nullptr) fail(ErrorCode::kDatatypeMismatch, "child table is missing column \"" + pc.name + "\"");
        if (mine->type != pc.type) fail(ErrorCode::kDatatypeMismatch, "child table \"" + r->name + "\" has different type for column \"" + pc.name + "\"");
        r->columns[mine->number - 1].inherited = true;
      }
      r->parents.push_back(parent->oid);
      depend({ObjectKind::kRelation, r->oid, 0}, {ObjectKind::kRelation, parent->oid, 0});
      break;
    }
    case pg::AT_DropInherit: {
      Ptr<Relation> parent = relation(c->def->range_var);
      if (std::erase(r->parents, parent->oid) == 0)
        fail(ErrorCode::kUndefinedTable, "relation \"" + parent->name + "\" is not a parent of relation \"" + r->name + "\"");
      for (Column& x : r->columns) x.inherited = false;
      break;
    }
    case pg::AT_AddIdentity: {
      Column& col = column();
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
    case pg::AT_AttachPartition: case pg::AT_DetachPartition: fail(ErrorCode::kFeatureNotSupported, "partitioned tables are not supported");
    default: fail(ErrorCode::kFeatureNotSupported, "this form of ALTER TABLE is not supported");
  }
  put(std::make_shared<Relation>(*r));
}

// Stored SQL names columns and relations: for a rename it is bound with the old names and printed with the new.
void Ddl::rename(const pg::RenameStmt* s) {
  std::string to = s->newname;
  if (to.size() > 63) to.resize(63);
  // Views and expressions that mention the object, bound before the change.
  struct BoundView { Oid oid; std::shared_ptr<Query> query; };
  std::vector<BoundView> views;
  auto bind_views = [&](Oid relation_oid) {
    std::set<Oid> seen;
    for (const auto& d : state()->dependents_of({ObjectKind::kRelation, relation_oid, 0})) {
      if (d.dependent.kind != ObjectKind::kRelation || !seen.insert(d.dependent.oid).second) continue;
      auto v = state()->relation(d.dependent.oid);
      if (v == nullptr || v->view_sql.empty()) continue;
      ParseTreePtr tree = parse_sql(v->view_sql);
      CatalogView sv = stored_view();
      BindContext b = bind();
      b.view = &sv;
      b.text = tree->text;
      views.push_back({v->oid, bind_statement(tree->statements[0].node, b)});
    }
  };
  auto print_views = [&](Oid relation_oid, const std::string& old_column, const std::string& new_column) {
    for (BoundView& v : views) {
      std::function<void(Query&)> patch = [&](Query& q) {
        for (auto& rte : q.range_table) {
          if (rte->kind == RteKind::kRelation && rte->relation == relation_oid) {
            auto r = state()->relation(relation_oid);
            if (!rte->has_alias) rte->alias = r->name;
            for (auto& c : rte->column_aliases)
              if (!old_column.empty() && c == old_column) c = new_column;
          }
          if (rte->subquery != nullptr) patch(*std::const_pointer_cast<Query>(rte->subquery));
        }
        for (auto& c : q.ctes) patch(*std::const_pointer_cast<Query>(c.query));
      };
      patch(*v.query);
      CatalogView sv = stored_view();
      auto m = edit(state()->relation(v.oid));
      std::vector<std::string> names;
      for (const Column& c : m->columns) names.push_back(c.name);
      m->view_sql = deparse_query(*v.query, sv, *host.exec().eval, {.pretty = false, .indent = false}, names);
      put(m);
    }
  };
  switch (s->rename_type) {
    case pg::OBJECT_TABLE: case pg::OBJECT_VIEW: case pg::OBJECT_MATVIEW: case pg::OBJECT_INDEX: case pg::OBJECT_SEQUENCE: case pg::OBJECT_FOREIGN_TABLE: {
      Ptr<Relation> found = table_for(s->relation, LockMode::kAccessExclusive, s->missing_ok);
      if (found == nullptr) return;
      if (name_used(found->schema, to)) fail(ErrorCode::kDuplicateTable, "relation \"" + to + "\" already exists");
      bind_views(found->oid);
      auto r = edit(found);
      std::string old = r->name;
      r->name = to;
      put(r);
      if (r->row_type != 0)
        if (auto t = state()->type(r->row_type)) {
          auto m = edit(t);
          m->name = to;
          put(m);
        }
      if (r->index)
        if (auto t = state()->relation(r->index->table)) {
          auto m = edit(t);
          bool changed = false;
          for (Constraint& c : m->constraints)
            if (c.index == r->oid && c.kind != ConstraintKind::kForeignKey) {
              c.name = to;
              changed = true;
            }
          if (changed) put(m);
        }
      // Defaults that call nextval on it.
      if (r->relkind == 'S')
        for (const auto& d : state()->dependents_of({ObjectKind::kRelation, r->oid, 0})) {
          if (d.dependent.kind != ObjectKind::kDefault) continue;
          auto t = state()->relation(d.dependent.oid);
          if (t == nullptr) continue;
          auto m = edit(t);
          std::string schema = quote_identifier(view().schema_name(r->schema)) + ".";
          std::string from_text = quote_literal(schema + quote_identifier(old)), to_text = quote_literal(schema + quote_identifier(to));
          std::string& sql = m->columns[d.dependent.sub - 1].default_sql;
          if (size_t at = sql.find(from_text); at != std::string::npos) sql.replace(at, from_text.size(), to_text);
          put(m);
        }
      print_views(r->oid, {}, {});
      return;
    }
    case pg::OBJECT_COLUMN: case pg::OBJECT_ATTRIBUTE: {
      Ptr<Relation> found = table_for(s->relation, LockMode::kAccessExclusive, s->missing_ok);
      if (found == nullptr) return;
      auto r = edit(found);
      const Column* c = r->column(std::string_view(s->subname));
      if (c == nullptr) fail(ErrorCode::kUndefinedColumn, std::string("column \"") + s->subname + "\" does not exist");
      if (r->column(std::string_view(to)) != nullptr) fail(ErrorCode::kDuplicateColumn, "column \"" + to + "\" of relation \"" + r->name + "\" already exists");
      if (c->inherited) fail(ErrorCode::kInvalidTableDefinition, std::string("cannot rename inherited column \"") + s->subname + "\"");
      bind_views(r->oid);
      // Expressions of the relation itself and its indexes.
      auto bound = [&](const std::string& sql, ExprContext kind) -> ExprPtr {
        ParsedExpression p = parse_expression(sql);
        CatalogView sv = stored_view();
        BindContext b = bind();
        b.view = &sv;
        b.text = sql;
        return bind_expression(p.node, found.get(), kind, b);
      };
      std::vector<std::pair<size_t, ExprPtr>> checks, generated;
      for (size_t i = 0; i < r->constraints.size(); ++i)
        if (!r->constraints[i].check_sql.empty()) checks.emplace_back(i, bound(r->constraints[i].check_sql, ExprContext::kCheckConstraint));
      for (size_t i = 0; i < r->columns.size(); ++i)
        if (r->columns[i].generated && !r->columns[i].dropped) generated.emplace_back(i, bound(r->columns[i].default_sql, ExprContext::kGeneratedColumn));
      int16_t number = c->number;
      std::string old = c->name;
      if (auto key = r->options.find("redis_key"); key != r->options.end())
        if (size_t at = key->second.find("{" + old + "}"); at != std::string::npos) key->second.replace(at + 1, old.size(), to);
      struct IndexText { std::shared_ptr<Relation> index; std::vector<std::pair<size_t, ExprPtr>> keys; ExprPtr predicate; };
      std::vector<IndexText> indexes;
      for (Oid i : r->indexes) {
        IndexText t{edit(state()->relation(i)), {}, nullptr};
        for (size_t k = 0; k < t.index->index->keys.size(); ++k) {
          auto& key = t.index->index->keys[k];
          if (!key.expression_sql.empty()) t.keys.emplace_back(k, bound(key.expression_sql, ExprContext::kIndexExpression));
          if (key.column == number && t.index->columns[k].name == old) t.index->columns[k].name = to;
        }
        if (!t.index->index->predicate_sql.empty()) t.predicate = bound(t.index->index->predicate_sql, ExprContext::kIndexPredicate);
        indexes.push_back(std::move(t));
      }
      r->columns[number - 1].name = to;
      for (auto& [i, e] : checks) r->constraints[i].check_sql = stored_sql(e, r.get());
      for (auto& [i, e] : generated) r->columns[i].default_sql = stored_sql(e, r.get());
      put(r);
      for (auto& t : indexes) {
        for (auto& [k, e] : t.keys) t.index->index->keys[k].expression_sql = stored_sql(e, r.get());
        if (t.predicate != nullptr) t.index->index->predicate_sql = stored_sql(t.predicate, r.get());
        put(t.index);
      }
      print_views(r->oid, old, to);
      if (r->relkind == 'v' || r->relkind == 'm') {
        // The view's own text names its output.
        ParseTreePtr tree = parse_sql(r->view_sql);
        CatalogView sv = stored_view();
        BindContext b = bind();
        b.view = &sv;
        b.text = tree->text;
        auto q = bind_statement(tree->statements[0].node, b);
        std::vector<std::string> names;
        for (const Column& x : r->columns) names.push_back(x.name);
        auto m = edit(Ptr<Relation>(r));
        m->view_sql = deparse_query(*q, sv, *host.exec().eval, {.pretty = false, .indent = false}, names);
        put(m);
      }
      std::vector<Ptr<Relation>> children;
      state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
        auto child = std::static_pointer_cast<const Relation>(o);
        if (std::find(child->parents.begin(), child->parents.end(), r->oid) != child->parents.end()) children.push_back(child);
      });
      for (auto& child : children) {
        auto m = edit(child);
        for (Column& x : m->columns)
          if (x.name == old) x.name = to;
        put(m);
      }
      return;
    }
    case pg::OBJECT_TABCONSTRAINT: {
      Ptr<Relation> found = table_for(s->relation, LockMode::kAccessExclusive, s->missing_ok);
      if (found == nullptr) return;
      auto r = edit(found);
      if (constraint_exists(*r, to)) fail(ErrorCode::kDuplicateObject, "constraint \"" + to + "\" for relation \"" + r->name + "\" already exists");
      for (Constraint& c : r->constraints)
        if (c.name == s->subname) {
          c.name = to;
          if (c.index != 0 && c.kind != ConstraintKind::kForeignKey) {
            if (name_used(r->schema, to)) fail(ErrorCode::kDuplicateTable, "relation \"" + to + "\" already exists");
            auto index = edit(state()->relation(c.index));
            index->name = to;
            put(index);
          }
          put(r);
          return;
        }
      fail(ErrorCode::kUndefinedObject, std::string("constraint \"") + s->subname + "\" for table \"" + r->name + "\" does not exist");
    }
    case pg::OBJECT_SCHEMA: {
      auto o = std::static_pointer_cast<const catalog::Schema>(state()->find(ObjectKind::kSchema, 0, s->subname));
      if (o == nullptr) fail(ErrorCode::kInvalidSchemaName, std::string("schema \"") + s->subname + "\" does not exist");
      check_owner(*o, "schema");
      if (state()->find(ObjectKind::kSchema, 0, to) != nullptr) fail(ErrorCode::kDuplicateSchema, "schema \"" + to + "\" already exists");
      if (to.starts_with("pg_")) fail(ErrorCode::kReservedName, "unacceptable schema name \"" + to + "\"", -1, "The prefix \"pg_\" is reserved for system schemas.");
      std::vector<Oid> inside;
      state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& x) {
        if (x->schema_oid() == o->oid) inside.push_back(x->oid);
      });
      for (Oid i : inside) bind_views(i);
      auto m = edit(o);
      m->name = to;
      put(m);
      for (Oid i : inside) print_views(i, {}, {});
      return;
    }
    case pg::OBJECT_TYPE: case pg::OBJECT_DOMAIN: {
      std::vector<std::string> names = pg::strings(PG_LIST(s->object->list, items));
      const TypeRow* row = names.size() > 1 ? view().find_type(view().schema(names[names.size() - 2]), names.back()) : view().find_type(names.back());
      if (row == nullptr) fail(ErrorCode::kUndefinedObject, "type \"" + names.back() + "\" does not exist");
      auto t = edit(state()->type(row->oid));
      check_owner(*t, "type");
      if (view().find_type(t->schema, to) != nullptr) fail(ErrorCode::kDuplicateObject, "type \"" + to + "\" already exists");
      t->name = to;
      put(t);
      if (t->relation != 0)
        if (auto r = state()->relation(t->relation)) {
          auto m = edit(r);
          m->name = to;
          put(m);
        }
      return;
    }
    case pg::OBJECT_DOMCONSTRAINT: {
      std::vector<std::string> names = pg::strings(PG_LIST(s->object->list, items));
      const TypeRow* row = view().find_type(names.back());
      if (row == nullptr) fail(ErrorCode::kUndefinedObject, "type \"" + names.back() + "\" does not exist");
      auto t = edit(state()->type(row->oid));
      for (Constraint& c : t->constraints)
        if (c.name == s->subname) c.name = to;
      put(t);
      return;
    }
    case pg::OBJECT_FUNCTION: case pg::OBJECT_PROCEDURE: case pg::OBJECT_AGGREGATE: case pg::OBJECT_ROUTINE: {
      BindContext b = bind();
      Oid f = find_function(s->object->object_with_args, 0, b, false);
      auto o = state()->function(f);
      if (o == nullptr) fail(ErrorCode::kInsufficientPrivilege, "must be owner of function");
      check_owner(*o, "function");
      auto m = edit(o);
      m->name = to;
      put(m);
      return;
    }
    case pg::OBJECT_ROLE: {
      auto r = edit(role_named(s->subname));
      if (state()->find(ObjectKind::kRole, 0, to) != nullptr) fail(ErrorCode::kDuplicateObject, "role \"" + to + "\" already exists");
      r->name = to;
      put(r);
      return;
    }
    case pg::OBJECT_DATABASE: {
      auto d = std::static_pointer_cast<const catalog::Database>(state()->find(ObjectKind::kDatabase, 0, s->subname));
      if (d == nullptr) fail(ErrorCode::kInvalidCatalogName, std::string("database \"") + s->subname + "\" does not exist");
      auto m = edit(d);
      m->name = to;
      put(m);
      return;
    }
    case pg::OBJECT_TRIGGER: case pg::OBJECT_POLICY: {
      Ptr<Relation> r = relation(s->relation);
      if (s->rename_type == pg::OBJECT_TRIGGER) {
        auto o = std::static_pointer_cast<const catalog::Trigger>(state()->find(ObjectKind::kTrigger, r->oid, s->subname));
        if (o == nullptr) fail(ErrorCode::kUndefinedObject, std::string("trigger \"") + s->subname + "\" for table \"" + r->name + "\" does not exist");
        auto m = edit(o);
        m->name = to;
        put(m);
      } else {
        auto o = std::static_pointer_cast<const catalog::Policy>(state()->find(ObjectKind::kPolicy, r->oid, s->subname));
        if (o == nullptr) fail(ErrorCode::kUndefinedObject, std::string("policy \"") + s->subname + "\" for table \"" + r->name + "\" does not exist");
        auto m = edit(o);
        m->name = to;
        put(m);
      }
      return;
    }
    default: fail(ErrorCode::kFeatureNotSupported, "this kind of object cannot be renamed");
  }
}

void Ddl::set_schema(const pg::AlterObjectSchemaStmt* s) {
  Oid schema = view().schema(s->newschema);
  if (schema == 0) fail(ErrorCode::kInvalidSchemaName, std::string("schema \"") + s->newschema + "\" does not exist");
  check_schema_create(schema);
  switch (s->object_type) {
    case pg::OBJECT_TABLE: case pg::OBJECT_VIEW: case pg::OBJECT_MATVIEW: case pg::OBJECT_SEQUENCE: case pg::OBJECT_INDEX: {
      Ptr<Relation> found = table_for(s->relation, LockMode::kAccessExclusive, s->missing_ok);
      if (found == nullptr) return;
      if (found->schema == schema) return;
      if (name_used(schema, found->name)) fail(ErrorCode::kDuplicateTable, "relation \"" + found->name + "\" already exists in schema \"" + s->newschema + "\"");
      struct BoundView { Oid oid; std::shared_ptr<Query> query; };
      std::vector<BoundView> views;
      for (const auto& d : state()->dependents_of({ObjectKind::kRelation, found->oid, 0})) {
        auto v = d.dependent.kind == ObjectKind::kRelation ? state()->relation(d.dependent.oid) : nullptr;
        if (v == nullptr || v->view_sql.empty()) continue;
        ParseTreePtr tree = parse_sql(v->view_sql);
        CatalogView sv = stored_view();
        BindContext b = bind();
        b.view = &sv;
        b.text = tree->text;
        views.push_back({v->oid, bind_statement(tree->statements[0].node, b)});
      }
      auto move = [&](Oid oid) {
        auto m = edit(state()->relation(oid));
        m->schema = schema;
        put(m);
        if (m->row_type != 0)
          if (auto t = state()->type(m->row_type)) {
            auto mt = edit(t);
            mt->schema = schema;
            put(mt);
            if (auto a = state()->type(t->array)) {
              auto ma = edit(a);
              ma->schema = schema;
              put(ma);
            }
          }
      };
      std::vector<Oid> owned = found->indexes;
      state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
        auto& seq = static_cast<const Relation&>(*o);
        if (seq.relkind == 'S' && seq.sequence->owner_table == found->oid) owned.push_back(seq.oid);
      });
      move(found->oid);
      for (Oid o : owned) move(o);
      for (BoundView& v : views) {
        CatalogView sv = stored_view();
        auto m = edit(state()->relation(v.oid));
        std::vector<std::string> names;
        for (const Column& c : m->columns) names.push_back(c.name);
        m->view_sql = deparse_query(*v.query, sv, *host.exec().eval, {.pretty = false, .indent = false}, names);
        put(m);
      }
      changes().drop_dependencies_of({ObjectKind::kRelation, found->oid, 0});
      depend({ObjectKind::kRelation, found->oid, 0}, {ObjectKind::kSchema, schema, 0});
      return;
    }
    case pg::OBJECT_TYPE: case pg::OBJECT_DOMAIN: {
      std::vector<std::string> names = pg::strings(PG_LIST(s->object->list, items));
      const TypeRow* row = names.size() > 1 ? view().find_type(view().schema(names[names.size() - 2]), names.back()) : view().find_type(names.back());
      if (row == nullptr) fail(ErrorCode::kUndefinedObject, "type \"" + names.back() + "\" does not exist");
      auto t = edit(state()->type(row->oid));
      t->schema = schema;
      put(t);
      return;
    }
    case pg::OBJECT_FUNCTION: case pg::OBJECT_PROCEDURE: case pg::OBJECT_AGGREGATE: case pg::OBJECT_ROUTINE: {
      BindContext b = bind();
      auto o = state()->function(find_function(s->object->object_with_args, 0, b, false));
      if (o == nullptr) return;
      auto m = edit(o);
      m->schema = schema;
      put(m);
      return;
    }
    default: return;
  }
}

void Ddl::set_owner(const pg::AlterOwnerStmt* s) {
  Oid owner = role_spec(s->newowner);
  auto own = [&](auto o) {
    if (o == nullptr) return;
    check_owner(*o, "object");
    auto m = edit(o);
    m->owner = owner;
    put(m);
  };
  auto last = [&] {
    return s->object->node_case == pg::kString ? std::string(pg::str(s->object)) : pg::strings(PG_LIST(s->object->list, items)).back();
  };
  switch (s->object_type) {
    case pg::OBJECT_SCHEMA: {
      auto o = std::static_pointer_cast<const catalog::Schema>(state()->find(ObjectKind::kSchema, 0, last()));
      if (o == nullptr) fail(ErrorCode::kInvalidSchemaName, "schema \"" + last() + "\" does not exist");
      own(o);
      return;
    }
    case pg::OBJECT_DATABASE: own(std::static_pointer_cast<const catalog::Database>(state()->find(ObjectKind::kDatabase, 0, last()))); return;
    case pg::OBJECT_TYPE: case pg::OBJECT_DOMAIN: {
      const TypeRow* row = view().find_type(last());
      if (row == nullptr) fail(ErrorCode::kUndefinedObject, "type \"" + last() + "\" does not exist");
      own(state()->type(row->oid));
      return;
    }
    case pg::OBJECT_FUNCTION: case pg::OBJECT_PROCEDURE: case pg::OBJECT_AGGREGATE: case pg::OBJECT_ROUTINE: {
      BindContext b = bind();
      own(state()->function(find_function(s->object->object_with_args, 0, b, false)));
      return;
    }
    default: return;
  }
}

}  // namespace stele::sql
