// Sorted sets: changes, scores, ranks, pops, unions and intersections.
#include "keyspace/keyspace.h"

namespace stele::keyspace {

static double lp_score(Listpack lp, Listpack::Pos at) {
  LpValue v = lp.get(at);
  if (v.data == nullptr) return static_cast<double>(v.number);
  char buf[128];
  size_t n = std::min<size_t>(v.size, sizeof buf - 1);
  std::memcpy(buf, v.data, n);
  buf[n] = 0;
  return std::strtod(buf, nullptr);
}
uint64_t zset_size(const Object& o) { return o.enc() == Enc::kListpack ? o.listpack().size() / 2 : o.zset().size(); }

static Listpack::Pos lp_member(Listpack lp, std::string_view member) {
  auto first = lp.first();
  return first == Listpack::kNone ? first : lp.find(first, member, 1);
}
bool zset_score(const Object& o, std::string_view member, double* out) {
  if (o.enc() == Enc::kListpack) {
    Listpack lp = o.listpack();
    auto at = lp_member(lp, member);
    if (at == Listpack::kNone) return false;
    *out = lp_score(lp, lp.next(at));
    return true;
  }
  ZNode* n = o.zset().find(member);
  if (n == nullptr) return false;
  *out = n->score;
  return true;
}
// Scores in a listpack are integers where they can be, which zero with a sign is too.
static std::string lp_score_text(double score) { return score == 0 ? "0" : format_double(score); }
static void lp_insert(Object& o, std::string_view member, double score) {
  Listpack lp = o.listpack();
  std::string text = lp_score_text(score);
  char buf[24];
  for (auto at = lp.first(); at != Listpack::kNone;) {
    auto sp = lp.next(at);
    double s = lp_score(lp, sp);
    if (s > score || (s == score && lp.get(at).text(buf) > member)) {
      auto p = lp.insert(at, member);
      lp.insert(lp.next(p), text);
      o.set_raw(lp.raw());
      return;
    }
    at = lp.next(sp);
  }
  lp.append(member);
  lp.append(text);
  o.set_raw(lp.raw());
}
void zset_convert(Object& o) {
  if (o.enc() != Enc::kListpack) return;
  Object z = Object::new_zset_skiplist();
  Listpack lp = o.listpack();
  char buf[24];
  for (auto at = lp.first(); at != Listpack::kNone;) {
    auto sp = lp.next(at);
    z.zset().insert(lp.get(at).text(buf), lp_score(lp, sp));
    at = lp.next(sp);
  }
  uint32_t access = o.lru();
  o = std::move(z);
  o.set_lru(access);
}
// Back to the compact form for freshly built results.
void zset_maybe_convert(Keyspace& ks, Object& o) {
  if (o.enc() != Enc::kSkiplist || o.zset().size() > static_cast<uint64_t>(ks.config.s.zset_max_listpack_entries)) return;
  for (auto n = o.zset().first(); n; ++n)
    if (n->len > static_cast<uint64_t>(ks.config.s.zset_max_listpack_value)) return;
  Listpack lp = Listpack::create();
  for (auto n = o.zset().first(); n; ++n) {
    lp.append(n->key());
    lp.append(lp_score_text(n->score));
  }
  Object z(Type::kZset, Enc::kListpack, lp.raw());
  o = std::move(z);
}
ZaddOutcome zset_add(Keyspace& ks, Object& o, std::string_view member, double score, uint32_t flags, double* result) {
  double old;
  *result = score;
  if (std::isnan(score)) return kZaddNan;
  if (o.enc() == Enc::kListpack) {
    Listpack lp = o.listpack();
    auto at = lp_member(lp, member);
    if (at != Listpack::kNone) {
      old = lp_score(lp, lp.next(at));
      if (flags & kZaddNx) { *result = old; return kZaddNop; }
      if (flags & kZaddIncr) score += old;
      if (std::isnan(score)) return kZaddNan;
      if (((flags & kZaddLt) && score >= old) || ((flags & kZaddGt) && score <= old)) { *result = old; return kZaddNop; }
      *result = score;
      if (score == old) return kZaddNop;
      lp.erase(at, 2);
      o.set_raw(lp.raw());
      lp_insert(o, member, score);
      return kZaddUpdated;
    }
    if (flags & kZaddXx) return kZaddNop;
    if (lp.size() / 2 + 1 > static_cast<uint64_t>(ks.config.s.zset_max_listpack_entries) ||
        member.size() > static_cast<size_t>(ks.config.s.zset_max_listpack_value)) {
      zset_convert(o);
      o.zset().insert(member, score);
    } else {
      lp_insert(o, member, score);
    }
    return kZaddAdded;
  }
  Zset& z = o.zset();
  if (ZNode* n = z.find(member)) {
    old = n->score;
    if (flags & kZaddNx) { *result = old; return kZaddNop; }
    if (flags & kZaddIncr) score += old;
    if (std::isnan(score)) return kZaddNan;
    if (((flags & kZaddLt) && score >= old) || ((flags & kZaddGt) && score <= old)) { *result = old; return kZaddNop; }
    *result = score;
    if (score == old) return kZaddNop;
    z.update(n, score);
    return kZaddUpdated;
  }
  if (flags & kZaddXx) return kZaddNop;
  z.insert(member, score);
  return kZaddAdded;
}
bool zset_remove(Object& o, std::string_view member) {
  if (o.enc() == Enc::kListpack) {
    Listpack lp = o.listpack();
    auto at = lp_member(lp, member);
    if (at == Listpack::kNone) return false;
    lp.erase(at, 2);
    o.set_raw(lp.raw());
    return true;
  }
  return o.zset().remove(member);
}
void zset_each(const Object& o, bool reverse, const std::function<bool(std::string_view, double)>& f) {
  if (o.enc() == Enc::kListpack) {
    Listpack lp = o.listpack();
    char buf[24];
    if (!reverse) {
      for (auto at = lp.first(); at != Listpack::kNone;) {
        auto sp = lp.next(at);
        if (!f(lp.get(at).text(buf), lp_score(lp, sp))) return;
        at = lp.next(sp);
      }
    } else {
      for (auto sp = lp.last(); sp != Listpack::kNone;) {
        auto at = lp.prev(sp);
        if (!f(lp.get(at).text(buf), lp_score(lp, sp))) return;
        sp = lp.prev(at);
      }
    }
    return;
  }
  for (auto n = reverse ? o.zset().last() : o.zset().first(); n; reverse ? --n : ++n)
    if (!f(n->key(), n->score)) return;
}
int64_t zset_rank(const Object& o, std::string_view member, bool reverse) {
  int64_t n = static_cast<int64_t>(zset_size(o)), rank = -1;
  if (o.enc() == Enc::kListpack) {
    int64_t i = 0;
    zset_each(o, false, [&](std::string_view m, double) {
      if (m == member) { rank = i; return false; }
      ++i;
      return true;
    });
  } else if (ZNode* node = o.zset().find(member)) {
    rank = static_cast<int64_t>(o.zset().rank(node));
  }
  return rank < 0 ? -1 : reverse ? n - 1 - rank : rank;
}

namespace {

void removed(Call& c, std::string_view key, Entry* e, const char* event, uint64_t n) {
  std::string copy(key);
  if (event != nullptr) c.ks.notify(kNotifyZset, event, copy, c.db.id);
  if (zset_size(e->value) == 0) {
    c.ks.remove_entry(c.db, e);
    c.ks.notify(kNotifyGeneric, "del", copy, c.db.id);
  }
  c.changed(copy, 0, nullptr, n);
}

void zadd(Call& c, uint32_t flags) {
  size_t i = 2;
  bool ch = false;
  if (!(flags & kZaddIncr))
    for (; i < c.argc(); ++i) {
      if (c.is(i, "nx")) flags |= kZaddNx;
      else if (c.is(i, "xx")) flags |= kZaddXx;
      else if (c.is(i, "ch")) ch = true;
      else if (c.is(i, "incr")) flags |= kZaddIncr;
      else if (c.is(i, "gt")) flags |= kZaddGt;
      else if (c.is(i, "lt")) flags |= kZaddLt;
      else break;
    }
  size_t elements = c.argc() - i;
  if (elements % 2 || elements == 0) { c.syntax_error(); return; }
  elements /= 2;
  if ((flags & kZaddNx) && (flags & kZaddXx)) { c.fail("XX and NX options at the same time are not compatible"); return; }
  if (((flags & kZaddGt) && (flags & kZaddNx)) || ((flags & kZaddLt) && (flags & kZaddNx)) || ((flags & kZaddGt) && (flags & kZaddLt))) {
    c.fail("GT, LT, and/or NX options at the same time are not compatible");
    return;
  }
  if ((flags & kZaddIncr) && elements > 1) { c.fail("INCR option supports a single increment-element pair"); return; }
  double few[8];
  std::vector<double> many(elements > 8 ? elements : 0);
  double* scores = elements > 8 ? many.data() : few;
  for (size_t k = 0; k < elements; ++k)
    if (!c.get_double(i + 2 * k, &scores[k])) return;
  bool bad;
  Entry* e = c.typed(c[1], Type::kZset, true, &bad);
  if (bad) return;
  uint64_t added = 0, updated = 0;
  double result = 0;
  bool processed = false;
  if (e == nullptr && !(flags & kZaddXx)) {
    bool large = c.ks.config.s.zset_max_listpack_entries == 0 || static_cast<size_t>(c.ks.config.s.zset_max_listpack_value) < c[i + 1].size();
    e = c.ks.add(c.db, c[1], large ? Object::new_zset_skiplist() : Object::new_zset());
  }
  bool failed = false;
  if (e != nullptr)
    for (size_t k = 0; k < elements; ++k) {
      ZaddOutcome r = zset_add(c.ks, e->value, c[i + 2 * k + 1], scores[k], flags, &result);
      if (r == kZaddNan) { c.fail("resulting score is not a number (NaN)"); failed = true; break; }
      added += r == kZaddAdded;
      updated += r == kZaddUpdated;
      // A condition that kept the element as it was gives INCR no result.
      double current;
      processed |= r != kZaddNop || (!(flags & kZaddNx) && zset_score(e->value, c[i + 2 * k + 1], &current) && !((flags & kZaddGt) && current > result) && !((flags & (kZaddGt | kZaddLt))));
    }
  if (!failed) {
    if (flags & kZaddIncr) {
      if (processed) c.reply.number(result);
      else c.reply.null();
    } else {
      c.reply.integer(static_cast<int64_t>(ch ? added + updated : added));
    }
  }
  if (added + updated > 0) c.changed(c[1], kNotifyZset, flags & kZaddIncr ? "zincr" : "zadd", added + updated);
}
void cmd_zadd(Call& c) { zadd(c, 0); }
void cmd_zincrby(Call& c) { zadd(c, kZaddIncr); }

void cmd_zrem(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kZset, true, &bad);
  if (bad) return;
  uint64_t n = 0;
  if (e != nullptr) {
    for (size_t i = 2; i < c.argc() && zset_size(e->value) > 0; ++i) n += zset_remove(e->value, c[i]);
    if (n > 0) removed(c, c[1], e, "zrem", n);
  }
  c.reply.integer(static_cast<int64_t>(n));
}
void cmd_zcard(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kZset, false, &bad);
  if (!bad) c.reply.integer(e == nullptr ? 0 : static_cast<int64_t>(zset_size(e->value)));
}
void cmd_zscore(Call& c) {
  Entry* e = c.read_or(c[1], Type::kZset, &Reply::null);
  if (e == nullptr) return;
  double s;
  if (zset_score(e->value, c[2], &s)) c.reply.number(s);
  else c.reply.null();
}
void cmd_zmscore(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kZset, false, &bad);
  if (bad) return;
  c.reply.array(c.argc() - 2);
  double s;
  for (size_t i = 2; i < c.argc(); ++i) {
    if (e != nullptr && zset_score(e->value, c[i], &s)) c.reply.number(s);
    else c.reply.null();
  }
}
void rank(Call& c, bool reverse) {
  Entry* e = c.read_or(c[1], Type::kZset, &Reply::null);
  if (e == nullptr) return;
  int64_t r = zset_rank(e->value, c[2], reverse);
  if (r < 0) c.reply.null();
  else c.reply.integer(r);
}
void cmd_zrank(Call& c) { rank(c, false); }
void cmd_zrevrank(Call& c) { rank(c, true); }

// ---- pops ----
// Replies [key] member score pairs. kind: 0 ZPOPMIN, 1 blocking single, 2 ZMPOP nested.
void pop_from(Call& c, Entry* e, std::string_view key, bool max, int64_t count, int kind, bool count_given) {
  uint64_t n = std::min<uint64_t>(static_cast<uint64_t>(count), zset_size(e->value));
  std::vector<std::pair<std::string, double>> out;
  zset_each(e->value, max, [&](std::string_view m, double s) {
    if (out.size() >= n) return false;
    out.emplace_back(m, s);
    return out.size() < n;
  });
  if (kind == 1) {
    c.reply.array(3);
    c.reply.bulk(key);
    c.reply.bulk(out[0].first);
    c.reply.number(out[0].second);
  } else if (kind == 2) {
    c.reply.array(2);
    c.reply.bulk(key);
    c.reply.array(out.size());
    for (auto& [m, s] : out) { c.reply.array(2); c.reply.bulk(m); c.reply.number(s); }
  } else {
    bool nested = count_given && c.reply.resp() >= 3;
    c.reply.array(nested ? out.size() : out.size() * 2);
    for (auto& [m, s] : out) {
      if (nested) c.reply.array(2);
      c.reply.bulk(m);
      c.reply.number(s);
    }
  }
  for (auto& [m, s] : out) zset_remove(e->value, m);
  if (kind != 0 || count_given || true) c.rewrite({max ? "ZPOPMAX" : "ZPOPMIN", key, std::to_string(n)});
  removed(c, key, e, max ? "zpopmax" : "zpopmin", n);
}
void zpop(Call& c, bool max) {
  int64_t count = 1;
  if (c.argc() > 3) { c.syntax_error(); return; }
  if (c.argc() == 3 && !c.get_positive(2, &count)) return;
  bool bad;
  Entry* e = c.typed(c[1], Type::kZset, true, &bad);
  if (bad) return;
  if (e == nullptr || count == 0) { c.reply.array(0); return; }
  pop_from(c, e, c[1], max, count, 0, c.argc() == 3);
}
void cmd_zpopmin(Call& c) { zpop(c, false); }
void cmd_zpopmax(Call& c) { zpop(c, true); }

bool get_timeout(Call& c, size_t i, int64_t* ms) {
  long double seconds;
  if (!parse_long_double(c[i], &seconds)) return c.fail("timeout is not a float or out of range");
  if (seconds < 0) return c.fail("timeout is negative");
  long double v = std::ceil(seconds * 1000);
  if (v > static_cast<long double>(INT64_MAX) || static_cast<int64_t>(v) > INT64_MAX - c.ks.now_ms()) return c.fail("timeout is out of range");
  *ms = static_cast<int64_t>(v);
  return true;
}
void bzpop(Call& c, bool max) {
  int64_t ms;
  if (!get_timeout(c, c.argc() - 1, &ms)) return;
  for (size_t i = 1; i + 1 < c.argc(); ++i) {
    bool bad;
    Entry* e = c.typed(c[i], Type::kZset, true, &bad);
    if (bad) return;
    if (e == nullptr) continue;
    pop_from(c, e, c[i], max, 1, 1, false);
    return;
  }
  if (c.session.deny_blocking) { c.reply.null_array(); return; }
  std::vector<std::string> keys(c.argv.begin() + 1, c.argv.end() - 1);
  c.ks.block_on_keys(c, BlockKind::kZset, keys, ms);
}
void cmd_bzpopmin(Call& c) { bzpop(c, false); }
void cmd_bzpopmax(Call& c) { bzpop(c, true); }
void zmpop(Call& c, size_t num_at, bool blocking) {
  int64_t ms = 0, n, count = -1;
  if (blocking && !get_timeout(c, 1, &ms)) return;
  if (!c.get_int_range(num_at, 1, INT64_MAX, &n, "numkeys should be greater than 0")) return;
  size_t where = num_at + 1 + static_cast<size_t>(n);
  if (static_cast<uint64_t>(n) > c.argc() || where >= c.argc()) { c.syntax_error(); return; }
  bool max;
  if (c.is(where, "min")) max = false;
  else if (c.is(where, "max")) max = true;
  else { c.syntax_error(); return; }
  for (size_t i = where + 1; i < c.argc(); ++i) {
    if (count == -1 && c.is(i, "count") && i + 1 < c.argc()) {
      if (!c.get_int_range(++i, 1, INT64_MAX, &count, "count should be greater than 0")) return;
    } else { c.syntax_error(); return; }
  }
  if (count < 0) count = 1;
  for (size_t i = num_at + 1; i < where; ++i) {
    bool bad;
    Entry* e = c.typed(c[i], Type::kZset, true, &bad);
    if (bad) return;
    if (e == nullptr) continue;
    pop_from(c, e, c[i], max, count, 2, true);
    return;
  }
  if (!blocking || c.session.deny_blocking) { c.reply.null_array(); return; }
  std::vector<std::string> keys(c.argv.begin() + static_cast<ptrdiff_t>(num_at) + 1, c.argv.begin() + static_cast<ptrdiff_t>(where));
  c.ks.block_on_keys(c, BlockKind::kZset, keys, ms);
}
void cmd_zmpop(Call& c) { zmpop(c, 1, false); }
void cmd_bzmpop(Call& c) { zmpop(c, 2, true); }

void cmd_zrandmember(Call& c) {
  if (c.argc() == 2) {
    Entry* e = c.read_or(c[1], Type::kZset, &Reply::null);
    if (e == nullptr) return;
    if (e->value.enc() == Enc::kSkiplist) { c.reply.bulk(e->value.zset().table.fair_random()->key()); return; }
    Listpack lp = e->value.listpack();
    char buf[24];
    c.reply.bulk(lp.get(lp.seek(static_cast<int64_t>(random_u64() % (lp.size() / 2) * 2))).text(buf));
    return;
  }
  int64_t count;
  if (!c.get_int_range(2, -INT64_MAX, INT64_MAX, &count)) return;
  if (c.argc() > 4 || (c.argc() == 4 && !c.is(3, "withscores"))) { c.syntax_error(); return; }
  bool with = c.argc() == 4;
  if (with && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) { c.fail("value is out of range"); return; }
  bool bad;
  Entry* e = c.typed(c[1], Type::kZset, false, &bad);
  if (bad) return;
  if (e == nullptr || count == 0) { c.reply.array(0); return; }
  std::vector<std::pair<std::string, double>> all;
  zset_each(e->value, false, [&](std::string_view m, double s) { all.emplace_back(m, s); return true; });
  uint64_t n = count < 0 ? static_cast<uint64_t>(-count) : std::min<uint64_t>(static_cast<uint64_t>(count), all.size());
  bool nested = with && c.reply.resp() >= 3;
  c.reply.array(with && !nested ? n * 2 : n);
  for (uint64_t i = 0; i < n; ++i) {
    size_t k = i;
    if (count < 0) k = random_u64() % all.size();
    else if (n < all.size()) std::swap(all[i], all[i + random_u64() % (all.size() - i)]);
    if (nested) c.reply.array(2);
    c.reply.bulk(all[k].first);
    if (with) c.reply.number(all[k].second);
  }
}

// ---- ZUNION, ZINTER, ZDIFF and their STORE forms ----
enum class Op { kUnion, kInter, kDiff };

void algebra(Call& c, Op op, bool store, bool cardinality) {
  size_t num_at = store ? 2 : 1;
  int64_t n;
  if (!c.get_int(num_at, &n)) return;
  if (n < 1) { c.fail(fmt::format("at least 1 input key is needed for '{}' command", c.spec->name)); return; }
  if (static_cast<uint64_t>(n) > c.argc() - num_at - 1) { c.syntax_error(); return; }
  struct Source { Entry* e; double weight = 1; };
  std::vector<Source> sources;
  for (size_t i = num_at + 1; i <= num_at + static_cast<size_t>(n); ++i) {
    Entry* e = store ? c.ks.lookup_write(c.db, c[i]) : c.ks.lookup_read(c.db, c[i]);
    if (e != nullptr && e->value.type() != Type::kZset && e->value.type() != Type::kSet) { c.wrong_type(); return; }
    sources.push_back({e});
  }
  enum { kSum, kMin, kMax } aggregate = kSum;
  bool with = false;
  int64_t limit = 0;
  for (size_t i = num_at + 1 + static_cast<size_t>(n); i < c.argc(); ++i) {
    size_t left = c.argc() - i;
    if (op != Op::kDiff && !cardinality && left >= static_cast<size_t>(n) + 1 && c.is(i, "weights")) {
      for (int64_t k = 0; k < n; ++k)
        if (!c.get_double(++i, &sources[static_cast<size_t>(k)].weight, "weight value is not a float")) return;
    } else if (op != Op::kDiff && !cardinality && left >= 2 && c.is(i, "aggregate")) {
      ++i;
      if (c.is(i, "sum")) aggregate = kSum;
      else if (c.is(i, "min")) aggregate = kMin;
      else if (c.is(i, "max")) aggregate = kMax;
      else { c.syntax_error(); return; }
    } else if (!store && !cardinality && c.is(i, "withscores")) {
      with = true;
    } else if (cardinality && left >= 2 && c.is(i, "limit")) {
      if (!c.get_positive(++i, &limit, "LIMIT can't be negative")) return;
    } else { c.syntax_error(); return; }
  }
  auto size_of = [](Entry* e) { return e == nullptr ? 0 : e->value.type() == Type::kSet ? set_size(e->value) : zset_size(e->value); };
  auto score_of = [](Entry* e, std::string_view m, double* s) {
    if (e == nullptr) return false;
    if (e->value.type() == Type::kSet) { *s = 1; return set_contains(e->value, m); }
    return zset_score(e->value, m, s);
  };
  auto each = [](Entry* e, const std::function<void(std::string_view, double)>& f) {
    if (e == nullptr) return;
    if (e->value.type() == Type::kSet) set_each(e->value, [&](std::string_view m) { f(m, 1); });
    else zset_each(e->value, false, [&](std::string_view m, double s) { f(m, s); return true; });
  };
  auto weigh = [](double w, double s) { double v = w * s; return std::isnan(v) ? 0 : v; };
  auto combine = [&](double a, double b) {
    if (aggregate == kMin) return std::min(a, b);
    if (aggregate == kMax) return std::max(a, b);
    double v = a + b;
    return std::isnan(v) ? 0 : v;
  };
  Object result = Object::new_zset_skiplist();
  Zset& z = result.zset();
  int64_t count = 0;
  if (op != Op::kDiff) std::stable_sort(sources.begin(), sources.end(), [&](const Source& a, const Source& b) { return size_of(a.e) < size_of(b.e); });
  if (op == Op::kInter) {
    bool go = true;
    each(sources[0].e, [&](std::string_view m, double s) {
      if (!go) return;
      double total = weigh(sources[0].weight, s);
      for (size_t k = 1; k < sources.size(); ++k) {
        double v;
        if (sources[k].e == sources[0].e) v = s;
        else if (!score_of(sources[k].e, m, &v)) return;
        total = combine(total, weigh(sources[k].weight, v));
      }
      if (cardinality) { go = ++count != limit; return; }
      z.insert(m, total);
    });
  } else if (op == Op::kUnion) {
    std::unordered_map<std::string, double> sums;
    for (auto& src : sources)
      each(src.e, [&](std::string_view m, double s) {
        double v = weigh(src.weight, s);
        auto [it, fresh] = sums.emplace(m, v);
        if (!fresh) it->second = combine(it->second, v);
      });
    for (auto& [m, s] : sums) z.insert(m, s);
  } else {
    each(sources[0].e, [&](std::string_view m, double s) {
      double v;
      for (size_t k = 1; k < sources.size(); ++k)
        if (sources[k].e == sources[0].e || score_of(sources[k].e, m, &v)) return;
      z.insert(m, s);
    });
  }
  if (cardinality) { c.reply.integer(count); return; }
  if (store) {
    std::string key(c[1]);
    uint64_t size = z.size();
    if (size > 0) {
      zset_maybe_convert(c.ks, result);
      c.ks.set_key(c.db, key, std::move(result));
      c.reply.integer(static_cast<int64_t>(size));
      c.changed(key, kNotifyZset, op == Op::kUnion ? "zunionstore" : op == Op::kInter ? "zinterstore" : "zdiffstore");
    } else {
      c.reply.integer(0);
      if (c.ks.lookup_write(c.db, key) != nullptr && c.ks.remove(c.db, key)) c.changed(key, kNotifyGeneric, "del");
    }
    return;
  }
  bool nested = with && c.reply.resp() >= 3;
  c.reply.array(with && !nested ? z.size() * 2 : z.size());
  for (auto node = z.first(); node; ++node) {
    if (nested) c.reply.array(2);
    c.reply.bulk(node->key());
    if (with) c.reply.number(node->score);
  }
}
void cmd_zunion(Call& c) { algebra(c, Op::kUnion, false, false); }
void cmd_zinter(Call& c) { algebra(c, Op::kInter, false, false); }
void cmd_zdiff(Call& c) { algebra(c, Op::kDiff, false, false); }
void cmd_zunionstore(Call& c) { algebra(c, Op::kUnion, true, false); }
void cmd_zinterstore(Call& c) { algebra(c, Op::kInter, true, false); }
void cmd_zdiffstore(Call& c) { algebra(c, Op::kDiff, true, false); }
void cmd_zintercard(Call& c) { algebra(c, Op::kInter, false, true); }

void cmd_zscan(Call& c) {
  uint64_t cursor;
  if (!parse_scan_cursor(c, 2, &cursor)) return;
  Entry* e = c.ks.lookup_read(c.db, c[1]);
  if (e != nullptr && e->value.type() != Type::kZset) { c.wrong_type(); return; }
  scan_elements(c, e == nullptr ? nullptr : &e->value, cursor, 3);
}

const HandlerEntry kCommands[] = {
    {"zadd", cmd_zadd}, {"zincrby", cmd_zincrby}, {"zrem", cmd_zrem}, {"zcard", cmd_zcard}, {"zscore", cmd_zscore}, {"zmscore", cmd_zmscore},
    {"zrank", cmd_zrank}, {"zrevrank", cmd_zrevrank}, {"zpopmin", cmd_zpopmin}, {"zpopmax", cmd_zpopmax}, {"bzpopmin", cmd_bzpopmin},
    {"bzpopmax", cmd_bzpopmax}, {"zmpop", cmd_zmpop}, {"bzmpop", cmd_bzmpop}, {"zrandmember", cmd_zrandmember}, {"zunion", cmd_zunion},
    {"zinter", cmd_zinter}, {"zdiff", cmd_zdiff}, {"zunionstore", cmd_zunionstore}, {"zinterstore", cmd_zinterstore},
    {"zdiffstore", cmd_zdiffstore}, {"zintercard", cmd_zintercard}, {"zscan", cmd_zscan}};
}  // namespace
std::span<const HandlerEntry> zset_commands() { return kCommands; }
}  // namespace stele::keyspace
