// Shared by the stream command files.
#pragma once

#include "keyspace/keyspace.h"

namespace stele::keyspace {

bool stream_id_arg(Call& c, size_t i, StreamId* id, uint64_t missing_seq, bool strict);
bool stream_bound_arg(Call& c, size_t i, StreamId* id, bool* exclusive, uint64_t missing_seq);
void reply_entry(Reply& r, StreamId id, const std::vector<std::string_view>& fields);
size_t reply_range(Call& c, const Stream& s, StreamId from, StreamId to, int64_t count, bool reverse);

}  // namespace stele::keyspace
