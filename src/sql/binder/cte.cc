// WITH: visibility, recursion and its rules, SEARCH and CYCLE.
#include "sql/binder/binder.h"

namespace stele::sql {
namespace {

using RangeVarVisitor = std::function<void(const pg::RangeVar*)>;
void each_range_var(const ProtobufCMessage* m, const RangeVarVisitor& f, std::vector<std::string_view>& hidden);

// The WITH clause of a statement's message; null for other messages.
const pg::WithClause* with_clause_of(const ProtobufCMessage* m) {
  if (m->descriptor == &pg_query__select_stmt__descriptor) return reinterpret_cast<const pg::SelectStmt*>(m)->with_clause;
  if (m->descriptor == &pg_query__insert_stmt__descriptor) return reinterpret_cast<const pg::InsertStmt*>(m)->with_clause;
  if (m->descriptor == &pg_query__update_stmt__descriptor) return reinterpret_cast<const pg::UpdateStmt*>(m)->with_clause;
  if (m->descriptor == &pg_query__delete_stmt__descriptor) return reinterpret_cast<const pg::DeleteStmt*>(m)->with_clause;
  if (m->descriptor == &pg_query__merge_stmt__descriptor) return reinterpret_cast<const pg::MergeStmt*>(m)->with_clause;
  return nullptr;
}

void each_range_var_below(const ProtobufCMessage* m, const RangeVarVisitor& f, std::vector<std::string_view>& hidden) {
  const ProtobufCMessageDescriptor* d = m->descriptor;
  for (unsigned i = 0; i < d->n_fields; ++i) {
    const ProtobufCFieldDescriptor& field = d->fields[i];
    if (field.type != PROTOBUF_C_TYPE_MESSAGE || field.descriptor == &pg_query__with_clause__descriptor) continue;
    const char* base = reinterpret_cast<const char*>(m);
    if (field.label == PROTOBUF_C_LABEL_REPEATED) {
      size_t n = *reinterpret_cast<const size_t*>(base + field.quantifier_offset);
      auto** items = *reinterpret_cast<ProtobufCMessage** const*>(base + field.offset);
      for (size_t k = 0; k < n; ++k) each_range_var(items[k], f, hidden);
    } else {
      if ((field.flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 && *reinterpret_cast<const int*>(base + field.quantifier_offset) != static_cast<int>(field.id))
        continue;
      each_range_var(*reinterpret_cast<ProtobufCMessage* const*>(base + field.offset), f, hidden);
    }
  }
}

void each_range_var(const ProtobufCMessage* m, const RangeVarVisitor& f, std::vector<std::string_view>& hidden) {
  if (m == nullptr) return;
  if (m->descriptor == &pg_query__range_var__descriptor) {
    const auto* rv = reinterpret_cast<const pg::RangeVar*>(m);
    if (pg::has(rv->schemaname) || std::find(hidden.begin(), hidden.end(), rv->relname) == hidden.end()) f(rv);
    return;
  }
  const size_t outer = hidden.size();
  if (const pg::WithClause* w = with_clause_of(m)) {
    // An item sees those before it; all, if the clause is recursive.
    if (w->recursive) for (const Node* n : PG_LIST(w, ctes)) hidden.emplace_back(n->common_table_expr->ctename);
    for (const Node* n : PG_LIST(w, ctes)) {
      each_range_var(&n->common_table_expr->ctequery->base, f, hidden);
      if (!w->recursive) hidden.emplace_back(n->common_table_expr->ctename);
    }
  }
  each_range_var_below(m, f, hidden);
  hidden.resize(outer);
}

// Calls f for every RangeVar below a message of the parse tree that is not hidden by an inner WITH of that name.
void each_range_var(const ProtobufCMessage* m, const RangeVarVisitor& f) {
  std::vector<std::string_view> hidden;
  each_range_var(m, f, hidden);
}

bool refers_to(const Node* n, std::string_view name) {
  bool found = false;
  each_range_var(&n->base, [&](const pg::RangeVar* rv) {
    if (!pg::has(rv->schemaname) && name == rv->relname) found = true;
  });
  return found;
}

}  // namespace

void Binder::cte_columns(CteState& c, const std::vector<TargetEntry>& targets) {
  c.table.column_names.clear();
  c.table.column_types.clear();
  c.table.column_typmods.clear();
  c.table.column_collations.clear();
  size_t given = c.node->n_aliascolnames, n = 0;
  for (const TargetEntry& t : targets) {
    if (t.junk) continue;
    c.table.column_names.push_back(n < given ? std::string(pg::str(c.node->aliascolnames[n])) : t.name);
    ++n;
    Oid type = t.expr->type;
    int32_t typmod = t.expr->typmod;
    Oid coll = t.expr->collation;
    if (c.table.recursive && type == oid::kUnknown) {
      type = oid::kText;
      typmod = -1;
      coll = oid::kDefaultCollation;
    }
    c.table.column_types.push_back(type);
    c.table.column_typmods.push_back(typmod);
    c.table.column_collations.push_back(coll);
  }
  if (n < given)
    fail(ErrorCode::kInvalidColumnReference,
         "WITH query \"" + c.table.name + "\" has " + std::to_string(n) + " columns available but " + std::to_string(given) + " columns specified", c.node->location);
}

void Binder::with_clause(Scope& s, const pg::WithClause* w) {
  std::vector<CtePtr> all;
  for (const Node* n : PG_LIST(w, ctes)) {
    const pg::CommonTableExpr* node = n->common_table_expr;
    for (const CtePtr& o : all)
      if (o->table.name == node->ctename)
        fail(ErrorCode::kDuplicateAlias, std::string("WITH query name \"") + node->ctename + "\" specified more than once", node->location);
    if (node->ctequery->node_case != pg::kSelectStmt) {
      if (s.parent != nullptr)
        fail(ErrorCode::kFeatureNotSupported, "WITH clause containing a data-modifying statement must be at the top level", node->location);
      s.has_modifying_cte = true;
    }
    auto c = std::make_shared<CteState>();
    c->node = node;
    c->table.name = node->ctename;
    c->table.materialize = node->ctematerialized == pg::CTEMaterializeAlways  ? CteMaterialize::kAlways
                           : node->ctematerialized == pg::CTEMaterializeNever ? CteMaterialize::kNever
                                                                              : CteMaterialize::kDefault;
    all.push_back(c);
  }
  if (!w->recursive) {
    for (const CtePtr& c : all) s.future_ctes.push_back(c->node);
    for (const CtePtr& c : all) {
      analyze_cte(s, *c);
      s.ctes.push_back(c);
      s.future_ctes.erase(s.future_ctes.begin());
    }
    return;
  }
  // WITH RECURSIVE: any item may see any other; analyse in dependency order.
  size_t n = all.size();
  std::vector<std::vector<bool>> uses(n, std::vector<bool>(n));
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j) uses[i][j] = refers_to(all[i]->node->ctequery, all[j]->table.name);
  for (size_t i = 0; i < n; ++i) all[i]->table.recursive = uses[i][i];
  std::vector<CtePtr> order;
  std::vector<bool> done(n, false);
  while (order.size() < n) {
    bool progress = false;
    for (size_t i = 0; i < n; ++i) {
      if (done[i]) continue;
      bool ready = true;
      for (size_t j = 0; j < n; ++j)
        if (j != i && uses[i][j] && !done[j]) ready = false;
      if (!ready) continue;
      order.push_back(all[i]);
      done[i] = progress = true;
      break;
    }
    if (!progress) {
      for (size_t i = 0; i < n; ++i)
        if (!done[i]) fail(ErrorCode::kFeatureNotSupported, "mutual recursion between WITH items is not implemented", all[i]->node->location);
    }
  }
  for (const CtePtr& c : order) {
    s.ctes.push_back(c);
    if (c->table.recursive) check_recursion(order, c);
    analyze_cte(s, *c);
  }
}

// The shape a self-referencing WITH query must have, told as checkWellFormedRecursion does.
void Binder::check_recursion(const std::vector<CtePtr>&, const CtePtr& c) {
  const std::string& name = c->table.name;
  auto location_of = [&](const ProtobufCMessage* m) {
    int at = -1;
    each_range_var(m, [&](const pg::RangeVar* rv) {
      if (at < 0 && !pg::has(rv->schemaname) && name == rv->relname) at = rv->location;
    });
    return at;
  };
  const Node* q = c->node->ctequery;
  auto count = [&](const ProtobufCMessage* m) {
    int k = 0;
    each_range_var(m, [&](const pg::RangeVar* rv) { k += !pg::has(rv->schemaname) && name == rv->relname; });
    return k;
  };
  if (q->node_case != pg::kSelectStmt)
    fail(ErrorCode::kInvalidRecursion, "recursive query \"" + name + "\" must not contain data-modifying statements", c->node->location);
  const pg::SelectStmt* sel = q->select_stmt;
  if (sel->op != pg::SETOP_UNION)
    fail(ErrorCode::kInvalidRecursion, "recursive query \"" + name + "\" does not have the form non-recursive-term UNION [ALL] recursive-term", c->node->location);
  if (sel->with_clause != nullptr && count(&sel->with_clause->base) > 0)
    fail(ErrorCode::kInvalidRecursion, "recursive reference to query \"" + name + "\" must not appear within a subquery", location_of(&sel->with_clause->base));
  if (sel->n_sort_clause > 0) fail(ErrorCode::kFeatureNotSupported, "ORDER BY in a recursive query is not implemented", node_location(sel->sort_clause[0]->sort_by->node));
  if (sel->limit_offset != nullptr) fail(ErrorCode::kFeatureNotSupported, "OFFSET in a recursive query is not implemented", node_location(sel->limit_offset));
  if (sel->limit_count != nullptr) fail(ErrorCode::kFeatureNotSupported, "LIMIT in a recursive query is not implemented", node_location(sel->limit_count));
  if (sel->n_locking_clause > 0) fail(ErrorCode::kFeatureNotSupported, "FOR UPDATE/SHARE in a recursive query is not implemented", c->node->location);
  if (count(&sel->larg->base) > 0)
    fail(ErrorCode::kInvalidRecursion, "recursive reference to query \"" + name + "\" must not appear within its non-recursive term", location_of(&sel->larg->base));
  int self = count(&sel->rarg->base);
  auto bad = [&](const ProtobufCMessage* m, const char* where) {
    if (m == nullptr || count(m) == 0) return;
    fail(ErrorCode::kInvalidRecursion, "recursive reference to query \"" + name + "\" must not appear within " + where, location_of(m));
  };
  std::function<void(const pg::SelectStmt*)> term = [&](const pg::SelectStmt* t) {
    if (t->op == pg::SETOP_EXCEPT) {
      if (t->rarg != nullptr) bad(&t->rarg->base, "EXCEPT");
      if (t->all) bad(&t->larg->base, "EXCEPT");
      term(t->larg);
      return;
    }
    if (t->op == pg::SETOP_INTERSECT) {
      if (t->all) {
        bad(&t->larg->base, "INTERSECT");
        bad(&t->rarg->base, "INTERSECT");
      }
      term(t->larg);
      term(t->rarg);
      return;
    }
    if (t->op == pg::SETOP_UNION) {
      term(t->larg);
      term(t->rarg);
      return;
    }
    for (const Node* n : PG_LIST(t, target_list)) bad(&n->base, "a subquery");
    if (t->where_clause != nullptr) bad(&t->where_clause->base, "a subquery");
    if (t->having_clause != nullptr) bad(&t->having_clause->base, "a subquery");
    std::function<void(const Node*)> from = [&](const Node* f) {
      if (f->node_case == pg::kJoinExpr) {
        const pg::JoinExpr* j = f->join_expr;
        if (j->jointype == pg::JOIN_LEFT || j->jointype == pg::JOIN_FULL) bad(&j->rarg->base, "an outer join");
        if (j->jointype == pg::JOIN_RIGHT || j->jointype == pg::JOIN_FULL) bad(&j->larg->base, "an outer join");
        from(j->larg);
        from(j->rarg);
        if (j->quals != nullptr) bad(&j->quals->base, "a subquery");
      }
    };
    for (const Node* f : PG_LIST(t, from_clause)) from(f);
  };
  term(sel->rarg);
  if (self > 1) {
    int seen = 0, at = -1;
    each_range_var(&sel->rarg->base, [&](const pg::RangeVar* rv) {
      if (!pg::has(rv->schemaname) && name == rv->relname && ++seen == 2) at = rv->location;
    });
    fail(ErrorCode::kInvalidRecursion, "recursive reference to query \"" + name + "\" must not appear more than once", at);
  }
}

void Binder::analyze_cte(Scope& s, CteState& c) {
  if (c.node->search_clause != nullptr || c.node->cycle_clause != nullptr) {
    if (!c.table.recursive) fail(ErrorCode::kSyntaxError, "WITH query is not recursive", c.node->location);
    rewrite_search_cycle(s, c);
    return;
  }
  auto q = statement(c.node->ctequery, &s, &c);
  q->can_set_tag = false;
  if (!c.table.recursive) {
    cte_columns(c, q->command == CommandKind::kSelect ? q->targets : q->returning);
  } else {
    // The recursive term decided nothing: its columns must fit what the other term said.
    const auto& t = q->targets;
    size_t i = 0;
    for (const TargetEntry& x : t) {
      if (x.junk) continue;
      if (i >= c.table.column_types.size()) break;
      if (x.expr->type != c.table.column_types[i] || x.expr->typmod != c.table.column_typmods[i]) {
        int location = -1;
        if (q->set_operation != nullptr && q->set_operation->left->leaf) {
          size_t k = 0;
          for (const TargetEntry& l : q->range_table[q->set_operation->left->relation - 1]->subquery->targets)
            if (!l.junk && k++ == i) location = expr_location(l.expr);
        }
        fail(ErrorCode::kDatatypeMismatch,
             "recursive query \"" + c.table.name + "\" column " + std::to_string(i + 1) + " has type " +
                 cat.format_type(c.table.column_types[i], c.table.column_typmods[i]) + " in non-recursive term but type " +
                 cat.format_type(x.expr->type, x.expr->typmod) + " overall",
             location, {}, "Cast the output of the non-recursive term to the correct type.");
      }
      ++i;
    }
  }
  c.table.query = q;
  c.analyzed = true;
}

// SEARCH and CYCLE become plain columns: the query is rewritten as a parse tree of the form that the SQL
// standard defines them by, over the text of the user's query.
void Binder::rewrite_search_cycle(Scope& s, CteState& c) {
  const pg::CTESearchClause* search = c.node->search_clause;
  const pg::CTECycleClause* cycle = c.node->cycle_clause;
  const Node* q = c.node->ctequery;
  if (!pg::is(q, pg::kSelectStmt) || q->select_stmt->op != pg::SETOP_UNION)
    fail(ErrorCode::kInvalidRecursion, "recursive query \"" + c.table.name + "\" does not have the form non-recursive-term UNION [ALL] recursive-term", c.node->location);
  const pg::SelectStmt* sel = q->select_stmt;
  if (sel->rarg->op != pg::SETOP_NONE || sel->larg->op != pg::SETOP_NONE)
    fail(ErrorCode::kFeatureNotSupported, "with a SEARCH or CYCLE clause, the right side of the UNION must be a SELECT");
  // Column names come from the non-recursive term.
  Node left = PG_QUERY__NODE__INIT;
  left.node_case = pg::kSelectStmt;
  left.select_stmt = sel->larg;
  auto first = statement(&left, &s, nullptr);
  std::vector<std::string> names;
  for (const TargetEntry& t : first->targets)
    if (!t.junk) {
      size_t k = names.size();
      names.push_back(k < c.node->n_aliascolnames ? std::string(pg::str(c.node->aliascolnames[k])) : t.name);
    }
  auto check = [&](std::span<Node* const> list, const char* what) {
    std::vector<std::string> columns = pg::strings(list);
    for (size_t i = 0; i < columns.size(); ++i) {
      if (std::find(names.begin(), names.end(), columns[i]) == names.end())
        fail(ErrorCode::kSyntaxError, std::string(what) + " column \"" + columns[i] + "\" not in WITH query column list",
             search != nullptr && what[0] == 's' ? search->location : cycle->location);
      for (size_t j = 0; j < i; ++j)
        if (columns[i] == columns[j])
          fail(ErrorCode::kDuplicateColumn, std::string(what) + " column \"" + columns[i] + "\" specified more than once",
               search != nullptr && what[0] == 's' ? search->location : cycle->location);
    }
    return columns;
  };
  std::vector<std::string> search_columns = search != nullptr ? check(PG_LIST(search, search_col_list), "search") : std::vector<std::string>{};
  std::vector<std::string> cycle_columns = cycle != nullptr ? check(PG_LIST(cycle, cycle_col_list), "cycle") : std::vector<std::string>{};
  auto taken = [&](const std::string& n) { return std::find(names.begin(), names.end(), n) != names.end(); };
  if (search != nullptr && taken(search->search_seq_column))
    fail(ErrorCode::kSyntaxError, std::string("search sequence column name \"") + search->search_seq_column + "\" already used in WITH query column list", search->location);
  if (cycle != nullptr) {
    if (taken(cycle->cycle_mark_column))
      fail(ErrorCode::kSyntaxError, std::string("cycle mark column name \"") + cycle->cycle_mark_column + "\" already used in WITH query column list", cycle->location);
    if (taken(cycle->cycle_path_column))
      fail(ErrorCode::kSyntaxError, std::string("cycle path column name \"") + cycle->cycle_path_column + "\" already used in WITH query column list", cycle->location);
    if (std::string_view(cycle->cycle_mark_column) == cycle->cycle_path_column)
      fail(ErrorCode::kSyntaxError, "cycle mark column name and cycle path column name are the same", cycle->location);
  }
  // Build the rewritten statement as text around the two terms' own trees: the terms become subqueries
  // named by placeholders that are swapped for the original nodes after parsing.
  auto id = [](const std::string& x) { return quote_identifier(x); };
  auto row = [&](const std::string& rel, const std::vector<std::string>& cols) {
    std::string r = "ROW(";
    for (size_t i = 0; i < cols.size(); ++i) r += (i > 0 ? ", " : "") + rel + "." + id(cols[i]);
    return r + ")";
  };
  std::string cols_l, cols_r;
  for (size_t i = 0; i < names.size(); ++i) {
    cols_l += (i > 0 ? ", " : "") + std::string("\"*TLOCRN*\".") + id(names[i]);
    cols_r += (i > 0 ? ", " : "") + std::string("\"*TROCRN*\".") + id(names[i]);
  }
  std::string extra_l, extra_r, condition;
  const std::string tl = "\"*TLOCRN*\"", tr = "\"*TROCRN*\"";
  if (search != nullptr) {
    std::string seq = id(search->search_seq_column);
    if (search->search_breadth_first) {
      std::string l = "ROW(0::bigint", r = "ROW((" + tr + ".\"*DEPTH*\") + 1";
      for (const std::string& x : search_columns) {
        l += ", " + tl + "." + id(x);
        r += ", " + tr + "." + id(x);
      }
      extra_l += ", " + l + ") AS " + seq + ", 0::bigint AS \"*DEPTH*\"";
      extra_r += ", " + r + ") AS " + seq + ", (" + tr + ".\"*DEPTH*\") + 1";
    } else {
      extra_l += ", ARRAY[" + row(tl, search_columns) + "] AS " + seq;
      extra_r += ", " + tr + "." + seq + " || ARRAY[" + row(tr, search_columns) + "]";
    }
  }
  if (cycle != nullptr) {
    std::string mark = id(cycle->cycle_mark_column), path = id(cycle->cycle_path_column);
    extra_l += ", \"*DEFAULT*\" AS " + mark + ", ARRAY[" + row(tl, cycle_columns) + "] AS " + path;
    extra_r += ", CASE WHEN " + row(tr, cycle_columns) + " = ANY (" + tr + "." + path + ") THEN \"*VALUE*\" ELSE \"*DEFAULT*\" END, " + tr + "." + path +
               " || ARRAY[" + row(tr, cycle_columns) + "]";
  }
  std::vector<std::string> pass;  // columns that the recursive term's subquery must pass through
  if (search != nullptr) {
    pass.emplace_back(search->search_seq_column);
    if (search->search_breadth_first) pass.emplace_back("*DEPTH*");
  }
  if (cycle != nullptr) {
    pass.emplace_back(cycle->cycle_mark_column);
    pass.emplace_back(cycle->cycle_path_column);
    condition = " WHERE " + tr + "." + id(cycle->cycle_mark_column) + " <> \"*VALUE*\"";
  }
  std::string alias_names;
  for (size_t i = 0; i < names.size(); ++i) alias_names += (i > 0 ? ", " : "") + id(names[i]);
  std::string right_names = alias_names;
  for (const std::string& p : pass) right_names += ", " + id(p);
  std::string sql = "SELECT " + cols_l + extra_l + " FROM (SELECT 1) AS \"*TLOCRN*\"(" + alias_names + ") UNION " + (sel->all ? "ALL " : "") + "SELECT " + cols_r +
                    extra_r + " FROM (SELECT 2) AS \"*TROCRN*\"(" + right_names + ")" + condition;
  ParseTreePtr tree = parse_sql(sql);
  auto* top = const_cast<pg::SelectStmt*>(tree->statements[0].node->select_stmt);
  // Swap in the original terms.
  pg::RangeSubselect* ls = top->larg->from_clause[0]->range_subselect;
  pg::RangeSubselect* rs = top->rarg->from_clause[0]->range_subselect;
  Node left_node = PG_QUERY__NODE__INIT, right_node = PG_QUERY__NODE__INIT;
  left_node.node_case = right_node.node_case = pg::kSelectStmt;
  left_node.select_stmt = sel->larg;
  // The recursive term also selects the carried columns of the self reference.
  pg::SelectStmt right = *sel->rarg;
  std::vector<Node*> targets(right.target_list, right.target_list + right.n_target_list);
  std::string self_alias;
  each_range_var(&sel->rarg->base, [&](const pg::RangeVar* rv) {
    if (!pg::has(rv->schemaname) && c.table.name == rv->relname) self_alias = rv->alias != nullptr ? rv->alias->aliasname : rv->relname;
  });
  std::string carry = "SELECT ";
  for (size_t i = 0; i < pass.size(); ++i) carry += (i > 0 ? ", " : "") + id(self_alias) + "." + id(pass[i]);
  ParseTreePtr carry_tree = parse_sql(carry);
  for (Node* n : PG_LIST(carry_tree->statements[0].node->select_stmt, target_list)) targets.push_back(n);
  right.target_list = targets.data();
  right.n_target_list = targets.size();
  right_node.select_stmt = &right;
  Node* saved_l = ls->subquery;
  Node* saved_r = rs->subquery;
  ls->subquery = &left_node;
  rs->subquery = &right_node;
  // Mark values take the place of the two placeholder column references.
  Node* value = cycle != nullptr ? cycle->cycle_mark_value : nullptr;
  Node* dflt = cycle != nullptr ? cycle->cycle_mark_default : nullptr;
  std::vector<std::pair<Node**, Node*>> restored;
  std::function<void(ProtobufCMessage*)> swap_marks = [&](ProtobufCMessage* m) {
    if (m == nullptr || m == &left_node.base || m == &right_node.base) return;
    const ProtobufCMessageDescriptor* d = m->descriptor;
    auto visit = [&](Node** slot) {
      Node* n = *slot;
      if (n == nullptr) return;
      if (n->node_case == pg::kColumnRef && n->column_ref->n_fields == 1 && value != nullptr) {
        std::string_view name = pg::str(n->column_ref->fields[0]);
        if (name == "*VALUE*" || name == "*DEFAULT*") {
          restored.emplace_back(slot, n);
          *slot = name == "*VALUE*" ? value : dflt;
          return;
        }
      }
      swap_marks(&n->base);
    };
    char* base = reinterpret_cast<char*>(m);
    for (unsigned i = 0; i < d->n_fields; ++i) {
      const ProtobufCFieldDescriptor& f = d->fields[i];
      if (f.type != PROTOBUF_C_TYPE_MESSAGE) continue;
      bool is_node = f.descriptor == &pg_query__node__descriptor;
      if (f.label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n = *reinterpret_cast<size_t*>(base + f.quantifier_offset);
        auto** items = *reinterpret_cast<ProtobufCMessage***>(base + f.offset);
        for (size_t k = 0; k < n; ++k) {
          if (is_node) visit(reinterpret_cast<Node**>(&items[k]));
          else swap_marks(items[k]);
        }
      } else {
        if ((f.flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 && *reinterpret_cast<int*>(base + f.quantifier_offset) != static_cast<int>(f.id)) continue;
        auto** slot = reinterpret_cast<ProtobufCMessage**>(base + f.offset);
        if (is_node) visit(reinterpret_cast<Node**>(slot));
        else swap_marks(*slot);
      }
    }
  };
  pg::AConst true_const = PG_QUERY__A__CONST__INIT, false_const = PG_QUERY__A__CONST__INIT;
  pg::Boolean true_value = PG_QUERY__BOOLEAN__INIT, false_value = PG_QUERY__BOOLEAN__INIT;
  Node true_node = PG_QUERY__NODE__INIT, false_node = PG_QUERY__NODE__INIT;
  if (cycle != nullptr && value == nullptr) {
    true_value.boolval = 1;
    true_const.val_case = false_const.val_case = PG_QUERY__A__CONST__VAL_BOOLVAL;
    true_const.boolval = &true_value;
    false_const.boolval = &false_value;
    true_const.location = false_const.location = -1;
    true_node.node_case = false_node.node_case = pg::kAConst;
    true_node.a_const = &true_const;
    false_node.a_const = &false_const;
    value = &true_node;
    dflt = &false_node;
  }
  swap_marks(&top->base);
  auto undo = [&] {
    for (auto& [slot, n] : restored) *slot = n;
    ls->subquery = saved_l;
    rs->subquery = saved_r;
  };
  pg::CommonTableExpr node = *c.node;
  node.ctequery = const_cast<Node*>(tree->statements[0].node);
  node.search_clause = nullptr;
  node.cycle_clause = nullptr;
  const pg::CommonTableExpr* original = c.node;
  c.node = &node;
  c.visible = names.size();
  try {
    auto bound = statement(node.ctequery, &s, &c);
    bound->can_set_tag = false;
    c.table.query = bound;
  } catch (...) {
    c.node = original;
    undo();
    throw;
  }
  c.node = original;
  undo();
  c.analyzed = true;
}

}  // namespace stele::sql
