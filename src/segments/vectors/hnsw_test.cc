#include "segments/vectors/hnsw.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/clock.h"

namespace stele::segments::vectors {
namespace {

std::vector<float> random_vectors(uint32_t n, uint32_t dimensions, uint64_t seed) {
  Random rng(seed);
  // Clustered, as embeddings are.
  std::vector<float> centers(size_t{20} * dimensions);
  for (float& x : centers) x = static_cast<float>(rng.unit() * 2 - 1);
  std::vector<float> out(size_t{n} * dimensions);
  for (uint32_t i = 0; i < n; ++i) {
    const size_t c = rng.below(20);
    for (uint32_t j = 0; j < dimensions; ++j) {
      out[size_t{i} * dimensions + j] = centers[c * dimensions + j] + static_cast<float>(rng.unit() - 0.5);
    }
  }
  return out;
}

double recall(const HnswGraph& g, const std::vector<float>& queries, uint32_t dimensions, const SearchOptions& options) {
  std::vector<uint32_t> eligible;
  for (uint32_t s = 0; s < g.size(); ++s) {
    if (options.filter == nullptr || (*options.filter)(s)) eligible.push_back(s);
  }
  size_t hits = 0, wanted = 0;
  for (size_t q = 0; q < queries.size() / dimensions; ++q) {
    const float* v = queries.data() + q * dimensions;
    const auto truth = g.exact(v, eligible.data(), eligible.size(), options.k);
    const auto found = g.search(v, options);
    wanted += truth.size();
    for (const auto& t : truth) {
      hits += std::any_of(found.begin(), found.end(), [&](const Neighbor& f) { return f.slot == t.slot; });
    }
  }
  return static_cast<double>(hits) / static_cast<double>(wanted);
}

class HnswMetrics : public testing::TestWithParam<std::pair<Metric, bool>> {};

TEST_P(HnswMetrics, RecallHasAFloorUnfilteredAndFiltered) {
  constexpr uint32_t kDimensions = 24, kNodes = 4000;
  const auto [metric, quantize] = GetParam();
  HnswGraph g({.dimensions = kDimensions, .metric = metric, .m = 16, .ef_construction = 100, .quantize = quantize});
  const auto data = random_vectors(kNodes, kDimensions, 7);
  for (uint32_t i = 0; i < kNodes; ++i) g.add(data.data() + size_t{i} * kDimensions);
  std::atomic<uint32_t> next{0};
  auto work = [&] {
    for (uint32_t i; (i = next.fetch_add(1)) < kNodes;) g.link(i);
  };
  std::thread other(work);
  work();
  other.join();
  EXPECT_EQ(g.linked(), kNodes);
  const auto queries = random_vectors(40, kDimensions, 7 + 1);
  // Inner product is no metric: graphs find less of it, so its floor is lower.
  const double floor = metric == Metric::kInnerProduct ? 0.8 : 0.95;
  EXPECT_GE(recall(g, queries, kDimensions, {.k = 10, .ef = 120}), floor);
  for (uint32_t modulus : {2u, 5u, 10u}) {
    const SlotFilter filter = [modulus](uint32_t s) { return s % modulus == 1; };
    EXPECT_GE(recall(g, queries, kDimensions, {.k = 10, .ef = 120, .filter = &filter, .selectivity = 1.0 / modulus}), floor - 0.02)
        << "one in " << modulus;
  }
  // A checkpoint keeps the graph, in memory or mapped; a damaged one is refused.
  const HnswParams params{.dimensions = kDimensions, .metric = metric, .m = 16, .ef_construction = 100, .quantize = quantize};
  const std::string path = testing::TempDir() + "graph_" + std::to_string(getpid()) + ".ckpt";
  ASSERT_TRUE(g.save(path, kNodes - 7, "owner"));
  for (bool mapped : {false, true}) {
    std::string extra;
    auto copy = HnswGraph::open(path, params, mapped, &extra);
    ASSERT_NE(copy, nullptr);
    EXPECT_EQ(extra, "owner");
    EXPECT_EQ(copy->linked(), kNodes - 7);
    EXPECT_GE(recall(*copy, queries, kDimensions, {.k = 10, .ef = 120}), floor);
    for (uint32_t i = kNodes - 7; i < kNodes; ++i) copy->link(copy->add(data.data() + size_t{i} * kDimensions));
    EXPECT_GE(recall(*copy, queries, kDimensions, {.k = 10, .ef = 120}), floor);
  }
  std::string extra;
  HnswParams different = params;
  different.m = 8;
  EXPECT_EQ(HnswGraph::open(path, different, false, &extra), nullptr);
  Random rng(3);
  for (int i = 0; i < 8; ++i) {
    std::fstream f(path, std::ios::in | std::ios::out | std::ios::binary);
    f.seekg(0, std::ios::end);
    const auto at = static_cast<std::streamoff>(i == 0 ? 12 : rng.below(static_cast<uint64_t>(f.tellg())));
    f.seekg(at);
    const char was = static_cast<char>(f.get());
    f.seekp(at);
    f.put(static_cast<char>(was ^ 0x10));
    f.close();
    if (at < 64 || at >= 4096) {
      EXPECT_EQ(HnswGraph::open(path, params, false, &extra), nullptr) << "byte " << at;
    }
    std::fstream undo(path, std::ios::in | std::ios::out | std::ios::binary);
    undo.seekp(at);
    undo.put(was);
  }
  EXPECT_NE(HnswGraph::open(path, params, false, &extra), nullptr);
  unlink(path.c_str());
}

INSTANTIATE_TEST_SUITE_P(All, HnswMetrics,
                         testing::Values(std::pair{Metric::kL2, false}, std::pair{Metric::kCosine, false},
                                         std::pair{Metric::kInnerProduct, false}, std::pair{Metric::kL1, false},
                                         std::pair{Metric::kCosine, true}, std::pair{Metric::kL2, true}));

}  // namespace
}  // namespace stele::segments::vectors
