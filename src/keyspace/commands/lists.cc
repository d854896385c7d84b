// Lists and their blocking forms.
#include "keyspace/keyspace.h"

namespace stele::keyspace {
namespace {

int fill(Call& c) { return static_cast<int>(c.ks.config.s.list_max_listpack_size); }

// A timeout in seconds with fractions, as milliseconds from now.
bool get_timeout(Call& c, size_t i, int64_t* ms) {
  long double seconds;
  if (!parse_long_double(c[i], &seconds)) return c.fail("timeout is not a float or out of range");
  if (seconds < 0) return c.fail("timeout is negative");
  long double v = std::ceil(seconds * 1000);
  if (v > static_cast<long double>(INT64_MAX) || static_cast<int64_t>(v) > INT64_MAX - c.ks.now_ms()) return c.fail("timeout is out of range");
  *ms = static_cast<int64_t>(v);
  return true;
}

void push(Call& c, bool front, bool only_existing) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kList, true, &bad);
  if (bad) return;
  if (e == nullptr) {
    if (only_existing) { c.reply.integer(0); return; }
    e = c.ks.add(c.db, c[1], Object::new_list(fill(c)));
  }
  List& l = e->value.list();
  for (size_t i = 2; i < c.argc(); ++i) front ? l.push_front(c[i]) : l.push_back(c[i]);
  c.reply.integer(static_cast<int64_t>(l.size()));
  c.changed(c[1], kNotifyList, front ? "lpush" : "rpush", c.argc() - 2);
}
void cmd_lpush(Call& c) { push(c, true, false); }
void cmd_rpush(Call& c) { push(c, false, false); }
void cmd_lpushx(Call& c) { push(c, true, true); }
void cmd_rpushx(Call& c) { push(c, false, true); }

// After elements left: events, removal of an empty list.
void removed(Call& c, std::string_view key, Entry* e, const char* event, uint64_t dirty) {
  bool empty = e->value.list().size() == 0;
  if (event != nullptr) c.ks.notify(kNotifyList, event, key, c.db.id);
  std::string copy(key);
  if (empty) {
    c.ks.remove_entry(c.db, e);
    c.ks.notify(kNotifyGeneric, "del", copy, c.db.id);
  }
  c.changed(copy, 0, nullptr, dirty);
}

void pop(Call& c, bool front) {
  if (c.argc() > 3) { c.fail(fmt::format("wrong number of arguments for '{}' command", c.spec->name)); return; }
  int64_t count = -1;
  if (c.argc() == 3 && !c.get_positive(2, &count)) return;
  bool bad;
  Entry* e = c.typed(c[1], Type::kList, true, &bad);
  if (bad) return;
  if (e == nullptr) { count >= 0 ? c.reply.null_array() : c.reply.null(); return; }
  if (count == 0) { c.reply.array(0); return; }
  List& l = e->value.list();
  std::string s;
  if (count < 0) {
    front ? l.pop_front(&s) : l.pop_back(&s);
    c.reply.bulk(s);
    removed(c, c[1], e, front ? "lpop" : "rpop", 1);
    return;
  }
  uint64_t n = std::min<uint64_t>(static_cast<uint64_t>(count), l.size());
  c.reply.array(n);
  for (uint64_t i = 0; i < n; ++i) {
    front ? l.pop_front(&s) : l.pop_back(&s);
    c.reply.bulk(s);
  }
  removed(c, c[1], e, front ? "lpop" : "rpop", n);
}
void cmd_lpop(Call& c) { pop(c, true); }
void cmd_rpop(Call& c) { pop(c, false); }

void cmd_llen(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kList, false, &bad);
  if (!bad) c.reply.integer(e == nullptr ? 0 : static_cast<int64_t>(e->value.list().size()));
}
void cmd_lindex(Call& c) {
  Entry* e = c.ks.lookup_read(c.db, c[1]);
  if (e == nullptr) { c.reply.null(); return; }
  if (e->value.type() != Type::kList) { c.wrong_type(); return; }
  int64_t i;
  if (!c.get_int(2, &i)) return;
  auto it = e->value.list().seek(i);
  char buf[24];
  if (it.valid()) c.reply.bulk(it.value(buf));
  else c.reply.null();
}
void cmd_lset(Call& c) {
  Entry* e = c.ks.lookup_write(c.db, c[1]);
  if (e == nullptr) { c.fail("no such key"); return; }
  if (e->value.type() != Type::kList) { c.wrong_type(); return; }
  int64_t i;
  if (!c.get_int(2, &i)) return;
  auto it = e->value.list().seek(i);
  if (!it.valid()) { c.fail("index out of range"); return; }
  e->value.list().replace(it, c[3]);
  c.reply.ok();
  c.changed(c[1], kNotifyList, "lset");
}
void cmd_lrange(Call& c) {
  int64_t start, end;
  if (!c.get_int(2, &start) || !c.get_int(3, &end)) return;
  bool bad;
  Entry* e = c.typed(c[1], Type::kList, false, &bad);
  if (bad) return;
  if (e == nullptr) { c.reply.array(0); return; }
  List& l = e->value.list();
  int64_t n = static_cast<int64_t>(l.size());
  if (start < 0) start = std::max<int64_t>(0, n + start);
  if (end < 0) end = n + end;
  end = std::min(end, n - 1);
  if (start > end || start >= n) { c.reply.array(0); return; }
  c.reply.array(static_cast<size_t>(end - start + 1));
  char buf[24];
  auto it = l.seek(start);
  for (int64_t i = start; i <= end; ++i, it.next()) c.reply.bulk(it.value(buf));
}
void cmd_ltrim(Call& c) {
  int64_t start, end;
  if (!c.get_int(2, &start) || !c.get_int(3, &end)) return;
  bool bad;
  Entry* e = c.typed(c[1], Type::kList, true, &bad);
  if (bad) return;
  if (e == nullptr) { c.reply.ok(); return; }
  List& l = e->value.list();
  int64_t n = static_cast<int64_t>(l.size());
  if (start < 0) start = std::max<int64_t>(0, n + start);
  if (end < 0) end = n + end;
  end = std::min(end, n - 1);
  uint64_t left, right;
  if (start > end || start >= n) { left = static_cast<uint64_t>(n); right = 0; }
  else { left = static_cast<uint64_t>(start); right = static_cast<uint64_t>(n - end - 1); }
  l.erase_range(0, left);
  if (right > 0) l.erase_range(-static_cast<int64_t>(right), right);
  c.reply.ok();
  removed(c, c[1], e, "ltrim", left + right);
}
void cmd_lrem(Call& c) {
  int64_t count;
  if (!c.get_int_range(2, -INT64_MAX, INT64_MAX, &count)) return;
  bool bad;
  Entry* e = c.typed(c[1], Type::kList, true, &bad);
  if (bad) return;
  if (e == nullptr) { c.reply.integer(0); return; }
  List& l = e->value.list();
  uint64_t want = count == 0 ? UINT64_MAX : static_cast<uint64_t>(count < 0 ? -count : count), done = 0;
  char buf[24];
  if (count >= 0) {
    for (auto it = l.first(); it.valid() && done < want;) {
      if (it.value(buf) == c[3]) { it = l.erase(it); ++done; }
      else it.next();
    }
  } else {
    for (auto it = l.last(); it.valid() && done < want;) {
      if (it.value(buf) != c[3]) { it.prev(); continue; }
      auto before = it;
      before.prev();
      // Erasing moves bytes behind the position only, so the one before stays good.
      l.erase(it);
      ++done;
      it = before;
    }
  }
  c.reply.integer(static_cast<int64_t>(done));
  if (done > 0) removed(c, c[1], e, "lrem", done);
}
void cmd_linsert(Call& c) {
  bool after;
  if (c.is(2, "after")) after = true;
  else if (c.is(2, "before")) after = false;
  else { c.syntax_error(); return; }
  bool bad;
  Entry* e = c.typed(c[1], Type::kList, true, &bad);
  if (bad) return;
  if (e == nullptr) { c.reply.integer(0); return; }
  List& l = e->value.list();
  char buf[24];
  for (auto it = l.first(); it.valid(); it.next()) {
    if (it.value(buf) != c[3]) continue;
    if (after) l.insert_after(it, c[4]);
    else l.insert_before(it, c[4]);
    c.reply.integer(static_cast<int64_t>(l.size()));
    c.changed(c[1], kNotifyList, "linsert");
    return;
  }
  c.reply.integer(-1);
}
void cmd_lpos(Call& c) {
  int64_t rank = 1, count = -1, maxlen = 0;
  for (size_t i = 3; i < c.argc(); ++i) {
    bool more = i + 1 < c.argc();
    if (c.is(i, "rank") && more) {
      if (!c.get_int_range(++i, -INT64_MAX, INT64_MAX, &rank)) return;
      if (rank == 0) {
        c.fail("RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list");
        return;
      }
    } else if (c.is(i, "count") && more) {
      if (!c.get_positive(++i, &count, "COUNT can't be negative")) return;
    } else if (c.is(i, "maxlen") && more) {
      if (!c.get_positive(++i, &maxlen, "MAXLEN can't be negative")) return;
    } else { c.syntax_error(); return; }
  }
  bool bad;
  Entry* e = c.typed(c[1], Type::kList, false, &bad);
  if (bad) return;
  if (e == nullptr) { count >= 0 ? c.reply.array(0) : c.reply.null(); return; }
  List& l = e->value.list();
  bool reverse = rank < 0;
  if (reverse) rank = -rank;
  size_t mark = c.reply.mark(), found = 0;
  int64_t seen = 0, n = static_cast<int64_t>(l.size()), matches = 0;
  char buf[24];
  int64_t only = -1;
  for (auto it = reverse ? l.last() : l.first(); it.valid() && (maxlen == 0 || seen < maxlen); reverse ? it.prev() : it.next(), ++seen) {
    if (it.value(buf) != c[2] || ++matches < rank) continue;
    int64_t index = reverse ? n - 1 - seen : seen;
    if (count < 0) { only = index; break; }
    c.reply.integer(index);
    if (static_cast<int64_t>(++found) == count && count > 0) break;
  }
  if (count >= 0) c.reply.insert_array(mark, found);
  else if (only >= 0) c.reply.integer(only);
  else c.reply.null();
}

bool get_side(Call& c, size_t i, bool* front) {
  if (c.is(i, "left")) *front = true;
  else if (c.is(i, "right")) *front = false;
  else return c.syntax_error();
  return true;
}
// False when the source is empty or of another type (*bad).
bool move(Call& c, std::string_view from, std::string_view to, bool from_front, bool to_front, bool* bad) {
  Entry* e = c.typed(from, Type::kList, true, bad);
  if (*bad || e == nullptr) return false;
  Entry* d = c.typed(to, Type::kList, true, bad);
  if (*bad) return false;
  std::string s, source(from);
  List& l = e->value.list();
  from_front ? l.pop_front(&s) : l.pop_back(&s);
  if (d == nullptr) d = c.ks.add(c.db, to, Object::new_list(fill(c)));
  to_front ? d->value.list().push_front(s) : d->value.list().push_back(s);
  c.ks.touched(&c.session, c.db, to);
  c.ks.notify(kNotifyList, to_front ? "lpush" : "rpush", to, c.db.id);
  c.reply.bulk(s);
  removed(c, source, e, from_front ? "lpop" : "rpop", 1);
  if (c.ks.commit_effects) {
    std::string_view out[] = {from_front ? "LPOP" : "RPOP", source}, in[] = {to_front ? "LPUSH" : "RPUSH", to, s};
    c.ks.propagate(c.db.id, out);
    c.ks.propagate(c.db.id, in);
    c.stop_propagation = true;
  }
  return true;
}
void cmd_rpoplpush(Call& c) {
  bool bad = false;
  if (!move(c, c[1], c[2], false, true, &bad) && !bad) c.reply.null();
}
void cmd_lmove(Call& c) {
  bool f, t, bad = false;
  if (!get_side(c, 3, &f) || !get_side(c, 4, &t)) return;
  if (!move(c, c[1], c[2], f, t, &bad) && !bad) c.reply.null();
}
void blocking_move(Call& c, bool f, bool t, size_t timeout_at) {
  int64_t ms;
  if (!get_timeout(c, timeout_at, &ms)) return;
  bool bad = false;
  if (move(c, c[1], c[2], f, t, &bad) || bad) return;
  if (c.session.deny_blocking) { c.reply.null(); return; }
  std::string keys[] = {std::string(c[1])};
  c.ks.block_on_keys(c, BlockKind::kList, keys, ms);
}
void cmd_brpoplpush(Call& c) { blocking_move(c, false, true, 3); }
void cmd_blmove(Call& c) {
  bool f, t;
  if (!get_side(c, 3, &f) || !get_side(c, 4, &t)) return;
  blocking_move(c, f, t, 5);
}

void blocking_pop(Call& c, bool front) {
  int64_t ms;
  if (!get_timeout(c, c.argc() - 1, &ms)) return;
  for (size_t i = 1; i + 1 < c.argc(); ++i) {
    bool bad;
    Entry* e = c.typed(c[i], Type::kList, true, &bad);
    if (bad) return;
    if (e == nullptr) continue;
    std::string s;
    front ? e->value.list().pop_front(&s) : e->value.list().pop_back(&s);
    c.reply.array(2);
    c.reply.bulk(c[i]);
    c.reply.bulk(s);
    c.rewrite({front ? "LPOP" : "RPOP", c[i]});
    removed(c, c[i], e, front ? "lpop" : "rpop", 1);
    return;
  }
  if (c.session.deny_blocking) { c.reply.null_array(); return; }
  std::vector<std::string> keys(c.argv.begin() + 1, c.argv.end() - 1);
  c.ks.block_on_keys(c, BlockKind::kList, keys, ms);
}
void cmd_blpop(Call& c) { blocking_pop(c, true); }
void cmd_brpop(Call& c) { blocking_pop(c, false); }

void mpop(Call& c, size_t num_at, bool blocking) {
  int64_t ms = 0;
  if (blocking && !get_timeout(c, 1, &ms)) return;
  int64_t n, count = -1;
  if (!c.get_int_range(num_at, 1, INT64_MAX, &n, "numkeys should be greater than 0")) return;
  size_t where = num_at + 1 + static_cast<size_t>(n);
  if (static_cast<uint64_t>(n) > c.argc() || where >= c.argc()) { c.syntax_error(); return; }
  bool front;
  if (!get_side(c, where, &front)) return;
  for (size_t i = where + 1; i < c.argc(); ++i) {
    if (count == -1 && c.is(i, "count") && i + 1 < c.argc()) {
      if (!c.get_int_range(++i, 1, INT64_MAX, &count, "count should be greater than 0")) return;
    } else { c.syntax_error(); return; }
  }
  if (count < 0) count = 1;
  for (size_t i = num_at + 1; i < where; ++i) {
    bool bad;
    Entry* e = c.typed(c[i], Type::kList, true, &bad);
    if (bad) return;
    if (e == nullptr) continue;
    List& l = e->value.list();
    uint64_t take = std::min<uint64_t>(static_cast<uint64_t>(count), l.size());
    c.reply.array(2);
    c.reply.bulk(c[i]);
    c.reply.array(take);
    std::string s;
    for (uint64_t k = 0; k < take; ++k) {
      front ? l.pop_front(&s) : l.pop_back(&s);
      c.reply.bulk(s);
    }
    std::string taken = std::to_string(take);
    c.rewrite({front ? "LPOP" : "RPOP", c[i], taken});
    removed(c, c[i], e, front ? "lpop" : "rpop", take);
    return;
  }
  if (!blocking || c.session.deny_blocking) { c.reply.null_array(); return; }
  std::vector<std::string> keys(c.argv.begin() + static_cast<ptrdiff_t>(num_at) + 1, c.argv.begin() + static_cast<ptrdiff_t>(where));
  c.ks.block_on_keys(c, BlockKind::kList, keys, ms);
}
void cmd_lmpop(Call& c) { mpop(c, 1, false); }
void cmd_blmpop(Call& c) { mpop(c, 2, true); }

const HandlerEntry kCommands[] = {
    {"lpush", cmd_lpush}, {"rpush", cmd_rpush}, {"lpushx", cmd_lpushx}, {"rpushx", cmd_rpushx}, {"lpop", cmd_lpop}, {"rpop", cmd_rpop},
    {"llen", cmd_llen}, {"lindex", cmd_lindex}, {"lset", cmd_lset}, {"lrange", cmd_lrange}, {"ltrim", cmd_ltrim}, {"lrem", cmd_lrem},
    {"linsert", cmd_linsert}, {"lpos", cmd_lpos}, {"rpoplpush", cmd_rpoplpush}, {"lmove", cmd_lmove}, {"brpoplpush", cmd_brpoplpush},
    {"blmove", cmd_blmove}, {"blpop", cmd_blpop}, {"brpop", cmd_brpop}, {"lmpop", cmd_lmpop}, {"blmpop", cmd_blmpop}};
}  // namespace
std::span<const HandlerEntry> list_commands() { return kCommands; }
}  // namespace stele::keyspace
