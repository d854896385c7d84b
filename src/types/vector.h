// The vector types, with pgvector's text and binary forms. Payloads of their Varlena:
//   vector:    float[n]                      (n = size / 4)
//   halfvec:   uint16_t[n], IEEE binary16    (n = size / 2)
//   sparsevec: u32 dimensions, u32 count, u32 index[count] (0-based, ascending), float value[count]
#pragma once

#include <span>
#include <string_view>

#include "types/datum.h"

namespace stele {

constexpr uint32_t kMaxVectorDimensions = 16000;
constexpr uint32_t kMaxSparseDimensions = 1000000000;
// The one number of dimensions beyond that limit: of sparse vectors whose indexes are any 32-bit numbers, as Qdrant's are.
constexpr uint32_t kAllSparseDimensions = UINT32_MAX;
constexpr uint32_t kMaxSparseElements = 16000;

inline std::span<const float> vector_values(const Varlena* v) {
  return {reinterpret_cast<const float*>(v->data), v->size / sizeof(float)};
}
inline std::span<const uint16_t> halfvec_values(const Varlena* v) {
  return {reinterpret_cast<const uint16_t*>(v->data), v->size / sizeof(uint16_t)};
}
struct SparseView {
  uint32_t dimensions;
  std::span<const uint32_t> indexes;
  std::span<const float> values;
};
SparseView sparse_view(const Varlena* v);

Datum make_vector(Arena& arena, std::span<const float> values);

// Throws data_exception for NaN and infinity.
void check_vector_element(float v, std::string_view type_name);

}  // namespace stele
