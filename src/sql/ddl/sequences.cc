// CREATE and ALTER SEQUENCE.
#include "rows/sequences.h"

#include "sql/ddl/ddl.h"

namespace stele::sql {

void Ddl::sequence_options(catalog::SequenceInfo& info, std::span<Node* const> list, bool is_new, std::optional<int64_t>* restart, std::vector<std::string>* owned_by,
                           const std::string& name) {
  const pg::DefElem *start = nullptr, *increment = nullptr, *max = nullptr, *min = nullptr, *cache = nullptr, *cycle = nullptr, *type = nullptr;
  bool has_min = false, has_max = false, restarts = false;
  std::set<std::string> seen;
  for (const Node* n : list) {
    const pg::DefElem* d = n->def_elem;
    std::string_view k = d->defname;
    if (!seen.insert(std::string(k)).second) fail(ErrorCode::kSyntaxError, "conflicting or redundant options", d->location);
    if (k == "as") type = d;
    else if (k == "increment") increment = d;
    else if (k == "start") start = d;
    else if (k == "restart") {
      if (restart != nullptr) *restart = d->arg != nullptr ? std::optional<int64_t>(def_int(d)) : std::optional<int64_t>(INT64_MIN);
      restarts = d->arg == nullptr;
    }
    else if (k == "maxvalue") { max = d; has_max = true; }
    else if (k == "minvalue") { min = d; has_min = true; }
    else if (k == "cache") cache = d;
    else if (k == "cycle") cycle = d;
    else if (k == "owned_by") {
      if (owned_by != nullptr)
        for (const Node* x : PG_LIST(d->arg->list, items)) owned_by->emplace_back(pg::str(x));
    } else if (k == "sequence_name" || k == "logged" || k == "unlogged") {
    } else fail(ErrorCode::kSyntaxError, "option \"" + std::string(k) + "\" not recognized");
  }
  bool type_changed = false, reset_max = false, reset_min = false;
  auto limits = [](Oid t) -> std::pair<int64_t, int64_t> {
    if (t == oid::kInt2) return {INT16_MIN, INT16_MAX};
    if (t == oid::kInt4) return {INT32_MIN, INT32_MAX};
    return {INT64_MIN, INT64_MAX};
  };
  if (type != nullptr) {
    BindContext b = bind();
    Oid t = resolve_type(type->arg->type_name, b).type;
    if (t != oid::kInt2 && t != oid::kInt4 && t != oid::kInt8)
      fail(ErrorCode::kInvalidParameterValue, info.identity ? "identity column type must be smallint, integer, or bigint" : "sequence type must be smallint, integer, or bigint");
    if (!is_new) {
      reset_max = info.max == limits(info.type).second;
      reset_min = info.min == limits(info.type).first;
    }
    type_changed = info.type != t;
    info.type = t;
  }
  (void)type_changed;
  if (increment != nullptr) {
    info.increment = def_int(increment);
    if (info.increment == 0) fail(ErrorCode::kInvalidParameterValue, "INCREMENT must not be zero");
  }
  if (cycle != nullptr) info.cycle = def_bool(cycle);
  auto [low, high] = limits(info.type);
  if (max != nullptr && max->arg != nullptr) info.max = def_int(max);
  else if (is_new || has_max || reset_max) info.max = info.increment > 0 || reset_max ? high : -1;
  if (info.max > high || info.max < low)
    fail(ErrorCode::kInvalidParameterValue, "MAXVALUE (" + std::to_string(info.max) + ") is out of range for sequence data type " + view().format_type(info.type));
  if (min != nullptr && min->arg != nullptr) info.min = def_int(min);
  else if (is_new || has_min || reset_min) info.min = info.increment < 0 || reset_min ? low : 1;
  if (info.min > high || info.min < low)
    fail(ErrorCode::kInvalidParameterValue, "MINVALUE (" + std::to_string(info.min) + ") is out of range for sequence data type " + view().format_type(info.type));
  if (info.min >= info.max)
    fail(ErrorCode::kInvalidParameterValue, "MINVALUE (" + std::to_string(info.min) + ") must be less than MAXVALUE (" + std::to_string(info.max) + ")");
  if (start != nullptr) info.start = def_int(start);
  else if (is_new) info.start = info.increment > 0 ? info.min : info.max;
  if (info.start < info.min)
    fail(ErrorCode::kInvalidParameterValue, "START value (" + std::to_string(info.start) + ") cannot be less than MINVALUE (" + std::to_string(info.min) + ")");
  if (info.start > info.max)
    fail(ErrorCode::kInvalidParameterValue, "START value (" + std::to_string(info.start) + ") cannot be greater than MAXVALUE (" + std::to_string(info.max) + ")");
  if (restarts && restart != nullptr) *restart = info.start;   // whatever START says beside it
  if (restart != nullptr && *restart) {
    if (**restart < info.min)
      fail(ErrorCode::kInvalidParameterValue, "RESTART value (" + std::to_string(**restart) + ") cannot be less than MINVALUE (" + std::to_string(info.min) + ")");
    if (**restart > info.max)
      fail(ErrorCode::kInvalidParameterValue, "RESTART value (" + std::to_string(**restart) + ") cannot be greater than MAXVALUE (" + std::to_string(info.max) + ")");
  }
  if (cache != nullptr) {
    info.cache = def_int(cache);
    if (info.cache <= 0) fail(ErrorCode::kInvalidParameterValue, "CACHE (" + std::to_string(info.cache) + ") must be greater than zero");
  }
  (void)name;
}

std::shared_ptr<Relation> Ddl::make_sequence(const Target& t, Oid type, std::span<Node* const> list, Oid table, int16_t column, bool identity, char persistence) {
  auto r = std::make_shared<Relation>();
  r->oid = catalog().allocate_oid();
  r->storage_id = catalog().allocate_storage_id();
  r->name = t.name;
  r->schema = t.schema;
  r->owner = host.current_user();
  r->relkind = 'S';
  r->acl = default_acl('S', r->owner, r->schema);
  r->persistence = t.temporary ? 't' : persistence;
  r->temp_session = t.temporary ? host.temp_session() : 0;
  // An identity's options may name the sequence.
  for (const Node* n : list)
    if (std::string_view(n->def_elem->defname) == "sequence_name" && n->def_elem->arg != nullptr && n->def_elem->arg->node_case == pg::kList) {
      std::vector<std::string> names = pg::strings(PG_LIST(n->def_elem->arg->list, items));
      r->name = names.back();
    }
  catalog::SequenceInfo info;
  info.type = type;
  info.identity = identity;
  std::vector<std::string> owned;
  sequence_options(info, list, true, nullptr, &owned, r->name);
  info.owner_table = table;
  info.owner_column = column;
  r->sequence = info;
  auto col = [&](const char* name, int16_t n, Oid ct) {
    Column c;
    c.name = name;
    c.number = n;
    c.type = ct;
    c.not_null = true;
    r->columns.push_back(c);
  };
  col("last_value", 1, oid::kInt8);
  col("log_cnt", 2, oid::kInt8);
  col("is_called", 3, oid::kBool);
  put(r);
  depend({ObjectKind::kRelation, r->oid, 0}, {ObjectKind::kSchema, r->schema, 0});
  if (table != 0)
    changes().add_dependency({{ObjectKind::kRelation, r->oid, 0}, {ObjectKind::kRelation, table, column}, identity ? DependencyKind::kInternal : DependencyKind::kAuto});
  else if (!owned.empty()) own_sequence(r, owned);
  return r;
}

void Ddl::own_sequence(std::shared_ptr<Relation> seq, const std::vector<std::string>& owned) {
  seq = edit(Ptr<Relation>(seq));
  if (seq->sequence->identity)
    fail(ErrorCode::kFeatureNotSupported, "cannot change ownership of identity sequence", -1,
         "Sequence \"" + seq->name + "\" is linked to table \"" + state()->relation(seq->sequence->owner_table)->name + "\".");
  changes().drop_dependencies_of({ObjectKind::kRelation, seq->oid, 0});
  depend({ObjectKind::kRelation, seq->oid, 0}, {ObjectKind::kSchema, seq->schema, 0});
  if (owned.size() == 1 && owned[0] == "none") {
    seq->sequence->owner_table = 0;
    seq->sequence->owner_column = 0;
    put(seq);
    return;
  }
  if (owned.size() < 2) fail(ErrorCode::kSyntaxError, "invalid OWNED BY option", -1, {}, "Specify OWNED BY table.column or OWNED BY NONE.");
  Oid schema = owned.size() > 2 ? view().schema(owned[owned.size() - 3]) : 0;
  auto table = view().find_relation(owned[owned.size() - 2], schema);
  if (table == nullptr) fail(ErrorCode::kUndefinedTable, "relation \"" + owned[owned.size() - 2] + "\" does not exist");
  if (table->owner != seq->owner) fail(ErrorCode::kObjectNotInPrerequisiteState, "sequence must have same owner as table it is linked to");
  if (table->schema != seq->schema) fail(ErrorCode::kObjectNotInPrerequisiteState, "sequence must be in same schema as table it is linked to");
  const Column* c = table->column(owned.back());
  if (c == nullptr) fail(ErrorCode::kUndefinedColumn, "column \"" + owned.back() + "\" of relation \"" + table->name + "\" does not exist");
  seq->sequence->owner_table = table->oid;
  seq->sequence->owner_column = c->number;
  put(seq);
  changes().add_dependency({{ObjectKind::kRelation, seq->oid, 0}, {ObjectKind::kRelation, table->oid, c->number}, DependencyKind::kAuto});
}

void Ddl::create_sequence(const pg::CreateSeqStmt* s) {
  Target t = creation_target(s->sequence);
  if (name_used(t.schema, t.name)) {
    if (s->if_not_exists) {
      notice("relation \"" + t.name + "\" already exists, skipping", {}, {}, "NOTICE", ErrorCode::kDuplicateTable);
      return;
    }
    fail(ErrorCode::kDuplicateTable, "relation \"" + t.name + "\" already exists");
  }
  make_sequence(t, oid::kInt8, PG_LIST(s, options), 0, 0, false, std::string_view(s->sequence->relpersistence) == "u" ? 'u' : 'p');
}

void Ddl::alter_sequence(const pg::AlterSeqStmt* s) {
  Ptr<Relation> found = relation(s->sequence, s->missing_ok);
  if (found == nullptr) {
    notice(std::string("relation \"") + s->sequence->relname + "\" does not exist, skipping");
    return;
  }
  if (found->relkind != 'S') fail(ErrorCode::kWrongObjectType, "\"" + found->name + "\" is not a sequence");
  check_owner(*found, "sequence");
  host.lock_relation(found->oid, LockMode::kShareRowExclusive);
  auto r = edit(found);
  std::optional<int64_t> restart;
  std::vector<std::string> owned;
  auto& sequences = rows::Sequences::of(*host.exec().engine->store);
  rows::SequenceState st = sequences.state(*r);
  sequence_options(*r->sequence, PG_LIST(s, options), false, &restart, &owned, r->name);
  if (!restart && st.is_called) {
    if (st.last_value > r->sequence->max)
      fail(ErrorCode::kInvalidParameterValue, "RESTART value (" + std::to_string(st.last_value) + ") cannot be greater than MAXVALUE (" + std::to_string(r->sequence->max) + ")");
    if (st.last_value < r->sequence->min)
      fail(ErrorCode::kInvalidParameterValue, "RESTART value (" + std::to_string(st.last_value) + ") cannot be less than MINVALUE (" + std::to_string(r->sequence->min) + ")");
  }
  // A new storage id makes the change follow the transaction.
  r->storage_id = catalog().allocate_storage_id();
  if (restart) sequences.set(*r, *restart, false);
  else sequences.set(*r, st.last_value, st.is_called);
  put(r);
  if (!owned.empty()) own_sequence(r, owned);
}

}  // namespace stele::sql
