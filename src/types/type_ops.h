// Ordering, equality, hashing and order-preserving key encoding of values: one definition for
// sorting, indexes, hash joins, DISTINCT and segments. Follows each type's default B-tree
// operator class.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "types/datum.h"

namespace stele {

struct TypeOps {
  // Three-way by the default B-tree operator class; both non-null. Null when the type has no
  // ordering (json, point ...).
  int (*compare)(Datum a, Datum b, Oid collation) = nullptr;
  // Equality by the default hash/B-tree class; may be faster than compare() == 0.
  bool (*equal)(Datum a, Datum b, Oid collation) = nullptr;
  uint64_t (*hash)(Datum v, Oid collation) = nullptr;
  // Appends an encoding whose memcmp order is compare()'s order and which is self-delimiting: no
  // encoding is a prefix of another, so columns can be concatenated. Null when not indexable.
  void (*encode_key)(Datum v, Oid collation, std::string& out) = nullptr;
  // Reads one encoded value from the front of `in` and advances it. Null when the value cannot be
  // rebuilt from its key (numeric's scale, ICU collations): such columns are not covering.
  Datum (*decode_key)(std::string_view& in, Arena& arena) = nullptr;
  // Advances `in` over one encoded value.
  void (*skip_key)(std::string_view& in) = nullptr;
};

// Never null; array, enum, domain and record types resolve through their kind. `type` may be a
// user's type: pass the base type of a domain, oid::kAnyArray-like handling is done from the
// values themselves (arrays carry their element type), enums compare by sort order kept in the Datum's
// catalogue and therefore come from type_ops_enum().
const TypeOps& type_ops(Oid type);
const TypeOps& type_ops_array();
const TypeOps& type_ops_record();
const TypeOps& type_ops_enum();

// Key bytes of one column in an index: a null marker byte first, then the value; inverted for DESC.
// NULLs sort last when ascending unless nulls_first.
void encode_index_column(const TypeOps& ops, NullableDatum v, Oid collation, bool descending,
                         bool nulls_first, std::string& out);
// The reverse; requires ops.decode_key.
NullableDatum decode_index_column(const TypeOps& ops, std::string_view& in, bool descending,
                                  bool nulls_first, Arena& arena);

}  // namespace stele
