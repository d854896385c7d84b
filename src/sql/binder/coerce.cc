// Type coercion: which conversions exist in which context, and the expressions that do them.
#include "sql/binder/binder.h"
#include "types/type_io.h"

namespace stele::sql {

bool is_polymorphic_family1(Oid t) {
  return t == oid::kAnyElement || t == oid::kAnyArray || t == oid::kAnyNonArray || t == oid::kAnyEnum || t == oid::kAnyRange ||
         t == oid::kAnyMultirange;
}
bool is_polymorphic_family2(Oid t) {
  return t == oid::kAnyCompatible || t == oid::kAnyCompatibleArray || t == oid::kAnyCompatibleNonArray ||
         t == oid::kAnyCompatibleRange || t == oid::kAnyCompatibleMultirange;
}
bool is_polymorphic(Oid t) { return is_polymorphic_family1(t) || is_polymorphic_family2(t); }

ExprPtr Binder::make_const(Oid type, int32_t typmod, Oid collation, Datum value, bool is_null, int location) {
  auto c = make<ConstExpr>();
  c->type = type;
  c->typmod = typmod;
  c->collation = collation;
  c->is_null = is_null;
  c->location = location;
  const TypeRow* t = cat.find_type(cat.base_type(type));
  bool by_value = t == nullptr || passed_by_value(t->like != 0 ? t->like : t->oid) || t->typtype == 'e';
  if (!is_null && !by_value) {
    const Varlena* v = value.as_varlena();
    size_t bytes = sizeof(Varlena) + v->size;
    // Whole words: payloads with structure are read at 8-byte alignment.
    std::shared_ptr<char[]> owned(reinterpret_cast<char*>(new uint64_t[(bytes + 7) / 8]),
                                  [](char* p) { delete[] reinterpret_cast<uint64_t*>(p); });
    std::memcpy(owned.get(), v, bytes);
    c->owned = owned;
    c->value = Datum::from_varlena(reinterpret_cast<const Varlena*>(owned.get()));
  } else {
    c->value = value;
  }
  return c;
}

ExprPtr Binder::text_const(Oid type, std::string_view text, int location) {
  Arena arena;
  return make_const(type, -1, type == oid::kUnknown ? 0 : cat.type(type).collation, make_bytes(arena, text), false, location);
}
ExprPtr Binder::int4_const(int32_t v) { return make_const(oid::kInt4, -1, 0, Datum::from_int(v), false); }
ExprPtr Binder::bool_const(bool v) { return make_const(oid::kBool, -1, 0, Datum::from_bool(v), false); }

CoercePath Binder::find_path(Oid target, Oid source, CoerceContext cc, Oid* func) {
  *func = 0;
  source = cat.base_type(source);
  target = cat.base_type(target);
  if (source == target) return CoercePath::kRelabel;
  if (auto c = cat.find_cast(source, target)) {
    CoerceContext need = c->context == 'i' ? CoerceContext::kImplicit : c->context == 'a' ? CoerceContext::kAssignment : CoerceContext::kExplicit;
    if (cc >= need) {
      if (c->method == 'f') { *func = c->func; return CoercePath::kFunc; }
      return c->method == 'i' ? CoercePath::kViaIo : CoercePath::kRelabel;
    }
    return cc == CoerceContext::kPlpgsql ? CoercePath::kViaIo : CoercePath::kNone;
  }
  const TypeRow& t = cat.type(target);
  const TypeRow& s = cat.type(source);
  CoercePath result = CoercePath::kNone;
  if (target != oid::kOidVector && target != oid::kInt2Vector && t.element != 0 && s.element != 0) {
    Oid element_func;
    CoercePath p = find_path(t.element, s.element, cc, &element_func);
    if (p != CoercePath::kNone) result = CoercePath::kArray;
  }
  if (result == CoercePath::kNone) {
    if (cc >= CoerceContext::kAssignment && t.category == 'S') result = CoercePath::kViaIo;
    else if (cc >= CoerceContext::kExplicit && s.category == 'S') result = CoercePath::kViaIo;
  }
  if (cc == CoerceContext::kPlpgsql && result == CoercePath::kNone) result = CoercePath::kViaIo;
  return result;
}

CoercePath Binder::find_typmod_path(Oid type, Oid* func) {
  *func = 0;
  const TypeRow& t = cat.type(type);
  if (t.element != 0) {
    if (auto c = cat.find_cast(t.element, t.element); c && c->func != 0) return CoercePath::kArray;
    return CoercePath::kNone;
  }
  if (auto c = cat.find_cast(type, type); c && c->func != 0) {
    *func = c->func;
    return CoercePath::kFunc;
  }
  return CoercePath::kNone;
}

bool Binder::can_coerce(const std::vector<Oid>& from, const std::vector<Oid>& to, CoerceContext cc) {
  bool generics = false;
  for (size_t i = 0; i < from.size(); ++i) {
    Oid in = from[i], target = to[i];
    if (in == target || target == oid::kAny) continue;
    if (is_polymorphic(target)) { generics = true; continue; }
    if (in == oid::kUnknown) continue;
    if (in == 0) return false;
    Oid func;
    if (find_path(target, in, cc, &func) != CoercePath::kNone) continue;
    if (in == oid::kRecord && cat.is_composite(cat.base_type(target))) continue;
    if (target == oid::kRecord && cat.is_composite(cat.base_type(in))) continue;
    if (in == oid::kRecordArray && cat.is_array(target) && cat.is_composite(cat.type(target).element)) continue;
    if (target == oid::kRecordArray && cat.is_array(in) && cat.is_composite(cat.type(in).element)) continue;
    if (cat.is_composite(in) && cat.is_composite(target)) {
      auto r = cat.relation(cat.type(in).relation);
      bool inherits = false;
      std::vector<Oid> todo = r ? r->parents : std::vector<Oid>{};
      while (!todo.empty() && !inherits) {
        auto p = cat.relation(todo.back());
        todo.pop_back();
        if (p == nullptr) continue;
        inherits = p->row_type == target;
        todo.insert(todo.end(), p->parents.begin(), p->parents.end());
      }
      if (inherits) continue;
    }
    return false;
  }
  return !generics || check_generics(from, to);
}

ExprPtr Binder::coerce_to_target(ExprPtr e, Oid from, Oid to, int32_t typmod, CoerceContext cc, FuncFormat format, int location) {
  if (!can_coerce(from, to, cc)) return nullptr;
  ExprPtr collated = nullptr;
  ExprPtr inner = e;
  if (e->kind == ExprKind::kCollate) {
    while (inner->kind == ExprKind::kCollate) inner = as<UnaryExpr>(inner).arg;
    collated = e;
  }
  ExprPtr r = coerce(inner, from, to, typmod, cc, format, location);
  bool hide = r != inner && r->kind != ExprKind::kConst;
  r = coerce_typmod(r, to, typmod, cc, format, location, hide);
  if (collated != nullptr && cat.type(to).collation != 0) {
    auto c = make<UnaryExpr>(ExprKind::kCollate);
    c->arg = r;
    c->type = r->type;
    c->typmod = r->typmod;
    c->collation = collated->collation;
    c->location = collated->location;
    r = c;
  }
  return r;
}

ExprPtr Binder::coerce(ExprPtr e, Oid from, Oid to, int32_t typmod, CoerceContext cc, FuncFormat format, int location) {
  if (to == from || e == nullptr) return e;
  if (to == oid::kAny || to == oid::kAnyElement || to == oid::kAnyNonArray || to == oid::kAnyCompatible || to == oid::kAnyCompatibleNonArray)
    return e;
  if (is_polymorphic(to)) {
    if (from != oid::kUnknown) {
      Oid base = cat.base_type(from);
      if (base != from) {
        auto r = make<UnaryExpr>(ExprKind::kRelabel);
        r->arg = e;
        r->type = base;
        r->typmod = -1;
        r->format = format;
        r->location = location;
        return r;
      }
      return e;
    }
  }
  if (from == oid::kUnknown && e->kind == ExprKind::kConst) {
    const auto& con = as<ConstExpr>(e);
    int32_t base_typmod = typmod;
    Oid base = cat.base_type(to, &base_typmod);
    // Length coercion of the literal is done by an explicit step, as for any value; interval keeps it.
    int32_t input_typmod = base == oid::kInterval ? base_typmod : -1;
    ExprPtr r;
    if (con.is_null) {
      r = make_const(base, input_typmod, cat.type(base).collation, {}, true, con.location);
    } else {
      Arena arena;
      Datum v;
      try {
        v = type_input(base, con.value.as_view(), input_typmod, arena, *ctx.eval);
      } catch (Error& err) {
        if (err.position() == 0 && con.location >= 0) err.set_position(position(con.location));
        throw;
      }
      r = make_const(base, input_typmod, cat.type(base).collation, v, false, con.location);
    }
    if (base != to) r = coerce_to_domain(r, base, base_typmod, to, cc, format, location, false);
    return r;
  }
  if (e->kind == ExprKind::kParam && as<ParamExpr>(e).param_kind == ParamKind::kExtern && from == oid::kUnknown && ctx.params != nullptr &&
      ctx.params->infer) {
    const auto& p = as<ParamExpr>(e);
    Oid& known = ctx.params->types[p.id - 1];
    if (known == oid::kUnknown || known == 0) known = to;
    else if (known != to && known != oid::kUnknown)
      fail(ErrorCode::kAmbiguousParameter, "inconsistent types deduced for parameter $" + std::to_string(p.id), p.location,
           cat.format_type(known) + " versus " + cat.format_type(to));
    // The node is shared with no one yet; its type is what the first use wants.
    auto m = std::const_pointer_cast<Expr>(e);
    m->type = to;
    m->typmod = -1;
    m->collation = cat.type(to).collation;
    if (m->location < 0 || (location >= 0 && location < m->location)) m->location = location;
    return e;
  }
  if (e->kind == ExprKind::kCollate) {
    const auto& c = as<UnaryExpr>(e);
    ExprPtr inner = coerce(c.arg, from, to, typmod, cc, format, location);
    if (cat.type(to).collation == 0) return inner;
    auto r = make<UnaryExpr>(ExprKind::kCollate);
    r->arg = inner;
    r->type = inner->type;
    r->typmod = inner->typmod;
    r->collation = c.collation;
    r->location = c.location;
    return r;
  }
  Oid func;
  CoercePath path = find_path(to, from, cc, &func);
  if (path != CoercePath::kNone) {
    int32_t base_typmod = typmod;
    Oid base = cat.base_type(to, &base_typmod);
    ExprPtr r;
    if (path != CoercePath::kRelabel) {
      r = build_coercion(e, path, func, base, base_typmod, cc, format, location);
      if (to != base) r = coerce_to_domain(r, base, base_typmod, to, cc, format, location, true);
      return r;
    }
    r = coerce_to_domain(e, base, base_typmod, to, cc, format, location, false);
    if (r == e) {
      auto u = make<UnaryExpr>(ExprKind::kRelabel);
      u->arg = e;
      u->type = to;
      u->typmod = -1;
      u->format = format;
      u->location = location;
      r = u;
    }
    return r;
  }
  if (from == oid::kRecord && cat.is_composite(cat.base_type(to))) return coerce_record(e, to, cc, format, location);
  if (to == oid::kRecord && cat.is_composite(cat.base_type(from))) return e;
  if (to == oid::kRecordArray || from == oid::kRecordArray) return e;
  if (cat.is_composite(from) && cat.is_composite(to)) {
    auto r = make<UnaryExpr>(ExprKind::kConvertRowType);
    r->arg = e;
    r->type = to;
    r->format = format;
    r->location = location;
    return r;
  }
  throw Error(ErrorCode::kInternalError, "failed to find conversion function from " + cat.format_type(from) + " to " + cat.format_type(to));
}

ExprPtr Binder::build_coercion(ExprPtr e, CoercePath path, Oid func, Oid to, int32_t typmod, CoerceContext cc, FuncFormat format, int location) {
  if (path == CoercePath::kFunc) {
    const ProcRow* p = cat.proc(func);
    auto f = make<FuncExpr>();
    f->func = func;
    f->type = to;
    f->format = format;
    f->location = location;
    // A cast function may take a binary-compatible input (varchar for text).
    ExprPtr arg = e;
    f->args.push_back(arg);
    if (p != nullptr && p->args.size() >= 2) f->args.push_back(int4_const(typmod));
    if (p != nullptr && p->args.size() == 3) f->args.push_back(bool_const(cc == CoerceContext::kExplicit));
    return f;
  }
  if (path == CoercePath::kArray) {
    Oid source_element = cat.type(cat.base_type(e->type)).element;
    Oid target_element = cat.type(to).element;
    auto placeholder = make<CaseTestExpr>();
    placeholder->type = source_element;
    placeholder->collation = cat.type(source_element).collation;
    ExprPtr element = coerce_to_target(placeholder, source_element, target_element, typmod, cc, format, location);
    if (element == nullptr)
      throw Error(ErrorCode::kInternalError, "failed to coerce array element type as expected");
    auto a = make<UnaryExpr>(ExprKind::kArrayCoerce);
    a->arg = e;
    a->element = element;
    a->type = to;
    a->typmod = element->typmod;
    a->format = format;
    a->location = location;
    return a;
  }
  auto io = make<UnaryExpr>(ExprKind::kCoerceViaIo);
  io->arg = e;
  io->type = to;
  io->format = format;
  io->location = location;
  return io;
}

ExprPtr Binder::coerce_to_domain(ExprPtr e, Oid base, int32_t base_typmod, Oid type, CoerceContext cc, FuncFormat format, int location, bool hide) {
  if (base == 0) base = cat.base_type(type, &base_typmod);
  if (type == base) return e;
  if (hide && e->kind != ExprKind::kConst) {
    auto m = std::const_pointer_cast<Expr>(e);
    if (e->kind == ExprKind::kFunc) std::static_pointer_cast<FuncExpr>(m)->format = FuncFormat::kImplicitCast;
    else if (e->kind == ExprKind::kRelabel || e->kind == ExprKind::kCoerceViaIo || e->kind == ExprKind::kArrayCoerce)
      std::static_pointer_cast<UnaryExpr>(m)->format = FuncFormat::kImplicitCast;
  }
  e = coerce_typmod(e, base, base_typmod, cc, FuncFormat::kImplicitCast, location, false);
  auto d = make<UnaryExpr>(ExprKind::kCoerceToDomain);
  d->arg = e;
  d->type = type;
  d->typmod = -1;
  d->format = format;
  d->location = location;
  return d;
}

ExprPtr Binder::coerce_typmod(ExprPtr e, Oid type, int32_t typmod, CoerceContext cc, FuncFormat format, int location, bool hide) {
  if (typmod == e->typmod) return e;
  if (hide) {
    auto m = std::const_pointer_cast<Expr>(e);
    if (e->kind == ExprKind::kFunc) std::static_pointer_cast<FuncExpr>(m)->format = FuncFormat::kImplicitCast;
    else if (e->kind == ExprKind::kRelabel || e->kind == ExprKind::kCoerceViaIo || e->kind == ExprKind::kArrayCoerce)
      std::static_pointer_cast<UnaryExpr>(m)->format = FuncFormat::kImplicitCast;
  }
  Oid func;
  CoercePath path = typmod < 0 ? CoercePath::kNone : find_typmod_path(type, &func);
  if (path != CoercePath::kNone) {
    ExprPtr r = build_coercion(e, path, func, type, typmod, cc, format, location);
    std::const_pointer_cast<Expr>(r)->typmod = typmod;
    return r;
  }
  if (e->type == type) {
    auto u = make<UnaryExpr>(ExprKind::kRelabel);
    u->arg = e;
    u->type = type;
    u->typmod = typmod;
    u->collation = e->collation;
    u->format = format;
    u->location = location;
    return u;
  }
  return e;
}

ExprPtr Binder::coerce_record(ExprPtr e, Oid to, CoerceContext cc, FuncFormat format, int location) {
  std::vector<ExprPtr> args;
  if (e->kind == ExprKind::kRow) {
    args = as<ListExpr>(e).args;
  } else if (e->kind == ExprKind::kVar && as<VarExpr>(e).column == 0) {
    auto columns = row_columns(nullptr, e);
    for (size_t i = 0; i < columns.size(); ++i) {
      auto f = make<FieldSelectExpr>();
      f->arg = e;
      f->field = static_cast<int16_t>(i + 1);
      f->type = columns[i].type;
      f->typmod = columns[i].typmod;
      args.push_back(f);
    }
  } else {
    fail(ErrorCode::kCannotCoerce, "cannot cast type " + cat.format_type(oid::kRecord) + " to " + cat.format_type(to), location);
  }
  int32_t base_typmod = -1;
  Oid base = cat.base_type(to, &base_typmod);
  auto relation = cat.relation(cat.type(base).relation);
  auto row = make<ListExpr>(ExprKind::kRow);
  size_t used = 0;
  for (const catalog::Column& c : relation->columns) {
    if (c.dropped) {
      row->args.push_back(make_null(oid::kInt4));
      continue;
    }
    if (used >= args.size())
      fail(ErrorCode::kCannotCoerce, "cannot cast type " + cat.format_type(oid::kRecord) + " to " + cat.format_type(to), location,
           "Input has too few columns.");
    ExprPtr arg = args[used++];
    ExprPtr r = coerce_to_target(arg, arg->type, c.type, c.typmod, cc, FuncFormat::kImplicitCast, -1);
    if (r == nullptr)
      fail(ErrorCode::kCannotCoerce, "cannot cast type " + cat.format_type(oid::kRecord) + " to " + cat.format_type(to), location,
           "Cannot cast type " + cat.format_type(arg->type) + " to " + cat.format_type(c.type) + " in column " + std::to_string(used) + ".");
    row->args.push_back(r);
    row->names.push_back(c.name);
  }
  if (used < args.size())
    fail(ErrorCode::kCannotCoerce, "cannot cast type " + cat.format_type(oid::kRecord) + " to " + cat.format_type(to), location,
         "Input has too many columns.");
  row->type = base;
  row->location = location;
  ExprPtr out = row;
  if (base != to) out = coerce_to_domain(out, base, base_typmod, to, cc, format, location, false);
  return out;
}

ExprPtr Binder::to_boolean(ExprPtr e, const char* construct) {
  if (e->type != oid::kBool) {
    ExprPtr r = coerce_to_target(e, e->type, oid::kBool, -1, CoerceContext::kAssignment, FuncFormat::kImplicitCast, -1);
    if (r == nullptr)
      fail(ErrorCode::kDatatypeMismatch, std::string("argument of ") + construct + " must be type boolean, not type " + cat.format_type(e->type),
           expr_location(e));
    e = r;
  }
  if (returns_set(e))
    fail(ErrorCode::kDatatypeMismatch, std::string("argument of ") + construct + " must not return a set", expr_location(e));
  return e;
}

ExprPtr Binder::to_specific(ExprPtr e, Oid type, const char* construct) {
  if (e->type != type) {
    ExprPtr r = coerce_to_target(e, e->type, type, -1, CoerceContext::kAssignment, FuncFormat::kImplicitCast, -1);
    if (r == nullptr)
      fail(ErrorCode::kDatatypeMismatch,
           std::string("argument of ") + construct + " must be type " + cat.format_type(type) + ", not type " + cat.format_type(e->type),
           expr_location(e));
    e = r;
  }
  if (returns_set(e))
    fail(ErrorCode::kDatatypeMismatch, std::string("argument of ") + construct + " must not return a set", expr_location(e));
  return e;
}

Oid Binder::common_type(const std::vector<ExprPtr>& exprs, const char* context, size_t* which) {
  size_t pick = 0;
  Oid ptype = exprs[0]->type;
  size_t i = 1;
  if (ptype != oid::kUnknown) {
    for (; i < exprs.size(); ++i)
      if (exprs[i]->type != ptype) break;
    if (i == exprs.size()) {
      if (which != nullptr) *which = 0;
      return ptype;
    }
  }
  ptype = cat.base_type(ptype);
  char category = cat.category(ptype);
  bool preferred = cat.type(ptype).preferred;
  for (; i < exprs.size(); ++i) {
    Oid ntype = cat.base_type(exprs[i]->type);
    if (ntype == oid::kUnknown || ntype == ptype) continue;
    char ncategory = cat.category(ntype);
    bool npreferred = cat.type(ntype).preferred;
    if (ptype == oid::kUnknown) {
      pick = i;
      ptype = ntype;
      category = ncategory;
      preferred = npreferred;
    } else if (ncategory != category) {
      if (context == nullptr) return 0;
      fail(ErrorCode::kDatatypeMismatch,
           std::string(context) + " types " + cat.format_type(ptype) + " and " + cat.format_type(ntype) + " cannot be matched",
           expr_location(exprs[i]));
    } else if (!preferred && can_coerce(ptype, ntype, CoerceContext::kImplicit) && !can_coerce(ntype, ptype, CoerceContext::kImplicit)) {
      pick = i;
      ptype = ntype;
      category = ncategory;
      preferred = npreferred;
    }
  }
  if (ptype == oid::kUnknown) ptype = oid::kText;
  if (which != nullptr) *which = pick;
  return ptype;
}

ExprPtr Binder::to_common(ExprPtr e, Oid type, const char* context) {
  if (e->type == type) return e;
  if (!can_coerce(e->type, type, CoerceContext::kImplicit))
    fail(ErrorCode::kCannotCoerce, std::string(context) + " could not convert type " + cat.format_type(e->type) + " to " + cat.format_type(type),
         expr_location(e));
  return coerce(e, e->type, type, -1, CoerceContext::kImplicit, FuncFormat::kImplicitCast, -1);
}

int32_t Binder::common_typmod(const std::vector<ExprPtr>& exprs, Oid type) {
  int32_t result = 0;
  bool first = true;
  for (const ExprPtr& e : exprs) {
    if (e->type != type) return -1;
    if (first) result = e->typmod;
    else if (e->typmod != result) return -1;
    first = false;
  }
  return result;
}

// Would the actual types fit the polymorphic declared ones? Like enforce_generics, but never throws.
bool Binder::check_generics(const std::vector<Oid>& actual, const std::vector<Oid>& declared) {
  Oid elem = 0, array = 0, range = 0, multirange = 0;
  bool nonarray = false, is_enum = false, c_nonarray = false, c_family = false;
  std::vector<Oid> compatible;
  Oid c_range = 0, c_multirange = 0, c_range_sub = 0;
  for (size_t i = 0; i < declared.size(); ++i) {
    Oid d = declared[i], a = actual[i];
    if (d == oid::kAnyElement || d == oid::kAnyNonArray || d == oid::kAnyEnum) {
      if (d == oid::kAnyNonArray) nonarray = true;
      if (d == oid::kAnyEnum) is_enum = true;
      if (a == oid::kUnknown) continue;
      if (elem != 0 && a != elem) return false;
      elem = a;
    } else if (d == oid::kAnyArray) {
      if (a == oid::kUnknown) continue;
      a = cat.base_type(a);
      if (array != 0 && a != array) return false;
      array = a;
    } else if (d == oid::kAnyRange) {
      if (a == oid::kUnknown) continue;
      a = cat.base_type(a);
      if (range != 0 && a != range) return false;
      range = a;
    } else if (d == oid::kAnyMultirange) {
      if (a == oid::kUnknown) continue;
      a = cat.base_type(a);
      if (multirange != 0 && a != multirange) return false;
      multirange = a;
    } else if (d == oid::kAnyCompatible || d == oid::kAnyCompatibleNonArray) {
      c_family = true;
      if (d == oid::kAnyCompatibleNonArray) c_nonarray = true;
      if (a != oid::kUnknown) compatible.push_back(a);
    } else if (d == oid::kAnyCompatibleArray) {
      c_family = true;
      if (a == oid::kUnknown) continue;
      const TypeRow& t = cat.type(cat.base_type(a));
      if (t.element == 0) return false;
      compatible.push_back(t.element);
    } else if (d == oid::kAnyCompatibleRange) {
      c_family = true;
      if (a == oid::kUnknown) continue;
      a = cat.base_type(a);
      if (c_range != 0 && c_range != a) return false;
      c_range = a;
      c_range_sub = cat.type(a).subtype;
      if (c_range_sub == 0) return false;
      compatible.push_back(c_range_sub);
    } else if (d == oid::kAnyCompatibleMultirange) {
      c_family = true;
      if (a == oid::kUnknown) continue;
      a = cat.base_type(a);
      if (c_multirange != 0 && c_multirange != a) return false;
      c_multirange = a;
      Oid r = cat.type(a).range;
      if (r == 0) return false;
      compatible.push_back(cat.type(r).subtype);
    }
  }
  if (array != 0) {
    if (array == oid::kAnyArray) {
      if (elem != 0 && elem != oid::kAnyElement) return false;
      elem = oid::kAnyElement;
    } else {
      Oid e = cat.type(array).element;
      if (e == 0) return false;
      if (elem == 0) elem = e;
      else if (elem != e) return false;
    }
  }
  if (range != 0 || multirange != 0) {
    if (multirange != 0) {
      Oid r = cat.type(multirange).range;
      if (r == 0 || (range != 0 && range != r)) return false;
      range = r;
    }
    Oid sub = cat.type(range).subtype;
    if (sub == 0) return false;
    if (elem == 0) elem = sub;
    else if (elem != sub) return false;
  }
  if (nonarray && elem != 0 && cat.is_array(cat.base_type(elem))) return false;
  if (is_enum && elem != 0 && cat.type(elem).typtype != 'e') return false;
  if (c_family && !compatible.empty()) {
    std::vector<ExprPtr> fake;
    for (Oid t : compatible) {
      auto e = make<CaseTestExpr>();
      e->type = t;
      fake.push_back(e);
    }
    Oid common = common_type(fake, nullptr);
    if (common == 0) return false;
    for (Oid t : compatible)
      if (!can_coerce(t, common, CoerceContext::kImplicit)) return false;
    if (c_nonarray && cat.is_array(common)) return false;
    if (c_range_sub != 0 && common != c_range_sub) return false;
  }
  return true;
}

Oid Binder::enforce_generics(const std::vector<Oid>& actual, std::vector<Oid>& declared, Oid result, bool allow_poly) {
  Oid elem = 0, array = 0, range = 0, multirange = 0;
  bool poly = false, poly_unknown = false, nonarray = false, is_enum = false, any_multirange = false;
  bool c_poly = false, c_nonarray = false;
  Oid c_range = 0, c_range_sub = 0, c_multirange = 0;
  std::vector<Oid> compatible;
  auto mismatch = [&](const char* what, Oid first, Oid second) {
    fail(ErrorCode::kDatatypeMismatch, std::string("arguments declared \"") + what + "\" are not all alike", -1,
         cat.format_type(first) + " versus " + cat.format_type(second));
  };
  for (size_t i = 0; i < declared.size(); ++i) {
    Oid d = declared[i], a = actual[i];
    if (d == oid::kAnyElement || d == oid::kAnyNonArray || d == oid::kAnyEnum) {
      poly = true;
      if (d == oid::kAnyNonArray) nonarray = true;
      if (d == oid::kAnyEnum) is_enum = true;
      if (a == oid::kUnknown) { poly_unknown = true; continue; }
      if (allow_poly && d == a) continue;
      if (elem != 0 && a != elem) mismatch("anyelement", elem, a);
      elem = a;
    } else if (d == oid::kAnyArray) {
      poly = true;
      if (a == oid::kUnknown) { poly_unknown = true; continue; }
      if (allow_poly && d == a) continue;
      a = cat.base_type(a);
      if (array != 0 && a != array) mismatch("anyarray", array, a);
      array = a;
    } else if (d == oid::kAnyRange) {
      poly = true;
      if (a == oid::kUnknown) { poly_unknown = true; continue; }
      a = cat.base_type(a);
      if (range != 0 && a != range) mismatch("anyrange", range, a);
      range = a;
    } else if (d == oid::kAnyMultirange) {
      poly = any_multirange = true;
      if (a == oid::kUnknown) { poly_unknown = true; continue; }
      a = cat.base_type(a);
      if (multirange != 0 && a != multirange) mismatch("anymultirange", multirange, a);
      multirange = a;
    } else if (d == oid::kAnyCompatible || d == oid::kAnyCompatibleNonArray) {
      c_poly = true;
      if (d == oid::kAnyCompatibleNonArray) c_nonarray = true;
      if (a != oid::kUnknown) compatible.push_back(a);
    } else if (d == oid::kAnyCompatibleArray) {
      c_poly = true;
      if (a == oid::kUnknown) continue;
      Oid e = cat.type(cat.base_type(a)).element;
      if (e == 0) fail(ErrorCode::kDatatypeMismatch, "argument declared anycompatiblearray is not an array but type " + cat.format_type(a));
      compatible.push_back(e);
    } else if (d == oid::kAnyCompatibleRange) {
      c_poly = true;
      if (a == oid::kUnknown) continue;
      c_range = cat.base_type(a);
      c_range_sub = cat.type(c_range).subtype;
      compatible.push_back(c_range_sub);
    } else if (d == oid::kAnyCompatibleMultirange) {
      c_poly = true;
      if (a == oid::kUnknown) continue;
      c_multirange = cat.base_type(a);
      c_range = cat.type(c_multirange).range;
      c_range_sub = cat.type(c_range).subtype;
      compatible.push_back(c_range_sub);
    }
  }
  if (!poly && !c_poly && !is_polymorphic(result)) return result;
  if (poly) {
    if (array != 0) {
      if (array == oid::kAnyArray) {
        if (elem == 0) elem = oid::kAnyElement;
      } else {
        Oid e = cat.type(array).element;
        if (e == 0)
          fail(ErrorCode::kDatatypeMismatch, "argument declared anyarray is not an array but type " + cat.format_type(array));
        if (elem == 0) elem = e;
        else if (elem != e)
          fail(ErrorCode::kDatatypeMismatch, "argument declared anyarray is not consistent with argument declared anyelement", -1,
               cat.format_type(array) + " versus " + cat.format_type(elem));
      }
    }
    if (multirange != 0) {
      Oid r = cat.type(multirange).range;
      if (r == 0) fail(ErrorCode::kDatatypeMismatch, "argument declared anymultirange is not a multirange type but type " + cat.format_type(multirange));
      if (range == 0) range = r;
      else if (range != r)
        fail(ErrorCode::kDatatypeMismatch, "argument declared anymultirange is not consistent with argument declared anyrange", -1,
             cat.format_type(multirange) + " versus " + cat.format_type(range));
    }
    if (range != 0) {
      Oid sub = cat.type(range).subtype;
      if (sub == 0) fail(ErrorCode::kDatatypeMismatch, "argument declared anyrange is not a range type but type " + cat.format_type(range));
      if (elem == 0) elem = sub;
      else if (elem != sub)
        fail(ErrorCode::kDatatypeMismatch, "argument declared anyrange is not consistent with argument declared anyelement", -1,
             cat.format_type(range) + " versus " + cat.format_type(elem));
      if (any_multirange && multirange == 0) multirange = cat.type(range).multirange;
    }
    if (elem == 0) {
      if (allow_poly) {
        elem = oid::kAnyElement;
        array = array != 0 ? array : oid::kAnyArray;
      } else if (poly_unknown) {
        throw Error(ErrorCode::kDatatypeMismatch, "could not determine polymorphic type because input has type unknown").position(0);
      }
    }
    if (nonarray && elem != 0 && elem != oid::kAnyElement && cat.is_array(cat.base_type(elem)))
      fail(ErrorCode::kDatatypeMismatch, "type matched to anynonarray is an array type: " + cat.format_type(elem));
    if (is_enum && elem != 0 && elem != oid::kAnyElement && cat.type(elem).typtype != 'e')
      fail(ErrorCode::kDatatypeMismatch, "type matched to anyenum is not an enum type: " + cat.format_type(elem));
  }
  Oid c_elem = 0, c_array = 0;
  if (c_poly) {
    if (c_range_sub != 0) {
      c_elem = c_range_sub;
    } else if (!compatible.empty()) {
      std::vector<ExprPtr> fake;
      for (Oid t : compatible) {
        auto e = make<CaseTestExpr>();
        e->type = t;
        fake.push_back(e);
      }
      c_elem = common_type(fake, "arguments of anycompatible family");
    } else {
      c_elem = oid::kText;
    }
    c_array = cat.type(c_elem).array;
    if (c_nonarray && cat.is_array(c_elem))
      fail(ErrorCode::kDatatypeMismatch, "type matched to anycompatiblenonarray is an array type: " + cat.format_type(c_elem));
  }
  auto array_of = [&](Oid e) -> Oid {
    if (e == oid::kAnyElement) return oid::kAnyArray;
    Oid a = cat.type(e).array;
    if (a == 0) fail(ErrorCode::kUndefinedObject, "could not find array type for data type " + cat.format_type(e));
    return a;
  };
  auto resolve = [&](Oid t) -> Oid {
    if (t == oid::kAnyElement || t == oid::kAnyNonArray || t == oid::kAnyEnum) return elem;
    if (t == oid::kAnyArray) return array != 0 ? array : array_of(elem);
    if (t == oid::kAnyRange) return range;
    if (t == oid::kAnyMultirange) return multirange != 0 ? multirange : range != 0 ? cat.type(range).multirange : 0;
    if (t == oid::kAnyCompatible || t == oid::kAnyCompatibleNonArray) return c_elem;
    if (t == oid::kAnyCompatibleArray) return c_array != 0 ? c_array : array_of(c_elem);
    if (t == oid::kAnyCompatibleRange) return c_range;
    if (t == oid::kAnyCompatibleMultirange) return c_multirange != 0 ? c_multirange : c_range != 0 ? cat.type(c_range).multirange : 0;
    return t;
  };
  for (size_t i = 0; i < declared.size(); ++i) {
    if (!is_polymorphic(declared[i])) continue;
    // An argument of polymorphic pseudo-type that is unknown takes the resolved type; others keep theirs.
    if (is_polymorphic_family1(declared[i])) {
      if (actual[i] == oid::kUnknown) declared[i] = resolve(declared[i]);
      else declared[i] = resolve(declared[i]);
    } else {
      declared[i] = resolve(declared[i]);
    }
  }
  if (is_polymorphic(result)) {
    Oid r = resolve(result);
    if (r == 0)
      fail(ErrorCode::kDatatypeMismatch,
           "could not determine polymorphic type " + cat.format_type(result) + " because input has type " + cat.format_type(oid::kUnknown));
    return r;
  }
  return result;
}

}  // namespace stele::sql
