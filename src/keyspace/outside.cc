// What SQL does to the keyspace and its clients: locks of open transactions, keys that are rows of
// tables, commands that run as SQL, and what follows a commit of another door.
#include "keyspace/keyspace.h"

namespace stele::keyspace {

// ---- locks of transactions ----

bool KeyLocks::any_in(int db) const {
  for (auto& [id, waiting] : held_)
    if (static_cast<unsigned char>(id[0]) == static_cast<unsigned>(db)) return true;
  return false;
}
void KeyLocks::wait(int db, std::string_view key, uint64_t session_id) {
  auto it = key.empty() ? held_.begin() : held_.find(id_of(db, key));
  if (it != held_.end()) it->second.push_back(session_id);
}
void KeyLocks::unlock(Keyspace& ks, int db, std::string_view key) {
  auto it = held_.find(id_of(db, key));
  if (it == held_.end()) return;
  std::vector<uint64_t> waiting = std::move(it->second);
  held_.erase(it);
  ks.signal_ready(ks.db(db), key);  // BLPOP and its like were passed over
  for (uint64_t id : waiting) {
    auto s = ks.session_by_id.find(id);
    if (s == ks.session_by_id.end()) continue;
    s->second->paused = false;
    if (s->second->host != nullptr) s->second->host->wake(*s->second);
  }
}

namespace {
bool whole_database(const CommandSpec& spec) { return spec.name == "flushall" || spec.name == "flushdb" || spec.name == "swapdb"; }
}  // namespace

// The key among those a command would write that a transaction holds.
bool Keyspace::locked_key(int db, const CommandSpec& spec, Argv argv, std::string_view* key) {
  if (!spec.is(kCmdWrite | kCmdMayReplicate) && spec.group != "scripting") return false;
  if (whole_database(spec)) {
    *key = {};
    return spec.name == "flushdb" ? key_locks.any_in(db) : !key_locks.empty();
  }
  std::vector<KeyRef> keys;
  commands.keys_of(spec, argv, &keys);
  for (auto& k : keys) {
    if ((k.flags & kKeyNotKey) || !(k.flags & (kKeyRW | kKeyOW | kKeyRM))) continue;
    auto name = argv[static_cast<size_t>(k.index)];
    if (!key_locks.held(db, name)) continue;
    *key = name;
    return true;
  }
  return false;
}

bool Keyspace::wait_for_locks(Session& s, const CommandSpec& spec, Argv argv) {
  std::string_view key;
  bool wait = false;
  if (spec.name == "exec") {
    for (auto& q : s.queued) {
      std::vector<std::string_view> views(q.argv.begin(), q.argv.end());
      if (locked_key(s.db, *q.spec, views, &key)) { wait = true; break; }
    }
  } else if (!s.in_multi) {
    wait = locked_key(s.db, spec, argv, &key);
  }
  if (!wait) return false;
  key_locks.wait(s.db, key, s.id);
  s.paused = true;
  return true;
}

// ---- rows of tables ----

Keyspace::RowUse Keyspace::row_use(int db, const CommandSpec& spec, Argv argv, std::string* refusal) {
  if (!spec.is(kCmdWrite) || rows == nullptr) return RowUse::kNone;
  if (spec.name == "swapdb") {
    int64_t a, b;
    if (argv.size() == 3 && parse_i64(argv[1], &a) && parse_i64(argv[2], &b) && a != b && (a == 0 || b == 0)) {
      *refusal = "database 0 holds rows and change streams of tables and cannot be swapped";
      return RowUse::kRefused;
    }
    return RowUse::kNone;
  }
  static const std::set<std::string_view> kRowWrites = {"hset", "hmset", "hsetnx", "hdel", "hincrby", "hincrbyfloat", "del", "unlink"};
  static const std::set<std::string_view> kStreamWrites = {"xreadgroup", "xack", "xclaim", "xautoclaim", "xtrim", "xdel", "xgroup|create",
                                                           "xgroup|setid", "xgroup|destroy", "xgroup|createconsumer", "xgroup|delconsumer"};
  std::vector<KeyRef> keys;
  commands.keys_of(spec, argv, &keys);
  RowUse use = RowUse::kNone;
  for (auto& k : keys) {
    if ((k.flags & kKeyNotKey) || !(k.flags & (kKeyRW | kKeyOW | kKeyRM))) continue;
    auto key = argv[static_cast<size_t>(k.index)];
    if (rows->is_change_stream(db, key)) {
      if (kStreamWrites.contains(spec.name)) continue;
      *refusal = fmt::format("the stream '{}' holds the changes of table \"{}\" and cannot be written by '{}'", key, rows->table_of(db, key), spec.name);
      return RowUse::kRefused;
    }
    if (!rows->owns(db, key)) continue;
    if (!kRowWrites.contains(spec.name)) {
      *refusal = fmt::format("the key '{}' is a row of table \"{}\" and cannot be written by '{}'", key, rows->table_of(db, key), spec.name);
      return RowUse::kRefused;
    }
    use = RowUse::kWrite;
  }
  return use;
}

void Keyspace::log_flush(Call& c) {
  if (!rows_active || !commit_effects || replaying) return;
  c.stop_propagation = true;
  propagate(c.session.db, c.argv);
  for (auto& d : dbs_)
    if (c.spec->name == "flushall" || d->id == c.session.db) d->dict.for_each([&](Entry* e) { propagate_image(*d, e->key()); });
}

std::string Keyspace::script_refusal(int db, const CommandSpec& spec, Argv argv) {
  std::string_view key;
  if (!key_locks.empty() && locked_key(db, spec, argv, &key))
    return fmt::format("-LOCKED an open SQL transaction has written the key '{}'", key);
  if (!rows_active) return {};
  std::string refusal;
  switch (row_use(db, spec, argv, &refusal)) {
    case RowUse::kWrite: return "rows of tables cannot be written from a script; use MULTI or STELE.SQL";
    case RowUse::kRefused: return refusal;
    default: return {};
  }
}

// Whether the command runs as an SQL transaction on another thread; the client is blocked until then.
bool Keyspace::runs_as_sql(Session& s, CommandSpec* spec, Argv argv) {
  if (!sql_job) return false;
  SqlJob job;
  if (spec->name == "exec") {
    if (!s.in_multi || s.dirty_exec || s.dirty_cas) return false;
    bool any = false;
    for (auto& q : s.queued) {
      std::vector<std::string_view> views(q.argv.begin(), q.argv.end());
      std::string refusal;
      any = any || q.spec->name == "stele.sql" || (rows_active && row_use(s.db, *q.spec, views, &refusal) != RowUse::kNone);
    }
    if (!any) return false;
    job.exec = true;
    job.commands = std::move(s.queued);
    s.queued.clear();
    s.in_multi = false;  // what it watches is checked when the transaction commits
  } else {
    if (s.in_multi) return false;
    std::string refusal;
    if (spec->name != "stele.sql" && (!rows_active || row_use(s.db, *spec, argv, &refusal) != RowUse::kWrite)) return false;
    job.commands.push_back({spec, {argv.begin(), argv.end()}});
  }
  job.session_id = s.id;
  job.db = s.db;
  job.resp = s.reply.resp();
  job.user = s.user->name;
  if (s.deny_blocking || s.script) {
    s.reply.error("SQL cannot run here");
    return true;
  }
  s.block = {};
  s.block.kind = BlockKind::kSql;
  s.block.db = s.db;
  ++blocked_clients;
  sql_job(std::move(job));
  return true;
}

void Keyspace::sql_done(uint64_t session_id, std::string_view reply, int db) {
  auto it = session_by_id.find(session_id);
  if (it == session_by_id.end() || it->second->block.kind != BlockKind::kSql) return;
  Session& s = *it->second;
  if (!s.watched.empty() && !s.in_multi) {
    unwatch_all(s);
    s.dirty_cas = false;
  }
  s.db = db;
  if (!s.reply_off) s.reply.raw(reply);
  if (!s.pending_push.empty()) {
    s.reply.raw(s.pending_push);
    s.pending_push.clear();
  }
  unblock(s);
}

// ---- after a commit of another door ----

void Keyspace::row_changed(std::string_view key, const char* event) {
  Database& d = db(0);
  if (auto it = d.watchers.find(key); it != d.watchers.end())
    for (Session* w : it->second) w->dirty_cas = true;
  if (tracking_clients == 0 && notify_flags == 0) return;
  uint32_t cls = 0;
  if (event != nullptr) cls = event == std::string_view("del") ? kNotifyGeneric : kNotifyHash;
  outside_events_.push_back({cls, event, std::string(key), 0, true});
}

void Keyspace::outside_committed() {
  if ((!outside_events_.empty() || !ready_keys.empty()) && outside_changes) outside_changes();
}

void Keyspace::run_outside_events() {
  auto events = std::move(outside_events_);
  outside_events_.clear();
  Session* before = current;
  current = nullptr;
  for (auto& e : events) {
    if (e.track && tracking_clients > 0) tracking_invalidate(nullptr, e.key, true);
    if (e.event != nullptr) notify(e.cls, e.event, e.key, e.db);
  }
  if (!ready_keys.empty()) serve_ready_keys();
  current = before;
}

}  // namespace stele::keyspace
