// jsonb's stored form: encoding, reading, text, order, containment, edits.
#include "types/jsonb.h"

#include "base/codec.h"
#include "base/error.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/type_io.h"
#include "types/type_ops.h"

namespace stele {

namespace {

size_t align8(size_t n) { return (n + 7) & ~size_t{7}; }
bool aligned_type(JsonType t) { return t == JsonType::kNumber || is_json_container(t); }
bool key_less(std::string_view a, std::string_view b) {
  return a.size() != b.size() ? a.size() < b.size() : std::memcmp(a.data(), b.data(), a.size()) < 0;
}

class Encoder {
 public:
  Encoder(Arena& arena, EvalContext* ctx) : arena_(arena), ctx_(ctx) {}

  void container(const JsonNode& n) {
    if (n.stored) {
      out.append(n.text);
      return;
    }
    if (n.type == JsonType::kArray) {
      begin(JsonView::kArrayBit, n.items.size());
      size_t base = out.size() - 4, entries = out.size();
      out.append(4 * n.items.size(), '\0');
      pad();
      size_t data = out.size();
      for (size_t i = 0; i < n.items.size(); ++i) value(n.items[i], entries + 4 * i, data);
      (void)base;
      return;
    }
    // Keep the last of equal keys.
    std::vector<uint32_t> order(n.keys.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint32_t>(i);
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return key_less(n.keys[a], n.keys[b]); });
    size_t kept = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i + 1 < order.size() && n.keys[order[i]] == n.keys[order[i + 1]]) continue;
      order[kept++] = order[i];
    }
    order.resize(kept);
    begin(JsonView::kObjectBit, kept);
    size_t entries = out.size();
    out.append(8 * kept, '\0');
    pad();
    size_t data = out.size();
    for (size_t i = 0; i < kept; ++i) {
      out.append(n.keys[order[i]]);
      store_le<uint32_t>(out.data() + entries + 4 * i, offset(data));
    }
    for (size_t i = 0; i < kept; ++i) value(n.items[order[i]], entries + 4 * (kept + i), data);
  }
  void scalar(const JsonNode& n) {
    begin(JsonView::kArrayBit | JsonView::kScalarBit, 1);
    size_t entries = out.size();
    out.append(4, '\0');
    value(n, entries, out.size());
  }
  std::string out;

 private:
  using JsonView = JsonbView;
  void begin(uint32_t bits, size_t count) {
    if (count > JsonView::kCountMask)
      throw Error(ErrorCode::kProgramLimitExceeded, "number of jsonb object pairs exceeds the maximum allowed (268435455)");
    put_le<uint32_t>(out, bits | static_cast<uint32_t>(count));
  }
  void pad() { out.append(align8(out.size()) - out.size(), '\0'); }
  uint32_t offset(size_t data) {
    size_t o = out.size() - data;
    if (o > JsonView::kOffsetMask)
      throw Error(ErrorCode::kProgramLimitExceeded, "total size of jsonb array elements exceeds the maximum of 268435455 bytes");
    return static_cast<uint32_t>(o);
  }
  void value(const JsonNode& n, size_t entry, size_t data) {
    switch (n.type) {
      case JsonType::kString: out.append(n.text); break;
      case JsonType::kNumber: {
        pad();
        const Varlena* v = n.number != nullptr ? n.number : type_input(oid::kNumeric, n.text, -1, arena_, *ctx_).as_varlena();
        uint32_t head[2] = {v->size, 0};
        out.append(reinterpret_cast<const char*>(head), 8);
        out.append(v->view());
        break;
      }
      case JsonType::kArray:
      case JsonType::kObject:
        pad();
        container(n);
        break;
      default: break;
    }
    uint32_t end = offset(data);
    store_le<uint32_t>(out.data() + entry, static_cast<uint32_t>(n.type) << 29 | end);
  }
  Arena& arena_;
  EvalContext* ctx_;
};

}  // namespace

uint32_t JsonbView::word(size_t i) const { return load_le<uint32_t>(base_ + 4 * i); }
size_t JsonbView::data_start() const {
  size_t n = header() & kCountMask;
  return align8(4 + 4 * n * (is_object() ? 2 : 1));
}
std::string_view JsonbView::key(int i) const {
  size_t start = i == 0 ? 0 : word(static_cast<size_t>(i));
  return {base_ + data_start() + start, word(static_cast<size_t>(i) + 1) - start};
}
int JsonbView::find(std::string_view k) const {
  if (!is_object()) return -1;
  int lo = 0, hi = size();
  while (lo < hi) {
    int mid = (lo + hi) / 2;
    std::string_view m = key(mid);
    if (key_less(m, k)) lo = mid + 1;
    else if (key_less(k, m)) hi = mid;
    else return mid;
  }
  return -1;
}
JsonbValue JsonbView::value(int i) const {
  size_t n = static_cast<size_t>(size());
  size_t first = 1 + (is_object() ? n : 0);
  uint32_t entry = word(first + static_cast<size_t>(i));
  size_t start;
  if (i > 0) start = word(first + static_cast<size_t>(i) - 1) & kOffsetMask;
  else start = is_object() ? word(n) : 0;
  size_t end = entry & kOffsetMask;
  JsonbValue v;
  v.type = static_cast<JsonType>(entry >> 29);
  if (aligned_type(v.type)) start = align8(start);
  const char* p = base_ + data_start() + start;
  if (v.type == JsonType::kNumber) v.number = reinterpret_cast<const Varlena*>(p);
  v.bytes = {p, end - start};
  return v;
}
JsonbValue JsonbView::root() const {
  if (is_scalar()) return value(0);
  JsonbValue v;
  v.type = is_object() ? JsonType::kObject : JsonType::kArray;
  v.bytes = {base_, size_};
  return v;
}

JsonNode JsonNode::of(const JsonbValue& v) {
  JsonNode n;
  n.type = v.type;
  n.text = v.bytes;
  n.number = v.number;
  n.stored = v.is_container();
  return n;
}
void JsonNode::unfold() {
  if (!stored) return;
  JsonbView view(text);
  stored = false;
  items.clear();
  keys.clear();
  for (int i = 0; i < view.size(); ++i) {
    if (type == JsonType::kObject) keys.push_back(view.key(i));
    items.push_back(of(view.value(i)));
  }
}

Datum make_jsonb(const JsonNode& root, Arena& arena, EvalContext& ctx) {
  Encoder e(arena, &ctx);
  if (is_json_container(root.type)) e.container(root);
  else e.scalar(root);
  return make_bytes(arena, e.out);
}
Datum make_jsonb(const JsonbValue& v, Arena& arena) {
  if (v.is_container()) return make_bytes(arena, v.bytes);
  Encoder e(arena, nullptr);
  e.scalar(JsonNode::of(v));
  return make_bytes(arena, e.out);
}
Datum jsonb_from_text(std::string_view text, Arena& arena, EvalContext& ctx) {
  return make_jsonb(parse_json(text, arena), arena, ctx);
}

namespace {
void put_scalar(const JsonbValue& v, std::string& out, EvalContext& ctx) {
  switch (v.type) {
    case JsonType::kNull: out += "null"; break;
    case JsonType::kFalse: out += "false"; break;
    case JsonType::kTrue: out += "true"; break;
    case JsonType::kString: put_json_string(v.bytes, out); break;
    case JsonType::kNumber: type_output(oid::kNumeric, v.numeric(), out, ctx); break;
    default: break;
  }
}
}  // namespace

void jsonb_to_text(const JsonbValue& v, std::string& out, EvalContext& ctx) {
  if (!v.is_container()) {
    put_scalar(v, out, ctx);
    return;
  }
  JsonbView view = v.view();
  bool object = v.type == JsonType::kObject;
  out.push_back(object ? '{' : '[');
  for (int i = 0; i < view.size(); ++i) {
    if (i > 0) out += ", ";
    if (object) {
      put_json_string(view.key(i), out);
      out += ": ";
    }
    jsonb_to_text(view.value(i), out, ctx);
  }
  out.push_back(object ? '}' : ']');
}
void jsonb_to_text(Datum jsonb, std::string& out, EvalContext& ctx) { jsonb_to_text(JsonbView(jsonb).root(), out, ctx); }

void jsonb_pretty(const JsonbValue& v, int level, std::string& out, EvalContext& ctx) {
  if (!v.is_container()) {
    put_scalar(v, out, ctx);
    return;
  }
  JsonbView view = v.view();
  bool object = v.type == JsonType::kObject;
  auto indent = [&](int n) {
    out.push_back('\n');
    out.append(static_cast<size_t>(n) * 4, ' ');
  };
  out.push_back(object ? '{' : '[');
  for (int i = 0; i < view.size(); ++i) {
    if (i > 0) out.push_back(',');
    indent(level + 1);
    if (object) {
      put_json_string(view.key(i), out);
      out += ": ";
    }
    jsonb_pretty(view.value(i), level + 1, out, ctx);
  }
  indent(level);
  out.push_back(object ? '}' : ']');
}

bool jsonb_as_text(const JsonbValue& v, std::string& out, EvalContext& ctx) {
  if (v.type == JsonType::kNull) return false;
  if (v.type == JsonType::kString) out.append(v.bytes);
  else jsonb_to_text(v, out, ctx);
  return true;
}

namespace {
int rank(JsonType t) {
  switch (t) {
    case JsonType::kNull: return 0;
    case JsonType::kString: return 1;
    case JsonType::kNumber: return 2;
    case JsonType::kFalse:
    case JsonType::kTrue: return 3;
    case JsonType::kArray: return 4;
    default: return 5;
  }
}
int sign(int c) { return c < 0 ? -1 : c > 0; }
int compare_bytes(std::string_view a, std::string_view b) { return sign(a.compare(b)); }
int compare_scalars(const JsonbValue& a, const JsonbValue& b) {
  switch (a.type) {
    case JsonType::kString: return compare_bytes(a.bytes, b.bytes);
    case JsonType::kNumber: return sign(type_ops(oid::kNumeric).compare(a.numeric(), b.numeric(), 0));
    case JsonType::kFalse:
    case JsonType::kTrue: return a.type == b.type ? 0 : a.type == JsonType::kTrue ? 1 : -1;
    default: return 0;
  }
}
int compare_values(const JsonbValue& a, const JsonbValue& b) {
  if (rank(a.type) != rank(b.type)) return rank(a.type) > rank(b.type) ? 1 : -1;
  if (a.is_container()) return jsonb_compare(a.view(), b.view());
  return compare_scalars(a, b);
}
}  // namespace

int jsonb_compare(const JsonbView& a, const JsonbView& b) {
  if (a.is_object() != b.is_object() || a.is_scalar() != b.is_scalar()) {
    // An empty array sorts before everything, a quirk that indexes of PostgreSQL rely on.
    bool empty_a = a.is_array() && a.size() == 0, empty_b = b.is_array() && b.size() == 0;
    if (empty_a != empty_b && !(a.is_object() && b.is_object()) && (a.is_scalar() || b.is_scalar())) return empty_a ? -1 : 1;
    int ra = a.is_object() ? 2 : a.is_array() ? 1 : 0, rb = b.is_object() ? 2 : b.is_array() ? 1 : 0;
    return ra > rb ? 1 : -1;
  }
  if (a.size() != b.size()) return a.size() > b.size() ? 1 : -1;
  for (int i = 0; i < a.size(); ++i) {
    if (a.is_object()) {
      std::string_view ka = a.key(i), kb = b.key(i);
      int c = compare_bytes(ka, kb);
      if (c != 0) return c;
    }
    int c = compare_values(a.value(i), b.value(i));
    if (c != 0) return c;
  }
  return 0;
}

bool jsonb_scalar_equal(const JsonbValue& a, const JsonbValue& b) { return a.type == b.type && compare_scalars(a, b) == 0; }

bool jsonb_equal(const JsonbView& a, const JsonbView& b) {
  if (a.bytes().size() == b.bytes().size() && a.bytes() == b.bytes()) return true;
  return jsonb_compare(a, b) == 0;
}

bool jsonb_contains(const JsonbView& a, const JsonbView& b) {
  if (b.is_object()) {
    if (!a.is_object() || a.size() < b.size()) return false;
    for (int i = 0; i < b.size(); ++i) {
      int at = a.find(b.key(i));
      if (at < 0) return false;
      JsonbValue x = a.value(at), y = b.value(i);
      if (y.is_container()) {
        if (x.type != y.type || !jsonb_contains(x.view(), y.view())) return false;
      } else if (!jsonb_scalar_equal(x, y)) {
        return false;
      }
    }
    return true;
  }
  if (a.is_object() || (a.is_scalar() && !b.is_scalar())) return false;
  for (int i = 0; i < b.size(); ++i) {
    JsonbValue y = b.value(i);
    bool found = false;
    for (int j = 0; j < a.size() && !found; ++j) {
      JsonbValue x = a.value(j);
      if (x.type != y.type) continue;
      found = y.is_container() ? jsonb_contains(x.view(), y.view()) : jsonb_scalar_equal(x, y);
    }
    if (!found) return false;
  }
  return true;
}

uint64_t jsonb_hash(const JsonbView& v) {
  uint64_t h = mix64(static_cast<uint64_t>(v.size()) * 4 + (v.is_object() ? 2 : v.is_scalar() ? 1 : 0) + 1);
  for (int i = 0; i < v.size(); ++i) {
    if (v.is_object()) h = mix64(h ^ hash_bytes(v.key(i)));
    JsonbValue x = v.value(i);
    uint64_t one = static_cast<uint64_t>(x.type);
    if (x.is_container()) one = jsonb_hash(x.view());
    else if (x.type == JsonType::kString) one = hash_bytes(x.bytes);
    else if (x.type == JsonType::kNumber) one = type_ops(oid::kNumeric).hash(x.numeric(), 0);
    h = mix64(h * 31 + one);
  }
  return h;
}

namespace {

bool parse_index(std::string_view s, int* out) {
  std::string copy(s);
  if (copy.empty()) return false;
  char* end;
  errno = 0;
  long v = std::strtol(copy.c_str(), &end, 10);
  if (end == copy.c_str() || *end != '\0' || errno != 0 || v > INT32_MAX || v < INT32_MIN) return false;
  *out = static_cast<int>(v);
  return true;
}

// {path[level+1]: {...: value}}: what fills a gap.
JsonNode chain(const std::vector<const std::string*>& path, size_t level, const JsonNode& value) {
  if (level == path.size()) return value;
  int index;
  if (parse_index(*path[level], &index)) {
    JsonNode a = JsonNode::array();
    for (int i = 0; i < index; ++i) a.add(JsonNode::null());
    a.add(chain(path, level + 1, value));
    return a;
  }
  JsonNode o = JsonNode::object();
  o.add(*path[level], chain(path, level + 1, value));
  return o;
}

}  // namespace

JsonNode edit_json(JsonNode node, const std::vector<const std::string*>& path, size_t level, const JsonNode* value, int edit) {
  if (level < path.size() && path[level] == nullptr)
    throw Error(ErrorCode::kNullValueNotAllowed, fmt::format("path element at position {} is null", level + 1));
  if (!is_json_container(node.type)) {
    if ((edit & kJsonConsistent) != 0 && level < path.size())
      throw Error(ErrorCode::kInvalidParameterValue, "cannot replace existing key")
          .detail("The path assumes key is a composite object, but it is a scalar value.");
    return node;
  }
  constexpr int kCreateOrInsert = kJsonCreate | kJsonInsertBefore | kJsonInsertAfter;
  node.unfold();
  bool last = level + 1 == path.size();
  const std::string& step = *path[level];
  if (node.type == JsonType::kObject) {
    auto it = std::find(node.keys.begin(), node.keys.end(), step);
    if (it != node.keys.end()) {
      size_t i = static_cast<size_t>(it - node.keys.begin());
      if (!last) {
        node.items[i] = edit_json(std::move(node.items[i]), path, level + 1, value, edit);
      } else if ((edit & (kJsonInsertBefore | kJsonInsertAfter)) != 0) {
        throw Error(ErrorCode::kInvalidParameterValue, "cannot replace existing key")
            .hint("Try using the function jsonb_set to replace key value.");
      } else if ((edit & kJsonDelete) != 0) {
        node.keys.erase(it);
        node.items.erase(node.items.begin() + static_cast<ptrdiff_t>(i));
      } else {
        node.items[i] = *value;
      }
    } else if (last && (edit & kCreateOrInsert) != 0) {
      node.add(step, *value);
    } else if (!last && (edit & kJsonFillGaps) != 0) {
      node.add(step, chain(path, level + 1, *value));
    }
    return node;
  }
  int index;
  if (!parse_index(step, &index))
    throw Error(ErrorCode::kInvalidTextRepresentation,
                fmt::format("path element at position {} is not an integer: \"{}\"", level + 1, step));
  int count = static_cast<int>(node.items.size());
  bool prepend = false;
  if (index < 0) {
    if (-int64_t{index} > count) {
      if ((edit & kJsonConsistent) != 0)
        throw Error(ErrorCode::kInvalidParameterValue,
                    fmt::format("path element at position {} is out of range: {}", level + 1, index));
      prepend = true;
    } else {
      index += count;
    }
  } else if (index > count && (edit & kJsonFillGaps) == 0) {
    index = count;
  }
  auto at = [&](int i) { return node.items.begin() + i; };
  if (prepend) {
    if (last && (edit & kCreateOrInsert) != 0) node.items.insert(at(0), *value);
  } else if (index < count) {
    if (!last) {
      *at(index) = edit_json(std::move(*at(index)), path, level + 1, value, edit);
    } else if ((edit & kJsonDelete) != 0) {
      node.items.erase(at(index));
    } else if ((edit & kJsonInsertBefore) != 0) {
      node.items.insert(at(index), *value);
    } else if ((edit & kJsonInsertAfter) != 0) {
      node.items.insert(at(index + 1), *value);
    } else {
      *at(index) = *value;
    }
  } else if (last && (edit & kCreateOrInsert) != 0) {
    if ((edit & kJsonFillGaps) != 0)
      while (static_cast<int>(node.items.size()) < index) node.add(JsonNode::null());
    node.add(*value);
  } else if (!last && (edit & kJsonFillGaps) != 0) {
    while (static_cast<int>(node.items.size()) < index) node.add(JsonNode::null());
    node.add(chain(path, level + 1, *value));
  }
  return node;
}

NullableDatum jsonb_get(Datum jsonb, const std::vector<std::string>& path, Arena& arena) {
  JsonbView view(jsonb);
  if (path.empty()) return {jsonb, false};
  if (view.is_scalar()) return {};
  JsonbValue v = view.root();
  for (const std::string& step : path) {
    if (v.type == JsonType::kObject) {
      int i = v.view().find(step);
      if (i < 0) return {};
      v = v.view().value(i);
    } else if (v.type == JsonType::kArray) {
      int index;
      if (!parse_index(step, &index)) return {};
      int n = v.view().size();
      if (index < 0) index += n;
      if (index < 0 || index >= n) return {};
      v = v.view().value(index);
    } else {
      return {};
    }
  }
  return {make_jsonb(v, arena), false};
}

Datum jsonb_assign(NullableDatum jsonb, const std::vector<std::string>& path, NullableDatum value, Arena& arena, EvalContext& ctx) {
  std::vector<const std::string*> steps;
  for (const std::string& s : path) steps.push_back(&s);
  JsonNode source = value.is_null ? JsonNode::null() : JsonNode::of(JsonbView(value.value).root());
  JsonNode root;
  if (jsonb.is_null) {
    int index;
    root = !path.empty() && parse_index(path[0], &index) ? JsonNode::array() : JsonNode::object();
  } else {
    root = JsonNode::of(JsonbView(jsonb.value).root());
    if (!is_json_container(root.type))
      throw Error(ErrorCode::kInvalidParameterValue, "cannot replace existing key")
          .detail("The path assumes key is a composite object, but it is a scalar value.");
  }
  return make_jsonb(edit_json(std::move(root), steps, 0, &source, kJsonCreate | kJsonFillGaps | kJsonConsistent), arena, ctx);
}

}  // namespace stele
