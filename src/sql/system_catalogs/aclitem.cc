// aclitem values are their own text, "grantee=privileges/grantor": input checks the shape, output copies.
#include "sql/system_catalogs/system_catalogs.h"
#include "sql/functions/host.h"
#include "sql/redis/functions.h"
#include "types/function.h"
#include "types/oids.h"

namespace stele::sql::system_catalogs {
namespace {

Datum aclitem_in(FnCall& call) {
  std::string_view text = call.text_arg(0);
  size_t eq = text.find('='), slash = text.find('/');
  if (eq == text.npos)
    throw Error(ErrorCode::kInvalidTextRepresentation, "missing \"=\" sign");
  std::string_view modes = text.substr(eq + 1, slash == text.npos ? text.npos : slash - eq - 1);
  for (char c : modes)
    if (std::string_view("arwdDxtXUCTcsA*").find(c) == std::string_view::npos)
      throw Error(ErrorCode::kInvalidTextRepresentation, "invalid mode character: must be one of \"arwdDxtXUCTcsA\"");
  return call.text(text);
}
Datum aclitem_out(FnCall& call) { return call.text(call.text_arg(0)); }
Datum aclitem_eq(FnCall& call) { return Datum::from_bool(call.text_arg(0) == call.text_arg(1)); }

}  // namespace

void register_functions() {
  static std::once_flag once;
  std::call_once(once, [] {
  auto& registry = FunctionRegistry::mutable_instance();
  registry.add("aclitemin", aclitem_in);
  registry.add("aclitemout", aclitem_out);
  registry.add("aclitem_eq", aclitem_eq);
  register_object_text_functions(registry);
  register_object_address_functions(registry);
  register_partition_functions(registry);
  register_privilege_functions(registry);
  register_session_functions(registry);
  register_catalog_functions(registry);
  register_large_object_functions(registry);
  register_search_functions(registry);
  redis::register_redis_functions(registry);
  register_text_search_query_functions(registry);
  });
}

}  // namespace stele::sql::system_catalogs
