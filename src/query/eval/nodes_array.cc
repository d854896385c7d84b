#include "base/error.h"
#include "query/eval/nodes.h"
#include "query/exec/state.h"
#include "types/builtin.h"
#include "types/jsonb.h"
#include "types/oids.h"

namespace stele::query {

namespace {
// A fixed input whose cell the owner points at the values of the moment.
class CellNode final : public EvalNode {
 public:
  explicit CellNode(const Vec* v) : vec_(v) {}
  const Vec& eval(Frame&, Sel) override { return *vec_; }
 private:
  const Vec* vec_;
};

class ScalarArrayNode final : public EvalNode {
 public:
  EvalPtr scalar, array, test;
  bool use_or = true, strict = true;
  // Hashed form, for a constant list and an equality (or inequality with ALL).
  bool hashable = false;
  const TypeOps* ops = nullptr;
  Oid collation = 0;
  Vec left, right;
  Datum left_value, right_value;
  uint8_t left_null = 0, right_null = 0;

  const Vec& eval(Frame& f, Sel sel) override {
    const Vec& x = scalar->eval(f, sel);
    const Vec& a = array->eval(f, sel);
    out_.ensure(f.size);
    if (hashable && !built_ && sel.n > 0 && !a.nulls[sel[0]]) build(a.values[sel[0]]);
    for (int k = 0; k < sel.n; ++k) {
      int r = sel[k];
      NullableDatum v = built_ ? probe(x, r) : loop(f, x, a, r);
      out_.vec.values[r] = v.value;
      out_.vec.nulls[r] = v.is_null ? 1 : 0;
    }
    return out_.vec;
  }

 private:
  void build(Datum array_value) {
    ArrayView view(array_value);
    int n = view.count();
    if (n < 9) { hashable = false; return; }
    size_t size = std::bit_ceil(static_cast<size_t>(n) * 2);
    table_.assign(size, -1);
    for (int i = 0; i < n; ++i) {
      if (view.is_null(i)) { list_null_ = true; continue; }
      Datum d = view.get(i);
      size_t h = ops->hash(d, collation) & (size - 1);
      while (table_[h] >= 0) h = (h + 1) & (size - 1);
      table_[h] = static_cast<int>(items_.size());
      items_.push_back(d);
    }
    built_ = true;
  }
  NullableDatum probe(const Vec& x, int r) {
    if (x.nulls[r]) return {};
    size_t mask = table_.size() - 1;
    bool found = false;
    for (size_t h = ops->hash(x.values[r], collation) & mask; table_[h] >= 0; h = (h + 1) & mask)
      if (ops->equal(items_[table_[h]], x.values[r], collation)) { found = true; break; }
    if (found) return {Datum::from_bool(use_or), false};
    if (list_null_) return {};
    return {Datum::from_bool(!use_or), false};
  }
  NullableDatum loop(Frame& f, const Vec& x, const Vec& a, int r) {
    if (a.nulls[r]) return {};
    ArrayView view(a.values[r]);
    int n = view.count();
    if (n == 0) return {Datum::from_bool(!use_or), false};
    if (x.nulls[r] && strict) return {};
    left_value = x.values[r];
    left_null = x.nulls[r];
    bool any_null = false;
    Frame one{nullptr, 1, f.arena, f.state};
    for (int i = 0; i < n; ++i) {
      right_null = view.is_null(i) ? 1 : 0;
      if (right_null) right_value = {};
      else right_value = view.get(i);
      const Vec& v = test->eval(one, Sel{nullptr, 1});
      if (v.nulls[0]) { any_null = true; continue; }
      if (v.values[0].as_bool() == use_or) return {Datum::from_bool(use_or), false};
    }
    if (any_null) return {};
    return {Datum::from_bool(!use_or), false};
  }
  bool built_ = false, list_null_ = false;
  std::vector<int> table_;
  std::vector<Datum> items_;
  Buffer out_;
};
}  // namespace

EvalPtr compile_scalar_array(const ScalarArrayOpExpr& e, CompileEnv& env) {
  auto node = std::make_unique<ScalarArrayNode>();
  ExecContext& ctx = *env.state->ctx;
  node->scalar = compile(e.scalar, env);
  node->array = compile(e.array, env);
  node->use_or = e.use_or;
  node->collation = e.input_collation;
  node->left = {&node->left_value, &node->left_null};
  node->right = {&node->right_value, &node->right_null};
  FunctionInfo info = function_info(e.func, ctx);
  node->strict = info.strict;
  TypeInfo array_type = type_info(e.array->type, ctx);
  TypeInfo scalar_type = type_info(e.scalar->type, ctx);
  TypeInfo element = type_info(array_type.element != 0 ? array_type.element : e.scalar->type, ctx);
  const BuiltinOperator* op = builtin::op(e.op);
  node->hashable = node->array->is_const() && op != nullptr && op->left == op->right && element.ops == scalar_type.ops &&
                   element.ops->hash != nullptr && element.ops->equal != nullptr &&
                   ((op->name == "=" && e.use_or) || (op->name == "<>" && !e.use_or));
  node->ops = element.ops;
  std::vector<EvalPtr> args;
  args.push_back(std::make_unique<CellNode>(&node->left));
  args.push_back(std::make_unique<CellNode>(&node->right));
  node->test = compile_call(e.func, std::move(args), {e.scalar->type, array_type.element}, oid::kBool, e.input_collation, -1, env);
  return node;
}

EvalPtr compile_array(const ListExpr& e, CompileEnv& env) {
  std::vector<EvalPtr> in;
  for (auto& a : e.args) in.push_back(compile(a, env));
  ElementInfo info = element_info(e.element_type, env.state->eval);
  if (!e.nested) {
    return row_wise(std::move(in), [info](Frame& f, std::span<const Vec* const> v, int r) {
      ArrayBuilder b(info);
      for (const Vec* x : v) x->nulls[r] ? b.add_null() : b.add(x->values[r]);
      return NullableDatum{b.finish(*f.arena), false};
    });
  }
  return row_wise(std::move(in), [info](Frame& f, std::span<const Vec* const> v, int r) {
    ArrayBuilder b(info);
    std::vector<int> lengths, lowers;
    int outer = 0;
    bool have_dims = false, empties = false;
    for (const Vec* x : v) {
      if (x->nulls[r]) { empties = true; continue; }   // a null sub-array counts as empty
      ArrayView a(x->values[r]);
      if (a.ndim() == 0) { empties = true; continue; }
      if (!have_dims) { lengths = a.lengths(); lowers = a.lowers(); have_dims = true; }
      else if (a.lengths() != lengths || a.lowers() != lowers)
        throw Error(ErrorCode::kArraySubscriptError, "multidimensional arrays must have array expressions with matching dimensions");
      for (int i = 0; i < a.count(); ++i) b.add(a.at(i));
      ++outer;
    }
    if (!have_dims) return NullableDatum{make_empty_array(info, *f.arena), false};
    if (empties) throw Error(ErrorCode::kArraySubscriptError, "multidimensional arrays must have array expressions with matching dimensions");
    lengths.insert(lengths.begin(), outer);
    lowers.insert(lowers.begin(), 1);
    if (lengths.size() > kMaxDim)
      throw Error(ErrorCode::kProgramLimitExceeded, fmt::format("number of array dimensions ({}) exceeds the maximum allowed ({})", lengths.size(), kMaxDim));
    return NullableDatum{b.finish(*f.arena, lengths, lowers), false};
  });
}

EvalPtr compile_array_coerce(const UnaryExpr& e, CompileEnv& env) {
  struct Node final : EvalNode {
    EvalPtr arg, element;
    ElementInfo info;
    const Vec* cell = nullptr;
    Vec vec;
    std::vector<Datum> values;
    std::vector<uint8_t> nulls;
    Buffer out;
    const Vec& eval(Frame& f, Sel sel) override {
      const Vec& v = arg->eval(f, sel);
      out.ensure(f.size);
      for (int k = 0; k < sel.n; ++k) {
        int r = sel[k];
        out.vec.nulls[r] = v.nulls[r];
        if (v.nulls[r]) continue;
        ArrayView a(v.values[r]);
        int n = a.count();
        values.resize(std::max(n, 1));
        nulls.resize(std::max(n, 1));
        for (int i = 0; i < n; ++i) {
          nulls[i] = a.is_null(i) ? 1 : 0;
          values[i] = nulls[i] ? Datum{} : a.get(i);
        }
        vec = {values.data(), nulls.data()};
        cell = &vec;
        Frame inner{f.columns, n, f.arena, f.state};
        ArrayBuilder b(info);
        if (n > 0) {
          const Vec& converted = element->eval(inner, Sel{nullptr, n});
          for (int i = 0; i < n; ++i) converted.nulls[i] ? b.add_null() : b.add(converted.values[i]);
        }
        out.vec.values[r] = n == 0 ? b.finish(*f.arena) : b.finish(*f.arena, a.lengths(), a.lowers());
      }
      return out.vec;
    }
  };
  auto node = std::make_unique<Node>();
  node->arg = compile(e.arg, env);
  CompileEnv inner = env;
  inner.case_value = &node->cell;
  node->element = compile(e.element, inner);
  node->info = element_info(type_info(e.type, *env.state->ctx).element, env.state->eval);
  return node;
}

namespace {
std::optional<int> bound(const Vec* v, int r) {
  if (v == nullptr) return std::nullopt;
  return static_cast<int>(v->values[r].as_int());
}

NullableDatum jsonb_subscript(Frame& f, const std::vector<const Vec*>& subs, const std::vector<Oid>& types, const Vec& container, const Vec* assign, int r) {
  std::vector<std::string> path;
  for (size_t i = 0; i < subs.size(); ++i) {
    if (subs[i]->nulls[r]) {
      if (assign == nullptr) return {};
      throw Error(ErrorCode::kNullValueNotAllowed, "jsonb subscript in assignment must not be null");
    }
    path.push_back(types[i] == oid::kText || types[i] == oid::kVarchar || types[i] == oid::kUnknown ? std::string(subs[i]->values[r].as_view())
                                                                       : std::to_string(subs[i]->values[r].as_int()));
  }
  if (assign == nullptr) {
    if (container.nulls[r]) return {};
    return jsonb_get(container.values[r], path, *f.arena);
  }
  NullableDatum base{container.values[r], container.nulls[r] != 0}, value{assign->values[r], assign->nulls[r] != 0};
  return {jsonb_assign(base, path, value, *f.arena, *f.state->eval), false};
}
}  // namespace

EvalPtr compile_subscript(const SubscriptExpr& e, CompileEnv& env) {
  struct Node final : EvalNode {
    EvalPtr container, assign;
    std::vector<EvalPtr> upper, lower;
    std::vector<Oid> upper_types;
    bool slice = false, jsonb = false, assigns = false;
    size_t fixed_width = 0;  // of the elements of a type of fixed length that can be subscripted (point, box ...)
    ElementInfo info;
    const Vec* cell = nullptr;
    Buffer out;
    const Vec& eval(Frame& f, Sel sel) override {
      const Vec& c = container->eval(f, sel);
      std::vector<const Vec*> up, lo;
      for (auto& u : upper) up.push_back(u ? &u->eval(f, sel) : nullptr);
      for (auto& l : lower) lo.push_back(l ? &l->eval(f, sel) : nullptr);
      cell = &c;
      const Vec* value = assign ? &assign->eval(f, sel) : nullptr;
      out.ensure(f.size);
      for (int k = 0; k < sel.n; ++k) {
        NullableDatum v = one(f, c, up, lo, value, sel[k]);
        out.vec.values[sel[k]] = v.value;
        out.vec.nulls[sel[k]] = v.is_null ? 1 : 0;
      }
      return out.vec;
    }
    // Such types count from 0, have one dimension and no nulls.
    NullableDatum fixed_subscript(Frame& f, const Vec& c, const std::vector<const Vec*>& up, const Vec* value, int r) {
      if (slice) {
        if (assigns) throw Error(ErrorCode::kFeatureNotSupported, "updates on slices of fixed-length arrays not implemented");
        throw Error(ErrorCode::kFeatureNotSupported, "slices of fixed-length arrays not implemented");
      }
      if (c.nulls[r]) return {};
      if (up.size() == 1 && up[0]->nulls[r]) {
        if (assigns) throw Error(ErrorCode::kNullValueNotAllowed, "array subscript in assignment must not be null");
        return {};
      }
      const std::string_view whole = c.values[r].as_view();
      const int64_t at = up.size() == 1 ? up[0]->values[r].as_int() : -1;
      const bool inside = at >= 0 && static_cast<uint64_t>(at) < whole.size() / fixed_width;
      if (!assigns) {
        if (!inside) return {};
        const std::string_view part = whole.substr(static_cast<size_t>(at) * fixed_width, fixed_width);
        Datum d;
        if (info.width == 0) return {make_bytes(*f.arena, part), false};
        std::memcpy(&d.bits, part.data(), part.size());
        return {d, false};
      }
      if (value->nulls[r]) return {c.values[r], false};
      if (!inside) throw Error(ErrorCode::kArraySubscriptError, "array subscript out of range");
      Varlena* copy = make_varlena(*f.arena, whole.size());
      std::memcpy(copy->data, whole.data(), whole.size());
      const Datum v = value->values[r];
      std::memcpy(copy->data + static_cast<size_t>(at) * fixed_width, info.width == 0 ? v.as_view().data() : reinterpret_cast<const char*>(&v.bits), fixed_width);
      return {Datum::from_varlena(copy), false};
    }
    NullableDatum one(Frame& f, const Vec& c, const std::vector<const Vec*>& up, const std::vector<const Vec*>& lo, const Vec* value, int r) {
      if (jsonb) return jsonb_subscript(f, up, upper_types, c, value, r);
      if (fixed_width != 0) return fixed_subscript(f, c, up, value, r);
      if (!assigns && c.nulls[r]) return {};
      for (auto* list : {&up, &lo})
        for (const Vec* v : *list)
          if (v != nullptr && v->nulls[r]) {
            if (!assigns) return {};
            throw Error(ErrorCode::kNullValueNotAllowed, "array subscript in assignment must not be null");
          }
      NullableDatum array{c.values[r], c.nulls[r] != 0};
      if (slice) {
        std::vector<std::optional<int>> los, his;
        for (size_t i = 0; i < up.size(); ++i) {
          his.push_back(bound(up[i], r));
          los.push_back(i < lo.size() ? bound(lo[i], r) : std::nullopt);
        }
        if (!assigns) return {array_get_slice(array.value, los, his, *f.arena), false};
        if (value->nulls[r]) return array;
        return {array_set_slice(array, info, los, his, value->values[r], *f.arena), false};
      }
      int subs[kMaxDim];
      if (up.size() > kMaxDim) throw Error(ErrorCode::kProgramLimitExceeded, fmt::format("number of array dimensions ({}) exceeds the maximum allowed ({})", up.size(), kMaxDim));
      for (size_t i = 0; i < up.size(); ++i) subs[i] = static_cast<int>(up[i]->values[r].as_int());
      std::span<const int> s(subs, up.size());
      if (!assigns) return array_get(array.value, s);
      return {array_set(array, info, s, {value->values[r], value->nulls[r] != 0}, *f.arena), false};
    }
  };
  auto node = std::make_unique<Node>();
  node->container = compile(e.container, env);
  for (auto& u : e.upper) {
    node->upper.push_back(u ? compile(u, env) : nullptr);
    node->upper_types.push_back(u ? u->type : 0);
  }
  for (auto& l : e.lower) node->lower.push_back(l ? compile(l, env) : nullptr);
  node->slice = e.slice;
  node->jsonb = e.container_type == oid::kJsonb;
  if (!node->jsonb) node->info = element_info(e.element_type, env.state->eval);
  const BuiltinType* builtin_container = builtin::type(e.container_type);
  if (builtin_container != nullptr && builtin_container->subscript == "raw_array_subscript_handler") {
    const BuiltinType* element = builtin::type(e.element_type);
    node->fixed_width = static_cast<size_t>(element->len);
  }
  if (e.assign) {
    CompileEnv inner = env;
    inner.case_value = &node->cell;
    node->assign = compile(e.assign, inner);
    node->assigns = true;
  }
  return node;
}

}  // namespace stele::query
