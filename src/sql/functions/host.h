// Native functions that need the session: how they reach it, and how they are registered.
#pragma once

#include "sql/session/utility.h"
#include "types/function.h"
#include "types/function_helpers.h"

namespace stele::sql {

// Throws internal_error outside a session.
UtilityHost& host_of(FnCall& call);
inline Datum null_of(FnCall& call) { return call.null(); }

// Schema-qualified where the search path does not find the relation by its name alone.
std::string visible_relation_name(const catalog::Relation& r, CatalogView& view);
std::string qualified_relation_name(const catalog::Relation& r, CatalogView& view);
// "a.b" of a text argument, as 'a.b'::regclass would find it; throws undefined_table.
catalog::Ptr<catalog::Relation> relation_named(FnCall& call, std::string_view name);

// A stored expression as the session's search path shows it.
std::string shown_expression(EvalContext& eval, const std::string& sql, const catalog::Relation* relation);
// pg_get_triggerdef. Implemented in ddl/.
std::string trigger_definition(const catalog::Trigger& t, CatalogView& view, bool pretty);

// pg_get_ruledef, of rules other than a view's own. Implemented in ddl/.
std::string rule_definition(const catalog::Rule& rule, const std::string& table);

void register_object_text_functions(FunctionRegistry& r);
void register_object_address_functions(FunctionRegistry& r);
void register_partition_functions(FunctionRegistry& r);
void register_privilege_functions(FunctionRegistry& r);
void register_session_functions(FunctionRegistry& r);
void register_catalog_functions(FunctionRegistry& r);
void register_large_object_functions(FunctionRegistry& r);
void register_search_functions(FunctionRegistry& r);
void register_text_search_query_functions(FunctionRegistry& r);

// Privilege bits that a role holds on an object (its own, its groups', PUBLIC's, the owner's).
uint32_t privileges_of(Oid role, const catalog::Object& object, const std::optional<std::vector<catalog::AclItem>>& acl,
                       uint32_t owner_default, uint32_t public_default, const catalog::State& state);
// True when `role` is `of` or a member of it, directly or not; superusers are members of everything.
bool is_member(Oid role, Oid of, const catalog::State& state, bool superusers = true);
bool is_superuser(Oid role, const catalog::State& state);

}  // namespace stele::sql
