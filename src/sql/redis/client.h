// Runs SQL on a session with text parameters and text results.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/session.h"

namespace stele::sql::redis {

using TextValue = std::optional<std::string>;
struct TextResult {
  std::vector<OutputColumn> columns;
  std::vector<std::vector<TextValue>> rows;
  std::string tag;
  bool returns_rows = false;
  uint64_t affected() const;   // rows, from the tag
};

// One statement with parameters by the extended protocol, or a string of statements without (the last result is
// returned). Errors leave the session usable: outside a block its transaction is over.
TextResult run_sql(Session& session, std::string_view text, const std::vector<TextValue>& params = {});

// "name" as an identifier, quoted.
std::string quoted_name(std::string_view name);

}  // namespace stele::sql::redis
