// Planning and running a Query. The sql layer (and the Elasticsearch and Qdrant doors) hold the
// session; this layer knows plans, expressions and rows.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "catalog/catalog.h"
#include "query/query.h"
#include "storage/store.h"
#include "types/context.h"

namespace stele::query {

// The engine's parts, wired once by the server. Not owned.
struct Engine {
  storage::Store* store = nullptr;
  catalog::Catalog* catalog = nullptr;
  void* segments = nullptr;   // segments::Segments*, set when the layer is present
  void* vectors = nullptr;    // segments::vectors::VectorStore*
  void* keyspace = nullptr;   // keyspace::DurableKeyspace*
};

// Planner settings that SET changes (enable_*, costs, work_mem).
struct PlannerSettings {
  bool enable_seqscan = true, enable_indexscan = true, enable_indexonlyscan = true, enable_bitmapscan = true,
       enable_nestloop = true, enable_hashjoin = true, enable_mergejoin = true, enable_hashagg = true,
       enable_sort = true, enable_material = true, enable_memoize = true, enable_incremental_sort = true;
  double seq_page_cost = 1, random_page_cost = 4, cpu_tuple_cost = 0.01, cpu_index_tuple_cost = 0.005,
         cpu_operator_cost = 0.0025;
  uint64_t work_mem_bytes = 4 << 20;
  double hash_mem_multiplier = 2;
  bool operator==(const PlannerSettings&) const = default;
};

using TriggerRow = std::shared_ptr<const std::vector<NullableDatum>>;
// One event for fire_trigger: pg_trigger.tgtype bits of row or statement, time and kind of change.
struct TriggerEvent {
  const catalog::Relation* table = nullptr;
  int bits = 0;
  const std::vector<NullableDatum>* old_row = nullptr;
  std::vector<NullableDatum>* new_row = nullptr;
  Arena* arena = nullptr;
  const std::vector<int16_t>* updated_columns = nullptr;   // null: any (INSERT, DELETE, whole rows)
  // Rows of the statement, for transition tables; kept beyond the call by shared pointers.
  const std::vector<TriggerRow>* old_table = nullptr;
  const std::vector<TriggerRow>* new_table = nullptr;
};
// FuncExpr::func of a scan over rows that a session holds (a trigger's transition table); its one argument says which.
constexpr Oid kHeldRowsFunction = 0xfffffff0;

// What a running statement works in. Owned by the session, used by its thread.
struct ExecContext {
  Engine* engine = nullptr;
  storage::Transaction* txn = nullptr;
  catalog::Changes* catalog = nullptr;
  EvalContext* eval = nullptr;
  PlannerSettings* settings = nullptr;
  Oid current_user = 0;
  storage::SnapshotPtr snapshot;             // of the statement whose rows are being made
  storage::WaitOptions wait;                 // lock_timeout, deadlock_timeout, interrupts
  // Parameters $1.. with their types; values outlive the execution.
  std::span<const NullableDatum> params;
  std::span<const Oid> param_types;
  bool constraints_all_deferred = false, constraints_all_immediate = false;   // SET CONSTRAINTS ALL
  std::map<Oid, bool> constraint_modes;      // SET CONSTRAINTS by name: true is deferred
  // Checks that wait for the end of the transaction; dead ones went with their savepoint.
  struct DeferredCheck { Oid constraint = 0; bool done = false; std::function<void()> run; };
  std::vector<std::weak_ptr<DeferredCheck>> deferred_checks;
  // Calls a function that is not native (SQL or PL/pgSQL language): installed by sql. Scalar result.
  std::function<NullableDatum(Oid func, std::span<const NullableDatum> args, std::span<const Oid> arg_types, Oid result_type, Arena&)> call_function;
  // Set-returning form: emits rows (one datum, or the columns of a record).
  std::function<void(Oid func, std::span<const NullableDatum> args, std::span<const Oid> arg_types, const std::function<bool(std::span<const NullableDatum>)>& emit)> call_set_function;
  // Binds SQL expression text over a relation's columns (defaults, checks, index expressions, policies);
  // Vars have relation 1. Installed by sql, cached by catalogue version.
  std::function<ExprPtr(const catalog::Relation&, const std::string& sql, Oid want_type)> bind_expression;
  // Binds a stored query text (view body). Installed by sql.
  std::function<QueryPtr(const catalog::Relation&)> bind_view;
  // The tid (6 bytes) of the row that an open cursor over the relation stands on; throws as WHERE CURRENT OF does.
  std::function<std::string(const std::string& cursor, Oid relation)> cursor_position;
  // Rows of a system catalogue relation (pg_class ...), built by sql from catalogue state and engine state.
  std::function<void(Oid relation, const std::function<bool(std::span<const NullableDatum>)>& emit, Arena&)> scan_system_catalog;
  // Fires the triggers of one event; installed by sql. False: a BEFORE ROW or INSTEAD OF trigger wants nothing done. May
  // change *new_row (BEFORE ROW), allocating from `arena`.
  std::function<bool(const TriggerEvent&)> fire_trigger;
  // A system catalogue relation's definition (with its indexes), or that of one of the indexes; null: none.
  std::function<std::shared_ptr<const catalog::Relation>(Oid)> system_relation;
  // Whether the rows of a system relation are a function of the catalogue state alone.
  std::function<bool(Oid)> system_catalog_shareable;
};

// Column-at-a-time rows: `columns[c].values[i]`, i < size. Memory lives in the batch's arena, valid until the
// next call of next().
constexpr int kBatchRows = 1024;
struct Vec {
  Datum* values = nullptr;
  uint8_t* nulls = nullptr;     // 1: NULL
};
struct Batch {
  int size = 0;
  std::vector<Vec> columns;
};

struct OutputColumn {
  std::string name;
  Oid type = 0;
  int32_t typmod = -1;
  Oid origin_table = 0;
  int16_t origin_column = 0;
};

// A physical plan: immutable, shared by executions, valid for the catalogue version it was made at.
class Plan {
 public:
  virtual ~Plan() = default;
  virtual const std::vector<OutputColumn>& output() const = 0;  // empty: returns no rows
  virtual CommandKind command() const = 0;
  virtual uint64_t catalog_version() const = 0;
  virtual bool returns_rows() const = 0;
  // Relations it reads or writes with the lock each needs before it runs.
  virtual const std::vector<std::pair<Oid, storage::LockMode>>& relation_locks() const = 0;
  // True when a generic plan (parameters not folded) is as good as a custom one: point lookups and the like.
  virtual bool generic() const = 0;
  // A single-row lookup or write by a unique key over plain columns: may run on a reactor thread when its locks are free.
  virtual bool is_point() const = 0;
};
using PlanPtr = std::shared_ptr<const Plan>;

// Folds parameter values into the plan when `params` is given (custom plan). Throws binder-level errors found late.
PlanPtr make_plan(const QueryPtr& query, ExecContext& ctx, bool fold_params);

class Execution {
 public:
  virtual ~Execution() = default;
  // Fills `batch` with up to max_rows rows (0: as many as convenient); false when exhausted. DML without
  // RETURNING runs to completion in the first call.
  virtual bool next(Batch& batch, int max_rows = 0) = 0;
  virtual uint64_t rows_affected() const = 0;   // by the top-level command
  // Backward fetches of SCROLL cursors are served by materialising above this interface.
};
// Takes the statement's snapshot view from ctx.txn (view.command = current_command()).
std::unique_ptr<Execution> start(const PlanPtr& plan, ExecContext& ctx, const storage::ReadView& view);

// What the point reads of one session use again and again.
struct PointScratch {
  std::string key, bytes;
  storage::Lsn lsn = 0;       // of the commit that wrote the row
  std::vector<Datum> values;
  std::vector<uint8_t> nulls;
  Arena arena;
  Batch batch;
};
enum class PointRead : uint8_t { kRow, kNoRow, kMoved };
// Reads one row by its unique key in its newest committed version, outside any transaction: for SELECT plans that
// are is_point(). The row is in scratch.batch until the next call. kMoved: a writer came in between; run the plan
// in a transaction instead.
PointRead read_point(const Plan& plan, storage::Store& store, std::span<const NullableDatum> params, PointScratch& scratch);

struct ExplainOptions {
  bool analyze = false, verbose = false, costs = true, settings = false, buffers = false, wal = false,
       timing = true, summary = false;
  enum class Format : uint8_t { kText, kJson, kXml, kYaml } format = Format::kText;
};
// Runs the plan when options.analyze. The text has PostgreSQL's shape. deparse prints expressions.
using DeparseExpr = std::function<std::string(const ExprPtr&, const std::vector<std::string>& range_names)>;
std::string explain(const PlanPtr& plan, ExecContext& ctx, const storage::ReadView& view, const ExplainOptions& options,
                    double planning_ms, const DeparseExpr& deparse);

// Evaluates an expression without Vars (constants, parameters, functions): defaults, LIMIT, DDL.
NullableDatum evaluate(const ExprPtr& e, ExecContext& ctx, Arena& arena);
// Evaluates over one row of a relation (columns in attribute order).
NullableDatum evaluate_row(const ExprPtr& e, std::span<const NullableDatum> row, ExecContext& ctx, Arena& arena);

// Row-level writes with constraints, defaults, triggers, foreign keys and index maintenance: what INSERT,
// UPDATE, DELETE and COPY use, and what the Elasticsearch, Qdrant and Redis doors write through. Rows are in
// attribute order, dropped columns NULL. Errors as PostgreSQL's.
class TableWriter {
 public:
  static std::unique_ptr<TableWriter> open(Oid relation, ExecContext& ctx);
  // For rows by the thousand into an empty table whose storage nobody else can know yet: insert() alone, through sorted
  // files. Unique violations are found by finish(). Null when the table has triggers or foreign keys of its own.
  static std::unique_ptr<TableWriter> open_bulk(Oid relation, ExecContext& ctx);
  virtual ~TableWriter() = default;
  // The rows to come are one statement's: fires BEFORE STATEMENT triggers of INSERT now, AFTER ones in finish().
  virtual void begin_insert() = 0;
  // Fills in defaults of columns whose `given` flag is false, checks, writes. Returns the row id.
  virtual uint64_t insert(std::span<const NullableDatum> row, std::span<const bool> given) = 0;
  virtual void update(uint64_t row_id, std::span<const NullableDatum> old_row, std::span<const NullableDatum> new_row) = 0;
  virtual void erase(uint64_t row_id, std::span<const NullableDatum> old_row) = 0;
  // Statement end: immediate foreign keys and AFTER triggers.
  virtual void finish() = 0;
};

// Runs `check` before the commit, unless SET CONSTRAINTS ... IMMEDIATE does so earlier.
void defer_check(Oid constraint, std::function<void()> check, ExecContext& ctx);
// Runs what waits for this constraint (0: everything) now.
void run_deferred_checks(Oid constraint, ExecContext& ctx);
// Whether a deferrable constraint waits for the end of the transaction.
bool constraint_deferred(Oid constraint, bool initially_deferred, ExecContext& ctx);

// ANALYZE: samples rows and stores statistics.
void analyze_relation(Oid relation, ExecContext& ctx);
// Builds a new index's contents (or rebuilds them): online, from a snapshot plus concurrent changes.
void build_index(Oid index, ExecContext& ctx);
// Rewrites a table after a column type change: new row = exprs over the old row, into a new storage id.
void rewrite_table(const catalog::Relation& from, catalog::Relation& to, const std::vector<ExprPtr>& columns, ExecContext& ctx);
// Verifies that the rows of a table satisfy the bounds of a partition of `parent` (no rows of it, when `excluded`: what the
// default partition has of a new one). Throws check_violation.
void validate_partition(const catalog::Relation& table, const catalog::Relation& parent, const catalog::PartitionBound& bound, bool excluded, ExecContext& ctx);
// Verifies existing rows: throws check_violation / not_null_violation / foreign_key_violation.
void validate_constraint(const catalog::Relation& table, const catalog::Constraint& constraint, ExecContext& ctx);

}  // namespace stele::query
