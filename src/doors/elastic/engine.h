// Indices and documents over the shared store: relations, rows and segments.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "doors/elastic/json_util.h"
#include "query/execution.h"
#include "rows/table_access.h"
#include "segments/segments.h"
#include "segments/vectors/vector_store.h"
#include "sql/session.h"

namespace stele::elastic {

struct Index {
  std::string name, uuid;
  Oid oid = 0;
  int64_t created_ms = 0;
  json::object settings;  // {"index": {...}}, values as strings
  json::object aliases;
  bool closed = false;
  uint32_t blocks = 0;    // of Block
  std::string data_stream;  // that it stands behind
  bool elastic = true;    // false: an SQL table
  catalog::Ptr<catalog::Relation> relation;
  segments::IndexedPtr indexed;
  segments::MappingPtr mapping() const { return indexed->mapping(); }
  std::string setting(const std::string& key) const;  // "number_of_replicas", below "index."
};
using IndexPtr = std::shared_ptr<const Index>;

// index.blocks.*, and what an operation does that one of them may forbid.
enum Block : uint32_t { kReadOnlyBlock = 1, kReadBlock = 2, kWriteBlock = 4, kMetadataBlock = 8, kAllowDeleteBlock = 16 };
constexpr uint32_t kWriting = kReadOnlyBlock | kWriteBlock | kAllowDeleteBlock;
constexpr uint32_t kReading = kReadBlock;
constexpr uint32_t kChangingMetadata = kReadOnlyBlock | kMetadataBlock | kAllowDeleteBlock;
constexpr uint32_t kDeletingIndex = kReadOnlyBlock | kMetadataBlock;
constexpr uint32_t kReadingMetadata = kMetadataBlock;
// Throws cluster_block_exception.
void check_blocks(const Index& x, uint32_t forbidden_by);

struct Document {
  bool found = false;
  uint64_t row_id = 0;
  std::string id, routing;
  int64_t version = 0, seq_no = 0;
  json::object source;
};

struct WriteOp {
  enum Kind { kIndex, kCreate, kDelete, kUpdate } kind = kIndex;
  std::string index, id, routing;
  bool auto_id = false;
  json::object source;                 // of index and create
  // kUpdate: makes the new document from the old one (null: missing). Returns false for a noop.
  std::function<bool(const Document&, json::object* next, bool* created, bool* erase)> update;
  std::optional<int64_t> if_seq_no, if_primary_term, version;
  std::string version_type = "internal";
  bool require_alias = false;
};
struct WriteResult {
  std::string index, id, result;  // created updated deleted not_found noop
  int64_t version = 0, seq_no = 0;
  bool refreshed = false;
  json::object source;            // after an update, for its _source option
};

class Engine {
 public:
  explicit Engine(sql::Database& database);

  // --- Indices
  IndexPtr find(const std::string& name) const;                    // by index name only
  std::vector<IndexPtr> all() const;                                // by name
  std::vector<IndexPtr> by_alias(const std::string& alias) const;
  // body: settings, mappings, aliases as the create API takes them. Throws resource_already_exists_exception.
  IndexPtr create(const std::string& name, const json::object& body);
  void drop(const std::vector<IndexPtr>& indices);
  // Changes what is kept of an index beside its mapping, in one catalogue transaction.
  void change(const std::vector<std::pair<IndexPtr, std::function<void(json::object& extra)>>>& changes);
  void put_mapping(const IndexPtr& index, const json::object& update);
  static void validate_name(const std::string& name);

  // --- Named things: index templates, component templates, pipelines, stored scripts
  std::optional<json::object> get_thing(const std::string& kind, const std::string& name) const;
  std::map<std::string, json::object> things(const std::string& kind) const;
  void put_thing(const std::string& kind, const std::string& name, const json::object& body);
  bool drop_thing(const std::string& kind, const std::string& name);

  // --- Documents
  Document get(const Index& index, const std::string& id) const;
  json::object source_of(const Index& index, uint64_t row_id, const storage::SnapshotPtr& snapshot) const;
  // All in one transaction; the error of an operation is its own. Creates missing indices when allowed.
  struct Outcome { WriteResult result; std::optional<ElasticError> error; };
  std::vector<Outcome> write(std::vector<WriteOp>& ops, const std::function<IndexPtr(const WriteOp&)>& target);

  // --- Search
  storage::SnapshotPtr snapshot() const { return parts_.store->snapshot(); }
  std::vector<segments::Leaf> leaves(const Index& index, const storage::SnapshotPtr& s) const;
  segments::Segments& segments() const { return *static_cast<segments::Segments*>(parts_.segments); }
  storage::Store& store() const { return *parts_.store; }
  segments::vectors::VectorStore* vectors() const { return static_cast<segments::vectors::VectorStore*>(parts_.vectors); }  // null: none
  catalog::StatePtr catalog_state() const { return parts_.catalog->state(); }
  int64_t now_ms() const;
  std::string node_id() const { return "stele0node0000000000000"; }

  // A new document id, 20 characters.
  static std::string new_id();

 private:
  struct Writing;
  void write_together(std::vector<WriteOp>& ops, const std::vector<IndexPtr>& where, std::vector<Outcome>& out, size_t from, size_t to);
  WriteResult write_one(Writing& w, const IndexPtr& index, WriteOp& op);
  void row_of_document(Writing& w, const IndexPtr& index, const catalog::Relation& relation, const std::string& id, const json::object& source,
                       const std::vector<NullableDatum>* old_row, std::vector<NullableDatum>& row, std::vector<char>& given, Arena& arena);
  // Sessions of the engine's own; one that failed is not given back.
  std::unique_ptr<sql::Session> take_session();
  void give_back(std::unique_ptr<sql::Session> session);
  IndexPtr describe(const catalog::Ptr<catalog::Relation>& r, const catalog::State& state) const;

  std::shared_ptr<const rows::Table> table_of(const catalog::Ptr<catalog::Relation>& relation, const catalog::State& state) const;

  sql::Database& database_;
  query::Engine& parts_;
  std::mutex pool_mutex_;
  std::vector<std::unique_ptr<sql::Session>> pool_;
  mutable std::mutex table_mutex_;
  mutable std::map<Oid, std::pair<catalog::Ptr<catalog::Relation>, std::shared_ptr<const rows::Table>>> tables_;
  mutable std::mutex cache_mutex_;
  mutable uint64_t cached_version_ = 0;
  mutable std::map<std::string, IndexPtr> cache_;
  mutable std::mutex tombstone_mutex_;
  struct Tombstone { int64_t version, at_ms; };
  mutable std::map<std::pair<Oid, std::string>, Tombstone> tombstones_;
  std::mutex ddl_mutex_;
};

// The primary key's index; null when there is none.
const rows::IndexDef* primary_of(const rows::Table& table);
// The row of an id; nullopt when there is none (or the id cannot be a key of the table).
std::optional<uint64_t> row_of(const Index& x, rows::TableAccess& access, const std::string& id, const storage::ReadView& view, Arena& arena);

}  // namespace stele::elastic
