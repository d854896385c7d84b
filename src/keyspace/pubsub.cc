// Delivery: publish, keyspace notifications, unsubscription at the end of a session.
#include "keyspace/keyspace.h"

namespace stele::keyspace {

void Keyspace::push_begin(Session& s) { s.pushing = true; }
void Keyspace::push_end(Session& s) {
  s.pushing = false;
  if (&s != current) {
    check_output_limit(s);
    if (s.host != nullptr) s.host->wake(s);
  }
}

int64_t Keyspace::publish(std::string_view channel, std::string_view message, bool shard) {
  int64_t receivers = 0;
  auto& table = shard ? shard_channels : channels;
  if (auto it = table.find(channel); it != table.end()) {
    std::vector<Session*> list = it->second;
    for (Session* s : list) {
      push_begin(*s);
      s->reply.push(3);
      s->reply.bulk(shard ? "smessage" : "message");
      s->reply.bulk(channel);
      s->reply.bulk(message);
      push_end(*s);
      ++receivers;
    }
  }
  if (shard) return receivers;
  for (auto& [pattern, list] : patterns) {
    if (!glob_match(pattern, channel)) continue;
    std::vector<Session*> receivers_of = list;
    for (Session* s : receivers_of) {
      push_begin(*s);
      s->reply.push(4);
      s->reply.bulk("pmessage");
      s->reply.bulk(pattern);
      s->reply.bulk(channel);
      s->reply.bulk(message);
      push_end(*s);
      ++receivers;
    }
  }
  return receivers;
}

void Keyspace::notify(uint32_t cls, const char* event, std::string_view key, int db) {
  if (!(notify_flags & cls) || (replaying && !applying)) return;
  if (applying) {
    outside_events_.push_back({cls, event, std::string(key), db, false});
    return;
  }
  if (notify_flags & kNotifyKeyspace)
    publish(fmt::format("__keyspace@{}__:{}", db, key), event);
  if (notify_flags & kNotifyKeyevent)
    publish(fmt::format("__keyevent@{}__:{}", db, event), key);
}

void Keyspace::unsubscribe_all(Session& s) {
  auto drop = [&](auto& table, auto& names) {
    for (auto& n : names) {
      auto it = table.find(n);
      if (it == table.end()) continue;
      std::erase(it->second, &s);
      if (it->second.empty()) table.erase(it);
    }
    names.clear();
  };
  drop(channels, s.channels);
  drop(shard_channels, s.shard_channels);
  drop(patterns, s.patterns);
}

// ---- WATCH ----

void Keyspace::watch(Session& s, Database& d, std::string_view key) {
  for (auto& w : s.watched)
    if (w.db == d.id && w.key == key) return;
  Entry* e = d.dict.find(key);
  s.watched.push_back({d.id, std::string(key), e != nullptr && is_expired(d, e)});
  auto it = d.watchers.find(key);
  if (it == d.watchers.end()) it = d.watchers.emplace(std::string(key), std::vector<Session*>{}).first;
  it->second.push_back(&s);
}
void Keyspace::unwatch_all(Session& s) {
  for (auto& w : s.watched) {
    Database& d = db(w.db);
    auto it = d.watchers.find(w.key);
    if (it == d.watchers.end()) continue;
    std::erase(it->second, &s);
    if (it->second.empty()) d.watchers.erase(it);
  }
  s.watched.clear();
}
void Keyspace::discard_multi(Session& s) {
  s.queued.clear();
  s.multi_bytes = 0;
  s.in_multi = s.dirty_cas = s.dirty_exec = false;
  unwatch_all(s);
}

}  // namespace stele::keyspace
