#include "sql/parser/parser.h"

#include <pg_query.h>
#include <pthread.h>

#include "base/error.h"
#include "sql/parser/pg.h"

namespace stele::sql {
namespace {

// Beyond these the text is refused; PostgreSQL's own limit (max_stack_depth of 2 MB) is near them.
constexpr int kMaxParentheses = 4500;
constexpr int kMaxChain = 12000;
// Beyond these the statement is worked on with a large stack.
constexpr int kDeepParentheses = 100;
constexpr int kDeepChain = 400;

bool is_identifier_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool is_identifier(char c) { return is_identifier_start(c) || (c >= '0' && c <= '9') || c == '$'; }
bool is_operator(char c) { return std::strchr("+-*/<>=~!@#%^&|`?:", c) != nullptr && c != '\0'; }

// Words that add a level to an expression or query tree without a parenthesis. AND and OR are
// flattened by the grammar.
bool is_nesting_word(std::string_view word) {
  char buf[12];
  if (word.size() > 11 || word.size() < 2) return false;
  for (size_t i = 0; i < word.size(); ++i) buf[i] = static_cast<char>(word[i] | 0x20);
  std::string_view w(buf, word.size());
  static constexpr std::string_view kWords[] = {"is", "not", "collate", "at", "like", "ilike", "similar", "between", "in",
      "union", "except", "intersect", "join", "case", "isnull", "notnull", "overlaps", "explain", "when"};
  for (std::string_view k : kWords)
    if (k == w) return true;
  return false;
}

ErrorCode code_of(std::string_view message) {
  auto has = [&](std::string_view s) { return message.find(s) != std::string_view::npos; };
  if (has("not implemented") || has("not yet supported") || has("is not supported") || has("are not supported"))
    return ErrorCode::kFeatureNotSupported;
  if (message.starts_with("frame ")) return ErrorCode::kWindowingError;
  if (has("memory exhausted")) return ErrorCode::kStatementTooComplex;
  if (has("invalid Unicode")) return ErrorCode::kSyntaxError;
  if (has("invalid byte sequence")) return ErrorCode::kCharacterNotInRepertoire;
  return ErrorCode::kSyntaxError;
}

struct Large {
  const std::function<void()>* f;
  std::exception_ptr error;
};

thread_local const char* stack_low = nullptr;

void find_stack() {
  pthread_attr_t attr;
  void* base = nullptr;
  size_t size = 0;
  stack_low = reinterpret_cast<const char*>(1);
  if (pthread_getattr_np(pthread_self(), &attr) == 0) {
    if (pthread_attr_getstack(&attr, &base, &size) == 0) stack_low = static_cast<const char*>(base);
    pthread_attr_destroy(&attr);
  }
}

ParseTreePtr parse_here(std::string_view text, bool deep) {
  auto tree = std::make_shared<ParseTree>();
  tree->text = std::string(text);
  tree->deep = deep;
  if (size_t nul = tree->text.find('\0'); nul != std::string::npos)
    throw Error(ErrorCode::kCharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0x00");
  PgQueryProtobufParseResult r = pg_query_parse_protobuf(tree->text.c_str());
  if (r.error != nullptr) {
    std::string message = r.error->message;
    int position = r.error->cursorpos;
    pg_query_free_protobuf_parse_result(r);
    if (message.starts_with("memory exhausted") || message.find("stack depth limit") != std::string::npos) throw_too_complex();
    std::string hint;  // libpg_query keeps the message only
    if (message == "subquery in FROM must have an alias") hint = "For example, FROM (SELECT ...) [AS] foo.";
    else if (message == "VALUES in FROM must have an alias") hint = "For example, FROM (VALUES ...) [AS] foo.";
    else if (message == "LIMIT #,# syntax is not supported") hint = "Use separate LIMIT and OFFSET clauses.";
    if (static constexpr std::string_view kJunk = "trailing junk after numeric literal at or near \""; message.starts_with(kJunk) && position > 0) {
      // The scanner stops at the first character of the junk; what is shown is the whole of it.
      size_t from = 0;
      for (int seen = 1; from < tree->text.size() && seen < position; ++seen)
        do ++from; while (from < tree->text.size() && (static_cast<uint8_t>(tree->text[from]) & 0xc0) == 0x80);
      size_t to = from;
      while (to < tree->text.size() && (std::isalnum(static_cast<unsigned char>(tree->text[to])) || tree->text[to] == '_' || tree->text[to] == '.' || tree->text[to] == '$')) ++to;
      if (to > from) message = std::string(kJunk) + tree->text.substr(from, to - from) + "\"";
    }
    if (message == "invalid Unicode escape" && position > 0) {
      const std::string_view at = std::string_view(tree->text).substr(std::min(tree->text.size(), static_cast<size_t>(position) - 1), 2);
      hint = at == "\\u" || at == "\\U" ? "Unicode escapes must be \\uXXXX or \\UXXXXXXXX." : "Unicode escapes must be \\XXXX or \\+XXXXXX.";
    }
    throw Error(code_of(message), message).hint(hint).position(position);
  }
  auto* parsed = pg_query__parse_result__unpack(nullptr, r.parse_tree.len, reinterpret_cast<const uint8_t*>(r.parse_tree.data));
  pg_query_free_protobuf_parse_result(r);
  if (parsed == nullptr) throw Error(ErrorCode::kOutOfMemory, "out of memory");
  tree->owner = std::shared_ptr<void>(parsed, [deep](void* p) {
    auto release = [p] { pg_query__parse_result__free_unpacked(static_cast<PgQuery__ParseResult*>(p), nullptr); };
    if (deep) run_on_large_stack(release);
    else release();
  });
  for (size_t i = 0; i < parsed->n_stmts; ++i) {
    const PgQuery__RawStmt* s = parsed->stmts[i];
    if (s->stmt != nullptr) tree->statements.push_back({s->stmt, s->stmt_location, s->stmt_len});
  }
  return tree;
}

}  // namespace

std::string_view ParseTree::statement_text(const RawStatement& s) const {
  std::string_view t = std::string_view(text).substr(static_cast<size_t>(s.location));
  if (s.length > 0) t = t.substr(0, static_cast<size_t>(s.length));
  while (!t.empty() && std::isspace(static_cast<unsigned char>(t.front()))) t.remove_prefix(1);
  while (!t.empty() && std::isspace(static_cast<unsigned char>(t.back()))) t.remove_suffix(1);
  return t;
}

[[noreturn]] void throw_too_complex() {
  throw Error(ErrorCode::kStatementTooComplex, "stack depth limit exceeded")
      .hint("Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), after ensuring the platform's stack "
            "depth limit is adequate.");
}

void check_stack_depth() {
  char here;
  if (stack_low == nullptr) find_stack();
  if (&here < stack_low + (256 << 10)) throw_too_complex();
}

Nesting measure_nesting(std::string_view s) {
  Nesting n;
  std::vector<int> chains{0};
  int total = 0;  // chain links on the whole path from the outermost level
  size_t i = 0;
  auto link = [&] {
    ++chains.back();
    n.chain = std::max(n.chain, ++total);
  };
  auto reset = [&] {
    total -= chains.back();
    chains.back() = 0;
  };
  while (i < s.size()) {
    char c = s[i];
    if (c == '\'') {
      bool escapes = i > 0 && (s[i - 1] == 'e' || s[i - 1] == 'E') && (i < 2 || !is_identifier(s[i - 2]));
      for (++i; i < s.size(); ++i) {
        if (escapes && s[i] == '\\') ++i;
        else if (s[i] == '\'') { if (i + 1 < s.size() && s[i + 1] == '\'') ++i; else break; }
      }
      ++i;
    } else if (c == '"') {
      size_t end = s.find('"', i + 1);
      i = end == std::string_view::npos ? s.size() : end + 1;
    } else if (c == '-' && i + 1 < s.size() && s[i + 1] == '-') {
      size_t end = s.find('\n', i);
      i = end == std::string_view::npos ? s.size() : end;
    } else if (c == '/' && i + 1 < s.size() && s[i + 1] == '*') {
      int depth = 1;
      for (i += 2; i < s.size() && depth > 0; ++i) {
        if (s[i] == '/' && i + 1 < s.size() && s[i + 1] == '*') { ++depth; ++i; }
        else if (s[i] == '*' && i + 1 < s.size() && s[i + 1] == '/') { --depth; ++i; }
      }
    } else if (c == '$' && (i == 0 || !is_identifier(s[i - 1]))) {
      size_t end = i + 1;
      if (end < s.size() && !(s[end] >= '0' && s[end] <= '9'))
        while (end < s.size() && is_identifier(s[end]) && s[end] != '$') ++end;
      if (end < s.size() && s[end] == '$') {
        std::string_view tag = s.substr(i, end - i + 1);
        size_t close = s.find(tag, end + 1);
        i = close == std::string_view::npos ? s.size() : close + tag.size();
      } else {
        ++i;
      }
    } else if (c == '(' || c == '[') {
      if (c == '[') link();
      chains.push_back(0);
      n.parentheses = std::max(n.parentheses, static_cast<int>(chains.size()) - 1);
      ++i;
    } else if (c == ')' || c == ']') {
      if (chains.size() > 1) {
        total -= chains.back();
        chains.pop_back();
      }
      ++i;
    } else if (c == ',' || c == ';') {
      reset();
      ++i;
    } else if (is_identifier_start(c)) {
      size_t start = i;
      while (i < s.size() && is_identifier(s[i])) ++i;
      std::string_view word = s.substr(start, i - start);
      if (is_nesting_word(word)) link();
      else if (word.size() >= 2 && word.size() <= 3) {
        char a = static_cast<char>(word[0] | 0x20), b = static_cast<char>(word[1] | 0x20);
        if (word.size() == 2 ? (a == 'o' && b == 'r') : (a == 'a' && b == 'n' && (word[2] | 0x20) == 'd')) reset();
      }
    } else if (is_operator(c)) {
      // Signs may be written without spaces between: "- - 1" and "--1" differ, "+-+-1" nests four.
      while (i < s.size() && is_operator(s[i]) && !(s[i] == '-' && i + 1 < s.size() && s[i + 1] == '-') &&
             !(s[i] == '/' && i + 1 < s.size() && s[i + 1] == '*'))
        ++i;
      link();
      if (i < s.size() && (s[i] == '-' || s[i] == '/') && is_operator(s[i]) && i + 1 < s.size() &&
          !(s[i + 1] == '-' || s[i + 1] == '*'))
        ++i;
    } else {
      ++i;
    }
  }
  return n;
}

void run_on_large_stack(const std::function<void()>& f) {
  Large job{&f, nullptr};
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, size_t{512} << 20);
  pthread_t thread;
  int rc = pthread_create(&thread, &attr, [](void* p) -> void* {
    auto* job = static_cast<Large*>(p);
    try {
      (*job->f)();
    } catch (...) {
      job->error = std::current_exception();
    }
    return nullptr;
  }, &job);
  pthread_attr_destroy(&attr);
  if (rc != 0) throw_too_complex();
  pthread_join(thread, nullptr);
  if (job.error) std::rethrow_exception(job.error);
}

ParseTreePtr parse_sql(std::string_view text) {
  Nesting n = measure_nesting(text);
  if (n.parentheses > kMaxParentheses || n.chain > kMaxChain) throw_too_complex();
  bool deep = n.parentheses > kDeepParentheses || n.chain > kDeepChain;
  if (!deep) return parse_here(text, false);
  ParseTreePtr tree;
  run_on_large_stack([&] { tree = parse_here(text, true); });
  return tree;
}

int character_position(std::string_view text, int byte_offset) {
  if (byte_offset < 0) return 0;
  int n = 1;
  for (size_t i = 0; i < static_cast<size_t>(byte_offset) && i < text.size(); ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) ++n;
  return n;
}

}  // namespace stele::sql
