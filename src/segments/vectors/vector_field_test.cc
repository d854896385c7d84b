#include "segments/vectors/vector_field.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace stele::segments::vectors {
namespace {

constexpr uint32_t kDimensions = 16;

std::vector<float> point(Random& rng) {
  std::vector<float> v(kDimensions);
  const uint64_t cluster = rng.below(12);
  for (uint32_t i = 0; i < kDimensions; ++i) {
    v[i] = static_cast<float>(((cluster * 2654435761u) >> (i % 24) & 3)) + static_cast<float>(rng.unit());
  }
  return v;
}

// A model beside the field: every version of every row.
struct Model {
  struct Version { Lsn born, died; std::vector<float> v; };
  std::map<RowId, std::vector<Version>> rows;
  void set(Lsn lsn, RowId row, std::vector<float> v) {
    clear(lsn, row);
    rows[row].push_back({lsn, kAlive, std::move(v)});
  }
  void clear(Lsn lsn, RowId row) {
    auto it = rows.find(row);
    if (it != rows.end() && it->second.back().died == kAlive) it->second.back().died = lsn;
  }
  std::vector<RowId> nearest(const std::vector<float>& q, Lsn lsn, size_t k, const RowFilter& passes) const {
    std::vector<std::pair<float, RowId>> all;
    for (const auto& [row, versions] : rows) {
      for (const Version& x : versions) {
        if (x.born > lsn || x.died <= lsn || !passes(row)) continue;
        float d = 0;
        for (uint32_t i = 0; i < kDimensions; ++i) d += (q[i] - x.v[i]) * (q[i] - x.v[i]);
        all.emplace_back(d, row);
      }
    }
    std::sort(all.begin(), all.end());
    std::vector<RowId> out;
    for (size_t i = 0; i < std::min(k, all.size()); ++i) out.push_back(all[i].second);
    return out;
  }
};

TEST(VectorField, AgreesWithAModelAtEveryLsnAndSelectivity) {
  const uint64_t seed = 20261121;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Random rng(seed);
  VectorField field({.dimensions = kDimensions, .metric = Metric::kL2, .m = 12, .ef_construction = 80}, 80);
  Model model;
  Lsn lsn = 0;
  for (int i = 0; i < 6000; ++i) {
    ++lsn;
    const RowId row = rng.below(4000);
    if (rng.below(5) == 0) {
      field.clear(lsn, row);
      model.clear(lsn, row);
    } else {
      auto v = point(rng);
      field.set(lsn, row, v.data());
      model.set(lsn, row, std::move(v));
    }
    if (i == 4500) field.link_some(SIZE_MAX);  // the rest is searched exactly
  }
  EXPECT_GT(field.waiting(), 0u);
  size_t hits = 0, wanted = 0;
  for (int q = 0; q < 60; ++q) {
    const auto query = point(rng);
    const Lsn at = rng.below(2) == 0 ? lsn : 3000 + rng.below(3000);
    for (uint64_t modulus : {1u, 3u, 30u, 1000u}) {
      const RowFilter passes = [modulus](RowId row) { return row % modulus == 0; };
      FieldSearch options{.k = 10, .lsn = at, .filter = modulus == 1 ? nullptr : &passes};
      const auto truth = model.nearest(query, at, 10, passes);
      const auto found = field.search(query.data(), options);
      ASSERT_EQ(found.size(), truth.size()) << "min(k, matches) results, modulus " << modulus;
      wanted += truth.size();
      for (RowId row : truth) {
        hits += std::any_of(found.begin(), found.end(), [&](const RowNeighbor& n) { return n.row == row; });
      }
      for (const RowNeighbor& n : found) EXPECT_TRUE(passes(n.row));
    }
  }
  EXPECT_GE(static_cast<double>(hits) / static_cast<double>(wanted), 0.95);
}

TEST(VectorField, AnUpdateShowsNeitherBothNorNone) {
  VectorField field({.dimensions = 2, .metric = Metric::kL2}, 16);
  const float a[] = {0, 0}, b[] = {5, 5};
  field.set(1, 7, a);
  field.set(2, 7, b);
  field.clear(3, 7);
  auto at = [&](Lsn lsn) { return field.search(a, {.k = 5, .lsn = lsn}); };
  EXPECT_TRUE(at(0).empty());
  ASSERT_EQ(at(1).size(), 1u);
  EXPECT_EQ(at(1)[0].distance, 0);
  ASSERT_EQ(at(2).size(), 1u);
  EXPECT_EQ(at(2)[0].distance, 50);
  EXPECT_TRUE(at(3).empty());
}

}  // namespace
}  // namespace stele::segments::vectors
