// EXPLAIN: the plan as a tree of properties, printed as text, JSON, XML or YAML in PostgreSQL's shape.
#include "base/error.h"
#include "query/exec/cte.h"
#include "query/optimizer/planner.h"
#include "query/scan_providers.h"
#include "types/oids.h"

namespace stele::query {

namespace {
struct Prop;
// Values: text (quoted in JSON), plain (numbers, booleans), list of texts, or child nodes.
struct Node {
  std::string title;                    // text format's first line, without costs
  std::vector<std::string> targets;     // the lines after it: tables that are changed
  std::vector<Prop> props;
  std::vector<Node> children;
  std::string subplan_name;             // "InitPlan 1", "SubPlan 2", "CTE x"
  const PlanNode* cost = nullptr;       // whose estimates are shown
  const PlanNode* actual = nullptr;
};
struct Prop {
  enum Kind { kText, kPlain, kList } kind;
  std::string name, value;
  std::vector<std::string> list;
  bool text_format = true, other_formats = true;
};

std::string number(double v, int digits) { return fmt::format("{:.{}f}", v, digits); }

class Explainer {
 public:
  Explainer(const PlannedStatement& p, ExecContext& ctx, const ExplainOptions& o, const DeparseExpr& d, const std::unordered_map<const PlanNode*, NodeStats>* stats)
      : plan_(p), ctx_(ctx), opt_(o), deparse_(d), stats_(stats) {
    std::map<std::string, int> used;
    for (auto& r : p.range_table) {
      std::string name = r->alias;
      int n = used[name]++;
      names_.push_back(n > 0 && r->kind != RteKind::kJoin ? fmt::format("{}_{}", name, n) : name);
    }
    if (p.root) note_params(*p.root);
    for (auto& s : p.subplans) if (s) note_params(*s);
    for (auto& c : p.ctes) if (c.plan) note_params(*c.plan);
  }

  Node root() {
    Node n = describe(*plan_.root);
    attach_ctes(n);
    return n;
  }

 private:
  // --- Expressions
  // own: conditions of a scan name the columns of their relation alone, and those of others in full; -1: all in full.
  std::string text(const ExprPtr& original, bool qualified, int own = 0) {
    ExprPtr e = resolve_params(original);
    std::vector<std::string> names = names_;
    if (own < 0) qualified = true;
    if (own > 0) names[static_cast<size_t>(own - 1)] = opt_.verbose ? own_name_.empty() ? names[static_cast<size_t>(own - 1)] : own_name_ : "";
    else if (!qualified) std::fill(names.begin(), names.end(), "");
    // Subplans print by their label.
    for_each_subplan(e);
    return deparse_ ? deparse_(e, names) : "?";
  }
  void for_each_subplan(const ExprPtr& e) {
    walk(e, [&](const Expr& x, int) {
      if (x.kind == ExprKind::kSubPlan) {
        auto& s = static_cast<const SubPlanExpr&>(x);
        if (shown_.insert(s.plan).second) pending_.push_back(&s);
      }
      return false;
    });
  }
  bool multiple() const { return relations_ > 1 || opt_.verbose; }
  // A correlated parameter prints as the column that it stands for.
  void note_params(const PlanNode& n) {
    for (auto& [id, e] : n.nest_params) params_[id] = e;
    for (auto& [id, e] : n.lateral_params) params_[id] = e;
    auto visit = [&](const ExprPtr& e) {
      if (!e) return;
      walk(e, [&](const Expr& x, int) {
        if (x.kind == ExprKind::kSubPlan) for (auto& [id, arg] : static_cast<const SubPlanExpr&>(x).args) params_[id] = arg;
        return false;
      });
    };
    for (auto* list : {&n.layout, &n.quals, &n.one_time, &n.join_quals, &n.outer_keys, &n.inner_keys, &n.group_keys, &n.aggregates, &n.set_targets, &n.provider_filter})
      for (auto& e : *list) visit(e);
    for (auto& c : n.conds) visit(c.clause);
    for (auto& k : n.sort_keys) visit(k.expr);
    for (auto& f : n.functions) visit(f.call);
    for (auto& row : n.values) for (auto& e : row) visit(e);
    for (auto& c : n.children) note_params(*c);
  }
  ExprPtr resolve_params(const ExprPtr& e) {
    if (params_.empty()) return e;
    std::function<ExprPtr(const ExprPtr&, int)> f = [&](const ExprPtr& x, int) -> ExprPtr {
      if (x->kind != ExprKind::kParam) return nullptr;
      auto& p = static_cast<const ParamExpr&>(*x);
      if (p.param_kind != ParamKind::kExec) return nullptr;
      auto it = params_.find(p.id);
      return it == params_.end() || it->second == x ? nullptr : rewrite(it->second, f);
    };
    return rewrite(e, f);
  }
  // Conditions of a scan over one relation; of any other node.
  std::string quals(const std::vector<ExprPtr>& list, int own = 0) {
    // What is printed without parentheses of its own stands without them here.
    auto one = [&](const ExprPtr& q) {
      const std::string t = text(q, multiple(), own);
      const bool bare = q->kind == ExprKind::kVar || q->kind == ExprKind::kCase || q->kind == ExprKind::kCoalesce ||
                        (q->kind == ExprKind::kFunc && static_cast<const FuncExpr&>(*q).format == FuncFormat::kCall);
      return bare ? t : wrap(t);
    };
    if (list.size() == 1) return one(list[0]);
    std::string out;
    for (auto& q : list) out += (out.empty() ? "" : " AND ") + one(q);
    return "(" + out + ")";
  }
  static std::string wrap(const std::string& s) {
    // One balanced pair around the whole stays as it is.
    if (s.size() > 1 && s.front() == '(' && s.back() == ')') {
      int depth = 0;
      for (size_t i = 0; i + 1 < s.size(); ++i) {
        depth += s[i] == '(' ? 1 : s[i] == ')' ? -1 : 0;
        if (depth == 0) return "(" + s + ")";
      }
      return s;
    }
    return "(" + s + ")";
  }
  static void add_text(Node& n, std::string name, std::string value) { n.props.push_back({Prop::kText, std::move(name), std::move(value), {}, true, true}); }
  static void add_json(Node& n, std::string name, std::string value, Prop::Kind k = Prop::kText) { n.props.push_back({k, std::move(name), std::move(value), {}, false, true}); }
  static void add_list(Node& n, std::string name, std::vector<std::string> v) { n.props.push_back({Prop::kList, std::move(name), {}, std::move(v), true, true}); }
  void filter(Node& n, const PlanNode& p) {
    if (p.quals.empty()) return;
    add_text(n, "Filter", quals(p.quals, scan_rti(p)));
    removed(n, p, "Rows Removed by Filter", [](const NodeStats& s) { return s.removed; });
  }
  // The relation whose columns a scan's conditions name without a prefix; subquery scans name theirs in full.
  static int scan_rti(const PlanNode& p) {
    switch (p.type) {
      case NodeType::kSeqScan: case NodeType::kIndexScan: case NodeType::kIndexOnlyScan: case NodeType::kBitmapScan: case NodeType::kFunctionScan: case NodeType::kValuesScan:
      case NodeType::kCteScan: case NodeType::kWorkTableScan: case NodeType::kProviderScan: return p.rti;
      case NodeType::kSubqueryScan: return -1;
      default: return 0;
    }
  }
  void provider(Node& n, const PlanNode& p, const ProviderPlan& sp) {
    if (!sp.index_name().empty()) add_json(n, "Index Name", sp.index_name());
    for (auto& [label, list] : sp.conditions()) if (!list.empty()) add_text(n, label, quals(list, p.rti));
    for (auto& [label, value] : sp.properties()) add_text(n, label, value);
    std::vector<ExprPtr> checked = p.provider_filter;
    checked.insert(checked.end(), p.quals.begin(), p.quals.end());
    if (!checked.empty()) {
      add_text(n, "Filter", quals(checked, p.rti));
      removed(n, p, "Rows Removed by Filter", [](const NodeStats& s) { return s.removed; });
    }
    if (auto* s = stats(p)) for (auto& [label, value] : s->lines) add_text(n, label, value);
  }
  void removed(Node& n, const PlanNode& p, const char* label, double (*get)(const NodeStats&)) {
    auto* s = stats(p);
    if (s == nullptr) return;
    double v = get(*s) / std::max(1.0, s->loops);
    if (v > 0) n.props.push_back({Prop::kPlain, label, number(v, 0), {}, true, true});
    else n.props.push_back({Prop::kPlain, label, "0", {}, false, true});
  }
  const NodeStats* stats(const PlanNode& p) const {
    if (stats_ == nullptr) return nullptr;
    auto it = stats_->find(&p);
    return it == stats_->end() ? nullptr : &it->second;
  }
  std::vector<std::string> sort_keys(const std::vector<SortKey>& keys) {
    std::vector<std::string> out;
    for (auto& k : keys) {
      std::string s = text(k.expr, multiple());
      if (k.expr->kind != ExprKind::kVar && k.expr->kind != ExprKind::kAggregate && k.expr->kind != ExprKind::kFunc && k.expr->kind != ExprKind::kWindow) s = wrap(s);
      if (k.descending) s += " DESC";
      if (k.nulls_first != k.descending) s += k.nulls_first ? " NULLS FIRST" : " NULLS LAST";
      out.push_back(s);
    }
    return out;
  }
  std::string rel_suffix(const PlanNode& p) {
    if (!p.table && !p.relation) return "";
    std::string rel = p.table ? p.table->name : p.rti > 0 ? relation_name(p.rti) : "";
    std::string name = p.rti > 0 && p.alias == plan_.range_table[static_cast<size_t>(p.rti - 1)]->alias ? names_[static_cast<size_t>(p.rti - 1)] : p.alias;
    std::string schema;
    if (opt_.verbose && p.table) {
      auto s = ctx_.catalog->state()->get(catalog::ObjectKind::kSchema, p.table->schema);
      if (s) schema = s->name + ".";
    }
    return " on " + schema + rel + (name != rel && !name.empty() ? " " + name : "");
  }
  std::string relation_name(int rti) {
    auto& r = *plan_.range_table[static_cast<size_t>(rti - 1)];
    if (auto rel = ctx_.catalog->state()->relation(r.relation)) return rel->name;
    return r.alias;
  }
  void relation_props(Node& n, const PlanNode& p) {
    if (!p.table && p.relation == 0) return;
    add_json(n, "Relation Name", p.table ? p.table->name : relation_name(p.rti));
    add_json(n, "Alias", p.rti > 0 ? names_[static_cast<size_t>(p.rti - 1)] : p.alias);
  }

  static bool inherits(const PlanNode& append) {
    const auto& first = append.children.empty() ? nullptr : append.children[0]->table;
    return append.set_targets.empty() && first && !first->bound;
  }

  Node describe(const PlanNode& p) {
    // A projection shows as the node below it.
    if (p.type == NodeType::kProject && !p.children.empty()) {
      const PlanNode& below = *p.children[0];
      for (auto& t : p.set_targets) for_each_subplan(t);
      if (below.type == NodeType::kAppend && inherits(below) && std::any_of(p.set_targets.begin(), p.set_targets.end(), [](auto& t) { return t->kind != ExprKind::kVar; })) {
        // An Append computes nothing; partitions alone take over what is above it.
        Node n;
        n.title = "Result";
        n.props.push_back({Prop::kText, "Node Type", "Result", {}, false, true});
        n.cost = n.actual = &p;
        if (opt_.verbose) output(n, p.set_targets);
        take_subplans(n);
        n.children.push_back(describe(below));
        return n;
      }
      Node n = describe(below);
      if (below.type != NodeType::kResult || !below.children.empty()) n.cost = &p;
      else n.cost = &p;
      if (opt_.verbose) output(n, p.set_targets);
      take_subplans(n);
      return n;
    }
    Node n;
    n.cost = n.actual = &p;
    own_name_ = scan_rti(p) > 0 && !p.column_map.empty() ? p.alias : std::string();
    if (p.rti > 0) ++relations_;
    relations_ = std::max(relations_, static_cast<int>(plan_.range_table.size()) > 1 ? count_relations() : relations_);
    std::string node;
    auto simple = [&](const std::string& t) { node = t; n.title = t; };
    switch (p.type) {
      case NodeType::kResult: simple("Result"); break;
      case NodeType::kProject: simple("Result"); break;
      case NodeType::kProjectSet: simple("ProjectSet"); break;
      case NodeType::kSeqScan:
        if (!p.sample_method.empty()) { node = "Sample Scan"; n.title = node + rel_suffix(p); break; }
        node = "Seq Scan";
        n.title = node + rel_suffix(p);
        break;
      case NodeType::kIndexScan: case NodeType::kIndexOnlyScan:
        node = p.type == NodeType::kIndexScan ? "Index Scan" : "Index Only Scan";
        n.title = node + (p.backward ? " Backward" : "") + " using " + p.index->name + rel_suffix(p);
        break;
      case NodeType::kBitmapScan: node = "Bitmap Heap Scan"; n.title = node + rel_suffix(p); break;
      case NodeType::kProviderScan: {
        auto& sp = *static_cast<const ProviderPlan*>(p.provider.get());
        node = sp.node_name();
        n.title = node + (sp.index_name().empty() ? "" : " using " + sp.index_name()) + rel_suffix(p);
        break;
      }
      case NodeType::kSubqueryScan: node = "Subquery Scan"; n.title = node + " on " + names_[static_cast<size_t>(p.rti - 1)]; break;
      case NodeType::kFunctionScan: {
        node = "Function Scan";
        std::string f = p.functions.size() == 1 && p.functions[0].call->kind == ExprKind::kFunc ? function_info(static_cast<const FuncExpr&>(*p.functions[0].call).func, ctx_).name : "";
        std::string alias = names_[static_cast<size_t>(p.rti - 1)];
        n.title = node + " on " + (f.empty() || f == alias ? alias : f + " " + alias);
        break;
      }
      case NodeType::kValuesScan: node = "Values Scan"; n.title = node + " on \"" + names_[static_cast<size_t>(p.rti - 1)] + "\""; break;
      case NodeType::kCteScan: case NodeType::kWorkTableScan: {
        node = p.type == NodeType::kCteScan ? "CTE Scan" : "WorkTable Scan";
        std::string cte = plan_.ctes[static_cast<size_t>(p.cte)].name, alias = names_[static_cast<size_t>(p.rti - 1)];
        n.title = node + " on " + cte + (alias != cte ? " " + alias : "");
        break;
      }
      case NodeType::kNestLoop: node = "Nested Loop"; n.title = node + join_suffix(p, ""); break;
      case NodeType::kHashJoin: node = "Hash Join"; n.title = p.join == JoinKind::kInner ? node : "Hash" + join_suffix(p, " Join"); break;
      case NodeType::kMergeJoin: node = "Merge Join"; n.title = p.join == JoinKind::kInner ? node : "Merge" + join_suffix(p, " Join"); break;
      case NodeType::kMaterialize: simple("Materialize"); break;
      case NodeType::kSort: simple("Sort"); break;
      case NodeType::kGroup: simple("Group"); break;
      case NodeType::kAgg:
        node = "Aggregate";
        n.title = p.strategy == AggStrategy::kPlain ? "Aggregate" : p.strategy == AggStrategy::kSorted ? "GroupAggregate" : p.strategy == AggStrategy::kHashed ? "HashAggregate" : "MixedAggregate";
        break;
      case NodeType::kWindowAgg: simple("WindowAgg"); break;
      case NodeType::kUnique: simple("Unique"); break;
      case NodeType::kSetOp:
        node = "SetOp";
        n.title = fmt::format("HashSetOp {}{}", p.set_op == SetOp::kIntersect ? "Intersect" : "Except", p.set_all ? " All" : "");
        break;
      case NodeType::kAppend: simple("Append"); break;
      case NodeType::kMergeAppend: simple("Merge Append"); break;
      case NodeType::kRecursiveUnion: simple("Recursive Union"); break;
      case NodeType::kLimit: simple("Limit"); break;
      case NodeType::kLockRows: simple("LockRows"); break;
      case NodeType::kModifyTable: {
        node = "ModifyTable";
        const char* op = p.modify->command == CommandKind::kInsert ? "Insert" : p.modify->command == CommandKind::kUpdate ? "Update" : p.modify->command == CommandKind::kDelete ? "Delete" : "Merge";
        n.title = std::string(op) + rel_suffix(p);
        add_json(n, "Operation", op);
        if (p.modify->command != CommandKind::kInsert && p.table && (p.table->partitioning || !p.modify->child_relations.empty())) {
          std::vector<const PlanNode*> below;
          targets_below(p, p.modify->rti, below);
          if (below.size() != 1 || below[0]->relation != p.relation)
            for (auto* t : below) n.targets.push_back(std::string(op) + rel_suffix(*t));
        }
        break;
      }
    }
    n.props.insert(n.props.begin(), Prop{Prop::kText, "Node Type", node, {}, false, true});
    if (p.type == NodeType::kAgg) {
      add_json(n, "Strategy", p.strategy == AggStrategy::kPlain ? "Plain" : p.strategy == AggStrategy::kSorted ? "Sorted" : p.strategy == AggStrategy::kHashed ? "Hashed" : "Mixed");
      add_json(n, "Partial Mode", "Simple");
    }
    add_json(n, "Parallel Aware", "false", Prop::kPlain);
    add_json(n, "Async Capable", "false", Prop::kPlain);
    if (p.type == NodeType::kIndexScan || p.type == NodeType::kIndexOnlyScan) {
      add_json(n, "Scan Direction", p.backward ? "Backward" : "Forward");
      add_json(n, "Index Name", p.index->name);
    }
    if (p.type == NodeType::kNestLoop || p.type == NodeType::kHashJoin || p.type == NodeType::kMergeJoin) add_json(n, "Join Type", join_name(p.join));
    if (p.type != NodeType::kModifyTable || p.table) relation_props(n, p);
    if (opt_.verbose && p.type != NodeType::kModifyTable) output(n, p.layout);
    details(n, p);
    take_subplans(n);
    for (size_t i = 0; i < p.children.size(); ++i) {
      // Hashing is a node of its own in PostgreSQL.
      if (p.type == NodeType::kHashJoin && i == 1) {
        Node h;
        h.title = "Hash";
        h.props.push_back({Prop::kText, "Node Type", "Hash", {}, false, true});
        h.cost = p.children[1].get();
        h.actual = p.children[1].get();
        if (auto* s = stats(p)) {
          add_json(h, "Hash Buckets", number(s->buckets, 0), Prop::kPlain);
          h.props.push_back({Prop::kText, "Buckets", fmt::format("{:.0f}  Batches: {:.0f}  Memory Usage: {:.0f}kB", s->buckets, s->batches, std::ceil(s->memory_bytes / 1024)), {}, true, false});
        }
        h.children.push_back(describe(*p.children[1]));
        n.children.push_back(std::move(h));
        continue;
      }
      n.children.push_back(describe(*p.children[i]));
    }
    return n;
  }
  int count_relations() const {
    int n = 0;
    for (auto& r : plan_.range_table)
      if (r->kind != RteKind::kJoin && r->kind != RteKind::kResult && !(r->kind == RteKind::kSubquery && !r->subquery)) ++n;
    return n;
  }
  static const char* join_name(JoinKind k) {
    switch (k) {
      case JoinKind::kInner: return "Inner";
      case JoinKind::kLeft: return "Left";
      case JoinKind::kFull: return "Full";
      case JoinKind::kRight: return "Right";
      case JoinKind::kSemi: return "Semi";
      default: return "Anti";
    }
  }
  static std::string join_suffix(const PlanNode& p, const std::string& tail) { return p.join == JoinKind::kInner ? "" : std::string(" ") + join_name(p.join) + (tail.empty() ? " Join" : tail); }
  void output(Node& n, const std::vector<ExprPtr>& list) {
    std::vector<std::string> out;
    for (auto& e : list) {
      if (e->kind == ExprKind::kVar && static_cast<const VarExpr&>(*e).column == system_column::kRowId) { out.push_back(names_[static_cast<size_t>(static_cast<const VarExpr&>(*e).relation - 1)] + ".ctid"); continue; }
      out.push_back(text(e, true));
    }
    std::erase_if(n.props, [](auto& x) { return x.name == "Output"; });
    if (!out.empty()) add_list(n, "Output", out);
  }
  // The index's column stands on the left.
  ExprPtr key_first(const ExprPtr& e, int rti) {
    if (e->kind != ExprKind::kOp) return e;
    auto& o = static_cast<const OpExpr&>(*e);
    auto mine = [&](const ExprPtr& x) { return walk(x, [&](const Expr& v, int) { return v.kind == ExprKind::kVar && static_cast<const VarExpr&>(v).relation == rti; }); };
    if (o.args.size() != 2 || mine(o.args[0]) || !mine(o.args[1])) return e;
    Oid commuted = op_commutator(o.op, *ctx_.catalog->state());
    if (commuted == 0) return e;
    auto swapped = std::make_shared<OpExpr>(o);
    std::swap(swapped->args[0], swapped->args[1]);
    swapped->op = commuted;
    swapped->func = op_func(commuted, *ctx_.catalog->state());
    return swapped;
  }
  void conds(Node& n, const std::vector<IndexCond>& list, int rti) {
    std::vector<ExprPtr> e;
    for (auto& c : list) add_distinct(e, key_first(c.clause, rti));
    if (!e.empty()) add_text(n, "Index Cond", quals(e, rti));
  }
  void details(Node& n, const PlanNode& p) {
    switch (p.type) {
      case NodeType::kIndexScan: case NodeType::kIndexOnlyScan:
        conds(n, p.conds, p.rti);
        filter(n, p);
        if (p.type == NodeType::kIndexOnlyScan && stats(p)) n.props.push_back({Prop::kPlain, "Heap Fetches", "0", {}, true, true});
        break;
      case NodeType::kBitmapScan:
        filter(n, p);
        {
          Node o;
          o.title = p.or_indexes.size() > 1 ? "BitmapOr" : "";
          o.props.push_back({Prop::kText, "Node Type", "BitmapOr", {}, false, true});
          o.cost = &p;
          for (size_t i = 0; i < p.or_indexes.size(); ++i) {
            Node ix;
            ix.title = "Bitmap Index Scan on " + p.or_indexes[i]->name;
            ix.props.push_back({Prop::kText, "Node Type", "Bitmap Index Scan", {}, false, true});
            ix.cost = &p;
            conds(ix, p.or_conds[i], p.rti);
            o.children.push_back(std::move(ix));
          }
          if (p.or_indexes.size() > 1) n.children.push_back(std::move(o));
          else n.children = std::move(o.children);
        }
        break;
      case NodeType::kProviderScan:
        provider(n, p, *static_cast<const ProviderPlan*>(p.provider.get()));
        break;
      case NodeType::kResult:
        if (!p.one_time.empty()) add_text(n, "One-Time Filter", p.one_time.size() == 1 && p.one_time[0]->kind == ExprKind::kConst ? "false" : quals(p.one_time));
        filter(n, p);
        break;
      case NodeType::kFunctionScan:
        if (opt_.verbose && p.functions.size() == 1) add_text(n, "Function Call", text(p.functions[0].call, true));
        filter(n, p);
        break;
      case NodeType::kNestLoop: case NodeType::kHashJoin: case NodeType::kMergeJoin:
        if (opt_.verbose || opt_.format != ExplainOptions::Format::kText) n.props.push_back({Prop::kPlain, "Inner Unique", p.inner_unique ? "true" : "false", {}, true, true});
        if (p.type == NodeType::kHashJoin) add_text(n, "Hash Cond", quals(p.key_clauses));
        if (p.type == NodeType::kMergeJoin && !p.key_clauses.empty()) add_text(n, "Merge Cond", quals(p.key_clauses));
        if (!p.join_quals.empty()) {
          add_text(n, "Join Filter", quals(p.join_quals));
          removed(n, p, "Rows Removed by Join Filter", [](const NodeStats& s) { return s.removed_join; });
        }
        filter(n, p);
        break;
      case NodeType::kSort: {
        add_list(n, "Sort Key", sort_keys(p.sort_keys));
        if (auto* s = stats(p)) {
          bool disk = s->method == "external merge";
          double kb = std::ceil((disk ? s->disk_bytes : s->memory_bytes) / 1024);
          n.props.push_back({Prop::kText, "Sort Method", fmt::format("{}  {}: {:.0f}kB", s->method, disk ? "Disk" : "Memory", kb), {}, true, false});
          add_json(n, "Sort Method", s->method);
          add_json(n, "Sort Space Used", number(kb, 0), Prop::kPlain);
          add_json(n, "Sort Space Type", disk ? "Disk" : "Memory");
        }
        break;
      }
      case NodeType::kAgg: case NodeType::kGroup: {
        auto names = [&](const std::vector<int>& set) {
          std::vector<std::string> out;
          for (int i : set) out.push_back(text(p.group_keys[static_cast<size_t>(i)], multiple()));
          return out;
        };
        if (!p.grouping_sets.empty()) {
          for (auto& s : p.grouping_sets) {
            auto list = names(s);
            add_list(n, list.empty() ? "Group Key" : "Hash Key", list.empty() ? std::vector<std::string>{"()"} : list);
          }
        } else if (!p.group_keys.empty()) {
          std::vector<int> all;
          for (size_t i = 0; i < p.group_keys.size(); ++i) all.push_back(static_cast<int>(i));
          auto list = names(all);
          for (size_t i = 0; i < list.size(); ++i) if (p.group_keys[i]->kind != ExprKind::kVar && p.group_keys[i]->kind != ExprKind::kFunc) list[i] = wrap(list[i]);
          add_list(n, "Group Key", list);
        }
        filter(n, p);
        if (auto* s = stats(p); s != nullptr && p.strategy == AggStrategy::kHashed)
          n.props.push_back({Prop::kText, "Batches", fmt::format("{:.0f}  Memory Usage: {:.0f}kB", s->batches, std::ceil(s->memory_bytes / 1024)), {}, true, false});
        break;
      }
      case NodeType::kModifyTable:
        if (p.modify->on_conflict) {
          add_text(n, "Conflict Resolution", p.modify->on_conflict->do_update ? "UPDATE" : "NOTHING");
          std::vector<std::string> arbiters;
          for (Oid a : p.modify->on_conflict->arbiter_indexes) if (auto r = ctx_.catalog->state()->relation(a)) arbiters.push_back(r->name);
          if (!arbiters.empty()) add_list(n, "Conflict Arbiter Indexes", arbiters);
          if (p.modify->on_conflict->where) add_text(n, "Conflict Filter", wrap(text(p.modify->on_conflict->where, true)));
        }
        break;
      case NodeType::kUnique: case NodeType::kLimit: case NodeType::kMaterialize: case NodeType::kWindowAgg: break;
      case NodeType::kProjectSet: break;
      default: filter(n, p); break;
    }
  }
  void take_subplans(Node& n) {
    auto list = std::move(pending_);
    pending_.clear();
    std::vector<Node> first;
    for (auto* s : list) {
      Node c = describe(*plan_.subplans[static_cast<size_t>(s->plan)]);
      bool init = s->label.find("InitPlan") != std::string::npos;
      std::string label = s->label.starts_with("hashed ") ? s->label.substr(7) : s->label;
      if (init) label += " (returns $" + std::to_string(s->plan) + ")";
      c.subplan_name = label;
      first.push_back(std::move(c));
    }
    n.children.insert(n.children.begin(), std::make_move_iterator(first.begin()), std::make_move_iterator(first.end()));
  }
  void attach_ctes(Node& n) {
    std::vector<Node> list;
    for (auto& c : plan_.ctes) {
      if (!c.plan) continue;
      Node x = describe(*c.plan);
      x.subplan_name = "CTE " + c.name;
      list.push_back(std::move(x));
    }
    n.children.insert(n.children.begin(), std::make_move_iterator(list.begin()), std::make_move_iterator(list.end()));
  }

 public:
  // --- Formats
  void print_text(const Node& n, int indent, bool root, std::string& out) {
    std::string pad(static_cast<size_t>(indent), ' ');
    if (!n.subplan_name.empty()) {
      out += pad + n.subplan_name + "\n";
      indent += 2;
      pad = std::string(static_cast<size_t>(indent), ' ');
    }
    bool arrow = !root;
    out += arrow ? pad + "->  " : pad;
    if (arrow) indent += 4;
    out += n.title;
    if (opt_.costs && n.cost != nullptr) out += fmt::format("  (cost={:.2f}..{:.2f} rows={:.0f} width={})", n.cost->startup, n.cost->total, n.cost->rows, n.cost->width);
    if (opt_.analyze && n.actual != nullptr) {
      auto* s = stats(*n.actual);
      if (s == nullptr || s->loops == 0) out += " (never executed)";
      else if (opt_.timing) out += fmt::format(" (actual time={:.3f}..{:.3f} rows={:.0f} loops={:.0f})", s->startup_ms / s->loops, s->total_ms / s->loops, s->rows / s->loops, s->loops);
      else out += fmt::format(" (actual rows={:.0f} loops={:.0f})", s->rows / s->loops, s->loops);
    }
    out += "\n";
    std::string inner(static_cast<size_t>(indent + 2), ' ');
    for (auto& t : n.targets) out += inner + t + "\n";
    for (auto& p : n.props) {
      if (!p.text_format) continue;
      std::string v = p.value;
      if (p.kind == Prop::kList) {
        v.clear();
        for (auto& x : p.list) v += (v.empty() ? "" : ", ") + x;
      }
      out += inner + p.name + ": " + v + "\n";
    }
    for (auto& c : n.children) print_text(c, indent + 2, false, out);
  }
  // The tables that an UPDATE or DELETE may find rows in, when there are more or others than the one that it names.
  static void targets_below(const PlanNode& n, int rti, std::vector<const PlanNode*>& out) {
    if (n.rti == rti && n.table && scan_rti(n) == rti) {
      if (std::none_of(out.begin(), out.end(), [&](auto* x) { return x->alias == n.alias; })) out.push_back(&n);
      return;
    }
    for (auto& c : n.children) targets_below(*c, rti, out);
  }
  static std::string quote(const std::string& s) {
    std::string out = "\"";
    for (char c : s) {
      if (c == '"' || c == '\\') { out += '\\'; out += c; }
      else if (c == '\n') out += "\\n";
      else if (c == '\t') out += "\\t";
      else if (static_cast<unsigned char>(c) < 0x20) out += fmt::format("\\u{:04x}", c);
      else out += c;
    }
    return out + "\"";
  }
  std::vector<Prop> all_props(const Node& n, const std::string& relationship) {
    std::vector<Prop> list;
    bool placed = false;
    auto costs = [&] {
      if (placed) return;
      placed = true;
      if (!relationship.empty()) list.push_back({Prop::kText, "Parent Relationship", relationship, {}, true, true});
      if (!n.subplan_name.empty()) list.push_back({Prop::kText, "Subplan Name", n.subplan_name, {}, true, true});
    };
    for (auto& p : n.props) {
      if (!p.other_formats) continue;
      list.push_back(p);
      if (p.name == "Node Type") costs();
    }
    // Estimates follow what names the node.
    size_t at = list.size();
    for (size_t i = 0; i < list.size(); ++i)
      if (list[i].name == "Alias" || list[i].name == "Async Capable" || list[i].name == "Index Name" || list[i].name == "Join Type") at = i + 1;
    std::vector<Prop> est;
    auto plain = [&](const char* name, std::string v) { est.push_back({Prop::kPlain, name, std::move(v), {}, true, true}); };
    if (opt_.costs && n.cost != nullptr) {
      plain("Startup Cost", number(n.cost->startup, 2));
      plain("Total Cost", number(n.cost->total, 2));
      plain("Plan Rows", number(n.cost->rows, 0));
      plain("Plan Width", std::to_string(n.cost->width));
    }
    if (opt_.analyze && n.actual != nullptr) {
      auto* s = stats(*n.actual);
      double loops = s != nullptr ? s->loops : 0;
      if (opt_.timing) {
        plain("Actual Startup Time", number(loops > 0 ? s->startup_ms / loops : 0, 3));
        plain("Actual Total Time", number(loops > 0 ? s->total_ms / loops : 0, 3));
      }
      plain("Actual Rows", number(loops > 0 ? s->rows / loops : 0, 0));
      plain("Actual Loops", number(loops, 0));
    }
    list.insert(list.begin() + static_cast<long>(std::min(at, list.size())), est.begin(), est.end());
    return list;
  }
  static std::string relationship_of(const Node& parent, size_t i) {
    auto& c = parent.children[i];
    if (c.subplan_name.starts_with("InitPlan") || c.subplan_name.starts_with("CTE")) return "InitPlan";
    if (c.subplan_name.starts_with("SubPlan")) return "SubPlan";
    size_t plain = 0;
    for (size_t k = 0; k < i; ++k) plain += parent.children[k].subplan_name.empty() ? 1 : 0;
    if (parent.title.starts_with("Append") || parent.title == "Merge Append" || parent.title == "BitmapOr") return "Member";
    if (parent.title.starts_with("Subquery Scan")) return "Subquery";
    return plain == 0 ? "Outer" : "Inner";
  }
  void print_json(const Node& n, int indent, const std::string& relationship, std::string& out) {
    std::string pad(static_cast<size_t>(indent), ' ');
    out += "{\n";
    bool first = true;
    for (auto& p : all_props(n, relationship)) {
      if (!first) out += ",\n";
      first = false;
      out += pad + "  " + quote(p.name) + ": ";
      if (p.kind == Prop::kText) out += quote(p.value);
      else if (p.kind == Prop::kPlain) out += p.value;
      else {
        out += "[";
        for (size_t i = 0; i < p.list.size(); ++i) out += (i ? ", " : "") + quote(p.list[i]);
        out += "]";
      }
    }
    if (!n.children.empty()) {
      out += ",\n" + pad + "  \"Plans\": [\n";
      for (size_t i = 0; i < n.children.size(); ++i) {
        out += pad + "    ";
        print_json(n.children[i], indent + 4, relationship_of(n, i), out);
        out += i + 1 < n.children.size() ? ",\n" : "\n";
      }
      out += pad + "  ]";
    }
    out += "\n" + pad + "}";
  }
  void print_xml(const Node& n, int indent, const std::string& relationship, std::string& out) {
    auto tag = [](std::string s) { std::replace(s.begin(), s.end(), ' ', '-'); return s; };
    auto escape = [](const std::string& s) {
      std::string o;
      for (char c : s) o += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
      return o;
    };
    std::string pad(static_cast<size_t>(indent), ' ');
    out += pad + "<Plan>\n";
    for (auto& p : all_props(n, relationship)) {
      if (p.kind != Prop::kList) { out += pad + "  <" + tag(p.name) + ">" + escape(p.value) + "</" + tag(p.name) + ">\n"; continue; }
      out += pad + "  <" + tag(p.name) + ">\n";
      for (auto& x : p.list) out += pad + "    <Item>" + escape(x) + "</Item>\n";
      out += pad + "  </" + tag(p.name) + ">\n";
    }
    if (!n.children.empty()) {
      out += pad + "  <Plans>\n";
      for (size_t i = 0; i < n.children.size(); ++i) print_xml(n.children[i], indent + 4, relationship_of(n, i), out);
      out += pad + "  </Plans>\n";
    }
    out += pad + "</Plan>\n";
  }
  void print_yaml(const Node& n, int indent, const std::string& relationship, std::string& out) {
    std::string pad(static_cast<size_t>(indent), ' ');
    bool first = true;
    for (auto& p : all_props(n, relationship)) {
      out += (first && indent > 2 ? std::string() : pad) + p.name + ": ";
      first = false;
      if (p.kind == Prop::kText) out += quote(p.value) + "\n";
      else if (p.kind == Prop::kPlain) out += p.value + "\n";
      else {
        out += "\n";
        for (auto& x : p.list) out += pad + "  - " + quote(x) + "\n";
      }
    }
    if (!n.children.empty()) {
      out += pad + "Plans: \n";
      for (size_t i = 0; i < n.children.size(); ++i) {
        out += pad + "  - ";
        print_yaml(n.children[i], indent + 4, relationship_of(n, i), out);
      }
    }
  }

 private:
  const PlannedStatement& plan_;
  ExecContext& ctx_;
  const ExplainOptions& opt_;
  const DeparseExpr& deparse_;
  const std::unordered_map<const PlanNode*, NodeStats>* stats_;
  std::vector<std::string> names_;
  std::map<int, ExprPtr> params_;
  std::set<int> shown_;
  std::vector<const SubPlanExpr*> pending_;
  int relations_ = 0;
  std::string own_name_;   // an inheritance child's alias, while its conditions are printed
};
}  // namespace

std::string explain(const PlanPtr& plan, ExecContext& ctx, const storage::ReadView& view, const ExplainOptions& options, double planning_ms, const DeparseExpr& deparse) {
  auto p = std::static_pointer_cast<const PlannedStatement>(plan);
  std::unordered_map<const PlanNode*, NodeStats> stats;
  double execution_ms = 0;
  if (options.analyze) {
    auto t = std::chrono::steady_clock::now();
    run_instrumented(p, ctx, view, stats);
    execution_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - t).count();
  }
  Explainer e(*p, ctx, options, deparse, options.analyze ? &stats : nullptr);
  Node root = e.root();
  std::string out;
  bool summary = options.summary;
  switch (options.format) {
    case ExplainOptions::Format::kText:
      e.print_text(root, 0, true, out);
      if (summary) {
        out += fmt::format("Planning Time: {:.3f} ms\n", planning_ms);
        if (options.analyze) out += fmt::format("Execution Time: {:.3f} ms\n", execution_ms);
      }
      if (!out.empty()) out.pop_back();
      break;
    case ExplainOptions::Format::kJson:
      out = "[\n  {\n    \"Plan\": ";
      e.print_json(root, 4, "", out);
      if (summary) out += fmt::format(",\n    \"Planning Time\": {:.3f},\n    \"Triggers\": [\n    ]", planning_ms);
      if (options.analyze) out += fmt::format(",\n    \"Execution Time\": {:.3f}", execution_ms);
      out += "\n  }\n]";
      break;
    case ExplainOptions::Format::kXml:
      out = "<explain xmlns=\"http://www.postgresql.org/2009/explain\">\n  <Query>\n";
      e.print_xml(root, 4, "", out);
      if (summary) out += fmt::format("    <Planning-Time>{:.3f}</Planning-Time>\n", planning_ms);
      if (options.analyze) out += fmt::format("    <Execution-Time>{:.3f}</Execution-Time>\n", execution_ms);
      out += "  </Query>\n</explain>";
      break;
    case ExplainOptions::Format::kYaml:
      out = "- Plan: \n";
      e.print_yaml(root, 4, "", out);
      if (summary) out += fmt::format("  Planning Time: {:.3f}\n", planning_ms);
      if (options.analyze) out += fmt::format("  Execution Time: {:.3f}\n", execution_ms);
      if (!out.empty()) out.pop_back();
      break;
  }
  return out;
}

}  // namespace stele::query
