#include "doors/postgres/door.h"

#include <openssl/err.h>
#include <unistd.h>

#include <future>

#include "doors/postgres/connection.h"

namespace stele::doors::postgres {
namespace {

struct ContextFree { void operator()(SSL_CTX* c) const { SSL_CTX_free(c); } };
using Context = std::unique_ptr<SSL_CTX, ContextFree>;

Context make_tls(const DoorOptions& options) {
  if (options.tls_certificate.empty()) return nullptr;
  Context c(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_set_min_proto_version(c.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(c.get(), SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(c.get(), SSL_SESS_CACHE_OFF);
  auto reason = [] {
    char text[256];
    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    return std::string(text);
  };
  if (SSL_CTX_use_certificate_chain_file(c.get(), options.tls_certificate.c_str()) != 1)
    throw Error(ErrorCode::kIoError, fmt::format("could not load the TLS certificate \"{}\": {}", options.tls_certificate, reason()));
  const std::string& key = options.tls_key.empty() ? options.tls_certificate : options.tls_key;
  if (SSL_CTX_use_PrivateKey_file(c.get(), key.c_str(), SSL_FILETYPE_PEM) != 1)
    throw Error(ErrorCode::kIoError, fmt::format("could not load the TLS key \"{}\": {}", key, reason()));
  return c;
}

// Threads that may block. Grows while every thread is busy, up to a bound that always leaves one for
// each connection.
class Workers {
 public:
  explicit Workers(int limit) : limit_(limit) {}
  ~Workers() { stop(); }
  void submit(Connection* c) {
    std::unique_lock lock(mutex_);
    queue_.push_back(c);
    if (idle_ > 0) {
      --idle_;  // claimed: a second submit before it wakes needs another thread
      ++claimed_;
      lock.unlock();
      ready_.notify_one();
    } else if (static_cast<int>(threads_.size()) < limit_) {
      threads_.emplace_back([this] { run(); });
    }
  }
  void stop() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    ready_.notify_all();
    for (auto& t : threads_) t.join();
    threads_.clear();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (queue_.empty()) {
        if (stop_) return;
        ++idle_;
        ready_.wait(lock, [&] { return claimed_ > 0 || stop_; });
        if (claimed_ > 0) --claimed_;
        else --idle_;
        continue;
      }
      Connection* c = queue_.front();
      queue_.pop_front();
      lock.unlock();
      c->run_on_worker();
      lock.lock();
    }
  }
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Connection*> queue_;
  std::vector<std::thread> threads_;
  int idle_ = 0, claimed_ = 0, limit_;
  bool stop_ = false;
};

// Connections whose output waits for the log. The log's callback shares it and may outlive the door.
class DurableQueue {
 public:
  void add(Connection* c, storage::Lsn lsn) {
    std::lock_guard lock(mutex_);
    waiting_.push_back({lsn, c});
  }
  // On the log's sync thread, or the connection's own: must not block.
  void advance(storage::Lsn lsn) {
    std::map<Reactor*, std::vector<Connection*>> ready;
    {
      std::lock_guard lock(mutex_);
      size_t kept = 0;
      for (size_t i = 0; i < waiting_.size(); ++i) {
        if (waiting_[i].lsn <= lsn) ready[&waiting_[i].connection->reactor()].push_back(waiting_[i].connection);
        else waiting_[kept++] = waiting_[i];
      }
      waiting_.resize(kept);
    }
    for (auto& [reactor, list] : ready)
      reactor->post([list = std::move(list)] {
        for (Connection* c : list) c->durable_reached();
      });
  }

 private:
  struct Waiting { storage::Lsn lsn; Connection* connection; };
  std::mutex mutex_;
  std::vector<Waiting> waiting_;
};

class DoorImpl final : public Door, public Host {
 public:
  DoorImpl(sql::Database& database, const DoorOptions& options)
      : database_(database), options_(options), tls_(make_tls(options)), workers_(options.max_connections + 16) {
    int n = options.reactors > 0 ? options.reactors : std::max(1u, std::thread::hardware_concurrency());
    for (int i = 0; i < n; ++i) {
      reactors_.push_back(std::make_unique<Reactor>());
      // Replies leave at the end of a round: a client that waits for several wakes once.
      Reactor& reactor = *reactors_.back();
      auto& replies = replies_[&reactor];
      reactor.on_round_end([&replies] {
        for (size_t i = 0; i < replies.size(); ++i) replies[i]->end_of_round();
        replies.clear();
      });
    }
    port_ = reactors_[0]->listen(options.address, options.port,
                                 [this](int fd, std::string peer) { accepted(fd, std::move(peer)); });
    if (options_.log != nullptr)
      options_.log->on_durable([durable = durable_](storage::Lsn lsn) { durable->advance(lsn); });
    for (auto& r : reactors_) r->start();
  }
  ~DoorImpl() override { stop(); }

  uint16_t port() const override { return port_; }
  int connections() const override { return count_; }

  void stop() override {
    if (stopped_.exchange(true)) return;
    std::promise<void> closed;
    reactors_[0]->post([&] {
      reactors_[0]->close_listeners();
      closed.set_value();
    });
    closed.get_future().wait();
    stopping_ = true;
    database_.terminate_all();
    {
      std::lock_guard lock(mutex_);
      for (auto& [raw, c] : connections_) c->shut_down();
    }
    std::unique_lock lock(mutex_);
    empty_.wait_for(lock, std::chrono::seconds(10), [&] { return connections_.empty(); });
    lock.unlock();
    workers_.stop();
    for (auto& r : reactors_) r->stop();
    lock.lock();
    connections_.clear();
  }

  // ---- Host ----
  sql::Database& database() override { return database_; }
  bool require_password() const override { return options_.require_password; }
  bool require_tls() const override { return options_.require_tls; }
  SSL_CTX* tls() override { return tls_.get(); }
  bool accept_more() override { return count_ <= options_.max_connections; }
  bool stopping() const override { return stopping_; }
  storage::Lsn durable_lsn() override { return options_.log == nullptr ? UINT64_MAX : options_.log->durable_lsn(); }
  void wait_durable_blocking(storage::Lsn lsn) override {
    if (options_.log != nullptr) options_.log->sync(lsn);
  }
  void submit(Connection* c) override { workers_.submit(c); }

  void when_durable(Connection* c, storage::Lsn lsn) override {
    durable_->add(c, lsn);
    options_.log->request_sync(lsn);
    // The log may have got there before we were on the list.
    durable_->advance(options_.log->durable_lsn());
  }

  void flush_later(Connection* c) override { replies_.find(&c->reactor())->second.push_back(c); }

  void finished(Connection* c) override {
    c->reactor().post([this, c] {
      c->reactor().forget(c);
      ConnectionPtr last;
      {
        std::lock_guard lock(mutex_);
        auto it = connections_.find(c);
        if (it == connections_.end()) return;
        last = std::move(it->second);
        connections_.erase(it);
        --count_;
        if (connections_.empty()) empty_.notify_all();
      }
      // Closing the descriptor takes it out of epoll.
    });
  }

 private:
  void accepted(int fd, std::string peer) {
    if (count_ >= options_.max_connections + 64) {
      ::close(fd);  // beyond even the polite refusal
      return;
    }
    Reactor& reactor = *reactors_[next_++ % reactors_.size()];
    auto c = std::make_shared<Connection>(*this, reactor, fd, std::move(peer));
    {
      std::lock_guard lock(mutex_);
      connections_.emplace(c.get(), c);
      ++count_;
    }
    reactor.post([c] { c->watch(); });
  }

  sql::Database& database_;
  DoorOptions options_;
  Context tls_;
  std::vector<std::unique_ptr<Reactor>> reactors_;
  std::unordered_map<Reactor*, std::vector<Connection*>> replies_;  // of the round, by its reactor alone; the map never changes
  uint16_t port_ = 0;
  unsigned next_ = 0;
  std::atomic<int> count_{0};
  std::atomic<bool> stopping_{false}, stopped_{false};
  std::mutex mutex_;
  std::condition_variable empty_;
  std::unordered_map<Connection*, ConnectionPtr> connections_;
  std::shared_ptr<DurableQueue> durable_ = std::make_shared<DurableQueue>();
  Workers workers_;
};

}  // namespace

std::unique_ptr<Door> Door::start(sql::Database& database, const DoorOptions& options) {
  return std::make_unique<DoorImpl>(database, options);
}

}  // namespace stele::doors::postgres
