// Variables: reading, assigning, converting.
#include "sql/plpgsql/exec.h"
#include "types/record.h"
#include "types/type_io.h"

namespace stele::sql::plpgsql {

void Value::set(NullableDatum d, bool by_value) {
  if (d.is_null || by_value) {
    v = d;
    if (d.is_null) v.value = {};
    owned.reset();
    return;
  }
  const Varlena* from = d.value.as_varlena();
  const size_t bytes = sizeof(Varlena) + from->size;
  auto copy = std::make_unique<uint64_t[]>((bytes + 7) / 8);
  std::memcpy(copy.get(), from, bytes);
  owned = std::move(copy);
  v = {Datum::from_varlena(reinterpret_cast<const Varlena*>(owned.get())), false};
}

bool Frame::by_value(Oid type) {
  switch (type) {
    case oid::kInt4: case oid::kInt8: case oid::kBool: case oid::kInt2: return true;
    case oid::kText: case oid::kNumeric: case oid::kRecord: case oid::kVarchar: return false;
    default: return host_.exec().eval->catalog->type_facts(type).by_value;
  }
}

std::string Frame::text_of(NullableDatum v, Oid type) {
  std::string out;
  if (!v.is_null) type_output(type, v.value, out, *host_.exec().eval);
  return out;
}

NullableDatum Frame::cast(NullableDatum v, Oid from, int32_t from_typmod, Oid to, int32_t typmod) {
  if (from == to && (typmod < 0 || typmod == from_typmod) && (to < oid::kFirstUserOid || host_.view().type(to).typtype != 'd')) return v;
  if (from == oid::kUnknown && v.is_null) from = oid::kText;
  const uint64_t version = host_.view().state()->version();
  auto& c = state_.casts[{from, to, typmod}];
  if (c.expr == nullptr || c.version != version) {
    auto p = std::make_shared<query::ParamExpr>();
    p->id = 1;
    p->type = from;
    query::ExprPtr e = coerce_plpgsql(p, to, typmod, host_.bind_context(""));
    if (e == nullptr) {
      throw Error(ErrorCode::kCannotCoerce, "cannot cast type " + host_.view().format_type(from) + " to " + host_.view().format_type(to));
    }
    c = {e, version};
  }
  if (c.expr->kind == query::ExprKind::kParam) return v;
  query::ExecContext& exec = host_.exec();
  const auto params = exec.params;
  const auto types = exec.param_types;
  const NullableDatum one[1] = {v};
  const Oid type[1] = {from};
  exec.params = one;
  exec.param_types = type;
  struct Restore {
    query::ExecContext& exec;
    std::span<const NullableDatum> params;
    std::span<const Oid> types;
    ~Restore() { exec.params = params; exec.param_types = types; }
  } restore{exec, params, types};
  const query::ExprPtr expr = c.expr;
  return query::evaluate(expr, exec, arena_);
}

void Frame::shape_record(RecordValue& r, Oid composite) {
  const Oid base = host_.view().base_type(composite);
  r = RecordValue();
  r.type = base;
  r.shaped = true;
  const auto& columns = host_.exec().eval->catalog->composite_columns(base);
  r.width = static_cast<int>(columns.size());
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].dropped) continue;
    r.names.push_back(columns[i].name);
    r.types.push_back(columns[i].type);
    r.typmods.push_back(columns[i].typmod);
    r.positions.push_back(static_cast<int>(i));
  }
  for (Oid t : r.types) r.by_value.push_back(by_value(t));
  r.fields.resize(r.names.size());
}

int Frame::field_of(const RecordValue& r, int variable, const std::string& name) const {
  const Variable& v = f_->variables[static_cast<size_t>(variable)];
  if (!r.shaped) {
    throw Error(ErrorCode::kObjectNotInPrerequisiteState, "record \"" + v.name + "\" is not assigned yet").detail("The tuple structure of a not-yet-assigned record is indeterminate.");
  }
  for (size_t i = 0; i < r.names.size(); ++i)
    if (r.names[i] == name) return static_cast<int>(i);
  throw Error(ErrorCode::kUndefinedColumn, "record \"" + v.name + "\" has no field \"" + name + "\"");
}

NullableDatum Frame::record_datum(const RecordValue& r, Arena& arena) {
  std::vector<ElementInfo> infos;
  std::vector<NullableDatum> values;
  EvalContext* eval = host_.exec().eval;
  if (r.type != oid::kRecord && r.type != 0) {
    infos.assign(static_cast<size_t>(r.width), element_info(oid::kInt4, eval));
    values.assign(static_cast<size_t>(r.width), {});
    for (size_t i = 0; i < r.fields.size(); ++i) {
      infos[static_cast<size_t>(r.positions[i])] = element_info(r.types[i], eval);
      values[static_cast<size_t>(r.positions[i])] = r.fields[i].v;
    }
    return {make_record(r.type, -1, infos, values, arena), false};
  }
  for (size_t i = 0; i < r.fields.size(); ++i) {
    infos.push_back(element_info(r.types[i], eval));
    values.push_back(r.fields[i].v);
  }
  return {make_record(oid::kRecord, intern_record_shape(r.names), infos, values, arena), false};
}

NullableDatum Frame::read(const Reference& ref, Oid* type) {
  const size_t i = static_cast<size_t>(ref.variable);
  const Variable& v = f_->variables[i];
  if (v.kind == Variable::Kind::kScalar) {
    *type = scalar_types_[i];
    return scalars_[i].v;
  }
  const RecordValue& r = records_[i];
  if (!ref.field.empty()) {
    const int f = field_of(r, ref.variable, ref.field);
    *type = r.types[static_cast<size_t>(f)];
    return r.fields[static_cast<size_t>(f)].v;
  }
  *type = r.shaped ? r.type : v.type;
  if (!r.shaped || r.null) return {};
  return record_datum(r, arena_);
}

void Frame::set_null(int variable) {
  const size_t i = static_cast<size_t>(variable);
  if (f_->variables[i].kind == Variable::Kind::kScalar) {
    scalars_[i].set({}, true);
    return;
  }
  RecordValue& r = records_[i];
  for (Value& f : r.fields) f.set({}, true);
  r.null = true;
  if (f_->variables[i].type == oid::kRecord) r = RecordValue();
}
void Frame::set_text(int variable, std::string_view text) {
  Arena arena;
  scalars_[static_cast<size_t>(variable)].set({make_bytes(arena, text), false}, false);
}
void Frame::set_bool(int variable, bool v) { scalars_[static_cast<size_t>(variable)].set({Datum::from_bool(v), false}, true); }

void Frame::assign(int variable, NullableDatum v, Oid type, int32_t typmod) {
  const size_t i = static_cast<size_t>(variable);
  const Variable& x = f_->variables[i];
  if (x.kind == Variable::Kind::kRecord) {
    assign_record_datum(variable, v, type);
    return;
  }
  NullableDatum c = cast(v, type, typmod, x.type, x.typmod);
  if (c.is_null && x.not_null) {
    throw Error(ErrorCode::kNullValueNotAllowed, "null value cannot be assigned to variable \"" + x.name + "\" declared NOT NULL");
  }
  scalars_[i].set(c, x.by_value);
}

void Frame::assign_field(int variable, const std::string& field, NullableDatum v, Oid type, int32_t typmod) {
  RecordValue& r = records_[static_cast<size_t>(variable)];
  const Variable& x = f_->variables[static_cast<size_t>(variable)];
  if (!r.shaped && x.type != oid::kRecord) shape_record(r, x.type);
  const size_t f = static_cast<size_t>(field_of(r, variable, field));
  r.fields[f].set(cast(v, type, typmod, r.types[f], r.typmods[f]), r.by_value[f]);
  r.null = false;
}

void Frame::assign_target(const Statement&, const Target& t, size_t i, NullableDatum v, Oid type, int32_t typmod) {
  if (t.fields[i].empty()) assign(t.variables[i], v, type, typmod);
  else assign_field(t.variables[i], t.fields[i], v, type, typmod);
}

void Frame::assign_record(int variable, std::span<const NullableDatum> row, std::span<const OutputColumn> columns) {
  RecordValue& r = records_[static_cast<size_t>(variable)];
  const Variable& x = f_->variables[static_cast<size_t>(variable)];
  if (x.type == oid::kRecord) {
    RecordValue fresh;
    fresh.type = oid::kRecord;
    fresh.shaped = true;
    fresh.null = false;
    for (size_t i = 0; i < columns.size(); ++i) {
      const Oid t = columns[i].type == oid::kUnknown ? Oid{oid::kText} : columns[i].type;
      fresh.names.push_back(columns[i].name);
      fresh.types.push_back(t);
      fresh.typmods.push_back(columns[i].typmod);
      fresh.by_value.push_back(by_value(t));
      fresh.fields.emplace_back();
      fresh.fields.back().set(i < row.size() ? row[i] : NullableDatum{}, fresh.by_value.back());
    }
    if (row.empty() && !columns.empty()) fresh.null = true;
    r = std::move(fresh);
    return;
  }
  RecordValue fresh;
  shape_record(fresh, x.type);
  fresh.null = row.empty();
  for (size_t i = 0; i < fresh.fields.size() && i < row.size(); ++i) {
    fresh.fields[i].set(cast(row[i], columns[i].type, columns[i].typmod, fresh.types[i], fresh.typmods[i]), fresh.by_value[i]);
  }
  r = std::move(fresh);
}

void Frame::assign_record_datum(int variable, NullableDatum v, Oid type) {
  const Variable& x = f_->variables[static_cast<size_t>(variable)];
  const Oid base = host_.view().base_type(type);
  if (v.is_null) {
    if (type != oid::kUnknown && type != oid::kText && base != oid::kRecord && !host_.view().is_composite(base))
      throw Error(ErrorCode::kDatatypeMismatch, "cannot assign non-composite value to a record variable");
    set_null(variable);
    RecordValue& r = records_[static_cast<size_t>(variable)];
    if (x.type != oid::kRecord) shape_record(r, x.type);
    else if (host_.view().is_composite(base)) {
      shape_record(r, base);
      r.type = base;
    }
    return;
  }
  if (base != oid::kRecord && !host_.view().is_composite(base)) {
    if (x.type != oid::kRecord && type == oid::kText) {   // a literal
      const NullableDatum c = cast(v, type, -1, x.type, -1);
      return assign_record_datum(variable, c, x.type);
    }
    throw Error(ErrorCode::kDatatypeMismatch, "cannot assign non-composite value to a record variable");
  }
  RecordView view(v.value);
  if (x.type == oid::kRecord && host_.view().is_composite(view.type())) {
    RecordValue fresh;
    shape_record(fresh, view.type());
    fresh.null = false;
    for (size_t i = 0; i < fresh.fields.size(); ++i)
      if (fresh.positions[i] < view.count()) fresh.fields[i].set(view.at(fresh.positions[i]), fresh.by_value[i]);
    records_[static_cast<size_t>(variable)] = std::move(fresh);
    return;
  }
  std::vector<std::string> names = record_column_names(view, *host_.exec().eval);
  std::vector<bool> dropped(static_cast<size_t>(view.count()), false);
  if (host_.view().is_composite(view.type())) {
    const auto& columns = host_.exec().eval->catalog->composite_columns(view.type());
    names.clear();
    for (size_t i = 0; i < dropped.size(); ++i) {
      names.push_back(i < columns.size() ? columns[i].name : "");
      dropped[i] = i < columns.size() && columns[i].dropped;
    }
  }
  std::vector<NullableDatum> row;
  std::vector<OutputColumn> columns;
  for (int i = 0; i < view.count(); ++i) {
    if (dropped[static_cast<size_t>(i)]) continue;
    row.push_back(view.at(i));
    columns.push_back({static_cast<size_t>(i) < names.size() ? names[static_cast<size_t>(i)] : "", view.column_type(i), -1});
  }
  assign_record(variable, row, columns);
}

void Frame::assign_row(const Target& t, const Rows& rows, size_t at) {
  std::span<const NullableDatum> row;
  if (at < rows.rows.size()) row = rows.rows[at];
  if (t.record) {
    const int v = t.variables[0];
    if (row.empty() && !rows.columns.empty()) {
      std::vector<NullableDatum> nulls(rows.columns.size());
      assign_record(v, nulls, rows.columns);
      records_[static_cast<size_t>(v)].null = true;
    } else {
      assign_record(v, row, rows.columns);
    }
    return;
  }
  if (!row.empty() && row.size() != t.variables.size()) {
    const bool error = extra_check(host_, "plpgsql.extra_errors", "strict_multi_assignment");
    if (error || extra_check(host_, "plpgsql.extra_warnings", "strict_multi_assignment")) {
      const Error bad = Error(ErrorCode::kDatatypeMismatch, "number of source and target fields in assignment does not match")
                            .detail(std::string("strict_multi_assignment check of ") + (error ? "extra_errors" : "extra_warnings") + " is active.")
                            .hint("Make sure the query returns the exact list of columns.");
      if (error) throw bad;
      host_.notice("WARNING", bad);
    }
  }
  for (size_t i = 0; i < t.variables.size(); ++i) {
    const bool given = i < row.size();
    const NullableDatum d = given ? row[i] : NullableDatum{};
    const Oid type = i < rows.columns.size() ? rows.columns[i].type : Oid{oid::kUnknown};
    const int32_t typmod = i < rows.columns.size() ? rows.columns[i].typmod : -1;
    if (t.fields[i].empty()) assign(t.variables[i], d, type, typmod);
    else assign_field(t.variables[i], t.fields[i], d, type, typmod);
  }
}

// A composite value as the declared composite type wants it, column by column.
NullableDatum Frame::convert_record(NullableDatum v, Oid from, Oid to, Arena& arena) {
  (void)from;
  if (v.is_null) return v;
  RecordView view(v.value);
  const Oid base = host_.view().base_type(to);
  if (base == oid::kRecord || view.type() == base) return {copy_datum(false, v.value, arena), false};
  const auto columns = host_.exec().eval->catalog->composite_columns(base);
  size_t live = 0;
  for (const auto& c : columns) live += c.dropped ? 0 : 1;
  std::vector<int> given;
  if (host_.view().is_composite(view.type())) {
    const auto& source = host_.exec().eval->catalog->composite_columns(view.type());
    for (int i = 0; i < view.count(); ++i)
      if (!(static_cast<size_t>(i) < source.size() && source[static_cast<size_t>(i)].dropped)) given.push_back(i);
  } else {
    for (int i = 0; i < view.count(); ++i) given.push_back(i);
  }
  if (given.size() != live) {
    throw Error(ErrorCode::kDatatypeMismatch, "returned record type does not match expected record type")
        .detail("Number of returned columns (" + std::to_string(given.size()) + ") does not match expected column count (" + std::to_string(live) + ").");
  }
  std::vector<ElementInfo> infos;
  std::vector<NullableDatum> values;
  size_t k = 0;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].dropped) {
      infos.push_back(element_info(oid::kInt4, host_.exec().eval));
      values.push_back({});
      continue;
    }
    const int g = given[k++];
    const Oid have = view.column_type(g);
    if (have != columns[i].type && have != oid::kUnknown && host_.view().base_type(have) != host_.view().base_type(columns[i].type)) {
      throw Error(ErrorCode::kDatatypeMismatch, "returned record type does not match expected record type")
          .detail("Returned type " + host_.view().format_type(have) + " does not match expected type " + host_.view().format_type(columns[i].type) + " in column " + std::to_string(k) + ".");
    }
    infos.push_back(element_info(columns[i].type, host_.exec().eval));
    values.push_back(cast(view.at(g), have, -1, columns[i].type, columns[i].typmod));
  }
  return {make_record(base, -1, infos, values, arena), false};
}

}  // namespace stele::sql::plpgsql
