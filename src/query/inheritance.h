// Who inherits from whom: children of partitioned tables and of tables with INHERITS.
#pragma once

#include "catalog/catalog.h"

namespace stele::query {

// The tables and indexes that name the relation as a parent, in oid order.
std::vector<Oid> direct_children(const catalog::State& state, Oid relation);
// Every descendant, level by level, each once.
std::vector<Oid> inheritance_children(const catalog::State& state, Oid relation);
// The partitioned tables above a partition, nearest first; empty for other relations.
std::vector<catalog::Ptr<catalog::Relation>> partition_ancestors(const catalog::State& state, const catalog::Relation& relation);
// For each attribute of `from` (0-based) the attribute number of `to` with its name; 0: none, or dropped.
std::vector<int16_t> attribute_map(const catalog::Relation& from, const catalog::Relation& to);

}  // namespace stele::query
