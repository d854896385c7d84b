#include "doors/elastic/knn.h"

#include "doors/elastic/search_job.h"
#include "segments/vectors/vector_store.h"

namespace stele::elastic {

namespace {

namespace vectors = segments::vectors;
using vectors::Metric;

struct Scored {
  std::string index, id;
  double score;
};
bool better(const Scored& a, const Scored& b) {
  if (a.score != b.score) return a.score > b.score;
  // Equal scores: by key, numbers as numbers, as the other doors do.
  if (a.id.size() != b.id.size() && !a.id.empty() && !b.id.empty() && std::isdigit(static_cast<unsigned char>(a.id[0])) &&
      std::isdigit(static_cast<unsigned char>(b.id[0]))) {
    return a.id.size() < b.id.size();
  }
  return a.id < b.id;
}

struct Knn {
  std::string field;
  std::vector<float> query;
  uint64_t k = 10, candidates = 0;
  std::optional<double> similarity;
  double boost = 1;
  json::array filter;
};

[[noreturn]] void failed_shard(const std::string& type, const std::string& reason, const Call::Target& t, Call& c) {
  ElasticError e(400, "search_phase_execution_exception", "all shards failed",
                 json::object{{"phase", "dfs"}, {"grouped", true},
                              {"failed_shards", json::array{json::object{{"shard", 0}, {"index", t.index->name}, {"node", c.engine().node_id()},
                                                                         {"reason", json::object{{"type", type}, {"reason", reason}}}}}}});
  e.root_cause = json::array{json::object{{"type", type}, {"reason", reason}}};
  throw e;
}

double as_number(const json::value& v, const std::string& what) {
  if (!v.is_number()) illegal("[knn] field [" + what + "] must be a number");
  return v.to_number<double>();
}

Knn parse_knn(const json::value& v, uint64_t size) {
  const json::object* o = v.if_object();
  if (o == nullptr) illegal("[knn] malformed query, expected an object");
  Knn out;
  bool has_k = false;
  for (const auto& [key, x] : *o) {
    if (key == "field" && x.is_string()) {
      out.field = x.as_string().c_str();
    } else if (key == "query_vector" && x.is_array()) {
      for (const auto& f : x.as_array()) {
        out.query.push_back(static_cast<float>(as_number(f, "query_vector")));
        if (!std::isfinite(out.query.back())) illegal("The [query_vector] contains a value that is not finite");
      }
    } else if (key == "k") {
      const double k = as_number(x, "k");
      if (k < 1) illegal("[k] must be greater than 0");
      out.k = static_cast<uint64_t>(k);
      has_k = true;
    } else if (key == "num_candidates") {
      const double n = as_number(x, "num_candidates");
      if (n < 1) illegal("[num_candidates] must be greater than 0");
      if (n > 10000) illegal("[num_candidates] cannot exceed [10000]");
      out.candidates = static_cast<uint64_t>(n);
    } else if (key == "similarity") {
      out.similarity = as_number(x, "similarity");
    } else if (key == "boost") {
      out.boost = as_number(x, "boost");
    } else if (key == "filter") {
      if (x.is_array()) out.filter = x.as_array();
      else out.filter.push_back(x);
    } else if (key == "query_vector_builder") {
      illegal("[query_vector_builder] needs a model, and this server has none: give [query_vector]");
    } else if (key != "_name" && key != "inner_hits" && key != "rescore_vector" && key != "visit_percentage") {
      ElasticError e(400, "x_content_parse_exception", "[1:1] [knn] unknown field [" + std::string(key.data(), key.size()) + "]");
      throw e;
    }
  }
  if (out.field.empty()) throw ElasticError(400, "x_content_parse_exception", "Required [field]");
  if (out.query.empty()) throw ElasticError(400, "x_content_parse_exception", "Required one of fields [query_vector, query_vector_builder], but none were specified. ");
  if (!has_k) out.k = out.candidates != 0 ? std::min(out.candidates, std::max<uint64_t>(size, 1)) : std::max<uint64_t>(size, 1);
  if (out.candidates == 0) out.candidates = std::min<uint64_t>(10000, std::max<uint64_t>(out.k, out.k + out.k / 2));
  if (out.candidates < out.k) illegal("[num_candidates] cannot be less than [k]");
  return out;
}

// Lucene's scores of a distance, as the field's similarity says.
double score_of(const std::string& similarity, Metric metric, float distance) {
  switch (metric) {
    case Metric::kL2: return 1.0 / (1.0 + std::max(0.0f, distance));
    case Metric::kCosine: return (2.0 - distance) / 2.0;
    case Metric::kInnerProduct: {
      const double dot = -distance;
      if (similarity == "max_inner_product") return dot < 0 ? 1.0 / (1.0 - dot) : dot + 1.0;
      return (1.0 + dot) / 2.0;
    }
    case Metric::kL1: break;
  }
  return 1.0 / (1.0 + distance);
}
// Whether a distance satisfies the `similarity` parameter (in terms of the metric, not of the score).
bool similar_enough(Metric metric, float distance, double wanted) {
  switch (metric) {
    case Metric::kL2: return std::sqrt(std::max(0.0f, distance)) <= wanted;
    case Metric::kCosine: return 1.0 - distance >= wanted;
    case Metric::kInnerProduct: return -distance >= wanted;
    case Metric::kL1: break;
  }
  return distance <= wanted;
}
Metric metric_of(const std::string& similarity) {
  if (similarity == "l2_norm") return Metric::kL2;
  if (similarity == "dot_product" || similarity == "max_inner_product") return Metric::kInnerProduct;
  return Metric::kCosine;
}

std::vector<Scored> nearest_in(Call& c, const Call::Target& t, const Knn& knn) {
  Engine& engine = c.engine();
  std::vector<Scored> out;
  json::object filter_body;
  if (!knn.filter.empty()) filter_body["query"] = json::object{{"bool", json::object{{"filter", knn.filter}}}};
  auto wrong_dimensions = [&](uint64_t have) {
    failed_shard("query_shard_exception", fmt::format("failed to create query: the query vector has a different dimension [{}] than the index vectors [{}]",
                                                      knn.query.size(), have), t, c);
  };
  const segments::MappedField* mapped = t.index->mapping()->field(knn.field);
  const bool in_documents = mapped != nullptr && mapped->type == segments::FieldType::kDenseVector;
  const std::string similarity = !in_documents ? "" : mapped->similarity.empty() ? "cosine" : mapped->similarity;
  auto refuse_zero = [&](Metric metric) {
    if (metric == Metric::kCosine && in_documents && std::all_of(knn.query.begin(), knn.query.end(), [](float f) { return f == 0; })) {
      failed_shard("query_shard_exception", "failed to create query: The [cosine] similarity does not support vectors with zero magnitude.", t, c);
    }
  };
  // A vector column, or vectors in documents, with a graph.
  if (auto* store = engine.vectors()) {
    const auto state = engine.catalog_state();
    const auto data = store->collection(*t.index->relation, *state);
    const auto* field = data == nullptr ? nullptr : data->dense(knn.field);
    if (field != nullptr) {
      if (field->params().dimensions != knn.query.size()) wrong_dimensions(field->params().dimensions);
      refuse_zero(field->params().metric);
      const auto snapshot = engine.snapshot();
      const auto lsn = snapshot->lsn();
      vectors::FieldSearch options{.k = static_cast<uint32_t>(std::min<uint64_t>(knn.k, 100000)), .ef = static_cast<uint32_t>(knn.candidates), .lsn = lsn};
      std::vector<vectors::RowId> rows;
      if (!knn.filter.empty() || !t.filters.empty()) {
        for (const auto& [id, row] : matching_documents(c, t, filter_body, UINT32_MAX)) rows.push_back(row);
        options.rows = &rows;
      }
      for (const auto& n : field->search(knn.query.data(), options)) {
        vectors::Collection::Found found;
        if (!data->get(n.row, lsn, &found)) continue;
        if (knn.similarity && !similar_enough(field->params().metric, n.distance, *knn.similarity)) continue;
        out.push_back({t.index->name, found.id.to_text(), knn.boost * score_of(similarity, field->params().metric, n.distance)});
      }
      return out;
    }
  }
  if (mapped == nullptr) {
    failed_shard("query_shard_exception", "failed to create query: field [" + knn.field + "] does not exist in the mapping", t, c);
  }
  if (mapped->type != segments::FieldType::kDenseVector) {
    failed_shard("query_shard_exception", "failed to create query: [knn] queries are only supported on [dense_vector] fields", t, c);
  }
  if (mapped->dims > 0 && static_cast<uint64_t>(mapped->dims) != knn.query.size()) wrong_dimensions(static_cast<uint64_t>(mapped->dims));
  // The documents' own vectors, measured exactly.
  const Metric metric = metric_of(similarity);
  refuse_zero(metric);
  const vectors::VectorField measure({.dimensions = static_cast<uint32_t>(knn.query.size()), .metric = metric});
  const auto prepared = measure.prepare(knn.query.data());
  const auto snapshot = engine.snapshot();
  for (const auto& [id, row] : matching_documents(c, t, filter_body, UINT32_MAX)) {
    const json::object source = engine.source_of(*t.index, row, snapshot);
    const json::value* v = nullptr;
    const json::object* at = &source;
    for (size_t from = 0; at != nullptr;) {
      const size_t dot = knn.field.find('.', from);
      const std::string step = knn.field.substr(from, dot == std::string::npos ? std::string::npos : dot - from);
      if (v = at->if_contains(knn.field.substr(from)); v != nullptr) break;
      v = at->if_contains(step);
      at = v == nullptr || dot == std::string::npos ? nullptr : v->if_object();
      from = dot == std::string::npos ? from : dot + 1;
    }
    if (v == nullptr || !v->is_array() || v->as_array().size() != knn.query.size()) continue;
    std::vector<float> floats;
    for (const auto& x : v->as_array()) floats.push_back(x.is_number() ? x.to_number<float>() : 0.0f);
    const float d = measure.distance_to(prepared.data(), floats.data());
    if (knn.similarity && !similar_enough(metric, d, *knn.similarity)) continue;
    out.push_back({t.index->name, id, knn.boost * score_of(similarity, metric, d)});
  }
  return out;
}

std::vector<Scored> nearest(Call& c, const std::vector<Call::Target>& targets, const Knn& knn) {
  std::vector<Scored> all;
  for (const auto& t : targets) {
    auto found = nearest_in(c, t, knn);
    all.insert(all.end(), std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
  }
  std::sort(all.begin(), all.end(), better);
  if (all.size() > knn.k) all.resize(knn.k);
  return all;
}

// Documents with given scores as a query.
json::value clause(const std::vector<Scored>& docs, bool one_index) {
  if (docs.empty()) return json::object{{"match_none", json::object()}};
  json::array should;
  for (const Scored& d : docs) {
    json::value only = json::object{{"ids", json::object{{"values", json::array{d.id}}}}};
    if (!one_index) {
      only = json::object{{"bool", json::object{{"filter", json::array{only, json::object{{"term", json::object{{"_index", d.index}}}}}}}}};
    }
    should.push_back(json::object{{"constant_score", json::object{{"filter", only}, {"boost", d.score}}}});
  }
  return json::object{{"bool", json::object{{"should", should}, {"minimum_should_match", 1}}}};
}

uint64_t count_member(const json::object& o, const char* name, uint64_t otherwise) {
  const json::value* v = o.if_contains(name);
  if (v == nullptr || !v->is_number()) return otherwise;
  const double d = v->to_number<double>();
  if (d < 0) illegal(fmt::format("[{}] parameter cannot be negative{} [{}]", name, std::string_view(name) == "from" ? " but was" : ", found", json::serialize(*v)));
  return static_cast<uint64_t>(d);
}

json::array filters_of(const json::object& o) {
  json::array out;
  if (const json::value* f = o.if_contains("filter")) {
    if (f->is_array()) out = f->as_array();
    else out.push_back(*f);
  }
  return out;
}

// The ranked documents of one retriever.
std::vector<Scored> retrieve(Call& c, const std::vector<Call::Target>& targets, const json::value& spec, uint64_t window, int depth);

std::vector<Scored> run_standard(Call& c, const std::vector<Call::Target>& targets, const json::object& o, uint64_t window) {
  json::object body;
  body["size"] = std::min<uint64_t>(window, 10000);
  body["_source"] = false;
  json::value query = o.if_contains("query") != nullptr ? o.at("query") : json::value(json::object{{"match_all", json::object()}});
  const json::array filters = filters_of(o);
  if (!filters.empty()) query = json::object{{"bool", json::object{{"must", json::array{query}}, {"filter", filters}}}};
  body["query"] = std::move(query);
  for (const char* name : {"sort", "min_score", "search_after", "terminate_after", "collapse"}) {
    if (const json::value* v = o.if_contains(name)) body[name] = *v;
  }
  body = resolve_vectors(c, targets, std::move(body));
  SearchJob job(c.engine(), targets, c.engine().snapshot(), body);
  const json::object reply = job.run();
  std::vector<Scored> out;
  for (const auto& hit : reply.at("hits").as_object().at("hits").as_array()) {
    const json::object& h = hit.as_object();
    const json::value& score = h.at("_score");
    out.push_back({h.at("_index").as_string().c_str(), h.at("_id").as_string().c_str(), score.is_number() ? score.to_number<double>() : 0.0});
  }
  std::stable_sort(out.begin(), out.end(), [](const Scored& a, const Scored& b) { return a.score > b.score; });
  if (o.if_contains("sort") == nullptr) {
    std::sort(out.begin(), out.end(), better);
  }
  return out;
}

std::vector<Scored> run_fusion(Call& c, const std::vector<Call::Target>& targets, const json::object& o, uint64_t window, int depth, bool linear) {
  const json::value* list = o.if_contains("retrievers");
  if (list == nullptr || !list->is_array()) throw ElasticError(400, "x_content_parse_exception", "Required [retrievers]");
  window = count_member(o, "rank_window_size", std::max<uint64_t>(window, 10));
  const double constant = static_cast<double>(count_member(o, "rank_constant", 60));
  if (constant < 1) illegal("[rank_constant] must be greater or equal to [1] for [rrf]");
  const json::array filters = filters_of(o);
  std::map<std::pair<std::string, std::string>, double> scores;
  for (const auto& one : list->as_array()) {
    json::value child = one;
    double weight = 1;
    std::string normalizer = "none";
    if (const json::object* w = one.if_object(); w != nullptr && w->if_contains("retriever") != nullptr) {
      child = w->at("retriever");
      if (const auto* x = w->if_contains("weight")) weight = as_number(*x, "weight");
      if (const auto* x = w->if_contains("normalizer"); x != nullptr && x->is_string()) normalizer = x->as_string().c_str();
    }
    if (!filters.empty() && child.is_object() && child.as_object().size() == 1 && child.as_object().begin()->value().is_object()) {
      json::object& inner = child.as_object().begin()->value().as_object();
      json::array all = filters_of(inner);
      all.insert(all.end(), filters.begin(), filters.end());
      inner["filter"] = std::move(all);
    }
    auto docs = retrieve(c, targets, child, window, depth + 1);
    if (docs.size() > window) docs.resize(window);
    double low = docs.empty() ? 0 : docs.back().score, high = docs.empty() ? 0 : docs.front().score;
    for (size_t rank = 0; rank < docs.size(); ++rank) {
      double s = weight / (constant + static_cast<double>(rank + 1));
      if (linear) {
        s = docs[rank].score;
        if (normalizer == "minmax") s = high > low ? (s - low) / (high - low) : 1.0;
        s *= weight;
      }
      scores[{docs[rank].index, docs[rank].id}] += s;
    }
  }
  std::vector<Scored> out;
  for (const auto& [key, score] : scores) out.push_back({key.first, key.second, score});
  std::sort(out.begin(), out.end(), better);
  if (out.size() > window) out.resize(window);
  return out;
}

std::vector<Scored> retrieve(Call& c, const std::vector<Call::Target>& targets, const json::value& spec, uint64_t window, int depth) {
  if (depth > 8) illegal("retrievers are nested too deeply");
  const json::object* o = spec.if_object();
  if (o == nullptr || o->size() != 1 || !o->begin()->value().is_object()) throw ElasticError(400, "parsing_exception", "retriever malformed, expected one retriever object");
  const std::string kind(o->begin()->key());
  const json::object& body = o->begin()->value().as_object();
  std::vector<Scored> out;
  if (kind == "standard") {
    out = run_standard(c, targets, body, window);
  } else if (kind == "knn") {
    json::object section = body;
    section.erase("min_score");
    out = nearest(c, targets, parse_knn(section, window));
  } else if (kind == "rrf" || kind == "linear") {
    out = run_fusion(c, targets, body, window, depth, kind == "linear");
  } else {
    throw ElasticError(400, "named_object_not_found_exception", "[1:1] unknown field [" + kind + "]");
  }
  if (const auto* m = body.if_contains("min_score"); m != nullptr && m->is_number()) {
    const double least = m->to_number<double>();
    std::erase_if(out, [least](const Scored& d) { return d.score < least; });
  }
  return out;
}

// knn queries anywhere in a query tree.
void replace_queries(Call& c, const std::vector<Call::Target>& targets, json::value& v, uint64_t size, bool one_index, int depth) {
  if (depth > 32) return;
  if (json::array* a = v.if_array()) {
    for (auto& x : *a) replace_queries(c, targets, x, size, one_index, depth + 1);
    return;
  }
  json::object* o = v.if_object();
  if (o == nullptr) return;
  if (o->size() == 1 && o->begin()->key() == "knn" && o->begin()->value().is_object() && o->begin()->value().as_object().contains("query_vector")) {
    v = clause(nearest(c, targets, parse_knn(o->begin()->value(), size)), one_index);
    return;
  }
  for (const char* compound : {"bool", "must", "should", "filter", "must_not", "constant_score", "dis_max", "queries", "function_score", "query"}) {
    if (json::value* x = o->if_contains(compound)) replace_queries(c, targets, *x, size, one_index, depth + 1);
  }
}

}  // namespace

json::object resolve_vectors(Call& c, const std::vector<Call::Target>& targets, json::object body) {
  const bool one_index = targets.size() == 1;
  const uint64_t size = count_member(body, "size", 10), from = count_member(body, "from", 0);
  if (json::value* q = body.if_contains("query"); q != nullptr && json::serialize(*q).find("\"query_vector\"") != std::string::npos) {
    replace_queries(c, targets, *q, size, one_index, 0);
  }
  if (const json::value* r = body.if_contains("retriever")) {
    for (const char* other : {"query", "knn", "sort", "rescore", "search_after", "terminate_after", "min_score"}) {
      if (body.contains(other)) throw ElasticError(400, "action_request_validation_exception", std::string("Validation Failed: 1: cannot specify [retriever] and [") + other + "];");
    }
    const json::value spec = *r;
    body.erase("retriever");
    body["query"] = clause(retrieve(c, targets, spec, from + size, 0), one_index);
    return body;
  }
  const json::value* k = body.if_contains("knn");
  if (k == nullptr || k->is_null()) return body;
  const json::value spec = *k;
  body.erase("knn");
  json::array should;
  if (const json::value* q = body.if_contains("query"); q != nullptr && !q->is_null()) should.push_back(*q);
  if (const json::array* all = spec.if_array()) {
    for (const auto& one : *all) should.push_back(clause(nearest(c, targets, parse_knn(one, size)), one_index));
  } else {
    should.push_back(clause(nearest(c, targets, parse_knn(spec, size)), one_index));
  }
  body["query"] = should.size() == 1 ? should[0] : json::value(json::object{{"bool", json::object{{"should", should}, {"minimum_should_match", 1}}}});
  return body;
}

}  // namespace stele::elastic
