#include <cmath>

#include "base/clock.h"
#include "segments/mapping/dates.h"
#include "segments/script/program.h"

namespace stele::segments::script {

namespace {
[[noreturn]] void no_method(const Value& on, const std::string& name, size_t arity) {
  fail("illegal_argument_exception", "dynamic method [" + on.type() + ", " + name + "/" + std::to_string(arity) + "] not found");
}
std::string upper(std::string s, bool up) {
  for (char& c : s) c = static_cast<char>(up ? std::toupper(static_cast<unsigned char>(c)) : std::tolower(static_cast<unsigned char>(c)));
  return s;
}
size_t index_in(const List& l, const Value& i) {
  int64_t k = i.as_long();
  if (k < 0) k += static_cast<int64_t>(l.size());
  if (k < 0 || k >= static_cast<int64_t>(l.size())) fail("index_out_of_bounds_exception", "Index " + std::to_string(i.as_long()) + " out of bounds for length " + std::to_string(l.size()));
  return static_cast<size_t>(k);
}
size_t offset_in(const std::string& s, const Value& i) {
  int64_t k = i.as_long();
  if (k < 0 || k > static_cast<int64_t>(s.size())) fail("string_index_out_of_bounds_exception", "begin " + std::to_string(k) + ", end " + std::to_string(s.size()) + ", length " + std::to_string(s.size()));
  return static_cast<size_t>(k);
}
bool less(const Value& comparator, const Value& a, const Value& b) {
  if (comparator.null()) return compare(a, b) < 0;
  return invoke(comparator, {a, b}).as_long() < 0;
}
Value of_int(size_t n) { return Value(static_cast<int>(n)); }

bool string_method(const std::string& s, const std::string& name, List& a, Value* out) {
  auto str = [&](size_t i) { return a[i].text(); };
  size_t n = a.size();
  if (name == "length" && n == 0) *out = of_int(s.size());
  else if (name == "isEmpty" && n == 0) *out = Value(s.empty());
  else if (name == "isBlank" && n == 0) *out = Value(s.find_first_not_of(" \t\r\n") == std::string::npos);
  else if (name == "substring" && n >= 1) {
    size_t b = offset_in(s, a[0]), e = n > 1 ? offset_in(s, a[1]) : s.size();
    if (e < b) fail("string_index_out_of_bounds_exception", "begin " + std::to_string(b) + ", end " + std::to_string(e) + ", length " + std::to_string(s.size()));
    *out = Value(s.substr(b, e - b));
  } else if (name == "indexOf" && n >= 1) {
    size_t at = s.find(str(0), n > 1 ? static_cast<size_t>(std::max<int64_t>(0, a[1].as_long())) : 0);
    *out = Value(at == std::string::npos ? -1 : static_cast<int>(at));
  } else if (name == "lastIndexOf" && n >= 1) {
    size_t at = s.rfind(str(0));
    *out = Value(at == std::string::npos ? -1 : static_cast<int>(at));
  } else if (name == "contains" && n == 1) *out = Value(s.find(str(0)) != std::string::npos);
  else if (name == "startsWith" && n >= 1) *out = Value(s.starts_with(str(0)));
  else if (name == "endsWith" && n == 1) *out = Value(s.ends_with(str(0)));
  else if (name == "toLowerCase") *out = Value(upper(s, false));
  else if (name == "toUpperCase") *out = Value(upper(s, true));
  else if ((name == "trim" || name == "strip") && n == 0) {
    size_t b = s.find_first_not_of(" \t\r\n"), e = s.find_last_not_of(" \t\r\n");
    *out = Value(b == std::string::npos ? std::string() : s.substr(b, e - b + 1));
  } else if (name == "replace" && n == 2) {
    std::string from = str(0), to = str(1), r;
    if (from.empty()) {
      *out = Value(s);
      return true;
    }
    for (size_t i = 0; i < s.size();) {
      if (s.compare(i, from.size(), from) == 0) {
        r += to;
        i += from.size();
      } else {
        r.push_back(s[i++]);
      }
    }
    *out = Value(r);
  } else if (name == "splitOnToken" && n >= 1) {
    ListPtr l = make_list();
    std::string by = str(0);
    int64_t limit = n > 1 ? a[1].as_long() : -1;
    size_t i = 0;
    for (;;) {
      size_t e = by.empty() || (limit > 0 && static_cast<int64_t>(l->size()) + 1 >= limit) ? std::string::npos : s.find(by, i);
      l->push_back(Value(s.substr(i, e == std::string::npos ? e : e - i)));
      if (e == std::string::npos) break;
      i = e + by.size();
    }
    *out = Value(l);
  } else if (name == "charAt" && n == 1) {
    int64_t i = a[0].as_long();
    if (i < 0 || i >= static_cast<int64_t>(s.size())) fail("string_index_out_of_bounds_exception", "Index " + std::to_string(i) + " out of bounds for length " + std::to_string(s.size()));
    *out = Value(static_cast<int64_t>(static_cast<unsigned char>(s[static_cast<size_t>(i)])));
    out->is_char = true;
  } else if (name == "equals" && n == 1) *out = Value(a[0].get<std::string>() != nullptr && s == str(0));
  else if (name == "equalsIgnoreCase" && n == 1) *out = Value(upper(s, false) == upper(str(0), false));
  else if (name == "compareTo" && n == 1) *out = Value(s.compare(str(0)));
  else if (name == "concat" && n == 1) *out = Value(s + str(0));
  else if (name == "toString" && n == 0) *out = Value(s);
  else if (name == "repeat" && n == 1) {
    std::string r;
    for (int64_t i = 0, k = std::min<int64_t>(a[0].as_long(), 100000); i < k; ++i) r += s;
    *out = Value(r);
  } else if (name == "hashCode" && n == 0) {
    int32_t h = 0;
    for (char c : s) h = static_cast<int32_t>(static_cast<uint32_t>(h) * 31u + static_cast<unsigned char>(c));
    *out = Value(static_cast<int>(h));
  } else if (name == "encodeBase64" || name == "sha1" || name == "sha256") return false;
  else return false;
  return true;
}

bool list_method(ListPtr& l, const std::string& name, List& a, Value* out) {
  size_t n = a.size();
  if ((name == "size" || name == "length" || name == "getLength" || name == "count") && n == 0) *out = of_int(l->size());
  else if (name == "isEmpty" && n == 0) *out = Value(l->empty());
  else if (name == "get" && n == 1) *out = (*l)[index_in(*l, a[0])];
  else if ((name == "getByPath" || name == "toString") && n == 0) *out = Value(Value(l).text());
  else if (name == "add" && n == 1) {
    l->push_back(a[0]);
    *out = Value(true);
  } else if (name == "add" && n == 2) {
    int64_t i = a[0].as_long();
    if (i < 0 || i > static_cast<int64_t>(l->size())) fail("index_out_of_bounds_exception", "Index: " + std::to_string(i) + ", Size: " + std::to_string(l->size()));
    l->insert(l->begin() + i, a[1]);
  } else if (name == "addAll" && n == 1 && a[0].get<ListPtr>() != nullptr) {
    List copy = **a[0].get<ListPtr>();
    l->insert(l->end(), copy.begin(), copy.end());
    *out = Value(true);
  } else if (name == "set" && n == 2) {
    Value& at = (*l)[index_in(*l, a[0])];
    *out = at;
    at = a[1];
  } else if (name == "remove" && n == 1) {
    if (a[0].get<int64_t>() != nullptr && a[0].is_int) {
      size_t i = index_in(*l, a[0]);
      *out = (*l)[i];
      l->erase(l->begin() + static_cast<ptrdiff_t>(i));
    } else {
      *out = Value(false);
      for (size_t i = 0; i < l->size(); ++i) {
        if (!same((*l)[i], a[0])) continue;
        l->erase(l->begin() + static_cast<ptrdiff_t>(i));
        *out = Value(true);
        break;
      }
    }
  } else if (name == "clear" && n == 0) l->clear();
  else if (name == "contains" && n == 1) {
    *out = Value(false);
    for (auto& e : *l) if (same(e, a[0])) *out = Value(true);
  } else if ((name == "indexOf" || name == "lastIndexOf") && n == 1) {
    int at = -1;
    for (size_t i = 0; i < l->size(); ++i) if (same((*l)[i], a[0]) && (at < 0 || name[0] == 'l')) at = static_cast<int>(i);
    *out = Value(at);
  } else if (name == "removeIf" && n == 1) {
    size_t before = l->size();
    List kept;
    for (auto& e : List(*l)) if (!invoke(a[0], {e}).as_bool()) kept.push_back(e);
    *l = std::move(kept);
    *out = Value(before != l->size());
  } else if ((name == "sort" || name == "sorted") && n <= 1) {
    ListPtr target = name == "sort" ? l : std::make_shared<List>(*l);
    List copy = *target;
    std::stable_sort(copy.begin(), copy.end(), [&](const Value& x, const Value& y) { return less(n == 1 ? a[0] : Value(), x, y); });
    *target = std::move(copy);
    if (name == "sorted") *out = Value(target);
  } else if (name == "forEach" && n == 1) {
    for (auto& e : List(*l)) invoke(a[0], {e});
  } else if ((name == "stream" || name == "iterator" || name == "asList" || name == "toList" || name == "boxed" || name == "mapToObj") && n == 0) *out = Value(std::make_shared<List>(*l));
  else if ((name == "map" || name == "collect" || name == "mapToInt" || name == "mapToLong" || name == "mapToDouble" || name == "mapToObj") && n == 1) {
    if (name == "collect" && a[0].get<FunctionPtr>() == nullptr) {  // Collectors.*
      *out = Value(std::make_shared<List>(*l));
      if (a[0].get<std::string>() != nullptr && a[0].text().starts_with("\x01joining:")) {
        std::string sep = a[0].text().substr(9), s;
        for (auto& e : *l) s += (s.empty() ? "" : sep) + e.text();
        *out = Value(s);
      }
    } else {
      ListPtr r = make_list();
      for (auto& e : List(*l)) r->push_back(invoke(a[0], {e}));
      *out = Value(r);
    }
  } else if ((name == "filter" || name == "findAll") && n == 1) {
    ListPtr r = make_list();
    for (auto& e : List(*l)) if (invoke(a[0], {e}).as_bool()) r->push_back(e);
    *out = Value(r);
  } else if ((name == "anyMatch" || name == "any") && n == 1) {
    *out = Value(false);
    for (auto& e : List(*l)) if (invoke(a[0], {e}).as_bool()) *out = Value(true);
  } else if ((name == "allMatch" || name == "every") && n == 1) {
    *out = Value(true);
    for (auto& e : List(*l)) if (!invoke(a[0], {e}).as_bool()) *out = Value(false);
  } else if (name == "distinct" && n == 0) {
    ListPtr r = make_list();
    for (auto& e : *l) {
      bool seen = false;
      for (auto& x : *r) seen |= same(x, e);
      if (!seen) r->push_back(e);
    }
    *out = Value(r);
  } else if (name == "limit" && n == 1) *out = Value(std::make_shared<List>(l->begin(), l->begin() + std::min<int64_t>(static_cast<int64_t>(l->size()), std::max<int64_t>(0, a[0].as_long()))));
  else if (name == "sum" && n == 0) {
    Value total(0);
    double d = 0;
    int64_t i = 0;
    bool real = false;
    for (auto& e : *l) {
      real |= e.get<double>() != nullptr;
      d += e.as_double();
      i += e.as_long();
    }
    *out = real ? Value(d) : Value(i);
  } else if (name == "reduce" && n == 2) {
    Value v = a[0];
    for (auto& e : List(*l)) v = invoke(a[1], {v, e});
    *out = v;
  } else if ((name == "subList") && n == 2) {
    int64_t b = a[0].as_long(), e = a[1].as_long();
    if (b < 0 || e > static_cast<int64_t>(l->size()) || b > e) fail("index_out_of_bounds_exception", "toIndex = " + std::to_string(e));
    *out = Value(std::make_shared<List>(l->begin() + b, l->begin() + e));
  } else if (name == "equals" && n == 1) *out = Value(same(Value(l), a[0]));
  else if (name == "join" && n == 1) {
    std::string s;
    for (size_t i = 0; i < l->size(); ++i) s += (i > 0 ? a[0].text() : "") + (*l)[i].text();
    *out = Value(s);
  } else return false;
  return true;
}

bool map_method(MapPtr& m, const std::string& name, List& a, Value* out) {
  size_t n = a.size();
  if (name == "size" && n == 0) *out = of_int(m->size());
  else if (name == "isEmpty" && n == 0) *out = Value(m->size() == 0);
  else if (name == "get" && n == 1) {
    auto* v = m->find(a[0].text());
    if (v != nullptr) *out = *v;
  } else if (name == "getOrDefault" && n == 2) {
    auto* v = m->find(a[0].text());
    *out = v != nullptr ? *v : a[1];
  } else if (name == "put" && n == 2) {
    Value& v = m->at(a[0].text());
    *out = v;
    v = a[1];
  } else if (name == "putIfAbsent" && n == 2) {
    auto* v = m->find(a[0].text());
    if (v != nullptr && !v->null()) *out = *v;
    else m->at(a[0].text()) = a[1];
  } else if (name == "computeIfAbsent" && n == 2) {
    auto* v = m->find(a[0].text());
    if (v == nullptr || v->null()) {
      Value made = invoke(a[1], {a[0]});
      m->at(a[0].text()) = made;
      *out = made;
    } else {
      *out = *v;
    }
  } else if (name == "merge" && n == 3) {
    auto* v = m->find(a[0].text());
    Value made = v == nullptr || v->null() ? a[1] : invoke(a[2], {*v, a[1]});
    m->at(a[0].text()) = made;
    *out = made;
  } else if (name == "containsKey" && n == 1) *out = Value(m->find(a[0].text()) != nullptr);
  else if (name == "containsValue" && n == 1) {
    *out = Value(false);
    for (auto& [k, v] : m->entries()) if (same(v, a[0])) *out = Value(true);
  } else if (name == "remove" && n == 1) {
    if (auto* v = m->find(a[0].text())) *out = *v;
    m->erase(a[0].text());
  } else if (name == "clear" && n == 0) m->clear();
  else if (name == "putAll" && n == 1 && a[0].get<MapPtr>() != nullptr) {
    for (auto& [k, v] : std::vector<std::pair<std::string, Value>>((*a[0].get<MapPtr>())->entries())) m->at(k) = v;
  } else if (name == "keySet" && n == 0) {
    ListPtr l = make_list();
    for (auto& [k, v] : m->entries()) l->push_back(Value(k));
    *out = Value(l);
  } else if (name == "values" && n == 0) {
    ListPtr l = make_list();
    for (auto& [k, v] : m->entries()) l->push_back(v);
    *out = Value(l);
  } else if (name == "entrySet" && n == 0) {
    ListPtr l = make_list();
    for (auto& [k, v] : m->entries()) {
      MapPtr e = make_map();
      e->at("key") = Value(k);
      e->at("value") = v;
      l->push_back(Value(e));
    }
    *out = Value(l);
  } else if (name == "forEach" && n == 1) {
    for (auto& [k, v] : std::vector<std::pair<std::string, Value>>(m->entries())) invoke(a[0], {Value(k), v});
  } else if (name == "removeIf" && n == 1) {
    fail("illegal_argument_exception", "dynamic method [java.util.HashMap, removeIf/1] not found");
  } else if ((name == "getKey" || name == "getValue") && n == 0 && m->find("key") != nullptr) *out = *m->find(name == "getKey" ? "key" : "value");
  else if (name == "getMessage" && n == 0 && m->find("message") != nullptr) *out = *m->find("message");
  else if (name == "equals" && n == 1) *out = Value(same(Value(m), a[0]));
  else if (name == "toString" && n == 0) *out = Value(Value(m).text());
  else return false;
  return true;
}

// java.time.DayOfWeek and Month.
class CalendarName : public Host {
 public:
  CalendarName(int64_t number, bool month) : number_(number), month_(month) {}
  std::string type() const override { return month_ ? "java.time.Month" : "java.time.DayOfWeek"; }
  std::string text() const override {
    std::string s = full();
    for (char& c : s) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return s;
  }
  bool member(const std::string& name, const List* args, Value* out) override {
    if (name == "value" || (name == "getValue" && args != nullptr)) return *out = Value(static_cast<int>(number_)), true;
    if (args == nullptr) return false;
    if (name == "name" || name == "toString") return *out = Value(text()), true;
    if (name == "ordinal") return *out = Value(static_cast<int>(number_ - 1)), true;
    if (name == "getDisplayName" && args->size() == 2) {
      std::string style = (*args)[0].text(), s = full();
      return *out = Value(style.starts_with("SHORT") ? s.substr(0, 3) : style.starts_with("NARROW") ? s.substr(0, 1) : s), true;
    }
    return false;
  }
  bool index(const Value&, Value*) override { return false; }

 private:
  std::string full() const {
    static const char* kDays[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
    static const char* kMonths[] = {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"};
    return month_ ? kMonths[number_ - 1] : kDays[number_ - 1];
  }
  int64_t number_;
  bool month_;
};

bool date_method(Instant t, const std::string& name, List& a, Value* out) {
  CivilTime c = civil_from_ms(t.ms);
  int64_t days = days_from_civil(c.year, c.month, c.day);
  auto number = [&](int64_t v) { return *out = Value(static_cast<int>(v)), true; };
  if (name == "getYear" || name == "year") return number(c.year);
  if (name == "getMonthValue" || name == "monthValue" || name == "getMonthOfYear") return number(c.month);
  if (name == "getDayOfMonth" || name == "dayOfMonth") return number(c.day);
  if (name == "getHour" || name == "hour" || name == "getHourOfDay") return number(c.hour);
  if (name == "getMinute" || name == "minute") return number(c.minute);
  if (name == "getSecond" || name == "second") return number(c.second);
  if (name == "getNano" || name == "nano") return number(c.nanos);
  if (name == "getDayOfWeekEnum" || name == "dayOfWeekEnum") return *out = Value(HostPtr(std::make_shared<CalendarName>(iso_weekday(days), false))), true;
  if (name == "getMonth" || name == "month") return *out = Value(HostPtr(std::make_shared<CalendarName>(c.month, true))), true;
  if (name == "getDayOfWeek" || name == "dayOfWeek" || name == "getValue" || name == "value") return number(iso_weekday(days));
  if (name == "getDayOfYear" || name == "dayOfYear") {
    return number(days - days_from_civil(c.year, 1, 1) + 1);
  }
  if (name == "toInstant" || name == "toLocalDate" || name == "withZoneSameInstant") return *out = Value(t), true;
  if (name == "toEpochMilli" || name == "getMillis" || name == "millis") return *out = Value(t.ms), true;
  if (name == "toEpochSecond" || name == "getEpochSecond") return *out = Value(t.ms / 1000 - (t.ms % 1000 < 0 ? 1 : 0)), true;
  static const std::map<std::string, int64_t> kUnits = {{"Days", 86400000}, {"Hours", 3600000}, {"Minutes", 60000}, {"Seconds", 1000}, {"Weeks", 604800000}};
  for (auto& [unit, ms] : kUnits) {
    if (a.size() == 1 && name == "plus" + unit) return *out = Value(Instant{t.ms + a[0].as_long() * ms}), true;
    if (a.size() == 1 && name == "minus" + unit) return *out = Value(Instant{t.ms - a[0].as_long() * ms}), true;
  }
  if (a.size() == 1 && a[0].get<Instant>() != nullptr) {
    if (name == "isBefore") return *out = Value(t.ms < a[0].get<Instant>()->ms), true;
    if (name == "isAfter") return *out = Value(t.ms > a[0].get<Instant>()->ms), true;
    if (name == "equals" || name == "isEqual") return *out = Value(t.ms == a[0].get<Instant>()->ms), true;
    if (name == "compareTo") return *out = Value(compare(Value(t), a[0])), true;
  }
  if (name == "toString") return *out = Value(Value(t).text()), true;
  if (name == "format" && a.size() == 1) return *out = Value(DateFormat(a[0].text()).format(t.ms)), true;
  return false;
}
}  // namespace

Value invoke(const Value& f, List args) {
  auto* p = f.get<FunctionPtr>();
  if (p == nullptr) fail("class_cast_exception", "Cannot cast from [" + f.type() + "] to a functional interface.");
  return (*p)->call(args);
}

Value call_method(Value& on, const std::string& name, List& args) {
  Value out;
  if (auto* s = on.get<std::string>()) {
    if (string_method(*s, name, args, &out)) return out;
  } else if (auto* l = on.get<ListPtr>()) {
    ListPtr list = *l;
    if (list_method(list, name, args, &out)) return out;
  } else if (auto* m = on.get<MapPtr>()) {
    MapPtr map = *m;
    if (auto* f = map->find(name); f != nullptr && f->get<FunctionPtr>() != nullptr) return invoke(*f, args);
    if (map_method(map, name, args, &out)) return out;
  } else if (auto* h = on.get<HostPtr>()) {
    if ((*h)->member(name, &args, &out)) return out;
  } else if (auto* i = on.get<Instant>()) {
    if (date_method(*i, name, args, &out)) return out;
  } else if (auto* f = on.get<FunctionPtr>()) {
    return (*f)->call(args);
  } else if (on.number() || on.get<bool>() != nullptr) {
    if (name == "intValue" || name == "shortValue" || name == "byteValue") return convert(on, "(int");
    if (name == "longValue") return Value(on.as_long());
    if (name == "doubleValue" || name == "floatValue") return Value(on.as_double());
    if (name == "toString") return Value(on.text());
    if (name == "equals" && args.size() == 1) return Value(same(on, args[0]));
    if (name == "compareTo" && args.size() == 1) return Value(compare(on, args[0]));
    if (name == "hashCode") return Value(static_cast<int>(on.number() ? on.as_long() : 1));
    if (name == "booleanValue") return on;
  }
  no_method(on, name, args.size());
}

Value read_member(const Value& on, const std::string& name) {
  if (auto* m = on.get<MapPtr>()) {
    auto* v = (*m)->find(name);
    if (v != nullptr) return *v;
    return {};
  }
  if (on.null()) fail("null_pointer_exception", "cannot access method/field [" + name + "] from a null def reference");
  List none;
  Value out, target = on;
  if (auto* l = on.get<ListPtr>()) {
    if (!name.empty() && name.find_first_not_of("0123456789") == std::string::npos) {
      List at{Value(static_cast<int>(std::atoll(name.c_str())))};
      return call_method(target, "get", at);
    }
    ListPtr list = *l;
    if (name == "length" && list_method(list, "size", none, &out)) return out;
    if (name == "empty") return Value(list->empty());
  }
  if (auto* h = on.get<HostPtr>()) {
    if ((*h)->member(name, nullptr, &out)) return out;
  }
  if (auto* i = on.get<Instant>()) {
    if (date_method(*i, name, none, &out)) return out;
  }
  if (auto* s = on.get<std::string>()) {
    if (name == "empty") return Value(s->empty());
  }
  fail("illegal_argument_exception", "dynamic getter [" + on.type() + ", " + name + "] not found");
}

Value make_object(const std::string& type, List& a) {
  if (type == "ArrayList" || type == "HashSet" || type == "LinkedList" || type == "List" || type == "TreeSet") {
    if (a.size() == 1 && a[0].get<ListPtr>() != nullptr) return Value(std::make_shared<List>(**a[0].get<ListPtr>()));
    return Value(make_list());
  }
  if (type == "HashMap" || type == "LinkedHashMap" || type == "TreeMap" || type == "Map") {
    if (a.size() == 1 && a[0].get<MapPtr>() != nullptr) return Value(std::make_shared<Map>(**a[0].get<MapPtr>()));
    return Value(make_map());
  }
  if (type == "StringBuilder") {
    // A map with functions: append returns the builder.
    auto text = std::make_shared<std::string>(a.empty() ? "" : a[0].text());
    MapPtr m = make_map();
    std::weak_ptr<Map> self = m;
    auto function = [&](const char* name, std::function<Value(List&)> f) {
      auto p = std::make_shared<Function>();
      p->call = std::move(f);
      m->at(name) = Value(FunctionPtr(p));
    };
    function("append", [text, self](List& x) {
      *text += x.at(0).text();
      return Value(self.lock());
    });
    function("toString", [text](List&) { return Value(*text); });
    function("length", [text](List&) { return of_int(text->size()); });
    return Value(m);
  }
  if (type.ends_with("[]")) return Value(std::make_shared<List>(a.empty() ? 0 : static_cast<size_t>(std::clamp<int64_t>(a[0].as_long(), 0, 1000000)), type == "int[]" || type == "long[]" ? Value(0) : type == "double[]" || type == "float[]" ? Value(0.0) : Value()));
  if (type.ends_with("Exception") || type == "Error") {
    MapPtr m = make_map();
    std::string snake;
    for (char c : type) {
      if (std::isupper(static_cast<unsigned char>(c)) != 0 && !snake.empty()) snake += '_';
      snake += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    m->at("type") = Value(snake);
    m->at("message") = a.empty() ? Value() : Value(a[0].text());
    return Value(m);
  }
  if (type == "String" || type == "Integer" || type == "Long" || type == "Double") return a.empty() ? Value("") : a[0];
  if (type == "Date") return Value(Instant{a.empty() ? system_clock().unix_us() / 1000 : a[0].as_long()});
  throw ScriptError("compile error", "illegal_argument_exception", "cannot resolve type [" + type + "]");
}

bool static_member(const std::string& type, const std::string& name, Value* out) {
  if (type == "Math") {
    if (name == "PI") return *out = Value(M_PI), true;
    if (name == "E") return *out = Value(M_E), true;
  }
  if (type == "Integer" && (name == "MAX_VALUE" || name == "MIN_VALUE")) return *out = Value(name[1] == 'A' ? INT32_MAX : INT32_MIN), true;
  if (type == "Long" && (name == "MAX_VALUE" || name == "MIN_VALUE")) return *out = Value(name[1] == 'A' ? INT64_MAX : INT64_MIN), true;
  if (type == "Double") {
    if (name == "MAX_VALUE") return *out = Value(std::numeric_limits<double>::max()), true;
    if (name == "MIN_VALUE") return *out = Value(std::numeric_limits<double>::denorm_min()), true;
    if (name == "NaN") return *out = Value(std::nan("")), true;
    if (name == "POSITIVE_INFINITY" || name == "NEGATIVE_INFINITY") return *out = Value(name[0] == 'P' ? INFINITY : -INFINITY), true;
  }
  if (type == "ChronoUnit" || type == "Locale" || type == "TextStyle" || type == "DayOfWeek") return *out = Value(name), true;
  return false;
}

bool call_static(const std::string& type, const std::string& name, List& a, Value* out) {
  size_t n = a.size();
  if (type == "Math" || type == "StrictMath") {
    auto real = [&](double (*f)(double)) { return *out = Value(f(a.at(0).as_double())), true; };
    if (n == 1) {
      if (name == "abs") {
        if (a[0].get<double>() != nullptr) return *out = Value(std::abs(a[0].as_double())), true;
        *out = Value(a[0].as_long() < 0 ? -a[0].as_long() : a[0].as_long());
        out->is_int = a[0].is_int;
        return true;
      }
      if (name == "round") return *out = Value(static_cast<int64_t>(std::floor(a[0].as_double() + 0.5))), true;
      static const std::map<std::string, double (*)(double)> kFunctions = {
          {"sqrt", std::sqrt}, {"cbrt", std::cbrt}, {"log", std::log}, {"log10", std::log10}, {"log1p", std::log1p}, {"exp", std::exp}, {"expm1", std::expm1}, {"floor", std::floor}, {"ceil", std::ceil},
          {"rint", std::nearbyint}, {"sin", std::sin}, {"cos", std::cos}, {"tan", std::tan}, {"asin", std::asin}, {"acos", std::acos}, {"atan", std::atan}, {"sinh", std::sinh}, {"cosh", std::cosh}, {"tanh", std::tanh}};
      auto it = kFunctions.find(name);
      if (it != kFunctions.end()) return real(it->second);
      if (name == "signum") return *out = Value(a[0].as_double() > 0 ? 1.0 : a[0].as_double() < 0 ? -1.0 : 0.0), true;
      if (name == "toRadians") return *out = Value(a[0].as_double() * M_PI / 180), true;
      if (name == "toDegrees") return *out = Value(a[0].as_double() * 180 / M_PI), true;
    }
    if (n == 0 && name == "random") return *out = Value(static_cast<double>(secure_random() >> 11) * 0x1p-53), true;
    if (n == 2) {
      if (name == "max" || name == "min") {
        bool first = name == "max" ? compare(a[0], a[1]) >= 0 : compare(a[0], a[1]) <= 0;
        *out = first ? a[0] : a[1];
        if (a[0].get<double>() != nullptr || a[1].get<double>() != nullptr) *out = Value(out->as_double());
        else out->is_int = a[0].is_int && a[1].is_int;
        return true;
      }
      if (name == "pow") return *out = Value(std::pow(a[0].as_double(), a[1].as_double())), true;
      if (name == "hypot") return *out = Value(std::hypot(a[0].as_double(), a[1].as_double())), true;
      if (name == "atan2") return *out = Value(std::atan2(a[0].as_double(), a[1].as_double())), true;
      if (name == "floorMod" || name == "floorDiv") {
        int64_t x = a[0].as_long(), y = a[1].as_long();
        if (y == 0) fail("arithmetic_exception", "/ by zero");
        int64_t q = x / y - ((x % y != 0 && (x < 0) != (y < 0)) ? 1 : 0);
        *out = Value(name == "floorDiv" ? q : x - q * y);
        out->is_int = a[0].is_int && a[1].is_int;
        return true;
      }
    }
    return false;
  }
  auto parse_number = [&](bool real) {
    std::string s = a.at(0).text();
    char* e;
    errno = 0;
    Value v = real ? Value(std::strtod(s.c_str(), &e)) : Value(static_cast<int64_t>(std::strtoll(s.c_str(), &e, n > 1 ? static_cast<int>(a[1].as_long()) : 10)));
    if (s.empty() || *e != 0 || errno != 0) fail("number_format_exception", "For input string: \"" + s + "\"");
    return v;
  };
  if (type == "Integer" || type == "Long" || type == "Double" || type == "Float" || type == "Short" || type == "Byte" || type == "Boolean" || type == "Character") {
    bool real = type == "Double" || type == "Float";
    if (n >= 1 && (name.starts_with("parse") || (name == "valueOf" && a[0].get<std::string>() != nullptr))) {
      if (type == "Boolean") return *out = Value(upper(a[0].text(), false) == "true"), true;
      *out = parse_number(real);
      out->is_int = type != "Long" && !real;
      return true;
    }
    if (n == 1 && name == "valueOf") return *out = a[0], true;
    if (n == 1 && name == "toString") return *out = Value(a[0].text()), true;
    if (n == 2 && name == "compare") return *out = Value(compare(a[0], a[1])), true;
    if (n == 2 && (name == "max" || name == "min" || name == "sum")) return name == "sum" ? (*out = Value(a[0].as_long() + a[1].as_long()), true) : call_static("Math", name, a, out);
    if (n == 1 && name == "isNaN") return *out = Value(std::isnan(a[0].as_double())), true;
    if (n == 1 && name == "isDigit") return *out = Value(std::isdigit(static_cast<unsigned char>(a[0].text()[0])) != 0), true;
    if (n == 1 && name == "isLetter") return *out = Value(std::isalpha(static_cast<unsigned char>(a[0].text()[0])) != 0), true;
    if (n == 1 && name == "toHexString") return *out = Value(fmt::format("{:x}", static_cast<uint64_t>(a[0].as_long()))), true;
    return false;
  }
  if (type == "String") {
    if (name == "valueOf" && n == 1) return *out = Value(a[0].text()), true;
    if (name == "join" && n >= 1) {
      std::string s;
      List items = n == 2 && a[1].get<ListPtr>() != nullptr ? **a[1].get<ListPtr>() : List(a.begin() + 1, a.end());
      for (size_t i = 0; i < items.size(); ++i) s += (i > 0 ? a[0].text() : "") + items[i].text();
      return *out = Value(s), true;
    }
    return false;
  }
  if ((type == "List" || type == "Arrays" || type == "Set" || type == "Stream") && (name == "of" || name == "asList")) return *out = Value(std::make_shared<List>(n == 1 && a[0].get<ListPtr>() != nullptr ? **a[0].get<ListPtr>() : a)), true;
  if (type == "Map" && name == "of") {
    MapPtr m = make_map();
    for (size_t i = 0; i + 1 < n; i += 2) m->at(a[i].text()) = a[i + 1];
    return *out = Value(m), true;
  }
  if (type == "Collections") {
    if (name == "emptyList") return *out = Value(make_list()), true;
    if (name == "emptyMap") return *out = Value(make_map()), true;
    if (name == "singletonList") return *out = Value(std::make_shared<List>(a)), true;
    if ((name == "sort" || name == "reverse") && n >= 1 && a[0].get<ListPtr>() != nullptr) {
      List& l = **a[0].get<ListPtr>();
      if (name == "reverse") std::reverse(l.begin(), l.end());
      else {
        List copy = l;
        std::stable_sort(copy.begin(), copy.end(), [&](const Value& x, const Value& y) { return less(n > 1 ? a[1] : Value(), x, y); });
        l = copy;
      }
      return true;
    }
    if ((name == "max" || name == "min") && n == 1 && a[0].get<ListPtr>() != nullptr) {
      List& l = **a[0].get<ListPtr>();
      if (l.empty()) fail("no_such_element_exception", "");
      Value best = l[0];
      for (auto& e : l) if (name == "max" ? compare(e, best) > 0 : compare(e, best) < 0) best = e;
      return *out = best, true;
    }
  }
  if (type == "Collectors") {
    if (name == "joining") return *out = Value("\x01joining:" + (n > 0 ? a[0].text() : std::string())), true;
    return *out = Value("\x01list"), true;
  }
  if (type == "Objects") {
    if (name == "equals" && n == 2) return *out = Value(same(a[0], a[1])), true;
    if (name == "isNull" && n == 1) return *out = Value(a[0].null()), true;
    if (name == "nonNull" && n == 1) return *out = Value(!a[0].null()), true;
  }
  if (type == "Instant" || type == "ZonedDateTime" || type == "LocalDate" || type == "LocalDateTime") {
    if (name == "ofEpochMilli" && n == 1) return *out = Value(Instant{a[0].as_long()}), true;
    if (name == "ofInstant" && n >= 1) return *out = a[0], true;
    if (name == "parse" && n >= 1) {
      auto ms = default_date_format().parse(a[0].text(), false, nullptr);
      if (!ms) fail("date_time_parse_exception", "Text '" + a[0].text() + "' could not be parsed at index 0");
      return *out = Value(Instant{*ms}), true;
    }
    if (name == "now") return *out = Value(Instant{system_clock().unix_us() / 1000}), true;
  }
  if (type == "ZoneId" && n == 1) return *out = a[0], true;
  if (type == "System" && name == "currentTimeMillis") return *out = Value(system_clock().unix_us() / 1000), true;
  if (type == "DateTimeFormatter" && name == "ofPattern" && n >= 1) return *out = a[0], true;
  return false;
}

// Declarations and, with a "(" before the type, casts.
Value convert(const Value& v, const std::string& given) {
  bool cast = !given.empty() && given[0] == '(';
  std::string t = cast ? given.substr(1) : given;
  if (t == "int" || t == "short" || t == "byte" || t == "long" || t == "Integer" || t == "Long") {
    bool small = t != "long" && t != "Long";
    if (v.null() && std::isupper(static_cast<unsigned char>(t[0])) != 0) return v;
    if (v.get<double>() != nullptr && !cast) fail("class_cast_exception", "Cannot cast from [double] to [" + t + "].");
    int64_t i = v.as_long();
    if (v.get<double>() != nullptr && small) i = std::clamp<int64_t>(i, INT32_MIN, INT32_MAX);
    Value out(small ? static_cast<int64_t>(t == "short" ? static_cast<int16_t>(i) : t == "byte" ? static_cast<int8_t>(i) : static_cast<int32_t>(i)) : i);
    out.is_int = small;
    return out;
  }
  if (t == "double" || t == "float" || t == "Double" || t == "Float") {
    if (v.null() && std::isupper(static_cast<unsigned char>(t[0])) != 0) return v;
    double d = v.as_double();
    return Value(t == "float" || t == "Float" ? static_cast<double>(static_cast<float>(d)) : d);
  }
  if (t == "boolean") return Value(v.as_bool());
  if (t == "char") {
    Value out = v.get<std::string>() != nullptr ? Value(static_cast<int64_t>(static_cast<unsigned char>(v.text().empty() ? 0 : v.text()[0]))) : Value(v.as_long());
    out.is_char = true;
    return out;
  }
  if (t == "String" && !v.null() && v.get<std::string>() == nullptr) fail("class_cast_exception", "Cannot cast from [" + v.type() + "] to [java.lang.String].");
  return v;
}

}  // namespace stele::segments::script
