// JSON payloads of points: paths as Qdrant writes them ("a.b", "items[].price", "items[0]", "\"quoted.key\"")
// and the edits its API makes.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace stele::segments::vectors {

struct PathStep {
  enum class Kind : uint8_t { kKey, kIndex, kAll } kind = Kind::kKey;
  std::string key;
  size_t index = 0;
};
using PayloadPath = std::vector<PathStep>;

// Throws invalid_parameter_value for a malformed path.
PayloadPath parse_path(std::string_view text);

// Calls f for every value the path leads to; arrays met by "[]" are walked. f returns false to stop.
void visit_path(const json::value& root, const PayloadPath& path, const std::function<bool(const json::value&)>& f);

// Merges the members of `patch` into the object that `path` leads to (the root for an empty path; made where missing); nulls
// remove members.
void set_payload(json::object& root, const PayloadPath& path, const json::object& patch);
// Removes what the path leads to.
void erase_path(json::object& root, const PayloadPath& path);
// Keeps only (or drops) the parts named by paths.
json::object select_paths(const json::object& root, const std::vector<PayloadPath>& include);

}  // namespace stele::segments::vectors
