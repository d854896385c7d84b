#include "doors/qdrant/query.h"

#include "base/clock.h"

namespace stele::qdrant {

using vectors::Collection;
using vectors::Metric;
using vectors::PointId;
using vectors::Ranked;
using vectors::RowId;

namespace {

// Where the vectors of examples come from.
struct Lookup {
  Handle handle;
  std::string vector;
};

VectorValue vector_of_point(const Lookup& from, const PointId& id) {
  Collection::Found found;
  if (!from.handle.data->get(id, from.handle.lsn, &found)) not_found(fmt::format("No point with id {} found", id.to_text()));
  VectorValue v;
  if (const auto* dense = from.handle.data->dense(from.vector); dense != nullptr && dense->vector(found.row, from.handle.lsn, &v.dense)) return v;
  if (const auto* multi = from.handle.data->multi(from.vector); multi != nullptr && multi->vector(found.row, from.handle.lsn, &v.multi)) {
    v.kind = VectorValue::Kind::kMulti;
    return v;
  }
  v.kind = VectorValue::Kind::kSparse;
  if (const auto* sparse = from.handle.data->sparse(from.vector); sparse != nullptr && sparse->vector(found.row, from.handle.lsn, &v.sparse)) return v;
  not_found(fmt::format("No vector \"{}\" found for point {}", from.vector, id.to_text()));
}

// A vector, or the id of a point whose vector is meant (noted in q.exclude when it is of this collection).
VectorValue parse_example(const Lookup& from, bool own, const json::value& v, QueryNode* q) {
  if (v.is_array() || (v.is_object() && v.get_object().if_contains("indices") != nullptr)) return parse_vector(v);
  if (v.is_object()) {
    if (const json::value* inner = v.get_object().if_contains("vector")) return parse_example(from, own, *inner, q);
    if (const json::value* id = v.get_object().if_contains("id")) return parse_example(from, own, *id, q);
    bad_request("InferenceService is not initialized. Please check if it was properly configured and initialized during startup.");
  }
  const PointId id = vectors::parse_point_id(v);
  if (own) q->exclude.push_back(id);
  return vector_of_point(from, id);
}

// A single vector asks a multi-vector field as a multi-vector of one.
void check_dimensions(const Handle& h, const std::string& name, VectorValue& v) {
  if (v.kind == VectorValue::Kind::kSparse) {
    if (h.sparse(name) == nullptr) bad_request(fmt::format("Not existing vector name error: {}", name));
    return;
  }
  const vectors::DenseSpec* spec = h.dense(name);
  if (spec == nullptr) {
    bad_request(h.sparse(name) != nullptr ? "Conversion between sparse and regular vectors failed" : fmt::format("Not existing vector name error: {}", name));
  }
  if (spec->multi && v.kind == VectorValue::Kind::kDense) {
    v.kind = VectorValue::Kind::kMulti;
    v.multi.push_back(std::move(v.dense));
    v.dense.clear();
  }
  if (!spec->multi && v.kind == VectorValue::Kind::kMulti) bad_request("Conversion between multi and regular vectors failed");
  const size_t have = spec->multi ? v.multi[0].size() : v.dense.size();
  if (spec->graph.dimensions != have) bad_request(fmt::format("Vector dimension error: expected dim: {}, got {}", spec->graph.dimensions, have));
}

void parse_params(const json::object& body, QueryNode* q) {
  const json::object* p = object_member(body, "params");
  if (p == nullptr) return;
  q->ef = static_cast<uint32_t>(std::min<uint64_t>(uint_member(*p, "hnsw_ef").value_or(0), 100000));
  q->exact = bool_member(*p, "exact").value_or(false);
  if (const json::object* quantization = object_member(*p, "quantization")) {
    q->rescore = number_member(*quantization, "oversampling").value_or(q->rescore);
    if (!(q->rescore >= 1)) invalid(fmt::format("params.quantization.oversampling: value {} invalid, must be 1.0 or larger", q->rescore));
    if (bool_member(*quantization, "ignore").value_or(false)) q->rescore = 1e6;   // the codes lead, but do not choose
    bool_member(*quantization, "rescore");
  }
}

void parse_recommend(const Lookup& from, bool own, const json::object& o, QueryNode* q) {
  q->kind = QueryKind::kRecommend;
  for (const auto& [name, to] : {std::pair{"positive", &q->positive}, {"negative", &q->negative}}) {
    if (const json::array* a = array_member(o, name)) {
      for (const json::value& v : *a) to->push_back(parse_example(from, own, v, q));
    }
  }
  if (auto s = string_member(o, "strategy")) {
    if (*s == "average_vector") q->strategy = RecommendStrategy::kAverage;
    else if (*s == "best_score") q->strategy = RecommendStrategy::kBestScore;
    else if (*s == "sum_scores") q->strategy = RecommendStrategy::kSumScores;
    else bad_format(fmt::format("unknown variant `{}`, expected one of `average_vector`, `best_score`, `sum_scores`", *s));
  }
  if (q->positive.empty() && q->strategy == RecommendStrategy::kAverage) bad_request("At least one positive vector ID required with this strategy");
  if (q->positive.empty() && q->negative.empty()) bad_request("At least one positive or negative vector ID required with this strategy");
}

void parse_context(const Lookup& from, bool own, const json::value& v, QueryNode* q) {
  auto pair = [&](const json::value& one) {
    const json::object& o = as_object(one, "context");
    VectorValue positive = parse_example(from, own, required(o, "positive"), q);
    q->context.emplace_back(std::move(positive), parse_example(from, own, required(o, "negative"), q));
  };
  if (const json::array* a = v.if_array()) {
    for (const json::value& one : *a) pair(one);
  } else {
    pair(v);
  }
}

void parse_kind(const Handle& h, const Lookup& from, bool own, const json::value& v, QueryNode* q) {
  const json::object* o = v.if_object();
  auto nearest = [&](const json::value& target) {
    q->kind = QueryKind::kNearest;
    q->target = parse_example(from, own, target, q);
  };
  if (o == nullptr || o->if_contains("indices") != nullptr) {
    nearest(v);
  } else if (const json::value* n = o->if_contains("nearest")) {
    nearest(*n);
    if (const json::object* mmr = object_member(*o, "mmr")) {
      q->mmr = true;
      q->diversity = number_member(*mmr, "diversity").value_or(0.5);
      if (!(q->diversity >= 0 && q->diversity <= 1)) invalid("query.mmr.diversity: must be in range [0.0, 1.0]");
      q->mmr_candidates = std::min<uint64_t>(uint_member(*mmr, "candidates_limit").value_or(0), 16384);
    }
  } else if (const json::value* r = o->if_contains("recommend")) {
    parse_recommend(from, own, as_object(*r, "recommend"), q);
  } else if (const json::value* d = o->if_contains("discover")) {
    const json::object& body = as_object(*d, "discover");
    q->kind = QueryKind::kDiscover;
    q->target = parse_example(from, own, required(body, "target"), q);
    if (const json::value* c = member(body, "context")) parse_context(from, own, *c, q);
  } else if (const json::value* c = o->if_contains("context")) {
    q->kind = QueryKind::kContext;
    parse_context(from, own, *c, q);
  } else if (const json::value* order = o->if_contains("order_by")) {
    q->kind = QueryKind::kOrderBy;
    q->order_by = *order;
  } else if (const json::value* f = o->if_contains("fusion")) {
    const std::string name = as_string(*f, "fusion");
    if (name != "rrf" && name != "dbsf") bad_format(fmt::format("unknown variant `{}`, expected `rrf` or `dbsf`", name));
    q->kind = name == "rrf" ? QueryKind::kFusionRrf : QueryKind::kFusionDbsf;
  } else if (const json::value* rrf = o->if_contains("rrf")) {
    q->kind = QueryKind::kFusionRrf;
    const json::object& options = as_object(*rrf, "rrf");
    if (auto k = uint_member(options, "k")) q->rrf_k = static_cast<double>(std::max<uint64_t>(1, *k));
    if (const json::array* w = array_member(options, "weights")) {
      for (const json::value& x : *w) q->rrf_weights.push_back(as_double(x, "weights"));
    }
  } else if (const json::value* s = o->if_contains("sample")) {
    if (as_string(*s, "sample") != "random") bad_format("unknown variant for `sample`, expected `random`");
    q->kind = QueryKind::kSample;
  } else if (o->if_contains("formula") != nullptr) {
    q->kind = QueryKind::kFormula;
    q->formula = Formula::parse(*o, object_member(h.config, "payload_schema"));
  } else {
    bad_format("data did not match any variant of untagged enum QueryInterface");
  }
}

// What clients see as the score of a distance.
float shown_score(Metric metric, float distance) {
  switch (metric) {
    case Metric::kCosine: return 1.0f - distance;
    case Metric::kInnerProduct: return -distance;
    case Metric::kL2: return std::sqrt(std::max(0.0f, distance));
    case Metric::kL1: break;
  }
  return distance;
}
bool smaller_is_better(const Handle& h, const QueryNode& q) {
  if (q.kind != QueryKind::kNearest && !(q.kind == QueryKind::kRecommend && q.strategy == RecommendStrategy::kAverage)) return false;
  const vectors::DenseSpec* spec = h.dense(q.using_vector);
  return spec != nullptr && (spec->graph.metric == Metric::kL2 || spec->graph.metric == Metric::kL1);
}

VectorValue prepared(const Handle& h, const std::string& name, VectorValue v) {
  if (v.kind == VectorValue::Kind::kDense) v.dense = h.data->dense(name)->prepare(v.dense.data());
  if (v.kind == VectorValue::Kind::kMulti) v.multi = h.data->multi(name)->prepare(std::move(v.multi));
  return v;
}

// The rows a query chooses from: those of its prefetches, or all; filtered, without the examples.
std::vector<RowId> candidates(const Handle& h, const QueryNode& q, const std::vector<std::vector<Ranked>>& lists) {
  std::vector<RowId> rows;
  const std::set<PointId> excluded(q.exclude.begin(), q.exclude.end());
  auto take = [&](const Collection::Found& p) {
    if (!excluded.contains(p.id) && (q.filter == nullptr || h.data->matches(*q.filter, p, h.lsn))) rows.push_back(p.row);
    return true;
  };
  if (q.prefetch.empty()) {
    h.data->for_each(h.lsn, take);
    return rows;
  }
  std::set<RowId> seen;
  for (const auto& list : lists) {
    for (const Ranked& r : list) {
      Collection::Found found;
      if (seen.insert(r.row).second && h.data->get(r.row, h.lsn, &found)) take(found);
    }
  }
  return rows;
}

std::vector<Ranked> score_all(const std::vector<RowId>& rows, const std::function<bool(RowId, double*)>& score) {
  std::vector<Ranked> out;
  for (RowId row : rows) {
    double s;
    if (score(row, &s)) out.push_back({row, static_cast<float>(s)});
  }
  std::stable_sort(out.begin(), out.end(), [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
  return out;
}

std::vector<Ranked> nearest(const Handle& h, const QueryNode& q, const VectorValue& target, const std::vector<std::vector<Ranked>>& lists) {
  const uint64_t wanted = q.limit + q.offset;
  const auto k = static_cast<uint32_t>(std::min<uint64_t>(wanted + q.exclude.size(), h.data->count() + 1));
  const std::set<PointId> excluded(q.exclude.begin(), q.exclude.end());
  std::vector<vectors::RowNeighbor> found;
  const bool sparse = target.kind == VectorValue::Kind::kSparse;
  if (target.kind == VectorValue::Kind::kMulti) {
    const auto* field = h.data->multi(q.using_vector);
    std::vector<RowId> rows;
    if (!q.prefetch.empty() || q.filter != nullptr) rows = candidates(h, q, lists);
    const Metric metric = field->params().metric;
    std::vector<Ranked> out;
    for (const auto& n : field->search(field->prepare(target.multi), k, h.lsn, nullptr, q.prefetch.empty() && q.filter == nullptr ? nullptr : &rows)) {
      Collection::Found p;
      if (!h.data->get(n.row, h.lsn, &p) || excluded.contains(p.id)) continue;
      out.push_back({n.row, metric == Metric::kL2 ? std::sqrt(std::max(0.0f, -n.distance)) : metric == Metric::kL1 ? -n.distance : n.distance});
    }
    return out;
  }
  if (!q.prefetch.empty()) {
    std::vector<RowId> rows = candidates(h, q, lists);
    if (sparse) {
      const std::set<RowId> in(rows.begin(), rows.end());
      const vectors::RowFilter filter = [&](RowId row) { return in.contains(row); };
      found = h.data->sparse(q.using_vector)->search(target.sparse, k, h.lsn, &filter, h.sparse(q.using_vector)->idf);
    } else {
      found = h.data->dense(q.using_vector)->search(target.dense.data(), {.k = k, .lsn = h.lsn, .exact = true, .rows = &rows});
    }
  } else if (sparse) {
    vectors::RowFilter filter;
    if (q.filter != nullptr) {
      filter = [&](RowId row) {
        Collection::Found p;
        return h.data->get(row, h.lsn, &p) && h.data->matches(*q.filter, p, h.lsn);
      };
    }
    found = h.data->sparse(q.using_vector)->search(target.sparse, k, h.lsn, filter ? &filter : nullptr, h.sparse(q.using_vector)->idf);
  } else {
    found = h.data->nearest(q.using_vector, target.dense.data(), k, q.ef, q.exact, q.filter.get(), h.lsn, q.rescore);
  }
  std::vector<Ranked> out;
  for (const auto& n : found) {
    Collection::Found p;
    if (!h.data->get(n.row, h.lsn, &p) || excluded.contains(p.id)) continue;
    out.push_back({n.row, sparse ? n.distance : shown_score(h.dense(q.using_vector)->graph.metric, n.distance)});
  }
  return out;
}

VectorValue average(const std::vector<VectorValue>& positive, const std::vector<VectorValue>& negative) {
  auto mean = [](const std::vector<VectorValue>& list) {
    VectorValue out;
    out.kind = list[0].kind;
    if (out.kind == VectorValue::Kind::kMulti) {   // all of their vectors together
      for (const auto& v : list) out.multi.insert(out.multi.end(), v.multi.begin(), v.multi.end());
      return out;
    }
    if (out.kind == VectorValue::Kind::kSparse) {
      std::map<uint32_t, float> sums;
      for (const auto& v : list) {
        for (size_t i = 0; i < v.sparse.indexes.size(); ++i) sums[v.sparse.indexes[i]] += v.sparse.values[i];
      }
      for (const auto& [index, sum] : sums) {
        out.sparse.indexes.push_back(index);
        out.sparse.values.push_back(sum / static_cast<float>(list.size()));
      }
      return out;
    }
    out.dense.assign(list[0].dense.size(), 0.0f);
    for (const auto& v : list) {
      if (v.dense.size() != out.dense.size()) bad_request("examples have different dimensions");
      for (size_t i = 0; i < out.dense.size(); ++i) out.dense[i] += v.dense[i] / static_cast<float>(list.size());
    }
    return out;
  };
  VectorValue p = mean(positive);
  if (negative.empty()) return p;
  VectorValue n = mean(negative);
  if (p.kind == VectorValue::Kind::kMulti) {   // and away from those of the negatives
    for (auto& one : n.multi) {
      for (float& x : one) x = -x;
      p.multi.push_back(std::move(one));
    }
    return p;
  }
  if (p.kind == VectorValue::Kind::kDense) {
    if (n.dense.size() != p.dense.size()) bad_request("examples have different dimensions");
    for (size_t i = 0; i < p.dense.size(); ++i) p.dense[i] += p.dense[i] - n.dense[i];
    return p;
  }
  std::map<uint32_t, float> sums;
  for (size_t i = 0; i < p.sparse.indexes.size(); ++i) sums[p.sparse.indexes[i]] += 2 * p.sparse.values[i];
  for (size_t i = 0; i < n.sparse.indexes.size(); ++i) sums[n.sparse.indexes[i]] -= n.sparse.values[i];
  VectorValue out;
  out.kind = VectorValue::Kind::kSparse;
  for (const auto& [index, v] : sums) {
    out.sparse.indexes.push_back(index);
    out.sparse.values.push_back(v);
  }
  return out;
}

// Equal scores in the order of ids, as the other doors give them.
void by_score_and_id(const Handle& h, std::vector<Ranked>& ranked) {
  std::vector<std::pair<PointId, Ranked>> keyed;
  keyed.reserve(ranked.size());
  for (const Ranked& r : ranked) {
    Collection::Found p;
    if (h.data->get(r.row, h.lsn, &p)) keyed.emplace_back(p.id, r);
  }
  std::sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) {
    return a.second.score != b.second.score ? a.second.score > b.second.score : a.first < b.first;
  });
  ranked.clear();
  for (const auto& [id, r] : keyed) ranked.push_back(r);
}

double squash(double x) { return x / (1 + std::fabs(x)); }
double to_unit(double x) { return (squash(x) + 1) / 2; }   // into (0, 1)

std::vector<Ranked> recommend_scores(const Handle& h, const QueryNode& q, const std::vector<RowId>& rows) {
  std::vector<VectorValue> positive, negative;
  for (const auto& v : q.positive) positive.push_back(prepared(h, q.using_vector, v));
  for (const auto& v : q.negative) negative.push_back(prepared(h, q.using_vector, v));
  return score_all(rows, [&](RowId row, double* score) {
    double best_positive = -std::numeric_limits<double>::infinity(), best_negative = best_positive, sum = 0;
    bool has = true;
    for (const auto& v : positive) {
      const double s = vector_similarity(h, q.using_vector, v, row, &has);
      if (!has) return false;
      best_positive = std::max(best_positive, s);
      sum += s;
    }
    for (const auto& v : negative) {
      const double s = vector_similarity(h, q.using_vector, v, row, &has);
      if (!has) return false;
      best_negative = std::max(best_negative, s);
      sum -= s;
    }
    if (q.strategy == RecommendStrategy::kSumScores) {
      *score = sum;
    } else {
      *score = best_positive > best_negative ? to_unit(best_positive) : -to_unit(best_negative);
    }
    return true;
  });
}

// Discovery: first by how many context pairs a point lies on the right side of, then by nearness to the target.
std::vector<Ranked> discover_scores(const Handle& h, const QueryNode& q, const std::vector<RowId>& rows) {
  const bool targeted = q.kind == QueryKind::kDiscover;
  VectorValue target;
  if (targeted) target = prepared(h, q.using_vector, q.target);
  std::vector<std::pair<VectorValue, VectorValue>> context;
  for (const auto& [p, n] : q.context) context.emplace_back(prepared(h, q.using_vector, p), prepared(h, q.using_vector, n));
  return score_all(rows, [&](RowId row, double* score) {
    bool has = true;
    double rank = 0, loss = 0;
    for (const auto& [p, n] : context) {
      const double sp = vector_similarity(h, q.using_vector, p, row, &has);
      if (!has) return false;
      const double sn = vector_similarity(h, q.using_vector, n, row, &has);
      rank += sp > sn ? 1 : sp < sn ? -1 : 0;
      loss += squash(std::min(sp - sn - std::numeric_limits<float>::epsilon(), 0.0));
    }
    if (!targeted) {
      *score = loss;
      return true;
    }
    const double s = vector_similarity(h, q.using_vector, target, row, &has);
    // The nearness lies in (0, 1), so that it decides only between equal ranks.
    *score = rank + to_unit(s);
    return has;
  });
}

std::vector<Ranked> ordered(const Handle& h, const QueryNode& q, const std::vector<RowId>& rows) {
  const json::object* o = q.order_by.if_object();
  const std::string key = order_key(q.order_by);
  need_range_index(h, key);
  const bool descending = o != nullptr && string_member(*o, "direction").value_or("asc") == "desc";
  const auto path = vectors::parse_path(key);
  std::vector<std::pair<double, RowId>> values;
  for (RowId row : rows) {
    Collection::Found p;
    if (!h.data->get(row, h.lsn, &p) || p.payload == nullptr) continue;
    vectors::visit_path(*p.payload, path, [&](const json::value& v) {
      double x;
      if (v.is_number()) values.emplace_back(v.to_number<double>(), row);
      else if (v.is_string() && vectors::parse_datetime(view(v.get_string()), &x)) values.emplace_back(x, row);
      return true;
    });
  }
  std::stable_sort(values.begin(), values.end(), [&](const auto& a, const auto& b) { return descending ? a.first > b.first : a.first < b.first; });
  std::vector<Ranked> out;
  for (const auto& [value, row] : values) out.push_back({row, 1});
  return out;
}

// Greedily the candidate that is nearest to the question and farthest from those taken before (Carbonell and Goldstein,
// SIGIR 1998). Scores stay those of the search.
std::vector<Ranked> diverse(const Handle& h, const QueryNode& q, std::vector<Ranked> candidates) {
  bool has = true;
  const VectorValue target = prepared(h, q.using_vector, q.target);
  std::vector<double> relevance, nearest_taken(candidates.size(), -std::numeric_limits<double>::infinity());
  for (const Ranked& r : candidates) relevance.push_back(vector_similarity(h, q.using_vector, target, r.row, &has));
  std::vector<bool> taken(candidates.size(), false);
  std::vector<Ranked> out;
  const uint64_t wanted = std::min<uint64_t>(q.limit + q.offset, candidates.size());
  while (out.size() < wanted) {
    size_t best = candidates.size();
    double best_score = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (taken[i]) continue;
      const double score = (1 - q.diversity) * relevance[i] - (out.empty() ? 0 : q.diversity * nearest_taken[i]);
      if (best == candidates.size() || score > best_score) best = i, best_score = score;
    }
    taken[best] = true;
    out.push_back(candidates[best]);
    VectorValue v;
    if (!vector_of(h, q.using_vector, candidates[best].row, &v)) continue;
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (!taken[i]) nearest_taken[i] = std::max(nearest_taken[i], vector_similarity(h, q.using_vector, v, candidates[i].row, &has));
    }
  }
  return out;
}

}  // namespace

double vector_similarity(const Handle& h, const std::string& name, const VectorValue& q, RowId row, bool* has) {
  if (q.kind == VectorValue::Kind::kSparse) {
    vectors::SparseVector v;
    *has = h.data->sparse(name)->vector(row, h.lsn, &v);
    return *has ? vectors::sparse_dot(q.sparse, v) : 0;
  }
  float d = 0;
  if (q.kind == VectorValue::Kind::kMulti) {
    *has = h.data->multi(name)->similarity(q.multi, row, h.lsn, &d);
    return d;
  }
  const vectors::VectorField* field = h.data->dense(name);
  *has = field->distance(q.dense.data(), row, h.lsn, &d);
  switch (h.dense(name)->graph.metric) {
    case Metric::kCosine: return 1.0 - d;
    case Metric::kL2: case Metric::kInnerProduct: case Metric::kL1: break;
  }
  return -d;   // of L2 the square
}
bool vector_of(const Handle& h, const std::string& name, RowId row, VectorValue* out) {
  if (const auto* multi = h.data->multi(name)) {
    out->kind = VectorValue::Kind::kMulti;
    if (!multi->vector(row, h.lsn, &out->multi)) return false;
    out->multi = multi->prepare(std::move(out->multi));
    return true;
  }
  if (const auto* sparse = h.data->sparse(name)) {
    out->kind = VectorValue::Kind::kSparse;
    return sparse->vector(row, h.lsn, &out->sparse);
  }
  out->kind = VectorValue::Kind::kDense;
  const vectors::VectorField* field = h.data->dense(name);
  if (!field->vector(row, h.lsn, &out->dense)) return false;
  out->dense = field->prepare(out->dense.data());
  return true;
}

std::string order_key(const json::value& order_by) {
  const json::object* o = order_by.if_object();
  return o != nullptr ? as_string(required(*o, "key"), "key") : as_string(order_by, "order_by");
}

std::shared_ptr<QueryNode> parse_query(Engine& engine, const Handle& h, const json::object& body, int depth) {
  if (depth > 16) bad_request("prefetches are nested too deeply");
  auto q = std::make_shared<QueryNode>();
  if (const json::value* p = member(body, "prefetch")) {
    if (const json::array* a = p->if_array()) {
      for (const json::value& one : *a) q->prefetch.push_back(parse_query(engine, h, as_object(one, "prefetch"), depth + 1));
    } else {
      q->prefetch.push_back(parse_query(engine, h, as_object(*p, "prefetch"), depth + 1));
    }
  }
  q->using_vector = string_member(body, "using").value_or("");
  q->limit = uint_member(body, "limit").value_or(10);
  if (q->limit == 0) invalid("limit: value 0 invalid, must be 1 or larger");
  q->offset = uint_member(body, "offset").value_or(0);
  q->limit = std::min<uint64_t>(q->limit, 1u << 30);
  q->offset = std::min<uint64_t>(q->offset, 1u << 30);
  q->score_threshold = number_member(body, "score_threshold");
  q->filter = parse_filter(h, body);
  parse_params(body, q.get());

  Lookup from{h, q->using_vector};
  bool own = true;
  if (const json::object* l = object_member(body, "lookup_from")) {
    from.handle = engine.open(as_string(required(*l, "collection"), "collection"));
    from.handle.lsn = h.lsn;
    from.vector = string_member(*l, "vector").value_or("");
    own = from.handle.name == h.name;
  }
  if (const json::value* v = member(body, "query")) parse_kind(h, from, own, *v, q.get());
  if (q->kind == QueryKind::kNone && !q->prefetch.empty()) bad_request("A query is needed to merge the prefetches. Can't have prefetches without defining a query.");
  if ((q->kind == QueryKind::kFusionRrf || q->kind == QueryKind::kFusionDbsf) && q->prefetch.empty()) {
    bad_request("cannot apply Fusion without prefetches");
  }
  if (q->kind == QueryKind::kFormula && q->prefetch.empty()) bad_request("cannot apply Formula without prefetches");
  auto check = [&](VectorValue& v) { check_dimensions(h, q->using_vector, v); };
  if (q->kind == QueryKind::kNearest || q->kind == QueryKind::kDiscover) check(q->target);
  for (auto& v : q->positive) check(v);
  for (auto& v : q->negative) check(v);
  for (auto& [p, n] : q->context) check(p), check(n);
  return q;
}

std::vector<Ranked> run_query(const Handle& h, const QueryNode& q) {
  std::vector<std::vector<Ranked>> lists;
  for (const auto& p : q.prefetch) lists.push_back(run_query(h, *p));
  std::vector<Ranked> out;
  switch (q.kind) {
    case QueryKind::kNearest:
      if (q.mmr) {
        QueryNode wide = q;
        wide.limit = std::max(q.limit + q.offset, q.mmr_candidates);
        wide.offset = 0;
        out = diverse(h, q, nearest(h, wide, q.target, lists));
      } else {
        out = nearest(h, q, q.target, lists);
      }
      break;
    case QueryKind::kRecommend:
      out = q.strategy == RecommendStrategy::kAverage ? nearest(h, q, average(q.positive, q.negative), lists)
                                                      : recommend_scores(h, q, candidates(h, q, lists));
      break;
    case QueryKind::kDiscover:
    case QueryKind::kContext:
      out = discover_scores(h, q, candidates(h, q, lists));
      break;
    case QueryKind::kOrderBy:
      out = ordered(h, q, candidates(h, q, lists));
      break;
    case QueryKind::kFusionRrf:
    case QueryKind::kFusionDbsf: {
      out = q.kind == QueryKind::kFusionRrf ? vectors::reciprocal_rank_fusion(lists, q.rrf_k, q.rrf_weights) : vectors::distribution_fusion(lists);
      if (q.filter != nullptr) {
        std::erase_if(out, [&](const Ranked& r) {
          Collection::Found p;
          return !h.data->get(r.row, h.lsn, &p) || !h.data->matches(*q.filter, p, h.lsn);
        });
      }
      by_score_and_id(h, out);
      break;
    }
    case QueryKind::kFormula: {
      std::vector<std::unordered_map<RowId, double>> scores(lists.size());
      for (size_t i = 0; i < lists.size(); ++i) {
        for (const Ranked& r : lists[i]) scores[i][r.row] = static_cast<double>(r.score);
      }
      out = score_all(candidates(h, q, lists), [&](RowId row, double* score) {
        Collection::Found p;
        if (!h.data->get(row, h.lsn, &p)) return false;
        std::vector<std::optional<double>> of_point;
        for (const auto& list : scores) {
          auto it = list.find(row);
          of_point.push_back(it == list.end() ? std::nullopt : std::optional<double>(it->second));
        }
        *score = q.formula->evaluate(h, p, of_point);
        return true;
      });
      break;
    }
    case QueryKind::kSample: {
      std::vector<RowId> rows = candidates(h, q, lists);
      Random rng(secure_random());
      for (size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[rng.below(i)]);
      for (RowId row : rows) out.push_back({row, 1});
      break;
    }
    case QueryKind::kNone:
      h.data->for_each_by_id(nullptr, h.lsn, [&](const Collection::Found& p) {
        if (q.filter == nullptr || h.data->matches(*q.filter, p, h.lsn)) out.push_back({p.row, 1});
        return out.size() < q.limit + q.offset;
      });
  }
  if (q.score_threshold) {
    const double t = *q.score_threshold;
    if (smaller_is_better(h, q)) {
      std::erase_if(out, [t](const Ranked& r) { return r.score >= t; });
    } else if (q.kind == QueryKind::kNearest || q.kind == QueryKind::kRecommend) {
      std::erase_if(out, [t](const Ranked& r) { return r.score <= t; });
    } else {
      std::erase_if(out, [t](const Ranked& r) { return r.score < t; });
    }
  }
  out.erase(out.begin(), out.begin() + static_cast<ptrdiff_t>(std::min<uint64_t>(q.offset, out.size())));
  if (out.size() > q.limit) out.resize(q.limit);
  return out;
}

}  // namespace stele::qdrant
