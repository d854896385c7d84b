// Elasticsearch's query language, and the query strings of both flavours, as Query trees.
#pragma once

#include <boost/json/fwd.hpp>
#include <optional>
#include <set>

#include "segments/mapping/mapping.h"
#include "segments/search/query.h"

namespace stele::segments {

struct DslContext {
  const Mapping* mapping = nullptr;
  int64_t now_ms = 0;
  std::string index_name;
  // Documents of another index (terms lookup, more_like_this): the source, or null.
  std::function<std::optional<json::object>(const std::string& index, const std::string& id)> fetch;
  // The source of a stored script, if there is one.
  std::function<std::optional<std::string>(const std::string& id)> stored_script;
  bool allow_unmapped = true, allow_expensive = true;
  int64_t max_terms = 65536;
  // Of percolate queries: name, and which of the documents a stored query matches. Null: nobody asks.
  struct Percolation { std::string name; std::function<std::vector<int64_t>(const Segment&, uint32_t doc)> slots; };
  std::shared_ptr<std::vector<Percolation>> percolations;
  int depth = 0;
  std::string nested_path;  // of the documents that the query is asked of
};

// Throws parsing_exception, query_shard_exception, illegal_argument as Elasticsearch does.
QueryPtr parse_query(const json::value& v, DslContext& ctx);

struct QueryStringOptions {
  std::vector<std::pair<std::string, float>> fields;  // with boosts; may hold patterns
  std::string default_operator = "or", analyzer, quote_analyzer, minimum_should_match, type = "best_fields";
  bool lenient = false, analyze_wildcard = false, allow_leading_wildcard = true, simple = false;
  int phrase_slop = 0, fuzzy_prefix_length = 0, fuzzy_max_expansions = 50;
  bool fuzzy_transpositions = true;
  std::string fuzziness = "AUTO";
  float tie_breaker = 0;
  float boost = 1;
  std::set<std::string> flags;  // simple_query_string; empty: all
};
QueryPtr parse_query_string(std::string_view text, const QueryStringOptions& options, DslContext& ctx);

// One field against analysed text, as the match family does.
struct MatchOptions {
  std::string op = "or", minimum_should_match, fuzziness, analyzer, zero_terms = "none";
  int prefix_length = 0, max_expansions = 50, slop = 0;
  bool transpositions = true, lenient = false;
  enum Kind { kMatch, kPhrase, kPhrasePrefix, kBoolPrefix } kind = kMatch;
};
QueryPtr match_field(const std::string& field, const json::value& value, const MatchOptions& options, DslContext& ctx);
QueryPtr term_field(const std::string& field, const json::value& value, bool ignore_case, DslContext& ctx);

int minimum_should_match(const std::string& spec, int clauses);

// A `seen` object of the queries a highlighter looks for: terms and phrases by field.
struct HighlightTerms {
  std::map<std::string, std::vector<QueryPtr>> by_field;
};
void collect_highlights(const QueryPtr& q, HighlightTerms& out);
// Every _name in the tree.
void collect_named(const QueryPtr& q, std::vector<QueryPtr>& out);

}  // namespace stele::segments
