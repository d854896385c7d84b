// A point: what Qdrant calls a row of a relation with vectors.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "storage/log.h"

namespace stele::segments::vectors {

// An unsigned number or a UUID; numbers sort before UUIDs. A text key of an SQL table that is neither is
// kept as it is and sorts last.
struct PointId {
  enum class Kind : uint8_t { kNumber, kUuid, kText } kind = Kind::kNumber;
  uint64_t number = 0;
  std::string text;  // canonical UUID, or the text
  static PointId from_number(uint64_t n) { return {Kind::kNumber, n, {}}; }
  // From the key column's text, so that to_text() gives it back: digits without leading zeros are a number, a UUID in its
  // canonical form a UUID.
  static PointId from_text(std::string_view s);
  std::string to_text() const { return kind == Kind::kNumber ? std::to_string(number) : text; }
  auto operator<=>(const PointId&) const = default;
};
// The canonical form of a UUID written as 32 hex digits, with or without dashes, braces or "urn:uuid:"; empty
// when it is none.
std::string canonical_uuid(std::string_view s);

}  // namespace stele::segments::vectors
