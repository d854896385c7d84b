// The keyspace and the Redis door alone: redis_standalone [port] [data directory]. With a directory
// the keyspace is durable; without one it lives in memory. For differential tests and benchmarks.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "doors/redis/redis_door.h"
#include "keyspace/durable.h"

namespace {
stele::Reactor* g_reactor = nullptr;
void on_signal(int) { if (g_reactor != nullptr) g_reactor->stop(); }
}  // namespace

int main(int argc, char** argv) {
  uint16_t port = argc > 1 ? static_cast<uint16_t>(std::atoi(argv[1])) : 6379;
  stele::Reactor reactor;
  g_reactor = &reactor;
  std::signal(SIGTERM, on_signal);
  std::signal(SIGINT, on_signal);
  std::signal(SIGPIPE, SIG_IGN);
  stele::keyspace::Keyspace keyspace;
  keyspace.config.set(*keyspace.config.find("port"), std::to_string(port));
  std::unique_ptr<stele::storage::Store> store;
  std::unique_ptr<stele::keyspace::DurableKeyspace> durable;
  stele::doors::redis::Options options;
  if (argc > 2) {
    stele::storage::StoreOptions so;
    so.directory = argv[2];
    store = stele::storage::Store::open(so);
    durable = std::make_unique<stele::keyspace::DurableKeyspace>(keyspace, *store);
    store->add_participant(durable.get());
    store->recover();
    durable->start();
    options.log = &store->log();
  }
  keyspace.shutdown = [&] { reactor.stop(); };
  {
    stele::doors::redis::RedisDoor door(keyspace, reactor, options);
    uint16_t bound = door.listen("0.0.0.0", port);
    std::printf("ready on port %u\n", bound);
    std::fflush(stdout);
    reactor.run();
  }
  if (durable != nullptr) {
    durable->stop();
    store->shutdown();
  }
  return 0;
}
