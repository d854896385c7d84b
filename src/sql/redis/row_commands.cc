// Hashes that are rows: each command becomes statements with the row's key as parameters, so types,
// constraints, triggers and privileges are SQL's.
#include "base/error.h"
#include "sql/redis/client.h"
#include "sql/redis/jobs.h"
#include "types/oids.h"

namespace stele::sql::redis {

using keyspace::Argv;
using keyspace::Reply;

namespace {

class Row {
 public:
  Row(Session& session, const RowKeys::Target& target) : session_(session), t_(target) {}

  // The row's texts in column order, locked for an update if asked; false: there is none.
  bool load(bool lock) {
    std::string columns;
    for (size_t i = 0; i < t_.columns.size(); ++i) {
      if (i > 0) columns += ", ";
      columns += t_.types[i] == "bytea" ? "encode(" + quoted_name(t_.columns[i]) + ", 'hex')" : quoted_name(t_.columns[i]) + "::text";
    }
    TextResult r = run_sql(session_, "SELECT " + columns + " FROM " + t_.table + where(1) + (lock ? " FOR UPDATE" : ""), keys());
    if (r.rows.empty()) return false;
    values_ = std::move(r.rows[0]);
    for (size_t i = 0; i < values_.size(); ++i)
      if (t_.types[i] == "bytea" && values_[i]) values_[i] = unhex(*values_[i]);
    // What ::text makes of a boolean is not what the hash shows.
    for (size_t i = 0; i < values_.size(); ++i)
      if (t_.types[i] == "boolean" && values_[i]) values_[i] = values_[i]->substr(0, 1);
    return true;
  }
  // Position of a column; npos when the table has none of the name.
  size_t column(std::string_view name) const {
    for (size_t i = 0; i < t_.columns.size(); ++i)
      if (t_.columns[i] == name) return i;
    return std::string::npos;
  }
  size_t column_or_throw(std::string_view name) const {
    size_t i = column(name);
    if (i == std::string::npos)
      throw Error(ErrorCode::kUndefinedColumn, fmt::format("column \"{}\" of relation \"{}\" does not exist", name, t_.name));
    return i;
  }
  const std::vector<TextValue>& values() const { return values_; }
  const RowKeys::Target& target() const { return t_; }

  void update(const std::vector<std::pair<size_t, TextValue>>& set) {
    std::string text = "UPDATE " + t_.table + " SET ";
    std::vector<TextValue> params = keys();
    for (size_t i = 0; i < set.size(); ++i) {
      params.push_back(stored(set[i].first, set[i].second));
      text += (i > 0 ? ", " : "") + quoted_name(t_.columns[set[i].first]) + " = $" + std::to_string(params.size());
    }
    run_sql(session_, text + where(1), params);
  }
  void insert(const std::vector<std::pair<size_t, TextValue>>& set) {
    std::vector<TextValue> params = keys();
    std::string names, places;
    for (size_t i = 0; i < t_.key_columns.size(); ++i) {
      names += (i > 0 ? ", " : "") + quoted_name(t_.key_columns[i]);
      places += (i > 0 ? ", $" : "$") + std::to_string(i + 1);
    }
    for (auto& [column, value] : set) {
      if (is_key(column)) continue;
      params.push_back(stored(column, value));
      names += ", " + quoted_name(t_.columns[column]);
      places += ", $" + std::to_string(params.size());
    }
    run_sql(session_, "INSERT INTO " + t_.table + " (" + names + ") VALUES (" + places + ")", params);
  }
  bool erase() { return run_sql(session_, "DELETE FROM " + t_.table + where(1), keys()).affected() > 0; }
  bool is_key(size_t column) const {
    return std::find(t_.key_columns.begin(), t_.key_columns.end(), t_.columns[column]) != t_.key_columns.end();
  }

 private:
  std::vector<TextValue> keys() const { return {t_.key_values.begin(), t_.key_values.end()}; }
  std::string where(size_t first) const {
    std::string s = " WHERE ";
    for (size_t i = 0; i < t_.key_columns.size(); ++i)
      s += (i > 0 ? " AND " : "") + quoted_name(t_.key_columns[i]) + " = $" + std::to_string(first + i);
    return s;
  }
  TextValue stored(size_t column, const TextValue& v) const {
    if (!v || t_.types[column] != "bytea") return v;
    std::string hex = "\\x";
    for (char c : *v) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return hex;
  }
  static std::string unhex(const std::string& s) {
    auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    std::string out;
    for (size_t i = 0; i + 1 < s.size(); i += 2) out.push_back(static_cast<char>(digit(s[i]) << 4 | digit(s[i + 1])));
    return out;
  }
  Session& session_;
  const RowKeys::Target& t_;
  std::vector<TextValue> values_;
};

void write(Reply& reply, const TextValue& v) { v ? reply.bulk(*v) : reply.null(); }

void hset(Row& row, Argv argv, Reply& reply, bool only_new) {
  if (argv.size() % 2 != 0) {
    reply.error(fmt::format("wrong number of arguments for '{}' command", keyspace::lower(argv[0])));
    return;
  }
  std::vector<std::pair<size_t, TextValue>> set;
  for (size_t i = 2; i + 1 < argv.size(); i += 2) {
    size_t column = row.column_or_throw(argv[i]);
    auto same = std::find_if(set.begin(), set.end(), [&](auto& s) { return s.first == column; });
    if (same != set.end()) same->second = std::string(argv[i + 1]);
    else set.emplace_back(column, std::string(argv[i + 1]));
  }
  int64_t added = 0;
  if (row.load(true)) {
    for (auto& [column, value] : set) added += !row.values()[column];
    if (only_new && added == 0) { reply.integer(0); return; }
    row.update(set);
  } else {
    for (auto& [column, value] : set) {
      if (!row.is_key(column)) continue;
      auto& t = row.target();
      for (size_t i = 0; i < t.key_columns.size(); ++i)
        if (t.key_columns[i] == t.columns[column] && t.key_values[i] != *value)
          throw Error(ErrorCode::kInvalidParameterValue, fmt::format("value of column \"{}\" does not agree with the key", t.columns[column]));
    }
    row.insert(set);
    added = static_cast<int64_t>(set.size());
  }
  if (keyspace::iequals(argv[0], "hmset")) reply.ok();
  else reply.integer(added);
}

void hincr(Row& row, Argv argv, Reply& reply, bool whole) {
  size_t column = row.column_or_throw(argv[2]);
  int64_t by = 0;
  long double by_float = 0;
  if (whole && !keyspace::parse_i64(argv[3], &by)) { reply.error("value is not an integer or out of range"); return; }
  double d = 0;
  if (!whole && !keyspace::parse_double(argv[3], &d)) { reply.error("value is not a valid float"); return; }
  by_float = d;
  bool there = row.load(true);
  TextValue old = there ? row.values()[column] : TextValue();
  std::string text;
  if (whole) {
    int64_t v = 0;
    if (old && !keyspace::parse_i64(*old, &v)) { reply.error("hash value is not an integer"); return; }
    if (__builtin_add_overflow(v, by, &v)) { reply.error("increment or decrement would overflow"); return; }
    text = std::to_string(v);
  } else {
    double v = 0;
    if (old && !keyspace::parse_double(*old, &v)) { reply.error("hash value is not a float"); return; }
    text = keyspace::format_human(static_cast<long double>(v) + by_float);
  }
  if (there) row.update({{column, text}});
  else row.insert({{column, text}});
  if (whole) reply.integer(std::strtoll(text.c_str(), nullptr, 10));
  else reply.bulk(text);
}

}  // namespace

void run_row_command(Session& session, const RowKeys::Target& target, Argv argv, Reply& reply) {
  std::string name = keyspace::lower(argv[0]);
  Row row(session, target);
  if (name == "hset" || name == "hmset" || name == "hsetnx") return hset(row, argv, reply, name == "hsetnx");
  if (name == "hincrby" || name == "hincrbyfloat") return hincr(row, argv, reply, name == "hincrby");
  if (name == "hdel") {
    std::vector<std::pair<size_t, TextValue>> set;
    if (row.load(true))
      for (size_t i = 2; i < argv.size(); ++i) {
        size_t column = row.column(argv[i]);
        bool twice = false;
        for (auto& s : set) twice |= s.first == column;
        if (column != std::string::npos && row.values()[column] && !twice) set.emplace_back(column, std::nullopt);
      }
    if (!set.empty()) row.update(set);
    reply.integer(static_cast<int64_t>(set.size()));
    return;
  }
  if (name == "del" || name == "unlink") { reply.integer(row.erase()); return; }
  bool there = row.load(false);
  auto& values = row.values();
  auto of = [&](std::string_view field) -> TextValue {
    size_t c = row.column(field);
    return there && c != std::string::npos ? values[c] : TextValue();
  };
  size_t set_columns = 0;
  for (auto& v : values) set_columns += v.has_value();
  if (name == "hget") return write(reply, of(argv[2]));
  if (name == "hexists") return reply.integer(of(argv[2]).has_value());
  if (name == "hstrlen") { auto v = of(argv[2]); return reply.integer(v ? static_cast<int64_t>(v->size()) : 0); }
  if (name == "hlen") return reply.integer(static_cast<int64_t>(set_columns));
  if (name == "exists") return reply.integer(there);
  if (name == "type") return reply.simple(there ? "hash" : "none");
  if (name == "ttl" || name == "pttl") return reply.integer(there ? -1 : -2);
  if (name == "hmget") {
    reply.array(argv.size() - 2);
    for (size_t i = 2; i < argv.size(); ++i) write(reply, of(argv[i]));
    return;
  }
  if (name == "hgetall" || name == "hkeys" || name == "hvals") {
    if (name == "hgetall") reply.map(set_columns);
    else reply.array(set_columns);
    for (size_t i = 0; i < values.size(); ++i) {
      if (!values[i]) continue;
      if (name != "hvals") reply.bulk(target.columns[i]);
      if (name != "hkeys") reply.bulk(*values[i]);
    }
    return;
  }
  throw Error(ErrorCode::kFeatureNotSupported, fmt::format("'{}' on a row of table \"{}\" cannot be part of an SQL transaction", name, target.name));
}

void write_result(const TextResult& result, Reply& reply) {
  if (!result.returns_rows) {
    if (result.tag.starts_with("INSERT") || result.tag.starts_with("UPDATE") || result.tag.starts_with("DELETE") || result.tag.starts_with("MERGE"))
      reply.integer(static_cast<int64_t>(result.affected()));
    else reply.simple(result.tag.empty() ? "OK" : result.tag);
    return;
  }
  reply.array(result.rows.size());
  for (auto& row : result.rows) {
    reply.map(row.size());
    for (size_t i = 0; i < row.size(); ++i) {
      reply.bulk(result.columns[i].name);
      if (!row[i]) { reply.null(); continue; }
      switch (result.columns[i].type) {
        case oid::kInt2: case oid::kInt4: case oid::kInt8: case oid::kOid:
          reply.integer(std::strtoll(row[i]->c_str(), nullptr, 10));
          break;
        case oid::kBool:
          if (reply.resp() >= 3) reply.boolean(*row[i] == "t");
          else reply.bulk(*row[i]);
          break;
        case oid::kFloat4: case oid::kFloat8:
          if (reply.resp() >= 3) reply.number(std::strtod(row[i]->c_str(), nullptr));
          else reply.bulk(*row[i]);
          break;
        default: reply.bulk(*row[i]);
      }
    }
  }
}

}  // namespace stele::sql::redis
