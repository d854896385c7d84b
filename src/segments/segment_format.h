// Puts the parts of a segment image together. Shared by the builder and the merger.
#pragma once

#include <string>
#include <vector>

#include "segments/segment.h"

namespace stele::segments {

constexpr char kSegmentMagic[9] = "STELESEG";
constexpr uint32_t kSegmentVersion = 1;

// The image starts with start_image(); parts are appended; finish_image() writes the directory.
std::string start_image();
struct ImageDirectory {
  uint32_t docs = 0;
  bool rows_ascending = true;
  ColumnMeta rows;
  uint64_t born = 0;  // offset of u64 an ordinal, or 0
  std::vector<SegmentField> fields;
};
void finish_image(std::string& image, const ImageDirectory& directory);
// Throws data_corrupted.
ImageDirectory read_directory(const char* image, size_t size, bool verify);

}  // namespace stele::segments
