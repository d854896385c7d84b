#define XXH_INLINE_ALL
#include "base/hash.h"

#include <xxhash.h>

namespace stele {

uint64_t hash64(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

uint32_t checksum32(std::string_view a, std::string_view b) {
  uint64_t h = XXH3_64bits(a.data(), a.size());
  if (!b.empty()) h = XXH3_64bits_withSeed(b.data(), b.size(), h);
  return static_cast<uint32_t>(h ^ (h >> 32));
}

}  // namespace stele
