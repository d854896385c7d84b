// The server's entry point: opens the parts in order, recovers, opens the doors, waits for a signal, and closes
// everything in the opposite order.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "base/logging.h"
#include "base/reactor.h"
#include "catalog/catalog.h"
#include "doors/elastic/elastic_door.h"
#include "doors/postgres/door.h"
#include "doors/postgres/scram.h"
#include "doors/qdrant/qdrant_door.h"
#include "doors/redis/redis_door.h"
#include "keyspace/durable.h"
#include "keyspace/keyspace.h"
#include "query/providers/search.h"
#include "rows/table.h"
#include "segments/segments.h"
#include "segments/vectors/vector_store.h"
#include "server/data_directory.h"
#include "query/providers/hnsw.h"
#include "server/options.h"
#include "sql/hnsw_index.h"
#include "sql/redis/functions.h"
#include "sql/redis/jobs.h"
#include "sql/redis/row_keys.h"
#include "sql/session.h"
#include "sql/system_catalogs/system_catalogs.h"
#include "storage/store.h"

namespace stele::server {
namespace {

constexpr const char* kVersion = "0.1.0";

// Everything that stands on the data folder. Members are destroyed from the last to the first.
struct Engine {
  DataDirectoryLock lock;
  std::unique_ptr<storage::Store> store;
  std::unique_ptr<catalog::Catalog> catalog;
  std::unique_ptr<keyspace::Keyspace> keyspace;
  std::unique_ptr<keyspace::DurableKeyspace> durable_keyspace;
  std::unique_ptr<segments::Segments> segments;
  std::unique_ptr<segments::vectors::VectorStore> vectors;
  query::Engine parts;
  std::unique_ptr<sql::redis::RowKeys> row_keys;
  std::unique_ptr<sql::Database> database;
  std::unique_ptr<sql::redis::Jobs> redis_jobs;

  explicit Engine(const Options& o) : lock(o.data_directory) {
    storage::StoreOptions so;
    so.directory = o.data_directory;
    so.cache_bytes = o.cache_mb << 20;
    so.hot_bytes = o.hot_mb << 20;
    so.write_buffer_bytes = o.write_buffer_mb << 20;
    store = storage::Store::open(so);
    catalog = catalog::Catalog::create(*store);
    store->add_participant(catalog.get());
    keyspace = std::make_unique<keyspace::Keyspace>();
    durable_keyspace = std::make_unique<keyspace::DurableKeyspace>(*keyspace, *store);
    store->add_participant(durable_keyspace.get());
    segments = std::make_unique<segments::Segments>(*store, *catalog, o.data_directory + "/segments", o.search_tail_kb << 10);
    store->add_participant(segments.get());
    vectors = std::make_unique<segments::vectors::VectorStore>(*store, o.data_directory + "/vectors");
    store->add_participant(vectors.get());
    store->recover();
    catalog->load();
    segments->load();
    vectors->load(*catalog);
    rows::add_observer(segments.get());
    rows::add_observer(vectors.get());
    row_keys = std::make_unique<sql::redis::RowKeys>(*durable_keyspace, *catalog);
    rows::add_observer(row_keys.get());
    durable_keyspace->start();
    parts.store = store.get();
    parts.catalog = catalog.get();
    parts.segments = segments.get();
    parts.vectors = vectors.get();
    parts.keyspace = durable_keyspace.get();
    sql::system_catalogs::register_functions();
    query::register_segment_providers();
    query::register_scan_provider(query::make_hnsw_provider(*vectors));
    sql::register_hnsw_index(*vectors);
    database = sql::Database::create(parts);
    for (auto& [name, value] : o.settings) database->set_default(name, value);
    sql::redis::install_redis_schema(*catalog, *database);
    redis_jobs = std::make_unique<sql::redis::Jobs>(*database, *durable_keyspace, *row_keys);
  }
  // Doors are closed. Derived state is drained, then everything becomes durable and the log may go.
  void close() {
    redis_jobs.reset();
    database.reset();
    durable_keyspace->stop();
    segments->checkpoint();
    store->checkpoint();
  }
  ~Engine() {
    redis_jobs.reset();
    database.reset();
    // The store's background thread asks its participants: it ends before they do.
    store->shutdown();
    rows::remove_observer(row_keys.get());
    rows::remove_observer(vectors.get());
    rows::remove_observer(segments.get());
  }
};

logging::Level parse_level(const std::string& name) {
  static const std::map<std::string, logging::Level> kLevels = {
      {"debug", logging::Level::kDebug}, {"info", logging::Level::kInfo}, {"notice", logging::Level::kNotice},
      {"warning", logging::Level::kWarning}, {"error", logging::Level::kError}, {"off", logging::Level::kOff}};
  auto it = kLevels.find(name);
  if (it == kLevels.end())
    throw Error(ErrorCode::kInvalidParameterValue, fmt::format("unknown log level \"{}\"", name));
  return it->second;
}

// Opening a listener, with advice when it fails.
template <typename F>
auto open_door(const char* door, const char* option, int port, F start) {
  try {
    return start();
  } catch (const Error& e) {
    throw Error(e.code(), fmt::format("could not open the {} door on port {}: {}", door, port, e.message()))
        .hint(fmt::format("Another server may be running there. Stop it, choose another port with --{} PORT, or close "
                          "this door with --{} 0.", option, option));
  }
}

// "Basic ..." credentials against the roles' verifiers. Hashing is slow on purpose: accepted ones are remembered.
class HttpPasswords {
 public:
  explicit HttpPasswords(sql::Database& database) : database_(database) {}
  bool check(const std::string& authorization) {
    if (!authorization.starts_with("Basic ")) return false;
    std::string decoded;
    if (!doors::postgres::base64_decode(authorization.substr(6), &decoded)) return false;
    size_t colon = decoded.find(':');
    if (colon == std::string::npos) return false;
    auto login = database_.login(decoded.substr(0, colon));
    if (!login || !login->can_login || login->verifier.empty()) return false;
    std::lock_guard lock(mutex_);
    auto it = accepted_.find(authorization);
    if (it != accepted_.end() && it->second == login->verifier) return true;
    if (!doors::postgres::scram_matches(login->verifier, decoded.substr(colon + 1))) return false;
    if (accepted_.size() > 1000) accepted_.clear();
    accepted_[authorization] = login->verifier;
    return true;
  }

 private:
  sql::Database& database_;
  std::mutex mutex_;
  std::map<std::string, std::string> accepted_;  // with the verifier they fitted: a changed password ends them
};

void write_port_file(const std::string& path, const std::vector<std::pair<std::string, int>>& ports) {
  std::string text = fmt::format("{{\"pid\": {}", ::getpid());
  for (auto& [name, port] : ports) text += fmt::format(", \"{}\": {}", name, port);
  std::string temporary = path + ".new";
  std::ofstream(temporary) << text << "}\n";
  std::rename(temporary.c_str(), path.c_str());
}

int serve(const Options& o) {
  // Doors' and workers' threads inherit the mask: signals arrive in sigwait() below only.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  if (o.auth == "scram" && o.qdrant_port >= 0 && o.qdrant_api_key.empty())
    throw Error(ErrorCode::kInvalidParameterValue, "with --auth scram the Qdrant door needs --qdrant-api-key KEY")
        .hint("Or close that door with --qdrant-port 0.");
  if (o.auth == "scram" && o.redis_port >= 0 && o.redis_password.empty())
    throw Error(ErrorCode::kInvalidParameterValue, "with --auth scram the Redis door needs --redis-password PASSWORD")
        .hint("Or close that door with --redis-port 0.");
  Engine engine(o);
  std::vector<std::pair<std::string, int>> ports;
  std::unique_ptr<doors::postgres::Door> postgres;
  if (o.postgres_port >= 0) {
    doors::postgres::DoorOptions d;
    d.address = o.listen;
    d.port = static_cast<uint16_t>(o.postgres_port);
    d.max_connections = o.max_connections;
    d.require_password = o.auth == "scram";
    d.require_tls = o.require_tls;
    d.tls_certificate = o.tls_certificate;
    d.tls_key = o.tls_key;
    d.log = &engine.store->log();
    postgres = open_door("PostgreSQL", "postgres-port", o.postgres_port,
                         [&] { return doors::postgres::Door::start(*engine.database, d); });
    ports.emplace_back("postgres", postgres->port());
  }
  std::unique_ptr<Reactor> redis_reactor;
  std::unique_ptr<doors::redis::RedisDoor> redis;
  if (o.redis_port >= 0) {
    redis_reactor = std::make_unique<Reactor>();
    doors::redis::Options d;
    d.log = &engine.store->log();
    if (!o.redis_password.empty()) {
      auto* parameter = engine.keyspace->config.find("requirepass");
      std::string failed = engine.keyspace->config.set(*parameter, o.redis_password);
      if (failed.empty() && parameter->apply) failed = parameter->apply(o.redis_password);
      if (!failed.empty()) throw Error(ErrorCode::kInvalidParameterValue, "redis-password: " + failed);
    }
    redis = std::make_unique<doors::redis::RedisDoor>(*engine.keyspace, *redis_reactor, d);
    uint16_t port = open_door("Redis", "redis-port", o.redis_port, [&] { return redis->listen(o.listen, static_cast<uint16_t>(o.redis_port)); });
    ports.emplace_back("redis", port);
    redis_reactor->start();
  }
  std::unique_ptr<elastic::ElasticDoor> elasticsearch;
  if (o.elasticsearch_port >= 0) {
    elastic::ElasticDoor::Options d;
    d.address = o.listen;
    d.port = static_cast<uint16_t>(o.elasticsearch_port);
    d.tls_certificate = o.tls_certificate;
    d.tls_key = o.tls_key;
    if (o.auth == "scram")
      d.authenticate = [passwords = std::make_shared<HttpPasswords>(*engine.database)](const std::string& a) { return passwords->check(a); };
    elasticsearch = open_door("Elasticsearch", "elasticsearch-port", o.elasticsearch_port,
                              [&] { return std::make_unique<elastic::ElasticDoor>(*engine.database, d); });
    ports.emplace_back("elasticsearch", elasticsearch->port());
  }
  std::unique_ptr<qdrant::QdrantDoor> qdrant;
  if (o.qdrant_port >= 0) {
    qdrant::QdrantDoor::Options d;
    d.address = o.listen;
    d.port = static_cast<uint16_t>(o.qdrant_port);
    d.api_key = o.qdrant_api_key;
    d.read_only_api_key = o.qdrant_read_only_api_key;
    d.snapshots = o.data_directory + "/snapshots";
    d.tls_certificate = o.tls_certificate;
    d.tls_key = o.tls_key;
    qdrant = open_door("Qdrant", "qdrant-port", o.qdrant_port,
                       [&] { return std::make_unique<qdrant::QdrantDoor>(*engine.database, *engine.vectors, d); });
    ports.emplace_back("qdrant", qdrant->port());
  }
  engine.database->start_background_work();

  std::string where;
  for (auto& [name, port] : ports) where += fmt::format("{}{} {}", where.empty() ? "" : ", ", name, port);
  logging::info("stele {} is ready on {}: {}; data in {}", kVersion, o.listen, where, o.data_directory);
  if (!o.port_file.empty()) write_port_file(o.port_file, ports);

  int received = 0;
  sigwait(&signals, &received);
  logging::info("{}: closing the doors", received == SIGINT ? "interrupt" : "terminate");
  qdrant.reset();
  elasticsearch.reset();
  if (redis_reactor) redis_reactor->stop();
  redis.reset();
  redis_reactor.reset();
  if (postgres) postgres->stop();
  postgres.reset();
  engine.close();
  if (!o.port_file.empty()) std::remove(o.port_file.c_str());
  logging::info("stopped cleanly");
  return 0;
}

int check(const Options& o) {
  Engine engine(o);
  auto state = engine.catalog->state();
  int relations = 0, damaged = 0;
  state->for_each(catalog::ObjectKind::kRelation, [&](const catalog::Ptr<catalog::Object>&) { ++relations; });
  std::printf("%s: the log is sound up to lsn %llu, the catalogue holds %d relations\n", o.data_directory.c_str(),
              static_cast<unsigned long long>(engine.store->log().last_lsn()), relations);
  for (auto& indexed : engine.segments->all()) {
    auto relation = state->relation(indexed->oid);
    if (!relation) continue;
    std::string wrong = engine.segments->check(indexed->oid);
    damaged += !wrong.empty();
    auto stats = indexed->index.stats();
    std::printf("search index of %s: %s (lsn %llu, %llu documents in %llu segments)\n", relation->name.c_str(),
                wrong.empty() ? "equals the rows" : ("DIFFERS: " + wrong).c_str(), static_cast<unsigned long long>(engine.store->published_lsn()),
                static_cast<unsigned long long>(stats.docs), static_cast<unsigned long long>(stats.segments));
  }
  return damaged == 0 ? 0 : 1;
}

}  // namespace

int run(const std::vector<std::string>& arguments) {
  try {
    Options o = parse_options(arguments);
    if (o.command == "help") {
      std::fputs(help_text(), stdout);
      return 0;
    }
    if (o.command == "version") {
      std::printf("stele %s (PostgreSQL 15 protocol and SQL)\n", kVersion);
      return 0;
    }
    logging::set_level(parse_level(o.log_level));
    if (!o.log_file.empty()) logging::set_file(o.log_file);
    return o.command == "check" ? check(o) : serve(o);
  } catch (const Error& e) {
    std::fprintf(stderr, "stele: %s\n", e.message().c_str());
    if (!e.detail().empty()) std::fprintf(stderr, "  %s\n", e.detail().c_str());
    if (!e.hint().empty()) std::fprintf(stderr, "  %s\n", e.hint().c_str());
    return 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "stele: %s\n", e.what());
    return 1;
  }
}

}  // namespace stele::server

int main(int argc, char** argv) {
  return stele::server::run(std::vector<std::string>(argv + 1, argv + argc));
}
