// Names, schemas, ownership and privileges, and how objects are called in messages.
#include "sql/ddl/ddl.h"

namespace stele::sql {

Ddl::Target Ddl::creation_target(const pg::RangeVar* rv) {
  Target t;
  t.name = rv->relname;
  std::string schema = pg::has(rv->schemaname) ? rv->schemaname : "";
  bool temp = std::string_view(rv->relpersistence) == "t" || schema == "pg_temp";
  if (temp) {
    if (!schema.empty() && schema != "pg_temp") fail(ErrorCode::kInvalidTableDefinition, "cannot create temporary relation in non-temporary schema", rv->location);
    if (std::string_view(rv->relpersistence) == "u") fail(ErrorCode::kInvalidTableDefinition, "only temporary relations may be created in temporary schemas", rv->location);
    t.schema = host.temp_schema(true);
    t.temporary = true;
    return t;
  }
  try {
    return creation_target(schema.empty() ? std::vector<std::string>{t.name} : std::vector<std::string>{schema, t.name});
  } catch (const Error& e) {
    Error copy = e;
    copy.set_position(position(rv->location));
    throw copy;
  }
}

Ddl::Target Ddl::creation_target(const std::vector<std::string>& names) {
  Target t;
  t.name = names.back();
  if (names.size() > 1) {
    const std::string& schema = names[names.size() - 2];
    if (schema == "pg_temp") {
      t.schema = host.temp_schema(true);
      t.temporary = true;
      return t;
    }
    t.schema = view().schema(schema);
    if (t.schema == 0) fail(ErrorCode::kInvalidSchemaName, "schema \"" + schema + "\" does not exist");
  } else {
    t.schema = view().creation_schema();
    if (t.schema == 0) fail(ErrorCode::kInvalidSchemaName, "no schema has been selected to create in");
  }
  check_schema_create(t.schema);
  return t;
}

bool Ddl::is_member(Oid member, Oid role) {
  if (member == role) return true;
  std::set<Oid> seen{member};
  std::vector<Oid> todo{member};
  while (!todo.empty()) {
    auto r = state()->get_as<catalog::Role>(ObjectKind::kRole, todo.back());
    todo.pop_back();
    if (r == nullptr) continue;
    if (r->oid == member && r->superuser) return true;
    for (auto& m : r->member_of)
      if (seen.insert(m.role).second) {
        if (m.role == role) return true;
        todo.push_back(m.role);
      }
  }
  return false;
}

bool Ddl::has_privilege(const std::optional<std::vector<catalog::AclItem>>& acl, Oid owner, Oid role, uint32_t privilege, uint32_t public_default) {
  auto r = state()->get_as<catalog::Role>(ObjectKind::kRole, role);
  if (r != nullptr && r->superuser) return true;
  if (!acl) return is_member(role, owner) || (public_default & privilege) != 0;
  for (const catalog::AclItem& i : *acl)
    if ((i.privileges & privilege) != 0 && (i.grantee == 0 || is_member(role, i.grantee))) return true;
  return false;
}

void Ddl::check_schema_create(Oid schema) {
  auto s = state()->get_as<catalog::Schema>(ObjectKind::kSchema, schema);
  if (s == nullptr || host.superuser()) return;
  if (!has_privilege(s->acl, s->owner, host.current_user(), catalog::kCreate, 0))
    fail(ErrorCode::kInsufficientPrivilege, "permission denied for schema " + s->name);
}

void Ddl::check_owner(const catalog::Object& o, std::string_view what) {
  if (host.superuser() || is_member(host.current_user(), o.owner)) return;
  fail(ErrorCode::kInsufficientPrivilege, "must be owner of " + std::string(what) + " " + o.name);
}

const char* Ddl::relkind_word(char k) {
  switch (k) {
    case 'v': return "view";
    case 'm': return "materialized view";
    case 'i': case 'I': return "index";
    case 'S': return "sequence";
    case 'c': return "composite type";
    case 'f': return "foreign table";
    default: return "table";
  }
}

std::string Ddl::qualified(const Relation& r) {
  std::string name = quote_identifier(r.name);
  if (!view().relation_visible(r)) name = quote_identifier(view().schema_name(r.schema)) + "." + name;
  return name;
}

Ptr<Relation> Ddl::relation(const pg::RangeVar* rv, bool missing_ok) {
  Ptr<Relation> r;
  if (pg::has(rv->schemaname)) {
    Oid s = view().schema(rv->schemaname);
    if (s == 0) {
      if (missing_ok) return nullptr;
      fail(ErrorCode::kInvalidSchemaName, std::string("schema \"") + rv->schemaname + "\" does not exist");
    }
    r = view().find_relation(rv->relname, s);
    if (r == nullptr && !missing_ok)
      fail(ErrorCode::kUndefinedTable, std::string("relation \"") + rv->schemaname + "." + rv->relname + "\" does not exist");
  } else {
    r = view().find_relation(rv->relname);
    if (r == nullptr && !missing_ok) fail(ErrorCode::kUndefinedTable, std::string("relation \"") + rv->relname + "\" does not exist");
  }
  return r;
}

Ptr<Relation> Ddl::table_for(const pg::RangeVar* rv, LockMode lock, bool missing_ok, const char* kinds) {
  Ptr<Relation> r = relation(rv, missing_ok);
  if (r == nullptr) {
    notice(std::string("relation \"") + rv->relname + "\" does not exist, skipping");
    return nullptr;
  }
  if (r->oid < oid::kFirstUserOid)
    fail(ErrorCode::kInsufficientPrivilege, "permission denied: \"" + r->name + "\" is a system catalog");
  check_owner(*r, relkind_word(r->relkind));
  host.lock_relation(r->oid, lock);
  changes().refresh();
  auto again = state()->relation(r->oid);
  if (again == nullptr) fail(ErrorCode::kUndefinedTable, "relation \"" + r->name + "\" does not exist");
  (void)kinds;
  return again;
}

bool Ddl::name_used(Oid schema, const std::string& name) { return state()->find(ObjectKind::kRelation, schema, name) != nullptr; }

void Ddl::check_name_free(const Target& t, const char* what) {
  // Who makes the same name at the same time waits, and loses when we commit.
  const std::string key = "name/" + std::to_string(t.schema) + "/" + t.name;
  if (!name_used(t.schema, t.name) && txn().lock({storage::LockKind::kObject, key}, LockMode::kAccessExclusive, host.exec().wait) == storage::LockOutcome::kGrantedAfterWait) {
    changes().refresh();
    if (name_used(t.schema, t.name))
      throw Error(ErrorCode::kUniqueViolation, "duplicate key value violates unique constraint \"pg_type_typname_nsp_index\"")
          .detail("Key (typname, typnamespace)=(" + t.name + ", " + std::to_string(t.schema) + ") already exists.")
          .names("pg_catalog", "pg_type", {}, {}, "pg_type_typname_nsp_index");
  }
  if (name_used(t.schema, t.name)) fail(ErrorCode::kDuplicateTable, std::string(what) + " \"" + t.name + "\" already exists");
  if (auto type = state()->find(ObjectKind::kType, t.schema, t.name))
    fail(ErrorCode::kDuplicateObject, "type \"" + t.name + "\" already exists", -1, {},
         "A relation has an associated type of the same name, so you must use a name that doesn't conflict with any existing type.");
}

// "name1_name2_label", cut to fit and numbered until it is free.
std::string Ddl::choose_name(std::string base1, std::string base2, std::string label, Oid schema, const std::set<std::string>& taken) {
  for (int pass = 0;; ++pass) {
    std::string tail = pass == 0 ? label : label + std::to_string(pass);
    size_t overhead = (base2.empty() ? 0 : 1) + (tail.empty() ? 0 : 1 + tail.size());
    size_t available = 63 - overhead;
    std::string n1 = base1, n2 = base2;
    while (n1.size() + n2.size() > available) {
      if (n1.size() > n2.size()) n1.pop_back();
      else n2.pop_back();
    }
    std::string name = n1 + (n2.empty() ? "" : "_" + n2) + (tail.empty() ? "" : "_" + tail);
    if (!name_used(schema, name) && !taken.contains(name)) return name;
  }
}

Ptr<catalog::Role> Ddl::role_named(std::string_view name, bool missing_ok) {
  auto r = std::static_pointer_cast<const catalog::Role>(state()->find(ObjectKind::kRole, 0, name));
  if (r == nullptr && !missing_ok) fail(ErrorCode::kUndefinedObject, "role \"" + std::string(name) + "\" does not exist");
  return r;
}

Oid Ddl::role_spec(const pg::RoleSpec* r, bool missing_ok) {
  switch (r->roletype) {
    case pg::ROLESPEC_CURRENT_ROLE: case pg::ROLESPEC_CURRENT_USER: return host.current_user();
    case pg::ROLESPEC_SESSION_USER: return host.session_user();
    case pg::ROLESPEC_PUBLIC: return 0;
    default: {
      auto role = role_named(r->rolename, missing_ok);
      return role == nullptr ? 0 : role->oid;
    }
  }
}

std::string Ddl::def_string(const pg::DefElem* d) {
  const Node* a = d->arg;
  if (a == nullptr) return "true";
  switch (a->node_case) {
    case pg::kString: return a->string->sval;
    case pg::kInteger: return std::to_string(a->integer->ival);
    case pg::kFloat: return a->float_->fval;
    case pg::kBoolean: return a->boolean->boolval ? "true" : "false";
    case pg::kTypeName: return std::string(pg::str(a->type_name->names[a->type_name->n_names - 1]));
    case pg::kAStar: return "*";
    case pg::kList: {
      std::string s;
      for (const Node* n : PG_LIST(a->list, items)) s += (s.empty() ? "" : ".") + std::string(pg::str(n));
      return s;
    }
    default: return "";
  }
}

bool Ddl::def_bool(const pg::DefElem* d) {
  if (d->arg == nullptr) return true;
  if (d->arg->node_case == pg::kInteger) return d->arg->integer->ival != 0;
  auto b = parse_bool_setting(def_string(d));
  if (!b) fail(ErrorCode::kSyntaxError, std::string(d->defname) + " requires a Boolean value");
  return *b;
}

int64_t Ddl::def_int(const pg::DefElem* d) {
  if (d->arg == nullptr) fail(ErrorCode::kSyntaxError, std::string(d->defname) + " requires a numeric value");
  return std::atoll(def_string(d).c_str());
}

std::map<std::string, std::string> Ddl::options(std::span<Node* const> list) {
  std::map<std::string, std::string> out;
  for (const Node* n : list) {
    const pg::DefElem* d = n->def_elem;
    std::string name = d->defname;
    if (pg::has(d->defnamespace)) name = std::string(d->defnamespace) + "." + name;
    if (out.contains(name)) fail(ErrorCode::kInvalidParameterValue, "parameter \"" + name + "\" specified more than once");
    out[name] = def_string(d);
  }
  return out;
}

std::string Ddl::describe(const ObjectAddress& a) {
  auto s = state();
  auto with_schema = [&](Oid schema, const std::string& name, bool visible) {
    return visible ? quote_identifier(name) : quote_identifier(view().schema_name(schema)) + "." + quote_identifier(name);
  };
  switch (a.kind) {
    case ObjectKind::kRelation: {
      auto r = view().relation(a.oid);
      if (r == nullptr) return "relation " + std::to_string(a.oid);
      std::string base = std::string(r->relkind == 'c' && a.sub == 0 ? "type" : relkind_word(r->relkind)) + " " + qualified(*r);
      if (a.sub > 0) {
        const Column* c = r->column(static_cast<int16_t>(a.sub));
        return "column " + quote_identifier(c != nullptr ? c->name : "?") + " of " + base;
      }
      return base;
    }
    case ObjectKind::kDefault: {
      auto r = view().relation(a.oid);
      const Column* c = r != nullptr ? r->column(static_cast<int16_t>(a.sub)) : nullptr;
      return "default value for column " + quote_identifier(c != nullptr ? c->name : "?") + " of table " + (r != nullptr ? qualified(*r) : "?");
    }
    case ObjectKind::kConstraint: {
      for (const auto& d : s->dependencies_of({ObjectKind::kConstraint, a.oid, 0})) {
        if (d.referenced.kind == ObjectKind::kRelation) {
          auto r = s->relation(d.referenced.oid);
          if (r != nullptr)
            for (const Constraint& c : r->constraints)
              if (c.oid == a.oid) return "constraint " + quote_identifier(c.name) + " on table " + qualified(*r);
        }
        if (d.referenced.kind == ObjectKind::kType) {
          auto t = s->type(d.referenced.oid);
          if (t != nullptr)
            for (const Constraint& c : t->constraints)
              if (c.oid == a.oid) return "constraint " + quote_identifier(c.name);
        }
      }
      return "constraint " + std::to_string(a.oid);
    }
    case ObjectKind::kType: {
      return "type " + view().format_type(a.oid);
    }
    case ObjectKind::kFunction: {
      const ProcRow* p = view().proc(a.oid);
      if (p == nullptr) return "function " + std::to_string(a.oid);
      std::string args;
      for (Oid t : p->args) args += (args.empty() ? "" : ",") + view().format_type(t);
      return std::string(p->kind == 'a' ? "function " : p->kind == 'p' ? "procedure " : "function ") + with_schema(p->schema, p->name, view().proc_visible(a.oid)) + "(" + args + ")";
    }
    case ObjectKind::kSchema: return "schema " + quote_identifier(view().schema_name(a.oid));
    case ObjectKind::kOperator: {
      const OperatorRow* o = view().oper(a.oid);
      if (o == nullptr) return "operator";
      return "operator " + (view().operator_visible(a.oid) ? "" : quote_identifier(view().schema_name(o->schema)) + ".") + o->name + "(" + (o->left == 0 ? "NONE" : view().format_type(o->left)) + "," + view().format_type(o->right) + ")";
    }
    case ObjectKind::kCast: {
      auto c = s->get_as<catalog::Cast>(ObjectKind::kCast, a.oid);
      return c == nullptr ? "cast" : "cast from " + view().format_type(c->source) + " to " + view().format_type(c->target);
    }
    case ObjectKind::kTrigger: {
      auto t = s->get_as<catalog::Trigger>(ObjectKind::kTrigger, a.oid);
      if (t == nullptr) return "trigger";
      auto r = s->relation(t->relation);
      return "trigger " + quote_identifier(t->name) + " on table " + (r != nullptr ? qualified(*r) : "?");
    }
    case ObjectKind::kRule: {
      auto r = rule_relation(a.oid);
      if (r == nullptr) return "rule";
      for (const auto& rule : r->rules)
        if (rule.oid == a.oid) return "rule " + quote_identifier(rule.name) + " on " + relkind_word(r->relkind) + " " + qualified(*r);
      return "rule";
    }
    case ObjectKind::kPolicy: {
      auto p = s->get_as<catalog::Policy>(ObjectKind::kPolicy, a.oid);
      if (p == nullptr) return "policy";
      auto r = s->relation(p->relation);
      return "policy " + quote_identifier(p->name) + " on table " + (r != nullptr ? qualified(*r) : "?");
    }
    default: {
      if (std::string entry = describe_entry(a); !entry.empty()) return entry;
      auto o = s->get(a.kind, a.oid);
      const char* word = a.kind == ObjectKind::kRole ? "role " : a.kind == ObjectKind::kDatabase ? "database " : a.kind == ObjectKind::kExtension ? "extension "
                         : a.kind == ObjectKind::kCollation ? "collation " : "object ";
      return word + (o == nullptr ? std::to_string(a.oid) : o->name);
    }
  }
}

}  // namespace stele::sql
