// Painless, the everyday subset: statements, loops, functions, lambdas, strings, lists, maps, Math and dates. A script is parsed
// once and may run on any number of threads at a time; each run has variables of its own. A run is bounded in steps.
//
// Errors: parse() throws kScript ("compile error", with where), run() kScript ("runtime error").
#pragma once

#include <optional>

#include "segments/script/value.h"

namespace stele::segments::script {

struct Program;

class Script {
 public:
  // language: painless or expression.
  static std::shared_ptr<const Script> parse(std::string_view source, std::string_view language = "painless");
  ~Script();
  using Variables = std::map<std::string, Value>;
  // The value of `return`, or of the last expression.
  Value run(const Variables& variables) const;
  const std::string& source() const { return source_; }

 private:
  Script() = default;
  std::string source_, language_;
  std::unique_ptr<const Program> program_;
};
using ScriptPtr = std::shared_ptr<const Script>;

}  // namespace stele::segments::script
