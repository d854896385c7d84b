// Triggers that keep a tsvector column beside text columns.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "query/execution.h"
#include "sql/session/utility.h"

namespace stele::sql {

// tsvector_update_trigger and tsvector_update_trigger_column.
bool is_text_search_trigger(std::string_view function);
// Sets the tsvector column of event.new_row; throws as PostgreSQL does for wrong uses.
void run_text_search_trigger(UtilityHost& host, std::string_view function, const catalog::Relation& table,
                             const std::vector<std::string>& arguments, const query::TriggerEvent& event);

}  // namespace stele::sql
