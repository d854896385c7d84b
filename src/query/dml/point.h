// Point statements: one row by a unique key, run without building operators.
#pragma once

#include "query/plan/plan.h"

namespace stele::query {

// Recognises a point statement and attaches its precompiled form to the plan.
void make_point_plan(PlannedStatement& stmt, ExecContext& ctx);

}  // namespace stele::query
