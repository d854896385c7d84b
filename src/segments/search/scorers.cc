#include "segments/search/scorers.h"

#include "base/error.h"

namespace stele::segments {

float Bm25::idf(uint64_t df, uint64_t n) {
  auto d = static_cast<double>(df), c = static_cast<double>(n);
  return static_cast<float>(std::log(1 + (c - d + 0.5) / (d + 0.5)));
}
void Bm25::set(float boost, float idf_value, const FieldStats& stats, float scale) {
  constexpr float k1 = 1.2f, b = 0.75f;
  weight = boost * scale * idf_value;
  float average = stats.sum_ttf == 0 || stats.doc_count == 0
                      ? 1.0f
                      : static_cast<float>(static_cast<double>(stats.sum_ttf) / static_cast<double>(stats.doc_count));
  for (int i = 0; i < 256; ++i) {
    cache[static_cast<size_t>(i)] =
        1.0f / (k1 * ((1.0f - b) + b * static_cast<float>(decode_length(static_cast<uint8_t>(i))) / average));
  }
}

namespace {

class TermScorer final : public Scorer {
 public:
  TermScorer(PostingsIter p, Bm25Ptr bm25, const uint8_t* norms)
      : postings_(std::move(p)), bm25_(std::move(bm25)), norms_(norms) {}
  uint32_t next() override {
    doc_ = postings_.next();
    return min_ > 0 ? skip() : doc_;
  }
  uint32_t advance(uint32_t target) override {
    doc_ = postings_.advance(target);
    return min_ > 0 ? skip() : doc_;
  }
  float score() override {
    return bm25_->score(static_cast<float>(postings_.freq()), norms_ == nullptr ? uint8_t{1} : norms_[doc_]);
  }
  uint64_t cost() const override { return postings_.df(); }
  float max_score() override {
    if (max_ < 0) {
      if (!postings_.has_impacts()) {
        uint64_t top = postings_.ttf() - postings_.df() + 1;
        max_ = bm25_->score(static_cast<float>(top), 1);
      } else {
        max_ = 0;
        for (uint32_t b = 0; b < postings_.impact_blocks(); ++b) max_ = std::max(max_, bound_of(b));
      }
    }
    return max_;
  }
  uint32_t block_end(uint32_t target, float* bound) override {
    if (!postings_.has_impacts()) {
      *bound = max_score();
      return kNoDoc - 1;
    }
    if (target < shallow_target_) shallow_ = 0;
    shallow_target_ = target;
    shallow_ = postings_.block_of(target, shallow_);
    if (shallow_ >= postings_.impact_blocks()) {
      *bound = 0;
      return kNoDoc - 1;
    }
    if (shallow_ != bound_block_) {
      bound_block_ = shallow_;
      bound_ = bound_of(shallow_);
    }
    *bound = bound_;
    return postings_.block_last_doc(shallow_);
  }
  void set_min_score(float m) override { min_ = m; }

 private:
  float bound_of(uint32_t block) {
    postings_.impacts(block, impacts_);
    float m = 0;
    for (auto& i : impacts_) m = std::max(m, bm25_->score(static_cast<float>(i.freq), i.norm));
    return m;
  }
  // Jumps over blocks that cannot reach the minimum.
  uint32_t skip() {
    while (doc_ != kNoDoc) {
      if (doc_ <= good_until_ && min_ == good_for_) return doc_;
      float bound;
      uint32_t end = block_end(doc_, &bound);
      if (bound >= min_) {
        good_until_ = end;
        good_for_ = min_;
        return doc_;
      }
      if (end >= kNoDoc - 1) return doc_ = kNoDoc;
      doc_ = postings_.advance(end + 1);
    }
    return doc_;
  }
  PostingsIter postings_;
  Bm25Ptr bm25_;
  const uint8_t* norms_;
  float max_ = -1, min_ = 0, bound_ = 0, good_for_ = -1;
  uint32_t shallow_ = 0, shallow_target_ = 0, bound_block_ = UINT32_MAX, good_until_ = 0;
  std::vector<PostingsIter::Impact> impacts_;
};

class ConstantPostings final : public Scorer {
 public:
  ConstantPostings(PostingsIter p, float s) : postings_(std::move(p)), score_(s) {}
  uint32_t next() override { return doc_ = postings_.next(); }
  uint32_t advance(uint32_t t) override { return doc_ = postings_.advance(t); }
  float score() override { return score_; }
  uint64_t cost() const override { return postings_.df(); }
  float max_score() override { return score_; }

 private:
  PostingsIter postings_;
  float score_;
};

class BitsScorer final : public Scorer {
 public:
  BitsScorer(std::vector<uint64_t> bits, uint32_t docs, float s) : bits_(std::move(bits)), docs_(docs), score_(s) {
    for (uint64_t w : bits_) cost_ += static_cast<uint64_t>(std::popcount(w));
  }
  uint32_t next() override { return advance(doc_ + 1); }
  uint32_t advance(uint32_t t) override {
    if (t >= docs_) return doc_ = kNoDoc;
    size_t w = t >> 6;
    uint64_t word = bits_[w] & (~0ull << (t & 63));
    while (word == 0) {
      if (++w >= bits_.size()) return doc_ = kNoDoc;
      word = bits_[w];
    }
    return doc_ = static_cast<uint32_t>(w * 64 + static_cast<size_t>(std::countr_zero(word)));
  }
  float score() override { return score_; }
  uint64_t cost() const override { return cost_; }
  float max_score() override { return score_; }
  bool is_predicate() const override { return true; }
  bool test(uint32_t d) override { return (bits_[d >> 6] >> (d & 63) & 1) != 0; }

 private:
  std::vector<uint64_t> bits_;
  uint32_t docs_;
  float score_;
  uint64_t cost_ = 0;
};

class AllScorer final : public Scorer {
 public:
  AllScorer(uint32_t docs, float s) : docs_(docs), score_(s) {}
  uint32_t next() override { return advance(doc_ + 1); }
  uint32_t advance(uint32_t t) override { return doc_ = t < docs_ ? t : kNoDoc; }
  float score() override { return score_; }
  uint64_t cost() const override { return docs_; }
  float max_score() override { return score_; }
  bool is_predicate() const override { return true; }
  bool test(uint32_t) override { return true; }

 private:
  uint32_t docs_;
  float score_;
};

class TestScorer final : public Scorer {
 public:
  TestScorer(uint32_t docs, float s, uint64_t cost, std::function<bool(uint32_t)> t)
      : docs_(docs), score_(s), cost_(cost), test_(std::move(t)) {}
  uint32_t next() override { return advance(doc_ + 1); }
  uint32_t advance(uint32_t t) override {
    while (t < docs_ && !test_(t)) ++t;
    return doc_ = t < docs_ ? t : kNoDoc;
  }
  float score() override { return score_; }
  uint64_t cost() const override { return cost_; }
  float max_score() override { return score_; }
  bool is_predicate() const override { return true; }
  bool test(uint32_t d) override { return test_(d); }

 private:
  uint32_t docs_;
  float score_;
  uint64_t cost_;
  std::function<bool(uint32_t)> test_;
};

class Conjunction final : public Scorer {
 public:
  Conjunction(std::vector<ScorerPtr> must, std::vector<ScorerPtr> filter) {
    for (auto& s : must) scoring_.push_back(s.get());
    for (auto& s : must) all_.push_back(std::move(s));
    for (auto& s : filter) all_.push_back(std::move(s));
    for (auto& s : all_) {
      if (s->is_predicate()) tests_.push_back(s.get());
      else iterators_.push_back(s.get());
    }
    auto cheaper = [](Scorer* a, Scorer* b) { return a->cost() < b->cost(); };
    if (iterators_.empty()) {  // the cheapest predicate leads
      auto lead = std::min_element(tests_.begin(), tests_.end(), cheaper);
      iterators_.push_back(*lead);
      tests_.erase(lead);
    } else if (!tests_.empty()) {
      // A very selective bitmap leads better than a long posting list.
      std::sort(tests_.begin(), tests_.end(), cheaper);
      std::sort(iterators_.begin(), iterators_.end(), cheaper);
      if (tests_[0]->cost() * 8 < iterators_[0]->cost()) {
        iterators_.insert(iterators_.begin(), tests_[0]);
        tests_.erase(tests_.begin());
      }
    }
    std::sort(iterators_.begin(), iterators_.end(), cheaper);
    std::sort(tests_.begin(), tests_.end(), cheaper);
    for (Scorer* s : scoring_) max_ += s->max_score();
  }
  uint32_t next() override { return settle(iterators_[0]->next()); }
  uint32_t advance(uint32_t t) override { return settle(iterators_[0]->advance(t)); }
  float score() override {
    double sum = 0;
    for (Scorer* s : scoring_) {
      if (s->doc() != doc_) s->advance(doc_);
      sum += s->score();
    }
    return static_cast<float>(sum);
  }
  uint64_t cost() const override { return iterators_[0]->cost(); }
  float max_score() override { return static_cast<float>(max_); }
  uint32_t block_end(uint32_t target, float* bound) override {
    double sum = 0;
    uint32_t end = kNoDoc - 1;
    for (Scorer* s : scoring_) {
      float b;
      end = std::min(end, s->block_end(target, &b));
      sum += b;
    }
    *bound = static_cast<float>(sum);
    return end;
  }
  void set_min_score(float m) override {
    min_ = m;
    good_until_ = 0;
    has_good_ = false;
    if (scoring_.size() == 1) scoring_[0]->set_min_score(m);
  }

 private:
  uint32_t settle(uint32_t d) {
    for (;;) {
      if (d == kNoDoc) return doc_ = kNoDoc;
      if (min_ > 0 && !(has_good_ && d <= good_until_)) {
        float bound;
        uint32_t end = block_end(d, &bound);
        if (bound < min_) {
          if (end >= kNoDoc - 1) return doc_ = kNoDoc;
          d = iterators_[0]->advance(end + 1);
          continue;
        }
        good_until_ = end;
        has_good_ = true;
      }
      bool again = false;
      for (size_t i = 1; i < iterators_.size(); ++i) {
        Scorer* s = iterators_[i];
        uint32_t e = s->doc() == UINT32_MAX || s->doc() < d ? s->advance(d) : s->doc();
        if (e != d) {
          d = e == kNoDoc ? kNoDoc : iterators_[0]->advance(e);
          again = true;
          break;
        }
      }
      if (again) continue;
      for (Scorer* t : tests_) {
        if (!t->test(d)) {
          d = iterators_[0]->next();
          again = true;
          break;
        }
      }
      if (!again) return doc_ = d;
    }
  }
  std::vector<ScorerPtr> all_;
  std::vector<Scorer*> scoring_, iterators_, tests_;
  double max_ = 0;
  float min_ = 0;
  uint32_t good_until_ = 0;
  bool has_good_ = false;
};

// MaxScore within windows in which every clause's bound holds.
class Disjunction final : public Scorer {
 public:
  explicit Disjunction(std::vector<ScorerPtr> clauses) {
    for (auto& c : clauses) {
      cost_ += c->cost();
      clauses_.push_back({std::move(c), 0, 0});
    }
    order_.resize(clauses_.size());
    for (size_t i = 0; i < order_.size(); ++i) order_[i] = &clauses_[i];
  }
  uint32_t next() override {
    if (doc_ == kNoDoc) return doc_;
    return find(doc_ + 1);
  }
  uint32_t advance(uint32_t t) override { return find(t); }
  float score() override {
    if (!scored_) settle_score();
    return score_;
  }
  uint64_t cost() const override { return cost_; }
  float max_score() override {
    double sum = 0;
    for (Clause& c : clauses_) sum += c.scorer->max_score();
    return static_cast<float>(sum);
  }
  uint32_t block_end(uint32_t target, float* bound) override {
    double sum = 0;
    uint32_t end = kNoDoc - 1;
    for (Clause& c : clauses_) {
      float b;
      end = std::min(end, c.scorer->block_end(target, &b));
      sum += b;
    }
    *bound = static_cast<float>(sum);
    return end;
  }
  void set_min_score(float m) override {
    min_ = m;
    if (window_ready_) partition();
  }

 private:
  struct Clause { ScorerPtr scorer; float bound; float prefix; };

  void partition() {
    double sum = 0;
    first_ = 0;
    for (Clause* c : order_) {
      sum += c->bound;
      c->prefix = static_cast<float>(sum * (1 + 1e-6));
    }
    while (first_ < order_.size() && order_[first_]->prefix < min_) ++first_;
  }
  // Bounds for a window that starts at target; at least a block of the longest list.
  void open_window(uint32_t target) {
    window_end_ = kNoDoc - 1;
    for (Clause* c : order_) {
      uint32_t end = c->scorer->block_end(target, &c->bound);
      window_end_ = std::min(window_end_, end);
    }
    std::sort(order_.begin(), order_.end(), [](Clause* a, Clause* b) { return a->bound < b->bound; });
    window_ready_ = true;
    partition();
  }
  static uint32_t at(Scorer& s, uint32_t target) {
    uint32_t d = s.doc();
    return d == UINT32_MAX || d < target ? s.advance(target) : d;
  }
  uint32_t find(uint32_t target) {
    scored_ = false;
    if (min_ <= 0) {  // nothing to prune yet
      uint32_t best = kNoDoc;
      for (Clause& c : clauses_) best = std::min(best, at(*c.scorer, target));
      return doc_ = best;
    }
    for (;;) {
      if (target >= kNoDoc) return doc_ = kNoDoc;
      if (!window_ready_ || target > window_end_ || target < window_start_) {
        window_start_ = target;
        open_window(target);
      }
      if (first_ == order_.size()) {
        if (window_end_ >= kNoDoc - 1) return doc_ = kNoDoc;
        target = window_end_ + 1;
        continue;
      }
      uint32_t best = kNoDoc;
      for (size_t i = first_; i < order_.size(); ++i) best = std::min(best, at(*order_[i]->scorer, target));
      if (best > window_end_) {
        if (window_end_ >= kNoDoc - 1) return doc_ = kNoDoc;
        target = window_end_ + 1;
        continue;
      }
      doc_ = best;
      // The score of the essential clauses, then the others while they can still matter.
      double sum = 0;
      for (size_t i = first_; i < order_.size(); ++i) {
        if (order_[i]->scorer->doc() == best) sum += order_[i]->scorer->score();
      }
      bool hopeless = false;
      for (size_t i = first_; i-- > 0;) {
        if (static_cast<float>(sum * (1 + 1e-6)) + order_[i]->prefix < min_) {
          hopeless = true;
          break;
        }
        if (at(*order_[i]->scorer, best) == best) sum += order_[i]->scorer->score();
      }
      if (!hopeless) {
        score_ = static_cast<float>(sum);
        scored_ = true;
        if (score_ >= min_) return doc_;
      }
      target = best + 1;
    }
  }
  void settle_score() {
    double sum = 0;
    for (Clause& c : clauses_) {
      if (at(*c.scorer, doc_) == doc_) sum += c.scorer->score();
    }
    score_ = static_cast<float>(sum);
    scored_ = true;
  }
  std::vector<Clause> clauses_;
  std::vector<Clause*> order_;
  size_t first_ = 0;
  uint64_t cost_ = 0;
  float min_ = 0, score_ = 0;
  bool scored_ = false, window_ready_ = false;
  uint32_t window_start_ = 0, window_end_ = 0;
};

// Documents in at least `minimum` clauses; sums scores, or keeps the best and a share of the others.
class CountingScorer final : public Scorer {
 public:
  CountingScorer(std::vector<ScorerPtr> c, int minimum, bool dis_max, float tie)
      : clauses_(std::move(c)), minimum_(minimum), dis_max_(dis_max), tie_(tie) {
    for (auto& s : clauses_) {
      cost_ += s->cost();
      if (dis_max_) {
        float m = s->max_score();
        others_ += m;
        max_ = std::max(max_, m);
      } else {
        max_ += s->max_score();
      }
    }
    if (dis_max_) max_ += tie_ * (others_ - max_);
  }
  uint32_t next() override { return doc_ == kNoDoc ? doc_ : find(doc_ + 1); }
  uint32_t advance(uint32_t t) override { return find(t); }
  float score() override {
    double sum = 0, best = 0;
    for (auto& s : clauses_) {
      if (s->doc() != doc_) continue;
      float v = s->score();
      sum += v;
      best = std::max(best, static_cast<double>(v));
    }
    return static_cast<float>(dis_max_ ? best + (sum - best) * tie_ : sum);
  }
  uint64_t cost() const override { return cost_; }
  float max_score() override { return max_; }

 private:
  uint32_t find(uint32_t target) {
    for (;;) {
      uint32_t best = kNoDoc;
      int n = 0;
      for (auto& s : clauses_) {
        uint32_t d = s->doc();
        if (d == UINT32_MAX || d < target) d = s->advance(target);
        if (d < best) {
          best = d;
          n = 1;
        } else if (d == best) {
          ++n;
        }
      }
      if (best == kNoDoc || n >= minimum_) return doc_ = best;
      target = best + 1;
    }
  }
  std::vector<ScorerPtr> clauses_;
  int minimum_;
  bool dis_max_;
  float tie_, max_ = 0, others_ = 0;
  uint64_t cost_ = 0;
};

class RequiredOptional final : public Scorer {
 public:
  RequiredOptional(ScorerPtr r, ScorerPtr o) : required_(std::move(r)), optional_(std::move(o)) {}
  uint32_t next() override { return doc_ = required_->next(); }
  uint32_t advance(uint32_t t) override { return doc_ = required_->advance(t); }
  float score() override {
    double s = required_->score();
    uint32_t d = optional_->doc();
    if (d == UINT32_MAX || d < doc_) d = optional_->advance(doc_);
    if (d == doc_) s += optional_->score();
    return static_cast<float>(s);
  }
  uint64_t cost() const override { return required_->cost(); }
  float max_score() override { return required_->max_score() + optional_->max_score(); }

 private:
  ScorerPtr required_, optional_;
};

class Exclusion final : public Scorer {
 public:
  Exclusion(ScorerPtr r, ScorerPtr x) : required_(std::move(r)), excluded_(std::move(x)) {}
  uint32_t next() override { return settle(required_->next()); }
  uint32_t advance(uint32_t t) override { return settle(required_->advance(t)); }
  float score() override { return required_->score(); }
  uint64_t cost() const override { return required_->cost(); }
  float max_score() override { return required_->max_score(); }
  uint32_t block_end(uint32_t t, float* b) override { return required_->block_end(t, b); }
  void set_min_score(float m) override { required_->set_min_score(m); }

 private:
  uint32_t settle(uint32_t d) {
    for (; d != kNoDoc; d = required_->next()) {
      if (excluded_->is_predicate()) {
        if (!excluded_->test(d)) break;
        continue;
      }
      uint32_t x = excluded_->doc();
      if (x == UINT32_MAX || x < d) x = excluded_->advance(d);
      if (x != d) break;
    }
    return doc_ = d;
  }
  ScorerPtr required_, excluded_;
};

class MappedScorer final : public Scorer {
 public:
  MappedScorer(ScorerPtr i, std::function<float(uint32_t, float)> f, float max, bool lazy)
      : inner_(std::move(i)), f_(std::move(f)), max_(max), lazy_(lazy) {}
  uint32_t next() override { return settle(inner_->next()); }
  uint32_t advance(uint32_t t) override { return settle(inner_->advance(t)); }
  float score() override { return lazy_ ? f_(doc_, 0) : score_; }
  uint64_t cost() const override { return inner_->cost(); }
  float max_score() override { return max_; }
  bool is_predicate() const override { return lazy_ && inner_->is_predicate(); }
  bool test(uint32_t d) override { return inner_->test(d); }

 private:
  uint32_t settle(uint32_t d) {
    if (lazy_) return doc_ = d;
    for (; d != kNoDoc; d = inner_->next()) {
      score_ = f_(d, inner_->score());
      if (!std::isnan(score_)) break;
    }
    return doc_ = d;
  }
  ScorerPtr inner_;
  std::function<float(uint32_t, float)> f_;
  float max_, score_ = 0;
  bool lazy_;
};

// Joins nested documents, whose ordinals ascend with those of what they belong to.
class NestedScorer final : public Scorer {
 public:
  NestedScorer(ScorerPtr inner, std::vector<uint32_t> parents, const std::string& mode, float boost)
      : inner_(std::move(inner)), parents_(std::move(parents)), boost_(boost) {
    mode_ = mode == "sum" ? kSum : mode == "min" ? kMin : mode == "max" ? kMax : mode == "none" ? kNone : kAverage;
    at_ = inner_->next();
  }
  uint32_t next() override { return join(); }
  uint32_t advance(uint32_t target) override {
    if (at_ != kNoDoc && parents_[at_] < target) {
      auto first = std::lower_bound(parents_.begin() + at_, parents_.end(), target);
      at_ = first == parents_.end() ? kNoDoc : inner_->advance(static_cast<uint32_t>(first - parents_.begin()));
    }
    return join();
  }
  float score() override { return score_; }
  uint64_t cost() const override { return inner_->cost(); }
  float max_score() override { return std::numeric_limits<float>::max(); }

 private:
  uint32_t join() {
    if (at_ == kNoDoc) return doc_ = kNoDoc;
    doc_ = parents_[at_];
    double sum = 0, best = 0;
    int n = 0;
    while (at_ != kNoDoc && parents_[at_] == doc_) {
      if (mode_ != kNone) {
        double s = static_cast<double>(inner_->score());
        sum += s;
        if (n == 0 || (mode_ == kMin ? s < best : s > best)) best = s;
      }
      ++n;
      at_ = inner_->next();
    }
    double s = mode_ == kNone ? 0 : mode_ == kSum ? sum : mode_ == kAverage ? sum / n : best;
    score_ = static_cast<float>(s) * boost_;
    return doc_;
  }
  enum Mode { kAverage, kSum, kMin, kMax, kNone };
  ScorerPtr inner_;
  std::vector<uint32_t> parents_;
  Mode mode_;
  float boost_, score_ = 0;
  uint32_t at_ = kNoDoc;
};

class PhraseScorer final : public Scorer {
 public:
  PhraseScorer(std::vector<PhraseTerm> terms, int slop, Bm25Ptr bm25, const uint8_t* norms)
      : slop_(slop), bm25_(std::move(bm25)), norms_(norms) {
    for (PhraseTerm& t : terms) {
      uint64_t cost = 0;
      for (auto& p : t.postings) cost += p.df();
      slots_.push_back({std::move(t), cost, {}, UINT32_MAX});
    }
    order_.resize(slots_.size());
    for (size_t i = 0; i < order_.size(); ++i) order_[i] = i;
    std::sort(order_.begin(), order_.end(), [&](size_t a, size_t b) { return slots_[a].cost < slots_[b].cost; });
  }
  uint32_t next() override { return settle(step(slots_[order_[0]], doc_ + 1)); }
  uint32_t advance(uint32_t t) override { return settle(step(slots_[order_[0]], t)); }
  float score() override {
    return bm25_->score(freq_, norms_ == nullptr ? uint8_t{1} : norms_[doc_]);
  }
  uint64_t cost() const override { return slots_[order_[0]].cost; }
  float max_score() override { return bm25_->weight; }
  void set_min_score(float m) override { min_ = m; }

 private:
  struct Slot {
    PhraseTerm term;
    uint64_t cost;
    std::vector<uint32_t> positions;
    uint32_t doc;
  };
  static uint32_t step(Slot& s, uint32_t target) {
    uint32_t best = kNoDoc;
    for (auto& p : s.term.postings) {
      uint32_t d = p.doc();
      if (d == UINT32_MAX || d < target) d = p.advance(target);
      best = std::min(best, d);
    }
    return s.doc = best;
  }
  uint32_t settle(uint32_t d) {
    while (d != kNoDoc) {
      bool again = false;
      for (size_t i = 1; i < order_.size(); ++i) {
        Slot& s = slots_[order_[i]];
        uint32_t e = s.doc == UINT32_MAX || s.doc < d ? step(s, d) : s.doc;
        if (e != d) {
          d = e == kNoDoc ? kNoDoc : step(slots_[order_[0]], e);
          again = true;
          break;
        }
      }
      if (again) continue;
      if (min_ > 0 && hopeless(d)) {
        d = step(slots_[order_[0]], d + 1);
        continue;
      }
      load(d);
      freq_ = slop_ == 0 ? exact() : sloppy();
      if (freq_ > 0) return doc_ = d;
      d = step(slots_[order_[0]], d + 1);
    }
    return doc_ = kNoDoc;
  }
  // The phrase cannot occur more often than its rarest word.
  bool hopeless(uint32_t d) {
    uint32_t f = UINT32_MAX;
    for (Slot& s : slots_) {
      uint32_t n = 0;
      for (auto& p : s.term.postings) n += p.doc() == d ? p.freq() : 0;
      f = std::min(f, n);
    }
    return bm25_->score(static_cast<float>(f), norms_ == nullptr ? uint8_t{1} : norms_[d]) < min_;
  }
  void load(uint32_t d) {
    for (Slot& s : slots_) {
      s.positions.clear();
      int n = 0;
      for (auto& p : s.term.postings) {
        if (p.doc() != d) continue;
        if (n++ == 0) {
          p.positions(s.positions);
        } else {
          p.positions(scratch_);
          s.positions.insert(s.positions.end(), scratch_.begin(), scratch_.end());
        }
      }
      if (n > 1) std::sort(s.positions.begin(), s.positions.end());
    }
  }
  float exact() {
    // Walk the rarest word's positions; look for the others at their offsets.
    size_t lead = 0;
    for (size_t i = 1; i < slots_.size(); ++i) {
      if (slots_[i].positions.size() < slots_[lead].positions.size()) lead = i;
    }
    at_.assign(slots_.size(), 0);
    uint32_t n = 0;
    for (uint32_t p : slots_[lead].positions) {
      int64_t start = int64_t{p} - slots_[lead].term.position;
      bool hit = start >= 0;
      for (size_t i = 0; hit && i < slots_.size(); ++i) {
        if (i == lead) continue;
        auto want = static_cast<uint32_t>(start + slots_[i].term.position);
        auto& v = slots_[i].positions;
        while (at_[i] < v.size() && v[at_[i]] < want) ++at_[i];
        if (at_[i] == v.size()) return static_cast<float>(n);
        hit = v[at_[i]] == want;
      }
      n += hit;
    }
    return static_cast<float>(n);
  }
  // Lucene's sloppy frequency: the position that lags is moved on, and each window that stays within
  // the slop counts 1 / (1 + width). Words that occur twice in the phrase take different positions.
  float sloppy() {
    size_t n = slots_.size();
    at_.assign(n, 0);
    auto shifted = [&](size_t i) {
      return int64_t{slots_[i].positions[at_[i]]} - int64_t{slots_[i].term.position};
    };
    auto collides = [&](size_t i) {
      for (size_t j = 0; j < n; ++j) {
        if (j != i && slots_[i].positions[at_[i]] == slots_[j].positions[at_[j]] && slots_[i].cost == slots_[j].cost) return true;
      }
      return false;
    };
    for (size_t i = 1; i < n; ++i) {
      while (collides_before(i)) {
        if (++at_[i] == slots_[i].positions.size()) return 0;
      }
    }
    int64_t end = INT64_MIN;
    for (size_t i = 0; i < n; ++i) end = std::max(end, shifted(i));
    auto lowest = [&](size_t skip) {
      size_t best = SIZE_MAX;
      for (size_t i = 0; i < n; ++i) {
        if (i != skip && (best == SIZE_MAX || shifted(i) < shifted(best))) best = i;
      }
      return best;
    };
    float freq = 0;
    size_t low = lowest(SIZE_MAX);
    int64_t width = end - shifted(low);
    size_t second = lowest(low);
    int64_t next = second == SIZE_MAX ? INT64_MAX : shifted(second);
    for (;;) {
      bool more = true;
      if (++at_[low] == slots_[low].positions.size()) more = false;
      while (more && collides(low)) {
        if (++at_[low] == slots_[low].positions.size()) more = false;
      }
      if (!more) break;
      if (shifted(low) > end) end = shifted(low);
      if (shifted(low) > next) {
        if (width <= slop_) freq += 1.0f / (1.0f + static_cast<float>(width));
        low = lowest(SIZE_MAX);
        second = lowest(low);
        next = second == SIZE_MAX ? INT64_MAX : shifted(second);
        width = end - shifted(low);
      } else {
        width = std::min(width, end - shifted(low));
      }
    }
    if (width <= slop_) freq += 1.0f / (1.0f + static_cast<float>(width));
    return freq;
  }
  bool collides_before(size_t i) const {
    for (size_t j = 0; j < i; ++j) {
      if (slots_[i].cost == slots_[j].cost && slots_[i].positions[at_[i]] == slots_[j].positions[at_[j]]) return true;
    }
    return false;
  }
  int slop_;
  Bm25Ptr bm25_;
  const uint8_t* norms_;
  std::vector<Slot> slots_;
  std::vector<size_t> order_, at_;
  std::vector<uint32_t> scratch_;
  float freq_ = 0, min_ = 0;
};

}  // namespace

ScorerPtr term_scorer(PostingsIter p, Bm25Ptr bm25, const uint8_t* norms) {
  return std::make_unique<TermScorer>(std::move(p), std::move(bm25), norms);
}
ScorerPtr bits_scorer(std::vector<uint64_t> bits, uint32_t docs, float score) {
  return std::make_unique<BitsScorer>(std::move(bits), docs, score);
}
ScorerPtr all_scorer(uint32_t docs, float score) { return std::make_unique<AllScorer>(docs, score); }
ScorerPtr test_scorer(uint32_t docs, float score, uint64_t cost, std::function<bool(uint32_t)> test) {
  return std::make_unique<TestScorer>(docs, score, cost, std::move(test));
}
ScorerPtr constant_postings_scorer(PostingsIter p, float score) {
  return std::make_unique<ConstantPostings>(std::move(p), score);
}
ScorerPtr conjunction_scorer(std::vector<ScorerPtr> must, std::vector<ScorerPtr> filter) {
  if (must.size() == 1 && filter.empty()) return std::move(must[0]);
  return std::make_unique<Conjunction>(std::move(must), std::move(filter));
}
ScorerPtr disjunction_scorer(std::vector<ScorerPtr> c) {
  if (c.empty()) return nullptr;
  if (c.size() == 1) return std::move(c[0]);
  return std::make_unique<Disjunction>(std::move(c));
}
ScorerPtr dis_max_scorer(std::vector<ScorerPtr> c, float tie) {
  if (c.empty()) return nullptr;
  if (c.size() == 1) return std::move(c[0]);
  return std::make_unique<CountingScorer>(std::move(c), 1, true, tie);
}
ScorerPtr minimum_match_scorer(std::vector<ScorerPtr> c, int minimum) {
  if (static_cast<int>(c.size()) < minimum) return nullptr;
  if (minimum <= 1) return disjunction_scorer(std::move(c));
  if (static_cast<int>(c.size()) == minimum) return conjunction_scorer(std::move(c), {});
  return std::make_unique<CountingScorer>(std::move(c), minimum, false, 0.0f);
}
ScorerPtr required_optional_scorer(ScorerPtr r, ScorerPtr o) {
  return std::make_unique<RequiredOptional>(std::move(r), std::move(o));
}
ScorerPtr exclusion_scorer(ScorerPtr r, ScorerPtr x) { return std::make_unique<Exclusion>(std::move(r), std::move(x)); }
ScorerPtr constant_scorer(ScorerPtr inner, float score) {
  return std::make_unique<MappedScorer>(std::move(inner), [score](uint32_t, float) { return score; }, score, true);
}
ScorerPtr boosting_scorer(ScorerPtr positive, ScorerPtr negative, float boost) {
  auto n = std::shared_ptr<Scorer>(std::move(negative));
  float max = positive->max_score();
  return std::make_unique<MappedScorer>(std::move(positive), [n, boost](uint32_t d, float s) {
    uint32_t x = n->doc();
    if (x == UINT32_MAX || x < d) x = n->advance(d);
    return x == d ? s * boost : s;
  }, max, false);
}
ScorerPtr mapped_scorer(ScorerPtr inner, std::function<float(uint32_t, float)> f) {
  return std::make_unique<MappedScorer>(std::move(inner), std::move(f), std::numeric_limits<float>::max(), false);
}
ScorerPtr nested_scorer(ScorerPtr inner, std::vector<uint32_t> parents, const std::string& mode, float boost) {
  return std::make_unique<NestedScorer>(std::move(inner), std::move(parents), mode, boost);
}
ScorerPtr phrase_scorer(std::vector<PhraseTerm> terms, int slop, Bm25Ptr bm25, const uint8_t* norms) {
  return std::make_unique<PhraseScorer>(std::move(terms), slop, std::move(bm25), norms);
}

}  // namespace stele::segments
