// Search, msearch, count, scroll, point in time, explain, validate, field_caps.
#include "doors/elastic/activity.h"
#include "doors/elastic/knn.h"
#include "doors/elastic/search_job.h"

namespace stele::elastic {

struct ScrollContext {
  std::shared_ptr<SearchJob> job;
  size_t position = 0, size = 10;
  int64_t expires_ms = 0, keep_ms = 0;
};
struct PointInTime {
  std::vector<Call::Target> targets;
  storage::SnapshotPtr snapshot;
  int64_t expires_ms = 0;
};
class Contexts {
 public:
  static constexpr size_t kMaxOpen = 500;
  std::mutex mutex;
  std::map<std::string, ScrollContext> scrolls;
  std::map<std::string, PointInTime> pits;
  void expire(int64_t now) {
    std::erase_if(scrolls, [&](auto& e) { return e.second.expires_ms < now; });
    std::erase_if(pits, [&](auto& e) { return e.second.expires_ms < now; });
  }
};
std::shared_ptr<Contexts> make_contexts() { return std::make_shared<Contexts>(); }

namespace {

// As a time value is shown: in its largest whole unit, with a decimal at most.
std::string shown_time(double ms) {
  for (auto& [size, unit] : {std::pair{86400000.0, "d"}, {3600000.0, "h"}, {60000.0, "m"}, {1000.0, "s"}}) {
    if (ms < size) continue;
    std::string s = fmt::format("{:.1f}", ms / size);
    return (s.ends_with(".0") ? s.substr(0, s.size() - 2) : s) + unit;
  }
  return fmt::format("{}ms", static_cast<int64_t>(ms));
}
int64_t keep_alive(const std::string& text, const std::string& name) {
  auto ms = segments::parse_time_ms(text);
  if (!ms) illegal("failed to parse setting [" + name + "] with value [" + text + "] as a time value: unit is missing or unrecognized");
  if (*ms > 86400000) {
    illegal("Keep alive for request (" + shown_time(*ms) + ") is too large. It must be less than (1d). This limit can be set by changing the [search.max_keep_alive] cluster level setting.");
  }
  return static_cast<int64_t>(*ms);
}
std::string context_id() {
  std::string id;
  for (int i = 0; i < 3; ++i) id += Engine::new_id();
  return id;
}

std::vector<Call::Target> targets_of(Call& c, const std::string& expr) {
  return c.resolve(expr, c.flag("allow_no_indices", true), c.flag("ignore_unavailable", false));
}

}  // namespace

namespace {
void note_search(const std::vector<Call::Target>& targets, const json::object& body, const SearchJob& job) {
  Activity::Searches once{1, job.query_us(), job.fetched() > 0 ? 1 : 0, job.fetch_us()};
  for (auto& t : targets) {
    note_activity(t.index->oid, [&](Activity& a) {
      a.search.add(once);
      a.suggests += body.contains("suggest");
      if (auto* g = body.if_contains("stats"); g != nullptr && g->is_array()) for (auto& name : g->get_array()) a.groups[json_text(name)].add(once);
    });
  }
}
}  // namespace

json::object search_json(Call& c, const std::string& expr, json::object body, bool as_int, bool typed) {
  storage::SnapshotPtr snapshot;
  std::vector<Call::Target> targets;
  std::string pit;
  if (auto* p = body.if_contains("pit"); p != nullptr && p->is_object()) {
    pit = text_or(p->get_object(), "id");
    if (!expr.empty()) invalid({"[indices] cannot be used with point in time. Do not specify any index with point in time."});
    std::lock_guard lock(c.door.contexts->mutex);
    c.door.contexts->expire(c.engine().now_ms());
    auto it = c.door.contexts->pits.find(pit);
    if (it == c.door.contexts->pits.end() && pit.size() != 60) illegal("invalid id: [" + pit + "]");
    if (it == c.door.contexts->pits.end()) {
      ElasticError e(404, "search_phase_execution_exception", "all shards failed", json::object{{"phase", "query"}, {"grouped", true}, {"failed_shards", json::array()}});
      e.root_cause = json::array{json::object{{"type", "search_context_missing_exception"}, {"reason", "No search context found for id [" + pit + "]"}}};
      throw e;
    }
    if (p->get_object().contains("keep_alive")) it->second.expires_ms = c.engine().now_ms() + keep_alive(text_or(p->get_object(), "keep_alive"), "keep_alive");
    targets = it->second.targets;
    snapshot = it->second.snapshot;
    // A point in time breaks ties by document, whatever the sort.
    if (auto* s = body.if_contains("sort"); s != nullptr && !s->is_null()) {
      json::array sort = s->is_array() ? s->get_array() : json::array{*s};
      bool has = false;
      for (auto& e : sort) has |= json::serialize(e).find("_shard_doc") != std::string::npos;
      auto* after = body.if_contains("search_after");
      bool short_after = after != nullptr && after->is_array() && after->get_array().size() == sort.size();
      if (!has && !short_after) {
        sort.push_back("_shard_doc");
        body["sort"] = sort;
      }
    }
  } else {
    targets = targets_of(c, expr);
    snapshot = c.engine().snapshot();
  }
  body = resolve_vectors(c, targets, std::move(body));
  if (auto* b = body.if_contains("indices_boost"); b != nullptr && pit.empty()) {
    // By the names of indices, whatever they were given as; the first that fits counts.
    json::array named, list = b->is_array() ? b->get_array() : json::array();
    if (b->is_object()) for (auto& [k, v] : b->get_object()) list.push_back(json::object{{k, v}});
    for (auto& e : list) {
      if (!e.is_object() || e.get_object().size() != 1) throw ElasticError(400, "parsing_exception", "Expected [FIELD_NAME] in [indices_boost]", json::object{{"line", 1}, {"col", 1}});
      for (auto& [k, v] : e.get_object()) {
        auto found = c.resolve(std::string(k), true, c.flag("ignore_unavailable", false));
        for (auto& t : found) named.push_back(json::object{{t.index->name, v}});
      }
    }
    *b = named;
  }
  SearchJob job(c.engine(), targets, snapshot, body);
  job.total_as_int = as_int;
  job.named_scores = c.flag("include_named_queries_score", false);
  json::object out = job.run();
  note_search(targets, body, job);
  if (typed) type_keys(job, body, out);
  if (auto* s = body.if_contains("suggest"); s != nullptr && s->is_object()) out["suggest"] = suggestions(job, s->get_object(), typed);
  if (!pit.empty()) {
    json::object with{{"pit_id", pit}};
    for (auto& [k, v] : out) with[k] = std::move(v);
    return with;
  }
  return out;
}

namespace {

Reply search(Call& c) {
  json::object body = search_body(c);
  bool as_int = c.flag("rest_total_hits_as_int", false);
  if (as_int) {
    auto* t = body.if_contains("track_total_hits");
    if (t != nullptr && t->is_number()) illegal("[rest_total_hits_as_int] cannot be used if the tracking of total hits is not accurate, got " + json_text(*t));
    if (t == nullptr) body["track_total_hits"] = true;
  }
  for (const char* key : {"search_type"}) {
    std::string v = c.param(key, "query_then_fetch");
    if (v != "query_then_fetch" && v != "dfs_query_then_fetch") illegal("No search type for [" + v + "]");
  }
  if (c.has("max_concurrent_shard_requests") && c.number("max_concurrent_shard_requests", 5) < 1) illegal("maxConcurrentShardRequests must be >= 1");
  if (c.has("pre_filter_shard_size") && c.number("pre_filter_shard_size", 128) < 1) illegal("preFilterShardSize must be >= 1");
  if (c.has("batched_reduce_size") && c.number("batched_reduce_size", 512) < 2) illegal("batchedReduceSize must be >= 2");
  if (c.has("scroll")) {
    int64_t keep = keep_alive(c.param("scroll"), "scroll");
    if (auto* s = body.if_contains("size"); s != nullptr && json_text(*s) == "0") invalid({"[size] cannot be [0] in a scroll context"});
    if (body.contains("from") && json_text(body.at("from")) != "0") invalid({"using [from] is not allowed in a scroll context"});
    if (body.contains("search_after")) invalid({"using [search_after] is not allowed in a scroll context"});
    if (body.contains("rescore")) invalid({"using [rescore] is not allowed in a scroll context"});
    if (body.contains("collapse")) invalid({"cannot use `collapse` in a scroll context"});
    if (auto* t = body.if_contains("track_total_hits"); t != nullptr && json_text(*t) == "false") invalid({"disabling [track_total_hits] is not allowed in a scroll context"});
    if (c.flag("request_cache", false)) invalid({"[request_cache] cannot be used in a scroll context"});
    body["track_total_hits"] = true;
    {
      std::lock_guard lock(c.door.contexts->mutex);
      c.door.contexts->expire(c.engine().now_ms());
      if (c.door.contexts->scrolls.size() >= Contexts::kMaxOpen) {
        throw ElasticError(429, "rejected_execution_exception", "Trying to create too many scroll contexts. Must be less than or equal to: [500]. This limit can be set by changing the [search.max_open_scroll_context] setting.");
      }
    }
    ScrollContext s;
    s.job = std::make_shared<SearchJob>(c.engine(), targets_of(c, c.part("index")), c.engine().snapshot(), body, true);
    s.job->total_as_int = as_int;
    s.size = body.contains("size") ? static_cast<size_t>(std::atoll(json_text(body.at("size")).c_str())) : 10;
    s.keep_ms = keep;
    s.expires_ms = c.engine().now_ms() + keep;
    s.job->collect(10000000);
    for (auto& p : s.job->parts()) {
      note_activity(p.index->oid, [&](Activity& a) {
        ++a.scrolls;
        a.search.add({1, 0, 1, 0});
      });
    }
    json::object out = s.job->respond(0, s.size);
    s.position = s.size;
    std::string id = context_id();
    json::object with{{"_scroll_id", id}};
    for (auto& [k, v] : out) with[k] = std::move(v);
    std::lock_guard lock(c.door.contexts->mutex);
    c.door.contexts->scrolls[id] = std::move(s);
    return Reply(with);
  }
  return Reply(search_json(c, c.part("index"), std::move(body), as_int, c.flag("typed_keys", false)));
}

Reply scroll(Call& c) {
  json::object body = c.body();
  for (auto& [k, v] : body) {
    if (k != "scroll_id" && k != "scroll") illegal("Unknown parameter [" + std::string(k) + "] in request body or parameter is of the wrong type[VALUE_STRING] ");
  }
  std::string id = text_or(body, "scroll_id", c.param("scroll_id", c.part("scroll_id")));
  if (id.empty()) invalid({"scrollId is missing"});
  std::shared_ptr<SearchJob> job;
  size_t at, size;
  {
    std::lock_guard lock(c.door.contexts->mutex);
    c.door.contexts->expire(c.engine().now_ms());
    auto it = c.door.contexts->scrolls.find(id);
    if (it == c.door.contexts->scrolls.end()) {
      if (id.size() != 60) illegal("Cannot parse scroll id");
      ElasticError e(404, "search_phase_execution_exception", "all shards failed", json::object{{"phase", "query"}, {"grouped", true},
        {"failed_shards", json::array{json::object{{"shard", -1}, {"index", nullptr}, {"reason", json::object{{"type", "search_context_missing_exception"}, {"reason", "No search context found for id [1]"}}}}}}});
      e.root_cause = json::array{json::object{{"type", "search_context_missing_exception"}, {"reason", "No search context found for id [1]"}}};
      throw e;
    }
    std::string keep = text_or(body, "scroll", c.param("scroll"));
    it->second.expires_ms = c.engine().now_ms() + (keep.empty() ? it->second.keep_ms : keep_alive(keep, "scroll"));
    job = it->second.job;
    at = it->second.position;
    size = it->second.size;
    it->second.position += size;
  }
  job->total_as_int = c.flag("rest_total_hits_as_int", false);
  json::object out = job->respond(at, size), with{{"_scroll_id", id}};
  out.erase("aggregations");
  for (auto& [k, v] : out) with[k] = std::move(v);
  return Reply(with);
}

Reply clear_scroll(Call& c) {
  std::vector<std::string> ids = split(c.part("scroll_id"), ',');
  json::object body = c.body();
  if (auto* s = body.if_contains("scroll_id")) {
    ids.clear();
    if (s->is_array()) for (auto& e : s->get_array()) ids.push_back(json_text(e));
    else ids.push_back(json_text(*s));
  }
  if (ids.empty()) invalid({"no scroll ids specified"});
  int64_t n = 0;
  std::lock_guard lock(c.door.contexts->mutex);
  for (auto& id : ids) {
    if (id == "_all") {
      n += static_cast<int64_t>(c.door.contexts->scrolls.size());
      c.door.contexts->scrolls.clear();
    } else {
      auto it = c.door.contexts->scrolls.find(id);
      if (it != c.door.contexts->scrolls.end()) {
        c.door.contexts->scrolls.erase(it);
        ++n;
      } else if (id.size() != 60) {
        illegal("Cannot parse scroll id");
      }
    }
  }
  return Reply(json::object{{"succeeded", true}, {"num_freed", n}}, n > 0 || ids[0] == "_all" ? 200 : 404);
}

Reply open_pit(Call& c) {
  if (!c.has("keep_alive")) invalid({"[keep_alive] is not specified"});
  PointInTime p;
  p.targets = targets_of(c, c.part("index"));
  p.snapshot = c.engine().snapshot();
  p.expires_ms = c.engine().now_ms() + keep_alive(c.param("keep_alive"), "keep_alive");
  int64_t n = 0;
  for (auto& t : p.targets) n += std::max(1, std::atoi(t.index->setting("number_of_shards").c_str()));
  std::string id = context_id();
  std::lock_guard lock(c.door.contexts->mutex);
  c.door.contexts->expire(c.engine().now_ms());
  if (c.door.contexts->pits.size() >= Contexts::kMaxOpen) throw ElasticError(429, "rejected_execution_exception", "too many open points in time");
  c.door.contexts->pits[id] = std::move(p);
  return Reply(json::object{{"id", id}, {"_shards", shards(n)}});
}
Reply close_pit(Call& c) {
  json::object body = c.body(true);
  std::string id = text_or(body, "id");
  if (id.empty()) illegal("Required [id]");
  if (id.size() != 60) illegal("invalid id: [" + id + "]");
  std::lock_guard lock(c.door.contexts->mutex);
  bool gone = c.door.contexts->pits.erase(id) > 0;
  return Reply(json::object{{"succeeded", true}, {"num_freed", gone ? 1 : 0}}, gone ? 200 : 404);
}

Reply msearch(Call& c) {
  auto started = std::chrono::steady_clock::now();
  if (c.has("max_concurrent_searches") && c.number("max_concurrent_searches", 1) < 1) illegal("maxConcurrentSearchRequests must be positive");
  const std::string& text = c.request.body;
  if (text.find_first_not_of(" \r\n\t") == std::string::npos) throw ElasticError(400, "parse_exception", "request body is required");
  if (text.back() != '\n') illegal("The msearch request must be terminated by a newline [\\n]");
  std::vector<std::string> lines;
  size_t at = 0;
  while (at < text.size()) {
    size_t e = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, e - at));
    if (!lines.back().empty() && lines.back().back() == '\r') lines.back().pop_back();
    at = e + 1;
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  bool as_int = c.flag("rest_total_hits_as_int", false);
  json::array out;
  size_t i = 0;
  while (i < lines.size()) {
    std::string head_text = lines[i++];
    json::object head;
    if (head_text.find_first_not_of(" ") != std::string::npos) {
      json::value h = parse_json(head_text);
      if (!h.is_object()) illegal("Expected [START_OBJECT] but found [" + head_text + "]");
      head = h.get_object();
      for (auto& [k, v] : head) {
        static const std::set<std::string_view> kKnown = {"index", "indices", "type", "types", "search_type", "searchType", "request_cache", "requestCache", "preference", "routing", "allow_partial_search_results", "expand_wildcards", "expandWildcards", "ignore_unavailable", "ignoreUnavailable", "allow_no_indices", "allowNoIndices", "ignore_throttled", "ccs_minimize_roundtrips"};
        if (kKnown.count(k) == 0) illegal("key [" + std::string(k) + "] is not supported in the metadata section");
        if ((k == "search_type" || k == "searchType") && json_text(v) != "query_then_fetch" && json_text(v) != "dfs_query_then_fetch") illegal("No search type for [" + json_text(v) + "]");
      }
    }
    if (i >= lines.size()) illegal("Validation Failed: 1: no requests added;");
    std::string body_text = lines[i++];
    try {
      json::value b = parse_json(body_text);
      if (!b.is_object()) throw ElasticError(400, "parsing_exception", "Expected [START_OBJECT]");
      std::string expr;
      auto* index = head.if_contains("index");
      if (index == nullptr) index = head.if_contains("indices");
      if (index != nullptr && index->is_array()) for (auto& e : index->get_array()) expr += (expr.empty() ? "" : ",") + json_text(e);
      else if (index != nullptr) expr = json_text(*index);
      else expr = c.part("index");
      json::object body = b.get_object();
      if (as_int && !body.contains("track_total_hits")) body["track_total_hits"] = true;
      auto targets = c.resolve(expr, flag_or(head, "allow_no_indices", c.flag("allow_no_indices", true)), flag_or(head, "ignore_unavailable", c.flag("ignore_unavailable", false)));
      body = resolve_vectors(c, targets, std::move(body));
      SearchJob job(c.engine(), targets, c.engine().snapshot(), body);
      job.total_as_int = as_int;
      json::object r = job.run();
      note_search(targets, body, job);
      r["status"] = 200;
      out.push_back(r);
    } catch (const ElasticError& e) {
      out.push_back(e.body());
    } catch (const Error& e) {
      out.push_back(to_elastic(e).body());
    }
  }
  if (out.empty()) invalid({"no requests added"});
  auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started).count();
  return Reply(json::object{{"took", took}, {"responses", out}});
}

Reply count(Call& c) {
  json::object body = search_body(c);
  for (auto& [k, v] : c.body()) {
    if (k != "query") throw ElasticError(400, "parsing_exception", "request does not support [" + std::string(k) + "]", json::object{{"line", 1}, {"col", 2}});
  }
  json::object only;
  if (auto* q = body.if_contains("query")) only["query"] = *q;
  only["size"] = 0;
  only["track_total_hits"] = true;
  if (c.has("min_score")) only["min_score"] = std::strtod(c.param("min_score").c_str(), nullptr);
  if (c.has("terminate_after")) only["terminate_after"] = c.number("terminate_after", 0);
  auto targets = c.resolve_param();
  SearchJob job(c.engine(), targets, c.engine().snapshot(), only);
  json::object r = job.run();
  return Reply(json::object{{"count", r["hits"].get_object()["total"].get_object()["value"]}, {"_shards", r["_shards"]}});
}

Reply explain_one(Call& c) {
  json::object body = search_body(c);
  for (auto& [k, v] : c.body()) if (k != "query") throw ElasticError(400, "parsing_exception", "request does not support [" + std::string(k) + "]", json::object{{"line", 1}, {"col", 2}});
  if (!body.contains("query")) invalid({"query is missing"});
  auto targets = c.resolve(c.part("index"));
  if (targets.size() != 1) illegal("explain needs a single index");
  std::string id = c.part("id");
  json::object ids{{"values", json::array{json::value(id)}}};
  json::object inner{{"must", json::array{body.at("query")}}, {"filter", json::array{json::object{{"ids", ids}}}}};
  json::object request{{"query", json::object{{"bool", inner}}}, {"explain", true}, {"_source", body.contains("_source") ? body.at("_source") : json::value(true)}};
  Document d = c.engine().get(*targets[0].index, id);
  json::object out{{"_index", targets[0].index->name}, {"_id", id}};
  if (!d.found) {
    out["matched"] = false;
    return Reply(out, 404);
  }
  json::object plain{{"query", body.at("query")}, {"explain", true}, {"size", 10000}};
  SearchJob job(c.engine(), targets, c.engine().snapshot(), request);
  json::object r = job.run();
  auto& hits = r["hits"].get_object()["hits"].get_array();
  out["matched"] = !hits.empty();
  if (hits.empty()) {
    out["explanation"] = json::object{{"value", 0.0}, {"description", "Failure to meet condition(s) of required/prohibited clause(s)"}, {"details", json::array()}};
  } else {
    json::object e = hits[0].get_object()["_explanation"].get_object();
    auto& details = e["details"].get_array();
    out["explanation"] = details.size() == 1 ? details[0] : json::value(e);
    if (e["value"].to_number<double>() != 0 && details.empty()) out["explanation"] = e;
    out["explanation"].get_object()["value"] = hits[0].get_object()["_score"];
  }
  if (c.has("_source") || c.has("_source_includes") || c.has("_source_excludes")) {
    SourceFilter f = body.contains("_source") ? parse_source_filter(body.at("_source")) : SourceFilter();
    json::object g{{"_seq_no", d.seq_no}, {"_primary_term", 1}, {"found", true}};
    if (f.enabled) g["_source"] = filter_source(d.source, f);
    out["get"] = g;
  }
  return Reply(out);
}

Reply validate(Call& c) {
  json::object body;
  json::object out;
  auto targets = c.resolve_param();
  int64_t n = static_cast<int64_t>(targets.size());
  std::string problem;
  json::array explanations;
  try {
    body = search_body(c);
    for (auto& [k, v] : c.body()) {
      if (k != "query") throw Error(ErrorCode::kParsing, "request does not support [" + std::string(k) + "]");
    }
    for (auto& t : targets) {
      auto mapping = t.index->mapping();
      segments::DslContext ctx;
      ctx.mapping = mapping.get();
      ctx.now_ms = c.engine().now_ms();
      ctx.index_name = t.index->name;
      std::string text = "*:*";
      if (auto* q = body.if_contains("query")) {
        auto parsed = segments::parse_query(*q, ctx);
        std::function<std::string(const segments::QueryPtr&)> show = [&](const segments::QueryPtr& x) -> std::string {
          switch (x->kind) {
            case segments::QueryKind::kMatchAll: return "*:*";
            case segments::QueryKind::kTerm: return x->field + ":" + x->text;
            case segments::QueryKind::kConstant: return "ConstantScore(" + show(x->filter[0]) + ")";
            case segments::QueryKind::kBool: {
              std::string s;
              for (auto& m : x->must) s += (s.empty() ? "+" : " +") + show(m);
              for (auto& m : x->should) s += (s.empty() ? "" : " ") + show(m);
              for (auto& m : x->filter) s += (s.empty() ? "#" : " #") + show(m);
              for (auto& m : x->must_not) s += (s.empty() ? "-" : " -") + show(m);
              return s;
            }
            case segments::QueryKind::kMatchNone: return "MatchNoDocsQuery(\"\")";
            default: return x->field + ":" + x->text;
          }
        };
        text = show(parsed);
      }
      explanations.push_back(json::object{{"index", t.index->name}, {"valid", true}, {"explanation", text}});
    }
  } catch (const Error& e) {
    problem = e.message();
  } catch (const ElasticError& e) {
    problem = json_text(e.error.at("reason"));
  }
  out["_shards"] = shards(std::max<int64_t>(n, 0), false);
  out["valid"] = problem.empty();
  if (c.flag("explain", false)) {
    if (problem.empty()) out["explanations"] = explanations;
    else if (targets.empty() || true) {
      json::array list;
      for (auto& t : targets) list.push_back(json::object{{"index", t.index->name}, {"valid", false}, {"error", problem}});
      if (!list.empty() && problem.find("unknown query") == std::string::npos) out["explanations"] = list;
      else out["error"] = "org.elasticsearch.common.ParsingException: " + problem;
    }
  }
  return Reply(out);
}

Reply field_caps(Call& c) {
  json::object body = c.body();
  std::vector<std::string> patterns = split(c.param("fields"), ',');
  if (auto* f = body.if_contains("fields")) {
    if (f->is_array()) for (auto& e : f->get_array()) patterns.push_back(json_text(e));
    else patterns.push_back(json_text(*f));
  }
  if (patterns.empty()) invalid({"no fields specified"});
  auto targets = c.resolve_param();
  if (auto* filter = body.if_contains("index_filter"); filter != nullptr && filter->is_object()) {
    std::vector<Call::Target> kept;
    for (auto& t : targets) {
      json::object b{{"query", *filter}, {"size", 0}, {"terminate_after", 1}};
      try {
        SearchJob job(c.engine(), {t}, c.engine().snapshot(), b);
        json::object r = job.run();
        if (r["hits"].get_object()["total"].get_object()["value"].to_number<int64_t>() > 0) kept.push_back(t);
      } catch (const ElasticError& e) {
        if (e.status >= 500) throw;
        throw;
      }
    }
    targets = kept;
  }
  bool unmapped = c.flag("include_unmapped", false);
  std::vector<std::string> filters = split(c.param("filters"), ','), types = split(c.param("types"), ',');
  struct Cap { bool searchable = true, aggregatable = true; std::vector<std::string> indices, non_searchable, non_aggregatable; bool metadata = false; size_t dimensions = 0; std::map<std::string, size_t> metrics; };
  std::map<std::string, std::map<std::string, Cap>> fields;
  std::map<std::string, std::set<std::string>> seen_in;
  for (auto& t : targets) {
    auto m = t.index->mapping();
    auto* asked = body.if_contains("runtime_mappings");
    if (json::object runtime = m->runtime(asked != nullptr && asked->is_object() ? asked->get_object() : json::object()); !runtime.empty()) m = m->with_runtime(runtime);
    auto add = [&](const std::string& path, const std::string& type, bool s, bool a, bool meta) {
      bool wanted = false;
      for (auto& p : patterns) wanted |= glob(p, path);
      if (!wanted) return;
      if (!types.empty() && std::find(types.begin(), types.end(), type) == types.end()) return;
      for (auto& f : filters) {
        if (f == "-metadata" && meta) return;
        if (f == "+metadata" && !meta) return;
        if (f == "-nested" && type == "nested") return;
        if (f == "-multifield" && m->fields().count(path) != 0 && !m->fields().at(path).parent.empty()) return;
        if (f == "-parent" && (type == "object" || type == "nested")) return;
      }
      Cap& cap = fields[path][type];
      cap.metadata = meta;
      cap.indices.push_back(t.index->name);
      if (const segments::MappedField* f = m->field(path)) {
        cap.dimensions += f->dimension;
        if (!f->metric.empty()) ++cap.metrics[f->metric];
      }
      if (!s) cap.non_searchable.push_back(t.index->name);
      if (!a) cap.non_aggregatable.push_back(t.index->name);
      seen_in[path].insert(t.index->name);
    };
    for (auto& [path, f] : m->fields()) {
      const segments::MappedField* real = m->field(path);
      if (real == nullptr) continue;
      auto o = real->options();
      std::string type = real->type_name;
      static const std::set<std::string> kKeywordFamily = {"wildcard", "constant_keyword"};
      if (kKeywordFamily.count(type) != 0) type = "keyword";
      if (type == "match_only_text") type = "text";
      bool searchable = real->metadata ? path != "_seq_no" || true : real->type == segments::FieldType::kText || real->type == segments::FieldType::kKeyword ? real->index : (real->index || real->doc_values) && real->type != segments::FieldType::kBinary;
      bool aggregatable = o.column != segments::ColumnKind::kNone && real->doc_values;
      if (real->metadata) {
        if (path == "_doc_count") continue;
        type = path;
        aggregatable = path == "_id" ? false : path == "_index" || path == "_ignored" || path == "_seq_no" || path == "_version";
        if (path == "_field_names" || path == "_routing") aggregatable = false;
        if (path == "_version") searchable = false;
      }
      add(path, type, searchable, aggregatable, real->metadata);
    }
    for (auto& [path, x] : m->json()) (void)path, (void)x;
    std::function<void(const json::object&, const std::string&)> objects = [&](const json::object& props, const std::string& prefix) {
      for (auto& [k, v] : props) {
        if (!v.is_object()) continue;
        auto& d = v.get_object();
        std::string path = prefix + std::string(k);
        std::string type = text_or(d, "type", "object");
        if (type == "object" || type == "nested") add(path, type, false, false, false);
        if (auto* p = d.if_contains("properties"); p != nullptr && p->is_object()) objects(p->get_object(), path + ".");
      }
    };
    if (auto* p = m->json().if_contains("properties"); p != nullptr && p->is_object()) objects(p->get_object(), "");
  }
  json::array names;
  for (auto& t : targets) names.push_back(json::value(t.index->name));
  json::object out;
  for (auto& [path, by_type] : fields) {
    json::object o;
    if (unmapped && seen_in[path].size() < targets.size()) {
      Cap cap;
      for (auto& t : targets) if (seen_in[path].count(t.index->name) == 0) cap.indices.push_back(t.index->name);
      by_type["unmapped"] = cap;
      by_type["unmapped"].non_searchable = by_type["unmapped"].non_aggregatable = cap.indices;
    }
    for (auto& [type, cap] : by_type) {
      auto list = [](const std::vector<std::string>& v) {
        json::array a;
        for (auto& s : v) a.push_back(json::value(s));
        return a;
      };
      json::object e{{"type", type}, {"metadata_field", cap.metadata}, {"searchable", cap.non_searchable.empty()}, {"aggregatable", cap.non_aggregatable.empty()}};
      if (cap.dimensions > 0 && cap.dimensions == cap.indices.size()) e["time_series_dimension"] = true;
      if (cap.metrics.size() == 1 && cap.metrics.begin()->second == cap.indices.size()) e["time_series_metric"] = cap.metrics.begin()->first;
      if (by_type.size() > 1) e["indices"] = list(cap.indices);
      if (!cap.non_searchable.empty() && cap.non_searchable.size() < cap.indices.size()) e["non_searchable_indices"] = list(cap.non_searchable);
      if (!cap.non_aggregatable.empty() && cap.non_aggregatable.size() < cap.indices.size()) e["non_aggregatable_indices"] = list(cap.non_aggregatable);
      o[type] = e;
    }
    out[path] = o;
  }
  return Reply(json::object{{"indices", names}, {"fields", out}});
}

Reply search_shards(Call& c) {
  json::array list;
  json::object indices;
  for (auto& t : c.resolve_param()) {
    int n = std::max(1, std::atoi(t.index->setting("number_of_shards").c_str()));
    json::object info;
    if (!t.filters.empty()) info["filter"] = t.filters[0];
    indices[t.index->name] = info;
    for (int s = 0; s < n; ++s) {
      list.push_back(json::array{json::object{{"state", "STARTED"}, {"primary", true}, {"node", c.engine().node_id()}, {"relocating_node", nullptr}, {"shard", s}, {"index", t.index->name}, {"allocation_id", json::object{{"id", t.index->uuid}}}}});
    }
  }
  json::object node{{"name", c.door.node_name}, {"ephemeral_id", c.engine().node_id()}, {"transport_address", c.door.address}, {"attributes", json::object()}, {"roles", json::array{"data", "ingest", "master"}}};
  return Reply(json::object{{"nodes", json::object{{c.engine().node_id(), node}}}, {"indices", indices}, {"shards", list}});
}

constexpr const char* kSearch = "allow_no_indices,allow_partial_search_results,analyze_wildcard,analyzer,batched_reduce_size,ccs_minimize_roundtrips,default_operator,df,docvalue_fields,expand_wildcards,explain,from,ignore_throttled,ignore_unavailable,index,lenient,max_concurrent_shard_requests,min_compatible_shard_node,pre_filter_shard_size,preference,q,request_cache,rest_total_hits_as_int,routing,scroll,search_type,seq_no_primary_term,size,sort,_source,_source_excludes,_source_includes,stats,stored_fields,suggest_field,suggest_mode,suggest_size,suggest_text,terminate_after,timeout,track_scores,track_total_hits,typed_keys,version,force_synthetic_source,include_named_queries_score";
constexpr const char* kMulti = "allow_no_indices,ccs_minimize_roundtrips,expand_wildcards,ignore_throttled,ignore_unavailable,index,include_named_queries_score,max_concurrent_searches,max_concurrent_shard_requests,pre_filter_shard_size,rest_total_hits_as_int,routing,search_type,typed_keys";
constexpr const char* kPlain = "max_concurrent_shard_requests,allow_no_indices,expand_wildcards,ignore_throttled,ignore_unavailable,analyze_wildcard,analyzer,default_operator,df,lenient,preference,q,routing,min_score,terminate_after,explain,rewrite,all_shards,_source,_source_excludes,_source_includes,stored_fields,local,master_timeout,keep_alive,index_filter,fields,include_unmapped,filters,types,include_empty_fields,allow_partial_search_results";

}  // namespace

json::object search_body(Call& c) {
  json::object body = c.body();
  auto copy_number = [&](const char* key) {
    if (c.has(key)) body[key] = c.number(key, 0);
  };
  if (c.has("q")) {
    json::object q{{"query", c.param("q")}};
    if (c.has("df")) q["default_field"] = c.param("df");
    if (c.has("default_operator")) q["default_operator"] = c.param("default_operator");
    if (c.has("analyzer")) q["analyzer"] = c.param("analyzer");
    if (c.has("analyze_wildcard")) q["analyze_wildcard"] = c.flag("analyze_wildcard", false);
    if (c.has("lenient")) q["lenient"] = c.flag("lenient", false);
    body["query"] = json::object{{"query_string", q}};
  }
  copy_number("from");
  copy_number("size");
  copy_number("terminate_after");
  for (const char* f : {"explain", "version", "seq_no_primary_term", "track_scores"}) {
    if (c.has(f) && c.request.path.find("_validate") == std::string::npos) body[f] = c.flag(f, true);
  }
  if (c.has("track_total_hits")) {
    std::string t = c.param("track_total_hits");
    if (t == "true" || t == "false" || t.empty()) body["track_total_hits"] = t != "false";
    else body["track_total_hits"] = c.number("track_total_hits", 0);
  }
  if (c.has("sort")) {
    json::array list;
    for (auto& s : split(c.param("sort"), ',')) {
      size_t colon = s.rfind(':');
      if (colon != std::string::npos && (s.substr(colon + 1) == "asc" || s.substr(colon + 1) == "desc")) list.push_back(json::object{{s.substr(0, colon), s.substr(colon + 1)}});
      else if (colon != std::string::npos) illegal("Unknown sort order [" + s.substr(colon + 1) + "]");
      else list.push_back(json::value(s));
    }
    body["sort"] = list;
  }
  auto list_param = [&](const char* key) {
    if (!c.has(key)) return;
    json::array a;
    for (auto& s : split(c.param(key), ',')) a.push_back(json::value(s));
    body[key] = a;
  };
  list_param("stored_fields");
  list_param("docvalue_fields");
  if (c.has("_source") || c.has("_source_includes") || c.has("_source_excludes")) {
    std::string s = c.param("_source", "true");
    if (s == "false") {
      body["_source"] = false;
    } else {
      json::object f;
      json::array in, ex;
      if (s != "true" && !s.empty()) for (auto& x : split(s, ',')) in.push_back(json::value(x));
      for (auto& x : split(c.param("_source_includes"), ',')) in.push_back(json::value(x));
      for (auto& x : split(c.param("_source_excludes"), ',')) ex.push_back(json::value(x));
      if (!in.empty()) f["includes"] = in;
      if (!ex.empty()) f["excludes"] = ex;
      if (in.empty() && ex.empty()) body["_source"] = true;
      else body["_source"] = f;
    }
  }
  return body;
}

std::vector<std::pair<std::string, uint64_t>> matching_documents(Call& c, const Call::Target& t, const json::object& body, uint64_t limit, const json::value& sort) {
  json::object only{{"size", 0}};
  if (auto* q = body.if_contains("query")) only["query"] = *q;
  if (!sort.is_null()) only["sort"] = sort;
  else only["sort"] = json::array{"_doc"};
  SearchJob job(c.engine(), {t}, c.engine().snapshot(), only);
  try {
    job.collect(static_cast<size_t>(std::min<uint64_t>(limit, 100000000)));
  } catch (const Error& e) {
    throw search_failure(e, *t.index, c.engine().node_id());
  }
  std::vector<std::pair<std::string, uint64_t>> out;
  for (const Hit& h : job.hits()) out.emplace_back(job.id_of(h.leaf, h.doc), job.leaf(h.leaf).segment->row_id(h.doc));
  return out;
}

std::vector<Route> search_routes() {
  return {
      {"GET,POST", "/_search", search, kSearch},
      {"GET,POST", "/{index}/_search", search, kSearch},
      {"GET,POST", "/_msearch", msearch, kMulti},
      {"GET,POST", "/{index}/_msearch", msearch, kMulti},
      {"GET,POST", "/_search/scroll", scroll, "scroll,scroll_id,rest_total_hits_as_int"},
      {"GET,POST", "/_search/scroll/{scroll_id}", scroll, "scroll,scroll_id,rest_total_hits_as_int"},
      {"DELETE", "/_search/scroll", clear_scroll, ""},
      {"DELETE", "/_search/scroll/{scroll_id}", clear_scroll, ""},
      {"POST", "/{index}/_pit", open_pit, kPlain},
      {"DELETE", "/_pit", close_pit, ""},
      {"GET,POST", "/_count", count, kPlain},
      {"GET,POST", "/{index}/_count", count, kPlain},
      {"GET,POST", "/{index}/_explain/{id}", explain_one, kPlain},
      {"GET,POST", "/_validate/query", validate, kPlain},
      {"GET,POST", "/{index}/_validate/query", validate, kPlain},
      {"GET,POST", "/_field_caps", field_caps, kPlain},
      {"GET,POST", "/{index}/_field_caps", field_caps, kPlain},
      {"GET,POST", "/_search_shards", search_shards, kPlain},
      {"GET,POST", "/{index}/_search_shards", search_shards, kPlain},
  };
}

}  // namespace stele::elastic
