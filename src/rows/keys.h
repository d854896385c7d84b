// Keys of rows and index entries in the store.
//   row:          space 'r' | be32 storage id | be64 row id
//   unique entry: space 'i' | be32 storage id | columns              -> be64 row id, included columns
//   other entry:  space 'i' | be32 storage id | columns | be64 row id -> included columns
// A unique index whose key has a NULL (unless NULLS NOT DISTINCT), and a deferrable one, use the second form
// of key with the value of the first. Temporary relations put 't' before all of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/codec.h"
#include "catalog/objects.h"
#include "storage/store.h"

namespace stele::rows {

inline std::string storage_prefix(char space, bool temporary, uint32_t storage_id) {
  std::string p;
  if (temporary) p.push_back(storage::keyspace_byte::kTemp);
  p.push_back(space);
  put_be32(p, storage_id);
  return p;
}
inline std::string row_prefix(const catalog::Relation& r) {
  return storage_prefix(storage::keyspace_byte::kRow, r.persistence == 't', r.storage_id);
}
inline std::string index_prefix(const catalog::Relation& r) {
  return storage_prefix(storage::keyspace_byte::kIndex, r.persistence == 't', r.storage_id);
}
inline std::string row_key(std::string_view prefix, uint64_t row_id) {
  std::string k(prefix);
  put_be64(k, row_id);
  return k;
}
inline uint64_t row_id_of(std::string_view key) { return load_be64(key.data() + key.size() - 8); }

// The least key above every key that starts with `prefix`; empty: there is none.
inline std::string after_prefix(std::string_view prefix) {
  std::string k(prefix);
  while (!k.empty() && static_cast<uint8_t>(k.back()) == 0xff) k.pop_back();
  if (!k.empty()) ++k.back();
  return k;
}

}  // namespace stele::rows
