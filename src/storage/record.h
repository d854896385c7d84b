// The payload of a commit in the log:
//   u8 version | i64 commit_us
//   varint n, n x (string lower, string upper)       ranges erased first
//   varint n, n x string                             bulk files made visible
//   varint n, n x (varint key_size * 2 + erased, key, [string value])
//   varint n, n x (u8 participant, string payload)
#pragma once

#include <span>
#include <string>

#include "storage/participant.h"

namespace stele::storage {

// Builds a payload front to back: header, ranges, files, rows, sections, each part once.
class RecordBuilder {
 public:
  explicit RecordBuilder(std::string* out);
  void count(size_t n);  // opens each part
  void range(std::string_view lower, std::string_view upper);
  void file(std::string_view name);
  void put(std::string_view key, std::string_view value);
  void erase(std::string_view key);
  void section(const Section& s);
  // The leader fills in the time when the commit gets its number.
  static void patch_time(std::string* record, int64_t commit_us);

 private:
  std::string* out_;
};

}  // namespace stele::storage
