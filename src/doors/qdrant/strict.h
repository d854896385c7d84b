// Strict mode: the limits of a collection's `strict_mode_config`, asked before a request is carried out. All of it does
// nothing while it is not enabled. What is over a limit is refused with 400, what comes too fast with 429.
#pragma once

#include <optional>
#include <string_view>

#include "base/http_server.h"
#include "doors/qdrant/engine.h"

namespace stele::qdrant {

class Strict {
 public:
  explicit Strict(const Handle& h);
  // A read or write of so many operations, for rate limits.
  void read(uint64_t operations = 1) const { rate("read_rate_limit", "Read", operations); }
  void write(uint64_t operations = 1) const { rate("write_rate_limit", "Write", operations); }
  // `key` of the configuration against a parameter of the request.
  void limit(const char* key, std::optional<uint64_t> value, std::string_view name) const;
  void timeout(const HttpRequest& http) const;                // asked for by a client
  void filter(const json::object& body, bool update) const;   // its "filter", if any
  void search(const json::object& body) const;                // limit, params, filter; prefetches too
  void upsert(uint64_t points, const std::vector<PointWrite>& writes) const;

 private:
  const json::value* setting(const char* key) const;
  void rate(const char* key, const char* what, uint64_t operations) const;
  void conditions(const json::value& filter, const std::string& prefix, bool indexed, uint64_t* count) const;
  void need_index(const std::string& key, const json::object& condition) const;

  const Handle& handle_;
  const json::object* config_ = nullptr;   // null: not enabled
};

}  // namespace stele::qdrant
