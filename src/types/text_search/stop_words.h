// Stop words by language.
#pragma once

#include <string_view>

namespace stele {

// Space-separated UTF-8 words; empty for a language without a list. The list of English is
// Snowball's; Lucene's shorter English set belongs to the stop filter (analysis.cc).
std::string_view stop_words(std::string_view language);

}  // namespace stele
