// System catalogues: rows are computed, then shared and hashed by the columns they are asked by (exec/catalog_rows.h).
// A lookup by the leading columns of one of PostgreSQL's own indexes costs what matches, not the whole relation.
#include "query/exec/catalog_rows.h"
#include "query/optimizer/planner.h"

namespace stele::query {

void Level::system_index_paths(RelInfo& rel) {
  const PlannerSettings& s = planner_.settings();
  if (!s.enable_indexscan) return;
  auto outer_clauses = join_clauses_for(rel);
  for (Oid oid : rel.system->indexes) {
    auto index = planner_.ctx.system_relation(oid);
    // Conditions that bind the leading columns to one value each, or the first to one of a list.
    auto bind = [&](const std::vector<ClausePtr>& clauses, std::vector<IndexCond>& conds, std::vector<ClausePtr>& used) {
      for (size_t i = 0; i < index->index->keys.size(); ++i) {
        auto& k = index->index->keys[i];
        const catalog::Column* c = rel.system->column(k.column);
        if (!CatalogRows::hashable(c->type)) return;
        ExprPtr key = make_var(rel.rti, k.column, c->type, c->typmod, c->collation);
        bool found = false;
        for (auto& clause : clauses) {
          IndexCond cond;
          bool lossy = false;
          if (!match_clause(clause->expr, key, k, static_cast<int>(i), rel.relids, &cond, &lossy) || lossy) continue;
          if (cond.strategy != IndexStrategy::kEqual && !(cond.strategy == IndexStrategy::kIn && i == 0)) continue;
          conds.push_back(cond);
          used.push_back(clause);
          found = true;
          break;
        }
        if (!found) return;
      }
    };
    auto add = [&](const std::vector<ClausePtr>& clauses, Relids outer) {
      std::vector<IndexCond> conds;
      std::vector<ClausePtr> used;
      bind(clauses, conds, used);
      if (conds.empty()) return;
      Relids needed = 0;
      for (auto& u : used) needed |= u->relids & ~rel.relids;
      if (needed != outer) return;
      auto n = std::make_shared<PlanNode>();
      n->type = NodeType::kIndexScan;
      n->system_catalog = true;
      n->rti = rel.rti;
      n->relids = rel.relids;
      n->relation = rel.system->oid;
      n->alias = rel.rte->alias;
      n->index = index;
      n->conds = conds;
      n->required_outer = outer ? outer | rel.lateral : 0;
      double matches = rel.tuples, all = 1;
      for (auto& c : used) {
        matches *= clause_selectivity(c);
        if (outer && (c->relids & ~rel.relids)) { n->enforced.push_back(c->expr); if (c->ec >= 0) n->enforced_ecs.push_back(c->ec); }
      }
      for (auto& c : clauses) {
        all *= clause_selectivity(c);
        if (std::find(used.begin(), used.end(), c) == used.end() && !(c->relids & ~rel.relids)) n->quals.push_back(c->expr);
      }
      if (index->index->unique && conds.size() == index->index->keys.size() && conds[0].strategy == IndexStrategy::kEqual) matches = std::min(matches, 1.0);
      matches = std::max(1.0, std::round(matches));
      n->rows = outer ? std::max(1.0, std::min(matches, std::round(rel.tuples * all))) : rel.rows;
      n->width = rel.width;
      n->startup = 0.1;
      n->total = n->startup + matches * (s.cpu_tuple_cost + s.cpu_operator_cost + qual_cost(n->quals, planner_));
      add_path(rel, n);
    };
    add(rel.quals, 0);
    std::vector<Relids> outers;
    for (auto& c : outer_clauses) {
      Relids o = c->relids & ~rel.relids;
      if (std::find(outers.begin(), outers.end(), o) == outers.end()) outers.push_back(o);
    }
    for (size_t a = 0, singles = outers.size(); a < singles && singles < 6; ++a)
      for (size_t b = a + 1; b < singles; ++b)
        if (Relids u = outers[a] | outers[b]; std::find(outers.begin(), outers.end(), u) == outers.end()) outers.push_back(u);
    for (Relids o : outers) {
      std::vector<ClausePtr> all;
      for (auto& c : outer_clauses) if ((c->relids & ~(o | rel.relids)) == 0) all.push_back(c);
      all.insert(all.end(), rel.quals.begin(), rel.quals.end());
      add(all, o);
    }
  }
}

}  // namespace stele::query
