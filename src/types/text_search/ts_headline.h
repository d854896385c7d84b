// Fragments of a document that show a query, its words marked.
#pragma once

#include <string>
#include <string_view>

#include "types/text_search/ts_config.h"

namespace stele {

struct TsHeadlineOptions {
  int max_words = 35, min_words = 15, short_word = 3, max_fragments = 0;
  bool highlight_all = false;
  std::string start = "<b>", stop = "</b>", delimiter = " ... ";
  // From "MaxWords=10, StartSel='<i>'"; throws invalid_parameter_value.
  static TsHeadlineOptions parse(std::string_view text);
};

std::string ts_headline(const TsConfig& config, std::string_view document, const TsNode* query, const TsHeadlineOptions& options,
                        EvalContext& ctx);

}  // namespace stele
