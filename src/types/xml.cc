// The xml type exists, as in a PostgreSQL built without libxml: every way to make a value says so.
#include "base/error.h"
#include "types/builtin.h"
#include "types/function.h"

namespace stele {
namespace {
[[noreturn]] Datum refuse(FnCall&) {
  throw Error(ErrorCode::kFeatureNotSupported, "unsupported XML feature")
      .detail("This functionality requires the server to be built with libxml support.");
}
Datum same(FnCall& c) { return c.arg(0); }
}  // namespace

void register_xml_functions(FunctionRegistry& r) {
  for (const char* n : {"xml_in", "xml_recv", "texttoxml", "xmlcomment", "xmlconcat2", "xmlvalidate", "xpath", "xpath_exists", "xmlexists",
                        "xml_is_well_formed", "xml_is_well_formed_document", "xml_is_well_formed_content", "table_to_xml", "query_to_xml",
                        "cursor_to_xml", "table_to_xmlschema", "query_to_xmlschema", "cursor_to_xmlschema", "table_to_xml_and_xmlschema",
                        "query_to_xml_and_xmlschema", "schema_to_xml", "schema_to_xmlschema", "schema_to_xml_and_xmlschema", "database_to_xml",
                        "database_to_xmlschema", "database_to_xml_and_xmlschema", "sql:xpath/text,xml", "sql:xpath_exists/text,xml"})
    r.add(n, [](FnCall& c) -> Datum { refuse(c); });
  for (const char* n : {"xml_out", "xml_send", "xmltotext"}) r.add(n, same);
}

}  // namespace stele
