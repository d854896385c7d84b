#include <cmath>

#include "segments/script/program.h"

namespace stele::segments::script {

namespace {
constexpr int64_t kMaxSteps = 1'000'000;
constexpr int kMaxCalls = 400;

enum class Flow : uint8_t { kNormal, kBreak, kContinue, kReturn };

// Thrown by a script itself.
struct Thrown { std::string type, message; };

// Names by scope, innermost last.
struct Scopes {
  std::vector<std::pair<std::string, Value>> names;
  Value* find(std::string_view name) {
    for (size_t i = names.size(); i-- > 0;) if (names[i].first == name) return &names[i].second;
    return nullptr;
  }
};

class Run {
 public:
  Run(const Program& p, Scopes scopes, std::shared_ptr<int64_t> steps, int calls = 0) : program_(p), scopes_(std::move(scopes)), steps_(std::move(steps)), calls_(calls) {}
  Value all() {
    size_t n = program_.body->kids.size();
    for (size_t i = 0; i < n; ++i) {
      const Node& s = *program_.body->kids[i];
      // The value of a script is that of its last expression.
      if (i + 1 == n && s.op == Op::kExpression) return eval(*s.kids[0]);
      if (exec(s) == Flow::kReturn) return result_;
    }
    return {};
  }
  Value body(const Node& n) {
    if (n.op == Op::kBlock) {
      exec(n);
      return result_;
    }
    return eval(n);
  }
  Scopes& scopes() { return scopes_; }

 private:
  void step(const Node& n) {
    if (--*steps_ < 0) {
      ScriptError e("runtime error", "script_error", "The maximum number of statements that can be executed in a loop has been reached.");
      e.position = n.at;
      throw e;
    }
  }
  Flow exec(const Node& n) {
    step(n);
    switch (n.op) {
      case Op::kNothing: return Flow::kNormal;
      case Op::kBlock: {
        size_t mark = scopes_.names.size();
        Flow f = Flow::kNormal;
        for (auto& k : n.kids) if ((f = exec(*k)) != Flow::kNormal) break;
        if (!n.flag) scopes_.names.resize(mark);
        return f;
      }
      case Op::kDeclare: {
        Value v = n.kids.empty() ? default_of(n.names[0]) : convert(eval(*n.kids[0]), n.names[0]);
        scopes_.names.emplace_back(n.text, std::move(v));
        return Flow::kNormal;
      }
      case Op::kExpression: eval(*n.kids[0]); return Flow::kNormal;
      case Op::kIf:
        if (truth(*n.kids[0])) return exec(*n.kids[1]);
        return n.kids.size() > 2 ? exec(*n.kids[2]) : Flow::kNormal;
      case Op::kWhile:
        while (truth(*n.kids[0])) {
          Flow f = exec(*n.kids[1]);
          if (f == Flow::kBreak) break;
          if (f == Flow::kReturn) return f;
        }
        return Flow::kNormal;
      case Op::kDoWhile:
        do {
          Flow f = exec(*n.kids[1]);
          if (f == Flow::kBreak) break;
          if (f == Flow::kReturn) return f;
        } while (truth(*n.kids[0]));
        return Flow::kNormal;
      case Op::kFor: {
        size_t mark = scopes_.names.size();
        if (n.kids[0]->op == Op::kBlock) exec(*n.kids[0]);
        else if (n.kids[0]->op != Op::kNothing) eval(*n.kids[0]);
        Flow out = Flow::kNormal;
        while (truth(*n.kids[1])) {
          Flow f = exec(*n.kids[3]);
          if (f == Flow::kBreak) break;
          if (f == Flow::kReturn) {
            out = f;
            break;
          }
          if (n.kids[2]->op != Op::kNothing) eval(*n.kids[2]);
        }
        scopes_.names.resize(mark);
        return out;
      }
      case Op::kForEach: {
        Value over = eval(*n.kids[0]);
        List items;
        if (over.get<ListPtr>() != nullptr) {
          items = **over.get<ListPtr>();
        } else if (over.get<HostPtr>() != nullptr) {
          List none;
          int64_t size = call_method(over, "size", none).as_long();
          for (int64_t i = 0; i < size; ++i) {
            List at{Value(static_cast<int>(i))};
            items.push_back(call_method(over, "get", at));
          }
        } else if (over.null()) {
          fail("null_pointer_exception", "Cannot iterate over null");
        } else {
          fail("illegal_argument_exception", "Cannot iterate over [" + over.type() + "]");
        }
        size_t mark = scopes_.names.size();
        scopes_.names.emplace_back(n.text, Value());
        Flow out = Flow::kNormal;
        for (Value& v : items) {
          scopes_.names.resize(mark + 1);
          scopes_.names[mark].second = v;
          Flow f = exec(*n.kids[1]);
          if (f == Flow::kBreak) break;
          if (f == Flow::kReturn) {
            out = f;
            break;
          }
        }
        scopes_.names.resize(mark);
        return out;
      }
      case Op::kReturn:
        result_ = n.kids.empty() ? Value() : eval(*n.kids[0]);
        return Flow::kReturn;
      case Op::kBreak: return Flow::kBreak;
      case Op::kContinue: return Flow::kContinue;
      case Op::kThrow: {
        Value v = eval(*n.kids[0]);
        std::string type = "exception", message = v.text();
        if (auto* m = v.get<MapPtr>()) {
          if (auto* t = (*m)->find("type")) type = t->text();
          if (auto* t = (*m)->find("message")) message = t->text();
        }
        ScriptError e("runtime error", type, message);
        e.position = n.at;
        throw e;
      }
      case Op::kTry: {
        size_t mark = scopes_.names.size();
        try {
          return exec(*n.kids[0]);
        } catch (const ScriptError& e) {
          if (n.kids.size() < 2 || *steps_ < 0) throw;
          scopes_.names.resize(mark);
          MapPtr m = make_map();
          m->at("type") = Value(e.cause);
          m->at("message") = Value(e.reason);
          scopes_.names.emplace_back(n.names[1], Value(m));
          Flow f = exec(*n.kids[1]);
          scopes_.names.resize(mark);
          return f;
        }
      }
      default: eval(n); return Flow::kNormal;
    }
  }
  static Value default_of(const std::string& type) {
    if (type == "int" || type == "short" || type == "byte") return Value(0);
    if (type == "long") return Value(int64_t{0});
    if (type == "double" || type == "float") return Value(0.0);
    if (type == "boolean") return Value(false);
    return {};
  }
  bool truth(const Node& n) { return eval(n).as_bool(); }
  List arguments(const Node& n, size_t from) {
    List out;
    for (size_t i = from; i < n.kids.size(); ++i) out.push_back(eval(*n.kids[i]));
    return out;
  }
  // A place that can be assigned to: made in maps when missing.
  void assign(const Node& target, Value v) {
    if (target.op == Op::kName) {
      Value* at = scopes_.find(target.text);
      if (at == nullptr) unknown(target);
      *at = std::move(v);
      return;
    }
    Value on = eval(*target.kids[0]);
    if (target.op == Op::kMember) {
      if (auto* m = on.get<MapPtr>()) {
        (*m)->at(target.text) = std::move(v);
        return;
      }
      if (auto* l = on.get<ListPtr>()) {
        put(**l, std::atoll(target.text.c_str()), std::move(v));
        return;
      }
      if (on.null()) fail("null_pointer_exception", "cannot access method/field [" + target.text + "] from a null def reference");
      fail("illegal_argument_exception", "dynamic setter [" + on.type() + ", " + target.text + "] not found");
    }
    Value key = eval(*target.kids[1]);
    if (auto* m = on.get<MapPtr>()) (*m)->at(key.text()) = std::move(v);
    else if (auto* l = on.get<ListPtr>()) put(**l, key.as_long(), std::move(v));
    else if (on.null()) fail("null_pointer_exception", "cannot access an element of a null reference");
    else fail("illegal_argument_exception", "Attempting to address a non-array type [" + on.type() + "] as an array.");
  }
  static void put(List& l, int64_t i, Value v) {
    if (i < 0) i += static_cast<int64_t>(l.size());
    if (i < 0 || i >= static_cast<int64_t>(l.size())) fail("index_out_of_bounds_exception", "Index " + std::to_string(i) + " out of bounds for length " + std::to_string(l.size()));
    l[static_cast<size_t>(i)] = std::move(v);
  }
  [[noreturn]] void unknown(const Node& n) {
    ScriptError e("compile error", "illegal_argument_exception", "cannot resolve symbol [" + n.text + "]");
    e.position = n.at;
    throw e;
  }
  std::string dotted(const Node& n) {
    if (n.op == Op::kName) return scopes_.find(n.text) == nullptr ? n.text : std::string();
    if (n.op == Op::kMember) {
      std::string left = dotted(*n.kids[0]);
      return left.empty() ? left : n.text;  // java.util.Map is Map
    }
    return {};
  }
  Value eval(const Node& n) {
    try {
      return evaluate(n);
    } catch (ScriptError& e) {
      if (e.position == 0) e.position = n.at;
      throw;
    }
  }
  Value evaluate(const Node& n) {
    step(n);
    switch (n.op) {
      case Op::kLiteral: return n.literal;
      case Op::kName: {
        Value* v = scopes_.find(n.text);
        if (v == nullptr) unknown(n);
        return *v;
      }
      case Op::kMember: case Op::kSafeMember: {
        if (std::string type = dotted(*n.kids[0]); !type.empty()) {
          Value out;
          if (static_member(type, n.text, &out)) return out;
        }
        Value on = eval(*n.kids[0]);
        if (on.null() && n.op == Op::kSafeMember) return {};
        return read_member(on, n.text);
      }
      case Op::kIndex: {
        Value on = eval(*n.kids[0]), key = eval(*n.kids[1]);
        if (auto* m = on.get<MapPtr>()) {
          auto* v = (*m)->find(key.text());
          return v == nullptr ? Value() : *v;
        }
        if (on.get<ListPtr>() != nullptr) {
          List args{key};
          return call_method(on, "get", args);
        }
        if (auto* h = on.get<HostPtr>()) {
          Value out;
          if ((*h)->index(key, &out)) return out;
        }
        if (on.null()) fail("null_pointer_exception", "cannot access an element of a null reference");
        fail("illegal_argument_exception", "Attempting to address a non-array type [" + on.type() + "] as an array.");
      }
      case Op::kCall: {
        List args = arguments(n, 0);
        auto f = program_.functions.find(n.text);
        if (f != program_.functions.end()) {
          if (args.size() != f->second.parameters.size()) break;
          if (calls_ >= kMaxCalls) fail("stack_overflow_error", "too many calls");
          Scopes inner;
          for (size_t i = 0; i < args.size(); ++i) inner.names.emplace_back(f->second.parameters[i], std::move(args[i]));
          return Run(program_, std::move(inner), steps_, calls_ + 1).body(*f->second.body);
        }
        if (Value* v = scopes_.find(n.text); v != nullptr && v->get<FunctionPtr>() != nullptr) return invoke(*v, std::move(args));
        ScriptError e("compile error", "illegal_argument_exception", "Unknown call [" + n.text + "] with [" + std::to_string(args.size()) + "] arguments.");
        e.position = n.at;
        throw e;
      }
      case Op::kMethod: case Op::kSafeMethod: {
        if (std::string type = dotted(*n.kids[0]); !type.empty()) {
          List args = arguments(n, 1);
          Value out;
          if (call_static(type, n.text, args, &out)) return out;
        }
        Value on = eval(*n.kids[0]);
        if (on.null()) {
          if (n.op == Op::kSafeMethod) return {};
          fail("null_pointer_exception", "cannot access method/field [" + n.text + "] from a null def reference");
        }
        List args = arguments(n, 1);
        return call_method(on, n.text, args);
      }
      case Op::kNew: {
        List args = arguments(n, 0);
        return make_object(n.text, args);
      }
      case Op::kListOf: return Value(std::make_shared<List>(arguments(n, 0)));
      case Op::kMapOf: {
        MapPtr m = make_map();
        for (size_t i = 0; i + 1 < n.kids.size(); i += 2) {
          std::string key = eval(*n.kids[i]).text();
          m->at(key) = eval(*n.kids[i + 1]);
        }
        return Value(m);
      }
      case Op::kLambda: {
        auto f = std::make_shared<Function>();
        // What it sees is what stood there when it was made.
        f->call = [&program = program_, captured = scopes_, steps = steps_, &n, calls = calls_](List& args) {
          if (calls >= kMaxCalls) fail("stack_overflow_error", "too many calls");
          Run inner(program, captured, steps, calls + 1);
          for (size_t i = 0; i < n.names.size(); ++i) inner.scopes().names.emplace_back(n.names[i], i < args.size() ? args[i] : Value());
          return inner.body(*n.kids[0]);
        };
        return Value(FunctionPtr(f));
      }
      case Op::kMethodRef: {
        auto f = std::make_shared<Function>();
        std::string type = dotted(*n.kids[0]), name = n.text;
        Value on = type.empty() ? eval(*n.kids[0]) : Value();
        f->call = [type, name, on](List& args) {
          if (name == "new") return make_object(type, args);
          Value out;
          if (!type.empty()) {
            if (call_static(type, name, args, &out)) return out;
            Value first = args.at(0);
            List rest(args.begin() + 1, args.end());
            return call_method(first, name, rest);
          }
          Value target = on;
          return call_method(target, name, args);
        };
        return Value(FunctionPtr(f));
      }
      case Op::kUnary: {
        Value v = eval(*n.kids[0]);
        if (n.text == "!") return Value(!v.as_bool());
        if (v.null() || !v.number()) fail("class_cast_exception", "Cannot apply [" + n.text + "] operation to type [" + v.type() + "].");
        if (n.text == "~") return integer(~v.as_long(), v.is_int);
        if (n.text == "+") return v;
        if (v.get<double>() != nullptr) return Value(-v.as_double());
        return integer(static_cast<int64_t>(0 - static_cast<uint64_t>(v.as_long())), v.is_int);
      }
      case Op::kAnd: return Value(truth(*n.kids[0]) && truth(*n.kids[1]));
      case Op::kOr: return Value(truth(*n.kids[0]) || truth(*n.kids[1]));
      case Op::kConditional: return truth(*n.kids[0]) ? eval(*n.kids[1]) : eval(*n.kids[2]);
      case Op::kElvis: {
        Value v = eval(*n.kids[0]);
        return v.null() ? eval(*n.kids[1]) : v;
      }
      case Op::kBinary: {
        Value a = eval(*n.kids[0]), b = eval(*n.kids[1]);
        return apply(n.text, a, b);
      }
      case Op::kAssign: {
        Value v = n.text.empty() ? eval(*n.kids[1]) : Value();
        if (!n.text.empty()) {
          Value a = eval(*n.kids[0]), b = eval(*n.kids[1]);
          v = apply(n.text, a, b);
          if (a.is_int && v.get<double>() != nullptr && a.get<int64_t>() != nullptr && n.kids[0]->op == Op::kName) v = v;
        }
        assign(*n.kids[0], v);
        return v;
      }
      case Op::kIncrement: {
        Value old = eval(*n.kids[0]);
        Value v = apply(n.text, old, Value(1));
        assign(*n.kids[0], v);
        return n.flag ? v : old;
      }
      case Op::kCast: return convert(eval(*n.kids[0]), "(" + n.text);
      case Op::kInstanceOf: {
        Value v = eval(*n.kids[0]);
        const std::string& t = n.text;
        if (v.null()) return Value(false);
        if (t == "def" || t == "Object") return Value(true);
        if (t == "String" || t == "CharSequence") return Value(v.get<std::string>() != nullptr);
        if (t == "List" || t == "ArrayList" || t == "Collection") return Value(v.get<ListPtr>() != nullptr);
        if (t == "Map" || t == "HashMap" || t == "LinkedHashMap") return Value(v.get<MapPtr>() != nullptr);
        if (t == "Number") return Value(v.number());
        if (t == "Integer") return Value(v.get<int64_t>() != nullptr && v.is_int);
        if (t == "Long") return Value(v.get<int64_t>() != nullptr && !v.is_int);
        if (t == "Double" || t == "Float") return Value(v.get<double>() != nullptr);
        if (t == "Boolean") return Value(v.get<bool>() != nullptr);
        if (t == "ZonedDateTime") return Value(v.get<Instant>() != nullptr);
        return Value(false);
      }
      default: break;
    }
    fail("illegal_argument_exception", "cannot evaluate [" + n.text + "]");
  }
  static Value integer(int64_t v, bool is_int) {
    Value out(v);
    if (is_int) {
      out = Value(static_cast<int64_t>(static_cast<int32_t>(v)));
      out.is_int = true;
    }
    return out;
  }
  Value apply(const std::string& op, const Value& a, const Value& b) {
    if (op == "==" || op == "===") return Value(same(a, b));
    if (op == "!=" || op == "!==") return Value(!same(a, b));
    if (op == "+" && (a.get<std::string>() != nullptr || b.get<std::string>() != nullptr || a.is_char)) return Value(a.text() + b.text());
    if (op == "<") return Value(compare(a, b) < 0);
    if (op == "<=") return Value(compare(a, b) <= 0);
    if (op == ">") return Value(compare(a, b) > 0);
    if (op == ">=") return Value(compare(a, b) >= 0);
    if (a.get<bool>() != nullptr && b.get<bool>() != nullptr && (op == "&" || op == "|" || op == "^")) {
      bool x = a.as_bool(), y = b.as_bool();
      return Value(op == "&" ? (x && y) : op == "|" ? (x || y) : x != y);
    }
    if (a.null() || b.null()) fail("null_pointer_exception", "Cannot apply [" + op + "] operation to a null reference");
    if (!a.number() || !b.number()) fail("class_cast_exception", "Cannot apply [" + op + "] operation to types [" + a.type() + "] and [" + b.type() + "].");
    if (a.get<double>() != nullptr || b.get<double>() != nullptr) {
      double x = a.as_double(), y = b.as_double();
      if (op == "+") return Value(x + y);
      if (op == "-") return Value(x - y);
      if (op == "*") return Value(x * y);
      if (op == "/") return Value(x / y);
      if (op == "%") return Value(std::fmod(x, y));
      fail("class_cast_exception", "Cannot apply [" + op + "] operation to types [double] and [double].");
    }
    bool small = a.is_int && b.is_int;
    auto x = static_cast<uint64_t>(a.as_long()), y = static_cast<uint64_t>(b.as_long());
    auto sx = static_cast<int64_t>(x), sy = static_cast<int64_t>(y);
    if (op == "+") return integer(static_cast<int64_t>(x + y), small);
    if (op == "-") return integer(static_cast<int64_t>(x - y), small);
    if (op == "*") return integer(static_cast<int64_t>(x * y), small);
    if (op == "/" || op == "%") {
      if (sy == 0) fail("arithmetic_exception", "/ by zero");
      if (sy == -1) return integer(op == "/" ? static_cast<int64_t>(0 - x) : 0, small);
      return integer(op == "/" ? sx / sy : sx % sy, small);
    }
    if (op == "&") return integer(sx & sy, small);
    if (op == "|") return integer(sx | sy, small);
    if (op == "^") return integer(sx ^ sy, small);
    int shift = static_cast<int>(y & (a.is_int ? 31 : 63));
    if (op == "<<") return integer(static_cast<int64_t>(x << shift), a.is_int);
    if (op == ">>") return integer(sx >> shift, a.is_int);
    if (op == ">>>") return a.is_int ? integer(static_cast<uint32_t>(sx) >> shift, true) : integer(static_cast<int64_t>(x >> shift), false);
    fail("illegal_argument_exception", "unknown operator [" + op + "]");
  }

  const Program& program_;
  Scopes scopes_;
  std::shared_ptr<int64_t> steps_;
  int calls_;
  Value result_;
};
}  // namespace

Script::~Script() = default;
ScriptPtr Script::parse(std::string_view source, std::string_view language) {
  if (source.size() > 65536) throw ScriptError("compile error", "illegal_argument_exception", "exceeded max allowed inline script size in bytes [65535] with size [" + std::to_string(source.size()) + "]");
  std::shared_ptr<Script> s(new Script);
  s->source_ = source;
  s->language_ = language;
  try {
    s->program_ = parse_program(s->source_);
  } catch (ScriptError& e) {
    e.source = s->source_;
    e.language = s->language_;
    throw;
  }
  return s;
}
Value Script::run(const Variables& variables) const {
  Scopes scopes;
  for (auto& [k, v] : variables) scopes.names.emplace_back(k, v);
  try {
    return Run(*program_, std::move(scopes), std::make_shared<int64_t>(kMaxSteps)).all();
  } catch (ScriptError& e) {
    e.source = source_;
    e.language = language_;
    throw;
  }
}

}  // namespace stele::segments::script
