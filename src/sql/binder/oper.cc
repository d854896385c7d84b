// Operator resolution and the expressions it makes.
#include "sql/binder/binder.h"

namespace stele::sql {

std::string Binder::op_signature(const std::vector<std::string>& name, Oid l, Oid r, bool prefix) {
  std::string s;
  if (!prefix) s += cat.format_type(l) + " ";
  s += names_to_string(name);
  s += " " + cat.format_type(r);
  return s;
}

namespace {
Oid schema_of(Binder& b, const std::vector<std::string>& name) {
  if (name.size() < 2) return 0;
  Oid s = b.cat.schema(name[name.size() - 2]);
  if (s == 0) b.fail(ErrorCode::kInvalidSchemaName, "schema \"" + name[name.size() - 2] + "\" does not exist");
  return s;
}
}  // namespace

const OperatorRow* Binder::find_operator(const std::vector<std::string>& name, Oid l, Oid r, bool no_error, int location) {
  Oid schema = schema_of(*this, name);
  auto all = cat.operators(name.back(), schema);
  std::vector<Candidate> candidates;
  for (const OperatorRow* o : all)
    if (o->left != 0 && o->right != 0) candidates.push_back({.op = o, .args = {o->left, o->right}});
  Oid al = l, ar = r;
  if (ar == 0) ar = al;
  if (al == 0) al = ar;
  bool multiple = false;
  const OperatorRow* found = nullptr;
  if (!candidates.empty()) {
    // An exact match, or one with an unknown side taken as the other side's type.
    Oid xl = al == oid::kUnknown && ar != 0 ? ar : al, xr = ar == oid::kUnknown && al != 0 ? al : ar;
    for (auto& c : candidates)
      if (c.args[0] == xl && c.args[1] == xr) found = c.op;
    if (found == nullptr && (al == oid::kUnknown || ar == oid::kUnknown)) {
      Oid base = cat.base_type(xl);
      if (base != xl)
        for (auto& c : candidates)
          if (c.args[0] == base && c.args[1] == base) found = c.op;
    }
    if (found == nullptr) {
      std::vector<Oid> types{al, ar};
      std::vector<Candidate> kept;
      for (size_t i : match_candidates(types, candidates)) kept.push_back(candidates[i]);
      if (kept.size() == 1) found = kept[0].op;
      else if (kept.size() > 1) {
        int i = select_candidate(types, kept);
        if (i >= 0) found = kept[i].op;
        else multiple = true;
      }
    }
  }
  if (found != nullptr || no_error) return found;
  std::string sig = op_signature(name, l, r, false);
  if (multiple)
    fail(ErrorCode::kAmbiguousFunction, "operator is not unique: " + sig, location, {},
         "Could not choose a best candidate operator. You might need to add explicit type casts.");
  fail(ErrorCode::kUndefinedFunction, "operator does not exist: " + sig, location, {},
       "No operator matches the given name and argument types. You might need to add explicit type casts.");
}

const OperatorRow* Binder::find_left_operator(const std::vector<std::string>& name, Oid r, bool no_error, int location) {
  auto all = cat.operators(name.back(), schema_of(*this, name));
  std::vector<Candidate> candidates;
  for (const OperatorRow* o : all)
    if (o->left == 0) candidates.push_back({.op = o, .args = {o->right}});
  const OperatorRow* found = nullptr;
  bool multiple = false;
  for (auto& c : candidates)
    if (c.args[0] == r) found = c.op;
  if (found == nullptr && !candidates.empty()) {
    std::vector<Oid> types{r};
    std::vector<Candidate> kept;
    for (size_t i : match_candidates(types, candidates)) kept.push_back(candidates[i]);
    if (kept.size() == 1) found = kept[0].op;
    else if (kept.size() > 1) {
      int i = select_candidate(types, kept);
      if (i >= 0) found = kept[i].op;
      else multiple = true;
    }
  }
  if (found != nullptr || no_error) return found;
  std::string sig = op_signature(name, 0, r, true);
  if (multiple)
    fail(ErrorCode::kAmbiguousFunction, "operator is not unique: " + sig, location, {},
         "Could not choose a best candidate operator. You might need to add explicit type casts.");
  fail(ErrorCode::kUndefinedFunction, "operator does not exist: " + sig, location, {},
       "No operator matches the given name and argument type. You might need to add an explicit type cast.");
}

const OperatorRow* Binder::compatible_operator(const std::vector<std::string>& name, Oid l, Oid r, bool no_error, int location) {
  const OperatorRow* o = find_operator(name, l, r, no_error, location);
  if (o == nullptr) return nullptr;
  if (cat.binary_coercible(l, o->left) && cat.binary_coercible(r, o->right)) return o;
  if (no_error) return nullptr;
  fail(ErrorCode::kUndefinedFunction, "operator requires run-time type coercion: " + op_signature(name, l, r, false), location);
}

ExprPtr Binder::op(Scope& s, const std::vector<std::string>& name, ExprPtr l, ExprPtr r, int location, const ExprPtr& last_srf) {
  if (r == nullptr) fail(ErrorCode::kSyntaxError, "postfix operators are not supported");
  const OperatorRow* o = l == nullptr ? find_left_operator(name, r->type, false, location)
                                      : find_operator(name, l->type, r->type, false, location);
  if (o->proc == 0)
    fail(ErrorCode::kUndefinedFunction,
         "operator is only a shell: " + op_signature(name, o->left, o->right, l == nullptr), location);
  auto e = make<OpExpr>();
  std::vector<Oid> actual, declared;
  std::vector<ExprPtr> args;
  if (l != nullptr) {
    args = {l, r};
    actual = {l->type, r->type};
    declared = {o->left, o->right};
  } else {
    args = {r};
    actual = {r->type};
    declared = {o->right};
  }
  e->op = o->oid;
  e->func = o->proc;
  e->type = enforce_generics(actual, declared, o->result, false);
  e->args = coerce_arguments(args, actual, declared);
  e->location = location;
  if (o->oid >= oid::kFirstUserOid) dependencies.push_back({ObjectKind::kOperator, o->oid, 0});
  const ProcRow* p = cat.proc(o->proc);
  if (p != nullptr && p->returns_set) {
    check_srf(s, last_srf, location);
    s.last_srf = e;
  }
  return e;
}

ExprPtr Binder::scalar_array_op(Scope& s, const std::vector<std::string>& name, bool use_or, ExprPtr l, ExprPtr r, int location) {
  Oid ltype = l->type, atype = r->type, rtype;
  if (atype == oid::kUnknown) {
    rtype = oid::kUnknown;
  } else {
    rtype = cat.type(cat.base_type(atype)).element;
    if (rtype == 0) fail(ErrorCode::kWrongObjectType, "op ANY/ALL (array) requires array on right side", location);
  }
  const OperatorRow* o = find_operator(name, ltype, rtype, false, location);
  if (o->proc == 0) fail(ErrorCode::kUndefinedFunction, "operator is only a shell: " + op_signature(name, o->left, o->right, false), location);
  std::vector<Oid> actual{ltype, rtype}, declared{o->left, o->right};
  Oid result = enforce_generics(actual, declared, o->result, false);
  if (result != oid::kBool) fail(ErrorCode::kWrongObjectType, "op ANY/ALL (array) requires operator to yield boolean", location);
  if (const ProcRow* p = cat.proc(o->proc); p != nullptr && p->returns_set)
    fail(ErrorCode::kWrongObjectType, "op ANY/ALL (array) requires operator not to return a set", location);
  if (!is_polymorphic(declared[1])) {
    Oid array = cat.type(declared[1]).array;
    if (array == 0)
      fail(ErrorCode::kUndefinedObject, "could not find array type for data type " + cat.format_type(declared[1]), location);
    declared[1] = array;
  } else {
    declared[1] = atype;
  }
  actual[1] = atype;
  std::vector<ExprPtr> args = coerce_arguments({l, r}, actual, declared);
  auto e = make<ScalarArrayOpExpr>();
  e->op = o->oid;
  e->func = o->proc;
  e->use_or = use_or;
  e->scalar = args[0];
  e->array = args[1];
  e->type = oid::kBool;
  e->location = location;
  return e;
}

SortOps Binder::sort_group_ops(Oid type, bool lt, bool eq, bool gt, int location) {
  SortOps o = cat.sort_ops(type);
  if ((lt && o.lt == 0) || (gt && o.gt == 0))
    fail(ErrorCode::kUndefinedFunction, "could not identify an ordering operator for type " + cat.format_type(type), location, {},
         "Use an explicit ordering operator or modify the query.");
  if (eq && o.eq == 0)
    fail(ErrorCode::kUndefinedFunction, "could not identify an equality operator for type " + cat.format_type(type), location);
  return o;
}

}  // namespace stele::sql
