// Payload filters: Qdrant's must / should / must_not / min_should over conditions on payload values, ids and
// vectors, parsed once and evaluated against points.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "segments/vectors/point.h"

namespace stele::segments::vectors {

// What a condition may ask of a point.
struct PointView {
  const PointId* id = nullptr;
  const json::value* payload = nullptr;  // an object
  std::function<bool(std::string_view vector_name)> has_vector;
};

// A condition that every match must satisfy and that an index over the field can answer.
struct FilterProbe {
  enum class Kind : uint8_t { kValues /* one of them */, kRange /* a number, or a date-time in seconds, from low to high */,
                              kTokens /* of a text index: all, or any */, kBox /* a geo point */ };
  std::string key;
  Kind kind = Kind::kValues;
  std::vector<json::value> values;
  double low = 0, high = 0;
  std::vector<std::string> tokens;
  bool any_token = false;
  double west = 0, south = 0, east = 0, north = 0;   // west > east: over the date line
};

class Filter {
 public:
  // Throws parsing errors (unknown fields, wrong types) with Qdrant's words where clients look at them.
  // `schema`: the payload indexes of the collection (field to type or parameters): text matches go by the tokens of a text
  // index, by substrings without one.
  static std::shared_ptr<const Filter> parse(const json::value& spec, const json::object* schema = nullptr);
  virtual ~Filter() = default;
  virtual bool matches(const PointView& point) const = 0;
  // The ids of a has_id condition that every match must satisfy, if the filter says so: a short cut for the caller.
  virtual const std::vector<PointId>* required_ids() const { return nullptr; }
  // The text it was parsed from, to know it again; empty for parts of a filter.
  const std::string& source() const { return source_; }
  // Conditions that every match satisfies, for indexes.
  virtual void probes(std::vector<FilterProbe>* out) const { static_cast<void>(out); }

 protected:
  std::string source_;
};
using FilterPtr = std::shared_ptr<const Filter>;

PointId parse_point_id(const json::value& v);  // throws for anything but an unsigned number or a UUID
json::value point_id_json(const PointId& id);

// Seconds (with fraction) since 1970 of RFC 3339 and Qdrant's laxer forms; false when it is none.
bool parse_datetime(std::string_view text, double* seconds);

}  // namespace stele::segments::vectors
