// The bridge to PostgreSQL's own grammar. Text in, libpg_query's parse tree out, with its nesting
// bounded before the parser sees it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct PgQuery__Node;

namespace stele::sql {

// One statement of a text. The node lives as long as its tree.
struct RawStatement {
  const PgQuery__Node* node = nullptr;
  int location = 0;  // byte offset in the text
  int length = 0;    // 0: to the end
};

struct ParseTree {
  std::string text;
  std::vector<RawStatement> statements;
  bool deep = false;  // nested so far that work on it belongs on a large stack (run_on_large_stack)
  std::shared_ptr<void> owner;
  std::string_view statement_text(const RawStatement& s) const;
};
using ParseTreePtr = std::shared_ptr<const ParseTree>;

// Throws syntax_error with its position, and statement_too_complex for absurd nesting. Any thread.
ParseTreePtr parse_sql(std::string_view text);

// How deep the text nests, by a scan that knows quoting and comments.
struct Nesting { int parentheses = 0; int chain = 0; };
Nesting measure_nesting(std::string_view text);

// Runs f on a thread with a stack of half a gigabyte and waits; exceptions pass through.
void run_on_large_stack(const std::function<void()>& f);

[[noreturn]] void throw_too_complex();
// Throws statement_too_complex when little of this thread's stack is left.
void check_stack_depth();

// 1-based character position of a byte offset, as error messages count it; 0 for a negative one.
int character_position(std::string_view text, int byte_offset);

}  // namespace stele::sql
