// Expressions, statements and cursors of a running function.
#include "sql/parser/pg.h"
#include "sql/plpgsql/exec.h"
#include "types/type_io.h"

namespace stele::sql::plpgsql {

using query::CommandKind;

namespace {

bool is_query(const pg::Node* n) {
  return (n->node_case == pg::kSelectStmt && n->select_stmt->into_clause == nullptr) || n->node_case == pg::kInsertStmt || n->node_case == pg::kUpdateStmt ||
         n->node_case == pg::kDeleteStmt || n->node_case == pg::kMergeStmt;
}

// One expression over parameters only: it needs no plan.
query::ExprPtr simple_target(const query::Query& q) {
  if (q.command != CommandKind::kSelect || q.targets.size() != 1 || !q.range_table.empty() || !q.from.empty() || q.where != nullptr || q.having != nullptr ||
      !q.group_by.empty() || !q.grouping_sets.empty() || q.has_aggregates || q.has_windows || q.has_target_srfs || q.has_sublinks || q.limit_count != nullptr ||
      q.limit_offset != nullptr || !q.order_by.empty() || !q.distinct.empty() || q.set_operation != nullptr || !q.ctes.empty())
    return nullptr;
  return q.targets[0].expr;
}

class ParamScope {
 public:
  ParamScope(query::ExecContext& exec, std::span<const NullableDatum> params, std::span<const Oid> types) : exec_(exec), params_(exec.params), types_(exec.param_types) {
    exec.params = params;
    exec.param_types = types;
  }
  ~ParamScope() {
    exec_.params = params_;
    exec_.param_types = types_;
  }

 private:
  query::ExecContext& exec_;
  std::span<const NullableDatum> params_;
  std::span<const Oid> types_;
};

}  // namespace

// Says that a statement runs, for context lines of what runs inside it.
class FrameLine {
 public:
  FrameLine(Frame& f, const std::string& text) : f_(f), before_(f.running_sql_) { f.running_sql_ = &text; }
  ~FrameLine() { f_.running_sql_ = before_; }

 private:
  Frame& f_;
  const std::string* before_;
};

void Frame::rethrow(const Error& e, const Expression& x, int shift, bool with_statement) {
  Error copy = e;
  const char* what = x.mode == ExprMode::kStatement ? "SQL statement" : x.mode == ExprMode::kAssignment ? "PL/pgSQL assignment" : "SQL expression";
  const std::string& text = x.shown.empty() ? x.text : x.shown;
  if (!x.shown.empty()) what = "PL/pgSQL assignment";
  if (e.position() > 0 && e.internal_query().empty()) {
    copy.set_internal(text, std::max(1, e.position() - shift + x.shift));
  } else if (with_statement) {
    copy.add_context(std::string(what) + " \"" + text + "\"");
  }
  throw copy;
}

BindContext Frame::bind_context(Expression& e, Expression::Bound& bound, std::string_view text) {
  BindContext b = host_.bind_context(text);
  auto find = [this, &e](const std::vector<std::string>& names, Reference* ref) {
    std::vector<const Name*> block;
    for (const Name* n = e.names.get(); n != nullptr; n = n->previous.get()) {
      if (n->kind == Name::Kind::kVariable) {
        const Variable& v = f_->variables[static_cast<size_t>(n->variable)];
        if (n->name == names[0]) {
          const bool record = v.kind == Variable::Kind::kRecord;
          if (names.size() == 1) *ref = {n->variable, {}};
          else if (names.size() == 2 && record) *ref = {n->variable, names[1]};
          else return false;
          return true;
        }
        block.push_back(n);
        continue;
      }
      if (names.size() > 1 && n->name == names[0] && !n->name.empty()) {
        for (const Name* x : block) {
          if (x->name != names[1]) continue;
          const bool record = f_->variables[static_cast<size_t>(x->variable)].kind == Variable::Kind::kRecord;
          if (names.size() == 2) *ref = {x->variable, {}};
          else if (names.size() == 3 && record) *ref = {x->variable, names[2]};
          else return false;
          return true;
        }
      }
      block.clear();
    }
    return false;
  };
  auto param = [this, &bound](const Reference& ref, int location) -> query::ExprPtr {
    size_t i = 0;
    while (i < bound.references.size() && !(bound.references[i].variable == ref.variable && bound.references[i].field == ref.field)) ++i;
    const size_t dno = static_cast<size_t>(ref.variable);
    const Variable& v = f_->variables[dno];
    auto p = std::make_shared<query::ParamExpr>();
    if (v.kind == Variable::Kind::kScalar) {
      p->type = scalar_types_[dno];
      p->typmod = v.typmod;
      p->collation = v.collation;
    } else if (ref.field.empty()) {
      p->type = records_[dno].shaped ? records_[dno].type : v.type;
    } else {
      const int f = field_of(records_[dno], ref.variable, ref.field);
      p->type = records_[dno].types[static_cast<size_t>(f)];
      p->typmod = records_[dno].typmods[static_cast<size_t>(f)];
      const TypeRow* t = host_.view().find_type(p->type);
      p->collation = t == nullptr ? 0 : t->collation;
    }
    if (i == bound.references.size()) {
      bound.references.push_back(ref);
      bound.types.push_back(p->type);
    }
    p->id = static_cast<int>(i) + 1;
    p->location = location;
    return p;
  };
  b.variables = [this, find, param](const std::vector<std::string>& names, int location) -> query::ExprPtr {
    Reference ref;
    if (!find(names, &ref)) return nullptr;
    const size_t dno = static_cast<size_t>(ref.variable);
    if (f_->variables[dno].kind == Variable::Kind::kRecord && ref.field.empty()) {
      const RecordValue& r = records_[dno];
      if (r.type == oid::kRecord && r.shaped && !r.null) {
        // A row of its fields: so its columns have names and types while the query is bound.
        auto row = std::make_shared<query::ListExpr>(query::ExprKind::kRow);
        row->type = oid::kRecord;
        row->names = r.names;
        row->location = location;
        for (const std::string& field : r.names) row->args.push_back(param({ref.variable, field}, location));
        return row;
      }
    }
    return param(ref, location);
  };
  b.variables_first = f_->conflict == Function::Conflict::kVariable;
  if (f_->conflict == Function::Conflict::kError) {
    b.shadows = [find](const std::vector<std::string>& names) {
      Reference ref;
      return find(names, &ref);
    };
  }
  b.parameter = [this, param](int number, int location) -> query::ExprPtr {
    if (number < 1 || static_cast<size_t>(number) > f_->arguments.size()) return nullptr;
    return param({f_->arguments[static_cast<size_t>(number - 1)], {}}, location);
  };
  b.held_rows = [this, &bound](std::string_view name) -> const BindContext::HeldRows* {
    for (const Frame* f = this; f != nullptr; f = f->outer_) {
      if (f->held_ == nullptr) continue;
      for (const HeldTable& h : *f->held_)
        if (h.name == name) {
          bound.once = true;
          return &h.rows;
        }
      return nullptr;
    }
    return nullptr;
  };
  return b;
}

std::shared_ptr<Expression::Bound> Frame::bind(Expression& e) {
  const uint64_t version = host_.view().state()->version();
  if (e.bound != nullptr && e.bound->version == version && e.bound->path == host_.search_path_text() && e.bound->user == host_.current_user()) {
    bool same = true;
    for (size_t i = 0; same && i < e.bound->references.size(); ++i) {
      const Reference& r = e.bound->references[i];
      const size_t dno = static_cast<size_t>(r.variable);
      const Variable& v = f_->variables[dno];
      Oid type = 0;
      if (v.kind == Variable::Kind::kScalar) type = scalar_types_[dno];
      else if (r.field.empty()) type = records_[dno].shaped ? records_[dno].type : v.type;
      else
        for (size_t k = 0; k < records_[dno].names.size(); ++k)
          if (records_[dno].names[k] == r.field) type = records_[dno].types[k];
      same = type == e.bound->types[i];
    }
    // Another shape of a record that is used whole.
    if (same) return e.bound;
  }
  auto b = std::make_shared<Expression::Bound>();
  b->version = version;
  b->path = host_.search_path_text();
  b->user = host_.current_user();
  const int shift = e.mode == ExprMode::kExpression ? 7 : 0;
  const std::string text = e.mode == ExprMode::kExpression ? "SELECT " + e.text : e.text;
  try {
    b->tree = parse_sql(text);
    if (b->tree->statements.empty()) throw Error(ErrorCode::kSyntaxError, "syntax error at end of input");
    const pg::Node* n = b->tree->statements[0].node;
    if (is_query(n)) {
      BindContext context = bind_context(e, *b, b->tree->text);
      auto q = bind_statement(n, context);
      b->columns = host_.columns_of(q);
      b->simple = e.mode == ExprMode::kExpression ? simple_target(*q) : nullptr;
      b->query = q;
      if (e.mode == ExprMode::kExpression && b->columns.size() != 1) {
        throw Error(ErrorCode::kSyntaxError, "query returned " + std::to_string(b->columns.size()) + (b->columns.size() == 1 ? " column" : " columns"));
      }
    }
  } catch (const Error& error) {
    rethrow(error, e, shift, true);
  }
  if (!b->once) e.bound = b;
  return b;
}

void Frame::gather(const Expression::Bound& bound, std::vector<NullableDatum>& values) {
  for (const Reference& r : bound.references) {
    Oid type = 0;
    values.push_back(read(r, &type));
  }
}

Frame::Result Frame::evaluate(Expression& e) {
  if (e.mode == ExprMode::kAssignment) {
    auto b = std::make_shared<Expression::Bound>();
    b->tree = parse_sql(e.text);
    const pg::UpdateStmt* u = b->tree->statements.at(0).node->update_stmt;
    BindContext context = bind_context(e, *b, b->tree->text);
    const Target& t = statement_->target;
    query::ExprPtr base = context.variables(t.fields[0].empty() ? std::vector<std::string>{f_->variables[static_cast<size_t>(t.variables[0])].name}
                                                                : std::vector<std::string>{f_->variables[static_cast<size_t>(t.variables[0])].name, t.fields[0]}, -1);
    if (base == nullptr) throw Error(ErrorCode::kInternalError, "assignment target is out of scope");
    query::ExprPtr x;
    try {
      x = bind_element_assignment(u->target_list[0], base, f_->variables[static_cast<size_t>(t.variables[0])].name, context);
    } catch (const Error& error) {
      rethrow(error, e, 0, true);
    }
    std::vector<NullableDatum> values;
    gather(*b, values);
    ParamScope scope(host_.exec(), values, b->types);
    const NullableDatum v = query::evaluate(x, host_.exec(), arena_);
    return {v, x->type, -1};
  }
  const auto b = bind(e);
  std::vector<NullableDatum> values;
  gather(*b, values);
  if (b->simple != nullptr) {
    ParamScope scope(host_.exec(), values, b->types);
    const NullableDatum v = query::evaluate(b->simple, host_.exec(), arena_);
    return {v, b->columns[0].type, b->columns[0].typmod};
  }
  if (b->query == nullptr) throw Error(ErrorCode::kSyntaxError, "query did not return data");
  Rows rows;
  if (!f_->read_only) host_.next_command();
  try {
    const std::string text = "SELECT " + e.text;
    FrameLine line(*this, e.text);
    host_.run_plan(b->plan, b->query, values, b->types, collect(rows, 2));
  } catch (const Error& error) {
    rethrow(error, e, 7, true);
  }
  if (rows.rows.size() > 1) throw Error(ErrorCode::kCardinalityViolation, "query returned more than one row").context("query: " + e.text);
  Result r{{}, b->columns[0].type, b->columns[0].typmod};
  if (!rows.rows.empty() && !rows.rows[0][0].is_null) r.v = {copy_datum(rows.by_value[0], rows.rows[0][0].value, arena_), false};
  return r;
}

bool Frame::evaluate_bool(Expression& e, bool* null) {
  const Result r = evaluate(e);
  const NullableDatum v = cast(r.v, r.type, r.typmod, oid::kBool, -1);
  if (null != nullptr) *null = v.is_null;
  return !v.is_null && v.value.as_bool();
}

int64_t Frame::evaluate_int(Expression& e, const char* null_message, bool* null) {
  const Result r = evaluate(e);
  const NullableDatum v = cast(r.v, r.type, r.typmod, oid::kInt4, -1);
  if (null != nullptr) *null = v.is_null;
  if (v.is_null && null_message != nullptr) throw Error(ErrorCode::kNullValueNotAllowed, null_message);
  return v.is_null ? 0 : v.value.as_int();
}

std::optional<std::string> Frame::evaluate_text(Expression& e) {
  const Result r = evaluate(e);
  if (r.v.is_null) return std::nullopt;
  return text_of(r.v, r.type);
}

std::function<bool(std::span<const NullableDatum>, std::span<const OutputColumn>)> Frame::collect(Rows& rows, uint64_t limit) {
  return [this, &rows, limit](std::span<const NullableDatum> row, std::span<const OutputColumn> columns) {
    if (rows.by_value.empty() && !columns.empty()) {
      rows.columns.assign(columns.begin(), columns.end());
      for (const OutputColumn& c : columns) rows.by_value.push_back(by_value(c.type));
    }
    std::vector<NullableDatum> copy;
    copy.reserve(row.size());
    for (size_t i = 0; i < row.size(); ++i)
      copy.push_back(row[i].is_null ? NullableDatum{} : NullableDatum{copy_datum(rows.by_value[i], row[i].value, rows.arena), false});
    rows.rows.push_back(std::move(copy));
    return rows.rows.size() < limit;
  };
}

// Runs a statement; rows (when wanted) are kept. Returns how many rows it processed.
uint64_t Frame::run_query(Expression& e, Rows* rows, uint64_t limit, bool* returns_rows, CommandKind* command) {
  const auto b = bind(e);
  std::vector<NullableDatum> values;
  gather(*b, values);
  if (!f_->read_only) host_.next_command();
  uint64_t n = 0;
  try {
    FrameLine line(*this, e.text);
    if (b->query == nullptr) {
      *returns_rows = false;
      *command = CommandKind::kUtility;
      const pg::Node* node = b->tree->statements[0].node;
      if (f_->read_only && node->node_case != pg::kExplainStmt && node->node_case != pg::kVariableShowStmt && node->node_case != pg::kVariableSetStmt)
        throw Error(ErrorCode::kFeatureNotSupported, "statement is not allowed in a non-volatile function");
      if (node->node_case == pg::kTransactionStmt) throw Error(ErrorCode::kFeatureNotSupported, "unsupported transaction command in PL/pgSQL");
      Rows kept;
      Rows& into = rows != nullptr ? *rows : kept;
      const std::string tag = host_.run_utility_statement(b->tree, 0, collect(into, limit));
      *returns_rows = !into.columns.empty();
      n = into.rows.size();
      if (const size_t space = tag.rfind(' '); tag.starts_with("SELECT ") || tag.starts_with("COPY ") || tag.starts_with("REFRESH")) n = std::strtoull(tag.c_str() + space, nullptr, 10);
    } else {
      *command = b->query->command;
      *returns_rows = b->query->command == CommandKind::kSelect || !b->query->returning.empty();
      if (f_->read_only && b->query->command != CommandKind::kSelect) {
        static const char* const kNames[] = {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"};
        throw Error(ErrorCode::kFeatureNotSupported, std::string(kNames[static_cast<size_t>(b->query->command)]) + " is not allowed in a non-volatile function");
      }
      if (rows != nullptr) {
        rows->columns = b->columns;
        for (const OutputColumn& c : b->columns) rows->by_value.push_back(by_value(c.type));
      }
      n = host_.run_plan(b->plan, b->query, values, b->types, rows != nullptr && *returns_rows ? RowSink(collect(*rows, limit)) : RowSink());
    }
  } catch (const Error& error) {
    rethrow(error, e, 0, true);
  }
  if (!f_->read_only) host_.next_command();
  return n;
}

void Frame::sql_statement(const Statement& s) {
  Rows rows;
  const bool into = !s.target.empty();
  bool returns_rows = false;
  CommandKind command = CommandKind::kSelect;
  const bool select_like = s.kind == StatementKind::kPerform;
  const auto b = bind(*s.expr);
  const bool modifies = b->query != nullptr && b->query->command != CommandKind::kSelect;
  const bool strict = s.strict;
  // More than one row is an error of INTO STRICT, and of a modifying statement's INTO.
  const bool many_error = into && extra_check(host_, "plpgsql.extra_errors", "too_many_rows");
  const bool many_warning = into && !many_error && extra_check(host_, "plpgsql.extra_warnings", "too_many_rows");
  const uint64_t limit = !into ? UINT64_MAX : strict || modifies || many_error || many_warning ? 2 : 1;
  if (!into && !select_like && b->query != nullptr && (b->query->command == CommandKind::kSelect || !b->query->returning.empty()))
    throw Error(ErrorCode::kSyntaxError, "query has no destination for result data").hint(b->query->command == CommandKind::kSelect ? "If you want to discard the results of a SELECT, use PERFORM instead." : "");
  const uint64_t n = run_query(*s.expr, into ? &rows : nullptr, modifies ? UINT64_MAX : limit, &returns_rows, &command);
  const uint64_t count = into && command == CommandKind::kSelect ? std::min<uint64_t>(rows.rows.size(), 1) : n;
  row_count_ = count;
  set_bool(f_->found, into ? !rows.rows.empty() : n != 0);
  if (!into) return;
  if (!returns_rows) throw Error(ErrorCode::kSyntaxError, "INTO used with a command that cannot return data");
  auto params = [&]() -> std::string {
    if (!f_->print_strict_params) return {};
    std::string out;
    for (const Reference& r : b->references) {
      Oid type = 0;
      const NullableDatum v = read(r, &type);
      out += (out.empty() ? "parameters: " : ", ") + f_->variables[static_cast<size_t>(r.variable)].name + (r.field.empty() ? "" : "." + r.field) + " = ";
      out += v.is_null ? "NULL" : "'" + text_of(v, type) + "'";
    }
    return out;
  };
  if (rows.rows.empty()) {
    if (strict) throw Error(ErrorCode::kNoDataFound, "query returned no rows").detail(params());
    assign_row(s.target, rows, 0);
    return;
  }
  if (rows.rows.size() > 1 && (strict || modifies || many_error || many_warning)) {
    const Error many = Error(ErrorCode::kTooManyRows, "query returned more than one row").detail(params()).hint("Make sure the query returns a single row, or use LIMIT 1.");
    if (strict || modifies || many_error) throw many;
    host_.notice("WARNING", many);
  }
  assign_row(s.target, rows, 0);
}

uint64_t Frame::run_dynamic(const Statement& s, Expression& text, const std::vector<ExprPtr>& params, Rows* rows, uint64_t limit, bool* returns_rows, CommandKind* command) {
  (void)s;
  const auto sql = evaluate_text(text);
  if (!sql) throw Error(ErrorCode::kNullValueNotAllowed, "query string argument of EXECUTE is null");
  std::vector<NullableDatum> values;
  ParamTypes types;
  for (const ExprPtr& p : params) {
    const Result r = evaluate(*p);
    values.push_back(r.v);
    types.types.push_back(r.type == oid::kUnknown ? Oid{oid::kText} : r.type);
  }
  if (!f_->read_only) host_.next_command();
  Expression shown;
  shown.text = *sql;
  shown.mode = ExprMode::kStatement;
  uint64_t n = 0;
  try {
    FrameLine line(*this, shown.text);
    const ParseTreePtr tree = parse_sql(*sql);
    for (size_t i = 0; i < tree->statements.size(); ++i) {
      const pg::Node* node = tree->statements[i].node;
      if (node->node_case == pg::kTransactionStmt) throw Error(ErrorCode::kFeatureNotSupported, "EXECUTE of transaction commands is not implemented");
      if (node->node_case == pg::kSelectStmt && node->select_stmt->into_clause != nullptr)
        throw Error(ErrorCode::kFeatureNotSupported, "EXECUTE of SELECT ... INTO is not implemented").hint("You might want to use EXECUTE ... INTO or EXECUTE CREATE TABLE ... AS instead.");
      if (!is_query(node)) {
        *command = CommandKind::kUtility;
        Rows kept;
        Rows& into = rows != nullptr ? *rows : kept;
        const std::string tag = host_.run_utility_statement(tree, i, collect(into, limit));
        *returns_rows = !into.columns.empty();
        n = into.rows.size();
        if (tag.starts_with("SELECT ")) n = std::strtoull(tag.c_str() + 7, nullptr, 10);
        continue;
      }
      BindContext context = host_.bind_context(tree->text);
      context.params = &types;
      Expression::Bound scratch;
      context.held_rows = bind_context(text, scratch, tree->text).held_rows;
      const query::QueryPtr q = bind_statement(node, context);
      *command = q->command;
      *returns_rows = q->command == CommandKind::kSelect || !q->returning.empty();
      if (rows != nullptr) {
        rows->columns = host_.columns_of(q);
        rows->by_value.clear();
        for (const OutputColumn& c : rows->columns) rows->by_value.push_back(by_value(c.type));
      }
      HostPlan plan;
      n = host_.run_plan(plan, q, values, types.types, rows != nullptr && *returns_rows ? RowSink(collect(*rows, limit)) : RowSink());
      if (!f_->read_only) host_.next_command();
    }
    if (tree->statements.empty()) *command = CommandKind::kUtility;
  } catch (const Error& error) {
    rethrow(error, shown, 0, true);
  }
  if (!f_->read_only) host_.next_command();
  return n;
}

void Frame::execute_dynamic(const Statement& s) {
  Rows rows;
  const bool into = !s.target.empty();
  bool returns_rows = false;
  CommandKind command = CommandKind::kSelect;
  const uint64_t n = run_dynamic(s, *s.expr, s.params, into ? &rows : nullptr, into && s.strict ? 2 : UINT64_MAX, &returns_rows, &command);
  row_count_ = into && command == CommandKind::kSelect ? std::min<uint64_t>(rows.rows.size(), 1) : n;
  if (!into) return;
  if (!returns_rows) throw Error(ErrorCode::kSyntaxError, "INTO used with a command that cannot return data");
  if (rows.rows.empty() && s.strict) throw Error(ErrorCode::kNoDataFound, "query returned no rows");
  if (rows.rows.size() > 1 && s.strict) throw Error(ErrorCode::kTooManyRows, "query returned more than one row");
  assign_row(s.target, rows, 0);
}

void Frame::call_statement(const Statement& s) {
  const auto b = bind(*s.expr);
  const pg::Node* node = b->tree->statements.at(0).node;
  try {
    FrameLine line(*this, s.expr->text);
    if (s.kind == StatementKind::kDo) {
      run_do(node, {}, host_);
      return;
    }
    // OUT arguments are variables of ours: what the procedure leaves in them comes back.
    const pg::FuncCall* f = node->call_stmt->funccall;
    Expression::Bound bound;
    BindContext context = bind_context(*s.expr, bound, b->tree->text);
    pg::Node call;
    std::memset(&call, 0, sizeof(call));
    call.node_case = pg::kFuncCall;
    call.func_call = const_cast<pg::FuncCall*>(f);
    const query::ExprPtr e = bind_call(&call, context);
    const auto& fe = static_cast<const query::FuncExpr&>(*e);
    std::vector<NullableDatum> values;
    gather(bound, values);
    std::vector<NullableDatum> args;
    std::vector<Oid> types;
    {
      ParamScope scope(host_.exec(), values, bound.types);
      for (const auto& a : fe.args) {
        args.push_back(query::evaluate(a, host_.exec(), arena_));
        types.push_back(a->type);
      }
    }
    Rows rows;
    call_procedure_values(fe.func, args, types, host_, collect(rows, 1));
    if (rows.rows.empty()) return;
    // Which arguments are outputs, and of which variables of ours.
    const auto proc = host_.view().state()->function(fe.func);
    size_t k = 0;
    for (size_t i = 0; proc != nullptr && i < proc->arg_modes.size() && i < fe.args.size(); ++i) {
      const char mode = proc->arg_modes[i];
      if (mode != 'o' && mode != 'b') continue;
      query::ExprPtr a = fe.args[i];
      while (a->kind == query::ExprKind::kRelabel || a->kind == query::ExprKind::kCoerceViaIo || a->kind == query::ExprKind::kCoerceToDomain || a->kind == query::ExprKind::kFunc) {
        if (a->kind == query::ExprKind::kFunc) {
          const auto& cast_call = static_cast<const query::FuncExpr&>(*a);
          if (cast_call.format != query::FuncFormat::kImplicitCast || cast_call.args.empty()) break;
          a = cast_call.args[0];
        } else {
          a = static_cast<const query::UnaryExpr&>(*a).arg;
        }
      }
      if (a->kind != query::ExprKind::kParam) {
        throw Error(ErrorCode::kSyntaxError, "procedure parameter " + (i < proc->arg_names.size() && !proc->arg_names[i].empty() ? "\"" + proc->arg_names[i] + "\"" : std::to_string(i + 1)) +
                                                 " is an output parameter but corresponding argument is not writable");
      }
      const Reference& r = bound.references[static_cast<size_t>(static_cast<const query::ParamExpr&>(*a).id - 1)];
      if (k < rows.rows[0].size()) {
        if (r.field.empty()) assign(r.variable, rows.rows[0][k], rows.columns[k].type, -1);
        else assign_field(r.variable, r.field, rows.rows[0][k], rows.columns[k].type, -1);
      }
      ++k;
    }
  } catch (const Error& error) {
    rethrow(error, *s.expr, 0, true);
  }
}

// ---- cursors

std::string Frame::cursor_name(int variable) {
  const NullableDatum v = scalars_[static_cast<size_t>(variable)].v;
  const Variable& x = f_->variables[static_cast<size_t>(variable)];
  if (v.is_null) throw Error(ErrorCode::kNullValueNotAllowed, "cursor variable \"" + x.name + "\" is null");
  const std::string name(v.value.as_view());
  if (!host_.cursor_exists(name)) throw Error(ErrorCode::kInvalidCursorName, "cursor \"" + name + "\" does not exist");
  return name;
}

void Frame::open_bound(const Statement&, int variable, const std::vector<ExprPtr>& args) {
  const Variable& c = f_->variables[static_cast<size_t>(variable)];
  for (size_t i = 0; i < args.size() && i < c.cursor_args.size(); ++i) {
    if (args[i] == nullptr) continue;
    const Result r = evaluate(*args[i]);
    assign(c.cursor_args[i], r.v, r.type, r.typmod);
  }
}

void Frame::open_cursor(const Statement& s) {
  Variable& c = f_->variables[static_cast<size_t>(s.variable)];
  Value& v = scalars_[static_cast<size_t>(s.variable)];
  std::string name;
  if (!v.v.is_null) {
    name = v.v.value.as_view();
    if (host_.cursor_exists(name)) throw Error(ErrorCode::kDuplicateCursor, "cursor \"" + name + "\" already in use");
  }
  if (!f_->read_only) host_.next_command();
  if (s.low != nullptr) {   // FOR EXECUTE
    const auto sql = evaluate_text(*s.low);
    if (!sql) throw Error(ErrorCode::kNullValueNotAllowed, "query string argument of EXECUTE is null");
    std::vector<NullableDatum> values;
    ParamTypes types;
    for (const ExprPtr& p : s.params) {
      const Result r = evaluate(*p);
      values.push_back(r.v);
      types.types.push_back(r.type);
    }
    Expression shown;
    shown.text = *sql;
    shown.mode = ExprMode::kStatement;
    try {
      const ParseTreePtr tree = parse_sql(*sql);
      if (tree->statements.size() != 1 || !is_query(tree->statements[0].node)) throw Error(ErrorCode::kInvalidCursorDefinition, "cannot open EXECUTE query as cursor");
      BindContext context = host_.bind_context(tree->text);
      context.params = &types;
      const query::QueryPtr q = bind_statement(tree->statements[0].node, context);
      if (name.empty()) name = host_.unnamed_portal();
      host_.open_cursor(name, q, values, types.types, *sql, s.scroll, s.no_scroll);
    } catch (const Error& error) {
      rethrow(error, shown, 0, true);
    }
  } else {
    ExprPtr query = s.expr;
    if (query == nullptr) {
      open_bound(s, s.variable, s.params);
      query = c.cursor_query;
      if (name.empty()) name = c.name;
    }
    const auto b = bind(*query);
    if (b->query == nullptr) throw Error(ErrorCode::kInvalidCursorDefinition, "cannot open " + std::string("non-SELECT") + " query as cursor");
    if (b->query->command != CommandKind::kSelect && b->query->returning.empty()) {
      static const char* const kNames[] = {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"};
      throw Error(ErrorCode::kInvalidCursorDefinition, std::string("cannot open ") + kNames[static_cast<size_t>(b->query->command)] + " query as cursor");
    }
    std::vector<NullableDatum> values;
    gather(*b, values);
    if (name.empty()) name = host_.unnamed_portal();
    if (host_.cursor_exists(name)) throw Error(ErrorCode::kDuplicateCursor, "cursor \"" + name + "\" already in use");
    try {
      host_.open_cursor(name, b->query, values, b->types, query->text, s.scroll || c.scroll, s.no_scroll || c.no_scroll);
    } catch (const Error& error) {
      rethrow(error, *query, 0, true);
    }
  }
  set_text(s.variable, name);
}

void Frame::fetch(const Statement& s) {
  const std::string name = cursor_name(s.variable);
  int64_t how_many = s.how_many;
  if (s.count != nullptr) {
    bool null = false;
    how_many = evaluate_int(*s.count, nullptr, &null);
    if (null) throw Error(ErrorCode::kNullValueNotAllowed, "relative or absolute cursor position is null");
  }
  if (s.kind == StatementKind::kMove) {
    const uint64_t n = host_.fetch_cursor(name, s.direction, how_many, {});
    row_count_ = n;
    set_bool(f_->found, n != 0);
    return;
  }
  Rows rows;
  host_.fetch_cursor(name, s.direction, how_many, collect(rows, 1));
  row_count_ = rows.rows.size();
  assign_row(s.target, rows, 0);
  set_bool(f_->found, !rows.rows.empty());
}

Frame::Flow Frame::for_cursor(const Statement& s) {
  const Variable& c = f_->variables[static_cast<size_t>(s.variable)];
  Value& v = scalars_[static_cast<size_t>(s.variable)];
  const bool had_name = !v.v.is_null;
  if (had_name) {
    const std::string name(v.v.value.as_view());
    if (host_.cursor_exists(name)) throw Error(ErrorCode::kDuplicateCursor, "cursor \"" + name + "\" already in use");
  }
  open_bound(s, s.variable, s.params);
  // The loop may move or read its own cursor: it is open under its name meanwhile.
  const auto b = bind(*c.cursor_query);
  std::vector<NullableDatum> values;
  gather(*b, values);
  const std::string name = had_name ? std::string(v.v.value.as_view()) : c.name;
  if (!f_->read_only) host_.next_command();
  if (b->query == nullptr) throw Error(ErrorCode::kInvalidCursorDefinition, "cannot open this query as cursor");
  host_.open_cursor(name, b->query, values, b->types, c.cursor_query->text, c.scroll, c.no_scroll);
  set_text(s.variable, name);
  bool any = false;
  Flow flow = Flow::kNormal;
  try {
    for (;;) {
      Rows one;
      host_.fetch_cursor(name, PG_QUERY__FETCH_DIRECTION__FETCH_FORWARD, 1, collect(one, 1));
      if (one.columns.empty()) one.columns = b->columns;
      if (one.rows.empty()) {
        if (!any) assign_row(s.target, one, 0);
        break;
      }
      any = true;
      assign_row(s.target, one, 0);
      bool leave = false;
      flow = loop_flow(execute(s.body), s, &leave);
      if (leave) break;
      if (!host_.cursor_exists(name)) throw Error(ErrorCode::kInvalidCursorName, "cursor \"" + name + "\" does not exist");
    }
  } catch (...) {
    host_.close_cursor(name);
    if (!had_name) set_null(s.variable);
    throw;
  }
  host_.close_cursor(name);
  if (!had_name) set_null(s.variable);
  set_bool(f_->found, any);
  return flow;
}

}  // namespace stele::sql::plpgsql
