// What statements that are no queries (DDL, GRANT, COMMENT ...) need of the session that runs them.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sql/binder/bind.h"
#include "sql/session.h"
#include "sql/session/settings.h"

namespace stele::sql {

// What nextval() and its kin remember in a session.
struct SequenceMemory {
  std::map<Oid, int64_t> current;   // by sequence
  Oid last = 0;                     // of the last nextval; 0: none yet
};

// A plan that whoever runs a query again and again keeps beside it.
struct HostPlan { query::PlanPtr generic; };
using RowSink = std::function<bool(std::span<const NullableDatum> row, std::span<const OutputColumn> columns)>;

// EvalContext::session points to it: native functions reach their session through it.
class UtilityHost {
 public:
  virtual ~UtilityHost() = default;
  SequenceMemory sequence_memory;
  // NOTIFY: delivered when the transaction commits.
  virtual void notify(std::string_view channel, std::string_view payload) { (void)channel; (void)payload; }
  virtual std::vector<std::string> listening_channels() { return {}; }
  // pg_cancel_backend, pg_terminate_backend; false: no such session.
  virtual bool signal_backend(int pid, bool terminate) { (void)pid; (void)terminate; return false; }
  // Sessions that hold, or wait ahead for, what session `pid` waits for; 0 stands for one that is no session.
  virtual std::vector<int> blocking_pids(int pid) { (void)pid; return {}; }
  virtual std::string database_name() { return "stele"; }
  virtual Oid database_oid() { return 5; }
  // Lets no new session into the database. Sessions that are there are ended when `terminate`; what is still in use after
  // a few seconds is not closed: the answer says by whom, as a detail of the error (empty: closed).
  virtual std::string close_database(Oid database, bool terminate) { (void)database; (void)terminate; return {}; }
  virtual std::string client_address() { return {}; }
  virtual int client_port() { return -1; }
  virtual std::string current_query() { return {}; }
  virtual int64_t server_start_us() { return 0; }   // since 2000
  virtual query::ExecContext& exec() = 0;            // transaction, catalogue changes, settings, user
  // Names as the search path resolves them over the newest state, own changes included. Valid until the next change.
  virtual CatalogView& view() = 0;
  virtual BindContext bind_context(std::string_view text) = 0;
  virtual Settings& settings() = 0;
  virtual void notice(std::string_view severity, const Error& error) = 0;   // "NOTICE", "WARNING", "INFO"
  virtual Oid current_user() = 0;
  virtual Oid session_user() = 0;
  virtual bool superuser() = 0;
  virtual bool in_block() = 0;                       // inside BEGIN ... or a multi-statement string
  virtual int pid() = 0;
  // Throws active_sql_transaction "X cannot run inside a transaction block".
  virtual void prevent_in_block(std::string_view statement) = 0;
  // Blocks until the lock is granted (lock_timeout applies); held to the end of the transaction.
  virtual void lock_relation(Oid relation, storage::LockMode mode, bool nowait = false) = 0;
  // Makes the changes so far visible to what runs next in this statement.
  virtual void next_command() = 0;
  // The session's temporary schema, made at first use when `create`; 0 otherwise.
  virtual Oid temp_schema(bool create) = 0;
  virtual uint64_t temp_session() = 0;
  // Runs a bound query to its end inside the current command; emit (may be empty) gets every row.
  virtual uint64_t run(const query::QueryPtr& query, std::span<const NullableDatum> params, std::span<const Oid> param_types,
                       const std::function<bool(std::span<const NullableDatum> row, std::span<const OutputColumn> columns)>& emit) = 0;
  // As run(), with a plan that is kept, and privileges checked for the current user.
  virtual uint64_t run_plan(HostPlan& plan, const query::QueryPtr& query, std::span<const NullableDatum> params, std::span<const Oid> param_types, const RowSink& emit) {
    (void)plan;
    return run(query, params, param_types, emit);
  }
  // Runs a utility statement of a parsed text; returns its tag. `emit` gets the rows of those that have some.
  virtual std::string run_utility_statement(const std::shared_ptr<const struct ParseTree>& tree, size_t index, const RowSink& emit);
  // Whose privileges count from here on; returns the one before.
  virtual Oid switch_user(Oid user) { (void)user; return 0; }
  virtual const std::string& search_path_text() { static const std::string kNone; return kNone; }
  // Subtransactions of EXCEPTION blocks: the innermost is ended first.
  virtual void begin_subtransaction() {}
  virtual void end_subtransaction(bool rollback) { (void)rollback; }
  // COMMIT and ROLLBACK inside procedures; throws invalid_transaction_termination where that cannot be.
  virtual void end_transaction_inside(bool commit, bool chain);
  // False while a CALL or DO at top level runs outside a transaction block.
  virtual bool atomic() { return true; }
  virtual void set_atomic(bool on) { (void)on; }
  // Cursors of functions are the session's portals: the client may FETCH from them.
  virtual std::string unnamed_portal() { return {}; }
  virtual bool cursor_exists(std::string_view name) { (void)name; return false; }
  virtual void open_cursor(const std::string& name, const query::QueryPtr& query, std::span<const NullableDatum> params, std::span<const Oid> param_types,
                           std::string_view text, bool scroll, bool no_scroll);
  // direction: pg's FetchDirection. Returns how many rows; emit is empty for MOVE.
  virtual uint64_t fetch_cursor(std::string_view name, int direction, int64_t how_many, const RowSink& emit) {
    (void)name; (void)direction; (void)how_many; (void)emit;
    return 0;
  }
  virtual void close_cursor(std::string_view name) { (void)name; }
  std::shared_ptr<void> event_state;   // of the statement that event triggers follow (ddl/event_triggers.h)
  std::shared_ptr<void> plpgsql_state, sql_function_state;   // of sql/plpgsql, of sql/functions
  // The query of a prepared statement with the values that EXECUTE gives it; they live in the arena.
  struct PreparedRun {
    query::QueryPtr query;
    std::vector<NullableDatum> params;
    std::vector<Oid> types;
  };
  virtual PreparedRun prepared_run(const PgQuery__Node* execute, std::string_view text, Arena& arena) = 0;
  // Columns that a query would return.
  virtual std::vector<OutputColumn> columns_of(const query::QueryPtr& query) = 0;
  // Runs statements given as SQL text in this transaction (CREATE SCHEMA elements, DO bodies, function bodies).
  virtual void run_sql(std::string_view sql) = 0;
};

// Runs a utility statement that the session does not handle itself; returns its command tag. `text` is the
// statement's text. Implemented in ddl/.
std::string execute_utility(const PgQuery__Node* statement, std::string_view text, UtilityHost& host);

// CALL and DO. CALL gives a row when the procedure has OUT arguments.
void run_call(const PgQuery__Node* statement, std::string_view text, UtilityHost& host, const RowSink& emit);
std::vector<OutputColumn> call_columns(const PgQuery__Node* statement, std::string_view text, UtilityHost& host);
// `text` is the statement's, for positions; may be empty.
void run_do(const PgQuery__Node* statement, std::string_view text, UtilityHost& host);

// CREATE FUNCTION ... LANGUAGE sql: throws what is wrong with the body.
void validate_sql_function(UtilityHost& host, const catalog::Function& f);

// Calls functions in SQL and PL/pgSQL, fires triggers: fills the hooks of host.exec(). Implemented in functions/.
void install_function_calls(UtilityHost& host);

}  // namespace stele::sql
