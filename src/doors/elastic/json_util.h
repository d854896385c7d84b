// JSON as Elasticsearch reads and writes it.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "segments/mapping/mapping.h"

namespace stele::elastic {

namespace json = boost::json;
using segments::json_text;

// Throws Error(kXContentParse / kParsing) for malformed text, nesting beyond 500 levels included.
json::value parse_json(std::string_view text);
// Doubles print as Java's; pretty uses two spaces and "key" : value.
std::string write_json(const json::value& v, bool pretty);
std::string write_yaml(const json::value& v);

// A score: printed as the shortest text of a float.
json::value score_json(float score);

std::vector<std::string> split(std::string_view s, char by);
bool glob(std::string_view pattern, std::string_view s);
std::string text_or(const json::object& o, std::string_view key, std::string fallback = {});
bool flag_or(const json::object& o, std::string_view key, bool fallback);

// Response filtering: filter_path=a.b,-c.** semantics.
json::value filter_path(const json::value& v, const std::string& spec);

// _source filtering.
struct SourceFilter {
  bool enabled = true;
  std::vector<std::string> includes, excludes;
  bool all() const { return enabled && includes.empty() && excludes.empty(); }
};
SourceFilter parse_source_filter(const json::value& v);
json::object filter_source(const json::object& source, const SourceFilter& f);
// Every value at a dotted path (arrays are flattened into it).
void values_at(const json::value& v, std::string_view path, std::vector<json::value>& out);
// Deep merge as partial updates do; true when something changed.
bool merge_into(json::object& into, const json::object& patch);
// Settings: nested objects as "a.b.c" keys and back.
void flatten(const json::object& o, const std::string& prefix, json::object& out);
json::object nest(const json::object& flat);

// An error as it is sent: status and the object under "error".
struct ElasticError : std::exception {
  ElasticError(int status, std::string type, std::string reason, json::object extra = {});
  int status;
  json::object error;       // without root_cause
  json::value root_cause;   // array, or null: the error itself
  json::object body() const;
  const char* what() const noexcept override { return "elastic error"; }
};
// What an engine error looks like from here.
ElasticError to_elastic(const Error& e);
json::object cause_of(const Error& e);

}  // namespace stele::elastic
