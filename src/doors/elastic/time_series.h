// Indices in time series mode: a document's id follows from its dimensions and its time.
#pragma once

#include "doors/elastic/engine.h"

namespace stele::elastic {

// Sets the id of a document that is about to be written into such an index; others are left alone. Throws when the document does
// not belong there.
void place_in_time_series(const Index& index, WriteOp& op);
// Throws when the settings (by full names) do not make a time series.
void check_time_series(const json::object& settings, json::object& mappings);

}  // namespace stele::elastic
