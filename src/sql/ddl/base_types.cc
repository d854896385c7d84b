// CREATE TYPE name and CREATE TYPE name (INPUT = ...), CREATE COLLATION.
//
// A base type made here holds values of a built-in type, the one whose input function its own is: everything below sql
// treats it as a domain over that type, while names, casts, operators and functions see a type of its own.
#include "sql/ddl/ddl.h"
#include "types/builtin.h"
#include "types/text.h"

namespace stele::sql {

namespace {
std::vector<std::string> parts_of(const pg::DefElem* d) {
  const Node* a = d->arg;
  if (a == nullptr) return {};
  if (a->node_case == pg::kTypeName) return pg::strings(PG_LIST(a->type_name, names));
  if (a->node_case == pg::kList) return pg::strings(PG_LIST(a->list, items));
  return {std::string(pg::str(a))};
}
std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& p : parts) out += (out.empty() ? "" : ".") + p;
  return out;
}
}  // namespace

void Ddl::create_shell_type(const Target& t) {
  auto type = make_type(t, 'p');
  type->defined = false;
  put(type);
  depend({ObjectKind::kType, type->oid, 0}, {ObjectKind::kSchema, type->schema, 0});
}

void Ddl::create_base_type(const pg::DefineStmt* s) {
  if (!host.superuser()) fail(ErrorCode::kInsufficientPrivilege, "must be superuser to create a base type");
  const Target target = creation_target(pg::strings(PG_LIST(s, defnames)));
  auto have = std::static_pointer_cast<const catalog::Type>(state()->find(ObjectKind::kType, target.schema, target.name));
  // What is there is no shell: only "already exists" is left to say, once the rest was looked at.
  if (s->n_definition == 0) {
    if (have != nullptr) fail(ErrorCode::kDuplicateObject, "type \"" + target.name + "\" already exists");
    create_shell_type(target);
    return;
  }
  if (have == nullptr)
    fail(ErrorCode::kDuplicateObject, "type \"" + target.name + "\" does not exist", -1, {},
         "Create the type as a shell type, then create its I/O functions, then do a full CREATE TYPE.");
  if (have->defined) fail(ErrorCode::kDuplicateObject, "type \"" + target.name + "\" already exists");
  static const std::map<std::string, std::string> kSame = {{"internallength", "internallength"}, {"input", "input"}, {"output", "output"}, {"receive", "receive"}, {"send", "send"},
    {"typmod_in", "typmod_in"}, {"typmod_out", "typmod_out"}, {"analyze", "analyze"}, {"analyse", "analyze"}, {"subscript", "subscript"}, {"category", "category"}, {"preferred", "preferred"},
    {"delimiter", "delimiter"}, {"element", "element"}, {"default", "default"}, {"passedbyvalue", "passedbyvalue"}, {"alignment", "alignment"}, {"storage", "storage"},
    {"collatable", "collatable"}, {"like", "like"}};
  std::map<std::string, const pg::DefElem*> given;
  for (const Node* n : PG_LIST(s, definition)) {
    const pg::DefElem* d = n->def_elem;
    auto known = kSame.find(d->defname);
    if (known == kSame.end()) {
      host.notice("WARNING", Error(ErrorCode::kSyntaxError, std::string("type attribute \"") + d->defname + "\" not recognized").position(position(d->location)));
      continue;
    }
    if (!given.emplace(known->second, d).second) fail(ErrorCode::kSyntaxError, "conflicting or redundant options", d->location);
  }
  auto t = edit(have);
  auto text = [&](const char* k) { return given.contains(k) ? def_string(given.at(k)) : std::string(); };
  BindContext b = bind();
  if (given.contains("like")) {
    const pg::DefElem* d = given.at("like");
    const Oid source = d->arg != nullptr && d->arg->node_case == pg::kTypeName ? type_without_position(d->arg->type_name, b).type : parse_type_string(def_string(d), b).type;
    t->like = source;
    if (const BuiltinType* like = builtin::type(source)) {
      t->length = like->len;
      t->by_value = like->by_value;
      t->alignment = like->align;
      t->storage = like->storage;
    } else if (auto u = state()->type(source)) {
      t->like = u->like;
      t->length = u->length;
      t->by_value = u->by_value;
      t->alignment = u->alignment;
      t->storage = u->storage;
    }
  }
  if (given.contains("internallength")) t->length = text("internallength") == "variable" ? static_cast<int16_t>(-1) : static_cast<int16_t>(def_int(given.at("internallength")));
  if (given.contains("category")) {
    t->category = text("category").empty() ? ' ' : text("category")[0];
    if (t->category < 32 || t->category > 126) fail(ErrorCode::kInvalidParameterValue, "invalid type category \"" + text("category") + "\": must be simple ASCII");
  }
  if (given.contains("preferred")) t->preferred = def_bool(given.at("preferred"));
  if (given.contains("delimiter")) t->delimiter = text("delimiter")[0];
  if (given.contains("passedbyvalue")) t->by_value = def_bool(given.at("passedbyvalue"));
  if (given.contains("alignment")) {
    const std::string a = text("alignment");
    t->alignment = a == "double" || a == "float8" || a == "pg_catalog.float8" ? 'd' : a == "int4" || a == "pg_catalog.int4" ? 'i' : a == "int2" || a == "pg_catalog.int2" ? 's'
                   : a == "char" || a == "pg_catalog.bpchar" || a == "bpchar" ? 'c' : 0;
    if (t->alignment == 0) fail(ErrorCode::kInvalidParameterValue, "alignment \"" + a + "\" not recognized");
  }
  if (given.contains("storage")) {
    const std::string a = text("storage");
    t->storage = a == "plain" ? 'p' : a == "external" ? 'e' : a == "extended" ? 'x' : a == "main" ? 'm' : 0;
    if (t->storage == 0) fail(ErrorCode::kInvalidParameterValue, "storage \"" + a + "\" not recognized");
  } else if (!given.contains("like")) {
    t->storage = 'p';
  }
  if (given.contains("collatable") && def_bool(given.at("collatable"))) t->collation = 100;
  if (given.contains("default")) t->default_sql = quote_literal(text("default"));
  if (!given.contains("input")) fail(ErrorCode::kInvalidObjectDefinition, "type input function must be specified");
  if (!given.contains("output")) fail(ErrorCode::kInvalidObjectDefinition, "type output function must be specified");
  if (given.contains("typmod_out") && !given.contains("typmod_in")) fail(ErrorCode::kInvalidObjectDefinition, "type modifier output function is useless without a type modifier input function");
  // A function by its possible argument lists.
  auto find = [&](const char* k, const std::vector<std::vector<Oid>>& lists, Oid result, const char* what) -> const ProcRow* {
    if (!given.contains(k)) return nullptr;
    const auto name = parts_of(given.at(k));
    Oid schema = name.size() > 1 ? view().schema(name[name.size() - 2]) : 0;
    const ProcRow* found = nullptr;
    for (const auto& args : lists)
      for (const ProcRow* p : view().procs(name.back(), schema))
        if (found == nullptr && p->args == args) found = p;
    if (found == nullptr) {
      std::string types;
      for (Oid a : lists[0]) types += (types.empty() ? "" : ", ") + (a == t->oid ? quote_identifier(t->name) : view().format_type(a));
      fail(ErrorCode::kUndefinedFunction, "function " + joined(name) + "(" + types + ") does not exist");
    }
    if (found->result != result)
      fail(ErrorCode::kInvalidObjectDefinition, std::string("type ") + what + " function " + joined(name) + " must return type " + (result == t->oid ? quote_identifier(t->name) : view().format_type(result)));
    if (found->volatility == 'v' && std::string_view(what) != "analyze" && std::string_view(what) != "subscripting")
      notice(std::string("type ") + what + " function " + joined(name) + " should not be volatile", {}, {}, "WARNING", ErrorCode::kInvalidObjectDefinition);
    return found;
  };
  const ProcRow* in = find("input", {{oid::kCstring}, {oid::kCstring, oid::kOid, oid::kInt4}}, t->oid, "input");
  const ProcRow* out = find("output", {{t->oid}}, oid::kCstring, "output");
  const ProcRow* receive = find("receive", {{oid::kInternal}, {oid::kInternal, oid::kOid, oid::kInt4}}, t->oid, "receive");
  const ProcRow* send = find("send", {{t->oid}}, oid::kBytea, "send");
  const ProcRow* modin = find("typmod_in", {{1263}}, oid::kInt4, "typmod_in");
  const ProcRow* modout = find("typmod_out", {{oid::kInt4}}, oid::kCstring, "typmod_out");
  const ProcRow* analyze = find("analyze", {{oid::kInternal}}, oid::kBool, "analyze");
  auto set = [&](Oid& to, const ProcRow* p) { to = p == nullptr ? 0 : p->oid; };
  set(t->input, in);
  set(t->output, out);
  set(t->receive, receive);
  set(t->send, send);
  set(t->modin, modin);
  set(t->modout, modout);
  set(t->analyze, analyze);
  // The values are those of the type whose input function this is.
  auto f = state()->function(t->input);
  if (f != nullptr)
    for (const BuiltinType& x : builtin::types())
      if (x.input == f->source && x.kind == 'b' && (t->like == 0 || x.oid == t->like)) {
        t->like = x.oid;
        break;
      }
  if (t->like == 0 || f == nullptr) fail(ErrorCode::kFeatureNotSupported, "base types need the input function of a built-in type");
  t->typtype = 'b';
  t->defined = true;
  put_with_array(t);
  const ObjectAddress self{ObjectKind::kType, t->oid, 0};
  for (const ProcRow* p : {in, out, receive, send, modin, modout, analyze})
    if (p != nullptr) depend(self, {ObjectKind::kFunction, p->oid, 0});
}

void Ddl::create_collation(const pg::DefineStmt* s) {
  const EntryName name{pg::strings(PG_LIST(s, defnames)), {}};
  const Target target = creation_target(name.parts);
  std::map<std::string, const pg::DefElem*> given;
  for (const Node* n : PG_LIST(s, definition)) {
    const pg::DefElem* d = n->def_elem;
    const std::string k = d->defname;
    if (k != "from" && k != "locale" && k != "lc_collate" && k != "lc_ctype" && k != "provider" && k != "deterministic" && k != "version")
      fail(ErrorCode::kSyntaxError, "collation attribute \"" + k + "\" not recognized", d->location);
    if (!given.emplace(k, d).second) fail(ErrorCode::kSyntaxError, "conflicting or redundant options", d->location);
  }
  if (given.contains("locale") && (given.contains("lc_collate") || given.contains("lc_ctype")))
    fail(ErrorCode::kSyntaxError, "conflicting or redundant options", -1, "LOCALE cannot be specified together with LC_COLLATE or LC_CTYPE.");
  if (given.contains("from") && given.size() != 1) fail(ErrorCode::kSyntaxError, "conflicting or redundant options", -1, "FROM cannot be specified together with any other options.");
  auto c = std::make_shared<catalog::Collation>();
  c->name = target.name;
  c->schema = target.schema;
  c->owner = host.current_user();
  if (given.contains("from")) {
    const auto parts = parts_of(given.at("from"));
    const Oid from = resolve_collation(parts, bind());
    if (from == 100) fail(ErrorCode::kInvalidObjectDefinition, "collation \"default\" cannot be copied");
    if (auto u = state()->get_as<catalog::Collation>(ObjectKind::kCollation, from)) {
      c->provider = u->provider;
      c->deterministic = u->deterministic;
      c->locale = u->locale;
    } else {
      for (const auto& f : builtin::rows("pg_collation"))
        if (std::stoul(f[0]) == from) {
          c->provider = f[2][0];
          c->deterministic = f[3] == "t";
          c->locale = f[2] == "i" ? f[7] : f[5];
        }
    }
  } else {
    c->provider = 'c';
    if (given.contains("provider")) {
      std::string p = def_string(given.at("provider"));
      for (char& x : p) x = static_cast<char>(std::tolower(static_cast<unsigned char>(x)));
      if (p == "icu") c->provider = 'i';
      else if (p == "libc") c->provider = 'c';
      else fail(ErrorCode::kInvalidObjectDefinition, "unrecognized collation provider: " + def_string(given.at("provider")));
    }
    if (given.contains("deterministic")) c->deterministic = def_bool(given.at("deterministic"));
    if (!c->deterministic && c->provider != 'i') fail(ErrorCode::kFeatureNotSupported, "nondeterministic collations not supported with this provider");
    if (c->provider == 'i') {
      if (!given.contains("locale")) fail(ErrorCode::kInvalidObjectDefinition, "parameter \"locale\" must be specified");
      c->locale = def_string(given.at("locale"));
    } else {
      if (!given.contains("locale") && !given.contains("lc_collate")) fail(ErrorCode::kInvalidObjectDefinition, "parameter \"lc_collate\" must be specified");
      if (!given.contains("locale") && !given.contains("lc_ctype")) fail(ErrorCode::kInvalidObjectDefinition, "parameter \"lc_ctype\" must be specified");
      c->locale = def_string(given.at(given.contains("locale") ? "locale" : "lc_collate"));
      static const std::set<std::string> kLocales = {"C", "POSIX", "C.UTF-8", "C.utf8"};
      for (const char* k : {"locale", "lc_collate", "lc_ctype"})
        if (given.contains(k) && !kLocales.contains(def_string(given.at(k))))
          fail(ErrorCode::kInvalidParameterValue, "could not create locale \"" + def_string(given.at(k)) + "\": No such file or directory", -1,
               "The operating system could not find any locale data for the locale name \"" + def_string(given.at(k)) + "\".");
    }
  }
  const std::string encoding = c->provider == 'c' ? " for encoding \"UTF8\"" : "";
  const bool taken = state()->find(ObjectKind::kCollation, target.schema, target.name) != nullptr;
  if (taken) {
    if (s->if_not_exists) {
      notice("collation \"" + target.name + "\"" + encoding + " already exists, skipping", {}, {}, "NOTICE", ErrorCode::kDuplicateObject);
      return;
    }
    fail(ErrorCode::kDuplicateObject, "collation \"" + target.name + "\"" + encoding + " already exists");
  }
  c->oid = catalog().allocate_oid();
  put(c);
  define_collation(c->oid, c->provider, c->locale, c->deterministic);
  depend({ObjectKind::kCollation, c->oid, 0}, {ObjectKind::kSchema, c->schema, 0});
}

}  // namespace stele::sql
