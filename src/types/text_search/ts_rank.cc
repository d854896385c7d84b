// ts_rank and ts_rank_cd (cover density: Clarke, Cormack, Tudhope, "Relevance ranking for one to three
// term queries", 1999).
#include <algorithm>
#include <climits>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "types/array.h"
#include "types/function.h"
#include "types/text_search/ts_execute.h"

namespace stele {
namespace {

enum Normalise : int { kLogLength = 1, kLength = 2, kExtentDistance = 4, kUnique = 8, kLogUnique = 16, kPlusOne = 32 };

struct Weights {
  float of[4] = {0.1f, 0.2f, 0.4f, 1.0f};
  explicit Weights(const Datum* array) {
    if (array == nullptr) return;
    const ArrayView a(*array);
    if (a.ndim() != 1) throw Error(ErrorCode::kArraySubscriptError, "array of weight must be one-dimensional");
    if (a.count() < 4) throw Error(ErrorCode::kArraySubscriptError, "array of weight is too short");
    if (a.has_nulls()) {
      for (int i = 0; i < a.count(); ++i) {
        if (a.is_null(i)) throw Error(ErrorCode::kNullValueNotAllowed, "array of weight must not contain nulls");
      }
    }
    for (int i = 0; i < 4; ++i) {
      const float w = a.get(i).as_float();
      if (w >= 0) of[i] = w;
      if (of[i] > 1.0f) throw Error(ErrorCode::kInvalidParameterValue, "weight out of range");
    }
  }
  float operator()(TsPosition p) const { return of[p.weight()]; }
};

void collect_values(const TsNode& n, std::vector<const TsNode*>& out) {
  if (n.kind == TsNode::kValue) out.push_back(&n);
  if (n.right) collect_values(*n.right, out);
  if (n.left) collect_values(*n.left, out);
}
std::vector<const TsNode*> unique_values(const TsNode& n) {
  std::vector<const TsNode*> v;
  collect_values(n, v);
  std::stable_sort(v.begin(), v.end(), [](const TsNode* a, const TsNode* b) { return a->text < b->text; });
  v.erase(std::unique(v.begin(), v.end(), [](const TsNode* a, const TsNode* b) { return a->text == b->text; }), v.end());
  return v;
}
int count_length(const TsVectorView& v) {
  int n = 0;
  for (int i = 0; i < v.size(); ++i) n += std::max(1, v[i].npos);
  return n;
}
double word_distance(int w) { return w > 100 ? 1e-30 : 1.0 / (1.005 + 0.05 * std::exp(static_cast<double>(static_cast<float>(w) / 1.5 - 2))); }

struct Positions {
  std::vector<TsPosition> list;
  bool unknown = false;  // the document was stripped of them
};
Positions positions_of(const TsLexeme& l, int unknown_position) {
  Positions p;
  for (int k = 0; k < l.npos; ++k) p.list.push_back(l.at(k));
  if (l.npos == 0) {
    p.unknown = true;
    p.list.emplace_back(unknown_position, 0);
  }
  return p;
}

float rank_or(const Weights& w, const TsVectorView& document, const std::vector<const TsNode*>& values) {
  float result = 0;
  for (const TsNode* value : values) {
    int first;
    const int n = ts_find_entries(document, *value, &first);
    for (int e = 0; e < n; ++e) {
      const Positions p = positions_of(document[first + e], 0);
      float sum = 0, best = -1;
      int best_at = 0;
      for (size_t j = 0; j < p.list.size(); ++j) {
        const float own = w(p.list[j]);
        sum = sum + own / static_cast<float>((j + 1) * (j + 1));
        if (own > best) {
          best = own;
          best_at = static_cast<int>(j);
        }
      }
      // The sum of 1/j^2 is bounded by pi^2/6; the heaviest position counts as if it came first.
      result = static_cast<float>(result + (best + sum - best / static_cast<float>((best_at + 1) * (best_at + 1))) / 1.64493406685);
    }
  }
  return values.empty() ? result : result / static_cast<float>(values.size());
}

float rank_and(const Weights& w, const TsVectorView& document, const std::vector<const TsNode*>& values) {
  if (values.size() < 2) return rank_or(w, document, values);
  float result = -1;
  std::vector<std::optional<Positions>> seen(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    int first;
    const int n = ts_find_entries(document, *values[i], &first);
    for (int e = 0; e < n; ++e) {
      seen[i] = positions_of(document[first + e], kMaxTsPosition);
      for (size_t k = 0; k < i; ++k) {
        if (!seen[k]) continue;
        for (const TsPosition a : seen[i]->list) {
          for (const TsPosition b : seen[k]->list) {
            int distance = std::abs(a.position() - b.position());
            if (distance == 0 && !seen[i]->unknown && !seen[k]->unknown) continue;
            if (distance == 0) distance = kMaxTsPosition + 1;
            const auto one = static_cast<float>(std::sqrt(static_cast<double>(w(a) * w(b)) * word_distance(distance)));
            result = result < 0 ? one : static_cast<float>(1.0 - (1.0 - result) * (1.0 - one));
          }
        }
      }
    }
  }
  return result;
}

float rank(const Weights& w, const TsVectorView& document, Datum query, int method) {
  const TsNodePtr root = decode_tsquery(query);
  if (document.size() == 0 || !root) return 0;
  const std::vector<const TsNode*> values = unique_values(*root);
  float result = root->is(TsOp::kAnd) || root->is(TsOp::kPhrase) ? rank_and(w, document, values) : rank_or(w, document, values);
  if (result < 0) result = 1e-20f;
  if ((method & kLogLength) != 0) result = static_cast<float>(result / (std::log(static_cast<double>(count_length(document) + 1)) / std::log(2.0)));
  if ((method & kLength) != 0) result /= static_cast<float>(count_length(document));
  if ((method & kUnique) != 0) result /= static_cast<float>(document.size());
  if ((method & kLogUnique) != 0) result = static_cast<float>(result / (std::log(static_cast<double>(document.size() + 1)) / std::log(2.0)));
  if ((method & kPlusOne) != 0) result /= (result + 1);
  return result;
}

// ---------------------------------------------------------------- cover density

// A place of the document that the query speaks of, with the query's values that are there.
struct Place {
  TsPosition position;
  int entry;
  std::vector<const TsNode*> values;
};

std::vector<Place> places_of(const TsVectorView& document, const TsNode& query) {
  std::vector<const TsNode*> values;
  collect_values(query, values);
  struct One {
    TsPosition position;
    int entry;
    const TsNode* value;
  };
  std::vector<One> all;
  for (const TsNode* value : values) {
    int first;
    const int n = ts_find_entries(document, *value, &first);
    for (int e = first; e < first + n; ++e) {
      if (document[e].npos == 0) continue;
      for (const TsPosition p : positions_of(document[e], 0).list) {
        if (value->weights == 0 || (value->weights >> p.weight() & 1) != 0) all.push_back({p, e, value});
      }
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const One& a, const One& b) {
    if (a.position.position() != b.position.position()) return a.position.position() < b.position.position();
    if (a.position.weight() != b.position.weight()) return a.position.weight() < b.position.weight();
    return a.entry < b.entry;
  });
  std::vector<Place> out;
  for (const One& o : all) {
    if (!out.empty() && out.back().position == o.position && out.back().entry == o.entry) out.back().values.push_back(o.value);
    else out.push_back({o.position, o.entry, {o.value}});
  }
  return out;
}

// The shortest stretches of places that satisfy the query.
class Covers {
 public:
  Covers(const std::vector<Place>& places, const TsNode& query) : places_(places), query_(query) {}
  size_t begin = 0, end = 0;  // places of the cover
  int p = 0, q = 0;           // its positions

  bool next() {
    for (;;) {
      p = INT_MAX;
      q = 0;
      seen_.clear();
      size_t last = 0;
      bool found = false;
      for (size_t i = from_; i < places_.size(); ++i) {
        see(places_[i], false);
        if (!holds()) continue;
        if (places_[i].position.position() > q) {
          q = places_[i].position.position();
          end = i;
          last = i;
          found = true;
        }
        break;
      }
      if (!found) return false;
      seen_.clear();
      int64_t i = static_cast<int64_t>(last);
      for (; i >= static_cast<int64_t>(from_); --i) {
        const Place& place = places_[static_cast<size_t>(i)];
        see(place, true);
        if (!holds()) continue;
        if (place.position.position() < p) {
          begin = static_cast<size_t>(i);
          p = place.position.position();
        }
        break;
      }
      if (p <= q) {
        from_ = static_cast<size_t>(i + 1);
        return true;
      }
      ++from_;
    }
  }

 private:
  void see(const Place& place, bool backwards) {
    const int position = place.position.position();
    for (const TsNode* v : place.values) {
      std::vector<int>& list = seen_[v];
      if (list.empty()) list.push_back(position);
      else if (backwards && list.front() != position) list.insert(list.begin(), position);
      else if (!backwards && list.back() != position) list.push_back(position);
    }
  }
  bool holds() const {
    return ts_execute(query_, [&](const TsNode& v, TsMatches* where) {
             auto it = seen_.find(&v);
             if (it == seen_.end()) return TsTruth::kNo;
             if (where != nullptr) where->positions = it->second;
             return TsTruth::kYes;
           }) != TsTruth::kNo;
  }

  const std::vector<Place>& places_;
  const TsNode& query_;
  size_t from_ = 0;
  std::map<const TsNode*, std::vector<int>> seen_;
};

float rank_cd(const Weights& w, const TsVectorView& document, Datum query, int method) {
  const TsNodePtr root = decode_tsquery(query);
  if (!root) return 0;
  const std::vector<Place> places = places_of(document, *root);
  if (places.empty()) return 0;
  double inverse[4];
  for (int i = 0; i < 4; ++i) inverse[i] = 1.0 / static_cast<double>(w.of[i]);
  double result = 0, distances = 0, previous = 0;
  int extents = 0;
  for (Covers cover(places, *root); cover.next();) {
    double sum = 0;
    for (size_t i = cover.begin; i <= cover.end; ++i) sum += inverse[places[i].position.weight()];
    const int words = static_cast<int>(cover.end - cover.begin);
    int noise = (cover.q - cover.p) - words;
    // Past the last position that is kept, positions say nothing: guess.
    if (noise < 0) noise = words / 2;
    result += static_cast<double>(words + 1) / sum / static_cast<double>(1 + noise);
    const double middle = static_cast<double>(cover.q + cover.p) / 2.0;
    if (extents > 0 && middle > previous) distances += 1.0 / (middle - previous);
    previous = middle;
    ++extents;
  }
  if ((method & kLogLength) != 0 && document.size() > 0) result /= std::log(static_cast<double>(count_length(document) + 1));
  if ((method & kLength) != 0) {
    if (const int n = count_length(document); n > 0) result /= static_cast<double>(n);
  }
  if ((method & kExtentDistance) != 0 && extents > 0 && distances > 0) result /= static_cast<double>(extents) / distances;
  if ((method & kUnique) != 0 && document.size() > 0) result /= static_cast<double>(document.size());
  if ((method & kLogUnique) != 0 && document.size() > 0) result /= std::log(static_cast<double>(document.size() + 1)) / std::log(2.0);
  if ((method & kPlusOne) != 0) result /= (result + 1);
  return static_cast<float>(result);
}

template <auto kRank, bool kWeights, bool kMethod>
Datum call(FnCall& c) {
  const int at = kWeights ? 1 : 0;
  const Datum weights = kWeights ? c.arg(0) : Datum{};
  const int method = kMethod ? static_cast<int>(c.int_arg(at + 2)) : 0;
  return Datum::from_float(kRank(Weights(kWeights ? &weights : nullptr), TsVectorView(c.arg(at)), c.arg(at + 1), method));
}

}  // namespace

void register_ts_rank_functions(FunctionRegistry& r) {
  r.add("ts_rank_wttf", call<rank, true, true>);
  r.add("ts_rank_wtt", call<rank, true, false>);
  r.add("ts_rank_ttf", call<rank, false, true>);
  r.add("ts_rank_tt", call<rank, false, false>);
  r.add("ts_rankcd_wttf", call<rank_cd, true, true>);
  r.add("ts_rankcd_wtt", call<rank_cd, true, false>);
  r.add("ts_rankcd_ttf", call<rank_cd, false, true>);
  r.add("ts_rankcd_tt", call<rank_cd, false, false>);
}

}  // namespace stele
