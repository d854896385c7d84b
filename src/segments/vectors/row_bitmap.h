// A set of row ids as bits, in pages: what a filter leaves of a relation. Not for concurrent changes.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "storage/log.h"

namespace stele::segments::vectors {

using storage::Lsn;
using RowId = uint64_t;
constexpr Lsn kAlive = UINT64_MAX;

class RowBitmap {
 public:
  void add(RowId row) {
    Page& page = page_for(row >> kPageBits);
    uint64_t& word = page[(row & kMask) / 64];
    const uint64_t bit = uint64_t{1} << (row % 64);
    size_ += (word & bit) == 0;
    word |= bit;
  }
  uint64_t size() const { return size_; }
  uint64_t memory_bytes() const { return pages_.size() * (sizeof(Page) + 24); }
  // Ascending; f returns false to stop.
  template <class F>
  void for_each(const F& f) const {
    for (const auto& [number, page] : pages_) {
      for (size_t w = 0; w < page->size(); ++w) {
        for (uint64_t left = (*page)[w]; left != 0; left &= left - 1) {
          if (!f((number << kPageBits) + w * 64 + static_cast<uint64_t>(std::countr_zero(left)))) return;
        }
      }
    }
  }

 private:
  static constexpr uint64_t kPageBits = 14, kMask = (uint64_t{1} << kPageBits) - 1;
  using Page = std::array<uint64_t, (kMask + 1) / 64>;
  Page& page_for(uint64_t number) {
    if (pages_.empty() || pages_.back().first < number) {
      return *pages_.emplace_back(number, std::make_unique<Page>(Page{})).second;
    }
    auto it = std::lower_bound(pages_.begin(), pages_.end(), number, [](const auto& p, uint64_t n) { return p.first < n; });
    if (it->first != number) it = pages_.emplace(it, number, std::make_unique<Page>(Page{}));
    return *it->second;
  }
  std::vector<std::pair<uint64_t, std::unique_ptr<Page>>> pages_;   // ascending, none empty
  uint64_t size_ = 0;

 public:
  // Reads beside other readers; remembers the page it read last.
  class Reader {
   public:
    explicit Reader(const RowBitmap& rows) : rows_(rows) {}
    bool contains(RowId row) {
      const Page* p = page(row >> kPageBits);
      return p != nullptr && ((*p)[(row & kMask) / 64] >> (row % 64) & 1) != 0;
    }
    // The bits of 64 rows from `row` on.
    uint64_t word(RowId row) {
      const uint64_t low = aligned(row / 64);
      return row % 64 == 0 ? low : low >> (row % 64) | aligned(row / 64 + 1) << (64 - row % 64);
    }

   private:
    uint64_t aligned(uint64_t number) {
      const Page* p = page(number * 64 >> kPageBits);
      return p == nullptr ? 0 : (*p)[number * 64 % (kMask + 1) / 64];
    }
    const Page* page(uint64_t number) {
      if (number != number_) {
        number_ = number;
        auto it = std::lower_bound(rows_.pages_.begin(), rows_.pages_.end(), number, [](const auto& p, uint64_t n) { return p.first < n; });
        page_ = it == rows_.pages_.end() || it->first != number ? nullptr : it->second.get();
      }
      return page_;
    }
    const RowBitmap& rows_;
    uint64_t number_ = UINT64_MAX;
    const Page* page_ = nullptr;
  };
};

}  // namespace stele::segments::vectors
