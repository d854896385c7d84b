#include "keyspace/transaction.h"

#include "base/codec.h"

namespace stele::keyspace {

KeyspaceTxn& KeyspaceTxn::of(DurableKeyspace& durable, storage::Transaction& txn) {
  thread_local std::map<storage::OwnerId, std::shared_ptr<KeyspaceTxn>> open;
  auto& slot = open[txn.id()];
  if (slot == nullptr) {
    slot = std::shared_ptr<KeyspaceTxn>(new KeyspaceTxn(durable, txn));
    auto id = txn.id();
    auto keep = slot;
    txn.on_published([id, keep](storage::Lsn) { open.erase(id); });
    txn.on_abort([id, keep] { open.erase(id); });
  }
  return *slot;
}

KeyspaceTxn::Own* KeyspaceTxn::own(int db, std::string_view key) {
  auto it = own_.find({db, std::string(key)});
  return it == own_.end() ? nullptr : &it->second;
}
KeyspaceTxn::Own& KeyspaceTxn::touch(int db, std::string_view key) { return own_[{db, std::string(key)}]; }

void KeyspaceTxn::add_effect(int db, const std::vector<std::string>& argv) {
  std::string payload;
  put_varint(payload, static_cast<uint64_t>(db));
  put_varint(payload, argv.size());
  for (auto& a : argv) put_string(payload, a);
  txn_.append_section(storage::ParticipantId::kKeyspace, payload);
  // Registered with every effect: rolling back to a savepoint drops the hooks made since.
  txn_.before_commit([this] {
    if (!locked_) durable_.lock_for_commit();
    locked_ = true;
  });
  auto unlock = [this] {
    if (locked_) durable_.unlock_after_commit();
    locked_ = false;
  };
  txn_.on_published([unlock](storage::Lsn) { unlock(); });
  txn_.on_abort(unlock);
}

std::optional<std::string> KeyspaceTxn::get(int db, std::string_view key) {
  if (Own* o = own(db, key); o != nullptr && (o->deleted || o->value)) return o->value;
  Keyspace& ks = durable_.keyspace();
  KeyspaceLatch latch(ks.latch());
  ks.refresh_time();
  Entry* e = ks.lookup_read(ks.db(db), key);
  if (e == nullptr) return std::nullopt;
  if (e->value.type() != Type::kString) throw Error(ErrorCode::kRedisWrongType, "Operation against a key holding the wrong kind of value");
  char buf[24];
  return std::string(e->value.text(buf));
}
void KeyspaceTxn::set(int db, std::string_view key, std::string_view value, int64_t ttl_ms) {
  std::vector<std::string> argv{"SET", std::string(key), std::string(value)};
  if (ttl_ms > 0) {
    argv.push_back("PXAT");
    argv.push_back(std::to_string(durable_.keyspace().now_us() / 1000 + ttl_ms));
  }
  add_effect(db, argv);
  Own& o = touch(db, key);
  o = {};
  o.deleted = true;
  o.value = std::string(value);
}
bool KeyspaceTxn::exists(int db, std::string_view key) {
  if (Own* o = own(db, key)) {
    if (o->value || !o->fields.empty()) return true;
    if (o->deleted) return false;
  }
  Keyspace& ks = durable_.keyspace();
  KeyspaceLatch latch(ks.latch());
  ks.refresh_time();
  return ks.lookup_read(ks.db(db), key) != nullptr;
}
bool KeyspaceTxn::del(int db, std::string_view key) {
  bool there = exists(db, key);
  add_effect(db, {"DEL", std::string(key)});
  Own& o = touch(db, key);
  o = {};
  o.deleted = true;
  return there;
}
std::optional<std::string> KeyspaceTxn::hget(int db, std::string_view key, std::string_view field) {
  if (Own* o = own(db, key)) {
    auto it = o->fields.find(field);
    if (it != o->fields.end()) return it->second;
    if (o->deleted) return std::nullopt;
  }
  Keyspace& ks = durable_.keyspace();
  KeyspaceLatch latch(ks.latch());
  ks.refresh_time();
  Entry* e = ks.lookup_read(ks.db(db), key);
  if (e == nullptr) return std::nullopt;
  if (e->value.type() != Type::kHash) throw Error(ErrorCode::kRedisWrongType, "Operation against a key holding the wrong kind of value");
  char buf[24];
  std::string_view v;
  if (!hash_get(e->value, field, buf, &v)) return std::nullopt;
  return std::string(v);
}
void KeyspaceTxn::hset(int db, std::string_view key, std::string_view field, std::string_view value) {
  add_effect(db, {"HSET", std::string(key), std::string(field), std::string(value)});
  touch(db, key).fields[std::string(field)] = value;
}
std::string KeyspaceTxn::write(int db, std::vector<std::string> argv) {
  std::string result;
  if (argv.size() > 2 && iequals(argv[0], "XADD") && argv[2] == "*") {
    Keyspace& ks = durable_.keyspace();
    StreamId id{static_cast<uint64_t>(ks.now_us() / 1000), 0};
    auto& last = last_ids_[{db, argv[1]}];
    {
      KeyspaceLatch latch(ks.latch());
      Entry* e = ks.lookup_read(ks.db(db), argv[1]);
      if (e != nullptr && e->value.type() == Type::kStream) last = std::max(last, e->value.stream().last_id);
    }
    if (id <= last) { id = last; id.increment(); }
    last = id;
    argv[2] = result = id.str();
  }
  add_effect(db, argv);
  return result;
}

void KeyspaceTxn::scan(Keyspace& ks, int db, const std::function<void(const Row&)>& f) {
  std::vector<Row> rows;
  {
    KeyspaceLatch latch(ks.latch());
    ks.refresh_time();
    Database& d = ks.db(db);
    d.dict.for_each([&](Entry* e) {
      if (ks.is_expired(d, e)) return;
      Row r{std::string(e->key()), type_name(e->value.type()), ks.expire_of(d, e), {}};
      char buf[24];
      if (e->value.enc() == Enc::kCold) ks.load_value(d, e);
      r.value = e->value.type() == Type::kString ? std::string(e->value.text(buf)) : dump_value(e->value);
      rows.push_back(std::move(r));
    });
  }
  for (auto& r : rows) f(r);
}

}  // namespace stele::keyspace
