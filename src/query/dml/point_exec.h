#pragma once

#include "query/plan/plan.h"

namespace stele::query {
std::unique_ptr<Execution> start_point(const std::shared_ptr<const PlannedStatement>& plan, ExecContext& ctx, const storage::ReadView& view);
bool point_applies(const PlannedStatement& plan, ExecContext& ctx);
}
