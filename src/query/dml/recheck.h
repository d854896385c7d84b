// READ COMMITTED re-evaluation: the plan below, run again with rows pinned to their newest version.
#pragma once

#include "query/exec/operator.h"

namespace stele::query {

// Runs `plan` with the pins; false when the row no longer qualifies. The batch lives as long as `holder`.
struct Recheck {
  std::unique_ptr<ExecState> state;
  std::unordered_map<int, ExecState::Pinned> pins;
  OperatorPtr op;
  Batch batch;
  bool run(const PlanNode& plan, ExecState& outer);
};

}  // namespace stele::query
