#include "query/inheritance.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

namespace stele::query {

std::vector<Oid> direct_children(const catalog::State& state, Oid relation) {
  // Parents name no children; one pass over the relations a catalogue version.
  static std::mutex mutex;
  static const catalog::State* cached = nullptr;
  static uint64_t cached_version = 0;
  static std::multimap<Oid, Oid> children;
  std::lock_guard lock(mutex);
  if (cached != &state || cached_version != state.version()) {
    children.clear();
    state.for_each(catalog::ObjectKind::kRelation, [&](const catalog::Ptr<catalog::Object>& o) {
      for (Oid p : static_cast<const catalog::Relation&>(*o).parents) children.emplace(p, o->oid);
    });
    cached = &state;
    cached_version = state.version();
  }
  std::vector<Oid> out;
  auto [a, b] = children.equal_range(relation);
  for (auto it = a; it != b; ++it) out.push_back(it->second);
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<Oid> inheritance_children(const catalog::State& state, Oid relation) {
  std::vector<Oid> out = direct_children(state, relation);
  std::set<Oid> seen(out.begin(), out.end());
  for (size_t i = 0; i < out.size(); ++i)
    for (Oid c : direct_children(state, out[i]))
      if (seen.insert(c).second) out.push_back(c);
  return out;
}

std::vector<catalog::Ptr<catalog::Relation>> partition_ancestors(const catalog::State& state, const catalog::Relation& relation) {
  std::vector<catalog::Ptr<catalog::Relation>> out;
  const catalog::Relation* r = &relation;
  while (r->bound && !r->parents.empty()) {
    auto parent = state.relation(r->parents[0]);
    if (!parent) break;
    out.push_back(parent);
    r = parent.get();
  }
  return out;
}

std::vector<int16_t> attribute_map(const catalog::Relation& from, const catalog::Relation& to) {
  std::vector<int16_t> out;
  for (auto& c : from.columns) {
    const catalog::Column* other = c.dropped ? nullptr : to.column(std::string_view(c.name));
    out.push_back(other != nullptr ? other->number : int16_t{0});
  }
  return out;
}

}  // namespace stele::query
