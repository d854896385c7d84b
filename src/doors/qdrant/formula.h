// Score boosting: an arithmetic expression over the scores of prefetches, payload values and conditions.
#pragma once

#include <memory>

#include "doors/qdrant/engine.h"

namespace stele::qdrant {

class Formula {
 public:
  // {"formula": expression, "defaults": {...}}; throws format errors. `schema`: the payload indexes, for its conditions.
  static std::shared_ptr<const Formula> parse(const json::object& query, const json::object* schema);
  virtual ~Formula() = default;
  // `scores` holds one entry a prefetch; nullopt where that prefetch did not find the point. Throws when a value is missing
  // or the result is not finite.
  virtual double evaluate(const Handle& h, const vectors::Collection::Found& point, const std::vector<std::optional<double>>& scores) const = 0;
};

}  // namespace stele::qdrant
