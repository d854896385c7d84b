// Running queries: a Searcher sees a fixed set of leaves at a snapshot. Statistics (document
// frequencies, average lengths) are taken over all its leaves, dead documents included, as Lucene does.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "segments/search/query.h"
#include "segments/segment.h"

namespace stele::segments {

// A segment at a snapshot. `hidden`: documents that the reader's own transaction has replaced.
struct Leaf {
  SegmentPtr segment;
  Lsn lsn = 0;
  bool all_visible = false;
  std::shared_ptr<const std::vector<uint64_t>> hidden;
  bool visible(uint32_t doc) const {
    if (hidden && ((*hidden)[doc >> 6] >> (doc & 63) & 1) != 0) return false;
    return all_visible || segment->visible(doc, lsn);
  }
};

// Documents of one leaf in ascending order with scores. Starts before the first document.
class Scorer {
 public:
  virtual ~Scorer() = default;
  uint32_t doc() const { return doc_; }
  virtual uint32_t next() = 0;
  virtual uint32_t advance(uint32_t target) = 0;
  virtual float score() = 0;
  virtual uint64_t cost() const = 0;
  // No score exceeds this.
  virtual float max_score() = 0;
  // The last document (>= target) up to which no score exceeds *bound.
  virtual uint32_t block_end(uint32_t target, float* bound) {
    *bound = max_score();
    return kNoDoc - 1;
  }
  // Documents that cannot score at least this may be left out from now on.
  virtual void set_min_score(float) {}
  // A cheap test instead of iteration: for clauses that match by looking at a column.
  virtual bool is_predicate() const { return false; }
  virtual bool test(uint32_t) { return false; }

 protected:
  uint32_t doc_ = UINT32_MAX;
};
using ScorerPtr = std::unique_ptr<Scorer>;  // null: nothing matches

class Searcher;
// A query prepared for a searcher: statistics looked up once.
class Weight {
 public:
  virtual ~Weight() = default;
  virtual ScorerPtr scorer(size_t leaf) = 0;
};
using WeightPtr = std::unique_ptr<Weight>;

struct FieldStats { uint64_t doc_count = 0, sum_ttf = 0; };
struct ScoredDoc { uint32_t leaf, doc; float score; };

class Searcher {
 public:
  explicit Searcher(std::vector<Leaf> leaves, float score_scale = 1) : leaves_(std::move(leaves)), scale_(score_scale) {}
  const std::vector<Leaf>& leaves() const { return leaves_; }
  // BM25 is multiplied by this: 1 as Lucene, 2.2 (k1 + 1) as Elasticsearch.
  float score_scale() const { return scale_; }
  FieldStats field_stats(const std::string& field) const;
  uint64_t max_doc() const;

  WeightPtr weight(const QueryPtr& query, bool scores) const;
  // The same leaves' documents nested at a path; leaves without any are empty.
  Searcher nested(std::string_view path) const;
  // The k best by score, ties by leaf and ordinal. `total` counts every match up to
  // `count_limit` (beyond it the count is a lower bound and pruning may start).
  std::vector<ScoredDoc> top(const QueryPtr& query, size_t k, uint64_t count_limit, uint64_t* total) const;
  // Every visible match; `f` returns false to stop. scores: whether Scorer::score may be called.
  void each(const QueryPtr& query, bool scores, const std::function<bool(uint32_t leaf, Scorer&)>& f) const;
  uint64_t count(const QueryPtr& query) const;

 private:
  std::vector<Leaf> leaves_;
  float scale_;
};

// Expands a prefix, wildcard, regexp, fuzzy or term-range query over one field of one segment.
// f(term, info, edits); false stops.
void expand_terms(const Query& q, const Segment& segment, const SegmentField& field,
                  const std::function<bool(std::string_view, const TermInfo&, int)>& f);

}  // namespace stele::segments
