// From arguments to an executed command: lookup, permission, memory, transactions, statistics.
#include "keyspace/keyspace.h"
#include "keyspace/scripting/engine.h"

namespace stele::keyspace {

Keyspace::Keyspace() : acl(commands) {
  refresh_time();
  stats.start_ms = now_ms_;
  stats.last_save_s = now_ms_ / 1000;
  run_id = random_hex(40);
  replid = random_hex(40);
  for (int i = 0; i < config.s.databases; ++i) {
    dbs_.push_back(std::make_unique<Database>());
    dbs_.back()->id = i;
  }
  bind_config();
  scripts = std::make_unique<ScriptEngine>(*this);
}

Keyspace::~Keyspace() {
  scripts.reset();
  sink = nullptr;
  for (auto& d : dbs_) {
    d->expires.for_each([](ExpireNode* n) { mem_free(n); });
    d->expires.clear();
    d->dict.for_each([](Entry* e) { Entry::destroy(e); });
    d->dict.clear();
  }
}

void Keyspace::connect(Session& s) {
  s.id = next_session_id_++;
  s.created_ms = s.last_active_ms = now_ms_ = system_clock().unix_us() / 1000;
  s.user = acl.default_user;
  s.authenticated = acl.default_user->nopass && acl.default_user->enabled;
  if (s.fake) return;
  ++stats.connections;
  s.where = sessions.insert(sessions.end(), &s);
  session_by_id[s.id] = &s;
}

void Keyspace::disconnect(Session& s) {
  s.host = nullptr;
  if (s.blocked()) unblock(s);
  discard_multi(s);
  unsubscribe_all(s);
  tracking_disable(s);
  monitors.erase(&s);
  if (s.fake) return;
  sessions.erase(s.where);
  session_by_id.erase(s.id);
}

void Keyspace::reset_session(Session& s) {
  tracking_disable(s);
  s.name.clear();
  s.db = 0;
  s.reply.set_resp(2);
  s.reply_off = s.reply_skip = s.reply_skip_next = false;
  monitors.erase(&s);
  s.monitor = false;
  discard_multi(s);
  unsubscribe_all(s);
  s.user = acl.default_user;
  s.authenticated = acl.default_user->nopass && acl.default_user->enabled;
  s.no_evict = false;
}

void Keyspace::kill(Session& s) {
  s.killed = true;
  if (&s == current) { s.close_asked = true; return; }
  if (s.host != nullptr) s.host->close(s, false);
}

void Keyspace::count_error(std::string_view line) {
  ++stats.errors;
  std::string_view word = line.substr(0, line.find(' '));
  if (stats.errors_full) return;
  ++stats.error_counts[std::string(word)];
}

bool Keyspace::deny(Session& s, CommandSpec* spec, std::string_view error) {
  if (s.in_multi) s.dirty_exec = true;
  if (spec != nullptr) ++spec->rejected;
  if (spec != nullptr && spec->name == "exec") {
    discard_multi(s);
    s.reply.error(fmt::format("-EXECABORT Transaction discarded because of: {}", error[0] == '-' ? error.substr(1) : fmt::format("ERR {}", error)));
    return true;
  }
  s.reply.error(error);
  return true;
}

static std::string unknown_command(Argv argv) {
  std::string args;
  for (size_t i = 1; i < argv.size() && args.size() < 128; ++i)
    args += fmt::format("'{}' ", argv[i].substr(0, 128 - args.size()));
  return fmt::format("unknown command '{}', with args beginning with: {}", argv[0].substr(0, 128), args);
}

bool Keyspace::execute(Session& s, Argv argv) {
  if (call_depth == 0) {
    if (!time_known_) refresh_time();
    time_known_ = false;
    command_effects_from_ = effects_.size();
  }
  s.last_active_ms = now_ms_;
  size_t before = s.reply.out().size();
  uint64_t errors_before = s.reply.errors;
  Session* previous = current;
  current = &s;
  bool ran = true;

  auto run = [&]() -> bool {
    CommandSpec* spec = commands.find(argv);
    if (spec == nullptr) {
      CommandSpec* parent = commands.find(argv[0]);
      if (parent != nullptr && !parent->subcommands.empty() && argv.size() > 1)
        return deny(s, nullptr, fmt::format("unknown subcommand '{}'. Try {} HELP.", argv[1].substr(0, 128), upper(argv[0])));
      return deny(s, nullptr, unknown_command(argv));
    }
    s.last_command = spec;
    if ((spec->arity > 0 && static_cast<int>(argv.size()) != spec->arity) ||
        static_cast<int>(argv.size()) < -spec->arity)
      return deny(s, spec, fmt::format("wrong number of arguments for '{}' command", spec->name));
    if (spec->handler == nullptr) return deny(s, spec, unknown_command(argv));

    bool queued_write = false, queued_oom = false;
    bool is_exec = spec->name == "exec";
    if (is_exec)
      for (auto& q : s.queued) {
        queued_write |= q.spec->is(kCmdWrite | kCmdMayReplicate);
        queued_oom |= q.spec->is(kCmdDenyOom);
      }
    if (!s.authenticated && !(s.user->nopass && s.user->enabled) && !spec->is(kCmdNoAuth))
      return deny(s, spec, "-NOAUTH Authentication required.");
    if (!spec->is(kCmdNoAuth) || s.authenticated) {
      auto& root = s.user->selectors[0];
      if (!(root.all_commands && root.all_keys && root.all_channels)) {
        int bad = 0;
        AclVerdict v = acl.check(*s.user, *spec, argv, &bad);
        if (v != AclVerdict::kOk) {
          std::string object = v == AclVerdict::kCommand ? spec->name : std::string(argv[static_cast<size_t>(bad)]);
          acl_log(s, v, object, s.user->name, s.in_multi ? "multi" : "toplevel", false);
          switch (v) {
            case AclVerdict::kCommand:
              return deny(s, spec, fmt::format("-NOPERM this user has no permissions to run the '{}' command", spec->name));
            case AclVerdict::kKey:
              return deny(s, spec, "-NOPERM this user has no permissions to access one of the keys used as arguments");
            default:
              return deny(s, spec, "-NOPERM this user has no permissions to access one of the channels used as arguments");
          }
        }
      }
    }
    bool busy = in_script && current_script != nullptr && previous != nullptr;
    if (config.s.maxmemory > 0 && !busy) {
      bool freed;
      bool oom = !evict(&freed);
      bool reject = spec->is(kCmdDenyOom) || (is_exec && queued_oom) ||
                    (s.in_multi && spec->name != "exec" && spec->name != "discard" && spec->name != "multi" && spec->name != "reset" && spec->name != "quit");
      scripts->set_oom(oom);
      if (oom && reject) return deny(s, spec, "-OOM command not allowed when used memory > 'maxmemory'.");
    } else {
      scripts->set_oom(false);
    }
    if ((spec->is(kCmdWrite) || (is_exec && queued_write)) && config.s.min_replicas_to_write > 0)
      return deny(s, spec, "-NOREPLICAS Not enough good replicas to write.");
    if (s.pubsub() && s.reply.resp() == 2) {
      static const std::set<std::string_view> allowed = {"ping", "subscribe", "ssubscribe", "sunsubscribe", "psubscribe", "unsubscribe", "punsubscribe", "quit", "reset"};
      if (!allowed.contains(spec->name))
        return deny(s, spec, fmt::format("Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context", spec->name));
    }
    if (busy && !spec->is(kCmdAllowBusy)) {
      if (!scripts->timed_out()) return deny(s, spec, "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.");
      return deny(s, spec, scripts->running_function()
                               ? "-BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
                               : "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.");
    }
    if (s.in_multi && spec->is(kCmdNoMulti))
      return deny(s, spec, "Command not allowed inside a transaction");
    if (pause_until_ms > now_ms_ && !busy) {
      if (!pause_writes_only || spec->is(kCmdWrite | kCmdMayReplicate) || (is_exec && queued_write)) {
        s.paused = true;
        s.paused_at = ++pauses;
        return false;
      }
    }
    if (!key_locks.empty() && !busy && wait_for_locks(s, *spec, argv)) return false;
    if (rows_active && spec->is(kCmdWrite)) {
      std::string refusal;
      if (row_use(s.db, *spec, argv, &refusal) == RowUse::kRefused) return deny(s, spec, refusal);
    }
    if (s.in_multi && spec->name != "exec" && spec->name != "discard" && spec->name != "multi" &&
        spec->name != "watch" && spec->name != "quit" && spec->name != "reset") {
      if (!s.dirty_exec && !s.dirty_cas) {
        QueuedCommand q{spec, {argv.begin(), argv.end()}};
        for (auto& a : q.argv) s.multi_bytes += a.size() + 16;
        s.queued.push_back(std::move(q));
      }
      s.reply.raw("+QUEUED\r\n");
      return true;
    }
    if ((rows_active || is_exec || spec->name == "stele.sql") && runs_as_sql(s, spec, argv)) return true;
    call(s, spec, argv, kCallAll);
    return true;
  };
  ran = run();
  if (ran) {
    if (s.reply.errors != errors_before && call_depth == 0 && !s.reply.last_error.empty()) {
      // call() counts errors of executed commands; this is for rejected ones.
      count_error(s.reply.last_error);
      s.reply.last_error.clear();
    }
    if (s.reply_off || s.reply_skip) {
      std::string& out = s.reply.out();
      if (out.size() > before) out.resize(before);
    }
    s.reply_skip = s.reply_skip_next;
    s.reply_skip_next = false;
    if (!s.pending_push.empty()) {
      s.reply.raw(s.pending_push);
      s.pending_push.clear();
    }
    if (s.tracking.caching_set) {
      if (s.last_command != nullptr && s.last_command->name != "client|caching" && !s.in_multi) s.tracking.caching = s.tracking.caching_set = false;
    }
    if (call_depth == 0) after_command();
    if (s.reply.out().size() > 65536 || s.pubsub()) check_output_limit(s);
    if (s.close_asked && s.host != nullptr) s.host->close(s, true);
  }
  current = previous;
  return ran;
}

void Keyspace::after_command() {
  if (!ready_keys.empty()) serve_ready_keys();
  if (tracking_clients > 0) {  // what it sends is no part of this command's replies
    Session* running = current;
    current = nullptr;
    tracking_limit();
    current = running;
  }
}

void Keyspace::call(Session& s, CommandSpec* spec, Argv argv, int flags) {
  const bool monitored = !monitors.empty() && !spec->is(kCmdAdmin) && !replaying && !s.block.retrying;
  const bool script = monitored && spec->group == "scripting" && spec->is(kCmdSkipMonitor);
  if (script) feed_monitors(s, argv);  // before the commands that it calls; all others once they are done
  uint64_t dirty_before = dirty, errors_before = s.reply.errors;
  int64_t start = call_depth == 0 ? monotonic_us_ : system_clock().monotonic_us();
  Call c{*this, s, argv, spec, s.reply, db(s.db)};
  bool collect = spec->is(kCmdWrite | kCmdMayReplicate) && !spec->simple_write && commit_effects && !collecting_keys && !replaying &&
                 !spec->is(kCmdNoScript) ;
  std::vector<std::pair<int, std::string>> outer;
  if (collect) { collecting_keys = true; outer.swap(dirty_keys_round); }
  int db_before = s.db;
  if (spec->is(kCmdWrite | kCmdMayReplicate) && keeps_versions && Versions::enabled() && !replaying) versions.before_command(*this, c.db, *spec, argv);
  ++call_depth;
  spec->handler(c);
  --call_depth;
  if (monitored && !script && !spec->is(kCmdSkipMonitor)) feed_monitors(s, argv);
  if (collect) collecting_keys = false;
  if (dirty != dirty_before && (flags & kCallPropagate) && !c.stop_propagation && commit_effects && !replaying) {
    if (!c.rewritten.empty()) {
      std::vector<std::string_view> views(c.rewritten.begin(), c.rewritten.end());
      propagate(db_before, views);
    } else if (spec->simple_write) {
      propagate(db_before, argv);
    } else if (collect) {
      finish_collected();
    }
  }
  if (collect) dirty_keys_round.swap(outer);
  int64_t ended = system_clock().monotonic_us(), us = ended - start;
  if (call_depth == 0) {
    set_time(ended);
    time_known_ = true;
  }
  if (s.reply.errors != errors_before) {
    if (flags & kCallStats) ++spec->failed;
    if (!s.reply.last_error.empty()) {
      count_error(s.reply.last_error);
      s.reply.last_error.clear();
    }
  }
  if (flags & kCallStats) {
    ++stats.commands;
    ++spec->calls;
    spec->usec += static_cast<uint64_t>(us);
    if (config.s.latency_tracking && !s.blocked()) {
      if (spec->latency == nullptr) spec->latency = std::make_unique<Histogram>();
      spec->latency->record(static_cast<uint64_t>(us) * 1000);
    }
  }
  if (config.s.latency_monitor_threshold > 0 && us / 1000 >= config.s.latency_monitor_threshold && !s.script)
    add_latency(spec->is(kCmdFast) ? "fast-command" : "command", us / 1000);
  if ((flags & kCallSlowlog) && !s.blocked() && !spec->is(kCmdSkipSlowlog)) log_slow(s, argv, us);
  if (tracking_clients > 0 && spec->is(kCmdReadonly) && !spec->is(kCmdPubsub)) {
    Session* reader = s.script && current_script != nullptr ? current_script : &s;
    if (reader->tracking.on) tracking_remember(*reader, *spec, argv);
  }
}

// Which words of a command are passwords, or tell about users.
static std::vector<bool> secret_args(const CommandSpec* spec, Argv argv) {
  std::vector<bool> hidden(argv.size());
  if (spec == nullptr) return hidden;
  auto hide = [&](size_t from, size_t n) {
    for (size_t i = from; i < std::min(from + n, argv.size()); ++i) hidden[i] = true;
  };
  const std::string& name = spec->name;
  if (name == "auth") hide(1, argv.size());
  else if (name == "acl|setuser" || name == "acl|deluser" || name == "acl|getuser") hide(2, argv.size());
  else if (name == "config|set") {
    for (size_t i = 2; i + 1 < argv.size(); i += 2)
      for (std::string_view secret : {"masterauth", "masteruser", "requirepass", "tls-key-file-pass", "tls-client-key-file-pass"})
        if (iequals(argv[i], secret)) hidden[i + 1] = true;
  } else if (name == "hello" || name == "migrate") {
    for (size_t i = name == "hello" ? 2 : 6; i < argv.size(); ++i) {
      if (iequals(argv[i], "keys")) break;
      if (iequals(argv[i], "auth")) { hide(i + 1, name == "hello" ? 2 : 1); i += name == "hello" ? 2 : 1; }
      else if (iequals(argv[i], "auth2")) { hide(i + 1, 2); i += 2; }
    }
  }
  return hidden;
}

void Keyspace::log_slow(Session& s, Argv argv, int64_t us) {
  int64_t limit = config.s.slowlog_log_slower_than;
  if (limit < 0 || us < limit || config.s.slowlog_max_len == 0) return;
  const Session& caller = s.script && current_script != nullptr ? *current_script : s;
  SlowlogEntry e{slowlog_id++, now_ms_ / 1000, us, {}, caller.address, caller.name};
  constexpr size_t kMaxArgs = 32, kMaxLen = 128;
  std::vector<bool> hidden = secret_args(commands.find(argv), argv);
  for (size_t i = 0; i < argv.size(); ++i) {
    if (i == kMaxArgs - 1 && argv.size() > kMaxArgs) {
      e.argv.push_back(fmt::format("... ({} more arguments)", argv.size() - kMaxArgs + 1));
      break;
    }
    if (hidden[i])
      e.argv.emplace_back("(redacted)");
    else if (argv[i].size() > kMaxLen)
      e.argv.push_back(fmt::format("{}... ({} more bytes)", argv[i].substr(0, kMaxLen), argv[i].size() - kMaxLen));
    else
      e.argv.emplace_back(argv[i]);
  }
  slowlog.push_front(std::move(e));
  while (slowlog.size() > static_cast<size_t>(config.s.slowlog_max_len)) slowlog.pop_back();
}

void Keyspace::add_latency(const char* event, int64_t ms) {
  auto& series = latency[event];
  int64_t now_s = now_ms_ / 1000;
  series.max_ms = std::max(series.max_ms, ms);
  if (!series.samples.empty() && series.samples.back().time_s == now_s) {
    series.samples.back().ms = std::max(series.samples.back().ms, ms);
    return;
  }
  series.samples.push_back({now_s, ms});
  if (series.samples.size() > 160) series.samples.pop_front();
}

void Keyspace::feed_monitors(Session& s, Argv argv) {
  int64_t us = now_us();
  Session* origin = s.script && current_script != nullptr ? current_script : &s;
  std::string line = fmt::format("{}.{:06} [{} {}]", us / 1000000, us % 1000000, s.db, s.script ? "lua" : origin->address);
  std::vector<bool> hidden = secret_args(commands.find(argv), argv);
  for (size_t i = 0; i < argv.size(); ++i) { line += ' '; line += hidden[i] ? "\"(redacted)\"" : quoted(argv[i]); }
  for (Session* m : monitors) {
    if (m == &s) continue;
    push_begin(*m);
    m->reply.simple(line);
    push_end(*m);
  }
}

void Keyspace::acl_log(Session& s, AclVerdict v, const std::string& object, const std::string& user, const char* context, bool auth) {
  for (auto it = acl.log.begin(); it != acl.log.end(); ++it) {
    if (it->reason == v && it->auth == auth && it->context == context && now_ms_ - it->updated_ms <= 60000 && it->object == object && it->username == user) {
      AclLogEntry e = std::move(*it);
      acl.log.erase(it);
      ++e.count;
      e.updated_ms = now_ms_;
      e.client = client_line(s);
      acl.log.push_front(std::move(e));
      return;
    }
  }
  AclLogEntry e;
  e.id = acl.log_ids++;
  e.reason = v;
  e.auth = auth;
  e.context = context;
  e.object = object;
  e.username = user;
  e.client = client_line(s);
  e.created_ms = e.updated_ms = now_ms_;
  acl.log.push_front(std::move(e));
  while (acl.log.size() > static_cast<size_t>(config.s.acllog_max_len)) acl.log.pop_back();
}

void Keyspace::free_clients_of_user(const AclUser& u) {
  std::vector<Session*> ends;
  for (Session* s : sessions)
    if (s->user.get() == &u && s->authenticated) ends.push_back(s);
  for (Session* s : ends) {
    s->user = acl.default_user;
    s->authenticated = false;
    kill(*s);
  }
}

void Keyspace::pause_clients(bool writes_only, int64_t until_ms) {
  if (pause_until_ms > now_ms_) {
    if (!pause_writes_only) writes_only = false;
    until_ms = std::max(until_ms, pause_until_ms);
  }
  pause_until_ms = until_ms;
  pause_writes_only = writes_only;
}
void Keyspace::unpause_clients() {
  pause_until_ms = 0;
  std::vector<Session*> held;
  for (Session* s : sessions)
    if (s->paused) held.push_back(s);
  std::sort(held.begin(), held.end(), [](const Session* a, const Session* b) { return a->paused_at < b->paused_at; });
  for (Session* s : held) {
    s->paused = false;
    if (s->host != nullptr) s->host->wake(*s);
  }
}

void Keyspace::check_output_limit(Session& s) {
  if (s.host == nullptr || s.fake || s.killed) return;
  const OutputLimit& l = output_limits[s.pubsub() || s.monitor ? (s.monitor ? 1 : 2) : 0];
  size_t bytes = s.host->output_bytes(s);
  bool hard = l.hard > 0 && bytes > l.hard, soft = l.soft > 0 && bytes > l.soft;
  if (soft) {
    if (s.soft_limit_since_ms == 0) { s.soft_limit_since_ms = now_ms_; soft = false; }
    else soft = now_ms_ - s.soft_limit_since_ms > l.soft_s * 1000;
  } else {
    s.soft_limit_since_ms = 0;
  }
  if (hard || soft) {
    s.killed = true;
    s.close_asked = false;
    s.host->close(s, false);
  }
}

void Keyspace::round_end() {
  if (!timeouts.empty()) {
    refresh_time();
    handle_timeouts();
  }
  if (!ready_keys.empty()) serve_ready_keys();
  tracking_round();
  if (rows_active) rows->trim(false);
  free_some(1024);
}

int64_t Keyspace::cron() {
  refresh_time();
  ++cron_loops;
  handle_timeouts();
  if (pause_until_ms != 0 && pause_until_ms <= now_ms_) unpause_clients();
  int64_t hz = std::max<int64_t>(1, config.s.hz);
  active_expire(1000000 * 25 / hz / 100);
  for (auto& d : dbs_) {
    d->dict.shrink_if_sparse();
    d->expires.shrink_if_sparse();
    if (config.s.activerehashing && d->dict.rehashing()) {
      int64_t start = system_clock().monotonic_us();
      while (d->dict.rehashing() && system_clock().monotonic_us() - start < 1000) d->dict.step(100);
    }
  }
  free_some(8192);
  if (config.s.maxmemory > 0 && config.s.maxmemory_policy != kNoEviction) { bool freed; evict(&freed); }
  stats.peak_memory = std::max(stats.peak_memory, used_memory());
  if (now_ms_ - stats.ops_last_ms >= 100) {
    int64_t span = std::max<int64_t>(1, now_ms_ - stats.ops_last_ms);
    auto rate = [&](uint64_t now, uint64_t& last) { uint64_t r = (now - last) * 1000 / static_cast<uint64_t>(span); last = now; return r; };
    stats.ops_samples[stats.ops_at] = rate(stats.commands, stats.ops_last);
    stats.in_samples[stats.ops_at] = rate(stats.net_in, stats.in_last);
    stats.out_samples[stats.ops_at] = rate(stats.net_out, stats.out_last);
    stats.ops_at = (stats.ops_at + 1) % 16;
    stats.ops_last_ms = now_ms_;
  }
  std::vector<Session*> idle;
  uint64_t client_bytes = 0;
  for (Session* s : sessions) {
    if (config.s.timeout > 0 && !s->blocked() && !s->pubsub() && !s->monitor && now_ms_ - s->last_active_ms > config.s.timeout * 1000)
      idle.push_back(s);
    if (s->host != nullptr) client_bytes += s->host->output_bytes(*s) + s->host->input_capacity(*s) + s->multi_bytes;
  }
  for (Session* s : idle) kill(*s);
  for (auto it = sessions.begin(); it != sessions.end();) check_output_limit(**it++);
  if (config.s.maxmemory_clients != 0 && !sessions.empty()) {
    int64_t limit = config.s.maxmemory_clients;
    if (limit < 0) limit = config.s.maxmemory / 100 * -limit;
    while (limit > 0 && client_bytes > static_cast<uint64_t>(limit)) {
      Session* worst = nullptr;
      size_t worst_bytes = 0;
      for (Session* s : sessions) {
        if (s->no_evict || s->killed || s->host == nullptr) continue;
        size_t b = s->host->output_bytes(*s) + s->host->input_capacity(*s) + s->multi_bytes;
        if (b > worst_bytes) { worst = s; worst_bytes = b; }
      }
      if (worst == nullptr || worst_bytes < 1024) break;
      client_bytes -= worst_bytes;
      ++stats.evicted_clients;
      kill(*worst);
    }
  }
  return 1000 / hz;
}

}  // namespace stele::keyspace
