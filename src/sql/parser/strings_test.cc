#include "sql/parser/strings.h"

#include <gtest/gtest.h>

namespace stele::sql {
namespace {

struct Case { const char *text, *plain; std::vector<std::string> warnings; };

// The plain text has every other token where it was; warnings are "position: first words".
TEST(WithoutEscapes, KeepsOffsets) {
  const Case cases[] = {
      {"SELECT 1", "SELECT 1", {}},
      {"SELECT 'a''b', 2", "SELECT 'a''b', 2", {}},
      {R"(SELECT 'a\\b', 2)", R"(SELECT 'a\b' , 2)", {R"(8: nonstandard use of \\ in a string literal)"}},
      {R"(SELECT 'it\'s' x)", "SELECT 'it''s' x", {R"(8: nonstandard use of \' in a string literal)"}},
      {R"(SELECT 'a\tb\\c')", "SELECT 'a\tb\\c'  ", {"8: nonstandard use of escape in a string literal"}},
      {R"(SELECT '\101\x42\q' y)", "SELECT 'ABq'        y", {"8: nonstandard use of escape in a string literal"}},
      {R"(SELECT E'a\\b', B'10')", R"(SELECT E'a\\b', B'10')", {}},
      {R"(SELECT $$a\b$$, $x$'\$x$)", R"(SELECT $$a\b$$, $x$'\$x$)", {}},
      {R"(-- it's \
SELECT "a\b", '\\')", "-- it's \\\nSELECT \"a\\b\", '\\' ", {R"(25: nonstandard use of \\ in a string literal)"}},
      {R"(/* ' /* \ */ ' */ SELECT 'x\y')", "/* ' /* \\ */ ' */ SELECT 'xy' ", {"26: nonstandard use of escape in a string literal"}},
      {R"(SELECT 'open\)", R"(SELECT 'open\)", {}},
  };
  for (const Case& c : cases) {
    std::vector<std::string> warnings;
    EXPECT_EQ(without_escapes(c.text, [&](const Error& e) { warnings.push_back(std::to_string(e.position()) + ": " + e.message()); }), c.plain) << c.text;
    EXPECT_EQ(warnings, c.warnings) << c.text;
    EXPECT_EQ(std::string_view(c.text).size(), std::string_view(c.plain).size()) << c.text;
  }
}

TEST(WithoutEscapes, RefusesUnicodeEscapes) {
  try {
    without_escapes("SELECT u&'d\\0061'", [](const Error&) {});
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "unsafe use of string constant with Unicode escapes");
    EXPECT_EQ(e.position(), 8);
  }
  EXPECT_EQ(without_escapes("SELECT 1 AS u&\"x\"", [](const Error&) {}), "SELECT 1 AS u&\"x\"");
}

}  // namespace
}  // namespace stele::sql
