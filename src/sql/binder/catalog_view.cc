#include "sql/binder/catalog_view.h"

#include <algorithm>

#include "base/error.h"
#include "sql/system_catalogs/system_catalogs.h"
#include "types/format_type.h"

namespace stele::sql {

using catalog::ObjectKind;

namespace {

// The built-in tables in the shape the binder wants, made once.
struct Builtins {
  std::unordered_map<Oid, TypeRow> types;
  std::unordered_map<std::string_view, const TypeRow*> types_by_name;
  std::unordered_map<Oid, ProcRow> procs;
  std::unordered_map<Oid, OperatorRow> operators;
  std::unordered_map<uint64_t, CastRow> casts;
  std::unordered_map<Oid, OpclassRow> opclasses;
  std::unordered_map<uint64_t, Oid> default_opclasses;  // method << 32 | type
  struct AmopKey {
    Oid family, left, right;
    int strategy;
    auto operator<=>(const AmopKey&) const = default;
  };
  std::map<AmopKey, Oid> amops;
  std::unordered_map<Oid, std::vector<std::pair<Oid, int>>> memberships;
  std::unordered_map<std::string, Oid> collations;
  std::unordered_map<Oid, std::string> collation_names;
};

std::vector<std::string> split_defaults(const std::string& s) {
  std::vector<std::string> out;
  int depth = 0;
  bool quoted = false;
  std::string cur;
  for (char c : s) {
    if (c == '\'') quoted = !quoted;
    if (!quoted && (c == '(' || c == '[')) ++depth;
    if (!quoted && (c == ')' || c == ']')) --depth;
    if (!quoted && depth == 0 && c == ',') {
      out.push_back(cur);
      cur.clear();
    } else if (!(cur.empty() && c == ' ')) {
      cur.push_back(c);
    }
  }
  if (!cur.empty()) out.push_back(cur);
  return out;
}

const Builtins& builtins() {
  static const Builtins* const b = [] {
    auto* b = new Builtins;
    for (const BuiltinType& t : builtin::types()) {
      TypeRow r;
      r.oid = t.oid;
      r.name = t.name;
      r.typtype = t.kind;
      r.category = t.category;
      r.preferred = t.preferred;
      r.raw_element = t.element;
      r.element = t.is_true_array() ? t.element : 0;
      r.array = t.array;
      r.collation = t.collation;
      r.len = t.len;
      r.delimiter = t.delimiter;
      r.modin = t.modin == "-" ? "" : t.modin;
      r.input = t.input;
      b->types.emplace(t.oid, std::move(r));
    }
    for (auto& row : builtin::rows("pg_range")) {
      Oid range = std::stoul(row[0]), subtype = std::stoul(row[1]), multi = std::stoul(row[2]);
      if (auto it = b->types.find(range); it != b->types.end()) {
        it->second.subtype = subtype;
        it->second.multirange = multi;
      }
      if (auto it = b->types.find(multi); it != b->types.end()) it->second.range = range;
    }
    for (auto& [oid, t] : b->types) b->types_by_name.emplace(t.name, &t);
    std::unordered_map<Oid, const BuiltinAggregate*> aggs;
    for (const BuiltinAggregate& a : builtin::aggregates()) aggs.emplace(a.proc, &a);
    for (const BuiltinProc& p : builtin::procs()) {
      ProcRow r;
      r.oid = p.oid;
      r.name = p.name;
      r.kind = p.kind;
      r.volatility = p.volatility;
      r.strict = p.strict;
      r.returns_set = p.returns_set;
      r.result = p.result;
      r.variadic = p.variadic;
      r.language = p.language;
      r.args = p.args;
      r.all_args = p.all_args;
      r.arg_modes = p.arg_modes;
      r.arg_names = p.arg_names;
      r.n_defaults = p.n_defaults;
      if (p.n_defaults > 0) {
        r.defaults = split_defaults(p.defaults);
        r.n_defaults = static_cast<int>(r.defaults.size());
      }
      if (auto it = aggs.find(p.oid); it != aggs.end()) {
        r.agg_kind = it->second->kind;
        r.agg_direct = it->second->n_direct;
      }
      b->procs.emplace(p.oid, std::move(r));
    }
    for (const BuiltinOperator& o : builtin::operators())
      b->operators.emplace(o.oid, OperatorRow{o.oid, o.name, catalog::kPgCatalog, o.left, o.right, o.result, o.proc,
                                              o.commutator, o.negator, o.can_merge, o.can_hash});
    for (const BuiltinCast& c : builtin::casts())
      b->casts.emplace(static_cast<uint64_t>(c.source) << 32 | c.target, CastRow{c.func, c.context, c.method});
    for (auto& row : builtin::rows("pg_opclass")) {
      OpclassRow r{static_cast<Oid>(std::stoul(row[0])), row[1], static_cast<Oid>(std::stoul(row[2])),
                   static_cast<Oid>(std::stoul(row[3])), static_cast<Oid>(std::stoul(row[4])),
                   static_cast<Oid>(std::stoul(row[6])), row[5] == "t"};
      if (r.is_default) b->default_opclasses.emplace(static_cast<uint64_t>(r.method) << 32 | r.type, r.oid);
      b->opclasses.emplace(r.oid, std::move(r));
    }
    for (auto& row : builtin::rows("pg_amop")) {
      Oid family = std::stoul(row[1]), left = std::stoul(row[2]), right = std::stoul(row[3]), op = std::stoul(row[6]);
      int strategy = std::stoi(row[4]);
      b->amops[{family, left, right, strategy}] = op;
      if (row[7] == "403") b->memberships[op].emplace_back(family, strategy);
    }
    for (auto& row : builtin::rows("pg_collation")) {
      Oid oid = std::stoul(row[0]);
      b->collations.emplace(row[1], oid);
      b->collation_names.emplace(oid, row[1]);
    }
    return b;
  }();
  return *b;
}

bool same_args(const std::vector<Oid>& a, const std::vector<Oid>& b) { return a == b; }

}  // namespace

CatalogView::CatalogView(catalog::StatePtr state, std::vector<Oid> path, Oid creation_schema, Oid temp_schema)
    : state_(std::move(state)), path_(std::move(path)), creation_schema_(creation_schema), temp_schema_(temp_schema) {}

const TypeRow* CatalogView::user_type(const catalog::Ptr<catalog::Type>& t) {
  if (t == nullptr) return nullptr;
  auto& slot = types_[t->oid];
  if (slot) return slot.get();
  slot = std::make_unique<TypeRow>();
  TypeRow* r = slot.get();
  r->oid = t->oid;
  r->name = t->name;
  r->schema = t->schema;
  r->owner = t->owner;
  r->typtype = t->typtype;
  r->array = t->array;
  r->relation = t->relation;
  r->collation = t->collation;
  r->subtype = t->subtype;
  r->multirange = t->multirange;
  r->range = t->range;
  switch (t->typtype) {
    case 'b':
      r->element = r->raw_element = t->element;
      r->category = t->element != 0 ? 'A' : t->category;
      r->input = t->element != 0 ? "array_in" : "";
      if (t->element == 0) {
        r->preferred = t->preferred;
        r->len = t->length;
        r->delimiter = t->delimiter;
        r->like = t->like;
        if (const BuiltinType* like = builtin::type(t->like); like != nullptr && t->modin != 0) r->modin = like->modin == "-" ? "" : like->modin;
      }
      if (t->element != 0)
        if (const TypeRow* e = find_type(t->element)) r->collation = e->collation;
      break;
    case 'p': r->defined = t->defined; r->category = 'P'; break;
    case 'c': r->category = 'C'; break;
    case 'e': r->category = 'E'; r->len = 4; break;
    case 'r': r->category = 'R'; break;
    case 'm': r->category = 'R'; break;
    case 'd': {
      r->base = t->base;
      r->base_typmod = t->base_typmod;
      const TypeRow& base = type(t->base);
      r = types_[t->oid].get();
      r->category = base.category;
      r->preferred = false;
      r->delimiter = base.delimiter;
      r->len = base.len;
      if (r->collation == 0) r->collation = base.collation;
      break;
    }
    default: break;
  }
  return r;
}

const TypeRow* CatalogView::find_type(Oid oid) {
  if (auto it = builtins().types.find(oid); it != builtins().types.end()) return &it->second;
  if (auto it = types_.find(oid); it != types_.end()) return it->second.get();
  return user_type(state_->type(oid));
}

const TypeRow& CatalogView::type(Oid oid) {
  const TypeRow* t = find_type(oid);
  if (t == nullptr) throw Error(ErrorCode::kInternalError, "cache lookup failed for type " + std::to_string(oid));
  return *t;
}

const TypeRow* CatalogView::find_type(Oid schema, std::string_view name) {
  if (schema == catalog::kPgCatalog)
    if (auto it = builtins().types_by_name.find(name); it != builtins().types_by_name.end()) return it->second;
  return user_type(std::static_pointer_cast<const catalog::Type>(state_->find(ObjectKind::kType, schema, name)));
}

const TypeRow* CatalogView::find_type(std::string_view name) {
  for (Oid schema : path_)
    if (const TypeRow* t = find_type(schema, name)) return t;
  return nullptr;
}

Oid CatalogView::base_type(Oid t, int32_t* typmod) {
  for (int depth = 0; depth < 64; ++depth) {
    const TypeRow* r = find_type(t);
    if (r == nullptr || r->typtype != 'd') return t;
    if (typmod != nullptr && r->base_typmod != -1) *typmod = r->base_typmod;
    t = r->base;
  }
  return t;
}

Oid CatalogView::type_relation(Oid t) {
  const TypeRow* r = find_type(base_type(t));
  return r == nullptr ? 0 : r->relation;
}

std::string CatalogView::format_type(Oid oid, int32_t typmod) {
  if (oid == 0) return "-";
  if (builtins().types.contains(oid)) return format_type_sql(oid, typmod, nullptr);
  const TypeRow* t = find_type(oid);
  if (t == nullptr) return "???";
  if (t->element != 0 && t->typtype == 'b') return format_type(t->element, typmod) + "[]";
  std::string name = quote_identifier(t->name);
  if (!type_visible(oid)) name = quote_identifier(schema_name(t->schema)) + "." + name;
  return name;
}

const ProcRow* CatalogView::user_proc(const catalog::Ptr<catalog::Function>& f) {
  if (f == nullptr) return nullptr;
  auto& slot = procs_[f->oid];
  if (slot) return slot.get();
  slot = std::make_unique<ProcRow>();
  ProcRow* r = slot.get();
  r->oid = f->oid;
  r->name = f->name;
  r->schema = f->schema;
  r->owner = f->owner;
  r->kind = f->prokind;
  r->volatility = f->volatility;
  r->strict = f->strict;
  r->returns_set = f->returns_set;
  r->user = true;
  r->result = f->result;
  r->variadic = f->variadic;
  r->language = f->language;
  r->args = f->args;
  r->all_args = f->all_args;
  r->arg_modes = f->arg_modes;
  r->arg_names = f->arg_names;
  r->defaults = f->arg_defaults_sql;
  r->n_defaults = static_cast<int>(f->arg_defaults_sql.size());
  return r;
}

const ProcRow* CatalogView::proc(Oid oid) {
  if (auto it = builtins().procs.find(oid); it != builtins().procs.end()) return &it->second;
  if (auto it = procs_.find(oid); it != procs_.end()) return it->second.get();
  return user_proc(state_->function(oid));
}

std::vector<const ProcRow*> CatalogView::procs(std::string_view name, Oid schema) {
  std::vector<const ProcRow*> out;
  auto users = state_->functions_named(name);
  if (users.empty() || schema == catalog::kPgCatalog) {
    if (schema == 0 || schema == catalog::kPgCatalog)
      for (const BuiltinProc* p : builtin::procs_named(name)) out.push_back(&builtins().procs.at(p->oid));
    if (users.empty()) return out;
  }
  auto add = [&](const ProcRow* p) {
    for (const ProcRow* q : out)
      if (same_args(q->args, p->args) && q->schema != p->schema) return;
    out.push_back(p);
  };
  if (schema != 0) {
    for (auto& f : users)
      if (f->schema == schema) add(user_proc(f));
    return out;
  }
  for (Oid s : path_) {
    if (s == temp_schema_ && s != 0) continue;  // functions are never found in pg_temp
    if (s == catalog::kPgCatalog)
      for (const BuiltinProc* p : builtin::procs_named(name)) add(&builtins().procs.at(p->oid));
    for (auto& f : users)
      if (f->schema == s) add(user_proc(f));
  }
  return out;
}

const OperatorRow* CatalogView::user_operator(const catalog::Ptr<catalog::Operator>& o) {
  if (o == nullptr) return nullptr;
  auto& slot = operators_[o->oid];
  if (!slot)
    slot = std::make_unique<OperatorRow>(OperatorRow{o->oid, o->name, o->schema, o->left, o->right, o->result, o->proc,
                                                     o->commutator, o->negator, o->can_merge, o->can_hash});
  return slot.get();
}

const OperatorRow* CatalogView::oper(Oid oid) {
  if (auto it = builtins().operators.find(oid); it != builtins().operators.end()) return &it->second;
  return user_operator(state_->get_as<catalog::Operator>(ObjectKind::kOperator, oid));
}

std::vector<const OperatorRow*> CatalogView::operators(std::string_view name, Oid schema) {
  std::vector<const OperatorRow*> out;
  auto users = state_->operators_named(name);
  auto add = [&](const OperatorRow* p) {
    for (const OperatorRow* q : out)
      if (q->left == p->left && q->right == p->right && q->schema != p->schema) return;
    out.push_back(p);
  };
  for (Oid s : schema != 0 ? std::vector<Oid>{schema} : path_) {
    if (s == catalog::kPgCatalog)
      for (const BuiltinOperator* o : builtin::operators_named(name)) add(&builtins().operators.at(o->oid));
    for (auto& o : users)
      if (o->schema == s) add(user_operator(o));
  }
  return out;
}

std::optional<CastRow> CatalogView::find_cast(Oid source, Oid target) {
  auto it = builtins().casts.find(static_cast<uint64_t>(source) << 32 | target);
  if (it != builtins().casts.end()) return it->second;
  std::string name;
  Oid swapped = __builtin_bswap32(target);
  name.assign(reinterpret_cast<const char*>(&swapped), 4);
  auto c = std::static_pointer_cast<const catalog::Cast>(state_->find(ObjectKind::kCast, source, name));
  if (c == nullptr) return std::nullopt;
  return CastRow{c->func, c->context, c->method};
}

bool CatalogView::binary_coercible(Oid source, Oid target) {
  if (source == target || target == oid::kAny || target == oid::kAnyElement || target == oid::kAnyCompatible) return true;
  source = base_type(source);
  if (source == target) return true;
  if (target == oid::kAnyArray || target == oid::kAnyCompatibleArray) return is_array(source);
  if (target == oid::kAnyNonArray || target == oid::kAnyCompatibleNonArray) return !is_array(source);
  const TypeRow* s = find_type(source);
  if (target == oid::kAnyEnum) return s != nullptr && s->typtype == 'e';
  if (target == oid::kAnyRange || target == oid::kAnyCompatibleRange) return s != nullptr && s->typtype == 'r';
  if (target == oid::kAnyMultirange || target == oid::kAnyCompatibleMultirange) return s != nullptr && s->typtype == 'm';
  if (target == oid::kRecord) return s != nullptr && s->relation != 0;
  if (target == oid::kRecordArray) return s != nullptr && s->element != 0 && is_composite(s->element);
  auto c = find_cast(source, target);
  return c && c->method == 'b' && c->context == 'i';
}

Oid CatalogView::default_opclass(Oid t, Oid method) {
  t = base_type(t);
  const auto& map = builtins().default_opclasses;
  auto get = [&](Oid x) {
    auto it = map.find(static_cast<uint64_t>(method) << 32 | x);
    return it == map.end() ? user_default_opclass(x, method) : it->second;
  };
  if (Oid found = get(t)) return found;
  const TypeRow* r = find_type(t);
  if (r == nullptr) return 0;
  if (r->element != 0) return get(oid::kAnyArray);
  if (r->typtype == 'e') return get(oid::kAnyEnum);
  if (r->typtype == 'r') return get(oid::kAnyRange);
  if (r->typtype == 'm') return get(oid::kAnyMultirange);
  if (r->relation != 0) return get(oid::kRecord);
  // The binary-coercible target whose type is preferred, as GetDefaultOpClass takes it.
  for (Oid candidate : {oid::kText, oid::kBpchar, oid::kOid, oid::kInt4, oid::kInet, oid::kVarbit})
    if (Oid found = get(candidate); found != 0 && binary_coercible(t, candidate)) return found;
  return 0;
}

Oid CatalogView::user_default_opclass(Oid type, Oid method) {
  Oid found = 0;
  state_->for_each(ObjectKind::kOpclass, [&](const catalog::Ptr<catalog::Object>& o) {
    auto& e = static_cast<const catalog::Entry&>(*o);
    if (e.fact("default") == "t" && e.ref(1) == type && e.ref(3) == method) found = e.oid;
  });
  return found;
}

Oid CatalogView::default_opclass_exact(Oid type, Oid method) {
  auto it = builtins().default_opclasses.find(static_cast<uint64_t>(method) << 32 | type);
  return it == builtins().default_opclasses.end() ? user_default_opclass(type, method) : it->second;
}

const OpclassRow* CatalogView::opclass(Oid oid) {
  auto it = builtins().opclasses.find(oid);
  if (it != builtins().opclasses.end()) return &it->second;
  auto e = state_->get_as<catalog::Entry>(ObjectKind::kOpclass, oid);
  if (e == nullptr) return nullptr;
  auto& slot = opclasses_[oid];
  if (!slot) slot = std::make_unique<OpclassRow>(OpclassRow{oid, e->name, e->ref(3), e->ref(0), e->ref(1), e->ref(2), e->fact("default") == "t"});
  return slot.get();
}

const OpclassRow* CatalogView::find_opclass(std::string_view name, Oid method, Oid schema) {
  for (auto& [oid, r] : builtins().opclasses)
    if (r.method == method && r.name == name) return &r;
  Oid found = 0;
  state_->for_each(ObjectKind::kOpclass, [&](const catalog::Ptr<catalog::Object>& o) {
    auto& e = static_cast<const catalog::Entry&>(*o);
    if (e.name == name && e.ref(3) == method && (schema == 0 ? std::find(path_.begin(), path_.end(), e.schema) != path_.end() : e.schema == schema)) found = e.oid;
  });
  return found == 0 ? nullptr : opclass(found);
}

Oid CatalogView::family_operator(Oid family, Oid left, Oid right, int strategy) {
  auto it = builtins().amops.find({family, left, right, strategy});
  if (it != builtins().amops.end() || family < oid::kFirstUserOid) return it == builtins().amops.end() ? 0 : it->second;
  Oid found = 0;
  auto look = [&](const catalog::Entry& e) {
    for (const auto& m : e.members)
      if (m.kind == 'o' && m.left == left && m.right == right && m.number == strategy) found = m.object;
  };
  if (auto f = state_->get_as<catalog::Entry>(ObjectKind::kOpfamily, family)) look(*f);
  state_->for_each(ObjectKind::kOpclass, [&](const catalog::Ptr<catalog::Object>& o) {
    if (static_cast<const catalog::Entry&>(*o).ref(0) == family) look(static_cast<const catalog::Entry&>(*o));
  });
  return found;
}

std::vector<std::pair<Oid, int>> CatalogView::btree_memberships(Oid op) {
  auto it = builtins().memberships.find(op);
  return it == builtins().memberships.end() ? std::vector<std::pair<Oid, int>>{} : it->second;
}

SortOps CatalogView::sort_ops(Oid t) {
  SortOps s;
  Oid base = base_type(t);
  const TypeRow* row = find_type(base);
  if (const OpclassRow* c = opclass(default_opclass(base, 403))) {
    s.lt = family_operator(c->family, c->type, c->type, 1);
    s.eq = family_operator(c->family, c->type, c->type, 3);
    s.gt = family_operator(c->family, c->type, c->type, 5);
    // Containers order only if what they contain does.
    if (row != nullptr && row->element != 0) {
      SortOps e = sort_ops(row->element);
      if (e.eq == 0) s.eq = 0;
      if (e.lt == 0) s.lt = s.gt = 0;
    }
  }
  if (const OpclassRow* h = opclass(default_opclass(base, 405))) {
    Oid eq = family_operator(h->family, h->type, h->type, 1);
    if (s.eq == 0 && !(row != nullptr && row->element != 0)) s.eq = eq;
    s.hashable = s.eq != 0;
    if (row != nullptr && row->element != 0) s.hashable = s.eq != 0 && sort_ops(row->element).hashable;
  }
  return s;
}

Oid CatalogView::collation(std::string_view name, Oid schema) {
  for (Oid s : schema != 0 ? std::vector<Oid>{schema} : path_) {
    if (s == catalog::kPgCatalog)
      if (auto it = builtins().collations.find(std::string(name)); it != builtins().collations.end()) return it->second;
    if (auto c = state_->find(ObjectKind::kCollation, s, name)) return c->oid;
  }
  return 0;
}

std::string CatalogView::collation_name(Oid oid) {
  if (auto it = builtins().collation_names.find(oid); it != builtins().collation_names.end()) return it->second;
  auto c = state_->get(ObjectKind::kCollation, oid);
  return c == nullptr ? std::to_string(oid) : c->name;
}

Oid CatalogView::collation_schema(Oid oid) {
  auto c = state_->get(ObjectKind::kCollation, oid);
  return c == nullptr ? catalog::kPgCatalog : c->schema_oid();
}

catalog::Ptr<catalog::Relation> CatalogView::relation(Oid oid) {
  if (auto r = state_->relation(oid)) return r;
  return system_relation(oid);
}

catalog::Ptr<catalog::Relation> CatalogView::find_relation(std::string_view name, Oid schema) {
  if (schema != 0) {
    if (auto o = state_->find(ObjectKind::kRelation, schema, name)) return std::static_pointer_cast<const catalog::Relation>(o);
    return system_relation(schema, name);
  }
  for (Oid s : path_) {
    if (auto o = state_->find(ObjectKind::kRelation, s, name)) return std::static_pointer_cast<const catalog::Relation>(o);
    if (auto r = system_relation(s, name)) return r;
  }
  return nullptr;
}

Oid CatalogView::schema(std::string_view name) {
  if (name == "pg_temp") return temp_schema_;
  auto s = state_->find(ObjectKind::kSchema, 0, name);
  if (s == nullptr) return 0;
  if (user_ != 0 && stored_ == 0 && !may_use_schema(*state_, *s, user_))
    throw Error(ErrorCode::kInsufficientPrivilege, "permission denied for schema " + s->name);
  return s->oid;
}

bool member_of(const catalog::State& state, Oid user, Oid role) {
  std::set<Oid> seen;
  std::function<bool(Oid)> find = [&](Oid r) {
    if (r == role) return true;
    auto o = state.get_as<catalog::Role>(catalog::ObjectKind::kRole, r);
    if (o == nullptr || !seen.insert(r).second) return false;
    for (const auto& m : o->member_of)
      if (find(m.role)) return true;
    return false;
  };
  return find(user);
}

bool may_use_schema(const catalog::State& state, const catalog::Object& schema, Oid user) {
  if (schema.oid == catalog::kPgCatalog || schema.oid == catalog::kInformationSchema) return true;
  const auto role = state.get_as<catalog::Role>(ObjectKind::kRole, user);
  if (role == nullptr || role->superuser || member_of(state, user, schema.owner)) return true;
  if (!schema.acl) return false;
  for (const catalog::AclItem& i : *schema.acl)
    if ((i.privileges & catalog::kUsage) != 0 && (i.grantee == 0 || member_of(state, user, i.grantee))) return true;
  return false;
}

std::string CatalogView::schema_name(Oid oid) {
  auto s = state_->get(ObjectKind::kSchema, oid);
  return s == nullptr ? std::string() : s->name;
}

bool CatalogView::relation_visible(const catalog::Relation& r) {
  auto found = find_relation(r.name);
  return found != nullptr && found->oid == r.oid;
}
bool CatalogView::type_visible(Oid oid) {
  const TypeRow* t = find_type(oid);
  if (t == nullptr) return false;
  const TypeRow* found = find_type(t->name);
  return found != nullptr && found->oid == oid;
}
bool CatalogView::proc_visible(Oid oid) {
  const ProcRow* p = proc(oid);
  if (p == nullptr) return false;
  for (const ProcRow* q : procs(p->name))
    if (q->oid == oid) return true;
  return false;
}
bool CatalogView::operator_visible(Oid oid) {
  const OperatorRow* p = oper(oid);
  if (p == nullptr) return false;
  for (const OperatorRow* q : operators(p->name))
    if (q->oid == oid) return true;
  return false;
}

std::string CatalogView::role_name(Oid oid) {
  auto r = state_->get(ObjectKind::kRole, oid);
  return r == nullptr ? "unknown (OID=" + std::to_string(oid) + ")" : r->name;
}

// --- system relations ---------------------------------------------------------------------------

catalog::Ptr<catalog::Relation> system_relation(Oid oid) { return oid < oid::kFirstUserOid ? system_catalogs::find(oid) : nullptr; }
catalog::Ptr<catalog::Relation> system_relation(Oid schema, std::string_view name) {
  if (schema != catalog::kPgCatalog && schema != catalog::kInformationSchema) return nullptr;
  return system_catalogs::find(schema, name);
}
const std::vector<catalog::Ptr<catalog::Relation>>& system_relations() { return system_catalogs::all(); }

// --- quoting ------------------------------------------------------------------------------------

std::string quote_identifier(std::string_view name) {
  static const char* const kReserved[] = {
      "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "between", "bigint",
      "binary", "bit", "boolean", "both", "case", "cast", "char", "character", "check", "coalesce", "collate", "collation",
      "column", "concurrently", "constraint", "create", "cross", "current_catalog", "current_date", "current_role",
      "current_schema", "current_time", "current_timestamp", "current_user", "dec", "decimal", "default", "deferrable",
      "desc", "distinct", "do", "else", "end", "except", "exists", "extract", "false", "fetch", "float", "for", "foreign",
      "freeze", "from", "full", "grant", "greatest", "group", "grouping", "having", "ilike", "in", "initially", "inner",
      "inout", "int", "integer", "intersect", "interval", "into", "is", "isnull", "join", "lateral", "leading", "least",
      "left", "like", "limit", "localtime", "localtimestamp", "national", "natural", "nchar", "none", "normalize", "not",
      "notnull", "null", "nullif", "numeric", "offset", "on", "only", "or", "order", "out", "outer", "overlaps", "overlay",
      "placing", "position", "precision", "primary", "real", "references", "returning", "right", "row", "select",
      "session_user", "setof", "similar", "smallint", "some", "substring", "symmetric", "table", "tablesample", "then",
      "time", "timestamp", "to", "trailing", "treat", "trim", "true", "union", "unique", "user", "using", "values",
      "varchar", "variadic", "verbose", "when", "where", "window", "with", "xmlattributes", "xmlconcat", "xmlelement",
      "xmlexists", "xmlforest", "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "xmltable"};
  bool safe = !name.empty() && ((name[0] >= 'a' && name[0] <= 'z') || name[0] == '_');
  for (char c : name)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) safe = false;
  if (safe)
    safe = !std::binary_search(std::begin(kReserved), std::end(kReserved), name,
                               [](std::string_view a, std::string_view b) { return a < b; });
  if (safe) return std::string(name);
  std::string out = "\"";
  for (char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string quote_literal(std::string_view s) {
  std::string out = s.find('\\') != std::string_view::npos ? "E'" : "'";
  for (char c : s) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out + "'";
}

}  // namespace stele::sql
