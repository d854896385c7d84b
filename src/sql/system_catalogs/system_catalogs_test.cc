// Every system relation can be scanned against a small catalogue, and rows fit their definitions.
#include "sql/system_catalogs/system_catalogs.h"

#include <gtest/gtest.h>

#include "types/builtin.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele::sql::system_catalogs {
namespace {

class FakeState final : public catalog::State {
 public:
  uint64_t version() const override { return 1; }
  catalog::Ptr<catalog::Object> get(catalog::ObjectKind kind, Oid oid) const override {
    for (auto& o : objects)
      if (o->kind() == kind && o->oid == oid) return o;
    return nullptr;
  }
  catalog::Ptr<catalog::Object> find(catalog::ObjectKind, Oid, std::string_view) const override { return nullptr; }
  void for_each(catalog::ObjectKind kind, const std::function<void(const catalog::Ptr<catalog::Object>&)>& f) const override {
    for (auto& o : objects)
      if (o->kind() == kind) f(o);
  }
  std::vector<catalog::Ptr<catalog::Function>> functions_named(std::string_view) const override { return {}; }
  std::vector<catalog::Ptr<catalog::Operator>> operators_named(std::string_view) const override { return {}; }
  std::vector<catalog::Dependency> dependents_of(const catalog::ObjectAddress&) const override { return {}; }
  std::vector<catalog::Dependency> dependencies_of(const catalog::ObjectAddress&) const override { return {}; }
  std::shared_ptr<const catalog::RelationStatistics> statistics(Oid) const override { return nullptr; }
  std::vector<catalog::Ptr<catalog::Object>> objects;
};

std::shared_ptr<FakeState> make_state() {
  auto s = std::make_shared<FakeState>();
  auto role = std::make_shared<catalog::Role>();
  role->oid = 10, role->name = "postgres", role->superuser = role->login = true;
  s->objects.push_back(role);
  auto schema = std::make_shared<catalog::Schema>();
  schema->oid = catalog::kPublic, schema->name = "public";
  s->objects.push_back(schema);
  auto t = std::make_shared<catalog::Relation>();
  t->oid = 20000, t->name = "t", t->indexes = {20001};
  catalog::Column id;
  id.name = "id", id.number = 1, id.type = oid::kInt4, id.not_null = true;
  catalog::Column name;
  name.name = "name", name.number = 2, name.type = oid::kVarchar, name.typmod = 24, name.default_sql = "'x'::character varying";
  name.comment = "a name";
  t->columns = {id, name};
  catalog::Constraint pk;
  pk.oid = 20002, pk.name = "t_pkey", pk.kind = catalog::ConstraintKind::kPrimary, pk.columns = {1}, pk.index = 20001;
  t->constraints = {pk};
  s->objects.push_back(t);
  auto i = std::make_shared<catalog::Relation>();
  i->oid = 20001, i->name = "t_pkey", i->relkind = 'i';
  i->index.emplace();
  i->index->table = 20000, i->index->unique = i->index->primary = true;
  catalog::IndexColumn key;
  key.column = 1, key.type = oid::kInt4, key.opclass = 1978;
  i->index->keys = {key};
  s->objects.push_back(i);
  return s;
}

class SystemCatalogs : public testing::Test {
 protected:
  SystemCatalogs() {
    context.state = make_state();
    context.eval = &eval;
  }
  // Rows as text, "column=value".
  std::vector<std::map<std::string, std::string>> rows(std::string_view name, Oid schema = catalog::kPgCatalog) {
    std::vector<std::map<std::string, std::string>> out;
    auto def = find(schema, name);
    EXPECT_NE(def, nullptr) << name;
    Arena arena;
    scan(def->oid, context, [&](std::span<const NullableDatum> row) {
      EXPECT_EQ(row.size(), def->columns.size());
      std::map<std::string, std::string> r;
      for (size_t i = 0; i < row.size(); ++i) {
        if (row[i].is_null) continue;
        Oid type = def->columns[i].type;
        if (type == oid::kInt4 || type == oid::kInt2 || type == oid::kInt8 || type == oid::kOid) r[def->columns[i].name] = std::to_string(row[i].value.as_int());
        else if (type == oid::kBool) r[def->columns[i].name] = row[i].value.as_bool() ? "t" : "f";
        else if (type == oid::kName || type == oid::kText || type == oid::kVarchar) r[def->columns[i].name] = row[i].value.as_view();
        else if (type == oid::kChar) r[def->columns[i].name] = std::string(1, static_cast<char>(row[i].value.as_int()));
      }
      out.push_back(std::move(r));
      return true;
    }, arena);
    return out;
  }
  EvalContext eval;
  Context context;
};

TEST_F(SystemCatalogs, EveryRelationScans) {
  EXPECT_GT(all().size(), 190u);
  for (auto& def : all()) {
    if (def->name == "pg_timezone_names" || def->name == "pg_timezone_abbrevs") continue;  // need the interval type
    Arena arena;
    int n = 0;
    scan(def->oid, context, [&](std::span<const NullableDatum>) { return ++n < 5000; }, arena);
  }
}

TEST_F(SystemCatalogs, BuiltInOidsAreThoseOfPostgres) {
  bool found = false;
  for (auto& r : rows("pg_type"))
    if (r["typname"] == "int4") found = r["oid"] == "23" && r["typarray"] == "1007";
  EXPECT_TRUE(found);
  EXPECT_EQ(find(catalog::kPgCatalog, "pg_class")->oid, 1259u);
}

TEST_F(SystemCatalogs, UsersTable) {
  for (auto& r : rows("pg_class"))
    if (r["relname"] == "t") { EXPECT_EQ(r["relkind"], "r"); EXPECT_EQ(r["relnatts"], "2"); EXPECT_EQ(r["relhasindex"], "t"); }
  std::string attributes;
  for (auto& r : rows("pg_attribute"))
    if (r["attrelid"] == "20000" && std::stoi(r["attnum"]) > 0) attributes += r["attname"] + ":" + r["atttypid"] + " ";
    else if (r["attrelid"] == "20001") attributes += "[" + r["attname"] + "] ";
  EXPECT_EQ(attributes, "id:23 name:1043 [id] ");
  auto columns = rows("columns", catalog::kInformationSchema);
  bool seen = false;
  for (auto& r : columns)
    if (r["table_name"] == "t" && r["column_name"] == "name") {
      seen = true;
      EXPECT_EQ(r["character_maximum_length"], "20");
      EXPECT_EQ(r["column_default"], "'x'::character varying");
      EXPECT_EQ(r["is_nullable"], "YES");
    }
  EXPECT_TRUE(seen);
  EXPECT_EQ(rows("pg_description").at(0)["description"], "a name");
  EXPECT_EQ(rows("key_column_usage", catalog::kInformationSchema).size(), 1u);
}

}  // namespace
}  // namespace stele::sql::system_catalogs
