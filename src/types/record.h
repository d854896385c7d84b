// Rows as values: composite types and anonymous records.
//
//   RecordHeader, ncols x RecordColumn, then the values: 8-byte words by value, Varlenas by
//   reference, each 8-aligned.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "types/array.h"

namespace stele {

struct RecordHeader {
  Oid type;       // the composite type, or oid::kRecord
  int32_t shape;  // names of an anonymous record's columns (see record_shape), or -1
  uint32_t count;
  uint32_t reserved;
};
struct RecordColumn {
  Oid type;
  Oid ops_type;      // as ElementInfo::ops_type
  uint32_t offset;   // from the payload's start; 0 is NULL
  uint32_t by_value;
};

class RecordView {
 public:
  explicit RecordView(Datum record) : base_(record.as_varlena()->data) {}
  Oid type() const { return header().type; }
  int32_t shape() const { return header().shape; }
  int count() const { return static_cast<int>(header().count); }
  Oid column_type(int i) const { return column(i).type; }
  Oid column_ops(int i) const { return column(i).ops_type; }
  bool is_null(int i) const { return column(i).offset == 0; }
  Datum get(int i) const {
    const RecordColumn& c = column(i);
    const char* p = base_ + c.offset;
    if (c.by_value == 0) return Datum::from_varlena(reinterpret_cast<const Varlena*>(p));
    Datum d;
    std::memcpy(&d.bits, p, 8);
    return d;
  }
  NullableDatum at(int i) const { return is_null(i) ? NullableDatum{} : NullableDatum{get(i), false}; }

 private:
  const RecordHeader& header() const { return *reinterpret_cast<const RecordHeader*>(base_); }
  const RecordColumn& column(int i) const {
    return reinterpret_cast<const RecordColumn*>(base_ + sizeof(RecordHeader))[i];
  }
  const char* base_;
};

// columns: element_info() of each column's type.
Datum make_record(Oid type, int32_t shape, std::span<const ElementInfo> columns,
                  std::span<const NullableDatum> values, Arena& arena);

// Column names of anonymous records, interned for the life of the process. Thread-safe.
int32_t intern_record_shape(std::vector<std::string> names);
const std::vector<std::string>& record_shape(int32_t shape);
// Names of any record's columns: of its composite type, its shape, or f1, f2, ...
std::vector<std::string> record_column_names(const RecordView& record, EvalContext& ctx);

}  // namespace stele
