// Large objects: pages of 2048 bytes under keys of their own, in the same transactions as rows.
//   key: space 'o' | be32 object | be32 page; the object itself is page 0xffffffff, whose value is its owner (be32).
#pragma once

#include <string>
#include <vector>

#include "sql/session/utility.h"

namespace stele::sql {

struct LargeObject { Oid oid = 0, owner = 0; };

std::vector<LargeObject> large_objects(query::ExecContext& exec);
// Every page that is stored: object, number, bytes.
void each_large_object_page(query::ExecContext& exec, const std::function<void(Oid, int32_t, std::string_view)>& emit);

}  // namespace stele::sql
