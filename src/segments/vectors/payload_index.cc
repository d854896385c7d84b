#include "segments/vectors/payload_index.h"

#include <boost/json.hpp>

namespace stele::segments::vectors {

namespace {
void push(std::vector<uint32_t>& list, uint32_t ordinal) {
  if (list.empty() || list.back() != ordinal) list.push_back(ordinal);
}
bool indexed_value(const json::value& v) { return v.is_string() || v.is_int64() || v.is_uint64() || v.is_bool(); }
// 1 and 1.0 in a filter mean the same integer.
std::string key_of_value(const json::value& v) {
  if (const auto* d = v.if_double(); d != nullptr && *d == std::floor(*d) && std::fabs(*d) < 9e18) return std::to_string(static_cast<int64_t>(*d));
  return json::serialize(v);
}
}  // namespace

void PayloadIndex::add(uint32_t ordinal, const json::value& payload) {
  std::unique_lock lock(mutex_);
  auto take = [&](const json::value& v) {
    if (indexed_value(v)) push(values_[json::serialize(v)], ordinal);
    double x;
    if (v.is_number()) {
      push(numbers_[v.to_number<double>()], ordinal);
    } else if (v.is_string() && parse_datetime({v.get_string().data(), v.get_string().size()}, &x)) {
      push(numbers_[x], ordinal);
    }
  };
  visit_path(payload, path_, [&](const json::value& v) {
    if (const json::array* a = v.if_array()) {
      for (const json::value& x : *a) take(x);
    } else {
      take(v);
    }
    return true;
  });
}

uint64_t PayloadIndex::estimate(const FilterProbe& probe) const {
  std::shared_lock lock(mutex_);
  uint64_t n = 0;
  if (probe.range) {
    for (auto it = numbers_.lower_bound(probe.low); it != numbers_.end() && it->first <= probe.high; ++it) n += it->second.size();
    return n;
  }
  for (const json::value& v : probe.values) {
    auto it = values_.find(key_of_value(v));
    if (it != values_.end()) n += it->second.size();
  }
  return n;
}

std::optional<std::vector<uint32_t>> PayloadIndex::find(const FilterProbe& probe) const {
  std::vector<uint32_t> out;
  {
    std::shared_lock lock(mutex_);
    if (probe.range) {
      for (auto it = numbers_.lower_bound(probe.low); it != numbers_.end() && it->first <= probe.high; ++it) {
        out.insert(out.end(), it->second.begin(), it->second.end());
      }
    } else {
      for (const json::value& v : probe.values) {
        auto it = values_.find(key_of_value(v));
        if (it != values_.end()) out.insert(out.end(), it->second.begin(), it->second.end());
      }
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace stele::segments::vectors
