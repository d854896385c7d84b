// Token filters of the analysis chain.
#pragma once

#include <set>

#include "segments/text/token.h"

namespace stele::segments {

using FilterPtr = std::shared_ptr<const TokenFilter>;

FilterPtr lowercase_filter(const std::string& language = {});
FilterPtr uppercase_filter();
FilterPtr asciifolding_filter(bool preserve_original);
FilterPtr stop_filter(const std::vector<std::string>& words, bool ignore_case, bool remove_trailing = true);
// Snowball by libstemmer's name ("english", "porter", "german2" ...); "possessive_english" and
// "minimal_english" are ours. Throws illegal_argument for unknown ones.
FilterPtr stemmer_filter(const std::string& language);
FilterPtr ngram_filter(int min, int max, bool edge, bool preserve_original);
FilterPtr shingle_filter(int min, int max, bool unigrams, bool unigrams_if_none, std::string separator,
                         std::string filler);
FilterPtr unique_filter(bool only_on_same_position);
FilterPtr trim_filter();
FilterPtr length_filter(int min, int max);
FilterPtr truncate_filter(int length);
FilterPtr elision_filter(const std::vector<std::string>& articles, bool ignore_case);
FilterPtr reverse_filter();
FilterPtr limit_filter(int max);
FilterPtr keep_filter(std::set<std::string> words);
FilterPtr keyword_marker_filter(std::set<std::string> words, bool ignore_case);
FilterPtr pattern_replace_filter(const std::string& pattern, const std::string& flags,
                                 const std::string& replacement, bool all);
FilterPtr cjk_bigram_filter(bool output_unigrams);
FilterPtr cjk_width_filter();
FilterPtr apostrophe_filter();
FilterPtr decimal_digit_filter();
FilterPtr flatten_filter();  // passes tokens through
// Normalisation of one language's spelling: "german", "scandinavian", "scandinavian_folding".
FilterPtr spelling_filter(const std::string& which);

struct WordDelimiterOptions {
  bool generate_word_parts = true, generate_number_parts = true, catenate_words = false,
       catenate_numbers = false, catenate_all = false, split_on_case_change = true,
       preserve_original = false, split_on_numerics = true, stem_english_possessive = true;
  std::set<std::string> protected_words;
};
FilterPtr word_delimiter_filter(const WordDelimiterOptions& options);

// Rules are token sequences: longest match wins; outputs share the first token's position.
struct SynonymRule {
  std::vector<std::string> from;
  std::vector<std::vector<std::string>> to;
};
FilterPtr synonym_filter(std::vector<SynonymRule> rules);

}  // namespace stele::segments
