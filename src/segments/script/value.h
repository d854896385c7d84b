// Values of scripts: Java's, as far as documents need them.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"

namespace stele::segments::script {

struct Value;
struct Function;
using List = std::vector<Value>;
// A map that keeps the order of insertion, as LinkedHashMap does.
class Map {
 public:
  Value* find(const std::string& key);
  const Value* find(const std::string& key) const { return const_cast<Map*>(this)->find(key); }
  Value& at(const std::string& key);  // made when missing
  bool erase(const std::string& key);
  void clear();
  size_t size() const { return entries_.size(); }
  std::vector<std::pair<std::string, Value>>& entries() { return entries_; }
  const std::vector<std::pair<std::string, Value>>& entries() const { return entries_; }

 private:
  std::vector<std::pair<std::string, Value>> entries_;
};
// Something of the host's: doc, doc['f'], a date. Members answer null for "no such method".
struct Host {
  virtual ~Host() = default;
  virtual std::string type() const = 0;
  // Reads a member (or calls it: args != nullptr). False: there is none.
  virtual bool member(const std::string& name, const List* args, Value* out) = 0;
  virtual bool index(const Value& key, Value* out) = 0;
  virtual std::string text() const { return type(); }
};
struct Instant {
  int64_t ms = 0;
  bool operator==(const Instant&) const = default;
};  // a ZonedDateTime in UTC
using ListPtr = std::shared_ptr<List>;
using MapPtr = std::shared_ptr<Map>;
using HostPtr = std::shared_ptr<Host>;
using FunctionPtr = std::shared_ptr<const Function>;

struct Value {
  std::variant<std::monostate, bool, int64_t, double, std::string, ListPtr, MapPtr, HostPtr, FunctionPtr, Instant> v;
  bool is_int = false;  // of an integer: Java's int rather than long
  bool is_char = false; // of an integer: Java's char
  Value() = default;
  Value(bool b) : v(b) {}
  Value(int i) : v(static_cast<int64_t>(i)), is_int(true) {}
  Value(int64_t i) : v(i) {}
  Value(double d) : v(d) {}
  Value(std::string s) : v(std::move(s)) {}
  Value(const char* s) : v(std::string(s)) {}
  Value(ListPtr l) : v(std::move(l)) {}
  Value(MapPtr m) : v(std::move(m)) {}
  Value(HostPtr h) : v(std::move(h)) {}
  Value(FunctionPtr f) : v(std::move(f)) {}
  Value(Instant i) : v(i) {}
  bool null() const { return v.index() == 0; }
  bool number() const { return std::holds_alternative<int64_t>(v) || std::holds_alternative<double>(v); }
  template <typename T> const T* get() const { return std::get_if<T>(&v); }
  template <typename T> T* get() { return std::get_if<T>(&v); }
  double as_double() const;    // throws class_cast_exception
  int64_t as_long() const;
  bool as_bool() const;
  std::string text() const;    // Java's toString
  std::string type() const;    // "java.lang.String"
};
bool same(const Value& a, const Value& b);           // ==, by value
int compare(const Value& a, const Value& b);         // of numbers, strings, booleans, dates; throws
Value from_json(const json::value& v);
json::value to_json(const Value& v);

inline ListPtr make_list() { return std::make_shared<List>(); }
inline MapPtr make_map() { return std::make_shared<Map>(); }

}  // namespace stele::segments::script
