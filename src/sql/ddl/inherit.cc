// ALTER TABLE on tables with children: what the children follow, and what they may not do on their own.
#include "query/inheritance.h"
#include "rows/codec.h"
#include "sql/ddl/ddl.h"

namespace stele::sql {

using namespace query;  // NOLINT

namespace {
bool part_of_key(const Relation& r, const Column& c, CatalogView& view) {
  if (!r.partitioning) return false;
  for (int16_t n : r.partitioning->columns)
    if (n == c.number) return true;
  (void)view;
  return false;
}
}  // namespace

// What a partition, an inheriting table or a key column forbids.
void Ddl::check_alter_child(const Relation& r, const pg::AlterTableCmd* c) {
  if (recursing_) return;
  const auto children = direct_children(*state(), r.oid);
  const Column* column = pg::has(c->name) ? r.column(std::string_view(c->name)) : nullptr;
  auto only = [&](const std::string& message, const char* hint = "Do not specify the ONLY keyword.") { fail(ErrorCode::kInvalidTableDefinition, message, -1, {}, hint); };
  if (r.of_type != 0) {
    auto typed = [&](const char* what) { fail(ErrorCode::kWrongObjectType, std::string("cannot ") + what + " typed table"); };
    switch (c->subtype) {
      case pg::AT_AddColumn: case pg::AT_AddColumnRecurse: typed("add column to"); break;
      case pg::AT_DropColumn: case pg::AT_DropColumnRecurse: typed("drop column from"); break;
      case pg::AT_AlterColumnType: typed("alter column type of"); break;
      case pg::AT_AddInherit: case pg::AT_DropInherit: typed("change inheritance of"); break;
      default: break;
    }
  }
  switch (c->subtype) {
    case pg::AT_AddColumn: case pg::AT_AddColumnRecurse:
      if (r.bound) fail(ErrorCode::kWrongObjectType, "cannot add column to a partition");
      if (!recurse_ && !children.empty()) fail(ErrorCode::kInvalidTableDefinition, "column must be added to child tables too");
      return;
    case pg::AT_DropColumn: case pg::AT_DropColumnRecurse:
      if (column == nullptr) return;
      if (column->inherited()) fail(ErrorCode::kInvalidTableDefinition, "cannot drop inherited column \"" + column->name + "\"");
      if (part_of_key(r, *column, view()))
        fail(ErrorCode::kInvalidTableDefinition, "cannot drop column \"" + column->name + "\" because it is part of the partition key of relation \"" + r.name + "\"");
      if (r.partitioning && !recurse_ && !children.empty()) only("cannot drop column from only the partitioned table when partitions exist");
      return;
    case pg::AT_AlterColumnType:
      if (column == nullptr) return;
      if (column->inherited()) fail(ErrorCode::kInvalidTableDefinition, "cannot alter inherited column \"" + column->name + "\"");
      if (part_of_key(r, *column, view()))
        fail(ErrorCode::kInvalidTableDefinition, "cannot alter column \"" + column->name + "\" because it is part of the partition key of relation \"" + r.name + "\"");
      if (!recurse_ && !children.empty()) fail(ErrorCode::kInvalidTableDefinition, "type of inherited column \"" + column->name + "\" must be changed in child tables too");
      return;
    case pg::AT_SetNotNull:
      if (r.partitioning && !recurse_ && !children.empty() && column != nullptr && !column->not_null) {
        for (Oid child : children) {
          auto m = state()->relation(child);
          const Column* theirs = m->column(std::string_view(column->name));
          if (theirs != nullptr && !theirs->not_null) only("constraint must be added to child tables too");
        }
      }
      return;
    case pg::AT_DropNotNull:
      if (column == nullptr) return;
      if (r.partitioning && !recurse_ && !children.empty()) only("cannot remove constraint from only the partitioned table when partitions exist");
      if (r.bound)
        if (auto parent = state()->relation(r.parents[0])) {
          const Column* above = parent->column(std::string_view(column->name));
          if (above != nullptr && above->not_null) fail(ErrorCode::kInvalidTableDefinition, "column \"" + column->name + "\" is marked NOT NULL in parent table");
        }
      return;
    case pg::AT_AddConstraint: case pg::AT_AddConstraintRecurse: {
      const pg::Constraint* k = c->def->constraint;
      if (k->contype == pg::CONSTR_CHECK && !k->is_no_inherit && !recurse_ && !children.empty()) fail(ErrorCode::kInvalidTableDefinition, "constraint must be added to child tables too");
      return;
    }
    case pg::AT_DropConstraint: case pg::AT_DropConstraintRecurse:
      for (const Constraint& k : r.constraints) {
        if (k.name != c->name) continue;
        if (k.inherit_count > 0) fail(ErrorCode::kInvalidTableDefinition, "cannot drop inherited constraint \"" + k.name + "\" of relation \"" + r.name + "\"");
        if (r.partitioning && !recurse_ && !children.empty() && k.kind == ConstraintKind::kCheck) only("cannot remove constraint from only the partitioned table when partitions exist");
      }
      return;
    case pg::AT_SetLogged: case pg::AT_SetUnLogged: return;
    case pg::AT_AddInherit: case pg::AT_DropInherit:
      if (r.partitioning) fail(ErrorCode::kWrongObjectType, "cannot change inheritance of partitioned table");
      if (r.bound) fail(ErrorCode::kWrongObjectType, "cannot change inheritance of a partition");
      return;
    default: return;
  }
}

// The same command, on every child.
void Ddl::alter_children(const Relation& parent, const Relation& before, const pg::AlterTableCmd* c, const pg::AlterTableStmt* s) {
  (void)before;
  if (!recurse_) return;
  switch (c->subtype) {
    case pg::AT_ColumnDefault: case pg::AT_SetNotNull: case pg::AT_AlterColumnType: case pg::AT_SetStatistics: case pg::AT_SetStorage: case pg::AT_DropExpression: break;
    case pg::AT_DropNotNull: case pg::AT_EnableTrig: case pg::AT_EnableAlwaysTrig: case pg::AT_EnableReplicaTrig: case pg::AT_DisableTrig: case pg::AT_EnableTrigAll:
    case pg::AT_DisableTrigAll: case pg::AT_EnableTrigUser: case pg::AT_DisableTrigUser:
      if (!parent.partitioning) return;
      break;
    case pg::AT_ValidateConstraint: case pg::AT_ValidateConstraintRecurse: break;
    default: return;
  }
  const bool outer = std::exchange(recursing_, true);
  for (Oid child : direct_children(*state(), parent.oid)) {
    auto r = edit(state()->relation(child));
    if (r->relkind != 'r' && r->relkind != 'p') continue;
    const bool column = c->subtype == pg::AT_ColumnDefault || c->subtype == pg::AT_SetNotNull || c->subtype == pg::AT_AlterColumnType || c->subtype == pg::AT_DropNotNull;
    if (column && r->column(std::string_view(c->name)) == nullptr) continue;
    if ((c->subtype == pg::AT_ValidateConstraint || c->subtype == pg::AT_ValidateConstraintRecurse) && !constraint_exists(*r, c->name)) continue;
    if ((c->subtype == pg::AT_EnableTrig || c->subtype == pg::AT_DisableTrig || c->subtype == pg::AT_EnableAlwaysTrig || c->subtype == pg::AT_EnableReplicaTrig) &&
        state()->find(ObjectKind::kTrigger, r->oid, c->name) == nullptr) continue;
    host.lock_relation(child, LockMode::kAccessExclusive);
    const Relation old = *r;
    alter_command(r, c, s);
    host.next_command();
    alter_children(*state()->relation(child), old, c, s);
  }
  recursing_ = outer;
}

void Ddl::add_inherited_column(const Relation& parent, const Column& column, const pg::ColumnDef* d) {
  for (Oid child : direct_children(*state(), parent.oid)) {
    auto m = edit(state()->relation(child));
    if (m->relkind != 'r' && m->relkind != 'p') continue;
    host.lock_relation(child, LockMode::kAccessExclusive);
    if (const Column* have = m->column(std::string_view(column.name))) {
      if (have->type != column.type || have->typmod != column.typmod)
        fail(ErrorCode::kDatatypeMismatch, "child table \"" + m->name + "\" has different type for column \"" + column.name + "\"");
      if (have->collation != column.collation) fail(ErrorCode::kCollationMismatch, "child table \"" + m->name + "\" has different collation for column \"" + column.name + "\"");
      notice("merging definition of column \"" + column.name + "\" for child \"" + m->name + "\"");
      ++m->columns[have->number - 1].inherit_count;
      put(m);
      continue;
    }
    (void)d;
    Column copy = column;
    copy.number = static_cast<int16_t>(m->columns.size() + 1);
    copy.inherit_count = 1;
    copy.local = false;
    copy.identity = catalog::Identity::kNone;
    m->columns.push_back(copy);
    ++m->schema_version;
    put(std::make_shared<Relation>(*m));
    if (const TypeRow* type = view().find_type(column.type)) depend({ObjectKind::kRelation, child, copy.number}, {ObjectKind::kType, type->element != 0 ? type->element : type->oid, 0});
    if (!copy.default_sql.empty()) {
      const ObjectAddress self{ObjectKind::kDefault, child, copy.number};
      changes().add_dependency({self, {ObjectKind::kRelation, child, copy.number}, DependencyKind::kAuto});
      for (const auto& dep : state()->dependencies_of({ObjectKind::kDefault, parent.oid, column.number}))
        if (dep.dependent.sub == column.number && dep.kind == DependencyKind::kNormal && dep.referenced.oid != parent.oid) changes().add_dependency({self, dep.referenced, dep.kind});
    }
    // Values that are computed row by row are computed for the child's rows as well.
    if (m->relkind == 'r' && !copy.default_sql.empty() && !copy.missing_value) {
      host.next_command();
      ParsedExpression p = parse_expression(copy.default_sql);
      BindContext b = bind();
      CatalogView sv = stored_view();
      b.view = &sv;
      b.text = copy.default_sql;
      ExprPtr e = bind_expression(p.node, copy.generated ? m.get() : nullptr, copy.generated ? ExprContext::kGeneratedColumn : ExprContext::kColumnDefault, b, copy.type, copy.typmod, copy.name);
      const Relation from = *m;
      std::vector<ExprPtr> columns;
      for (const Column& x : from.columns) {
        auto v = std::make_shared<VarExpr>();
        v->relation = 1;
        v->column = x.number;
        v->type = x.type;
        v->typmod = x.typmod;
        v->collation = x.collation;
        columns.push_back(x.number == copy.number ? e : ExprPtr(v));
      }
      rewrite(from, m, columns);
    } else if (m->relkind == 'r' && copy.not_null && !copy.missing_value) {
      host.next_command();
      Constraint nn;
      nn.kind = ConstraintKind::kNotNull;
      nn.columns = {copy.number};
      validate_constraint(*m, nn, host.exec());
    }
    add_inherited_column(*state()->relation(child), copy, d);
  }
}

void Ddl::drop_inherited_column(const Relation& parent, const std::string& name) {
  for (Oid child : direct_children(*state(), parent.oid)) {
    auto r = edit(state()->relation(child));
    const Column* c = r->column(std::string_view(name));
    if (c == nullptr || !c->inherited()) continue;
    Column& mine = r->columns[c->number - 1];
    if (recurse_ && mine.inherit_count == 1 && !mine.local) {
      drop_inherited_column(*r, name);
      drop({{ObjectKind::kRelation, child, mine.number}}, true);
      continue;
    }
    --mine.inherit_count;
    if (!recurse_) mine.local = true;
    put(r);
  }
}

void Ddl::add_inherited_check(const Relation& parent, const Constraint& check) {
  for (Oid child : direct_children(*state(), parent.oid)) {
    auto m = edit(state()->relation(child));
    if (m->relkind != 'r' && m->relkind != 'p') continue;
    bool merged = false;
    for (Constraint& own : m->constraints) {
      if (own.name != check.name) continue;
      if (own.kind != ConstraintKind::kCheck || own.check_sql != check.check_sql)
        fail(ErrorCode::kDuplicateObject, "constraint \"" + check.name + "\" for relation \"" + m->name + "\" already exists");
      if (own.no_inherit) fail(ErrorCode::kInvalidObjectDefinition, "constraint \"" + check.name + "\" conflicts with non-inherited constraint on relation \"" + m->name + "\"");
      notice("merging constraint \"" + check.name + "\" with inherited definition");
      ++own.inherit_count;
      merged = true;
    }
    if (merged) {
      put(m);
      continue;
    }
    const auto positions = attribute_map(parent, *m);
    Constraint copy = check;
    copy.oid = catalog().allocate_oid();
    for (int16_t& n : copy.columns) n = positions[static_cast<size_t>(n - 1)];
    copy.inherit_count = 1;
    copy.local = false;
    copy.comment.reset();
    if (copy.validated && m->relkind == 'r') validate_constraint(*m, copy, host.exec());
    m->constraints.push_back(copy);
    put(m);
    depend({ObjectKind::kConstraint, copy.oid, 0}, {ObjectKind::kRelation, m->oid, 0}, DependencyKind::kAuto);
    for (int16_t n : copy.columns) depend({ObjectKind::kConstraint, copy.oid, 0}, {ObjectKind::kRelation, m->oid, n}, DependencyKind::kAuto);
    add_inherited_check(*state()->relation(child), copy);
  }
}

void Ddl::drop_inherited_constraint(const Relation& parent, const Constraint& constraint) {
  if (constraint.kind != ConstraintKind::kCheck || constraint.no_inherit) return;
  for (Oid child : direct_children(*state(), parent.oid)) {
    auto r = edit(state()->relation(child));
    for (Constraint& own : r->constraints) {
      if (own.name != constraint.name || own.kind != ConstraintKind::kCheck || own.inherit_count == 0) continue;
      if (recurse_ && own.inherit_count == 1 && !own.local) {
        const Constraint gone = own;
        drop({{ObjectKind::kConstraint, gone.oid, 0}}, true);
        drop_inherited_constraint(*state()->relation(child), gone);
      } else {
        --own.inherit_count;
        if (!recurse_) own.local = true;
        put(r);
      }
      break;
    }
  }
}

void Ddl::add_inherit(std::shared_ptr<Relation>& r, const pg::RangeVar* name) {
  Ptr<Relation> parent = relation(name);
  if (parent->relkind != 'r') {
    if (parent->partitioning) fail(ErrorCode::kWrongObjectType, "cannot inherit from partitioned table \"" + parent->name + "\"");
    fail(ErrorCode::kWrongObjectType, "\"" + parent->name + "\" is not a table");
  }
  check_owner(*parent, "table");
  host.lock_relation(parent->oid, LockMode::kShareUpdateExclusive);
  if (parent->bound) fail(ErrorCode::kWrongObjectType, "cannot inherit from a partition");
  if (parent->persistence == 't' && r->persistence != 't') fail(ErrorCode::kWrongObjectType, "cannot inherit from temporary relation \"" + parent->name + "\"");
  if (std::find(r->parents.begin(), r->parents.end(), parent->oid) != r->parents.end())
    fail(ErrorCode::kDuplicateTable, "relation \"" + parent->name + "\" would be inherited from more than once");
  const auto below = inheritance_children(*state(), r->oid);
  if (parent->oid == r->oid || std::find(below.begin(), below.end(), parent->oid) != below.end())
    fail(ErrorCode::kDuplicateTable, "circular inheritance not allowed", -1, "\"" + parent->name + "\" is already a child of \"" + r->name + "\".");
  merge_into_existing(*r, *parent, false);
  r->parents.push_back(parent->oid);
  put(std::make_shared<Relation>(*r));
  depend({ObjectKind::kRelation, r->oid, 0}, {ObjectKind::kRelation, parent->oid, 0});
}

void Ddl::drop_inherit(std::shared_ptr<Relation>& r, const pg::RangeVar* name) {
  Ptr<Relation> parent = relation(name);
  if (std::erase(r->parents, parent->oid) == 0) fail(ErrorCode::kUndefinedTable, "relation \"" + parent->name + "\" is not a parent of relation \"" + r->name + "\"");
  for (Column& c : r->columns)
    if (!c.dropped && c.inherited() && parent->column(std::string_view(c.name)) != nullptr && --c.inherit_count == 0) c.local = true;
  for (Constraint& k : r->constraints)
    if (k.kind == ConstraintKind::kCheck && k.inherit_count > 0 && constraint_exists(*parent, k.name) && --k.inherit_count == 0) k.local = true;
  put(std::make_shared<Relation>(*r));
  const auto kept = state()->dependencies_of({ObjectKind::kRelation, r->oid, 0});
  changes().drop_dependencies_of({ObjectKind::kRelation, r->oid, 0});
  for (const auto& d : kept)
    if (!(d.referenced.kind == ObjectKind::kRelation && d.referenced.oid == parent->oid && d.referenced.sub == 0 && d.dependent.sub == 0)) changes().add_dependency(d);
}

}  // namespace stele::sql
