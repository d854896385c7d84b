#include "sql/redis/functions.h"

#include "keyspace/transaction.h"
#include "sql/functions/host.h"
#include "sql/redis/resp_value.h"
#include "types/array.h"
#include "types/datetime.h"
#include "types/jsonb.h"
#include "types/oids.h"
#include "types/text.h"

namespace stele::sql::redis {

namespace {

using keyspace::KeyspaceTxn;
using enum Result;

// Append only: a function's object identifier is its place.
constexpr RedisFunction kFunctions[] = {
    {"command", nullptr, "tT", kJson, nullptr},
    {"command", nullptr, "t", kJson, nullptr},
    // strings
    {"get", "GET", "t", kText, nullptr},
    {"get_bytes", "GET", "y", kBytea, nullptr},
    {"set", "SET", "tt", kText, nullptr},
    {"set", "SET", "ttv", kText, "PX"},
    {"set_bytes", "SET", "yy", kText, nullptr},
    {"setnx", "SETNX", "tt", kBool, nullptr},
    {"getset", "GETSET", "tt", kText, nullptr},
    {"getdel", "GETDEL", "t", kText, nullptr},
    {"mget", "MGET", "T", kArray, nullptr},
    {"append", "APPEND", "tt", kInt, nullptr},
    {"strlen", "STRLEN", "t", kInt, nullptr},
    {"getrange", "GETRANGE", "tii", kText, nullptr},
    {"setrange", "SETRANGE", "tit", kInt, nullptr},
    {"incr", "INCR", "t", kInt, nullptr},
    {"incrby", "INCRBY", "ti", kInt, nullptr},
    {"decr", "DECR", "t", kInt, nullptr},
    {"decrby", "DECRBY", "ti", kInt, nullptr},
    {"incrbyfloat", "INCRBYFLOAT", "tf", kFloat, nullptr},
    {"setbit", "SETBIT", "tii", kInt, nullptr},
    {"getbit", "GETBIT", "ti", kInt, nullptr},
    {"bitcount", "BITCOUNT", "t", kInt, nullptr},
    // keys
    {"del", "DEL", "T", kInt, nullptr},
    {"unlink", "UNLINK", "T", kInt, nullptr},
    {"exists", "EXISTS", "T", kInt, nullptr},
    {"expire", "EXPIRE", "ti", kBool, nullptr},
    {"expire", "PEXPIRE", "tv", kBool, nullptr},
    {"pexpire", "PEXPIRE", "ti", kBool, nullptr},
    {"expireat", "EXPIREAT", "ti", kBool, nullptr},
    {"persist", "PERSIST", "t", kBool, nullptr},
    {"ttl", "TTL", "t", kInt, nullptr},
    {"pttl", "PTTL", "t", kInt, nullptr},
    {"type", "TYPE", "t", kText, nullptr},
    {"rename", "RENAME", "tt", kText, nullptr},
    // hashes
    {"hset", "HSET", "tT", kInt, nullptr},
    {"hsetnx", "HSETNX", "ttt", kBool, nullptr},
    {"hget", "HGET", "tt", kText, nullptr},
    {"hmget", "HMGET", "tT", kArray, nullptr},
    {"hgetall", "HGETALL", "t", kPairs, nullptr},
    {"hkeys", "HKEYS", "t", kTexts, nullptr},
    {"hvals", "HVALS", "t", kTexts, nullptr},
    {"hlen", "HLEN", "t", kInt, nullptr},
    {"hexists", "HEXISTS", "tt", kBool, nullptr},
    {"hdel", "HDEL", "tT", kInt, nullptr},
    {"hincrby", "HINCRBY", "tti", kInt, nullptr},
    // lists
    {"lpush", "LPUSH", "tT", kInt, nullptr},
    {"rpush", "RPUSH", "tT", kInt, nullptr},
    {"lpop", "LPOP", "t", kText, nullptr},
    {"rpop", "RPOP", "t", kText, nullptr},
    {"llen", "LLEN", "t", kInt, nullptr},
    {"lindex", "LINDEX", "ti", kText, nullptr},
    {"lrange", "LRANGE", "tii", kTexts, nullptr},
    {"lrem", "LREM", "tit", kInt, nullptr},
    {"lset", "LSET", "tit", kText, nullptr},
    {"ltrim", "LTRIM", "tii", kText, nullptr},
    // sets
    {"sadd", "SADD", "tT", kInt, nullptr},
    {"srem", "SREM", "tT", kInt, nullptr},
    {"smembers", "SMEMBERS", "t", kTexts, nullptr},
    {"sismember", "SISMEMBER", "tt", kBool, nullptr},
    {"scard", "SCARD", "t", kInt, nullptr},
    {"spop", "SPOP", "t", kText, nullptr},
    {"sinter", "SINTER", "T", kTexts, nullptr},
    {"sunion", "SUNION", "T", kTexts, nullptr},
    {"sdiff", "SDIFF", "T", kTexts, nullptr},
    // sorted sets
    {"zadd", "ZADD", "tft", kInt, nullptr},
    {"zrem", "ZREM", "tT", kInt, nullptr},
    {"zscore", "ZSCORE", "tt", kFloat, nullptr},
    {"zincrby", "ZINCRBY", "tft", kFloat, nullptr},
    {"zcard", "ZCARD", "t", kInt, nullptr},
    {"zcount", "ZCOUNT", "tff", kInt, nullptr},
    {"zrank", "ZRANK", "tt", kInt, nullptr},
    {"zrevrank", "ZREVRANK", "tt", kInt, nullptr},
    {"zrange", "ZRANGE", "tii", kScored, "WITHSCORES"},
    {"zrevrange", "ZREVRANGE", "tii", kScored, "WITHSCORES"},
    {"zrangebyscore", "ZRANGEBYSCORE", "tff", kScored, "WITHSCORES"},
    // streams
    {"xadd", "XADD", "tT", kText, nullptr},
    {"xlen", "XLEN", "t", kInt, nullptr},
    {"xrange", "XRANGE", "ttt", kEntries, nullptr},
    {"xdel", "XDEL", "tT", kInt, nullptr},
    {"xtrim", "XTRIM", "ti", kInt, nullptr},
    // HyperLogLogs
    {"pfadd", "PFADD", "tT", kBool, nullptr},
    {"pfcount", "PFCOUNT", "T", kInt, nullptr},
    // what the views are made of
    {"scan_keys", nullptr, "i", kKeys, nullptr},
    {"scan_elements", nullptr, "it", kElements, nullptr},
};
constexpr size_t kCount = sizeof kFunctions / sizeof kFunctions[0];

keyspace::DurableKeyspace& durable_of(FnCall& c) {
  auto* durable = static_cast<keyspace::DurableKeyspace*>(host_of(c).exec().engine->keyspace);
  if (durable == nullptr) throw Error(ErrorCode::kFeatureNotSupported, "this server has no Redis keyspace");
  return *durable;
}
int database_of(FnCall& c) {
  auto set = c.context->setting ? c.context->setting("redis.database") : std::nullopt;
  if (!set || set->empty()) return 0;
  int64_t n;
  if (!keyspace::parse_i64(*set, &n) || n < 0 || n > 15) throw Error(ErrorCode::kInvalidParameterValue, "invalid value for parameter \"redis.database\": \"" + *set + "\"");
  return static_cast<int>(n);
}

// The command's words from the call's arguments.
std::vector<std::string> words_of(const RedisFunction& f, FnCall& c) {
  std::vector<std::string> words;
  if (f.command != nullptr) words.emplace_back(f.command);
  for (int i = 0; f.args[i] != 0; ++i) {
    if (f.args[i] != 'T' && c.is_null(i)) throw Error(ErrorCode::kNullValueNotAllowed, "Redis values cannot be NULL");
    switch (f.args[i]) {
      case 't': case 'y': words.emplace_back(c.text_arg(i)); break;
      case 'i': words.push_back(std::to_string(c.int_arg(i))); break;
      case 'f': {
        double d = c.arg(i).as_double();
        words.push_back(std::isinf(d) ? (d > 0 ? "+inf" : "-inf") : fmt::format("{}", d));
        break;
      }
      case 'v': {
        Interval v;
        std::memcpy(&v, c.arg(i).as_varlena()->data, sizeof v);
        int64_t ms = v.us / 1000 + (int64_t{v.days} + int64_t{v.months} * 30) * 86400000;
        if (f.last != nullptr) words.emplace_back(f.last);
        words.push_back(std::to_string(ms));
        break;
      }
      case 'T': {
        ArrayView array(c.arg(i));
        for (int k = 0; k < array.count(); ++k) {
          if (array.is_null(k)) throw Error(ErrorCode::kNullValueNotAllowed, "Redis values cannot be NULL");
          words.emplace_back(array.get(k).as_view());
        }
        break;
      }
    }
  }
  if (f.last != nullptr && std::string_view(f.args).find('v') == std::string_view::npos) words.emplace_back(f.last);
  if (std::string_view(f.name) == "xadd" && words.size() % 2 == 0) words.insert(words.begin() + 2, "*");
  if (std::string_view(f.name) == "xtrim") words.insert(words.begin() + 2, "MAXLEN");
  return words;
}

RespValue run(const RedisFunction& f, FnCall& c) {
  std::vector<std::string> words = words_of(f, c);
  std::vector<std::string_view> argv(words.begin(), words.end());
  query::ExecContext& exec = host_of(c).exec();
  auto& durable = durable_of(c);
  if (c.context->setting && c.context->setting("transaction_read_only").value_or("off") == "on") {
    keyspace::KeyspaceLatch latch(durable.keyspace().latch());
    auto* spec = durable.keyspace().commands.find(argv);
    if (spec != nullptr && spec->is(keyspace::kCmdWrite))
      throw Error(ErrorCode::kReadOnlySqlTransaction, "cannot execute Redis command " + keyspace::upper(spec->name) + " in a read-only transaction");
  }
  auto& txn = KeyspaceTxn::of(durable, *exec.txn);
  RespValue v = parse_resp(txn.run(database_of(c), argv, exec.snapshot, exec.wait));
  throw_error_reply(v);
  return v;
}

Datum text_result(FnCall& c, const std::string& s) {
  if (!is_valid_utf8(s) || s.find('\0') != std::string::npos)
    throw Error(ErrorCode::kCharacterNotInRepertoire, "the Redis value is no text in UTF-8").hint("Read it with redis.get_bytes().");
  return c.text(s);
}

template <size_t I>
Datum scalar(FnCall& c) {
  const RedisFunction& f = kFunctions[I];
  RespValue v = run(f, c);
  if (f.result == kJson) return v.null() ? c.null() : jsonb_from_text(resp_json(v), *c.arena, *c.context);
  if (f.result == kArray) {
    ArrayBuilder b(element_info(oid::kText, c.context));
    for (auto& item : v.items) item.null() ? b.add_null() : b.add(text_result(c, item.text));
    return b.finish(*c.arena);
  }
  if (v.null()) return c.null();
  switch (f.result) {
    case kInt: return Datum::from_int(std::strtoll(v.text.c_str(), nullptr, 10));
    case kBool: return Datum::from_bool(v.text != "0" && v.text != "f");
    case kFloat: return Datum::from_double(std::strtod(v.text.c_str(), nullptr));
    case kBytea: return c.text(v.text);
    default: return text_result(c, v.text);
  }
}

class ReplyRows final : public SetRows {
 public:
  ReplyRows(const RedisFunction& f, FnCall& c) : f_(f), value_(run(f, c)) {}
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (at_ >= value_.items.size()) return false;
    nulls[0] = nulls[1 * (f_.result != kTexts)] = false;
    if (f_.result == kTexts) {
      out[0] = text_result(c, value_.items[at_++].text);
    } else if (f_.result == kPairs) {
      out[0] = text_result(c, value_.items[at_].text);
      out[1] = text_result(c, value_.items[at_ + 1].text);
      at_ += 2;
    } else if (f_.result == kScored) {
      auto& pair = value_.items[at_++].items;
      out[0] = text_result(c, pair.at(0).text);
      out[1] = Datum::from_double(std::strtod(pair.at(1).text.c_str(), nullptr));
    } else {
      auto& entry = value_.items[at_++].items;
      RespValue fields = entry.at(1);
      fields.type = '%';
      out[0] = text_result(c, entry.at(0).text);
      out[1] = jsonb_from_text(resp_json(fields), *c.arena, *c.context);
    }
    return true;
  }

 private:
  const RedisFunction& f_;
  RespValue value_;
  size_t at_ = 0;
};

// Every key, or every element of the keys of one type, as the statement sees them.
class KeyspaceRows final : public SetRows {
 public:
  KeyspaceRows(const RedisFunction& f, FnCall& c) : elements_(f.result == kElements) {
    query::ExecContext& exec = host_of(c).exec();
    auto& txn = KeyspaceTxn::of(durable_of(c), *exec.txn);
    int64_t db = c.int_arg(0);
    std::string type(elements_ ? c.text_arg(1) : std::string_view());
    for (int i = 0; i < 16; ++i) {
      if (db >= 0 && db != i) continue;
      txn.scan(i, exec.snapshot, [&](std::string_view key, const keyspace::Object& o, int64_t expire) {
        if (!elements_) { add_key(i, key, o, expire); return; }
        if (type == keyspace::type_name(o.type())) add_elements(i, key, o);
      });
    }
    now_ms_ = exec.engine->store->clock().unix_us() / 1000;
  }
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (at_ >= rows_.size()) return false;
    Row& r = rows_[at_++];
    auto text = [&](int i, const std::string& s) { out[i] = c.text(shown_text(s)); nulls[i] = false; };
    out[0] = Datum::from_int(r.db);
    nulls[0] = false;
    text(1, r.key);
    if (elements_) {
      out[2] = Datum::from_int(r.position);
      nulls[2] = r.position < 0;
      nulls[3] = !r.has_field;
      if (r.has_field) text(3, r.field);
      text(4, r.value);
      out[5] = Datum::from_double(r.score);
      nulls[5] = !r.has_score;
      return true;
    }
    out[2] = c.text(r.key);
    nulls[2] = false;
    text(3, r.type);
    text(4, r.encoding);
    out[5] = Datum::from_int(r.expire - now_ms_);
    nulls[5] = r.expire < 0;
    out[6] = c.text(r.value);
    nulls[6] = false;
    out[7] = jsonb_from_text(r.json, *c.arena, *c.context);
    nulls[7] = false;
    return true;
  }

 private:
  struct Row {
    int db;
    std::string key, field, value, type, encoding, json;
    int64_t position = -1, expire = -1;
    double score = 0;
    bool has_field = false, has_score = false;
  };
  void add_elements(int db, std::string_view key, const keyspace::Object& o) {
    int64_t n = 0;
    auto add = [&](std::string_view field, bool has_field, std::string_view value, int64_t position) -> Row& {
      rows_.push_back({db, std::string(key), std::string(field), std::string(value), {}, {}, {}, position, -1, 0, has_field, false});
      return rows_.back();
    };
    char buf[24];
    switch (o.type()) {
      case keyspace::Type::kString: add({}, false, o.text(buf), -1); break;
      case keyspace::Type::kHash: keyspace::hash_each(o, [&](std::string_view f, std::string_view v) { add(f, true, v, -1); }); break;
      case keyspace::Type::kSet: keyspace::set_each(o, [&](std::string_view m) { add({}, false, m, -1); }); break;
      case keyspace::Type::kZset:
        keyspace::zset_each(o, false, [&](std::string_view m, double score) {
          Row& r = add({}, false, m, n++);
          r.score = score;
          r.has_score = true;
          return true;
        });
        break;
      case keyspace::Type::kList:
        for (auto it = o.list().first(); it.valid(); it.next()) add({}, false, it.value(buf), n++);
        break;
      case keyspace::Type::kStream: {
        keyspace::Stream::Iter it(o.stream(), {}, keyspace::StreamId::max(), false);
        while (it.next()) add(it.id().str(), true, entry_json(it), n++);
        break;
      }
    }
  }
  static std::string entry_json(const keyspace::Stream::Iter& it) {
    std::string json = "{";
    for (size_t i = 0; i + 1 < it.fields().size(); i += 2) {
      if (i > 0) json += ", ";
      append_json_string(json, it.fields()[i]);
      json += ": ";
      append_json_string(json, it.fields()[i + 1]);
    }
    return json + "}";
  }
  void add_key(int db, std::string_view key, const keyspace::Object& o, int64_t expire) {
    Row r{db, std::string(key), {}, {}, keyspace::type_name(o.type()), keyspace::encoding_name(o.enc()), {}, -1, expire};
    char buf[24];
    r.value = o.type() == keyspace::Type::kString ? std::string(o.text(buf)) : keyspace::dump_value(o);
    size_t before = rows_.size();
    add_elements(db, key, o);   // gathered behind, folded into the rendering, dropped again
    bool object = o.type() == keyspace::Type::kHash || o.type() == keyspace::Type::kZset;
    if (o.type() == keyspace::Type::kString) {
      append_json_string(r.json, r.value);
    } else {
      r.json = object ? "{" : "[";
      for (size_t i = before; i < rows_.size(); ++i) {
        Row& e = rows_[i];
        if (i > before) r.json += ", ";
        if (o.type() == keyspace::Type::kHash) { append_json_string(r.json, e.field); r.json += ": "; }
        if (o.type() == keyspace::Type::kZset) {
          append_json_string(r.json, e.value);
          r.json += std::isfinite(e.score) ? fmt::format(": {}", e.score) : fmt::format(": \"{}\"", e.score);
        } else if (o.type() == keyspace::Type::kStream) {
          r.json += "{\"id\": \"" + e.field + "\", \"fields\": " + e.value + "}";
        } else {
          append_json_string(r.json, e.value);
        }
      }
      r.json += object ? "}" : "]";
    }
    rows_.resize(before, r);
    rows_.push_back(std::move(r));
  }
  bool elements_;
  std::vector<Row> rows_;
  size_t at_ = 0;
  int64_t now_ms_ = 0;
};

template <size_t I>
std::unique_ptr<SetRows> set_of(FnCall& c) {
  const RedisFunction& f = kFunctions[I];
  if (f.result == kKeys || f.result == kElements) return std::make_unique<KeyspaceRows>(f, c);
  return std::make_unique<ReplyRows>(f, c);
}
constexpr bool is_set(Result r) { return r == kTexts || r == kPairs || r == kScored || r == kEntries || r == kKeys || r == kElements; }

template <size_t... I>
void register_all(FunctionRegistry& r, std::index_sequence<I...>) {
  auto one = [&]<size_t N>(std::integral_constant<size_t, N>) {
    std::string_view name = keep_name(native_name(kFunctions[N]));
    if (is_set(kFunctions[N].result)) r.add_set(name, set_of<N>);
    else r.add(name, scalar<N>);
  };
  (one(std::integral_constant<size_t, I>{}), ...);
}

}  // namespace

std::span<const RedisFunction> redis_functions() { return kFunctions; }
std::string native_name(const RedisFunction& f) { return std::string("redis.") + f.name + "/" + f.args; }
void register_redis_functions(FunctionRegistry& r) { register_all(r, std::make_index_sequence<kCount>{}); }

}  // namespace stele::sql::redis
