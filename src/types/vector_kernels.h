// Distance kernels over dense vectors with run-time dispatch (Highway picks the widest instruction
// set the processor has). Lengths are in elements; pointers need no alignment. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stele {

float dot_f32(const float* a, const float* b, size_t n);
float l2_squared_f32(const float* a, const float* b, size_t n);
float l1_f32(const float* a, const float* b, size_t n);

// IEEE binary16 payloads; results in float.
float dot_f16(const uint16_t* a, const uint16_t* b, size_t n);
float l2_squared_f16(const uint16_t* a, const uint16_t* b, size_t n);
float l1_f16(const uint16_t* a, const uint16_t* b, size_t n);

// Kernels for loops that choose once: pointers to the version for this processor. `n` must be a multiple of
// kVectorPadding (vectors are padded with zeros). The bounded ones may stop early and return anything >= bound
// as soon as the distance is known to reach it.
constexpr size_t kVectorPadding = 16;
using BoundedDistance = float (*)(const float* a, const float* b, size_t n, float bound);
BoundedDistance l2_squared_bounded_kernel();
BoundedDistance l1_bounded_kernel();
using PaddedDot = float (*)(const float* a, const float* b, size_t n);
PaddedDot dot_padded_kernel();
// Codes padded to a multiple of kCodePadding. `b_sum` is the sum of b's codes.
constexpr size_t kCodePadding = 64;
using CodeDot = int32_t (*)(const int8_t* a, const int8_t* b, size_t n, int32_t b_sum);
CodeDot code_dot_kernel();

// Quantised codes: exact integer sums (|sum| < 2^31 for n < 65536).
int32_t dot_i8(const int8_t* a, const int8_t* b, size_t n);

float half_to_float(uint16_t h);
// Rounds to nearest even; overflow gives infinity.
uint16_t float_to_half(float f);

}  // namespace stele
