// What the fields of an index are: parsed from Elasticsearch's mapping JSON, extended by what documents
// bring (dynamic mapping). A Mapping is immutable once published; merge() and parse() make new ones.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

#include "base/json.h"
#include "segments/mapping/dates.h"
#include "segments/search/query.h"
#include "segments/segment.h"
#include "segments/text/analysis.h"

namespace stele::segments {

enum class FieldType : uint8_t {
  kText, kKeyword, kLong, kInteger, kShort, kByte, kUnsignedLong, kDouble, kFloat, kHalfFloat, kScaledFloat,
  kDate, kDateNanos, kBoolean, kIp, kGeoPoint, kFlattened, kAlias, kBinary, kDenseVector, kRange, kCompletion, kOther,
};

struct MappedField {
  std::string path;
  std::string type_name;    // as mapped: "integer"
  FieldType type = FieldType::kOther;
  AnalyzerPtr analyzer, search_analyzer, search_quote_analyzer, normalizer;
  bool index = true, doc_values = true, norms = false, store = false, coerce = true, ignore_malformed = false;
  bool fielddata = false, metadata = false;
  bool runtime = false;    // made by a script (or from the source) when a search asks for it
  bool dimension = false;  // time_series_dimension
  std::string metric;      // time_series_metric
  bool prefixes = false;      // index_prefixes
  bool term_vectors = false;  // with positions and offsets
  int position_increment_gap = 100;
  int64_t ignore_above = INT64_MAX;
  double scaling_factor = 1;
  std::optional<std::string> null_value;
  std::shared_ptr<const DateFormat> format;
  std::vector<std::string> copy_to;
  std::vector<std::string> multi_fields;  // full paths
  std::string alias_path;
  std::string parent;       // of a multi-field: the field it belongs to
  int dims = 0;
  struct Context { std::string name, kind, path; int precision = 6; };
  std::vector<Context> contexts;  // of completion fields
  std::string similarity;   // of dense vectors

  FieldOptions options() const;
  bool is_integer() const { return type >= FieldType::kLong && type <= FieldType::kUnsignedLong; }
  bool is_float() const { return type >= FieldType::kDouble && type <= FieldType::kScaledFloat; }
  bool is_numeric() const { return is_integer() || is_float(); }
  bool is_date() const { return type == FieldType::kDate || type == FieldType::kDateNanos; }
  bool is_string() const { return type == FieldType::kText || type == FieldType::kKeyword; }
  // A value of a query or document as a column value. Throws illegal_argument ("For input string ...").
  int64_t column_value(const json::value& v) const;
  // Milliseconds of a date value in a document; throws.
  int64_t date_value(const json::value& v, int* nanos = nullptr) const;
  // A column value as JSON: the form of docvalue_fields, sort values and aggregation keys.
  json::value render(int64_t column_value) const;
  std::string render_string(int64_t column_value, const DateFormat* format = nullptr, const Zone* zone = nullptr) const;
};

// A value of a range field as sortable bytes, both ends included: {lower, upper} of equal length. Throws.
std::pair<std::string, std::string> encode_range(const MappedField& f, const json::value& v);
std::string encode_range_bound(const MappedField& f, const json::value& v, bool upper, bool included, const DateFormat* format = nullptr, const Zone* zone = nullptr, int64_t now_ms = 0);
// An ip address as 16 bytes that sort as addresses do; nullopt when it is none.
std::optional<std::string> encode_ip(std::string_view text);
std::string decode_ip(std::string_view bytes);
// "10.0.0.0/8" as first and last address.
std::optional<std::pair<std::string, std::string>> ip_range(std::string_view cidr);
// {"lat":..,"lon":..}, [lon, lat], "lat,lon", "POINT (lon lat)", geohash. Throws.
GeoPoint parse_point(const json::value& v);
std::optional<double> parse_distance_m(std::string_view text);
// A JSON scalar as Elasticsearch turns it into text.
std::string json_text(const json::value& v);
// Shortest decimal as Java prints a double.
std::string java_double(double v);

// The definitions under "runtime", each script spelled out. Throws mapper_parsing_exception.
json::object checked_runtime(const json::object& given);

class Mapping;
using MappingPtr = std::shared_ptr<const Mapping>;

class Mapping {
 public:
  // `mappings`: {"properties": ..., "dynamic": ...}. Throws mapper_parsing_exception.
  static MappingPtr parse(const json::object& mappings, std::shared_ptr<const Analysis> analysis);
  ~Mapping();

  const json::object& json() const;
  const std::shared_ptr<const Analysis>& analysis() const { return analysis_; }
  // This with `update` merged in; throws illegal_argument on conflicts.
  MappingPtr merge(const json::object& update) const;
  // Runtime fields by name: those of the mapping, with those that a request asks for over them. Throws on bad definitions.
  json::object runtime(const json::object& asked) const;
  // This with runtime fields beside (or in place of) its own, for one search.
  MappingPtr with_runtime(const json::object& definitions) const;
  // Aliases are followed; null when unmapped. `flattened_key`: set when the path lies inside a flattened field.
  const MappedField* field(std::string_view path, std::string* flattened_key = nullptr) const;
  const std::map<std::string, MappedField, std::less<>>& fields() const { return fields_; }
  bool is_object(std::string_view path) const;
  std::string object_type(std::string_view path) const;  // "object", "nested" or ""
  // The nested objects on the way to a field or object, outermost first, itself included.
  std::vector<std::string> nested_path(std::string_view path) const;
  // Fields that a pattern with '*' names, in order; metadata fields only when named exactly.
  std::vector<std::string> matching(std::string_view pattern, bool queryable_only = false) const;
  size_t total_fields() const;
  bool routing_required() const;

  // Adds one document to the builder. When it brings new fields the mapping that has them is returned and
  // must be stored before the document is (else null is returned and the builder holds the document).
  // `dry`: only look for new fields.
  struct Extra { std::string_view id; std::string_view routing; int64_t seq_no = 0, version = 1; };
  MappingPtr discover(const json::object& source) const;
  void index(const json::object& source, uint64_t row_id, const Extra& extra, SegmentBuilder& builder) const;

 private:
  Mapping() = default;
  struct Data;
  struct Indexer;
  void compile(const json::object& properties, const std::string& prefix, int depth);
  void compile_field(const std::string& path, const json::object& definition, const std::string& parent);

  std::shared_ptr<const Data> data_;
  std::shared_ptr<const Analysis> analysis_;
  std::map<std::string, MappedField, std::less<>> fields_;
  std::map<std::string, std::string, std::less<>> objects_;  // path -> type
  std::map<std::string, std::pair<bool, bool>, std::less<>> nested_options_;  // path -> include_in_parent, include_in_root
};

}  // namespace stele::segments
