// An index over one payload field: which points have (or once had) a value, so that a filter looks at few
// points instead of all. What it returns is a superset: the caller tests the filter on each point's visible version.
#pragma once

#include <map>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "segments/vectors/filter.h"
#include "segments/vectors/payload.h"

namespace stele::segments::vectors {

class PayloadIndex {
 public:
  explicit PayloadIndex(const std::string& key) : key_(key), path_(parse_path(key)) {}
  const std::string& key() const { return key_; }
  // A version of a point; any number of them.
  void add(uint32_t ordinal, const json::value& payload);
  // Ordinals that may satisfy the probe, ascending; nullopt when this kind of probe is not answered.
  std::optional<std::vector<uint32_t>> find(const FilterProbe& probe) const;
  // How many postings find() would read at most.
  uint64_t estimate(const FilterProbe& probe) const;

 private:
  const std::string key_;
  const PayloadPath path_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, std::vector<uint32_t>> values_;   // JSON text of strings, integers and booleans
  std::map<double, std::vector<uint32_t>> numbers_;                 // numbers, and the seconds of date-times
};

}  // namespace stele::segments::vectors
