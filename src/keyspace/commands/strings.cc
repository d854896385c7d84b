// Strings: SET and its family, counters, ranges, LCS.
#include "keyspace/keyspace.h"

namespace stele::keyspace {
namespace {

bool check_length(Call& c, uint64_t n) {
  if (!c.session.fake && n > static_cast<uint64_t>(c.ks.config.s.proto_max_bulk_len))
    return c.fail("string exceeds maximum allowed size (proto-max-bulk-len)");
  return true;
}

// Turns "EX 10" and friends into an absolute time; replies on error.
bool expire_time(Call& c, int64_t value, bool seconds, bool absolute, int64_t* when) {
  auto invalid = [&] { return c.fail(fmt::format("invalid expire time in '{}' command", c.spec->name)); };
  if (value <= 0 || (seconds && value > INT64_MAX / 1000)) return invalid();
  if (seconds) value *= 1000;
  if (!absolute) {
    if (value > INT64_MAX - c.ks.now_ms()) return invalid();
    value += c.ks.now_ms();
  }
  *when = value;
  return true;
}

enum SetFlags : uint32_t { kNx = 1, kXx = 2, kKeepTtl = 4, kGet = 8, kPersist = 16 };
struct SetOptions {
  uint32_t flags = 0;
  int unit = 0;  // index of EX, PX, EXAT, PXAT: 1..4
  std::string_view value;
};

bool parse_options(Call& c, size_t from, bool for_set, SetOptions* o) {
  for (size_t i = from; i < c.argc(); ++i) {
    bool more = i + 1 < c.argc();
    static const char* const kUnits[] = {"", "ex", "px", "exat", "pxat"};
    int unit = 0;
    for (int u = 1; u <= 4; ++u)
      if (c.is(i, kUnits[u])) unit = u;
    if (for_set && c.is(i, "nx") && !(o->flags & kXx)) o->flags |= kNx;
    else if (for_set && c.is(i, "xx") && !(o->flags & kNx)) o->flags |= kXx;
    else if (for_set && c.is(i, "get")) o->flags |= kGet;
    else if (for_set && c.is(i, "keepttl") && o->unit == 0) o->flags |= kKeepTtl;
    else if (!for_set && c.is(i, "persist") && o->unit == 0) o->flags |= kPersist;
    else if (unit != 0 && more && o->unit == 0 && !(o->flags & (kKeepTtl | kPersist))) {
      o->unit = unit;
      o->value = c[++i];
    } else {
      return c.syntax_error();
    }
  }
  return true;
}

void set_generic(Call& c, std::string_view key, std::string_view value, const SetOptions& o, bool log_as_set) {
  int64_t when = -1;
  if (o.unit != 0) {
    int64_t v;
    if (!parse_i64(o.value, &v)) { c.fail("value is not an integer or out of range"); return; }
    if (!expire_time(c, v, o.unit == 1 || o.unit == 3, o.unit >= 3, &when)) return;
  }
  Entry* e = c.ks.lookup_write(c.db, key);
  if (o.flags & kGet) {
    if (e == nullptr) c.reply.null();
    else if (e->value.type() != Type::kString) { c.wrong_type(); return; }
    else { char buf[24]; c.reply.bulk(e->value.text(buf)); }
  }
  if (((o.flags & kNx) && e != nullptr) || ((o.flags & kXx) && e == nullptr)) {
    if (!(o.flags & kGet)) c.reply.null();
    return;
  }
  if (e != nullptr && e->value.type() == Type::kString && c.db.watchers.empty() && e->value.enc() != Enc::kInt && value.size() <= 44 &&
      value.size() > 20 && e->value.enc() == Enc::kEmbstr && e->value.str()->cap == value.size()) {
    // Same size: overwritten in place.
    std::memcpy(e->value.str()->data, value.data(), value.size());
    if (!Keyspace::lfu_policy(c.ks.config.s.maxmemory_policy)) c.ks.init_access(e->value);
    if (!(o.flags & kKeepTtl)) c.ks.clear_expire(c.db, e);
  } else if (e != nullptr) {
    uint32_t access = e->value.lru();
    if (e->value.type() == Type::kStream) c.ks.signal_ready(c.db, key);  // as Keyspace::set_key()
    if (e->value.type() != Type::kString) c.ks.lazy_free(std::move(e->value));
    e->value = Object::encoded_string(value);
    if (Keyspace::lfu_policy(c.ks.config.s.maxmemory_policy)) e->value.set_lru(access);
    else c.ks.init_access(e->value);
    if (!(o.flags & kKeepTtl)) c.ks.clear_expire(c.db, e);
  } else {
    e = c.ks.add(c.db, key, Object::encoded_string(value));
  }
  if (when >= 0) {
    c.ks.set_expire(c.db, e, when);
    if (c.ks.commit_effects) c.rewrite({"SET", key, value, "PXAT", std::to_string(when)});
  } else if (log_as_set && (o.flags & (kNx | kXx | kGet))) {
    if (o.flags & kKeepTtl) c.rewrite({"SET", key, value, "KEEPTTL"});
    else c.rewrite({"SET", key, value});
  }
  c.changed(key, kNotifyString, "set");
  if (when >= 0) c.ks.notify(kNotifyGeneric, "expire", key, c.db.id);
  if (!(o.flags & kGet)) c.reply.ok();
}

void cmd_set(Call& c) {
  SetOptions o;
  if (!parse_options(c, 3, true, &o)) return;
  set_generic(c, c[1], c[2], o, true);
}
void cmd_setex(Call& c) {
  SetOptions o;
  o.unit = c.spec->name == "setex" ? 1 : 2;
  o.value = c[2];
  set_generic(c, c[1], c[3], o, false);
}
void cmd_setnx(Call& c) {
  if (c.ks.lookup_write(c.db, c[1]) != nullptr) { c.reply.integer(0); return; }
  c.ks.add(c.db, c[1], Object::encoded_string(c[2]));
  c.changed(c[1], kNotifyString, "set");
  c.reply.integer(1);
}

bool reply_string(Call& c, Entry* e) {
  if (e->value.type() != Type::kString) return c.wrong_type();
  char buf[24];
  c.reply.bulk(e->value.text(buf));
  return true;
}
void cmd_get(Call& c) {
  Entry* e = c.ks.lookup_read(c.db, c[1]);
  if (e == nullptr) { c.reply.null(); return; }
  reply_string(c, e);
}
void cmd_getdel(Call& c) {
  Entry* e = c.ks.lookup_read(c.db, c[1]);
  if (e == nullptr) { c.reply.null(); return; }
  if (!reply_string(c, e)) return;
  c.ks.remove_entry(c.db, e);
  c.rewrite({"DEL", c[1]});
  c.changed(c[1], kNotifyGeneric, "del");
}
void cmd_getex(Call& c) {
  SetOptions o;
  if (!parse_options(c, 2, false, &o)) return;
  Entry* e = c.ks.lookup_read(c.db, c[1]);
  if (e == nullptr) { c.reply.null(); return; }
  if (e->value.type() != Type::kString) { c.wrong_type(); return; }
  int64_t when = -1;
  if (o.unit != 0) {
    int64_t v;
    if (!parse_i64(o.value, &v)) { c.fail("value is not an integer or out of range"); return; }
    if (!expire_time(c, v, o.unit == 1 || o.unit == 3, o.unit >= 3, &when)) return;
  }
  reply_string(c, e);
  if (when >= 0 && when <= c.ks.now_ms() && !c.ks.replaying) {
    c.ks.remove_entry(c.db, e);
    c.rewrite({"DEL", c[1]});
    c.changed(c[1], kNotifyGeneric, "del");
  } else if (when >= 0) {
    c.ks.set_expire(c.db, e, when);
    c.rewrite({"PEXPIREAT", c[1], std::to_string(when)});
    c.changed(c[1], kNotifyGeneric, "expire");
  } else if (o.flags & kPersist) {
    if (c.ks.clear_expire(c.db, e)) {
      c.rewrite({"PERSIST", c[1]});
      c.changed(c[1], kNotifyGeneric, "persist");
    }
  }
}
void cmd_getset(Call& c) {
  Entry* e = c.ks.lookup_read(c.db, c[1]);
  if (e == nullptr) c.reply.null();
  else if (!reply_string(c, e)) return;
  c.ks.set_key(c.db, c[1], Object::encoded_string(c[2]));
  c.rewrite({"SET", c[1], c[2]});
  c.changed(c[1], kNotifyString, "set");
}

// A raw string to write into, created when missing.
Entry* writable(Call& c, std::string_view key, bool* bad) {
  Entry* e = c.typed(key, Type::kString, true, bad);
  if (*bad) return nullptr;
  if (e != nullptr && e->value.enc() == Enc::kInt) {
    char buf[24];
    Str* s = Str::make(e->value.text(buf));
    e->value.str() = s;
    e->value.set_kind(Type::kString, Enc::kRaw);
  } else if (e != nullptr) {
    e->value.set_kind(Type::kString, Enc::kRaw);
  }
  return e;
}
void cmd_append(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kString, true, &bad);
  if (bad) return;
  uint64_t len;
  if (e == nullptr) {
    e = c.ks.add(c.db, c[1], Object::encoded_string(c[2]));
    len = c[2].size();
  } else {
    char buf[24];
    if (!check_length(c, e->value.text(buf).size() + c[2].size())) return;
    e = writable(c, c[1], &bad);
    e->value.str() = str_append(e->value.str(), c[2]);
    len = e->value.str()->len;
  }
  c.changed(c[1], kNotifyString, "append");
  c.reply.integer(static_cast<int64_t>(len));
}
void cmd_strlen(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kString, false, &bad);
  if (bad) return;
  char buf[24];
  c.reply.integer(e == nullptr ? 0 : static_cast<int64_t>(e->value.text(buf).size()));
}
void cmd_setrange(Call& c) {
  int64_t offset;
  if (!c.get_int(2, &offset)) return;
  if (offset < 0) { c.fail("offset is out of range"); return; }
  bool bad;
  Entry* e = c.typed(c[1], Type::kString, true, &bad);
  if (bad) return;
  std::string_view v = c[3];
  if (v.empty()) {
    char buf[24];
    c.reply.integer(e == nullptr ? 0 : static_cast<int64_t>(e->value.text(buf).size()));
    return;
  }
  if (!check_length(c, static_cast<uint64_t>(offset) + v.size())) return;
  if (e == nullptr) {
    e = c.ks.add(c.db, c[1], Object(Type::kString, Enc::kRaw, Str::make({})));
  } else {
    e = writable(c, c[1], &bad);
  }
  e->value.str() = str_grow(e->value.str(), static_cast<size_t>(offset) + v.size());
  std::memcpy(e->value.str()->data + offset, v.data(), v.size());
  c.changed(c[1], kNotifyString, "setrange");
  c.reply.integer(e->value.str()->len);
}
void cmd_getrange(Call& c) {
  int64_t start, end;
  if (!c.get_int(2, &start) || !c.get_int(3, &end)) return;
  bool bad;
  Entry* e = c.typed(c[1], Type::kString, false, &bad);
  if (bad) return;
  if (e == nullptr) { c.reply.bulk(""); return; }
  char buf[24];
  std::string_view s = e->value.text(buf);
  int64_t n = static_cast<int64_t>(s.size());
  if (start < 0 && end < 0 && start > end) { c.reply.bulk(""); return; }
  if (start < 0) start = std::max<int64_t>(0, n + start);
  if (end < 0) end = std::max<int64_t>(0, n + end);
  end = std::min(end, n - 1);
  if (start > end || n == 0) { c.reply.bulk(""); return; }
  c.reply.bulk(s.substr(static_cast<size_t>(start), static_cast<size_t>(end - start + 1)));
}
void cmd_mget(Call& c) {
  c.reply.array(c.argc() - 1);
  for (size_t i = 1; i < c.argc(); ++i) {
    if (i % Keyspace::kPrefetched == 1) c.ks.prefetch_keys(c.db, c.argv, i, 1);
    Entry* e = c.ks.lookup_read(c.db, c[i]);
    if (e == nullptr || e->value.type() != Type::kString) c.reply.null();
    else { char buf[24]; c.reply.bulk(e->value.text(buf)); }
  }
}
void mset(Call& c, bool nx) {
  if (c.argc() % 2 == 0) { c.fail(fmt::format("wrong number of arguments for '{}' command", c.spec->name)); return; }
  if (nx)
    for (size_t i = 1; i < c.argc(); i += 2)
      if (c.ks.lookup_write(c.db, c[i]) != nullptr) { c.reply.integer(0); return; }
  for (size_t i = 1; i < c.argc(); i += 2) {
    if (i / 2 % Keyspace::kPrefetched == 0) c.ks.prefetch_keys(c.db, c.argv, i, 2);
    c.ks.set_key(c.db, c[i], Object::encoded_string(c[i + 1]));
    c.changed(c[i], kNotifyString, "set");
    if (c.ks.commit_effects) {
      std::string_view argv[] = {"SET", c[i], c[i + 1]};
      c.ks.propagate(c.db.id, argv);
    }
  }
  c.stop_propagation = true;
  if (nx) c.reply.integer(1);
  else c.reply.ok();
}
void cmd_mset(Call& c) { mset(c, false); }
void cmd_msetnx(Call& c) { mset(c, true); }

void incr_by(Call& c, int64_t by) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kString, true, &bad);
  if (bad) return;
  int64_t v = 0;
  if (e != nullptr) {
    if (e->value.enc() == Enc::kInt) v = e->value.num();
    else if (!parse_i64(e->value.str()->view(), &v)) { c.fail("value is not an integer or out of range"); return; }
  }
  if (__builtin_add_overflow(v, by, &v)) { c.fail("increment or decrement would overflow"); return; }
  if (e == nullptr) c.ks.add(c.db, c[1], Object::from_int(v));
  else if (e->value.enc() == Enc::kInt) e->value.set_num(v);
  else { uint32_t access = e->value.lru(); e->value = Object::from_int(v); e->value.set_lru(access); }
  c.changed(c[1], kNotifyString, "incrby");
  c.reply.integer(v);
}
void cmd_incr(Call& c) { incr_by(c, 1); }
void cmd_decr(Call& c) { incr_by(c, -1); }
void cmd_incrby(Call& c) {
  int64_t by;
  if (c.get_int(2, &by)) incr_by(c, by);
}
void cmd_decrby(Call& c) {
  int64_t by;
  if (!c.get_int(2, &by)) return;
  if (by == INT64_MIN) { c.fail("decrement would overflow"); return; }
  incr_by(c, -by);
}
void cmd_incrbyfloat(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kString, true, &bad);
  if (bad) return;
  long double v = 0, by;
  char buf[24];
  if (e != nullptr && !parse_long_double(e->value.text(buf), &v)) { c.fail("value is not a valid float"); return; }
  if (!parse_long_double(c[2], &by)) { c.fail("value is not a valid float"); return; }
  v += by;
  if (std::isnan(v) || std::isinf(v)) { c.fail("increment would produce NaN or Infinity"); return; }
  std::string text = format_human(v);
  Object o = Object::from_string(text);
  if (e != nullptr) { uint32_t access = e->value.lru(); e->value = std::move(o); e->value.set_lru(access); }
  else c.ks.add(c.db, c[1], std::move(o));
  c.rewrite({"SET", c[1], text, "KEEPTTL"});
  c.changed(c[1], kNotifyString, "incrbyfloat");
  c.reply.bulk(text);
}

void cmd_lcs(Call& c) {
  bool get_len = false, get_idx = false, with_len = false;
  int64_t min_len = 0;
  Entry* a = c.ks.lookup_read(c.db, c[1]);
  Entry* b = c.ks.lookup_read(c.db, c[2]);
  if ((a != nullptr && a->value.type() != Type::kString) || (b != nullptr && b->value.type() != Type::kString)) {
    c.fail("The specified keys must contain string values");
    return;
  }
  for (size_t i = 3; i < c.argc(); ++i) {
    if (c.is(i, "idx")) get_idx = true;
    else if (c.is(i, "len")) get_len = true;
    else if (c.is(i, "withmatchlen")) with_len = true;
    else if (c.is(i, "minmatchlen") && i + 1 < c.argc()) {
      if (!c.get_int(++i, &min_len)) return;
      min_len = std::max<int64_t>(0, min_len);
    } else { c.syntax_error(); return; }
  }
  if (get_idx && get_len) { c.fail("If you want both the length and indexes, please just use IDX."); return; }
  char ba[24], bb[24];
  std::string_view s = a ? a->value.text(ba) : std::string_view(), t = b ? b->value.text(bb) : std::string_view();
  size_t n = s.size(), m = t.size();
  if ((n + 1) * (m + 1) > (size_t{1} << 30)) { c.fail("Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"); return; }
  std::vector<uint32_t> table((n + 1) * (m + 1));
  auto at = [&](size_t i, size_t j) -> uint32_t& { return table[i * (m + 1) + j]; };
  for (size_t i = 1; i <= n; ++i)
    for (size_t j = 1; j <= m; ++j)
      at(i, j) = s[i - 1] == t[j - 1] ? at(i - 1, j - 1) + 1 : std::max(at(i - 1, j), at(i, j - 1));
  uint32_t total = at(n, m), left = total;
  std::string result(get_idx || get_len ? 0 : total, 0);
  struct Range { size_t a0, a1, b0, b1; };
  std::vector<Range> ranges;
  if (!get_len) {
    size_t i = n, j = m;
    bool open = false;
    Range r{};
    auto close = [&] {
      if (open && static_cast<int64_t>(r.a1 - r.a0 + 1) >= min_len) ranges.push_back(r);
      open = false;
    };
    while (i > 0 && j > 0) {
      if (s[i - 1] == t[j - 1]) {
        if (!get_idx) result[left - 1] = s[i - 1];
        if (open && r.a0 == i && r.b0 == j) { --r.a0; --r.b0; }
        else { close(); r = {i - 1, i - 1, j - 1, j - 1}; open = true; }
        --left;
        --i;
        --j;
      } else {
        if (at(i - 1, j) > at(i, j - 1)) --i;
        else --j;
      }
    }
    close();
  }
  if (get_len) { c.reply.integer(total); return; }
  if (!get_idx) { c.reply.bulk(result); return; }
  c.reply.map(2);
  c.reply.bulk("matches");
  c.reply.array(ranges.size());
  for (auto& r : ranges) {
    c.reply.array(with_len ? 3 : 2);
    c.reply.array(2);
    c.reply.integer(static_cast<int64_t>(r.a0));
    c.reply.integer(static_cast<int64_t>(r.a1));
    c.reply.array(2);
    c.reply.integer(static_cast<int64_t>(r.b0));
    c.reply.integer(static_cast<int64_t>(r.b1));
    if (with_len) c.reply.integer(static_cast<int64_t>(r.a1 - r.a0 + 1));
  }
  c.reply.bulk("len");
  c.reply.integer(total);
}

const HandlerEntry kCommands[] = {
    {"set", cmd_set}, {"setex", cmd_setex}, {"psetex", cmd_setex}, {"setnx", cmd_setnx}, {"get", cmd_get}, {"getdel", cmd_getdel},
    {"getex", cmd_getex}, {"getset", cmd_getset}, {"append", cmd_append}, {"strlen", cmd_strlen}, {"setrange", cmd_setrange},
    {"getrange", cmd_getrange}, {"substr", cmd_getrange}, {"mget", cmd_mget}, {"mset", cmd_mset}, {"msetnx", cmd_msetnx},
    {"incr", cmd_incr}, {"decr", cmd_decr}, {"incrby", cmd_incrby}, {"decrby", cmd_decrby}, {"incrbyfloat", cmd_incrbyfloat}, {"lcs", cmd_lcs}};
}  // namespace
std::span<const HandlerEntry> string_commands() { return kCommands; }
}  // namespace stele::keyspace
