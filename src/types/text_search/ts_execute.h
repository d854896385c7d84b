// Whether a text search query holds, given which of its values a document has and where.
#pragma once

#include <functional>
#include <vector>

#include "types/text_search/ts_value.h"

namespace stele {

// kMaybe: there, but nobody knows where (the document was stripped of positions).
enum class TsTruth : uint8_t { kNo, kYes, kMaybe };

// Where something matches. With negate: everywhere but there.
struct TsMatches {
  std::vector<int> positions;  // ascending, unique
  int width = 0;               // of the phrase that ends at a position
  bool negate = false;
};
// Asks for one value; `where` is filled when it is not null.
using TsCheck = std::function<TsTruth(const TsNode& value, TsMatches* where)>;

TsTruth ts_execute(const TsNode& query, const TsCheck& check);
// query @@ document. The empty query matches nothing.
bool ts_matches(const TsVectorView& document, const TsNode* query);
// What a document says about one value.
TsTruth ts_check(const TsVectorView& document, const TsNode& value, TsMatches* where);

// Number of entries that a value finds (prefixes may find many) from `first` on.
int ts_find_entries(const TsVectorView& document, const TsNode& value, int* first);

}  // namespace stele
