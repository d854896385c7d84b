// Redis keys inside an SQL transaction: writes join its commit as keyspace effects, reads see its own
// writes over the committed keyspace.
//
// One object per transaction, used by its thread. The keyspace's latch is held from just before the
// commit enters the log until it is published, so no reader of either door sees half of it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keyspace/durable.h"
#include "storage/store.h"

namespace stele::keyspace {

class KeyspaceTxn {
 public:
  // The one of this transaction, made at first use.
  static KeyspaceTxn& of(DurableKeyspace& durable, storage::Transaction& txn);

  std::optional<std::string> get(int db, std::string_view key);
  void set(int db, std::string_view key, std::string_view value, int64_t ttl_ms = 0);
  bool del(int db, std::string_view key);
  bool exists(int db, std::string_view key);
  std::optional<std::string> hget(int db, std::string_view key, std::string_view field);
  void hset(int db, std::string_view key, std::string_view field, std::string_view value);
  // Any other single-key write, logged as it stands: {"XADD", key, "*", "f", "v"}. The identifier of
  // XADD must be explicit, or "*" which is resolved here and returned.
  std::string write(int db, std::vector<std::string> argv);

  // A row of redis.dbN.
  struct Row { std::string key; const char* type; int64_t expire_ms; std::string value; };
  static void scan(Keyspace& ks, int db, const std::function<void(const Row&)>& f);

 private:
  KeyspaceTxn(DurableKeyspace& durable, storage::Transaction& txn) : durable_(durable), txn_(txn) {}
  void add_effect(int db, const std::vector<std::string>& argv);
  struct Own {
    bool deleted = false;                              // hides what is committed
    std::optional<std::string> value;
    std::map<std::string, std::string, std::less<>> fields;
  };
  Own* own(int db, std::string_view key);
  Own& touch(int db, std::string_view key);
  DurableKeyspace& durable_;
  storage::Transaction& txn_;
  std::map<std::pair<int, std::string>, Own> own_;
  std::map<std::pair<int, std::string>, StreamId> last_ids_;
  bool locked_ = false;
};

}  // namespace stele::keyspace
