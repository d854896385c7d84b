// Counts of the requests that the door has answered, for telemetry and metrics. Any thread.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace stele::qdrant {

class RequestCounts {
 public:
  void answered(const std::string& method, const std::vector<std::string>& path, int status, double seconds);
  // {"GET /collections/{name}": {"200": {"count": ..., "avg_duration_micros": ...}}}
  json::object telemetry() const;
  // Prometheus lines.
  std::string metrics() const;

 private:
  struct Durations {
    uint64_t count = 0;
    double total = 0, least = 0, most = 0;   // seconds
    std::chrono::system_clock::time_point last;
  };
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::map<int, Durations>> counts_;   // by method and endpoint, status
};

// The path with its variable parts named: "/collections/{name}/points/{id}".
std::string endpoint_of(const std::string& method, const std::vector<std::string>& path);

}  // namespace stele::qdrant
