#include "segments/postings/bitpack.h"

#include "base/codec.h"
#include "base/error.h"

namespace stele::segments {

namespace {

using Lane = uint32_t __attribute__((vector_size(16), aligned(1), may_alias));

inline Lane load(const char* p) {
  Lane v;
  std::memcpy(&v, p, 16);
  return v;
}

template <int W>
void unpack(const char* in, uint32_t* values) {
  auto* out = reinterpret_cast<Lane*>(values);
  if constexpr (W == 0) {
    for (int i = 0; i < 32; ++i) out[i] = Lane{0, 0, 0, 0};
  } else if constexpr (W == 32) {
    for (int i = 0; i < 32; ++i) out[i] = load(in + 16 * i);
  } else {
    constexpr uint32_t m = (1u << W) - 1;
    const Lane mask = {m, m, m, m};
    Lane current = load(in);
    int bit = 0, word = 0;
#pragma GCC unroll 32
    for (int i = 0; i < 32; ++i) {
      Lane v = current >> bit;
      if (bit + W >= 32) {
        int taken = 32 - bit;
        ++word;
        if (word < W) {
          current = load(in + 16 * word);
          if (taken < W) v |= current << taken;
        }
        bit = W - taken;
      } else {
        bit += W;
      }
      out[i] = v & mask;
    }
  }
}
template <int W>
void pack(const uint32_t* in, char* out) {
  if constexpr (W > 0) {
    for (int lane = 0; lane < 4; ++lane) {
      uint64_t acc = 0;
      int bits = 0, word = 0;
      for (int i = 0; i < 32; ++i) {
        acc |= uint64_t{in[4 * i + lane]} << bits;
        bits += W;
        while (bits >= 32) {
          store_le(out + 16 * word + 4 * lane, static_cast<uint32_t>(acc));
          acc >>= 32;
          bits -= 32;
          ++word;
        }
      }
    }
  }
}

using UnpackFn = void (*)(const char*, uint32_t*);
using PackFn = void (*)(const uint32_t*, char*);
template <size_t... I>
constexpr std::array<UnpackFn, 33> unpackers(std::index_sequence<I...>) { return {unpack<static_cast<int>(I)>...}; }
template <size_t... I>
constexpr std::array<PackFn, 33> packers(std::index_sequence<I...>) { return {pack<static_cast<int>(I)>...}; }
constexpr auto kUnpack = unpackers(std::make_index_sequence<33>());
constexpr auto kPack = packers(std::make_index_sequence<33>());

// Four significant bits and a shift, in eight bits; order is kept.
uint32_t long_to_int4(uint64_t v) {
  int bits = 64 - std::countl_zero(v);
  if (bits < 4) return static_cast<uint32_t>(v);
  int shift = bits - 4;
  return (static_cast<uint32_t>(v >> shift) & 7u) | static_cast<uint32_t>(shift + 1) << 3;
}
uint64_t int4_to_long(uint32_t i) {
  uint64_t bits = i & 7;
  int shift = static_cast<int>(i >> 3) - 1;
  return shift == -1 ? bits : (bits | 8) << shift;
}
// Lengths below this are stored exactly: 255 minus the code of the largest int.
const uint32_t kFree = 255 - long_to_int4(0x7fffffff);

}  // namespace

int bits_needed(const uint32_t* v, int n) {
  uint32_t all = 0;
  for (int i = 0; i < n; ++i) all |= v[i];
  return 32 - std::countl_zero(all);
}
void pack_block(const uint32_t* in, int width, char* out) { kPack[static_cast<size_t>(width)](in, out); }
void unpack_block(const char* in, int width, uint32_t* out) {
  STELE_CHECK(width >= 0 && width <= 32);
  kUnpack[static_cast<size_t>(width)](in, out);
}
void unpack_deltas(const char* in, int width, uint32_t base, uint32_t* out) {
  unpack_block(in, width, out);
  for (int i = 0; i < kBlock; ++i) {
    base += out[i];
    out[i] = base;
  }
}

uint8_t encode_length(uint32_t length) {
  return static_cast<uint8_t>(length < kFree ? length : kFree + long_to_int4(length - kFree));
}
uint32_t decode_length(uint8_t byte) {
  return byte < kFree ? byte : static_cast<uint32_t>(kFree + int4_to_long(byte - kFree));
}

}  // namespace stele::segments
