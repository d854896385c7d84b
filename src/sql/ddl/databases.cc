// CREATE, ALTER and DROP DATABASE. A database is a set of schemas (catalog/objects.h); those that come with the server
// (stele, postgres, the templates) are names of the default one, which the other doors show.
#include "sql/ddl/ddl.h"
#include "sql/plpgsql/call.h"

namespace stele::sql {

namespace {
// Byte order is the only one that a database as a whole can have.
bool byte_order(std::string_view locale) {
  return locale == "C" || locale == "POSIX" || locale == "C.UTF-8" || locale == "C.utf8";
}
bool utf8_name(std::string name) {
  std::string plain;
  for (char c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) plain.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  return plain == "utf8" || plain == "unicode";
}
bool other_encoding_name(std::string_view name) {
  static const char* const kNames[] = {"SQL_ASCII", "LATIN1", "LATIN2", "LATIN3", "LATIN4", "LATIN5", "LATIN6", "LATIN7", "LATIN8", "LATIN9", "LATIN10", "WIN1250", "WIN1251",
                                       "WIN1252", "WIN1253", "WIN1254", "WIN1255", "WIN1256", "WIN1257", "WIN1258", "WIN866", "WIN874", "KOI8R", "KOI8U", "EUC_JP", "EUC_CN", "EUC_KR",
                                       "EUC_TW", "EUC_JIS_2004", "ISO_8859_5", "ISO_8859_6", "ISO_8859_7", "ISO_8859_8", "MULE_INTERNAL"};
  std::string upper_name = upper(name);
  for (const char* n : kNames)
    if (upper_name == n) return true;
  return false;
}
}  // namespace

Ptr<catalog::Database> Ddl::database_named(std::string_view name, bool missing_ok) {
  auto d = std::static_pointer_cast<const catalog::Database>(state()->find(ObjectKind::kDatabase, 0, name));
  if (d == nullptr && !missing_ok) fail(ErrorCode::kInvalidCatalogName, "database \"" + std::string(name) + "\" does not exist");
  return d;
}

void Ddl::create_database(const pg::CreatedbStmt* s) {
  host.prevent_in_block("CREATE DATABASE");
  auto d = std::make_shared<catalog::Database>();
  d->name = s->dbname;
  d->owner = host.current_user();
  std::string source = "template1";
  std::set<std::string> given;
  for (const Node* n : PG_LIST(s, options)) {
    const pg::DefElem* o = n->def_elem;
    const std::string name = o->defname;
    const int at = o->location;
    if (!given.insert(name).second) fail(ErrorCode::kSyntaxError, "conflicting or redundant options", at);
    if (name == "owner") {
      if (o->arg == nullptr) continue;
      d->owner = role_named(def_string(o))->oid;
    } else if (name == "template") {
      if (o->arg != nullptr) source = def_string(o);
    } else if (name == "encoding") {
      if (o->arg == nullptr) continue;
      if (o->arg->node_case == pg::kInteger) {
        if (def_int(o) != 6) fail(ErrorCode::kFeatureNotSupported, "encoding " + std::to_string(def_int(o)) + " is not supported", at, "Databases of this server are in UTF8.");
      } else if (std::string encoding = def_string(o); !utf8_name(encoding)) {
        if (!other_encoding_name(encoding)) fail(ErrorCode::kUndefinedObject, encoding + " is not a valid encoding name", at);
        fail(ErrorCode::kFeatureNotSupported, "encoding \"" + encoding + "\" is not supported", at, "Databases of this server are in UTF8.");
      }
    } else if (name == "locale" || name == "lc_collate" || name == "lc_ctype") {
      if (o->arg == nullptr) continue;
      const std::string locale = def_string(o);
      if (!byte_order(locale)) {
        notice("text of database \"" + d->name + "\" sorts by code point, not as locale \"" + locale + "\" does", {}, "COLLATE sorts a column or an expression by the rules of a language.",
               "WARNING", ErrorCode::kWarning);
        continue;
      }
      if (name != "lc_ctype") d->collate = locale;
      if (name != "lc_collate") d->ctype = locale;
    } else if (name == "is_template") {
      d->is_template = o->arg == nullptr ? false : def_bool(o);
    } else if (name == "allow_connections") {
      d->allow_connections = o->arg == nullptr ? true : def_bool(o);
    } else if (name == "connection_limit") {
      d->connection_limit = o->arg == nullptr ? -1 : static_cast<int>(def_int(o));
      if (d->connection_limit < -1) fail(ErrorCode::kInvalidParameterValue, "invalid connection limit: " + std::to_string(d->connection_limit), at);
    } else if (name == "tablespace") {
      if (o->arg != nullptr) check_tablespace(def_string(o).c_str());
    } else if (name == "strategy") {
      if (o->arg == nullptr) continue;
      if (std::string strategy = def_string(o); strategy != "wal_log" && strategy != "file_copy")
        fail(ErrorCode::kInvalidParameterValue, "invalid create database strategy \"" + strategy + "\"", -1, {}, "Valid strategies are \"wal_log\", and \"file_copy\".");
    } else if (name == "locale_provider") {
      if (o->arg == nullptr) continue;
      std::string provider = def_string(o);
      for (char& c : provider) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      if (provider != "libc" && provider != "icu") fail(ErrorCode::kInvalidObjectDefinition, "unrecognized locale provider: " + provider);
      if (provider == "icu") fail(ErrorCode::kFeatureNotSupported, "databases with an ICU locale are not supported", at, {}, "COLLATE sorts a column or an expression by the rules of a language.");
    } else if (name == "location") {
      notice("LOCATION is not supported anymore", {}, "Consider using tablespaces instead.", "WARNING", ErrorCode::kFeatureNotSupported);
    } else if (name != "oid" && name != "collation_version" && name != "icu_locale") {
      fail(ErrorCode::kSyntaxError, "option \"" + name + "\" not recognized", at);
    }
  }
  auto self = state()->get_as<catalog::Role>(ObjectKind::kRole, host.current_user());
  if (!host.superuser() && (self == nullptr || !self->create_db)) fail(ErrorCode::kInsufficientPrivilege, "permission denied to create database");
  if (!is_member(host.current_user(), d->owner)) fail(ErrorCode::kInsufficientPrivilege, "must be member of role \"" + view().role_name(d->owner) + "\"");
  auto from = database_named(source, true);
  if (from == nullptr) fail(ErrorCode::kInvalidCatalogName, "template database \"" + source + "\" does not exist");
  if (!from->is_template && !host.superuser() && !is_member(host.current_user(), from->owner))
    fail(ErrorCode::kInsufficientPrivilege, "permission denied to copy database \"" + source + "\"");
  if (!from->is_template)
    fail(ErrorCode::kFeatureNotSupported, "database \"" + source + "\" cannot be copied", -1, "Only template0 and template1, which are empty, can be templates.", "Copy it with pg_dump and psql.");
  if (state()->find(ObjectKind::kDatabase, 0, d->name) != nullptr) fail(ErrorCode::kDuplicateDatabase, "database \"" + d->name + "\" already exists");
  d->oid = catalog().allocate_oid();
  put(d);
  auto schema = std::make_shared<catalog::Schema>();
  schema->oid = catalog().allocate_oid();
  schema->name = "public";
  schema->database = d->oid;
  schema->comment = "standard public schema";
  const auto standard = state()->get(ObjectKind::kSchema, catalog::kPublic);
  if (standard != nullptr) schema->owner = standard->owner;
  schema->acl = std::vector<catalog::AclItem>{{schema->owner, schema->owner, catalog::kUsage | catalog::kCreate, 0}, {0, schema->owner, catalog::kUsage, 0}};
  put(schema);
}

void Ddl::drop_database(const pg::DropdbStmt* s) {
  bool force = false;
  for (const Node* n : PG_LIST(s, options)) {
    if (std::string_view(n->def_elem->defname) != "force")
      fail(ErrorCode::kSyntaxError, std::string("unrecognized DROP DATABASE option \"") + n->def_elem->defname + "\"", n->def_elem->location);
    force = true;
  }
  host.prevent_in_block("DROP DATABASE");
  auto d = database_named(s->dbname, s->missing_ok);
  if (d == nullptr) {
    notice(std::string("database \"") + s->dbname + "\" does not exist, skipping");
    return;
  }
  check_owner(*d, "database");
  if (d->is_template) fail(ErrorCode::kWrongObjectType, "cannot drop a template database");
  if (d->oid == host.database_oid()) fail(ErrorCode::kObjectInUse, "cannot drop the currently open database");
  if (d->oid < oid::kFirstUserOid)
    fail(ErrorCode::kFeatureNotSupported, "cannot drop database \"" + d->name + "\"", -1, "It is a name of the server's default database.");
  if (std::string detail = host.close_database(d->oid, force); !detail.empty())
    fail(ErrorCode::kObjectInUse, "database \"" + d->name + "\" is being accessed by other users", -1, detail);
  std::vector<ObjectAddress> owned;
  auto all = catalog().state();
  for (ObjectKind kind : {ObjectKind::kSchema, ObjectKind::kExtension, ObjectKind::kCast})
    all->for_each(kind, [&](const Ptr<catalog::Object>& o) {
      if (o->database == d->oid) owned.push_back({kind, o->oid, 0});
    });
  drop(owned, true, /*report=*/false);
  changes().drop(ObjectKind::kDatabase, d->oid);
}

void Ddl::alter_database(const pg::AlterDatabaseStmt* s) {
  auto d = edit(database_named(s->dbname));
  check_owner(*d, "database");
  std::set<std::string> given;
  for (const Node* n : PG_LIST(s, options)) {
    const pg::DefElem* o = n->def_elem;
    const std::string name = o->defname;
    if (!given.insert(name).second) fail(ErrorCode::kSyntaxError, "conflicting or redundant options", o->location);
    if (name == "is_template") {
      d->is_template = def_bool(o);
    } else if (name == "allow_connections") {
      if (!def_bool(o) && d->oid == host.database_oid()) fail(ErrorCode::kInvalidParameterValue, "cannot disallow connections for current database");
      d->allow_connections = def_bool(o);
    } else if (name == "connection_limit") {
      const int64_t limit = def_int(o);
      if (limit < -1) fail(ErrorCode::kInvalidParameterValue, "invalid connection limit: " + std::to_string(limit), o->location);
      d->connection_limit = static_cast<int>(limit);
    } else if (name == "tablespace") {
      check_tablespace(def_string(o).c_str());
    } else {
      fail(ErrorCode::kSyntaxError, "option \"" + name + "\" not recognized", o->location);
    }
  }
  put(d);
}

void Ddl::alter_database_set(const pg::AlterDatabaseSetStmt* s) {
  auto d = edit(database_named(s->dbname));
  check_owner(*d, "database");
  // As a function's settings are: checked, with the value of FROM CURRENT.
  catalog::Function f;
  f.settings = std::move(d->settings);
  function_setting(f, s->setstmt);
  d->settings = std::move(f.settings);
  put(d);
}

void Ddl::rename_database(std::string_view from, const std::string& to) {
  auto d = edit(database_named(from));
  check_owner(*d, "database");
  auto self = state()->get_as<catalog::Role>(ObjectKind::kRole, host.current_user());
  if (!host.superuser() && (self == nullptr || !self->create_db)) fail(ErrorCode::kInsufficientPrivilege, "permission denied to rename database");
  if (state()->find(ObjectKind::kDatabase, 0, to) != nullptr) fail(ErrorCode::kDuplicateDatabase, "database \"" + to + "\" already exists");
  if (d->oid == host.database_oid()) fail(ErrorCode::kFeatureNotSupported, "current database cannot be renamed");
  if (d->oid < oid::kFirstUserOid)
    fail(ErrorCode::kFeatureNotSupported, "cannot rename database \"" + d->name + "\"", -1, "It is a name of the server's default database.");
  d->name = to;
  put(d);
}

}  // namespace stele::sql
