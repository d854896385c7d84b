#include "types/array.h"

#include "base/error.h"
#include "types/builtin.h"
#include "types/oids.h"

namespace stele {
namespace {

size_t pad8(size_t n) { return (n + 7) & ~size_t{7}; }

struct BuiltinElement { bool known; ElementInfo info; };
const BuiltinElement& builtin_element(Oid type) {
  static const auto* table = [] {
    auto* t = new std::vector<BuiltinElement>(oid::kFirstUserOid);
    for (const BuiltinType& r : builtin::types()) {
      ElementInfo info{r.oid, r.oid, 0, false};
      if (r.by_value) {
        info.width = r.len == 1 || r.len == 2 || r.len == 4 ? static_cast<uint8_t>(r.len) : 8;
        info.is_signed = r.oid == oid::kInt2 || r.oid == oid::kInt4 || r.oid == oid::kDate;
        if (r.oid == oid::kAnyEnum) info.width = 8;
      }
      (*t)[r.oid] = {true, info};
    }
    return t;
  }();
  static const BuiltinElement kUnknown{false, {}};
  return type < table->size() ? (*table)[type] : kUnknown;
}

}  // namespace

ElementInfo element_info(Oid type, EvalContext* ctx) {
  const BuiltinElement& b = builtin_element(type);
  if (b.known) return b.info;
  if (ctx == nullptr || ctx->catalog == nullptr)
    throw Error(ErrorCode::kInternalError, fmt::format("cache lookup failed for type {}", type));
  CatalogLookup::TypeFacts facts = ctx->catalog->type_facts(type);
  ElementInfo info{type, type, 0, false};
  switch (facts.kind) {
    case 'e': info.ops_type = oid::kAnyEnum; info.width = 8; break;
    case 'c': info.ops_type = oid::kRecord; break;
    case 'r': info.ops_type = oid::kAnyRange; break;
    case 'm': info.ops_type = oid::kAnyMultirange; break;
    case 'd': info = element_info(facts.base, ctx); info.type = type; break;
    default:
      if (facts.element != 0 && facts.category == 'A') info.ops_type = oid::kAnyArray;
      break;
  }
  return info;
}

ArrayView::ArrayView(const char* payload) : base_(payload) {
  const char* p = payload + sizeof(ArrayHeader) + 8 * static_cast<size_t>(header().ndim);
  nulls_ = nullptr;
  if (header().flags & 1) {
    nulls_ = reinterpret_cast<const uint8_t*>(p);
    p += pad8((static_cast<size_t>(header().count) + 7) / 8);
  }
  values_ = p;
}

Datum ArrayView::get(int i) const {
  switch (header().width) {
    case 0: {
      uint32_t offset;
      std::memcpy(&offset, values_ + 4 * static_cast<size_t>(i), 4);
      return Datum::from_varlena(reinterpret_cast<const Varlena*>(base_ + offset));
    }
    case 1: return {static_cast<uint8_t>(values_[i])};
    case 2: {
      int16_t v;
      std::memcpy(&v, values_ + 2 * static_cast<size_t>(i), 2);
      return Datum::from_int(v);
    }
    case 4: {
      if (header().flags & 2) {
        int32_t v;
        std::memcpy(&v, values_ + 4 * static_cast<size_t>(i), 4);
        return Datum::from_int(v);
      }
      uint32_t v;
      std::memcpy(&v, values_ + 4 * static_cast<size_t>(i), 4);
      return {v};
    }
    default: {
      Datum d;
      std::memcpy(&d.bits, values_ + 8 * static_cast<size_t>(i), 8);
      return d;
    }
  }
}

std::vector<int> ArrayView::lengths() const {
  std::vector<int> out;
  for (int i = 0; i < ndim(); ++i) out.push_back(length(i));
  return out;
}
std::vector<int> ArrayView::lowers() const {
  std::vector<int> out;
  for (int i = 0; i < ndim(); ++i) out.push_back(lower(i));
  return out;
}

int array_item_count(std::span<const int> lengths) {
  if (lengths.empty()) return 0;
  int64_t n = 1;
  for (int d : lengths) {
    if (d == 0) return 0;
    n *= d;
    if (d < 0 || n > kMaxArraySize)
      throw Error(ErrorCode::kProgramLimitExceeded,
                  fmt::format("array size exceeds the maximum allowed ({})", kMaxArraySize));
  }
  return static_cast<int>(n);
}

Datum make_empty_array(ElementInfo info, Arena& arena) { return ArrayBuilder(info).finish(arena); }

Datum ArrayBuilder::finish(Arena& arena) const {
  int length = size(), lower = 1;
  return finish(arena, std::span(&length, length > 0 ? 1 : 0), std::span(&lower, length > 0 ? 1 : 0));
}

Datum ArrayBuilder::finish(Arena& arena, std::span<const int> lengths, std::span<const int> lowers) const {
  size_t n = values_.size();
  STELE_CHECK(static_cast<size_t>(array_item_count(lengths)) == n);
  size_t size = sizeof(ArrayHeader) + 8 * lengths.size();
  size_t bitmap = size;
  if (has_nulls_) size += pad8((n + 7) / 8);
  size_t values = size;
  if (info_.width > 0) {
    size += n * info_.width;
  } else {
    size += pad8(4 * n);
    for (size_t i = 0; i < n; ++i)
      if (!nulls_[i]) size += pad8(sizeof(Varlena) + values_[i].as_varlena()->size);
  }
  if (size > (size_t{1} << 30))
    throw Error(ErrorCode::kProgramLimitExceeded,
                fmt::format("array size exceeds the maximum allowed ({})", (1 << 30) - 1));
  Varlena* v = make_varlena(arena, size);
  char* base = v->data;
  ArrayHeader header{info_.type, info_.ops_type, static_cast<int32_t>(n), static_cast<int16_t>(lengths.size()),
                     info_.width, static_cast<uint8_t>((has_nulls_ ? 1 : 0) | (info_.is_signed ? 2 : 0))};
  std::memcpy(base, &header, sizeof header);
  for (size_t i = 0; i < lengths.size(); ++i) {
    int32_t d[2] = {lengths[i], lowers[i]};
    std::memcpy(base + sizeof header + 8 * i, d, 8);
  }
  if (has_nulls_) {
    std::memset(base + bitmap, 0, values - bitmap);
    for (size_t i = 0; i < n; ++i)
      if (nulls_[i]) base[bitmap + i / 8] = static_cast<char>(base[bitmap + i / 8] | 1 << (i & 7));
  }
  if (info_.width > 0) {
    // Little-endian: the low bytes of the word are the value.
    for (size_t i = 0; i < n; ++i) std::memcpy(base + values + i * info_.width, &values_[i].bits, info_.width);
    return Datum::from_varlena(v);
  }
  size_t at = values + pad8(4 * n);
  if (n & 1) std::memset(base + values + 4 * n, 0, 4);
  for (size_t i = 0; i < n; ++i) {
    uint32_t offset = nulls_[i] ? 0 : static_cast<uint32_t>(at);
    std::memcpy(base + values + 4 * i, &offset, 4);
    if (nulls_[i]) continue;
    const Varlena* e = values_[i].as_varlena();
    size_t bytes = sizeof(Varlena) + e->size;
    uint32_t head[2] = {e->size, 0};
    std::memcpy(base + at, head, 8);
    if (e->size > 0) std::memcpy(base + at + 8, e->data, e->size);
    std::memset(base + at + bytes, 0, pad8(bytes) - bytes);
    at += pad8(bytes);
  }
  return Datum::from_varlena(v);
}

namespace {
template <typename S>
Datum text_array(std::span<const S> items, Arena& arena) {
  ArrayBuilder b(element_info(oid::kText, nullptr));
  for (const S& s : items) b.add(make_bytes(arena, s));
  return b.finish(arena);
}
}  // namespace
Datum make_text_array(std::span<const std::string> items, Arena& arena) { return text_array(items, arena); }
Datum make_text_array(std::span<const std::string_view> items, Arena& arena) { return text_array(items, arena); }

// ---- subscripting

NullableDatum array_get(Datum array, std::span<const int> subscripts) {
  ArrayView a(array);
  if (a.ndim() == 0 || a.ndim() != static_cast<int>(subscripts.size())) return {};
  int64_t index = 0;
  for (int d = 0; d < a.ndim(); ++d) {
    int64_t i = int64_t{subscripts[d]} - a.lower(d);
    if (i < 0 || i >= a.length(d)) return {};
    index = index * a.length(d) + i;
  }
  return a.at(static_cast<int>(index));
}

namespace {
// Calls fn(flat index) for each position of the box [lo, hi] (zero-based) of an array.
template <typename F>
void each_position(std::span<const int> lengths, std::span<const int> lo, std::span<const int> hi, F fn) {
  std::vector<int> at(lo.begin(), lo.end());
  for (size_t d = 0; d < lengths.size(); ++d)
    if (lo[d] > hi[d]) return;
  for (;;) {
    int64_t index = 0;
    for (size_t d = 0; d < lengths.size(); ++d) index = index * lengths[d] + at[d];
    fn(static_cast<int>(index));
    size_t d = lengths.size();
    while (d > 0) {
      --d;
      if (++at[d] <= hi[d]) break;
      at[d] = lo[d];
      if (d == 0) return;
    }
  }
}

[[noreturn]] void subscript_error(const char* message) {
  throw Error(ErrorCode::kArraySubscriptError, message);
}
}  // namespace

Datum array_get_slice(Datum array, std::span<const std::optional<int>> lo,
                      std::span<const std::optional<int>> hi, Arena& arena) {
  ArrayView a(array);
  int n = static_cast<int>(lo.size());
  if (a.ndim() < n || a.ndim() == 0) return make_empty_array(a.info(), arena);
  std::vector<int> lengths = a.lengths(), from, to, new_lengths, new_lowers;
  for (int d = 0; d < a.ndim(); ++d) {
    int64_t low = a.lower(d), high = int64_t{a.lower(d)} + a.length(d) - 1;
    if (d < n) {
      if (lo[d] && *lo[d] > low) low = *lo[d];
      if (hi[d] && *hi[d] < high) high = *hi[d];
    }
    if (low > high) return make_empty_array(a.info(), arena);
    from.push_back(static_cast<int>(low - a.lower(d)));
    to.push_back(static_cast<int>(high - a.lower(d)));
    new_lengths.push_back(static_cast<int>(high - low + 1));
    new_lowers.push_back(1);
  }
  ArrayBuilder b(a.info());
  each_position(lengths, from, to, [&](int i) { b.add(a.at(i)); });
  return b.finish(arena, new_lengths, new_lowers);
}

Datum array_set(NullableDatum array, ElementInfo info, std::span<const int> subscripts,
                NullableDatum value, Arena& arena) {
  Datum current = array.is_null ? make_empty_array(info, arena) : array.value;
  ArrayView a(current);
  int n = static_cast<int>(subscripts.size());
  if (n == 0 || n > kMaxDim) subscript_error("wrong number of array subscripts");
  if (a.ndim() == 0) {
    ArrayBuilder b(info);
    b.add(value);
    std::vector<int> ones(subscripts.size(), 1);
    for (int s : subscripts)
      if (s == std::numeric_limits<int>::max())
        throw Error(ErrorCode::kProgramLimitExceeded, fmt::format("array lower bound is too large: {}", s));
    return b.finish(arena, ones, subscripts);
  }
  if (a.ndim() != n) subscript_error("wrong number of array subscripts");
  ArrayBuilder b(info);
  std::vector<int> lengths = a.lengths(), lowers = a.lowers();
  if (n == 1) {
    int64_t at = subscripts[0], low = lowers[0], high = low + lengths[0] - 1;
    int64_t new_low = std::min(low, at), new_high = std::max(high, at);
    int length = static_cast<int>(std::min<int64_t>(new_high - new_low + 1, std::numeric_limits<int>::max()));
    array_item_count(std::span(&length, 1));
    for (int64_t i = new_low; i <= new_high; ++i) {
      if (i == at) b.add(value);
      else if (i < low || i > high) b.add_null();
      else b.add(a.at(static_cast<int>(i - low)));
    }
    int lower = static_cast<int>(new_low);
    return b.finish(arena, std::span(&length, 1), std::span(&lower, 1));
  }
  int64_t index = 0;
  for (int d = 0; d < n; ++d) {
    int64_t i = int64_t{subscripts[d]} - lowers[d];
    if (i < 0 || i >= lengths[d]) subscript_error("array subscript out of range");
    index = index * lengths[d] + i;
  }
  for (int i = 0; i < a.count(); ++i) i == index ? b.add(value) : b.add(a.at(i));
  return b.finish(arena, lengths, lowers);
}

Datum array_set_slice(NullableDatum array, ElementInfo info, std::span<const std::optional<int>> lo,
                      std::span<const std::optional<int>> hi, Datum source, Arena& arena) {
  Datum current = array.is_null ? make_empty_array(info, arena) : array.value;
  ArrayView a(current), s(source);
  int n = static_cast<int>(lo.size());
  if (n == 0 || n > kMaxDim) subscript_error("wrong number of array subscripts");
  if (a.ndim() == 0) {
    std::vector<int> lengths, lowers;
    for (int d = 0; d < n; ++d) {
      if (!lo[d] || !hi[d])
        throw Error(ErrorCode::kArraySubscriptError, "array slice subscript must provide both boundaries")
            .detail("When assigning to a slice of an empty array value, slice boundaries must be fully specified.");
      if (*lo[d] > *hi[d]) subscript_error("upper bound cannot be less than lower bound");
      lengths.push_back(*hi[d] - *lo[d] + 1);
      lowers.push_back(*lo[d]);
    }
    int items = array_item_count(lengths);
    if (s.count() < items) subscript_error("source array too small");
    ArrayBuilder b(info);
    for (int i = 0; i < items; ++i) b.add(s.at(i));
    return b.finish(arena, lengths, lowers);
  }
  if (a.ndim() < n) subscript_error("wrong number of array subscripts");
  std::vector<int> lengths = a.lengths(), lowers = a.lowers(), from, to;
  int64_t new_low = lowers[0], new_high = int64_t{lowers[0]} + lengths[0] - 1;
  std::vector<int64_t> low(a.ndim()), high(a.ndim());
  std::vector<int> slice;
  for (int d = 0; d < a.ndim(); ++d) {
    low[d] = d < n && lo[d] ? *lo[d] : lowers[d];
    high[d] = d < n && hi[d] ? *hi[d] : int64_t{lowers[d]} + lengths[d] - 1;
    if (low[d] > high[d]) subscript_error("upper bound cannot be less than lower bound");
    if (a.ndim() > 1 && (low[d] < lowers[d] || high[d] > int64_t{lowers[d]} + lengths[d] - 1))
      subscript_error("array subscript out of range");
    slice.push_back(static_cast<int>(high[d] - low[d] + 1));
  }
  if (s.count() < array_item_count(slice)) subscript_error("source array too small");
  ArrayBuilder b(info);
  if (a.ndim() == 1) {
    new_low = std::min(new_low, low[0]);
    new_high = std::max(new_high, high[0]);
    int length = static_cast<int>(new_high - new_low + 1), lower = static_cast<int>(new_low);
    array_item_count(std::span(&length, 1));
    int taken = 0;
    for (int64_t i = new_low; i <= new_high; ++i) {
      if (i >= low[0] && i <= high[0]) b.add(s.at(taken++));
      else if (i < lowers[0] || i >= int64_t{lowers[0]} + lengths[0]) b.add_null();
      else b.add(a.at(static_cast<int>(i - lowers[0])));
    }
    return b.finish(arena, std::span(&length, 1), std::span(&lower, 1));
  }
  std::vector<int> replaced(static_cast<size_t>(a.count()), -1);
  for (int d = 0; d < a.ndim(); ++d) {
    from.push_back(static_cast<int>(low[d] - lowers[d]));
    to.push_back(static_cast<int>(high[d] - lowers[d]));
  }
  int taken = 0;
  each_position(lengths, from, to, [&](int i) { replaced[static_cast<size_t>(i)] = taken++; });
  for (int i = 0; i < a.count(); ++i)
    b.add(replaced[static_cast<size_t>(i)] >= 0 ? s.at(replaced[static_cast<size_t>(i)]) : a.at(i));
  return b.finish(arena, lengths, lowers);
}

}  // namespace stele
