// Consumer groups: XREAD(GROUP), XACK, XPENDING, XCLAIM, XAUTOCLAIM, XGROUP, XINFO.
#include "keyspace/commands/stream_util.h"

namespace stele::keyspace {
namespace {

StreamGroup* find_group(Stream& s, std::string_view name) {
  auto it = s.groups.find(name);
  return it == s.groups.end() ? nullptr : it->second.get();
}
StreamConsumer* find_consumer(StreamGroup& g, std::string_view name) {
  auto it = g.consumers.find(name);
  return it == g.consumers.end() ? nullptr : it->second.get();
}
StreamConsumer* make_consumer(Call& c, StreamGroup& g, std::string_view key, std::string_view group, std::string_view name) {
  auto n = std::make_unique<StreamConsumer>();
  n->name = name;
  n->seen_ms = c.ks.now_ms();
  StreamConsumer* p = n.get();
  g.consumers.emplace(std::string(name), std::move(n));
  c.changed(key, kNotifyStream, "xgroup-createconsumer");
  std::string_view argv[] = {"XGROUP", "CREATECONSUMER", key, group, name};
  c.ks.propagate(c.db.id, argv);
  return p;
}
void log_claim(Call& c, std::string_view key, std::string_view group, StreamGroup& g, StreamId id, const StreamNack& n) {
  if (!c.ks.commit_effects) return;
  std::string ids = id.str(), time = std::to_string(n.delivery_ms), retries = std::to_string(n.deliveries), last = g.last_id.str();
  std::string_view argv[] = {"XCLAIM", key, group, n.consumer->name, "0", ids, "TIME", time, "RETRYCOUNT", retries, "FORCE", "JUSTID", "LASTID", last};
  c.ks.propagate(c.db.id, argv);
}
void log_group_id(Call& c, std::string_view key, std::string_view group, StreamGroup& g) {
  if (!c.ks.commit_effects) return;
  std::string last = g.last_id.str(), read = std::to_string(g.entries_read);
  std::string_view argv[] = {"XGROUP", "SETID", key, group, last, "ENTRIESREAD", read};
  c.ks.propagate(c.db.id, argv);
}


void xread(Call& c, bool group_mode) {
  int64_t timeout = -1, count = 0;
  bool noack = false;
  size_t streams_at = 0;
  std::string_view group, consumer;
  for (size_t i = 1; i < c.argc(); ++i) {
    size_t more = c.argc() - i - 1;
    if (c.is(i, "block") && more) {
      if (c.session.script) { c.fail(fmt::format("{} command is not allowed with BLOCK option from scripts", c[0])); return; }
      ++i;
      if (!parse_i64(c[i], &timeout)) { c.fail("timeout is not an integer or out of range"); return; }
      if (timeout < 0) { c.fail("timeout is negative"); return; }
      if (timeout > INT64_MAX - c.ks.now_ms()) { c.fail("timeout is out of range"); return; }
    } else if (c.is(i, "count") && more) {
      if (!c.get_int(++i, &count)) return;
      count = std::max<int64_t>(0, count);
    } else if (c.is(i, "streams") && more) {
      streams_at = i + 1;
      if ((c.argc() - streams_at) % 2 != 0) {
        c.fail("Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.");
        return;
      }
      break;
    } else if (c.is(i, "group") && more >= 2) {
      if (!group_mode) { c.fail("The GROUP option is only supported by XREADGROUP. You called XREAD instead."); return; }
      group = c[i + 1];
      consumer = c[i + 2];
      i += 2;
    } else if (c.is(i, "noack")) {
      if (!group_mode) { c.fail("The NOACK option is only supported by XREADGROUP. You called XREAD instead."); return; }
      noack = true;
    } else { c.syntax_error(); return; }
  }
  if (streams_at == 0) { c.syntax_error(); return; }
  if (group_mode && group.data() == nullptr) { c.fail("Missing GROUP option for XREADGROUP"); return; }
  size_t n = (c.argc() - streams_at) / 2;
  struct Item { StreamId id; bool news = false; StreamGroup* group = nullptr; };
  std::vector<Item> items(n);
  for (size_t k = 0; k < n; ++k) {
    std::string_view key = c[streams_at + k], id = c[streams_at + n + k];
    Entry* e = c.ks.lookup_read(c.db, key);
    if (e != nullptr && e->value.type() != Type::kStream) { c.wrong_type(); return; }
    if (group_mode) {
      if (e == nullptr || (items[k].group = find_group(e->value.stream(), group)) == nullptr) {
        if (c.session.block.retrying && e != nullptr) c.fail("-NOGROUP the consumer group this client was blocked on no longer exists");
        else c.fail(fmt::format("-NOGROUP No such key '{}' or consumer group '{}' in XREADGROUP with GROUP option", key, group));
        return;
      }
    }
    if (id == "$") {
      if (group_mode) {
        c.fail("The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.");
        return;
      }
      if (e != nullptr) items[k].id = e->value.stream().last_id;
      continue;
    }
    if (id == ">") {
      if (!group_mode) { c.fail("The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."); return; }
      items[k].news = true;
      continue;
    }
    if (!stream_id_arg(c, streams_at + n + k, &items[k].id, 0, true)) return;
  }
  size_t served = 0, mark = c.reply.mark();
  for (size_t k = 0; k < n; ++k) {
    std::string_view key = c[streams_at + k];
    Entry* e = c.ks.lookup_read(c.db, key, Keyspace::kNoStats | Keyspace::kNoNotify);
    if (e == nullptr) continue;
    Stream& s = e->value.stream();
    StreamGroup* g = items[k].group;
    bool serve = false, history = group_mode && !items[k].news;
    StreamId after = items[k].id;
    if (history) serve = true;
    else if (group_mode) { serve = s.length > 0 && s.last_entry() > g->last_id; after = g->last_id; }
    else if (s.length > 0 && s.last_entry() > after) serve = true;
    if (!serve) continue;
    StreamConsumer* cons = nullptr;
    if (group_mode) {
      cons = find_consumer(*g, consumer);
      if (cons == nullptr) cons = make_consumer(c, *g, key, group, consumer);
      cons->seen_ms = c.ks.now_ms();
    }
    ++served;
    if (c.reply.resp() < 3) c.reply.array(2);
    c.reply.bulk(key);
    if (history) {
      std::vector<StreamId> ids;
      for (auto it = cons->pending.upper_bound(after); it != cons->pending.end() && (count == 0 || ids.size() < static_cast<size_t>(count)); ++it) ids.push_back(it->first);
      c.reply.array(ids.size());
      for (auto id : ids) {
        Stream::Iter it(s, id, id, false);
        if (it.next()) {
          reply_entry(c.reply, id, it.fields());
          StreamNack* nack = cons->pending[id];
          nack->delivery_ms = c.ks.now_ms();
          ++nack->deliveries;
        } else {
          c.reply.array(2);
          c.reply.bulk(id.str());
          c.reply.null_array();
        }
      }
      continue;
    }
    StreamId from = after;
    from.increment();
    size_t entries_mark = c.reply.mark(), entries = 0;
    Stream::Iter it(s, from, StreamId::max(), false);
    while ((count == 0 || entries < static_cast<size_t>(count)) && it.next()) {
      ++entries;
      reply_entry(c.reply, it.id(), it.fields());
      if (!group_mode) continue;
      if (it.id() > g->last_id) {
        if (g->entries_read != -1 && !s.has_tombstones(it.id(), StreamId::max())) ++g->entries_read;
        else if (s.entries_added > 0) g->entries_read = s.estimate_distance_from_first(it.id());
        g->last_id = it.id();
      }
      if (!noack) log_claim(c, key, group, *g, it.id(), *s.add_pending(*g, it.id(), cons, c.ks.now_ms()));
    }
    c.reply.insert_array(entries_mark, entries);
    if (group_mode && entries > 0) {
      log_group_id(c, key, group, *g);
      c.changed(key, 0, nullptr);
    }
  }
  c.stop_propagation = true;
  if (served > 0) {
    if (c.reply.resp() >= 3) c.reply.insert_map(mark, served);
    else c.reply.insert_array(mark, served);
    return;
  }
  if (timeout < 0 || c.session.deny_blocking) { c.reply.null_array(); return; }
  std::vector<std::string> keys(c.argv.begin() + static_cast<ptrdiff_t>(streams_at), c.argv.begin() + static_cast<ptrdiff_t>(streams_at + n));
  bool retry = c.session.block.retrying;
  c.ks.block_on_keys(c, BlockKind::kStream, keys, timeout);
  if (!retry) {
    c.session.block.group_read = group_mode;
    // "$" means the moment of the call, not of the retry.
    for (size_t k = 0; k < n; ++k)
      if (c[streams_at + n + k] == "$") c.session.block.argv[streams_at + n + k] = items[k].id.str();
  }
}
void cmd_xread(Call& c) { xread(c, false); }
void cmd_xreadgroup(Call& c) { xread(c, true); }

void cmd_xack(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kStream, true, &bad);
  if (bad) return;
  StreamGroup* g = e == nullptr ? nullptr : find_group(e->value.stream(), c[2]);
  if (g == nullptr) { c.reply.integer(0); return; }
  std::vector<StreamId> ids(c.argc() - 3);
  for (size_t i = 3; i < c.argc(); ++i)
    if (!stream_id_arg(c, i, &ids[i - 3], 0, true)) return;
  int64_t n = 0;
  for (auto id : ids) {
    auto it = g->pending.find(id);
    if (it == g->pending.end()) continue;
    it->second.consumer->pending.erase(id);
    g->pending.erase(it);
    ++n;
  }
  if (n > 0) c.changed(c[1], 0, nullptr, static_cast<uint64_t>(n));
  c.reply.integer(n);
}

void cmd_xpending(Call& c) {
  bool brief = c.argc() == 3;
  if (!brief && (c.argc() < 6 || c.argc() > 9)) { c.syntax_error(); return; }
  int64_t min_idle = 0, count = 0;
  StreamId from, to;
  std::string_view consumer;
  bool has_consumer = false;
  if (!brief) {
    size_t at = 3;
    if (c.is(3, "idle")) {
      if (!c.get_int(4, &min_idle)) return;
      if (c.argc() < 8) { c.syntax_error(); return; }
      at = 5;
    }
    bool from_open, to_open;
    if (!c.get_int(at + 2, &count)) return;
    count = std::max<int64_t>(0, count);
    if (!stream_bound_arg(c, at, &from, &from_open, 0)) return;
    if (from_open && !from.increment()) { c.fail("invalid start ID for the interval"); return; }
    if (!stream_bound_arg(c, at + 1, &to, &to_open, UINT64_MAX)) return;
    if (to_open && !to.decrement()) { c.fail("invalid end ID for the interval"); return; }
    if (at + 3 < c.argc()) { consumer = c[at + 3]; has_consumer = true; }
  }
  Entry* e = c.ks.lookup_read(c.db, c[1]);
  if (e != nullptr && e->value.type() != Type::kStream) { c.wrong_type(); return; }
  StreamGroup* g = e == nullptr ? nullptr : find_group(e->value.stream(), c[2]);
  if (g == nullptr) { c.fail(fmt::format("-NOGROUP No such key '{}' or consumer group '{}'", c[1], c[2])); return; }
  if (brief) {
    c.reply.array(4);
    c.reply.integer(static_cast<int64_t>(g->pending.size()));
    if (g->pending.empty()) { c.reply.null(); c.reply.null(); c.reply.null_array(); return; }
    c.reply.bulk(g->pending.begin()->first.str());
    c.reply.bulk(g->pending.rbegin()->first.str());
    size_t mark = c.reply.mark(), n = 0;
    for (auto& [name, cons] : g->consumers) {
      if (cons->pending.empty()) continue;
      ++n;
      c.reply.array(2);
      c.reply.bulk(name);
      c.reply.bulk(std::to_string(cons->pending.size()));
    }
    c.reply.insert_array(mark, n);
    return;
  }
  StreamConsumer* only = nullptr;
  if (has_consumer && (only = find_consumer(*g, consumer)) == nullptr) { c.reply.array(0); return; }
  size_t mark = c.reply.mark(), n = 0;
  auto emit = [&](StreamId id, const StreamNack& nack) {
    int64_t idle = std::max<int64_t>(0, c.ks.now_ms() - nack.delivery_ms);
    if (min_idle > 0 && idle < min_idle) return;
    ++n;
    c.reply.array(4);
    c.reply.bulk(id.str());
    c.reply.bulk(nack.consumer->name);
    c.reply.integer(idle);
    c.reply.integer(static_cast<int64_t>(nack.deliveries));
  };
  if (only != nullptr) {
    for (auto it = only->pending.lower_bound(from); it != only->pending.end() && it->first <= to && n < static_cast<size_t>(count); ++it) emit(it->first, *it->second);
  } else {
    for (auto it = g->pending.lower_bound(from); it != g->pending.end() && it->first <= to && n < static_cast<size_t>(count); ++it) emit(it->first, it->second);
  }
  c.reply.insert_array(mark, n);
}

void cmd_xclaim(Call& c) {
  Entry* e = c.ks.lookup_read(c.db, c[1]);
  StreamGroup* g = nullptr;
  if (e != nullptr) {
    if (e->value.type() != Type::kStream) { c.wrong_type(); return; }
    g = find_group(e->value.stream(), c[2]);
  }
  if (g == nullptr) { c.fail(fmt::format("-NOGROUP No such key '{}' or consumer group '{}'", c[1], c[2])); return; }
  int64_t min_idle, now = c.ks.now_ms(), delivery = -1, retry = -1;
  bool force = false, just_id = false;
  if (!c.get_int(4, &min_idle, "Invalid min-idle-time argument for XCLAIM")) return;
  min_idle = std::max<int64_t>(0, min_idle);
  size_t i = 5;
  std::vector<StreamId> ids;
  for (; i < c.argc(); ++i) {
    StreamId id;
    if (!parse_stream_id(c[i], &id, 0, true)) break;
    ids.push_back(id);
  }
  StreamId last_id;
  for (; i < c.argc(); ++i) {
    bool more = i + 1 < c.argc();
    if (c.is(i, "force")) force = true;
    else if (c.is(i, "justid")) just_id = true;
    else if (c.is(i, "idle") && more) {
      if (!c.get_int(++i, &delivery, "Invalid IDLE option argument for XCLAIM")) return;
      delivery = now - delivery;
    } else if (c.is(i, "time") && more) {
      if (!c.get_int(++i, &delivery, "Invalid TIME option argument for XCLAIM")) return;
    } else if (c.is(i, "retrycount") && more) {
      if (!c.get_int(++i, &retry, "Invalid RETRYCOUNT option argument for XCLAIM")) return;
    } else if (c.is(i, "lastid") && more) {
      if (!stream_id_arg(c, ++i, &last_id, 0, true)) return;
    } else { c.fail(fmt::format("Unrecognized XCLAIM option '{}'", c[i])); return; }
  }
  Stream& s = e->value.stream();
  if (last_id > g->last_id) { g->last_id = last_id; ++c.ks.dirty; }
  if (delivery != -1) { if (delivery < 0 || (delivery > now && !c.ks.replaying)) delivery = now; }
  else delivery = now;
  StreamConsumer* cons = find_consumer(*g, c[3]);
  if (cons != nullptr) cons->seen_ms = now;
  size_t mark = c.reply.mark(), n = 0;
  for (auto id : ids) {
    auto it = g->pending.find(id);
    bool exists = s.contains(id);
    if (!exists && !c.ks.replaying) {
      if (it != g->pending.end()) {
        std::string text = id.str();
        std::string_view argv[] = {"XACK", c[1], c[2], text};
        c.ks.propagate(c.db.id, argv);
        it->second.consumer->pending.erase(id);
        g->pending.erase(it);
        c.changed(c[1], 0, nullptr);
      }
      continue;
    }
    if (it == g->pending.end()) {
      if (!force) continue;
      if (cons == nullptr) cons = make_consumer(c, *g, c[1], c[2], c[3]);
      s.add_pending(*g, id, cons, delivery);
      it = g->pending.find(id);
      it->second.deliveries = just_id ? 0 : 0;
    } else if (min_idle > 0 && now - it->second.delivery_ms < min_idle) {
      continue;
    }
    if (cons == nullptr) cons = make_consumer(c, *g, c[1], c[2], c[3]);
    StreamNack& nack = it->second;
    if (nack.consumer != cons) {
      nack.consumer->pending.erase(id);
      nack.consumer = cons;
      cons->pending[id] = &nack;
    }
    nack.delivery_ms = delivery;
    if (retry >= 0) nack.deliveries = static_cast<uint64_t>(retry);
    else if (!just_id) ++nack.deliveries;
    ++n;
    if (just_id) c.reply.bulk(id.str());
    else {
      Stream::Iter entry(s, id, id, false);
      entry.next();
      reply_entry(c.reply, id, entry.fields());
    }
    log_claim(c, c[1], c[2], *g, id, nack);
    c.changed(c[1], 0, nullptr);
  }
  c.reply.insert_array(mark, n);
  c.stop_propagation = true;
}

void cmd_xautoclaim(Call& c) {
  int64_t min_idle, count = 100;
  if (!c.get_int(4, &min_idle, "Invalid min-idle-time argument for XAUTOCLAIM")) return;
  min_idle = std::max<int64_t>(0, min_idle);
  StreamId start;
  bool open;
  if (!stream_bound_arg(c, 5, &start, &open, 0)) return;
  if (open && !start.increment()) { c.fail("invalid start ID for the interval"); return; }
  bool just_id = false;
  for (size_t i = 6; i < c.argc(); ++i) {
    if (c.is(i, "count") && i + 1 < c.argc()) {
      if (!c.get_int_range(++i, 1, INT64_MAX / 48, &count, "COUNT must be > 0")) return;
    } else if (c.is(i, "justid")) just_id = true;
    else { c.syntax_error(); return; }
  }
  Entry* e = c.ks.lookup_read(c.db, c[1]);
  if (e != nullptr && e->value.type() != Type::kStream) { c.wrong_type(); return; }
  StreamGroup* g = e == nullptr ? nullptr : find_group(e->value.stream(), c[2]);
  if (g == nullptr) { c.fail(fmt::format("-NOGROUP No such key '{}' or consumer group '{}'", c[1], c[2])); return; }
  Stream& s = e->value.stream();
  int64_t now = c.ks.now_ms(), attempts = count * 10;
  StreamConsumer* cons = find_consumer(*g, c[3]);
  if (cons != nullptr) cons->seen_ms = now;
  c.reply.array(3);
  size_t cursor_mark = c.reply.mark();
  std::string body;
  Reply r(&body, c.reply.resp());
  size_t n = 0;
  std::vector<StreamId> deleted;
  auto it = g->pending.lower_bound(start);
  while (attempts-- > 0 && count > 0 && it != g->pending.end()) {
    StreamId id = it->first;
    if (!s.contains(id)) {
      std::string text = id.str();
      std::string_view argv[] = {"XACK", c[1], c[2], text};
      c.ks.propagate(c.db.id, argv);
      it->second.consumer->pending.erase(id);
      it = g->pending.erase(it);
      deleted.push_back(id);
      c.changed(c[1], 0, nullptr);
      --count;
      continue;
    }
    StreamNack& nack = it->second;
    if (min_idle > 0 && now - nack.delivery_ms < min_idle) { ++it; continue; }
    if (cons == nullptr) cons = make_consumer(c, *g, c[1], c[2], c[3]);
    if (nack.consumer != cons) {
      nack.consumer->pending.erase(id);
      nack.consumer = cons;
      cons->pending[id] = &nack;
    }
    nack.delivery_ms = now;
    if (!just_id) ++nack.deliveries;
    if (just_id) r.bulk(id.str());
    else {
      Stream::Iter entry(s, id, id, false);
      entry.next();
      reply_entry(r, id, entry.fields());
    }
    ++n;
    --count;
    log_claim(c, c[1], c[2], *g, id, nack);
    c.changed(c[1], 0, nullptr);
    ++it;
  }
  (void)cursor_mark;
  c.reply.bulk(it == g->pending.end() ? "0-0" : it->first.str());
  c.reply.array(n);
  c.reply.raw(body);
  c.reply.array(deleted.size());
  for (auto id : deleted) c.reply.bulk(id.str());
  c.stop_propagation = true;
}

void cmd_xgroup(Call& c) {
  if (c.is(1, "help")) {
    static const char* const lines[] = {"XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", "CREATE <key> <groupname> <id|$> [option]", "    Make a new consumer group.",
                                        "CREATECONSUMER <key> <groupname> <consumer>", "    Make a consumer in a group.", "DELCONSUMER <key> <groupname> <consumer>", "    Remove a consumer from a group.",
                                        "DESTROY <key> <groupname>", "    Remove a group.", "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]", "    Set the group's last delivered ID.", "HELP", "    Print this help."};
    c.reply.array(std::size(lines));
    for (auto l : lines) c.reply.simple(l);
    return;
  }
  bool create = c.is(1, "create"), setid = c.is(1, "setid"), mkstream = false;
  int64_t entries_read = -1;
  if (create || setid)
    for (size_t i = 5; i < c.argc(); ++i) {
      if (create && c.is(i, "mkstream")) mkstream = true;
      else if (c.is(i, "entriesread") && i + 1 < c.argc()) {
        if (!c.get_int(++i, &entries_read)) return;
        if (entries_read < 0 && entries_read != -1) { c.fail("value for ENTRIESREAD must be positive or -1"); return; }
      } else { c.fail(fmt::format("unknown subcommand or wrong number of arguments for '{}'. Try XGROUP HELP.", c[1])); return; }
    }
  Entry* e = c.ks.lookup_write(c.db, c[2]);
  if (e != nullptr && e->value.type() != Type::kStream) { c.wrong_type(); return; }
  if (e == nullptr && !mkstream) {
    c.fail("The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.");
    return;
  }
  StreamGroup* g = e == nullptr ? nullptr : find_group(e->value.stream(), c[3]);
  if (g == nullptr && !create && !c.is(1, "destroy")) {
    c.fail(fmt::format("-NOGROUP No such consumer group '{}' for key name '{}'", c[3], c[2]));
    return;
  }
  if (create || setid) {
    StreamId id;
    if (c[4] == "$") { if (e != nullptr) id = e->value.stream().last_id; }
    else if (!stream_id_arg(c, 4, &id, 0, true)) return;
    if (setid) {
      g->last_id = id;
      g->entries_read = entries_read;
      c.reply.ok();
      c.changed(c[2], kNotifyStream, "xgroup-setid");
    } else {
      if (e == nullptr) { e = c.ks.add(c.db, c[2], Object::new_stream()); c.ks.touched(&c.session, c.db, c[2]); }
      if (g != nullptr) { c.fail("-BUSYGROUP Consumer Group name already exists"); return; }
      auto fresh = std::make_unique<StreamGroup>();
      fresh->last_id = id;
      fresh->entries_read = entries_read;
      e->value.stream().groups.emplace(std::string(c[3]), std::move(fresh));
      c.reply.ok();
      c.changed(c[2], kNotifyStream, "xgroup-create");
    }
    if (c[4] == "$" && c.ks.commit_effects) {
      c.rewritten.assign(c.argv.begin(), c.argv.end());
      c.rewritten[4] = id.str();
    }
  } else if (c.is(1, "destroy")) {
    if (g == nullptr) { c.reply.integer(0); return; }
    e->value.stream().groups.erase(e->value.stream().groups.find(c[3]));
    c.reply.integer(1);
    c.changed(c[2], kNotifyStream, "xgroup-destroy");
    c.ks.signal_ready(c.db, c[2]);
  } else if (c.is(1, "createconsumer")) {
    if (find_consumer(*g, c[4]) != nullptr) { c.reply.integer(0); return; }
    make_consumer(c, *g, c[2], c[3], c[4]);
    c.stop_propagation = true;
    c.reply.integer(1);
  } else {
    StreamConsumer* cons = find_consumer(*g, c[4]);
    int64_t pending = 0;
    if (cons != nullptr) {
      pending = static_cast<int64_t>(cons->pending.size());
      for (auto& [id, nack] : cons->pending) g->pending.erase(id);
      g->consumers.erase(g->consumers.find(c[4]));
      c.changed(c[2], kNotifyStream, "xgroup-delconsumer");
    }
    c.reply.integer(pending);
  }
}

void reply_lag(Call& c, Stream& s, StreamGroup& g) {
  if (s.entries_added == 0) { c.reply.integer(0); return; }
  if (g.entries_read != -1 && !s.has_tombstones(g.last_id, StreamId::max())) { c.reply.integer(static_cast<int64_t>(s.entries_added) - g.entries_read); return; }
  int64_t read = s.estimate_distance_from_first(g.last_id);
  if (read == -1) c.reply.null();
  else c.reply.integer(static_cast<int64_t>(s.entries_added) - read);
}

void info_full(Call& c, Stream& s) {
  int64_t count = 10;
  if ((c.argc() != 4 && c.argc() != 6) || !c.is(3, "full")) {
    c.fail(fmt::format("unknown subcommand or wrong number of arguments for '{}'. Try XINFO HELP.", c[1]));
    return;
  }
  if (c.argc() == 6) {
    if (!c.is(4, "count")) { c.syntax_error(); return; }
    if (!c.get_int(5, &count)) return;
    if (count < 0) count = 10;
  }
  c.reply.map(9);
  c.reply.bulk("length"); c.reply.integer(static_cast<int64_t>(s.length));
  c.reply.bulk("radix-tree-keys"); c.reply.integer(static_cast<int64_t>(s.blocks.size()));
  c.reply.bulk("radix-tree-nodes"); c.reply.integer(static_cast<int64_t>(s.blocks.size()) + 1);
  c.reply.bulk("last-generated-id"); c.reply.bulk(s.last_id.str());
  c.reply.bulk("max-deleted-entry-id"); c.reply.bulk(s.max_deleted.str());
  c.reply.bulk("entries-added"); c.reply.integer(static_cast<int64_t>(s.entries_added));
  c.reply.bulk("recorded-first-entry-id"); c.reply.bulk(s.first_id.str());
  c.reply.bulk("entries");
  reply_range(c, s, {}, StreamId::max(), count == 0 ? -1 : count, false);
  c.reply.bulk("groups");
  c.reply.array(s.groups.size());
  for (auto& [name, g] : s.groups) {
    c.reply.map(7);
    c.reply.bulk("name"); c.reply.bulk(name);
    c.reply.bulk("last-delivered-id"); c.reply.bulk(g->last_id.str());
    c.reply.bulk("entries-read"); g->entries_read == -1 ? c.reply.null() : c.reply.integer(g->entries_read);
    c.reply.bulk("lag"); reply_lag(c, s, *g);
    c.reply.bulk("pel-count"); c.reply.integer(static_cast<int64_t>(g->pending.size()));
    c.reply.bulk("pending");
    size_t mark = c.reply.mark(), n = 0;
    for (auto& [id, nack] : g->pending) {
      if (count > 0 && n >= static_cast<size_t>(count)) break;
      ++n;
      c.reply.array(4);
      c.reply.bulk(id.str());
      c.reply.bulk(nack.consumer->name);
      c.reply.integer(nack.delivery_ms);
      c.reply.integer(static_cast<int64_t>(nack.deliveries));
    }
    c.reply.insert_array(mark, n);
    c.reply.bulk("consumers");
    c.reply.array(g->consumers.size());
    for (auto& [cn, cons] : g->consumers) {
      c.reply.map(4);
      c.reply.bulk("name"); c.reply.bulk(cn);
      c.reply.bulk("seen-time"); c.reply.integer(cons->seen_ms);
      c.reply.bulk("pel-count"); c.reply.integer(static_cast<int64_t>(cons->pending.size()));
      c.reply.bulk("pending");
      mark = c.reply.mark();
      n = 0;
      for (auto& [id, nack] : cons->pending) {
        if (count > 0 && n >= static_cast<size_t>(count)) break;
        ++n;
        c.reply.array(3);
        c.reply.bulk(id.str());
        c.reply.integer(nack->delivery_ms);
        c.reply.integer(static_cast<int64_t>(nack->deliveries));
      }
      c.reply.insert_array(mark, n);
    }
  }
}

void cmd_xinfo(Call& c) {
  if (c.is(1, "help")) {
    static const char* const lines[] = {"XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", "CONSUMERS <key> <groupname>", "    The consumers of a group.", "GROUPS <key>", "    The groups of a stream.",
                                        "STREAM <key> [FULL [COUNT <count>]", "    What is known of a stream.", "HELP", "    Print this help."};
    c.reply.array(std::size(lines));
    for (auto l : lines) c.reply.simple(l);
    return;
  }
  Entry* e = c.ks.lookup_read(c.db, c[2]);
  if (e == nullptr) { c.fail("no such key"); return; }
  if (e->value.type() != Type::kStream) { c.wrong_type(); return; }
  Stream& s = e->value.stream();
  if (c.is(1, "consumers")) {
    StreamGroup* g = find_group(s, c[3]);
    if (g == nullptr) { c.fail(fmt::format("-NOGROUP No such consumer group '{}' for key name '{}'", c[3], c[2])); return; }
    c.reply.array(g->consumers.size());
    for (auto& [name, cons] : g->consumers) {
      c.reply.map(3);
      c.reply.bulk("name"); c.reply.bulk(name);
      c.reply.bulk("pending"); c.reply.integer(static_cast<int64_t>(cons->pending.size()));
      c.reply.bulk("idle"); c.reply.integer(std::max<int64_t>(0, c.ks.now_ms() - cons->seen_ms));
    }
  } else if (c.is(1, "groups")) {
    c.reply.array(s.groups.size());
    for (auto& [name, g] : s.groups) {
      c.reply.map(6);
      c.reply.bulk("name"); c.reply.bulk(name);
      c.reply.bulk("consumers"); c.reply.integer(static_cast<int64_t>(g->consumers.size()));
      c.reply.bulk("pending"); c.reply.integer(static_cast<int64_t>(g->pending.size()));
      c.reply.bulk("last-delivered-id"); c.reply.bulk(g->last_id.str());
      c.reply.bulk("entries-read"); g->entries_read == -1 ? c.reply.null() : c.reply.integer(g->entries_read);
      c.reply.bulk("lag"); reply_lag(c, s, *g);
    }
  } else if (c.argc() > 3) {
    info_full(c, s);
  } else {
    c.reply.map(10);
    c.reply.bulk("length"); c.reply.integer(static_cast<int64_t>(s.length));
    c.reply.bulk("radix-tree-keys"); c.reply.integer(static_cast<int64_t>(s.blocks.size()));
    c.reply.bulk("radix-tree-nodes"); c.reply.integer(static_cast<int64_t>(s.blocks.size()) + 1);
    c.reply.bulk("last-generated-id"); c.reply.bulk(s.last_id.str());
    c.reply.bulk("max-deleted-entry-id"); c.reply.bulk(s.max_deleted.str());
    c.reply.bulk("entries-added"); c.reply.integer(static_cast<int64_t>(s.entries_added));
    c.reply.bulk("recorded-first-entry-id"); c.reply.bulk(s.first_id.str());
    c.reply.bulk("groups"); c.reply.integer(static_cast<int64_t>(s.groups.size()));
    for (bool last : {false, true}) {
      c.reply.bulk(last ? "last-entry" : "first-entry");
      Stream::Iter it(s, {}, StreamId::max(), last);
      if (it.next()) reply_entry(c.reply, it.id(), it.fields());
      else c.reply.null();
    }
  }
}

const HandlerEntry kCommands[] = {{"xread", cmd_xread}, {"xreadgroup", cmd_xreadgroup}, {"xack", cmd_xack}, {"xpending", cmd_xpending},
                                  {"xclaim", cmd_xclaim}, {"xautoclaim", cmd_xautoclaim}, {"xgroup", cmd_xgroup}, {"xinfo", cmd_xinfo}};
}  // namespace
std::span<const HandlerEntry> stream_group_commands() { return kCommands; }
}  // namespace stele::keyspace
