#include <re2/re2.h>
#include <unicode/uchar.h>

#include "base/error.h"
#include "segments/search/searcher.h"
#include "segments/search/term_sketch.h"
#include "segments/text/utf8.h"

namespace stele::segments {

namespace {
std::string fold(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size();) {
    append_code_point(out, static_cast<uint32_t>(u_tolower(static_cast<UChar32>(next_code_point(s, i)))));
  }
  return out;
}

bool match_here(std::string_view p, std::string_view t) {
  size_t i = 0, j = 0, star = std::string_view::npos, mark = 0;
  while (j < t.size()) {
    if (i < p.size() && p[i] == '*') {
      star = i++;
      mark = j;
    } else if (i < p.size() && p[i] == '?') {
      ++i;
      j += utf8_length(static_cast<uint8_t>(t[j]));
    } else if (i < p.size() && (p[i] == '\\' && i + 1 < p.size() ? p[i + 1] : p[i]) == t[j]) {
      i += p[i] == '\\' && i + 1 < p.size() ? 2 : 1;
      ++j;
    } else if (star != std::string_view::npos) {
      i = star + 1;
      mark += utf8_length(static_cast<uint8_t>(t[mark]));
      j = mark;
    } else {
      return false;
    }
  }
  while (i < p.size() && p[i] == '*') ++i;
  return i == p.size();
}

// The bytes every match starts with.
std::string literal_prefix(std::string_view pattern) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '*' || pattern[i] == '?') break;
    if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
    out.push_back(pattern[i]);
  }
  return out;
}

}  // namespace

bool wildcard_match(std::string_view pattern, std::string_view text, bool ignore_case) {
  if (!ignore_case) return match_here(pattern, text);
  return match_here(fold(pattern), fold(text));
}

int edit_distance(std::u32string_view a, std::u32string_view b, int limit, bool transpositions) {
  std::vector<std::vector<int>> d(a.size() + 1, std::vector<int>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = static_cast<int>(i);
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (transpositions && i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return std::min(d[a.size()][b.size()], limit + 1);
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& known) {
  std::vector<std::pair<float, std::string>> near;
  for (const std::string& k : known) {
    int d = edit_distance(code_points(name), code_points(k), 1000, false);
    float alike = 1.0f - static_cast<float>(d) / static_cast<float>(std::max<size_t>(1, std::min(name.size(), k.size())));
    if (alike > 0.5f) near.emplace_back(-alike, k);
  }
  if (near.empty()) return {};
  std::sort(near.begin(), near.end());
  if (near.size() == 1) return " did you mean [" + near[0].second + "]?";
  std::string all;
  for (auto& [d, k] : near) all += (all.empty() ? "" : ", ") + k;
  return " did you mean any of [" + all + "]?";
}

std::string translate_regexp(std::string_view r) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < r.size(); ++i) {
    char c = r[i];
    if (in_class) {
      if (c == '[') out += '\\';
      out.push_back(c);
      if (c == '\\' && i + 1 < r.size()) out.push_back(r[++i]);
      if (c == ']') in_class = false;
      continue;
    }
    switch (c) {
      case '[': in_class = true; out.push_back(c); break;
      case '"': {
        size_t e = r.find('"', i + 1);
        if (e == std::string_view::npos) e = r.size();
        out += RE2::QuoteMeta(re2::StringPiece(r.data() + i + 1, e - i - 1));
        i = e;
        break;
      }
      case '@': out += "(?s:.*)"; break;
      case '#': out += "[^\\x00-\\x{10FFFF}]"; break;
      case '^': case '$': out.push_back('\\'); out.push_back(c); break;
      case '.': out += "(?s:.)"; break;
      case '<': {
        size_t e = r.find('>', i);
        size_t dash = r.find('-', i);
        if (e == std::string_view::npos || dash == std::string_view::npos || dash > e) {
          out += "<";
          break;
        }
        long a = std::strtol(std::string(r.substr(i + 1, dash - i - 1)).c_str(), nullptr, 10);
        long z = std::strtol(std::string(r.substr(dash + 1, e - dash - 1)).c_str(), nullptr, 10);
        if (z - a > 1000) throw Error(ErrorCode::kInvalidRegularExpression, "interval too large in regular expression");
        out += "(?:";
        for (long v = a; v <= z; ++v) out += (v > a ? "|" : "") + std::to_string(v);
        out += ")";
        i = e;
        break;
      }
      case '~': case '&':
        throw Error(ErrorCode::kFeatureNotSupported, "operators ~ and & of regular expressions are not supported");
      case '\\':
        if (i + 1 < r.size()) {
          char n = r[++i];
          if (std::strchr("wdsWDS", n) != nullptr) out += std::string("\\") + n;
          else out += RE2::QuoteMeta(re2::StringPiece(&r[i], 1));
        }
        break;
      default: out.push_back(c);
    }
  }
  return out;
}

bool regexp_matches(const std::string& lucene, std::string_view text) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(16 << 20);
  RE2 re(translate_regexp(lucene), options);
  if (!re.ok()) throw Error(ErrorCode::kInvalidRegularExpression, re.error());
  return RE2::FullMatch(re2::StringPiece(text.data(), text.size()), re);
}

void expand_terms(const Query& q, const Segment& segment, const SegmentField& field,
                  const std::function<bool(std::string_view, const TermInfo&, int)>& f) {
  TermsIter it = segment.terms(field);
  switch (q.kind) {
    case QueryKind::kPrefix: {
      if (q.case_insensitive) {
        std::string p = fold(q.text);
        for (bool ok = it.first(); ok; ok = it.next()) {
          if (fold(it.term()).starts_with(p) && !f(it.term(), it.info(), 0)) return;
        }
        return;
      }
      for (bool ok = it.seek(q.text); ok && it.term().starts_with(q.text); ok = it.next()) {
        if (!f(it.term(), it.info(), 0)) return;
      }
      return;
    }
    case QueryKind::kWildcard: {
      std::string prefix = q.case_insensitive ? std::string() : literal_prefix(q.text);
      std::string pattern = q.case_insensitive ? fold(q.text) : q.text;
      for (bool ok = it.seek(prefix); ok && it.term().starts_with(prefix); ok = it.next()) {
        bool hit = q.case_insensitive ? match_here(pattern, fold(it.term())) : match_here(pattern, it.term());
        if (hit && !f(it.term(), it.info(), 0)) return;
      }
      return;
    }
    case QueryKind::kRegexp: {
      RE2::Options options;
      options.set_log_errors(false);
      options.set_case_sensitive(!q.case_insensitive);
      options.set_max_mem(16 << 20);
      RE2 re(translate_regexp(q.text), options);
      if (!re.ok()) throw Error(ErrorCode::kInvalidRegularExpression, re.error());
      std::string lo, hi;
      bool range = !q.case_insensitive && re.PossibleMatchRange(&lo, &hi, 16);
      // The range is exact only for anchored expressions; ours match whole terms.
      RE2 anchored("^(?:" + translate_regexp(q.text) + ")$", options);
      if (range) range = anchored.PossibleMatchRange(&lo, &hi, 16);
      for (bool ok = range ? it.seek(lo) : it.first(); ok; ok = it.next()) {
        if (range && it.term().substr(0, hi.size()) > hi) return;
        re2::StringPiece t(it.term().data(), it.term().size());
        if (RE2::FullMatch(t, re) && !f(it.term(), it.info(), 0)) return;
      }
      return;
    }
    case QueryKind::kTermRange:
      for (bool ok = q.has_lo ? it.seek(q.lo_term) : it.first(); ok; ok = it.next()) {
        if (q.has_lo && !q.include_lo && it.term() == q.lo_term) continue;
        if (q.has_hi && (q.include_hi ? it.term() > q.hi_term : it.term() >= q.hi_term)) return;
        if (!f(it.term(), it.info(), 0)) return;
      }
      return;
    case QueryKind::kFuzzy: {
      std::vector<std::pair<std::string_view, int>> found;
      segment.sketch(field).match(q.text, q.edits, q.prefix_length, q.transpositions, [&](std::string_view t, int d) { found.emplace_back(t, d); });
      std::sort(found.begin(), found.end());
      for (auto& [term, d] : found) {
        if (it.seek_exact(term) && !f(term, it.info(), d)) return;
      }
      return;
    }
    case QueryKind::kTerm: {  // case-insensitive term
      std::string p = fold(q.text);
      for (bool ok = it.first(); ok; ok = it.next()) {
        if (fold(it.term()) == p && !f(it.term(), it.info(), 0)) return;
      }
      return;
    }
    default: return;
  }
}

}  // namespace stele::segments
