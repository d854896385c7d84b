// The universal query: a tree of prefetches, each a search of its own, fused or rescored above.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "doors/qdrant/formula.h"
#include "doors/qdrant/handlers.h"
#include "segments/vectors/fusion.h"

namespace stele::qdrant {

enum class QueryKind : uint8_t { kNone /* scroll order */, kNearest, kRecommend, kDiscover, kContext, kOrderBy, kFusionRrf, kFusionDbsf, kSample, kFormula };
enum class RecommendStrategy : uint8_t { kAverage, kBestScore, kSumScores };

struct QueryNode {
  QueryKind kind = QueryKind::kNone;
  std::string using_vector;
  VectorValue target;                                        // nearest, discover
  RecommendStrategy strategy = RecommendStrategy::kAverage;
  std::vector<VectorValue> positive, negative;
  std::vector<std::pair<VectorValue, VectorValue>> context;
  json::value order_by;
  std::shared_ptr<const Formula> formula;
  double rrf_k = 2;
  std::vector<double> rrf_weights;
  vectors::FilterPtr filter;
  std::vector<vectors::PointId> exclude;                     // points that examples were taken from
  std::optional<double> score_threshold;
  uint64_t limit = 10, offset = 0;
  uint32_t ef = 0;
  bool exact = false;
  double rescore = 2.0;
  // Maximal marginal relevance: so many candidates are reordered for diversity.
  bool mmr = false;
  double diversity = 0.5;
  uint64_t mmr_candidates = 0;
  std::vector<std::shared_ptr<QueryNode>> prefetch;
};
// Similarity of a prepared vector (as it is stored) to a row's, higher is better whatever the metric (of L2 the negated square):
// what custom scorings work with. `has`: whether the row has one.
double vector_similarity(const Handle& h, const std::string& name, const VectorValue& prepared, vectors::RowId row, bool* has);
// A row's vector in the form that is measured with; false when it has none.
bool vector_of(const Handle& h, const std::string& name, vectors::RowId row, VectorValue* out);
// The field that an order_by names.
std::string order_key(const json::value& order_by);

// Parses the body of /points/query or one of its prefetches; examples that are ids are resolved to vectors.
std::shared_ptr<QueryNode> parse_query(Engine& engine, const Handle& h, const json::object& body, int depth = 0);

// Best first, `limit` rows after `offset`.
std::vector<vectors::Ranked> run_query(const Handle& h, const QueryNode& q);

}  // namespace stele::qdrant
