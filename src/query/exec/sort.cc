// Sort (with top-N and an external merge), Unique, Limit, Materialize.
#include <cstdio>

#include "base/error.h"
#include "query/exec/cte.h"
#include "query/exec/operator.h"
#include "query/exec/spill.h"
#include "query/rewrite.h"
#include "types/oids.h"

namespace stele::query {

namespace {
// The first sort key as a number whose order is the key's, where that decides.
uint64_t prefix_of(const KeyCompare& k, const TypeInfo& t, Datum v, bool null) {
  uint64_t p = 0;
  if (null) return k.nulls_first ? 0 : ~uint64_t{0};
  switch (t.base) {
    case oid::kInt2: case oid::kInt4: case oid::kInt8: case oid::kDate: case oid::kTimestamp: case oid::kTimestamptz: case oid::kTime:
      p = v.bits ^ (uint64_t{1} << 63);
      break;
    case oid::kFloat8: {
      uint64_t b = std::isnan(v.as_double()) ? 0x7fffffffffffffffull : v.as_double() == 0 ? 0 : v.bits;
      p = b >> 63 ? ~b : b | (uint64_t{1} << 63);
      break;
    }
    case oid::kText: case oid::kVarchar: case oid::kBytea:
      if (k.collation != 0 && k.collation != oid::kDefaultCollation && k.collation != oid::kCCollation && k.collation != oid::kPosixCollation) return 1;
      {
        std::string_view s = v.as_view();
        unsigned char b[8] = {};
        std::memcpy(b, s.data(), std::min<size_t>(8, s.size()));
        std::memcpy(&p, b, 8);
        p = __builtin_bswap64(p);
      }
      break;
    default: return 1;
  }
  if (k.descending) p = ~p;
  // Room for NULLs at both ends.
  return std::clamp<uint64_t>(p, 1, ~uint64_t{0} - 1);
}

class SortOp final : public Operator {
 public:
  SortOp(const PlanNode& n, ExecState& s) : Operator(n, s), child_(make_operator(*n.children[0], s)) {
    keys_layout_ = n.children[0]->layout;
    Layout l(keys_layout_);
    CompileEnv env;
    env.layout = &l;
    env.state = &s;
    for (auto& k : n.sort_keys) {
      compare_.push_back(key_compare(k, *s.ctx));
      int slot = l.find(k.expr);
      key_slots_.push_back(slot);
      if (slot < 0) {
        // A computed key is kept as a further column.
        computed_.push_back(compile(k.expr, env));
        key_slots_.back() = static_cast<int>(keys_layout_.size());
        keys_layout_.push_back(k.expr);
      }
      key_types_.push_back(type_info(k.expr->type, *s.ctx));
    }
    rows_.init(keys_layout_, *s.ctx);
    if (s.stats != nullptr) stats_ = &(*s.stats)[&n];
  }
  void rescan() override {
    // A sort that no parameter can change is done once.
    if (sorted_ && !depends_) { at_ = 0; if (!merger_) return; }
    sorted_ = false;
    items_.clear();
    rows_.clear();
    merger_.reset();
    at_ = 0;
  }
  bool next(Batch& out, int max) override {
    if (!sorted_) run(max);
    size_t columns = node.layout.size();
    buffers_.ensure(columns, max);
    int n = 0;
    if (merger_) {
      out_arena_.reset();
      while (n < max && merger_->next(row_values_, row_nulls_, out_arena_)) {
        for (size_t c = 0; c < columns; ++c) {
          buffers_[c].values[n] = row_values_[c];
          buffers_[c].nulls[n] = row_nulls_[c];
        }
        ++n;
      }
    } else {
      for (; n < max && at_ < items_.size(); ++n, ++at_) {
        const Datum* v = rows_.values(items_[at_].row);
        const uint8_t* nl = rows_.nulls(items_[at_].row);
        for (size_t c = 0; c < columns; ++c) {
          buffers_[c].values[n] = v[c];
          buffers_[c].nulls[n] = nl[c];
        }
      }
    }
    if (n == 0) return false;
    buffers_.expose(out, columns, n);
    return true;
  }
  void set_bound(int64_t n) { bound_ = n; }

 private:
  struct Item { uint64_t prefix; char* row; uint64_t order; };
  int compare(const Item& a, const Item& b) const {
    if (a.prefix != b.prefix) return a.prefix < b.prefix ? -1 : 1;
    const Datum *x = rows_.values(a.row), *y = rows_.values(b.row);
    const uint8_t *xn = rows_.nulls(a.row), *yn = rows_.nulls(b.row);
    for (size_t i = 0; i < compare_.size(); ++i) {
      int s = key_slots_[i];
      int c = compare_[i](x[s], xn[s] != 0, y[s], yn[s] != 0);
      if (c != 0) return c;
    }
    return 0;
  }
  bool less(const Item& a, const Item& b) const {
    int c = compare(a, b);
    return c != 0 ? c < 0 : a.order < b.order;
  }

  // Rows that compare equal come out as PostgreSQL leaves them: its quicksort (Bentley and McIlroy's, with a test for sorted
  // input) and its bounded heap are followed step by step.
  size_t median(size_t a, size_t b, size_t c) const {
    const auto& t = items_;
    if (compare(t[a], t[b]) < 0) return compare(t[b], t[c]) < 0 ? b : compare(t[a], t[c]) < 0 ? c : a;
    return compare(t[b], t[c]) > 0 ? b : compare(t[a], t[c]) < 0 ? a : c;
  }
  void quicksort(size_t a, size_t n) {
    auto& t = items_;
    auto swap_runs = [&](size_t x, size_t y, size_t count) { std::swap_ranges(t.begin() + static_cast<long>(x), t.begin() + static_cast<long>(x + count), t.begin() + static_cast<long>(y)); };
    for (;;) {
      state.interrupts();
      size_t sorted_to = a + 1;
      while (sorted_to < a + n && compare(t[sorted_to - 1], t[sorted_to]) <= 0) ++sorted_to;
      if (sorted_to >= a + n) return;
      if (n < 7) {
        for (size_t i = a + 1; i < a + n; ++i)
          for (size_t k = i; k > a && compare(t[k - 1], t[k]) > 0; --k) std::swap(t[k], t[k - 1]);
        return;
      }
      size_t middle = a + n / 2;
      if (n > 7) {
        size_t low = a, high = a + n - 1;
        if (n > 40) {
          const size_t d = n / 8;
          low = median(low, low + d, low + 2 * d);
          middle = median(middle - d, middle, middle + d);
          high = median(high - 2 * d, high - d, high);
        }
        middle = median(low, middle, high);
      }
      std::swap(t[a], t[middle]);
      // Equal items gather at both ends: [a, equal_low) and (equal_high, end).
      size_t equal_low = a + 1, low = a + 1, high = a + n - 1, equal_high = a + n - 1;
      for (;;) {
        int c = 0;
        while (low <= high && (c = compare(t[low], t[a])) <= 0) {
          if (c == 0) std::swap(t[equal_low++], t[low]);
          ++low;
        }
        while (low <= high && (c = compare(t[high], t[a])) >= 0) {
          if (c == 0) std::swap(t[high], t[equal_high--]);
          --high;
        }
        if (low > high) break;
        std::swap(t[low++], t[high--]);
      }
      const size_t end = a + n;
      size_t count = std::min(equal_low - a, low - equal_low);
      swap_runs(a, low - count, count);
      count = std::min(equal_high - high, end - equal_high - 1);
      swap_runs(low, end - count, count);
      const size_t left = low - equal_low, right = equal_high - high;
      if (left <= right) {
        if (left > 1) quicksort(a, left);
        if (right <= 1) return;
        a = end - right;
        n = right;
      } else {
        if (right > 1) quicksort(end - right, right);
        if (left <= 1) return;
        n = left;
      }
    }
  }
  // The heap's top is the row that sorts last.
  void heap_insert(size_t count, Item it) {
    size_t j = count;
    for (; j > 0; j = (j - 1) / 2) {
      const size_t parent = (j - 1) / 2;
      if (compare(it, items_[parent]) <= 0) break;
      items_[j] = items_[parent];
    }
    items_[j] = it;
  }
  void heap_replace_top(size_t count, Item it) {
    size_t i = 0;
    for (;;) {
      size_t j = 2 * i + 1;
      if (j >= count) break;
      if (j + 1 < count && compare(items_[j], items_[j + 1]) < 0) ++j;
      if (compare(it, items_[j]) >= 0) break;
      items_[i] = items_[j];
      i = j;
    }
    items_[i] = it;
  }
  void make_bounded_heap(size_t bound) {
    const std::vector<Item> all = std::exchange(items_, {});
    items_.resize(bound);
    size_t count = 0;
    for (const Item& it : all) {
      if (count < bound) heap_insert(count++, it);
      else if (compare(it, items_[0]) < 0) heap_replace_top(count, it);
    }
  }
  void sort_bounded_heap() {
    for (size_t count = items_.size(); count > 1;) {
      const Item last = items_[0];
      --count;
      heap_replace_top(count, items_[count]);
      items_[count] = last;
    }
  }
  int64_t top_n() {
    return static_cast<int64_t>(node.limit_rows);
  }
  void run(int) {
    sorted_ = true;
    int64_t bound = node.limit_rows > 0 ? static_cast<int64_t>(node.limit_rows) : -1;
    child_->rescan();
    uint64_t order = 0;
    size_t budget = state.work_mem();
    Batch in;
    bool heap = false;
    while (child_->next(in, kBatchRows)) {
      state.interrupts();
      arena_.reset();
      if (!computed_.empty()) {
        Frame f{in.columns.data(), in.size, &arena_, &state};
        for (auto& c : computed_) in.columns.push_back(c->eval(f, Sel{nullptr, in.size}));
      }
      for (int r = 0; r < in.size; ++r) {
        const Vec& k = in.columns[static_cast<size_t>(key_slots_[0])];
        uint64_t p = compare_.empty() ? 0 : prefix_of(compare_[0], key_types_[0], k.values[r], k.nulls[r] != 0);
        if (heap) {
          if (p > items_.front().prefix) { ++order; continue; }
          Item it{p, rows_.add(in, r), order++};
          if (compare(it, items_.front()) >= 0) continue;
          heap_replace_top(items_.size(), it);
          if (rows_.bytes() > budget * 4 && items_.size() < 4096) compact();
          continue;
        }
        items_.push_back({p, rows_.add(in, r), order++});
        if (bound > 0 && (static_cast<int64_t>(items_.size()) > bound * 2 || (static_cast<int64_t>(items_.size()) > bound && rows_.bytes() > budget))) {
          make_bounded_heap(static_cast<size_t>(bound));
          heap = true;
        }
      }
      if (bound <= 0 && rows_.bytes() + items_.size() * sizeof(Item) > budget) spill();
    }
    if (heap) {
      sort_bounded_heap();
    } else {
      quicksort(0, items_.size());
      if (bound > 0 && static_cast<int64_t>(items_.size()) > bound) items_.resize(static_cast<size_t>(bound));
    }
    if (stats_ != nullptr) {
      stats_->memory_bytes = std::max(stats_->memory_bytes, static_cast<double>(rows_.bytes() + items_.size() * sizeof(Item)));
      stats_->method = merger_ ? "external merge" : heap ? "top-N heapsort" : "quicksort";
    }
    if (merger_) {
      spill();
      if (stats_ != nullptr) stats_->disk_bytes = static_cast<double>(merger_->bytes());
      merger_->start();
      row_values_.resize(keys_layout_.size());
      row_nulls_.resize(keys_layout_.size());
    }
  }
  void compact() {
    // Rows pushed out of the heap still take memory.
    RowStore fresh;
    fresh.init(keys_layout_, *state.ctx);
    for (auto& it : items_) it.row = fresh.add_values(rows_.values(it.row), rows_.nulls(it.row));
    std::swap(rows_, fresh);
  }
  void spill() {
    if (!merger_) merger_ = std::make_unique<RunMerger>(rows_.types(), [this](const Datum* x, const uint8_t* xn, const Datum* y, const uint8_t* yn) {
      for (size_t i = 0; i < compare_.size(); ++i) {
        int s = key_slots_[i];
        int c = compare_[i](x[s], xn[s] != 0, y[s], yn[s] != 0);
        if (c != 0) return c;
      }
      return 0;
    });
    if (items_.empty()) return;
    std::sort(items_.begin(), items_.end(), [this](const Item& a, const Item& b) { return less(a, b); });
    merger_->begin_run();
    for (auto& it : items_) merger_->add(rows_.values(it.row), rows_.nulls(it.row));
    items_.clear();
    rows_.clear();
  }
  OperatorPtr child_;
  std::vector<ExprPtr> keys_layout_;
  std::vector<EvalPtr> computed_;
  std::vector<KeyCompare> compare_;
  std::vector<TypeInfo> key_types_;
  std::vector<int> key_slots_;
  RowStore rows_;
  std::vector<Item> items_;
  std::unique_ptr<RunMerger> merger_;
  OutputBatch buffers_;
  Arena arena_, out_arena_;
  std::vector<Datum> row_values_;
  std::vector<uint8_t> row_nulls_;
  NodeStats* stats_ = nullptr;
  size_t at_ = 0;
  int64_t bound_ = -1;
  bool sorted_ = false, depends_ = true;
};

class UniqueOp final : public Operator {
 public:
  UniqueOp(const PlanNode& n, ExecState& s) : Operator(n, s), child_(make_operator(*n.children[0], s)) {
    std::vector<ExprPtr> exprs;
    for (auto& k : n.sort_keys) {
      exprs.push_back(k.expr);
      types_.push_back(type_info(k.expr->type, *s.ctx));
      collations_.push_back(k.collation);
    }
    keys_.compile(exprs, n.children[0]->layout, s);
  }
  void rescan() override { child_->rescan(); have_ = false; }
  bool next(Batch& out, int max) override {
    while (child_->next(in_, max)) {
      arena_.reset();
      keys_.eval(in_, arena_, state);
      sel_.clear();
      for (int r = 0; r < in_.size; ++r) {
        bool same = have_;
        for (size_t k = 0; k < types_.size() && same; ++k) {
          bool null = keys_.vecs[k]->nulls[r] != 0;
          same = null == last_[k].is_null && (null || types_[k].ops->equal(keys_.vecs[k]->values[r], last_[k].value, collations_[k]));
        }
        if (same) continue;
        have_ = true;
        last_arena_.reset();
        last_.clear();
        for (size_t k = 0; k < types_.size(); ++k) {
          NullableDatum d{keys_.vecs[k]->values[r], keys_.vecs[k]->nulls[r] != 0};
          if (!d.is_null) d.value = copy_value(types_[k], d.value, last_arena_);
          last_.push_back(d);
        }
        sel_.push_back(r);
      }
      if (sel_.empty()) continue;
      buffers_.ensure(in_.columns.size(), static_cast<int>(sel_.size()));
      for (size_t c = 0; c < in_.columns.size(); ++c) gather(in_.columns[c], sel_.data(), static_cast<int>(sel_.size()), buffers_[c]);
      buffers_.expose(out, in_.columns.size(), static_cast<int>(sel_.size()));
      return true;
    }
    return false;
  }
 private:
  OperatorPtr child_;
  ExprList keys_;
  std::vector<TypeInfo> types_;
  std::vector<Oid> collations_;
  std::vector<NullableDatum> last_;
  std::vector<int> sel_;
  OutputBatch buffers_;
  Batch in_;
  Arena arena_, last_arena_;
  bool have_ = false;
};

class LimitOp final : public Operator {
 public:
  LimitOp(const PlanNode& n, ExecState& s) : Operator(n, s), child_(make_operator(*n.children[0], s)) {
    std::vector<ExprPtr> exprs;
    for (auto& k : n.sort_keys) { exprs.push_back(k.expr); compare_.push_back(key_compare(k, *s.ctx)); types_.push_back(type_info(k.expr->type, *s.ctx)); }
    keys_.compile(exprs, n.children[0]->layout, s);
  }
  void rescan() override {
    child_->rescan();
    Arena a;
    count_ = -1;
    skip_ = 0;
    seen_ = 0;
    done_ = false;
    if (node.limit_offset) {
      NullableDatum v = evaluate_const(node.limit_offset, state, a);
      if (!v.is_null) {
        skip_ = v.value.as_int();
        if (skip_ < 0) throw Error(ErrorCode::kInvalidRowCountInResultOffsetClause, "OFFSET must not be negative");
      }
    }
    if (node.limit_count) {
      NullableDatum v = evaluate_const(node.limit_count, state, a);
      if (!v.is_null) {
        count_ = v.value.as_int();
        if (count_ < 0) throw Error(ErrorCode::kInvalidRowCountInLimitClause, "LIMIT must not be negative");
      } else if (node.with_ties) {
        throw Error(ErrorCode::kInvalidRowCountInLimitClause, "row count cannot be null in FETCH FIRST ... WITH TIES clause");
      }
    }
  }
  bool next(Batch& out, int max) override {
    while (!done_) {
      int64_t left = count_ < 0 ? max : count_ - seen_;
      if (left <= 0 && !node.with_ties) return false;
      if (count_ == 0) return false;
      int want = max;
      if (!node.with_ties && count_ >= 0) want = static_cast<int>(std::min<int64_t>(max, left + std::min<int64_t>(skip_, max)));
      else if (skip_ > 0 && count_ < 0) want = max;
      if (!child_->next(out, std::max(1, want))) { done_ = true; return false; }
      int from = 0;
      if (skip_ > 0) {
        from = static_cast<int>(std::min<int64_t>(skip_, out.size));
        skip_ -= from;
        if (from == out.size) continue;
      }
      int take = out.size - from;
      if (count_ >= 0 && take > left) take = node.with_ties ? ties(out, from, static_cast<int>(std::max<int64_t>(left, 0))) : static_cast<int>(left);
      else if (node.with_ties && count_ >= 0) remember(out, from + take - 1);
      seen_ += take;
      if (take <= 0) { done_ = true; return false; }
      for (auto& c : out.columns) { c.values += from; c.nulls += from; }
      out.size = take;
      return true;
    }
    return false;
  }
 private:
  void remember(const Batch& b, int r) {
    arena_.reset();
    keys_.eval(b, arena_, state);
    last_arena_.reset();
    last_.clear();
    for (size_t k = 0; k < types_.size(); ++k) {
      NullableDatum d{keys_.vecs[k]->values[r], keys_.vecs[k]->nulls[r] != 0};
      if (!d.is_null) d.value = copy_value(types_[k], d.value, last_arena_);
      last_.push_back(d);
    }
  }
  int ties(const Batch& b, int from, int left) {
    if (left > 0) remember(b, from + left - 1);
    arena_.reset();
    keys_.eval(b, arena_, state);
    int n = left;
    for (; from + n < b.size; ++n)
      for (size_t k = 0; k < types_.size(); ++k) {
        int r = from + n;
        if (compare_[k](keys_.vecs[k]->values[r], keys_.vecs[k]->nulls[r] != 0, last_[k].value, last_[k].is_null) != 0) { done_ = true; return n; }
      }
    return n;
  }
  OperatorPtr child_;
  ExprList keys_;
  std::vector<KeyCompare> compare_;
  std::vector<TypeInfo> types_;
  std::vector<NullableDatum> last_;
  Arena arena_, last_arena_;
  int64_t count_ = -1, skip_ = 0, seen_ = 0;
  bool done_ = false;
};

// What a subtree takes from outside: exec parameters, and working tables of recursions.
class Inputs {
 public:
  Inputs(const PlanNode& n, ExecState& s) : state_(s) {
    look(n);
    std::erase_if(params_, [&](const Param& p) { return own_.contains(p.at); });
  }
  // Whether anything is other than at the last call; true at the first one.
  bool changed() {
    bool any = !std::exchange(known_, true);
    for (Param& p : params_) {
      const NullableDatum now = state_.params[p.at];
      const std::string_view bytes = now.is_null || p.by_value ? std::string_view() : now.value.as_view();
      if (now.is_null == p.is_null && (now.is_null || (p.by_value ? now.value.bits == p.bits : bytes == p.bytes))) continue;
      p.is_null = now.is_null;
      p.bits = now.value.bits;
      p.bytes.assign(bytes);
      any = true;
    }
    for (auto& [cte, round] : tables_) {
      const uint64_t now = cte_store(state_, cte)->round;
      any = any || now != round;
      round = now;
    }
    return any;
  }

 private:
  struct Param { size_t at; bool by_value; bool is_null = false; uint64_t bits = 0; std::string bytes; };
  void look(const ExprPtr& e) {
    if (!e) return;
    walk(e, [&](const Expr& x, int) {
      if (x.kind != ExprKind::kParam) return false;
      auto& p = static_cast<const ParamExpr&>(x);
      if (p.param_kind == ParamKind::kExec && p.id >= kExecParamBase)
        params_.push_back({static_cast<size_t>(p.id - kExecParamBase), type_info(p.type, *state_.ctx).by_value, false, 0, {}});
      return false;
    });
  }
  void look(const PlanNode& n) {
    for (auto* l : {&n.quals, &n.join_quals, &n.set_targets, &n.group_keys, &n.aggregates, &n.one_time, &n.sub_columns}) for (auto& e : *l) look(e);
    for (auto& c : n.conds) look(c.value);
    for (auto& l : n.or_conds) for (auto& c : l) look(c.value);
    for (auto& f : n.functions) look(f.call);
    for (auto& row : n.values) for (auto& e : row) look(e);
    for (auto& [id, e] : n.nest_params) { own_.insert(static_cast<size_t>(id - kExecParamBase)); look(e); }
    for (auto& [id, e] : n.lateral_params) { own_.insert(static_cast<size_t>(id - kExecParamBase)); look(e); }
    look(n.limit_count);
    look(n.limit_offset);
    if (n.type == NodeType::kWorkTableScan) tables_.emplace_back(n.cte, 0);
    for (auto& c : n.children) look(*c);
  }
  ExecState& state_;
  std::vector<Param> params_;
  std::vector<std::pair<int, uint64_t>> tables_;
  std::set<size_t> own_;   // set inside the subtree
  bool known_ = false;
};

class MaterializeOp final : public Operator {
 public:
  MaterializeOp(const PlanNode& n, ExecState& s) : Operator(n, s), child_(make_operator(*n.children[0], s)), inputs_(*n.children[0], s) { rows_.init(n.layout, *s.ctx); }
  void rescan() override {
    at_ = 0;
    if (!inputs_.changed()) return;
    list_.clear();
    rows_.clear();
    done_ = false;
    child_->rescan();
  }
  bool next(Batch& out, int max) override {
    if (at_ >= list_.size()) {
      if (done_ || !child_->next(out, max)) { done_ = true; return false; }
      for (int r = 0; r < out.size; ++r) list_.push_back(rows_.add(out, r));
      at_ = list_.size();
      return true;
    }
    size_t columns = node.layout.size();
    int n = static_cast<int>(std::min<size_t>(static_cast<size_t>(max), list_.size() - at_));
    buffers_.ensure(columns, n);
    for (int i = 0; i < n; ++i, ++at_)
      for (size_t c = 0; c < columns; ++c) {
        buffers_[c].values[i] = rows_.values(list_[at_])[c];
        buffers_[c].nulls[i] = rows_.nulls(list_[at_])[c];
      }
    buffers_.expose(out, columns, n);
    return true;
  }
 private:
  OperatorPtr child_;
  RowStore rows_;
  std::vector<char*> list_;
  OutputBatch buffers_;
  Inputs inputs_;
  size_t at_ = 0;
  bool done_ = false;
};
}  // namespace

OperatorPtr make_sort(const PlanNode& n, ExecState& s) {
  switch (n.type) {
    case NodeType::kSort: return std::make_unique<SortOp>(n, s);
    case NodeType::kUnique: return std::make_unique<UniqueOp>(n, s);
    case NodeType::kLimit: return std::make_unique<LimitOp>(n, s);
    default: return std::make_unique<MaterializeOp>(n, s);
  }
}

}  // namespace stele::query
