// JSON values: a tree for building and editing, jsonb's stored form for reading in place, and the
// text parser that both json and jsonb use.
//
// Stored form of a container (8-aligned): uint32 header (count | kind bits), for objects `count` key
// ends, then `count` value entries (type in the top 3 bits, end offset below), padding to 8, data.
// Keys are unique, ordered by length then bytes. Numbers are numeric Varlenas and, like nested
// containers, 8-aligned. A scalar document is an array of one with the scalar bit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "types/context.h"
#include "types/datum.h"

namespace stele {

enum class JsonType : uint8_t { kNull, kString, kNumber, kFalse, kTrue, kArray, kObject };
inline bool is_json_container(JsonType t) { return t == JsonType::kArray || t == JsonType::kObject; }

class JsonbView;

// One value inside a jsonb document; points into it.
struct JsonbValue {
  JsonType type = JsonType::kNull;
  std::string_view bytes;  // string bytes, or the container's bytes
  const Varlena* number = nullptr;
  Datum numeric() const { return Datum::from_varlena(number); }
  bool is_container() const { return is_json_container(type); }
  bool boolean() const { return type == JsonType::kTrue; }
  JsonbView view() const;  // of a container
};

class JsonbView {
 public:
  explicit JsonbView(Datum jsonb) : base_(jsonb.as_varlena()->data), size_(jsonb.as_varlena()->size) {}
  explicit JsonbView(std::string_view container) : base_(container.data()), size_(container.size()) {}
  bool is_object() const { return (header() & kObjectBit) != 0; }
  bool is_array() const { return !is_object() && !is_scalar(); }
  bool is_scalar() const { return (header() & kScalarBit) != 0; }
  int size() const { return static_cast<int>(header() & kCountMask); }
  std::string_view bytes() const { return {base_, size_}; }
  // Objects only.
  std::string_view key(int i) const;
  int find(std::string_view key) const;  // -1 when absent
  // Members of an object in key order, or elements. A scalar document has element 0.
  JsonbValue value(int i) const;
  // The whole document as a value (the scalar itself for a scalar document).
  JsonbValue root() const;

  static constexpr uint32_t kCountMask = 0x0fffffff, kObjectBit = 1u << 28, kArrayBit = 1u << 29, kScalarBit = 1u << 30;
  static constexpr uint32_t kOffsetMask = 0x1fffffff;

 private:
  uint32_t word(size_t i) const;
  uint32_t header() const { return word(0); }
  size_t data_start() const;
  const char* base_;
  size_t size_;
};
inline JsonbView JsonbValue::view() const { return JsonbView(bytes); }

// A value being built. Strings and numbers are views of memory that must outlive encoding. A node
// made from a JsonbValue keeps containers as they are stored until edited (see unfold).
struct JsonNode {
  JsonType type = JsonType::kNull;
  bool stored = false;              // container kept in stored form in `text`
  std::string_view text;            // string, number's text (when number is null), or stored container
  const Varlena* number = nullptr;  // numeric
  std::string_view raw;             // the source, when parsed from text
  std::vector<JsonNode> items;      // elements or member values
  std::vector<std::string_view> keys;

  static JsonNode null() { return {}; }
  static JsonNode boolean(bool b) { JsonNode n; n.type = b ? JsonType::kTrue : JsonType::kFalse; return n; }
  static JsonNode string(std::string_view s) { JsonNode n; n.type = JsonType::kString; n.text = s; return n; }
  static JsonNode numeric(Datum d) { JsonNode n; n.type = JsonType::kNumber; n.number = d.as_varlena(); return n; }
  static JsonNode array() { JsonNode n; n.type = JsonType::kArray; return n; }
  static JsonNode object() { JsonNode n; n.type = JsonType::kObject; return n; }
  static JsonNode of(const JsonbValue& v);
  void add(std::string_view key, JsonNode value) { keys.push_back(key); items.push_back(std::move(value)); }
  void add(JsonNode value) { items.push_back(std::move(value)); }
  // Turns a stored container into keys and items of one level.
  void unfold();
};

// Stored form. Later duplicates of a key win. Numbers given as text are converted with `ctx`.
Datum make_jsonb(const JsonNode& root, Arena& arena, EvalContext& ctx);
Datum make_jsonb(const JsonbValue& v, Arena& arena);

// Parses JSON text; errors are PostgreSQL's. Decoded strings live in `arena`. With unescape false,
// escapes are only checked for shape and strings keep their source form (json's own input).
JsonNode parse_json(std::string_view text, Arena& arena, bool unescape = true);
void check_json(std::string_view text);
bool is_valid_json(std::string_view text);
Datum jsonb_from_text(std::string_view text, Arena& arena, EvalContext& ctx);

// Text. Compact follows jsonb's output ("a": 1, ...); indented is jsonb_pretty's.
void put_json_string(std::string_view s, std::string& out);
void jsonb_to_text(const JsonbValue& v, std::string& out, EvalContext& ctx);
void jsonb_to_text(Datum jsonb, std::string& out, EvalContext& ctx);
void jsonb_pretty(const JsonbValue& v, int level, std::string& out, EvalContext& ctx);
// As ->> shows it: strings bare, null is false.
bool jsonb_as_text(const JsonbValue& v, std::string& out, EvalContext& ctx);

// jsonb's B-tree order, equality and containment.
int jsonb_compare(const JsonbView& a, const JsonbView& b);
bool jsonb_equal(const JsonbView& a, const JsonbView& b);
bool jsonb_scalar_equal(const JsonbValue& a, const JsonbValue& b);
bool jsonb_contains(const JsonbView& a, const JsonbView& b);
uint64_t jsonb_hash(const JsonbView& v);

// Subscripting. get: NULL when absent. set creates what is missing, as an assignment does; a null
// source is stored as JSON null. Subscripts are texts; integers index arrays.
NullableDatum jsonb_get(Datum jsonb, const std::vector<std::string>& path, Arena& arena);
Datum jsonb_assign(NullableDatum jsonb, const std::vector<std::string>& path, NullableDatum value, Arena& arena, EvalContext& ctx);

// What jsonb_set and its kin do at the end of a path.
enum JsonPathEdit : int {
  kJsonCreate = 1, kJsonDelete = 2, kJsonReplace = 4, kJsonInsertBefore = 8, kJsonInsertAfter = 16,
  kJsonFillGaps = 32, kJsonConsistent = 64
};
// path entries: nullptr is a NULL element (an error).
JsonNode edit_json(JsonNode node, const std::vector<const std::string*>& path, size_t level, const JsonNode* value, int edit);

// Any SQL value as JSON text / as a node (to_json, to_jsonb, row_to_json ...).
void value_to_json(Oid type, NullableDatum v, std::string& out, EvalContext& ctx, bool pretty = false);
JsonNode value_to_json_node(Oid type, NullableDatum v, Arena& arena, EvalContext& ctx, bool as_key = false);
// A JSON value as an SQL value of a type (json_populate_record's conversion).
NullableDatum json_to_value(const JsonNode& node, Oid type, int32_t typmod, std::string_view column, NullableDatum old_value,
                            bool jsonb, Arena& arena, EvalContext& ctx);

}  // namespace stele
