// The Redis door: RESP over TCP and Unix sockets. Parses requests, hands them to the keyspace, sends
// the replies of a round after its effects are committed (and durable, when appendfsync is always).
//
// Threads: the door runs on the reactor it is given; listen() before the reactor starts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/reactor.h"
#include "keyspace/keyspace.h"

namespace stele::doors::redis {

struct Options {
  std::function<void(uint64_t lsn)> wait_durable;  // blocks until the log is durable up to lsn
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
