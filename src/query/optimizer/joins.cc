// Join order: dynamic programming over connected subsets, greedy beyond ten relations. Legality of outer
// and semi joins follows PostgreSQL's join_is_legal().
#include "base/error.h"
#include "query/optimizer/planner.h"
#include "types/builtin.h"
#include "types/oids.h"

namespace stele::query {

template <typename Joins>
[[noreturn]] static void no_join_order(const Joins& joins) {
  for (const auto& j : joins)
    if (j.kind == JoinKind::kFull) throw Error(ErrorCode::kFeatureNotSupported, "FULL JOIN is only supported with merge-joinable or hash-joinable join conditions");
  throw Error(ErrorCode::kInternalError, "failed to build any join order for the query");
}


RelInfo* Level::rel_for(Relids r) {
  auto it = rels_.find(r);
  return it == rels_.end() ? nullptr : it->second.get();
}

bool Level::has_clause_between(Relids a, Relids b) {
  for (auto& c : clauses_)
    if ((c->required & a) && (c->required & b)) return true;
  for (auto& ec : ecs_)
    if (!ec.merged && ec.from_clause && !ec.has_const && (ec.relids & a) && (ec.relids & b)) return true;
  RelInfo *x = rel_for(a), *y = rel_for(b);
  return (x != nullptr && (x->lateral & b)) || (y != nullptr && (y->lateral & a));
}

bool Level::has_order_restriction(Relids a, Relids b) {
  for (auto& sj : special_) {
    if (sj.kind == JoinKind::kFull) {
      if ((sj.min_left == a && sj.min_right == b) || (sj.min_left == b && sj.min_right == a)) return true;
      continue;
    }
    if (((sj.min_left & ~a) == 0 && (sj.min_right & ~b) == 0) || ((sj.min_left & ~b) == 0 && (sj.min_right & ~a) == 0)) return true;
    if (((sj.min_right & a) && (sj.min_right & b)) || ((sj.min_left & a) && (sj.min_left & b))) return true;
  }
  return false;
}

bool Level::legal_join(Relids a, Relids b, Relids joined, const SpecialJoin** out, bool* reversed) {
  const SpecialJoin* match = nullptr;
  *reversed = false;
  bool must_be_left = false;
  auto inside = [](Relids x, Relids y) { return (x & ~y) == 0; };
  for (auto& sj : special_) {
    if (!(sj.min_right & joined) || inside(joined, sj.min_right)) continue;
    if (inside(sj.min_left, a) && inside(sj.min_right, a)) continue;
    if (inside(sj.min_left, b) && inside(sj.min_right, b)) continue;
    if (sj.kind == JoinKind::kSemi) {
      if (inside(sj.syn_right, a) && sj.syn_right != a) continue;
      if (inside(sj.syn_right, b) && sj.syn_right != b) continue;
    }
    if (inside(sj.min_left, a) && inside(sj.min_right, b)) {
      if (match != nullptr) return false;
      match = &sj;
      *reversed = false;
    } else if (inside(sj.min_left, b) && inside(sj.min_right, a)) {
      if (match != nullptr) return false;
      match = &sj;
      *reversed = true;
    } else {
      if ((a & sj.min_right) && (b & sj.min_right)) continue;
      if (sj.kind != JoinKind::kLeft || (joined & sj.min_left)) return false;
      must_be_left = true;
    }
  }
  if (must_be_left && (match == nullptr || match->kind != JoinKind::kLeft || !match->lhs_strict)) return false;
  RelInfo *x = rel_for(a), *y = rel_for(b);
  bool fwd = (y->lateral & a) != 0, rev = (x->lateral & b) != 0;
  if (fwd && rev) return false;
  if (fwd && match != nullptr && (*reversed || match->kind == JoinKind::kFull)) return false;
  if (rev && match != nullptr && (!*reversed || match->kind == JoinKind::kFull)) return false;
  *out = match;
  return true;
}

bool Level::inner_is_unique(const RelInfo& inner, const std::vector<ClausePtr>& clauses, Relids outer) {
  if (std::popcount(inner.relids) != 1 || !inner.table) return false;
  for (Oid ix : inner.table->indexes) {
    auto index = planner_.relation(ix);
    if (!index || !index->index || !index->index->unique || !index->index->valid || !index->index->predicate_sql.empty()) continue;
    bool all = true;
    for (auto& k : index->index->keys) {
      bool found = false;
      if (k.column != 0)
        for (auto& c : clauses) {
          if (!c->equality) continue;
          const ExprPtr& mine = (c->left_relids & ~inner.relids) == 0 ? c->left : c->right;
          const ExprPtr& other = &mine == &c->left ? c->right : c->left;
          if (relids_of(other) & inner.relids) continue;
          const Expr* e = mine.get();
          while (e->kind == ExprKind::kRelabel) e = static_cast<const UnaryExpr*>(e)->arg.get();
          if (e->kind == ExprKind::kVar && static_cast<const VarExpr*>(e)->relation == inner.rti && static_cast<const VarExpr*>(e)->column == k.column) found = true;
        }
      all &= found;
    }
    if (all) return true;
  }
  return false;
}

namespace {
NodePtr make_join(NodeType type, JoinKind kind, const NodePtr& outer, const NodePtr& inner, double rows) {
  auto n = std::make_shared<PlanNode>();
  n->type = type;
  n->join = kind;
  n->children = {outer, inner};
  n->rows = rows;
  n->relids = outer->relids | inner->relids;
  n->required_outer = (outer->required_outer | inner->required_outer) & ~n->relids;
  n->width = kind == JoinKind::kSemi || kind == JoinKind::kAnti ? outer->width : outer->width + inner->width;
  return n;
}
NodePtr materialize(const NodePtr& in, Planner& p) {
  auto n = std::make_shared<PlanNode>();
  n->type = NodeType::kMaterialize;
  n->children = {in};
  n->startup = in->startup;
  n->total = in->total + 2 * p.settings().cpu_operator_cost * in->rows;
  n->rows = in->rows;
  n->width = in->width;
  n->relids = in->relids;
  n->required_outer = in->required_outer;
  n->pathkeys = in->pathkeys;
  return n;
}
}  // namespace

void Level::join_paths(RelInfo& joinrel, RelInfo& outer, RelInfo& inner, JoinKind kind, const SpecialJoin*, const std::vector<ClausePtr>& clauses) {
  const PlannerSettings& s = planner_.settings();
  auto is_filter = [&](const ClausePtr& c) { return kind != JoinKind::kInner && kind != JoinKind::kSemi && (c->pushed_down || (c->required & ~joinrel.relids) != 0); };
  auto preserved = [&](NodePtr n, const std::vector<ClausePtr>& quals) {
    for (auto& c : quals) (is_filter(c) ? n->quals : n->join_quals).push_back(c->expr);
  };
  bool unique = inner_is_unique(inner, clauses, outer.relids);
  auto one_match = kind == JoinKind::kSemi || kind == JoinKind::kAnti || unique;

  // Nested loops: the inner side is rescanned, parameterised or kept in memory.
  bool loops = kind == JoinKind::kInner || kind == JoinKind::kLeft || kind == JoinKind::kSemi || kind == JoinKind::kAnti;
  if (loops && !(outer.lateral & inner.relids)) {
    std::vector<NodePtr> inners;
    for (auto& p : inner.paths)
      if ((p->required_outer & ~outer.relids & ~inner.lateral) == 0 && (p->required_outer != inner.lateral || p == inner.cheapest)) inners.push_back(p);
    if (s.enable_material && inner.cheapest->required_outer == 0 && inner.cheapest->type != NodeType::kMaterialize) inners.push_back(materialize(inner.cheapest, planner_));
    for (auto& o : outer.paths) {
      if (o->required_outer & ~outer.lateral) continue;
      if (o != outer.cheapest && o->pathkeys.empty() && tuple_fraction_ == 0) continue;
      for (auto& i : inners) {
        std::vector<ClausePtr> left;
        for (auto& c : clauses) {
          if (i->required_outer != inner.lateral) {
            bool enforced = std::any_of(i->enforced.begin(), i->enforced.end(), [&](auto& e) { return e == c->expr || equal(e, c->expr); }) ||
                            (c->ec >= 0 && std::find(i->enforced_ecs.begin(), i->enforced_ecs.end(), c->ec) != i->enforced_ecs.end());
            if (enforced) continue;
          }
          left.push_back(c);
        }
        auto n = make_join(NodeType::kNestLoop, kind, o, i, joinrel.rows);
        preserved(n, left);
        n->inner_unique = unique;
        n->pathkeys = o->pathkeys;
        double rescan = i->type == NodeType::kMaterialize ? i->rows * s.cpu_operator_cost * 0.25 : i->total;
        double per = one_match && i->required_outer == 0 ? 0.5 : 1;
        n->startup = o->startup + i->startup;
        n->total = o->total + i->total + std::max(0.0, o->rows - 1) * rescan * (i->required_outer ? 1 : per) + o->rows * i->rows * per * (s.cpu_tuple_cost * 0.3 + qual_cost(n->join_quals, planner_)) +
                   joinrel.rows * s.cpu_tuple_cost * 0.3;
        if (!s.enable_nestloop) n->total += 1e10;
        add_path(joinrel, n);
      }
    }
  }
  if (outer.lateral & inner.relids || inner.lateral & outer.relids) return;

  std::vector<ClausePtr> keys, others;
  for (auto& c : clauses) {
    bool key = c->equality && !is_filter(c) && c->left_relids && c->right_relids && op_hashable(c->op, *planner_.state) &&
               (((c->left_relids & ~outer.relids) == 0 && (c->right_relids & ~inner.relids) == 0) || ((c->left_relids & ~inner.relids) == 0 && (c->right_relids & ~outer.relids) == 0));
    (key ? keys : others).push_back(c);
  }
  auto oriented = [&](const ClausePtr& c, PlanNode& n) {
    bool straight = (c->left_relids & ~outer.relids) == 0;
    n.outer_keys.push_back(straight ? c->left : c->right);
    n.inner_keys.push_back(straight ? c->right : c->left);
    ExprPtr shown = c->expr;
    if (!straight) {
      auto swapped = std::make_shared<OpExpr>(static_cast<const OpExpr&>(*c->expr));
      std::swap(swapped->args[0], swapped->args[1]);
      Oid commuted = op_commutator(swapped->op, *planner_.state);
      if (commuted != 0) {
        swapped->op = commuted;
        swapped->func = op_func(commuted, *planner_.state);
        shown = swapped;
      }
    }
    n.key_clauses.push_back(shown);
  };
  if (keys.empty()) {
    // A FULL join without an equality: only over constant-true conditions can it be merged.
    if (kind == JoinKind::kFull && clauses.empty()) {
      auto n = make_join(NodeType::kMergeJoin, kind, outer.cheapest, inner.cheapest, joinrel.rows);
      n->total = outer.cheapest->total + inner.cheapest->total + outer.rows * inner.rows * s.cpu_tuple_cost;
      add_path(joinrel, n);
    }
    return;
  }

  // Hash join: build on the inner side.
  {
    const NodePtr &o = outer.cheapest, &i = inner.cheapest;
    auto n = make_join(NodeType::kHashJoin, kind, o, i, joinrel.rows);
    for (auto& c : keys) oriented(c, *n);
    preserved(n, others);
    n->inner_unique = unique;
    double k = static_cast<double>(keys.size());
    n->startup = i->total + i->rows * (k * s.cpu_operator_cost + s.cpu_tuple_cost) + o->startup;
    double matches = one_match ? o->rows : std::max(o->rows, joinrel.rows);
    n->total = n->startup - o->startup + o->total + o->rows * k * s.cpu_operator_cost + matches * (qual_cost(n->join_quals, planner_) + s.cpu_operator_cost) + joinrel.rows * s.cpu_tuple_cost;
    if (i->rows * (i->width + 40) > static_cast<double>(s.work_mem_bytes) * s.hash_mem_multiplier) n->total += (i->rows * i->width + o->rows * o->width) / 8192 * 2;
    if (!s.enable_hashjoin) n->total += 1e10;
    add_path(joinrel, n);
  }

  // Merge join over presorted or sorted inputs.
  if (kind == JoinKind::kRight && false) return;
  std::vector<ClausePtr> merge;
  for (auto& c : keys) if (op_mergeable(c->op, *planner_.state)) merge.push_back(c);
  if (merge.empty() || (kind != JoinKind::kInner && merge.size() != keys.size())) return;
  auto sorted_input = [&](RelInfo& rel, bool is_outer, const std::vector<ClausePtr>& order, std::vector<PathKey>& wanted) -> NodePtr {
    std::vector<SortKey> sort;
    for (auto& c : order) {
      bool left = (c->left_relids & ~rel.relids) == 0;
      SortKey k;
      k.expr = left ? c->left : c->right;
      k.collation = static_cast<const OpExpr&>(*c->expr).input_collation;
      Oid family = 0, lt = 0, rt = 0;
      for (auto& b : btree_ops(c->op, *planner_.state)) if (b.strategy == 3) { family = b.family; lt = b.left; rt = b.right; break; }
      Oid side = left ? lt : rt;
      k.sort_op = family_operator(family, side, side, 1);
      sort.push_back(k);
    }
    wanted = pathkeys_for(sort);
    NodePtr best;
    for (auto& p : rel.paths) {
      if (p->required_outer) continue;
      bool ordered = p->pathkeys.size() >= wanted.size() && std::equal(wanted.begin(), wanted.end(), p->pathkeys.begin());
      if (ordered && wanted.size() == sort.size() && (!best || p->total < best->total)) best = p;
    }
    NodePtr sorted = make_sort(rel.cheapest, sort);
    sorted->pathkeys = wanted;
    if (!best || sorted->total < best->total) best = sorted;
    (void)is_outer;
    return best;
  };
  std::vector<PathKey> okeys, ikeys;
  NodePtr o = sorted_input(outer, true, merge, okeys), i = sorted_input(inner, false, merge, ikeys);
  if (o->required_outer || i->required_outer) return;
  auto n = make_join(NodeType::kMergeJoin, kind, o, i, joinrel.rows);
  for (auto& c : merge) oriented(c, *n);
  std::vector<ClausePtr> rest = others;
  for (auto& c : keys) if (std::find(merge.begin(), merge.end(), c) == merge.end()) rest.push_back(c);
  preserved(n, rest);
  n->inner_unique = unique;
  if (kind != JoinKind::kFull && kind != JoinKind::kRight) n->pathkeys = okeys;
  n->startup = o->startup + i->startup;
  n->total = o->total + i->total + (o->rows + i->rows) * s.cpu_operator_cost * 2 + joinrel.rows * (s.cpu_tuple_cost + qual_cost(n->join_quals, planner_));
  // Its inner side is held in memory: beyond work_mem a hash join, which spills, is preferred.
  if (i->rows * (i->width + 40) > static_cast<double>(s.work_mem_bytes)) n->total += (i->rows * i->width + o->rows * o->width) / 8192 * 4;
  if (!s.enable_mergejoin) n->total += 1e10;
  add_path(joinrel, n);
}

// Whether each outer row has at most one partner among the right side's rows once these are made distinct: they
// are by a unique index (made->paths stays empty), or `made` gets their distinct keys. A semi join is then an
// inner join, in either order.
bool Level::unique_rhs(RelInfo& rhs, const std::vector<ClausePtr>& clauses, Relids outer, RelInfo* made) {
  if (rhs.lateral || clauses.empty()) return false;
  if (inner_is_unique(rhs, clauses, outer)) return true;
  std::vector<ExprPtr> keys;
  for (auto& c : clauses) {
    if (!c->equality || !op_hashable(c->op, *planner_.state)) return false;
    bool left = (c->left_relids & ~rhs.relids) == 0;
    const ExprPtr &mine = left ? c->left : c->right, &other = left ? c->right : c->left;
    if ((relids_of(mine) & ~rhs.relids) || (relids_of(other) & rhs.relids) || mine->kind != ExprKind::kVar) return false;
    // Distinctness must mean the same as the clause's equality.
    if (type_info(mine->type, planner_.ctx).base != type_info(other->type, planner_.ctx).base) return false;
    add_distinct(keys, mine);
  }
  *made = rhs;
  auto n = std::make_shared<PlanNode>();
  n->type = NodeType::kAgg;
  n->strategy = AggStrategy::kHashed;
  n->group_keys = keys;
  n->children = {rhs.cheapest};
  n->relids = rhs.relids;
  n->rows = estimate_groups(keys, rhs.rows);
  n->width = exprs_width(keys);
  n->startup = rhs.cheapest->total + rhs.rows * planner_.settings().cpu_operator_cost * static_cast<double>(keys.size());
  n->total = n->startup + n->rows * planner_.settings().cpu_tuple_cost;
  if (!planner_.settings().enable_hashagg) n->total += 1e10;
  if (n->rows * (n->width + 32) > static_cast<double>(planner_.settings().work_mem_bytes)) n->total += n->rows * n->width / 8192 * 2;
  made->paths = {n};
  made->cheapest = n;
  made->rows = n->rows;
  made->table = nullptr;
  return true;
}

RelInfo* Level::make_join_rel(RelInfo* a, RelInfo* b) {
  if (planner_.ctx.eval != nullptr && planner_.ctx.eval->check_interrupts) planner_.ctx.eval->check_interrupts();
  Relids joined = a->relids | b->relids;
  if (a->relids & b->relids) return nullptr;
  const SpecialJoin* sj = nullptr;
  bool reversed = false;
  if (!legal_join(a->relids, b->relids, joined, &sj, &reversed)) return nullptr;
  if (reversed) std::swap(a, b);
  JoinKind kind = sj != nullptr ? sj->kind : JoinKind::kInner;
  auto clauses = join_clauses(a->relids, b->relids, joined);
  RelInfo* rel = rel_for(joined);
  if (rel == nullptr) {
    auto made = std::make_unique<RelInfo>();
    made->relids = joined;
    made->lateral = (a->lateral | b->lateral) & ~joined;
    made->width = kind == JoinKind::kSemi || kind == JoinKind::kAnti ? a->width : a->width + b->width;
    made->rows = made->tuples = join_rows(*a, *b, kind, clauses);
    rel = made.get();
    rels_[joined] = std::move(made);
  }
  switch (kind) {
    case JoinKind::kInner:
      join_paths(*rel, *a, *b, kind, sj, clauses);
      join_paths(*rel, *b, *a, kind, sj, clauses);
      break;
    case JoinKind::kLeft:
      join_paths(*rel, *a, *b, JoinKind::kLeft, sj, clauses);
      join_paths(*rel, *b, *a, JoinKind::kRight, sj, clauses);
      break;
    case JoinKind::kFull:
      join_paths(*rel, *a, *b, JoinKind::kFull, sj, clauses);
      join_paths(*rel, *b, *a, JoinKind::kFull, sj, clauses);
      break;
    case JoinKind::kSemi: {
      join_paths(*rel, *a, *b, kind, sj, clauses);
      RelInfo distinct;
      if (b->relids == sj->syn_right && b->cheapest->required_outer == 0 && unique_rhs(*b, clauses, a->relids, &distinct)) {
        RelInfo& rhs = distinct.paths.empty() ? *b : distinct;
        join_paths(*rel, *a, rhs, JoinKind::kInner, nullptr, clauses);
        join_paths(*rel, rhs, *a, JoinKind::kInner, nullptr, clauses);
      }
      break;
    }
    default: join_paths(*rel, *a, *b, kind, sj, clauses); break;
  }
  if (rel->paths.empty()) return rel;
  rel->cheapest = nullptr;
  for (auto& p : rel->paths)
    if ((p->required_outer & ~rel->lateral) == 0 && (!rel->cheapest || p->total < rel->cheapest->total)) rel->cheapest = p;
  return rel;
}

NodePtr Level::join_search() {
  size_t n = base_.size();
  if (n == 1) return base_[0]->cheapest;
  if (n <= 10) {
    std::vector<std::vector<RelInfo*>> levels(n + 1);
    levels[1] = base_;
    for (size_t size = 2; size <= n; ++size) {
      std::set<RelInfo*> made;
      auto try_join = [&](RelInfo* a, RelInfo* b) {
        if ((a->relids & b->relids) || a->cheapest == nullptr || b->cheapest == nullptr) return;
        if (RelInfo* j = make_join_rel(a, b); j != nullptr && j->cheapest != nullptr && made.insert(j).second) levels[size].push_back(j);
      };
      for (size_t k = 1; k <= size / 2; ++k)
        for (auto* a : levels[size - k])
          for (auto* b : levels[k]) {
            if (2 * k == size && a >= b) continue;
            if (has_clause_between(a->relids, b->relids) || has_order_restriction(a->relids, b->relids)) try_join(a, b);
          }
      // Cartesian products only when nothing else gets there.
      if (levels[size].empty())
        for (size_t k = 1; k <= size / 2; ++k)
          for (auto* a : levels[size - k])
            for (auto* b : levels[k]) try_join(a, b);
      else {
        // A relation without any clause still has to be joined somewhere.
        for (auto* a : levels[size - 1])
          for (auto* b : base_) {
            bool connected = false;
            for (auto* c : base_) connected |= c != b && (has_clause_between(b->relids, c->relids) || has_order_restriction(b->relids, c->relids));
            if (!connected) try_join(a, b);
          }
      }
    }
    RelInfo* top = rel_for(all_);
    if (top != nullptr && top->cheapest) return top->cheapest;
    // Every order by clauses failed: allow products everywhere.
    for (size_t size = 2; size <= n; ++size) {
      std::set<RelInfo*> made(levels[size].begin(), levels[size].end());
      for (size_t k = 1; k <= size / 2; ++k)
        for (auto* a : std::vector<RelInfo*>(levels[size - k]))
          for (auto* b : std::vector<RelInfo*>(levels[k])) {
            if ((a->relids & b->relids) || a->cheapest == nullptr || b->cheapest == nullptr) continue;
            if (RelInfo* j = make_join_rel(a, b); j != nullptr && j->cheapest != nullptr && made.insert(j).second) levels[size].push_back(j);
          }
    }
    top = rel_for(all_);
    if (top != nullptr && top->cheapest) return top->cheapest;
    no_join_order(special_);
  }
  // Greedy: the pair with the smallest result first.
  std::vector<RelInfo*> pool = base_;
  while (pool.size() > 1) {
    RelInfo *best = nullptr, *x = nullptr, *y = nullptr;
    for (int pass = 0; pass < 2 && best == nullptr; ++pass) {
      // Products: small ones first. The first pair that may be joined is as good as any.
      if (pass == 1) std::stable_sort(pool.begin(), pool.end(), [](auto* a, auto* b) { return a->rows < b->rows; });
      for (size_t i = 0; i < pool.size(); ++i)
        for (size_t j = i + 1; j < pool.size(); ++j) {
          if (pass == 1 && best != nullptr) break;
          if (pass == 0 && !has_clause_between(pool[i]->relids, pool[j]->relids) && !has_order_restriction(pool[i]->relids, pool[j]->relids)) continue;
          RelInfo* r = rel_for(pool[i]->relids | pool[j]->relids);
          if (r == nullptr) r = make_join_rel(pool[i], pool[j]);
          if (r == nullptr || r->cheapest == nullptr) continue;
          if (best == nullptr || r->rows < best->rows || (r->rows == best->rows && r->cheapest->total < best->cheapest->total)) { best = r; x = pool[i]; y = pool[j]; }
        }
    }
    if (best == nullptr) no_join_order(special_);
    std::erase(pool, x);
    std::erase(pool, y);
    pool.push_back(best);
  }
  return pool[0]->cheapest;
}

}  // namespace stele::query
