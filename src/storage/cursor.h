// Iteration over RocksDB as of a snapshot, overlaid with a transaction's write set.
#pragma once

#include "storage/store_impl.h"

namespace stele::storage {

struct CursorOptions {
  SnapshotPtr snapshot;              // null: newest
  const WriteSet* writes = nullptr;  // null: no overlay
  WriteSet::View view;
  SerializableTxn* ssi = nullptr;    // read marks follow the cursor
  bool reverse = false;
  size_t header = kLsnBytes;         // bytes before each stored value
};

std::unique_ptr<Cursor> make_cursor(StoreImpl& store, rocksdb::ColumnFamilyHandle* family, std::string_view lower,
                                    std::string_view upper, CursorOptions options);

}  // namespace stele::storage
