#include "types/vector_kernels.h"

#include <cmath>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "types/vector_kernels.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace stele::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Folds `step(acc, a, b)` over two float arrays with four accumulators, so that the latency of the
// multiply-add is hidden; the tail is loaded with zeros, which add nothing in any of the metrics.
template <class Step>
HWY_INLINE float fold_f32(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, size_t n,
                          const Step& step) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    s0 = step(s0, hn::LoadU(d, a + i), hn::LoadU(d, b + i));
    s1 = step(s1, hn::LoadU(d, a + i + lanes), hn::LoadU(d, b + i + lanes));
    s2 = step(s2, hn::LoadU(d, a + i + 2 * lanes), hn::LoadU(d, b + i + 2 * lanes));
    s3 = step(s3, hn::LoadU(d, a + i + 3 * lanes), hn::LoadU(d, b + i + 3 * lanes));
  }
  for (; i + lanes <= n; i += lanes) s0 = step(s0, hn::LoadU(d, a + i), hn::LoadU(d, b + i));
  if (i < n) {
    HWY_ALIGN float ta[HWY_MAX_BYTES / sizeof(float)] = {};
    HWY_ALIGN float tb[HWY_MAX_BYTES / sizeof(float)] = {};
    std::memcpy(ta, a + i, (n - i) * sizeof(float));
    std::memcpy(tb, b + i, (n - i) * sizeof(float));
    s1 = step(s1, hn::Load(d, ta), hn::Load(d, tb));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
}

float DotF32(const float* a, const float* b, size_t n) {
  return fold_f32(a, b, n, [](auto acc, auto x, auto y) { return hn::MulAdd(x, y, acc); });
}
float L2F32(const float* a, const float* b, size_t n) {
  return fold_f32(a, b, n, [](auto acc, auto x, auto y) {
    const auto delta = hn::Sub(x, y);
    return hn::MulAdd(delta, delta, acc);
  });
}
float L1F32(const float* a, const float* b, size_t n) {
  return fold_f32(a, b, n, [](auto acc, auto x, auto y) { return hn::Add(acc, hn::AbsDiff(x, y)); });
}

template <class Step>
HWY_INLINE float fold_f16(const uint16_t* HWY_RESTRICT a, const uint16_t* HWY_RESTRICT b, size_t n,
                          const Step& step) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<hwy::float16_t, decltype(d)> dh;
  const size_t lanes = hn::Lanes(d);
  const auto* ha = reinterpret_cast<const hwy::float16_t*>(a);
  const auto* hb = reinterpret_cast<const hwy::float16_t*>(b);
  auto s0 = hn::Zero(d), s1 = hn::Zero(d);
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    s0 = step(s0, hn::PromoteTo(d, hn::LoadU(dh, ha + i)), hn::PromoteTo(d, hn::LoadU(dh, hb + i)));
    s1 = step(s1, hn::PromoteTo(d, hn::LoadU(dh, ha + i + lanes)),
              hn::PromoteTo(d, hn::LoadU(dh, hb + i + lanes)));
  }
  for (; i < n; i += lanes) {
    HWY_ALIGN hwy::float16_t ta[HWY_MAX_BYTES / sizeof(hwy::float16_t)] = {};
    HWY_ALIGN hwy::float16_t tb[HWY_MAX_BYTES / sizeof(hwy::float16_t)] = {};
    const size_t m = n - i < lanes ? n - i : lanes;
    std::memcpy(ta, ha + i, m * sizeof(uint16_t));
    std::memcpy(tb, hb + i, m * sizeof(uint16_t));
    s0 = step(s0, hn::PromoteTo(d, hn::Load(dh, ta)), hn::PromoteTo(d, hn::Load(dh, tb)));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(s0, s1)));
}
float DotF16(const uint16_t* a, const uint16_t* b, size_t n) {
  return fold_f16(a, b, n, [](auto acc, auto x, auto y) { return hn::MulAdd(x, y, acc); });
}
float L2F16(const uint16_t* a, const uint16_t* b, size_t n) {
  return fold_f16(a, b, n, [](auto acc, auto x, auto y) {
    const auto delta = hn::Sub(x, y);
    return hn::MulAdd(delta, delta, acc);
  });
}
float L1F16(const uint16_t* a, const uint16_t* b, size_t n) {
  return fold_f16(a, b, n, [](auto acc, auto x, auto y) { return hn::Add(acc, hn::AbsDiff(x, y)); });
}

int32_t DotI8(const int8_t* HWY_RESTRICT a, const int8_t* HWY_RESTRICT b, size_t n) {
#if HWY_TARGET == HWY_SCALAR
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += int32_t{a[i]} * b[i];
  return sum;
#else
  const hn::ScalableTag<int32_t> d32;
  const hn::Repartition<int16_t, decltype(d32)> d16;
  const hn::Rebind<int8_t, decltype(d16)> d8;
  const size_t lanes = hn::Lanes(d16);
  auto s0 = hn::Zero(d32), s1 = hn::Zero(d32);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto x = hn::PromoteTo(d16, hn::LoadU(d8, a + i));
    const auto y = hn::PromoteTo(d16, hn::LoadU(d8, b + i));
    s0 = hn::ReorderWidenMulAccumulate(d32, x, y, s0, s1);
  }
  int32_t sum = hn::GetLane(hn::SumOfLanes(d32, hn::Add(s0, s1)));
  for (; i < n; ++i) sum += int32_t{a[i]} * b[i];
  return sum;
#endif
}

// Padded vectors: no tails. The sum so far is looked at every 64 elements.
template <class Step>
HWY_INLINE float fold_bounded(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, size_t n, float bound,
                              const Step& step) {
  const hn::CappedTag<float, kVectorPadding> d;
  const size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
  size_t i = 0;
  while (i + 64 <= n) {
    const size_t end = i + 64;
    for (; i < end; i += 4 * lanes) {
      s0 = step(s0, hn::LoadU(d, a + i), hn::LoadU(d, b + i));
      s1 = step(s1, hn::LoadU(d, a + i + lanes), hn::LoadU(d, b + i + lanes));
      s2 = step(s2, hn::LoadU(d, a + i + 2 * lanes), hn::LoadU(d, b + i + 2 * lanes));
      s3 = step(s3, hn::LoadU(d, a + i + 3 * lanes), hn::LoadU(d, b + i + 3 * lanes));
    }
    const float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
    if (sum >= bound || i == n) return sum;
  }
  for (; i < n; i += lanes) s0 = step(s0, hn::LoadU(d, a + i), hn::LoadU(d, b + i));
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
}
float L2Bounded(const float* a, const float* b, size_t n, float bound) {
  return fold_bounded(a, b, n, bound, [](auto acc, auto x, auto y) {
    const auto delta = hn::Sub(x, y);
    return hn::MulAdd(delta, delta, acc);
  });
}
float L1Bounded(const float* a, const float* b, size_t n, float bound) {
  return fold_bounded(a, b, n, bound, [](auto acc, auto x, auto y) { return hn::Add(acc, hn::AbsDiff(x, y)); });
}
float DotPadded(const float* a, const float* b, size_t n) {
  return fold_bounded(a, b, n, HUGE_VALF, [](auto acc, auto x, auto y) { return hn::MulAdd(x, y, acc); });
}

}  // namespace stele::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stele {

HWY_EXPORT(DotF32);
HWY_EXPORT(L2F32);
HWY_EXPORT(L1F32);
HWY_EXPORT(DotF16);
HWY_EXPORT(L2F16);
HWY_EXPORT(L1F16);
HWY_EXPORT(DotI8);
HWY_EXPORT(L2Bounded);
HWY_EXPORT(L1Bounded);
HWY_EXPORT(DotPadded);

namespace {
int32_t code_dot_plain(const int8_t* a, const int8_t* b, size_t n, int32_t) { return dot_i8(a, b, n); }
#if defined(__x86_64__)
// The instruction multiplies unsigned by signed bytes: a is moved up by 128, and what that added taken off.
__attribute__((target("avx512f,avx512bw,avx512vnni"))) int32_t code_dot_vnni(const int8_t* a, const int8_t* b, size_t n,
                                                                             int32_t b_sum) {
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
  __m512i s0 = _mm512_setzero_si512(), s1 = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + 128 <= n; i += 128) {
    s0 = _mm512_dpbusd_epi32(s0, _mm512_xor_si512(_mm512_loadu_si512(a + i), flip), _mm512_loadu_si512(b + i));
    s1 = _mm512_dpbusd_epi32(s1, _mm512_xor_si512(_mm512_loadu_si512(a + i + 64), flip), _mm512_loadu_si512(b + i + 64));
  }
  if (i < n) s0 = _mm512_dpbusd_epi32(s0, _mm512_xor_si512(_mm512_loadu_si512(a + i), flip), _mm512_loadu_si512(b + i));
  alignas(64) int32_t parts[16];
  _mm512_store_si512(parts, _mm512_add_epi32(s0, s1));
  const __m256i half = _mm256_add_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(parts)),
                                        _mm256_load_si256(reinterpret_cast<const __m256i*>(parts + 8)));
  __m128i quarter = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  quarter = _mm_add_epi32(quarter, _mm_shuffle_epi32(quarter, 0x4e));
  quarter = _mm_add_epi32(quarter, _mm_shuffle_epi32(quarter, 0xb1));
  return _mm_cvtsi128_si32(quarter) - 128 * b_sum;
}
#endif
}  // namespace

// Before the first dispatch the tables lead to the choosing of the target itself.
static void choose_target() { hwy::GetChosenTarget().Update(hwy::SupportedTargets()); }
BoundedDistance l2_squared_bounded_kernel() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(L2Bounded);
}
BoundedDistance l1_bounded_kernel() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(L1Bounded);
}
PaddedDot dot_padded_kernel() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(DotPadded);
}
CodeDot code_dot_kernel() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw")) return code_dot_vnni;
#endif
  return code_dot_plain;
}

float dot_f32(const float* a, const float* b, size_t n) { return HWY_DYNAMIC_DISPATCH(DotF32)(a, b, n); }
float l2_squared_f32(const float* a, const float* b, size_t n) { return HWY_DYNAMIC_DISPATCH(L2F32)(a, b, n); }
float l1_f32(const float* a, const float* b, size_t n) { return HWY_DYNAMIC_DISPATCH(L1F32)(a, b, n); }
float dot_f16(const uint16_t* a, const uint16_t* b, size_t n) { return HWY_DYNAMIC_DISPATCH(DotF16)(a, b, n); }
float l2_squared_f16(const uint16_t* a, const uint16_t* b, size_t n) { return HWY_DYNAMIC_DISPATCH(L2F16)(a, b, n); }
float l1_f16(const uint16_t* a, const uint16_t* b, size_t n) { return HWY_DYNAMIC_DISPATCH(L1F16)(a, b, n); }
int32_t dot_i8(const int8_t* a, const int8_t* b, size_t n) { return HWY_DYNAMIC_DISPATCH(DotI8)(a, b, n); }

float half_to_float(uint16_t h) {
  const uint32_t sign = uint32_t{h & 0x8000u} << 16;
  const uint32_t exponent = (h >> 10) & 0x1f;
  const uint32_t mantissa = h & 0x3ff;
  if (exponent == 0) {  // zero and subnormals: mantissa * 2^-24
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t bits = exponent == 31 ? sign | 0x7f800000u | (mantissa << 13)
                                       : sign | ((exponent + 112) << 23) | (mantissa << 13);
  float f;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}

uint16_t float_to_half(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const int32_t exponent = static_cast<int32_t>((bits >> 23) & 0xff);
  uint32_t mantissa = bits & 0x7fffffu;
  if (exponent == 0xff) return static_cast<uint16_t>(sign | 0x7c00u | (mantissa != 0 ? 0x200u : 0u));
  const int32_t half_exponent = exponent - 112;
  if (half_exponent >= 31) return static_cast<uint16_t>(sign | 0x7c00u);
  if (half_exponent <= 0) {  // subnormal or zero
    if (half_exponent < -10) return sign;
    mantissa |= 0x800000u;
    const int shift = 14 - half_exponent;
    uint32_t half = mantissa >> shift;
    const uint32_t rest = mantissa & ((1u << shift) - 1), middle = 1u << (shift - 1);
    if (rest > middle || (rest == middle && (half & 1))) ++half;
    return static_cast<uint16_t>(sign | half);
  }
  uint32_t half = (static_cast<uint32_t>(half_exponent) << 10) | (mantissa >> 13);
  const uint32_t rest = mantissa & 0x1fffu;
  if (rest > 0x1000u || (rest == 0x1000u && (half & 1))) ++half;  // may carry into the exponent, as it should
  return static_cast<uint16_t>(sign | half);
}

}  // namespace stele
#endif
