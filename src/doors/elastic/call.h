// One request on its way through a handler.
#pragma once

#include "base/http_server.h"
#include "doors/elastic/engine.h"
#include "segments/dsl/dsl.h"

namespace stele::elastic {

struct Reply {
  int status = 200;
  json::value body;
  std::string text;      // instead of a body: _cat
  bool is_text = false;
  bool empty = false;    // HEAD
  Reply() = default;
  Reply(json::value b, int s = 200) : status(s), body(std::move(b)) {}
  static Reply plain(std::string t) {
    Reply r;
    r.text = std::move(t);
    r.is_text = true;
    return r;
  }
};

// A search context kept between requests.
struct ScrollContext;
struct PointInTime;
class Contexts;

struct Door {
  Engine* engine = nullptr;
  Contexts* contexts = nullptr;
  std::string cluster_name, node_name, address;
  int64_t started_ms = 0;
  std::mutex settings_mutex;
  json::object persistent_settings, transient_settings;
  std::map<std::string, json::object> async_searches;  // finished and kept; under settings_mutex
};

struct Call {
  Door& door;
  const HttpRequest& request;
  std::map<std::string, std::string> path;  // captured parts
  Engine& engine() { return *door.engine; }

  bool has(std::string_view name) const { return request.param(name) != nullptr; }
  std::string param(std::string_view name, std::string fallback = {}) const {
    const std::string* p = request.param(name);
    return p == nullptr ? fallback : *p;
  }
  // "" counts as true; anything but true and false throws.
  bool flag(std::string_view name, bool fallback) const;
  int64_t number(std::string_view name, int64_t fallback) const;
  std::string part(const std::string& name) const {
    auto it = path.find(name);
    return it == path.end() ? std::string() : it->second;
  }
  // The body as JSON object; empty when there is none. `required` throws.
  json::object body(bool required = false) const;

  // Index expressions.
  struct Target {
    IndexPtr index;
    std::vector<json::value> filters;  // of the aliases it was reached by; empty: unfiltered
    bool unfiltered = true;
  };
  std::vector<Target> resolve(const std::string& expression, bool allow_no = true, bool ignore_missing = false, bool closed_too = false);
  std::vector<Target> resolve_param(const std::string& name = "index", bool closed_too = false);
  // One index for a write (alias with one index or is_write_index); created when missing and allowed.
  IndexPtr write_target(const std::string& name, bool require_alias, bool create = true);
  IndexPtr read_target(const std::string& name);
};

ElasticError index_missing(const std::string& name);
json::object shards(int64_t n, bool with_skipped = true);
// Throws action_request_validation_exception.
[[noreturn]] void invalid(const std::vector<std::string>& problems);
[[noreturn]] void illegal(const std::string& message);

using Handler = Reply (*)(Call&);
struct Route {
  const char* methods;   // "GET,POST"
  const char* pattern;   // "/{index}/_doc/{id}"
  Handler handler;
  const char* params;    // allowed beside the common ones
};
std::vector<Route> document_routes();
std::vector<Route> search_routes();
std::vector<Route> index_routes();
std::vector<Route> template_routes();
std::vector<Route> analyze_routes();
std::vector<Route> cluster_routes();
std::vector<Route> cat_routes();
std::vector<Route> termvector_routes();
std::vector<Route> resize_routes();
std::vector<Route> ingest_routes();
std::vector<Route> snapshot_routes();
std::vector<Route> admin_routes();
std::vector<Route> data_stream_routes();
std::vector<Route> search_template_routes();
std::vector<Route> stream_option_routes();

// Shared by several handlers.
struct SearchHit { size_t leaf; uint32_t doc; double score; std::vector<json::value> sort; };
// A whole search over an index expression.
json::object search_json(Call& c, const std::string& expression, json::object body, bool total_as_int, bool typed_keys);
json::object search_body(Call& c);   // request body plus URL parameters
// Visible documents of one target that match, as (row id, id).
std::vector<std::pair<std::string, uint64_t>> matching_documents(Call& c, const Call::Target& t, const json::object& body, uint64_t limit, const json::value& sort = {});
// Every document of one index into another.
void copy_documents(Call& c, const IndexPtr& from, const IndexPtr& to);
// The template that a name would be made by, with its name; data streams have one that says so.
std::optional<std::pair<std::string, json::object>> index_template_of(Engine& e, const std::string& name);
// What an index template gives to an index: its component templates' parts, then its own.
json::object compose_template(Engine& e, const json::object& index_template, bool settings_as_text);
// Makes a data stream (or its next backing index) and returns the index that takes writes.
IndexPtr create_data_stream(Engine& e, const std::string& name, const json::object& index_template, const std::string& template_name);
IndexPtr roll_data_stream(Engine& e, const std::string& name);
json::object compose_create_body(Engine& e, const std::string& name, const json::object& body);
std::shared_ptr<Contexts> make_contexts();

}  // namespace stele::elastic
