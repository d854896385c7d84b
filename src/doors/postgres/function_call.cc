#include "doors/postgres/function_call.h"

#include "base/error.h"
#include "types/type_io.h"

namespace stele::doors::postgres {

namespace {

// Keeps the first value as the client wants it.
class OneValue final : public sql::DiscardResults {
 public:
  OneValue(EvalContext& eval, bool binary) : eval_(eval), binary_(binary) {}
  bool rows(const query::Batch& batch, std::span<const query::OutputColumn> columns) override {
    if (batch.size == 0 || have_) return true;
    have_ = true;
    null_ = batch.columns[0].nulls[0] != 0;
    if (null_) return true;
    if (binary_) type_send(columns[0].type, batch.columns[0].values[0], value_, eval_);
    else type_output(columns[0].type, batch.columns[0].values[0], value_, eval_);
    return true;
  }
  bool null() const { return null_; }
  const std::string& value() const { return value_; }

 private:
  EvalContext& eval_;
  bool binary_, have_ = false, null_ = true;
  std::string value_;
};

}  // namespace

void function_call(sql::Session& session, MessageReader& r, std::string& out) {
  const auto function = static_cast<Oid>(r.i32());
  std::vector<int16_t> formats;
  const int n_formats = static_cast<uint16_t>(r.i16());
  for (int i = 0; i < n_formats; ++i) formats.push_back(r.i16());
  const int n = static_cast<uint16_t>(r.i16());
  if (n_formats > 1 && n_formats != n)
    throw Error(ErrorCode::kProtocolViolation, fmt::format("function call message contains {} argument formats but {} arguments", n_formats, n));
  std::vector<sql::Session::Param> params;
  for (int i = 0; i < n; ++i) {
    const int32_t size = r.i32();
    sql::Session::Param p{};
    p.is_null = size < 0;
    p.binary = format_of(formats, static_cast<size_t>(i)) == 1;
    if (size >= 0) p.bytes = r.bytes(static_cast<size_t>(size));
    params.push_back(p);
  }
  const bool binary = r.i16() == 1;
  r.end();
  static constexpr const char* kName = "function call";
  auto run = [&](const std::string& sql, std::span<const sql::Session::Param> with, bool binary_result) {
    session.close_portal(kName);
    session.close_statement(kName);
    session.parse(kName, sql, {});
    session.bind(kName, kName, with, {});
    OneValue value(session.eval(), binary_result);
    session.execute(kName, 0, value);
    session.close_portal(kName);
    session.close_statement(kName);
    return value;
  };
  // The signature as text: the name, then the types of the arguments.
  const OneValue signature = run(fmt::format("SELECT p.oid::regprocedure::text FROM pg_catalog.pg_proc p WHERE p.oid = {}", function), {}, false);
  if (signature.null()) throw Error(ErrorCode::kUndefinedFunction, fmt::format("function with OID {} does not exist", function));
  const std::string* shown = &signature.value();
  const size_t open = shown->find('(');
  std::string sql = "SELECT " + shown->substr(0, open) + "(";
  std::string types = shown->substr(open + 1, shown->size() - open - 2);
  for (int i = 0; i < n; ++i) {
    const size_t comma = std::min(types.find(','), types.size());
    if (types.empty()) throw Error(ErrorCode::kProtocolViolation, fmt::format("function call message contains {} arguments but function requires {}", n, i));
    sql += fmt::format("{}${}::{}", i > 0 ? ", " : "", i + 1, types.substr(0, comma));
    types.erase(0, comma + 1);
  }
  sql += ")";
  const OneValue value = run(sql, params, binary);
  Message m(out, 'V');
  if (value.null()) m.i32(-1);
  else m.i32(static_cast<int64_t>(value.value().size())).bytes(value.value());
}

}  // namespace stele::doors::postgres
