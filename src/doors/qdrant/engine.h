// The door's view of the engine: collections as relations. Names and configuration live in the catalogue,
// points are rows written through SQL sessions (so that constraints, triggers and permissions hold), reads go
// to the relation's reflection in segments.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "doors/qdrant/api.h"
#include "segments/vectors/vector_store.h"
#include "sql/session.h"

namespace stele::qdrant {

// One collection as one request sees it.
struct Handle {
  std::string name;              // of the collection, aliases resolved
  catalog::Ptr<catalog::Relation> relation;
  std::shared_ptr<vectors::Collection> data;
  vectors::CollectionSpec spec;
  json::object config;           // as created: {"params":{...},"hnsw_config":...}
  Lsn lsn = 0;                   // what the request reads
  storage::SnapshotPtr snapshot; // keeps what that lsn sees
  const vectors::DenseSpec* dense(const std::string& vector) const;
  const vectors::SparseSpec* sparse(const std::string& vector) const;
};

struct PointWrite {              // vectors that are not named are left alone
  vectors::PointId id;
  bool replace = false;          // upsert: whatever is not given goes
  std::optional<json::object> payload;
  std::vector<std::pair<std::string, VectorValue>> set;
  std::vector<std::string> clear;
};

class Engine {
 public:
  Engine(sql::Database& database, vectors::VectorStore& store);
  ~Engine();

  Handle open(const std::string& name);                    // 404 when absent
  bool exists(const std::string& name);
  std::vector<std::string> list();
  void create(const std::string& name, json::object config);   // 409 when present
  bool drop(const std::string& name);
  void set_config(const std::string& name, json::object config);
  // alias -> collection
  std::vector<std::pair<std::string, std::string>> aliases();
  // All of them or none, in order.
  void change_aliases(const json::array& actions);

  // Writes are made in one transaction; returns its number. `wait` false: not held until durable.
  uint64_t write(const Handle& h, const std::vector<PointWrite>& points, bool wait);
  uint64_t erase(const Handle& h, const std::vector<vectors::PointId>& ids, bool wait);
  // Holds a collection's read-modify-write operations apart.
  std::unique_lock<std::mutex> lock(const std::string& collection);

  sql::Database& database() { return database_; }

 private:
  // Runs f with a session of the pool; the session is dropped when f throws.
  void with_session(const std::function<void(sql::Session&)>& f);
  void run(sql::Session& session, const std::string& sql);
  using Params = std::vector<std::optional<std::string>>;
  void execute(sql::Session& session, const std::string& sql, const Params& params);
  uint64_t finish(sql::Session& session, bool wait);
  std::string resolve(const std::string& name);

  sql::Database& database_;
  vectors::VectorStore& store_;
  std::mutex pool_mutex_;
  std::vector<std::unique_ptr<sql::Session>> pool_;
  std::mutex locks_mutex_;
  std::map<std::string, std::unique_ptr<std::mutex>> locks_;
};

}  // namespace stele::qdrant
