// DataRow messages straight from result batches: one emitter a column, chosen once a result.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "query/execution.h"
#include "types/context.h"

namespace stele::doors::postgres {

class RowWriter {
 public:
  // formats as in Bind. Keeps nothing of its arguments but eval.
  void prepare(std::span<const query::OutputColumn> columns, std::span<const int16_t> formats,
               EvalContext* eval);
  bool prepared() const { return prepared_; }
  void reset() { prepared_ = false; }
  // Appends the rows [from, to) of the batch.
  void write(const query::Batch& batch, int from, int to, std::string& out);

 private:
  enum class Emit : uint8_t { kInt, kOid, kBool, kBytes, kText, kBinary1, kBinary2, kBinary4, kBinary8, kBinary };
  struct Column { Emit emit; Oid type; };
  std::vector<Column> columns_;
  EvalContext* eval_ = nullptr;
  bool prepared_ = false;
};

}  // namespace stele::doors::postgres
