#include "doors/elastic/search_job.h"

#include "doors/elastic/index_settings.h"
#include "doors/elastic/scripts.h"
#include "segments/search/scorers.h"

namespace stele::elastic {

using segments::ColumnKind;
using segments::FieldType;
using segments::kNoDoc;
using segments::MappedField;
using segments::QueryPtr;

ElasticError search_failure(const Error& e, const Index& index, const std::string& node) {
  if (e.code() == ErrorCode::kParsing || e.code() == ErrorCode::kXContentParse) return to_elastic(e);
  if (e.message().starts_with("Validation Failed:")) return ElasticError(400, "action_request_validation_exception", e.message());
  json::object cause = cause_of(e);
  json::object shard_cause = cause;
  if (e.code() == ErrorCode::kQueryShard) {
    cause["index_uuid"] = index.uuid;
    cause["index"] = index.name;
    shard_cause = cause;
  }
  int status = rendering(e.code()).http_status;
  ElasticError out(status, "search_phase_execution_exception", "all shards failed");
  out.error["phase"] = "query";
  out.error["grouped"] = true;
  out.error["failed_shards"] = json::array{json::object{{"shard", 0}, {"index", index.name}, {"node", node}, {"reason", shard_cause}}};
  if (e.code() == ErrorCode::kInvalidParameterValue) {
    json::object c = cause;
    c["caused_by"] = json::object{{"type", cause["type"]}, {"reason", cause["reason"]}};
    out.error["caused_by"] = c;
  }
  out.root_cause = json::array{cause};
  return out;
}

namespace {
constexpr int64_t kMaxWindow = 10000;
int64_t integer(const json::object& o, const char* key, int64_t fallback) {
  auto* v = o.if_contains(key);
  if (v == nullptr || v->is_null()) return fallback;
  if (v->is_number()) {
    boost::system::error_code inexact;
    int64_t n = v->to_number<int64_t>(inexact);
    if (inexact) illegal("Failed to parse value [" + json_text(*v) + "] for [" + std::string(key) + "] as an integer");
    return n;
  }
  std::string s = json_text(*v);
  char* end;
  int64_t n = std::strtoll(s.c_str(), &end, 10);
  if (*end != 0 || s.empty()) throw ElasticError(400, "number_format_exception", "For input string: \"" + s + "\"");
  return n;
}
}  // namespace

SearchJob::SearchJob(Engine& engine, const std::vector<Call::Target>& targets, storage::SnapshotPtr snapshot, const json::object& b, bool for_scroll)
    : body(b), scrolling(for_scroll), engine_(engine), targets_(targets), snapshot_(std::move(snapshot)) {
  rewrite_scripts();
  for (const Call::Target& t : targets) {
    check_blocks(*t.index, kReading);
    Part p;
    p.index = t.index;
    p.mapping = t.index->mapping();
    p.searcher = std::make_unique<segments::Searcher>(leaves_of(p), 2.2f);
    parts_.push_back(std::move(p));
  }
  for (size_t i = 0; i < parts_.size(); ++i) {
    Part& p = parts_[i];
    p.first_leaf = leaves_.size();
    for (size_t l = 0; l < p.searcher->leaves().size(); ++l) leaves_.push_back({i, l});
    p.dsl.mapping = p.mapping.get();
    p.dsl.now_ms = engine_.now_ms();
    p.dsl.index_name = p.index->name;
    p.dsl.allow_expensive = expensive_queries_allowed();
    if (std::string n = p.index->setting("max_terms_count"); !n.empty()) p.dsl.max_terms = std::atoll(n.c_str());
    p.dsl.percolations = std::make_shared<std::vector<segments::DslContext::Percolation>>();
    p.dsl.stored_script = stored_scripts(engine_);
    p.dsl.fetch = [this](const std::string& index, const std::string& id) -> std::optional<json::object> {
      IndexPtr x = engine_.find(index);
      if (!x) throw index_missing(index);
      Document d = engine_.get(*x, id);
      if (!d.found) return std::nullopt;
      return d.source;
    };
    auto all = segments::make_query(segments::QueryKind::kMatchAll);
    try {
      auto* q = body.if_contains("query");
      p.query = q == nullptr || q->is_null() ? QueryPtr(all) : segments::parse_query(*q, p.dsl);
      if (float boost = index_boost(p.index->name); boost != 1) {
        auto louder = std::make_shared<segments::Query>(*p.query);
        louder->boost *= boost;
        p.query = louder;
      }
      collect_named(p.query, p.named);
      if (!targets[i].filters.empty()) {
        auto guard = segments::make_query(segments::QueryKind::kBool);
        auto any = segments::make_query(segments::QueryKind::kBool);
        any->minimum_should_match = 1;
        for (const json::value& f : targets[i].filters) any->should.push_back(segments::parse_query(f, p.dsl));
        guard->must.push_back(p.query);
        guard->filter.push_back(any);
        p.query = guard;
      }
      if (auto* f = body.if_contains("post_filter"); f != nullptr && !f->is_null()) p.post_filter = segments::parse_query(*f, p.dsl);
    } catch (const Error& e) {
      throw search_failure(e, *p.index, engine_.node_id());
    }
  }
  if (parts_.empty()) {
    // Still a query to be checked.
    if (auto* q = body.if_contains("query"); q != nullptr && q->is_object()) {
      auto mapping = segments::Mapping::parse({}, nullptr);
      segments::DslContext ctx;
      ctx.mapping = mapping.get();
      try {
        segments::parse_query(*q, ctx);
      } catch (const Error& e) {
        if (e.code() == ErrorCode::kParsing) throw to_elastic(e);
      }
    }
  }
  parse();
}

int64_t SearchJob::shard_count() const {
  int64_t n = 0;
  for (const Part& p : parts_) {
    std::string s = p.index->setting("number_of_shards");
    n += s.empty() ? 1 : std::max(1, std::atoi(s.c_str()));
  }
  return n;
}

void SearchJob::parse() {
  static const std::set<std::string_view> kKnown = {
      "query", "from", "size", "sort", "_source", "aggs", "aggregations", "post_filter", "min_score", "highlight", "explain", "version",
      "seq_no_primary_term", "stored_fields", "docvalue_fields", "fields", "search_after", "track_total_hits", "track_scores",
      "terminate_after", "timeout", "collapse", "rescore", "indices_boost", "pit", "slice", "profile", "stats", "suggest", "ext",
      "script_fields", "runtime_mappings", "knn", "rank", "min_compatible_shard_node", "retriever"};
  for (auto& [k, v] : body) {
    if (kKnown.count(k) == 0) {
      throw ElasticError(400, "parsing_exception", "unknown key [" + std::string(k) + "] for a " + (v.is_object() ? "START_OBJECT" : v.is_array() ? "START_ARRAY" : v.is_number() ? "VALUE_NUMBER" : v.is_bool() ? "VALUE_BOOLEAN" : v.is_null() ? "VALUE_NULL" : "VALUE_STRING") + " in [" + std::string(k) + "].", json::object{{"line", 1}, {"col", 2}});
    }
  }
  check_options(body);
  int64_t from = integer(body, "from", 0), size = integer(body, "size", 10);
  if (from < 0) illegal("[from] parameter cannot be negative but was [" + std::to_string(from) + "]");
  if (size < 0) illegal("[size] parameter cannot be negative, found [" + std::to_string(size) + "]");
  int64_t window = kMaxWindow;
  for (const Part& p : parts_) {
    std::string w = p.index->setting("max_result_window");
    if (!w.empty()) window = std::atoll(w.c_str());
  }
  if (from + size > window && !body.contains("slice")) {
    throw search_failure(Error(ErrorCode::kInvalidParameterValue,
                               "Result window is too large, from + size must be less than or equal to: [" + std::to_string(window) + "] but was [" + std::to_string(from + size) +
                                   "]. See the scroll api for a more efficient way to request large data sets. This limit can be set by changing the [index.max_result_window] index level setting."),
                         parts_.empty() ? Index() : *parts_[0].index, engine_.node_id());
  }
  from_ = static_cast<size_t>(from);
  size_ = static_cast<size_t>(size);
  if (auto* t = body.if_contains("track_total_hits")) {
    if (t->is_bool() || json_text(*t) == "true" || json_text(*t) == "false") {
      bool yes = json_text(*t) == "true";
      track_total_ = yes;
      exact_total_ = yes;
      track_limit_ = yes ? UINT64_MAX : 0;
    } else {
      int64_t n = integer(body, "track_total_hits", 10000);
      if (n < -1) illegal("[track_total_hits] parameter must be positive or equals to -1, got " + std::to_string(n));
      if (n == -1) {
        track_total_ = false;
        track_limit_ = 0;
      } else {
        track_limit_ = static_cast<uint64_t>(n);
      }
    }
  }
  try {
    if (auto* s = body.if_contains("sort"); s != nullptr && !s->is_null()) sort_ = parse_sort(*s);
    if (sort_.size() == 1 && sort_[0].kind == SortField::kScore && !sort_[0].ascending && !body.contains("search_after")) {
      // By score: the default, but hits show their sort values.
    }
    if (auto* a = body.if_contains("search_after"); a != nullptr && a->is_array()) {
      if (from_ > 0) throw ElasticError(400, "action_request_validation_exception", "Validation Failed: 1: `from` parameter must be set to 0 when `search_after` is used;");
      if (sort_.empty()) throw Error(ErrorCode::kInvalidParameterValue, "Sort must contain at least one field.");
      auto& list = a->get_array();
      if (list.empty()) throw Error(ErrorCode::kInvalidParameterValue, "Values must contains at least one value.");
      if (list.size() != sort_.size()) {
        throw Error(ErrorCode::kInvalidParameterValue, "search_after has " + std::to_string(list.size()) + " value(s) but sort has " + std::to_string(sort_.size()) + ".");
      }
      has_after_ = true;
      after_text_.resize(list.size());
      for (size_t i = 0; i < list.size(); ++i) {
        SortKey k;
        const json::value& v = list[i];
        const SortField& s = sort_[i];
        if (v.is_null()) {
          k.missing = true;
        } else if (s.kind == SortField::kScore || s.kind == SortField::kGeo) {
          k.number = segments::sortable_bits(v.is_number() ? v.to_number<double>() : std::strtod(json_text(v).c_str(), nullptr));
        } else if (s.kind == SortField::kDoc) {
          k.number = v.is_number() ? v.to_number<int64_t>() : std::atoll(json_text(v).c_str());
        } else {
          const MappedField* f = nullptr;
          for (const Part& p : parts_) if ((f = p.mapping->field(s.field)) != nullptr) break;
          if (f == nullptr) continue;
          if (std::string type = number_type(s); !type.empty() && f->options().column != ColumnKind::kKeyword) {
            k.number = type == "double" ? segments::sortable_bits(v.is_number() ? v.to_number<double>() : std::strtod(json_text(v).c_str(), nullptr)) : v.is_number() ? v.to_number<int64_t>() : std::atoll(json_text(v).c_str());
          } else if (f->options().column == ColumnKind::kKeyword) {
            after_text_[i] = f->type == FieldType::kIp ? segments::encode_ip(json_text(v)).value_or(json_text(v)) : json_text(v);
            k.text = after_text_[i];
          } else if (f->is_date()) {
            std::shared_ptr<const segments::DateFormat> fmt = s.format.empty() ? f->format : std::make_shared<segments::DateFormat>(s.format);
            if (v.is_number()) k.number = v.to_number<int64_t>();
            else {
              auto ms = fmt->parse(json_text(v), false, nullptr);
              k.number = ms ? *ms : std::atoll(json_text(v).c_str());
            }
          } else if (f->is_float()) {
            k.number = segments::sortable_bits(v.is_number() ? v.to_number<double>() : std::strtod(json_text(v).c_str(), nullptr));
          } else {
            try {
              MappedField wide = *f;
              if (wide.is_integer() && wide.type != FieldType::kUnsignedLong) wide.type = FieldType::kLong;
              k.number = wide.column_value(v);
            } catch (const Error&) {
              throw Error(ErrorCode::kInvalidParameterValue, "Failed to parse search_after value for field [" + s.field + "].");
            }
          }
        }
        after_.push_back(k);
      }
    }
    if (auto* c = body.if_contains("collapse"); c != nullptr && c->is_object()) {
      collapse_ = text_or(c->get_object(), "field");
      const MappedField* f = nullptr;
      for (const Part& p : parts_) if ((f = p.mapping->field(collapse_)) != nullptr) break;
      if (f == nullptr) throw Error(ErrorCode::kInvalidParameterValue, "no mapping found for `" + collapse_ + "` in order to collapse on");
      if (f->type != FieldType::kKeyword && !f->is_numeric()) throw Error(ErrorCode::kInvalidParameterValue, "collapse is not supported for the field [" + collapse_ + "] of the type [" + f->type_name + "]");
    }
    const json::value* aggs = body.if_contains("aggs");
    if (aggs == nullptr) aggs = body.if_contains("aggregations");
    if (aggs != nullptr && aggs->is_object() && !aggs->get_object().empty()) {
      segments::AggEnvironment env;
      if (!parts_.empty()) env.index_name = parts_[0].index->name;
      env.now_ms = engine_.now_ms();
      for (size_t i = 0; i < leaves_.size(); ++i) env.leaves.push_back({&leaf(i), part_of(i).mapping.get(), i});
      // Field types are known even when there is no document yet.
      std::vector<segments::Leaf> none;
      env.filter_bits = [this](const json::value& q, size_t l, const std::string& nested) {
        const Part& p = part_of(l);
        segments::DslContext ctx = p.dsl;
        ctx.depth = 0;
        ctx.nested_path = nested;
        auto query = segments::parse_query(q, ctx);
        std::optional<segments::Searcher> below;
        if (!nested.empty()) below.emplace(p.searcher->nested(nested));
        const segments::Searcher& searcher = below ? *below : *p.searcher;
        auto w = searcher.weight(query, false);
        auto s = w->scorer(leaves_[l].in_part);
        std::vector<uint64_t> bits((searcher.leaves()[leaves_[l].in_part].segment->docs() + 63) / 64);
        if (s) for (uint32_t d = s->next(); d != kNoDoc; d = s->next()) bits[d >> 6] |= 1ull << (d & 63);
        return bits;
      };
      env.stored_script = stored_scripts(engine_);
      env.render_hit = [this](size_t l, uint32_t d, double score, const json::object& options) {
        Hit h;
        h.leaf = l;
        h.doc = d;
        h.score = static_cast<float>(score);
        auto saved = sort_;
        sort_.clear();
        if (auto* s = options.if_contains("sort")) {
          sort_ = parse_sort(*s);
          for (const SortField& f : sort_) h.keys.push_back(key_of(f, l, d, std::isnan(score) ? 0 : static_cast<float>(score)));
        }
        json::object o = render_hit(h, options);
        if (std::isnan(score)) o["_score"] = nullptr;
        sort_ = saved;
        return o;
      };
      auto cache = std::make_shared<std::map<std::string, std::vector<SortField>>>();
      env.before = [this, cache](size_t la, uint32_t a, size_t lb, uint32_t b, const json::value& spec) {
        std::string key = json::serialize(spec);
        auto it = cache->find(key);
        if (it == cache->end()) it = cache->emplace(key, parse_sort(spec)).first;
        for (const SortField& s : it->second) {
          int c = compare_key(s, key_of(s, la, a, 0), key_of(s, lb, b, 0));
          if (c != 0) return c < 0;
        }
        return la != lb ? la < lb : a < b;
      };
      if (leaves_.empty()) {
        // An index without documents still knows its mapping.
        static const segments::Leaf kEmpty;
        for (const Part& p : parts_) env.leaves.push_back({&kEmpty, p.mapping.get(), 0});
      }
      aggs_ = std::make_unique<segments::AggregatorTree>(aggs->get_object(), std::move(env), typed_keys);
    } else if (aggs != nullptr && !aggs->is_object()) {
      throw Error(ErrorCode::kParsing, "Expected [START_OBJECT] in [aggs]");
    }
  } catch (const Error& e) {
    throw search_failure(e, parts_.empty() ? Index() : *parts_[0].index, engine_.node_id());
  }
}

std::vector<SortField> SearchJob::parse_sort(const json::value& v) const {
  std::vector<SortField> out;
  auto field = [&](const std::string& name, const json::value* spec) {
    SortField s;
    s.field = name;
    s.kind = name == "_score" ? SortField::kScore : name == "_doc" || name == "_shard_doc" ? SortField::kDoc : SortField::kField;
    s.ascending = s.kind != SortField::kScore;
    auto order = [&](const std::string& o) {
      if (o != "asc" && o != "desc") throw Error(ErrorCode::kInvalidParameterValue, "No enum constant org.elasticsearch.search.sort.SortOrder." + o);
      s.ascending = o == "asc";
    };
    if (spec != nullptr && spec->is_string()) order(std::string(spec->get_string()));
    if (spec != nullptr && spec->is_object()) {
      for (auto& [k, x] : spec->get_object()) {
        if (k == "order") order(json_text(x));
        else if (k == "missing") {
          std::string m = json_text(x);
          if (m == "_first") s.missing_first = true;
          else if (m != "_last") s.missing = x;
        } else if (k == "mode") s.mode = json_text(x);
        else if (k == "format") s.format = json_text(x);
        else if (k == "unmapped_type") s.unmapped_type = json_text(x);
        else if (k == "numeric_type") {
          s.numeric_type = json_text(x);
          if (s.numeric_type != "long" && s.numeric_type != "double" && s.numeric_type != "date" && s.numeric_type != "date_nanos") throw Error(ErrorCode::kInvalidParameterValue, "invalid value for [numeric_type], must be [long, double, date, date_nanos], got " + s.numeric_type);
        } else if (k == "nested" && x.is_object()) {
          s.nested = text_or(x.get_object(), "path");
          if (auto* f = x.get_object().if_contains("filter")) s.nested_filter = *f;
          for (auto* deeper = x.get_object().if_contains("nested"); deeper != nullptr && deeper->is_object(); deeper = deeper->get_object().if_contains("nested")) {
            s.nested = text_or(deeper->get_object(), "path");
            if (auto* f = deeper->get_object().if_contains("filter")) s.nested_filter = *f;
          }
        } else if (k == "nested_path") s.nested = json_text(x);
        else throw Error(ErrorCode::kXContentParse, "[1:1] [field_sort] unknown field [" + std::string(k) + "]");
      }
    }
    if (s.kind == SortField::kField) {
      bool known = parts_.empty();
      for (const Part& p : parts_) {
        std::string key;
        const MappedField* f = p.mapping->field(name, &key);
        if (f == nullptr) {
          if (s.unmapped_type.empty()) throw Error(ErrorCode::kQueryShard, "No mapping found for [" + name + "] in order to sort on");
          continue;
        }
        known = true;
        if (f->options().column == ColumnKind::kNone) {
          throw Error(ErrorCode::kInvalidParameterValue, f->type == FieldType::kText
              ? "Fielddata is disabled on [" + name + "] in [" + p.index->name + "]. Text fields are not optimised for operations that require per-document field data like aggregations and sorting, so these operations are disabled by default. Please use a keyword field instead. Alternatively, set fielddata=true on [" + name + "] in order to load field data by uninverting the inverted index. Note that this can use significant memory."
              : "Can't load fielddata on [" + name + "] because fielddata is unsupported on fields of type [" + f->type_name + "]. Use doc values instead.");
        }
      }
      (void)known;
    }
    out.push_back(std::move(s));
  };
  auto one = [&](const json::value& e) {
    if (e.is_string()) {
      field(std::string(e.get_string()), nullptr);
      return;
    }
    if (!e.is_object()) throw Error(ErrorCode::kInvalidParameterValue, "malformed sort format, within the sort array, an object, or an actual string are allowed");
    for (auto& [k, spec] : e.get_object()) {
      if (k == "_geo_distance" || k == "_geoDistance") {
        SortField s;
        s.kind = SortField::kGeo;
        for (auto& [g, x] : spec.as_object()) {
          if (g == "order") s.ascending = json_text(x) == "asc";
          else if (g == "unit") s.unit_m = segments::parse_distance_m("1" + json_text(x)).value_or(1);
          else if (g == "mode") s.mode = json_text(x);
          else if (g == "distance_type" || g == "ignore_unmapped" || g == "validation_method" || g == "nested") {}
          else {
            s.field = std::string(g);
            if (x.is_array() && !x.get_array().empty() && !x.get_array()[0].is_number()) for (auto& pt : x.get_array()) s.points.push_back(segments::parse_point(pt));
            else s.points.push_back(segments::parse_point(x));
          }
        }
        for (const Part& p : parts_) {
          if (p.mapping->field(s.field) == nullptr && !flag_or(spec.as_object(), "ignore_unmapped", false)) {
            throw Error(ErrorCode::kInvalidParameterValue, "failed to find mapper for [" + s.field + "] for geo distance based sort");
          }
        }
        out.push_back(std::move(s));
      } else if (k == "_script") {
        const json::object& o = spec.as_object();
        SortField s;
        s.kind = SortField::kScript;
        s.field = "_script";
        s.mode = text_or(o, "type");
        if (s.mode != "number" && s.mode != "string") throw Error(ErrorCode::kInvalidParameterValue, s.mode.empty() ? "[_script] type must be set" : "Unknown ScriptSortType [" + s.mode + "]");
        s.ascending = text_or(o, "order", "asc") == "asc";
        if (!o.contains("script")) throw Error(ErrorCode::kParsing, "Required [script]");
        auto call = segments::script::parse_call(o.at("script"), stored_scripts(engine_));
        s.script = [call](const segments::Mapping& m, const segments::Segment& seg, uint32_t doc, float score) {
          return call.script->run({{"doc", segments::script::doc_of(m, seg, doc)}, {"params", call.params}, {"_score", segments::script::Value(static_cast<double>(score))}});
        };
        out.push_back(std::move(s));
      } else {
        field(std::string(k), &spec);
      }
    }
  };
  if (v.is_array()) for (auto& e : v.get_array()) one(e);
  else one(v);
  return out;
}

bool SearchJob::needs_scores() const {
  if (sort_.empty()) return true;
  for (const SortField& s : sort_) if (s.kind == SortField::kScore) return true;
  return flag_or(body, "track_scores", false) || body.contains("min_score") || body.contains("rescore");
}

SortKey SearchJob::key_of(const SortField& s, size_t l, uint32_t doc, float score) const {
  SortKey k;
  switch (s.kind) {
    case SortField::kScore: k.number = segments::sortable_bits(static_cast<double>(score)); return k;
    case SortField::kDoc: k.number = static_cast<int64_t>(l << 32 | doc); return k;
    case SortField::kScript: {
      auto v = s.script(*part_of(l).mapping, *leaf(l).segment, doc, score);
      if (s.mode == "number") k.number = segments::sortable_bits(v.as_double());
      else k.text = *texts_.insert(v.text()).first;
      return k;
    }
    default: break;
  }
  const Part& p = part_of(l);
  std::string key;
  const MappedField* f = p.mapping->field(s.field, &key);
  if (!s.nested.empty() && s.kind == SortField::kField) return nested_key(s, f, l, doc);
  segments::Column c = f == nullptr ? segments::Column() : leaf(l).segment->column(key.empty() ? f->path : f->path + "._keyed");
  uint32_t b = c ? c.begin(doc) : 0, e = c ? c.end(doc) : 0;
  if (b == e) {
    if (!s.missing.is_null() && f != nullptr && s.kind == SortField::kField) {
      if (std::string type = number_type(s); !type.empty() && f->options().column != ColumnKind::kKeyword) {
        double v = s.missing.is_number() ? s.missing.to_number<double>() : std::strtod(json_text(s.missing).c_str(), nullptr);
        k.number = type == "double" ? segments::sortable_bits(v) : static_cast<int64_t>(v);
      } else if (f->options().column == ColumnKind::kKeyword) {
        k.text = s.missing.is_string() ? std::string_view(s.missing.get_string()) : std::string_view();
      } else {
        k.number = f->column_value(s.missing);
      }
      return k;
    }
    k.missing = true;
    return k;
  }
  if (s.kind == SortField::kGeo) {
    double best = 0, sum = 0;
    int n = 0;
    for (uint32_t i = b; i < e; ++i) {
      for (auto& pt : s.points) {
        double d = segments::haversine_m(segments::decode_point(c.value(i)), pt) / s.unit_m;
        bool max = s.mode == "max" || (s.mode.empty() && !s.ascending);
        if (n == 0 || (max ? d > best : d < best)) best = d;
        sum += d;
        ++n;
      }
    }
    k.number = segments::sortable_bits(s.mode == "avg" ? sum / n : s.mode == "sum" ? sum : best);
    return k;
  }
  if (c.kind() == ColumnKind::kKeyword && !key.empty()) {
    // The keys of a flattened field share a column.
    std::string prefix = key + '\0';
    bool last = s.mode == "max" || (s.mode.empty() && !s.ascending);
    k.missing = true;
    for (uint32_t i = b; i < e; ++i) {
      std::string_view term = c.term(static_cast<uint64_t>(c.value(i)));
      if (!term.starts_with(prefix)) continue;
      if (k.missing || last) k.text = term.substr(prefix.size());
      k.missing = false;
    }
    return k;
  }
  if (c.kind() == ColumnKind::kKeyword) {
    bool last = s.mode == "max" || (s.mode.empty() && !s.ascending);
    k.text = c.term(static_cast<uint64_t>(c.value(last ? e - 1 : b)));
    return k;
  }
  if (s.mode == "avg" || s.mode == "sum" || s.mode == "median") {
    double sum = 0;
    std::vector<double> all;
    for (uint32_t i = b; i < e; ++i) {
      all.push_back(c.as_double(i));
      sum += all.back();
    }
    double v = s.mode == "sum" ? sum : s.mode == "avg" ? sum / static_cast<double>(all.size()) : all.size() % 2 == 1 ? all[all.size() / 2] : (all[all.size() / 2 - 1] + all[all.size() / 2]) / 2;
    k.number = as_number_type(s, *f, c.kind() == ColumnKind::kDouble ? segments::sortable_bits(v) : static_cast<int64_t>(std::round(v)));
    return k;
  }
  bool last = s.mode == "max" || (s.mode.empty() && !s.ascending);
  k.number = as_number_type(s, *f, c.value(last ? e - 1 : b));
  return k;
}

int SearchJob::compare_key(const SortField& s, const SortKey& a, const SortKey& b) const {
  if (a.missing != b.missing) return a.missing == s.missing_first ? -1 : 1;
  if (a.missing) return 0;
  int c = a.number != b.number ? (a.number < b.number ? -1 : 1) : a.text.compare(b.text);
  return s.ascending ? c : -c;
}
int SearchJob::compare(const Hit& a, const Hit& b) const {
  if (sort_.empty()) {
    if (a.score != b.score) return a.score > b.score ? -1 : 1;
  } else {
    for (size_t i = 0; i < sort_.size(); ++i) {
      int c = compare_key(sort_[i], a.keys[i], b.keys[i]);
      if (c != 0) return c;
    }
  }
  if (a.leaf != b.leaf) return a.leaf < b.leaf ? -1 : 1;
  return a.doc < b.doc ? -1 : a.doc > b.doc ? 1 : 0;
}

void SearchJob::collect(size_t keep) {
  bool scores = needs_scores();
  double min_score = body.contains("min_score") ? body.at("min_score").to_number<double>() : -INFINITY;
  auto terminate = static_cast<uint64_t>(integer(body, "terminate_after", 0));
  bool by_score = sort_.empty() || (sort_.size() == 1 && sort_[0].kind == SortField::kScore && !sort_[0].ascending && !has_after_);
  bool simple = by_score && !aggs_ && terminate == 0 && std::isinf(min_score) && collapse_.empty() && !body.contains("slice");
  bool post = false;
  for (const Part& p : parts_) post |= p.post_filter != nullptr;
  if (simple && !post) {
    for (size_t i = 0; i < parts_.size(); ++i) {
      uint64_t n = 0;
      uint64_t limit = track_total_ ? (track_limit_ == UINT64_MAX ? UINT64_MAX : track_limit_ + 1) : 0;
      for (auto& d : parts_[i].searcher->top(parts_[i].query, keep, limit, &n)) {
        Hit h;
        h.leaf = parts_[i].first_leaf + d.leaf;
        h.doc = d.doc;
        h.score = d.score;
        if (!sort_.empty()) h.keys.push_back(key_of(sort_[0], h.leaf, h.doc, h.score));
        hits_.push_back(std::move(h));
      }
      total_ += n;
    }
    std::stable_sort(hits_.begin(), hits_.end(), [&](const Hit& a, const Hit& b) { return compare(a, b) < 0; });
    if (hits_.size() > keep) hits_.resize(keep);
    if (!hits_.empty()) {
      any_score_ = true;
      max_score_ = hits_[0].score;
    }
  } else {
    auto worse = [&](const Hit& a, const Hit& b) { return compare(a, b) < 0; };  // heap top: the last kept
    std::map<std::string, Hit> groups;
    int64_t slice = -1, slices = 0;
    if (auto* s = body.if_contains("slice"); s != nullptr && s->is_object()) {
      slice = integer(s->get_object(), "id", 0);
      slices = integer(s->get_object(), "max", 2);
      if (slice >= slices) illegal("max must be greater than id");
    }
    Hit after;
    after.keys = after_;
    for (size_t l = 0; l < leaves_.size() && !terminated_; ++l) {
      Part& p = parts_[leaves_[l].part];
      const segments::Leaf& lf = leaf(l);
      segments::WeightPtr w, fw;
      try {
        w = p.searcher->weight(p.query, scores);
        if (p.post_filter) fw = p.searcher->weight(p.post_filter, false);
      } catch (const Error& e) {
        throw search_failure(e, *p.index, engine_.node_id());
      }
      auto s = w->scorer(leaves_[l].in_part);
      segments::ScorerPtr f = fw ? fw->scorer(leaves_[l].in_part) : nullptr;
      if (aggs_) aggs_->start_leaf(l);
      if (aggs_ && aggs_->has_global()) {
        for (uint32_t d = 0; d < lf.segment->docs(); ++d) if (lf.visible(d)) aggs_->collect_global(d);
      }
      if (!s) continue;
      for (uint32_t d = s->next(); d != kNoDoc; d = s->next()) {
        if (!lf.visible(d)) continue;
        if (slices > 0 && static_cast<int64_t>(lf.segment->row_id(d) * 0x9e3779b97f4a7c15ull >> 33) % slices != slice) continue;
        float score = scores ? s->score() : 0;
        if (static_cast<double>(score) < min_score) continue;
        if (aggs_) aggs_->collect(d, score);
        if (p.post_filter) {
          if (!f) continue;
          uint32_t x = f->doc();
          if (x == UINT32_MAX || x < d) x = f->advance(d);
          if (x != d) continue;
        }
        ++total_;
        if (scores && (!any_score_ || score > max_score_)) {
          max_score_ = score;
          any_score_ = true;
        }
        if (keep > 0) {
          Hit h;
          h.leaf = l;
          h.doc = d;
          h.score = score;
          for (const SortField& sf : sort_) h.keys.push_back(key_of(sf, l, d, score));
          bool take = true;
          if (has_after_) {
            int c = 0;
            for (size_t i = 0; i < sort_.size() && c == 0; ++i) c = compare_key(sort_[i], h.keys[i], after.keys[i]);
            take = c > 0;
          }
          if (take && !collapse_.empty()) {
            SortField g;
            g.field = collapse_;
            SortKey k = key_of(g, l, d, 0);
            std::string key = k.missing ? std::string("\0", 1) : "v" + std::to_string(k.number) + std::string(k.text);
            auto it = groups.find(key);
            if (it == groups.end()) groups.emplace(key, std::move(h));
            else if (compare(h, it->second) < 0) it->second = std::move(h);
          } else if (take) {
            if (hits_.size() < keep) {
              hits_.push_back(std::move(h));
              std::push_heap(hits_.begin(), hits_.end(), worse);
            } else if (compare(h, hits_.front()) < 0) {
              std::pop_heap(hits_.begin(), hits_.end(), worse);
              hits_.back() = std::move(h);
              std::push_heap(hits_.begin(), hits_.end(), worse);
            }
          }
        }
        if (terminate > 0 && total_ >= terminate) {
          terminated_ = true;
          break;
        }
      }
    }
    for (auto& [k, h] : groups) hits_.push_back(std::move(h));
    std::sort(hits_.begin(), hits_.end(), [&](const Hit& a, const Hit& b) { return compare(a, b) < 0; });
    if (hits_.size() > keep) hits_.resize(keep);
  }
  if (body.contains("rescore")) rescore();
}

void SearchJob::rescore() {
  json::array list = body.at("rescore").is_array() ? body.at("rescore").get_array() : json::array{body.at("rescore")};
  for (auto& r : list) {
    const json::object& o = r.as_object();
    auto window = static_cast<size_t>(integer(o, "window_size", 10));
    if (!o.contains("query")) throw ElasticError(400, "parsing_exception", "missing rescore type", json::object{{"line", 1}, {"col", 1}});
    const json::object& q = o.at("query").as_object();
    double qw = q.contains("query_weight") ? q.at("query_weight").to_number<double>() : 1;
    double rw = q.contains("rescore_query_weight") ? q.at("rescore_query_weight").to_number<double>() : 1;
    std::string mode = text_or(q, "score_mode", "total");
    size_t n = std::min(window, hits_.size());
    for (size_t i = 0; i < n; ++i) {
      Hit& h = hits_[i];
      const Part& p = part_of(h.leaf);
      segments::DslContext ctx = p.dsl;
      auto query = segments::parse_query(q.at("rescore_query"), ctx);
      auto s = p.searcher->weight(query, true)->scorer(leaves_[h.leaf].in_part);
      double base = static_cast<double>(h.score) * qw;
      if (s && s->advance(h.doc) == h.doc) {
        double x = static_cast<double>(s->score()) * rw;
        base = mode == "multiply" ? base * x : mode == "avg" ? (base + x) / 2 : mode == "max" ? std::max(base, x) : mode == "min" ? std::min(base, x) : base + x;
      }
      h.score = static_cast<float>(base);
    }
    std::stable_sort(hits_.begin(), hits_.begin() + static_cast<std::ptrdiff_t>(n), [](const Hit& a, const Hit& b) { return a.score > b.score; });
  }
  if (!hits_.empty()) max_score_ = hits_[0].score;
}

std::string SearchJob::id_of(size_t l, uint32_t doc) const {
  segments::Column c = leaf(l).segment->column("_id");
  if (!c || c.begin(doc) == c.end(doc)) return {};
  return std::string(c.term(static_cast<uint64_t>(c.value(c.begin(doc)))));
}

json::value SearchJob::render_key(const SortField& s, const SortKey& k) const {
  const MappedField* f = nullptr;
  std::string key;
  for (const Part& p : parts_) if ((f = p.mapping->field(s.field, &key)) != nullptr) break;
  if (s.kind == SortField::kScore || s.kind == SortField::kGeo) {
    if (k.missing) return json::value("Infinity");
    double v = segments::from_sortable_bits(k.number);
    return s.kind == SortField::kScore ? score_json(static_cast<float>(v)) : json::value(v);
  }
  if (s.kind == SortField::kDoc) return k.number;
  if (s.kind == SortField::kScript) return s.mode == "number" ? json::value(segments::from_sortable_bits(k.number)) : json::value(k.text);
  if (f == nullptr) return nullptr;
  if (f->options().column == ColumnKind::kKeyword) {
    if (k.missing) return nullptr;
    return json::value(f->type == FieldType::kIp ? segments::decode_ip(k.text) : std::string(k.text));
  }
  bool low = s.missing_first == s.ascending;
  std::string type = number_type(s);
  if (!type.empty() && !k.missing) {
    if (type == "double") return json::value(segments::from_sortable_bits(k.number));
    if (type == "long" || s.format.empty()) return k.number;
    segments::DateFormat fmt(s.format);
    return json::value(type == "date" ? fmt.format(k.number) : fmt.format(k.number / 1000000, nullptr, static_cast<int>(k.number % 1000000000)));
  }
  if (k.missing) {
    if (type == "double") return low ? json::value("-Infinity") : json::value("Infinity");
    if (f->is_float()) return low ? json::value("-Infinity") : json::value("Infinity");
    if (f->is_date() && !s.format.empty()) return nullptr;
    return low ? json::value(INT64_MIN) : json::value(INT64_MAX);
  }
  if (f->is_date() && !s.format.empty()) {
    segments::DateFormat fmt(s.format);
    return json::value(f->render_string(k.number, &fmt));
  }
  if (f->type == FieldType::kBoolean) return k.number;
  return f->render(k.number);
}

json::object SearchJob::render_hit(const Hit& h, const json::object& options) {
  const Part& p = part_of(h.leaf);
  const segments::Segment& seg = *leaf(h.leaf).segment;
  json::object o{{"_index", p.index->name}, {"_id", id_of(h.leaf, h.doc)}};
  if (flag_or(options, "version", false)) {
    segments::Column c = seg.column("_version");
    o["_version"] = c ? c.value(c.begin(h.doc)) : 1;
  }
  if (flag_or(options, "seq_no_primary_term", false)) {
    segments::Column c = seg.column("_seq_no");
    o["_seq_no"] = c ? c.value(c.begin(h.doc)) : 0;
    o["_primary_term"] = 1;
  }
  bool scored = sort_.empty() || flag_or(options, "track_scores", false);
  for (const SortField& s : sort_) scored |= s.kind == SortField::kScore;
  o["_score"] = scored ? score_json(h.score) : json::value(nullptr);
  if (segments::Column r = seg.column("_routing"); r && r.end(h.doc) > r.begin(h.doc)) {
    o["_routing"] = std::string(r.term(static_cast<uint64_t>(r.value(r.begin(h.doc)))));
  }
  if (segments::Column r = seg.column("_ignored"); r && r.end(h.doc) > r.begin(h.doc)) {
    json::array list;
    for (uint32_t i = r.begin(h.doc); i < r.end(h.doc); ++i) list.push_back(json::value(std::string(r.term(static_cast<uint64_t>(r.value(i))))));
    o["_ignored"] = list;
  }
  SourceFilter f;
  bool wants_stored = options.contains("stored_fields");
  bool none = wants_stored && (options.at("stored_fields").is_array() ? options.at("stored_fields").get_array().size() == 1 && json_text(options.at("stored_fields").get_array()[0]) == "_none_" : json_text(options.at("stored_fields")) == "_none_");
  if (auto* s = options.if_contains("_source")) f = parse_source_filter(*s);
  else if (wants_stored) {
    f.enabled = false;
    auto& sf = options.at("stored_fields");
    if (sf.is_array()) for (auto& e : sf.get_array()) if (json_text(e) == "_source") f.enabled = true;
    if (sf.is_string() && json_text(sf) == "_source") f.enabled = true;
  }
  auto* sm = p.mapping->json().if_contains("_source");
  if (sm != nullptr && sm->is_object() && !flag_or(sm->get_object(), "enabled", true)) f.enabled = false;
  bool fields = options.contains("docvalue_fields") || options.contains("fields") || (wants_stored && !none);
  bool highlights = options.contains("highlight");
  bool inner = &options == &body && has_inner_hits(p.query);
  if (none) o.erase("_id");
  bool scripts_wanted = options.contains("script_fields");
  if (scripts_wanted && !options.contains("_source")) f.enabled = false;
  if (f.enabled || fields || highlights || inner || scripts_wanted) {
    json::object source = engine_.source_of(*p.index, seg.row_id(h.doc), snapshot_);
    if (f.enabled) o["_source"] = filter_source(source, f);
    if (fields) {
      json::object v = field_values(p, h.leaf, h.doc, source, options);
      if (!v.empty()) o["fields"] = v;
    }
    if (inner) {
      json::object hits = inner_hits(p, h, source);
      if (!hits.empty()) o["inner_hits"] = hits;
    }
    if (auto* scripts = options.if_contains("script_fields"); scripts != nullptr && scripts->is_object()) {
      json::object v = o.contains("fields") ? o["fields"].get_object() : json::object();
      for (auto& [name, spec] : scripts->get_object()) {
        if (!spec.is_object() || !spec.get_object().contains("script")) throw Error(ErrorCode::kParsing, "[script_fields] requires a [script]");
        auto call = segments::script::parse_call(spec.get_object().at("script"), stored_scripts(engine_));
        segments::script::MapPtr params = segments::script::make_map();
        if (auto* given = call.params.get<segments::script::MapPtr>()) *params = **given;
        params->at("_source") = segments::script::from_json(source);
        try {
          json::value r = segments::script::to_json(call.script->run({{"doc", segments::script::doc_of(*p.mapping, seg, h.doc)}, {"params", segments::script::Value(params)}, {"_score", segments::script::Value(static_cast<double>(h.score))}}));
          v[name] = r.is_array() ? r : json::value(json::array{r});
        } catch (const segments::script::ScriptError&) {
          if (!flag_or(spec.get_object(), "ignore_failure", false)) throw;
        }
      }
      o["fields"] = v;
    }
    if (highlights && options.at("highlight").is_object()) {
      segments::DslContext ctx = p.dsl;
      json::object hl = highlight(*p.mapping, p.query, source, options.at("highlight").get_object(), ctx);
      if (!hl.empty()) o["highlight"] = hl;
    }
  }
  if (p.dsl.percolations && &options == &body) {
    for (auto& percolation : *p.dsl.percolations) {
      json::array slots;
      for (int64_t slot : percolation.slots(seg, h.doc)) slots.push_back(slot);
      if (slots.empty()) continue;
      json::object v = o.contains("fields") ? o["fields"].get_object() : json::object();
      v["_percolator_document_slot" + (percolation.name.empty() ? "" : "_" + percolation.name)] = std::move(slots);
      o["fields"] = std::move(v);
    }
  }
  if (!collapse_.empty() && &options == &body) {
    SortField g;
    g.field = collapse_;
    SortKey k = key_of(g, h.leaf, h.doc, 0);
    json::object v = o.contains("fields") ? o["fields"].get_object() : json::object();
    v[collapse_] = json::array{k.missing ? json::value(nullptr) : render_key(g, k)};
    o["fields"] = v;
    if (json::object groups = collapsed_hits(k.missing ? json::value(nullptr) : render_key(g, k)); !groups.empty()) o["inner_hits"] = groups;
  }
  if (!sort_.empty()) {
    json::array keys;
    for (size_t i = 0; i < sort_.size(); ++i) keys.push_back(render_key(sort_[i], h.keys[i]));
    o["sort"] = keys;
  }
  if (!p.named.empty()) {
    json::array names;
    json::object scores;
    for (const QueryPtr& q : p.named) {
      auto s = p.searcher->weight(q, named_scores)->scorer(leaves_[h.leaf].in_part);
      if (!s || s->advance(h.doc) != h.doc) continue;
      if (named_scores) scores[q->name] = score_json(s->score());
      else names.push_back(json::value(q->name));
    }
    if (!names.empty()) o["matched_queries"] = names;
    if (!scores.empty()) o["matched_queries"] = scores;
  }
  if (flag_or(options, "explain", false)) {
    json::object out{{"_shard", "[" + p.index->name + "][0]"}, {"_node", engine_.node_id()}};
    for (auto& [k, v] : o) out[k] = v;
    out["_explanation"] = explain(p, h.leaf, h.doc, h.score);
    return out;
  }
  return o;
}

json::object SearchJob::respond(size_t from, size_t size) {
  json::object out;
  auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started_).count();
  out["took"] = took;
  out["timed_out"] = false;
  if (body.contains("terminate_after") && integer(body, "terminate_after", 0) > 0) out["terminated_early"] = terminated_;
  out["_shards"] = shards(shard_count());
  json::object hits;
  if (track_total_) {
    bool over = !exact_total_ && total_ > track_limit_;
    uint64_t value = over ? track_limit_ : total_;
    if (total_as_int) hits["total"] = value;
    else hits["total"] = json::object{{"value", value}, {"relation", over ? "gte" : "eq"}};
  } else if (total_as_int) {
    hits["total"] = -1;
  }
  bool scored = sort_.empty() || flag_or(body, "track_scores", false);
  for (const SortField& s : sort_) scored |= s.kind == SortField::kScore;
  hits["max_score"] = any_score_ && scored && (size_ > 0) ? score_json(max_score_) : json::value(nullptr);
  json::array list;
  auto fetching = std::chrono::steady_clock::now();
  for (size_t i = from; i < hits_.size() && i < from + size; ++i) list.push_back(render_hit(hits_[i], body));
  fetch_ns_ = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - fetching).count();
  fetched_ = list.size();
  hits["hits"] = list;
  out["hits"] = hits;
  if (aggs_) out["aggregations"] = aggs_->results();
  if (flag_or(body, "profile", false)) out["profile"] = profile(from);
  return out;
}

json::object SearchJob::run() {
  try {
    auto querying = std::chrono::steady_clock::now();
    size_t keep = from_ + size_;
    if (body.contains("rescore")) {
      auto& r = body.at("rescore");
      const json::object& o = r.is_array() ? r.get_array()[0].as_object() : r.as_object();
      keep = std::max(keep, static_cast<size_t>(integer(o, "window_size", 10)));
    }
    collect(keep);
    query_ns_ = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - querying).count();
    return respond(from_, size_);
  } catch (const Error& e) {
    throw search_failure(e, parts_.empty() ? Index() : *parts_[0].index, engine_.node_id());
  }
}

}  // namespace stele::elastic
