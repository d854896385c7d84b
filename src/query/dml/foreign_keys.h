// Foreign keys: is the referenced row there, and what to do with referring rows.
#pragma once

#include "query/dml/writer.h"

namespace stele::query {

using OwnedRow = OwnedRowPtr;
OwnedRow own_row(std::span<const NullableDatum> row, const std::vector<TypeInfo>& types);

// Throws foreign_key_violation unless the referenced row exists; locks it FOR KEY SHARE.
void check_reference(const catalog::Relation& table, const catalog::Constraint& fk, std::span<const NullableDatum> row, ExecContext& ctx);
// The row of `parent` with old_row's key was deleted (new_row null) or its key changed.
void act_on_references(const catalog::Relation& parent, const ForeignKeyRef& ref, std::span<const NullableDatum> old_row, const NullableDatum* new_row, ExecContext& ctx);
std::string key_text(const catalog::Relation& r, const std::vector<int16_t>& columns);
std::string value_text(const catalog::Relation& r, const std::vector<int16_t>& columns, std::span<const NullableDatum> row, ExecContext& ctx);
bool constraint_deferred(const catalog::Constraint& c, ExecContext& ctx);
std::string schema_name(const catalog::Relation& r, ExecContext& ctx);

}  // namespace stele::query
