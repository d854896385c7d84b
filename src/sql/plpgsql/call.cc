#include "sql/functions/text_search_functions.h"
#include "sql/plpgsql/call.h"

#include "sql/parser/pg.h"
#include "sql/plpgsql/exec.h"
#include "types/record.h"
#include "types/type_io.h"

namespace stele::sql {

CallScope::CallScope(UtilityHost& host, const catalog::Function& f) : host_(host) {
  if (f.security_definer) user_ = host.switch_user(f.owner);
  for (const auto& [name, value] : f.settings) {
    settings_.emplace_back(name, host.settings().raw(name).value_or(""));
    host.settings().set(name, value, true);
  }
}
CallScope::~CallScope() {
  for (auto it = settings_.rbegin(); it != settings_.rend(); ++it) {
    try {
      host_.settings().set(it->first, it->second, true);
    } catch (const std::exception&) {
      // The value was valid before.
    }
  }
  if (user_) host_.switch_user(*user_);
}

namespace plpgsql {

namespace {

// Functions and triggers may not end the transaction.
class AtomicScope {
 public:
  explicit AtomicScope(UtilityHost& host) : host_(host), before_(host.atomic()) { host.set_atomic(true); }
  ~AtomicScope() { host_.set_atomic(before_); }

 private:
  UtilityHost& host_;
  bool before_;
};

bool polymorphic(Oid t) {
  switch (t) {
    case oid::kAnyElement: case oid::kAnyArray: case oid::kAnyNonArray: case oid::kAnyEnum: case oid::kAnyRange: case oid::kAnyMultirange:
    case oid::kAnyCompatible: case oid::kAnyCompatibleArray: case oid::kAnyCompatibleNonArray: case oid::kAnyCompatibleRange: case oid::kAnyCompatibleMultirange:
      return true;
    default: return false;
  }
}

}  // namespace

void resolve_polymorphic(CatalogView& view, const std::vector<Oid>& declared, std::span<const Oid> actual, std::vector<Oid>* types) {
  Oid element = 0, compatible = 0, range = 0;
  for (size_t i = 0; i < declared.size() && i < actual.size(); ++i) {
    if (actual[i] == 0 || actual[i] == oid::kUnknown) continue;
    const Oid base = view.base_type(actual[i]);
    const TypeRow& t = view.type(base);
    switch (declared[i]) {
      case oid::kAnyElement: case oid::kAnyNonArray: case oid::kAnyEnum: element = actual[i]; break;
      case oid::kAnyArray: if (element == 0) element = t.element; break;
      case oid::kAnyRange: range = base; if (element == 0) element = t.subtype; break;
      case oid::kAnyCompatible: case oid::kAnyCompatibleNonArray: compatible = actual[i]; break;
      case oid::kAnyCompatibleArray: if (compatible == 0) compatible = t.element; break;
      case oid::kAnyCompatibleRange: if (compatible == 0) compatible = t.subtype; break;
      default: break;
    }
  }
  if (element == 0) element = oid::kText;
  if (compatible == 0) compatible = oid::kText;
  for (Oid& t : *types) {
    switch (t) {
      case oid::kAnyElement: case oid::kAnyNonArray: case oid::kAnyEnum: t = element; break;
      case oid::kAnyArray: t = view.type(element).array; break;
      case oid::kAnyRange: if (range != 0) t = range; break;
      case oid::kAnyCompatible: case oid::kAnyCompatibleNonArray: t = compatible; break;
      case oid::kAnyCompatibleArray: t = view.type(compatible).array; break;
      default: break;
    }
  }
}

namespace {

Signature signature_of(UtilityHost& host, const catalog::Function& f, std::span<const Oid> arg_types) {
  Signature s;
  s.oid = f.oid;
  s.name = f.name;
  s.source = f.source;
  s.args = f.args;
  s.all_args = f.all_args;
  s.modes = f.arg_modes;
  s.names = f.arg_names;
  s.result = f.result;
  s.returns_set = f.returns_set;
  s.is_procedure = f.prokind == 'p';
  s.is_trigger = f.result == oid::kTrigger;
  s.is_event_trigger = f.result == 3838;
  bool any = polymorphic(f.result);
  for (Oid t : f.args) any |= polymorphic(t);
  for (Oid t : f.all_args) any |= polymorphic(t);
  if (any) {
    CatalogView& view = host.view();
    resolve_polymorphic(view, f.args, arg_types, &s.all_args);
    std::vector<Oid> result{s.result};
    resolve_polymorphic(view, f.args, arg_types, &result);
    s.result = result[0];
    resolve_polymorphic(view, f.args, arg_types, &s.args);
  }
  return s;
}

FunctionPtr compiled(UtilityHost& host, const catalog::Function& f, std::span<const Oid> arg_types, const catalog::Relation* table) {
  SessionState& state = session_state(host);
  std::string key = std::to_string(f.oid);
  for (size_t i = 0; i < f.args.size() && i < arg_types.size(); ++i)
    if (polymorphic(f.args[i])) key += "," + std::to_string(arg_types[i]);
  if (table != nullptr) key += "/" + std::to_string(table->oid);
  const uint64_t version = host.view().state()->version();
  auto& slot = state.functions[key];
  if (slot.second != nullptr && slot.first == version) return slot.second;
  Signature s = signature_of(host, f, arg_types);
  if (table != nullptr) s.trigger_table = host.view().state()->relation(table->oid);
  FunctionPtr made = compile(s, host);
  made->read_only = f.volatility != 'v';
  slot = {version, made};
  return made;
}

}  // namespace

NullableDatum call_function(UtilityHost& host, const catalog::Ptr<catalog::Function>& f, std::span<const NullableDatum> args, std::span<const Oid> arg_types, Oid result, Arena& arena) {
  (void)result;
  if (f->result == oid::kTrigger || f->result == 3838) {
    Error e(ErrorCode::kFeatureNotSupported, "trigger functions can only be called as triggers");
    e.add_context("compilation of PL/pgSQL function \"" + f->name + "\" near line 1");
    throw e;
  }
  CallScope scope(host, *f);
  AtomicScope atomic(host);
  Frame frame(host, compiled(host, *f, arg_types, nullptr));
  return frame.call(args, arg_types, arena);
}

void call_set_function(UtilityHost& host, const catalog::Ptr<catalog::Function>& f, std::span<const NullableDatum> args, std::span<const Oid> arg_types,
                       const std::function<bool(std::span<const NullableDatum>)>& emit) {
  CallScope scope(host, *f);
  AtomicScope atomic(host);
  Frame frame(host, compiled(host, *f, arg_types, nullptr));
  frame.call_set(args, arg_types, emit);
}

std::vector<Error> validate(UtilityHost& host, const catalog::Function& f) {
  Signature s = signature_of(host, f, {});
  s.validate = true;
  return compile(s, host)->warnings;
}

// ---- triggers

namespace {

constexpr int kRow = 1, kBefore = 2, kUpdate = 16, kInstead = 64, kTime = kBefore | kInstead, kEvents = 4 | 8 | 16 | 32;

// WHEN over parameters: OLD's columns, then NEW's, then both as whole rows.
query::ExprPtr bind_when(UtilityHost& host, const catalog::Relation& table, const std::string& sql) {
  const ParsedExpression parsed = parse_expression(sql);
  query::ExprPtr e = bind_expression(parsed.node, &table, ExprContext::kTriggerWhen, host.bind_context(sql));
  const int n = static_cast<int>(table.columns.size());
  std::function<query::ExprPtr(const query::ExprPtr&)> replace = [&](const query::ExprPtr& x) -> query::ExprPtr {
    if (x->kind != query::ExprKind::kVar) return query::map_children(x, replace);
    const auto& v = static_cast<const query::VarExpr&>(*x);
    auto p = std::make_shared<query::ParamExpr>();
    p->type = v.type;
    p->typmod = v.typmod;
    p->collation = v.collation;
    p->id = v.column > 0 ? (v.relation - 1) * n + v.column : v.column == 0 ? 2 * n + v.relation : 2 * n + 3;
    return p;
  };
  return replace(e);
}

bool when_holds(UtilityHost& host, const catalog::Relation& table, const catalog::Trigger& t, const query::TriggerEvent& event) {
  if (t.when_sql.empty()) return true;
  SessionState& state = session_state(host);
  const uint64_t version = host.view().state()->version();
  auto& slot = state.casts[{t.oid, 0xffffffffu, -1}];
  if (slot.expr == nullptr || slot.version != version) slot = {bind_when(host, table, t.when_sql), version};
  const query::ExprPtr when = slot.expr;
  const size_t n = table.columns.size();
  std::vector<NullableDatum> values(2 * n + 3);
  std::vector<Oid> types(2 * n + 3, oid::kInt4);
  Arena arena;
  std::vector<ElementInfo> infos;
  for (const auto& c : table.columns) infos.push_back(element_info(c.dropped ? Oid{oid::kInt4} : c.type, host.exec().eval));
  for (int which = 0; which < 2; ++which) {
    const std::vector<NullableDatum>* row = which == 0 ? event.old_row : event.new_row;
    for (size_t i = 0; i < n; ++i) {
      types[static_cast<size_t>(which) * n + i] = table.columns[i].dropped ? Oid{oid::kInt4} : table.columns[i].type;
      if (row != nullptr) values[static_cast<size_t>(which) * n + i] = (*row)[i];
    }
    types[2 * n + static_cast<size_t>(which)] = table.row_type;
    if (row != nullptr && table.row_type != 0) values[2 * n + static_cast<size_t>(which)] = {make_record(table.row_type, -1, infos, *row, arena), false};
  }
  values[2 * n + 2] = {Datum::from_oid(table.oid), false};
  types[2 * n + 2] = oid::kOid;
  query::ExecContext& exec = host.exec();
  const auto params = exec.params;
  const auto param_types = exec.param_types;
  exec.params = values;
  exec.param_types = types;
  struct Restore {
    query::ExecContext& exec;
    std::span<const NullableDatum> params;
    std::span<const Oid> types;
    ~Restore() { exec.params = params; exec.param_types = types; }
  } restore{exec, params, param_types};
  const NullableDatum v = query::evaluate(when, exec, arena);
  return !v.is_null && v.value.as_bool();
}

bool run_trigger(UtilityHost& host, const catalog::Ptr<catalog::Relation>& table, const catalog::Ptr<catalog::Trigger>& trigger, int bits, const query::TriggerEvent& event) {
  const auto f = host.view().state()->function(trigger->function);
  SessionState& state = session_state(host);
  if (f == nullptr) {
    const BuiltinProc* p = builtin::proc(trigger->function);
    if (p != nullptr && p->name == "suppress_redundant_updates_trigger" && event.old_row != nullptr && event.new_row != nullptr) {
      for (size_t i = 0; i < event.old_row->size(); ++i) {
        const NullableDatum a = (*event.old_row)[i], b = (*event.new_row)[i];
        if (a.is_null != b.is_null) return true;
        if (a.is_null || a.value.bits == b.value.bits) continue;
        const Oid type = table->columns[i].type;
        if (host.exec().eval->catalog->type_facts(type).by_value || a.value.as_view() != b.value.as_view()) return true;
      }
      return false;
    }
    if (p != nullptr && is_text_search_trigger(p->name)) {
      run_text_search_trigger(host, p->name, *table, trigger->args, event);
      return true;
    }
    throw Error(ErrorCode::kFeatureNotSupported, "this trigger function is not supported");
  }
  if (f->language_name != "plpgsql") throw Error(ErrorCode::kFeatureNotSupported, "trigger functions in language \"" + f->language_name + "\" are not supported");
  CallScope scope(host, *f);
  AtomicScope atomic(host);
  TriggerCall call;
  call.table = table.get();
  call.trigger = trigger.get();
  call.bits = bits;
  call.old_row = event.old_row;
  call.new_row = event.new_row;
  Arena arena;
  call.arena = event.arena != nullptr ? event.arena : &arena;
  const size_t before = state.held.size();
  auto hold = [&](const std::string& name, const std::vector<query::TriggerRow>* rows) {
    if (name.empty() || rows == nullptr) return;
    HeldTable h;
    h.name = name;
    h.values = rows;
    h.rows.shape = table.get();
    h.rows.number = static_cast<int>(before + call.held.size());
    call.held.push_back(h);
  };
  hold(trigger->old_table, event.old_table);
  hold(trigger->new_table, event.new_table);
  for (HeldTable& h : call.held) state.held.push_back(&h);
  ++state.trigger_depth;
  struct Leave {
    SessionState& state;
    size_t held;
    ~Leave() {
      state.held.resize(held);
      --state.trigger_depth;
    }
  } leave{state, before};
  Frame frame(host, compiled(host, *f, {}, table.get()));
  return frame.call_trigger(call);
}

}  // namespace

void fire_event_trigger(UtilityHost& host, const catalog::Ptr<catalog::Function>& f, const std::string& event, const std::string& tag) {
  if (f->language_name != "plpgsql") throw Error(ErrorCode::kFeatureNotSupported, "event trigger functions in language \"" + f->language_name + "\" are not supported");
  CallScope scope(host, *f);
  AtomicScope atomic(host);
  Frame frame(host, compiled(host, *f, {}, nullptr));
  frame.call_event_trigger(event, tag);
}

int trigger_depth(UtilityHost& host) { return session_state(host).trigger_depth; }

bool fire_triggers(UtilityHost& host, const query::TriggerEvent& event) {
  const catalog::StatePtr state = host.exec().catalog->state();
  std::vector<catalog::Ptr<catalog::Trigger>> triggers;
  auto table = state->relation(event.table->oid);
  if (table == nullptr) return true;
  for (Oid t : table->triggers) {
    auto trigger = state->get_as<catalog::Trigger>(catalog::ObjectKind::kTrigger, t);
    if (trigger == nullptr || trigger->enabled == 'D' || trigger->enabled == 'R') continue;
    if ((trigger->type & kRow) != (event.bits & kRow) || (trigger->type & kTime) != (event.bits & kTime) || (trigger->type & event.bits & kEvents) == 0) continue;
    if ((event.bits & kUpdate) != 0 && !trigger->columns.empty() && event.updated_columns != nullptr) {
      bool touched = false;
      for (int16_t c : trigger->columns) touched |= std::find(event.updated_columns->begin(), event.updated_columns->end(), c) != event.updated_columns->end();
      if (!touched) continue;
    }
    triggers.push_back(std::move(trigger));
  }
  std::sort(triggers.begin(), triggers.end(), [](const auto& a, const auto& b) { return a->name < b->name; });
  for (const auto& trigger : triggers) {
    if (!when_holds(host, *table, *trigger, event)) continue;
    if (trigger->deferrable && query::constraint_deferred(trigger->constraint, trigger->initially_deferred, host.exec())) {
      // The rows live on in the check.
      struct Kept { Arena arena; std::vector<NullableDatum> old_row, new_row; bool has_old = false, has_new = false; };
      auto kept = std::make_shared<Kept>();
      auto keep = [&](const std::vector<NullableDatum>* from, std::vector<NullableDatum>& to) {
        if (from == nullptr) return false;
        for (size_t i = 0; i < from->size(); ++i) {
          const NullableDatum d = (*from)[i];
          const bool by_value = table->columns[i].dropped || host.exec().eval->catalog->type_facts(table->columns[i].type).by_value;
          to.push_back(d.is_null ? NullableDatum{} : NullableDatum{copy_datum(by_value, d.value, kept->arena), false});
        }
        return true;
      };
      kept->has_old = keep(event.old_row, kept->old_row);
      kept->has_new = keep(event.new_row, kept->new_row);
      const int bits = event.bits;
      UtilityHost* h = &host;
      query::defer_check(trigger->constraint, [h, kept, trigger, table, bits] {
        query::TriggerEvent e;
        e.table = table.get();
        e.bits = bits;
        e.old_row = kept->has_old ? &kept->old_row : nullptr;
        e.new_row = kept->has_new ? &kept->new_row : nullptr;
        e.arena = &kept->arena;
        h->next_command();
        run_trigger(*h, table, trigger, bits, e);
      }, host.exec());
      continue;
    }
    if (!run_trigger(host, table, trigger, event.bits, event)) return false;
  }
  return true;
}

void emit_held_rows(UtilityHost& host, int number, const std::function<bool(std::span<const NullableDatum>)>& emit) {
  SessionState& state = session_state(host);
  if (number < 0 || static_cast<size_t>(number) >= state.held.size()) throw Error(ErrorCode::kInternalError, "transition table is gone");
  const HeldTable& h = *state.held[static_cast<size_t>(number)];
  std::vector<NullableDatum> row;
  for (const query::TriggerRow& r : *h.values) {
    row.clear();
    for (size_t i = 0; i < h.rows.shape->columns.size(); ++i)
      if (!h.rows.shape->columns[i].dropped) row.push_back((*r)[i]);
    if (!emit(row)) return;
  }
}

// ---- CALL and DO

void call_procedure_values(Oid procedure, std::span<const NullableDatum> args, std::span<const Oid> types, UtilityHost& host, const RowSink& emit) {
  const auto f = host.view().state()->function(procedure);
  if (f == nullptr) throw Error(ErrorCode::kUndefinedFunction, "cache lookup failed for function " + std::to_string(procedure));
  // Input arguments of all of them.
  std::vector<NullableDatum> in;
  std::vector<Oid> in_types;
  std::vector<OutputColumn> columns;
  std::vector<Oid> declared_out;
  for (size_t i = 0; i < args.size(); ++i) {
    const char mode = f->arg_modes.empty() ? 'i' : f->arg_modes[i];
    if (mode != 'o') {
      in.push_back(args[i]);
      in_types.push_back(types[i]);
    }
    if (mode == 'o' || mode == 'b') {
      const std::string name = i < f->arg_names.size() ? f->arg_names[i] : "";
      columns.push_back({name.empty() ? "column" + std::to_string(columns.size() + 1) : name, f->all_args[i], -1});
      declared_out.push_back(f->all_args[i]);
    }
  }
  resolve_polymorphic(host.view(), f->args, in_types, &declared_out);
  for (size_t i = 0; i < columns.size(); ++i) columns[i].type = declared_out[i];
  CallScope scope(host, *f);
  Arena arena;
  if (f->language_name == "plpgsql") {
    // A security definer or one with settings of its own may not end the transaction.
    const bool outer_atomic = host.atomic();
    if (f->security_definer || !f->settings.empty()) host.set_atomic(true);
    struct Back { UtilityHost& host; bool atomic; ~Back() { host.set_atomic(atomic); } } back{host, outer_atomic};
    Frame frame(host, compiled(host, *f, in_types, nullptr));
    const auto out = frame.call_procedure(in, in_types, arena);
    if (!columns.empty() && emit) emit(out, columns);
    return;
  }
  const NullableDatum r = host.exec().call_function(procedure, in, in_types, f->result, arena);
  if (columns.empty() || !emit) return;
  std::vector<NullableDatum> out(columns.size());
  if (!r.is_null) {
    RecordView view(r.value);
    for (int i = 0; i < view.count() && static_cast<size_t>(i) < out.size(); ++i) out[static_cast<size_t>(i)] = view.at(i);
  }
  emit(out, columns);
}

}  // namespace plpgsql

namespace {

query::ExprPtr bound_call(const PgQuery__Node* statement, std::string_view text, UtilityHost& host) {
  PgQuery__Node call;
  std::memset(&call, 0, sizeof(call));
  call.node_case = pg::kFuncCall;
  call.func_call = statement->call_stmt->funccall;
  return bind_call(&call, host.bind_context(text));
}

}  // namespace

std::vector<OutputColumn> call_columns(const PgQuery__Node* statement, std::string_view text, UtilityHost& host) {
  const auto e = bound_call(statement, text, host);
  const auto f = host.view().state()->function(static_cast<const query::FuncExpr&>(*e).func);
  std::vector<OutputColumn> columns;
  for (size_t i = 0; f != nullptr && i < f->arg_modes.size(); ++i)
    if (f->arg_modes[i] == 'o' || f->arg_modes[i] == 'b')
      columns.push_back({f->arg_names[i].empty() ? "column" + std::to_string(columns.size() + 1) : f->arg_names[i], f->all_args[i], -1});
  return columns;
}

void run_call(const PgQuery__Node* statement, std::string_view text, UtilityHost& host, const RowSink& emit) {
  const query::ExprPtr e = bound_call(statement, text, host);
  const auto& f = static_cast<const query::FuncExpr&>(*e);
  std::vector<NullableDatum> args;
  std::vector<Oid> types;
  Arena arena;
  for (const auto& a : f.args) {
    args.push_back(query::evaluate(a, host.exec(), arena));
    types.push_back(a->type);
  }
  plpgsql::call_procedure_values(f.func, args, types, host, emit);
}

void run_do(const PgQuery__Node* statement, std::string_view text, UtilityHost& host) {
  std::string source, language = "plpgsql";
  for (size_t i = 0; i < statement->do_stmt->n_args; ++i) {
    const auto* d = statement->do_stmt->args[i]->def_elem;
    (std::string_view(d->defname) == "language" ? language : source) = d->arg->string->sval;
  }
  if (language != "plpgsql") {
    if (language == "sql" || language == "c" || language == "internal")
      throw Error(ErrorCode::kFeatureNotSupported, "language \"" + language + "\" does not support inline code execution");
    throw Error(ErrorCode::kUndefinedObject, "language \"" + language + "\" does not exist");
  }
  plpgsql::Signature s;
  s.name = "inline_code_block";
  s.source = source;
  s.result = oid::kVoid;
  s.validate = true;
  plpgsql::FunctionPtr made;
  try {
    made = plpgsql::compile(s, host);
  } catch (const Error& e) {
    Error copy = e;
    const size_t at = source.empty() ? std::string_view::npos : text.find(source);
    if (e.position() > 0 && at != std::string_view::npos) copy.set_position(character_position(text, static_cast<int>(at)) + e.position() - 1);
    else if (e.position() > 0) copy.set_internal(source, e.position());
    throw copy;
  }
  plpgsql::Frame frame(host, made);
  Arena arena;
  frame.call({}, {}, arena);
}

}  // namespace stele::sql
