// Functions written in SQL: the body is bound with the arguments as parameters and run statement by
// statement; the last one gives the result. The way to PL/pgSQL's functions and to triggers is here too.
#include "query/exec/set_function.h"
#include "query/rewrite.h"
#include "sql/parser/parser.h"
#include "sql/parser/pg.h"
#include "sql/deparse/deparse.h"
#include "sql/functions/host.h"
#include "sql/plpgsql/call.h"
#include "sql/session/utility.h"
#include "types/record.h"
#include "types/type_io.h"

namespace stele::sql {
namespace {

using namespace query;  // NOLINT

struct Statement {
  QueryPtr query;                // null until bound; utilities stay so
  ExprPtr simple;                // the one expression of a SELECT without anything else
  std::vector<OutputColumn> columns;
  HostPlan plan;
};
struct Callee {
  catalog::Ptr<catalog::Function> user;
  std::string name, source;
  std::vector<std::string> arg_names;
  std::vector<Oid> args;
  Oid result = 0;
  bool returns_set = false, strict = false, read_only = false;
  ParseTreePtr tree;
  std::vector<Statement> statements;
  uint64_t version = 0;
};
using CalleePtr = std::shared_ptr<Callee>;

CalleePtr make_callee(UtilityHost& host, Oid func, std::span<const Oid> arg_types, Oid result_type) {
  auto made = std::make_shared<Callee>();
  Callee& c = *made;
  std::vector<Oid> declared;
  if (auto f = host.exec().catalog->state()->function(func)) {
    if (f->language_name != "sql") throw Error(ErrorCode::kFeatureNotSupported, "functions in language \"" + f->language_name + "\" are not supported");
    c.user = f;
    c.name = f->name;
    c.source = f->sql_body.empty() ? f->source : f->sql_body;
    c.result = f->result;
    c.returns_set = f->returns_set;
    c.strict = f->strict;
    c.read_only = f->volatility != 'v';
    declared = f->args;
    for (size_t i = 0; i < f->arg_names.size(); ++i) {
      char mode = f->arg_modes.empty() ? 'i' : f->arg_modes[i];
      if (mode == 'i' || mode == 'b' || mode == 'v') c.arg_names.push_back(f->arg_names[i]);
    }
  } else if (const BuiltinProc* p = builtin::proc(func); p != nullptr && p->language == 14) {
    c.name = p->name;
    c.source = p->source;
    c.result = p->result;
    c.returns_set = p->returns_set;
    c.strict = p->strict;
    c.read_only = p->volatility != 'v';
  } else {
    throw Error(ErrorCode::kUndefinedFunction, "function with OID " + std::to_string(func) + " does not exist");
  }
  c.args.assign(arg_types.begin(), arg_types.end());
  std::vector<Oid> result{c.result};
  if (!declared.empty()) {
    std::vector<Oid> resolved = declared;
    plpgsql::resolve_polymorphic(host.view(), declared, arg_types, &resolved);
    for (size_t i = 0; i < resolved.size() && i < c.args.size(); ++i) c.args[i] = resolved[i];
    plpgsql::resolve_polymorphic(host.view(), declared, arg_types, &result);
    c.result = result[0];
  }
  if (result_type != 0 && !(c.result == oid::kRecord)) c.result = result_type;
  c.tree = parse_sql(c.source);
  c.statements.resize(c.tree->statements.size());
  c.version = host.view().state()->version();
  return made;
}

struct CalleeCache { std::map<std::string, CalleePtr> entries; };

CalleePtr find_callee(UtilityHost& host, Oid func, std::span<const Oid> arg_types, Oid result_type) {
  if (host.sql_function_state == nullptr) host.sql_function_state = std::make_shared<CalleeCache>();
  auto& cache = *static_cast<CalleeCache*>(host.sql_function_state.get());
  std::string key = std::to_string(func) + "/" + std::to_string(result_type) + "/" + std::to_string(host.current_user()) + "/" + host.search_path_text();
  for (Oid t : arg_types) key += "," + std::to_string(t);
  CalleePtr& slot = cache.entries[key];
  if (slot == nullptr || slot->version != host.view().state()->version()) slot = make_callee(host, func, arg_types, result_type);
  return slot;
}

class Depth {
 public:
  Depth() {
    check_stack_depth();
    if (++depth() > 200) {
      --depth();
      throw_too_complex();
    }
  }
  ~Depth() { --depth(); }

 private:
  static int& depth() {
    thread_local int d = 0;
    return d;
  }
};

bool is_query(const pg::Node* n) {
  return (n->node_case == pg::kSelectStmt && n->select_stmt->into_clause == nullptr) || n->node_case == pg::kInsertStmt || n->node_case == pg::kUpdateStmt || n->node_case == pg::kDeleteStmt ||
         n->node_case == pg::kMergeStmt;
}

[[noreturn]] void mismatch(UtilityHost& host, Oid result, std::string detail) {
  throw Error(ErrorCode::kInvalidFunctionDefinition, "return type mismatch in function declared to return " + host.view().format_type(result)).detail(std::move(detail));
}

// Binds a statement of the body; the last one is made to give the declared result.
void bind_body_statement(UtilityHost& host, Callee& c, size_t i) {
  const pg::Node* n = c.tree->statements[i].node;
  const bool last = i + 1 == c.statements.size();
  ParamTypes params;
  params.types = c.args;
  BindContext b = host.bind_context(c.tree->text);
  b.params = &params;
  b.variables = [&](const std::vector<std::string>& names, int location) -> ExprPtr {
    auto param = [&](const std::string& name) -> ExprPtr {
      for (size_t k = 0; k < c.arg_names.size() && k < c.args.size(); ++k)
        if (!c.arg_names[k].empty() && c.arg_names[k] == name) {
          auto p = std::make_shared<ParamExpr>();
          p->id = static_cast<int>(k) + 1;
          p->type = c.args[k];
          p->location = location;
          const TypeRow* t = host.view().find_type(c.args[k]);
          p->collation = t != nullptr ? t->collation : 0;
          return p;
        }
      return nullptr;
    };
    auto field = [&](ExprPtr base, const std::string& name) -> ExprPtr {
      if (base == nullptr || !host.view().is_composite(host.view().base_type(base->type))) return nullptr;
      const auto& columns = host.exec().eval->catalog->composite_columns(host.view().base_type(base->type));
      for (size_t k = 0; k < columns.size(); ++k) {
        if (columns[k].dropped || columns[k].name != name) continue;
        auto f = std::make_shared<FieldSelectExpr>();
        f->arg = base;
        f->field = static_cast<int16_t>(k + 1);
        f->type = columns[k].type;
        f->typmod = columns[k].typmod;
        f->location = location;
        const TypeRow* t = host.view().find_type(f->type);
        f->collation = t != nullptr ? t->collation : 0;
        return f;
      }
      return nullptr;
    };
    if (names.size() == 1) return param(names[0]);
    if (names.size() == 2) {
      if (names[0] == c.name)
        if (ExprPtr p = param(names[1])) return p;
      return field(param(names[0]), names[1]);
    }
    if (names.size() == 3 && names[0] == c.name) return field(param(names[1]), names[2]);
    return nullptr;
  };
  auto q = bind_statement(n, b);
  auto& targets = q->command == CommandKind::kSelect ? q->targets : q->returning;
  if (last && c.result != oid::kVoid) {
    size_t visible = 0;
    TargetEntry* only = nullptr;
    for (TargetEntry& t : targets)
      if (!t.junk) {
        ++visible;
        only = &t;
      }
    if (visible == 0) mismatch(host, c.result, "Function's final statement must be SELECT or INSERT/UPDATE/DELETE RETURNING.");
    auto convert = [&](TargetEntry& t, Oid type, int32_t typmod) {
      if (t.expr->type == type && typmod < 0) return true;
      if (q->set_operation != nullptr) return true;
      try {
        t.expr = coerce_for_assignment(t.expr, type, typmod, "result", b);
        return true;
      } catch (const Error&) {
        return false;
      }
    };
    const bool composite = host.view().is_composite(host.view().base_type(c.result));
    if (composite || c.result == oid::kRecord) {
      // The columns of the result: OUT arguments or the composite type.
      std::vector<std::pair<Oid, int32_t>> expected;
      if (composite) {
        if (!(visible == 1 && host.view().base_type(only->expr->type) == host.view().base_type(c.result)))
          for (const auto& x : host.exec().eval->catalog->composite_columns(host.view().base_type(c.result)))
            if (!x.dropped) expected.emplace_back(x.type, x.typmod);
      } else if (c.user != nullptr) {
        for (size_t k = 0; k < c.user->arg_modes.size(); ++k)
          if (c.user->arg_modes[k] == 'o' || c.user->arg_modes[k] == 'b' || c.user->arg_modes[k] == 't') expected.emplace_back(c.user->all_args[k], -1);
        std::vector<Oid> types;
        for (auto& [t, m] : expected) types.push_back(t);
        plpgsql::resolve_polymorphic(host.view(), c.user->args, c.args, &types);
        for (size_t k = 0; k < types.size(); ++k) expected[k].first = types[k];
      }
      size_t k = 0;
      for (TargetEntry& t : targets) {
        if (t.junk || expected.empty()) continue;
        if (k >= expected.size()) mismatch(host, c.result, "Final statement returns too many columns.");
        const Oid from = t.expr->type;
        if (!convert(t, expected[k].first, expected[k].second))
          mismatch(host, c.result, "Final statement returns " + host.view().format_type(from) + " instead of " + host.view().format_type(expected[k].first) + " at column " + std::to_string(k + 1) + ".");
        ++k;
      }
      if (k < expected.size()) mismatch(host, c.result, "Final statement returns too few columns.");
    } else {
      if (visible != 1) mismatch(host, c.result, "Final statement must return exactly one column.");
      const Oid from = only->expr->type;
      if (!convert(*only, c.result, -1)) mismatch(host, c.result, "Actual return type is " + host.view().format_type(from) + ".");
    }
  }
  Statement& s = c.statements[i];
  s.columns = host.columns_of(q);
  if (q->command == CommandKind::kSelect && q->targets.size() == 1 && q->range_table.empty() && q->from.empty() && q->where == nullptr && q->having == nullptr && q->group_by.empty() &&
      q->grouping_sets.empty() && !q->has_aggregates && !q->has_windows && !q->has_target_srfs && !q->has_sublinks && q->limit_count == nullptr && q->limit_offset == nullptr &&
      q->order_by.empty() && q->distinct.empty() && q->set_operation == nullptr && q->ctes.empty())
    s.simple = q->targets[0].expr;
  s.query = q;
}

// Rows of the last statement go to emit; others run for their effects.
void run_body(UtilityHost& host, Callee& c, std::span<const NullableDatum> args, const std::function<bool(std::span<const NullableDatum>, std::span<const OutputColumn>)>& emit) {
  Depth guard;
  std::optional<CallScope> scope;
  if (c.user != nullptr && (c.user->security_definer || !c.user->settings.empty())) scope.emplace(host, *c.user);
  for (size_t i = 0; i < c.statements.size(); ++i) {
    const bool last = i + 1 == c.statements.size();
    try {
      if (!is_query(c.tree->statements[i].node)) {
        if (c.read_only && c.user != nullptr) throw Error(ErrorCode::kFeatureNotSupported, "statement is not allowed in a non-volatile function");
        host.next_command();
        host.run_utility_statement(c.tree, i, {});
        host.next_command();
        continue;
      }
      if (c.statements[i].query == nullptr || c.version != host.view().state()->version()) {
        if (c.version != host.view().state()->version()) {
          for (Statement& s : c.statements) s = Statement();
          c.version = host.view().state()->version();
        }
        bind_body_statement(host, c, i);
      }
      Statement& s = c.statements[i];
      const QueryPtr query = s.query;
      if (c.read_only && c.user != nullptr && query->command != CommandKind::kSelect) {
        static const char* const kNames[] = {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"};
        throw Error(ErrorCode::kFeatureNotSupported, std::string(kNames[static_cast<size_t>(query->command)]) + " is not allowed in a non-volatile function");
      }
      if (s.simple != nullptr && last && emit) {
        const auto params = host.exec().params;
        const auto types = host.exec().param_types;
        struct Restore {
          ExecContext& exec;
          std::span<const NullableDatum> params;
          std::span<const Oid> types;
          ~Restore() {
            exec.params = params;
            exec.param_types = types;
          }
        } restore{host.exec(), params, types};
        host.exec().params = args;
        host.exec().param_types = c.args;
        Arena arena;
        const ExprPtr simple = s.simple;
        const std::vector<OutputColumn> columns = s.columns;
        const NullableDatum v = evaluate(simple, host.exec(), arena);
        emit({&v, 1}, columns);
        return;
      }
      if (!c.read_only) host.next_command();
      const std::vector<Oid> types = c.args;
      if (last && emit) host.run_plan(s.plan, query, args, types, emit);
      else host.run_plan(s.plan, query, args, types, {});
      if (!c.read_only) host.next_command();
    } catch (const Error& e) {
      if (c.user == nullptr) throw;
      Error copy = e;
      if (e.position() > 0 && e.internal_query().empty()) copy.set_internal(c.source, e.position());
      copy.add_context("SQL function \"" + c.name + "\" " + (c.statements[i].query == nullptr && is_query(c.tree->statements[i].node) ? std::string("during startup") : "statement " + std::to_string(i + 1)));
      throw copy;
    }
  }
}

bool is_polymorphic_type(Oid t) {
  return t == oid::kAnyElement || t == oid::kAnyArray || t == oid::kAnyNonArray || t == oid::kAnyEnum || t == oid::kAnyRange || t == oid::kAnyMultirange || t == oid::kAnyCompatible ||
         t == oid::kAnyCompatibleArray || t == oid::kAnyCompatibleNonArray || t == oid::kAnyCompatibleRange || t == oid::kAnyCompatibleMultirange;
}

const char* transaction_word(const pg::Node* n) {
  switch (n->transaction_stmt->kind) {
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT: return "COMMIT";
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK: return "ROLLBACK";
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT: return "SAVEPOINT";
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE: return "RELEASE";
    default: return "BEGIN";
  }
}

void check_execute(UtilityHost& host, const catalog::Function& f) {
  if (host.superuser()) return;
  const auto state = host.exec().catalog->state();
  if (privileges_of(host.current_user(), f, f.acl, catalog::kExecute, catalog::kExecute, *state) & catalog::kExecute) return;
  throw Error(ErrorCode::kInsufficientPrivilege, std::string("permission denied for ") + (f.prokind == 'p' ? "procedure " : "function ") + f.name);
}

Datum make_row(UtilityHost& host, Oid type, std::span<const NullableDatum> row, std::span<const OutputColumn> columns, Arena& arena) {
  std::vector<ElementInfo> infos;
  std::vector<std::string> names;
  for (const OutputColumn& c : columns) {
    infos.push_back(element_info(c.type, host.exec().eval));
    names.push_back(c.name);
  }
  bool record = type == oid::kRecord;
  return make_record(type, record ? intern_record_shape(names) : -1, infos, row, arena);
}

}  // namespace

void validate_sql_function(UtilityHost& host, const catalog::Function& f) {
  Callee c;
  c.name = f.name;
  c.source = f.sql_body.empty() ? f.source : f.sql_body;
  c.result = f.result;
  c.returns_set = f.returns_set;
  c.args = f.args;
  c.user = std::make_shared<catalog::Function>(f);
  for (Oid t : f.args)
    if (is_polymorphic_type(t)) return;
  for (size_t i = 0; i < f.arg_names.size(); ++i) {
    char mode = f.arg_modes.empty() ? 'i' : f.arg_modes[i];
    if (mode == 'i' || mode == 'b' || mode == 'v') c.arg_names.push_back(f.arg_names[i]);
  }
  c.tree = parse_sql(c.source);
  c.statements.resize(c.tree->statements.size());
  if (c.statements.empty() && c.result != oid::kVoid) mismatch(host, c.result, "Function's final statement must be SELECT or INSERT/UPDATE/DELETE RETURNING.");
  for (size_t i = 0; i < c.statements.size(); ++i) {
    const pg::Node* n = c.tree->statements[i].node;
    if (is_query(n)) {
      bind_body_statement(host, c, i);
    } else {
      if (n->node_case == pg::kTransactionStmt) throw Error(ErrorCode::kInvalidFunctionDefinition, std::string(transaction_word(n)) + " is not allowed in an SQL function");
      if (i + 1 == c.statements.size() && c.result != oid::kVoid) mismatch(host, c.result, "Function's final statement must be SELECT or INSERT/UPDATE/DELETE RETURNING.");
    }
  }
}

void install_function_calls(UtilityHost& host) {
  ExecContext& ctx = host.exec();
  UtilityHost* h = &host;
  ctx.call_function = [h](Oid func, std::span<const NullableDatum> args, std::span<const Oid> arg_types, Oid result_type, Arena& arena) -> NullableDatum {
    if (auto f = func >= oid::kFirstUserOid ? h->exec().catalog->state()->function(func) : nullptr) {
      check_execute(*h, *f);
      if (f->strict)
        for (const NullableDatum& a : args)
          if (a.is_null) return {};
      if (f->language_name == "plpgsql") return plpgsql::call_function(*h, f, args, arg_types, result_type, arena);
    }
    const CalleePtr held = find_callee(*h, func, arg_types, result_type);
    Callee& c = *held;
    if (c.strict)
      for (const NullableDatum& a : args)
        if (a.is_null) return {};
    NullableDatum result;
    bool done = false;
    run_body(*h, c, args, [&](std::span<const NullableDatum> row, std::span<const OutputColumn> columns) {
      if (done) return false;
      done = true;
      if (c.result == oid::kVoid) return false;
      const Oid base = h->view().base_type(c.result);
      bool composite = c.result == oid::kRecord || h->view().is_composite(base);
      if (composite && !(columns.size() == 1 && (h->view().base_type(columns[0].type) == base))) {
        result = {make_row(*h, base, row, columns, arena), false};
        return false;
      }
      result.is_null = row[0].is_null;
      if (!row[0].is_null) result.value = copy_datum(element_info(columns[0].type, h->exec().eval).width != 0, row[0].value, arena);
      return false;
    });
    return result;
  };
  ctx.call_set_function = [h](Oid func, std::span<const NullableDatum> args, std::span<const Oid> arg_types, const std::function<bool(std::span<const NullableDatum>)>& emit) {
    if (func == kHeldRowsFunction) {
      plpgsql::emit_held_rows(*h, static_cast<int>(args[0].value.as_int()), emit);
      return;
    }
    if (auto f = func >= oid::kFirstUserOid ? h->exec().catalog->state()->function(func) : nullptr) {
      check_execute(*h, *f);
      if (f->strict)
        for (const NullableDatum& a : args)
          if (a.is_null) return;
      if (f->language_name == "plpgsql") {
        plpgsql::call_set_function(*h, f, args, arg_types, emit);
        return;
      }
    }
    const CalleePtr held = find_callee(*h, func, arg_types, 0);
    Callee& c = *held;
    if (c.strict)
      for (const NullableDatum& a : args)
        if (a.is_null) return;
    // Rows of a function that returns record without OUT parameters: a column definition list says what they must be.
    const auto user = func >= oid::kFirstUserOid ? h->exec().catalog->state()->function(func) : nullptr;
    const bool anonymous = user != nullptr && user->result == oid::kRecord && user->arg_modes.find_first_of("obt") == std::string::npos;
    const std::vector<CompositeColumn>* definition = query::record_definition();
    run_body(*h, c, args, [&](std::span<const NullableDatum> row, std::span<const OutputColumn> columns) {
      // One composite column stands for its fields.
      if (columns.size() == 1 && h->view().is_composite(h->view().base_type(c.result)) && h->view().base_type(columns[0].type) == h->view().base_type(c.result)) {
        std::vector<NullableDatum> fields(h->exec().eval->catalog->composite_columns(h->view().base_type(c.result)).size());
        if (!row[0].is_null) {
          RecordView v(row[0].value);
          for (int i = 0; i < v.count() && static_cast<size_t>(i) < fields.size(); ++i) fields[static_cast<size_t>(i)] = v.at(i);
        }
        return emit(fields);
      }
      if (anonymous) {
        if (definition == nullptr) {
          Arena one;
          const NullableDatum record[1] = {{make_row(*h, oid::kRecord, row, columns, one), false}};
          return emit(record);
        }
        std::string wrong;
        if (columns.size() < definition->size()) wrong = "Final statement returns too few columns.";
        else if (columns.size() > definition->size()) wrong = "Final statement returns too many columns.";
        for (size_t i = 0; i < columns.size() && wrong.empty(); ++i)
          if (h->view().base_type(columns[i].type) != h->view().base_type((*definition)[i].type))
            wrong = "Final statement returns " + h->view().format_type(columns[i].type) + " instead of " + h->view().format_type((*definition)[i].type) + " at column " + std::to_string(i + 1) + ".";
        if (!wrong.empty()) {
          Error e(ErrorCode::kInvalidFunctionDefinition, "return type mismatch in function declared to return record");
          e.set_detail(wrong);
          throw e;
        }
      }
      return emit(row);
    });
  };
  ctx.fire_trigger = [h](const TriggerEvent& event) { return plpgsql::fire_triggers(*h, event); };
}

std::string standard_body_text(UtilityHost& host, const catalog::Function& f) {
  CalleePtr c = make_callee(host, f.oid, f.args, 0);
  const bool is_return = f.sql_body.starts_with(kReturnBody);
  // Arguments go by their names where they have one.
  auto named = [&](const std::string& sql) {
    std::string out;
    bool quoted = false;
    for (size_t i = 0; i < sql.size(); ++i) {
      if (sql[i] == '\'' || sql[i] == '"') quoted = !quoted;
      if (quoted || sql[i] != '$' || i + 1 >= sql.size() || !std::isdigit(static_cast<unsigned char>(sql[i + 1]))) {
        out += sql[i];
        continue;
      }
      size_t n = 0, at = i + 1;
      while (at < sql.size() && std::isdigit(static_cast<unsigned char>(sql[at]))) n = n * 10 + static_cast<size_t>(sql[at++] - '0');
      if (n >= 1 && n <= c->arg_names.size() && !c->arg_names[n - 1].empty()) out += quote_identifier(c->arg_names[n - 1]);
      else out += sql.substr(i, at - i);
      i = at - 1;
    }
    return out;
  };
  std::string out;
  for (size_t i = 0; i < c->statements.size(); ++i) {
    bind_body_statement(host, *c, i);
    const Statement& st = c->statements[i];
    if (is_return) {
      const QueryPtr& q = st.query;
      return "RETURN " + named(deparse_expression(q->targets.at(0).expr, nullptr, host.view(), *host.exec().eval));
    }
    DeparseOptions options;
    options.start_indent = 1;
    out += " " + named(deparse_query(*st.query, host.view(), *host.exec().eval, options)) + ";\n";
  }
  return "BEGIN ATOMIC\n" + out + "END";
}

}  // namespace stele::sql
