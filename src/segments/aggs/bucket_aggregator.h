// Inner to this folder: the base of aggregations that put documents into buckets.
#pragma once

#include "segments/aggs/aggregator.h"

namespace stele::segments {

// Buckets by owner and key. Keys are 64-bit: column values, or ids of interned strings.
class BucketAggregator : public Aggregator {
 public:
  BucketAggregator(AggEnvironment& env, AggChildren children) : Aggregator(env), children_(std::move(children)) {}
  void start_leaf(size_t l) override {
    Aggregator::start_leaf(l);
    children_.start_leaf(l);
    const Leaf* leaf = env_.leaves.empty() ? nullptr : env_.leaves[l].leaf;
    weights_ = leaf != nullptr && leaf->segment ? leaf->segment->column("_doc_count") : Column();
  }

 protected:
  struct Bucket { uint32_t owner; int64_t key; uint64_t count; };
  uint32_t bucket(uint32_t owner, int64_t key) {
    auto [it, fresh] = index_.try_emplace({owner, key}, static_cast<uint32_t>(buckets_.size()));
    if (fresh) {
      buckets_.push_back({owner, key, 0});
      if (buckets_.size() > env_.max_buckets * 16) throw Error(ErrorCode::kInsufficientResources, "Trying to create too many buckets. Must be less than or equal to: [" + std::to_string(env_.max_buckets) + "]");
    }
    return it->second;
  }
  void add(uint32_t b, uint32_t doc, float score) {
    buckets_[b].count += weight(doc);
    children_.collect(doc, score, b);
  }
  // How many documents this one stands for (_doc_count).
  uint64_t weight(uint32_t doc) const { return weights_ && weights_.end(doc) > weights_.begin(doc) ? static_cast<uint64_t>(weights_.value(weights_.begin(doc))) : 1; }
  std::vector<uint32_t> of(uint32_t owner) const {
    std::vector<uint32_t> out;
    for (uint32_t i = 0; i < buckets_.size(); ++i) {
      if (buckets_[i].owner == owner) out.push_back(i);
    }
    return out;
  }
  // Appends doc_count and the children of bucket b (none: SIZE_MAX stands for an empty bucket).
  void fill(json::object& o, uint32_t b, uint64_t count) {
    o["doc_count"] = count;
    children_.results(b, o);
  }
  struct KeyHash {
    size_t operator()(const std::pair<uint32_t, int64_t>& k) const {
      uint64_t h = static_cast<uint64_t>(k.second) * 0x9e3779b97f4a7c15ull + k.first;
      return h ^ (h >> 31);
    }
  };
  std::unordered_map<std::pair<uint32_t, int64_t>, uint32_t, KeyHash> index_;
  std::vector<Bucket> buckets_;
  AggChildren children_;
  Column weights_;
  static constexpr uint32_t kEmpty = UINT32_MAX - 1;
};

// random_sampler, ip_prefix, time_series; null: unknown.
AggregatorPtr make_sampled_bucket(const std::string& type, const json::object& body, AggEnvironment& env, AggChildren children);
// The less common ones; null: unknown.
AggregatorPtr make_rare_bucket(const std::string& type, const json::object& body, AggEnvironment& env, AggChildren children, const std::string& name);

}  // namespace stele::segments
