#include "segments/aggs/bucket_aggregator.h"

namespace stele::segments {

namespace {
[[noreturn]] void illegal(std::string m) { throw Error(ErrorCode::kInvalidParameterValue, std::move(m)); }

// Strings of all leaves, numbered as they come.
class Interner {
 public:
  int64_t id(std::string_view s) {
    auto it = ids_.find(std::string(s));
    if (it != ids_.end()) return it->second;
    auto [at, fresh] = ids_.emplace(std::string(s), static_cast<int64_t>(names_.size()));
    names_.push_back(&at->first);
    return at->second;
  }
  const std::string& name(int64_t id) const { return *names_[static_cast<size_t>(id)]; }

 private:
  std::unordered_map<std::string, int64_t> ids_;
  std::vector<const std::string*> names_;
};

// Values of a source as keys, strings interned, per leaf ordinals remembered.
class KeyReader {
 public:
  KeyReader(AggEnvironment& env, const json::object& body, const std::string& agg) : source(env, body, agg) {}
  ValueSource source;
  Interner names;
  void start_leaf(size_t l) {
    source.start_leaf(l);
    ordinals_.clear();
    if (source.keyword() && source.column()) ordinals_.assign(source.column().terms(), -1);
  }
  template <typename F>
  void keys(uint32_t doc, F&& f) {
    if (!source.keyword()) {
      int64_t last = 0;
      bool any = false;
      source.raw(doc, [&](int64_t v) {
        if (any && v == last) return;
        any = true;
        last = v;
        f(v);
      });
      return;
    }
    const Column& c = source.column();
    bool any = false;
    if (c) {
      for (uint32_t i = c.begin(doc), e = c.end(doc); i < e; ++i) {
        auto o = static_cast<size_t>(c.value(i));
        if (!source.keeps(c.term(o))) continue;
        any = true;
        if (ordinals_[o] < 0) ordinals_[o] = names.id(c.term(o));
        f(ordinals_[o]);
      }
    }
    if (!any && source.has_missing()) f(names.id(source.missing_text()));
  }
  json::value key_value(int64_t key) const {
    if (source.keyword()) return json::value(source.show(names.name(key)));
    const MappedField* f = source.field();
    if (f == nullptr) return json::value(from_sortable_bits(key));
    if (f->type == FieldType::kDateNanos) return key / 1000000;
    return f->render(key);
  }
  std::optional<std::string> key_string(int64_t key) const {
    const MappedField* f = source.field();
    if (source.keyword() || f == nullptr) return std::nullopt;
    if (f->is_date() || f->type == FieldType::kBoolean) return f->render_string(key, source.format(), source.zone());
    if (f->type == FieldType::kUnsignedLong) return json_text(f->render(key));
    return std::nullopt;
  }
  bool less(int64_t a, int64_t b) const { return source.keyword() ? names.name(a) < names.name(b) : a < b; }

 private:
  std::vector<int64_t> ordinals_;
};

struct OrderBy { std::string path; bool ascending; };
std::vector<OrderBy> parse_order(const json::object& body) {
  std::vector<OrderBy> out;
  auto one = [&](const json::value& v) {
    if (!v.is_object()) throw Error(ErrorCode::kParsing, "Unknown key for a VALUE_STRING in [order]: [order].");
    for (auto& [k, d] : v.as_object()) {
      std::string dir = json_text(d);
      if (dir != "asc" && dir != "desc") throw Error(ErrorCode::kParsing, "Unknown order direction [" + dir + "]");
      out.push_back({std::string(k), dir == "asc"});
    }
  };
  if (auto* o = body.if_contains("order")) {
    if (o->is_array()) for (auto& e : o->as_array()) one(e);
    else one(*o);
  }
  return out;
}

class Terms : public BucketAggregator {
 public:
  Terms(AggEnvironment& env, const json::object& body, AggChildren children, bool rare)
      : BucketAggregator(env, std::move(children)), reader_(env, body, "terms"), rare_(rare) {
    double size = agg_number(body, "size", 10);
    if (size <= 0) illegal("[size] must be greater than 0. Found [" + std::to_string(static_cast<int64_t>(size)) + "] in [" + name + "]");
    size_ = static_cast<size_t>(size);
    min_doc_count_ = static_cast<uint64_t>(agg_number(body, "min_doc_count", 1));
    max_doc_count_ = rare ? static_cast<uint64_t>(agg_number(body, "max_doc_count", 1)) : UINT64_MAX;
    if (rare) size_ = 100000;
    order_ = parse_order(body);
    bool key = false;
    for (auto& o : order_) key |= o.path == "_key" || o.path == "_term";
    if (order_.empty()) order_.push_back({"_count", rare});
    if (!key) order_.push_back({"_key", true});
    for (const char* which : {"include", "exclude"}) {
      auto* v = body.if_contains(which);
      if (v == nullptr) continue;
      bool include = which[0] == 'i';
      if (v->is_array()) {
        auto& set = include ? include_ : exclude_;
        for (auto& e : v->as_array()) set.insert(canonical(e));
        (include ? has_include_ : has_exclude_) = true;
      } else if (v->is_object()) {
        partition_ = static_cast<int64_t>(agg_number(v->as_object(), "partition", 0));
        partitions_ = static_cast<int64_t>(agg_number(v->as_object(), "num_partitions", 1));
      } else {
        if (!reader_.source.keyword() && reader_.source.mapped()) {
          illegal("Aggregation [" + name + "] cannot support regular expression style include/exclude settings as they can only be applied to string fields. Use an array of numeric values for include/exclude clauses used to filter numeric fields");
        }
        (include ? include_pattern_ : exclude_pattern_) = std::make_shared<Regexp>(json_text(*v));
      }
    }
  }
  void start_leaf(size_t l) override {
    BucketAggregator::start_leaf(l);
    reader_.start_leaf(l);
    direct_.clear();
    leaf_docs_all_ = env_.leaves[l].leaf->segment.get();
    if (min_doc_count_ == 0 && reader_.source.keyword() && reader_.source.column()) {
      for (uint64_t t = 0; t < reader_.source.column().terms(); ++t) zero_.insert(reader_.names.id(reader_.source.column().term(t)));
    }
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    reader_.keys(doc, [&](int64_t key) {
      if (filtered() && !accepted(key)) return;
      add(bucket(owner, key), doc, score);
    });
  }
  json::object result(uint32_t owner) override {
    if (min_doc_count_ == 0) for (int64_t k : zero_) if (accepted(k)) bucket(owner, k);
    std::vector<uint32_t> list = of(owner);
    uint64_t total = 0;
    for (uint32_t b : list) total += buckets_[b].count;
    std::erase_if(list, [&](uint32_t b) { return buckets_[b].count < min_doc_count_ || buckets_[b].count > max_doc_count_; });
    bool by_metric = false;
    for (auto& o : order_) by_metric |= o.path != "_count" && o.path != "_key" && o.path != "_term";
    std::unordered_map<uint32_t, json::object> made;
    auto make = [&](uint32_t b) -> json::object& {
      auto [it, fresh] = made.try_emplace(b);
      if (fresh) {
        it->second["key"] = reader_.key_value(buckets_[b].key);
        if (auto s = reader_.key_string(buckets_[b].key)) it->second["key_as_string"] = *s;
        fill(it->second, b, buckets_[b].count);
      }
      return it->second;
    };
    if (by_metric) for (uint32_t b : list) make(b);
    auto before = [&](uint32_t a, uint32_t b) {
      for (auto& o : order_) {
        if (o.path == "_count") {
          if (buckets_[a].count != buckets_[b].count) return o.ascending ? buckets_[a].count < buckets_[b].count : buckets_[a].count > buckets_[b].count;
        } else if (o.path == "_key" || o.path == "_term") {
          if (reader_.less(buckets_[a].key, buckets_[b].key)) return o.ascending;
          if (reader_.less(buckets_[b].key, buckets_[a].key)) return !o.ascending;
        } else {
          double x = bucket_metric(made[a], o.path), y = bucket_metric(made[b], o.path);
          if (std::isnan(x) != std::isnan(y)) return std::isnan(y);
          if (x != y && !std::isnan(x)) return o.ascending ? x < y : x > y;
        }
      }
      return false;
    };
    size_t n = std::min(size_, list.size());
    std::partial_sort(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(n), list.end(), before);
    json::array out;
    uint64_t shown = 0;
    for (size_t i = 0; i < n; ++i) {
      shown += buckets_[list[i]].count;
      out.push_back(std::move(make(list[i])));
    }
    run_parent_pipelines(children_.pipelines, out);
    json::object o;
    if (!rare_) {
      o["doc_count_error_upper_bound"] = 0;
      o["sum_other_doc_count"] = total - shown;
    }
    o["buckets"] = std::move(out);
    return o;
  }
  const ValueSource& source() const { return reader_.source; }

 private:
  struct Regexp {
    explicit Regexp(const std::string& p) : query(make_query(QueryKind::kRegexp)) {
      query->text = p;
      pattern = translate_regexp(p);
    }
    std::shared_ptr<Query> query;
    std::string pattern;
    bool matches(const std::string& s) const;
  };
  std::string canonical(const json::value& v) const {
    const MappedField* f = reader_.source.field();
    if (f != nullptr && !reader_.source.keyword()) {
      try {
        return std::to_string(f->column_value(v));
      } catch (const Error&) {
        return "";
      }
    }
    if (f != nullptr && f->type == FieldType::kIp) return encode_ip(json_text(v)).value_or("");
    return json_text(v);
  }
  bool filtered() const { return has_include_ || has_exclude_ || include_pattern_ || exclude_pattern_ || partitions_ > 0; }
  bool accepted(int64_t key) {
    if (!filtered()) return true;
    auto [it, fresh] = verdict_.try_emplace(key, false);
    if (!fresh) return it->second;
    std::string s = reader_.source.keyword() ? reader_.names.name(key) : std::to_string(key);
    bool ok = true;
    if (has_include_) ok = include_.count(s) != 0;
    if (include_pattern_) ok = ok && include_pattern_->matches(s);
    if (has_exclude_) ok = ok && exclude_.count(s) == 0;
    if (exclude_pattern_) ok = ok && !exclude_pattern_->matches(s);
    if (partitions_ > 0) ok = ok && static_cast<int64_t>(std::hash<std::string>()(s) % static_cast<size_t>(partitions_)) == partition_;
    return it->second = ok;
  }
  KeyReader reader_;
  bool rare_;
  size_t size_;
  uint64_t min_doc_count_, max_doc_count_;
  std::vector<OrderBy> order_;
  std::set<std::string> include_, exclude_;
  bool has_include_ = false, has_exclude_ = false;
  std::shared_ptr<Regexp> include_pattern_, exclude_pattern_;
  int64_t partition_ = 0, partitions_ = 0;
  std::unordered_map<int64_t, bool> verdict_;
  std::set<int64_t> zero_;
  std::vector<uint32_t> direct_;
  const Segment* leaf_docs_all_ = nullptr;
};

bool Terms::Regexp::matches(const std::string& s) const {
  // One-term dictionaries are matched through the same code as queries.
  SegmentBuilder b;
  uint32_t f = b.field("t", {.postings = true});
  b.begin(1);
  b.add_term(f, s);
  b.end();
  SegmentPtr seg = Segment::from_image(b.finish(), 1);
  bool hit = false;
  expand_terms(*query, *seg, *seg->field("t"), [&](std::string_view, const TermInfo&, int) { return hit = true, false; });
  return hit;
}

class MultiTerms : public BucketAggregator {
 public:
  MultiTerms(AggEnvironment& env, const json::object& body, AggChildren children, const std::string& name)
      : BucketAggregator(env, std::move(children)), size_(static_cast<size_t>(agg_number(body, "size", 10))),
        min_doc_count_(static_cast<uint64_t>(agg_number(body, "min_doc_count", 1))) {
    auto* t = body.if_contains("terms");
    if (t == nullptr || !t->is_array() || t->as_array().size() < 2) {
      illegal("The [terms] parameter in the aggregation [" + name + "] must be present and have at least 2 fields or scripts.");
    }
    for (auto& e : t->as_array()) readers_.push_back(std::make_unique<KeyReader>(env, e.as_object(), "multi_terms"));
    order_ = parse_order(body);
    if (order_.empty()) order_.push_back({"_count", false});
  }
  void start_leaf(size_t l) override {
    BucketAggregator::start_leaf(l);
    for (auto& r : readers_) r->start_leaf(l);
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    std::vector<int64_t> key(readers_.size());
    std::function<void(size_t)> walk = [&](size_t i) {
      if (i == readers_.size()) {
        auto [it, fresh] = ids_.try_emplace(key, static_cast<int64_t>(tuples_.size()));
        if (fresh) tuples_.push_back(key);
        add(bucket(owner, it->second), doc, score);
        return;
      }
      readers_[i]->keys(doc, [&](int64_t k) {
        key[i] = k;
        walk(i + 1);
      });
    };
    walk(0);
  }
  json::object result(uint32_t owner) override {
    std::vector<uint32_t> list = of(owner);
    uint64_t total = 0;
    for (uint32_t b : list) total += buckets_[b].count;
    std::erase_if(list, [&](uint32_t b) { return buckets_[b].count < min_doc_count_; });
    std::vector<json::object> made(buckets_.size());
    for (uint32_t b : list) {
      json::array key;
      std::string text;
      auto& t = tuples_[static_cast<size_t>(buckets_[b].key)];
      for (size_t i = 0; i < t.size(); ++i) {
        auto s = readers_[i]->key_string(t[i]);
        json::value v = s ? json::value(*s) : readers_[i]->key_value(t[i]);
        text += (i == 0 ? "" : "|") + json_text(v);
        const MappedField* f = readers_[i]->source.field();
        if (f != nullptr && f->type == FieldType::kBoolean) v = t[i] != 0;
        key.push_back(std::move(v));
      }
      made[b]["key"] = key;
      made[b]["key_as_string"] = text;
      fill(made[b], b, buckets_[b].count);
    }
    auto tuple_less = [&](uint32_t a, uint32_t b) -> int {
      auto &x = tuples_[static_cast<size_t>(buckets_[a].key)], &y = tuples_[static_cast<size_t>(buckets_[b].key)];
      for (size_t i = 0; i < x.size(); ++i) {
        if (readers_[i]->less(x[i], y[i])) return -1;
        if (readers_[i]->less(y[i], x[i])) return 1;
      }
      return 0;
    };
    std::sort(list.begin(), list.end(), [&](uint32_t a, uint32_t b) {
      for (auto& o : order_) {
        double x, y;
        if (o.path == "_key") {
          int c = tuple_less(a, b);
          if (c != 0) return o.ascending ? c < 0 : c > 0;
          continue;
        }
        x = bucket_metric(made[a], o.path);
        y = bucket_metric(made[b], o.path);
        if (x != y) return o.ascending ? x < y : x > y;
      }
      return tuple_less(a, b) < 0;
    });
    json::array out;
    uint64_t shown = 0;
    for (size_t i = 0; i < std::min(size_, list.size()); ++i) {
      shown += buckets_[list[i]].count;
      out.push_back(std::move(made[list[i]]));
    }
    run_parent_pipelines(children_.pipelines, out);
    json::object o;
    o["doc_count_error_upper_bound"] = 0;
    o["sum_other_doc_count"] = total - shown;
    o["buckets"] = std::move(out);
    return o;
  }

 private:
  std::vector<std::unique_ptr<KeyReader>> readers_;
  size_t size_;
  uint64_t min_doc_count_;
  std::vector<OrderBy> order_;
  std::map<std::vector<int64_t>, int64_t> ids_;
  std::vector<std::vector<int64_t>> tuples_;
};

// Rounds times to the start of their bucket.
class DateRounding {
 public:
  DateRounding(const json::object& body, const std::string& agg) {
    std::string calendar = agg_string(body, "calendar_interval"), fixed = agg_string(body, "fixed_interval");
    std::string old = agg_string(body, "interval");
    if (!old.empty()) {
      static const std::set<std::string> kCalendar = {"minute", "1m", "hour", "1h", "day", "1d", "week", "1w", "month", "1M", "quarter", "1q", "year", "1y"};
      (kCalendar.count(old) != 0 ? calendar : fixed) = old;
    }
    if (!agg_string(body, "calendar_interval").empty() && !agg_string(body, "fixed_interval").empty()) illegal("Cannot use [fixed_interval] with [calendar_interval] configuration option.");
    if (calendar.empty() && fixed.empty()) illegal("Invalid interval specified, must be non-null and non-empty");
    if (!calendar.empty()) {
      static const std::map<std::string, char> kUnits = {
          {"second", 's'}, {"1s", 's'}, {"minute", 'm'}, {"1m", 'm'}, {"hour", 'h'}, {"1h", 'h'}, {"day", 'd'}, {"1d", 'd'},
          {"week", 'w'}, {"1w", 'w'}, {"month", 'M'}, {"1M", 'M'}, {"quarter", 'q'}, {"1q", 'q'}, {"year", 'y'}, {"1y", 'y'}};
      auto it = kUnits.find(calendar);
      if (it == kUnits.end()) illegal("The supplied interval [" + calendar + "] could not be parsed as a calendar interval.");
      unit_ = it->second;
    } else {
      auto ms = parse_time_ms(fixed);
      if (!ms || *ms < 1) illegal("failed to parse setting [" + agg + "] with value [" + fixed + "] as a time value: unit is missing or unrecognized");
      fixed_ms_ = static_cast<int64_t>(*ms);
    }
    std::string tz = agg_string(body, "time_zone");
    if (!tz.empty()) zone_ = Zone::of(tz);
    std::string offset = agg_string(body, "offset");
    if (!offset.empty()) {
      bool minus = offset[0] == '-';
      if (offset[0] == '+' || minus) offset.erase(0, 1);
      offset_ = static_cast<int64_t>(parse_time_ms(offset).value_or(std::strtod(offset.c_str(), nullptr)));
      if (minus) offset_ = -offset_;
    }
  }
  int64_t round(int64_t t) const {
    t -= offset_;
    int64_t local = zone_ ? zone_->to_local(t) : t;
    if (unit_ != 0) local = floor_unit(local, unit_);
    else local = floor(local, fixed_ms_);
    return (zone_ ? zone_->to_utc(local) : local) + offset_;
  }
  int64_t next(int64_t key) const {
    int64_t t = key - offset_;
    int64_t local = zone_ ? zone_->to_local(t) : t;
    local = unit_ != 0 ? add_unit(local, unit_ == 'q' ? 'M' : unit_, unit_ == 'q' ? 3 : 1) : local + fixed_ms_;
    int64_t n = (zone_ ? zone_->to_utc(local) : local) + offset_;
    return n > key ? n : key + (unit_ == 0 ? fixed_ms_ : 3600000);
  }
  const Zone* zone() const { return zone_.get(); }
  int months() const { return unit_ == 'M' ? 1 : unit_ == 'q' ? 3 : unit_ == 'y' ? 12 : 0; }

 private:
  static int64_t floor(int64_t v, int64_t by) {
    int64_t q = v / by;
    if (v % by != 0 && v < 0) --q;
    return q * by;
  }
  char unit_ = 0;
  int64_t fixed_ms_ = 0, offset_ = 0;
  ZonePtr zone_;
};

class Histogram : public BucketAggregator {
 public:
  Histogram(AggEnvironment& env, const json::object& body, AggChildren children, bool date)
      : BucketAggregator(env, std::move(children)), source_(env, body, date ? "date_histogram" : "histogram"), date_(date),
        min_doc_count_(static_cast<uint64_t>(agg_number(body, "min_doc_count", 0))), keyed_(agg_flag(body, "keyed", false)) {
    order_ = parse_order(body);
    if (date_) {
      rounding_ = std::make_unique<DateRounding>(body, "date_histogram");
    } else {
      interval_ = agg_number(body, "interval", 0);
      if (interval_ <= 0) illegal("[interval] must be >0 for histogram aggregation [" + name + "]");
      offset_ = agg_number(body, "offset", 0);
    }
    if (source_.keyword()) illegal("Field [" + source_.field()->path + "] of type [" + source_.field()->type_name + "] is not supported for aggregation [" + (date ? "date_histogram" : "histogram") + "]");
    for (const char* which : {"extended_bounds", "hard_bounds"}) {
      auto* v = body.if_contains(which);
      if (v == nullptr || !v->is_object()) continue;
      auto bound = [&](const char* key, double& out, bool& has) {
        auto* b = v->as_object().if_contains(key);
        if (b == nullptr || b->is_null()) return;
        has = true;
        if (date_ && b->is_string()) {
          const DateFormat& f = source_.format() != nullptr ? *source_.format() : source_.field() != nullptr && source_.field()->format ? *source_.field()->format : default_date_format();
          out = static_cast<double>(f.parse_math(json_text(*b), env_.now_ms, false, rounding_->zone()));
        } else {
          out = b->is_number() ? b->to_number<double>() : std::strtod(json_text(*b).c_str(), nullptr);
        }
      };
      bool hard = which[0] == 'h';
      bound("min", hard ? hard_min_ : min_, hard ? has_hard_min_ : has_min_);
      bound("max", hard ? hard_max_ : max_, hard ? has_hard_max_ : has_max_);
      if (!hard && has_min_ && has_max_ && min_ > max_) illegal("[extended_bounds.min][" + java_double(min_) + "] cannot be greater than [extended_bounds.max][" + java_double(max_) + "] for histogram aggregation [" + name + "]");
    }
  }
  void start_leaf(size_t l) override {
    BucketAggregator::start_leaf(l);
    source_.start_leaf(l);
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    int64_t last = INT64_MIN;
    source_.numbers(doc, [&](double v) {
      if ((has_hard_min_ && v < hard_min_) || (has_hard_max_ && v > hard_max_)) return;
      int64_t key = date_ ? rounded(static_cast<int64_t>(v)) : static_cast<int64_t>(std::floor((v - offset_) / interval_));
      if (key == last) return;
      last = key;
      add(bucket(owner, key), doc, score);
    });
  }
  json::object result(uint32_t owner) override {
    std::map<int64_t, uint32_t> ordered;
    for (uint32_t b : of(owner)) ordered[buckets_[b].key] = b;
    if (min_doc_count_ == 0) {
      int64_t lo = 0, hi = 0;
      bool some = !ordered.empty();
      if (some) {
        lo = ordered.begin()->first;
        hi = ordered.rbegin()->first;
      }
      auto key_of = [&](double v) { return date_ ? rounding_->round(static_cast<int64_t>(v)) : static_cast<int64_t>(std::floor((v - offset_) / interval_)); };
      if (has_min_ && (has_max_ || some)) {
        lo = some ? std::min(lo, key_of(min_)) : key_of(min_);
        if (!some) hi = lo;
        some = true;
      }
      if (has_max_ && some) hi = std::max(hi, key_of(max_));
      uint64_t n = 0;
      for (int64_t k = lo; some && k <= hi; k = date_ ? rounding_->next(k) : k + 1) {
        ordered.try_emplace(k, kEmpty);
        if (++n > env_.max_buckets) throw Error(ErrorCode::kInvalidParameterValue, "Trying to create too many buckets. Must be less than or equal to: [" + std::to_string(env_.max_buckets) + "] but this number of buckets was exceeded. This limit can be set by changing the [search.max_buckets] cluster level setting.");
      }
    }
    json::array out;
    for (auto& [key, b] : ordered) {
      uint64_t count = b == kEmpty ? 0 : buckets_[b].count;
      if (count < min_doc_count_) continue;
      json::object o;
      if (date_) {
        const MappedField* f = source_.field();
        const DateFormat& fmt = source_.format() != nullptr ? *source_.format() : f != nullptr && f->format ? *f->format : default_date_format();
        o["key_as_string"] = fmt.format(key, rounding_->zone());
        o["key"] = key;
      } else {
        double k = static_cast<double>(key) * interval_ + offset_;
        o["key"] = k;
        if (!source_.decimals().empty()) o["key_as_string"] = decimal_format(source_.decimals(), k);
      }
      fill(o, b, count);
      if (date_) scale_rates(o, key, rounding_->next(key), rounding_->months());
      out.push_back(std::move(o));
    }
    if (!order_.empty()) {
      std::stable_sort(out.begin(), out.end(), [&](const json::value& a, const json::value& b) {
        for (auto& by : order_) {
          double x = by.path == "_key" ? a.as_object().at("key").to_number<double>() : bucket_metric(a.as_object(), by.path);
          double y = by.path == "_key" ? b.as_object().at("key").to_number<double>() : bucket_metric(b.as_object(), by.path);
          if (x != y) return by.ascending ? x < y : x > y;
        }
        return false;
      });
    }
    run_parent_pipelines(children_.pipelines, out);
    json::object o;
    if (keyed_) {
      json::object map;
      for (auto& b : out) {
        auto* s = b.as_object().if_contains("key_as_string");
        map[s != nullptr ? json_text(*s) : json_text(b.as_object().at("key"))] = b;
      }
      o["buckets"] = map;
    } else {
      o["buckets"] = std::move(out);
    }
    return o;
  }

 private:
  int64_t rounded(int64_t t) {
    if (t >= cached_from_ && t < cached_to_) return cached_from_;
    cached_from_ = rounding_->round(t);
    cached_to_ = rounding_->next(cached_from_);
    return cached_from_;
  }
  ValueSource source_;
  bool date_;
  uint64_t min_doc_count_;
  bool keyed_;
  std::unique_ptr<DateRounding> rounding_;
  double interval_ = 1, offset_ = 0;
  double min_ = 0, max_ = 0, hard_min_ = 0, hard_max_ = 0;
  bool has_min_ = false, has_max_ = false, has_hard_min_ = false, has_hard_max_ = false;
  int64_t cached_from_ = 1, cached_to_ = 0;
  std::vector<OrderBy> order_;
};

class Ranges : public BucketAggregator {
 public:
  Ranges(AggEnvironment& env, const json::object& body, AggChildren children, std::string kind)
      : BucketAggregator(env, std::move(children)), source_(env, body, kind), kind_(std::move(kind)), keyed_(agg_flag(body, "keyed", false)) {
    auto* r = body.if_contains("ranges");
    if (r == nullptr || !r->is_array() || r->as_array().empty()) illegal("No [ranges] specified for the [" + name + "] aggregation");
    const MappedField* f = source_.field();
    const DateFormat& format = source_.format() != nullptr ? *source_.format() : f != nullptr && f->format ? *f->format : default_date_format();
    for (auto& e : r->as_array()) {
      const json::object& o = e.as_object();
      Range x;
      auto bound = [&](const char* key, bool& has, double& v, std::string& text) {
        auto* b = o.if_contains(key);
        if (b == nullptr || b->is_null()) return;
        has = true;
        if (kind_ == "date_range") {
          v = b->is_number() ? b->to_number<double>() : static_cast<double>(format.parse_math(json_text(*b), env_.now_ms, false, source_.zone()));
          text = format.format(static_cast<int64_t>(v), source_.zone());
        } else if (kind_ == "ip_range") {
          text = json_text(*b);
        } else {
          v = b->is_number() ? b->to_number<double>() : std::strtod(json_text(*b).c_str(), nullptr);
          text = source_.decimals().empty() ? java_double(v) : decimal_format(source_.decimals(), v);
        }
      };
      bound("from", x.has_from, x.from, x.from_text);
      bound("to", x.has_to, x.to, x.to_text);
      if (auto* m = o.if_contains("mask")) {
        auto range = ip_range(json_text(*m));
        if (!range) illegal("'" + json_text(*m) + "' is not an IP string literal.");
        x.has_from = x.has_to = true;
        x.from_text = decode_ip(range->first);
        std::string hi = range->second;
        for (size_t i = 16; i-- > 0;) {
          hi[i] = static_cast<char>(static_cast<uint8_t>(hi[i]) + 1);
          if (hi[i] != 0) break;
        }
        x.to_text = decode_ip(hi);
        x.key = json_text(*m);
      }
      if (auto* k = o.if_contains("key")) x.key = json_text(*k);
      if (x.key.empty()) x.key = (x.has_from ? x.from_text : "*") + "-" + (x.has_to ? x.to_text : "*");
      if (kind_ == "ip_range") {
        if (x.has_from) x.from_ip = encode_ip(x.from_text).value_or("");
        if (x.has_to) x.to_ip = encode_ip(x.to_text).value_or("");
      }
      ranges_.push_back(x);
    }
    std::stable_sort(ranges_.begin(), ranges_.end(), [this](const Range& a, const Range& b) {
      if (kind_ == "ip_range") return a.from_ip != b.from_ip ? a.from_ip < b.from_ip : a.to_ip < b.to_ip;
      double fa = a.has_from ? a.from : -INFINITY, fb = b.has_from ? b.from : -INFINITY;
      if (fa != fb) return fa < fb;
      return (a.has_to ? a.to : INFINITY) < (b.has_to ? b.to : INFINITY);
    });
  }
  void start_leaf(size_t l) override {
    BucketAggregator::start_leaf(l);
    source_.start_leaf(l);
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    std::vector<bool> hit(ranges_.size());
    if (kind_ == "ip_range") {
      const Column& c = source_.column();
      for (uint32_t i = c ? c.begin(doc) : 0, e = c ? c.end(doc) : 0; i < e; ++i) {
        std::string_view v = c.term(static_cast<uint64_t>(c.value(i)));
        for (size_t r = 0; r < ranges_.size(); ++r) {
          if ((!ranges_[r].has_from || v >= ranges_[r].from_ip) && (!ranges_[r].has_to || v < ranges_[r].to_ip)) hit[r] = true;
        }
      }
    } else {
      source_.numbers(doc, [&](double v) {
        for (size_t r = 0; r < ranges_.size(); ++r) {
          if ((!ranges_[r].has_from || v >= ranges_[r].from) && (!ranges_[r].has_to || v < ranges_[r].to)) hit[r] = true;
        }
      });
    }
    for (size_t r = 0; r < ranges_.size(); ++r) {
      if (hit[r]) add(bucket(owner, static_cast<int64_t>(r)), doc, score);
    }
  }
  json::object result(uint32_t owner) override {
    json::array out;
    for (size_t r = 0; r < ranges_.size(); ++r) {
      auto it = index_.find({owner, static_cast<int64_t>(r)});
      const Range& x = ranges_[r];
      json::object o;
      o["key"] = x.key;
      auto edge = [&](const char* key, bool has, double v, const std::string& text) {
        if (!has) return;
        if (kind_ == "ip_range") {
          o[key] = text;
          return;
        }
        o[key] = v;
        if (kind_ == "date_range") o[std::string(key) + "_as_string"] = text;
      };
      edge("from", x.has_from, x.from, x.from_text);
      edge("to", x.has_to, x.to, x.to_text);
      uint32_t b = it == index_.end() ? kEmpty : it->second;
      fill(o, b, b == kEmpty ? 0 : buckets_[b].count);
      out.push_back(std::move(o));
    }
    run_parent_pipelines(children_.pipelines, out);
    json::object o;
    if (keyed_) {
      json::object map;
      for (auto& b : out) {
        std::string key = json_text(b.as_object().at("key"));
        json::object inner = b.as_object();
        inner.erase("key");
        map[key] = inner;
      }
      o["buckets"] = map;
    } else {
      o["buckets"] = out;
    }
    return o;
  }

 private:
  struct Range { bool has_from = false, has_to = false; double from = 0, to = 0; std::string from_text, to_text, key, from_ip, to_ip; };
  ValueSource source_;
  std::string kind_;
  bool keyed_;
  std::vector<Range> ranges_;
};

// filter, filters, missing, global and pass-through aggregations: fixed buckets by bits.
class Filters : public BucketAggregator {
 public:
  Filters(AggEnvironment& env, const json::object& body, AggChildren children, std::string kind, const json::value& whole)
      : BucketAggregator(env, std::move(children)), kind_(std::move(kind)) {
    if (kind_ == "filter") {
      queries_.emplace_back("", whole);
    } else if (kind_ == "filters") {
      auto* f = body.if_contains("filters");
      if (f == nullptr) illegal("[filters] cannot be empty");
      if (f->is_object()) {
        keyed_ = true;
        for (auto& [k, v] : f->as_object()) queries_.emplace_back(std::string(k), v);
        std::sort(queries_.begin(), queries_.end(), [](auto& a, auto& b) { return a.first < b.first; });
      } else {
        for (auto& v : f->as_array()) queries_.emplace_back("", v);
      }
      if (queries_.empty()) illegal("[filters] cannot be empty");
      std::string other = agg_string(body, "other_bucket_key");
      other_ = agg_flag(body, "other_bucket", !other.empty());
      other_key_ = other.empty() ? "_other_" : other;
      keyed_ = agg_flag(body, "keyed", keyed_);
    } else if (kind_ == "missing") {
      source_ = ValueSource(env, body, "missing");
    }
  }
  void start_leaf(size_t l) override {
    BucketAggregator::start_leaf(l);
    if (kind_ == "missing") source_.start_leaf(l);
    bits_.clear();
    for (auto& [k, q] : queries_) bits_.push_back(env_.filter_bits(q, l, env_.nested));
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    if (queries_.empty()) {
      if (kind_ == "missing" && source_.exists(doc)) return;
      if (kind_ == "missing" && source_.has_missing()) return;
      add(bucket(owner, 0), doc, score);
      return;
    }
    bool any = false;
    for (size_t i = 0; i < bits_.size(); ++i) {
      if (bits_[i].empty() || (bits_[i][doc >> 6] >> (doc & 63) & 1) == 0) continue;
      any = true;
      add(bucket(owner, static_cast<int64_t>(i)), doc, score);
    }
    if (!any && other_) add(bucket(owner, static_cast<int64_t>(queries_.size())), doc, score);
  }
  json::object result(uint32_t owner) override {
    auto one = [&](int64_t key) {
      json::object o;
      auto it = index_.find({owner, key});
      uint32_t b = it == index_.end() ? kEmpty : it->second;
      fill(o, b, b == kEmpty ? 0 : buckets_[b].count);
      return o;
    };
    if (kind_ != "filters") return one(0);
    json::object out, map;
    json::array list;
    size_t n = queries_.size() + (other_ ? 1 : 0);
    for (size_t i = 0; i < n; ++i) {
      json::object b = one(static_cast<int64_t>(i));
      std::string key = i < queries_.size() ? queries_[i].first : other_key_;
      if (keyed_) map[key] = b;
      else if (!key.empty() && key != "_other_") {
        json::object with;
        with["key"] = key;
        for (auto& [k, v] : b) with[k] = v;
        list.push_back(with);
      } else list.push_back(b);
    }
    if (keyed_) out["buckets"] = map;
    else out["buckets"] = list;
    return out;
  }

 private:
  std::string kind_;
  std::vector<std::pair<std::string, json::value>> queries_;
  bool keyed_ = false, other_ = false;
  std::string other_key_;
  ValueSource source_;
  std::vector<std::vector<uint64_t>> bits_;
};

class Composite : public BucketAggregator {
 public:
  Composite(AggEnvironment& env, const json::object& body, AggChildren children, const std::string& name)
      : BucketAggregator(env, std::move(children)), size_(static_cast<size_t>(agg_number(body, "size", 10))) {
    auto* s = body.if_contains("sources");
    if (s == nullptr || !s->is_array()) throw Error(ErrorCode::kParsing, "Required [sources]");
    if (s->as_array().empty()) illegal("Composite [sources] cannot be null or empty");
    for (auto& e : s->as_array()) {
      for (auto& [n, def] : e.as_object()) {
        for (auto& [type, b] : def.as_object()) {
          auto src = std::make_unique<Source>(env, b.as_object(), std::string(n), std::string(type));
          for (auto& other : sources_) if (other->name == src->name) illegal("Composite source names must be unique, found duplicates: [" + src->name + "]");
          sources_.push_back(std::move(src));
        }
      }
    }
    if (auto* a = body.if_contains("after"); a != nullptr && a->is_object()) {
      has_after_ = true;
      if (a->as_object().size() != sources_.size()) illegal("[after] has " + std::to_string(a->as_object().size()) + " value(s) but [sources] has " + std::to_string(sources_.size()));
      for (auto& src : sources_) {
        auto* v = a->as_object().if_contains(src->name);
        if (v == nullptr) illegal("Missing value for [after." + src->name + "]");
        after_.push_back(src->from_json(*v, env));
      }
    }
    (void)name;
  }
  void start_leaf(size_t l) override {
    BucketAggregator::start_leaf(l);
    for (auto& s : sources_) s->reader.start_leaf(l);
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    std::vector<Key> key(sources_.size());
    std::function<void(size_t)> walk = [&](size_t i) {
      if (i == sources_.size()) {
        if (has_after_ && !after(key)) return;
        auto [it, fresh] = ids_.try_emplace(key, static_cast<int64_t>(tuples_.size()));
        if (fresh) tuples_.push_back(key);
        add(bucket(owner, it->second), doc, score);
        return;
      }
      bool any = false;
      sources_[i]->each(doc, [&](Key k) {
        any = true;
        key[i] = std::move(k);
        walk(i + 1);
      });
      if (!any && sources_[i]->missing_bucket) {
        key[i] = Key{true, 0, ""};
        walk(i + 1);
      }
    };
    walk(0);
  }
  json::object result(uint32_t owner) override {
    std::vector<uint32_t> list = of(owner);
    std::sort(list.begin(), list.end(), [&](uint32_t a, uint32_t b) {
      return compare(tuples_[static_cast<size_t>(buckets_[a].key)], tuples_[static_cast<size_t>(buckets_[b].key)]) < 0;
    });
    json::array out;
    json::object last;
    for (size_t i = 0; i < std::min(size_, list.size()); ++i) {
      json::object o, key;
      auto& t = tuples_[static_cast<size_t>(buckets_[list[i]].key)];
      for (size_t k = 0; k < t.size(); ++k) key[sources_[k]->name] = sources_[k]->to_json(t[k]);
      o["key"] = key;
      last = key;
      fill(o, list[i], buckets_[list[i]].count);
      out.push_back(std::move(o));
    }
    run_parent_pipelines(children_.pipelines, out);
    json::object o;
    if (!last.empty()) o["after_key"] = last;
    o["buckets"] = std::move(out);
    return o;
  }

 private:
  struct Key {
    bool null = false;
    int64_t number = 0;
    std::string text;
    bool operator<(const Key& o) const { return std::tie(null, number, text) < std::tie(o.null, o.number, o.text); }
  };
  struct Source {
    Source(AggEnvironment& env, const json::object& b, std::string n, std::string t)
        : name(std::move(n)), type(std::move(t)), reader(env, b, type), descending(agg_string(b, "order", "asc") == "desc"),
          missing_bucket(agg_flag(b, "missing_bucket", false)) {
      if (type == "histogram") {
        interval = agg_number(b, "interval", 0);
        if (interval <= 0) illegal("[interval] must be greater than 0 for [histogram] source");
      } else if (type == "date_histogram") {
        rounding = std::make_unique<DateRounding>(b, "date_histogram");
      } else if (type != "terms") {
        throw Error(ErrorCode::kParsing, "invalid source type: " + type);
      }
      std::string order = agg_string(b, "order", "asc"), missing = agg_string(b, "missing_order", "default");
      missing_last = missing == "last" || (missing == "default" && descending);
      format = agg_string(b, "format");
    }
    std::string name, type;
    KeyReader reader;
    bool descending, missing_bucket, missing_last = false;
    double interval = 0;
    std::unique_ptr<DateRounding> rounding;
    std::string format;
    template <typename F>
    void each(uint32_t doc, F&& f) {
      if (type == "terms") {
        reader.keys(doc, [&](int64_t k) {
          if (reader.source.keyword()) f(Key{false, 0, reader.names.name(k)});
          else f(Key{false, k, ""});
        });
      } else {
        reader.source.numbers(doc, [&](double v) {
          int64_t k = rounding ? rounding->round(static_cast<int64_t>(v)) : static_cast<int64_t>(std::floor(v / interval));
          f(Key{false, k, ""});
        });
      }
    }
    json::value to_json(const Key& k) const {
      if (k.null) return nullptr;
      if (rounding) return format.empty() ? json::value(k.number) : json::value(DateFormat(format).format(k.number, rounding->zone()));
      if (type == "histogram") return static_cast<double>(k.number) * interval;
      if (reader.source.keyword()) return json::value(reader.source.show(k.text));
      const MappedField* f = reader.source.field();
      if (f != nullptr && f->type == FieldType::kBoolean) return k.number != 0;
      if (f != nullptr && f->is_date() && !format.empty()) return json::value(DateFormat(format).format(k.number));
      return f != nullptr ? f->render(k.number) : json::value(k.number);
    }
    Key from_json(const json::value& v, AggEnvironment& env) const {
      if (v.is_null()) return Key{true, 0, ""};
      if (rounding) {
        if (v.is_number()) return Key{false, v.to_number<int64_t>(), ""};
        DateFormat f(format.empty() ? "strict_date_optional_time||epoch_millis" : format);
        return Key{false, f.parse_math(json_text(v), env.now_ms, false, rounding->zone()), ""};
      }
      if (type == "histogram") return Key{false, static_cast<int64_t>(std::floor(std::strtod(json_text(v).c_str(), nullptr) / interval)), ""};
      const MappedField* f = reader.source.field();
      if (reader.source.keyword()) {
        std::string t = json_text(v);
        return Key{false, 0, f != nullptr && f->type == FieldType::kIp ? encode_ip(t).value_or(t) : t};
      }
      return Key{false, f != nullptr ? f->column_value(v) : 0, ""};
    }
  };
  int compare(const std::vector<Key>& a, const std::vector<Key>& b) const {
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i].null != b[i].null) return a[i].null != sources_[i]->missing_last ? -1 : 1;
      int c = a[i].number != b[i].number ? (a[i].number < b[i].number ? -1 : 1) : a[i].text.compare(b[i].text);
      if (c != 0) return sources_[i]->descending ? -c : c;
    }
    return 0;
  }
  bool after(const std::vector<Key>& k) const { return compare(k, after_) > 0; }
  size_t size_;
  std::vector<std::unique_ptr<Source>> sources_;
  bool has_after_ = false;
  std::vector<Key> after_;
  std::map<std::vector<Key>, int64_t> ids_;
  std::vector<std::vector<Key>> tuples_;
};

}  // namespace

AggregatorPtr make_bucket(const std::string& type, const json::object& body, AggEnvironment& env, AggChildren children, const std::string& name) {
  if (type == "terms" || type == "rare_terms") {
    auto t = std::make_unique<Terms>(env, body, std::move(children), type == "rare_terms");
    t->typed = !t->source().mapped() ? "umterms" : t->source().keyword() ? "sterms" : t->source().field()->is_float() ? "dterms" : "lterms";
    return t;
  }
  if (type == "multi_terms") return std::make_unique<MultiTerms>(env, body, std::move(children), name);
  if (type == "histogram" || type == "date_histogram") return std::make_unique<Histogram>(env, body, std::move(children), type[0] == 'd');
  if (type == "range" || type == "date_range" || type == "ip_range") return std::make_unique<Ranges>(env, body, std::move(children), type);
  if (type == "filters" || type == "missing" || type == "global") {
    return std::make_unique<Filters>(env, body, std::move(children), type, json::value());
  }
  if (type == "filter") return std::make_unique<Filters>(env, body, std::move(children), type, json::value(body));
  if (type == "composite") return std::make_unique<Composite>(env, body, std::move(children), name);
  return make_rare_bucket(type, body, env, std::move(children), name);
}

}  // namespace stele::segments
