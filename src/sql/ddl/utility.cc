// The dispatch of utility statements and what all of them share.
#include "sql/ddl/ddl.h"
#include "types/type_io.h"

namespace stele::sql {

std::string upper(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

void Ddl::depend(ObjectAddress dependent, ObjectAddress referenced, DependencyKind kind) {
  if (referenced.oid < oid::kFirstUserOid || (dependent.kind == referenced.kind && dependent.oid == referenced.oid && dependent.sub == referenced.sub)) return;
  changes().add_dependency({dependent, referenced, kind});
}

void Ddl::depend_on_all(ObjectAddress dependent, const std::vector<ObjectAddress>& referenced) {
  for (const ObjectAddress& r : referenced)
    if (!(r.kind == dependent.kind && r.oid == dependent.oid)) depend(dependent, r);
}

CatalogView Ddl::stored_view() { return CatalogView(state(), {catalog::kPgCatalog}, 0, 0); }

std::string Ddl::stored_sql(const query::ExprPtr& e, const Relation* r) {
  CatalogView v = stored_view();
  return deparse_expression(e, r, v, *host.exec().eval, {.pretty = false, .indent = false});
}

std::string Ddl::query_text(const std::string& sql) {
  ParseTreePtr tree = parse_sql(sql);
  BindContext b = bind();
  b.text = tree->text;
  std::string out;
  host.run(bind_statement(tree->statements.at(0).node, b), {}, {}, [&](std::span<const NullableDatum> row, std::span<const query::OutputColumn> columns) {
    if (!row[0].is_null) type_output(columns[0].type, row[0].value, out, *host.exec().eval);
    return false;
  });
  return out;
}

std::string Ddl::run(const Node* n) {
  switch (n->node_case) {
    case pg::kCreateStmt: create_table(n->create_stmt); return "CREATE TABLE";
    case pg::kIndexStmt: create_index(n->index_stmt); return "CREATE INDEX";
    case pg::kDropStmt: {
      drop_statement(n->drop_stmt);
      switch (n->drop_stmt->remove_type) {
        case pg::OBJECT_TABLE: return "DROP TABLE";
        case pg::OBJECT_VIEW: return "DROP VIEW";
        case pg::OBJECT_MATVIEW: return "DROP MATERIALIZED VIEW";
        case pg::OBJECT_INDEX: return "DROP INDEX";
        case pg::OBJECT_SEQUENCE: return "DROP SEQUENCE";
        case pg::OBJECT_SCHEMA: return "DROP SCHEMA";
        case pg::OBJECT_TYPE: return "DROP TYPE";
        case pg::OBJECT_DOMAIN: return "DROP DOMAIN";
        case pg::OBJECT_FUNCTION: return "DROP FUNCTION";
        case pg::OBJECT_PROCEDURE: return "DROP PROCEDURE";
        case pg::OBJECT_ROUTINE: return "DROP ROUTINE";
        case pg::OBJECT_AGGREGATE: return "DROP AGGREGATE";
        case pg::OBJECT_OPERATOR: return "DROP OPERATOR";
        case pg::OBJECT_CAST: return "DROP CAST";
        case pg::OBJECT_TRIGGER: return "DROP TRIGGER";
        case pg::OBJECT_EXTENSION: return "DROP EXTENSION";
        case pg::OBJECT_COLLATION: return "DROP COLLATION";
        case pg::OBJECT_POLICY: return "DROP POLICY";
        case pg::OBJECT_RULE: return "DROP RULE";
        case pg::OBJECT_STATISTIC_EXT: return "DROP STATISTICS";
        case pg::OBJECT_ACCESS_METHOD: return "DROP ACCESS METHOD";
        case pg::OBJECT_CONVERSION: return "DROP CONVERSION";
        case pg::OBJECT_EVENT_TRIGGER: return "DROP EVENT TRIGGER";
        case pg::OBJECT_FDW: return "DROP FOREIGN DATA WRAPPER";
        case pg::OBJECT_FOREIGN_SERVER: return "DROP SERVER";
        case pg::OBJECT_FOREIGN_TABLE: return "DROP FOREIGN TABLE";
        case pg::OBJECT_LANGUAGE: return "DROP LANGUAGE";
        case pg::OBJECT_OPCLASS: return "DROP OPERATOR CLASS";
        case pg::OBJECT_OPFAMILY: return "DROP OPERATOR FAMILY";
        case pg::OBJECT_PUBLICATION: return "DROP PUBLICATION";
        case pg::OBJECT_TRANSFORM: return "DROP TRANSFORM";
        case pg::OBJECT_TSCONFIGURATION: return "DROP TEXT SEARCH CONFIGURATION";
        case pg::OBJECT_TSDICTIONARY: return "DROP TEXT SEARCH DICTIONARY";
        case pg::OBJECT_TSPARSER: return "DROP TEXT SEARCH PARSER";
        case pg::OBJECT_TSTEMPLATE: return "DROP TEXT SEARCH TEMPLATE";
        default:
          if (const EntryKind* k = entry_kind(static_cast<int>(n->drop_stmt->remove_type))) return std::string("DROP ") + k->tag;
          return "DROP";
      }
    }
    case pg::kAlterTableStmt: return alter_table(n->alter_table_stmt);
    case pg::kRenameStmt: {
      rename(n->rename_stmt);
      switch (n->rename_stmt->rename_type) {
        case pg::OBJECT_INDEX: return "ALTER INDEX";
        case pg::OBJECT_VIEW: return "ALTER VIEW";
        case pg::OBJECT_MATVIEW: return "ALTER MATERIALIZED VIEW";
        case pg::OBJECT_SEQUENCE: return "ALTER SEQUENCE";
        case pg::OBJECT_SCHEMA: return "ALTER SCHEMA";
        case pg::OBJECT_TYPE: case pg::OBJECT_ATTRIBUTE: return "ALTER TYPE";
        case pg::OBJECT_DOMAIN: case pg::OBJECT_DOMCONSTRAINT: return "ALTER DOMAIN";
        case pg::OBJECT_FUNCTION: return "ALTER FUNCTION";
        case pg::OBJECT_PROCEDURE: return "ALTER PROCEDURE";
        case pg::OBJECT_AGGREGATE: return "ALTER AGGREGATE";
        case pg::OBJECT_ROLE: return "ALTER ROLE";
        case pg::OBJECT_DATABASE: return "ALTER DATABASE";
        case pg::OBJECT_TRIGGER: return "ALTER TRIGGER";
        case pg::OBJECT_RULE: return "ALTER RULE";
        case pg::OBJECT_COLUMN:
          if (n->rename_stmt->relation_type == pg::OBJECT_VIEW) return "ALTER VIEW";
          if (n->rename_stmt->relation_type == pg::OBJECT_MATVIEW) return "ALTER MATERIALIZED VIEW";
          if (n->rename_stmt->relation_type == pg::OBJECT_FOREIGN_TABLE) return "ALTER FOREIGN TABLE";
          return "ALTER TABLE";
        case pg::OBJECT_FOREIGN_TABLE: return "ALTER FOREIGN TABLE";
        case pg::OBJECT_COLLATION: return "ALTER COLLATION";
        case pg::OBJECT_POLICY: return "ALTER POLICY";
        case pg::OBJECT_ROUTINE: return "ALTER ROUTINE";
        default:
          if (const EntryKind* k = entry_kind(static_cast<int>(n->rename_stmt->rename_type))) return std::string("ALTER ") + k->tag;
          return "ALTER TABLE";
      }
    }
    case pg::kAlterObjectSchemaStmt: {
      set_schema(n->alter_object_schema_stmt);
      switch (n->alter_object_schema_stmt->object_type) {
        case pg::OBJECT_VIEW: return "ALTER VIEW";
        case pg::OBJECT_MATVIEW: return "ALTER MATERIALIZED VIEW";
        case pg::OBJECT_SEQUENCE: return "ALTER SEQUENCE";
        case pg::OBJECT_TYPE: return "ALTER TYPE";
        case pg::OBJECT_DOMAIN: return "ALTER DOMAIN";
        case pg::OBJECT_FUNCTION: return "ALTER FUNCTION";
        case pg::OBJECT_EXTENSION: return "ALTER EXTENSION";
        case pg::OBJECT_FOREIGN_TABLE: return "ALTER FOREIGN TABLE";
        case pg::OBJECT_PROCEDURE: return "ALTER PROCEDURE";
        case pg::OBJECT_AGGREGATE: return "ALTER AGGREGATE";
        case pg::OBJECT_ROUTINE: return "ALTER ROUTINE";
        case pg::OBJECT_OPERATOR: return "ALTER OPERATOR";
        case pg::OBJECT_COLLATION: return "ALTER COLLATION";
        default:
          if (const EntryKind* k = entry_kind(static_cast<int>(n->alter_object_schema_stmt->object_type))) return std::string("ALTER ") + k->tag;
          return "ALTER TABLE";
      }
    }
    case pg::kAlterOwnerStmt: {
      set_owner(n->alter_owner_stmt);
      switch (n->alter_owner_stmt->object_type) {
        case pg::OBJECT_SCHEMA: return "ALTER SCHEMA";
        case pg::OBJECT_TYPE: return "ALTER TYPE";
        case pg::OBJECT_DOMAIN: return "ALTER DOMAIN";
        case pg::OBJECT_FUNCTION: return "ALTER FUNCTION";
        case pg::OBJECT_PROCEDURE: return "ALTER PROCEDURE";
        case pg::OBJECT_AGGREGATE: return "ALTER AGGREGATE";
        case pg::OBJECT_DATABASE: return "ALTER DATABASE";
        case pg::OBJECT_ROUTINE: return "ALTER ROUTINE";
        case pg::OBJECT_OPERATOR: return "ALTER OPERATOR";
        case pg::OBJECT_COLLATION: return "ALTER COLLATION";
        default:
          if (const EntryKind* k = entry_kind(static_cast<int>(n->alter_owner_stmt->object_type))) return std::string("ALTER ") + k->tag;
          return "ALTER TABLE";
      }
    }
    case pg::kCreateSeqStmt: create_sequence(n->create_seq_stmt); return "CREATE SEQUENCE";
    case pg::kAlterSeqStmt: alter_sequence(n->alter_seq_stmt); return "ALTER SEQUENCE";
    case pg::kViewStmt: create_view(n->view_stmt); return "CREATE VIEW";
    case pg::kSelectStmt: {   // SELECT INTO
      pg::CreateTableAsStmt as = PG_QUERY__CREATE_TABLE_AS_STMT__INIT;
      as.query = const_cast<Node*>(n);
      as.into = n->select_stmt->into_clause;
      as.objtype = pg::OBJECT_TABLE;
      as.is_select_into = true;
      return create_table_as(&as);
    }
    case pg::kCreateTableAsStmt: return create_table_as(n->create_table_as_stmt);
    case pg::kRefreshMatViewStmt: refresh_view(n->refresh_mat_view_stmt); return "REFRESH MATERIALIZED VIEW";
    case pg::kCreateSchemaStmt: create_schema(n->create_schema_stmt); return "CREATE SCHEMA";
    case pg::kCommentStmt: return comment(n->comment_stmt);
    case pg::kTruncateStmt: truncate(n->truncate_stmt); return "TRUNCATE TABLE";
    case pg::kLockStmt: lock_table(n->lock_stmt); return "LOCK TABLE";
    case pg::kVacuumStmt: return vacuum(n->vacuum_stmt);
    case pg::kReindexStmt: reindex(n->reindex_stmt); return "REINDEX";
    case pg::kCreateEnumStmt: create_enum(n->create_enum_stmt); return "CREATE TYPE";
    case pg::kAlterEnumStmt: alter_enum(n->alter_enum_stmt); return "ALTER TYPE";
    case pg::kCompositeTypeStmt: create_composite(n->composite_type_stmt); return "CREATE TYPE";
    case pg::kCreateDomainStmt: create_domain(n->create_domain_stmt); return "CREATE DOMAIN";
    case pg::kAlterDomainStmt: alter_domain(n->alter_domain_stmt); return "ALTER DOMAIN";
    case pg::kCreateRoleStmt: create_role(n->create_role_stmt); return "CREATE ROLE";
    case pg::kAlterRoleStmt: alter_role(n->alter_role_stmt); return "ALTER ROLE";
    case pg::kAlterRoleSetStmt:
      alter_role_set(n->alter_role_set_stmt->role != nullptr ? role_spec(n->alter_role_set_stmt->role) : 0, n->alter_role_set_stmt->database, n->alter_role_set_stmt->setstmt);
      return "ALTER ROLE";
    case pg::kDropRoleStmt: drop_role(n->drop_role_stmt); return "DROP ROLE";
    case pg::kGrantStmt: grant(n->grant_stmt); return n->grant_stmt->is_grant ? "GRANT" : "REVOKE";
    case pg::kGrantRoleStmt: grant_role(n->grant_role_stmt); return n->grant_role_stmt->is_grant ? "GRANT ROLE" : "REVOKE ROLE";
    case pg::kReassignOwnedStmt: reassign_owned(n->reassign_owned_stmt); return "REASSIGN OWNED";
    case pg::kDropOwnedStmt: drop_owned(n->drop_owned_stmt); return "DROP OWNED";
    case pg::kCreateFunctionStmt: return create_function(n->create_function_stmt);
    case pg::kAlterFunctionStmt: alter_function(n->alter_function_stmt); return n->alter_function_stmt->objtype == pg::OBJECT_PROCEDURE ? "ALTER PROCEDURE" : "ALTER FUNCTION";
    case pg::kDefineStmt: return define(n->define_stmt);
    case pg::kCreateCastStmt: create_cast(n->create_cast_stmt); return "CREATE CAST";
    case pg::kCreateTrigStmt: create_trigger(n->create_trig_stmt); return "CREATE TRIGGER";
    case pg::kCreatePolicyStmt: create_policy(n->create_policy_stmt); return "CREATE POLICY";
    default: return other(n);
  }
}

std::string execute_utility(const PgQuery__Node* statement, std::string_view text, UtilityHost& host) {
  return Ddl(host, text).run_with_events(statement);
}

}  // namespace stele::sql
