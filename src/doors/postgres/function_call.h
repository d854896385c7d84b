// The FunctionCall message: one function by its oid, as a prepared SELECT of it.
#pragma once

#include <string>

#include "doors/postgres/messages.h"
#include "sql/session.h"

namespace stele::doors::postgres {

// Appends FunctionCallResponse. Errors are thrown as from the extended protocol's calls.
void function_call(sql::Session& session, MessageReader& message, std::string& out);

}  // namespace stele::doors::postgres
