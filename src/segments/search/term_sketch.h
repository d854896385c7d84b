// What a fuzzy query reads instead of walking the dictionary: the terms of one field of one segment by length, each with a
// 64-bit sketch of the characters in it. An edit takes away at most one bit and adds at most one, so that a term within k
// edits differs from the word by at most k bits each way: one pass over the sketches leaves a few candidates, whose distance
// is computed bit-parallel (Hyyrö, "A bit-vector algorithm for computing Levenshtein and Damerau edit distances", 2003).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace stele::segments {

class TermsIter;

class TermSketch {
 public:
  // Reads every term once.
  explicit TermSketch(TermsIter terms);
  // f(term, edits) for each term within `edits` of the word whose first `prefix` characters are the word's, in no particular
  // order. The views live as long as the sketch.
  void match(std::string_view word, int edits, int prefix, bool transpositions, const std::function<void(std::string_view, int)>& f) const;
  size_t bytes() const { return sketches_.size() * 12 + text_.size(); }

 private:
  std::vector<uint64_t> sketches_;  // by length in characters, then by term
  std::vector<uint32_t> offsets_;   // into text_, one more than there are terms
  std::vector<uint32_t> starts_;    // by length: its first term
  std::string text_;
};

}  // namespace stele::segments
