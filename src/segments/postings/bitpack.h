// Bit packing of 128 integers in four interleaved lanes, so that packing and unpacking run four
// (or more) at a time in vector registers. A block of width w takes 16 * w bytes.
#pragma once

#include <cstdint>

namespace stele::segments {

constexpr int kBlock = 128;

// Bits needed for the largest of n values; 0 when all are zero.
int bits_needed(const uint32_t* values, int n);
void pack_block(const uint32_t* in, int width, char* out);
void unpack_block(const char* in, int width, uint32_t* out);
// As unpack_block, then a running sum that starts at `base`: deltas to absolute values.
void unpack_deltas(const char* in, int width, uint32_t base, uint32_t* out);

// The length of a field as Lucene stores it in one byte, and what that byte stands for.
uint8_t encode_length(uint32_t length);
uint32_t decode_length(uint8_t byte);

}  // namespace stele::segments
