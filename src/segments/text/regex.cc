#include "segments/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"

namespace stele::segments {

Regex::Regex(const std::string& pattern, const std::string& flags) {
  uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF;
  if (flags.find("CASE_INSENSITIVE") != std::string::npos) options |= PCRE2_CASELESS;
  if (flags.find("COMMENTS") != std::string::npos) options |= PCRE2_EXTENDED;
  if (flags.find("MULTILINE") != std::string::npos) options |= PCRE2_MULTILINE;
  if (flags.find("DOTALL") != std::string::npos) options |= PCRE2_DOTALL;
  if (flags.find("UNICODE_C") != std::string::npos) options |= PCRE2_UCP;
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options,
                                   &error, &offset, nullptr);
  if (code == nullptr) {
    throw Error(ErrorCode::kInvalidRegularExpression, "invalid regular expression [" + pattern + "]");
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  code_ = code;
}
Regex::~Regex() { pcre2_code_free(static_cast<pcre2_code*>(code_)); }

bool Regex::find(std::string_view s, size_t from, Groups& groups) const {
  auto* code = static_cast<pcre2_code*>(code_);
  struct Scratch {
    pcre2_match_context* context = pcre2_match_context_create(nullptr);
    ~Scratch() { pcre2_match_context_free(context); }
  };
  thread_local Scratch scratch;
  pcre2_set_match_limit(scratch.context, 1000000);
  pcre2_match_data* data = pcre2_match_data_create_from_pattern(code, nullptr);
  int n = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(s.data()), s.size(), from, 0, data, scratch.context);
  groups.clear();
  if (n > 0) {
    PCRE2_SIZE* v = pcre2_get_ovector_pointer(data);
    for (int i = 0; i < n; ++i) groups.emplace_back(v[2 * i], v[2 * i + 1]);
  }
  pcre2_match_data_free(data);
  return n > 0;
}

std::string expand_replacement(std::string_view r, std::string_view text, const Regex::Groups& g) {
  std::string out;
  for (size_t i = 0; i < r.size(); ++i) {
    if (r[i] == '\\' && i + 1 < r.size()) {
      out.push_back(r[++i]);
    } else if (r[i] == '$' && i + 1 < r.size() && r[i + 1] >= '0' && r[i + 1] <= '9') {
      size_t k = static_cast<size_t>(r[++i] - '0');
      if (k < g.size() && g[k].first != std::string::npos) {
        out.append(text.substr(g[k].first, g[k].second - g[k].first));
      }
    } else {
      out.push_back(r[i]);
    }
  }
  return out;
}

}  // namespace stele::segments
