// Trees built by hand over real tables: plans under every join setting and memory limit against brute force;
// kernels against the functions they stand for; cached columns against scans under random writes.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/clock.h"
#include "base/error.h"
#include "query/eval/eval.h"
#include "query/exec/column_cache.h"
#include "query/exec/spill.h"
#include "query/query.h"
#include "types/function.h"
#include "types/numeric.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele::query {
namespace {

constexpr Oid kInt4Eq = 96, kInt4Lt = 97, kInt4EqFunc = 65, kInt4LtFunc = 66, kCountStar = 2803, kSumInt4 = 2108;
using Row = std::vector<std::optional<int64_t>>;

class QueryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    seed_ = secure_random();
    RecordProperty("seed", std::to_string(seed_));
    random_ = Random(seed_);
    directory_ = testing::TempDir() + "stele_query_" + std::to_string(secure_random());
    storage::StoreOptions o;
    o.directory = directory_;
    store_ = storage::Store::open(o);
    catalog_ = catalog::Catalog::create(*store_);
    store_->add_participant(catalog_.get());
    store_->recover();
    catalog_->load();
    engine_.store = store_.get();
    engine_.catalog = catalog_.get();
  }
  void TearDown() override {
    end();
    store_->shutdown();
    catalog_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  void begin() {
    txn_ = store_->begin({});
    changes_ = catalog_->begin(*txn_);
    ctx_ = ExecContext{};
    ctx_.engine = &engine_;
    ctx_.txn = txn_.get();
    ctx_.catalog = changes_.get();
    ctx_.eval = &eval_;
    ctx_.settings = &settings_;
  }
  void end() {
    changes_.reset();
    txn_.reset();
  }
  void commit() {
    txn_->commit();
    end();
    begin();
  }
  // Columns c1.. of type int4; the values are what make() says.
  Oid table(const std::string& name, const std::vector<Row>& rows) {
    auto r = std::make_shared<catalog::Relation>();
    r->oid = catalog_->allocate_oid();
    r->storage_id = catalog_->allocate_storage_id();
    r->name = name;
    for (size_t i = 0; i < rows[0].size(); ++i) {
      catalog::Column c;
      c.name = "c" + std::to_string(i + 1);
      c.number = static_cast<int16_t>(i + 1);
      c.type = oid::kInt4;
      r->columns.push_back(c);
    }
    changes_->put(r);
    relations_[r->oid] = r;
    rows::TableAccess access(rows::Table::make(r, *changes_->state()), *txn_);
    for (auto& row : rows) {
      std::vector<NullableDatum> d;
      for (auto& v : row) d.push_back(v ? NullableDatum{Datum::from_int(*v), false} : NullableDatum{});
      access.insert(d);
    }
    txn_->next_command();
    return r->oid;
  }
  std::vector<Row> random_rows(int n, int columns, int range) {
    std::vector<Row> out;
    for (int i = 0; i < n; ++i) {
      Row r;
      for (int c = 0; c < columns; ++c) r.push_back(random_.below(12) == 0 ? std::nullopt : std::optional<int64_t>(random_.below(static_cast<uint64_t>(range))));
      out.push_back(r);
    }
    return out;
  }

  // --- Trees
  static ExprPtr var(int relation, int column) {
    auto v = std::make_shared<VarExpr>();
    v->relation = relation;
    v->column = static_cast<int16_t>(column);
    v->type = oid::kInt4;
    return v;
  }
  static ExprPtr compare(Oid op, Oid func, ExprPtr a, ExprPtr b) {
    auto o = std::make_shared<OpExpr>();
    o->op = op;
    o->func = func;
    o->type = oid::kBool;
    o->args = {std::move(a), std::move(b)};
    return o;
  }
  static FromPtr leaf(int relation) {
    auto f = std::make_shared<FromItem>();
    f->relation = relation;
    return f;
  }
  void add_relation(Query& q, Oid oid) {
    auto rte = std::make_shared<RangeTableEntry>();
    rte->relation = oid;
    rte->alias = relations_[oid]->name + std::to_string(q.range_table.size());
    for (auto& c : relations_[oid]->columns) {
      rte->column_aliases.push_back(c.name);
      rte->column_types.push_back(c.type);
      rte->column_typmods.push_back(-1);
      rte->column_collations.push_back(0);
    }
    q.range_table.push_back(rte);
  }
  static FromPtr join(Query& q, JoinKind kind, FromPtr left, FromPtr right, ExprPtr on) {
    auto rte = std::make_shared<RangeTableEntry>();
    rte->kind = RteKind::kJoin;
    rte->join_kind = kind;
    rte->alias = "unnamed_join";
    q.range_table.push_back(rte);
    auto f = std::make_shared<FromItem>();
    f->is_join = true;
    f->join = kind;
    f->left = std::move(left);
    f->right = std::move(right);
    f->condition = std::move(on);
    f->relation = static_cast<int>(q.range_table.size());
    return f;
  }
  static void add_target(Query& q, ExprPtr e, int ref = 0) {
    TargetEntry t;
    t.expr = std::move(e);
    t.name = "x";
    t.resno = static_cast<int>(q.targets.size()) + 1;
    t.sort_group_ref = ref;
    q.targets.push_back(t);
  }
  std::vector<Row> run(const Query& q) {
    auto plan = make_plan(std::make_shared<Query>(q), ctx_, true);
    auto execution = start(plan, ctx_, {txn_->statement_snapshot(), txn_->current_command()});
    std::vector<Row> out;
    Batch b;
    while (execution->next(b)) {
      for (int i = 0; i < b.size; ++i) {
        Row r;
        for (auto& c : b.columns) r.push_back(c.nulls[i] ? std::nullopt : std::optional<int64_t>(c.values[i].as_int()));
        out.push_back(r);
      }
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  struct Setting { const char* name; std::function<void(PlannerSettings&)> set; };
  static std::vector<Setting> settings() {
    return {{"defaults", [](auto&) {}},
            {"nested loops", [](auto& s) { s.enable_hashjoin = s.enable_mergejoin = false; }},
            {"hash joins", [](auto& s) { s.enable_nestloop = s.enable_mergejoin = false; }},
            {"merge joins", [](auto& s) { s.enable_nestloop = s.enable_hashjoin = false; }},
            {"sorted groups", [](auto& s) { s.enable_hashagg = false; }},
            {"64 kB", [](auto& s) { s.work_mem_bytes = 65536; }},
            {"64 kB, hashed", [](auto& s) { s.work_mem_bytes = 65536; s.enable_nestloop = s.enable_mergejoin = s.enable_sort = false; }},
            {"64 kB, sorted", [](auto& s) { s.work_mem_bytes = 65536; s.enable_hashagg = s.enable_hashjoin = false; }}};
  }

  uint64_t seed_ = 0;
  Random random_{0};
  std::string directory_;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<storage::Transaction> txn_;
  std::unique_ptr<catalog::Changes> changes_;
  std::map<Oid, std::shared_ptr<const catalog::Relation>> relations_;
  Engine engine_;
  EvalContext eval_;
  PlannerSettings settings_;
  ExecContext ctx_;
};

// Three relations in every pair of join kinds and both shapes: (a ? b) ? c and a ? (b ? c).
TEST_F(QueryTest, JoinsOfEveryKindAndOrder) {
  begin();
  std::vector<std::vector<Row>> data = {random_rows(30, 2, 12), random_rows(25, 2, 12), random_rows(20, 2, 12)};
  std::vector<Oid> oids;
  for (size_t i = 0; i < 3; ++i) oids.push_back(table("t" + std::to_string(i), data[i]));
  commit();
  using Joined = std::vector<Row>;   // columns of a, b, c in order: those not joined yet are NULL
  auto widen = [&](int which) {
    Joined out;
    for (auto& r : data[static_cast<size_t>(which)]) {
      Row w(6);
      for (size_t c = 0; c < 2; ++c) w[static_cast<size_t>(which) * 2 + c] = r[c];
      out.push_back(w);
    }
    return out;
  };
  // On left.x = right.y: columns by their position in the wide row.
  auto brute = [](const Joined& l, const Joined& r, JoinKind kind, size_t x, size_t y) {
    Joined out;
    std::vector<bool> used(r.size());
    for (auto& a : l) {
      bool any = false;
      for (size_t j = 0; j < r.size(); ++j) {
        if (!a[x] || !r[j][y] || *a[x] != *r[j][y]) continue;
        any = used[j] = true;
        Row w = a;
        for (size_t c = 0; c < 6; ++c) if (r[j][c]) w[c] = r[j][c];
        out.push_back(w);
      }
      if (!any && (kind == JoinKind::kLeft || kind == JoinKind::kFull)) out.push_back(a);
    }
    if (kind == JoinKind::kRight || kind == JoinKind::kFull)
      for (size_t j = 0; j < r.size(); ++j) if (!used[j]) out.push_back(r[j]);
    return out;
  };
  for (JoinKind first : {JoinKind::kInner, JoinKind::kLeft, JoinKind::kRight, JoinKind::kFull})
    for (JoinKind second : {JoinKind::kInner, JoinKind::kLeft, JoinKind::kRight, JoinKind::kFull})
      for (bool right_deep : {false, true}) {
        Query q;
        for (Oid o : oids) add_relation(q, o);
        Joined expected;
        auto ab = compare(kInt4Eq, kInt4EqFunc, var(1, 1), var(2, 1));
        auto bc = compare(kInt4Eq, kInt4EqFunc, var(2, 2), var(3, 1));
        if (right_deep) {
          q.from = {join(q, first, leaf(1), join(q, second, leaf(2), leaf(3), bc), ab)};
          expected = brute(widen(0), brute(widen(1), widen(2), second, 3, 4), first, 0, 2);
        } else {
          q.from = {join(q, second, join(q, first, leaf(1), leaf(2), ab), leaf(3), bc)};
          expected = brute(brute(widen(0), widen(1), first, 0, 2), widen(2), second, 3, 4);
        }
        for (int r = 1; r <= 3; ++r) for (int c = 1; c <= 2; ++c) add_target(q, var(r, c));
        std::sort(expected.begin(), expected.end());
        for (auto& s : settings()) {
          settings_ = {};
          s.set(settings_);
          EXPECT_EQ(run(q), expected) << s.name << " joins " << static_cast<int>(first) << ' ' << static_cast<int>(second) << (right_deep ? " right" : " left") << " seed " << seed_;
        }
      }
}

// x op ANY of an OR over two relations; range conditions; grouping sets; all under every setting.
TEST_F(QueryTest, GroupsAndSetsAgreeWithBruteForce) {
  begin();
  auto data = random_rows(4000, 3, 400);
  Oid t = table("g", data);
  commit();
  Query q;
  add_relation(q, t);
  q.from = {leaf(1)};
  add_target(q, var(1, 1), 1);
  add_target(q, var(1, 2), 2);
  auto count = std::make_shared<AggregateExpr>();
  count->func = kCountStar;
  count->star = true;
  count->type = oid::kInt8;
  auto sum = std::make_shared<AggregateExpr>();
  sum->func = kSumInt4;
  sum->type = oid::kInt8;
  sum->args = {var(1, 3)};
  sum->arg_types = {oid::kInt4};
  add_target(q, count);
  add_target(q, sum);
  q.has_aggregates = true;
  for (int ref : {1, 2}) {
    SortGroupRef g;
    g.ref = ref;
    g.equality_op = kInt4Eq;
    g.sort_op = kInt4Lt;
    q.group_by.push_back(g);
  }
  auto grouped = [&](const std::vector<std::vector<int>>& sets) {
    std::vector<Row> out;
    for (auto& set : sets) {
      std::map<Row, std::pair<int64_t, std::optional<int64_t>>> groups;
      for (auto& r : data) {
        Row key(2);
        for (int k : set) key[static_cast<size_t>(k)] = r[static_cast<size_t>(k)];
        auto& g = groups[key];
        ++g.first;
        if (r[2]) g.second = g.second.value_or(0) + *r[2];
      }
      for (auto& [key, g] : groups) out.push_back({key[0], key[1], g.first, g.second});
    }
    std::sort(out.begin(), out.end());
    return out;
  };
  struct Case { const char* name; std::vector<GroupingSet> sets; std::vector<std::vector<int>> expanded; };
  const Case cases[] = {
      {"plain", {}, {{0, 1}}},
      {"rollup", {{GroupingSetKind::kRollup, {1, 2}, {}}}, {{0, 1}, {0}, {}}},
      {"cube", {{GroupingSetKind::kCube, {1, 2}, {}}}, {{0, 1}, {0}, {1}, {}}},
      {"sets", {{GroupingSetKind::kSets, {}, {{GroupingSetKind::kSimple, {2}, {}}, {GroupingSetKind::kEmpty, {}, {}}, {GroupingSetKind::kSimple, {2, 1}, {}}}}}, {{1}, {}, {0, 1}}},
  };
  for (auto& c : cases) {
    Query with = q;
    with.grouping_sets = c.sets;
    auto expected = grouped(c.expanded);
    for (auto& s : settings()) {
      settings_ = {};
      s.set(settings_);
      EXPECT_EQ(run(with), expected) << c.name << ", " << s.name << " seed " << seed_;
    }
  }
}

// Every kernel gives what the scalar function of its name gives, errors included.
TEST_F(QueryTest, KernelsAreTheirFunctions) {
  struct Family { const char* prefix; std::vector<const char*> suffixes; std::function<Datum(Random&, Arena&)> make; };
  auto integer = [](int64_t lo, int64_t hi) {
    return [lo, hi](Random& r, Arena&) {
      uint64_t pick = r.below(6);
      if (pick == 0) return Datum::from_int(lo);
      if (pick == 1) return Datum::from_int(hi);
      return Datum::from_int(static_cast<int64_t>(r.below(7)) - 3);
    };
  };
  auto numeric = [](Random& r, Arena& a) {
    switch (r.below(8)) {
      case 0: return numeric_parse("NaN", -1, a);
      case 1: return numeric_parse("-Infinity", -1, a);
      case 2: return numeric_parse("9223372036854775807", -1, a);
      case 3: return numeric_parse("12345678901234567890123456789.123456789", -1, a);
      case 4: return numeric_parse("0.00000000000000000001", -1, a);
      default: return make_numeric(static_cast<int64_t>(r.below(2001)) - 1000, static_cast<int>(r.below(12)), a);
    }
  };
  auto text = [](Random& r, Arena& a) {
    static const char* const kTexts[] = {"", " ", "a", "a ", "a  ", "ab", " a", "b", "\xc3\xa4"};
    return make_bytes(a, kTexts[r.below(9)]);
  };
  auto real = [](Random& r, Arena&) {
    static const double kValues[] = {0, -0.0, 1.5, -2, 1e308, 1e-308, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()};
    return Datum::from_double(kValues[r.below(8)]);
  };
  std::vector<const char*> all = {"eq", "ne", "lt", "le", "gt", "ge", "pl", "mi", "mul", "div", "mod"};
  const Family families[] = {
      {"int4", all, integer(INT32_MIN, INT32_MAX)}, {"int8", all, integer(INT64_MIN, INT64_MAX)}, {"int2", all, integer(INT16_MIN, INT16_MAX)},
      {"float8", {"eq", "ne", "lt", "le", "gt", "ge", "pl", "mi", "mul", "div"}, real},
      {"numeric_", {"eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mul"}, numeric}, {"bpchar", {"eq", "ne"}, text}, {"text", {"eq", "ne"}, text},
      {"date_", {"eq", "ne", "lt", "le", "gt", "ge"}, integer(-1000, 1000)}};
  auto& registry = FunctionRegistry::instance();
  int compared = 0;
  for (auto& f : families)
    for (const char* suffix : f.suffixes) {
      std::string name = std::string(f.prefix) + suffix;
      BinaryKernel plain = find_binary_kernel(name);
      ArenaKernel with_arena = find_arena_kernel(name);
      ScalarFn scalar = registry.scalar(name);
      ASSERT_TRUE(plain != nullptr || with_arena != nullptr) << name;
      ASSERT_NE(scalar, nullptr) << name;
      for (int i = 0; i < 300; ++i) {
        Arena arena;
        Datum a = f.make(random_, arena), b = f.make(random_, arena);
        uint8_t an = random_.below(10) == 0, bn = random_.below(10) == 0;
        Datum out_value;
        uint8_t out_null = 0;
        Vec va{&a, &an}, vb{&b, &bn}, vo{&out_value, &out_null};
        std::string got, want;
        bool real_result = std::string(f.prefix) == "float8" && std::set<std::string>{"pl", "mi", "mul", "div"}.contains(suffix);
        auto show = [&](Datum d) -> std::string {
          if (real_result && std::isnan(d.as_double())) return "NaN";
          return std::string(suffix) == "add" || std::string(suffix) == "sub" || name == "numeric_mul" ? numeric_text(d) : std::to_string(d.bits);
        };
        try {
          if (with_arena != nullptr) with_arena(va, vb, vo, Sel{nullptr, 1}, arena);
          else plain(va, vb, vo, Sel{nullptr, 1});
          got = out_null ? "NULL" : show(out_value);
        } catch (const Error& e) {
          got = e.message();
        }
        if (an || bn) {
          want = "NULL";
        } else {
          Datum args[2] = {a, b};
          bool nulls[2] = {false, false};
          Oid types[2] = {0, 0};
          std::shared_ptr<void> cache;
          FnCall call{};
          call.args = args;
          call.nulls = nulls;
          call.nargs = 2;
          call.arg_types = types;
          call.arena = &arena;
          call.context = &eval_;
          call.cache = &cache;
          try {
            Datum d = scalar(call);
            want = show(d);
          } catch (const Error& e) {
            want = e.message();
          }
        }
        EXPECT_EQ(got, want) << name << " seed " << seed_;
        ++compared;
      }
    }
  EXPECT_GT(compared, 10000);
}

// Writers and snapshots of all ages: a cached answer is the answer of a scan.
TEST_F(QueryTest, CachedColumnsAreTheRows) {
  begin();
  Oid t = table("cached", random_rows(300, 2, 50));
  commit();
  auto relation = relations_[t];
  auto rows_table = rows::Table::make(relation, *changes_->state());
  end();
  auto& cache = ColumnCache::of(*store_);
  int served = 0;
  std::deque<storage::SnapshotPtr> snapshots;
  for (int step = 0; step < 600; ++step) {
    auto txn = store_->begin({});
    rows::TableAccess access(rows_table, *txn);
    if (random_.below(6) == 0) {
      // One change, sometimes taken back.
      std::vector<NullableDatum> row = {{Datum::from_int(static_cast<int64_t>(random_.below(50))), false}, {Datum::from_int(step), false}};
      access.insert(row);
      EXPECT_EQ(cache.acquire(access, *txn, {txn->statement_snapshot(), UINT32_MAX}, {1, 2}, true, [] {}), nullptr);
      if (random_.below(3) == 0) txn->abort();
      else txn->commit();
      continue;
    }
    snapshots.push_back(txn->statement_snapshot());
    if (snapshots.size() > 5) snapshots.pop_front();
    storage::ReadView view{snapshots[random_.below(snapshots.size())], 0};
    std::vector<std::pair<uint64_t, int64_t>> scanned;
    int16_t column = static_cast<int16_t>(1 + random_.below(2));
    Arena arena;
    for (auto c = access.scan(view); c.valid(); c.next()) {
      NullableDatum d = rows_table->format().decode(c.bytes(), static_cast<size_t>(column - 1), arena);
      scanned.emplace_back(c.row_id(), d.is_null ? -1 : d.value.as_int());
    }
    auto columns = cache.acquire(access, *txn, view, {column, system_column::kRowId}, random_.below(2) == 0, [] {});
    cache.scanned(access, *txn, view);
    if (!columns) continue;
    ++served;
    std::vector<std::pair<uint64_t, int64_t>> cached;
    for (size_t i = 0; i < columns->rows(); ++i) cached.emplace_back((*columns->row_ids)[i], columns->columns[0]->nulls[i] ? -1 : columns->columns[0]->values[i].as_int());
    ASSERT_EQ(cached, scanned) << "step " << step << " seed " << seed_;
    for (auto& [id, v] : scanned) {
      size_t at;
      ASSERT_TRUE(columns->find(id, &at));
      EXPECT_EQ((*columns->row_ids)[at], id);
    }
    size_t at;
    EXPECT_FALSE(columns->find(UINT64_MAX, &at));
  }
  EXPECT_GT(served, 50) << "seed " << seed_;
  // A budget too small for anything keeps nothing.
  cache.set_budget(1024);
}

TEST_F(QueryTest, SpilledRowsComeBackAsTheyWere) {
  begin();
  std::vector<TypeInfo> types = {type_info(oid::kInt4, ctx_), type_info(oid::kText, ctx_), type_info(oid::kNumeric, ctx_)};
  RowFile file(types);
  Arena arena;
  std::vector<std::array<std::string, 3>> expected;
  for (int i = 0; i < 5000; ++i) {
    std::string s(random_.below(i % 100 == 0 ? 70000 : 40), static_cast<char>('a' + i % 26));
    Datum v[3] = {Datum::from_int(i - 2500), make_bytes(arena, s), make_numeric(i * 37, i % 9, arena)};
    uint8_t n[3] = {static_cast<uint8_t>(i % 7 == 0), static_cast<uint8_t>(i % 5 == 0), static_cast<uint8_t>(i % 11 == 0)};
    expected.push_back({n[0] ? "NULL" : std::to_string(i - 2500), n[1] ? "NULL" : s, n[2] ? "NULL" : numeric_text(v[2])});
    file.add(v, n, static_cast<uint64_t>(i));
  }
  EXPECT_EQ(file.rows(), 5000u);
  for (int pass = 0; pass < 2; ++pass) {
    file.rewind();
    Datum v[3];
    uint8_t n[3];
    uint64_t tag = 0;
    Arena out;
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_TRUE(file.next(v, n, out, &tag));
      EXPECT_EQ(tag, i);
      std::array<std::string, 3> got = {n[0] ? "NULL" : std::to_string(v[0].as_int()), n[1] ? "NULL" : std::string(v[1].as_view()), n[2] ? "NULL" : numeric_text(v[2])};
      ASSERT_EQ(got, expected[i]);
    }
    EXPECT_FALSE(file.next(v, n, out, &tag));
  }
}

}  // namespace
}  // namespace stele::query
