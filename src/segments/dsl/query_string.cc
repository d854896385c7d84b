// The query string syntax (query_string) and its forgiving sibling (simple_query_string).
#include "base/error.h"
#include "segments/dsl/dsl_parts.h"

namespace stele::segments {

namespace {

class Parser {
 public:
  Parser(std::string_view s, const QueryStringOptions& o, DslContext& ctx) : s_(s), o_(o), ctx_(ctx) {
    fields_ = resolve_fields(o.fields, ctx);
  }
  QueryPtr run() {
    QueryPtr q = clauses(0);
    if (i_ < s_.size()) fail();
    return q ? q : make_query(QueryKind::kMatchNone);
  }

 private:
  [[noreturn]] void fail() {
    throw Error(ErrorCode::kQueryShard, "Failed to parse query [" + std::string(s_) + "]");
  }
  void space() {
    while (i_ < s_.size() && std::isspace(static_cast<unsigned char>(s_[i_])) != 0) ++i_;
  }
  bool word(std::string_view w) {
    if (s_.substr(i_, w.size()) != w) return false;
    size_t e = i_ + w.size();
    if (std::isalpha(static_cast<unsigned char>(w[0])) != 0 && e < s_.size() &&
        std::isspace(static_cast<unsigned char>(s_[e])) == 0 && s_[e] != '(') return false;
    i_ = e;
    return true;
  }
  QueryPtr clauses(int depth) {
    if (depth > 50) fail();
    struct Item { QueryPtr q; char mod; };
    std::vector<Item> items;
    bool and_default = o_.default_operator == "and" || o_.default_operator == "AND";
    int conjunction = 0;  // 1 and, 2 or
    for (;;) {
      space();
      if (i_ >= s_.size() || s_[i_] == ')') break;
      if (!items.empty() || conjunction != 0) {
        if (word("AND") || word("&&")) {
          conjunction = 1;
          continue;
        }
        if (word("OR") || word("||")) {
          conjunction = 2;
          continue;
        }
      }
      char mod = 0;
      if (word("NOT") || word("!")) mod = '-';
      else if (s_[i_] == '+') {
        mod = '+';
        ++i_;
      } else if (s_[i_] == '-') {
        mod = '-';
        ++i_;
      }
      space();
      QueryPtr q = clause(depth);
      // Lucene's classic rules for mixing operators.
      if (!items.empty() && conjunction == 1 && items.back().mod == 0) items.back().mod = '+';
      if (!items.empty() && and_default && conjunction == 2 && items.back().mod == '+' && items.back().q) {
        items.back().mod = 0;
      }
      if (mod == 0) {
        if (conjunction == 1) mod = '+';
        else if (and_default && conjunction != 2) mod = '+';
      }
      if (q) items.push_back({q, mod});
      conjunction = 0;
    }
    if (items.empty()) return nullptr;
    if (items.size() == 1 && items[0].mod != '-') return items[0].q;
    auto b = make_query(QueryKind::kBool);
    for (Item& it : items) (it.mod == '+' ? b->must : it.mod == '-' ? b->must_not : b->should).push_back(it.q);
    if (!o_.minimum_should_match.empty() && !b->should.empty()) {
      b->minimum_should_match = minimum_should_match(o_.minimum_should_match, static_cast<int>(b->should.size()));
    } else if (b->must.empty() && !b->should.empty()) {
      b->minimum_should_match = 1;
    }
    return b;
  }
  static bool special(char c) { return std::strchr(" \t\n\r\"()[]{}:^~/", c) != nullptr; }
  // A run up to a special character; escapes are resolved, except before wildcards.
  std::string run(bool* wild) {
    std::string out;
    while (i_ < s_.size()) {
      char c = s_[i_];
      if (c == '\\' && i_ + 1 < s_.size()) {
        char n = s_[i_ + 1];
        if (n == '*' || n == '?') out.push_back('\\');
        out.push_back(n);
        i_ += 2;
        continue;
      }
      if (special(c) && !(c == '/' && !out.empty())) break;
      if ((c == '*' || c == '?') && wild != nullptr) *wild = true;
      out.push_back(c);
      ++i_;
    }
    return out;
  }
  float number() {
    size_t b = i_;
    while (i_ < s_.size() && (std::isdigit(static_cast<unsigned char>(s_[i_])) != 0 || s_[i_] == '.')) ++i_;
    return b == i_ ? -1 : std::strtof(std::string(s_.substr(b, i_ - b)).c_str(), nullptr);
  }
  QueryPtr boosted(QueryPtr q) {
    if (i_ < s_.size() && s_[i_] == '^') {
      ++i_;
      float b = number();
      if (b < 0) fail();
      if (q) q = with_boost(q, b);
    }
    return q;
  }
  QueryPtr clause(int depth) {
    if (i_ >= s_.size()) fail();
    // field: prefix
    size_t start = i_;
    if (s_[i_] == '*' && i_ + 1 < s_.size() && s_[i_ + 1] == ':') {
      i_ += 2;
      if (i_ < s_.size() && s_[i_] == '*') {
        ++i_;
        return boosted(make_query(QueryKind::kMatchAll));
      }
      i_ = start;
    }
    if (!special(s_[i_])) {
      std::string name = run(nullptr);
      if (i_ < s_.size() && s_[i_] == ':' && !name.empty()) {
        ++i_;
        space();
        if (name == "_exists_") {
          std::string f = run(nullptr);
          return boosted(exists_query(f, ctx_));
        }
        auto saved = fields_;
        std::vector<std::pair<std::string, float>> given = {{name, 1.0f}};
        fields_ = name.find('*') != std::string::npos ? resolve_fields(given, ctx_) : given;
        QueryPtr q = clause(depth);
        fields_ = saved;
        return q;
      }
      i_ = start;
    }
    char c = s_[i_];
    if (c == '(') {
      ++i_;
      QueryPtr q = clauses(depth + 1);
      if (i_ >= s_.size() || s_[i_] != ')') fail();
      ++i_;
      return boosted(q);
    }
    if (c == '"') {
      std::string text;
      ++i_;
      while (i_ < s_.size() && s_[i_] != '"') {
        if (s_[i_] == '\\' && i_ + 1 < s_.size()) ++i_;
        text.push_back(s_[i_++]);
      }
      if (i_ >= s_.size()) fail();
      ++i_;
      int slop = o_.phrase_slop;
      if (i_ < s_.size() && s_[i_] == '~') {
        ++i_;
        float n = number();
        if (n >= 0) slop = static_cast<int>(n);
      }
      return boosted(each([&](const std::string& f) {
        MatchOptions m;
        m.kind = MatchOptions::kPhrase;
        m.slop = slop;
        m.analyzer = o_.quote_analyzer.empty() ? o_.analyzer : o_.quote_analyzer;
        m.lenient = lenient();
        return match_field(f, json::value(text), m, ctx_);
      }));
    }
    if (c == '[' || c == '{') return boosted(range());
    if (c == '/') {
      size_t e = i_ + 1;
      while (e < s_.size() && s_[e] != '/') e += s_[e] == '\\' ? 2 : 1;
      if (e >= s_.size()) fail();
      std::string p(s_.substr(i_ + 1, e - i_ - 1));
      i_ = e + 1;
      return boosted(each([&](const std::string& f) { return pattern_field(QueryKind::kRegexp, f, p, false, ctx_); }));
    }
    for (const char* op : {">=", "<=", ">", "<"}) {
      if (s_.substr(i_).starts_with(op)) {
        i_ += std::strlen(op);
        std::string v = run(nullptr);
        RangeBounds b;
        bool low = op[0] == '>';
        (low ? b.has_lo : b.has_hi) = true;
        (low ? b.lo : b.hi) = json::value(v);
        (low ? b.include_lo : b.include_hi) = op[1] == '=';
        return boosted(each([&](const std::string& f) { return range_field(f, b, ctx_); }));
      }
    }
    bool wild = false;
    std::string text = run(&wild);
    if (text.empty()) fail();
    if (i_ < s_.size() && s_[i_] == '~') {
      ++i_;
      float n = number();
      std::string fuzz = n < 0 ? o_.fuzziness : std::to_string(static_cast<int>(n));
      return boosted(each([&](const std::string& f) -> QueryPtr {
        const MappedField* m = ctx_.mapping->field(f);
        std::string t = m != nullptr && m->search_analyzer ? m->search_analyzer->normalize(text) : text;
        return fuzzy_term(m != nullptr ? m->path : f, t, fuzz, o_.fuzzy_prefix_length, o_.fuzzy_max_expansions, o_.fuzzy_transpositions);
      }));
    }
    if (wild) {
      if (text == "*") {
        return boosted(explicit_fields() ? each([&](const std::string& f) { return exists_query(f, ctx_); })
                                         : QueryPtr(make_query(QueryKind::kMatchAll)));
      }
      if (!o_.allow_leading_wildcard && (text[0] == '*' || text[0] == '?')) {
        throw Error(ErrorCode::kQueryShard, "Failed to parse query [" + std::string(s_) + "]");
      }
      return boosted(each([&](const std::string& f) -> QueryPtr {
        const MappedField* m = ctx_.mapping->field(f);
        if (m != nullptr && !m->is_string()) return make_query(QueryKind::kMatchNone);
        std::string t = m != nullptr && m->search_analyzer ? m->search_analyzer->normalize(text) : text;
        bool prefix = t.find('?') == std::string::npos && t.find('*') == t.size() - 1 && t.find('\\') == std::string::npos;
        return prefix ? pattern_field(QueryKind::kPrefix, f, t.substr(0, t.size() - 1), false, ctx_)
                      : pattern_field(QueryKind::kWildcard, f, t, false, ctx_);
      }));
    }
    return boosted(each([&](const std::string& f) {
      MatchOptions m;
      m.op = o_.default_operator;
      m.analyzer = o_.analyzer;
      m.lenient = lenient();
      return match_field(f, json::value(text), m, ctx_);
    }));
  }
  bool explicit_fields() const { return fields_.size() == 1 && (o_.fields.empty() || fields_[0].first != o_.fields[0].first); }
  bool lenient() const { return o_.lenient || fields_.size() > 1; }
  QueryPtr range() {
    RangeBounds b;
    b.include_lo = s_[i_++] == '[';
    auto value = [&]() -> std::string {
      space();
      std::string v;
      if (i_ < s_.size() && s_[i_] == '"') {
        size_t e = s_.find('"', i_ + 1);
        if (e == std::string_view::npos) fail();
        v = s_.substr(i_ + 1, e - i_ - 1);
        i_ = e + 1;
      } else {
        while (i_ < s_.size() && std::isspace(static_cast<unsigned char>(s_[i_])) == 0 && s_[i_] != ']' && s_[i_] != '}') {
          if (s_[i_] == '\\' && i_ + 1 < s_.size()) ++i_;
          v.push_back(s_[i_++]);
        }
      }
      return v;
    };
    std::string lo = value();
    space();
    if (!word("TO")) fail();
    std::string hi = value();
    space();
    if (i_ >= s_.size() || (s_[i_] != ']' && s_[i_] != '}')) fail();
    b.include_hi = s_[i_++] == ']';
    if (lo != "*") {
      b.has_lo = true;
      b.lo = json::value(lo);
    }
    if (hi != "*") {
      b.has_hi = true;
      b.hi = json::value(hi);
    }
    return each([&](const std::string& f) { return range_field(f, b, ctx_); });
  }
  template <typename F>
  QueryPtr each(F&& make) {
    auto any = make_query(QueryKind::kDisMax);
    any->tie_breaker = o_.tie_breaker;
    for (auto& [name, boost] : fields_) {
      QueryPtr q;
      try {
        q = make(name);
      } catch (const Error&) {
        if (!lenient()) throw;
        q = make_query(QueryKind::kMatchNone);
      }
      any->should.push_back(with_boost(q, boost));
    }
    if (any->should.empty()) return make_query(QueryKind::kMatchNone);
    if (any->should.size() == 1) return any->should[0];
    return any;
  }

  std::string_view s_;
  const QueryStringOptions& o_;
  DslContext& ctx_;
  std::vector<std::pair<std::string, float>> fields_;
  size_t i_ = 0;
};

// simple_query_string: never fails; unknown syntax is text.
class SimpleParser {
 public:
  SimpleParser(std::string_view s, const QueryStringOptions& o, DslContext& ctx) : s_(s), o_(o), ctx_(ctx) {
    fields_ = resolve_fields(o.fields, ctx);
  }
  QueryPtr run() {
    QueryPtr q = list(0);
    return q ? q : make_query(QueryKind::kMatchNone);
  }

 private:
  bool on(const char* flag) const { return o_.flags.empty() || o_.flags.count("ALL") != 0 || o_.flags.count(flag) != 0; }
  QueryPtr list(int depth) {
    std::vector<std::vector<QueryPtr>> alternatives(1);  // split at |, joined by +
    bool any_or = false, all_and = o_.default_operator == "and" || o_.default_operator == "AND";
    std::vector<QueryPtr> should, must, must_not;
    bool join = false;
    while (i_ < s_.size()) {
      char c = s_[i_];
      if (std::isspace(static_cast<unsigned char>(c)) != 0) {
        ++i_;
        continue;
      }
      if (c == ')' && depth > 0 && on("PRECEDENCE")) break;
      if (c == ')' && on("PRECEDENCE")) {
        ++i_;
        continue;
      }
      if (c == '|' && on("OR")) {
        any_or = true;
        ++i_;
        continue;
      }
      if (c == '+' && on("AND")) {
        join = true;
        ++i_;
        continue;
      }
      bool negate = false;
      if (c == '-' && on("NOT")) {
        negate = true;
        ++i_;
      }
      QueryPtr q = item(depth);
      if (!q) continue;
      if (negate) {
        auto b = make_query(QueryKind::kBool);
        b->must_not.push_back(q);
        b->must.push_back(make_query(QueryKind::kMatchAll));
        q = b;
      }
      if (join || (all_and && !any_or)) {
        if (join && must.empty() && !should.empty()) {
          must.push_back(should.back());
          should.pop_back();
        }
        must.push_back(q);
      } else {
        should.push_back(q);
      }
      join = any_or = false;
    }
    if (must.empty() && should.size() == 1) return should[0];
    if (should.empty() && must.size() == 1) return must[0];
    if (must.empty() && should.empty()) return nullptr;
    auto b = make_query(QueryKind::kBool);
    b->must = must;
    b->should = should;
    if (!should.empty()) {
      int m = minimum_should_match(o_.minimum_should_match, static_cast<int>(should.size()));
      b->minimum_should_match = must.empty() ? std::max(1, m) : m;
    }
    return b;
  }
  QueryPtr item(int depth) {
    char c = i_ < s_.size() ? s_[i_] : 0;
    if (c == '(' && on("PRECEDENCE") && depth < 50) {
      ++i_;
      QueryPtr q = list(depth + 1);
      if (i_ < s_.size()) ++i_;
      return q;
    }
    if (c == '"' && on("PHRASE")) {
      size_t e = i_ + 1;
      std::string text;
      while (e < s_.size() && s_[e] != '"') {
        if (s_[e] == '\\' && e + 1 < s_.size()) ++e;
        text.push_back(s_[e++]);
      }
      if (e < s_.size()) {
        i_ = e + 1;
        int slop = tilde("SLOP");
        return each(text, slop < 0 ? 0 : slop, MatchOptions::kPhrase, "");
      }
      ++i_;
      return item(depth);
    }
    std::string text;
    while (i_ < s_.size()) {
      char x = s_[i_];
      if (std::isspace(static_cast<unsigned char>(x)) != 0 || std::strchr("()|\"", x) != nullptr) break;
      if (x == '~') break;
      if (x == '+' && on("AND")) break;
      if (x == '\\' && i_ + 1 < s_.size()) x = s_[++i_];
      text.push_back(x);
      ++i_;
    }
    int fuzz = tilde("FUZZY");
    if (text.empty()) {
      if (i_ < s_.size() && fuzz < 0) ++i_;
      return nullptr;
    }
    if (text.back() == '*' && on("PREFIX")) {
      text.pop_back();
      if (text.empty()) return make_query(QueryKind::kMatchAll);
      return each(text, 0, MatchOptions::kMatch, "", true);
    }
    return each(text, 0, MatchOptions::kMatch, fuzz >= 0 ? std::to_string(std::min(fuzz, 2)) : "");
  }
  int tilde(const char* flag) {
    if (i_ >= s_.size() || s_[i_] != '~' || !on(flag)) return -1;
    ++i_;
    size_t b = i_;
    while (i_ < s_.size() && std::isdigit(static_cast<unsigned char>(s_[i_])) != 0) ++i_;
    return b == i_ ? 2 : std::atoi(std::string(s_.substr(b, i_ - b)).c_str());
  }
  QueryPtr each(const std::string& text, int slop, MatchOptions::Kind kind, const std::string& fuzz, bool prefix = false) {
    auto any = make_query(QueryKind::kDisMax);
    for (auto& [name, boost] : fields_) {
      try {
        MatchOptions m;
        m.kind = kind;
        m.slop = slop;
        m.fuzziness = fuzz;
        m.op = o_.default_operator;
        m.analyzer = o_.analyzer;
        m.prefix_length = o_.fuzzy_prefix_length;
        const MappedField* f = ctx_.mapping->field(name);
        QueryPtr q;
        if (prefix) {
          std::string t = f != nullptr && f->search_analyzer ? f->search_analyzer->normalize(text) : text;
          q = pattern_field(QueryKind::kPrefix, name, t, false, ctx_);
        } else {
          q = match_field(name, json::value(text), m, ctx_);
        }
        any->should.push_back(with_boost(q, boost));
      } catch (const Error&) {
        if (!o_.lenient && fields_.size() == 1) throw;
      }
    }
    if (any->should.empty()) return make_query(QueryKind::kMatchNone);
    return any->should.size() == 1 ? any->should[0] : any;
  }
  std::string_view s_;
  const QueryStringOptions& o_;
  DslContext& ctx_;
  std::vector<std::pair<std::string, float>> fields_;
  size_t i_ = 0;
};

}  // namespace

std::vector<std::pair<std::string, float>> resolve_fields(const std::vector<std::pair<std::string, float>>& given, DslContext& ctx) {
  std::vector<std::pair<std::string, float>> out;
  auto expand = [&](const std::string& pattern, float boost) {
    for (const std::string& p : ctx.mapping->matching(pattern, true)) out.emplace_back(p, boost);
  };
  if (given.empty()) {
    expand("*", 1);
    return out;
  }
  for (auto& [name, boost] : given) {
    if (name.find('*') != std::string::npos) expand(name, boost);
    else out.emplace_back(name, boost);
  }
  return out;
}

QueryPtr parse_query_string(std::string_view text, const QueryStringOptions& o, DslContext& ctx) {
  if (o.simple) return with_boost(SimpleParser(text, o, ctx).run(), o.boost);
  return with_boost(Parser(text, o, ctx).run(), o.boost);
}

}  // namespace stele::segments
