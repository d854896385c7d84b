// Running SQL/JSON paths over jsonb.
#include "base/error.h"
#include "types/datetime.h"
#include "types/formatting.h"
#include "types/function_helpers.h"
#include "types/jsonpath.h"
#include "types/numeric.h"
#include "types/oids.h"
#include "types/type_io.h"
#include "types/type_registry.h"

namespace stele {

namespace {

using namespace jsonpath;
using C = ErrorCode;

// One item of a sequence: a JSON value or a datetime.
struct Item {
  JsonbValue json;
  Oid datetime = 0;  // its type, or 0
  Datum value;
  int zone_west_s = 0;
};
using Sequence = std::vector<Item>;
enum class Truth : uint8_t { kFalse, kTrue, kUnknown };

class Executor {
 public:
  Executor(const Path& path, JsonbValue root, const JsonbView* variables, bool zones, Arena& arena, EvalContext& ctx)
      : lax_(path.lax), relaxed_(path.lax), root_{root, 0, {}, 0}, variables_(variables), zones_(zones), arena_(arena), ctx_(ctx) {
    current_ = root_;
  }

  // False: an SQL/JSON error, in error().
  bool run(const Node& n, Sequence* out) { return item(n, root_, out, lax_); }
  const Error& error() const { return *error_; }

 private:
  bool fail(C code, std::string message, std::string hint = {}) {
    Error e(code, std::move(message));
    error_ = hint.empty() ? std::move(e) : std::move(e).hint(std::move(hint));
    return false;
  }
  static bool is(const Item& i, JsonType t) { return i.datetime == 0 && i.json.type == t; }
  JsonbValue boolean(bool b) {
    JsonbValue v;
    v.type = b ? JsonType::kTrue : JsonType::kFalse;
    return v;
  }
  JsonbValue number(Datum d) {
    JsonbValue v;
    v.type = JsonType::kNumber;
    v.number = d.as_varlena();
    return v;
  }
  JsonbValue string(std::string_view s) {
    JsonbValue v;
    v.type = JsonType::kString;
    v.bytes = s;
    return v;
  }
  // Applies what follows n to a value n produced.
  bool next(const Node& n, const Item& v, Sequence* out) {
    if (n.next) return item(*n.next, v, out, lax_);
    out->push_back(v);
    return true;
  }
  bool next(const Node& n, const JsonbValue& v, Sequence* out) { return next(n, Item{v, 0, {}, 0}, out); }

  // Descends; runs `n` (or collects, when null) on members at levels first..last.
  bool descend(const Node* n, const JsonbView& v, Sequence* out, uint32_t level, uint32_t first, uint32_t last, bool relax, bool unwrap) {
    if (level > last) return true;
    if (ctx_.check_interrupts) ctx_.check_interrupts();
    for (int i = 0; i < v.size(); ++i) {
      Item child{v.value(i), 0, {}, 0};
      bool container = child.json.is_container();
      if (level >= first || (first == kUnbounded && last == kUnbounded && !container)) {
        if (n != nullptr) {
          bool saved = relaxed_;
          if (relax) relaxed_ = true;
          bool ok = item(*n, child, out, unwrap);
          relaxed_ = saved;
          if (!ok) return false;
        } else {
          out->push_back(child);
        }
      }
      if (level < last && container && !descend(n, child.json.view(), out, level + 1, first, last, relax, unwrap)) return false;
    }
    return true;
  }
  bool unwrap_target(const Node& n, const Item& v, Sequence* out) {
    return descend(&n, v.json.view(), out, 1, 1, 1, false, false);
  }
  // As item(), then one level of arrays in the result opened when the path is lax.
  bool unwrapped(const Node& n, const Item& v, bool unwrap, Sequence* out) {
    if (!unwrap || !lax_) return item(n, v, out, lax_);
    Sequence found;
    if (!item(n, v, &found, lax_)) return false;
    for (Item& i : found) {
      if (is(i, JsonType::kArray)) {
        JsonbView a = i.json.view();
        for (int k = 0; k < a.size(); ++k) out->push_back({a.value(k), 0, {}, 0});
      } else {
        out->push_back(i);
      }
    }
    return true;
  }

  bool item(const Node& n, const Item& v, Sequence* out, bool unwrap) {
    switch (n.kind) {
      case Kind::kAnd: case Kind::kOr: case Kind::kNot: case Kind::kIsUnknown: case Kind::kEqual: case Kind::kNotEqual:
      case Kind::kLess: case Kind::kGreater: case Kind::kLessOrEqual: case Kind::kGreaterOrEqual: case Kind::kExists:
      case Kind::kStartsWith: case Kind::kLikeRegex: {
        Truth t = truth(n, v);
        return next(n, t == Truth::kUnknown ? JsonbValue{} : boolean(t == Truth::kTrue), out);
      }
      case Kind::kAdd: case Kind::kSub: case Kind::kMul: case Kind::kDiv: case Kind::kMod: return arithmetic(n, v, out);
      case Kind::kPlus: case Kind::kMinus: return sign(n, v, out);
      case Kind::kNull: return next(n, JsonbValue{}, out);
      case Kind::kBool: return next(n, boolean(n.boolean), out);
      case Kind::kString: return next(n, string(n.text), out);
      case Kind::kNumber: return next(n, number(numeric_parse(n.text, -1, arena_)), out);
      case Kind::kVariable: {
        int at = variables_ != nullptr ? variables_->find(n.text) : -1;
        if (at < 0) throw Error(C::kUndefinedObject, fmt::format("could not find jsonpath variable \"{}\"", n.text));
        return next(n, variables_->value(at), out);
      }
      case Kind::kRoot: return next(n, root_, out);
      case Kind::kCurrent: return next(n, current_, out);
      case Kind::kLast: return next(n, number(numeric_from_int(array_size_ - 1, arena_)), out);
      case Kind::kAnyArray:
        if (is(v, JsonType::kArray)) {
          bool u = lax_;
          return descend(n.next.get(), v.json.view(), out, 1, 1, 1, false, u);
        }
        if (lax_) return next(n, v, out);
        if (relaxed_) return true;
        return fail(C::kSqlJsonArrayNotFound, "jsonpath wildcard array accessor can only be applied to an array");
      case Kind::kIndexArray: return index(n, v, out);
      case Kind::kAnyKey:
        if (is(v, JsonType::kObject)) return descend(n.next.get(), v.json.view(), out, 1, 1, 1, false, lax_);
        if (unwrap && is(v, JsonType::kArray)) return unwrap_target(n, v, out);
        if (relaxed_) return true;
        return fail(C::kSqlJsonObjectNotFound, "jsonpath wildcard member accessor can only be applied to an object");
      case Kind::kKey:
        if (is(v, JsonType::kObject)) {
          JsonbView o = v.json.view();
          int at = o.find(n.text);
          if (at >= 0) return next(n, o.value(at), out);
          if (relaxed_) return true;
          return fail(C::kSqlJsonMemberNotFound, fmt::format("JSON object does not contain key \"{}\"", n.text));
        }
        if (unwrap && is(v, JsonType::kArray)) return unwrap_target(n, v, out);
        if (relaxed_) return true;
        return fail(C::kSqlJsonMemberNotFound, "jsonpath member accessor can only be applied to an object");
      case Kind::kFilter: {
        if (unwrap && is(v, JsonType::kArray)) return unwrap_target(n, v, out);
        Item saved = current_;
        current_ = v;
        Truth t = truth(*n.left, v);
        current_ = saved;
        return t == Truth::kTrue ? next(n, v, out) : true;
      }
      case Kind::kAny: {
        if (n.first == 0) {
          bool saved = relaxed_;
          relaxed_ = true;
          bool ok = next(n, v, out);
          relaxed_ = saved;
          if (!ok) return false;
        }
        if (v.datetime == 0 && v.json.is_container())
          return descend(n.next.get(), v.json.view(), out, 1, n.first, n.last, true, lax_);
        return true;
      }
      case Kind::kType: return next(n, string(type_of(v)), out);
      case Kind::kSize:
        if (is(v, JsonType::kArray)) return next(n, number(numeric_from_int(v.json.view().size(), arena_)), out);
        if (lax_) return next(n, number(numeric_from_int(1, arena_)), out);
        if (relaxed_) return true;
        return fail(C::kSqlJsonArrayNotFound, "jsonpath item method .size() can only be applied to an array");
      case Kind::kAbs: case Kind::kFloor: case Kind::kCeiling: {
        if (unwrap && is(v, JsonType::kArray)) return unwrap_target(n, v, out);
        if (!is(v, JsonType::kNumber))
          return fail(C::kNonNumericSqlJsonItem, fmt::format("jsonpath item method .{}() can only be applied to a numeric value", symbol(n.kind)));
        const char* f = n.kind == Kind::kAbs ? "numeric_abs" : n.kind == Kind::kFloor ? "numeric_floor" : "numeric_ceil";
        return next(n, number(call_native(f, {v.json.numeric()}, arena_, ctx_)), out);
      }
      case Kind::kDouble: {
        if (unwrap && is(v, JsonType::kArray)) return unwrap_target(n, v, out);
        if (!is(v, JsonType::kNumber) && !is(v, JsonType::kString))
          return fail(C::kNonNumericSqlJsonItem, "jsonpath item method .double() can only be applied to a string or numeric value");
        bool text = is(v, JsonType::kString);
        double d = NAN;
        try {
          std::string s = text ? std::string(v.json.bytes) : numeric_text(v.json.numeric());
          d = type_input(oid::kFloat8, s, -1, arena_, ctx_).as_double();
        } catch (const Error&) {
        }
        if (std::isnan(d) || std::isinf(d))
          return fail(C::kNonNumericSqlJsonItem,
                      text ? "string argument of jsonpath item method .double() is not a valid representation of a double precision number"
                           : "numeric argument of jsonpath item method .double() is out of range for type double precision");
        return next(n, number(numeric_from_double(d, arena_)), out);
      }
      case Kind::kDatetime:
        if (unwrap && is(v, JsonType::kArray)) return unwrap_target(n, v, out);
        return datetime(n, v, out);
      case Kind::kKeyValue: {
        if (unwrap && is(v, JsonType::kArray)) return unwrap_target(n, v, out);
        if (!is(v, JsonType::kObject))
          return fail(C::kSqlJsonObjectNotFound, "jsonpath item method .keyvalue() can only be applied to an object");
        JsonbView o = v.json.view();
        // Ids tell objects apart: their place in the document.
        std::string_view base = root_.json.bytes;
        int64_t id = o.bytes().data() >= base.data() && o.bytes().data() < base.data() + base.size() ? o.bytes().data() - base.data() : 0;
        for (int i = 0; i < o.size(); ++i) {
          JsonNode pair = JsonNode::object();
          pair.add("key", JsonNode::string(o.key(i)));
          pair.add("value", JsonNode::of(o.value(i)));
          pair.add("id", JsonNode::numeric(numeric_from_int(id, arena_)));
          if (!next(n, JsonbView(make_jsonb(pair, arena_, ctx_)).root(), out)) return false;
        }
        return true;
      }
      default:
        throw Error(C::kInternalError, "unexpected jsonpath item");
    }
  }

  static std::string_view type_of(const Item& v) {
    switch (v.datetime) {
      case oid::kDate: return "date";
      case oid::kTime: return "time without time zone";
      case oid::kTimetz: return "time with time zone";
      case oid::kTimestamp: return "timestamp without time zone";
      case oid::kTimestamptz: return "timestamp with time zone";
      default: break;
    }
    static constexpr std::string_view kNames[] = {"null", "string", "number", "boolean", "boolean", "array", "object"};
    return kNames[static_cast<int>(v.json.type)];
  }

  bool arithmetic(const Node& n, const Item& v, Sequence* out) {
    Sequence l, r;
    if (!unwrapped(*n.left, v, true, &l)) return false;
    if (!unwrapped(*n.right, v, true, &r)) return false;
    if (l.size() != 1 || !is(l[0], JsonType::kNumber))
      return fail(C::kSingletonSqlJsonItemRequired, fmt::format("left operand of jsonpath operator {} is not a single numeric value", symbol(n.kind)));
    if (r.size() != 1 || !is(r[0], JsonType::kNumber))
      return fail(C::kSingletonSqlJsonItemRequired, fmt::format("right operand of jsonpath operator {} is not a single numeric value", symbol(n.kind)));
    Datum a = l[0].json.numeric(), b = r[0].json.numeric(), result;
    try {
      switch (n.kind) {
        case Kind::kAdd: result = numeric_add(a, b, arena_); break;
        case Kind::kSub: result = numeric_sub(a, b, arena_); break;
        case Kind::kMul: result = numeric_mul(a, b, arena_); break;
        case Kind::kDiv: result = numeric_div(a, b, arena_); break;
        default: result = numeric_mod(a, b, arena_); break;
      }
    } catch (const Error& e) {
      error_ = e;
      return false;
    }
    return next(n, number(result), out);
  }
  bool sign(const Node& n, const Item& v, Sequence* out) {
    Sequence found;
    if (!unwrapped(*n.left, v, true, &found)) return false;
    for (const Item& i : found) {
      if (!is(i, JsonType::kNumber))
        return fail(C::kSqlJsonNumberNotFound, fmt::format("operand of unary jsonpath operator {} is not a numeric value", symbol(n.kind)));
      Datum d = i.json.numeric();
      if (n.kind == Kind::kMinus) d = numeric_negate(d, arena_);
      if (!next(n, number(d), out)) return false;
    }
    return true;
  }
  bool subscript(const Node& n, const Item& v, int64_t* out) {
    Sequence found;
    if (!item(n, v, &found, lax_)) return false;
    if (found.size() != 1 || !is(found[0], JsonType::kNumber))
      return fail(C::kInvalidSqlJsonSubscript, "jsonpath array subscript is not a single numeric value");
    Datum t = numeric_trunc(found[0].json.numeric(), 0, arena_);
    try {
      *out = numeric_to_int(t, 4);
    } catch (const Error&) {
      return fail(C::kInvalidSqlJsonSubscript, "jsonpath array subscript is out of integer range");
    }
    return true;
  }
  bool index(const Node& n, const Item& v, Sequence* out) {
    bool array = is(v, JsonType::kArray);
    if (!array && !lax_) {
      if (relaxed_) return true;
      return fail(C::kSqlJsonArrayNotFound, "jsonpath array accessor can only be applied to an array");
    }
    int size = array ? v.json.view().size() : 1;
    int saved = array_size_;
    for (const Node::Subscript& s : n.subscripts) {
      array_size_ = size;
      int64_t from, to;
      bool ok = subscript(*s.from, v, &from);
      if (ok) {
        to = from;
        if (s.to) ok = subscript(*s.to, v, &to);
      }
      array_size_ = saved;
      if (!ok) return false;
      if (!relaxed_ && (from < 0 || from > to || to >= size))
        return fail(C::kInvalidSqlJsonSubscript, "jsonpath array subscript is out of bounds");
      from = std::max<int64_t>(from, 0);
      to = std::min<int64_t>(to, size - 1);
      for (int64_t i = from; i <= to; ++i) {
        bool good = array ? next(n, v.json.view().value(static_cast<int>(i)), out) : next(n, v, out);
        if (!good) return false;
      }
    }
    return true;
  }

  bool datetime(const Node& n, const Item& v, Sequence* out) {
    if (!is(v, JsonType::kString))
      return fail(C::kInvalidArgumentForSqlJsonDatetimeFunction, "jsonpath item method .datetime() can only be applied to a string");
    std::string_view text = v.json.bytes;
    TemplateValue t;
    if (n.left) {
      try {
        t = parse_datetime(text, n.left->text, arena_, ctx_);
      } catch (const Error& e) {
        error_ = e;
        return false;
      }
    } else {
      static constexpr const char* kFormats[] = {
          "yyyy-mm-dd", "HH24:MI:SSTZH:TZM", "HH24:MI:SSTZH", "HH24:MI:SS", "yyyy-mm-dd HH24:MI:SSTZH:TZM",
          "yyyy-mm-dd HH24:MI:SSTZH", "yyyy-mm-dd HH24:MI:SS", "yyyy-mm-dd\"T\"HH24:MI:SSTZH:TZM",
          "yyyy-mm-dd\"T\"HH24:MI:SSTZH", "yyyy-mm-dd\"T\"HH24:MI:SS"};
      bool found = false;
      for (const char* f : kFormats) {
        try {
          t = parse_datetime(text, f, arena_, ctx_);
          found = true;
          break;
        } catch (const Error&) {
        }
      }
      if (!found)
        return fail(C::kInvalidArgumentForSqlJsonDatetimeFunction, fmt::format("datetime format is not recognized: \"{}\"", text),
                    "Use a datetime template argument to specify the input data format.");
    }
    return next(n, Item{{}, t.type, t.value, t.zone_west_s}, out);
  }

  Truth truth(const Node& n, const Item& v) {
    switch (n.kind) {
      case Kind::kAnd: {
        Truth l = truth(*n.left, v);
        if (l == Truth::kFalse) return l;
        Truth r = truth(*n.right, v);
        return r == Truth::kTrue ? l : r;
      }
      case Kind::kOr: {
        Truth l = truth(*n.left, v);
        if (l == Truth::kTrue) return l;
        Truth r = truth(*n.right, v);
        return r == Truth::kFalse ? l : r;
      }
      case Kind::kNot: {
        Truth t = truth(*n.left, v);
        return t == Truth::kUnknown ? t : t == Truth::kTrue ? Truth::kFalse : Truth::kTrue;
      }
      case Kind::kIsUnknown: return truth(*n.left, v) == Truth::kUnknown ? Truth::kTrue : Truth::kFalse;
      case Kind::kExists: {
        Sequence found;
        if (!item(*n.left, v, &found, lax_)) return lax_ && !found.empty() ? Truth::kTrue : Truth::kUnknown;
        return found.empty() ? Truth::kFalse : Truth::kTrue;
      }
      case Kind::kLikeRegex:
      case Kind::kStartsWith:
        break;
      case Kind::kEqual: case Kind::kNotEqual: case Kind::kLess: case Kind::kGreater: case Kind::kLessOrEqual:
      case Kind::kGreaterOrEqual:
        break;
      default: {
        // A predicate followed by accessors, as a boolean item.
        Sequence found;
        if (!item(n, v, &found, lax_) || found.size() != 1) return Truth::kUnknown;
        return is(found[0], JsonType::kTrue) ? Truth::kTrue : is(found[0], JsonType::kFalse) ? Truth::kFalse : Truth::kUnknown;
      }
    }
    Sequence l, r;
    if (!unwrapped(*n.left, v, true, &l)) return Truth::kUnknown;
    if (n.right && !unwrapped(*n.right, v, n.kind != Kind::kStartsWith, &r)) return Truth::kUnknown;
    if (!n.right) r.emplace_back();
    bool error = false, found = false;
    for (const Item& a : l)
      for (const Item& b : r) {
        Truth t = n.kind == Kind::kLikeRegex ? like(n, a) : n.kind == Kind::kStartsWith ? starts_with(a, b) : compare(n.kind, a, b);
        if (t == Truth::kUnknown) {
          if (!lax_) return t;
          error = true;
        } else if (t == Truth::kTrue) {
          if (lax_) return t;
          found = true;
        }
      }
    return found ? Truth::kTrue : error ? Truth::kUnknown : Truth::kFalse;
  }
  static Truth from(bool b) { return b ? Truth::kTrue : Truth::kFalse; }
  Truth starts_with(const Item& a, const Item& b) {
    if (!is(a, JsonType::kString) || !is(b, JsonType::kString)) return Truth::kUnknown;
    return from(a.json.bytes.substr(0, b.json.bytes.size()) == b.json.bytes);
  }
  Truth like(const Node& n, const Item& a) {
    if (!is(a, JsonType::kString)) return Truth::kUnknown;
    return from(call_native("textregexeq", {make_bytes(arena_, a.json.bytes), make_bytes(arena_, regex_source(n))}, arena_, ctx_).as_bool());
  }
  static Truth order(Kind op, int c) {
    switch (op) {
      case Kind::kEqual: return from(c == 0);
      case Kind::kNotEqual: return from(c != 0);
      case Kind::kLess: return from(c < 0);
      case Kind::kGreater: return from(c > 0);
      case Kind::kLessOrEqual: return from(c <= 0);
      default: return from(c >= 0);
    }
  }
  Truth compare(Kind op, const Item& a, const Item& b) {
    if (a.datetime != 0 && b.datetime != 0) return compare_datetimes(op, a, b);
    if (a.datetime != 0 || b.datetime != 0) {
      if (is(a, JsonType::kNull) || is(b, JsonType::kNull)) return from(op == Kind::kNotEqual);
      return Truth::kUnknown;
    }
    auto kind = [](JsonType t) { return t == JsonType::kFalse ? JsonType::kTrue : t; };
    JsonType ta = kind(a.json.type), tb = kind(b.json.type);
    if (ta != tb) {
      if (ta == JsonType::kNull || tb == JsonType::kNull) return from(op == Kind::kNotEqual);
      return Truth::kUnknown;
    }
    switch (ta) {
      case JsonType::kNull: return order(op, 0);
      case JsonType::kTrue: return order(op, int{a.json.type == JsonType::kTrue} - int{b.json.type == JsonType::kTrue});
      case JsonType::kNumber: return order(op, numeric_compare(a.json.numeric(), b.json.numeric()));
      case JsonType::kString: return order(op, a.json.bytes.compare(b.json.bytes));
      default: return Truth::kUnknown;
    }
  }
  void require_zones(const char* from_type, const char* to_type) {
    if (zones_) return;
    throw Error(C::kFeatureNotSupported, fmt::format("cannot convert value from {} to {} without time zone usage", from_type, to_type))
        .hint("Use *_tz() function for time zone support.");
  }
  Truth compare_datetimes(Kind op, const Item& a, const Item& b) {
    auto is_time = [](Oid t) { return t == oid::kTime || t == oid::kTimetz; };
    if (is_time(a.datetime) != is_time(b.datetime)) return Truth::kUnknown;
    const TimeZone& zone = session_zone(ctx_);
    auto sign = [](int64_t x, int64_t y) { return x < y ? -1 : x > y; };
    if (is_time(a.datetime)) {
      if (a.datetime == oid::kTime && b.datetime == oid::kTime) return order(op, sign(a.value.as_int(), b.value.as_int()));
      if (a.datetime != b.datetime) require_zones("time", "timetz");
      auto with_zone = [&](const Item& i) {
        if (i.datetime == oid::kTimetz) return timetz_arg(i.value);
        BrokenTime now;
        timestamp_to_broken(ctx_.now_us, &now, &zone);
        time_to_broken(i.value.as_int(), &now);
        return TimeTz{i.value.as_int(), zone_offset(now, zone), 0};
      };
      TimeTz x = with_zone(a), y = with_zone(b);
      int c = sign(x.us + x.zone_s * kUsPerSecond, y.us + y.zone_s * kUsPerSecond);
      return order(op, c != 0 ? c : sign(x.zone_s, y.zone_s));
    }
    bool zoned = a.datetime == oid::kTimestamptz || b.datetime == oid::kTimestamptz;
    auto value = [&](const Item& i) {
      if (i.datetime == oid::kTimestamptz) return i.value.as_int();
      bool date = i.datetime == oid::kDate;
      if (zoned) require_zones(date ? "date" : "timestamp", "timestamptz");
      int64_t ts = date ? date_to_timestamp(static_cast<int32_t>(i.value.as_int())) : i.value.as_int();
      return zoned ? timestamp_to_timestamptz(ts, zone) : ts;
    };
    return order(op, sign(value(a), value(b)));
  }

  bool lax_;
  bool relaxed_;  // structural errors are ignored
  Item root_, current_;
  const JsonbView* variables_;
  bool zones_;
  Arena& arena_;
  EvalContext& ctx_;
  int array_size_ = 0;
  std::optional<Error> error_;
};

struct CachedPath {
  std::string text;
  Path path;
};
const Path& path_of(FnCall& c) {
  std::string_view text = c.text_arg(1);
  auto cached = std::static_pointer_cast<CachedPath>(*c.cache);
  if (!cached || cached->text != text) {
    cached = std::make_shared<CachedPath>();
    cached->text = text;
    cached->path = parse(text, *c.context);
    *c.cache = cached;
  }
  return cached->path;
}

JsonbValue item_json(const Item& i, FnCall& c) {
  if (i.datetime == 0) return i.json;
  std::string text;
  format_json_datetime(i.datetime, i.value, text, *c.context, i.datetime == oid::kTimestamptz ? &i.zone_west_s : nullptr);
  JsonbValue v;
  v.type = JsonType::kString;
  v.bytes = c.arena->copy(text);
  return v;
}

// False when there was an error and the call asked for silence.
bool run(FnCall& c, bool zones, bool operator_call, Sequence* out) {
  const Path& path = path_of(c);
  bool silent = operator_call || (c.nargs > 3 && c.arg(3).as_bool());
  std::optional<JsonbView> variables;
  if (c.nargs > 2) {
    variables.emplace(c.arg(2));
    if (!variables->is_object())
      throw Error(C::kInvalidParameterValue, "\"vars\" argument is not an object")
          .detail("Jsonpath parameters should be encoded as key-value pairs of \"vars\" object.");
  }
  Executor e(path, JsonbView(c.arg(0)).root(), variables ? &*variables : nullptr, zones, *c.arena, *c.context);
  if (e.run(*path.root, out)) return true;
  if (!silent) throw e.error();
  return false;
}

template <bool Zones, bool Operator>
Datum path_exists(FnCall& c) {
  Sequence s;
  if (!run(c, Zones, Operator, &s)) return path_of(c).lax && !s.empty() ? Datum::from_bool(true) : c.null();
  return Datum::from_bool(!s.empty());
}
template <bool Zones, bool Operator>
Datum path_match(FnCall& c) {
  Sequence s;
  bool ok = run(c, Zones, Operator, &s);
  if (ok && s.size() == 1 && s[0].datetime == 0) {
    if (s[0].json.type == JsonType::kTrue || s[0].json.type == JsonType::kFalse) return Datum::from_bool(s[0].json.boolean());
    if (s[0].json.type == JsonType::kNull) return c.null();
  }
  if (!Operator && !c.arg(3).as_bool()) throw Error(C::kSingletonSqlJsonItemRequired, "single boolean result is expected");
  return c.null();
}
template <bool Zones>
Datum path_query_array(FnCall& c) {
  Sequence s;
  if (!run(c, Zones, false, &s)) s.clear();
  JsonNode n = JsonNode::array();
  for (const Item& i : s) n.add(JsonNode::of(item_json(i, c)));
  return make_jsonb(n, *c.arena, *c.context);
}
template <bool Zones>
Datum path_query_first(FnCall& c) {
  Sequence s;
  if (!run(c, Zones, false, &s)) s.clear();
  return s.empty() ? c.null() : make_jsonb(item_json(s[0], c), *c.arena);
}
class PathRows : public SetRows {
 public:
  PathRows(FnCall& c, bool zones) {
    Sequence s;
    if (!run(c, zones, false, &s)) s.clear();
    for (const Item& i : s) rows_.push_back(make_jsonb(item_json(i, c), arena_));
  }
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (at_ >= rows_.size()) return false;
    *out = rows_[at_++];
    *nulls = false;
    return true;
  }

 private:
  Arena arena_;
  std::vector<Datum> rows_;
  size_t at_ = 0;
};

Datum jsonpath_input(std::string_view s, int32_t, Arena& a, EvalContext& ctx) { return make_bytes(a, to_text(parse(s, ctx))); }
void jsonpath_output(Datum v, std::string& out, EvalContext&) { out.append(v.as_view()); }
Datum jsonpath_receive(std::string_view b, int32_t m, Arena& a, EvalContext& ctx) {
  if (b.empty() || b[0] != 1) throw Error(C::kInternalError, fmt::format("unsupported jsonpath version number: {}", b.empty() ? 0 : static_cast<int>(b[0])));
  return jsonpath_input(b.substr(1), m, a, ctx);
}
void jsonpath_sender(Datum v, std::string& out, EvalContext&) {
  out.push_back(1);
  out.append(v.as_view());
}

}  // namespace

void register_jsonpath_types(TypeTable& t) {
  t.io(oid::kJsonpath, {jsonpath_input, jsonpath_output, jsonpath_receive, jsonpath_sender});
}

void register_jsonpath_functions(FunctionRegistry& r) {
  r.add("jsonpath_in", input_function<jsonpath_input>);
  r.add("jsonpath_out", output_function<jsonpath_output>);
  r.add("jsonpath_recv", input_function<jsonpath_receive>);
  r.add("jsonpath_send", output_function<jsonpath_sender>);
  r.add("jsonb_path_exists", path_exists<false, false>);
  r.add("jsonb_path_exists_tz", path_exists<true, false>);
  r.add("jsonb_path_exists_opr", path_exists<false, true>);
  r.add("jsonb_path_match", path_match<false, false>);
  r.add("jsonb_path_match_tz", path_match<true, false>);
  r.add("jsonb_path_match_opr", path_match<false, true>);
  r.add("jsonb_path_query_array", path_query_array<false>);
  r.add("jsonb_path_query_array_tz", path_query_array<true>);
  r.add("jsonb_path_query_first", path_query_first<false>);
  r.add("jsonb_path_query_first_tz", path_query_first<true>);
  r.add_set("jsonb_path_query", [](FnCall& c) -> std::unique_ptr<SetRows> { return std::make_unique<PathRows>(c, false); });
  r.add_set("jsonb_path_query_tz", [](FnCall& c) -> std::unique_ptr<SetRows> { return std::make_unique<PathRows>(c, true); });
}

}  // namespace stele
