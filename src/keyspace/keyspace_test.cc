#include "keyspace/keyspace.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "keyspace/durable.h"

namespace stele::keyspace {
namespace {

// A client without a connection.
struct Client {
  explicit Client(Keyspace& keyspace) : ks(keyspace), session(&out) {
    session.fake = true;
    ks.connect(session);
  }
  ~Client() { ks.disconnect(session); }
  std::string run(std::string_view line) {
    std::vector<std::string> words;
    EXPECT_TRUE(split_args(line, &words));
    std::vector<std::string_view> argv(words.begin(), words.end());
    KeyspaceLatch latch(ks.latch());
    out.clear();
    ks.execute(session, argv);
    return out;
  }
  Keyspace& ks;
  std::string out;
  Session session;
};

TEST(Keyspace, RepliesAreRedis) {
  Keyspace ks;
  Client c(ks);
  const std::pair<const char*, const char*> cases[] = {
      {"SET a 1", "+OK\r\n"},
      {"INCR a", ":2\r\n"},
      {"LPUSH a x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
      {"OBJECT ENCODING a", "$3\r\nint\r\n"},
      {"RPUSH l 1 2 3", ":3\r\n"},
      {"LRANGE l 0 -1", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"},
      {"HSET h f v", ":1\r\n"},
      {"ZADD z 1.5 m", ":1\r\n"},
      {"ZSCORE z m", "$3\r\n1.5\r\n"},
      {"XADD s 1-1 f v", "$3\r\n1-1\r\n"},
      {"EVAL \"return redis.call('GET', KEYS[1])\" 1 a", "$1\r\n2\r\n"},
      {"NOPE", "-ERR unknown command 'NOPE', with args beginning with: \r\n"},
      {"GET", "-ERR wrong number of arguments for 'get' command\r\n"},
      {"MULTI", "+OK\r\n"},
      {"INCR a", "+QUEUED\r\n"},
      {"EXEC", "*1\r\n:3\r\n"},
  };
  for (auto& [command, reply] : cases) EXPECT_EQ(c.run(command), reply) << command;
}

TEST(Keyspace, CollectionsAgreeWithAModelAcrossEncodings) {
  Keyspace ks;
  Client c(ks);
  Random random(42);
  std::map<std::string, std::string> hash;
  std::deque<std::string> list;
  for (int i = 0; i < 3000; ++i) {
    std::string f = "f" + std::to_string(random.below(900)), v(random.below(70), 'v');
    if (random.below(4) == 0) {
      EXPECT_EQ(c.run("HDEL h " + f), hash.erase(f) ? ":1\r\n" : ":0\r\n");
    } else {
      c.run("HSET h " + f + " \"" + v + "\"");
      hash[f] = v;
    }
    if (random.below(3) == 0 && !list.empty()) {
      c.run("LPOP l");
      list.pop_front();
    } else {
      c.run("RPUSH l " + f);
      list.push_back(f);
    }
  }
  EXPECT_EQ(c.run("HLEN h"), fmt::format(":{}\r\n", hash.size()));
  for (auto& [f, v] : hash) EXPECT_EQ(c.run("HGET h " + f), fmt::format("${}\r\n{}\r\n", v.size(), v));
  for (size_t i = 0; i < list.size(); i += 37) EXPECT_EQ(c.run(fmt::format("LINDEX l {}", i)), fmt::format("${}\r\n{}\r\n", list[i].size(), list[i]));
}

// The order of a sorted set beside std::set: inserts, moves, removals, ranks and ranges, for sizes with up to three levels.
TEST(Zset, OrderAgreesWithAModel) {
  for (uint64_t seed : {1, 2, 3}) {
    Random random(seed);
    Zset z;
    std::map<std::string, double> scores;
    std::set<std::pair<double, std::string>> model;
    const uint64_t members = seed == 1 ? 300 : 12000, values = seed == 2 ? 3 : 5000;
    for (int step = 0; step < 60000; ++step) {
      std::string m = fmt::format("m{}", step < 12000 && seed == 3 ? static_cast<uint64_t>(step) : random.below(members));
      double s = step < 12000 && seed == 3 ? step : static_cast<double>(random.below(values));
      bool shrinking = step > 40000;
      if (auto it = scores.find(m); it != scores.end()) {
        model.erase({it->second, m});
        if (random.below(shrinking ? 8 : 2) != 0 && shrinking) {
          EXPECT_TRUE(z.remove(m));
          scores.erase(it);
        } else {
          z.update(z.find(m), s);
          it->second = s;
          model.insert({s, m});
        }
      } else if (shrinking) {
        EXPECT_FALSE(z.remove(m));
      } else {
        z.insert(m, s);
        scores[m] = s;
        model.insert({s, m});
      }
      if (step % 5000 == 0) {
        ASSERT_TRUE(z.order.whole(model.size())) << "seed " << seed << " step " << step;
      }
    }
    ASSERT_TRUE(z.order.whole(model.size())) << "seed " << seed;
    uint64_t rank = 0;
    auto place = z.first();
    for (auto& [s, m] : model) {
      ASSERT_TRUE(place);
      ASSERT_EQ(place->key(), m);
      if (rank % 7 == 0) {
        EXPECT_EQ(z.rank(*place), rank);
        EXPECT_EQ(*z.at_rank(rank), *place);
        ScoreRange range{s, s, false, false};
        auto lower = model.lower_bound({s, ""}), upper = model.upper_bound({s, "z"});
        EXPECT_EQ((*z.first_in(range))->key(), lower->second);
        EXPECT_EQ((*z.last_in(range))->key(), std::prev(upper)->second);
      }
      ++place;
      ++rank;
    }
    EXPECT_FALSE(place);
    EXPECT_FALSE(z.at_rank(rank));
    for (auto it = model.rbegin(), end = model.rend(); it != end; ++it) {
      place = it == model.rbegin() ? z.last() : --place;
      ASSERT_EQ(place->key(), it->second);
    }
    for (auto& [m, s] : scores) EXPECT_TRUE(z.remove(m));
    EXPECT_TRUE(z.order.whole(0));
  }
}

TEST(Durable, StateSurvivesRestartAndDraining) {
  std::string directory = (std::filesystem::temp_directory_path() / fmt::format("keyspace_test.{}", getpid())).string();
  std::filesystem::remove_all(directory);
  std::string digest;
  for (int round = 0; round < 3; ++round) {
    Keyspace ks;
    storage::StoreOptions options;
    options.directory = directory;
    auto store = storage::Store::open(options);
    DurableKeyspace durable(ks, *store);
    store->add_participant(&durable);
    store->recover();
    durable.start();
    Client c(ks);
    if (round > 0) {
      EXPECT_EQ(c.run("DEBUG DIGEST"), digest) << "round " << round;
    }
    for (const char* command : {"INCR n", "RPUSH l a b c", "LPOP l", "HSET h f 1 g 2", "ZADD z 1 m 2 k", "XADD s * f v", "SADD x 1 2 3 a", "SPOP x", "RENAME h h2", "SET t v EX 1000", "ZUNIONSTORE u 1 z", "SELECT 3", "SET other 1", "SELECT 0"}) c.run(command);
    digest = c.run("DEBUG DIGEST");
    ks.commit_round();
    durable.stop();
    store->shutdown();
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace stele::keyspace
