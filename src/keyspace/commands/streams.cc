// Streams: adding, reading, trimming. Consumer groups are in stream_groups.cc.
#include "keyspace/commands/stream_util.h"

namespace stele::keyspace {

bool stream_id_arg(Call& c, size_t i, StreamId* id, uint64_t missing_seq, bool strict) {
  if (parse_stream_id(c[i], id, missing_seq, strict)) return true;
  return c.fail("Invalid stream ID specified as stream command argument");
}
bool stream_bound_arg(Call& c, size_t i, StreamId* id, bool* exclusive, uint64_t missing_seq) {
  std::string_view s = c[i];
  *exclusive = !s.empty() && s[0] == '(';
  if (parse_stream_id(*exclusive ? s.substr(1) : s, id, missing_seq, *exclusive)) return true;
  return c.fail("Invalid stream ID specified as stream command argument");
}
void reply_entry(Reply& r, StreamId id, const std::vector<std::string_view>& fields) {
  r.array(2);
  r.bulk(id.str());
  r.array(fields.size());
  for (auto f : fields) r.bulk(f);
}
size_t reply_range(Call& c, const Stream& s, StreamId from, StreamId to, int64_t count, bool reverse) {
  size_t mark = c.reply.mark(), n = 0;
  Stream::Iter it(s, from, to, reverse);
  while ((count < 0 || n < static_cast<size_t>(count)) && it.next()) {
    reply_entry(c.reply, it.id(), it.fields());
    ++n;
  }
  c.reply.insert_array(mark, n);
  return n;
}

namespace {

struct AddOptions {
  StreamTrim trim;
  bool no_mkstream = false, id_given = false, seq_given = true, limit_given = false;
  StreamId id;
  size_t trim_arg = 0;  // index of the threshold
  size_t approx_arg = 0;
};

// Parses XADD's or XTRIM's options. Returns the index of the first field (XADD) or -1.
int64_t parse_options(Call& c, AddOptions* o, bool xadd) {
  size_t i = 2;
  for (; i < c.argc(); ++i) {
    size_t more = c.argc() - 1 - i;
    std::string_view a = c[i];
    if (xadd && a == "*") break;
    if ((c.is(i, "maxlen") || c.is(i, "minid")) && more >= 1) {
      if (o->trim.kind != StreamTrim::kNone) { c.fail("syntax error, MAXLEN and MINID options at the same time are not compatible"); return -1; }
      bool by_len = c.is(i, "maxlen");
      std::string_view next = c[i + 1];
      if (more >= 2 && next == "~") { o->trim.approximate = true; o->approx_arg = ++i; }
      else if (more >= 2 && next == "=") { ++i; }
      ++i;
      o->trim_arg = i;
      o->trim.kind = by_len ? StreamTrim::kMaxLen : StreamTrim::kMinId;
      if (by_len) {
        int64_t n;
        if (!c.get_int(i, &n)) return -1;
        if (n < 0) { c.fail("The MAXLEN argument must be >= 0."); return -1; }
        o->trim.max_len = static_cast<uint64_t>(n);
      } else if (!stream_id_arg(c, i, &o->trim.min_id, 0, true)) {
        return -1;
      }
    } else if (c.is(i, "limit") && more >= 1) {
      if (!c.get_int(i + 1, &o->trim.limit)) return -1;
      if (o->trim.limit < 0) { c.fail("The LIMIT argument must be >= 0."); return -1; }
      o->limit_given = true;
      ++i;
    } else if (xadd && c.is(i, "nomkstream")) {
      o->no_mkstream = true;
    } else if (xadd) {
      if (!parse_stream_id(c[i], &o->id, 0, true, &o->seq_given)) { c.fail("Invalid stream ID specified as stream command argument"); return -1; }
      o->id_given = true;
      break;
    } else {
      c.syntax_error();
      return -1;
    }
  }
  if (o->limit_given && o->trim.kind == StreamTrim::kNone) { c.fail("syntax error, LIMIT cannot be used without specifying a trimming strategy"); return -1; }
  if (!xadd && o->trim.kind == StreamTrim::kNone) { c.fail("syntax error, XTRIM must be called with a trimming strategy"); return -1; }
  if (o->limit_given && !o->trim.approximate) { c.fail("syntax error, LIMIT cannot be used without the special ~ option"); return -1; }
  if (!o->limit_given && o->trim.approximate) {
    o->trim.limit = 100 * c.ks.config.s.stream_node_max_entries;
    if (o->trim.limit <= 0) o->trim.limit = 10000;
    o->trim.limit = std::min<int64_t>(o->trim.limit, 1000000);
  }
  if (o->trim.approximate && c.ks.replaying) o->trim.limit = 0;
  return static_cast<int64_t>(i) + 1;
}

void cmd_xadd(Call& c) {
  AddOptions o;
  int64_t field_at = parse_options(c, &o, true);
  if (field_at < 0) return;
  int64_t rest = static_cast<int64_t>(c.argc()) - field_at;
  if (rest < 2 || rest % 2 == 1) { c.fail("wrong number of arguments for 'xadd' command"); return; }
  if (o.id_given && o.seq_given && o.id.zero()) { c.fail("The ID specified in XADD must be greater than 0-0"); return; }
  bool bad;
  Entry* e = c.typed(c[1], Type::kStream, true, &bad);
  if (bad) return;
  bool created = e == nullptr;
  if (created && o.no_mkstream) { c.reply.null(); return; }
  StreamId last = created ? StreamId{} : e->value.stream().last_id;
  if (last == StreamId::max()) { c.fail("The stream has exhausted the last possible ID, unable to add more items"); return; }
  StreamId id = o.id;
  if (!o.id_given) {
    id = {static_cast<uint64_t>(c.ks.now_ms()), 0};
    if (id <= last) { id = last; id.increment(); }
  } else if (!o.seq_given) {
    if (id.ms == last.ms) {
      if (last.seq == UINT64_MAX) { c.fail("The ID specified in XADD is equal or smaller than the target stream top item"); return; }
      id.seq = last.seq + 1;
    } else {
      id.seq = id.ms == 0 ? 1 : 0;
    }
  }
  if (id <= last) { c.fail("The ID specified in XADD is equal or smaller than the target stream top item"); return; }
  if (created) e = c.ks.add(c.db, c[1], Object::new_stream());
  Stream& s = e->value.stream();
  std::vector<std::string_view> fields(c.argv.begin() + field_at, c.argv.end());
  s.append(id, fields, static_cast<uint32_t>(c.ks.config.s.stream_node_max_bytes), static_cast<uint32_t>(c.ks.config.s.stream_node_max_entries));
  c.reply.bulk(id.str());
  c.changed(c[1], kNotifyStream, "xadd");
  if (c.ks.commit_effects) {
    c.rewritten.assign(c.argv.begin(), c.argv.end());
    c.rewritten[static_cast<size_t>(field_at) - 1] = id.str();
  }
  if (o.trim.kind != StreamTrim::kNone) {
    if (s.trim(o.trim, 0) > 0) c.ks.notify(kNotifyStream, "xtrim", c[1], c.db.id);
    if (o.trim.approximate && c.ks.commit_effects) {
      // What was cut depends on node sizes: the log tells the outcome.
      c.rewritten[o.approx_arg] = "=";
      c.rewritten[o.trim_arg] = o.trim.kind == StreamTrim::kMaxLen ? std::to_string(s.length) : s.first_id.str();
      if (o.limit_given)
        for (size_t k = o.trim_arg + 1; k + 1 < static_cast<size_t>(field_at); ++k)
          if (iequals(c.rewritten[k], "limit")) { c.rewritten.erase(c.rewritten.begin() + static_cast<ptrdiff_t>(k), c.rewritten.begin() + static_cast<ptrdiff_t>(k) + 2); break; }
    }
  }
  c.ks.signal_ready(c.db, c[1]);
}

void cmd_xtrim(Call& c) {
  AddOptions o;
  if (parse_options(c, &o, false) < 0) return;
  Entry* e = c.ks.lookup_write(c.db, c[1]);
  if (e == nullptr) { c.reply.integer(0); return; }
  if (e->value.type() != Type::kStream) { c.wrong_type(); return; }
  Stream& s = e->value.stream();
  uint64_t n = s.trim(o.trim, 0);
  if (n > 0) {
    c.changed(c[1], kNotifyStream, "xtrim", n);
    if (o.trim.approximate) {
      if (o.trim.kind == StreamTrim::kMaxLen) c.rewrite({"XTRIM", c[1], "MAXLEN", "=", std::to_string(s.length)});
      else c.rewrite({"XTRIM", c[1], "MINID", "=", s.first_id.str()});
    }
  }
  c.reply.integer(static_cast<int64_t>(n));
}

void range(Call& c, bool reverse) {
  StreamId from, to;
  bool from_open, to_open;
  size_t a = reverse ? 3 : 2, b = reverse ? 2 : 3;
  int64_t count = -1;
  if (!stream_bound_arg(c, a, &from, &from_open, 0)) return;
  if (from_open && !from.increment()) { c.fail("invalid start ID for the interval"); return; }
  if (!stream_bound_arg(c, b, &to, &to_open, UINT64_MAX)) return;
  if (to_open && !to.decrement()) { c.fail("invalid end ID for the interval"); return; }
  for (size_t i = 4; i < c.argc(); ++i) {
    if (c.is(i, "count") && i + 1 < c.argc()) {
      if (!c.get_int(++i, &count)) return;
      count = std::max<int64_t>(0, count);
    } else { c.syntax_error(); return; }
  }
  bool bad;
  Entry* e = c.typed(c[1], Type::kStream, false, &bad);
  if (bad) return;
  if (e == nullptr) { c.reply.array(0); return; }
  if (count == 0) { c.reply.null_array(); return; }
  reply_range(c, e->value.stream(), from, to, count, reverse);
}
void cmd_xrange(Call& c) { range(c, false); }
void cmd_xrevrange(Call& c) { range(c, true); }
void cmd_xlen(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kStream, false, &bad);
  if (!bad) c.reply.integer(e == nullptr ? 0 : static_cast<int64_t>(e->value.stream().length));
}
void cmd_xdel(Call& c) {
  std::vector<StreamId> ids(c.argc() - 2);
  Entry* e = c.ks.lookup_write(c.db, c[1]);
  if (e == nullptr) { c.reply.integer(0); return; }
  if (e->value.type() != Type::kStream) { c.wrong_type(); return; }
  for (size_t i = 2; i < c.argc(); ++i)
    if (!stream_id_arg(c, i, &ids[i - 2], 0, true)) return;
  Stream& s = e->value.stream();
  int64_t n = 0;
  for (auto id : ids)
    if (s.erase(id)) {
      ++n;
      if (id > s.max_deleted) s.max_deleted = id;
    }
  if (n > 0) {
    s.refresh_first();
    c.changed(c[1], kNotifyStream, "xdel", static_cast<uint64_t>(n));
  }
  c.reply.integer(n);
}
void cmd_xsetid(Call& c) {
  StreamId id, deleted;
  int64_t added = -1;
  bool has_deleted = false;
  if (!stream_id_arg(c, 2, &id, 0, true)) return;
  for (size_t i = 3; i < c.argc(); ++i) {
    if (c.is(i, "entriesadded") && i + 1 < c.argc()) {
      if (!c.get_int(++i, &added)) return;
      if (added < 0) { c.fail("entries_added must be positive"); return; }
    } else if (c.is(i, "maxdeletedid") && i + 1 < c.argc()) {
      if (!stream_id_arg(c, ++i, &deleted, 0, true)) return;
      if (id < deleted) { c.fail("The ID specified in XSETID is smaller than the provided max_deleted_entry_id"); return; }
      has_deleted = true;
    } else { c.syntax_error(); return; }
  }
  Entry* e = c.ks.lookup_write(c.db, c[1]);
  if (e == nullptr) { c.fail("no such key"); return; }
  if (e->value.type() != Type::kStream) { c.wrong_type(); return; }
  Stream& s = e->value.stream();
  if (s.length > 0) {
    if (id < s.last_entry()) { c.fail("The ID specified in XSETID is smaller than the target stream top item"); return; }
    if (added != -1 && s.length > static_cast<uint64_t>(added)) { c.fail("The entries_added specified in XSETID is smaller than the target stream length"); return; }
  }
  if (id < s.max_deleted && !has_deleted) { c.fail("The ID specified in XSETID is smaller than current max_deleted_entry_id"); return; }
  s.last_id = id;
  if (added != -1) s.entries_added = static_cast<uint64_t>(added);
  if (has_deleted) s.max_deleted = deleted;
  c.reply.ok();
  c.changed(c[1], kNotifyStream, "xsetid");
}

const HandlerEntry kCommands[] = {{"xadd", cmd_xadd}, {"xtrim", cmd_xtrim}, {"xrange", cmd_xrange}, {"xrevrange", cmd_xrevrange},
                                  {"xlen", cmd_xlen}, {"xdel", cmd_xdel}, {"xsetid", cmd_xsetid}};
}  // namespace
std::span<const HandlerEntry> stream_commands() { return kCommands; }
}  // namespace stele::keyspace
