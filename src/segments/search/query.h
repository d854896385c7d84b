// Queries over segments: a tree of plain data, already bound to field names and column values by a
// mapping. Immutable once built; shared between threads.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "segments/columns/column.h"

namespace stele::segments {

struct Query;
using QueryPtr = std::shared_ptr<const Query>;

enum class QueryKind : uint8_t {
  kMatchAll, kMatchNone,
  kTerm,         // BM25 over postings
  kTermSet,      // constant score; `terms`
  kBool, kDisMax, kBoosting, kConstant,
  kPhrase,       // `phrase`, `slop`; the last position may be a prefix
  kPrefix, kWildcard, kRegexp,   // constant score over the dictionary
  kFuzzy,        // the best `max_expansions` terms, scored
  kColumnRange,  // lo <= value <= hi on an int64 or double column (sortable bits)
  kColumnSet,    // value in `values`
  kTermRange,    // lo/hi over the dictionary of postings
  kExists,
  kGeoDistance, kGeoBox,
  kFunctionScore,
  kNested,       // must[0] over the documents nested at `field`, joined to theirs by score_mode
  kRows,         // row ids
  kPredicate,    // any test of a document
};

struct GeoPoint { double lat = 0, lon = 0; };
// Points are stored in one column value: latitude and longitude as 32-bit fractions.
int64_t encode_point(GeoPoint p);
GeoPoint decode_point(int64_t bits);
double haversine_m(GeoPoint a, GeoPoint b);

struct PhrasePosition {
  std::vector<std::string> terms;  // alternatives
  uint32_t position = 0;
  bool prefix = false;             // terms[0] stands for every term it starts
};

// One function of function_score.
struct ScoreFunction {
  enum Kind : uint8_t { kWeight, kFieldValue, kRandom, kGauss, kExp, kLinear, kScript } kind = kWeight;
  QueryPtr filter;
  double weight = 1;
  std::string field;
  // field_value_factor
  double factor = 1, missing = 0;
  bool has_missing = false;
  std::string modifier;
  // decay: on numbers and dates (in column units) or on points (metres)
  double origin = 0, scale = 1, offset = 0, decay = 0.5;
  bool geo = false;
  GeoPoint geo_origin;
  bool average = false;  // multi_value_mode
  std::string multi_mode = "min";
  uint64_t seed = 0;
  std::function<double(const class Segment&, uint32_t, float)> script;  // kScript: from a document and the query's score
};

struct Query {
  QueryKind kind = QueryKind::kMatchAll;
  float boost = 1;
  std::string field;
  std::string name;  // _name

  std::string text;                 // term, prefix, pattern
  std::vector<std::string> terms;   // kTermSet
  std::vector<int64_t> values;      // kColumnSet, sorted
  std::vector<uint64_t> rows;       // kRows, sorted
  std::vector<PhrasePosition> phrase;
  int slop = 0;
  int max_expansions = 50;
  // kFuzzy
  int edits = 0, prefix_length = 0;
  bool transpositions = true;
  bool case_insensitive = false;    // kPrefix, kWildcard, kRegexp, kTerm
  // kColumnRange
  int64_t lo = INT64_MIN, hi = INT64_MAX;
  // kTermRange
  std::string lo_term, hi_term;
  bool has_lo = false, has_hi = false, include_lo = true, include_hi = true;
  // kBool, kDisMax (should), kBoosting (must = positive, must_not = negative), kConstant (filter)
  std::vector<QueryPtr> must, should, filter, must_not;
  int minimum_should_match = -1;    // -1: 1 when nothing else is required, else 0
  float tie_breaker = 0, negative_boost = 0;
  // geo
  GeoPoint point, corner;           // kGeoBox: point = top left, corner = bottom right
  double distance_m = 0;
  // kFunctionScore: must[0] is the query
  std::vector<ScoreFunction> functions;
  std::string score_mode = "multiply", boost_mode = "multiply";
  double max_boost = 3.4e38, min_score = 0;
  bool has_min_score = false;
  std::function<bool(const class Segment&, uint32_t)> predicate;
  // kFunctionScore: the score in place of functions, from a document and what its query scores it.
  std::function<double(const class Segment&, uint32_t, float)> script;
  // What kNested shows of the nested documents that match: the request's "inner_hits" as it came, empty when not asked for.
  std::string inner_hits;
};

inline std::shared_ptr<Query> make_query(QueryKind kind) {
  auto q = std::make_shared<Query>();
  q->kind = kind;
  return q;
}

// Tests used by multi-term queries and by the columns of keyword fields.
bool wildcard_match(std::string_view pattern, std::string_view text, bool ignore_case);
// " did you mean [a]?" after an unknown name; empty when nothing known is near.
std::string did_you_mean(const std::string& name, const std::vector<std::string>& known);
// Optimal string alignment distance, at most `limit` (limit + 1 when above).
int edit_distance(std::u32string_view a, std::u32string_view b, int limit, bool transpositions);
bool regexp_matches(const std::string& lucene, std::string_view whole_text);
// Lucene's regular expressions as RE2 syntax.
std::string translate_regexp(std::string_view lucene);

}  // namespace stele::segments
