// What all objects held as catalog::Entry have in common: finding them along the search path, COMMENT, RENAME, OWNER,
// SET SCHEMA, DROP, and what messages call them.
#include "sql/ddl/ddl.h"
#include "types/builtin.h"

namespace stele::sql {

using catalog::Entry;
using catalog::ObjectKind;

namespace {
const Ddl::EntryKind kKinds[] = {
    {static_cast<int>(pg::OBJECT_ACCESS_METHOD), ObjectKind::kAccessMethod, "access method", "access method", "ACCESS METHOD", false},
    {static_cast<int>(pg::OBJECT_CONVERSION), ObjectKind::kConversion, "conversion", "conversion", "CONVERSION", true},
    {static_cast<int>(pg::OBJECT_EVENT_TRIGGER), ObjectKind::kEventTrigger, "event trigger", "event trigger", "EVENT TRIGGER", false},
    {static_cast<int>(pg::OBJECT_FDW), ObjectKind::kForeignWrapper, "foreign-data wrapper", "foreign-data wrapper", "FOREIGN DATA WRAPPER", false},
    {static_cast<int>(pg::OBJECT_FOREIGN_SERVER), ObjectKind::kForeignServer, "server", "foreign server", "SERVER", false},
    {static_cast<int>(pg::OBJECT_LANGUAGE), ObjectKind::kLanguage, "language", "language", "LANGUAGE", false},
    {static_cast<int>(pg::OBJECT_OPCLASS), ObjectKind::kOpclass, "operator class", "operator class", "OPERATOR CLASS", true},
    {static_cast<int>(pg::OBJECT_OPFAMILY), ObjectKind::kOpfamily, "operator family", "operator family", "OPERATOR FAMILY", true},
    {static_cast<int>(pg::OBJECT_PUBLICATION), ObjectKind::kPublication, "publication", "publication", "PUBLICATION", false},
    {static_cast<int>(pg::OBJECT_SUBSCRIPTION), ObjectKind::kSubscription, "subscription", "subscription", "SUBSCRIPTION", false},
    {static_cast<int>(pg::OBJECT_STATISTIC_EXT), ObjectKind::kStatistics, "statistics object", "statistics object", "STATISTICS", true},
    {static_cast<int>(pg::OBJECT_TABLESPACE), ObjectKind::kTablespace, "tablespace", "tablespace", "TABLESPACE", false},
    {static_cast<int>(pg::OBJECT_TSCONFIGURATION), ObjectKind::kTextSearchConfig, "text search configuration", "text search configuration", "TEXT SEARCH CONFIGURATION", true},
    {static_cast<int>(pg::OBJECT_TSDICTIONARY), ObjectKind::kTextSearchDictionary, "text search dictionary", "text search dictionary", "TEXT SEARCH DICTIONARY", true},
    {static_cast<int>(pg::OBJECT_TSPARSER), ObjectKind::kTextSearchParser, "text search parser", "text search parser", "TEXT SEARCH PARSER", true},
    {static_cast<int>(pg::OBJECT_TSTEMPLATE), ObjectKind::kTextSearchTemplate, "text search template", "text search template", "TEXT SEARCH TEMPLATE", true},
};

Oid number(const std::string& s) { return static_cast<Oid>(std::strtoul(s.c_str(), nullptr, 10)); }

// A built-in object as an entry, to be referred to.
Ptr<Entry> builtin_entry(ObjectKind kind, const std::string& name, const std::string& method) {
  auto made = [&](Oid oid) {
    auto e = std::make_shared<Entry>(kind);
    e->oid = oid;
    e->name = name;
    e->schema = Ddl::entry_kind(kind)->in_schema ? catalog::kPgCatalog : 0;
    return e;
  };
  auto in_table = [&](const char* table) -> std::shared_ptr<Entry> {
    for (const auto& f : builtin::rows(table))
      if (f[1] == name) return made(number(f[0]));
    return nullptr;
  };
  switch (kind) {
    case ObjectKind::kAccessMethod: {
      for (const auto& f : builtin::rows("pg_am"))
        if (f[1] == name) {
          auto e = made(number(f[0]));
          e->facts["type"] = f[3];
          return e;
        }
      return nullptr;
    }
    case ObjectKind::kLanguage: return in_table("pg_language");
    case ObjectKind::kTextSearchConfig: {
      auto e = in_table("pg_ts_config");
      if (e != nullptr) e->refs = {3722};
      return e;
    }
    case ObjectKind::kTextSearchDictionary:
      for (const auto& f : builtin::rows("pg_ts_dict"))
        if (f[1] == name) {
          auto e = made(number(f[0]));
          e->refs = {number(f[2])};
          return e;
        }
      return nullptr;
    case ObjectKind::kTextSearchParser: return name == "default" ? made(3722) : nullptr;
    case ObjectKind::kTextSearchTemplate: {
      static const std::pair<const char*, Oid> kTemplates[] = {{"simple", 3727}, {"synonym", 3730}, {"ispell", 3733}, {"thesaurus", 3742}, {"snowball", 13150}};
      for (auto& [n, oid] : kTemplates)
        if (name == n) return made(oid);
      return nullptr;
    }
    case ObjectKind::kTablespace: return name == "pg_default" ? made(1663) : name == "pg_global" ? made(1664) : nullptr;
    case ObjectKind::kOpclass: case ObjectKind::kOpfamily: {
      Oid am = 0;
      for (const auto& f : builtin::rows("pg_am"))
        if (f[1] == method) am = number(f[0]);
      for (const auto& f : builtin::rows(kind == ObjectKind::kOpclass ? "pg_opclass" : "pg_opfamily"))
        if (f[1] == name && number(f[2]) == am) {
          auto e = made(number(f[0]));
          e->facts["method"] = method;
          if (kind == ObjectKind::kOpclass) e->refs = {number(f[3]), number(f[4])};
          return e;
        }
      return nullptr;
    }
    default: return nullptr;
  }
}
}  // namespace

const Ddl::EntryKind* Ddl::entry_kind(int object_type) {
  for (const EntryKind& k : kKinds)
    if (k.object_type == object_type) return &k;
  return nullptr;
}
const Ddl::EntryKind* Ddl::entry_kind(ObjectKind kind) {
  for (const EntryKind& k : kKinds)
    if (k.kind == kind) return &k;
  return nullptr;
}

Ddl::EntryName Ddl::entry_name(const Node* n, int object_type) {
  EntryName out;
  if (n->node_case == pg::kString) {
    out.parts = {std::string(pg::str(n))};
  } else {
    out.parts = pg::strings(PG_LIST(n->list, items));
    if (object_type == static_cast<int>(pg::OBJECT_OPCLASS) || object_type == static_cast<int>(pg::OBJECT_OPFAMILY)) {
      out.method = out.parts.front();
      out.parts.erase(out.parts.begin());
    }
  }
  return out;
}

Ptr<Entry> Ddl::find_entry(ObjectKind kind, const EntryName& name) {
  const EntryKind& k = *entry_kind(kind);
  const std::string key = kind == ObjectKind::kOpclass || kind == ObjectKind::kOpfamily ? name.parts.back() + '\0' + name.method : name.parts.back();
  auto in = [&](Oid schema) -> Ptr<Entry> {
    if (auto o = state()->find(kind, schema, key)) return std::static_pointer_cast<const Entry>(o);
    if (schema == 0 || schema == catalog::kPgCatalog) return builtin_entry(kind, name.parts.back(), name.method);
    return nullptr;
  };
  if (!k.in_schema) return in(0);
  if (name.parts.size() > 1) {
    Oid schema = view().schema(name.parts[name.parts.size() - 2]);
    return schema == 0 ? nullptr : in(schema);
  }
  for (Oid schema : view().path())
    if (auto e = in(schema)) return e;
  return nullptr;
}

std::string Ddl::entry_text(ObjectKind kind, const EntryName& name) {
  std::string shown;
  for (const std::string& p : name.parts) shown += (shown.empty() ? "" : ".") + p;
  return std::string(entry_kind(kind)->word) + " \"" + shown + "\"";
}

void Ddl::check_method(const EntryName& name) {
  if (!name.method.empty() && find_entry(ObjectKind::kAccessMethod, {{name.method}, {}}) == nullptr)
    fail(ErrorCode::kUndefinedObject, "access method \"" + name.method + "\" does not exist");
}

Ptr<Entry> Ddl::entry(ObjectKind kind, const EntryName& name) {
  check_method(name);
  if (name.parts.size() > 1 && view().schema(name.parts[name.parts.size() - 2]) == 0)
    fail(ErrorCode::kInvalidSchemaName, "schema \"" + name.parts[name.parts.size() - 2] + "\" does not exist");
  auto e = find_entry(kind, name);
  if (e == nullptr)
    fail(ErrorCode::kUndefinedObject, entry_text(kind, name) + " does not exist" + (name.method.empty() ? "" : " for access method \"" + name.method + "\""));
  return e;
}

Ptr<Entry> Ddl::own_entry(ObjectKind kind, const EntryName& name) {
  auto e = entry(kind, name);
  check_owner(*e, entry_kind(kind)->owned_word);
  if (e->oid < oid::kFirstUserOid && !host.superuser()) check_owner(*e, entry_kind(kind)->owned_word);
  return e;
}

std::shared_ptr<Entry> Ddl::new_entry(ObjectKind kind, const EntryName& name) {
  const EntryKind& k = *entry_kind(kind);
  auto e = std::make_shared<Entry>(kind);
  e->name = name.parts.back();
  if (e->name.size() > 63) e->name.resize(63);
  e->owner = host.current_user();
  if (!k.in_schema && kind != ObjectKind::kTablespace) e->database = changes().database();
  if (k.in_schema) e->schema = creation_target(name.parts).schema;
  if (!name.method.empty()) e->facts["method"] = name.method;
  if (entry_exists(*e)) fail(ErrorCode::kDuplicateObject, std::string(k.word) + " \"" + e->name + "\"" + (name.method.empty() ? "" : " for access method \"" + name.method + "\"") + " already exists");
  e->oid = catalog().allocate_oid();
  return e;
}

bool Ddl::entry_exists(const Entry& e) {
  const bool by_method = e.kind() == ObjectKind::kOpclass || e.kind() == ObjectKind::kOpfamily;
  if (state()->find(e.kind(), e.schema, by_method ? e.name + '\0' + e.fact("method") : e.name) != nullptr) return true;
  return (e.schema == 0 || e.schema == catalog::kPgCatalog) && builtin_entry(e.kind(), e.name, e.fact("method")) != nullptr;
}

void Ddl::put_entry(const std::shared_ptr<Entry>& e) {
  put(e);
  if (e->schema != 0) depend({e->kind(), e->oid, 0}, {ObjectKind::kSchema, e->schema, 0});
}

void Ddl::check_entry_taken(const Entry& e, bool in_schema) {
  if (!entry_exists(e)) return;
  const EntryKind& k = *entry_kind(e.kind());
  std::string text = std::string(k.word) + " \"" + e.name + "\"";
  if (!e.fact("method").empty()) text += " for access method \"" + e.fact("method") + "\"";
  text += " already exists";
  if (in_schema && e.schema != 0) text += " in schema \"" + view().schema_name(e.schema) + "\"";
  fail(ErrorCode::kDuplicateObject, text);
}

bool Ddl::rename_entry(const pg::RenameStmt* s, const std::string& to) {
  const EntryKind* k = entry_kind(static_cast<int>(s->rename_type));
  if (k == nullptr) return false;
  const EntryName name = s->object != nullptr ? entry_name(s->object, static_cast<int>(s->rename_type)) : EntryName{{s->subname}, {}};
  auto e = entry(k->kind, name);
  if (k->kind == ObjectKind::kTablespace) {
    check_owner(*e, "tablespace");
    if (to.starts_with("pg_")) fail(ErrorCode::kReservedName, "unacceptable tablespace name \"" + to + "\"", -1, "The prefix \"pg_\" is reserved for system tablespaces.");
  }
  auto m = std::make_shared<Entry>(*e);
  m->name = to;
  if (k->kind == ObjectKind::kTextSearchParser || k->kind == ObjectKind::kTextSearchTemplate) {
    if (!host.superuser()) fail(ErrorCode::kInsufficientPrivilege, std::string("must be superuser to rename ") + k->word + "s");
  } else {
    check_owner(*e, k->owned_word);
  }
  check_entry_taken(*m, true);
  if (k->in_schema) check_schema_create(e->schema);
  if (e->oid < oid::kFirstUserOid) fail(ErrorCode::kInsufficientPrivilege, "permission denied: \"" + e->name + "\" is a system object");
  put(m);
  return true;
}

bool Ddl::entry_set_schema(const pg::AlterObjectSchemaStmt* s, Oid schema) {
  const EntryKind* k = entry_kind(static_cast<int>(s->object_type));
  if (k == nullptr) return false;
  auto e = entry(k->kind, entry_name(s->object, static_cast<int>(s->object_type)));
  if (e->schema == schema) return true;
  auto m = std::make_shared<Entry>(*e);
  m->schema = schema;
  if (k->kind == ObjectKind::kTextSearchParser || k->kind == ObjectKind::kTextSearchTemplate) {
    if (!host.superuser()) fail(ErrorCode::kInsufficientPrivilege, "must be superuser to set schema of " + describe({k->kind, e->oid, 0}));
  } else {
    check_owner(*e, k->owned_word);
  }
  check_entry_taken(*m, true);
  put(m);
  const ObjectAddress self{k->kind, e->oid, 0};
  // Only the dependency on the schema changes.
  auto kept = state()->dependencies_of(self);
  changes().drop_dependencies_of(self);
  for (auto& d : kept)
    if (d.referenced.kind != ObjectKind::kSchema) changes().add_dependency(d);
  depend(self, {ObjectKind::kSchema, schema, 0});
  return true;
}

bool Ddl::entry_set_owner(const pg::AlterOwnerStmt* s, Oid owner) {
  const EntryKind* k = entry_kind(static_cast<int>(s->object_type));
  if (k == nullptr) return false;
  auto e = entry(k->kind, entry_name(s->object, static_cast<int>(s->object_type)));
  auto is_super = [&](Oid r) {
    auto role = state()->get_as<catalog::Role>(ObjectKind::kRole, r);
    return role != nullptr && role->superuser;
  };
  if (k->kind == ObjectKind::kForeignWrapper) {
    if (!host.superuser())
      fail(ErrorCode::kInsufficientPrivilege, "permission denied to change owner of foreign-data wrapper \"" + e->name + "\"", -1, {}, "Must be superuser to change owner of a foreign-data wrapper.");
    if (!is_super(owner))
      fail(ErrorCode::kInsufficientPrivilege, "permission denied to change owner of foreign-data wrapper \"" + e->name + "\"", -1, {}, "The owner of a foreign-data wrapper must be a superuser.");
  }
  if (e->owner == owner) return true;
  if (!host.superuser()) {
    check_owner(*e, k->owned_word);
    if (!is_member(host.current_user(), owner)) fail(ErrorCode::kInsufficientPrivilege, "must be member of role \"" + view().role_name(owner) + "\"");
    if (k->in_schema) {
      auto schema = state()->get_as<catalog::Schema>(ObjectKind::kSchema, e->schema);
      if (schema != nullptr && !has_privilege(schema->acl, schema->owner, owner, catalog::kCreate, 0)) fail(ErrorCode::kInsufficientPrivilege, "permission denied for schema " + schema->name);
    }
    if (k->kind == ObjectKind::kForeignServer) {
      auto fdw = state()->get_as<Entry>(ObjectKind::kForeignWrapper, e->ref(0));
      if (fdw != nullptr && !has_privilege(fdw->acl, fdw->owner, owner, catalog::kUsage, 0)) fail(ErrorCode::kInsufficientPrivilege, "permission denied for foreign-data wrapper " + fdw->name);
    }
  }
  if (k->kind == ObjectKind::kEventTrigger && !is_super(owner))
    fail(ErrorCode::kInsufficientPrivilege, "permission denied to change owner of event trigger \"" + e->name + "\"", -1, {}, "The owner of an event trigger must be a superuser.");
  if (k->kind == ObjectKind::kSubscription && !is_super(owner))
    fail(ErrorCode::kInsufficientPrivilege, "permission denied to change owner of subscription \"" + e->name + "\"", -1, {}, "The owner of a subscription must be a superuser.");
  if (k->kind == ObjectKind::kPublication && !is_super(owner)) {
    if (e->fact("all_tables") == "t")
      fail(ErrorCode::kInsufficientPrivilege, "permission denied to change owner of publication \"" + e->name + "\"", -1, {}, "The owner of a FOR ALL TABLES publication must be a superuser.");
    bool schemas = false;
    state()->for_each(ObjectKind::kPublicationSchema, [&](const Ptr<catalog::Object>& o) { schemas |= static_cast<const Entry&>(*o).ref(0) == e->oid; });
    if (schemas)
      fail(ErrorCode::kInsufficientPrivilege, "permission denied to change owner of publication \"" + e->name + "\"", -1, {}, "The owner of a FOR TABLES IN SCHEMA publication must be a superuser.");
  }
  if (e->oid < oid::kFirstUserOid) fail(ErrorCode::kInsufficientPrivilege, "permission denied: \"" + e->name + "\" is a system object");
  auto m = std::make_shared<Entry>(*e);
  m->owner = owner;
  put(m);
  return true;
}

bool Ddl::comment_entry(const pg::CommentStmt* s, const std::optional<std::string>& text) {
  const EntryKind* k = entry_kind(static_cast<int>(s->objtype));
  if (k == nullptr) return false;
  auto e = entry(k->kind, entry_name(s->object, static_cast<int>(s->objtype)));
  if (k->kind == ObjectKind::kTextSearchParser || k->kind == ObjectKind::kTextSearchTemplate) {
    if (!host.superuser()) fail(ErrorCode::kInsufficientPrivilege, std::string("must be superuser to comment on ") + k->word);
  } else {
    check_owner(*e, k->owned_word);
  }
  if (e->oid < oid::kFirstUserOid) return true;
  auto m = std::make_shared<Entry>(*e);
  m->comment = text;
  put(m);
  return true;
}

bool Ddl::drop_entry(const pg::DropStmt* s, const Node* object, std::vector<ObjectAddress>& targets) {
  if (s->remove_type == pg::OBJECT_TRANSFORM) {
    const auto parts = PG_LIST(object->list, items);
    BindContext b = bind();
    std::string shown;
    for (const std::string& part : pg::strings(PG_LIST(parts[0]->type_name, names))) shown += (shown.empty() ? "" : ".") + part;
    Oid type = 0;
    try {
      type = type_without_position(parts[0]->type_name, b).type;
    } catch (const Error& e) {
      if (!s->missing_ok || e.code() != ErrorCode::kUndefinedObject) throw;
      notice("type \"" + shown + "\" does not exist, skipping");
      return true;
    }
    const std::string language(pg::str(parts[1]));
    auto lang = find_entry(ObjectKind::kLanguage, {{language}, {}});
    Ptr<Entry> found;
    state()->for_each(ObjectKind::kTransform, [&](const Ptr<catalog::Object>& o) {
      auto t = std::static_pointer_cast<const Entry>(o);
      if (lang != nullptr && t->ref(0) == type && t->ref(1) == lang->oid) found = t;
    });
    const std::string what = "transform for type " + (s->missing_ok ? shown : view().format_type(type)) + " language \"" + language + "\" does not exist";
    if (found != nullptr) targets.push_back({ObjectKind::kTransform, found->oid, 0});
    else if (!s->missing_ok) fail(ErrorCode::kUndefinedObject, what);
    else notice(what + ", skipping");
    return true;
  }
  const EntryKind* k = entry_kind(static_cast<int>(s->remove_type));
  if (k == nullptr) return false;
  const EntryName name = entry_name(object, static_cast<int>(s->remove_type));
  if (s->missing_ok) {
    check_method(name);
    if (name.parts.size() > 1 && view().schema(name.parts[name.parts.size() - 2]) == 0) {
      notice("schema \"" + name.parts[name.parts.size() - 2] + "\" does not exist, skipping");
      return true;
    }
    if (find_entry(k->kind, name) == nullptr) {
      notice(entry_text(k->kind, name) + " does not exist" + (name.method.empty() ? "" : " for access method \"" + name.method + "\"") + ", skipping");
      return true;
    }
  }
  auto e = entry(k->kind, name);
  check_owner(*e, k->owned_word);
  if (e->oid < oid::kFirstUserOid)
    fail(ErrorCode::kDependentObjectsStillExist, "cannot drop " + std::string(k->word) + " " + quote_identifier(e->name) + (name.method.empty() ? "" : " for access method " + name.method) + " because it is required by the database system");
  targets.push_back({k->kind, e->oid, 0});
  return true;
}

// What describe() says of an entry; empty: it is none.
std::string Ddl::describe_entry(const ObjectAddress& a) {
  auto s = state();
  auto e = s->get_as<Entry>(a.kind, a.oid);
  if (e == nullptr) return {};
  auto schema_of = [&](const std::string& name, Oid schema) {
    auto found = find_entry(e->kind(), {{name}, e->fact("method")});
    if (schema == 0 || (found != nullptr && found->oid == e->oid)) return quote_identifier(name);
    return quote_identifier(view().schema_name(schema)) + "." + quote_identifier(name);
  };
  switch (a.kind) {
    case ObjectKind::kOpclass: case ObjectKind::kOpfamily:
      return std::string(entry_kind(a.kind)->word) + " " + schema_of(e->name, e->schema) + " for access method " + quote_identifier(e->fact("method"));
    case ObjectKind::kUserMapping: {
      auto server = s->get_as<Entry>(ObjectKind::kForeignServer, e->ref(0));
      return "user mapping for " + (e->ref(1) == 0 ? "public" : view().role_name(e->ref(1))) + " on server " + (server == nullptr ? "?" : server->name);
    }
    case ObjectKind::kTransform: {
      auto lang = s->get(ObjectKind::kLanguage, e->ref(1));
      return "transform for " + view().format_type(e->ref(0)) + " language " + (lang != nullptr ? lang->name : e->fact("language"));
    }
    case ObjectKind::kPublicationRelation: {
      auto p = s->get(ObjectKind::kPublication, e->ref(0));
      auto r = s->relation(e->ref(1));
      return "publication of table " + (r == nullptr ? "?" : qualified(*r)) + " in publication " + (p == nullptr ? "?" : quote_identifier(p->name));
    }
    case ObjectKind::kPublicationSchema: {
      auto p = s->get(ObjectKind::kPublication, e->ref(0));
      return "publication of schema " + quote_identifier(view().schema_name(e->ref(1))) + " in publication " + (p == nullptr ? "?" : quote_identifier(p->name));
    }
    default: {
      const EntryKind* k = entry_kind(a.kind);
      return k == nullptr ? std::string() : std::string(k->word) + " " + schema_of(e->name, e->schema);
    }
  }
}

const ProcRow* Ddl::function_of(const std::vector<std::string>& name, const std::vector<Oid>& args, Oid result, const char* result_name) {
  Oid schema = 0;
  if (name.size() > 1) {
    schema = view().schema(name[name.size() - 2]);
    if (schema == 0) fail(ErrorCode::kInvalidSchemaName, "schema \"" + name[name.size() - 2] + "\" does not exist");
  }
  std::string shown, types;
  for (const std::string& part : name) shown += (shown.empty() ? "" : ".") + part;
  for (Oid t : args) types += (types.empty() ? "" : ", ") + view().format_type(t);
  const ProcRow* found = nullptr;
  for (const ProcRow* p : view().procs(name.back(), schema))
    if (found == nullptr && p->args == args) found = p;
  if (found == nullptr) fail(ErrorCode::kUndefinedFunction, "function " + shown + "(" + types + ") does not exist");
  if (result != 0 && found->result != result) fail(ErrorCode::kInvalidObjectDefinition, "function " + shown + " must return type " + result_name);
  return found;
}

}  // namespace stele::sql
