// Fields that exist in a search only: made by a script, or read from the source, for every document the search can see. They become
// columns and postings of segments that stand before the real ones, so queries, sorting and aggregations treat them as any field.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <optional>

#include "segments/mapping/mapping.h"
#include "segments/search/searcher.h"

namespace stele::segments {

struct RuntimeSources {
  std::function<json::object(const Leaf&, uint32_t doc)> source;  // of a document
  std::function<std::optional<std::string>(const std::string&)> stored_script;
};
// The leaves with the fields of `definitions` (as under "runtime"); `mapping` is Mapping::with_runtime() of the same. Throws what
// the scripts throw.
std::vector<Leaf> with_runtime_fields(std::vector<Leaf> leaves, const Mapping& mapping, const json::object& definitions, const RuntimeSources& sources);

}  // namespace stele::segments
