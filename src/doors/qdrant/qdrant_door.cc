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
  Impl(sql::Database& database, vectors::VectorStore& store, Options o) : options(std::move(o)), engine(database, store, options.snapshots) {}
  Options options;
  Engine engine;
  RequestCounts counts;
  std::unique_ptr<HttpServer> server;

  HttpResponse answer(const HttpRequest& http);
  HttpResponse handle(const HttpRequest& http, const std::vector<std::string>& path);
  HttpResponse plain(const HttpRequest& http, const std::vector<std::string>& path, bool* handled);
  bool allowed(const HttpRequest& http, const std::vector<std::string>& path, HttpResponse* refusal);
  // nullopt: the whole answer is in `raw`.
  std::optional<json::value> route(const HttpRequest& http, const std::vector<std::string>& path, HttpResponse* raw);
  json::value route_points(Request& r);
  json::value locks(const HttpRequest& http);

  std::mutex lock_mutex;
  bool write_locked = false;         // guarded by lock_mutex
  std::string lock_message;
};

namespace {
// Whether a request changes nothing: what a read-only key and a locked service allow.
bool reads_only(const HttpRequest& http, const std::vector<std::string>& path) {
  if (http.method == "GET" || http.method == "HEAD") return true;
  if (http.method != "POST" || path.size() < 3 || path[0] != "collections") return false;
  if (path[2] == "facet") return true;
  if (path[2] != "points") return false;
  if (path.size() == 3) return true;   // retrieve
  static const std::set<std::string_view> kReads = {"scroll", "search", "recommend", "discover", "query", "count"};
  return kReads.contains(path[3]);
}
}  // namespace

bool QdrantDoor::Impl::allowed(const HttpRequest& http, const std::vector<std::string>& path, HttpResponse* refusal) {
  if (options.api_key.empty() && options.read_only_api_key.empty()) return true;
  std::string_view given = http.header("api-key");
  if (given.empty() && http.header("authorization").starts_with("Bearer ")) given = http.header("authorization").substr(7);
  // Compared in a time that does not tell how much of it was right.
  auto same = [](std::string_view a, std::string_view b) {
    unsigned char difference = a.size() == b.size() ? 0 : 1;
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
    return difference == 0;
  };
  if (!options.api_key.empty() && same(given, options.api_key)) return true;
  refusal->content_type = "text/plain";
  if (!options.read_only_api_key.empty() && same(given, options.read_only_api_key)) {
    if (reads_only(http, path)) return true;
    refusal->status = 403;
    refusal->content_type = "application/json";
    refusal->body = error_body("Forbidden: Global manage access is required", 0);
    return false;
  }
  refusal->status = 401;
  refusal->body = given.empty() ? "Must provide an API key or an Authorization bearer token" : "Invalid API key or JWT";
  return false;
}

json::value QdrantDoor::Impl::locks(const HttpRequest& http) {
  std::lock_guard lock(lock_mutex);
  const json::object before{{"error_message", lock_message.empty() ? json::value(nullptr) : json::value(lock_message)}, {"write", write_locked}};
  if (http.method == "POST") {
    const json::value body = json::parse(http.body);
    const json::object& o = as_object(body, "body");
    write_locked = bool_member(o, "write").value_or(false);
    lock_message = string_member(o, "error_message").value_or("");
  }
  return before;
}

// Counted, and readable for scripts of any page, as Qdrant's own are.
HttpResponse QdrantDoor::Impl::answer(const HttpRequest& http) {
  const auto started = std::chrono::steady_clock::now();
  const std::vector<std::string> path = split_path(http.path);
  HttpResponse response;
  if (http.method == "OPTIONS" && !http.header("access-control-request-method").empty()) {
    response.content_type.clear();
    response.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS");
    response.headers.emplace_back("Access-Control-Allow-Headers", std::string(http.header("access-control-request-headers")));
    response.headers.emplace_back("Access-Control-Max-Age", "3600");
  } else {
    response = handle(http, path);
    counts.answered(http.method, path, response.status, std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
  }
  if (!http.header("origin").empty()) response.headers.emplace_back("Access-Control-Allow-Origin", "*");
  return response;
}

namespace {
// The parameters that requests share.
void check_parameters(const HttpRequest& http) {
  auto one_of = [&](const char* name, std::initializer_list<std::string_view> values) {
    const std::string* v = http.param(name);
    if (v == nullptr || std::find(values.begin(), values.end(), *v) != values.end()) return;
    std::string list;
    for (const auto& x : values) list += fmt::format("{}`{}`", list.empty() ? "" : ", ", x);
    throw ApiError(400, fmt::format("Deserialize error in query parameters: unknown variant `{}`, expected one of {}", *v, list));
  };
  one_of("ordering", {"weak", "medium", "strong"});
  if (const std::string* wait = http.param("wait"); wait != nullptr && *wait != "true" && *wait != "false") {
    throw ApiError(400, "Deserialize error in query parameters: provided string was not `true` or `false`");
  }
  auto number = [&](const char* name) {
    const std::string* v = http.param(name);
    if (v == nullptr) return;
    if (v->empty() || v->size() > 18 || v->find_first_not_of("0123456789") != std::string::npos) {
      throw ApiError(400, "Deserialize error in query parameters: invalid digit found in string");
    }
    if (std::strtoull(v->c_str(), nullptr, 10) == 0) {
      throw ApiError(422, fmt::format("Validation error in query parameters: [{}: value 0 invalid, must be 1 or larger]", name));
    }
  };
  number("timeout");
  if (const std::string* c = http.param("consistency"); c != nullptr && !c->empty() && c->find_first_not_of("0123456789") == std::string::npos) {
    number("consistency");
  } else {
    one_of("consistency", {"majority", "quorum", "all"});
  }
}
}  // namespace

HttpResponse QdrantDoor::Impl::handle(const HttpRequest& http, const std::vector<std::string>& path) {
  const auto started = std::chrono::steady_clock::now();
  auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count(); };
  HttpResponse response;
  auto fail = [&](int status, std::string_view message) {
    response.status = status;
    response.body = error_body(message, elapsed());
  };
  try {
    bool handled = false;
    HttpResponse direct = plain(http, path, &handled);
    if (handled) return direct;
    if (!allowed(http, path, &response)) return response;
    if (!reads_only(http, path) && !path.empty() && path[0] != "locks") {
      std::lock_guard lock(lock_mutex);
      if (write_locked) forbidden(lock_message.empty() ? "Write operations are forbidden" : lock_message);
    }
    check_parameters(http);
    auto result = route(http, path, &response);
    if (!result) return response;
    // Long work that the client does not wait for is done all the same; what it is told differs.
    const std::string* wait = http.param("wait");
    const bool later = wait != nullptr && *wait == "false" && http.path.find("/snapshots") != std::string::npos && http.method != "GET";
    if (later) {
      response.status = 202;
      response.body = json::serialize(json::object{{"status", "accepted"}, {"time", elapsed()}});
    } else {
      response.body = json::serialize(json::object{{"result", std::move(*result)}, {"status", "ok"}, {"time", elapsed()}});
    }
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
    if (path.size() == 1 && path[0] == "metrics" && allowed(http, path, &r)) {
      r.content_type = "text/plain; version=0.0.4";
      r.body = metrics_text(engine, kApiVersion, counts);
      return r;
    }
  }
  *handled = false;
  return r;
}

std::optional<json::value> QdrantDoor::Impl::route(const HttpRequest& http, const std::vector<std::string>& path, HttpResponse* raw) {
  const std::string& method = http.method;
  if (path.empty()) throw ApiError(404, "Not found: no such endpoint");
  if (path[0] == "telemetry" && method == "GET") {
    const std::string* level = http.param("details_level");
    return telemetry(engine, kApiVersion, counts, level == nullptr ? 0 : std::strtoull(level->c_str(), nullptr, 10));
  }
  if (path[0] == "cluster" && method == "GET") return json::object{{"status", "disabled"}};
  if (path[0] == "issues" && method == "GET") return json::object{{"issues", json::array()}};
  if (path[0] == "issues" && method == "DELETE") return true;
  if (path[0] == "cluster") bad_request("Qdrant is running in standalone mode");
  if (path[0] == "locks" && (method == "GET" || method == "POST")) return locks(http);
  if (path[0] == "aliases" && method == "GET") return list_aliases(engine, "");
  if (path[0] == "snapshots") {
    return snapshots(engine, {http, nullptr, {}, {}}, "", "", {path.begin() + 1, path.end()}, raw);
  }
  if (path[0] != "collections") throw ApiError(404, "Not found: no such endpoint");

  Request r{http, nullptr, path.size() > 1 ? path[1] : "", {}};
  if (path.size() > 2) r.rest.assign(path.begin() + 2, path.end());
  const bool form = http.header("content-type").starts_with("multipart/");
  if (!http.body.empty() && !form) {
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
    if (what == "cluster" && method == "GET") return cluster_info(engine, r);
    if (what == "cluster" || (what == "shards" && r.rest.size() < 3)) {
      engine.open(r.collection);
      bad_request("Distributed mode disabled");
    }
    if (what == "snapshots") return snapshots(engine, r, r.collection, "", {r.rest.begin() + 1, r.rest.end()}, raw);
    if (what == "shards" && r.rest[2] == "snapshots") {
      if (r.rest[1] != "0") not_found(fmt::format("Shard {} of collection {} not found", r.rest[1], r.collection));
      return snapshots(engine, r, r.collection, "shards/0", {r.rest.begin() + 3, r.rest.end()}, raw);
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
      http, [impl = impl_.get()](const HttpRequest& request) { return impl->answer(request); },
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
