// Runs the cases of testdata/*.tsv, whose expected outcomes come from PostgreSQL 15.
//
// A line is tab separated with \t, \n, \\ escaped: "Z zone", "D style order", "V interval style" set the
// session; "I type text expected" is input and output (and the binary and key round trips);
// "F prosrc result-type (type text)* expected" calls a function, "S" a set-returning one, rows joined by " ; ".
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "types/builtin.h"
#include "types/datetime.h"
#include "types/function.h"
#include "types/oids.h"
#include "types/type_io.h"
#include "types/type_ops.h"

namespace stele {
namespace {

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> out(1);
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\t') out.emplace_back();
    else out.back() += line[i];
  }
  return out;
}
std::string unescape(const std::string& s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '\\' || i + 1 == s.size()) {
      out += s[i];
      continue;
    }
    char c = s[++i];
    out += c == 'n' ? '\n' : c == 't' ? '\t' : c;
  }
  return out;
}

class Session {
 public:
  Session() {
    ctx_.clock_us = [] { return int64_t{0}; };
    ctx_.random = [] { return uint64_t{42}; };
  }
  // False: the line only set something.
  bool run(const std::vector<std::string>& f, std::string* out) {
    if (f[0] == "Z") ctx_.timezone = TimeZone::find(f[1]);
    else if (f[0] == "D") {
      ctx_.date_style = f[1] == "ISO" ? DateStyle::kIso : f[1] == "SQL" ? DateStyle::kSql : f[1] == "German" ? DateStyle::kGerman : DateStyle::kPostgres;
      ctx_.date_order = f[2] == "MDY" ? DateOrder::kMdy : f[2] == "DMY" ? DateOrder::kDmy : DateOrder::kYmd;
    } else if (f[0] == "V") {
      ctx_.interval_style = f[1] == "postgres" ? IntervalStyle::kPostgres : f[1] == "postgres_verbose" ? IntervalStyle::kPostgresVerbose
                          : f[1] == "sql_standard" ? IntervalStyle::kSqlStandard : IntervalStyle::kIso8601;
    } else {
      try {
        *out = f[0] == "I" ? round_trip(f) : call(f);
      } catch (const Error& e) {
        *out = "ERROR " + std::string(e.sqlstate()) + ": " + e.message();
        if (!e.detail().empty()) *out += " DETAIL " + e.detail();
        if (!e.hint().empty()) *out += " HINT " + e.hint();
        if (!e.context().empty()) *out += " CONTEXT " + e.context();
      }
      arena_.reset();
      return true;
    }
    return false;
  }

 private:
  std::string text(Oid type, Datum v) {
    std::string out;
    type_output(type, v, out, ctx_);
    return out;
  }
  std::string round_trip(const std::vector<std::string>& f) {
    Oid type = builtin::type(f[1])->oid;
    Datum v = type_input(type, unescape(f[2]), -1, arena_, ctx_);
    std::string out = text(type, v), binary;
    type_send(type, v, binary, ctx_);
    EXPECT_EQ(out, text(type, type_receive(type, binary, -1, arena_, ctx_)));
    const TypeOps& ops = type_ops(type);
    if (ops.encode_key != nullptr) {
      std::string key;
      ops.encode_key(v, oid::kDefaultCollation, key);
      std::string_view in = key;
      ops.skip_key(in);
      EXPECT_TRUE(in.empty()) << f[2];
      in = key;
      if (ops.decode_key != nullptr) {
        EXPECT_EQ(out, text(type, ops.decode_key(in, arena_)));
      }
    }
    return out;
  }
  std::string call(const std::vector<std::string>& f) {
    std::vector<Datum> args;
    std::array<bool, 16> nulls{};
    std::vector<Oid> types;
    Oid result = builtin::type(f[2])->oid;
    for (size_t i = 3; i + 2 < f.size(); i += 2) {
      types.push_back(builtin::type(f[i])->oid);
      nulls[args.size()] = f[i + 1] == "\\N";
      args.push_back(f[i + 1] == "\\N" ? Datum{} : type_input(types.back(), unescape(f[i + 1]), -1, arena_, ctx_));
    }
    std::shared_ptr<void> cache;
    FnCall c{args.data(), nulls.data(), static_cast<int>(args.size()), types.data(), result, oid::kDefaultCollation, -1, &arena_, &ctx_, &cache};
    if (f[0] == "F") {
      ScalarFn fn = FunctionRegistry::instance().scalar(f[1]);
      if (fn == nullptr) return "no function " + f[1];
      Datum v = fn(c);
      return c.result_null ? "NULL" : text(result, v);
    }
    SetFn fn = FunctionRegistry::instance().set(f[1]);
    if (fn == nullptr) return "no function " + f[1];
    auto rows = fn(c);
    std::string out;
    Datum v;
    bool null;
    for (int n = 0; rows->next(c, &v, &null) && n < 50; ++n) out += (n > 0 ? " ; " : "") + (null ? "NULL" : text(result, v));
    return out;
  }

  EvalContext ctx_;
  Arena arena_;
};

TEST(OracleCases, AgreeWithPostgres) {
  namespace fs = std::filesystem;
  fs::path folder = fs::path(__FILE__).parent_path() / "testdata";
  if (!fs::exists(folder)) GTEST_SKIP() << "the sources have moved";
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".tsv") continue;
    Session session;
    std::ifstream in(entry.path());
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
      std::vector<std::string> f = split(line);
      std::string got;
      if (!session.run(f, &got)) continue;
      ++cases;
      EXPECT_EQ(unescape(f.back()), got) << entry.path().filename() << ":" << number << ": " << line;
    }
  }
  EXPECT_GT(cases, 500);
}

}  // namespace
}  // namespace stele
