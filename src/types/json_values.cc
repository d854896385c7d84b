// SQL values as JSON, and back.
#include "base/error.h"
#include "types/array.h"
#include "types/builtin.h"
#include "types/datetime.h"
#include "types/function_helpers.h"
#include "types/jsonb.h"
#include "types/oids.h"
#include "types/record.h"
#include "types/type_io.h"

namespace stele {

namespace {

enum class Category : uint8_t { kBool, kNumber, kDateTime, kJson, kJsonb, kArray, kRecord, kOther };

CatalogLookup::TypeFacts facts_of(Oid type, EvalContext& ctx) {
  if (const BuiltinType* b = builtin::type(type))
    return {b->kind, b->category, b->is_true_array() ? b->element : 0, b->array, 0, -1, b->delimiter, passed_by_value(type), 0};
  if (ctx.catalog == nullptr) throw Error(ErrorCode::kInternalError, fmt::format("cache lookup failed for type {}", type));
  return ctx.catalog->type_facts(type);
}

Category categorize(Oid type, EvalContext& ctx) {
  switch (type) {
    case oid::kBool: return Category::kBool;
    case oid::kInt2: case oid::kInt4: case oid::kInt8: case oid::kFloat4: case oid::kFloat8: case oid::kNumeric:
      return Category::kNumber;
    case oid::kDate: case oid::kTimestamp: case oid::kTimestamptz: return Category::kDateTime;
    case oid::kJson: return Category::kJson;
    case oid::kJsonb: return Category::kJsonb;
    case oid::kAnyArray: case oid::kRecordArray: return Category::kArray;
    case oid::kRecord: return Category::kRecord;
    default: break;
  }
  auto facts = facts_of(type, ctx);
  if (facts.kind == 'd') return categorize(facts.base, ctx);
  if (facts.element != 0) return Category::kArray;
  if (facts.kind == 'c') return Category::kRecord;
  return Category::kOther;
}
Oid base_type(Oid type, EvalContext& ctx) {
  if (builtin::type(type) != nullptr) return type;
  auto facts = facts_of(type, ctx);
  return facts.kind == 'd' ? base_type(facts.base, ctx) : type;
}

// Is it a number JSON can show bare?
bool json_number(std::string_view s) {
  size_t i = 0;
  auto digits = [&] {
    size_t start = i;
    while (i < s.size() && s[i] >= '0' && s[i] <= '9') ++i;
    return i > start;
  };
  if (i < s.size() && s[i] == '-') ++i;
  if (i < s.size() && s[i] == '0') ++i;
  else if (!digits()) return false;
  if (i < s.size() && s[i] == '.') {
    ++i;
    if (!digits()) return false;
  }
  if (i < s.size() && (s[i] == 'e' || s[i] == 'E')) {
    ++i;
    if (i < s.size() && (s[i] == '+' || s[i] == '-')) ++i;
    if (!digits()) return false;
  }
  return i == s.size();
}

void array_json(const ArrayView& a, int dim, int* at, bool line_feeds, std::string& out, EvalContext& ctx) {
  out.push_back('[');
  for (int i = 0; i < a.length(dim); ++i) {
    if (i > 0) out += line_feeds ? ",\n " : ",";
    if (dim + 1 < a.ndim()) array_json(a, dim + 1, at, false, out, ctx);
    else value_to_json(a.element(), a.at((*at)++), out, ctx);
  }
  out.push_back(']');
}

}  // namespace

void value_to_json(Oid type, NullableDatum v, std::string& out, EvalContext& ctx, bool pretty) {
  if (v.is_null) {
    out += "null";
    return;
  }
  switch (categorize(type, ctx)) {
    case Category::kBool: out += v.value.as_bool() ? "true" : "false"; return;
    case Category::kNumber: {
      std::string text;
      type_output(base_type(type, ctx), v.value, text, ctx);
      if (json_number(text)) out += text;
      else put_json_string(text, out);
      return;
    }
    case Category::kDateTime:
      out.push_back('"');
      format_json_datetime(base_type(type, ctx), v.value, out, ctx);
      out.push_back('"');
      return;
    case Category::kJson: out.append(v.value.as_view()); return;
    case Category::kJsonb: jsonb_to_text(v.value, out, ctx); return;
    case Category::kArray: {
      ArrayView a(v.value);
      int at = 0;
      if (a.count() == 0) out += "[]";
      else array_json(a, 0, &at, pretty, out, ctx);
      return;
    }
    case Category::kRecord: {
      RecordView r(v.value);
      std::vector<std::string> names = record_column_names(r, ctx);
      out.push_back('{');
      for (int i = 0; i < r.count(); ++i) {
        if (i > 0) out += pretty ? ",\n " : ",";
        put_json_string(static_cast<size_t>(i) < names.size() ? names[static_cast<size_t>(i)] : fmt::format("f{}", i + 1), out);
        out.push_back(':');
        value_to_json(r.column_type(i), r.at(i), out, ctx);
      }
      out.push_back('}');
      return;
    }
    case Category::kOther: {
      std::string text;
      type_output(type, v.value, text, ctx);
      put_json_string(text, out);
    }
  }
}

JsonNode value_to_json_node(Oid type, NullableDatum v, Arena& arena, EvalContext& ctx, bool as_key) {
  if (v.is_null) return JsonNode::null();
  Category category = categorize(type, ctx);
  if (as_key && (category == Category::kArray || category == Category::kRecord || category == Category::kJson || category == Category::kJsonb))
    throw Error(ErrorCode::kInvalidParameterValue, "key value must be scalar, not array, composite, or json");
  auto text_node = [&] {
    std::string text;
    if (category == Category::kDateTime) format_json_datetime(base_type(type, ctx), v.value, text, ctx);
    else type_output(type, v.value, text, ctx);
    return JsonNode::string(arena.copy(text));
  };
  if (as_key) return category == Category::kBool ? JsonNode::string(v.value.as_bool() ? "true" : "false") : text_node();
  switch (category) {
    case Category::kBool: return JsonNode::boolean(v.value.as_bool());
    case Category::kNumber: {
      Oid base = base_type(type, ctx);
      if (base == oid::kNumeric) {
        std::string text;
        type_output(base, v.value, text, ctx);
        if (!json_number(text)) return JsonNode::string(arena.copy(text));
        return JsonNode::numeric(v.value);
      }
      JsonNode n = text_node();
      if (json_number(n.text)) n.type = JsonType::kNumber;
      return n;
    }
    case Category::kJson: return parse_json(v.value.as_view(), arena);
    case Category::kJsonb: return JsonNode::of(JsonbView(v.value).root());
    case Category::kArray: {
      ArrayView a(v.value);
      int at = 0;
      auto build = [&](auto&& self, int dim) -> JsonNode {
        JsonNode n = JsonNode::array();
        for (int i = 0; i < a.length(dim); ++i) {
          if (dim + 1 < a.ndim()) n.add(self(self, dim + 1));
          else n.add(value_to_json_node(a.element(), a.at(at++), arena, ctx));
        }
        return n;
      };
      return a.count() == 0 ? JsonNode::array() : build(build, 0);
    }
    case Category::kRecord: {
      RecordView r(v.value);
      std::vector<std::string> names = record_column_names(r, ctx);
      JsonNode n = JsonNode::object();
      for (int i = 0; i < r.count(); ++i)
        n.add(arena.copy(static_cast<size_t>(i) < names.size() ? names[static_cast<size_t>(i)] : fmt::format("f{}", i + 1)),
              value_to_json_node(r.column_type(i), r.at(i), arena, ctx));
      return n;
    }
    default: return text_node();
  }
}

namespace {

std::string node_json(const JsonNode& n, Arena& arena, EvalContext& ctx) {
  if (!n.raw.empty()) return std::string(n.raw);
  std::string out;
  jsonb_to_text(make_jsonb(n, arena, ctx), out, ctx);
  return out;
}

[[noreturn]] void expected_array(std::string_view column, const std::vector<int>& at) {
  Error e(ErrorCode::kInvalidTextRepresentation, "expected JSON array");
  if (at.empty()) {
    if (column.empty()) throw e;
    throw std::move(e).hint(fmt::format("See the value of key \"{}\".", column));
  }
  std::string indices;
  for (int i : at) indices += fmt::format("[{}]", i);
  if (column.empty()) throw std::move(e).hint(fmt::format("See the array element {}.", indices));
  throw std::move(e).hint(fmt::format("See the array element {} of key \"{}\".", indices, column));
}

// Gathers the elements of nested JSON arrays; all levels must agree in length.
struct ArrayFill {
  Oid element;
  int32_t typmod;
  std::string_view column;
  bool jsonb;
  Arena& arena;
  EvalContext& ctx;
  std::vector<int> lengths;
  std::vector<NullableDatum> values;
  int depth_of_scalars = -1;

  void fill(JsonNode node, int depth, std::vector<int>& at) {
    node.unfold();
    if (static_cast<int>(lengths.size()) <= depth) lengths.push_back(-1);
    int n = static_cast<int>(node.items.size());
    if (lengths[static_cast<size_t>(depth)] == -1) lengths[static_cast<size_t>(depth)] = n;
    else if (lengths[static_cast<size_t>(depth)] != n)
      throw Error(ErrorCode::kInvalidTextRepresentation, "malformed JSON array")
          .detail("Multidimensional arrays must have sub-arrays with matching dimensions.");
    for (int i = 0; i < n; ++i) {
      at.push_back(i);
      JsonNode& item = node.items[static_cast<size_t>(i)];
      bool nested = item.type == JsonType::kArray && element != oid::kJson && element != oid::kJsonb &&
                    (depth_of_scalars < 0 || depth < depth_of_scalars);
      if (nested) {
        fill(std::move(item), depth + 1, at);
      } else {
        if (depth_of_scalars < 0) depth_of_scalars = depth;
        if (depth_of_scalars != depth) expected_array(column, at);
        values.push_back(json_to_value(item, element, typmod, column, {}, jsonb, arena, ctx));
      }
      at.pop_back();
    }
  }
};

}  // namespace

NullableDatum json_to_value(const JsonNode& node, Oid type, int32_t typmod, std::string_view column, NullableDatum old_value,
                            bool jsonb, Arena& arena, EvalContext& ctx) {
  bool null = node.type == JsonType::kNull;
  if (type == oid::kJson || type == oid::kJsonb) {
    if (null && type == oid::kJson && !jsonb) return {};
    if (null) return {};
    if (type == oid::kJson) return {make_bytes(arena, node_json(node, arena, ctx)), false};
    if (!node.raw.empty()) return {jsonb_from_text(node.raw, arena, ctx), false};
    return {make_jsonb(node, arena, ctx), false};
  }
  auto facts = facts_of(type, ctx);
  if (facts.kind == 'd') {
    NullableDatum v = json_to_value(node, facts.base, facts.typmod, column, old_value, jsonb, arena, ctx);
    ctx.catalog->check_domain(type, v);
    return v;
  }
  if (null) return {};
  if (facts.element != 0) {
    if (node.type == JsonType::kString) return {type_input(type, node.text, typmod, arena, ctx), false};
    if (node.type != JsonType::kArray) expected_array(column, {});
    ArrayFill f{facts.element, typmod, column, jsonb, arena, ctx, {}, {}, -1};
    std::vector<int> at;
    f.fill(node, 0, at);
    ArrayBuilder b(element_info(facts.element, &ctx));
    for (const NullableDatum& v : f.values) b.add(v);
    if (f.values.empty()) return {b.finish(arena), false};
    std::vector<int> lowers(f.lengths.size(), 1);
    return {b.finish(arena, f.lengths, lowers), false};
  }
  if (facts.kind == 'c') {
    if (node.type == JsonType::kString) return {type_input(type, node.text, typmod, arena, ctx), false};
    if (node.type != JsonType::kObject)
      throw Error(ErrorCode::kInvalidParameterValue, "cannot call populate_composite on a " + std::string(node.type == JsonType::kArray ? "array" : "scalar"));
    JsonNode object = node;
    object.unfold();
    const auto& columns = ctx.catalog->composite_columns(type);
    std::vector<ElementInfo> infos;
    std::vector<NullableDatum> values;
    int position = 0;
    for (const CompositeColumn& c : columns) {
      if (c.dropped) continue;
      infos.push_back(element_info(c.type, &ctx));
      NullableDatum v;
      if (!old_value.is_null) v = RecordView(old_value.value).at(position);
      ++position;
      // The last of equal keys counts.
      for (size_t i = object.keys.size(); i-- > 0;)
        if (object.keys[i] == c.name) {
          v = json_to_value(object.items[i], c.type, c.typmod, c.name, v, jsonb, arena, ctx);
          break;
        }
      values.push_back(v);
    }
    return {make_record(type, -1, infos, values, arena), false};
  }
  if (node.type == JsonType::kString) return {type_input(type, node.text, typmod, arena, ctx), false};
  return {type_input(type, node_json(node, arena, ctx), typmod, arena, ctx), false};
}

}  // namespace stele
