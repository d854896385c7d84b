#include "types/text.h"

#include <unicode/uchar.h>
#include <unicode/locid.h>
#include <unicode/ucol.h>
#include <unicode/ustring.h>
#include <unicode/unistr.h>

#include "base/error.h"
#include "types/builtin.h"
#include "types/oids.h"

namespace stele {

size_t utf8_length(std::string_view s) {
  size_t n = 0;
  for (char c : s) n += is_utf8_start(c);
  return n;
}
size_t utf8_front(std::string_view s) {
  if (s.empty()) return 0;
  uint8_t c = static_cast<uint8_t>(s[0]);
  size_t n = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
  return std::min(n, s.size());
}
size_t utf8_offset(std::string_view s, size_t n) {
  size_t i = 0;
  while (n > 0 && i < s.size()) {
    i += utf8_front(s.substr(i));
    --n;
  }
  return i;
}
uint32_t utf8_decode(std::string_view s) {
  if (s.empty()) return 0;
  auto b = [&](size_t i) { return i < s.size() ? static_cast<uint8_t>(s[i]) & 0x3fu : 0u; };
  uint8_t c = static_cast<uint8_t>(s[0]);
  if (c < 0x80) return c;
  if (c < 0xe0) return (c & 0x1fu) << 6 | b(1);
  if (c < 0xf0) return (c & 0x0fu) << 12 | b(1) << 6 | b(2);
  return (c & 0x07u) << 18 | b(1) << 12 | b(2) << 6 | b(3);
}
void utf8_append(uint32_t c, std::string& out) {
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
std::string_view utf8_clip(std::string_view s, size_t bytes) {
  if (s.size() <= bytes) return s;
  while (bytes > 0 && !is_utf8_start(s[bytes])) --bytes;
  return s.substr(0, bytes);
}

namespace {
// Bytes of a valid character at i, or 0.
size_t valid_at(std::string_view s, size_t i) {
  uint8_t c = static_cast<uint8_t>(s[i]);
  auto in = [&](size_t k, uint8_t low, uint8_t high) {
    return i + k < s.size() && static_cast<uint8_t>(s[i + k]) >= low && static_cast<uint8_t>(s[i + k]) <= high;
  };
  if (c == 0) return 0;
  if (c < 0x80) return 1;
  if (c >= 0xc2 && c <= 0xdf) return in(1, 0x80, 0xbf) ? 2 : 0;
  if (c >= 0xe0 && c <= 0xef) {
    uint8_t low = c == 0xe0 ? 0xa0 : 0x80, high = c == 0xed ? 0x9f : 0xbf;
    return in(1, low, high) && in(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (c >= 0xf0 && c <= 0xf4) {
    uint8_t low = c == 0xf0 ? 0x90 : 0x80, high = c == 0xf4 ? 0x8f : 0xbf;
    return in(1, low, high) && in(2, 0x80, 0xbf) && in(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}
size_t first_invalid(std::string_view s) {
  size_t i = 0;
  while (i < s.size()) {
    while (i + 8 <= s.size()) {
      uint64_t w;
      std::memcpy(&w, s.data() + i, 8);
      if ((w & 0x8080808080808080ull) != 0 || ((w - 0x0101010101010101ull) & ~w & 0x8080808080808080ull) != 0) break;
      i += 8;
    }
    if (i >= s.size()) break;
    size_t n = valid_at(s, i);
    if (n == 0) return i;
    i += n;
  }
  return s.size();
}
}  // namespace

bool is_valid_utf8(std::string_view s) { return first_invalid(s) == s.size(); }
void check_utf8(std::string_view s) {
  size_t i = first_invalid(s);
  if (i == s.size()) return;
  uint8_t c = static_cast<uint8_t>(s[i]);
  size_t n = std::min<size_t>(c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : 1, s.size() - i);
  std::string hex;
  for (size_t k = 0; k < n; ++k) hex += fmt::format("{}0x{:02x}", k ? " " : "", static_cast<uint8_t>(s[i + k]));
  throw Error(ErrorCode::kCharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": " + hex);
}

// ---- collations

namespace {

struct Collation {
  bool bytes = true;         // order by bytes
  bool ascii_case = false;   // C and POSIX
  bool deterministic = true;
  std::string locale;
};

struct Collations {
  std::shared_mutex mutex;
  std::unordered_map<Oid, std::unique_ptr<Collation>> by_oid;
};
Collations& collations() {
  static Collations* all = [] {
    auto* c = new Collations;
    for (const auto& row : builtin::rows("pg_collation")) {
      auto info = std::make_unique<Collation>();
      info->bytes = row[2] != "i";
      info->ascii_case = row[1] == "C" || row[1] == "POSIX";
      info->deterministic = row[3] == "t";
      if (row[7] != "\\N") info->locale = row[7];
      c->by_oid.emplace(static_cast<Oid>(std::stoul(row[0])), std::move(info));
    }
    return c;
  }();
  return *all;
}

const Collation& collation_info(Oid oid) {
  static const Collation kDefault;
  if (oid == 0 || oid == oid::kDefaultCollation) return kDefault;
  Collations& all = collations();
  std::shared_lock lock(all.mutex);
  auto it = all.by_oid.find(oid);
  return it == all.by_oid.end() ? kDefault : *it->second;
}

struct CloseCollator {
  void operator()(UCollator* c) const { ucol_close(c); }
};
// Collators are not shared: each thread opens the few that it uses.
UCollator* collator(Oid oid, const Collation& info) {
  static thread_local std::unordered_map<Oid, std::unique_ptr<UCollator, CloseCollator>> open;
  auto& slot = open[oid];
  if (slot == nullptr) {
    UErrorCode status = U_ZERO_ERROR;
    slot.reset(ucol_open(info.locale.c_str(), &status));
    if (U_FAILURE(status))
      throw Error(ErrorCode::kInvalidParameterValue,
                  fmt::format("could not open collator for locale \"{}\": {}", info.locale, u_errorName(status)));
  }
  return slot.get();
}

int compare_bytes(std::string_view a, std::string_view b) {
  size_t n = std::min(a.size(), b.size());
  int c = n == 0 ? 0 : std::memcmp(a.data(), b.data(), n);
  if (c != 0) return c < 0 ? -1 : 1;
  return a.size() < b.size() ? -1 : a.size() > b.size();
}

}  // namespace

void define_collation(Oid oid, char provider, std::string locale, bool deterministic) {
  auto info = std::make_unique<Collation>();
  info->bytes = provider != 'i';
  info->ascii_case = provider != 'i' && (locale == "C" || locale == "POSIX");
  info->deterministic = deterministic;
  info->locale = std::move(locale);
  Collations& all = collations();
  std::unique_lock lock(all.mutex);
  all.by_oid.emplace(oid, std::move(info));
}

bool collation_is_bytes(Oid oid) { return collation_info(oid).bytes; }
bool collation_is_deterministic(Oid oid) { return collation_info(oid).deterministic; }

int compare_text(std::string_view a, std::string_view b, Oid oid) {
  if (oid == 0 || oid == oid::kDefaultCollation || oid == oid::kCCollation) return compare_bytes(a, b);
  const Collation& info = collation_info(oid);
  if (info.bytes) return compare_bytes(a, b);
  UErrorCode status = U_ZERO_ERROR;
  UCollationResult r = ucol_strcollUTF8(collator(oid, info), a.data(), static_cast<int32_t>(a.size()), b.data(),
                                        static_cast<int32_t>(b.size()), &status);
  if (r != UCOL_EQUAL) return r == UCOL_LESS ? -1 : 1;
  return info.deterministic ? compare_bytes(a, b) : 0;
}
bool equal_text(std::string_view a, std::string_view b, Oid oid) {
  if (a == b) return true;
  return !collation_info(oid).deterministic && compare_text(a, b, oid) == 0;
}

// ---- case

namespace {

template <typename F>
std::string map_code_points(std::string_view s, F map) {
  std::string out;
  out.reserve(s.size());
  for (size_t i = 0; i < s.size();) {
    if (static_cast<uint8_t>(s[i]) < 0x80) {
      out.push_back(static_cast<char>(map(static_cast<uint32_t>(s[i]))));
      ++i;
    } else {
      size_t n = utf8_front(s.substr(i));
      utf8_append(map(utf8_decode(s.substr(i))), out);
      i += n;
    }
  }
  return out;
}

uint32_t upper_of(uint32_t c) { return c < 0x80 ? (c >= 'a' && c <= 'z' ? c - 32 : c) : static_cast<uint32_t>(u_toupper(static_cast<UChar32>(c))); }
uint32_t lower_of(uint32_t c) { return c < 0x80 ? (c >= 'A' && c <= 'Z' ? c + 32 : c) : static_cast<uint32_t>(u_tolower(static_cast<UChar32>(c))); }
uint32_t ascii_upper(uint32_t c) { return c >= 'a' && c <= 'z' ? c - 32 : c; }
uint32_t ascii_lower(uint32_t c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }

// The libc locale C.UTF-8 has no special casing, ICU collations have their language's.
template <typename F>
std::string icu_case(std::string_view s, const std::string& locale, F convert) {
  icu::UnicodeString u = icu::UnicodeString::fromUTF8(icu::StringPiece(s.data(), static_cast<int32_t>(s.size())));
  convert(u, icu::Locale(locale.c_str()));
  std::string out;
  u.toUTF8String(out);
  return out;
}
}  // namespace

std::string text_upper(std::string_view s, Oid oid) {
  const Collation& info = collation_info(oid);
  if (!info.bytes)
    return icu_case(s, info.locale, [](icu::UnicodeString& u, const icu::Locale& l) { u.toUpper(l); });
  return info.ascii_case ? map_code_points(s, ascii_upper) : map_code_points(s, upper_of);
}
std::string text_lower(std::string_view s, Oid oid) {
  const Collation& info = collation_info(oid);
  if (!info.bytes)
    return icu_case(s, info.locale, [](icu::UnicodeString& u, const icu::Locale& l) { u.toLower(l); });
  return info.ascii_case ? map_code_points(s, ascii_lower) : map_code_points(s, lower_of);
}
std::string text_initcap(std::string_view s, Oid oid) {
  const Collation& info = collation_info(oid);
  bool in_word = false, ascii = info.ascii_case;
  return map_code_points(s, [&](uint32_t c) {
    uint32_t mapped = in_word ? (ascii ? ascii_lower(c) : lower_of(c)) : (ascii ? ascii_upper(c) : upper_of(c));
    in_word = c < 0x80 ? std::isalnum(static_cast<int>(c)) != 0 : !ascii && u_isalnum(static_cast<UChar32>(c));
    return mapped;
  });
}

// ---- keys

void encode_bytes_key(std::string_view s, std::string& out) {
  for (;;) {
    size_t zero = s.find('\0');
    out.append(s.substr(0, zero));
    if (zero == std::string_view::npos) break;
    out.append("\0\xff", 2);
    s.remove_prefix(zero + 1);
  }
  out.append("\0\0", 2);
}
namespace {
// Ends at 00 00; 00 01 ends a collation key, the text itself follows.
template <typename Piece, typename Restart>
void walk_bytes_key(std::string_view& in, Piece piece, Restart restart) {
  for (;;) {
    size_t zero = in.find('\0');
    if (zero == std::string_view::npos || zero + 1 >= in.size())
      throw Error(ErrorCode::kIndexCorrupted, "index key is not terminated");
    char next = in[zero + 1];
    piece(in.substr(0, zero), next == '\xff');
    in.remove_prefix(zero + 2);
    if (next == '\0') return;
    if (next == '\1') restart();
  }
}
}  // namespace
void decode_bytes_key(std::string_view& in, std::string& out) {
  size_t start = out.size();
  walk_bytes_key(in,
                 [&](std::string_view bytes, bool zero) {
                   out.append(bytes);
                   if (zero) out.push_back('\0');
                 },
                 [&] { out.resize(start); });
}
void skip_bytes_key(std::string_view& in) {
  walk_bytes_key(in, [](std::string_view, bool) {}, [] {});
}

// Key of text under an ICU collation: ICU's sort key first.
void encode_collated_key(std::string_view s, Oid oid, std::string& out) {
  const Collation& info = collation_info(oid);
  if (!info.bytes) {
    icu::UnicodeString u = icu::UnicodeString::fromUTF8(icu::StringPiece(s.data(), static_cast<int32_t>(s.size())));
    UCollator* c = collator(oid, info);
    std::string key(static_cast<size_t>(u.length()) * 4 + 32, '\0');
    int32_t n = ucol_getSortKey(c, u.getBuffer(), u.length(), reinterpret_cast<uint8_t*>(key.data()),
                                static_cast<int32_t>(key.size()));
    if (static_cast<size_t>(n) > key.size()) {
      key.resize(static_cast<size_t>(n));
      n = ucol_getSortKey(c, u.getBuffer(), u.length(), reinterpret_cast<uint8_t*>(key.data()), n);
    }
    out.append(key.data(), static_cast<size_t>(n) - 1);  // without ICU's final zero
    if (!info.deterministic) {
      out.append("\0\0", 2);
      return;
    }
    out.append("\0\1", 2);
  }
  encode_bytes_key(s, out);
}

uint64_t hash_bytes(std::string_view bytes);
uint64_t hash_collated(std::string_view s, Oid oid) {
  if (oid == 0 || oid == oid::kDefaultCollation || collation_info(oid).deterministic) return hash_bytes(s);
  std::string key;
  encode_collated_key(s, oid, key);
  return hash_bytes(key);
}

}  // namespace stele
