#include "query/exec/agg_call.h"

#include "base/error.h"
#include "query/rewrite.h"
#include "types/builtin.h"
#include "types/numeric.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele::query {

namespace {
template <typename State>
class Native : public AggCall {
 public:
  size_t size() const override { return (sizeof(State) + 7) & ~size_t{7}; }
  void init(char* p) override { new (p) State(); }
  State& at(char* group) const { return *reinterpret_cast<State*>(group + offset); }
  static State& of(char* state) { return *reinterpret_cast<State*>(state); }
};

class CountStar final : public Native<int64_t> {
 public:
  void add(char* const* g, Sel rows, const Vec* const*, Frame&) override { for (int k = 0; k < rows.n; ++k) ++at(g[rows[k]]); }
  NullableDatum finish(char* s, Arena&) override { return {Datum::from_int(of(s)), false}; }
  bool remove(char* s, int, const Vec* const*, Frame&) override { --of(s); return true; }
};
class CountAny final : public Native<int64_t> {
 public:
  void add(char* const* g, Sel rows, const Vec* const* a, Frame&) override {
    const uint8_t* nulls = a[0]->nulls;
    for (int k = 0; k < rows.n; ++k) at(g[rows[k]]) += nulls[rows[k]] ? 0 : 1;
  }
  NullableDatum finish(char* s, Arena&) override { return {Datum::from_int(of(s)), false}; }
  bool remove(char* s, int r, const Vec* const* a, Frame&) override { of(s) -= a[0]->nulls[r] ? 0 : 1; return true; }
};

// Group rows are aligned to 8 bytes only; packed makes the wide sum content with that.
struct [[gnu::packed]] IntState { Int128 sum = 0; int64_t count = 0; };
enum class IntResult { kInt8, kNumeric, kAverage };
template <IntResult kResult>
class IntSum final : public Native<IntState> {
 public:
  void add(char* const* g, Sel rows, const Vec* const* a, Frame&) override {
    const Vec& v = *a[0];
    for (int k = 0; k < rows.n; ++k) {
      int r = rows[k];
      if (v.nulls[r]) continue;
      IntState& s = at(g[r]);
      s.sum += v.values[r].as_int();
      ++s.count;
    }
  }
  NullableDatum finish(char* p, Arena& out) override {
    IntState& s = of(p);
    if (s.count == 0) return {};
    if constexpr (kResult == IntResult::kInt8) {
      if (s.sum > INT64_MAX || s.sum < INT64_MIN) throw Error(ErrorCode::kNumericValueOutOfRange, "bigint out of range");
      return {Datum::from_int(static_cast<int64_t>(s.sum)), false};
    }
    Datum sum = s.sum <= INT64_MAX && s.sum >= INT64_MIN ? numeric_from_int(static_cast<int64_t>(s.sum), out) : make_numeric_wide(s.sum, 0, out);
    if constexpr (kResult == IntResult::kNumeric) return {sum, false};
    return {numeric_div(sum, numeric_from_int(s.count, out), out), false};
  }
  bool remove(char* p, int r, const Vec* const* a, Frame&) override {
    if (!a[0]->nulls[r]) { of(p).sum -= a[0]->values[r].as_int(); --of(p).count; }
    return true;
  }
};

template <bool kAverage>
class NumericSumCall final : public AggCall {
 public:
  // The sum wants 16-byte alignment, which group rows do not give: they hold a pointer.
  size_t size() const override { return sizeof(NumericSum*); }
  void init(char* p) override { sum_at(p) = new NumericSum(); }
  void destroy(char* p) override { delete sum_at(p); }
  void add(char* const* g, Sel rows, const Vec* const* a, Frame&) override {
    const Vec& v = *a[0];
    for (int k = 0; k < rows.n; ++k) {
      int r = rows[k];
      if (!v.nulls[r]) sum_at(g[r] + offset)->add(v.values[r]);
    }
  }
  NullableDatum finish(char* p, Arena& out) override {
    NumericSum& s = *sum_at(p);
    if (s.count() == 0) return {};
    return {kAverage ? s.average(out) : s.sum(out), false};
  }
  bool remove(char* p, int r, const Vec* const* a, Frame&) override {
    return a[0]->nulls[r] != 0 || sum_at(p)->remove(a[0]->values[r]);
  }

 private:
  static NumericSum*& sum_at(char* p) { return *reinterpret_cast<NumericSum**>(p); }
};

struct FloatState { double sum = 0; int64_t count = 0; };
template <typename T>
class FloatSum final : public Native<FloatState> {
 public:
  void add(char* const* g, Sel rows, const Vec* const* a, Frame&) override {
    const Vec& v = *a[0];
    for (int k = 0; k < rows.n; ++k) {
      int r = rows[k];
      if (v.nulls[r]) continue;
      FloatState& s = at(g[r]);
      if constexpr (std::is_same_v<T, float>) {
        float x = static_cast<float>(s.sum) + v.values[r].as_float();
        check(x, s.sum, v.values[r].as_float());
        s.sum = x;
      } else {
        double x = s.sum + v.values[r].as_double();
        check(x, s.sum, v.values[r].as_double());
        s.sum = x;
      }
      ++s.count;
    }
  }
  NullableDatum finish(char* p, Arena&) override {
    FloatState& s = of(p);
    if (s.count == 0) return {};
    if constexpr (std::is_same_v<T, float>) return {Datum::from_float(static_cast<float>(s.sum)), false};
    return {Datum::from_double(s.sum), false};
  }
 private:
  static void check(double x, double a, double b) {
    if (std::isinf(x) && !std::isinf(a) && !std::isinf(b)) throw Error(ErrorCode::kNumericValueOutOfRange, "value out of range: overflow");
  }
};

struct ExtremeState { Datum value; bool have = false; };
// min and max of by-value types: no copying.
class ExtremeWord final : public Native<ExtremeState> {
 public:
  ExtremeWord(bool greatest, const TypeOps* ops, Oid collation, bool plain_int) : greatest_(greatest), ops_(ops), collation_(collation), plain_int_(plain_int) {}
  void add(char* const* g, Sel rows, const Vec* const* a, Frame&) override {
    const Vec& v = *a[0];
    for (int k = 0; k < rows.n; ++k) {
      int r = rows[k];
      if (v.nulls[r]) continue;
      ExtremeState& s = at(g[r]);
      if (s.have) {
        int c = plain_int_ ? (v.values[r].as_int() > s.value.as_int()) - (v.values[r].as_int() < s.value.as_int()) : ops_->compare(v.values[r], s.value, collation_);
        if (greatest_ ? c <= 0 : c >= 0) continue;
      }
      s.value = v.values[r];
      s.have = true;
    }
  }
  NullableDatum finish(char* p, Arena&) override { return {of(p).value, !of(p).have}; }
 private:
  bool greatest_;
  const TypeOps* ops_;
  Oid collation_;
  bool plain_int_;
};
struct ExtremeBytes { char* data = nullptr; uint32_t capacity = 0; bool have = false; };
class ExtremeRef final : public Native<ExtremeBytes> {
 public:
  ExtremeRef(bool greatest, const TypeOps* ops, Oid collation) : greatest_(greatest), ops_(ops), collation_(collation) {}
  void destroy(char* p) override { std::free(of(p).data); }
  void add(char* const* g, Sel rows, const Vec* const* a, Frame&) override {
    const Vec& v = *a[0];
    for (int k = 0; k < rows.n; ++k) {
      int r = rows[k];
      if (v.nulls[r]) continue;
      ExtremeBytes& s = at(g[r]);
      if (s.have) {
        int c = ops_->compare(v.values[r], Datum::from_varlena(reinterpret_cast<Varlena*>(s.data)), collation_);
        if (greatest_ ? c < 0 : c > 0) continue;   // of equals the last stays, as in PostgreSQL
      }
      const Varlena* in = v.values[r].as_varlena();
      uint32_t need = static_cast<uint32_t>(sizeof(Varlena)) + in->size;
      if (need > s.capacity) {
        s.capacity = std::max<uint32_t>(need, 2 * s.capacity);
        s.data = static_cast<char*>(std::realloc(s.data, s.capacity));
      }
      std::memcpy(s.data, in, need);
      s.have = true;
    }
  }
  NullableDatum finish(char* p, Arena& out) override {
    if (!of(p).have) return {};
    return {make_bytes(out, Datum::from_varlena(reinterpret_cast<Varlena*>(of(p).data)).as_view()), false};
  }
  size_t extra_bytes(const char* p) const override { return reinterpret_cast<const ExtremeBytes*>(p)->capacity; }
 private:
  bool greatest_;
  const TypeOps* ops_;
  Oid collation_;
};

// Aggregates of the function registry.
class RegistryCall final : public AggCall {
 public:
  RegistryCall(AggregateFn make, const AggSource& a, bool strict, ExecState& state) : make_(make), strict_(strict), types_(a.arg_types) {
    values_.resize(std::max<size_t>(types_.size(), 1));
    nulls_.reset(new bool[values_.size()]);
    call_.args = values_.data();
    call_.nulls = nulls_.get();
    call_.nargs = static_cast<int>(types_.size());
    call_.arg_types = types_.data();
    call_.result_type = a.result;
    call_.collation = a.collation;
    call_.context = state.eval;
    call_.cache = &cache_;
  }
  size_t size() const override { return sizeof(AggregateState*); }
  void init(char* p) override { ptr(p) = nullptr; }
  void destroy(char* p) override { delete ptr(p); ptr(p) = nullptr; }
  void add(char* const* g, Sel rows, const Vec* const* a, Frame& f) override {
    call_.arena = f.arena;
    for (int k = 0; k < rows.n; ++k) {
      int r = rows[k];
      if (!load(a, r)) continue;
      AggregateState*& s = ptr(g[r] + offset);
      if (s == nullptr) s = make_(call_).release();
      call_.result_null = false;
      s->add(call_);
    }
  }
  void set_direct(std::vector<NullableDatum> direct, std::vector<Oid> types) { direct_ = std::move(direct); direct_types_ = std::move(types); }
  void change_direct(const std::vector<NullableDatum>& direct) { direct_ = direct; }
  NullableDatum finish(char* p, Arena& out) override {
    call_.arena = &out;
    AggregateState* s = ptr(p);
    std::unique_ptr<AggregateState> empty;
    if (s == nullptr) {
      for (size_t i = 0; i < types_.size(); ++i) { values_[i] = {}; nulls_[i] = true; }
      empty = make_(call_);
      s = empty.get();
    }
    call_.result_null = false;
    if (!direct_types_.empty()) {
      std::vector<Datum> values;
      std::unique_ptr<bool[]> nulls(new bool[direct_.size()]);
      for (size_t i = 0; i < direct_.size(); ++i) { values.push_back(direct_[i].value); nulls[i] = direct_[i].is_null; }
      FnCall c = call_;
      c.args = values.data();
      c.nulls = nulls.get();
      c.nargs = static_cast<int>(values.size());
      c.arg_types = direct_types_.data();
      Datum d = s->finish(c);
      return {d, c.result_null};
    }
    Datum d = s->finish(call_);
    return {d, call_.result_null};
  }
  bool remove(char* p, int r, const Vec* const* a, Frame& f) override {
    call_.arena = f.arena;
    if (!load(a, r)) return true;
    return ptr(p) != nullptr && ptr(p)->remove(call_);
  }
  size_t extra_bytes(const char* p) const override {
    auto* s = *reinterpret_cast<AggregateState* const*>(p);
    return s == nullptr ? 0 : s->bytes();
  }
 private:
  static AggregateState*& ptr(char* p) { return *reinterpret_cast<AggregateState**>(p); }
  bool load(const Vec* const* a, int r) {
    for (size_t i = 0; i < types_.size(); ++i) {
      nulls_[i] = a[i]->nulls[r] != 0;
      if (nulls_[i] && strict_) return false;
      values_[i] = a[i]->values[r];
    }
    return true;
  }
  AggregateFn make_;
  bool strict_;
  std::vector<Oid> types_, direct_types_;
  std::vector<NullableDatum> direct_;
  std::vector<Datum> values_;
  std::unique_ptr<bool[]> nulls_;
  std::shared_ptr<void> cache_;
  FnCall call_{};
};

// By transition and final functions: users' aggregates and the rest of the built-in ones.
struct TransitionState { Datum value; bool null = true, fresh = true; Arena* memory = nullptr; };
class TransitionCall final : public Native<TransitionState> {
 public:
  TransitionCall(Oid transition, Oid final_fn, Oid type, std::optional<std::string> initial, bool final_extra, const AggSource& a, ExecState& s)
      : transition_(transition), final_(final_fn), type_(type), initial_(std::move(initial)), final_extra_(final_extra), source_(a), exec_(s), info_(function_info(transition, *s.ctx)) {
    if (final_ != 0) final_info_ = function_info(final_, *s.ctx);
    state_type_ = type_info(type, *s.ctx);
    types_ = {type};
    types_.insert(types_.end(), a.arg_types.begin(), a.arg_types.end());
    if (info_.native == nullptr && !info_.source.empty() && !info_.source.starts_with("sql:")) throw Error(ErrorCode::kFeatureNotSupported, fmt::format("aggregate function {} is not supported", a.func));
  }
  void destroy(char* p) override { delete of(p).memory; of(p).memory = nullptr; }
  void add(char* const* g, Sel rows, const Vec* const* a, Frame& f) override {
    for (int k = 0; k < rows.n; ++k) {
      int r = rows[k];
      TransitionState& s = at(g[r]);
      start(s);
      std::vector<NullableDatum> args = {{s.value, s.null}};
      bool any_null = false;
      for (size_t i = 1; i < types_.size(); ++i) {
        args.push_back({a[i - 1]->values[r], a[i - 1]->nulls[r] != 0});
        any_null |= args.back().is_null;
      }
      if (info_.strict && any_null) continue;
      if (info_.strict && s.null) {
        // The first value becomes the state.
        if (s.fresh && types_.size() > 1) { keep(s, args[1]); s.fresh = false; }
        continue;
      }
      s.fresh = false;
      keep(s, call(transition_, info_, args, types_, type_, *f.arena));
    }
  }
  NullableDatum finish(char* p, Arena& out) override {
    TransitionState& s = of(p);
    start(s);
    NullableDatum v{s.value, s.null};
    if (final_ == 0) {
      if (!v.is_null) v.value = copy_value(state_type_, v.value, out);
      return v;
    }
    std::vector<NullableDatum> args = {v};
    std::vector<Oid> types = {type_};
    if (final_extra_) for (Oid t : source_.arg_types) { args.push_back({}); types.push_back(t); }
    if (final_info_.strict && v.is_null) return {};
    return call(final_, final_info_, args, types, source_.result, out);
  }
 private:
  void start(TransitionState& s) {
    if (s.memory != nullptr) return;
    s.memory = new Arena;
    if (initial_) {
      s.value = copy_value(state_type_, type_input(type_, *initial_, -1, *s.memory, *exec_.eval), *s.memory);
      s.null = false;
      s.fresh = false;
    }
  }
  void keep(TransitionState& s, NullableDatum v) {
    if (v.is_null) { s.null = true; s.value = {}; return; }
    s.null = false;
    if (state_type_.by_value) { s.value = v.value; return; }
    auto fresh = std::make_unique<Arena>();
    s.value = copy_value(state_type_, v.value, *fresh);
    delete s.memory;
    s.memory = fresh.release();
  }
  NullableDatum call(Oid func, const FunctionInfo& info, const std::vector<NullableDatum>& args, const std::vector<Oid>& types, Oid result, Arena& arena) {
    if (info.native == nullptr) return exec_.ctx->call_function(func, args, types, result, arena);
    std::vector<Datum> values;
    std::unique_ptr<bool[]> nulls(new bool[args.size()]);
    for (size_t i = 0; i < args.size(); ++i) { values.push_back(args[i].value); nulls[i] = args[i].is_null; }
    FnCall c{};
    c.args = values.data(); c.nulls = nulls.get(); c.nargs = static_cast<int>(args.size()); c.arg_types = types.data(); c.result_type = result;
    c.collation = source_.collation; c.arena = &arena; c.context = exec_.eval; c.cache = &cache_;
    Datum d = info.native(c);
    return {d, c.result_null};
  }
  Oid transition_, final_, type_;
  std::optional<std::string> initial_;
  bool final_extra_;
  AggSource source_;
  ExecState& exec_;
  FunctionInfo info_, final_info_;
  TypeInfo state_type_;
  std::vector<Oid> types_;
  std::shared_ptr<void> cache_;
};

// DISTINCT and ORDER BY: rows are kept by group, ordered at the end, and only then aggregated.
struct Collected { std::vector<char*>* rows; };
class CollectingCall final : public Native<Collected> {
 public:
  CollectingCall(std::unique_ptr<AggCall> inner, const AggregateExpr& a, ExecState& s) : inner_(std::move(inner)), distinct_(a.distinct), exec_(s) {
    inner_->offset = 0;
    std::vector<ExprPtr> layout = a.args;
    args_ = a.args.size();
    for (auto& k : a.order_by) {
      int at = -1;
      for (size_t i = 0; i < layout.size() && at < 0; ++i) if (equal(layout[i], k.expr)) at = static_cast<int>(i);
      if (at < 0) { at = static_cast<int>(layout.size()); layout.push_back(k.expr); }
      order_.push_back(key_compare(k, *s.ctx));
      slots_.push_back(at);
    }
    if (distinct_)
      for (size_t i = 0; i < args_; ++i)
        if (std::find(slots_.begin(), slots_.end(), static_cast<int>(i)) == slots_.end()) {
          order_.push_back(key_compare(a.args[i], *s.ctx));
          slots_.push_back(static_cast<int>(i));
        }
    layout_ = layout;
    store_.init(layout, *s.ctx);
    strict_skip_ = distinct_ && false;
  }
  const std::vector<ExprPtr>& inputs() const { return layout_; }
  void init(char* p) override { of(p).rows = new std::vector<char*>; }
  void destroy(char* p) override { delete of(p).rows; of(p).rows = nullptr; }
  void add(char* const* g, Sel rows, const Vec* const* a, Frame&) override {
    Batch b;
    b.columns.resize(layout_.size());
    for (size_t i = 0; i < layout_.size(); ++i) b.columns[i] = *a[i];
    for (int k = 0; k < rows.n; ++k) at(g[rows[k]]).rows->push_back(store_.add(b, rows[k]));
  }
  NullableDatum finish(char* p, Arena& out) override {
    auto& rows = *of(p).rows;
    auto compare = [&](char* x, char* y) {
      for (size_t i = 0; i < order_.size(); ++i) {
        int s = slots_[i];
        int c = order_[i](store_.values(x)[s], store_.nulls(x)[s] != 0, store_.values(y)[s], store_.nulls(y)[s] != 0);
        if (c != 0) return c;
      }
      return 0;
    };
    std::stable_sort(rows.begin(), rows.end(), [&](char* x, char* y) { return compare(x, y) < 0; });
    if (distinct_) rows.erase(std::unique(rows.begin(), rows.end(), [&](char* x, char* y) { return compare(x, y) == 0; }), rows.end());
    std::vector<char> memory(inner_->size() + 8);
    char* state = memory.data();
    inner_->init(state);
    Arena scratch;
    for (char* row : rows) {
      scratch.reset();
      Frame f{nullptr, 1, &scratch, &exec_};
      std::vector<Vec> vecs(std::max<size_t>(args_, 1));
      std::vector<const Vec*> ptrs(vecs.size());
      for (size_t i = 0; i < args_; ++i) { vecs[i] = {store_.values(row) + i, store_.nulls(row) + i}; ptrs[i] = &vecs[i]; }
      inner_->add(&state, Sel{nullptr, 1}, ptrs.data(), f);
    }
    NullableDatum v = inner_->finish(state, out);
    inner_->destroy(state);
    return v;
  }
  size_t extra_bytes(const char* p) const override { return reinterpret_cast<const Collected*>(p)->rows->size() * 64; }
 private:
  std::unique_ptr<AggCall> inner_;
  bool distinct_, strict_skip_ = false;
  ExecState& exec_;
  size_t args_ = 0;
  std::vector<KeyCompare> order_;
  std::vector<int> slots_;
  std::vector<ExprPtr> layout_;
  RowStore store_;
};
}  // namespace

std::unique_ptr<AggCall> make_agg_call(const AggSource& a, ExecState& state) {
  ExecContext& ctx = *state.ctx;
  const BuiltinProc* proc = builtin::proc(a.func);
  const BuiltinAggregate* agg = proc != nullptr ? builtin::aggregate(a.func) : nullptr;
  if (proc == nullptr || agg == nullptr) {
    auto f = ctx.catalog->state()->function(a.func);
    if (!f || f->transition == 0) throw Error(ErrorCode::kUndefinedFunction, fmt::format("cache lookup failed for aggregate {}", a.func));
    return std::make_unique<TransitionCall>(f->transition, f->final, f->transition_type, f->initial, f->final_extra, a, state);
  }
  if (proc->name == "count") {
    if (a.arg_types.empty() || a.star) return std::make_unique<CountStar>();
    return std::make_unique<CountAny>();
  }
  Oid t = a.arg_types.size() == 1 ? type_info(a.arg_types[0], ctx).base : 0;
  Oid declared = proc->args.size() == 1 ? proc->args[0] : 0;
  if (proc->name == "sum") {
    if (declared == oid::kInt4 || declared == oid::kInt2) return std::make_unique<IntSum<IntResult::kInt8>>();
    if (declared == oid::kInt8) return std::make_unique<IntSum<IntResult::kNumeric>>();
    if (declared == oid::kNumeric) return std::make_unique<NumericSumCall<false>>();
    if (declared == oid::kFloat8) return std::make_unique<FloatSum<double>>();
    if (declared == oid::kFloat4) return std::make_unique<FloatSum<float>>();
  }
  if (proc->name == "avg") {
    if (declared == oid::kInt4 || declared == oid::kInt2 || declared == oid::kInt8) return std::make_unique<IntSum<IntResult::kAverage>>();
    if (declared == oid::kNumeric) return std::make_unique<NumericSumCall<true>>();
  }
  if ((proc->name == "min" || proc->name == "max") && t != 0) {
    TypeInfo info = type_info(a.arg_types[0], ctx);
    bool greatest = proc->name == "max";
    if (info.ops->compare != nullptr) {
      bool plain = t == oid::kInt2 || t == oid::kInt4 || t == oid::kInt8 || t == oid::kDate || t == oid::kTimestamp || t == oid::kTimestamptz || t == oid::kTime;
      if (info.by_value) return std::make_unique<ExtremeWord>(greatest, info.ops, a.collation, plain);
      return std::make_unique<ExtremeRef>(greatest, info.ops, a.collation);
    }
  }
  auto& registry = FunctionRegistry::instance();
  auto signature = [&](const std::vector<Oid>& types) {
    std::string s = proc->name + "/";
    for (size_t i = 0; i < types.size(); ++i) {
      auto* b = builtin::type(types[i]);
      s += (i ? "," : "") + (b != nullptr ? b->name : std::string("any"));
    }
    return s;
  };
  AggregateFn fn = registry.aggregate(signature(a.arg_types));
  if (fn == nullptr) fn = registry.aggregate(signature(proc->args));
  if (fn == nullptr) fn = registry.aggregate(proc->name + "/any");
  bool strict = true;
  if (auto* trans = builtin::proc(agg->transition)) strict = trans->strict;
  // numeric_accum and its kin take NULLs only to ignore them.
  static const std::set<std::string_view> kIgnoreNulls = {"sum", "avg", "variance", "var_samp", "var_pop", "stddev", "stddev_samp", "stddev_pop"};
  strict = strict || kIgnoreNulls.contains(proc->name);
  if (fn != nullptr) return std::make_unique<RegistryCall>(fn, a, strict, state);
  return std::make_unique<TransitionCall>(agg->transition, agg->final, agg->transition_type, agg->has_initial ? std::optional<std::string>(agg->initial) : std::nullopt, agg->final_extra, a, state);
}

std::vector<ExprPtr> aggregate_inputs(const AggregateExpr& a) {
  std::vector<ExprPtr> out = a.args;
  for (auto& k : a.order_by)
    if (std::none_of(out.begin(), out.end(), [&](auto& x) { return equal(x, k.expr); })) out.push_back(k.expr);
  if (std::any_of(a.direct_args.begin(), a.direct_args.end(), [](auto& d) { return has_vars(d); })) out.insert(out.end(), a.direct_args.begin(), a.direct_args.end());
  return out;
}

std::unique_ptr<AggCall> make_agg_call(const AggregateExpr& a, ExecState& state) {
  AggSource src;
  src.func = a.func;
  for (auto& x : a.args) src.arg_types.push_back(x->type);
  src.result = a.type;
  src.collation = a.input_collation;
  src.star = a.star;
  src.kind = a.agg_kind;
  src.args = a.args;
  if (a.agg_kind != 'n') {
    // Signatures of ordered-set aggregates name direct and aggregated types together.
    const BuiltinProc* proc = builtin::proc(a.func);
    if (proc == nullptr) throw Error(ErrorCode::kFeatureNotSupported, "user-defined ordered-set aggregates are not supported");
    auto& registry = FunctionRegistry::instance();
    std::string s = proc->name + "/";
    for (size_t i = 0; i < proc->args.size(); ++i) s += (i ? "," : "") + builtin::type(proc->args[i])->name;
    AggregateFn fn = registry.aggregate(s);
    if (fn == nullptr) {
      s = proc->name + "/";
      bool first = true;
      for (auto* list : {&a.direct_args, &a.args})
        for (auto& x : *list) { auto* b = builtin::type(x->type); s += (first ? "" : ",") + (b != nullptr ? b->name : std::string("any")); first = false; }
      fn = registry.aggregate(s);
    }
    if (fn == nullptr) fn = registry.aggregate(proc->name + "/any");
    if (fn == nullptr) throw_no_native(function_info(a.func, *state.ctx));
    auto call = std::make_unique<RegistryCall>(fn, src, a.agg_kind == 'o', state);
    std::vector<NullableDatum> direct;
    std::vector<Oid> types;
    auto arena = std::make_shared<Arena>();
    // Direct arguments over grouping columns come with the inputs: a group's first row tells them.
    bool varies = false;
    for (auto& d : a.direct_args) varies = varies || has_vars(d);
    for (auto& d : a.direct_args) {
      direct.push_back(varies ? NullableDatum{} : evaluate_const(d, state, *arena));
      types.push_back(d->type);
    }
    struct Owner final : AggCall {
      RegistryCall* registry = nullptr;
      bool varies = false;
      size_t own_inputs = 0;  // direct arguments follow them
      std::vector<TypeInfo> direct_infos;
      std::unordered_map<const char*, std::vector<NullableDatum>> direct_of;
      std::unique_ptr<RegistryCall> inner;
      std::shared_ptr<Arena> arena;
      std::unique_ptr<AggCall> sorted;
      AggCall& target() { return sorted ? *sorted : *inner; }
      size_t size() const override { return sorted ? sorted->size() : inner->size(); }
      void init(char* p) override { target().init(p); }
      void destroy(char* p) override {
        direct_of.erase(p);
        target().destroy(p);
      }
      void add(char* const* g, Sel r, const Vec* const* v, Frame& f) override {
        target().offset = offset;
        for (int k = 0; varies && k < r.n; ++k) {
          auto [it, fresh] = direct_of.try_emplace(g[r[k]] + offset);
          for (size_t i = 0; fresh && i < direct_infos.size(); ++i) {
            const Vec& d = *v[own_inputs + i];
            it->second.push_back(d.nulls[r[k]] ? NullableDatum{} : NullableDatum{copy_value(direct_infos[i], d.values[r[k]], *arena), false});
          }
        }
        target().add(g, r, v, f);
      }
      NullableDatum finish(char* p, Arena& out) override {
        if (auto it = direct_of.find(p); it != direct_of.end()) registry->change_direct(it->second);
        return target().finish(p, out);
      }
    };
    call->set_direct(std::move(direct), std::move(types));
    auto owner = std::make_unique<Owner>();
    owner->registry = call.get();
    owner->varies = varies;
    owner->own_inputs = aggregate_inputs(a).size() - (varies ? a.direct_args.size() : 0);
    for (auto& d : a.direct_args) owner->direct_infos.push_back(type_info(d->type, *state.ctx));
    owner->arena = arena;
    if (!a.order_by.empty()) owner->sorted = std::make_unique<CollectingCall>(std::move(call), a, state);
    else owner->inner = std::move(call);
    return owner;
  }
  auto call = make_agg_call(src, state);
  if (!a.distinct && a.order_by.empty()) return call;
  return std::make_unique<CollectingCall>(std::move(call), a, state);
}

}  // namespace stele::query
