#include "segments/vectors/point.h"

namespace stele::segments::vectors {

std::string canonical_uuid(std::string_view s) {
  if (s.starts_with("urn:uuid:")) s.remove_prefix(9);
  if (s.size() >= 2 && s.front() == '{' && s.back() == '}') s = s.substr(1, s.size() - 2);
  if (s.size() != 32 && s.size() != 36) return {};
  std::string hex;
  for (size_t i = 0; i < s.size(); ++i) {
    const char c = s[i];
    if (c == '-' && s.size() == 36 && (i == 8 || i == 13 || i == 18 || i == 23)) continue;
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0) return {};
    hex.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  if (hex.size() != 32) return {};
  for (size_t at : {20u, 16u, 12u, 8u}) hex.insert(at, 1, '-');
  return hex;
}

PointId PointId::from_text(std::string_view s) {
  const bool digits = !s.empty() && s.size() <= 20 && s.find_first_not_of("0123456789") == std::string_view::npos &&
                      (s.size() == 1 || s[0] != '0');
  if (digits && (s.size() < 20 || s <= "18446744073709551615")) {
    uint64_t n = 0;
    for (char c : s) n = n * 10 + static_cast<uint64_t>(c - '0');
    return from_number(n);
  }
  std::string uuid = canonical_uuid(s);
  if (uuid == s) return {Kind::kUuid, 0, std::move(uuid)};
  return {Kind::kText, 0, std::string(s)};
}

}  // namespace stele::segments::vectors
