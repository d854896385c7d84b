// PostgreSQL's advanced regular expressions, translated to PCRE2. What is found is POSIX's choice:
// the leftmost match, longest or shortest as the expression's first quantifier prefers.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "types/datum.h"

namespace stele {

struct FnCall;

struct RegexOptions {
  bool ignore_case = false;
  bool literal = false;          // q, ***=
  bool expanded = false;         // x
  bool newline_stops = false;    // n, p: . and [^ ] do not match a newline
  bool newline_anchors = false;  // n, w: ^ and $ match at lines
  bool global = false;           // g, for the functions that know it
  bool operator==(const RegexOptions&) const = default;
};
// Reads a flags argument; throws invalid regular expression option.
RegexOptions parse_regex_flags(std::string_view flags);

struct RegexSpan {
  int64_t start = -1, end = -1;  // bytes; -1 when the group took no part
};

// Immutable; any thread may match.
class Regex {
 public:
  // Throws invalid_regular_expression. Compiled expressions are cached a thread.
  static std::shared_ptr<const Regex> compile(std::string_view pattern, RegexOptions options);
  // Keeps the expression in the call's cache when it does not change from call to call.
  static const Regex& of_call(FnCall& c, std::string_view pattern, RegexOptions options);
  ~Regex();
  bool search(std::string_view subject) const;
  // Spans of the whole match and of each group, searching from byte `from`.
  bool match(std::string_view subject, size_t from, std::vector<RegexSpan>& spans) const;
  int groups() const { return groups_; }

 private:
  Regex() = default;
  void* code_ = nullptr;
  int groups_ = 0;
  bool posix_choice_ = false;  // the library's own choice may not be POSIX's
  bool shortest_ = false;
};

}  // namespace stele
