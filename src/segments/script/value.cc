#include "segments/script/value.h"

#include <boost/json.hpp>
#include <cmath>

#include "segments/mapping/dates.h"
#include "segments/mapping/mapping.h"
#include "segments/script/error.h"

namespace stele::segments::script {

Value* Map::find(const std::string& key) {
  for (auto& [k, v] : entries_) if (k == key) return &v;
  return nullptr;
}
Value& Map::at(const std::string& key) {
  if (Value* v = find(key)) return *v;
  entries_.emplace_back(key, Value());
  return entries_.back().second;
}
bool Map::erase(const std::string& key) {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].first != key) continue;
    entries_.erase(entries_.begin() + static_cast<ptrdiff_t>(i));
    return true;
  }
  return false;
}
void Map::clear() { entries_.clear(); }

std::string Value::type() const {
  switch (v.index()) {
    case 0: return "null";
    case 1: return "java.lang.Boolean";
    case 2: return is_char ? "java.lang.Character" : is_int ? "java.lang.Integer" : "java.lang.Long";
    case 3: return "java.lang.Double";
    case 4: return "java.lang.String";
    case 5: return "java.util.ArrayList";
    case 6: return "java.util.HashMap";
    case 7: return std::get<HostPtr>(v)->type();
    case 8: return "lambda";
    default: return "java.time.ZonedDateTime";
  }
}
double Value::as_double() const {
  if (auto* d = get<double>()) return *d;
  if (auto* i = get<int64_t>()) return static_cast<double>(*i);
  if (null()) fail("null_pointer_exception", "cannot cast a null reference to [double]");
  fail("class_cast_exception", "Cannot cast from [" + type() + "] to [double].");
}
int64_t Value::as_long() const {
  if (auto* i = get<int64_t>()) return *i;
  if (auto* d = get<double>()) {
    if (std::isnan(*d)) return 0;
    if (*d >= 9.2233720368547758e18) return INT64_MAX;
    if (*d <= -9.2233720368547758e18) return INT64_MIN;
    return static_cast<int64_t>(*d);
  }
  if (null()) fail("null_pointer_exception", "cannot cast a null reference to [long]");
  fail("class_cast_exception", "Cannot cast from [" + type() + "] to [long].");
}
bool Value::as_bool() const {
  if (auto* b = get<bool>()) return *b;
  if (null()) fail("null_pointer_exception", "cannot cast a null reference to [boolean]");
  fail("class_cast_exception", "Cannot cast from [" + type() + "] to [boolean].");
}
std::string Value::text() const {
  switch (v.index()) {
    case 0: return "null";
    case 1: return std::get<bool>(v) ? "true" : "false";
    case 2: return is_char ? std::string(1, static_cast<char>(std::get<int64_t>(v))) : std::to_string(std::get<int64_t>(v));
    case 3: return java_double(std::get<double>(v));
    case 4: return std::get<std::string>(v);
    case 5: {
      std::string s = "[";
      for (auto& e : *std::get<ListPtr>(v)) s += (s.size() > 1 ? ", " : "") + e.text();
      return s + "]";
    }
    case 6: {
      std::string s = "{";
      for (auto& [k, e] : std::get<MapPtr>(v)->entries()) s += (s.size() > 1 ? ", " : "") + k + "=" + e.text();
      return s + "}";
    }
    case 7: return std::get<HostPtr>(v)->text();
    case 8: return "lambda";
    default: return default_date_format().format(std::get<Instant>(v).ms);
  }
}

bool same(const Value& a, const Value& b) {
  if (a.null() || b.null()) return a.null() && b.null();
  if (a.number() && b.number()) {
    if (a.get<double>() != nullptr || b.get<double>() != nullptr) return a.as_double() == b.as_double();
    return a.as_long() == b.as_long();
  }
  if (a.is_char || b.is_char) return a.text() == b.text();
  if (a.v.index() != b.v.index()) return false;
  if (auto* s = a.get<std::string>()) return *s == *b.get<std::string>();
  if (auto* x = a.get<bool>()) return *x == *b.get<bool>();
  if (auto* x = a.get<Instant>()) return x->ms == b.get<Instant>()->ms;
  if (auto* l = a.get<ListPtr>()) {
    const List &x = **l, &y = **b.get<ListPtr>();
    if (x.size() != y.size()) return false;
    for (size_t i = 0; i < x.size(); ++i) if (!same(x[i], y[i])) return false;
    return true;
  }
  if (auto* m = a.get<MapPtr>()) {
    const Map &x = **m, &y = **b.get<MapPtr>();
    if (x.size() != y.size()) return false;
    for (auto& [k, v] : x.entries()) {
      auto* o = y.find(k);
      if (o == nullptr || !same(v, *o)) return false;
    }
    return true;
  }
  return a.v == b.v;
}
int compare(const Value& a, const Value& b) {
  if (a.number() && b.number()) {
    if (a.get<double>() != nullptr || b.get<double>() != nullptr) {
      double x = a.as_double(), y = b.as_double();
      return x < y ? -1 : x > y ? 1 : 0;
    }
    return a.as_long() < b.as_long() ? -1 : a.as_long() > b.as_long() ? 1 : 0;
  }
  if (a.get<std::string>() != nullptr && b.get<std::string>() != nullptr) return a.get<std::string>()->compare(*b.get<std::string>());
  if (a.get<Instant>() != nullptr && b.get<Instant>() != nullptr) return a.get<Instant>()->ms < b.get<Instant>()->ms ? -1 : a.get<Instant>()->ms > b.get<Instant>()->ms ? 1 : 0;
  if (a.get<bool>() != nullptr && b.get<bool>() != nullptr) return static_cast<int>(*a.get<bool>()) - static_cast<int>(*b.get<bool>());
  if (a.null() || b.null()) fail("null_pointer_exception", "Cannot compare a null reference");
  fail("class_cast_exception", "Cannot apply [<] operation to types [" + a.type() + "] and [" + b.type() + "].");
}

Value from_json(const json::value& v) {
  if (v.is_bool()) return Value(v.as_bool());
  if (v.is_double()) return Value(v.as_double());
  if (v.is_number()) {
    Value out(v.is_int64() ? v.as_int64() : static_cast<int64_t>(v.as_uint64()));
    int64_t i = out.as_long();
    out.is_int = i >= INT32_MIN && i <= INT32_MAX;
    return out;
  }
  if (v.is_string()) return Value(std::string(v.as_string()));
  if (v.is_array()) {
    ListPtr l = make_list();
    for (auto& e : v.as_array()) l->push_back(from_json(e));
    return Value(l);
  }
  if (v.is_object()) {
    MapPtr m = make_map();
    for (auto& [k, e] : v.as_object()) m->entries().emplace_back(std::string(k), from_json(e));
    return Value(m);
  }
  return {};
}
namespace {
json::value render(const Value& v, int depth) {
  if (depth > 500) fail("illegal_argument_exception", "Iterable object is self-referencing itself");
  switch (v.v.index()) {
    case 0: return nullptr;
    case 1: return *v.get<bool>();
    case 2: return v.is_char ? json::value(v.text()) : json::value(*v.get<int64_t>());
    case 3: return *v.get<double>();
    case 4: return json::value(*v.get<std::string>());
    case 5: {
      json::array a;
      for (auto& e : **v.get<ListPtr>()) a.push_back(render(e, depth + 1));
      return a;
    }
    case 6: {
      json::object o;
      for (auto& [k, e] : (*v.get<MapPtr>())->entries()) o[k] = render(e, depth + 1);
      return o;
    }
    default: return json::value(v.text());
  }
}
}  // namespace
json::value to_json(const Value& v) { return render(v, 0); }

}  // namespace stele::segments::script
