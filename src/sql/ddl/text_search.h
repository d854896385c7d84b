// Users' text search dictionaries and configurations, as the text search of types/ knows them.
#pragma once

#include "catalog/catalog.h"

namespace stele::sql {

// A dictionary's or configuration's definition goes to types/text_search, under its oid. Throws what is wrong with options.
// Nothing happens when it is what was told last.
void tell_text_search(const catalog::Ptr<catalog::Entry>& e);
void tell_all_text_search(const catalog::State& state);
// pg_ts_dict.dictinitoption
std::string text_search_options(const catalog::Entry& e);

}  // namespace stele::sql
