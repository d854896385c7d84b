// Commands on keys of any type.
#include "keyspace/keyspace.h"

namespace stele::keyspace {
namespace {

void del(Call& c) {
  int64_t n = 0;
  for (size_t i = 1; i < c.argc(); ++i) {
    if (i % Keyspace::kPrefetched == 1) c.ks.prefetch_keys(c.db, c.argv, i, 1);
    Entry* e = c.ks.lookup_write(c.db, c[i], Keyspace::kNoTouch);
    if (e == nullptr) continue;
    c.ks.remove_entry(c.db, e);
    c.changed(c[i], kNotifyGeneric, "del");
    ++n;
    c.ks.propagate_delete(c.db.id, c[i]);
  }
  c.stop_propagation = true;
  c.reply.integer(n);
}
void cmd_exists(Call& c) {
  int64_t n = 0;
  for (size_t i = 1; i < c.argc(); ++i) n += c.ks.lookup_read(c.db, c[i], Keyspace::kNoTouch) != nullptr;
  c.reply.integer(n);
}
void cmd_touch(Call& c) {
  int64_t n = 0;
  for (size_t i = 1; i < c.argc(); ++i) n += c.ks.lookup_read(c.db, c[i]) != nullptr;
  c.reply.integer(n);
}
void cmd_type(Call& c) {
  Entry* e = c.ks.lookup_read(c.db, c[1], Keyspace::kNoTouch);
  c.reply.simple(e == nullptr ? "none" : type_name(e->value.type()));
}

void rename(Call& c, bool nx) {
  bool same = c[1] == c[2];
  Entry* e = c.ks.lookup_write(c.db, c[1]);
  if (e == nullptr) { c.fail("no such key"); return; }
  if (same) { nx ? c.reply.integer(0) : c.reply.ok(); return; }
  int64_t when = c.ks.expire_of(c.db, e);
  Entry* to = c.ks.lookup_write(c.db, c[2]);
  if (to != nullptr) {
    if (nx) { c.reply.integer(0); return; }
    c.ks.remove_entry(c.db, to);
  }
  uint32_t access = e->value.lru();
  Object value = std::move(e->value);
  e->value.set_key_len(static_cast<uint32_t>(c[1].size()));
  Entry* fresh = c.ks.add(c.db, c[2], std::move(value));
  fresh->value.set_lru(access);
  if (when >= 0) c.ks.set_expire(c.db, fresh, when);
  // The moved-from entry keeps its key for removal.
  e->value.set_has_expire(when >= 0);
  c.ks.remove_entry(c.db, e);
  c.changed(c[1], kNotifyGeneric, "rename_from", 0);
  c.changed(c[2], kNotifyGeneric, "rename_to");
  nx ? c.reply.integer(1) : c.reply.ok();
}
void cmd_rename(Call& c) { rename(c, false); }
void cmd_renamenx(Call& c) { rename(c, true); }

void cmd_copy(Call& c) {
  int64_t target = c.session.db;
  bool replace = false;
  for (size_t i = 3; i < c.argc(); ++i) {
    if (c.is(i, "replace")) replace = true;
    else if (c.is(i, "db") && i + 1 < c.argc()) {
      if (!c.get_int(++i, &target)) return;
      if (target < 0 || target >= c.ks.databases()) { c.fail("DB index is out of range"); return; }
    } else { c.syntax_error(); return; }
  }
  if (target == c.session.db && c[1] == c[2]) { c.fail("source and destination objects are the same"); return; }
  Entry* e = c.ks.lookup_read(c.db, c[1]);
  if (e == nullptr) { c.reply.integer(0); return; }
  Database& d = c.ks.db(static_cast<int>(target));
  int64_t when = c.ks.expire_of(c.db, e);
  Entry* to = c.ks.lookup_write(d, c[2]);
  if (to != nullptr) {
    if (!replace) { c.reply.integer(0); return; }
    c.ks.remove_entry(d, to);
  }
  Entry* fresh = c.ks.add(d, c[2], e->value.duplicate());
  if (when >= 0) c.ks.set_expire(d, fresh, when);
  c.ks.touched(&c.session, d, c[2]);
  c.ks.notify(kNotifyGeneric, "copy_to", c[2], d.id);
  ++c.ks.dirty;
  c.reply.integer(1);
}
void cmd_move(Call& c) {
  int64_t target;
  if (!c.get_int(2, &target)) return;
  if (target < 0 || target >= c.ks.databases()) { c.fail("DB index is out of range"); return; }
  if (target == c.session.db) { c.fail("source and destination objects are the same"); return; }
  Entry* e = c.ks.lookup_write(c.db, c[1]);
  if (e == nullptr) { c.reply.integer(0); return; }
  Database& d = c.ks.db(static_cast<int>(target));
  if (c.ks.lookup_write(d, c[1]) != nullptr) { c.reply.integer(0); return; }
  int64_t when = c.ks.expire_of(c.db, e);
  std::string key(c[1]);
  Object value = std::move(e->value);
  e->value.set_key_len(static_cast<uint32_t>(key.size()));
  e->value.set_has_expire(when >= 0);
  Entry* fresh = c.ks.add(d, key, std::move(value));
  if (when >= 0) c.ks.set_expire(d, fresh, when);
  c.ks.remove_entry(c.db, e);
  c.changed(key, kNotifyGeneric, "move_from");
  c.ks.touched(&c.session, d, key);
  c.ks.notify(kNotifyGeneric, "move_to", key, d.id);
  c.reply.integer(1);
}

// ---- expiry ----
void expire(Call& c, bool relative, bool seconds) {
  int64_t when, now = c.ks.now_ms();
  enum : uint32_t { kNx = 1, kXx = 2, kGt = 4, kLt = 8 };
  uint32_t flags = 0;
  if (!c.get_int(2, &when)) return;
  for (size_t i = 3; i < c.argc(); ++i) {
    if (c.is(i, "nx")) flags |= kNx;
    else if (c.is(i, "xx")) flags |= kXx;
    else if (c.is(i, "gt")) flags |= kGt;
    else if (c.is(i, "lt")) flags |= kLt;
    else { c.fail(fmt::format("Unsupported option {}", c[i])); return; }
  }
  if ((flags & kNx) && (flags & (kXx | kGt | kLt))) { c.fail("NX and XX, GT or LT options at the same time are not compatible"); return; }
  if ((flags & kGt) && (flags & kLt)) { c.fail("GT and LT options at the same time are not compatible"); return; }
  auto invalid = [&] { c.fail(fmt::format("invalid expire time in '{}' command", c.spec->name)); };
  if (seconds) {
    if (when > INT64_MAX / 1000 || when < INT64_MIN / 1000) { invalid(); return; }
    when *= 1000;
  }
  if (relative) {
    if (when > INT64_MAX - now) { invalid(); return; }
    when += now;
  }
  Entry* e = c.ks.lookup_write(c.db, c[1]);
  if (e == nullptr) { c.reply.integer(0); return; }
  if (flags != 0) {
    int64_t current = c.ks.expire_of(c.db, e);
    if (((flags & kNx) && current != -1) || ((flags & kXx) && current == -1) || ((flags & kGt) && (when <= current || current == -1)) ||
        ((flags & kLt) && current != -1 && when >= current)) {
      c.reply.integer(0);
      return;
    }
  }
  std::string key(c[1]);
  if (when <= now && !c.ks.replaying) {
    c.ks.remove_entry(c.db, e);
    c.rewrite({"DEL", key});
    c.changed(key, kNotifyGeneric, "del");
  } else {
    c.ks.set_expire(c.db, e, when);
    if (c.ks.commit_effects) c.rewrite({"PEXPIREAT", key, std::to_string(when)});
    c.changed(key, kNotifyGeneric, "expire");
  }
  c.reply.integer(1);
}
void cmd_expire(Call& c) { expire(c, true, true); }
void cmd_pexpire(Call& c) { expire(c, true, false); }
void cmd_expireat(Call& c) { expire(c, false, true); }
void cmd_pexpireat(Call& c) { expire(c, false, false); }
void ttl(Call& c, bool ms, bool absolute) {
  Entry* e = c.ks.lookup_read(c.db, c[1], Keyspace::kNoTouch);
  if (e == nullptr) { c.reply.integer(-2); return; }
  int64_t when = c.ks.expire_of(c.db, e);
  if (when < 0) { c.reply.integer(-1); return; }
  int64_t v = absolute ? when : std::max<int64_t>(0, when - c.ks.now_ms());
  c.reply.integer(ms ? v : (v + 500) / 1000);
}
void cmd_ttl(Call& c) { ttl(c, false, false); }
void cmd_pttl(Call& c) { ttl(c, true, false); }
void cmd_expiretime(Call& c) { ttl(c, false, true); }
void cmd_pexpiretime(Call& c) { ttl(c, true, true); }
void cmd_persist(Call& c) {
  Entry* e = c.ks.lookup_write(c.db, c[1]);
  if (e == nullptr || !c.ks.clear_expire(c.db, e)) { c.reply.integer(0); return; }
  c.changed(c[1], kNotifyGeneric, "persist");
  c.reply.integer(1);
}

void cmd_object(Call& c) {
  if (c.is(1, "help")) {
    static const char* const lines[] = {"OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", "ENCODING <key>", "    How the value of <key> is stored.",
                                        "FREQ <key>", "    Its access frequency index (LFU policies only).", "IDLETIME <key>", "    Seconds since it was last accessed.",
                                        "REFCOUNT <key>", "    The number of references to its value.", "HELP", "    Print this help."};
    c.reply.array(std::size(lines));
    for (auto l : lines) c.reply.simple(l);
    return;
  }
  Entry* e = c.ks.lookup_read(c.db, c[2], Keyspace::kNoTouch | Keyspace::kNoStats | Keyspace::kNoNotify);
  if (e == nullptr) { c.reply.null(); return; }
  if (c.is(1, "refcount")) c.reply.integer(e->value.enc() == Enc::kInt && e->value.num() >= 0 && e->value.num() < 10000 && c.ks.config.s.maxmemory == 0 ? INT32_MAX : 1);
  else if (c.is(1, "encoding")) c.reply.bulk(encoding_name(e->value.enc()));
  else if (c.is(1, "idletime")) {
    if (Keyspace::lfu_policy(c.ks.config.s.maxmemory_policy)) {
      c.fail("An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.");
      return;
    }
    c.reply.integer(static_cast<int64_t>(c.ks.idle_ms(e->value) / 1000));
  } else {
    if (!Keyspace::lfu_policy(c.ks.config.s.maxmemory_policy)) {
      c.fail("An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.");
      return;
    }
    c.reply.integer(c.ks.lfu_counter(e->value));
  }
}

void cmd_randomkey(Call& c) {
  for (int tries = 0; c.db.dict.size() > 0 && tries < 100; ++tries) {
    Entry* e = c.db.dict.fair_random();
    if (c.ks.is_expired(c.db, e)) { c.ks.expire_now(c.db, e); continue; }
    c.reply.bulk(e->key());
    return;
  }
  c.reply.null();
}
void cmd_dbsize(Call& c) { c.reply.integer(static_cast<int64_t>(c.db.dict.size())); }
void cmd_keys(Call& c) {
  size_t mark = c.reply.mark(), n = 0;
  bool all = c[1] == "*";
  c.db.dict.for_each([&](Entry* e) {
    if ((all || glob_match(c[1], e->key())) && !c.ks.is_expired(c.db, e)) { c.reply.bulk(e->key()); ++n; }
  });
  if (c.ks.rows_active)
    c.ks.rows->scan(c.db.id, 0, SIZE_MAX, [&](std::string_view key) {
      if (all || glob_match(c[1], key)) { c.reply.bulk(key); ++n; }
    });
  c.reply.insert_array(mark, n);
}

bool flush_mode(Call& c) {
  if (c.argc() > 2) return c.syntax_error();
  if (c.argc() == 2 && !c.is(1, "sync") && !c.is(1, "async")) return c.syntax_error();
  return true;
}
void cmd_flushdb(Call& c) {
  if (!flush_mode(c)) return;
  c.ks.dirty += c.db.dict.size();
  c.ks.flush_db(c.db, false);
  c.ks.tracking_flush(&c.session);
  c.reply.ok();
  ++c.ks.dirty;
  c.ks.log_flush(c);
}
void cmd_flushall(Call& c) {
  if (!flush_mode(c)) return;
  for (int i = 0; i < c.ks.databases(); ++i) {
    c.ks.dirty += c.ks.db(i).dict.size();
    c.ks.flush_db(c.ks.db(i), false);
  }
  c.ks.tracking_flush(&c.session);
  c.reply.ok();
  ++c.ks.dirty;
  c.ks.log_flush(c);
}
void cmd_swapdb(Call& c) {
  int64_t a, b;
  if (!c.get_int(1, &a, "invalid first DB index") || !c.get_int(2, &b, "invalid second DB index")) return;
  if (a < 0 || b < 0 || a >= c.ks.databases() || b >= c.ks.databases()) { c.fail("DB index is out of range"); return; }
  if (a != b) c.ks.swap_dbs(static_cast<int>(a), static_cast<int>(b));
  ++c.ks.dirty;
  c.reply.ok();
}
void cmd_select(Call& c) {
  int64_t id;
  if (!c.get_int_range(1, INT32_MIN, INT32_MAX, &id, "")) return;
  if (id < 0 || id >= c.ks.databases()) { c.fail("DB index is out of range"); return; }
  c.session.db = static_cast<int>(id);
  c.reply.ok();
}
void cmd_wait(Call& c) {
  int64_t replicas, timeout;
  if (!c.get_int(1, &replicas)) return;
  if (!parse_i64(c[2], &timeout)) { c.fail("timeout is not an integer or out of range"); return; }
  if (timeout < 0) { c.fail("timeout is negative"); return; }
  if (replicas <= 0 || c.session.deny_blocking) { c.reply.integer(0); return; }
  c.ks.block_on_keys(c, BlockKind::kWait, {}, timeout);
}

const HandlerEntry kCommands[] = {
    {"del", del}, {"unlink", del}, {"exists", cmd_exists}, {"touch", cmd_touch}, {"type", cmd_type}, {"rename", cmd_rename},
    {"renamenx", cmd_renamenx}, {"copy", cmd_copy}, {"move", cmd_move}, {"expire", cmd_expire}, {"pexpire", cmd_pexpire},
    {"expireat", cmd_expireat}, {"pexpireat", cmd_pexpireat}, {"ttl", cmd_ttl}, {"pttl", cmd_pttl}, {"expiretime", cmd_expiretime},
    {"pexpiretime", cmd_pexpiretime}, {"persist", cmd_persist}, {"object", cmd_object}, {"randomkey", cmd_randomkey}, {"dbsize", cmd_dbsize},
    {"keys", cmd_keys}, {"flushdb", cmd_flushdb}, {"flushall", cmd_flushall}, {"swapdb", cmd_swapdb}, {"select", cmd_select}, {"wait", cmd_wait}};
}  // namespace
std::span<const HandlerEntry> generic_commands() { return kCommands; }
}  // namespace stele::keyspace
