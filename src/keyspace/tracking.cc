// Client-side caching: who read which key, and the invalidations that follow a change.
#include "keyspace/keyspace.h"

namespace stele::keyspace {

void Keyspace::send_invalidation(Session& target, const std::vector<std::string>* keys) {
  Session* receiver = &target;
  if (target.tracking.redirect != 0) {
    auto it = session_by_id.find(target.tracking.redirect);
    if (it == session_by_id.end()) {
      if (!target.tracking.broken) {
        target.tracking.broken = true;
        if (target.reply.resp() >= 3) {
          std::string* out = &target.reply.out();
          Reply r(&target == current ? &target.pending_push : out, 3);
          r.push(2);
          r.bulk("tracking-redir-broken");
          r.integer(static_cast<int64_t>(target.tracking.redirect));
          if (&target != current) push_end(target);
        }
      }
      return;
    }
    receiver = it->second;
  }
  bool own = receiver == current;
  Reply r(own ? &receiver->pending_push : &receiver->reply.out(), receiver->reply.resp());
  if (receiver->reply.resp() >= 3) {
    r.push(2);
    r.bulk("invalidate");
  } else if (target.tracking.redirect != 0 && receiver->pubsub()) {
    // RESP2 gets it as a message on a channel of a fixed name.
    r.array(3);
    r.bulk("message");
    r.bulk("__redis__:invalidate");
  } else {
    return;
  }
  if (keys == nullptr) r.null();
  else {
    r.array(keys->size());
    for (auto& k : *keys) r.bulk(k);
  }
  if (!own) push_end(*receiver);
}

void Keyspace::tracking_remember(Session& s, const CommandSpec& spec, Argv argv) {
  if (s.tracking.bcast) return;
  if (s.tracking.optin && !s.tracking.caching) return;
  if (s.tracking.optout && s.tracking.caching) return;
  std::vector<KeyRef> keys;
  if (!commands.keys_of(spec, argv, &keys)) return;
  for (auto& k : keys) {
    std::string_view key = argv[static_cast<size_t>(k.index)];
    auto it = tracking_table.find(key);
    if (it == tracking_table.end()) it = tracking_table.emplace(std::string(key), std::unordered_set<uint64_t>{}).first;
    if (it->second.insert(s.id).second) ++tracking_items;
  }
}

void Keyspace::tracking_invalidate(Session* writer, std::string_view key, bool bcast) {
  if (bcast)
    for (auto& [prefix, ids] : tracking_prefixes)
      if (key.substr(0, prefix.size()) == prefix)
        tracking_pending[prefix][std::string(key)] = writer != nullptr ? writer->id : 0;
  auto it = tracking_table.find(key);
  if (it == tracking_table.end()) return;
  std::unordered_set<uint64_t> ids = std::move(it->second);
  std::vector<std::string> keys{it->first};
  tracking_items -= ids.size();
  tracking_table.erase(it);
  for (uint64_t id : ids) {
    auto found = session_by_id.find(id);
    if (found == session_by_id.end()) continue;
    Session& target = *found->second;
    if (!target.tracking.on || target.tracking.bcast) continue;
    if (target.tracking.noloop && writer == &target) continue;
    send_invalidation(target, &keys);
  }
}

void Keyspace::tracking_flush(Session*) {
  if (tracking_clients > 0)
    for (Session* s : sessions)
      if (s->tracking.on) send_invalidation(*s, nullptr);
  tracking_table.clear();
  tracking_items = 0;
}

void Keyspace::tracking_round() {
  if (tracking_pending.empty()) return;
  auto pending = std::move(tracking_pending);
  tracking_pending.clear();
  for (auto& [prefix, changes] : pending) {
    auto it = tracking_prefixes.find(prefix);
    if (it == tracking_prefixes.end()) continue;
    std::vector<std::string> all;
    for (auto& [key, writer] : changes) all.push_back(key);
    for (uint64_t id : it->second) {
      auto found = session_by_id.find(id);
      if (found == session_by_id.end()) continue;
      Session& target = *found->second;
      if (!target.tracking.noloop) { send_invalidation(target, &all); continue; }
      std::vector<std::string> others;
      for (auto& [key, writer] : changes)
        if (writer != id) others.push_back(key);
      if (!others.empty()) send_invalidation(target, &others);
    }
  }
}

void Keyspace::tracking_limit() {
  uint64_t limit = static_cast<uint64_t>(config.s.tracking_table_max_keys);
  if (limit == 0) return;
  int effort = 100000;  // of one call
  while (tracking_table.size() > limit && effort-- > 0) {
    std::string key = tracking_table.begin()->first;
    tracking_invalidate(nullptr, key, false);
  }
}

void Keyspace::tracking_disable(Session& s) {
  if (!s.tracking.on) return;
  for (auto& p : s.tracking.prefixes) {
    auto it = tracking_prefixes.find(p);
    if (it == tracking_prefixes.end()) continue;
    it->second.erase(s.id);
    if (it->second.empty()) tracking_prefixes.erase(it);
  }
  s.tracking = {};
  --tracking_clients;
}

}  // namespace stele::keyspace
