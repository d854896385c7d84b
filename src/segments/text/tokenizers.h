// Tokenizers and char filters of the analysis chain, by the names Elasticsearch gives them.
#pragma once

#include <functional>

#include "segments/text/token.h"

namespace stele::segments {

// Unicode word boundaries (UAX #29) with the token types of Lucene's StandardTokenizer.
std::shared_ptr<const Tokenizer> standard_tokenizer(int max_token_length = 255);
// Maximal runs of characters for which `keep` holds.
std::shared_ptr<const Tokenizer> char_class_tokenizer(std::function<bool(uint32_t)> keep,
                                                      bool lowercase, int max_token_length = 255);
std::shared_ptr<const Tokenizer> keyword_tokenizer();
// Grams of runs of `keep` characters; edge: only those at the start of a run.
std::shared_ptr<const Tokenizer> ngram_tokenizer(int min, int max, bool edge,
                                                 std::function<bool(uint32_t)> keep);
// group -1 splits on the pattern; otherwise tokens are that group of each match.
std::shared_ptr<const Tokenizer> pattern_tokenizer(const std::string& pattern, const std::string& flags,
                                                   int group);
std::shared_ptr<const Tokenizer> path_hierarchy_tokenizer(char delimiter, char replacement, bool reverse,
                                                          int skip);

std::shared_ptr<const CharFilter> html_strip_filter(std::vector<std::string> escaped_tags);
std::shared_ptr<const CharFilter> mapping_filter(const std::vector<std::pair<std::string, std::string>>&);
std::shared_ptr<const CharFilter> pattern_replace_char_filter(const std::string& pattern,
                                                              const std::string& flags,
                                                              const std::string& replacement);

}  // namespace stele::segments
