#pragma once

#include "storage/store_impl.h"

namespace stele::storage {

// A column family of its own; the lsn applied to it is kept under a key that sorts before all others.
class DerivedImpl final : public DerivedStore {
 public:
  DerivedImpl(StoreImpl& store, rocksdb::ColumnFamilyHandle* family) : store_(store), family_(family) {}
  void write(std::span<const Op> ops, Lsn applied) override;
  void erase_range(std::string_view lower, std::string_view upper) override;
  bool get(std::string_view key, std::string* value) override;
  std::unique_ptr<Cursor> scan(std::string_view lower, std::string_view upper) override;
  Lsn applied() override { return read_applied(false); }
  Lsn durable_applied() override { return read_applied(true); }
  void flush() override { store_.checkpoint(); }

 private:
  Lsn read_applied(bool durable);
  StoreImpl& store_;
  rocksdb::ColumnFamilyHandle* family_;
};

}  // namespace stele::storage
