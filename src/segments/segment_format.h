// Puts the parts of a segment image together. Shared by the builder and the merger.
#pragma once

#include <string>
#include <vector>

#include "segments/segment.h"

namespace stele::segments {

constexpr char kSegmentMagic[9] = "STELESEG";
constexpr uint32_t kSegmentVersion = 2;
constexpr std::string_view kParentField = "_parent";

// The image starts with start_image(); parts are appended; finish_image() writes the directory.
std::string start_image();
struct ImageDirectory {
  uint32_t docs = 0;
  bool rows_ascending = true;
  ColumnMeta rows;
  uint64_t born = 0;  // offset of u64 an ordinal, or 0
  std::vector<SegmentField> fields;
  // Images of nested documents within this one: path, offset, bytes.
  struct Child { std::string path; uint64_t offset, bytes; };
  std::vector<Child> children;
};
void finish_image(std::string& image, const ImageDirectory& directory);
// Throws data_corrupted.
ImageDirectory read_directory(const char* image, size_t size, bool verify);

}  // namespace stele::segments
