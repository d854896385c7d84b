// Partitioned tables and tables with children: one Append over whoever may hold rows. All children share the parent's
// range table number; their scans map its columns to their own (PlanNode::column_map).
#include "base/error.h"
#include "query/optimizer/planner.h"
#include "types/oids.h"

namespace stele::query {

// Every table that may hold rows of `table`: partitions in the order of their bounds, others level by level.
void Level::expand_inheritance(const std::shared_ptr<const catalog::Relation>& table, RelInfo& rel, std::vector<std::shared_ptr<const catalog::Relation>>& out) {
  if (!table->partitioning) {
    out.push_back(table);
    if (table->bound) return;
    for (Oid child : inheritance_children(*planner_.state, table->oid))
      if (auto r = planner_.relation(child); r && r->relkind == 'r') out.push_back(r);
    return;
  }
  if (!rel.rte->inherit) return;
  PartitionMap map(table, planner_.ctx);
  // Conditions name the columns of the table at the top.
  std::vector<ExprPtr> quals;
  const auto positions = attribute_map(*rel.table, *table);
  for (auto& c : rel.quals)
    quals.push_back(table == rel.table ? c->expr : rewrite(c->expr, [&](const ExprPtr& x, int) -> ExprPtr {
      if (x->kind != ExprKind::kVar || static_cast<const VarExpr&>(*x).relation != rel.rti || static_cast<const VarExpr&>(*x).column <= 0) return nullptr;
      auto v = std::make_shared<VarExpr>(static_cast<const VarExpr&>(*x));
      v->column = positions[static_cast<size_t>(v->column - 1)];
      return v;
    }));
  for (int i : prune_partitions(map, quals, rel.rti, planner_)) expand_inheritance(map.partitions()[static_cast<size_t>(i)].table, rel, out);
}

void Level::child_paths(RelInfo& child) {
  const PlannerSettings& s = planner_.settings();
  auto scan = std::make_shared<PlanNode>();
  scan->type = NodeType::kSeqScan;
  scan->rti = child.rti;
  scan->relids = child.relids;
  scan->relation = child.table->oid;
  scan->table = child.table;
  scan->alias = child.alias;
  scan->column_map = child.column_map;
  scan->sample_method = child.rte->sample_method;
  scan->sample_args = child.rte->sample_args;
  scan->sample_repeatable = child.rte->sample_repeatable;
  for (auto& c : child.quals) scan->quals.push_back(c->expr);
  scan->rows = child.rows;
  scan->width = child.width;
  scan->total = child.pages * s.seq_page_cost + child.tuples * (s.cpu_tuple_cost + qual_cost(scan->quals, planner_));
  if (!s.enable_seqscan) { scan->total += 1e10; scan->startup += 1e10; }
  add_path(child, scan);
  if (child.rte->sample_method.empty()) index_paths(child);
  set_cheapest(child);
}

void Level::inherit_path(RelInfo& rel) {
  std::vector<std::shared_ptr<const catalog::Relation>> tables;
  if (!rel.table->partitioning && !rel.rte->inherit) tables.push_back(rel.table);
  else expand_inheritance(rel.table, rel, tables);
  std::vector<ExprPtr> quals;
  for (auto& c : rel.quals) quals.push_back(c->expr);
  const double selected = list_selectivity(quals);
  std::vector<RelInfo> children;
  rel.tuples = 0;
  for (auto& table : tables) {
    RelInfo one = rel;
    one.paths.clear();
    one.table = table;
    one.stats = planner_.state->statistics(table->oid);
    one.tuples = std::max(1.0, one.stats && one.stats->rows >= 0 ? one.stats->rows : 1000);
    one.pages = one.stats && one.stats->pages > 0 ? one.stats->pages : std::max(1.0, std::ceil(one.tuples * 80 / 8192));
    one.rows = std::max(1.0, std::round(one.tuples * selected));
    // A partition that is alone goes by its parent's name.
    one.alias = tables.size() == 1 && q_.result_relation != rel.rti ? rel.rte->alias : fmt::format("{}_{}", rel.rte->alias, children.size() + 1);
    if (table->oid != rel.table->oid) {
      one.column_map = attribute_map(*rel.table, *table);
      one.parent_columns = attribute_map(*table, *rel.table);
    }
    child_paths(one);
    rel.tuples += one.tuples;
    children.push_back(std::move(one));
  }
  rel.tuples = std::max(1.0, rel.tuples);
  if (children.empty()) {
    auto none = std::make_shared<PlanNode>();
    none->type = NodeType::kResult;
    none->rti = 0;
    none->relids = rel.relids;
    none->one_time.push_back(make_bool(false));
    none->width = rel.width;
    rel.rows = 1;
    add_path(rel, none);
    return;
  }
  rel.rows = 0;
  for (auto& c : children) rel.rows += c.rows;
  if (children.size() == 1) {
    for (auto& p : children[0].paths) add_path(rel, p);
    return;
  }
  // One Append without parameters, and one for each set of outer relations that every child has an index for.
  std::vector<Relids> outers{rel.lateral};
  for (auto& p : children[0].paths)
    if (std::find(outers.begin(), outers.end(), p->required_outer) == outers.end()) outers.push_back(p->required_outer);
  for (Relids outer : outers) {
    auto append = std::make_shared<PlanNode>();
    append->type = NodeType::kAppend;
    append->rti = 0;
    append->relids = rel.relids;
    append->required_outer = outer;
    append->width = rel.width;
    append->rows = 0;
    bool every = true;
    for (auto& c : children) {
      NodePtr best;
      for (auto& p : c.paths)
        if (p->required_outer == outer && (!best || p->total < best->total)) best = p;
      if (!best) { every = false; break; }
      // What every child enforces, the join need not.
      if (append->children.empty()) {
        append->enforced = best->enforced;
        append->enforced_ecs = best->enforced_ecs;
      } else {
        std::erase_if(append->enforced, [&](auto& e) { return std::none_of(best->enforced.begin(), best->enforced.end(), [&](auto& x) { return equal(x, e); }); });
        std::erase_if(append->enforced_ecs, [&](int e) { return std::find(best->enforced_ecs.begin(), best->enforced_ecs.end(), e) == best->enforced_ecs.end(); });
      }
      append->startup = append->children.empty() ? best->startup : append->startup;
      append->total += best->total;
      append->rows += best->rows;
      append->children.push_back(best);
    }
    if (every) add_path(rel, append);
  }
}

}  // namespace stele::query
