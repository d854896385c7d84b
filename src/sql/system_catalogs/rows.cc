#include "sql/system_catalogs/rows.h"

#include <charconv>

#include "types/array.h"
#include "types/builtin.h"
#include "types/function.h"
#include "types/type_io.h"

namespace stele::sql::system_catalogs {
namespace {

int64_t parse_int(std::string_view s) {
  int64_t v = 0;
  std::from_chars(s.data(), s.data() + s.size(), v);
  return v;
}

template <typename V, typename F>
Datum one_dimension(Oid element, const V& values, int lower, Arena& arena, F datum) {
  ArrayBuilder b(element_info(element, nullptr));
  for (auto& v : values) b.add(datum(v));
  int length = static_cast<int>(values.size());
  return b.finish(arena, std::span<const int>(&length, 1), std::span<const int>(&lower, 1));
}

}  // namespace

void Rows::finish() {
  STELE_CHECK(row_.size() == def_.columns.size());
  if (!emit_(row_)) throw StopScan{};
}

size_t Rows::column_index(std::string_view name) {
  if (index_.empty())
    for (size_t i = 0; i < def_.columns.size(); ++i) index_[def_.columns[i].name] = i;
  auto it = index_.find(name);
  STELE_CHECK(it != index_.end());
  return it->second;
}

void Rows::put_number(double real, int64_t integer) {
  switch (def_.columns[row_.size()].type) {
    case oid::kFloat4: row_.push_back({Datum::from_float(static_cast<float>(real)), false}); break;
    case oid::kFloat8: row_.push_back({Datum::from_double(real), false}); break;
    case oid::kText: case oid::kVarchar: case oid::kName:
      row_.push_back({make_bytes(arena, std::to_string(integer)), false});
      break;
    default: row_.push_back({Datum::from_int(integer), false});
  }
}

void Rows::put(std::string_view v) {
  Oid type = def_.columns[row_.size()].type;
  switch (type) {
    case oid::kText: case oid::kVarchar: case oid::kName: case oid::kPgNodeTree: case oid::kBytea:
      row_.push_back({make_bytes(arena, v), false});
      return;
    case oid::kChar:
      row_.push_back({Datum::from_int(v.empty() ? 0 : static_cast<signed char>(v[0])), false});
      return;
    case oid::kBool: row_.push_back({Datum::from_bool(v == "t" || v == "true"), false}); return;
    case oid::kInt2: case oid::kInt4: case oid::kInt8: case oid::kOid: case oid::kRegtype: case oid::kXid:
      row_.push_back({Datum::from_int(parse_int(v)), false});
      return;
    case oid::kFloat4: case oid::kFloat8:
      put_number(std::strtod(std::string(v).c_str(), nullptr), 0);
      return;
    case oid::kRegproc: {
      Oid proc = 0;
      if (!v.empty() && v[0] >= '0' && v[0] <= '9') proc = static_cast<Oid>(parse_int(v));
      else if (!v.empty() && v != "-")
        for (auto* p : builtin::procs_named(v)) proc = p->oid;
      row_.push_back({Datum::from_oid(proc), false});
      return;
    }
    default:
      row_.push_back({type_input(type, v, -1, arena, *context.eval), false});
  }
}

Made Rows::int2vector(std::span<const int16_t> v) {
  return {one_dimension(oid::kInt2, v, 0, arena, [](int16_t x) { return Datum::from_int(x); })};
}
Made Rows::oidvector(std::span<const Oid> v) {
  return {one_dimension(oid::kOid, v, 0, arena, [](Oid x) { return Datum::from_oid(x); })};
}
Made Rows::int2_array(std::span<const int16_t> v) {
  return {one_dimension(oid::kInt2, v, 1, arena, [](int16_t x) { return Datum::from_int(x); })};
}
Made Rows::oid_array(std::span<const Oid> v, Oid element) {
  return {one_dimension(element, v, 1, arena, [](Oid x) { return Datum::from_oid(x); })};
}
Made Rows::text_array(std::span<const std::string> v) {
  return {one_dimension(oid::kText, v, 1, arena, [&](const std::string& x) { return make_bytes(arena, x); })};
}
Made Rows::name_array(std::span<const std::string> v) {
  return {one_dimension(oid::kName, v, 1, arena, [&](const std::string& x) { return make_bytes(arena, x); })};
}
Made Rows::char_array(std::string_view v) {
  return {one_dimension(oid::kChar, v, 1, arena, [](char x) { return Datum::from_int(static_cast<signed char>(x)); })};
}
Made Rows::float4_array(std::span<const double> v) {
  return {one_dimension(oid::kFloat4, v, 1, arena, [](double x) { return Datum::from_float(static_cast<float>(x)); })};
}

std::optional<Made> Rows::acl(const std::optional<std::vector<catalog::AclItem>>& items) {
  if (!items) return std::nullopt;
  ArrayBuilder b(element_info(oid::kAclitem, nullptr));
  for (auto& i : *items) b.add(make_bytes(arena, acl_item_text(i, state)));
  return Made{b.finish(arena)};
}

std::optional<Made> Rows::options(const std::map<std::string, std::string>& options) {
  if (options.empty()) return std::nullopt;
  std::vector<std::string> list;
  for (auto& [name, value] : options) list.push_back(name + "=" + value);
  return text_array(list);
}

std::optional<std::string> Rows::text_function(std::string_view source, Oid argument) {
  ScalarFn f = FunctionRegistry::instance().scalar(source);
  if (f == nullptr || context.eval->session == nullptr) return std::nullopt;
  Datum arg = Datum::from_oid(argument);
  bool is_null = false;
  Oid type = oid::kOid;
  std::shared_ptr<void> cache;
  FnCall call{};
  call.args = &arg;
  call.nulls = &is_null;
  call.nargs = 1;
  call.arg_types = &type;
  call.result_type = oid::kText;
  call.arena = &arena;
  call.context = context.eval;
  call.cache = &cache;
  Datum result = f(call);
  if (call.result_null) return std::nullopt;
  return std::string(result.as_view());
}

std::string Rows::schema_name(Oid schema) const {
  auto s = state.get(catalog::ObjectKind::kSchema, schema);
  return s ? s->name : schema == catalog::kPgCatalog ? "pg_catalog" : "information_schema";
}
std::string Rows::role_name(Oid role) const {
  auto r = state.get(catalog::ObjectKind::kRole, role);
  return r ? r->name : fmt::format("unknown (OID={})", role);
}
std::string Rows::type_name(Oid type, int32_t typmod) {
  if (context.eval->catalog != nullptr) return context.eval->catalog->format_type(type, typmod);
  const BuiltinType* t = builtin::type(type);
  return t ? t->name : "???";
}

}  // namespace stele::sql::system_catalogs
