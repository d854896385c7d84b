// Foreign-data wrappers, servers, user mappings and foreign tables: kept and shown. No wrapper here has a handler that
// could fetch rows.
#include "sql/ddl/ddl.h"
#include "sql/ddl/table_options.h"
#include "sql/system_catalogs/rows.h"
#include "types/builtin.h"

namespace stele::sql {

using catalog::Entry;

namespace {
std::vector<std::string> function_name(const pg::DefElem* d) {
  if (d->arg == nullptr) return {};
  return pg::strings(PG_LIST(d->arg->list, items));
}
std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& p : parts) out += (out.empty() ? "" : ".") + p;
  return out;
}
}  // namespace

// OPTIONS (ADD a 'x', SET b 'y', DROP c).
void Ddl::change_options(std::vector<std::pair<std::string, std::string>>& options, std::span<Node* const> list) {
  for (const Node* n : list) {
    const pg::DefElem* d = n->def_elem;
    const std::string name = d->defname;
    auto have = std::find_if(options.begin(), options.end(), [&](const auto& o) { return o.first == name; });
    switch (d->defaction) {
      case PG_QUERY__DEF_ELEM_ACTION__DEFELEM_DROP:
        if (have == options.end()) fail(ErrorCode::kUndefinedObject, "option \"" + name + "\" not found");
        options.erase(have);
        break;
      case PG_QUERY__DEF_ELEM_ACTION__DEFELEM_SET:
        if (have == options.end()) fail(ErrorCode::kUndefinedObject, "option \"" + name + "\" not found");
        have->second = def_string(d);
        break;
      default:
        if (have != options.end()) fail(ErrorCode::kDuplicateObject, "option \"" + name + "\" provided more than once");
        options.emplace_back(name, def_string(d));
    }
  }
}

// What the wrapper's validator says to options of an object of the given catalogue.
void Ddl::validate_options(Oid wrapper, const std::vector<std::pair<std::string, std::string>>& options, Oid context) {
  auto w = state()->get_as<Entry>(ObjectKind::kForeignWrapper, wrapper);
  if (w == nullptr || w->ref(1) == 0) return;
  const ProcRow* p = view().proc(w->ref(1));
  if (p == nullptr) return;
  if (p->name == "postgresql_fdw_validator") {
    static const char* const kServer[] = {"authtype", "service", "connect_timeout", "dbname", "host", "hostaddr", "port", "tty", "options", "requiressl", "sslmode", "gsslib"};
    static const char* const kUser[] = {"user", "password"};
    std::span<const char* const> valid;
    if (context == 1417) valid = kServer;
    else if (context == 1418) valid = kUser;
    for (auto& [name, value] : options) {
      if (std::find_if(valid.begin(), valid.end(), [&](const char* v) { return name == v; }) != valid.end()) continue;
      std::string list;
      for (const char* v : valid) list += (list.empty() ? "" : ", ") + std::string(v);
      fail(ErrorCode::kSyntaxError, "invalid option \"" + name + "\"", -1, {}, list.empty() ? "There are no valid options in this context." : "Valid options in this context are: " + list);
    }
    return;
  }
  if (!p->user) return;
  std::string array;
  for (auto& [name, value] : options) array += (array.empty() ? "" : ", ") + quote_literal(name + "=" + value);
  query_text("SELECT " + quote_identifier(view().schema_name(p->schema)) + "." + quote_identifier(p->name) + "(ARRAY[" + array + "]::pg_catalog.text[], " + std::to_string(context) + "::pg_catalog.oid)");
}

std::string Ddl::foreign(const Node* n) {
  auto wrapper_functions = [&](Entry& e, std::span<Node* const> list, bool* handler_given, bool* validator_given) {
    for (const Node* x : list) {
      const pg::DefElem* d = x->def_elem;
      const bool handler = std::string_view(d->defname) == "handler";
      bool& given = handler ? *handler_given : *validator_given;
      if (given) fail(ErrorCode::kSyntaxError, "conflicting or redundant options", d->location);
      given = true;
      const auto name = function_name(d);
      if (e.refs.size() < 2) e.refs.resize(2);
      if (name.empty()) {
        e.refs[handler ? 0 : 1] = 0;
        continue;
      }
      const ProcRow* p = function_of(name, handler ? std::vector<Oid>{} : std::vector<Oid>{oid::kTextArray, oid::kOid}, 0, "");
      if (handler && p->result != 3115) fail(ErrorCode::kWrongObjectType, "function " + joined(name) + " must return type fdw_handler");
      e.refs[handler ? 0 : 1] = p->oid;
    }
  };
  auto wrapper_depends = [&](const Entry& e) {
    const ObjectAddress self{ObjectKind::kForeignWrapper, e.oid, 0};
    changes().drop_dependencies_of(self);
    for (Oid f : e.refs)
      if (f != 0) depend(self, {ObjectKind::kFunction, f, 0});
  };
  auto mapping_of = [&](const Entry& server, Oid user) -> Ptr<Entry> {
    return std::static_pointer_cast<const Entry>(state()->find(ObjectKind::kUserMapping, 0, std::to_string(server.oid) + "/" + std::to_string(user)));
  };
  auto user_text = [&](const pg::RoleSpec* r, Oid user) { return r->roletype == pg::ROLESPEC_PUBLIC ? std::string("public") : view().role_name(user); };
  auto may_map = [&](const Entry& server, Oid user) {
    if (host.superuser() || is_member(host.current_user(), server.owner)) return;
    if (user != host.current_user()) check_owner(server, "foreign server");
    if (!has_privilege(server.acl, server.owner, host.current_user(), catalog::kUsage, 0)) fail(ErrorCode::kInsufficientPrivilege, "permission denied for foreign server " + server.name);
  };
  switch (n->node_case) {
    case pg::kCreateFdwStmt: {
      const pg::CreateFdwStmt* s = n->create_fdw_stmt;
      if (!host.superuser())
        fail(ErrorCode::kInsufficientPrivilege, std::string("permission denied to create foreign-data wrapper \"") + s->fdwname + "\"", -1, {}, "Must be superuser to create a foreign-data wrapper.");
      auto e = new_entry(ObjectKind::kForeignWrapper, {{s->fdwname}, {}});
      e->refs = {0, 0};
      bool handler = false, validator = false;
      wrapper_functions(*e, PG_LIST(s, func_options), &handler, &validator);
      change_options(e->options, PG_LIST(s, options));
      put_entry(e);
      wrapper_depends(*e);
      validate_options(e->oid, e->options, 2328);
      return "CREATE FOREIGN DATA WRAPPER";
    }
    case pg::kAlterFdwStmt: {
      const pg::AlterFdwStmt* s = n->alter_fdw_stmt;
      if (!host.superuser())
        fail(ErrorCode::kInsufficientPrivilege, std::string("permission denied to alter foreign-data wrapper \"") + s->fdwname + "\"", -1, {}, "Must be superuser to alter a foreign-data wrapper.");
      auto m = std::make_shared<Entry>(*entry(ObjectKind::kForeignWrapper, {{s->fdwname}, {}}));
      bool handler = false, validator = false;
      wrapper_functions(*m, PG_LIST(s, func_options), &handler, &validator);
      if (handler) notice("changing the foreign-data wrapper handler can change behavior of existing foreign tables", {}, {}, "WARNING");
      if (validator && m->ref(1) != 0) notice("changing the foreign-data wrapper validator can cause the options for dependent objects to become invalid", {}, {}, "WARNING");
      change_options(m->options, PG_LIST(s, options));
      put(m);
      wrapper_depends(*m);
      if (s->n_options > 0) validate_options(m->oid, m->options, 2328);
      return "ALTER FOREIGN DATA WRAPPER";
    }
    case pg::kCreateForeignServerStmt: {
      const pg::CreateForeignServerStmt* s = n->create_foreign_server_stmt;
      if (state()->find(ObjectKind::kForeignServer, 0, s->servername) != nullptr && s->if_not_exists) {
        notice(std::string("server \"") + s->servername + "\" already exists, skipping", {}, {}, "NOTICE", ErrorCode::kDuplicateObject);
        return "CREATE SERVER";
      }
      auto e = new_entry(ObjectKind::kForeignServer, {{s->servername}, {}});
      auto w = entry(ObjectKind::kForeignWrapper, {{s->fdwname}, {}});
      if (!has_privilege(w->acl, w->owner, host.current_user(), catalog::kUsage, 0)) fail(ErrorCode::kInsufficientPrivilege, "permission denied for foreign-data wrapper " + w->name);
      e->refs = {w->oid};
      if (pg::has(s->servertype)) e->facts["type"] = s->servertype;
      if (pg::has(s->version)) e->facts["version"] = s->version;
      change_options(e->options, PG_LIST(s, options));
      validate_options(w->oid, e->options, 1417);
      put_entry(e);
      depend({e->kind(), e->oid, 0}, {ObjectKind::kForeignWrapper, w->oid, 0});
      return "CREATE SERVER";
    }
    case pg::kAlterForeignServerStmt: {
      const pg::AlterForeignServerStmt* s = n->alter_foreign_server_stmt;
      auto m = std::make_shared<Entry>(*own_entry(ObjectKind::kForeignServer, {{s->servername}, {}}));
      if (s->has_version) {
        if (pg::has(s->version)) m->facts["version"] = s->version;
        else m->facts.erase("version");
      }
      if (s->n_options > 0) {
        change_options(m->options, PG_LIST(s, options));
        validate_options(m->ref(0), m->options, 1417);
      }
      put(m);
      return "ALTER SERVER";
    }
    case pg::kCreateUserMappingStmt: {
      const pg::CreateUserMappingStmt* s = n->create_user_mapping_stmt;
      const Oid user = role_spec(s->user);
      auto server = entry(ObjectKind::kForeignServer, {{s->servername}, {}});
      may_map(*server, user);
      if (mapping_of(*server, user) != nullptr) {
        const std::string text = "user mapping for \"" + user_text(s->user, user) + "\" already exists for server \"" + s->servername + "\"";
        if (!s->if_not_exists) fail(ErrorCode::kDuplicateObject, text);
        notice(text + ", skipping", {}, {}, "NOTICE", ErrorCode::kDuplicateObject);
        return "CREATE USER MAPPING";
      }
      auto e = std::make_shared<Entry>(ObjectKind::kUserMapping);
      e->oid = catalog().allocate_oid();
      e->name = std::to_string(server->oid) + "/" + std::to_string(user);
      e->owner = server->owner;
      e->database = changes().database();
      e->refs = {server->oid, user};
      change_options(e->options, PG_LIST(s, options));
      validate_options(server->ref(0), e->options, 1418);
      put(e);
      depend({e->kind(), e->oid, 0}, {ObjectKind::kForeignServer, server->oid, 0});
      return "CREATE USER MAPPING";
    }
    case pg::kAlterUserMappingStmt: {
      const pg::AlterUserMappingStmt* s = n->alter_user_mapping_stmt;
      const Oid user = role_spec(s->user);
      auto server = entry(ObjectKind::kForeignServer, {{s->servername}, {}});
      auto have = mapping_of(*server, user);
      if (have == nullptr) fail(ErrorCode::kUndefinedObject, "user mapping for \"" + user_text(s->user, user) + "\" does not exist for server \"" + s->servername + "\"");
      may_map(*server, user);
      auto m = std::make_shared<Entry>(*have);
      change_options(m->options, PG_LIST(s, options));
      validate_options(server->ref(0), m->options, 1418);
      put(m);
      return "ALTER USER MAPPING";
    }
    case pg::kDropUserMappingStmt: {
      const pg::DropUserMappingStmt* s = n->drop_user_mapping_stmt;
      const Oid user = role_spec(s->user, s->missing_ok);
      if (user == 0 && s->user->roletype != pg::ROLESPEC_PUBLIC) {
        notice(std::string("role \"") + s->user->rolename + "\" does not exist, skipping");
        return "DROP USER MAPPING";
      }
      auto server = find_entry(ObjectKind::kForeignServer, {{s->servername}, {}});
      if (server == nullptr) {
        if (!s->missing_ok) fail(ErrorCode::kUndefinedObject, std::string("server \"") + s->servername + "\" does not exist");
        notice(std::string("server \"") + s->servername + "\" does not exist, skipping");
        return "DROP USER MAPPING";
      }
      auto have = mapping_of(*server, user);
      if (have == nullptr) {
        const std::string text = "user mapping for \"" + user_text(s->user, user) + "\" does not exist for server \"" + s->servername + "\"";
        if (!s->missing_ok) fail(ErrorCode::kUndefinedObject, text);
        notice(text + ", skipping");
        return "DROP USER MAPPING";
      }
      may_map(*server, user);
      drop({{ObjectKind::kUserMapping, have->oid, 0}}, true);
      return "DROP USER MAPPING";
    }
    case pg::kCreateForeignTableStmt: create_foreign_table(n->create_foreign_table_stmt); return "CREATE FOREIGN TABLE";
    case pg::kImportForeignSchemaStmt: {
      const pg::ImportForeignSchemaStmt* s = n->import_foreign_schema_stmt;
      auto server = entry(ObjectKind::kForeignServer, {{s->server_name}, {}});
      if (!has_privilege(server->acl, server->owner, host.current_user(), catalog::kUsage, 0)) fail(ErrorCode::kInsufficientPrivilege, "permission denied for foreign server " + server->name);
      const Oid schema = view().schema(s->local_schema);
      if (schema == 0) fail(ErrorCode::kInvalidSchemaName, std::string("schema \"") + s->local_schema + "\" does not exist");
      check_schema_create(schema);
      auto w = state()->get(ObjectKind::kForeignWrapper, server->ref(0));
      fail(ErrorCode::kObjectNotInPrerequisiteState, "foreign-data wrapper \"" + (w == nullptr ? "?" : w->name) + "\" has no handler");
    }
    default: fail(ErrorCode::kFeatureNotSupported, "this statement is not supported");
  }
}

void Ddl::create_foreign_table(const pg::CreateForeignTableStmt* s) {
  auto refuse = [&](const pg::Constraint* c) {
    const char* word = c->contype == pg::CONSTR_PRIMARY ? "primary key" : c->contype == pg::CONSTR_UNIQUE ? "unique" : c->contype == pg::CONSTR_FOREIGN ? "foreign key"
                       : c->contype == pg::CONSTR_EXCLUSION ? "exclusion" : nullptr;
    if (word != nullptr) fail(ErrorCode::kFeatureNotSupported, std::string(word) + " constraints are not supported on foreign tables", c->location);
  };
  const pg::CreateStmt* base = s->base_stmt;
  for (const Node* n : PG_LIST(base, table_elts)) {
    if (pg::is(n, pg::kConstraint)) refuse(n->constraint);
    else if (pg::is(n, pg::kColumnDef))
      for (const Node* c : PG_LIST(n->column_def, constraints))
        if (pg::is(c, pg::kConstraint)) refuse(c->constraint);
  }
  if (auto have = state()->find(ObjectKind::kRelation, creation_target(base->relation).schema, base->relation->relname); have != nullptr && base->if_not_exists) {
    notice(std::string("relation \"") + base->relation->relname + "\" already exists, skipping", {}, {}, "NOTICE", ErrorCode::kDuplicateTable);
    return;
  }
  table_kind_ = 'f';
  create_table(base);
  host.next_command();
  auto server = entry(ObjectKind::kForeignServer, {{s->servername}, {}});
  if (!has_privilege(server->acl, server->owner, host.current_user(), catalog::kUsage, 0)) fail(ErrorCode::kInsufficientPrivilege, "permission denied for foreign server " + server->name);
  auto r = edit(std::static_pointer_cast<const Relation>(state()->find(ObjectKind::kRelation, creation_target(base->relation).schema, base->relation->relname)));
  auto encode = [](const std::vector<std::pair<std::string, std::string>>& options) {
    std::string out;
    for (auto& [k, v] : options) out += k + '\1' + v + '\2';
    return out;
  };
  std::vector<std::pair<std::string, std::string>> options;
  change_options(options, PG_LIST(s, options));
  validate_options(server->ref(0), options, 3118);
  r->extra["server"] = std::to_string(server->oid);
  r->extra["options"] = encode(options);
  for (const Node* n : PG_LIST(base, table_elts))
    if (pg::is(n, pg::kColumnDef) && n->column_def->n_fdwoptions > 0) {
      std::vector<std::pair<std::string, std::string>> of_column;
      change_options(of_column, PG_LIST(n->column_def, fdwoptions));
      validate_options(server->ref(0), of_column, 1249);
      if (const Column* c = r->column(std::string_view(n->column_def->colname))) r->extra["column_options/" + std::to_string(c->number)] = encode(of_column);
    }
  put(r);
  depend({ObjectKind::kRelation, r->oid, 0}, {ObjectKind::kForeignServer, server->oid, 0});
}

void alter_foreign_options(Ddl& ddl, Relation& r, const pg::AlterTableCmd* c) {
  if (r.relkind != 'f') ddl.fail(ErrorCode::kWrongObjectType, "\"" + r.name + "\" is not a foreign table");
  std::string key = "options";
  if (c->subtype == pg::AT_AlterColumnGenericOptions) {
    const Column* column = r.column(std::string_view(c->name));
    if (column == nullptr) ddl.fail(ErrorCode::kUndefinedColumn, std::string("column \"") + c->name + "\" of relation \"" + r.name + "\" does not exist");
    key = "column_options/" + std::to_string(column->number);
  }
  auto options = system_catalogs::foreign_options(r.extra[key]);
  ddl.change_options(options, PG_LIST(c->def->list, items));
  auto server = ddl.state()->get_as<Entry>(ObjectKind::kForeignServer, static_cast<Oid>(std::stoul(r.extra["server"])));
  if (server != nullptr) ddl.validate_options(server->ref(0), options, key == "options" ? 3118 : 1249);
  std::string out;
  for (auto& [k, v] : options) out += k + '\1' + v + '\2';
  r.extra[key] = out;
}

}  // namespace stele::sql
