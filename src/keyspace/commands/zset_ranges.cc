// Sorted set ranges: by rank, score and lexicographic order; counting and removal.
#include "keyspace/keyspace.h"

namespace stele::keyspace {
namespace {

bool parse_score_bound(std::string_view s, double* v, bool* open) {
  *open = !s.empty() && s[0] == '(';
  if (*open) s.remove_prefix(1);
  if (s.empty() || s.size() > 200) return false;
  std::string copy(s);
  char* end;
  *v = std::strtod(copy.c_str(), &end);
  return *end == 0 && !std::isnan(*v);
}
bool parse_scores(Call& c, size_t min_at, size_t max_at, ScoreRange* r) {
  if (parse_score_bound(c[min_at], &r->min, &r->min_open) && parse_score_bound(c[max_at], &r->max, &r->max_open)) return true;
  return c.fail("min or max is not a float");
}
bool parse_lex_bound(std::string_view s, LexBound* b) {
  if (s == "-") { b->kind = -1; return true; }
  if (s == "+") { b->kind = 1; return true; }
  if (s.empty() || (s[0] != '(' && s[0] != '[')) return false;
  b->kind = 0;
  b->open = s[0] == '(';
  b->value = s.substr(1);
  return true;
}
bool parse_lex(Call& c, size_t min_at, size_t max_at, LexRange* r) {
  if (parse_lex_bound(c[min_at], &r->min) && parse_lex_bound(c[max_at], &r->max)) return true;
  return c.fail("min or max not valid string range item");
}
bool empty(const ScoreRange& r) { return r.min > r.max || (r.min == r.max && (r.min_open || r.max_open)); }
bool empty(const LexRange& r) {
  if (r.min.kind > 0 || r.max.kind < 0) return true;
  if (r.min.kind != 0 || r.max.kind != 0) return false;
  int o = r.min.value.compare(r.max.value);
  return o > 0 || (o == 0 && (r.min.open || r.max.open));
}
bool at_least(std::string_view, double s, const ScoreRange& r) { return score_at_least(s, r); }
bool at_most(std::string_view, double s, const ScoreRange& r) { return score_at_most(s, r); }
bool at_least(std::string_view m, double, const LexRange& r) { return lex_at_least(m, r); }
bool at_most(std::string_view m, double, const LexRange& r) { return lex_at_most(m, r); }

// Visits the range in order; f returns false to stop.
template <class Range, class F>
void visit(const Object& o, const Range& r, bool reverse, F f) {
  if (empty(r)) return;
  // With mixed scores a lexicographic range is empty unless it overlaps the ends.
  bool overlaps = true;
  zset_each(o, false, [&](std::string_view m, double s) { overlaps = at_most(m, s, r); return false; });
  if (overlaps) zset_each(o, true, [&](std::string_view m, double s) { overlaps = at_least(m, s, r); return false; });
  if (!overlaps) return;
  if (o.enc() == Enc::kSkiplist) {
    auto n = reverse ? o.zset().last_in(r) : o.zset().first_in(r);
    for (; n && (reverse ? at_least(n->key(), n->score, r) : at_most(n->key(), n->score, r)); reverse ? --n : ++n)
      if (!f(n->key(), n->score)) return;
    return;
  }
  zset_each(o, reverse, [&](std::string_view m, double s) {
    if (reverse ? !at_most(m, s, r) : !at_least(m, s, r)) return true;
    if (reverse ? !at_least(m, s, r) : !at_most(m, s, r)) return false;
    return f(m, s);
  });
}
// Visits ranks [from, to] in the given direction.
template <class F>
void visit_ranks(const Object& o, int64_t from, int64_t to, bool reverse, F f) {
  int64_t n = static_cast<int64_t>(zset_size(o));
  if (o.enc() == Enc::kSkiplist) {
    auto node = o.zset().at_rank(static_cast<uint64_t>(reverse ? n - 1 - from : from));
    for (int64_t i = from; i <= to && node; ++i, reverse ? --node : ++node) f(node->key(), node->score);
    return;
  }
  int64_t i = 0;
  zset_each(o, reverse, [&](std::string_view m, double s) {
    if (i >= from && i <= to) f(m, s);
    return ++i <= to;
  });
}

enum class By { kAuto, kRank, kScore, kLex };

void zrange(Call& c, size_t key_at, bool store, By by, bool reverse, bool reverse_fixed) {
  size_t min_at = key_at + 1, max_at = key_at + 2;
  bool with = false;
  int64_t offset = 0, limit = -1;
  bool limited = false;
  bool generic = by == By::kAuto;
  for (size_t i = key_at + 3; i < c.argc(); ++i) {
    size_t left = c.argc() - i - 1;
    if (!store && c.is(i, "withscores")) with = true;
    else if (c.is(i, "limit") && left >= 2) {
      if (!c.get_int(i + 1, &offset) || !c.get_int(i + 2, &limit)) return;
      limited = true;
      i += 2;
    } else if (generic && !reverse_fixed && c.is(i, "rev")) reverse = true;
    else if (generic && by != By::kScore && c.is(i, "bylex")) by = By::kLex;
    else if (generic && by != By::kLex && c.is(i, "byscore")) by = By::kScore;
    else { c.syntax_error(); return; }
  }
  if (by == By::kAuto) by = By::kRank;
  if (limited && limit != -1 && by == By::kRank) { c.fail("syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"); return; }
  if (with && by == By::kLex) { c.fail("syntax error, WITHSCORES not supported in combination with BYLEX"); return; }
  if (reverse && (by == By::kScore || by == By::kLex)) std::swap(min_at, max_at);
  int64_t start = 0, end = 0;
  ScoreRange sr{};
  LexRange lr{};
  if (by == By::kRank) {
    if (!c.get_int(key_at + 1, &start) || !c.get_int(key_at + 2, &end)) return;
  } else if (by == By::kScore) {
    if (!parse_scores(c, min_at, max_at, &sr)) return;
  } else if (!parse_lex(c, min_at, max_at, &lr)) {
    return;
  }
  std::string_view key = c[key_at];
  Entry* e = store ? c.ks.lookup_write(c.db, key) : c.ks.lookup_read(c.db, key);
  if (e != nullptr && e->value.type() != Type::kZset) { c.wrong_type(); return; }
  Object result = store ? Object::new_zset_skiplist() : Object();
  size_t mark = c.reply.mark(), count = 0;
  bool nested = with && c.reply.resp() >= 3;
  auto emit = [&](std::string_view m, double s) {
    ++count;
    if (store) { result.zset().insert(m, s); return; }
    if (nested) c.reply.array(2);
    c.reply.bulk(m);
    if (with) c.reply.number(s);
  };
  auto limited_emit = [&](std::string_view m, double s) {
    if (offset > 0) { --offset; return true; }
    if (limit == 0) return false;
    if (limit > 0) --limit;
    emit(m, s);
    return limit != 0;
  };
  if (e != nullptr && offset >= 0) {
    if (by == By::kRank) {
      int64_t n = static_cast<int64_t>(zset_size(e->value));
      if (start < 0) start = std::max<int64_t>(0, n + start);
      if (end < 0) end = n + end;
      end = std::min(end, n - 1);
      if (start <= end && start < n) visit_ranks(e->value, start, end, reverse, emit);
    } else if (by == By::kScore) {
      visit(e->value, sr, reverse, limited_emit);
    } else {
      visit(e->value, lr, reverse, limited_emit);
    }
  }
  if (!store) { c.reply.insert_array(mark, with && !nested ? count * 2 : count); return; }
  std::string to(c[1]);
  if (count > 0) {
    zset_maybe_convert(c.ks, result);
    c.ks.set_key(c.db, to, std::move(result));
    c.reply.integer(static_cast<int64_t>(count));
    c.changed(to, kNotifyZset, "zrangestore");
  } else {
    c.reply.integer(0);
    if (c.ks.lookup_write(c.db, to) != nullptr && c.ks.remove(c.db, to)) c.changed(to, kNotifyGeneric, "del");
  }
}
void cmd_zrange(Call& c) { zrange(c, 1, false, By::kAuto, false, false); }
void cmd_zrangestore(Call& c) { zrange(c, 2, true, By::kAuto, false, false); }
void cmd_zrevrange(Call& c) { zrange(c, 1, false, By::kRank, true, true); }
void cmd_zrangebyscore(Call& c) { zrange(c, 1, false, By::kScore, false, true); }
void cmd_zrevrangebyscore(Call& c) { zrange(c, 1, false, By::kScore, true, true); }
void cmd_zrangebylex(Call& c) { zrange(c, 1, false, By::kLex, false, true); }
void cmd_zrevrangebylex(Call& c) { zrange(c, 1, false, By::kLex, true, true); }

template <class Range>
void count_range(Call& c, const Range& r) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kZset, false, &bad);
  if (bad) return;
  if (e == nullptr) { c.reply.integer(0); return; }
  int64_t n = 0;
  if (e->value.enc() == Enc::kSkiplist) {
    Zset& z = e->value.zset();
    auto first = empty(r) ? Zset::Place() : z.first_in(r), last = first ? z.last_in(r) : first;
    if (last) n = std::max<int64_t>(0, static_cast<int64_t>(z.rank(*last)) - static_cast<int64_t>(z.rank(*first)) + 1);
  } else {
    visit(e->value, r, false, [&](std::string_view, double) { ++n; return true; });
  }
  c.reply.integer(n);
}
void cmd_zcount(Call& c) {
  ScoreRange r;
  if (parse_scores(c, 2, 3, &r)) count_range(c, r);
}
void cmd_zlexcount(Call& c) {
  LexRange r;
  if (parse_lex(c, 2, 3, &r)) count_range(c, r);
}

void remove_members(Call& c, Entry* e, const std::vector<std::string>& members, const char* event) {
  for (auto& m : members) zset_remove(e->value, m);
  std::string key(c[1]);
  if (!members.empty()) {
    c.ks.notify(kNotifyZset, event, key, c.db.id);
    if (zset_size(e->value) == 0) {
      c.ks.remove_entry(c.db, e);
      c.ks.notify(kNotifyGeneric, "del", key, c.db.id);
    }
    c.changed(key, 0, nullptr, members.size());
  }
  c.reply.integer(static_cast<int64_t>(members.size()));
}
void cmd_zremrangebyrank(Call& c) {
  int64_t start, end;
  if (!c.get_int(2, &start) || !c.get_int(3, &end)) return;
  bool bad;
  Entry* e = c.typed(c[1], Type::kZset, true, &bad);
  if (bad) return;
  std::vector<std::string> members;
  if (e == nullptr) { c.reply.integer(0); return; }
  int64_t n = static_cast<int64_t>(zset_size(e->value));
  if (start < 0) start = std::max<int64_t>(0, n + start);
  if (end < 0) end = n + end;
  end = std::min(end, n - 1);
  if (start <= end && start < n) visit_ranks(e->value, start, end, false, [&](std::string_view m, double) { members.emplace_back(m); });
  remove_members(c, e, members, "zremrangebyrank");
}
template <class Range>
void remove_range(Call& c, const Range& r, const char* event) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kZset, true, &bad);
  if (bad) return;
  if (e == nullptr) { c.reply.integer(0); return; }
  std::vector<std::string> members;
  visit(e->value, r, false, [&](std::string_view m, double) { members.emplace_back(m); return true; });
  remove_members(c, e, members, event);
}
void cmd_zremrangebyscore(Call& c) {
  ScoreRange r;
  if (parse_scores(c, 2, 3, &r)) remove_range(c, r, "zremrangebyscore");
}
void cmd_zremrangebylex(Call& c) {
  LexRange r;
  if (parse_lex(c, 2, 3, &r)) remove_range(c, r, "zremrangebylex");
}

const HandlerEntry kCommands[] = {
    {"zrange", cmd_zrange}, {"zrangestore", cmd_zrangestore}, {"zrevrange", cmd_zrevrange}, {"zrangebyscore", cmd_zrangebyscore},
    {"zrevrangebyscore", cmd_zrevrangebyscore}, {"zrangebylex", cmd_zrangebylex}, {"zrevrangebylex", cmd_zrevrangebylex},
    {"zcount", cmd_zcount}, {"zlexcount", cmd_zlexcount}, {"zremrangebyrank", cmd_zremrangebyrank},
    {"zremrangebyscore", cmd_zremrangebyscore}, {"zremrangebylex", cmd_zremrangebylex}};
}  // namespace
std::span<const HandlerEntry> zset_range_commands() { return kCommands; }
}  // namespace stele::keyspace
