// CREATE TYPE ... AS RANGE: the range, its multirange, their array types, constructors and the cast between them.
#include "sql/ddl/ddl.h"

namespace stele::sql {

namespace {

// The multirange's name unless one is given: "range" becomes "multirange".
std::string multirange_name(const std::string& range) {
  constexpr size_t kLongest = 63;
  std::string out = range;
  if (size_t at = out.find("range"); at != std::string::npos) {
    out.insert(at, "multi");
  } else {
    constexpr std::string_view kSuffix = "_multirange";
    out.resize(std::min(out.size(), kLongest - kSuffix.size()));
    out += kSuffix;
  }
  if (out.size() > kLongest) out.resize(kLongest);
  return out;
}

}  // namespace

void Ddl::create_range(const pg::CreateRangeStmt* s) {
  const Target t = creation_target(pg::strings(PG_LIST(s, type_name)));
  auto range = make_type(t, 'r');
  BindContext b = bind();
  Target multi_target{t.schema, "", t.temporary};
  const pg::DefElem *subtype = nullptr, *opclass = nullptr, *collation = nullptr, *canonical = nullptr, *diff = nullptr, *multirange = nullptr;
  for (const Node* n : PG_LIST(s, params)) {
    const pg::DefElem* d = n->def_elem;
    const std::string_view k = d->defname;
    const pg::DefElem** slot = k == "subtype" ? &subtype : k == "subtype_opclass" ? &opclass : k == "collation" ? &collation : k == "canonical" ? &canonical
                             : k == "subtype_diff" ? &diff : k == "multirange_type_name" ? &multirange : nullptr;
    if (slot == nullptr) fail(ErrorCode::kSyntaxError, "type attribute \"" + std::string(k) + "\" not recognized");
    if (*slot != nullptr) fail(ErrorCode::kSyntaxError, "conflicting or redundant options", d->location);
    *slot = d;
    if (k == "subtype") range->subtype = type_without_position(d->arg->type_name, b).type;
  }
  if (range->subtype == 0) fail(ErrorCode::kSyntaxError, "type attribute \"subtype\" is required");
  const TypeRow& sub = view().type(range->subtype);
  if (sub.typtype == 'p') fail(ErrorCode::kDatatypeMismatch, "range subtype cannot be " + view().format_type(range->subtype));
  if (opclass != nullptr) {
    const OpclassRow* c = view().find_opclass(def_string(opclass), 403);
    if (c == nullptr) fail(ErrorCode::kUndefinedObject, "operator class \"" + def_string(opclass) + "\" does not exist for access method \"btree\"");
    range->subtype_opclass = c->oid;
  } else {
    range->subtype_opclass = view().default_opclass(range->subtype, 403);
    if (range->subtype_opclass == 0)
      fail(ErrorCode::kUndefinedObject, "data type " + view().format_type(range->subtype) + " has no default operator class for access method \"btree\"", -1, {},
           "You must specify an operator class for the range type or define a default operator class for the subtype.");
  }
  if (sub.collation != 0) {
    range->collation = sub.collation;
    if (collation != nullptr) {
      const std::string name = def_string(collation);
      range->collation = view().collation(name);
      if (range->collation == 0) fail(ErrorCode::kUndefinedObject, "collation \"" + name + "\" for encoding \"UTF8\" does not exist");
    }
  } else if (collation != nullptr) {
    fail(ErrorCode::kWrongObjectType, "range collation specified but subtype does not support collation");
  }
  if (canonical != nullptr)
    fail(ErrorCode::kInvalidObjectDefinition, "cannot specify a canonical function without a pre-created shell type", -1, {},
         "Create the type as a shell type, then create its canonicalization function, then do a full CREATE TYPE.");
  if (diff != nullptr) {
    const std::string name = def_string(diff), shown = view().format_type(range->subtype);
    const ProcRow* found = nullptr;
    for (const ProcRow* p : view().procs(name))
      if (p->args == std::vector<Oid>{range->subtype, range->subtype}) found = p;
    if (found == nullptr) fail(ErrorCode::kUndefinedFunction, "function " + name + "(" + shown + ", " + shown + ") does not exist");
    if (found->result != oid::kFloat8)
      fail(ErrorCode::kInvalidObjectDefinition, "range subtype diff function " + name + "(" + shown + ", " + shown + ") must return type double precision");
    if (found->volatility != 'i')
      fail(ErrorCode::kInvalidObjectDefinition, "range subtype diff function " + name + "(" + shown + ", " + shown + ") must be immutable");
    range->subdiff = found->oid;
  }
  if (multirange != nullptr) {
    multi_target.name = def_string(multirange);
    const std::vector<std::string> names = multirange->arg->node_case == pg::kTypeName ? pg::strings(PG_LIST(multirange->arg->type_name, names)) : std::vector<std::string>{multi_target.name};
    if (names.size() > 1) multi_target = creation_target(names);
  } else {
    multi_target.name = multirange_name(t.name);
    if (view().find_type(t.schema, multi_target.name) != nullptr)
      fail(ErrorCode::kDuplicateObject, "type \"" + multi_target.name + "\" already exists", -1, "Failed while creating a multirange type for type \"" + t.name + "\".",
           "You can manually specify a multirange type name using the \"multirange_type_name\" attribute.");
  }
  auto multi = make_type(multi_target, 'm');
  range->multirange = multi->oid;
  multi->range = range->oid;
  put_with_array(range);
  put_with_array(multi);
  const ObjectAddress self{ObjectKind::kType, range->oid, 0}, many{ObjectKind::kType, multi->oid, 0};
  depend(self, {ObjectKind::kType, range->subtype, 0});
  if (range->subdiff != 0) depend(self, {ObjectKind::kFunction, range->subdiff, 0});
  changes().add_dependency({many, self, DependencyKind::kInternal});

  auto constructor = [&](const Target& name, const char* source, const ObjectAddress& owner, std::vector<Oid> args, Oid variadic) {
    auto f = std::make_shared<catalog::Function>();
    f->oid = catalog().allocate_oid();
    f->name = name.name;
    f->schema = name.schema;
    f->owner = host.current_user();
    f->language = 12;
    f->language_name = "internal";
    f->source = source;
    f->result = owner.oid;
    f->volatility = 'i';
    f->parallel = 's';
    f->cost = 1;
    f->strict = owner == many;
    f->args = std::move(args);
    if (variadic != 0) {
      f->variadic = variadic;
      f->all_args = f->args;
      f->arg_modes = "v";
      f->arg_names = {""};
    }
    put(f);
    changes().add_dependency({{ObjectKind::kFunction, f->oid, 0}, owner, DependencyKind::kInternal});
    return f->oid;
  };
  constructor(t, "range_constructor2", self, {range->subtype, range->subtype}, 0);
  constructor(t, "range_constructor3", self, {range->subtype, range->subtype, oid::kText}, 0);
  constructor(multi_target, "multirange_constructor0", many, {}, 0);
  const Oid from_range = constructor(multi_target, "multirange_constructor1", many, {range->oid}, 0);
  constructor(multi_target, "multirange_constructor2", many, {range->array}, range->oid);
  auto cast = std::make_shared<catalog::Cast>();
  cast->oid = catalog().allocate_oid();
  cast->source = range->oid;
  cast->target = multi->oid;
  cast->func = from_range;
  put_new(cast);
  changes().add_dependency({{ObjectKind::kCast, cast->oid, 0}, many, DependencyKind::kInternal});
}

}  // namespace stele::sql
