#include "sql/parser/parser.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace stele::sql {
namespace {

std::string repeat(std::string_view s, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += s;
  return out;
}

std::string code_of(const std::string& text) {
  try {
    parse_sql(text);
    return "ok";
  } catch (const Error& e) {
    return std::string(e.sqlstate());
  }
}

TEST(Parser, Statements) {
  auto t = parse_sql("SELECT 1;  SELECT 'a;b' ; ");
  ASSERT_EQ(t->statements.size(), 2u);
  EXPECT_EQ(t->statement_text(t->statements[0]), "SELECT 1");
  EXPECT_EQ(t->statement_text(t->statements[1]), "SELECT 'a;b'");
  EXPECT_TRUE(parse_sql("  ")->statements.empty());
}

TEST(Parser, Errors) {
  try {
    parse_sql("SELECT é FROM WHERE");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "syntax error at or near \"WHERE\"");
    EXPECT_EQ(e.position(), 15);
    EXPECT_EQ(e.sqlstate(), "42601");
  }
}

TEST(Parser, AbsurdTexts) {
  EXPECT_EQ(code_of("SELECT 1" + repeat("+1", 1000000)), "54001");
  EXPECT_EQ(code_of("SELECT " + repeat("(", 10000) + "1" + repeat(")", 10000)), "54001");
  EXPECT_EQ(code_of("SELECT " + repeat("(", 3000) + "1" + repeat(")", 3000)), "ok");
  EXPECT_EQ(code_of("SELECT 1" + repeat("+1", 10000)), "ok");
  EXPECT_EQ(code_of("SELECT true" + repeat(" AND a = 1", 100000)), "ok");
  EXPECT_EQ(code_of("SELECT " + repeat("NOT ", 100000) + "true"), "54001");
  EXPECT_EQ(code_of("SELECT 1" + repeat(" UNION SELECT 1", 50000)), "54001");
  EXPECT_EQ(code_of("SELECT 1 IN (1" + repeat(",1", 100000) + ")"), "ok");
  EXPECT_EQ(code_of("SELECT " + repeat("- ", 100000) + "1"), "54001");
  EXPECT_EQ(measure_nesting("SELECT $q$((($q$, 'it''s ((', E'\\'((', \"((\" -- ((\n /* (( /* */ ( */").parentheses, 0);
}

}  // namespace
}  // namespace stele::sql
