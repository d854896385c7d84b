// What the service says of itself.
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
}  // namespace

json::value telemetry(Engine& engine, const char* version) {
  json::array collections;
  for (const std::string& name : engine.list()) {
    try {
      const Handle h = engine.open(name);
      collections.push_back(json::object{{"vectors", h.data->vectors()}, {"optimizers_status", "ok"}, {"params", h.config.at("params")}});
    } catch (const ApiError&) {
      // Dropped meanwhile.
    }
  }
  const json::object none{{"responses", json::object()}};
  return json::object{{"id", "stele"},
                      {"app", json::object{{"name", "qdrant"}, {"version", version}, {"startup", kStarted}}},
                      {"collections", json::object{{"number_of_collections", collections.size()}, {"collections", std::move(collections)}}},
                      {"cluster", json::object{{"enabled", false}}},
                      {"requests", json::object{{"rest", none}, {"grpc", none}}}};
}

std::string metrics_text(Engine& engine, const char* version) {
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
  return fmt::format(
      "# HELP app_info information about qdrant server\n# TYPE app_info gauge\napp_info{{name=\"qdrant\",version=\"{}\"}} 1\n"
      "# HELP app_status_recovery_mode is currently in recovery mode\n# TYPE app_status_recovery_mode gauge\napp_status_recovery_mode 0\n"
      "# HELP collections_total number of collections\n# TYPE collections_total gauge\ncollections_total {}\n"
      "# HELP collections_vector_total total number of vectors in all collections\n# TYPE collections_vector_total gauge\n"
      "collections_vector_total {}\n"
      "# HELP collection_points approximate amount of points per collection\n# TYPE collection_points gauge\n{}",
      version, names.size(), vectors_total, points);
}

}  // namespace stele::qdrant
