// Enums, composite types and domains.
#include "sql/ddl/ddl.h"

namespace stele::sql {

using namespace query;  // NOLINT

std::shared_ptr<catalog::Type> Ddl::make_type(const Target& t, char typtype) {
  if (const TypeRow* other = view().find_type(t.schema, t.name); other != nullptr)
    fail(ErrorCode::kDuplicateObject, "type \"" + t.name + "\" already exists");
  auto type = std::make_shared<catalog::Type>();
  type->oid = catalog().allocate_oid();
  type->name = t.name;
  type->schema = t.schema;
  type->owner = host.current_user();
  type->typtype = typtype;
  type->acl = default_acl('T', type->owner, t.schema);
  return type;
}

void Ddl::put_with_array(std::shared_ptr<catalog::Type> t) {
  auto a = std::make_shared<catalog::Type>();
  a->oid = catalog().allocate_oid();
  a->name = "_" + t->name;
  if (a->name.size() > 63) a->name.resize(63);
  while (view().find_type(t->schema, a->name) != nullptr) a->name = "_" + a->name;
  a->schema = t->schema;
  a->owner = t->owner;
  a->element = t->oid;
  t->array = a->oid;
  put(t);
  put(a);
  depend({ObjectKind::kType, t->oid, 0}, {ObjectKind::kSchema, t->schema, 0});
  changes().add_dependency({{ObjectKind::kType, a->oid, 0}, {ObjectKind::kType, t->oid, 0}, DependencyKind::kInternal});
}

void Ddl::create_enum(const pg::CreateEnumStmt* s) {
  Target t = creation_target(pg::strings(PG_LIST(s, type_name)));
  auto type = make_type(t, 'e');
  float order = 1;
  for (const Node* n : PG_LIST(s, vals)) {
    std::string label(pg::str(n));
    if (label.size() > 63)
      fail(ErrorCode::kInvalidName, "invalid enum label \"" + label + "\"", -1, "Labels must be 63 bytes or less.");
    for (auto& l : type->labels)
      if (l.label == label)
        throw Error(ErrorCode::kUniqueViolation, "duplicate key value violates unique constraint \"pg_enum_typid_label_index\"")
            .detail("Key (enumtypid, enumlabel)=(" + std::to_string(type->oid) + ", " + label + ") already exists.")
            .names("pg_catalog", "pg_enum", {}, {}, "pg_enum_typid_label_index");
    type->labels.push_back({catalog().allocate_oid(), order, label});
    order += 1;
  }
  put_with_array(type);
}

void Ddl::alter_enum(const pg::AlterEnumStmt* s) {
  std::vector<std::string> names = pg::strings(PG_LIST(s, type_name));
  const TypeRow* row = names.size() > 1 ? view().find_type(view().schema(names[names.size() - 2]), names.back()) : view().find_type(names.back());
  std::string shown;
  for (const std::string& n : names) shown += (shown.empty() ? "" : ".") + n;
  if (row == nullptr) fail(ErrorCode::kUndefinedObject, "type \"" + shown + "\" does not exist");
  if (row->typtype != 'e') fail(ErrorCode::kWrongObjectType, view().format_type(row->oid) + " is not an enum");
  auto found = state()->type(row->oid);
  check_owner(*found, "type");
  auto t = edit(found);
  if (std::string_view(s->new_val).size() > 63)
    fail(ErrorCode::kInvalidName, std::string("invalid enum label \"") + s->new_val + "\"", -1, "Labels must be 63 bytes or less.");
  auto label_at = [&](std::string_view l) {
    for (size_t i = 0; i < t->labels.size(); ++i)
      if (t->labels[i].label == l) return static_cast<int>(i);
    return -1;
  };
  if (pg::has(s->old_val)) {
    int i = label_at(s->old_val);
    if (i < 0) fail(ErrorCode::kInvalidParameterValue, std::string("\"") + s->old_val + "\" is not an existing enum label");
    if (label_at(s->new_val) >= 0) fail(ErrorCode::kDuplicateObject, std::string("enum label \"") + s->new_val + "\" already exists");
    t->labels[i].label = s->new_val;
    put(t);
    return;
  }
  if (label_at(s->new_val) >= 0) {
    if (s->skip_if_new_val_exists) {
      notice(std::string("enum label \"") + s->new_val + "\" already exists, skipping");
      return;
    }
    fail(ErrorCode::kDuplicateObject, std::string("enum label \"") + s->new_val + "\" already exists");
  }
  size_t at = t->labels.size();
  float order = t->labels.empty() ? 1 : t->labels.back().sort_order + 1;
  if (pg::has(s->new_val_neighbor)) {
    int i = label_at(s->new_val_neighbor);
    if (i < 0) fail(ErrorCode::kInvalidParameterValue, std::string("\"") + s->new_val_neighbor + "\" is not an existing enum label");
    at = static_cast<size_t>(s->new_val_is_after ? i + 1 : i);
    if (at == 0) order = t->labels[0].sort_order - 1;
    else if (at < t->labels.size()) order = (t->labels[at - 1].sort_order + t->labels[at].sort_order) / 2;
  }
  t->labels.insert(t->labels.begin() + static_cast<long>(at), {catalog().allocate_oid(), order, s->new_val});
  put(t);
}

void Ddl::create_composite(const pg::CompositeTypeStmt* s) {
  Target t = creation_target(s->typevar);
  check_name_free(t, "relation");
  auto r = std::make_shared<Relation>();
  r->oid = catalog().allocate_oid();
  r->name = t.name;
  r->schema = t.schema;
  r->owner = host.current_user();
  r->relkind = 'c';
  for (const Node* n : PG_LIST(s, coldeflist)) {
    Column c = make_column(n->column_def, t.name);
    for (const Column& o : r->columns)
      if (o.name == c.name) fail(ErrorCode::kDuplicateColumn, "column \"" + c.name + "\" specified more than once");
    c.number = static_cast<int16_t>(r->columns.size() + 1);
    r->columns.push_back(c);
  }
  make_row_types(*r);
  put(r);
  depend({ObjectKind::kRelation, r->oid, 0}, {ObjectKind::kSchema, r->schema, 0});
  for (const Column& c : r->columns) {
    const TypeRow* type = view().find_type(c.type);
    if (type != nullptr && type->element >= oid::kFirstUserOid) type = view().find_type(type->element);
    if (type != nullptr) depend({ObjectKind::kRelation, r->oid, c.number}, {ObjectKind::kType, type->oid, 0});
  }
}

static void domain_check(Ddl& d, catalog::Type& t, const pg::Constraint* c) {
  BindContext b = d.bind();
  b.text = {};  // errors have no place
  ExprPtr e = bind_domain_check(c->raw_expr, t.base, t.base_typmod, t.collation, b);
  Constraint k;
  k.kind = ConstraintKind::kCheck;
  k.oid = d.catalog().allocate_oid();
  k.check_sql = d.stored_sql(e, nullptr);
  if (pg::has(c->conname)) {
    k.name = c->conname;
    for (auto& o : t.constraints)
      if (o.name == k.name) d.fail(ErrorCode::kDuplicateObject, "constraint \"" + k.name + "\" for domain \"" + t.name + "\" already exists");
  } else {
    std::set<std::string> taken;
    for (auto& o : t.constraints) taken.insert(o.name);
    k.name = d.choose_name(t.name, "", "check", 0, taken);
  }
  k.validated = !c->skip_validation;
  t.constraints.push_back(k);
}

// What a domain is made of is looked at apart from the statement's text.
void Ddl::create_domain(const pg::CreateDomainStmt* s) {
  without_position([&] { make_domain(s); });
}
void Ddl::alter_domain(const pg::AlterDomainStmt* s) {
  without_position([&] { change_domain(s); });
}

void Ddl::make_domain(const pg::CreateDomainStmt* s) {
  Target t = creation_target(pg::strings(PG_LIST(s, domainname)));
  auto type = make_type(t, 'd');
  BindContext b = bind();
  ResolvedType base = type_without_position(s->type_name, b);
  const TypeRow& row = view().type(base.type);
  if (row.typtype == 'p') fail(ErrorCode::kDatatypeMismatch, "\"" + view().format_type(base.type) + "\" is not a valid base type for a domain");
  if (s->coll_clause != nullptr && row.collation == 0) fail(ErrorCode::kDatatypeMismatch, "collations are not supported by type " + view().format_type(base.type));
  type->base = base.type;
  type->base_typmod = base.typmod;
  type->collation = s->coll_clause != nullptr ? resolve_collation(pg::strings(PG_LIST(s->coll_clause, collname)), b, s->coll_clause->location) : row.collation;
  bool saw_default = false, saw_null = false;
  for (const Node* n : PG_LIST(s, constraints)) {
    const pg::Constraint* c = n->constraint;
    switch (c->contype) {
      case pg::CONSTR_DEFAULT: {
        if (saw_default) fail(ErrorCode::kSyntaxError, "multiple default expressions");
        saw_default = true;
        ExprPtr e = bind_expression(c->raw_expr, nullptr, ExprContext::kColumnDefault, b, base.type, base.typmod, type->name);
        type->default_sql = stored_sql(e, nullptr);
        break;
      }
      case pg::CONSTR_NOTNULL:
        if (saw_null) fail(ErrorCode::kSyntaxError, "conflicting NULL/NOT NULL constraints");
        type->not_null = true;
        break;
      case pg::CONSTR_NULL:
        if (type->not_null) fail(ErrorCode::kSyntaxError, "conflicting NULL/NOT NULL constraints");
        saw_null = true;
        break;
      case pg::CONSTR_CHECK: domain_check(*this, *type, c); break;
      case pg::CONSTR_UNIQUE: fail(ErrorCode::kSyntaxError, "unique constraints not possible for domains");
      case pg::CONSTR_PRIMARY: fail(ErrorCode::kSyntaxError, "primary key constraints not possible for domains");
      case pg::CONSTR_FOREIGN: fail(ErrorCode::kSyntaxError, "foreign key constraints not possible for domains");
      case pg::CONSTR_EXCLUSION: fail(ErrorCode::kSyntaxError, "exclusion constraints not possible for domains");
      case pg::CONSTR_ATTR_DEFERRABLE: case pg::CONSTR_ATTR_NOT_DEFERRABLE: case pg::CONSTR_ATTR_DEFERRED: case pg::CONSTR_ATTR_IMMEDIATE:
        fail(ErrorCode::kFeatureNotSupported, "specifying constraint deferrability not supported for domains");
      case pg::CONSTR_IDENTITY: fail(ErrorCode::kInternalError, "unrecognized constraint subtype: 3");
      case pg::CONSTR_GENERATED: fail(ErrorCode::kFeatureNotSupported, "specifying GENERATED not supported for domains");
      default: break;
    }
  }
  put_with_array(type);
  ObjectAddress self{ObjectKind::kType, type->oid, 0};
  depend(self, {ObjectKind::kType, base.type, 0});
  for (auto& c : type->constraints) changes().add_dependency({{ObjectKind::kConstraint, c.oid, 0}, self, DependencyKind::kAuto});
}

void Ddl::change_domain(const pg::AlterDomainStmt* s) {
  std::vector<std::string> names = pg::strings(PG_LIST(s, type_name));
  const TypeRow* row = names.size() > 1 ? view().find_type(view().schema(names[names.size() - 2]), names.back()) : view().find_type(names.back());
  if (row == nullptr) fail(ErrorCode::kUndefinedObject, "type \"" + names.back() + "\" does not exist");
  if (row->typtype != 'd') fail(ErrorCode::kWrongObjectType, view().format_type(row->oid) + " is not a domain");
  auto t = edit(state()->type(row->oid));
  check_owner(*t, "type");
  // Tables that use the domain are checked by validating one constraint a column.
  auto each_column = [&](const std::function<void(const Relation&, const Column&)>& f) {
    state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
      auto& r = static_cast<const Relation&>(*o);
      if (r.relkind != 'r') return;
      for (const Column& c : r.columns)
        if (!c.dropped && c.type == t->oid) f(r, c);
    });
  };
  auto has_rows = [&](const Relation& r, const Column& c, const std::string& condition) {
    auto bound = [&] {
      std::string sql = "SELECT 1 FROM " + quote_identifier(view().schema_name(r.schema)) + "." + quote_identifier(r.name) + " WHERE " + condition + " LIMIT 1";
      ParseTreePtr tree = parse_sql(sql);
      BindContext b = bind();
      b.text = tree->text;
      return std::make_pair(tree, bind_statement(tree->statements[0].node, b));
    }();
    (void)c;
    uint64_t n = 0;
    host.run(bound.second, {}, {}, [&](auto, auto) { ++n; return true; });
    return n > 0;
  };
  // Values inside of others are not looked for.
  auto no_containers = [&] {
    state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
      auto& r = static_cast<const Relation&>(*o);
      if (r.relkind != 'r' && r.relkind != 'm') return;
      for (const Column& c : r.columns) {
        if (c.dropped) continue;
        bool uses = view().is_array(c.type) && view().type(c.type).element == t->oid;
        if (const Oid composite = view().type_relation(c.type); composite != 0)
          if (auto inner = view().relation(composite))
            for (const Column& x : inner->columns) uses = uses || (!x.dropped && x.type == t->oid);
        if (uses) fail(ErrorCode::kFeatureNotSupported, "cannot alter type \"" + t->name + "\" because column \"" + r.name + "." + c.name + "\" uses it");
      }
    });
  };
  auto holds_for_all = [&](const Constraint& k) {
    no_containers();
    each_column([&](const Relation& r, const Column& c) {
      // VALUE stands for the column.
      std::string sql = k.check_sql, name = quote_identifier(c.name), out;
      for (size_t i = 0; i < sql.size();) {
        if (sql.compare(i, 5, "VALUE") == 0) { out += name; i += 5; }
        else out += sql[i++];
      }
      if (has_rows(r, c, "NOT (" + out + ")"))
        fail(ErrorCode::kCheckViolation, "column \"" + c.name + "\" of table \"" + r.name + "\" contains values that violate the new constraint");
    });
  };
  BindContext b = bind();
  switch (s->subtype[0]) {
    case 'T':
      if (s->def == nullptr) t->default_sql.clear();
      else t->default_sql = stored_sql(bind_expression(s->def, nullptr, ExprContext::kColumnDefault, b, t->base, t->base_typmod, t->name), nullptr);
      break;
    case 'N': t->not_null = false; break;
    case 'O':
      no_containers();
      each_column([&](const Relation& r, const Column& c) {
        if (has_rows(r, c, quote_identifier(c.name) + " IS NULL"))
          fail(ErrorCode::kNotNullViolation, "column \"" + c.name + "\" of table \"" + r.name + "\" contains null values");
      });
      t->not_null = true;
      break;
    case 'C': {
      domain_check(*this, *t, s->def->constraint);
      Constraint k = t->constraints.back();
      if (k.validated) holds_for_all(k);
      changes().add_dependency({{ObjectKind::kConstraint, k.oid, 0}, {ObjectKind::kType, t->oid, 0}, DependencyKind::kAuto});
      break;
    }
    case 'X': {
      size_t before = t->constraints.size();
      std::erase_if(t->constraints, [&](const Constraint& c) { return c.name == s->name; });
      if (before == t->constraints.size()) {
        if (!s->missing_ok) fail(ErrorCode::kUndefinedObject, std::string("constraint \"") + s->name + "\" of domain \"" + t->name + "\" does not exist");
        notice(std::string("constraint \"") + s->name + "\" of domain \"" + t->name + "\" does not exist, skipping");
      }
      break;
    }
    case 'V': {
      bool found = false;
      for (Constraint& c : t->constraints)
        if (c.name == s->name) {
          if (!c.validated) holds_for_all(c);
          found = c.validated = true;
        }
      if (!found) fail(ErrorCode::kUndefinedObject, std::string("constraint \"") + s->name + "\" of domain \"" + t->name + "\" does not exist");
      break;
    }
    default: break;
  }
  put(t);
}

}  // namespace stele::sql
