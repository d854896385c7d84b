// Before planning proper: views, CTEs, join aliases, subquery and sublink pull-up, outer join reduction.
#include "base/error.h"
#include "query/optimizer/planner.h"
#include "types/oids.h"

namespace stele::query {

void Level::rewrite_all(const Rewriter& f) {
  rewrite_query(q_, f, 0);
  for (size_t i = 0; i < rtis_.size(); ++i) planner_.rtable[rtis_[i] - 1] = std::const_pointer_cast<RangeTableEntry>(q_.range_table[i]);
}

namespace {
std::shared_ptr<const SetOperation> offset_set(const std::shared_ptr<const SetOperation>& s, int offset) {
  auto copy = std::make_shared<SetOperation>(*s);
  if (s->leaf) { copy->relation += offset; return copy; }
  copy->left = offset_set(s->left, offset);
  copy->right = offset_set(s->right, offset);
  return copy;
}
void offset_other(Query& q, int offset) {
  if (q.result_relation > 0) q.result_relation += offset;
  if (q.instead_source > 0) q.instead_source += offset;
  if (q.set_operation) q.set_operation = offset_set(q.set_operation, offset);
  if (q.on_conflict && q.on_conflict->excluded_relation > 0) q.on_conflict->excluded_relation += offset;
}
}  // namespace

int Level::add_rte(std::shared_ptr<RangeTableEntry> rte) {
  planner_.rtable.push_back(rte);
  q_.range_table.push_back(rte);
  rtis_.push_back(static_cast<int>(planner_.rtable.size()));
  return rtis_.back();
}

void Level::append_entries(Query& sub, int) {
  for (auto& rte : sub.range_table) add_rte(rte);
}

void Level::adopt(Query q) {
  int offset = static_cast<int>(planner_.rtable.size());
  offset_relations(q, offset);
  offset_other(q, offset);
  auto entries = std::move(q.range_table);
  q_ = std::move(q);
  q_.range_table.clear();
  for (auto& rte : entries) add_rte(rte);
}

void Level::expand_views() {
  for (size_t i = 0; i < q_.range_table.size(); ++i) {
    auto& rte = q_.range_table[i];
    if (rte->kind == RteKind::kRelation && rte->relkind == 'f') {
      // No wrapper can fetch rows.
      auto table = planner_.relation(rte->relation);
      auto server = table != nullptr && table->extra.contains("server") ? planner_.state->get_as<catalog::Entry>(catalog::ObjectKind::kForeignServer, static_cast<Oid>(std::stoul(table->extra.at("server")))) : nullptr;
      auto wrapper = server != nullptr ? planner_.state->get(catalog::ObjectKind::kForeignWrapper, server->ref(0)) : nullptr;
      throw Error(ErrorCode::kObjectNotInPrerequisiteState, fmt::format("foreign-data wrapper \"{}\" has no handler", wrapper == nullptr ? "?" : wrapper->name));
    }
    if (rte->kind != RteKind::kRelation || rte->relkind != 'v' || rtis_[i] == q_.result_relation) continue;
    auto view = planner_.relation(rte->relation);
    if (!view || !planner_.ctx.bind_view) continue;
    auto copy = std::make_shared<RangeTableEntry>(*rte);
    copy->kind = RteKind::kSubquery;
    copy->subquery = planner_.ctx.bind_view(*view);
    auto barrier = view->options.find("security_barrier");
    copy->security_barrier = barrier != view->options.end() && barrier->second == "true";
    rte = copy;
    planner_.rtable[rtis_[i] - 1] = copy;
  }
}

// Each WITH query is inlined, or planned once and referred to by its number (cte_levels_up = -1 - number).
void Level::expand_ctes() {
  auto each = [&](const std::function<void(RangeTableEntry&, int)>& f) {
    for_each_rte(q_, 0, f);
    for (size_t i = 0; i < rtis_.size(); ++i) planner_.rtable[rtis_[i] - 1] = q_.range_table[i];
  };
  for (size_t i = 0; i < q_.ctes.size(); ++i) {
    std::string name = q_.ctes[i].name;
    int references = 0;
    each([&](RangeTableEntry& rte, int depth) {
      if (rte.kind == RteKind::kCte && rte.cte_levels_up == depth && rte.cte_name == name) references += rte.cte_self_reference ? 0 : 1;
    });
    CommonTable cte = q_.ctes[i];
    bool select = cte.query->command == CommandKind::kSelect;
    bool self = false;
    {
      Query probe = *cte.query;
      for_each_rte(probe, 1, [&](RangeTableEntry& rte, int depth) { self |= rte.kind == RteKind::kCte && rte.cte_levels_up == depth && rte.cte_name == name; });
    }
    bool recursive = cte.recursive && self && cte.query->set_operation;
    if (select && references == 0 && !recursive) continue;
    bool inlines = select && !recursive && !self && cte.materialize != CteMaterialize::kAlways && cte.query->row_locks.empty() &&
                   (references == 1 || cte.materialize == CteMaterialize::kNever) &&
                   !query_volatile(*cte.query, planner_.ctx);
    if (inlines) {
      each([&](RangeTableEntry& rte, int depth) {
        if (rte.kind != RteKind::kCte || rte.cte_levels_up != depth || rte.cte_name != name) return;
        rte.kind = RteKind::kSubquery;
        auto body = std::make_shared<Query>(*cte.query);
        // The body moves `depth` levels down, to a level below the referencing query.
        shift_levels(*body, depth, 1);
        rte.subquery = std::move(body);
      });
      continue;
    }
    int number = static_cast<int>(planner_.stmt->ctes.size());
    planner_.stmt->ctes.emplace_back();
    each([&](RangeTableEntry& rte, int depth) {
      if (rte.kind == RteKind::kCte && rte.cte_levels_up == depth && rte.cte_name == name) rte.cte_levels_up = -1 - number;
    });
    Query body = *q_.ctes[i].query;   // with the references just resolved
    CtePlan plan;
    plan.name = name;
    plan.recursive = recursive;
    plan.modifying = !select;
    planner_.stmt->ctes[number] = plan;
    Level level(planner_, this);
    if (recursive) level.recursive_cte_ = number;
    plan.plan = level.plan(std::move(body), 0);
    plan.rows = plan.plan->rows;
    auto exprs = level.output_exprs();
    plan.columns = exprs;
    plan.plan = finalize(plan.plan, exprs, level);
    plan.working_rows = planner_.stmt->ctes[number].working_rows;
    planner_.stmt->ctes[number] = std::move(plan);
  }
}

// A whole-row reference as a row of its columns; NULL when an outer join made it so.
ExprPtr Level::expand_whole_row(const VarExpr& v) {
  auto& rte = *planner_.rtable[v.relation - 1];
  auto row = std::make_shared<ListExpr>(ExprKind::kRow);
  row->type = v.type;
  row->location = v.location;
  row->explicit_row = false;
  for (size_t i = 0; i < rte.column_types.size(); ++i) {
    if (rte.column_types[i] == 0) {
      if (rte.kind != RteKind::kRelation) continue;
      row->args.push_back(make_const(oid::kInt4, {}, planner_.ctx));
      row->names.push_back("");
      continue;
    }
    auto col = std::make_shared<VarExpr>();
    col->relation = v.relation;
    col->column = static_cast<int16_t>(i + 1);
    col->type = rte.column_types[i];
    col->typmod = i < rte.column_typmods.size() ? rte.column_typmods[i] : -1;
    col->collation = i < rte.column_collations.size() ? rte.column_collations[i] : 0;
    row->args.push_back(col);
    row->names.push_back(i < rte.column_aliases.size() ? rte.column_aliases[i] : fmt::format("f{}", i + 1));
  }
  // A function returning one composite or scalar value: the row is its only column.
  if (rte.kind == RteKind::kFunction && row->args.size() == 1 && rte.functions.size() == 1 && row->args[0]->type == v.type) return row->args[0];
  if (rte.kind != RteKind::kRelation || rte.relation < oid::kFirstUserOid) return row;
  auto id = make_var(v.relation, system_column::kRowId, oid::kInt8);
  auto test = std::make_shared<NullTestExpr>();
  test->type = oid::kBool;
  test->arg = id;
  test->is_null = false;
  bool joined = false;
  for (auto& item : q_.from) joined |= item->is_join && item->join != JoinKind::kInner;
  std::function<bool(const FromPtr&)> outer = [&](const FromPtr& i) {
    return i->is_join && (i->join == JoinKind::kLeft || i->join == JoinKind::kRight || i->join == JoinKind::kFull || outer(i->left) || (i->right && outer(i->right)));
  };
  joined = std::any_of(q_.from.begin(), q_.from.end(), outer);
  if (!joined) return row;
  auto c = std::make_shared<CaseExpr>();
  c->type = v.type;
  c->when.emplace_back(test, row);
  return c;
}

// search(t, ...), highlight(t, ...) and score(t) name a row, not its columns (scan_providers.h). score() means the
// relation of this level that is searched.
void Level::bind_search_calls() {
  auto call_of = [&](const Expr& e) -> std::string {
    if (e.kind != ExprKind::kFunc || static_cast<const FuncExpr&>(e).func >= oid::kFirstUserOid) return {};
    std::string name = function_info(static_cast<const FuncExpr&>(e).func, planner_.ctx).name;
    return name == "search" || name == "score" || name == "highlight" ? name : std::string();
  };
  std::vector<int> searched;
  bool any = false;
  walk_query(q_, [&](const Expr& e, int level) {
    std::string name = call_of(e);
    if (name.empty()) return false;
    any = true;
    auto& args = static_cast<const FuncExpr&>(e).args;
    if (level == 0 && name == "search" && !args.empty() && args[0]->kind == ExprKind::kVar) {
      auto& v = static_cast<const VarExpr&>(*args[0]);
      if ((v.column == 0 || v.column == system_column::kRowId) && v.levels_up == 0 && std::find(searched.begin(), searched.end(), v.relation) == searched.end()) searched.push_back(v.relation);
    }
    return false;
  }, 0);
  if (!any) return;
  rewrite_all([&](const ExprPtr& e, int level) -> ExprPtr {
    std::string name = call_of(*e);
    if (name.empty()) return nullptr;
    auto& call = static_cast<const FuncExpr&>(*e);
    if (call.args.empty()) {
      if (name != "score" || level > 0) return nullptr;
      if (searched.size() != 1) throw Error(ErrorCode::kAmbiguousFunction, searched.empty() ? "score() needs a search() condition in the same query" : "score() is ambiguous: name the relation, as in score(t)");
      return make_var(searched[0], system_column::kScore, oid::kFloat4);
    }
    if (call.args[0]->kind != ExprKind::kVar || static_cast<const VarExpr&>(*call.args[0]).column != 0) return nullptr;
    auto& v = static_cast<const VarExpr&>(*call.args[0]);
    if (v.levels_up != level || planner_.rtable[v.relation - 1]->kind != RteKind::kRelation) return nullptr;
    auto row = std::make_shared<VarExpr>(v);
    row->column = name == "score" ? system_column::kScore : system_column::kRowId;
    row->type = name == "score" ? oid::kFloat4 : oid::kInt8;
    row->typmod = -1;
    row->collation = 0;
    if (name == "score") return row;
    auto copy = std::make_shared<FuncExpr>(call);
    copy->args[0] = row;
    return copy;
  });
}

void Level::flatten_join_vars() {
  std::function<ExprPtr(const ExprPtr&, int)> flatten = [&](const ExprPtr& e, int level) -> ExprPtr {
    if (e->kind != ExprKind::kVar) return nullptr;
    auto& v = static_cast<const VarExpr&>(*e);
    if (v.levels_up != level) return nullptr;
    auto& rte = *planner_.rtable[v.relation - 1];
    ExprPtr out;
    if (rte.kind == RteKind::kJoin) {
      if (v.column > 0) out = rte.join_columns[v.column - 1];
      else {
        auto row = std::make_shared<ListExpr>(ExprKind::kRow);
        row->type = v.type;
        row->args = rte.join_columns;
        row->names = rte.column_aliases;
        out = row;
      }
      out = rewrite(out, flatten, 0);
    } else if (v.column == 0) {
      out = expand_whole_row(v);
    } else {
      return nullptr;
    }
    return level > 0 ? shift_levels(out, level, 0) : out;
  };
  rewrite_all(flatten);
}

FromPtr Level::from_chain(std::vector<FromPtr> items, ExprPtr quals) {
  FromPtr out;
  for (auto& item : items) {
    if (!out) { out = item; continue; }
    auto join = std::make_shared<FromItem>();
    join->is_join = true;
    join->left = out;
    join->right = item;
    out = join;
  }
  if (!out) {
    auto rte = std::make_shared<RangeTableEntry>();
    rte->kind = RteKind::kResult;
    rte->alias = "*RESULT*";
    auto leaf = std::make_shared<FromItem>();
    leaf->relation = add_rte(rte);
    out = leaf;
  }
  if (quals) {
    auto filter = std::make_shared<FromItem>();
    filter->is_join = true;
    filter->left = out;
    filter->condition = quals;
    out = filter;
  }
  return out;
}

// Sublinks -> semi and anti joins.
namespace {
bool refers_level(const Query& q, int up) {
  return walk_query(q, [&](const Expr& e, int level) {
    if (e.kind == ExprKind::kVar) return static_cast<const VarExpr&>(e).levels_up >= level + up;
    if (e.kind == ExprKind::kAggregate) return static_cast<const AggregateExpr&>(e).levels_up >= level + up;
    return false;
  }, 0);
}
}  // namespace

FromPtr Level::pull_sublinks_qual(ExprPtr& qual, FromPtr item, int depth) {
  if (!qual || depth > 8) return item;
  std::vector<ExprPtr> parts, kept;
  split_and(qual, parts);
  for (auto& part : parts) {
    const Expr* inner = part.get();
    bool negated = false;
    if (inner->kind == ExprKind::kBool && static_cast<const BoolExpr&>(*inner).op == BoolOp::kNot) {
      inner = static_cast<const BoolExpr&>(*inner).args[0].get();
      negated = true;
    }
    if (inner->kind != ExprKind::kSubLink) { kept.push_back(part); continue; }
    auto& link = static_cast<const SubLinkExpr&>(*inner);
    if (link.link == SubLinkKind::kAny && !negated && !refers_level(*link.subquery, 1) && has_vars(link.test) && !has_volatile(link.test, planner_.ctx) &&
        !has_sublink(link.test) && base_leaves_ + pulled_ < kMaxRelations) {
      ++pulled_;
      auto rte = std::make_shared<RangeTableEntry>();
      rte->kind = RteKind::kSubquery;
      rte->alias = "ANY_subquery";
      rte->subquery = link.subquery;
      for (auto& t : link.subquery->targets) {
        if (t.junk) continue;
        rte->column_types.push_back(t.expr->type);
        rte->column_typmods.push_back(t.expr->typmod);
        rte->column_collations.push_back(t.expr->collation);
        rte->column_aliases.push_back(t.name);
      }
      int rti = add_rte(rte);
      ExprPtr test = rewrite(link.test, [&](const ExprPtr& e, int) -> ExprPtr {
        if (e->kind != ExprKind::kParam) return nullptr;
        auto& p = static_cast<const ParamExpr&>(*e);
        if (p.param_kind != ParamKind::kExec || p.id >= kExecParamBase) return nullptr;
        return make_var(rti, static_cast<int16_t>(p.id), e->type, e->typmod, e->collation);
      });
      auto leaf = std::make_shared<FromItem>();
      leaf->relation = rti;
      auto join = std::make_shared<FromItem>();
      join->is_join = true;
      join->join = JoinKind::kSemi;
      join->left = item;
      join->right = leaf;
      join->condition = test;
      item = join;
      continue;
    }
    if (link.link == SubLinkKind::kExists) {
      const Query& sub = *link.subquery;
      bool simple = sub.command == CommandKind::kSelect && !sub.set_operation && !sub.has_aggregates && sub.group_by.empty() && sub.grouping_sets.empty() &&
                    !sub.having && !sub.has_windows && !sub.has_target_srfs && !sub.limit_offset && sub.row_locks.empty() && sub.ctes.empty() && !sub.from.empty() && sub.where;
      if (simple && sub.limit_count && !(sub.limit_count->kind == ExprKind::kConst)) simple = false;
      if (simple && sub.limit_count) {
        auto& c = static_cast<const ConstExpr&>(*sub.limit_count);
        if (!c.is_null && c.value.as_int() <= 0) simple = false;
      }
      if (simple) {
        Query rest = sub;
        rest.where = nullptr;
        rest.targets.clear();
        rest.order_by.clear();
        rest.distinct.clear();
        rest.limit_count = nullptr;
        if (!refers_level(rest, 1) && has_upper_vars(sub.where) && !has_volatile(sub.where, planner_.ctx) && base_leaves_ + pulled_ + sub.range_table.size() <= kMaxRelations) {
          pulled_ += sub.range_table.size();
          int offset = static_cast<int>(planner_.rtable.size());
          // Own Vars are still at level 0 with local numbers; the outer level's came down to level 0 too, so
          // number the subquery's own relations before the shift.
          Query own = sub;
          own.targets.clear();
          own.order_by.clear();
          own.distinct.clear();
          own.limit_count = nullptr;
          offset_relations(own, offset);
          shift_levels(own, -1, 1);
          append_entries(own, offset);
          expand_views();
          ExprPtr condition = own.where;
          FromPtr right = from_chain(own.from, nullptr);
          right = pull_sublinks_from(right);
          // Sublinks of the condition that concern the inner side alone join there.
          std::vector<ExprPtr> list, outer_part;
          split_and(condition, list);
          ExprPtr inner_quals;
          std::vector<ExprPtr> inner_list;
          std::set<int> inner_rtis(rtis_.end() - static_cast<long>(own.range_table.size()), rtis_.end());
          for (auto& x : list) {
            bool only_inner = has_sublink(x) && !walk(x, [&](const Expr& e, int level) {
              return e.kind == ExprKind::kVar && static_cast<const VarExpr&>(e).levels_up == level && !inner_rtis.contains(static_cast<const VarExpr&>(e).relation);
            });
            (only_inner ? inner_list : outer_part).push_back(x);
          }
          inner_quals = make_and(inner_list);
          if (inner_quals) {
            right = pull_sublinks_qual(inner_quals, right, depth + 1);
            if (inner_quals) right = from_chain({right}, inner_quals);
          }
          auto join = std::make_shared<FromItem>();
          join->is_join = true;
          join->join = negated ? JoinKind::kAnti : JoinKind::kSemi;
          join->left = item;
          join->right = right;
          join->condition = make_and(outer_part);
          item = join;
          continue;
        }
      }
    }
    kept.push_back(part);
  }
  qual = make_and(std::move(kept));
  return item;
}

FromPtr Level::pull_sublinks_from(const FromPtr& item) {
  if (!item->is_join) return item;
  auto copy = std::make_shared<FromItem>(*item);
  copy->left = pull_sublinks_from(item->left);
  if (item->right) copy->right = pull_sublinks_from(item->right);
  if (!copy->condition) return copy;
  if (copy->join == JoinKind::kInner) {
    ExprPtr qual = copy->condition;
    auto inner = std::make_shared<FromItem>(*copy);
    inner->condition = nullptr;
    FromPtr out = copy->right ? FromPtr(inner) : copy->left;
    out = pull_sublinks_qual(qual, out, 0);
    return qual ? from_chain({out}, qual) : out;
  }
  return copy;
}

void Level::pull_up_sublinks() {
  if (q_.from.empty()) return;
  for (auto& item : q_.from) item = pull_sublinks_from(item);
  if (!q_.where || !has_sublink(q_.where)) return;
  FromPtr all = from_chain(q_.from, nullptr);
  FromPtr pulled = pull_sublinks_qual(q_.where, all, 0);
  if (pulled != all) q_.from = {pulled};
}

bool Level::is_simple_subquery(const Query& sub, const RangeTableEntry& rte, bool nullable) {
  if (sub.command != CommandKind::kSelect || sub.set_operation || sub.has_aggregates || !sub.group_by.empty() || !sub.grouping_sets.empty() || sub.having ||
      sub.has_windows || sub.has_target_srfs || !sub.distinct.empty() || sub.limit_count || sub.limit_offset || !sub.order_by.empty() ||
      !sub.row_locks.empty() || !sub.ctes.empty() || rte.security_barrier) return false;
  if (rte.lateral && nullable) return false;
  for (auto& t : sub.targets) {
    if (has_volatile(t.expr, planner_.ctx) || returns_set(t.expr)) return false;
    if (nullable && (t.expr->kind != ExprKind::kVar || static_cast<const VarExpr&>(*t.expr).levels_up != 0 || static_cast<const VarExpr&>(*t.expr).column == 0)) return false;
  }
  if (nullable && sub.from.empty()) return false;
  // Under an outer join a join-alias Var may hide an expression.
  if (nullable)
    for (auto& t : sub.targets) {
      auto& v = static_cast<const VarExpr&>(*t.expr);
      if (sub.range_table[v.relation - 1]->kind == RteKind::kJoin && sub.range_table[v.relation - 1]->join_columns[v.column - 1]->kind != ExprKind::kVar) return false;
    }
  return true;
}

// What stands for the columns of relation `rti`.
static std::function<ExprPtr(const ExprPtr&, int)> var_replacer(int rti, const std::vector<ExprPtr>& replacement) {
  return [rti, &replacement](const ExprPtr& e, int level) -> ExprPtr {
    if (e->kind != ExprKind::kVar) return nullptr;
    auto& v = static_cast<const VarExpr&>(*e);
    if (v.relation != rti || v.levels_up != level) return nullptr;
    if (v.column < 1 || v.column > static_cast<int>(replacement.size())) throw Error(ErrorCode::kInternalError, "reference to a column that the subquery does not have");
    const ExprPtr& r = replacement[v.column - 1];
    return level > 0 ? shift_levels(r, level, 0) : r;
  };
}

void Level::replace_vars(int rti, const std::vector<ExprPtr>& replacement) { rewrite_all(var_replacer(rti, replacement)); }

FromPtr Level::pull_up_from(const FromPtr& item, bool nullable) {
  if (item->is_join) {
    auto copy = std::make_shared<FromItem>(*item);
    bool left_null = nullable || item->join == JoinKind::kRight || item->join == JoinKind::kFull;
    bool right_null = nullable || item->join == JoinKind::kLeft || item->join == JoinKind::kFull;
    copy->left = pull_up_from(item->left, left_null);
    if (item->right) copy->right = pull_up_from(item->right, right_null);
    // Pulling up rewrote the level, this item's condition not yet: see pull_up_subqueries().
    return copy;
  }
  auto rte = planner_.rtable[item->relation - 1];
  if (rte->kind != RteKind::kSubquery || !is_simple_subquery(*rte->subquery, *rte, nullable)) return item;
  if (base_leaves_ + pulled_ + rte->subquery->range_table.size() > kMaxRelations) return item;
  pulled_ += rte->subquery->range_table.size();
  Query sub = *rte->subquery;
  offset_relations(sub, static_cast<int>(planner_.rtable.size()));
  shift_levels(sub, -1, 1);
  append_entries(sub, 0);
  std::vector<ExprPtr> targets;
  for (auto& t : sub.targets) if (!t.junk) targets.push_back(t.expr);
  pending_.emplace_back(item->relation, targets);
  // The entry stays for EXPLAIN's names but is nobody's relation any more.
  auto dead = std::make_shared<RangeTableEntry>(*rte);
  dead->subquery = nullptr;
  for (size_t i = 0; i < rtis_.size(); ++i) if (rtis_[i] == item->relation) q_.range_table[i] = dead;
  planner_.rtable[item->relation - 1] = dead;
  expand_views();
  // The new items may be subqueries or have sublinks themselves.
  ExprPtr where = sub.where;
  std::vector<FromPtr> items;
  for (auto& f : sub.from) items.push_back(pull_sublinks_from(f));
  FromPtr chain = from_chain(std::move(items), nullptr);
  if (where && has_sublink(where)) chain = pull_sublinks_qual(where, chain, 0);
  if (where) chain = from_chain({chain}, where);
  return pull_up_from(chain, nullable);
}

void Level::pull_up_subqueries() {
  for (int round = 0; round < 32; ++round) {
    pending_.clear();
    std::vector<FromPtr> from;
    for (auto& item : q_.from) from.push_back(pull_up_from(item, false));
    if (pending_.empty()) return;
    q_.from = std::move(from);
    // Outer subqueries first: their replacements may mention inner ones. Those of a LATERAL one may mention its
    // neighbours to the left, which come before it.
    auto pending = std::move(pending_);
    pending_.clear();
    for (size_t i = 0; i < pending.size(); ++i) {
      const auto& [rti, targets] = pending[i];
      replace_vars(rti, targets);
      for (size_t j = i + 1; j < pending.size(); ++j)
        for (ExprPtr& e : pending[j].second) e = rewrite(e, var_replacer(rti, targets));
    }
    flatten_join_vars();
  }
}

// Outer joins whose nullable side a strict condition above rejects become inner.
namespace {
struct Reducer {
  Planner& p;
  std::set<int> rtis(const FromPtr& item) {
    std::set<int> out;
    if (!item->is_join) { out.insert(item->relation); return out; }
    out = rtis(item->left);
    if (item->right) { auto r = rtis(item->right); out.insert(r.begin(), r.end()); }
    return out;
  }
  bool rejects(const std::vector<ExprPtr>& quals, const std::set<int>& rels) {
    for (auto& q : quals)
      for (int r : rels)
        if (is_strict_for(q, [&](const VarExpr& v) { return v.relation == r; }, p.ctx)) return true;
    return false;
  }
  FromPtr reduce(const FromPtr& item, std::vector<ExprPtr> quals) {
    if (!item->is_join) return item;
    auto copy = std::make_shared<FromItem>(*item);
    std::vector<ExprPtr> own;
    split_and(item->condition, own);
    if (!item->right) {
      quals.insert(quals.end(), own.begin(), own.end());
      copy->left = reduce(item->left, quals);
      return copy;
    }
    auto left = rtis(item->left), right = rtis(item->right);
    if (copy->join == JoinKind::kFull) {
      bool l = rejects(quals, left), r = rejects(quals, right);
      if (l && r) copy->join = JoinKind::kInner;
      else if (l) copy->join = JoinKind::kLeft;
      else if (r) copy->join = JoinKind::kRight;
    }
    if (copy->join == JoinKind::kRight) {
      std::swap(copy->left, copy->right);
      std::swap(left, right);
      copy->join = JoinKind::kLeft;
    }
    if (copy->join == JoinKind::kLeft && rejects(quals, right)) copy->join = JoinKind::kInner;
    std::vector<ExprPtr> both = quals;
    both.insert(both.end(), own.begin(), own.end());
    switch (copy->join) {
      case JoinKind::kInner: case JoinKind::kSemi:
        copy->left = reduce(copy->left, both);
        copy->right = reduce(copy->right, both);
        break;
      case JoinKind::kFull:
        copy->left = reduce(copy->left, {});
        copy->right = reduce(copy->right, {});
        break;
      default:
        copy->left = reduce(copy->left, quals);
        copy->right = reduce(copy->right, own);
    }
    return copy;
  }
};
}  // namespace

void Level::reduce_outer_joins() {
  std::vector<ExprPtr> quals;
  split_and(q_.where, quals);
  Reducer r{planner_};
  for (auto& item : q_.from) item = r.reduce(item, quals);
}

void Level::simplify_all() {
  // One expression at a time; nested queries are simplified when they are planned.
  auto list = [&](std::vector<TargetEntry>& v) { for (auto& t : v) t.expr = planner_.simplify(t.expr); };
  list(q_.targets);
  list(q_.returning);
  if (q_.where) q_.where = planner_.simplify(q_.where);
  if (q_.having) q_.having = planner_.simplify(q_.having);
  if (q_.limit_count) q_.limit_count = planner_.simplify(q_.limit_count);
  if (q_.limit_offset) q_.limit_offset = planner_.simplify(q_.limit_offset);
  if (q_.on_conflict) {
    list(q_.on_conflict->set);
    if (q_.on_conflict->where) q_.on_conflict->where = planner_.simplify(q_.on_conflict->where);
  }
  for (auto& c : q_.check_options) c.expr = planner_.simplify(c.expr);
  for (auto& a : q_.merge_actions) {
    if (a.condition) a.condition = planner_.simplify(a.condition);
    list(a.targets);
  }
  std::function<FromPtr(const FromPtr&)> from = [&](const FromPtr& item) -> FromPtr {
    if (!item->is_join) return item;
    auto copy = std::make_shared<FromItem>(*item);
    copy->left = from(item->left);
    if (item->right) copy->right = from(item->right);
    if (copy->condition) copy->condition = planner_.simplify(copy->condition);
    return copy;
  };
  for (auto& item : q_.from) item = from(item);
  for (size_t i = 0; i < q_.range_table.size(); ++i) {
    auto& rte = q_.range_table[i];
    if (rte->kind != RteKind::kFunction && rte->kind != RteKind::kValues) continue;
    auto copy = std::make_shared<RangeTableEntry>(*rte);
    for (auto& fn : copy->functions) fn.call = planner_.simplify(fn.call);
    for (auto& row : copy->values) for (auto& e : row) e = planner_.simplify(e);
    rte = copy;
    planner_.rtable[rtis_[i] - 1] = copy;
  }
}

}  // namespace stele::query
