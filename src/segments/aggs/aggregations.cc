#include "segments/aggs/aggregator.h"

namespace stele::segments {

std::string agg_string(const json::object& o, std::string_view key, std::string fallback) {
  auto* v = o.if_contains(key);
  return v == nullptr || v->is_null() ? fallback : json_text(*v);
}
double agg_number(const json::object& o, std::string_view key, double fallback) {
  auto* v = o.if_contains(key);
  if (v == nullptr || v->is_null()) return fallback;
  return v->is_number() ? v->to_number<double>() : std::strtod(json_text(*v).c_str(), nullptr);
}
bool agg_flag(const json::object& o, std::string_view key, bool fallback) {
  auto* v = o.if_contains(key);
  return v == nullptr ? fallback : json_text(*v) == "true";
}

ValueSource::ValueSource(AggEnvironment& env, const json::object& body, const std::string& agg, bool required) : env_(&env) {
  if (auto* script = body.if_contains("script")) {
    if (agg == "terms" || agg == "cardinality") throw Error(ErrorCode::kFeatureNotSupported, "[" + agg + "] by script is not supported");
    script_ = script_values(*script, env);
    required = false;
  }
  name_ = agg_string(body, "field");
  if (name_.empty() && required) {
    throw Error(ErrorCode::kInvalidParameterValue, "Required one of fields [field, script], but none were specified. ");
  }
  std::string key;
  for (const AggLeaf& l : env.leaves) {
    if ((field_ = l.mapping->field(name_, &key)) != nullptr) break;
  }
  if (field_ != nullptr) {
    FieldOptions o = field_->options();
    if (o.column == ColumnKind::kNone) {
      if (field_->type == FieldType::kText) {
        throw Error(ErrorCode::kInvalidParameterValue,
                    "Fielddata is disabled on [" + name_ + "] in [" + env.index_name + "]. Text fields are not optimised for operations that require per-document field data like aggregations and sorting, so these operations are disabled by default. Please use a keyword field instead. Alternatively, set fielddata=true on [" +
                        name_ + "] in order to load field data by uninverting the inverted index. Note that this can use significant memory.");
      }
      throw Error(ErrorCode::kInvalidParameterValue, "Can't load fielddata on [" + name_ + "] because fielddata is unsupported on fields of type [" + field_->type_name + "]. Use doc values instead.");
    }
    keyword_ = o.column == ColumnKind::kKeyword;
    if (!key.empty()) prefix_ = key + '\0';
  } else {
    std::string hint = agg_string(body, "value_type");
    keyword_ = hint == "string" || (hint.empty() && (agg == "terms" || agg == "cardinality") && body.contains("missing") && body.at("missing").is_string());
  }
  std::string format = agg_string(body, "format");
  if (!format.empty() && (field_ == nullptr || field_->is_date()) && format.find_first_of("0#") == std::string::npos) format_ = std::make_shared<DateFormat>(format);
  else if (!format.empty() && field_ != nullptr && field_->is_numeric() && format.find_first_of("0#") != std::string::npos) decimals_ = format;
  std::string tz = agg_string(body, "time_zone");
  if (!tz.empty()) zone_ = Zone::of(tz);
  if (auto* m = body.if_contains("missing"); m != nullptr && !m->is_null() && agg != "missing") {
    has_missing_ = true;
    missing_text_ = json_text(*m);
    if (keyword_) {
      if (field_ != nullptr && field_->type == FieldType::kIp) missing_text_ = encode_ip(missing_text_).value_or(missing_text_);
    } else if (field_ != nullptr && field_->type != FieldType::kGeoPoint) {
      missing_raw_ = field_->column_value(*m);
      missing_number_ = as_number(missing_raw_);
    } else {
      missing_number_ = std::strtod(missing_text_.c_str(), nullptr);
      missing_raw_ = sortable_bits(missing_number_);
    }
  }
}

void ValueSource::start_leaf(size_t leaf) {
  column_ = Column();
  if (env_ == nullptr) return;
  leaf_ = &env_->leaves[leaf];
  const AggLeaf& l = env_->leaves[leaf];
  std::string key;
  const MappedField* f = l.mapping->field(name_, &key);
  if (f == nullptr) return;
  column_ = l.leaf->segment->column(key.empty() ? f->path : f->path + "._keyed");
  if (column_ && (column_.kind() == ColumnKind::kKeyword) != keyword_) column_ = Column();
}
double ValueSource::as_number(int64_t v) const {
  if (field_ == nullptr) return from_sortable_bits(v);
  if (field_->is_float()) return from_sortable_bits(v);
  if (field_->type == FieldType::kDateNanos) return static_cast<double>(v / 1000000);
  if (field_->type == FieldType::kUnsignedLong) return static_cast<double>(static_cast<uint64_t>(v) ^ (1ull << 63));
  return static_cast<double>(v);
}
std::string ValueSource::show(std::string_view term) const {
  if (field_ != nullptr && field_->type == FieldType::kIp) return decode_ip(term);
  if (!prefix_.empty() && term.starts_with(prefix_)) return std::string(term.substr(prefix_.size()));
  return std::string(term);
}

namespace {
const std::set<std::string>& parent_pipelines() {
  static const std::set<std::string> kSet = {"derivative", "cumulative_sum", "bucket_sort", "serial_diff", "cumulative_cardinality", "bucket_selector", "bucket_script", "moving_fn", "normalize", "moving_percentiles"};
  return kSet;
}
const std::set<std::string>& sibling_pipelines() {
  static const std::set<std::string> kSet = {"avg_bucket", "sum_bucket", "min_bucket", "max_bucket", "stats_bucket", "extended_stats_bucket", "percentiles_bucket"};
  return kSet;
}
}  // namespace
bool is_pipeline(const std::string& t) { return parent_pipelines().count(t) + sibling_pipelines().count(t) != 0; }
bool is_parent_pipeline(const std::string& t) { return parent_pipelines().count(t) != 0; }

double bucket_metric(const json::object& bucket, std::string path) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (path == "_count") {
    auto* c = bucket.if_contains("doc_count");
    return c != nullptr ? c->to_number<double>() : kNan;
  }
  const json::object* at = &bucket;
  for (;;) {
    size_t sep = path.find('>');
    std::string head = path.substr(0, sep);
    if (head == "_count") return bucket_metric(*at, "_count");
    std::string metric;
    const json::value* v = at->if_contains(head);
    auto find_typed = [&](const std::string& n) -> const json::value* {
      for (auto& [k, x] : *at) {
        size_t hash = k.find('#');
        if (hash != std::string_view::npos && k.substr(hash + 1) == n) return &x;
      }
      return nullptr;
    };
    if (v == nullptr) v = find_typed(head);
    if (v == nullptr) {
      size_t dot = head.find('.');
      size_t bracket = head.find('[');
      if (dot != std::string::npos) {
        metric = head.substr(dot + 1);
        head = head.substr(0, dot);
      } else if (bracket != std::string::npos) {
        metric = head.substr(bracket + 1, head.size() - bracket - 2);
        head = head.substr(0, bracket);
      }
      v = at->if_contains(head);
      if (v == nullptr) v = find_typed(head);
    }
    if (v == nullptr || !v->is_object()) return kNan;
    at = &v->as_object();
    if (sep == std::string::npos) {
      if (metric.empty()) metric = at->contains("value") ? "value" : "doc_count";
      const json::value* x = at->if_contains(metric);
      if (x == nullptr) {
        if (auto* values = at->if_contains("values"); values != nullptr && values->is_object()) {
          x = values->as_object().if_contains(metric);
          if (x == nullptr) x = values->as_object().if_contains(metric + ".0");
        }
      }
      return x != nullptr && x->is_number() ? x->to_number<double>() : kNan;
    }
    path = path.substr(sep + 1);
  }
}

// The part of DecimalFormat that "format" is used for: literal text around digits with 0, #, one '.', ',' for groups and a percent sign.
std::string decimal_format(const std::string& pattern, double v) {
  size_t from = pattern.find_first_of("#0"), to = pattern.find_last_of("#0");
  if (from == std::string::npos) return java_double(v);
  std::string head = pattern.substr(0, from), tail = pattern.substr(to + 1), number = pattern.substr(from, to - from + 1);
  if (tail.find('%') != std::string::npos) v *= 100;
  size_t dot = number.find('.');
  std::string whole = number.substr(0, dot), part = dot == std::string::npos ? "" : number.substr(dot + 1);
  auto count = [](const std::string& s, char c) { return static_cast<int>(std::count(s.begin(), s.end(), c)); };
  int least_whole = count(whole, '0'), least = count(part, '0'), most = least + count(part, '#');
  size_t comma = whole.rfind(',');
  size_t group = comma == std::string::npos ? 0 : whole.size() - comma - 1;
  std::string digits = fmt::format("{:.{}f}", std::abs(v), most), fraction;
  if (size_t d = digits.find('.'); d != std::string::npos) {
    fraction = digits.substr(d + 1);
    digits.resize(d);
  }
  while (static_cast<int>(fraction.size()) > least && fraction.back() == '0') fraction.pop_back();
  if (least_whole == 0 && digits == "0" && !fraction.empty()) digits.clear();
  while (static_cast<int>(digits.size()) < least_whole) digits.insert(0, "0");
  if (group > 0) for (size_t i = digits.size(); i > group; i -= group) digits.insert(i - group, ",");
  return (v < 0 ? "-" : "") + head + digits + (fraction.empty() ? "" : "." + fraction) + tail;
}

void run_parent_pipelines(const std::vector<Pipeline>& pipelines, json::array& buckets) {
  for (const Pipeline& p : pipelines) {
    if (!is_parent_pipeline(p.type)) continue;
    std::string path;
    if (auto* b = p.body.if_contains("buckets_path")) path = b->is_array() && !b->as_array().empty() ? json_text(b->as_array()[0]) : json_text(*b);
    auto put = [&](json::value& bucket, double v, json::value extra = {}) {
      json::object o;
      o["value"] = v;
      if (!extra.is_null()) o["normalized_value"] = extra;
      bucket.as_object()[p.typed] = o;
    };
    bool zeros = agg_string(p.body, "gap_policy", "skip") == "insert_zeros";
    auto value = [&](const json::value& b) {
      const json::object& o = b.as_object();
      double v = bucket_metric(o, path);
      if (zeros && (std::isnan(v) || o.at("doc_count").to_number<double>() == 0)) return 0.0;
      if (!zeros && path != "_count" && o.at("doc_count").to_number<double>() == 0) return std::numeric_limits<double>::quiet_NaN();
      return v;
    };
    if (p.type == "derivative") {
      double last = std::numeric_limits<double>::quiet_NaN(), last_key = 0;
      std::string unit = agg_string(p.body, "unit");
      double unit_ms = 0;
      if (!unit.empty()) {
        static const std::map<std::string, double> kUnits = {{"second", 1e3}, {"minute", 6e4}, {"hour", 3.6e6}, {"day", 8.64e7}, {"week", 6.048e8}, {"month", 2.6298e9}, {"year", 3.15576e10}};
        auto it = kUnits.find(unit);
        unit_ms = it != kUnits.end() ? it->second : parse_time_ms(unit).value_or(1);
      }
      for (auto& b : buckets) {
        double v = value(b);
        double key = b.as_object().contains("key") && b.as_object().at("key").is_number() ? b.as_object().at("key").to_number<double>() : 0;
        if (!std::isnan(v) && !std::isnan(last)) {
          put(b, v - last, unit_ms > 0 ? json::value((v - last) / ((key - last_key) / unit_ms)) : json::value(nullptr));
        }
        if (!std::isnan(v)) {
          last = v;
          last_key = key;
        }
      }
    } else if (p.type == "cumulative_sum") {
      double sum = 0;
      for (auto& b : buckets) {
        double v = bucket_metric(b.as_object(), path);
        if (!std::isnan(v)) sum += v;
        put(b, sum);
      }
    } else if (p.type == "serial_diff") {
      auto lag = static_cast<size_t>(agg_number(p.body, "lag", 1));
      std::vector<double> seen;
      for (auto& b : buckets) {
        double v = value(b);
        if (seen.size() >= lag && !std::isnan(v) && !std::isnan(seen[seen.size() - lag])) put(b, v - seen[seen.size() - lag]);
        seen.push_back(v);
      }
    } else if (p.type == "bucket_sort") {
      std::vector<std::pair<std::string, bool>> by;
      if (auto* s = p.body.if_contains("sort"); s != nullptr && s->is_array()) {
        for (auto& e : s->as_array()) {
          if (e.is_string()) by.emplace_back(json_text(e), true);
          else for (auto& [k, v] : e.as_object()) by.emplace_back(std::string(k), (v.is_object() ? agg_string(v.as_object(), "order", "asc") : json_text(v)) == "asc");
        }
      }
      if (!by.empty()) {
        std::stable_sort(buckets.begin(), buckets.end(), [&](const json::value& a, const json::value& b) {
          for (auto& [path2, asc] : by) {
            if (path2 == "_key") {
              auto &x = a.as_object().at("key"), &y = b.as_object().at("key");
              if (x.is_number() && y.is_number()) {
                double dx = x.to_number<double>(), dy = y.to_number<double>();
                if (dx != dy) return asc ? dx < dy : dx > dy;
              } else if (json_text(x) != json_text(y)) {
                return asc ? json_text(x) < json_text(y) : json_text(x) > json_text(y);
              }
              continue;
            }
            double x = bucket_metric(a.as_object(), path2), y = bucket_metric(b.as_object(), path2);
            if (std::isnan(x) != std::isnan(y)) return std::isnan(y);
            if (x != y && !std::isnan(x)) return asc ? x < y : x > y;
          }
          return false;
        });
      }
      auto from = static_cast<size_t>(agg_number(p.body, "from", 0));
      auto size = static_cast<size_t>(agg_number(p.body, "size", 1e9));
      json::array cut;
      for (size_t i = from; i < buckets.size() && cut.size() < size; ++i) cut.push_back(buckets[i]);
      buckets = std::move(cut);
    } else if (!run_rare_pipeline(p, buckets)) {
      run_script_pipeline(p, buckets);
    }
  }
}

json::object run_sibling_pipeline(const Pipeline& p, const json::object& siblings) {
  std::string path = agg_string(p.body, "buckets_path");
  size_t sep = path.find('>');
  std::string agg = path.substr(0, sep), rest = sep == std::string::npos ? "_count" : path.substr(sep + 1);
  const json::value* s = siblings.if_contains(agg);
  if (s == nullptr) {
    for (auto& [k, v] : siblings) {
      size_t hash = k.find('#');
      if (hash != std::string_view::npos && k.substr(hash + 1) == agg) s = &v;
    }
  }
  if (s == nullptr) throw Error(ErrorCode::kInvalidParameterValue, "Validation Failed: 1: No aggregation found for path [" + path + "];");
  std::vector<std::pair<std::string, double>> values;
  auto add = [&](const json::object& b, const std::string& key) {
    double v = bucket_metric(b, rest);
    if (rest != "_count" && b.contains("doc_count") && b.at("doc_count").to_number<double>() == 0 && agg_string(p.body, "gap_policy", "skip") == "skip") return;
    if (!std::isnan(v)) values.emplace_back(key, v);
  };
  if (auto* buckets = s->as_object().if_contains("buckets")) {
    if (buckets->is_array()) {
      for (auto& b : buckets->as_array()) {
        auto* ks = b.as_object().if_contains("key_as_string");
        auto* k = ks != nullptr ? ks : b.as_object().if_contains("key");
        add(b.as_object(), k == nullptr ? "" : json_text(*k));
      }
    } else {
      for (auto& [k, b] : buckets->as_object()) add(b.as_object(), std::string(k));
    }
  }
  json::object o;
  double sum = 0, min = INFINITY, max = -INFINITY, squares = 0;
  for (auto& [k, v] : values) {
    sum += v;
    squares += v * v;
    min = std::min(min, v);
    max = std::max(max, v);
  }
  auto n = static_cast<double>(values.size());
  bool some = !values.empty();
  auto or_null = [&](double v) { return some ? json::value(v) : json::value(nullptr); };
  if (p.type == "avg_bucket") o["value"] = or_null(sum / n);
  else if (p.type == "sum_bucket") o["value"] = sum;
  else if (p.type == "min_bucket" || p.type == "max_bucket") {
    double best = p.type == "min_bucket" ? min : max;
    o["value"] = or_null(best);
    json::array keys;
    for (auto& [k, v] : values) if (v == best) keys.push_back(json::value(k));
    o["keys"] = keys;
  } else if (p.type == "percentiles_bucket") {
    std::vector<double> sorted;
    for (auto& [k, v] : values) sorted.push_back(v);
    std::sort(sorted.begin(), sorted.end());
    std::vector<double> points = {1, 5, 25, 50, 75, 95, 99};
    if (auto* q = p.body.if_contains("percents"); q != nullptr && q->is_array()) {
      points.clear();
      for (auto& e : q->as_array()) points.push_back(e.to_number<double>());
    }
    json::object v;
    for (double q : points) v[java_double(q)] = some ? json::value(sorted[static_cast<size_t>(std::min(n - 1, std::round(q / 100 * (n - 1))))]) : json::value(nullptr);
    o["values"] = v;
  } else {
    o["count"] = values.size();
    o["min"] = or_null(min);
    o["max"] = or_null(max);
    o["avg"] = or_null(sum / n);
    o["sum"] = sum;
    if (p.type == "extended_stats_bucket") {
      double variance = some ? std::max(0.0, squares / n - sum / n * (sum / n)) : 0;
      o["sum_of_squares"] = or_null(squares);
      o["variance"] = or_null(variance);
      o["variance_population"] = or_null(variance);
      o["variance_sampling"] = or_null(n > 1 ? variance * n / (n - 1) : 0);
      o["std_deviation"] = or_null(std::sqrt(variance));
      json::object b;
      double sigma = agg_number(p.body, "sigma", 2);
      b["upper"] = or_null(sum / n + sigma * std::sqrt(variance));
      b["lower"] = or_null(sum / n - sigma * std::sqrt(variance));
      o["std_deviation_bounds"] = b;
    }
  }
  return o;
}

void AggChildren::results(uint32_t owner, json::object& out) {
  for (auto& a : aggs) {
    json::object r = a->result(owner);
    if (!a->meta.empty()) {
      json::object with;
      with["meta"] = a->meta;
      for (auto& [k, v] : r) with[k] = std::move(v);
      r = std::move(with);
    }
    out[typed_keys ? a->typed + "#" + a->name : a->name] = std::move(r);
  }
  for (const Pipeline& p : pipelines) {
    if (!is_parent_pipeline(p.type)) out[p.typed] = run_sibling_pipeline(p, out);
  }
}

AggChildren parse_children(const json::object& request, AggEnvironment& env, bool typed_keys, int depth) {
  if (depth > 50) throw Error(ErrorCode::kParsing, "aggregations are nested too deeply");
  AggChildren out;
  out.typed_keys = typed_keys;
  for (auto& [key, value] : request) {
    std::string name(key);
    if (name.find_first_of("[]>") != std::string::npos) {
      throw Error(ErrorCode::kParsing, "Invalid aggregation name [" + name + "]. Aggregation names can contain any character except '[', ']', and '>'");
    }
    if (!value.is_object()) throw Error(ErrorCode::kParsing, "Aggregation definition for [" + name + " starts with a [VALUE_STRING], expected a [START_OBJECT].");
    std::string type;
    const json::value* body = nullptr;
    const json::object* sub = nullptr;
    json::object meta;
    for (auto& [k, v] : value.as_object()) {
      if (k == "aggs" || k == "aggregations") {
        if (sub != nullptr) throw Error(ErrorCode::kParsing, "Found two sub aggregation definitions under [" + name + "]");
        if (!v.is_object()) throw Error(ErrorCode::kParsing, "Expected [START_OBJECT] under [" + std::string(k) + "], but got a [VALUE_STRING] in [" + name + "]");
        sub = &v.as_object();
      } else if (k == "meta") {
        meta = v.as_object();
      } else {
        if (body != nullptr) throw Error(ErrorCode::kParsing, "Found two aggregation type definitions in [" + name + "]: [" + type + "] and [" + std::string(k) + "]");
        type = std::string(k);
        body = &v;
        if (!v.is_object()) throw Error(ErrorCode::kParsing, "Expected [START_OBJECT] under [" + type + "], but got a [VALUE_STRING] in [" + name + "]");
      }
    }
    if (body == nullptr) throw Error(ErrorCode::kParsing, "Missing definition for aggregation [" + name + "]");
    if (is_pipeline(type)) {
      Pipeline p;
      p.name = name;
      p.type = type;
      p.body = body->as_object();
      p.meta = meta;
      p.env = &env;
      p.typed = typed_keys ? (type == "cumulative_sum" ? "simple_value" : type == "avg_bucket" || type == "sum_bucket" ? "simple_value" : type == "min_bucket" || type == "max_bucket" ? "bucket_metric_value" : type) + "#" + name : name;
      out.pipelines.push_back(std::move(p));
      continue;
    }
    env.building = name;
    AggregatorPtr a = make_metric(type, body->as_object(), env);
    if (a) {
      if (sub != nullptr && !sub->empty()) {
        throw Error(ErrorCode::kParsing, "Aggregator [" + name + "] of type [" + type + "] cannot accept sub-aggregations");
      }
    } else {
      bool joins = type == "nested" || type == "reverse_nested";
      AggEnvironment& below = joins ? nested_environment(env, type, body->as_object()) : env;
      AggChildren children = sub != nullptr ? parse_children(*sub, below, typed_keys, depth + 1) : AggChildren();
      children.typed_keys = typed_keys;
      check_pipelines(children, type, &body->as_object());
      env.building = below.building = name;
      if (type == "global" && depth > 0) throw Error(ErrorCode::kInvalidParameterValue, "Aggregation [" + name + "] cannot have a global sub-aggregation");
      a = joins ? make_nested(type, body->as_object(), env, std::move(children)) : make_bucket(type, body->as_object(), env, std::move(children), name);
    }
    if (!a) {
      static const std::set<std::string> kAbsent = {"geohex_grid", "categorize_text", "inference", "frequent_item_sets", "change_point", "bucket_correlation", "bucket_count_ks_test", "children", "parent"};
      if (kAbsent.count(type) != 0) throw Error(ErrorCode::kFeatureNotSupported, "[" + type + "] aggregations are not supported by this server");
      static const std::vector<std::string> kNames = {
          "adjacency_matrix", "auto_date_histogram", "avg", "avg_bucket", "boxplot", "cumulative_cardinality", "geo_line", "moving_percentiles", "normalize", "rate", "string_stats", "t_test", "time_series", "top_metrics", "bucket_script", "bucket_selector", "bucket_sort", "cardinality", "composite",
          "cumulative_sum", "date_histogram", "date_range", "derivative", "diversified_sampler", "extended_stats", "extended_stats_bucket", "filter", "filters",
          "geo_bounds", "geo_centroid", "geo_distance", "geohash_grid", "geotile_grid", "global", "histogram", "ip_prefix", "ip_range", "matrix_stats", "max",
          "max_bucket", "median_absolute_deviation", "min", "min_bucket", "missing", "moving_fn", "multi_terms", "nested", "percentile_ranks", "percentiles",
          "percentiles_bucket", "random_sampler", "range", "rare_terms", "reverse_nested", "sampler", "scripted_metric", "serial_diff", "significant_terms",
          "significant_text", "stats", "stats_bucket", "sum", "sum_bucket", "terms", "top_hits", "value_count", "variable_width_histogram", "weighted_avg"};
      throw Error(ErrorCode::kParsing, "Unknown aggregation type [" + type + "]" + did_you_mean(type, kNames));
    }
    a->name = name;
    a->type = type;
    if (a->typed.empty()) {
      a->typed = type == "percentiles" || type == "percentile_ranks" ? (body->as_object().contains("hdr") ? "hdr_" : "tdigest_") + type : type;
    }
    a->meta = meta;
    out.aggs.push_back(std::move(a));
  }
  return out;
}

struct AggregatorTree::Impl {
  AggEnvironment env;
  AggChildren root;
};

AggregatorTree::AggregatorTree(const json::object& request, AggEnvironment env, bool typed_keys) : impl_(std::make_unique<Impl>()) {
  impl_->env = std::move(env);
  impl_->root = parse_children(request, impl_->env, typed_keys, 0);
  check_pipelines(impl_->root, "", nullptr);
}
AggregatorTree::~AggregatorTree() = default;
void AggregatorTree::start_leaf(size_t leaf) { impl_->root.start_leaf(leaf); }
void AggregatorTree::collect(uint32_t doc, float score) {
  for (auto& a : impl_->root.aggs) {
    if (a->type != "global") a->collect(doc, score, 0);
  }
}
bool AggregatorTree::has_global() const {
  for (auto& a : impl_->root.aggs) if (a->type == "global") return true;
  return false;
}
void AggregatorTree::collect_global(uint32_t doc) {
  for (auto& a : impl_->root.aggs) {
    if (a->type == "global") a->collect(doc, 1, 0);
  }
}
static void drop_kept(json::object& o) {
  o.erase(kKeptState);
  for (auto& m : o) {
    if (m.value().is_object()) drop_kept(m.value().as_object());
    else if (m.value().is_array()) for (auto& e : m.value().as_array()) if (e.is_object()) drop_kept(e.as_object());
  }
}
json::object AggregatorTree::results() {
  json::object out;
  impl_->root.results(0, out);
  if (!impl_->env.kept_states.empty()) drop_kept(out);
  return out;
}

}  // namespace stele::segments
