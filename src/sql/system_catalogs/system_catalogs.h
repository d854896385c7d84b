// pg_catalog and information_schema as relations without storage: their definitions, and their rows
// computed from one catalogue state, the built-in tables and what the session tells.
//
// Definitions are immutable and may be read by any thread; scan() works on the caller's context only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "query/execution.h"
#include "types/context.h"

namespace stele::sql::system_catalogs {

// Definitions look like any table's or view's (relkind 'r' or 'v', storage_id 0, oid below 16384).
std::shared_ptr<const catalog::Relation> find(Oid schema, std::string_view name);  // null: none
std::shared_ptr<const catalog::Relation> find(Oid oid);   // an index's too
const std::vector<std::shared_ptr<const catalog::Relation>>& all();

struct Activity {  // one session, for pg_stat_activity, pg_locks
  int pid = 0;
  Oid database = 0;
  std::string database_name;
  Oid user = 0;
  std::string application, client_address, state, query, wait_event_type, wait_event;
  int client_port = -1;
  int64_t backend_start_us = 0, xact_start_us = 0, query_start_us = 0, state_change_us = 0;  // since 2000; 0: NULL
  storage::OwnerId lock_owner = 0;   // of its transaction, 0: none
};
struct PreparedStatement { std::string name, text; int64_t prepared_us = 0; std::vector<Oid> types; bool from_sql = false; int64_t generic = 0, custom = 0; };
struct OpenCursor { std::string name, text; bool holdable = false, binary = false, scrollable = false; int64_t created_us = 0; };

struct Context {
  catalog::StatePtr state;
  query::Engine* engine = nullptr;
  EvalContext* eval = nullptr;
  Oid current_user = catalog::kBootstrapRole;
  std::string database = "stele";
  Oid database_oid = 5;
  int pid = 0;
  // Each may be empty.
  std::function<std::vector<Activity>()> sessions;
  std::function<std::vector<PreparedStatement>()> prepared_statements;
  std::function<std::vector<OpenCursor>()> cursors;
  std::function<std::vector<std::pair<Oid, Oid>>()> large_objects;  // with their owners
  std::function<void(const std::function<void(Oid, int32_t, std::string_view)>&)> large_object_pages;
  std::function<std::optional<int64_t>(Oid)> sequence_last_value;  // nullopt: not called yet
  std::function<std::optional<double>(Oid)> live_rows;             // transactional row count of a table
  std::function<std::string(std::string_view setting)> setting_source;  // "session", "default" ...
  std::function<std::optional<std::string>(std::string_view setting)> setting_raw;   // in the unit of pg_settings
};

// Emits every row of the relation, in attribute order; emit returns false to stop. Values live in arena.
// pg_node_tree columns hold the expression's SQL text: pg_get_expr() returns its first argument.
// Adds the native functions of the sql layer to the registry; called at start-up, before any session (again is harmless).
void register_functions();

// True when the rows depend on nothing but Context::state: readers of one state may share them.
bool depends_on_state_alone(Oid relation);
void scan(Oid relation, Context& context, const std::function<bool(std::span<const NullableDatum>)>& emit, Arena& arena);

// Oids that other parts need to agree on.
Oid attribute_default_oid(Oid relation, int16_t column);   // pg_attrdef
Oid rewrite_oid(Oid view);                                 // pg_rewrite: the _RETURN rule
Oid access_method_oid(std::string_view name);              // pg_am
Oid class_oid(catalog::ObjectKind kind);                   // the catalogue an object is listed in
// "{role=arwd/grantor,...}" entries of one acl, and the defaults of a kind when the object has none.
std::string acl_item_text(const catalog::AclItem& item, const catalog::State& state);

}  // namespace stele::sql::system_catalogs
