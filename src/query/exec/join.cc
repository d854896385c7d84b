// Nested loop, hash and merge joins.
#include "base/error.h"
#include "query/exec/operator.h"
#include "query/exec/spill.h"
#include "query/rewrite.h"
#include "types/hash.h"

namespace stele::query {

namespace {
// Columns of a joined row: the node's output and what its conditions read, each from one side.
struct JoinedRow {
  std::vector<ExprPtr> layout;
  std::vector<std::pair<bool, int>> source;   // inner?, slot
  size_t keep = 0;
  explicit JoinedRow(const PlanNode& n) {
    layout = n.layout;
    keep = layout.size();
    for (auto* list : {&n.join_quals, &n.quals})
      for (auto& q : *list)
        walk(q, [&](const Expr& e, int) {
          if (e.kind == ExprKind::kVar) {
            auto v = std::make_shared<VarExpr>(static_cast<const VarExpr&>(e));
            if (std::none_of(layout.begin(), layout.end(), [&](auto& x) { return x->kind == ExprKind::kVar && static_cast<const VarExpr&>(*x).relation == v->relation && static_cast<const VarExpr&>(*x).column == v->column; })) layout.push_back(v);
          }
          return false;
        });
    Layout o(n.children[0]->layout), i(n.children[1]->layout);
    for (auto& e : layout) {
      int s = o.find(e);
      if (s >= 0) { source.emplace_back(false, s); continue; }
      s = i.find(e);
      if (s < 0) throw Error(ErrorCode::kInternalError, "join column is on neither side");
      source.emplace_back(true, s);
    }
  }
};

class NestLoopOp final : public Operator {
 public:
  NestLoopOp(const PlanNode& n, ExecState& s) : Operator(n, s), row_(n), outer_(make_operator(*n.children[0], s)), inner_(make_operator(*n.children[1], s)) {
    match_.compile(n.join_quals, row_.layout, s);
    filter_.compile(n.quals, row_.layout, s);
    std::vector<ExprPtr> exprs;
    for (auto& [id, e] : n.nest_params) { ids_.push_back(static_cast<size_t>(id - kExecParamBase)); exprs.push_back(e); }
    params_.compile(exprs, n.children[0]->layout, s);
    for (auto& e : row_.layout) types_.push_back(type_info(e->type, *s.ctx));
    if (s.stats != nullptr) stats_ = &(*s.stats)[&n];
  }
  void rescan() override {
    outer_->rescan();
    in_.size = 0;
    at_ = -1;
    open_ = false;
  }
  bool next(Batch& out, int max) override {
    while (true) {
      out_arena_.reset();
      buffers_.ensure(row_.layout.size(), max);
      int n = 0;
      bool flush = false;
      while (n < max && !flush) {
        if (!open_) {
          if (at_ + 1 >= in_.size) {
            if (n > 0) break;   // rows so far refer to the outer batch
            state.interrupts();
            if (!outer_->next(in_, max)) { at_ = -1; in_.size = 0; return false; }
            at_ = -1;
            param_arena_.reset();
            params_.eval(in_, param_arena_, state);
          }
          ++at_;
          for (size_t p = 0; p < ids_.size(); ++p) state.params[ids_[p]] = {params_.vecs[p]->values[at_], params_.vecs[p]->nulls[at_] != 0};
          inner_->rescan();
          open_ = true;
          matched_ = false;
        }
        int room = max - n;
        bool one = node.join == JoinKind::kSemi || node.join == JoinKind::kAnti || node.inner_unique;
        if (!inner_->next(inner_batch_, one && match_.empty() ? 1 : room)) {
          open_ = false;
          if (!matched_ && (node.join == JoinKind::kLeft || node.join == JoinKind::kAnti)) put_outer(n++);
          continue;
        }
        n = append(n, room);
        if (matched_ && one) open_ = false;
      }
      buffers_.expose(out, row_.layout.size(), n);
      if (n == 0) continue;
      filter_arena_.reset();
      filter_.apply(out, row_.keep, filter_arena_, state, stats_);
      if (out.size > 0) return true;
    }
  }

 private:
  void put_outer(int n) {
    for (size_t c = 0; c < row_.source.size(); ++c) {
      auto [inner, slot] = row_.source[c];
      if (inner) { buffers_[c].nulls[n] = 1; continue; }
      buffers_[c].values[n] = in_.columns[static_cast<size_t>(slot)].values[at_];
      buffers_[c].nulls[n] = in_.columns[static_cast<size_t>(slot)].nulls[at_];
    }
  }
  // Rows of inner_batch_ that match the current outer row, to buffers from n on.
  int append(int n, int room) {
    int rows = inner_batch_.size;
    const int* sel = nullptr;
    int hits = rows;
    if (!match_.empty()) {
      joined_.ensure(row_.source.size(), rows);
      Batch b;
      b.size = rows;
      b.columns.resize(row_.source.size());
      for (size_t c = 0; c < row_.source.size(); ++c) {
        auto [inner, slot] = row_.source[c];
        if (inner) { b.columns[c] = inner_batch_.columns[static_cast<size_t>(slot)]; continue; }
        std::fill_n(joined_[c].values, rows, in_.columns[static_cast<size_t>(slot)].values[at_]);
        std::fill_n(joined_[c].nulls, rows, in_.columns[static_cast<size_t>(slot)].nulls[at_]);
        b.columns[c] = joined_[c];
      }
      match_arena_.reset();
      hits = match_.select(b, match_arena_, state);
      if (stats_ != nullptr) stats_->removed_join += rows - hits;
      sel = match_.sel();
    }
    if (hits == 0) return n;
    matched_ = true;
    if (node.join == JoinKind::kAnti) return n;
    if (node.join == JoinKind::kSemi) { put_outer(n); return n + 1; }
    if (node.inner_unique) hits = std::min(hits, 1);
    hits = std::min(hits, room);
    for (size_t c = 0; c < row_.source.size(); ++c) {
      auto [inner, slot] = row_.source[c];
      Vec& to = buffers_[c];
      if (!inner) {
        std::fill_n(to.values + n, hits, in_.columns[static_cast<size_t>(slot)].values[at_]);
        std::fill_n(to.nulls + n, hits, in_.columns[static_cast<size_t>(slot)].nulls[at_]);
        continue;
      }
      const Vec& from = inner_batch_.columns[static_cast<size_t>(slot)];
      for (int k = 0; k < hits; ++k) {
        int r = sel != nullptr ? sel[k] : k;
        to.nulls[n + k] = from.nulls[r];
        to.values[n + k] = from.nulls[r] || types_[c].by_value ? from.values[r] : make_bytes(out_arena_, from.values[r].as_view());
      }
    }
    return n + hits;
  }
  JoinedRow row_;
  OperatorPtr outer_, inner_;
  BatchFilter match_, filter_;
  ExprList params_;
  std::vector<size_t> ids_;
  std::vector<TypeInfo> types_;
  Batch in_, inner_batch_;
  OutputBatch buffers_, joined_;
  Arena out_arena_, param_arena_, match_arena_, filter_arena_;
  NodeStats* stats_ = nullptr;
  int at_ = -1;
  bool open_ = false, matched_ = false;
};

// Joins that hold the inner side's rows and find candidates for an outer row among them.
struct InnerExtra { char* next; uint64_t hash; uint64_t matched; };

class PairJoin : public Operator {
 public:
  PairJoin(const PlanNode& n, ExecState& s) : Operator(n, s), row_(n), outer_(make_operator(*n.children[0], s)), inner_(make_operator(*n.children[1], s)) {
    match_.compile(n.join_quals, row_.layout, s);
    filter_.compile(n.quals, row_.layout, s);
    outer_keys_.compile(n.outer_keys, n.children[0]->layout, s);
    inner_layout_ = n.children[1]->layout;
    Layout l(inner_layout_);
    CompileEnv env;
    env.layout = &l;
    env.state = &s;
    for (size_t i = 0; i < n.inner_keys.size(); ++i) {
      int slot = l.find(n.inner_keys[i]);
      if (slot < 0) {
        computed_.push_back(compile(n.inner_keys[i], env));
        slot = static_cast<int>(inner_layout_.size());
        inner_layout_.push_back(n.inner_keys[i]);
      }
      key_slots_.push_back(slot);
      key_types_.push_back(type_info(n.inner_keys[i]->type, *s.ctx));
      Oid collation = 0;
      if (i < n.key_clauses.size() && n.key_clauses[i]->kind == ExprKind::kOp) collation = static_cast<const OpExpr&>(*n.key_clauses[i]).input_collation;
      collations_.push_back(collation);
    }
    rows_.init(inner_layout_, *s.ctx, sizeof(InnerExtra));
    if (s.stats != nullptr) stats_ = &(*s.stats)[&n];
  }
  void rescan() override {
    built_ = false;
    in_.size = 0;
    at_ = 0;
    candidate_ = nullptr;
    phase_ = Phase::kProbe;
    rows_.clear();
    list_.clear();
  }
  bool next(Batch& out, int max) override {
    while (true) {
      state.interrupts();
      if (!built_) {
        inner_->rescan();
        build();
        built_ = true;
        outer_->rescan();
      }
      buffers_.ensure(row_.layout.size(), max);
      int n = 0;
      switch (phase_) {
        case Phase::kProbe: n = probe(max); break;
        case Phase::kUnmatchedOuter: n = unmatched_outer(max); break;
        case Phase::kUnmatchedInner: n = unmatched_inner(max); break;
        case Phase::kDone: return false;
      }
      if (n == 0) continue;
      buffers_.expose(out, row_.layout.size(), n);
      filter_arena_.reset();
      filter_.apply(out, row_.keep, filter_arena_, state, stats_);
      if (out.size > 0) return true;
    }
  }

 protected:
  enum class Phase { kProbe, kUnmatchedOuter, kUnmatchedInner, kDone };
  virtual void build() = 0;
  virtual void bind_outer() = 0;                 // keys of in_ are evaluated
  virtual char* first(int row) = 0;
  virtual char* following(char* candidate, int row) = 0;
  virtual bool next_outer(Batch& b) { return outer_->next(b, kBatchRows); }
  virtual bool next_section() { return false; }  // another partition to join
  InnerExtra& extra(char* row) const { return *reinterpret_cast<InnerExtra*>(rows_.extra(row)); }
  bool preserves_outer() const { return node.join == JoinKind::kLeft || node.join == JoinKind::kFull; }
  bool preserves_inner() const { return node.join == JoinKind::kRight || node.join == JoinKind::kFull; }

  char* keep(const Batch& b, int r) {
    char* row = rows_.add(b, r);
    extra(row) = {nullptr, 0, 0};
    list_.push_back(row);
    return row;
  }
  void put(int n, int outer_row, const char* inner_row) {
    for (size_t c = 0; c < row_.source.size(); ++c) {
      auto [inner, slot] = row_.source[c];
      Vec& to = buffers_[c];
      if (inner) {
        to.nulls[n] = inner_row == nullptr ? 1 : rows_.nulls(inner_row)[slot];
        if (inner_row != nullptr) to.values[n] = rows_.values(inner_row)[slot];
      } else {
        to.nulls[n] = outer_row < 0 ? 1 : in_.columns[static_cast<size_t>(slot)].nulls[outer_row];
        if (outer_row >= 0) to.values[n] = in_.columns[static_cast<size_t>(slot)].values[outer_row];
      }
    }
  }
  int probe(int max) {
    if (at_ >= in_.size && candidate_ == nullptr) {
      if (!next_outer(in_)) {
        in_.size = 0;
        phase_ = preserves_inner() ? Phase::kUnmatchedInner : Phase::kDone;
        at_ = 0;
        if (phase_ == Phase::kDone && next_section()) phase_ = Phase::kProbe;
        return 0;
      }
      key_arena_.reset();
      outer_keys_.eval(in_, key_arena_, state);
      matched_.assign(static_cast<size_t>(in_.size), 0);
      bind_outer();
      at_ = 0;
      fresh_ = true;
    }
    bool first_only = node.join == JoinKind::kSemi || node.join == JoinKind::kAnti || (node.inner_unique && !preserves_inner());
    bool simple = match_.empty();
    pairs_.clear();
    while (static_cast<int>(pairs_.size()) < max && at_ < in_.size) {
      if (fresh_) { candidate_ = first(at_); fresh_ = false; }
      if (candidate_ == nullptr) { ++at_; fresh_ = true; continue; }
      pairs_.emplace_back(at_, candidate_);
      if (simple && first_only) { candidate_ = nullptr; ++at_; fresh_ = true; continue; }
      candidate_ = following(candidate_, at_);
      if (candidate_ == nullptr) { ++at_; fresh_ = true; }
    }
    int n = 0;
    bool emits = node.join != JoinKind::kAnti;
    if (simple) {
      for (auto& [o, i] : pairs_) {
        matched_[static_cast<size_t>(o)] = 1;
        extra(i).matched = 1;
        if (emits) put(n++, o, node.join == JoinKind::kSemi ? nullptr : i);
      }
    } else if (!pairs_.empty()) {
      int count = static_cast<int>(pairs_.size());
      for (auto& [o, i] : pairs_) put(n++, o, i);
      Batch b;
      buffers_.expose(b, row_.layout.size(), count);
      match_arena_.reset();
      int hits = match_.select(b, match_arena_, state);
      if (stats_ != nullptr) stats_->removed_join += count - hits;
      n = 0;
      const int* sel = match_.sel();
      for (int k = 0; k < hits; ++k) {
        auto [o, i] = pairs_[static_cast<size_t>(sel[k])];
        bool seen = matched_[static_cast<size_t>(o)] != 0;
        matched_[static_cast<size_t>(o)] = 1;
        extra(i).matched = 1;
        if (node.join == JoinKind::kAnti || (node.join == JoinKind::kSemi && seen)) continue;
        if (n != sel[k])
          for (size_t c = 0; c < row_.layout.size(); ++c) {
            buffers_[c].values[n] = buffers_[c].values[sel[k]];
            buffers_[c].nulls[n] = buffers_[c].nulls[sel[k]];
          }
        ++n;
      }
    }
    if (at_ >= in_.size && (preserves_outer() || node.join == JoinKind::kAnti)) { phase_ = Phase::kUnmatchedOuter; unmatched_at_ = 0; }
    return n;
  }
  int unmatched_outer(int max) {
    int n = 0;
    for (; unmatched_at_ < in_.size && n < max; ++unmatched_at_)
      if (!matched_[static_cast<size_t>(unmatched_at_)]) put(n++, unmatched_at_, nullptr);
    if (unmatched_at_ >= in_.size) { phase_ = Phase::kProbe; }
    return n;
  }
  int unmatched_inner(int max) {
    int n = 0;
    for (; static_cast<size_t>(at_) < list_.size() && n < max; ++at_)
      if (!extra(list_[static_cast<size_t>(at_)]).matched) put(n++, -1, list_[static_cast<size_t>(at_)]);
    if (static_cast<size_t>(at_) >= list_.size()) {
      at_ = 0;
      phase_ = next_section() ? Phase::kProbe : Phase::kDone;
    }
    return n;
  }
  JoinedRow row_;
  OperatorPtr outer_, inner_;
  BatchFilter match_, filter_;
  ExprList outer_keys_;
  std::vector<ExprPtr> inner_layout_;
  std::vector<EvalPtr> computed_;
  std::vector<int> key_slots_;
  std::vector<TypeInfo> key_types_;
  std::vector<Oid> collations_;
  RowStore rows_;
  std::vector<char*> list_;
  Batch in_;
  OutputBatch buffers_;
  Arena key_arena_, match_arena_, filter_arena_, build_arena_;
  std::vector<uint8_t> matched_;
  std::vector<std::pair<int, char*>> pairs_;
  NodeStats* stats_ = nullptr;
  char* candidate_ = nullptr;
  int at_ = 0, unmatched_at_ = 0;
  bool built_ = false, fresh_ = true;
  Phase phase_ = Phase::kProbe;
};

class HashJoinOp final : public PairJoin {
 public:
  HashJoinOp(const PlanNode& n, ExecState& s) : PairJoin(n, s) {
    for (auto& e : n.children[0]->layout) outer_types_.push_back(type_info(e->type, *s.ctx));
  }
  void rescan() override {
    PairJoin::rescan();
    buckets_.clear();
    inner_files_.clear();
    outer_files_.clear();
    section_ = -1;
  }

 protected:
  static constexpr int kPartitions = 32;
  uint64_t combine(uint64_t h, uint64_t v) { return mix64(h ^ (v * 0x9ddfea08eb382d69ull)); }
  void build() override {
    Batch b;
    size_t limit = static_cast<size_t>(static_cast<double>(state.work_mem()) * (state.ctx->settings != nullptr ? state.ctx->settings->hash_mem_multiplier : 2));
    bool spilled = false;
    while (inner_->next(b, kBatchRows)) {
      state.interrupts();
      build_arena_.reset();
      if (!computed_.empty()) {
        Frame f{b.columns.data(), b.size, &build_arena_, &state};
        for (auto& c : computed_) b.columns.push_back(c->eval(f, Sel{nullptr, b.size}));
      }
      hash_inner(b);
      for (int r = 0; r < b.size; ++r) {
        if (null_[static_cast<size_t>(r)] && !preserves_inner()) continue;
        if (spilled) { spill_inner(b, r); continue; }
        char* row = keep(b, r);
        extra(row).hash = hashes_[static_cast<size_t>(r)];
        if (null_[static_cast<size_t>(r)]) extra(row).hash |= 0;
        extra(row).next = null_[static_cast<size_t>(r)] ? row : nullptr;   // a row with a NULL key points at itself
      }
      if (!spilled && rows_.bytes() > limit) {
        spilled = true;
        for (int p = 0; p < kPartitions; ++p) {
          inner_files_.push_back(std::make_unique<RowFile>(rows_.types()));
          outer_files_.push_back(std::make_unique<RowFile>(outer_types_));
        }
        for (char* row : list_) inner_files_[part(extra(row).hash)]->add(rows_.values(row), rows_.nulls(row), extra(row).next == row ? 1 : 0);
        list_.clear();
        rows_.clear();
      }
      if (stats_ != nullptr) stats_->memory_bytes = std::max(stats_->memory_bytes, static_cast<double>(rows_.bytes()));
    }
    if (spilled) {
      partition_outer();
      next_section();
    } else {
      link();
    }
  }
  void hash_inner(const Batch& b) {
    hashes_.assign(static_cast<size_t>(b.size), 0);
    null_.assign(static_cast<size_t>(b.size), 0);
    for (size_t k = 0; k < key_slots_.size(); ++k) hash_column(b.columns[static_cast<size_t>(key_slots_[k])], b.size, key_types_[k], collations_[k]);
  }
  void hash_column(const Vec& v, int n, const TypeInfo& t, Oid collation) {
    for (int r = 0; r < n; ++r) {
      if (v.nulls[r]) { null_[static_cast<size_t>(r)] = 1; continue; }
      hashes_[static_cast<size_t>(r)] = combine(hashes_[static_cast<size_t>(r)], t.ops->hash(v.values[r], collation));
    }
  }
  size_t part(uint64_t h) const { return h >> 59; }
  void spill_inner(const Batch& b, int r) {
    std::vector<Datum> v(b.columns.size());
    std::vector<uint8_t> n(b.columns.size());
    for (size_t c = 0; c < v.size(); ++c) { v[c] = b.columns[c].values[r]; n[c] = b.columns[c].nulls[r]; }
    inner_files_[part(hashes_[static_cast<size_t>(r)])]->add(v.data(), n.data(), null_[static_cast<size_t>(r)]);
  }
  void partition_outer() {
    outer_->rescan();
    Batch b;
    std::vector<Datum> v;
    std::vector<uint8_t> n;
    while (outer_->next(b, kBatchRows)) {
      state.interrupts();
      key_arena_.reset();
      outer_keys_.eval(b, key_arena_, state);
      hash_outer(b.size);
      for (int r = 0; r < b.size; ++r) {
        v.resize(b.columns.size());
        n.resize(b.columns.size());
        for (size_t c = 0; c < v.size(); ++c) { v[c] = b.columns[c].values[r]; n[c] = b.columns[c].nulls[r]; }
        outer_files_[part(hashes_[static_cast<size_t>(r)])]->add(v.data(), n.data());
      }
    }
    if (stats_ != nullptr) stats_->batches = kPartitions;
  }
  bool next_section() override {
    if (inner_files_.empty() || section_ + 1 >= kPartitions) return false;
    ++section_;
    rows_.clear();
    list_.clear();
    Arena scratch;
    std::vector<Datum> v(rows_.columns());
    std::vector<uint8_t> n(rows_.columns());
    RowFile& f = *inner_files_[static_cast<size_t>(section_)];
    f.rewind();
    uint64_t tag = 0;
    while (f.next(v.data(), n.data(), scratch, &tag)) {
      char* row = rows_.add_values(v.data(), n.data());
      uint64_t h = 0;
      for (size_t k = 0; k < key_slots_.size(); ++k) {
        size_t s = static_cast<size_t>(key_slots_[k]);
        if (!n[s]) h = combine(h, key_types_[k].ops->hash(v[s], collations_[k]));
      }
      extra(row) = {tag ? row : nullptr, h, 0};
      list_.push_back(row);
      scratch.reset();
    }
    link();
    outer_files_[static_cast<size_t>(section_)]->rewind();
    return true;
  }
  bool next_outer(Batch& b) override {
    if (inner_files_.empty()) return outer_->next(b, kBatchRows);
    outer_arena_.reset();
    outer_buffers_.ensure(outer_types_.size(), kBatchRows);
    std::vector<Datum> v(outer_types_.size());
    std::vector<uint8_t> n(outer_types_.size());
    int rows = 0;
    while (rows < kBatchRows && outer_files_[static_cast<size_t>(section_)]->next(v.data(), n.data(), outer_arena_)) {
      for (size_t c = 0; c < v.size(); ++c) { outer_buffers_[c].values[rows] = v[c]; outer_buffers_[c].nulls[rows] = n[c]; }
      ++rows;
    }
    if (rows == 0) return false;
    outer_buffers_.expose(b, v.size(), rows);
    return true;
  }
  void link() {
    size_t size = std::bit_ceil(std::max<size_t>(16, list_.size() * 2));
    buckets_.assign(size, nullptr);
    mask_ = size - 1;
    for (size_t i = list_.size(); i-- > 0;) {
      char* row = list_[i];
      if (extra(row).next == row) continue;
      char*& head = buckets_[extra(row).hash & mask_];
      extra(row).next = head;
      head = row;
    }
    if (stats_ != nullptr) stats_->buckets = static_cast<double>(size);
  }
  void hash_outer(int n) {
    hashes_.assign(static_cast<size_t>(n), 0);
    null_.assign(static_cast<size_t>(n), 0);
    for (size_t k = 0; k < outer_keys_.vecs.size(); ++k) hash_column(*outer_keys_.vecs[k], n, key_types_[k], collations_[k]);
  }
  void bind_outer() override { hash_outer(in_.size); }
  char* scan(char* row, int r) {
    uint64_t h = hashes_[static_cast<size_t>(r)];
    for (; row != nullptr; row = extra(row).next) {
      if (extra(row).hash != h) continue;
      bool same = true;
      for (size_t k = 0; k < key_slots_.size() && same; ++k) {
        Datum a = rows_.values(row)[key_slots_[k]], b = outer_keys_.vecs[k]->values[r];
        same = a.bits == b.bits || key_types_[k].ops->equal(a, b, collations_[k]);
      }
      if (same) return row;
    }
    return nullptr;
  }
  char* first(int r) override { return null_[static_cast<size_t>(r)] ? nullptr : scan(buckets_[hashes_[static_cast<size_t>(r)] & mask_], r); }
  char* following(char* c, int r) override { return scan(extra(c).next, r); }

 private:
  std::vector<char*> buckets_;
  size_t mask_ = 0;
  std::vector<uint64_t> hashes_;
  std::vector<uint8_t> null_;
  std::vector<TypeInfo> outer_types_;
  std::vector<std::unique_ptr<RowFile>> inner_files_, outer_files_;
  OutputBatch outer_buffers_;
  Arena outer_arena_;
  int section_ = -1;
};

// Both sides come in key order; the inner side is held in memory.
class MergeJoinOp final : public PairJoin {
 public:
  using PairJoin::PairJoin;

 protected:
  void build() override {
    Batch b;
    while (inner_->next(b, kBatchRows)) {
      state.interrupts();
      build_arena_.reset();
      if (!computed_.empty()) {
        Frame f{b.columns.data(), b.size, &build_arena_, &state};
        for (auto& c : computed_) b.columns.push_back(c->eval(f, Sel{nullptr, b.size}));
      }
      for (int r = 0; r < b.size; ++r) {
        char* row = keep(b, r);
        extra(row).hash = list_.size() - 1;   // its position
      }
    }
    low_ = 0;
    high_ = 0;
  }
  void bind_outer() override {}
  int compare(const char* row, int r) {
    for (size_t k = 0; k < key_slots_.size(); ++k) {
      size_t s = static_cast<size_t>(key_slots_[k]);
      if (rows_.nulls(row)[s]) return 1;   // NULLs are last
      int c = key_types_[k].ops->compare(rows_.values(row)[s], outer_keys_.vecs[k]->values[r], collations_[k]);
      if (c != 0) return c;
    }
    return 0;
  }
  char* first(int r) override {
    for (auto* v : outer_keys_.vecs) if (v->nulls[r]) return nullptr;
    while (low_ < list_.size() && compare(list_[low_], r) < 0) ++low_;
    return low_ < list_.size() && compare(list_[low_], r) == 0 ? list_[low_] : nullptr;
  }
  char* following(char* c, int r) override {
    size_t i = extra(c).hash + 1;
    return i < list_.size() && compare(list_[i], r) == 0 ? list_[i] : nullptr;
  }

 private:
  size_t low_ = 0, high_ = 0;
};
}  // namespace

OperatorPtr make_join(const PlanNode& n, ExecState& s) {
  switch (n.type) {
    case NodeType::kNestLoop: return std::make_unique<NestLoopOp>(n, s);
    case NodeType::kHashJoin: return std::make_unique<HashJoinOp>(n, s);
    default: return std::make_unique<MergeJoinOp>(n, s);
  }
}

}  // namespace stele::query
