// Searches that are made or judged by others: templates (mustache), asynchronous searches, rank evaluation, enumeration of terms.
#include <cmath>

#include "doors/elastic/scripts.h"
#include "doors/elastic/search_job.h"

namespace stele::elastic {

namespace {

// Mustache as search templates use it: variables (escaped as JSON strings), sections, and toJson, join and url.
class Mustache {
 public:
  explicit Mustache(std::string source) : source_(std::move(source)) {}
  std::string render(const json::value& params) {
    std::string out;
    std::vector<const json::value*> scopes{&params};
    size_t at = 0;
    section(at, "", scopes, &out);
    return out;
  }

 private:
  static const json::value* lookup(const std::string& path, const std::vector<const json::value*>& scopes) {
    if (path == ".") return scopes.back();
    for (size_t i = scopes.size(); i-- > 0;) {
      const json::value* v = scopes[i];
      bool found = true;
      for (auto& part : split(path, '.')) {
        const json::value* next = nullptr;
        if (v->is_object()) next = v->get_object().if_contains(part);
        else if (v->is_array() && !part.empty() && part.find_first_not_of("0123456789") == std::string::npos && std::stoul(part) < v->get_array().size()) next = &v->get_array()[std::stoul(part)];
        if (next == nullptr) {
          found = false;
          break;
        }
        v = next;
      }
      if (found) return v;
    }
    return nullptr;
  }
  static std::string text(const json::value* v) {
    if (v == nullptr || v->is_null()) return {};
    return v->is_object() || v->is_array() ? json::serialize(*v) : json_text(*v);
  }
  static std::string escaped(const std::string& s) {
    std::string quoted = json::serialize(json::value(s));
    return quoted.substr(1, quoted.size() - 2);
  }
  static std::string url(const std::string& s) {
    std::string out;
    for (char c : s) {
      if (std::isalnum(static_cast<unsigned char>(c)) != 0 || std::strchr("-_.*", c) != nullptr) out.push_back(c);
      else if (c == ' ') out.push_back('+');
      else out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
  }
  // Renders until the end of section `name`; out may be null to skip.
  void section(size_t& at, const std::string& name, std::vector<const json::value*>& scopes, std::string* out) {
    if (scopes.size() > 50) illegal("mustache sections are nested too deeply");
    for (;;) {
      size_t open = source_.find("{{", at);
      if (out != nullptr) out->append(source_, at, (open == std::string::npos ? source_.size() : open) - at);
      if (open == std::string::npos) {
        if (!name.empty()) broken("Improperly closed variable: missing end of section [" + name + "]");
        at = source_.size();
        return;
      }
      bool triple = source_.compare(open, 3, "{{{") == 0;
      size_t close = source_.find(triple ? "}}}" : "}}", open);
      if (close == std::string::npos) broken("Improperly closed variable in query-template");
      std::string tag = source_.substr(open + (triple ? 3 : 2), close - open - (triple ? 3 : 2));
      at = close + (triple ? 3 : 2);
      size_t from = tag.find_first_not_of(' '), to = tag.find_last_not_of(' ');
      tag = from == std::string::npos ? "" : tag.substr(from, to - from + 1);
      if (tag.empty()) continue;
      char kind = tag[0];
      if (kind == '!') continue;
      if (kind == '/') {
        if (tag.substr(1) != name.substr(0, name.find(' ')) && tag.substr(1) != name) broken("mismatched end of section [" + tag.substr(1) + "]");
        return;
      }
      if (kind == '#' || kind == '^') {
        std::string inner = tag.substr(1), word = inner.substr(0, inner.find(' '));
        size_t start = at;
        if (kind == '#' && (word == "toJson" || word == "join" || word == "url")) {
          std::string body;
          section(at, inner, scopes, nullptr);
          size_t end = source_.rfind("{{", at - 1);
          body = source_.substr(start, end - start);
          if (out == nullptr) continue;
          if (word == "url") {
            Mustache nested(body);
            std::string rendered;
            size_t p = 0;
            nested.section(p, "", scopes, &rendered);
            *out += url(rendered);
            continue;
          }
          const json::value* v = lookup(body, scopes);
          if (word == "toJson") {
            *out += v == nullptr ? "null" : json::serialize(*v);
            continue;
          }
          std::string by = ",";
          if (size_t q = inner.find('\''); q != std::string::npos) by = inner.substr(q + 1, inner.rfind('\'') - q - 1);
          std::string joined;
          if (v != nullptr && v->is_array()) {
            for (size_t i = 0; i < v->get_array().size(); ++i) joined += (i > 0 ? by : "") + text(&v->get_array()[i]);
          } else {
            joined = text(v);
          }
          *out += escaped(joined);
          continue;
        }
        const json::value* v = lookup(inner, scopes);
        bool truthy = v != nullptr && !v->is_null() && !(v->is_bool() && !v->get_bool()) && !(v->is_array() && v->get_array().empty()) && !(v->is_string() && v->get_string().empty());
        if (kind == '^') {
          section(at, inner, scopes, truthy ? nullptr : out);
        } else if (!truthy) {
          section(at, inner, scopes, nullptr);
        } else if (v->is_array()) {
          for (auto& e : v->get_array()) {
            at = start;
            scopes.push_back(&e);
            section(at, inner, scopes, out);
            scopes.pop_back();
          }
        } else {
          scopes.push_back(v);
          section(at, inner, scopes, out);
          scopes.pop_back();
        }
        continue;
      }
      if (out == nullptr) continue;
      bool raw = triple || kind == '&';
      std::string path = kind == '&' ? tag.substr(tag.find_first_not_of(' ', 1)) : tag, value;
      if (path.ends_with(".size")) {
        const json::value* v = lookup(path.substr(0, path.size() - 5), scopes);
        value = v != nullptr && v->is_array() ? std::to_string(v->get_array().size()) : "";
      } else {
        value = text(lookup(path, scopes));
      }
      *out += raw ? value : escaped(value);
    }
  }
  [[noreturn]] static void broken(const std::string& why) { throw ElasticError(400, "general_script_exception", "Failed to compile inline script: " + why); }
  std::string source_;
};

// The search that a template and its parameters make.
json::object rendered(Call& c, const json::object& spec) {
  for (auto& [k, v] : spec) {
    if (k != "source" && k != "id" && k != "params" && k != "explain" && k != "profile" && k != "file" && k != "inline") throw ElasticError(400, "x_content_parse_exception", "[1:2] [search_template] unknown field [" + std::string(k) + "]");
  }
  std::string source;
  std::string id = text_or(spec, "id", c.part("id"));
  if (!id.empty()) {
    auto stored = stored_scripts(c.engine())(id);
    if (!stored) throw ElasticError(404, "resource_not_found_exception", "unable to find script [" + id + "] in cluster state");
    source = *stored;
  } else if (auto* s = spec.if_contains("source")) {
    source = s->is_object() ? json::serialize(*s) : json_text(*s);
  } else {
    invalid({"template is missing"});
  }
  json::value none = json::object();
  auto* p = spec.if_contains("params");
  std::string text = Mustache(source).render(p == nullptr || p->is_null() ? none : *p);
  json::value v = parse_json(text);
  if (!v.is_object()) throw ElasticError(400, "parsing_exception", "Expected [START_OBJECT] in the rendered template", json::object{{"line", 1}, {"col", 1}});
  json::object body = v.get_object();
  for (const char* k : {"explain", "profile"}) if (auto* x = spec.if_contains(k)) body[k] = *x;
  return body;
}

Reply render_template(Call& c) { return Reply(json::object{{"template_output", rendered(c, c.body())}}); }
Reply search_template(Call& c) {
  json::object body = rendered(c, c.body(true));
  bool as_int = c.flag("rest_total_hits_as_int", false);
  if (as_int && !body.contains("track_total_hits")) body["track_total_hits"] = true;
  return Reply(search_json(c, c.part("index"), std::move(body), as_int, c.flag("typed_keys", false)));
}
Reply msearch_template(Call& c) {
  const std::string& text = c.request.body;
  if (text.find_first_not_of(" \r\n\t") == std::string::npos) throw ElasticError(400, "parse_exception", "request body is required");
  std::vector<std::string> lines;
  for (auto& l : split(text, '\n')) if (l.find_first_not_of(" \r") != std::string::npos) lines.push_back(l);
  auto started = std::chrono::steady_clock::now();
  bool as_int = c.flag("rest_total_hits_as_int", false);
  json::array out;
  for (size_t i = 0; i + 1 < lines.size(); i += 2) {
    try {
      json::value head = parse_json(lines[i]), spec = parse_json(lines[i + 1]);
      std::string expr = head.is_object() && head.get_object().contains("index") ? (head.get_object().at("index").is_array() ? "" : text_or(head.get_object(), "index")) : c.part("index");
      if (head.is_object() && head.get_object().contains("index") && head.get_object().at("index").is_array()) for (auto& e : head.get_object().at("index").get_array()) expr += (expr.empty() ? "" : ",") + json_text(e);
      if (!spec.is_object()) throw ElasticError(400, "parsing_exception", "Expected [START_OBJECT]");
      json::object body = rendered(c, spec.get_object());
      if (as_int && !body.contains("track_total_hits")) body["track_total_hits"] = true;
      json::object r = search_json(c, expr, std::move(body), as_int, c.flag("typed_keys", false));
      r["status"] = 200;
      out.push_back(std::move(r));
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

// --- Asynchronous searches: they are finished when they are answered, and kept for as long as they were asked to be.

json::object kept_search(Call& c, const std::string& id) {
  std::lock_guard lock(c.door.settings_mutex);
  int64_t now = c.engine().now_ms();
  std::erase_if(c.door.async_searches, [&](auto& e) { return e.second.at("expiration_time_in_millis").template to_number<int64_t>() < now; });
  auto it = c.door.async_searches.find(id);
  if (it == c.door.async_searches.end()) throw ElasticError(404, "resource_not_found_exception", id);
  if (c.has("keep_alive")) it->second["expiration_time_in_millis"] = now + static_cast<int64_t>(segments::parse_time_ms(c.param("keep_alive")).value_or(0));
  return it->second;
}
Reply submit_async(Call& c) {
  json::object body = search_body(c);
  if (body.contains("suggest") && body.size() == 1) invalid({"suggest-only queries are not supported"});
  if (c.has("batched_reduce_size") && c.number("batched_reduce_size", 5) < 2) illegal("batchedReduceSize must be >= 2");
  auto keep = segments::parse_time_ms(c.param("keep_alive", "5d"));
  if (!keep) illegal("failed to parse setting [keep_alive] with value [" + c.param("keep_alive") + "] as a time value: unit is missing or unrecognized");
  if (*keep < 60000) invalid({"[keep_alive] must be greater or equals than 1 minute, got:" + c.param("keep_alive")});
  if (!body.contains("track_total_hits")) body["track_total_hits"] = true;
  int64_t start = c.engine().now_ms();
  json::object response = search_json(c, c.part("index"), std::move(body), c.flag("rest_total_hits_as_int", false), c.flag("typed_keys", false));
  json::object out{{"is_partial", false}, {"is_running", false}, {"start_time_in_millis", start}, {"expiration_time_in_millis", start + static_cast<int64_t>(*keep)}, {"completion_time_in_millis", c.engine().now_ms()}, {"response", response}};
  if (!c.flag("keep_on_completion", false)) return Reply(out);
  std::string id = Engine::new_id() + Engine::new_id();
  json::object with{{"id", id}};
  for (auto& [k, v] : out) with[k] = v;
  std::lock_guard lock(c.door.settings_mutex);
  if (c.door.async_searches.size() >= 1000) throw ElasticError(429, "rejected_execution_exception", "too many asynchronous searches are kept");
  c.door.async_searches[id] = with;
  return Reply(with);
}
Reply get_async(Call& c) { return Reply(kept_search(c, c.part("id"))); }
Reply async_status(Call& c) {
  json::object kept = kept_search(c, c.part("id"));
  kept["_shards"] = kept.at("response").get_object().at("_shards");
  kept["completion_status"] = 200;
  kept.erase("response");
  return Reply(kept);
}
Reply delete_async(Call& c) {
  std::lock_guard lock(c.door.settings_mutex);
  if (c.door.async_searches.erase(c.part("id")) == 0) throw ElasticError(404, "resource_not_found_exception", c.part("id"));
  return Reply(json::object{{"acknowledged", true}});
}

// --- Terms of a keyword field that begin with a text.
Reply terms_enum(Call& c) {
  json::object body = c.body(true);
  for (auto& [k, v] : body) {
    static const std::set<std::string_view> kKnown = {"field", "string", "size", "timeout", "case_insensitive", "index_filter", "search_after"};
    if (kKnown.count(k) == 0) throw ElasticError(400, "x_content_parse_exception", "[1:2] [terms_enum] unknown field [" + std::string(k) + "]");
  }
  std::string field = text_or(body, "field"), prefix = text_or(body, "string"), after = text_or(body, "search_after");
  if (field.empty()) invalid({"field cannot be null"});
  int64_t size = body.contains("size") ? std::atoll(text_or(body, "size").c_str()) : 10;
  if (size <= 0) invalid({"size must be positive"});
  bool fold = flag_or(body, "case_insensitive", false);
  auto lower = [](std::string s) {
    for (char& ch : s) ch = static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
    return s;
  };
  if (fold) prefix = lower(prefix);
  std::set<std::string> terms;
  auto targets = c.resolve_param();
  auto snapshot = c.engine().snapshot();
  for (auto& t : targets) {
    if (auto* filter = body.if_contains("index_filter"); filter != nullptr && filter->is_object()) {
      SearchJob job(c.engine(), {t}, snapshot, json::object{{"query", *filter}, {"size", 0}});
      json::object r = job.run();
      if (r["hits"].get_object()["total"].get_object()["value"].to_number<int64_t>() == 0) continue;
    }
    auto mapping = t.index->mapping();
    const segments::MappedField* f = mapping->field(field);
    if (f == nullptr) continue;
    if (f->type != segments::FieldType::kKeyword && f->type != segments::FieldType::kIp) continue;
    for (auto& leaf : c.engine().leaves(*t.index, snapshot)) {
      segments::Column column = leaf.segment->column(f->path);
      if (!column || column.kind() != segments::ColumnKind::kKeyword) continue;
      std::vector<bool> alive(column.terms());
      for (uint32_t d = 0; d < leaf.segment->docs(); ++d) {
        if (!leaf.visible(d)) continue;
        for (uint32_t i = column.begin(d), e = column.end(d); i < e; ++i) alive[static_cast<size_t>(column.value(i))] = true;
      }
      for (uint64_t o = 0; o < column.terms(); ++o) {
        if (!alive[o]) continue;
        std::string term(column.term(o));
        if (f->type == segments::FieldType::kIp) term = segments::decode_ip(term);
        if (!(fold ? lower(term) : term).starts_with(prefix) || (!after.empty() && term <= after)) continue;
        terms.insert(std::move(term));
      }
    }
  }
  json::array list;
  for (auto& s : terms) if (static_cast<int64_t>(list.size()) < size) list.push_back(json::value(s));
  return Reply(json::object{{"_shards", shards(static_cast<int64_t>(targets.size()), false)}, {"terms", list}, {"complete", static_cast<int64_t>(terms.size()) <= size}});
}

// --- Rank evaluation
Reply rank_eval(Call& c) {
  json::object body = c.body(true);
  auto* requests = body.if_contains("requests");
  auto* metric = body.if_contains("metric");
  if (requests == nullptr || !requests->is_array()) throw ElasticError(400, "x_content_parse_exception", "Required [requests]");
  if (metric == nullptr || !metric->is_object() || metric->get_object().size() != 1) throw ElasticError(400, "x_content_parse_exception", "Required [metric]");
  std::string kind(metric->get_object().begin()->key());
  const json::value& spec = metric->get_object().begin()->value();
  json::object options = spec.is_object() ? spec.get_object() : json::object();
  static const std::set<std::string> kMetrics = {"precision", "recall", "mean_reciprocal_rank", "dcg", "expected_reciprocal_rank"};
  if (kMetrics.count(kind) == 0) throw ElasticError(400, "named_object_not_found_exception", "[1:1] unknown field [" + kind + "]");
  auto number = [&](const char* key, double fallback) { return options.contains(key) ? options.at(key).to_number<double>() : fallback; };
  auto k = static_cast<int64_t>(number("k", 10)), relevant_from = static_cast<int64_t>(number("relevant_rating_threshold", 1));
  if (k <= 0) illegal("Number of documents in the top k [" + std::to_string(k) + "] must be larger than 0");
  std::map<std::string, json::object> templates;
  if (auto* t = body.if_contains("templates"); t != nullptr && t->is_array()) {
    for (auto& e : t->get_array()) templates[text_or(e.as_object(), "id")] = e.as_object().at("template").as_object();
  }
  json::object details, failures;
  double total = 0;
  int64_t good = 0;
  for (auto& entry : requests->get_array()) {
    const json::object& r = entry.as_object();
    std::string id = text_or(r, "id");
    std::map<std::pair<std::string, std::string>, int64_t> ratings;
    if (auto* list = r.if_contains("ratings"); list != nullptr && list->is_array()) {
      for (auto& e : list->get_array()) ratings[{text_or(e.as_object(), "_index"), text_or(e.as_object(), "_id")}] = e.as_object().at("rating").to_number<int64_t>();
    }
    json::object search;
    try {
      if (std::string t = text_or(r, "template_id"); !t.empty()) {
        if (templates.count(t) == 0) illegal("Template ids missing for template [" + t + "]");
        json::object made = templates.at(t);
        if (auto* p = r.if_contains("params")) made["params"] = *p;
        search = rendered(c, made);
      } else if (auto* q = r.if_contains("request"); q != nullptr && q->is_object()) {
        search = q->get_object();
      }
      search["size"] = k;
      json::object reply = search_json(c, c.part("index"), search, false, false);
      json::array hits, unrated;
      std::vector<int64_t> rated;
      int64_t relevant = 0, retrieved = 0;
      double value = 0;
      for (auto& h : reply["hits"].get_object()["hits"].get_array()) {
        const json::object& o = h.as_object();
        std::pair<std::string, std::string> key{text_or(o, "_index"), text_or(o, "_id")};
        auto it = ratings.find(key);
        json::object shown{{"hit", json::object{{"_index", key.first}, {"_id", key.second}, {"_score", o.at("_score")}}}, {"rating", it == ratings.end() ? json::value(nullptr) : json::value(it->second)}};
        hits.push_back(shown);
        if (it == ratings.end()) {
          unrated.push_back(json::object{{"_index", key.first}, {"_id", key.second}});
          rated.push_back(-1);
          if (!flag_or(options, "ignore_unlabeled", false)) ++retrieved;
        } else {
          rated.push_back(it->second);
          ++retrieved;
          if (it->second >= relevant_from) ++relevant;
        }
      }
      json::object shown;
      if (kind == "precision") {
        value = retrieved == 0 ? 0 : static_cast<double>(relevant) / static_cast<double>(retrieved);
        shown = json::object{{"precision", json::object{{"relevant_docs_retrieved", relevant}, {"docs_retrieved", retrieved}}}};
      } else if (kind == "recall") {
        int64_t all = 0;
        for (auto& [key, x] : ratings) all += x >= relevant_from;
        value = all == 0 ? 0 : static_cast<double>(relevant) / static_cast<double>(all);
        shown = json::object{{"recall", json::object{{"relevant_docs_retrieved", relevant}, {"relevant_docs", all}}}};
      } else if (kind == "mean_reciprocal_rank") {
        int64_t first = -1;
        for (size_t i = 0; i < rated.size() && first < 0; ++i) if (rated[i] >= relevant_from) first = static_cast<int64_t>(i) + 1;
        value = first < 0 ? 0 : 1.0 / static_cast<double>(first);
        shown = json::object{{"mean_reciprocal_rank", json::object{{"first_relevant", first}}}};
      } else if (kind == "dcg") {
        auto gain = [](const std::vector<int64_t>& list) {
          double sum = 0;
          for (size_t i = 0; i < list.size(); ++i) if (list[i] > 0) sum += (std::exp2(static_cast<double>(list[i])) - 1) / std::log2(static_cast<double>(i) + 2);
          return sum;
        };
        value = gain(rated);
        double dcg = value, ideal = 0;
        bool normalized = flag_or(options, "normalize", false);
        if (normalized) {
          std::vector<int64_t> best;
          for (auto& [key, x] : ratings) best.push_back(x);
          std::sort(best.rbegin(), best.rend());
          if (static_cast<int64_t>(best.size()) > k) best.resize(static_cast<size_t>(k));
          ideal = gain(best);
          value = ideal == 0 ? 0 : dcg / ideal;
        }
        json::object d{{"dcg", dcg}};
        if (normalized) {
          d["ideal_dcg"] = ideal;
          d["normalized_dcg"] = value;
        }
        d["unrated_docs"] = unrated.size();
        shown = json::object{{"dcg", d}};
      } else {
        auto best = static_cast<double>(number("maximum_relevance", 0));
        if (best <= 0) throw ElasticError(400, "illegal_argument_exception", "Required [maximum_relevance]");
        double stop = 1;
        for (size_t i = 0; i < rated.size(); ++i) {
          double p = rated[i] <= 0 ? 0 : (std::exp2(static_cast<double>(rated[i])) - 1) / std::exp2(best);
          value += stop * p / static_cast<double>(i + 1);
          stop *= 1 - p;
        }
        shown = json::object{{"expected_reciprocal_rank", json::object{{"unrated_docs", unrated.size()}}}};
      }
      details[id] = json::object{{"metric_score", value}, {"unrated_docs", unrated}, {"hits", hits}, {"metric_details", shown}};
      total += value;
      ++good;
    } catch (const ElasticError& e) {
      failures[id] = e.body();
    } catch (const Error& e) {
      failures[id] = to_elastic(e).body();
    }
  }
  return Reply(json::object{{"metric_score", good == 0 ? 0.0 : total / static_cast<double>(good)}, {"details", details}, {"failures", failures}});
}

// The knn search of old: its members stand at the top.
Reply knn_search(Call& c) {
  json::object body = c.body(true), search;
  if (!body.contains("knn")) throw ElasticError(400, "x_content_parse_exception", "[knn-search] requires [knn]");
  json::object knn = body.at("knn").as_object();
  if (auto* f = body.if_contains("filter")) knn["filter"] = *f;
  for (auto& [k, v] : body) {
    if (k == "knn" || k == "filter") continue;
    if (k != "_source" && k != "fields" && k != "docvalue_fields" && k != "stored_fields") throw ElasticError(400, "x_content_parse_exception", "[1:2] [knn-search] unknown field [" + std::string(k) + "]");
    search[k] = v;
  }
  search["knn"] = knn;
  search["size"] = knn.contains("k") ? knn.at("k") : json::value(10);
  return Reply(search_json(c, c.part("index"), std::move(search), false, false));
}
Reply no_tiles(Call&) { throw ElasticError(400, "illegal_argument_exception", "vector tiles are not supported by this server"); }

constexpr const char* kParams = "index,allow_no_indices,expand_wildcards,ignore_unavailable,ignore_throttled,preference,routing,scroll,search_type,explain,profile,rest_total_hits_as_int,typed_keys,ccs_minimize_roundtrips,max_concurrent_searches,max_concurrent_shard_requests,allow_partial_search_results";
constexpr const char* kAsync = "wait_for_completion_timeout,keep_on_completion,keep_alive,batched_reduce_size,request_cache,analyzer,analyze_wildcard,default_operator,df,explain,stored_fields,docvalue_fields,from,ignore_unavailable,ignore_throttled,allow_no_indices,expand_wildcards,lenient,preference,rest_total_hits_as_int,q,routing,search_type,size,sort,_source,_source_excludes,_source_includes,terminate_after,stats,"
                               "suggest_field,suggest_mode,suggest_size,suggest_text,timeout,track_scores,track_total_hits,allow_partial_search_results,typed_keys,version,seq_no_primary_term,max_concurrent_shard_requests,ccs_minimize_roundtrips,return_intermediate_results";

}  // namespace

std::vector<Route> search_template_routes() {
  return {
      {"GET,POST", "/_search/template", search_template, kParams},
      {"GET,POST", "/{index}/_search/template", search_template, kParams},
      {"GET,POST", "/_msearch/template", msearch_template, kParams},
      {"GET,POST", "/{index}/_msearch/template", msearch_template, kParams},
      {"GET,POST", "/_render/template", render_template, kParams},
      {"GET,POST", "/_render/template/{id}", render_template, kParams},
      {"POST", "/_async_search", submit_async, kAsync},
      {"POST", "/{index}/_async_search", submit_async, kAsync},
      {"GET", "/_async_search/{id}", get_async, kAsync},
      {"GET", "/_async_search/status/{id}", async_status, kAsync},
      {"DELETE", "/_async_search/{id}", delete_async, kAsync},
      {"GET,POST", "/{index}/_terms_enum", terms_enum, kParams},
      {"GET,POST", "/_rank_eval", rank_eval, kParams},
      {"GET,POST", "/{index}/_rank_eval", rank_eval, kParams},
      {"GET,POST", "/{index}/_knn_search", knn_search, kParams},
      {"GET,POST", "/{index}/_mvt/{field}/{zoom}/{x}/{y}", no_tiles, "exact_bounds,extent,grid_precision,grid_type,size,track_total_hits,with_labels,grid_agg"},
  };
}

}  // namespace stele::elastic
