// Functions and operators of arrays, enums and records.
#include "base/error.h"
#include "types/array.h"
#include "types/builtin.h"
#include "types/composite_io.h"
#include "types/format_type.h"
#include "types/function.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/record.h"
#include "types/text.h"
#include "types/type_io.h"
#include "types/type_ops.h"

namespace stele {
namespace {

// The element type of an array type.
ElementInfo element_of(Oid array_type, EvalContext* ctx) {
  if (const BuiltinType* t = builtin::type(array_type)) return element_info(t->element, ctx);
  return element_info(ctx->catalog->type_facts(array_type).element, ctx);
}
const TypeOps& equality(const ArrayView& a, EvalContext& ctx) {
  const TypeOps& ops = type_ops(a.ops_type());
  if (ops.equal == nullptr)
    throw Error(ErrorCode::kUndefinedFunction, "could not identify an equality operator for type " +
                                                   format_type_sql(a.element(), -1, &ctx));
  return ops;
}

// ---- comparison

int compare(FnCall& c) { return type_ops_array().compare(c.arg(0), c.arg(1), c.collation); }
bool equal(FnCall& c) { return type_ops_array().equal(c.arg(0), c.arg(1), c.collation); }

// Does every non-null element of `part` occur in `whole`? NULL elements are contained in nothing.
bool contains(Datum whole, Datum part, Oid collation, EvalContext& ctx, bool any) {
  ArrayView a(whole), b(part);
  if (a.element() != b.element() && a.ops_type() != b.ops_type())
    throw Error(ErrorCode::kDatatypeMismatch, "cannot compare arrays of different element types");
  if (b.count() == 0) return !any;
  const TypeOps& ops = equality(a, ctx);
  if (ops.hash != nullptr && int64_t{a.count()} * b.count() > 1024) {
    std::unordered_multimap<uint64_t, int> index;
    index.reserve(static_cast<size_t>(a.count()));
    for (int i = 0; i < a.count(); ++i)
      if (!a.is_null(i)) index.emplace(ops.hash(a.get(i), collation), i);
    for (int k = 0; k < b.count(); ++k) {
      bool found = false;
      if (!b.is_null(k)) {
        auto [from, to] = index.equal_range(ops.hash(b.get(k), collation));
        for (auto it = from; it != to && !found; ++it) found = ops.equal(a.get(it->second), b.get(k), collation);
      }
      if (found == any) return any;
    }
    return !any;
  }
  for (int k = 0; k < b.count(); ++k) {
    bool found = false;
    for (int i = 0; !b.is_null(k) && i < a.count() && !found; ++i)
      found = !a.is_null(i) && ops.equal(a.get(i), b.get(k), collation);
    if (found == any) return any;
  }
  return !any;
}

void register_comparison(FunctionRegistry& r) {
  for (const char* n : {"array_eq", "oidvectoreq", "int2vectoreq"}) r.add(n, [](FnCall& c) { return Datum::from_bool(equal(c)); });
  for (const char* n : {"array_ne", "oidvectorne"}) r.add(n, [](FnCall& c) { return Datum::from_bool(!equal(c)); });
  for (const char* n : {"array_lt", "oidvectorlt"}) r.add(n, [](FnCall& c) { return Datum::from_bool(compare(c) < 0); });
  for (const char* n : {"array_le", "oidvectorle"}) r.add(n, [](FnCall& c) { return Datum::from_bool(compare(c) <= 0); });
  for (const char* n : {"array_gt", "oidvectorgt"}) r.add(n, [](FnCall& c) { return Datum::from_bool(compare(c) > 0); });
  for (const char* n : {"array_ge", "oidvectorge"}) r.add(n, [](FnCall& c) { return Datum::from_bool(compare(c) >= 0); });
  for (const char* n : {"btarraycmp", "btoidvectorcmp"}) r.add(n, [](FnCall& c) { return Datum::from_int(compare(c)); });
  r.add("array_larger", [](FnCall& c) { return compare(c) > 0 ? c.arg(0) : c.arg(1); });
  r.add("array_smaller", [](FnCall& c) { return compare(c) < 0 ? c.arg(0) : c.arg(1); });
  r.add("arraycontains", [](FnCall& c) { return Datum::from_bool(contains(c.arg(0), c.arg(1), c.collation, *c.context, false)); });
  r.add("arraycontained", [](FnCall& c) { return Datum::from_bool(contains(c.arg(1), c.arg(0), c.collation, *c.context, false)); });
  r.add("arrayoverlap", [](FnCall& c) { return Datum::from_bool(contains(c.arg(0), c.arg(1), c.collation, *c.context, true)); });
}

// ---- joining

[[noreturn]] void incompatible(std::string detail) {
  throw Error(ErrorCode::kArraySubscriptError, "cannot concatenate incompatible arrays").detail(std::move(detail));
}

Datum array_cat(FnCall& c) {
  if (c.is_null(0) && c.is_null(1)) return c.null();
  if (c.is_null(0)) return c.arg(1);
  if (c.is_null(1)) return c.arg(0);
  ArrayView a(c.arg(0)), b(c.arg(1));
  if (a.element() != b.element() && a.ops_type() != b.ops_type())
    throw Error(ErrorCode::kDatatypeMismatch, "cannot concatenate incompatible arrays")
        .detail(fmt::format("Arrays with element types {} and {} are not compatible for concatenation.",
                            format_type_sql(a.element(), -1, c.context), format_type_sql(b.element(), -1, c.context)));
  if (a.ndim() == 0 && b.ndim() > 0) return c.arg(1);
  if (b.ndim() == 0) return c.arg(0);
  if (std::abs(a.ndim() - b.ndim()) > 1)
    incompatible(fmt::format("Arrays of {} and {} dimensions are not compatible for concatenation.", a.ndim(), b.ndim()));
  std::vector<int> la = a.lengths(), lb = b.lengths(), lengths, lowers;
  auto tail_equal = [](const std::vector<int>& x, size_t from_x, const std::vector<int>& y, size_t from_y) {
    return std::equal(x.begin() + static_cast<ptrdiff_t>(from_x), x.end(), y.begin() + static_cast<ptrdiff_t>(from_y), y.end());
  };
  if (a.ndim() == b.ndim()) {
    if (!tail_equal(la, 1, lb, 1))
      incompatible("Arrays with differing element dimensions are not compatible for concatenation.");
    lengths = la;
    lengths[0] += lb[0];
    lowers = a.lowers();
  } else if (a.ndim() > b.ndim()) {
    if (!tail_equal(la, 1, lb, 0)) incompatible("Arrays with differing dimensions are not compatible for concatenation.");
    lengths = la;
    ++lengths[0];
    lowers = a.lowers();
  } else {
    if (!tail_equal(lb, 1, la, 0)) incompatible("Arrays with differing dimensions are not compatible for concatenation.");
    lengths = lb;
    ++lengths[0];
    lowers = b.lowers();
  }
  array_item_count(lengths);
  ArrayBuilder out(a.info());
  for (int i = 0; i < a.count(); ++i) out.add(a.at(i));
  for (int i = 0; i < b.count(); ++i) out.add(b.at(i));
  return out.finish(*c.arena, lengths, lowers);
}

Datum append_or_prepend(FnCall& c, bool append) {
  int array_arg = append ? 0 : 1, element_arg = append ? 1 : 0;
  NullableDatum element{c.arg(element_arg), c.is_null(element_arg)};
  if (c.is_null(array_arg)) {
    ArrayBuilder out(element_of(c.result_type, c.context));
    out.add(element);
    return out.finish(*c.arena);
  }
  ArrayView a(c.arg(array_arg));
  if (a.ndim() > 1) throw Error(ErrorCode::kDataException, "argument must be empty or one-dimensional array");
  ArrayBuilder out(a.info());
  if (!append) out.add(element);
  for (int i = 0; i < a.count(); ++i) out.add(a.at(i));
  if (append) out.add(element);
  int length = out.size(), lower = a.ndim() == 1 ? a.lower(0) : 1;
  if (append ? int64_t{lower} + length - 1 > INT32_MAX : lower == INT32_MIN)
    throw Error(ErrorCode::kNumericValueOutOfRange, "integer out of range");
  return out.finish(*c.arena, std::span(&length, 1), std::span(&lower, 1));
}

// ---- searching

bool same(const TypeOps& ops, NullableDatum a, NullableDatum b, Oid collation) {
  if (a.is_null || b.is_null) return a.is_null && b.is_null;
  return ops.equal(a.value, b.value, collation);
}

Datum position(FnCall& c) {
  if (c.is_null(0)) return c.null();
  ArrayView a(c.arg(0));
  if (a.ndim() == 0) return c.null();
  if (a.ndim() > 1)
    throw Error(ErrorCode::kFeatureNotSupported, "searching for elements in multidimensional arrays is not supported");
  int start = 0;
  if (c.nargs > 2) {
    if (c.is_null(2)) throw Error(ErrorCode::kNullValueNotAllowed, "initial position must not be null");
    start = static_cast<int>(std::max<int64_t>(0, c.int_arg(2) - a.lower(0)));
  }
  const TypeOps& ops = equality(a, *c.context);
  NullableDatum want{c.arg(1), c.is_null(1)};
  for (int i = start; i < a.count(); ++i)
    if (same(ops, a.at(i), want, c.collation)) return Datum::from_int(int64_t{a.lower(0)} + i);
  return c.null();
}
Datum positions(FnCall& c) {
  if (c.is_null(0)) return c.null();
  ArrayView a(c.arg(0));
  if (a.ndim() > 1)
    throw Error(ErrorCode::kFeatureNotSupported, "searching for elements in multidimensional arrays is not supported");
  const TypeOps& ops = equality(a, *c.context);
  NullableDatum want{c.arg(1), c.is_null(1)};
  ArrayBuilder out(element_info(oid::kInt4, nullptr));
  for (int i = 0; i < a.count(); ++i)
    if (same(ops, a.at(i), want, c.collation)) out.add(Datum::from_int(int64_t{a.lower(0)} + i));
  return out.finish(*c.arena);
}

Datum replace_or_remove(FnCall& c, bool remove) {
  if (c.is_null(0)) return c.null();
  ArrayView a(c.arg(0));
  if (remove && a.ndim() > 1)
    throw Error(ErrorCode::kFeatureNotSupported, "removing elements from multidimensional arrays is not supported");
  if (a.count() == 0) return c.arg(0);
  const TypeOps& ops = equality(a, *c.context);
  NullableDatum want{c.arg(1), c.is_null(1)};
  ArrayBuilder out(a.info());
  bool changed = false;
  for (int i = 0; i < a.count(); ++i) {
    NullableDatum v = a.at(i);
    if (!same(ops, v, want, c.collation)) {
      out.add(v);
      continue;
    }
    changed = true;
    if (!remove) out.add(NullableDatum{c.arg(2), c.is_null(2)});
  }
  if (!changed) return c.arg(0);
  if (!remove) return out.finish(*c.arena, a.lengths(), a.lowers());
  if (out.size() == 0) return make_empty_array(a.info(), *c.arena);
  int length = out.size(), lower = a.lower(0);
  return out.finish(*c.arena, std::span(&length, 1), std::span(&lower, 1));
}

// ---- making

Datum fill(FnCall& c, bool bounds) {
  if (c.is_null(1) || (bounds && c.is_null(2)))
    throw Error(ErrorCode::kNullValueNotAllowed, "dimension array or low bound array cannot be null");
  auto ints = [&](int arg, const char* what, const char* null_message) {
    ArrayView a(c.arg(arg));
    if (a.ndim() > 1)
      throw Error(ErrorCode::kArraySubscriptError, "wrong number of array subscripts").detail(what);
    std::vector<int> v;
    for (int i = 0; i < a.count(); ++i) {
      if (a.is_null(i)) throw Error(ErrorCode::kNullValueNotAllowed, null_message);
      v.push_back(static_cast<int>(a.get(i).as_int()));
    }
    return v;
  };
  std::vector<int> lengths = ints(1, "Dimension array must be one dimensional.", "dimension values cannot be null");
  if (lengths.size() > kMaxDim)
    throw Error(ErrorCode::kProgramLimitExceeded,
                fmt::format("number of array dimensions ({}) exceeds the maximum allowed ({})", lengths.size(), kMaxDim));
  std::vector<int> lowers(lengths.size(), 1);
  if (bounds) {
    lowers = ints(2, "Dimension array must be one dimensional.", "dimension values cannot be null");
    if (lowers.size() != lengths.size())
      throw Error(ErrorCode::kArraySubscriptError, "wrong number of array subscripts")
          .detail("Low bound array has different size than dimensions array.");
  }
  ElementInfo info = element_of(c.result_type, c.context);
  int n = array_item_count(lengths);
  if (n == 0) return make_empty_array(info, *c.arena);
  ArrayBuilder out(info);
  for (int i = 0; i < n; ++i) out.add(NullableDatum{c.arg(0), c.is_null(0)});
  return out.finish(*c.arena, lengths, lowers);
}

Datum trim_array(FnCall& c) {
  ArrayView a(c.arg(0));
  int64_t n = c.int_arg(1), have = a.ndim() > 0 ? a.length(0) : 0;
  if (n < 0 || n > have)
    throw Error(ErrorCode::kArraySubscriptError, fmt::format("number of elements to trim must be between 0 and {}", have));
  if (a.ndim() == 0) return c.arg(0);
  std::optional<int> low = a.lower(0), high = static_cast<int>(int64_t{a.lower(0)} + have - n - 1);
  if (n == have) return make_empty_array(a.info(), *c.arena);
  return array_get_slice(c.arg(0), std::span(&low, 1), std::span(&high, 1), *c.arena);
}

// ---- text

Datum array_to_text(FnCall& c) {
  if (c.is_null(0) || c.is_null(1)) return c.null();
  ArrayView a(c.arg(0));
  bool show_nulls = c.nargs > 2 && !c.is_null(2), first = true;
  std::string out;
  for (int i = 0; i < a.count(); ++i) {
    if (a.is_null(i) && !show_nulls) continue;
    if (!first) out += c.text_arg(1);
    first = false;
    if (a.is_null(i)) out += c.text_arg(2);
    else type_output(a.element(), a.get(i), out, *c.context);
  }
  return c.text(out);
}

// Pieces of string_to_array and string_to_table: fn(piece).
template <typename F>
void split_text(FnCall& c, F fn) {
  std::string_view s = c.text_arg(0);
  if (s.empty()) return;
  if (c.is_null(1)) {
    for (size_t i = 0; i < s.size();) {
      size_t n = utf8_front(s.substr(i));
      fn(s.substr(i, n));
      i += n;
    }
    return;
  }
  std::string_view sep = c.text_arg(1);
  if (sep.empty()) {
    fn(s);
    return;
  }
  for (;;) {
    size_t at = s.find(sep);
    fn(s.substr(0, at));
    if (at == std::string_view::npos) return;
    s.remove_prefix(at + sep.size());
  }
}
Datum text_to_array(FnCall& c) {
  if (c.is_null(0)) return c.null();
  ArrayBuilder out(element_info(oid::kText, nullptr));
  bool has_null = c.nargs > 2 && !c.is_null(2);
  split_text(c, [&](std::string_view piece) {
    if (has_null && piece == c.text_arg(2)) out.add_null();
    else out.add(c.text(piece));
  });
  return out.finish(*c.arena);
}
class TextPieces : public SetRows {
 public:
  explicit TextPieces(FnCall& c) {
    if (c.is_null(0)) return;
    bool has_null = c.nargs > 2 && !c.is_null(2);
    split_text(c, [&](std::string_view piece) {
      if (has_null && piece == c.text_arg(2)) pieces_.emplace_back();
      else pieces_.emplace_back(std::string(piece));
    });
  }
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (at_ >= pieces_.size()) return false;
    nulls[0] = !pieces_[at_].has_value();
    if (!nulls[0]) out[0] = c.text(*pieces_[at_]);
    ++at_;
    return true;
  }

 private:
  std::vector<std::optional<std::string>> pieces_;
  size_t at_ = 0;
};

// ---- sets

class Unnest : public SetRows {
 public:
  explicit Unnest(FnCall& c) : array_(c.is_null(0) ? Datum{} : copy_datum(false, c.arg(0), arena_)), empty_(c.is_null(0)) {}
  bool next(FnCall&, Datum* out, bool* nulls) override {
    if (empty_) return false;
    ArrayView a(array_);
    if (at_ >= a.count()) return false;
    nulls[0] = a.is_null(at_);
    if (!nulls[0]) out[0] = a.get(at_);
    ++at_;
    return true;
  }

 protected:
  Arena arena_;
  Datum array_;
  bool empty_;
  int at_ = 0;
};
// (x, n): element and its position from 1.
class ExpandArray : public Unnest {
 public:
  using Unnest::Unnest;
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (!Unnest::next(c, out, nulls)) return false;
    out[1] = Datum::from_int(at_);
    nulls[1] = false;
    return true;
  }
};
class Subscripts : public SetRows {
 public:
  explicit Subscripts(FnCall& c) {
    ArrayView a(c.arg(0));
    int64_t dimension = c.int_arg(1);
    if (dimension < 1 || dimension > a.ndim()) return;
    int d = static_cast<int>(dimension - 1);
    next_ = a.lower(d);
    last_ = int64_t{a.lower(d)} + a.length(d) - 1;
    reverse_ = c.nargs > 2 && c.arg(2).as_bool();
  }
  bool next(FnCall&, Datum* out, bool* nulls) override {
    if (next_ > last_) return false;
    out[0] = Datum::from_int(reverse_ ? last_-- : next_++);
    nulls[0] = false;
    return true;
  }

 private:
  int64_t next_ = 1, last_ = 0;
  bool reverse_ = false;
};

template <typename T>
std::unique_ptr<SetRows> make_set(FnCall& c) { return std::make_unique<T>(c); }

// ---- enums

const std::vector<EnumLabel>& labels_of(FnCall& c) { return c.context->catalog->enum_labels(c.arg_types[0]); }
Datum enum_range(FnCall& c, bool all) {
  const std::vector<EnumLabel>& labels = labels_of(c);
  ArrayBuilder out(element_info(c.arg_types[0], c.context));
  for (const EnumLabel& label : labels) {
    Datum d = make_enum(label);
    if (!all && !c.is_null(0) && type_ops_enum().compare(d, c.arg(0), 0) < 0) continue;
    if (!all && !c.is_null(1) && type_ops_enum().compare(d, c.arg(1), 0) > 0) continue;
    out.add(d);
  }
  return out.finish(*c.arena);
}
Datum enum_end(FnCall& c, bool first) {
  const std::vector<EnumLabel>& labels = labels_of(c);
  if (labels.empty())
    throw Error(ErrorCode::kObjectNotInPrerequisiteState,
                fmt::format("enum {} contains no values", format_type_sql(c.arg_types[0], -1, c.context)));
  return make_enum(first ? labels.front() : labels.back());
}
int enum_compare(FnCall& c) { return type_ops_enum().compare(c.arg(0), c.arg(1), 0); }

void register_enums(FunctionRegistry& r) {
  r.add("enum_eq", [](FnCall& c) { return Datum::from_bool(c.arg(0).bits == c.arg(1).bits); });
  r.add("enum_ne", [](FnCall& c) { return Datum::from_bool(c.arg(0).bits != c.arg(1).bits); });
  r.add("enum_lt", [](FnCall& c) { return Datum::from_bool(enum_compare(c) < 0); });
  r.add("enum_le", [](FnCall& c) { return Datum::from_bool(enum_compare(c) <= 0); });
  r.add("enum_gt", [](FnCall& c) { return Datum::from_bool(enum_compare(c) > 0); });
  r.add("enum_ge", [](FnCall& c) { return Datum::from_bool(enum_compare(c) >= 0); });
  r.add("enum_cmp", [](FnCall& c) { return Datum::from_int(enum_compare(c)); });
  r.add("enum_larger", [](FnCall& c) { return enum_compare(c) > 0 ? c.arg(0) : c.arg(1); });
  r.add("enum_smaller", [](FnCall& c) { return enum_compare(c) < 0 ? c.arg(0) : c.arg(1); });
  r.add("enum_first", [](FnCall& c) { return enum_end(c, true); });
  r.add("enum_last", [](FnCall& c) { return enum_end(c, false); });
  r.add("enum_range_bounds", [](FnCall& c) { return enum_range(c, false); });
  r.add("enum_range_all", [](FnCall& c) { return enum_range(c, true); });
}

// ---- records

int record_compare(FnCall& c) { return type_ops_record().compare(c.arg(0), c.arg(1), c.collation); }

void register_records(FunctionRegistry& r) {
  r.add("record_eq", [](FnCall& c) { return Datum::from_bool(type_ops_record().equal(c.arg(0), c.arg(1), c.collation)); });
  r.add("record_ne", [](FnCall& c) { return Datum::from_bool(!type_ops_record().equal(c.arg(0), c.arg(1), c.collation)); });
  r.add("record_lt", [](FnCall& c) { return Datum::from_bool(record_compare(c) < 0); });
  r.add("record_le", [](FnCall& c) { return Datum::from_bool(record_compare(c) <= 0); });
  r.add("record_gt", [](FnCall& c) { return Datum::from_bool(record_compare(c) > 0); });
  r.add("record_ge", [](FnCall& c) { return Datum::from_bool(record_compare(c) >= 0); });
  r.add("btrecordcmp", [](FnCall& c) { return Datum::from_int(record_compare(c)); });
  r.add("record_image_eq", [](FnCall& c) { return Datum::from_bool(c.text_arg(0) == c.text_arg(1)); });
  r.add("record_image_ne", [](FnCall& c) { return Datum::from_bool(c.text_arg(0) != c.text_arg(1)); });
}

}  // namespace

void register_array_functions(FunctionRegistry& r) {
  register_comparison(r);
  register_enums(r);
  register_records(r);
  r.add("array_cat", array_cat);
  r.add("array_append", [](FnCall& c) { return append_or_prepend(c, true); });
  r.add("array_prepend", [](FnCall& c) { return append_or_prepend(c, false); });
  r.add("array_position", position);
  r.add("array_position_start", position);
  r.add("array_positions", positions);
  r.add("array_remove", [](FnCall& c) { return replace_or_remove(c, true); });
  r.add("array_replace", [](FnCall& c) { return replace_or_remove(c, false); });
  r.add("array_fill", [](FnCall& c) { return fill(c, false); });
  r.add("array_fill_with_lower_bounds", [](FnCall& c) { return fill(c, true); });
  r.add("trim_array", trim_array);
  r.add("array_to_text", array_to_text);
  r.add("array_to_text_null", array_to_text);
  r.add("text_to_array", text_to_array);
  r.add("text_to_array_null", text_to_array);
  r.add("array_cardinality", [](FnCall& c) { return Datum::from_int(ArrayView(c.arg(0)).count()); });
  r.add("array_ndims", [](FnCall& c) {
    int n = ArrayView(c.arg(0)).ndim();
    return n == 0 ? c.null() : Datum::from_int(n);
  });
  r.add("array_dims", [](FnCall& c) {
    ArrayView a(c.arg(0));
    if (a.ndim() == 0) return c.null();
    std::string out;
    for (int d = 0; d < a.ndim(); ++d) out += fmt::format("[{}:{}]", a.lower(d), int64_t{a.lower(d)} + a.length(d) - 1);
    return c.text(out);
  });
  auto bound = [](FnCall& c, int which) {
    ArrayView a(c.arg(0));
    int64_t d = c.int_arg(1) - 1;
    if (d < 0 || d >= a.ndim()) return c.null();
    int i = static_cast<int>(d);
    if (which == 0) return Datum::from_int(a.length(i));
    if (which == 1) return Datum::from_int(a.lower(i));
    return Datum::from_int(int64_t{a.lower(i)} + a.length(i) - 1);
  };
  static const auto kBound = bound;
  r.add("array_length", [](FnCall& c) { return kBound(c, 0); });
  r.add("array_lower", [](FnCall& c) { return kBound(c, 1); });
  r.add("array_upper", [](FnCall& c) { return kBound(c, 2); });
  r.add_set("array_unnest", make_set<Unnest>);
  r.add_set("sql:_pg_expandarray/anyarray", make_set<ExpandArray>);
  r.add_set("generate_subscripts", make_set<Subscripts>);
  r.add_set("generate_subscripts_nodir", make_set<Subscripts>);
  r.add_set("text_to_table", make_set<TextPieces>);
  r.add_set("text_to_table_null", make_set<TextPieces>);
}

}  // namespace stele
