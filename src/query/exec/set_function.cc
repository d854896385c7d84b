#include "query/exec/set_function.h"

#include "base/error.h"
#include "types/builtin.h"
#include "types/oids.h"
#include "types/record.h"
#include "types/type_io.h"

namespace stele::query {

namespace {
// Types of the columns that a function call returns, empty when it returns one plain value.
std::vector<Oid> result_columns(const ExprPtr& call, const RangeFunction& f, ExecState& s) {
  if (!f.column_types.empty()) return f.column_types;
  if (call->kind == ExprKind::kFunc) {
    if (auto* p = builtin::proc(static_cast<const FuncExpr&>(*call).func)) {
      std::vector<Oid> out;
      for (size_t i = 0; i < p->all_args.size() && i < p->arg_modes.size(); ++i)
        if (p->arg_modes[i] == 'o' || p->arg_modes[i] == 'b' || p->arg_modes[i] == 't') out.push_back(p->all_args[i]);
      if (out.size() > 1 || (out.size() == 1 && p->result == oid::kRecord)) return out;
    } else if (auto u = s.ctx->catalog->state()->function(static_cast<const FuncExpr&>(*call).func)) {
      std::vector<Oid> out;
      for (size_t i = 0; i < u->all_args.size() && i < u->arg_modes.size(); ++i)
        if (u->arg_modes[i] == 'o' || u->arg_modes[i] == 'b' || u->arg_modes[i] == 't') out.push_back(u->all_args[i]);
      if (out.size() > 1) return out;
    }
  }
  TypeInfo t = type_info(call->type, *s.ctx);
  if (t.kind == 'c' && t.base != oid::kRecord && s.eval->catalog != nullptr) {
    std::vector<Oid> out;
    for (auto& c : s.eval->catalog->composite_columns(t.base)) out.push_back(c.dropped ? 0 : c.type);
    return out;
  }
  return {};
}

thread_local const std::vector<CompositeColumn>* current_definition = nullptr;
struct DefinitionScope {
  explicit DefinitionScope(const std::vector<CompositeColumn>& d) : before(current_definition) { current_definition = d.empty() ? nullptr : &d; }
  ~DefinitionScope() { current_definition = before; }
  const std::vector<CompositeColumn>* before;
};
}  // namespace

const std::vector<CompositeColumn>* record_definition() { return current_definition; }

void check_record_definition(std::span<const Oid> types, const std::vector<CompositeColumn>& expected, CatalogLookup& catalog) {
  auto bad = [] { return Error(ErrorCode::kDatatypeMismatch, "function return row and query-specified return row do not match"); };
  if (types.size() != expected.size())
    throw bad().detail(fmt::format("Returned row contains {} attribute{}, but query expects {}.", types.size(), types.size() == 1 ? "" : "s", expected.size()));
  auto base = [&](Oid t) {
    const auto facts = catalog.type_facts(t);
    return facts.kind == 'd' ? facts.base : t == oid::kVarchar ? Oid{oid::kText} : t;
  };
  for (size_t i = 0; i < types.size(); ++i)
    if (types[i] != expected[i].type && base(types[i]) != base(expected[i].type))
      throw bad().detail(fmt::format("Returned type {} at ordinal position {}, but query expects {}.", catalog.format_type(types[i], -1), i + 1, catalog.format_type(expected[i].type, -1)));
}

SetCall::SetCall(const RangeFunction& f, const Layout& layout, ExecState& state, bool single) : f_(f), state_(state), single_(single) {
  CompileEnv env;
  env.layout = &layout;
  env.state = &state;
  std::vector<Oid> types = result_columns(f.call, f, state);
  composite_ = !types.empty();
  columns_ = single || !composite_ ? 1 : static_cast<int>(types.size());
  record_type_ = f.call->type;
  if (single && composite_)
    for (Oid t : types) record_infos_.push_back(element_info(t == 0 ? oid::kInt4 : t, state.eval));
  for (size_t i = 0; i < f.column_names.size() && i < f.column_types.size(); ++i)
    definition_.push_back({f.column_names[i], f.column_types[i], i < f.column_typmods.size() ? f.column_typmods[i] : -1, false});
  if (f.call->kind == ExprKind::kFunc && !static_cast<const FuncExpr&>(*f.call).returns_set && !definition_.empty())
    record_function_ = function_info(static_cast<const FuncExpr&>(*f.call).func, *state.ctx).native;
  if (record_function_ != nullptr || (f.call->kind == ExprKind::kFunc && static_cast<const FuncExpr&>(*f.call).returns_set)) {
    auto& fn = static_cast<const FuncExpr&>(*f.call);
    func_ = fn.func;
    info_ = function_info(fn.func, *state.ctx);
    if (!definition_.empty()) call_.record_columns = &definition_;
    for (auto& a : fn.args) { args_.push_back(compile(a, env)); arg_types_.push_back(a->type); }
    values_.resize(std::max<size_t>({args_.size(), types.size(), 1}));
    nulls_.reset(new bool[values_.size() + 1]);
    call_.args = values_.data();
    call_.nulls = nulls_.get();
    call_.nargs = static_cast<int>(args_.size());
    call_.arg_types = arg_types_.data();
    call_.result_type = fn.type;
    call_.collation = fn.input_collation;
    call_.context = state.eval;
    call_.cache = &cache_;
    // unnest() hands out elements as they are, composite ones too; other native functions fill columns.
    if (auto* p = builtin::proc(func_); composite_ && info_.native_set != nullptr && p != nullptr)
      element_ = p->result == oid::kAnyElement && !p->args.empty() && p->args[0] == oid::kAnyArray;
    if (record_function_ == nullptr && info_.native_set == nullptr && !(state.ctx->call_set_function && (info_.source.empty() || info_.source.starts_with("sql:")))) throw_no_native(info_);
  } else {
    scalar_ = compile(f.call, env);
  }
}

void SetCall::start(Frame& f, int row) {
  int one = row;
  Sel sel{&one, 1};
  rows_.reset();
  gathered_.clear();
  at_ = 0;
  strict_null_ = false;
  have_once_ = false;
  if (scalar_) {
    const Vec& v = scalar_->eval(f, sel);
    once_ = {v.values[row], v.nulls[row] != 0};
    have_once_ = true;
    return;
  }
  arena_.reset();
  for (size_t i = 0; i < args_.size(); ++i) {
    const Vec& v = args_[i]->eval(f, sel);
    nulls_[i] = v.nulls[row] != 0;
    values_[i] = nulls_[i] ? Datum{} : copy_value(type_info(arg_types_[i], *state_.ctx), v.values[row], arena_);
    if (nulls_[i] && info_.strict) strict_null_ = true;
  }
  if (record_function_ != nullptr) {
    call_.arena = &arena_;
    call_.result_null = false;
    once_ = {};
    if (!strict_null_) {
      Datum v = record_function_(call_);
      once_ = {v, call_.result_null};
    }
    have_once_ = true;
    return;
  }
  if (strict_null_) return;
  if (info_.native_set != nullptr) {
    call_.arena = &arena_;
    call_.result_null = false;
    rows_ = info_.native_set(call_);
    return;
  }
  std::vector<NullableDatum> args;
  for (size_t i = 0; i < args_.size(); ++i) args.push_back({values_[i], nulls_[i]});
  DefinitionScope scope(definition_);
  state_.ctx->call_set_function(func_, args, arg_types_, [&](std::span<const NullableDatum> r) {
    std::vector<NullableDatum> copy(r.begin(), r.end());
    // By-reference values must outlive the call.
    std::vector<Oid> types = result_columns(f_.call, f_, state_);
    for (size_t i = 0; i < copy.size(); ++i) {
      Oid t = copy.size() == types.size() ? types[i] : f_.call->type;
      if (!copy[i].is_null && t != 0) copy[i].value = copy_value(type_info(t, *state_.ctx), copy[i].value, arena_);
    }
    gathered_.push_back(std::move(copy));
    return true;
  });
}

void SetCall::spread(NullableDatum v, NullableDatum* out) {
  if (!composite_ || single_) { out[0] = v; return; }
  if (v.is_null) { for (int i = 0; i < columns_; ++i) out[i] = {}; return; }
  RecordView r(v.value);
  if (!definition_.empty() && state_.eval->catalog != nullptr) {
    std::vector<Oid> types;
    for (int i = 0; i < r.count(); ++i) types.push_back(r.column_type(i));
    check_record_definition(types, definition_, *state_.eval->catalog);
  }
  for (int i = 0; i < columns_; ++i) out[i] = i < r.count() ? r.at(i) : NullableDatum{};
}

bool SetCall::next(NullableDatum* out, Arena& arena) {
  if (scalar_ || record_function_ != nullptr) {
    if (!have_once_) return false;
    have_once_ = false;
    spread(once_, out);
    return true;
  }
  if (strict_null_) return false;
  if (rows_) {
    std::vector<TypeInfo> infos;
    size_t width = element_ ? 1 : composite_ ? (single_ ? record_infos_.size() : static_cast<size_t>(columns_)) : 1;
    Datum values[64];
    bool nulls[64];
    if (width > 64) throw Error(ErrorCode::kTooManyColumns, "a function may return at most 64 columns here");
    // Results live in the batch's arena, not in the arguments'.
    call_.arena = &arena;
    std::fill_n(nulls, width, false);
    if (!rows_->next(call_, values, nulls)) return false;
    if (element_) {
      spread({values[0], nulls[0]}, out);
      return true;
    }
    if (composite_ && single_) {
      std::vector<NullableDatum> cols;
      for (size_t i = 0; i < width; ++i) cols.push_back({values[i], nulls[i]});
      out[0] = {make_record(record_type_, -1, record_infos_, cols, arena), false};
      return true;
    }
    for (size_t i = 0; i < width; ++i) out[i] = {values[i], nulls[i]};
    return true;
  }
  if (at_ >= gathered_.size()) return false;
  auto& row = gathered_[at_++];
  if (!composite_) { out[0] = row.empty() ? NullableDatum{} : row[0]; return true; }
  if (single_) {
    if (row.size() == 1 && record_infos_.size() != 1) { out[0] = row[0]; return true; }
    row.resize(record_infos_.size());
    out[0] = {make_record(record_type_, -1, record_infos_, row, arena), false};
    return true;
  }
  if (row.size() == 1 && columns_ != 1) { spread(row[0], out); return true; }
  for (int i = 0; i < columns_; ++i) out[i] = i < static_cast<int>(row.size()) ? row[static_cast<size_t>(i)] : NullableDatum{};
  return true;
}

}  // namespace stele::query
