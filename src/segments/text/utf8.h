// Reading and writing UTF-8 without surprises: invalid bytes read as U+FFFD of length one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace stele::segments {

inline uint32_t next_code_point(std::string_view s, size_t& i) {
  auto byte = [&](size_t k) { return static_cast<uint8_t>(s[k]); };
  uint8_t b = byte(i);
  if (b < 0x80) return ++i, b;
  auto continues = [&](size_t k) { return k < s.size() && (byte(k) & 0xc0) == 0x80; };
  if (b >= 0xc2 && b < 0xe0 && continues(i + 1)) {
    uint32_t c = (b & 0x1fu) << 6 | (byte(i + 1) & 0x3fu);
    i += 2;
    return c;
  }
  if (b >= 0xe0 && b < 0xf0 && continues(i + 1) && continues(i + 2)) {
    uint32_t c = (b & 0xfu) << 12 | (byte(i + 1) & 0x3fu) << 6 | (byte(i + 2) & 0x3fu);
    i += 3;
    return c;
  }
  if (b >= 0xf0 && b < 0xf5 && continues(i + 1) && continues(i + 2) && continues(i + 3)) {
    uint32_t c = (b & 7u) << 18 | (byte(i + 1) & 0x3fu) << 12 | (byte(i + 2) & 0x3fu) << 6 |
                 (byte(i + 3) & 0x3fu);
    i += 4;
    return c;
  }
  return ++i, 0xfffd;
}

inline void append_code_point(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xc0 | c >> 6));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | c >> 12));
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else {
    out.push_back(static_cast<char>(0xf0 | c >> 18));
    out.push_back(static_cast<char>(0x80 | (c >> 12 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  }
}

inline std::u32string code_points(std::string_view s) {
  std::u32string out;
  for (size_t i = 0; i < s.size();) out.push_back(next_code_point(s, i));
  return out;
}
inline std::string to_utf8(std::u32string_view s) {
  std::string out;
  for (char32_t c : s) append_code_point(out, c);
  return out;
}
// Bytes of the character that starts with b.
inline size_t utf8_length(uint8_t b) { return b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4; }
// UTF-16 code units in s: what Java counts.
inline size_t utf16_length(std::string_view s) {
  size_t n = 0;
  for (size_t i = 0; i < s.size();) n += next_code_point(s, i) >= 0x10000 ? 2 : 1;
  return n;
}

}  // namespace stele::segments
