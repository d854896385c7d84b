// The contracts of the value layer: text and binary round trips, keys that order as compare does,
// and the calls of functions and aggregates by name.
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/error.h"
#include "types/array.h"
#include "types/big_decimal.h"
#include "types/builtin.h"
#include "types/function.h"
#include "types/numeric.h"
#include "types/oids.h"
#include "types/record.h"
#include "types/text.h"
#include "types/type_io.h"
#include "types/type_ops.h"

namespace stele {
namespace {

struct Session {
  Arena arena;
  EvalContext ctx;
  Datum in(Oid type, std::string_view text, int32_t typmod = -1) { return type_input(type, text, typmod, arena, ctx); }
  std::string out(Oid type, Datum d) {
    std::string s;
    type_output(type, d, s, ctx);
    return s;
  }
  // Calls a function; "\N" is NULL. Errors come back as "SQLSTATE message".
  std::string call(std::string_view prosrc, Oid result, const std::vector<std::pair<Oid, std::string>>& args) {
    try {
      std::vector<Datum> values;
      std::vector<Oid> types;
      bool nulls[16] = {};
      for (const auto& [type, text] : args) {
        nulls[values.size()] = text == "\\N";
        values.push_back(text == "\\N" ? Datum{} : in(type, text));
        types.push_back(type);
      }
      std::shared_ptr<void> cache;
      FnCall c{values.data(), nulls, static_cast<int>(values.size()), types.data(), result, oid::kDefaultCollation, -1, &arena, &ctx, &cache};
      ScalarFn fn = FunctionRegistry::instance().scalar(prosrc);
      if (fn == nullptr) return "no function " + std::string(prosrc);
      Datum d = fn(c);
      return c.result_null ? "NULL" : out(result, d);
    } catch (const Error& e) {
      return std::string(e.sqlstate()) + " " + e.message();
    }
  }
  std::string aggregate(std::string_view key, Oid result, Oid type, const std::vector<std::string>& inputs) {
    std::shared_ptr<void> cache;
    bool nulls[2] = {};
    Datum args[2];
    Oid types[2] = {type, oid::kText};
    args[1] = in(oid::kText, ",");
    FnCall c{args, nulls, 2, types, result, oid::kDefaultCollation, -1, &arena, &ctx, &cache};
    auto state = FunctionRegistry::instance().aggregate(key)(c);
    for (const std::string& text : inputs) {
      nulls[0] = text == "\\N";
      if (!nulls[0]) args[0] = in(type, text);
      state->add(c);
    }
    nulls[0] = false;
    Datum d = state->finish(c);
    return c.result_null ? "NULL" : out(result, d);
  }
};

TEST(Builtin, TablesAndLookups) {
  EXPECT_EQ(builtin::type(oid::kInt4)->name, "int4");
  EXPECT_EQ(builtin::type("varchar")->oid, oid::kVarchar);
  EXPECT_EQ(builtin::type(oid::kVector)->array, oid::kVectorArray);
  EXPECT_EQ(builtin::proc(177)->source, "int4pl");
  EXPECT_EQ(builtin::proc(879)->source, "sql:lpad/text,int4");
  EXPECT_GE(builtin::procs_named("generate_series").size(), 6u);
  EXPECT_EQ(builtin::op(96)->name, "=");
  EXPECT_TRUE(passed_by_value(oid::kTimestamptz));
  EXPECT_FALSE(passed_by_value(oid::kNumeric));
  EXPECT_EQ(builtin::rows("pg_am")[1][1], "btree");
}

struct Form { Oid type; const char* text; const char* canonical; };
const Form kForms[] = {
    {oid::kBool, "yes", "t"}, {oid::kInt2, " -5 ", "-5"}, {oid::kInt4, "2147483647", "2147483647"},
    {oid::kInt8, "-9223372036854775808", "-9223372036854775808"}, {oid::kOid, "4294967295", "4294967295"},
    {oid::kFloat8, "1e20", "1e+20"}, {oid::kFloat8, "0.1", "0.1"}, {oid::kFloat8, "-inf", "-Infinity"},
    {oid::kFloat4, "1.1", "1.1"}, {oid::kFloat4, "NaN", "NaN"}, {oid::kNumeric, "1.10", "1.10"},
    {oid::kNumeric, "1e30", "1000000000000000000000000000000"}, {oid::kNumeric, "-.5", "-0.5"},
    {oid::kNumeric, "123456789012345678901234567890123456789012345678.90", "123456789012345678901234567890123456789012345678.90"},
    {oid::kNumeric, "-Infinity", "-Infinity"}, {oid::kText, "héllo", "héllo"}, {oid::kBytea, "\\x00ff", "\\x00ff"},
    {oid::kName, "n", "n"}, {oid::kChar, "a", "a"}, {oid::kInt4Array, "{1,NULL,3}", "{1,NULL,3}"},
    {oid::kInt4Array, "[0:1][2:3]={{1,2},{3,4}}", "[0:1][2:3]={{1,2},{3,4}}"},
    {oid::kTextArray, "{\"a b\",\"\",\"null\",x}", "{\"a b\",\"\",\"null\",x}"}, {oid::kNumericArray, "{1.50,2}", "{1.50,2}"},
    {oid::kVarbit, "10110", "10110"}, {oid::kInet, "10.1.2.3/8", "10.1.2.3/8"}, {oid::kMacaddr, "08002b010203", "08:00:2b:01:02:03"},
    {oid::kMoney, "-1234.5", "-$1,234.50"}, {oid::kPgLsn, "16/B374D848", "16/B374D848"}, {oid::kTid, "(3,4)", "(3,4)"},
    {3904, "(1,5]", "[2,6)"}, {3906, "[1.5,)", "[1.5,)"}, {4451, "{[1,3),[3,5)}", "{[1,5)}"},
};

TEST(TypeIo, TextAndBinaryRoundTrip) {
  Session s;
  for (const Form& f : kForms) {
    Datum d = s.in(f.type, f.text);
    EXPECT_EQ(s.out(f.type, d), f.canonical) << f.type;
    std::string wire;
    type_send(f.type, d, wire, s.ctx);
    EXPECT_EQ(s.out(f.type, type_receive(f.type, wire, -1, s.arena, s.ctx)), f.canonical) << f.type;
    Datum copy = copy_datum(passed_by_value(f.type), d, s.arena);
    EXPECT_EQ(s.out(f.type, copy), f.canonical);
  }
}

TEST(TypeIo, Typmods) {
  Session s;
  EXPECT_EQ(s.out(oid::kVarchar, apply_typmod(oid::kVarchar, s.in(oid::kVarchar, "abcdef"), 7, true, s.arena, s.ctx)), "abc");
  EXPECT_THROW(apply_typmod(oid::kVarchar, s.in(oid::kVarchar, "abcdef"), 7, false, s.arena, s.ctx), Error);
  EXPECT_EQ(s.out(oid::kBpchar, s.in(oid::kBpchar, "ab", 9)), "ab   ");
  EXPECT_EQ(s.out(oid::kNumeric, s.in(oid::kNumeric, "1.005", (5 << 16 | 2) + 4)), "1.01");
  EXPECT_THROW(s.in(oid::kNumeric, "1000", (5 << 16 | 2) + 4), Error);
}

// For every type: keys order as compare, are self-delimiting, and equal values hash alike.
TEST(TypeOps, KeysOrderAsCompare) {
  struct Group { Oid type; std::vector<const char*> values; };
  const Group groups[] = {
      {oid::kBool, {"t", "f"}},
      {oid::kInt2, {"-32768", "-1", "0", "1", "32767"}},
      {oid::kInt4, {"-2147483648", "-1", "0", "7", "2147483647"}},
      {oid::kInt8, {"-9223372036854775808", "-1", "0", "12345678901", "9223372036854775807"}},
      {oid::kOid, {"0", "1", "4294967295"}},
      {oid::kFloat4, {"-Infinity", "-1.5", "-0", "0", "1e-30", "2", "Infinity", "NaN"}},
      {oid::kFloat8, {"-Infinity", "-1e300", "-1.5", "-0", "0", "1e-300", "2", "Infinity", "NaN"}},
      {oid::kNumeric, {"-Infinity", "-1e50", "-100", "-99.99", "-1.5", "-0.001", "0", "0.00", "1e-20", "0.5", "1", "1.0", "1.05", "1.5",
                       "9", "10", "99.99", "100", "12345678901234567890123", "1e50", "Infinity", "NaN"}},
      {oid::kText, {"", "a", "aa", "ab", "b", "é", "a b", "a\x01", "A"}},
      {oid::kBpchar, {"", "a", "a  ", "ab", "b"}},
      {oid::kBytea, {"", "\\x00", "\\x0000", "\\x00ff", "\\x01", "a"}},
      {oid::kInt4Array, {"{}", "{1}", "{1,2}", "{1,NULL}", "{2}", "{{1,2}}", "[0:1]={1,2}", "{1,2,3}"}},
      {oid::kTextArray, {"{}", "{a}", "{a,b}", "{ab}", "{NULL}", "{\"\"}"}},
      {oid::kVarbit, {"", "0", "1", "10", "1000", "11", "101010101"}},
      {oid::kInet, {"10.0.0.0/8", "10.0.0.1", "10.0.0.0/16", "10.1.0.0/16", "::1", "11.0.0.1", "9.255.255.255"}},
      {oid::kMacaddr, {"00:00:00:00:00:01", "00:00:00:00:00:02", "ff:00:00:00:00:00"}},
      {3904, {"empty", "[1,2)", "[1,3)", "(,5)", "[1,)", "(,)", "[2,3)"}},
      {3906, {"empty", "[1,2)", "[1,2]", "(1,2)", "(1,2]", "(,2)", "[1.0,2)"}},
  };
  Session s;
  for (const Group& g : groups) {
    const TypeOps& ops = type_ops(g.type);
    ASSERT_NE(ops.compare, nullptr) << g.type;
    for (const char* x : g.values) {
      Datum a = s.in(g.type, x);
      std::string ka;
      ops.encode_key(a, oid::kDefaultCollation, ka);
      std::string_view rest(ka);
      ops.skip_key(rest);
      EXPECT_TRUE(rest.empty()) << g.type << " " << x;
      if (ops.decode_key != nullptr) {
        std::string tail = ka + "zz";
        std::string_view view(tail);
        EXPECT_EQ(ops.compare(ops.decode_key(view, s.arena), a, oid::kDefaultCollation), 0);
        EXPECT_EQ(view, "zz");
      }
      for (const char* y : g.values) {
        Datum b = s.in(g.type, y);
        std::string kb;
        ops.encode_key(b, oid::kDefaultCollation, kb);
        int c = ops.compare(a, b, oid::kDefaultCollation), k = ka.compare(kb);
        EXPECT_EQ(c < 0, k < 0) << g.type << " '" << x << "' '" << y << "'";
        EXPECT_EQ(c == 0, k == 0) << g.type << " '" << x << "' '" << y << "'";
        EXPECT_EQ(c == 0, ops.equal(a, b, oid::kDefaultCollation));
        if (c == 0) {
          EXPECT_EQ(ops.hash(a, oid::kDefaultCollation), ops.hash(b, oid::kDefaultCollation)) << x << y;
        }
        if (k != 0) {
          EXPECT_FALSE(ka.starts_with(kb) || kb.starts_with(ka)) << "prefix: " << x << " " << y;
        }
      }
    }
  }
}

TEST(TypeOps, IndexColumns) {
  Session s;
  const TypeOps& ops = type_ops(oid::kText);
  for (bool descending : {false, true}) {
    for (bool nulls_first : {false, true}) {
      std::string a, b, n;
      encode_index_column(ops, {s.in(oid::kText, "a"), false}, 0, descending, nulls_first, a);
      encode_index_column(ops, {s.in(oid::kText, "ab"), false}, 0, descending, nulls_first, b);
      encode_index_column(ops, {}, 0, descending, nulls_first, n);
      EXPECT_EQ(a < b, !descending);
      EXPECT_EQ(n < a, nulls_first);
      std::string both = b + a;
      std::string_view view(both);
      EXPECT_EQ(decode_index_column(ops, view, descending, nulls_first, s.arena).value.as_view(), "ab");
      EXPECT_EQ(decode_index_column(ops, view, descending, nulls_first, s.arena).value.as_view(), "a");
    }
  }
}

TEST(TypeOps, CollationsByName) {
  Oid german = 0, root = 0;
  for (const auto& row : builtin::rows("pg_collation")) {
    if (row[1] == "de-x-icu") german = static_cast<Oid>(std::stoul(row[0]));
    if (row[1] == "und-x-icu") root = static_cast<Oid>(std::stoul(row[0]));
  }
  EXPECT_LT(compare_text("a", "B", german), 0);
  EXPECT_GT(compare_text("a", "B", oid::kDefaultCollation), 0);
  const TypeOps& ops = type_ops(oid::kText);
  Session s;
  std::string a, b;
  ops.encode_key(s.in(oid::kText, "äb"), root, a);
  ops.encode_key(s.in(oid::kText, "az"), root, b);
  EXPECT_LT(a, b);
  std::string_view view(a);
  EXPECT_EQ(ops.decode_key(view, s.arena).as_view(), "äb");
}

// Compact arithmetic against the big decimals it must agree with.
TEST(Numeric, CompactAgreesWithBig) {
  const uint64_t seed = 20240607;
  SCOPED_TRACE(seed);
  Random random(seed);
  Arena arena;
  auto pick = [&] {
    int64_t m = static_cast<int64_t>(random.next() >> (random.below(56) + 1)) * (random.below(2) ? 1 : -1);
    return make_numeric(m, static_cast<int>(random.below(12)), arena);
  };
  NumericSum sum;
  Decimal exact;
  for (int i = 0; i < 3000; ++i) {
    Datum a = pick(), b = pick();
    Decimal x = decimal_of(a), y = decimal_of(b);
    EXPECT_EQ(numeric_text(numeric_add(a, b, arena)), decimal_text(decimal_add(x, y)));
    EXPECT_EQ(numeric_text(numeric_sub(a, b, arena)), decimal_text(decimal_add(x, y, true)));
    EXPECT_EQ(numeric_text(numeric_mul(a, b, arena)), decimal_text(decimal_mul(x, y)));
    EXPECT_EQ(numeric_compare(a, b), decimal_compare(x, y));
    if (!y.is_zero()) {
      EXPECT_EQ(numeric_text(numeric_div(a, b, arena)), decimal_text(decimal_div(x, y, division_scale(x, y))));
      // x = trunc(x / y) * y + x % y
      Datum rest = numeric_mod(a, b, arena);
      Decimal back = decimal_add(decimal_mul(decimal_div(x, y, 0, true), y), decimal_of(rest));
      EXPECT_EQ(decimal_compare(back, x), 0);
    }
    EXPECT_EQ(numeric_compare(numeric_parse(numeric_text(a), -1, arena), a), 0);
    sum.add(a);
    exact = decimal_add(exact, x);
  }
  EXPECT_EQ(numeric_text(sum.sum(arena)), decimal_text(exact));
}

TEST(Numeric, BigDivision) {
  const uint64_t seed = 99;
  SCOPED_TRACE(seed);
  Random random(seed);
  for (int i = 0; i < 500; ++i) {
    auto limbs = [&](size_t n) {
      Limbs v;
      for (size_t k = 0; k < n; ++k) v.push_back(random.below(4) == 0 ? kLimbBase - 1 : static_cast<uint32_t>(random.below(kLimbBase)));
      while (!v.empty() && v.back() == 0) v.pop_back();
      return v;
    };
    Limbs a = limbs(random.below(12) + 1), b = limbs(random.below(6) + 1), rest;
    if (b.empty()) continue;
    Limbs q = big::div(a, b, &rest);
    EXPECT_LT(big::compare(rest, b), 0);
    EXPECT_EQ(big::add(big::mul(q, b), rest), a);
    Limbs root = big::sqrt(a);
    EXPECT_LE(big::compare(big::mul(root, root), a), 0);
    EXPECT_GT(big::compare(big::mul(big::add(root, {1}), big::add(root, {1})), a), 0);
  }
}

TEST(Functions, ByName) {
  using oid::kText, oid::kInt4, oid::kNumeric, oid::kFloat8, oid::kTextArray;
  struct Case { const char* fn; Oid result; std::vector<std::pair<Oid, std::string>> args; const char* want; };
  const Case cases[] = {
      {"int4pl", kInt4, {{kInt4, "2147483647"}, {kInt4, "1"}}, "22003 integer out of range"},
      {"int4div", kInt4, {{kInt4, "1"}, {kInt4, "0"}}, "22012 division by zero"},
      {"float8div", kFloat8, {{kFloat8, "1"}, {kFloat8, "3"}}, "0.3333333333333333"},
      {"numeric_div", kNumeric, {{kNumeric, "1"}, {kNumeric, "3"}}, "0.33333333333333333333"},
      {"numeric_power", kNumeric, {{kNumeric, "2"}, {kNumeric, "0.5"}}, "1.4142135623730950"},
      {"numeric_ln", kNumeric, {{kNumeric, "2"}}, "0.6931471805599453"},
      {"text_substr", kText, {{kText, "héllo"}, {kInt4, "2"}, {kInt4, "3"}}, "éll"},
      {"split_part", kText, {{kText, "a,b,c"}, {kText, ","}, {kInt4, "-1"}}, "c"},
      {"textlike", oid::kBool, {{kText, "special requests"}, {kText, "%special%requests%"}}, "t"},
      {"textregexeq", oid::kBool, {{kText, "foobar"}, {kText, "^fo+b"}}, "t"},
      {"textregexeq", oid::kBool, {{kText, "x"}, {kText, "("}}, "2201B invalid regular expression: parentheses () not balanced"},
      {"regexp_match", kTextArray, {{kText, "abcd"}, {kText, "ab|abcd"}}, "{abcd}"},
      {"regexp_match", kTextArray, {{kText, "XY1234Z"}, {kText, "Y*?([0-9]{1,3})"}}, "{1}"},
      {"textregexreplace", kText, {{kText, "foobarbaz"}, {kText, "b(..)"}, {kText, "X\\1Y"}, {kText, "g"}}, "fooXarYXazY"},
      {"text_to_array", kTextArray, {{kText, "a,b"}, {kText, ","}}, "{a,b}"},
      {"array_to_text_null", kText, {{oid::kInt4Array, "{1,NULL,3}"}, {kText, ","}, {kText, "*"}}, "1,*,3"},
      {"array_cat", oid::kInt4Array, {{oid::kInt4Array, "{1}"}, {oid::kInt4Array, "{2,3}"}}, "{1,2,3}"},
      {"md5_text", kText, {{kText, "abc"}}, "900150983cd24fb0d6963f7d28e17f72"},
      {"quote_ident", kText, {{kText, "select"}}, "\"select\""},
      {"sql:lpad/text,int4", kText, {{kText, "x"}, {kInt4, "3"}}, "  x"},
  };
  Session s;
  for (const Case& c : cases) EXPECT_EQ(s.call(c.fn, c.result, c.args), c.want) << c.fn;
}

TEST(Aggregates, ByName) {
  Session s;
  EXPECT_EQ(s.aggregate("sum/int4", oid::kInt8, oid::kInt4, {"1", "2", "3"}), "6");
  EXPECT_EQ(s.aggregate("sum/int8", oid::kNumeric, oid::kInt8, {"9223372036854775807", "1"}), "9223372036854775808");
  EXPECT_EQ(s.aggregate("avg/int4", oid::kNumeric, oid::kInt4, {"1", "2"}), "1.5000000000000000");
  EXPECT_EQ(s.aggregate("avg/numeric", oid::kNumeric, oid::kNumeric, {"1.5", "2.25"}), "1.8750000000000000");
  EXPECT_EQ(s.aggregate("sum/numeric", oid::kNumeric, oid::kNumeric, {}), "NULL");
  EXPECT_EQ(s.aggregate("stddev/int4", oid::kNumeric, oid::kInt4, {"1", "2", "4"}), "1.5275252316519467");
  EXPECT_EQ(s.aggregate("var_pop/float8", oid::kFloat8, oid::kFloat8, {"1", "2", "4"}), "1.5555555555555556");
  EXPECT_EQ(s.aggregate("max/any", oid::kText, oid::kText, {"b", "z", "a"}), "z");
  EXPECT_EQ(s.aggregate("min/any", oid::kNumeric, oid::kNumeric, {"2.5", "1.50", "NaN"}), "1.50");
  EXPECT_EQ(s.aggregate("array_agg/any", oid::kInt4Array, oid::kInt4, {"1", "\\N", "3"}), "{1,NULL,3}");
  EXPECT_EQ(s.aggregate("array_agg/any", oid::kInt4Array, oid::kInt4Array, {"{1,2}", "{3,4}"}), "{{1,2},{3,4}}");
  EXPECT_EQ(s.aggregate("string_agg/text,text", oid::kText, oid::kText, {"a", "\\N", "b"}), "a,b");
  EXPECT_EQ(s.aggregate("bool_and/bool", oid::kBool, oid::kBool, {"t", "f"}), "f");
}

TEST(Arrays, Subscripts) {
  Session s;
  Datum a = s.in(oid::kInt4Array, "{{1,2,3},{4,5,6}}");
  int at[2] = {2, 3};
  EXPECT_EQ(array_get(a, at).value.as_int(), 6);
  at[1] = 4;
  EXPECT_TRUE(array_get(a, at).is_null);
  std::optional<int> lo[2] = {1, 2}, hi[2] = {1, std::nullopt};
  EXPECT_EQ(s.out(oid::kInt4Array, array_get_slice(a, lo, hi, s.arena)), "{{2,3}}");
  ElementInfo info = element_info(oid::kInt4, nullptr);
  int four[1] = {4};
  EXPECT_EQ(s.out(oid::kInt4Array, array_set({s.in(oid::kInt4Array, "{1}"), false}, info, four, {Datum::from_int(9), false}, s.arena)),
            "{1,NULL,NULL,9}");
  std::optional<int> from[1] = {2}, to[1] = {3};
  EXPECT_EQ(s.out(oid::kInt4Array, array_set_slice({s.in(oid::kInt4Array, "{1,2,3,4}"), false}, info, from, to,
                                                   s.in(oid::kInt4Array, "{8,9}"), s.arena)),
            "{1,8,9,4}");
}

TEST(Records, LayoutAndText) {
  Session s;
  ElementInfo columns[3] = {element_info(oid::kInt4, nullptr), element_info(oid::kText, nullptr), element_info(oid::kInt4Array, nullptr)};
  NullableDatum values[3] = {{Datum::from_int(-7), false}, {s.in(oid::kText, "a \"b\""), false}, {}};
  int32_t shape = intern_record_shape({"x", "y", "z"});
  EXPECT_EQ(shape, intern_record_shape({"x", "y", "z"}));
  Datum r = make_record(oid::kRecord, shape, columns, values, s.arena);
  EXPECT_EQ(s.out(oid::kRecord, r), "(-7,\"a \"\"b\"\"\",)");
  EXPECT_EQ(record_column_names(RecordView(r), s.ctx)[1], "y");
  EXPECT_EQ(type_ops_record().compare(r, r, 0), 0);
}

}  // namespace
}  // namespace stele
