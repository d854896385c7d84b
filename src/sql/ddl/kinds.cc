// Access methods, conversions, transforms, languages, extended statistics, tablespaces; SECURITY LABEL.
#include <sys/stat.h>

#include "query/rewrite.h"
#include "sql/ddl/ddl.h"

namespace stele::sql {

using catalog::Entry;
using namespace query;  // NOLINT

namespace {
// Encodings by PostgreSQL's numbers.
int encoding_number(std::string_view name) {
  static const char* const kNames[] = {"SQL_ASCII", "EUC_JP", "EUC_CN", "EUC_KR", "EUC_TW", "EUC_JIS_2004", "UTF8", "MULE_INTERNAL", "LATIN1", "LATIN2", "LATIN3", "LATIN4", "LATIN5",
                                       "LATIN6", "LATIN7", "LATIN8", "LATIN9", "LATIN10", "WIN1256", "WIN1258", "WIN866", "WIN874", "KOI8R", "WIN1251", "WIN1252", "ISO_8859_5", "ISO_8859_6",
                                       "ISO_8859_7", "ISO_8859_8", "WIN1250", "WIN1253", "WIN1254", "WIN1255", "WIN1257", "KOI8U", "SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004"};
  auto plain = [](std::string_view s) {
    std::string out;
    for (char c : s)
      if (std::isalnum(static_cast<unsigned char>(c))) out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
  };
  const std::string wanted = plain(name);
  for (size_t i = 0; i < std::size(kNames); ++i)
    if (plain(kNames[i]) == wanted) return static_cast<int>(i);
  if (wanted == "iso88591") return 8;
  if (wanted == "unicode") return 6;
  if (wanted == "iso88592") return 9;
  return -1;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& p : parts) out += (out.empty() ? "" : ".") + p;
  return out;
}
}  // namespace

std::string Ddl::create_kind(const Node* n) {
  switch (n->node_case) {
    case pg::kCreateAmStmt: {
      const pg::CreateAmStmt* s = n->create_am_stmt;
      if (!host.superuser())
        fail(ErrorCode::kInsufficientPrivilege, std::string("permission denied to create access method \"") + s->amname + "\"", -1, {}, "Must be superuser to create an access method.");
      auto e = new_entry(ObjectKind::kAccessMethod, {{s->amname}, {}});
      const bool table = std::string_view(s->amtype) == "t";
      const auto handler = pg::strings(PG_LIST(s, handler_name));
      const ProcRow* p = function_of(handler, {oid::kInternal}, 0, "");
      const char* wanted = table ? "table_am_handler" : "index_am_handler";
      if (view().format_type(p->result) != wanted) fail(ErrorCode::kWrongObjectType, "function " + joined(handler) + " must return type " + wanted);
      e->refs = {p->oid};
      e->facts["type"] = s->amtype;
      e->facts["like"] = p->name == "bthandler" ? "btree" : p->name == "hashhandler" ? "hash" : p->name == "gisthandler" ? "gist" : p->name == "ginhandler" ? "gin"
                         : p->name == "brinhandler" ? "brin" : p->name == "spghandler" ? "spgist" : table ? "heap" : "";
      put_entry(e);
      depend({e->kind(), e->oid, 0}, {ObjectKind::kFunction, p->oid, 0});
      return "CREATE ACCESS METHOD";
    }
    case pg::kCreateConversionStmt: {
      const pg::CreateConversionStmt* s = n->create_conversion_stmt;
      const EntryName name{pg::strings(PG_LIST(s, conversion_name)), {}};
      const int from = encoding_number(s->for_encoding_name), to = encoding_number(s->to_encoding_name);
      creation_target(name.parts);
      if (from < 0) fail(ErrorCode::kUndefinedObject, std::string("source encoding \"") + s->for_encoding_name + "\" does not exist");
      if (to < 0) fail(ErrorCode::kUndefinedObject, std::string("destination encoding \"") + s->to_encoding_name + "\" does not exist");
      if (from == 0 || to == 0) fail(ErrorCode::kInvalidObjectDefinition, "encoding conversion to or from \"SQL_ASCII\" is not supported");
      const auto function = pg::strings(PG_LIST(s, func_name));
      const ProcRow* p = function_of(function, {oid::kInt4, oid::kInt4, oid::kCstring, oid::kInternal, oid::kInt4, oid::kBool}, 0, "");
      if (p->result != oid::kInt4) fail(ErrorCode::kInvalidObjectDefinition, "encoding conversion function " + joined(function) + " must return type integer");
      auto e = new_entry(ObjectKind::kConversion, name);
      if (s->def)
        state()->for_each(ObjectKind::kConversion, [&](const Ptr<catalog::Object>& o) {
          auto& c = static_cast<const Entry&>(*o);
          if (c.schema == e->schema && c.fact("default") == "t" && c.fact("from") == std::to_string(from) && c.fact("to") == std::to_string(to))
            fail(ErrorCode::kDuplicateObject, std::string("default conversion for ") + s->for_encoding_name + " to " + s->to_encoding_name + " already exists");
        });
      e->facts = {{"from", std::to_string(from)}, {"to", std::to_string(to)}, {"default", s->def ? "t" : "f"}};
      e->refs = {p->oid};
      put_entry(e);
      depend({e->kind(), e->oid, 0}, {ObjectKind::kFunction, p->oid, 0});
      return "CREATE CONVERSION";
    }
    case pg::kCreateTransformStmt: {
      const pg::CreateTransformStmt* s = n->create_transform_stmt;
      BindContext b = bind();
      const Oid type = type_without_position(s->type_name, b).type;
      const TypeRow& row = view().type(type);
      if (row.typtype == 'p') fail(ErrorCode::kWrongObjectType, "data type " + view().format_type(type) + " is a pseudo-type");
      if (row.typtype == 'd') notice("transform will be ignored because the data type is a domain", {}, {}, "WARNING", ErrorCode::kWrongObjectType);
      auto lang = entry(ObjectKind::kLanguage, {{s->lang}, {}});
      auto function = [&](const pg::ObjectWithArgs* o, bool from) -> Oid {
        if (o == nullptr) return 0;
        const Oid f = find_function(o, 0, b, false);
        const ProcRow* p = view().proc(f);
        const Oid result = from ? oid::kInternal : type;
        if (p->result != result)
          fail(ErrorCode::kInvalidObjectDefinition, from ? "return data type of FROM SQL function must be internal" : "return data type of TO SQL function must be the transform data type");
        if (p->volatility == 'v') fail(ErrorCode::kInvalidObjectDefinition, "transform function must not be volatile");
        if (p->kind != 'f') fail(ErrorCode::kInvalidObjectDefinition, "transform function must be a normal function");
        if (p->returns_set) fail(ErrorCode::kInvalidObjectDefinition, "transform function must not return a set");
        if (p->args.size() != 1) fail(ErrorCode::kInvalidObjectDefinition, "transform function must take one argument");
        if (p->args[0] != oid::kInternal) fail(ErrorCode::kInvalidObjectDefinition, "first argument of transform function must be type internal");
        return f;
      };
      const Oid from = function(s->fromsql, true), to = function(s->tosql, false);
      Ptr<Entry> have;
      state()->for_each(ObjectKind::kTransform, [&](const Ptr<catalog::Object>& o) {
        auto t = std::static_pointer_cast<const Entry>(o);
        if (t->ref(0) == type && t->ref(1) == lang->oid) have = t;
      });
      if (have != nullptr && !s->replace) fail(ErrorCode::kDuplicateObject, "transform for type " + view().format_type(type) + " language \"" + s->lang + "\" already exists");
      auto e = std::make_shared<Entry>(ObjectKind::kTransform);
      e->oid = have != nullptr ? have->oid : catalog().allocate_oid();
      e->name = std::to_string(type) + "/" + std::to_string(lang->oid);
      e->refs = {type, lang->oid, from, to};
      e->database = changes().database();
      e->facts["language"] = s->lang;
      const ObjectAddress self{ObjectKind::kTransform, e->oid, 0};
      changes().drop_dependencies_of(self);
      put(e);
      depend(self, {ObjectKind::kType, type, 0});
      depend(self, {ObjectKind::kLanguage, lang->oid, 0});
      for (Oid f : {from, to})
        if (f != 0) depend(self, {ObjectKind::kFunction, f, 0});
      return "CREATE TRANSFORM";
    }
    case pg::kCreatePlangStmt: {
      const pg::CreatePLangStmt* s = n->create_plang_stmt;
      if (!host.superuser()) fail(ErrorCode::kInsufficientPrivilege, "must be superuser to create custom procedural language");
      // PL/pgSQL's own handlers have no rows in pg_proc here.
      auto handler = [&](const std::vector<std::string>& name, const std::vector<Oid>& args, Oid result, const char* shown) -> Oid {
        if (name.empty()) return 0;
        if (name.back() == "plpgsql_call_handler") return 13564;
        if (name.back() == "plpgsql_inline_handler") return 13565;
        if (name.back() == "plpgsql_validator") return 13566;
        const ProcRow* p = function_of(name, args, 0, "");
        if (result != 0 && p->result != result) fail(ErrorCode::kWrongObjectType, "function " + joined(name) + " must return type " + shown);
        return p->oid;
      };
      const Oid call = handler(pg::strings(PG_LIST(s, plhandler)), {}, Oid{2280}, "language_handler");
      const Oid inline_handler = handler(pg::strings(PG_LIST(s, plinline)), {oid::kInternal}, 0, "");
      const Oid validator = handler(pg::strings(PG_LIST(s, plvalidator)), {oid::kOid}, 0, "");
      const EntryName name{{s->plname}, {}};
      std::shared_ptr<Entry> e;
      if (auto have = find_entry(ObjectKind::kLanguage, name); have != nullptr && s->replace && have->oid >= oid::kFirstUserOid) e = std::make_shared<Entry>(*have);
      else e = new_entry(ObjectKind::kLanguage, name);
      e->refs = {call, inline_handler, validator};
      e->facts["trusted"] = s->pltrusted ? "t" : "f";
      put_entry(e);
      for (Oid f : e->refs)
        if (f != 0) depend({e->kind(), e->oid, 0}, {ObjectKind::kFunction, f, 0});
      return "CREATE LANGUAGE";
    }
    case pg::kCreateStatsStmt: {
      const pg::CreateStatsStmt* s = n->create_stats_stmt;
      if (s->n_relations != 1) fail(ErrorCode::kFeatureNotSupported, "only a single relation is allowed in CREATE STATISTICS");
      if (s->relations[0]->node_case != pg::kRangeVar) fail(ErrorCode::kFeatureNotSupported, "CREATE STATISTICS only supports relation names in the FROM clause");
      Ptr<Relation> r = relation(s->relations[0]->range_var);
      if (r->relkind != 'r' && r->relkind != 'm' && r->relkind != 'f' && r->relkind != 'p')
        fail(ErrorCode::kWrongObjectType, "cannot define statistics for relation \"" + r->name + "\"", -1,
             std::string("This operation is not supported for ") + (r->relkind == 'v' ? "views." : r->relkind == 'S' ? "sequences." : r->index ? "indexes." : "composite types."));
      check_owner(*r, relkind_word(r->relkind));
      if (r->oid < oid::kFirstUserOid) fail(ErrorCode::kInsufficientPrivilege, "permission denied: \"" + r->name + "\" is a system catalog");
      host.lock_relation(r->oid, LockMode::kShareUpdateExclusive);
      if (s->n_exprs > 8) fail(ErrorCode::kTooManyColumns, "cannot have more than 8 columns in statistics");
      std::vector<int16_t> columns;
      std::vector<std::string> expressions, label;
      BindContext b = bind();
      for (const Node* x : PG_LIST(s, exprs)) {
        const pg::StatsElem* e = x->stats_elem;
        const Column* c = nullptr;
        if (pg::has(e->name)) {
          for (const char* sys : {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"})
            if (std::string_view(e->name) == sys) fail(ErrorCode::kFeatureNotSupported, "statistics creation on system columns is not supported");
          c = r->column(std::string_view(e->name));
          if (c == nullptr) fail(ErrorCode::kUndefinedColumn, std::string("column \"") + e->name + "\" does not exist");
        } else {
          ExprPtr bound;
          without_position([&] { bound = bind_expression(e->expr, r.get(), ExprContext::kStatsExpression, b); });
          if (bound->kind == ExprKind::kVar) {
            auto& v = static_cast<const VarExpr&>(*bound);
            if (v.column < 0) fail(ErrorCode::kFeatureNotSupported, "statistics creation on system columns is not supported");
            c = r->column(v.column);
          } else {
            if (s->n_exprs > 1 && view().sort_ops(bound->type).lt == 0)
              fail(ErrorCode::kFeatureNotSupported, "expression cannot be used in multivariate statistics because its type " + view().format_type(bound->type) + " has no default btree operator class");
            expressions.push_back(stored_sql(bound, r.get()));
            label.push_back("expr");
            continue;
          }
        }
        if (view().sort_ops(c->type).lt == 0)
          fail(ErrorCode::kFeatureNotSupported, "column \"" + c->name + "\" cannot be used in statistics because its type " + view().format_type(c->type) + " has no default btree operator class");
        columns.push_back(c->number);
        label.push_back(c->name);
      }
      std::string kinds;
      for (const Node* x : PG_LIST(s, stat_types)) {
        const std::string_view k = pg::str(x);
        if (k == "ndistinct") kinds += 'd';
        else if (k == "dependencies") kinds += 'f';
        else if (k == "mcv") kinds += 'm';
        else fail(ErrorCode::kSyntaxError, "unrecognized statistics kind \"" + std::string(k) + "\"");
      }
      if (columns.size() + expressions.size() < 2 && (expressions.size() != 1)) fail(ErrorCode::kInvalidObjectDefinition, "extended statistics require at least 2 columns");
      if (expressions.size() == 1 && columns.empty() && !kinds.empty()) fail(ErrorCode::kFeatureNotSupported, "when building statistics on a single expression, statistics kinds may not be specified");
      std::sort(columns.begin(), columns.end());
      if (std::adjacent_find(columns.begin(), columns.end()) != columns.end()) fail(ErrorCode::kDuplicateColumn, "duplicate column name in statistics definition");
      for (size_t i = 0; i < expressions.size(); ++i)
        for (size_t k = 0; k < i; ++k)
          if (expressions[i] == expressions[k]) fail(ErrorCode::kDuplicateColumn, "duplicate expression in statistics definition");
      std::string sorted;
      for (char k : std::string("dfm"))
        if (kinds.empty() ? columns.size() + expressions.size() > 1 : kinds.find(k) != std::string::npos) sorted += k;
      if (!expressions.empty()) sorted += 'e';
      EntryName name{pg::strings(PG_LIST(s, defnames)), {}};
      if (name.parts.empty()) {
        std::string columns_text;
        for (const std::string& l : label) columns_text += (columns_text.empty() ? "" : "_") + l;
        std::set<std::string> taken;
        state()->for_each(ObjectKind::kStatistics, [&](const Ptr<catalog::Object>& o) {
          if (o->schema_oid() == r->schema) taken.insert(o->name);
        });
        name.parts = {view().schema_name(r->schema), choose_name(r->name, columns_text, "stat", 0, taken)};
      }
      {
        const Target t = creation_target(name.parts);
        if (state()->find(ObjectKind::kStatistics, t.schema, t.name) != nullptr && s->if_not_exists) {
          notice("statistics object \"" + t.name + "\" already exists, skipping", {}, {}, "NOTICE", ErrorCode::kDuplicateObject);
          return "CREATE STATISTICS";
        }
      }
      auto e = new_entry(ObjectKind::kStatistics, name);
      e->refs = {r->oid};
      e->columns = columns;
      e->list = expressions;
      e->facts = {{"kinds", sorted}, {"target", "-1"}};
      put_entry(e);
      const ObjectAddress self{ObjectKind::kStatistics, e->oid, 0};
      for (int16_t c : columns) changes().add_dependency({self, {ObjectKind::kRelation, r->oid, c}, DependencyKind::kAuto});
      if (columns.empty()) changes().add_dependency({self, {ObjectKind::kRelation, r->oid, 0}, DependencyKind::kAuto});
      return "CREATE STATISTICS";
    }
    case pg::kAlterStatsStmt: {
      const pg::AlterStatsStmt* s = n->alter_stats_stmt;
      int target = s->stxstattarget;
      if (target < -1) fail(ErrorCode::kInvalidParameterValue, fmt::format("statistics target {} is too low", target));
      if (target > 10000) {
        target = 10000;
        notice("lowering statistics target to 10000", {}, {}, "WARNING", ErrorCode::kInvalidParameterValue);
      }
      const EntryName name{pg::strings(PG_LIST(s, defnames)), {}};
      auto e = find_entry(ObjectKind::kStatistics, name);
      if (e == nullptr && s->missing_ok) {
        notice(entry_text(ObjectKind::kStatistics, name) + " does not exist, skipping");
        return "ALTER STATISTICS";
      }
      auto m = std::make_shared<Entry>(*own_entry(ObjectKind::kStatistics, name));
      m->facts["target"] = std::to_string(target);
      put(m);
      return "ALTER STATISTICS";
    }
    case pg::kCreateTableSpaceStmt: {
      const pg::CreateTableSpaceStmt* s = n->create_table_space_stmt;
      host.prevent_in_block("CREATE TABLESPACE");
      const std::string name = s->tablespacename, location = s->location == nullptr ? "" : s->location;
      if (!host.superuser()) fail(ErrorCode::kInsufficientPrivilege, "permission denied to create tablespace \"" + name + "\"", -1, {}, "Must be superuser to create a tablespace.");
      if (location.find('\'') != std::string::npos) fail(ErrorCode::kInvalidName, "tablespace location cannot contain single quotes");
      const bool in_place = location.empty() && host.settings().shown("allow_in_place_tablespaces") == "on";
      if (!in_place && !location.starts_with("/")) fail(ErrorCode::kInvalidObjectDefinition, "tablespace location must be an absolute path");
      if (name.starts_with("pg_")) fail(ErrorCode::kReservedName, "unacceptable tablespace name \"" + name + "\"", -1, "The prefix \"pg_\" is reserved for system tablespaces.");
      auto e = new_entry(ObjectKind::kTablespace, {{name}, {}});
      if (s->owner != nullptr) e->owner = role_spec(s->owner);
      auto given = options(PG_LIST(s, options));
      check_options(given, "tablespace");
      for (auto& [k, v] : given) e->options.emplace_back(k, v);
      if (!in_place) {
        struct stat st {};
        if (::stat(location.c_str(), &st) != 0) fail(ErrorCode::kUndefinedFile, "directory \"" + location + "\" does not exist");
        if (!S_ISDIR(st.st_mode)) fail(ErrorCode::kWrongObjectType, "\"" + location + "\" exists but is not a directory");
        state()->for_each(ObjectKind::kTablespace, [&](const Ptr<catalog::Object>& o) {
          if (static_cast<const Entry&>(*o).fact("location") == location) fail(ErrorCode::kObjectInUse, "directory \"" + location + "\" already in use as a tablespace");
        });
      }
      e->facts["location"] = in_place ? "pg_tblspc/" + std::to_string(e->oid) : location;
      put_entry(e);
      return "CREATE TABLESPACE";
    }
    case pg::kAlterTableSpaceOptionsStmt: {
      const pg::AlterTableSpaceOptionsStmt* s = n->alter_table_space_options_stmt;
      auto e = own_entry(ObjectKind::kTablespace, {{s->tablespacename}, {}});
      auto m = std::make_shared<Entry>(*e);
      auto given = options(PG_LIST(s, options));
      if (!s->is_reset) check_options(given, "tablespace");
      for (const Node* x : PG_LIST(s, options)) {
        if (s->is_reset && x->def_elem->arg != nullptr) fail(ErrorCode::kSyntaxError, "RESET must not include values for parameters");
        std::erase_if(m->options, [&](const auto& o) { return o.first == x->def_elem->defname; });
      }
      if (!s->is_reset)
        for (auto& [k, v] : given) m->options.emplace_back(k, v);
      if (e->oid >= oid::kFirstUserOid) put(m);
      return "ALTER TABLESPACE";
    }
    case pg::kDropTableSpaceStmt: {
      const pg::DropTableSpaceStmt* s = n->drop_table_space_stmt;
      host.prevent_in_block("DROP TABLESPACE");
      const EntryName name{{s->tablespacename}, {}};
      auto e = find_entry(ObjectKind::kTablespace, name);
      if (e == nullptr && s->missing_ok) {
        notice(entry_text(ObjectKind::kTablespace, name) + " does not exist, skipping");
        return "DROP TABLESPACE";
      }
      e = own_entry(ObjectKind::kTablespace, name);
      if (e->oid < oid::kFirstUserOid) fail(ErrorCode::kInsufficientPrivilege, "permission denied for tablespace " + e->name);
      std::string detail;
      size_t others = 0;
      state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
        auto& r = static_cast<const Relation&>(*o);
        if (auto t = r.extra.find("tablespace"); t != r.extra.end() && t->second == std::to_string(e->oid)) {
          if (r.partitioning) detail += (detail.empty() ? "" : "\n") + std::string("tablespace for ") + describe({ObjectKind::kRelation, r.oid, 0});
          else ++others;
        }
      });
      if (!detail.empty()) fail(ErrorCode::kDependentObjectsStillExist, "tablespace \"" + e->name + "\" cannot be dropped because some objects depend on it", -1, detail);
      if (others > 0) fail(ErrorCode::kObjectNotInPrerequisiteState, "tablespace \"" + e->name + "\" is not empty");
      changes().drop(ObjectKind::kTablespace, e->oid);
      return "DROP TABLESPACE";
    }
    case pg::kAlterTableMoveAllStmt: {
      const pg::AlterTableMoveAllStmt* s = n->alter_table_move_all_stmt;
      auto from = entry(ObjectKind::kTablespace, {{s->orig_tablespacename}, {}}), to = entry(ObjectKind::kTablespace, {{s->new_tablespacename}, {}});
      if (from->name == "pg_global" || to->name == "pg_global")
        fail(ErrorCode::kInvalidParameterValue, "cannot move relations in to or out of pg_global tablespace");
      const char kind = s->objtype == pg::OBJECT_INDEX ? 'i' : s->objtype == pg::OBJECT_MATVIEW ? 'm' : 'r';
      std::vector<Oid> owners;
      for (const Node* x : PG_LIST(s, roles)) owners.push_back(role_spec(x->role_spec));
      std::vector<Ptr<Relation>> moved;
      state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
        auto r = std::static_pointer_cast<const Relation>(o);
        auto t = r->extra.find("tablespace");
        const Oid in = t == r->extra.end() ? 1663 : static_cast<Oid>(std::stoul(t->second));
        if ((r->relkind == kind || (kind == 'r' && r->relkind == 'p') || (kind == 'i' && r->relkind == 'I')) && in == from->oid &&
            (owners.empty() || std::find(owners.begin(), owners.end(), r->owner) != owners.end())) moved.push_back(r);
      });
      if (moved.empty()) notice("no matching relations in tablespace \"" + from->name + "\" found", {}, {}, "NOTICE", ErrorCode::kNoData);
      for (auto& r : moved) {
        auto m = edit(r);
        if (to->oid == 1663) m->extra.erase("tablespace");
        else m->extra["tablespace"] = std::to_string(to->oid);
        put(m);
      }
      return kind == 'i' ? "ALTER INDEX" : kind == 'm' ? "ALTER MATERIALIZED VIEW" : "ALTER TABLE";
    }
    case pg::kSecLabelStmt: {
      const pg::SecLabelStmt* s = n->sec_label_stmt;
      if (!pg::has(s->provider)) fail(ErrorCode::kInvalidParameterValue, "no security label providers have been loaded");
      fail(ErrorCode::kInvalidParameterValue, std::string("security label provider \"") + s->provider + "\" is not loaded");
    }
    default: fail(ErrorCode::kFeatureNotSupported, "this statement is not supported");
  }
}

}  // namespace stele::sql
