// CREATE RULE: actions beside a change or instead of it. Texts are kept as written, NEW.* and OLD.* spelt out.
#include "sql/ddl/ddl.h"
#include "sql/plpgsql/scanner.h"

namespace stele::sql {

namespace {
// "new.*" as the columns that it stands for.
std::string spell_out(const std::string& text, const Relation& r) {
  const auto tokens = plpgsql::scan(text);
  std::string out = text;
  for (size_t i = tokens.size(); i-- > 2;) {
    if (!tokens[i].is("*") || !tokens[i - 1].is(".") || (!tokens[i - 2].is("new") && !tokens[i - 2].is("old"))) continue;
    std::string list;
    for (const Column& c : r.columns)
      if (!c.dropped) list += (list.empty() ? "" : ", ") + tokens[i - 2].text + "." + quote_identifier(c.name);
    out.replace(static_cast<size_t>(tokens[i - 2].begin), static_cast<size_t>(tokens[i].end - tokens[i - 2].begin), list);
  }
  return out;
}
std::string trimmed(std::string s) {
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.back()))) s.pop_back();
  size_t at = 0;
  while (at < s.size() && std::isspace(static_cast<unsigned char>(s[at]))) ++at;
  return s.substr(at);
}
}  // namespace

std::string rule_definition(const catalog::Rule& rule, const std::string& table) {
  const char* event = rule.event == '1' ? "SELECT" : rule.event == '2' ? "UPDATE" : rule.event == '3' ? "INSERT" : "DELETE";
  std::string out = "CREATE RULE " + quote_identifier(rule.name) + " AS\n    ON " + event + " TO " + table;
  if (!rule.condition_sql.empty()) out += "\n   WHERE " + rule.condition_sql;
  out += rule.instead ? " DO INSTEAD " : " DO ";
  if (rule.actions_sql.empty()) return out + "NOTHING;";
  if (rule.actions_sql.size() == 1) return out + " " + rule.actions_sql[0] + ";";
  out += "( ";
  for (size_t i = 0; i < rule.actions_sql.size(); ++i) out += (i > 0 ? "\n " : "") + rule.actions_sql[i] + ";";
  return out + "\n)";
}

void Ddl::create_rule(const pg::RuleStmt* s) {
  Ptr<Relation> found = relation(s->relation);
  host.lock_relation(found->oid, LockMode::kAccessExclusive);
  changes().refresh();
  found = state()->relation(found->oid);
  if (found == nullptr || found->oid < oid::kFirstUserOid) {
    auto r = relation(s->relation);
    fail(ErrorCode::kInsufficientPrivilege, "permission denied: \"" + r->name + "\" is a system catalog");
  }
  if (found->relkind != 'r' && found->relkind != 'v' && found->relkind != 'p')
    fail(ErrorCode::kWrongObjectType, "relation \"" + found->name + "\" cannot have rules", -1,
         std::string("This operation is not supported for ") + (found->relkind == 'm' ? "materialized views." : found->relkind == 'S' ? "sequences." : found->index ? "indexes." : "composite types."));
  check_owner(*found, relkind_word(found->relkind));
  catalog::Rule rule;
  rule.name = s->rulename;
  rule.instead = s->instead;
  rule.event = s->event == PG_QUERY__CMD_TYPE__CMD_SELECT ? '1' : s->event == PG_QUERY__CMD_TYPE__CMD_UPDATE ? '2' : s->event == PG_QUERY__CMD_TYPE__CMD_INSERT ? '3' : '4';
  if (rule.event == '1') {
    if (s->n_actions == 0) fail(ErrorCode::kFeatureNotSupported, "INSTEAD NOTHING rules on SELECT are not implemented", -1, {}, "Use views instead.");
    if (s->n_actions > 1) fail(ErrorCode::kFeatureNotSupported, "multiple actions for rules on SELECT are not implemented");
    if (!s->instead || s->actions[0]->node_case != pg::kSelectStmt) fail(ErrorCode::kFeatureNotSupported, "rules on SELECT must have action INSTEAD SELECT");
    if (s->where_clause != nullptr) fail(ErrorCode::kFeatureNotSupported, "event qualifications are not implemented for rules on SELECT");
    if (found->relkind == 'v') fail(ErrorCode::kObjectNotInPrerequisiteState, "\"" + found->name + "\" is already a view");
    if (rule.name != "_RETURN") fail(ErrorCode::kInvalidObjectDefinition, "view rule for \"" + found->name + "\" must be named \"_RETURN\"");
    fail(ErrorCode::kFeatureNotSupported, "tables cannot be turned into views by a rule", -1, {}, "Use CREATE VIEW.");
  }
  // The parts as written: WHERE ... DO [ALSO | INSTEAD] actions.
  const std::string whole(text);
  const auto tokens = plpgsql::scan(whole);
  size_t where = 0, act = 0;
  int depth = 0;
  for (size_t i = 0; i < tokens.size() && act == 0; ++i) {
    if (tokens[i].is("(")) ++depth;
    if (tokens[i].is(")")) --depth;
    if (depth != 0) continue;
    if (tokens[i].is("where") && where == 0) where = i;
    if (tokens[i].is("do") && i > 4) act = i;
  }
  auto piece = [&](int begin, int end) { return spell_out(trimmed(whole.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin))), *found); };
  if (where != 0) rule.condition_sql = piece(tokens[where].end, tokens[act].begin);
  size_t first = act + 1;
  if (tokens[first].is("instead") || tokens[first].is("also")) ++first;
  if (!tokens[first].is("nothing")) {
    // A list in parentheses, unless these are a query's own.
    size_t last = tokens.size() - 1;
    while (last > first && (tokens[last].kind == plpgsql::TokenKind::kEnd || tokens[last].is(";"))) --last;
    size_t begin = first, end = last + 1;
    if (tokens[first].is("(") && tokens[last].is(")") && !tokens[first + 1].is("(")) {
      begin = first + 1;
      end = last;
    }
    int level = 0;
    size_t start = begin;
    for (size_t i = begin; i <= end; ++i) {
      if (i < end && tokens[i].is("(")) ++level;
      if (i < end && tokens[i].is(")")) --level;
      if (i < end && !(level == 0 && tokens[i].is(";"))) continue;
      if (i > start) rule.actions_sql.push_back(piece(tokens[start].begin, tokens[i - 1].end));
      start = i + 1;
    }
  }
  // NULLs of the columns' types stand for the rows while everything is checked.
  std::vector<ObjectAddress> needs;
  BindContext b = bind();
  b.variables = [&](const std::vector<std::string>& names, int) -> query::ExprPtr {
    if (names.size() != 2 || (names[0] != "new" && names[0] != "old")) return nullptr;
    if (names[0] == "new" && rule.event == '4') fail(ErrorCode::kInvalidObjectDefinition, "ON DELETE rule cannot use NEW");
    if (names[0] == "old" && rule.event == '3') fail(ErrorCode::kInvalidObjectDefinition, "ON INSERT rule cannot use OLD");
    const Column* c = found->column(std::string_view(names[1]));
    if (c == nullptr) fail(ErrorCode::kUndefinedColumn, "column " + names[0] + "." + names[1] + " does not exist");
    auto value = std::make_shared<query::ConstExpr>();
    value->type = c->type;
    value->typmod = c->typmod;
    value->collation = c->collation;
    value->is_null = true;
    return value;
  };
  if (!rule.condition_sql.empty()) {
    const std::string condition = rule.condition_sql;
    ParsedExpression p = parse_expression(condition);
    b.text = condition;
    bind_expression(p.node, nullptr, ExprContext::kWhere, b, oid::kBool);
  }
  bool returning = false;
  for (const std::string& action : rule.actions_sql) {
    ParseTreePtr tree = parse_sql(action);
    const Node* n = tree->statements.at(0).node;
    if (n->node_case == PG_QUERY__NODE__NODE_NOTIFY_STMT) continue;
    b.text = tree->text;
    auto q = bind_statement(n, b);
    for (auto& rte : q->range_table)
      if (rte->kind == query::RteKind::kRelation && rte->relation >= oid::kFirstUserOid && rte->relation != found->oid) needs.push_back({ObjectKind::kRelation, rte->relation, 0});
    if (q->command == query::CommandKind::kSelect || q->returning.empty()) continue;
    if (std::exchange(returning, true)) fail(ErrorCode::kFeatureNotSupported, "cannot have multiple RETURNING lists in a rule");
    if (!rule.condition_sql.empty()) fail(ErrorCode::kFeatureNotSupported, "RETURNING lists are not supported in conditional rules");
    if (!rule.instead) fail(ErrorCode::kFeatureNotSupported, "RETURNING lists are not supported in non-INSTEAD rules");
    size_t at = 0;
    std::vector<const Column*> columns;
    for (const Column& c : found->columns)
      if (!c.dropped) columns.push_back(&c);
    for (auto& t : q->returning) {
      if (t.junk) continue;
      if (at >= columns.size()) fail(ErrorCode::kInvalidObjectDefinition, "RETURNING list has too many entries");
      if (t.expr->type != columns[at]->type)
        fail(ErrorCode::kInvalidObjectDefinition, "RETURNING list's entry " + std::to_string(at + 1) + " has different type from column \"" + columns[at]->name + "\"", -1,
             "RETURNING list entry has type " + view().format_type(t.expr->type) + ", but column has type " + view().format_type(columns[at]->type) + ".");
      ++at;
    }
    if (at < columns.size()) fail(ErrorCode::kInvalidObjectDefinition, "RETURNING list has too few entries");
  }
  auto r = edit(state()->relation(found->oid));
  auto existing = std::find_if(r->rules.begin(), r->rules.end(), [&](const auto& x) { return x.name == rule.name; });
  if (existing != r->rules.end()) {
    if (!s->replace) fail(ErrorCode::kDuplicateObject, "rule \"" + rule.name + "\" for relation \"" + r->name + "\" already exists");
    rule.oid = existing->oid;
    *existing = rule;
    changes().drop_dependencies_of({ObjectKind::kRule, rule.oid, 0});
  } else {
    rule.oid = catalog().allocate_oid();
    r->rules.push_back(rule);
  }
  std::sort(r->rules.begin(), r->rules.end(), [](const auto& x, const auto& y) { return x.name < y.name; });
  put(r);
  const ObjectAddress self{ObjectKind::kRule, rule.oid, 0};
  changes().add_dependency({self, {ObjectKind::kRelation, r->oid, 0}, DependencyKind::kAuto});
  for (const ObjectAddress& a : needs) depend(self, a);
}

// The table or view that has a rule.
Ptr<Relation> Ddl::rule_relation(Oid rule) {
  for (const auto& d : state()->dependencies_of({ObjectKind::kRule, rule, 0}))
    if (d.referenced.kind == ObjectKind::kRelation)
      if (auto r = state()->relation(d.referenced.oid); r != nullptr && std::any_of(r->rules.begin(), r->rules.end(), [&](const auto& x) { return x.oid == rule; })) return r;
  return nullptr;
}

}  // namespace stele::sql
