// Schema redis: what its functions are called and what they take. One table describes all of them.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "types/datum.h"

namespace stele {
class FunctionRegistry;
}
namespace stele::catalog {
class Catalog;
}
namespace stele::sql {
class Database;
}

namespace stele::sql::redis {

// What a reply becomes.
enum class Result : char {
  kText = 't', kInt = 'i', kBool = 'b', kFloat = 'f', kBytea = 'y', kJson = 'j', kArray = 'a' /* text[] */,
  kTexts = 's' /* setof text */, kPairs = 'p' /* setof (field, value) */, kScored = 'z' /* setof (member, score) */,
  kEntries = 'x' /* setof (id, fields) */, kKeys = 'K', kElements = 'E' /* the sources of the views */,
};
struct RedisFunction {
  const char* name;      // in schema redis
  const char* command;   // words before the arguments, null: the first argument is the command
  const char* args;      // t text, i bigint, f double precision, y bytea, v interval (as milliseconds), T variadic text[]
  Result result;
  const char* last;      // words after the arguments, or null
};
std::span<const RedisFunction> redis_functions();
// Name of the native function: unique among overloads.
std::string native_name(const RedisFunction& f);

void register_redis_functions(FunctionRegistry& r);
// Puts the functions and views of schema redis that are missing into the catalogue.
void install_redis_schema(catalog::Catalog& catalog, Database& database);

}  // namespace stele::sql::redis
