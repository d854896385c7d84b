// The indexes that PostgreSQL's own catalogues have: what the planner may look rows up by. They are not stored;
// query's catalogue scan hashes the columns it is asked for.
#include <sstream>

#include "sql/system_catalogs/rows.h"

namespace stele::sql::system_catalogs {
namespace {

struct Definition { Oid oid; const char* name; const char* table; const char* columns; bool unique; };
constexpr Definition kIndexes[] = {
    {2650, "pg_aggregate_fnoid_index", "pg_aggregate", "aggfnoid", true},
    {2651, "pg_am_name_index", "pg_am", "amname", true},
    {2652, "pg_am_oid_index", "pg_am", "oid", true},
    {2653, "pg_amop_fam_strat_index", "pg_amop", "amopfamily amoplefttype amoprighttype amopstrategy", true},
    {2654, "pg_amop_opr_fam_index", "pg_amop", "amopopr amoppurpose amopfamily", true},
    {2655, "pg_amproc_fam_proc_index", "pg_amproc", "amprocfamily amproclefttype amprocrighttype amprocnum", true},
    {2656, "pg_attrdef_adrelid_adnum_index", "pg_attrdef", "adrelid adnum", true},
    {2657, "pg_attrdef_oid_index", "pg_attrdef", "oid", true},
    {2658, "pg_attribute_relid_attnam_index", "pg_attribute", "attrelid attname", true},
    {2659, "pg_attribute_relid_attnum_index", "pg_attribute", "attrelid attnum", true},
    {2660, "pg_cast_oid_index", "pg_cast", "oid", true},
    {2661, "pg_cast_source_target_index", "pg_cast", "castsource casttarget", true},
    {2662, "pg_class_oid_index", "pg_class", "oid", true},
    {2663, "pg_class_relname_nsp_index", "pg_class", "relname relnamespace", true},
    {2664, "pg_constraint_conname_nsp_index", "pg_constraint", "conname connamespace", false},
    {2665, "pg_constraint_conrelid_contypid_conname_index", "pg_constraint", "conrelid contypid conname", true},
    {2666, "pg_constraint_contypid_index", "pg_constraint", "contypid", false},
    {2667, "pg_constraint_oid_index", "pg_constraint", "oid", true},
    {2579, "pg_constraint_conparentid_index", "pg_constraint", "conparentid", false},
    {2673, "pg_depend_depender_index", "pg_depend", "classid objid objsubid", false},
    {2674, "pg_depend_reference_index", "pg_depend", "refclassid refobjid refobjsubid", false},
    {2675, "pg_description_o_c_o_index", "pg_description", "objoid classoid objsubid", true},
    {3502, "pg_enum_oid_index", "pg_enum", "oid", true},
    {3503, "pg_enum_typid_label_index", "pg_enum", "enumtypid enumlabel", true},
    {3534, "pg_enum_typid_sortorder_index", "pg_enum", "enumtypid enumsortorder", true},
    {2678, "pg_index_indrelid_index", "pg_index", "indrelid", false},
    {2679, "pg_index_indexrelid_index", "pg_index", "indexrelid", true},
    {2187, "pg_inherits_parent_index", "pg_inherits", "inhparent", false},
    {2680, "pg_inherits_relid_seqno_index", "pg_inherits", "inhrelid inhseqno", true},
    {2681, "pg_language_name_index", "pg_language", "lanname", true},
    {2682, "pg_language_oid_index", "pg_language", "oid", true},
    {2684, "pg_namespace_nspname_index", "pg_namespace", "nspname", true},
    {2685, "pg_namespace_oid_index", "pg_namespace", "oid", true},
    {2686, "pg_opclass_am_name_nsp_index", "pg_opclass", "opcmethod opcname opcnamespace", true},
    {2687, "pg_opclass_oid_index", "pg_opclass", "oid", true},
    {2688, "pg_operator_oid_index", "pg_operator", "oid", true},
    {2689, "pg_operator_oprname_l_r_n_index", "pg_operator", "oprname oprleft oprright oprnamespace", true},
    {2754, "pg_opfamily_am_name_nsp_index", "pg_opfamily", "opfmethod opfname opfnamespace", true},
    {2755, "pg_opfamily_oid_index", "pg_opfamily", "oid", true},
    {3351, "pg_partitioned_table_partrelid_index", "pg_partitioned_table", "partrelid", true},
    {3257, "pg_policy_oid_index", "pg_policy", "oid", true},
    {3258, "pg_policy_polrelid_polname_index", "pg_policy", "polrelid polname", true},
    {2690, "pg_proc_oid_index", "pg_proc", "oid", true},
    {2691, "pg_proc_proname_args_nsp_index", "pg_proc", "proname proargtypes pronamespace", true},
    {3542, "pg_range_rngtypid_index", "pg_range", "rngtypid", true},
    {2228, "pg_range_rngmultitypid_index", "pg_range", "rngmultitypid", true},
    {2692, "pg_rewrite_oid_index", "pg_rewrite", "oid", true},
    {2693, "pg_rewrite_rel_rulename_index", "pg_rewrite", "ev_class rulename", true},
    {5002, "pg_sequence_seqrelid_index", "pg_sequence", "seqrelid", true},
    {2396, "pg_shdescription_o_c_index", "pg_shdescription", "objoid classoid", true},
    {2699, "pg_trigger_tgconstraint_index", "pg_trigger", "tgconstraint", false},
    {2701, "pg_trigger_tgrelid_tgname_index", "pg_trigger", "tgrelid tgname", true},
    {2702, "pg_trigger_oid_index", "pg_trigger", "oid", true},
    {2703, "pg_type_oid_index", "pg_type", "oid", true},
    {2704, "pg_type_typname_nsp_index", "pg_type", "typname typnamespace", true},
    {2676, "pg_authid_rolname_index", "pg_authid", "rolname", true},
    {2677, "pg_authid_oid_index", "pg_authid", "oid", true},
    {2671, "pg_database_datname_index", "pg_database", "datname", true},
    {2672, "pg_database_oid_index", "pg_database", "oid", true},
    {3085, "pg_collation_oid_index", "pg_collation", "oid", true},
    {2697, "pg_tablespace_oid_index", "pg_tablespace", "oid", true},
    {3080, "pg_extension_oid_index", "pg_extension", "oid", true},
    {3081, "pg_extension_name_index", "pg_extension", "extname", true},
};

}  // namespace

std::vector<std::shared_ptr<const catalog::Relation>> index_definitions(const std::function<catalog::Relation*(std::string_view)>& table) {
  std::vector<std::shared_ptr<const catalog::Relation>> out;
  for (auto& d : kIndexes) {
    catalog::Relation* t = table(d.table);
    if (t == nullptr) continue;
    auto index = std::make_shared<catalog::Relation>();
    index->oid = d.oid;
    index->name = d.name;
    index->schema = catalog::kPgCatalog;
    index->relkind = 'i';
    index->index.emplace();
    index->index->table = t->oid;
    index->index->unique = d.unique;
    std::istringstream columns(d.columns);
    for (std::string name; columns >> name;) {
      const catalog::Column* c = t->column(name);
      STELE_CHECK(c != nullptr);
      catalog::IndexColumn k;
      k.column = c->number;
      k.type = c->type;
      index->index->keys.push_back(std::move(k));
    }
    t->indexes.push_back(index->oid);
    out.push_back(std::move(index));
  }
  return out;
}

}  // namespace stele::sql::system_catalogs
