// Expressions: the dispatch and the forms without sublinks or rows of their own file.
#include "sql/binder/binder.h"
#include "types/type_io.h"

namespace stele::sql {

void Binder::fail(ErrorCode code, std::string message, int location, std::string detail, std::string hint) const {
  throw Error(code, std::move(message)).detail(std::move(detail)).hint(std::move(hint)).position(position(location));
}

std::string names_to_string(const std::vector<std::string>& names) {
  std::string s;
  for (const std::string& n : names) s += (s.empty() ? "" : ".") + n;
  return s;
}

// Leftmost location within the expression, as exprLocation().
int expr_location(const ExprPtr& e) {
  if (e == nullptr) return -1;
  auto leftmost = [](int a, int b) { return a < 0 ? b : b < 0 ? a : std::min(a, b); };
  switch (e->kind) {
    case ExprKind::kFunc: {
      const auto& f = as<FuncExpr>(e);
      int l = e->location;
      if (f.format != FuncFormat::kCall && !f.args.empty()) l = leftmost(l, expr_location(f.args[0]));
      else for (auto& a : f.args) l = leftmost(l, expr_location(a));
      return l;
    }
    case ExprKind::kOp: case ExprKind::kDistinct: case ExprKind::kNullIf: {
      int l = e->location;
      for (auto& a : as<OpExpr>(e).args) l = leftmost(l, expr_location(a));
      return l;
    }
    case ExprKind::kScalarArrayOp: return leftmost(e->location, expr_location(as<ScalarArrayOpExpr>(e).scalar));
    case ExprKind::kBool: {
      const auto& b = as<BoolExpr>(e);
      return b.args.empty() ? e->location : leftmost(e->location, expr_location(b.args[0]));
    }
    case ExprKind::kRelabel: case ExprKind::kCoerceViaIo: case ExprKind::kArrayCoerce: case ExprKind::kConvertRowType:
    case ExprKind::kCoerceToDomain: case ExprKind::kCollate: case ExprKind::kNamedArg:
      return leftmost(e->location, expr_location(as<UnaryExpr>(e).arg));
    case ExprKind::kNullTest: return leftmost(e->location, expr_location(as<NullTestExpr>(e).arg));
    case ExprKind::kBooleanTest: return leftmost(e->location, expr_location(as<BooleanTestExpr>(e).arg));
    case ExprKind::kFieldSelect: return expr_location(as<FieldSelectExpr>(e).arg);
    case ExprKind::kSubscript: return expr_location(as<SubscriptExpr>(e).container);
    case ExprKind::kSubLink: {
      const auto& l = as<SubLinkExpr>(e);
      if (l.test != nullptr) return leftmost(e->location, expr_location(l.test));
      return e->location;
    }
    default: return e->location;
  }
}

const char* context_name(ExprContext k) {
  switch (k) {
    case ExprContext::kJoinOn: return "JOIN/ON";
    case ExprContext::kJoinUsing: return "JOIN/USING";
    case ExprContext::kFromSubselect: return "sub-SELECT in FROM";
    case ExprContext::kFromFunction: return "function in FROM";
    case ExprContext::kWhere: return "WHERE";
    case ExprContext::kHaving: return "HAVING";
    case ExprContext::kFilter: return "FILTER";
    case ExprContext::kWindowPartition: return "window PARTITION BY";
    case ExprContext::kWindowOrder: return "window ORDER BY";
    case ExprContext::kWindowFrameRange: return "window RANGE";
    case ExprContext::kWindowFrameRows: return "window ROWS";
    case ExprContext::kWindowFrameGroups: return "window GROUPS";
    case ExprContext::kSelectTarget: return "SELECT";
    case ExprContext::kInsertTarget: return "INSERT";
    case ExprContext::kUpdateSource: case ExprContext::kUpdateTarget: return "UPDATE";
    case ExprContext::kMergeWhen: return "MERGE WHEN";
    case ExprContext::kGroupBy: return "GROUP BY";
    case ExprContext::kOrderBy: return "ORDER BY";
    case ExprContext::kDistinctOn: return "DISTINCT ON";
    case ExprContext::kLimit: return "LIMIT";
    case ExprContext::kOffset: return "OFFSET";
    case ExprContext::kReturning: return "RETURNING";
    case ExprContext::kValues: case ExprContext::kValuesSingle: return "VALUES";
    case ExprContext::kCheckConstraint: case ExprContext::kDomainCheck: return "CHECK";
    case ExprContext::kColumnDefault: case ExprContext::kFunctionDefault: return "DEFAULT";
    case ExprContext::kIndexExpression: return "index expression";
    case ExprContext::kIndexPredicate: return "index predicate";
    case ExprContext::kAlterColTransform: return "USING";
    case ExprContext::kExecuteParameter: return "EXECUTE";
    case ExprContext::kTriggerWhen: return "WHEN";
    case ExprContext::kPolicy: return "POLICY";
    case ExprContext::kPartitionBound: return "partition bound";
    case ExprContext::kPartitionExpression: return "PARTITION BY";
    case ExprContext::kCallArgument: return "CALL";
    case ExprContext::kCopyWhere: return "WHERE";
    case ExprContext::kGeneratedColumn: return "GENERATED AS";
    case ExprContext::kCycleMark: return "CYCLE";
    default: return "expression";
  }
}

ExprPtr Binder::expr(Scope& s, const Node* n, ExprContext kind) {
  ExprContext saved = s.kind;
  s.kind = kind;
  ExprPtr e = expr_in(s, n);
  s.kind = saved;
  return e;
}

ExprPtr Binder::expr_in(Scope& s, const Node* n) {
  if (n == nullptr) return nullptr;
  check_stack_depth();
  switch (n->node_case) {
    case pg::kColumnRef: return column_ref(s, n->column_ref);
    case pg::kParamRef: return param_ref(n->param_ref);
    case pg::kAConst: return constant(n->a_const);
    case pg::kAIndirection: return indirection(s, n->a_indirection);
    case pg::kAArrayExpr: return array_expr(s, n->a_array_expr, 0, 0, -1);
    case pg::kTypeCast: return type_cast(s, n->type_cast);
    case pg::kCollateClause: return collate(s, n->collate_clause);
    case pg::kAExpr: return a_expr(s, n->a_expr);
    case pg::kBoolExpr: return bool_expr(s, n->bool_expr);
    case pg::kFuncCall: return func_call(s, n->func_call);
    case pg::kGroupingFunc: return grouping_func(s, n->grouping_func);
    case pg::kNamedArgExpr: {
      auto e = make<UnaryExpr>(ExprKind::kNamedArg);
      e->arg = expr_in(s, n->named_arg_expr->arg);
      e->type = e->arg->type;
      e->typmod = e->arg->typmod;
      e->name = n->named_arg_expr->name;
      e->location = n->named_arg_expr->location;
      return e;
    }
    case pg::kSubLink: return sub_link(s, n->sub_link);
    case pg::kCaseExpr: return case_expr(s, n->case_expr);
    case pg::kRowExpr: return row_expr(s, n->row_expr);
    case pg::kCoalesceExpr: return coalesce(s, n->coalesce_expr);
    case pg::kMinMaxExpr: return min_max(s, n->min_max_expr);
    case pg::kSqlvalueFunction: return sql_value(n->sqlvalue_function);
    case pg::kNullTest: return null_test(s, n->null_test);
    case pg::kBooleanTest: return boolean_test(s, n->boolean_test);
    case pg::kCurrentOfExpr: return current_of(s, n->current_of_expr);
    case pg::kSetToDefault: fail(ErrorCode::kSyntaxError, "DEFAULT is not allowed in this context", n->set_to_default->location);
    case pg::kXmlExpr: case pg::kXmlSerialize: fail(ErrorCode::kFeatureNotSupported, "unsupported XML feature", -1, "This functionality requires the server to be built with libxml support.");
    case pg::kMultiAssignRef: throw Error(ErrorCode::kInternalError, "unexpected multi-column assignment");
    default: throw Error(ErrorCode::kInternalError, "unrecognized node type: " + std::to_string(n->node_case));
  }
}

ExprPtr Binder::param_ref(const pg::ParamRef* p) {
  if (ctx.parameter)
    if (ExprPtr e = ctx.parameter(p->number, p->location)) return e;
  if (ctx.params == nullptr || p->number <= 0 || p->number > 65535)
    fail(ErrorCode::kUndefinedParameter, "there is no parameter $" + std::to_string(p->number), p->location);
  auto& types = ctx.params->types;
  if (static_cast<size_t>(p->number) > types.size()) {
    if (!ctx.params->infer) fail(ErrorCode::kUndefinedParameter, "there is no parameter $" + std::to_string(p->number), p->location);
    types.resize(static_cast<size_t>(p->number), 0);
  }
  Oid& t = types[p->number - 1];
  if (t == 0) {
    if (!ctx.params->infer) fail(ErrorCode::kUndefinedParameter, "there is no parameter $" + std::to_string(p->number), p->location);
    t = oid::kUnknown;
  }
  auto e = make<ParamExpr>();
  e->id = p->number;
  e->type = t;
  e->collation = t == oid::kUnknown ? 0 : cat.type(t).collation;
  e->location = p->location;
  return e;
}

ExprPtr Binder::constant(const pg::AConst* c) {
  if (c->isnull) return make_const(oid::kUnknown, -1, 0, {}, true, c->location);
  switch (c->val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL: return make_const(oid::kInt4, -1, 0, Datum::from_int(c->ival->ival), false, c->location);
    case PG_QUERY__A__CONST__VAL_FVAL: {
      std::string_view t = c->fval->fval;
      // The parser folds a minus sign into the literal.
      if (t.find_first_not_of("0123456789", t.starts_with('-') ? 1 : 0) == std::string_view::npos) {
        errno = 0;
        long long v = strtoll(c->fval->fval, nullptr, 10);
        if (errno == 0) {
          bool small = v >= INT32_MIN && v <= INT32_MAX;
          return make_const(small ? oid::kInt4 : oid::kInt8, -1, 0, Datum::from_int(v), false, c->location);
        }
      }
      Arena arena;
      return make_const(oid::kNumeric, -1, 0, type_input(oid::kNumeric, t, -1, arena, *ctx.eval), false, c->location);
    }
    case PG_QUERY__A__CONST__VAL_BOOLVAL: return make_const(oid::kBool, -1, 0, Datum::from_bool(c->boolval->boolval), false, c->location);
    case PG_QUERY__A__CONST__VAL_SVAL: return text_const(oid::kUnknown, c->sval->sval, c->location);
    case PG_QUERY__A__CONST__VAL_BSVAL: {
      Arena arena;
      try {
        return make_const(oid::kBit, -1, 0, type_input(oid::kBit, c->bsval->bsval, -1, arena, *ctx.eval), false, c->location);
      } catch (const Error& e) {
        Error placed = e;
        placed.set_position(position(c->location));
        throw placed;
      }
    }
    default: return make_const(oid::kInt4, -1, 0, Datum::from_int(0), false, c->location);  // proto3 leaves out a zero
  }
}

ExprPtr Binder::column_ref(Scope& s, const pg::ColumnRef* c) {
  const char* bad = nullptr;
  switch (s.kind) {
    case ExprContext::kColumnDefault: bad = "cannot use column reference in DEFAULT expression"; break;
    case ExprContext::kPartitionBound: bad = "cannot use column reference in partition bound expression"; break;
    default: break;
  }
  if (bad != nullptr) fail(ErrorCode::kFeatureNotSupported, bad, c->location);
  std::vector<std::string> names;
  bool star = false;
  for (const Node* f : PG_LIST(c, fields)) {
    if (f->node_case == pg::kAStar) star = true;
    else names.emplace_back(pg::str(f));
  }
  if (domain && names.size() == 1 && names[0] == "value" && !star) {
    auto e = make<DomainValueExpr>();
    e->type = domain->type;
    e->typmod = domain->typmod;
    e->collation = domain->collation;
    e->location = c->location;
    return e;
  }
  if (ctx.variables && ctx.variables_first && !star)
    if (ExprPtr e = ctx.variables(names, c->location)) return e;
  ExprPtr found;
  enum { kOk, kNoColumn, kNoRelation, kTooMany, kWrongDb } problem = kOk;
  std::string schema, rel, col;
  int levels = 0;
  if (names.size() == 1 && !star) {
    col = names[0];
    found = column_named(s, col, false, c->location);
    if (found == nullptr) {
      // A bare relation name is its whole row.
      if (NsPtr item = find_ns_item(s, "", col, c->location, &levels)) found = whole_row(s, item, levels, c->location);
    }
    if (found == nullptr) problem = kNoColumn;
  } else {
    size_t n = names.size();
    NsPtr item;
    bool whole = star;
    auto lookup = [&](size_t parts) {
      // parts: how many names make up the relation
      schema = parts >= 2 ? names[parts - 2] : "";
      rel = names[parts - 1];
      return find_ns_item(s, schema, rel, c->location, &levels);
    };
    size_t rel_parts = whole ? n : n - 1;
    if (rel_parts == 3) {
      if (names[0] != cat.database()) problem = kWrongDb;
      else names.erase(names.begin()), --n, --rel_parts;
    }
    if (rel_parts > 3 || (rel_parts == 3 && problem == kOk)) problem = kTooMany;
    if (problem == kOk) {
      item = lookup(rel_parts);
      if (item == nullptr) {
        problem = kNoRelation;
        if (!whole) col = names[n - 1];
      } else if (whole) {
        found = whole_row(s, item, levels, c->location);
      } else {
        col = names[n - 1];
        found = scan_columns(s, item, levels, col, c->location);
        if (found == nullptr) {
          // rel.f as a function call f(rel).
          ExprPtr row = whole_row(s, item, levels, c->location);
          found = function(s, {col}, {row}, nullptr, false, c->location);
        }
        if (found == nullptr) problem = kNoColumn;
      }
    }
  }
  if (found != nullptr) {
    if (ctx.shadows && !star && ctx.shadows(names))
      fail(ErrorCode::kAmbiguousColumn, "column reference \"" + names_to_string(names) + "\" is ambiguous", c->location,
           "It could refer to either a PL/pgSQL variable or a table column.");
    return found;
  }
  if (ctx.variables && !ctx.variables_first && !star)
    if (ExprPtr e = ctx.variables(names, c->location)) return e;
  switch (problem) {
    case kNoColumn: missing_column(s, rel, col, c->location);
    case kNoRelation: missing_relation(s, schema, rel, c->location);
    case kWrongDb:
      fail(ErrorCode::kFeatureNotSupported, "cross-database references are not implemented: " + names_to_string(names) + (star ? ".*" : ""), c->location);
    default:
      fail(ErrorCode::kSyntaxError, "improper qualified name (too many dotted names): " + names_to_string(names) + (star ? ".*" : ""), c->location);
  }
}

ExprPtr Binder::bool_expr(Scope& s, const pg::BoolExpr* b) {
  auto e = make<BoolExpr>();
  e->op = b->boolop == pg::AND_EXPR ? BoolOp::kAnd : b->boolop == pg::OR_EXPR ? BoolOp::kOr : BoolOp::kNot;
  const char* name = e->op == BoolOp::kAnd ? "AND" : e->op == BoolOp::kOr ? "OR" : "NOT";
  for (const Node* a : PG_LIST(b, args)) e->args.push_back(to_boolean(expr_in(s, a), name));
  e->type = oid::kBool;
  e->location = b->location;
  return e;
}

ExprPtr Binder::a_expr(Scope& s, const pg::AExpr* a) {
  std::vector<std::string> name = pg::strings(PG_LIST(a, name));
  switch (a->kind) {
    case pg::AEXPR_OP: {
      const Node* l = a->lexpr;
      const Node* r = a->rexpr;
      if (pg::is(l, pg::kRowExpr) && pg::is(r, pg::kSubLink) && r->sub_link->sub_link_type == pg::EXPR_SUBLINK) {
        // (a, b) op (SELECT ...) compares rows.
        std::vector<ExprPtr> left;
        for (const Node* x : PG_LIST(l->row_expr, args)) left.push_back(expr_in(s, x));
        auto q = [&] {
          ExprContext saved = s.kind;
          auto sub = statement(r->sub_link->subselect, &s);
          s.kind = saved;
          return sub;
        }();
        s.has_sublinks = true;
        std::vector<ExprPtr> right;
        int id = 0;
        for (const TargetEntry& t : q->targets) {
          if (t.junk) continue;
          auto p = make<ParamExpr>();
          p->param_kind = ParamKind::kExec;
          p->id = ++id;
          p->type = t.expr->type;
          p->typmod = t.expr->typmod;
          p->collation = t.expr->collation;
          right.push_back(p);
        }
        if (left.size() < right.size()) fail(ErrorCode::kSyntaxError, "subquery has too many columns", r->sub_link->location);
        if (left.size() > right.size()) fail(ErrorCode::kSyntaxError, "subquery has too few columns", r->sub_link->location);
        auto link = make<SubLinkExpr>();
        link->link = SubLinkKind::kRowCompare;
        link->test = row_comparison(s, name, left, right, a->location, true);
        link->operator_name = name.back();
        link->subquery = q;
        link->type = oid::kBool;
        link->location = r->sub_link->location;
        return link;
      }
      if (pg::is(l, pg::kRowExpr) && pg::is(r, pg::kRowExpr)) {
        std::vector<ExprPtr> left, right;
        for (const Node* x : PG_LIST(l->row_expr, args)) left.push_back(expr_in(s, x));
        for (const Node* x : PG_LIST(r->row_expr, args)) right.push_back(expr_in(s, x));
        return row_comparison(s, name, left, right, a->location);
      }
      ExprPtr last = s.last_srf;
      ExprPtr le = expr_in(s, l), re = expr_in(s, r);
      return op(s, name, le, re, a->location, last);
    }
    case pg::AEXPR_OP_ANY: case pg::AEXPR_OP_ALL: {
      ExprPtr l = expr_in(s, a->lexpr), r = expr_in(s, a->rexpr);
      return scalar_array_op(s, name, a->kind == pg::AEXPR_OP_ANY, l, r, a->location);
    }
    case pg::AEXPR_DISTINCT: case pg::AEXPR_NOT_DISTINCT: {
      auto is_null = [](const Node* n) { return pg::is(n, pg::kAConst) && n->a_const->isnull; };
      bool distinct = a->kind == pg::AEXPR_DISTINCT;
      if (is_null(a->rexpr) || is_null(a->lexpr)) {
        auto t = make<NullTestExpr>();
        t->arg = expr_in(s, is_null(a->rexpr) ? a->lexpr : a->rexpr);
        t->is_null = !distinct;
        t->row_format = false;
        t->type = oid::kBool;
        t->location = a->location;
        return t;
      }
      ExprPtr l = expr_in(s, a->lexpr), r = expr_in(s, a->rexpr), result;
      if (pg::is(a->lexpr, pg::kRowExpr) && pg::is(a->rexpr, pg::kRowExpr) && l->kind == ExprKind::kRow && r->kind == ExprKind::kRow)
        result = row_distinct(s, name, as<ListExpr>(l).args, as<ListExpr>(r).args, a->location);
      else result = make_distinct(s, name, l, r, a->location);
      if (!distinct) {
        auto n = make<BoolExpr>();
        n->op = BoolOp::kNot;
        n->args = {result};
        n->type = oid::kBool;
        n->location = a->location;
        result = n;
      }
      return result;
    }
    case pg::AEXPR_NULLIF: {
      ExprPtr l = expr_in(s, a->lexpr), r = expr_in(s, a->rexpr);
      ExprPtr o = op(s, name, l, r, a->location);
      const auto& oe = as<OpExpr>(o);
      if (oe.type != oid::kBool) fail(ErrorCode::kDatatypeMismatch, "NULLIF requires = operator to yield boolean", a->location);
      auto e = make<OpExpr>(ExprKind::kNullIf);
      e->op = oe.op;
      e->func = oe.func;
      e->args = oe.args;
      e->type = oe.args[0]->type;
      e->typmod = oe.args[0]->typmod;
      e->location = a->location;
      return e;
    }
    case pg::AEXPR_IN: return in_expr(s, a);
    case pg::AEXPR_LIKE: case pg::AEXPR_ILIKE: case pg::AEXPR_SIMILAR: {
      ExprPtr last = s.last_srf;
      ExprPtr l = expr_in(s, a->lexpr), r = expr_in(s, a->rexpr);
      return op(s, name, l, r, a->location, last);
    }
    case pg::AEXPR_BETWEEN: case pg::AEXPR_NOT_BETWEEN: case pg::AEXPR_BETWEEN_SYM: case pg::AEXPR_NOT_BETWEEN_SYM: return between(s, a);
    default: throw Error(ErrorCode::kInternalError, "unrecognized A_Expr kind");
  }
}

ExprPtr Binder::between(Scope& s, const pg::AExpr* a) {
  auto bounds = PG_LIST(a->rexpr->list, items);
  ExprPtr x = expr_in(s, a->lexpr);
  auto fresh = [&] { return copy_expr(*x); };
  ExprPtr lo = expr_in(s, bounds[0]), hi = expr_in(s, bounds[1]);
  int loc = a->location;
  auto cmp = [&](const char* o, ExprPtr l, ExprPtr r) { return to_boolean(op(s, {o}, std::move(l), std::move(r), loc), "AND"); };
  auto join = [&](BoolOp b, ExprPtr l, ExprPtr r) -> ExprPtr {
    auto e = make<BoolExpr>();
    e->op = b;
    e->args = {std::move(l), std::move(r)};
    e->type = oid::kBool;
    e->location = loc;
    return e;
  };
  switch (a->kind) {
    case pg::AEXPR_BETWEEN: return join(BoolOp::kAnd, cmp(">=", x, lo), cmp("<=", fresh(), hi));
    case pg::AEXPR_NOT_BETWEEN: return join(BoolOp::kOr, cmp("<", x, lo), cmp(">", fresh(), hi));
    case pg::AEXPR_BETWEEN_SYM: {
      ExprPtr p = join(BoolOp::kAnd, cmp(">=", x, lo), cmp("<=", fresh(), hi));
      return join(BoolOp::kOr, p, join(BoolOp::kAnd, cmp(">=", fresh(), expr_in(s, bounds[1])), cmp("<=", fresh(), expr_in(s, bounds[0]))));
    }
    default: {
      ExprPtr p = join(BoolOp::kOr, cmp("<", x, lo), cmp(">", fresh(), hi));
      return join(BoolOp::kAnd, p, join(BoolOp::kOr, cmp("<", fresh(), expr_in(s, bounds[1])), cmp(">", fresh(), expr_in(s, bounds[0]))));
    }
  }
}

ExprPtr Binder::in_expr(Scope& s, const pg::AExpr* a) {
  std::vector<std::string> name = pg::strings(PG_LIST(a, name));
  bool use_or = name.back() != "<>";
  ExprPtr l = expr_in(s, a->lexpr);
  auto items = PG_LIST(a->rexpr->list, items);
  std::vector<ExprPtr> vars, non_vars, all;
  for (const Node* n : items) {
    ExprPtr e = expr_in(s, n);
    all.push_back(e);
    bool var = walk(e, [](const Expr& x, int level) { return x.kind == ExprKind::kVar && static_cast<const VarExpr&>(x).levels_up == level; });
    (var ? vars : non_vars).push_back(e);
  }
  ExprPtr result;
  auto combine = [&](ExprPtr c) {
    if (result == nullptr) {
      result = std::move(c);
      return;
    }
    if (result->kind == ExprKind::kBool && result->location == -2) {
      std::static_pointer_cast<BoolExpr>(std::const_pointer_cast<Expr>(result))->args.push_back(std::move(c));
      return;
    }
    auto e = make<BoolExpr>();
    e->op = use_or ? BoolOp::kOr : BoolOp::kAnd;
    e->args = {result, std::move(c)};
    e->type = oid::kBool;
    e->location = -2;  // ours: further terms are added to it
    result = e;
  };
  if (non_vars.size() > 1) {
    std::vector<ExprPtr> typed = non_vars;
    typed.insert(typed.begin(), l);
    Oid scalar = common_type(typed, nullptr);
    bool ok = scalar != 0 && scalar != oid::kRecord;
    for (const ExprPtr& e : typed)
      if (ok && !can_coerce(e->type, scalar, CoerceContext::kImplicit)) ok = false;
    Oid array = ok ? cat.type(scalar).array : 0;
    if (array != 0) {
      auto list = make<ListExpr>(ExprKind::kArray);
      for (const ExprPtr& e : non_vars) list->args.push_back(to_common(e, scalar, "IN"));
      list->element_type = scalar;
      list->type = array;
      list->location = -1;
      result = scalar_array_op(s, name, use_or, l, list, a->location);
      non_vars.clear();
      all = vars;
    }
  }
  for (const ExprPtr& r : all) {
    ExprPtr c;
    ExprPtr left = result == nullptr && r == all[0] ? l : ExprPtr(copy_expr(*l));
    if (l->kind == ExprKind::kRow && r->kind == ExprKind::kRow)
      c = row_comparison(s, name, as<ListExpr>(left).args, as<ListExpr>(r).args, a->location);
    else c = op(s, name, left, r, a->location);
    combine(to_boolean(c, "IN"));
  }
  if (result != nullptr && result->location == -2) std::const_pointer_cast<Expr>(result)->location = a->location;
  return result;
}

ExprPtr Binder::make_distinct(Scope& s, const std::vector<std::string>& name, ExprPtr l, ExprPtr r, int location) {
  ExprPtr o = op(s, name, l, r, location);
  const auto& oe = as<OpExpr>(o);
  if (oe.type != oid::kBool) fail(ErrorCode::kDatatypeMismatch, "IS DISTINCT FROM requires = operator to yield boolean", location);
  auto e = make<OpExpr>(ExprKind::kDistinct);
  e->op = oe.op;
  e->func = oe.func;
  e->args = oe.args;
  e->type = oid::kBool;
  e->location = location;
  return e;
}

ExprPtr Binder::row_distinct(Scope& s, const std::vector<std::string>& name, const std::vector<ExprPtr>& l, const std::vector<ExprPtr>& r, int location) {
  if (l.size() != r.size()) fail(ErrorCode::kSyntaxError, "unequal number of entries in row expressions", location);
  ExprPtr result;
  for (size_t i = 0; i < l.size(); ++i) {
    ExprPtr c = make_distinct(s, name, l[i], r[i], location);
    if (result == nullptr) { result = c; continue; }
    auto e = make<BoolExpr>();
    e->op = BoolOp::kOr;
    e->args = {result, c};
    e->type = oid::kBool;
    e->location = location;
    result = e;
  }
  return result != nullptr ? result : bool_const(false);
}

ExprPtr Binder::row_comparison(Scope& s, const std::vector<std::string>& name, const std::vector<ExprPtr>& l, const std::vector<ExprPtr>& r, int location, bool) {
  if (l.size() != r.size()) fail(ErrorCode::kSyntaxError, "unequal number of entries in row expressions", location);
  if (l.empty()) fail(ErrorCode::kFeatureNotSupported, "cannot compare rows of zero length", location);
  std::vector<ExprPtr> ops;
  for (size_t i = 0; i < l.size(); ++i) {
    ExprPtr o = op(s, name, l[i], r[i], location);
    if (o->type != oid::kBool)
      fail(ErrorCode::kDatatypeMismatch, "row comparison operator must yield type boolean, not type " + cat.format_type(o->type), location);
    if (returns_set(o)) fail(ErrorCode::kDatatypeMismatch, "row comparison operator must not return a set", location);
    ops.push_back(o);
  }
  if (ops.size() == 1) return ops[0];
  // The strategy that every column's operator shares in some B-tree family decides the meaning.
  int strategy = 0;
  for (int want = 1; want <= 6 && strategy == 0; ++want) {
    bool all = true;
    for (const ExprPtr& o : ops) {
      bool has = false;
      Oid oper = as<OpExpr>(o).op;
      if (want == 6) {
        const OperatorRow* row = cat.oper(oper);
        if (row != nullptr && row->negator != 0)
          for (auto [family, st] : cat.btree_memberships(row->negator)) has = has || st == 3;
      } else {
        for (auto [family, st] : cat.btree_memberships(oper)) has = has || st == want;
      }
      all = all && has;
    }
    if (all) strategy = want;
  }
  if (strategy == 0)
    fail(ErrorCode::kFeatureNotSupported, "could not determine interpretation of row comparison operator " + name.back(), location, {},
         "Row comparison operators must be associated with btree operator families.");
  if (strategy == 3 || strategy == 6) {
    auto e = make<BoolExpr>();
    e->op = strategy == 3 ? BoolOp::kAnd : BoolOp::kOr;
    e->args = ops;
    e->type = oid::kBool;
    e->location = location;
    return e;
  }
  auto e = make<RowCompareExpr>();
  e->comparison = strategy;
  for (const ExprPtr& o : ops) {
    const auto& oe = as<OpExpr>(o);
    e->ops.push_back(oe.op);
    e->funcs.push_back(oe.func);
    e->left.push_back(oe.args[0]);
    e->right.push_back(oe.args[1]);
  }
  e->type = oid::kBool;
  e->location = location;
  return e;
}

ExprPtr Binder::func_call(Scope& s, const pg::FuncCall* f) {
  ExprPtr last = s.last_srf;
  std::vector<ExprPtr> args;
  for (const Node* a : PG_LIST(f, args)) args.push_back(expr_in(s, a));
  std::vector<std::string> names = pg::strings(PG_LIST(f, funcname));
  return function(s, std::move(names), std::move(args), f, true, f->location);
}

ExprPtr Binder::sub_link(Scope& s, const pg::SubLink* l) {
  const char* bad = nullptr;
  switch (s.kind) {
    case ExprContext::kCheckConstraint: case ExprContext::kDomainCheck: bad = "cannot use subquery in check constraint"; break;
    case ExprContext::kColumnDefault: case ExprContext::kFunctionDefault: bad = "cannot use subquery in DEFAULT expression"; break;
    case ExprContext::kIndexExpression: bad = "cannot use subquery in index expression"; break;
    case ExprContext::kIndexPredicate: bad = "cannot use subquery in index predicate"; break;
    case ExprContext::kStatsExpression: bad = "cannot use subquery in statistics expression"; break;
    case ExprContext::kAlterColTransform: bad = "cannot use subquery in transform expression"; break;
    case ExprContext::kExecuteParameter: bad = "cannot use subquery in EXECUTE parameter"; break;
    case ExprContext::kTriggerWhen: bad = "cannot use subquery in trigger WHEN condition"; break;
    case ExprContext::kPartitionBound: bad = "cannot use subquery in partition bound"; break;
    case ExprContext::kPartitionExpression: bad = "cannot use subquery in partition key expression"; break;
    case ExprContext::kCallArgument: bad = "cannot use subquery in CALL argument"; break;
    case ExprContext::kCopyWhere: bad = "cannot use subquery in COPY FROM WHERE condition"; break;
    case ExprContext::kGeneratedColumn: bad = "cannot use subquery in column generation expression"; break;
    default: break;
  }
  if (bad != nullptr) fail(ErrorCode::kFeatureNotSupported, bad, l->location);
  s.has_sublinks = true;
  ExprContext saved = s.kind;
  auto q = statement(l->subselect, &s);
  s.kind = saved;
  if (q->command != CommandKind::kSelect) throw Error(ErrorCode::kInternalError, "unexpected non-SELECT command in SubLink");
  auto e = make<SubLinkExpr>();
  e->subquery = q;
  e->location = l->location;
  std::vector<const TargetEntry*> columns;
  for (const TargetEntry& t : q->targets)
    if (!t.junk) columns.push_back(&t);
  switch (l->sub_link_type) {
    case pg::EXISTS_SUBLINK:
      e->link = SubLinkKind::kExists;
      e->type = oid::kBool;
      return e;
    case pg::EXPR_SUBLINK: case pg::ARRAY_SUBLINK: {
      if (columns.size() != 1) fail(ErrorCode::kSyntaxError, "subquery must return only one column", l->location);
      const ExprPtr& c = columns[0]->expr;
      if (l->sub_link_type == pg::EXPR_SUBLINK) {
        e->link = SubLinkKind::kExpr;
        e->type = c->type;
        e->typmod = c->typmod;
        e->collation = c->collation;
        return e;
      }
      e->link = SubLinkKind::kArray;
      Oid array = cat.is_array(cat.base_type(c->type)) ? cat.base_type(c->type) : cat.type(c->type).array;
      if (array == 0)
        fail(ErrorCode::kUndefinedObject, "could not find array type for datatype " + cat.format_type(c->type), l->location);
      e->type = array;
      e->typmod = c->typmod;
      e->collation = c->collation;
      return e;
    }
    default: break;
  }
  // ANY and ALL: the left side against each row.
  ExprPtr left = expr_in(s, l->testexpr);
  std::vector<ExprPtr> lefts = left->kind == ExprKind::kRow && pg::is(l->testexpr, pg::kRowExpr) ? as<ListExpr>(left).args : std::vector<ExprPtr>{left};
  std::vector<ExprPtr> rights;
  for (const TargetEntry* t : columns) {
    auto p = make<ParamExpr>();
    p->param_kind = ParamKind::kExec;
    p->id = static_cast<int>(rights.size()) + 1;
    p->type = t->expr->type;
    p->typmod = t->expr->typmod;
    p->collation = t->expr->collation;
    rights.push_back(p);
  }
  if (lefts.size() < rights.size()) fail(ErrorCode::kSyntaxError, "subquery has too many columns", l->location);
  if (lefts.size() > rights.size()) fail(ErrorCode::kSyntaxError, "subquery has too few columns", l->location);
  std::vector<std::string> name = l->n_oper_name > 0 ? pg::strings(PG_LIST(l, oper_name)) : std::vector<std::string>{"="};
  e->link = l->sub_link_type == pg::ALL_SUBLINK ? SubLinkKind::kAll : SubLinkKind::kAny;
  e->operator_name = l->n_oper_name > 0 ? name.back() : "";
  e->test = row_comparison(s, name, lefts, rights, l->location, true);
  e->type = oid::kBool;
  return e;
}

ExprPtr Binder::case_expr(Scope& s, const pg::CaseExpr* c) {
  auto e = make<CaseExpr>();
  e->location = c->location;
  ExprPtr placeholder;
  if (c->arg != nullptr) {
    ExprPtr arg = expr_in(s, c->arg);
    if (arg->type == oid::kUnknown)
      arg = coerce(arg, arg->type, oid::kText, -1, CoerceContext::kImplicit, FuncFormat::kImplicitCast, -1);
    assign_collations(arg);
    e->arg = arg;
  }
  ExprPtr last = s.last_srf;
  std::vector<ExprPtr> results;
  for (const Node* n : PG_LIST(c, args)) {
    const pg::CaseWhen* w = n->case_when;
    ExprPtr cond = expr_in(s, w->expr);
    if (e->arg != nullptr) {
      auto t = make<CaseTestExpr>();
      t->type = e->arg->type;
      t->typmod = e->arg->typmod;
      t->collation = e->arg->collation;
      cond = op(s, {"="}, t, cond, w->location);
    }
    cond = to_boolean(cond, "CASE/WHEN");
    ExprPtr result = expr_in(s, w->result);
    e->when.emplace_back(cond, result);
    results.push_back(result);
  }
  ExprPtr otherwise = c->defresult != nullptr ? expr_in(s, c->defresult) : make_const(oid::kUnknown, -1, 0, {}, true);
  // The ELSE comes first when the type is chosen, as PostgreSQL has it.
  std::vector<ExprPtr> typed = results;
  typed.insert(typed.begin(), otherwise);
  Oid type = common_type(typed, "CASE");
  e->type = type;
  e->otherwise = to_common(otherwise, type, "CASE/ELSE");
  for (auto& [cond, result] : e->when) result = to_common(result, type, "CASE/WHEN");
  if (s.last_srf != last)
    fail(ErrorCode::kFeatureNotSupported, "set-returning functions are not allowed in CASE", expr_location(s.last_srf), {},
         "You might be able to move the set-returning function into a LATERAL FROM item.");
  std::vector<ExprPtr> finals{e->otherwise};
  for (auto& [cond, result] : e->when) finals.push_back(result);
  e->typmod = common_typmod(finals, type);
  return e;
}

ExprPtr Binder::array_expr(Scope& s, const pg::AArrayExpr* a, Oid array_type, Oid element_type, int32_t typmod) {
  auto e = make<ListExpr>(ExprKind::kArray);
  e->location = a->location;
  bool nested = false;
  for (const Node* n : PG_LIST(a, elements)) {
    ExprPtr x;
    // Inner ARRAY[] of a cast takes the same type.
    if (n->node_case == pg::kAArrayExpr) {
      x = array_expr(s, n->a_array_expr, array_type, element_type, typmod);
      nested = true;
    } else {
      x = expr_in(s, n);
      if (x->type >= 16 && x->type != oid::kUnknown && cat.is_array(cat.base_type(x->type)) && x->type != oid::kInt2Vector && x->type != oid::kOidVector)
        nested = true;
    }
    e->args.push_back(x);
  }
  Oid coerce_type_to;
  bool hard = false;
  if (array_type != 0) {
    coerce_type_to = nested ? array_type : element_type;
    hard = true;
  } else {
    if (e->args.empty())
      fail(ErrorCode::kIndeterminateDatatype, "cannot determine type of empty array", a->location, {},
           "Explicitly cast to the desired type, for example ARRAY[]::integer[].");
    coerce_type_to = common_type(e->args, "ARRAY");
    if (nested) {
      array_type = coerce_type_to;
      element_type = cat.type(cat.base_type(array_type)).element;
      if (element_type == 0) fail(ErrorCode::kUndefinedObject, "could not find element type for data type " + cat.format_type(array_type), a->location);
    } else {
      element_type = coerce_type_to;
      array_type = cat.type(element_type).array;
      if (array_type == 0) fail(ErrorCode::kUndefinedObject, "could not find array type for data type " + cat.format_type(element_type), a->location);
    }
  }
  for (ExprPtr& x : e->args) {
    if (hard) {
      ExprPtr r = coerce_to_target(x, x->type, coerce_type_to, typmod, CoerceContext::kExplicit, FuncFormat::kExplicitCast, -1);
      if (r == nullptr)
        fail(ErrorCode::kCannotCoerce, "cannot cast type " + cat.format_type(x->type) + " to " + cat.format_type(coerce_type_to), expr_location(x));
      x = r;
    } else {
      x = to_common(x, coerce_type_to, "ARRAY");
    }
  }
  e->type = array_type;
  e->element_type = element_type;
  e->nested = nested;
  int32_t tm = -1;
  if (!e->args.empty()) tm = common_typmod(e->args, coerce_type_to);
  e->typmod = tm;
  return e;
}

ExprPtr Binder::row_expr(Scope& s, const pg::RowExpr* r) {
  auto e = make<ListExpr>(ExprKind::kRow);
  std::vector<TargetEntry> expanded;
  // t.* inside ROW() expands.
  for (const Node* n : PG_LIST(r, args)) {
    if (n->node_case == pg::kColumnRef && n->column_ref->n_fields > 0 && n->column_ref->fields[n->column_ref->n_fields - 1]->node_case == pg::kAStar) {
      std::vector<TargetEntry> out;
      int saved = s.next_resno;
      expand_star(s, n->column_ref, out, false);
      s.next_resno = saved;
      for (TargetEntry& t : out) e->args.push_back(t.expr);
      continue;
    }
    if (n->node_case == pg::kAIndirection && n->a_indirection->n_indirection > 0 &&
        n->a_indirection->indirection[n->a_indirection->n_indirection - 1]->node_case == pg::kAStar) {
      pg::AIndirection copy = *n->a_indirection;
      --copy.n_indirection;
      ExprPtr base = copy.n_indirection > 0 ? indirection(s, &copy) : expr_in(s, copy.arg);
      std::vector<TargetEntry> out;
      int saved = s.next_resno;
      expand_row(s, base, out, r->location);
      s.next_resno = saved;
      for (TargetEntry& t : out) e->args.push_back(t.expr);
      continue;
    }
    e->args.push_back(expr_in(s, n));
  }
  for (size_t i = 0; i < e->args.size(); ++i) e->names.push_back("f" + std::to_string(i + 1));
  if (e->args.size() > 1664) fail(ErrorCode::kTooManyColumns, "ROW expressions can have at most 1664 entries", r->location);
  e->type = oid::kRecord;
  e->explicit_row = r->row_format == pg::COERCE_EXPLICIT_CALL;
  e->location = r->location;
  return e;
}

ExprPtr Binder::coalesce(Scope& s, const pg::CoalesceExpr* c) {
  auto e = make<ListExpr>(ExprKind::kCoalesce);
  ExprPtr last = s.last_srf;
  for (const Node* n : PG_LIST(c, args)) e->args.push_back(expr_in(s, n));
  e->type = common_type(e->args, "COALESCE");
  for (ExprPtr& a : e->args) a = to_common(a, e->type, "COALESCE");
  if (s.last_srf != last)
    fail(ErrorCode::kFeatureNotSupported, "set-returning functions are not allowed in COALESCE", expr_location(s.last_srf), {},
         "You might be able to move the set-returning function into a LATERAL FROM item.");
  e->typmod = common_typmod(e->args, e->type);
  e->location = c->location;
  return e;
}

ExprPtr Binder::min_max(Scope& s, const pg::MinMaxExpr* m) {
  auto e = make<ListExpr>(ExprKind::kMinMax);
  e->greatest = m->op == pg::IS_GREATEST;
  const char* name = e->greatest ? "GREATEST" : "LEAST";
  for (const Node* n : PG_LIST(m, args)) e->args.push_back(expr_in(s, n));
  e->type = common_type(e->args, name);
  for (ExprPtr& a : e->args) a = to_common(a, e->type, name);
  e->typmod = common_typmod(e->args, e->type);
  e->location = m->location;
  return e;
}

ExprPtr Binder::sql_value(const pg::SQLValueFunction* f) {
  auto e = make<SqlValueExpr>();
  e->location = f->location;
  e->typmod = f->typmod;
  switch (f->op) {
    case pg::SVFOP_CURRENT_DATE: e->value = SqlValue::kCurrentDate; e->type = oid::kDate; break;
    case pg::SVFOP_CURRENT_TIME: case pg::SVFOP_CURRENT_TIME_N: e->value = SqlValue::kCurrentTime; e->type = oid::kTimetz; break;
    case pg::SVFOP_CURRENT_TIMESTAMP: case pg::SVFOP_CURRENT_TIMESTAMP_N: e->value = SqlValue::kCurrentTimestamp; e->type = oid::kTimestamptz; break;
    case pg::SVFOP_LOCALTIME: case pg::SVFOP_LOCALTIME_N: e->value = SqlValue::kLocalTime; e->type = oid::kTime; break;
    case pg::SVFOP_LOCALTIMESTAMP: case pg::SVFOP_LOCALTIMESTAMP_N: e->value = SqlValue::kLocalTimestamp; e->type = oid::kTimestamp; break;
    case pg::SVFOP_CURRENT_ROLE: e->value = SqlValue::kCurrentRole; e->type = oid::kName; break;
    case pg::SVFOP_CURRENT_USER: e->value = SqlValue::kCurrentUser; e->type = oid::kName; break;
    case pg::SVFOP_USER: e->value = SqlValue::kUser; e->type = oid::kName; break;
    case pg::SVFOP_SESSION_USER: e->value = SqlValue::kSessionUser; e->type = oid::kName; break;
    case pg::SVFOP_CURRENT_CATALOG: e->value = SqlValue::kCurrentCatalog; e->type = oid::kName; break;
    default: e->value = SqlValue::kCurrentSchema; e->type = oid::kName; break;
  }
  bool precise = f->op == pg::SVFOP_CURRENT_TIME_N || f->op == pg::SVFOP_CURRENT_TIMESTAMP_N || f->op == pg::SVFOP_LOCALTIME_N || f->op == pg::SVFOP_LOCALTIMESTAMP_N;
  e->typmod = precise ? std::min(f->typmod, 6) : -1;
  if (e->type == oid::kName) e->collation = oid::kCCollation;
  return e;
}

ExprPtr Binder::boolean_test(Scope& s, const pg::BooleanTest* b) {
  auto e = make<BooleanTestExpr>();
  const char* name = "IS TRUE";
  switch (b->booltesttype) {
    case pg::IS_TRUE: e->test = BoolTest::kIsTrue; name = "IS TRUE"; break;
    case pg::IS_NOT_TRUE: e->test = BoolTest::kIsNotTrue; name = "IS NOT TRUE"; break;
    case pg::IS_FALSE: e->test = BoolTest::kIsFalse; name = "IS FALSE"; break;
    case pg::IS_NOT_FALSE: e->test = BoolTest::kIsNotFalse; name = "IS NOT FALSE"; break;
    case pg::IS_UNKNOWN: e->test = BoolTest::kIsUnknown; name = "IS UNKNOWN"; break;
    default: e->test = BoolTest::kIsNotUnknown; name = "IS NOT UNKNOWN"; break;
  }
  e->arg = to_boolean(expr_in(s, b->arg), name);
  e->type = oid::kBool;
  e->location = b->location;
  return e;
}

ExprPtr Binder::null_test(Scope& s, const pg::NullTest* t) {
  auto e = make<NullTestExpr>();
  e->arg = expr_in(s, t->arg);
  e->is_null = t->nulltesttype == pg::IS_NULL;
  e->row_format = e->arg->type == oid::kRecord || cat.type_relation(e->arg->type) != 0;
  e->type = oid::kBool;
  e->location = t->location;
  return e;
}

ExprPtr Binder::type_cast(Scope& s, const pg::TypeCast* t) {
  ResolvedType target = type_name(t->type_name);
  ExprPtr e;
  // A cast of ARRAY[...] tells the elements their type.
  if (pg::is(t->arg, pg::kAArrayExpr)) {
    int32_t base_typmod = target.typmod;
    Oid base = cat.base_type(target.type, &base_typmod);
    Oid element = cat.type(base).element;
    e = element != 0 ? array_expr(s, t->arg->a_array_expr, base, element, base_typmod) : expr_in(s, t->arg);
  } else {
    e = expr_in(s, t->arg);
  }
  if (e->type == 0) return e;
  int location = t->location;
  if (location < 0) location = t->type_name->location;
  ExprPtr r = coerce_to_target(e, e->type, target.type, target.typmod, CoerceContext::kExplicit, FuncFormat::kExplicitCast, location);
  if (r == nullptr)
    fail(ErrorCode::kCannotCoerce, "cannot cast type " + cat.format_type(e->type) + " to " + cat.format_type(target.type), location);
  return r;
}

ExprPtr Binder::collate(Scope& s, const pg::CollateClause* c) {
  auto e = make<UnaryExpr>(ExprKind::kCollate);
  e->arg = expr_in(s, c->arg);
  Oid type = e->arg->type;
  if (type == oid::kUnknown && e->arg->kind == ExprKind::kConst) {
    // stays unknown: the literal takes its type later
  } else if (type != oid::kUnknown && cat.type(cat.base_type(type)).collation == 0 && cat.type(type).collation == 0) {
    fail(ErrorCode::kDatatypeMismatch, "collations are not supported by type " + cat.format_type(type), c->location);
  }
  e->type = type;
  e->typmod = e->arg->typmod;
  e->collation = collation_by_name(PG_LIST(c, collname), c->location);
  e->location = c->location;
  return e;
}

ExprPtr Binder::current_of(Scope& s, const pg::CurrentOfExpr* c) {
  if (s.target == nullptr || s.target_relation == nullptr) fail(ErrorCode::kSyntaxError, "WHERE CURRENT OF is not allowed here");
  if (s.target_relation->relkind == 'v') fail(ErrorCode::kFeatureNotSupported, "WHERE CURRENT OF on a view is not implemented");
  auto e = make<CurrentOfExpr>();
  e->cursor = c->cursor_name;
  e->relation = static_cast<int>(s.target_relation->oid);
  e->type = oid::kTid;
  auto ctid = make<VarExpr>();
  ctid->relation = s.target->index;
  ctid->column = system_column::kCtid;
  ctid->type = oid::kTid;
  auto same = make<OpExpr>();
  same->op = 387;
  same->func = 1292;
  same->type = oid::kBool;
  same->args = {ctid, e};
  return same;
}

}  // namespace stele::sql
