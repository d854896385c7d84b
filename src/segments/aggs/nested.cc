// Aggregations that go from documents to those nested in them, and back.
#include "segments/aggs/aggregator.h"

namespace stele::segments {

namespace {
// The path of the documents that a reverse_nested goes back to; empty: the outermost.
std::string path_of(const json::object& body) { return agg_string(body, "path"); }

AggEnvironment& environment_at(AggEnvironment& env, const std::string& path) {
  for (AggEnvironment* e = &env; e != nullptr; e = e->outer) {
    if (e->nested == path) return *e;
  }
  throw Error(ErrorCode::kInvalidParameterValue, "[reverse_nested] nested path [" + path + "] not found");
}

class Nested : public Aggregator {
 public:
  Nested(AggEnvironment& env, AggChildren children, std::string path, bool reverse)
      : Aggregator(env), children_(std::move(children)), path_(std::move(path)), reverse_(reverse) {}
  void start_leaf(size_t l) override {
    Aggregator::start_leaf(l);
    children_.start_leaf(l);
    last_.clear();
    parents_.clear();
    if (reverse_) {
      if (env_.nested.empty()) return;
      const AggEnvironment& up = environment_at(env_, path_);
      if (const Leaf* leaf = up.leaves[l].leaf; leaf->segment) parents_ = leaf->segment->parents(env_.nested);
    } else if (const Leaf* leaf = env_.leaves[l].leaf; leaf->segment) {
      parents_ = leaf->segment->parents(path_);
    }
  }
  void collect(uint32_t doc, float score, uint32_t owner) override {
    if (owner >= counts_.size()) counts_.resize(owner + 1);
    if (!reverse_) {
      for (auto it = std::lower_bound(parents_.begin(), parents_.end(), doc); it != parents_.end() && *it == doc; ++it) {
        ++counts_[owner];
        children_.collect(static_cast<uint32_t>(it - parents_.begin()), score, owner);
      }
      return;
    }
    uint32_t up = env_.nested.empty() ? doc : parents_[doc];
    // Nested documents of one document come one after another.
    if (owner >= last_.size()) last_.resize(owner + 1, kNoDoc);
    if (last_[owner] == up) return;
    last_[owner] = up;
    ++counts_[owner];
    children_.collect(up, score, owner);
  }
  json::object result(uint32_t owner) override {
    json::object o;
    o["doc_count"] = owner < counts_.size() ? counts_[owner] : 0;
    children_.results(owner, o);
    return o;
  }

 private:
  AggChildren children_;
  std::string path_;
  bool reverse_;
  std::vector<uint32_t> parents_, last_;
  std::vector<uint64_t> counts_;
};
}  // namespace

AggEnvironment& nested_environment(AggEnvironment& env, const std::string& type, const json::object& body) {
  std::string path = path_of(body);
  if (type == "reverse_nested") {
    if (env.nested.empty()) throw Error(ErrorCode::kInvalidParameterValue, "Reverse nested aggregation [reverse_nested] can only be used inside a [nested] aggregation");
    return environment_at(env, path);
  }
  if (path.empty()) throw Error(ErrorCode::kParsing, "Missing [path] field for nested aggregation [nested]");
  auto below = std::make_shared<AggEnvironment>();
  below->now_ms = env.now_ms;
  below->filter_bits = env.filter_bits;
  below->max_buckets = env.max_buckets;
  below->stored_script = env.stored_script;
  below->render_hit = env.render_hit;
  below->before = env.before;
  below->nested = path;
  below->outer = &env;
  static const SegmentPtr kEmpty = Segment::from_image(SegmentBuilder().finish(), 0);
  for (const AggLeaf& l : env.leaves) {
    auto leaf = std::make_unique<Leaf>();
    leaf->all_visible = true;
    const Segment* inner = l.leaf->segment ? l.leaf->segment->nested(path) : nullptr;
    leaf->segment = inner == nullptr ? kEmpty : SegmentPtr(l.leaf->segment, const_cast<Segment*>(inner));
    below->leaves.push_back({leaf.get(), l.mapping, l.id});
    below->nested_leaves.push_back(std::move(leaf));
  }
  env.inner.push_back(below);
  return *below;
}

AggregatorPtr make_nested(const std::string& type, const json::object& body, AggEnvironment& env, AggChildren children) {
  return std::make_unique<Nested>(env, std::move(children), path_of(body), type == "reverse_nested");
}

}  // namespace stele::segments
