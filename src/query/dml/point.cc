// Point statements. Recognised here; anything less simple runs through operators.
#include "query/dml/point.h"

#include "base/error.h"
#include "query/dml/point_exec.h"

namespace stele::query {

void make_point_plan(PlannedStatement&, ExecContext&) {}

std::unique_ptr<Execution> start_point(const std::shared_ptr<const PlannedStatement>&, ExecContext&, const storage::ReadView&) {
  throw Error(ErrorCode::kInternalError, "not a point plan");
}

}  // namespace stele::query
