#include "sql/ddl/event_triggers.h"

#include "sql/ddl/ddl.h"
#include "sql/functions/object_identity.h"
#include "sql/plpgsql/call.h"
#include "sql/system_catalogs/system_catalogs.h"

namespace stele::sql {

using catalog::Entry;

namespace {
// Tags that event triggers follow, and others that there are.
bool follows(std::string_view tag) {
  static const std::set<std::string_view> kNot = {
      "ALTER DATABASE", "ALTER EVENT TRIGGER", "ALTER ROLE", "ALTER SYSTEM", "ALTER TABLESPACE", "CREATE DATABASE", "CREATE EVENT TRIGGER", "CREATE ROLE", "CREATE TABLESPACE", "DROP DATABASE",
      "DROP EVENT TRIGGER", "DROP REPLICATION SLOT", "DROP ROLE", "DROP TABLESPACE", "GRANT ROLE", "REVOKE ROLE", "REASSIGN OWNED", "TRUNCATE TABLE", "LOCK TABLE", "CREATE SUBSCRIPTION_"};
  if (kNot.contains(tag)) return false;
  return tag.starts_with("CREATE ") || tag.starts_with("ALTER ") || tag.starts_with("DROP ") || tag == "COMMENT" || tag == "GRANT" || tag == "REVOKE" || tag == "SECURITY LABEL" ||
         tag == "IMPORT FOREIGN SCHEMA" || tag == "REFRESH MATERIALIZED VIEW" || tag == "SELECT INTO";
}
bool known_tag(const std::string& tag) {
  static const std::set<std::string_view> kOthers = {
      "ANALYZE", "BEGIN", "CALL", "CHECKPOINT", "CLOSE", "CLUSTER", "COMMENT", "COMMIT", "COPY", "DEALLOCATE", "DECLARE CURSOR", "DELETE", "DISCARD", "DO", "EXECUTE", "EXPLAIN", "FETCH", "GRANT",
      "GRANT ROLE", "IMPORT FOREIGN SCHEMA", "INSERT", "LISTEN", "LOAD", "LOCK TABLE", "MERGE", "MOVE", "NOTIFY", "PREPARE", "REASSIGN OWNED", "REFRESH MATERIALIZED VIEW", "REINDEX", "RELEASE",
      "RESET", "REVOKE", "REVOKE ROLE", "ROLLBACK", "SAVEPOINT", "SECURITY LABEL", "SELECT", "SELECT INTO", "SET", "SHOW", "START TRANSACTION", "TRUNCATE TABLE", "UNLISTEN", "UPDATE", "VACUUM",
      "CREATE TABLE AS", "DROP OWNED", "ALTER DEFAULT PRIVILEGES", "ALTER LARGE OBJECT", "ALTER SYSTEM", "ALTER CONSTRAINT", "CREATE CONSTRAINT", "DROP CONSTRAINT"};
  if (kOthers.contains(tag)) return true;
  static const std::set<std::string_view> kObjects = {
      "ACCESS METHOD", "AGGREGATE", "CAST", "COLLATION", "CONVERSION", "DATABASE", "DOMAIN", "EVENT TRIGGER", "EXTENSION", "FOREIGN DATA WRAPPER", "FOREIGN TABLE", "FUNCTION", "INDEX", "LANGUAGE",
      "MATERIALIZED VIEW", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY", "POLICY", "PROCEDURE", "PUBLICATION", "ROLE", "ROUTINE", "RULE", "SCHEMA", "SEQUENCE", "SERVER", "STATISTICS",
      "SUBSCRIPTION", "TABLE", "TABLESPACE", "TEXT SEARCH CONFIGURATION", "TEXT SEARCH DICTIONARY", "TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE", "TRANSFORM", "TRIGGER", "TYPE", "USER MAPPING", "VIEW"};
  for (const char* verb : {"CREATE ", "ALTER ", "DROP "})
    if (tag.starts_with(verb)) return kObjects.contains(tag.substr(std::string_view(verb).size()));
  return false;
}
}  // namespace

void Ddl::create_event_trigger(const pg::CreateEventTrigStmt* s) {
  const std::string event = s->eventname;
  if (!host.superuser())
    fail(ErrorCode::kInsufficientPrivilege, std::string("permission denied to create event trigger \"") + s->trigname + "\"", -1, {}, "Must be superuser to create an event trigger.");
  if (event != "ddl_command_start" && event != "ddl_command_end" && event != "sql_drop" && event != "table_rewrite")
    fail(ErrorCode::kSyntaxError, "unrecognized event name \"" + event + "\"");
  std::vector<std::string> tags;
  bool given = false;
  for (const Node* n : PG_LIST(s, whenclause)) {
    const pg::DefElem* d = n->def_elem;
    if (std::string_view(d->defname) != "tag") fail(ErrorCode::kSyntaxError, std::string("unrecognized filter variable \"") + d->defname + "\"");
    if (given) fail(ErrorCode::kSyntaxError, "filter variable \"tag\" specified more than once");
    given = true;
    for (std::string tag : pg::strings(PG_LIST(d->arg->list, items))) {
      const std::string wanted = upper(tag);
      if (!known_tag(wanted)) fail(ErrorCode::kSyntaxError, "filter value \"" + tag + "\" not recognized for filter variable \"tag\"");
      const bool rewrite = event == "table_rewrite";
      if (rewrite ? wanted != "ALTER TABLE" && wanted != "ALTER TYPE" && wanted != "ALTER MATERIALIZED VIEW" : !follows(wanted)) fail(ErrorCode::kFeatureNotSupported, "event triggers are not supported for " + wanted);
      tags.push_back(wanted);
    }
  }
  if (state()->find(ObjectKind::kEventTrigger, 0, s->trigname) != nullptr) fail(ErrorCode::kDuplicateObject, std::string("event trigger \"") + s->trigname + "\" already exists");
  const auto function = pg::strings(PG_LIST(s, funcname));
  const ProcRow* p = function_of(function, {}, 0, "");
  std::string shown;
  for (const std::string& part : function) shown += (shown.empty() ? "" : ".") + part;
  if (p->result != 3838) fail(ErrorCode::kInvalidObjectDefinition, "function " + shown + " must return type event_trigger");
  auto e = new_entry(ObjectKind::kEventTrigger, {{s->trigname}, {}});
  e->facts = {{"event", event}, {"enabled", "O"}};
  e->refs = {p->oid};
  e->list = tags;
  put_entry(e);
  depend({e->kind(), e->oid, 0}, {ObjectKind::kFunction, p->oid, 0});
}

void Ddl::alter_event_trigger(const pg::AlterEventTrigStmt* s) {
  auto m = std::make_shared<Entry>(*own_entry(ObjectKind::kEventTrigger, {{s->trigname}, {}}));
  m->facts["enabled"] = std::string(1, s->tgenabled[0]);
  put(m);
}

EventState* event_state(UtilityHost& host) { return static_cast<EventState*>(host.event_state.get()); }

bool any_event_trigger(const catalog::State& state) {
  bool any = false;
  state.for_each(ObjectKind::kEventTrigger, [&](const Ptr<catalog::Object>&) { any = true; });
  return any;
}

void fire_event(UtilityHost& host, const char* event, const std::string& tag) {
  std::vector<Ptr<Entry>> triggers;
  const bool replica = host.settings().shown("session_replication_role").value_or("origin") == "replica";
  host.view().state()->for_each(ObjectKind::kEventTrigger, [&](const Ptr<catalog::Object>& o) {
    auto e = std::static_pointer_cast<const Entry>(o);
    const std::string& enabled = e->fact("enabled");
    if (e->fact("event") != event || enabled == "D" || (replica ? enabled == "O" : enabled == "R")) return;
    if (!e->list.empty() && std::find(e->list.begin(), e->list.end(), tag) == e->list.end()) return;
    triggers.push_back(std::move(e));
  });
  std::sort(triggers.begin(), triggers.end(), [](const auto& a, const auto& b) { return a->name < b->name; });
  for (const auto& t : triggers) {
    auto f = host.view().state()->function(t->ref(0));
    if (f == nullptr) continue;
    EventState* s = event_state(host);
    struct Back { EventState* s; std::string before; ~Back() { if (s != nullptr) s->running = before; } } back{s, s != nullptr ? s->running : ""};
    if (s != nullptr) s->running = event;
    host.next_command();
    plpgsql::fire_event_trigger(host, f, event, tag);
    host.next_command();
  }
}

// ---- around a statement

void Ddl::put(std::shared_ptr<const catalog::Object> o) {
  if (EventState* s = event_state(host); s != nullptr && noting_) {
    const ObjectAddress a{o->kind(), o->oid, 0};
    if (std::find_if(noted_.begin(), noted_.end(), [&](const auto& n) { return n.first == a; }) == noted_.end()) noted_.emplace_back(a, state()->get(o->kind(), o->oid) == nullptr);
  }
  changes().put(std::move(o));
}

void Ddl::note_dropped(const ObjectAddress& a, bool original, bool normal) {
  EventState* s = event_state(host);
  if (s == nullptr || !noting_) return;
  const Oid cls = object_class(a.kind);
  if (cls == 0) return;
  auto id = identify_object(view(), cls, a.oid, a.sub);
  if (!id) return;
  EventState::Dropped d;
  d.class_oid = cls;
  d.object = a.oid;
  d.sub = a.sub;
  d.original = original;
  d.normal = normal;
  d.type = id->type;
  d.schema = id->schema;
  d.has_schema = !id->schema.empty();
  d.name = id->name;
  d.has_name = !id->name.empty();
  d.identity = id->identity;
  d.address_names = id->address_names;
  d.address_args = id->address_args;
  auto r = a.kind == ObjectKind::kRelation ? state()->relation(a.oid) : nullptr;
  if (r != nullptr && r->persistence == 't') {
    d.temporary = true;
    if (d.identity.starts_with(d.schema + ".")) d.identity.replace(0, d.schema.size(), "pg_temp");
    if (!d.address_names.empty()) d.address_names[0] = "pg_temp";
    d.schema = "pg_temp";
  }
  s->dropped.push_back(d);
  if (r == nullptr || a.sub != 0) return;
  // What belongs to a view: its rule.
  if (r->relkind == 'v' || r->relkind == 'm')
    if (auto rule = identify_object(view(), 2618, system_catalogs::rewrite_oid(r->oid), 0)) {
      EventState::Dropped of_rule;
      of_rule.class_oid = 2618;
      of_rule.object = system_catalogs::rewrite_oid(r->oid);
      of_rule.normal = true;
      of_rule.type = rule->type;
      of_rule.identity = rule->identity;
      of_rule.address_names = rule->address_names;
      s->dropped.push_back(std::move(of_rule));
    }
}

std::string Ddl::run_with_events(const Node* n) {
  if (!any_event_trigger(*state())) return run(n);
  const std::string tag = command_tag(n);
  // Statements about roles, databases, tablespaces and event triggers themselves are not followed.
  const bool about_shared = [&] {
    auto shared = [](int t) { return t == static_cast<int>(pg::OBJECT_EVENT_TRIGGER) || t == static_cast<int>(pg::OBJECT_ROLE) || t == static_cast<int>(pg::OBJECT_DATABASE) || t == static_cast<int>(pg::OBJECT_TABLESPACE); };
    return (n->node_case == pg::kCommentStmt && shared(static_cast<int>(n->comment_stmt->objtype)));
  }();
  if (about_shared || !follows(tag) || n->node_case == pg::kCreateEventTrigStmt || n->node_case == pg::kAlterEventTrigStmt) return run(n);
  auto outer = host.event_state;
  struct Back { UtilityHost& host; std::shared_ptr<void> outer; ~Back() { host.event_state = outer; } } back{host, outer};
  auto s = std::make_shared<EventState>();
  host.event_state = s;
  fire_event(host, "ddl_command_start", tag);
  noting_ = true;
  std::string done = run(n);
  noting_ = false;
  note_commands(tag);
  if (!s->dropped.empty()) fire_event(host, "sql_drop", tag);
  fire_event(host, "ddl_command_end", tag);
  return done;
}

// What pg_event_trigger_ddl_commands() tells: the objects made, and what an ALTER or COMMENT was about.
void Ddl::note_commands(const std::string& tag) {
  EventState& s = *event_state(host);
  const bool creates = tag.starts_with("CREATE ") || tag == "SELECT INTO" || tag == "IMPORT FOREIGN SCHEMA";
  if (tag.starts_with("DROP ")) return;
  if (tag == "GRANT" || tag == "REVOKE") {
    EventState::Command c;
    c.tag = tag;
    c.type = "";
    s.commands.push_back(std::move(c));
    return;
  }
  // Sequences of serial columns are made before their table.
  std::stable_sort(noted_.begin(), noted_.end(), [&](const auto& x, const auto& y) {
    auto first = [&](const auto& n) {
      auto r = n.first.kind == ObjectKind::kRelation ? state()->relation(n.first.oid) : nullptr;
      return r != nullptr && r->relkind == 'S';
    };
    return first(x) && !first(y);
  });
  for (auto& [a, is_new] : noted_) {
    if (state()->get(a.kind, a.oid) == nullptr) continue;
    std::string own = tag;
    if (a.kind == ObjectKind::kRelation) {
      auto r = state()->relation(a.oid);
      if (r->relkind == 'c' && !tag.ends_with("TYPE")) continue;
      if (is_new) own = r->index ? "CREATE INDEX" : r->relkind == 'S' ? "CREATE SEQUENCE" : creates ? tag : r->relkind == 'v' ? "CREATE VIEW" : "CREATE TABLE";
      else if (creates && (!r->index && r->relkind != 'S') && tag != "CREATE RULE" && tag != "CREATE TRIGGER" && tag != "CREATE POLICY") continue;
      else if (creates) continue;
      else if (r->relkind == 'S' && tag == "ALTER TABLE") continue;
      else if (r->index && tag == "ALTER TABLE") continue;
    } else if (a.kind == ObjectKind::kType) {
      auto t = state()->type(a.oid);
      if ((t->element != 0 && t->typtype == 'b') || t->relation != 0 || t->typtype == 'm') {
        if (t->relation == 0 || !tag.ends_with(" TYPE")) continue;
      }
    } else if (a.kind == ObjectKind::kSetting || a.kind == ObjectKind::kRole) {
      continue;
    }
    const Oid cls = object_class(a.kind);
    auto id = identify_object(view(), cls, a.oid, 0);
    if (!id) continue;
    EventState::Command c;
    c.class_oid = cls;
    c.object = a.oid;
    c.tag = own;
    c.type = id->type;
    c.schema = id->schema;
    c.has_schema = !id->schema.empty();
    c.identity = id->identity;
    s.commands.push_back(std::move(c));
  }
  // A serial column's sequence is given to its column at last.
  for (auto& [a, is_new] : noted_) {
    auto r = a.kind == ObjectKind::kRelation && is_new && tag == "CREATE TABLE" ? state()->relation(a.oid) : nullptr;
    if (r == nullptr || r->relkind != 'S' || r->sequence->owner_table == 0 || r->sequence->identity) continue;
    auto id = identify_object(view(), 1259, a.oid, 0);
    EventState::Command c;
    c.class_oid = 1259;
    c.object = a.oid;
    c.tag = "ALTER SEQUENCE";
    c.type = id->type;
    c.schema = id->schema;
    c.identity = id->identity;
    s.commands.push_back(std::move(c));
  }
}

std::string Ddl::command_tag(const Node* n) {
  auto drop_tag = [](int type) -> std::string {
    static const std::map<int, const char*> kWords = {
        {static_cast<int>(pg::OBJECT_TABLE), "TABLE"}, {static_cast<int>(pg::OBJECT_VIEW), "VIEW"}, {static_cast<int>(pg::OBJECT_MATVIEW), "MATERIALIZED VIEW"}, {static_cast<int>(pg::OBJECT_INDEX), "INDEX"},
        {static_cast<int>(pg::OBJECT_SEQUENCE), "SEQUENCE"}, {static_cast<int>(pg::OBJECT_SCHEMA), "SCHEMA"}, {static_cast<int>(pg::OBJECT_TYPE), "TYPE"}, {static_cast<int>(pg::OBJECT_DOMAIN), "DOMAIN"},
        {static_cast<int>(pg::OBJECT_FUNCTION), "FUNCTION"}, {static_cast<int>(pg::OBJECT_PROCEDURE), "PROCEDURE"}, {static_cast<int>(pg::OBJECT_ROUTINE), "ROUTINE"}, {static_cast<int>(pg::OBJECT_AGGREGATE), "AGGREGATE"},
        {static_cast<int>(pg::OBJECT_OPERATOR), "OPERATOR"}, {static_cast<int>(pg::OBJECT_CAST), "CAST"}, {static_cast<int>(pg::OBJECT_TRIGGER), "TRIGGER"}, {static_cast<int>(pg::OBJECT_EXTENSION), "EXTENSION"},
        {static_cast<int>(pg::OBJECT_COLLATION), "COLLATION"}, {static_cast<int>(pg::OBJECT_POLICY), "POLICY"}, {static_cast<int>(pg::OBJECT_RULE), "RULE"}, {static_cast<int>(pg::OBJECT_FOREIGN_TABLE), "FOREIGN TABLE"},
        {static_cast<int>(pg::OBJECT_ROLE), "ROLE"}, {static_cast<int>(pg::OBJECT_DATABASE), "DATABASE"}, {static_cast<int>(pg::OBJECT_TRANSFORM), "TRANSFORM"}, {static_cast<int>(pg::OBJECT_ATTRIBUTE), "TYPE"},
        {static_cast<int>(pg::OBJECT_DOMCONSTRAINT), "DOMAIN"}, {static_cast<int>(pg::OBJECT_TABCONSTRAINT), "TABLE"}, {static_cast<int>(pg::OBJECT_COLUMN), "TABLE"}};
    if (auto it = kWords.find(type); it != kWords.end()) return it->second;
    if (const EntryKind* k = entry_kind(type)) return k->tag;
    return "";
  };
  switch (n->node_case) {
    case pg::kCreateStmt: return "CREATE TABLE";
    case pg::kCreateForeignTableStmt: return "CREATE FOREIGN TABLE";
    case pg::kIndexStmt: return "CREATE INDEX";
    case pg::kDropStmt: return "DROP " + drop_tag(static_cast<int>(n->drop_stmt->remove_type));
    case pg::kAlterTableStmt: return "ALTER " + drop_tag(static_cast<int>(n->alter_table_stmt->objtype));
    case pg::kRenameStmt: {
      const auto* s = n->rename_stmt;
      return "ALTER " + drop_tag(static_cast<int>(s->rename_type == pg::OBJECT_COLUMN || s->rename_type == pg::OBJECT_TABCONSTRAINT ? s->relation_type : s->rename_type));
    }
    case pg::kAlterObjectSchemaStmt: return "ALTER " + drop_tag(static_cast<int>(n->alter_object_schema_stmt->object_type));
    case pg::kAlterOwnerStmt: return "ALTER " + drop_tag(static_cast<int>(n->alter_owner_stmt->object_type));
    case pg::kCreateSeqStmt: return "CREATE SEQUENCE";
    case pg::kAlterSeqStmt: return "ALTER SEQUENCE";
    case pg::kViewStmt: return "CREATE VIEW";
    case pg::kSelectStmt: return "SELECT INTO";
    case pg::kCreateTableAsStmt: return n->create_table_as_stmt->objtype == pg::OBJECT_MATVIEW ? "CREATE MATERIALIZED VIEW" : n->create_table_as_stmt->is_select_into ? "SELECT INTO" : "CREATE TABLE AS";
    case pg::kRefreshMatViewStmt: return "REFRESH MATERIALIZED VIEW";
    case pg::kCreateSchemaStmt: return "CREATE SCHEMA";
    case pg::kCommentStmt: return "COMMENT";
    case pg::kCreateEnumStmt: case pg::kCompositeTypeStmt: case pg::kCreateRangeStmt: return "CREATE TYPE";
    case pg::kAlterEnumStmt: case pg::kAlterTypeStmt: return "ALTER TYPE";
    case pg::kCreateDomainStmt: return "CREATE DOMAIN";
    case pg::kAlterDomainStmt: return "ALTER DOMAIN";
    case pg::kGrantStmt: return n->grant_stmt->is_grant ? "GRANT" : "REVOKE";
    case pg::kDropOwnedStmt: return "DROP OWNED";
    case pg::kCreateFunctionStmt: return n->create_function_stmt->is_procedure ? "CREATE PROCEDURE" : "CREATE FUNCTION";
    case pg::kAlterFunctionStmt: return n->alter_function_stmt->objtype == pg::OBJECT_PROCEDURE ? "ALTER PROCEDURE" : "ALTER FUNCTION";
    case pg::kDefineStmt: return "CREATE " + drop_tag(static_cast<int>(n->define_stmt->kind));
    case pg::kCreateCastStmt: return "CREATE CAST";
    case pg::kCreateTrigStmt: return "CREATE TRIGGER";
    case pg::kCreatePolicyStmt: return "CREATE POLICY";
    case pg::kAlterPolicyStmt: return "ALTER POLICY";
    case pg::kRuleStmt: return "CREATE RULE";
    case pg::kCreateExtensionStmt: return "CREATE EXTENSION";
    case pg::kAlterDefaultPrivilegesStmt: return "ALTER DEFAULT PRIVILEGES";
    case pg::kCreateFdwStmt: return "CREATE FOREIGN DATA WRAPPER";
    case pg::kAlterFdwStmt: return "ALTER FOREIGN DATA WRAPPER";
    case pg::kCreateForeignServerStmt: return "CREATE SERVER";
    case pg::kAlterForeignServerStmt: return "ALTER SERVER";
    case pg::kCreateUserMappingStmt: return "CREATE USER MAPPING";
    case pg::kAlterUserMappingStmt: return "ALTER USER MAPPING";
    case pg::kDropUserMappingStmt: return "DROP USER MAPPING";
    case pg::kImportForeignSchemaStmt: return "IMPORT FOREIGN SCHEMA";
    case pg::kCreateOpClassStmt: return "CREATE OPERATOR CLASS";
    case pg::kCreateOpFamilyStmt: return "CREATE OPERATOR FAMILY";
    case pg::kAlterOpFamilyStmt: return "ALTER OPERATOR FAMILY";
    case pg::kCreateAmStmt: return "CREATE ACCESS METHOD";
    case pg::kCreateConversionStmt: return "CREATE CONVERSION";
    case pg::kCreateTransformStmt: return "CREATE TRANSFORM";
    case pg::kCreatePlangStmt: return "CREATE LANGUAGE";
    case pg::kCreateStatsStmt: return "CREATE STATISTICS";
    case pg::kAlterStatsStmt: return "ALTER STATISTICS";
    case pg::kCreatePublicationStmt: return "CREATE PUBLICATION";
    case pg::kAlterPublicationStmt: return "ALTER PUBLICATION";
    case pg::kAlterTsdictionaryStmt: return "ALTER TEXT SEARCH DICTIONARY";
    case pg::kAlterTsconfigurationStmt: return "ALTER TEXT SEARCH CONFIGURATION";
    default: return "";
  }
}

}  // namespace stele::sql
