// Rows as bytes. Any column can be read without decoding the others.
//
//   u16 schema version | u16 columns (bit 15: wide offsets) | u32 document version
//   NULL bitmap | values of by-value columns at fixed offsets | end offsets of the others | their bytes
//
// Columns are only ever appended to a relation, and a dropped column keeps its place and type (its new
// values are NULL), so a row written under an older schema version is a prefix of the newest layout: what it
// lacks has the column's missing value. A change of a column's type rewrites the table into a new storage id.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "types/datum.h"
#include "types/type_ops.h"

namespace stele::rows {

// How values of a type are stored and compared, with domains resolved to their base.
struct ColumnType {
  Oid type = 0;          // base type of domains
  uint8_t width = 0;     // bytes of a by-value type; 0: payload bytes
  bool is_signed = false;
  const TypeOps* ops = nullptr;
  bool by_value() const { return width != 0; }
};
ColumnType resolve_type(Oid type, const catalog::State& state);

// One value on its own: missing values, statistics.
std::string encode_value(const ColumnType& type, Datum value);
Datum decode_value(const ColumnType& type, std::string_view stored, Arena& arena);
// Equal as stored bytes: no type's own equality, which may call different bytes equal.
bool same_value(const ColumnType& type, NullableDatum a, NullableDatum b);

class RowFormat {
 public:
  struct Column {
    ColumnType type;
    uint32_t at = 0;        // by value: offset in the fixed area; else: ordinal among the others
    bool has_missing = false;
    std::string missing;    // encode_value form
  };
  RowFormat(uint16_t schema_version, std::vector<Column> columns);
  static std::shared_ptr<const RowFormat> of(const catalog::Relation& relation, const catalog::State& state);

  size_t columns() const { return columns_.size(); }
  const ColumnType& type(size_t column) const { return columns_[column].type; }

  // Replaces *out. row.size() == columns().
  void encode(std::span<const NullableDatum> row, uint32_t document_version, std::string* out) const;

  // Reads column `column` (0-based). By-reference values are copied into the arena.
  NullableDatum decode(std::string_view row, size_t column, Arena& arena) const;
  // Reads all columns, in attribute order.
  void decode_all(std::string_view row, NullableDatum* out, Arena& arena) const;
  // Payload bytes of a by-reference column, in place; false when NULL.
  bool bytes(std::string_view row, size_t column, std::string_view* out) const;

  static uint16_t schema_version(std::string_view row);
  static uint32_t document_version(std::string_view row);

 private:
  struct Parts;  // where things are in one row
  Parts parts(std::string_view row) const;
  std::vector<Column> columns_;
  std::vector<uint32_t> fixed_before_, others_before_;  // of the first n columns
  uint16_t schema_version_;
};

}  // namespace stele::rows
