// One database's part of the state. Schemas, extensions and casts name their database; what is in a schema is where
// the schema is, triggers and policies are where their relation is, roles and databases are everybody's.
#include "catalog/state.h"
#include "types/oids.h"

namespace stele::catalog {
namespace {

bool server_wide(ObjectKind kind) {
  return kind == ObjectKind::kRole || kind == ObjectKind::kDatabase || kind == ObjectKind::kSetting || kind == ObjectKind::kSettings || kind == ObjectKind::kTablespace;
}

class DatabaseView : public State {
 public:
  DatabaseView(std::shared_ptr<const StateImpl> all, Oid database) : all_(std::move(all)), database_(database) {}
  uint64_t version() const override { return all_->version(); }
  Ptr<Object> get(ObjectKind kind, Oid oid) const override { return all_->get(kind, oid); }
  Ptr<Object> find(ObjectKind kind, Oid schema, std::string_view name) const override {
    if (kind == ObjectKind::kCast && database_ != 0) {
      std::string own(name);
      put_database(own);
      if (auto found = all_->find(kind, schema, own)) return found;
    } else if (schema == 0 && !server_wide(kind) && database_ != 0) {
      if (auto found = all_->find(kind, database_, name)) return found;
    }
    auto found = all_->find(kind, schema, name);
    return found != nullptr && (schema != 0 && kind != ObjectKind::kCast ? true : visible(*found)) ? found : nullptr;
  }
  void for_each(ObjectKind kind, const std::function<void(const Ptr<Object>&)>& f) const override {
    all_->for_each(kind, [&](const Ptr<Object>& o) {
      if (visible(*o)) f(o);
    });
  }
  std::vector<Ptr<Function>> functions_named(std::string_view name) const override { return seen(all_->functions_named(name)); }
  std::vector<Ptr<Operator>> operators_named(std::string_view name) const override { return seen(all_->operators_named(name)); }
  std::vector<Dependency> dependents_of(const ObjectAddress& referenced) const override { return all_->dependents_of(referenced); }
  std::vector<Dependency> dependencies_of(const ObjectAddress& dependent) const override { return all_->dependencies_of(dependent); }
  std::shared_ptr<const RelationStatistics> statistics(Oid relation) const override { return all_->statistics(relation); }

 private:
  void put_database(std::string& key) const {
    for (int shift = 24; shift >= 0; shift -= 8) key.push_back(static_cast<char>(database_ >> shift));
  }
  template <typename T> std::vector<Ptr<T>> seen(std::vector<Ptr<T>> found) const {
    std::erase_if(found, [&](const Ptr<T>& o) { return !visible(*o); });
    return found;
  }
  bool visible(const Object& o) const {
    if (server_wide(o.kind())) return true;
    Oid relation = 0;
    if (o.kind() == ObjectKind::kTrigger) relation = static_cast<const Trigger&>(o).relation;
    if (o.kind() == ObjectKind::kPolicy) relation = static_cast<const Policy&>(o).relation;
    if (relation != 0) {
      const auto r = all_->relation(relation);
      return r == nullptr || visible(*r);
    }
    if (Oid schema = o.schema_oid(); schema != 0) {
      if (schema < oid::kFirstUserOid && schema != kPublic) return true;
      const auto s = all_->get(ObjectKind::kSchema, schema);
      return s == nullptr || visible(*s);
    }
    // What comes with the server is everywhere; each database has a schema public of its own.
    if (o.oid < oid::kFirstUserOid && o.oid != kPublic) return true;
    return o.database == database_;
  }

  const std::shared_ptr<const StateImpl> all_;
  const Oid database_;
};

}  // namespace

StatePtr database_view(std::shared_ptr<const StateImpl> all, Oid database) {
  return std::make_shared<DatabaseView>(std::move(all), database);
}

}  // namespace stele::catalog
