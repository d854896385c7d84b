#include "sql/deparse/deparse_impl.h"

namespace stele::sql {

std::string Printer::relation_name(Oid oid) {
  auto r = cat.relation(oid);
  if (r == nullptr) return std::to_string(oid);
  std::string name = quote_identifier(r->name);
  if (!cat.relation_visible(*r)) name = quote_identifier(cat.schema_name(r->schema)) + "." + name;
  return name;
}

// Names every range table entry so that no name hides one of an outer level.
void Printer::push_level(const Query& q) {
  Level l;
  l.query = &q;
  auto taken = [&](const std::string& name) {
    for (const Level& o : levels)
      if (std::find(o.names.begin(), o.names.end(), name) != o.names.end()) return true;
    return std::find(l.names.begin(), l.names.end(), name) != l.names.end();
  };
  for (const auto& rte : q.range_table) {
    std::string name = rte->alias;
    if (rte->kind == RteKind::kJoin && !rte->has_alias) name.clear();
    if (!name.empty() && taken(name)) {
      for (int i = 1;; ++i) {
        std::string candidate = name + "_" + std::to_string(i);
        if (!taken(candidate)) { name = candidate; break; }
      }
    }
    l.names.push_back(name);
    std::vector<std::string> columns = rte->column_aliases;
    l.columns.push_back(std::move(columns));
  }
  l.prefix = true;
  levels.push_back(std::move(l));
}

void Printer::query(const Query& q, const std::vector<std::string>& columns) {
  push_level(q);
  int saved_indent = indent_level;
  switch (q.command) {
    case CommandKind::kSelect: select(q, columns); break;
    case CommandKind::kInsert: case CommandKind::kUpdate: case CommandKind::kDelete: {
      const RangeTableEntry& target = *q.range_table[q.result_relation - 1];
      with(q);
      if (q.command == CommandKind::kDelete) {
        out += "DELETE FROM " + relation_name(target.relation);
        if (target.has_alias) out += " " + quote_identifier(target.alias);
      } else if (q.command == CommandKind::kUpdate) {
        out += "UPDATE " + relation_name(target.relation);
        if (target.has_alias) out += " " + quote_identifier(target.alias);
        out += " SET ";
        bool first = true;
        for (const TargetEntry& t : q.targets) {
          if (t.junk) continue;
          if (!first) out += ", ";
          first = false;
          out += quote_identifier(t.name) + " = ";
          expr(t.expr);
        }
      } else {
        out += "INSERT INTO " + relation_name(target.relation);
        if (target.has_alias) out += " AS " + quote_identifier(target.alias);
        if (!q.targets.empty()) {
          out += " (";
          for (size_t i = 0; i < q.targets.size(); ++i) out += (i > 0 ? ", " : "") + quote_identifier(q.targets[i].name);
          out += ")";
        }
        const RangeTableEntry* source = nullptr;
        for (const auto& rte : q.range_table)
          if (rte->kind == RteKind::kSubquery || rte->kind == RteKind::kValues) source = rte.get();
        if (source != nullptr && source->kind == RteKind::kSubquery) {
          out += " ";
          query(*source->subquery, {});
        } else if (source != nullptr) {
          out += " VALUES ";
          for (size_t i = 0; i < source->values.size(); ++i) {
            out += i > 0 ? ", (" : "(";
            args(source->values[i]);
            out += ")";
          }
        } else if (q.targets.empty()) {
          out += " DEFAULT VALUES";
        } else {
          out += " VALUES (";
          for (size_t i = 0; i < q.targets.size(); ++i) {
            if (i > 0) out += ", ";
            expr(q.targets[i].expr);
          }
          out += ")";
        }
      }
      if (q.command != CommandKind::kInsert) {
        bool first = true;
        for (const FromPtr& f : q.from) {
          if (!f->is_join && f->relation == q.result_relation) continue;
          out += first ? (q.command == CommandKind::kDelete ? " USING " : " FROM ") : ", ";
          first = false;
          from_item(q, f);
        }
        if (q.where != nullptr) {
          out += " WHERE ";
          expr(q.where);
        }
      }
      if (!q.returning.empty()) {
        out += " RETURNING";
        target_list(q, q.returning, {});
      }
      break;
    }
    default: out += "MERGE"; break;
  }
  indent_level = saved_indent;
  levels.pop_back();
}

void Printer::with(const Query& q) {
  if (q.ctes.empty()) return;
  if (options.indent) {
    indent_level += 8;
    out += ' ';
  }
  out += q.recursive ? "WITH RECURSIVE " : "WITH ";
  const char* sep = "";
  for (const CommonTable& c : q.ctes) {
    out += sep + quote_identifier(c.name);
    if (c.recursive || !c.column_names.empty()) {
      // The list is shown when it differs from what the query itself names.
      const auto& targets = c.query->command == CommandKind::kSelect ? c.query->targets : c.query->returning;
      std::vector<std::string> own;
      for (const TargetEntry& t : targets)
        if (!t.junk) own.push_back(t.name);
      if (own != c.column_names && !c.column_names.empty()) {
        out += '(';
        for (size_t i = 0; i < c.column_names.size(); ++i) out += (i > 0 ? ", " : "") + quote_identifier(c.column_names[i]);
        out += ')';
      }
    }
    out += " AS ";
    if (c.materialize == CteMaterialize::kAlways) out += "MATERIALIZED ";
    if (c.materialize == CteMaterialize::kNever) out += "NOT MATERIALIZED ";
    out += '(';
    if (options.indent) keyword("", 0, 0, 0);
    query(*c.query, {});
    if (options.indent) keyword("", 0, 0, 0);
    out += ')';
    sep = ", ";
  }
  if (options.indent) {
    indent_level -= 8;
    keyword("", 0, 0, 0);
  } else {
    out += ' ';
  }
}

void Printer::select(const Query& q, const std::vector<std::string>& columns) {
  with(q);
  bool force_numbers = q.set_operation != nullptr;
  if (q.set_operation != nullptr) {
    set_operation(*q.set_operation, q, columns);
  } else {
    if (options.indent) {
      indent_level += 8;
      out += ' ';
    }
    basic_select(q, columns);
  }
  if (!q.order_by.empty()) {
    keyword(" ORDER BY ", -8, 8, 1);
    sort_list(q.order_by, q.targets, force_numbers);
  }
  if (q.limit_offset != nullptr) {
    keyword(" OFFSET ", -8, 8, 0);
    expr(q.limit_offset);
  }
  if (q.limit_count != nullptr) {
    if (q.with_ties) {
      keyword(" FETCH FIRST ", -8, 8, 0);
      expr(q.limit_count);
      out += " ROWS WITH TIES";
    } else {
      keyword(" LIMIT ", -8, 8, 0);
      if (q.limit_count->kind == ExprKind::kConst && as_node<ConstExpr>(q.limit_count).is_null) out += "ALL";
      else expr(q.limit_count);
    }
  }
  for (const RowLock& r : q.row_locks) {
    const char* name = r.strength == storage::LockMode::kForKeyShare     ? " FOR KEY SHARE"
                       : r.strength == storage::LockMode::kForShare      ? " FOR SHARE"
                       : r.strength == storage::LockMode::kForNoKeyUpdate ? " FOR NO KEY UPDATE"
                                                                          : " FOR UPDATE";
    keyword(name, -8, 8, 0);
    out += " OF " + quote_identifier(levels.back().names[r.relation - 1]);
    if (r.wait == RowWait::kNoWait) out += " NOWAIT";
    else if (r.wait == RowWait::kSkipLocked) out += " SKIP LOCKED";
  }
}

void Printer::set_operation(const SetOperation& s, const Query& q, const std::vector<std::string>& columns) {
  if (s.leaf) {
    const Query& sub = *q.range_table[s.relation - 1]->subquery;
    bool parens = !sub.ctes.empty() || !sub.order_by.empty() || !sub.row_locks.empty() || sub.limit_offset != nullptr || sub.limit_count != nullptr || sub.set_operation != nullptr;
    if (parens) out += '(';
    query(sub, columns);
    if (parens) out += ')';
    return;
  }
  bool parens = !s.left->leaf && !(s.left->op == s.op && s.left->all == s.all);
  int sub_indent = 0;
  if (parens) {
    out += '(';
    sub_indent = 8;
    keyword("", sub_indent, 0, 0);
  }
  set_operation(*s.left, q, columns);
  if (parens) keyword(") ", -sub_indent, 0, 0);
  else if (options.indent) keyword("", 0, 0, 0);
  else out += ' ';
  out += s.op == SetOp::kUnion ? "UNION " : s.op == SetOp::kIntersect ? "INTERSECT " : "EXCEPT ";
  if (s.all) out += "ALL ";
  parens = !s.right->leaf;
  sub_indent = 0;
  if (parens) {
    out += '(';
    sub_indent = 8;
  }
  keyword("", sub_indent, 0, 0);
  bool saved = names_visible;
  names_visible = false;
  set_operation(*s.right, q, columns);
  names_visible = saved;
  if (options.indent) indent_level -= sub_indent;
  if (parens) keyword(")", 0, 0, 0);
}

void Printer::target_list(const Query& q, const std::vector<TargetEntry>& targets, const std::vector<std::string>& columns) {
  const char* sep = " ";
  size_t n = 0;
  std::string before = std::move(out);
  out.clear();
  for (const TargetEntry& t : targets) {
    if (t.junk) continue;
    before += sep;
    sep = ", ";
    std::string attribute;
    out.clear();
    if (t.expr->kind == ExprKind::kVar) {
      const auto& v = as_node<VarExpr>(t.expr);
      var(v);
      if (v.column == 0) {
        // A whole row as one column must not read as a star.
        out += "::" + cat.format_type(v.type);
      } else {
        size_t dot = std::string::npos;
        bool quoted = false;
        for (size_t i = 0; i < out.size(); ++i) {
          if (out[i] == '"') quoted = !quoted;
          if (out[i] == '.' && !quoted) dot = i;
        }
        attribute = dot == std::string::npos ? out : out.substr(dot + 1);
        if (attribute.size() >= 2 && attribute[0] == '"') attribute = attribute.substr(1, attribute.size() - 2);
      }
    } else {
      expr(t.expr, true);
      attribute = names_visible ? std::string("\1") : "?column?";
    }
    std::string name = n < columns.size() && !columns[n].empty() ? columns[n] : t.name;
    if (!name.empty() && attribute != name) out += " AS " + quote_identifier(name);
    ++n;
    if (options.indent && n > 1) {
      // Each further column goes to its own line, unless it already starts with one.
      std::string field = std::move(out);
      out = std::move(before);
      if (field.empty() || field[0] != '\n') keyword("", -8, 8, 4);
      else
        while (!out.empty() && out.back() == ' ') out.pop_back();
      out += field;
      before = std::move(out);
      out.clear();
    } else {
      if (options.indent && !out.empty() && out[0] == '\n')
        while (!before.empty() && before.back() == ' ') before.pop_back();
      before += out;
      out.clear();
    }
  }
  out = std::move(before);
  (void)q;
}

void Printer::sort_group(int ref, const std::vector<TargetEntry>& t, bool number) {
  for (const TargetEntry& x : t) {
    if (x.sort_group_ref != ref) continue;
    if (number && !x.junk) {
      out += std::to_string(x.resno);
    } else if (x.expr->kind == ExprKind::kConst) {
      constant(as_node<ConstExpr>(x.expr), 1);
    } else if (x.expr->kind == ExprKind::kVar) {
      expr(x.expr);
    } else {
      // What looks like a function call could be misread without them.
      bool parens = options.pretty || x.expr->kind == ExprKind::kFunc || x.expr->kind == ExprKind::kAggregate || x.expr->kind == ExprKind::kWindow;
      if (parens) out += '(';
      expr(x.expr, true);
      if (parens) out += ')';
    }
    return;
  }
}

void Printer::sort_list(const std::vector<SortGroupRef>& s, const std::vector<TargetEntry>& t, bool force) {
  for (size_t i = 0; i < s.size(); ++i) {
    if (i > 0) out += ", ";
    sort_group(s[i].ref, t, force);
    Oid type = 0;
    for (const TargetEntry& x : t)
      if (x.sort_group_ref == s[i].ref) type = x.expr->type;
    SortOps ops = cat.sort_ops(type);
    if (s[i].sort_op == ops.lt) {
      if (s[i].nulls_first) out += " NULLS FIRST";
    } else if (s[i].sort_op == ops.gt) {
      out += " DESC";
      if (!s[i].nulls_first) out += " NULLS LAST";
    } else {
      out += " USING " + operator_name(s[i].sort_op, type, type);
      out += s[i].nulls_first ? " NULLS FIRST" : " NULLS LAST";
    }
  }
}

void Printer::grouping_set(const GroupingSet& g, const Query& q, bool omit_parens) {
  auto refs = [&](const std::vector<int>& r, bool no_parens) {
    bool parens = r.size() != 1 && !no_parens;
    if (parens) out += '(';
    for (size_t i = 0; i < r.size(); ++i) {
      if (i > 0) out += ", ";
      sort_group(r[i], q.targets, false);
    }
    if (parens) out += ')';
  };
  switch (g.kind) {
    case GroupingSetKind::kEmpty: out += "()"; return;
    case GroupingSetKind::kSimple: refs(g.refs, omit_parens); return;
    case GroupingSetKind::kRollup: out += "ROLLUP("; break;
    case GroupingSetKind::kCube: out += "CUBE("; break;
    case GroupingSetKind::kSets: out += "GROUPING SETS ("; break;
  }
  for (size_t i = 0; i < g.children.size(); ++i) {
    if (i > 0) out += ", ";
    grouping_set(g.children[i], q, false);
  }
  out += ')';
}

void Printer::basic_select(const Query& q, const std::vector<std::string>& columns) {
  // A lone VALUES list prints as one.
  if (q.range_table.size() == 1 && q.range_table[0]->kind == RteKind::kValues && q.from.size() == 1 && q.where == nullptr && q.group_by.empty() &&
      q.targets.size() == q.range_table[0]->column_types.size() && q.range_table[0]->alias == "*VALUES*") {
    bool plain = true;
    for (size_t i = 0; i < q.targets.size(); ++i) {
      const TargetEntry& t = q.targets[i];
      plain = plain && !t.junk && t.expr->kind == ExprKind::kVar && as_node<VarExpr>(t.expr).column == static_cast<int16_t>(i + 1) && t.name == "column" + std::to_string(i + 1) &&
              (i >= columns.size() || columns[i].empty() || columns[i] == t.name);
    }
    if (plain) {
      out += "VALUES ";
      const auto& values = q.range_table[0]->values;
      for (size_t r = 0; r < values.size(); ++r) {
        out += r > 0 ? ", (" : "(";
        for (size_t c = 0; c < values[r].size(); ++c) {
          if (c > 0) out += ',';
          expr(values[r][c], false);
        }
        out += ')';
      }
      return;
    }
  }
  out += "SELECT";
  if (!q.distinct.empty()) {
    out += " DISTINCT";
    if (q.has_distinct_on) {
      out += " ON (";
      for (size_t i = 0; i < q.distinct.size(); ++i) {
        if (i > 0) out += ", ";
        sort_group(q.distinct[i].ref, q.targets, false);
      }
      out += ')';
    }
  }
  target_list(q, q.targets, columns);
  from(q);
  if (q.where != nullptr) {
    keyword(" WHERE ", -8, 8, 1);
    expr(q.where);
  }
  if (!q.group_by.empty() || !q.grouping_sets.empty()) {
    keyword(" GROUP BY ", -8, 8, 1);
    if (q.group_distinct) out += "DISTINCT ";
    if (q.grouping_sets.empty()) {
      for (size_t i = 0; i < q.group_by.size(); ++i) {
        if (i > 0) out += ", ";
        sort_group(q.group_by[i].ref, q.targets, false);
      }
    } else {
      for (size_t i = 0; i < q.grouping_sets.size(); ++i) {
        if (i > 0) out += ", ";
        grouping_set(q.grouping_sets[i], q, true);
      }
    }
  }
  if (q.having != nullptr) {
    keyword(" HAVING ", -8, 8, 0);
    expr(q.having);
  }
  bool first = true;
  for (const Window& w : q.windows) {
    if (w.name.empty()) continue;
    if (first) keyword(" WINDOW ", -8, 8, 1);
    else out += ", ";
    first = false;
    out += quote_identifier(w.name) + " AS ";
    window_spec(w, q);
  }
}

void Printer::window_spec(const Window& w, const Query& q) {
  out += '(';
  bool space = false;
  const Window* base = nullptr;
  if (!w.base_name.empty()) {
    out += quote_identifier(w.base_name);
    space = true;
    for (const Window& o : q.windows)
      if (o.name == w.base_name) base = &o;
  }
  if (!w.partition_by.empty() && base == nullptr) {
    if (space) out += ' ';
    out += "PARTITION BY ";
    for (size_t i = 0; i < w.partition_by.size(); ++i) {
      if (i > 0) out += ", ";
      sort_group(w.partition_by[i].ref, q.targets, false);
    }
    space = true;
  }
  if (!w.order_by.empty() && (base == nullptr || base->order_by.empty())) {
    if (space) out += ' ';
    out += "ORDER BY ";
    sort_list(w.order_by, q.targets, false);
    space = true;
  }
  int f = w.frame_options;
  if ((f & frame::kNonDefault) != 0) {
    if (space) out += ' ';
    out += (f & frame::kRange) != 0 ? "RANGE " : (f & frame::kRows) != 0 ? "ROWS " : "GROUPS ";
    if ((f & frame::kBetween) != 0) out += "BETWEEN ";
    if ((f & frame::kStartUnboundedPreceding) != 0) out += "UNBOUNDED PRECEDING ";
    else if ((f & frame::kStartCurrentRow) != 0) out += "CURRENT ROW ";
    else {
      expr(w.start_offset);
      out += (f & frame::kStartOffsetPreceding) != 0 ? " PRECEDING " : " FOLLOWING ";
    }
    if ((f & frame::kBetween) != 0) {
      out += "AND ";
      if ((f & frame::kEndUnboundedFollowing) != 0) out += "UNBOUNDED FOLLOWING ";
      else if ((f & frame::kEndCurrentRow) != 0) out += "CURRENT ROW ";
      else {
        expr(w.end_offset);
        out += (f & frame::kEndOffsetPreceding) != 0 ? " PRECEDING " : " FOLLOWING ";
      }
    }
    if ((f & frame::kExcludeCurrentRow) != 0) out += "EXCLUDE CURRENT ROW ";
    else if ((f & frame::kExcludeGroup) != 0) out += "EXCLUDE GROUP ";
    else if ((f & frame::kExcludeTies) != 0) out += "EXCLUDE TIES ";
    out.pop_back();
  }
  out += ')';
}

void Printer::from(const Query& q) {
  bool first = true;
  for (const FromPtr& f : q.from) {
    if (!f->is_join && !q.range_table[f->relation - 1]->in_from_clause) continue;
    if (first) {
      keyword(" FROM ", -8, 8, 2);
      first = false;
    } else {
      out += ", ";
      if (options.indent) keyword("", -8, 8, 4);
    }
    from_item(q, f);
  }
}

void Printer::column_aliases(const Query& q, int index) {
  const Level& l = levels.back();
  bool first = true;
  for (size_t i = 0; i < l.columns[index - 1].size(); ++i) {
    if (q.range_table[index - 1]->column_types[i] == 0) continue;
    out += first ? "(" : ", ";
    first = false;
    out += quote_identifier(l.columns[index - 1][i]);
  }
  if (!first) out += ')';
}

void Printer::from_item(const Query& q, const FromPtr& f) {
  const Level& l = levels.back();
  const RangeTableEntry& rte = *q.range_table[f->relation - 1];
  if (f->is_join) {
    if (!options.pretty || rte.has_alias) out += '(';
    from_item(q, f->left);
    bool conditioned = f->condition != nullptr;
    switch (f->join) {
      case JoinKind::kLeft: keyword(" LEFT JOIN ", -8, 8, 4); break;
      case JoinKind::kFull: keyword(" FULL JOIN ", -8, 8, 4); break;
      case JoinKind::kRight: keyword(" RIGHT JOIN ", -8, 8, 4); break;
      default:
        if (conditioned) keyword(" JOIN ", -8, 8, 4);
        else keyword(" CROSS JOIN ", -8, 8, 4);
        break;
    }
    bool right_parens = options.pretty && f->right->is_join;
    if (right_parens) out += '(';
    from_item(q, f->right);
    if (right_parens) out += ')';
    if (!f->using_columns.empty()) {
      out += " USING (";
      for (size_t i = 0; i < f->using_columns.size(); ++i) out += (i > 0 ? ", " : "") + quote_identifier(f->using_columns[i]);
      out += ')';
      if (!rte.join_using_alias.empty()) out += " AS " + quote_identifier(rte.join_using_alias);
    } else if (conditioned) {
      out += " ON ";
      if (!options.pretty) out += '(';
      expr(f->condition);
      if (!options.pretty) out += ')';
    } else if (f->join != JoinKind::kInner) {
      out += " ON TRUE";
    }
    if (!options.pretty || rte.has_alias) out += ')';
    if (rte.has_alias) {
      out += " " + quote_identifier(rte.alias);
      column_aliases(q, f->relation);
    }
    return;
  }
  if (rte.lateral && rte.kind != RteKind::kRelation) out += "LATERAL ";
  const std::string& name = l.names[f->relation - 1];
  bool print_alias = rte.has_alias, print_columns = false;
  switch (rte.kind) {
    case RteKind::kRelation: {
      if (!rte.inherit) out += "ONLY ";
      out += relation_name(rte.relation);
      auto r = cat.relation(rte.relation);
      if (r != nullptr) {
        if (name != r->name) print_alias = true;
        for (size_t i = 0; i < r->columns.size() && i < rte.column_aliases.size(); ++i)
          if (!r->columns[i].dropped && r->columns[i].name != rte.column_aliases[i]) print_columns = true;
      }
      break;
    }
    case RteKind::kSubquery:
      out += '(';
      query(*rte.subquery, {});
      out += ')';
      print_alias = true;
      {
        size_t i = 0;
        for (const TargetEntry& t : rte.subquery->targets) {
          if (t.junk) continue;
          if (i < rte.column_aliases.size() && rte.column_aliases[i] != t.name) print_columns = true;
          ++i;
        }
      }
      break;
    case RteKind::kFunction: {
      bool unnest = rte.functions.size() > 1;
      for (const RangeFunction& rf : rte.functions) {
        const ProcRow* p = rf.call->kind == ExprKind::kFunc ? cat.proc(as_node<FuncExpr>(rf.call).func) : nullptr;
        unnest = unnest && p != nullptr && p->oid == 2331;
      }
      if (unnest) {
        out += "UNNEST(";
        for (size_t i = 0; i < rte.functions.size(); ++i) {
          if (i > 0) out += ", ";
          expr(as_node<FuncExpr>(rte.functions[i].call).args[0], true);
        }
        out += ')';
        if (rte.with_ordinality) out += " WITH ORDINALITY";
        print_alias = print_columns = true;
        break;
      }
      bool rows_from = rte.functions.size() > 1 || (rte.with_ordinality && !rte.functions[0].column_names.empty() && rte.functions[0].call->type == oid::kRecord);
      if (rows_from) out += "ROWS FROM(";
      for (size_t i = 0; i < rte.functions.size(); ++i) {
        if (i > 0) out += ", ";
        expr(rte.functions[i].call, true);
      }
      if (rows_from) out += ')';
      if (rte.with_ordinality) out += " WITH ORDINALITY";
      print_alias = true;
      print_columns = true;
      break;
    }
    case RteKind::kValues:
      out += "( VALUES ";
      for (size_t r = 0; r < rte.values.size(); ++r) {
        out += r > 0 ? ", (" : "(";
        for (size_t c = 0; c < rte.values[r].size(); ++c) {
          if (c > 0) out += ',';
          expr(rte.values[r][c], false);
        }
        out += ')';
      }
      out += ')';
      print_alias = print_columns = true;
      break;
    case RteKind::kCte:
      out += quote_identifier(rte.cte_name);
      if (name != rte.cte_name) print_alias = true;
      for (const CommonTable& c : q.ctes)
        if (c.name == rte.cte_name && rte.cte_levels_up == 0 && c.column_names != rte.column_aliases) print_columns = true;
      break;
    default: out += "?"; break;
  }
  if (print_alias || print_columns) {
    out += " " + quote_identifier(name);
    if (rte.kind == RteKind::kFunction && rte.functions.size() == 1 && rte.functions[0].call->type == oid::kRecord && !rte.functions[0].column_names.empty() &&
        !rte.with_ordinality) {
      // A column definition list, unless OUT parameters say the same.
      const ExprPtr& call = rte.functions[0].call;
      const ProcRow* p = call->kind == ExprKind::kFunc ? cat.proc(as_node<FuncExpr>(call).func) : nullptr;
      bool out_args = p != nullptr && p->arg_modes.find_first_of("obt") != std::string::npos;
      if (out_args) {
        column_aliases(q, f->relation);
      } else {
        out += '(';
        const RangeFunction& rf = rte.functions[0];
        for (size_t i = 0; i < rf.column_names.size(); ++i)
          out += (i > 0 ? ", " : "") + quote_identifier(rte.column_aliases[i]) + " " + cat.format_type(rf.column_types[i], rf.column_typmods[i]);
        out += ')';
      }
    } else if (print_columns) {
      column_aliases(q, f->relation);
    }
  }
  if (!rte.sample_method.empty()) {
    out += " TABLESAMPLE " + quote_identifier(rte.sample_method) + " (";
    for (size_t i = 0; i < rte.sample_args.size(); ++i) {
      if (i > 0) out += ", ";
      expr(rte.sample_args[i], false);
    }
    out += ')';
    if (rte.sample_repeatable != nullptr) {
      out += " REPEATABLE (";
      expr(rte.sample_repeatable);
      out += ')';
    }
  }
}

std::string deparse_query(const Query& q, CatalogView& view, EvalContext& eval, const DeparseOptions& options, const std::vector<std::string>& columns) {
  Printer p(view, eval, options);
  p.query(q, columns);
  return std::move(p.out);
}

}  // namespace stele::sql
