// The session, inner to sql: what one connection has, and how statements run in it.
//
// Transaction states (status_): kIdle -> (BEGIN) kInBlock -> (error) kFailed -> (ROLLBACK, COMMIT) kIdle. A storage
// transaction exists from the first statement that needs one; outside a block it ends with the statement
// (simple protocol: with the string; extended: with Sync).
#pragma once

#include <atomic>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <unordered_map>

#include "sql/binder/bind.h"
#include "sql/parser/parser.h"
#include "sql/session.h"
#include "sql/session/literals.h"
#include "sql/session/settings.h"
#include "sql/session/utility.h"
#include "sql/system_catalogs/system_catalogs.h"

namespace stele::sql {

class DatabaseImpl;

enum class StatementKind : uint8_t { kEmpty, kQuery, kTransaction, kUtility };

// A parsed statement with what was worked out of it. Shared by sessions through the text cache; `mutex` guards the
// parts that change with the catalogue.
struct CachedStatement {
  ParseTreePtr tree;
  RawStatement raw;
  StatementKind kind = StatementKind::kEmpty;
  std::vector<Oid> declared_types;      // as the client gave them; 0 where it did not

  // Valid for one catalogue version and search path.
  struct Bound {
    uint64_t version = 0;
    std::string path;
    Oid user = 0;
    std::vector<Oid> param_types;
    query::QueryPtr query;              // kQuery
    query::PlanPtr generic;             // null until made
    std::vector<OutputColumn> columns;
    bool returns_rows = false;
    bool has_rules = false;             // it changes a relation that rules rewrite
    bool plain_params = false;          // parameters' input needs nothing of the session (no clock, no catalogue)
    bool point_read = false;            // generic is a plain SELECT of one row, and `user` may run it
  };
  std::mutex mutex;
  std::shared_ptr<Bound> bound;
};
using StatementPtr = std::shared_ptr<CachedStatement>;
using BoundPtr = std::shared_ptr<CachedStatement::Bound>;

// What became of a statement without its literals. Only point statements are shared that way: their plans are the
// same whatever the values. `statement` is set before `state` says kUsable.
struct StrippedStatement {
  enum State : uint8_t { kNew, kDeciding, kUsable, kRejected };
  std::atomic<uint8_t> state{kNew};
  std::atomic<uint32_t> seen{0};
  StatementPtr statement;
};
using StrippedPtr = std::shared_ptr<StrippedStatement>;
struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
};
template <typename V> using TextMap = std::unordered_map<std::string, V, TextHash, std::equal_to<>>;

struct Prepared {
  std::string name, text;
  StatementPtr statement;               // null: empty query
  int64_t prepared_us = 0;
  bool from_sql = false;
  uint64_t generic_plans = 0, custom_plans = 0;
};
using PreparedPtr = std::shared_ptr<Prepared>;

// Rows kept for cursors: deep copies.
class RowBuffer {
 public:
  void add(const query::Batch& batch, std::span<const OutputColumn> columns, const std::vector<bool>& by_value);
  size_t size() const { return rows_.size(); }
  std::span<const NullableDatum> row(size_t i) const { return rows_[i]; }

 private:
  Arena arena_;
  std::vector<std::span<const NullableDatum>> rows_;
};

struct Portal {
  std::string name;
  PreparedPtr prepared;                 // extended protocol
  StatementPtr statement;
  std::vector<NullableDatum> params;
  std::vector<Oid> param_types;
  Arena arena;                          // parameters
  std::vector<int16_t> formats;
  query::PlanPtr plan;
  std::unique_ptr<query::Execution> execution;
  BoundPtr bound;                       // set once started: what runs
  BoundPtr point;                       // set: a point read that has not begun a transaction
  std::vector<OutputColumn> columns;    // empty while `point` is set
  bool returns_rows = false, started = false, exhausted = false, failed = false;
  uint64_t rows_sent = 0;
  // Rows of a batch that the last fetch did not hand out yet.
  query::Batch pending;
  int pending_at = 0;
  // SQL cursors.
  bool is_cursor = false, scroll = false, no_scroll = false, hold = false, binary = false, held = false;
  std::string text;
  int64_t created_us = 0;
  std::unique_ptr<RowBuffer> buffer;
  std::vector<bool> by_value;
  size_t hidden = 0;                    // columns at the end that only WHERE CURRENT OF reads: ctid
  Oid updatable = 0;                    // the one table that the cursor reads row by row; 0: none
  std::span<const OutputColumn> shown() const { return std::span(columns).first(columns.size() - hidden); }
  int64_t position = 0;                 // 0: before the first row; size + 1: after the last
  size_t savepoint_depth = 0;
  // Utilities that return rows (SHOW, EXPLAIN, FETCH, EXECUTE) leave them here.
  std::unique_ptr<RowBuffer> result;
  size_t result_at = 0;
  std::string tag;
};
using PortalPtr = std::shared_ptr<Portal>;
// Whether a planned cursor that does not say so goes backwards.
void choose_direction(Portal& p, const query::Query& q);

class SessionImpl final : public Session, public UtilityHost, public CatalogLookup {
 public:
  SessionImpl(DatabaseImpl& database, const SessionOptions& options, int pid, int secret);
  ~SessionImpl() override;

  // ---- Session (session.h)
  int pid() const override { return pid_; }
  int pid() override { return pid_; }
  int secret() const override { return secret_; }
  TxnStatus status() const override { return status_; }
  void simple_query(std::string_view text, ResultSink& sink) override;
  void parse(std::string_view name, std::string_view text, std::span<const Oid> param_types) override;
  Described describe_statement(std::string_view name) override;
  void bind(std::string_view portal, std::string_view statement, std::span<const Param> params, std::span<const int16_t> formats) override;
  Described describe_portal(std::string_view portal) override;
  std::span<const int16_t> portal_formats(std::string_view portal) override;
  void execute(std::string_view portal, int64_t max_rows, ResultSink& sink) override;
  void close_statement(std::string_view name) override;
  void close_portal(std::string_view portal) override;
  void sync() override;
  void fail_extended() override;
  storage::Lsn pending_durable() const override { return pending_durable_; }
  void acknowledged() override { pending_durable_ = 0; }
  bool can_run_inline(std::string_view portal) override;
  void cancel() override { cancelled_.store(true); }
  EvalContext& eval() override { return eval_; }
  query::ExecContext& exec_context() override { return exec_; }
  void begin_implicit() override;
  void end_implicit(bool failed) override;
  std::string setting(std::string_view name) override { return settings_.shown(name).value_or(""); }

  // ---- UtilityHost
  query::ExecContext& exec() override { return exec_; }
  CatalogView& view() override;
  BindContext bind_context(std::string_view text) override;
  Settings& settings() override { return settings_; }
  void notice(std::string_view severity, const Error& error) override;
  Oid current_user() override { return current_user_; }
  Oid session_user() override { return session_user_; }
  bool superuser() override;
  bool in_block() override { return status_ != TxnStatus::kIdle || multi_statement_; }
  void prevent_in_block(std::string_view statement) override;
  void lock_relation(Oid relation, storage::LockMode mode, bool nowait) override;
  void next_command() override;
  Oid temp_schema(bool create) override;
  uint64_t temp_session() override { return static_cast<uint64_t>(pid_); }
  uint64_t run(const query::QueryPtr& query, std::span<const NullableDatum> params, std::span<const Oid> param_types,
               const std::function<bool(std::span<const NullableDatum>, std::span<const OutputColumn>)>& emit) override;
  std::vector<OutputColumn> columns_of(const query::QueryPtr& query) override;
  void run_sql(std::string_view sql) override;
  void notify(std::string_view channel, std::string_view payload) override { queue_notify(std::string(channel), std::string(payload)); }
  std::vector<std::string> listening_channels() override;
  bool signal_backend(int pid, bool terminate) override;
  std::vector<int> blocking_pids(int pid) override;
  std::string database_name() override { return options_.database; }
  Oid database_oid() override { return database_oid_; }
  std::string close_database(Oid database, bool terminate) override;
  std::string client_address() override { return options_.client_address; }
  int client_port() override { return options_.client_port; }
  std::string current_query() override;
  int64_t server_start_us() override;
  bool can_bind_inline(std::string_view statement) override;
  bool can_run_inline_query(std::string_view text) override;

  // functions.cc: what functions and procedures need
  uint64_t run_plan(HostPlan& plan, const query::QueryPtr& query, std::span<const NullableDatum> params, std::span<const Oid> param_types, const RowSink& emit) override;
  std::string run_utility_statement(const ParseTreePtr& tree, size_t index, const RowSink& emit) override;
  Oid switch_user(Oid user) override;
  const std::string& search_path_text() override { return path_text_; }
  void begin_subtransaction() override;
  void end_subtransaction(bool rollback) override;
  void end_transaction_inside(bool commit, bool chain) override;
  bool atomic() override { return atomic_; }
  void set_atomic(bool on) override { atomic_ = on; }
  std::string unnamed_portal() override;
  bool cursor_exists(std::string_view name) override { return portals_.contains(name); }
  void open_cursor(const std::string& name, const query::QueryPtr& query, std::span<const NullableDatum> params, std::span<const Oid> param_types, std::string_view text,
                   bool scroll, bool no_scroll) override;
  uint64_t fetch_cursor(std::string_view name, int direction, int64_t how_many, const RowSink& emit) override;
  void close_cursor(std::string_view name) override;

  // ---- CatalogLookup (lookup.cc)
  const std::vector<EnumLabel>& enum_labels(Oid type) override;
  const std::vector<CompositeColumn>& composite_columns(Oid type) override;
  TypeFacts type_facts(Oid type) override;
  void check_domain(Oid domain, NullableDatum value) override;
  std::optional<std::string> name_of(Oid reg_type, Oid object) override;
  Oid find(Oid reg_type, std::string_view name) override;
  std::string format_type(Oid type, int32_t typmod) override;

  // ---- For the functions of sql (functions/) and system catalogues
  DatabaseImpl& database() { return database_; }
  system_catalogs::Activity activity();
  void set_role(std::string_view name, bool session);   // SET ROLE / SESSION AUTHORIZATION
  const SessionOptions& options() const { return options_; }
  int64_t backend_start_us() const { return backend_start_us_; }
  std::map<std::string, PreparedPtr, std::less<>>& prepared() { return prepared_; }
  std::map<std::string, PortalPtr, std::less<>>& portals() { return portals_; }
  storage::OwnerId session_lock_owner() const { return session_lock_owner_; }
  uint64_t transaction_number();        // txid_current(): assigned at first use
  void queue_notify(std::string channel, std::string payload);

 private:
  friend class DatabaseImpl;
  struct Savepoint { std::string name; size_t storage; size_t settings; std::set<std::string> portals; size_t notifies; bool read_only; };

  // transactions.cc
  void ensure_transaction();
  void start_statement(std::string_view text);
  void commit_transaction();
  void abort_transaction();
  void after_end();
  void statement_failed();
  std::string transaction_statement(const PgQuery__Node* node, ResultSink* sink);
  void begin_block(const PgQuery__Node* node);
  void define_savepoint(const std::string& name);
  void rollback_to_savepoint(const std::string& name);
  void release_savepoint(const std::string& name);
  void set_transaction_option(std::string_view name, std::string_view value);
  void restart_unused();
  void check_failed(const PgQuery__Node* node) const;
  void close_cursors(bool commit);
  void end_temporary_tables();
  // Throw read_only_sql_transaction where a read-only transaction forbids the statement.
  void check_writes(const query::Query& q) const;
  void check_utility_writes(const PgQuery__Node* node) const;

  // statements.cc
  static StatementKind classify(const PgQuery__Node* node);
  StatementPtr cached_single(std::string_view text);
  void run_statement(const StatementPtr& s, std::string_view text, ResultSink& sink);
  std::shared_ptr<CachedStatement::Bound> bound(CachedStatement& s, bool infer_params);
  std::shared_ptr<CachedStatement::Bound> rebind(CachedStatement& s, bool infer_params);
  query::PlanPtr plan_for(CachedStatement& s, const std::shared_ptr<CachedStatement::Bound>& b, Prepared* prepared);
  void lock_plan(query::PlanPtr& plan, const std::function<query::PlanPtr()>& again);
  storage::ReadView read_view(const query::Plan& plan);
  // rules.cc: what changes a table or view with rules. The count is that of the original statement, or of the actions of its
  // kind that stand for it.
  static bool has_rules(const query::Query& q, const catalog::State& state);
  uint64_t run_with_rules(const query::QueryPtr& q, std::span<const NullableDatum> params, std::span<const Oid> param_types, const RowSink& emit);
  void run_rules_statement(const CachedStatement& s, const std::shared_ptr<CachedStatement::Bound>& b, Portal& result);
  std::set<std::pair<Oid, char>> active_rules_;
  void run_query(const StatementPtr& s, std::span<const NullableDatum> params, ResultSink& sink);
  std::string tag_of(query::CommandKind command, const PgQuery__Node* node, uint64_t rows) const;
  bool holds_transaction() const { return status_ != TxnStatus::kIdle || multi_statement_ || extended_open_; }
  void finish_statement();
  // What was read is not shown before it is durable, unless the session asked for no such promise.
  void depends_on(storage::Lsn lsn);

  // points.cc: single rows without a transaction, and texts without their literals
  BoundPtr point_read(CachedStatement& s);
  bool read_point(const BoundPtr& b, std::span<const NullableDatum> params);
  bool bind_point(const PreparedPtr& p, std::span<const Param> params, std::span<const int16_t> formats);
  void point_to_plan(Portal& p);
  void note_activity(std::string_view text);
  StrippedPtr find_stripped(std::string_view text);
  bool literal_params(const CachedStatement::Bound& b);
  bool simple_stripped(std::string_view text, ResultSink& sink);
  void learn_stripped(StrippedStatement& entry, const query::Plan& plan, const std::vector<OutputColumn>& columns);
  void send_point(const CachedStatement::Bound& b, ResultSink& sink, bool with_columns);

  // utilities.cc: statements the session runs itself; true when it was one of them
  bool session_utility(const CachedStatement& s, Portal& result);
  void run_utility(const CachedStatement& s, Portal& result);
  void set_variable(const PgQuery__Node* node);
  void show_variable(const PgQuery__Node* node, Portal& result);
  void discard(const PgQuery__Node* node);
  void prepare_statement(const CachedStatement& s);
  void execute_prepared(const CachedStatement& s, Portal& result);
  void deallocate(const PgQuery__Node* node);
  void explain(const CachedStatement& s, Portal& result);
  void declare_cursor(const CachedStatement& s);
  PreparedRun prepared_run(const PgQuery__Node* execute, std::string_view text, Arena& arena) override;
  std::vector<NullableDatum> execute_parameters(const PgQuery__Node* execute, std::string_view text, const CachedStatement::Bound& bound, Arena& arena);
  void call_or_do(const CachedStatement& s, Portal& result);
  void set_constraints(const PgQuery__Node* node);
  query::QueryPtr cursor_query(const query::QueryPtr& q, Portal& p) const;
  std::string cursor_position(const std::string& name, Oid relation);
  // Row numbers of a FETCH, after moving the cursor.
  std::vector<size_t> move_cursor(Portal& p, int direction, int64_t count);
  void fetch(const PgQuery__Node* node, Portal& result);
  void close_cursor(const PgQuery__Node* node);
  void listen(const PgQuery__Node* node);
  bool describe_utility(const CachedStatement& s, std::vector<OutputColumn>* columns);
  void text_rows(Portal& result, std::vector<OutputColumn> columns, const std::vector<std::vector<std::optional<std::string>>>& rows);
  void send_result(Portal& result, int64_t max_rows, ResultSink& sink);

  // portals.cc
  PreparedPtr find_prepared(std::string_view name);
  PortalPtr find_portal(std::string_view name);
  void start_portal(Portal& p, BoundPtr b);
  void fetch_into_buffer(Portal& p, size_t upto);
  bool portal_rows(Portal& p, int64_t max_rows, ResultSink& sink);
  Described describe_bound(const CachedStatement& s, const CachedStatement::Bound& b);

  // copy/
  void copy(const CachedStatement& s, ResultSink& sink);
  bool fresh_storage(const catalog::Relation& relation);

  // setup.cc
  void setting_changed(const SettingDefinition* d, const std::string& name, const std::string& value);
  void install_hooks();
  void check_interrupts();
  std::vector<Oid> resolve_path(const catalog::State& state, Oid* creation);
  const std::string& path_key() const { return path_text_; }

  DatabaseImpl& database_;
  SessionOptions options_;
  std::string temp_schema_name();
  int pid_, secret_;
  int temp_number_ = 0;   // in the name of the temporary schema; 0: none taken
  Settings settings_;
  EvalContext eval_;
  query::ExecContext exec_;
  query::PlannerSettings planner_;
  query::Engine& engine_;

  TxnStatus status_ = TxnStatus::kIdle;
  std::unique_ptr<storage::Transaction> txn_;
  std::unique_ptr<catalog::Changes> changes_;
  bool multi_statement_ = false, extended_open_ = false, statement_done_ = false, atomic_ = true;
  uint64_t unnamed_portals_ = 0;
  int plpgsql_depth_ = 0;
  bool read_only_ = false, deferrable_ = false, synchronous_ = true, first_query_done_ = false;
  storage::Isolation isolation_ = storage::Isolation::kReadCommitted, default_isolation_ = storage::Isolation::kReadCommitted;
  bool default_read_only_ = false, default_deferrable_ = false, planner_default_ = true;
  std::vector<Savepoint> savepoints_;
  storage::Lsn pending_durable_ = 0;
  storage::Lsn read_lsn_ = 0;             // youngest commit that the transaction may have seen
  uint64_t transaction_number_ = 0;
  std::function<void()> interrupts_;

  Oid current_user_ = 0, session_user_ = 0, login_user_ = 0;
  bool superuser_cached_ = true;
  // Users before this transaction's first SET ROLE or SET SESSION AUTHORIZATION, for its rollback.
  std::optional<std::pair<Oid, Oid>> users_before_;
  // The database whose objects are seen, 0: the default one; what names mean depends on it and on the search path.
  Oid database_oid_ = 0, seen_database_ = 0;
  bool row_security_ = true;
  std::string path_text_, scope_;
  void rescope();
  std::unique_ptr<CatalogView> view_;
  catalog::StatePtr view_state_;
  std::string view_path_;
  Oid temp_schema_ = 0;

  std::map<std::string, PreparedPtr, std::less<>> prepared_;
  std::map<std::string, PortalPtr, std::less<>> portals_;
  std::map<std::string, PortalPtr, std::less<>>::node_type spare_portal_;   // the unnamed portal, between its uses

  query::PointScratch point_scratch_;
  // A point read that can_run_inline() did for the execute() of a portal, or can_run_inline_query() for the
  // simple_query() of a text, that comes next.
  BoundPtr read_ahead_;
  const Portal* read_ahead_portal_ = nullptr;
  std::string read_ahead_text_;
  bool escapes_in_strings_ = false;  // standard_conforming_strings is off
  // The text as the parser wants it; held keeps it when it is another one.
  std::string_view parser_text(std::string_view text, std::string* held);
  query::PointRead read_ahead_result_ = query::PointRead::kMoved;
  StrippedText stripped_;
  std::vector<NullableDatum> literal_params_;
  Arena literal_arena_;
  TextMap<StrippedPtr> stripped_cache_;
  StrippedPtr learning_;   // entry of the text that runs, when it is time to decide about it

  std::unordered_map<Oid, std::vector<EnumLabel>> enum_cache_;
  std::unordered_map<Oid, std::vector<CompositeColumn>> composite_cache_;
  std::unordered_map<std::string, query::ExprPtr> expression_cache_;
  std::unordered_map<Oid, query::QueryPtr> view_cache_;
  catalog::StatePtr cache_state_;

  storage::OwnerId session_lock_owner_ = 0;
  std::atomic<storage::OwnerId> lock_owner_{0};          // the transaction's; read by other sessions
  std::vector<std::pair<std::string, std::string>> notifies_;
  std::vector<std::pair<char, std::string>> listens_;   // '+' listen, '-' unlisten, '*' unlisten all; at commit

  std::atomic<bool> cancelled_{false}, terminated_{false};
  int64_t statement_deadline_us_ = 0;
  int64_t statement_timeout_ms_ = 0, lock_timeout_ms_ = 0, deadlock_timeout_ms_ = 1000;
  int interrupt_countdown_ = 0;

  mutable std::mutex activity_mutex_;
  std::string activity_query_;
  std::atomic<const char*> activity_state_{"idle"};
  int64_t backend_start_us_ = 0, xact_start_us_ = 0, query_start_us_ = 0, state_change_us_ = 0;
};

// The session behind a context that a function was called with.
inline SessionImpl& session_of(const EvalContext& ctx) { return static_cast<SessionImpl&>(*static_cast<UtilityHost*>(ctx.session)); }

class DatabaseImpl final : public Database {
 public:
  explicit DatabaseImpl(query::Engine& engine);
  ~DatabaseImpl() override;
  query::Engine& engine() override { return engine_; }
  std::unique_ptr<Session> connect(const SessionOptions& options) override;
  bool cancel(int pid, int secret) override;
  bool cancel_pid(int pid, bool terminate);
  void terminate_all() override;
  std::optional<Login> login(std::string_view role) override;
  void set_default(std::string_view name, std::string_view value) override;
  void start_background_work() override;

  void forget(SessionImpl& session);
  std::string close_database(Oid database, SessionImpl& by, bool terminate);
  std::vector<system_catalogs::Activity> activities();
  void listen(SessionImpl& session, const std::vector<std::pair<char, std::string>>& changes);
  void notify(SessionImpl& from, const std::vector<std::pair<std::string, std::string>>& messages);
  std::vector<std::string> channels(SessionImpl& session);
  const std::vector<std::pair<std::string, std::string>>& defaults() const { return defaults_; }
  StatementPtr cached(std::string_view text);
  void cache(const std::string& text, StatementPtr statement);
  StrippedPtr stripped(const std::string& key);   // made at first use
  void forget_stripped(const std::string& key, const StrippedPtr& entry);
  uint64_t next_transaction_number() { return next_transaction_.fetch_add(1) + 1; }
  // Rows written since the last ANALYZE, for automatic ones.
  int64_t started_us() const { return started_us_; }
  // The youngest commit whose session was promised durability.
  void promised(storage::Lsn lsn) {
    storage::Lsn known = promised_.load(std::memory_order_relaxed);
    while (known < lsn && !promised_.compare_exchange_weak(known, lsn)) {
    }
  }
  storage::Lsn promised() const { return promised_.load(std::memory_order_acquire); }
  void note_changes(const std::vector<std::pair<Oid, uint64_t>>& rows);
  // The smallest number that no other session's temporary schema has.
  int take_temp_number();
  void return_temp_number(int number);

 private:
  void analyze_loop();
  query::Engine& engine_;
  std::mutex mutex_;
  std::map<int, SessionImpl*> sessions_;
  std::condition_variable session_gone_;
  std::set<Oid> closed_databases_;                        // being dropped: not to be connected to
  std::set<int> temp_numbers_;
  std::map<std::pair<Oid, std::string>, std::set<SessionImpl*>> listeners_;   // by database and channel
  std::vector<std::pair<std::string, std::string>> defaults_;
  int64_t started_us_ = 0;
  std::atomic<int> next_pid_{1000};
  std::atomic<uint64_t> next_transaction_{1000};
  std::atomic<storage::Lsn> promised_{0};
  std::shared_mutex cache_mutex_;
  TextMap<StatementPtr> statements_;
  TextMap<StrippedPtr> stripped_;
  std::mutex analyze_mutex_;
  std::condition_variable analyze_wake_;
  std::map<Oid, uint64_t> changed_rows_;
  bool stopping_ = false;
  std::thread analyzer_;
};

}  // namespace stele::sql
