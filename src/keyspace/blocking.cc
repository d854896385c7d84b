// Blocked clients: they keep their command and run it again when one of their keys has something of
// the type they wait for, first come first served.
#include "keyspace/keyspace.h"

namespace stele::keyspace {

void Keyspace::signal_ready(Database& d, std::string_view key) {
  if (d.blocked.empty() || d.blocked.find(key) == d.blocked.end()) return;
  std::string id = fmt::format("{}:{}", d.id, key);
  if (!ready_seen.insert(std::move(id)).second) return;
  ready_keys.emplace_back(d.id, key);
}

void Keyspace::block_on_keys(Call& c, BlockKind kind, std::span<const std::string> keys, int64_t timeout_ms) {
  Session& s = c.session;
  BlockState& b = s.block;
  if (b.retrying) return;  // stays where it is in every queue
  b.kind = kind;
  b.db = s.db;
  b.deadline_ms = timeout_ms > 0 ? now_ms_ + timeout_ms : 0;
  b.keys.clear();
  if (kind != BlockKind::kWait) {
    b.argv.assign(c.argv.begin(), c.argv.end());
    b.spec = c.spec;
  }
  Database& d = db(s.db);
  for (auto& k : keys) {
    if (std::find(b.keys.begin(), b.keys.end(), k) != b.keys.end()) continue;
    b.keys.push_back(k);
    d.blocked[k].push_back(&s);
  }
  if (b.deadline_ms != 0) timeouts.insert({b.deadline_ms, &s});
  ++blocked_clients;
}

void Keyspace::unblock(Session& s) {
  BlockState& b = s.block;
  if (b.kind == BlockKind::kNone) return;
  if (b.deadline_ms != 0) timeouts.erase({b.deadline_ms, &s});
  Database& d = db(b.db);
  for (auto& k : b.keys) {
    auto it = d.blocked.find(k);
    if (it == d.blocked.end()) continue;
    it->second.remove(&s);
    if (it->second.empty()) d.blocked.erase(it);
  }
  b = BlockState{};
  --blocked_clients;
  if (s.host != nullptr) s.host->wake(s);
}

// The command of a blocked client, about the one of its keys that became ready: of several ready keys the first one to
// become so serves the client.
static std::vector<std::string> only_key(const std::vector<std::string>& argv, const std::vector<std::string>& keys, const std::string& key) {
  if (keys.size() < 2) return argv;
  std::vector<std::string> out(argv.begin(), argv.begin() + 1);
  const std::string& name = argv[0];
  if (iequals(name, "blpop") || iequals(name, "brpop") || iequals(name, "bzpopmin") || iequals(name, "bzpopmax")) {
    out.push_back(key);
    out.push_back(argv.back());
  } else if (iequals(name, "blmpop") || iequals(name, "bzmpop")) {
    int64_t n = 0;
    parse_i64(argv[2], &n);
    out.insert(out.end(), {argv[1], "1", key});
    out.insert(out.end(), argv.begin() + 3 + static_cast<ptrdiff_t>(n), argv.end());
  } else if (iequals(name, "xread") || iequals(name, "xreadgroup")) {
    size_t at = 1;
    while (at < argv.size() && !iequals(argv[at], "streams")) at += iequals(argv[at], "group") ? 3 : iequals(argv[at], "noack") ? 1 : 2;
    size_t n = (argv.size() - at - 1) / 2;
    for (size_t k = 0; k < n; ++k) {
      if (argv[at + 1 + k] != key) continue;
      out.insert(out.end(), argv.begin() + 1, argv.begin() + static_cast<ptrdiff_t>(at) + 1);
      out.insert(out.end(), {key, argv[at + 1 + n + k]});
      return out;
    }
    return argv;
  } else {
    return argv;
  }
  return out;
}

void Keyspace::serve_ready_keys() {
  while (!ready_keys.empty()) {
    auto keys = std::move(ready_keys);
    ready_keys.clear();
    ready_seen.clear();
    for (auto& [dbn, key] : keys) {
      Database& d = db(dbn);
      auto it = d.blocked.find(key);
      if (it == d.blocked.end() || key_locks.held(dbn, key)) continue;
      std::vector<Session*> waiting(it->second.begin(), it->second.end());
      for (Session* s : waiting) {
        if (s->block.kind == BlockKind::kNone || s->block.db != dbn) continue;
        Entry* e = d.dict.find(key);
        if (e == nullptr || is_expired(d, e)) {
          if (s->block.group_read) {
            Session* before = current;
            current = s;
            s->reply.error("-UNBLOCKED the stream key no longer exists");
            current = before;
            unblock(*s);
            continue;
          }
          if (e == nullptr) continue;
          break;
        }
        Type t = e->value.type();
        bool fits = (s->block.kind == BlockKind::kList && t == Type::kList) ||
                    (s->block.kind == BlockKind::kZset && t == Type::kZset) ||
                    (s->block.kind == BlockKind::kStream && t == Type::kStream);
        if (!fits) {
          if (s->block.group_read) {
            s->reply.error("-UNBLOCKED the stream key no longer exists");
            unblock(*s);
          }
          continue;
        }
        s->block.retrying = true;
        std::vector<std::string> argv = only_key(s->block.argv, s->block.keys, key);
        std::vector<std::string_view> views(argv.begin(), argv.end());
        CommandSpec* spec = s->block.spec;
        size_t before = s->reply.out().size();
        Session* previous = current;
        current = s;
        int db_before = s->db;
        s->db = dbn;
        int64_t started = system_clock().monotonic_us();
        call(*s, spec, views, kCallPropagate);
        int64_t took = system_clock().monotonic_us() - started;
        if (s->db == dbn) s->db = db_before;
        current = previous;
        s->block.retrying = false;
        if (s->reply.out().size() == before) continue;
        std::vector<std::string> whole = std::move(s->block.argv);
        unblock(*s);
        std::vector<std::string_view> whole_views(whole.begin(), whole.end());
        if (!spec->is(kCmdSkipSlowlog)) log_slow(*s, whole_views, took);
      }
    }
  }
}

void Keyspace::reply_timeout(Session& s) {
  switch (s.block.kind) {
    case BlockKind::kWait: s.reply.integer(0); break;
    case BlockKind::kZset:
    case BlockKind::kList:
    case BlockKind::kStream:
      if (s.block.spec != nullptr && (s.block.spec->name == "brpoplpush" || s.block.spec->name == "blmove"))
        s.reply.null();
      else
        s.reply.null_array();
      break;
    default: break;
  }
}

void Keyspace::handle_timeouts() {
  while (!timeouts.empty() && timeouts.begin()->first <= now_ms_) {
    Session* s = timeouts.begin()->second;
    reply_timeout(*s);
    unblock(*s);
  }
}

bool Keyspace::unblock_with_error(Session& s) {
  if (!s.blocked() || s.block.kind == BlockKind::kSql) return false;
  s.reply.error("-UNBLOCKED client unblocked via CLIENT UNBLOCK");
  unblock(s);
  return true;
}

}  // namespace stele::keyspace
