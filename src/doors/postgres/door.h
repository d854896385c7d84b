// The PostgreSQL door: protocol 3 over TCP (and TLS). Reactor threads watch sockets and run what
// cannot block; everything else moves with its session to a worker thread until the session is idle.
//
// start() and stop() belong to the thread that made the door.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "sql/session.h"
#include "storage/log.h"

namespace stele::doors::postgres {

struct DoorOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 5432;             // 0: any free one
  int reactors = 0;                 // 0: one a core
  int max_connections = 500;
  bool require_password = false;    // SCRAM-SHA-256; otherwise everyone is trusted
  bool require_tls = false;
  std::string tls_certificate, tls_key;  // PEM files; both empty: TLS is refused
  // Replies wait for it; null: everything counts as durable (tests).
  storage::Log* log = nullptr;
};

class Door {
 public:
  // Throws Error when the address cannot be bound or the TLS files cannot be read.
  static std::unique_ptr<Door> start(sql::Database& database, const DoorOptions& options);
  virtual ~Door() = default;
  virtual uint16_t port() const = 0;
  virtual int connections() const = 0;
  // Stops accepting, tells every client that the server shuts down, ends all sessions.
  virtual void stop() = 0;
};

}  // namespace stele::doors::postgres
