// Single fields: how text, terms, ranges and patterns become queries for a field's type.
#include <boost/json.hpp>

#include "base/error.h"
#include "segments/dsl/dsl_parts.h"
#include "segments/text/utf8.h"

namespace stele::segments {

namespace {
std::shared_ptr<Query> constant(QueryPtr inner) {
  auto q = make_query(QueryKind::kConstant);
  q->filter.push_back(std::move(inner));
  return q;
}
[[noreturn]] void shard_error(const std::string& m) { throw Error(ErrorCode::kQueryShard, m); }

int auto_edits(const std::string& fuzziness, size_t length) {
  std::string f = fuzziness;
  for (char& c : f) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  int low = 3, high = 6;
  if (f.starts_with("AUTO")) {
    if (f.size() > 5) std::sscanf(f.c_str() + 5, "%d,%d", &low, &high);
    return static_cast<int>(length) < low ? 0 : static_cast<int>(length) < high ? 1 : 2;
  }
  return std::min(2, std::max(0, std::atoi(f.c_str())));
}
}  // namespace

int minimum_should_match(const std::string& spec, int clauses) {
  if (spec.empty()) return 0;
  std::string s = spec;
  while (!s.empty() && s.front() == ' ') s.erase(0, 1);
  while (!s.empty() && s.back() == ' ') s.pop_back();
  if (s.find('<') != std::string::npos) {
    // "2<-25% 9<-3": the last condition that holds wins.
    int result = clauses;
    size_t i = 0;
    while (i < s.size()) {
      size_t e = std::min(s.find(' ', i), s.size());
      std::string part = s.substr(i, e - i);
      i = e + 1;
      size_t lt = part.find('<');
      if (lt == std::string::npos) continue;
      int upper = std::atoi(part.substr(0, lt).c_str());
      if (clauses <= upper) return result;
      result = minimum_should_match(part.substr(lt + 1), clauses);
    }
    return result;
  }
  int v;
  if (s.back() == '%') {
    double p = std::strtod(s.c_str(), nullptr);
    v = static_cast<int>(clauses * std::abs(p) / 100);
    if (p < 0) v = clauses - v;
  } else {
    v = std::atoi(s.c_str());
    if (v < 0) v = clauses + v;
  }
  return std::max(0, std::min(v, clauses));
}

std::shared_ptr<Query> fuzzy_term(const std::string& field, const std::string& term, const std::string& fuzziness,
                                  int prefix_length, int max_expansions, bool transpositions) {
  auto q = make_query(QueryKind::kFuzzy);
  q->field = field;
  q->text = term;
  q->edits = auto_edits(fuzziness, code_points(term).size());
  q->prefix_length = prefix_length;
  q->max_expansions = max_expansions;
  q->transpositions = transpositions;
  if (q->edits == 0) q->kind = QueryKind::kTerm;
  return q;
}

QueryPtr exists_query(const std::string& field, DslContext& ctx) {
  std::vector<std::string> paths;
  for (const std::string& p : ctx.mapping->matching(field)) paths.push_back(p);
  std::string key;
  if (paths.empty()) {
    if (const MappedField* f = ctx.mapping->field(field, &key); f != nullptr && !key.empty()) {
      auto q = make_query(QueryKind::kPrefix);
      q->field = f->path + "._keyed";
      q->text = key + '\0';
      return constant(q);
    }
    if (ctx.mapping->is_object(field)) {
      for (auto& [path, f] : ctx.mapping->fields()) {
        if (path.starts_with(field + ".") && f.type != FieldType::kAlias) paths.push_back(path);
      }
    }
  }
  auto any = make_query(QueryKind::kBool);
  for (const std::string& p : paths) {
    const MappedField* f = ctx.mapping->field(p);
    auto q = make_query(QueryKind::kExists);
    q->field = f->path;
    any->should.push_back(q);
  }
  if (any->should.empty()) return make_query(QueryKind::kMatchNone);
  any->minimum_should_match = 1;
  return constant(any);
}

QueryPtr term_field(const std::string& name, const json::value& value, bool ignore_case, DslContext& ctx) {
  if (name == "_index") {
    std::string v = json_text(value);
    return make_query(wildcard_match(v, ctx.index_name, ignore_case) ? QueryKind::kMatchAll : QueryKind::kMatchNone);
  }
  std::string key;
  const MappedField* f = ctx.mapping->field(name, &key);
  if (f == nullptr) return make_query(QueryKind::kMatchNone);
  if (!f->index && f->type == FieldType::kText) {
    shard_error("failed to create query: Cannot search on field [" + name + "] since it is not indexed.");
  }
  if (!f->index && !f->doc_values) {
    shard_error("failed to create query: Cannot search on field [" + name + "] since it is not indexed nor has doc values.");
  }
  if (f->type == FieldType::kRange) {
    RangeBounds b;
    b.has_lo = b.has_hi = true;
    b.lo = b.hi = value;
    return range_field(name, b, ctx);
  }
  auto q = make_query(QueryKind::kTerm);
  q->field = f->path;
  q->case_insensitive = ignore_case;
  switch (f->type) {
    case FieldType::kFlattened:
      q->text = json_text(value);
      if (!key.empty()) {
        q->field = f->path + "._keyed";
        q->text = key + '\0' + q->text;
      }
      return q;
    case FieldType::kText: q->text = json_text(value); return q;
    case FieldType::kKeyword:
      q->text = f->normalizer ? f->normalizer->normalize(json_text(value)) : json_text(value);
      if (f->metadata) {
        auto set = make_query(QueryKind::kTermSet);
        set->field = f->path;
        set->terms.push_back(q->text);
        return set;
      }
      if (!f->index) {
        auto field = f->path;
        auto p = make_query(QueryKind::kPredicate);
        std::string want = q->text;
        p->predicate = [field, want](const Segment& s, uint32_t d) {
          Column c = s.column(field);
          if (!c) return false;
          for (uint32_t i = c.begin(d); i < c.end(d); ++i) {
            if (c.term(static_cast<uint64_t>(c.value(i))) == want) return true;
          }
          return false;
        };
        return p;
      }
      return q;
    case FieldType::kIp: {
      std::string text = json_text(value);
      if (auto r = ip_range(text)) {
        q->kind = QueryKind::kTermRange;
        q->lo_term = r->first;
        q->hi_term = r->second;
        q->has_lo = q->has_hi = true;
        return q;
      }
      auto ip = encode_ip(text);
      if (!ip) throw Error(ErrorCode::kQueryShard, "failed to create query: '" + text + "' is not an IP string literal.");
      q->kind = QueryKind::kTermSet;
      q->terms.push_back(*ip);
      return q;
    }
    case FieldType::kDate: case FieldType::kDateNanos: {
      std::string text = json_text(value);
      int64_t lo, hi;
      try {
        lo = f->format->parse_math(text, ctx.now_ms, false, nullptr);
        hi = f->format->parse_math(text, ctx.now_ms, true, nullptr);
      } catch (const Error& e) {
        throw Error(ErrorCode::kQueryShard, "failed to create query: " + e.message());
      }
      bool exact = text.find('.') != std::string::npos || text.find("||") != std::string::npos || value.is_number();
      if (exact) hi = lo;
      q->kind = QueryKind::kColumnRange;
      if (f->type == FieldType::kDateNanos) {
        lo *= 1000000;
        hi = hi * 1000000 + 999999;
      }
      q->lo = lo;
      q->hi = hi;
      return q;
    }
    case FieldType::kBinary: case FieldType::kOther: case FieldType::kDenseVector:
      shard_error("failed to create query: Field [" + name + "] of type [" + f->type_name + "] does not support term queries");
    case FieldType::kGeoPoint:
      shard_error("failed to create query: Geometry fields do not support exact searching, use dedicated geometry queries instead: [" + name + "]");
    default: break;
  }
  // Numbers: a fractional value never equals an integer.
  q->kind = QueryKind::kColumnRange;
  try {
    if (f->is_integer() && f->type != FieldType::kUnsignedLong) {
      std::string s = json_text(value);
      char* end;
      double d = std::strtod(s.c_str(), &end);
      if (*end == 0 && end != s.c_str() && d != std::floor(d)) return make_query(QueryKind::kMatchNone);
      if (*end == 0 && (d > 9.3e18 || d < -9.3e18)) return make_query(QueryKind::kMatchNone);
      MappedField wide = *f;
      wide.type = FieldType::kLong;
      q->lo = q->hi = wide.column_value(value);
    } else {
      q->lo = q->hi = f->column_value(value);
    }
  } catch (const Error& e) {
    throw Error(ErrorCode::kQueryShard, "failed to create query: " + e.message());
  }
  return q;
}

QueryPtr match_field(const std::string& name, const json::value& value, const MatchOptions& o, DslContext& ctx) {
  const MappedField* f = ctx.mapping->field(name);
  if (f == nullptr || f->type != FieldType::kText) {
    bool analysed = f != nullptr && f->type == FieldType::kKeyword && !o.analyzer.empty();
    if (f != nullptr && f->type == FieldType::kKeyword && o.kind == MatchOptions::kPhrasePrefix) {
      shard_error("failed to create query: Can only use phrase prefix queries on text fields - not on [" + name + "] which is of type [keyword]");
    }
    if (f != nullptr && f->type == FieldType::kKeyword && o.kind == MatchOptions::kBoolPrefix) {
      auto q = make_query(QueryKind::kPrefix);
      q->field = f->path;
      q->text = f->normalizer ? f->normalizer->normalize(json_text(value)) : json_text(value);
      return q;
    }
    if (!analysed) {
      try {
        if (f != nullptr && f->type == FieldType::kKeyword && !o.fuzziness.empty()) {
          return fuzzy_term(f->path, json_text(value), o.fuzziness, o.prefix_length, o.max_expansions, o.transpositions);
        }
        return term_field(name, value, false, ctx);
      } catch (const Error&) {
        if (o.lenient) return make_query(QueryKind::kMatchNone);
        throw;
      }
    }
  }
  if (!f->index) shard_error("failed to create query: Cannot search on field [" + name + "] since it is not indexed.");
  AnalyzerPtr a = o.kind == MatchOptions::kPhrase || o.kind == MatchOptions::kPhrasePrefix ? f->search_quote_analyzer : f->search_analyzer;
  if (!o.analyzer.empty()) {
    a = ctx.mapping->analysis() ? ctx.mapping->analysis()->analyzer(o.analyzer) : Analysis::builtin(o.analyzer);
    if (!a) shard_error("[match] analyzer [" + o.analyzer + "] not found");
  }
  TokenBuffer tokens;
  a->analyze(json_text(value), tokens);
  if (tokens.tokens.empty()) {
    return make_query(o.zero_terms == "all" ? QueryKind::kMatchAll : QueryKind::kMatchNone);
  }
  // Positions with their alternatives.
  std::vector<PhrasePosition> positions;
  int at = -1;
  for (const Token& t : tokens.tokens) {
    at += t.position_increment;
    if (positions.empty() || static_cast<int>(positions.back().position) != at) {
      positions.push_back({{}, static_cast<uint32_t>(std::max(at, 0)), false});
    }
    std::string term(tokens.term(t));
    auto& alternatives = positions.back().terms;
    if (std::find(alternatives.begin(), alternatives.end(), term) == alternatives.end()) alternatives.push_back(term);
  }
  auto one = [&](const std::string& term) -> QueryPtr {
    if (!o.fuzziness.empty()) return fuzzy_term(f->path, term, o.fuzziness, o.prefix_length, o.max_expansions, o.transpositions);
    auto q = make_query(QueryKind::kTerm);
    q->field = f->path;
    q->text = term;
    return q;
  };
  auto place = [&](const PhrasePosition& p) -> QueryPtr {
    if (p.terms.size() == 1) return one(p.terms[0]);
    auto q = make_query(QueryKind::kDisMax);
    for (const std::string& t : p.terms) q->should.push_back(one(t));
    return q;
  };
  if (o.kind == MatchOptions::kPhrase || o.kind == MatchOptions::kPhrasePrefix) {
    if (positions.size() == 1 && o.kind == MatchOptions::kPhrase) return place(positions[0]);
    auto q = make_query(QueryKind::kPhrase);
    q->field = f->path;
    q->slop = o.slop;
    uint32_t base = positions[0].position;
    for (PhrasePosition& p : positions) p.position -= base;
    q->phrase = positions;
    q->max_expansions = o.max_expansions;
    if (o.kind == MatchOptions::kPhrasePrefix) {
      q->phrase.back().prefix = true;
      if (q->phrase.size() == 1) {
        auto p = make_query(QueryKind::kPrefix);
        p->field = f->path;
        p->text = q->phrase[0].terms[0];
        return p;
      }
    }
    return q;
  }
  if (positions.size() == 1 && o.kind == MatchOptions::kMatch) return place(positions[0]);
  auto q = make_query(QueryKind::kBool);
  bool all = o.op == "and" || o.op == "AND";
  for (size_t i = 0; i < positions.size(); ++i) {
    QueryPtr c;
    if (o.kind == MatchOptions::kBoolPrefix && i + 1 == positions.size()) {
      auto p = make_query(QueryKind::kPrefix);
      p->field = f->path;
      p->text = positions[i].terms[0];
      c = p;
    } else {
      c = place(positions[i]);
    }
    (all ? q->must : q->should).push_back(c);
  }
  if (!all) {
    int m = minimum_should_match(o.minimum_should_match, static_cast<int>(q->should.size()));
    q->minimum_should_match = std::max(1, m);
    if (q->should.size() == 1 && q->must.empty()) return q->should[0];
  }
  return q;
}

QueryPtr range_field(const std::string& name, const RangeBounds& b, DslContext& ctx) {
  std::string key;
  const MappedField* f = ctx.mapping->field(name, &key);
  if (f == nullptr) return make_query(QueryKind::kMatchNone);
  if (f->type == FieldType::kRange) {
    std::shared_ptr<const DateFormat> format = b.format.empty() ? nullptr : std::make_shared<DateFormat>(b.format);
    ZonePtr zone = b.time_zone.empty() ? nullptr : Zone::of(b.time_zone);
    std::string lo = encode_range_bound(*f, b.has_lo ? b.lo : json::value(), false, b.include_lo, format.get(), zone.get(), ctx.now_ms);
    std::string hi = encode_range_bound(*f, b.has_hi ? b.hi : json::value(), true, b.include_hi, format.get(), zone.get(), ctx.now_ms);
    auto p = make_query(QueryKind::kPredicate);
    p->predicate = [path = f->path, lo, hi, how = b.relation](const Segment& s, uint32_t doc) {
      Column c = s.column(path);
      for (uint32_t i = c ? c.begin(doc) : 0, e = c ? c.end(doc) : 0; i < e; ++i) {
        std::string_view both = c.term(static_cast<uint64_t>(c.value(i)));
        std::string_view from = both.substr(0, both.size() / 2), to = both.substr(both.size() / 2);
        if (how == "within" ? from >= lo && to <= hi : how == "contains" ? from <= lo && to >= hi : from <= hi && to >= lo) return true;
      }
      return false;
    };
    return constant(p);
  }
  auto q = make_query(QueryKind::kColumnRange);
  q->field = f->path;
  auto flip = [](int64_t& v, int64_t by) {
    if (by > 0 ? v < INT64_MAX : v > INT64_MIN) {
      v += by;
      return true;
    }
    return false;
  };
  switch (f->type) {
    case FieldType::kText: case FieldType::kKeyword: case FieldType::kIp: case FieldType::kFlattened: {
      q->kind = QueryKind::kTermRange;
      std::string prefix = key.empty() ? "" : key + '\0';
      if (!key.empty()) q->field = f->path + "._keyed";
      auto text = [&](const json::value& v) {
        std::string s = json_text(v);
        if (f->type == FieldType::kIp) {
          auto ip = encode_ip(s);
          if (!ip) shard_error("failed to create query: '" + s + "' is not an IP string literal.");
          return *ip;
        }
        return prefix + (f->normalizer ? f->normalizer->normalize(s) : s);
      };
      if (b.has_lo) {
        q->has_lo = true;
        q->lo_term = text(b.lo);
        q->include_lo = b.include_lo;
      } else if (!prefix.empty()) {
        q->has_lo = true;
        q->lo_term = prefix;
      }
      if (b.has_hi) {
        q->has_hi = true;
        q->hi_term = text(b.hi);
        q->include_hi = b.include_hi;
      } else if (!prefix.empty()) {
        q->has_hi = true;
        q->hi_term = key + '\1';
        q->include_hi = false;
      }
      return constant(q);
    }
    case FieldType::kDate: case FieldType::kDateNanos: {
      std::shared_ptr<const DateFormat> format = b.format.empty() ? f->format : std::make_shared<DateFormat>(b.format);
      ZonePtr zone = b.time_zone.empty() ? nullptr : Zone::of(b.time_zone);
      int64_t scale = f->type == FieldType::kDateNanos ? 1000000 : 1;
      auto parse = [&](const json::value& v, bool up) {
        try {
          return format->parse_math(json_text(v), ctx.now_ms, up, zone.get());
        } catch (const Error& e) {
          throw Error(ErrorCode::kQueryShard, "failed to create query: " + e.message());
        }
      };
      if (b.has_lo) q->lo = (parse(b.lo, !b.include_lo) + (b.include_lo ? 0 : 1)) * scale;
      if (b.has_hi) {
        int64_t hi = parse(b.hi, b.include_hi);
        q->hi = b.include_hi ? hi * scale + (scale - 1) : hi * scale - 1;
      }
      return constant(q);
    }
    case FieldType::kGeoPoint: case FieldType::kBinary: case FieldType::kOther: case FieldType::kDenseVector:
      shard_error("failed to create query: Field [" + name + "] of type [" + f->type_name + "] does not support range queries");
    default: break;
  }
  auto bound = [&](const json::value& v, bool low, bool include) {
    if (f->is_float()) {
      double d;
      std::string s = json_text(v);
      char* end;
      d = std::strtod(s.c_str(), &end);
      if (*end != 0 || s.empty()) shard_error("failed to create query: For input string: \"" + s + "\"");
      if (f->type == FieldType::kFloat || f->type == FieldType::kHalfFloat) d = static_cast<double>(static_cast<float>(d));
      if (f->type == FieldType::kScaledFloat) {
        double t = d * f->scaling_factor;
        d = (low ? std::ceil(t - 1e-9) : std::floor(t + 1e-9)) / f->scaling_factor;
        if (std::abs(t - std::round(t)) > 1e-9) include = true;
      }
      int64_t bits = sortable_bits(d);
      if (!include && !flip(bits, low ? 1 : -1)) return low ? INT64_MAX : INT64_MIN;
      return bits;
    }
    if (f->type == FieldType::kUnsignedLong || f->type == FieldType::kBoolean) {
      int64_t x;
      try {
        x = f->column_value(v);
      } catch (const Error& e) {
        throw Error(ErrorCode::kQueryShard, "failed to create query: " + e.message());
      }
      if (!include) flip(x, low ? 1 : -1);
      return x;
    }
    std::string s = json_text(v);
    char* end;
    errno = 0;
    long long exact = std::strtoll(s.c_str(), &end, 10);
    if (*end == 0 && !s.empty() && errno == 0) {
      auto x = static_cast<int64_t>(exact);
      if (!include && !flip(x, low ? 1 : -1)) return low ? INT64_MAX : INT64_MIN;
      return x;
    }
    double d = std::strtod(s.c_str(), &end);
    if (*end != 0 || s.empty()) shard_error("failed to create query: For input string: \"" + s + "\"");
    if (d >= 9.2e18) return INT64_MAX;
    if (d <= -9.2e18) return INT64_MIN;
    bool whole = d == std::floor(d);
    auto x = static_cast<int64_t>(low ? std::ceil(d) : std::floor(d));
    if (!include && whole) flip(x, low ? 1 : -1);
    return x;
  };
  if (b.has_lo) q->lo = bound(b.lo, true, b.include_lo);
  if (b.has_hi) q->hi = bound(b.hi, false, b.include_hi);
  if (q->lo > q->hi) return make_query(QueryKind::kMatchNone);
  return constant(q);
}

QueryPtr pattern_field(QueryKind kind, const std::string& name, const std::string& pattern, bool ignore_case, DslContext& ctx) {
  if (name == "_index") {
    std::string p = kind == QueryKind::kPrefix ? pattern + "*" : pattern;
    return make_query(wildcard_match(p, ctx.index_name, ignore_case) ? QueryKind::kMatchAll : QueryKind::kMatchNone);
  }
  std::string key;
  const MappedField* f = ctx.mapping->field(name, &key);
  if (f == nullptr) return make_query(QueryKind::kMatchNone);
  const char* what = kind == QueryKind::kPrefix ? "prefix" : kind == QueryKind::kWildcard ? "wildcard" : "regexp";
  if (f->type == FieldType::kFlattened) {
    auto q = make_query(kind);
    q->field = key.empty() ? f->path : f->path + "._keyed";
    q->text = key.empty() ? pattern : key + '\0' + pattern;
    return constant(q);
  }
  if (!f->is_string()) {
    if (f->metadata && kind == QueryKind::kPrefix) {}
    else {
      shard_error("failed to create query: Can only use " + std::string(what) + " queries on keyword, text and wildcard fields - not on [" +
                  name + "] which is of type [" + f->type_name + "]");
    }
  }
  if (kind == QueryKind::kRegexp && pattern.size() > 1000) {
    shard_error("failed to create query: The length of regex [" + std::to_string(pattern.size()) +
                "] used in the Regexp Query request has exceeded the allowed maximum of [1000]. This maximum can be set by changing the [index.max_regex_length] index level setting.");
  }
  auto q = make_query(kind);
  q->field = f->path;
  q->text = pattern;
  q->case_insensitive = ignore_case;
  if (kind == QueryKind::kWildcard && f->type == FieldType::kKeyword && f->normalizer) q->text = f->normalizer->normalize(pattern);
  if (kind == QueryKind::kPrefix && f->type == FieldType::kKeyword && f->normalizer) q->text = f->normalizer->normalize(pattern);
  return constant(q);
}

}  // namespace stele::segments
