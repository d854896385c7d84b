#include "doors/qdrant/qdrant_door.h"

#include "doors/qdrant/handlers.h"

namespace stele::qdrant {

namespace {
// The version whose API this door follows; clients compare it with their own.
constexpr const char* kApiVersion = "1.15.0";

std::string error_body(std::string_view message, double seconds) {
  return json::serialize(json::object{{"status", json::object{{"error", json::string_view(message.data(), message.size())}}}, {"time", seconds}});
}
}  // namespace

struct QdrantDoor::Impl {
  Impl(sql::Database& database, vectors::VectorStore& store, Options o) : options(std::move(o)), engine(database, store) {}
  Options options;
  Engine engine;
  std::unique_ptr<HttpServer> server;

  HttpResponse handle(const HttpRequest& http);
  HttpResponse plain(const HttpRequest& http, const std::vector<std::string>& path, bool* handled);
  json::value route(const HttpRequest& http, const std::vector<std::string>& path);
  json::value route_points(Request& r);
};

HttpResponse QdrantDoor::Impl::handle(const HttpRequest& http) {
  const auto started = std::chrono::steady_clock::now();
  auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count(); };
  HttpResponse response;
  const std::vector<std::string> path = split_path(http.path);
  auto fail = [&](int status, std::string_view message) {
    response.status = status;
    response.body = error_body(message, elapsed());
  };
  try {
    bool handled = false;
    HttpResponse direct = plain(http, path, &handled);
    if (handled) return direct;
    if (!options.api_key.empty()) {
      std::string_view bearer = http.header("authorization");
      if (bearer.starts_with("Bearer ")) bearer.remove_prefix(7);
      if (http.header("api-key") != options.api_key && bearer != options.api_key) {
        response.status = 401;
        response.content_type = "text/plain";
        response.body = "Must provide an API key or an Authorization bearer token";
        return response;
      }
    }
    json::value result = route(http, path);
    response.body = json::serialize(json::object{{"result", std::move(result)}, {"status", "ok"}, {"time", elapsed()}});
  } catch (const ApiError& e) {
    fail(e.status(), e.message());
  } catch (const Error& e) {
    switch (e.code()) {
      case ErrorCode::kParsing: fail(400, "Format error in JSON body: " + e.message()); break;
      case ErrorCode::kDuplicateTable: fail(409, "Wrong input: " + e.message()); break;
      case ErrorCode::kUndefinedTable: fail(404, "Not found: " + e.message()); break;
      case ErrorCode::kInternalError: fail(500, "Service internal error: " + e.message()); break;
      default: fail(400, "Wrong input: " + e.message() + (e.detail().empty() ? "" : " (" + e.detail() + ")"));
    }
  } catch (const boost::system::system_error& e) {
    fail(400, std::string("Format error in JSON body: ") + e.what());
  } catch (const std::bad_alloc&) {
    fail(500, "Service internal error: out of memory");
  } catch (const std::exception& e) {
    fail(500, std::string("Service internal error: ") + e.what());
  }
  return response;
}

// Answers that are no {"result": ...}: health, metrics, the greeting.
HttpResponse QdrantDoor::Impl::plain(const HttpRequest& http, const std::vector<std::string>& path, bool* handled) {
  HttpResponse r;
  *handled = true;
  if (http.method == "GET" || http.method == "HEAD") {
    if (path.empty()) {
      r.body = json::serialize(json::object{{"title", "qdrant - vector search engine"}, {"version", kApiVersion}, {"commit", "stele"}});
      return r;
    }
    if (path.size() == 1 && (path[0] == "healthz" || path[0] == "livez" || path[0] == "readyz")) {
      r.content_type = "text/plain";
      r.body = path[0] == "readyz" ? "all shards are ready" : path[0] + " check passed";
      return r;
    }
    if (path.size() == 1 && path[0] == "metrics" && options.api_key.empty()) {
      r.content_type = "text/plain; version=0.0.4";
      r.body = metrics_text(engine);
      return r;
    }
  }
  *handled = false;
  return r;
}

json::value QdrantDoor::Impl::route(const HttpRequest& http, const std::vector<std::string>& path) {
  const std::string& method = http.method;
  if (path.empty()) throw ApiError(404, "Not found: no such endpoint");
  if (path[0] == "telemetry" && method == "GET") {
    return json::object{{"id", "stele"}, {"app", json::object{{"name", "qdrant"}, {"version", kApiVersion}}},
                        {"collections", json::object{{"number_of_collections", engine.list().size()}}}};
  }
  if (path[0] == "cluster" && method == "GET") return json::object{{"status", "disabled"}};
  if (path[0] == "issues" && method == "GET") return json::object{{"issues", json::array()}};
  if (path[0] == "issues" && method == "DELETE") return true;
  if (path[0] == "locks" && method == "GET") return json::object{{"error_message", nullptr}, {"write", false}};
  if (path[0] == "aliases" && method == "GET") return list_aliases(engine, "");
  if (path[0] == "snapshots" && method == "GET") return json::array();
  if (path[0] != "collections") throw ApiError(404, "Not found: no such endpoint");

  Request r{http, nullptr, path.size() > 1 ? path[1] : "", {}};
  if (path.size() > 2) r.rest.assign(path.begin() + 2, path.end());
  if (!http.body.empty()) {
    json::parse_options limits;
    limits.max_depth = 128;
    boost::system::error_code ec;
    r.body = json::parse(http.body, ec, {}, limits);
    if (ec) bad_format(ec.message());
  }
  if (path.size() == 1) {
    if (method == "GET") return list_collections(engine);
  } else if (r.collection == "aliases" && path.size() == 2 && method == "POST") {
    engine.change_aliases(as_array(required(as_object(r.body, "body"), "actions"), "actions"));
    return true;
  } else if (r.rest.empty()) {
    if (method == "GET") return collection_info(engine, r);
    if (method == "PUT") return create_collection(engine, r);
    if (method == "PATCH") return update_collection(engine, r);
    if (method == "DELETE") return engine.drop(r.collection);
  } else {
    const std::string& what = r.rest[0];
    if (what == "exists" && method == "GET") return json::object{{"exists", engine.exists(r.collection)}};
    if (what == "aliases" && method == "GET") return list_aliases(engine, r.collection);
    if (what == "index" && method == "PUT") return create_index(engine, r);
    if (what == "index" && method == "DELETE" && r.rest.size() == 2) return delete_index(engine, r);
    if (what == "facet" && method == "POST") return facet(engine, r);
    if (what == "cluster") {
      const Handle h = engine.open(r.collection);
      if (method == "POST") return true;
      return json::object{{"peer_id", 0}, {"shard_count", 1},
                          {"local_shards", json::array{json::object{{"shard_id", 0}, {"points_count", h.data->count()}, {"state", "Active"}}}},
                          {"remote_shards", json::array()}, {"shard_transfers", json::array()}};
    }
    if (what == "snapshots" && method == "GET") {
      engine.open(r.collection);
      return json::array();
    }
    if (what == "points") return route_points(r);
  }
  throw ApiError(404, "Not found: no such endpoint");
}

json::value QdrantDoor::Impl::route_points(Request& r) {
  const std::string& method = r.http.method;
  std::string what;
  for (size_t i = 1; i < r.rest.size(); ++i) what += (i == 1 ? "" : "/") + r.rest[i];
  if (method == "PUT" || method == "POST") {
    if (what.empty()) return method == "PUT" ? upsert_points(engine, r) : retrieve_points(engine, r);
    if (what == "vectors" && method == "PUT") return update_vectors(engine, r);
    if (what == "payload") return set_point_payload(engine, r, method == "PUT");
  }
  if (method == "POST") {
    using Handler = json::value (*)(Engine&, const Request&);
    static const std::unordered_map<std::string_view, Handler> kHandlers = {
        {"delete", delete_points}, {"vectors/delete", delete_vectors}, {"payload/delete", delete_payload},
        {"payload/clear", clear_payload}, {"batch", batch_update}, {"scroll", scroll_points}, {"count", count_points},
        {"search", search}, {"search/batch", search_batch}, {"search/groups", search_groups},
        {"recommend", recommend}, {"recommend/batch", recommend_batch}, {"recommend/groups", recommend_groups},
        {"discover", discover}, {"discover/batch", discover_batch}, {"query", query}, {"query/batch", query_batch},
        {"query/groups", query_groups}};
    auto it = kHandlers.find(what);
    if (it != kHandlers.end()) return it->second(engine, r);
    if (what == "search/matrix/pairs") return search_matrix(engine, r, false);
    if (what == "search/matrix/offsets") return search_matrix(engine, r, true);
  }
  if (method == "GET" && r.rest.size() == 2) return get_point(engine, r, r.rest[1]);
  throw ApiError(404, "Not found: no such endpoint");
}

QdrantDoor::QdrantDoor(sql::Database& database, segments::vectors::VectorStore& store, const Options& options)
    : impl_(std::make_unique<Impl>(database, store, options)) {
  HttpServer::Options http;
  http.address = options.address;
  http.port = options.port;
  http.max_body_bytes = options.max_body_bytes;
  http.tls_certificate = options.tls_certificate;
  http.tls_key = options.tls_key;
  impl_->server = std::make_unique<HttpServer>(
      http, [impl = impl_.get()](const HttpRequest& request) { return impl->handle(request); },
      [](int status, std::string_view reason) {
        HttpResponse r;
        r.status = status;
        r.body = error_body(reason, 0);
        return r;
      });
}
QdrantDoor::~QdrantDoor() { stop(); }
uint16_t QdrantDoor::port() const { return impl_->server->port(); }
void QdrantDoor::stop() { impl_->server->stop(); }

}  // namespace stele::qdrant
