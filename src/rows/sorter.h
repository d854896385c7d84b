// Sorts (key, value) pairs that may not fit in memory: sorted runs in temporary files, merged at the end.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"

namespace stele::rows {

class Sorter {
 public:
  explicit Sorter(size_t memory_bytes);
  ~Sorter();
  void add(std::string_view key, std::string_view value);
  // No add() from here on. Then next() gives the pairs in key order; views live until the next call.
  void sort();
  bool next(std::string_view* key, std::string_view* value);
  uint64_t size() const { return count_; }

 private:
  struct Item {
    uint64_t head;  // of the key behind the common prefix, as a number: decides most comparisons
    std::string_view key, value;
  };
  struct Run;
  void sort_items();
  void spill();

  size_t budget_;
  Arena arena_;
  std::vector<Item> items_;
  bool ascending_ = true;
  uint64_t count_ = 0;
  std::vector<std::unique_ptr<Run>> runs_;
  std::vector<Run*> heap_;
  Run* current_ = nullptr;
  size_t at_ = 0;
};

}  // namespace stele::rows
