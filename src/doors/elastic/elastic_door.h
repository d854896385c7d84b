// The Elasticsearch door: documents, indices, search and aggregations over HTTP. It owns no data: an index
// is a relation (_id, _source, ...) with a search side, or an SQL table with a search index.
//
// Threads: handlers run on the HTTP server's threads, many at once; each request uses its own transactions.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "sql/session.h"

namespace stele::elastic {

class ElasticDoor {
 public:
  struct Options {
    std::string address = "127.0.0.1";
    uint16_t port = 9200;
    std::string cluster_name = "stele", node_name = "stele-1";
    uint64_t max_body_bytes = 100ull << 20;
    std::string tls_certificate, tls_key;
    // Checks "Basic ..." or "ApiKey ..." credentials; empty: everyone may enter.
    std::function<bool(const std::string& authorization)> authenticate;
  };
  // The database's engine has segments. Listens until destroyed.
  ElasticDoor(sql::Database& database, const Options& options);
  ~ElasticDoor();
  uint16_t port() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stele::elastic
