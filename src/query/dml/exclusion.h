// EXCLUDE constraints: no two rows of a table for which every one of the operators holds.
#pragma once

#include "query/eval/eval.h"
#include "query/exec/table_cache.h"
#include "rows/table_access.h"

namespace stele::query {

// Writers of one constraint follow each other: who checks holds its lock to the end of the transaction, so that the newest
// version of the table is all that there is.
class ExclusionCheck {
 public:
  ExclusionCheck(std::shared_ptr<const catalog::Relation> table, const catalog::Constraint& c, ExecContext& ctx);
  const catalog::Constraint& constraint() const { return constraint_; }
  // A row other than `own` that excludes this one; nullopt: none. `other` becomes what it holds, living in arena().
  std::optional<uint64_t> find(std::span<const NullableDatum> row, uint64_t own, rows::TableAccess& access, std::vector<NullableDatum>* other);
  // Throws exclusion_violation when there is one.
  void check(std::span<const NullableDatum> row, uint64_t own, rows::TableAccess& access, bool existing = false);
  // Whether an update left everything that the constraint reads as it was.
  bool concerned(std::span<const NullableDatum> old_row, std::span<const NullableDatum> new_row, const std::vector<TypeInfo>& types) const;

 private:
  std::string keys_text(std::span<const NullableDatum> row);
  void load(size_t side, std::span<const NullableDatum> row);
  NullableDatum eval(EvalNode& node);

  std::shared_ptr<const catalog::Relation> table_;
  catalog::Constraint constraint_;
  std::shared_ptr<const catalog::Relation> index_;
  ExecContext& ctx_;
  ExecState state_;
  std::vector<ExprPtr> owners_;
  std::vector<EvalPtr> keys_;          // of the first row
  std::vector<EvalPtr> conditions_;    // over both
  EvalPtr predicate_[2];
  std::vector<Datum> values_;
  std::vector<uint8_t> nulls_;
  std::vector<Vec> vecs_;
  std::vector<bool> equality_;         // of the leading keys
  std::vector<bool> reads_;            // by column; all when an expression is among the keys
  Arena arena_, rows_;
};

// Every row against every other, for a constraint that is added to rows.
void validate_exclusion(const std::shared_ptr<const catalog::Relation>& table, const catalog::Constraint& c, ExecContext& ctx);

}  // namespace stele::query
