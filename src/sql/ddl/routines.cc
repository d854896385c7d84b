// CREATE FUNCTION and PROCEDURE in SQL; casts. Other languages are refused.
#include "sql/ddl/ddl.h"

namespace stele::sql {

std::string Ddl::create_function(const pg::CreateFunctionStmt* s) {
  const char* tag = s->is_procedure ? "CREATE PROCEDURE" : "CREATE FUNCTION";
  Target t = creation_target(pg::strings(PG_LIST(s, funcname)));
  auto f = std::make_shared<catalog::Function>();
  f->name = t.name;
  f->schema = t.schema;
  f->owner = host.current_user();
  f->prokind = s->is_procedure ? 'p' : 'f';
  BindContext b = bind();
  bool any_out = false;
  std::vector<Oid> out_types;
  for (const Node* n : PG_LIST(s, parameters)) {
    const pg::FunctionParameter* p = n->function_parameter;
    ResolvedType type = resolve_type(p->arg_type, b);
    char mode = p->mode == pg::FUNC_PARAM_OUT ? 'o' : p->mode == pg::FUNC_PARAM_INOUT ? 'b' : p->mode == pg::FUNC_PARAM_VARIADIC ? 'v' : p->mode == pg::FUNC_PARAM_TABLE ? 't' : 'i';
    if (mode != 'o' && mode != 't') f->args.push_back(type.type);
    if (mode == 'o' || mode == 'b' || mode == 't') {
      any_out = true;
      out_types.push_back(type.type);
    }
    if (mode == 'v') f->variadic = view().type(type.type).element;
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
    f->result = resolve_type(s->return_type, b).type;
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
  }
  if (s->sql_body != nullptr) fail(ErrorCode::kFeatureNotSupported, "SQL-standard function bodies are not supported", -1, {}, "Give the body as a string: AS $$ ... $$.");
  for (char& c : language) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (language.empty()) fail(ErrorCode::kInvalidFunctionDefinition, "no language specified");
  if (language != "sql") {
    if (language == "plpgsql" || language == "internal" || language == "c")
      fail(ErrorCode::kFeatureNotSupported, "functions in language \"" + language + "\" are not supported");
    fail(ErrorCode::kUndefinedObject, "language \"" + language + "\" does not exist");
  }
  f->language = 14;
  f->language_name = language;
  Ptr<catalog::Function> existing;
  for (auto& o : state()->functions_named(f->name))
    if (o->schema == f->schema && o->args == f->args) existing = o;
  if (existing != nullptr) {
    if (!s->replace) fail(ErrorCode::kDuplicateFunction, "function \"" + f->name + "\" already exists with same argument types");
    check_owner(*existing, "function");
    if (existing->prokind != f->prokind) fail(ErrorCode::kWrongObjectType, "cannot change routine kind");
    if (existing->result != f->result || existing->returns_set != f->returns_set)
      fail(ErrorCode::kInvalidFunctionDefinition, "cannot change return type of existing function", -1, {}, "Use DROP FUNCTION " + describe({ObjectKind::kFunction, existing->oid, 0}).substr(9) + " first.");
    f->oid = existing->oid;
    f->owner = existing->owner;
    f->acl = existing->acl;
    f->comment = existing->comment;
  } else {
    f->oid = catalog().allocate_oid();
  }
  put(f);
  depend({ObjectKind::kFunction, f->oid, 0}, {ObjectKind::kSchema, f->schema, 0});
  std::vector<Oid> types = f->args;
  types.push_back(f->result);
  for (Oid type : types) depend({ObjectKind::kFunction, f->oid, 0}, {ObjectKind::kType, type, 0});
  return tag;
}

void Ddl::alter_function(const pg::AlterFunctionStmt* s) {
  BindContext b = bind();
  auto found = state()->function(find_function(s->func, 0, b, false));
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
  }
  put(f);
}

std::string Ddl::define(const pg::DefineStmt* s) {
  switch (s->kind) {
    case pg::OBJECT_AGGREGATE: fail(ErrorCode::kFeatureNotSupported, "user-defined aggregates are not supported");
    case pg::OBJECT_OPERATOR: fail(ErrorCode::kFeatureNotSupported, "user-defined operators are not supported");
    default: fail(ErrorCode::kFeatureNotSupported, "this kind of object cannot be created");
  }
}

void Ddl::create_cast(const pg::CreateCastStmt* s) {
  BindContext b = bind();
  auto c = std::make_shared<catalog::Cast>();
  c->source = resolve_type(s->sourcetype, b).type;
  c->target = resolve_type(s->targettype, b).type;
  if (view().find_cast(c->source, c->target))
    fail(ErrorCode::kDuplicateObject, "cast from type " + view().format_type(c->source) + " to type " + view().format_type(c->target) + " already exists");
  c->context = s->context == pg::COERCION_IMPLICIT ? 'i' : s->context == pg::COERCION_ASSIGNMENT ? 'a' : 'e';
  c->method = s->inout ? 'i' : s->func != nullptr ? 'f' : 'b';
  if (s->func != nullptr) c->func = find_function(s->func, 'f', b, false);
  c->oid = catalog().allocate_oid();
  put(c);
  ObjectAddress self{ObjectKind::kCast, c->oid, 0};
  depend(self, {ObjectKind::kType, c->source, 0});
  depend(self, {ObjectKind::kType, c->target, 0});
  if (c->func != 0) depend(self, {ObjectKind::kFunction, c->func, 0});
}

void Ddl::create_trigger(const pg::CreateTrigStmt*) { fail(ErrorCode::kFeatureNotSupported, "triggers are not supported"); }

}  // namespace stele::sql
