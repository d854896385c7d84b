// Bound expressions and queries back to SQL, as PostgreSQL prints them (ruleutils.c's layout). With a view whose
// search path is pg_catalog only, every other name comes out qualified: that is what is stored.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "query/query.h"
#include "sql/binder/catalog_view.h"
#include "types/context.h"

namespace stele::sql {

struct DeparseOptions {
  bool pretty = false;   // no parentheses that precedence makes unnecessary
  bool indent = true;    // line breaks as pg_get_viewdef makes them
  int start_indent = 0;
};

// Names a Var; used where no range table is at hand (EXPLAIN).
using VarNamer = std::function<std::string(const query::VarExpr&)>;

// An expression over one relation (Vars of relation 1) or over none; column names without prefix.
std::string deparse_expression(const query::ExprPtr& e, const catalog::Relation* relation, CatalogView& view, EvalContext& eval,
                               const DeparseOptions& options = {});
std::string deparse_expression(const query::ExprPtr& e, const VarNamer& names, CatalogView& view, EvalContext& eval,
                               const DeparseOptions& options = {});
// As above, for default expressions and the like whose implicit casts at the top must show nothing.
// A whole SELECT (or INSERT, UPDATE, DELETE). `columns` overrides the output names when not empty.
std::string deparse_query(const query::Query& q, CatalogView& view, EvalContext& eval, const DeparseOptions& options = {},
                          const std::vector<std::string>& columns = {});

}  // namespace stele::sql
