#include <gtest/gtest.h>

#include <filesystem>

#include "base/clock.h"
#include "base/error.h"
#include "rows/build.h"
#include "rows/check.h"
#include "rows/sequences.h"
#include "rows/sorter.h"
#include "rows/table_access.h"
#include "types/oids.h"

namespace stele::rows {
namespace {

using storage::Isolation;
using storage::LockMode;
using storage::ReadView;
using storage::Store;
using storage::StoreOptions;
using storage::Transaction;

// A catalogue of a few relations.
class FakeState final : public catalog::State {
 public:
  std::map<Oid, catalog::Ptr<catalog::Relation>> relations;
  uint64_t version() const override { return 1; }
  catalog::Ptr<catalog::Object> get(catalog::ObjectKind kind, Oid oid) const override {
    auto it = relations.find(oid);
    return kind == catalog::ObjectKind::kRelation && it != relations.end() ? it->second : nullptr;
  }
  catalog::Ptr<catalog::Object> find(catalog::ObjectKind, Oid, std::string_view) const override { return nullptr; }
  void for_each(catalog::ObjectKind, const std::function<void(const catalog::Ptr<catalog::Object>&)>&) const override {}
  std::vector<catalog::Ptr<catalog::Function>> functions_named(std::string_view) const override { return {}; }
  std::vector<catalog::Ptr<catalog::Operator>> operators_named(std::string_view) const override { return {}; }
  std::vector<catalog::Dependency> dependents_of(const catalog::ObjectAddress&) const override { return {}; }
  std::vector<catalog::Dependency> dependencies_of(const catalog::ObjectAddress&) const override { return {}; }
  std::shared_ptr<const catalog::RelationStatistics> statistics(Oid) const override { return nullptr; }
};

// Expression: the second column modulo 10; predicate: the second column is not NULL.
class FakeEvaluator final : public IndexEvaluator {
 public:
  void expressions(const IndexDef&, std::span<const NullableDatum> row, NullableDatum* out, Arena&) override {
    out[0] = row[1].is_null ? NullableDatum{} : NullableDatum{Datum::from_int(row[1].value.as_int() % 10), false};
  }
  bool predicate(const IndexDef&, std::span<const NullableDatum> row) override { return !row[1].is_null; }
};

struct IndexSpec {
  Oid oid;
  const char* name;
  std::vector<int16_t> columns;
  bool unique = false, partial = false, descending = false, nulls_not_distinct = false, deferrable = false;
  std::vector<int16_t> included = {};
};

class RowsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "stele_rows_" + std::to_string(secure_random());
    reopen();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  void reopen(bool clean = false) {
    store_.reset();
    StoreOptions o;
    o.directory = directory_;
    o.checkpoint_on_close = clean;
    store_ = Store::open(o);
    store_->recover();
  }
  // id int4, n int8, s text
  std::shared_ptr<const Table> make_table(const std::vector<IndexSpec>& indexes, uint32_t storage_id = 1) {
    auto r = std::make_shared<catalog::Relation>();
    r->oid = 20000;
    r->name = "t";
    r->storage_id = storage_id;
    Oid types[] = {oid::kInt4, oid::kInt8, oid::kText};
    const char* names[] = {"id", "n", "s"};
    for (int16_t i = 0; i < 3; ++i) {
      catalog::Column c;
      c.name = names[i];
      c.number = static_cast<int16_t>(i + 1);
      c.type = types[i];
      r->columns.push_back(c);
    }
    for (const IndexSpec& s : indexes) {
      auto x = std::make_shared<catalog::Relation>();
      x->oid = s.oid;
      x->name = s.name;
      x->relkind = 'i';
      x->storage_id = storage_id * 100 + s.oid % 100;
      x->index.emplace();
      for (int16_t c : s.columns) {
        catalog::IndexColumn k;
        k.column = c;
        k.type = c == 0 ? oid::kInt8 : types[c - 1];
        k.descending = s.descending;
        x->index->keys.push_back(k);
      }
      x->index->included = s.included;
      x->index->unique = s.unique;
      x->index->immediate = !s.deferrable;
      x->index->nulls_not_distinct = s.nulls_not_distinct;
      if (s.partial) x->index->predicate_sql = "n IS NOT NULL";
      r->indexes.push_back(s.oid);
      state_.relations[s.oid] = x;
    }
    state_.relations[r->oid] = r;
    return Table::make(r, state_);
  }
  struct Row {
    std::vector<NullableDatum> v;
    Arena arena;
    operator std::span<const NullableDatum>() const { return v; }
  };
  static std::unique_ptr<Row> row(std::optional<int64_t> id, std::optional<int64_t> n, std::optional<std::string> s) {
    auto r = std::make_unique<Row>();
    r->v.resize(3);
    if (id) r->v[0] = {Datum::from_int(*id), false};
    if (n) r->v[1] = {Datum::from_int(*n), false};
    if (s) r->v[2] = {make_bytes(r->arena, *s), false};
    return r;
  }
  static std::string text(const Table& t, std::string_view bytes) {
    Arena arena;
    std::vector<NullableDatum> v(3);
    t.format().decode_all(bytes, v.data(), arena);
    auto one = [&](size_t i) {
      if (v[i].is_null) return std::string("-");
      return i == 2 ? std::string(v[i].value.as_view()) : std::to_string(v[i].value.as_int());
    };
    return one(0) + " " + one(1) + " " + one(2);
  }
  std::unique_ptr<Transaction> begin() { return store_->begin({}); }
  void expect_consistent(const std::shared_ptr<const Table>& t) {
    auto txn = begin();
    TableAccess access(t, *txn, &evaluator_);
    CheckReport report = check_table(access, {});
    EXPECT_TRUE(report.ok()) << report.problems.size() << " problems, first: " << report.problems[0];
  }

  std::string directory_;
  std::unique_ptr<Store> store_;
  FakeState state_;
  FakeEvaluator evaluator_;
};

TEST(RowCodec, AnyColumnOfAnySchemaVersion) {
  FakeState state;
  catalog::Relation r;
  auto add = [&](Oid type, std::optional<std::string> missing = std::nullopt) {
    catalog::Column c;
    c.number = static_cast<int16_t>(r.columns.size() + 1);
    c.type = type;
    c.missing_value = missing;
    r.columns.push_back(c);
    ++r.schema_version;
  };
  for (Oid t : {oid::kBool, oid::kText, oid::kInt2, oid::kInt4, oid::kBytea, oid::kInt8, oid::kFloat4, oid::kFloat8, oid::kOid}) add(t);
  auto first = RowFormat::of(r, state);
  Arena arena;
  std::vector<NullableDatum> v = {{Datum::from_bool(true), false}, {make_bytes(arena, "text"), false},
                                  {Datum::from_int(-5), false},    {Datum::from_int(-70000), false},
                                  {make_bytes(arena, std::string(100000, 'x')), false}, {},
                                  {Datum::from_float(-1.5f), false}, {Datum::from_double(2.25), false},
                                  {Datum::from_oid(4000000000u), false}};
  std::string bytes, narrow;
  first->encode(v, 7, &bytes);
  v[4] = {make_bytes(arena, ""), false};
  first->encode(v, 8, &narrow);
  EXPECT_EQ(RowFormat::document_version(bytes), 7u);
  EXPECT_EQ(RowFormat::schema_version(bytes), 9u);
  add(oid::kInt8, encode_value(resolve_type(oid::kInt8, state), Datum::from_int(42)));
  add(oid::kText, "later");
  add(oid::kText);
  auto second = RowFormat::of(r, state);
  std::vector<NullableDatum> out(second->columns());
  second->decode_all(bytes, out.data(), arena);
  EXPECT_TRUE(out[0].value.as_bool());
  EXPECT_EQ(out[1].value.as_view(), "text");
  EXPECT_EQ(out[2].value.as_int(), -5);
  EXPECT_EQ(out[3].value.as_int(), -70000);
  EXPECT_EQ(out[4].value.as_view().size(), 100000u);
  EXPECT_TRUE(out[5].is_null);
  EXPECT_EQ(out[6].value.as_float(), -1.5f);
  EXPECT_EQ(out[7].value.as_double(), 2.25);
  EXPECT_EQ(out[8].value.as_oid(), 4000000000u);
  EXPECT_EQ(out[9].value.as_int(), 42);
  EXPECT_EQ(out[10].value.as_view(), "later");
  EXPECT_TRUE(out[11].is_null);
  EXPECT_EQ(second->decode(narrow, 4, arena).value.as_view(), "");
  EXPECT_EQ(second->decode(narrow, 1, arena).value.as_view(), "text");
  EXPECT_EQ(second->decode(narrow, 8, arena).value.as_oid(), 4000000000u);
  EXPECT_THROW(first->decode(std::string_view(narrow).substr(0, 9), 1, arena), Error);
}

TEST_F(RowsTest, WritesKeepIndexesInStep) {
  auto t = make_table({{20001, "t_pkey", {1}, true},
                       {20002, "t_n_s", {2, 3}},
                       {20003, "t_expr", {0}},
                       {20004, "t_part", {3}, false, true},
                       {20005, "t_desc", {2}, false, false, true, false, false, {1, 3}}});
  Random random(secure_random() % 1000);
  std::map<int64_t, uint64_t> ids;
  for (int round = 0; round < 60; ++round) {
    auto txn = begin();
    TableAccess access(t, *txn, &evaluator_);
    auto next = ids;
    for (int i = 0; i < 10; ++i) {
      int64_t id = static_cast<int64_t>(random.below(80));
      auto fresh = row(id, random.below(4) ? std::optional<int64_t>(static_cast<int64_t>(random.below(20)) - 10) : std::nullopt,
                       random.below(5) ? std::optional<std::string>(std::string(random.below(6), 'q')) : std::nullopt);
      auto it = next.find(id);
      if (it == next.end()) {
        next[id] = access.insert(*fresh);
        continue;
      }
      std::string bytes;
      ASSERT_TRUE(access.fetch(it->second, {}, &bytes));
      Arena arena;
      std::vector<NullableDatum> old(3);
      t->format().decode_all(bytes, old.data(), arena);
      if (random.below(3) == 0) {
        access.erase(it->second, old);
        next.erase(it);
      } else {
        access.update(it->second, old, *fresh);
        ASSERT_TRUE(access.fetch(it->second, {}, &bytes));
        EXPECT_EQ(RowFormat::document_version(bytes), access.document_version());
      }
    }
    if (random.below(4) != 0) {
      txn->commit();
      ids = next;
    }
  }
  expect_consistent(t);
  auto txn = begin();
  TableAccess access(t, *txn, &evaluator_);
  size_t n = 0;
  uint64_t last = 0;
  for (RowCursor c = access.scan({}); c.valid(); c.next(), ++n) {
    EXPECT_GT(c.row_id(), last);
    last = c.row_id();
  }
  EXPECT_EQ(n, ids.size());
  for (auto& [id, row_id] : ids) {
    NullableDatum key{Datum::from_int(id), false};
    EXPECT_EQ(access.find_unique(t->indexes()[0], {&key, 1}, {}), row_id);
    IndexCursor c = access.index_scan(t->indexes()[0], key_range(t->indexes()[0], {&key, 1}, nullptr, nullptr), {});
    ASSERT_TRUE(c.valid());
    EXPECT_EQ(c.row_id(), row_id);
    c.next();
    EXPECT_FALSE(c.valid());
  }
}

TEST_F(RowsTest, RangesInBothDirections) {
  for (bool descending : {false, true}) {
    SCOPED_TRACE(descending);
    auto t = make_table({{20001, "x", {2, 1}, false, false, descending, false, false, {3}}}, descending ? 2 : 3);
    auto txn = begin();
    TableAccess access(t, *txn);
    for (int i = 0; i < 10; ++i) access.insert(*row(i, i / 2, "s" + std::to_string(i)));
    access.insert(*row(99, std::nullopt, "null"));
    const IndexDef& x = t->indexes()[0];
    auto run = [&](std::vector<NullableDatum> equal, const KeyBound* lo, const KeyBound* hi, bool not_null = false, bool reverse = false) {
      std::string out;
      Arena arena;
      for (IndexCursor c = access.index_scan(x, key_range(x, equal, lo, hi, not_null), {}, reverse); c.valid(); c.next()) {
        out += c.attribute(3, arena).value.as_view();
        EXPECT_EQ(c.attribute(1, arena).value.as_int(), out.ends_with("null") ? 99 : out.back() - '0');
        out += " ";
      }
      return out;
    };
    auto v = [](int64_t i) { return NullableDatum{Datum::from_int(i), false}; };
    KeyBound two{v(2)}, three{v(3)}, two_open{v(2), false}, four_open{v(4), false}, nothing{{}};
    auto expect = [&](std::string got, std::string ascending) {
      if (descending) {
        std::vector<std::string> words;
        for (size_t i = 0, j; (j = ascending.find(' ', i)) != std::string::npos; i = j + 1) words.push_back(ascending.substr(i, j - i + 1));
        std::reverse(words.begin(), words.end());
        ascending.clear();
        for (auto& w : words) ascending += w;
      }
      EXPECT_EQ(got, ascending);
    };
    expect(run({}, &two, &three), "s4 s5 s6 s7 ");
    expect(run({}, &two_open, &four_open), "s6 s7 ");
    expect(run({}, &four_open, nullptr), "");
    expect(run({}, &three, nullptr), "s6 s7 s8 s9 ");
    expect(run({}, nullptr, &two_open), "s0 s1 s2 s3 ");
    expect(run({v(2)}, nullptr, nullptr), "s4 s5 ");
    expect(run({v(2)}, &three, nullptr), "s4 s5 ");
    expect(run({{}}, nullptr, nullptr), "null ");
    expect(run({}, &nothing, nullptr), "");
    expect(run({}, nullptr, nullptr, true), "s0 s1 s2 s3 s4 s5 s6 s7 s8 s9 ");
    for (bool reverse : {false, true}) {
      IndexCursor c = access.index_scan(x, key_range(x, {}, &two, nullptr), {}, reverse);
      for (int64_t n = 0; n < 6; ++n) {
        NullableDatum key = v(n);
        c.rescan(key_range(x, {&key, 1}, nullptr, nullptr));
        int rows = 0;
        for (; c.valid(); c.next(), ++rows) {
          Arena arena;
          EXPECT_EQ(c.attribute(2, arena).value.as_int(), n);
        }
        EXPECT_EQ(rows, n < 5 ? 2 : 0);
      }
    }
    EXPECT_EQ(run({}, nullptr, nullptr), descending ? "s9 s8 s7 s6 s5 s4 s3 s2 s1 s0 null " : "s0 s1 s2 s3 s4 s5 s6 s7 s8 s9 null ");
    if (!descending) {
      EXPECT_EQ(run({}, &two, &three, false, true), "s7 s6 s5 s4 ");
    }
    txn->commit();
  }
}

TEST_F(RowsTest, UniquenessAsPostgres) {
  auto t = make_table({{20001, "t_pkey", {1}, true}, {20002, "t_s_key", {3}, true}, {20003, "nnd", {2}, true, false, false, true}});
  EvalContext eval;
  auto txn = begin();
  TableAccess a(t, *txn, nullptr, &eval);
  uint64_t first = a.insert(*row(1, 1, "x"));
  a.insert(*row(2, 2, std::nullopt));
  a.insert(*row(3, std::nullopt, std::nullopt));  // NULLs are distinct in s, not in n
  auto message = [&](std::unique_ptr<Row> r) {
    try {
      a.insert(*r);
    } catch (const Error& e) {
      EXPECT_EQ(e.sqlstate(), "23505");
      return e.message() + " " + e.detail();
    }
    return std::string();
  };
  EXPECT_EQ(message(row(1, 9, "y")), "duplicate key value violates unique constraint \"t_pkey\" Key (id)=(1) already exists.");
  EXPECT_EQ(message(row(9, 9, "x")), "duplicate key value violates unique constraint \"t_s_key\" Key (s)=(x) already exists.");
  EXPECT_EQ(message(row(9, std::nullopt, "z")), "duplicate key value violates unique constraint \"nnd\" Key (n)=(null) already exists.");
  uint64_t id = 0;
  auto conflict = a.insert_unless_conflict(*row(1, 7, "new"), {}, &id);
  ASSERT_TRUE(conflict);
  EXPECT_EQ(conflict->row_id, first);
  EXPECT_EQ(conflict->index->name(), "t_pkey");
  a.update(first, *row(1, 1, "x"), *row(1, 1, "changed"));
  EXPECT_FALSE(a.insert_unless_conflict(*row(4, 4, "x"), {}, &id));
  EXPECT_THROW(a.update(first, *row(1, 1, "changed"), *row(1, 1, "x")), Error);
  txn->commit();
  expect_consistent(t);

  // An inserter waits for one who holds the key or is about to remove it.
  for (bool commits : {true, false}) {
    auto holder = begin();
    TableAccess h(t, *holder);
    h.lock_row(first, LockMode::kKeyWrite, {});
    h.erase(first, *row(1, 1, "changed"));
    std::string outcome;
    std::thread waiter([&] {
      auto w = begin();
      TableAccess access(t, *w);
      try {
        access.insert(*row(1, 50, "w"));
        outcome = "inserted";
      } catch (const Error& e) {
        outcome = e.sqlstate();
      }
    });
    while (store_->locks().blockers(holder->id() + 1).empty()) std::this_thread::yield();
    h.insert(*row(70 + commits, 70 + commits, "other" + std::to_string(commits)));
    commits ? (void)holder->commit() : holder->abort();
    waiter.join();
    EXPECT_EQ(outcome, commits ? "inserted" : "23505");
    if (commits) {
      auto again = begin();
      TableAccess access(t, *again);
      first = access.insert(*row(1, 1, "changed"));
      again->commit();
    }
  }
}

TEST_F(RowsTest, DeferrableUniqueIsCheckedAtTheEnd) {
  auto t = make_table({{20001, "d", {1}, true, false, false, false, true}});
  EvalContext eval;
  auto txn = begin();
  TableAccess a(t, *txn, nullptr, &eval);
  uint64_t one = a.insert(*row(1, 1, "a")), two = a.insert(*row(2, 1, "b"));
  a.check_deferred();
  a.update(one, *row(1, 1, "a"), *row(2, 1, "a"));
  a.update(two, *row(2, 1, "b"), *row(1, 1, "b"));
  a.check_deferred();
  a.update(two, *row(1, 1, "b"), *row(2, 1, "b"));
  try {
    a.check_deferred();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.detail(), "Key (id)=(2) already exists.");
  }
}

TEST_F(RowsTest, BulkLoadsAndIndexBuilds) {
  auto t = make_table({{20001, "t_pkey", {1}, true}, {20002, "t_n", {2}}, {20004, "t_part", {3}, false, true}}, 5);
  auto txn = begin();
  TableAccess a(t, *txn, &evaluator_);
  auto loader = make_bulk_loader(a, *txn);
  for (int i = 0; i < 3000; ++i) loader->add(*row((i * 7919) % 3000, i % 100, "v"));
  loader->finish();
  expect_consistent(make_table({}, 6));
  EXPECT_TRUE(check_table(a, {txn->statement_snapshot()}).ok());
  txn->commit();
  reopen();
  t = make_table({{20001, "t_pkey", {1}, true}, {20002, "t_n", {2}}, {20004, "t_part", {3}, false, true},
                  {20005, "late", {2, 1}, true}, {20006, "dup", {2}, true}}, 5);
  auto build = begin();
  EvalContext eval;
  TableAccess b(t, *build, &evaluator_, &eval);
  build_index(b, t->indexes()[3], {build->statement_snapshot()}, *build);
  try {
    build_index(b, t->indexes()[4], {build->statement_snapshot()}, *build);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "could not create unique index \"dup\"");
    EXPECT_EQ(e.detail(), "Key (n)=(0) is duplicated.");
  }
  build->commit();
  t = make_table({{20001, "t_pkey", {1}, true}, {20002, "t_n", {2}}, {20004, "t_part", {3}, false, true}, {20005, "late", {2, 1}, true}}, 5);
  expect_consistent(t);
  auto drop = begin();
  erase_storage(*drop, t->relation());
  erase_storage(*drop, *t->indexes()[1].relation);
  drop->commit();
  auto check = begin();
  TableAccess c(t, *check, &evaluator_);
  CheckReport report = check_table(c, {});
  EXPECT_EQ(report.rows, 0u);
  EXPECT_FALSE(report.ok());  // entries of the other indexes point nowhere
}

// Rows come, change and go while an index is filled.
TEST_F(RowsTest, OnlineBuildRacesWithWriters) {
  auto t = make_table({{20001, "t_pkey", {1}, true}, {20002, "late", {2}}, {20003, "late_unique", {3, 1}, true}}, 7);
  auto writers_only = make_table({{20001, "t_pkey", {1}, true}}, 7);
  {
    auto txn = begin();
    TableAccess a(writers_only, *txn);
    for (int i = 0; i < 5000; ++i) a.insert(*row(i, i % 10, "s" + std::to_string(i)));
    txn->commit();
  }
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int w = 0; w < 2; ++w) {
    threads.emplace_back([&, w] {
      Random random(static_cast<uint64_t>(w) + 5);
      for (int n = 0; !stop; ++n) {
        auto txn = store_->begin({});
        TableAccess a(t, *txn);
        uint64_t id = 1 + random.below(5000);
        std::string bytes;
        a.lock_row(id, LockMode::kKeyWrite, {});
        if (a.fetch(id, {}, &bytes)) {
          Arena arena;
          std::vector<NullableDatum> old(3);
          t->format().decode_all(bytes, old.data(), arena);
          int64_t key = old[0].value.as_int();
          if (random.below(4) == 0) {
            a.erase(id, old);
          } else {
            a.update(id, old, *row(key, static_cast<int64_t>(random.below(10)), "u" + std::to_string(n)));
          }
        }
        if (random.below(5) == 0) a.insert(*row(100000 + w * 1000000 + n, 3, "new"));
        random.below(10) == 0 ? txn->abort() : (void)txn->commit();
      }
    });
  }
  build_index_online(*store_, t, t->indexes()[1], nullptr, nullptr, {});
  build_index_online(*store_, t, t->indexes()[2], nullptr, nullptr, {});
  stop = true;
  for (auto& th : threads) th.join();
  expect_consistent(t);
}

TEST(Sorter, SpillsAndMerges) {
  Random random(7);
  Sorter sorter(64 << 10);
  std::multimap<std::string, std::string> model;
  for (int i = 0; i < 20000; ++i) {
    std::string k = "prefi" + std::to_string(random.below(1000000)), v = std::to_string(i);
    sorter.add(k, v);
    model.emplace(k, v);
  }
  sorter.sort();
  std::string_view k, v;
  for (auto& [mk, mv] : model) {
    ASSERT_TRUE(sorter.next(&k, &v));
    ASSERT_EQ(k, mk);
  }
  EXPECT_FALSE(sorter.next(&k, &v));
}

TEST_F(RowsTest, SequencesNeverRepeat) {
  catalog::Relation s;
  s.name = "s";
  s.storage_id = 9;
  s.sequence.emplace();
  s.sequence->max = 70;
  reopen(true);
  Sequences* q = &Sequences::of(*store_);
  EXPECT_EQ(q->next(s), 1);
  EXPECT_EQ(q->next(s), 2);
  reopen();
  q = &Sequences::of(*store_);
  EXPECT_EQ(q->next(s), 3);  // a clean restart skips nothing
  store_->log().sync(store_->log().last_lsn());
  reopen();
  q = &Sequences::of(*store_);
  int64_t v = q->next(s);
  EXPECT_GT(v, 3);
  EXPECT_LE(v, 37);
  q->set(s, 69, true);
  EXPECT_EQ(q->next(s), 70);
  try {
    q->next(s);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "nextval: reached maximum value of sequence \"s\" (70)");
    EXPECT_EQ(e.sqlstate(), "2200H");
  }
  s.sequence->cycle = true;
  EXPECT_EQ(q->next(s), 1);
  q->set(s, 5, false);
  EXPECT_EQ(q->next(s), 5);
  EXPECT_THROW(q->set(s, 71, true), Error);
}

}  // namespace
}  // namespace stele::rows
