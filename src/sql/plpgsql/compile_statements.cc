// Statements of PL/pgSQL.
#include "sql/parser/pg.h"
#include "sql/plpgsql/compile_impl.h"

namespace stele::sql::plpgsql {

StatementPtr Compiler::block(const std::string& label) {
  const Names before = names_;
  const int begin_offset = peek().begin;
  push_block(label, false);
  std::vector<int> locals;
  while (accept("declare")) {
    while (!peek().is("begin") && !peek().is("declare")) {
      if (peek().is("<<")) fail(ErrorCode::kSyntaxError, "block label must be placed before DECLARE, not after", peek().begin);
      if (peek().kind == TokenKind::kEnd) syntax_error();
      declaration(locals);
    }
  }
  (void)begin_offset;
  auto s = make(StatementKind::kBlock, peek().begin);
  s->label = label;
  s->locals = std::move(locals);
  expect("begin");
  s->body = statements();
  if (accept("exception")) handlers(*s);
  expect("end");
  end_label(label);
  names_ = before;
  return s;
}

void Compiler::end_label(const std::string& label) {
  if (peek().is(";") || peek().kind == TokenKind::kEnd) return;
  const int offset = peek().begin;
  const std::string end = any_name();
  if (label.empty()) fail(ErrorCode::kSyntaxError, "end label \"" + end + "\" specified for unlabeled block", offset);
  if (end != label) fail(ErrorCode::kSyntaxError, "end label \"" + end + "\" differs from block's label \"" + label + "\"", offset);
}

std::vector<std::string> Compiler::condition() {
  const Token& t = peek();
  const std::string name = any_name();
  if (name == "sqlstate" && peek().kind == TokenKind::kString) {
    const std::string state = take().text;
    if (state.size() != 5 || state.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos)
      fail(ErrorCode::kSyntaxError, "invalid SQLSTATE code at or near \"'" + state + "'\"", t.begin);
    return {state};
  }
  if (name == "others") return {"others"};
  auto states = condition_states(name);
  if (states.empty()) fail(ErrorCode::kUndefinedObject, "unrecognized exception condition \"" + name + "\"", -1);
  return states;
}

void Compiler::handlers(Statement& s) {
  s.has_handlers = true;
  const Names before = names_;
  const int line = line_of(f_->source, peek().begin);
  push_block("", false);
  s.sqlstate_variable = add_variable("sqlstate", oid::kText, -1, line);
  f_->variables.back().constant = true;
  declare(s.sqlstate_variable, "sqlstate");
  s.sqlerrm_variable = add_variable("sqlerrm", oid::kText, -1, line);
  f_->variables.back().constant = true;
  declare(s.sqlerrm_variable, "sqlerrm");
  if (!peek().is("when")) syntax_error();
  while (accept("when")) {
    Handler h;
    do {
      for (std::string& state : condition()) h.conditions.push_back(std::move(state));
    } while (accept("or"));
    expect("then");
    h.body = statements();
    s.handlers.push_back(std::move(h));
  }
  names_ = before;
}

Body Compiler::statements() {
  Body out;
  for (;;) {
    const Token& t = peek();
    if (t.kind == TokenKind::kEnd || t.is("end") || t.is("else") || t.is("elsif") || t.is("elseif") || t.is("when") || t.is("exception")) {
      Found v;
      if (!((t.is("elsif") || t.is("elseif") || t.is("exception")) && starts_assignment(&v))) return out;
    }
    StatementPtr s = statement();
    if (s != nullptr) out.push_back(std::move(s));
  }
}

bool Compiler::starts_assignment(Found* target) {
  if (peek().kind == TokenKind::kParam) {
    *target = lookup({peek().text});
    if (target->variable < 0) return false;
    const Token& n = peek(1);
    return n.is(":=") || n.is("=") || n.is("[") || n.is(".");
  }
  if (!peek().name() || reserved(peek())) return false;
  std::vector<std::string> names{peek().text};
  size_t i = 1;
  while (peek(i).is(".") && peek(i + 1).name()) {
    names.push_back(peek(i + 1).text);
    i += 2;
  }
  const Token& next = peek(i);
  if (!next.is(":=") && !next.is("=") && !next.is("[") && !next.is(".")) return false;
  *target = lookup(names);
  return target->variable >= 0;
}

StatementPtr Compiler::statement() {
  const Token& t = peek();
  Found target;
  if (starts_assignment(&target)) return assignment(target);
  std::string label;
  if (accept("<<")) {
    label = any_name();
    expect(">>");
    if (!peek().is("loop") && !peek().is("while") && !peek().is("for") && !peek().is("foreach") && !peek().is("declare") && !peek().is("begin")) syntax_error();
  }
  if (t.is("declare") || t.is("begin") || peek().is("declare") || peek().is("begin")) {
    StatementPtr s = block(label);
    expect(";");
    return s;
  }
  if (peek().is("loop")) return loop_statement(label);
  if (peek().is("while")) return while_statement(label);
  if (peek().is("for")) return for_statement(label);
  if (peek().is("foreach")) return foreach_statement(label);
  if (t.is("if")) return if_statement();
  if (t.is("case")) return case_statement();
  if (t.is("exit") || t.is("continue")) return exit_statement();
  if (t.is("return")) return return_statement();
  if (t.is("raise")) return raise_statement();
  if (t.is("execute")) return execute_statement();
  if (t.is("open")) return open_statement();
  if (t.is("fetch")) return fetch_statement(false);
  if (t.is("move")) return fetch_statement(true);
  if (t.is("get")) return get_diagnostics();
  if (t.is("null")) {
    take();
    expect(";");
    return nullptr;
  }
  if (t.is("perform")) {
    auto s = make(StatementKind::kPerform, t.begin);
    take();
    const size_t stop = end_of({";"});
    if (stop == at_) syntax_error_at(tokens_[stop], "missing expression");
    const int begin = peek().begin, end = tokens_[stop - 1].end;
    at_ = stop;
    expect(";");
    s->expr = statement_expression("SELECT " + f_->source.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin)), begin - 7);
    return s;
  }
  if (t.is("assert")) {
    auto s = make(StatementKind::kAssert, t.begin);
    take();
    s->expr = expression({",", ";"}, ";");
    if (accept(",")) s->params.push_back(expression({";"}, ";"));
    expect(";");
    return s;
  }
  if (t.is("close")) {
    auto s = make(StatementKind::kClose, t.begin);
    take();
    s->variable = cursor_variable();
    expect(";");
    return s;
  }
  if (t.is("commit") || t.is("rollback")) {
    const bool commit = t.is("commit");
    if (peek(1).is(";") || peek(1).is("and") || peek(1).is("work") || peek(1).is("transaction")) {
      auto s = make(commit ? StatementKind::kCommit : StatementKind::kRollback, t.begin);
      take();
      if (peek().is("work") || peek().is("transaction")) take();
      if (accept("and")) {
        s->chain = !accept("no");
        expect("chain");
      }
      expect(";");
      return s;
    }
  }
  if (t.is("call") || t.is("do")) {
    auto s = make(t.is("call") ? StatementKind::kCall : StatementKind::kDo, t.begin);
    s->expr = expression({";"}, ";", ExprMode::kStatement);
    expect(";");
    return s;
  }
  if (reserved(t) || !t.name()) {
    if (!t.is("(")) syntax_error();
  }
  // An unknown name before ":=" or "=" was meant as a variable.
  {
    size_t i = 1;
    while (peek(i).is(".") && peek(i + 1).name()) i += 2;
    if (peek(i).is(":=") || (i == 1 && peek(i).is("=")) || peek(i).is("[")) {
      std::string shown = t.text;
      for (size_t k = 1; k < i; k += 2) shown += "." + peek(k + 1).text;
      fail(ErrorCode::kSyntaxError, "\"" + shown + "\" is not a known variable", t.begin);
    }
  }
  return sql_statement();
}

void Compiler::check_assignable(int variable, int offset) const {
  const Variable& v = f_->variables[static_cast<size_t>(variable)];
  if (v.constant) fail(ErrorCode::kErrorInAssignment, "variable \"" + v.name + "\" is declared CONSTANT", offset);
}

StatementPtr Compiler::assignment(const Found& target) {
  auto s = make(StatementKind::kAssign, peek().begin);
  check_assignable(target.variable, peek().begin);
  s->variable = target.variable;
  s->target.variables = {target.variable};
  s->target.fields = {target.field};
  const int begin = peek().begin;
  take();
  for (size_t i = 1; i < target.used; ++i) at_ += 2;
  const int tail = peek().begin;
  const bool plain = peek().is(":=") || peek().is("=");
  if (plain) {
    take();
    const int value_begin = peek().begin;
    s->expr = expression({";"}, ";");
    s->expr->shown = f_->source.substr(static_cast<size_t>(begin), static_cast<size_t>(tokens_[at_ - 1].end - begin));
    s->expr->shift = value_begin - begin;
  } else {
    // An element or a deeper field: the rest of the target goes to the binder as UPDATE's does.
    int depth = 0;
    while (!(depth == 0 && (peek().is(":=") || peek().is("=")))) {
      if (peek().is("[")) ++depth;
      if (peek().is("]")) --depth;
      if (peek().kind == TokenKind::kEnd || peek().is(";")) syntax_error();
      take();
    }
    const Token& op = take();
    const size_t stop = end_of({";"});
    if (stop == at_) syntax_error_at(tokens_[stop], "missing expression");
    const std::string path = f_->source.substr(static_cast<size_t>(tail), static_cast<size_t>(op.begin - tail));
    const std::string value = f_->source.substr(static_cast<size_t>(peek().begin), static_cast<size_t>(tokens_[stop - 1].end - peek().begin));
    auto e = std::make_shared<Expression>();
    e->mode = ExprMode::kAssignment;
    e->text = "UPDATE x SET x" + path + "= " + value;
    e->shown = f_->source.substr(static_cast<size_t>(begin), static_cast<size_t>(tokens_[stop - 1].end - begin));
    e->shift = peek().begin - begin - static_cast<int>(e->text.size() - value.size());
    e->offset = begin;
    e->names = names_;
    s->expr = e;
    at_ = stop;
    if (sig_.validate) parse_sql(e->text);
  }
  expect(";");
  return s;
}

StatementPtr Compiler::if_statement() {
  auto s = make(StatementKind::kIf, peek().begin);
  take();
  do {
    ExprPtr c = expression({"then"}, "THEN");
    expect("then");
    auto body = std::make_unique<Body>(statements());
    s->branches.emplace_back(std::move(c), std::move(body));
  } while (accept("elsif") || accept("elseif"));
  if (accept("else")) {
    s->has_otherwise = true;
    s->otherwise = statements();
  }
  expect("end");
  expect("if");
  expect(";");
  return s;
}

StatementPtr Compiler::case_statement() {
  auto s = make(StatementKind::kCase, peek().begin);
  take();
  if (!peek().is("when")) {
    s->expr = expression({"when"}, "WHEN");
    // Its value gets a variable of a type found at run time.
    s->variable = add_variable("__Case__Variable_" + std::to_string(f_->variables.size()) + "__", oid::kInt4, -1, s->line);
  }
  if (!peek().is("when")) syntax_error();
  while (accept("when")) {
    ExprPtr c;
    if (s->variable >= 0) {
      const size_t stop = end_of({"then"});
      if (stop == at_) syntax_error_at(tokens_[stop], "missing expression");
      const int begin = peek().begin;
      c = make_expression(begin, tokens_[stop - 1].end, ExprMode::kExpression);
      at_ = stop;
      check(*c);
      const Names before = names_;
      declare(s->variable, f_->variables[static_cast<size_t>(s->variable)].name);
      c->names = names_;
      names_ = before;
      c->text = "\"" + f_->variables[static_cast<size_t>(s->variable)].name + "\" IN (" + c->text + ")";
    } else {
      c = expression({"then"}, "THEN");
    }
    expect("then");
    auto body = std::make_unique<Body>(statements());
    s->branches.emplace_back(std::move(c), std::move(body));
  }
  if (accept("else")) {
    s->has_otherwise = true;
    s->otherwise = statements();
  }
  expect("end");
  expect("case");
  expect(";");
  return s;
}

void Compiler::loop_body(Statement& s) {
  ++loop_depth_;
  expect("loop");
  s.body = statements();
  expect("end");
  expect("loop");
  end_label(s.label);
  expect(";");
  --loop_depth_;
}

StatementPtr Compiler::loop_statement(const std::string& label) {
  auto s = make(StatementKind::kLoop, peek().begin);
  s->label = label;
  const Names before = names_;
  push_block(label, true);
  loop_body(*s);
  names_ = before;
  return s;
}

StatementPtr Compiler::while_statement(const std::string& label) {
  auto s = make(StatementKind::kWhile, peek().begin);
  s->label = label;
  take();
  const Names before = names_;
  push_block(label, true);
  s->expr = expression({"loop"}, "LOOP");
  loop_body(*s);
  names_ = before;
  return s;
}

StatementPtr Compiler::for_statement(const std::string& label) {
  const int offset = peek().begin;
  take();
  const Names before = names_;
  push_block(label, true);
  // The loop variables' names; a list when there are commas.
  const size_t names_at = at_;
  while (!peek().is("in")) {
    if (peek().kind == TokenKind::kEnd || peek().is(";")) syntax_error();
    take();
  }
  const size_t in_at = at_;
  const bool single = in_at == names_at + 1 && tokens_[names_at].name();
  take();
  StatementPtr s;
  auto target = [&] {
    const size_t here = at_;
    at_ = names_at;
    const Token& first = peek();
    std::vector<std::string> names;
    if (first.name()) {
      names.push_back(first.text);
      for (size_t i = 1; peek(i).is(".") && peek(i + 1).name(); i += 2) names.push_back(peek(i + 1).text);
    }
    Found v = names.empty() ? Found{} : lookup(names);
    if (v.variable < 0) fail(ErrorCode::kSyntaxError, "loop variable of loop over rows must be a record variable or list of scalar variables", first.begin);
    s->target = target_list();
    if (!peek().is("in")) syntax_error();
    at_ = here;
  };
  if (accept("execute")) {
    s = make(StatementKind::kForExecute, offset);
    s->expr = expression({"loop", "using"}, "LOOP or USING");
    if (accept("using")) s->params = using_list({"loop"});
    target();
  } else {
    Found cursor = peek().name() ? lookup({peek().text}) : Found{};
    if (cursor.variable >= 0 && f_->variables[static_cast<size_t>(cursor.variable)].type == oid::kRefcursor && (peek(1).is("loop") || peek(1).is("("))) {
      const Token& name = take();
      s = make(StatementKind::kForCursor, offset);
      s->variable = cursor.variable;
      if (!single) fail(ErrorCode::kSyntaxError, "cursor FOR loop must have only one target variable", tokens_[names_at].begin);
      if (f_->variables[static_cast<size_t>(cursor.variable)].cursor_query == nullptr)
        fail(ErrorCode::kSyntaxError, "cursor FOR loop must use a bound cursor variable", name.begin);
      if (accept("(")) {
        do {
          if (peek().name() && peek(1).is(":=")) at_ += 2;
          s->params.push_back(expression({",", ")"}, ")"));
        } while (accept(","));
        expect(")");
      }
      const int row = add_record(tokens_[names_at].text, oid::kRecord, s->line);
      declare(row, tokens_[names_at].text);
      s->target.variables = {row};
      s->target.fields = {""};
      s->target.record = true;
    } else {
      const bool reverse = peek().is("reverse");
      const size_t start = at_ + (reverse ? 1 : 0);
      const size_t here = at_;
      at_ = start;
      const size_t stop = end_of({"..", "loop"});
      if (tokens_[stop].is("..")) {
        s = make(StatementKind::kForInt, offset);
        s->reverse = reverse;
        s->low = expression({".."}, "..");
        expect("..");
        s->high = expression({"by", "loop"}, "LOOP");
        if (accept("by")) s->step = expression({"loop"}, "LOOP");
        if (!single) fail(ErrorCode::kSyntaxError, "integer FOR loop must have only one target variable", tokens_[names_at].begin);
        s->variable = add_variable(tokens_[names_at].text, oid::kInt4, -1, s->line);
        declare(s->variable, tokens_[names_at].text);
      } else {
        if (reverse) fail(ErrorCode::kSyntaxError, "cannot specify REVERSE in query FOR loop", tokens_[here].begin);
        at_ = here;
        s = make(StatementKind::kForQuery, offset);
        s->expr = expression({"loop"}, "LOOP", ExprMode::kStatement);
        target();
      }
    }
  }
  s->label = label;
  loop_body(*s);
  names_ = before;
  return s;
}

StatementPtr Compiler::foreach_statement(const std::string& label) {
  auto s = make(StatementKind::kForeach, peek().begin);
  s->label = label;
  take();
  const Names before = names_;
  push_block(label, true);
  s->target = target_list();
  if (accept("slice")) s->slice = std::atoi(take().text.c_str());
  expect("in");
  expect("array");
  s->expr = expression({"loop"}, "LOOP");
  loop_body(*s);
  names_ = before;
  return s;
}

StatementPtr Compiler::exit_statement() {
  const bool exit = peek().is("exit");
  auto s = make(exit ? StatementKind::kExit : StatementKind::kContinue, peek().begin);
  const int offset = peek().begin;
  take();
  if (!peek().is(";") && !peek().is("when")) {
    const int at = peek().begin;
    s->label = any_name();
    const Name* n = find_label(s->label);
    if (n == nullptr) fail(ErrorCode::kSyntaxError, "there is no label \"" + s->label + "\" attached to any block or loop enclosing this statement", at);
    if (!exit && !n->loop) fail(ErrorCode::kSyntaxError, "block label \"" + s->label + "\" cannot be used in CONTINUE", at);
  } else if (loop_depth_ == 0) {
    fail(ErrorCode::kSyntaxError, exit ? "EXIT cannot be used outside a loop, unless it has a label" : "CONTINUE cannot be used outside a loop", offset);
  }
  if (accept("when")) s->expr = expression({";"}, ";");
  expect(";");
  return s;
}

StatementPtr Compiler::return_statement() {
  const int offset = peek().begin;
  take();
  if (accept("next")) {
    auto s = make(StatementKind::kReturnNext, offset);
    if (!f_->returns_set) fail(ErrorCode::kDatatypeMismatch, "cannot use RETURN NEXT in a non-SETOF function", offset);
    if (!f_->out_variables.empty()) {
      if (!peek().is(";")) fail(ErrorCode::kDatatypeMismatch, "RETURN NEXT cannot have a parameter in function with OUT parameters", peek().begin);
    } else {
      s->expr = expression({";"}, ";");
    }
    expect(";");
    return s;
  }
  if (accept("query")) {
    auto s = make(StatementKind::kReturnQuery, offset);
    if (!f_->returns_set) fail(ErrorCode::kDatatypeMismatch, "cannot use RETURN QUERY in a non-SETOF function", offset);
    if (accept("execute")) {
      s->low = expression({";", "using"}, "; or USING");
      if (accept("using")) s->params = using_list({";"});
    } else {
      s->expr = expression({";"}, ";", ExprMode::kStatement);
    }
    expect(";");
    return s;
  }
  auto s = make(StatementKind::kReturn, offset);
  if (f_->returns_set) {
    if (!peek().is(";")) fail(ErrorCode::kDatatypeMismatch, "RETURN cannot have a parameter in function returning set", peek().begin, "Use RETURN NEXT or RETURN QUERY.");
  } else if (f_->result == oid::kVoid && !f_->is_trigger) {
    if (!peek().is(";")) {
      if (f_->is_procedure) fail(ErrorCode::kSyntaxError, "RETURN cannot have a parameter in a procedure", peek().begin);
      fail(ErrorCode::kDatatypeMismatch, "RETURN cannot have a parameter in function returning void", peek().begin);
    }
  } else if (!f_->out_variables.empty()) {
    if (!peek().is(";")) {
      if (f_->is_procedure) fail(ErrorCode::kSyntaxError, "RETURN cannot have a parameter in a procedure", peek().begin);
      fail(ErrorCode::kDatatypeMismatch, "RETURN cannot have a parameter in function with OUT parameters", peek().begin);
    }
  } else {
    s->expr = expression({";"}, ";");
  }
  expect(";");
  return s;
}

std::vector<ExprPtr> Compiler::using_list(std::initializer_list<std::string_view> more) {
  std::vector<ExprPtr> out;
  std::vector<std::string_view> until{","};
  until.insert(until.end(), more.begin(), more.end());
  do {
    if (more.size() == 1) out.push_back(expression({",", *more.begin()}, ";"));
    else out.push_back(expression({",", *more.begin(), *(more.begin() + 1)}, ";"));
  } while (accept(","));
  return out;
}

StatementPtr Compiler::raise_statement() {
  auto s = make(StatementKind::kRaise, peek().begin);
  const int offset = peek().begin;
  take();
  s->level = "error";
  if (accept(";")) {
    s->level.clear();   // again what is being handled
    return s;
  }
  for (const auto& [word, level] : {std::pair{"exception", "error"}, {"warning", "warning"}, {"notice", "notice"}, {"info", "info"}, {"log", "log"}, {"debug", "debug"}}) {
    if (!accept(word)) continue;
    s->level = level;
    break;
  }
  if (peek().kind == TokenKind::kString) {
    s->message = take().text;
    if (s->message.empty()) s->message = std::string();
    s->has_otherwise = true;   // there is a format
    while (accept(",")) s->params.push_back(expression({",", ";", "using"}, ", or ; or USING"));
    size_t wanted = 0;
    for (size_t i = 0; i < s->message.size(); ++i) {
      if (s->message[i] != '%') continue;
      if (i + 1 < s->message.size() && s->message[i + 1] == '%') ++i;
      else ++wanted;
    }
    (void)offset;
    if (wanted > s->params.size()) fail(ErrorCode::kSyntaxError, "too few parameters specified for RAISE", -1);
    if (wanted < s->params.size()) fail(ErrorCode::kSyntaxError, "too many parameters specified for RAISE", -1);
  } else if (!peek().is("using") && !peek().is(";")) {
    const int at = peek().begin;
    const std::string name = any_name();
    if (name == "sqlstate" && peek().kind == TokenKind::kString) {
      s->condition = take().text;
      if (s->condition.size() != 5) fail(ErrorCode::kSyntaxError, "invalid SQLSTATE code", at);
    } else {
      auto states = condition_states(name);
      if (states.empty()) fail(ErrorCode::kUndefinedObject, "unrecognized exception condition \"" + name + "\"", -1);
      s->condition = states[0];
      s->message = name;   // shown when no MESSAGE is given
    }
  }
  if (accept("using")) {
    do {
      const int at = peek().begin;
      const std::string name = any_name();
      static const std::set<std::string_view> kOptions = {"errcode", "message", "detail", "hint", "column", "constraint", "datatype", "table", "schema"};
      if (!kOptions.contains(name)) fail(ErrorCode::kSyntaxError, "unrecognized RAISE statement option at or near \"" + name + "\"", at);
      if (!accept("=") && !accept(":=")) syntax_error();
      s->options.emplace_back(name, expression({",", ";"}, ", or ;"));
    } while (accept(","));
  }
  expect(";");
  return s;
}

StatementPtr Compiler::get_diagnostics() {
  auto s = make(StatementKind::kGetDiagnostics, peek().begin);
  const int offset = peek().begin;
  take();
  if (accept("stacked")) s->stacked = true;
  else accept("current");
  expect("diagnostics");
  do {
    Diagnostic d{};
    const Token& t = peek();
    std::vector<std::string> names{any_name()};
    while (accept(".")) names.push_back(any_name());
    Found v = lookup(names);
    if (v.variable < 0) fail(ErrorCode::kSyntaxError, "\"" + names[0] + "\" is not a known variable", t.begin);
    check_assignable(v.variable, t.begin);
    d.variable = v.variable;
    d.field = v.field;
    if (!accept("=") && !accept(":=")) syntax_error();
    const int at = peek().begin;
    d.item = any_name();
    static const std::set<std::string_view> kCurrent = {"row_count", "pg_context", "pg_routine_oid"};
    static const std::set<std::string_view> kStacked = {"returned_sqlstate", "column_name", "constraint_name", "pg_datatype_name", "message_text",
                                                        "table_name", "schema_name", "pg_exception_detail", "pg_exception_hint", "pg_exception_context"};
    if (!kCurrent.contains(d.item) && !kStacked.contains(d.item)) fail(ErrorCode::kSyntaxError, "unrecognized GET DIAGNOSTICS item at or near \"" + d.item + "\"", at);
    if (kCurrent.contains(d.item) && s->stacked && d.item != "pg_context")
      fail(ErrorCode::kSyntaxError, "diagnostics item " + upper_word(d.item) + " is not allowed in GET STACKED DIAGNOSTICS", offset);
    if (kStacked.contains(d.item) && !s->stacked)
      fail(ErrorCode::kSyntaxError, "diagnostics item " + upper_word(d.item) + " is not allowed in GET CURRENT DIAGNOSTICS", offset);
    s->diagnostics.push_back(std::move(d));
  } while (accept(","));
  expect(";");
  return s;
}

int Compiler::cursor_variable() {
  const Token& t = peek();
  std::vector<std::string> names{t.kind == TokenKind::kParam ? take().text : any_name()};
  while (accept(".")) names.push_back(any_name());
  Found v = lookup(names);
  if (v.variable < 0) fail(ErrorCode::kSyntaxError, "\"" + names[0] + "\" is not a known variable", t.begin);
  const Variable& x = f_->variables[static_cast<size_t>(v.variable)];
  if (x.kind != Variable::Kind::kScalar || !v.field.empty()) fail(ErrorCode::kSyntaxError, "cursor variable must be a simple variable", t.begin);
  if (x.type != oid::kRefcursor) fail(ErrorCode::kDatatypeMismatch, "variable \"" + x.name + "\" must be of type cursor or refcursor", t.begin);
  return v.variable;
}

StatementPtr Compiler::open_statement() {
  auto s = make(StatementKind::kOpen, peek().begin);
  take();
  s->variable = cursor_variable();
  const Variable& c = f_->variables[static_cast<size_t>(s->variable)];
  if (c.cursor_query == nullptr) {
    if (peek().is("no") && peek(1).is("scroll")) at_ += 2, s->no_scroll = true;
    else if (accept("scroll")) s->scroll = true;
    if (!peek().is("for")) syntax_error_at(peek(), "syntax error, expected \"FOR\"");
    take();
    if (accept("execute")) {
      s->low = expression({"using", ";"}, "USING or ;");
      if (accept("using")) s->params = using_list({";"});
    } else {
      s->expr = expression({";"}, ";", ExprMode::kStatement);
    }
    expect(";");
    return s;
  }
  if (accept("(")) {
    if (c.cursor_args.empty()) fail(ErrorCode::kSyntaxError, "cursor \"" + c.name + "\" has no arguments", tokens_[at_ - 1].begin);
    s->params.resize(c.cursor_args.size());
    size_t n = 0;
    do {
      size_t slot = n;
      if (peek().name() && (peek(1).is(":=") || peek(1).is("=>"))) {
        slot = c.cursor_args.size();
        for (size_t i = 0; i < c.cursor_args.size(); ++i)
          if (f_->variables[static_cast<size_t>(c.cursor_args[i])].name == peek().text) slot = i;
        if (slot == c.cursor_args.size()) fail(ErrorCode::kSyntaxError, "cursor \"" + c.name + "\" has no argument named \"" + peek().text + "\"", peek().begin);
        if (s->params[slot] != nullptr) fail(ErrorCode::kSyntaxError, "value for parameter \"" + peek().text + "\" of cursor \"" + c.name + "\" specified more than once", peek().begin);
        at_ += 2;
      }
      if (slot >= c.cursor_args.size()) fail(ErrorCode::kSyntaxError, "too many arguments for cursor \"" + c.name + "\"", peek().begin);
      s->params[slot] = expression({",", ")"}, ", or )");
      ++n;
    } while (accept(","));
    if (n < c.cursor_args.size()) fail(ErrorCode::kSyntaxError, "not enough arguments for cursor \"" + c.name + "\"", peek().begin);
    expect(")");
  } else if (!c.cursor_args.empty()) {
    fail(ErrorCode::kSyntaxError, "cursor \"" + c.name + "\" has arguments", peek().begin);
  }
  expect(";");
  return s;
}

StatementPtr Compiler::fetch_statement(bool move) {
  auto s = make(move ? StatementKind::kMove : StatementKind::kFetch, peek().begin);
  take();
  bool from = true;
  s->direction = PG_QUERY__FETCH_DIRECTION__FETCH_FORWARD;
  auto count = [&] {
    s->count = expression({"from", "in"}, "FROM or IN");
  };
  if (accept("next")) {
  } else if (accept("prior")) {
    s->direction = PG_QUERY__FETCH_DIRECTION__FETCH_BACKWARD;
  } else if (accept("first")) {
    s->direction = PG_QUERY__FETCH_DIRECTION__FETCH_ABSOLUTE;
  } else if (accept("last")) {
    s->direction = PG_QUERY__FETCH_DIRECTION__FETCH_ABSOLUTE;
    s->how_many = -1;
  } else if (accept("absolute")) {
    s->direction = PG_QUERY__FETCH_DIRECTION__FETCH_ABSOLUTE;
    count();
  } else if (accept("relative")) {
    s->direction = PG_QUERY__FETCH_DIRECTION__FETCH_RELATIVE;
    count();
  } else if (accept("all")) {
    s->how_many = INT64_MAX;
    s->returns_many = true;
  } else if (peek().is("forward") || peek().is("backward")) {
    s->direction = take().is("forward") ? PG_QUERY__FETCH_DIRECTION__FETCH_FORWARD : PG_QUERY__FETCH_DIRECTION__FETCH_BACKWARD;
    if (accept("all")) {
      s->how_many = INT64_MAX;
      s->returns_many = true;
    } else if (!peek().is("from") && !peek().is("in")) {
      count();
      s->returns_many = true;
    }
  } else if (peek().is("from") || peek().is("in")) {
  } else if ((peek().name() && lookup({peek().text}).variable >= 0) || peek().kind == TokenKind::kParam) {
    from = false;
  } else {
    count();
    s->returns_many = true;
  }
  if (from && !accept("from") && !accept("in")) syntax_error_at(peek(), "expected FROM or IN");
  s->variable = cursor_variable();
  if (!move) {
    if (s->returns_many) fail(ErrorCode::kFeatureNotSupported, "FETCH statement cannot return multiple rows", tokens_[at_ - 1].begin);
    expect("into");
    s->target = target_list();
  }
  expect(";");
  return s;
}

Target Compiler::target_list(size_t limit) {
  Target t;
  do {
    const Token& first = peek();
    std::vector<std::string> names{first.kind == TokenKind::kParam ? take().text : any_name()};
    const size_t after_first = at_;
    size_t used_tokens = at_;
    while (peek().is(".") && peek(1).name()) {
      take();
      names.push_back(take().text);
      used_tokens = at_;
    }
    Found v = lookup(names);
    if (v.variable < 0) fail(ErrorCode::kSyntaxError, "\"" + names[0] + "\" is not a known variable", first.begin);
    at_ = v.used == 1 ? after_first : used_tokens;
    check_assignable(v.variable, first.begin);
    const Variable& x = f_->variables[static_cast<size_t>(v.variable)];
    if (x.kind == Variable::Kind::kRecord && v.field.empty()) {
      if (t.variables.empty() && !peek().is(",")) {
        t.record = true;
      } else if (!t.variables.empty() || peek().is(",")) {
        fail(ErrorCode::kSyntaxError, t.variables.empty() ? "record variable cannot be part of multiple-item INTO list" : "\"" + names[0] + "\" is not a scalar variable", first.begin);
      }
    }
    t.variables.push_back(v.variable);
    t.fields.push_back(v.field);
  } while (t.variables.size() < limit && accept(","));
  return t;
}

Target Compiler::into_target(bool* strict) {
  if (strict != nullptr && accept("strict")) *strict = true;
  return target_list();
}

StatementPtr Compiler::execute_statement() {
  auto s = make(StatementKind::kExecute, peek().begin);
  take();
  s->expr = expression({"into", "using", ";"}, "INTO or USING or ;");
  for (;;) {
    if (accept("into")) {
      if (!s->target.empty()) syntax_error();
      s->target = into_target(&s->strict);
    } else if (accept("using")) {
      if (!s->params.empty()) syntax_error();
      s->params = using_list({";", "into"});
    } else {
      break;
    }
  }
  expect(";");
  return s;
}

StatementPtr Compiler::sql_statement() {
  auto s = make(StatementKind::kSql, peek().begin);
  const int begin = peek().begin;
  const bool import = peek().is("import");
  std::string text;
  int copied = begin, end = begin;
  const Token* previous = nullptr;
  int depth = 0;
  bool atomic = false;
  while (!(peek().is(";") && depth <= 0 && !atomic)) {
    const Token& t = peek();
    if (t.kind == TokenKind::kEnd) syntax_error_at(t, "unexpected end of function definition");
    if (t.is("(")) ++depth;
    if (t.is(")")) --depth;
    if (t.is("begin") && peek(1).is("atomic")) atomic = true;
    if (t.is("end") && atomic) atomic = false;
    if (t.is("into") && !import && previous != nullptr && !previous->is("insert") && !previous->is("merge")) {
      if (!s->target.empty()) fail(ErrorCode::kSyntaxError, "INTO specified more than once", t.begin);
      text += f_->source.substr(static_cast<size_t>(copied), static_cast<size_t>(t.begin - copied));
      const int into = t.begin;
      take();
      s->target = into_target(&s->strict);
      // Blanks keep the offsets of what follows.
      copied = end = peek().begin;
      text.append(static_cast<size_t>(copied - into), ' ');
      previous = nullptr;
      continue;
    }
    previous = &t;
    end = t.end;
    take();
  }
  text += f_->source.substr(static_cast<size_t>(copied), static_cast<size_t>(std::max(0, end - copied)));
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  expect(";");
  s->expr = statement_expression(std::move(text), begin);
  return s;
}

}  // namespace stele::sql::plpgsql
