// Reading json and jsonb: extraction, iteration, containment, casts, conversion to rows.
#include "base/codec.h"
#include "base/error.h"
#include "types/array.h"
#include "types/function_helpers.h"
#include "types/hash.h"
#include "types/jsonb.h"
#include "types/oids.h"
#include "types/pg_hash.h"
#include "types/record.h"
#include "types/type_io.h"
#include "types/type_registry.h"

namespace stele {

namespace {

// ---- types
Datum json_input(std::string_view s, int32_t, Arena& a, EvalContext&) {
  check_json(s);
  return make_bytes(a, s);
}
void json_output(Datum v, std::string& out, EvalContext&) { out.append(v.as_view()); }
Datum jsonb_input(std::string_view s, int32_t, Arena& a, EvalContext& ctx) { return jsonb_from_text(s, a, ctx); }
void jsonb_output(Datum v, std::string& out, EvalContext& ctx) { jsonb_to_text(v, out, ctx); }
Datum jsonb_receive(std::string_view b, int32_t, Arena& a, EvalContext& ctx) {
  if (b.empty()) throw Error(ErrorCode::kProtocolViolation, "no data left in message");
  if (b[0] != 1) throw Error(ErrorCode::kInternalError, fmt::format("unsupported jsonb version number {}", static_cast<int>(b[0])));
  return jsonb_from_text(b.substr(1), a, ctx);
}
void jsonb_sender(Datum v, std::string& out, EvalContext& ctx) {
  out.push_back(1);
  jsonb_to_text(v, out, ctx);
}
int compare_jsonb(Datum a, Datum b, Oid) { return jsonb_compare(JsonbView(a), JsonbView(b)); }
bool equal_jsonb(Datum a, Datum b, Oid) { return jsonb_equal(JsonbView(a), JsonbView(b)); }
uint64_t hash_jsonb(Datum v, Oid) { return jsonb_hash(JsonbView(v)); }

// Keys: kind and size first, as the order goes, then members. Zero bytes inside strings are escaped
// as 00 ff and strings end with 00 01.
void put_key_string(std::string_view s, std::string& out) {
  for (char c : s) {
    out.push_back(c);
    if (c == '\0') out.push_back('\xff');
  }
  out.push_back('\0');
  out.push_back('\1');
}
void put_key(const JsonbView& v, std::string& out);
void put_key_value(const JsonbValue& v, std::string& out) {
  switch (v.type) {
    case JsonType::kNull: out.push_back(1); break;
    case JsonType::kString:
      out.push_back(2);
      put_key_string(v.bytes, out);
      break;
    case JsonType::kNumber:
      out.push_back(3);
      type_ops(oid::kNumeric).encode_key(v.numeric(), 0, out);
      break;
    case JsonType::kFalse: out.push_back(4); break;
    case JsonType::kTrue: out.push_back(5); break;
    default:
      out.push_back(v.type == JsonType::kArray ? 6 : 7);
      put_key(v.view(), out);
  }
}
void put_key(const JsonbView& v, std::string& out) {
  // Empty arrays come first of all, then scalars, arrays, objects.
  out.push_back(v.is_object() ? 4 : v.is_scalar() ? 2 : v.size() == 0 ? 1 : 3);
  if (!v.is_scalar()) put_be32(out, static_cast<uint32_t>(v.size()));
  for (int i = 0; i < v.size(); ++i) {
    if (v.is_object()) put_key_string(v.key(i), out);
    put_key_value(v.value(i), out);
  }
}
void encode_jsonb(Datum v, Oid, std::string& out) { put_key(JsonbView(v), out); }
void skip_key_string(std::string_view& in) {
  size_t i = 0;
  while (i + 1 < in.size()) {
    if (in[i] == '\0') {
      if (in[i + 1] == '\1') {
        in.remove_prefix(i + 2);
        return;
      }
      ++i;
    }
    ++i;
  }
  in = {};
}
void skip_key(std::string_view& in);
void skip_key_value(std::string_view& in) {
  char type = in.empty() ? '\0' : in[0];
  if (!in.empty()) in.remove_prefix(1);
  if (type == 2) skip_key_string(in);
  else if (type == 3) type_ops(oid::kNumeric).skip_key(in);
  else if (type == 6 || type == 7) skip_key(in);
}
void skip_key(std::string_view& in) {
  char kind = in[0];
  in.remove_prefix(1);
  uint32_t n = 1;
  if (kind != 2) {
    n = load_be32(in.data());
    in.remove_prefix(4);
  }
  for (uint32_t i = 0; i < n && !in.empty(); ++i) {
    if (kind == 4) skip_key_string(in);
    skip_key_value(in);
  }
}

// ---- one access interface over both types, so that each function is written once
struct Item {
  const JsonNode* node = nullptr;  // json
  JsonbValue value;                // jsonb
  JsonType type() const { return node != nullptr ? node->type : value.type; }
};
struct Doc {
  JsonNode tree;
  Item root;
};
template <bool B>
void open(FnCall& c, int arg, Doc* d) {
  if constexpr (B) {
    d->root.value = JsonbView(c.arg(arg)).root();
  } else {
    d->tree = parse_json(c.text_arg(arg), *c.arena);
    d->root.node = &d->tree;
  }
}
int size_of(const Item& i) { return i.node != nullptr ? static_cast<int>(i.node->items.size()) : i.value.view().size(); }
Item child(const Item& i, int n) {
  Item r;
  if (i.node != nullptr) r.node = &i.node->items[static_cast<size_t>(n)];
  else r.value = i.value.view().value(n);
  return r;
}
std::string_view key_of(const Item& i, int n) { return i.node != nullptr ? i.node->keys[static_cast<size_t>(n)] : i.value.view().key(n); }
int find_key(const Item& i, std::string_view key) {
  if (i.node == nullptr) return i.value.view().find(key);
  for (size_t n = i.node->keys.size(); n-- > 0;)
    if (i.node->keys[n] == key) return static_cast<int>(n);
  return -1;
}
Datum as_json(const Item& i, FnCall& c) { return i.node != nullptr ? c.text(i.node->raw) : make_jsonb(i.value, *c.arena); }
NullableDatum as_text(const Item& i, FnCall& c) {
  if (i.type() == JsonType::kNull) return {};
  if (i.node != nullptr) return {c.text(i.type() == JsonType::kString ? i.node->text : i.node->raw), false};
  std::string out;
  jsonb_as_text(i.value, out, *c.context);
  return {c.text(out), false};
}
template <bool Text>
Datum give(const Item& i, FnCall& c) {
  if constexpr (!Text) return as_json(i, c);
  NullableDatum v = as_text(i, c);
  return v.is_null ? c.null() : v.value;
}

template <bool B, bool Text>
Datum object_field(FnCall& c) {
  if constexpr (B) {
    if (!JsonbView(c.arg(0)).is_object()) return c.null();
  }
  Doc d;
  open<B>(c, 0, &d);
  if (d.root.type() != JsonType::kObject) return c.null();
  int i = find_key(d.root, c.text_arg(1));
  return i < 0 ? c.null() : give<Text>(child(d.root, i), c);
}
template <bool B, bool Text>
Datum array_element(FnCall& c) {
  if constexpr (B) {
    // A scalar document is an array of one to this operator.
    JsonbView v(c.arg(0));
    if (v.is_scalar() && (c.int_arg(1) == 0 || c.int_arg(1) == -1)) {
      Item item;
      item.value = v.value(0);
      return give<Text>(item, c);
    }
  }
  Doc d;
  open<B>(c, 0, &d);
  if (d.root.type() != JsonType::kArray) return c.null();
  int64_t i = c.int_arg(1);
  int n = size_of(d.root);
  if (i < 0) i += n;
  if (i < 0 || i >= n) return c.null();
  return give<Text>(child(d.root, static_cast<int>(i)), c);
}
bool path_index(std::string_view s, int* out) {
  std::string copy(s);
  char* end;
  errno = 0;
  long v = std::strtol(copy.c_str(), &end, 10);
  if (end == copy.c_str() || *end != '\0' || errno != 0 || v > INT32_MAX || v < INT32_MIN) return false;
  *out = static_cast<int>(v);
  return true;
}
template <bool B, bool Text>
Datum extract_path(FnCall& c) {
  ArrayView path(c.arg(1));
  Doc d;
  open<B>(c, 0, &d);
  Item at = d.root;
  for (int i = 0; i < path.count(); ++i)
    if (path.is_null(i)) return c.null();
  for (int i = 0; i < path.count(); ++i) {
    std::string_view step = path.get(i).as_view();
    if (at.type() == JsonType::kObject) {
      int n = find_key(at, step);
      if (n < 0) return c.null();
      at = child(at, n);
    } else if (at.type() == JsonType::kArray) {
      int n;
      if (!path_index(step, &n)) return c.null();
      if (n < 0) n += size_of(at);
      if (n < 0 || n >= size_of(at)) return c.null();
      at = child(at, n);
    } else {
      return c.null();
    }
  }
  return give<Text>(at, c);
}

[[noreturn]] void invalid(std::string message) { throw Error(ErrorCode::kInvalidParameterValue, std::move(message)); }

template <bool B>
Datum array_length(FnCall& c) {
  Doc d;
  open<B>(c, 0, &d);
  if (d.root.type() == JsonType::kObject) invalid("cannot get array length of a non-array");
  if (d.root.type() != JsonType::kArray) invalid("cannot get array length of a scalar");
  return Datum::from_int(size_of(d.root));
}
template <bool B>
Datum type_name(FnCall& c) {
  Doc d;
  open<B>(c, 0, &d);
  static constexpr const char* kNames[] = {"null", "string", "number", "boolean", "boolean", "array", "object"};
  return c.text(kNames[static_cast<int>(d.root.type())]);
}

// ---- iteration. Mode: 'e' each, 'k' keys, 'a' elements
template <bool B, bool Text, char Mode>
class Iterate : public SetRows {
 public:
  explicit Iterate(FnCall& c) {
    document_.assign(c.text_arg(0));
    if constexpr (B) {
      copy_ = make_bytes(arena_, document_);
      doc_.root.value = JsonbView(copy_).root();
    } else {
      doc_.tree = parse_json(document_, arena_);
      doc_.root.node = &doc_.tree;
    }
    JsonType t = doc_.root.type();
    if (Mode == 'a') {
      const char* name = Text ? "json_array_elements_text" : "json_array_elements";
      if (t == JsonType::kObject) invalid(B ? "cannot extract elements from an object" : fmt::format("cannot call {} on a non-array", name));
      if (t != JsonType::kArray) invalid(B ? "cannot extract elements from a scalar" : fmt::format("cannot call {} on a scalar", name));
    } else if (Mode == 'k') {
      const char* name = B ? "jsonb_object_keys" : "json_object_keys";
      if (t == JsonType::kArray) invalid(fmt::format("cannot call {} on an array", name));
      if (t != JsonType::kObject) invalid(fmt::format("cannot call {} on a scalar", name));
    } else if (t != JsonType::kObject) {
      if (B) invalid(fmt::format("cannot call {} on a non-object", Text ? "jsonb_each_text" : "jsonb_each"));
      invalid(t == JsonType::kArray ? "cannot deconstruct an array as an object" : "cannot deconstruct a scalar");
    }
  }
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (at_ >= size_of(doc_.root)) return false;
    int i = at_++;
    nulls[0] = false;
    if constexpr (Mode == 'k') {
      out[0] = c.text(key_of(doc_.root, i));
      return true;
    }
    int column = 0;
    if constexpr (Mode == 'e') {
      out[0] = c.text(key_of(doc_.root, i));
      column = 1;
    }
    Item item = child(doc_.root, i);
    NullableDatum v = Text ? as_text(item, c) : NullableDatum{as_json(item, c), false};
    out[column] = v.value;
    nulls[column] = v.is_null;
    return true;
  }

 private:
  std::string document_;
  Arena arena_;
  Datum copy_;
  Doc doc_;
  int at_ = 0;
};
template <bool B, bool Text, char Mode>
std::unique_ptr<SetRows> iterate(FnCall& c) { return std::make_unique<Iterate<B, Text, Mode>>(c); }

// ---- jsonb operators
template <bool All>
Datum exists_many(FnCall& c) {
  JsonbView v(c.arg(0));
  ArrayView keys(c.arg(1));
  auto has = [&](std::string_view k) {
    if (v.is_object()) return v.find(k) >= 0;
    for (int i = 0; i < v.size(); ++i) {
      JsonbValue e = v.value(i);
      if (e.type == JsonType::kString && e.bytes == k) return true;
    }
    return false;
  };
  for (int i = 0; i < keys.count(); ++i) {
    if (keys.is_null(i)) continue;
    if (has(keys.get(i).as_view()) != All) return Datum::from_bool(!All);
  }
  return Datum::from_bool(All);
}
Datum exists(FnCall& c) {
  JsonbView v(c.arg(0));
  std::string_view k = c.text_arg(1);
  if (v.is_object()) return Datum::from_bool(v.find(k) >= 0);
  for (int i = 0; i < v.size(); ++i) {
    JsonbValue e = v.value(i);
    if (e.type == JsonType::kString && e.bytes == k) return Datum::from_bool(true);
  }
  return Datum::from_bool(false);
}
int cmp_jsonb(FnCall& c) { return jsonb_compare(JsonbView(c.arg(0)), JsonbView(c.arg(1))); }

[[noreturn]] void cannot_cast(JsonType t, const char* target) {
  static constexpr const char* kNames[] = {"null", "string", "numeric", "boolean", "boolean", "array", "object"};
  invalid(fmt::format("cannot cast jsonb {} to type {}", kNames[static_cast<int>(t)], target));
}
Datum jsonb_number(FnCall& c, const char* target) {
  JsonbValue v = JsonbView(c.arg(0)).root();
  if (v.type != JsonType::kNumber) cannot_cast(v.type, target);
  return v.numeric();
}

// PostgreSQL's visible hash: leaves combined with rotation, containers by their kind.
template <typename H>
struct JsonbHash {
  H h = 0;
  uint64_t seed = 0;

  static constexpr bool kWide = sizeof(H) == 8;
  void container(const JsonbView& v) {
    const uint32_t kind = v.is_object() ? 0x20000000u : 0x40000000u;
    if constexpr (kWide) h ^= uint64_t{kind} << 32 | kind;
    else h ^= kind;
    for (int i = 0; i < v.size(); ++i) {
      if (v.is_object()) leaf(bytes(v.key(i)));
      const JsonbValue x = v.value(i);
      switch (x.type) {
        case JsonType::kArray:
        case JsonType::kObject: container(x.view()); break;
        case JsonType::kNull: leaf(static_cast<H>(seed + 1)); break;
        case JsonType::kString: leaf(bytes(x.bytes)); break;
        case JsonType::kNumber:
          if constexpr (kWide) leaf(pg_hash_numeric_extended(x.numeric(), seed));
          else leaf(pg_hash_numeric(x.numeric()));
          break;
        default:
          if (kWide && seed != 0) leaf(static_cast<H>(pg_hash_uint32_extended(x.boolean() ? 1 : 0, seed)));
          else leaf(x.boolean() ? 2 : 4);
      }
    }
  }
  H bytes(std::string_view s) const {
    if constexpr (kWide) return pg_hash_any_extended(s, seed);
    else return pg_hash_any(s);
  }
  void leaf(H one) {
    // Both halves of a wide hash rotate on their own.
    if constexpr (kWide) h = ((h << 1) & 0xfffffffefffffffeull) | ((h >> 31) & 0x100000001ull);
    else h = std::rotl(h, 1);
    h ^= one;
  }
};

// ---- rows
template <bool B>
JsonNode row_source(FnCall& c, int arg) {
  if (B) return JsonNode::of(JsonbView(c.arg(arg)).root());
  return parse_json(c.text_arg(arg), *c.arena);
}
struct RowShape {
  Oid type = oid::kRecord;
  std::vector<CompositeColumn> columns;
};
RowShape row_shape(FnCall& c, const char* function) {
  RowShape s;
  if (c.record_columns != nullptr) {
    s.columns = *c.record_columns;
    return s;
  }
  Oid type = c.nargs > 1 && c.arg_types[0] != oid::kRecord && c.arg_types[0] != oid::kUnknown ? c.arg_types[0] : c.result_type;
  if (c.nargs > 1 && type == oid::kRecord && !c.is_null(0)) {
    RecordView r(c.arg(0));
    if (r.type() != oid::kRecord) {
      type = r.type();
    } else {
      auto names = record_column_names(r, *c.context);
      for (int i = 0; i < r.count(); ++i) s.columns.push_back({names[static_cast<size_t>(i)], r.column_type(i), -1, false});
      return s;
    }
  }
  if (type == oid::kRecord || type == 0)
    throw Error(ErrorCode::kFeatureNotSupported, fmt::format("could not determine row type for result of {}", function))
        .hint(c.nargs > 1 ? "Provide a non-null record argument, or call the function in the FROM clause using a column definition list."
                          : "Call the function in the FROM clause using a column definition list.");
  while (true) {
    auto facts = c.context->catalog->type_facts(type);
    if (facts.kind == 'c') break;
    if (facts.kind != 'd') throw Error(ErrorCode::kDatatypeMismatch, fmt::format("first argument of {} must be a row type", function));
    type = facts.base;
  }
  s.type = type;
  for (const CompositeColumn& col : c.context->catalog->composite_columns(type))
    if (!col.dropped) s.columns.push_back(col);
  return s;
}
void row_values(FnCall& c, const RowShape& shape, JsonNode object, NullableDatum base, bool b, std::vector<NullableDatum>* values) {
  object.unfold();
  int position = 0;
  for (const CompositeColumn& col : shape.columns) {
    NullableDatum v;
    if (!base.is_null) v = RecordView(base.value).at(position);
    ++position;
    for (size_t i = object.keys.size(); i-- > 0;)
      if (object.keys[i] == col.name) {
        v = json_to_value(object.items[i], col.type, col.typmod, col.name, v, b, *c.arena, *c.context);
        break;
      }
    values->push_back(v);
  }
}
Datum row_record(FnCall& c, const RowShape& shape, const std::vector<NullableDatum>& values) {
  std::vector<ElementInfo> infos;
  std::vector<std::string> names;
  for (const CompositeColumn& col : shape.columns) {
    infos.push_back(element_info(col.type, c.context));
    names.push_back(col.name);
  }
  return make_record(shape.type, shape.type == oid::kRecord ? intern_record_shape(names) : -1, infos, values, *c.arena);
}
template <bool B, bool Populate>
Datum to_record(FnCall& c) {
  const char* name = B ? (Populate ? "jsonb_populate_record" : "jsonb_to_record") : (Populate ? "json_populate_record" : "json_to_record");
  int source = Populate ? 1 : 0;
  if (c.is_null(source)) {
    if (!Populate || c.is_null(0)) return c.null();
    return c.arg(0);
  }
  RowShape shape = row_shape(c, name);
  JsonNode object = row_source<B>(c, source);
  if (object.type != JsonType::kObject) {
    if (object.type == JsonType::kNull) return c.null();
    invalid(fmt::format("cannot call populate_composite on {}", object.type == JsonType::kArray ? "an array" : "a scalar"));
  }
  NullableDatum base;
  if (Populate && !c.is_null(0)) base = {c.arg(0), false};
  std::vector<NullableDatum> values;
  row_values(c, shape, std::move(object), base, B, &values);
  return row_record(c, shape, values);
}

// Rows as columns of the composite type or of the column definition list.
template <bool B, bool Populate>
class RecordSet : public SetRows {
 public:
  explicit RecordSet(FnCall& c) {
    int source = Populate ? 1 : 0;
    const char* name = B ? (Populate ? "jsonb_populate_recordset" : "jsonb_to_recordset") : (Populate ? "json_populate_recordset" : "json_to_recordset");
    if (c.is_null(source)) return;
    shape_ = row_shape(c, name);
    document_.assign(c.text_arg(source));
    tree_ = B ? JsonNode::of(JsonbView(make_bytes(arena_, document_)).root()) : parse_json(document_, arena_);
    if (tree_.type != JsonType::kArray)
      invalid(fmt::format("cannot call {} on {}", name, tree_.type == JsonType::kObject ? (B ? "a non-array" : "an object") : (B ? "a non-array" : "a scalar")));
    tree_.unfold();
    for (const JsonNode& n : tree_.items)
      if (n.type != JsonType::kObject) invalid(fmt::format("argument of {} must be an array of objects", name));
    if (Populate && !c.is_null(0)) base_ = {copy_datum(false, c.arg(0), arena_), false};
  }
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (at_ >= tree_.items.size()) return false;
    std::vector<NullableDatum> values;
    row_values(c, shape_, tree_.items[at_++], base_, B, &values);
    for (size_t i = 0; i < values.size(); ++i) {
      out[i] = values[i].value;
      nulls[i] = values[i].is_null;
    }
    return true;
  }

 private:
  Arena arena_;
  std::string document_;
  RowShape shape_;
  JsonNode tree_;
  NullableDatum base_;
  size_t at_ = 0;
};
template <bool B, bool Populate>
std::unique_ptr<SetRows> record_set(FnCall& c) { return std::make_unique<RecordSet<B, Populate>>(c); }

template <bool B>
void add_both(FunctionRegistry& r, const std::string& p) {
  auto n = [&](const char* s) { return keep_name(p + s); };
  r.add(n("object_field"), object_field<B, false>);
  r.add(n("object_field_text"), object_field<B, true>);
  r.add(n("array_element"), array_element<B, false>);
  r.add(n("array_element_text"), array_element<B, true>);
  r.add(n("extract_path"), extract_path<B, false>);
  r.add(n("extract_path_text"), extract_path<B, true>);
  r.add(n("array_length"), array_length<B>);
  r.add(n("typeof"), type_name<B>);
  r.add_set(n("each"), iterate<B, false, 'e'>);
  r.add_set(n("each_text"), iterate<B, true, 'e'>);
  r.add_set(n("object_keys"), iterate<B, false, 'k'>);
  r.add_set(n("array_elements"), iterate<B, false, 'a'>);
  r.add_set(n("array_elements_text"), iterate<B, true, 'a'>);
  r.add(n("populate_record"), to_record<B, true>);
  r.add(n("to_record"), to_record<B, false>);
  r.add_set(n("populate_recordset"), record_set<B, true>);
  r.add_set(n("to_recordset"), record_set<B, false>);
}

}  // namespace

void register_json_types(TypeTable& t) {
  t.io(oid::kJson, {json_input, json_output, json_input, json_output});
  t.io(oid::kJsonb, {jsonb_input, jsonb_output, jsonb_receive, jsonb_sender});
  t.ops(oid::kJsonb, {compare_jsonb, equal_jsonb, hash_jsonb, encode_jsonb, nullptr, skip_key});
}

void register_json_build_functions(FunctionRegistry&);  // json_build.cc

void register_json_functions(FunctionRegistry& r) {
  register_json_build_functions(r);
  r.add("json_in", input_function<json_input>);
  r.add("json_recv", input_function<json_input>);
  r.add("json_out", output_function<json_output>);
  r.add("json_send", output_function<json_output>);
  r.add("jsonb_in", input_function<jsonb_input>);
  r.add("jsonb_out", output_function<jsonb_output>);
  r.add("jsonb_recv", input_function<jsonb_receive>);
  r.add("jsonb_send", output_function<jsonb_sender>);
  add_both<false>(r, "json_");
  add_both<true>(r, "jsonb_");
  add_comparisons<cmp_jsonb>(r, "jsonb_");
  r.add("jsonb_contains", [](FnCall& c) { return Datum::from_bool(jsonb_contains(JsonbView(c.arg(0)), JsonbView(c.arg(1)))); });
  r.add("jsonb_contained", [](FnCall& c) { return Datum::from_bool(jsonb_contains(JsonbView(c.arg(1)), JsonbView(c.arg(0)))); });
  r.add("jsonb_exists", exists);
  r.add("jsonb_exists_any", exists_many<false>);
  r.add("jsonb_exists_all", exists_many<true>);
  r.add("jsonb_hash", [](FnCall& c) {
    const JsonbView v(c.arg(0));
    JsonbHash<uint32_t> hash;
    if (v.size() > 0) hash.container(v);
    return Datum::from_int(static_cast<int32_t>(hash.h));
  });
  r.add("jsonb_hash_extended", [](FnCall& c) {
    const JsonbView v(c.arg(0));
    if (v.size() == 0) return c.arg(1);
    JsonbHash<uint64_t> hash{0, c.args[1].bits};
    hash.container(v);
    return Datum{hash.h};
  });
  r.add("jsonb_bool", [](FnCall& c) {
    JsonbValue v = JsonbView(c.arg(0)).root();
    if (v.type != JsonType::kTrue && v.type != JsonType::kFalse) cannot_cast(v.type, "boolean");
    return Datum::from_bool(v.boolean());
  });
  r.add("jsonb_numeric", [](FnCall& c) { return copy_datum(false, jsonb_number(c, "numeric"), *c.arena); });
  r.add("jsonb_int2", [](FnCall& c) { return call_native("numeric_int2", {jsonb_number(c, "smallint")}, c); });
  r.add("jsonb_int4", [](FnCall& c) { return call_native("numeric_int4", {jsonb_number(c, "integer")}, c); });
  r.add("jsonb_int8", [](FnCall& c) { return call_native("numeric_int8", {jsonb_number(c, "bigint")}, c); });
  r.add("jsonb_float4", [](FnCall& c) { return call_native("numeric_float4", {jsonb_number(c, "real")}, c); });
  r.add("jsonb_float8", [](FnCall& c) { return call_native("numeric_float8", {jsonb_number(c, "double precision")}, c); });
}

}  // namespace stele
