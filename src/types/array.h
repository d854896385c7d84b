// Arrays: one payload layout for every element type, read in place.
//
//   ArrayHeader, ndim x {int32 length, int32 lower bound},
//   [null bitmap, padded to 8: bit set is NULL],
//   by value: count x width bytes, or
//   by reference: count x uint32 offset from the payload's start (padded to 8), then the
//   elements as Varlenas, each 8-aligned.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "types/context.h"
#include "types/datum.h"

namespace stele {

// What the array code has to know of its elements. ops_type is what type_ops() takes: the type
// itself for built-in ones, kAnyEnum / kRecord / kAnyArray / kAnyRange or a domain's base for
// users' types. Widths: 0 by reference, 1 and 2 and 4 and 8 bytes.
struct ElementInfo {
  Oid type = 0;
  Oid ops_type = 0;
  uint8_t width = 0;
  bool is_signed = false;
};
// ctx is needed for users' types only.
ElementInfo element_info(Oid type, EvalContext* ctx);

struct ArrayHeader {
  Oid element;
  Oid ops_type;
  int32_t count;
  int16_t ndim;
  uint8_t width;
  uint8_t flags;  // 1: has a null bitmap, 2: elements are signed
};
constexpr int kMaxDim = 6;
constexpr int64_t kMaxArraySize = 134217727;  // PostgreSQL's MaxArraySize

class ArrayView {
 public:
  explicit ArrayView(Datum array) : ArrayView(array.as_varlena()->data) {}
  explicit ArrayView(const char* payload);
  Oid element() const { return header().element; }
  Oid ops_type() const { return header().ops_type; }
  ElementInfo info() const {
    return {header().element, header().ops_type, header().width, (header().flags & 2) != 0};
  }
  int ndim() const { return header().ndim; }
  int count() const { return header().count; }
  int length(int dimension) const { return dims()[2 * dimension]; }
  int lower(int dimension) const { return dims()[2 * dimension + 1]; }
  bool has_nulls() const { return nulls_ != nullptr; }
  bool is_null(int i) const { return nulls_ != nullptr && (nulls_[i >> 3] >> (i & 7) & 1); }
  // The element; undefined when is_null(i). Points into the array when by reference.
  Datum get(int i) const;
  NullableDatum at(int i) const { return is_null(i) ? NullableDatum{} : NullableDatum{get(i), false}; }
  std::vector<int> lengths() const;
  std::vector<int> lowers() const;

 private:
  const ArrayHeader& header() const { return *reinterpret_cast<const ArrayHeader*>(base_); }
  const int32_t* dims() const { return reinterpret_cast<const int32_t*>(base_ + sizeof(ArrayHeader)); }
  const char* base_;
  const uint8_t* nulls_;
  const char* values_;
};

// Gathers elements and lays them out. By-reference elements must live until finish().
class ArrayBuilder {
 public:
  explicit ArrayBuilder(ElementInfo info) : info_(info) {}
  void add(Datum v) { values_.push_back(v); nulls_.push_back(0); }
  void add_null() { values_.push_back({}); nulls_.push_back(1); has_nulls_ = true; }
  void add(NullableDatum v) { v.is_null ? add_null() : add(v.value); }
  int size() const { return static_cast<int>(values_.size()); }
  // One dimension from 1, or no dimensions when empty.
  Datum finish(Arena& arena) const;
  Datum finish(Arena& arena, std::span<const int> lengths, std::span<const int> lowers) const;

 private:
  ElementInfo info_;
  std::vector<Datum> values_;
  std::vector<uint8_t> nulls_;
  bool has_nulls_ = false;
};

Datum make_empty_array(ElementInfo info, Arena& arena);
// An array of text (or another by-reference byte type) from strings.
Datum make_text_array(std::span<const std::string> items, Arena& arena);
Datum make_text_array(std::span<const std::string_view> items, Arena& arena);

// Product of lengths; throws program_limit_exceeded past PostgreSQL's limits.
int array_item_count(std::span<const int> lengths);

// Subscripting, for the executor. Subscripts are SQL's; out of range or wrong count gives NULL.
NullableDatum array_get(Datum array, std::span<const int> subscripts);
// array[lo:hi, ...]: missing bounds are nullopt. The result's lower bounds are 1.
Datum array_get_slice(Datum array, std::span<const std::optional<int>> lo,
                      std::span<const std::optional<int>> hi, Arena& arena);
// Assignment of one element or slice; `array` may be null (made new). Throws as PostgreSQL.
Datum array_set(NullableDatum array, ElementInfo info, std::span<const int> subscripts,
                NullableDatum value, Arena& arena);
Datum array_set_slice(NullableDatum array, ElementInfo info, std::span<const std::optional<int>> lo,
                      std::span<const std::optional<int>> hi, Datum source, Arena& arena);

}  // namespace stele
