// One search over one or more indices: collect, sort, aggregate, fetch.
#pragma once

#include "doors/elastic/call.h"
#include "segments/aggs/aggregations.h"
#include "segments/script/value.h"

namespace stele::elastic {

struct SortField {
  enum Kind { kScore, kDoc, kField, kGeo, kScript } kind = kField;
  std::string field;
  bool ascending = true;
  bool missing_first = false;
  json::value missing;          // a concrete replacement
  std::string mode;             // min max avg sum median
  std::string format, unmapped_type, numeric_type;
  std::string nested;           // the path of nested documents whose values count
  json::value nested_filter;
  std::vector<segments::GeoPoint> points;
  double unit_m = 1;
  std::function<segments::script::Value(const segments::Mapping&, const segments::Segment&, uint32_t doc, float score)> script;  // kScript; mode: number or string
};
struct SortKey {
  bool missing = false;
  int64_t number = 0;           // sortable
  std::string_view text;
};
struct Hit {
  size_t leaf = 0;
  uint32_t doc = 0;
  float score = 0;
  std::vector<SortKey> keys;
};

class SearchJob {
 public:
  struct Part {
    IndexPtr index;
    segments::MappingPtr mapping;
    std::unique_ptr<segments::Searcher> searcher;
    segments::DslContext dsl;
    segments::QueryPtr query, post_filter;
    std::vector<segments::QueryPtr> named;
    size_t first_leaf = 0;
  };
  struct LeafRef { size_t part; size_t in_part; };

  // leaves: given for scroll and point in time; else resolved at the snapshot.
  SearchJob(Engine& engine, const std::vector<Call::Target>& targets, storage::SnapshotPtr snapshot, const json::object& body, bool for_scroll = false);
  json::object run();                       // the whole response
  // Pieces for scroll.
  void collect(size_t keep);                // fills hits(), total, aggregations
  json::object respond(size_t from, size_t size);
  const std::vector<Hit>& hits() const { return hits_; }
  int64_t shard_count() const;
  const std::vector<Part>& parts() const { return parts_; }
  const segments::Leaf& leaf(size_t i) const { return parts_[leaves_[i].part].searcher->leaves()[leaves_[i].in_part]; }
  const Part& part_of(size_t leaf) const { return parts_[leaves_[leaf].part]; }
  std::string id_of(size_t leaf, uint32_t doc) const;
  json::object render_hit(const Hit& h, const json::object& options);
  json::object source_of(size_t leaf, uint32_t doc) const { return engine_.source_of(*part_of(leaf).index, this->leaf(leaf).segment->row_id(doc), snapshot_); }
  json::object body;
  bool total_as_int = false, typed_keys = false;
  bool scrolling = false, named_scores = false;
  int64_t query_us() const { return query_ns_ / 1000; }
  int64_t fetch_us() const { return fetch_ns_ / 1000; }
  size_t fetched() const { return fetched_; }

 private:
  void parse();
  // search_options.cc
  void check_options(const json::object& b);
  float index_boost(const std::string& name) const;
  void rewrite_scripts();
  std::vector<segments::Leaf> leaves_of(Part& p);  // sets the mapping, too, when there are runtime fields
  std::string number_type(const SortField& s) const;
  int64_t as_number_type(const SortField& s, const segments::MappedField& f, int64_t v) const;
  json::object profile(size_t from);
  std::vector<SortField> parse_sort(const json::value& v) const;
  bool needs_scores() const;
  SortKey key_of(const SortField& s, size_t leaf, uint32_t doc, float score) const;
  int compare(const Hit& a, const Hit& b) const;
  int compare_key(const SortField& s, const SortKey& a, const SortKey& b) const;
  json::value render_key(const SortField& s, const SortKey& k) const;
  void rescore();
  json::object explain(const Part& p, size_t leaf, uint32_t doc, float score);
  // inner_hits.cc
  static bool has_inner_hits(const segments::QueryPtr& q);
  json::object inner_hits(const Part& p, const Hit& h, const json::object& source);
  json::object collapsed_hits(const json::value& group);
  SortKey nested_key(const SortField& s, const segments::MappedField* f, size_t leaf, uint32_t doc) const;
  json::object field_values(const Part& p, size_t leaf, uint32_t doc, const json::object& source, const json::object& options);

  Engine& engine_;
  std::vector<Call::Target> targets_;
  storage::SnapshotPtr snapshot_;
  std::vector<Part> parts_;
  std::vector<LeafRef> leaves_;
  std::vector<SortField> sort_;
  std::vector<SortKey> after_;
  std::vector<std::string> after_text_;
  bool has_after_ = false;
  size_t from_ = 0, size_ = 10;
  uint64_t total_ = 0, track_limit_ = 10000;
  bool track_total_ = true, exact_total_ = false;
  bool terminated_ = false;
  float max_score_ = 0;
  bool any_score_ = false;
  std::string collapse_;
  json::object scripted_;  // runtime fields for aggregations by script
  int64_t query_ns_ = 0, fetch_ns_ = 0;
  size_t fetched_ = 0;
  std::vector<Hit> hits_;
  std::unique_ptr<segments::AggregatorTree> aggs_;
  std::map<std::pair<size_t, uint32_t>, json::object> source_cache_;
  mutable std::set<std::string, std::less<>> texts_;  // that sort keys point into
  struct NestedValues { segments::SegmentPtr segment; std::vector<uint32_t> parents; std::vector<uint64_t> matches; bool filtered = false; };
  mutable std::map<std::pair<std::string, size_t>, NestedValues> nested_values_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

// Highlighted fragments by field for one document.
json::object highlight(const segments::Mapping& mapping, const segments::QueryPtr& query, const json::object& source, const json::object& spec,
                       segments::DslContext& dsl);
// The reply's "suggest" for a request's; and its aggregations under "type#name".
json::object suggestions(SearchJob& job, const json::object& spec, bool typed_keys);
json::array completion_suggestions(SearchJob& job, const std::string& text, bool regex, const json::object& options, const json::object& request);
void type_keys(const SearchJob& job, const json::object& body, json::object& reply);
// Wraps an error of query building as a failed search of one shard.
ElasticError search_failure(const Error& e, const Index& index, const std::string& node);

}  // namespace stele::elastic
