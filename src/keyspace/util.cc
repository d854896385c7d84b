#include "keyspace/util.h"

#include <openssl/sha.h>

#include "keyspace/hash_table.h"

namespace stele::keyspace {

uint64_t g_hash_seed = secure_random();

uint64_t random_u64() {
  thread_local Random random(secure_random());
  return random.next();
}

namespace {
inline uint64_t fold(uint64_t a, uint64_t b) {
  unsigned __int128 m = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(m) ^ static_cast<uint64_t>(m >> 64);
}
inline uint64_t load64(const char* p) { uint64_t v; std::memcpy(&v, p, 8); return v; }
inline uint64_t load32(const char* p) { uint32_t v; std::memcpy(&v, p, 4); return v; }
}  // namespace

// Multiply-and-fold over 16-byte steps, keyed by the process's secret seed.
uint64_t hash_bytes(const char* p, size_t n) {
  constexpr uint64_t k1 = 0xa0761d6478bd642full, k2 = 0xe7037ed1a0b428dbull;
  uint64_t h = g_hash_seed ^ (n * k1), a, b;
  size_t left = n;
  while (left > 16) {
    h = fold(load64(p) ^ k1, load64(p + 8) ^ h);
    p += 16;
    left -= 16;
  }
  if (left >= 8) {
    a = load64(p);
    b = load64(p + left - 8);
  } else if (left >= 4) {
    a = load32(p);
    b = load32(p + left - 4);
  } else {
    a = b = 0;
    for (size_t i = 0; i < left; ++i) a = (a << 8) | static_cast<unsigned char>(p[i]);
  }
  return fold(k2 ^ n, fold(a ^ k1, b ^ h));
}

bool parse_u64(std::string_view s, uint64_t* out) {
  if (s.empty() || s.size() > 20) return false;
  if (s[0] == '0') {
    if (s.size() > 1) return false;
    *out = 0;
    return true;
  }
  uint64_t v = 0;
  for (char c : s) {
    if (c < '0' || c > '9') return false;
    if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, c - '0', &v)) return false;
  }
  *out = v;
  return true;
}

bool parse_i64(std::string_view s, int64_t* out) {
  bool negative = !s.empty() && s[0] == '-';
  uint64_t v;
  if (!parse_u64(negative ? s.substr(1) : s, &v)) return false;
  if (negative) {
    if (v == 0 || v > uint64_t{1} << 63) return false;
    *out = static_cast<int64_t>(0 - v);
  } else {
    if (v > INT64_MAX) return false;
    *out = static_cast<int64_t>(v);
  }
  return true;
}

bool parse_double(std::string_view s, double* out) {
  // Short integers, the common case by far, need no strtod: every one of them is a double.
  if (!s.empty() && s.size() <= 15) {
    size_t i = s[0] == '-' && s.size() > 1 ? 1 : 0;
    int64_t v = 0;
    for (; i < s.size() && s[i] >= '0' && s[i] <= '9'; ++i) v = v * 10 + (s[i] - '0');
    if (i == s.size()) {
      *out = s[0] == '-' ? -static_cast<double>(v) : static_cast<double>(v);
      return true;
    }
  }
  if (s.empty() || s.size() > 255 || isspace(static_cast<unsigned char>(s[0]))) return false;
  char buf[256];
  std::memcpy(buf, s.data(), s.size());
  buf[s.size()] = 0;
  char* end = nullptr;
  errno = 0;
  double v = std::strtod(buf, &end);
  if (end != buf + s.size() || std::isnan(v)) return false;
  if (errno == ERANGE && (v == HUGE_VAL || v == -HUGE_VAL || std::fpclassify(v) == FP_ZERO))
    return false;
  *out = v;
  return true;
}

bool parse_long_double(std::string_view s, long double* out) {
  if (s.empty() || s.size() > 255 || isspace(static_cast<unsigned char>(s[0]))) return false;
  char buf[256];
  std::memcpy(buf, s.data(), s.size());
  buf[s.size()] = 0;
  char* end = nullptr;
  errno = 0;
  long double v = std::strtold(buf, &end);
  if (end != buf + s.size() || std::isnan(v)) return false;
  if (errno == ERANGE && (std::isinf(v) || v == 0)) return false;
  *out = v;
  return true;
}

size_t format_i64(int64_t v, char* buf) {
  char tmp[24];
  size_t n = 0;
  uint64_t u = v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v);
  do {
    tmp[n++] = static_cast<char>('0' + u % 10);
    u /= 10;
  } while (u != 0);
  size_t len = 0;
  if (v < 0) buf[len++] = '-';
  while (n > 0) buf[len++] = tmp[--n];
  return len;
}

std::string format_score(double v) {
  if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
  if (std::isnan(v)) return "nan";
  char buf[40];
  int n = std::snprintf(buf, sizeof buf, "%.17g", v);
  return std::string(buf, static_cast<size_t>(n));
}

std::string format_double(double v) {
  if (v == 0) return std::signbit(v) ? "-0" : "0";
  if (v > -4503599627370495.0 && v < 4503599627370496.0 &&
      v == static_cast<double>(static_cast<int64_t>(v))) {
    char buf[24];
    return std::string(buf, format_i64(static_cast<int64_t>(v), buf));
  }
  return format_score(v);
}

std::string format_human(long double v) {
  if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
  if (std::isnan(v)) return "nan";
  char buf[5 * 1024];
  int n = std::snprintf(buf, sizeof buf, "%.17Lf", v);
  std::string s(buf, static_cast<size_t>(n));
  if (s.find('.') != std::string::npos) {
    while (s.back() == '0') s.pop_back();
    if (s.back() == '.') s.pop_back();
  }
  if (s == "-0") s = "0";
  return s;
}

bool glob_match(std::string_view p, std::string_view t, bool ic) {
  auto fold_case = [ic](char c) {
    return ic ? static_cast<char>(tolower(static_cast<unsigned char>(c))) : c;
  };
  // One level of backtracking per star is enough: a later star subsumes an earlier one.
  size_t pi = 0, ti = 0, star_p = std::string_view::npos, star_t = 0;
  auto match_one = [&](size_t& i, char c) -> bool {
    switch (p[i]) {
      case '?': ++i; return true;
      case '[': {
        size_t j = i + 1;
        bool negate = j < p.size() && p[j] == '^';
        if (negate) ++j;
        bool hit = false;
        for (;;) {
          if (j >= p.size()) break;
          if (p[j] == '\\' && j + 1 < p.size()) {
            ++j;
            if (p[j] == c) hit = true;
          } else if (p[j] == ']') {
            ++j;
            break;
          } else if (j + 2 < p.size() && p[j + 1] == '-') {
            char lo = fold_case(p[j]), hi = fold_case(p[j + 2]), x = fold_case(c);
            if (static_cast<unsigned char>(lo) > static_cast<unsigned char>(hi)) std::swap(lo, hi);
            j += 2;
            if (static_cast<unsigned char>(x) >= static_cast<unsigned char>(lo) &&
                static_cast<unsigned char>(x) <= static_cast<unsigned char>(hi)) hit = true;
          } else if (fold_case(p[j]) == fold_case(c)) {
            hit = true;
          }
          ++j;
        }
        i = j;
        return hit != negate;
      }
      case '\\':
        if (i + 1 < p.size()) ++i;
        [[fallthrough]];
      default: {
        bool same = fold_case(p[i]) == fold_case(c);
        ++i;
        return same;
      }
    }
  };
  while (ti < t.size()) {
    if (pi < p.size() && p[pi] == '*') {
      while (pi < p.size() && p[pi] == '*') ++pi;
      if (pi == p.size()) return true;
      star_p = pi;
      star_t = ti;
      continue;
    }
    size_t next = pi;
    if (pi < p.size() && match_one(next, t[ti])) {
      pi = next;
      ++ti;
      continue;
    }
    if (star_p == std::string_view::npos) return false;
    pi = star_p;
    ti = ++star_t;
  }
  while (pi < p.size() && p[pi] == '*') ++pi;
  return pi == p.size();
}

bool iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (tolower(static_cast<unsigned char>(a[i])) != tolower(static_cast<unsigned char>(b[i])))
      return false;
  return true;
}
std::string lower(std::string_view s) {
  std::string r(s);
  for (char& c : r) c = static_cast<char>(tolower(static_cast<unsigned char>(c)));
  return r;
}
std::string upper(std::string_view s) {
  std::string r(s);
  for (char& c : r) c = static_cast<char>(toupper(static_cast<unsigned char>(c)));
  return r;
}

bool parse_memory(std::string_view s, int64_t* out) {
  size_t digits = 0;
  while (digits < s.size() && (isdigit(static_cast<unsigned char>(s[digits])) || (digits == 0 && s[0] == '-')))
    ++digits;
  int64_t v;
  if (!parse_i64(s.substr(0, digits), &v)) return false;
  std::string unit = lower(s.substr(digits));
  int64_t mul = 0;
  if (unit.empty() || unit == "b") mul = 1;
  else if (unit == "k") mul = 1000;
  else if (unit == "kb") mul = 1024;
  else if (unit == "m") mul = 1000000;
  else if (unit == "mb") mul = 1 << 20;
  else if (unit == "g") mul = 1000000000;
  else if (unit == "gb") mul = 1 << 30;
  else return false;
  *out = v * mul;
  return true;
}

std::string quoted(std::string_view s) {
  std::string r = "\"";
  for (char c : s) {
    switch (c) {
      case '\\': case '"': r += '\\'; r += c; break;
      case '\n': r += "\\n"; break;
      case '\r': r += "\\r"; break;
      case '\t': r += "\\t"; break;
      case '\a': r += "\\a"; break;
      case '\b': r += "\\b"; break;
      default:
        if (isprint(static_cast<unsigned char>(c))) r += c;
        else r += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return r + "\"";
}

bool split_args(std::string_view line, std::vector<std::string>* out) {
  size_t i = 0;
  auto space = [&](char c) { return isspace(static_cast<unsigned char>(c)) || c == 0; };
  auto hex = [](char c) { return isdigit(static_cast<unsigned char>(c)) ? c - '0' : tolower(c) - 'a' + 10; };
  for (;;) {
    while (i < line.size() && space(line[i])) ++i;
    if (i >= line.size()) return true;
    std::string current;
    if (line[i] == '"' || line[i] == '\'') {
      // A quote may also open in the middle of a word; handled below with the same loop.
    }
    bool done = false, in_double = false, in_single = false;
    while (!done) {
      if (i >= line.size()) {
        if (in_double || in_single) return false;
        break;
      }
      char c = line[i];
      if (in_double) {
        if (c == '\\' && i + 3 < line.size() && line[i + 1] == 'x' &&
            isxdigit(static_cast<unsigned char>(line[i + 2])) &&
            isxdigit(static_cast<unsigned char>(line[i + 3]))) {
          current += static_cast<char>(hex(line[i + 2]) * 16 + hex(line[i + 3]));
          i += 3;
        } else if (c == '\\' && i + 1 < line.size()) {
          ++i;
          switch (line[i]) {
            case 'n': current += '\n'; break;
            case 'r': current += '\r'; break;
            case 't': current += '\t'; break;
            case 'b': current += '\b'; break;
            case 'a': current += '\a'; break;
            default: current += line[i];
          }
        } else if (c == '"') {
          if (i + 1 < line.size() && !space(line[i + 1])) return false;
          done = true;
        } else {
          current += c;
        }
      } else if (in_single) {
        if (c == '\\' && i + 1 < line.size() && line[i + 1] == '\'') {
          ++i;
          current += '\'';
        } else if (c == '\'') {
          if (i + 1 < line.size() && !space(line[i + 1])) return false;
          done = true;
        } else {
          current += c;
        }
      } else if (space(c)) {
        done = true;
      } else if (c == '"') {
        in_double = true;
      } else if (c == '\'') {
        in_single = true;
      } else {
        current += c;
      }
      ++i;
    }
    out->push_back(std::move(current));
  }
}

static std::string to_hex(const unsigned char* p, size_t n) {
  std::string r;
  r.reserve(n * 2);
  for (size_t i = 0; i < n; ++i) {
    r += "0123456789abcdef"[p[i] >> 4];
    r += "0123456789abcdef"[p[i] & 15];
  }
  return r;
}
void sha1_raw(std::string_view s, unsigned char out[20]) {
  SHA1(reinterpret_cast<const unsigned char*>(s.data()), s.size(), out);
}
std::string sha1_hex(std::string_view s) {
  unsigned char d[20];
  sha1_raw(s, d);
  return to_hex(d, 20);
}
std::string sha256_hex(std::string_view s) {
  unsigned char d[32];
  SHA256(reinterpret_cast<const unsigned char*>(s.data()), s.size(), d);
  return to_hex(d, 32);
}

// CRC-64 "Jones": polynomial 0xad93d23594c935a9, reflected, initial value 0.
uint64_t crc64(uint64_t crc, const char* data, size_t n) {
  // tables[k][b]: what byte b becomes when k more bytes follow it; eight bytes are then one step.
  static const auto tables = [] {
    std::array<std::array<uint64_t, 256>, 8> t{};
    constexpr uint64_t poly = 0x95ac9329ac4bc9b5ull;  // the polynomial, bit-reversed
    for (uint64_t i = 0; i < 256; ++i) {
      uint64_t c = i;
      for (int k = 0; k < 8; ++k) c = (c & 1) ? (c >> 1) ^ poly : c >> 1;
      t[0][i] = c;
    }
    for (size_t k = 1; k < 8; ++k)
      for (size_t i = 0; i < 256; ++i) t[k][i] = t[0][t[k - 1][i] & 255] ^ (t[k - 1][i] >> 8);
    return t;
  }();
  for (; n >= 8; n -= 8, data += 8) {
    crc ^= load64(data);
    uint64_t next = 0;
    for (size_t k = 0; k < 8; ++k) next ^= tables[7 - k][(crc >> (8 * k)) & 255];
    crc = next;
  }
  for (size_t i = 0; i < n; ++i) crc = tables[0][static_cast<uint8_t>(crc ^ static_cast<uint8_t>(data[i]))] ^ (crc >> 8);
  return crc;
}

std::string human_bytes(uint64_t n) {
  double d = static_cast<double>(n);
  if (n < 1024) return fmt::format("{}B", n);
  const char* units[] = {"K", "M", "G", "T", "P"};
  size_t u = 0;
  d /= 1024;
  while (d >= 1024 && u < 4) { d /= 1024; ++u; }
  return fmt::format("{:.2f}{}", d, units[u]);
}

std::string random_hex(size_t n) {
  std::string r;
  while (r.size() < n) {
    uint64_t v = secure_random();
    for (int i = 0; i < 16 && r.size() < n; ++i, v >>= 4) r += "0123456789abcdef"[v & 15];
  }
  return r;
}

}  // namespace stele::keyspace
