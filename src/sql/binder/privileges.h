// May a role do what a query asks of its relations? Throws insufficient_privilege as PostgreSQL does.
#pragma once

#include "catalog/catalog.h"
#include "query/query.h"

namespace stele::sql {

void check_privileges(const query::Query& q, const catalog::State& state, Oid role);

}  // namespace stele::sql
