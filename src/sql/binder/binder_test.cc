// Statements bound and printed back, or refused, as PostgreSQL 15 does. STELE_BINDER_CASES may name a file of more
// cases: text \1 ok|err \1 expectation \2.
#include "sql/binder/bind.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/error.h"
#include "catalog/state.h"
#include "sql/deparse/deparse.h"
#include "sql/parser/parser.h"

namespace stele::sql {
namespace {

catalog::Column column(const char* name, int16_t number, Oid type, int32_t typmod = -1, Oid collation = 0) {
  catalog::Column c;
  c.name = name;
  c.number = number;
  c.type = type;
  c.typmod = typmod;
  c.collation = collation;
  return c;
}

class BinderTest : public ::testing::Test {
 protected:
  BinderTest() {
    auto s = std::make_shared<const catalog::StateImpl>();
    auto put = [&](std::shared_ptr<const catalog::Object> o) {
      catalog::Delta d{catalog::Delta::What::kPut};
      d.object = std::move(o);
      s = s->apply(d);
    };
    auto schema = [&](Oid oid, const char* name) {
      auto o = std::make_shared<catalog::Schema>();
      o->oid = oid;
      o->name = name;
      put(o);
    };
    schema(catalog::kPgCatalog, "pg_catalog");
    schema(catalog::kPublic, "public");
    auto table = [&](Oid oid, const char* name, std::vector<catalog::Column> columns) {
      auto r = std::make_shared<catalog::Relation>();
      r->oid = oid;
      r->name = name;
      r->columns = std::move(columns);
      r->row_type = oid + 1;
      put(r);
      auto t = std::make_shared<catalog::Type>();
      t->oid = oid + 1;
      t->name = name;
      t->typtype = 'c';
      t->relation = oid;
      put(t);
    };
    table(20000, "t", {column("a", 1, oid::kInt4), column("b", 2, oid::kText, -1, 100), column("n", 3, oid::kNumeric), column("d", 4, oid::kTimestamp),
                       column("arr", 5, oid::kInt4Array), column("j", 6, oid::kJsonb)});
    table(20010, "u", {column("a", 1, oid::kInt4), column("c", 2, oid::kVarchar, 24, 100)});
    state_ = s;
  }
  std::string run(const std::string& text) {
    CatalogView view(state_, {catalog::kPgCatalog, catalog::kPublic}, catalog::kPublic, 0);
    BindContext c;
    ParamTypes params;
    params.infer = true;
    c.view = &view;
    c.eval = &eval_;
    c.text = text;
    c.params = &params;
    try {
      ParseTreePtr tree = parse_sql(text);
      auto q = bind_statement(tree->statements.at(0).node, c);
      return "ok\1" + deparse_query(*q, view, eval_) + ";";
    } catch (const Error& e) {
      return "err\1" + std::string(e.sqlstate()) + "|" + e.message() + "|" + e.detail() + "|" + e.hint() + "|" + std::to_string(e.position());
    }
  }
  catalog::StatePtr state_;
  EvalContext eval_;
};

TEST_F(BinderTest, Cases) {
  const std::pair<const char*, const char*> cases[] = {
      {"SELECT a, b FROM t WHERE a > 1 AND b = 'x' ORDER BY b DESC LIMIT 3",
       "ok\1 SELECT t.a,\n    t.b\n   FROM t\n  WHERE ((t.a > 1) AND (t.b = 'x'::text))\n  ORDER BY t.b DESC\n LIMIT 3;"},
      {"SELECT nosuch FROM t", "err\1" "42703|column \"nosuch\" does not exist|||8"},
      {"SELECT 1 + true",
       "err\1" "42883|operator does not exist: integer + boolean||No operator matches the given name and argument types. You might need to add explicit type casts.|10"},
  };
  for (auto& [text, want] : cases) EXPECT_EQ(run(text), want) << text;
}

TEST_F(BinderTest, CasesFromFile) {
  const char* path = std::getenv("STELE_BINDER_CASES");
  if (path == nullptr) GTEST_SKIP();
  std::ifstream in(path);
  std::stringstream all;
  all << in.rdbuf();
  std::string s = all.str();
  for (size_t at = 0; at < s.size();) {
    size_t end = s.find('\2', at);
    std::string one = s.substr(at, end - at);
    at = end + 1;
    size_t sep = one.find('\1');
    EXPECT_EQ(run(one.substr(0, sep)), one.substr(sep + 1)) << one.substr(0, sep);
  }
}

}  // namespace
}  // namespace stele::sql
