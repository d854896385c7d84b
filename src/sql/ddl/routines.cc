// CREATE FUNCTION and PROCEDURE in SQL and PL/pgSQL.
#include "sql/ddl/ddl.h"
#include "sql/plpgsql/call.h"
#include "sql/plpgsql/scanner.h"

namespace stele::sql {

namespace {

// Where a body's text starts in its CREATE statement: behind the quote or dollar tag of the literal after AS.
int body_offset(std::string_view text, const std::string& body) {
  const size_t at = text.find(body);
  if (!body.empty() && at != std::string_view::npos) return static_cast<int>(at);
  return -1;
}

// BEGIN ATOMIC ... END or RETURN ... as the statements that they stand for.
std::string standard_body(std::string_view text) {
  const auto tokens = plpgsql::scan(text);
  int depth = 0;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (tokens[i].is("(")) ++depth;
    if (tokens[i].is(")")) --depth;
    if (depth != 0) continue;
    if (tokens[i].is("begin") && tokens[i + 1].is("atomic")) {
      size_t last = tokens.size() - 1;
      while (last > i && !tokens[last].is("end")) --last;
      return std::string(text.substr(static_cast<size_t>(tokens[i + 1].end), static_cast<size_t>(tokens[last].begin - tokens[i + 1].end)));
    }
    if (tokens[i].is("return") && i > 0) return "SELECT" + std::string(text.substr(static_cast<size_t>(tokens[i].end)));
  }
  return {};
}

}  // namespace

ResolvedType Ddl::type_without_position(const pg::TypeName* t, const BindContext& b) {
  try {
    return resolve_type(t, b);
  } catch (const Error& e) {
    Error copy = e;
    copy.set_position(0);
    throw copy;
  }
}

std::string Ddl::create_function(const pg::CreateFunctionStmt* s) {
  const char* tag = s->is_procedure ? "CREATE PROCEDURE" : "CREATE FUNCTION";
  Target t = creation_target(pg::strings(PG_LIST(s, funcname)));
  auto f = std::make_shared<catalog::Function>();
  f->name = t.name;
  f->schema = t.schema;
  f->owner = host.current_user();
  f->prokind = s->is_procedure ? 'p' : 'f';
  BindContext b = bind();
  b.allow_shell_types = true;
  auto is_shell = [&](Oid type) { return !view().type(type).defined; };
  bool any_out = false;
  std::vector<Oid> out_types;
  for (const Node* n : PG_LIST(s, parameters)) {
    const pg::FunctionParameter* p = n->function_parameter;
    ResolvedType type = type_without_position(p->arg_type, b);
    if (is_shell(type.type)) notice("argument type " + view().format_type(type.type) + " is only a shell", {}, {}, "NOTICE", ErrorCode::kWrongObjectType);
    char mode = p->mode == pg::FUNC_PARAM_OUT ? 'o' : p->mode == pg::FUNC_PARAM_INOUT ? 'b' : p->mode == pg::FUNC_PARAM_VARIADIC ? 'v' : p->mode == pg::FUNC_PARAM_TABLE ? 't' : 'i';
    if (mode != 'o' && mode != 't') f->args.push_back(type.type);
    if (mode == 'o' || mode == 'b' || mode == 't') {
      any_out = true;
      out_types.push_back(type.type);
    }
    if (mode == 'v') {
      f->variadic = type.type == oid::kAnyArray ? oid::kAnyElement : type.type == 5078 ? Oid{5077} /* anycompatible */ : type.type == oid::kAny ? type.type : view().type(type.type).element;
      if (f->variadic == 0) fail(ErrorCode::kInvalidFunctionDefinition, "VARIADIC parameter must be an array");
    }
    f->all_args.push_back(type.type);
    f->arg_modes.push_back(mode);
    f->arg_names.emplace_back(p->name);
    if (p->defexpr != nullptr)
      f->arg_defaults_sql.push_back(stored_sql(bind_expression(p->defexpr, nullptr, ExprContext::kFunctionDefault, b, type.type, type.typmod, p->name), nullptr));
    else if (!f->arg_defaults_sql.empty() && mode != 'o' && mode != 't')
      fail(ErrorCode::kInvalidFunctionDefinition, "input parameters after one with a default value must also have defaults");
  }
  if (f->arg_modes.find_first_not_of('i') == std::string::npos) {
    f->all_args.clear();
    f->arg_modes.clear();
  }
  if (s->return_type != nullptr) {
    bool made_shell = false;
    // A type that is not there becomes a shell, for the input function that comes before it.
    if (const auto names = pg::strings(PG_LIST(s->return_type, names)); !names.empty() && s->return_type->n_typmods == 0 && s->return_type->n_array_bounds == 0 && !s->return_type->setof && !s->return_type->pct_type) {
      bool internal = false;
      for (const Node* n : PG_LIST(s, options))
        if (std::string_view(n->def_elem->defname) == "language") {
          const std::string language = def_string(n->def_elem);
          internal = language == "internal" || language == "c" || language == "C" || language == "INTERNAL";
        }
      Oid schema = names.size() > 1 ? view().schema(names[names.size() - 2]) : 0;
      if (internal && (names.size() > 1 ? view().find_type(schema, names.back()) : view().find_type(names.back())) == nullptr) {
        std::string shown;
        for (const std::string& part : names) shown += (shown.empty() ? "" : ".") + part;
        notice("type \"" + shown + "\" is not yet defined", "Creating a shell type definition.", {}, "NOTICE", ErrorCode::kUndefinedObject);
        made_shell = true;
        create_shell_type(creation_target(names));
        b = bind();
        b.allow_shell_types = true;
      }
    }
    f->result = type_without_position(s->return_type, b).type;
    if (is_shell(f->result) && !made_shell) notice("return type " + view().format_type(f->result) + " is only a shell", {}, {}, "NOTICE", ErrorCode::kWrongObjectType);
    f->returns_set = s->return_type->setof;
    if (any_out) {
      Oid implied = out_types.size() == 1 ? out_types[0] : Oid{oid::kRecord};
      if (f->arg_modes.find('t') == std::string::npos && f->result != implied)
        fail(ErrorCode::kInvalidFunctionDefinition, "function result type must be " + view().format_type(implied) + " because of OUT parameters");
      f->result = implied;
    }
  } else if (any_out) {
    f->result = s->is_procedure || out_types.size() > 1 ? Oid{oid::kRecord} : out_types[0];
  } else {
    if (!s->is_procedure) fail(ErrorCode::kInvalidFunctionDefinition, "function result type must be specified");
    f->result = oid::kVoid;
  }
  if (f->returns_set) f->rows = 1000;
  if (s->is_procedure && !any_out) f->result = oid::kVoid;
  std::string language;
  for (const Node* n : PG_LIST(s, options)) {
    const pg::DefElem* d = n->def_elem;
    std::string_view k = d->defname;
    if (k == "language") language = def_string(d);
    else if (k == "as") f->source = d->arg->node_case == pg::kList ? std::string(pg::str(d->arg->list->items[0])) : def_string(d);
    else if (k == "volatility") f->volatility = def_string(d)[0];
    else if (k == "strict") f->strict = def_bool(d);
    else if (k == "security") f->security_definer = def_bool(d);
    else if (k == "leakproof") f->leakproof = def_bool(d);
    else if (k == "cost") f->cost = std::atof(def_string(d).c_str());
    else if (k == "rows") f->rows = std::atof(def_string(d).c_str());
    else if (k == "parallel") f->parallel = def_string(d)[0];
    else if (k == "set") function_setting(*f, d->arg->variable_set_stmt);
  }
  for (char& c : language) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (language.empty() && s->sql_body != nullptr) language = "sql";
  if (language.empty()) fail(ErrorCode::kInvalidFunctionDefinition, "no language specified");
  if (s->sql_body != nullptr) {
    if (language != "sql") fail(ErrorCode::kInvalidFunctionDefinition, "inline SQL function body only valid for language SQL");
    if (!f->source.empty()) fail(ErrorCode::kInvalidFunctionDefinition, "duplicate function body specified");
    f->source = standard_body(text);
  }
  if (language == "sql") f->language = 14;
  else if (language == "plpgsql") f->language = 13563;
  else if (language == "internal") {
    if (!FunctionRegistry::instance().scalar(f->source)) fail(ErrorCode::kUndefinedFunction, "there is no built-in function named \"" + f->source + "\"");
    f->language = 12;
  } else if (language == "c") fail(ErrorCode::kFeatureNotSupported, "functions in language \"c\" are not supported");
  else if (auto e = find_entry(ObjectKind::kLanguage, {{language}, {}}); e != nullptr && e->ref(0) == 13564) {
    // Another name for PL/pgSQL.
    f->language = 13563;
    language = "plpgsql";
  } else fail(ErrorCode::kUndefinedObject, "language \"" + language + "\" does not exist", -1, {}, language.starts_with("pl") ? "Use CREATE EXTENSION to load the language into the database." : "");
  f->language_name = language;
  if (f->result == oid::kTrigger || f->result == 3838) {
    const std::string type = f->result == oid::kTrigger ? "trigger" : "event_trigger";
    if (language == "sql") fail(ErrorCode::kInvalidFunctionDefinition, "SQL functions cannot return type " + type);
    if (!f->args.empty())
      throw Error(ErrorCode::kInvalidFunctionDefinition, f->result == oid::kTrigger ? "trigger functions cannot have declared arguments" : "event trigger functions cannot have declared arguments")
          .hint(f->result == oid::kTrigger ? "The arguments of the trigger can be accessed through TG_NARGS and TG_ARGV instead." : "")
          .context("compilation of PL/pgSQL function \"" + f->name + "\" near line 1");
  }
  {
    const TypeRow& result = view().type(f->result);
    if (result.typtype == 'p' && f->result != oid::kVoid && f->result != oid::kRecord && f->result != oid::kTrigger && f->result != 3838 && language != "internal") {
      const std::string shown = view().format_type(f->result);
      const bool poly = shown.starts_with("any");
      bool input_poly = false;
      const bool ranges = shown.ends_with("range");
      for (Oid a : f->args) {
        const std::string in = view().format_type(a);
        input_poly |= in.starts_with("any") && (!ranges || (in.ends_with("range") && in.starts_with("anycompatible") == shown.starts_with("anycompatible")));
      }
      if (!poly) fail(ErrorCode::kInvalidFunctionDefinition, (language == "sql" ? std::string("SQL functions") : std::string("PL/pgSQL functions")) + " cannot return type " + shown);
      if (!input_poly)
        fail(ErrorCode::kInvalidFunctionDefinition, "cannot determine result data type", -1,
             "A result of type " + shown + " requires at least one input of type " +
                 (ranges ? (shown.starts_with("anycompatible") ? "anycompatiblerange or anycompatiblemultirange." : "anyrange or anymultirange.")
              : shown.starts_with("anycompatible") ? "anycompatible, anycompatiblearray, anycompatiblenonarray, anycompatiblerange, or anycompatiblemultirange."
                                                     : "anyelement, anyarray, anynonarray, anyenum, anyrange, or anymultirange."));
    }
  }
  // Names of input arguments, and of outputs, are used once.
  for (size_t i = 0; i < f->arg_names.size(); ++i)
    for (size_t k = 0; k < i; ++k) {
      if (f->arg_names[i].empty() || f->arg_names[i] != f->arg_names[k]) continue;
      const char a = f->arg_modes.empty() ? 'i' : f->arg_modes[i], b2 = f->arg_modes.empty() ? 'i' : f->arg_modes[k];
      auto in = [](char m) { return m == 'i' || m == 'v'; };
      auto out = [](char m) { return m == 'o' || m == 't'; };
      if ((in(a) && out(b2)) || (out(a) && in(b2))) continue;
      fail(ErrorCode::kInvalidFunctionDefinition, "parameter name \"" + f->arg_names[i] + "\" used more than once");
    }
  if (std::all_of(f->arg_names.begin(), f->arg_names.end(), [](const std::string& n) { return n.empty(); })) f->arg_names.clear();
  Ptr<catalog::Function> existing;
  for (auto& o : state()->functions_named(f->name))
    if (o->schema == f->schema && o->args == f->args) existing = o;
  if (existing != nullptr) {
    if (!s->replace) fail(ErrorCode::kDuplicateFunction, "function \"" + f->name + "\" already exists with same argument types");
    check_owner(*existing, "function");
    if (existing->prokind != f->prokind) 
      fail(ErrorCode::kWrongObjectType, "cannot change routine kind", -1,
           "\"" + f->name + "\" is " + (existing->prokind == 'a' ? "an aggregate function." : existing->prokind == 'p' ? "a procedure." : existing->prokind == 'w' ? "a window function." : "a function."));
    const std::string hint = "Use DROP " + std::string(f->prokind == 'p' ? "PROCEDURE " : "FUNCTION ") + describe({ObjectKind::kFunction, existing->oid, 0}).substr(f->prokind == 'p' ? 10 : 9) + " first.";
    if (existing->result != f->result || existing->returns_set != f->returns_set)
      fail(ErrorCode::kInvalidFunctionDefinition, f->prokind == 'p' ? "cannot change whether a procedure has output parameters" : "cannot change return type of existing function", -1, {}, hint);
    auto outs = [](const catalog::Function& x) {
      std::vector<std::pair<Oid, std::string>> out;
      for (size_t i = 0; i < x.arg_modes.size(); ++i)
        if (x.arg_modes[i] == 'o' || x.arg_modes[i] == 'b' || x.arg_modes[i] == 't') out.emplace_back(x.all_args[i], i < x.arg_names.size() ? x.arg_names[i] : "");
      return out;
    };
    if (outs(*existing) != outs(*f)) fail(ErrorCode::kInvalidFunctionDefinition, "cannot change return type of existing function", -1, "Row type defined by OUT parameters is different.", hint);
    auto inputs = [](const catalog::Function& x) {
      std::vector<std::string> out;
      for (size_t i = 0; i < x.arg_names.size(); ++i)
        if (x.arg_modes.empty() || x.arg_modes[i] == 'i' || x.arg_modes[i] == 'b' || x.arg_modes[i] == 'v') out.push_back(x.arg_names[i]);
      return out;
    };
    const auto old_names = inputs(*existing), new_names = inputs(*f);
    for (size_t i = 0; i < old_names.size(); ++i)
      if (!old_names[i].empty() && (i >= new_names.size() || old_names[i] != new_names[i]))
        fail(ErrorCode::kInvalidFunctionDefinition, "cannot change name of input parameter \"" + old_names[i] + "\"", -1, {}, hint);
    if (f->arg_defaults_sql.size() < existing->arg_defaults_sql.size())
      fail(ErrorCode::kInvalidFunctionDefinition, "cannot remove parameter defaults from existing function", -1, {}, hint);
    f->oid = existing->oid;
    f->owner = existing->owner;
    f->acl = existing->acl;
    f->comment = existing->comment;
  } else {
    f->oid = catalog().allocate_oid();
    f->acl = default_acl('f', f->owner, f->schema);
  }
  put(f);
  if (host.settings().raw("check_function_bodies").value_or("on") != "off") {
    host.next_command();
    try {
      if (language == "plpgsql") {
        for (Error& w : plpgsql::validate(host, *f)) {
          const int offset = body_offset(text, f->source);
          if (offset >= 0) w.set_position(position(offset) + w.position() - 1);
          host.notice("WARNING", w);
        }
      }
      else if (language == "sql") validate_sql_function(host, *f);
    } catch (const Error& e) {
      Error copy = e;
      const int offset = body_offset(text, f->source);
      if (e.position() > 0 && offset >= 0) copy.set_position(position(offset) + e.position() - 1);
      else if (e.position() > 0) copy.set_internal(f->source, e.position());
      if (language == "sql" && e.position() <= 0) copy.add_context("SQL function \"" + f->name + "\"");
      throw copy;
    }
  }
  if (existing != nullptr) changes().drop_dependencies_of({ObjectKind::kFunction, f->oid, 0});
  depend({ObjectKind::kFunction, f->oid, 0}, {ObjectKind::kSchema, f->schema, 0});
  std::vector<Oid> types = f->args;
  types.push_back(f->result);
  for (Oid type : types) depend({ObjectKind::kFunction, f->oid, 0}, {ObjectKind::kType, type, 0});
  return tag;
}

void Ddl::alter_function(const pg::AlterFunctionStmt* s) {
  BindContext b = bind();
  auto found = state()->function(find_function(s->func, s->objtype == pg::OBJECT_FUNCTION ? 'f' : s->objtype == pg::OBJECT_PROCEDURE ? 'p' : 0, b, false));
  if (found == nullptr) fail(ErrorCode::kInsufficientPrivilege, "must be owner of function");
  check_owner(*found, "function");
  auto f = edit(found);
  for (const Node* n : PG_LIST(s, actions)) {
    const pg::DefElem* d = n->def_elem;
    std::string_view k = d->defname;
    if (k == "volatility") f->volatility = def_string(d)[0];
    else if (k == "strict") f->strict = def_bool(d);
    else if (k == "security") f->security_definer = def_bool(d);
    else if (k == "leakproof") f->leakproof = def_bool(d);
    else if (k == "cost") f->cost = std::atof(def_string(d).c_str());
    else if (k == "rows") f->rows = std::atof(def_string(d).c_str());
    else if (k == "parallel") f->parallel = def_string(d)[0];
    else if (k == "set") function_setting(*f, d->arg->variable_set_stmt);
  }
  put(f);
}

void Ddl::function_setting(catalog::Function& f, const pg::VariableSetStmt* set) {
  if (set->kind == pg::VAR_RESET_ALL) {
    f.settings.clear();
    return;
  }
  if (set->kind == pg::VAR_RESET || set->kind == pg::VAR_SET_DEFAULT) {
    f.settings.erase(set->name);
    return;
  }
  if (set->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_CURRENT) {
    f.settings[set->name] = host.settings().raw(set->name).value_or("");
    return;
  }
  std::string value;
  for (const Node* a : PG_LIST(set, args))
    if (a->node_case == pg::kAConst) {
      const pg::AConst* c = a->a_const;
      std::string one = c->val_case == PG_QUERY__A__CONST__VAL_IVAL ? std::to_string(c->ival->ival) : c->val_case == PG_QUERY__A__CONST__VAL_FVAL ? std::string(c->fval->fval)
                        : c->val_case == PG_QUERY__A__CONST__VAL_BOOLVAL ? std::string(c->boolval->boolval ? "on" : "off") : std::string(c->sval->sval);
      if (std::string_view(set->name) == "search_path") one = quote_identifier(one);
      value += (value.empty() ? "" : ", ") + one;
    }
  // Wrong names and values fail here.
  const std::string before = host.settings().raw(set->name).value_or("");
  const size_t mark = host.settings().mark();
  host.settings().set(set->name, value, true);
  host.settings().rollback_to(mark);
  f.settings[set->name] = value;
}

}  // namespace stele::sql
