// The Qdrant door: REST on 6333 for Qdrant's own clients.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "segments/vectors/vector_store.h"
#include "sql/session.h"

namespace stele::qdrant {

class QdrantDoor {
 public:
  struct Options {
    std::string address = "127.0.0.1";
    uint16_t port = 6333;             // 0: any free one
    std::string api_key;              // empty: none asked
    std::string read_only_api_key;    // good for what changes nothing
    std::string snapshots;            // folder; empty: no snapshots
    std::string tls_certificate, tls_key;
    uint64_t max_body_bytes = 64ull << 20;
  };
  // Listens from now on. Throws when the port is taken.
  QdrantDoor(sql::Database& database, segments::vectors::VectorStore& store, const Options& options);
  ~QdrantDoor();
  uint16_t port() const;
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stele::qdrant
