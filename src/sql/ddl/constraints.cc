// CHECK, PRIMARY KEY, UNIQUE and FOREIGN KEY.
#include "query/inheritance.h"
#include "sql/ddl/ddl.h"

namespace stele::sql {

using namespace query;  // NOLINT

bool Ddl::constraint_exists(const Relation& r, const std::string& name) {
  for (const Constraint& c : r.constraints)
    if (c.name == name) return true;
  return false;
}

std::string Ddl::constraint_name(const Relation& r, const pg::Constraint* c, const std::string& label, const std::vector<std::string>& columns) {
  if (pg::has(c->conname)) {
    if (constraint_exists(r, c->conname))
      fail(ErrorCode::kDuplicateObject, std::string("constraint \"") + c->conname + "\" for relation \"" + r.name + "\" already exists");
    return c->conname;
  }
  std::set<std::string> taken;
  for (const Constraint& k : r.constraints) taken.insert(k.name);
  // Constraint names must be unique among the schema's, as far as new ones go.
  std::string joined;
  for (const std::string& n : columns) joined += (joined.empty() ? "" : "_") + n;
  return choose_name(r.name, joined, label, label == "check" || label == "fkey" ? 0 : r.schema, taken);
}

void Ddl::add_check(std::shared_ptr<Relation>& r, const pg::Constraint* c, const std::string& column, bool validate) {
  BindContext b = bind();
  ExprPtr e = bind_expression(c->raw_expr, r.get(), ExprContext::kCheckConstraint, b);
  std::set<int16_t> used;
  walk(e, [&](const Expr& x, int) {
    if (x.kind == ExprKind::kVar) used.insert(static_cast<const VarExpr&>(x).column);
    return false;
  });
  if (c->is_no_inherit && r->partitioning) fail(ErrorCode::kInvalidTableDefinition, "cannot add NO INHERIT constraint to partitioned table \"" + r->name + "\"");
  Constraint k;
  k.kind = ConstraintKind::kCheck;
  std::vector<std::string> names;
  if (used.size() == 1 && *used.begin() > 0) names.push_back(r->column(*used.begin())->name);
  (void)column;
  k.oid = catalog().allocate_oid();
  k.check_sql = stored_sql(e, r.get());
  // One that is inherited under this name may be written again.
  for (Constraint& have : r->constraints)
    if (pg::has(c->conname) && have.name == c->conname && have.kind == ConstraintKind::kCheck && have.inherit_count > 0 && have.check_sql == k.check_sql && !have.local) {
      notice("merging constraint \"" + have.name + "\" with inherited definition");
      have.local = true;
      put(std::make_shared<Relation>(*r));
      return;
    }
  k.name = constraint_name(*r, c, "check", names);
  for (int16_t n : used)
    if (n > 0) k.columns.push_back(n);
  k.no_inherit = c->is_no_inherit;
  k.validated = !c->skip_validation || !validate;
  if (validate && !c->skip_validation) {
    put(std::make_shared<Relation>(*r));
    validate_constraint(*r, k, host.exec());
  }
  r->constraints.push_back(k);
  put(std::make_shared<Relation>(*r));
  ObjectAddress self{ObjectKind::kConstraint, k.oid, 0};
  depend(self, {ObjectKind::kRelation, r->oid, 0}, DependencyKind::kAuto);
  for (int16_t n : k.columns) depend(self, {ObjectKind::kRelation, r->oid, n}, DependencyKind::kAuto);
  walk(e, [&](const Expr& x, int) {
    if (x.kind == ExprKind::kFunc) depend(self, {ObjectKind::kFunction, static_cast<const FuncExpr&>(x).func, 0});
    return false;
  });
  if (!c->is_no_inherit) add_inherited_check(*r, k);
}

void Ddl::add_index_constraint(std::shared_ptr<Relation>& r, const pg::Constraint* c, const std::string& column, bool existing_rows) {
  bool primary = c->contype == pg::CONSTR_PRIMARY;
  if (c->contype == pg::CONSTR_EXCLUSION) return add_exclusion(r, c, existing_rows);
  if (primary)
    for (const Constraint& k : r->constraints)
      if (k.kind == ConstraintKind::kPrimary)
        fail(ErrorCode::kInvalidTableDefinition, "multiple primary keys for table \"" + r->name + "\" are not allowed", c->location);
  Constraint k;
  k.kind = primary ? ConstraintKind::kPrimary : ConstraintKind::kUnique;
  k.deferrable = c->deferrable;
  k.initially_deferred = c->initdeferred;
  std::shared_ptr<Relation> index;
  if (pg::has(c->indexname)) {
    // ADD CONSTRAINT ... USING INDEX takes an index that exists.
    auto found = view().find_relation(c->indexname, r->schema);
    if (found == nullptr || !found->index || found->index->table != r->oid)
      fail(ErrorCode::kUndefinedObject, std::string("index \"") + c->indexname + "\" does not exist", c->location);
    if (!found->index->unique) fail(ErrorCode::kWrongObjectType, std::string("\"") + c->indexname + "\" is not a unique index", c->location, "Cannot create a primary key or unique constraint using such an index.");
    if (!found->index->predicate_sql.empty()) fail(ErrorCode::kWrongObjectType, std::string("\"") + c->indexname + "\" is a partial index", c->location, "Cannot create a primary key or unique constraint using such an index.");
    index = edit(found);
    for (auto& key : index->index->keys) {
      if (key.column == 0) fail(ErrorCode::kWrongObjectType, std::string("index \"") + c->indexname + "\" contains expressions", c->location, "Cannot create a primary key or unique constraint using such an index.");
      k.columns.push_back(key.column);
    }
    k.name = pg::has(c->conname) ? c->conname : index->name;
    if (k.name != index->name) {
      notice("ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index \"" + index->name + "\" to \"" + k.name + "\"");
      index->name = k.name;
    }
    index->index->primary = primary;
    index->index->immediate = !k.deferrable;
    k.oid = catalog().allocate_oid();
    k.index = index->oid;
    put(index);
  } else {
    std::vector<std::string> names = pg::strings(PG_LIST(c, keys));
    if (names.empty() && !column.empty()) names.push_back(column);
    catalog::IndexInfo info;
    info.unique = true;
    info.primary = primary;
    info.nulls_not_distinct = c->nulls_not_distinct;
    info.immediate = !c->deferrable;
    for (const std::string& n : names) {
      const Column* col = r->column(std::string_view(n));
      if (col == nullptr) fail(ErrorCode::kUndefinedColumn, "column \"" + n + "\" named in key does not exist", c->location);
      for (int16_t other : k.columns)
        if (other == col->number)
          fail(ErrorCode::kDuplicateColumn, "column \"" + n + "\" appears twice in " + (primary ? "primary key" : "unique") + " constraint", c->location);
      k.columns.push_back(col->number);
      catalog::IndexColumn key;
      key.column = col->number;
      key.type = col->type;
      key.typmod = col->typmod;
      key.collation = col->collation;
      key.opclass = view().default_opclass(col->type, 403);
      if (key.opclass == 0)
        fail(ErrorCode::kUndefinedObject, "data type " + view().format_type(col->type) + " has no default operator class for access method \"btree\"", -1, {},
             "You must specify an operator class for the index or define a default operator class for the data type.");
      info.keys.push_back(key);
    }
    for (const Node* n : PG_LIST(c, including)) {
      std::string name(pg::str(n));
      const Column* col = r->column(std::string_view(name));
      if (col == nullptr) fail(ErrorCode::kUndefinedColumn, "column \"" + name + "\" named in key does not exist", c->location);
      info.included.push_back(col->number);
    }
    std::vector<std::string> label_names = names;
    for (const Node* n : PG_LIST(c, including)) label_names.emplace_back(pg::str(n));
    check_partition_unique(*r, k.columns, primary ? "PRIMARY KEY" : "UNIQUE");
    k.oid = catalog().allocate_oid();
    if (pg::has(c->conname)) {
      k.name = constraint_name(*r, c, primary ? "pkey" : "key", names);
      if (name_used(r->schema, k.name)) fail(ErrorCode::kDuplicateTable, "relation \"" + k.name + "\" already exists");
    } else {
      k.name = constraint_name(*r, c, primary ? "pkey" : "key", primary ? std::vector<std::string>{} : label_names);
    }
    if (primary)
      for (int16_t n : k.columns) {
        Column& col = r->columns[n - 1];
        if (col.not_null) continue;
        if (existing_rows) {
          Constraint nn;
          nn.kind = ConstraintKind::kNotNull;
          nn.columns = {n};
          validate_constraint(*r, nn, host.exec());
        }
        col.not_null = true;
      }
    put(std::make_shared<Relation>(*r));
    index = make_index(*r, k.name, info);
    k.index = index->oid;
    if (existing_rows && r->relkind != 'p') build(*index);
  }
  if (primary)
    for (int16_t n : k.columns) {
      if (r->columns[n - 1].not_null) continue;
      Constraint nn;
      nn.kind = ConstraintKind::kNotNull;
      nn.columns = {n};
      validate_constraint(*r, nn, host.exec());
      r->columns[n - 1].not_null = true;
    }
  r->constraints.push_back(k);
  put(std::make_shared<Relation>(*r));
  depend({ObjectKind::kConstraint, k.oid, 0}, {ObjectKind::kRelation, r->oid, 0}, DependencyKind::kAuto);
  for (int16_t n : k.columns) depend({ObjectKind::kConstraint, k.oid, 0}, {ObjectKind::kRelation, r->oid, n}, DependencyKind::kAuto);
  changes().add_dependency({{ObjectKind::kRelation, index->oid, 0}, {ObjectKind::kConstraint, k.oid, 0}, DependencyKind::kInternal});
  if (!r->partitioning) return;
  if (!recurse_ && !direct_children(*state(), r->oid).empty()) {
    auto incomplete = edit(state()->relation(index->oid));
    incomplete->index->valid = false;
    put(incomplete);
    return;
  }
  const auto parent = state()->relation(r->oid);
  for (Oid child : direct_children(*state(), r->oid)) {
    if (primary) {
      // NOT NULL holds in the partitions too.
      auto m = edit(state()->relation(child));
      const auto positions = query::attribute_map(*parent, *m);
      for (int16_t n : k.columns) {
        Column& col = m->columns[positions[static_cast<size_t>(n - 1)] - 1];
        if (col.not_null) continue;
        Constraint nn;
        nn.kind = ConstraintKind::kNotNull;
        nn.columns = {col.number};
        if (m->relkind == 'r') validate_constraint(*m, nn, host.exec());
        col.not_null = true;
      }
      put(m);
    }
    partition_index(*state()->relation(index->oid), *parent, child);
  }
  r = edit(state()->relation(r->oid));
}

void Ddl::add_foreign_key(std::shared_ptr<Relation>& r, const pg::Constraint* c, const std::string& column, bool validate) {
  Ptr<Relation> pk = relation(c->pktable);
  if (pk->relkind != 'r' && pk->relkind != 'p')
    fail(ErrorCode::kWrongObjectType, "referenced relation \"" + pk->name + "\" is not a table");
  if (pk->oid != r->oid) host.lock_relation(pk->oid, LockMode::kShareRowExclusive);
  if (pk->oid == r->oid) pk = r;
  if (r->persistence == 'p' && pk->persistence != 'p')
    fail(ErrorCode::kInvalidTableDefinition, "constraints on permanent tables may reference only permanent tables");
  if (r->persistence == 't' && pk->persistence != 't')
    fail(ErrorCode::kInvalidTableDefinition, "constraints on temporary tables may reference only temporary tables");
  Constraint k;
  k.kind = ConstraintKind::kForeignKey;
  k.referenced = pk->oid;
  k.deferrable = c->deferrable || c->initdeferred;
  k.initially_deferred = c->initdeferred;
  if (pg::has(c->fk_upd_action)) k.on_update = c->fk_upd_action[0];
  if (pg::has(c->fk_del_action)) k.on_delete = c->fk_del_action[0];
  if (pg::has(c->fk_matchtype)) k.match = c->fk_matchtype[0];
  if (k.match == 'p') fail(ErrorCode::kFeatureNotSupported, "MATCH PARTIAL not yet implemented", c->location);
  std::vector<std::string> names = pg::strings(PG_LIST(c, fk_attrs));
  if (names.empty() && !column.empty()) names.push_back(column);
  for (const std::string& n : names) {
    const Column* col = r->column(std::string_view(n));
    if (col == nullptr) fail(ErrorCode::kUndefinedColumn, "column \"" + n + "\" referenced in foreign key constraint does not exist");
    k.columns.push_back(col->number);
  }
  for (const Node* n : PG_LIST(c, fk_del_set_cols)) {
    const Column* col = r->column(pg::str(n));
    if (col == nullptr) fail(ErrorCode::kUndefinedColumn, "column \"" + std::string(pg::str(n)) + "\" referenced in foreign key constraint does not exist");
    if (std::find(k.columns.begin(), k.columns.end(), col->number) == k.columns.end())
      fail(ErrorCode::kInvalidColumnReference, "column \"" + col->name + "\" referenced in ON DELETE SET action must be part of foreign key");
    k.on_delete_columns.push_back(col->number);
  }
  if (c->n_pk_attrs == 0) {
    for (const Constraint& p : pk->constraints)
      if (p.kind == ConstraintKind::kPrimary) {
        if (p.deferrable) fail(ErrorCode::kObjectNotInPrerequisiteState, "cannot use a deferrable primary key for referenced table \"" + pk->name + "\"");
        k.referenced_columns = p.columns;
        k.index = p.index;
      }
    if (k.index == 0) fail(ErrorCode::kUndefinedObject, "there is no primary key for referenced table \"" + pk->name + "\"");
  } else {
    for (const Node* n : PG_LIST(c, pk_attrs)) {
      const Column* col = pk->column(pg::str(n));
      if (col == nullptr) fail(ErrorCode::kUndefinedColumn, "column \"" + std::string(pg::str(n)) + "\" referenced in foreign key constraint does not exist");
      k.referenced_columns.push_back(col->number);
    }
    // A unique index over exactly these columns, whatever their order.
    for (Oid index_oid : pk->indexes) {
      auto index = state()->relation(index_oid);
      if (index == nullptr || !index->index->unique || !index->index->predicate_sql.empty() || !index->index->valid) continue;
      if (index->index->keys.size() != k.referenced_columns.size()) continue;
      std::set<int16_t> a(k.referenced_columns.begin(), k.referenced_columns.end()), b;
      for (auto& key : index->index->keys) b.insert(key.column);
      if (a != b || b.contains(0)) continue;
      if (!index->index->immediate)
        fail(ErrorCode::kObjectNotInPrerequisiteState, "cannot use a deferrable unique constraint for referenced table \"" + pk->name + "\"");
      k.index = index_oid;
      break;
    }
    if (k.index == 0)
      fail(ErrorCode::kInvalidForeignKey, "there is no unique constraint matching given keys for referenced table \"" + pk->name + "\"");
  }
  if (k.columns.size() != k.referenced_columns.size())
    fail(ErrorCode::kInvalidForeignKey, "number of referencing and referenced columns for foreign key disagree");
  k.oid = catalog().allocate_oid();
  k.name = constraint_name(*r, c, "fkey", names);
  for (size_t i = 0; i < k.columns.size(); ++i) {
    const Column &fkc = *r->column(k.columns[i]), &pkc = *pk->column(k.referenced_columns[i]);
    Oid op = 0;
    Oid pbase = view().base_type(pkc.type), fbase = view().base_type(fkc.type);
    if (const OpclassRow* oc = view().opclass(view().default_opclass(pkc.type, 403))) {
      op = view().family_operator(oc->family, oc->type, fbase, 3);
      if (op == 0) {
        // The referencing type converts implicitly to the referenced one.
        bool coercible = fbase == pbase || view().binary_coercible(fbase, oc->type);
        auto cast = view().find_cast(fbase, pbase);
        if (coercible || (cast && cast->context == 'i')) op = view().family_operator(oc->family, oc->type, oc->type, 3);
      }
    }
    if (op == 0)
      fail(ErrorCode::kDatatypeMismatch, "foreign key constraint \"" + k.name + "\" cannot be implemented", -1,
           "Key columns \"" + fkc.name + "\" and \"" + pkc.name + "\" are of incompatible types: " + view().format_type(fkc.type) + " and " + view().format_type(pkc.type) + ".");
    k.equality_operators.push_back(op);
    if (fkc.generated && (k.on_update == 'n' || k.on_update == 'd' || k.on_update == 'c'))
      fail(ErrorCode::kSyntaxError, "invalid ON UPDATE action for foreign key constraint containing generated column");
    if (fkc.generated && (k.on_delete == 'n' || k.on_delete == 'd'))
      fail(ErrorCode::kSyntaxError, "invalid ON DELETE action for foreign key constraint containing generated column");
  }
  if (r->partitioning && !recurse_ && pk->partitioning == std::nullopt)
    fail(ErrorCode::kWrongObjectType, "cannot use ONLY for foreign key on partitioned table \"" + r->name + "\" referencing relation \"" + pk->name + "\"");
  if (r->partitioning && c->skip_validation && validate)
    fail(ErrorCode::kWrongObjectType, "cannot add NOT VALID foreign key on partitioned table \"" + r->name + "\" referencing relation \"" + pk->name + "\"", -1, "This feature is not yet supported on partitioned tables.");
  k.validated = !c->skip_validation || !validate;
  if (validate && !c->skip_validation && r->relkind == 'r') validate_constraint(*r, k, host.exec());
  r->constraints.push_back(k);
  put(std::make_shared<Relation>(*r));
  ObjectAddress self{ObjectKind::kConstraint, k.oid, 0};
  if (r->partitioning) {
    for (Oid child : direct_children(*state(), r->oid)) clone_foreign_key(k, *state()->relation(r->oid), child);
    r = edit(state()->relation(r->oid));
  }
  changes().add_dependency({self, {ObjectKind::kRelation, r->oid, 0}, DependencyKind::kAuto});
  for (int16_t n : k.columns) changes().add_dependency({self, {ObjectKind::kRelation, r->oid, n}, DependencyKind::kAuto});
  for (int16_t n : k.referenced_columns) changes().add_dependency({self, {ObjectKind::kRelation, k.referenced, n}, DependencyKind::kNormal});
  changes().add_dependency({self, {ObjectKind::kRelation, k.index, 0}, DependencyKind::kNormal});
}

}  // namespace stele::sql
