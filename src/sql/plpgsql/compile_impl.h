// The parser of PL/pgSQL bodies, inner to this folder. Follows the grammar of PostgreSQL's documentation.
#pragma once

#include <set>

#include "base/error.h"
#include "sql/plpgsql/ast.h"
#include "sql/plpgsql/scanner.h"
#include "types/oids.h"

namespace stele::sql::plpgsql {

inline std::string upper_word(std::string s) {
  for (char& c : s) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return s;
}

class Compiler {
 public:
  Compiler(const Signature& s, UtilityHost& host) : sig_(s), host_(host), f_(std::make_shared<Function>()) {}
  FunctionPtr run();
  int line() const { return line_of(f_->source, tokens_.empty() ? 0 : peek().begin); }

 private:
  // Tokens
  const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  const Token& take() { return tokens_[at_ < tokens_.size() - 1 ? at_++ : at_]; }
  bool accept(std::string_view w) { return peek().is(w) ? (take(), true) : false; }
  void expect(std::string_view w) { if (!accept(w)) syntax_error(); }
  [[noreturn]] void syntax_error(const char* message = "syntax error") const { syntax_error_at(peek(), message); }
  [[noreturn]] void syntax_error_at(const Token& t, const char* message = "syntax error") const;
  [[noreturn]] void fail(ErrorCode code, std::string message, int offset, std::string hint = {}, std::string detail = {}) const;
  std::string any_name();
  static bool reserved(const Token& t);

  // Names and variables
  void push_block(const std::string& label, bool loop, bool outermost = false);
  void declare(int variable, const std::string& name);
  int add_variable(std::string name, Oid type, int32_t typmod, int line, Oid collation = 0);
  int add_record(std::string name, Oid type, int line);
  struct Found { int variable = -1; std::string field; size_t used = 0; };
  Found lookup(const std::vector<std::string>& names) const;
  const Name* find_label(const std::string& label) const;

  // Expressions: text up to one of the words at nesting depth 0, which stays unread
  ExprPtr expression(std::initializer_list<std::string_view> until, const char* expected, ExprMode mode = ExprMode::kExpression);
  ExprPtr make_expression(int begin, int end, ExprMode mode);
  ExprPtr statement_expression(std::string text, int offset);
  void check(const Expression& e);
  size_t end_of(std::initializer_list<std::string_view> until) const;

  // Declarations
  void declarations();
  void declaration(std::vector<int>& locals);
  void check_shadowing(const std::string& name, int offset);
  struct DeclaredType { Oid type = 0; int32_t typmod = -1; Oid collation = 0; };
  DeclaredType data_type();
  void cursor_declaration(const std::string& name, int line, bool scroll, bool no_scroll, std::vector<int>& locals);
  bool record_type(Oid type);

  // Statements
  StatementPtr block(const std::string& label);
  Body statements();
  StatementPtr statement();
  StatementPtr make(StatementKind k, int offset) {
    auto s = std::make_unique<Statement>();
    s->kind = k;
    s->line = line_of(f_->source, offset);
    return s;
  }
  StatementPtr if_statement();
  StatementPtr case_statement();
  StatementPtr loop_statement(const std::string& label);
  StatementPtr while_statement(const std::string& label);
  StatementPtr for_statement(const std::string& label);
  StatementPtr foreach_statement(const std::string& label);
  void loop_body(Statement& s);
  StatementPtr exit_statement();
  StatementPtr return_statement();
  StatementPtr raise_statement();
  StatementPtr get_diagnostics();
  StatementPtr open_statement();
  StatementPtr fetch_statement(bool move);
  StatementPtr execute_statement();
  StatementPtr sql_statement();
  StatementPtr assignment(const Found& target);
  bool starts_assignment(Found* target);
  Target into_target(bool* strict);
  Target target_list(size_t limit = SIZE_MAX);
  void check_assignable(int variable, int offset) const;
  void handlers(Statement& block);
  std::vector<std::string> condition();
  int cursor_variable();
  void end_label(const std::string& label);
  std::vector<ExprPtr> using_list(std::initializer_list<std::string_view> more);

  const Signature& sig_;
  UtilityHost& host_;
  FunctionPtr f_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  Names names_;
  int loop_depth_ = 0;
};

}  // namespace stele::sql::plpgsql
