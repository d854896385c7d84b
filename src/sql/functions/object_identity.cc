#include "sql/functions/object_identity.h"

#include "base/error.h"
#include "sql/system_catalogs/system_catalogs.h"

namespace stele::sql {

using catalog::Entry;
using catalog::ObjectKind;
using catalog::Ptr;
using catalog::Relation;

Oid object_class(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kConstraint: return 2606;
    case ObjectKind::kDefault: return 2604;
    case ObjectKind::kRule: return 2618;
    case ObjectKind::kAggregate: return 1255;
    default: return system_catalogs::class_oid(kind);
  }
}

std::string qualified_type(CatalogView& view, Oid type) {
  const TypeRow* t = view.find_type(type);
  if (t == nullptr) return "???";
  if (t->element != 0) return qualified_type(view, t->element) + "[]";
  const std::string shown = view.format_type(type);
  if (type < oid::kFirstUserOid) {
    if (shown != quote_identifier(t->name) || t->name == "numeric" || t->name == "interval" || t->name == "bit") return shown;
    return "pg_catalog." + shown;
  }
  return quote_identifier(view.schema_name(t->schema)) + "." + quote_identifier(t->name);
}

namespace {

std::string dotted(CatalogView& view, Oid schema, const std::string& name) {
  return schema == 0 ? quote_identifier(name) : quote_identifier(view.schema_name(schema)) + "." + quote_identifier(name);
}

const char* relation_type(const Relation& r) {
  switch (r.relkind) {
    case 'v': return "view";
    case 'm': return "materialized view";
    case 'i': case 'I': return "index";
    case 'S': return "sequence";
    case 'c': return "composite type";
    case 'f': return "foreign table";
    default: return "table";
  }
}

ObjectKind entry_of(Oid class_oid) {
  for (ObjectKind k : {ObjectKind::kLanguage, ObjectKind::kTextSearchConfig, ObjectKind::kStatistics, ObjectKind::kEventTrigger, ObjectKind::kOpclass, ObjectKind::kOpfamily, ObjectKind::kAccessMethod,
                       ObjectKind::kConversion, ObjectKind::kTransform, ObjectKind::kPublication, ObjectKind::kPublicationRelation, ObjectKind::kPublicationSchema, ObjectKind::kSubscription,
                       ObjectKind::kTablespace, ObjectKind::kForeignWrapper, ObjectKind::kForeignServer, ObjectKind::kUserMapping, ObjectKind::kTextSearchDictionary, ObjectKind::kTextSearchParser,
                       ObjectKind::kTextSearchTemplate})
    if (object_class(k) == class_oid) return k;
  return ObjectKind::kSetting;
}

struct BuiltinObject { std::string name, method; };
std::optional<BuiltinObject> builtin_object(ObjectKind kind, Oid oid) {
  auto table = [&](const char* t) -> std::optional<BuiltinObject> {
    for (const auto& f : builtin::rows(t))
      if (f[0] == std::to_string(oid)) return BuiltinObject{f[1], std::string_view(t) == "pg_opclass" || std::string_view(t) == "pg_opfamily" ? f[2] : ""};
    return std::nullopt;
  };
  switch (kind) {
    case ObjectKind::kAccessMethod: return table("pg_am");
    case ObjectKind::kLanguage: return table("pg_language");
    case ObjectKind::kTextSearchConfig: return table("pg_ts_config");
    case ObjectKind::kTextSearchDictionary: return table("pg_ts_dict");
    case ObjectKind::kTextSearchParser: return oid == 3722 ? std::optional(BuiltinObject{"default", ""}) : std::nullopt;
    case ObjectKind::kTextSearchTemplate:
      for (auto& [o, n] : std::initializer_list<std::pair<Oid, const char*>>{{3727, "simple"}, {3730, "synonym"}, {3733, "ispell"}, {3742, "thesaurus"}, {13150, "snowball"}})
        if (o == oid) return BuiltinObject{n, ""};
      return std::nullopt;
    case ObjectKind::kTablespace: return oid == 1663 ? std::optional(BuiltinObject{"pg_default", ""}) : oid == 1664 ? std::optional(BuiltinObject{"pg_global", ""}) : std::nullopt;
    case ObjectKind::kOpclass: case ObjectKind::kOpfamily: {
      auto o = table(kind == ObjectKind::kOpclass ? "pg_opclass" : "pg_opfamily");
      if (o)
        for (const auto& f : builtin::rows("pg_am"))
          if (f[0] == o->method) o->method = f[1];
      return o;
    }
    default: return std::nullopt;
  }
}

const char* entry_type(ObjectKind k) {
  switch (k) {
    case ObjectKind::kLanguage: return "language";
    case ObjectKind::kTextSearchConfig: return "text search configuration";
    case ObjectKind::kStatistics: return "statistics object";
    case ObjectKind::kEventTrigger: return "event trigger";
    case ObjectKind::kOpclass: return "operator class";
    case ObjectKind::kOpfamily: return "operator family";
    case ObjectKind::kAccessMethod: return "access method";
    case ObjectKind::kConversion: return "conversion";
    case ObjectKind::kTransform: return "transform";
    case ObjectKind::kPublication: return "publication";
    case ObjectKind::kPublicationRelation: return "publication relation";
    case ObjectKind::kPublicationSchema: return "publication namespace";
    case ObjectKind::kSubscription: return "subscription";
    case ObjectKind::kTablespace: return "tablespace";
    case ObjectKind::kForeignWrapper: return "foreign-data wrapper";
    case ObjectKind::kForeignServer: return "server";
    case ObjectKind::kUserMapping: return "user mapping";
    case ObjectKind::kTextSearchDictionary: return "text search dictionary";
    case ObjectKind::kTextSearchParser: return "text search parser";
    default: return "text search template";
  }
}

void identify_entry(CatalogView& view, ObjectKind kind, Oid oid, ObjectIdentity& out, bool* found) {
  auto s = view.state();
  auto e = s->get_as<Entry>(kind, oid);
  out.type = entry_type(kind);
  std::string name, method;
  Oid schema = 0;
  if (e != nullptr) {
    name = e->name;
    schema = e->schema;
    method = e->fact("method");
  } else if (auto b = builtin_object(kind, oid)) {
    name = b->name;
    method = b->method;
    if (kind != ObjectKind::kAccessMethod && kind != ObjectKind::kLanguage && kind != ObjectKind::kTablespace) schema = catalog::kPgCatalog;
  } else {
    *found = false;
    return;
  }
  switch (kind) {
    case ObjectKind::kUserMapping: {
      auto server = s->get(ObjectKind::kForeignServer, e->ref(0));
      const std::string user = e->ref(1) == 0 ? "public" : view.role_name(e->ref(1)), on = server == nullptr ? "?" : server->name;
      out.identity = user + " on server " + on;
      out.description = "user mapping for " + user + " on server " + on;
      out.address_names = {user};
      out.address_args = {on};
      return;
    }
    case ObjectKind::kTransform: {
      const std::string type = qualified_type(view, e->ref(0)), lang = e->fact("language");
      out.identity = "for " + type + " language " + lang;
      out.description = "transform for " + view.format_type(e->ref(0)) + " language " + lang;
      out.address_names = {type};
      out.address_args = {lang};
      return;
    }
    case ObjectKind::kPublicationRelation: case ObjectKind::kPublicationSchema: {
      auto p = s->get(ObjectKind::kPublication, e->ref(0));
      const std::string pub = p == nullptr ? "?" : p->name;
      if (kind == ObjectKind::kPublicationSchema) {
        const std::string in = view.schema_name(e->ref(1));
        out.identity = in + " in publication " + pub;
        out.description = "publication of schema " + in + " in publication " + pub;
        out.address_names = {in};
      } else {
        auto r = s->relation(e->ref(1));
        if (r == nullptr) return;
        out.identity = dotted(view, r->schema, r->name) + " in publication " + pub;
        out.description = "publication of table " + (view.relation_visible(*r) ? quote_identifier(r->name) : dotted(view, r->schema, r->name)) + " in publication " + pub;
        out.address_names = {view.schema_name(r->schema), r->name};
      }
      out.address_args = {pub};
      return;
    }
    default: break;
  }
  out.schema = schema == 0 ? "" : view.schema_name(schema);
  if (kind != ObjectKind::kOpclass && kind != ObjectKind::kOpfamily) out.name = quote_identifier(name);
  else out.name = quote_identifier(name);
  out.identity = dotted(view, schema, name);
  // Messages leave the schema out where the path finds the object.
  const bool visible = schema == 0 || std::find(view.path().begin(), view.path().end(), schema) != view.path().end();
  out.description = std::string(out.type) + " " + (visible ? quote_identifier(name) : out.identity);
  if (!method.empty()) {
    out.identity += " USING " + quote_identifier(method);
    out.description += " for access method " + method;
    out.address_names.push_back(method);
  }
  if (schema != 0) out.address_names.push_back(view.schema_name(schema));
  out.address_names.push_back(name);
}

}  // namespace

std::optional<ObjectIdentity> identify_object(CatalogView& view, Oid class_oid, Oid object, int sub) {
  ObjectIdentity out;
  auto s = view.state();
  auto relation_names = [&](const Relation& r) { return std::vector<std::string>{view.schema_name(r.schema), r.name}; };
  auto shown = [&](const Relation& r) { return view.relation_visible(r) ? quote_identifier(r.name) : dotted(view, r.schema, r.name); };
  switch (class_oid) {
    case 1259: {
      auto r = view.relation(object);
      if (r == nullptr) return std::nullopt;
      out.type = relation_type(*r);
      out.schema = view.schema_name(r->schema);
      out.identity = dotted(view, r->schema, r->name);
      out.address_names = relation_names(*r);
      out.description = out.type + " " + shown(*r);
      out.name = quote_identifier(r->name);
      if (sub == 0) return out;
      const auto* c = r->column(static_cast<int16_t>(sub));
      if (c == nullptr || c->dropped) return std::nullopt;
      out.type += " column";
      out.identity += "." + quote_identifier(c->name);
      out.address_names.push_back(c->name);
      out.description = "column " + c->name + " of " + out.description;
      return out;
    }
    case 1247: {
      const TypeRow* t = view.find_type(object);
      if (t == nullptr) return std::nullopt;
      out.type = t->typtype == 'd' ? "domain" : "type";
      out.schema = view.schema_name(t->schema);
      out.name = quote_identifier(t->name);
      out.identity = qualified_type(view, object);
      out.description = "type " + view.format_type(object);
      out.address_names = {out.identity};
      return out;
    }
    case 1255: {
      const ProcRow* p = view.proc(object);
      if (p == nullptr) return std::nullopt;
      out.type = p->kind == 'a' ? "aggregate" : p->kind == 'p' ? "procedure" : "function";
      out.schema = view.schema_name(p->schema);
      std::string args, plain;
      for (Oid a : p->args) {
        args += (args.empty() ? "" : ",") + qualified_type(view, a);
        plain += (plain.empty() ? "" : ",") + view.format_type(a);
        out.address_args.push_back(qualified_type(view, a));
      }
      out.identity = dotted(view, p->schema, p->name) + "(" + args + ")";
      out.description = (p->kind == 'a' ? "function " : out.type + " ") + (view.proc_visible(object) ? quote_identifier(p->name) : dotted(view, p->schema, p->name)) + "(" + plain + ")";
      out.address_names = {out.schema, p->name};
      return out;
    }
    case 2615: {
      const std::string name = view.schema_name(object);
      if (name.empty()) return std::nullopt;
      out.type = "schema";
      out.name = out.identity = quote_identifier(name);
      out.description = "schema " + name;
      out.address_names = {name};
      return out;
    }
    case 2617: {
      const OperatorRow* o = view.oper(object);
      if (o == nullptr) return std::nullopt;
      out.type = "operator";
      out.schema = view.schema_name(o->schema);
      auto type = [&](Oid t, bool full) { return t == 0 ? std::string("NONE") : full ? qualified_type(view, t) : view.format_type(t); };
      out.identity = quote_identifier(out.schema) + "." + o->name + "(" + type(o->left, true) + "," + type(o->right, true) + ")";
      out.description = "operator " + (view.operator_visible(object) ? "" : quote_identifier(out.schema) + ".") + o->name + "(" + type(o->left, false) + "," + type(o->right, false) + ")";
      out.address_names = {out.schema, o->name};
      if (o->left != 0) out.address_args.push_back(type(o->left, true));
      out.address_args.push_back(type(o->right, true));
      return out;
    }
    case 2605: {
      Oid source = 0, target = 0;
      if (auto c = s->get_as<catalog::Cast>(ObjectKind::kCast, object)) source = c->source, target = c->target;
      else
        for (const auto& c : builtin::casts())
          if (c.oid == object) source = c.source, target = c.target;
      if (source == 0) return std::nullopt;
      out.type = "cast";
      out.identity = "(" + qualified_type(view, source) + " AS " + qualified_type(view, target) + ")";
      out.description = "cast from " + view.format_type(source) + " to " + view.format_type(target);
      out.address_names = {qualified_type(view, source)};
      out.address_args = {qualified_type(view, target)};
      return out;
    }
    case 3456: {
      const std::string name = view.collation_name(object);
      if (name == std::to_string(object)) return std::nullopt;
      const Oid schema = view.collation_schema(object);
      out.type = "collation";
      out.schema = view.schema_name(schema);
      out.name = quote_identifier(name);
      out.identity = dotted(view, schema, name);
      out.description = "collation " + quote_identifier(name);
      out.address_names = {out.schema, name};
      return out;
    }
    case 1260: case 1262: case 3079: {
      auto o = s->get(class_oid == 1260 ? ObjectKind::kRole : class_oid == 1262 ? ObjectKind::kDatabase : ObjectKind::kExtension, object);
      if (o == nullptr) return std::nullopt;
      out.type = class_oid == 1260 ? "role" : class_oid == 1262 ? "database" : "extension";
      out.name = out.identity = quote_identifier(o->name);
      out.description = out.type + " " + o->name;
      out.address_names = {o->name};
      return out;
    }
    case 2620: case 3256: {
      auto o = s->get(class_oid == 2620 ? ObjectKind::kTrigger : ObjectKind::kPolicy, object);
      if (o == nullptr) return std::nullopt;
      auto r = s->relation(class_oid == 2620 ? static_cast<const catalog::Trigger&>(*o).relation : static_cast<const catalog::Policy&>(*o).relation);
      if (r == nullptr) return std::nullopt;
      out.type = class_oid == 2620 ? "trigger" : "policy";
      out.identity = quote_identifier(o->name) + " on " + dotted(view, r->schema, r->name);
      out.description = out.type + " " + o->name + " on " + relation_type(*r) + " " + shown(*r);
      out.address_names = relation_names(*r);
      out.address_names.push_back(o->name);
      return out;
    }
    case 2606: {
      bool found = false;
      s->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
        auto& r = static_cast<const Relation&>(*o);
        for (auto& c : r.constraints)
          if (c.oid == object) {
            found = true;
            out.type = "table constraint";
            out.schema = view.schema_name(r.schema);
            out.identity = quote_identifier(c.name) + " on " + dotted(view, r.schema, r.name);
            out.description = "constraint " + c.name + " on table " + shown(r);
            out.address_names = relation_names(r);
            out.address_names.push_back(c.name);
          }
      });
      if (!found)
        s->for_each(ObjectKind::kType, [&](const Ptr<catalog::Object>& o) {
          auto& t = static_cast<const catalog::Type&>(*o);
          for (auto& c : t.constraints)
            if (c.oid == object) {
              found = true;
              out.type = "domain constraint";
              out.schema = view.schema_name(t.schema);
              out.identity = quote_identifier(c.name) + " on " + qualified_type(view, t.oid);
              out.description = "constraint " + c.name;
              out.address_names = {qualified_type(view, t.oid)};
              out.address_args = {c.name};
            }
        });
      if (!found) return std::nullopt;
      return out;
    }
    case 2604: {
      bool found = false;
      auto set = [&](const Relation& r, const catalog::Column& c) {
        found = true;
        out.type = "default value";
        out.identity = "for " + dotted(view, r.schema, r.name) + "." + quote_identifier(c.name);
        out.description = "default value for column " + c.name + " of table " + shown(r);
        out.address_names = relation_names(r);
        out.address_names.push_back(c.name);
      };
      // As a dependency's address it is the table with the column, in pg_attrdef it has a number of its own.
      if (auto r = s->relation(object); r != nullptr && sub > 0) {
        if (const auto* c = r->column(static_cast<int16_t>(sub))) set(*r, *c);
      } else {
        s->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
          auto& r2 = static_cast<const Relation&>(*o);
          for (auto& c : r2.columns)
            if (!c.dropped && !c.default_sql.empty() && system_catalogs::attribute_default_oid(r2.oid, c.number) == object) set(r2, c);
        });
      }
      if (!found) return std::nullopt;
      return out;
    }
    case 2618: {
      bool found = false;
      s->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
        auto& r = static_cast<const Relation&>(*o);
        std::string name;
        for (auto& rule : r.rules)
          if (rule.oid == object) name = rule.name;
        if ((r.relkind == 'v' || r.relkind == 'm') && system_catalogs::rewrite_oid(r.oid) == object) name = "_RETURN";
        if (name.empty()) return;
        found = true;
        out.type = "rule";
        out.identity = quote_identifier(name) + " on " + dotted(view, r.schema, r.name);
        out.description = "rule " + name + " on " + relation_type(r) + " " + shown(r);
        out.address_names = relation_names(r);
        out.address_names.push_back(name);
      });
      if (!found) return std::nullopt;
      return out;
    }
    default: {
      const ObjectKind kind = entry_of(class_oid);
      if (kind == ObjectKind::kSetting) throw Error(ErrorCode::kInternalError, fmt::format("unsupported object class {}", class_oid));
      bool found = true;
      identify_entry(view, kind, object, out, &found);
      if (!found) return std::nullopt;
      return out;
    }
  }
}

}  // namespace stele::sql
