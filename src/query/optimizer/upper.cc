// Everything above the joins: grouping, windows, set-returning targets, DISTINCT, ORDER BY, LIMIT, locks.
#include "base/error.h"
#include "query/optimizer/planner.h"
#include "types/builtin.h"
#include "types/oids.h"

namespace stele::query {

namespace {
NodePtr node_over(NodeType type, const NodePtr& child) {
  auto n = std::make_shared<PlanNode>();
  n->type = type;
  n->startup = child->startup;
  n->total = child->total;
  n->rows = child->rows;
  n->width = child->width;
  n->pathkeys = child->pathkeys;
  n->relids = child->relids;
  n->children = {child};
  return n;
}
NodePtr project(const NodePtr& child, std::vector<ExprPtr> targets, Planner& p) {
  auto n = node_over(NodeType::kProject, child);
  n->width = exprs_width(targets);
  n->total += child->rows * qual_cost(targets, p);
  n->set_targets = std::move(targets);
  return n;
}
}  // namespace

std::vector<ExprPtr> Level::target_exprs() const {
  std::vector<ExprPtr> out;
  for (auto& t : q_.targets) out.push_back(t.expr);
  return out;
}
std::vector<ExprPtr> Level::output_exprs() const {
  if (!set_columns_.empty()) return set_columns_;
  if (q_.command != CommandKind::kSelect) {
    std::vector<ExprPtr> out;
    for (auto& t : q_.returning) out.push_back(t.expr);
    return out;
  }
  std::vector<ExprPtr> out;
  for (auto& t : q_.targets) if (!t.junk) out.push_back(t.expr);
  return out;
}

SortKey Level::sort_key_for(const SortGroupRef& r, const std::vector<TargetEntry>& targets) {
  SortKey k;
  for (size_t i = 0; i < targets.size(); ++i)
    if (targets[i].sort_group_ref == r.ref) {
      k.target = static_cast<int>(i);
      k.expr = targets[i].expr;
      break;
    }
  if (!k.expr) throw Error(ErrorCode::kInternalError, "ORDER/GROUP BY expression not found in targetlist");
  k.sort_op = r.sort_op;
  k.equality_op = r.equality_op;
  k.descending = r.descending;
  k.nulls_first = r.nulls_first;
  k.hashable = r.hashable;
  k.collation = k.expr->collation;
  return k;
}

bool Level::sorted_by(const PlanNode& n, const std::vector<SortKey>& keys) {
  auto wanted = pathkeys_for(keys);
  return n.pathkeys.size() >= wanted.size() && std::equal(wanted.begin(), wanted.end(), n.pathkeys.begin());
}
NodePtr Level::make_sort(NodePtr input, const std::vector<SortKey>& keys, double limit) {
  auto n = node_over(NodeType::kSort, input);
  for (auto& k : keys)
    if (std::none_of(n->sort_keys.begin(), n->sort_keys.end(), [&](auto& x) { return equal(x.expr, k.expr); })) n->sort_keys.push_back(k);
  n->limit_rows = limit;
  n->required_outer = input->required_outer;
  cost_sort(*n, *input, limit, planner_);
  n->pathkeys = pathkeys_for(keys);
  if (!planner_.settings().enable_sort) n->total += 1e10;
  return n;
}

NodePtr Level::plan_from_where(std::vector<SortKey>& wanted) {
  NodePtr best;
  if (q_.from.empty()) {
    best = std::make_shared<PlanNode>();
    best->type = NodeType::kResult;
    best->total = planner_.settings().cpu_tuple_cost;
    split_and(q_.where, best->one_time);
    return best;
  }
  collect_used_columns();
  collect_base_relations();
  for (auto& item : q_.from) deconstruct(item, false);
  std::vector<ExprPtr> quals;
  split_and(q_.where, quals);
  for (auto& q : quals) distribute(q, false, all_, 0, 0, false);
  base_implied();
  extract_or_quals();
  query_order_ = wanted;
  std::vector<PathKey> order = pathkeys_for(wanted);
  bool contradiction = std::any_of(one_time_.begin(), one_time_.end(), is_false_or_null);
  if (!contradiction) {
    for (auto* rel : base_) set_base_paths(*rel);
    best = join_search();
    cheapest_input_ = best;
    if (!order.empty()) {
      RelInfo* top = rel_for(all_);
      double fraction = tuple_fraction_ >= 1 ? std::min(1.0, tuple_fraction_ / std::max(1.0, top->rows)) : tuple_fraction_ > 0 ? tuple_fraction_ : 1;
      auto cost = [&](const PlanNode& p) {
        bool sorted = p.pathkeys.size() >= order.size() && std::equal(order.begin(), order.end(), p.pathkeys.begin());
        if (sorted) return p.startup + (p.total - p.startup) * fraction;
        double n = std::max(2.0, p.rows);
        return p.total + 2 * planner_.settings().cpu_operator_cost * n * std::log2(fraction < 1 && tuple_fraction_ >= 1 ? std::max(2.0, 2 * tuple_fraction_) : n);
      };
      double best_cost = cost(*best);
      for (auto& p : top->paths) {
        if (p->required_outer) continue;
        double c = cost(*p);
        if (c < best_cost * 0.999) { best = p; best_cost = c; }
      }
    } else if (tuple_fraction_ > 0) {
      RelInfo* top = rel_for(all_);
      double fraction = tuple_fraction_ >= 1 ? std::min(1.0, tuple_fraction_ / std::max(1.0, top->rows)) : tuple_fraction_;
      for (auto& p : top->paths)
        if (!p->required_outer && p->startup + (p->total - p->startup) * fraction < best->startup + (best->total - best->startup) * fraction) best = p;
    }
  } else {
    best = std::make_shared<PlanNode>();
    best->type = NodeType::kResult;
    best->relids = all_;
    best->one_time.push_back(make_bool(false));
    best->rows = 1;
    return best;
  }
  if (!one_time_.empty()) {
    auto n = node_over(NodeType::kResult, best);
    n->one_time = one_time_;
    best = n;
    cheapest_input_ = nullptr;
  }
  return best;
}

NodePtr Level::plan_grouping(NodePtr input) {
  std::vector<ExprPtr> aggregates;
  auto collect = [&](const ExprPtr& e) {
    std::function<void(const ExprPtr&)> visit = [&](const ExprPtr& x) {
      if (!x) return;
      if (x->kind == ExprKind::kAggregate || x->kind == ExprKind::kGrouping) { add_distinct(aggregates, x); return; }
      for_each_child(*x, visit);
    };
    visit(e);
  };
  for (auto& t : q_.targets) collect(t.expr);
  collect(q_.having);
  auto n = node_over(NodeType::kAgg, input);
  n->pathkeys.clear();
  std::vector<SortKey> keys;
  for (auto& g : q_.group_by) {
    SortKey k = sort_key_for(g, q_.targets);
    if (std::none_of(keys.begin(), keys.end(), [&](auto& x) { return equal(x.expr, k.expr); })) { keys.push_back(k); n->group_keys.push_back(k.expr); }
  }
  n->aggregates = aggregates;
  split_and(q_.having, n->quals);
  const PlannerSettings& s = planner_.settings();
  double agg_cost = input->rows * s.cpu_operator_cost * static_cast<double>(std::max<size_t>(1, aggregates.size()));
  if (!q_.grouping_sets.empty()) {
    n->strategy = AggStrategy::kMixed;
    n->grouping_sets = expand_grouping_sets();
    double groups = 0;
    for (auto& set : n->grouping_sets) {
      std::vector<ExprPtr> exprs;
      for (int i : set) exprs.push_back(n->group_keys[i]);
      groups += estimate_groups(exprs, input->rows);
    }
    n->rows = std::max(1.0, groups);
    n->startup = input->total + agg_cost * static_cast<double>(n->grouping_sets.size());
    n->total = n->startup + n->rows * s.cpu_tuple_cost;
    return n;
  }
  if (keys.empty() && q_.group_by.empty()) {
    n->strategy = AggStrategy::kPlain;
    n->rows = 1;
    n->startup = input->total + agg_cost;
    n->total = n->startup + s.cpu_tuple_cost;
    return n;
  }
  double groups = estimate_groups(n->group_keys, input->rows);
  double having = 1;
  for (size_t i = 0; i < n->quals.size(); ++i) having *= 0.3333;
  bool ordered = std::any_of(aggregates.begin(), aggregates.end(), [](auto& a) {
    return a->kind == ExprKind::kAggregate && (static_cast<const AggregateExpr&>(*a).distinct || !static_cast<const AggregateExpr&>(*a).order_by.empty() || static_cast<const AggregateExpr&>(*a).agg_kind != 'n');
  });
  bool hashable = std::all_of(keys.begin(), keys.end(), [](auto& k) { return k.hashable; });
  bool sorted = sorted_by(*input, keys);
  NodePtr hash_input = cheapest_input_ ? cheapest_input_ : input;
  NodePtr sort_input = sorted ? input : make_sort(hash_input, keys);
  double hash_cost = hash_input->total + input->rows * s.cpu_operator_cost * static_cast<double>(keys.size());
  bool hash = hashable && !ordered && s.enable_hashagg && hash_cost < sort_input->total + input->rows * s.cpu_operator_cost * static_cast<double>(keys.size());
  if (!hash && !ordered && hashable && !sorted && !s.enable_sort) hash = true;
  if (hash && sorted && sort_input->total <= hash_cost) hash = false;
  n->rows = std::max(1.0, std::round(groups * having));
  if (hash) {
    n->strategy = AggStrategy::kHashed;
    n->children = {hash_input};
    n->startup = hash_cost + agg_cost;
    n->total = n->startup + groups * s.cpu_tuple_cost;
  } else {
    n->strategy = AggStrategy::kSorted;
    n->children = {sort_input};
    n->startup = sort_input->startup;
    n->total = sort_input->total + agg_cost + groups * s.cpu_tuple_cost;
    n->pathkeys = pathkeys_for(keys);
    if (aggregates.empty()) n->type = NodeType::kGroup;
  }
  return n;
}

std::vector<std::vector<int>> Level::expand_grouping_sets() {
  auto index_of = [&](int ref) {
    SortGroupRef r;
    for (auto& g : q_.group_by) if (g.ref == ref) r = g;
    ExprPtr e = sort_key_for(r, q_.targets).expr;
    std::vector<ExprPtr> keys;
    for (auto& g : q_.group_by) add_distinct(keys, sort_key_for(g, q_.targets).expr);
    for (size_t i = 0; i < keys.size(); ++i) if (equal(keys[i], e)) return static_cast<int>(i);
    return 0;
  };
  using Sets = std::vector<std::vector<int>>;
  auto merged = [](const std::vector<int>& a, const std::vector<int>& b) {
    std::vector<int> out = a;
    for (int x : b) if (std::find(out.begin(), out.end(), x) == out.end()) out.push_back(x);
    return out;
  };
  std::function<Sets(const GroupingSet&)> expand = [&](const GroupingSet& g) -> Sets {
    // The elements of ROLLUP and CUBE: single columns, or parenthesised groups of them.
    std::vector<std::vector<int>> elements;
    if (!g.children.empty() && g.kind != GroupingSetKind::kSets)
      for (auto& c : g.children) elements.push_back(expand(c).front());
    else if (g.kind != GroupingSetKind::kSimple)
      for (int r : g.refs) elements.push_back({index_of(r)});
    switch (g.kind) {
      case GroupingSetKind::kEmpty: return {{}};
      case GroupingSetKind::kSimple: {
        std::vector<int> one;
        for (int r : g.refs) one = merged(one, {index_of(r)});
        return {one};
      }
      case GroupingSetKind::kRollup: {
        Sets out;
        for (size_t n = elements.size() + 1; n-- > 0;) {
          std::vector<int> s;
          for (size_t i = 0; i < n; ++i) s = merged(s, elements[i]);
          out.push_back(s);
        }
        return out;
      }
      case GroupingSetKind::kCube: {
        if (elements.size() > 12) throw Error(ErrorCode::kTooManyColumns, "CUBE is limited to 12 elements");
        Sets out;
        for (size_t mask = size_t{1} << elements.size(); mask-- > 0;) {
          std::vector<int> s;
          for (size_t i = 0; i < elements.size(); ++i)
            if (mask >> (elements.size() - 1 - i) & 1) s = merged(s, elements[i]);
          out.push_back(s);
        }
        return out;
      }
      case GroupingSetKind::kSets: {
        Sets out;
        for (auto& c : g.children) for (auto& s : expand(c)) out.push_back(s);
        for (auto& e : elements) out.push_back(e);
        return out;
      }
    }
    return {};
  };
  Sets all = {{}};
  for (auto& g : q_.grouping_sets) {
    Sets next;
    Sets mine = expand(g);
    for (auto& a : all) for (auto& b : mine) next.push_back(merged(a, b));
    all = std::move(next);
    if (all.size() > 4096) throw Error(ErrorCode::kStatementTooComplex, "too many grouping sets present (maximum 4096)");
  }
  // Columns grouped by in every set were written beside the sets.
  if (q_.group_distinct) {
    Sets unique;
    for (auto& s : all) {
      auto key = s;
      std::sort(key.begin(), key.end());
      if (std::none_of(unique.begin(), unique.end(), [&](auto u) { std::sort(u.begin(), u.end()); return u == key; })) unique.push_back(s);
    }
    all = std::move(unique);
  }
  return all;
}

NodePtr Level::plan_windows(NodePtr input) {
  std::vector<ExprPtr> functions;
  for (auto& t : q_.targets) {
    std::function<void(const ExprPtr&)> visit = [&](const ExprPtr& x) {
      if (!x) return;
      if (x->kind == ExprKind::kWindow) { add_distinct(functions, x); return; }
      for_each_child(*x, visit);
    };
    visit(t.expr);
  }
  std::vector<std::pair<WindowSpec, std::vector<SortKey>>> specs;
  for (size_t w = 0; w < q_.windows.size(); ++w) {
    WindowSpec spec;
    spec.window = q_.windows[w];
    for (auto& f : functions) if (static_cast<const WindowExpr&>(*f).window == static_cast<int>(w)) spec.functions.push_back(f);
    if (spec.functions.empty()) continue;
    std::vector<SortKey> keys;
    for (auto& p : spec.window.partition_by) { SortKey k = sort_key_for(p, q_.targets); spec.partition_by.push_back(k.expr); keys.push_back(k); }
    for (auto& o : spec.window.order_by) { SortKey k = sort_key_for(o, q_.targets); spec.order_by.push_back(k); keys.push_back(k); }
    specs.emplace_back(std::move(spec), std::move(keys));
  }
  // The most demanding orders first, so that the others may find theirs already there.
  std::stable_sort(specs.begin(), specs.end(), [](auto& a, auto& b) { return a.second.size() > b.second.size(); });
  NodePtr n = input;
  for (auto& [spec, keys] : specs) {
    if (!keys.empty() && !sorted_by(*n, keys)) n = make_sort(n, keys);
    auto w = node_over(NodeType::kWindowAgg, n);
    w->windows = {spec};
    w->total += n->rows * planner_.settings().cpu_operator_cost * static_cast<double>(spec.functions.size() + keys.size()) + n->rows * planner_.settings().cpu_tuple_cost;
    n = w;
  }
  return n;
}

NodePtr Level::plan_project(NodePtr input) {
  std::vector<ExprPtr> targets = target_exprs();
  bool srf = std::any_of(targets.begin(), targets.end(), returns_set);
  if (!srf) return project(input, targets, planner_);
  // Set-returning calls run innermost first; what surrounds them is computed above.
  NodePtr n = input;
  std::vector<ExprPtr> computed;
  for (int depth = 0; depth < 16; ++depth) {
    std::vector<ExprPtr> ready;
    std::function<bool(const ExprPtr&)> visit = [&](const ExprPtr& e) -> bool {   // true: has an uncomputed SRF
      if (!e) return false;
      for (auto& c : computed) if (equal(c, e)) return false;
      bool below = false;
      for_each_child(*e, [&](const ExprPtr& c) { below |= visit(c); });
      if (e->kind == ExprKind::kFunc && static_cast<const FuncExpr&>(*e).returns_set) {
        if (!below) add_distinct(ready, e);
        return true;
      }
      return below;
    };
    for (auto& t : targets) visit(t);
    if (ready.empty()) break;
    auto ps = node_over(NodeType::kProjectSet, n);
    // Besides the sets: what the final targets need from below.
    std::vector<ExprPtr> keep = ready;
    std::function<void(const ExprPtr&)> carry = [&](const ExprPtr& e) {
      if (!e) return;
      for (auto& r : ready) if (equal(r, e)) return;
      for (auto& c : computed) if (equal(c, e)) { add_distinct(keep, e); return; }
      for (auto& g : provided_below_) if (equal(g, e)) { add_distinct(keep, e); return; }
      if (e->kind == ExprKind::kVar || e->kind == ExprKind::kAggregate || e->kind == ExprKind::kWindow || e->kind == ExprKind::kGrouping) { add_distinct(keep, e); return; }
      for_each_child(*e, carry);
    };
    for (auto& t : targets) carry(t);
    ps->set_targets = keep;
    double rows = 1;
    for (auto& r : ready) rows = std::max(rows, function_info(static_cast<const FuncExpr&>(*r).func, planner_.ctx).rows);
    ps->rows = n->rows * rows;
    ps->total += ps->rows * planner_.settings().cpu_tuple_cost;
    computed.insert(computed.end(), ready.begin(), ready.end());
    n = ps;
  }
  return project(n, targets, planner_);
}

NodePtr Level::plan_distinct(NodePtr input) {
  std::vector<SortKey> keys;
  for (auto& d : q_.distinct) keys.push_back(sort_key_for(d, q_.targets));
  const PlannerSettings& s = planner_.settings();
  std::vector<ExprPtr> exprs;
  for (auto& k : keys) exprs.push_back(k.expr);
  double groups = estimate_groups(exprs, input->rows);
  if (keys.empty()) {   // DISTINCT over constants only
    auto n = node_over(NodeType::kLimit, input);
    n->limit_count = make_const(oid::kInt8, {Datum::from_int(1), false}, planner_.ctx);
    n->rows = 1;
    return n;
  }
  std::vector<SortKey> order;
  for (auto& o : q_.order_by) order.push_back(sort_key_for(o, q_.targets));
  // Sort by ORDER BY when that also brings equal rows together.
  auto covers = [&](size_t n) {
    for (size_t i = 0; i < n; ++i)
      if (std::none_of(keys.begin(), keys.end(), [&](auto& k) { return equal(k.expr, order[i].expr); })) return false;
    return true;
  };
  std::vector<SortKey> sort;
  if (q_.has_distinct_on) {
    sort = order;
    if (sort.empty()) sort = keys;
    for (auto& k : keys)
      if (std::none_of(sort.begin(), sort.end(), [&](auto& x) { return equal(x.expr, k.expr); })) sort.push_back(k);
  } else {
    if (covers(order.size())) sort = order;
    for (auto& k : keys)
      if (std::none_of(sort.begin(), sort.end(), [&](auto& x) { return equal(x.expr, k.expr); })) sort.push_back(k);
  }
  bool hashable = std::all_of(keys.begin(), keys.end(), [](auto& k) { return k.hashable; });
  NodePtr sorted = sorted_by(*input, sort) ? input : make_sort(input, sort);
  double hash_total = input->total + input->rows * s.cpu_operator_cost * static_cast<double>(keys.size()) + groups * s.cpu_tuple_cost;
  double order_cost = 0;
  if (!order.empty()) order_cost = 2 * s.cpu_operator_cost * groups * std::log2(std::max(2.0, groups));
  if (!q_.has_distinct_on && hashable && s.enable_hashagg && hash_total + order_cost < sorted->total + input->rows * s.cpu_operator_cost * static_cast<double>(keys.size())) {
    // Every output column is a key, so the aggregate passes all of the targets on.
    auto n = node_over(NodeType::kAgg, input);
    n->strategy = AggStrategy::kHashed;
    // In the order of the targets, which is the plan's; DISTINCT names those of ORDER BY first.
    std::stable_sort(keys.begin(), keys.end(), [](auto& a, auto& b) { return a.target < b.target; });
    for (auto& k : keys) n->group_keys.push_back(k.expr);
    n->rows = groups;
    n->startup = hash_total - groups * s.cpu_tuple_cost;
    n->total = hash_total;
    n->pathkeys.clear();
    return n;
  }
  auto n = node_over(NodeType::kUnique, sorted);
  n->sort_keys = keys;
  n->rows = groups;
  n->total += sorted->rows * s.cpu_operator_cost * static_cast<double>(keys.size());
  return n;
}

NodePtr Level::plan_order(NodePtr input) {
  std::vector<SortKey> keys;
  for (auto& o : q_.order_by) keys.push_back(sort_key_for(o, q_.targets));
  if (sorted_by(*input, keys)) return input;
  double limit = -1;
  auto number = [](const ExprPtr& e, double* out) {
    if (!e) { *out = 0; return true; }
    if (e->kind != ExprKind::kConst) return false;
    auto& c = static_cast<const ConstExpr&>(*e);
    *out = c.is_null ? 0 : static_cast<double>(c.value.as_int());
    return true;
  };
  double count = 0, offset = 0;
  if (q_.limit_count && number(q_.limit_count, &count) && number(q_.limit_offset, &offset) && !q_.with_ties) limit = count + offset;
  return make_sort(input, keys, limit);
}

NodePtr Level::plan_limit(NodePtr input) {
  auto n = node_over(NodeType::kLimit, input);
  n->limit_count = q_.limit_count;
  n->limit_offset = q_.limit_offset;
  n->with_ties = q_.with_ties;
  if (q_.with_ties) for (auto& o : q_.order_by) n->sort_keys.push_back(sort_key_for(o, q_.targets));
  auto value = [](const ExprPtr& e, double fallback) {
    if (!e) return -1.0;
    if (e->kind != ExprKind::kConst) return fallback;
    auto& c = static_cast<const ConstExpr&>(*e);
    return c.is_null ? -1.0 : std::max(0.0, static_cast<double>(c.value.as_int()));
  };
  double offset = value(q_.limit_offset, std::max(1.0, input->rows * 0.1)), count = value(q_.limit_count, std::max(1.0, input->rows * 0.1));
  double run = input->total - input->startup, rows = std::max(1.0, input->rows);
  if (offset > 0) {
    double skip = std::min(offset, rows);
    n->startup += run * skip / rows;
    n->rows = std::max(1.0, rows - skip);
  }
  if (count >= 0) {
    double take = std::min(count, n->rows);
    n->total = n->startup + run * take / rows;
    n->rows = std::max(1.0, take);
  }
  return n;
}

NodePtr Level::plan_locks(NodePtr input) {
  auto n = node_over(NodeType::kLockRows, input);
  for (auto& l : q_.row_locks) {
    auto rte = planner_.rte(l.relation);
    if (rte->kind != RteKind::kRelation || rte->relation < oid::kFirstUserOid) continue;
    n->locks.emplace_back(l, 0);
    n->lock_row_ids.push_back(make_var(l.relation, system_column::kRowId, oid::kInt8));
    n->lock_row_ids.push_back(make_var(l.relation, system_column::kTableOid, oid::kOid));
  }
  n->total += input->rows * planner_.settings().cpu_tuple_cost;
  return n->locks.empty() ? input : n;
}

}  // namespace stele::query
