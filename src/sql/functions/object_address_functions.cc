// pg_identify_object and its kin, pg_get_object_address, what event trigger functions ask, extended statistics as SQL.
#include "sql/binder/bind.h"
#include "sql/ddl/event_triggers.h"
#include "sql/deparse/deparse.h"
#include "sql/functions/host.h"
#include "sql/functions/object_identity.h"
#include "sql/parser/parser.h"
#include "sql/parser/pg.h"
#include "sql/system_catalogs/system_catalogs.h"
#include "types/array.h"
#include "types/builtin.h"
#include "types/oids.h"
#include "types/record.h"

namespace stele::sql {
namespace {

using catalog::Entry;
using catalog::ObjectKind;
using catalog::Relation;

Datum text_array(Arena& arena, const std::vector<std::string>& list) {
  ArrayBuilder b(element_info(oid::kText, nullptr));
  for (const std::string& s : list) b.add(make_bytes(arena, s));
  return b.finish(arena);
}

Datum record(FnCall& c, std::vector<std::string> names, const std::vector<Oid>& types, const std::vector<NullableDatum>& values) {
  std::vector<ElementInfo> infos;
  for (Oid t : types) infos.push_back(element_info(t, c.context));
  return make_record(oid::kRecord, intern_record_shape(std::move(names)), infos, values, *c.arena);
}
NullableDatum text_or_null(FnCall& c, const std::string& s) { return s.empty() ? NullableDatum{{}, true} : NullableDatum{c.text(s), false}; }

Datum describe_object(FnCall& c) {
  auto id = identify_object(host_of(c).view(), c.arg(0).as_oid(), c.arg(1).as_oid(), static_cast<int>(c.int_arg(2)));
  return id ? c.text(id->description) : c.null();
}

Datum identify(FnCall& c) {
  const int sub = static_cast<int>(c.int_arg(2));
  auto id = identify_object(host_of(c).view(), c.arg(0).as_oid(), c.arg(1).as_oid(), sub);
  std::vector<NullableDatum> v(4, NullableDatum{{}, true});
  if (id) v = {text_or_null(c, id->type), text_or_null(c, id->schema), text_or_null(c, id->name), text_or_null(c, id->identity)};
  return record(c, {"type", "schema", "name", "identity"}, {oid::kText, oid::kText, oid::kText, oid::kText}, v);
}

Datum identify_as_address(FnCall& c) {
  auto id = identify_object(host_of(c).view(), c.arg(0).as_oid(), c.arg(1).as_oid(), static_cast<int>(c.int_arg(2)));
  std::vector<NullableDatum> v(3, NullableDatum{{}, true});
  if (id) v = {{c.text(id->type), false}, {text_array(*c.arena, id->address_names), false}, {text_array(*c.arena, id->address_args), false}};
  return record(c, {"type", "object_names", "object_args"}, {oid::kText, oid::kTextArray, oid::kTextArray}, v);
}

// ---- pg_get_object_address

struct Address { Oid cls = 0, object = 0; int sub = 0; };

class Resolver {
 public:
  explicit Resolver(FnCall& c) : host_(host_of(c)), view_(host_.view()) {}

  Address run(const std::string& type, const std::vector<std::string>& names, const std::vector<std::string>& args) {
    names_ = names;
    args_ = args;
    static const std::set<std::string> kUnsupported = {"toast table", "index column", "sequence column", "toast table column", "view column_", "materialized view column", "large object column"};
    static const std::set<std::string> kKnown = {
        "table", "index", "sequence", "view", "materialized view", "foreign table", "table column", "view column", "composite type", "foreign table column", "composite type column", "aggregate",
        "function", "procedure", "routine", "type", "cast", "collation", "table constraint", "domain constraint", "conversion", "default value", "language", "large object", "operator",
        "operator class", "operator family", "operator of access method", "function of access method", "rule", "trigger", "schema", "text search parser", "text search dictionary",
        "text search template", "text search configuration", "role", "database", "tablespace", "foreign-data wrapper", "server", "user mapping", "default acl", "extension", "event trigger",
        "policy", "publication", "publication namespace", "publication relation", "subscription", "transform", "statistics object", "access method", "parameter ACL"};
    if (kUnsupported.contains(type) || type == "index column") throw Error(ErrorCode::kInvalidParameterValue, "unsupported object type \"" + type + "\"");
    if (!kKnown.contains(type)) throw Error(ErrorCode::kInvalidParameterValue, "unrecognized object type \"" + type + "\"");
    if (names_.empty()) throw Error(ErrorCode::kInvalidParameterValue, "name list length must be at least 1");
    return find(type);
  }

 private:
  [[noreturn]] void missing(ErrorCode code, const std::string& text) { throw Error(code, text); }
  void names_exactly(size_t n) {
    if (names_.size() != n) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("name list length must be exactly {}", n));
  }
  void names_at_least(size_t n) {
    if (names_.size() < n) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("name list length must be at least {}", n));
  }
  void args_exactly(size_t n) {
    if (args_.size() != n) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("argument list length must be exactly {}", n));
  }
  static std::string joined(const std::vector<std::string>& parts) {
    std::string out;
    for (const std::string& p : parts) out += (out.empty() ? "" : ".") + p;
    return out;
  }
  Oid schema_of(const std::vector<std::string>& parts) {
    if (parts.size() < 2) return 0;
    if (parts.size() > 3) throw Error(ErrorCode::kSyntaxError, "improper qualified name (too many dotted names): " + joined(parts));
    if (parts.size() == 3 && parts[0] != host_.database_name()) throw Error(ErrorCode::kFeatureNotSupported, "cross-database references are not implemented: " + joined(parts));
    const Oid s = view_.schema(parts[parts.size() - 2]);
    if (s == 0) missing(ErrorCode::kInvalidSchemaName, "schema \"" + parts[parts.size() - 2] + "\" does not exist");
    return s;
  }
  catalog::Ptr<Relation> relation(const std::vector<std::string>& parts) {
    catalog::Ptr<Relation> r;
    if (parts.size() > 1 && view_.schema(parts[parts.size() - 2]) == 0 && parts.size() <= 3) missing(ErrorCode::kUndefinedTable, "relation \"" + joined(parts) + "\" does not exist");
    r = view_.find_relation(parts.back(), schema_of(parts));
    if (r == nullptr) missing(ErrorCode::kUndefinedTable, "relation \"" + joined(parts) + "\" does not exist");
    return r;
  }
  Oid type_named(const std::string& text) { return parse_type_string(text, host_.bind_context(text)).type; }
  std::vector<std::string> without_last() const { return {names_.begin(), names_.end() - 1}; }
  // The relation that all but the last of the names say.
  catalog::Ptr<Relation> owning_relation() {
    if (names_.size() < 2) throw Error(ErrorCode::kSyntaxError, "must specify relation and object name");
    return relation(without_last());
  }

  Address entry(ObjectKind kind, const char* word, bool in_schema, const std::string& method = {}, std::vector<std::string> parts = {}) {
    if (parts.empty()) parts = names_;
    if (!in_schema) names_exactly(1);
    const std::string key = method.empty() ? parts.back() : parts.back() + '\0' + method;
    auto built_in = [&](Oid schema) -> Oid {
      if (in_schema && schema != 0 && schema != catalog::kPgCatalog) return 0;
      const char* table = kind == ObjectKind::kAccessMethod ? "pg_am" : kind == ObjectKind::kLanguage ? "pg_language" : kind == ObjectKind::kTextSearchConfig ? "pg_ts_config"
                          : kind == ObjectKind::kTextSearchDictionary ? "pg_ts_dict" : kind == ObjectKind::kOpclass ? "pg_opclass" : kind == ObjectKind::kOpfamily ? "pg_opfamily" : nullptr;
      if (kind == ObjectKind::kTextSearchParser && parts.back() == "default") return 3722;
      if (kind == ObjectKind::kTablespace) return parts.back() == "pg_default" ? 1663 : parts.back() == "pg_global" ? 1664 : 0;
      if (table == nullptr) return 0;
      const std::string am = method.empty() ? "" : std::to_string(system_catalogs::access_method_oid(method));
      for (const auto& f : builtin::rows(table))
        if (f[1] == parts.back() && (method.empty() || f[2] == am)) return static_cast<Oid>(std::stoul(f[0]));
      return 0;
    };
    Oid found = 0;
    auto look = [&](Oid schema) {
      if (found != 0) return;
      if (auto o = view_.state()->find(kind, schema, key)) found = o->oid;
      else found = built_in(schema);
    };
    if (!in_schema) look(0);
    else if (parts.size() > 1) look(schema_of(parts));
    else
      for (Oid s : view_.path()) look(s);
    if (found == 0) missing(ErrorCode::kUndefinedObject, std::string(word) + " \"" + joined(parts) + "\" does not exist" + (method.empty() ? "" : " for access method \"" + method + "\""));
    return {object_class(kind), found, 0};
  }

  Address find(const std::string& type) {
    auto s = view_.state();
    auto named = [&](ObjectKind kind, const char* word, ErrorCode code = ErrorCode::kUndefinedObject) -> Address {
      names_exactly(1);
      auto o = s->find(kind, 0, names_[0]);
      if (o == nullptr) missing(code, std::string(word) + " \"" + names_[0] + "\" does not exist");
      return {object_class(kind), o->oid, 0};
    };
    static const std::map<std::string, std::string> kRelations = {{"table", "rp"}, {"index", "iI"}, {"sequence", "S"}, {"view", "v"}, {"materialized view", "m"}, {"foreign table", "f"}};
    if (auto k = kRelations.find(type); k != kRelations.end()) {
      auto r = relation(names_);
      if (k->second.find(r->relkind) == std::string::npos)
        throw Error(ErrorCode::kWrongObjectType, "\"" + r->name + "\" is not " + (type == "index" ? "an " : "a ") + type);
      return {1259, r->oid, 0};
    }
    if (type == "table column" || type == "view column" || type == "foreign table column" || type == "composite type column") {
      if (names_.size() < 2) throw Error(ErrorCode::kSyntaxError, "column name must be qualified");
      auto r = relation(without_last());
      const auto* c = r->column(std::string_view(names_.back()));
      if (c == nullptr) missing(ErrorCode::kUndefinedColumn, "column \"" + names_.back() + "\" of relation \"" + joined(without_last()) + "\" does not exist");
      return {1259, r->oid, c->number};
    }
    if (type == "default value") {
      if (names_.size() < 2) throw Error(ErrorCode::kSyntaxError, "column name must be qualified");
      auto r = relation(without_last());
      const auto* c = r->column(std::string_view(names_.back()));
      if (c == nullptr) missing(ErrorCode::kUndefinedColumn, "column \"" + names_.back() + "\" of relation \"" + joined(without_last()) + "\" does not exist");
      if (c->default_sql.empty()) missing(ErrorCode::kUndefinedObject, "default value for column \"" + names_.back() + "\" of relation \"" + joined(without_last()) + "\" does not exist");
      return {2604, system_catalogs::attribute_default_oid(r->oid, c->number), 0};
    }
    if (type == "type" || type == "domain" || type == "composite type") {
      names_exactly(1);
      return {1247, type_named(names_[0]), 0};
    }
    if (type == "cast") {
      names_exactly(1);
      args_exactly(1);
      const Oid from = type_named(names_[0]), to = type_named(args_[0]);
      for (const auto& c : builtin::casts())
        if (c.source == from && c.target == to) return {2605, c.oid, 0};
      Oid found = 0;
      s->for_each(ObjectKind::kCast, [&](const catalog::Ptr<catalog::Object>& o) {
        auto& c = static_cast<const catalog::Cast&>(*o);
        if (c.source == from && c.target == to) found = c.oid;
      });
      if (found == 0) missing(ErrorCode::kUndefinedObject, "cast from type " + view_.format_type(from) + " to type " + view_.format_type(to) + " does not exist");
      return {2605, found, 0};
    }
    if (type == "transform") {
      names_exactly(1);
      args_exactly(1);
      const Oid t = type_named(names_[0]);
      Oid found = 0;
      s->for_each(ObjectKind::kTransform, [&](const catalog::Ptr<catalog::Object>& o) {
        auto& e = static_cast<const Entry&>(*o);
        if (e.ref(0) == t && e.fact("language") == args_[0]) found = e.oid;
      });
      if (found == 0) {
        bool language = s->find(ObjectKind::kLanguage, 0, args_[0]) != nullptr;
        for (const auto& f : builtin::rows("pg_language")) language |= f[1] == args_[0];
        if (!language) missing(ErrorCode::kUndefinedObject, "language \"" + args_[0] + "\" does not exist");
        missing(ErrorCode::kUndefinedObject, "transform for type " + view_.format_type(t) + " language \"" + args_[0] + "\" does not exist");
      }
      return {3576, found, 0};
    }
    if (type == "aggregate" || type == "function" || type == "procedure" || type == "routine") {
      std::vector<Oid> types;
      for (const std::string& a : args_) types.push_back(type_named(a));
      const Oid schema = schema_of(names_);
      const ProcRow* found = nullptr;
      for (const ProcRow* p : view_.procs(names_.back(), schema))
        if (found == nullptr && p->args == types) found = p;
      std::string shown;
      for (Oid t : types) shown += (shown.empty() ? "" : ", ") + view_.format_type(t);
      const std::string text = joined(names_) + "(" + shown + ")";
      if (found == nullptr) {
        if (type == "aggregate" && types.empty()) missing(ErrorCode::kUndefinedFunction, "aggregate " + joined(names_) + "(*) does not exist");
        missing(ErrorCode::kUndefinedFunction, type + " " + text + " does not exist");
      }
      if (type == "aggregate" && found->kind != 'a') throw Error(ErrorCode::kWrongObjectType, "function " + text + " is not an aggregate");
      if (type == "procedure" && found->kind != 'p') throw Error(ErrorCode::kWrongObjectType, text + " is not a procedure");
      if (type == "function" && found->kind == 'p') throw Error(ErrorCode::kWrongObjectType, text + " is not a function");
      return {1255, found->oid, 0};
    }
    if (type == "operator") {
      args_exactly(2);
      auto side = [&](const std::string& t) { return t == "NONE" || t == "none" || t == "-" ? Oid{0} : type_named(t); };
      const Oid l = side(args_[0]), r = side(args_[1]);
      for (const OperatorRow* o : view_.operators(names_.back(), schema_of(names_)))
        if (o->left == l && o->right == r) return {2617, o->oid, 0};
      missing(ErrorCode::kUndefinedFunction, "operator does not exist: " + (l == 0 ? "" : view_.format_type(l) + " ") + joined(names_) + " " + view_.format_type(r));
    }
    if (type == "collation") {
      const Oid c = view_.collation(names_.back(), schema_of(names_));
      if (c == 0) missing(ErrorCode::kUndefinedObject, "collation \"" + joined(names_) + "\" for encoding \"UTF8\" does not exist");
      return {3456, c, 0};
    }
    if (type == "operator class" || type == "operator family") {
      names_at_least(2);
      const std::string method = names_.front();
      if (system_catalogs::access_method_oid(method) == 0 && s->find(ObjectKind::kAccessMethod, 0, method) == nullptr) missing(ErrorCode::kUndefinedObject, "access method \"" + method + "\" does not exist");
      return entry(type == "operator class" ? ObjectKind::kOpclass : ObjectKind::kOpfamily, type.c_str(), true, method, {names_.begin() + 1, names_.end()});
    }
    if (type == "operator of access method" || type == "function of access method") {
      names_at_least(3);
      args_exactly(2);
      const std::string method = names_.front();
      const std::vector<std::string> family{names_.begin() + 1, names_.end() - 1};
      if (system_catalogs::access_method_oid(method) == 0 && s->find(ObjectKind::kAccessMethod, 0, method) == nullptr) missing(ErrorCode::kUndefinedObject, "access method \"" + method + "\" does not exist");
      const Address f = entry(ObjectKind::kOpfamily, "operator family", true, method, family);
      const bool op = type.starts_with("operator");
      const Oid l = type_named(args_[0]), r = type_named(args_[1]);
      const int number = std::atoi(names_.back().c_str());
      for (const auto& row : builtin::rows(op ? "pg_amop" : "pg_amproc"))
        if (std::stoul(row[1]) == f.object && std::stoul(row[2]) == l && std::stoul(row[3]) == r && std::stoi(row[4]) == number) return {static_cast<Oid>(op ? 2602 : 2603), static_cast<Oid>(std::stoul(row[0])), 0};
      missing(ErrorCode::kUndefinedObject, fmt::format("{} {} ({}, {}) of operator family {} for access method {} does not exist", op ? "operator" : "function", number, view_.format_type(l), view_.format_type(r), joined(family), method));
    }
    if (type == "table constraint" || type == "trigger" || type == "policy" || type == "rule") {
      auto r = owning_relation();
      const std::string table = joined(without_last());
      if (type == "table constraint") {
        for (auto& c : r->constraints)
          if (c.name == names_.back()) return {2606, c.oid, 0};
        missing(ErrorCode::kUndefinedObject, "constraint \"" + names_.back() + "\" for table \"" + r->name + "\" does not exist");
      }
      if (type == "rule") {
        for (auto& x : r->rules)
          if (x.name == names_.back()) return {2618, x.oid, 0};
        if ((r->relkind == 'v' || r->relkind == 'm') && names_.back() == "_RETURN") return {2618, system_catalogs::rewrite_oid(r->oid), 0};
        missing(ErrorCode::kUndefinedObject, "rule \"" + names_.back() + "\" for relation \"" + r->name + "\" does not exist");
      }
      auto o = s->find(type == "trigger" ? ObjectKind::kTrigger : ObjectKind::kPolicy, r->oid, names_.back());
      if (o == nullptr) missing(ErrorCode::kUndefinedObject, type + " \"" + names_.back() + "\" for table \"" + r->name + "\" does not exist");
      return {object_class(o->kind()), o->oid, 0};
    }
    if (type == "domain constraint") {
      names_exactly(1);
      args_exactly(1);
      const Oid t = type_named(names_[0]);
      if (auto d = s->type(t))
        for (auto& c : d->constraints)
          if (c.name == args_[0]) return {2606, c.oid, 0};
      missing(ErrorCode::kUndefinedObject, "constraint \"" + args_[0] + "\" for domain \"" + view_.format_type(t) + "\" does not exist");
    }
    if (type == "schema") return named(ObjectKind::kSchema, "schema", ErrorCode::kInvalidSchemaName);
    if (type == "role") return named(ObjectKind::kRole, "role");
    if (type == "database") return named(ObjectKind::kDatabase, "database", ErrorCode::kInvalidCatalogName);
    if (type == "extension") return named(ObjectKind::kExtension, "extension");
    if (type == "user mapping") {
      names_exactly(1);
      args_exactly(1);
      auto server = s->find(ObjectKind::kForeignServer, 0, args_[0]);
      if (server == nullptr) missing(ErrorCode::kUndefinedObject, "user mapping for user \"" + names_[0] + "\" on server \"" + args_[0] + "\" does not exist");
      Oid user = 0;
      if (names_[0] != "public") {
        auto role = s->find(ObjectKind::kRole, 0, names_[0]);
        if (role == nullptr) missing(ErrorCode::kUndefinedObject, "user mapping for user \"" + names_[0] + "\" on server \"" + args_[0] + "\" does not exist");
        user = role->oid;
      }
      auto m = s->find(ObjectKind::kUserMapping, 0, std::to_string(server->oid) + "/" + std::to_string(user));
      if (m == nullptr) missing(ErrorCode::kUndefinedObject, "user mapping for user \"" + names_[0] + "\" on server \"" + args_[0] + "\" does not exist");
      return {1418, m->oid, 0};
    }
    if (type == "publication relation" || type == "publication namespace") {
      if (type == "publication namespace") names_exactly(1);
      args_exactly(1);
      const bool ns = type == "publication namespace";
      Oid target = 0;
      if (ns) {
        target = view_.schema(names_[0]);
        if (target == 0) missing(ErrorCode::kInvalidSchemaName, "schema \"" + names_[0] + "\" does not exist");
      } else {
        target = relation(names_)->oid;
      }
      auto p = s->find(ObjectKind::kPublication, 0, args_[0]);
      if (p == nullptr) missing(ErrorCode::kUndefinedObject, "publication \"" + args_[0] + "\" does not exist");
      auto m = s->find(ns ? ObjectKind::kPublicationSchema : ObjectKind::kPublicationRelation, 0, std::to_string(p->oid) + "/" + std::to_string(target));
      if (m == nullptr) missing(ErrorCode::kUndefinedObject, "publication " + std::string(ns ? "schema" : "relation") + " \"" + joined(names_) + "\" in publication \"" + args_[0] + "\" does not exist");
      return {object_class(m->kind()), m->oid, 0};
    }
    if (type == "default acl") {
      args_exactly(1);
      if (args_[0].size() != 1 || std::string("rSfTn").find(args_[0]) == std::string::npos)
        throw Error(ErrorCode::kInvalidParameterValue, "unrecognized default ACL object type \"" + args_[0].substr(0, 1) + "\"").hint("Valid object types are \"r\", \"S\", \"f\", \"T\", \"n\".");
      missing(ErrorCode::kUndefinedObject, "default ACL for user \"" + names_[0] + "\"" + (names_.size() > 1 ? " in schema \"" + names_[1] + "\"" : std::string()) + " on " +
              (args_[0] == "r" ? "tables" : args_[0] == "S" ? "sequences" : args_[0] == "f" ? "functions" : args_[0] == "T" ? "types" : "schemas") + " does not exist");
    }
    if (type == "large object") {
      names_exactly(1);
      return {2613, static_cast<Oid>(std::strtoul(names_[0].c_str(), nullptr, 10)), 0};
    }
    static const std::map<std::string, std::pair<ObjectKind, bool>> kEntries = {
        {"conversion", {ObjectKind::kConversion, true}}, {"language", {ObjectKind::kLanguage, false}}, {"text search parser", {ObjectKind::kTextSearchParser, true}},
        {"text search dictionary", {ObjectKind::kTextSearchDictionary, true}}, {"text search template", {ObjectKind::kTextSearchTemplate, true}},
        {"text search configuration", {ObjectKind::kTextSearchConfig, true}}, {"tablespace", {ObjectKind::kTablespace, false}}, {"foreign-data wrapper", {ObjectKind::kForeignWrapper, false}},
        {"server", {ObjectKind::kForeignServer, false}}, {"event trigger", {ObjectKind::kEventTrigger, false}}, {"publication", {ObjectKind::kPublication, false}},
        {"subscription", {ObjectKind::kSubscription, false}}, {"statistics object", {ObjectKind::kStatistics, true}}, {"access method", {ObjectKind::kAccessMethod, false}}};
    if (auto it = kEntries.find(type); it != kEntries.end()) return entry(it->second.first, type.c_str(), it->second.second);
    throw Error(ErrorCode::kInvalidParameterValue, "unsupported object type \"" + type + "\"");
  }

  UtilityHost& host_;
  CatalogView& view_;
  std::vector<std::string> names_, args_;
};

Datum get_object_address(FnCall& c) {
  auto list = [&](int i) {
    std::vector<std::string> out;
    ArrayView a(c.arg(i));
    for (int k = 0; k < a.count(); ++k) {
      if (a.is_null(k)) throw Error(ErrorCode::kInvalidParameterValue, "name or argument lists may not contain nulls");
      out.emplace_back(a.get(k).as_view());
    }
    return out;
  };
  const Address a = Resolver(c).run(std::string(c.text_arg(0)), list(1), list(2));
  return record(c, {"classid", "objid", "objsubid"}, {oid::kOid, oid::kOid, oid::kInt4}, {{Datum::from_oid(a.cls), false}, {Datum::from_oid(a.object), false}, {Datum::from_int(a.sub), false}});
}

// ---- event triggers

class ListRows final : public SetRows {
 public:
  // What `make` builds with c.arena lives as long as the rows do.
  template <typename F> ListRows(FnCall& c, F make) {
    Arena* outer = std::exchange(c.arena, &arena_);
    make(rows_);
    c.arena = outer;
  }
  bool next(FnCall&, Datum* out, bool* nulls) override {
    if (at_ == rows_.size()) return false;
    for (size_t i = 0; i < rows_[at_].size(); ++i) {
      out[i] = rows_[at_][i].value;
      nulls[i] = rows_[at_][i].is_null;
    }
    ++at_;
    return true;
  }

 private:
  Arena arena_;
  std::vector<std::vector<NullableDatum>> rows_;
  size_t at_ = 0;
};

std::unique_ptr<SetRows> ddl_commands(FnCall& c) {
  EventState* s = event_state(host_of(c));
  if (s == nullptr || s->running != "ddl_command_end")
    throw Error(ErrorCode::kObjectNotInPrerequisiteState, "pg_event_trigger_ddl_commands() can only be called in an event trigger function");
  return std::make_unique<ListRows>(c, [&](auto& rows) {
  for (auto& x : s->commands)
    rows.push_back({{Datum::from_oid(x.class_oid), x.class_oid == 0}, {Datum::from_oid(x.object), x.class_oid == 0}, {Datum::from_int(x.sub), x.class_oid == 0}, {c.text(x.tag), false}, text_or_null(c, x.type),
                    x.has_schema ? text_or_null(c, x.schema) : NullableDatum{{}, true}, text_or_null(c, x.identity), {Datum::from_bool(false), false}, {{}, true}});
  });
}

std::unique_ptr<SetRows> dropped_objects(FnCall& c) {
  EventState* s = event_state(host_of(c));
  if (s == nullptr || s->running != "sql_drop")
    throw Error(ErrorCode::kObjectNotInPrerequisiteState, "pg_event_trigger_dropped_objects() can only be called in a sql_drop event trigger function");
  return std::make_unique<ListRows>(c, [&](auto& rows) {
  for (auto& x : s->dropped)
    rows.push_back({{Datum::from_oid(x.class_oid), false}, {Datum::from_oid(x.object), false}, {Datum::from_int(x.sub), false}, {Datum::from_bool(x.original), false}, {Datum::from_bool(x.normal), false},
                    {Datum::from_bool(x.temporary), false}, text_or_null(c, x.type), text_or_null(c, x.schema), text_or_null(c, x.name), text_or_null(c, x.identity),
                    {text_array(*c.arena, x.address_names), false}, {text_array(*c.arena, x.address_args), false}});
  });
}

Datum rewrite_oid(FnCall& c) {
  EventState* s = event_state(host_of(c));
  if (s == nullptr || s->running != "table_rewrite") throw Error(ErrorCode::kObjectNotInPrerequisiteState, "pg_event_trigger_table_rewrite_oid() can only be called in a table_rewrite event trigger function");
  return Datum::from_oid(s->rewritten);
}
Datum rewrite_reason(FnCall& c) {
  EventState* s = event_state(host_of(c));
  if (s == nullptr || s->running != "table_rewrite") throw Error(ErrorCode::kObjectNotInPrerequisiteState, "pg_event_trigger_table_rewrite_reason() can only be called in a table_rewrite event trigger function");
  return Datum::from_int(s->rewrite_reason);
}

// ---- options and statistics

std::unique_ptr<SetRows> options_to_table(FnCall& c) {
  return std::make_unique<ListRows>(c, [&](auto& rows) {
  ArrayView a(c.arg(0));
  for (int k = 0; k < a.count(); ++k) {
    if (a.is_null(k)) continue;
    const std::string_view s = a.get(k).as_view();
    const size_t eq = s.find('=');
    rows.push_back({{c.text(std::string(s.substr(0, eq))), false}, eq == std::string_view::npos ? NullableDatum{{}, true} : NullableDatum{c.text(std::string(s.substr(eq + 1))), false}});
  }
  });
}

std::string pretty_expression(FnCall& c, const std::string& sql, const Relation& r) {
  UtilityHost& host = host_of(c);
  try {
    const ParsedExpression parsed = parse_expression(sql);
    DeparseOptions options;
    options.pretty = true;
    return deparse_expression(bind_expression(parsed.node, &r, ExprContext::kNone, host.bind_context(sql)), &r, host.view(), *c.context, options);
  } catch (const Error&) {
    return sql;
  }
}
std::string statistics_columns(FnCall& c, const Entry& e, const Relation& r) {
  std::string out;
  for (int16_t n : e.columns) out += (out.empty() ? "" : ", ") + quote_identifier(r.column(n)->name);
  for (const std::string& sql : e.list) {
    std::string x = pretty_expression(c, sql, r);
    const bool call = !x.empty() && x.back() == ')' && x.front() != '(' && x.find('(') != std::string::npos && x.find(' ') > x.find('(');
    if (!call && !(x.front() == '(' && x.back() == ')')) x = "(" + x + ")";
    out += (out.empty() ? "" : ", ") + x;
  }
  return out;
}
Datum statistics_definition(FnCall& c) {
  CatalogView& view = host_of(c).view();
  auto e = view.state()->get_as<Entry>(ObjectKind::kStatistics, c.arg(0).as_oid());
  auto r = e == nullptr ? nullptr : view.state()->relation(e->ref(0));
  if (r == nullptr) return c.null();
  std::string kinds;
  const std::string& have = e->fact("kinds");
  const bool all = have.find('d') != std::string::npos && have.find('f') != std::string::npos && have.find('m') != std::string::npos;
  if (!all && e->columns.size() + e->list.size() > 1)
    for (auto& [k, name] : std::initializer_list<std::pair<char, const char*>>{{'d', "ndistinct"}, {'f', "dependencies"}, {'m', "mcv"}})
      if (have.find(k) != std::string::npos) kinds += (kinds.empty() ? "" : ", ") + std::string(name);
  return c.text("CREATE STATISTICS " + quote_identifier(view.schema_name(e->schema)) + "." + quote_identifier(e->name) + (kinds.empty() ? "" : " (" + kinds + ")") + " ON " + statistics_columns(c, *e, *r) + " FROM " +
                visible_relation_name(*r, view));
}
Datum statistics_columns_of(FnCall& c) {
  CatalogView& view = host_of(c).view();
  auto e = view.state()->get_as<Entry>(ObjectKind::kStatistics, c.arg(0).as_oid());
  auto r = e == nullptr ? nullptr : view.state()->relation(e->ref(0));
  return r == nullptr ? c.null() : c.text(statistics_columns(c, *e, *r));
}
Datum statistics_expressions(FnCall& c) {
  CatalogView& view = host_of(c).view();
  auto e = view.state()->get_as<Entry>(ObjectKind::kStatistics, c.arg(0).as_oid());
  auto r = e == nullptr || e->list.empty() ? nullptr : view.state()->relation(e->ref(0));
  if (r == nullptr) return c.null();
  std::vector<std::string> out;
  for (const std::string& sql : e->list) out.push_back(pretty_expression(c, sql, *r));
  return text_array(*c.arena, out);
}

}  // namespace

void register_object_address_functions(FunctionRegistry& r) {
  r.add("pg_describe_object", describe_object);
  r.add("pg_identify_object", identify);
  r.add("pg_identify_object_as_address", identify_as_address);
  r.add("pg_get_object_address", get_object_address);
  r.add_set("pg_event_trigger_ddl_commands", ddl_commands);
  r.add_set("pg_event_trigger_dropped_objects", dropped_objects);
  r.add("pg_event_trigger_table_rewrite_oid", rewrite_oid);
  r.add("pg_event_trigger_table_rewrite_reason", rewrite_reason);
  r.add_set("pg_options_to_table", options_to_table);
  r.add("pg_get_statisticsobjdef", statistics_definition);
  r.add("pg_get_statisticsobjdef_columns", statistics_columns_of);
  r.add("pg_get_statisticsobjdef_expressions", statistics_expressions);
}

}  // namespace stele::sql
