#include "catalog/state.h"

#include <atomic>

#include "base/codec.h"
#include "types/oids.h"

namespace stele::catalog {
namespace {

uint64_t object_key(ObjectKind kind, Oid oid) { return static_cast<uint64_t>(kind) << 32 | oid; }

std::string scoped_key(ObjectKind kind, Oid scope, std::string_view name) {
  std::string key(1, static_cast<char>(kind));
  put_be32(key, scope);
  key.append(name);
  return key;
}
std::string overload_prefix(ObjectKind kind, std::string_view name) {
  std::string key(1, static_cast<char>(kind));
  key.append(name);
  key.push_back('\0');
  return key;
}
void put_address(std::string& key, const ObjectAddress& a) {
  key.push_back(static_cast<char>(a.kind));
  put_be32(key, a.oid);
  put_be32(key, static_cast<uint32_t>(a.sub));
}

}  // namespace

std::string name_key(const Object& o) {
  switch (o.kind()) {
    case ObjectKind::kFunction:
    case ObjectKind::kOperator: {
      std::string key = overload_prefix(o.kind(), o.name);
      put_be32(key, o.oid);
      return key;
    }
    case ObjectKind::kTrigger: return scoped_key(o.kind(), static_cast<const Trigger&>(o).relation, o.name);
    case ObjectKind::kPolicy: return scoped_key(o.kind(), static_cast<const Policy&>(o).relation, o.name);
    case ObjectKind::kCast: {
      const auto& c = static_cast<const Cast&>(o);
      std::string target;
      put_be32(target, c.target);
      if (c.database != 0) put_be32(target, c.database);
      return scoped_key(o.kind(), c.source, target);
    }
    case ObjectKind::kOpclass:
    case ObjectKind::kOpfamily:   // one name serves every access method
      return scoped_key(o.kind(), o.schema_oid(), o.name + '\0' + static_cast<const Entry&>(o).fact("method"));
    default: return scoped_key(o.kind(), o.schema_oid() != 0 ? o.schema_oid() : o.database, o.name);
  }
}

std::string dependency_key(const ObjectAddress& first, const ObjectAddress& second) {
  std::string key;
  put_address(key, first);
  put_address(key, second);
  return key;
}

uint64_t StateImpl::next_version() {
  static std::atomic<uint64_t> counter{1};
  return ++counter;
}

Ptr<Object> StateImpl::get(ObjectKind kind, Oid oid) const {
  const Ptr<Object>* p = objects_.find(object_key(kind, oid));
  return p ? *p : nullptr;
}

Ptr<Object> StateImpl::find(ObjectKind kind, Oid schema, std::string_view name) const {
  const Ptr<Object>* p = names_.find(scoped_key(kind, schema, name));
  return p ? *p : nullptr;
}

Ptr<Object> StateImpl::named(const std::string& key) const {
  const Ptr<Object>* p = names_.find(key);
  return p ? *p : nullptr;
}

void StateImpl::for_each(ObjectKind kind, const std::function<void(const Ptr<Object>&)>& f) const {
  objects_.for_each_from(object_key(kind, 0), [&](uint64_t key, const Ptr<Object>& o) {
    if (key >> 32 != static_cast<uint64_t>(kind)) return false;
    f(o);
    return true;
  });
}

std::vector<Ptr<Function>> StateImpl::functions_named(std::string_view name) const {
  std::vector<Ptr<Function>> out;
  std::string prefix = overload_prefix(ObjectKind::kFunction, name);
  names_.for_each_from(prefix, [&](const std::string& key, const Ptr<Object>& o) {
    if (!key.starts_with(prefix)) return false;
    out.push_back(std::static_pointer_cast<const Function>(o));
    return true;
  });
  return out;
}

std::vector<Ptr<Operator>> StateImpl::operators_named(std::string_view name) const {
  std::vector<Ptr<Operator>> out;
  std::string prefix = overload_prefix(ObjectKind::kOperator, name);
  names_.for_each_from(prefix, [&](const std::string& key, const Ptr<Object>& o) {
    if (!key.starts_with(prefix)) return false;
    out.push_back(std::static_pointer_cast<const Operator>(o));
    return true;
  });
  return out;
}

// sub == 0 asks for the object and all its columns.
static std::vector<Dependency> collect(const PersistentMap<std::string, Dependency>& map, const ObjectAddress& a) {
  std::vector<Dependency> out;
  std::string prefix;
  put_address(prefix, a);
  if (a.sub == 0) prefix.resize(5);
  map.for_each_from(prefix, [&](const std::string& key, const Dependency& d) {
    if (!key.starts_with(prefix)) return false;
    out.push_back(d);
    return true;
  });
  return out;
}

std::vector<Dependency> StateImpl::dependents_of(const ObjectAddress& referenced) const {
  return collect(by_referenced_, referenced);
}
std::vector<Dependency> StateImpl::dependencies_of(const ObjectAddress& dependent) const {
  return collect(by_dependent_, dependent);
}

std::shared_ptr<const RelationStatistics> StateImpl::statistics(Oid relation) const {
  auto* p = statistics_.find(relation);
  return p ? *p : nullptr;
}

void StateImpl::remove_dependencies(const ObjectAddress& a, bool as_referenced) {
  for (const Dependency& d : collect(by_dependent_, a)) {
    by_dependent_ = by_dependent_.without(dependency_key(d.dependent, d.referenced));
    by_referenced_ = by_referenced_.without(dependency_key(d.referenced, d.dependent));
  }
  if (!as_referenced) return;
  for (const Dependency& d : collect(by_referenced_, a)) {
    by_dependent_ = by_dependent_.without(dependency_key(d.dependent, d.referenced));
    by_referenced_ = by_referenced_.without(dependency_key(d.referenced, d.dependent));
  }
}

void StateImpl::apply_in_place(const Delta& d) {
  switch (d.what) {
    case Delta::What::kPut: {
      uint64_t key = object_key(d.object->kind(), d.object->oid);
      if (const Ptr<Object>* old = objects_.find(key)) {
        std::string old_name = name_key(**old);
        const Ptr<Object>* named = names_.find(old_name);
        if (named != nullptr && (*named)->oid == d.object->oid) names_ = names_.without(old_name);
      } else if (d.object->kind() == ObjectKind::kDatabase && d.object->oid >= oid::kFirstUserOid) {
        ++databases_;
      }
      objects_ = objects_.with(key, d.object);
      names_ = names_.with(name_key(*d.object), d.object);
      break;
    }
    case Delta::What::kDrop: {
      uint64_t key = object_key(d.address.kind, d.address.oid);
      if (const Ptr<Object>* old = objects_.find(key)) {
        std::string old_name = name_key(**old);
        const Ptr<Object>* named = names_.find(old_name);
        if (named != nullptr && (*named)->oid == d.address.oid) names_ = names_.without(old_name);
        objects_ = objects_.without(key);
        if (d.address.kind == ObjectKind::kDatabase && d.address.oid >= oid::kFirstUserOid) --databases_;
      }
      remove_dependencies({d.address.kind, d.address.oid, 0}, true);
      if (d.address.kind == ObjectKind::kRelation) statistics_ = statistics_.without(d.address.oid);
      break;
    }
    case Delta::What::kAddDependency:
      by_dependent_ = by_dependent_.with(dependency_key(d.dependency.dependent, d.dependency.referenced), d.dependency);
      by_referenced_ = by_referenced_.with(dependency_key(d.dependency.referenced, d.dependency.dependent), d.dependency);
      break;
    case Delta::What::kDropDependenciesOf:
      remove_dependencies(d.address, false);
      break;
    case Delta::What::kStatistics:
      statistics_ = statistics_.with(d.address.oid, d.statistics);
      break;
  }
}

std::shared_ptr<const StateImpl> StateImpl::apply(const Delta& d) const {
  auto s = std::make_shared<StateImpl>(*this);
  s->apply_in_place(d);
  s->version_ = next_version();
  return s;
}

std::shared_ptr<const StateImpl> StateImpl::apply(const std::vector<Delta>& deltas) const {
  auto s = std::make_shared<StateImpl>(*this);
  for (const Delta& d : deltas) s->apply_in_place(d);
  s->version_ = next_version();
  return s;
}

}  // namespace stele::catalog
