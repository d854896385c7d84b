// CREATE TABLE: columns, LIKE, INHERITS, defaults, identity and serial columns.
#include "query/inheritance.h"
#include "rows/codec.h"
#include "sql/ddl/ddl.h"
#include "sql/redis/row_keys.h"

namespace stele::sql {

using namespace query;  // NOLINT

Column Ddl::make_column(const pg::ColumnDef* d, const std::string& table) {
  Column c;
  c.name = d->colname;
  if (c.name.size() > 63) c.name.resize(63);
  BindContext b = bind();
  if (d->type_name->setof) fail(ErrorCode::kInvalidTableDefinition, "column \"" + c.name + "\" cannot be declared SETOF");
  ResolvedType t = resolve_type(d->type_name, b);
  const TypeRow& row = view().type(t.type);
  if (row.typtype == 'p') fail(ErrorCode::kInvalidTableDefinition, "column \"" + c.name + "\" has pseudo-type " + view().format_type(t.type));
  c.type = t.type;
  c.typmod = t.typmod;
  c.dimensions = static_cast<int16_t>(d->type_name->n_array_bounds);
  c.collation = row.collation;
  auto collate = [&](const pg::CollateClause* clause) {
    c.collation = resolve_collation(pg::strings(PG_LIST(clause, collname)), b, clause->location);
    if (row.collation == 0)
      fail(ErrorCode::kDatatypeMismatch, "collations are not supported by type " + view().format_type(t.type), clause->location);
  };
  if (d->coll_clause != nullptr) collate(d->coll_clause);
  if (pg::has(d->storage)) c.storage = d->storage[0];
  return c;
}

void Ddl::column_from(NewTable& t, const pg::ColumnDef* d) {
  NewColumn n;
  n.def = d;
  bool with_options = false;
  ++t.written;
  // serial types are integers with a sequence of their own.
  std::string serial;
  if (d->type_name != nullptr && d->type_name->n_names >= 1 && !d->type_name->pct_type && d->type_name->n_names == 1) {
    std::string_view name = pg::str(d->type_name->names[0]);
    if (name == "serial" || name == "serial4") { n.serial = true; n.serial_type = oid::kInt4; }
    else if (name == "bigserial" || name == "serial8") { n.serial = true; n.serial_type = oid::kInt8; }
    else if (name == "smallserial" || name == "serial2") { n.serial = true; n.serial_type = oid::kInt2; }
  }
  if (n.serial) {
    if (d->type_name->n_array_bounds > 0) fail(ErrorCode::kFeatureNotSupported, "array of serial is not implemented", d->type_name->location);
    n.column.name = d->colname;
    n.column.type = n.serial_type;
    n.column.not_null = true;
  } else if (d->type_name == nullptr) {
    // A column of the parent or the type, with more to say of it.
    auto found = std::find_if(t.columns.begin(), t.columns.end(), [&](const NewColumn& o) { return o.column.name == d->colname; });
    if (found == t.columns.end()) fail(ErrorCode::kUndefinedColumn, std::string("column \"") + d->colname + "\" does not exist");
    if (found->def != nullptr) fail(ErrorCode::kDuplicateColumn, std::string("column \"") + d->colname + "\" specified more than once");
    n.column = found->column;
    n.inherited_default = found->inherited_default;
    with_options = true;
  } else {
    n.column = make_column(d, t.relation->name);
  }
  for (const NewColumn& other : t.columns)
    if (!with_options && other.column.name == n.column.name && !other.column.inherited()) fail(ErrorCode::kDuplicateColumn, "column \"" + n.column.name + "\" specified more than once");
  for (const char* sys : {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"})
    if (n.column.name == sys) fail(ErrorCode::kDuplicateColumn, "column name \"" + n.column.name + "\" conflicts with a system column name");
  bool saw_deferrability = false, saw_initially = false;
  bool saw_null = false, saw_default = false, saw_identity = false, saw_generated = false;
  std::string where = "for column \"" + n.column.name + "\" of table \"" + t.relation->name + "\"";
  if (d->is_not_null) n.column.not_null = true;
  if (d->raw_default != nullptr) n.default_expr = d->raw_default;
  const pg::Constraint* last_deferrable = nullptr;
  for (const Node* cn : PG_LIST(d, constraints)) {
    const pg::Constraint* c = cn->constraint;
    switch (c->contype) {
      case pg::CONSTR_NULL:
        if (n.column.not_null) fail(ErrorCode::kSyntaxError, "conflicting NULL/NOT NULL declarations " + where, c->location);
        saw_null = true;
        break;
      case pg::CONSTR_NOTNULL:
        if (saw_null) fail(ErrorCode::kSyntaxError, "conflicting NULL/NOT NULL declarations " + where, c->location);
        n.column.not_null = true;
        break;
      case pg::CONSTR_DEFAULT:
        if (saw_default || n.serial) fail(ErrorCode::kSyntaxError, "multiple default values specified " + where, c->location);
        saw_default = true;
        n.default_expr = c->raw_expr;
        break;
      case pg::CONSTR_IDENTITY:
        if (saw_identity) fail(ErrorCode::kSyntaxError, "multiple identity specifications " + where, c->location);
        saw_identity = true;
        if (n.column.type != oid::kInt2 && n.column.type != oid::kInt4 && n.column.type != oid::kInt8)
          fail(ErrorCode::kInvalidParameterValue, "identity column type must be smallint, integer, or bigint");
        n.identity = c;
        n.column.identity = std::string_view(c->generated_when) == "a" ? catalog::Identity::kAlways : catalog::Identity::kByDefault;
        if (saw_null) fail(ErrorCode::kSyntaxError, "conflicting NULL/NOT NULL declarations " + where, c->location);
        n.column.not_null = true;
        break;
      case pg::CONSTR_GENERATED:
        if (saw_generated) fail(ErrorCode::kSyntaxError, "multiple generation clauses specified " + where, c->location);
        saw_generated = true;
        n.generated = c->raw_expr;
        n.column.generated = true;
        break;
      case pg::CONSTR_CHECK: case pg::CONSTR_PRIMARY: case pg::CONSTR_UNIQUE: case pg::CONSTR_FOREIGN: case pg::CONSTR_EXCLUSION:
        t.column_constraints.emplace_back(c, n.column.name);
        last_deferrable = c;
        saw_deferrability = saw_initially = false;
        break;
      case pg::CONSTR_ATTR_DEFERRABLE: case pg::CONSTR_ATTR_NOT_DEFERRABLE: case pg::CONSTR_ATTR_DEFERRED: case pg::CONSTR_ATTR_IMMEDIATE: {
        const bool initially = c->contype == pg::CONSTR_ATTR_DEFERRED || c->contype == pg::CONSTR_ATTR_IMMEDIATE;
        const char* clause = c->contype == pg::CONSTR_ATTR_DEFERRABLE ? "DEFERRABLE" : c->contype == pg::CONSTR_ATTR_NOT_DEFERRABLE ? "NOT DEFERRABLE"
                             : c->contype == pg::CONSTR_ATTR_DEFERRED ? "INITIALLY DEFERRED" : "INITIALLY IMMEDIATE";
        if (last_deferrable == nullptr || last_deferrable->contype == pg::CONSTR_CHECK) fail(ErrorCode::kSyntaxError, std::string("misplaced ") + clause + " clause", c->location);
        auto* m = const_cast<pg::Constraint*>(last_deferrable);
        if (initially ? std::exchange(saw_initially, true) : std::exchange(saw_deferrability, true))
          fail(ErrorCode::kSyntaxError, initially ? "multiple INITIALLY IMMEDIATE/DEFERRED clauses not allowed" : "multiple DEFERRABLE/NOT DEFERRABLE clauses not allowed", c->location);
        if ((c->contype == pg::CONSTR_ATTR_NOT_DEFERRABLE && saw_initially && m->initdeferred) || (c->contype == pg::CONSTR_ATTR_DEFERRED && saw_deferrability && !m->deferrable))
          fail(ErrorCode::kSyntaxError, "constraint declared INITIALLY DEFERRED must be DEFERRABLE", c->location);
        if (c->contype == pg::CONSTR_ATTR_DEFERRABLE) m->deferrable = true;
        if (c->contype == pg::CONSTR_ATTR_DEFERRED) m->deferrable = m->initdeferred = true;
        break;
      }
      default: break;
    }
    if (saw_default && saw_identity) fail(ErrorCode::kSyntaxError, "both default and identity specified " + where, c->location);
    if (saw_default && saw_generated) fail(ErrorCode::kSyntaxError, "both default and generation expression specified " + where, c->location);
    if (saw_identity && saw_generated) fail(ErrorCode::kSyntaxError, "both identity and generation expression specified " + where, c->location);
  }
  // A column that is inherited too merges with its parent's.
  for (NewColumn& other : t.columns)
    if (other.column.name == n.column.name) {
      if (with_options) {
        if (n.default_expr != nullptr || n.generated != nullptr) n.inherited_default.clear();
        other = n;
        return;
      }
      if (other.column.inherited()) {
        if (&other - t.columns.data() + 1 == t.written) notice("merging column \"" + n.column.name + "\" with inherited definition");
        else notice("moving and merging column \"" + n.column.name + "\" with inherited definition", "User-specified column moved to the position of the inherited column.");
      }
      if (other.column.type != n.column.type || other.column.typmod != n.column.typmod)
        fail(ErrorCode::kDatatypeMismatch, "column \"" + n.column.name + "\" has a type conflict", -1,
             view().format_type(other.column.type, other.column.typmod) + " versus " + view().format_type(n.column.type, n.column.typmod));
      if (other.column.collation != n.column.collation)
        fail(ErrorCode::kCollationMismatch, "column \"" + n.column.name + "\" has a collation conflict", -1,
             "\"" + view().collation_name(other.column.collation) + "\" versus \"" + view().collation_name(n.column.collation) + "\"");
      n.column.inherit_count = other.column.inherit_count;
      n.column.local = true;
      n.column.not_null = n.column.not_null || other.column.not_null;
      n.column.number = other.column.number;
      if (n.default_expr == nullptr) n.inherited_default = other.inherited_default;
      other = n;
      return;
    }
  t.columns.push_back(std::move(n));
}

void Ddl::like(NewTable& t, const pg::TableLikeClause* l) {
  Ptr<Relation> source;
  try {
    source = relation(l->relation);
  } catch (const Error& e) {
    Error copy = e;
    copy.set_position(position(l->relation->location));
    throw copy;
  }
  if (source->relkind == 'S' || source->index)
    fail(ErrorCode::kWrongObjectType, "relation \"" + source->name + "\" is invalid in LIKE clause", l->relation->location,
         std::string("This operation is not supported for ") + (source->relkind == 'S' ? "sequences." : "indexes."));
  uint32_t o = l->options;
  constexpr uint32_t kComments = 1 << 0, kStorage = 1 << 8, kConstraints = 1 << 2, kDefaults = 1 << 3, kGenerated = 1 << 4, kIdentity = 1 << 5, kIndexes = 1 << 6;
  for (const Column& c : source->columns) {
    if (c.dropped) continue;
    NewColumn* same = nullptr;
    ++t.written;
    for (NewColumn& other : t.columns)
      if (other.column.name == c.name) {
        if (!other.column.inherited() || other.column.local) fail(ErrorCode::kDuplicateColumn, "column \"" + c.name + "\" specified more than once");
        same = &other;
      }
    NewColumn n;
    n.column = c;
    n.column.missing_value.reset();
    n.column.acl.reset();
    n.column.default_sql.clear();
    n.column.inherit_count = 0;
    n.column.generated = false;
    n.column.identity = catalog::Identity::kNone;
    if (c.generated) {
      if ((o & kGenerated) != 0) {
        n.inherited_default = c.default_sql;
        n.column.generated = true;
      }
    } else if (c.identity != catalog::Identity::kNone) {
      if ((o & kIdentity) != 0) n.column.identity = c.identity;
    } else if ((o & kDefaults) != 0) {
      n.inherited_default = c.default_sql;
    }
    if ((o & kStorage) == 0) n.column.storage = 0;
    if ((o & kComments) == 0) n.column.comment.reset();
    n.column.local = true;
    if (same == nullptr) {
      t.columns.push_back(std::move(n));
      continue;
    }
    if (same - t.columns.data() + 1 == t.written) notice("merging column \"" + c.name + "\" with inherited definition");
    else notice("moving and merging column \"" + c.name + "\" with inherited definition", "User-specified column moved to the position of the inherited column.");
    if (same->column.type != c.type || same->column.typmod != c.typmod)
      fail(ErrorCode::kDatatypeMismatch, "column \"" + c.name + "\" has a type conflict", -1,
           view().format_type(same->column.type, same->column.typmod) + " versus " + view().format_type(c.type, c.typmod));
    n.column.inherit_count = same->column.inherit_count;
    n.column.not_null = n.column.not_null || same->column.not_null;
    if (n.inherited_default.empty()) n.inherited_default = same->inherited_default;
    *same = std::move(n);
  }
  if ((o & kConstraints) != 0)
    for (Constraint c : source->constraints)
      if (c.kind == ConstraintKind::kCheck) {
        if ((o & kComments) == 0) c.comment.reset();
        c.inherit_count = 0;
        c.local = true;
        auto have = std::find_if(t.relation->constraints.begin(), t.relation->constraints.end(), [&](const Constraint& x) { return x.name == c.name; });
        if (have != t.relation->constraints.end()) {
          if (have->check_sql != c.check_sql) fail(ErrorCode::kDuplicateObject, "constraint \"" + c.name + "\" for relation \"" + t.relation->name + "\" already exists");
          notice("merging constraint \"" + c.name + "\" with inherited definition");
          have->local = true;
          have->comment = c.comment;
          continue;
        }
        c.oid = catalog().allocate_oid();
        t.relation->constraints.push_back(c);
      }
  if ((o & kIndexes) != 0) t.like_indexes.emplace_back(source, (o & kComments) != 0);
  t.like_sources.push_back(source->oid);
}

void Ddl::make_row_types(Relation& r) {
  Oid element = catalog().allocate_oid(), array = catalog().allocate_oid();
  r.row_type = element;
  auto t = std::make_shared<catalog::Type>();
  t->oid = element;
  t->name = r.name;
  t->schema = r.schema;
  t->owner = r.owner;
  t->typtype = 'c';
  t->relation = r.oid;
  t->array = array;
  put(t);
  auto a = std::make_shared<catalog::Type>();
  a->oid = array;
  a->name = "_" + r.name;
  if (a->name.size() > 63) a->name.resize(63);
  while (state()->find(ObjectKind::kType, r.schema, a->name) != nullptr || view().find_type(r.schema, a->name) != nullptr) a->name = "_" + a->name;
  a->schema = r.schema;
  a->owner = r.owner;
  a->element = element;
  put(a);
  changes().add_dependency({{ObjectKind::kType, element, 0}, {ObjectKind::kRelation, r.oid, 0}, DependencyKind::kInternal});
  changes().add_dependency({{ObjectKind::kType, array, 0}, {ObjectKind::kType, element, 0}, DependencyKind::kInternal});
}

void Ddl::set_default(Relation& r, int16_t number, const Node* n, bool generated) {
  Column& c = r.columns[number - 1];
  ObjectAddress self{ObjectKind::kDefault, r.oid, number};
  changes().drop_dependencies_of(self);
  c.default_sql.clear();
  if (n == nullptr) return;
  BindContext b = bind();
  ExprPtr e = bind_expression(n, generated ? &r : nullptr, generated ? ExprContext::kGeneratedColumn : ExprContext::kColumnDefault, b, c.type, c.typmod, c.name);
  if (generated) {
    bool is_volatile = false;
    auto refuse = [&](const std::string& what, int location, const char* detail) {
      fail(ErrorCode::kInvalidObjectDefinition, what + " in column generation expression", location, detail);
    };
    walk(e, [&](const Expr& x, int) {
      if (x.kind == ExprKind::kVar) {
        const auto& v = static_cast<const VarExpr&>(x);
        if (v.column == 0) refuse("cannot use whole-row variable", v.location, "This would cause the generated column to depend on its own value.");
        if (v.column > 0 && (v.column == number || r.columns[v.column - 1].generated))
          refuse("cannot use generated column \"" + r.columns[v.column - 1].name + "\"", v.location, "A generated column cannot reference another generated column.");
      }
      Oid func = x.kind == ExprKind::kFunc ? static_cast<const FuncExpr&>(x).func : x.kind == ExprKind::kOp ? static_cast<const OpExpr&>(x).func : 0;
      if (func != 0)
        if (const ProcRow* p = view().proc(func); p != nullptr && p->volatility != 'i') is_volatile = true;
      if (x.kind == ExprKind::kSqlValue) is_volatile = true;
      return false;
    });
    if (is_volatile) fail(ErrorCode::kInvalidObjectDefinition, "generation expression is not immutable");
    c.generated = true;
  }
  if (e->kind == ExprKind::kConst && static_cast<const ConstExpr&>(*e).is_null && !generated) return;
  c.default_sql = stored_sql(e, generated ? &r : nullptr);
  changes().add_dependency({self, {ObjectKind::kRelation, r.oid, number}, DependencyKind::kAuto});
  std::vector<ObjectAddress> refs;
  walk(e, [&](const Expr& x, int) {
    if (x.kind == ExprKind::kConst && x.type == oid::kRegclass && !static_cast<const ConstExpr&>(x).is_null)
      refs.push_back({ObjectKind::kRelation, static_cast<const ConstExpr&>(x).value.as_oid(), 0});
    if (x.kind == ExprKind::kFunc) refs.push_back({ObjectKind::kFunction, static_cast<const FuncExpr&>(x).func, 0});
    if (x.kind == ExprKind::kVar && static_cast<const VarExpr&>(x).column > 0) refs.push_back({ObjectKind::kRelation, r.oid, static_cast<const VarExpr&>(x).column});
    return false;
  });
  for (const ObjectAddress& a : refs) depend(self, a);
}

void Ddl::create_table(const pg::CreateStmt* s) {
  NewTable t;
  t.relation = std::make_shared<Relation>();
  Relation& r = *t.relation;
  Target target = creation_target(s->relation);
  if (name_used(target.schema, target.name)) {
    if (s->if_not_exists) {
      notice("relation \"" + target.name + "\" already exists, skipping", {}, {}, "NOTICE", ErrorCode::kDuplicateTable);
      return;
    }
  }
  r.name = target.name;
  r.schema = target.schema;
  r.owner = host.current_user();
  r.relkind = table_kind_ == 'f' ? 'f' : 'r';
  r.acl = default_acl('r', r.owner, r.schema);
  r.persistence = target.temporary ? 't' : std::string_view(s->relation->relpersistence) == "u" ? 'u' : 'p';
  r.temp_session = target.temporary ? host.temp_session() : 0;
  if (s->partspec != nullptr) {
    r.relkind = 'p';
    if (s->n_inh_relations > 0 && s->partbound == nullptr) fail(ErrorCode::kInvalidObjectDefinition, "cannot create partitioned table as inheritance child");
  }
  if (s->oncommit == pg::ONCOMMIT_DELETE_ROWS) r.on_commit = 1;
  if (s->oncommit == pg::ONCOMMIT_DROP) r.on_commit = 2;
  if (s->oncommit != pg::ONCOMMIT_NOOP && s->oncommit != 0 && !target.temporary)
    fail(ErrorCode::kInvalidTableDefinition, "ON COMMIT can only be used on temporary tables");
  r.options = options(PG_LIST(s, options));
  r.oid = catalog().allocate_oid();
  if (r.relkind == 'r') r.storage_id = catalog().allocate_storage_id();
  // Inherited columns come first.
  for (const Node* n : PG_LIST(s, inh_relations)) {
    Ptr<Relation> parent = relation(n->range_var);
    host.lock_relation(parent->oid, s->partbound != nullptr ? LockMode::kAccessExclusive : LockMode::kShareUpdateExclusive);
    changes().refresh();
    parent = state()->relation(parent->oid);
    if (parent == nullptr) fail(ErrorCode::kUndefinedTable, std::string("relation \"") + n->range_var->relname + "\" does not exist");
    if (s->partbound != nullptr) {
      if (!parent->partitioning) fail(ErrorCode::kWrongObjectType, "\"" + parent->name + "\" is not partitioned");
    } else {
      if (parent->relkind != 'r' && parent->relkind != 'p') fail(ErrorCode::kWrongObjectType, "inherited relation \"" + parent->name + "\" is not a table or foreign table");
      if (parent->partitioning) fail(ErrorCode::kWrongObjectType, "cannot inherit from partitioned table \"" + parent->name + "\"");
      if (parent->bound) fail(ErrorCode::kWrongObjectType, "cannot inherit from partition \"" + parent->name + "\"");
    }
    check_owner(*parent, "table");
    const char* as = s->partbound != nullptr ? "create a {} relation as partition of {} relation \"{}\"" : nullptr;
    if (r.persistence != 't' && parent->persistence == 't')
      fail(ErrorCode::kWrongObjectType, as != nullptr ? "cannot create a permanent relation as partition of temporary relation \"" + parent->name + "\"" : "cannot inherit from temporary relation \"" + parent->name + "\"");
    if (r.persistence == 't' && parent->persistence != 't' && as != nullptr)
      fail(ErrorCode::kWrongObjectType, "cannot create a temporary relation as partition of permanent relation \"" + parent->name + "\"");
    if (std::find(r.parents.begin(), r.parents.end(), parent->oid) != r.parents.end())
      fail(ErrorCode::kDuplicateTable, "relation \"" + parent->name + "\" would be inherited from more than once");
    r.parents.push_back(parent->oid);
    for (const Column& c : parent->columns) {
      if (c.dropped) continue;
      bool merged = false;
      for (NewColumn& o : t.columns)
        if (o.column.name == c.name) {
          notice("merging multiple inherited definitions of column \"" + c.name + "\"");
          if (o.column.type != c.type)
            fail(ErrorCode::kDatatypeMismatch, "inherited column \"" + c.name + "\" has a type conflict", -1,
                 view().format_type(o.column.type) + " versus " + view().format_type(c.type));
          if (o.column.collation != c.collation)
            fail(ErrorCode::kCollationMismatch, "inherited column \"" + c.name + "\" has a collation conflict", -1,
                 "\"" + view().collation_name(o.column.collation) + "\" versus \"" + view().collation_name(c.collation) + "\"");
          ++o.column.inherit_count;
          o.column.not_null = o.column.not_null || c.not_null;
          if (o.inherited_default.empty()) o.inherited_default = c.default_sql;
          else if (!c.default_sql.empty() && c.default_sql != o.inherited_default) o.default_conflict = true;
          merged = true;
        }
      if (merged) continue;
      NewColumn nc;
      nc.column = c;
      nc.column.inherit_count = 1;
      nc.column.local = false;
      nc.column.missing_value.reset();
      nc.column.acl.reset();
      nc.column.comment.reset();
      nc.column.default_sql.clear();
      nc.column.identity = catalog::Identity::kNone;
      nc.inherited_default = c.default_sql;
      t.columns.push_back(nc);
    }
    for (Constraint c : parent->constraints)
      if (c.kind == ConstraintKind::kCheck && !c.no_inherit) {
        auto same = std::find_if(r.constraints.begin(), r.constraints.end(), [&](const Constraint& o) { return o.name == c.name; });
        if (same != r.constraints.end()) {
          if (same->check_sql != c.check_sql) fail(ErrorCode::kDuplicateObject, "check constraint name \"" + c.name + "\" appears multiple times but with different expressions");
          ++same->inherit_count;
          continue;
        }
        c.oid = catalog().allocate_oid();
        c.inherit_count = 1;
        c.local = false;
        c.comment.reset();
        c.validated = true;
        r.constraints.push_back(c);
      }
  }
  if (s->of_typename != nullptr) {
    BindContext b = bind();
    Oid type = 0;
    try {
      type = resolve_type(s->of_typename, b).type;
    } catch (const Error& e) {
      Error copy = e;
      copy.set_position(0);
      throw copy;
    }
    auto source = view().relation(view().type_relation(type));
    if (source == nullptr) fail(ErrorCode::kWrongObjectType, "type " + view().format_type(type) + " is not a composite type");
    r.of_type = type;
    for (const Column& c : source->columns) {
      if (c.dropped) continue;
      NewColumn nc;
      nc.column = c;
      t.columns.push_back(nc);
    }
  }
  for (const Node* n : PG_LIST(s, table_elts)) {
    switch (n->node_case) {
      case pg::kColumnDef: column_from(t, n->column_def); break;
      case pg::kTableLikeClause: like(t, n->table_like_clause); break;
      case pg::kConstraint: t.constraints.push_back(n->constraint); break;
      default: break;
    }
  }
  for (const Node* n : PG_LIST(s, constraints)) t.constraints.push_back(n->constraint);
  for (const NewColumn& n : t.columns)
    if (n.default_conflict && n.default_expr == nullptr && n.generated == nullptr)
      fail(ErrorCode::kInvalidColumnDefinition, "column \"" + n.column.name + "\" inherits conflicting default values", -1, {}, "To resolve the conflict, specify a default explicitly.");
  if (t.columns.size() > 1600) fail(ErrorCode::kTooManyColumns, "tables can have at most 1600 columns");
  if (r.partitioning || s->partspec != nullptr)
    if (!r.options.empty() && !r.options.contains("oids"))
      fail(ErrorCode::kWrongObjectType, "cannot specify storage parameters for a partitioned table", -1, {}, "Specify storage parameters for its leaf partitions instead.");
  set_tablespace(r, s->tablespacename);
  check_options(r.options, "table");
  if (s->partspec != nullptr && pg::has(s->access_method)) fail(ErrorCode::kFeatureNotSupported, "specifying a table access method is not supported on a partitioned table");
  check_table_method(s->access_method);
  check_name_free(target);
  t.statement = s;
  finish_columns(t);
}

void Ddl::finish_columns(NewTable& t) {
  Relation& r = *t.relation;
  for (size_t i = 0; i < t.columns.size(); ++i) {
    t.columns[i].column.number = static_cast<int16_t>(i + 1);
    r.columns.push_back(t.columns[i].column);
  }
  // Columns of inherited checks have the child's numbers.
  for (Constraint& c : r.constraints)
    for (Oid p : r.parents)
      if (auto parent = state()->relation(p); parent != nullptr && std::any_of(parent->constraints.begin(), parent->constraints.end(), [&](const Constraint& o) { return o.name == c.name; })) {
        const auto positions = query::attribute_map(*parent, r);
        const auto& from = *std::find_if(parent->constraints.begin(), parent->constraints.end(), [&](const Constraint& o) { return o.name == c.name; });
        c.columns.clear();
        for (int16_t n : from.columns)
          if (positions[static_cast<size_t>(n - 1)] > 0) c.columns.push_back(positions[static_cast<size_t>(n - 1)]);
      }
  Ptr<Relation> partition_of;
  if (t.statement != nullptr && t.statement->partbound != nullptr) {
    partition_of = state()->relation(r.parents[0]);
    r.bound = partition_bound(r.name, *partition_of, t.statement->partbound, &r.partition_bound);
    check_default_partition(*partition_of, *r.bound, 0);
  }
  if (t.statement != nullptr && t.statement->partspec != nullptr) partition_key(r, t.statement->partspec);
  make_row_types(r);
  put(std::make_shared<Relation>(r));
  ObjectAddress self{ObjectKind::kRelation, r.oid, 0};
  depend(self, {ObjectKind::kSchema, r.schema, 0});
  if (r.of_type != 0) depend(self, {ObjectKind::kType, r.of_type, 0});
  for (Oid p : r.parents) depend(self, {ObjectKind::kRelation, p, 0}, partition_of != nullptr ? DependencyKind::kAuto : DependencyKind::kNormal);
  for (const Column& c : r.columns) {
    const TypeRow* type = view().find_type(c.type);
    if (type != nullptr && type->element >= oid::kFirstUserOid) type = view().find_type(type->element);
    if (type != nullptr && type->oid >= oid::kFirstUserOid) depend({ObjectKind::kRelation, r.oid, c.number}, {ObjectKind::kType, type->oid, 0});
    if (c.collation >= oid::kFirstUserOid) depend({ObjectKind::kRelation, r.oid, c.number}, {ObjectKind::kCollation, c.collation, 0});
  }
  for (const Constraint& c : r.constraints) depend({ObjectKind::kConstraint, c.oid, 0}, self, DependencyKind::kAuto);
  // Defaults may use sequences made here.
  for (NewColumn& n : t.columns) {
    Column& c = r.columns[n.column.number - 1];
    if (n.serial || c.identity != catalog::Identity::kNone) {
      Target st{r.schema, choose_name(r.name, c.name, "seq", r.schema), r.persistence == 't'};
      std::span<Node* const> seq_options;
      if (n.identity != nullptr) seq_options = PG_LIST(n.identity, options);
      auto seq = make_sequence(st, c.type, seq_options, r.oid, c.number, c.identity != catalog::Identity::kNone, r.persistence);
      if (n.serial) {
        c.default_sql = "nextval(" + quote_literal(quote_identifier(view().schema_name(seq->schema)) + "." + quote_identifier(seq->name)) + "::regclass)";
        changes().add_dependency({{ObjectKind::kDefault, r.oid, c.number}, {ObjectKind::kRelation, r.oid, c.number}, DependencyKind::kAuto});
        changes().add_dependency({{ObjectKind::kDefault, r.oid, c.number}, {ObjectKind::kRelation, seq->oid, 0}, DependencyKind::kNormal});
      }
    } else if (n.generated != nullptr) {
      set_default(r, c.number, n.generated, true);
    } else if (n.default_expr != nullptr) {
      set_default(r, c.number, n.default_expr, false);
    } else if (!n.inherited_default.empty()) {
      ParsedExpression p = parse_expression(n.inherited_default);
      set_default(r, c.number, p.node, c.generated);
    }
  }
  put(std::make_shared<Relation>(r));
  auto shared = t.relation;
  std::set<std::string> check_names;
  auto unique_check = [&](const pg::Constraint* c) {
    if (c->contype == pg::CONSTR_CHECK && pg::has(c->conname) && !check_names.insert(c->conname).second)
      fail(ErrorCode::kDuplicateObject, std::string("check constraint \"") + c->conname + "\" already exists");
  };
  for (auto& [c, column] : t.column_constraints) unique_check(c);
  for (const pg::Constraint* c : t.constraints) unique_check(c);
  for (auto& [c, column] : t.column_constraints)
    if (c->contype == pg::CONSTR_CHECK) add_check(shared, c, column, false);
  for (const pg::Constraint* c : t.constraints)
    if (c->contype == pg::CONSTR_CHECK) add_check(shared, c, {}, false);
  int primaries = 0;
  auto count_primary = [&](const pg::Constraint* c) {
    if (c->contype == pg::CONSTR_PRIMARY && ++primaries > 1)
      fail(ErrorCode::kInvalidTableDefinition, "multiple primary keys for table \"" + r.name + "\" are not allowed", c->location);
  };
  // The primary key is made first whatever the order written.
  for (bool primary : {true, false}) {
    for (auto& [c, column] : t.column_constraints)
      if ((c->contype == pg::CONSTR_PRIMARY) == primary && (primary || c->contype == pg::CONSTR_UNIQUE || c->contype == pg::CONSTR_EXCLUSION)) {
        count_primary(c);
        add_index_constraint(shared, c, column, false);
      }
    for (const pg::Constraint* c : t.constraints)
      if ((c->contype == pg::CONSTR_PRIMARY) == primary && (primary || c->contype == pg::CONSTR_UNIQUE || c->contype == pg::CONSTR_EXCLUSION)) {
        count_primary(c);
        add_index_constraint(shared, c, {}, false);
      }
  }
  for (auto& [source, comments] : t.like_indexes) {
    for (Oid index_oid : source->indexes) {
      auto index = state()->relation(index_oid);
      if (index == nullptr) continue;
      catalog::IndexInfo info = *index->index;
      // Columns are found again by name.
      auto remap = [&](int16_t n) {
        const Column* from = source->column(n);
        const Column* to = from != nullptr ? shared->column(std::string_view(from->name)) : nullptr;
        return to != nullptr ? to->number : int16_t{0};
      };
      std::string column2;
      for (auto& k : info.keys) {
        if (k.column != 0) {
          column2 += (column2.empty() ? "" : "_") + source->column(k.column)->name;
          k.column = remap(k.column);
        } else {
          column2 += (column2.empty() ? "" : "_") + std::string("expr");
        }
      }
      for (auto& k : info.included) k = remap(k);
      const Constraint* original = nullptr;
      for (const Constraint& c : source->constraints)
        if (c.index == index_oid && c.kind != ConstraintKind::kForeignKey) original = &c;
      std::string name = info.primary ? choose_name(shared->name, "", "pkey", shared->schema)
                                      : choose_name(shared->name, column2, original != nullptr ? "key" : "idx", shared->schema);
      info.valid = true;
      auto made = make_index(*shared, name, info);
      if (comments && index->comment) {
        auto commented = edit(state()->relation(made->oid));
        commented->comment = index->comment;
        put(commented);
      }
      if (original != nullptr) {
        Constraint c = *original;
        c.oid = catalog().allocate_oid();
        c.name = name;
        if (!comments) c.comment.reset();
        c.inherit_count = 0;
        c.local = true;
        c.parent = 0;
        c.index = made->oid;
        for (auto& n : c.columns) n = remap(n);
        shared->constraints.push_back(c);
        depend({ObjectKind::kConstraint, c.oid, 0}, {ObjectKind::kRelation, shared->oid, 0}, DependencyKind::kAuto);
        changes().add_dependency({{ObjectKind::kRelation, made->oid, 0}, {ObjectKind::kConstraint, c.oid, 0}, DependencyKind::kInternal});
      }
      put(std::make_shared<Relation>(*shared));
    }
  }
  for (auto& [c, column] : t.column_constraints)
    if (c->contype == pg::CONSTR_FOREIGN) add_foreign_key(shared, c, column, false);
  for (const pg::Constraint* c : t.constraints)
    if (c->contype == pg::CONSTR_FOREIGN) add_foreign_key(shared, c, {}, false);
  if (partition_of != nullptr) {
    host.next_command();
    clone_to_partition(r.oid, *partition_of);
  }
  redis::check_table_options(*state()->relation(shared->oid), *state());
}

std::shared_ptr<Relation> Ddl::table_from_columns(const Target& t, const std::vector<OutputColumn>& columns, const std::vector<std::string>& names, char relkind,
                                                  const std::vector<Oid>& collations) {
  auto r = std::make_shared<Relation>();
  r->oid = catalog().allocate_oid();
  r->name = t.name;
  r->schema = t.schema;
  r->owner = host.current_user();
  r->relkind = relkind;
  if (relkind == 'r' || relkind == 'm' || relkind == 'v') r->acl = default_acl('r', r->owner, r->schema);
  r->persistence = t.temporary ? 't' : 'p';
  r->temp_session = t.temporary ? host.temp_session() : 0;
  if (relkind == 'r' || relkind == 'm') r->storage_id = catalog().allocate_storage_id();
  for (size_t i = 0; i < columns.size(); ++i) {
    Column c;
    c.name = i < names.size() ? names[i] : columns[i].name;
    for (const Column& o : r->columns)
      if (o.name == c.name) fail(ErrorCode::kDuplicateColumn, "column \"" + c.name + "\" specified more than once");
    c.number = static_cast<int16_t>(i + 1);
    c.type = columns[i].type == oid::kUnknown ? oid::kText : columns[i].type;
    c.typmod = columns[i].typmod;
    const TypeRow& type = view().type(c.type);
    if (type.typtype == 'p') fail(ErrorCode::kInvalidTableDefinition, "column \"" + c.name + "\" has pseudo-type " + view().format_type(c.type));
    c.collation = i < collations.size() && collations[i] != 0 ? collations[i] : type.collation;
    r->columns.push_back(c);
  }
  return r;
}

}  // namespace stele::sql
