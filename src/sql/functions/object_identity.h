// What an object of any catalogue is called: for pg_identify_object and its kin, and for event triggers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sql/binder/catalog_view.h"

namespace stele::sql {

struct ObjectIdentity {
  std::string type;                 // "table", "table column", "function" ...
  std::string schema, name;         // empty: the kind has none, or it does not identify the object alone
  std::string identity;             // qualified whatever the search path
  std::string description;          // as messages call it
  std::vector<std::string> address_names, address_args;
};

// nullopt: no such object. Throws undefined_object for a class that is no catalogue of objects.
std::optional<ObjectIdentity> identify_object(CatalogView& view, Oid class_oid, Oid object, int sub);
// The catalogue of a kind of object, those of its parts too; 0: none.
Oid object_class(catalog::ObjectKind kind);
// A type's name with its schema, but for those that have a name in SQL.
std::string qualified_type(CatalogView& view, Oid type);

}  // namespace stele::sql
