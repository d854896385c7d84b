// Which partitions can have rows that satisfy the conditions of a query.
#include "query/optimizer/planner.h"
#include "types/array.h"
#include "types/oids.h"

namespace stele::query {

namespace {
using Set = std::vector<bool>;   // of positions in PartitionMap::partitions()

// A condition on one key: strategy is a B-tree's, or one of these.
constexpr int kNotEqual = 10, kIsNull = 11, kIsNotNull = 12;
struct KeyTest { size_t key = 0; int strategy = 0; Datum value; };

class Pruner {
 public:
  Pruner(const PartitionMap& map, int rti, Planner& planner) : map_(map), planner_(planner) {
    for (auto& k : map.keys()) {
      if (k.column != 0) {
        auto& c = *map.table().column(k.column);
        keys_.push_back(make_var(rti, k.column, c.type, c.typmod, c.collation));
      } else {
        keys_.push_back(planner.simplify(offset_relations(k.expr, rti - 1)));
      }
    }
  }

  Set all() const { return Set(map_.partitions().size(), true); }
  Set matching(const std::vector<ExprPtr>& quals) {
    Set out = all();
    std::vector<KeyTest> tests;
    for (auto& q : quals) collect(q, tests, out);
    if (!tests.empty()) intersect(out, by_tests(tests));
    return out;
  }

 private:
  static void intersect(Set& a, const Set& b) { for (size_t i = 0; i < a.size(); ++i) a[i] = a[i] && b[i]; }
  static const Expr* strip(const Expr* e) {
    while (e->kind == ExprKind::kRelabel) e = static_cast<const UnaryExpr*>(e)->arg.get();
    return e;
  }
  int key_of(const ExprPtr& e) const {
    const Expr* x = strip(e.get());
    for (size_t i = 0; i < keys_.size(); ++i) {
      const Expr* k = strip(keys_[i].get());
      if (k->kind == ExprKind::kVar && x->kind == ExprKind::kVar) {
        auto &a = static_cast<const VarExpr&>(*k), &b = static_cast<const VarExpr&>(*x);
        if (a.relation == b.relation && a.column == b.column && b.levels_up == 0) return static_cast<int>(i);
      } else if (equal(keys_[i], e)) {
        return static_cast<int>(i);
      }
    }
    return -1;
  }
  bool comparable(size_t key, Oid type) const {
    TypeInfo t = type_info(type, planner_.ctx);
    const TypeInfo& k = map_.keys()[key].type;
    auto integer = [](Oid o) { return o == oid::kInt2 || o == oid::kInt4 || o == oid::kInt8; };
    auto text = [](Oid o) { return o == oid::kText || o == oid::kVarchar; };
    return t.base == k.base || (integer(t.base) && integer(k.base)) || (text(t.base) && text(k.base)) || (t.ops == k.ops && t.kind == k.kind && t.kind != 'b');
  }
  // Adds what a condition says of the keys; conditions that are ORs narrow `out` themselves.
  void collect(const ExprPtr& e, std::vector<KeyTest>& tests, Set& out) {
    auto boolean_key = [&](const ExprPtr& x, bool value) {
      if (x->type != oid::kBool) return false;
      const int k = key_of(x);
      if (k >= 0) tests.push_back({static_cast<size_t>(k), 3, Datum::from_bool(value)});
      return k >= 0;
    };
    if (boolean_key(e, true)) return;
    switch (e->kind) {
      case ExprKind::kConst: {
        auto& c = static_cast<const ConstExpr&>(*e);
        if (c.is_null || !c.value.as_bool()) out.assign(out.size(), false);
        return;
      }
      case ExprKind::kBool: {
        auto& b = static_cast<const BoolExpr&>(*e);
        if (b.op == BoolOp::kNot) {
          // NOT key is key = false.
          if (boolean_key(b.args[0], false)) return;
          return;
        }
        if (b.op == BoolOp::kAnd) {
          for (auto& a : b.args) collect(a, tests, out);
          return;
        }
        Set any(out.size(), false);
        for (auto& a : b.args) {
          const Set one = matching({a});
          for (size_t i = 0; i < any.size(); ++i) any[i] = any[i] || one[i];
        }
        intersect(out, any);
        return;
      }
      case ExprKind::kBooleanTest: {
        auto& t = static_cast<const BooleanTestExpr&>(*e);
        const int k = key_of(t.arg);
        if (k < 0) return;
        if (t.test == BoolTest::kIsTrue || t.test == BoolTest::kIsFalse) tests.push_back({static_cast<size_t>(k), 3, Datum::from_bool(t.test == BoolTest::kIsTrue)});
        if (t.test == BoolTest::kIsUnknown) tests.push_back({static_cast<size_t>(k), kIsNull, {}});
        return;
      }
      case ExprKind::kNullTest: {
        auto& t = static_cast<const NullTestExpr&>(*e);
        const int k = t.row_format ? -1 : key_of(t.arg);
        if (k >= 0) tests.push_back({static_cast<size_t>(k), t.is_null ? kIsNull : kIsNotNull, {}});
        return;
      }
      case ExprKind::kOp: {
        auto& o = static_cast<const OpExpr&>(*e);
        if (o.args.size() != 2) return;
        for (int side = 0; side < 2; ++side) {
          const int k = key_of(o.args[static_cast<size_t>(side)]);
          const ExprPtr& other = o.args[static_cast<size_t>(1 - side)];
          if (k < 0 || other->kind != ExprKind::kConst) continue;
          auto& c = static_cast<const ConstExpr&>(*other);
          const auto key = static_cast<size_t>(k);
          if (o.input_collation != 0 && map_.keys()[key].collation != 0 && o.input_collation != map_.keys()[key].collation) return;
          const Oid op = side == 0 ? o.op : op_commutator(o.op, *planner_.state);
          int strategy = 0;
          if (auto list = btree_ops(op, *planner_.state); !list.empty()) strategy = list[0].strategy;
          else if (auto negated = btree_ops(op_negator(op, *planner_.state), *planner_.state); !negated.empty() && negated[0].strategy == 3) strategy = kNotEqual;
          if (strategy == 0 || !comparable(key, other->type)) return;
          if (c.is_null) { out.assign(out.size(), false); return; }
          tests.push_back({key, strategy, c.value});
          return;
        }
        return;
      }
      case ExprKind::kScalarArrayOp: {
        auto& s = static_cast<const ScalarArrayOpExpr&>(*e);
        const int k = key_of(s.scalar);
        if (k < 0 || s.array->kind != ExprKind::kConst) return;
        auto& c = static_cast<const ConstExpr&>(*s.array);
        if (c.is_null) { out.assign(out.size(), false); return; }
        const auto key = static_cast<size_t>(k);
        if (!comparable(key, type_info(s.array->type, planner_.ctx).element)) return;
        auto list = btree_ops(s.op, *planner_.state);
        auto negated = btree_ops(op_negator(s.op, *planner_.state), *planner_.state);
        const int strategy = !list.empty() ? list[0].strategy : !negated.empty() && negated[0].strategy == 3 ? kNotEqual : 0;
        if (strategy == 0) return;
        const ArrayView values(c.value);
        if (s.use_or) {
          Set any(out.size(), false);
          for (int i = 0; i < values.count(); ++i) {
            if (values.is_null(i)) continue;
            const Set one = by_tests({{key, strategy, values.get(i)}});
            for (size_t p = 0; p < any.size(); ++p) any[p] = any[p] || one[p];
          }
          intersect(out, any);
          return;
        }
        for (int i = 0; i < values.count(); ++i) {
          if (values.is_null(i)) { out.assign(out.size(), false); return; }
          tests.push_back({key, strategy, values.get(i)});
        }
        return;
      }
      default: return;
    }
  }

  bool holds(int strategy, int c) const {   // c: the row's value against the test's
    switch (strategy) {
      case 1: return c < 0;
      case 2: return c <= 0;
      case 3: return c == 0;
      case 4: return c >= 0;
      case 5: return c > 0;
      default: return c != 0;
    }
  }
  Set by_tests(const std::vector<KeyTest>& tests) {
    if (map_.strategy() == 'l') return by_list(tests);
    if (map_.strategy() == 'h') return by_hash(tests);
    return by_range(tests);
  }
  Set by_list(const std::vector<KeyTest>& tests) {
    Set out(map_.partitions().size(), false);
    bool default_too = true;
    for (size_t i = 0; i < out.size(); ++i) {
      auto& p = map_.partitions()[i];
      for (auto& v : p.values) {
        bool ok = true;
        for (auto& t : tests) {
          if (v.kind == 'n') ok = ok && t.strategy == kIsNull;
          else if (t.strategy == kIsNull) ok = false;
          else if (t.strategy != kIsNotNull) ok = ok && holds(t.strategy, map_.compare(0, v.value, t.value));
        }
        out[i] = out[i] || ok;
        // A value that some partition lists is not in the default one.
        for (auto& t : tests)
          if (v.kind == 'n' ? t.strategy == kIsNull : t.strategy == 3 && map_.compare(0, v.value, t.value) == 0) default_too = false;
      }
    }
    // Equalities that contradict one another leave nothing.
    for (auto& a : tests)
      for (auto& b : tests)
        if (a.strategy == 3 && b.strategy != kIsNotNull && (b.strategy == kIsNull || !holds(b.strategy, map_.compare(0, a.value, b.value)))) default_too = false;
    if (map_.default_partition() >= 0) out[static_cast<size_t>(map_.default_partition())] = default_too;
    return out;
  }
  Set by_hash(const std::vector<KeyTest>& tests) {
    std::vector<NullableDatum> key(keys_.size());
    for (size_t k = 0; k < keys_.size(); ++k) {
      bool known = false;
      for (auto& t : tests) {
        if (t.key != k || (t.strategy != 3 && t.strategy != kIsNull)) continue;
        if (known && (t.strategy == kIsNull) != key[k].is_null) return Set(map_.partitions().size(), false);
        if (known && t.strategy == 3 && map_.compare(k, key[k].value, t.value) != 0) return Set(map_.partitions().size(), false);
        key[k] = {t.value, t.strategy == kIsNull};
        known = true;
      }
      if (!known) return all();
    }
    Set out(map_.partitions().size(), false);
    if (const int at = map_.find(key); at >= 0) out[static_cast<size_t>(at)] = true;
    return out;
  }
  Set by_range(const std::vector<KeyTest>& tests) {
    const size_t n = map_.partitions().size();
    Set out(n, false);
    const int fallback = map_.default_partition();
    for (auto& t : tests)
      if (t.strategy == kIsNull) {   // NULLs are in the default partition only
        if (fallback >= 0) out[static_cast<size_t>(fallback)] = true;
        return out;
      }
    // Equalities on the first keys, then bounds on the next one.
    std::vector<NullableDatum> low, high;
    bool low_open = false, high_open = false, low_set = false, high_set = false;   // open: the value itself is outside
    for (size_t k = 0; k < keys_.size(); ++k) {
      const KeyTest* equal_to = nullptr;
      for (auto& t : tests)
        if (t.key == k && t.strategy == 3) {
          if (equal_to != nullptr && map_.compare(k, equal_to->value, t.value) != 0) return out;
          equal_to = &t;
        }
      if (equal_to != nullptr) {
        for (auto& t : tests)
          if (t.key == k && t.strategy <= 5 && !holds(t.strategy, map_.compare(k, equal_to->value, t.value))) return out;
        low.push_back({equal_to->value, false});
        high.push_back({equal_to->value, false});
        low_set = high_set = true;
        continue;
      }
      const KeyTest *above = nullptr, *below = nullptr;
      for (auto& t : tests) {
        if (t.key != k || t.strategy > 5) continue;
        if (t.strategy >= 4) {
          const int c = above == nullptr ? 1 : map_.compare(k, t.value, above->value);
          if (c > 0 || (c == 0 && t.strategy == 5)) above = &t;
        } else {
          const int c = below == nullptr ? -1 : map_.compare(k, t.value, below->value);
          if (c < 0 || (c == 0 && t.strategy == 1)) below = &t;
        }
      }
      if (above != nullptr && below != nullptr) {
        const int c = map_.compare(k, above->value, below->value);
        if (c > 0 || (c == 0 && (above->strategy == 5 || below->strategy == 1))) return out;
      }
      if (above != nullptr) { low.push_back({above->value, false}); low_open = above->strategy == 5; low_set = true; }
      if (below != nullptr) { high.push_back({below->value, false}); high_open = below->strategy == 1; high_set = true; }
      break;
    }
    if (!low_set && !high_set) return all();
    // Partitions are in order: where they leave a gap within the region, the default one may have rows.
    bool gap = false;
    const PartitionMap::Partition* before = nullptr;
    bool before_in = false;
    bool first_in = true;
    for (size_t i = 0; i < n; ++i) {
      if (static_cast<int>(i) == fallback) continue;
      auto& p = map_.partitions()[i];
      bool in = true;
      if (low_set) {
        const int c = map_.compare_bound(p.upper, low);
        if (c < 0 || (c == 0 && (low.size() == keys_.size() || low_open))) in = false;
      }
      if (in && high_set) {
        const int c = map_.compare_bound(p.lower, high);
        if (c > 0 || (c == 0 && high_open)) in = false;
      }
      if (in) {
        if (first_in) {
          // Room below the first partition of the region?
          first_in = false;
          if (low_set) {
            const int c = map_.compare_bound(p.lower, low);
            if (c > 0 || (c == 0 && low.size() < keys_.size() && !low_open)) gap = true;
          } else if (p.lower[0].kind != '<') {
            gap = true;
          }
        } else if (before != nullptr && map_.compare_bounds(before->upper, p.lower) != 0) {
          gap = true;
        }
        before = &p;
      }
      before_in = before_in || in;
      out[i] = in;
    }
    if (!before_in) gap = true;
    else if (high_set) {
      const int c = map_.compare_bound(before->upper, high);
      if (c < 0 || (c == 0 && !high_open)) gap = true;
    } else if (before->upper[0].kind != '>') {
      gap = true;
    }
    // A key that nothing is asked of may be NULL, and such rows are in the default partition.
    for (size_t k = 0; k < keys_.size(); ++k) gap = gap || std::none_of(tests.begin(), tests.end(), [&](auto& t) { return t.key == k; });
    if (fallback >= 0) out[static_cast<size_t>(fallback)] = gap;
    return out;
  }

  const PartitionMap& map_;
  Planner& planner_;
  std::vector<ExprPtr> keys_;
};
}  // namespace

std::vector<int> prune_partitions(const PartitionMap& map, const std::vector<ExprPtr>& quals, int rti, Planner& planner) {
  Pruner pruner(map, rti, planner);
  const Set kept = pruner.matching(quals);
  std::vector<int> out;
  for (size_t i = 0; i < kept.size(); ++i)
    if (kept[i]) out.push_back(static_cast<int>(i));
  return out;
}

}  // namespace stele::query
