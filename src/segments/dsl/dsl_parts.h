// Inner to this folder: what the parsers of queries and of query strings share.
#pragma once

#include <boost/json.hpp>

#include "segments/dsl/dsl.h"

namespace stele::segments {

struct RangeBounds {
  bool has_lo = false, has_hi = false, include_lo = true, include_hi = true;
  json::value lo, hi;
  std::string format, time_zone;
  std::string relation = "intersects";
};
QueryPtr range_field(const std::string& name, const RangeBounds& b, DslContext& ctx);
// Null for a name it does not know.
QueryPtr parse_rare_query(const std::string& name, const json::object& body, DslContext& ctx);
QueryPtr parse_intervals(const json::object& body, DslContext& ctx);
// The script of function_score's script_score.
ScoreFunction script_function(const json::object& body, DslContext& ctx);
QueryPtr percolate_query(const json::object& body, DslContext& ctx);
// The query with tests of columns in place of what would read postings that a field does not have.
QueryPtr over_columns(const QueryPtr& q, const DslContext& ctx);
// Throws for a query that search.allow_expensive_queries forbids.
void check_expensive(const std::string& name, const json::object& body, const DslContext& ctx);
QueryPtr exists_query(const std::string& field, DslContext& ctx);
QueryPtr pattern_field(QueryKind kind, const std::string& name, const std::string& pattern, bool ignore_case, DslContext& ctx);
std::shared_ptr<Query> fuzzy_term(const std::string& field, const std::string& term, const std::string& fuzziness,
                                  int prefix_length, int max_expansions, bool transpositions);
// "title^2", "name*" as mapped fields with boosts.
std::vector<std::pair<std::string, float>> resolve_fields(const std::vector<std::pair<std::string, float>>& given, DslContext& ctx);
inline QueryPtr with_boost(const QueryPtr& q, float boost) {
  if (boost == 1) return q;
  auto c = std::make_shared<Query>(*q);
  c->boost *= boost;
  return c;
}

}  // namespace stele::segments
