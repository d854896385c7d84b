#include "sql/deparse/deparse_impl.h"

namespace stele::sql {

void Printer::keyword(std::string_view s, int before, int after, int plus) {
  if (!options.indent) {
    out += s;
    return;
  }
  indent_level += before;
  while (!out.empty() && out.back() == ' ') out.pop_back();
  out += '\n';
  int spaces = std::max(indent_level, 0) < 40 ? std::max(indent_level, 0) + plus : 40 + (indent_level - 40) / 4 + plus;
  out.append(static_cast<size_t>(std::max(0, spaces)), ' ');
  out += s;
  indent_level = std::max(0, indent_level + after);
}

std::string Printer::collation_name(Oid coll) {
  std::string name = quote_identifier(cat.collation_name(coll));
  if (cat.collation(cat.collation_name(coll)) != coll) name = quote_identifier(cat.schema_name(cat.collation_schema(coll))) + "." + name;
  return name;
}

void Printer::constant(const ConstExpr& c, int show_type) {
  if (c.is_null) {
    out += "NULL";
    if (show_type >= 0) {
      out += "::" + cat.format_type(c.type, c.typmod);
      if (c.collation != 0 && c.collation != cat.type(c.type).collation) out += " COLLATE " + collation_name(c.collation);
    }
    return;
  }
  std::string text;
  type_output(c.type, c.value, text, eval);
  bool label = false;
  auto quote = [&](const std::string& s) { out += quote_literal(s); };
  switch (c.type) {
    case oid::kInt4:
      if (text[0] != '-') out += text;
      else { out += "'" + text + "'"; label = true; }
      break;
    case oid::kNumeric:
      if (std::isdigit(static_cast<unsigned char>(text[0])) != 0 && text.find_first_of("eE.") != std::string::npos) out += text;
      else { out += "'" + text + "'"; label = true; }
      break;
    case oid::kBool: out += c.value.as_bool() ? "true" : "false"; break;
    default: quote(text); break;
  }
  if (show_type < 0) return;
  switch (c.type) {
    case oid::kBool: case oid::kUnknown: label = false; break;
    case oid::kInt4: break;
    case oid::kNumeric: label = label || c.typmod >= 0; break;
    default: label = true; break;
  }
  if (label || show_type > 0) out += "::" + cat.format_type(c.type, c.typmod);
  if (c.collation != 0 && c.type != oid::kUnknown && c.collation != cat.type(c.type).collation) out += " COLLATE " + collation_name(c.collation);
}

void Printer::var(const VarExpr& v) {
  if (namer != nullptr) {
    out += (*namer)(v);
    return;
  }
  auto system_name = [](int16_t n) -> std::string {
    switch (n) {
      case system_column::kCtid: return "ctid";
      case system_column::kXmin: return "xmin";
      case system_column::kCmin: return "cmin";
      case system_column::kXmax: return "xmax";
      case system_column::kCmax: return "cmax";
      case system_column::kTableOid: return "tableoid";
      default: return "_score";
    }
  };
  if (relation != nullptr) {
    if (v.column == 0) out += quote_identifier(relation->name) + ".*";
    else if (v.column < 0) out += system_name(v.column);
    else if (const catalog::Column* c = relation->column(v.column)) out += quote_identifier(c->name);
    return;
  }
  size_t depth = levels.size() - 1 - static_cast<size_t>(v.levels_up);
  if (static_cast<size_t>(v.levels_up) >= levels.size()) {
    out += "?column?";
    return;
  }
  const Level& l = levels[depth];
  const RangeTableEntry& rte = *l.query->range_table[v.relation - 1];
  std::string name = l.names[v.relation - 1];
  // A join without an alias has no name: its columns are those of what it joins.
  if (rte.kind == RteKind::kJoin && !rte.has_alias && v.column > 0) {
    const ExprPtr& e = rte.join_columns[v.column - 1];
    if (e->kind == ExprKind::kVar) {
      VarExpr inner = as_node<VarExpr>(e);
      inner.levels_up = v.levels_up;
      var(inner);
      return;
    }
    out += quote_identifier(l.columns[v.relation - 1][v.column - 1]);
    return;
  }
  bool prefix = l.prefix || v.levels_up > 0;
  if (v.column == 0) {
    out += quote_identifier(name) + ".*";
    return;
  }
  std::string column = v.column < 0 ? system_name(v.column)
                       : static_cast<size_t>(v.column) <= l.columns[v.relation - 1].size() ? l.columns[v.relation - 1][v.column - 1] : "?column?";
  if (prefix && !name.empty()) out += quote_identifier(name) + ".";
  out += quote_identifier(column);
}

std::string Printer::operator_name(Oid op, Oid left, Oid right) {
  const OperatorRow* o = cat.oper(op);
  if (o == nullptr) return "?";
  // Qualified when an unqualified use would find another one.
  if (o->schema != catalog::kPgCatalog) {
    bool visible = cat.operator_visible(op);
    if (!visible) return "OPERATOR(" + quote_identifier(cat.schema_name(o->schema)) + "." + o->name + ")";
  }
  (void)left;
  (void)right;
  return o->name;
}

std::string Printer::function_name(Oid func, const std::vector<ExprPtr>&, bool) {
  const ProcRow* p = cat.proc(func);
  if (p == nullptr) return "?";
  std::string name = quote_identifier(p->name);
  if (!cat.proc_visible(func)) name = quote_identifier(cat.schema_name(p->schema)) + "." + name;
  return name;
}

void Printer::args(const std::vector<ExprPtr>& a, bool variadic) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (i > 0) out += ", ";
    if (variadic && i + 1 == a.size()) out += "VARIADIC ";
    expr(a[i], true);
  }
}

void Printer::coercion(const ExprPtr& arg, Oid type, int32_t typmod, const ExprPtr& parent) {
  // 'x'::t is printed as such, not ('x'::t)::t.
  if (arg->kind == ExprKind::kConst && arg->type == type && arg->typmod == -1) {
    constant(as_node<ConstExpr>(arg), -1);
  } else {
    if (!options.pretty) out += '(';
    paren(arg, false, parent);
    if (!options.pretty) out += ')';
  }
  out += "::" + cat.format_type(type, typmod);
}

static int32_t length_coercion_typmod(const FuncExpr& f, CatalogView& cat) {
  // A cast function whose second argument is a constant int4 sets the length.
  if (f.format != FuncFormat::kExplicitCast && f.format != FuncFormat::kImplicitCast) return -1;
  if (f.args.size() != 2 && f.args.size() != 3) return -1;
  if (f.args[1]->kind != ExprKind::kConst || f.args[1]->type != oid::kInt4 || as_node<ConstExpr>(f.args[1]).is_null) return -1;
  (void)cat;
  return static_cast<int32_t>(as_node<ConstExpr>(f.args[1]).value.as_int());
}

bool Printer::sql_syntax(const FuncExpr& f) {
  const ProcRow* p = cat.proc(f.func);
  if (p == nullptr) return false;
  if (p->name == "timezone" && f.args.size() == 2) {
    out += '(';
    paren(f.args[1], false, nullptr);
    out += " AT TIME ZONE ";
    paren(f.args[0], false, nullptr);
    out += ')';
    return true;
  }
  if (p->name == "overlaps" && f.args.size() == 4) {
    out += "((";
    expr(f.args[0]);
    out += ", ";
    expr(f.args[1]);
    out += ") OVERLAPS (";
    expr(f.args[2]);
    out += ", ";
    expr(f.args[3]);
    out += "))";
    return true;
  }
  if (p->name == "extract" && f.args.size() == 2 && f.args[0]->kind == ExprKind::kConst) {
    out += "EXTRACT(" + std::string(as_node<ConstExpr>(f.args[0]).value.as_view()) + " FROM ";
    expr(f.args[1]);
    out += ')';
    return true;
  }
  if (p->name == "position" && f.args.size() == 2) {
    out += "POSITION((";
    expr(f.args[1]);
    out += ") IN (";
    expr(f.args[0]);
    out += "))";
    return true;
  }
  if (p->name == "substring") {
    out += "SUBSTRING(";
    expr(f.args[0]);
    bool text = f.args.size() >= 2 && f.args[1]->type == oid::kText;
    if (text && f.args.size() == 3) {
      out += " SIMILAR ";
      expr(f.args[1]);
      out += " ESCAPE ";
      expr(f.args[2]);
    } else {
      if (f.args.size() >= 2) { out += " FROM "; expr(f.args[1]); }
      if (f.args.size() == 3) { out += " FOR "; expr(f.args[2]); }
    }
    out += ')';
    return true;
  }
  if (p->name == "overlay" && f.args.size() >= 3) {
    out += "OVERLAY(";
    expr(f.args[0]);
    out += " PLACING ";
    expr(f.args[1]);
    out += " FROM ";
    expr(f.args[2]);
    if (f.args.size() == 4) { out += " FOR "; expr(f.args[3]); }
    out += ')';
    return true;
  }
  if (p->name == "btrim" || p->name == "ltrim" || p->name == "rtrim") {
    out += p->name == "btrim" ? "TRIM(BOTH" : p->name == "ltrim" ? "TRIM(LEADING" : "TRIM(TRAILING";
    if (f.args.size() == 2) { out += ' '; expr(f.args[1]); }
    out += " FROM ";
    expr(f.args[0]);
    out += ')';
    return true;
  }
  if (p->name == "normalize") {
    out += "NORMALIZE(";
    expr(f.args[0]);
    if (f.args.size() == 2 && f.args[1]->kind == ExprKind::kConst) out += ", " + std::string(as_node<ConstExpr>(f.args[1]).value.as_view());
    out += ')';
    return true;
  }
  if (p->name == "is_normalized") {
    out += "((";
    expr(f.args[0]);
    out += ") IS";
    if (f.args.size() == 2 && f.args[1]->kind == ExprKind::kConst) out += " " + std::string(as_node<ConstExpr>(f.args[1]).value.as_view());
    out += " NORMALIZED)";
    return true;
  }
  if (p->name == "system_user") return false;
  if (p->name == "pg_collation_for") {
    out += "COLLATION FOR (";
    expr(f.args[0]);
    out += ')';
    return true;
  }
  return false;
}

void Printer::func(const FuncExpr& f, bool show_implicit) {
  if (f.format == FuncFormat::kImplicitCast && !show_implicit && !f.args.empty()) {
    paren(f.args[0], false, nullptr);
    return;
  }
  if ((f.format == FuncFormat::kExplicitCast || f.format == FuncFormat::kImplicitCast) && !f.args.empty()) {
    coercion(f.args[0], f.type, length_coercion_typmod(f, cat), ExprPtr(ExprPtr{}, &f));
    return;
  }
  if (f.format == FuncFormat::kSqlSyntax && sql_syntax(f)) return;
  out += function_name(f.func, f.args, f.variadic) + "(";
  const ProcRow* p = cat.proc(f.func);
  bool show_variadic = f.variadic && p != nullptr;
  args(f.args, show_variadic);
  out += ')';
}

void Printer::op(const OpExpr& o, const ExprPtr& self) {
  if (!options.pretty) out += '(';
  if (o.args.size() == 2) {
    paren(o.args[0], true, self);
    out += " " + operator_name(o.op, o.args[0]->type, o.args[1]->type) + " ";
    paren(o.args[1], true, self);
  } else {
    out += operator_name(o.op, 0, o.args[0]->type) + " ";
    paren(o.args[0], true, self);
  }
  if (!options.pretty) out += ')';
}

bool Printer::simple(const ExprPtr& e, const ExprPtr& parent) {
  if (e == nullptr) return false;
  auto precedence = [&](const ExprPtr& x) {
    const std::string name = x->kind == ExprKind::kOp ? operator_name(as_node<OpExpr>(x).op, 0, 0) : "";
    bool additive = name == "+" || name == "-", multiplicative = name == "*" || name == "/" || name == "%";
    return multiplicative ? 2 : additive ? 1 : 0;
  };
  switch (e->kind) {
    case ExprKind::kVar: case ExprKind::kConst: case ExprKind::kParam: case ExprKind::kDomainValue: case ExprKind::kSetToDefault:
    case ExprKind::kCurrentOf: case ExprKind::kSubscript: case ExprKind::kArray: case ExprKind::kRow: case ExprKind::kCoalesce:
    case ExprKind::kMinMax: case ExprKind::kSqlValue: case ExprKind::kAggregate: case ExprKind::kGrouping: case ExprKind::kWindow:
    case ExprKind::kFunc: case ExprKind::kCase: case ExprKind::kNullIf: return true;
    case ExprKind::kFieldSelect: return parent == nullptr || parent->kind != ExprKind::kFieldSelect;
    case ExprKind::kRelabel: case ExprKind::kCoerceToDomain: case ExprKind::kCoerceViaIo: case ExprKind::kArrayCoerce: case ExprKind::kConvertRowType:
      return simple(as_node<UnaryExpr>(e).arg, e);
    case ExprKind::kOp: {
      if (parent != nullptr && parent->kind == ExprKind::kOp) {
        int p = precedence(parent), c = precedence(e);
        if (p == 0 || c == 0) return false;
        if (c > p) return true;
        // Equal: only as the left operand.
        return c == p && as_node<OpExpr>(parent).args[0] == e;
      }
      [[fallthrough]];
    }
    case ExprKind::kSubLink: case ExprKind::kNullTest: case ExprKind::kBooleanTest: case ExprKind::kDistinct:
      if (parent == nullptr) return false;
      switch (parent->kind) {
        case ExprKind::kFunc: {
          const auto& f = as_node<FuncExpr>(parent);
          return f.format == FuncFormat::kCall || f.format == FuncFormat::kSqlSyntax;
        }
        case ExprKind::kBool: case ExprKind::kSubscript: case ExprKind::kArray: case ExprKind::kRow: case ExprKind::kCoalesce: case ExprKind::kMinMax:
        case ExprKind::kNullIf: case ExprKind::kAggregate: case ExprKind::kGrouping: case ExprKind::kWindow: case ExprKind::kCase:
          return true;
        default: return false;
      }
    case ExprKind::kBool: {
      if (parent == nullptr) return false;
      if (parent->kind == ExprKind::kBool) {
        auto child = as_node<BoolExpr>(e).op, up = as_node<BoolExpr>(parent).op;
        if (child == BoolOp::kNot) return up == BoolOp::kAnd || up == BoolOp::kOr;
        if (child == BoolOp::kAnd) return up == BoolOp::kAnd || up == BoolOp::kOr;
        return up == BoolOp::kOr;
      }
      switch (parent->kind) {
        case ExprKind::kFunc: {
          const auto& f = as_node<FuncExpr>(parent);
          return f.format == FuncFormat::kCall || f.format == FuncFormat::kSqlSyntax;
        }
        case ExprKind::kSubscript: case ExprKind::kArray: case ExprKind::kRow: case ExprKind::kCoalesce: case ExprKind::kMinMax: case ExprKind::kNullIf:
        case ExprKind::kAggregate: case ExprKind::kGrouping: case ExprKind::kWindow: case ExprKind::kCase: return true;
        default: return false;
      }
    }
    default: return false;
  }
}

void Printer::paren(const ExprPtr& e, bool show_implicit, const ExprPtr& parent) {
  bool need = options.pretty && !simple(e, parent);
  if (need) out += '(';
  expr(e, show_implicit);
  if (need) out += ')';
}

void Printer::aggregate(const AggregateExpr& a) {
  out += function_name(a.func, a.args, a.variadic) + "(";
  if (a.distinct) out += "DISTINCT ";
  auto order = [&] {
    for (size_t i = 0; i < a.order_by.size(); ++i) {
      const SortKey& k = a.order_by[i];
      if (i > 0) out += ", ";
      bool parens = options.pretty ? k.expr->kind != ExprKind::kVar && k.expr->kind != ExprKind::kConst
                                   : k.expr->kind == ExprKind::kFunc || k.expr->kind == ExprKind::kAggregate;
      if (parens) out += '(';
      expr(k.expr, true);
      if (parens) out += ')';
      SortOps ops = cat.sort_ops(k.expr->type);
      if (k.sort_op == ops.lt) { if (k.nulls_first) out += " NULLS FIRST"; }
      else if (k.sort_op == ops.gt) { out += " DESC"; if (!k.nulls_first) out += " NULLS LAST"; }
      else {
        out += " USING " + operator_name(k.sort_op, k.expr->type, k.expr->type);
        out += k.nulls_first ? " NULLS FIRST" : " NULLS LAST";
      }
    }
  };
  if (a.agg_kind != 'n') {
    args(a.direct_args, a.variadic);
    out += ") WITHIN GROUP (ORDER BY ";
    order();
  } else {
    if (a.star) out += '*';
    else args(a.args, a.variadic);
    if (!a.order_by.empty()) {
      out += " ORDER BY ";
      order();
    }
  }
  if (a.filter != nullptr) {
    out += ") FILTER (WHERE ";
    expr(a.filter);
  }
  out += ')';
}

void Printer::window(const WindowExpr& w) {
  out += function_name(w.func, w.args, w.variadic) + "(";
  if (w.star) out += '*';
  else args(w.args, w.variadic);
  if (w.filter != nullptr) {
    out += ") FILTER (WHERE ";
    expr(w.filter);
  }
  out += ") OVER ";
  if (levels.empty() || static_cast<size_t>(w.window) >= levels.back().query->windows.size()) {
    out += "(?)";
    return;
  }
  const Query& q = *levels.back().query;
  const Window& def = q.windows[w.window];
  if (!def.name.empty()) out += quote_identifier(def.name);
  else window_spec(def, q);
}

void Printer::sublink(const SubLinkExpr& l, const ExprPtr& self) {
  (void)self;
  bool need_paren = true;
  if (l.link == SubLinkKind::kArray) out += "ARRAY(";
  else out += '(';
  std::string opname;
  if (l.test != nullptr) {
    std::vector<ExprPtr> lefts;
    std::function<void(const ExprPtr&)> collect = [&](const ExprPtr& t) {
      if (t->kind == ExprKind::kOp) {
        lefts.push_back(as_node<OpExpr>(t).args[0]);
        if (opname.empty()) opname = operator_name(as_node<OpExpr>(t).op, 0, 0);
      } else if (t->kind == ExprKind::kBool) {
        for (const ExprPtr& x : as_node<BoolExpr>(t).args) collect(x);
      } else if (t->kind == ExprKind::kRowCompare) {
        lefts = as_node<RowCompareExpr>(t).left;
        opname = operator_name(as_node<RowCompareExpr>(t).ops[0], 0, 0);
      }
    };
    collect(l.test);
    if (lefts.size() > 1) out += '(';
    for (size_t i = 0; i < lefts.size(); ++i) {
      if (i > 0) out += ", ";
      expr(lefts[i], true);
    }
    if (lefts.size() > 1) out += ')';
  }
  switch (l.link) {
    case SubLinkKind::kExists: out += "EXISTS "; break;
    case SubLinkKind::kAny:
      if (opname == "=") out += " IN ";
      else out += " " + opname + " ANY ";
      break;
    case SubLinkKind::kAll: out += " " + opname + " ALL "; break;
    case SubLinkKind::kRowCompare: out += " " + opname + " "; break;
    default: need_paren = false; break;
  }
  if (need_paren) out += '(';
  int saved = indent_level;
  bool visible = names_visible;
  names_visible = false;
  query(*l.subquery, {});
  names_visible = visible;
  indent_level = saved;
  if (need_paren) out += "))";
  else out += ')';
}

void Printer::expr(const ExprPtr& e, bool show_implicit) {
  if (e == nullptr) return;
  switch (e->kind) {
    case ExprKind::kConst: constant(as_node<ConstExpr>(e), 0); return;
    case ExprKind::kVar: var(as_node<VarExpr>(e)); return;
    case ExprKind::kParam: {
      const auto& p = as_node<ParamExpr>(e);
      if (p.param_kind == ParamKind::kExec && sublink_columns != nullptr && p.id >= 1 && static_cast<size_t>(p.id) <= sublink_columns->size()) {
        expr((*sublink_columns)[p.id - 1], show_implicit);
        return;
      }
      out += "$" + std::to_string(p.id);
      return;
    }
    case ExprKind::kFunc: func(as_node<FuncExpr>(e), show_implicit); return;
    case ExprKind::kOp: op(as_node<OpExpr>(e), e); return;
    case ExprKind::kDistinct: {
      const auto& o = as_node<OpExpr>(e);
      if (!options.pretty) out += '(';
      paren(o.args[0], true, e);
      out += " IS DISTINCT FROM ";
      paren(o.args[1], true, e);
      if (!options.pretty) out += ')';
      return;
    }
    case ExprKind::kNullIf: {
      out += "NULLIF(";
      args(as_node<OpExpr>(e).args);
      out += ')';
      return;
    }
    case ExprKind::kScalarArrayOp: {
      const auto& s = as_node<ScalarArrayOpExpr>(e);
      if (!options.pretty) out += '(';
      paren(s.scalar, true, e);
      out += " " + operator_name(s.op, 0, 0) + (s.use_or ? " ANY (" : " ALL (");
      paren(s.array, true, e);
      // A sublink here would read as the other ANY; a cast keeps it an array.
      if (s.array->kind == ExprKind::kSubLink && as_node<SubLinkExpr>(s.array).link == SubLinkKind::kExpr) out += "::" + cat.format_type(s.array->type, s.array->typmod);
      out += ')';
      if (!options.pretty) out += ')';
      return;
    }
    case ExprKind::kBool: {
      const auto& b = as_node<BoolExpr>(e);
      if (!options.pretty) out += '(';
      if (b.op == BoolOp::kNot) {
        out += "NOT ";
        paren(b.args[0], false, e);
      } else {
        for (size_t i = 0; i < b.args.size(); ++i) {
          if (i > 0) out += b.op == BoolOp::kAnd ? " AND " : " OR ";
          paren(b.args[i], false, e);
        }
      }
      if (!options.pretty) out += ')';
      return;
    }
    case ExprKind::kCase: {
      const auto& c = as_node<CaseExpr>(e);
      keyword("CASE", 0, 4, 0);
      if (c.arg != nullptr) {
        out += ' ';
        expr(c.arg, true);
      }
      for (auto& [cond, result] : c.when) {
        if (!options.indent) out += ' ';
        keyword("WHEN ", 0, 0, 0);
        // CASE x WHEN y: only the right side of the comparison shows.
        ExprPtr w = cond;
        if (c.arg != nullptr && w->kind == ExprKind::kOp && as_node<OpExpr>(w).args.size() == 2) {
          ExprPtr left = as_node<OpExpr>(w).args[0];
          while (left->kind == ExprKind::kRelabel || (left->kind == ExprKind::kFunc && as_node<FuncExpr>(left).format == FuncFormat::kImplicitCast) || left->kind == ExprKind::kCoerceViaIo)
            left = left->kind == ExprKind::kFunc ? as_node<FuncExpr>(left).args[0] : as_node<UnaryExpr>(left).arg;
          if (left->kind == ExprKind::kCaseTest) w = as_node<OpExpr>(w).args[1];
        }
        expr(w, false);
        out += " THEN ";
        expr(result, true);
      }
      if (!options.indent) out += ' ';
      keyword("ELSE ", 0, 0, 0);
      expr(c.otherwise, true);
      if (!options.indent) out += ' ';
      keyword("END", -4, 0, 0);
      return;
    }
    case ExprKind::kCaseTest: out += "CASE_TEST_EXPR"; return;
    case ExprKind::kCoalesce: case ExprKind::kMinMax: {
      const auto& l = as_node<ListExpr>(e);
      out += e->kind == ExprKind::kCoalesce ? "COALESCE(" : l.greatest ? "GREATEST(" : "LEAST(";
      args(l.args);
      out += ')';
      return;
    }
    case ExprKind::kArray: {
      const auto& l = as_node<ListExpr>(e);
      out += "ARRAY[";
      args(l.args);
      out += ']';
      if (l.args.empty()) out += "::" + cat.format_type(l.type);
      return;
    }
    case ExprKind::kRow: {
      const auto& l = as_node<ListExpr>(e);
      out += "ROW(";
      args(l.args);
      out += ')';
      if (l.type != oid::kRecord) out += "::" + cat.format_type(l.type);
      return;
    }
    case ExprKind::kRowCompare: {
      const auto& r = as_node<RowCompareExpr>(e);
      out += "(ROW(";
      args(r.left);
      out += ") " + operator_name(r.ops[0], 0, 0) + " ROW(";
      args(r.right);
      out += "))";
      return;
    }
    case ExprKind::kNullTest: {
      const auto& t = as_node<NullTestExpr>(e);
      if (!options.pretty) out += '(';
      paren(t.arg, true, e);
      if (t.row_format || (t.arg->type != oid::kRecord && !cat.is_composite(cat.base_type(t.arg->type)))) out += t.is_null ? " IS NULL" : " IS NOT NULL";
      else out += t.is_null ? " IS NOT DISTINCT FROM NULL" : " IS DISTINCT FROM NULL";
      if (!options.pretty) out += ')';
      return;
    }
    case ExprKind::kBooleanTest: {
      const auto& t = as_node<BooleanTestExpr>(e);
      static const char* const kNames[] = {" IS TRUE", " IS NOT TRUE", " IS FALSE", " IS NOT FALSE", " IS UNKNOWN", " IS NOT UNKNOWN"};
      if (!options.pretty) out += '(';
      paren(t.arg, false, e);
      out += kNames[static_cast<int>(t.test)];
      if (!options.pretty) out += ')';
      return;
    }
    case ExprKind::kRelabel: case ExprKind::kCoerceViaIo: case ExprKind::kArrayCoerce: case ExprKind::kConvertRowType: case ExprKind::kCoerceToDomain: {
      const auto& u = as_node<UnaryExpr>(e);
      if (u.format == FuncFormat::kImplicitCast && !show_implicit) paren(u.arg, false, e);
      else coercion(u.arg, u.type, e->kind == ExprKind::kCoerceViaIo ? -1 : u.typmod, e);
      return;
    }
    case ExprKind::kCollate: {
      const auto& u = as_node<UnaryExpr>(e);
      if (!options.pretty) out += '(';
      paren(u.arg, show_implicit, e);
      out += " COLLATE " + collation_name(u.collation);
      if (!options.pretty) out += ')';
      return;
    }
    case ExprKind::kNamedArg: {
      const auto& u = as_node<UnaryExpr>(e);
      out += quote_identifier(u.name) + " => ";
      expr(u.arg, show_implicit);
      return;
    }
    case ExprKind::kDomainValue: out += "VALUE"; return;
    case ExprKind::kSetToDefault: out += "DEFAULT"; return;
    case ExprKind::kFieldSelect: {
      const auto& f = as_node<FieldSelectExpr>(e);
      bool parens = f.arg->kind != ExprKind::kSubscript && f.arg->kind != ExprKind::kFieldSelect;
      if (parens) out += '(';
      expr(f.arg, true);
      if (parens) out += ')';
      std::string name = "f" + std::to_string(f.field);
      Oid base = cat.base_type(f.arg->type);
      if (cat.is_composite(base)) {
        auto r = cat.relation(cat.type(base).relation);
        if (r != nullptr)
          if (const catalog::Column* c = r->column(f.field)) name = c->name;
      } else if (f.arg->kind == ExprKind::kVar && as_node<VarExpr>(f.arg).column == 0 && !levels.empty()) {
        const auto& v = as_node<VarExpr>(f.arg);
        if (static_cast<size_t>(v.levels_up) < levels.size()) {
          const Level& l = levels[levels.size() - 1 - static_cast<size_t>(v.levels_up)];
          if (static_cast<size_t>(f.field) <= l.columns[v.relation - 1].size()) name = l.columns[v.relation - 1][f.field - 1];
        }
      }
      out += "." + quote_identifier(name);
      return;
    }
    case ExprKind::kFieldStore: {
      const auto& f = as_node<FieldStoreExpr>(e);
      out += "ROW(";
      for (size_t i = 0; i < f.fields.size(); ++i) {
        if (i > 0) out += ", ";
        expr(f.fields[i].second, show_implicit);
      }
      out += ')';
      return;
    }
    case ExprKind::kSubscript: {
      const auto& s = as_node<SubscriptExpr>(e);
      bool parens = s.container->kind != ExprKind::kVar && s.container->kind != ExprKind::kParam && s.container->kind != ExprKind::kFieldSelect;
      if (s.assign != nullptr && s.container->kind == ExprKind::kCaseTest) {
        expr(s.assign, show_implicit);
        return;
      }
      if (parens) out += '(';
      expr(s.container, show_implicit);
      if (parens) out += ')';
      for (size_t i = 0; i < s.upper.size(); ++i) {
        out += '[';
        if (s.slice) {
          if (s.lower[i] != nullptr) expr(s.lower[i]);
          out += ':';
        }
        if (s.upper[i] != nullptr) expr(s.upper[i]);
        out += ']';
      }
      return;
    }
    case ExprKind::kAggregate: aggregate(as_node<AggregateExpr>(e)); return;
    case ExprKind::kGrouping: {
      out += "GROUPING(";
      args(as_node<GroupingExpr>(e).args);
      out += ')';
      return;
    }
    case ExprKind::kWindow: window(as_node<WindowExpr>(e)); return;
    case ExprKind::kSubLink: sublink(as_node<SubLinkExpr>(e), e); return;
    case ExprKind::kSubPlan: {
      const auto& s = as_node<SubPlanExpr>(e);
      // Executor-made: EXPLAIN refers to it by its label.
      if (s.label.starts_with("InitPlan")) out += "$" + std::to_string(s.plan);
      else out += "(" + s.label + ")";
      return;
    }
    case ExprKind::kSqlValue: {
      static const char* const kNames[] = {"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP", "CURRENT_ROLE", "CURRENT_USER", "USER", "SESSION_USER", "CURRENT_CATALOG", "CURRENT_SCHEMA"};
      out += kNames[static_cast<int>(as_node<SqlValueExpr>(e).value)];
      if (e->typmod >= 0) out += "(" + std::to_string(e->typmod) + ")";
      return;
    }
    case ExprKind::kCurrentOf: out += "CURRENT OF " + quote_identifier(as_node<CurrentOfExpr>(e).cursor); return;
  }
}

std::string deparse_expression(const ExprPtr& e, const catalog::Relation* relation, CatalogView& view, EvalContext& eval, const DeparseOptions& options) {
  Printer p(view, eval, options);
  catalog::Relation none;
  p.relation = relation != nullptr ? relation : &none;
  p.expr(e, false);
  return std::move(p.out);
}

std::string deparse_expression(const ExprPtr& e, const VarNamer& names, CatalogView& view, EvalContext& eval, const DeparseOptions& options) {
  Printer p(view, eval, options);
  p.namer = &names;
  p.expr(e, false);
  return std::move(p.out);
}

}  // namespace stele::sql
