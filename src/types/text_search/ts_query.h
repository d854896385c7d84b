// Text forms of queries to trees.
#pragma once

#include <functional>
#include <string_view>

#include "types/context.h"
#include "types/text_search/ts_value.h"

namespace stele {

enum class TsQuerySyntax : uint8_t { kStandard, kPlain, kWeb };
// Makes the tree of one word as written (a whole quoted string of the web syntax, the whole text of
// the plain one). A stop word gives a node of kind kStop.
using TsOperand = std::function<TsNodePtr(std::string_view word, int weights, bool prefix)>;

// Null for a query without lexemes (with a NOTICE). Stop words are taken out, phrases keep their distances.
TsNodePtr parse_tsquery(std::string_view text, TsQuerySyntax syntax, const TsOperand& operand, EvalContext& ctx);

TsNodePtr ts_stop_word();

}  // namespace stele
