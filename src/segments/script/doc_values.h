// What scripts see of an indexed document: doc['field'].
#pragma once

#include "segments/mapping/mapping.h"
#include "segments/script/script.h"

namespace stele::segments::script {

// `doc` of one document. Valid as long as both are.
// The vector of a dense_vector field of a document; nullopt when it has none.
using VectorOf = std::function<std::optional<std::vector<double>>(const Segment&, uint32_t doc, const std::string& field)>;
Value doc_of(const Mapping& mapping, const Segment& segment, uint32_t doc, const VectorOf* vectors = nullptr);
// A script that scores: from the document and what its query scored it. Throws what the script throws.
std::function<double(const Segment&, uint32_t, float)> scoring(ScriptPtr script, Value params, const Mapping* mapping, VectorOf vectors = {});
// {"source": ..., "lang": ..., "params": ...}, {"id": ...} or a string as a script. stored: the source of an id, if there is one.
struct Call { ScriptPtr script; Value params; };
Call parse_call(const json::value& spec, const std::function<std::optional<std::string>(const std::string&)>& stored);

}  // namespace stele::segments::script
