// Collections drained element by element: what it costs, and that a crash at any moment leaves what replay expects.
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "keyspace/durable.h"

namespace stele::keyspace {
namespace {

struct Folder {
  std::string path = (std::filesystem::temp_directory_path() / fmt::format("drain_test.{}", getpid())).string();
  Folder() { std::filesystem::remove_all(path); }
  ~Folder() { std::filesystem::remove_all(path); }
};

// A keyspace and a client of it; with a folder it is durable, drained when asked, and ends as in a crash.
struct Instance {
  explicit Instance(const std::string* folder) : session(&out) {
    session.fake = true;
    ks.connect(session);
    if (folder == nullptr) return;
    storage::StoreOptions options;
    options.directory = *folder;
    options.checkpoint_on_close = false;
    store = storage::Store::open(options);
    durable = std::make_unique<DurableKeyspace>(ks, *store);
    store->add_participant(durable.get());
    store->recover();
    durable->start(false);
  }
  ~Instance() {
    ks.disconnect(session);
    if (store == nullptr) return;
    ks.commit_round();
    store->log().sync(store->log().last_lsn());
    ks.commit_effects = nullptr;  // nothing is drained at the end
    durable.reset();
    store->shutdown();
  }
  const std::string& run(const std::vector<std::string>& words) {
    std::vector<std::string_view> argv(words.begin(), words.end());
    KeyspaceLatch latch(ks.latch());
    out.clear();
    ks.execute(session, argv);
    EXPECT_NE(out[0], '-') << words[0] << ": " << out;
    return out;
  }
  uint64_t drain() {
    uint64_t before = ks.draining.bytes;
    durable->drain_all();
    return ks.draining.bytes - before;
  }
  Keyspace ks;
  std::string out;
  Session session;
  std::unique_ptr<storage::Store> store;
  std::unique_ptr<DurableKeyspace> durable;
};

TEST(Drain, AChangeOfALargeCollectionCostsThatElement) {
  Folder folder;
  constexpr int kElements = 20000;
  auto name = [](int i) { return fmt::format("element-{:06}", i); };
  std::string digest;
  {
    Instance d(&folder.path);
    for (int i = 0; i < kElements; ++i) {
      d.run({"HSET", "h", name(i), "a value of thirty characters..."});
      d.run({"SADD", "s", name(i)});
      d.run({"ZADD", "z", std::to_string(i), name(i)});
      d.run({"RPUSH", "l", name(i)});
      d.run({"XADD", "x", fmt::format("{}-1", i + 1), "f", name(i)});
    }
    d.run({"XGROUP", "CREATE", "x", "g", "0"});
    EXPECT_GT(d.drain(), 5 * kElements * 10u);
    EXPECT_EQ(d.drain(), 0u);
    struct { std::vector<std::string> command; uint64_t most; } cases[] = {
        {{"HSET", "h", name(77), "other"}, 200}, {{"HDEL", "h", name(78)}, 200}, {{"HINCRBY", "h", "fresh", "2"}, 200},
        {{"SADD", "s", "fresh"}, 200}, {{"SREM", "s", name(5)}, 200}, {{"SPOP", "s"}, 200},
        {{"ZADD", "z", "17.5", name(3)}, 200}, {{"ZPOPMIN", "z"}, 200}, {{"ZINCRBY", "z", "2", name(9)}, 200},
        {{"LPUSH", "l", "fresh"}, 9000}, {{"RPOP", "l"}, 9000}, {{"LSET", "l", "10000", "middle"}, 9000},
        {{"XADD", "x", "*", "f", "v"}, 5000}, {{"XDEL", "x", "500-1"}, 5000}, {{"XREADGROUP", "GROUP", "g", "alice", "COUNT", "1", "STREAMS", "x", ">"}, 300},
        {{"EXPIRE", "h", "100000"}, 100},
    };
    for (auto& c : cases) {
      d.run(c.command);
      uint64_t cost = d.drain();
      EXPECT_LE(cost, c.most) << c.command[0];
      EXPECT_GT(cost, 0u) << c.command[0];
    }
    digest = d.run({"DEBUG", "DIGEST"});
    d.store->checkpoint();
  }
  Instance d(&folder.path);
  EXPECT_EQ(d.run({"DEBUG", "DIGEST"}), digest);
  d.run({"HSET", "h", name(1), "still cheap"});
  EXPECT_LE(d.drain(), 200u);
}

// Random changes on a durable keyspace and on one in memory; drains and checkpoints run beside them, then the durable one
// crashes and recovers.
TEST(Drain, SurvivesCrashesAtAnyMoment) {
  Folder folder;
  const char* given = std::getenv("STELE_DRAIN_SEED");
  uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 20250607;
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  Random random(seed);
  Instance model(nullptr);
  auto pick = [&](uint64_t n) { return static_cast<int>(random.below(n)); };
  uint64_t entry = 0;
  for (int crash = 0; crash < 5; ++crash) {
    Instance d(&folder.path);
    ASSERT_EQ(d.run({"DEBUG", "DIGEST"}), model.run({"DEBUG", "DIGEST"})) << "after crash " << crash;
    for (const char* x : {"x0", "x1", "x2"}) EXPECT_EQ(d.run({"XLEN", x}), model.run({"XLEN", x}));
    std::atomic<bool> ends{false};
    std::thread drainer([&] {
      Random mine(seed + static_cast<uint64_t>(crash));
      while (!ends) {
        d.durable->drain_all();
        if (mine.below(3) == 0) d.store->checkpoint();
      }
    });
    auto both = [&](const std::vector<std::string>& command) {
      d.run(command);
      model.run(command);
    };
    auto new_group = [&] {
      both({"DEL", "x3"});
      both({"XGROUP", "CREATE", "x3", "g", "$", "MKSTREAM"});
    };
    if (crash == 0) {
      new_group();
    } else {
      EXPECT_EQ(d.run({"XPENDING", "x3", "g"}), model.run({"XPENDING", "x3", "g"}));
    }
    for (int i = 0; i < 1000; ++i) {
      std::string n = std::to_string(pick(3));
      int what = pick(100);
      int batch = what % 10 == 0 ? 1000 : 5;
      std::vector<std::string> c;
      auto many = [&](const char* command, std::string key, auto add) {
        c = {command, std::move(key)};
        for (int k = 0; k < batch; ++k) add();
      };
      if (what < 20) many("HSET", "h" + n, [&] { c.push_back(fmt::format("f{}", pick(5000))); c.push_back(std::to_string(pick(1000))); });
      else if (what < 25) many("HDEL", "h" + n, [&] { c.push_back(fmt::format("f{}", pick(5000))); });
      else if (what < 35) many("SADD", "s" + n, [&] { c.push_back(fmt::format("m{}", pick(5000))); });
      else if (what < 40) many("SREM", "s" + n, [&] { c.push_back(fmt::format("m{}", pick(5000))); });
      else if (what < 50) many("ZADD", "z" + n, [&] { c.push_back(std::to_string(pick(1000))); c.push_back(fmt::format("m{}", pick(5000))); });
      else if (what < 54) c = {"ZPOPMIN", "z" + n, std::to_string(batch)};
      else if (what < 66) many(what % 2 ? "LPUSH" : "RPUSH", "l" + n, [&] { c.push_back(fmt::format("a longer element of the list number {}", pick(100000))); });
      else if (what < 70) c = {what % 2 ? "LPOP" : "RPOP", "l" + n, std::to_string(batch)};
      else if (what < 73) c = {"LINSERT", "l" + n, "BEFORE", fmt::format("a longer element of the list number {}", pick(100000)), std::string(3000, 'x')};
      else if (what < 75) c = {"LTRIM", "l" + n, std::to_string(pick(50)), "-20"};
      else if (what < 85) {
        for (int k = 0; k < batch; ++k) both({"XADD", "x" + n, fmt::format("{}-0", ++entry), "field", std::to_string(pick(1000))});
        continue;
      } else if (what < 87) c = {"XTRIM", "x" + n, "MAXLEN", std::to_string(pick(4000))};
      else if (what < 89) c = {"XDEL", "x" + n, fmt::format("{}-0", pick(entry + 1))};
      else if (what < 92) {
        both({"XGROUP", "CREATECONSUMER", "x3", "g", "c" + n});
        both({"XADD", "x3", fmt::format("{}-0", ++entry), "f", "v"});
        both({"XREADGROUP", "GROUP", "g", "c" + n, "COUNT", "3", "STREAMS", "x3", ">"});
        c = {"XACK", "x3", "g", fmt::format("{}-0", entry)};
      } else if (what == 92) c = {"DEL", std::string(1, "hszlx"[pick(5)]) + n};
      else if (what == 93) {
        std::string from = std::string(1, "hszl"[pick(4)]);
        if (model.run({"EXISTS", from + n}) != ":1\r\n") continue;
        c = {"RENAME", from + n, from + std::to_string(pick(3))};
      } else if (what == 94) c = {"SET", "h" + n, "no hash now"}, both(c), c = {"DEL", "h" + n};
      else if (what == 95) c = {"COPY", "z" + n, "z" + std::to_string(pick(3)), "REPLACE"};
      else if (what == 96) c = {"PEXPIREAT", "h" + n, std::to_string(4000000000000 + pick(1000))};
      else if (what == 97 && pick(10) == 0) c = {"FLUSHALL"};
      else if (what == 98 && pick(4) == 0) c = {"SWAPDB", "0", "1"};
      else continue;
      if (c[0] == "COPY" && c[1] == c[2]) continue;
      both(c);
      if (c[0] == "FLUSHALL" || c[0] == "SWAPDB") new_group();
      if (i % 5 == 0) d.ks.commit_round();
    }
    ends = true;
    drainer.join();
  }
}

}  // namespace
}  // namespace stele::keyspace
