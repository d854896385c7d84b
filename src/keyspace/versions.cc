#include "keyspace/versions.h"

#include "keyspace/keyspace.h"

namespace stele::keyspace {

std::atomic<bool> Versions::enabled_{false};

namespace {
// A larger value is not copied for the sake of readers that may never come.
constexpr size_t kMaxImageBytes = 32 << 10;

bool younger(const Stamp& s, storage::Lsn snapshot) {
  storage::Lsn lsn = s->load(std::memory_order_acquire);
  return lsn == 0 || lsn > snapshot;
}
}  // namespace

std::string Versions::id_of(int db, std::string_view key) {
  std::string s(1, static_cast<char>(db));
  s += key;
  return s;
}

const Stamp& Versions::open_stamp() {
  if (commit_stamp_ != nullptr) return commit_stamp_;
  if (stamp_ == nullptr) stamp_ = std::make_shared<std::atomic<storage::Lsn>>(0);
  return stamp_;
}
Stamp Versions::seal() { return std::exchange(stamp_, nullptr); }
void Versions::begin_commit(storage::Lsn lsn) { commit_stamp_ = std::make_shared<std::atomic<storage::Lsn>>(lsn); }
void Versions::end_commit() { commit_stamp_.reset(); }

// Commands that take back what argv is about to do to a large collection. False: there are none.
static bool undo_of(const Object& o, const CommandSpec& spec, Argv argv, std::vector<std::vector<std::string>>* undo) {
  const std::string& name = spec.name;
  std::string key(argv[1]);
  if (o.type() == Type::kHash) {
    size_t step = name == "hset" || name == "hmset" ? 2 : name == "hdel" ? 1 : 0;
    bool single = name == "hsetnx" || name == "hincrby" || name == "hincrbyfloat";
    if (step == 0 && !single) return false;
    for (size_t i = 2; i < argv.size(); i += step) {
      char buf[24];
      std::string_view old;
      if (hash_get(o, argv[i], buf, &old)) undo->push_back({"HSET", key, std::string(argv[i]), std::string(old)});
      else undo->push_back({"HDEL", key, std::string(argv[i])});
      if (single) break;
    }
    return true;
  }
  if (o.type() == Type::kSet && (name == "sadd" || name == "srem")) {
    for (size_t i = 2; i < argv.size(); ++i) undo->push_back({set_contains(o, argv[i]) ? "SADD" : "SREM", key, std::string(argv[i])});
    return true;
  }
  if (o.type() == Type::kZset) {
    auto member = [&](std::string_view m) {
      double score;
      if (zset_score(o, m, &score)) undo->push_back({"ZADD", key, format_score(score), std::string(m)});
      else undo->push_back({"ZREM", key, std::string(m)});
    };
    if (name == "zincrby" && argv.size() == 4) member(argv[3]);
    else if (name == "zrem") for (size_t i = 2; i < argv.size(); ++i) member(argv[i]);
    else if (name == "zadd") for (size_t i = 3; i < argv.size(); ++i) member(argv[i]);   // options and scores are no members: ZREM of them does nothing
    else return false;
    return true;
  }
  if (o.type() == Type::kList) {
    size_t n = argv.size() - 2;
    char buf[24];
    if (name == "rpush" || name == "rpushx") undo->push_back({"LTRIM", key, "0", std::to_string(-1 - static_cast<int64_t>(n))});
    else if (name == "lpush" || name == "lpushx") undo->push_back({"LTRIM", key, std::to_string(n), "-1"});
    else if (name == "lpop" && argv.size() == 2) undo->push_back({"LPUSH", key, std::string(o.list().first().value(buf))});
    else if (name == "rpop" && argv.size() == 2) undo->push_back({"RPUSH", key, std::string(o.list().last().value(buf))});
    else return false;
    return true;
  }
  if (o.type() == Type::kStream && name == "xadd" && argv.size() > 2) {
    for (size_t i = 2; i < argv.size() && i < 8; ++i)
      if (iequals(argv[i], "maxlen") || iequals(argv[i], "minid")) return false;
    const Stream& s = o.stream();
    undo->push_back({std::string(Versions::kTruncate), key, s.last_id.str(), std::to_string(s.length), std::to_string(s.entries_added)});
    return true;
  }
  return false;
}

void Versions::keep(Keyspace& ks, Database& d, std::string_view key, const CommandSpec* spec, Argv argv) {
  const Stamp& stamp = open_stamp();
  std::string id = id_of(d.id, key);
  auto& list = images_[id];
  bool more = !list.empty() && list.back().until == stamp;
  if (more && !list.back().partial) return;  // the commit's first change has it
  if (more) {
    Image& image = list.back();
    Entry* e = d.dict.find(key);
    if (e != nullptr && e->value.enc() == Enc::kCold) ks.load_value(d, e);
    if (e == nullptr || spec == nullptr || argv.size() < 2 || argv[1] != key || !undo_of(e->value, *spec, argv, &image.undo)) {
      image.partial = false;
      image.unknown = true;
      image.undo.clear();
    }
    return;
  }
  Image image;
  image.until = stamp;
  if (Entry* e = d.dict.find(key); e != nullptr) {
    image.absent = false;
    if (e->value.enc() == Enc::kCold) ks.load_value(d, e);
    image.expire_ms = ks.expire_of(d, e);
    if (e->value.memory_bytes(5) <= kMaxImageBytes) {
      image.value = e->value.duplicate();
    } else if (spec != nullptr && argv.size() > 1 && argv[1] == key && undo_of(e->value, *spec, argv, &image.undo)) {
      image.partial = true;
    } else {
      image.undo.clear();
      image.unknown = true;
    }
  }
  list.push_back(std::move(image));
  order_.emplace_back(stamp, std::move(id));
}

void Versions::before_command(Keyspace& ks, Database& d, const CommandSpec& spec, Argv argv) {
  if (spec.group == "scripting") return;  // their inner commands come one by one
  if (spec.name == "flushall" || spec.name == "swapdb") {
    for (int i = 0; i < ks.databases(); ++i) database_changes(i);
    return;
  }
  if (spec.name == "flushdb") { database_changes(d.id); return; }
  std::vector<KeyRef> keys;
  ks.commands.keys_of(spec, argv, &keys);
  bool other_database = spec.name == "move" || spec.name == "copy";
  for (auto& k : keys) {
    if (k.flags & kKeyNotKey) continue;
    auto key = argv[static_cast<size_t>(k.index)];
    keep(ks, d, key, &spec, argv);
    if (!other_database) continue;
    for (int i = 0; i < ks.databases(); ++i)
      if (i != d.id) keep(ks, ks.db(i), argv[spec.name == "copy" ? 2 : 1]);
  }
}

void Versions::database_changes(int db) { databases_[db].push_back(open_stamp()); }
bool Versions::database_changed_since(int db, storage::Lsn snapshot) const {
  auto it = databases_.find(db);
  if (it == databases_.end()) return false;
  for (auto& s : it->second)
    if (younger(s, snapshot)) return true;
  return false;
}

Versions::Seen Versions::at(int db, std::string_view key, storage::Lsn snapshot) const {
  if (!databases_.empty() && database_changed_since(db, snapshot)) return {false, false, nullptr, {}};
  auto it = images_.find(id_of(db, key));
  return it == images_.end() ? Seen{} : seen_in(it->second, snapshot);
}
// The first copy after the snapshot, or the key as it is, with what was undone on the way taken back.
Versions::Seen Versions::seen_in(const std::deque<Image>& images, storage::Lsn snapshot) const {
  Seen seen;
  std::vector<const Image*> partial;
  for (auto& image : images) {
    if (!younger(image.until, snapshot)) continue;
    seen.current = false;
    if (image.unknown) { seen.known = false; return seen; }
    if (!image.partial) { seen.base = &image; break; }
    partial.push_back(&image);
  }
  for (auto i = partial.rbegin(); i != partial.rend(); ++i)
    for (auto u = (*i)->undo.rbegin(); u != (*i)->undo.rend(); ++u) seen.undo.push_back(&*u);
  return seen;
}
void Versions::for_each_changed(int db, storage::Lsn snapshot, const std::function<void(std::string_view, const Seen&)>& f) const {
  for (auto& [id, list] : images_) {
    if (static_cast<unsigned char>(id[0]) != static_cast<unsigned>(db)) continue;
    if (Seen seen = seen_in(list, snapshot); !seen.current) f(std::string_view(id).substr(1), seen);
  }
}

void Versions::prune(storage::Lsn horizon) {
  while (!order_.empty()) {
    auto& [stamp, id] = order_.front();
    if (younger(stamp, horizon)) break;
    auto it = images_.find(id);
    if (it != images_.end()) {
      it->second.pop_front();
      if (it->second.empty()) images_.erase(it);
    }
    order_.pop_front();
  }
  for (auto it = databases_.begin(); it != databases_.end();) {
    while (!it->second.empty() && !younger(it->second.front(), horizon)) it->second.pop_front();
    it = it->second.empty() ? databases_.erase(it) : std::next(it);
  }
}

}  // namespace stele::keyspace
