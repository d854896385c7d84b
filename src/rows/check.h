// Proof that indexes say what rows say: part of `stele check` and of the crash tests.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "rows/table_access.h"

namespace stele::rows {

struct CheckReport {
  uint64_t rows = 0;
  uint64_t entries = 0;
  std::vector<std::string> problems;  // at most a hundred, in plain words
  bool ok() const { return problems.empty(); }
};
CheckReport check_table(TableAccess& table, const storage::ReadView& view);

}  // namespace stele::rows
