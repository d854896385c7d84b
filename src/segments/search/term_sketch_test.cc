#include "segments/search/term_sketch.h"

#include <gtest/gtest.h>

#include <set>

#include "base/clock.h"
#include "segments/search/query.h"
#include "segments/segment.h"
#include "segments/text/utf8.h"

namespace stele::segments {
namespace {

// Random words of few letters (so that many are near each other), some beyond ASCII, some longer than a machine word.
TEST(TermSketch, FindsWhatTheDistanceSays) {
  Random random(20260421);
  const char* letters[] = {"a", "b", "c", "z", "7", "ä", "漢", "😀"};
  auto word = [&](uint64_t n) {
    std::string w;
    for (uint64_t k = 0; k < n; ++k) w += letters[random.below(random.below(3) == 0 ? 8 : 4)];
    return w;
  };
  std::set<std::string> words;
  for (int i = 0; i < 800; ++i) words.insert(word(1 + random.below(9)));
  for (uint64_t n : {63, 64, 65, 66, 300}) words.insert(std::string(n, 'a') + "b");
  SegmentBuilder b;
  uint32_t field = b.field("t", {.postings = true});
  b.begin(1);
  for (auto& w : words) b.add_term(field, w);
  b.end();
  SegmentPtr s = Segment::from_image(b.finish(), 1);
  const TermSketch& sketch = s->sketch(*s->field("t"));
  std::vector<std::string> asked = {"", std::string(64, 'a'), std::string(65, 'a'), std::string(299, 'a')};
  for (int i = 0; i < 20; ++i) asked.push_back(word(random.below(9)));
  for (auto& q : asked) {
    std::u32string target = code_points(q);
    for (int edits = 0; edits <= 2; ++edits) {
      for (int prefix : {0, 2}) {
        bool swaps = random.below(2) == 0;
        std::map<std::string, int> got, want;
        sketch.match(q, edits, prefix, swaps, [&](std::string_view t, int d) { got.emplace(t, d); });
        std::string start = to_utf8(std::u32string_view(target).substr(0, static_cast<size_t>(prefix)));
        for (auto& w : words) {
          int d = edit_distance(target, code_points(w), edits, swaps);
          if (d <= edits && w.starts_with(start)) want[w] = d;
        }
        ASSERT_EQ(got, want) << q << " edits " << edits << " prefix " << prefix << " transpositions " << swaps;
      }
    }
  }
}

}  // namespace
}  // namespace stele::segments
