#include "doors/elastic/time_series.h"

#include "base/codec.h"
#include "base/hash.h"
#include "doors/elastic/call.h"

namespace stele::elastic {

namespace {
std::string base64url(std::string_view bytes) {
  static const char* kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  uint32_t bits = 0;
  int have = 0;
  for (char c : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(c);
    for (have += 8; have >= 6; have -= 6) out.push_back(kAlphabet[bits >> (have - 6) & 63]);
  }
  if (have > 0) out.push_back(kAlphabet[bits << (6 - have) & 63]);
  return out;
}
}  // namespace

void place_in_time_series(const Index& x, WriteOp& op) {
  if (x.setting("mode") != "time_series" || (op.kind != WriteOp::kIndex && op.kind != WriteOp::kCreate)) return;
  auto mapping = x.mapping();
  const segments::MappedField* time = mapping->field("@timestamp");
  std::vector<json::value> stamps;
  values_at(op.source, "@timestamp", stamps);
  if (stamps.empty() || time == nullptr) illegal("data stream timestamp field [@timestamp] is missing");
  int64_t at = time->date_value(stamps[0]);
  const segments::DateFormat& format = segments::default_date_format();
  auto bound = [&](const char* key) -> std::optional<int64_t> {
    std::string s = x.setting(key);
    if (s.empty()) return std::nullopt;
    return format.parse(s, false, nullptr);
  };
  if (auto start = bound("time_series.start_time"); start && at < *start) illegal("the document timestamp [" + format.format(at) + "] must be larger than [" + format.format(*start) + "]");
  if (auto end = bound("time_series.end_time"); end && at >= *end) illegal("the document timestamp [" + format.format(at) + "] must be smaller than [" + format.format(*end) + "]");
  json::object dimensions;
  for (auto& [path, f] : mapping->fields()) {
    if (!f.dimension) continue;
    std::vector<json::value> values;
    values_at(op.source, path, values);
    if (values.size() > 1) illegal("Dimension field [" + path + "] cannot be a multi-valued field.");
    if (!values.empty()) dimensions[path] = json_text(values[0]);
  }
  if (dimensions.empty()) illegal("Error extracting tsid: source didn't contain any dimension fields");
  std::string text = json::serialize(dimensions), bytes;
  put_le<uint32_t>(bytes, checksum32(text));
  put_le<uint32_t>(bytes, checksum32(text + "#"));
  put_le<uint32_t>(bytes, checksum32("#" + text));
  put_le<int64_t>(bytes, at);
  std::string id = base64url(bytes);
  if (!op.auto_id && op.id != id) illegal("_id must be unset or set to [" + id + "] but was [" + op.id + "] because [" + x.name + "] is in time_series mode");
  op.id = id;
}

void check_time_series(const json::object& settings, json::object& mappings) {
  auto text = [&](const char* key) {
    auto* v = settings.if_contains(key);
    return v == nullptr || v->is_null() ? std::string() : v->is_array() ? json::serialize(*v) : json_text(*v);
  };
  std::string mode = text("index.mode");
  if (mode.empty() || mode == "standard" || mode == "logsdb" || mode == "lookup") {
    if (!text("index.routing_path").empty() && mode != "logsdb") illegal("[index.routing_path] requires [index.mode=time_series]");
    return;
  }
  if (mode != "time_series") illegal("[" + mode + "] is an invalid index mode, valid modes are: [standard,time_series,logsdb,lookup]");
  std::string path = text("index.routing_path");
  if (path.empty() || path == "[]") illegal("[index.mode=time_series] requires a non-empty [index.routing_path]");
  if (!text("index.routing_partition_size").empty()) illegal("[index.mode=time_series] is incompatible with [index.routing_partition_size]");
  if (auto* r = mappings.if_contains("_routing"); r != nullptr && r->is_object() && flag_or(r->get_object(), "required", false)) illegal("routing is forbidden on CRUD operations that target indices in [index.mode=time_series]");
  json::object properties = mappings.contains("properties") && mappings.at("properties").is_object() ? mappings.at("properties").get_object() : json::object();
  if (auto* t = properties.if_contains("@timestamp")) {
    std::string type = t->is_object() ? text_or(t->get_object(), "type") : "";
    if (type != "date" && type != "date_nanos") illegal("data stream timestamp field [@timestamp] is of type [" + type + "], but [date,date_nanos] is expected");
  } else {
    properties["@timestamp"] = json::object{{"type", "date"}};
    mappings["properties"] = properties;
  }
}

}  // namespace stele::elastic
