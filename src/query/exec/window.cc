// Window functions: a partition at a time in memory, every frame mode.
#include "base/error.h"
#include "query/exec/agg_call.h"
#include "types/builtin.h"
#include "types/oids.h"

namespace stele::query {

namespace {
enum class Fn { kRowNumber, kRank, kDenseRank, kPercentRank, kCumeDist, kNtile, kLag, kLead, kFirst, kLast, kNth, kAggregate };

struct CompiledWindow {
  Fn fn = Fn::kAggregate;
  std::vector<EvalPtr> args;
  std::vector<size_t> columns;      // of the stored row that hold the arguments
  std::unique_ptr<AggCall> agg;
  int filter_column = -1;
  bool offset_given = false, default_given = false;
};

class WindowOp final : public Operator {
 public:
  WindowOp(const PlanNode& n, ExecState& s) : Operator(n, s), child_(make_operator(*n.children[0], s)), spec_(n.windows[0]) {
    auto& below = n.children[0]->layout;
    stored_ = below;
    Layout l(below);
    CompileEnv env;
    env.layout = &l;
    env.state = &s;
    auto column = [&](const ExprPtr& e) -> size_t {
      int slot = l.find(e);
      if (slot >= 0) return static_cast<size_t>(slot);
      computed_.push_back(compile(e, env));
      stored_.push_back(e);
      return stored_.size() - 1;
    };
    for (auto& p : spec_.partition_by) { partition_.push_back(column(p)); partition_cmp_.push_back(key_compare(p, *s.ctx)); }
    for (auto& k : spec_.order_by) { order_.push_back(column(k.expr)); order_cmp_.push_back(key_compare(k, *s.ctx)); }
    for (auto& f : spec_.functions) {
      auto& w = static_cast<const WindowExpr&>(*f);
      CompiledWindow c;
      FunctionInfo info = function_info(w.func, *s.ctx);
      std::string_view src = info.source;
      if (info.kind == 'w') {
        if (src == "window_row_number") c.fn = Fn::kRowNumber;
        else if (src == "window_rank") c.fn = Fn::kRank;
        else if (src == "window_dense_rank") c.fn = Fn::kDenseRank;
        else if (src == "window_percent_rank") c.fn = Fn::kPercentRank;
        else if (src == "window_cume_dist") c.fn = Fn::kCumeDist;
        else if (src == "window_ntile") c.fn = Fn::kNtile;
        else if (src.starts_with("window_lag")) c.fn = Fn::kLag;
        else if (src.starts_with("window_lead")) c.fn = Fn::kLead;
        else if (src == "window_first_value") c.fn = Fn::kFirst;
        else if (src == "window_last_value") c.fn = Fn::kLast;
        else if (src == "window_nth_value") c.fn = Fn::kNth;
        else throw_no_native(info);
      }
      for (auto& a : w.args) c.columns.push_back(column(a));
      c.offset_given = w.args.size() > 1;
      c.default_given = w.args.size() > 2;
      if (c.fn == Fn::kAggregate) {
        AggSource src2;
        src2.func = w.func;
        for (auto& a : w.args) src2.arg_types.push_back(a->type);
        src2.result = w.type;
        src2.collation = w.input_collation;
        src2.star = w.star;
        c.agg = make_agg_call(src2, s);
        c.agg->offset = 0;
      }
      if (w.filter) c.filter_column = static_cast<int>(column(w.filter));
      functions_.push_back(std::move(c));
      types_.push_back(type_info(f->type, *s.ctx));
    }
    rows_.init(stored_, *s.ctx);
    for (auto& e : stored_) stored_types_.push_back(type_info(e->type, *s.ctx));
    options_ = spec_.window.frame_options;
    if ((options_ & (frame::kRange | frame::kRows | frame::kGroups)) == 0) options_ |= frame::kRange;
  }
  void rescan() override {
    child_->rescan();
    in_.size = 0;
    at_in_ = 0;
    input_done_ = false;
    clear_partition();
    offsets_ready_ = false;
  }
  bool next(Batch& out, int max) override {
    while (at_ >= list_.size()) {
      if (!load_partition()) return false;
      compute();
    }
    size_t below = node.children[0]->layout.size(), columns = node.layout.size();
    int n = static_cast<int>(std::min<size_t>(static_cast<size_t>(max), list_.size() - at_));
    buffers_.ensure(columns, n);
    for (int i = 0; i < n; ++i, ++at_) {
      char* row = list_[at_];
      for (size_t c = 0; c < below; ++c) { buffers_[c].values[i] = rows_.values(row)[c]; buffers_[c].nulls[i] = rows_.nulls(row)[c]; }
      for (size_t f = 0; f < functions_.size(); ++f) {
        NullableDatum d = results_[f][at_];
        buffers_[below + f].values[i] = d.value;
        buffers_[below + f].nulls[i] = d.is_null ? 1 : 0;
      }
    }
    buffers_.expose(out, columns, n);
    return true;
  }

 private:
  void clear_partition() { rows_.clear(); list_.clear(); at_ = 0; result_arena_.reset(); }
  NullableDatum cell(size_t row, size_t column) const { return {rows_.values(list_[row])[column], rows_.nulls(list_[row])[column] != 0}; }
  bool peers(size_t a, size_t b) const {
    for (size_t k = 0; k < order_.size(); ++k) {
      NullableDatum x = cell(a, order_[k]), y = cell(b, order_[k]);
      if (order_cmp_[k](x.value, x.is_null, y.value, y.is_null) != 0) return false;
    }
    return true;
  }
  bool load_partition() {
    clear_partition();
    while (true) {
      if (at_in_ >= in_.size) {
        if (input_done_) return !list_.empty();
        if (!child_->next(in_, kBatchRows)) { input_done_ = true; in_.size = 0; return !list_.empty(); }
        state.interrupts();
        arena_.reset();
        Frame f{in_.columns.data(), in_.size, &arena_, &state};
        for (auto& c : computed_) in_.columns.push_back(c->eval(f, Sel{nullptr, in_.size}));
        at_in_ = 0;
      }
      for (; at_in_ < in_.size; ++at_in_) {
        if (!list_.empty())
          for (size_t k = 0; k < partition_.size(); ++k) {
            NullableDatum x = cell(0, partition_[k]);
            const Vec& v = in_.columns[partition_[k]];
            if (partition_cmp_[k](x.value, x.is_null, v.values[at_in_], v.nulls[at_in_] != 0) != 0) return true;
          }
        list_.push_back(rows_.add(in_, at_in_));
      }
    }
  }

  // Frames, as half-open ranges of rows of the partition.
  void offsets() {
    if (offsets_ready_) return;
    offsets_ready_ = true;
    auto value = [&](const ExprPtr& e, bool start) -> NullableDatum {
      if (!e) return {};
      NullableDatum v = evaluate_const(e, state, offset_arena_);
      if (v.is_null) throw Error(ErrorCode::kNullValueNotAllowed, fmt::format("frame {} offset must not be null", start ? "starting" : "ending"));
      if (!(options_ & frame::kRange) && v.value.as_int() < 0) throw Error(ErrorCode::kInvalidPrecedingOrFollowingSize, fmt::format("frame {} offset must not be negative", start ? "starting" : "ending"));
      return v;
    };
    start_ = value(spec_.window.start_offset, true);
    end_ = value(spec_.window.end_offset, false);
  }
  // RANGE with an offset: is `row` within (or beyond) the bound of `current`?
  bool in_range(size_t row, size_t current, const NullableDatum& offset, Oid func, bool subtract, bool less) {
    NullableDatum a = cell(row, order_[0]), b = cell(current, order_[0]);
    FunctionInfo info = function_info(func, *state.ctx);
    if (info.native == nullptr) throw_no_native(info);
    Oid type = stored_[order_[0]]->type;
    const ExprPtr& off = subtract || true ? (offset.value.bits == start_.value.bits && spec_.window.start_offset ? spec_.window.start_offset : spec_.window.end_offset) : spec_.window.end_offset;
    Oid types[5] = {type, type, off->type, oid::kBool, oid::kBool};
    Datum args[5] = {a.value, b.value, offset.value, Datum::from_bool(subtract), Datum::from_bool(less)};
    bool nulls[5] = {};
    FnCall c{};
    c.args = args; c.nulls = nulls; c.nargs = 5; c.arg_types = types; c.result_type = oid::kBool; c.arena = &arena_; c.context = state.eval; c.cache = &range_cache_;
    return info.native(c).as_bool();
  }
  size_t frame_start(size_t i) {
    size_t n = list_.size();
    if (options_ & frame::kStartUnboundedPreceding) return 0;
    if (options_ & frame::kStartCurrentRow) return options_ & frame::kRows ? i : peer_start_[i];
    bool preceding = options_ & frame::kStartOffsetPreceding;
    if (options_ & frame::kRows) {
      uint64_t off = static_cast<uint64_t>(start_.value.as_int());
      if (preceding) return off > i ? 0 : i - off;
      return off > n - i ? n : i + off;
    }
    if (options_ & frame::kGroups) {
      int64_t g = group_[i] + (preceding ? -1 : 1) * std::min<int64_t>(start_.value.as_int(), static_cast<int64_t>(n));
      if (g < 0) return 0;
      if (g >= static_cast<int64_t>(group_starts_.size())) return n;
      return group_starts_[static_cast<size_t>(g)];
    }
    // RANGE offset: the first row that is not before the bound.
    bool desc = order_cmp_[0].descending;
    if (cell(i, order_[0]).is_null) return peer_start_[i];
    size_t lo = 0, hi = n;
    while (lo < hi && cell(lo, order_[0]).is_null) ++lo;
    while (hi > lo && cell(hi - 1, order_[0]).is_null) --hi;
    while (lo < hi) {
      size_t mid = (lo + hi) / 2;
      bool sub = preceding != desc;
      if (in_range(mid, i, start_, spec_.window.start_in_range_func, sub, desc)) hi = mid;
      else lo = mid + 1;
    }
    return lo;
  }
  size_t frame_end(size_t i) {
    size_t n = list_.size();
    if (options_ & frame::kEndUnboundedFollowing) return n;
    if (options_ & frame::kEndCurrentRow) return options_ & frame::kRows ? i + 1 : peer_end_[i];
    bool preceding = options_ & frame::kEndOffsetPreceding;
    if (options_ & frame::kRows) {
      uint64_t off = static_cast<uint64_t>(end_.value.as_int());
      if (preceding) return off > i ? 0 : i - off + 1;
      return off >= n - i ? n : i + off + 1;
    }
    if (options_ & frame::kGroups) {
      int64_t g = group_[i] + (preceding ? -1 : 1) * std::min<int64_t>(end_.value.as_int(), static_cast<int64_t>(n));
      if (g < 0) return 0;
      if (g + 1 >= static_cast<int64_t>(group_starts_.size())) return n;
      return group_starts_[static_cast<size_t>(g) + 1];
    }
    bool desc = order_cmp_[0].descending;
    if (cell(i, order_[0]).is_null) return peer_end_[i];
    size_t lo = 0, hi = n;
    while (lo < hi && cell(lo, order_[0]).is_null) ++lo;
    while (hi > lo && cell(hi - 1, order_[0]).is_null) --hi;
    while (lo < hi) {
      size_t mid = (lo + hi) / 2;
      bool sub = preceding != desc;
      if (in_range(mid, i, end_, spec_.window.end_in_range_func, sub, !desc)) lo = mid + 1;
      else hi = mid;
    }
    return lo;
  }
  bool excluded(size_t row, size_t current) const {
    if (options_ & frame::kExcludeCurrentRow) return row == current;
    if (options_ & frame::kExcludeGroup) return row >= peer_start_[current] && row < peer_end_[current];
    if (options_ & frame::kExcludeTies) return row != current && row >= peer_start_[current] && row < peer_end_[current];
    return false;
  }
  bool excludes() const { return options_ & (frame::kExcludeCurrentRow | frame::kExcludeGroup | frame::kExcludeTies); }

  void compute() {
    size_t n = list_.size();
    peer_start_.assign(n, 0);
    peer_end_.assign(n, n);
    group_.assign(n, 0);
    group_starts_.clear();
    for (size_t i = 0; i < n; ++i) {
      if (i == 0 || !peers(i - 1, i)) group_starts_.push_back(i);
      peer_start_[i] = group_starts_.back();
      group_[i] = static_cast<int64_t>(group_starts_.size()) - 1;
    }
    for (size_t i = 0; i < n; ++i) {
      size_t g = static_cast<size_t>(group_[i]);
      peer_end_[i] = g + 1 < group_starts_.size() ? group_starts_[g + 1] : n;
    }
    bool framed = std::any_of(functions_.begin(), functions_.end(), [](auto& f) { return f.fn >= Fn::kFirst; });
    if (framed) {
      offsets();
      starts_.resize(n);
      ends_.resize(n);
      for (size_t i = 0; i < n; ++i) {
        starts_[i] = frame_start(i);
        ends_[i] = std::max(frame_end(i), starts_[i]);
      }
    }
    results_.assign(functions_.size(), {});
    for (size_t f = 0; f < functions_.size(); ++f) {
      results_[f].resize(n);
      if (functions_[f].fn == Fn::kAggregate) aggregate(functions_[f], types_[f], results_[f]);
      else for (size_t i = 0; i < n; ++i) results_[f][i] = value(functions_[f], i);
    }
  }
  NullableDatum value(CompiledWindow& c, size_t i) {
    size_t n = list_.size();
    auto integer = [](size_t v) { return NullableDatum{Datum::from_int(static_cast<int64_t>(v)), false}; };
    switch (c.fn) {
      case Fn::kRowNumber: return integer(i + 1);
      case Fn::kRank: return integer(peer_start_[i] + 1);
      case Fn::kDenseRank: return integer(static_cast<size_t>(group_[i]) + 1);
      case Fn::kPercentRank: return {Datum::from_double(n <= 1 ? 0 : static_cast<double>(peer_start_[i]) / static_cast<double>(n - 1)), false};
      case Fn::kCumeDist: return {Datum::from_double(static_cast<double>(peer_end_[i]) / static_cast<double>(n)), false};
      case Fn::kNtile: {
        NullableDatum b = cell(0, c.columns[0]);
        if (b.is_null) return {};
        int64_t buckets = b.value.as_int();
        if (buckets <= 0) throw Error(ErrorCode::kInvalidArgumentForNtileFunction, "argument of ntile must be greater than zero");
        size_t k = static_cast<size_t>(buckets), base = n / k, extra = n % k;
        size_t edge = extra * (base + 1);
        return integer(i < edge ? i / (base + 1) + 1 : base == 0 ? i + 1 : extra + (i - edge) / base + 1);
      }
      case Fn::kLag: case Fn::kLead: {
        int64_t off = 1;
        if (c.offset_given) {
          NullableDatum o = cell(i, c.columns[1]);
          if (o.is_null) return {};
          off = o.value.as_int();
        }
        int64_t at = static_cast<int64_t>(i) + (c.fn == Fn::kLag ? -off : off);
        if (at < 0 || at >= static_cast<int64_t>(n)) return c.default_given ? cell(i, c.columns[2]) : NullableDatum{};
        return cell(static_cast<size_t>(at), c.columns[0]);
      }
      case Fn::kFirst:
        for (size_t r = starts_[i]; r < ends_[i]; ++r) if (!excluded(r, i)) return cell(r, c.columns[0]);
        return {};
      case Fn::kLast:
        for (size_t r = ends_[i]; r > starts_[i]; --r) if (!excluded(r - 1, i)) return cell(r - 1, c.columns[0]);
        return {};
      case Fn::kNth: {
        NullableDatum nth = cell(i, c.columns[1]);
        if (nth.is_null) return {};
        if (nth.value.as_int() <= 0) throw Error(ErrorCode::kInvalidArgumentForNthValueFunction, "argument of nth_value must be greater than zero");
        int64_t left = nth.value.as_int();
        if (!excludes()) {
          size_t r = starts_[i] + static_cast<size_t>(left - 1);
          return left - 1 < static_cast<int64_t>(ends_[i] - starts_[i]) ? cell(r, c.columns[0]) : NullableDatum{};
        }
        for (size_t r = starts_[i]; r < ends_[i]; ++r) if (!excluded(r, i) && --left == 0) return cell(r, c.columns[0]);
        return {};
      }
      case Fn::kAggregate: break;
    }
    return {};
  }
  void aggregate(CompiledWindow& c, const TypeInfo& type, std::vector<NullableDatum>& out) {
    size_t n = list_.size();
    std::vector<char> memory(c.agg->size() + 8);
    char* st = memory.data();
    bool live = false;
    size_t from = 0, to = 0;
    Arena scratch;
    std::vector<Vec> vecs(std::max<size_t>(c.columns.size(), 1));
    std::vector<const Vec*> ptrs(vecs.size());
    auto load = [&](size_t r) {
      for (size_t k = 0; k < c.columns.size(); ++k) { vecs[k] = {rows_.values(list_[r]) + c.columns[k], rows_.nulls(list_[r]) + c.columns[k]}; ptrs[k] = &vecs[k]; }
      if (c.filter_column < 0) return true;
      NullableDatum f = cell(r, static_cast<size_t>(c.filter_column));
      return !f.is_null && f.value.as_bool();
    };
    auto reset = [&] {
      if (live) c.agg->destroy(st);
      c.agg->init(st);
      live = true;
    };
    auto add = [&](size_t r) {
      if (!load(r)) return;
      Frame f{nullptr, 1, &scratch, &state};
      c.agg->add(&st, Sel{nullptr, 1}, ptrs.data(), f);
    };
    for (size_t i = 0; i < n; ++i) {
      if (i % 1024 == 0) { state.interrupts(); scratch.reset(); }
      bool same = live && i > 0 && starts_[i] == starts_[i - 1] && ends_[i] == ends_[i - 1] && !excludes();
      if (same) { out[i] = out[i - 1]; continue; }
      if (excludes()) {
        reset();
        for (size_t r = starts_[i]; r < ends_[i]; ++r) if (!excluded(r, i)) add(r);
      } else {
        bool fresh = !live || starts_[i] < from || ends_[i] < to || starts_[i] >= to;
        if (!fresh && starts_[i] > from) {
          // Take the oldest rows back, or start over.
          for (size_t r = from; r < starts_[i] && !fresh; ++r) {
            if (!load(r)) continue;
            Frame f{nullptr, 1, &scratch, &state};
            fresh = !c.agg->remove(st, 0, ptrs.data(), f);
          }
        }
        if (fresh) { reset(); to = starts_[i]; }
        for (size_t r = to; r < ends_[i]; ++r) add(r);
        from = starts_[i];
        to = ends_[i];
      }
      NullableDatum v = c.agg->finish(st, scratch);
      if (!v.is_null) v.value = copy_value(type, v.value, result_arena_);
      out[i] = v;
    }
    if (live) c.agg->destroy(st);
  }
  OperatorPtr child_;
  const WindowSpec& spec_;
  std::vector<ExprPtr> stored_;
  std::vector<EvalPtr> computed_;
  std::vector<size_t> partition_, order_;
  std::vector<KeyCompare> partition_cmp_, order_cmp_;
  std::vector<CompiledWindow> functions_;
  std::vector<TypeInfo> types_, stored_types_;
  RowStore rows_;
  std::vector<char*> list_;
  std::vector<std::vector<NullableDatum>> results_;
  std::vector<size_t> peer_start_, peer_end_, group_starts_, starts_, ends_;
  std::vector<int64_t> group_;
  NullableDatum start_, end_;
  OutputBatch buffers_;
  Batch in_;
  Arena arena_, result_arena_, offset_arena_;
  std::shared_ptr<void> range_cache_;
  int options_ = 0, at_in_ = 0;
  size_t at_ = 0;
  bool input_done_ = false, offsets_ready_ = false;
};
}  // namespace

OperatorPtr make_window(const PlanNode& n, ExecState& s) { return std::make_unique<WindowOp>(n, s); }

}  // namespace stele::query
