// sampler, diversified_sampler, random_sampler, ip_prefix and time_series.
#include <cmath>

#include "segments/aggs/bucket_aggregator.h"

namespace stele::segments {

namespace {
[[noreturn]] void illegal(std::string m) { throw Error(ErrorCode::kInvalidParameterValue, std::move(m)); }

// Documents by chance; what their children counted is scaled back to the whole.
class RandomSampler : public BucketAggregator {
 public:
  RandomSampler(AggEnvironment& env, const json::object& body, AggChildren children) : BucketAggregator(env, std::move(children)), probability_(agg_number(body, "probability", 0)) {
    if (!body.contains("probability")) illegal("Required [probability]");
    if (!(probability_ > 0 && probability_ < 0.5) && probability_ != 1.0) illegal("[probability] must be between 0.0 and 0.5, exclusive, or exactly 1.0, was [" + java_double(probability_) + "]");
    seed_ = static_cast<uint64_t>(agg_number(body, "seed", 42));
    given_ = body.contains("seed");
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    if (probability_ < 1) {
      const Leaf* leaf = env_.leaves[leaf_].leaf;
      uint64_t h = (leaf->segment->row_id(doc) + 1) * 0x9e3779b97f4a7c15ull ^ seed_ * 0xc2b2ae3d27d4eb4full;
      h = (h ^ h >> 33) * 0xff51afd7ed558ccdull;
      if (static_cast<double>((h ^ h >> 33) >> 11) * 0x1p-53 >= probability_) return;
    }
    add(bucket(owner, 0), doc, score);
  }
  json::object result(uint32_t owner) override {
    json::object o, bucket_of;
    auto it = index_.find({owner, 0});
    uint32_t b = it == index_.end() ? kEmpty : it->second;
    uint64_t n = b == kEmpty ? 0 : buckets_[b].count;
    o["seed"] = seed_;
    o["probability"] = probability_;
    fill(bucket_of, b, n);
    scale(bucket_of);
    for (auto& [k, v] : bucket_of) o[k] = v;
    return o;
  }

 private:
  void scale(json::object& o) const {
    if (probability_ >= 1) return;
    for (auto& m : o) {
      if (m.key() == "doc_count" && m.value().is_number()) {
        m.value() = static_cast<int64_t>(std::llround(m.value().to_number<double>() / probability_));
      } else if (m.value().is_object()) {
        scale(m.value().as_object());
      } else if (m.value().is_array()) {
        for (auto& e : m.value().as_array()) if (e.is_object()) scale(e.as_object());
      }
    }
  }
  double probability_;
  uint64_t seed_ = 42;
  bool given_ = false;
};

// The best documents of each owner (by score; at most so many with one value of a field): children see only those.
class BestDocuments : public BucketAggregator {
 public:
  BestDocuments(AggEnvironment& env, const json::object& body, AggChildren children, bool diversified)
      : BucketAggregator(env, std::move(children)), size_(static_cast<size_t>(agg_number(body, "shard_size", 100))), per_value_(static_cast<size_t>(agg_number(body, "max_docs_per_value", 1))), diversified_(diversified) {
    if (agg_number(body, "shard_size", 100) < 0) illegal("[shard_size] must be greater than or equal to 0. Found [" + std::to_string(static_cast<int64_t>(agg_number(body, "shard_size", 100))) + "] in [" + name + "]");
    if (diversified) source_ = ValueSource(env, body, "diversified_sampler");
  }
  void start_leaf(size_t l) override {
    BucketAggregator::start_leaf(l);
    if (diversified_) source_.start_leaf(l);
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    if (owner >= seen_.size()) seen_.resize(owner + 1);
    std::string value;
    bool has = false;
    if (diversified_) {
      if (source_.keyword()) {
        const Column& c = source_.column();
        if (c && c.begin(doc) < c.end(doc)) {
          value = std::string(c.term(static_cast<uint64_t>(c.value(c.begin(doc)))));
          has = true;
        }
      } else {
        source_.raw(doc, [&](int64_t v) {
          value = std::to_string(v);
          has = true;
        });
      }
    }
    seen_[owner].push_back({score, leaf_, doc, std::move(value), has});
  }
  json::object result(uint32_t owner) override {
    std::vector<Seen> list = owner < seen_.size() ? seen_[owner] : std::vector<Seen>();
    std::stable_sort(list.begin(), list.end(), [](auto& a, auto& b) { return a.score > b.score; });
    std::map<std::string, size_t> used;
    std::vector<Seen> best;
    for (auto& s : list) {
      if (best.size() >= size_) break;
      if (s.has && ++used[s.value] > per_value_) continue;
      best.push_back(s);
    }
    std::sort(best.begin(), best.end(), [](auto& a, auto& b) { return a.leaf != b.leaf ? a.leaf < b.leaf : a.doc < b.doc; });
    uint32_t b = bucket(owner, 0);
    size_t leaf = SIZE_MAX;
    for (auto& s : best) {
      if (s.leaf != leaf) BucketAggregator::start_leaf(leaf = s.leaf);
      add(b, s.doc, s.score);
    }
    json::object o;
    fill(o, b, buckets_[b].count);
    return o;
  }

 private:
  struct Seen { float score; size_t leaf; uint32_t doc; std::string value; bool has; };
  size_t size_, per_value_;
  bool diversified_;
  ValueSource source_;
  std::vector<std::vector<Seen>> seen_;
};

class IpPrefix : public BucketAggregator {
 public:
  IpPrefix(AggEnvironment& env, const json::object& body, AggChildren children) : BucketAggregator(env, std::move(children)), source_(env, body, "ip_prefix") {
    if (!body.contains("prefix_length")) illegal("Required [prefix_length]");
    length_ = static_cast<int>(agg_number(body, "prefix_length", 0));
    v6_ = agg_flag(body, "is_ipv6", false);
    show_length_ = agg_flag(body, "append_prefix_length", false);
    keyed_ = agg_flag(body, "keyed", false);
    minimum_ = static_cast<uint64_t>(agg_number(body, "min_doc_count", 1));
    if (minimum_ == 0 || agg_number(body, "min_doc_count", 1) < 1) illegal("[min_doc_count] must be greater than 0 for [ip_prefix]");
    int most = v6_ ? 128 : 32;
    if (length_ < 0 || length_ > most) illegal("[prefix_length] must be in range [0, " + std::to_string(most) + "] while value is [" + std::to_string(length_) + "]");
    if (source_.field() != nullptr && source_.field()->type != FieldType::kIp) illegal("Field [" + source_.field()->path + "] of type [" + source_.field()->type_name + "] is not supported for aggregation [ip_prefix]");
  }
  void start_leaf(size_t l) override {
    BucketAggregator::start_leaf(l);
    source_.start_leaf(l);
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    static const std::string kMapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
    const Column& c = source_.column();
    std::set<int64_t> seen;
    for (uint32_t i = c ? c.begin(doc) : 0, e = c ? c.end(doc) : 0; i < e; ++i) {
      std::string ip(c.term(static_cast<uint64_t>(c.value(i))));
      if (ip.size() != 16 || ip.starts_with(kMapped) == v6_) continue;
      int bits = length_ + (v6_ ? 0 : 96);
      for (int k = 0; k < 16; ++k) {
        int keep = std::clamp(bits - 8 * k, 0, 8);
        ip[static_cast<size_t>(k)] = static_cast<char>(static_cast<uint8_t>(ip[static_cast<size_t>(k)]) & static_cast<uint8_t>(0xff00 >> keep));
      }
      auto [it, fresh] = ids_.try_emplace(ip, static_cast<int64_t>(keys_.size()));
      if (fresh) keys_.push_back(ip);
      if (seen.insert(it->second).second) add(bucket(owner, it->second), doc, score);
    }
  }
  json::object result(uint32_t owner) override {
    std::vector<uint32_t> list = of(owner);
    std::sort(list.begin(), list.end(), [&](uint32_t a, uint32_t b) { return keys_[static_cast<size_t>(buckets_[a].key)] < keys_[static_cast<size_t>(buckets_[b].key)]; });
    json::array out;
    json::object map;
    for (uint32_t b : list) {
      if (buckets_[b].count < minimum_) continue;
      json::object o;
      std::string key = decode_ip(keys_[static_cast<size_t>(buckets_[b].key)]);
      if (show_length_) key += "/" + std::to_string(length_);
      if (!keyed_) o["key"] = key;
      o["is_ipv6"] = v6_;
      fill(o, b, buckets_[b].count);
      o["prefix_length"] = length_;
      if (!v6_) {
        uint32_t mask = length_ == 0 ? 0 : ~uint32_t{0} << (32 - length_);
        o["netmask"] = std::to_string(mask >> 24) + "." + std::to_string(mask >> 16 & 255) + "." + std::to_string(mask >> 8 & 255) + "." + std::to_string(mask & 255);
      }
      if (keyed_) map[key] = std::move(o);
      else out.push_back(std::move(o));
    }
    json::object o;
    if (keyed_) o["buckets"] = std::move(map);
    else o["buckets"] = std::move(out);
    return o;
  }

 private:
  ValueSource source_;
  int length_ = 0;
  bool v6_ = false, show_length_ = false, keyed_ = false;
  uint64_t minimum_ = 1;
  std::map<std::string, int64_t> ids_;
  std::vector<std::string> keys_;
};

// A bucket for each set of values of the fields that the mapping calls dimensions.
class TimeSeries : public BucketAggregator {
 public:
  TimeSeries(AggEnvironment& env, const json::object& body, AggChildren children) : BucketAggregator(env, std::move(children)), keyed_(agg_flag(body, "keyed", false)), size_(static_cast<size_t>(agg_number(body, "size", 10000))) {
    std::set<std::string> names;
    for (const AggLeaf& l : env.leaves) for (auto& [path, f] : l.mapping->fields()) if (f.dimension) names.insert(path);
    for (auto& n : names) {
      json::object one;
      one["field"] = n;
      dimensions_.emplace_back(n, ValueSource(env, one, "time_series"));
    }
  }
  void start_leaf(size_t l) override {
    BucketAggregator::start_leaf(l);
    for (auto& [n, s] : dimensions_) s.start_leaf(l);
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    json::object key;
    for (auto& [n, s] : dimensions_) {
      const Column& c = s.column();
      if (!c || c.begin(doc) == c.end(doc)) continue;
      int64_t v = c.value(c.begin(doc));
      key[n] = s.keyword() ? json::value(s.show(c.term(static_cast<uint64_t>(v)))) : s.field()->render(v);
    }
    auto [it, fresh] = ids_.try_emplace(json::serialize(key), static_cast<int64_t>(keys_.size()));
    if (fresh) keys_.push_back(key);
    add(bucket(owner, it->second), doc, score);
  }
  json::object result(uint32_t owner) override {
    std::map<std::string, uint32_t> ordered;
    for (uint32_t b : of(owner)) ordered[json::serialize(keys_[static_cast<size_t>(buckets_[b].key)])] = b;
    json::array out;
    json::object map;
    for (auto& [text, b] : ordered) {
      if (out.size() + map.size() >= size_) break;
      json::object o;
      if (!keyed_) o["key"] = keys_[static_cast<size_t>(buckets_[b].key)];
      fill(o, b, buckets_[b].count);
      if (keyed_) map[text] = std::move(o);
      else out.push_back(std::move(o));
    }
    json::object o;
    if (keyed_) o["buckets"] = std::move(map);
    else o["buckets"] = std::move(out);
    return o;
  }

 private:
  bool keyed_;
  size_t size_;
  std::vector<std::pair<std::string, ValueSource>> dimensions_;
  std::map<std::string, int64_t> ids_;
  std::vector<json::object> keys_;
};
}  // namespace

AggregatorPtr make_sampled_bucket(const std::string& type, const json::object& body, AggEnvironment& env, AggChildren children) {
  if (type == "random_sampler") return std::make_unique<RandomSampler>(env, body, std::move(children));
  if (type == "sampler" || type == "diversified_sampler") return std::make_unique<BestDocuments>(env, body, std::move(children), type[0] == 'd');
  if (type == "ip_prefix") return std::make_unique<IpPrefix>(env, body, std::move(children));
  if (type == "time_series") return std::make_unique<TimeSeries>(env, body, std::move(children));
  return nullptr;
}

}  // namespace stele::segments
