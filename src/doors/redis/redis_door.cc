#include "doors/redis/redis_door.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <deque>
#include <unordered_set>

#include "base/clock.h"
#include "doors/redis/resp_parser.h"

namespace stele::doors::redis {

using keyspace::Session;

struct RedisDoor::Impl : keyspace::SessionHost {
  // One client: connection, parser, session. Replies are written straight into the connection's output.
  struct Client {
    Client(Reactor& r, int fd) : connection(r, fd), session(&connection.output.raw()) {}
    Connection connection;
    RespParser parser;
    Session session;
    bool busy = false;      // inside process()
    bool input_paused = false;  // its input must stay where it is, because a command of it serves others meanwhile
    bool queued = false;    // waits for the end of the round
    bool dead = false;
    uint64_t held_until = 0;  // output waits for the log to be durable up to this lsn
  };

  Impl(keyspace::Keyspace& ks, Reactor& r, Options o) : ks_(ks), reactor_(r), options_(std::move(o)) {
    reactor_.on_round_end([this] { round_end(); });
    if (options_.log != nullptr)
      options_.log->on_durable([nudge = nudge_](storage::Lsn) {
        std::lock_guard lock(nudge->mutex);
        if (nudge->wanted && nudge->reactor != nullptr) nudge->reactor->post([] {});
        nudge->wanted = false;
      });
    nudge_->reactor = &reactor_;
    reactor_.add_timer(1000, [this]() -> int64_t {
      if (stopped_) return -1;
      keyspace::KeyspaceLatch latch(ks_.latch());
      int64_t next_us = ks_.cron() * 1000;
      trim_idle();
      return next_us;
    });
    keyspace::KeyspaceLatch latch(ks_.latch());
    ks_.post = [this](std::function<void()> task) { reactor_.post(std::move(task)); };
    ks_.outside_changes = [this] {
      if (outside_posted_.exchange(true)) return;
      reactor_.post([this] {
        outside_posted_.store(false);
        keyspace::KeyspaceLatch guard(ks_.latch());
        if (!stopped_) ks_.run_outside_events();
      });
    };
    ks_.poll_events = [this] {
      ++nested_;
      for (Client* c : busy_)
        if (!c->input_paused && !c->dead) {
          c->input_paused = true;
          c->connection.pause_input(true);
        }
      reactor_.run_once(0);
      --nested_;
    };
  }
  ~Impl() override {
    stopped_ = true;
    {
      keyspace::KeyspaceLatch latch(ks_.latch());
      ks_.post = nullptr;
      ks_.outside_changes = nullptr;
    }
    {
      std::lock_guard lock(nudge_->mutex);
      nudge_->reactor = nullptr;
    }
    for (auto& [p, c] : clients_) {
      c->connection.on_closed = nullptr;
      keyspace::KeyspaceLatch latch(ks_.latch());
      ks_.disconnect(c->session);
    }
    clients_.clear();
    ks_.poll_events = nullptr;
  }

  void accept(int fd, std::string peer) {
    keyspace::KeyspaceLatch latch(ks_.latch());
    if (clients_.size() >= static_cast<size_t>(ks_.config.s.maxclients)) {
      static constexpr std::string_view kFull = "-ERR max number of clients reached\r\n";
      [[maybe_unused]] auto n = ::send(fd, kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      ::close(fd);
      ++ks_.stats.rejected_connections;
      return;
    }
    auto owned = std::make_unique<Client>(reactor_, fd);
    Client* c = owned.get();
    clients_[&c->session] = std::move(owned);
    c->session.host = this;
    c->session.address = std::move(peer);
    c->session.fd = fd;
    sockaddr_storage local{};
    socklen_t size = sizeof local;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) == 0 && local.ss_family == AF_INET) {
      char text[INET_ADDRSTRLEN];
      auto& in = reinterpret_cast<sockaddr_in&>(local);
      inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
      c->session.local_address = fmt::format("{}:{}", text, ntohs(in.sin_port));
    } else {
      c->session.local_address = c->session.address;
    }
    ks_.connect(c->session);
    c->connection.on_input = [this, c] {
      if (c->connection.input.capacity() < kInputBytes) c->connection.input.raw().reserve(kInputBytes);
      keyspace::KeyspaceLatch guard(ks_.latch());
      ++ks_.stats.reads;
      process(c);
    };
    c->connection.on_closed = [this, c] { ended(c); };
    c->connection.attach();
  }

  void ended(Client* c) {
    if (c->dead) return;
    c->dead = true;
    {
      keyspace::KeyspaceLatch latch(ks_.latch());
      ks_.disconnect(c->session);
    }
    graveyard_.push_back(c);
  }

  void enqueue(Client* c) {
    if (c->queued || c->dead) return;
    c->queued = true;
    round_.push_back(c);
  }

  // A client that reads and writes has a buffer for what comes; one that has been idle for two seconds has none.
  static constexpr size_t kInputBytes = 20 << 10;
  void trim_idle() {
    if (ks_.now_ms() - trimmed_ms_ < 500) return;
    trimmed_ms_ = ks_.now_ms();
    for (auto& [session, c] : clients_)
      if (c->connection.input.empty() && !c->busy && ks_.now_ms() - session->last_active_ms > 2000 && c->connection.input.capacity() >= kInputBytes)
        c->connection.input.release_memory();
  }

  // Requests parsed ahead of their execution, so that what they will touch is on its way from memory.
  struct Ahead {
    struct Request { size_t words, consumed; };
    std::vector<std::string_view> words;  // views into the connection's input, or the parser's words
    std::vector<Request> requests;
    std::vector<keyspace::Argv> argvs;
  };
  static constexpr size_t kAheadRequests = 16, kAheadBytes = 64 << 10;

  // The requests at the front of the input: all of them up to the limits, and what the parser said of the bytes behind.
  RespParser::Outcome read_ahead(Client* c, Ahead* ahead) {
    Session& s = c->session;
    std::string_view in = c->connection.input.view();
    ahead->words.clear();
    ahead->requests.clear();
    ahead->argvs.clear();
    bool authenticated = s.authenticated || (s.user->nopass && s.user->enabled);
    auto outcome = RespParser::Outcome::kRequest;
    for (size_t at = 0;;) {
      outcome = c->parser.parse(in.substr(at), ks_.config.s.proto_max_bulk_len, authenticated);
      if (outcome != RespParser::Outcome::kRequest) break;
      auto& argv = c->parser.argv();
      ahead->words.insert(ahead->words.end(), argv.begin(), argv.end());
      ahead->requests.push_back({argv.size(), c->parser.consumed()});
      bool inline_request = in[at] != '*';
      at += c->parser.consumed();
      c->parser.reset();
      // Words of an inline request live in the parser; who has not yet authenticated is held to narrower limits.
      if (inline_request || !authenticated || at == in.size() || in[at] != '*' || at > kAheadBytes || ahead->requests.size() == kAheadRequests) break;
    }
    const std::string_view* word = ahead->words.data();
    for (auto& r : ahead->requests) {
      ahead->argvs.emplace_back(word, r.words);
      word += r.words;
    }
    if (ahead->argvs.size() > 1) ks_.prefetch(s, ahead->argvs);
    return outcome;
  }

  bool may_run(Client* c) const {
    const Session& s = c->session;
    return !c->dead && !c->connection.closing() && !s.blocked() && !s.paused && !s.killed;
  }

  // False: the client goes no further now; what was read ahead is parsed again when it does.
  bool run_ahead(Client* c, const Ahead& ahead) {
    for (size_t i = 0; i < ahead.requests.size(); ++i) {
      if (!may_run(c)) return false;
      if (!ahead.argvs[i].empty()) {
        if (!ks_.execute(c->session, ahead.argvs[i])) return false;  // held back; the same bytes are tried again
        if (c->dead) return false;
      }
      ks_.stats.net_in += ahead.requests[i].consumed;
      c->connection.input.consume(ahead.requests[i].consumed);
      if (c->connection.output.size() > (64 << 20)) {  // let others have a turn
        again_.push_back(c);
        return false;
      }
    }
    return true;
  }

  void process(Client* c) {
    if (c->busy || c->dead) return;
    c->busy = true;
    busy_.push_back(c);
    if (ahead_.size() < busy_.size()) ahead_.emplace_back();
    Ahead& ahead = ahead_[busy_.size() - 1];
    ks_.time_passed();
    while (may_run(c)) {
      auto outcome = read_ahead(c, &ahead);
      if (!run_ahead(c, ahead) || (outcome != RespParser::Outcome::kRequest && !may_run(c))) {
        c->parser.reset();
        break;
      }
      if (outcome == RespParser::Outcome::kMore) {
        if (c->connection.input.size() > static_cast<size_t>(ks_.config.s.client_query_buffer_limit)) c->connection.close();
        break;
      }
      if (outcome == RespParser::Outcome::kError) {
        c->session.reply.error(c->parser.error());
        ks_.count_error("ERR");
        c->connection.close_after_flush();
        break;
      }
    }
    if (ahead.words.capacity() > 65536) ahead = Ahead();
    busy_.pop_back();
    c->busy = false;
    if (c->input_paused && !c->dead) {
      c->input_paused = false;
      c->connection.pause_input(false);
    }
    enqueue(c);
  }

  // ---- SessionHost ----
  Client* client_of(const Session& s) const { return clients_.at(const_cast<Session*>(&s)).get(); }
  void wake(Session& s) override {
    Client* c = client_of(s);
    auto act = [this, c] {
      enqueue(c);
      if (!c->busy && !c->connection.input.empty()) again_.push_back(c);
    };
    if (reactor_.in_loop()) act();
    else {
      uint64_t id = s.id;
      reactor_.post([this, id] {
        keyspace::KeyspaceLatch latch(ks_.latch());
        auto it = ks_.session_by_id.find(id);
        if (it != ks_.session_by_id.end() && clients_.contains(it->second)) wake(*it->second);
      });
    }
  }
  void close(Session& s, bool after_flush) override {
    Client* c = client_of(s);
    if (after_flush) c->connection.close_after_flush();
    else to_close_.push_back(c);
    enqueue(c);
  }
  size_t input_bytes(const Session& s) const override { return client_of(s)->connection.input.size(); }
  size_t input_capacity(const Session& s) const override {
    size_t n = client_of(s)->connection.input.capacity();
    return n < 16 ? 0 : n;
  }
  size_t output_bytes(const Session& s) const override { return client_of(s)->connection.output.size(); }

  // Replies of this round must not leave before the log is durable up to what they may show.
  void hold(Client* c, uint64_t lsn) {
    if (c->held_until == 0) {
      held_.push_back(c);
      c->connection.hold_output(true);
    }
    c->held_until = lsn;
  }
  void release_durable() {
    if (held_.empty()) return;
    uint64_t durable = options_.log->durable_lsn();
    std::erase_if(held_, [&](Client* c) {
      if (c->dead) return true;
      if (c->held_until > durable) return false;
      c->held_until = 0;
      c->connection.hold_output(false);
      send(c);
      return true;
    });
  }
  void wait_for_log() {
    {
      std::lock_guard lock(nudge_->mutex);
      nudge_->wanted = true;
    }
    uint64_t lsn = 0;
    for (Client* c : held_) lsn = std::max(lsn, c->held_until);
    options_.log->request_sync(lsn);
    release_durable();  // it may have become durable before anybody was told to say so
  }
  void send(Client* c) {
    if (c->connection.output.empty() && !c->connection.closing()) return;
    ks_.stats.net_out += c->connection.output.size();
    ++ks_.stats.writes;
    c->connection.flush();
  }

  void round_end() {
    if (stopped_) return;
    bool more_to_free = false;
    {
      keyspace::KeyspaceLatch latch(ks_.latch());
      if (nested_ == 0) ks_.round_end();
      while (!again_.empty()) {
        auto list = std::move(again_);
        again_.clear();
        for (Client* c : list)
          if (!c->dead) process(c);
        if (nested_ > 0) break;
        ks_.round_end();
      }
      more_to_free = ks_.lazy_pending > 0;
    }
    if (nested_ == 0) ks_.commit_round();
    else ks_.commit_before_command();
    uint64_t promised = ks_.wait_for_durability() && options_.log != nullptr ? ks_.last_effect_lsn.load(std::memory_order_acquire) : 0;
    if (promised != 0 && promised <= options_.log->durable_lsn()) promised = 0;
    // Clients killed in this round leave before anything more is sent to them.
    auto ends = std::move(to_close_);
    to_close_.clear();
    for (Client* c : ends)
      if (!c->dead) c->connection.close();
    auto list = std::move(round_);
    round_.clear();
    for (Client* c : list) {
      c->queued = false;
      if (c->dead || c->busy) { if (!c->dead && c->busy) enqueue(c); continue; }
      if (promised != 0) hold(c, promised);
      else if (c->held_until == 0) send(c);
    }
    release_durable();
    if (!held_.empty()) wait_for_log();
    if (nested_ == 0 && !graveyard_.empty()) {
      auto dead = std::move(graveyard_);
      graveyard_.clear();
      keyspace::KeyspaceLatch latch(ks_.latch());
      for (Client* c : dead) {
        std::erase(round_, c);
        std::erase(again_, c);
        std::erase(to_close_, c);
        std::erase(held_, c);
        clients_.erase(&c->session);
      }
    }
    if (nested_ == 0 && (!again_.empty() || more_to_free)) reactor_.post([] {});
  }

  keyspace::Keyspace& ks_;
  Reactor& reactor_;
  Options options_;
  std::unordered_map<Session*, std::unique_ptr<Client>> clients_;
  std::vector<Client*> round_, again_, graveyard_, to_close_;
  std::vector<Client*> held_;
  std::vector<Client*> busy_;    // inside process(), one within the other
  std::deque<Ahead> ahead_;      // of those
  // Shared with the log's sync thread, which may outlive the door.
  struct Nudge {
    std::mutex mutex;
    Reactor* reactor = nullptr;
    bool wanted = false;
  };
  std::shared_ptr<Nudge> nudge_ = std::make_shared<Nudge>();
  int64_t trimmed_ms_ = 0;
  int nested_ = 0;
  bool stopped_ = false;
  std::atomic<bool> outside_posted_{false};   // the reactor will look at changes of other doors
};

RedisDoor::RedisDoor(keyspace::Keyspace& keyspace, Reactor& reactor, Options options)
    : impl_(std::make_unique<Impl>(keyspace, reactor, std::move(options))) {}
RedisDoor::~RedisDoor() = default;

uint16_t RedisDoor::listen(const std::string& address, uint16_t port) {
  return impl_->reactor_.listen(address, port, [this](int fd, std::string peer) { impl_->accept(fd, std::move(peer)); });
}

}  // namespace stele::doors::redis
