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
#include "segments/vectors/text_analysis.h"

namespace stele::segments::vectors {

class PayloadIndex {
 public:
  // `schema`: the type ("keyword", "text", "geo" ...) or an object with it and its parameters.
  explicit PayloadIndex(const std::string& key, const json::value& schema);
  const std::string& key() const { return key_; }
  // A version of a point; any number of them.
  void add(uint32_t ordinal, const json::value& payload);
  // Ordinals that may satisfy the probe, ascending; nullopt when this kind of probe is not answered.
  std::optional<std::vector<uint32_t>> find(const FilterProbe& probe) const;
  // How many postings find() would read at most; nullopt when it does not answer.
  std::optional<uint64_t> estimate(const FilterProbe& probe) const;

 private:
  using Postings = std::vector<uint32_t>;
  // Calls f with each list of postings that the probe asks for. The caller holds the lock.
  template <class F>
  void lists(const FilterProbe& probe, const F& f) const;
  bool answers(const FilterProbe& probe) const;

  const std::string key_;
  const PayloadPath path_;
  mutable std::shared_mutex mutex_;
  std::shared_ptr<const TextAnalysis> text_;
  bool geo_ = false;
  std::unordered_map<std::string, Postings> values_;   // JSON text of strings, integers and booleans; tokens of a text index
  std::map<double, Postings> numbers_;                 // numbers, and the seconds of date-times
  std::map<uint32_t, Postings> cells_;                 // geo points by cells of a sixteenth of a degree: latitude << 16 | longitude
};

}  // namespace stele::segments::vectors
