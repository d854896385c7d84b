// The catalogue: all objects as of one commit, and a transaction's changes over it.
//
// State is an immutable value shared by every reader of one version. DDL works on a Changes overlay
// that belongs to its transaction: lookups see the overlay, put/drop write the object's record into the
// transaction (key space 'c': kind, oid -> encoded object), and commit publishes a new State. Built-in
// types, functions and operators live in types/builtin.h and are not objects here unless a user
// made them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/objects.h"
#include "storage/store.h"

namespace stele::catalog {

template <typename T> using Ptr = std::shared_ptr<const T>;

// One version of everything. Thread-safe, immutable.
class State {
 public:
  virtual ~State() = default;
  virtual uint64_t version() const = 0;   // grows with every DDL commit; plans are cached against it
  virtual Ptr<Object> get(ObjectKind kind, Oid oid) const = 0;  // null if absent
  // By schema and name where the kind has one (relations, types, schemas with schema 0, roles ...).
  virtual Ptr<Object> find(ObjectKind kind, Oid schema, std::string_view name) const = 0;
  virtual void for_each(ObjectKind kind, const std::function<void(const Ptr<Object>&)>& f) const = 0;
  virtual std::vector<Ptr<Function>> functions_named(std::string_view name) const = 0;
  virtual std::vector<Ptr<Operator>> operators_named(std::string_view name) const = 0;
  virtual std::vector<Dependency> dependents_of(const ObjectAddress& referenced) const = 0;
  virtual std::vector<Dependency> dependencies_of(const ObjectAddress& dependent) const = 0;
  virtual std::shared_ptr<const RelationStatistics> statistics(Oid relation) const = 0;  // null: never analysed

  template <typename T> Ptr<T> get_as(ObjectKind kind, Oid oid) const {
    return std::static_pointer_cast<const T>(get(kind, oid));
  }
  Ptr<Relation> relation(Oid oid) const { return get_as<Relation>(ObjectKind::kRelation, oid); }
  Ptr<Type> type(Oid oid) const { return get_as<Type>(ObjectKind::kType, oid); }
  Ptr<Function> function(Oid oid) const { return get_as<Function>(ObjectKind::kFunction, oid); }
};
using StatePtr = std::shared_ptr<const State>;

// A transaction's view: State plus its own changes. Follows the transaction's savepoints. Used by the
// transaction's thread only.
class Changes {
 public:
  virtual ~Changes() = default;
  // The state with the changes made so far; a new pointer after each change.
  virtual StatePtr state() = 0;
  virtual bool empty() const = 0;
  virtual void put(std::shared_ptr<const Object> object) = 0;   // create or replace
  virtual void drop(ObjectKind kind, Oid oid) = 0;              // with its dependency records
  virtual void add_dependency(const Dependency& d) = 0;
  virtual void drop_dependencies_of(const ObjectAddress& dependent) = 0;
  virtual void put_statistics(Oid relation, std::shared_ptr<const RelationStatistics> s) = 0;
  // Latest committed state plus own changes (READ COMMITTED statements call it at their start).
  virtual void refresh() = 0;
  // Whose objects state() shows; 0 the default one. What has no schema and is put without a database belongs to it.
  virtual Oid database() const = 0;
};

class Catalog : public storage::Participant {
 public:
  static std::unique_ptr<Catalog> create(storage::Store& store);
  // After Store::recover(): reads the committed objects; bootstraps an empty one (schemas pg_catalog,
  // public, information_schema, redis; role `postgres`-compatible superuser; database `stele`).
  virtual void load() = 0;
  // Latest committed; an atomic load. The objects of all databases; names without a schema are the default one's.
  virtual StatePtr state() const = 0;
  // The same as a session of that database (0: the default one) sees it. Oids are looked up everywhere; names and
  // enumerations show what belongs to the database or to all.
  virtual StatePtr state(Oid database) = 0;
  virtual std::unique_ptr<Changes> begin(storage::Transaction& txn, Oid database = 0) = 0;
  virtual Oid allocate_oid() = 0;       // >= 16384, never reused
  virtual uint32_t allocate_storage_id() = 0;
  // Called after a commit changed objects, on the committing thread, after publish.
  virtual void on_change(std::function<void(const StatePtr&, const std::vector<ObjectAddress>&)> f) = 0;
};

}  // namespace stele::catalog
