// What changed, as logical records: a command with one key that replays to the same result, or the
// whole state of a key. They collect in effects_ until commit_round().
#include "base/codec.h"
#include "keyspace/keyspace.h"

namespace stele::keyspace {

void Keyspace::propagate(int db, Argv argv) {
  if (replaying || !commit_effects) return;
  put_varint(effects_, static_cast<uint64_t>(db));
  put_varint(effects_, argv.size());
  for (auto a : argv) put_string(effects_, a);
}
void Keyspace::propagate_delete(int db, std::string_view key) {
  std::string_view argv[] = {"DEL", key};
  propagate(db, argv);
}
void Keyspace::propagate_image(Database& d, std::string_view key) {
  if (replaying || !commit_effects) return;
  Entry* e = d.dict.find(key);
  if (e == nullptr) { propagate_delete(d.id, key); return; }
  if (e->value.enc() == Enc::kCold) load_value(d, e);
  std::string payload = dump_value(e->value);
  int64_t when = expire_of(d, e);
  std::string ttl = std::to_string(when < 0 ? 0 : when);
  std::string_view argv[] = {"RESTORE", key, ttl, payload, "REPLACE", "ABSTTL"};
  propagate(d.id, argv);
}
void Keyspace::finish_collected() {
  std::vector<std::pair<int, std::string>> keys;
  keys.swap(dirty_keys_round);
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  for (auto& [d, key] : keys) propagate_image(db(d), key);
}
uint64_t Keyspace::commit_before_command() {
  if (!commit_effects || command_effects_from_ == 0) return 0;
  std::string complete = effects_.substr(0, command_effects_from_);
  effects_.erase(0, command_effects_from_);
  command_effects_from_ = 0;
  std::unique_lock order(commit_order_);
  return commit_effects(std::move(complete), nullptr);  // pre-images wait for the round
}
uint64_t Keyspace::commit_round() {
  if (!commit_effects) return 0;
  std::string effects;
  Stamp stamp;
  std::unique_lock order(commit_order_, std::defer_lock);
  {
    std::lock_guard lock(latch_);
    if (effects_.empty()) return 0;
    effects.swap(effects_);
    stamp = versions.seal();
    command_effects_from_ = 0;
    order.lock();
  }
  return commit_effects(std::move(effects), std::move(stamp));
}

}  // namespace stele::keyspace
