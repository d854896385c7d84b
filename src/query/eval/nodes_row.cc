#include "base/error.h"
#include "query/eval/nodes.h"
#include "query/exec/state.h"
#include "types/oids.h"
#include "types/record.h"
#include "types/type_io.h"

namespace stele::query {

namespace {
std::vector<EvalPtr> compile_list(const std::vector<ExprPtr>& list, CompileEnv& env) {
  std::vector<EvalPtr> out;
  for (auto& e : list) out.push_back(compile(e, env));
  return out;
}
}  // namespace

EvalPtr compile_row(const ListExpr& e, CompileEnv& env) {
  std::vector<ElementInfo> infos;
  for (auto& a : e.args) infos.push_back(element_info(a->type, env.state->eval));
  int32_t shape = e.type == oid::kRecord && !e.names.empty() ? intern_record_shape(e.names) : -1;
  return row_wise(compile_list(e.args, env), [infos = std::move(infos), shape, type = e.type](Frame& f, std::span<const Vec* const> in, int r) {
    std::vector<NullableDatum> values(in.size());
    for (size_t i = 0; i < in.size(); ++i) values[i] = {in[i]->values[r], in[i]->nulls[r] != 0};
    return NullableDatum{make_record(type, shape, infos, values, *f.arena), false};
  });
}

EvalPtr compile_row_compare(const RowCompareExpr& e, CompileEnv& env) {
  std::vector<EvalPtr> in = compile_list(e.left, env);
  for (auto& x : e.right) in.push_back(compile(x, env));
  std::vector<const TypeOps*> ops;
  for (auto& x : e.left) ops.push_back(type_info(x->type, *env.state->ctx).ops);
  return row_wise(std::move(in), [ops = std::move(ops), collations = e.collations, comparison = e.comparison](Frame&, std::span<const Vec* const> v, int r) {
    size_t n = ops.size();
    int c = 0;
    for (size_t i = 0; i < n && c == 0; ++i) {
      const Vec &a = *v[i], &b = *v[n + i];
      if (a.nulls[r] || b.nulls[r]) return NullableDatum{};
      c = ops[i]->compare(a.values[r], b.values[r], i < collations.size() ? collations[i] : 0);
    }
    bool out = comparison == 1 ? c < 0 : comparison == 2 ? c <= 0 : comparison == 4 ? c >= 0 : c > 0;
    return NullableDatum{Datum::from_bool(out), false};
  });
}

EvalPtr compile_field_select(const FieldSelectExpr& e, CompileEnv& env) {
  return row_wise(inputs_of(compile(e.arg, env)), [field = e.field](Frame&, std::span<const Vec* const> in, int r) {
    if (in[0]->nulls[r]) return NullableDatum{};
    RecordView v(in[0]->values[r]);
    if (field < 1 || field > v.count()) return NullableDatum{};
    return v.at(field - 1);
  });
}

EvalPtr compile_field_store(const FieldStoreExpr& e, CompileEnv& env) {
  struct Node final : EvalNode {
    EvalPtr arg;
    std::vector<std::pair<int, EvalPtr>> fields;
    std::vector<ElementInfo> infos;
    Oid row_type = 0;
    const Vec* cell = nullptr;
    Buffer out;
    const Vec& eval(Frame& f, Sel sel) override {
      const Vec& base = arg->eval(f, sel);
      cell = &base;
      std::vector<const Vec*> values;
      for (auto& [n, v] : fields) values.push_back(&v->eval(f, sel));
      out.ensure(f.size);
      for (int k = 0; k < sel.n; ++k) {
        int r = sel[k];
        std::vector<NullableDatum> row(infos.size());
        if (!base.nulls[r]) {
          RecordView v(base.values[r]);
          for (int i = 0; i < v.count() && i < static_cast<int>(row.size()); ++i) row[i] = v.at(i);
        }
        for (size_t i = 0; i < fields.size(); ++i) row[fields[i].first - 1] = {values[i]->values[r], values[i]->nulls[r] != 0};
        out.vec.values[r] = make_record(row_type, -1, infos, row, *f.arena);
        out.vec.nulls[r] = 0;
      }
      return out.vec;
    }
  };
  auto node = std::make_unique<Node>();
  node->arg = compile(e.arg, env);
  node->row_type = e.type;
  for (auto& c : env.state->eval->catalog->composite_columns(type_info(e.type, *env.state->ctx).base)) node->infos.push_back(element_info(c.type, env.state->eval));
  CompileEnv inner = env;
  inner.case_value = &node->cell;
  for (auto& [n, v] : e.fields) node->fields.emplace_back(n, compile(v, inner));
  return node;
}

EvalPtr compile_convert_row(const UnaryExpr& e, CompileEnv& env) {
  CatalogLookup& catalog = *env.state->eval->catalog;
  auto from = catalog.composite_columns(e.arg->type);
  auto to = catalog.composite_columns(e.type);
  std::vector<int> source;
  std::vector<ElementInfo> infos;
  for (auto& c : to) {
    int at = -1;
    for (size_t i = 0; i < from.size(); ++i) if (!c.dropped && !from[i].dropped && from[i].name == c.name) at = static_cast<int>(i);
    source.push_back(at);
    infos.push_back(element_info(c.type, env.state->eval));
  }
  return row_wise(inputs_of(compile(e.arg, env)), [source, infos, type = e.type](Frame& f, std::span<const Vec* const> in, int r) {
    if (in[0]->nulls[r]) return NullableDatum{};
    RecordView v(in[0]->values[r]);
    std::vector<NullableDatum> row;
    for (int s : source) row.push_back(s < 0 || s >= v.count() ? NullableDatum{} : v.at(s));
    return NullableDatum{make_record(type, -1, infos, row, *f.arena), false};
  });
}

EvalPtr compile_null_test(const NullTestExpr& e, CompileEnv& env) {
  if (!e.row_format)
    return row_wise(inputs_of(compile(e.arg, env)), [want = e.is_null](Frame&, std::span<const Vec* const> in, int r) {
      return NullableDatum{Datum::from_bool((in[0]->nulls[r] != 0) == want), false};
    });
  return row_wise(inputs_of(compile(e.arg, env)), [want = e.is_null](Frame&, std::span<const Vec* const> in, int r) {
    bool out = want;
    if (!in[0]->nulls[r]) {
      RecordView v(in[0]->values[r]);
      out = true;
      for (int i = 0; i < v.count(); ++i) if (v.is_null(i) != want) out = false;
    }
    return NullableDatum{Datum::from_bool(out), false};
  });
}

EvalPtr compile_io_coerce(const UnaryExpr& e, CompileEnv& env) {
  Oid from = e.arg->type, to = e.type;
  auto is_text = [](Oid t) { return t == oid::kText || t == oid::kVarchar || t == oid::kUnknown || t == oid::kCstring; };
  EvalPtr arg = compile(e.arg, env);
  if (is_text(from) && is_text(to)) return arg;
  auto buffer = std::make_shared<std::string>();
  return row_wise(inputs_of(std::move(arg)), [=](Frame& f, std::span<const Vec* const> in, int r) {
    if (in[0]->nulls[r]) return NullableDatum{};
    std::string_view text;
    if (is_text(from)) text = in[0]->values[r].as_view();
    else {
      buffer->clear();
      type_output(from, in[0]->values[r], *buffer, *f.state->eval);
      text = *buffer;
    }
    if (is_text(to)) return NullableDatum{make_bytes(*f.arena, text), false};
    return NullableDatum{type_input(to, text, -1, *f.arena, *f.state->eval), false};
  });
}

EvalPtr compile_domain(const UnaryExpr& e, CompileEnv& env) {
  return row_wise(inputs_of(compile(e.arg, env)), [domain = e.type](Frame& f, std::span<const Vec* const> in, int r) {
    NullableDatum v{in[0]->values[r], in[0]->nulls[r] != 0};
    f.state->eval->catalog->check_domain(domain, v);
    return v;
  });
}

EvalPtr compile_sql_value(const SqlValueExpr& e, CompileEnv& env) {
  return row_wise({}, [value = e.value, type = e.type, typmod = e.typmod](Frame& f, std::span<const Vec* const>, int) {
    EvalContext& ctx = *f.state->eval;
    auto call = [&](const char* name, Datum arg, Oid arg_type) {
      ScalarFn fn = FunctionRegistry::instance().scalar(name);
      if (fn == nullptr) throw Error(ErrorCode::kFeatureNotSupported, fmt::format("function {}() is not supported", name));
      bool nulls[1] = {false};
      std::shared_ptr<void> cache;
      FnCall c{};
      c.args = &arg; c.nulls = nulls; c.nargs = arg_type != 0 ? 1 : 0; c.arg_types = &arg_type; c.result_type = type;
      c.arena = f.arena; c.context = &ctx; c.cache = &cache;
      Datum d = fn(c);
      return NullableDatum{d, c.result_null};
    };
    auto limited = [&](NullableDatum v) {
      if (typmod >= 0 && !v.is_null) v.value = apply_typmod(type, v.value, typmod, true, *f.arena, ctx);
      return v;
    };
    auto setting = [&](const char* name) {
      auto v = ctx.setting ? ctx.setting(name) : std::nullopt;
      return v ? NullableDatum{make_bytes(*f.arena, *v), false} : NullableDatum{};
    };
    Datum now = Datum::from_int(ctx.now_us);
    switch (value) {
      case SqlValue::kCurrentDate: return call("timestamptz_date", now, oid::kTimestamptz);
      case SqlValue::kCurrentTime: return limited(call("timestamptz_timetz", now, oid::kTimestamptz));
      case SqlValue::kCurrentTimestamp: return limited({now, false});
      case SqlValue::kLocalTime: return limited(call("timestamptz_time", now, oid::kTimestamptz));
      case SqlValue::kLocalTimestamp: return limited(call("timestamptz_timestamp", now, oid::kTimestamptz));
      case SqlValue::kCurrentRole: case SqlValue::kCurrentUser: case SqlValue::kUser: {
        ExecContext& x = *f.state->ctx;
        if (x.catalog != nullptr)
          if (auto role = x.catalog->state()->get(catalog::ObjectKind::kRole, x.current_user)) return NullableDatum{make_bytes(*f.arena, role->name), false};
        return setting("role");
      }
      case SqlValue::kSessionUser: return call("session_user", {}, 0);
      case SqlValue::kCurrentCatalog: return call("current_database", {}, 0);
      case SqlValue::kCurrentSchema: return call("current_schema", {}, 0);
    }
    return NullableDatum{};
  });
}

}  // namespace stele::query
