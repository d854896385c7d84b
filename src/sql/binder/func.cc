// Function resolution: candidates, best match, and the call expressions.
#include "sql/binder/binder.h"

namespace stele::sql {

std::vector<Binder::Candidate> Binder::function_candidates(const std::vector<std::string>& names, int nargs, const std::vector<std::string>& arg_names,
                                                           bool expand_variadic, bool expand_defaults) {
  Oid schema = 0;
  if (names.size() > 3)
    fail(ErrorCode::kSyntaxError, "improper qualified name (too many dotted names): " + names_to_string(names));
  if (names.size() >= 2) {
    schema = cat.schema(names[names.size() - 2]);
    if (schema == 0) return {};
  }
  std::vector<Candidate> out;
  for (const ProcRow* row : cat.procs(names.back(), schema)) {
    const ProcRow* p = row;
    if (p->kind == 'p' && p->all_args.size() != p->args.size() && !p->all_args.empty()) {
      // CALL names OUT arguments too.
      auto& with_out = call_rows_[p->oid];
      if (with_out == nullptr) {
        with_out = std::make_shared<ProcRow>(*p);
        with_out->args = p->all_args;
        for (char& m : with_out->arg_modes)
          if (m == 'o') m = 'i';
      }
      p = with_out.get();
    }
    int declared = static_cast<int>(p->args.size());
    Candidate c{.proc = p};
    if (!arg_names.empty()) {
      // Named notation: each name must be an input argument's, after the positional ones.
      if (p->variadic != 0 && expand_variadic && declared < nargs) continue;
      if (nargs > declared || p->arg_names.empty()) continue;
      int positional = nargs - static_cast<int>(arg_names.size());
      std::vector<bool> given(declared, false);
      c.numbers.assign(nargs, 0);
      for (int i = 0; i < positional; ++i) {
        given[i] = true;
        c.numbers[i] = i;
      }
      bool ok = true;
      for (size_t k = 0; k < arg_names.size() && ok; ++k) {
        int input = 0, found = -1;
        for (size_t i = 0; i < p->arg_names.size(); ++i) {
          char mode = p->arg_modes.empty() ? 'i' : p->arg_modes[i];
          if (mode != 'i' && mode != 'b' && mode != 'v') continue;
          if (p->arg_names[i] == arg_names[k]) { found = input; break; }
          ++input;
        }
        if (found < 0 || given[found]) ok = false;
        else {
          given[found] = true;
          c.numbers[positional + static_cast<int>(k)] = found;
        }
      }
      if (!ok) continue;
      int next = nargs;
      for (int i = 0; i < declared && ok; ++i) {
        if (given[i]) continue;
        if (i < declared - p->n_defaults || !expand_defaults) ok = false;
        c.numbers.push_back(i);
        ++next;
      }
      if (!ok) continue;
      c.defaults = declared - nargs;
      for (int i : c.numbers) c.args.push_back(p->args[i]);
      out.push_back(std::move(c));
      continue;
    }
    if (nargs >= 0) {
      bool variadic = expand_variadic && p->variadic != 0 && nargs >= declared;
      if (nargs == declared && !(variadic && p->variadic != oid::kAny)) {
        variadic = variadic && p->variadic == oid::kAny;
        c.args = p->args;
        c.path = 0;
      } else if (variadic) {
        // handled below
      } else if (expand_defaults && declared > nargs && declared <= nargs + p->n_defaults) {
        c.defaults = declared - nargs;
        c.args.assign(p->args.begin(), p->args.begin() + nargs);
        out.push_back(std::move(c));
        continue;
      } else {
        continue;
      }
      if (variadic) {
        c.variadic = nargs - declared + 1;
        c.args.assign(p->args.begin(), p->args.end() - 1);
        for (int i = 0; i < c.variadic; ++i) c.args.push_back(p->variadic);
      }
    } else {
      c.args = p->args;
    }
    out.push_back(std::move(c));
  }
  // A non-variadic function with the same arguments hides a variadic expansion or one with defaults.
  std::vector<Candidate> kept;
  for (Candidate& c : out) {
    bool dropped = false;
    for (size_t k = 0; k < kept.size() && !dropped; ++k) {
      Candidate& o = kept[k];
      if (o.args != c.args) continue;
      int c_cost = (c.variadic != 0 ? 2 : 0) + (c.defaults != 0 ? 1 : 0), o_cost = (o.variadic != 0 ? 2 : 0) + (o.defaults != 0 ? 1 : 0);
      if (c_cost > o_cost) dropped = true;
      else if (c_cost < o_cost) { o = c; dropped = true; }
    }
    if (!dropped) kept.push_back(std::move(c));
  }
  return kept;
}

std::vector<size_t> Binder::match_candidates(const std::vector<Oid>& types, const std::vector<Candidate>& c) {
  std::vector<size_t> out;
  for (size_t i = 0; i < c.size(); ++i)
    if (c[i].args.size() >= types.size() && can_coerce(types, c[i].args, CoerceContext::kImplicit)) out.push_back(i);
  return out;
}

int Binder::select_candidate(const std::vector<Oid>& input, std::vector<Candidate>& c) {
  size_t n = input.size();
  std::vector<Oid> base(n);
  int unknowns = 0;
  for (size_t i = 0; i < n; ++i) {
    base[i] = input[i] == oid::kUnknown ? oid::kUnknown : cat.base_type(input[i]);
    if (input[i] == oid::kUnknown) ++unknowns;
  }
  std::vector<size_t> live(c.size());
  for (size_t i = 0; i < c.size(); ++i) live[i] = i;
  auto keep_best = [&](auto score) {
    int best = 0;
    std::vector<size_t> kept;
    for (size_t i : live) {
      int v = score(c[i]);
      if (kept.empty() || v > best) { best = v; kept.assign(1, i); }
      else if (v == best) kept.push_back(i);
    }
    live = kept;
  };
  keep_best([&](const Candidate& x) {
    int m = 0;
    for (size_t i = 0; i < n; ++i) m += base[i] != oid::kUnknown && x.args[i] == base[i];
    return m;
  });
  if (live.size() == 1) return static_cast<int>(live[0]);
  std::vector<char> category(n);
  for (size_t i = 0; i < n; ++i) category[i] = cat.category(base[i]);
  auto preferred = [&](char cat_of_slot, Oid t) {
    const TypeRow& r = cat.type(t);
    return r.category == cat_of_slot && r.preferred;
  };
  keep_best([&](const Candidate& x) {
    int m = 0;
    for (size_t i = 0; i < n; ++i)
      m += base[i] != oid::kUnknown && (x.args[i] == base[i] || preferred(category[i], x.args[i]));
    return m;
  });
  if (live.size() == 1) return static_cast<int>(live[0]);
  if (unknowns == 0) return -1;
  bool resolved = false;
  std::vector<char> slot_category(n, 0);
  std::vector<bool> slot_preferred(n, false);
  for (size_t i = 0; i < n; ++i) {
    if (base[i] != oid::kUnknown) continue;
    resolved = true;
    bool conflict = false, first = true;
    for (size_t k : live) {
      const TypeRow& t = cat.type(c[k].args[i]);
      if (first) {
        slot_category[i] = t.category;
        slot_preferred[i] = t.preferred;
        first = false;
      } else if (t.category == slot_category[i]) {
        slot_preferred[i] = slot_preferred[i] || t.preferred;
      } else if (t.category == 'S') {
        slot_category[i] = 'S';
        slot_preferred[i] = t.preferred;
      } else {
        conflict = true;
      }
    }
    if (conflict && slot_category[i] != 'S') { resolved = false; break; }
  }
  if (resolved) {
    std::vector<size_t> kept;
    for (size_t k : live) {
      bool ok = true;
      for (size_t i = 0; i < n && ok; ++i) {
        if (base[i] != oid::kUnknown) continue;
        const TypeRow& t = cat.type(c[k].args[i]);
        if (t.category != slot_category[i] || (slot_preferred[i] && !t.preferred)) ok = false;
      }
      if (ok) kept.push_back(k);
    }
    if (!kept.empty()) live = kept;
    if (live.size() == 1) return static_cast<int>(live[0]);
  }
  // If all known inputs have one type, take unknown ones as that type too.
  if (unknowns < static_cast<int>(n)) {
    Oid known = oid::kUnknown;
    for (size_t i = 0; i < n; ++i) {
      if (base[i] == oid::kUnknown) continue;
      if (known == oid::kUnknown) known = base[i];
      else if (known != base[i]) { known = oid::kUnknown; break; }
    }
    if (known != oid::kUnknown) {
      std::vector<Oid> all(n, known);
      int found = -1, count = 0;
      for (size_t k : live)
        if (can_coerce(all, c[k].args, CoerceContext::kImplicit)) {
          ++count;
          found = static_cast<int>(k);
        }
      if (count == 1) return found;
    }
  }
  return -1;
}

Binder::FuncMatch Binder::find_function(const std::vector<std::string>& names, const std::vector<ExprPtr>* args, const std::vector<Oid>& types,
                                        const std::vector<std::string>& arg_names, bool expand_variadic, bool expand_defaults) {
  FuncMatch m;
  std::vector<Candidate> all = function_candidates(names, static_cast<int>(types.size()), arg_names, expand_variadic, expand_defaults);
  const Candidate* best = nullptr;
  for (const Candidate& c : all)
    if (std::equal(types.begin(), types.end(), c.args.begin())) { best = &c; break; }
  std::vector<Candidate> kept;
  if (best == nullptr) {
    // f(x) with a type's name is a cast when it needs no more than relabelling or text conversion.
    if (types.size() == 1 && args != nullptr && arg_names.empty()) {
      const TypeRow* target = names.size() == 1 ? cat.find_type(names[0])
                              : names.size() == 2 ? cat.find_type(cat.schema(names[0]), names[1]) : nullptr;
      if (target != nullptr) {
        Oid source = types[0], func = 0;
        bool ok = false;
        if (source == oid::kUnknown && args->at(0)->kind == ExprKind::kConst) {
          ok = true;
        } else {
          switch (find_path(target->oid, source, CoerceContext::kExplicit, &func)) {
            case CoercePath::kRelabel: ok = true; break;
            case CoercePath::kViaIo:
              ok = !((source == oid::kRecord || cat.is_composite(source)) && target->category == 'S');
              break;
            default: break;
          }
        }
        if (ok && target->typtype != 'p') {
          m.kind = FuncKind::kCoercion;
          m.declared = {target->oid};
          return m;
        }
      }
    }
    for (size_t i : match_candidates(types, all)) kept.push_back(all[i]);
    if (kept.size() == 1) {
      best = &kept[0];
    } else if (kept.size() > 1) {
      int i = select_candidate(types, kept);
      if (i < 0) {
        m.kind = FuncKind::kMultiple;
        return m;
      }
      best = &kept[i];
    }
  }
  if (best == nullptr) return m;
  m.proc = best->proc;
  m.declared = best->args;
  m.variadic_count = best->variadic;
  m.defaults = best->defaults;
  m.arg_numbers = best->numbers;
  m.kind = best->proc->kind == 'a' ? FuncKind::kAggregate : best->proc->kind == 'w' ? FuncKind::kWindow
           : best->proc->kind == 'p' ? FuncKind::kProcedure : FuncKind::kNormal;
  return m;
}

std::string Binder::signature(const std::string& name, const std::vector<Oid>& types, const std::vector<std::string>& arg_names) {
  std::string s = name + "(";
  size_t positional = types.size() - arg_names.size();
  for (size_t i = 0; i < types.size(); ++i) {
    if (i > 0) s += ", ";
    if (i >= positional) s += arg_names[i - positional] + " => ";
    s += cat.format_type(types[i]);
  }
  return s + ")";
}

std::vector<ExprPtr> Binder::coerce_arguments(const std::vector<ExprPtr>& args, const std::vector<Oid>& actual, const std::vector<Oid>& declared) {
  std::vector<ExprPtr> out;
  for (size_t i = 0; i < args.size(); ++i) {
    ExprPtr a = args[i];
    if (i < declared.size() && actual[i] != declared[i]) {
      if (a->kind == ExprKind::kNamedArg) {
        auto n = std::make_shared<UnaryExpr>(as<UnaryExpr>(a));
        n->arg = coerce(n->arg, actual[i], declared[i], -1, CoerceContext::kImplicit, FuncFormat::kImplicitCast, -1);
        n->type = n->arg->type;
        a = n;
      } else {
        a = coerce(a, actual[i], declared[i], -1, CoerceContext::kImplicit, FuncFormat::kImplicitCast, -1);
      }
    }
    out.push_back(a);
  }
  return out;
}

ExprPtr Binder::default_argument(const ProcRow& p, int index) {
  int first = static_cast<int>(p.args.size()) - p.n_defaults;
  const std::string& sql = p.defaults.at(index - first);
  ParsedExpression parsed = parse_expression(sql);
  BindContext c;
  c.view = ctx.view;
  c.eval = ctx.eval;
  c.text = sql;
  Binder b(c);
  Scope s;
  Query q;
  s.query = &q;
  ExprPtr e = b.expr(s, parsed.node, ExprContext::kFunctionDefault);
  Oid want = p.args[index];
  if (!is_polymorphic(want) && e->type != want) {
    ExprPtr r = b.coerce_to_target(e, e->type, want, -1, CoerceContext::kAssignment, FuncFormat::kImplicitCast, -1);
    if (r != nullptr) e = r;
  }
  b.assign_collations(e);
  return e;
}

void Binder::check_srf(Scope& s, const ExprPtr& last_srf, int location) {
  const char* bad = nullptr;
  bool named = false;
  switch (s.kind) {
    case ExprContext::kNone: case ExprContext::kOther: case ExprContext::kSelectTarget: case ExprContext::kInsertTarget:
    case ExprContext::kOrderBy: case ExprContext::kDistinctOn: case ExprContext::kGroupBy: case ExprContext::kWindowPartition:
    case ExprContext::kWindowOrder: case ExprContext::kValuesSingle:
      break;
    case ExprContext::kFromFunction:
      if (s.last_srf != last_srf)
        fail(ErrorCode::kFeatureNotSupported, "set-returning functions must appear at top level of FROM", location);
      break;
    case ExprContext::kJoinOn: case ExprContext::kJoinUsing: bad = "set-returning functions are not allowed in JOIN conditions"; break;
    case ExprContext::kWindowFrameRange: case ExprContext::kWindowFrameRows: case ExprContext::kWindowFrameGroups:
      bad = "set-returning functions are not allowed in window definitions"; break;
    case ExprContext::kMergeWhen: bad = "set-returning functions are not allowed in MERGE WHEN conditions"; break;
    case ExprContext::kCheckConstraint: case ExprContext::kDomainCheck: bad = "set-returning functions are not allowed in check constraints"; break;
    case ExprContext::kColumnDefault: case ExprContext::kFunctionDefault: bad = "set-returning functions are not allowed in DEFAULT expressions"; break;
    case ExprContext::kIndexExpression: bad = "set-returning functions are not allowed in index expressions"; break;
    case ExprContext::kIndexPredicate: bad = "set-returning functions are not allowed in index predicates"; break;
    case ExprContext::kAlterColTransform: bad = "set-returning functions are not allowed in transform expressions"; break;
    case ExprContext::kExecuteParameter: bad = "set-returning functions are not allowed in EXECUTE parameters"; break;
    case ExprContext::kTriggerWhen: bad = "set-returning functions are not allowed in trigger WHEN conditions"; break;
    case ExprContext::kPolicy: bad = "set-returning functions are not allowed in policy expressions"; break;
    case ExprContext::kCallArgument: bad = "set-returning functions are not allowed in CALL arguments"; break;
    case ExprContext::kCopyWhere: bad = "set-returning functions are not allowed in COPY FROM WHERE conditions"; break;
    case ExprContext::kGeneratedColumn: bad = "set-returning functions are not allowed in column generation expressions"; break;
    default: named = true; break;
  }
  if (bad != nullptr) fail(ErrorCode::kFeatureNotSupported, bad, location);
  if (named) fail(ErrorCode::kFeatureNotSupported, std::string("set-returning functions are not allowed in ") + context_name(s.kind), location);
  s.has_srfs = true;
}

ExprPtr Binder::function(Scope& s, std::vector<std::string> names, std::vector<ExprPtr> args, const pg::FuncCall* f, bool column_ok, int location,
                         bool proc_call) {
  const std::string display = names_to_string(names);
  bool star = f != nullptr && f->agg_star, distinct = f != nullptr && f->agg_distinct, within = f != nullptr && f->agg_within_group;
  bool variadic = f != nullptr && f->func_variadic;
  size_t n_order = f != nullptr ? f->n_agg_order : 0;
  const pg::WindowDef* over = f != nullptr ? f->over : nullptr;
  ExprPtr last_srf = s.last_srf;
  ExprPtr filter;
  if (f != nullptr && f->agg_filter != nullptr) filter = where_clause(s, f->agg_filter, ExprContext::kFilter, "FILTER");
  std::vector<ExprPtr> order_args;
  if (args.size() > 100)
    fail(ErrorCode::kTooManyArguments, "cannot pass more than 100 arguments to a function", location);
  std::vector<Oid> types;
  std::vector<std::string> arg_names;
  for (const ExprPtr& a : args) {
    types.push_back(a->type);
    if (a->kind == ExprKind::kNamedArg) {
      const auto& n = as<UnaryExpr>(a);
      for (const std::string& other : arg_names)
        if (other == n.name)
          fail(ErrorCode::kSyntaxError, "argument name \"" + n.name + "\" used more than once", n.location);
      arg_names.push_back(n.name);
    } else if (!arg_names.empty()) {
      fail(ErrorCode::kSyntaxError, "positional argument cannot follow named argument", expr_location(a));
    }
  }
  ExprPtr first = args.empty() ? nullptr : args[0];
  bool decorated = star || distinct || within || n_order > 0 || over != nullptr || filter != nullptr || variadic || !arg_names.empty();
  bool could_be_projection = f == nullptr || (args.size() == 1 && !decorated && names.size() == 1);
  could_be_projection = could_be_projection && !proc_call && first != nullptr && args.size() == 1 &&
                        (types[0] == oid::kRecord || cat.is_composite(cat.base_type(types[0])));
  if (could_be_projection && column_ok)
    if (ExprPtr r = field_select(s, first, names.back(), location, true)) return r;

  FuncMatch m = find_function(names, &args, types, arg_names, !variadic, true);
  if (proc_call && m.proc != nullptr && m.kind != FuncKind::kProcedure)
    fail(ErrorCode::kWrongObjectType, signature(display, types, arg_names) + " is not a procedure", location, {}, "To call a function, use SELECT.");
  if (!proc_call && m.kind == FuncKind::kProcedure)
    fail(ErrorCode::kWrongObjectType, signature(display, types, arg_names) + " is a procedure", location, {}, "To call a procedure, use CALL.");
  if (m.kind == FuncKind::kNormal || m.kind == FuncKind::kProcedure || m.kind == FuncKind::kCoercion) {
    auto not_aggregate = [&](const char* what) {
      fail(ErrorCode::kWrongObjectType, std::string(what) + " specified, but " + display + " is not an aggregate function", location);
    };
    if (star)
      fail(ErrorCode::kWrongObjectType, display + "(*) specified, but " + display + " is not an aggregate function", location);
    if (distinct) not_aggregate("DISTINCT");
    if (within) not_aggregate("WITHIN GROUP");
    if (n_order > 0) not_aggregate("ORDER BY");
    if (filter != nullptr) not_aggregate("FILTER");
    if (over != nullptr)
      fail(ErrorCode::kWrongObjectType, "OVER specified, but " + display + " is not a window function nor an aggregate function", location);
  }
  if (m.kind == FuncKind::kAggregate && within && m.proc->agg_kind == 'n')
    fail(ErrorCode::kWrongObjectType, display + " is not an ordered-set aggregate, so it cannot have WITHIN GROUP", location);
  if (m.kind == FuncKind::kCoercion)
    return coerce(first, types[0], m.declared[0], -1, CoerceContext::kExplicit, FuncFormat::kCall, location);
  if (m.kind == FuncKind::kMultiple)
    fail(ErrorCode::kAmbiguousFunction, std::string(proc_call ? "procedure " : "function ") + signature(display, types, arg_names) + " is not unique", location, {},
         std::string("Could not choose a best candidate ") + (proc_call ? "procedure" : "function") + ". You might need to add explicit type casts.");
  std::vector<ExprPtr> aggregated_order;
  bool ordered_set = false;
  if (m.kind == FuncKind::kNotFound && within && n_order > 0) {
    // Ordered-set aggregates take their direct arguments, then the WITHIN GROUP ones.
    std::vector<ExprPtr> all = args;
    for (Node* node : pg::list(f->agg_order, f->n_agg_order)) {
      ExprPtr e = expr(s, node->sort_by->node, ExprContext::kOrderBy);
      aggregated_order.push_back(e);
      all.push_back(e);
      types.push_back(e->type);
    }
    m = find_function(names, &all, types, {}, !variadic, true);
    if (m.kind == FuncKind::kAggregate && m.proc->agg_kind != 'n') {
      args = all;
      ordered_set = true;
    } else {
      m = {};
    }
  } else if (m.kind == FuncKind::kAggregate && m.proc->agg_kind != 'n') {
    if (!within) {
      // Called with all arguments inside the parentheses.
      fail(ErrorCode::kWrongObjectType, "WITHIN GROUP is required for ordered-set aggregate " + display, location);
    }
    for (Node* node : pg::list(f->agg_order, f->n_agg_order)) {
      ExprPtr e = expr(s, node->sort_by->node, ExprContext::kOrderBy);
      args.push_back(e);
      types.push_back(e->type);
    }
    m = find_function(names, &args, types, {}, !variadic, true);
    ordered_set = true;
  }
  if (m.kind == FuncKind::kNotFound) {
    if (could_be_projection && !column_ok)
      if (ExprPtr r = field_select(s, first, names.back(), location, true)) return r;
    if (f == nullptr) return nullptr;
    if (names.size() >= 2 && cat.schema(names[names.size() - 2]) == 0)
      fail(ErrorCode::kInvalidSchemaName, "schema \"" + names[names.size() - 2] + "\" does not exist", location);
    if (n_order > 0 && !within)
      fail(ErrorCode::kUndefinedFunction, "function " + signature(display, types, arg_names) + " does not exist", location, {},
           "No aggregate function matches the given name and argument types. Perhaps you misplaced ORDER BY; ORDER BY must appear after all regular "
           "arguments of the aggregate.");
    fail(ErrorCode::kUndefinedFunction, std::string(proc_call ? "procedure " : "function ") + signature(display, types, arg_names) + " does not exist", location, {},
         std::string("No ") + (proc_call ? "procedure" : "function") + " matches the given name and argument types. You might need to add explicit type casts.");
  }
  const ProcRow& p = *m.proc;
  if (p.user) dependencies.push_back({ObjectKind::kFunction, p.oid, 0});

  std::vector<Oid> actual = types, declared = m.declared;
  // Named arguments keep their nodes until here; reorder them into declared order.
  if (!m.arg_numbers.empty()) {
    size_t total = p.args.size();
    std::vector<ExprPtr> ordered(total);
    std::vector<Oid> otypes(total);
    for (size_t i = 0; i < args.size(); ++i) {
      ExprPtr a = args[i]->kind == ExprKind::kNamedArg ? as<UnaryExpr>(args[i]).arg : args[i];
      ordered[m.arg_numbers[i]] = a;
      otypes[m.arg_numbers[i]] = types[i];
    }
    for (size_t i = 0; i < total; ++i)
      if (ordered[i] == nullptr) {
        ordered[i] = default_argument(p, static_cast<int>(i));
        otypes[i] = ordered[i]->type;
      }
    args = ordered;
    actual = otypes;
    declared = p.args;
  } else if (m.defaults > 0) {
    for (int i = static_cast<int>(args.size()); i < static_cast<int>(p.args.size()); ++i) {
      ExprPtr d = default_argument(p, i);
      args.push_back(d);
      actual.push_back(d->type);
      declared.push_back(p.args[i]);
    }
  }
  if (variadic && p.variadic == 0)
    fail(ErrorCode::kUndefinedFunction, "function " + signature(display, types) + " does not exist", location);
  Oid result;
  try {
    result = enforce_generics(actual, declared, p.result, false);
  } catch (Error& e) {
    if (e.position() == 0) e.set_position(position(location));
    throw;
  }
  args = coerce_arguments(args, actual, declared);
  bool func_variadic = variadic;
  if (m.variadic_count > 0 && p.variadic != oid::kAny) {
    size_t fixed = args.size() - static_cast<size_t>(m.variadic_count);
    auto array = make<ListExpr>(ExprKind::kArray);
    array->args.assign(args.begin() + static_cast<long>(fixed), args.end());
    array->element_type = array->args[0]->type;
    array->type = cat.type(array->element_type).array;
    if (array->type == 0)
      fail(ErrorCode::kUndefinedObject, "could not find array type for data type " + cat.format_type(array->element_type), expr_location(array->args[0]));
    array->location = expr_location(array->args[0]);
    args.resize(fixed);
    args.push_back(array);
    func_variadic = true;
  }
  if (variadic && p.variadic == oid::kAny && !args.empty() && cat.type(cat.base_type(args.back()->type)).element == 0)
    fail(ErrorCode::kDatatypeMismatch, "VARIADIC argument must be an array", expr_location(args.back()));
  if (p.returns_set && m.kind == FuncKind::kNormal) check_srf(s, last_srf, location);

  if (m.kind == FuncKind::kNormal || m.kind == FuncKind::kProcedure) {
    auto e = make<FuncExpr>();
    e->func = p.oid;
    e->type = result;
    e->args = args;
    e->returns_set = p.returns_set;
    e->variadic = func_variadic;
    e->format = f != nullptr && f->funcformat == pg::COERCE_SQL_SYNTAX ? FuncFormat::kSqlSyntax : FuncFormat::kCall;
    e->location = location;
    if (p.returns_set) s.last_srf = e;
    return e;
  }
  if (m.kind == FuncKind::kAggregate && over == nullptr) {
    auto a = make<AggregateExpr>();
    a->func = p.oid;
    a->type = result;
    a->args = args;
    a->star = star;
    a->distinct = distinct;
    a->filter = filter;
    a->variadic = func_variadic;
    a->agg_kind = p.agg_kind;
    a->location = location;
    if (args.empty() && !star)
      fail(ErrorCode::kWrongObjectType, display + "(*) must be used to call a parameterless aggregate function", location);
    if (p.returns_set) fail(ErrorCode::kInvalidFunctionDefinition, "aggregates cannot return sets", location);
    if (!arg_names.empty()) fail(ErrorCode::kFeatureNotSupported, "aggregates cannot use named arguments", location);
    if (ordered_set) {
      if (distinct) fail(ErrorCode::kFeatureNotSupported, "cannot use DISTINCT with WITHIN GROUP", location);
      size_t direct = p.agg_kind == 'h' || p.variadic != 0 ? args.size() - n_order : static_cast<size_t>(p.agg_direct);
      if (args.size() != direct + n_order && p.variadic == 0)
        fail(ErrorCode::kUndefinedFunction, "function " + signature(display, types) + " does not exist", location, {},
             "There is an ordered-set aggregate " + display + ", but it requires " + std::to_string(p.agg_direct) + " direct arguments, not " +
                 std::to_string(args.size() - n_order) + ".");
      if (p.agg_kind == 'h') {
        // Hypothetical arguments are unified with the columns they would be sorted among.
        if (direct != n_order)
          fail(ErrorCode::kUndefinedFunction, "function " + signature(display, types) + " does not exist", location, {},
               "To use the hypothetical-set aggregate " + display + ", the number of hypothetical direct arguments (here " + std::to_string(direct) +
                   ") must match the number of ordering columns (here " + std::to_string(n_order) + ").");
        for (size_t i = 0; i < direct; ++i) {
          ExprPtr& h = a->args[i];
          ExprPtr& o = a->args[direct + i];
          Oid t = common_type({o, h}, "WITHIN GROUP");
          h = coerce_to_target(h, h->type, t, -1, CoerceContext::kImplicit, FuncFormat::kImplicitCast, -1);
          o = coerce_to_target(o, o->type, t, -1, CoerceContext::kImplicit, FuncFormat::kImplicitCast, -1);
        }
      }
      a->direct_args.assign(a->args.begin(), a->args.begin() + static_cast<long>(direct));
      a->args.erase(a->args.begin(), a->args.begin() + static_cast<long>(direct));
      if (a->args.size() > n_order) a->args.resize(n_order);
    }
    finish_aggregate(s, a, f != nullptr ? pg::list(f->agg_order, f->n_agg_order) : std::span<Node* const>{}, ordered_set, display);
    return a;
  }
  // Window functions, and aggregates with OVER.
  if (over == nullptr) fail(ErrorCode::kWrongObjectType, "window function " + display + " requires an OVER clause", location);
  if (within) fail(ErrorCode::kWrongObjectType, "window function " + display + " cannot have WITHIN GROUP", location);
  auto w = make<WindowExpr>();
  w->func = p.oid;
  w->type = result;
  w->args = args;
  for (const ExprPtr& a : args) w->arg_types.push_back(a->type);
  w->star = star;
  w->is_aggregate = m.kind == FuncKind::kAggregate;
  w->filter = filter;
  w->variadic = func_variadic;
  w->location = location;
  if (distinct) fail(ErrorCode::kFeatureNotSupported, "DISTINCT is not implemented for window functions", location);
  if (w->is_aggregate && args.empty() && !star)
    fail(ErrorCode::kWrongObjectType, display + "(*) must be used to call a parameterless aggregate function", location);
  if (n_order > 0) fail(ErrorCode::kFeatureNotSupported, "aggregate ORDER BY is not implemented for window functions", location);
  if (!w->is_aggregate && filter != nullptr)
    fail(ErrorCode::kFeatureNotSupported, "FILTER is not implemented for non-aggregate window functions", location);
  if (s.last_srf != last_srf)
    fail(ErrorCode::kFeatureNotSupported, "window function calls cannot contain set-returning function calls", expr_location(s.last_srf), {},
         "You might be able to move the set-returning function into a LATERAL FROM item.");
  finish_window(s, w, over, location);
  return w;
}

}  // namespace stele::sql
