// The intervals query: rules over positions, evaluated for each document that holds the words (after Clarke, Cormack and
// Burkowski, "An algebra for structured text search", as Lucene's IntervalsSource has it).
#include "base/error.h"
#include "segments/dsl/dsl_parts.h"
#include "segments/search/searcher.h"

namespace stele::segments {

namespace {
[[noreturn]] void parse_error(std::string m) { throw Error(ErrorCode::kParsing, std::move(m)); }

struct Interval { int start, end, gaps; };
using Intervals = std::vector<Interval>;

struct Rule;
using RulePtr = std::shared_ptr<Rule>;
struct Rule {
  enum Kind : uint8_t { kTerms, kAllOf, kAnyOf } kind = kTerms;
  std::string field;
  std::function<bool(std::string_view)> accepts;  // kTerms by pattern
  QueryPtr expansion;                             // kTerms: the terms
  std::vector<std::string> terms;
  std::vector<RulePtr> parts;
  int max_gaps = -1;
  bool ordered = false, block = false;
  RulePtr filter;
  std::string relation;
  std::function<bool(const Segment&, uint32_t)> none;
};

// The shortest intervals only: none may hold another.
Intervals minimal(Intervals v) {
  std::sort(v.begin(), v.end(), [](const Interval& a, const Interval& b) { return a.end != b.end ? a.end < b.end : a.start > b.start; });
  Intervals out;
  int best = -1;
  for (const Interval& i : v) {
    if (i.start <= best) continue;
    out.push_back(i);
    best = i.start;
  }
  return out;
}

Intervals evaluate(const Rule& r, const Segment& s, uint32_t doc);

Intervals words(const Rule& r, const Segment& s, uint32_t doc) {
  Intervals out;
  const SegmentField* f = s.field(r.field);
  if (f == nullptr || !f->options.positions) return out;
  std::vector<uint32_t> positions;
  auto add = [&](const TermInfo& info) {
    PostingsIter p = s.postings(*f, info);
    if (p.advance(doc) != doc) return;
    p.positions(positions);
    for (uint32_t x : positions) out.push_back({static_cast<int>(x), static_cast<int>(x), 0});
  };
  TermsIter it = s.terms(*f);
  for (auto& t : r.terms) if (it.seek_exact(t)) add(it.info());
  if (r.expansion) {
    expand_terms(*r.expansion, s, *f, [&](std::string_view, const TermInfo& info, int) {
      add(info);
      return true;
    });
  }
  std::sort(out.begin(), out.end(), [](auto& a, auto& b) { return a.start < b.start; });
  out.erase(std::unique(out.begin(), out.end(), [](auto& a, auto& b) { return a.start == b.start; }), out.end());
  return out;
}

int covered(const Interval& i) { return i.end - i.start + 1 - i.gaps; }

Intervals all_of(const Rule& r, const Segment& s, uint32_t doc) {
  std::vector<Intervals> parts;
  for (auto& p : r.parts) {
    parts.push_back(evaluate(*p, s, doc));
    if (parts.back().empty()) return {};
  }
  Intervals found;
  size_t budget = 200000;
  std::vector<const Interval*> chosen(parts.size());
  std::function<void(size_t)> choose = [&](size_t k) {
    if (budget == 0) return;
    --budget;
    if (k == parts.size()) {
      int lo = chosen[0]->start, hi = chosen[0]->end, inside = 0;
      for (auto* c : chosen) {
        lo = std::min(lo, c->start);
        hi = std::max(hi, c->end);
        inside += covered(*c);
      }
      found.push_back({lo, hi, std::max(0, hi - lo + 1 - inside)});
      return;
    }
    for (const Interval& i : parts[k]) {
      bool fits = true;
      if (r.ordered) {
        fits = k == 0 || (r.block ? i.start == chosen[k - 1]->end + 1 : i.start > chosen[k - 1]->end);
      } else {
        for (size_t j = 0; j < k && fits; ++j) fits = i.start > chosen[j]->end || i.end < chosen[j]->start;
      }
      if (!fits) continue;
      chosen[k] = &i;
      choose(k + 1);
      if (r.ordered && k > 0 && k + 1 == parts.size()) break;  // later ones are only longer
    }
  };
  choose(0);
  return minimal(std::move(found));
}

bool related(const Interval& a, const Interval& b, const std::string& how) {
  if (how == "containing") return a.start <= b.start && a.end >= b.end;
  if (how == "contained_by") return b.start <= a.start && b.end >= a.end;
  if (how == "overlapping") return a.start <= b.end && b.start <= a.end;
  if (how == "before") return a.end < b.start;
  return a.start > b.end;  // after
}

Intervals evaluate(const Rule& r, const Segment& s, uint32_t doc) {
  Intervals out;
  if (r.kind == Rule::kTerms) out = words(r, s, doc);
  else if (r.kind == Rule::kAllOf) out = all_of(r, s, doc);
  else {
    for (auto& p : r.parts) {
      Intervals v = evaluate(*p, s, doc);
      out.insert(out.end(), v.begin(), v.end());
    }
    out = minimal(std::move(out));
  }
  if (r.max_gaps >= 0) std::erase_if(out, [&](const Interval& i) { return i.gaps > r.max_gaps; });
  if (r.filter && !out.empty()) {
    Intervals f = evaluate(*r.filter, s, doc);
    bool negative = r.relation.starts_with("not_");
    std::string how = negative ? r.relation.substr(4) : r.relation;
    std::erase_if(out, [&](const Interval& i) {
      bool any = false;
      for (auto& x : f) any |= related(i, x, how);
      return any == negative;
    });
  }
  return out;
}

RulePtr parse_rule(const json::object& o, const MappedField& field, DslContext& ctx, int depth);

RulePtr word_rule(const MappedField& f, const std::string& term) {
  auto r = std::make_shared<Rule>();
  r->field = f.path;
  r->terms = {term};
  return r;
}
AnalyzerPtr analyzer_of(const json::object& o, const MappedField& f, DslContext& ctx) {
  auto* a = o.if_contains("analyzer");
  if (a == nullptr) return f.search_analyzer ? f.search_analyzer : Analysis::builtin("keyword");
  AnalyzerPtr found = ctx.mapping->analysis() ? ctx.mapping->analysis()->analyzer(json_text(*a)) : Analysis::builtin(json_text(*a));
  if (!found) throw Error(ErrorCode::kInvalidParameterValue, "Unknown analyzer [" + json_text(*a) + "]");
  return found;
}

RulePtr parse_one(const std::string& kind, const json::object& o, const MappedField& given, DslContext& ctx, int depth) {
  const MappedField* f = &given;
  if (auto* u = o.if_contains("use_field")) {
    f = ctx.mapping->field(json_text(*u));
    if (f == nullptr) parse_error("Cannot create intervals over field [" + json_text(*u) + "]");
  }
  auto text = [&](const char* key) {
    auto* v = o.if_contains(key);
    return v == nullptr ? std::string() : json_text(*v);
  };
  auto known = [&](std::initializer_list<std::string_view> keys) {
    for (auto& [k, v] : o) {
      if (std::find(keys.begin(), keys.end(), std::string_view(k)) == keys.end()) parse_error("[" + kind + "] unknown field [" + std::string(k) + "]");
    }
  };
  auto r = std::make_shared<Rule>();
  if (kind == "match") {
    known({"query", "max_gaps", "ordered", "mode", "analyzer", "filter", "use_field"});
    TokenBuffer tokens;
    analyzer_of(o, *f, ctx)->analyze(text("query"), tokens);
    std::string mode = text("mode");
    r->kind = Rule::kAllOf;
    r->ordered = text("ordered") == "true" || mode == "ordered";
    if (auto* g = o.if_contains("max_gaps")) r->max_gaps = std::atoi(json_text(*g).c_str());
    if (r->max_gaps == 0 && r->ordered) r->block = true;
    std::vector<RulePtr> same_place;
    for (const Token& t : tokens.tokens) {
      RulePtr w = word_rule(*f, std::string(tokens.term(t)));
      if (t.position_increment == 0 && !r->parts.empty()) {  // synonyms
        RulePtr& last = r->parts.back();
        if (last->kind != Rule::kAnyOf) {
          auto any = std::make_shared<Rule>();
          any->kind = Rule::kAnyOf;
          any->parts = {last};
          last = any;
        }
        last->parts.push_back(w);
      } else {
        r->parts.push_back(w);
      }
    }
    if (r->parts.empty()) r = word_rule(*f, "");
    else if (r->parts.size() == 1 && o.if_contains("filter") == nullptr) r = r->parts[0];
  } else if (kind == "any_of" || kind == "all_of") {
    known({"intervals", "max_gaps", "ordered", "mode", "filter"});
    r->kind = kind == "any_of" ? Rule::kAnyOf : Rule::kAllOf;
    r->ordered = text("ordered") == "true" || text("mode") == "ordered";
    if (auto* g = o.if_contains("max_gaps")) r->max_gaps = std::atoi(json_text(*g).c_str());
    if (r->max_gaps == 0 && r->ordered) r->block = true;
    auto* list = o.if_contains("intervals");
    if (list == nullptr || !list->is_array()) parse_error("Required [intervals]");
    for (auto& e : list->as_array()) r->parts.push_back(parse_rule(e.as_object(), given, ctx, depth + 1));
  } else if (kind == "prefix" || kind == "wildcard" || kind == "fuzzy" || kind == "regexp" || kind == "range") {
    r->field = f->path;
    auto q = make_query(kind == "prefix" ? QueryKind::kPrefix : kind == "wildcard" ? QueryKind::kWildcard : kind == "regexp" ? QueryKind::kRegexp : kind == "range" ? QueryKind::kTermRange : QueryKind::kFuzzy);
    q->field = f->path;
    std::string term = text(kind == "fuzzy" ? "term" : kind == "prefix" ? "prefix" : "pattern");
    if (kind == "range") {
      for (auto& [k, v] : o) {
        if (k == "gt" || k == "gte") q->has_lo = true, q->lo_term = json_text(v), q->include_lo = k == "gte";
        if (k == "lt" || k == "lte") q->has_hi = true, q->hi_term = json_text(v), q->include_hi = k == "lte";
      }
    } else if (kind == "fuzzy") {
      q = fuzzy_term(f->path, analyzer_of(o, *f, ctx)->normalize(term), text("fuzziness").empty() ? "AUTO" : text("fuzziness"), std::atoi(text("prefix_length").c_str()), 50, text("transpositions") != "false");
    } else {
      q->text = f->search_analyzer ? analyzer_of(o, *f, ctx)->normalize(term) : term;
    }
    r->expansion = q;
  } else {
    parse_error("Unknown interval type [" + kind + "], expecting one of [match, any_of, all_of, prefix, wildcard, regexp, fuzzy, range]");
  }
  if (auto* filter = o.if_contains("filter"); filter != nullptr && filter->is_object()) {
    if (r->filter || r->kind == Rule::kTerms) {
      auto outer = std::make_shared<Rule>();
      outer->kind = Rule::kAnyOf;
      outer->parts = {r};
      r = outer;
    }
    for (auto& [how, rule] : filter->as_object()) {
      static const std::set<std::string_view> kRelations = {"containing", "contained_by", "not_containing", "not_contained_by", "overlapping", "not_overlapping", "before", "after"};
      if (how == "script") throw Error(ErrorCode::kFeatureNotSupported, "[intervals] filters by script are not supported");
      if (kRelations.count(how) == 0) parse_error("Unknown filter type [" + std::string(how) + "]");
      r->relation = std::string(how);
      r->filter = parse_rule(rule.as_object(), given, ctx, depth + 1);
    }
  }
  return r;
}

RulePtr parse_rule(const json::object& o, const MappedField& field, DslContext& ctx, int depth) {
  if (depth > 50) parse_error("[intervals] rules are nested too deeply");
  RulePtr r;
  for (auto& [k, v] : o) {
    if (k == "boost" || k == "_name") continue;
    if (r) parse_error("Only one interval rule can be specified, found [" + std::string(k) + "]");
    if (!v.is_object()) parse_error("Expected [START_OBJECT] after interval type");
    r = parse_one(std::string(k), v.as_object(), field, ctx, depth);
  }
  if (!r) parse_error("Missing intervals from interval query definition");
  return r;
}

// What a document must have at least, as a query.
QueryPtr candidates(const Rule& r) {
  if (r.kind == Rule::kTerms) {
    if (r.expansion) {
      auto c = make_query(QueryKind::kConstant);
      c->filter.push_back(r.expansion);
      return c;
    }
    auto s = make_query(QueryKind::kTermSet);
    s->field = r.field;
    s->terms = r.terms;
    return s;
  }
  auto b = make_query(QueryKind::kBool);
  for (auto& p : r.parts) (r.kind == Rule::kAllOf ? b->filter : b->should).push_back(candidates(*p));
  if (r.kind == Rule::kAnyOf) b->minimum_should_match = 1;
  return b;
}
}  // namespace

QueryPtr parse_intervals(const json::object& o, DslContext& ctx) {
  std::string field;
  const json::object* rule = nullptr;
  for (auto& [k, v] : o) {
    if (k == "boost" || k == "_name") continue;
    if (!v.is_object()) parse_error("Expected [START_OBJECT] but got [VALUE_STRING]");
    field = std::string(k);
    rule = &v.as_object();
  }
  if (rule == nullptr) parse_error("Missing intervals from interval query definition");
  const MappedField* f = ctx.mapping->field(field);
  if (f == nullptr) return make_query(QueryKind::kMatchNone);
  if (f->type != FieldType::kText) throw Error(ErrorCode::kInvalidParameterValue, "Can only use interval queries on text fields - not on [" + field + "] which is of type [" + f->type_name + "]");
  RulePtr r = parse_rule(*rule, *f, ctx, 0);
  auto where = make_query(QueryKind::kPredicate);
  where->predicate = [r](const Segment& s, uint32_t doc) { return !evaluate(*r, s, doc).empty(); };
  auto b = make_query(QueryKind::kBool);
  b->filter.push_back(candidates(*r));
  b->filter.push_back(where);
  auto scored = make_query(QueryKind::kFunctionScore);
  scored->must.push_back(b);
  // Lucene: intervals that are shorter and more count more, below one.
  scored->script = [r](const Segment& s, uint32_t doc, float) {
    double freq = 0;
    for (const Interval& i : evaluate(*r, s, doc)) freq += 1.0 / (1.0 + std::max(0, i.gaps));
    return freq / (freq + 1.0);
  };
  return scored;
}

}  // namespace stele::segments
