// The Redis door: RESP over TCP and Unix sockets. Parses requests, hands them to the keyspace, sends
// the replies of a round after its effects are committed. With appendfsync always replies are held until the log
// is durable up to the newest change of any key, without stopping anybody: one sync serves all who wait.
//
// Threads: the door runs on the reactor it is given; listen() before the reactor starts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/reactor.h"
#include "keyspace/keyspace.h"
#include "storage/log.h"

namespace stele::doors::redis {

struct Options {
  storage::Log* log = nullptr;  // what promises durability; null: nothing does. Outlives the door's reactor
};

class RedisDoor {
 public:
  RedisDoor(keyspace::Keyspace& keyspace, Reactor& reactor, Options options);
  ~RedisDoor();
  RedisDoor(const RedisDoor&) = delete;
  RedisDoor& operator=(const RedisDoor&) = delete;
  // Returns the bound port.
  uint16_t listen(const std::string& address, uint16_t port);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stele::doors::redis
