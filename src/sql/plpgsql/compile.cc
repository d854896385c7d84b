// Declarations, names and the outline of a function. Statements are in compile_statements.cc.
#include "sql/binder/bind.h"
#include "sql/parser/pg.h"
#include "sql/plpgsql/compile_impl.h"

namespace stele::sql::plpgsql {

void Compiler::syntax_error_at(const Token& t, const char* message) const {
  const std::string source(f_->source);
  if (t.kind == TokenKind::kEnd) {
    throw Error(ErrorCode::kSyntaxError, std::string(message) + " at end of input").position(character_position(source, t.begin));
  }
  throw Error(ErrorCode::kSyntaxError, std::string(message) + " at or near \"" + source.substr(static_cast<size_t>(t.begin), static_cast<size_t>(t.end - t.begin)) + "\"")
      .position(character_position(source, t.begin));
}

void Compiler::fail(ErrorCode code, std::string message, int offset, std::string hint, std::string detail) const {
  throw Error(code, std::move(message)).hint(std::move(hint)).detail(std::move(detail)).position(offset < 0 ? 0 : character_position(f_->source, offset));
}

bool Compiler::reserved(const Token& t) {
  static const std::set<std::string_view> kWords = {"all", "begin", "by", "case", "declare", "else", "end", "execute", "for", "foreach", "from", "if",
                                                    "in", "into", "loop", "not", "null", "or", "strict", "then", "to", "using", "when", "while"};
  return t.kind == TokenKind::kWord && kWords.contains(t.text);
}

std::string Compiler::any_name() {
  if (!peek().name() || reserved(peek())) syntax_error();
  return take().text;
}

void Compiler::push_block(const std::string& label, bool loop, bool outermost) {
  auto n = std::make_shared<Name>();
  n->kind = Name::Kind::kBlock;
  n->name = label;
  n->loop = loop;
  n->outermost = outermost;
  n->previous = names_;
  names_ = n;
}

void Compiler::declare(int variable, const std::string& name) {
  auto n = std::make_shared<Name>();
  n->name = name;
  n->variable = variable;
  n->previous = names_;
  names_ = n;
}

int Compiler::add_variable(std::string name, Oid type, int32_t typmod, int line, Oid collation) {
  if (record_type(type)) return add_record(std::move(name), type, line);
  Variable v;
  v.name = std::move(name);
  v.type = type;
  v.typmod = typmod;
  v.line = line;
  const TypeRow* t = host_.view().find_type(type);
  v.collation = collation != 0 ? collation : t != nullptr ? t->collation : 0;
  v.by_value = host_.exec().eval->catalog != nullptr ? host_.exec().eval->catalog->type_facts(type).by_value : false;
  f_->variables.push_back(std::move(v));
  return static_cast<int>(f_->variables.size()) - 1;
}

int Compiler::add_record(std::string name, Oid type, int line) {
  Variable v;
  v.kind = Variable::Kind::kRecord;
  v.name = std::move(name);
  v.type = type;
  v.line = line;
  f_->variables.push_back(std::move(v));
  return static_cast<int>(f_->variables.size()) - 1;
}

bool Compiler::record_type(Oid type) {
  if (type == oid::kRecord) return true;
  return host_.view().is_composite(host_.view().base_type(type));
}

// Qualified names bind to the innermost variable, then to labelled blocks, as deep as they go.
Compiler::Found Compiler::lookup(const std::vector<std::string>& names) const {
  std::vector<const Name*> block;
  for (const Name* n = names_.get(); n != nullptr; n = n->previous.get()) {
    if (n->kind == Name::Kind::kVariable) {
      if (n->name == names[0]) {
        const Variable& v = f_->variables[static_cast<size_t>(n->variable)];
        if (v.kind == Variable::Kind::kRecord && names.size() > 1) return {n->variable, names[1], 2};
        return {n->variable, {}, 1};
      }
      block.push_back(n);
      continue;
    }
    if (names.size() > 1 && n->name == names[0] && !n->name.empty()) {
      for (const Name* b : block) {
        if (b->name != names[1]) continue;
        const Variable& v = f_->variables[static_cast<size_t>(b->variable)];
        if (v.kind == Variable::Kind::kRecord && names.size() > 2) return {b->variable, names[2], 3};
        return {b->variable, {}, 2};
      }
    }
    block.clear();
  }
  return {};
}

const Name* Compiler::find_label(const std::string& label) const {
  for (const Name* n = names_.get(); n != nullptr; n = n->previous.get())
    if (n->kind == Name::Kind::kBlock && n->name == label) return n;
  return nullptr;
}

// ---- expressions

size_t Compiler::end_of(std::initializer_list<std::string_view> until) const {
  int depth = 0, cases = 0;
  for (size_t i = at_; i < tokens_.size(); ++i) {
    const Token& t = tokens_[i];
    if (t.kind == TokenKind::kEnd) return i;
    if (depth == 0 && cases == 0)
      for (std::string_view u : until)
        if (t.is(u)) return i;
    if (t.is("(") || t.is("[")) ++depth;
    else if (t.is(")") || t.is("]")) --depth;
    // THEN, ELSE and WHEN inside an expression belong to its CASE.
    else if (t.is("case")) ++cases;
    else if (t.is("end") && cases > 0) --cases;
    else if (t.is(";") && depth <= 0) return i;
    if (depth < 0) syntax_error_at(t, "mismatched parentheses");
  }
  return tokens_.size() - 1;
}

ExprPtr Compiler::make_expression(int begin, int end, ExprMode mode) {
  auto e = std::make_shared<Expression>();
  while (end > begin && std::isspace(static_cast<unsigned char>(f_->source[static_cast<size_t>(end - 1)]))) --end;
  e->text = f_->source.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  e->offset = begin;
  e->mode = mode;
  e->names = names_;
  return e;
}

ExprPtr Compiler::expression(std::initializer_list<std::string_view> until, const char* expected, ExprMode mode) {
  const size_t stop = end_of(until);
  const Token& end = tokens_[stop];
  bool wanted = false;
  for (std::string_view u : until) wanted |= end.is(u);
  if (!wanted) {
    if (end.kind == TokenKind::kEnd || !end.is(";")) syntax_error_at(end);
    fail(ErrorCode::kSyntaxError, std::string("missing \"") + expected + "\" at end of SQL " + (mode == ExprMode::kStatement ? "statement" : "expression"), end.begin);
  }
  if (stop == at_) syntax_error_at(end, "missing expression");
  ExprPtr e = make_expression(peek().begin, tokens_[stop - 1].end, mode);
  at_ = stop;
  check(*e);
  return e;
}

ExprPtr Compiler::statement_expression(std::string text, int offset) {
  auto e = std::make_shared<Expression>();
  e->text = std::move(text);
  e->offset = offset;
  e->mode = ExprMode::kStatement;
  e->names = names_;
  check(*e);
  return e;
}

void Compiler::check(const Expression& e) {
  if (!sig_.validate) return;
  const bool bare = e.mode == ExprMode::kExpression;
  try {
    parse_sql(bare ? "SELECT " + e.text : e.text);
  } catch (const Error& error) {
    Error copy = error;
    int p = error.position();
    if (p > 0) copy.set_position(character_position(f_->source, e.offset) + p - 1 - (bare ? 7 : 0));
    throw copy;
  }
}

// ---- declarations

Compiler::DeclaredType Compiler::data_type() {
  const Token& first = peek();
  DeclaredType d;
  if (first.is("record") && !peek(1).is(".") && !peek(1).is("%")) {
    take();
    d.type = oid::kRecord;
    return d;
  }
  // name[.name[.name]]%TYPE or %ROWTYPE
  if (first.name()) {
    std::vector<std::string> names{first.text};
    size_t i = 1;
    while (peek(i).is(".") && peek(i + 1).name()) {
      names.push_back(peek(i + 1).text);
      i += 2;
    }
    if (peek(i).is("%") && (peek(i + 1).is("type") || peek(i + 1).is("rowtype"))) {
      const bool row = peek(i + 1).is("rowtype");
      const int offset = first.begin;
      at_ += i + 2;
      bool array = false;
      if (peek().is("[")) {
        take();
        if (peek().kind == TokenKind::kInteger) take();
        expect("]");
        array = true;
      }
      CatalogView& view = host_.view();
      auto find_table = [&](const std::string& schema, const std::string& name) { return view.find_relation(name, schema.empty() ? 0 : view.schema(schema)); };
      std::string shown = names[0];
      for (size_t k = 1; k < names.size(); ++k) shown += "." + names[k];
      if (row) {
        auto r = find_table(names.size() > 1 ? names[names.size() - 2] : "", names.back());
        if (r == nullptr) fail(ErrorCode::kUndefinedTable, "relation \"" + shown + "\" does not exist", -1);
        d.type = r->row_type;
        if (d.type == 0) fail(ErrorCode::kWrongObjectType, "relation \"" + r->name + "\" does not have a composite type", -1);
      } else {
        Found v = lookup(names);
        if (v.variable >= 0 && v.used == names.size() && v.field.empty()) {
          const Variable& x = f_->variables[static_cast<size_t>(v.variable)];
          d.type = x.type;
          d.typmod = x.typmod;
          d.collation = x.collation;
        } else {
          if (names.size() < 2) fail(ErrorCode::kSyntaxError, "syntax error at or near \"%\"", offset + static_cast<int>(first.text.size()));
          const std::string column = names.back();
          const std::string table = names[names.size() - 2], schema = names.size() > 2 ? names[names.size() - 3] : "";
          auto r = find_table(schema, table);
          if (r == nullptr) fail(ErrorCode::kUndefinedTable, "relation \"" + (schema.empty() ? table : schema + "." + table) + "\" does not exist", -1);
          const catalog::Column* c = r->column(column);
          if (c == nullptr || c->dropped) fail(ErrorCode::kUndefinedColumn, "column \"" + column + "\" of relation \"" + r->name + "\" does not exist", -1);
          d.type = c->type;
          d.typmod = c->typmod;
          d.collation = c->collation;
        }
      }
      if (array) {
        d.type = view.type(d.type).array;
        d.typmod = -1;
      }
      return d;
    }
  }
  size_t stop = end_of({";", ":=", "=", "default", "collate", "not", ",", ")"});
  if (stop == at_) {
    if (peek().is(";") || peek().kind == TokenKind::kEnd) syntax_error_at(peek(), "missing data type declaration");
    syntax_error();
  }
  const int begin = peek().begin, end = tokens_[stop - 1].end;
  const std::string text = f_->source.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  at_ = stop;
  try {
    const ResolvedType r = parse_type_string(text, host_.bind_context(text));
    d.type = r.type;
    d.typmod = r.typmod;
  } catch (const Error& e) {
    Error copy = e;
    copy.set_position(character_position(f_->source, begin) + std::max(0, e.position() - 1));
    throw copy;
  }
  const TypeRow& t = host_.view().type(d.type);
  if (t.typtype == 'p' && d.type != oid::kRecord && d.type != oid::kAnyElement && d.type != oid::kAnyArray) {
    fail(ErrorCode::kFeatureNotSupported, "variable \"" + std::string() + "\" has pseudo-type " + host_.view().format_type(d.type), -1);
  }
  return d;
}

void Compiler::cursor_declaration(const std::string& name, int line, bool scroll, bool no_scroll, std::vector<int>& locals) {
  const int v = add_variable(name, oid::kRefcursor, -1, line);
  std::vector<int> args;
  const Names before = names_;
  if (accept("(")) {
    push_block("", false);
    do {
      const std::string arg = any_name();
      DeclaredType t = data_type();
      const int a = add_variable(arg, t.type, t.typmod, line, t.collation);
      declare(a, arg);
      args.push_back(a);
    } while (accept(","));
    expect(")");
  }
  if (!accept("is") && !accept("for")) syntax_error();
  ExprPtr query = expression({";"}, ";", ExprMode::kStatement);
  expect(";");
  names_ = before;
  Variable& x = f_->variables[static_cast<size_t>(v)];
  x.cursor_query = query;
  x.cursor_args = args;
  x.is_cursor = true;
  x.scroll = scroll;
  x.no_scroll = no_scroll;
  x.declared = true;
  declare(v, name);
  locals.push_back(v);
}

// plpgsql.extra_warnings and extra_errors can ask for it while a function is created.
void Compiler::check_shadowing(const std::string& name, int offset) {
  if (!sig_.validate || sig_.oid == 0) return;
  const bool error = extra_check(host_, "plpgsql.extra_errors", "shadowed_variables");
  if (!error && !extra_check(host_, "plpgsql.extra_warnings", "shadowed_variables")) return;
  for (const Name* n = names_.get(); n != nullptr; n = n->previous.get()) {
    if (n->kind != Name::Kind::kVariable || n->name != name) continue;
    const std::string message = "variable \"" + name + "\" shadows a previously defined variable";
    if (error) fail(ErrorCode::kDuplicateAlias, message, offset);
    Error warning(ErrorCode::kDuplicateAlias, message);
    warning.set_position(character_position(f_->source, offset));
    f_->warnings.push_back(warning);
    return;
  }
}

bool extra_check(UtilityHost& host, const char* setting, std::string_view check) {
  const auto value = host.exec().eval->setting ? host.exec().eval->setting(setting) : std::nullopt;
  return value && (*value == "all" || value->find(check) != std::string::npos);
}

void Compiler::declaration(std::vector<int>& locals) {
  const Token& first = peek();
  const int line = line_of(f_->source, first.begin);
  if (!first.name() || reserved(first)) syntax_error();
  const std::string name = take().text;
  for (const Name* n = names_.get(); n != nullptr && n->kind == Name::Kind::kVariable; n = n->previous.get())
    if (n->name == name) fail(ErrorCode::kSyntaxError, "duplicate declaration at or near \"" + name + "\"", first.begin);
  check_shadowing(name, first.begin);
  if (accept("alias")) {
    expect("for");
    std::vector<std::string> names{take().text};
    while (accept(".")) names.push_back(take().text);
    Found v = lookup(names);
    if (v.variable < 0) fail(ErrorCode::kUndefinedObject, "variable \"" + names[0] + "\" does not exist", -1);
    expect(";");
    declare(v.variable, name);
    return;
  }
  bool scroll = false, no_scroll = false;
  if (peek().is("no") && peek(1).is("scroll") && peek(2).is("cursor")) at_ += 2, no_scroll = true;
  else if (peek().is("scroll") && peek(1).is("cursor")) ++at_, scroll = true;
  if (accept("cursor")) return cursor_declaration(name, line, scroll, no_scroll, locals);
  const bool constant = accept("constant");
  DeclaredType t = data_type();
  if (accept("collate")) {
    std::vector<std::string> names{take().text};
    while (accept(".")) names.push_back(take().text);
    t.collation = resolve_collation(names, host_.bind_context(f_->source));
  }
  bool not_null = false;
  const int not_offset = peek().begin;
  if (accept("not")) {
    expect("null");
    not_null = true;
  }
  ExprPtr initial;
  if (accept(":=") || accept("=") || accept("default")) initial = expression({";"}, ";");
  expect(";");
  const int v = add_variable(name, t.type, t.typmod, line, t.collation);
  Variable& x = f_->variables[static_cast<size_t>(v)];
  x.constant = constant;
  x.not_null = not_null;
  x.initial = initial;
  x.declared = true;
  if (not_null && initial == nullptr)
    fail(ErrorCode::kNullValueNotAllowed, "variable \"" + name + "\" must have a default value, since it's declared NOT NULL", not_offset);
  declare(v, name);
  locals.push_back(v);
}

// ---- the function

FunctionPtr Compiler::run() {
  f_->name = sig_.name;
  f_->oid = sig_.oid;
  f_->source = sig_.source;
  f_->result = sig_.result;
  f_->returns_set = sig_.returns_set;
  f_->is_procedure = sig_.is_procedure;
  f_->is_trigger = sig_.is_trigger;
  f_->is_event_trigger = sig_.is_event_trigger;
  f_->signature = sig_.name;
  if (sig_.oid != 0 || sig_.name != "inline_code_block") {
    f_->signature += "(";
    for (size_t i = 0; i < sig_.args.size(); ++i) f_->signature += (i == 0 ? "" : ",") + host_.view().format_type(sig_.args[i]);
    f_->signature += ")";
  }
  push_block(sig_.name, false, true);
  const std::vector<Oid>& all = sig_.all_args.empty() ? sig_.args : sig_.all_args;
  size_t input = 0;
  std::vector<std::pair<int, std::string>> outs;
  for (size_t i = 0; i < all.size(); ++i) {
    const char mode = sig_.modes.empty() ? 'i' : sig_.modes[i];
    const bool in = mode == 'i' || mode == 'b' || mode == 'v', out = mode == 'o' || mode == 'b' || mode == 't';
    Oid type = all[i];
    if (in && input < sig_.args.size()) type = sig_.args[input++];
    const std::string number = "$" + std::to_string(i + 1);
    const std::string name = i < sig_.names.size() ? sig_.names[i] : "";
    const int v = add_variable(name.empty() ? number : name, type, -1, 0);
    declare(v, number);
    if (!name.empty()) declare(v, name);
    if (in) f_->arguments.push_back(v);
    if (out) {
      f_->out_variables.push_back(v);
      f_->result_columns.push_back({name, {name.empty() ? "column" + std::to_string(f_->out_variables.size()) : name, type, -1}});
    }
  }
  if (sig_.is_trigger) {
    const Oid row = sig_.trigger_table == nullptr ? Oid{oid::kRecord} : sig_.trigger_table->row_type;
    f_->new_record = add_record("new", row == 0 ? Oid{oid::kRecord} : row, 0);
    declare(f_->new_record, "new");
    f_->old_record = add_record("old", row == 0 ? Oid{oid::kRecord} : row, 0);
    declare(f_->old_record, "old");
    static const std::pair<const char*, Oid> kVariables[] = {
        {"tg_name", oid::kName}, {"tg_when", oid::kText}, {"tg_level", oid::kText}, {"tg_op", oid::kText}, {"tg_relid", oid::kOid},
        {"tg_relname", oid::kName}, {"tg_table_name", oid::kName}, {"tg_table_schema", oid::kName}, {"tg_nargs", oid::kInt4},
        {"tg_argv", oid::kTextArray}};
    for (const auto& [name, type] : kVariables) {
      const int v = add_variable(name, type, -1, 0);
      f_->trigger_variables[name] = v;
      declare(v, name);
    }
  } else if (sig_.is_event_trigger) {
    for (const char* name : {"tg_event", "tg_tag"}) {
      const int v = add_variable(name, oid::kText, -1, 0);
      f_->trigger_variables[name] = v;
      declare(v, name);
    }
  }
  f_->found = add_variable("found", oid::kBool, -1, 0);
  declare(f_->found, "found");
  f_->result_is_composite = !f_->is_trigger && (f_->result == oid::kRecord || host_.view().is_composite(host_.view().base_type(f_->result)));
  tokens_ = scan(f_->source);
  while (accept("#")) {
    if (accept("option")) {
      take();
    } else if (accept("print_strict_params")) {
      f_->print_strict_params = take().text == "on";
    } else if (accept("variable_conflict")) {
      const std::string how = take().text;
      if (how == "error") f_->conflict = Function::Conflict::kError;
      else if (how == "use_variable") f_->conflict = Function::Conflict::kVariable;
      else if (how == "use_column") f_->conflict = Function::Conflict::kColumn;
      else syntax_error();
    } else {
      syntax_error();
    }
  }
  std::string label;
  if (accept("<<")) {
    label = any_name();
    expect(">>");
  }
  if (!peek().is("declare") && !peek().is("begin")) syntax_error();
  f_->block = block(label);
  accept(";");
  if (peek().kind != TokenKind::kEnd) syntax_error();
  return f_;
}

FunctionPtr compile(const Signature& signature, UtilityHost& host) {
  Compiler c(signature, host);
  try {
    return c.run();
  } catch (const Error& e) {
    // An error with a place in CREATE FUNCTION's text says where it is by that.
    if (signature.validate && e.position() > 0) throw;
    Error copy = e;
    std::string where = e.context();
    where += (where.empty() ? "" : "\n") + std::string("compilation of PL/pgSQL function \"") + signature.name + "\" near line " + std::to_string(c.line());
    copy.set_context(where);
    throw copy;
  }
}

}  // namespace stele::sql::plpgsql
