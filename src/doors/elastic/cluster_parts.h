// Inner to the calls about the cluster and its tables.
#pragma once

#include "doors/elastic/call.h"

namespace stele::elastic {

constexpr const char* kVersion = "8.19.0";

struct Counts { int64_t primaries = 0, replicas = 0; };
inline Counts counts(const Index& x) {
  Counts n;
  n.primaries = std::max(1, std::atoi(x.setting("number_of_shards").c_str()));
  n.replicas = n.primaries * std::atoi(x.setting("number_of_replicas").c_str());
  return n;
}

}  // namespace stele::elastic
