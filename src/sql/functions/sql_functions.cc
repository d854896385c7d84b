// Functions written in SQL: the body is bound with the arguments as parameters and run statement by
// statement; the last one gives the result.
#include "query/rewrite.h"
#include "sql/parser/parser.h"
#include "sql/parser/pg.h"
#include "sql/session/utility.h"
#include "types/record.h"
#include "types/type_io.h"

namespace stele::sql {
namespace {

using namespace query;  // NOLINT

struct Callee {
  std::string name, source;
  std::vector<std::string> arg_names;
  std::vector<Oid> args;
  Oid result = 0;
  bool returns_set = false, strict = false;
};

Callee find_callee(UtilityHost& host, Oid func, std::span<const Oid> arg_types, Oid result_type) {
  Callee c;
  if (auto f = host.exec().catalog->state()->function(func)) {
    if (f->language_name != "sql") throw Error(ErrorCode::kFeatureNotSupported, "functions in language \"" + f->language_name + "\" are not supported");
    c.name = f->name;
    c.source = f->source;
    c.result = f->result;
    c.returns_set = f->returns_set;
    c.strict = f->strict;
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
  } else {
    throw Error(ErrorCode::kUndefinedFunction, "function with OID " + std::to_string(func) + " does not exist");
  }
  c.args.assign(arg_types.begin(), arg_types.end());
  if (result_type != 0) c.result = result_type;
  return c;
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

// Rows of the last statement go to emit; others run for their effects.
void run_body(UtilityHost& host, const Callee& c, std::span<const NullableDatum> args,
              const std::function<bool(std::span<const NullableDatum>, std::span<const OutputColumn>)>& emit) {
  Depth guard;
  ParseTreePtr tree = parse_sql(c.source);
  for (size_t i = 0; i < tree->statements.size(); ++i) {
    bool last = i + 1 == tree->statements.size();
    const pg::Node* n = tree->statements[i].node;
    bool query = n->node_case == pg::kSelectStmt || n->node_case == pg::kInsertStmt || n->node_case == pg::kUpdateStmt || n->node_case == pg::kDeleteStmt ||
                 n->node_case == pg::kMergeStmt;
    if (!query) {
      host.run_sql(tree->statement_text(tree->statements[i]));
      host.next_command();
      continue;
    }
    ParamTypes params;
    params.types = c.args;
    BindContext b = host.bind_context(tree->text);
    b.params = &params;
    b.variables = [&](const std::vector<std::string>& names, int location) -> ExprPtr {
      std::string name = names.size() == 1 ? names[0] : names.size() == 2 && names[0] == c.name ? names[1] : "";
      if (name.empty()) return nullptr;
      for (size_t k = 0; k < c.arg_names.size() && k < c.args.size(); ++k)
        if (c.arg_names[k] == name) {
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
    auto q = bind_statement(n, b);
    auto& targets = q->command == CommandKind::kSelect ? q->targets : q->returning;
    if (last && c.result != oid::kVoid && c.result != oid::kRecord) {
      // A single column converts to the declared result.
      size_t visible = 0;
      TargetEntry* only = nullptr;
      for (TargetEntry& t : targets)
        if (!t.junk) {
          ++visible;
          only = &t;
        }
      if (visible == 0) throw Error(ErrorCode::kInvalidFunctionDefinition, "return type mismatch in function declared to return " + host.view().format_type(c.result))
                            .detail("Function's final statement must be SELECT or INSERT/UPDATE/DELETE RETURNING.");
      if (visible == 1 && only->expr->type != c.result && !host.view().is_composite(c.result) && q->set_operation == nullptr) {
        try {
          only->expr = coerce_for_assignment(only->expr, c.result, -1, "result", b);
        } catch (const Error&) {
          throw Error(ErrorCode::kInvalidFunctionDefinition, "return type mismatch in function declared to return " + host.view().format_type(c.result))
              .detail("Actual return type is " + host.view().format_type(only->expr->type) + ".");
        }
      }
    }
    if (last && emit) host.run(q, args, c.args, emit);
    else host.run(q, args, c.args, {});
    host.next_command();
  }
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

void install_function_calls(UtilityHost& host) {
  ExecContext& ctx = host.exec();
  UtilityHost* h = &host;
  ctx.call_function = [h](Oid func, std::span<const NullableDatum> args, std::span<const Oid> arg_types, Oid result_type, Arena& arena) -> NullableDatum {
    Callee c = find_callee(*h, func, arg_types, result_type);
    if (c.strict)
      for (const NullableDatum& a : args)
        if (a.is_null) return {};
    NullableDatum result;
    bool done = false;
    run_body(*h, c, args, [&](std::span<const NullableDatum> row, std::span<const OutputColumn> columns) {
      if (done) return false;
      done = true;
      if (c.result == oid::kVoid) return false;
      bool composite = c.result == oid::kRecord || h->view().is_composite(h->view().base_type(c.result));
      if (composite && !(columns.size() == 1 && columns[0].type == c.result)) {
        result = {make_row(*h, c.result, row, columns, arena), false};
        return false;
      }
      result.is_null = row[0].is_null;
      if (!row[0].is_null) result.value = copy_datum(element_info(columns[0].type, h->exec().eval).width != 0, row[0].value, arena);
      return false;
    });
    return result;
  };
  ctx.call_set_function = [h](Oid func, std::span<const NullableDatum> args, std::span<const Oid> arg_types,
                              const std::function<bool(std::span<const NullableDatum>)>& emit) {
    Callee c = find_callee(*h, func, arg_types, 0);
    if (c.strict)
      for (const NullableDatum& a : args)
        if (a.is_null) return;
    run_body(*h, c, args, [&](std::span<const NullableDatum> row, std::span<const OutputColumn>) { return emit(row); });
  };
}

}  // namespace stele::sql
