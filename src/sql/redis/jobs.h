// Commands of Redis clients that run as SQL transactions, on threads of their own: STELE.SQL, writes of
// rows of tables, and MULTI/EXEC with one of them (then every command of it is part of the transaction).
//
// The keyspace hands over a job and blocks its client; the reply goes back through Keyspace::post.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "keyspace/transaction.h"
#include "sql/redis/row_keys.h"
#include "sql/session.h"

namespace stele::sql::redis {

class Jobs {
 public:
  Jobs(Database& database, keyspace::DurableKeyspace& durable, RowKeys& rows);
  ~Jobs();   // no client waits any more
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

 private:
  struct Pooled { std::string role; std::unique_ptr<Session> session; };
  struct Running;
  void submit(keyspace::SqlJob job);
  void loop();
  void run(keyspace::SqlJob& job);
  std::string run_commands(Running& r);
  bool run_one(Running& r, const keyspace::QueuedCommand& command, keyspace::Reply& reply);
  std::unique_ptr<Session> borrow(const std::string& role);
  std::string role_of(const std::string& user);

  Database& database_;
  keyspace::DurableKeyspace& durable_;
  keyspace::Keyspace& ks_;
  RowKeys& rows_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<keyspace::SqlJob> queue_;
  std::vector<std::thread> threads_;
  std::vector<Pooled> sessions_;
  size_t idle_ = 0;
  bool stopping_ = false;
};

// A hash command on a row, as SQL in the session's transaction block. Writes the reply.
void run_row_command(Session& session, const RowKeys::Target& row, keyspace::Argv argv, keyspace::Reply& reply);
// Rows as an array of maps (RESP3) or of flat arrays of names and values (RESP2); the number of rows for
// INSERT, UPDATE, DELETE; the command tag for the rest.
struct TextResult;
void write_result(const TextResult& result, keyspace::Reply& reply);

}  // namespace stele::sql::redis
