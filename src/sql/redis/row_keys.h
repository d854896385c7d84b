// Tables that the Redis door sees: WITH (redis_key = 'product:{id}') makes every row a hash under its own
// key, and redis_changes (implied by redis_key) a stream changes:<table> of everything committed.
//
// Rows are kept in memory as the hashes that commands read; a commit that changed a row throws it out while
// it holds the keyspace's latch, so what is in memory is the last commit. owns(), find(), table_of(),
// is_change_stream(), scan(), trim() and on_row_changed() run with the latch held; observer methods on the
// thread of the writing session.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "keyspace/transaction.h"
#include "rows/table.h"
#include "sql/redis/key_template.h"

namespace stele::sql::redis {

// Checks the redis_ options of a table as CREATE TABLE and ALTER TABLE leave it; throws.
void check_table_options(const catalog::Relation& table, const catalog::State& state);

class RowKeys final : public keyspace::RowSource, public rows::RowObserver {
 public:
  RowKeys(keyspace::DurableKeyspace& durable, catalog::Catalog& catalog);
  ~RowKeys() override;

  // keyspace::RowSource
  bool owns(int db, std::string_view key) override;
  keyspace::Entry* find(keyspace::Database& d, std::string_view key) override;
  std::string table_of(int db, std::string_view key) override;
  bool is_change_stream(int db, std::string_view key) override;
  uint64_t scan(int db, uint64_t cursor, size_t count, const std::function<void(std::string_view)>& f) override;
  void trim(bool all) override;

  // rows::RowObserver
  bool wants(const catalog::Relation& table, const catalog::State& state) override;
  void row_changed(storage::Transaction& txn, const rows::RowChange& change) override;
  void truncated(storage::Transaction& txn, const rows::Table& table) override;

  // What SQL needs to reach the row behind a key: from any thread.
  struct Target {
    std::string table;                       // qualified and quoted
    std::string name;
    std::vector<std::string> columns, types; // of the table, in order; types as format_type shows them
    std::vector<std::string> key_columns, key_values;
  };
  bool target(std::string_view key, Target* out);

 private:
  struct TableInfo;
  void refresh();
  TableInfo* table_for(std::string_view key, std::vector<std::string_view>* values);
  void on_row_changed(const std::string& key);

  keyspace::DurableKeyspace& durable_;
  keyspace::Keyspace& ks_;
  catalog::Catalog& catalog_;
  std::vector<std::unique_ptr<TableInfo>> tables_;
  std::map<std::string, std::string, std::less<>> streams_;   // key -> table
  std::atomic<bool> dirty_{true};
  uint64_t cached_bytes_ = 0;
};

}  // namespace stele::sql::redis
