// The immutable state as persistent maps, and the deltas that lead from one to the next. Inner to
// this folder; others use catalog.h.
#pragma once

#include "catalog/catalog.h"
#include "catalog/persistent_map.h"

namespace stele::catalog {

struct Delta {
  enum class What : uint8_t { kPut, kDrop, kAddDependency, kDropDependenciesOf, kStatistics } what;
  std::shared_ptr<const Object> object;        // kPut
  ObjectAddress address{};                     // kDrop, kDropDependenciesOf, kStatistics (oid)
  Dependency dependency{};                     // kAddDependency
  std::shared_ptr<const RelationStatistics> statistics;
};

class StateImpl : public State {
 public:
  uint64_t version() const override { return version_; }
  Ptr<Object> get(ObjectKind kind, Oid oid) const override;
  Ptr<Object> find(ObjectKind kind, Oid schema, std::string_view name) const override;
  void for_each(ObjectKind kind, const std::function<void(const Ptr<Object>&)>& f) const override;
  std::vector<Ptr<Function>> functions_named(std::string_view name) const override;
  std::vector<Ptr<Operator>> operators_named(std::string_view name) const override;
  std::vector<Dependency> dependents_of(const ObjectAddress& referenced) const override;
  std::vector<Dependency> dependencies_of(const ObjectAddress& dependent) const override;
  std::shared_ptr<const RelationStatistics> statistics(Oid relation) const override;

  // By name_key().
  Ptr<Object> named(const std::string& key) const;
  // Whether there are databases beside the default one.
  bool many_databases() const { return databases_ > 0; }

  // A new state, one delta further, with a version of its own.
  std::shared_ptr<const StateImpl> apply(const Delta& d) const;
  std::shared_ptr<const StateImpl> apply(const std::vector<Delta>& deltas) const;
  static uint64_t next_version();

 private:
  void apply_in_place(const Delta& d);
  void remove_dependencies(const ObjectAddress& a, bool as_referenced);

  uint64_t version_ = 1;
  int databases_ = 0;
  PersistentMap<uint64_t, Ptr<Object>> objects_;       // kind << 32 | oid
  PersistentMap<std::string, Ptr<Object>> names_;
  PersistentMap<std::string, Dependency> by_dependent_, by_referenced_;
  PersistentMap<Oid, std::shared_ptr<const RelationStatistics>> statistics_;
};

// Key of names_; empty when the kind has no lookup by name.
std::string name_key(const Object& o);
// What a session of `database` sees of `all`.
StatePtr database_view(std::shared_ptr<const StateImpl> all, Oid database);
std::string dependency_key(const ObjectAddress& first, const ObjectAddress& second);

}  // namespace stele::catalog
