#include "sql/redis/client.h"

#include "types/type_io.h"

namespace stele::sql::redis {

namespace {
class TextSink final : public ResultSink {
 public:
  TextSink(Session& session, TextResult& result) : session_(session), result_(result) {}
  void columns(std::span<const OutputColumn> columns) override {
    result_.rows.clear();
    result_.returns_rows = true;
    result_.columns.assign(columns.begin(), columns.end());
  }
  bool rows(const query::Batch& batch, std::span<const OutputColumn> columns) override {
    if (result_.columns.empty()) result_.columns.assign(columns.begin(), columns.end());
    result_.returns_rows = true;
    for (int i = 0; i < batch.size; ++i) {
      std::vector<TextValue> row(columns.size());
      for (size_t c = 0; c < columns.size(); ++c) {
        if (batch.columns[c].nulls[i]) continue;
        row[c].emplace();
        type_output(columns[c].type, batch.columns[c].values[i], *row[c], session_.eval());
      }
      result_.rows.push_back(std::move(row));
    }
    return true;
  }
  void complete(std::string_view tag) override { result_.tag = tag; }
  void empty_query() override { result_.tag.clear(); }
  void copy_out_begin(bool, int) override { refuse(); }
  void copy_out_data(std::string_view) override {}
  void copy_out_end() override {}
  void copy_in_begin(bool, int) override { refuse(); }
  bool copy_in_data(std::string*) override { return false; }

 private:
  [[noreturn]] static void refuse() { throw Error(ErrorCode::kFeatureNotSupported, "COPY FROM STDIN and COPY TO STDOUT need the PostgreSQL protocol"); }
  Session& session_;
  TextResult& result_;
};
}  // namespace

uint64_t TextResult::affected() const {
  size_t space = tag.rfind(' ');
  return space == std::string::npos ? 0 : std::strtoull(tag.c_str() + space + 1, nullptr, 10);
}

TextResult run_sql(Session& session, std::string_view text, const std::vector<TextValue>& params) {
  TextResult result;
  TextSink sink(session, result);
  if (params.empty()) {
    session.simple_query(text, sink);
    return result;
  }
  try {
    session.parse("", text, {});
    std::vector<Session::Param> bound;
    for (auto& p : params) bound.push_back({p ? std::string_view(*p) : std::string_view(), !p, false});
    session.bind("", "", bound, {});
    Described d = session.describe_portal("");
    result.returns_rows = d.returns_rows;
    result.columns = d.columns;
    session.execute("", 0, sink);
    session.sync();
  } catch (...) {
    session.fail_extended();
    session.sync();
    throw;
  }
  return result;
}

std::string quoted_name(std::string_view name) {
  std::string s = "\"";
  for (char c : name) {
    if (c == '"') s += '"';
    s += c;
  }
  return s + "\"";
}

}  // namespace stele::sql::redis
