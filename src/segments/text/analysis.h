// The analyzers of one index: Elasticsearch's built-in ones and those its settings define.
#pragma once

#include <map>
#include <optional>

#include "base/json.h"
#include "segments/text/token.h"

namespace stele::segments {

class Analysis {
 public:
  Analysis();
  // `settings` is the object under "analysis" (analyzer, tokenizer, filter, char_filter, normalizer).
  // Throws illegal_argument with Elasticsearch's words.
  explicit Analysis(const json::object& settings);
  ~Analysis();

  // Null when there is none of that name.
  AnalyzerPtr analyzer(std::string_view name) const;
  AnalyzerPtr normalizer(std::string_view name) const;
  // An analyzer of the parts named or defined in an _analyze request.
  AnalyzerPtr custom(const json::object& definition, bool normalizer = false) const;

  static AnalyzerPtr builtin(std::string_view name);  // null when unknown

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stele::segments
