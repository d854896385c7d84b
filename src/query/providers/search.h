// Access paths over segments: full-text search and columns.
#pragma once

#include "query/scan_providers.h"
#include "segments/dsl/dsl.h"
#include "segments/segments.h"

namespace stele::query {

// Before any session: `search(t, 'q')` as a scan, and scans that read columns instead of rows.
void register_segment_providers();

// A search text of SQL (a query string, or Elasticsearch's query language as JSON) over a relation's mapping.
segments::QueryPtr parse_search_text(std::string_view text, const segments::Mapping& mapping, const std::string& relation, int64_t now_ms);

// The functions search(record, text) and those below are planned away; their oids:
constexpr Oid kSearchFunction = 15204;

std::unique_ptr<ScanProvider> make_search_provider();
std::unique_ptr<ScanProvider> make_columns_provider();

}  // namespace stele::query
