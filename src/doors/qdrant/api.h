// What the parts of the Qdrant door share: request bodies as JSON with checked access, results, and the
// errors that Qdrant's clients expect.
#pragma once

#include <boost/json.hpp>

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "segments/vectors/collection.h"

namespace stele::qdrant {

namespace vectors = segments::vectors;
using storage::Lsn;

// An answer that is not a result: Qdrant's status text and HTTP code.
class ApiError : public std::exception {
 public:
  ApiError(int status, std::string message) : status_(status), message_(std::move(message)) {}
  int status() const { return status_; }
  const std::string& message() const { return message_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  int status_;
  std::string message_;
};
[[noreturn]] void bad_request(std::string message);      // 400 "Wrong input: ..."
[[noreturn]] void bad_format(std::string message);       // 400 "Format error in JSON body: ..."
[[noreturn]] void invalid(std::string message);          // 422 "Validation error in JSON body: [...]"
[[noreturn]] void not_found(std::string message);        // 404 "Not found: ..."
[[noreturn]] void forbidden(std::string message);        // 403 "Forbidden: ..."

// Checked members: null pointers for absent or null ones; wrong types are format errors.
const json::value* member(const json::object& o, std::string_view name);
const json::object* object_member(const json::object& o, std::string_view name);
const json::array* array_member(const json::object& o, std::string_view name);
std::optional<std::string> string_member(const json::object& o, std::string_view name);
std::optional<uint64_t> uint_member(const json::object& o, std::string_view name);
std::optional<double> number_member(const json::object& o, std::string_view name);
std::optional<bool> bool_member(const json::object& o, std::string_view name);
const json::object& as_object(const json::value& v, std::string_view what);
const json::array& as_array(const json::value& v, std::string_view what);
std::string as_string(const json::value& v, std::string_view what);
double as_double(const json::value& v, std::string_view what);
const json::value& required(const json::object& o, std::string_view name);

inline std::string_view view(const json::string& s) { return {s.data(), s.size()}; }
inline std::string_view view(json::string_view s) { return {s.data(), s.size()}; }

// A vector as clients write it.
struct VectorValue {
  enum class Kind : uint8_t { kDense, kSparse, kMulti } kind = Kind::kDense;
  std::vector<float> dense;
  vectors::SparseVector sparse;
  vectors::MultiVector multi;
};
// Dense array, array of arrays of one length, or {"indices", "values"}; sorts a sparse one and refuses duplicates.
VectorValue parse_vector(const json::value& v);
json::value vector_json(const std::vector<float>& v);
json::value multi_json(const vectors::MultiVector& v);
json::value sparse_json(const vectors::SparseVector& v);

}  // namespace stele::qdrant
