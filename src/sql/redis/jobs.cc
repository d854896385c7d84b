#include "sql/redis/jobs.h"

#include "base/logging.h"
#include "sql/redis/client.h"

namespace stele::sql::redis {

using keyspace::Argv;
using keyspace::Keyspace;
using keyspace::KeyspaceTxn;
using keyspace::Reply;

namespace {
constexpr size_t kMaxThreads = 16;
constexpr int kRetries = 5;

std::string error_line(const Error& e) {
  const auto& r = rendering(e.code());
  if (std::string_view(r.redis) != "ERR") return fmt::format("-{} {}", r.redis, e.message());
  std::string text = fmt::format("-SQL {} {}", r.sqlstate, e.message());
  if (!e.detail().empty()) text += " " + e.detail();
  return text;
}
bool retryable(const Error& e) { return e.code() == ErrorCode::kSerializationFailure || e.code() == ErrorCode::kDeadlockDetected; }
}  // namespace

struct Jobs::Running {
  keyspace::SqlJob& job;
  Session& session;
  int db;
  std::shared_ptr<bool> watch_broken = std::make_shared<bool>(false);
  std::vector<std::pair<std::string, std::string>> messages;   // PUBLISH, after the commit
  size_t touched_settings = 0;
};

Jobs::Jobs(Database& database, keyspace::DurableKeyspace& durable, RowKeys& rows)
    : database_(database), durable_(durable), ks_(durable.keyspace()), rows_(rows) {
  keyspace::KeyspaceLatch latch(ks_.latch());
  ks_.sql_job = [this](keyspace::SqlJob job) { submit(std::move(job)); };
}
Jobs::~Jobs() {
  {
    keyspace::KeyspaceLatch latch(ks_.latch());
    ks_.sql_job = nullptr;
  }
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    queue_.clear();
  }
  wake_.notify_all();
  for (auto& t : threads_) t.join();
}

void Jobs::submit(keyspace::SqlJob job) {
  std::lock_guard lock(mutex_);
  queue_.push_back(std::move(job));
  if (idle_ < queue_.size() && threads_.size() < kMaxThreads) threads_.emplace_back([this] { loop(); });
  wake_.notify_one();
}

void Jobs::loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    wake_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    --idle_;
    if (stopping_) return;
    keyspace::SqlJob job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    run(job);
    lock.lock();
  }
}

// A Redis user is the role of its name; the default user is the server's owner.
std::string Jobs::role_of(const std::string& user) {
  if (user == "default") return "postgres";
  auto login = database_.login(user);
  if (!login || !login->can_login)
    throw Error(ErrorCode::kInvalidAuthorizationSpecification, fmt::format("there is no role \"{}\" that may log in", user))
        .hint("SQL runs as the role that has the Redis user's name.");
  return user;
}

std::unique_ptr<Session> Jobs::borrow(const std::string& role) {
  {
    std::lock_guard lock(mutex_);
    for (auto it = sessions_.begin(); it != sessions_.end(); ++it)
      if (it->role == role) {
        auto session = std::move(it->session);
        sessions_.erase(it);
        return session;
      }
  }
  SessionOptions options;
  options.user = role;
  options.application_name = "redis";
  return database_.connect(options);
}

void Jobs::run(keyspace::SqlJob& job) {
  std::string reply;
  int db = job.db;
  std::vector<std::pair<std::string, std::string>> messages;
  try {
    std::string role = role_of(job.user);
    auto session = borrow(role);
    for (int attempt = 0;; ++attempt) {
      Running r{job, *session, job.db};
      try {
        reply = run_commands(r);
        db = r.db;
        messages = std::move(r.messages);
        break;
      } catch (const Error& e) {
        if (session->status() != TxnStatus::kIdle) run_sql(*session, "ROLLBACK");
        Reply out(&reply, job.resp);
        if (*r.watch_broken) {
          out.null_array();
        } else if (retryable(e) && attempt < kRetries) {
          continue;
        } else if (job.exec) {
          out.error("-EXECABORT Transaction discarded because of: " + error_line(e).substr(1));
        } else {
          out.error(error_line(e));
        }
        break;
      }
    }
    // The reply follows the promise of the commit.
    if (storage::Lsn lsn = session->pending_durable(); lsn != 0) {
      durable_.store().wait_durable(lsn);
      session->acknowledged();
    }
    bool plain = true;
    for (auto& c : job.commands) {
      if (c.spec->name != "stele.sql" || c.argv.size() < 2) continue;
      std::string word = keyspace::lower(c.argv[1].substr(0, c.argv[1].find_first_of(" \t\r\n(;")));
      plain &= word == "select" || word == "insert" || word == "update" || word == "delete" || word == "with" || word == "values";
    }
    if (!plain) run_sql(*session, "DISCARD ALL");
    std::lock_guard lock(mutex_);
    if (sessions_.size() < 2 * kMaxThreads) sessions_.push_back({role, std::move(session)});
  } catch (const Error& e) {
    reply.clear();
    Reply(&reply, job.resp).error(error_line(e));
  } catch (const std::exception& e) {
    reply.clear();
    Reply(&reply, job.resp).error(e.what());
  }
  keyspace::KeyspaceLatch latch(ks_.latch());
  if (!ks_.post) return;
  ks_.post([this, id = job.session_id, reply = std::move(reply), db, messages = std::move(messages)] {
    keyspace::KeyspaceLatch guard(ks_.latch());
    for (auto& [channel, text] : messages) ks_.publish(channel, text);
    ks_.sql_done(id, reply, db);
  });
}

std::string Jobs::run_commands(Running& r) {
  std::string out;
  Reply reply(&out, r.job.resp);
  auto& first = r.job.commands[0];
  if (!r.job.exec && first.spec->name == "stele.sql") {
    // On its own it is what a client of the PostgreSQL door would send.
    std::vector<TextValue> params;
    for (size_t i = 2; i < first.argv.size(); ++i) params.emplace_back(first.argv[i]);
    TextResult result = run_sql(r.session, first.argv[1], params);
    if (r.session.status() != TxnStatus::kIdle) {
      run_sql(r.session, "ROLLBACK");
      throw Error(ErrorCode::kInvalidTransactionState, "BEGIN cannot outlive a STELE.SQL command").hint("Put the commands between MULTI and EXEC.");
    }
    write_result(result, reply);
    return out;
  }
  run_sql(r.session, "BEGIN");
  if (r.job.exec) reply.array(r.job.commands.size());
  for (auto& command : r.job.commands) {
    size_t mark = out.size();
    if (!run_one(r, command, reply) && out.size() > mark && out[mark] == '-') {
      // An error reply of a command on data: the transaction is all or nothing.
      std::string line = out.substr(mark + 1, out.find("\r\n", mark) - mark - 1);
      if (!r.job.exec) {
        run_sql(r.session, "ROLLBACK");
        return out;
      }
      throw Error(ErrorCode::kRedisExecAbort, line);
    }
  }
  if (r.job.exec) {
    // WATCH: checked when nothing can change any more.
    auto broken = r.watch_broken;
    KeyspaceTxn::of(durable_, *r.session.exec_context().txn).check_at_commit([this, broken, id = r.job.session_id] {
      auto it = ks_.session_by_id.find(id);
      if (it == ks_.session_by_id.end() || !it->second->dirty_cas) return;
      *broken = true;
      throw Error(ErrorCode::kSerializationFailure, "a watched key has changed");
    });
  }
  run_sql(r.session, "COMMIT");
  return out;
}

// Returns whether an error reply is part of the result.
bool Jobs::run_one(Running& r, const keyspace::QueuedCommand& command, Reply& reply) {
  std::vector<std::string_view> argv(command.argv.begin(), command.argv.end());
  const std::string& name = command.spec->name;
  if (name == "stele.sql") {
    std::vector<TextValue> params;
    for (size_t i = 2; i < argv.size(); ++i) params.emplace_back(std::string(argv[i]));
    TextResult result = run_sql(r.session, argv[1], params);
    if (r.session.status() != TxnStatus::kInBlock || result.tag == "BEGIN" || result.tag == "COMMIT")
      throw Error(ErrorCode::kInvalidTransactionState, "transactions are begun by MULTI and ended by EXEC here");
    write_result(result, reply);
    return true;
  }
  if (name == "ping") { argv.size() > 1 ? reply.bulk(argv[1]) : reply.simple("PONG"); return true; }
  if (name == "echo") { reply.bulk(argv[1]); return true; }
  if (name == "publish") {
    r.messages.emplace_back(argv[1], argv[2]);
    reply.integer(0);
    return true;
  }
  if (name == "select") {
    int64_t n;
    if (!keyspace::parse_i64(argv[1], &n) || n < 0 || n >= ks_.databases()) throw Error(ErrorCode::kInvalidParameterValue, "DB index is out of range");
    r.db = static_cast<int>(n);
    reply.ok();
    return true;
  }
  auto& exec = r.session.exec_context();
  if (exec.txn == nullptr) run_sql(r.session, "SELECT");   // the block's storage transaction starts with its first statement
  std::vector<keyspace::KeyRef> keys;
  ks_.commands.keys_of(*command.spec, argv, &keys);
  std::vector<RowKeys::Target> targets(keys.size());
  size_t of_rows = 0;
  for (size_t i = 0; r.db == 0 && i < keys.size(); ++i) of_rows += rows_.target(argv[static_cast<size_t>(keys[i].index)], &targets[i]);
  auto run_native = [&](Argv a) { return KeyspaceTxn::of(durable_, *exec.txn).run(r.db, a, nullptr, exec.wait, r.job.resp); };
  if (of_rows == 0) {
    reply.raw(run_native(argv));
    return false;
  }
  if (keys.size() == 1) {
    run_row_command(r.session, targets[0], argv, reply);
    return false;
  }
  if (name != "del" && name != "unlink" && name != "exists")
    throw Error(ErrorCode::kFeatureNotSupported, fmt::format("'{}' cannot name rows of tables beside other keys", name));
  int64_t total = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    std::string_view one[] = {argv[0], argv[static_cast<size_t>(keys[i].index)]};
    std::string text;
    Reply part(&text, 2);
    if (targets[i].table.empty()) text = run_native(one);
    else run_row_command(r.session, targets[i], one, part);
    total += std::strtoll(text.c_str() + 1, nullptr, 10);
  }
  reply.integer(total);
  return true;
}

}  // namespace stele::sql::redis
