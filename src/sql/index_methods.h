// Index methods that other layers keep (search, hnsw, columns): CREATE INDEX hands the stored definition over,
// DROP takes it away. Registered at start-up, before any session.
#pragma once

#include <string_view>

#include "query/execution.h"

namespace stele::sql {

class IndexMethod {
 public:
  virtual ~IndexMethod() = default;
  virtual std::string_view name() const = 0;
  // Runs inside the transaction that creates (or rebuilds) the index; throws to refuse it.
  virtual void build(const catalog::Relation& index, query::ExecContext& ctx) = 0;
  virtual void dropped(const catalog::Relation& index, query::ExecContext& ctx) { (void)index; (void)ctx; }
};
void register_index_method(IndexMethod* method);   // not owned
IndexMethod* index_method(std::string_view name);  // null: none

}  // namespace stele::sql
