#include "segments/vectors/vector_field.h"

#include <gtest/gtest.h>

#include <set>

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
      // The same rows handed over as a bitmap, and measured exactly: the model's answer.
      RowBitmap bitmap;
      for (RowId row = 0; row < 5000; ++row) {
        if (passes(row)) bitmap.add(row);
      }
      const auto known = field.search(query.data(), {.k = 10, .lsn = at, .bitmap = &bitmap});
      ASSERT_EQ(known.size(), truth.size()) << "modulus " << modulus;
      for (const RowNeighbor& n : known) EXPECT_TRUE(passes(n.row));
      wanted += truth.size();
      for (RowId row : truth) {
        hits += std::any_of(known.begin(), known.end(), [&](const RowNeighbor& n) { return n.row == row; });
      }
      const auto exact = field.search(query.data(), {.k = 10, .lsn = at, .exact = true, .bitmap = &bitmap});
      for (size_t i = 0; i < truth.size(); ++i) EXPECT_EQ(exact[i].row, truth[i]) << "place " << i << ", modulus " << modulus;
    }
  }
  EXPECT_GE(static_cast<double>(hits) / static_cast<double>(wanted), 0.95);
}

// Rows in order, some dead, some newer than the reader: whatever way the bits are made, they are those of the definition.
// New parameters build a new graph of the same vectors; without a graph everything is measured.
TEST(VectorField, TakesOnAnotherShape) {
  Random rng(3);
  HnswParams params{.dimensions = kDimensions, .metric = Metric::kL2, .m = 8, .ef_construction = 40};
  VectorField field(params, 60);
  Model model;
  Lsn lsn = 0;
  auto add = [&](int n) {
    for (int i = 0; i < n; ++i) {
      auto v = point(rng);
      ++lsn;
      field.set(lsn, static_cast<RowId>(lsn), v.data());
      model.set(lsn, static_cast<RowId>(lsn), std::move(v));
    }
  };
  add(2500);
  field.link_some(SIZE_MAX);
  EXPECT_FALSE(field.worth_compacting());
  struct Step { uint32_t m; bool quantize, graph; };
  for (const Step& step : {Step{16, false, true}, Step{16, true, true}, Step{16, true, false}, Step{8, false, true}}) {
    params.m = step.m;
    params.quantize = step.quantize;
    params.graph = step.graph;
    field.reshape(params, 60);
    ASSERT_TRUE(field.worth_compacting());
    field.compact(lsn);
    EXPECT_FALSE(field.worth_compacting());
    EXPECT_EQ(field.waiting(), 0u);
    EXPECT_EQ(field.indexed(), step.graph ? field.live() : 0u);
    add(100);
    field.link_some(SIZE_MAX);
    EXPECT_EQ(field.live(), static_cast<uint64_t>(lsn));
    size_t hits = 0;
    for (int q = 0; q < 20; ++q) {
      const auto query = point(rng);
      const auto want = model.nearest(query, lsn, 10, [](RowId) { return true; });
      for (const auto& n : field.search(query.data(), {.k = 10, .lsn = lsn})) hits += std::find(want.begin(), want.end(), n.row) != want.end();
    }
    if (step.graph) {
      EXPECT_GE(hits, 190u);
    } else {
      EXPECT_EQ(hits, 200u);
    }
  }
  // Codes of sums of absolute differences there are none: asking for them changes nothing, and is done at once.
  VectorField taxi({.dimensions = kDimensions, .metric = Metric::kL1}, 60);
  taxi.reshape({.dimensions = kDimensions, .metric = Metric::kL1, .quantize = true}, 60);
  EXPECT_FALSE(taxi.worth_compacting());
}

TEST(SlotTable, SelectsWhatIsVisibleAndWanted) {
  const uint64_t seed = 5;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Random rng(seed);
  SlotTable table;
  constexpr uint32_t kSlots = 9000;
  for (uint32_t s = 0; s < kSlots; ++s) {
    const RowId row = s < 5000 ? 100 + s : rng.below(20000);
    table.place(s, row, UINT32_MAX, 1 + s / 1000, rng.below(10) == 0 ? 12 : kAlive);
  }
  table.revive(77, 3);
  table.die(78, 20);
  RowBitmap rows;
  std::set<RowId> wanted;
  for (int i = 0; i < 7000; ++i) {
    const RowId row = i < 40 ? (uint64_t{1} << 40) + rng.below(1000) : rng.below(20000);
    rows.add(row);
    wanted.insert(row);
  }
  EXPECT_EQ(rows.size(), wanted.size());
  std::vector<RowId> listed;
  rows.for_each([&](RowId row) { return listed.push_back(row), true; });
  EXPECT_TRUE(std::equal(listed.begin(), listed.end(), wanted.begin(), wanted.end()));
  for (const Lsn lsn : {Lsn{0}, Lsn{4}, Lsn{11}, Lsn{15}, Lsn{30}}) {
    for (const uint32_t size : {0u, 63u, 4097u, kSlots}) {
      std::vector<uint64_t> bits;
      uint64_t n = 0;
      const uint64_t selected = table.select(rows, lsn, size, &bits);
      for (uint32_t s = 0; s < size; ++s) {
        const bool want = table.visible(s, lsn) && wanted.contains(table.at(s).row);
        n += want;
        ASSERT_EQ((bits[s / 64] >> (s % 64) & 1) != 0, want) << "slot " << s << " lsn " << lsn << " size " << size;
      }
      EXPECT_EQ(selected, n);
    }
  }
}

// An estimate that was wrong is unlearned; an exact scan is never preferred to a walk known to be far cheaper.
TEST(SearchCosts, LearnsAndForgets) {
  SearchCosts costs(128);
  double give_up;
  for (int i = 0; i < 200; ++i) costs.measured_exact(10000, 400000);   // 40 ns each
  for (int i = 0; i < 200; ++i) costs.measured_graph(0.2, 100, 200000, true);
  EXPECT_NEAR(costs.exact_ns(1000), 40000, 400);
  EXPECT_NEAR(costs.graph_ns(0.2, 100), 200000, 2000);
  EXPECT_TRUE(costs.prefer_graph(20000, 100000, 100, 0, &give_up));
  EXPECT_NEAR(give_up, 0.7 * 800000, 20000);
  int tried = 0;
  for (int i = 0; i < 640; ++i) tried += costs.prefer_graph(5000, 25000, 100, 0, &give_up);   // an equal cost: tried now and then
  EXPECT_EQ(tried, 10);
  EXPECT_FALSE(costs.prefer_graph(500, 2500, 100, 0, &give_up));
  // A filter that is dear to ask speaks for the walk, which asks it less often.
  EXPECT_TRUE(costs.prefer_graph(5000, 25000, 100, 10000, &give_up));
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
