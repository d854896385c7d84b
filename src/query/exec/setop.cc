// Append, INTERSECT and EXCEPT by hashing, recursive union.
#include "base/error.h"
#include "query/exec/cte.h"
#include "query/exec/operator.h"
#include "types/hash.h"

namespace stele::query {

namespace {
// The child's columns in its set_targets order.
class Ordered {
 public:
  Ordered(const PlanNode& n, ExecState& s) : op(make_operator(n, s)) {}
  OperatorPtr op;
};

class AppendOp final : public Operator {
 public:
  AppendOp(const PlanNode& n, ExecState& s) : Operator(n, s) {
    for (auto& c : n.children) children_.push_back(make_operator(*c, s));
  }
  void rescan() override { at_ = 0; open_ = false; }
  bool next(Batch& out, int max) override {
    for (; at_ < children_.size(); ++at_, open_ = false) {
      if (!open_) { children_[at_]->rescan(); open_ = true; }
      if (children_[at_]->next(out, max)) return true;
    }
    return false;
  }
 private:
  std::vector<OperatorPtr> children_;
  size_t at_ = 0;
  bool open_ = false;
};

// Whole rows in a hash table; NULLs are equal to each other.
class RowSet {
 public:
  void init(const std::vector<ExprPtr>& layout, ExecContext& ctx, size_t extra) {
    rows.init(layout, ctx, extra);
    types_ = rows.types();
    for (auto& e : layout) collations_.push_back(e->collation);
  }
  void clear() { rows.clear(); table_.clear(); list.clear(); }
  // The row equal to b's row r, added when absent.
  char* find(const Batch& b, int r, bool add, bool* added) {
    uint64_t h = 7;
    for (size_t c = 0; c < types_.size(); ++c) {
      if (types_[c].ops->hash == nullptr) throw Error(ErrorCode::kUndefinedFunction, "could not identify a hash function for the type");
      h = mix64(h ^ (b.columns[c].nulls[r] ? 0x51 : types_[c].ops->hash(b.columns[c].values[r], collations_[c]) * 0x9ddfea08eb382d69ull));
    }
    auto [x, y] = table_.equal_range(h);
    for (auto it = x; it != y; ++it) {
      bool same = true;
      for (size_t c = 0; c < types_.size() && same; ++c) {
        bool null = b.columns[c].nulls[r] != 0;
        same = null == (rows.nulls(it->second)[c] != 0) && (null || types_[c].ops->equal(b.columns[c].values[r], rows.values(it->second)[c], collations_[c]));
      }
      if (same) { *added = false; return it->second; }
    }
    *added = true;
    if (!add) return nullptr;
    char* row = rows.add(b, r);
    table_.emplace(h, row);
    list.push_back(row);
    return row;
  }
  RowStore rows;
  std::vector<char*> list;
 private:
  std::vector<TypeInfo> types_;
  std::vector<Oid> collations_;
  std::unordered_multimap<uint64_t, char*> table_;
};

class SetOpOp final : public Operator {
 public:
  SetOpOp(const PlanNode& n, ExecState& s) : Operator(n, s), left_(make_operator(*n.children[0], s)), right_(make_operator(*n.children[1], s)) { set_.init(n.layout, *s.ctx, 16); }
  void rescan() override { set_.clear(); built_ = false; at_ = 0; emitted_ = 0; }
  bool next(Batch& out, int max) override {
    if (!built_) build();
    size_t columns = node.layout.size();
    buffers_.ensure(columns, max);
    int n = 0;
    while (n < max && at_ < set_.list.size()) {
      char* row = set_.list[at_];
      int64_t l = counts(row)[0], r = counts(row)[1];
      int64_t want = node.set_op == SetOp::kIntersect ? (node.set_all ? std::min(l, r) : (l > 0 && r > 0)) : (node.set_all ? std::max<int64_t>(l - r, 0) : (l > 0 && r == 0));
      if (emitted_ >= want) { ++at_; emitted_ = 0; continue; }
      for (size_t c = 0; c < columns; ++c) { buffers_[c].values[n] = set_.rows.values(row)[c]; buffers_[c].nulls[n] = set_.rows.nulls(row)[c]; }
      ++n;
      ++emitted_;
    }
    if (n == 0) return false;
    buffers_.expose(out, columns, n);
    return true;
  }
 private:
  int64_t* counts(char* row) { return reinterpret_cast<int64_t*>(set_.rows.extra(row)); }
  void build() {
    built_ = true;
    Batch b;
    left_->rescan();
    while (left_->next(b, kBatchRows)) {
      state.interrupts();
      for (int r = 0; r < b.size; ++r) {
        bool added;
        char* row = set_.find(b, r, true, &added);
        if (added) counts(row)[0] = counts(row)[1] = 0;
        ++counts(row)[0];
      }
    }
    right_->rescan();
    while (right_->next(b, kBatchRows)) {
      state.interrupts();
      for (int r = 0; r < b.size; ++r) {
        bool added;
        if (char* row = set_.find(b, r, false, &added)) ++counts(row)[1];
      }
    }
  }
  OperatorPtr left_, right_;
  RowSet set_;
  OutputBatch buffers_;
  size_t at_ = 0;
  int64_t emitted_ = 0;
  bool built_ = false;
};

class RecursiveUnion final : public Operator {
 public:
  RecursiveUnion(const PlanNode& n, ExecState& s) : Operator(n, s), left_(make_operator(*n.children[0], s)) {
    // Its store exists before the recursive term's scan asks for it. The state owns it: the store runs this operator.
    cte_store(s, n.cte);
    right_ = make_operator(*n.children[1], s);
    if (!n.set_all) seen_.init(n.layout, *s.ctx, 0);
    for (auto* w : {&work_, &next_}) w->init(n.layout, *s.ctx);
  }
  void rescan() override {
    left_->rescan();
    first_ = true;
    seen_.clear_if();
    work_.clear();
    next_.clear();
    work_rows_.clear();
    next_rows_.clear();
  }
  bool next(Batch& out, int max) override {
    while (true) {
      state.interrupts();
      Operator& source = first_ ? *left_ : *right_;
      if (!source.next(in_, max)) {
        // The rows of this round feed the next one.
        std::swap(work_, next_);
        std::swap(work_rows_, next_rows_);
        next_.clear();
        next_rows_.clear();
        if (work_rows_.empty()) return false;
        first_ = false;
        auto& store = cte_store(state, node.cte);
        store->working = &work_;
        store->working_rows = &work_rows_;
        ++store->round;
        right_->rescan();
        continue;
      }
      sel_.clear();
      for (int r = 0; r < in_.size; ++r) {
        if (!node.set_all) {
          bool added;
          seen_.find(in_, r, true, &added);
          if (!added) continue;
        }
        next_rows_.push_back(next_.add(in_, r));
        sel_.push_back(r);
      }
      if (sel_.empty()) continue;
      size_t columns = node.layout.size();
      int n = static_cast<int>(sel_.size());
      buffers_.ensure(columns, n);
      for (size_t c = 0; c < columns; ++c) gather(in_.columns[c], sel_.data(), n, buffers_[c]);
      buffers_.expose(out, columns, n);
      return true;
    }
  }
 private:
  struct Seen : RowSet { void clear_if() { if (!rows.types().empty() || !list.empty()) clear(); } };
  OperatorPtr left_, right_;
  Seen seen_;
  RowStore work_, next_;
  std::vector<char*> work_rows_, next_rows_;
  std::vector<int> sel_;
  OutputBatch buffers_;
  Batch in_;
  bool first_ = true;
};
}  // namespace

OperatorPtr make_setop(const PlanNode& n, ExecState& s) {
  switch (n.type) {
    case NodeType::kSetOp: return std::make_unique<SetOpOp>(n, s);
    case NodeType::kRecursiveUnion: return std::make_unique<RecursiveUnion>(n, s);
    default: return std::make_unique<AppendOp>(n, s);
  }
}

}  // namespace stele::query
