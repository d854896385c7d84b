// Dispatch of text and binary forms: direct forms where a family gives them, else the functions
// that pg_type names.
#include "types/type_io.h"

#include "base/error.h"
#include "types/array.h"
#include "types/builtin.h"
#include "types/composite_io.h"
#include "types/format_type.h"
#include "types/oids.h"
#include "types/type_registry.h"

namespace stele {
namespace {

struct Entry {
  const DirectIo* direct = nullptr;
  ScalarFn input = nullptr, output = nullptr, receive = nullptr, send = nullptr, coerce = nullptr;
  Oid io_parameter = 0;
  Oid element = 0;  // of true arrays
  int coerce_args = 0;
  bool known = false;
};

const std::vector<Entry>& entries() {
  static const auto* table = [] {
    auto* t = new std::vector<Entry>(oid::kFirstUserOid);
    const FunctionRegistry& r = FunctionRegistry::instance();
    const TypeTable& types = TypeTable::instance();
    for (const BuiltinType& type : builtin::types()) {
      Entry& e = (*t)[type.oid];
      e.known = true;
      e.direct = types.find_io(type.oid);
      e.input = r.scalar(type.input);
      e.output = r.scalar(type.output);
      e.receive = r.scalar(type.receive);
      e.send = r.scalar(type.send);
      e.io_parameter = type.element != 0 ? type.element : type.oid;
      if (type.is_true_array()) e.element = type.element;
    }
    for (const BuiltinCast& cast : builtin::casts()) {
      if (cast.source != cast.target || cast.func == 0) continue;
      const BuiltinProc* proc = builtin::proc(cast.func);
      if (proc == nullptr) continue;
      (*t)[cast.source].coerce = r.scalar(proc->source);
      (*t)[cast.source].coerce_args = static_cast<int>(proc->args.size());
    }
    for (Oid v : {oid::kVector, oid::kHalfvec, oid::kSparsevec}) {
      Entry& e = (*t)[v];
      e.coerce = r.scalar(builtin::type(v)->name);
      e.coerce_args = 3;
    }
    return t;
  }();
  return *table;
}

const Entry* find_entry(Oid type) {
  static const std::vector<Entry>& table = entries();
  return type < table.size() && table[type].known ? &table[type] : nullptr;
}

// What a user's type does is decided by its kind.
struct UserType {
  CatalogLookup::TypeFacts facts;
  UserType(Oid type, EvalContext& ctx) {
    if (ctx.catalog == nullptr)
      throw Error(ErrorCode::kUndefinedObject, fmt::format("type with OID {} does not exist", type));
    facts = ctx.catalog->type_facts(type);
  }
  bool is_array() const { return facts.element != 0 && facts.category == 'A'; }
};

[[noreturn]] void no_function(const char* what, Oid type, EvalContext& ctx) {
  throw Error(ErrorCode::kUndefinedFunction,
              fmt::format("no {} function available for type {}", what, format_type_sql(type, -1, &ctx)));
}

// A thread's scratch memory for outputs by function; outputs nest (arrays of records of ...).
class Scratch {
 public:
  Scratch() { ++depth_; }
  ~Scratch() {
    if (--depth_ == 0) arena_.reset();
  }
  Arena& arena() { return arena_; }

 private:
  static thread_local Arena arena_;
  static thread_local int depth_;
};
thread_local Arena Scratch::arena_;
thread_local int Scratch::depth_ = 0;

Datum call_input(ScalarFn fn, Oid type, Oid io_parameter, std::string_view text, int32_t typmod, Arena& arena,
                 EvalContext& ctx) {
  Datum args[3] = {make_bytes(arena, text), Datum::from_oid(io_parameter), Datum::from_int(typmod)};
  constexpr bool kNotNull[3] = {};
  constexpr Oid kTypes[3] = {oid::kCstring, oid::kOid, oid::kInt4};
  std::shared_ptr<void> cache;
  FnCall c{args, kNotNull, 3, kTypes, type, oid::kDefaultCollation, typmod, &arena, &ctx, &cache};
  return fn(c);
}

void call_output(ScalarFn fn, Oid type, Datum value, std::string& out, EvalContext& ctx) {
  Scratch scratch;
  constexpr bool kNotNull[1] = {};
  std::shared_ptr<void> cache;
  FnCall c{&value, kNotNull, 1, &type, oid::kCstring, oid::kDefaultCollation, -1, &scratch.arena(), &ctx, &cache};
  Datum d = fn(c);
  if (!c.result_null) out.append(d.as_view());
}

}  // namespace

Datum type_input(Oid type, std::string_view text, int32_t typmod, Arena& arena, EvalContext& ctx) {
  if (const Entry* e = find_entry(type)) {
    if (e->direct != nullptr && e->direct->input != nullptr) return e->direct->input(text, typmod, arena, ctx);
    if (e->element != 0 && type != oid::kInt2Vector && type != oid::kOidVector)
      return array_input(e->element, text, typmod, arena, ctx);
    if (e->input == nullptr) no_function("input", type, ctx);
    return call_input(e->input, type, e->io_parameter, text, typmod, arena, ctx);
  }
  UserType user(type, ctx);
  if (user.is_array()) return array_input(user.facts.element, text, typmod, arena, ctx);
  switch (user.facts.kind) {
    case 'e': return enum_input(type, text, ctx);
    case 'd': {
      Datum d = type_input(user.facts.base, text, user.facts.typmod, arena, ctx);
      ctx.catalog->check_domain(type, {d, false});
      return d;
    }
    case 'c': return record_input(type, text, typmod, arena, ctx);
    case 'r': return call_input(FunctionRegistry::instance().scalar("range_in"), type, type, text, typmod, arena, ctx);
    case 'm':
      return call_input(FunctionRegistry::instance().scalar("multirange_in"), type, type, text, typmod, arena, ctx);
    default: no_function("input", type, ctx);
  }
}

void type_output(Oid type, Datum value, std::string& out, EvalContext& ctx) {
  if (const Entry* e = find_entry(type)) {
    if (e->direct != nullptr && e->direct->output != nullptr) return e->direct->output(value, out, ctx);
    if (e->element != 0 && type != oid::kInt2Vector && type != oid::kOidVector) return array_output(value, out, ctx);
    if (e->output == nullptr) no_function("output", type, ctx);
    return call_output(e->output, type, value, out, ctx);
  }
  UserType user(type, ctx);
  if (user.is_array()) return array_output(value, out, ctx);
  switch (user.facts.kind) {
    case 'e': return enum_output(type, value, out, ctx);
    case 'd': return type_output(user.facts.base, value, out, ctx);
    case 'c': return record_output(value, out, ctx);
    case 'r': return call_output(FunctionRegistry::instance().scalar("range_out"), type, value, out, ctx);
    case 'm': return call_output(FunctionRegistry::instance().scalar("multirange_out"), type, value, out, ctx);
    default: no_function("output", type, ctx);
  }
}

Datum type_receive(Oid type, std::string_view bytes, int32_t typmod, Arena& arena, EvalContext& ctx) {
  if (const Entry* e = find_entry(type)) {
    if (e->direct != nullptr && e->direct->receive != nullptr)
      return e->direct->receive(bytes, typmod, arena, ctx);
    if (e->element != 0) return array_receive(e->element, bytes, typmod, arena, ctx);
    if (e->receive == nullptr) no_function("binary input", type, ctx);
    return call_input(e->receive, type, e->io_parameter, bytes, typmod, arena, ctx);
  }
  UserType user(type, ctx);
  if (user.is_array()) return array_receive(user.facts.element, bytes, typmod, arena, ctx);
  switch (user.facts.kind) {
    case 'e': return enum_input(type, bytes, ctx);
    case 'd': {
      Datum d = type_receive(user.facts.base, bytes, user.facts.typmod, arena, ctx);
      ctx.catalog->check_domain(type, {d, false});
      return d;
    }
    case 'c': return record_receive(type, bytes, typmod, arena, ctx);
    case 'r': return call_input(FunctionRegistry::instance().scalar("range_recv"), type, type, bytes, typmod, arena, ctx);
    case 'm':
      return call_input(FunctionRegistry::instance().scalar("multirange_recv"), type, type, bytes, typmod, arena, ctx);
    default: no_function("binary input", type, ctx);
  }
}

void type_send(Oid type, Datum value, std::string& out, EvalContext& ctx) {
  if (const Entry* e = find_entry(type)) {
    if (e->direct != nullptr && e->direct->send != nullptr) return e->direct->send(value, out, ctx);
    if (e->element != 0) return array_send(value, out, ctx);
    if (e->send == nullptr) no_function("binary output", type, ctx);
    return call_output(e->send, type, value, out, ctx);
  }
  UserType user(type, ctx);
  if (user.is_array()) return array_send(value, out, ctx);
  switch (user.facts.kind) {
    case 'e': return enum_output(type, value, out, ctx);
    case 'd': return type_send(user.facts.base, value, out, ctx);
    case 'c': return record_send(value, out, ctx);
    case 'r': return call_output(FunctionRegistry::instance().scalar("range_send"), type, value, out, ctx);
    case 'm': return call_output(FunctionRegistry::instance().scalar("multirange_send"), type, value, out, ctx);
    default: no_function("binary output", type, ctx);
  }
}

Datum apply_typmod(Oid type, Datum value, int32_t typmod, bool explicit_cast, Arena& arena, EvalContext& ctx) {
  if (typmod < 0) return value;
  const Entry* e = find_entry(type);
  Oid element = 0;
  if (e == nullptr) {
    if (type < oid::kFirstUserOid || ctx.catalog == nullptr) return value;
    UserType user(type, ctx);
    if (user.facts.kind == 'd') return apply_typmod(user.facts.base, value, typmod, explicit_cast, arena, ctx);
    if (!user.is_array()) return value;
    element = user.facts.element;
  } else {
    element = e->element;
  }
  if (element != 0) {
    ArrayView a(value);
    ArrayBuilder b(a.info());
    for (int i = 0; i < a.count(); ++i) {
      if (a.is_null(i)) b.add_null();
      else b.add(apply_typmod(element, a.get(i), typmod, explicit_cast, arena, ctx));
    }
    return b.finish(arena, a.lengths(), a.lowers());
  }
  if (e->coerce == nullptr) return value;
  Datum args[3] = {value, Datum::from_int(typmod), Datum::from_bool(explicit_cast)};
  constexpr bool kNotNull[3] = {};
  Oid types[3] = {type, oid::kInt4, oid::kBool};
  std::shared_ptr<void> cache;
  FnCall c{args, kNotNull, e->coerce_args, types, type, oid::kDefaultCollation, typmod, &arena, &ctx, &cache};
  return e->coerce(c);
}

Datum copy_datum(bool by_value, Datum value, Arena& arena) {
  if (by_value) return value;
  return make_bytes(arena, value.as_view());
}

}  // namespace stele
