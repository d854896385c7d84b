// Expressions are immutable trees: what walking, comparing and rewriting them promises.
#include "query/rewrite.h"

#include <gtest/gtest.h>

#include "types/oids.h"

namespace stele::query {
namespace {

ExprPtr number(int64_t v) {
  auto e = std::make_shared<ConstExpr>();
  e->type = oid::kInt4;
  e->value = Datum::from_int(v);
  return e;
}
ExprPtr var(int relation, int16_t column, int levels_up = 0) {
  auto e = std::make_shared<VarExpr>();
  e->type = oid::kInt4;
  e->relation = relation;
  e->column = column;
  e->levels_up = levels_up;
  return e;
}
ExprPtr call(std::vector<ExprPtr> args, bool returns_set = false) {
  auto e = std::make_shared<FuncExpr>();
  e->type = oid::kInt4;
  e->func = 177;
  e->args = std::move(args);
  e->returns_set = returns_set;
  return e;
}
ExprPtr aggregate(std::vector<ExprPtr> args, int levels_up = 0) {
  auto e = std::make_shared<AggregateExpr>();
  e->type = oid::kInt8;
  e->func = 2108;
  e->args = std::move(args);
  e->levels_up = levels_up;
  return e;
}
// EXISTS (SELECT target)
ExprPtr exists(ExprPtr target) {
  auto q = std::make_shared<Query>();
  TargetEntry t;
  t.expr = std::move(target);
  q->targets.push_back(t);
  auto e = std::make_shared<SubLinkExpr>();
  e->type = oid::kBool;
  e->subquery = q;
  return e;
}
// f(v1.2, 7) with relation and levels as "1.2", "1.2^1"; subqueries in brackets.
std::string shown(const ExprPtr& e) {
  switch (e->kind) {
    case ExprKind::kConst: return std::to_string(static_cast<const ConstExpr&>(*e).value.as_int());
    case ExprKind::kVar: {
      const auto& v = static_cast<const VarExpr&>(*e);
      return std::to_string(v.relation) + "." + std::to_string(v.column) + (v.levels_up > 0 ? "^" + std::to_string(v.levels_up) : "");
    }
    case ExprKind::kSubLink: return "[" + shown(static_cast<const SubLinkExpr&>(*e).subquery->targets[0].expr) + "]";
    default: {
      std::string out = e->kind == ExprKind::kAggregate ? "agg(" : "f(";
      bool first = true;
      for_each_child(*e, [&](const ExprPtr& c) {
        out += (first ? "" : ",") + shown(c);
        first = false;
      });
      return out + ")";
    }
  }
}

TEST(Rewrite, QuestionsAboutExpressions) {
  struct Case { const char* name; ExprPtr e; bool vars, upper, sublink, agg, set; };
  const Case cases[] = {
      {"a constant", number(1), false, false, false, false, false},
      {"a column", var(1, 1), true, false, false, false, false},
      {"an outer column", var(1, 1, 1), false, true, false, false, false},
      {"a call", call({number(1), var(2, 1)}), true, false, false, false, false},
      {"a set", call({call({number(1)}, true)}), false, false, false, false, true},
      {"an aggregate", call({aggregate({var(1, 1)})}), true, false, false, true, false},
      {"a subquery of its own", exists(var(1, 1)), false, false, true, false, false},
      {"a correlated subquery", exists(var(1, 1, 1)), true, false, true, false, false},
      {"a subquery about the outer query", exists(var(1, 1, 2)), false, true, true, false, false},
      {"two levels down", exists(exists(var(3, 1, 2))), true, false, true, false, false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(has_vars(c.e), c.vars) << c.name;
    EXPECT_EQ(has_upper_vars(c.e), c.upper) << c.name;
    EXPECT_EQ(has_sublink(c.e), c.sublink) << c.name;
    EXPECT_EQ(has_aggregate(c.e), c.agg) << c.name;
    EXPECT_EQ(returns_set(c.e), c.set) << c.name;
  }
}

TEST(Rewrite, LevelsAndRelations) {
  struct Case { ExprPtr e; const char *shifted, *offset; };
  const Case cases[] = {
      {var(1, 2), "1.2", "11.2"},
      {var(1, 2, 1), "1.2^2", "1.2^1"},
      {call({var(1, 1), var(2, 3, 1), number(5)}), "f(1.1,2.3^2,5)", "f(11.1,2.3^1,5)"},
      {exists(var(1, 1)), "[1.1]", "[1.1]"},
      {exists(var(1, 1, 1)), "[1.1^1]", "[11.1^1]"},
      {exists(var(1, 1, 2)), "[1.1^3]", "[1.1^2]"},
      {exists(exists(call({var(1, 1, 2), var(1, 1, 3)}))), "[[f(1.1^2,1.1^4)]]", "[[f(11.1^2,1.1^3)]]"},
  };
  for (const Case& c : cases) {
    const std::string before = shown(c.e);
    EXPECT_EQ(shown(shift_levels(c.e, 1)), c.shifted);
    EXPECT_EQ(shown(offset_relations(c.e, 10)), c.offset);
    EXPECT_EQ(shown(c.e), before) << "trees never change";
  }
}

TEST(Rewrite, ReplacesAndStops) {
  const ExprPtr one = var(1, 1);
  const ExprPtr e = call({one, call({one, number(3)}), exists(var(1, 1, 1))});
  int seen = 0;
  const ExprPtr changed = rewrite(e, [&](const ExprPtr& x, int level) -> ExprPtr {
    ++seen;
    const bool same = x->kind == ExprKind::kVar && static_cast<const VarExpr&>(*x).levels_up == level;
    return same ? number(9) : nullptr;
  });
  EXPECT_EQ(shown(changed), "f(9,f(9,3),[9])");
  EXPECT_EQ(shown(e), "f(1.1,f(1.1,3),[1.1^1])");
  // What a replacement stands for is not looked into again.
  EXPECT_EQ(shown(rewrite(e, [&](const ExprPtr& x, int) { return x == one ? call({one}) : nullptr; })), "f(f(1.1),f(f(1.1),3),[1.1^1])");
  int visited = 0;
  EXPECT_TRUE(walk(e, [&](const Expr& x, int) { ++visited; return x.kind == ExprKind::kConst; }));
  EXPECT_LT(visited, seen);
}

TEST(Expr, EqualityIsByMeaning) {
  const std::vector<ExprPtr> different = {number(1), number(2), var(1, 1), var(1, 2), var(2, 1), var(1, 1, 1), call({}), call({number(1)}), call({number(1), var(1, 1)}),
                                          aggregate({var(1, 1)}), aggregate({var(1, 2)}), aggregate({var(1, 1)}, 1)};
  for (size_t i = 0; i < different.size(); ++i)
    for (size_t k = 0; k < different.size(); ++k) EXPECT_EQ(equal(different[i], different[k]), i == k) << shown(different[i]) << " " << shown(different[k]);
  auto placed = copy_expr(*call({number(1), var(1, 1)}));
  placed->location = 40;
  EXPECT_TRUE(equal(placed, call({number(1), var(1, 1)}))) << "places in the text do not matter";
}

}  // namespace
}  // namespace stele::query
