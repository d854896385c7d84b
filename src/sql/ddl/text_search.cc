// Text search configurations, dictionaries, parsers and templates.
//
// A dictionary is an Entry with its template in refs[0] and its options in order; a configuration has its parser in refs[0] and
// members of kind m: number is the token type, left the position, object the dictionary. Both are told to types/text_search,
// which does the work, when they change, when a session names them and when the server starts.
#include <libstemmer.h>

#include <fstream>
#include <mutex>
#include <sstream>

#include "sql/ddl/ddl.h"
#include "sql/ddl/text_search.h"
#include "types/builtin.h"
#include "types/text_search/stop_words.h"
#include "types/text_search/ts_config.h"
#include "types/text_search/ts_parser.h"

namespace stele::sql {

using catalog::Entry;
using catalog::EntryMember;

namespace {
constexpr Oid kSimple = 3727, kSynonym = 3730, kIspell = 3733, kThesaurus = 3742, kSnowball = 13150;

std::string file_of(const std::string& name, const char* extension) { return "tsearch_data/" + name + "." + extension; }

std::string lower(std::string s) {
  for (char& c : s) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return s;
}

[[noreturn]] void no_file(const char* what, const std::string& path) {
  throw Error(ErrorCode::kUndefinedFile, fmt::format("could not open {} file \"{}\": No such file or directory", what, path));
}

std::string_view stop_list(const std::string& name) {
  const std::string_view words = stop_words(lower(name));
  if (words.empty()) no_file("stop-word", file_of(lower(name), "stop"));
  return words;
}

// Checks the options of a dictionary and makes it.
std::unique_ptr<TsDictionary> make_dictionary(const Entry& e) {
  auto bool_of = [](const std::string& name, const std::string& v) {
    const auto b = parse_bool_setting(v);
    if (!b) throw Error(ErrorCode::kSyntaxError, name + " requires a Boolean value");
    return *b;
  };
  auto once = [&](const char* what) {
    for (size_t i = 0; i < e.options.size(); ++i)
      for (size_t k = 0; k < i; ++k)
        if (lower(e.options[i].first) == lower(e.options[k].first)) throw Error(ErrorCode::kInvalidParameterValue, std::string("multiple ") + what + " parameters");
  };
  std::string_view stop;
  if (e.ref(0) == kSimple) {
    bool accept = true;
    for (auto& [k, v] : e.options) {
      if (lower(k) == "stopwords") stop = stop_list(v);
      else if (lower(k) == "accept") accept = bool_of("accept", v);
      else throw Error(ErrorCode::kInvalidParameterValue, "unrecognized simple dictionary parameter: \"" + k + "\"");
    }
    once("StopWords");
    auto d = std::make_unique<TsDictionary>(e.oid, e.name, "", stop);
    if (!accept) d->pass_on();
    return d;
  }
  if (e.ref(0) == kSnowball) {
    std::string language;
    for (auto& [k, v] : e.options) {
      if (lower(k) == "stopwords") stop = stop_list(v);
      else if (lower(k) == "language") {
        language = lower(v);
        sb_stemmer* s = sb_stemmer_new(language.c_str(), "UTF_8");
        if (s == nullptr) throw Error(ErrorCode::kUndefinedObject, "no Snowball stemmer available for language \"" + v + "\" and encoding \"UTF8\"");
        sb_stemmer_delete(s);
      } else throw Error(ErrorCode::kInvalidParameterValue, "unrecognized Snowball parameter: \"" + k + "\"");
    }
    if (language.empty()) throw Error(ErrorCode::kInvalidParameterValue, "missing Language parameter");
    return std::make_unique<TsDictionary>(e.oid, e.name, language, stop);
  }
  if (e.ref(0) == kSynonym) {
    std::string file;
    bool sensitive = false;
    for (auto& [k, v] : e.options) {
      if (lower(k) == "synonyms") file = v;
      else if (lower(k) == "casesensitive") sensitive = bool_of("casesensitive", v);
      else throw Error(ErrorCode::kInvalidParameterValue, "unrecognized synonym parameter: \"" + k + "\"");
    }
    if (file.empty()) throw Error(ErrorCode::kInvalidParameterValue, "missing Synonyms parameter");
    std::ifstream in(file_of(lower(file), "syn"));
    if (!in) no_file("synonym", file_of(lower(file), "syn"));
    std::vector<std::pair<std::string, std::string>> words;
    for (std::string from, to, line; std::getline(in, line);) {
      std::istringstream fields(line);
      if (!(fields >> from >> to)) continue;
      if (to.ends_with('*')) to.pop_back();
      words.emplace_back(sensitive ? from : lower(from), sensitive ? to : lower(to));
    }
    auto d = std::make_unique<TsDictionary>(e.oid, e.name, "", "");
    d->set_synonyms(std::move(words), sensitive);
    return d;
  }
  if (e.ref(0) == kIspell || e.ref(0) == kThesaurus) {
    const bool ispell = e.ref(0) == kIspell;
    std::string dict, affix, sub;
    for (auto& [k, v] : e.options) {
      const std::string name = lower(k);
      if (name == "dictfile") {
        dict = lower(v);
        if (!std::ifstream(file_of(dict, ispell ? "dict" : "ths"))) no_file(ispell ? "dictionary" : "thesaurus", file_of(dict, ispell ? "dict" : "ths"));
      } else if (ispell && name == "afffile") {
        affix = lower(v);
        if (!std::ifstream(file_of(affix, "affix"))) no_file("affix", file_of(affix, "affix"));
      } else if (ispell && name == "stopwords") {
        stop = stop_list(v);
      } else if (!ispell && name == "dictionary") {
        sub = v;
      } else {
        throw Error(ErrorCode::kInvalidParameterValue, std::string("unrecognized ") + (ispell ? "Ispell" : "Thesaurus") + " parameter: \"" + k + "\"");
      }
    }
    if (dict.empty()) throw Error(ErrorCode::kInvalidParameterValue, "missing DictFile parameter");
    if (ispell && affix.empty()) throw Error(ErrorCode::kInvalidParameterValue, "missing AffFile parameter");
    if (!ispell && sub.empty()) throw Error(ErrorCode::kInvalidParameterValue, "missing Dictionary parameter");
    throw Error(ErrorCode::kFeatureNotSupported, std::string(ispell ? "ispell" : "thesaurus") + " dictionaries are not supported");
  }
  // A template of the user's own: what its functions are decides.
  return std::make_unique<TsDictionary>(e.oid, e.name, "", "");
}

std::unique_ptr<TsConfig> make_config(const Entry& e) {
  auto config = std::make_unique<TsConfig>();
  for (int type = 1; type <= kTsTokenTypes; ++type) {
    std::vector<std::pair<Oid, Oid>> order;
    for (const EntryMember& m : e.members)
      if (m.number == type) order.emplace_back(m.left, m.object);
    std::sort(order.begin(), order.end());
    if (order.empty()) continue;
    std::vector<const TsDictionary*> chain;
    for (auto& [position, dictionary] : order) chain.push_back(&TsDictionary::find(dictionary));
    if (chain.size() == 1) {
      config->set(type, chain[0]);
      continue;
    }
    auto many = std::make_unique<TsDictionary>(std::move(chain));
    config->set(type, many.get());
    define_ts_dictionary(std::move(many));
  }
  return config;
}

int token_type(std::string_view name) {
  const auto names = ts_token_names();
  for (size_t i = 1; i < names.size(); ++i)
    if (name == names[i].alias) return static_cast<int>(i);
  return 0;
}
}  // namespace

void tell_text_search(const Ptr<Entry>& e) {
  static std::mutex mutex;
  static auto* const told = new std::map<Oid, Ptr<Entry>>;
  {
    std::lock_guard lock(mutex);
    Ptr<Entry>& last = (*told)[e->oid];
    if (last == e) return;
    last = e;
  }
  if (e->kind() == ObjectKind::kTextSearchDictionary) define_ts_dictionary(make_dictionary(*e));
  else define_ts_config(e->oid, make_config(*e));
}

void tell_all_text_search(const catalog::State& state) {
  for (ObjectKind kind : {ObjectKind::kTextSearchDictionary, ObjectKind::kTextSearchConfig})
    state.for_each(kind, [](const Ptr<catalog::Object>& o) { tell_text_search(std::static_pointer_cast<const Entry>(o)); });
}

std::string text_search_options(const Entry& e) {
  std::string out;
  for (auto& [k, v] : e.options) {
    const bool number = !v.empty() && v.find_first_not_of("0123456789") == std::string::npos;
    out += (out.empty() ? "" : ", ") + quote_identifier(k) + " = " + (number ? v : quote_literal(v));
  }
  return out;
}

void Ddl::create_text_search(const pg::DefineStmt* s, ObjectKind kind) {
  const EntryName name{pg::strings(PG_LIST(s, defnames)), {}};
  const bool system = kind == ObjectKind::kTextSearchParser || kind == ObjectKind::kTextSearchTemplate;
  if (system && !host.superuser()) fail(ErrorCode::kInsufficientPrivilege, std::string("must be superuser to create ") + entry_kind(kind)->word + "s");
  const Target target = creation_target(name.parts);
  auto parts = [&](const pg::DefElem* d) {
    if (d->arg != nullptr && d->arg->node_case == pg::kTypeName) return pg::strings(PG_LIST(d->arg->type_name, names));
    if (d->arg != nullptr && d->arg->node_case == pg::kList) return pg::strings(PG_LIST(d->arg->list, items));
    return std::vector<std::string>{def_string(d)};
  };
  auto e = std::make_shared<Entry>(kind);
  e->name = target.name;
  e->schema = target.schema;
  e->owner = host.current_user();
  std::vector<ObjectAddress> needs;
  if (kind == ObjectKind::kTextSearchDictionary) {
    for (const Node* n : PG_LIST(s, definition)) {
      const pg::DefElem* d = n->def_elem;
      if (std::string_view(d->defname) == "template") {
        auto t = entry(ObjectKind::kTextSearchTemplate, {parts(d), {}});
        e->refs = {t->oid};
        needs.push_back({ObjectKind::kTextSearchTemplate, t->oid, 0});
      } else {
        e->options.emplace_back(d->defname, def_string(d));
      }
    }
    if (e->refs.empty()) fail(ErrorCode::kInvalidObjectDefinition, "text search template is required");
    make_dictionary(*e);
  } else if (kind == ObjectKind::kTextSearchConfig) {
    Oid parser = 0;
    Ptr<Entry> copy;
    for (const Node* n : PG_LIST(s, definition)) {
      const pg::DefElem* d = n->def_elem;
      if (std::string_view(d->defname) == "parser") {
        auto p = entry(ObjectKind::kTextSearchParser, {parts(d), {}});
        parser = p->oid;
      } else if (std::string_view(d->defname) == "copy") {
        copy = entry(ObjectKind::kTextSearchConfig, {parts(d), {}});
      } else {
        fail(ErrorCode::kSyntaxError, std::string("text search configuration parameter \"") + d->defname + "\" not recognized");
      }
    }
    if (parser != 0 && copy != nullptr) fail(ErrorCode::kSyntaxError, "cannot specify both PARSER and COPY options");
    if (copy != nullptr) {
      parser = copy->ref(0);
      e->members = copy->members;
      if (copy->oid < oid::kFirstUserOid) {
        const TsConfig& c = TsConfig::find(copy->oid);
        for (int t = 1; t <= kTsTokenTypes; ++t)
          if (const TsDictionary* d = c.dictionary(t)) {
            EntryMember m;
            m.kind = 'm';
            m.number = t;
            m.left = 1;
            m.object = d->id();
            e->members.push_back(m);
          }
      }
    }
    if (parser == 0) fail(ErrorCode::kInvalidObjectDefinition, "text search parser is required");
    e->refs = {parser};
    needs.push_back({ObjectKind::kTextSearchParser, parser, 0});
    for (const EntryMember& m : e->members) needs.push_back({ObjectKind::kTextSearchDictionary, m.object, 0});
  } else {
    const bool is_parser = kind == ObjectKind::kTextSearchParser;
    struct Method { const char* option; const char* word; std::vector<Oid> args; bool required; };
    const Oid in = oid::kInternal;
    const std::vector<Method> methods = is_parser ? std::vector<Method>{{"start", "start", {in, oid::kInt4}, true}, {"gettoken", "gettoken", {in, in, in}, true}, {"end", "end", {in}, true},
                                                                       {"headline", "headline", {in, in, oid::kTsquery}, false}, {"lextypes", "lextypes", {in}, true}}
                                                  : std::vector<Method>{{"init", "init", {in}, false}, {"lexize", "lexize", {in, in, in, in}, true}};
    e->refs.resize(methods.size());
    for (const Node* n : PG_LIST(s, definition)) {
      const pg::DefElem* d = n->def_elem;
      auto m = std::find_if(methods.begin(), methods.end(), [&](const Method& x) { return std::string_view(d->defname) == x.option; });
      if (m == methods.end()) fail(ErrorCode::kSyntaxError, std::string(entry_kind(kind)->word) + " parameter \"" + d->defname + "\" not recognized");
      const ProcRow* p = function_of(parts(d), m->args, 0, "");
      if (p->result != (std::string_view(m->option) == "end" ? Oid{oid::kVoid} : in))
        fail(ErrorCode::kInvalidObjectDefinition, "function " + parts(d).back() + " should return type " + (std::string_view(m->option) == "end" ? "void" : "internal"));
      e->refs[static_cast<size_t>(m - methods.begin())] = p->oid;
      needs.push_back({ObjectKind::kFunction, p->oid, 0});
    }
    for (size_t i = 0; i < methods.size(); ++i)
      if (methods[i].required && e->refs[i] == 0) fail(ErrorCode::kInvalidObjectDefinition, std::string(entry_kind(kind)->word) + " " + methods[i].word + " method is required");
  }
  check_text_search_name(*e);
  e->oid = catalog().allocate_oid();
  put_entry(e);
  for (const ObjectAddress& a : needs) depend({kind, e->oid, 0}, a);
  if (!system) tell_text_search(e);
}

void Ddl::check_text_search_name(const Entry& e) {
  if (state()->find(e.kind(), e.schema, e.name) == nullptr) return;
  const char* table = e.kind() == ObjectKind::kTextSearchDictionary ? "dict" : e.kind() == ObjectKind::kTextSearchParser ? "prs" : e.kind() == ObjectKind::kTextSearchTemplate ? "tmpl" : "cfg";
  const char* catalog_table = e.kind() == ObjectKind::kTextSearchDictionary ? "pg_ts_dict" : e.kind() == ObjectKind::kTextSearchParser ? "pg_ts_parser" : e.kind() == ObjectKind::kTextSearchTemplate ? "pg_ts_template" : "pg_ts_config";
  const std::string constraint = std::string(catalog_table) + "_" + table + "name_index";
  throw Error(ErrorCode::kUniqueViolation, "duplicate key value violates unique constraint \"" + constraint + "\"")
      .detail(fmt::format("Key ({0}name, {0}namespace)=({1}, {2}) already exists.", table, e.name, e.schema)).names("pg_catalog", catalog_table, {}, {}, constraint);
}

void Ddl::alter_dictionary(const pg::AlterTSDictionaryStmt* s) {
  auto m = std::make_shared<Entry>(*own_entry(ObjectKind::kTextSearchDictionary, {pg::strings(PG_LIST(s, dictname)), {}}));
  if (m->oid < oid::kFirstUserOid) fail(ErrorCode::kInsufficientPrivilege, "permission denied: \"" + m->name + "\" is a system dictionary");
  for (const Node* n : PG_LIST(s, options)) {
    const pg::DefElem* d = n->def_elem;
    std::erase_if(m->options, [&](const auto& o) { return o.first == d->defname; });
    if (d->arg != nullptr) m->options.emplace_back(d->defname, def_string(d));
  }
  make_dictionary(*m);
  put(m);
  tell_text_search(m);
  // Configurations hold the dictionary itself.
  state()->for_each(ObjectKind::kTextSearchConfig, [](const Ptr<catalog::Object>& o) { tell_text_search(std::make_shared<Entry>(static_cast<const Entry&>(*o))); });
}

void Ddl::alter_configuration(const pg::AlterTSConfigurationStmt* s) {
  auto m = std::make_shared<Entry>(*own_entry(ObjectKind::kTextSearchConfig, {pg::strings(PG_LIST(s, cfgname)), {}}));
  if (m->oid < oid::kFirstUserOid) fail(ErrorCode::kInsufficientPrivilege, "permission denied: \"" + m->name + "\" is a system configuration");
  std::vector<int> types;
  for (const Node* n : PG_LIST(s, tokentype)) {
    const int t = token_type(pg::str(n));
    if (t == 0) fail(ErrorCode::kInvalidParameterValue, "token type \"" + std::string(pg::str(n)) + "\" does not exist");
    if (std::find(types.begin(), types.end(), t) == types.end()) types.push_back(t);
  }
  std::vector<Oid> dictionaries;
  for (const Node* n : PG_LIST(s, dicts)) dictionaries.push_back(entry(ObjectKind::kTextSearchDictionary, {pg::strings(PG_LIST(n->list, items)), {}})->oid);
  if (s->kind == PG_QUERY__ALTER_TSCONFIG_TYPE__ALTER_TSCONFIG_DROP_MAPPING) {
    for (int t : types) {
      const size_t before = m->members.size();
      std::erase_if(m->members, [&](const EntryMember& x) { return x.number == t; });
      if (m->members.size() != before) continue;
      const std::string text = std::string("mapping for token type \"") + ts_token_names()[static_cast<size_t>(t)].alias + "\" does not exist";
      if (!s->missing_ok) fail(ErrorCode::kUndefinedObject, text);
      notice(text + ", skipping");
    }
  } else if (s->replace) {
    for (EntryMember& x : m->members)
      if (x.object == dictionaries.at(0) && (types.empty() || std::find(types.begin(), types.end(), x.number) != types.end())) x.object = dictionaries.at(1);
  } else {
    for (int t : types) {
      if (s->override) std::erase_if(m->members, [&](const EntryMember& x) { return x.number == t; });
      Oid position = 0;
      for (Oid d : dictionaries) {
        ++position;
        for (const EntryMember& x : m->members)
          if (x.number == t && x.left == position)
            throw Error(ErrorCode::kUniqueViolation, "duplicate key value violates unique constraint \"pg_ts_config_map_index\"")
                .detail(fmt::format("Key (mapcfg, maptokentype, mapseqno)=({}, {}, {}) already exists.", m->oid, t, position)).names("pg_catalog", "pg_ts_config_map", {}, {}, "pg_ts_config_map_index");
        EntryMember x;
        x.kind = 'm';
        x.number = t;
        x.left = position;
        x.object = d;
        m->members.push_back(x);
      }
    }
  }
  put(m);
  const ObjectAddress self{ObjectKind::kTextSearchConfig, m->oid, 0};
  changes().drop_dependencies_of(self);
  depend(self, {ObjectKind::kSchema, m->schema, 0});
  depend(self, {ObjectKind::kTextSearchParser, m->ref(0), 0});
  for (const EntryMember& x : m->members) depend(self, {ObjectKind::kTextSearchDictionary, x.object, 0});
  tell_text_search(m);
}

}  // namespace stele::sql
