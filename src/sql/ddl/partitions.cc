// PARTITION BY and PARTITION OF: keys, bounds, ATTACH and DETACH.
#include "query/dml/partitions.h"

#include "rows/codec.h"
#include "sql/ddl/ddl.h"
#include "types/type_io.h"

namespace stele::sql {

using namespace query;  // NOLINT

void Ddl::partition_key(Relation& r, const pg::PartitionSpec* s) {
  catalog::PartitionInfo info;
  std::string strategy = s->strategy;
  for (char& c : strategy) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (strategy == "range" || strategy == "r") info.strategy = 'r';
  else if (strategy == "list" || strategy == "l") info.strategy = 'l';
  else if (strategy == "hash" || strategy == "h") info.strategy = 'h';
  else fail(ErrorCode::kInvalidParameterValue, std::string("unrecognized partitioning strategy \"") + s->strategy + "\"");
  if (s->n_part_params > 32) fail(ErrorCode::kTooManyColumns, "cannot partition using more than 32 columns");
  if (info.strategy == 'l' && s->n_part_params != 1) fail(ErrorCode::kInvalidObjectDefinition, "cannot use \"list\" partition strategy with more than one column");
  for (const Node* n : PG_LIST(s, part_params)) {
    const pg::PartitionElem* e = n->partition_elem;
    Oid type = 0, collation = 0;
    auto column_key = [&](const Column& c) {
      if (c.generated)
        fail(ErrorCode::kInvalidObjectDefinition, "cannot use generated column in partition key", e->location, "Column \"" + c.name + "\" is a generated column.");
      info.columns.push_back(c.number);
      type = c.type;
      collation = c.collation;
    };
    if (pg::has(e->name)) {
      const Column* c = r.column(std::string_view(e->name));
      if (c == nullptr) {
        for (const char* sys : {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"})
          if (std::string_view(e->name) == sys) fail(ErrorCode::kInvalidObjectDefinition, std::string("cannot use system column \"") + e->name + "\" in partition key", e->location);
        fail(ErrorCode::kUndefinedColumn, std::string("column \"") + e->name + "\" named in partition key does not exist", e->location);
      }
      column_key(*c);
    } else {
      BindContext b = bind();
      ExprPtr x = bind_expression(e->expr, &r, ExprContext::kPartitionExpression, b);
      if (x->kind == ExprKind::kVar && static_cast<const VarExpr&>(*x).column > 0) {
        column_key(*r.column(static_cast<const VarExpr&>(*x).column));
      } else {
        bool changing = false, any = false;
        walk(x, [&](const Expr& y, int) {
          if (y.kind == ExprKind::kVar) {
            const int16_t column = static_cast<const VarExpr&>(y).column;
            any = true;
            if (column == 0) fail(ErrorCode::kInvalidObjectDefinition, "partition key expressions cannot contain whole-row references");
            if (column < 0) fail(ErrorCode::kInvalidObjectDefinition, "partition key expressions cannot contain system column references");
            if (r.column(column)->generated)
              fail(ErrorCode::kInvalidObjectDefinition, "cannot use generated column in partition key", e->location, "Column \"" + r.column(column)->name + "\" is a generated column.");
          }
          const Oid func = y.kind == ExprKind::kFunc ? static_cast<const FuncExpr&>(y).func : y.kind == ExprKind::kOp ? static_cast<const OpExpr&>(y).func : 0;
          if (func != 0)
            if (const ProcRow* p = view().proc(func); p != nullptr && p->volatility != 'i') changing = true;
          changing = changing || y.kind == ExprKind::kSqlValue;
          return false;
        });
        if (changing) fail(ErrorCode::kInvalidObjectDefinition, "functions in partition key expression must be marked IMMUTABLE");
        if (!any) fail(ErrorCode::kInvalidObjectDefinition, "cannot use constant expression as partition key");
        if (view().type(x->type).typtype == 'p')
          fail(ErrorCode::kInvalidTableDefinition, "partition key column " + std::to_string(info.columns.size() + 1) + " has pseudo-type " + view().format_type(x->type));
        info.columns.push_back(0);
        info.expressions.push_back(stored_sql(x, &r));
        type = x->type;
        collation = x->collation;
      }
    }
    const TypeRow& row = view().type(type);
    if (e->n_collation > 0) {
      BindContext b = bind();
      if (row.collation == 0) fail(ErrorCode::kDatatypeMismatch, "collations are not supported by type " + view().format_type(type));
      collation = resolve_collation(pg::strings(PG_LIST(e, collation)), b);
    }
    const char* method = info.strategy == 'h' ? "hash" : "btree";
    const Oid am = info.strategy == 'h' ? 405 : 403;
    Oid opclass = 0;
    if (e->n_opclass > 0) {
      const std::string name(pg::str(e->opclass[e->n_opclass - 1]));
      const OpclassRow* oc = view().find_opclass(name, am);
      if (oc == nullptr) fail(ErrorCode::kUndefinedObject, "operator class \"" + name + "\" does not exist for access method \"" + method + "\"");
      if (!view().binary_coercible(type, oc->type)) fail(ErrorCode::kDatatypeMismatch, "operator class \"" + name + "\" does not accept data type " + view().format_type(type));
      opclass = oc->oid;
    } else {
      opclass = view().default_opclass(type, am);
      if (opclass == 0)
        fail(ErrorCode::kUndefinedObject, "data type " + view().format_type(type) + " has no default operator class for access method \"" + method + "\"", -1, {},
             std::string("You must specify a ") + method + " operator class or define a default " + method + " operator class for the data type.");
    }
    info.opclasses.push_back(opclass);
    info.collations.push_back(collation);
  }
  r.partitioning = std::move(info);
}

namespace {
// A bound's value as PostgreSQL prints constants there.
std::string bound_text(Oid type, Datum v, EvalContext& eval) {
  std::string text;
  type_output(type, v, text, eval);
  if (type == oid::kInt4 && text[0] != '-') return text;
  if (type == oid::kNumeric && std::isdigit(static_cast<unsigned char>(text[0])) && text.find_first_of("eE.") != std::string::npos) return text;
  if (type == oid::kBool) return text == "t" ? "true" : "false";
  return quote_literal(text);
}
}  // namespace

catalog::PartitionBound Ddl::partition_bound(const std::string& name, const Relation& parent, const pg::PartitionBoundSpec* s, std::string* shown) {
  auto table = std::make_shared<const Relation>(parent);
  PartitionMap map(table, host.exec());
  const char strategy = parent.partitioning->strategy;
  catalog::PartitionBound bound;
  bound.strategy = strategy;
  bound.is_default = s->is_default;
  Arena arena;
  auto spec_error = [&](const char* kind) {
    fail(ErrorCode::kInvalidTableDefinition, std::string("invalid bound specification for a ") + kind + " partition", s->location);
  };
  if (s->is_default) {
    if (strategy == 'h') fail(ErrorCode::kInvalidTableDefinition, "a hash-partitioned table may not have a default partition");
    *shown = "DEFAULT";
    if (int at = map.default_partition(); at >= 0)
      fail(ErrorCode::kInvalidObjectDefinition, "partition \"" + name + "\" conflicts with existing default partition \"" + map.partitions()[static_cast<size_t>(at)].table->name + "\"", s->location);
    return bound;
  }
  const char given = pg::has(s->strategy) ? s->strategy[0] : strategy;
  auto overlap = [&](const std::string& with, int location) {
    fail(ErrorCode::kInvalidObjectDefinition, "partition \"" + name + "\" would overlap partition \"" + with + "\"", location);
  };
  auto key_name = [&](size_t key) {
    const int16_t column = parent.partitioning->columns[key];
    if (column != 0) return quote_identifier(parent.column(column)->name);
    size_t expression = 0;
    for (size_t i = 0; i < key; ++i) expression += parent.partitioning->columns[i] == 0;
    return parent.partitioning->expressions[expression];
  };
  struct Value { catalog::PartitionDatum stored; Datum value; std::string text; int location = -1; };
  auto value_of = [&](const Node* n, size_t key) {
    const auto& k = map.keys()[key];
    Value v;
    BindContext b = bind();
    ExprPtr e = bind_expression(n, nullptr, ExprContext::kPartitionBound, b);
    v.location = e->location;
    const int32_t typmod = k.column != 0 ? parent.column(k.column)->typmod : k.expr->typmod;
    ExprPtr converted;
    try {
      // A literal's own text is read as the key's type, with the position of the literal.
      converted = bind_expression(n, nullptr, ExprContext::kPartitionBound, b, k.type.type, typmod, key_name(key));
    } catch (const Error& x) {
      if (x.code() != ErrorCode::kDatatypeMismatch) throw;
      fail(ErrorCode::kDatatypeMismatch, "specified value cannot be cast to type " + view().format_type(k.type.type) + " for column \"" + key_name(key) + "\"", e->location);
    }
    NullableDatum d = evaluate(converted, host.exec(), arena);
    if (d.is_null) {
      v.stored.kind = 'n';
      v.text = "NULL";
      return v;
    }
    v.value = d.value;
    v.stored.value = rows::encode_value(rows::resolve_type(k.type.type, *state()), d.value);
    v.text = bound_text(k.type.base, d.value, *host.exec().eval);
    return v;
  };
  if (strategy == 'h') {
    if (given != 'h') spec_error("hash");
    if (s->modulus <= 0) fail(ErrorCode::kInvalidTableDefinition, "modulus for hash partition must be an integer value greater than zero");
    if (s->remainder < 0) fail(ErrorCode::kInvalidTableDefinition, "remainder for hash partition must be an integer value greater than or equal to zero");
    if (s->remainder >= s->modulus) fail(ErrorCode::kInvalidTableDefinition, "remainder for hash partition must be less than modulus");
    bound.modulus = s->modulus;
    bound.remainder = s->remainder;
    *shown = fmt::format("FOR VALUES WITH (modulus {}, remainder {})", bound.modulus, bound.remainder);
    const Relation *smaller = nullptr, *larger = nullptr;   // neighbours by modulus
    for (auto& p : map.partitions()) {
      if (p.bound().modulus <= bound.modulus && (smaller == nullptr || p.bound().modulus > smaller->bound->modulus)) smaller = p.table.get();
      if (p.bound().modulus > bound.modulus && (larger == nullptr || p.bound().modulus < larger->bound->modulus)) larger = p.table.get();
    }
    const char* rule = "every hash partition modulus must be a factor of the next larger modulus";
    if (smaller != nullptr && bound.modulus % smaller->bound->modulus != 0)
      fail(ErrorCode::kInvalidObjectDefinition, rule, -1,
           fmt::format("The new modulus {} is not divisible by {}, the modulus of existing partition \"{}\".", bound.modulus, smaller->bound->modulus, smaller->name));
    if (larger != nullptr && larger->bound->modulus % bound.modulus != 0)
      fail(ErrorCode::kInvalidObjectDefinition, rule, -1,
           fmt::format("The new modulus {} is not a factor of {}, the modulus of existing partition \"{}\".", bound.modulus, larger->bound->modulus, larger->name));
    for (auto& p : map.partitions()) {
      const int common = std::min(p.bound().modulus, bound.modulus);
      if (p.bound().remainder % common == bound.remainder % common) overlap(p.table->name, s->location);
    }
    return bound;
  }
  if (strategy == 'l') {
    if (given != 'l') spec_error("list");
    std::vector<Value> values;
    for (const Node* n : PG_LIST(s, listdatums)) {
      Value v = value_of(n, 0);
      const bool twice = std::any_of(values.begin(), values.end(), [&](const Value& o) {
        return v.stored.kind == o.stored.kind && (v.stored.kind == 'n' || map.compare(0, v.value, o.value) == 0);
      });
      if (!twice) values.push_back(std::move(v));
    }
    std::string list;
    for (const Value& v : values) {
      NullableDatum key{v.value, v.stored.kind == 'n'};
      const int at = map.find({&key, 1});
      if (at >= 0 && at != map.default_partition()) overlap(map.partitions()[static_cast<size_t>(at)].table->name, v.location);
      // NULL in the default partition is nobody's value yet.
      bound.values.push_back(v.stored);
      list += (list.empty() ? "" : ", ") + v.text;
    }
    *shown = "FOR VALUES IN (" + list + ")";
    return bound;
  }
  if (given != 'r') spec_error("range");
  const size_t keys = map.keys().size();
  if (s->n_lowerdatums != keys) fail(ErrorCode::kInvalidTableDefinition, "FROM must specify exactly one value per partitioning column");
  if (s->n_upperdatums != keys) fail(ErrorCode::kInvalidTableDefinition, "TO must specify exactly one value per partitioning column");
  auto side = [&](std::span<Node* const> list) {
    std::vector<Value> out;
    for (const Node* n : list) {
      Value v;
      if (pg::is(n, pg::kColumnRef)) {
        const auto* c = n->column_ref;
        const std::string word = c->n_fields == 1 && pg::is(c->fields[0], pg::kString) ? c->fields[0]->string->sval : "";
        if (word == "minvalue" || word == "maxvalue") {
          v.stored.kind = word == "minvalue" ? '<' : '>';
          v.text = word == "minvalue" ? "MINVALUE" : "MAXVALUE";
          v.location = c->location;
        }
      }
      if (v.text.empty()) {
        v = value_of(n, out.size());
        if (v.stored.kind == 'n') fail(ErrorCode::kInvalidTableDefinition, "cannot specify NULL in range bound");
      }
      out.push_back(std::move(v));
    }
    for (size_t i = 1; i < out.size(); ++i)
      if (out[i - 1].stored.kind != 'v' && out[i].stored.kind != out[i - 1].stored.kind)
        fail(ErrorCode::kDatatypeMismatch, out[i - 1].stored.kind == '<' ? "every bound following MINVALUE must also be MINVALUE" : "every bound following MAXVALUE must also be MAXVALUE", out[i].location);
    return out;
  };
  const std::vector<Value> lower = side(PG_LIST(s, lowerdatums)), upper = side(PG_LIST(s, upperdatums));
  auto plain = [](const std::vector<Value>& list) {
    std::vector<PartitionMap::Value> out;
    for (const Value& v : list) out.push_back({v.stored.kind, v.value});
    return out;
  };
  auto text_of = [](const std::vector<Value>& list) {
    std::string out;
    for (const Value& v : list) out += (out.empty() ? "" : ", ") + v.text;
    return "(" + out + ")";
  };
  for (const Value& v : lower) bound.lower.push_back(v.stored);
  for (const Value& v : upper) bound.upper.push_back(v.stored);
  *shown = "FOR VALUES FROM " + text_of(lower) + " TO " + text_of(upper);
  const auto low = plain(lower), high = plain(upper);
  if (map.compare_bounds(low, high) >= 0)
    fail(ErrorCode::kInvalidObjectDefinition, "empty range bound specified for partition \"" + name + "\"", lower[0].location,
         "Specified lower bound " + text_of(lower) + " is greater than or equal to upper bound " + text_of(upper) + ".");
  // Where two bounds first differ; 0 when they are equal.
  auto difference = [&](const std::vector<PartitionMap::Value>& a, const std::vector<PartitionMap::Value>& b) -> size_t {
    for (size_t i = 0; i < a.size(); ++i)
      if (a[i].kind != b[i].kind || (a[i].kind == 'v' && map.compare(i, a[i].value, b[i].value) != 0)) return i;
    return 0;
  };
  for (auto& p : map.partitions()) {
    if (p.bound().is_default || map.compare_bounds(low, p.upper) >= 0 || map.compare_bounds(high, p.lower) <= 0) continue;
    // The value that is wrong: of the lower bound when that is within the other partition.
    if (map.compare_bounds(p.lower, low) <= 0) overlap(p.table->name, lower[difference(p.lower, low)].location);
    overlap(p.table->name, upper[difference(p.lower, high)].location);
  }
  return bound;
}

// What a new partition has from its parent beside columns and checks: indexes with their constraints, foreign keys, triggers.
void Ddl::clone_to_partition(Oid partition, const Relation& parent) {
  for (Oid i : parent.indexes) {
    auto index = state()->relation(i);
    if (index != nullptr) partition_index(*index, parent, partition);
  }
  for (const Constraint& c : parent.constraints)
    if (c.kind == ConstraintKind::kForeignKey) clone_foreign_key(c, parent, partition);
  for (Oid t : parent.triggers)
    if (auto trigger = state()->get_as<catalog::Trigger>(ObjectKind::kTrigger, t)) clone_trigger(*trigger, parent, partition);
}

// The partition's index for one of its parent: one that is there already, or a new one.
void Ddl::partition_index(const Relation& above, const Relation& parent, Oid partition) {
  auto r = edit(state()->relation(partition));
  const auto positions = attribute_map(parent, *r);
  catalog::IndexInfo wanted = *above.index;
  for (auto& k : wanted.keys)
    if (k.column != 0) k.column = positions[static_cast<size_t>(k.column - 1)];
  for (auto& c : wanted.included) c = positions[static_cast<size_t>(c - 1)];
  const Constraint* constraint = nullptr;
  for (const Constraint& c : parent.constraints)
    if (c.index == above.oid && c.kind != ConstraintKind::kForeignKey) constraint = &c;
  auto attach = [&](std::shared_ptr<Relation> index) {
    index->parents = {above.oid};
    put(index);
    changes().add_dependency({{ObjectKind::kRelation, index->oid, 0}, {ObjectKind::kRelation, above.oid, 0}, DependencyKind::kAuto});
  };
  for (Oid i : r->indexes) {
    auto have = state()->relation(i);
    if (have == nullptr || !have->index || !have->parents.empty() || have->index->method != wanted.method || have->index->unique != wanted.unique ||
        have->index->predicate_sql != wanted.predicate_sql || have->index->included != wanted.included || have->index->keys.size() != wanted.keys.size() || !have->index->valid) continue;
    bool same = true;
    for (size_t k = 0; k < wanted.keys.size() && same; ++k) {
      const auto &a = wanted.keys[k], &b = have->index->keys[k];
      same = a.column == b.column && a.expression_sql == b.expression_sql && a.collation == b.collation && a.opclass == b.opclass && a.descending == b.descending && a.nulls_first == b.nulls_first;
    }
    Constraint* own = nullptr;
    for (Constraint& c : r->constraints)
      if (c.index == i && c.kind != ConstraintKind::kForeignKey) own = &c;
    if (!same || (constraint != nullptr && (own == nullptr || own->kind != constraint->kind))) continue;
    attach(edit(have));
    if (constraint != nullptr) {
      own->parent = constraint->oid;
      own->inherit_count = 1;
      own->local = false;
      put(r);
    }
    if (r->partitioning)
      for (Oid child : direct_children(*state(), partition)) partition_index(*state()->relation(i), *state()->relation(partition), child);
    return;
  }
  std::vector<std::string> names;
  for (auto& k : wanted.keys) {
    std::string name = "expr";
    if (k.column != 0) {
      name = r->column(k.column)->name;
    } else {
      const ParsedExpression parsed = parse_expression(k.expression_sql);
      if (pg::is(parsed.node, pg::kFuncCall)) name = pg::str(parsed.node->func_call->funcname[parsed.node->func_call->n_funcname - 1]);
    }
    names.push_back(std::move(name));
  }
  for (int16_t c : wanted.included) names.push_back(r->column(c)->name);
  std::string joined;
  for (const std::string& n : names) joined += (joined.empty() ? "" : "_") + n;
  const bool primary = wanted.primary;
  if (primary)
    for (const Constraint& c : r->constraints)
      if (c.kind == ConstraintKind::kPrimary) fail(ErrorCode::kInvalidTableDefinition, "multiple primary keys for table \"" + r->name + "\" are not allowed");
  std::set<std::string> taken;
  for (const Constraint& c : r->constraints) taken.insert(c.name);
  const std::string name = choose_name(r->name, primary ? std::string() : joined, primary ? "pkey" : constraint != nullptr ? "key" : "idx", r->schema, taken);
  if (primary)
    for (auto& k : wanted.keys) r->columns[k.column - 1].not_null = true;
  auto index = make_index(*r, name, wanted);
  index = edit(state()->relation(index->oid));
  index->options = above.options;
  attach(index);
  if (constraint != nullptr) {
    Constraint c = *constraint;
    c.oid = catalog().allocate_oid();
    c.name = name;
    c.index = index->oid;
    for (int16_t& n : c.columns) n = positions[static_cast<size_t>(n - 1)];
    c.parent = constraint->oid;
    c.inherit_count = 1;
    c.local = false;
    c.comment.reset();
    r->constraints.push_back(c);
    put(std::make_shared<Relation>(*r));
    const ObjectAddress self{ObjectKind::kConstraint, c.oid, 0};
    changes().add_dependency({self, {ObjectKind::kRelation, r->oid, 0}, DependencyKind::kAuto});
    changes().add_dependency({self, {ObjectKind::kConstraint, constraint->oid, 0}, DependencyKind::kAuto});
    changes().add_dependency({{ObjectKind::kRelation, index->oid, 0}, self, DependencyKind::kInternal});
  } else {
    put(std::make_shared<Relation>(*r));
  }
  if (r->partitioning) {
    for (Oid child : direct_children(*state(), partition)) partition_index(*state()->relation(index->oid), *state()->relation(partition), child);
  } else {
    build(*state()->relation(index->oid));
  }
}

void Ddl::clone_foreign_key(const Constraint& above, const Relation& parent, Oid partition) {
  auto r = edit(state()->relation(partition));
  const auto positions = attribute_map(parent, *r);
  Constraint c = above;
  for (int16_t& n : c.columns) n = positions[static_cast<size_t>(n - 1)];
  for (int16_t& n : c.on_delete_columns) n = positions[static_cast<size_t>(n - 1)];
  c.parent = above.oid;
  c.inherit_count = 1;
  c.local = false;
  c.comment.reset();
  // One that says the same becomes the clone.
  for (Constraint& have : r->constraints)
    if (have.kind == ConstraintKind::kForeignKey && have.parent == 0 && have.referenced == c.referenced && have.columns == c.columns && have.referenced_columns == c.referenced_columns &&
        have.on_delete == c.on_delete && have.on_update == c.on_update && have.match == c.match && have.deferrable == c.deferrable && have.initially_deferred == c.initially_deferred) {
      have.parent = above.oid;
      have.inherit_count = 1;
      have.local = false;
      const Constraint kept = have;
      put(r);
      changes().add_dependency({{ObjectKind::kConstraint, kept.oid, 0}, {ObjectKind::kConstraint, above.oid, 0}, DependencyKind::kAuto});
      if (r->partitioning)
        for (Oid child : direct_children(*state(), partition)) clone_foreign_key(kept, *state()->relation(partition), child);
      return;
    }
  c.oid = catalog().allocate_oid();
  if (constraint_exists(*r, c.name)) {
    std::set<std::string> taken;
    for (const Constraint& k : r->constraints) taken.insert(k.name);
    std::string joined;
    for (int16_t n : c.columns) joined += (joined.empty() ? "" : "_") + r->column(n)->name;
    c.name = choose_name(r->name, joined, "fkey", 0, taken);
  }
  put(std::make_shared<Relation>(*r));
  if (c.validated && r->relkind == 'r') validate_constraint(*r, c, host.exec());
  r->constraints.push_back(c);
  put(r);
  const ObjectAddress self{ObjectKind::kConstraint, c.oid, 0};
  changes().add_dependency({self, {ObjectKind::kRelation, r->oid, 0}, DependencyKind::kAuto});
  changes().add_dependency({self, {ObjectKind::kConstraint, above.oid, 0}, DependencyKind::kAuto});
  for (int16_t n : c.columns) changes().add_dependency({self, {ObjectKind::kRelation, r->oid, n}, DependencyKind::kAuto});
  if (r->partitioning)
    for (Oid child : direct_children(*state(), partition)) clone_foreign_key(c, *state()->relation(partition), child);
}

void Ddl::clone_trigger(const catalog::Trigger& above, const Relation& parent, Oid partition) {
  if ((above.type & 1) == 0) return;   // statement triggers are the parent's alone
  auto r = edit(state()->relation(partition));
  const auto positions = attribute_map(parent, *r);
  auto t = std::make_shared<catalog::Trigger>(above);
  t->oid = catalog().allocate_oid();
  t->relation = partition;
  t->parent = above.oid;
  t->comment.reset();
  for (int16_t& c : t->columns) c = positions[static_cast<size_t>(c - 1)];
  if (t->constraint != 0) t->constraint = catalog().allocate_oid();
  if (auto old = std::static_pointer_cast<const catalog::Trigger>(state()->find(ObjectKind::kTrigger, partition, t->name)))
    fail(ErrorCode::kDuplicateObject, "trigger \"" + t->name + "\" for relation \"" + r->name + "\" already exists");
  put(t);
  r->triggers.push_back(t->oid);
  put(r);
  const ObjectAddress self{ObjectKind::kTrigger, t->oid, 0};
  changes().add_dependency({self, {ObjectKind::kRelation, partition, 0}, DependencyKind::kAuto});
  changes().add_dependency({self, {ObjectKind::kTrigger, above.oid, 0}, DependencyKind::kAuto});
  if (r->partitioning)
    for (Oid child : direct_children(*state(), partition)) clone_trigger(*t, *state()->relation(partition), child);
}

// What a new partition takes away from the default one must not be there.
void Ddl::check_default_partition(const Relation& parent, const catalog::PartitionBound& bound, Oid except) {
  if (bound.is_default) return;
  for (Oid child : direct_children(*state(), parent.oid)) {
    auto r = state()->relation(child);
    if (r == nullptr || child == except || !r->bound || !r->bound->is_default) continue;
    host.lock_relation(child, LockMode::kAccessExclusive);
    validate_partition(*r, parent, bound, true, host.exec());
  }
}

void Ddl::attach_partition(std::shared_ptr<Relation>& parent, const pg::PartitionCmd* c) {
  if (parent->relkind == 'I') return attach_index(parent, c);
  if (!parent->partitioning) fail(ErrorCode::kWrongObjectType, "table \"" + parent->name + "\" is not partitioned");
  Ptr<Relation> found = relation(c->name);
  host.lock_relation(found->oid, LockMode::kAccessExclusive);
  if (found->relkind != 'r' && found->relkind != 'p') fail(ErrorCode::kWrongObjectType, "ALTER action ATTACH PARTITION cannot be performed on relation \"" + found->name + "\"", -1, std::string("This operation is not supported for ") + relkind_word(found->relkind) + "s.");
  check_owner(*found, "table");
  if (found->bound) fail(ErrorCode::kWrongObjectType, "\"" + found->name + "\" is already a partition");
  if (found->of_type != 0) fail(ErrorCode::kWrongObjectType, "cannot attach a typed table as partition");
  if (!found->parents.empty()) fail(ErrorCode::kWrongObjectType, "cannot attach inheritance child as partition");
  if (!found->partitioning && !direct_children(*state(), found->oid).empty()) fail(ErrorCode::kWrongObjectType, "cannot attach inheritance parent as partition");
  for (auto& above : partition_ancestors(*state(), *parent))
    if (above->oid == found->oid) fail(ErrorCode::kDuplicateTable, "circular inheritance not allowed", -1, "\"" + parent->name + "\" is already a child of \"" + found->name + "\".");
  if (found->oid == parent->oid) fail(ErrorCode::kDuplicateTable, "circular inheritance not allowed", -1, "\"" + parent->name + "\" is already a child of \"" + found->name + "\".");
  if (parent->persistence == 't' && found->persistence != 't') fail(ErrorCode::kWrongObjectType, "cannot attach a permanent relation as partition of temporary relation \"" + parent->name + "\"");
  if (parent->persistence != 't' && found->persistence == 't') fail(ErrorCode::kWrongObjectType, "cannot attach a temporary relation as partition of permanent relation \"" + parent->name + "\"");
  auto r = edit(found);
  for (const Column& own : r->columns)
    if (!own.dropped && parent->column(std::string_view(own.name)) == nullptr)
      fail(ErrorCode::kDatatypeMismatch, "table \"" + r->name + "\" contains column \"" + own.name + "\" not found in parent \"" + parent->name + "\"", -1,
           "The new partition may contain only the columns present in parent.");
  for (Oid t : r->triggers)
    if (auto trigger = state()->get_as<catalog::Trigger>(ObjectKind::kTrigger, t); trigger != nullptr && (trigger->type & 1) != 0 && (!trigger->old_table.empty() || !trigger->new_table.empty()))
      fail(ErrorCode::kObjectNotInPrerequisiteState, "trigger \"" + trigger->name + "\" prevents table \"" + r->name + "\" from becoming a partition", -1,
           "ROW triggers with transition tables are not supported on partitions.");
  std::string shown;
  catalog::PartitionBound bound = partition_bound(r->name, *parent, c->bound, &shown);
  merge_into_existing(*r, *parent, true);
  validate_partition(*found, *parent, bound, false, host.exec());
  check_default_partition(*parent, bound, r->oid);
  r->parents = {parent->oid};
  r->bound = bound;
  r->partition_bound = shown;
  put(std::make_shared<Relation>(*r));
  changes().add_dependency({{ObjectKind::kRelation, r->oid, 0}, {ObjectKind::kRelation, parent->oid, 0}, DependencyKind::kAuto});
  host.next_command();
  clone_to_partition(r->oid, *parent);
  parent = edit(state()->relation(parent->oid));
}

// Columns and checks that an existing table has to have to become a child.
void Ddl::merge_into_existing(Relation& child, const Relation& parent, bool partition) {
  for (const Column& pc : parent.columns) {
    if (pc.dropped) continue;
    const Column* found = child.column(std::string_view(pc.name));
    if (found == nullptr) fail(ErrorCode::kDatatypeMismatch, "child table is missing column \"" + pc.name + "\"");
    Column& mine = child.columns[found->number - 1];
    if (mine.type != pc.type || mine.typmod != pc.typmod) fail(ErrorCode::kDatatypeMismatch, "child table \"" + child.name + "\" has different type for column \"" + pc.name + "\"");
    if (mine.collation != pc.collation) fail(ErrorCode::kCollationMismatch, "child table \"" + child.name + "\" has different collation for column \"" + pc.name + "\"");
    if (pc.not_null && !mine.not_null) fail(ErrorCode::kDatatypeMismatch, "column \"" + pc.name + "\" in child table must be marked NOT NULL");
    if (pc.generated && !mine.generated) fail(ErrorCode::kDatatypeMismatch, "column \"" + pc.name + "\" in child table must be a generated column");
    ++mine.inherit_count;
    if (partition) mine.local = false;
  }
  for (const Constraint& k : parent.constraints) {
    if (k.kind != ConstraintKind::kCheck || k.no_inherit) continue;
    bool found = false;
    for (Constraint& own : child.constraints) {
      if (own.kind != ConstraintKind::kCheck || own.name != k.name) continue;
      if (own.check_sql != k.check_sql) fail(ErrorCode::kDatatypeMismatch, "child table \"" + child.name + "\" has different definition for check constraint \"" + k.name + "\"");
      if (own.no_inherit) fail(ErrorCode::kInvalidObjectDefinition, "constraint \"" + k.name + "\" conflicts with non-inherited constraint on child table \"" + child.name + "\"");
      if (!own.validated) fail(ErrorCode::kInvalidObjectDefinition, "constraint \"" + k.name + "\" conflicts with NOT VALID constraint on child table \"" + child.name + "\"");
      ++own.inherit_count;
      if (partition) own.local = false;
      found = true;
    }
    if (!found) fail(ErrorCode::kDatatypeMismatch, "child table is missing constraint \"" + k.name + "\"");
  }
}

void Ddl::detach_partition(std::shared_ptr<Relation>& parent, const pg::PartitionCmd* c) {
  Ptr<Relation> found = relation(c->name);
  if (!parent->partitioning) fail(ErrorCode::kWrongObjectType, "table \"" + parent->name + "\" is not partitioned");
  if (!found->bound || found->parents.empty() || found->parents[0] != parent->oid)
    fail(ErrorCode::kUndefinedTable, "relation \"" + found->name + "\" is not a partition of relation \"" + parent->name + "\"");
  if (c->concurrent) host.prevent_in_block("ALTER TABLE ... DETACH CONCURRENTLY");
  host.lock_relation(found->oid, LockMode::kAccessExclusive);
  check_detach_references(*found, *parent);
  auto r = edit(state()->relation(found->oid));
  r->parents.clear();
  r->bound.reset();
  r->partition_bound.clear();
  for (Column& col : r->columns) {
    if (col.inherit_count > 0) --col.inherit_count;
    col.local = true;
  }
  for (Constraint& k : r->constraints) {
    if (k.parent != 0) {
      changes().drop_dependencies_of({ObjectKind::kConstraint, k.oid, 0});
      changes().add_dependency({{ObjectKind::kConstraint, k.oid, 0}, {ObjectKind::kRelation, r->oid, 0}, DependencyKind::kAuto});
      if (k.kind == ConstraintKind::kForeignKey) {
        for (int16_t n : k.referenced_columns) changes().add_dependency({{ObjectKind::kConstraint, k.oid, 0}, {ObjectKind::kRelation, k.referenced, n}, DependencyKind::kNormal});
        changes().add_dependency({{ObjectKind::kConstraint, k.oid, 0}, {ObjectKind::kRelation, k.index, 0}, DependencyKind::kNormal});
      }
    }
    k.parent = 0;
    if (k.inherit_count > 0) --k.inherit_count;
    k.local = true;
  }
  put(std::make_shared<Relation>(*r));
  changes().drop_dependencies_of({ObjectKind::kRelation, r->oid, 0});
  depend({ObjectKind::kRelation, r->oid, 0}, {ObjectKind::kSchema, r->schema, 0});
  for (Oid i : r->indexes) {
    auto index = edit(state()->relation(i));
    if (index->parents.empty()) continue;
    index->parents.clear();
    put(index);
    // What it depends on beside the parent's index, anew.
    changes().drop_dependencies_of({ObjectKind::kRelation, i, 0});
    const Constraint* owner = nullptr;
    for (const Constraint& k : r->constraints)
      if (k.index == i && k.kind != ConstraintKind::kForeignKey) owner = &k;
    if (owner != nullptr) changes().add_dependency({{ObjectKind::kRelation, i, 0}, {ObjectKind::kConstraint, owner->oid, 0}, DependencyKind::kInternal});
    for (const auto& k : index->index->keys)
      if (k.column != 0) changes().add_dependency({{ObjectKind::kRelation, i, 0}, {ObjectKind::kRelation, r->oid, k.column}, DependencyKind::kAuto});
    changes().add_dependency({{ObjectKind::kRelation, i, 0}, {ObjectKind::kRelation, r->oid, 0}, DependencyKind::kAuto});
  }
  const std::vector<Oid> triggers = r->triggers;
  for (Oid t : triggers)
    if (auto trigger = state()->get_as<catalog::Trigger>(ObjectKind::kTrigger, t); trigger != nullptr && trigger->parent != 0) drop_now({ObjectKind::kTrigger, t, 0});
}

// A partition whose rows others refer to stays.
void Ddl::check_detach_references(const Relation& partition, const Relation& parent) {
  std::vector<Ptr<Relation>> referring;
  state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
    auto r = std::static_pointer_cast<const Relation>(o);
    for (const Constraint& k : r->constraints)
      if (k.kind == ConstraintKind::kForeignKey && k.referenced == parent.oid && !r->partitioning) referring.push_back(r);
  });
  for (auto& r : referring)
    for (const Constraint& k : r->constraints) {
      if (k.kind != ConstraintKind::kForeignKey || k.referenced != parent.oid) continue;
      // Rows that the partition has are looked for among those that refer.
      std::string on, columns;
      for (size_t i = 0; i < k.columns.size(); ++i) {
        on += (i > 0 ? " AND " : "") + ("f." + quote_identifier(r->column(k.columns[i])->name)) + " = p." + quote_identifier(parent.column(k.referenced_columns[i])->name);
        columns += (i > 0 ? ", " : "") + ("p." + quote_identifier(parent.column(k.referenced_columns[i])->name)) + "::text";
      }
      auto name = [&](const Relation& x) { return quote_identifier(view().schema_name(x.schema)) + "." + quote_identifier(x.name); };
      const std::string key = query_text("SELECT concat_ws(', ', " + columns + ") FROM ONLY " + name(*r) + " f JOIN " + name(partition) + " p ON " + on + " LIMIT 1");
      if (key.empty()) continue;
      std::string shown;
      for (size_t i = 0; i < k.columns.size(); ++i) shown += (i > 0 ? ", " : "") + r->column(k.columns[i])->name;
      const auto above = partition_ancestors(*state(), *r);
      const Relation& referring = k.parent != 0 && !above.empty() ? *above.back() : *r;
      throw Error(ErrorCode::kForeignKeyViolation, "removing partition \"" + partition.name + "\" violates foreign key constraint \"" + k.name + "\"")
          .detail("Key (" + shown + ")=(" + key + ") is still referenced from table \"" + referring.name + "\".")
          .names(view().schema_name(referring.schema), referring.name, {}, {}, k.name);
    }
}

void Ddl::attach_index(std::shared_ptr<Relation>& parent, const pg::PartitionCmd* c) {
  Ptr<Relation> found = relation(c->name);
  if (!found->index) fail(ErrorCode::kWrongObjectType, "\"" + found->name + "\" is not an index");
  if (!found->parents.empty() && found->parents[0] == parent->oid) return;
  auto refuse = [&](std::string detail) {
    fail(ErrorCode::kInvalidObjectDefinition, "cannot attach index \"" + found->name + "\" as a partition of index \"" + parent->name + "\"", -1, std::move(detail));
  };
  if (!found->parents.empty()) refuse("Index \"" + found->name + "\" is already attached to another index.");
  auto table = state()->relation(parent->index->table), below = state()->relation(found->index->table);
  if (below->parents.empty() || below->parents[0] != table->oid || !below->bound) refuse("Index \"" + found->name + "\" is not an index on any partition of table \"" + table->name + "\".");
  for (Oid i : below->indexes)
    if (auto other = state()->relation(i); other != nullptr && !other->parents.empty() && other->parents[0] == parent->oid)
      refuse("Another index is already attached for partition \"" + below->name + "\".");
  const auto positions = attribute_map(*table, *below);
  bool same = found->index->keys.size() == parent->index->keys.size() && found->index->unique == parent->index->unique && found->index->method == parent->index->method;
  for (size_t k = 0; same && k < found->index->keys.size(); ++k) {
    const auto &a = parent->index->keys[k], &b = found->index->keys[k];
    same = (a.column == 0 ? b.column == 0 && a.expression_sql == b.expression_sql : positions[static_cast<size_t>(a.column - 1)] == b.column) && a.collation == b.collation && a.opclass == b.opclass;
  }
  if (!same || (found->index->predicate_sql != parent->index->predicate_sql)) refuse("The index definitions do not match.");
  auto index = edit(found);
  index->parents = {parent->oid};
  put(index);
  changes().add_dependency({{ObjectKind::kRelation, index->oid, 0}, {ObjectKind::kRelation, parent->oid, 0}, DependencyKind::kAuto});
  // Complete once every partition has its own.
  bool complete = true;
  for (Oid child : direct_children(*state(), table->oid)) {
    bool has = false;
    for (Oid i : state()->relation(child)->indexes)
      if (auto other = state()->relation(i); other != nullptr && !other->parents.empty() && other->parents[0] == parent->oid) has = true;
    complete = complete && has;
  }
  if (complete) parent->index->valid = true;
  put(std::make_shared<Relation>(*parent));
}

// Unique keys of a partitioned table hold within each partition, so that they have to contain its key.
void Ddl::check_partition_unique(const Relation& table, const std::vector<int16_t>& columns, const char* what) {
  if (!table.partitioning) return;
  for (int16_t c : table.partitioning->columns) {
    if (c == 0)
      fail(ErrorCode::kFeatureNotSupported, std::string("unsupported ") + what + " constraint with partition key definition", -1,
           std::string(what) + " constraints cannot be used when partition keys include expressions.");
    if (std::find(columns.begin(), columns.end(), c) == columns.end())
      fail(ErrorCode::kFeatureNotSupported, "unique constraint on partitioned table must include all partitioning columns", -1,
           std::string(what) + " constraint on table \"" + table.name + "\" lacks column \"" + table.column(c)->name + "\" which is part of the partition key.");
  }
}

}  // namespace stele::sql
