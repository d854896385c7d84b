#include "types/vector.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "types/builtin.h"
#include "types/function.h"
#include "types/oids.h"
#include "types/type_io.h"
#include "types/type_ops.h"
#include "types/vector_kernels.h"

namespace stele {
namespace {

struct Io {
  Arena arena;
  EvalContext ctx;
  Datum in(Oid type, std::string_view text, int32_t typmod = -1) { return type_input(type, text, typmod, arena, ctx); }
  std::string out(Oid type, Datum d) {
    std::string s;
    type_output(type, d, s, ctx);
    return s;
  }
  std::string failure(Oid type, std::string_view text, int32_t typmod = -1) {
    try {
      in(type, text, typmod);
    } catch (const Error& e) {
      return e.message();
    }
    return "no error";
  }
};

TEST(Vector, TextRoundTripsAndErrors) {
  Io io;
  EXPECT_EQ(io.out(oid::kVector, io.in(oid::kVector, " [ 1.5, -2 ,3e0 ] ")), "[1.5,-2,3]");
  EXPECT_EQ(io.out(oid::kHalfvec, io.in(oid::kHalfvec, "[1,2.5,0.1]")), "[1,2.5,0.099975586]");
  EXPECT_EQ(io.out(oid::kSparsevec, io.in(oid::kSparsevec, "{3:2,1:1.5,2:0}/5")), "{1:1.5,3:2}/5");
  EXPECT_EQ(io.failure(oid::kVector, "[1,2]", 3), "expected 3 dimensions, not 2");
  EXPECT_EQ(io.failure(oid::kVector, "[NaN]"), "NaN not allowed in vector");
  EXPECT_EQ(io.failure(oid::kVector, "[Infinity]"), "infinite value not allowed in vector");
  EXPECT_EQ(io.failure(oid::kVector, "[]"), "vector must have at least 1 dimension");
  EXPECT_EQ(io.failure(oid::kVector, "[1,2"), "invalid input syntax for type vector: \"[1,2\"");
  EXPECT_EQ(io.failure(oid::kVector, "hello"), "invalid input syntax for type vector: \"hello\"");
  EXPECT_EQ(io.failure(oid::kHalfvec, "[65520]"), "\"65520\" is out of range for type halfvec");
  EXPECT_EQ(io.failure(oid::kSparsevec, "{6:1}/5"), "sparsevec indices must be less than or equal to dimensions");
}

TEST(Vector, BinaryRoundTrips) {
  Io io;
  const std::pair<Oid, const char*> values[] = {
      {oid::kVector, "[1,-2.5,3]"}, {oid::kHalfvec, "[1,-2.5,3]"}, {oid::kSparsevec, "{2:1.5,900:-2}/1000"}};
  for (const auto& [type, text] : values) {
    std::string bytes;
    type_send(type, io.in(type, text), bytes, io.ctx);
    EXPECT_EQ(io.out(type, type_receive(type, bytes, -1, io.arena, io.ctx)), text);
    EXPECT_THROW(type_receive(type, std::string_view(bytes).substr(0, bytes.size() - 1), -1, io.arena, io.ctx), Error);
  }
}

TEST(Vector, DistancesThroughTheirOperators) {
  Io io;
  for (Oid type : {oid::kVector, oid::kHalfvec}) {
    const std::pair<const char*, double> expected[] = {{"<->", 5.0}, {"<#>", -4.0}, {"<+>", 7.0}, {"<=>", 1 - 4 / std::sqrt(5.0 * 32.0)}};
    for (const auto& [name, distance] : expected) {
      bool found = false;
      for (const BuiltinOperator* op : builtin::operators_named(name)) {
        if (op->left != type) continue;
        found = true;
        Datum args[] = {io.in(type, "[1,2]"), io.in(type, "[4,-2]")};
        if (std::string_view(name) == "<#>" || std::string_view(name) == "<=>") {
          args[0] = io.in(type, "[1,2]");
          args[1] = io.in(type, "[-4,4]");
        }
        const bool nulls[] = {false, false};
        const Oid types[] = {type, type};
        std::shared_ptr<void> cache;
        FnCall call{args, nulls, 2, types, oid::kFloat8, 0, -1, &io.arena, &io.ctx, &cache};
        const ScalarFn fn = FunctionRegistry::instance().scalar(builtin::proc(op->proc)->source);
        ASSERT_NE(fn, nullptr) << name;
        EXPECT_NEAR(fn(call).as_double(), distance, 1e-6) << name;
      }
      EXPECT_TRUE(found) << name;
    }
  }
}

TEST(Vector, EveryBuiltinFunctionIsThere) {
  for (const BuiltinProc& p : builtin::procs()) {
    if (p.oid < 15000 || p.oid >= 15500 || p.kind != 'f' || p.name.ends_with("_accum") || p.name.ends_with("_combine") || p.name.ends_with("_avg")) continue;
    if (p.source.starts_with("stele_")) continue;  // registered by the layers above
    EXPECT_NE(FunctionRegistry::instance().scalar(p.source), nullptr) << p.source;
  }
}

TEST(Vector, KeysSortAsValuesDo) {
  Io io;
  const TypeOps& ops = type_ops(oid::kVector);
  std::string previous;
  const char* order[] = {"[-2,5]", "[-1]", "[0]", "[0,-1]", "[0,0]", "[0,1]", "[3]", "[3,-4]"};
  for (const char* text : order) {
    std::string key;
    ops.encode_key(io.in(oid::kVector, text), 0, key);
    EXPECT_LT(previous, key) << text;
    std::string_view in = key;
    ops.skip_key(in);
    EXPECT_TRUE(in.empty());
    previous = key;
  }
}

TEST(VectorKernels, AgreeWithPlainLoopsAtEveryLength) {
  uint32_t state = 3;
  auto unit = [&] { return static_cast<float>((state = state * 1664525u + 1013904223u) >> 8) / (1 << 24) - 0.5f; };
  for (size_t n = 0; n < 131; ++n) {
    std::vector<float> a(n), b(n);
    std::vector<int8_t> ca(n), cb(n);
    std::vector<uint16_t> ha(n), hb(n);
    double dot = 0, l2 = 0, l1 = 0, hdot = 0;
    int32_t idot = 0;
    for (size_t i = 0; i < n; ++i) {
      a[i] = unit();
      b[i] = unit();
      ca[i] = static_cast<int8_t>(std::lrint(unit() * 250));
      cb[i] = static_cast<int8_t>(std::lrint(unit() * 250));
      ha[i] = float_to_half(a[i]);
      hb[i] = float_to_half(b[i]);
      dot += double{a[i]} * b[i];
      l2 += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
      l1 += std::fabs(double{a[i]} - b[i]);
      hdot += double{half_to_float(ha[i])} * half_to_float(hb[i]);
      idot += int32_t{ca[i]} * cb[i];
    }
    EXPECT_NEAR(dot_f32(a.data(), b.data(), n), dot, 1e-4);
    EXPECT_NEAR(l2_squared_f32(a.data(), b.data(), n), l2, 1e-4);
    EXPECT_NEAR(l1_f32(a.data(), b.data(), n), l1, 1e-4);
    EXPECT_NEAR(dot_f16(ha.data(), hb.data(), n), hdot, 1e-3);
    EXPECT_EQ(dot_i8(ca.data(), cb.data(), n), idot);
  }
}

TEST(VectorKernels, HalfRoundTripsEveryPattern) {
  for (uint32_t h = 0; h < 65536; ++h) {
    const float f = half_to_float(static_cast<uint16_t>(h));
    if (std::isnan(f)) continue;
    EXPECT_EQ(float_to_half(f), h);
  }
}

}  // namespace
}  // namespace stele
