// Hashes: listpacks of field, value pairs and hash tables.
#include "keyspace/keyspace.h"

namespace stele::keyspace {

void hash_convert(Object& o) {
  if (o.enc() != Enc::kListpack) return;
  Object table(Type::kHash, Enc::kTable, new (mem_alloc(sizeof(FieldTable))) FieldTable());
  Listpack lp = o.listpack();
  char fb[24], vb[24];
  for (auto at = lp.first(); at != Listpack::kNone; at = lp.next(at)) {
    auto f = lp.get(at).text(fb);
    at = lp.next(at);
    if (table.fields().find(f) == nullptr) table.fields().insert(HashNode::make(f, lp.get(at).text(vb)));
  }
  uint32_t access = o.lru();
  o = std::move(table);
  o.set_lru(access);
}
void hash_try_convert(Keyspace& ks, Object& o, Argv argv, size_t from, size_t to) {
  if (o.enc() != Enc::kListpack) return;
  size_t limit = static_cast<size_t>(ks.config.s.hash_max_listpack_value);
  for (size_t i = from; i <= to && i < argv.size(); ++i)
    if (argv[i].size() > limit) { hash_convert(o); return; }
}
bool hash_get(const Object& o, std::string_view field, char* buf, std::string_view* out) {
  if (o.enc() == Enc::kListpack) {
    Listpack lp = o.listpack();
    auto first = lp.first();
    if (first == Listpack::kNone) return false;
    auto at = lp.find(first, field, 1);
    if (at == Listpack::kNone) return false;
    *out = lp.get(lp.next(at)).text(buf);
    return true;
  }
  HashNode* n = o.fields().find(field);
  if (n == nullptr) return false;
  *out = n->value->view();
  return true;
}
bool hash_set(Keyspace& ks, Object& o, std::string_view field, std::string_view value) {
  if (o.enc() == Enc::kListpack &&
      (field.size() > static_cast<size_t>(ks.config.s.hash_max_listpack_value) || value.size() > static_cast<size_t>(ks.config.s.hash_max_listpack_value)))
    hash_convert(o);
  if (o.enc() == Enc::kListpack) {
    Listpack lp = o.listpack();
    auto first = lp.first();
    auto at = first == Listpack::kNone ? Listpack::kNone : lp.find(first, field, 1);
    if (at != Listpack::kNone) {
      lp.replace(lp.next(at), value);
      o.set_raw(lp.raw());
      return false;
    }
    lp.append(field);
    lp.append(value);
    o.set_raw(lp.raw());
    if (lp.size() / 2 > static_cast<uint64_t>(ks.config.s.hash_max_listpack_entries)) hash_convert(o);
    return true;
  }
  HashNode* n = o.fields().find(field);
  if (n != nullptr) {
    n->set(value);
    o.fields().mark(n);
    return false;
  }
  o.fields().add(HashNode::make(field, value));
  return true;
}
bool hash_erase(Object& o, std::string_view field) {
  if (o.enc() == Enc::kListpack) {
    Listpack lp = o.listpack();
    auto first = lp.first();
    auto at = first == Listpack::kNone ? Listpack::kNone : lp.find(first, field, 1);
    if (at == Listpack::kNone) return false;
    lp.erase(at, 2);
    o.set_raw(lp.raw());
    return true;
  }
  HashNode* n = o.fields().take(field);
  if (n == nullptr) return false;
  HashNode::destroy(n);
  o.fields().shrink_if_sparse();
  return true;
}
uint64_t hash_size(const Object& o) { return o.enc() == Enc::kListpack ? o.listpack().size() / 2 : o.fields().size(); }
void hash_each(const Object& o, const std::function<void(std::string_view, std::string_view)>& f) {
  if (o.enc() == Enc::kListpack) {
    Listpack lp = o.listpack();
    char fb[24], vb[24];
    for (auto at = lp.first(); at != Listpack::kNone; at = lp.next(at)) {
      auto field = lp.get(at).text(fb);
      at = lp.next(at);
      f(field, lp.get(at).text(vb));
    }
  } else {
    o.fields().for_each([&](HashNode* n) { f(n->key(), n->value->view()); });
  }
}

namespace {

Entry* open(Call& c, std::string_view key, bool* bad) {
  Entry* e = c.typed(key, Type::kHash, true, bad);
  if (*bad) return nullptr;
  return e != nullptr ? e : c.ks.add(c.db, key, Object::new_hash());
}

void cmd_hset(Call& c) {
  if (c.argc() % 2 == 1) { c.fail(fmt::format("wrong number of arguments for '{}' command", c.spec->name)); return; }
  bool bad;
  Entry* e = open(c, c[1], &bad);
  if (bad) return;
  hash_try_convert(c.ks, e->value, c.argv, 2, c.argc() - 1);
  int64_t created = 0;
  for (size_t i = 2; i < c.argc(); i += 2) created += hash_set(c.ks, e->value, c[i], c[i + 1]);
  if (c.spec->name == "hset") c.reply.integer(created);
  else c.reply.ok();
  c.changed(c[1], kNotifyHash, "hset", (c.argc() - 2) / 2);
}
void cmd_hsetnx(Call& c) {
  bool bad;
  Entry* e = open(c, c[1], &bad);
  if (bad) return;
  char buf[24];
  std::string_view v;
  if (hash_get(e->value, c[2], buf, &v)) { c.reply.integer(0); return; }
  hash_set(c.ks, e->value, c[2], c[3]);
  c.reply.integer(1);
  c.changed(c[1], kNotifyHash, "hset");
}
void cmd_hget(Call& c) {
  Entry* e = c.read_or(c[1], Type::kHash, &Reply::null);
  if (e == nullptr) return;
  char buf[24];
  std::string_view v;
  if (hash_get(e->value, c[2], buf, &v)) c.reply.bulk(v);
  else c.reply.null();
}
void cmd_hmget(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kHash, false, &bad);
  if (bad) return;
  c.reply.array(c.argc() - 2);
  char buf[24];
  std::string_view v;
  for (size_t i = 2; i < c.argc(); ++i) {
    if (e != nullptr && hash_get(e->value, c[i], buf, &v)) c.reply.bulk(v);
    else c.reply.null();
  }
}
void cmd_hdel(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kHash, true, &bad);
  if (bad) return;
  uint64_t n = 0;
  if (e != nullptr) {
    for (size_t i = 2; i < c.argc() && hash_size(e->value) > 0; ++i) n += hash_erase(e->value, c[i]);
    if (n > 0) {
      c.ks.notify(kNotifyHash, "hdel", c[1], c.db.id);
      if (hash_size(e->value) == 0) {
        c.ks.remove_entry(c.db, e);
        c.ks.notify(kNotifyGeneric, "del", c[1], c.db.id);
      }
      c.changed(c[1], 0, nullptr, n);
    }
  }
  c.reply.integer(static_cast<int64_t>(n));
}
void cmd_hlen(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kHash, false, &bad);
  if (!bad) c.reply.integer(e == nullptr ? 0 : static_cast<int64_t>(hash_size(e->value)));
}
void cmd_hstrlen(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kHash, false, &bad);
  if (bad) return;
  char buf[24];
  std::string_view v;
  c.reply.integer(e != nullptr && hash_get(e->value, c[2], buf, &v) ? static_cast<int64_t>(v.size()) : 0);
}
void cmd_hexists(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kHash, false, &bad);
  if (bad) return;
  char buf[24];
  std::string_view v;
  c.reply.integer(e != nullptr && hash_get(e->value, c[2], buf, &v));
}
void cmd_hgetall(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kHash, false, &bad);
  if (bad) return;
  c.reply.map(e == nullptr ? 0 : hash_size(e->value));
  if (e != nullptr) hash_each(e->value, [&](std::string_view f, std::string_view v) { c.reply.bulk(f); c.reply.bulk(v); });
}
void cmd_hkeys(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kHash, false, &bad);
  if (bad) return;
  c.reply.array(e == nullptr ? 0 : hash_size(e->value));
  if (e != nullptr) hash_each(e->value, [&](std::string_view f, std::string_view) { c.reply.bulk(f); });
}
void cmd_hvals(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kHash, false, &bad);
  if (bad) return;
  c.reply.array(e == nullptr ? 0 : hash_size(e->value));
  if (e != nullptr) hash_each(e->value, [&](std::string_view, std::string_view v) { c.reply.bulk(v); });
}
void cmd_hincrby(Call& c) {
  int64_t by, v = 0;
  if (!c.get_int(3, &by)) return;
  bool bad;
  Entry* e = open(c, c[1], &bad);
  if (bad) return;
  char buf[24];
  std::string_view s;
  if (hash_get(e->value, c[2], buf, &s) && !parse_i64(s, &v)) { c.fail("hash value is not an integer"); return; }
  if (__builtin_add_overflow(v, by, &v)) { c.fail("increment or decrement would overflow"); return; }
  hash_set(c.ks, e->value, c[2], {buf, format_i64(v, buf)});
  c.reply.integer(v);
  c.changed(c[1], kNotifyHash, "hincrby");
}
void cmd_hincrbyfloat(Call& c) {
  long double by, v = 0;
  if (!parse_long_double(c[3], &by)) { c.fail("value is not a valid float"); return; }
  if (std::isinf(by)) { c.fail("value is NaN or Infinity"); return; }
  bool bad;
  Entry* e = open(c, c[1], &bad);
  if (bad) return;
  char buf[24];
  std::string_view s;
  if (hash_get(e->value, c[2], buf, &s) && !parse_long_double(s, &v)) { c.fail("hash value is not a float"); return; }
  v += by;
  if (std::isnan(v) || std::isinf(v)) { c.fail("increment would produce NaN or Infinity"); return; }
  std::string text = format_human(v);
  hash_set(c.ks, e->value, c[2], text);
  c.reply.bulk(text);
  c.rewrite({"HSET", c[1], c[2], text});
  c.changed(c[1], kNotifyHash, "hincrbyfloat");
}

void cmd_hrandfield(Call& c) {
  bool with_values = false;
  if (c.argc() == 2) {
    Entry* e = c.read_or(c[1], Type::kHash, &Reply::null);
    if (e == nullptr) return;
    if (e->value.enc() == Enc::kTable) { c.reply.bulk(e->value.fields().fair_random()->key()); return; }
    Listpack lp = e->value.listpack();
    char buf[24];
    c.reply.bulk(lp.get(lp.seek(static_cast<int64_t>(random_u64() % (lp.size() / 2) * 2))).text(buf));
    return;
  }
  int64_t count;
  if (!c.get_int_range(2, -INT64_MAX, INT64_MAX, &count)) return;
  if (c.argc() > 4 || (c.argc() == 4 && !c.is(3, "withvalues"))) { c.syntax_error(); return; }
  with_values = c.argc() == 4;
  if (with_values && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) { c.fail("value is out of range"); return; }
  bool bad;
  Entry* e = c.typed(c[1], Type::kHash, false, &bad);
  if (bad) return;
  if (e == nullptr || count == 0) { c.reply.array(0); return; }
  std::vector<std::pair<std::string, std::string>> all;
  hash_each(e->value, [&](std::string_view f, std::string_view v) { all.emplace_back(f, v); });
  uint64_t n = count < 0 ? static_cast<uint64_t>(-count) : std::min<uint64_t>(static_cast<uint64_t>(count), all.size());
  bool nested = with_values && c.reply.resp() >= 3;
  c.reply.array(with_values && !nested ? n * 2 : n);
  for (uint64_t i = 0; i < n; ++i) {
    size_t k = i;
    if (count < 0) k = random_u64() % all.size();
    else if (n < all.size()) std::swap(all[i], all[i + random_u64() % (all.size() - i)]);
    if (nested) c.reply.array(2);
    c.reply.bulk(all[k].first);
    if (with_values) c.reply.bulk(all[k].second);
  }
}
void cmd_hscan(Call& c) {
  uint64_t cursor;
  if (!parse_scan_cursor(c, 2, &cursor)) return;
  Entry* e = c.ks.lookup_read(c.db, c[1]);
  if (e != nullptr && e->value.type() != Type::kHash) { c.wrong_type(); return; }
  scan_elements(c, e == nullptr ? nullptr : &e->value, cursor, 3);
}

const HandlerEntry kCommands[] = {
    {"hset", cmd_hset}, {"hmset", cmd_hset}, {"hsetnx", cmd_hsetnx}, {"hget", cmd_hget}, {"hmget", cmd_hmget}, {"hdel", cmd_hdel},
    {"hlen", cmd_hlen}, {"hstrlen", cmd_hstrlen}, {"hexists", cmd_hexists}, {"hgetall", cmd_hgetall}, {"hkeys", cmd_hkeys},
    {"hvals", cmd_hvals}, {"hincrby", cmd_hincrby}, {"hincrbyfloat", cmd_hincrbyfloat}, {"hrandfield", cmd_hrandfield}, {"hscan", cmd_hscan}};
}  // namespace
std::span<const HandlerEntry> hash_commands() { return kCommands; }
}  // namespace stele::keyspace
