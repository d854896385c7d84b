// Sets: intsets and hash tables, set algebra.
#include "keyspace/keyspace.h"

namespace stele::keyspace {

Object set_make(std::string_view first) {
  int64_t v;
  return parse_i64(first, &v) ? Object::new_intset() : Object::new_set_table();
}
void set_convert(Object& o) {
  if (o.enc() != Enc::kIntset) return;
  Object table = Object::new_set_table();
  IntSet s = o.intset();
  table.set_table().reserve(s.size());
  char buf[24];
  for (uint32_t i = 0; i < s.size(); ++i) table.set_table().insert(SetNode::make({buf, format_i64(s.at(i), buf)}));
  uint32_t access = o.lru();
  o = std::move(table);
  o.set_lru(access);
}
bool set_add(Keyspace& ks, Object& o, std::string_view member) {
  if (o.enc() == Enc::kIntset) {
    int64_t v;
    if (parse_i64(member, &v)) {
      IntSet s = o.intset();
      bool added = s.add(v);
      o.set_raw(s.raw());
      uint64_t limit = std::min<uint64_t>(static_cast<uint64_t>(ks.config.s.set_max_intset_entries), 1 << 30);
      if (added && s.size() > limit) set_convert(o);
      return added;
    }
    set_convert(o);
  }
  if (o.set_table().find(member) != nullptr) return false;
  o.set_table().add(SetNode::make(member));
  return true;
}
bool set_remove(Object& o, std::string_view member) {
  if (o.enc() == Enc::kIntset) {
    int64_t v;
    if (!parse_i64(member, &v)) return false;
    IntSet s = o.intset();
    bool gone = s.remove(v);
    o.set_raw(s.raw());
    return gone;
  }
  SetNode* n = o.set_table().take(member);
  if (n == nullptr) return false;
  mem_free(n);
  o.set_table().shrink_if_sparse();
  return true;
}
bool set_contains(const Object& o, std::string_view member) {
  int64_t v;
  if (o.enc() == Enc::kIntset) return parse_i64(member, &v) && o.intset().contains(v);
  return o.set_table().find(member) != nullptr;
}
uint64_t set_size(const Object& o) { return o.enc() == Enc::kIntset ? o.intset().size() : o.set_table().size(); }
void set_each(const Object& o, const std::function<void(std::string_view)>& f) {
  if (o.enc() == Enc::kIntset) {
    char buf[24];
    IntSet s = o.intset();
    for (uint32_t i = 0; i < s.size(); ++i) f({buf, format_i64(s.at(i), buf)});
  } else {
    o.set_table().for_each([&](SetNode* n) { f(n->key()); });
  }
}
std::string set_random(const Object& o) {
  if (o.enc() == Enc::kIntset) return std::to_string(o.intset().at(static_cast<uint32_t>(random_u64() % o.intset().size())));
  return std::string(o.set_table().fair_random()->key());
}

namespace {

void removed(Call& c, std::string_view key, Entry* e, const char* event, uint64_t n) {
  std::string copy(key);
  c.ks.notify(kNotifySet, event, copy, c.db.id);
  if (set_size(e->value) == 0) {
    c.ks.remove_entry(c.db, e);
    c.ks.notify(kNotifyGeneric, "del", copy, c.db.id);
  }
  c.changed(copy, 0, nullptr, n);
}

void cmd_sadd(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kSet, true, &bad);
  if (bad) return;
  if (e == nullptr) e = c.ks.add(c.db, c[1], set_make(c[2]));
  uint64_t n = 0;
  for (size_t i = 2; i < c.argc(); ++i) n += set_add(c.ks, e->value, c[i]);
  if (n > 0) c.changed(c[1], kNotifySet, "sadd", n);
  c.reply.integer(static_cast<int64_t>(n));
}
void cmd_srem(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kSet, true, &bad);
  if (bad) return;
  uint64_t n = 0;
  if (e != nullptr) {
    for (size_t i = 2; i < c.argc() && set_size(e->value) > 0; ++i) n += set_remove(e->value, c[i]);
    if (n > 0) removed(c, c[1], e, "srem", n);
  }
  c.reply.integer(static_cast<int64_t>(n));
}
void cmd_smove(Call& c) {
  bool bad;
  Entry* from = c.typed(c[1], Type::kSet, true, &bad);
  if (bad) return;
  if (from == nullptr) { c.reply.integer(0); return; }
  Entry* to = c.typed(c[2], Type::kSet, true, &bad);
  if (bad) return;
  if (from == to) { c.reply.integer(set_contains(from->value, c[3])); return; }
  if (!set_remove(from->value, c[3])) { c.reply.integer(0); return; }
  removed(c, c[1], from, "srem", 1);
  if (to == nullptr) to = c.ks.add(c.db, c[2], set_make(c[3]));
  if (set_add(c.ks, to->value, c[3])) c.changed(c[2], kNotifySet, "sadd");
  c.reply.integer(1);
}
void cmd_sismember(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kSet, false, &bad);
  if (!bad) c.reply.integer(e != nullptr && set_contains(e->value, c[2]));
}
void cmd_smismember(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kSet, false, &bad);
  if (bad) return;
  c.reply.array(c.argc() - 2);
  for (size_t i = 2; i < c.argc(); ++i) c.reply.integer(e != nullptr && set_contains(e->value, c[i]));
}
void cmd_scard(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kSet, false, &bad);
  if (!bad) c.reply.integer(e == nullptr ? 0 : static_cast<int64_t>(set_size(e->value)));
}

void cmd_spop(Call& c) {
  if (c.argc() > 3) { c.syntax_error(); return; }
  int64_t count = -1;
  if (c.argc() == 3 && !c.get_positive(2, &count)) return;
  bool bad;
  Entry* e = c.typed(c[1], Type::kSet, true, &bad);
  if (bad) return;
  if (e == nullptr) { count >= 0 ? c.reply.set(0) : c.reply.null(); return; }
  if (count == 0) { c.reply.set(0); return; }
  uint64_t take = count < 0 ? 1 : std::min<uint64_t>(static_cast<uint64_t>(count), set_size(e->value));
  std::vector<std::string> gone;
  std::string key(c[1]);
  if (take == set_size(e->value)) {
    set_each(e->value, [&](std::string_view m) { gone.emplace_back(m); });
    c.ks.notify(kNotifySet, "spop", key, c.db.id);
    c.ks.remove_entry(c.db, e);
    c.ks.notify(kNotifyGeneric, "del", key, c.db.id);
    c.rewrite({"DEL", key});
    c.changed(key, 0, nullptr, take);
  } else {
    for (uint64_t i = 0; i < take; ++i) {
      gone.push_back(set_random(e->value));
      set_remove(e->value, gone.back());
    }
    c.rewritten = {"SREM", key};
    c.rewritten.insert(c.rewritten.end(), gone.begin(), gone.end());
    c.changed(key, kNotifySet, "spop", take);
  }
  if (count < 0) { c.reply.bulk(gone[0]); return; }
  c.reply.set(gone.size());
  for (auto& g : gone) c.reply.bulk(g);
}

void cmd_srandmember(Call& c) {
  if (c.argc() > 3) { c.syntax_error(); return; }
  if (c.argc() == 2) {
    Entry* e = c.read_or(c[1], Type::kSet, &Reply::null);
    if (e != nullptr) c.reply.bulk(set_random(e->value));
    return;
  }
  int64_t count;
  if (!c.get_int_range(2, -INT64_MAX / 2, INT64_MAX / 2, &count)) return;
  bool bad;
  Entry* e = c.typed(c[1], Type::kSet, false, &bad);
  if (bad) return;
  if (e == nullptr || count == 0) { c.reply.array(0); return; }
  uint64_t n = set_size(e->value);
  if (count < 0) {
    c.reply.array(static_cast<size_t>(-count));
    for (int64_t i = 0; i < -count; ++i) c.reply.bulk(set_random(e->value));
    return;
  }
  std::vector<std::string> all;
  uint64_t want = std::min<uint64_t>(static_cast<uint64_t>(count), n);
  if (want * 3 >= n || e->value.enc() == Enc::kIntset) {
    all.reserve(n);
    set_each(e->value, [&](std::string_view m) { all.emplace_back(m); });
    if (want < n)
      for (uint64_t i = 0; i < want; ++i) std::swap(all[i], all[i + random_u64() % (n - i)]);
  } else {
    std::unordered_set<std::string> seen;
    while (seen.size() < want) {
      std::string m = set_random(e->value);
      if (seen.insert(m).second) all.push_back(std::move(m));
    }
  }
  c.reply.array(want);
  for (uint64_t i = 0; i < want; ++i) c.reply.bulk(all[i]);
}
void cmd_smembers(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kSet, false, &bad);
  if (bad) return;
  c.reply.set(e == nullptr ? 0 : set_size(e->value));
  if (e != nullptr) set_each(e->value, [&](std::string_view m) { c.reply.bulk(m); });
}

// ---- algebra ----
enum class Op { kUnion, kInter, kDiff };

bool load(Call& c, std::span<const std::string_view> keys, bool write, std::vector<Entry*>* out) {
  for (auto k : keys) {
    Entry* e = write ? c.ks.lookup_write(c.db, k) : c.ks.lookup_read(c.db, k);
    if (e != nullptr && e->value.type() != Type::kSet) return c.wrong_type();
    out->push_back(e);
  }
  return true;
}
void compute(const std::vector<Entry*>& sets, Op op, const std::function<bool(std::string_view)>& emit) {
  if (op == Op::kInter) {
    for (Entry* e : sets)
      if (e == nullptr) return;
    std::vector<Entry*> by_size = sets;
    std::sort(by_size.begin(), by_size.end(), [](Entry* a, Entry* b) { return set_size(a->value) < set_size(b->value); });
    bool go = true;
    set_each(by_size[0]->value, [&](std::string_view m) {
      if (!go) return;
      for (size_t i = 1; i < by_size.size(); ++i)
        if (by_size[i] != by_size[0] && !set_contains(by_size[i]->value, m)) return;
      go = emit(m);
    });
  } else if (op == Op::kDiff) {
    if (sets[0] == nullptr) return;
    set_each(sets[0]->value, [&](std::string_view m) {
      for (size_t i = 1; i < sets.size(); ++i)
        if (sets[i] != nullptr && (sets[i] == sets[0] || set_contains(sets[i]->value, m))) return;
      emit(m);
    });
  } else {
    std::unordered_set<std::string> seen;
    for (Entry* e : sets)
      if (e != nullptr)
        set_each(e->value, [&](std::string_view m) {
          if (seen.emplace(m).second) emit(m);
        });
  }
}
void algebra(Call& c, Op op) {
  std::vector<Entry*> sets;
  if (!load(c, c.argv.subspan(1), false, &sets)) return;
  size_t mark = c.reply.mark(), n = 0;
  compute(sets, op, [&](std::string_view m) { c.reply.bulk(m); ++n; return true; });
  c.reply.insert_set(mark, n);
}
void algebra_store(Call& c, Op op, const char* event) {
  std::vector<Entry*> sets;
  if (!load(c, c.argv.subspan(2), true, &sets)) return;
  Object result = Object::new_intset();
  compute(sets, op, [&](std::string_view m) { set_add(c.ks, result, m); return true; });
  uint64_t n = set_size(result);
  std::string key(c[1]);
  if (n > 0) {
    c.ks.set_key(c.db, key, std::move(result));
    c.changed(key, kNotifySet, event);
  } else if (c.ks.lookup_write(c.db, key) != nullptr && c.ks.remove(c.db, key)) {
    c.changed(key, kNotifyGeneric, "del");
  }
  c.reply.integer(static_cast<int64_t>(n));
}
void cmd_sinter(Call& c) { algebra(c, Op::kInter); }
void cmd_sunion(Call& c) { algebra(c, Op::kUnion); }
void cmd_sdiff(Call& c) { algebra(c, Op::kDiff); }
void cmd_sinterstore(Call& c) { algebra_store(c, Op::kInter, "sinterstore"); }
void cmd_sunionstore(Call& c) { algebra_store(c, Op::kUnion, "sunionstore"); }
void cmd_sdiffstore(Call& c) { algebra_store(c, Op::kDiff, "sdiffstore"); }
void cmd_sintercard(Call& c) {
  int64_t n, limit = 0;
  if (!c.get_int_range(1, 1, INT64_MAX, &n, "numkeys should be greater than 0")) return;
  if (static_cast<uint64_t>(n) > c.argc() - 2) { c.fail("Number of keys can't be greater than number of args"); return; }
  for (size_t i = 2 + static_cast<size_t>(n); i < c.argc(); ++i) {
    if (c.is(i, "limit") && i + 1 < c.argc()) {
      if (!c.get_positive(++i, &limit, "LIMIT can't be negative")) return;
    } else { c.syntax_error(); return; }
  }
  std::vector<Entry*> sets;
  if (!load(c, c.argv.subspan(2, static_cast<size_t>(n)), false, &sets)) return;
  int64_t count = 0;
  compute(sets, Op::kInter, [&](std::string_view) { return ++count != limit; });
  c.reply.integer(count);
}

void cmd_sscan(Call& c) {
  uint64_t cursor;
  if (!parse_scan_cursor(c, 2, &cursor)) return;
  Entry* e = c.ks.lookup_read(c.db, c[1]);
  if (e != nullptr && e->value.type() != Type::kSet) { c.wrong_type(); return; }
  scan_elements(c, e == nullptr ? nullptr : &e->value, cursor, 3);
}

const HandlerEntry kCommands[] = {
    {"sadd", cmd_sadd}, {"srem", cmd_srem}, {"smove", cmd_smove}, {"sismember", cmd_sismember}, {"smismember", cmd_smismember},
    {"scard", cmd_scard}, {"spop", cmd_spop}, {"srandmember", cmd_srandmember}, {"smembers", cmd_smembers}, {"sinter", cmd_sinter},
    {"sunion", cmd_sunion}, {"sdiff", cmd_sdiff}, {"sinterstore", cmd_sinterstore}, {"sunionstore", cmd_sunionstore},
    {"sdiffstore", cmd_sdiffstore}, {"sintercard", cmd_sintercard}, {"sscan", cmd_sscan}};
}  // namespace
std::span<const HandlerEntry> set_commands() { return kCommands; }
}  // namespace stele::keyspace
