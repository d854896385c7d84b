// Scripts of requests: those that change documents, and the stored ones.
#pragma once

#include "doors/elastic/call.h"
#include "segments/script/doc_values.h"
#include "segments/script/error.h"

namespace stele::elastic {

// The source of a stored script.
std::function<std::optional<std::string>(const std::string&)> stored_scripts(Engine& engine);

// A script over ctx: _source and what is known of the document.
struct ScriptedDocument {
  json::object source;
  std::string index, id, routing;
  int64_t version = 0;
  std::string op = "index";  // what the script wants: index, create, noop, delete
};
class DocumentScript {
 public:
  DocumentScript(Engine& engine, const json::value& spec);
  // Throws script_exception.
  void run(ScriptedDocument& d) const;
  // An ingest processor's: the fields are ctx's own members. True: what the script returns (a condition).
  bool run_on_fields(json::object& source, std::string& index, std::string& id, std::string& routing) const;

 private:
  segments::script::Call call_;
  int64_t now_ms_;
};
ElasticError script_error(const segments::script::ScriptError& e);
std::vector<Route> script_routes();

}  // namespace stele::elastic
