#include "types/vector.h"

#include "base/codec.h"
#include "base/error.h"
#include "types/array.h"
#include "types/function.h"
#include "types/oids.h"
#include "types/type_io.h"
#include "types/type_ops.h"
#include "types/type_registry.h"
#include "types/vector_kernels.h"

#include <charconv>

namespace stele {

SparseView sparse_view(const Varlena* v) {
  const auto* words = reinterpret_cast<const uint32_t*>(v->data);
  const uint32_t n = words[1];
  return {words[0], {words + 2, n}, {reinterpret_cast<const float*>(words + 2 + n), n}};
}

Datum make_vector(Arena& arena, std::span<const float> values) {
  return make_bytes(arena, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

void check_vector_element(float v, std::string_view type_name) {
  if (std::isnan(v)) throw Error(ErrorCode::kDataException, fmt::format("NaN not allowed in {}", type_name));
  if (std::isinf(v)) throw Error(ErrorCode::kDataException, fmt::format("infinite value not allowed in {}", type_name));
}

namespace {

enum class Form : uint8_t { kVector, kHalf, kSparse };
constexpr const char* kNames[] = {"vector", "halfvec", "sparsevec"};
constexpr const char* name_of(Form f) { return kNames[static_cast<int>(f)]; }

Datum make_half(Arena& arena, std::span<const float> values) {
  Varlena* v = make_varlena(arena, values.size() * sizeof(uint16_t));
  auto* out = reinterpret_cast<uint16_t*>(v->data);
  for (size_t i = 0; i < values.size(); ++i) {
    out[i] = float_to_half(values[i]);
    if ((out[i] & 0x7c00u) == 0x7c00u && std::isfinite(values[i])) {
      throw Error(ErrorCode::kNumericValueOutOfRange, fmt::format("\"{}\" is out of range for type halfvec", values[i]));
    }
  }
  return Datum::from_varlena(v);
}
Datum make_sparse(Arena& arena, uint32_t dimensions, std::span<const std::pair<uint32_t, float>> entries) {
  Varlena* v = make_varlena(arena, 8 + entries.size() * 8);
  auto* words = reinterpret_cast<uint32_t*>(v->data);
  words[0] = dimensions;
  words[1] = static_cast<uint32_t>(entries.size());
  auto* values = reinterpret_cast<float*>(words + 2 + entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    words[2 + i] = entries[i].first;
    values[i] = entries[i].second;
  }
  return Datum::from_varlena(v);
}

// Any form as floats (sparse ones are spread out).
std::vector<float> floats(Form form, Datum d) {
  const Varlena* v = d.as_varlena();
  if (form == Form::kVector) {
    auto s = vector_values(v);
    return {s.begin(), s.end()};
  }
  if (form == Form::kHalf) {
    std::vector<float> out;
    for (uint16_t h : halfvec_values(v)) out.push_back(half_to_float(h));
    return out;
  }
  const SparseView s = sparse_view(v);
  if (s.dimensions > kMaxVectorDimensions) {
    throw Error(ErrorCode::kProgramLimitExceeded, fmt::format("vector cannot have more than {} dimensions", kMaxVectorDimensions));
  }
  std::vector<float> out(s.dimensions, 0.0f);
  for (size_t i = 0; i < s.indexes.size(); ++i) out[s.indexes[i]] = s.values[i];
  return out;
}
std::vector<std::pair<uint32_t, float>> sparse_entries(std::span<const float> values) {
  std::vector<std::pair<uint32_t, float>> out;
  for (uint32_t i = 0; i < values.size(); ++i) {
    if (values[i] != 0) out.emplace_back(i, values[i]);
  }
  return out;
}
Datum make(Form form, Arena& arena, std::span<const float> values) {
  for (float v : values) check_vector_element(v, name_of(form));
  switch (form) {
    case Form::kVector: return make_vector(arena, values);
    case Form::kHalf: return make_half(arena, values);
    case Form::kSparse: break;
  }
  return make_sparse(arena, static_cast<uint32_t>(values.size()), sparse_entries(values));
}

uint32_t dimensions(Form form, Datum d) {
  const Varlena* v = d.as_varlena();
  if (form == Form::kVector) return v->size / sizeof(float);
  if (form == Form::kHalf) return v->size / sizeof(uint16_t);
  return sparse_view(v).dimensions;
}

void check_typmod(uint32_t got, int32_t typmod) {
  if (typmod != -1 && static_cast<uint32_t>(typmod) != got) {
    throw Error(ErrorCode::kDataException, fmt::format("expected {} dimensions, not {}", typmod, got));
  }
}
void check_count(Form form, size_t n) {
  if (n < 1) throw Error(ErrorCode::kDataException, fmt::format("{} must have at least 1 dimension", name_of(form)));
  if (n > kMaxVectorDimensions) {
    throw Error(ErrorCode::kProgramLimitExceeded,
                fmt::format("{} cannot have more than {} dimensions", name_of(form), kMaxVectorDimensions));
  }
}

// ---- text and binary forms ----

[[noreturn]] void bad_syntax(Form form, std::string_view text, std::string detail = {}) {
  throw Error(ErrorCode::kInvalidTextRepresentation, fmt::format("invalid input syntax for type {}: \"{}\"", name_of(form), text))
      .detail(std::move(detail));
}
void skip_space(std::string_view& s) {
  while (!s.empty() && (s[0] == ' ' || (s[0] >= '\t' && s[0] <= '\r'))) s.remove_prefix(1);
}
float parse_float(Form form, std::string_view& s, std::string_view whole) {
  std::string_view in = s;
  if (!in.empty() && in[0] == '+') in.remove_prefix(1);
  double value = 0;
  auto [end, ec] = std::from_chars(in.data(), in.data() + in.size(), value);
  if (ec == std::errc::invalid_argument) bad_syntax(form, whole);
  const std::string_view digits(s.data(), static_cast<size_t>(end - s.data()));
  const auto f = static_cast<float>(value);
  const bool named = digits.find_first_of("nN") != std::string_view::npos;  // NaN, inf
  if (ec == std::errc::result_out_of_range || (std::isinf(f) && !named)) {
    throw Error(ErrorCode::kNumericValueOutOfRange, fmt::format("\"{}\" is out of range for type {}", digits, name_of(form)));
  }
  check_vector_element(f, name_of(form));
  s.remove_prefix(digits.size());
  return f;
}

template <Form form>
Datum dense_in(FnCall& c) {
  const std::string_view whole = c.text_arg(0);
  std::string_view s = whole;
  skip_space(s);
  if (s.empty() || s[0] != '[') bad_syntax(form, whole, "Vector contents must start with \"[\".");
  s.remove_prefix(1);
  skip_space(s);
  if (!s.empty() && s[0] == ']') check_count(form, 0);
  std::vector<float> values;
  for (;;) {
    skip_space(s);
    if (values.size() == kMaxVectorDimensions) check_count(form, values.size() + 1);
    values.push_back(parse_float(form, s, whole));
    skip_space(s);
    if (s.empty() || (s[0] != ',' && s[0] != ']')) bad_syntax(form, whole);
    const char delimiter = s[0];
    s.remove_prefix(1);
    if (delimiter == ']') break;
  }
  skip_space(s);
  if (!s.empty()) bad_syntax(form, whole, "Junk after closing right brace.");
  check_typmod(static_cast<uint32_t>(values.size()), static_cast<int32_t>(c.int_arg(2)));
  return make(form, *c.arena, values);
}

std::string float_text(float f) {
  EvalContext ctx;
  std::string out;
  type_output(oid::kFloat4, Datum::from_float(f), out, ctx);
  return out;
}

template <Form form>
Datum dense_out(FnCall& c) {
  std::string out = "[";
  for (float f : floats(form, c.arg(0))) {
    if (out.size() > 1) out.push_back(',');
    out += float_text(f);
  }
  out.push_back(']');
  return c.text(out);
}

Datum sparsevec_in(FnCall& c) {
  const std::string_view whole = c.text_arg(0);
  std::string_view s = whole;
  const Form form = Form::kSparse;
  std::vector<std::pair<uint32_t, float>> entries;
  skip_space(s);
  if (s.empty() || s[0] != '{') bad_syntax(form, whole, "Vector contents must start with \"{\".");
  s.remove_prefix(1);
  skip_space(s);
  auto integer = [&]() -> int64_t {
    int64_t v = 0;
    skip_space(s);
    auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), v);
    if (ec != std::errc()) bad_syntax(form, whole);
    s.remove_prefix(static_cast<size_t>(end - s.data()));
    skip_space(s);
    return v;
  };
  if (!s.empty() && s[0] == '}') {
    s.remove_prefix(1);
  } else {
    for (;;) {
      const int64_t index = integer();
      if (index < 1 || index > UINT32_MAX) throw Error(ErrorCode::kDataException, "sparsevec indices must be between 1 and 2147483647");
      if (s.empty() || s[0] != ':') bad_syntax(form, whole);
      s.remove_prefix(1);
      skip_space(s);
      const float value = parse_float(form, s, whole);
      if (value != 0) entries.emplace_back(static_cast<uint32_t>(index - 1), value);
      if (entries.size() > kMaxSparseElements) {
        throw Error(ErrorCode::kProgramLimitExceeded, fmt::format("sparsevec cannot have more than {} non-zero elements", kMaxSparseElements));
      }
      skip_space(s);
      if (s.empty() || (s[0] != ',' && s[0] != '}')) bad_syntax(form, whole);
      const char delimiter = s[0];
      s.remove_prefix(1);
      if (delimiter == '}') break;
    }
  }
  skip_space(s);
  if (s.empty() || s[0] != '/') bad_syntax(form, whole, "Unexpected end of input.");
  s.remove_prefix(1);
  const int64_t n = integer();
  if (!s.empty()) bad_syntax(form, whole, "Junk after closing.");
  if (n < 1) throw Error(ErrorCode::kDataException, "sparsevec must have at least 1 dimension");
  if (n > kMaxSparseDimensions && n != kAllSparseDimensions) {
    throw Error(ErrorCode::kProgramLimitExceeded, fmt::format("sparsevec cannot have more than {} dimensions", kMaxSparseDimensions));
  }
  std::sort(entries.begin(), entries.end());
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].first >= n) throw Error(ErrorCode::kDataException, "sparsevec indices must be less than or equal to dimensions");
    if (i > 0 && entries[i].first == entries[i - 1].first) throw Error(ErrorCode::kDataException, "sparsevec indices must not contain duplicates");
  }
  check_typmod(static_cast<uint32_t>(n), static_cast<int32_t>(c.int_arg(2)));
  return make_sparse(*c.arena, static_cast<uint32_t>(n), entries);
}
Datum sparsevec_out(FnCall& c) {
  const SparseView v = sparse_view(c.arg(0).as_varlena());
  std::string out = "{";
  for (size_t i = 0; i < v.indexes.size(); ++i) {
    if (i > 0) out.push_back(',');
    out += std::to_string(v.indexes[i] + 1) + ":" + float_text(v.values[i]);
  }
  return c.text(out + "}/" + std::to_string(v.dimensions));
}

template <Form form>
Datum typmod_in(FnCall& c) {
  const ArrayView array(c.arg(0));
  if (array.count() != 1) throw Error(ErrorCode::kInvalidParameterValue, "invalid type modifier");
  int64_t n = 0;
  const std::string_view text = array.get(0).as_view();
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec != std::errc() || end != text.data() + text.size()) throw Error(ErrorCode::kInvalidParameterValue, "invalid type modifier");
  if (n < 1) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("dimensions for type {} must be at least 1", name_of(form)));
  const int64_t limit = form == Form::kSparse ? int64_t{kMaxSparseDimensions} : int64_t{kMaxVectorDimensions};
  if (n > limit) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("dimensions for type {} cannot exceed {}", name_of(form), limit));
  return Datum::from_int(n);
}

// int16 dimensions, int16 unused, then the elements, big-endian.
template <Form form>
Datum dense_send(FnCall& c) {
  std::string out;
  put_be16(out, static_cast<uint16_t>(dimensions(form, c.arg(0))));
  put_be16(out, 0);
  if (form == Form::kHalf) {
    for (uint16_t h : halfvec_values(c.arg(0).as_varlena())) put_be16(out, h);
  } else {
    for (float f : vector_values(c.arg(0).as_varlena())) put_be32(out, std::bit_cast<uint32_t>(f));
  }
  return c.text(out);
}
template <Form form>
Datum dense_recv(FnCall& c) {
  Reader in(c.text_arg(0));
  const uint16_t n = __builtin_bswap16(in.le<uint16_t>());
  const uint16_t unused = __builtin_bswap16(in.le<uint16_t>());
  check_count(form, n);
  if (unused != 0) throw Error(ErrorCode::kInvalidBinaryRepresentation, fmt::format("expected unused to be 0, not {}", unused));
  std::vector<float> values(n);
  for (float& f : values) {
    f = form == Form::kHalf ? half_to_float(__builtin_bswap16(in.le<uint16_t>())) : std::bit_cast<float>(in.be32());
  }
  if (!in.ok() || !in.empty()) throw Error(ErrorCode::kInvalidBinaryRepresentation, "insufficient data left in message");
  check_typmod(n, static_cast<int32_t>(c.int_arg(2)));
  return make(form, *c.arena, values);
}
Datum sparsevec_send(FnCall& c) {
  const SparseView v = sparse_view(c.arg(0).as_varlena());
  std::string out;
  put_be32(out, v.dimensions);
  put_be32(out, static_cast<uint32_t>(v.indexes.size()));
  put_be32(out, 0);
  for (uint32_t i : v.indexes) put_be32(out, i);
  for (float f : v.values) put_be32(out, std::bit_cast<uint32_t>(f));
  return c.text(out);
}
Datum sparsevec_recv(FnCall& c) {
  Reader in(c.text_arg(0));
  const uint32_t n = in.be32(), count = in.be32(), unused = in.be32();
  if (n < 1 || (n > kMaxSparseDimensions && n != kAllSparseDimensions) || count > kMaxSparseElements || count > n || unused != 0) {
    throw Error(ErrorCode::kInvalidBinaryRepresentation, "invalid binary form of sparsevec");
  }
  std::vector<std::pair<uint32_t, float>> entries(count);
  for (auto& e : entries) e.first = in.be32();
  for (auto& e : entries) e.second = std::bit_cast<float>(in.be32());
  if (!in.ok() || !in.empty()) throw Error(ErrorCode::kInvalidBinaryRepresentation, "insufficient data left in message");
  for (size_t i = 0; i < entries.size(); ++i) {
    check_vector_element(entries[i].second, "sparsevec");
    if (entries[i].first >= n) throw Error(ErrorCode::kDataException, "sparsevec indices must be less than or equal to dimensions");
    if (i > 0 && entries[i].first <= entries[i - 1].first) throw Error(ErrorCode::kDataException, "sparsevec indices must be in ascending order");
  }
  check_typmod(n, static_cast<int32_t>(c.int_arg(2)));
  return make_sparse(*c.arena, n, entries);
}

template <Form form>
Datum coerce(FnCall& c) {
  check_typmod(dimensions(form, c.arg(0)), static_cast<int32_t>(c.int_arg(1)));
  return c.arg(0);
}

// ---- distances ----

void check_same(Form form, Datum a, Datum b) {
  const uint32_t x = dimensions(form, a), y = dimensions(form, b);
  if (x != y) throw Error(ErrorCode::kDataException, fmt::format("different {} dimensions {} and {}", name_of(form), x, y));
}

// Calls f(a, b) for every index where either is non-zero.
template <typename F>
void join(const SparseView& a, const SparseView& b, F f) {
  size_t i = 0, j = 0;
  while (i < a.indexes.size() || j < b.indexes.size()) {
    if (j == b.indexes.size() || (i < a.indexes.size() && a.indexes[i] < b.indexes[j])) {
      f(a.values[i++], 0.0f);
    } else if (i == a.indexes.size() || b.indexes[j] < a.indexes[i]) {
      f(0.0f, b.values[j++]);
    } else {
      f(a.values[i++], b.values[j++]);
    }
  }
}

enum class Measure : uint8_t { kDot, kL2, kL1 };
template <Form form, Measure measure>
double measured(Datum da, Datum db) {
  if constexpr (form == Form::kVector) {
    const auto a = vector_values(da.as_varlena()), b = vector_values(db.as_varlena());
    if (measure == Measure::kDot) return dot_f32(a.data(), b.data(), a.size());
    if (measure == Measure::kL2) return l2_squared_f32(a.data(), b.data(), a.size());
    return l1_f32(a.data(), b.data(), a.size());
  } else if constexpr (form == Form::kHalf) {
    const auto a = halfvec_values(da.as_varlena()), b = halfvec_values(db.as_varlena());
    if (measure == Measure::kDot) return dot_f16(a.data(), b.data(), a.size());
    if (measure == Measure::kL2) return l2_squared_f16(a.data(), b.data(), a.size());
    return l1_f16(a.data(), b.data(), a.size());
  } else {
    float sum = 0;
    join(sparse_view(da.as_varlena()), sparse_view(db.as_varlena()), [&](float x, float y) {
      sum += measure == Measure::kDot ? x * y : measure == Measure::kL2 ? (x - y) * (x - y) : std::fabs(x - y);
    });
    return sum;
  }
}

template <Form form> Datum l2_distance(FnCall& c) {
  check_same(form, c.arg(0), c.arg(1));
  return Datum::from_double(std::sqrt(measured<form, Measure::kL2>(c.arg(0), c.arg(1))));
}
template <Form form> Datum l2_squared(FnCall& c) {
  check_same(form, c.arg(0), c.arg(1));
  return Datum::from_double(measured<form, Measure::kL2>(c.arg(0), c.arg(1)));
}
template <Form form> Datum inner_product(FnCall& c) {
  check_same(form, c.arg(0), c.arg(1));
  return Datum::from_double(measured<form, Measure::kDot>(c.arg(0), c.arg(1)));
}
template <Form form> Datum negative_inner_product(FnCall& c) {
  check_same(form, c.arg(0), c.arg(1));
  return Datum::from_double(-measured<form, Measure::kDot>(c.arg(0), c.arg(1)));
}
template <Form form> Datum l1_distance(FnCall& c) {
  check_same(form, c.arg(0), c.arg(1));
  return Datum::from_double(measured<form, Measure::kL1>(c.arg(0), c.arg(1)));
}
template <Form form> Datum cosine_distance(FnCall& c) {
  check_same(form, c.arg(0), c.arg(1));
  const double a = measured<form, Measure::kDot>(c.arg(0), c.arg(0)), b = measured<form, Measure::kDot>(c.arg(1), c.arg(1));
  const double similarity = measured<form, Measure::kDot>(c.arg(0), c.arg(1)) / std::sqrt(a * b);
  return Datum::from_double(1.0 - (std::isnan(similarity) ? similarity : std::clamp(similarity, -1.0, 1.0)));
}
template <Form form> Datum spherical_distance(FnCall& c) {
  check_same(form, c.arg(0), c.arg(1));
  return Datum::from_double(std::acos(std::clamp(measured<form, Measure::kDot>(c.arg(0), c.arg(1)), -1.0, 1.0)) / M_PI);
}
template <Form form> Datum dims(FnCall& c) { return Datum::from_int(dimensions(form, c.arg(0))); }
template <Form form> Datum norm(FnCall& c) {
  return Datum::from_double(std::sqrt(measured<form, Measure::kDot>(c.arg(0), c.arg(0))));
}
template <Form form> Datum l2_normalize(FnCall& c) {
  const double length = std::sqrt(measured<form, Measure::kDot>(c.arg(0), c.arg(0)));
  if (form == Form::kSparse) {
    const SparseView v = sparse_view(c.arg(0).as_varlena());
    std::vector<std::pair<uint32_t, float>> entries;
    for (size_t i = 0; i < v.indexes.size(); ++i) {
      if (length > 0) entries.emplace_back(v.indexes[i], static_cast<float>(v.values[i] / length));
    }
    return make_sparse(*c.arena, v.dimensions, entries);
  }
  std::vector<float> values = floats(form, c.arg(0));
  for (float& x : values) x = length > 0 ? static_cast<float>(x / length) : 0.0f;
  return make(form, *c.arena, values);
}

// ---- arithmetic ----

template <Form form, char op>
Datum arithmetic(FnCall& c) {
  check_same(form, c.arg(0), c.arg(1));
  std::vector<float> a = floats(form, c.arg(0));
  const std::vector<float> b = floats(form, c.arg(1));
  for (size_t i = 0; i < a.size(); ++i) {
    const float before = a[i];
    a[i] = op == '+' ? a[i] + b[i] : op == '-' ? a[i] - b[i] : a[i] * b[i];
    if (form == Form::kHalf) a[i] = half_to_float(float_to_half(a[i]));
    if (std::isinf(a[i])) throw Error(ErrorCode::kNumericValueOutOfRange, "value out of range: overflow");
    if (op == '*' && a[i] == 0 && before != 0 && b[i] != 0) throw Error(ErrorCode::kNumericValueOutOfRange, "value out of range: underflow");
  }
  return make(form, *c.arena, a);
}
template <Form form> Datum concat(FnCall& c) {
  std::vector<float> a = floats(form, c.arg(0));
  const std::vector<float> b = floats(form, c.arg(1));
  a.insert(a.end(), b.begin(), b.end());
  check_count(form, a.size());
  return make(form, *c.arena, a);
}
template <Form form> Datum subvector(FnCall& c) {
  const std::vector<float> a = floats(form, c.arg(0));
  int64_t start = c.int_arg(1);
  const int64_t count = c.int_arg(2);
  if (count < 1) check_count(form, 0);
  const int64_t end = std::min<int64_t>(start + count, static_cast<int64_t>(a.size()) + 1);
  start = std::max<int64_t>(start, 1);
  if (end <= start) check_count(form, 0);
  return make(form, *c.arena, std::span(a).subspan(static_cast<size_t>(start - 1), static_cast<size_t>(end - start)));
}
template <Form form> Datum binary_quantize(FnCall& c) {
  std::string bits;
  for (float f : floats(form, c.arg(0))) bits.push_back(f > 0 ? '1' : '0');
  EvalContext ctx;
  return type_input(oid::kBit, bits, -1, *c.arena, c.context != nullptr ? *c.context : ctx);
}

// ---- ordering ----

template <Form form>
int compare(Datum a, Datum b, Oid) {
  if constexpr (form == Form::kSparse) {
    const SparseView x = sparse_view(a.as_varlena()), y = sparse_view(b.as_varlena());
    size_t i = 0, j = 0;
    while (i < x.indexes.size() && j < y.indexes.size()) {
      if (x.indexes[i] < y.indexes[j]) return x.values[i] < 0 ? -1 : 1;
      if (y.indexes[j] < x.indexes[i]) return y.values[j] < 0 ? 1 : -1;
      if (x.values[i] != y.values[j]) return x.values[i] < y.values[j] ? -1 : 1;
      ++i, ++j;
    }
    if (i < x.indexes.size()) return x.values[i] < 0 ? -1 : 1;
    if (j < y.indexes.size()) return y.values[j] < 0 ? 1 : -1;
    return x.dimensions < y.dimensions ? -1 : x.dimensions > y.dimensions;
  } else {
    const std::vector<float> x = floats(form, a), y = floats(form, b);
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
    }
    return x.size() < y.size() ? -1 : x.size() > y.size();
  }
}
template <Form form> bool equal(Datum a, Datum b, Oid) { return compare<form>(a, b, 0) == 0; }
template <Form form> uint64_t hash(Datum v, Oid) {
  uint64_t h = 0xcbf29ce484222325ull;
  auto mix = [&](uint64_t x) { h = (h ^ x) * 0x100000001b3ull; h ^= h >> 29; };
  if constexpr (form == Form::kSparse) {
    const SparseView s = sparse_view(v.as_varlena());
    for (size_t i = 0; i < s.indexes.size(); ++i) mix(uint64_t{s.indexes[i]} << 32 | std::bit_cast<uint32_t>(s.values[i]));
  } else {
    for (float f : floats(form, v)) mix(std::bit_cast<uint32_t>(f == 0 ? 0.0f : f));
  }
  return h;
}
// Element keys behind a continuation byte, so that a shorter vector sorts before its extensions.
template <Form form> void encode_key(Datum v, Oid, std::string& out) {
  for (float f : floats(form, v)) {
    const uint32_t bits = std::bit_cast<uint32_t>(f == 0 ? 0.0f : f);
    out.push_back(1);
    put_be32(out, bits & 0x80000000u ? ~bits : bits | 0x80000000u);
  }
  out.push_back(0);
}
void skip_key(std::string_view& in) {
  while (!in.empty() && in[0] == 1) in.remove_prefix(std::min<size_t>(5, in.size()));
  if (!in.empty()) in.remove_prefix(1);
}

template <Form form, int op>
Datum comparison(FnCall& c) {
  const int r = compare<form>(c.arg(0), c.arg(1), 0);
  const bool results[] = {r < 0, r <= 0, r == 0, r != 0, r >= 0, r > 0};
  return Datum::from_bool(results[op]);
}
template <Form form> Datum cmp(FnCall& c) { return Datum::from_int(compare<form>(c.arg(0), c.arg(1), 0)); }

// ---- conversions ----

template <Form from, Form to>
Datum convert(FnCall& c) {
  const uint32_t n = dimensions(from, c.arg(0));
  check_typmod(n, static_cast<int32_t>(c.int_arg(1)));
  if (from == Form::kSparse && to != Form::kSparse) check_count(to, n);
  return make(to, *c.arena, floats(from, c.arg(0)));
}
template <Form to>
Datum from_array(FnCall& c) {
  const ArrayView array(c.arg(0));
  if (array.ndim() > 1) throw Error(ErrorCode::kDataException, "array must be 1-D");
  std::vector<float> values;
  EvalContext ctx;
  for (int i = 0; i < array.count(); ++i) {
    const NullableDatum e = array.at(i);
    if (e.is_null) throw Error(ErrorCode::kNullValueNotAllowed, "array must not contain nulls");
    switch (array.element()) {
      case oid::kInt4: values.push_back(static_cast<float>(e.value.as_int())); break;
      case oid::kFloat4: values.push_back(e.value.as_float()); break;
      case oid::kFloat8: values.push_back(static_cast<float>(e.value.as_double())); break;
      default: {
        std::string text;
        type_output(array.element(), e.value, text, ctx);
        values.push_back(type_input(oid::kFloat4, text, -1, *c.arena, ctx).as_float());
      }
    }
  }
  check_count(to, values.size());
  check_typmod(static_cast<uint32_t>(values.size()), static_cast<int32_t>(c.int_arg(1)));
  return make(to, *c.arena, values);
}
template <Form from>
Datum to_float4(FnCall& c) {
  ArrayBuilder builder(element_info(oid::kFloat4, nullptr));
  for (float f : floats(from, c.arg(0))) builder.add(Datum::from_float(f));
  return builder.finish(*c.arena);
}

// ---- aggregates ----

template <Form form, bool average>
class VectorSum : public AggregateState {
 public:
  void add(FnCall& c) override {
    if (c.is_null(0)) return;
    const std::vector<float> v = floats(form, c.arg(0));
    if (count_ == 0) sums_.assign(v.size(), 0.0);
    if (v.size() != sums_.size()) throw Error(ErrorCode::kDataException, fmt::format("expected {} dimensions, not {}", sums_.size(), v.size()));
    for (size_t i = 0; i < v.size(); ++i) sums_[i] += v[i];
    ++count_;
  }
  Datum finish(FnCall& c) override {
    if (count_ == 0) return c.null();
    std::vector<float> out(sums_.size());
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<float>(average ? sums_[i] / static_cast<double>(count_) : sums_[i]);
      if (std::isinf(out[i])) throw Error(ErrorCode::kNumericValueOutOfRange, "value out of range: overflow");
    }
    return make(form, *c.arena, out);
  }
  size_t bytes() const override { return 64 + sums_.size() * sizeof(double); }

 private:
  std::vector<double> sums_;
  uint64_t count_ = 0;
};
template <Form form, bool average>
std::unique_ptr<AggregateState> make_sum(FnCall&) { return std::make_unique<VectorSum<form, average>>(); }

template <Form form>
void register_ops(TypeTable& table, Oid type) {
  TypeOps ops;
  ops.compare = compare<form>;
  ops.equal = equal<form>;
  ops.hash = hash<form>;
  if (form != Form::kSparse) {
    ops.encode_key = encode_key<form>;
    ops.skip_key = skip_key;
  }
  table.ops(type, ops);
}

}  // namespace

void register_vector_types(TypeTable& table) {
  register_ops<Form::kVector>(table, oid::kVector);
  register_ops<Form::kHalf>(table, oid::kHalfvec);
  register_ops<Form::kSparse>(table, oid::kSparsevec);
}

void register_vector_functions(FunctionRegistry& r) {
#define STELE_COMMON(prefix, form)                                       \
  r.add(prefix "_typmod_in", typmod_in<form>);                           \
  r.add(prefix "_coerce", coerce<form>);                                 \
  r.add(prefix "_l2_distance", l2_distance<form>);                       \
  r.add(prefix "_l2_squared_distance", l2_squared<form>);                \
  r.add(prefix "_inner_product", inner_product<form>);                   \
  r.add(prefix "_negative_inner_product", negative_inner_product<form>); \
  r.add(prefix "_cosine_distance", cosine_distance<form>);               \
  r.add(prefix "_l1_distance", l1_distance<form>);                       \
  r.add(prefix "_dims", dims<form>);                                     \
  r.add(prefix "_norm", norm<form>);                                     \
  r.add(prefix "_l2_normalize", l2_normalize<form>);                     \
  r.add(prefix "_lt", comparison<form, 0>);                              \
  r.add(prefix "_le", comparison<form, 1>);                              \
  r.add(prefix "_eq", comparison<form, 2>);                              \
  r.add(prefix "_ne", comparison<form, 3>);                              \
  r.add(prefix "_ge", comparison<form, 4>);                              \
  r.add(prefix "_gt", comparison<form, 5>);                              \
  r.add(prefix "_cmp", cmp<form>);                                       \
  r.add("array_to_" prefix, from_array<form>);
#define STELE_DENSE(prefix, form)                              \
  STELE_COMMON(prefix, form)                                   \
  r.add(prefix "_in", dense_in<form>);                         \
  r.add(prefix "_out", dense_out<form>);                       \
  r.add(prefix "_send", dense_send<form>);                     \
  r.add(prefix "_recv", dense_recv<form>);                     \
  r.add(prefix "_add", arithmetic<form, '+'>);                 \
  r.add(prefix "_sub", arithmetic<form, '-'>);                 \
  r.add(prefix "_mul", arithmetic<form, '*'>);                 \
  r.add(prefix "_concat", concat<form>);                       \
  r.add(prefix "_subvector", subvector<form>);                 \
  r.add(prefix "_binary_quantize", binary_quantize<form>);     \
  r.add(prefix "_spherical_distance", spherical_distance<form>); \
  r.add(prefix "_to_float4", to_float4<form>);                 \
  r.add_aggregate("avg/" prefix, make_sum<form, true>);        \
  r.add_aggregate("sum/" prefix, make_sum<form, false>);
  STELE_DENSE("vector", Form::kVector)
  STELE_DENSE("halfvec", Form::kHalf)
  STELE_COMMON("sparsevec", Form::kSparse)
#undef STELE_DENSE
#undef STELE_COMMON
  r.add("sparsevec_in", sparsevec_in);
  r.add("sparsevec_out", sparsevec_out);
  r.add("sparsevec_send", sparsevec_send);
  r.add("sparsevec_recv", sparsevec_recv);
  r.add("vector_to_halfvec", convert<Form::kVector, Form::kHalf>);
  r.add("halfvec_to_vector", convert<Form::kHalf, Form::kVector>);
  r.add("vector_to_sparsevec", convert<Form::kVector, Form::kSparse>);
  r.add("sparsevec_to_vector", convert<Form::kSparse, Form::kVector>);
  r.add("halfvec_to_sparsevec", convert<Form::kHalf, Form::kSparse>);
  r.add("sparsevec_to_halfvec", convert<Form::kSparse, Form::kHalf>);
}

}  // namespace stele
