#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>

#include "base/clock.h"
#include "base/error.h"
#include "segments/dsl/dsl.h"
#include "segments/mapping/mapping.h"
#include "segments/relation_index.h"
#include "segments/text/analysis.h"

namespace stele::segments {
namespace {

std::vector<std::string> tokens_of(const std::string& analyzer, const std::string& text) {
  TokenBuffer b;
  Analysis::builtin(analyzer)->analyze(text, b);
  std::vector<std::string> out;
  for (const Token& t : b.tokens) out.push_back(std::string(b.term(t)) + "/" + std::to_string(t.position_increment));
  return out;
}

TEST(Analysis, BuiltIn) {
  using V = std::vector<std::string>;
  EXPECT_EQ(tokens_of("standard", "The 2 QUICK Brown-Foxes, o'neil's 3.14 a_b"),
            (V{"the/1", "2/1", "quick/1", "brown/1", "foxes/1", "o'neil's/1", "3.14/1", "a_b/1"}));
  EXPECT_EQ(tokens_of("english", "The quick foxes' running"), (V{"quick/2", "fox/1", "run/1"}));
  EXPECT_EQ(tokens_of("whitespace", "A b,c"), (V{"A/1", "b,c/1"}));
  EXPECT_EQ(tokens_of("cjk", "東京都"), (V{"東京/1", "京都/1"}));
  EXPECT_EQ(tokens_of("keyword", "New York"), (V{"New York/1"}));
}

TEST(Length, EncodingKeepsOrderAndSmallValues) {
  uint32_t last = 0;
  for (uint32_t n = 0; n < 100000; n += n < 300 ? 1 : 37) {
    uint32_t d = decode_length(encode_length(n));
    EXPECT_LE(d, n);
    EXPECT_GE(d, last);
    if (n < 40) {
      EXPECT_EQ(d, n);
    }
    last = d;
  }
}

// Random documents against a model: every term's documents, frequencies and positions, before and after merging.
TEST(Segments, ModelOfPostingsThroughMerges) {
  uint64_t seed = secure_random();
  SCOPED_TRACE(seed);
  Random random(seed);
  RelationIndex index({});
  std::map<std::string, std::map<uint64_t, std::vector<uint32_t>>> model;
  std::map<uint64_t, bool> live;
  Lsn lsn = 0;
  uint64_t row = 0;
  for (int round = 0; round < 12; ++round) {
    SegmentBuilder b;
    uint32_t f = b.field("t", {.postings = true, .positions = true, .norms = true});
    for (int i = 0; i < 400; ++i) {
      b.begin(++row);
      live[row] = true;
      TokenBuffer tokens;
      for (uint64_t k = 0, n = random.below(12) + 1; k < n; ++k) {
        uint64_t r = random.below(100);
        std::string term = "w" + std::to_string(r < 60 ? r % 4 : r);
        tokens.add(term, 0, 0, "word");
        model[term][row].push_back(static_cast<uint32_t>(k));
      }
      b.add_tokens(f, tokens, 100);
      b.end();
    }
    std::vector<uint64_t> dead;
    for (int i = 0; i < 30 && round > 0; ++i) {
      uint64_t r = random.below(row - 400) + 1;
      if (!live[r]) continue;
      live[r] = false;
      dead.push_back(r);
    }
    ++lsn;
    index.link(lsn, dead, Segment::from_image(b.finish(), lsn));
    if (round % 5 == 4) index.maintain();
  }
  index.merge_all();
  EXPECT_EQ(index.check(), "");
  ASSERT_EQ(index.segments()->size(), 1u);
  const Segment& s = *(*index.segments())[0];
  const SegmentField* f = s.field("t");
  std::vector<uint32_t> positions;
  for (auto& [term, docs] : model) {
    TermsIter it = s.terms(*f);
    std::map<uint64_t, std::vector<uint32_t>> expected;
    for (auto& [r, p] : docs) if (live[r]) expected[r] = p;
    ASSERT_EQ(it.seek_exact(term), !expected.empty());
    if (expected.empty()) continue;
    PostingsIter p = s.postings(*f, it.info());
    std::map<uint64_t, std::vector<uint32_t>> got;
    for (uint32_t d = p.next(); d != kNoDoc; d = p.next()) {
      if (random.below(3) == 0) continue;  // positions of skipped documents must not disturb the rest
      p.positions(positions);
      got[s.row_id(d)] = positions;
      ASSERT_EQ(p.freq(), positions.size());
    }
    for (auto& [r, v] : got) ASSERT_EQ(v, expected[r]) << term << " row " << r;
  }
}

struct Fixture {
  MappingPtr mapping;
  std::unique_ptr<Searcher> searcher;
  explicit Fixture(int docs, const char* mappings = R"({"properties":{"t":{"type":"text"},"n":{"type":"integer"}}})") {
    mapping = Mapping::parse(json::parse(mappings).as_object(), nullptr);
    SegmentBuilder b;
    for (int i = 0; i < docs; ++i) {
      json::object o;
      std::string text;
      for (int k = 1; k <= 8; ++k) {
        if (i % k == 0) text += " m" + std::to_string(k);
        if (i % (k * k) == 1) text += " x" + std::to_string(k) + " m" + std::to_string(k);
      }
      o["t"] = text;
      o["n"] = i;
      mapping->index(o, static_cast<uint64_t>(i + 1), {std::to_string(i), "", i, 1}, b);
    }
    Leaf leaf;
    leaf.segment = Segment::from_image(b.finish(), 1);
    leaf.lsn = 1;
    leaf.all_visible = true;
    searcher = std::make_unique<Searcher>(std::vector<Leaf>{leaf});
  }
  QueryPtr parse(const std::string& q) {
    DslContext ctx;
    ctx.mapping = mapping.get();
    return parse_query(json::parse(q), ctx);
  }
};

// Pruned top-k against the exhaustive one.
TEST(Search, PruningKeepsTheBest) {
  Fixture x(6000);
  const char* queries[] = {
      R"({"match":{"t":"m7"}})", R"({"match":{"t":"m2 m3 x5"}})", R"({"match":{"t":{"query":"m2 m5","operator":"and"}}})",
      R"({"match_phrase":{"t":"m2 m3"}})", R"({"bool":{"must":[{"match":{"t":"m3"}}],"should":[{"match":{"t":"x2 x7"}}],"filter":[{"range":{"n":{"gte":100,"lt":5000}}}]}})",
      R"({"bool":{"should":[{"match":{"t":"m4"}},{"match":{"t":"m5"}},{"match":{"t":"m6"}}],"minimum_should_match":2}})"};
  for (const char* q : queries) {
    SCOPED_TRACE(q);
    QueryPtr query = x.parse(q);
    uint64_t n1, n2;
    auto exact = x.searcher->top(query, 10, UINT64_MAX, &n1);
    auto pruned = x.searcher->top(query, 10, 0, &n2);
    EXPECT_LE(n2, n1);
    ASSERT_EQ(exact.size(), pruned.size());
    for (size_t i = 0; i < exact.size(); ++i) {
      EXPECT_FLOAT_EQ(exact[i].score, pruned[i].score);
      EXPECT_EQ(exact[i].doc, pruned[i].doc);
    }
  }
}

TEST(Search, CountsOfEveryKind) {
  Fixture x(1000);
  auto count = [&](const char* q) { return x.searcher->count(x.parse(q)); };
  EXPECT_EQ(count(R"({"match_all":{}})"), 1000u);
  EXPECT_EQ(count(R"({"range":{"n":{"gt":10,"lte":20}}})"), 10u);
  EXPECT_EQ(count(R"({"term":{"n":7}})"), 1u);
  EXPECT_EQ(count(R"({"terms":{"n":[1,2,3,5000]}})"), 3u);
  EXPECT_EQ(count(R"({"ids":{"values":["1","999","x"]}})"), 2u);
  EXPECT_EQ(count(R"({"exists":{"field":"n"}})"), 1000u);
  EXPECT_EQ(count(R"({"prefix":{"t":"m"}})"), 1000u);
  EXPECT_EQ(count(R"({"wildcard":{"t":"x?"}})"), count(R"({"regexp":{"t":"x[0-9]"}})"));
  EXPECT_EQ(count(R"({"fuzzy":{"t":{"value":"mm2","fuzziness":1}}})"), count(R"({"term":{"t":"m2"}})"));
  EXPECT_EQ(count(R"({"bool":{"must_not":[{"range":{"n":{"lt":900}}}]}})"), 100u);
  EXPECT_EQ(count(R"({"query_string":{"query":"n:[10 TO 19] AND NOT n:15"}})"), 9u);
  EXPECT_THROW(x.parse(R"({"nonsense":{}})"), Error);
}

TEST(Dates, MathAndFormats) {
  const DateFormat& f = default_date_format();
  auto ms = [&](const char* s) { return *f.parse(s, false, nullptr); };
  EXPECT_EQ(ms("1970-01-02"), 86400000);
  EXPECT_EQ(ms("2020-02-29T12:30:15.250Z"), 1582979415250);
  EXPECT_EQ(ms("2020-02-29T12:30:15+01:00"), 1582975815000);
  EXPECT_EQ(f.format(1582979415250), "2020-02-29T12:30:15.250Z");
  EXPECT_EQ(f.parse_math("2020-01-31||+1M/d", 0, false, nullptr), ms("2020-02-29"));
  EXPECT_EQ(f.parse_math("now-1d/d", ms("2020-03-01T10:00:00Z"), true, nullptr), ms("2020-02-29T23:59:59.999Z"));
  EXPECT_FALSE(f.parse("2020-13-01", false, nullptr).has_value());
  EXPECT_EQ(DateFormat("dd/MM/yyyy HH:mm").format(0), "01/01/1970 00:00");
}

TEST(RelationIndex, CheckpointAndLoad) {
  std::string dir = testing::TempDir() + "stele_index_" + std::to_string(secure_random());
  auto fragment = [](uint64_t from, int n) {
    SegmentBuilder b;
    uint32_t f = b.field("k", {.postings = true, .column = ColumnKind::kKeyword});
    for (int i = 0; i < n; ++i) {
      b.begin(from + static_cast<uint64_t>(i));
      b.add_term(f, "r" + std::to_string(from + static_cast<uint64_t>(i)));
      b.end();
    }
    return Segment::from_image(b.finish(), 0);
  };
  {
    RelationIndex index({.directory = dir});
    index.link(1, {}, fragment(1, 10));
    index.link(2, {3, 4}, fragment(11, 5));
    EXPECT_EQ(index.checkpoint(), 2u);
    index.link(3, {5}, nullptr);
    EXPECT_EQ(index.checkpoint(), 3u);
  }
  RelationIndex again({.directory = dir});
  ASSERT_TRUE(again.load(nullptr));
  EXPECT_EQ(again.stats().docs, 12u);
  EXPECT_EQ(again.check(), "");
  uint64_t visible = 0;
  for (auto& l : again.leaves(2)) for (uint32_t d = 0; d < l.segment->docs(); ++d) visible += l.visible(d);
  EXPECT_EQ(visible, 13u);
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace stele::segments
