#include "segments/vectors/collection.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "base/clock.h"

namespace stele::segments::vectors {
namespace {

// Whatever an index answers, the rows are those that a scan finds; and the nearest under a filter are those of the rows.
TEST(Collection, IndexesAnswerAsScansDo) {
  const uint64_t seed = 4;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Random rng(seed);
  DenseSpec spec;
  spec.graph = {.dimensions = 4, .metric = Metric::kL2};
  Collection with({{"", spec}}, {}), without({{"", spec}}, {});
  const json::object schema{{"t", json::object{{"type", "text"}, {"tokenizer", "word"}}}};
  with.add_index("t", schema.at("t"));
  with.add_index("g", json::value("geo"));
  with.add_index("n", json::value("integer"));
  const char* words[] = {"red", "Green", "blue", "gray"};
  Lsn lsn = 0;
  for (int i = 0; i < 1500; ++i) {
    PointChange c;
    c.row = rng.below(900);
    c.id = PointId::from_number(c.row);
    c.erased = rng.below(10) == 0;
    if (!c.erased) {
      json::object payload{{"n", rng.below(50)}, {"t", std::string(words[rng.below(4)]) + " " + words[rng.below(4)]},
                           {"g", json::object{{"lon", rng.unit() * 360 - 180}, {"lat", rng.unit() * 180 - 90}}}};
      c.payload = std::make_shared<const json::value>(std::move(payload));
      c.dense.push_back({"", {static_cast<float>(rng.unit()), static_cast<float>(rng.unit()), static_cast<float>(rng.unit()), 0}});
    }
    ++lsn;
    with.apply(lsn, c, 0);
    without.apply(lsn, c, 0);
  }
  std::vector<std::string> filters = {
      R"({"must":[{"key":"n","match":{"value":7}}]})",
      R"({"must":[{"key":"n","range":{"gte":3,"lt":9}}],"must_not":[{"key":"n","match":{"value":5}}]})",
      R"({"must":[{"key":"t","match":{"text":"RED green"}}]})",
      R"({"must":[{"key":"t","match":{"text_any":"red none"}}]})",
      R"({"must":[{"key":"t","match":{"phrase":"red green"}}]})",
      R"({"must":[{"key":"t","match":{"text":"absent red"}}]})",
  };
  for (int i = 0; i < 40; ++i) {
    const double lon = rng.unit() * 360 - 180, lat = rng.unit() * 180 - 90, far = std::pow(10.0, 4 + rng.unit() * 3.3);
    filters.push_back(fmt::format(R"({{"must":[{{"key":"g","geo_radius":{{"center":{{"lon":{},"lat":{}}},"radius":{}}}}}]}})", lon, lat, far));
    const double east = rng.unit() * 360 - 180, south = rng.unit() * (lat + 90) - 90;
    filters.push_back(fmt::format(R"({{"must":[{{"key":"g","geo_bounding_box":{{"top_left":{{"lon":{},"lat":{}}},"bottom_right":{{"lon":{},"lat":{}}}}}}}]}})",
                                  lon, lat, east, south));
  }
  uint64_t matched = 0;
  for (const auto& text : filters) {
    const auto filter = Filter::parse(json::parse(text), &schema);
    for (const Lsn at : {lsn, lsn / 2}) {
      auto got = with.matching_rows(*filter, at), want = without.matching_rows(*filter, at);
      std::sort(got.begin(), got.end());
      std::sort(want.begin(), want.end());
      EXPECT_EQ(got, want) << text << " at " << at;
      matched += want.size();
      // Asked again and again: by the filter, and by the rows that are remembered for it.
      const float q[] = {0.5f, 0.5f, 0.5f, 0};
      for (int again = 0; again < 3; ++again) {
        const auto near = with.nearest("", q, 1000, 0, false, filter.get(), at);
        EXPECT_EQ(near.size(), want.size()) << text << " at " << at << ", time " << again;
      }
    }
  }
  EXPECT_GT(matched, 1000u);
  // A change between two questions is seen by the second.
  const auto filter = Filter::parse(json::parse(filters[0]), &schema);
  const float q[] = {0.5f, 0.5f, 0.5f, 0};
  const size_t before = with.nearest("", q, 1000, 0, false, filter.get(), lsn).size();
  PointChange c;
  c.row = 5000;
  c.id = PointId::from_number(5000);
  c.payload = std::make_shared<const json::value>(json::object{{"n", 7}});
  c.dense.push_back({"", {0, 0, 0, 0}});
  with.apply(lsn + 1, c, 0);
  EXPECT_EQ(with.nearest("", q, 1000, 0, false, filter.get(), lsn + 1).size(), before + 1);
  EXPECT_EQ(with.nearest("", q, 1000, 0, false, filter.get(), lsn).size(), before);
}

TEST(MultiField, MaxSimAtEveryLsn) {
  MultiField field({.dimensions = 2, .metric = Metric::kInnerProduct});
  field.set(1, 7, {{1, 0}, {0, 1}}, 0);
  field.set(2, 8, {{2, 0}}, 0);
  field.set(3, 7, {{0, 3}}, 0);
  field.clear(4, 8);
  const MultiVector q{{1, 0}, {0, 1}};
  auto at = [&](Lsn lsn) {
    std::vector<std::pair<RowId, float>> out;
    for (const auto& n : field.search(q, 10, lsn, nullptr, nullptr)) out.emplace_back(n.row, n.distance);
    return out;
  };
  using Rows = std::vector<std::pair<RowId, float>>;
  EXPECT_EQ(at(0), Rows{});
  EXPECT_EQ(at(1), (Rows{{7, 2.0f}}));
  EXPECT_EQ(at(2), (Rows{{7, 2.0f}, {8, 2.0f}}));
  EXPECT_EQ(at(3), (Rows{{7, 3.0f}, {8, 2.0f}}));
  EXPECT_EQ(at(4), (Rows{{7, 3.0f}}));
  EXPECT_EQ(field.live(), 1u);
}

}  // namespace
}  // namespace stele::segments::vectors
