// Statements that are PL/pgSQL's own.
#include <set>

#include "sql/plpgsql/exec.h"

#include "query/exec/set_function.h"
#include "types/array.h"
#include "types/record.h"
#include "types/type_io.h"

namespace stele::sql::plpgsql {

namespace {

const char* statement_name(const Statement& s) {
  switch (s.kind) {
    case StatementKind::kBlock: return "statement block";
    case StatementKind::kAssign: return "assignment";
    case StatementKind::kIf: return "IF";
    case StatementKind::kCase: return "CASE";
    case StatementKind::kLoop: return "LOOP";
    case StatementKind::kWhile: return "WHILE";
    case StatementKind::kForInt: return "FOR with integer loop variable";
    case StatementKind::kForQuery: return "FOR over SELECT rows";
    case StatementKind::kForCursor: return "FOR over cursor";
    case StatementKind::kForExecute: return "FOR over EXECUTE statement";
    case StatementKind::kForeach: return "FOREACH over array";
    case StatementKind::kExit: return "EXIT";
    case StatementKind::kContinue: return "CONTINUE";
    case StatementKind::kReturn: return "RETURN";
    case StatementKind::kReturnNext: return "RETURN NEXT";
    case StatementKind::kReturnQuery: return "RETURN QUERY";
    case StatementKind::kRaise: return "RAISE";
    case StatementKind::kAssert: return "ASSERT";
    case StatementKind::kSql: return "SQL statement";
    case StatementKind::kPerform: return "PERFORM";
    case StatementKind::kExecute: return "EXECUTE";
    case StatementKind::kGetDiagnostics: return s.stacked ? "GET STACKED DIAGNOSTICS" : "GET DIAGNOSTICS";
    case StatementKind::kOpen: return "OPEN";
    case StatementKind::kFetch: return "FETCH";
    case StatementKind::kMove: return "MOVE";
    case StatementKind::kClose: return "CLOSE";
    case StatementKind::kCall: return "CALL";
    case StatementKind::kDo: return "DO";
    case StatementKind::kCommit: return "COMMIT";
    case StatementKind::kRollback: return "ROLLBACK";
  }
  return "";
}

constexpr int kMaxDepth = 200;

std::string upper_text(std::string s) {
  for (char& c : s) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return s;
}
bool upper_is_null(const std::string& s) { return s.size() == 4 && upper_text(s) == "NULL"; }

}  // namespace

SessionState& session_state(UtilityHost& host) {
  if (host.plpgsql_state == nullptr) host.plpgsql_state = std::make_shared<SessionState>();
  return *static_cast<SessionState*>(host.plpgsql_state.get());
}

Frame::Frame(UtilityHost& host, FunctionPtr f) : host_(host), f_(std::move(f)), state_(session_state(host)), outer_(state_.top) {
  check_stack_depth();
  if (state_.depth >= kMaxDepth) throw_too_complex();
  ++state_.depth;
  state_.top = this;
}
Frame::~Frame() {
  --state_.depth;
  state_.top = outer_;
}

std::string Frame::context() const {
  std::string out = "PL/pgSQL function " + f_->signature;
  const int line = initialising_ != nullptr ? initialising_->line : statement_ != nullptr ? statement_->line : 0;
  if (phase_ != nullptr) {
    if (line > 0) out += " line " + std::to_string(line);
    return out + " " + phase_;
  }
  if (statement_ != nullptr) out += " line " + std::to_string(statement_->line) + " at " + statement_name(*statement_);
  return out;
}

std::string Frame::whole_context() const {
  std::string out;
  for (const Frame* f = this; f != nullptr; f = f->outer_) {
    if (f != this && f->running_sql_ != nullptr) out += "\nSQL statement \"" + *f->running_sql_ + "\"";
    out += (out.empty() ? "" : "\n") + f->context();
  }
  return out;
}

void Frame::initialise(std::span<const NullableDatum> args, std::span<const Oid> arg_types) {
  const size_t n = f_->variables.size();
  scalars_.resize(n);
  records_.resize(n);
  for (const Variable& v : f_->variables) scalar_types_.push_back(v.type);
  phase_ = "while storing call arguments into local variables";
  for (size_t i = 0; i < args.size() && i < f_->arguments.size(); ++i) {
    const int v = f_->arguments[i];
    const Variable& x = f_->variables[static_cast<size_t>(v)];
    if (x.kind == Variable::Kind::kRecord) assign_record_datum(v, args[i], i < arg_types.size() ? arg_types[i] : x.type);
    else scalars_[static_cast<size_t>(v)].set(args[i], x.by_value);
  }
  for (int v : f_->out_variables) {
    const Variable& x = f_->variables[static_cast<size_t>(v)];
    if (x.kind == Variable::Kind::kRecord && x.type != oid::kRecord && !records_[static_cast<size_t>(v)].shaped) shape_record(records_[static_cast<size_t>(v)], x.type);
  }
  set_bool(f_->found, false);
  phase_ = "during function entry";
}

void Frame::run_block() {
  phase_ = nullptr;
  const Flow flow = execute(*f_->block);
  statement_ = nullptr;
  phase_ = nullptr;
  if (flow == Flow::kReturn) returned_ = true;
  else if (flow == Flow::kContinue) throw Error(ErrorCode::kSyntaxError, "CONTINUE cannot be used outside a loop");
}

Frame::Flow Frame::execute(const Body& body) {
  for (const StatementPtr& s : body) {
    const Flow flow = execute(*s);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Frame::Flow Frame::execute(const Statement& s) {
  const Statement* before = statement_;
  statement_ = &s;
  if (host_.exec().eval->check_interrupts) host_.exec().eval->check_interrupts();
  Flow flow = Flow::kNormal;
  switch (s.kind) {
    case StatementKind::kBlock: flow = block(s); break;
    case StatementKind::kAssign: {
      arena_.reset();
      const Result r = evaluate(*s.expr);
      if (s.expr->text.starts_with('\'') && !r.v.is_null) {
        // A literal is converted when the assignment is planned: its errors show the statement.
        try {
          assign_target(s, s.target, 0, r.v, r.type, r.typmod);
        } catch (const Error& error) {
          Error copy = error;
          const std::string_view state = error.sqlstate();
          if (state == "22P02" || state == "22007" || state == "22008" || state == "22003") copy.set_position(1);
          if (state == "23514" || state == "23502") throw;
          rethrow(copy, *s.expr, 0, true);
        }
      } else {
        assign_target(s, s.target, 0, r.v, r.type, r.typmod);
      }
      break;
    }
    case StatementKind::kIf: case StatementKind::kCase: flow = if_or_case(s); break;
    case StatementKind::kLoop:
      for (bool leave = false; !leave;) {
        flow = loop_flow(execute(s.body), s, &leave);
        if (host_.exec().eval->check_interrupts) host_.exec().eval->check_interrupts();
      }
      break;
    case StatementKind::kWhile:
      for (bool leave = false; !leave;) {
        arena_.reset();
        statement_ = &s;
        if (!evaluate_bool(*s.expr)) break;
        flow = loop_flow(execute(s.body), s, &leave);
      }
      break;
    case StatementKind::kForInt: flow = for_int(s); break;
    case StatementKind::kForQuery: case StatementKind::kForExecute: {
      Rows rows;
      bool returns_rows = false;
      query::CommandKind command = query::CommandKind::kSelect;
      arena_.reset();
      if (s.kind == StatementKind::kForQuery) {
        run_query(*s.expr, &rows, UINT64_MAX, &returns_rows, &command);
        if (!returns_rows) throw Error(ErrorCode::kInvalidCursorDefinition, "cannot open non-SELECT query as cursor");
      } else {
        run_dynamic(s, *s.expr, s.params, &rows, UINT64_MAX, &returns_rows, &command);
        if (!returns_rows) throw Error(ErrorCode::kInvalidCursorDefinition, "cannot open EXECUTE query as cursor");
      }
      flow = for_rows(s, rows);
      break;
    }
    case StatementKind::kForCursor: flow = for_cursor(s); break;
    case StatementKind::kForeach: flow = foreach(s); break;
    case StatementKind::kExit: case StatementKind::kContinue:
      arena_.reset();
      if (s.expr == nullptr || evaluate_bool(*s.expr)) {
        exit_label_ = s.label;
        flow = s.kind == StatementKind::kExit ? Flow::kExit : Flow::kContinue;
      }
      break;
    case StatementKind::kReturn:
      return_value(s);
      flow = Flow::kReturn;
      break;
    case StatementKind::kReturnNext: return_next(s); break;
    case StatementKind::kReturnQuery: return_query(s); break;
    case StatementKind::kRaise: raise(s); break;
    case StatementKind::kAssert: assert_true(s); break;
    case StatementKind::kSql: case StatementKind::kPerform:
      arena_.reset();
      sql_statement(s);
      break;
    case StatementKind::kExecute:
      arena_.reset();
      execute_dynamic(s);
      break;
    case StatementKind::kGetDiagnostics: diagnostics(s); break;
    case StatementKind::kOpen: open_cursor(s); break;
    case StatementKind::kFetch: case StatementKind::kMove: fetch(s); break;
    case StatementKind::kClose: host_.close_cursor(cursor_name(s.variable)); break;
    case StatementKind::kCall: case StatementKind::kDo: call_statement(s); break;
    case StatementKind::kCommit: case StatementKind::kRollback:
      host_.end_transaction_inside(s.kind == StatementKind::kCommit, s.chain);
      break;
  }
  statement_ = before;
  if (stop_ && flow == Flow::kNormal) flow = Flow::kReturn;
  return flow;
}

Frame::Flow Frame::block(const Statement& s) {
  for (int i : s.locals) {
    const Variable& v = f_->variables[static_cast<size_t>(i)];
    phase_ = "during statement block local variable initialization";
    initialising_ = &v;
    if (v.kind == Variable::Kind::kRecord) {
      records_[static_cast<size_t>(i)] = RecordValue();
      if (v.type != oid::kRecord) shape_record(records_[static_cast<size_t>(i)], v.type);
    } else if (!v.not_null) {
      scalars_[static_cast<size_t>(i)].set({}, true);
    }
    if (v.initial != nullptr) {
      arena_.reset();
      const Result r = evaluate(*v.initial);
      assign(i, r.v, r.type, r.typmod);
    } else if (v.kind == Variable::Kind::kScalar && v.type >= oid::kFirstUserOid && host_.view().type(v.type).typtype == 'd') {
      assign(i, {}, oid::kUnknown, -1);   // a domain may not take NULL
    }
  }
  initialising_ = nullptr;
  phase_ = nullptr;
  Flow flow;
  if (!s.has_handlers) {
    flow = execute(s.body);
  } else {
    phase_ = "during statement block entry";
    host_.begin_subtransaction();
    phase_ = nullptr;
    std::optional<Error> caught;
    Frame* const top = state_.top;
    const int depth = state_.depth;
    flow = Flow::kNormal;
    try {
      flow = execute(s.body);
      phase_ = "during statement block exit";
      host_.end_subtransaction(false);
      phase_ = nullptr;
    } catch (const Error& e) {
      caught = e;
    } catch (...) {
      host_.end_subtransaction(true);
      throw;
    }
    if (caught) {
      if (!rethrown_) caught->add_context(context());
      rethrown_ = false;
      phase_ = "during exception cleanup";
      running_sql_ = nullptr;
      state_.top = top;
      state_.depth = depth;
      host_.end_subtransaction(true);
      phase_ = nullptr;
      const std::string state(caught->sqlstate());
      const Handler* handler = nullptr;
      for (const Handler& h : s.handlers) {
        for (const std::string& c : h.conditions) {
          const bool match = c == "others" ? state != "57014" && state != "P0004" && state != "57P01"
                             : c == state || (c.ends_with("000") && state.compare(0, 2, c, 0, 2) == 0);
          if (match) handler = &h;
          if (match) break;
        }
        if (handler != nullptr) break;
      }
      if (handler == nullptr || state == "57P01") {
        rethrown_ = true;   // its context is complete up to here
        throw *caught;
      }
      statement_ = &s;
      set_text(s.sqlstate_variable, state);
      set_text(s.sqlerrm_variable, caught->message());
      handling_.push_back(&*caught);
      struct Pop { std::vector<const Error*>& v; ~Pop() { v.pop_back(); } } pop{handling_};
      flow = execute(handler->body);
    }
  }
  if (flow == Flow::kExit && !exit_label_.empty() && exit_label_ == s.label) {
    exit_label_.clear();
    return Flow::kNormal;
  }
  return flow;
}

Frame::Flow Frame::loop_flow(Flow flow, const Statement& s, bool* leave) {
  switch (flow) {
    case Flow::kNormal: return flow;
    case Flow::kExit:
      *leave = true;
      if (exit_label_.empty() || exit_label_ == s.label) {
        exit_label_.clear();
        return Flow::kNormal;
      }
      return flow;
    case Flow::kContinue:
      if (exit_label_.empty() || exit_label_ == s.label) {
        exit_label_.clear();
        return Flow::kNormal;
      }
      *leave = true;
      return flow;
    case Flow::kReturn: *leave = true; return flow;
  }
  return flow;
}

Frame::Flow Frame::if_or_case(const Statement& s) {
  if (s.kind == StatementKind::kCase && s.variable >= 0) {
    arena_.reset();
    const Result r = evaluate(*s.expr);
    const size_t v = static_cast<size_t>(s.variable);
    scalar_types_[v] = r.type == oid::kUnknown ? Oid{oid::kText} : r.type;
    scalars_[v].set(r.v, by_value(scalar_types_[v]));
  }
  for (const auto& [condition, body] : s.branches) {
    arena_.reset();
    if (evaluate_bool(*condition)) return execute(*body);
  }
  if (s.kind == StatementKind::kCase && !s.has_otherwise) throw Error(ErrorCode::kCaseNotFound, "case not found").hint("CASE statement is missing ELSE part.");
  return execute(s.otherwise);
}

Frame::Flow Frame::for_int(const Statement& s) {
  arena_.reset();
  const int64_t low = evaluate_int(*s.low, "lower bound of FOR loop cannot be null");
  const int64_t high = evaluate_int(*s.high, "upper bound of FOR loop cannot be null");
  int64_t step = 1;
  if (s.step != nullptr) {
    step = evaluate_int(*s.step, "BY value of FOR loop cannot be null");
    if (step <= 0) throw Error(ErrorCode::kInvalidParameterValue, "BY value of FOR loop must be greater than zero");
  }
  bool any = false;
  Flow flow = Flow::kNormal;
  for (int64_t i = low; s.reverse ? i >= high : i <= high;) {
    any = true;
    scalars_[static_cast<size_t>(s.variable)].set({Datum::from_int(i), false}, true);
    bool leave = false;
    flow = loop_flow(execute(s.body), s, &leave);
    if (leave) break;
    i += s.reverse ? -step : step;
    if (i > INT32_MAX || i < INT32_MIN) break;
  }
  set_bool(f_->found, any);
  return flow;
}

Frame::Flow Frame::for_rows(const Statement& s, const Rows& rows) {
  Flow flow = Flow::kNormal;
  if (rows.rows.empty()) assign_row(s.target, rows, 0);
  for (size_t i = 0; i < rows.rows.size(); ++i) {
    arena_.reset();
    statement_ = &s;
    assign_row(s.target, rows, i);
    bool leave = false;
    flow = loop_flow(execute(s.body), s, &leave);
    if (leave) break;
  }
  set_bool(f_->found, !rows.rows.empty());
  return flow;
}

Frame::Flow Frame::foreach(const Statement& s) {
  arena_.reset();
  const Result r = evaluate(*s.expr);
  if (r.v.is_null) throw Error(ErrorCode::kNullValueNotAllowed, "FOREACH expression must not be null");
  const Oid base = host_.view().base_type(r.type);
  const TypeRow& t = host_.view().type(base);
  if (t.element == 0) throw Error(ErrorCode::kDatatypeMismatch, "FOREACH expression must yield an array, not type " + host_.view().format_type(r.type));
  Value held;
  held.set(r.v, false);
  const ArrayView array(held.v.value);
  if (s.slice < 0 || s.slice > array.ndim())
    throw Error(ErrorCode::kArraySubscriptError, "slice dimension (" + std::to_string(s.slice) + ") is out of the valid range 0.." + std::to_string(array.ndim()));
  const Variable& target = f_->variables[static_cast<size_t>(s.target.variables[0])];
  const bool array_target = target.kind == Variable::Kind::kScalar && s.target.fields[0].empty() && host_.view().is_array(host_.view().base_type(target.type));
  if (s.slice > 0 && !array_target) throw Error(ErrorCode::kDatatypeMismatch, "FOREACH ... SLICE loop variable must be of an array type");
  if (s.slice == 0 && array_target) throw Error(ErrorCode::kDatatypeMismatch, "FOREACH loop variable must not be of an array type");
  int step = 1;
  std::vector<int> lengths, lowers;
  for (int d = array.ndim() - s.slice; d < array.ndim(); ++d) {
    step *= array.length(d);
    lengths.push_back(array.length(d));
    lowers.push_back(array.lower(d));
  }
  Flow flow = Flow::kNormal;
  bool any = false;
  for (int i = 0; i + step <= array.count() && step > 0; i += step) {
    any = true;
    arena_.reset();
    statement_ = &s;
    NullableDatum v;
    Oid type = t.element;
    if (s.slice == 0) {
      v = array.at(i);
    } else {
      ArrayBuilder b(array.info());
      for (int k = 0; k < step; ++k) b.add(array.at(i + k));
      v = {b.finish(arena_, lengths, lowers), false};
      type = base;
    }
    if (s.target.record) assign_record_datum(s.target.variables[0], v, type);
    else assign_target(s, s.target, 0, v, type, -1);
    bool leave = false;
    flow = loop_flow(execute(s.body), s, &leave);
    if (leave) break;
  }
  set_bool(f_->found, any);
  return flow;
}

// ---- results

void Frame::return_value(const Statement& s) {
  if (s.expr == nullptr || f_->returns_set) return;
  arena_.reset();
  // A record variable as it is, assigned or not.
  for (const Name* n = s.expr->names.get(); n != nullptr; n = n->previous.get()) {
    if (n->kind != Name::Kind::kVariable || n->name != s.expr->text) continue;
    const size_t v = static_cast<size_t>(n->variable);
    if (f_->variables[v].kind != Variable::Kind::kRecord) break;
    result_type_ = records_[v].shaped ? records_[v].type : Oid{oid::kRecord};
    result_typmod_ = -1;
    result_.set(records_[v].shaped && !records_[v].null ? record_datum(records_[v], arena_) : NullableDatum{}, false);
    return;
  }
  if (upper_is_null(s.expr->text)) {
    result_.set({}, true);
    result_type_ = oid::kUnknown;
    return;
  }
  const Result r = evaluate(*s.expr);
  const Oid base = host_.view().base_type(r.type);
  if ((f_->result_is_composite || f_->is_trigger) && !(r.v.is_null && (r.type == oid::kText || r.type == oid::kUnknown)) && base != oid::kRecord && !host_.view().is_composite(base)) {
    throw Error(ErrorCode::kDatatypeMismatch, "cannot return non-composite value from function returning composite type");
  }
  result_.set(r.v, by_value(r.type));
  result_type_ = r.type;
  result_typmod_ = r.typmod;
}

void Frame::return_next(const Statement& s) {
  arena_.reset();
  if (!f_->out_variables.empty()) {
    std::vector<NullableDatum> row;
    for (int v : f_->out_variables) {
      Oid type = 0;
      row.push_back(read({v, {}}, &type));
    }
    if (!(*emit_)(row)) stop_ = true;
    return;
  }
  auto emit_record = [&](NullableDatum v, Oid type) {
    const NullableDatum c = convert_record(v, type, f_->result, arena_);
    if (f_->result == oid::kRecord && !c.is_null) {
      const auto& expected = record_columns();
      const RecordView r(c.value);
      auto bad = [] { return Error(ErrorCode::kDatatypeMismatch, "wrong record type supplied in RETURN NEXT"); };
      if (static_cast<size_t>(r.count()) != expected.size())
        throw bad().detail("Number of returned columns (" + std::to_string(r.count()) + ") does not match expected column count (" + std::to_string(expected.size()) + ").");
      for (int i = 0; i < r.count(); ++i) {
        const Oid want = expected[static_cast<size_t>(i)].type;
        if (r.column_type(i) != want)
          throw bad().detail("Returned type " + host_.view().format_type(r.column_type(i)) + " does not match expected type " + host_.view().format_type(want) + " in column " + std::to_string(i + 1) + ".");
      }
    }
    if (c.is_null) {
      const size_t width = f_->result == oid::kRecord ? record_columns().size() : host_.exec().eval->catalog->composite_columns(host_.view().base_type(f_->result)).size();
      std::vector<NullableDatum> nulls(width);
      if (!(*emit_)(nulls)) stop_ = true;
      return;
    }
    RecordView r(c.value);
    std::vector<NullableDatum> row;
    for (int i = 0; i < r.count(); ++i) row.push_back(r.at(i));
    if (!(*emit_)(row)) stop_ = true;
  };
  for (const Name* n = s.expr->names.get(); n != nullptr && f_->result_is_composite; n = n->previous.get()) {
    if (n->kind != Name::Kind::kVariable || n->name != s.expr->text) continue;
    const size_t v = static_cast<size_t>(n->variable);
    if (f_->variables[v].kind != Variable::Kind::kRecord) break;
    if (!records_[v].shaped) {
      throw Error(ErrorCode::kObjectNotInPrerequisiteState, "record \"" + f_->variables[v].name + "\" is not assigned yet").detail("The tuple structure of a not-yet-assigned record is indeterminate.");
    }
    try {
      emit_record(record_datum(records_[v], arena_), records_[v].type);
    } catch (const Error& e) {
      Error copy(ErrorCode::kDatatypeMismatch, "wrong record type supplied in RETURN NEXT");
      copy.set_detail(e.detail());
      if (e.code() != ErrorCode::kDatatypeMismatch) throw;
      throw copy;
    }
    return;
  }
  const Result r = evaluate(*s.expr);
  if (f_->result_is_composite) {
    const Oid base = host_.view().base_type(r.type);
    if (!r.v.is_null && base != oid::kRecord && !host_.view().is_composite(base))
      throw Error(ErrorCode::kDatatypeMismatch, "cannot return non-composite value from function returning composite type");
    emit_record(r.v, r.type);
    return;
  }
  const NullableDatum one[1] = {cast(r.v, r.type, r.typmod, f_->result, -1)};
  if (!(*emit_)(one)) stop_ = true;
}

const std::vector<CompositeColumn>& Frame::record_columns() const {
  if (definition_ == nullptr) throw Error(ErrorCode::kFeatureNotSupported, "materialize mode required, but it is not allowed in this context");
  return *definition_;
}

void Frame::return_query(const Statement& s) {
  if (f_->result == oid::kRecord && f_->out_variables.empty()) record_columns();
  Rows rows;
  bool returns_rows = false;
  query::CommandKind command = query::CommandKind::kSelect;
  arena_.reset();
  if (s.low != nullptr) run_dynamic(s, *s.low, s.params, &rows, UINT64_MAX, &returns_rows, &command);
  else run_query(*s.expr, &rows, UINT64_MAX, &returns_rows, &command);
  if (!returns_rows) throw Error(ErrorCode::kSyntaxError, s.low != nullptr ? "EXECUTE query does not return tuples" : "query does not return tuples");
  std::vector<std::pair<Oid, int32_t>> expected;
  if (!f_->out_variables.empty()) {
    for (int v : f_->out_variables) expected.emplace_back(f_->variables[static_cast<size_t>(v)].type, -1);
  } else if (f_->result_is_composite) {
    if (f_->result == oid::kRecord) {
      for (const auto& c : record_columns()) expected.emplace_back(c.type, c.typmod);
    } else {
      for (const auto& c : host_.exec().eval->catalog->composite_columns(host_.view().base_type(f_->result)))
        if (!c.dropped) expected.emplace_back(c.type, c.typmod);
    }
  } else {
    expected.emplace_back(f_->result, -1);
  }
  std::string detail;
  if (rows.columns.size() != expected.size()) {
    detail = "Number of returned columns (" + std::to_string(rows.columns.size()) + ") does not match expected column count (" + std::to_string(expected.size()) + ").";
  } else {
    for (size_t i = 0; i < expected.size() && detail.empty(); ++i) {
      const Oid have = rows.columns[i].type;
      if (have != expected[i].first && host_.view().base_type(have) != host_.view().base_type(expected[i].first))
        detail = "Returned type " + host_.view().format_type(have, rows.columns[i].typmod) + " does not match expected type " + host_.view().format_type(expected[i].first, expected[i].second) +
                 (f_->result_is_composite || !f_->out_variables.empty() ? " in column " + std::to_string(i + 1) + "." : " in column 1.");
    }
  }
  if (!detail.empty()) {
    const Error bad = Error(ErrorCode::kDatatypeMismatch, "structure of query does not match function result type").detail(detail);
    if (s.low != nullptr) throw bad;
    rethrow(bad, *s.expr, 0, true);
  }
  std::vector<NullableDatum> row;
  for (const auto& r : rows.rows) {
    row.assign(r.begin(), r.end());
    for (size_t i = 0; i < row.size(); ++i)
      if (expected[i].second >= 0 || expected[i].first != rows.columns[i].type) row[i] = cast(row[i], rows.columns[i].type, rows.columns[i].typmod, expected[i].first, expected[i].second);
    if (!(*emit_)(row)) {
      stop_ = true;
      break;
    }
  }
  row_count_ = rows.rows.size();
  set_bool(f_->found, !rows.rows.empty());
}

// ---- RAISE, ASSERT, GET DIAGNOSTICS

void Frame::raise(const Statement& s) {
  if (s.level.empty()) {
    if (handling_.empty()) throw Error(ErrorCode::kStackedDiagnosticsAccessedWithoutActiveHandler, "RAISE without parameters cannot be used outside an exception handler");
    rethrown_ = true;
    throw *handling_.back();
  }
  arena_.reset();
  std::string message, state, detail, hint, column, constraint, datatype, table, schema;
  bool has_message = false;
  if (!s.condition.empty()) {
    state = s.condition;
    if (!s.message.empty()) {
      message = s.message;
      has_message = true;
    }
  }
  if (s.has_otherwise) {
    has_message = true;
    message.clear();
    size_t next = 0;
    for (size_t i = 0; i < s.message.size(); ++i) {
      if (s.message[i] != '%') {
        message += s.message[i];
      } else if (i + 1 < s.message.size() && s.message[i + 1] == '%') {
        message += '%';
        ++i;
      } else {
        const auto text = evaluate_text(*s.params[next++]);
        message += text ? *text : "<NULL>";
      }
    }
  }
  std::set<std::string> seen;
  for (const auto& [name, expr] : s.options) {
    const auto value = evaluate_text(*expr);
    if (!value) throw Error(ErrorCode::kNullValueNotAllowed, "RAISE statement option cannot be null");
    auto once = [&] {
      if (!seen.insert(name).second) throw Error(ErrorCode::kSyntaxError, "RAISE option already specified: " + upper_text(name));
    };
    if (name == "errcode") {
      if (!s.condition.empty()) throw Error(ErrorCode::kSyntaxError, "RAISE option already specified: ERRCODE");
      once();
      state = *value;
      if (!(value->size() == 5 && value->find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos)) {
        auto states = condition_states(*value);
        if (states.empty()) throw Error(ErrorCode::kUndefinedObject, "unrecognized exception condition \"" + *value + "\"");
        state = states[0];
      }
      if (!has_message) message = *value;
    } else if (name == "message") {
      if (s.has_otherwise) throw Error(ErrorCode::kSyntaxError, "RAISE option already specified: MESSAGE");
      once();
      message = *value;
      has_message = true;
    } else {
      once();
      (name == "detail" ? detail : name == "hint" ? hint : name == "column" ? column : name == "constraint" ? constraint : name == "datatype" ? datatype : name == "table" ? table : schema) = *value;
    }
  }
  const bool error = s.level == "error";
  if (message.empty() && !has_message) message = state.empty() ? (error ? "P0001" : "00000") : state;
  const ErrorCode code = error ? ErrorCode::kRaiseException : s.level == "warning" ? ErrorCode::kWarning : ErrorCode::kSuccessfulCompletion;
  Error e = Error(code, message).detail(detail).hint(hint).names(schema, table, column, datatype, constraint);
  if (!state.empty()) e.set_sqlstate(state);
  if (error) throw e;
  e.set_context(whole_context());
  host_.notice(s.level == "debug" ? "DEBUG1" : upper_text(s.level), e);
}

void Frame::assert_true(const Statement& s) {
  const auto setting = host_.exec().eval->setting ? host_.exec().eval->setting("plpgsql.check_asserts") : std::nullopt;
  if (setting && (*setting == "off" || *setting == "false")) return;
  arena_.reset();
  if (evaluate_bool(*s.expr)) return;
  std::optional<std::string> message;
  if (!s.params.empty()) message = evaluate_text(*s.params[0]);
  throw Error(ErrorCode::kAssertFailure, message ? *message : "assertion failed");
}

void Frame::diagnostics(const Statement& s) {
  if (s.stacked && handling_.empty())
    throw Error(ErrorCode::kStackedDiagnosticsAccessedWithoutActiveHandler, "GET STACKED DIAGNOSTICS cannot be used outside an exception handler");
  arena_.reset();
  for (const Diagnostic& d : s.diagnostics) {
    NullableDatum v;
    Oid type = oid::kText;
    std::string text;
    if (d.item == "row_count") {
      v = {Datum::from_int(static_cast<int64_t>(row_count_)), false};
      type = oid::kInt8;
    } else if (d.item == "pg_routine_oid") {
      v = {Datum::from_oid(f_->oid), false};
      type = oid::kOid;
    } else {
      if (d.item == "pg_context") {
        text = whole_context();
      } else {
        const Error& e = *handling_.back();
        text = d.item == "returned_sqlstate" ? std::string(e.sqlstate()) : d.item == "message_text" ? e.message() : d.item == "pg_exception_detail" ? e.detail()
               : d.item == "pg_exception_hint" ? e.hint() : d.item == "pg_exception_context" ? e.context() : d.item == "column_name" ? e.column_name()
               : d.item == "constraint_name" ? e.constraint_name() : d.item == "pg_datatype_name" ? e.type_name() : d.item == "table_name" ? e.table_name() : e.schema_name();
      }
      v = {make_bytes(arena_, text), false};
    }
    if (d.field.empty()) assign(d.variable, v, type, -1);
    else assign_field(d.variable, d.field, v, type, -1);
  }
}

// ---- calls

NullableDatum Frame::call(std::span<const NullableDatum> args, std::span<const Oid> arg_types, Arena& arena) {
  try {
    initialise(args, arg_types);
    run_block();
    if (!returned_ && f_->result != oid::kVoid && f_->out_variables.empty()) {
      throw Error(ErrorCode::kFunctionExecutedNoReturnStatement, "control reached end of function without RETURN");
    }
    if (f_->result == oid::kVoid && f_->out_variables.empty()) {
      if (f_->is_procedure) return {};
      return {make_bytes(arena, ""), false};
    }
    if (!f_->out_variables.empty()) {
      if (f_->out_variables.size() == 1 && !f_->is_procedure) {
        Oid type = 0;
        const NullableDatum v = read({f_->out_variables[0], {}}, &type);
        return v.is_null ? v : NullableDatum{copy_datum(by_value(type), v.value, arena), false};
      }
      std::vector<ElementInfo> infos;
      std::vector<NullableDatum> values;
      std::vector<std::string> names;
      for (size_t i = 0; i < f_->out_variables.size(); ++i) {
        Oid type = 0;
        values.push_back(read({f_->out_variables[i], {}}, &type));
        infos.push_back(element_info(type, host_.exec().eval));
        names.push_back(f_->result_columns[i].second.name);
      }
      return {make_record(oid::kRecord, intern_record_shape(names), infos, values, arena), false};
    }
    phase_ = "while casting return value to function's return type";
    if (f_->result_is_composite) return convert_record(result_.v, result_type_, f_->result, arena);
    const NullableDatum v = cast(result_.v, result_type_ == 0 ? Oid{oid::kUnknown} : result_type_, result_typmod_, f_->result, -1);
    return v.is_null ? v : NullableDatum{copy_datum(by_value(f_->result), v.value, arena), false};
  } catch (const Error& e) {
    if (rethrown_) throw;
    Error copy = e;
    copy.add_context(context());
    throw copy;
  }
}

void Frame::call_set(std::span<const NullableDatum> args, std::span<const Oid> arg_types, const std::function<bool(std::span<const NullableDatum>)>& emit) {
  try {
    emit_ = &emit;
    definition_ = query::record_definition();
    initialise(args, arg_types);
    run_block();
  } catch (const Error& e) {
    if (rethrown_) throw;
    Error copy = e;
    copy.add_context(context());
    throw copy;
  }
}

std::vector<NullableDatum> Frame::call_procedure(std::span<const NullableDatum> args, std::span<const Oid> arg_types, Arena& arena) {
  try {
    initialise(args, arg_types);
    run_block();
    std::vector<NullableDatum> out;
    for (int v : f_->out_variables) {
      Oid type = 0;
      const NullableDatum d = read({v, {}}, &type);
      out.push_back(d.is_null ? d : NullableDatum{copy_datum(by_value(type), d.value, arena), false});
    }
    return out;
  } catch (const Error& e) {
    if (rethrown_) throw;
    Error copy = e;
    copy.add_context(context());
    throw copy;
  }
}

void Frame::call_event_trigger(const std::string& event, const std::string& tag) {
  try {
    initialise({}, {});
    set_text(f_->trigger_variables.at("tg_event"), event);
    set_text(f_->trigger_variables.at("tg_tag"), tag);
    run_block();
  } catch (const Error& e) {
    if (rethrown_) throw;
    Error copy = e;
    copy.add_context(context());
    throw copy;
  }
}

bool Frame::call_trigger(TriggerCall& t) {
  constexpr int kRow = 1, kBefore = 2, kInsert = 4, kDelete = 8, kUpdate = 16, kTruncate = 32, kInstead = 64;
  try {
    initialise({}, {});
    held_ = &t.held;
    auto set_row = [&](int variable, const std::vector<NullableDatum>& row) {
      RecordValue& r = records_[static_cast<size_t>(variable)];
      if (t.table->row_type != 0) shape_record(r, t.table->row_type);
      r.null = false;
      for (size_t i = 0; i < r.fields.size(); ++i)
        if (static_cast<size_t>(r.positions[i]) < row.size()) r.fields[i].set(row[static_cast<size_t>(r.positions[i])], r.by_value[i]);
    };
    // Rows that the event does not have are NULL, with the table's columns.
    for (int v : {f_->new_record, f_->old_record})
      if (t.table->row_type != 0) shape_record(records_[static_cast<size_t>(v)], t.table->row_type);
    if (t.bits & kRow) {
      if (t.new_row != nullptr) set_row(f_->new_record, *t.new_row);
      if (t.old_row != nullptr) set_row(f_->old_record, *t.old_row);
    }
    const auto& v = f_->trigger_variables;
    set_text(v.at("tg_name"), t.trigger->name);
    set_text(v.at("tg_when"), t.bits & kBefore ? "BEFORE" : t.bits & kInstead ? "INSTEAD OF" : "AFTER");
    set_text(v.at("tg_level"), t.bits & kRow ? "ROW" : "STATEMENT");
    set_text(v.at("tg_op"), t.bits & kInsert ? "INSERT" : t.bits & kUpdate ? "UPDATE" : t.bits & kDelete ? "DELETE" : t.bits & kTruncate ? "TRUNCATE" : "");
    scalars_[static_cast<size_t>(v.at("tg_relid"))].set({Datum::from_oid(t.table->oid), false}, true);
    set_text(v.at("tg_relname"), t.table->name);
    set_text(v.at("tg_table_name"), t.table->name);
    set_text(v.at("tg_table_schema"), host_.view().schema_name(t.table->schema));
    scalars_[static_cast<size_t>(v.at("tg_nargs"))].set({Datum::from_int(static_cast<int64_t>(t.trigger->args.size())), false}, true);
    if (!t.trigger->args.empty()) {
      // TG_ARGV counts from 0.
      std::vector<int> lengths{static_cast<int>(t.trigger->args.size())}, lowers{0};
      ArrayBuilder b(element_info(oid::kText, nullptr));
      for (const std::string& a : t.trigger->args) b.add(make_bytes(arena_, a));
      scalars_[static_cast<size_t>(v.at("tg_argv"))].set({b.finish(arena_, lengths, lowers), false}, false);
    }
    run_block();
    if (!returned_) throw Error(ErrorCode::kFunctionExecutedNoReturnStatement, "control reached end of trigger procedure without RETURN");
    if ((t.bits & kRow) == 0 || (t.bits & (kBefore | kInstead)) == 0) return true;
    if (result_.v.is_null) return false;
    if (t.new_row != nullptr) {
      phase_ = "during function exit";
      RecordView r(result_.v.value);
      std::vector<std::pair<int, int>> map;   // result column -> attribute
      std::vector<int> live, given;
      for (size_t i = 0; i < t.table->columns.size(); ++i)
        if (!t.table->columns[i].dropped) live.push_back(static_cast<int>(i));
      if (host_.view().is_composite(r.type())) {
        const auto& columns = host_.exec().eval->catalog->composite_columns(r.type());
        for (int i = 0; i < r.count(); ++i)
          if (!(static_cast<size_t>(i) < columns.size() && columns[static_cast<size_t>(i)].dropped)) given.push_back(i);
      } else {
        for (int i = 0; i < r.count(); ++i) given.push_back(i);
      }
      auto mismatch = [&](std::string detail) {
        throw Error(ErrorCode::kDatatypeMismatch, "returned row structure does not match the structure of the triggering table").detail(std::move(detail));
      };
      if (live.size() != given.size())
        mismatch("Number of returned columns (" + std::to_string(given.size()) + ") does not match expected column count (" + std::to_string(live.size()) + ").");
      for (size_t i = 0; i < live.size(); ++i) {
        const auto& c = t.table->columns[static_cast<size_t>(live[i])];
        NullableDatum d = r.at(given[i]);
        const Oid have = r.column_type(given[i]);
        if (have != c.type && have != oid::kUnknown && r.type() != t.table->row_type)
          mismatch("Returned type " + host_.view().format_type(have) + " does not match expected type " + host_.view().format_type(c.type, c.typmod) + " in column " + std::to_string(i + 1) + ".");
        (*t.new_row)[static_cast<size_t>(live[i])] = d.is_null ? NullableDatum{} : NullableDatum{copy_datum(by_value(c.type), d.value, *t.arena), false};
      }
    }
    return true;
  } catch (const Error& e) {
    if (rethrown_) throw;
    Error copy = e;
    copy.add_context(context());
    throw copy;
  }
}

}  // namespace stele::sql::plpgsql
