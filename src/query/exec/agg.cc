// Aggregation: plain, over sorted input, hashed (spilling to partitions), and several grouping sets at once.
#include "base/error.h"
#include "query/exec/agg_call.h"
#include "query/exec/spill.h"
#include "types/hash.h"

namespace stele::query {

namespace {

struct CompiledAgg {
  std::unique_ptr<AggCall> call;
  std::vector<EvalPtr> inputs;
  std::vector<const Vec*> vecs;
  EvalPtr filter;
  std::vector<int> sel;
};

// Groups of one grouping set.
struct GroupTable {
  std::vector<int> keys;          // positions among the node's group keys
  RowStore rows;
  std::vector<char*> groups;
  struct Slot { uint64_t hash; char* group; };
  std::vector<Slot> slots;
  size_t mask = 0;
  void grow() {
    size_t size = slots.empty() ? 1024 : slots.size() * 2;
    std::vector<Slot> fresh(size, Slot{0, nullptr});
    for (auto& s : slots) {
      if (s.group == nullptr) continue;
      size_t i = s.hash & (size - 1);
      while (fresh[i].group != nullptr) i = (i + 1) & (size - 1);
      fresh[i] = s;
    }
    slots = std::move(fresh);
    mask = size - 1;
  }
};

class AggOp final : public Operator {
 public:
  AggOp(const PlanNode& n, ExecState& s) : Operator(n, s), child_(make_operator(*n.children[0], s)) {
    auto& below = n.children[0]->layout;
    keys_.compile(n.group_keys, below, s);
    for (auto& k : n.group_keys) { key_types_.push_back(type_info(k->type, *s.ctx)); collations_.push_back(k->collation); }
    Layout l(below);
    CompileEnv env;
    env.layout = &l;
    env.state = &s;
    for (size_t i = 0; i < n.aggregates.size(); ++i) {
      if (n.aggregates[i]->kind != ExprKind::kAggregate) continue;
      auto& a = static_cast<const AggregateExpr&>(*n.aggregates[i]);
      CompiledAgg c;
      c.call = make_agg_call(a, s);
      c.call->offset = state_bytes_;
      state_bytes_ += c.call->size();
      for (auto& e : aggregate_inputs(a)) c.inputs.push_back(compile(e, env));
      c.vecs.resize(std::max<size_t>(c.inputs.size(), 1));
      if (a.filter) c.filter = compile(a.filter, env);
      agg_at_.push_back(static_cast<int>(i));
      aggs_.push_back(std::move(c));
    }
    std::vector<std::vector<int>> sets = n.grouping_sets;
    if (sets.empty()) {
      sets.emplace_back();
      for (size_t i = 0; i < n.group_keys.size(); ++i) sets[0].push_back(static_cast<int>(i));
    }
    for (auto& set : sets) {
      tables_.emplace_back();
      tables_.back().keys = set;
      std::vector<ExprPtr> exprs;
      for (int k : set) exprs.push_back(n.group_keys[static_cast<size_t>(k)]);
      tables_.back().rows.init(exprs, *s.ctx, state_bytes_);
    }
    having_.compile(n.quals, n.layout, s);
    for (auto& e : below) below_types_.push_back(type_info(e->type, *s.ctx));
    if (s.stats != nullptr) stats_ = &(*s.stats)[&n];
  }
  ~AggOp() override { clear(); }
  void rescan() override {
    clear();
    done_ = false;
    child_->rescan();
    input_done_ = false;
    partitions_.clear();
    spilled_.clear();
    table_ = 0;
    at_ = 0;
  }
  bool next(Batch& out, int max) override {
    while (true) {
      if (!done_) {
        if (streaming()) { if (!fill_sorted()) return false; }
        else { consume(); done_ = true; table_ = 0; at_ = 0; }
      }
      while (table_ < tables_.size()) {
        size_t ready = tables_[table_].groups.size();
        if (streaming() && !input_done_ && ready > 0) --ready;   // the last group may still grow
        if (at_ >= ready) {
          if (streaming()) break;
          ++table_;
          at_ = 0;
          continue;
        }
        int n = emit(out, max, ready);
        out_filter(out);
        if (n > 0 && out.size > 0) return true;
      }
      if (streaming()) {
        if (input_done_) { if (at_ >= tables_[0].groups.size()) return false; continue; }
        continue;
      }
      if (!next_partition()) return false;
    }
  }

 private:
  bool streaming() const { return node.strategy == AggStrategy::kSorted; }
  void out_filter(Batch& out) { having_.apply(out, node.layout.size(), out_arena_, state, stats_); }

  void clear() {
    for (auto& t : tables_) {
      for (char* g : t.groups) for (auto& a : aggs_) a.call->destroy(t.rows.extra(g) + a.call->offset);
      t.groups.clear();
      t.slots.clear();
      t.mask = 0;
      if (t.rows.bytes() > 0) t.rows.clear();
    }
    memory_ = 0;
  }
  char* new_group(GroupTable& t, int row) {
    Datum values[64];
    uint8_t nulls[64];
    std::vector<Datum> big_values;
    std::vector<uint8_t> big_nulls;
    Datum* v = values;
    uint8_t* nl = nulls;
    if (t.keys.size() > 64) {
      big_values.resize(t.keys.size());
      big_nulls.resize(t.keys.size());
      v = big_values.data();
      nl = big_nulls.data();
    }
    for (size_t i = 0; i < t.keys.size(); ++i) {
      const Vec& k = *keys_.vecs[static_cast<size_t>(t.keys[i])];
      v[i] = k.values[row];
      nl[i] = k.nulls[row];
    }
    char* g = t.rows.add_values(v, nl);
    for (auto& a : aggs_) a.call->init(t.rows.extra(g) + a.call->offset);
    t.groups.push_back(g);
    return g;
  }
  bool same_key(GroupTable& t, char* g, int row) {
    for (size_t i = 0; i < t.keys.size(); ++i) {
      size_t k = static_cast<size_t>(t.keys[i]);
      const Vec& v = *keys_.vecs[k];
      bool null = v.nulls[row] != 0;
      if (null != (t.rows.nulls(g)[i] != 0)) return false;
      if (null) continue;
      Datum a = t.rows.values(g)[i], b = v.values[row];
      if (a.bits == b.bits && key_types_[k].by_value) continue;
      if (!key_types_[k].ops->equal(a, b, collations_[k])) return false;
    }
    return true;
  }
  void hash_rows(GroupTable& t, int n) {
    hashes_.assign(static_cast<size_t>(n), 0x9e3779b97f4a7c15ull);
    for (int key : t.keys) {
      size_t k = static_cast<size_t>(key);
      if (key_types_[k].ops->hash == nullptr) throw Error(ErrorCode::kUndefinedFunction, "could not identify a hash function for the type");
      const Vec& v = *keys_.vecs[k];
      for (int i = 0; i < n; ++i) hashes_[static_cast<size_t>(i)] = mix64(hashes_[static_cast<size_t>(i)] ^ (v.nulls[i] ? 0x51ull : key_types_[k].ops->hash(v.values[i], collations_[k]) * 0x9ddfea08eb382d69ull));
    }
  }
  void advance(GroupTable& t, const Batch& in, Sel rows) {
    Frame f{in.columns.data(), in.size, &arena_, &state};
    for (size_t i = 0; i < static_cast<size_t>(in.size); ++i) state_ptrs_[i] = group_ptrs_[i] == nullptr ? nullptr : t.rows.extra(group_ptrs_[i]);
    for (auto& a : aggs_) {
      Sel sel = rows;
      if (a.filter) {
        a.sel.resize(static_cast<size_t>(std::max(in.size, 1)));
        int n = a.filter->filter(f, rows, a.sel.data());
        sel = Sel{a.sel.data(), n};
        if (n == 0) continue;
      }
      for (size_t i = 0; i < a.inputs.size(); ++i) a.vecs[i] = &a.inputs[i]->eval(f, sel);
      a.call->add(state_ptrs_.data(), sel, a.vecs.data(), f);
    }
  }
  void take(const Batch& in) {
    state.interrupts();
    arena_.reset();
    keys_.eval(in, arena_, state);
    group_ptrs_.assign(static_cast<size_t>(in.size), nullptr);
    state_ptrs_.resize(static_cast<size_t>(in.size));
    for (auto& t : tables_) {
      if (t.keys.empty()) {
        if (t.groups.empty()) new_group(t, 0);
        std::fill(group_ptrs_.begin(), group_ptrs_.end(), t.groups[0]);
        advance(t, in, Sel{nullptr, in.size});
        continue;
      }
      hash_rows(t, in.size);
      kept_.clear();
      bool full = spilling_;
      for (int r = 0; r < in.size; ++r) {
        if (t.groups.size() * 2 >= t.slots.size()) t.grow();
        uint64_t h = hashes_[static_cast<size_t>(r)];
        size_t i = h & t.mask;
        char* g = nullptr;
        while (t.slots[i].group != nullptr) {
          if (t.slots[i].hash == h && same_key(t, t.slots[i].group, r)) { g = t.slots[i].group; break; }
          i = (i + 1) & t.mask;
        }
        if (g == nullptr) {
          if (full) { spill_row(in, r, h); continue; }
          g = new_group(t, r);
          t.slots[i] = {h, g};
        }
        group_ptrs_[static_cast<size_t>(r)] = g;
        kept_.push_back(r);
      }
      if (static_cast<int>(kept_.size()) == in.size) advance(t, in, Sel{nullptr, in.size});
      else if (!kept_.empty()) advance(t, in, Sel{kept_.data(), static_cast<int>(kept_.size())});
      if (tables_.size() == 1 && !spilling_) {
        size_t used = t.rows.bytes() + t.slots.size() * sizeof(GroupTable::Slot);
        size_t limit = static_cast<size_t>(static_cast<double>(state.work_mem()) * (state.ctx->settings != nullptr ? state.ctx->settings->hash_mem_multiplier : 2));
        if (used > limit && depth_ < 4) {
          spilling_ = true;
          for (int p = 0; p < kPartitions; ++p) spilled_.push_back(std::make_unique<RowFile>(below_types_));
        }
        if (stats_ != nullptr) stats_->memory_bytes = std::max(stats_->memory_bytes, static_cast<double>(used));
      }
    }
  }
  void spill_row(const Batch& in, int r, uint64_t h) {
    Datum v[256];
    uint8_t n[256];
    std::vector<Datum> bv;
    std::vector<uint8_t> bn;
    Datum* values = v;
    uint8_t* nulls = n;
    if (in.columns.size() > 256) { bv.resize(in.columns.size()); bn.resize(in.columns.size()); values = bv.data(); nulls = bn.data(); }
    for (size_t c = 0; c < in.columns.size(); ++c) { values[c] = in.columns[c].values[r]; nulls[c] = in.columns[c].nulls[r]; }
    spilled_[(h >> (52 - 4 * depth_)) & (kPartitions - 1)]->add(values, nulls);
  }
  void consume() {
    Batch in;
    while (child_->next(in, kBatchRows)) take(in);
    finish_input();
    for (auto& t : tables_)
      if (t.keys.empty() && t.groups.empty()) {
        // One row even without input.
        keys_.vecs.assign(keys_.vecs.size(), nullptr);
        new_group(t, 0);
      }
    if (stats_ != nullptr) for (auto& t : tables_) stats_->memory_bytes = std::max(stats_->memory_bytes, static_cast<double>(t.rows.bytes()));
  }
  void finish_input() {
    if (!spilling_) return;
    spilling_ = false;
    for (auto& f : spilled_) {
      if (f->rows() == 0) continue;
      if (stats_ != nullptr) { stats_->batches += 1; stats_->disk_bytes += static_cast<double>(f->bytes()); }
      f->rewind();
      partitions_.push_back({std::move(f), depth_ + 1});
    }
    spilled_.clear();
  }
  bool next_partition() {
    if (partitions_.empty()) return false;
    auto part = std::move(partitions_.back());
    partitions_.pop_back();
    clear();
    depth_ = part.second;
    OutputBatch buffers;
    Arena arena;
    std::vector<Datum> v(below_types_.size());
    std::vector<uint8_t> n(below_types_.size());
    bool more = true;
    while (more) {
      arena.reset();
      buffers.ensure(below_types_.size(), kBatchRows);
      int rows = 0;
      while (rows < kBatchRows && (more = part.first->next(v.data(), n.data(), arena))) {
        for (size_t c = 0; c < v.size(); ++c) { buffers[c].values[rows] = v[c]; buffers[c].nulls[rows] = n[c]; }
        ++rows;
      }
      if (rows == 0) break;
      Batch in;
      buffers.expose(in, v.size(), rows);
      take(in);
    }
    finish_input();
    table_ = 0;
    at_ = 0;
    return true;
  }

  // Reads on until a group is complete; groups come in the order of the input.
  bool fill_sorted() {
    GroupTable& t = tables_[0];
    if (input_done_) return at_ < t.groups.size();
    if (at_ > 0) {
      // Emitted groups are forgotten; the open one moves to fresh memory.
      size_t emitted = at_;
      for (size_t i = 0; i < emitted; ++i) for (auto& a : aggs_) a.call->destroy(t.rows.extra(t.groups[i]) + a.call->offset);
      t.groups.erase(t.groups.begin(), t.groups.begin() + static_cast<long>(emitted));
      at_ = 0;
    }
    while (t.groups.size() < 2) {
      if (!child_->next(in_, kBatchRows)) { input_done_ = true; return !t.groups.empty(); }
      state.interrupts();
      arena_.reset();
      keys_.eval(in_, arena_, state);
      group_ptrs_.resize(static_cast<size_t>(in_.size));
      state_ptrs_.resize(static_cast<size_t>(in_.size));
      for (int r = 0; r < in_.size; ++r) {
        if (t.groups.empty() || !same_key(t, t.groups.back(), r)) new_group(t, r);
        group_ptrs_[static_cast<size_t>(r)] = t.groups.back();
      }
      advance(t, in_, Sel{nullptr, in_.size});
    }
    return true;
  }

  int emit(Batch& out, int max, size_t ready) {
    GroupTable& t = tables_[table_];
    size_t keys = node.group_keys.size(), columns = node.layout.size();
    int n = static_cast<int>(std::min<size_t>(static_cast<size_t>(max), ready - at_));
    buffers_.ensure(columns, std::max(n, 1));
    out_arena_.reset();
    for (size_t k = 0; k < keys; ++k) {
      int at = -1;
      for (size_t i = 0; i < t.keys.size(); ++i) if (t.keys[i] == static_cast<int>(k)) at = static_cast<int>(i);
      for (int i = 0; i < n; ++i) {
        char* g = t.groups[at_ + static_cast<size_t>(i)];
        buffers_[k].nulls[i] = at < 0 ? 1 : t.rows.nulls(g)[at];
        if (at >= 0) buffers_[k].values[i] = t.rows.values(g)[at];
      }
    }
    for (size_t a = 0; a < aggs_.size(); ++a) {
      Vec& v = buffers_[keys + static_cast<size_t>(agg_at_[a])];
      for (int i = 0; i < n; ++i) {
        NullableDatum d = aggs_[a].call->finish(t.rows.extra(t.groups[at_ + static_cast<size_t>(i)]) + aggs_[a].call->offset, out_arena_);
        v.values[i] = d.value;
        v.nulls[i] = d.is_null ? 1 : 0;
      }
    }
    for (size_t i = 0; i < node.aggregates.size(); ++i) {
      if (node.aggregates[i]->kind != ExprKind::kGrouping) continue;
      int64_t bits = 0;
      for (auto& arg : static_cast<const GroupingExpr&>(*node.aggregates[i]).args) {
        bool grouped = false;
        for (int k : t.keys) grouped |= equal(node.group_keys[static_cast<size_t>(k)], arg);
        bits = bits << 1 | (grouped ? 0 : 1);
      }
      for (int r = 0; r < n; ++r) { buffers_[keys + i].values[r] = Datum::from_int(bits); buffers_[keys + i].nulls[r] = 0; }
    }
    at_ += static_cast<size_t>(n);
    buffers_.expose(out, columns, n);
    return n;
  }

  static constexpr int kPartitions = 16;
  OperatorPtr child_;
  ExprList keys_;
  std::vector<TypeInfo> key_types_, below_types_;
  std::vector<Oid> collations_;
  std::vector<CompiledAgg> aggs_;
  std::vector<int> agg_at_;
  size_t state_bytes_ = 0;
  std::deque<GroupTable> tables_;
  BatchFilter having_;
  std::vector<uint64_t> hashes_;
  std::vector<char*> group_ptrs_, state_ptrs_;
  std::vector<int> kept_;
  OutputBatch buffers_;
  Arena arena_, out_arena_;
  Batch in_;
  NodeStats* stats_ = nullptr;
  std::vector<std::unique_ptr<RowFile>> spilled_;
  std::vector<std::pair<std::unique_ptr<RowFile>, int>> partitions_;
  size_t table_ = 0, at_ = 0, memory_ = 0;
  int depth_ = 0;
  bool done_ = false, input_done_ = false, spilling_ = false;
};
}  // namespace

OperatorPtr make_agg(const PlanNode& n, ExecState& s) { return std::make_unique<AggOp>(n, s); }

}  // namespace stele::query
