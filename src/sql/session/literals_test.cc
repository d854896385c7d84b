#include "sql/session/literals.h"

#include <gtest/gtest.h>

namespace stele::sql {
namespace {

// "sql|literals", or "-" for a text that has no such form.
std::string stripped(std::string_view text) {
  StrippedText t;
  if (!strip_literals(text, &t)) return "-";
  std::string out(t.sql());
  out += "|" + t.key.substr(t.key.find('\0') + 1);
  for (const Literal& l : t.literals) out += " " + (l.kind == Literal::Kind::kString ? l.text : std::to_string(l.number));
  return out;
}

TEST(Literals, WhatIsTakenOut) {
  const std::pair<const char*, const char*> kCases[] = {
      {"SELECT a FROM t WHERE id = 42;", "SELECT a FROM t WHERE id = $1;|i 42"},
      {"select a1 from t2 where a1=7", "select a1 from t2 where a1=$1|i 7"},
      {"UPDATE t SET b = b + -12 WHERE id = 3", "UPDATE t SET b = b + $1 WHERE id = $2|ii -12 3"},
      {"INSERT INTO t VALUES (-1,-2, 'it''s', 3)", "INSERT INTO t VALUES ($1,$2, $3, $4)|iisi -1 -2 it's 3"},
      {"x = 2147483647 or x = 2147483648", "x = $1 or x = $2|il 2147483647 2147483648"},
      {"x = -2147483648", "x = $1|i -2147483648"},
      {"x = 9223372036854775807", "x = $1|l 9223372036854775807"},
      {"\"a 1\" = 1", "\"a 1\" = $1|i 1"},
      // A sign that may be an operator stays one, so does one that a cast would leave behind.
      {"x -5", "x -$1|i 5"},
      {"x = a -5", "x = a -$1|i 5"},
      {"x=-5", "x=-$1|i 5"},
      {"x @>-5", "x @>-$1|i 5"},
      {"(-5::text)", "-"},
      {"5::text", "$1::text|i 5"},
  };
  for (const auto& [text, expected] : kCases) EXPECT_EQ(stripped(text), expected) << text;
}

TEST(Literals, WhatIsLeftAlone) {
  for (const char* text : {"SELECT 1.5", "SELECT .5", "SELECT 1e3", "SELECT 0x1f", "SELECT 1_000", "SELECT 9223372036854775808", "SELECT E'a'", "SELECT b'1'",
                           "SELECT U&'a'", "SELECT u&\"a\"", "SELECT date'2020-01-01'", "SELECT 'a\\b'", "SELECT 'a", "SELECT \"a", "SELECT $1", "SELECT $$a$$",
                           "SELECT 1 -- x", "SELECT 1 /* x */", "SELECT a FROM t", "", "SELECT 1..2"}) {
    EXPECT_EQ(stripped(text), "-") << text;
  }
  EXPECT_EQ(stripped(std::string(5000, ' ') + "1"), "-");
}

}  // namespace
}  // namespace stele::sql
