// CREATE AGGREGATE, CREATE OPERATOR, and the casts between types.
#include "sql/ddl/ddl.h"
#include "types/builtin.h"
#include "types/type_io.h"

namespace stele::sql {

namespace {
// What an attribute's argument names: a type, or a function or an operator by its name parts.
std::vector<std::string> name_parts(const pg::DefElem* d) {
  const Node* a = d->arg;
  if (a == nullptr) return {};
  switch (a->node_case) {
    case pg::kTypeName: return pg::strings(PG_LIST(a->type_name, names));
    case pg::kList: return pg::strings(PG_LIST(a->list, items));
    case pg::kString: return {a->string->sval};
    default: return {};
  }
}
std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& p : parts) out += (out.empty() ? "" : ".") + p;
  return out;
}
}  // namespace

std::string Ddl::define(const pg::DefineStmt* s) {
  switch (s->kind) {
    case pg::OBJECT_AGGREGATE: create_aggregate(s); return "CREATE AGGREGATE";
    case pg::OBJECT_OPERATOR: create_operator(s); return "CREATE OPERATOR";
    case pg::OBJECT_TYPE: create_base_type(s); return "CREATE TYPE";
    case pg::OBJECT_COLLATION: create_collation(s); return "CREATE COLLATION";
    case pg::OBJECT_TSCONFIGURATION: create_text_search(s, ObjectKind::kTextSearchConfig); return "CREATE TEXT SEARCH CONFIGURATION";
    case pg::OBJECT_TSDICTIONARY: create_text_search(s, ObjectKind::kTextSearchDictionary); return "CREATE TEXT SEARCH DICTIONARY";
    case pg::OBJECT_TSPARSER: create_text_search(s, ObjectKind::kTextSearchParser); return "CREATE TEXT SEARCH PARSER";
    case pg::OBJECT_TSTEMPLATE: create_text_search(s, ObjectKind::kTextSearchTemplate); return "CREATE TEXT SEARCH TEMPLATE";
    default: fail(ErrorCode::kFeatureNotSupported, "this kind of object cannot be created");
  }
}

// A function by name and exact argument types, with polymorphic ones matched; 0: none.
const ProcRow* Ddl::support_function(const std::vector<std::string>& name, const std::vector<Oid>& args) {
  Oid schema = 0;
  if (name.size() > 1) {
    schema = view().schema(name[name.size() - 2]);
    if (schema == 0) fail(ErrorCode::kInvalidSchemaName, "schema \"" + name[name.size() - 2] + "\" does not exist");
  }
  const ProcRow* best = nullptr;
  int best_score = -1;
  for (const ProcRow* p : view().procs(name.back(), schema)) {
    if (p->kind == 'a' || p->kind == 'p') continue;
    std::vector<Oid> declared = p->args;
    if (p->variadic != 0 && !declared.empty() && args.size() >= declared.size()) {
      const Oid element = p->variadic;
      declared.pop_back();
      while (declared.size() < args.size()) declared.push_back(element);
    }
    if (declared.size() != args.size()) continue;
    int score = 0;
    bool ok = true;
    for (size_t i = 0; i < args.size() && ok; ++i) {
      if (declared[i] == args[i]) score += 2;
      else if (view().binary_coercible(args[i], declared[i])) score += 1;
      else ok = false;
    }
    if (ok && score > best_score) {
      best = p;
      best_score = score;
    }
  }
  if (best == nullptr) {
    std::string types;
    for (Oid t : args) types += (types.empty() ? "" : ", ") + view().format_type(t);
    fail(ErrorCode::kUndefinedFunction, "function " + joined(name) + "(" + types + ") does not exist");
  }
  if (best->returns_set) {
    std::string types;
    for (Oid t : args) types += (types.empty() ? "" : ", ") + view().format_type(t);
    fail(ErrorCode::kDatatypeMismatch, "function " + joined(name) + "(" + types + ") returns a set");
  }
  return best;
}

// The result of a support function for actual types: polymorphic results follow the arguments.
Oid Ddl::support_result(const ProcRow& p, const std::vector<Oid>& args) {
  auto polymorphic = [](Oid t) { return t == oid::kAnyElement || t == oid::kAnyArray || t == oid::kAnyNonArray || t == oid::kAnyEnum || t == oid::kAnyCompatible || t == oid::kAnyCompatibleArray || t == oid::kAnyCompatibleNonArray; };
  if (!polymorphic(p.result)) return p.result;
  const bool array = p.result == oid::kAnyArray || p.result == oid::kAnyCompatibleArray;
  for (size_t i = 0; i < args.size() && i < p.args.size(); ++i) {
    const Oid declared = p.args[i];
    if (!polymorphic(declared)) continue;
    if (polymorphic(args[i])) return p.result;
    const bool given_array = declared == oid::kAnyArray || declared == oid::kAnyCompatibleArray;
    const Oid element = given_array ? view().type(view().base_type(args[i])).element : args[i];
    return array ? view().type(element).array : element;
  }
  return p.result;
}

void Ddl::create_aggregate(const pg::DefineStmt* s) {
  Target target = creation_target(pg::strings(PG_LIST(s, defnames)));
  auto f = std::make_shared<catalog::Function>();
  f->name = target.name;
  f->schema = target.schema;
  f->owner = host.current_user();
  f->prokind = 'a';
  f->language_name = "internal";
  f->language = 12;
  f->source = "aggregate_dummy";
  f->volatility = 'i';
  f->cost = 1;
  BindContext b = bind();
  std::map<std::string, const pg::DefElem*> given;
  static const std::set<std::string> kKnown = {"sfunc", "sfunc1", "finalfunc", "combinefunc", "serialfunc", "deserialfunc", "msfunc", "minvfunc", "mfinalfunc", "finalfunc_extra",
    "mfinalfunc_extra", "finalfunc_modify", "mfinalfunc_modify", "sortop", "basetype", "hypothetical", "stype", "stype1", "sspace", "mstype", "msspace", "initcond", "initcond1", "minitcond", "parallel"};
  for (const Node* n : PG_LIST(s, definition)) {
    const std::string name = n->def_elem->defname;
    if (!kKnown.contains(name)) {
      notice("aggregate attribute \"" + name + "\" not recognized", {}, {}, "WARNING", ErrorCode::kSyntaxError);
      continue;
    }
    given[name == "sfunc1" ? "sfunc" : name == "stype1" ? "stype" : name == "initcond1" ? "initcond" : name] = n->def_elem;
  }
  auto has = [&](const char* k) { return given.contains(k); };
  auto type_of = [&](const char* k) -> Oid {
    const pg::DefElem* d = given.at(k);
    if (d->arg->node_case == pg::kTypeName) return resolve_type(d->arg->type_name, b).type;
    return parse_type_string(def_string(d), b).type;
  };
  if (!has("stype")) fail(ErrorCode::kInvalidFunctionDefinition, "aggregate stype must be specified");
  if (!has("sfunc")) fail(ErrorCode::kInvalidFunctionDefinition, "aggregate sfunc must be specified");
  if (has("mstype")) {
    if (!has("msfunc")) fail(ErrorCode::kInvalidFunctionDefinition, "aggregate msfunc must be specified when mstype is specified");
    if (!has("minvfunc")) fail(ErrorCode::kInvalidFunctionDefinition, "aggregate minvfunc must be specified when mstype is specified");
  } else {
    for (const char* k : {"msfunc", "minvfunc", "mfinalfunc", "msspace", "minitcond"})
      if (has(k)) fail(ErrorCode::kInvalidFunctionDefinition, std::string("aggregate ") + k + " must not be specified without mstype");
  }
  // Arguments: the list, or the old style's basetype.
  if (s->oldstyle) {
    if (!has("basetype")) fail(ErrorCode::kInvalidFunctionDefinition, "aggregate input type must be specified");
    const std::string base = def_string(given["basetype"]);
    std::string lower = base;
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (lower != "any" && base != "*") f->args.push_back(type_of("basetype"));
  } else {
    if (has("basetype")) fail(ErrorCode::kInvalidFunctionDefinition, "basetype is redundant with aggregate input type specification");
    const auto parts = PG_LIST(s, args);   // the parameters, and how many of them are direct
    int direct = -1;
    bool any_mode = false, any_name = false;
    if (parts.size() > 1 && parts[1]->node_case == pg::kInteger) direct = parts[1]->integer->ival;
    if (!parts.empty() && parts[0]->node_case == pg::kList)
      for (const Node* n : PG_LIST(parts[0]->list, items)) {
        const pg::FunctionParameter* p = n->function_parameter;
        if (p->mode == PG_QUERY__FUNCTION_PARAMETER_MODE__FUNC_PARAM_OUT || p->mode == PG_QUERY__FUNCTION_PARAMETER_MODE__FUNC_PARAM_INOUT)
          fail(ErrorCode::kInvalidFunctionDefinition, "aggregates cannot have output arguments");
        const Oid type = resolve_type(p->arg_type, b).type;
        if (p->defexpr != nullptr) fail(ErrorCode::kInvalidFunctionDefinition, "aggregate parameters cannot have defaults");
        const bool variadic = p->mode == PG_QUERY__FUNCTION_PARAMETER_MODE__FUNC_PARAM_VARIADIC;
        if (variadic) f->variadic = type == oid::kAny ? oid::kAny : type == oid::kAnyArray ? oid::kAnyElement : view().type(type).element;
        any_mode = any_mode || variadic;
        any_name = any_name || pg::has(p->name);
        f->args.push_back(type);
        f->arg_modes += variadic ? 'v' : 'i';
        f->arg_names.emplace_back(pg::has(p->name) ? p->name : "");
      }
    if (any_mode) f->all_args = f->args;
    else f->arg_modes.clear();
    if (!any_name) f->arg_names.clear();
    if (direct >= 0) {
      f->aggregate_kind = has("hypothetical") && def_bool(given["hypothetical"]) ? 'h' : 'o';
      f->direct_args = static_cast<int16_t>(direct);
    }
  }
  f->transition_type = type_of("stype");
  const TypeRow& state_type = view().type(f->transition_type);
  auto is_polymorphic = [](Oid t) { return t == oid::kAnyElement || t == oid::kAnyArray || t == oid::kAnyNonArray || t == oid::kAnyEnum || t == oid::kAnyCompatible || t == oid::kAnyCompatibleArray || t == oid::kAnyCompatibleNonArray; };
  if (state_type.typtype == 'p' && !is_polymorphic(f->transition_type) && !(f->transition_type == oid::kInternal && host.superuser()))
    fail(ErrorCode::kInvalidFunctionDefinition, "aggregate transition data type cannot be " + view().format_type(f->transition_type));
  const bool any_poly = std::any_of(f->args.begin(), f->args.end(), is_polymorphic);
  if (is_polymorphic(f->transition_type) && !any_poly)
    fail(ErrorCode::kInvalidFunctionDefinition, "cannot determine transition data type", -1,
         "A result of type " + view().format_type(f->transition_type) + " requires at least one input of type anyelement, anyarray, anynonarray, anyenum, anyrange, or anymultirange.");
  // What the transition takes: the state, then the aggregated arguments.
  std::vector<Oid> transition_args{f->transition_type};
  for (size_t i = f->aggregate_kind == 'n' ? 0 : static_cast<size_t>(f->direct_args); i < f->args.size(); ++i) transition_args.push_back(f->args[i]);
  const ProcRow* transition = support_function(name_parts(given["sfunc"]), transition_args);
  if (support_result(*transition, transition_args) != f->transition_type)
    fail(ErrorCode::kDatatypeMismatch, "return type of transition function " + joined(name_parts(given["sfunc"])) + " is not " + view().format_type(f->transition_type));
  f->transition = transition->oid;
  if (has("initcond")) f->initial = def_string(given["initcond"]);
  if (transition->strict && !f->initial && (transition_args.size() < 2 || !view().binary_coercible(transition_args[1], f->transition_type)))
    fail(ErrorCode::kInvalidFunctionDefinition, "must not omit initial value when transition function is strict and transition type is not compatible with input type");
  if (has("finalfunc_extra")) f->final_extra = def_bool(given["finalfunc_extra"]);
  if (has("mfinalfunc_extra")) f->moving_final_extra = def_bool(given["mfinalfunc_extra"]);
  f->result = f->transition_type;
  auto final_args = [&](Oid state, bool extra) {
    std::vector<Oid> out{state};
    if (f->aggregate_kind != 'n') for (size_t i = 0; i < static_cast<size_t>(f->direct_args); ++i) out.push_back(f->args[i]);
    if (extra) {
      if (f->aggregate_kind == 'n') out.insert(out.end(), f->args.begin(), f->args.end());
      else for (size_t i = static_cast<size_t>(f->direct_args); i < f->args.size(); ++i) out.push_back(f->args[i]);
    }
    return out;
  };
  if (has("finalfunc")) {
    const auto args = final_args(f->transition_type, f->final_extra);
    const ProcRow* p = support_function(name_parts(given["finalfunc"]), args);
    if (f->final_extra && p->strict) fail(ErrorCode::kInvalidFunctionDefinition, "final function with extra arguments must not be declared STRICT");
    f->final = p->oid;
    f->result = support_result(*p, args);
  }
  if (view().type(f->result).typtype == 'p' && is_polymorphic(f->result) && !any_poly)
    fail(ErrorCode::kInvalidFunctionDefinition, "cannot determine result data type", -1,
         "A result of type " + view().format_type(f->result) + " requires at least one input of type anyelement, anyarray, anynonarray, anyenum, anyrange, or anymultirange.");
  auto modify = [&](const char* k) {
    if (!has(k)) return f->aggregate_kind == 'n' ? 'r' : 'w';
    const std::string v = def_string(given[k]);
    if (v == "read_only") return 'r';
    if (v == "shareable") return 's';
    if (v == "read_write") return 'w';
    fail(ErrorCode::kSyntaxError, std::string("parameter \"") + k + "\" must be READ_ONLY, SHAREABLE, or READ_WRITE");
  };
  f->final_modify = modify("finalfunc_modify");
  f->moving_final_modify = modify("mfinalfunc_modify");
  if (has("combinefunc")) {
    const std::vector<Oid> args{f->transition_type, f->transition_type};
    const ProcRow* p = support_function(name_parts(given["combinefunc"]), args);
    if (support_result(*p, args) != f->transition_type)
      fail(ErrorCode::kDatatypeMismatch, "return type of combine function " + joined(name_parts(given["combinefunc"])) + " is not " + view().format_type(f->transition_type));
    f->combine = p->oid;
  }
  if (has("serialfunc") != has("deserialfunc")) fail(ErrorCode::kInvalidFunctionDefinition, "must specify both or neither of serialization and deserialization functions");
  if (has("serialfunc")) {
    if (f->transition_type != oid::kInternal) fail(ErrorCode::kInvalidFunctionDefinition, "serialization functions may be specified only when the aggregate transition data type is internal");
    f->serial = support_function(name_parts(given["serialfunc"]), {oid::kInternal})->oid;
    f->deserial = support_function(name_parts(given["deserialfunc"]), {oid::kBytea, oid::kInternal})->oid;
  }
  if (has("mstype")) {
    f->moving_type = type_of("mstype");
    std::vector<Oid> args = transition_args;
    args[0] = f->moving_type;
    const ProcRow* p = support_function(name_parts(given["msfunc"]), args);
    if (support_result(*p, args) != f->moving_type)
      fail(ErrorCode::kDatatypeMismatch, "return type of transition function " + joined(name_parts(given["msfunc"])) + " is not " + view().format_type(f->moving_type));
    const ProcRow* inverse = support_function(name_parts(given["minvfunc"]), args);
    if (support_result(*inverse, args) != f->moving_type)
      fail(ErrorCode::kDatatypeMismatch, "return type of inverse transition function " + joined(name_parts(given["minvfunc"])) + " is not " + view().format_type(f->moving_type));
    if (p->strict != inverse->strict) fail(ErrorCode::kInvalidFunctionDefinition, "strictness of aggregate's forward and inverse transition functions must match");
    f->moving_transition = p->oid;
    f->moving_inverse = inverse->oid;
    if (has("minitcond")) f->moving_initial = def_string(given["minitcond"]);
    Oid result = f->moving_type;
    if (has("mfinalfunc")) {
      const auto fargs = final_args(f->moving_type, f->moving_final_extra);
      const ProcRow* final = support_function(name_parts(given["mfinalfunc"]), fargs);
      f->moving_final = final->oid;
      result = support_result(*final, fargs);
    }
    if (result != f->result)
      fail(ErrorCode::kInvalidFunctionDefinition, "moving-aggregate implementation returns type " + view().format_type(result) + ", but plain implementation returns type " + view().format_type(f->result));
  }
  if (has("sspace")) f->state_space = static_cast<int32_t>(def_int(given["sspace"]));
  if (has("msspace")) f->moving_space = static_cast<int32_t>(def_int(given["msspace"]));
  if (has("parallel")) {
    const std::string v = def_string(given["parallel"]);
    if (v != "safe" && v != "restricted" && v != "unsafe") fail(ErrorCode::kSyntaxError, "parameter \"parallel\" must be SAFE, RESTRICTED, or UNSAFE");
    f->parallel = v[0];
  }
  if (has("sortop")) {
    if (f->args.size() != 1) fail(ErrorCode::kInvalidFunctionDefinition, "sort operator can only be specified for single-argument aggregates");
    for (const OperatorRow* o : view().operators(name_parts(given["sortop"]).back(), 0))
      if (o->left == f->args[0] && o->right == f->args[0]) f->sort_operator = o->oid;
    if (f->sort_operator == 0)
      fail(ErrorCode::kUndefinedFunction, "operator does not exist: " + view().format_type(f->args[0]) + " " + name_parts(given["sortop"]).back() + " " + view().format_type(f->args[0]));
  }
  // An initial value has to be one of the type's.
  if (f->initial && state_type.typtype != 'p') {
    Arena arena;
    type_input(f->transition_type, *f->initial, -1, arena, *host.exec().eval);
  }
  Ptr<catalog::Function> existing;
  for (auto& o : state()->functions_named(f->name))
    if (o->schema == f->schema && o->args == f->args) existing = o;
  if (existing != nullptr) {
    std::string types;
    for (Oid t : f->args) types += (types.empty() ? "" : ", ") + view().format_type(t);
    if (!s->replace) fail(ErrorCode::kDuplicateFunction, "function \"" + f->name + "\" already exists with same argument types");
    check_owner(*existing, existing->prokind == 'a' ? "aggregate" : "function");
    if (existing->prokind != 'a')
      fail(ErrorCode::kWrongObjectType, "cannot change routine kind", -1,
           "\"" + f->name + "\" is " + (existing->prokind == 'p' ? "a procedure." : existing->prokind == 'w' ? "a window function." : "an ordinary function."));
    if (existing->result != f->result)
      fail(ErrorCode::kInvalidFunctionDefinition, "cannot change return type of existing function", -1, {}, "Use DROP AGGREGATE " + f->name + "(" + types + ") first.");
    if (existing->aggregate_kind != f->aggregate_kind || existing->direct_args != f->direct_args)
      fail(ErrorCode::kInvalidFunctionDefinition, "cannot change routine kind", -1,
           "\"" + f->name + "\" is " + (existing->aggregate_kind == 'n' ? "an ordinary aggregate function." : existing->aggregate_kind == 'o' ? "an ordered-set aggregate." : "a hypothetical-set aggregate."));
    f->oid = existing->oid;
    f->owner = existing->owner;
    f->acl = existing->acl;
    f->comment = existing->comment;
    changes().drop_dependencies_of({ObjectKind::kFunction, f->oid, 0});
  } else {
    f->oid = catalog().allocate_oid();
    f->acl = default_acl('f', f->owner, f->schema);
  }
  put(f);
  const ObjectAddress self{ObjectKind::kFunction, f->oid, 0};
  depend(self, {ObjectKind::kSchema, f->schema, 0});
  for (Oid t : f->args) depend(self, {ObjectKind::kType, t, 0});
  depend(self, {ObjectKind::kType, f->transition_type, 0});
  for (Oid p : {f->transition, f->final, f->combine, f->moving_transition, f->moving_inverse, f->moving_final})
    if (p != 0) depend(self, {ObjectKind::kFunction, p, 0});
}

void Ddl::create_operator(const pg::DefineStmt* s) {
  Target target = creation_target(pg::strings(PG_LIST(s, defnames)));
  const std::string& name = target.name;
  BindContext b = bind();
  auto o = std::make_shared<catalog::Operator>();
  o->name = name;
  o->schema = target.schema;
  o->owner = host.current_user();
  std::vector<std::string> function, commutator, negator, restriction, join;
  for (const Node* n : PG_LIST(s, definition)) {
    const pg::DefElem* d = n->def_elem;
    const std::string k = d->defname;
    auto type = [&] {
      if (d->arg != nullptr && d->arg->node_case == pg::kTypeName) {
        if (d->arg->type_name->setof) fail(ErrorCode::kInvalidFunctionDefinition, "SETOF type not allowed for operator argument");
        return resolve_type(d->arg->type_name, b).type;
      }
      return parse_type_string(def_string(d), b).type;
    };
    if (k == "leftarg") o->left = type();
    else if (k == "rightarg") o->right = type();
    else if (k == "function" || k == "procedure") function = name_parts(d);
    else if (k == "commutator") commutator = name_parts(d);
    else if (k == "negator") negator = name_parts(d);
    else if (k == "restrict") restriction = name_parts(d);
    else if (k == "join") join = name_parts(d);
    else if (k == "hashes" || k == "sort1" || k == "sort2" || k == "ltcmp" || k == "gtcmp" || k == "merges") (k == "hashes" ? o->can_hash : o->can_merge) = k == "hashes" || k == "merges" ? def_bool(d) : true;
    else notice("operator attribute \"" + k + "\" not recognized", {}, {}, "WARNING", ErrorCode::kSyntaxError);
  }
  if (function.empty()) fail(ErrorCode::kInvalidFunctionDefinition, "operator function must be specified");
  if (o->left == 0 && o->right == 0) fail(ErrorCode::kInvalidFunctionDefinition, "operator argument types must be specified");
  if (o->right == 0) fail(ErrorCode::kInvalidFunctionDefinition, "operator right argument type must be specified", -1, "Postfix operators are not supported.");
  std::vector<Oid> args;
  if (o->left != 0) args.push_back(o->left);
  args.push_back(o->right);
  const ProcRow* p = support_function(function, args);
  if (!host.superuser() && p->user && p->owner != host.current_user()) {
    auto f = state()->function(p->oid);
    if (f != nullptr && f->acl && !has_privilege(f->acl, f->owner, host.current_user(), catalog::kExecute, catalog::kExecute))
      fail(ErrorCode::kInsufficientPrivilege, "permission denied for function " + joined(function));
  }
  o->proc = p->oid;
  o->result = support_result(*p, args);
  if (!restriction.empty()) o->restriction = support_function(restriction, {oid::kInternal, oid::kOid, oid::kInternal, oid::kInt4})->oid;
  if (!join.empty()) o->join = support_function(join, {oid::kInternal, oid::kOid, oid::kInternal, oid::kInt2, oid::kInternal})->oid;
  if (o->left == 0 || o->right == 0) {
    if (!commutator.empty()) fail(ErrorCode::kInvalidFunctionDefinition, "only binary operators can have commutators");
    if (!join.empty()) fail(ErrorCode::kInvalidFunctionDefinition, "only binary operators can have join selectivity");
    if (o->can_merge) fail(ErrorCode::kInvalidFunctionDefinition, "only binary operators can merge join");
    if (o->can_hash) fail(ErrorCode::kInvalidFunctionDefinition, "only binary operators can hash");
  }
  if (o->result != oid::kBool) {
    if (!negator.empty()) fail(ErrorCode::kInvalidFunctionDefinition, "only boolean operators can have negators");
    if (!restriction.empty()) fail(ErrorCode::kInvalidFunctionDefinition, "only boolean operators can have restriction selectivity");
    if (!join.empty()) fail(ErrorCode::kInvalidFunctionDefinition, "only boolean operators can have join selectivity");
    if (o->can_merge) fail(ErrorCode::kInvalidFunctionDefinition, "only boolean operators can merge join");
    if (o->can_hash) fail(ErrorCode::kInvalidFunctionDefinition, "only boolean operators can hash");
  }
  auto exact = [&](const std::string& op, Oid l, Oid r, Oid schema) -> const OperatorRow* {
    for (const OperatorRow* x : view().operators(op, schema))
      if (x->left == l && x->right == r && (schema == 0 || x->schema == schema)) return x;
    return nullptr;
  };
  // A shell that another operator's commutator or negator made is filled in.
  if (const OperatorRow* have = exact(name, o->left, o->right, target.schema)) {
    if (have->proc != 0) fail(ErrorCode::kDuplicateFunction, "operator " + name + " already exists");
    o->oid = have->oid;
    if (auto shell = state()->get_as<catalog::Operator>(ObjectKind::kOperator, have->oid)) {
      o->commutator = shell->commutator;
      o->negator = shell->negator;
    }
  } else {
    o->oid = catalog().allocate_oid();
  }
  auto partner = [&](const std::vector<std::string>& parts, Oid l, Oid r, bool negates) -> Oid {
    Oid schema = parts.size() > 1 ? view().schema(parts[parts.size() - 2]) : 0;
    if (const OperatorRow* x = exact(parts.back(), l, r, schema)) {
      if (negates && x->oid == o->oid) fail(ErrorCode::kInvalidFunctionDefinition, "operator cannot be its own negator or sort operator");
      return x->oid;
    }
    if (parts.back() == name && l == o->left && r == o->right) {
      if (negates) fail(ErrorCode::kInvalidFunctionDefinition, "operator cannot be its own negator or sort operator");
      return o->oid;
    }
    auto shell = std::make_shared<catalog::Operator>();
    shell->oid = catalog().allocate_oid();
    shell->name = parts.back();
    shell->schema = schema != 0 ? schema : target.schema;
    shell->owner = host.current_user();
    shell->left = l;
    shell->right = r;
    put(shell);
    return shell->oid;
  };
  if (!commutator.empty()) o->commutator = partner(commutator, o->right, o->left, false);
  if (!negator.empty()) o->negator = partner(negator, o->left, o->right, true);
  put(o);
  // The partners point back.
  if (o->commutator != 0 && o->commutator != o->oid)
    if (auto c = state()->get_as<catalog::Operator>(ObjectKind::kOperator, o->commutator); c != nullptr && c->commutator == 0) {
      auto m = edit(c);
      m->commutator = o->oid;
      put(m);
    }
  if (o->negator != 0)
    if (auto n = state()->get_as<catalog::Operator>(ObjectKind::kOperator, o->negator); n != nullptr && n->negator == 0) {
      auto m = edit(n);
      m->negator = o->oid;
      put(m);
    }
  const ObjectAddress self{ObjectKind::kOperator, o->oid, 0};
  depend(self, {ObjectKind::kSchema, o->schema, 0});
  depend(self, {ObjectKind::kFunction, o->proc, 0});
  for (Oid t : {o->left, o->right, o->result})
    if (t != 0) depend(self, {ObjectKind::kType, t, 0});
}

void Ddl::create_cast(const pg::CreateCastStmt* s) {
  BindContext b = bind();
  auto c = std::make_shared<catalog::Cast>();
  c->source = resolve_type(s->sourcetype, b).type;
  c->target = resolve_type(s->targettype, b).type;
  const TypeRow &from = view().type(c->source), &to = view().type(c->target);
  auto shown = [&](Oid t) { return view().format_type(t); };
  if (from.typtype == 'p') fail(ErrorCode::kWrongObjectType, "source data type " + shown(c->source) + " is a pseudo-type");
  if (to.typtype == 'p') fail(ErrorCode::kWrongObjectType, "target data type " + shown(c->target) + " is a pseudo-type");
  auto owned = [&](Oid t) {
    auto o = state()->type(t);
    return o != nullptr && is_member(host.current_user(), o->owner);
  };
  if (!host.superuser() && !owned(c->source) && !owned(c->target))
    fail(ErrorCode::kInsufficientPrivilege, "must be owner of type " + shown(c->source) + " or type " + shown(c->target));
  if (from.typtype == 'd') notice("cast will be ignored because the source data type is a domain", {}, {}, "WARNING", ErrorCode::kWrongObjectType);
  else if (to.typtype == 'd') notice("cast will be ignored because the target data type is a domain", {}, {}, "WARNING", ErrorCode::kWrongObjectType);
  c->context = s->context == pg::COERCION_IMPLICIT ? 'i' : s->context == pg::COERCION_ASSIGNMENT ? 'a' : 'e';
  c->method = s->inout ? 'i' : s->func != nullptr ? 'f' : 'b';
  if (s->func != nullptr) {
    c->func = find_function(s->func, 'f', b, false);
    const ProcRow* p = view().proc(c->func);
    if (p->args.empty() || p->args.size() > 3) fail(ErrorCode::kInvalidObjectDefinition, "cast function must take one to three arguments");
    if (!view().binary_coercible(c->source, p->args[0])) fail(ErrorCode::kInvalidObjectDefinition, "argument of cast function must match or be binary-coercible from source data type");
    if (p->args.size() > 1 && p->args[1] != oid::kInt4) fail(ErrorCode::kInvalidObjectDefinition, "second argument of cast function must be type integer");
    if (p->args.size() > 2 && p->args[2] != oid::kBool) fail(ErrorCode::kInvalidObjectDefinition, "third argument of cast function must be type boolean");
    if (!view().binary_coercible(p->result, c->target)) fail(ErrorCode::kInvalidObjectDefinition, "return data type of cast function must match or be binary-coercible to target data type");
    if (p->returns_set) fail(ErrorCode::kInvalidObjectDefinition, "cast function must not return a set");
  } else if (c->method == 'b') {
    if (!host.superuser()) fail(ErrorCode::kInsufficientPrivilege, "must be superuser to create a cast WITHOUT FUNCTION");
    if (from.typtype == 'c' || to.typtype == 'c') fail(ErrorCode::kInvalidObjectDefinition, "composite data types are not binary-compatible");
    if (from.typtype == 'e' || to.typtype == 'e') fail(ErrorCode::kInvalidObjectDefinition, "enum data types are not binary-compatible");
    if (from.element != 0 || to.element != 0) fail(ErrorCode::kInvalidObjectDefinition, "array data types are not binary-compatible");
    if (from.typtype == 'd' || to.typtype == 'd') fail(ErrorCode::kInvalidObjectDefinition, "domain data types must not be marked binary-compatible");
  }
  if (c->source == c->target && c->func == 0) fail(ErrorCode::kInvalidObjectDefinition, "source data type and target data type are the same");
  if (view().find_cast(c->source, c->target)) fail(ErrorCode::kDuplicateObject, "cast from type " + shown(c->source) + " to type " + shown(c->target) + " already exists");
  c->oid = catalog().allocate_oid();
  put_new(c);
  ObjectAddress self{ObjectKind::kCast, c->oid, 0};
  depend(self, {ObjectKind::kType, c->source, 0});
  depend(self, {ObjectKind::kType, c->target, 0});
  if (c->func != 0) depend(self, {ObjectKind::kFunction, c->func, 0});
}

}  // namespace stele::sql
