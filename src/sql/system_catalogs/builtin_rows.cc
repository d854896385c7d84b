// Catalogues of functions, types, operators and their kin: built-in facts, then users' objects.
#include "sql/system_catalogs/rows.h"
#include "types/builtin.h"

namespace stele::sql::system_catalogs {
namespace {

using catalog::kBootstrapRole;
using catalog::kPgCatalog;
using catalog::ObjectKind;

std::optional<std::string_view> nullable(const std::string& s) {
  if (s == "\\N") return std::nullopt;
  return s;
}

void pg_type(Rows& out) {
  for (const auto& t : builtin::types()) {
    out(t.oid, t.name, kPgCatalog, kBootstrapRole, t.len, t.by_value, t.kind, t.category, t.preferred, true,
        t.delimiter, 0, t.subscript, t.element, t.array, t.input, t.output, t.receive, t.send, t.modin, t.modout,
        t.is_true_array() ? "array_typanalyze" : "-", t.align, t.storage, false, 0, -1, 0, t.collation, nullptr,
        nullptr, nullptr);
  }
  out.each<catalog::Type>(ObjectKind::kType, [&](const catalog::Type& t) {
    bool array = t.typtype == 'b' && t.element != 0;
    char category = array ? 'A' : t.typtype == 'c' ? 'C' : t.typtype == 'e' ? 'E' : t.typtype == 'd' ? 'U' : 'R';
    int16_t len = t.typtype == 'e' ? 4 : -1;
    bool by_value = t.typtype == 'e';
    char align = t.typtype == 'e' ? 'i' : 'd', storage = t.typtype == 'e' ? 'p' : 'x', delimiter = ',';
    if (t.typtype == 'p' || t.like != 0) {   // a shell, a base type
      auto proc = [](Oid p) { return p == 0 ? std::string("-") : std::to_string(p); };
      out(t.oid, t.name, t.schema, t.owner, t.defined ? t.length : int16_t{4}, t.by_value || !t.defined, t.typtype, t.defined ? t.category : 'P', t.preferred, t.defined, t.delimiter, 0, proc(t.subscript), 0, t.array,
          t.defined ? proc(t.input) : "shell_in", t.defined ? proc(t.output) : "shell_out", proc(t.receive), proc(t.send), proc(t.modin), proc(t.modout), proc(t.analyze), t.defined ? t.alignment : 'i',
          t.defined ? t.storage : 'p', false, 0, -1, 0, t.collation, nullptr,
          t.default_sql.empty() ? std::optional<std::string>() : t.default_sql.substr(1, t.default_sql.size() - 2), out.acl(t.acl));
      return;
    }
    std::string in, outf, recv, send, modin = "-", modout = "-";
    Oid collation = t.collation;
    switch (t.typtype) {
      case 'e': in = "enum_in", outf = "enum_out", recv = "enum_recv", send = "enum_send"; break;
      case 'c': in = "record_in", outf = "record_out", recv = "record_recv", send = "record_send"; break;
      case 'r': in = "range_in", outf = "range_out", recv = "range_recv", send = "range_send"; break;
      case 'm': in = "multirange_in", outf = "multirange_out", recv = "multirange_recv", send = "multirange_send"; break;
      case 'd': {
        in = "domain_in", recv = "domain_recv", outf = "-", send = "-";
        Oid base = t.base;
        while (auto d = out.state.type(base)) base = d->typtype == 'd' ? d->base : 0;
        if (const BuiltinType* b = builtin::type(base)) {
          category = b->category, len = b->len, by_value = b->by_value, align = b->align, storage = b->storage;
          outf = b->output, send = b->send, delimiter = b->delimiter;
          if (collation == 0) collation = b->collation;
        }
        break;
      }
      default: in = "array_in", outf = "array_out", recv = "array_recv", send = "array_send";
    }
    out(t.oid, t.name, t.schema, t.owner, len, by_value, t.typtype, category, false, true, delimiter, t.relation,
        array ? "array_subscript_handler" : "-", t.element, t.array, in, outf, recv, send, modin, modout,
        array ? "array_typanalyze" : t.typtype == 'r' ? "range_typanalyze" : "-", align, storage, t.not_null, t.base,
        t.base_typmod, 0, collation, nullptr,
        t.default_sql.empty() ? std::optional<std::string>() : t.default_sql, out.acl(t.acl));
  });
}

void pg_proc(Rows& out) {
  for (const auto& p : builtin::procs()) {
    out(p.oid, p.name, kPgCatalog, kBootstrapRole, p.language, p.cost, p.rows, p.variadic, 0, p.kind, false, false,
        p.strict, p.returns_set, p.volatility, p.parallel, static_cast<int>(p.args.size()), p.n_defaults, p.result,
        out.oidvector(p.args), out.if_any(p.all_args, [&](auto& v) { return out.oid_array(v); }),
        out.if_any(p.arg_modes, [&](auto& v) { return out.char_array(v); }),
        out.if_any(p.arg_names, [&](auto& v) { return out.text_array(v); }),
        p.n_defaults > 0 ? std::optional<std::string>(p.defaults) : std::nullopt, nullptr, p.source, nullptr, nullptr,
        nullptr, nullptr);
  }
  out.each<catalog::Function>(ObjectKind::kFunction, [&](const catalog::Function& f) {
    std::string defaults;
    for (auto& d : f.arg_defaults_sql) defaults += (defaults.empty() ? "" : ", ") + d;
    out(f.oid, f.name, f.schema, f.owner, f.language, f.cost, f.rows, f.variadic, 0, f.prokind, f.security_definer,
        f.leakproof, f.strict, f.returns_set, f.volatility, f.parallel, static_cast<int>(f.args.size()),
        static_cast<int>(f.arg_defaults_sql.size()), f.result, out.oidvector(f.args),
        out.if_any(f.all_args, [&](auto& v) { return out.oid_array(v); }),
        out.if_any(f.arg_modes, [&](auto& v) { return out.char_array(v); }),
        out.if_any(f.arg_names, [&](auto& v) { return out.text_array(v); }),
        defaults.empty() ? std::optional<std::string>() : defaults, nullptr, f.source, nullptr,
        f.sql_body.empty() ? std::optional<std::string>() : f.sql_body, out.options(f.settings), out.acl(f.acl));
  });
}

void pg_aggregate(Rows& out) {
  for (const auto& a : builtin::aggregates()) {
    out(a.proc, a.kind, a.n_direct, a.transition, a.final, a.combine, 0, 0, 0, 0, 0, a.final_extra, false, 'r', 'r',
        a.sort_operator, a.transition_type, 0, 0, 0,
        a.has_initial ? std::optional<std::string>(a.initial) : std::nullopt, nullptr);
  }
  out.each<catalog::Function>(ObjectKind::kFunction, [&](const catalog::Function& f) {
    if (f.prokind != 'a') return;
    out(f.oid, f.aggregate_kind, f.direct_args, f.transition, f.final, f.combine, f.serial, f.deserial, f.moving_transition, f.moving_inverse,
        f.moving_final, f.final_extra, f.moving_final_extra, f.final_modify, f.moving_final_modify, f.sort_operator, f.transition_type,
        f.state_space, f.moving_type, f.moving_space, f.initial, f.moving_initial);
  });
}

void pg_operator(Rows& out) {
  for (const auto& o : builtin::operators()) {
    out(o.oid, o.name, kPgCatalog, kBootstrapRole, o.kind, o.can_merge, o.can_hash, o.left, o.right, o.result,
        o.commutator, o.negator, o.proc, o.restrict_estimator, o.join_estimator);
  }
  out.each<catalog::Operator>(ObjectKind::kOperator, [&](const catalog::Operator& o) {
    out(o.oid, o.name, o.schema, o.owner, o.left == 0 ? 'l' : 'b', o.can_merge, o.can_hash, o.left, o.right, o.result,
        o.commutator, o.negator, o.proc, std::to_string(o.restriction), std::to_string(o.join));
  });
}

void pg_cast(Rows& out) {
  for (const auto& c : builtin::casts()) out(c.oid, c.source, c.target, c.func, c.context, c.method);
  out.each<catalog::Cast>(ObjectKind::kCast, [&](const catalog::Cast& c) {
    out(c.oid, c.source, c.target, c.func, c.context, c.method);
  });
}

void pg_collation(Rows& out) {
  for (const auto& f : builtin::rows("pg_collation"))
    out(f[0], f[1], kPgCatalog, kBootstrapRole, f[2], f[3], f[4], nullable(f[5]), nullable(f[6]), nullable(f[7]), nullptr);
  out.each<catalog::Collation>(ObjectKind::kCollation, [&](const catalog::Collation& c) {
    bool icu = c.provider == 'i';
    std::optional<std::string> locale(c.locale), none;
    out(c.oid, c.name, c.schema, c.owner, c.provider, c.deterministic, -1, icu ? none : locale, icu ? none : locale,
        icu ? locale : none, nullptr);
  });
}
void pg_range(Rows& out) {
  for (const auto& f : builtin::rows("pg_range")) out(f[0], f[1], f[2], f[3], f[4], f[5], f[6]);
  out.each<catalog::Type>(ObjectKind::kType, [&](const catalog::Type& t) {
    if (t.typtype != 'r') return;
    out(t.oid, t.subtype, t.multirange, t.collation, t.subtype_opclass, t.canonical, t.subdiff);
  });
}

}  // namespace

Producer builtin_producer(std::string_view name) {
  static const std::unordered_map<std::string_view, Producer> kProducers = {
#define P(f) {#f, f}
      P(pg_type), P(pg_proc), P(pg_aggregate), P(pg_operator), P(pg_cast), 
      P(pg_collation), P(pg_range)
      
#undef P
  };
  auto it = kProducers.find(name);
  return it == kProducers.end() ? nullptr : it->second;
}

}  // namespace stele::sql::system_catalogs
