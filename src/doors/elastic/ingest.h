// Ingest pipelines: documents changed on their way in.
#pragma once

#include <optional>

#include "doors/elastic/call.h"

namespace stele::elastic {

struct IngestDocument {
  json::object source;
  std::string index, id, routing;
};
// The value at a dotted path; null when a part is missing.
json::value* at_path(json::object& o, std::string_view path);
void set_path(json::object& o, std::string_view path, json::value value);
// Processors that take texts apart: date, kv, csv, dissect, grok, fingerprint. False: another type. Throws ElasticError.
bool run_text_processor(const std::string& type, const json::object& options, IngestDocument& doc);
// False: the document is dropped. Throws ElasticError of the processor that failed.
bool run_pipeline(Engine& engine, const std::string& name, IngestDocument& doc);
// Throws ElasticError when a definition cannot be used.
void check_pipeline(const json::object& definition);
// The pipelines of one write: the request's (or the index's default), then the index's final one.
// False: dropped.
bool run_pipelines(Call& c, const std::string& requested, IngestDocument& doc, std::vector<std::string>* executed = nullptr);
// The patterns grok knows by name.
const std::map<std::string, std::string>& grok_patterns();

}  // namespace stele::elastic
