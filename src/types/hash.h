// In-memory hashing of values. These hashes are never stored.
#pragma once

#include <cstdint>
#include <string_view>

namespace stele {

inline uint64_t mix64(uint64_t x) {
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93ull;
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93ull;
  x ^= x >> 32;
  return x;
}
uint64_t hash_bytes(std::string_view bytes);

// PostgreSQL's own hash functions (Bob Jenkins' lookup3), for SQL functions whose values are
// visible: hashtext, hashint4 ...
uint32_t pg_hash_any(std::string_view bytes);
uint64_t pg_hash_any_extended(std::string_view bytes, uint64_t seed);
uint32_t pg_hash_uint32(uint32_t v);
uint64_t pg_hash_uint32_extended(uint32_t v, uint64_t seed);

}  // namespace stele
