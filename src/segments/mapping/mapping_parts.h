// Inner to this folder: what the parsing of mappings and the discovery of fields share.
#pragma once

#include <boost/json.hpp>

#include "base/error.h"
#include "segments/mapping/mapping.h"

namespace stele::segments {

constexpr int kMaxMappingDepth = 20;

[[noreturn]] inline void mapper_error(std::string m) { throw Error(ErrorCode::kDocumentMapperParsing, std::move(m)); }
[[noreturn]] inline void illegal_mapping(std::string m) { throw Error(ErrorCode::kInvalidParameterValue, std::move(m)); }
inline bool flag(const json::object& o, std::string_view key, bool fallback) {
  auto* v = o.if_contains(key);
  return v == nullptr ? fallback : json_text(*v) == "true";
}
inline bool glob(std::string_view pattern, std::string_view s) { return wildcard_match(pattern, s, false); }
// Whether names with dots are fields of their own (subobjects: false).
inline bool flat_objects(const json::object& root) {
  auto* s = root.if_contains("subobjects");
  return s != nullptr && json_text(*s) == "false";
}

}  // namespace stele::segments
