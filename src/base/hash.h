// Hashing of byte strings (XXH3): for tables in memory and for checksums on disk.
#pragma once

#include <cstdint>
#include <string_view>

namespace stele {

uint64_t hash64(std::string_view bytes, uint64_t seed = 0);
// Checksum of stored bytes; the function is part of the on-disk formats.
uint32_t checksum32(std::string_view a, std::string_view b = {});

// Mixes a 64-bit integer well enough for power-of-two tables.
inline uint64_t hash_int(uint64_t v) {
  v ^= v >> 32;
  v *= 0xd6e8feb86659fd93ull;
  v ^= v >> 32;
  v *= 0xd6e8feb86659fd93ull;
  return v ^ (v >> 32);
}

// For std containers keyed by strings, with lookup by string_view.
struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view s) const { return hash64(s); }
};

}  // namespace stele
