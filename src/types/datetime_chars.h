// ASCII classes as the date/time parsers see them.
#pragma once

namespace stele::datetime {

inline bool digit(char c) { return c >= '0' && c <= '9'; }
inline bool alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
inline bool space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
inline bool punctuation(char c) { return c > 32 && c < 127 && !digit(c) && !alpha(c); }

}  // namespace stele::datetime
