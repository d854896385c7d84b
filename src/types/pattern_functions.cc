// LIKE, ILIKE, SIMILAR TO and the regular expression functions.
#include "base/error.h"
#include "types/array.h"
#include "types/function.h"
#include "types/oids.h"
#include "types/regex.h"
#include "types/text.h"

namespace stele {
namespace {

// ---- LIKE

[[noreturn]] void dangling_escape() {
  throw Error(ErrorCode::kInvalidEscapeSequence, "LIKE pattern must not end with escape character");
}

// Greedy matching with one point of return: the last % decides, so the time is bounded by n * m.
bool like(std::string_view s, std::string_view p, bool bytes) {
  size_t i = 0, k = 0;
  size_t star = std::string_view::npos, resume = 0;
  auto step = [&](std::string_view v, size_t at) { return bytes ? 1 : utf8_front(v.substr(at)); };
  for (;;) {
    if (k < p.size() && p[k] == '%') {
      while (k < p.size() && p[k] == '%') ++k;
      if (k == p.size()) return true;
      star = k;
      resume = i;
      continue;
    }
    if (i == s.size()) {
      return k == p.size();
    }
    bool ok = false;
    if (k < p.size()) {
      if (p[k] == '_') {
        i += step(s, i);
        ++k;
        ok = true;
      } else {
        size_t literal = k;
        if (p[k] == '\\') {
          if (k + 1 == p.size()) dangling_escape();
          ++literal;
        }
        if (s[i] == p[literal]) {
          ++i;
          k = literal + 1;
          ok = true;
        }
      }
    }
    if (ok) continue;
    if (star == std::string_view::npos) return false;
    resume += step(s, resume);
    if (resume > s.size()) return false;
    i = resume;
    k = star;
  }
}

// A pattern without _ is literals between %: matched by searching for each in turn.
struct LikePlan {
  std::string pattern;
  bool simple = false;
  bool open_start = false, open_end = false;
  std::vector<std::string> pieces;

  explicit LikePlan(std::string_view p) : pattern(p) {
    std::string piece;
    bool starts = true;
    simple = true;
    for (size_t i = 0; i < p.size(); ++i) {
      if (p[i] == '_') {
        simple = false;
        return;
      }
      if (p[i] == '%') {
        if (starts && piece.empty() && pieces.empty()) open_start = true;
        if (!piece.empty()) pieces.push_back(std::move(piece));
        piece.clear();
        starts = false;
        open_end = true;
        continue;
      }
      if (p[i] == '\\') {
        if (i + 1 == p.size()) {
          simple = false;
          return;
        }
        ++i;
      }
      piece += p[i];
      starts = false;
      open_end = false;
    }
    if (!piece.empty()) pieces.push_back(std::move(piece));
    wild_ = p.find('%') != std::string_view::npos;
  }
  bool matches(std::string_view s) const {
    if (!simple) return like(s, pattern, false);
    if (pieces.empty()) return wild_ || s.empty();
    if (!wild_) return s == pieces[0];
    size_t first = 0, last = pieces.size();
    if (!open_start) {
      if (!s.starts_with(pieces[0])) return false;
      s.remove_prefix(pieces[0].size());
      first = 1;
    }
    if (!open_end && last > first) {
      --last;
      if (!s.ends_with(pieces[last])) return false;
      s.remove_suffix(pieces[last].size());
    } else if (!open_end && first == last) {
      return s.empty();
    }
    for (size_t i = first; i < last; ++i) {
      const void* at = memmem(s.data(), s.size(), pieces[i].data(), pieces[i].size());
      if (at == nullptr) return false;
      s.remove_prefix(static_cast<size_t>(static_cast<const char*>(at) - s.data()) + pieces[i].size());
    }
    return true;
  }

 private:
  bool wild_ = false;
};

bool like_call(FnCall& c) {
  if (!collation_is_deterministic(c.collation))
    throw Error(ErrorCode::kFeatureNotSupported, "nondeterministic collations are not supported for LIKE");
  std::string_view p = c.text_arg(1);
  if (c.cache == nullptr) return like(c.text_arg(0), p, false);
  auto* plan = static_cast<LikePlan*>(c.cache->get());
  if (plan == nullptr || plan->pattern != p) {
    auto fresh = std::make_shared<LikePlan>(p);
    plan = fresh.get();
    *c.cache = std::move(fresh);
  }
  return plan->matches(c.text_arg(0));
}
bool ilike_call(FnCall& c) {
  if (!collation_is_deterministic(c.collation))
    throw Error(ErrorCode::kFeatureNotSupported, "nondeterministic collations are not supported for ILIKE");
  return like(text_lower(c.text_arg(0), c.collation), text_lower(c.text_arg(1), c.collation), false);
}

[[noreturn]] void bad_escape_string() {
  throw Error(ErrorCode::kInvalidEscapeSequence, "invalid escape string")
      .hint("Escape string must be empty or one character.");
}

// Rewrites a pattern with another escape character to one with a backslash.
Datum like_escape(FnCall& c) {
  std::string_view p = c.text_arg(0), e = c.text_arg(1);
  std::string out;
  if (e.empty()) {
    for (char ch : p) {
      if (ch == '\\') out += '\\';
      out += ch;
    }
    return c.text(out);
  }
  if (utf8_front(e) != e.size()) bad_escape_string();
  if (e == "\\") return c.arg(0);
  bool after = false;
  for (size_t i = 0; i < p.size();) {
    size_t n = utf8_front(p.substr(i));
    std::string_view ch = p.substr(i, n);
    i += n;
    if (ch == e && !after) {
      out += '\\';
      after = true;
    } else if (ch == "\\") {
      out += '\\';
      if (!after) out += '\\';
      after = false;
    } else {
      out += ch;
      after = false;
    }
  }
  return c.text(out);
}

// SIMILAR TO's pattern as a regular expression.
std::string similar(std::string_view p, bool has_escape, std::string_view e) {
  if (!has_escape) e = "\\";
  else if (!e.empty() && utf8_front(e) != e.size()) bad_escape_string();
  std::string out = "^(?:";
  bool after = false, in_class = false;
  int quotes = 0;
  for (size_t i = 0; i < p.size();) {
    size_t n = utf8_front(p.substr(i));
    std::string_view ch = p.substr(i, n);
    i += n;
    if (after) {
      if (ch == "\"" && !in_class) {
        if (quotes == 0) out += "){1,1}?(";
        else if (quotes == 1) out += "){1,1}(?:";
        else
          throw Error(ErrorCode::kInvalidEscapeCharacter,
                      "SQL regular expression may not contain more than two escape-double-quote separators");
        ++quotes;
      } else {
        out += '\\';
        out += ch;
      }
      after = false;
    } else if (!e.empty() && ch == e) {
      after = true;
    } else if (in_class) {
      if (ch == "\\") out += '\\';
      out += ch;
      if (ch == "]") in_class = false;
    } else if (ch == "[") {
      out += ch;
      in_class = true;
    } else if (ch == "%") {
      out += ".*";
    } else if (ch == "_") {
      out += '.';
    } else if (ch == "(") {
      out += "(?:";
    } else if (ch == "\\" || ch == "." || ch == "^" || ch == "$") {
      out += '\\';
      out += ch;
    } else {
      out += ch;
    }
  }
  return out + ")$";
}

// ---- regular expressions

bool regex_call(FnCall& c, bool ignore_case) {
  RegexOptions o;
  o.ignore_case = ignore_case;
  return Regex::of_call(c, c.text_arg(1), o).search(c.text_arg(0));
}

std::string_view cut(std::string_view s, RegexSpan span) {
  return s.substr(static_cast<size_t>(span.start), static_cast<size_t>(span.end - span.start));
}

using Match = std::vector<RegexSpan>;
std::vector<Match> find_all(const Regex& re, std::string_view s, size_t from, bool global, bool skip_degenerate, FnCall& c) {
  std::vector<Match> out;
  Match m;
  int64_t previous_end = 0;
  while (re.match(s, from, m)) {
    if (!skip_degenerate || (m[0].start < static_cast<int64_t>(s.size()) && m[0].end > previous_end)) out.push_back(m);
    previous_end = m[0].end;
    if (!global) break;
    from = static_cast<size_t>(m[0].end);
    if (m[0].start == m[0].end) {
      if (from >= s.size()) break;
      from += utf8_front(s.substr(from));
    }
    if ((out.size() & 4095) == 4095 && c.context->check_interrupts) c.context->check_interrupts();
  }
  return out;
}

RegexOptions flags_arg(FnCall& c, int i) {
  return c.nargs > i ? parse_regex_flags(c.text_arg(i)) : RegexOptions{};
}
void no_global(const RegexOptions& o, const char* function, const char* instead) {
  if (!o.global) return;
  Error e(ErrorCode::kInvalidParameterValue, fmt::format("{} does not support the \"global\" option", function));
  if (instead != nullptr) throw std::move(e).hint(fmt::format("Use the {} function instead.", instead));
  throw e;
}

Datum groups_array(const Match& m, std::string_view s, Arena& arena) {
  ArrayBuilder b(element_info(oid::kText, nullptr));
  if (m.size() == 1) {
    b.add(make_bytes(arena, cut(s, m[0])));
  } else {
    for (size_t i = 1; i < m.size(); ++i) {
      if (m[i].start < 0) b.add_null();
      else b.add(make_bytes(arena, cut(s, m[i])));
    }
  }
  return b.finish(arena);
}

Datum regexp_match(FnCall& c) {
  RegexOptions o = flags_arg(c, 2);
  no_global(o, "regexp_match()", "regexp_matches");
  Match m;
  if (!Regex::of_call(c, c.text_arg(1), o).match(c.text_arg(0), 0, m)) return c.null();
  return groups_array(m, c.text_arg(0), *c.arena);
}

class Matches : public SetRows {
 public:
  explicit Matches(FnCall& c) : subject_(c.text_arg(0)) {
    RegexOptions o = flags_arg(c, 2);
    auto re = Regex::compile(c.text_arg(1), o);
    matches_ = find_all(*re, subject_, 0, o.global, false, c);
  }
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (at_ >= matches_.size()) return false;
    out[0] = groups_array(matches_[at_++], subject_, *c.arena);
    nulls[0] = false;
    return true;
  }

 private:
  std::string subject_;
  std::vector<Match> matches_;
  size_t at_ = 0;
};

std::vector<std::string> split(FnCall& c, const char* function) {
  RegexOptions o = flags_arg(c, 2);
  no_global(o, function, nullptr);
  std::string_view s = c.text_arg(0);
  auto re = Regex::compile(c.text_arg(1), o);
  std::vector<std::string> out;
  int64_t from = 0;
  for (const Match& m : find_all(*re, s, 0, true, true, c)) {
    out.emplace_back(s.substr(static_cast<size_t>(from), static_cast<size_t>(m[0].start - from)));
    from = m[0].end;
  }
  out.emplace_back(s.substr(static_cast<size_t>(from)));
  return out;
}
class SplitRows : public SetRows {
 public:
  explicit SplitRows(FnCall& c) : pieces_(split(c, "regexp_split_to_table()")) {}
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (at_ >= pieces_.size()) return false;
    out[0] = c.text(pieces_[at_++]);
    nulls[0] = false;
    return true;
  }

 private:
  std::vector<std::string> pieces_;
  size_t at_ = 0;
};

void append_replacement(std::string_view with, const Match& m, std::string_view s, std::string& out) {
  for (size_t i = 0; i < with.size(); ++i) {
    if (with[i] != '\\' || i + 1 == with.size()) {
      out += with[i];
      continue;
    }
    char ch = with[i + 1];
    if (ch >= '1' && ch <= '9') {
      size_t g = static_cast<size_t>(ch - '0');
      if (g < m.size() && m[g].start >= 0) out += cut(s, m[g]);
      ++i;
    } else if (ch == '&') {
      out += cut(s, m[0]);
      ++i;
    } else if (ch == '\\') {
      out += '\\';
      ++i;
    } else {
      out += '\\';
    }
  }
}

// which: the match to replace, 0 is all.
Datum replace(FnCall& c, RegexOptions o, size_t from, int64_t which) {
  std::string_view s = c.text_arg(0), with = c.text_arg(2);
  const Regex& re = Regex::of_call(c, c.text_arg(1), o);
  std::string out;
  Match m;
  size_t copied = 0;
  int64_t n = 0;
  while (from <= s.size() && re.match(s, from, m)) {
    ++n;
    size_t start = static_cast<size_t>(m[0].start), end = static_cast<size_t>(m[0].end);
    if (which == 0 || n == which) {
      out += s.substr(copied, start - copied);
      append_replacement(with, m, s, out);
      copied = end;
      if (which != 0) break;
    }
    from = end;
    if (start == end) from += std::max<size_t>(1, utf8_front(s.substr(from)));
  }
  if (n == 0) return c.arg(0);
  out += s.substr(copied);
  return c.text(out);
}

[[noreturn]] void bad_value(const char* name, int64_t v) {
  throw Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid value for parameter \"{}\": {}", name, v));
}
int64_t int_or(FnCall& c, int i, int64_t otherwise) { return c.nargs > i ? c.int_arg(i) : otherwise; }
// The byte where a 1-based character position starts; past the end finds nothing.
bool start_offset(FnCall& c, int arg, size_t& from) {
  int64_t start = int_or(c, arg, 1);
  if (start <= 0) bad_value("start", start);
  std::string_view s = c.text_arg(0);
  from = utf8_offset(s, static_cast<size_t>(start - 1));
  return static_cast<size_t>(start - 1) <= utf8_length(s);
}

Datum replace_flags(FnCall& c) {
  std::string_view flags = c.text_arg(3);
  if (!flags.empty() && flags[0] >= '0' && flags[0] <= '9')
    throw Error(ErrorCode::kInvalidParameterValue,
                fmt::format("invalid regular expression option: \"{}\"", flags.substr(0, 1)))
        .hint("If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly.");
  RegexOptions o = parse_regex_flags(flags);
  return replace(c, o, 0, o.global ? 0 : 1);
}
Datum replace_extended(FnCall& c) {
  size_t from = 0;
  bool inside = start_offset(c, 3, from);
  int64_t n = int_or(c, 4, 1);
  if (n < 0) bad_value("n", n);
  RegexOptions o = flags_arg(c, 5);
  if (c.nargs <= 4) n = o.global ? 0 : 1;
  if (!inside) return c.arg(0);
  return replace(c, o, from, n);
}

Datum regexp_count(FnCall& c) {
  size_t from = 0;
  bool inside = start_offset(c, 2, from);
  RegexOptions o = flags_arg(c, 3);
  no_global(o, "regexp_count()", nullptr);
  auto re = Regex::compile(c.text_arg(1), o);
  if (!inside) return Datum::from_int(0);
  return Datum::from_int(static_cast<int64_t>(find_all(*re, c.text_arg(0), from, true, false, c).size()));
}

// The n-th match's group; false when there is none.
bool nth(FnCall& c, int flags, int subexpr, int n_arg, const char* function, RegexSpan& span) {
  size_t from = 0;
  bool inside = start_offset(c, 2, from);
  int64_t n = int_or(c, n_arg, 1), group = int_or(c, subexpr, 0);
  if (n <= 0) bad_value("n", n);
  if (group < 0) bad_value("subexpr", group);
  RegexOptions o = flags_arg(c, flags);
  no_global(o, function, nullptr);
  auto re = Regex::compile(c.text_arg(1), o);
  if (!inside || group > re->groups()) return false;
  std::vector<Match> all = find_all(*re, c.text_arg(0), from, true, false, c);
  if (n > static_cast<int64_t>(all.size())) return false;
  span = all[static_cast<size_t>(n - 1)][static_cast<size_t>(group)];
  return span.start >= 0;
}
Datum regexp_instr(FnCall& c) {
  int64_t end_option = int_or(c, 4, 0);
  if (end_option != 0 && end_option != 1) {
    size_t from = 0;
    start_offset(c, 2, from);
    if (int_or(c, 3, 1) <= 0) bad_value("n", int_or(c, 3, 1));
    bad_value("endoption", end_option);
  }
  RegexSpan span;
  if (!nth(c, 5, 6, 3, "regexp_instr()", span)) return Datum::from_int(0);
  std::string_view before = c.text_arg(0).substr(0, static_cast<size_t>(end_option == 1 ? span.end : span.start));
  return Datum::from_int(static_cast<int64_t>(utf8_length(before)) + 1);
}
Datum regexp_substr(FnCall& c) {
  RegexSpan span;
  if (!nth(c, 4, 5, 3, "regexp_substr()", span)) return c.null();
  return c.text(cut(c.text_arg(0), span));
}
Datum substring_pattern(FnCall& c, std::string_view pattern) {
  Match m;
  if (!Regex::of_call(c, pattern, {}).match(c.text_arg(0), 0, m)) return c.null();
  RegexSpan span = m.size() > 1 ? m[1] : m[0];
  return span.start < 0 ? c.null() : c.text(cut(c.text_arg(0), span));
}

template <typename T>
std::unique_ptr<SetRows> make_set(FnCall& c) { return std::make_unique<T>(c); }

}  // namespace

void register_pattern_functions(FunctionRegistry& r) {
  for (const char* n : {"textlike", "namelike"}) r.add(n, [](FnCall& c) { return Datum::from_bool(like_call(c)); });
  for (const char* n : {"textnlike", "namenlike"}) r.add(n, [](FnCall& c) { return Datum::from_bool(!like_call(c)); });
  for (const char* n : {"texticlike", "nameiclike"}) r.add(n, [](FnCall& c) { return Datum::from_bool(ilike_call(c)); });
  for (const char* n : {"texticnlike", "nameicnlike"}) r.add(n, [](FnCall& c) { return Datum::from_bool(!ilike_call(c)); });
  r.add("bytealike", [](FnCall& c) { return Datum::from_bool(like(c.text_arg(0), c.text_arg(1), true)); });
  r.add("byteanlike", [](FnCall& c) { return Datum::from_bool(!like(c.text_arg(0), c.text_arg(1), true)); });
  r.add("like_escape", like_escape);
  r.add("like_escape_bytea", like_escape);
  r.add("similar_to_escape_1", [](FnCall& c) { return c.text(similar(c.text_arg(0), false, {})); });
  r.add("similar_to_escape_2", [](FnCall& c) { return c.text(similar(c.text_arg(0), true, c.text_arg(1))); });
  r.add("similar_escape", [](FnCall& c) {
    if (c.is_null(0)) return c.null();
    return c.text(similar(c.text_arg(0), !c.is_null(1), c.is_null(1) ? std::string_view() : c.text_arg(1)));
  });
  r.add("sql:substring/text,text,text", [](FnCall& c) {
    return substring_pattern(c, similar(c.text_arg(1), true, c.text_arg(2)));
  });

  for (const char* n : {"textregexeq", "nameregexeq"}) r.add(n, [](FnCall& c) { return Datum::from_bool(regex_call(c, false)); });
  for (const char* n : {"textregexne", "nameregexne"}) r.add(n, [](FnCall& c) { return Datum::from_bool(!regex_call(c, false)); });
  for (const char* n : {"texticregexeq", "nameicregexeq"}) r.add(n, [](FnCall& c) { return Datum::from_bool(regex_call(c, true)); });
  for (const char* n : {"texticregexne", "nameicregexne"}) r.add(n, [](FnCall& c) { return Datum::from_bool(!regex_call(c, true)); });
  r.add("textregexsubstr", [](FnCall& c) { return substring_pattern(c, c.text_arg(1)); });
  r.add("regexp_match", regexp_match);
  r.add("regexp_match_no_flags", regexp_match);
  r.add_set("regexp_matches", make_set<Matches>);
  r.add_set("regexp_matches_no_flags", make_set<Matches>);
  for (const char* n : {"regexp_split_to_array", "regexp_split_to_array_no_flags"})
    r.add(n, [](FnCall& c) {
      std::vector<std::string> pieces = split(c, "regexp_split_to_array()");
      return make_text_array(std::span<const std::string>(pieces), *c.arena);
    });
  r.add_set("regexp_split_to_table", make_set<SplitRows>);
  r.add_set("regexp_split_to_table_no_flags", make_set<SplitRows>);
  r.add("textregexreplace_noopt", [](FnCall& c) { return replace(c, {}, 0, 1); });
  r.add("textregexreplace", replace_flags);
  for (const char* n : {"textregexreplace_extended", "textregexreplace_extended_no_flags", "textregexreplace_extended_no_n"})
    r.add(n, replace_extended);
  for (const char* n : {"regexp_count", "regexp_count_no_start", "regexp_count_no_flags"}) r.add(n, regexp_count);
  for (const char* n : {"regexp_instr", "regexp_instr_no_start", "regexp_instr_no_n", "regexp_instr_no_endoption",
                        "regexp_instr_no_flags", "regexp_instr_no_subexpr"})
    r.add(n, regexp_instr);
  for (const char* n : {"regexp_substr", "regexp_substr_no_start", "regexp_substr_no_n", "regexp_substr_no_flags",
                        "regexp_substr_no_subexpr"})
    r.add(n, regexp_substr);
  for (const char* n : {"regexp_like", "regexp_like_no_flags"})
    r.add(n, [](FnCall& c) {
      RegexOptions o = flags_arg(c, 2);
      no_global(o, "regexp_like()", nullptr);
      return Datum::from_bool(Regex::of_call(c, c.text_arg(1), o).search(c.text_arg(0)));
    });
}

}  // namespace stele
