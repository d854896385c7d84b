// Keys that are rows of tables: WITH (redis_key = 'product:{id}'). The keyspace asks this interface for
// the keys of such ranges; commands read the hashes they get as they read their own, writes go to SQL.
// And the streams of changes: keys that clients may read and acknowledge but not write.
//
// Implemented by sql. Everything with the keyspace's latch held.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "keyspace/command.h"

namespace stele::keyspace {

struct Database;
struct Entry;

class RowSource {
 public:
  virtual ~RowSource() = default;
  // Whether the key belongs to a table's range; such keys are rows or absent.
  virtual bool owns(int db, std::string_view key) = 0;
  // The row as a hash, as of the last commit; null: there is no such row. Valid until trim().
  virtual Entry* find(Database& d, std::string_view key) = 0;
  // Name of the table whose rows or changes the key shows; empty: none.
  virtual std::string table_of(int db, std::string_view key) = 0;
  // Whether the key is the stream of a table's changes.
  virtual bool is_change_stream(int db, std::string_view key) = 0;
  // Row keys from `cursor` (0: the first) on, about `count` of them. Returns the next cursor, 0 at the end.
  virtual uint64_t scan(int db, uint64_t cursor, size_t count, const std::function<void(std::string_view key)>& f) = 0;
  // Between commands: the memory of rows goes down to the budget (0: all of it).
  virtual void trim(bool all) = 0;
};

}  // namespace stele::keyspace
