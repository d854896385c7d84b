// Access paths of base relations.
#include "base/error.h"
#include "query/exec/catalog_rows.h"
#include "query/optimizer/planner.h"
#include "query/scan_providers.h"
#include "types/builtin.h"
#include "types/oids.h"

namespace stele::query {

namespace {
// Costs of this engine's storage: a point read by key against a row of a scan.
constexpr double kSeekCost = 0.4, kFetchCost = 0.1;

const Expr* strip(const Expr* e) {
  while (e->kind == ExprKind::kRelabel) e = static_cast<const UnaryExpr*>(e)->arg.get();
  return e;
}
bool same_key(const ExprPtr& a, const ExprPtr& b) {
  const Expr *x = strip(a.get()), *y = strip(b.get());
  if (x->kind == ExprKind::kVar && y->kind == ExprKind::kVar) {
    auto &v = static_cast<const VarExpr&>(*x), &w = static_cast<const VarExpr&>(*y);
    return v.relation == w.relation && v.column == w.column && v.levels_up == w.levels_up;
  }
  return equal(a, b);
}
}  // namespace

void Level::collect_used_columns() {
  used_columns_.clear();
  auto visit = [&](const Expr& e, int level) {
    if (e.kind == ExprKind::kVar && static_cast<const VarExpr&>(e).levels_up == level) used_columns_[static_cast<const VarExpr&>(e).relation].insert(static_cast<const VarExpr&>(e).column);
    return false;
  };
  walk_query(q_, visit, 0);
}

void Level::set_base_size(RelInfo& rel) {
  auto& rte = *rel.rte;
  std::vector<ExprPtr> quals;
  for (auto& c : rel.quals) quals.push_back(c->expr);
  double sel = list_selectivity(quals);
  rel.rows = std::max(1.0, std::round(rel.tuples * sel));
  int width = 0;
  for (int16_t col : used_columns_[rel.rti])
    if (col > 0 && col <= static_cast<int>(rte.column_types.size())) {
      double w = type_width(rte.column_types[col - 1], col <= static_cast<int>(rte.column_typmods.size()) ? rte.column_typmods[col - 1] : -1);
      if (rel.stats) { auto it = rel.stats->columns.find(col); if (it != rel.stats->columns.end()) w = it->second.average_width; }
      width += static_cast<int>(w);
    }
  rel.width = width;
}

void Level::set_base_paths(RelInfo& rel) {
  auto& rte = *rel.rte;
  auto node = std::make_shared<PlanNode>();
  node->rti = rel.rti;
  node->relids = rel.relids;
  node->alias = rte.alias;
  auto lateral_of = [&](const ExprPtr& e) { rel.lateral |= relids_of(e) & ~rel.relids; };
  const PlannerSettings& s = planner_.settings();
  switch (rte.kind) {
    case RteKind::kRelation: {
      rel.table = planner_.relation(rte.relation);
      rel.stats = planner_.state->statistics(rte.relation);
      // A sequence is read as the system catalogues are: one row, made by the session.
      const bool sequence = rel.table && rel.table->sequence.has_value();
      bool system = !rel.table || rte.relation < oid::kFirstUserOid || sequence;
      rel.tuples = rel.stats && rel.stats->rows >= 0 ? rel.stats->rows : system ? 100 : 1000;
      rel.pages = rel.stats && rel.stats->pages > 0 ? rel.stats->pages : std::max(1.0, std::ceil(rel.tuples * 80 / 8192));
      if (sequence) rel.tuples = 1;
      else if (system && planner_.ctx.system_relation) {
        rel.system = planner_.ctx.system_relation(rte.relation);
        rel.tuples = static_cast<double>(CatalogRows::estimate(rte.relation, planner_.ctx).rows);
      }
      rel.tuples = std::max(rel.tuples, 1.0);
      set_base_size(rel);
      if (rel.table && rte.relation >= oid::kFirstUserOid && (rel.table->partitioning || (rte.inherit && !direct_children(*planner_.state, rte.relation).empty()))) {
        inherit_path(rel);
        break;
      }
      node->type = NodeType::kSeqScan;
      node->relation = rte.relation;
      node->table = rel.table;
      node->system_catalog = system;
      node->sample_method = rte.sample_method;
      node->sample_args = rte.sample_args;
      node->sample_repeatable = rte.sample_repeatable;
      for (auto& c : rel.quals) node->quals.push_back(c->expr);
      node->rows = rel.rows;
      node->width = rel.width;
      node->total = rel.pages * s.seq_page_cost + rel.tuples * (s.cpu_tuple_cost + qual_cost(node->quals, planner_));
      if (!s.enable_seqscan) { node->total += 1e10; node->startup += 1e10; }
      add_path(rel, node);
      if (rel.system && rte.sample_method.empty()) system_index_paths(rel);
      if (!system && rte.sample_method.empty()) index_paths(rel);
      if (!system) {
        for (auto& p : scan_providers()) {
          ProviderRequest request{*rel.table, rel.rti, node->quals, query_order_, used_columns_[rel.rti], rel.tuples, rel.rows,
                                  tuple_fraction_ >= 1 ? tuple_fraction_ : -1, planner_.ctx, [this](const ExprPtr& e) { return selectivity(e); }};
          for (auto& offer : p->offers(request)) {
            auto scan = std::make_shared<PlanNode>(*node);
            scan->type = NodeType::kProviderScan;
            scan->provider = offer.scan;
            scan->quals = offer.remaining_quals;
            scan->provider_filter = offer.filter;
            scan->startup = offer.startup_cost;
            scan->total = offer.total_cost;
            scan->rows = std::max(1.0, offer.rows);
            if (offer.ordered) scan->pathkeys = pathkeys_for(query_order_);
            add_path(rel, scan);
          }
        }
      }
      break;
    }
    case RteKind::kSubquery: subquery_path(rel); break;
    case RteKind::kFunction: case RteKind::kTableFunc: {
      node->type = NodeType::kFunctionScan;
      node->functions = rte.functions;
      node->with_ordinality = rte.with_ordinality;
      double rows = 1;
      for (auto& f : rte.functions) {
        lateral_of(f.call);
        if (f.call->kind == ExprKind::kFunc && static_cast<const FuncExpr&>(*f.call).returns_set) {
          double n = function_info(static_cast<const FuncExpr&>(*f.call).func, planner_.ctx).rows;
          auto& fn = static_cast<const FuncExpr&>(*f.call);
          auto info = function_info(fn.func, planner_.ctx);
          auto integer = [&](size_t i, int64_t* v) {
            if (i >= fn.args.size() || fn.args[i]->kind != ExprKind::kConst || (fn.args[i]->type != oid::kInt4 && fn.args[i]->type != oid::kInt8)) return false;
            *v = static_cast<const ConstExpr&>(*fn.args[i]).value.as_int();
            return true;
          };
          int64_t a, b, step = 1;
          if (info.name == "generate_series" && integer(0, &a) && integer(1, &b) && (fn.args.size() < 3 || integer(2, &step)) && step != 0)
            n = std::max<double>(0, std::floor(static_cast<double>(b - a) / static_cast<double>(step)) + 1);
          rows = std::max(rows, n > 0 ? n : 1000);
        }
      }
      rel.tuples = rows;
      set_base_size(rel);
      for (auto& c : rel.quals) node->quals.push_back(c->expr);
      node->rows = rel.rows;
      node->width = rel.width;
      node->total = rows * (s.cpu_tuple_cost + qual_cost(node->quals, planner_));
      node->required_outer = rel.lateral;
      add_path(rel, node);
      break;
    }
    case RteKind::kValues: {
      node->type = NodeType::kValuesScan;
      node->values = rte.values;
      for (auto& row : rte.values) for (auto& e : row) lateral_of(e);
      rel.tuples = std::max<double>(1, static_cast<double>(rte.values.size()));
      set_base_size(rel);
      for (auto& c : rel.quals) node->quals.push_back(c->expr);
      node->rows = rel.rows;
      node->width = rel.width;
      node->total = rel.tuples * (s.cpu_operator_cost + s.cpu_tuple_cost + qual_cost(node->quals, planner_));
      node->required_outer = rel.lateral;
      add_path(rel, node);
      break;
    }
    case RteKind::kCte: {
      if (rte.cte_levels_up >= 0) throw Error(ErrorCode::kInternalError, fmt::format("could not find CTE \"{}\"", rte.cte_name));
      node->cte = -1 - rte.cte_levels_up;
      const CtePlan& cte = planner_.stmt->ctes[node->cte];
      node->type = rte.cte_self_reference || (cte.recursive && !cte.plan) ? NodeType::kWorkTableScan : NodeType::kCteScan;
      node->alias = rte.alias;
      rel.tuples = std::max(1.0, node->type == NodeType::kWorkTableScan ? cte.working_rows : cte.rows);
      set_base_size(rel);
      for (auto& c : rel.quals) node->quals.push_back(c->expr);
      node->rows = rel.rows;
      node->width = rel.width;
      node->total = rel.tuples * (s.cpu_tuple_cost + qual_cost(node->quals, planner_));
      add_path(rel, node);
      break;
    }
    case RteKind::kResult: {
      node->type = NodeType::kResult;
      rel.tuples = rel.rows = 1;
      for (auto& c : rel.quals) node->quals.push_back(c->expr);
      node->total = s.cpu_tuple_cost;
      add_path(rel, node);
      break;
    }
    default: throw Error(ErrorCode::kInternalError, "unexpected range table entry");
  }
  set_cheapest(rel);
}

void Level::add_path(RelInfo& rel, NodePtr path) {
  constexpr double kFuzz = 1.01;
  auto prefix = [](const std::vector<PathKey>& a, const std::vector<PathKey>& b) {   // a is a prefix of b
    return a.size() <= b.size() && std::equal(a.begin(), a.end(), b.begin());
  };
  auto beats = [&](const PlanNode& a, const PlanNode& b) {
    return a.total <= b.total * kFuzz && (tuple_fraction_ == 0 || a.startup <= b.startup * kFuzz || a.total * kFuzz < b.total * 0.1) && prefix(b.pathkeys, a.pathkeys) &&
           (a.required_outer & ~b.required_outer) == 0;
  };
  for (auto& old : rel.paths) if (beats(*old, *path)) return;
  std::erase_if(rel.paths, [&](auto& old) { return beats(*path, *old); });
  rel.paths.push_back(std::move(path));
}
void Level::set_cheapest(RelInfo& rel) {
  rel.cheapest = nullptr;
  for (auto& p : rel.paths)
    if (p->required_outer == rel.lateral && (!rel.cheapest || p->total < rel.cheapest->total)) rel.cheapest = p;
  if (!rel.cheapest) throw Error(ErrorCode::kInternalError, "no access path for a relation");
}

namespace {
// An expression over a child's own columns, in terms of its parent's; null when it needs one that the parent lacks.
ExprPtr child_expr(const RelInfo& rel, const ExprPtr& e) {
  if (rel.parent_columns.empty() || !e) return e;
  bool missing = false;
  ExprPtr out = rewrite(e, [&](const ExprPtr& x, int) -> ExprPtr {
    if (x->kind != ExprKind::kVar || static_cast<const VarExpr&>(*x).relation != rel.rti || static_cast<const VarExpr&>(*x).column <= 0) return nullptr;
    auto v = std::make_shared<VarExpr>(static_cast<const VarExpr&>(*x));
    v->column = rel.parent_columns[static_cast<size_t>(v->column - 1)];
    missing |= v->column == 0;
    return v;
  });
  return missing ? nullptr : out;
}
}  // namespace

// Indexes.
std::vector<ExprPtr> Level::index_keys(const RelInfo& rel, const catalog::Relation& index) {
  auto it = index_key_cache_.find(index.oid);
  if (it != index_key_cache_.end() && rel.rti == 0) return it->second;
  std::vector<ExprPtr> keys;
  for (auto& k : index.index->keys) {
    if (k.column != 0) {
      const catalog::Column* c = rel.table->column(k.column);
      const int16_t named = rel.parent_columns.empty() ? k.column : rel.parent_columns[static_cast<size_t>(k.column - 1)];
      keys.push_back(named > 0 ? make_var(rel.rti, named, c->type, c->typmod, c->collation) : nullptr);
      continue;
    }
    ExprPtr e = planner_.ctx.bind_expression ? planner_.ctx.bind_expression(*rel.table, k.expression_sql, 0) : nullptr;
    if (e) e = child_expr(rel, planner_.simplify(offset_relations(e, rel.rti - 1)));
    keys.push_back(e);
  }
  return keys;
}

bool Level::match_clause(const ExprPtr& clause, const ExprPtr& key, const catalog::IndexColumn& column, int position, Relids rel, IndexCond* out, bool* lossy) {
  *lossy = false;
  Oid family = opclass_family(column.opclass);
  out->column = position;
  out->clause = clause;
  auto stable = [&](const ExprPtr& v) { return (relids_of(v) & rel) == 0 && !has_volatile(v, planner_.ctx); };
  auto integer = [](Oid t) { return t == oid::kInt2 || t == oid::kInt4 || t == oid::kInt8; };
  auto compatible = [&](Oid t) {
    TypeInfo a = type_info(t, planner_.ctx), b = type_info(key->type, planner_.ctx);
    if (a.base == b.base || (integer(a.base) && integer(b.base))) return true;
    auto texty = [](Oid x) { return x == oid::kText || x == oid::kVarchar; };
    if (texty(a.base) && texty(b.base)) return true;
    return a.base != b.base && a.ops == b.ops && (a.element != 0 || a.kind == 'c');
  };
  switch (clause->kind) {
    case ExprKind::kOp: {
      auto& o = static_cast<const OpExpr&>(*clause);
      if (o.args.size() != 2) return false;
      for (int side = 0; side < 2; ++side) {
        if (!same_key(o.args[side], key) || !stable(o.args[1 - side])) continue;
        Oid op = side == 0 ? o.op : op_commutator(o.op, *planner_.state);
        if (op == 0) continue;
        if (column.collation != 0 && o.input_collation != 0 && column.collation != o.input_collation) continue;
        const ExprPtr& value = o.args[1 - side];
        for (auto& b : btree_ops(op, *planner_.state)) {
          if (family != 0 && b.family != family) continue;
          if (!compatible(value->type)) continue;
          out->strategy = static_cast<IndexStrategy>(b.strategy);
          out->value = value;
          return true;
        }
        // LIKE 'prefix%' over byte order.
        std::string name = op_name(o.op, *planner_.state);
        if (side == 0 && (name == "~~" || name == "^@") && value->kind == ExprKind::kConst && !static_cast<const ConstExpr&>(*value).is_null &&
            (column.collation == 0 || column.collation == oid::kDefaultCollation || column.collation == oid::kCCollation || column.collation == oid::kPosixCollation)) {
          std::string_view pattern = static_cast<const ConstExpr&>(*value).value.as_view();
          std::string prefix;
          if (name == "^@") prefix = pattern;
          else
            for (size_t i = 0; i < pattern.size(); ++i) {
              if (pattern[i] == '%' || pattern[i] == '_') break;
              if (pattern[i] == '\\' && ++i == pattern.size()) break;
              prefix.push_back(pattern[i]);
            }
          if (prefix.empty() || value->type == oid::kBytea) continue;
          Arena a;
          out->strategy = IndexStrategy::kPrefix;
          out->value = make_const(oid::kText, {make_bytes(a, prefix), false}, planner_.ctx);
          *lossy = true;
          return true;
        }
      }
      return false;
    }
    case ExprKind::kScalarArrayOp: {
      auto& s = static_cast<const ScalarArrayOpExpr&>(*clause);
      if (!s.use_or || !same_key(s.scalar, key) || !stable(s.array)) return false;
      if (column.collation != 0 && s.input_collation != 0 && column.collation != s.input_collation) return false;
      for (auto& b : btree_ops(s.op, *planner_.state)) {
        if (b.strategy != 3 || (family != 0 && b.family != family)) continue;
        if (!compatible(type_info(s.array->type, planner_.ctx).element)) continue;
        out->strategy = IndexStrategy::kIn;
        out->value = s.array;
        return true;
      }
      return false;
    }
    case ExprKind::kNullTest: {
      auto& n = static_cast<const NullTestExpr&>(*clause);
      if (n.row_format || !same_key(n.arg, key)) return false;
      out->strategy = n.is_null ? IndexStrategy::kIsNull : IndexStrategy::kIsNotNull;
      return true;
    }
    default: break;
  }
  if (key->type == oid::kBool) {
    bool negated = clause->kind == ExprKind::kBool && static_cast<const BoolExpr&>(*clause).op == BoolOp::kNot;
    const ExprPtr& inner = negated ? static_cast<const BoolExpr&>(*clause).args[0] : clause;
    if (same_key(inner, key)) {
      out->strategy = IndexStrategy::kEqual;
      out->value = make_bool(!negated);
      return true;
    }
  }
  return false;
}

Level::IndexMatch Level::match_index(RelInfo& rel, const catalog::Relation& index, const std::vector<ClausePtr>& clauses) {
  IndexMatch m;
  auto keys = index_keys(rel, index);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!keys[i]) break;
    bool equality = false;
    std::vector<IndexCond> found;
    for (auto& c : clauses) {
      IndexCond cond;
      bool lossy = false;
      if (!match_clause(c->expr, keys[i], index.index->keys[i], static_cast<int>(i), rel.relids, &cond, &lossy)) continue;
      bool eq = cond.strategy == IndexStrategy::kEqual || cond.strategy == IndexStrategy::kIn || cond.strategy == IndexStrategy::kIsNull;
      if (equality) continue;   // one equality bounds the column; others stay filters
      if (eq) {
        for (auto& f : found) std::erase_if(m.used, [&](auto& u) { return u == f.clause; });
        found.clear();
        equality = true;
      }
      // At most one bound a direction.
      auto direction = [](IndexStrategy s) { return s == IndexStrategy::kLess || s == IndexStrategy::kLessEqual ? 1 : s == IndexStrategy::kGreater || s == IndexStrategy::kGreaterEqual ? 2 : 3; };
      if (!eq && std::any_of(found.begin(), found.end(), [&](auto& f) { return direction(f.strategy) == direction(cond.strategy); })) continue;
      found.push_back(cond);
      if (!lossy) m.used.push_back(c->expr);
      if (c->ec >= 0) m.ecs.push_back(c->ec);
      if (eq) continue;
    }
    m.conds.insert(m.conds.end(), found.begin(), found.end());
    if (!equality) break;
    ++m.equal_columns;
  }
  return m;
}

bool Level::index_usable(RelInfo& rel, const catalog::Relation& index) {
  if (!index.index || index.index->method != "btree" || !index.index->valid) return false;
  if (index.index->predicate_sql.empty()) return true;
  if (!planner_.ctx.bind_expression) return false;
  ExprPtr predicate = planner_.ctx.bind_expression(*rel.table, index.index->predicate_sql, oid::kBool);
  if (!predicate) return false;
  predicate = child_expr(rel, planner_.simplify(offset_relations(predicate, rel.rti - 1)));
  if (!predicate) return false;
  std::vector<ExprPtr> parts, quals;
  split_and(predicate, parts);
  for (auto& c : rel.quals) quals.push_back(c->expr);
  // Implied when every part is among the conditions, or is IS NOT NULL of something a strict condition tests.
  for (auto& p : parts) {
    bool implied = std::any_of(quals.begin(), quals.end(), [&](auto& q) { return equal(p, q); });
    if (!implied && p->kind == ExprKind::kNullTest && !static_cast<const NullTestExpr&>(*p).is_null) {
      const Expr* arg = strip(static_cast<const NullTestExpr&>(*p).arg.get());
      if (arg->kind == ExprKind::kVar) {
        auto& v = static_cast<const VarExpr&>(*arg);
        implied = std::any_of(quals.begin(), quals.end(), [&](auto& q) { return is_strict_for(q, [&](const VarExpr& x) { return x.relation == v.relation && x.column == v.column; }, planner_.ctx); });
      }
    }
    // Ranges: col op const implied by col op' const'.
    if (!implied && p->kind == ExprKind::kOp) {
      auto& po = static_cast<const OpExpr&>(*p);
      for (auto& q : quals) {
        if (q->kind != ExprKind::kOp) continue;
        auto& qo = static_cast<const OpExpr&>(*q);
        if (po.args.size() != 2 || qo.args.size() != 2 || !equal(po.args[0], qo.args[0]) || po.args[1]->kind != ExprKind::kConst || qo.args[1]->kind != ExprKind::kConst) continue;
        if (static_cast<const ConstExpr&>(*po.args[1]).is_null || static_cast<const ConstExpr&>(*qo.args[1]).is_null) continue;
        auto pb = btree_ops(po.op, *planner_.state), qb = btree_ops(qo.op, *planner_.state);
        if (pb.empty() || qb.empty() || pb[0].family != qb[0].family || po.args[1]->type != qo.args[1]->type) continue;
        TypeInfo t = type_info(po.args[1]->type, planner_.ctx);
        if (t.ops->compare == nullptr) continue;
        int c = t.ops->compare(static_cast<const ConstExpr&>(*qo.args[1]).value, static_cast<const ConstExpr&>(*po.args[1]).value, po.input_collation);
        int ps = pb[0].strategy, qs = qb[0].strategy;
        if (ps >= 4 && qs >= 3) implied |= c > 0 || (c == 0 && (ps == 4 || qs == 5) && !(ps == 5 && qs != 5));
        if (ps <= 2 && qs <= 3) implied |= c < 0 || (c == 0 && (ps == 2 || qs == 1) && !(ps == 1 && qs != 1));
      }
    }
    if (!implied) return false;
  }
  return true;
}

bool Level::covers(const RelInfo& rel, const catalog::Relation& index) {
  if (!planner_.settings().enable_indexonlyscan || q_.result_relation == rel.rti || !q_.row_locks.empty()) return false;
  auto it = used_columns_.find(rel.rti);
  if (it == used_columns_.end()) return true;
  for (int16_t named : it->second) {
    const int16_t col = named > 0 && !rel.column_map.empty() ? rel.column_map[static_cast<size_t>(named - 1)] : named;
    if (named > 0 && col == 0) return false;
    if (col <= 0) {
      if (col == system_column::kRowId || col == system_column::kTableOid) continue;
      return false;
    }
    bool found = false;
    for (auto& k : index.index->keys)
      if (k.column == col && type_info(k.type != 0 ? k.type : rel.table->column(col)->type, planner_.ctx).ops->decode_key != nullptr &&
          (k.collation == 0 || k.collation == oid::kDefaultCollation || k.collation == oid::kCCollation)) found = true;
    for (int16_t inc : index.index->included) found |= inc == col;
    if (!found) return false;
  }
  return true;
}

NodePtr Level::make_index_path(RelInfo& rel, const std::shared_ptr<const catalog::Relation>& index, const IndexMatch& m, const std::vector<ClausePtr>& all, Relids outer, bool backward,
                               const std::vector<PathKey>& keys) {
  const PlannerSettings& s = planner_.settings();
  auto n = std::make_shared<PlanNode>();
  bool only = covers(rel, *index);
  n->type = only ? NodeType::kIndexOnlyScan : NodeType::kIndexScan;
  n->rti = rel.rti;
  n->relids = rel.relids;
  n->relation = rel.table->oid;
  n->table = rel.table;
  n->alias = rel.alias.empty() ? rel.rte->alias : rel.alias;
  n->column_map = rel.column_map;
  n->index = index;
  n->conds = m.conds;
  n->backward = backward;
  n->required_outer = outer;
  n->pathkeys = keys;
  double ranges = 1;
  std::vector<ExprPtr> bounding, every;
  for (auto& c : all) {
    bool used = std::any_of(m.used.begin(), m.used.end(), [&](auto& u) { return u == c->expr; });
    bool cond = used || std::any_of(m.conds.begin(), m.conds.end(), [&](auto& x) { return x.clause == c->expr; });
    every.push_back(c->expr);
    if (cond) bounding.push_back(c->expr);
    if (!used) n->quals.push_back(c->expr);
    else if (outer && (c->relids & ~rel.relids)) { n->enforced.push_back(c->expr); if (c->ec >= 0) n->enforced_ecs.push_back(c->ec); }
  }
  // A filter that needs outer rows belongs to the join unless it bounds the index.
  for (auto& c : all)
    if (c->relids & ~rel.relids) std::erase_if(n->quals, [&](auto& q) { return q == c->expr; });
  for (auto& c : m.conds)
    if (c.strategy == IndexStrategy::kIn && c.value->kind == ExprKind::kConst && !static_cast<const ConstExpr&>(*c.value).is_null) ranges = std::max(1, ArrayView(static_cast<const ConstExpr&>(*c.value).value).count());
  double sel = list_selectivity(bounding), all_sel = list_selectivity(every);
  bool unique = index->index->unique && m.equal_columns == static_cast<int>(index->index->keys.size());
  double tuples = rel.tuples * sel;
  if (unique) tuples = std::min(tuples, ranges);
  tuples = std::max(1.0, std::round(tuples));
  n->rows = outer ? std::max(1.0, std::round(rel.tuples * all_sel)) : rel.rows;
  if (unique) n->rows = std::max(1.0, std::min(n->rows, ranges));
  n->width = rel.width;
  n->startup = kSeekCost;
  double correlated = kFetchCost;
  n->total = kSeekCost * ranges + tuples * (s.cpu_index_tuple_cost + s.cpu_tuple_cost * (only ? 0.5 : 1) + (only ? 0 : correlated) + qual_cost(n->quals, planner_));
  if (!(only ? s.enable_indexonlyscan : s.enable_indexscan)) n->total += 1e10;
  return n;
}

std::vector<ClausePtr> Level::join_clauses_for(RelInfo& rel) {
  std::vector<ClausePtr> out;
  for (auto& c : clauses_) {
    if (!(c->relids & rel.relids) || c->relids == rel.relids) continue;
    // The row must be there, not yet extended with NULLs, where the clause is applied.
    if (c->delayed) continue;
    if (!c->pushed_down) {
      bool inner_side = false;
      for (auto& sj : special_) if ((sj.kind == JoinKind::kLeft || sj.kind == JoinKind::kAnti) && (sj.min_right & rel.relids) && (c->required & ~(sj.min_left | sj.min_right)) == 0) inner_side = true;
      if (!inner_side) continue;
    }
    out.push_back(c);
  }
  for (size_t i = 0; i < ecs_.size(); ++i) {
    auto& ec = ecs_[i];
    if (ec.merged || !ec.from_clause || ec.has_const || !(ec.relids & rel.relids)) continue;
    for (auto& m : ec.members) {
      if (m.relids != rel.relids) continue;
      for (auto& o : ec.members) {
        if (o.relids & rel.relids || o.is_const) continue;
        std::vector<ClausePtr> made;
        // Pair by pair: ec_clauses() picks one member a side.
        for (auto& c : [&] { std::vector<ClausePtr> v; ec_clauses(o.relids, rel.relids, v); return v; }()) if (c->ec == static_cast<int>(i)) made.push_back(c);
        for (auto& c : made)
          if (std::none_of(out.begin(), out.end(), [&](auto& x) { return equal(x->expr, c->expr); })) out.push_back(c);
      }
    }
  }
  return out;
}

void Level::index_paths(RelInfo& rel) {
  if (!rel.table) return;
  auto outer_clauses = join_clauses_for(rel);
  for (Oid ix : rel.table->indexes) {
    auto index = planner_.relation(ix);
    if (!index || !index_usable(rel, *index)) continue;
    IndexMatch m = match_index(rel, *index, rel.quals);
    // The order it gives, forwards and backwards.
    auto keys = index_keys(rel, *index);
    std::vector<PathKey> forward, reverse;
    for (size_t i = 0; i < keys.size() && keys[i]; ++i) {
      auto& k = index->index->keys[i];
      int ec = ec_for(keys[i], opclass_family(k.opclass), k.collation, false);
      bool bound = std::any_of(m.conds.begin(), m.conds.end(), [&](auto& c) { return c.column == static_cast<int>(i) && (c.strategy == IndexStrategy::kEqual || c.strategy == IndexStrategy::kIsNull); });
      if (bound) continue;
      if (ec < 0) break;
      if (ecs_[ec].has_const) continue;
      forward.push_back({ec, k.descending, k.nulls_first});
      reverse.push_back({ec, !k.descending, !k.nulls_first});
    }
    // IN lists give their ranges in order only when that column leads the order.
    bool in_list = std::any_of(m.conds.begin(), m.conds.end(), [](auto& c) { return c.strategy == IndexStrategy::kIn; });
    if (in_list) { forward.clear(); reverse.clear(); }
    if (!m.conds.empty() || !forward.empty() || covers(rel, *index)) {
      add_path(rel, make_index_path(rel, index, m, rel.quals, 0, false, forward));
      if (!reverse.empty()) add_path(rel, make_index_path(rel, index, m, rel.quals, 0, true, reverse));
    }
    if (outer_clauses.empty()) continue;
    // Parameterised by other relations.
    std::vector<Relids> outers;
    std::vector<ClausePtr> useful;
    for (auto& c : outer_clauses) {
      std::vector<ClausePtr> trial = rel.quals;
      trial.push_back(c);
      bool matched = false;
      for (size_t i = 0; i < keys.size() && !matched && keys[i]; ++i) {
        IndexCond cond;
        bool lossy;
        matched = match_clause(c->expr, keys[i], index->index->keys[i], static_cast<int>(i), rel.relids, &cond, &lossy);
      }
      if (!matched) continue;
      useful.push_back(c);
      Relids o = c->relids & ~rel.relids;
      if (std::find(outers.begin(), outers.end(), o) == outers.end()) outers.push_back(o);
    }
    size_t singles = outers.size();
    for (size_t a = 0; a < singles && singles < 8; ++a)
      for (size_t b = a + 1; b < singles; ++b) {
        Relids u = outers[a] | outers[b];
        if (std::find(outers.begin(), outers.end(), u) == outers.end()) outers.push_back(u);
      }
    for (Relids o : outers) {
      std::vector<ClausePtr> all;
      for (auto& c : useful) if ((c->relids & ~(o | rel.relids)) == 0) all.push_back(c);
      size_t join_count = all.size();
      all.insert(all.end(), rel.quals.begin(), rel.quals.end());
      IndexMatch pm = match_index(rel, *index, all);
      Relids needed = 0;
      for (size_t i = 0; i < join_count; ++i)
        if (std::any_of(pm.conds.begin(), pm.conds.end(), [&](auto& x) { return x.clause == all[i]->expr; })) needed |= all[i]->relids & ~rel.relids;
      if (needed != o) continue;
      add_path(rel, make_index_path(rel, index, pm, all, o | rel.lateral, false, {}));
    }
  }
  // OR of conditions that each have an index.
  for (auto& c : rel.quals) {
    if (c->expr->kind != ExprKind::kBool || static_cast<const BoolExpr&>(*c->expr).op != BoolOp::kOr || !planner_.settings().enable_bitmapscan) continue;
    auto n = std::make_shared<PlanNode>();
    double fetched = 0, cost = 0;
    for (auto& arm : static_cast<const BoolExpr&>(*c->expr).args) {
      std::vector<ExprPtr> parts;
      split_and(arm, parts);
      std::vector<ClausePtr> arm_clauses;
      for (auto& p : parts) arm_clauses.push_back(make_clause(p));
      std::shared_ptr<const catalog::Relation> best;
      IndexMatch best_match;
      double best_sel = 2;
      for (Oid ix : rel.table->indexes) {
        auto index = planner_.relation(ix);
        if (!index || !index_usable(rel, *index)) continue;
        IndexMatch m = match_index(rel, *index, arm_clauses);
        if (m.conds.empty()) continue;
        double sel = 1;
        for (auto& cond : m.conds) sel *= selectivity(cond.clause);
        if (sel < best_sel) { best_sel = sel; best = index; best_match = m; }
      }
      if (!best) { n = nullptr; break; }
      n->or_indexes.push_back(best);
      n->or_conds.push_back(best_match.conds);
      fetched += std::max(1.0, rel.tuples * best_sel);
      cost += kSeekCost;
    }
    if (!n) continue;
    n->type = NodeType::kBitmapScan;
    n->rti = rel.rti;
    n->relids = rel.relids;
    n->relation = rel.table->oid;
    n->table = rel.table;
    n->alias = rel.alias.empty() ? rel.rte->alias : rel.alias;
    n->column_map = rel.column_map;
    for (auto& q : rel.quals) n->quals.push_back(q->expr);
    n->rows = rel.rows;
    n->width = rel.width;
    n->startup = cost;
    n->total = cost + fetched * (kFetchCost * 1.2 + planner_.settings().cpu_tuple_cost + qual_cost(n->quals, planner_));
    add_path(rel, n);
  }
}

}  // namespace stele::query
