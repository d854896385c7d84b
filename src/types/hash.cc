#include "types/hash.h"

#include "base/codec.h"

namespace stele {

uint64_t hash_bytes(std::string_view s) {
  constexpr uint64_t k = 0x9e3779b97f4a7c15ull;
  uint64_t h = s.size() * k;
  const char* p = s.data();
  size_t n = s.size();
  for (; n >= 8; p += 8, n -= 8) {
    h = (h ^ load_le<uint64_t>(p)) * k;
    h ^= h >> 29;
  }
  uint64_t tail = 0;
  for (size_t i = 0; i < n; ++i) tail |= uint64_t{static_cast<uint8_t>(p[i])} << (8 * i);
  return mix64((h ^ tail) * k);
}

namespace {
uint32_t rot(uint32_t x, int k) { return std::rotl(x, k); }
void mix(uint32_t& a, uint32_t& b, uint32_t& c) {
  a -= c; a ^= rot(c, 4); c += b;
  b -= a; b ^= rot(a, 6); a += c;
  c -= b; c ^= rot(b, 8); b += a;
  a -= c; a ^= rot(c, 16); c += b;
  b -= a; b ^= rot(a, 19); a += c;
  c -= b; c ^= rot(b, 4); b += a;
}
void final_mix(uint32_t& a, uint32_t& b, uint32_t& c) {
  c ^= b; c -= rot(b, 14);
  a ^= c; a -= rot(c, 11);
  b ^= a; b -= rot(a, 25);
  c ^= b; c -= rot(b, 16);
  a ^= c; a -= rot(c, 4);
  b ^= a; b -= rot(a, 14);
  c ^= b; c -= rot(b, 24);
}
constexpr uint32_t kInit = 0x9e3779b9u + 3923095u;

void lookup3(std::string_view s, uint32_t& a, uint32_t& b, uint32_t& c) {
  const char* p = s.data();
  size_t n = s.size();
  for (; n >= 12; p += 12, n -= 12) {
    a += load_le<uint32_t>(p);
    b += load_le<uint32_t>(p + 4);
    c += load_le<uint32_t>(p + 8);
    mix(a, b, c);
  }
  // The low byte of c is kept for the length, so the last word's bytes start one higher.
  for (size_t i = 0; i < n; ++i) {
    uint32_t byte = static_cast<uint8_t>(p[i]);
    if (i < 4) a += byte << (8 * i);
    else if (i < 8) b += byte << (8 * (i - 4));
    else c += byte << (8 * (i - 8) + 8);
  }
  final_mix(a, b, c);
}
}  // namespace

uint32_t pg_hash_any(std::string_view s) {
  uint32_t a, b, c;
  a = b = c = kInit + static_cast<uint32_t>(s.size());
  lookup3(s, a, b, c);
  return c;
}

uint64_t pg_hash_any_extended(std::string_view s, uint64_t seed) {
  uint32_t a, b, c;
  a = b = c = kInit + static_cast<uint32_t>(s.size());
  if (seed != 0) {
    a += static_cast<uint32_t>(seed >> 32);
    b += static_cast<uint32_t>(seed);
    mix(a, b, c);
  }
  lookup3(s, a, b, c);
  return uint64_t{b} << 32 | c;
}

uint32_t pg_hash_uint32(uint32_t v) {
  uint32_t a, b, c;
  a = b = c = kInit + 4;
  a += v;
  final_mix(a, b, c);
  return c;
}

uint64_t pg_hash_uint32_extended(uint32_t v, uint64_t seed) {
  uint32_t a, b, c;
  a = b = c = kInit + 4;
  if (seed != 0) {
    a += static_cast<uint32_t>(seed >> 32);
    b += static_cast<uint32_t>(seed);
    mix(a, b, c);
  }
  a += v;
  final_mix(a, b, c);
  return uint64_t{b} << 32 | c;
}

}  // namespace stele
