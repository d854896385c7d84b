// CREATE TRIGGER, and its text.
#include "query/inheritance.h"
#include "sql/ddl/ddl.h"

namespace stele::sql {

namespace {
constexpr int kRow = 1, kBefore = 2, kInsert = 4, kDelete = 8, kUpdate = 16, kTruncate = 32, kInstead = 64;

// What a WHEN condition mentions.
struct Mentions { bool old_row = false, new_row = false, new_system = false, any_generated = false; int old_at = -1, new_at = -1; };
void collect(const query::ExprPtr& e, const Relation& r, Mentions* m) {
  if (e->kind == query::ExprKind::kVar) {
    const auto& v = static_cast<const query::VarExpr&>(*e);
    (v.relation == 1 ? m->old_row : m->new_row) = true;
    int& at = v.relation == 1 ? m->old_at : m->new_at;
    if (at < 0) at = e->location;
    if (v.relation == 2 && v.column < 0 && v.column != query::system_column::kTableOid) m->new_system = true;
    if (v.relation == 2) {
      for (const Column& c : r.columns)
        if (c.generated && !c.dropped && (v.column == 0 || v.column == c.number)) m->any_generated = true;
    }
  }
  query::for_each_child(*e, [&](const query::ExprPtr& x) { collect(x, r, m); });
}
}  // namespace

std::string trigger_definition(const catalog::Trigger& t, CatalogView& view, bool pretty) {
  auto r = view.state()->relation(t.relation);
  std::string out = t.constraint != 0 ? "CREATE CONSTRAINT TRIGGER " : "CREATE TRIGGER ";
  out += quote_identifier(t.name) + " ";
  out += t.type & kBefore ? "BEFORE" : t.type & kInstead ? "INSTEAD OF" : "AFTER";
  bool first = true;
  auto event = [&](const char* word) {
    out += first ? " " : " OR ";
    out += word;
    first = false;
  };
  if (t.type & kInsert) event("INSERT");
  if (t.type & kDelete) event("DELETE");
  if (t.type & kUpdate) {
    event("UPDATE");
    for (size_t i = 0; i < t.columns.size(); ++i) {
      const Column* c = r == nullptr ? nullptr : r->column(t.columns[i]);
      out += (i == 0 ? " OF " : ", ") + quote_identifier(c == nullptr ? "?" : c->name);
    }
  }
  if (t.type & kTruncate) event("TRUNCATE");
  out += " ON ";
  if (r != nullptr) {
    if (!pretty || !view.relation_visible(*r)) out += quote_identifier(view.schema_name(r->schema)) + ".";
    out += quote_identifier(r->name);
  }
  out += " ";
  if (t.constraint != 0) {
    if (!t.deferrable) out += "NOT ";
    out += "DEFERRABLE INITIALLY ";
    out += t.initially_deferred ? "DEFERRED " : "IMMEDIATE ";
  }
  if (!t.old_table.empty() || !t.new_table.empty()) {
    out += "REFERENCING ";
    if (!t.old_table.empty()) out += "OLD TABLE AS " + quote_identifier(t.old_table) + " ";
    if (!t.new_table.empty()) out += "NEW TABLE AS " + quote_identifier(t.new_table) + " ";
  }
  out += t.type & kRow ? "FOR EACH ROW " : "FOR EACH STATEMENT ";
  if (!t.when_sql.empty()) {
    std::string when = t.when_sql;
    // Pretty: without the parentheses around the whole.
    int depth = 0;
    bool whole = when.starts_with("(");
    for (size_t i = 0; whole && i + 1 < when.size(); ++i) {
      if (when[i] == '(') ++depth;
      if (when[i] == ')' && --depth == 0) whole = false;
    }
    if (pretty && whole) when = when.substr(1, when.size() - 2);
    out += "WHEN (" + (pretty || whole ? when : "(" + when + ")") + ") ";
  }
  out += "EXECUTE FUNCTION ";
  if (const ProcRow* p = view.proc(t.function)) {
    if (!view.proc_visible(t.function)) out += quote_identifier(view.schema_name(p->schema)) + ".";
    out += quote_identifier(p->name);
  }
  out += "(";
  for (size_t i = 0; i < t.args.size(); ++i) out += (i == 0 ? "" : ", ") + quote_literal(t.args[i]);
  return out + ")";
}

void Ddl::create_trigger(const pg::CreateTrigStmt* s) {
  Ptr<Relation> found = relation(s->relation);
  host.lock_relation(found->oid, LockMode::kShareRowExclusive);
  auto r = edit(state()->relation(found->oid));
  const std::string name = s->trigname;
  int type = s->row ? kRow : 0;
  type |= s->timing & (kBefore | kInstead);
  type |= s->events & (kInsert | kDelete | kUpdate | kTruncate);
  auto wrong = [&](const std::string& what, const std::string& detail) { fail(ErrorCode::kWrongObjectType, "\"" + r->name + "\" is a " + what, -1, detail); };
  if (r->relkind == 'r') {
    if (type & kInstead) wrong("table", "Tables cannot have INSTEAD OF triggers.");
  } else if (r->relkind == 'p') {
    if (type & kInstead) wrong("table", "Tables cannot have INSTEAD OF triggers.");
    if (s->row && s->n_transition_rels > 0) wrong("partitioned table", "ROW triggers with transition tables are not supported on partitioned tables.");
  } else if (r->relkind == 'v') {
    if (!(type & kInstead) && s->row) wrong("view", "Views cannot have row-level BEFORE or AFTER triggers.");
    if (type & kTruncate) wrong("view", "Views cannot have TRUNCATE triggers.");
  } else {
    static const std::map<char, const char*> kKinds = {{'m', "materialized views"}, {'S', "sequences"}, {'i', "indexes"}, {'c', "composite types"}};
    auto kind = kKinds.find(r->relkind);
    fail(ErrorCode::kWrongObjectType, "relation \"" + r->name + "\" cannot have triggers", -1,
         std::string("This operation is not supported for ") + (kind == kKinds.end() ? "this relation" : kind->second) + ".");
  }
  if (r->oid < oid::kFirstUserOid) fail(ErrorCode::kInsufficientPrivilege, "permission denied: \"" + r->name + "\" is a system catalog");
  if (!host.superuser() && !has_privilege(r->acl, r->owner, host.current_user(), catalog::kTriggerPriv, 0))
    fail(ErrorCode::kInsufficientPrivilege, std::string("permission denied for ") + relkind_word(r->relkind) + " " + r->name);
  if (s->row && (type & kTruncate)) fail(ErrorCode::kFeatureNotSupported, "TRUNCATE FOR EACH ROW triggers are not supported");
  if (type & kInstead) {
    if (!s->row) fail(ErrorCode::kFeatureNotSupported, "INSTEAD OF triggers must be FOR EACH ROW");
    if (s->when_clause != nullptr) fail(ErrorCode::kFeatureNotSupported, "INSTEAD OF triggers cannot have WHEN conditions");
    if (s->n_columns > 0) fail(ErrorCode::kFeatureNotSupported, "INSTEAD OF triggers cannot have column lists");
  }
  if (s->row && s->n_transition_rels > 0 && r->bound) fail(ErrorCode::kFeatureNotSupported, "ROW triggers with transition tables are not supported on partitions");
  if (s->row && s->n_transition_rels > 0 && !r->parents.empty()) fail(ErrorCode::kFeatureNotSupported, "ROW triggers with transition tables are not supported on inheritance children");
  auto t = std::make_shared<catalog::Trigger>();
  t->name = name;
  t->relation = r->oid;
  t->owner = r->owner;
  t->type = static_cast<int16_t>(type);
  for (const Node* n : PG_LIST(s, transition_rels)) {
    const auto* rel = n->trigger_transition;
    if (!rel->is_table) fail(ErrorCode::kFeatureNotSupported, "ROW variable naming in the REFERENCING clause is not supported", -1, {}, "Use OLD TABLE or NEW TABLE for naming transition tables.");
    if (r->relkind == 'v') wrong("view", "Triggers on views cannot have transition tables.");
    if ((type & (kBefore | kInstead)) != 0) fail(ErrorCode::kInvalidObjectDefinition, "transition table name can only be specified for an AFTER trigger");
    if (type & kTruncate) fail(ErrorCode::kInvalidObjectDefinition, "TRUNCATE triggers with transition tables are not supported");
    const int events = ((type & kInsert) != 0) + ((type & kDelete) != 0) + ((type & kUpdate) != 0);
    if (events > 1) fail(ErrorCode::kFeatureNotSupported, "transition tables cannot be specified for triggers with more than one event");
    if (s->n_columns > 0) fail(ErrorCode::kFeatureNotSupported, "transition tables cannot be specified for triggers with column lists");
    if (rel->is_new) {
      if (!(type & (kInsert | kUpdate))) fail(ErrorCode::kInvalidObjectDefinition, "NEW TABLE can only be specified for an INSERT or UPDATE trigger");
      if (!t->new_table.empty()) fail(ErrorCode::kInvalidObjectDefinition, "NEW TABLE cannot be specified multiple times");
      t->new_table = rel->name;
    } else {
      if (!(type & (kDelete | kUpdate))) fail(ErrorCode::kInvalidObjectDefinition, "OLD TABLE can only be specified for a DELETE or UPDATE trigger");
      if (!t->old_table.empty()) fail(ErrorCode::kInvalidObjectDefinition, "OLD TABLE cannot be specified multiple times");
      t->old_table = rel->name;
    }
  }
  if (!t->old_table.empty() && t->old_table == t->new_table)
    fail(ErrorCode::kInvalidObjectDefinition, "OLD TABLE name and NEW TABLE name cannot be the same");
  if (s->when_clause != nullptr) {
    BindContext b = bind();
    query::ExprPtr when = bind_expression(s->when_clause, r.get(), ExprContext::kTriggerWhen, b);
    Mentions m;
    collect(when, *r, &m);
    if ((m.old_row || m.new_row) && !s->row) fail(ErrorCode::kInvalidObjectDefinition, "statement trigger's WHEN condition cannot reference column values", m.old_row ? m.old_at : m.new_at);
    if (m.old_row && (type & kInsert)) fail(ErrorCode::kInvalidObjectDefinition, "INSERT trigger's WHEN condition cannot reference OLD values", m.old_at);
    if (m.new_row && (type & kDelete)) fail(ErrorCode::kInvalidObjectDefinition, "DELETE trigger's WHEN condition cannot reference NEW values", m.new_at);
    if (m.new_system && (type & kBefore)) fail(ErrorCode::kFeatureNotSupported, "BEFORE trigger's WHEN condition cannot reference NEW system columns", -1);
    if (m.any_generated && (type & kBefore))
      fail(ErrorCode::kInvalidObjectDefinition, "BEFORE trigger's WHEN condition cannot reference NEW generated columns", -1, "A whole-row reference is used and the table contains generated columns.");
    CatalogView v = stored_view();
    t->when_sql = deparse_expression(when, [&](const query::VarExpr& x) {
      const std::string prefix = x.relation == 1 ? "old." : "new.";
      if (x.column == 0) return prefix + "*";
      if (x.column == query::system_column::kTableOid) return prefix + "tableoid";
      if (x.column < 0) return prefix + "ctid";
      return prefix + quote_identifier(r->column(x.column)->name);
    }, v, *host.exec().eval);
  }
  for (const Node* n : PG_LIST(s, columns)) {
    const std::string column(pg::str(n));
    const Column* c = r->column(std::string_view(column));
    if (c == nullptr) fail(ErrorCode::kUndefinedColumn, "column \"" + column + "\" of relation \"" + r->name + "\" does not exist");
    if (std::find(t->columns.begin(), t->columns.end(), c->number) != t->columns.end()) fail(ErrorCode::kDuplicateColumn, "column \"" + column + "\" specified more than once");
    t->columns.push_back(c->number);
  }
  // The function: without arguments, returning trigger.
  const std::vector<std::string> function = pg::strings(PG_LIST(s, funcname));
  Oid schema = 0;
  if (function.size() > 1) {
    schema = view().schema(function[function.size() - 2]);
    if (schema == 0) fail(ErrorCode::kInvalidSchemaName, "schema \"" + function[function.size() - 2] + "\" does not exist");
  }
  const ProcRow* proc = nullptr;
  for (const ProcRow* p : view().procs(function.back(), schema))
    if (p->args.empty() && p->kind == 'f') {
      proc = p;
      break;
    }
  std::string shown;
  for (const std::string& part : function) shown += (shown.empty() ? "" : ".") + part;
  if (proc == nullptr) fail(ErrorCode::kUndefinedFunction, "function " + shown + "() does not exist");
  if (proc->result != oid::kTrigger) fail(ErrorCode::kInvalidObjectDefinition, "function " + shown + " must return type trigger");
  t->function = proc->oid;
  for (const Node* n : PG_LIST(s, args)) t->args.emplace_back(pg::str(n));
  t->deferrable = s->deferrable;
  t->initially_deferred = s->initdeferred;
  auto existing = std::static_pointer_cast<const catalog::Trigger>(state()->find(ObjectKind::kTrigger, r->oid, name));
  if (existing != nullptr) {
    if (!s->replace) fail(ErrorCode::kDuplicateObject, "trigger \"" + name + "\" for relation \"" + r->name + "\" already exists");
    if (existing->constraint != 0 || s->isconstraint) fail(ErrorCode::kDuplicateObject, "trigger \"" + name + "\" for relation \"" + r->name + "\" is a constraint trigger");
    t->oid = existing->oid;
    t->enabled = existing->enabled;
    t->comment = existing->comment;
    changes().drop_dependencies_of({ObjectKind::kTrigger, t->oid, 0});
  } else {
    t->oid = catalog().allocate_oid();
    r->triggers.push_back(t->oid);
  }
  if (s->isconstraint) t->constraint = catalog().allocate_oid();
  put(t);
  put(r);
  const ObjectAddress self{ObjectKind::kTrigger, t->oid, 0};
  changes().add_dependency({self, {ObjectKind::kRelation, r->oid, 0}, DependencyKind::kAuto});
  for (int16_t c : t->columns) depend(self, {ObjectKind::kRelation, r->oid, c});
  depend(self, {ObjectKind::kFunction, t->function, 0});
  if (s->constrrel != nullptr) depend(self, {ObjectKind::kRelation, relation(s->constrrel)->oid, 0}, DependencyKind::kAuto);
  if (!r->partitioning || !s->row) return;
  const auto parent = state()->relation(r->oid);
  for (Oid child : query::direct_children(*state(), r->oid)) {
    // A replaced trigger's clones are made anew.
    std::vector<Oid> old;
    state()->for_each(ObjectKind::kTrigger, [&](const Ptr<catalog::Object>& o) {
      auto& clone = static_cast<const catalog::Trigger&>(*o);
      if (clone.parent == t->oid && clone.relation == child) old.push_back(clone.oid);
    });
    for (Oid o : old) drop({{ObjectKind::kTrigger, o, 0}}, true);
    clone_trigger(*t, *parent, child);
  }
}

}  // namespace stele::sql
