#include "doors/qdrant/requests.h"

#include <boost/json.hpp>

#include <ctime>

namespace stele::qdrant {

std::string endpoint_of(const std::string& method, const std::vector<std::string>& path) {
  std::string out;
  for (size_t i = 0; i < path.size(); ++i) {
    const std::string before = i == 0 ? "" : path[i - 1];
    std::string part = path[i];
    if (before == "collections" && i == 1 && part != "aliases") part = "{name}";
    else if (before == "points" && method == "GET") part = "{id}";
    else if (before == "index") part = "{field_name}";
    else if (before == "shards" && part != "delete") part = "{shard_id}";
    else if (before == "snapshots" && part != "upload" && part != "recover") part = "{snapshot_name}";
    out += "/" + part;
  }
  return out.empty() ? "/" : out;
}

void RequestCounts::answered(const std::string& method, const std::vector<std::string>& path, int status, double seconds) {
  constexpr size_t kMost = 500;   // what clients make up does not fill memory
  std::lock_guard lock(mutex_);
  const auto key = std::pair(method, endpoint_of(method, path));
  if (counts_.size() >= kMost && !counts_.contains(key)) return;
  Durations& d = counts_[key][status];
  d.least = d.count == 0 ? seconds : std::min(d.least, seconds);
  d.most = std::max(d.most, seconds);
  d.total += seconds;
  ++d.count;
  d.last = std::chrono::system_clock::now();
}

json::object RequestCounts::telemetry() const {
  json::object out;
  std::lock_guard lock(mutex_);
  for (const auto& [key, by_status] : counts_) {
    json::object statuses;
    for (const auto& [status, d] : by_status) {
      const std::time_t t = std::chrono::system_clock::to_time_t(d.last);
      std::tm tm;
      gmtime_r(&t, &tm);
      char last[40];
      statuses[std::to_string(status)] = json::object{
          {"count", d.count}, {"avg_duration_micros", d.total * 1e6 / static_cast<double>(d.count)}, {"min_duration_micros", d.least * 1e6},
          {"max_duration_micros", d.most * 1e6}, {"total_duration_micros", static_cast<uint64_t>(d.total * 1e6)},
          {"last_responded", std::string(last, std::strftime(last, sizeof last, "%Y-%m-%dT%H:%M:%SZ", &tm))}};
    }
    out[key.first + " " + key.second] = std::move(statuses);
  }
  return out;
}

std::string RequestCounts::metrics() const {
  std::string out;
  std::lock_guard lock(mutex_);
  auto list = [&](const char* name, const char* help, const char* type, auto value) {
    if (counts_.empty()) return;
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
    for (const auto& [key, by_status] : counts_) {
      for (const auto& [status, d] : by_status) {
        std::string endpoint;   // as a label: unknown paths may hold anything
        for (const char c : key.second) {
          if (c == '"' || c == '\\') endpoint += '\\';
          endpoint += c == '\n' ? ' ' : c;
        }
        out += fmt::format("{}{{method=\"{}\",endpoint=\"{}\",status=\"{}\"}} {}\n", name, key.first, endpoint, status, value(d));
      }
    }
  };
  list("rest_responses_total", "total number of responses", "counter", [](const Durations& d) { return static_cast<double>(d.count); });
  list("rest_responses_avg_duration_seconds", "average response duration", "gauge", [](const Durations& d) { return d.total / static_cast<double>(d.count); });
  list("rest_responses_min_duration_seconds", "minimum response duration", "gauge", [](const Durations& d) { return d.least; });
  list("rest_responses_max_duration_seconds", "maximum response duration", "gauge", [](const Durations& d) { return d.most; });
  return out;
}

}  // namespace stele::qdrant
