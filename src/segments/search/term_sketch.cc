#include "segments/search/term_sketch.h"

#include <bit>

#include "segments/postings/terms.h"
#include "segments/search/query.h"
#include "segments/text/utf8.h"

namespace stele::segments {

namespace {
constexpr size_t kLongest = 255;  // terms beyond it share the last bucket

// Letters have a bit for the first and one for further occurrences; all else shares twelve bits.
uint64_t sketch_of(std::string_view term, size_t* length) {
  uint64_t s = 0;
  size_t n = 0;
  for (size_t i = 0; i < term.size(); ++n) {
    uint32_t c = next_code_point(term, i);
    if (c >= 'a' && c <= 'z') {
      uint64_t bit = 1ull << (c - 'a');
      s |= (s & bit) != 0 ? bit << 26 : bit;
    } else {
      s |= 1ull << (52 + c % 12);
    }
  }
  *length = n;
  return s;
}

// The word prepared: for each character, the positions at which it stands.
class Pattern {
 public:
  explicit Pattern(const std::u32string& word) : length_(word.size()) {
    for (size_t i = 0; i < word.size(); ++i) {
      if (word[i] < 128) ascii_[word[i]] |= 1ull << i;
      else others_.emplace_back(word[i], 1ull << i);
    }
  }
  // Optimal string alignment (or Levenshtein) distance; the word has 1 to 64 characters.
  int distance(std::string_view term, bool transpositions) const {
    uint64_t vp = ~0ull, vn = 0, d0 = 0, last = 0;
    auto score = static_cast<int>(length_);
    const uint64_t top = 1ull << (length_ - 1);
    for (size_t i = 0; i < term.size();) {
      uint64_t pm = at(next_code_point(term, i));
      uint64_t swap = transpositions ? (((~d0) & pm) << 1) & last : 0;
      d0 = ((((pm & vp) + vp) ^ vp) | pm | vn) | swap;
      uint64_t hp = vn | ~(d0 | vp);
      uint64_t hn = d0 & vp;
      if ((hp & top) != 0) ++score;
      else if ((hn & top) != 0) --score;
      hp = hp << 1 | 1;
      hn <<= 1;
      vp = hn | ~(d0 | hp);
      vn = hp & d0;
      last = pm;
    }
    return score;
  }

 private:
  uint64_t at(uint32_t c) const {
    if (c < 128) return ascii_[c];
    uint64_t m = 0;
    for (auto& [other, bit] : others_) m |= other == c ? bit : 0;
    return m;
  }
  size_t length_;
  uint64_t ascii_[128] = {};
  std::vector<std::pair<char32_t, uint64_t>> others_;
};

// Places in [from, to) whose sketch is near enough.
template <typename F>
inline __attribute__((always_inline)) void scan(const uint64_t* sketches, uint32_t from, uint32_t to, uint64_t word, int edits, F&& f) {
  for (uint32_t i = from; i < to; ++i) {
    uint64_t differ = sketches[i] ^ word;
    if (std::popcount(differ) > 2 * edits) continue;
    if (std::popcount(differ & word) <= edits && std::popcount(differ & sketches[i]) <= edits) f(i);
  }
}
using Candidates = std::vector<uint32_t>;
void scan_portable(const uint64_t* s, uint32_t from, uint32_t to, uint64_t word, int edits, Candidates& out) {
  scan(s, from, to, word, edits, [&](uint32_t i) { out.push_back(i); });
}
#if defined(__x86_64__)
__attribute__((target("popcnt"))) void scan_popcnt(const uint64_t* s, uint32_t from, uint32_t to, uint64_t word, int edits, Candidates& out) {
  scan(s, from, to, word, edits, [&](uint32_t i) { out.push_back(i); });
}
#endif
void candidates(const uint64_t* s, uint32_t from, uint32_t to, uint64_t word, int edits, Candidates& out) {
#if defined(__x86_64__)
  static const bool have = __builtin_cpu_supports("popcnt") != 0;
  if (have) return scan_popcnt(s, from, to, word, edits, out);
#endif
  scan_portable(s, from, to, word, edits, out);
}
}  // namespace

TermSketch::TermSketch(TermsIter terms) {
  struct Seen { uint64_t sketch; uint32_t offset, length; };
  std::vector<Seen> seen;
  std::string text;
  starts_.assign(kLongest + 2, 0);
  for (bool ok = terms.first(); ok; ok = terms.next()) {
    size_t length;
    uint64_t s = sketch_of(terms.term(), &length);
    length = std::min(length, kLongest);
    seen.push_back({s, static_cast<uint32_t>(text.size()), static_cast<uint32_t>(length)});
    text += terms.term();
    ++starts_[length + 1];
  }
  for (size_t i = 1; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
  std::vector<uint32_t> at(starts_.begin(), starts_.end() - 1), order(seen.size());
  for (uint32_t i = 0; i < seen.size(); ++i) order[at[seen[i].length]++] = i;
  sketches_.reserve(seen.size());
  offsets_.reserve(seen.size() + 1);
  text_.reserve(text.size());
  for (uint32_t i : order) {
    sketches_.push_back(seen[i].sketch);
    offsets_.push_back(static_cast<uint32_t>(text_.size()));
    size_t end = i + 1 < seen.size() ? seen[i + 1].offset : text.size();
    text_.append(text, seen[i].offset, end - seen[i].offset);
  }
  offsets_.push_back(static_cast<uint32_t>(text_.size()));
}

void TermSketch::match(std::string_view word, int edits, int prefix, bool transpositions, const std::function<void(std::string_view, int)>& f) const {
  std::u32string chars = code_points(word);
  std::string fixed = to_utf8(std::u32string_view(chars).substr(0, static_cast<size_t>(std::max(0, prefix))));
  size_t length;
  uint64_t sketch = sketch_of(word, &length);
  auto k = static_cast<size_t>(edits);
  size_t lo = std::min(length > k ? length - k : 0, kLongest), hi = std::min(length + k, kLongest);
  Candidates found;
  candidates(sketches_.data(), starts_[lo], starts_[hi + 1], sketch, edits, found);
  bool small = length >= 1 && length <= 64;
  Pattern pattern(small ? chars : std::u32string(1, U' '));
  for (uint32_t i : found) {
    std::string_view term(text_.data() + offsets_[i], offsets_[i + 1] - offsets_[i]);
    if (!term.starts_with(fixed)) continue;
    int d = small ? pattern.distance(term, transpositions) : edit_distance(chars, code_points(term), edits, transpositions);
    if (d <= edits) f(term, d);
  }
}

}  // namespace stele::segments
