// One SQL session: transaction state, settings, prepared statements, portals. Every SQL client goes
// through it: the PostgreSQL door, STELE.SQL in the Redis door, the other doors' SQL.
//
// Used by one thread at a time; cancel() from any thread. Results are pushed into a ResultSink.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "query/execution.h"

namespace stele::sql {

using query::OutputColumn;

enum class TxnStatus : char { kIdle = 'I', kInBlock = 'T', kFailed = 'E' };

// Where results go. Called on the session's thread, in protocol order.
class ResultSink {
 public:
  virtual ~ResultSink() = default;
  // Before the first row of a statement that returns rows (simple protocol only; the extended protocol
  // asks describe()).
  virtual void columns(std::span<const OutputColumn> columns) = 0;
  // Rows in batches. False asks to stop early (client gone).
  virtual bool rows(const query::Batch& batch, std::span<const OutputColumn> columns) = 0;
  virtual void complete(std::string_view command_tag) = 0;   // "INSERT 0 1"
  virtual void empty_query() = 0;
  virtual void suspended() {}                                // portal row limit reached
  // COPY: text/csv/binary payloads pass through as bytes.
  virtual void copy_out_begin(bool binary, int columns) = 0;
  virtual void copy_out_data(std::string_view bytes) = 0;
  virtual void copy_out_end() = 0;
  virtual void copy_in_begin(bool binary, int columns) = 0;
  // Next chunk from the client; false at the end. Throws query_canceled when the client sent CopyFail.
  virtual bool copy_in_data(std::string* chunk) = 0;
};

// Takes everything and keeps nothing; what somebody wants to see, he overrides.
class DiscardResults : public ResultSink {
 public:
  void columns(std::span<const OutputColumn>) override {}
  bool rows(const query::Batch&, std::span<const OutputColumn>) override { return true; }
  void complete(std::string_view) override {}
  void empty_query() override {}
  void copy_out_begin(bool, int) override {}
  void copy_out_data(std::string_view) override {}
  void copy_out_end() override {}
  void copy_in_begin(bool, int) override {}
  bool copy_in_data(std::string*) override { return false; }
};

struct Notice { std::string severity; Error error; };

struct SessionOptions {
  std::string user = "postgres", database = "stele", application_name, client_address;
  int client_port = 0;
  std::vector<std::pair<std::string, std::string>> settings;  // from the startup packet
  std::function<void(const Notice&)> notice;                   // NOTICE, WARNING ... as they happen
  std::function<void(std::string_view name, std::string_view value)> parameter_status;  // reported GUCs
  std::function<void(int pid, std::string_view channel, std::string_view payload)> notification;  // may come from any thread
  std::function<void()> terminated;   // pg_terminate_backend(), from any thread: an idle session has to be told
};

struct Described {
  std::vector<Oid> param_types;
  std::vector<OutputColumn> columns;
  bool returns_rows = false;
};

// Shared by all sessions: engine, plan caches, session list, LISTEN/NOTIFY, autovacuum-like background work.
class Database {
 public:
  static std::unique_ptr<Database> create(query::Engine& engine);
  virtual ~Database() = default;
  virtual query::Engine& engine() = 0;
  virtual std::unique_ptr<class Session> connect(const SessionOptions& options) = 0;
  // False when there is no such backend or the key does not match.
  virtual bool cancel(int pid, int secret) = 0;
  virtual void terminate_all() = 0;
  // Password verifier and login right of a role for the doors' authentication; nullopt: no such role.
  struct Login { std::string verifier; bool can_login; bool superuser; };
  virtual std::optional<Login> login(std::string_view role) = 0;
  // Server-wide settings from the command line or ALTER SYSTEM.
  virtual void set_default(std::string_view name, std::string_view value) = 0;
  virtual void start_background_work() = 0;   // autoanalyze
};

class Session {
 public:
  virtual ~Session() = default;
  virtual int pid() const = 0;
  virtual int secret() const = 0;
  virtual TxnStatus status() const = 0;

  // Simple protocol: one or more statements, in one implicit transaction where PostgreSQL does so. An error is thrown
  // after the transaction state was set; statements before it have been reported.
  virtual void simple_query(std::string_view text, ResultSink& sink) = 0;

  // Extended protocol. Names may be empty (unnamed). Errors are thrown; the caller then calls
  // fail_extended() and discards messages until Sync.
  virtual void parse(std::string_view name, std::string_view text, std::span<const Oid> param_types) = 0;
  virtual Described describe_statement(std::string_view name) = 0;
  struct Param { std::string_view bytes; bool is_null; bool binary; };
  virtual void bind(std::string_view portal, std::string_view statement, std::span<const Param> params,
                    std::span<const int16_t> result_formats) = 0;
  virtual Described describe_portal(std::string_view portal) = 0;
  virtual std::span<const int16_t> portal_formats(std::string_view portal) = 0;
  virtual void execute(std::string_view portal, int64_t max_rows, ResultSink& sink) = 0;
  virtual void close_statement(std::string_view name) = 0;
  virtual void close_portal(std::string_view portal) = 0;
  // Ends the implicit transaction: commits, or aborts after an error.
  virtual void sync() = 0;
  virtual void fail_extended() = 0;

  // The highest lsn a reply waits for under this session's synchronous_commit; 0: none. The door holds its
  // output until Store::wait_durable or the log's durable_lsn covers it, then calls acknowledged().
  virtual storage::Lsn pending_durable() const = 0;
  virtual void acknowledged() = 0;
  // True if `execute` of this portal can run without blocking (cached point plan with free locks): may run on a reactor.
  virtual bool can_run_inline(std::string_view portal) = 0;
  // The same for `bind` of this prepared statement (its generic point plan is cached and valid), and for a
  // whole simple_query (one statement whose cached point plan is found by its literal-stripped text).
  virtual bool can_bind_inline(std::string_view statement) { (void)statement; return false; }
  virtual bool can_run_inline_query(std::string_view text) { (void)text; return false; }

  virtual void cancel() = 0;            // from any thread
  virtual EvalContext& eval() = 0;      // for type output in the doors
  // Runs inside the session's transaction, starting one if needed (doors that use the engine directly).
  virtual query::ExecContext& exec_context() = 0;
  virtual void begin_implicit() = 0;    // statement start for direct engine use
  virtual void end_implicit(bool failed) = 0;
  virtual std::string setting(std::string_view name) = 0;
};

}  // namespace stele::sql
