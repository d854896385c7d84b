// Values by ordinal: what sorting, range filters, facets and SQL scans read.
//
// A column is a presence bitmap (left out when every ordinal has exactly one value), a first-value
// index (multi-valued columns only) and fixed-width values above a minimum. Doubles are stored as
// 64-bit integers whose order is theirs; keywords as ordinals into a sorted dictionary.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/codec.h"

namespace stele::segments {

enum class ColumnKind : uint8_t { kNone, kInt64, kDouble, kKeyword };

inline int64_t sortable_bits(double v) {
  int64_t b = std::bit_cast<int64_t>(v);
  return b ^ ((b >> 63) & 0x7fffffffffffffffll);
}
inline double from_sortable_bits(int64_t b) {
  return std::bit_cast<double>(b ^ ((b >> 63) & 0x7fffffffffffffffll));
}

struct ColumnMeta {
  ColumnKind kind = ColumnKind::kNone;
  bool dense = false, multi = false;
  uint8_t width = 0;  // bytes a value: 0 1 2 4 8
  int64_t min = 0, max = 0;
  uint64_t doc_count = 0, value_count = 0;
  uint64_t presence = 0, first = 0, values = 0;             // offsets
  uint64_t dictionary_count = 0, dictionary_offsets = 0, dictionary = 0;
};

// Views into a segment image.
class Column {
 public:
  Column() = default;
  Column(const char* image, const ColumnMeta* meta, uint32_t docs)
      : image_(image), meta_(meta), docs_(docs) {}
  explicit operator bool() const { return meta_ != nullptr; }
  const ColumnMeta& meta() const { return *meta_; }
  ColumnKind kind() const { return meta_->kind; }

  bool present(uint32_t doc) const {
    if (meta_->dense) return true;
    return (load_le<uint64_t>(image_ + meta_->presence + 8 * (doc >> 6)) >> (doc & 63) & 1) != 0;
  }
  // The values of a document are value(begin) .. value(end - 1), ascending for multi-valued ones.
  uint32_t begin(uint32_t doc) const {
    return meta_->multi ? load_le<uint32_t>(image_ + meta_->first + 4 * uint64_t{doc}) : doc;
  }
  uint32_t end(uint32_t doc) const {
    return meta_->multi ? load_le<uint32_t>(image_ + meta_->first + 4 * (uint64_t{doc} + 1))
                        : doc + (present(doc) ? 1 : 0);
  }
  int64_t value(uint32_t i) const {
    const char* p = image_ + meta_->values;
    switch (meta_->width) {
      case 0: return meta_->min;
      case 1: return meta_->min + static_cast<uint8_t>(p[i]);
      case 2: return meta_->min + load_le<uint16_t>(p + 2 * uint64_t{i});
      case 4: return meta_->min + load_le<uint32_t>(p + 4 * uint64_t{i});
      default: return static_cast<int64_t>(static_cast<uint64_t>(meta_->min) + load_le<uint64_t>(p + 8 * uint64_t{i}));
    }
  }
  double as_double(uint32_t i) const {
    return meta_->kind == ColumnKind::kDouble ? from_sortable_bits(value(i)) : static_cast<double>(value(i));
  }
  // The dictionary of a keyword column.
  uint64_t terms() const { return meta_->dictionary_count; }
  std::string_view term(uint64_t ordinal) const {
    uint32_t a = load_le<uint32_t>(image_ + meta_->dictionary_offsets + 4 * ordinal);
    uint32_t z = load_le<uint32_t>(image_ + meta_->dictionary_offsets + 4 * (ordinal + 1));
    return {image_ + meta_->dictionary + a, z - a};
  }
  // First ordinal whose term is >= s.
  uint64_t lower_bound(std::string_view s) const {
    uint64_t lo = 0, hi = terms();
    while (lo < hi) {
      uint64_t mid = (lo + hi) / 2;
      if (term(mid) < s) lo = mid + 1;
      else hi = mid;
    }
    return lo;
  }
  // Sets the bits of every document with a value in [lo, hi]; `bits` has a word for 64 documents.
  void match_range(int64_t lo, int64_t hi, uint64_t* bits) const;
  const char* raw_values() const { return image_ + meta_->values; }
  uint32_t docs() const { return docs_; }

 private:
  const char* image_ = nullptr;
  const ColumnMeta* meta_ = nullptr;
  uint32_t docs_ = 0;
};

// Collects values, documents ascending; values of one document in any order.
class ColumnWriter {
 public:
  explicit ColumnWriter(ColumnKind kind) : kind_(kind) {}
  ColumnKind kind() const { return kind_; }
  void add(uint32_t doc, int64_t value) { entries_.push_back({doc, value}); }
  void add(uint32_t doc, double value) { entries_.push_back({doc, sortable_bits(value)}); }
  void add(uint32_t doc, std::string_view term);
  // Duplicate keywords of one document are stored once, as Elasticsearch does; numbers are kept.
  ColumnMeta finish(std::string& image, uint32_t docs);
  size_t bytes() const { return entries_.size() * 16 + term_bytes_; }

 private:
  struct Entry { uint32_t doc; int64_t value; };
  ColumnKind kind_;
  std::vector<Entry> entries_;
  std::unordered_map<std::string, uint32_t> ids_;
  std::vector<const std::string*> terms_;
  size_t term_bytes_ = 0;
};

}  // namespace stele::segments
