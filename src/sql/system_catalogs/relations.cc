// Definitions of the system relations, and scan()'s dispatch.
#include <unordered_map>

#include "sql/system_catalogs/rows.h"
#include "types/builtin.h"

namespace stele::sql::system_catalogs {
namespace {

struct Definitions {
  std::vector<std::shared_ptr<const catalog::Relation>> all;   // without indexes
  std::unordered_map<Oid, std::shared_ptr<const catalog::Relation>> by_oid;
  std::map<std::pair<Oid, std::string_view>, std::shared_ptr<const catalog::Relation>> by_name;
};

Definitions load() {
  Definitions d;
  std::shared_ptr<catalog::Relation> current;
  auto close = [&] {
    if (!current) return;
    d.all.push_back(current);
    d.by_oid[current->oid] = current;
    d.by_name[{current->schema, current->name}] = current;
    current.reset();
  };
  for (const char* table : {"system_columns", "information_schema_columns"}) {
    for (const auto& f : builtin::rows(table)) {
      Oid oid = static_cast<Oid>(std::atoll(f[0].c_str()));
      if (!current || current->oid != oid) {
        close();
        current = std::make_shared<catalog::Relation>();
        current->oid = oid;
        current->name = f[1];
        current->schema = f[2] == "pg_catalog" ? catalog::kPgCatalog : catalog::kInformationSchema;
        current->relkind = f[3][0];
        // The contents are public except where producers hide them.
        current->acl = std::vector<catalog::AclItem>{{0, catalog::kBootstrapRole, catalog::kSelect, 0}};
      }
      catalog::Column c;
      c.name = f[4];
      c.number = static_cast<int16_t>(std::atoi(f[5].c_str()));
      c.type = static_cast<Oid>(std::atoll(f[6].c_str()));
      c.not_null = f[7] == "t";
      // The domain yes_or_no is character varying(3).
      if (current->schema == catalog::kInformationSchema && c.type == 1043 &&
          ((c.name.starts_with("is_") && c.name != "is_generated" && c.name != "is_derived_reference_attribute") || c.name == "identity_cycle" || c.name == "initially_deferred" ||
           c.name == "enforced" || c.name == "nulls_distinct" || c.name == "cycle_option" || c.name == "with_hierarchy"))
        c.typmod = 7;
      c.dimensions = static_cast<int16_t>(std::atoi(f[8].c_str()));
      if (const BuiltinType* t = builtin::type(c.type)) c.collation = t->collation;
      current->columns.push_back(std::move(c));
    }
    close();
  }
  auto table = [&](std::string_view name) -> catalog::Relation* {
    auto it = d.by_name.find({catalog::kPgCatalog, name});
    return it == d.by_name.end() ? nullptr : std::const_pointer_cast<catalog::Relation>(it->second).get();
  };
  for (auto& index : index_definitions(table)) d.by_oid[index->oid] = index;
  return d;
}

const Definitions& definitions() {
  static const Definitions* d = new Definitions(load());
  return *d;
}

}  // namespace

std::shared_ptr<const catalog::Relation> find(Oid schema, std::string_view name) {
  auto& d = definitions();
  auto it = d.by_name.find({schema, name});
  return it == d.by_name.end() ? nullptr : it->second;
}
std::shared_ptr<const catalog::Relation> find(Oid oid) {
  auto& d = definitions();
  auto it = d.by_oid.find(oid);
  return it == d.by_oid.end() ? nullptr : it->second;
}
const std::vector<std::shared_ptr<const catalog::Relation>>& all() { return definitions().all; }

bool depends_on_state_alone(Oid relation) {
  auto def = find(relation);
  return def && def->schema == catalog::kPgCatalog && (builtin_producer(def->name) != nullptr || object_producer(def->name) != nullptr);
}

void scan(Oid relation, Context& context, const std::function<bool(std::span<const NullableDatum>)>& emit, Arena& arena) {
  auto def = find(relation);
  if (!def) throw Error(ErrorCode::kInternalError, fmt::format("relation {} is not a system catalogue", relation));
  Producer p = nullptr;
  if (def->schema == catalog::kInformationSchema) {
    p = entry_producer(def->name);
    if (p == nullptr) p = information_schema_producer(def->name);
  } else {
    for (auto lookup : {entry_producer, builtin_producer, object_producer, view_producer, session_producer})
      if (p == nullptr) p = lookup(def->name);
  }
  // The rest describe things that this server does not have: no rows.
  if (p == nullptr) return;
  Rows rows(*def, context, emit, arena);
  try {
    p(rows);
  } catch (const StopScan&) {
  }
}

Oid attribute_default_oid(Oid relation, int16_t column) {
  return 0x80000000u | ((relation * 1664u + static_cast<Oid>(column)) & 0x3fffffffu);
}
Oid rewrite_oid(Oid view) { return 0xc0000000u | (view & 0x3fffffffu); }

Oid access_method_oid(std::string_view name) {
  for (const auto& f : builtin::rows("pg_am"))
    if (f[1] == name) return static_cast<Oid>(std::atoll(f[0].c_str()));
  return 0;
}

Oid class_oid(catalog::ObjectKind kind) {
  using K = catalog::ObjectKind;
  switch (kind) {
    case K::kSchema: return 2615;
    case K::kRelation: return 1259;
    case K::kType: return 1247;
    case K::kFunction: case K::kAggregate: return 1255;
    case K::kOperator: return 2617;
    case K::kCast: return 2605;
    case K::kCollation: return 3456;
    case K::kRole: return 1260;
    case K::kDatabase: return 1262;
    case K::kExtension: return 3079;
    case K::kTrigger: return 2620;
    case K::kPolicy: return 3256;
    case K::kLanguage: return 2612;
    case K::kTextSearchConfig: return 3602;
    case K::kStatistics: return 3381;
    case K::kEventTrigger: return 3466;
    case K::kOpclass: return 2616;
    case K::kOpfamily: return 2753;
    case K::kAccessMethod: return 2601;
    case K::kConversion: return 2607;
    case K::kTransform: return 3576;
    case K::kPublication: return 6104;
    case K::kPublicationRelation: return 6106;
    case K::kPublicationSchema: return 6237;
    case K::kSubscription: return 6100;
    case K::kTablespace: return 1213;
    case K::kForeignWrapper: return 2328;
    case K::kForeignServer: return 1417;
    case K::kUserMapping: return 1418;
    case K::kTextSearchDictionary: return 3600;
    case K::kTextSearchParser: return 3601;
    case K::kTextSearchTemplate: return 3764;
    default: return 0;
  }
}

std::string acl_item_text(const catalog::AclItem& item, const catalog::State& state) {
  static constexpr std::pair<uint32_t, char> kLetters[] = {
      {catalog::kInsert, 'a'}, {catalog::kSelect, 'r'}, {catalog::kUpdate, 'w'}, {catalog::kDelete, 'd'},
      {catalog::kTruncate, 'D'}, {catalog::kReferences, 'x'}, {catalog::kTriggerPriv, 't'}, {catalog::kExecute, 'X'},
      {catalog::kUsage, 'U'}, {catalog::kCreate, 'C'}, {catalog::kTemp, 'T'}, {catalog::kConnect, 'c'},
      {catalog::kSetPriv, 's'}};
  auto name = [&](Oid role) {
    auto r = state.get(catalog::ObjectKind::kRole, role);
    return r ? r->name : std::to_string(role);
  };
  std::string out = item.grantee == 0 ? "" : name(item.grantee);
  out.push_back('=');
  for (auto [bit, letter] : kLetters) {
    if (!(item.privileges & bit)) continue;
    out.push_back(letter);
    if (item.grant_options & bit) out.push_back('*');
  }
  return out + "/" + name(item.grantor);
}

}  // namespace stele::sql::system_catalogs
