// Statements run through a whole session over a store in a temporary folder.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "catalog/catalog.h"
#include "sql/session.h"
#include "types/type_io.h"

namespace stele::sql {
namespace {

class TextSink : public DiscardResults {
 public:
  explicit TextSink(Session& s) : session_(s) {}
  std::string out;
  void columns(std::span<const OutputColumn>) override {}
  bool rows(const query::Batch& b, std::span<const OutputColumn> columns) override {
    for (int i = 0; i < b.size; ++i) {
      for (size_t c = 0; c < columns.size(); ++c) {
        if (c > 0) out += '|';
        if (b.columns[c].nulls[i] == 0) type_output(columns[c].type, b.columns[c].values[i], out, session_.eval());
      }
      out += '\n';
    }
    return true;
  }
  void complete(std::string_view tag) override { out += "(" + std::string(tag) + ")"; }

 private:
  Session& session_;
};

class DdlTest : public ::testing::Test {
 protected:
  DdlTest() : directory_("/tmp/stele_ddl_test." + std::to_string(getpid())) {
    std::filesystem::remove_all(directory_);
    storage::StoreOptions o;
    o.directory = directory_;
    o.hot_bytes = o.cache_bytes = 16 << 20;
    store_ = storage::Store::open(o);
    catalog_ = catalog::Catalog::create(*store_);
    store_->add_participant(catalog_.get());
    store_->recover();
    catalog_->load();
    engine_.store = store_.get();
    engine_.catalog = catalog_.get();
    database_ = Database::create(engine_);
    SessionOptions s;
    s.notice = [this](const Notice& n) { notices_ += n.severity + ": " + n.error.message() + "\n"; };
    session_ = database_->connect(s);
  }
  ~DdlTest() override {
    session_.reset();
    database_.reset();
    store_->shutdown();
    catalog_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  std::string run(std::string_view sql) {
    TextSink sink(*session_);
    try {
      session_->simple_query(sql, sink);
      return sink.out;
    } catch (const Error& e) {
      return "ERROR " + std::string(e.sqlstate()) + " " + e.message() + (e.detail().empty() ? "" : " / " + e.detail());
    }
  }
  std::string directory_, notices_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<storage::Store> store_;
  query::Engine engine_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Session> session_;
};

TEST_F(DdlTest, Statements) {
  const std::pair<const char*, const char*> steps[] = {
      {"SELECT 1", "1\n(SELECT 1)"},
      {"CREATE TABLE t (id serial PRIMARY KEY, a int DEFAULT 5, b text NOT NULL UNIQUE CHECK (b <> ''))", "(CREATE TABLE)"},
      {"INSERT INTO t (b) VALUES ('x'), ('y') RETURNING id, a, b", "1|5|x\n2|5|y\n(INSERT 0 2)"},
      {"INSERT INTO t (b) VALUES ('x')", "ERROR 23505 duplicate key value violates unique constraint \"t_b_key\" / Key (b)=(x) already exists."},
      {"INSERT INTO t (b) VALUES ('')", "ERROR 23514 new row for relation \"t\" violates check constraint \"t_b_check\" / Failing row contains (4, 5, )."},
      {"SELECT * FROM t ORDER BY id DESC", "2|5|y\n1|5|x\n(SELECT 2)"},
      {"CREATE TABLE u (tid int REFERENCES t ON DELETE CASCADE, n numeric(5,2))", "(CREATE TABLE)"},
      {"INSERT INTO u VALUES (1, 1.5), (2, 2.25)", "(INSERT 0 2)"},
      {"INSERT INTO u VALUES (9, 1)",
       "ERROR 23503 insert or update on table \"u\" violates foreign key constraint \"u_tid_fkey\" / Key (tid)=(9) is not present in table \"t\"."},
      {"DELETE FROM t WHERE id = 1", "(DELETE 1)"},
      {"SELECT count(*), sum(n) FROM u", "1|2.25\n(SELECT 1)"},
      {"ALTER TABLE t ADD COLUMN c int NOT NULL DEFAULT 7", "(ALTER TABLE)"},
      {"ALTER TABLE t ALTER COLUMN a TYPE text USING a::text || '!'", "(ALTER TABLE)"},
      {"SELECT * FROM t", "2|5!|y|7\n(SELECT 1)"},
      {"CREATE VIEW v AS SELECT id, b AS bee FROM t WHERE c > 1", "(CREATE VIEW)"},
      {"SELECT * FROM v", "2|y\n(SELECT 1)"},
      {"ALTER TABLE t RENAME COLUMN c TO cc", "(ALTER TABLE)"},
      {"ALTER TABLE t RENAME TO t2", "(ALTER TABLE)"},
      {"SELECT bee FROM v", "y\n(SELECT 1)"},
      {"DROP TABLE t2", "ERROR 2BP01 cannot drop table t2 because other objects depend on it / constraint u_tid_fkey on table u depends on table t2\nview v depends on table t2"},
      {"ALTER TABLE t2 DROP COLUMN cc", "ERROR 2BP01 cannot drop column cc of table t2 because other objects depend on it / view v depends on column cc of table t2"},
      {"CREATE INDEX ON t2 (lower(b)) WHERE id > 0", "(CREATE INDEX)"},
      {"BEGIN; CREATE TABLE w (x int); INSERT INTO w VALUES (1); ROLLBACK", "(BEGIN)(CREATE TABLE)(INSERT 0 1)(ROLLBACK)"},
      {"SELECT * FROM w", "ERROR 42P01 relation \"w\" does not exist"},
      {"CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy'); CREATE DOMAIN pos AS int CHECK (VALUE > 0)", "(CREATE TYPE)(CREATE DOMAIN)"},
      {"CREATE TABLE w (m mood, p pos); INSERT INTO w VALUES ('happy', 1), ('sad', 2)", "(CREATE TABLE)(INSERT 0 2)"},
      {"SELECT m FROM w ORDER BY m", "sad\nhappy\n(SELECT 2)"},
      {"INSERT INTO w VALUES ('ok', -1)", "ERROR 23514 value for domain pos violates check constraint \"pos_check\""},
      {"CREATE TABLE x AS SELECT generate_series(1, 5) AS g", "(SELECT 5)"},
      {"TRUNCATE x", "(TRUNCATE TABLE)"},
      {"SELECT count(*) FROM x", "0\n(SELECT 1)"},
      {"CREATE MATERIALIZED VIEW mv AS SELECT count(*) AS n FROM t2", "(SELECT 1)"},
      {"REFRESH MATERIALIZED VIEW mv; SELECT * FROM mv", "(REFRESH MATERIALIZED VIEW)1\n(SELECT 1)"},
      {"CREATE FUNCTION add(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT a + $2'", "(CREATE FUNCTION)"},
      {"SELECT add(2, 3)", "5\n(SELECT 1)"},
      {"CREATE SEQUENCE s START 10; SELECT nextval('s'), currval('s')", "(CREATE SEQUENCE)10|10\n(SELECT 1)"},
      {"CREATE SCHEMA sc CREATE TABLE y (a int)", "(CREATE SCHEMA)"},
      {"DROP SCHEMA sc CASCADE", "(DROP SCHEMA)"},
      {"DROP TABLE t2, u CASCADE", "(DROP TABLE)"},
      {"CREATE ROLE r; GRANT SELECT ON w TO r; DROP ROLE r",
       "ERROR 2BP01 role \"r\" cannot be dropped because some objects depend on it / privileges for table w"},
  };
  for (auto& [sql, want] : steps) EXPECT_EQ(run(sql), want) << sql;
}

// Runs a file of statements, one a line, and prints what comes out: for comparing by hand.
TEST_F(DdlTest, File) {
  const char* path = std::getenv("STELE_DDL_FILE");
  if (path == nullptr) GTEST_SKIP();
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) std::cout << "> " << line << "\n" << run(line) << std::endl;
}

}  // namespace
}  // namespace stele::sql
