// Keys that an open SQL transaction has written: other doors' commands that would write them wait, as
// clients, until it ends. Everything with the keyspace's latch held.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace stele::keyspace {

class Keyspace;

class KeyLocks {
 public:
  bool empty() const { return held_.empty(); }
  bool held(int db, std::string_view key) const { return !held_.empty() && held_.contains(id_of(db, key)); }
  bool any_in(int db) const;
  void lock(int db, std::string_view key) { held_.try_emplace(id_of(db, key)); }
  // Wakes the clients that wait for it.
  void unlock(Keyspace& ks, int db, std::string_view key);
  // The session goes on when the key is free; with an empty key, when any key is.
  void wait(int db, std::string_view key, uint64_t session_id);

 private:
  static std::string id_of(int db, std::string_view key) {
    std::string s(1, static_cast<char>(db));
    s += key;
    return s;
  }
  std::unordered_map<std::string, std::vector<uint64_t>> held_;   // with the sessions that wait
};

}  // namespace stele::keyspace
