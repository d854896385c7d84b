// adjacency_matrix, geohash_grid, geotile_grid, geo_distance, auto_date_histogram, variable_width_histogram, significant_terms.
#include <cmath>

#include "segments/aggs/bucket_aggregator.h"

namespace stele::segments {

namespace {
[[noreturn]] void illegal(std::string m) { throw Error(ErrorCode::kInvalidParameterValue, std::move(m)); }

// Every filter and every pair of them.
class AdjacencyMatrix : public BucketAggregator {
 public:
  AdjacencyMatrix(AggEnvironment& env, const json::object& body, AggChildren children) : BucketAggregator(env, std::move(children)), separator_(agg_string(body, "separator", "&")) {
    auto* f = body.if_contains("filters");
    if (f == nullptr || !f->is_object()) illegal("Required [filters]");
    for (auto& [k, v] : f->as_object()) queries_.emplace_back(std::string(k), v);
    std::sort(queries_.begin(), queries_.end(), [](auto& a, auto& b) { return a.first < b.first; });
    if (queries_.size() > 1024) illegal("Number of filters is too large, must be less than or equal to: [1024] but was [" + std::to_string(queries_.size()) + "].");
  }
  void start_leaf(size_t l) override {
    BucketAggregator::start_leaf(l);
    bits_.clear();
    for (auto& [k, q] : queries_) bits_.push_back(env_.filter_bits(q, l, env_.nested));
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    std::vector<size_t> in;
    for (size_t i = 0; i < bits_.size(); ++i) if (!bits_[i].empty() && (bits_[i][doc >> 6] >> (doc & 63) & 1) != 0) in.push_back(i);
    for (size_t a = 0; a < in.size(); ++a) {
      for (size_t b = a; b < in.size(); ++b) add(bucket(owner, static_cast<int64_t>(in[a] * queries_.size() + in[b])), doc, score);
    }
  }
  json::object result(uint32_t owner) override {
    std::map<std::string, uint32_t> named;
    for (uint32_t b : of(owner)) {
      auto k = static_cast<size_t>(buckets_[b].key);
      size_t i = k / queries_.size(), j = k % queries_.size();
      named[i == j ? queries_[i].first : queries_[i].first + separator_ + queries_[j].first] = b;
    }
    json::array out;
    for (auto& [key, b] : named) {
      json::object o;
      o["key"] = key;
      fill(o, b, buckets_[b].count);
      out.push_back(std::move(o));
    }
    run_parent_pipelines(children_.pipelines, out);
    json::object o;
    o["buckets"] = std::move(out);
    return o;
  }

 private:
  std::vector<std::pair<std::string, json::value>> queries_;
  std::string separator_;
  std::vector<std::vector<uint64_t>> bits_;
};

std::string geohash(GeoPoint p, int precision) {
  static const char* kAlphabet = "0123456789bcdefghjkmnpqrstuvwxyz";
  double lat[2] = {-90, 90}, lon[2] = {-180, 180};
  std::string out;
  bool even = true;
  for (int i = 0, bits = 0, n = 0; i < precision;) {
    double* range = even ? lon : lat;
    double value = even ? p.lon : p.lat, mid = (range[0] + range[1]) / 2;
    bool high = value >= mid;
    bits = bits << 1 | (high ? 1 : 0);
    range[high ? 0 : 1] = mid;
    even = !even;
    if (++n == 5) {
      out.push_back(kAlphabet[bits]);
      bits = n = 0;
      ++i;
    }
  }
  return out;
}
std::string geotile(GeoPoint p, int zoom) {
  double tiles = std::pow(2.0, zoom), lat = std::clamp(p.lat, -85.05112878, 85.05112878) * M_PI / 180;
  auto x = static_cast<int64_t>(std::floor((p.lon + 180.0) / 360.0 * tiles));
  auto y = static_cast<int64_t>(std::floor((1.0 - std::log(std::tan(lat) + 1.0 / std::cos(lat)) / M_PI) / 2.0 * tiles));
  auto inside = [&](int64_t v) { return std::clamp<int64_t>(v, 0, static_cast<int64_t>(tiles) - 1); };
  return std::to_string(zoom) + "/" + std::to_string(inside(x)) + "/" + std::to_string(inside(y));
}

class GeoGrid : public BucketAggregator {
 public:
  GeoGrid(AggEnvironment& env, const json::object& body, AggChildren children, bool tile) : BucketAggregator(env, std::move(children)), source_(env, body, tile ? "geotile_grid" : "geohash_grid"), tile_(tile) {
    precision_ = static_cast<int>(agg_number(body, "precision", tile ? 7 : 5));
    if (auto* p = body.if_contains("precision"); p != nullptr && p->is_string() && !tile) {  // a distance: cells at most that wide
      std::string text = json_text(*p);
      if (text.find_first_not_of("0123456789") != std::string::npos) {
        double metres = parse_distance_m(text).value_or(1);
        static const double kWidths[] = {5009400, 1252300, 156500, 39100, 4900, 1200, 152.9, 38.2, 4.8, 1.2, 0.149, 0.037};
        precision_ = 12;
        for (int i = 0; i < 12; ++i) {
          if (kWidths[i] <= metres) {
            precision_ = i + 1;
            break;
          }
        }
      }
    }
    if (tile && (precision_ < 0 || precision_ > 29)) illegal("Invalid geotile_grid precision of " + std::to_string(precision_) + ". Must be between 0 and 29.");
    if (!tile && (precision_ < 1 || precision_ > 12)) illegal("Invalid geohash aggregation precision of " + std::to_string(precision_) + ". Must be between 1 and 12.");
    size_ = static_cast<size_t>(agg_number(body, "size", 10000));
    if (auto* b = body.if_contains("bounds"); b != nullptr && b->is_object()) {
      const json::object& o = b->as_object();
      bounded_ = true;
      if (auto* p = o.if_contains("top_left")) top_ = parse_point(*p);
      if (auto* p = o.if_contains("bottom_right")) bottom_ = parse_point(*p);
      if (o.contains("top")) top_ = {agg_number(o, "top", 90), agg_number(o, "left", -180)}, bottom_ = {agg_number(o, "bottom", -90), agg_number(o, "right", 180)};
    }
  }
  void start_leaf(size_t l) override {
    BucketAggregator::start_leaf(l);
    source_.start_leaf(l);
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    std::set<int64_t> seen;
    source_.raw(doc, [&](int64_t v) {
      GeoPoint p = decode_point(v);
      if (bounded_ && (p.lat > top_.lat || p.lat < bottom_.lat || (top_.lon <= bottom_.lon ? p.lon < top_.lon || p.lon > bottom_.lon : p.lon < top_.lon && p.lon > bottom_.lon))) return;
      std::string key = tile_ ? geotile(p, precision_) : geohash(p, precision_);
      auto [it, fresh] = ids_.try_emplace(key, static_cast<int64_t>(keys_.size()));
      if (fresh) keys_.push_back(key);
      if (seen.insert(it->second).second) add(bucket(owner, it->second), doc, score);
    });
  }
  json::object result(uint32_t owner) override {
    std::vector<uint32_t> list = of(owner);
    std::sort(list.begin(), list.end(), [&](uint32_t a, uint32_t b) {
      if (buckets_[a].count != buckets_[b].count) return buckets_[a].count > buckets_[b].count;
      return keys_[static_cast<size_t>(buckets_[a].key)] > keys_[static_cast<size_t>(buckets_[b].key)];
    });
    if (list.size() > size_) list.resize(size_);
    json::array out;
    for (uint32_t b : list) {
      json::object o;
      o["key"] = keys_[static_cast<size_t>(buckets_[b].key)];
      fill(o, b, buckets_[b].count);
      out.push_back(std::move(o));
    }
    json::object o;
    o["buckets"] = std::move(out);
    return o;
  }

 private:
  ValueSource source_;
  bool tile_, bounded_ = false;
  GeoPoint top_{90, -180}, bottom_{-90, 180};
  int precision_;
  size_t size_;
  std::map<std::string, int64_t> ids_;
  std::vector<std::string> keys_;
};

class GeoDistance : public BucketAggregator {
 public:
  GeoDistance(AggEnvironment& env, const json::object& body, AggChildren children) : BucketAggregator(env, std::move(children)), source_(env, body, "geo_distance"), keyed_(agg_flag(body, "keyed", false)) {
    auto* o = body.if_contains("origin");
    if (o == nullptr) illegal("Aggregation [geo_distance] must define an [origin].");
    origin_ = parse_point(*o);
    unit_m_ = parse_distance_m("1" + agg_string(body, "unit", "m")).value_or(1);
    auto* r = body.if_contains("ranges");
    if (r == nullptr || !r->is_array()) illegal("No [ranges] specified for the [geo_distance] aggregation");
    for (auto& e : r->as_array()) {
      Range x{agg_number(e.as_object(), "from", 0), agg_number(e.as_object(), "to", INFINITY), agg_string(e.as_object(), "key")};
      if (x.key.empty()) x.key = (x.from == 0 && !e.as_object().contains("from") ? "*" : java_double(x.from)) + "-" + (std::isinf(x.to) ? "*" : java_double(x.to));
      ranges_.push_back(x);
    }
  }
  void start_leaf(size_t l) override {
    BucketAggregator::start_leaf(l);
    source_.start_leaf(l);
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    std::vector<bool> hit(ranges_.size());
    source_.raw(doc, [&](int64_t v) {
      double d = haversine_m(decode_point(v), origin_) / unit_m_;
      for (size_t i = 0; i < ranges_.size(); ++i) if (d >= ranges_[i].from && d < ranges_[i].to) hit[i] = true;
    });
    for (size_t i = 0; i < hit.size(); ++i) if (hit[i]) add(bucket(owner, static_cast<int64_t>(i)), doc, score);
  }
  json::object result(uint32_t owner) override {
    json::array list;
    json::object map;
    for (size_t i = 0; i < ranges_.size(); ++i) {
      auto it = index_.find({owner, static_cast<int64_t>(i)});
      uint32_t b = it == index_.end() ? kEmpty : it->second;
      json::object o;
      if (!keyed_) o["key"] = ranges_[i].key;
      o["from"] = ranges_[i].from;
      if (!std::isinf(ranges_[i].to)) o["to"] = ranges_[i].to;
      fill(o, b, b == kEmpty ? 0 : buckets_[b].count);
      if (keyed_) map[ranges_[i].key] = o;
      else list.push_back(std::move(o));
    }
    json::object o;
    if (keyed_) o["buckets"] = map;
    else o["buckets"] = list;
    return o;
  }

 private:
  struct Range { double from, to; std::string key; };
  ValueSource source_;
  bool keyed_;
  GeoPoint origin_;
  double unit_m_ = 1;
  std::vector<Range> ranges_;
};

// Remembers values by owner; buckets are made when results are asked for. Children see each document under a bucket of its own
// value, and the results of neighbours are only counts: sub-aggregations are collected once the widths are known.
class ValueBuckets : public BucketAggregator {
 public:
  ValueBuckets(AggEnvironment& env, const json::object& body, AggChildren children, const std::string& kind) : BucketAggregator(env, std::move(children)), source_(env, body, kind) {}
  void start_leaf(size_t l) override {
    BucketAggregator::start_leaf(l);
    source_.start_leaf(l);
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    source_.numbers(doc, [&](double v) {
      if (owner >= seen_.size()) seen_.resize(owner + 1);
      seen_[owner].push_back({v, leaf_, doc, score, weight(doc)});
    });
  }

 protected:
  struct Seen { double value; size_t leaf; uint32_t doc; float score; uint64_t weight; };
  std::vector<Seen> sorted(uint32_t owner) {
    std::vector<Seen> v = owner < seen_.size() ? seen_[owner] : std::vector<Seen>();
    std::stable_sort(v.begin(), v.end(), [](auto& a, auto& b) { return a.value < b.value; });
    return v;
  }
  // Collects the children over a run of values, in the order of documents.
  uint32_t gather(uint32_t owner, int64_t key, std::vector<Seen> run) {
    uint32_t b = bucket(owner, key);
    std::stable_sort(run.begin(), run.end(), [](auto& x, auto& y) { return x.leaf != y.leaf ? x.leaf < y.leaf : x.doc < y.doc; });
    size_t leaf = SIZE_MAX;
    for (auto& s : run) {
      if (s.leaf != leaf) children_.start_leaf(leaf = s.leaf);
      buckets_[b].count += s.weight;
      children_.collect(s.doc, s.score, b);
    }
    return b;
  }
  ValueSource source_;
  std::vector<std::vector<Seen>> seen_;
};

class AutoDateHistogram : public ValueBuckets {
 public:
  AutoDateHistogram(AggEnvironment& env, const json::object& body, AggChildren children) : ValueBuckets(env, body, std::move(children), "auto_date_histogram"), target_(static_cast<size_t>(agg_number(body, "buckets", 10))) {
    std::string minimum = agg_string(body, "minimum_interval");
    static const std::vector<std::string> kUnits = {"second", "minute", "hour", "day", "month", "year"};
    if (!minimum.empty()) {
      auto it = std::find(kUnits.begin(), kUnits.end(), minimum);
      if (it == kUnits.end()) illegal("minimum_interval must be one of [year, month, day, hour, minute, second]");
      first_ = static_cast<size_t>(it - kUnits.begin());
    }
    if (target_ == 0) illegal("buckets must be greater than 0 for [auto_date_histogram]");
  }
  json::object result(uint32_t owner) override {
    struct Step { size_t unit; int64_t n; const char* text; };
    static const Step kSteps[] = {{0, 1, "1s"}, {0, 5, "5s"}, {0, 10, "10s"}, {0, 30, "30s"}, {1, 1, "1m"}, {1, 5, "5m"}, {1, 10, "10m"}, {1, 30, "30m"}, {2, 1, "1h"}, {2, 3, "3h"}, {2, 12, "12h"},
                                  {3, 1, "1d"}, {3, 7, "7d"}, {4, 1, "1M"}, {4, 3, "3M"}, {5, 1, "1y"}, {5, 5, "5y"}, {5, 10, "10y"}, {5, 20, "20y"}, {5, 50, "50y"}, {5, 100, "100y"}};
    std::vector<Seen> v = sorted(owner);
    const Zone* zone = source_.zone();
    auto local = [&](int64_t t) { return zone != nullptr ? zone->to_local(t) : t; };
    auto utc = [&](int64_t t) { return zone != nullptr ? zone->to_utc(t) : t; };
    // Buckets are runs of the unit, counted from the first.
    auto floor_unit = [](int64_t t, size_t unit) {
      if (unit <= 3) {
        static const int64_t kMs[] = {1000, 60000, 3600000, 86400000};
        int64_t r = t % kMs[unit];
        return t - (r < 0 ? r + kMs[unit] : r);
      }
      CivilTime c = civil_from_ms(t);
      return days_from_civil(c.year, unit == 4 ? c.month : 1, 1) * 86400000;
    };
    auto advance = [](int64_t t, size_t unit, int64_t n) {
      if (unit <= 3) {
        static const int64_t kMs[] = {1000, 60000, 3600000, 86400000};
        return t + n * kMs[unit];
      }
      CivilTime c = civil_from_ms(t);
      int64_t months = c.year * 12 + (c.month - 1) + n * (unit == 4 ? 1 : 12);
      return days_from_civil(months / 12, static_cast<int>(months % 12) + 1, 1) * 86400000;
    };
    json::array out;
    const char* interval = "1s";
    if (!v.empty()) {
      int64_t lo = local(static_cast<int64_t>(v.front().value)), hi = local(static_cast<int64_t>(v.back().value));
      const Step* chosen = std::end(kSteps) - 1;
      for (const Step& s : kSteps) {
        if (s.unit < first_) continue;
        size_t n = 0;
        for (int64_t t = floor_unit(lo, s.unit); t <= hi && n <= target_; t = advance(t, s.unit, s.n)) ++n;
        if (n <= target_) {
          chosen = &s;
          break;
        }
      }
      interval = chosen->text;
      const MappedField* f = source_.field();
      const DateFormat& format = source_.format() != nullptr ? *source_.format() : f != nullptr && f->format ? *f->format : default_date_format();
      size_t at = 0;
      for (int64_t t = floor_unit(lo, chosen->unit); t <= hi; t = advance(t, chosen->unit, chosen->n)) {
        int64_t next = advance(t, chosen->unit, chosen->n);
        std::vector<Seen> run;
        while (at < v.size() && local(static_cast<int64_t>(v[at].value)) < next) run.push_back(v[at++]);
        json::object o;
        o["key_as_string"] = format.format(utc(t), zone);
        o["key"] = utc(t);
        uint32_t b = run.empty() ? kEmpty : gather(owner, t, std::move(run));
        fill(o, b, b == kEmpty ? 0 : buckets_[b].count);
        out.push_back(std::move(o));
      }
    }
    run_parent_pipelines(children_.pipelines, out);
    json::object o;
    o["buckets"] = std::move(out);
    o["interval"] = interval;
    return o;
  }

 private:
  size_t target_, first_ = 0;
};

class VariableWidth : public ValueBuckets {
 public:
  VariableWidth(AggEnvironment& env, const json::object& body, AggChildren children) : ValueBuckets(env, body, std::move(children), "variable_width_histogram"), target_(static_cast<size_t>(agg_number(body, "buckets", 10))) {
    if (target_ == 0) illegal("buckets must be greater than [0] for [variable_width_histogram]");
  }
  json::object result(uint32_t owner) override {
    // Neighbours whose means are nearest are joined until few enough are left.
    std::vector<Seen> v = sorted(owner);
    struct Cluster { size_t from, to; double sum; };
    std::vector<Cluster> clusters;
    for (size_t i = 0; i < v.size(); ++i) {
      if (!clusters.empty() && v[clusters.back().from].value == v[i].value) {
        ++clusters.back().to;
        clusters.back().sum += v[i].value;
      } else {
        clusters.push_back({i, i + 1, v[i].value});
      }
    }
    auto mean = [](const Cluster& c) { return c.sum / static_cast<double>(c.to - c.from); };
    while (clusters.size() > target_) {
      size_t best = 0;
      for (size_t i = 1; i + 1 < clusters.size(); ++i) {
        if (mean(clusters[i + 1]) - mean(clusters[i]) < mean(clusters[best + 1]) - mean(clusters[best])) best = i;
      }
      clusters[best].to = clusters[best + 1].to;
      clusters[best].sum += clusters[best + 1].sum;
      clusters.erase(clusters.begin() + static_cast<ptrdiff_t>(best) + 1);
    }
    json::array out;
    for (size_t i = 0; i < clusters.size(); ++i) {
      const Cluster& c = clusters[i];
      json::object o;
      o["min"] = v[c.from].value;
      o["key"] = mean(c);
      o["max"] = v[c.to - 1].value;
      uint32_t b = gather(owner, static_cast<int64_t>(i), std::vector<Seen>(v.begin() + static_cast<ptrdiff_t>(c.from), v.begin() + static_cast<ptrdiff_t>(c.to)));
      fill(o, b, buckets_[b].count);
      out.push_back(std::move(o));
    }
    run_parent_pipelines(children_.pipelines, out);
    json::object o;
    o["buckets"] = std::move(out);
    return o;
  }

 private:
  size_t target_;
};

// Terms that are more frequent among the matches than in the index (the JLH score).
class SignificantTerms : public BucketAggregator {
 public:
  SignificantTerms(AggEnvironment& env, const json::object& body, AggChildren children, bool text)
      : BucketAggregator(env, std::move(children)), text_(text), field_name_(agg_string(body, "field")), size_(static_cast<size_t>(agg_number(body, "size", 10))),
        minimum_(static_cast<uint64_t>(agg_number(body, "min_doc_count", 3))) {
    for (const AggLeaf& l : env.leaves) if ((field_ = l.mapping->field(field_name_)) != nullptr) break;
    if (field_name_.empty()) illegal("Required one of fields [field, script], but none were specified. ");
    if (!text && field_ != nullptr && field_->type == FieldType::kText && !field_->fielddata) ValueSource(env, body, "terms");
    if (auto* b = body.if_contains("background_filter")) background_ = *b;
    auto pattern = [&](const char* key, std::set<std::string>& out) {
      if (auto* v = body.if_contains(key); v != nullptr && v->is_array()) for (auto& e : v->as_array()) out.insert(json_text(e));
    };
    pattern("include", include_);
    pattern("exclude", exclude_);
  }
  void start_leaf(size_t l) override {
    BucketAggregator::start_leaf(l);
    const Leaf* leaf = env_.leaves[l].leaf;
    words_.assign(leaf->segment ? leaf->segment->docs() : 0, {});
    if (!leaf->segment || field_ == nullptr) return;
    // Terms by document: the inverse of the postings, made once a leaf.
    std::vector<uint64_t> bits;
    if (!background_.is_null()) bits = env_.filter_bits(background_, l, env_.nested);
    auto counts = [&](uint32_t d) { return leaf->visible(d) && (background_.is_null() || (!bits.empty() && (bits[d >> 6] >> (d & 63) & 1) != 0)); };
    for (uint32_t d = 0; d < leaf->segment->docs(); ++d) superset_ += counts(d);
    auto note = [&](std::string_view t, uint32_t d) {
      auto [it, fresh] = ids_.try_emplace(std::string(t), static_cast<int64_t>(terms_.size()));
      if (fresh) {
        terms_.push_back(it->first);
        background_counts_.push_back(0);
      }
      words_[d].push_back(it->second);
      if (counts(d)) ++background_counts_[static_cast<size_t>(it->second)];
    };
    const SegmentField* f = leaf->segment->field(field_->path);
    if (f == nullptr) return;
    if (f->options.postings) {
      TermsIter it = leaf->segment->terms(*f);
      for (bool ok = it.first(); ok; ok = it.next()) {
        PostingsIter p = leaf->segment->postings(*f, it.info());
        for (uint32_t d = p.next(); d != kNoDoc; d = p.next()) note(it.term(), d);
      }
    } else if (Column c = leaf->segment->column(*f)) {
      for (uint32_t d = 0; d < leaf->segment->docs(); ++d) {
        for (uint32_t i = c.begin(d), e = c.end(d); i < e; ++i) note(json_text(field_->render(c.value(i))), d);
      }
    }
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    if (owner >= subset_.size()) subset_.resize(owner + 1);
    ++subset_[owner];
    if (doc >= words_.size()) return;
    std::set<int64_t> seen(words_[doc].begin(), words_[doc].end());
    for (int64_t w : seen) add(bucket(owner, w), doc, score);
  }
  json::object result(uint32_t owner) override {
    double subset = owner < subset_.size() ? static_cast<double>(subset_[owner]) : 0, superset = static_cast<double>(superset_);
    std::vector<std::pair<double, uint32_t>> ranked;
    for (uint32_t b : of(owner)) {
      const std::string& term = terms_[static_cast<size_t>(buckets_[b].key)];
      if (buckets_[b].count < minimum_ || (!include_.empty() && include_.count(term) == 0) || exclude_.count(term) != 0) continue;
      double fg = static_cast<double>(buckets_[b].count) / std::max(1.0, subset);
      double bg = static_cast<double>(background_counts_[static_cast<size_t>(buckets_[b].key)]) / std::max(1.0, superset);
      if (fg <= bg || bg == 0) continue;
      ranked.emplace_back((fg - bg) * (fg / bg), b);
    }
    std::stable_sort(ranked.begin(), ranked.end(), [](auto& a, auto& b) { return a.first > b.first; });
    if (ranked.size() > size_) ranked.resize(size_);
    json::array out;
    for (auto& [score, b] : ranked) {
      json::object o;
      const std::string& term = terms_[static_cast<size_t>(buckets_[b].key)];
      bool numeric = field_ != nullptr && field_->is_integer();
      if (numeric) o["key"] = std::atoll(term.c_str());
      else o["key"] = field_ != nullptr && field_->type == FieldType::kIp ? decode_ip(term) : term;
      o["doc_count"] = buckets_[b].count;
      o["score"] = score;
      o["bg_count"] = background_counts_[static_cast<size_t>(buckets_[b].key)];
      children_.results(b, o);
      out.push_back(std::move(o));
    }
    json::object o;
    o["doc_count"] = static_cast<uint64_t>(subset);
    o["bg_count"] = superset_;
    o["buckets"] = std::move(out);
    return o;
  }

 private:
  bool text_;
  std::string field_name_;
  size_t size_;
  uint64_t minimum_, superset_ = 0;
  const MappedField* field_ = nullptr;
  json::value background_;
  std::set<std::string> include_, exclude_;
  std::vector<std::vector<int64_t>> words_;
  std::map<std::string, int64_t> ids_;
  std::vector<std::string> terms_;
  std::vector<uint64_t> background_counts_, subset_;
};
}  // namespace

AggregatorPtr make_rare_bucket(const std::string& type, const json::object& body, AggEnvironment& env, AggChildren children, const std::string& name) {
  (void)name;
  if (type == "adjacency_matrix") return std::make_unique<AdjacencyMatrix>(env, body, std::move(children));
  if (type == "geohash_grid" || type == "geotile_grid") return std::make_unique<GeoGrid>(env, body, std::move(children), type == "geotile_grid");
  if (type == "geo_distance") return std::make_unique<GeoDistance>(env, body, std::move(children));
  if (type == "auto_date_histogram") return std::make_unique<AutoDateHistogram>(env, body, std::move(children));
  if (type == "variable_width_histogram") return std::make_unique<VariableWidth>(env, body, std::move(children));
  if (type == "significant_terms" || type == "significant_text") {
    auto s = std::make_unique<SignificantTerms>(env, body, std::move(children), type == "significant_text");
    s->typed = type == "significant_text" ? "sigsterms" : "sigsterms";
    return s;
  }
  return make_sampled_bucket(type, body, env, std::move(children));
}

}  // namespace stele::segments
