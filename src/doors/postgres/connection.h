// One client of the PostgreSQL door: its protocol state and who runs it.
//
// Invariants
//  1. Exactly one thread runs a connection at a time: the one that moved `owner_` from kIdle to kBusy,
//     or to which that thread handed it (worker queue, durable queue). Everything but owner_,
//     `pending_notifications_` and cancel is touched by that thread only.
//  2. The socket is watched edge-triggered by one reactor for its whole life. An event that meets a
//     busy connection only marks it kDirty; whoever runs it looks at the socket again before letting go.
//  3. No byte of output leaves before the log covers session->pending_durable().
//
//        on_event                run needs to block
//   kIdle ------> kBusy(reactor) ------------------> kBusy(worker)
//     ^             |   \  reply waits for the log        |   |
//     |   release   |    +--> kBusy(durable queue) <------+   |
//     +-------------+-------------- flushed -----------------+
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/reactor.h"
#include "doors/postgres/messages.h"
#include "doors/postgres/row_writer.h"
#include "doors/postgres/scram.h"
#include "doors/postgres/wire.h"
#include "sql/session.h"

namespace stele::doors::postgres {

class Connection;
using ConnectionPtr = std::shared_ptr<Connection>;

// What a connection needs of the door.
class Host {
 public:
  virtual ~Host() = default;
  virtual sql::Database& database() = 0;
  virtual bool require_password() const = 0;
  virtual bool require_tls() const = 0;
  virtual SSL_CTX* tls() = 0;            // null: not offered
  virtual bool accept_more() = 0;        // false: too many clients already
  virtual bool stopping() const = 0;
  virtual storage::Lsn durable_lsn() = 0;
  virtual void wait_durable_blocking(storage::Lsn lsn) = 0;
  virtual void submit(Connection* c) = 0;                       // to a worker
  virtual void when_durable(Connection* c, storage::Lsn lsn) = 0;
  virtual void flush_later(Connection* c) = 0;                  // on its reactor: end_of_round() follows
  virtual void finished(Connection* c) = 0;                     // remove and destroy
};

class Connection final : public FdHandler, public sql::ResultSink,
                         public std::enable_shared_from_this<Connection> {
 public:
  Connection(Host& host, Reactor& reactor, int fd, std::string peer);
  ~Connection() override;

  Reactor& reactor() { return reactor_; }
  void watch();
  // On the reactor.
  void on_event(uint32_t events) override;
  // On a worker, after submit().
  void run_on_worker();
  // On the reactor, after flush_later(): sends the output and lets go.
  void end_of_round();
  // On the reactor, once the log covers what the reply depends on.
  void durable_reached();
  // Any thread: the running statement is asked to stop, the client is told that the server goes.
  void shut_down();
  bool in_session() const { return session_ != nullptr; }

  // ResultSink
  void columns(std::span<const query::OutputColumn> columns) override;
  bool rows(const query::Batch& batch, std::span<const query::OutputColumn> columns) override;
  void complete(std::string_view tag) override;
  void empty_query() override;
  void suspended() override;
  void copy_out_begin(bool binary, int columns) override;
  void copy_out_data(std::string_view bytes) override;
  void copy_out_end() override;
  void copy_in_begin(bool binary, int columns) override;
  bool copy_in_data(std::string* chunk) override;

 private:
  enum Owner : int { kIdle, kBusy, kDirty };
  enum class Phase : uint8_t { kStartup, kPassword, kScramFirst, kScramFinal, kReady };
  enum class Outcome : uint8_t { kNeedInput, kHandOver, kClose };

  // connection.cc: ownership and flow
  void step(bool may_block, bool read_first);
  void settle(bool may_block, bool closed);
  void flush_and_release(bool may_block, bool closed);
  void close_session();
  void release_or_repeat(bool may_block);
  void deliver_notifications();
  void gate_and_flush();  // blocking; only on workers

  // startup.cc
  Outcome startup_message(std::string_view body);
  Outcome password_message(std::string_view body);
  void begin_authentication();
  void enter_session();
  void cancel_request(MessageReader& r);

  // protocol.cc
  Outcome process(bool may_block);
  Outcome process_startup(bool may_block);
  bool can_run_here(char type, std::string_view body);
  Outcome handle(char type, std::string_view body);
  void simple_query(std::string_view text);
  void parse(MessageReader& r);
  void bind(MessageReader& r);
  void describe(MessageReader& r);
  void execute(MessageReader& r);
  void close_object(MessageReader& r);
  void sync();
  void ready_for_query();
  void report(const Error& error, bool extended);
  // Runs f, turning what it throws into an ErrorResponse. False when it failed.
  template <typename F> bool guarded(bool extended, F&& f);
  Outcome fatal(const Error& error);
  void stream_if_large();

  Host& host_;
  Reactor& reactor_;
  Wire wire_;
  std::string peer_;
  std::atomic<int> owner_{kBusy};
  std::atomic<bool> shut_down_{false};
  Phase phase_ = Phase::kStartup;
  bool closing_ = false, on_worker_ = false, skip_to_sync_ = false, tls_asked_ = false,
       gss_asked_ = false, peer_closed_ = false, in_extended_ = false;
  std::unique_ptr<sql::Session> session_;
  sql::SessionOptions options_;
  std::unique_ptr<ScramServer> scram_;
  std::string verifier_;

  RowWriter row_writer_;
  std::vector<int16_t> formats_;      // of the portal that runs
  std::vector<sql::Session::Param> params_;
  std::vector<int16_t> codes_;
  std::vector<Oid> types_;
  int copy_columns_ = 0;

  std::mutex notifications_mutex_;
  std::atomic<bool> has_notifications_{false};
  std::string pending_notifications_;  // encoded messages
};

}  // namespace stele::doors::postgres
