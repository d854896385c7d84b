// Regular expressions of analysis components: Java's syntax is close to PCRE's. Matching is bounded,
// so that no pattern can hold a thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stele::segments {

class Regex {
 public:
  using Groups = std::vector<std::pair<size_t, size_t>>;  // begin, end; npos,npos when unmatched
  // flags: Java's names joined with '|' (CASE_INSENSITIVE, COMMENTS, MULTILINE, DOTALL).
  // Throws illegal_argument (kInvalidRegularExpression).
  Regex(const std::string& pattern, const std::string& flags);
  ~Regex();
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;
  bool find(std::string_view s, size_t from, Groups& groups) const;

 private:
  void* code_;
};

// Java's $1 and \$ in replacements.
std::string expand_replacement(std::string_view replacement, std::string_view text, const Regex::Groups& g);

}  // namespace stele::segments
