// Aggregations over columns: Elasticsearch's request in, its response out. Aggregators are told which
// bucket of their parent owns each document, so one pass over the matches fills any depth of nesting.
#pragma once

#include <boost/json/fwd.hpp>
#include <optional>

#include "segments/mapping/mapping.h"
#include "segments/search/searcher.h"

namespace stele::segments {

// One leaf of the search with what its index knows.
struct AggLeaf {
  const Leaf* leaf = nullptr;
  const Mapping* mapping = nullptr;
  size_t id = 0;
};

struct AggEnvironment {
  std::vector<AggLeaf> leaves;
  int64_t now_ms = 0;
  // Documents of a leaf (of those nested at a path, when one is given) that match a query given as JSON, a bit each.
  std::function<std::vector<uint64_t>(const json::value& query, size_t leaf, const std::string& nested)> filter_bits;
  // A hit as top_hits shows it; options are the body of the aggregation.
  std::function<json::object(size_t leaf, uint32_t doc, double score, const json::object& options)> render_hit;
  // Compares two documents by a "sort" specification; empty: by score.
  std::function<bool(size_t leaf_a, uint32_t a, size_t leaf_b, uint32_t b, const json::value& sort)> before;
  std::function<std::optional<std::string>(const std::string&)> stored_script;
  uint64_t max_buckets = 65536;
  std::string index_name;  // for messages
  std::string building;    // the aggregation that is being made
  std::vector<std::vector<uint64_t>> kept_states;
  // Below a nested aggregation: the path, and the environment it stands in.
  std::string nested;
  AggEnvironment* outer = nullptr;
  std::vector<std::shared_ptr<AggEnvironment>> inner;  // those of nested aggregations in this one
  std::vector<std::unique_ptr<Leaf>> nested_leaves;
};

class AggregatorTree {
 public:
  // `request` is the object under "aggs". Throws parsing_exception and friends.
  AggregatorTree(const json::object& request, AggEnvironment environment, bool typed_keys);
  ~AggregatorTree();
  void start_leaf(size_t leaf);
  void collect(uint32_t doc, float score);
  // Aggregations that look at every document, whatever the query.
  bool has_global() const;
  void collect_global(uint32_t doc);
  json::object results();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stele::segments
