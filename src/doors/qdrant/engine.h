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
  // False for tables of SQL and indexes of Elasticsearch.
  bool made_here() const { return relation->extra.contains("qdrant"); }
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
  // Snapshots go to folders below `snapshots`; empty: none are made.
  Engine(sql::Database& database, vectors::VectorStore& store, std::string snapshots);
  ~Engine();

  Handle open(const std::string& name);                    // 404 when absent
  bool exists(const std::string& name);
  std::vector<std::string> list();
  void create(const std::string& name, json::object config);   // 409 when present
  bool drop(const std::string& name);
  // `with` takes the place and the name of another collection, which may be absent, in one commit.
  void replace(const std::string& name, const std::string& with);
  // Changes the newest configuration; changes of one collection wait for each other.
  void change_config(const std::string& name, const std::function<void(json::object&)>& change);
  // Running graphs take on what the configuration says now; what differs is built in the background.
  void reconfigure(const std::string& name);
  // alias -> collection
  std::vector<std::pair<std::string, std::string>> aliases();
  // All of them or none, in order.
  void change_aliases(const json::array& actions);

  // Writes are made in one transaction; returns its number. `wait` false: not held until durable.
  uint64_t write(const Handle& h, std::vector<PointWrite> points, bool wait);
  uint64_t erase(const Handle& h, std::vector<vectors::PointId> ids, bool wait);
  // The same for what depends on what is there: locks the rows of these points, then asks `make` what to write. The handle
  // that it is given reads their newest versions, which nobody else can change before this commit.
  uint64_t change(const Handle& h, std::vector<vectors::PointId> points, bool wait,
                  const std::function<std::vector<PointWrite>(const Handle& newest)>& make);

  const std::string& snapshots() const { return snapshots_; }
  // Copies all points of another collection (`init_from`).
  void copy_points(const Handle& from, const Handle& to);

 private:
  // Runs f with a session of the pool; the session is dropped when f throws.
  void with_session(const std::function<void(sql::Session&)>& f);
  void run(sql::Session& session, const std::string& sql);
  using Params = std::vector<std::optional<std::string>>;
  // `parsed`: the statement that the session has parsed last, so that the same one is not parsed again.
  void execute(sql::Session& session, const std::string& sql, const Params& params, std::string* parsed = nullptr);
  uint64_t finish(sql::Session& session, bool wait);
  void begin(sql::Session& session, bool wait);
  void put(sql::Session& session, const Handle& h, const std::vector<PointWrite>& points);
  void lock_rows(sql::Session& session, const Handle& h, const std::vector<vectors::PointId>& points);
  std::string resolve(const std::string& name);

  sql::Database& database_;
  vectors::VectorStore& store_;
  const std::string snapshots_;
  std::mutex pool_mutex_;
  std::vector<std::unique_ptr<sql::Session>> pool_;
};

}  // namespace stele::qdrant
