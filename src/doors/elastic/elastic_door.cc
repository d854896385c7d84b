#include "doors/elastic/elastic_door.h"

#include "base/logging.h"
#include "doors/elastic/call.h"
#include "doors/elastic/scripts.h"

namespace stele::elastic {

namespace {

struct Compiled {
  Route route;
  std::vector<std::string> methods, parts;
  std::set<std::string> params;
  int literal = 0;
};

// Edit distance based hint, as Elasticsearch gives for misspelt parameters.
std::string suggestion(const std::string& bad, const std::set<std::string>& known) {
  std::string best;
  double top = 0.5;
  for (const std::string& k : known) {
    int d = segments::edit_distance(std::u32string(bad.begin(), bad.end()), std::u32string(k.begin(), k.end()), 100, true);
    double score = 1.0 - static_cast<double>(d) / static_cast<double>(std::max(bad.size(), k.size()));
    if (score > top) {
      top = score;
      best = k;
    }
  }
  return best.empty() ? "" : " -> did you mean [" + best + "]?";
}

const std::set<std::string>& common_params() {
  static const std::set<std::string> kCommon = {"pretty", "human", "error_trace", "filter_path", "format", "source", "source_content_type"};
  return kCommon;
}

}  // namespace

struct ElasticDoor::Impl {
  Options options;
  Door door;
  std::unique_ptr<Engine> engine;
  std::shared_ptr<Contexts> contexts;
  std::vector<Compiled> routes;
  std::unique_ptr<HttpServer> server;

  void add(const std::vector<Route>& list) {
    for (const Route& r : list) {
      Compiled c;
      c.route = r;
      c.methods = split(r.methods, ',');
      c.parts = split(r.pattern, '/');
      for (auto& p : split(r.params, ',')) c.params.insert(p);
      for (auto& p : c.parts) c.literal += p[0] != '{';
      routes.push_back(std::move(c));
    }
  }

  // The most literal route for a path; `methods` collects what the path allows.
  const Compiled* match(const std::string& method, const std::vector<std::string>& path, std::map<std::string, std::string>* captured, std::set<std::string>* methods) {
    const Compiled* best = nullptr;
    for (const Compiled& c : routes) {
      if (c.parts.size() != path.size()) continue;
      bool ok = true;
      for (size_t i = 0; ok && i < path.size(); ++i) {
        if (c.parts[i][0] == '{') ok = !(i == 0 && path[i].size() > 1 && path[i][0] == '_' && path[i] != "_all" && c.parts[i] == "{index}");
        else ok = c.parts[i] == path[i];
      }
      if (!ok) continue;
      for (auto& m : c.methods) methods->insert(m);
      if (std::find(c.methods.begin(), c.methods.end(), method) == c.methods.end()) continue;
      if (best == nullptr || c.literal > best->literal) best = &c;
    }
    if (best != nullptr) {
      for (size_t i = 0; i < path.size(); ++i) {
        if (best->parts[i][0] == '{') (*captured)[best->parts[i].substr(1, best->parts[i].size() - 2)] = path[i];
      }
    }
    return best;
  }

  HttpResponse render(const HttpRequest& r, Reply reply) {
    HttpResponse out;
    out.status = reply.status;
    out.headers.emplace_back("X-Elastic-Product", "Elasticsearch");
    auto param = [&](std::string_view n) { return r.param(n); };
    if (auto* opaque = &r; !opaque->header("x-opaque-id").empty()) out.headers.emplace_back("X-Opaque-Id", std::string(r.header("x-opaque-id")));
    std::string accept(r.header("accept"));
    size_t compat = accept.find("compatible-with=");
    std::string type = compat != std::string::npos ? "application/vnd.elasticsearch+json;compatible-with=" + accept.substr(compat + 16, 1) : "application/json";
    if (reply.empty || r.method == "HEAD") {
      out.content_type = reply.is_text ? "text/plain; charset=UTF-8" : type;
      return out;
    }
    if (reply.is_text) {
      out.content_type = "text/plain; charset=UTF-8";
      if (compat != std::string::npos && accept.find("text/plain") != std::string::npos) out.content_type = "text/plain; charset=UTF-8";
      out.body = std::move(reply.text);
      return out;
    }
    if (auto* f = param("filter_path")) reply.body = filter_path(reply.body, *f);
    bool pretty = param("pretty") != nullptr && *param("pretty") != "false";
    if ((param("format") != nullptr && *param("format") == "yaml") || accept.find("yaml") != std::string::npos) {
      out.content_type = "application/yaml";
      out.body = write_yaml(reply.body);
    } else {
      out.content_type = type;
      out.body = write_json(reply.body, pretty);
    }
    return out;
  }

  HttpResponse handle(const HttpRequest& r) {
    try {
      return render(r, dispatch(r));
    } catch (const ElasticError& e) {
      Reply reply(e.body(), e.status);
      HttpResponse out = render(r, reply);
      if (e.status == 401) out.headers.emplace_back("WWW-Authenticate", "Basic realm=\"security\" charset=\"UTF-8\"");
      return out;
    } catch (const Error& e) {
      ElasticError x = to_elastic(e);
      return render(r, Reply(x.body(), x.status));
    } catch (const std::exception& e) {
      return render(r, Reply(ElasticError(500, "exception", e.what()).body(), 500));
    }
  }

  Reply dispatch(const HttpRequest& r) {
    if (options.authenticate && !options.authenticate(std::string(r.header("authorization")))) {
      throw ElasticError(401, "security_exception", r.header("authorization").empty() ? "missing authentication credentials for REST request [" + r.target + "]" : "unable to authenticate user for REST request [" + r.target + "]",
                         json::object{{"header", json::object{{"WWW-Authenticate", "Basic realm=\"security\" charset=\"UTF-8\""}}}});
    }
    std::vector<std::string> path = split_path(r.path);
    std::map<std::string, std::string> captured;
    std::set<std::string> methods;
    const Compiled* c = match(r.method, path, &captured, &methods);
    if (c == nullptr && r.method == "HEAD") c = match("GET", path, &captured, &methods);
    if (r.method == "OPTIONS") {
      Reply reply(json::object{}, 200);
      reply.empty = true;
      return reply;
    }
    if (c == nullptr) {
      if (!methods.empty()) {
        std::string allowed;
        for (auto& m : methods) allowed += (allowed.empty() ? "" : ", ") + m;
        Reply reply(json::object{{"error", "Incorrect HTTP method for uri [" + r.target + "] and method [" + r.method + "], allowed: [" + allowed + "]"}, {"status", 405}}, 405);
        return reply;
      }
      return Reply(json::object{{"error", "no handler found for uri [" + r.target + "] and method [" + r.method + "]"}}, 400);
    }
    if (!r.body.empty()) {
      std::string type(r.header("content-type"));
      if (type.empty()) {
        return Reply(json::object{{"error", "Content-Type header is missing"}, {"status", 406}}, 406);
      }
      if (type.find("json") == std::string::npos && type.find("yaml") == std::string::npos) {
        return Reply(json::object{{"error", "Content-Type header [" + type + "] is not supported"}, {"status", 406}}, 406);
      }
    }
    std::vector<std::string> unknown;
    for (auto& [name, value] : r.query) {
      if (common_params().count(name) == 0 && c->params.count(name) == 0) unknown.push_back(name);
    }
    if (!unknown.empty()) {
      std::string m = "request [" + r.path + "] contains unrecognized parameter" + (unknown.size() > 1 ? "s" : "") + ": ";
      std::set<std::string> known = c->params;
      known.insert(common_params().begin(), common_params().end());
      std::sort(unknown.begin(), unknown.end());
      for (size_t i = 0; i < unknown.size(); ++i) m += (i > 0 ? ", " : "") + std::string("[") + unknown[i] + "]" + suggestion(unknown[i], known);
      throw ElasticError(400, "illegal_argument_exception", m);
    }
    for (const char* name : {"timeout", "master_timeout", "wait_for_completion_timeout", "keep_alive"}) {
      const std::string* v = r.param(name);
      if (v == nullptr || v->empty() || *v == "-1" || *v == "0" || segments::parse_time_ms(*v)) continue;
      throw ElasticError(400, "illegal_argument_exception", "failed to parse setting [" + std::string(name) + "] with value [" + *v + "] as a time value: unit is missing or unrecognized");
    }
    Call call{door, r, captured};
    return c->route.handler(call);
  }
};

ElasticDoor::ElasticDoor(sql::Database& database, const Options& options) : impl_(std::make_unique<Impl>()) {
  impl_->options = options;
  impl_->engine = std::make_unique<Engine>(database);
  impl_->contexts = make_contexts();
  impl_->door.engine = impl_->engine.get();
  impl_->door.contexts = impl_->contexts.get();
  impl_->door.cluster_name = options.cluster_name;
  impl_->door.node_name = options.node_name;
  impl_->door.started_ms = impl_->engine->now_ms();
  if (auto kept = impl_->engine->get_thing("cluster_settings", "persistent")) impl_->door.persistent_settings = *kept;
  for (auto&& list : {document_routes(), search_routes(), index_routes(), template_routes(), analyze_routes(), cluster_routes(), cat_routes(), termvector_routes(), resize_routes(), ingest_routes(), script_routes(), snapshot_routes(), admin_routes(), data_stream_routes(), search_template_routes(), stream_option_routes()}) impl_->add(list);
  HttpServer::Options h;
  h.address = options.address;
  h.port = options.port;
  h.max_body_bytes = options.max_body_bytes;
  h.tls_certificate = options.tls_certificate;
  h.tls_key = options.tls_key;
  impl_->server = std::make_unique<HttpServer>(
      h, [impl = impl_.get()](const HttpRequest& r) { return impl->handle(r); },
      [](int status, std::string_view reason) {
        HttpResponse out;
        out.status = status;
        out.headers.emplace_back("X-Elastic-Product", "Elasticsearch");
        out.body = write_json(ElasticError(status, status == 413 ? "content_too_long_exception" : "illegal_argument_exception", std::string(reason)).body(), false);
        out.close = true;
        return out;
      });
  impl_->door.address = options.address + ":" + std::to_string(impl_->server->port());
}
ElasticDoor::~ElasticDoor() {
  if (impl_->server) impl_->server->stop();
}
uint16_t ElasticDoor::port() const { return impl_->server->port(); }

}  // namespace stele::elastic
