// One function an API family. Each takes the parsed request and returns the "result" member of the answer.
#pragma once

#include "base/http_server.h"
#include "doors/qdrant/engine.h"
#include "doors/qdrant/requests.h"
#include "segments/vectors/payload.h"

namespace stele::qdrant {

struct Request {
  const HttpRequest& http;
  json::value body;                      // null when there was none
  std::string collection;                // {name} of the path
  std::vector<std::string> rest;         // path below /collections/{name}/
  bool wait() const {
    const std::string* w = http.param("wait");
    return w != nullptr && *w == "true";
  }
};

// collections.cc
json::value list_collections(Engine& engine);
json::value create_collection(Engine& engine, const Request& r);
json::value update_collection(Engine& engine, const Request& r);
json::value collection_info(Engine& engine, const Request& r);
json::value create_index(Engine& engine, const Request& r);
json::value delete_index(Engine& engine, const Request& r);
json::value cluster_info(Engine& engine, const Request& r);
json::value list_aliases(Engine& engine, const std::string& collection);

// snapshots.cc: of one collection (`part`: its shard), or of all for an empty name; `rest`: the path below "snapshots". nullopt: the
// answer is in `raw`.
std::optional<json::value> snapshots(Engine& engine, const Request& r, const std::string& collection, const std::string& part,
                                     const std::vector<std::string>& rest, HttpResponse* raw);

// service.cc
// `level`: 0 numbers alone, 1 a summary of each collection, 2 and above all of it.
json::value telemetry(Engine& engine, const char* version, const RequestCounts& counts, uint64_t level);
std::string metrics_text(Engine& engine, const char* version, const RequestCounts& counts);

// writes.cc
PointWrite whole_point(const Handle& h, const json::object& point);   // {"id", "vector", "payload"} as it is upserted
json::value upsert_points(Engine& engine, const Request& r);
json::value delete_points(Engine& engine, const Request& r);
json::value update_vectors(Engine& engine, const Request& r);
json::value delete_vectors(Engine& engine, const Request& r);
json::value set_point_payload(Engine& engine, const Request& r, bool overwrite);
json::value delete_payload(Engine& engine, const Request& r);
json::value clear_payload(Engine& engine, const Request& r);
json::value batch_update(Engine& engine, const Request& r);

// reads.cc
json::value get_point(Engine& engine, const Request& r, const std::string& id);
json::value retrieve_points(Engine& engine, const Request& r);
json::value scroll_points(Engine& engine, const Request& r);
json::value count_points(Engine& engine, const Request& r);
json::value facet(Engine& engine, const Request& r);

// Refuses to order by a field without an index of ranges.
void need_range_index(const Handle& h, const std::string& key);

// Which parts of a point an answer shows.
struct Shape {
  bool payload = true;
  std::vector<vectors::PayloadPath> include, exclude;
  bool vector = false;
  std::vector<std::string> vector_names;   // with `vector`: only these, all when empty
};
Shape parse_shape(const Handle& h, const json::object& body, bool payload_default);
json::object render_point(const Handle& h, const vectors::Collection::Found& p, const Shape& shape, Lsn lsn);
vectors::FilterPtr parse_filter(const Handle& h, const json::object& body);

// search.cc: the old search endpoints, rewritten to the universal query
json::value search(Engine& engine, const Request& r);
json::value search_batch(Engine& engine, const Request& r);
json::value search_groups(Engine& engine, const Request& r);
json::value recommend(Engine& engine, const Request& r);
json::value recommend_batch(Engine& engine, const Request& r);
json::value recommend_groups(Engine& engine, const Request& r);
json::value discover(Engine& engine, const Request& r);
json::value discover_batch(Engine& engine, const Request& r);
json::value query(Engine& engine, const Request& r);
json::value query_batch(Engine& engine, const Request& r);
json::value query_groups(Engine& engine, const Request& r);
json::value search_matrix(Engine& engine, const Request& r, bool offsets);

}  // namespace stele::qdrant
