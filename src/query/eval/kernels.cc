// The hot functions as loops over columns, keyed by prosrc. Semantics, errors included, are those of
// the scalar functions of the same name.
#include "base/error.h"
#include "query/eval/eval.h"
#include "types/numeric.h"

namespace stele::query {

namespace {

[[noreturn]] void out_of_range(const char* what) { throw Error(ErrorCode::kNumericValueOutOfRange, std::string(what) + " out of range"); }
[[noreturn]] void division_by_zero() { throw Error(ErrorCode::kDivisionByZero, "division by zero"); }

template <typename Op>
void binary(const Vec& a, const Vec& b, Vec& out, Sel sel) {
  if (sel.idx == nullptr) {
    for (int i = 0; i < sel.n; ++i) {
      uint8_t null = a.nulls[i] | b.nulls[i];
      out.nulls[i] = null;
      if constexpr (Op::kTotal) out.values[i] = Op::apply(a.values[i], b.values[i]);
      else if (!null) out.values[i] = Op::apply(a.values[i], b.values[i]);
    }
    return;
  }
  for (int k = 0; k < sel.n; ++k) {
    int i = sel.idx[k];
    uint8_t null = a.nulls[i] | b.nulls[i];
    out.nulls[i] = null;
    if (!null) out.values[i] = Op::apply(a.values[i], b.values[i]);
  }
}
template <typename Op>
void unary(const Vec& a, Vec& out, Sel sel) {
  for (int k = 0; k < sel.n; ++k) {
    int i = sel[k];
    out.nulls[i] = a.nulls[i];
    if (!a.nulls[i]) out.values[i] = Op::apply(a.values[i]);
  }
}

template <typename T> T get(Datum d) { return static_cast<T>(d.as_int()); }
template <> double get<double>(Datum d) { return d.as_double(); }
template <> float get<float>(Datum d) { return d.as_float(); }

// NaN equals NaN and is above everything, as in PostgreSQL.
template <typename T> bool less(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a)) return false;
    return std::isnan(b) || a < b;
  }
  return a < b;
}
template <typename T> bool same(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a == b || (std::isnan(a) && std::isnan(b));
  return a == b;
}
template <typename A, typename B> using Wide = std::conditional_t<std::is_same_v<A, double> || std::is_same_v<B, double>, double, std::conditional_t<std::is_same_v<A, float>, float, int64_t>>;

template <typename A, typename B> struct Eq { static constexpr bool kTotal = true; static Datum apply(Datum a, Datum b) { using T = Wide<A, B>; return Datum::from_bool(same<T>(get<A>(a), get<B>(b))); } };
template <typename A, typename B> struct Ne { static constexpr bool kTotal = true; static Datum apply(Datum a, Datum b) { using T = Wide<A, B>; return Datum::from_bool(!same<T>(get<A>(a), get<B>(b))); } };
template <typename A, typename B> struct Lt { static constexpr bool kTotal = true; static Datum apply(Datum a, Datum b) { using T = Wide<A, B>; return Datum::from_bool(less<T>(get<A>(a), get<B>(b))); } };
template <typename A, typename B> struct Le { static constexpr bool kTotal = true; static Datum apply(Datum a, Datum b) { using T = Wide<A, B>; return Datum::from_bool(!less<T>(get<B>(b), get<A>(a))); } };
template <typename A, typename B> struct Gt { static constexpr bool kTotal = true; static Datum apply(Datum a, Datum b) { using T = Wide<A, B>; return Datum::from_bool(less<T>(get<B>(b), get<A>(a))); } };
template <typename A, typename B> struct Ge { static constexpr bool kTotal = true; static Datum apply(Datum a, Datum b) { using T = Wide<A, B>; return Datum::from_bool(!less<T>(get<A>(a), get<B>(b))); } };

template <typename R> constexpr const char* type_name() {
  if constexpr (sizeof(R) == 2) return "smallint";
  else if constexpr (sizeof(R) == 4) return "integer";
  else return "bigint";
}
enum class Arith { kAdd, kSub, kMul, kDiv, kMod };
template <typename R, Arith kOp> struct IntOp {
  static constexpr bool kTotal = false;
  static Datum apply(Datum x, Datum y) {
    int64_t a = x.as_int(), b = y.as_int();
    R r = 0;
    bool bad = false;
    if constexpr (kOp == Arith::kAdd) bad = __builtin_add_overflow(a, b, &r);
    if constexpr (kOp == Arith::kSub) bad = __builtin_sub_overflow(a, b, &r);
    if constexpr (kOp == Arith::kMul) bad = __builtin_mul_overflow(a, b, &r);
    if constexpr (kOp == Arith::kDiv) {
      if (b == 0) division_by_zero();
      if (b == -1) bad = __builtin_sub_overflow(int64_t{0}, a, &r);
      else r = static_cast<R>(a / b);
    }
    if constexpr (kOp == Arith::kMod) {
      if (b == 0) division_by_zero();
      r = b == -1 ? 0 : static_cast<R>(a % b);
    }
    if (bad) out_of_range(type_name<R>());
    return Datum::from_int(r);
  }
};
template <typename A, typename B, typename R, Arith kOp> struct FloatOp {
  static constexpr bool kTotal = false;
  static Datum apply(Datum x, Datum y) {
    R a = static_cast<R>(get<A>(x)), b = static_cast<R>(get<B>(y)), r = 0;
    if constexpr (kOp == Arith::kAdd) r = a + b;
    if constexpr (kOp == Arith::kSub) r = a - b;
    if constexpr (kOp == Arith::kMul) r = a * b;
    if constexpr (kOp == Arith::kDiv) {
      if (b == 0 && !std::isnan(a)) division_by_zero();
      r = a / b;
    }
    if (std::isinf(r) && !std::isinf(a) && !std::isinf(b)) throw Error(ErrorCode::kNumericValueOutOfRange, "value out of range: overflow");
    if constexpr (kOp == Arith::kMul) {
      if (r == 0 && a != 0 && b != 0) throw Error(ErrorCode::kNumericValueOutOfRange, "value out of range: underflow");
    }
    if constexpr (kOp == Arith::kDiv) {
      if (r == 0 && a != 0 && !std::isinf(b)) throw Error(ErrorCode::kNumericValueOutOfRange, "value out of range: underflow");
    }
    if constexpr (std::is_same_v<R, double>) return Datum::from_double(r);
    else return Datum::from_float(r);
  }
};

struct TextEq { static constexpr bool kTotal = false; static Datum apply(Datum a, Datum b) { return Datum::from_bool(a.as_view() == b.as_view()); } };
struct TextNe { static constexpr bool kTotal = false; static Datum apply(Datum a, Datum b) { return Datum::from_bool(a.as_view() != b.as_view()); } };

// char(n): trailing blanks do not count.
std::string_view trimmed(Datum d) {
  std::string_view v = d.as_view();
  while (!v.empty() && v.back() == ' ') v.remove_suffix(1);
  return v;
}
struct BpcharEq { static constexpr bool kTotal = false; static Datum apply(Datum a, Datum b) { return Datum::from_bool(trimmed(a) == trimmed(b)); } };
struct BpcharNe { static constexpr bool kTotal = false; static Datum apply(Datum a, Datum b) { return Datum::from_bool(trimmed(a) != trimmed(b)); } };

// numeric: nearly always small mantissas, often of one scale.
inline int compare_numeric(Datum a, Datum b) {
  const NumericHead &x = numeric_head(a), &y = numeric_head(b);
  if (x.form == NumericForm::kSmall && y.form == NumericForm::kSmall) {
    if (x.scale == y.scale) {
      int64_t u = numeric_small(a), v = numeric_small(b);
      return u < v ? -1 : u > v;
    }
    constexpr int kDigits = 9;
    static constexpr int64_t kPowers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};
    int d = static_cast<int>(x.scale) - static_cast<int>(y.scale);
    if (d >= -kDigits && d <= kDigits) {
      Int128 u = numeric_small(a), v = numeric_small(b);
      if (d > 0) v *= kPowers[d];
      else u *= kPowers[-d];
      return u < v ? -1 : u > v;
    }
  }
  return numeric_compare(a, b);
}
struct NumEq { static constexpr bool kTotal = false; static Datum apply(Datum a, Datum b) { return Datum::from_bool(compare_numeric(a, b) == 0); } };
struct NumNe { static constexpr bool kTotal = false; static Datum apply(Datum a, Datum b) { return Datum::from_bool(compare_numeric(a, b) != 0); } };
struct NumLt { static constexpr bool kTotal = false; static Datum apply(Datum a, Datum b) { return Datum::from_bool(compare_numeric(a, b) < 0); } };
struct NumLe { static constexpr bool kTotal = false; static Datum apply(Datum a, Datum b) { return Datum::from_bool(compare_numeric(a, b) <= 0); } };
struct NumGt { static constexpr bool kTotal = false; static Datum apply(Datum a, Datum b) { return Datum::from_bool(compare_numeric(a, b) > 0); } };
struct NumGe { static constexpr bool kTotal = false; static Datum apply(Datum a, Datum b) { return Datum::from_bool(compare_numeric(a, b) >= 0); } };

template <Arith kOp> struct NumOp {
  static Datum apply(Datum a, Datum b, Arena& arena) {
    const NumericHead &x = numeric_head(a), &y = numeric_head(b);
    if (x.form == NumericForm::kSmall && y.form == NumericForm::kSmall) {
      int64_t r;
      if constexpr (kOp == Arith::kMul) {
        if (x.scale + y.scale < 100 && !__builtin_mul_overflow(numeric_small(a), numeric_small(b), &r)) return make_numeric(r, x.scale + y.scale, arena);
      } else if (x.scale == y.scale) {
        bool bad = kOp == Arith::kAdd ? __builtin_add_overflow(numeric_small(a), numeric_small(b), &r) : __builtin_sub_overflow(numeric_small(a), numeric_small(b), &r);
        if (!bad) return make_numeric(r, x.scale, arena);
      }
    }
    if constexpr (kOp == Arith::kAdd) return numeric_add(a, b, arena);
    else if constexpr (kOp == Arith::kSub) return numeric_sub(a, b, arena);
    else return numeric_mul(a, b, arena);
  }
};
template <typename Op>
void binary_arena(const Vec& a, const Vec& b, Vec& out, Sel sel, Arena& arena) {
  for (int k = 0; k < sel.n; ++k) {
    int i = sel[k];
    uint8_t null = a.nulls[i] | b.nulls[i];
    out.nulls[i] = null;
    if (!null) out.values[i] = Op::apply(a.values[i], b.values[i], arena);
  }
}

struct BoolNot { static Datum apply(Datum a) { return Datum::from_bool(!a.as_bool()); } };
template <typename From, typename To> struct IntCast {
  static Datum apply(Datum a) {
    int64_t v = a.as_int();
    if (v < std::numeric_limits<To>::min() || v > std::numeric_limits<To>::max()) out_of_range(type_name<To>());
    return Datum::from_int(v);
  }
};
struct IntToDouble { static Datum apply(Datum a) { return Datum::from_double(static_cast<double>(a.as_int())); } };
struct FloatToDouble { static Datum apply(Datum a) { return Datum::from_double(a.as_float()); } };

struct Tables {
  std::unordered_map<std::string_view, BinaryKernel> two;
  std::unordered_map<std::string_view, UnaryKernel> one;

  template <typename A, typename B> void comparisons(std::array<std::string_view, 6> names) {
    two[names[0]] = binary<Eq<A, B>>; two[names[1]] = binary<Ne<A, B>>; two[names[2]] = binary<Lt<A, B>>;
    two[names[3]] = binary<Le<A, B>>; two[names[4]] = binary<Gt<A, B>>; two[names[5]] = binary<Ge<A, B>>;
  }
  template <typename R> void arithmetic(std::array<std::string_view, 4> names) {
    two[names[0]] = binary<IntOp<R, Arith::kAdd>>; two[names[1]] = binary<IntOp<R, Arith::kSub>>;
    two[names[2]] = binary<IntOp<R, Arith::kMul>>; two[names[3]] = binary<IntOp<R, Arith::kDiv>>;
  }
  template <typename A, typename B, typename R> void floats(std::array<std::string_view, 4> names) {
    two[names[0]] = binary<FloatOp<A, B, R, Arith::kAdd>>; two[names[1]] = binary<FloatOp<A, B, R, Arith::kSub>>;
    two[names[2]] = binary<FloatOp<A, B, R, Arith::kMul>>; two[names[3]] = binary<FloatOp<A, B, R, Arith::kDiv>>;
  }
  Tables() {
    comparisons<int64_t, int64_t>({"int4eq", "int4ne", "int4lt", "int4le", "int4gt", "int4ge"});
    comparisons<int64_t, int64_t>({"int8eq", "int8ne", "int8lt", "int8le", "int8gt", "int8ge"});
    comparisons<int64_t, int64_t>({"int2eq", "int2ne", "int2lt", "int2le", "int2gt", "int2ge"});
    comparisons<int64_t, int64_t>({"int24eq", "int24ne", "int24lt", "int24le", "int24gt", "int24ge"});
    comparisons<int64_t, int64_t>({"int42eq", "int42ne", "int42lt", "int42le", "int42gt", "int42ge"});
    comparisons<int64_t, int64_t>({"int28eq", "int28ne", "int28lt", "int28le", "int28gt", "int28ge"});
    comparisons<int64_t, int64_t>({"int82eq", "int82ne", "int82lt", "int82le", "int82gt", "int82ge"});
    comparisons<int64_t, int64_t>({"int48eq", "int48ne", "int48lt", "int48le", "int48gt", "int48ge"});
    comparisons<int64_t, int64_t>({"int84eq", "int84ne", "int84lt", "int84le", "int84gt", "int84ge"});
    comparisons<int64_t, int64_t>({"date_eq", "date_ne", "date_lt", "date_le", "date_gt", "date_ge"});
    comparisons<int64_t, int64_t>({"timestamp_eq", "timestamp_ne", "timestamp_lt", "timestamp_le", "timestamp_gt", "timestamp_ge"});
    comparisons<int64_t, int64_t>({"time_eq", "time_ne", "time_lt", "time_le", "time_gt", "time_ge"});
    comparisons<uint32_t, uint32_t>({"oideq", "oidne", "oidlt", "oidle", "oidgt", "oidge"});
    comparisons<int64_t, int64_t>({"booleq", "boolne", "boollt", "boolle", "boolgt", "boolge"});
    comparisons<double, double>({"float8eq", "float8ne", "float8lt", "float8le", "float8gt", "float8ge"});
    comparisons<float, float>({"float4eq", "float4ne", "float4lt", "float4le", "float4gt", "float4ge"});
    comparisons<float, double>({"float48eq", "float48ne", "float48lt", "float48le", "float48gt", "float48ge"});
    comparisons<double, float>({"float84eq", "float84ne", "float84lt", "float84le", "float84gt", "float84ge"});
    arithmetic<int32_t>({"int4pl", "int4mi", "int4mul", "int4div"});
    arithmetic<int64_t>({"int8pl", "int8mi", "int8mul", "int8div"});
    arithmetic<int16_t>({"int2pl", "int2mi", "int2mul", "int2div"});
    arithmetic<int32_t>({"int24pl", "int24mi", "int24mul", "int24div"});
    arithmetic<int32_t>({"int42pl", "int42mi", "int42mul", "int42div"});
    arithmetic<int64_t>({"int48pl", "int48mi", "int48mul", "int48div"});
    arithmetic<int64_t>({"int84pl", "int84mi", "int84mul", "int84div"});
    arithmetic<int64_t>({"int28pl", "int28mi", "int28mul", "int28div"});
    arithmetic<int64_t>({"int82pl", "int82mi", "int82mul", "int82div"});
    two["int4mod"] = binary<IntOp<int32_t, Arith::kMod>>;
    two["int8mod"] = binary<IntOp<int64_t, Arith::kMod>>;
    two["int2mod"] = binary<IntOp<int16_t, Arith::kMod>>;
    floats<double, double, double>({"float8pl", "float8mi", "float8mul", "float8div"});
    floats<float, float, float>({"float4pl", "float4mi", "float4mul", "float4div"});
    floats<float, double, double>({"float48pl", "float48mi", "float48mul", "float48div"});
    floats<double, float, double>({"float84pl", "float84mi", "float84mul", "float84div"});
    two["numeric_eq"] = binary<NumEq>; two["numeric_ne"] = binary<NumNe>; two["numeric_lt"] = binary<NumLt>;
    two["numeric_le"] = binary<NumLe>; two["numeric_gt"] = binary<NumGt>; two["numeric_ge"] = binary<NumGe>;
    two["bpchareq"] = binary<BpcharEq>; two["bpcharne"] = binary<BpcharNe>;
    one["int48"] = unary<IntCast<int32_t, int64_t>>;
    one["int28"] = unary<IntCast<int16_t, int64_t>>;
    one["i2toi4"] = unary<IntCast<int16_t, int32_t>>;
    one["i4toi2"] = unary<IntCast<int32_t, int16_t>>;
    one["int84"] = unary<IntCast<int64_t, int32_t>>;
    one["int82"] = unary<IntCast<int64_t, int16_t>>;
    one["i8tod"] = unary<IntToDouble>;
    one["i4tod"] = unary<IntToDouble>;
    one["i2tod"] = unary<IntToDouble>;
    one["ftod"] = unary<FloatToDouble>;
    one["boolnot"] = unary<BoolNot>;
  }
};
const Tables& tables() {
  static const Tables* t = new Tables;
  return *t;
}
}  // namespace

UnaryKernel find_unary_kernel(std::string_view prosrc) {
  auto it = tables().one.find(prosrc);
  return it == tables().one.end() ? nullptr : it->second;
}
ArenaKernel find_arena_kernel(std::string_view prosrc) {
  if (prosrc == "numeric_add") return binary_arena<NumOp<Arith::kAdd>>;
  if (prosrc == "numeric_sub") return binary_arena<NumOp<Arith::kSub>>;
  if (prosrc == "numeric_mul") return binary_arena<NumOp<Arith::kMul>>;
  return nullptr;
}
BinaryKernel find_binary_kernel(std::string_view prosrc) {
  // Deterministic collations compare equal only when bytes do.
  if (prosrc == "texteq") return binary<TextEq>;
  if (prosrc == "textne") return binary<TextNe>;
  auto it = tables().two.find(prosrc);
  return it == tables().two.end() ? nullptr : it->second;
}

}  // namespace stele::query
