// What goes wrong in scripts.
#pragma once

#include "base/error.h"

namespace stele::segments::script {

// "script_exception" of the Elasticsearch door; elsewhere an invalid parameter value.
class ScriptError : public Error {
 public:
  ScriptError(const char* phase, std::string cause, std::string reason)
      : Error(ErrorCode::kInvalidParameterValue, std::string(phase) + ": " + reason), phase(phase), cause(std::move(cause)), reason(std::move(reason)) {}
  const char* phase;                    // "compile error", "runtime error"
  std::string cause, reason;            // the Java exception and what it says
  std::string source, language = "painless";
  size_t position = 0;                  // offset in the source
};
[[noreturn]] inline void fail(std::string cause, std::string reason) { throw ScriptError("runtime error", std::move(cause), std::move(reason)); }

}  // namespace stele::segments::script
