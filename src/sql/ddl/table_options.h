// Marks that CLUSTER and ALTER FOREIGN TABLE leave on a table.
#pragma once

#include "sql/ddl/ddl.h"

namespace stele::sql {

// The index that CLUSTER goes by; null name: none.
void mark_clustered(Ddl& ddl, const Relation& r, const char* name);
// OPTIONS of a foreign table or of one of its columns.
void alter_foreign_options(Ddl& ddl, Relation& r, const pg::AlterTableCmd* c);

}  // namespace stele::sql
