// The input and output functions, by PostgreSQL's names, of arrays, records, enums, domains, the
// reg* types and the pseudo-types.
#include "base/error.h"
#include "types/array.h"
#include "types/builtin.h"
#include "types/composite_io.h"
#include "types/format_type.h"
#include "types/function.h"
#include "types/oids.h"
#include "types/type_io.h"
#include "types/type_registry.h"

namespace stele {

void register_composite_ops(TypeTable& t);

namespace {

int32_t typmod_arg(FnCall& c) { return c.nargs > 2 ? static_cast<int32_t>(c.int_arg(2)) : -1; }

Datum array_in(FnCall& c) { return array_input(c.arg(1).as_oid(), c.text_arg(0), typmod_arg(c), *c.arena, *c.context); }
Datum array_recv(FnCall& c) { return array_receive(c.arg(1).as_oid(), c.text_arg(0), typmod_arg(c), *c.arena, *c.context); }
Datum record_in(FnCall& c) { return record_input(c.arg(1).as_oid(), c.text_arg(0), typmod_arg(c), *c.arena, *c.context); }
Datum record_recv(FnCall& c) { return record_receive(c.arg(1).as_oid(), c.text_arg(0), typmod_arg(c), *c.arena, *c.context); }
Datum enum_in(FnCall& c) { return enum_input(c.arg(1).as_oid(), c.text_arg(0), *c.context); }
Datum domain_in(FnCall& c) { return type_input(c.arg(1).as_oid(), c.text_arg(0), typmod_arg(c), *c.arena, *c.context); }
Datum domain_recv(FnCall& c) { return type_receive(c.arg(1).as_oid(), c.text_arg(0), typmod_arg(c), *c.arena, *c.context); }
Datum enum_out(FnCall& c) {
  std::string out;
  enum_output(c.arg_types[0], c.arg(0), out, *c.context);
  return c.text(out);
}

// ---- reg* types: an oid that reads and writes as the object's name

template <Oid kType>
Datum reg_input(std::string_view text, int32_t, Arena&, EvalContext& ctx) {
  constexpr bool kOperator = kType == oid::kRegoper || kType == oid::kRegoperator;
  if (text == (kOperator ? "0" : "-")) return Datum::from_oid(0);
  if (!text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos) {
    uint64_t v = 0;
    for (char ch : text) {
      v = v * 10 + static_cast<uint64_t>(ch - '0');
      if (v > 0xffffffffu)
        throw Error(ErrorCode::kNumericValueOutOfRange, fmt::format("value \"{}\" is out of range for type oid", text));
    }
    return Datum::from_oid(static_cast<Oid>(v));
  }
  if (ctx.catalog == nullptr)
    throw Error(ErrorCode::kFeatureNotSupported, "object names need a session");
  return Datum::from_oid(ctx.catalog->find(kType, text));
}
template <Oid kType>
void reg_output(Datum v, std::string& out, EvalContext& ctx) {
  if (v.as_oid() == 0) {
    out += kType == oid::kRegoper || kType == oid::kRegoperator ? '0' : '-';
    return;
  }
  if (kType == oid::kRegtype && builtin::type(v.as_oid()) != nullptr) {
    out += format_type_sql(v.as_oid(), -1, &ctx);
    return;
  }
  std::optional<std::string> name;
  if (ctx.catalog != nullptr) name = ctx.catalog->name_of(kType, v.as_oid());
  out += name ? *name : std::to_string(v.as_oid());
}

template <Oid kType>
void add_reg(FunctionRegistry& r, const char* in, const char* out) {
  r.add(in, &input_function<reg_input<kType>>);
  r.add(out, &output_function<reg_output<kType>>);
}
template <Oid kType>
Datum to_reg(FnCall& c) {
  try {
    return reg_input<kType>(c.text_arg(0), -1, *c.arena, *c.context);
  } catch (const Error& e) {
    // Not found is NULL; a name that is not one stays an error.
    std::string_view state = e.sqlstate();
    if (state == "42704" || state == "42P01" || state == "42883" || state == "3F000" || state == "42725") return c.null();
    throw;
  }
}

template <Oid kType>
Datum text_to_reg(FnCall& c) { return reg_input<kType>(c.text_arg(0), -1, *c.arena, *c.context); }

// ---- pseudo-types

struct PseudoName { const char* name; const char* type; };
Datum same_bytes(FnCall& c) { return c.text(c.text_arg(0)); }
Datum void_in(FnCall&) { return {}; }
Datum void_out(FnCall& c) { return c.text(""); }

template <Oid kType>
Datum refuse_input(FnCall&) {
  throw Error(ErrorCode::kFeatureNotSupported,
              fmt::format("cannot accept a value of type {}", builtin::type(kType)->name));
}
template <Oid kType>
Datum refuse_output(FnCall&) {
  throw Error(ErrorCode::kFeatureNotSupported,
              fmt::format("cannot display a value of type {}", builtin::type(kType)->name));
}
template <Oid kType>
void add_pseudo(FunctionRegistry& r) {
  const BuiltinType* t = builtin::type(kType);
  r.add(t->input, &refuse_input<kType>);
  r.add(t->output, &refuse_output<kType>);
  if (t->receive != "-") r.add(t->receive, &refuse_input<kType>);
}

// "1 2 3": vectors of the catalogues, subscripted from 0.
template <Oid kElement>
Datum vector_in(FnCall& c) {
  std::string_view s = c.text_arg(0);
  ArrayBuilder b(element_info(kElement, nullptr));
  for (size_t i = 0; i < s.size();) {
    if (is_array_space(s[i])) {
      ++i;
      continue;
    }
    size_t start = i;
    while (i < s.size() && !is_array_space(s[i])) ++i;
    b.add(type_input(kElement, s.substr(start, i - start), -1, *c.arena, *c.context));
  }
  int n = b.size(), zero = 0;
  if (n == 0) {
    return b.finish(*c.arena);
  }
  return b.finish(*c.arena, std::span(&n, 1), std::span(&zero, 1));
}
Datum vector_out(FnCall& c) {
  ArrayView a(c.arg(0));
  std::string out;
  for (int i = 0; i < a.count(); ++i) {
    if (i > 0) out += ' ';
    type_output(a.element(), a.get(i), out, *c.context);
  }
  return c.text(out);
}

}  // namespace

void register_composite_types(TypeTable& t) {
  register_composite_ops(t);
  DirectIo array{nullptr, array_output, nullptr, array_send};
  t.io(oid::kAnyArray, array);
  t.io(oid::kAnyCompatibleArray, array);
  t.io(oid::kRecord, {nullptr, record_output, nullptr, record_send});
  t.io(oid::kRegclass, {reg_input<oid::kRegclass>, reg_output<oid::kRegclass>});
  t.io(oid::kRegtype, {reg_input<oid::kRegtype>, reg_output<oid::kRegtype>});
}

void register_composite_functions(FunctionRegistry& r) {
  r.add("array_in", array_in);
  r.add("array_out", &output_function<array_output>);
  r.add("array_recv", array_recv);
  r.add("array_send", &output_function<array_send>);
  r.add("anyarray_out", &output_function<array_output>);
  r.add("anyarray_send", &output_function<array_send>);
  r.add("anycompatiblearray_out", &output_function<array_output>);
  r.add("anycompatiblearray_send", &output_function<array_send>);
  r.add("record_in", record_in);
  r.add("record_out", &output_function<record_output>);
  r.add("record_recv", record_recv);
  r.add("record_send", &output_function<record_send>);
  r.add("enum_in", enum_in);
  r.add("enum_recv", enum_in);
  r.add("enum_out", enum_out);
  r.add("enum_send", enum_out);
  r.add("anyenum_out", enum_out);
  r.add("domain_in", domain_in);
  r.add("domain_recv", domain_recv);
  r.add("int2vectorin", vector_in<oid::kInt2>);
  r.add("int2vectorout", vector_out);
  r.add("oidvectorin", vector_in<oid::kOid>);
  r.add("oidvectorout", vector_out);
  r.add("int2vectorrecv", [](FnCall& c) { return array_receive(oid::kInt2, c.text_arg(0), -1, *c.arena, *c.context); });
  r.add("oidvectorrecv", [](FnCall& c) { return array_receive(oid::kOid, c.text_arg(0), -1, *c.arena, *c.context); });
  r.add("int2vectorsend", &output_function<array_send>);
  r.add("oidvectorsend", &output_function<array_send>);

  add_reg<oid::kRegproc>(r, "regprocin", "regprocout");
  add_reg<oid::kRegprocedure>(r, "regprocedurein", "regprocedureout");
  add_reg<oid::kRegoper>(r, "regoperin", "regoperout");
  add_reg<oid::kRegoperator>(r, "regoperatorin", "regoperatorout");
  add_reg<oid::kRegclass>(r, "regclassin", "regclassout");
  add_reg<oid::kRegtype>(r, "regtypein", "regtypeout");
  add_reg<oid::kRegconfig>(r, "regconfigin", "regconfigout");
  add_reg<oid::kRegdictionary>(r, "regdictionaryin", "regdictionaryout");
  add_reg<oid::kRegnamespace>(r, "regnamespacein", "regnamespaceout");
  add_reg<oid::kRegrole>(r, "regrolein", "regroleout");
  add_reg<oid::kRegcollation>(r, "regcollationin", "regcollationout");
  r.add("text_regclass", text_to_reg<oid::kRegclass>);
  r.add("to_regclass", to_reg<oid::kRegclass>);
  r.add("to_regtype", to_reg<oid::kRegtype>);
  r.add("to_regproc", to_reg<oid::kRegproc>);
  r.add("to_regprocedure", to_reg<oid::kRegprocedure>);
  r.add("to_regoper", to_reg<oid::kRegoper>);
  r.add("to_regoperator", to_reg<oid::kRegoperator>);
  r.add("to_regnamespace", to_reg<oid::kRegnamespace>);
  r.add("to_regrole", to_reg<oid::kRegrole>);
  r.add("to_regcollation", to_reg<oid::kRegcollation>);

  add_pseudo<oid::kAny>(r);
  add_pseudo<oid::kAnyElement>(r);
  add_pseudo<oid::kAnyNonArray>(r);
  add_pseudo<oid::kAnyCompatible>(r);
  add_pseudo<oid::kAnyCompatibleNonArray>(r);
  add_pseudo<oid::kTrigger>(r);
  add_pseudo<3838>(r);  // event_trigger
  add_pseudo<oid::kInternal>(r);
  add_pseudo<2280>(r);  // language_handler
  add_pseudo<3115>(r);  // fdw_handler
  add_pseudo<325>(r);   // index_am_handler
  add_pseudo<269>(r);   // table_am_handler
  add_pseudo<3310>(r);  // tsm_handler
  r.add("anyarray_in", refuse_input<oid::kAnyArray>);
  r.add("anyarray_recv", refuse_input<oid::kAnyArray>);
  r.add("anycompatiblearray_in", refuse_input<oid::kAnyCompatibleArray>);
  r.add("anyenum_in", refuse_input<oid::kAnyEnum>);
  r.add("anyrange_in", refuse_input<oid::kAnyRange>);
  r.add("anymultirange_in", refuse_input<oid::kAnyMultirange>);
  r.add("anycompatiblerange_in", refuse_input<oid::kAnyCompatibleRange>);
  r.add("anycompatiblemultirange_in", refuse_input<oid::kAnyCompatibleMultirange>);
  r.add("pg_node_tree_in", refuse_input<oid::kPgNodeTree>);
  r.add("pg_node_tree_out", same_bytes);
  r.add("pg_node_tree_recv", refuse_input<oid::kPgNodeTree>);
  r.add("pg_node_tree_send", same_bytes);
  r.add("void_in", void_in);
  r.add("void_out", void_out);
  r.add("void_recv", void_in);
  r.add("void_send", void_out);
}

}  // namespace stele
