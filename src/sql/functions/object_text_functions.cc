// pg_get_*: catalogue objects as SQL. Stored expressions are bound again and printed for the reader's search path.
#include "sql/binder/bind.h"
#include "sql/deparse/deparse.h"
#include "sql/functions/host.h"
#include "sql/parser/parser.h"
#include "sql/system_catalogs/system_catalogs.h"
#include "types/array.h"

namespace stele::sql {
namespace {

using catalog::Column;
using catalog::Constraint;
using catalog::ConstraintKind;
using catalog::Relation;

std::string expression_text(FnCall& call, const std::string& sql, const Relation* relation, bool pretty) {
  UtilityHost& host = host_of(call);
  ParsedExpression parsed = parse_expression(sql);
  BindContext context = host.bind_context(sql);
  query::ExprPtr e = bind_expression(parsed.node, relation, ExprContext::kNone, context);
  DeparseOptions options;
  options.pretty = pretty;
  return deparse_expression(e, relation, host.view(), *call.context, options);
}

// Stored text that no longer binds is shown as it is rather than failing a whole \d.
std::string expression_or_stored(FnCall& call, const std::string& sql, const Relation* relation, bool pretty) {
  try {
    return expression_text(call, sql, relation, pretty);
  } catch (const Error&) {
    return sql;
  }
}

std::string column_list(const Relation& r, std::span<const int16_t> columns) {
  std::string out;
  for (auto n : columns) {
    auto* c = r.column(n);
    out += (out.empty() ? "" : ", ") + (c ? quote_identifier(c->name) : std::string("?"));
  }
  return out;
}

bool needs_parentheses(const std::string& e) {
  // A bare function call stands in an index without them.
  if (e.empty() || e.back() != ')') return true;
  size_t open = e.find('(');
  if (open == 0 || open == std::string::npos) return true;
  for (size_t i = 0; i < open; ++i)
    if (!(std::isalnum(static_cast<unsigned char>(e[i])) || e[i] == '_' || e[i] == '.' || e[i] == '"')) return true;
  int depth = 0;
  for (size_t i = open; i < e.size(); ++i) {
    if (e[i] == '(') ++depth;
    if (e[i] == ')' && --depth == 0 && i + 1 != e.size()) return true;
  }
  return false;
}

std::string index_key(FnCall& call, const Relation& table, const Relation& index, size_t k, bool pretty, bool decorated) {
  CatalogView& view = host_of(call).view();
  auto& keys = index.index->keys;
  if (k >= keys.size()) {
    auto* c = table.column(index.index->included[k - keys.size()]);
    return c ? quote_identifier(c->name) : "?";
  }
  auto& key = keys[k];
  std::string out;
  Oid type = key.type, natural_collation = 0;
  if (key.column != 0) {
    auto* c = table.column(key.column);
    out = c ? quote_identifier(c->name) : "?";
    if (c) natural_collation = c->collation, type = c->type;
  } else {
    out = expression_or_stored(call, key.expression_sql, &table, pretty);
    if (needs_parentheses(out) && decorated) out = "(" + out + ")";
    natural_collation = key.collation;
  }
  if (!decorated) return out;
  if (key.collation != 0 && key.collation != natural_collation)
    out += " COLLATE " + quote_identifier(view.collation_name(key.collation));
  Oid am = system_catalogs::access_method_oid(index.index->method);
  if (key.opclass != 0 && key.opclass != view.default_opclass(view.base_type(type), am))
    if (auto* c = view.opclass(key.opclass); c && !c->is_default) out += " " + c->name;
  if (!key.opclass_options.empty()) {
    std::string list;
    for (auto& [n, v] : key.opclass_options) list += (list.empty() ? "" : ", ") + n + "=" + quote_literal(v);
    out += " (" + list + ")";
  }
  if (index.index->method == "btree") {
    if (key.descending) out += key.nulls_first ? " DESC" : " DESC NULLS LAST";
    else if (key.nulls_first) out += " NULLS FIRST";
  }
  return out;
}

std::string options_text(const std::map<std::string, std::string>& options) {
  std::string list;
  for (auto& [n, v] : options) {
    bool plain = !v.empty() && v.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
    list += (list.empty() ? "" : ", ") + n + "=" + (plain && !std::isdigit(static_cast<unsigned char>(v[0])) ? v : quote_literal(v));
  }
  return list;
}

std::optional<std::string> index_definition(FnCall& call, Oid oid, int column, bool pretty) {
  CatalogView& view = host_of(call).view();
  auto index = view.state()->relation(oid);
  if (!index || !index->index) return std::nullopt;
  auto table = view.state()->relation(index->index->table);
  if (!table) return std::nullopt;
  auto& x = *index->index;
  size_t total = x.keys.size() + x.included.size();
  if (column != 0) {
    if (column < 1 || static_cast<size_t>(column) > total) return "";
    return index_key(call, *table, *index, static_cast<size_t>(column - 1), pretty, false);
  }
  std::string out = fmt::format("CREATE {}INDEX {} ON {}{} USING {} (", x.unique ? "UNIQUE " : "", quote_identifier(index->name),
                                table->relkind == 'p' ? "ONLY " : "",
                                pretty ? visible_relation_name(*table, view) : qualified_relation_name(*table, view), x.method);
  for (size_t k = 0; k < x.keys.size(); ++k) out += (k ? ", " : "") + index_key(call, *table, *index, k, pretty, true);
  out += ")";
  if (!x.included.empty()) out += " INCLUDE (" + column_list(*table, x.included) + ")";
  if (x.nulls_not_distinct) out += " NULLS NOT DISTINCT";
  if (!index->options.empty()) out += " WITH (" + options_text(index->options) + ")";
  if (!x.predicate_sql.empty()) {
    std::string p = expression_or_stored(call, x.predicate_sql, table.get(), pretty);
    out += " WHERE " + p;
  }
  return out;
}

const char* action_text(char a) {
  return a == 'r' ? "RESTRICT" : a == 'c' ? "CASCADE" : a == 'n' ? "SET NULL" : a == 'd' ? "SET DEFAULT" : "";
}

std::string constraint_text(FnCall& call, const Constraint& c, const Relation* table, bool pretty) {
  CatalogView& view = host_of(call).view();
  std::string out;
  switch (c.kind) {
    case ConstraintKind::kForeignKey: {
      auto target = view.state()->relation(c.referenced);
      out = fmt::format("FOREIGN KEY ({}) REFERENCES {}({})", column_list(*table, c.columns),
                        target ? visible_relation_name(*target, view) : "?", target ? column_list(*target, c.referenced_columns) : "?");
      if (c.match == 'f') out += " MATCH FULL";
      if (*action_text(c.on_update)) out += fmt::format(" ON UPDATE {}", action_text(c.on_update));
      if (*action_text(c.on_delete)) out += fmt::format(" ON DELETE {}", action_text(c.on_delete));
      if (!c.on_delete_columns.empty()) out += " (" + column_list(*table, c.on_delete_columns) + ")";
      break;
    }
    case ConstraintKind::kPrimary: case ConstraintKind::kUnique: {
      auto index = view.state()->relation(c.index);
      bool not_distinct = index && index->index && index->index->nulls_not_distinct;
      out = fmt::format("{} ({})", c.kind == ConstraintKind::kPrimary ? "PRIMARY KEY" : not_distinct ? "UNIQUE NULLS NOT DISTINCT" : "UNIQUE",
                        column_list(*table, c.columns));
      if (index && index->index && !index->index->included.empty()) out += " INCLUDE (" + column_list(*table, index->index->included) + ")";
      break;
    }
    case ConstraintKind::kCheck: {
      std::string e = table ? expression_or_stored(call, c.check_sql, table, pretty) : c.check_sql;
      out = "CHECK (" + e + ")";
      if (c.no_inherit) out += " NO INHERIT";
      break;
    }
    case ConstraintKind::kExclusion: {
      auto index = view.state()->relation(c.index);
      out = "EXCLUDE";
      if (index && index->index) {
        out += " USING " + index->index->method + " (";
        for (size_t k = 0; k < index->index->keys.size(); ++k) {
          auto* op = k < c.equality_operators.size() ? view.oper(c.equality_operators[k]) : nullptr;
          out += (k ? ", " : "") + index_key(call, *table, *index, k, pretty, true) + " WITH " + (op ? op->name : "?");
        }
        out += ")";
        if (!index->index->predicate_sql.empty()) out += " WHERE (" + expression_or_stored(call, index->index->predicate_sql, table, pretty) + ")";
      }
      break;
    }
    default: return "";
  }
  if (c.deferrable) out += " DEFERRABLE";
  if (c.initially_deferred) out += " INITIALLY DEFERRED";
  if (!c.validated) out += " NOT VALID";
  return out;
}

std::optional<std::string> constraint_definition(FnCall& call, Oid oid, bool pretty) {
  CatalogView& view = host_of(call).view();
  std::optional<std::string> out;
  view.state()->for_each(catalog::ObjectKind::kRelation, [&](const catalog::Ptr<catalog::Object>& o) {
    auto& r = static_cast<const Relation&>(*o);
    if (out) return;
    for (auto& c : r.constraints)
      if (c.oid == oid) { out = constraint_text(call, c, &r, pretty); return; }
  });
  if (out) return out;
  view.state()->for_each(catalog::ObjectKind::kType, [&](const catalog::Ptr<catalog::Object>& o) {
    for (auto& c : static_cast<const catalog::Type&>(*o).constraints)
      if (c.oid == oid) {
        out = constraint_text(call, c, nullptr, pretty);
        // Pretty: CHECK ((VALUE > 0)) without the inner parentheses, when they are around the whole.
        const size_t open = out->find("((");
        if (!pretty || open == std::string::npos) continue;
        int depth = 0;
        size_t close = open + 1;
        for (; close < out->size(); ++close) {
          if ((*out)[close] == '(') ++depth;
          if ((*out)[close] == ')' && --depth == 0) break;
        }
        if (close + 1 < out->size() && (*out)[close + 1] == ')') *out = out->substr(0, open + 1) + out->substr(open + 2, close - open - 2) + out->substr(close + 1);
      }
  });
  return out;
}

std::optional<std::string> view_definition(FnCall& call, Oid oid, bool pretty) {
  UtilityHost& host = host_of(call);
  auto view = host.view().state()->relation(oid);
  if (!view || view->view_sql.empty()) return std::nullopt;
  try {
    ParseTreePtr tree = parse_sql(view->view_sql);
    if (tree->statements.empty()) return view->view_sql;
    auto query = bind_statement(tree->statements[0].node, host.bind_context(tree->text));
    std::vector<std::string> names;
    for (auto& c : view->columns)
      if (!c.dropped) names.push_back(c.name);
    DeparseOptions options;
    options.pretty = pretty;
    return deparse_query(*query, host.view(), *call.context, options, names) + ";";
  } catch (const Error&) {
    return view->view_sql + ";";
  }
}

Datum text_or_null(FnCall& call, const std::optional<std::string>& s) { return s ? call.text(*s) : call.null(); }
bool flag(FnCall& call, int i) { return call.nargs > i && call.arg(i).as_bool(); }

Datum get_indexdef(FnCall& c) {
  bool ext = c.nargs == 3;
  return text_or_null(c, index_definition(c, c.arg(0).as_oid(), ext ? static_cast<int>(c.int_arg(1)) : 0, ext && c.arg(2).as_bool()));
}
Datum get_constraintdef(FnCall& c) { return text_or_null(c, constraint_definition(c, c.arg(0).as_oid(), flag(c, 1))); }
Datum get_viewdef(FnCall& c) { return text_or_null(c, view_definition(c, c.arg(0).as_oid(), flag(c, 1))); }
Datum get_viewdef_wrap(FnCall& c) { return text_or_null(c, view_definition(c, c.arg(0).as_oid(), true)); }
Datum get_viewdef_name(FnCall& c) { return text_or_null(c, view_definition(c, relation_named(c, c.text_arg(0))->oid, flag(c, 1))); }

Datum get_expr(FnCall& c) {
  std::string sql(c.text_arg(0));
  Oid oid = c.arg(1).as_oid();
  auto relation = oid == 0 ? nullptr : host_of(c).view().relation(oid);
  if (oid != 0 && !relation) return c.null();
  // An index's expressions read its table.
  if (relation && relation->index) relation = host_of(c).view().relation(relation->index->table);
  return c.text(expression_or_stored(c, sql, relation.get(), flag(c, 2)));
}

Datum get_userbyid(FnCall& c) {
  auto role = host_of(c).view().state()->get(catalog::ObjectKind::kRole, c.arg(0).as_oid());
  return c.text(role ? role->name : fmt::format("unknown (OID={})", c.arg(0).as_oid()));
}

Datum get_serial_sequence(FnCall& c) {
  auto table = relation_named(c, c.text_arg(0));
  auto* column = table->column(c.text_arg(1));
  if (column == nullptr)
    throw Error(ErrorCode::kUndefinedColumn, fmt::format("column \"{}\" of relation \"{}\" does not exist", c.text_arg(1), table->name));
  CatalogView& view = host_of(c).view();
  std::optional<std::string> out;
  view.state()->for_each(catalog::ObjectKind::kRelation, [&](const catalog::Ptr<catalog::Object>& o) {
    auto& s = static_cast<const Relation&>(*o);
    if (s.sequence && s.sequence->owner_table == table->oid && s.sequence->owner_column == column->number)
      out = qualified_relation_name(s, view);
  });
  return text_or_null(c, out);
}

struct Signature { std::vector<Oid> types; std::string modes; std::vector<std::string> names; const ProcRow* proc; };
std::optional<Signature> signature(FnCall& c) {
  auto* p = host_of(c).view().proc(c.arg(0).as_oid());
  if (p == nullptr) return std::nullopt;
  Signature s{p->all_args.empty() ? p->args : p->all_args, p->arg_modes, p->arg_names, p};
  if (s.modes.empty()) s.modes.assign(s.types.size(), 'i');
  return s;
}

std::string arguments_text(FnCall& c, const Signature& s, bool defaults, bool tables, bool identity) {
  CatalogView& view = host_of(c).view();
  std::string out;
  int inputs = 0;
  for (char m : s.modes) inputs += m == 'i' || m == 'b' || m == 'v';
  int input = 0;
  for (size_t i = 0; i < s.types.size(); ++i) {
    char m = s.modes[i];
    if ((m == 't') != tables) continue;
    bool in = m == 'i' || m == 'b' || m == 'v';
    if (!out.empty()) out += ", ";
    if (m == 'o') out += "OUT ";
    if (m == 'b') out += "INOUT ";
    if (m == 'v') out += "VARIADIC ";
    if (s.proc->kind == 'p' && m == 'i' && !identity) out += "IN ";
    if (i < s.names.size() && !s.names[i].empty()) out += quote_identifier(s.names[i]) + " ";
    out += view.format_type(s.types[i]);
    if (in) {
      int from_end = input - (inputs - s.proc->n_defaults);
      if (defaults && from_end >= 0 && static_cast<size_t>(from_end) < s.proc->defaults.size())
        out += " DEFAULT " + s.proc->defaults[static_cast<size_t>(from_end)];
      ++input;
    }
  }
  return out;
}
Datum get_function_arguments(FnCall& c) {
  auto s = signature(c);
  return s ? c.text(arguments_text(c, *s, true, false, false)) : c.null();
}
Datum get_function_identity_arguments(FnCall& c) {
  auto s = signature(c);
  return s ? c.text(arguments_text(c, *s, false, false, true)) : c.null();
}
std::string result_text(FnCall& c, const Signature& s) {
  if (s.modes.find('t') != std::string::npos) return "TABLE(" + arguments_text(c, s, false, true, false) + ")";
  return (s.proc->returns_set ? "SETOF " : "") + host_of(c).view().format_type(s.proc->result);
}
Datum get_function_result(FnCall& c) {
  auto s = signature(c);
  if (!s || s->proc->kind == 'p') return c.null();
  return c.text(result_text(c, *s));
}
Datum get_function_arg_default(FnCall& c) {
  auto s = signature(c);
  if (!s) return c.null();
  int n = static_cast<int>(c.int_arg(1)), inputs = static_cast<int>(s->proc->args.size());
  int at = n - 1 - (inputs - s->proc->n_defaults);
  if (n < 1 || n > inputs || at < 0 || static_cast<size_t>(at) >= s->proc->defaults.size()) return c.null();
  return c.text(s->proc->defaults[static_cast<size_t>(at)]);
}
Datum get_functiondef(FnCall& c) {
  auto s = signature(c);
  auto f = host_of(c).view().state()->function(c.arg(0).as_oid());
  if (!s || !f) {
    if (s && s->proc->kind == 'a') throw Error(ErrorCode::kWrongObjectType, fmt::format("\"{}\" is an aggregate function", s->proc->name));
    return c.null();
  }
  CatalogView& view = host_of(c).view();
  std::string out = fmt::format("CREATE OR REPLACE {} {}.{}({})\n", f->prokind == 'p' ? "PROCEDURE" : "FUNCTION",
                                quote_identifier(view.schema_name(f->schema)), quote_identifier(f->name), arguments_text(c, *s, true, false, false));
  if (f->prokind != 'p') out += " RETURNS " + result_text(c, *s) + "\n";
  out += " LANGUAGE " + f->language_name + "\n";
  std::string line;
  if (f->volatility == 'i') line += " IMMUTABLE";
  if (f->volatility == 's') line += " STABLE";
  if (f->parallel == 's') line += " PARALLEL SAFE";
  if (f->parallel == 'r') line += " PARALLEL RESTRICTED";
  if (f->strict) line += " STRICT";
  if (f->security_definer) line += " SECURITY DEFINER";
  if (f->leakproof) line += " LEAKPROOF";
  if (f->cost != (f->language_name == "internal" || f->language_name == "c" ? 1 : 100)) line += fmt::format(" COST {}", f->cost);
  if (f->returns_set && f->rows != 1000 && f->rows > 0) line += fmt::format(" ROWS {}", f->rows);
  if (!line.empty()) out += line + "\n";
  for (auto& [n, v] : f->settings) out += fmt::format(" SET {} TO {}\n", quote_identifier(n), quote_literal(v));
  if (!f->sql_body.empty()) return c.text(out + f->sql_body + "\n");
  std::string tag = f->prokind == 'p' ? "$procedure$" : "$function$";
  while (f->source.find(tag) != std::string::npos) tag.insert(tag.size() - 1, "x");
  return c.text(out + "AS " + tag + f->source + tag + "\n");
}
Datum get_triggerdef(FnCall& c) {
  auto t = host_of(c).view().state()->get_as<catalog::Trigger>(catalog::ObjectKind::kTrigger, c.arg(0).as_oid());
  return t ? c.text(trigger_definition(*t, host_of(c).view(), c.nargs > 1 && !c.is_null(1) && c.arg(1).as_bool())) : c.null();
}
Datum get_ruledef(FnCall& c) {
  CatalogView& view = host_of(c).view();
  std::optional<std::string> out;
  view.state()->for_each(catalog::ObjectKind::kRelation, [&](const catalog::Ptr<catalog::Object>& o) {
    auto& r = static_cast<const Relation&>(*o);
    for (const auto& rule : r.rules)
      if (rule.oid == c.arg(0).as_oid()) out = rule_definition(rule, flag(c, 1) ? visible_relation_name(r, view) : qualified_relation_name(r, view));
    if ((r.relkind == 'v' || r.relkind == 'm') && system_catalogs::rewrite_oid(r.oid) == c.arg(0).as_oid())
      out = fmt::format("CREATE RULE \"_RETURN\" AS\n    ON SELECT TO {} DO INSTEAD {}", qualified_relation_name(r, view),
                        view_definition(c, r.oid, flag(c, 1)).value_or(""));
  });
  return text_or_null(c, out);
}
Datum always_null(FnCall& c) { return c.null(); }

std::optional<std::string> comment_of(FnCall& c, Oid object, Oid class_oid, int sub) {
  using K = catalog::ObjectKind;
  auto state = host_of(c).view().state();
  if (class_oid == 2606) {
    std::optional<std::string> out;
    state->for_each(K::kRelation, [&](const catalog::Ptr<catalog::Object>& o) {
      for (auto& k : static_cast<const Relation&>(*o).constraints)
        if (k.oid == object) out = k.comment;
    });
    return out;
  }
  for (K kind : {K::kRelation, K::kSchema, K::kType, K::kFunction, K::kOperator, K::kCast, K::kCollation, K::kExtension,
                 K::kTrigger, K::kPolicy, K::kRole, K::kDatabase}) {
    if (class_oid != 0 && system_catalogs::class_oid(kind) != class_oid) continue;
    auto o = state->get(kind, object);
    if (!o) continue;
    if (sub == 0 && !o->comment && kind == K::kSchema && object == catalog::kPublic) return "standard public schema";
    if (sub == 0) return o->comment;
    if (kind != K::kRelation) continue;
    auto* column = static_cast<const Relation&>(*o).column(static_cast<int16_t>(sub));
    return column ? column->comment : std::nullopt;
  }
  for (K kind : {K::kLanguage, K::kTextSearchConfig, K::kStatistics, K::kEventTrigger, K::kOpclass, K::kOpfamily, K::kAccessMethod, K::kConversion, K::kPublication, K::kSubscription, K::kTablespace,
                 K::kForeignWrapper, K::kForeignServer, K::kTextSearchDictionary, K::kTextSearchParser, K::kTextSearchTemplate}) {
    if (class_oid != 0 && system_catalogs::class_oid(kind) != class_oid) continue;
    if (auto o = state->get(kind, object)) return o->comment;
  }
  if (class_oid == 3764 || class_oid == 0)
    for (auto& [o, text] : std::initializer_list<std::pair<Oid, const char*>>{{3727, "simple dictionary: just lower case and check for stopword"}, {3730, "synonym dictionary: replace word by its synonym"},
                                                                              {3733, "ispell dictionary"}, {3742, "thesaurus dictionary: phrase by phrase substitution"}, {13150, "snowball stemmer"}})
      if (o == object) return text;
  if (class_oid == 2618) {
    std::optional<std::string> out;
    state->for_each(K::kRelation, [&](const catalog::Ptr<catalog::Object>& o) {
      for (auto& rule : static_cast<const Relation&>(*o).rules)
        if (rule.oid == object) out = rule.comment;
    });
    return out;
  }
  if (class_oid == 2615 && object == 11) return "system catalog schema";
  if ((class_oid == 3079 && object == 13562) || (class_oid == 2612 && object == 13563)) return "PL/pgSQL procedural language";
  return std::nullopt;
}
Datum obj_description(FnCall& c) {
  Oid cls = 0;
  if (c.nargs == 2) {
    auto r = system_catalogs::find(catalog::kPgCatalog, c.text_arg(1));
    if (!r) return c.null();
    cls = r->oid;
  }
  return text_or_null(c, comment_of(c, c.arg(0).as_oid(), cls, 0));
}
Datum col_description(FnCall& c) { return text_or_null(c, comment_of(c, c.arg(0).as_oid(), 1259, static_cast<int>(c.int_arg(1)))); }

}  // namespace

void register_object_text_functions(FunctionRegistry& r) {
  r.add("pg_get_indexdef", get_indexdef);
  r.add("pg_get_indexdef_ext", get_indexdef);
  r.add("pg_get_constraintdef", get_constraintdef);
  r.add("pg_get_constraintdef_ext", get_constraintdef);
  r.add("pg_get_viewdef", get_viewdef);
  r.add("pg_get_viewdef_ext", get_viewdef);
  r.add("pg_get_viewdef_wrap", get_viewdef_wrap);
  r.add("pg_get_viewdef_name", get_viewdef_name);
  r.add("pg_get_viewdef_name_ext", get_viewdef_name);
  r.add("pg_get_expr", get_expr);
  r.add("pg_get_expr_ext", get_expr);
  r.add("pg_get_userbyid", get_userbyid);
  r.add("pg_get_serial_sequence", get_serial_sequence);
  r.add("pg_get_function_arguments", get_function_arguments);
  r.add("pg_get_function_identity_arguments", get_function_identity_arguments);
  r.add("pg_get_function_result", get_function_result);
  r.add("pg_get_function_arg_default", get_function_arg_default);
  r.add("pg_get_functiondef", get_functiondef);
  r.add("pg_get_function_sqlbody", always_null);
  r.add("pg_get_triggerdef", get_triggerdef);
  r.add("pg_get_triggerdef_ext", get_triggerdef);
  r.add("pg_get_ruledef", get_ruledef);
  r.add("pg_get_ruledef_ext", get_ruledef);
  r.add("pg_get_replica_identity_index", always_null);
  r.add("sql:obj_description/oid,name", obj_description);
  r.add("sql:obj_description/oid", obj_description);
  r.add("sql:shobj_description/oid,name", obj_description);
  r.add("sql:col_description/oid,int4", col_description);
}

std::string shown_expression(EvalContext& eval, const std::string& sql, const catalog::Relation* relation) {
  UtilityHost& host = *static_cast<UtilityHost*>(eval.session);
  try {
    ParsedExpression parsed = parse_expression(sql);
    query::ExprPtr e = bind_expression(parsed.node, relation, ExprContext::kNone, host.bind_context(sql));
    return deparse_expression(e, relation, host.view(), eval);
  } catch (const Error&) {
    return sql;
  }
}

}  // namespace stele::sql
