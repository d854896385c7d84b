// From the chosen path to an executable tree: every node gets exactly the columns that those above it use,
// and nested loops get the exec parameters that their inner sides need.
#include "base/error.h"
#include "query/optimizer/planner.h"
#include "query/scan_providers.h"
#include "types/oids.h"

namespace stele::query {

void add_distinct(std::vector<ExprPtr>& list, const ExprPtr& e) {
  if (std::none_of(list.begin(), list.end(), [&](auto& x) { return equal(x, e); })) list.push_back(e);
}

void pull_needed(const ExprPtr& e, std::vector<ExprPtr>& out) {
  if (!e) return;
  switch (e->kind) {
    case ExprKind::kVar:
    case ExprKind::kAggregate: case ExprKind::kGrouping: case ExprKind::kWindow: add_distinct(out, e); return;
    default: for_each_child(*e, [&](const ExprPtr& c) { pull_needed(c, out); });
  }
}

namespace {
void pull_vars(const ExprPtr& e, std::vector<ExprPtr>& out) {
  if (!e) return;
  if (e->kind == ExprKind::kVar) { add_distinct(out, e); return; }
  for_each_child(*e, [&](const ExprPtr& c) { pull_vars(c, out); });
}

// What a node computes beyond Vars; false: Vars of its relations only.
bool provided(const PlanNode& n, std::vector<ExprPtr>& out) {
  switch (n.type) {
    case NodeType::kAgg: case NodeType::kGroup:
      out.insert(out.end(), n.group_keys.begin(), n.group_keys.end());
      out.insert(out.end(), n.aggregates.begin(), n.aggregates.end());
      return true;
    case NodeType::kWindowAgg: {
      for (auto& w : n.windows) out.insert(out.end(), w.functions.begin(), w.functions.end());
      provided(*n.children[0], out);
      return true;
    }
    case NodeType::kProject: case NodeType::kProjectSet: case NodeType::kSetOp: case NodeType::kRecursiveUnion:
      out.insert(out.end(), n.set_targets.begin(), n.set_targets.end());
      return true;
    case NodeType::kAppend: case NodeType::kMergeAppend:
      out.insert(out.end(), n.set_targets.begin(), n.set_targets.end());
      return !n.set_targets.empty();
    case NodeType::kSort: case NodeType::kUnique: case NodeType::kLimit: case NodeType::kLockRows: case NodeType::kMaterialize:
      return provided(*n.children[0], out);
    case NodeType::kResult: return !n.children.empty() && provided(*n.children[0], out);
    default: return false;
  }
}
void decompose(const ExprPtr& e, const std::vector<ExprPtr>& available, std::vector<ExprPtr>& out) {
  if (!e) return;
  for (auto& a : available) if (equal(a, e)) { add_distinct(out, a); return; }
  if (e->kind == ExprKind::kVar || e->kind == ExprKind::kAggregate || e->kind == ExprKind::kWindow || e->kind == ExprKind::kGrouping) { add_distinct(out, e); return; }
  for_each_child(*e, [&](const ExprPtr& c) { decompose(c, available, out); });
}
std::vector<ExprPtr> needs_of(const std::vector<ExprPtr>& exprs, const PlanNode& child) {
  std::vector<ExprPtr> available, out;
  provided(child, available);
  for (auto& e : exprs) decompose(e, available, out);
  return out;
}

struct Substitution {
  Level& level;
  Relids outer;
  std::vector<std::pair<int, ExprPtr>>& params;
  ExprPtr apply(const ExprPtr& e) {
    return rewrite(e, [&](const ExprPtr& x, int) -> ExprPtr {
      if (x->kind != ExprKind::kVar || !(level.bit(static_cast<const VarExpr&>(*x).relation) & outer)) return nullptr;
      int id = -1;
      for (auto& [i, v] : params) if (equal(v, x)) id = i;
      if (id < 0) {
        id = level.planner_.new_param();
        params.emplace_back(id, x);
      }
      auto p = std::make_shared<ParamExpr>();
      p->param_kind = ParamKind::kExec;
      p->id = id;
      p->type = x->type;
      p->typmod = x->typmod;
      p->collation = x->collation;
      return p;
    });
  }
  void list(std::vector<ExprPtr>& v) { for (auto& e : v) e = apply(e); }
  // Nodes of a finalized tree belong to it alone.
  void tree(PlanNode& n) {
    for (auto& c : n.conds) { c.value = c.value ? apply(c.value) : nullptr; c.clause = c.clause ? apply(c.clause) : nullptr; }
    for (auto& l : n.or_conds) for (auto& c : l) c.value = c.value ? apply(c.value) : nullptr;
    for (auto& f : n.functions) f.call = apply(f.call);
    for (auto& r : n.values) list(r);
    list(n.quals);
    list(n.join_quals);
    list(n.provider_filter);
    if (n.provider)
      if (auto changed = static_cast<const ProviderPlan&>(*static_cast<ProviderPlan*>(n.provider.get())).map([&](const ExprPtr& e) { return apply(e); })) n.provider = changed;
    for (auto& [id, e] : n.nest_params) e = apply(e);
    std::vector<std::pair<int, ExprPtr>> rest;
    for (auto& [id, e] : n.lateral_params) {
      // The subquery's parameter is set by the first loop that has the column.
      if (level.relids_of(e) & outer) { if (std::none_of(params.begin(), params.end(), [&, i = id](auto& p) { return p.first == i; })) params.emplace_back(id, e); }
      else rest.emplace_back(id, e);
    }
    n.lateral_params = std::move(rest);
    if (n.type == NodeType::kSubqueryScan) return;
    for (auto& c : n.children) tree(*c);
  }
};
}  // namespace

NodePtr finalize(const NodePtr& path, const std::vector<ExprPtr>& need, Level& level) {
  auto n = std::make_shared<PlanNode>(*path);
  std::vector<ExprPtr> vars;
  auto collect = [&](const std::vector<ExprPtr>& list) { for (auto& e : list) pull_vars(e, vars); };
  auto pass_through = [&](const std::vector<ExprPtr>& extra) {
    std::vector<ExprPtr> wanted = need;
    wanted.insert(wanted.end(), extra.begin(), extra.end());
    n->children[0] = finalize(path->children[0], needs_of(wanted, *path->children[0]), level);
    n->layout = n->children[0]->layout;
  };
  auto key_exprs = [](const std::vector<SortKey>& keys) {
    std::vector<ExprPtr> out;
    for (auto& k : keys) out.push_back(k.expr);
    return out;
  };
  switch (n->type) {
    case NodeType::kSeqScan: case NodeType::kIndexScan: case NodeType::kIndexOnlyScan: case NodeType::kBitmapScan: case NodeType::kFunctionScan:
    case NodeType::kValuesScan: case NodeType::kCteScan: case NodeType::kWorkTableScan: case NodeType::kProviderScan: case NodeType::kSubqueryScan:
      collect(need);
      n->layout = vars;
      break;
    case NodeType::kResult:
      if (!n->children.empty()) { pass_through({}); break; }
      collect(need);
      n->layout = vars;
      break;
    case NodeType::kAppend: case NodeType::kMergeAppend:
      if (n->set_targets.empty()) {   // inheritance
        collect(need);
        for (auto& k : n->sort_keys) pull_vars(k.expr, vars);
        n->layout = vars;
        for (auto& c : n->children) c = finalize(c, vars, level);
        break;
      }
      n->layout = n->set_targets;   // children were finalized by their own levels
      break;
    case NodeType::kSetOp: case NodeType::kRecursiveUnion: n->layout = n->set_targets; break;
    case NodeType::kNestLoop: case NodeType::kHashJoin: case NodeType::kMergeJoin: {
      collect(need);
      n->layout = vars;
      collect(n->quals);
      collect(n->join_quals);
      std::vector<ExprPtr> outer_need, inner_need;
      auto split = [&](const ExprPtr& v) {
        Relids r = level.relids_of(v);
        if (r & path->children[0]->relids) add_distinct(outer_need, v);
        else add_distinct(inner_need, v);
      };
      for (auto& e : n->outer_keys) pull_vars(e, vars);
      for (auto& e : n->inner_keys) pull_vars(e, vars);
      for (auto& v : vars) split(v);
      n->children[1] = finalize(path->children[1], inner_need, level);
      if (n->type == NodeType::kNestLoop) {
        Substitution s{level, path->children[0]->relids, n->nest_params};
        s.tree(*n->children[1]);
        for (auto& [id, e] : n->nest_params) {
          std::vector<ExprPtr> more;
          pull_vars(e, more);
          for (auto& v : more) if (level.relids_of(v) & path->children[0]->relids) add_distinct(outer_need, v);
        }
      }
      n->children[0] = finalize(path->children[0], outer_need, level);
      break;
    }
    case NodeType::kMaterialize: case NodeType::kLimit: {
      pass_through(key_exprs(n->sort_keys));
      if (n->type == NodeType::kLimit && !n->with_ties) {
        // A scan that searches for the best rows wants to know how many are read.
        PlanNode* below = n->children[0].get();
        while (below->type == NodeType::kProject && below->children.size() == 1) below = below->children[0].get();
        if (below->type == NodeType::kProviderScan && below->quals.empty()) { below->limit_count = n->limit_count; below->limit_offset = n->limit_offset; }
      }
      break;
    }
    case NodeType::kSort: case NodeType::kUnique: pass_through(key_exprs(n->sort_keys)); break;
    case NodeType::kLockRows: pass_through(n->lock_row_ids); break;
    case NodeType::kAgg: case NodeType::kGroup: {
      n->layout = n->group_keys;
      n->layout.insert(n->layout.end(), n->aggregates.begin(), n->aggregates.end());
      std::vector<ExprPtr> wanted = n->group_keys;
      for (auto& a : n->aggregates)
        if (a->kind == ExprKind::kAggregate) for_each_child(*a, [&](const ExprPtr& c) { wanted.push_back(c); });
      n->children[0] = finalize(path->children[0], needs_of(wanted, *path->children[0]), level);
      break;
    }
    case NodeType::kWindowAgg: {
      std::vector<ExprPtr> functions, wanted;
      for (auto& w : n->windows) {
        for (auto& f : w.functions) { functions.push_back(f); for_each_child(*f, [&](const ExprPtr& c) { wanted.push_back(c); }); }
        wanted.insert(wanted.end(), w.partition_by.begin(), w.partition_by.end());
        for (auto& k : w.order_by) wanted.push_back(k.expr);
      }
      std::vector<ExprPtr> below;
      for (auto& e : need) decompose(e, functions, below);
      for (auto& e : below)
        if (std::none_of(functions.begin(), functions.end(), [&](auto& f) { return equal(f, e); })) wanted.push_back(e);
      n->children[0] = finalize(path->children[0], needs_of(wanted, *path->children[0]), level);
      n->layout = n->children[0]->layout;
      n->layout.insert(n->layout.end(), functions.begin(), functions.end());
      break;
    }
    case NodeType::kProject: case NodeType::kProjectSet: {
      n->layout = n->set_targets;
      if (!n->children.empty()) n->children[0] = finalize(path->children[0], needs_of(n->set_targets, *path->children[0]), level);
      break;
    }
    case NodeType::kModifyTable: {
      n->children[0] = finalize(path->children[0], path->children[0]->set_targets, level);
      break;
    }
  }
  return n;
}

}  // namespace stele::query
