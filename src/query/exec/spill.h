// Rows in temporary files: partitions of hash joins and aggregates, runs of sorts.
#pragma once

#include <cstdio>

#include "query/exec/operator.h"

namespace stele::query {

// A file of rows, written once and then read. Removed when closed.
class RowFile {
 public:
  explicit RowFile(const std::vector<TypeInfo>& types);
  ~RowFile();
  RowFile(const RowFile&) = delete;
  void add(const Datum* values, const uint8_t* nulls, uint64_t tag = 0);
  void rewind();
  bool next(Datum* values, uint8_t* nulls, Arena& arena, uint64_t* tag = nullptr);
  uint64_t bytes() const { return bytes_; }
  uint64_t rows() const { return rows_; }

 private:
  std::vector<TypeInfo> types_;
  std::FILE* file_;
  uint64_t bytes_ = 0, rows_ = 0, left_ = 0;
  std::string scratch_;
};

// Sorted runs, merged.
class RunMerger {
 public:
  using Compare = std::function<int(const Datum*, const uint8_t*, const Datum*, const uint8_t*)>;
  RunMerger(std::vector<TypeInfo> types, Compare compare) : types_(std::move(types)), compare_(std::move(compare)) {}
  void begin_run() { runs_.push_back(std::make_unique<Run>(types_)); }
  void add(const Datum* values, const uint8_t* nulls) { runs_.back()->file.add(values, nulls); }
  void start();
  bool next(std::vector<Datum>& values, std::vector<uint8_t>& nulls, Arena& arena);
  uint64_t bytes() const;

 private:
  struct Run {
    explicit Run(const std::vector<TypeInfo>& types) : file(types), values(types.size()), nulls(types.size()) {}
    RowFile file;
    std::vector<Datum> values;
    std::vector<uint8_t> nulls;
    Arena arena;
    size_t index = 0;
    bool advance();
  };
  bool after(const Run* a, const Run* b) const;
  std::vector<TypeInfo> types_;
  Compare compare_;
  std::vector<std::unique_ptr<Run>> runs_;
  std::vector<Run*> heap_;
};

}  // namespace stele::query
