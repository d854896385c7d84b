// The session's catalogue as functions and type input and output see it (CatalogLookup).
#include "sql/ddl/text_search.h"
#include "sql/session/session_impl.h"
#include "types/builtin.h"
#include "types/oids.h"

namespace stele::sql {

using catalog::ObjectKind;

const std::vector<EnumLabel>& SessionImpl::enum_labels(Oid type) {
  const auto t = view().state()->type(type);
  if (t == nullptr || t->typtype != 'e') throw Error(ErrorCode::kWrongObjectType, fmt::format("type {} is not an enum", format_type(type, -1)));
  auto& labels = enum_cache_[type];
  if (labels.size() != t->labels.size()) {
    labels.clear();
    for (const auto& l : t->labels) labels.push_back({l.oid, l.sort_order, l.label});
    std::sort(labels.begin(), labels.end(), [](const EnumLabel& a, const EnumLabel& b) { return a.sort_order < b.sort_order; });
  } else {
    for (size_t i = 0; i < labels.size(); ++i) {
      for (const auto& l : t->labels) {
        if (l.oid == labels[i].oid) labels[i].label = l.label;
      }
    }
  }
  return labels;
}

const std::vector<CompositeColumn>& SessionImpl::composite_columns(Oid type) {
  const Oid relation = view().type_relation(type);
  const auto r = relation == 0 ? nullptr : view().relation(relation);
  if (r == nullptr) throw Error(ErrorCode::kWrongObjectType, fmt::format("type {} is not composite", format_type(type, -1)));
  auto& columns = composite_cache_[type];
  columns.clear();
  for (const auto& c : r->columns) columns.push_back({c.name, c.type, c.typmod, c.dropped});
  return columns;
}

CatalogLookup::TypeFacts SessionImpl::type_facts(Oid type) {
  const TypeRow& t = view().type(type);
  TypeFacts f{};
  f.kind = t.typtype;
  f.category = t.category;
  f.element = t.typtype == 'r' ? t.subtype : t.typtype == 'm' ? t.range : t.element;
  f.array = t.array;
  f.base = t.base;
  f.typmod = t.base_typmod;
  f.delimiter = t.delimiter;
  f.relation = t.relation;
  Oid base = type;
  // A user's base type holds the values of a built-in one, as a domain without constraints would.
  if (t.like != 0) {
    f.kind = 'd';
    f.base = base = t.like;
    f.typmod = -2;   // clients see it under its own oid
  }
  if (t.typtype == 'd') base = view().base_type(type);
  f.by_value = base < oid::kFirstUserOid ? passed_by_value(base) : view().type(base).typtype == 'e';
  return f;
}

void SessionImpl::check_domain(Oid domain, NullableDatum value) {
  Arena arena;
  // The innermost domain's constraints come first, as PostgreSQL checks them.
  std::vector<catalog::Ptr<catalog::Type>> chain;
  for (Oid d = domain; d != 0;) {
    const auto t = view().state()->type(d);
    if (t == nullptr || t->typtype != 'd') break;
    chain.push_back(t);
    d = t->base;
  }
  for (auto it = chain.rbegin(); it != chain.rend(); ++it) {
    const catalog::Type& t = **it;
    if (t.not_null && value.is_null) {
      throw Error(ErrorCode::kNotNullViolation, fmt::format("domain {} does not allow null values", format_type(domain, -1)))
          .names(view().schema_name(t.schema), "", "", t.name, "");
    }
    for (const auto& c : t.constraints) {
      if (c.kind != catalog::ConstraintKind::kCheck) continue;
      const std::string key = fmt::format("domain/{}/{}", t.oid, c.check_sql);
      query::ExprPtr check = expression_cache_[key];
      if (check == nullptr) {
        const ParsedExpression parsed = parse_expression(c.check_sql);
        check = bind_domain_check(parsed.node, t.base, t.base_typmod, t.collation, bind_context(c.check_sql));
        // VALUE becomes a column of a one-column row.
        std::function<query::ExprPtr(const query::ExprPtr&)> replace = [&](const query::ExprPtr& e) -> query::ExprPtr {
          if (e->kind == query::ExprKind::kDomainValue) {
            auto v = std::make_shared<query::VarExpr>();
            v->relation = 1;
            v->column = 1;
            v->type = e->type;
            v->typmod = e->typmod;
            v->collation = e->collation;
            return v;
          }
          return query::map_children(e, replace);
        };
        check = replace(check);
        expression_cache_[key] = check;
      }
      const NullableDatum ok = query::evaluate_row(check, {&value, 1}, exec_, arena);
      if (!ok.is_null && !ok.value.as_bool()) {
        throw Error(ErrorCode::kCheckViolation, fmt::format("value for domain {} violates check constraint \"{}\"", format_type(domain, -1), c.name))
            .names(view().schema_name(t.schema), "", "", t.name, c.name);
      }
    }
  }
}

std::string SessionImpl::format_type(Oid type, int32_t typmod) { return view().format_type(type, typmod); }

std::optional<std::string> SessionImpl::name_of(Oid reg_type, Oid object) {
  CatalogView& v = view();
  auto qualified = [&](bool visible, Oid schema, const std::string& name) {
    return visible ? quote_identifier(name) : quote_identifier(v.schema_name(schema)) + "." + quote_identifier(name);
  };
  auto signature = [&](const std::vector<Oid>& args) {
    std::string s = "(";
    for (size_t i = 0; i < args.size(); ++i) s += (i == 0 ? "" : ",") + (args[i] == 0 ? std::string("NONE") : format_type(args[i], -1));
    return s + ")";
  };
  switch (reg_type) {
    case oid::kRegclass: {
      const auto r = v.relation(object);
      if (r == nullptr) return std::nullopt;
      return qualified(v.relation_visible(*r), r->schema, r->name);
    }
    case oid::kRegtype:
      if (v.find_type(object) == nullptr) return std::nullopt;
      return format_type(object, -1);
    case oid::kRegproc:
    case oid::kRegprocedure: {
      const ProcRow* p = v.proc(object);
      if (p == nullptr) return std::nullopt;
      bool visible = v.proc_visible(object);
      if (reg_type == oid::kRegproc) return qualified(visible && v.procs(p->name).size() == 1, p->schema, p->name);
      return qualified(visible, p->schema, p->name) + signature(p->args);
    }
    case oid::kRegoper:
    case oid::kRegoperator: {
      const OperatorRow* o = v.oper(object);
      if (o == nullptr) return std::nullopt;
      const std::string name = v.operator_visible(object) && reg_type == oid::kRegoperator ? o->name
                               : v.operator_visible(object) && v.operators(o->name).size() == 1 ? o->name
                               : quote_identifier(v.schema_name(o->schema)) + "." + o->name;
      return reg_type == oid::kRegoper ? name : name + signature({o->left, o->right});
    }
    case oid::kRegnamespace: {
      const std::string name = v.schema_name(object);
      if (name.empty()) return std::nullopt;
      return quote_identifier(name);
    }
    case oid::kRegrole: {
      const auto r = v.state()->get(ObjectKind::kRole, object);
      if (r == nullptr) return std::nullopt;
      return quote_identifier(r->name);
    }
    case oid::kRegcollation: {
      const std::string name = v.collation_name(object);
      if (name.empty() || name == std::to_string(object)) return std::nullopt;
      return quote_identifier(name);
    }
    default: break;
  }
  const char* table = reg_type == oid::kRegconfig ? "pg_ts_config" : reg_type == oid::kRegdictionary ? "pg_ts_dict" : nullptr;
  if (table != nullptr) {
    for (const auto& row : builtin::rows(table)) {
      if (row[0] == std::to_string(object)) return row[1];
    }
    const ObjectKind kind = reg_type == oid::kRegconfig ? ObjectKind::kTextSearchConfig : ObjectKind::kTextSearchDictionary;
    if (const auto o = v.state()->get(kind, object)) {
      for (Oid schema : v.path())
        if (const auto found = v.state()->find(kind, schema, o->name)) {
          if (found->oid == object) return quote_identifier(o->name);
          break;
        }
      return quote_identifier(v.schema_name(o->schema_oid())) + "." + quote_identifier(o->name);
    }
  }
  return std::nullopt;
}

namespace {
// "a.b" with quoting, as identifiers; throws for bad syntax.
std::vector<std::string> split_name(std::string_view text) {
  std::vector<std::string> parts;
  size_t i = 0;
  auto fail = [] { throw Error(ErrorCode::kInvalidName, "invalid name syntax"); };
  auto space = [&] {
    while (i < text.size() && std::isspace(static_cast<unsigned char>(text[i])) != 0) ++i;
  };
  for (;;) {
    space();
    std::string part;
    if (i < text.size() && text[i] == '"') {
      for (++i;; ++i) {
        if (i >= text.size()) fail();
        if (text[i] == '"') {
          if (i + 1 >= text.size() || text[i + 1] != '"') break;
          ++i;
        }
        part.push_back(text[i]);
      }
      ++i;
    } else {
      while (i < text.size() && text[i] != '.' && std::isspace(static_cast<unsigned char>(text[i])) == 0)
        part.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(text[i++]))));
      if (part.empty()) fail();
    }
    parts.push_back(std::move(part));
    space();
    if (i >= text.size()) return parts;
    if (text[i++] != '.') fail();
  }
}
}  // namespace

Oid SessionImpl::find(Oid reg_type, std::string_view name) {
  CatalogView& v = view();
  // name(type, ...) taken apart at its parentheses; NONE is type 0 where an operator may lack an argument.
  auto signature = [&](bool allow_none) {
    std::pair<std::string_view, std::vector<Oid>> out;
    size_t open = 0;
    bool quoted = false;
    for (; open < name.size() && (quoted || name[open] != '('); ++open) quoted ^= name[open] == '"';
    if (open == name.size()) throw Error(ErrorCode::kInvalidTextRepresentation, "expected a left parenthesis");
    size_t last = name.size();
    while (last > open + 1 && std::isspace(static_cast<unsigned char>(name[last - 1])) != 0) --last;
    if (name[last - 1] != ')') throw Error(ErrorCode::kInvalidTextRepresentation, "expected a right parenthesis");
    out.first = name.substr(0, open);
    std::string_view list = name.substr(open + 1, last - open - 2);
    while (list.find_first_not_of(" \t\n") != std::string_view::npos) {
      size_t depth = 0, end = 0;
      for (; end < list.size() && (list[end] != ',' || depth > 0); ++end) depth += list[end] == '(' || list[end] == '[' ? 1 : list[end] == ')' || list[end] == ']' ? -1 : 0;
      std::string one(list.substr(0, end));
      for (char& c : one) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      const size_t first = one.find_first_not_of(' ');
      one = first == std::string::npos ? std::string() : one.substr(first, one.find_last_not_of(' ') - first + 1);
      if (allow_none && one == "none") out.second.push_back(0);
      else out.second.push_back(parse_type_string(list.substr(0, end), bind_context(list)).type);
      list.remove_prefix(std::min(list.size(), end + 1));
    }
    return out;
  };
  // Schema of a name in two or three parts; 0 for one part. `what` names the kind of name in its error.
  auto schema_of = [&](const std::vector<std::string>& parts, const char* what) -> Oid {
    if (parts.size() < 2) return 0;
    if (parts.size() > 3) throw Error(ErrorCode::kSyntaxError, fmt::format("improper {} name (too many dotted names): {}", what, fmt::join(parts, ".")));
    if (parts.size() == 3 && parts[0] != database_name())
      throw Error(ErrorCode::kFeatureNotSupported, std::string_view(what) == "relation" ? fmt::format("cross-database references are not implemented: \"{}\"", fmt::join(parts, "."))
                                                                                        : fmt::format("cross-database references are not implemented: {}", fmt::join(parts, ".")));
    const std::string& s = parts[parts.size() - 2];
    const Oid oid = v.schema(s);
    if (oid == 0) throw Error(ErrorCode::kInvalidSchemaName, fmt::format("schema \"{}\" does not exist", s));
    return oid;
  };
  switch (reg_type) {
    case oid::kRegclass: {
      const auto parts = split_name(name);
      const auto r = v.find_relation(parts.back(), schema_of(parts, "relation"));
      if (r == nullptr) throw Error(ErrorCode::kUndefinedTable, fmt::format("relation \"{}\" does not exist", fmt::join(parts, ".")));
      return r->oid;
    }
    case oid::kRegtype: return parse_type_string(name, bind_context(name)).type;
    case oid::kRegproc: {
      const auto parts = split_name(name);
      const auto found = v.procs(parts.back(), schema_of(parts, "qualified"));
      if (found.empty()) throw Error(ErrorCode::kUndefinedFunction, fmt::format("function \"{}\" does not exist", name));
      if (found.size() > 1) throw Error(ErrorCode::kAmbiguousFunction, fmt::format("more than one function named \"{}\"", name));
      return found[0]->oid;
    }
    case oid::kRegprocedure: {
      const auto [text, args] = signature(false);
      const auto parts = split_name(text);
      for (const ProcRow* p : v.procs(parts.back(), schema_of(parts, "qualified"))) {
        if (p->args == args) return p->oid;
      }
      throw Error(ErrorCode::kUndefinedFunction, fmt::format("function \"{}\" does not exist", name));
    }
    case oid::kRegoper:
    case oid::kRegoperator: {
      std::string_view op = name;
      std::vector<Oid> args;
      if (reg_type == oid::kRegoperator) {
        auto parsed = signature(true);
        op = parsed.first;
        args = std::move(parsed.second);
        if (args.size() == 1)
          throw Error(ErrorCode::kUndefinedParameter, "missing argument").hint("Use NONE to denote the missing argument of a unary operator.");
        if (args.size() != 2) throw Error(ErrorCode::kTooManyArguments, "too many arguments").hint("Provide two argument types for operator.");
      }
      while (!op.empty() && std::isspace(static_cast<unsigned char>(op.back())) != 0) op.remove_suffix(1);
      const auto missing = [&] { return Error(ErrorCode::kUndefinedFunction, fmt::format("operator does not exist: {}", name)); };
      const size_t dot = op.rfind('.');
      Oid schema = 0;
      if (dot != std::string_view::npos) {
        auto parts = split_name(op.substr(0, dot));
        parts.emplace_back(op.substr(dot + 1));
        if (reg_type == oid::kRegoper) schema = schema_of(parts, "qualified");
        else schema = v.schema(parts[parts.size() - 2]);
        if (schema == 0) throw missing();
        op = op.substr(dot + 1);
      }
      const auto found = v.operators(op, schema);
      if (reg_type == oid::kRegoper) {
        if (found.empty()) throw missing();
        if (found.size() > 1) throw Error(ErrorCode::kAmbiguousFunction, fmt::format("more than one operator named {}", name));
        return found[0]->oid;
      }
      for (const OperatorRow* o : found) {
        if (o->left == args[0] && o->right == args[1]) return o->oid;
      }
      throw missing();
    }
    case oid::kRegnamespace: {
      const auto parts = split_name(name);
      if (parts.size() != 1) throw Error(ErrorCode::kInvalidName, "invalid name syntax");
      const Oid oid = v.schema(parts[0]);
      if (oid == 0) throw Error(ErrorCode::kInvalidSchemaName, fmt::format("schema \"{}\" does not exist", parts.back()));
      return oid;
    }
    case oid::kRegrole: {
      const auto parts = split_name(name);
      if (parts.size() != 1) throw Error(ErrorCode::kInvalidName, "invalid name syntax");
      const auto r = v.state()->find(ObjectKind::kRole, 0, parts.back());
      if (r == nullptr) throw Error(ErrorCode::kUndefinedObject, fmt::format("role \"{}\" does not exist", parts.back()));
      return r->oid;
    }
    case oid::kRegcollation: {
      const auto parts = split_name(name);
      const Oid oid = v.collation(parts.back(), schema_of(parts, "qualified"));
      if (oid == 0) throw Error(ErrorCode::kUndefinedObject, fmt::format("collation \"{}\" for encoding \"UTF8\" does not exist", name));
      return oid;
    }
    default: break;
  }
  const bool config = reg_type == oid::kRegconfig;
  if (config || reg_type == oid::kRegdictionary) {
    const auto parts = split_name(name);
    const ObjectKind kind = config ? ObjectKind::kTextSearchConfig : ObjectKind::kTextSearchDictionary;
    const Oid schema = parts.size() > 1 ? v.schema(parts[parts.size() - 2]) : 0;
    if (parts.size() == 1 || schema != catalog::kPgCatalog)
      for (Oid in : parts.size() > 1 ? std::vector<Oid>{schema} : v.path()) {
        if (in == catalog::kPgCatalog)
          for (const auto& row : builtin::rows(config ? "pg_ts_config" : "pg_ts_dict"))
            if (row[1] == parts.back()) return static_cast<Oid>(std::stoul(row[0]));
        if (const auto o = v.state()->find(kind, in, parts.back())) {
          tell_text_search(std::static_pointer_cast<const catalog::Entry>(o));
          return o->oid;
        }
      }
    for (const auto& row : builtin::rows(config ? "pg_ts_config" : "pg_ts_dict")) {
      if (row[1] == parts.back()) return static_cast<Oid>(std::stoul(row[0]));
    }
    throw Error(ErrorCode::kUndefinedObject, fmt::format("text search {} \"{}\" does not exist", config ? "configuration" : "dictionary", name));
  }
  throw Error(ErrorCode::kFeatureNotSupported, fmt::format("names of type {} cannot be looked up", format_type(reg_type, -1)));
}

}  // namespace stele::sql
