// What the service says of itself.
#include <unistd.h>

#include <ctime>
#include <fstream>

#include "base/clock.h"
#include "doors/qdrant/handlers.h"

namespace stele::qdrant {

namespace {
std::string started_at() {
  const std::time_t now = std::time(nullptr);
  std::tm tm;
  gmtime_r(&now, &tm);
  char buffer[40];
  return {buffer, std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%SZ", &tm)};
}
const std::string kStarted = started_at();
// Of this run of the server.
const std::string& instance_id() {
  static const std::string id = [] {
    std::string hex;
    for (int i = 0; i < 2; ++i) hex += fmt::format("{:016x}", secure_random());
    return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4), hex.substr(16, 4), hex.substr(20));
  }();
  return id;
}

uint64_t vector_bytes(const Handle& h) {
  uint64_t bytes = 0;
  for (const auto& [name, field] : h.data->fields()) bytes += field->live() * field->params().dimensions * sizeof(float);
  return bytes;
}
json::object described(const Handle& h, uint64_t level) {
  const bool waiting = h.data->waiting() > 0;
  if (level < 2) return {{"vectors", h.data->vectors()}, {"optimizers_status", "ok"}, {"params", h.config.at("params")}};
  json::object config;
  for (const char* name : {"params", "hnsw_config", "optimizer_config", "wal_config", "quantization_config", "strict_mode_config"}) {
    if (const json::value* v = h.config.if_contains(name)) config[name] = *v;
  }
  json::object local{{"variant_name", nullptr}, {"status", waiting ? "yellow" : "green"}, {"total_optimized_points", h.data->indexed()},
                     {"vectors_size_bytes", vector_bytes(h)}, {"num_points", h.data->count()}, {"num_vectors", h.data->vectors()},
                     {"optimizations", json::object{{"status", "ok"}, {"optimizations", json::object{{"count", 0}}}, {"log", json::array()}}}};
  json::object shard{{"id", 0}, {"local", std::move(local)}, {"remote", json::array()}, {"replicate_states", json::object{{"0", "Active"}}}};
  return {{"id", h.name}, {"init_time_ms", 0}, {"config", std::move(config)}, {"shards", json::array{std::move(shard)}},
          {"transfers", json::array()}, {"resharding", json::array()}};
}
}  // namespace

json::value telemetry(Engine& engine, const char* version, const RequestCounts& counts, uint64_t level) {
  const auto names = engine.list();
  json::object collections{{"number_of_collections", names.size()}};
  if (level > 0) {
    json::array list;
    for (const std::string& name : names) {
      try {
        list.push_back(described(engine.open(name), level));
      } catch (const ApiError&) {
        // Dropped meanwhile.
      }
    }
    collections["collections"] = std::move(list);
  }
  json::object app{{"name", "qdrant"}, {"version", version}, {"startup", kStarted}};
  if (level > 0) {
    app["system"] = json::object{{"distribution", nullptr}, {"distribution_version", nullptr}, {"is_docker", ::access("/.dockerenv", F_OK) == 0},
                                 {"cores", ::sysconf(_SC_NPROCESSORS_ONLN)},
                                 {"ram_size", ::sysconf(_SC_PHYS_PAGES) / 1024 * ::sysconf(_SC_PAGESIZE)}, {"cpu_flags", ""}};
  }
  return json::object{{"id", instance_id()}, {"app", std::move(app)}, {"collections", std::move(collections)},
                      {"cluster", json::object{{"enabled", false}}},
                      {"requests", json::object{{"rest", json::object{{"responses", counts.telemetry()}}},
                                                {"grpc", json::object{{"responses", json::object()}}}}}};
}

std::string metrics_text(Engine& engine, const char* version, const RequestCounts& counts) {
  const auto names = engine.list();
  std::string points;
  uint64_t vectors_total = 0;
  for (const auto& name : names) {
    try {
      const Handle h = engine.open(name);
      vectors_total += h.data->vectors();
      points += fmt::format("collection_points{{id=\"{}\"}} {}\n", name, h.data->count());
    } catch (const ApiError&) {
      // Dropped meanwhile.
    }
  }
  uint64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return fmt::format(
             "# HELP app_info information about qdrant server\n# TYPE app_info gauge\napp_info{{name=\"qdrant\",version=\"{}\"}} 1\n"
             "# HELP app_status_recovery_mode is currently in recovery mode\n# TYPE app_status_recovery_mode gauge\napp_status_recovery_mode 0\n"
             "# HELP collections_total number of collections\n# TYPE collections_total gauge\ncollections_total {}\n"
             "# HELP collections_vector_total total number of vectors in all collections\n# TYPE collections_vector_total gauge\n"
             "collections_vector_total {}\n"
             "# HELP collection_points approximate amount of points per collection\n# TYPE collection_points gauge\n{}"
             "# HELP cluster_enabled is cluster support enabled\n# TYPE cluster_enabled gauge\ncluster_enabled 0\n"
             "# HELP memory_resident_bytes Maximum number of bytes in physically resident data pages mapped\n# TYPE memory_resident_bytes gauge\n"
             "memory_resident_bytes {}\n",
             version, names.size(), vectors_total, points, resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE))) +
         counts.metrics();
}

}  // namespace stele::qdrant
