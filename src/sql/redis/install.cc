// Functions of schema redis have fixed object identifiers below 16384, as what a server is born with has;
// the views are ordinary ones over two of the functions.
#include "base/logging.h"
#include "catalog/catalog.h"
#include "sql/redis/client.h"
#include "sql/redis/functions.h"
#include "types/oids.h"

namespace stele::sql::redis {

namespace {

constexpr Oid kFirstFunction = 15600;

Oid type_of(char arg) {
  switch (arg) {
    case 'i': return oid::kInt8;
    case 'f': return oid::kFloat8;
    case 'y': return oid::kBytea;
    case 'v': return oid::kInterval;
    case 'T': return oid::kTextArray;
    default: return oid::kText;
  }
}

std::shared_ptr<catalog::Function> describe(const RedisFunction& f, Oid oid) {
  auto d = std::make_shared<catalog::Function>();
  d->oid = oid;
  d->name = f.name;
  d->schema = catalog::kRedisSchema;
  d->language = 12;
  d->language_name = "internal";
  d->source = native_name(f);
  d->volatility = 'v';
  d->cost = 10;
  // Keys are not rows with privileges of their own: who may use them is granted function by function.
  d->acl = std::vector<catalog::AclItem>{{catalog::kBootstrapRole, catalog::kBootstrapRole, catalog::kExecute, 0}};
  for (const char* a = f.args; *a != 0; ++a) {
    d->args.push_back(type_of(*a));
    if (*a == 'T') d->variadic = oid::kText;
  }
  std::vector<std::pair<const char*, Oid>> out;
  switch (f.result) {
    case Result::kText: d->result = oid::kText; break;
    case Result::kInt: d->result = oid::kInt8; break;
    case Result::kBool: d->result = oid::kBool; break;
    case Result::kFloat: d->result = oid::kFloat8; break;
    case Result::kBytea: d->result = oid::kBytea; break;
    case Result::kJson: d->result = oid::kJsonb; break;
    case Result::kArray: d->result = oid::kTextArray; break;
    case Result::kTexts: d->result = oid::kText; d->returns_set = true; break;
    case Result::kPairs: out = {{"field", oid::kText}, {"value", oid::kText}}; break;
    case Result::kScored: out = {{"member", oid::kText}, {"score", oid::kFloat8}}; break;
    case Result::kEntries: out = {{"id", oid::kText}, {"fields", oid::kJsonb}}; break;
    case Result::kKeys:
      out = {{"db", oid::kInt4}, {"key", oid::kText}, {"key_bytes", oid::kBytea}, {"type", oid::kText}, {"encoding", oid::kText},
             {"ttl_ms", oid::kInt8}, {"value", oid::kBytea}, {"json", oid::kJsonb}};
      break;
    case Result::kElements:
      out = {{"db", oid::kInt4}, {"key", oid::kText}, {"position", oid::kInt8}, {"field", oid::kText}, {"value", oid::kText}, {"score", oid::kFloat8}};
      break;
  }
  if (!out.empty()) {
    d->result = oid::kRecord;
    d->returns_set = true;
    for (size_t i = 0; i < d->args.size(); ++i) {
      d->all_args.push_back(d->args[i]);
      d->arg_modes.push_back(f.args[i] == 'T' ? 'v' : 'i');
      d->arg_names.emplace_back();
    }
    for (auto& [name, type] : out) {
      d->all_args.push_back(type);
      d->arg_modes.push_back('t');
      d->arg_names.emplace_back(name);
    }
  }
  if (d->returns_set) d->rows = 1000;
  return d;
}

bool same(const catalog::Function& a, const catalog::Function& b) {
  return a.name == b.name && a.source == b.source && a.args == b.args && a.result == b.result && a.all_args == b.all_args && a.arg_names == b.arg_names;
}

const std::pair<const char*, const char*> kViews[] = {
    {"keys", "SELECT db, key, type, encoding, ttl_ms FROM redis.scan_keys(-1)"},
    {"strings", "SELECT db, key, value FROM redis.scan_elements(-1, 'string')"},
    {"hashes", "SELECT db, key, field, value FROM redis.scan_elements(-1, 'hash')"},
    {"lists", "SELECT db, key, position, value FROM redis.scan_elements(-1, 'list')"},
    {"sets", "SELECT db, key, value AS member FROM redis.scan_elements(-1, 'set')"},
    {"zsets", "SELECT db, key, value AS member, score FROM redis.scan_elements(-1, 'zset')"},
    {"streams", "SELECT db, key, field AS id, value::jsonb AS fields FROM redis.scan_elements(-1, 'stream')"},
};

}  // namespace

void install_redis_schema(catalog::Catalog& catalog, Database& database) {
  auto& store = *database.engine().store;
  {
    auto txn = store.begin({});
    auto changes = catalog.begin(*txn);
    auto state = changes->state();
    Oid oid = kFirstFunction;
    for (const RedisFunction& f : redis_functions()) {
      auto wanted = describe(f, oid++);
      auto there = state->function(wanted->oid);
      if (there != nullptr && same(*there, *wanted)) continue;
      if (there != nullptr) wanted->acl = there->acl;
      changes->put(wanted);
    }
    if (!changes->empty()) txn->commit();
  }
  auto session = database.connect({});
  auto create = [&](const std::string& name, const std::string& query) {
    if (catalog.state()->find(catalog::ObjectKind::kRelation, catalog::kRedisSchema, name) != nullptr) return;
    run_sql(*session, "CREATE VIEW redis." + name + " AS " + query);
  };
  try {
    for (auto& [name, query] : kViews) create(name, query);
    for (int i = 0; i < 16; ++i)
      create(fmt::format("db{}", i), fmt::format("SELECT key_bytes AS key, type, ttl_ms, value, json FROM redis.scan_keys({})", i));
  } catch (const Error& e) {
    logging::warning("the views of schema redis could not be made: {}", e.message());
  }
}

}  // namespace stele::sql::redis
