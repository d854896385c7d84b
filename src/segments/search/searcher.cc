#include "segments/search/searcher.h"

#include "base/error.h"
#include "segments/search/scorers.h"
#include "segments/search/term_sketch.h"
#include "segments/text/utf8.h"

namespace stele::segments {

namespace {
constexpr double kEarthRadiusM = 6371008.7714;

std::vector<uint64_t> empty_bits(uint32_t docs) { return std::vector<uint64_t>((docs + 63) / 64); }
inline void set_bit(std::vector<uint64_t>& b, uint32_t d) { b[d >> 6] |= 1ull << (d & 63); }

void add_postings(PostingsIter p, std::vector<uint64_t>& bits) {
  for (uint32_t d = p.next(); d != kNoDoc; d = p.next()) set_bit(bits, d);
}

class ConstantWeight : public Weight {
 public:
  using Make = std::function<ScorerPtr(size_t)>;
  explicit ConstantWeight(Make make) : make_(std::move(make)) {}
  ScorerPtr scorer(size_t leaf) override { return make_(leaf); }

 private:
  Make make_;
};
WeightPtr lazy(ConstantWeight::Make make) { return std::make_unique<ConstantWeight>(std::move(make)); }

struct TermState {
  std::vector<TermInfo> infos;               // one a leaf; df 0 where absent
  std::vector<const SegmentField*> fields;
  uint64_t df = 0, ttf = 0;
};
TermState look_up(const Searcher& s, const std::string& field, std::string_view term) {
  TermState t;
  for (const Leaf& leaf : s.leaves()) {
    const SegmentField* f = leaf.segment->field(field);
    TermInfo info;
    if (f != nullptr && f->options.postings) {
      TermsIter it = leaf.segment->terms(*f);
      if (it.seek_exact(term)) info = it.info();
    }
    t.df += info.df;
    t.ttf += info.ttf;
    t.infos.push_back(info);
    t.fields.push_back(f);
  }
  return t;
}

WeightPtr term_weight(const Searcher& s, TermState state, const FieldStats& stats, float boost, float idf, bool scores) {
  auto st = std::make_shared<TermState>(std::move(state));
  if (!scores) {
    return lazy([&s, st](size_t leaf) -> ScorerPtr {
      if (st->infos[leaf].df == 0) return nullptr;
      return constant_postings_scorer(s.leaves()[leaf].segment->postings(*st->fields[leaf], st->infos[leaf]), 0);
    });
  }
  auto bm25 = std::make_shared<Bm25>();
  bm25->set(boost, idf, stats, s.score_scale());
  return lazy([&s, st, bm25](size_t leaf) -> ScorerPtr {
    if (st->infos[leaf].df == 0) return nullptr;
    const Segment& seg = *s.leaves()[leaf].segment;
    return term_scorer(seg.postings(*st->fields[leaf], st->infos[leaf]), bm25, seg.norms(*st->fields[leaf]));
  });
}

// Documents of one leaf that satisfy a constant-score query over postings or columns.
ScorerPtr bits_for(const Query& q, const Leaf& leaf, float score) {
  const Segment& seg = *leaf.segment;
  uint32_t docs = seg.docs();
  const SegmentField* f = seg.field(q.field);
  switch (q.kind) {
    case QueryKind::kTermSet: {
      if (f == nullptr || !f->options.postings) return nullptr;
      std::vector<uint64_t> bits = empty_bits(docs);
      TermsIter it = seg.terms(*f);
      TermInfo only;
      int found = 0;
      for (const std::string& t : q.terms) {
        if (!it.seek_exact(t)) continue;
        only = it.info();
        if (++found > 1 || q.terms.size() > 1) add_postings(seg.postings(*f, it.info()), bits);
      }
      if (found == 0) return nullptr;
      if (q.terms.size() == 1) return constant_postings_scorer(seg.postings(*f, only), score);
      return bits_scorer(std::move(bits), docs, score);
    }
    case QueryKind::kPrefix: case QueryKind::kWildcard: case QueryKind::kRegexp: case QueryKind::kTermRange:
    case QueryKind::kTerm: case QueryKind::kFuzzy: {
      if (f == nullptr) return nullptr;
      std::vector<uint64_t> bits = empty_bits(docs);
      if (!f->options.postings) {
        Column c = seg.column(*f);
        if (!c || c.kind() != ColumnKind::kKeyword) return nullptr;
        return nullptr;
      }
      bool any = false;
      expand_terms(q, seg, *f, [&](std::string_view, const TermInfo& info, int) {
        any = true;
        add_postings(seg.postings(*f, info), bits);
        return true;
      });
      return any ? bits_scorer(std::move(bits), docs, score) : nullptr;
    }
    case QueryKind::kColumnRange: {
      Column c = seg.column(q.field);
      if (!c || c.meta().value_count == 0 || q.lo > q.hi || q.lo > c.meta().max || q.hi < c.meta().min) return nullptr;
      int64_t lo = q.lo, hi = q.hi;
      if (lo <= c.meta().min && hi >= c.meta().max && c.meta().dense) return all_scorer(docs, score);
      // How many documents match is estimated from the span, as if values were spread evenly.
      double span = static_cast<double>(c.meta().max) - static_cast<double>(c.meta().min) + 1;
      double part = (static_cast<double>(std::min(hi, c.meta().max)) - static_cast<double>(std::max(lo, c.meta().min)) + 1) / span;
      auto cost = static_cast<uint64_t>(part * static_cast<double>(c.meta().doc_count)) + 1;
      return test_scorer(docs, score, cost, [c, lo, hi](uint32_t d) {
        for (uint32_t i = c.begin(d), e = c.end(d); i < e; ++i) {
          int64_t v = c.value(i);
          if (v >= lo && v <= hi) return true;
        }
        return false;
      });
    }
    case QueryKind::kColumnSet: {
      Column c = seg.column(q.field);
      if (!c || c.meta().value_count == 0) return nullptr;
      return test_scorer(docs, score, docs / 8, [c, &q](uint32_t d) {
        for (uint32_t i = c.begin(d), e = c.end(d); i < e; ++i) {
          if (std::binary_search(q.values.begin(), q.values.end(), c.value(i))) return true;
        }
        return false;
      });
    }
    case QueryKind::kExists: {
      if (f == nullptr) return nullptr;
      Column c = seg.column(*f);
      const uint8_t* norms = seg.norms(*f);
      if (c) return test_scorer(docs, score, c.meta().doc_count, [c](uint32_t d) { return c.end(d) > c.begin(d); });
      if (norms != nullptr) return test_scorer(docs, score, f->terms.doc_count, [norms](uint32_t d) { return norms[d] != 0; });
      if (!f->options.postings) return nullptr;
      std::vector<uint64_t> bits = empty_bits(docs);
      TermsIter it = seg.terms(*f);
      for (bool ok = it.first(); ok; ok = it.next()) add_postings(seg.postings(*f, it.info()), bits);
      return bits_scorer(std::move(bits), docs, score);
    }
    case QueryKind::kGeoDistance: case QueryKind::kGeoBox: {
      Column c = seg.column(q.field);
      if (!c) return nullptr;
      return test_scorer(docs, score, docs / 4, [c, &q](uint32_t d) {
        for (uint32_t i = c.begin(d), e = c.end(d); i < e; ++i) {
          GeoPoint p = decode_point(c.value(i));
          if (q.kind == QueryKind::kGeoDistance) {
            if (haversine_m(p, q.point) <= q.distance_m) return true;
          } else {
            bool lat = p.lat <= q.point.lat && p.lat >= q.corner.lat;
            bool lon = q.point.lon <= q.corner.lon ? p.lon >= q.point.lon && p.lon <= q.corner.lon
                                                   : p.lon >= q.point.lon || p.lon <= q.corner.lon;
            if (lat && lon) return true;
          }
        }
        return false;
      });
    }
    case QueryKind::kRows:
      return test_scorer(docs, score, q.rows.size(), [&seg, &q](uint32_t d) {
        return std::binary_search(q.rows.begin(), q.rows.end(), seg.row_id(d));
      });
    case QueryKind::kPredicate:
      return test_scorer(docs, score, docs, [&seg, &q](uint32_t d) { return q.predicate(seg, d); });
    case QueryKind::kMatchAll: return all_scorer(docs, score);
    default: return nullptr;
  }
}

WeightPtr fuzzy_weight(const Searcher& s, const QueryPtr& q, bool scores) {
  // The nearest terms over all leaves, then the alphabetically first.
  struct Candidate { float boost; std::string_view term; };
  auto better = [](const Candidate& a, const Candidate& b) { return a.boost != b.boost ? a.boost > b.boost : a.term < b.term; };
  std::vector<Candidate> terms;
  size_t length = code_points(q->text).size();
  for (const Leaf& leaf : s.leaves()) {
    const SegmentField* f = leaf.segment->field(q->field);
    if (f == nullptr || !f->options.postings) continue;
    leaf.segment->sketch(*f).match(q->text, q->edits, q->prefix_length, q->transpositions, [&](std::string_view t, int d) {
      size_t shorter = std::min(length, code_points(t).size());
      terms.push_back({d == 0 ? 1.0f : 1.0f - static_cast<float>(d) / static_cast<float>(std::max<size_t>(shorter, 1)), t});
    });
  }
  std::sort(terms.begin(), terms.end(), better);
  terms.erase(std::unique(terms.begin(), terms.end(), [](auto& a, auto& b) { return a.term == b.term; }), terms.end());
  if (terms.size() > static_cast<size_t>(q->max_expansions)) terms.resize(static_cast<size_t>(q->max_expansions));
  FieldStats stats = s.field_stats(q->field);
  uint64_t df = 0;
  std::vector<TermState> states;
  for (auto& c : terms) {
    states.push_back(look_up(s, q->field, c.term));
    df = std::max(df, states.back().df);
  }
  float idf = Bm25::idf(df, std::max<uint64_t>(stats.doc_count, df));
  auto weights = std::make_shared<std::vector<WeightPtr>>();
  for (size_t i = 0; i < terms.size(); ++i) {
    weights->push_back(term_weight(s, std::move(states[i]), stats, q->boost * terms[i].boost, idf, scores));
  }
  return lazy([weights](size_t leaf) -> ScorerPtr {
    std::vector<ScorerPtr> clauses;
    for (auto& w : *weights) {
      if (auto sc = w->scorer(leaf)) clauses.push_back(std::move(sc));
    }
    return disjunction_scorer(std::move(clauses));
  });
}

WeightPtr phrase_weight(const Searcher& s, const QueryPtr& q, bool scores) {
  FieldStats stats = s.field_stats(q->field);
  double idf = 0;
  auto positions = q->phrase;
  for (PhrasePosition& p : positions) {
    if (p.prefix) {
      std::set<std::string> terms;
      Query prefix;
      prefix.kind = QueryKind::kPrefix;
      prefix.text = p.terms[0];
      for (const Leaf& leaf : s.leaves()) {
        const SegmentField* f = leaf.segment->field(q->field);
        if (f == nullptr || !f->options.postings) continue;
        int n = 0;
        expand_terms(prefix, *leaf.segment, *f, [&](std::string_view t, const TermInfo&, int) {
          terms.emplace(t);
          return ++n < q->max_expansions;
        });
      }
      p.terms.assign(terms.begin(), terms.end());
      if (p.terms.size() > static_cast<size_t>(q->max_expansions)) p.terms.resize(static_cast<size_t>(q->max_expansions));
    }
    for (const std::string& t : p.terms) {
      TermState st = look_up(s, q->field, t);
      if (st.df > 0) idf += static_cast<double>(Bm25::idf(st.df, std::max(stats.doc_count, st.df)));
    }
  }
  auto bm25 = std::make_shared<Bm25>();
  bm25->set(q->boost, static_cast<float>(idf), stats, s.score_scale());
  (void)scores;
  auto shared = std::make_shared<std::vector<PhrasePosition>>(std::move(positions));
  return lazy([&s, q, bm25, shared](size_t leaf) -> ScorerPtr {
    const Segment& seg = *s.leaves()[leaf].segment;
    const SegmentField* f = seg.field(q->field);
    if (f == nullptr || !f->options.positions) return nullptr;
    std::vector<PhraseTerm> terms;
    for (const PhrasePosition& p : *shared) {
      PhraseTerm t;
      t.position = p.position;
      TermsIter it = seg.terms(*f);
      for (const std::string& text : p.terms) {
        if (it.seek_exact(text)) t.postings.push_back(seg.postings(*f, it.info()));
      }
      if (t.postings.empty()) return nullptr;
      terms.push_back(std::move(t));
    }
    return phrase_scorer(std::move(terms), q->slop, bm25, seg.norms(*f));
  });
}

struct BoolWeight : Weight {
  std::vector<WeightPtr> must, should, filter, must_not;
  int minimum = 0;
  uint32_t (*docs)(const Searcher&, size_t) = nullptr;
  const Searcher* searcher = nullptr;
  bool scores = false;

  ScorerPtr scorer(size_t leaf) override {
    std::vector<ScorerPtr> m, f, sh;
    for (auto& w : must) {
      auto s = w->scorer(leaf);
      if (!s) return nullptr;
      m.push_back(std::move(s));
    }
    for (auto& w : filter) {
      auto s = w->scorer(leaf);
      if (!s) return nullptr;
      f.push_back(std::move(s));
    }
    for (auto& w : should) {
      if (auto s = w->scorer(leaf)) sh.push_back(std::move(s));
    }
    ScorerPtr out;
    if (minimum > 0) {
      ScorerPtr s = minimum_match_scorer(std::move(sh), minimum);
      if (!s) return nullptr;
      m.push_back(std::move(s));
      out = conjunction_scorer(std::move(m), std::move(f));
    } else {
      if (m.empty() && f.empty()) {
        if (must.empty() && filter.empty() && should.empty()) {  // only must_not, or nothing at all
          out = all_scorer(searcher->leaves()[leaf].segment->docs(), must_not.empty() ? 1.0f : 0.0f);
        } else {
          out = all_scorer(searcher->leaves()[leaf].segment->docs(), 0);
        }
      } else {
        out = conjunction_scorer(std::move(m), std::move(f));
      }
      ScorerPtr optional = scores ? disjunction_scorer(std::move(sh)) : nullptr;
      if (optional) out = required_optional_scorer(std::move(out), std::move(optional));
    }
    std::vector<ScorerPtr> no;
    for (auto& w : must_not) {
      if (auto s = w->scorer(leaf)) no.push_back(std::move(s));
    }
    for (auto& s : no) out = exclusion_scorer(std::move(out), std::move(s));
    return out;
  }
};

double apply_modifier(const std::string& m, double v) {
  if (m.empty() || m == "none") return v;
  if (m == "log") return std::log10(v);
  if (m == "log1p") return std::log10(v + 1);
  if (m == "log2p") return std::log10(v + 2);
  if (m == "ln") return std::log(v);
  if (m == "ln1p") return std::log1p(v);
  if (m == "ln2p") return std::log(v + 2);
  if (m == "square") return v * v;
  if (m == "sqrt") return std::sqrt(v);
  if (m == "reciprocal") return 1.0 / v;
  return v;
}

double function_value(const ScoreFunction& f, const Column& c, const Segment& seg, uint32_t doc) {
  switch (f.kind) {
    case ScoreFunction::kWeight: return 1;
    case ScoreFunction::kRandom: {
      uint64_t h = f.seed * 0x9e3779b97f4a7c15ull + seg.row_id(doc);
      h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ull;
      h = (h ^ (h >> 27)) * 0x94d049bb133111ebull;
      return static_cast<double>((h ^ (h >> 31)) >> 40) / 16777216.0;
    }
    case ScoreFunction::kFieldValue: {
      double v;
      if (c && c.end(doc) > c.begin(doc)) v = c.as_double(c.begin(doc));
      else if (f.has_missing) v = f.missing;
      else throw Error(ErrorCode::kInvalidParameterValue, "Missing value for field [" + f.field + "]");
      double r = apply_modifier(f.modifier, v * f.factor);
      if (std::isnan(r) || std::isinf(r)) {
        throw Error(ErrorCode::kInvalidParameterValue,
                    "Result of field modification [" + f.modifier + "(" + fmt::format("{}", v * f.factor) +
                        ")] must be a number");
      }
      return r;
    }
    default: break;
  }
  if (!c || c.end(doc) == c.begin(doc)) return 1;
  double best = 0, sum = 0;
  int n = 0;
  for (uint32_t i = c.begin(doc); i < c.end(doc); ++i) {
    double d = f.geo ? haversine_m(decode_point(c.value(i)), f.geo_origin) : std::abs(c.as_double(i) - f.origin);
    d = std::max(0.0, d - f.offset);
    if (n == 0 || (f.multi_mode == "max" ? d > best : d < best)) best = d;
    sum += d;
    ++n;
  }
  double d = f.multi_mode == "sum" ? sum : f.multi_mode == "avg" ? sum / n : best;
  if (f.kind == ScoreFunction::kGauss) {
    double sigma2 = -(f.scale * f.scale) / (2.0 * std::log(f.decay));
    return std::exp(-(d * d) / (2.0 * sigma2));
  }
  if (f.kind == ScoreFunction::kExp) return std::exp(std::log(f.decay) / f.scale * d);
  double s = f.scale / (1.0 - f.decay);
  return std::max(0.0, (s - d) / s);
}

WeightPtr function_weight(const Searcher& s, const QueryPtr& q, bool scores) {
  auto inner = std::shared_ptr<Weight>(s.weight(q->must[0], scores));
  auto filters = std::make_shared<std::vector<WeightPtr>>();
  for (auto& f : q->functions) filters->push_back(f.filter ? s.weight(f.filter, false) : nullptr);
  return lazy([&s, q, inner, filters](size_t leaf) -> ScorerPtr {
    ScorerPtr base = inner->scorer(leaf);
    if (!base) return nullptr;
    SegmentPtr seg = s.leaves()[leaf].segment;
    struct State { std::vector<std::shared_ptr<Scorer>> filters; std::vector<Column> columns; std::vector<bool> never; };
    auto st = std::make_shared<State>();
    for (size_t i = 0; i < q->functions.size(); ++i) {
      st->filters.push_back((*filters)[i] ? std::shared_ptr<Scorer>((*filters)[i]->scorer(leaf)) : nullptr);
      st->never.push_back((*filters)[i] && !st->filters.back());
      st->columns.push_back(q->functions[i].field.empty() ? Column() : seg->column(q->functions[i].field));
    }
    return mapped_scorer(std::move(base), [q, st, seg](uint32_t doc, float score) -> float {
      double combined = 1, weights = 0;
      int n = 0;
      for (size_t i = 0; i < q->functions.size(); ++i) {
        const ScoreFunction& f = q->functions[i];
        if (st->never[i]) continue;
        if (Scorer* x = st->filters[i].get()) {
          uint32_t d = x->doc();
          if (d == UINT32_MAX || d < doc) d = x->advance(doc);
          if (d != doc) continue;
        }
        double v = (f.kind == ScoreFunction::kScript ? f.script(*seg, doc, score) : function_value(f, st->columns[i], *seg, doc)) * f.weight;
        const std::string& mode = q->score_mode;
        if (n == 0) combined = v;
        else if (mode == "multiply") combined *= v;
        else if (mode == "sum" || mode == "avg") combined += v;
        else if (mode == "max") combined = std::max(combined, v);
        else if (mode == "min") combined = std::min(combined, v);
        weights += f.weight;
        ++n;
        if (mode == "first") break;
      }
      if (n > 0 && q->score_mode == "avg") combined /= weights;
      if (q->script) {
        double own = q->script(*seg, doc, score) * q->boost;
        if (q->has_min_score && own < q->min_score) return std::numeric_limits<float>::quiet_NaN();
        return static_cast<float>(own);
      }
      double factor = std::min(n == 0 ? 1.0 : combined, q->max_boost);
      double out = score;
      if (q->boost_mode == "multiply") out = score * factor;
      else if (q->boost_mode == "replace") out = factor;
      else if (q->boost_mode == "sum") out = score + factor;
      else if (q->boost_mode == "avg") out = (score + factor) / 2;
      else if (q->boost_mode == "max") out = std::max<double>(score, factor);
      else if (q->boost_mode == "min") out = std::min<double>(score, factor);
      out *= q->boost;
      if (q->has_min_score && out < q->min_score) return std::numeric_limits<float>::quiet_NaN();
      return static_cast<float>(out);
    });
  });
}

WeightPtr nested_weight(const Searcher& s, const QueryPtr& q, bool scores) {
  auto inner = std::make_shared<Searcher>(s.nested(q->field));
  std::string mode = q->score_mode;
  auto weight = std::shared_ptr<Weight>(inner->weight(q->must[0], scores && mode != "none"));
  return lazy([&s, q, inner, weight, mode](size_t leaf) -> ScorerPtr {
    ScorerPtr below = weight->scorer(leaf);
    if (!below) return nullptr;
    return nested_scorer(std::move(below), s.leaves()[leaf].segment->parents(q->field), mode, q->boost);
  });
}

// Boosts multiply down the tree.
QueryPtr boosted(const QueryPtr& q, float boost) {
  if (boost == 1) return q;
  auto c = std::make_shared<Query>(*q);
  c->boost *= boost;
  return c;
}

}  // namespace

int64_t encode_point(GeoPoint p) {
  auto lat = static_cast<int64_t>(std::floor(p.lat / (180.0 / 4294967296.0)));
  auto lon = static_cast<int64_t>(std::floor(p.lon / (360.0 / 4294967296.0)));
  lat = std::min<int64_t>(lat, 2147483647);
  lon = std::min<int64_t>(lon, 2147483647);
  return static_cast<int64_t>(static_cast<uint64_t>(static_cast<uint32_t>(lat)) << 32 | static_cast<uint32_t>(lon));
}
GeoPoint decode_point(int64_t bits) {
  auto lat = static_cast<int32_t>(static_cast<uint64_t>(bits) >> 32);
  auto lon = static_cast<int32_t>(static_cast<uint32_t>(bits));
  return {lat * (180.0 / 4294967296.0), lon * (360.0 / 4294967296.0)};
}
double haversine_m(GeoPoint a, GeoPoint b) {
  constexpr double r = M_PI / 180;
  double h1 = std::sin((b.lat - a.lat) * r / 2), h2 = std::sin((b.lon - a.lon) * r / 2);
  double h = h1 * h1 + std::cos(a.lat * r) * std::cos(b.lat * r) * h2 * h2;
  return 2 * kEarthRadiusM * std::asin(std::min(1.0, std::sqrt(h)));
}

FieldStats Searcher::field_stats(const std::string& field) const {
  FieldStats out;
  for (const Leaf& leaf : leaves_) {
    const SegmentField* f = leaf.segment->field(field);
    if (f == nullptr) continue;
    out.doc_count += f->terms.doc_count;
    out.sum_ttf += f->terms.sum_ttf;
  }
  return out;
}
Searcher Searcher::nested(std::string_view path) const {
  static const SegmentPtr kEmpty = Segment::from_image(SegmentBuilder().finish(), 0);
  std::vector<Leaf> out;
  for (const Leaf& leaf : leaves_) {
    Leaf inner;
    inner.all_visible = true;
    inner.lsn = leaf.lsn;
    // The outer segment owns the memory: its life is shared.
    const Segment* below = leaf.segment->nested(path);
    inner.segment = below == nullptr ? kEmpty : SegmentPtr(leaf.segment, const_cast<Segment*>(below));
    out.push_back(std::move(inner));
  }
  return Searcher(std::move(out), scale_);
}
uint64_t Searcher::max_doc() const {
  uint64_t n = 0;
  for (const Leaf& leaf : leaves_) n += leaf.segment->docs();
  return n;
}

WeightPtr Searcher::weight(const QueryPtr& q, bool scores) const {
  switch (q->kind) {
    case QueryKind::kMatchNone: return lazy([](size_t) { return nullptr; });
    case QueryKind::kTerm: {
      if (q->case_insensitive) break;
      TermState st = look_up(*this, q->field, q->text);
      FieldStats stats = field_stats(q->field);
      float idf = Bm25::idf(st.df, std::max<uint64_t>({stats.doc_count, st.df, uint64_t{1}}));
      return term_weight(*this, std::move(st), stats, q->boost, idf, scores);
    }
    case QueryKind::kFuzzy: return fuzzy_weight(*this, q, scores);
    case QueryKind::kPhrase: return phrase_weight(*this, q, scores);
    case QueryKind::kBool: {
      auto w = std::make_unique<BoolWeight>();
      w->searcher = this;
      w->scores = scores;
      for (auto& c : q->must) w->must.push_back(weight(boosted(c, q->boost), scores));
      for (auto& c : q->should) w->should.push_back(weight(boosted(c, q->boost), scores));
      for (auto& c : q->filter) w->filter.push_back(weight(c, false));
      for (auto& c : q->must_not) w->must_not.push_back(weight(c, false));
      w->minimum = q->minimum_should_match;
      if (w->minimum < 0) w->minimum = !q->should.empty() && q->must.empty() && q->filter.empty() ? 1 : 0;
      if (q->should.empty() && w->minimum > 0) w->minimum = q->minimum_should_match > 0 ? w->minimum : 0;
      return w;
    }
    case QueryKind::kDisMax: {
      auto ws = std::make_shared<std::vector<WeightPtr>>();
      for (auto& c : q->should) ws->push_back(weight(boosted(c, q->boost), scores));
      float tie = q->tie_breaker;
      return lazy([ws, tie](size_t leaf) -> ScorerPtr {
        std::vector<ScorerPtr> clauses;
        for (auto& w : *ws) {
          if (auto s = w->scorer(leaf)) clauses.push_back(std::move(s));
        }
        return dis_max_scorer(std::move(clauses), tie);
      });
    }
    case QueryKind::kConstant: {
      auto w = std::shared_ptr<Weight>(weight(q->filter[0], false));
      float boost = q->boost;
      return lazy([w, boost](size_t leaf) -> ScorerPtr {
        auto s = w->scorer(leaf);
        return s ? constant_scorer(std::move(s), boost) : nullptr;
      });
    }
    case QueryKind::kBoosting: {
      auto p = std::shared_ptr<Weight>(weight(boosted(q->must[0], q->boost), scores));
      auto n = std::shared_ptr<Weight>(weight(q->must_not[0], false));
      float boost = q->negative_boost;
      return lazy([p, n, boost](size_t leaf) -> ScorerPtr {
        auto s = p->scorer(leaf);
        auto x = n->scorer(leaf);
        if (!s || !x) return s;
        return boosting_scorer(std::move(s), std::move(x), boost);
      });
    }
    case QueryKind::kFunctionScore: return function_weight(*this, q, scores);
    case QueryKind::kNested: return nested_weight(*this, q, scores);
    default: break;
  }
  return lazy([this, q](size_t leaf) { return bits_for(*q, leaves_[leaf], q->boost); });
}

std::vector<ScoredDoc> Searcher::top(const QueryPtr& query, size_t k, uint64_t count_limit, uint64_t* total) const {
  WeightPtr w = weight(query, true);
  auto worse = [](const ScoredDoc& a, const ScoredDoc& b) {  // heap top is the worst kept
    if (a.score != b.score) return a.score > b.score;
    return a.leaf != b.leaf ? a.leaf < b.leaf : a.doc < b.doc;
  };
  std::vector<ScoredDoc> heap;
  heap.reserve(k + 1);
  uint64_t n = 0;
  for (size_t i = 0; i < leaves_.size(); ++i) {
    ScorerPtr s = w->scorer(i);
    if (!s) continue;
    const Leaf& leaf = leaves_[i];
    auto raise = [&] {
      if (heap.size() == k && k > 0 && n >= count_limit) {
        s->set_min_score(std::nextafter(heap.front().score, std::numeric_limits<float>::max()));
      }
    };
    if (k == 0 && n >= count_limit) break;
    raise();
    bool all = leaf.all_visible && !leaf.hidden;
    for (uint32_t d = s->next(); d != kNoDoc; d = s->next()) {
      if (!all && !leaf.visible(d)) continue;
      ++n;
      if (k == 0) {
        if (n >= count_limit) break;
        continue;
      }
      ScoredDoc c{static_cast<uint32_t>(i), d, s->score()};
      if (heap.size() < k) {
        heap.push_back(c);
        std::push_heap(heap.begin(), heap.end(), worse);
        if (heap.size() == k) raise();
      } else if (c.score > heap.front().score) {
        std::pop_heap(heap.begin(), heap.end(), worse);
        heap.back() = c;
        std::push_heap(heap.begin(), heap.end(), worse);
        raise();
      } else if (n == count_limit) {
        raise();
      }
    }
  }
  std::sort_heap(heap.begin(), heap.end(), worse);
  if (total != nullptr) *total = n;
  return heap;
}

void Searcher::each(const QueryPtr& query, bool scores, const std::function<bool(uint32_t, Scorer&)>& f) const {
  WeightPtr w = weight(query, scores);
  for (size_t i = 0; i < leaves_.size(); ++i) {
    ScorerPtr s = w->scorer(i);
    if (!s) continue;
    const Leaf& leaf = leaves_[i];
    for (uint32_t d = s->next(); d != kNoDoc; d = s->next()) {
      if (leaf.visible(d) && !f(static_cast<uint32_t>(i), *s)) return;
    }
  }
}

uint64_t Searcher::count(const QueryPtr& query) const {
  uint64_t n = 0;
  each(query, false, [&](uint32_t, Scorer&) {
    ++n;
    return true;
  });
  return n;
}

}  // namespace stele::segments
