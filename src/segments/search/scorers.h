// The scorers that queries are made of.
#pragma once

#include "segments/search/searcher.h"

namespace stele::segments {

// BM25 of one term: weight - weight / (1 + freq * cache[norm]), as Lucene computes it.
struct Bm25 {
  float weight = 0;       // boost * idf, scaled
  std::array<float, 256> cache{};
  static float idf(uint64_t doc_freq, uint64_t doc_count);
  void set(float boost, float idf_value, const FieldStats& stats, float scale);
  float score(float freq, uint8_t norm) const { return weight - weight / (1.0f + freq * cache[norm]); }
};
using Bm25Ptr = std::shared_ptr<const Bm25>;

ScorerPtr term_scorer(PostingsIter postings, Bm25Ptr bm25, const uint8_t* norms);
// Bits, one a document, all scoring the same.
ScorerPtr bits_scorer(std::vector<uint64_t> bits, uint32_t docs, float score);
ScorerPtr all_scorer(uint32_t docs, float score);
ScorerPtr test_scorer(uint32_t docs, float score, uint64_t cost, std::function<bool(uint32_t)> test);
// Postings without scores.
ScorerPtr constant_postings_scorer(PostingsIter postings, float score);
// All of `must` and `filter` (whose scores do not count).
ScorerPtr conjunction_scorer(std::vector<ScorerPtr> must, std::vector<ScorerPtr> filter);
ScorerPtr disjunction_scorer(std::vector<ScorerPtr> clauses);
ScorerPtr dis_max_scorer(std::vector<ScorerPtr> clauses, float tie_breaker);
ScorerPtr minimum_match_scorer(std::vector<ScorerPtr> clauses, int minimum);
ScorerPtr required_optional_scorer(ScorerPtr required, ScorerPtr optional);
ScorerPtr exclusion_scorer(ScorerPtr required, ScorerPtr excluded);
ScorerPtr constant_scorer(ScorerPtr inner, float score);
ScorerPtr boosting_scorer(ScorerPtr positive, ScorerPtr negative, float negative_boost);
// Scores are mapped by `f(doc, score)`; documents for which it answers NaN are left out.
ScorerPtr mapped_scorer(ScorerPtr inner, std::function<float(uint32_t, float)> f);

// Documents that nested ones belong to: parents[i] is that of nested document i (ascending). mode: avg sum min max none.
ScorerPtr nested_scorer(ScorerPtr inner, std::vector<uint32_t> parents, const std::string& mode, float boost);

// One position of a phrase: postings of its alternatives.
struct PhraseTerm {
  std::vector<PostingsIter> postings;
  uint32_t position = 0;
};
ScorerPtr phrase_scorer(std::vector<PhraseTerm> terms, int slop, Bm25Ptr bm25, const uint8_t* norms);

}  // namespace stele::segments
