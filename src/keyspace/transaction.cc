#include "keyspace/transaction.h"

#include "base/codec.h"

namespace stele::keyspace {

// A keyspace that nobody else sees, where commands of a transaction run. Borrowed from a pool: making
// one is not cheap.
struct KeyspaceTxn::Overlay {
  std::unique_ptr<Keyspace> ks;
  std::string out;
  std::unique_ptr<Session> session;

  static std::vector<std::unique_ptr<Overlay>>& pool() {
    static std::vector<std::unique_ptr<Overlay>> free;   // under the main keyspace's latch
    return free;
  }
  static std::unique_ptr<Overlay> borrow(const Keyspace& like) {
    std::unique_ptr<Overlay> o;
    if (pool().empty()) {
      o = std::make_unique<Overlay>();
      o->ks = std::make_unique<Keyspace>();
      o->ks->commit_effects = [](std::string, Stamp) -> uint64_t { return 0; };
      o->session = std::make_unique<Session>(&o->out);
      o->session->fake = true;
      o->session->deny_blocking = true;
      o->session->authenticated = true;
      o->session->user = o->ks->acl.default_user;
    } else {
      o = std::move(pool().back());
      pool().pop_back();
    }
    o->ks->config.s = like.config.s;
    o->ks->config.s.maxmemory = 0;
    return o;
  }
  static void give_back(std::unique_ptr<Overlay> o) {
    o->clear();
    if (pool().size() < 16) pool().push_back(std::move(o));
  }
  void clear() {
    for (int i = 0; i < ks->databases(); ++i)
      if (ks->db(i).dict.size() > 0) ks->flush_db(ks->db(i), false);
    ks->ready_keys.clear();
    ks->ready_seen.clear();
    ks->take_effects();
    while (ks->lazy_pending > 0) ks->round_end();
  }
  void run(int db, CommandSpec* spec, Argv argv) {
    session->db = db;
    ks->refresh_time();
    ks->call(*session, spec, argv, Keyspace::kCallPropagate);
  }
};

KeyspaceTxn::RowsChanged KeyspaceTxn::rows_changed;

namespace {
std::mutex g_open_mutex;
std::map<storage::OwnerId, std::weak_ptr<KeyspaceTxn>> g_open;

constexpr uint32_t kWrites = kKeyRW | kKeyOW | kKeyRM;

std::string lock_tag(int db, std::string_view key) {
  std::string s = "redis";
  s.push_back(static_cast<char>(db));
  s += key;
  return s;
}
[[noreturn]] void refuse(const CommandSpec& spec, const char* why) {
  throw Error(ErrorCode::kFeatureNotSupported, fmt::format("the Redis command {} cannot be part of an SQL transaction", upper(spec.name))).detail(why);
}
[[noreturn]] void conflict() { throw Error(ErrorCode::kSerializationFailure, "could not serialize access due to concurrent update"); }
}  // namespace

KeyspaceTxn::KeyspaceTxn(DurableKeyspace& durable, storage::Transaction& txn) : durable_(durable), ks_(durable.keyspace()), txn_(txn), id_(txn.id()) {}

KeyspaceTxn::~KeyspaceTxn() {
  {
    std::lock_guard lock(g_open_mutex);
    g_open.erase(id_);
  }
  KeyspaceLatch latch(ks_.latch());
  for (auto& [db, key] : locks_) ks_.key_locks.unlock(ks_, db, key);
  if (!locks_.empty()) ks_.outside_committed();
  if (overlay_ != nullptr) Overlay::give_back(std::move(overlay_));
}

KeyspaceTxn& KeyspaceTxn::of(DurableKeyspace& durable, storage::Transaction& txn) {
  {
    std::lock_guard lock(g_open_mutex);
    auto it = g_open.find(txn.id());
    if (it != g_open.end())
      if (auto open = it->second.lock()) return *open;
  }
  auto made = std::shared_ptr<KeyspaceTxn>(new KeyspaceTxn(durable, txn));
  {
    std::lock_guard lock(g_open_mutex);
    g_open[txn.id()] = made;
  }
  // The transaction's hooks own it.
  txn.on_published([made](storage::Lsn) {});
  txn.on_abort([made] {});
  return *made;
}

// ---- the end of the transaction ----

// The latch is the last thing taken before the commit: other hooks may still wait for locks and write.
void KeyspaceTxn::hook() {
  if (hooked_) return;
  hooked_ = true;
  deferrals_ = 0;
  txn_.on_abort([this] {
    hooked_ = false;
    release_latch();
  });
  txn_.on_published([this](storage::Lsn) { published(); });
  struct Last {
    KeyspaceTxn* self;
    void operator()() const {
      if (self->deferrals_++ < 3) {
        self->txn_.before_commit(Last{self});
        return;
      }
      self->durable_.lock_for_commit();
      self->latched_ = true;
      for (auto& check : self->checks_) check();
    }
  };
  txn_.before_commit(Last{this});
}

void KeyspaceTxn::release_latch() {
  if (!latched_) return;
  latched_ = false;
  durable_.unlock_after_commit();
}

void KeyspaceTxn::published() {
  for (auto& e : events_) {
    if (rows_changed) rows_changed(e.key);
    ks_.row_changed(e.key, e.event);
  }
  events_.clear();
  for (auto& [db, key] : locks_) ks_.key_locks.unlock(ks_, db, key);
  locks_.clear();
  ks_.outside_committed();
  release_latch();
}

void KeyspaceTxn::aborted_to(size_t effects, size_t locks, size_t events) {
  if (effects_.size() > effects) {
    effects_.resize(effects);
    stale_ = true;
  }
  if (events_.size() > events) events_.resize(events);
  if (locks_.size() > locks) {
    KeyspaceLatch latch(ks_.latch());
    while (locks_.size() > locks) {
      own_.erase(locks_.back());
      ks_.key_locks.unlock(ks_, locks_.back().first, locks_.back().second);
      locks_.pop_back();
    }
    ks_.outside_committed();
    stale_ = true;
  }
}

// ---- effects ----

void KeyspaceTxn::add_effects(std::string effects) {
  if (effects.empty()) return;
  if (txn_.read_only()) throw Error(ErrorCode::kReadOnlySqlTransaction, "cannot write Redis keys in a read-only transaction");
  txn_.append_section(storage::ParticipantId::kKeyspace, effects);
  effects_.push_back(std::move(effects));
  hook();
  txn_.on_abort([this, n = static_cast<uint32_t>(effects_.size() - 1)] { aborted_to(n, locks_.size(), events_.size()); });
}

void KeyspaceTxn::row_changed(std::string key, const char* event) {
  events_.push_back({std::move(key), event});
  hook();
  txn_.on_abort([this, n = static_cast<uint32_t>(events_.size() - 1)] { aborted_to(effects_.size(), locks_.size(), n); });
}

void KeyspaceTxn::table_changed(const std::vector<std::string>& effect) {
  std::string payload;
  put_varint(payload, 0);
  put_varint(payload, effect.size());
  for (auto& a : effect) put_string(payload, a);
  add_effects(std::move(payload));
}

// After a rollback to a savepoint: fresh copies of the keys that are still locked, and what is left of
// the effects run again.
void KeyspaceTxn::rebuild() {
  stale_ = false;
  thin_.clear();
  if (overlay_ == nullptr) return;
  overlay_->clear();
  own_.clear();
  for (auto& [db, key] : locks_) {
    import(db, key, nullptr);
    own_.insert({db, key});
  }
  overlay_->ks->replaying = true;
  for (auto& effects : effects_) {
    Reader r(effects);
    while (r.ok() && !r.empty()) {
      int db = static_cast<int>(r.varint());
      std::vector<std::string_view> argv(r.varint());
      for (auto& a : argv) a = r.string();
      if (!r.ok() || argv.empty() || argv[0] == kTableChange) continue;
      if (CommandSpec* spec = overlay_->ks->commands.find(argv)) overlay_->run(db, spec, argv);
    }
  }
  overlay_->ks->replaying = false;
  overlay_->out.clear();
}

// ---- keys ----

void KeyspaceTxn::lock_key(int db, std::string_view key, const storage::WaitOptions& wait, bool thin) {
  KeyId id{db, std::string(key)};
  if (own_.contains(id)) return;
  std::string tag = lock_tag(db, key);
  if (txn_.lock({storage::LockKind::kKey, tag}, storage::LockMode::kExclusive, wait) == storage::LockOutcome::kWouldBlock)
    throw Error(ErrorCode::kLockNotAvailable, fmt::format("could not obtain lock on Redis key \"{}\"", key));
  KeyspaceLatch latch(ks_.latch());
  // First updater wins: what changed after the snapshot cannot be changed again.
  if (txn_.isolation() != storage::Isolation::kReadCommitted &&
      !ks_.versions.at(db, key, txn_.statement_snapshot()->lsn()).current)
    conflict();
  ks_.key_locks.lock(db, key);
  locks_.push_back(id);
  txn_.on_abort([this, n = static_cast<uint32_t>(locks_.size() - 1)] { aborted_to(effects_.size(), n, events_.size()); });
  import(db, key, nullptr, thin);
  own_.insert(std::move(id));
}

// Puts a copy of the key as the snapshot sees it (null: as it is) into the overlay. False: there is none.
bool KeyspaceTxn::import(int db, std::string_view key, const storage::SnapshotPtr& snapshot, bool thin) {
  Database& mine = overlay_->ks->db(db);
  overlay_->ks->remove(mine, key);
  Object copy;
  int64_t expire = -1;
  Versions::Seen seen;
  if (snapshot != nullptr) seen = ks_.versions.at(db, key, snapshot->lsn());
  if (!seen.known) {
    if (txn_.isolation() != storage::Isolation::kReadCommitted) conflict();
    seen = {};
  }
  if (seen.base == nullptr) {
    Database& d = ks_.db(db);
    Entry* e = d.dict.find(key);
    if (e == nullptr || ks_.is_expired(d, e)) return false;
    if (e->value.enc() == Enc::kCold) ks_.load_value(d, e);
    expire = ks_.expire_of(d, e);
    if (thin && e->value.type() == Type::kStream) {
      const Stream& from = e->value.stream();
      copy = Object::new_stream();
      copy.stream().last_id = from.last_id;
      copy.stream().max_deleted = from.max_deleted;
      copy.stream().entries_added = from.entries_added;
      thin_.insert({db, std::string(key)});
    } else {
      copy = e->value.duplicate();
    }
  } else {
    if (seen.base->absent || (seen.base->expire_ms >= 0 && ks_.now_ms() > seen.base->expire_ms)) return false;
    expire = seen.base->expire_ms;
    copy = seen.base->value.duplicate();
  }
  auto truncate = [](Stream& s, const std::vector<std::string>& to) {
    StreamId last;
    parse_stream_id(to[2], &last, 0, true);
    std::vector<StreamId> gone;
    for (Stream::Iter it(s, {}, StreamId::max(), true); it.next() && it.id() > last;) gone.push_back(it.id());
    for (StreamId id : gone) s.erase(id);
    s.last_id = last;
    s.length = std::strtoull(to[3].c_str(), nullptr, 10);
    s.entries_added = std::strtoull(to[4].c_str(), nullptr, 10);
    s.refresh_first();
  };
  Entry* e = overlay_->ks->add(mine, key, std::move(copy));
  if (expire >= 0) overlay_->ks->set_expire(mine, e, expire);
  overlay_->ks->replaying = true;
  for (auto* undo : seen.undo) {
    e = mine.dict.find(key);
    if ((*undo)[0] == Versions::kTruncate) {
      if (e != nullptr && e->value.type() == Type::kStream) truncate(e->value.stream(), *undo);
      continue;
    }
    std::vector<std::string_view> argv(undo->begin(), undo->end());
    overlay_->run(db, overlay_->ks->commands.find(argv), argv);
  }
  overlay_->ks->replaying = false;
  overlay_->out.clear();
  return mine.dict.find(key) != nullptr;
}

// ---- commands ----

std::string KeyspaceTxn::run(int db, Argv argv, const storage::SnapshotPtr& snapshot, const storage::WaitOptions& wait, int resp) {
  if (argv.empty() || argv[0].empty()) throw Error(ErrorCode::kInvalidParameterValue, "a Redis command needs a name");
  if (db < 0 || db >= ks_.databases()) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("Redis database {} does not exist", db));
  std::unique_lock latch(ks_.latch());
  CommandSpec* spec = ks_.commands.find(argv);
  if (spec == nullptr || spec->handler == nullptr)
    throw Error(ErrorCode::kUndefinedFunction, fmt::format("Redis command \"{}\" does not exist", argv[0].substr(0, 128)));
  int argc = static_cast<int>(argv.size());
  if ((spec->arity > 0 && argc != spec->arity) || argc < -spec->arity)
    throw Error(ErrorCode::kInvalidParameterValue, fmt::format("wrong number of arguments for Redis command \"{}\"", spec->name));
  if (spec->group == "scripting" || spec->is(kCmdAdmin | kCmdPubsub | kCmdNoScript)) refuse(*spec, "Only commands on data can.");
  bool writes = spec->is(kCmdWrite);
  if (!writes && !spec->is(kCmdReadonly)) refuse(*spec, "Only commands on data can.");
  if (spec->name == "move") refuse(*spec, "It changes two databases.");
  std::vector<KeyRef> keys;
  if (!ks_.commands.keys_of(*spec, argv, &keys) || keys.empty()) refuse(*spec, "It names no key. The views of schema redis show all keys.");
  if (spec->name == "copy")
    for (size_t i = 3; i < argv.size(); ++i)
      if (iequals(argv[i], "db")) refuse(*spec, "It changes two databases.");
  for (auto& k : keys) {
    auto key = argv[static_cast<size_t>(k.index)];
    if (ks_.rows_active && ks_.rows->owns(db, key))
      throw Error(ErrorCode::kFeatureNotSupported, fmt::format("the Redis key \"{}\" is a row of table \"{}\"", key, ks_.rows->table_of(db, key)))
          .hint("Read and write the table instead.");
  }
  std::string refusal;
  if (writes && ks_.rows_active && ks_.row_use(db, *spec, argv, &refusal) == Keyspace::RowUse::kRefused)
    throw Error(ErrorCode::kObjectNotInPrerequisiteState, refusal);
  if (writes && txn_.read_only()) throw Error(ErrorCode::kReadOnlySqlTransaction, fmt::format("cannot execute Redis command {} in a read-only transaction", upper(spec->name)));

  ks_.refresh_time();
  if (stale_) rebuild();
  bool serializable = txn_.isolation() == storage::Isolation::kSerializable && !txn_.read_only();
  // Adding to a stream needs to know where it ends, not what is in it.
  bool thin = spec->name == "xadd" && argv.size() > 2 && (argv[2] == "*" || (argv[2][0] >= '0' && argv[2][0] <= '9'));
  if (!thin && !thin_.empty())
    for (auto& k : keys)
      if (thin_.contains({db, std::string(argv[static_cast<size_t>(k.index)])})) { rebuild(); break; }
  bool all_current = true, any_own = false;
  for (auto& k : keys) {
    std::string key(argv[static_cast<size_t>(k.index)]);
    any_own |= own_.contains({db, key});
    if (snapshot != nullptr) all_current &= ks_.versions.at(db, key, snapshot->lsn()).current;
  }
  std::string out;
  if (!writes && !serializable && !any_own && all_current) {
    // Nothing of it is ours or older: the keyspace itself answers.
    Session session(&out);
    session.fake = session.authenticated = session.deny_blocking = true;
    session.user = ks_.acl.default_user;
    session.db = db;
    session.reply.set_resp(resp);
    ks_.call(session, spec, argv, 0);
    return out;
  }
  if (overlay_ == nullptr) overlay_ = Overlay::borrow(ks_);
  spec = overlay_->ks->commands.find(argv);
  std::vector<std::string> borrowed;
  for (auto& k : keys) {
    std::string key(argv[static_cast<size_t>(k.index)]);
    if ((writes && (k.flags & kWrites)) || serializable) {
      latch.unlock();  // it may wait
      lock_key(db, key, wait, thin);
      latch.lock();
      if (stale_) rebuild();
    } else if (!own_.contains({db, key})) {
      import(db, key, snapshot);
      borrowed.push_back(std::move(key));
    }
  }
  overlay_->out.clear();
  overlay_->session->reply.set_resp(resp);
  overlay_->run(db, spec, argv);
  out.swap(overlay_->out);
  for (auto& key : borrowed) overlay_->ks->remove(overlay_->ks->db(db), key);
  std::string effects = overlay_->ks->take_effects();
  if (!effects.empty()) add_effects(std::move(effects));
  return out;
}

void KeyspaceTxn::scan(int db, const storage::SnapshotPtr& snapshot, const std::function<void(std::string_view, const Object&, int64_t)>& f) {
  if (db < 0 || db >= ks_.databases()) return;
  KeyspaceLatch latch(ks_.latch());
  ks_.refresh_time();
  if (stale_ || !thin_.empty()) rebuild();
  Database& d = ks_.db(db);
  storage::Lsn lsn = snapshot != nullptr ? snapshot->lsn() : storage::Lsn(-1) >> 1;
  if (snapshot != nullptr && txn_.isolation() != storage::Isolation::kReadCommitted && ks_.versions.database_changed_since(db, lsn)) conflict();
  std::set<std::string, std::less<>> changed;
  auto show = [&](std::string_view key, const Object& value, int64_t expire) {
    if (expire < 0 || ks_.now_ms() <= expire) f(key, value, expire);
  };
  if (snapshot != nullptr) {
    ks_.versions.for_each_changed(db, lsn, [&](std::string_view key, const Versions::Seen& seen) {
      if (!seen.known && txn_.isolation() == storage::Isolation::kReadCommitted) return;
      if (!seen.known) conflict();
      changed.emplace(key);
      if (own_.contains({db, std::string(key)})) return;
      if (seen.as_copied()) {
        if (!seen.base->absent) show(key, seen.base->value, seen.base->expire_ms);
        return;
      }
      if (overlay_ == nullptr) overlay_ = Overlay::borrow(ks_);
      if (!import(db, key, snapshot)) return;
      Database& mine = overlay_->ks->db(db);
      Entry* e = mine.dict.find(key);
      show(key, e->value, overlay_->ks->expire_of(mine, e));
      overlay_->ks->remove(mine, key);
    });
  }
  d.dict.for_each([&](Entry* e) {
    if (changed.contains(e->key()) || own_.contains({db, std::string(e->key())})) return;
    if (e->value.enc() == Enc::kCold) ks_.load_value(d, e);
    show(e->key(), e->value, ks_.expire_of(d, e));
  });
  if (overlay_ != nullptr) {
    Database& mine = overlay_->ks->db(db);
    mine.dict.for_each([&](Entry* e) {
      if (own_.contains({db, std::string(e->key())})) show(e->key(), e->value, overlay_->ks->expire_of(mine, e));
    });
  }
}

}  // namespace stele::keyspace
