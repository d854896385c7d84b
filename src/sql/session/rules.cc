// Changes of tables and views that have rules. The rows that a statement is about are found first; then each action runs
// for each of them, with their values for NEW and OLD as parameters. Actions and conditions run with the privileges of the
// relation's owner, as PostgreSQL documents.
#include "query/dml/writer.h"
#include "query/rewrite.h"
#include "sql/binder/privileges.h"
#include "sql/parser/pg.h"
#include "sql/session/session_impl.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele::sql {

using catalog::Relation;
using catalog::Rule;
using namespace query;  // NOLINT

namespace {
char event_of(CommandKind c) { return c == CommandKind::kInsert ? '3' : c == CommandKind::kUpdate ? '2' : c == CommandKind::kDelete ? '4' : 0; }
const char* event_word(char e) { return e == '3' ? "INSERT" : e == '2' ? "UPDATE" : "DELETE"; }
}  // namespace

bool SessionImpl::has_rules(const Query& q, const catalog::State& state) {
  if (q.result_relation <= 0 || event_of(q.command) == 0) return false;
  auto r = state.relation(q.range_table[static_cast<size_t>(q.result_relation - 1)]->relation);
  if (r == nullptr || r->rules.empty()) return false;
  return std::any_of(r->rules.begin(), r->rules.end(), [&](const Rule& x) { return x.event == event_of(q.command) && x.enabled != 'D' && x.enabled != 'R'; });
}

uint64_t SessionImpl::run_with_rules(const QueryPtr& q, std::span<const NullableDatum> params, std::span<const Oid> param_types, const RowSink& emit) {
  const char event = event_of(q->command);
  const auto state = exec_.catalog->state();
  const auto target = q->range_table[static_cast<size_t>(q->result_relation - 1)];
  const auto r = state->relation(target->relation);
  struct Active {
    std::set<std::pair<Oid, char>>& set;
    std::pair<Oid, char> key;
    ~Active() { set.erase(key); }
  };
  if (!active_rules_.insert({r->oid, event}).second)
    throw Error(ErrorCode::kInvalidObjectDefinition, fmt::format("infinite recursion detected in rules for relation \"{}\"", r->name));
  Active active{active_rules_, {r->oid, event}};
  // NEW and OLD are parameters: the old columns first, then the new ones.
  const size_t width = r->columns.size();
  std::vector<Oid> value_types;
  for (int side = 0; side < 2; ++side)
    for (const auto& c : r->columns) value_types.push_back(c.dropped ? oid::kInt4 : c.type);
  auto context_for = [&](std::string_view text) {
    BindContext b = bind_context(text);
    b.user = r->owner;
    b.variables = [&](const std::vector<std::string>& names, int location) -> ExprPtr {
      if (names.size() != 2 || (names[0] != "new" && names[0] != "old")) return nullptr;
      const catalog::Column* c = r->column(std::string_view(names[1]));
      if (c == nullptr) return nullptr;
      auto e = std::make_shared<ParamExpr>();
      e->id = static_cast<int>(c->number + (names[0] == "new" ? width : 0));
      e->type = c->type;
      e->typmod = c->typmod;
      e->collation = c->collation;
      e->location = location;
      return e;
    };
    return b;
  };
  struct Action {
    std::string text;
    QueryPtr query;   // null: NOTIFY
  };
  struct Bound {
    bool instead = false;
    std::string condition_text;
    QueryPtr condition;   // null: always
    std::vector<Action> actions;
  };
  std::vector<Bound> rules;
  bool instead = false, conditional_instead = false, returns = false;
  for (const Rule& x : r->rules) {
    if (x.event != event || x.enabled == 'D' || x.enabled == 'R') continue;
    Bound rule;
    rule.instead = x.instead;
    rule.condition_text = x.condition_sql;
    if (x.instead) (x.condition_sql.empty() ? instead : conditional_instead) = true;
    if (!x.condition_sql.empty()) {
      const ParsedExpression parsed = parse_expression(x.condition_sql);
      auto one = std::make_shared<Query>();
      TargetEntry t;
      const CatalogView::StoredSql stored(view());
      t.expr = sql::bind_expression(parsed.node, nullptr, ExprContext::kWhere, context_for(x.condition_sql), oid::kBool);
      t.resno = 1;
      t.name = "c";
      one->targets.push_back(t);
      one->has_sublinks = true;
      check_privileges(*one, *state, r->owner);
      rule.condition = one;
    }
    for (const std::string& text : x.actions_sql) {
      const ParseTreePtr tree = parse_sql(text);
      const auto* node = tree->statements.at(0).node;
      Action action{text, nullptr};
      if (node->node_case != PG_QUERY__NODE__NODE_NOTIFY_STMT) {
        const CatalogView::StoredSql stored(view());
        action.query = bind_statement(node, context_for(tree->text));
        check_privileges(*action.query, *state, r->owner);
        returns = returns || !action.query->returning.empty();
      }
      rule.actions.push_back(std::move(action));
    }
    rules.push_back(std::move(rule));
  }
  if (!q->returning.empty() && (instead || (conditional_instead && r->relkind == 'v')) && !returns)
    throw Error(ErrorCode::kFeatureNotSupported, fmt::format("cannot perform {} RETURNING on relation \"{}\"", event_word(event), r->name))
        .hint(fmt::format("You need an unconditional ON {} DO INSTEAD rule with a RETURNING clause.", event_word(event)));
  if (q->on_conflict) throw Error(ErrorCode::kFeatureNotSupported, "INSERT with ON CONFLICT clause cannot be used with table that has INSERT or UPDATE rules");

  // The rows: old columns, then new ones.
  auto rows_query = std::make_shared<Query>(*q);
  rows_query->command = CommandKind::kSelect;
  rows_query->result_relation = 0;
  rows_query->instead_source = 0;
  rows_query->returning.clear();
  rows_query->check_options.clear();
  rows_query->targets.clear();
  std::map<int16_t, ExprPtr> assigned;
  for (const TargetEntry& t : q->targets)
    if (!t.junk && t.column > 0) assigned[t.column] = t.expr;
  auto null_of = [](const catalog::Column& c) {
    auto e = std::make_shared<ConstExpr>();
    e->type = c.dropped ? oid::kInt4 : c.type;
    e->typmod = c.typmod;
    e->is_null = true;
    return e;
  };
  auto old_value = [&](const catalog::Column& c) -> ExprPtr {
    if (event == '3' || c.dropped) return null_of(c);
    auto v = std::make_shared<VarExpr>();
    v->relation = q->result_relation;
    v->column = c.number;
    v->type = c.type;
    v->typmod = c.typmod;
    v->collation = c.collation;
    return v;
  };
  auto new_value = [&](const catalog::Column& c) -> ExprPtr {
    if (event == '4' || c.dropped) return null_of(c);
    auto it = assigned.find(c.number);
    if (it != assigned.end() && it->second->kind != ExprKind::kSetToDefault) return it->second;
    if (event == '2' && it == assigned.end()) return old_value(c);
    ExprPtr d = c.generated ? nullptr : column_default(*r, c, exec_);
    return d ? d : ExprPtr(null_of(c));
  };
  auto add = [&](ExprPtr e) {
    TargetEntry t;
    t.expr = std::move(e);
    t.resno = static_cast<int>(rows_query->targets.size() + 1);
    t.name = fmt::format("c{}", t.resno);
    rows_query->targets.push_back(std::move(t));
  };
  for (const auto& c : r->columns) add(old_value(c));
  for (const auto& c : r->columns) add(new_value(c));
  if (event != '3') {
    std::function<bool(const FromPtr&)> has = [&](const FromPtr& i) { return i->is_join ? has(i->left) || (i->right && has(i->right)) : i->relation == q->result_relation; };
    if (std::none_of(rows_query->from.begin(), rows_query->from.end(), has)) {
      auto leaf = std::make_shared<FromItem>();
      leaf->relation = q->result_relation;
      rows_query->from.insert(rows_query->from.begin(), leaf);
    }
  }
  auto memory = std::make_shared<Arena>();
  std::vector<std::vector<NullableDatum>> rows;
  auto keep = [&](std::span<const NullableDatum> row, std::span<const OutputColumn> columns) {
    rows.emplace_back();
    for (size_t i = 0; i < row.size(); ++i)
      rows.back().push_back(row[i].is_null ? NullableDatum{} : NullableDatum{copy_datum(type_facts(columns[i].type).by_value, row[i].value, *memory), false});
    return true;
  };
  run(rows_query, params, param_types, keep);

  auto holds = [&](const Bound& x, const std::vector<NullableDatum>& row) {
    if (x.condition == nullptr) return true;
    bool yes = false;
    run(x.condition, row, value_types, [&](std::span<const NullableDatum> v, std::span<const OutputColumn>) {
      yes = !v[0].is_null && v[0].value.as_bool();
      return false;
    });
    return yes;
  };
  uint64_t affected = 0;
  auto original = [&] {
    if (instead) return;
    if (!conditional_instead) {
      affected = run(q, params, param_types, emit);
      next_command();
      return;
    }
    // The statement is left with what no condition holds for.
    auto rest = std::make_shared<Query>(*q);
    for (const Bound& x : rules) {
      if (!x.instead || x.condition == nullptr) continue;
      const ParsedExpression p = parse_expression(x.condition_text);
      BindContext b = context_for(x.condition_text);
      b.variables = [&](const std::vector<std::string>& names, int) -> ExprPtr {
        if (names.size() != 2 || (names[0] != "new" && names[0] != "old")) return nullptr;
        const catalog::Column* c = r->column(std::string_view(names[1]));
        if (c == nullptr) return nullptr;
        return names[0] == "new" ? new_value(*c) : old_value(*c);
      };
      auto test = std::make_shared<BooleanTestExpr>();
      test->type = oid::kBool;
      test->arg = sql::bind_expression(p.node, nullptr, ExprContext::kWhere, b, oid::kBool);
      test->test = BoolTest::kIsNotTrue;
      if (!rest->where) {
        rest->where = test;
      } else {
        auto both = std::make_shared<BoolExpr>();
        both->type = oid::kBool;
        both->op = BoolOp::kAnd;
        both->args = {rest->where, test};
        rest->where = both;
      }
    }
    affected = run(rest, params, param_types, emit);
    next_command();
  };
  if (event == '3') original();
  uint64_t same_kind = 0;
  for (const Bound& x : rules) {
    for (const Action& action : x.actions) {
      uint64_t count = 0;
      for (const auto& row : rows) {
        if (!holds(x, row)) continue;
        if (action.query == nullptr) {
          run_sql(action.text);
          continue;
        }
        const QueryPtr& a = action.query;
        RowSink sink;
        if (emit && a->command == CommandKind::kSelect) sink = emit;
        if (emit && !a->returning.empty() && !q->returning.empty()) {
          // What the statement asked for, out of the action's row in the relation's columns.
          sink = [&](std::span<const NullableDatum> got, std::span<const OutputColumn> columns) {
            std::vector<NullableDatum> out;
            std::vector<OutputColumn> described;
            for (const TargetEntry& t : q->returning) {
              if (t.junk) continue;
              if (t.expr->kind != ExprKind::kVar) throw Error(ErrorCode::kFeatureNotSupported, "RETURNING of expressions through a rule is not supported");
              size_t at = 0;
              for (const auto& c : r->columns) {
                if (c.dropped) continue;
                if (c.number == static_cast<const VarExpr&>(*t.expr).column) break;
                ++at;
              }
              out.push_back(at < got.size() ? got[at] : NullableDatum{});
              described.push_back(at < columns.size() ? columns[at] : OutputColumn{});
            }
            return emit(out, described);
          };
        }
        count += has_rules(*a, *state) ? run_with_rules(a, row, value_types, sink) : run(a, row, value_types, sink);
        next_command();
      }
      if (x.instead && action.query != nullptr && action.query->command == q->command) same_kind = count;
    }
  }
  if (event != '3') original();
  return instead ? same_kind : affected;
}

// The same for a statement of the client: rows and tag go to the portal.
void SessionImpl::run_rules_statement(const CachedStatement& s, const std::shared_ptr<CachedStatement::Bound>& b, Portal& result) {
  if (!superuser()) check_privileges(*b->query, *exec_.catalog->state(), current_user_);
  if (read_only_) check_writes(*b->query);
  std::vector<OutputColumn> columns;
  auto buffer = std::make_unique<RowBuffer>();
  std::vector<bool> by_value;
  const std::vector<NullableDatum> params(exec_.params.begin(), exec_.params.end());
  const std::vector<Oid> types(exec_.param_types.begin(), exec_.param_types.end());
  const uint64_t rows = run_with_rules(b->query, params, types, [&](std::span<const NullableDatum> row, std::span<const OutputColumn> cols) {
    if (columns.empty()) {
      columns.assign(cols.begin(), cols.end());
      for (const auto& c : columns) by_value.push_back(type_facts(c.type).by_value);
    }
    if (cols.size() != columns.size()) return true;
    Batch one;
    one.size = 1;
    std::vector<Datum> values;
    std::vector<uint8_t> nulls;
    for (const auto& v : row.first(cols.size())) {
      values.push_back(v.value);
      nulls.push_back(v.is_null ? 1 : 0);
    }
    for (size_t i = 0; i < values.size(); ++i) one.columns.push_back({&values[i], &nulls[i]});
    buffer->add(one, columns, by_value);
    return true;
  });
  result.tag = tag_of(b->query->command, s.raw.node, rows);
  if (columns.empty() && b->returns_rows) columns = b->columns;
  if (!columns.empty()) {
    if (b->returns_rows)
      for (size_t i = 0; i < columns.size() && i < b->columns.size(); ++i) columns[i].name = b->columns[i].name;
    result.columns = std::move(columns);
    result.result = std::move(buffer);
    result.returns_rows = true;
  }
}

}  // namespace stele::sql
