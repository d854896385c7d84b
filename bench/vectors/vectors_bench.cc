// Nearest-neighbour search of Stele against hnswlib, in one process, alternating. Run through ./dev bench vectors.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "hnswlib_peer.h"
#include "lsa.h"
#include "segments/vectors/vector_field.h"

using namespace stele::segments::vectors;
using bench::HnswlibPeer;
using Clock = std::chrono::steady_clock;

namespace {

double seconds_since(Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); }

struct Set {
  std::string name;
  uint32_t dimensions = 0;
  Metric metric = Metric::kL2;
  std::vector<float> base, queries;
  std::vector<uint32_t> cluster;   // of each base vector, if generated
  uint32_t nodes() const { return static_cast<uint32_t>(base.size() / dimensions); }
  uint32_t asked() const { return static_cast<uint32_t>(queries.size() / dimensions); }
  const float* query(uint32_t i) const { return queries.data() + size_t{i} * dimensions; }
  const float* at(uint32_t i) const { return base.data() + size_t{i} * dimensions; }
};

struct Options {
  uint32_t m = 16, ef_construction = 200, threads = 2, generated = 500000, asked = 1000, rounds = 5;
  float spread = 1.0f;
  double selectivity = 0;   // of the filters; 0: all of them
  std::string texts, only, graphs;
};

// Every 64th package asks, the others are searched.
Set archive(const Options& o) {
  Set s{.name = "package archive, LSA", .dimensions = 256, .metric = Metric::kCosine};
  std::vector<std::string> lines;
  std::ifstream in(o.texts);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  lsa::Model model;
  const auto all = model.learn(lines, s.dimensions);
  for (size_t i = 0; i < lines.size(); ++i) {
    auto& to = i % 64 == 63 ? s.queries : s.base;
    to.insert(to.end(), all.begin() + static_cast<ptrdiff_t>(i * s.dimensions), all.begin() + static_cast<ptrdiff_t>((i + 1) * s.dimensions));
  }
  return s;
}

// Gaussian clusters as wide as the centres are apart, so that they touch.
Set generated(const Options& o) {
  Set s{.name = "generated clusters", .dimensions = 128, .metric = Metric::kL2};
  std::mt19937_64 random(11);
  std::normal_distribution<float> normal;
  constexpr uint32_t kClusters = 1000;
  std::vector<float> centres(size_t{kClusters} * s.dimensions);
  for (float& x : centres) x = normal(random);
  auto make = [&](uint32_t n, std::vector<float>* out, std::vector<uint32_t>* which) {
    for (uint32_t i = 0; i < n; ++i) {
      const auto c = static_cast<uint32_t>(random() % kClusters);
      if (which != nullptr) which->push_back(c);
      for (uint32_t d = 0; d < s.dimensions; ++d) out->push_back(centres[size_t{c} * s.dimensions + d] + o.spread * normal(random));
    }
  };
  make(o.generated, &s.base, &s.cluster);
  make(o.asked, &s.queries, nullptr);
  return s;
}

// For each query the distance of its k-th neighbour: whatever is no farther is right, so that it does not
// matter which of several equal vectors a searcher returns.
std::vector<float> truth(const Set& s, const HnswGraph& g, uint32_t k) {
  std::vector<uint32_t> slots(s.nodes());
  for (uint32_t i = 0; i < s.nodes(); ++i) slots[i] = i;
  std::vector<float> out(s.asked());
  for (uint32_t q = 0; q < s.asked(); ++q) out[q] = g.exact(s.query(q), slots.data(), slots.size(), k).back().distance;
  return out;
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

// One searcher with a knob.
struct Contender {
  std::string name;
  std::function<void(const float*, uint32_t ef, std::vector<uint32_t>*)> search;
  std::map<double, uint32_t> ef_for;       // recall wanted -> smallest ef that gives it
  std::map<double, std::vector<double>> qps;
};

double recall_at(const Set& s, const HnswGraph& g, const std::vector<float>& want, Contender& c, uint32_t ef) {
  size_t hits = 0, k = 10;
  std::vector<uint32_t> got;
  for (uint32_t q = 0; q < s.asked(); ++q) {
    c.search(s.query(q), ef, &got);
    const auto prepared = g.prepare(s.query(q));
    for (uint32_t label : got) hits += g.distance(prepared.data(), label) <= want[q] + 1e-6f;
  }
  return static_cast<double>(hits) / static_cast<double>(k * s.asked());
}

void find_ef(const Set& s, const HnswGraph& g, const std::vector<float>& want, Contender& c, double wanted) {
  uint32_t low = 10, high = 10;
  while (high < 4096 && recall_at(s, g, want, c, high) < wanted) {
    low = high;
    high *= 2;
  }
  while (low + 1 < high) {
    const uint32_t middle = (low + high) / 2;
    (recall_at(s, g, want, c, middle) < wanted ? low : high) = middle;
  }
  c.ef_for[wanted] = high;
}

double build(uint32_t threads, uint32_t n, const std::function<void(uint32_t)>& one) {
  const auto started = Clock::now();
  std::atomic<uint32_t> next{0};
  auto work = [&] {
    for (uint32_t i; (i = next.fetch_add(1)) < n;) one(i);
  };
  std::vector<std::thread> helpers;
  for (uint32_t t = 1; t < threads; ++t) helpers.emplace_back(work);
  work();
  for (auto& t : helpers) t.join();
  return seconds_since(started);
}

const char* mark(double ratio, double aim) { return ratio >= aim ? "reached" : "not reached"; }

std::string graph_file(const Set& s, const Options& o) {
  return o.graphs.empty() ? "" : o.graphs + "/" + std::to_string(s.nodes()) + "x" + std::to_string(s.dimensions) + ".graph";
}

void compare(const Set& s, const Options& o) {
  constexpr uint32_t k = 10;
  std::printf("\n%s: %u x %u, %u queries, m %u, ef_construction %u, %u threads build, one searches\n", s.name.c_str(), s.nodes(), s.dimensions,
              s.asked(), o.m, o.ef_construction, o.threads);
  const HnswParams params{.dimensions = s.dimensions, .metric = s.metric, .m = o.m, .ef_construction = o.ef_construction};
  HnswParams small = params;
  small.quantize = true;
  HnswGraph ours(params), ours8(small);
  HnswlibPeer peer(s.dimensions, s.metric == Metric::kCosine, s.nodes(), o.m, o.ef_construction);

  peer.add(s.at(0), 0);  // hnswlib wants its first point alone
  const double peer_build = build(o.threads, s.nodes() - 1, [&](uint32_t i) { peer.add(s.at(i + 1), i + 1); });
  const auto started = Clock::now();
  for (uint32_t i = 0; i < s.nodes(); ++i) ours.add(s.at(i));
  const double adding = seconds_since(started);
  const double our_build = adding + build(o.threads, s.nodes(), [&](uint32_t i) { ours.link(i); });
  for (uint32_t i = 0; i < s.nodes(); ++i) ours8.add(s.at(i));
  const double our_build8 = build(o.threads, s.nodes(), [&](uint32_t i) { ours8.link(i); });
  const double ratio = our_build / peer_build;
  std::printf("  build        stele %.1f s, hnswlib %.1f s: %.2fx its time (aim at most 1.0: %s); int8 %.1f s\n", our_build, peer_build, ratio,
              ratio <= 1.0 ? "reached" : "not reached", our_build8);
  std::printf("  memory       stele %.0f MB, hnswlib %.0f MB; int8 traverses %.0f MB of %.0f MB with the full vectors\n",
              static_cast<double>(ours.memory_bytes()) / 1e6, static_cast<double>(peer.memory_bytes()) / 1e6,
              static_cast<double>(ours8.memory_bytes() - uint64_t{s.nodes()} * s.dimensions * 4) / 1e6,
              static_cast<double>(ours8.memory_bytes()) / 1e6);

  if (const std::string kept = graph_file(s, o); !kept.empty()) {
    std::string rows;   // of each slot, as a field's checkpoint has them
    for (uint64_t i = 0; i < s.nodes(); ++i) rows.append(reinterpret_cast<const char*>(&i), 8);
    ours.save(kept, s.nodes(), rows);
  }
  const auto want = truth(s, ours, k);
  auto of_graph = [](const HnswGraph& g) {
    return [&g](const float* q, uint32_t ef, std::vector<uint32_t>* out) {
      out->clear();
      for (const auto& n : g.search(q, {.k = k, .ef = ef, .rescore_factor = 3.0})) out->push_back(n.slot);
    };
  };
  std::vector<Contender> all(3);
  all[0].name = "stele";
  all[0].search = of_graph(ours);
  all[1].name = "hnswlib";
  all[1].search = [&](const float* q, uint32_t ef, std::vector<uint32_t>* out) {
    peer.set_ef(ef);
    peer.search(q, k, out);
  };
  all[2].name = "stele int8";
  all[2].search = of_graph(ours8);
  for (double recall : {0.95, 0.99}) {
    for (auto& c : all) find_ef(s, ours, want, c, recall);
    for (uint32_t round = 0; round < o.rounds; ++round) {
      for (auto& c : all) {
        std::vector<uint32_t> labels;
        const uint32_t ef = c.ef_for[recall];
        const auto begun = Clock::now();
        for (uint32_t q = 0; q < s.asked(); ++q) c.search(s.query(q), ef, &labels);
        c.qps[recall].push_back(s.asked() / seconds_since(begun));
      }
    }
    std::map<std::string, double> qps;
    for (auto& c : all) qps[c.name] = median(c.qps[recall]);
    std::printf("  recall %.2f  stele %.0f q/s (ef %u), hnswlib %.0f q/s (ef %u): %.2fx (aim 1.0: %s); int8 %.0f q/s (ef %u): %.2fx%s\n", recall,
                qps["stele"], all[0].ef_for[recall], qps["hnswlib"], all[1].ef_for[recall], qps["stele"] / qps["hnswlib"],
                mark(qps["stele"] / qps["hnswlib"], 1.0), qps["stele int8"], all[2].ef_for[recall], qps["stele int8"] / qps["hnswlib"],
                recall > 0.96 ? "" : (std::string(" (aim 1.5: ") + mark(qps["stele int8"] / qps["hnswlib"], 1.5) + ")").c_str());
    std::fflush(stdout);
  }
}

// Filtered search through VectorField, which plans it, against an exact scan over the rows that match.
void filtered(const Set& s, const Options& o) {
  constexpr uint32_t k = 10;
  VectorField field({.dimensions = s.dimensions, .metric = s.metric, .m = o.m, .ef_construction = o.ef_construction}, 128);
  // The graph that was built for the comparison (or by an earlier run with the same --graphs) need not be built again.
  const std::string kept = graph_file(s, o);
  if (!kept.empty()) field.restore(kept, false);
  for (uint32_t i = 0; i < s.nodes(); ++i) field.set(1, i, s.at(i));
  field.restored();
  build(o.threads, s.nodes(), [&](uint32_t) { field.link_some(1); });
  if (!kept.empty() && field.unsaved() > 0) field.save(kept);
  std::printf("\n%s, filtered: median microseconds a query, recall@10, fewest results\n", s.name.c_str());
  const uint32_t asked = std::min(s.asked(), 100u);
  // Correlated: rows near one point in space match, and the queries are asked anywhere.
  std::vector<std::pair<float, uint32_t>> by_distance;
  {
    const auto origin = field.prepare(s.query(s.asked() - 1));
    for (uint32_t i = 0; i < s.nodes(); ++i) {
      float d;
      field.distance(origin.data(), i, 1, &d);
      by_distance.emplace_back(d, i);
    }
    std::sort(by_distance.begin(), by_distance.end());
  }
  double unfiltered = 0;
  for (const char* kind : {"uncorrelated", "correlated"}) {
    for (double share : {1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001, 0.0001}) {
      if (o.selectivity > 0 && share != 1.0 && share != o.selectivity) continue;
      std::vector<bool> in(s.nodes(), false);
      const auto matches = static_cast<uint32_t>(std::max(1.0, std::round(s.nodes() * share)));
      if (kind[0] == 'c') {
        for (uint32_t i = 0; i < matches; ++i) in[by_distance[i].second] = true;
      } else {
        std::vector<uint32_t> order(s.nodes());
        for (uint32_t i = 0; i < s.nodes(); ++i) order[i] = i;
        std::mt19937 random(5);
        std::shuffle(order.begin(), order.end(), random);
        for (uint32_t i = 0; i < matches; ++i) in[order[i]] = true;
      }
      // What passes is handed over as the bitmap that a filter over segments is, at every selectivity.
      RowBitmap rows;
      for (uint32_t i = 0; i < s.nodes(); ++i) {
        if (in[i]) rows.add(i);
      }
      std::vector<double> planned, scanned, measured;
      std::map<std::string, int> paths;
      double hits = 0, all = 0;
      size_t fewest = k;
      for (uint32_t q = 0; q < asked; ++q) {
        FieldSearch exact{.k = k, .lsn = 1, .exact = true, .bitmap = &rows};
        auto begun = Clock::now();
        const auto want = field.search(s.query(q), exact);
        scanned.push_back(seconds_since(begun) * 1e6);
        FieldSearch f{.k = k, .lsn = 1, .bitmap = &rows};
        if (share == 1.0) f.bitmap = nullptr;
        FieldSearchStats stats;
        begun = Clock::now();
        const auto got = field.search(s.query(q), f, &stats);
        planned.push_back(seconds_since(begun) * 1e6);
        ++paths[stats.path];
        fewest = std::min(fewest, got.size());
        all += static_cast<double>(want.size());
        measured.push_back(stats.distances);
        for (const auto& w : want) hits += std::any_of(got.begin(), got.end(), [&](const RowNeighbor& g) { return g.row == w.row; });
      }
      const double us = median(planned), scan = median(scanned), recall = hits / all;
      if (share == 1.0 && unfiltered == 0) unfiltered = us;
      const bool good = recall >= 0.95 && fewest == std::min<size_t>(k, matches) && us <= 1.5 * scan && (share < 0.1 || us <= 4 * unfiltered);
      std::string way;
      for (const auto& [path, times] : paths) way += (way.empty() ? "" : "+") + path;
      std::printf("  %-12s %8.2f%%  %8.0f us  (exact scan of the matches %8.0f us: %5.2fx; unfiltered x %5.2f)  recall %.3f  results %zu  %5.0f vectors measured  %-11s %s\n", kind,
                  share * 100, us, scan, us / scan, us / unfiltered, recall, fewest, median(measured), way.c_str(), good ? "ok" : "NOT OK");
      std::fflush(stdout);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--texts") o.texts = value;
    if (name == "--generated") o.generated = static_cast<uint32_t>(std::stoul(value));
    if (name == "--rounds") o.rounds = static_cast<uint32_t>(std::stoul(value));
    if (name == "--only") o.only = value;   // archive, generated, filters
    if (name == "--selectivity") o.selectivity = std::stod(value);
    if (name == "--graphs") o.graphs = value;   // a folder to keep built graphs in
    if (name == "--m") o.m = static_cast<uint32_t>(std::stoul(value));
    if (name == "--ef-construction") o.ef_construction = static_cast<uint32_t>(std::stoul(value));
    if (name == "--spread") o.spread = std::stof(value);
    if (name == "--threads") o.threads = static_cast<uint32_t>(std::stoul(value));
  }
  auto wanted = [&](const char* part) { return o.only.empty() || ("," + o.only + ",").find("," + std::string(part) + ",") != std::string::npos; };
  if (!o.texts.empty() && (wanted("archive") || wanted("filters-archive"))) {
    const Set s = archive(o);
    if (s.nodes() > 1000) {
      if (wanted("archive")) compare(s, o);
      if (wanted("filters-archive")) filtered(s, o);
    } else {
      std::printf("the package archive is empty on this machine (try apt-get update): its part is left out\n");
    }
  }
  if (wanted("generated") || wanted("filters-generated")) {
    const Set s = generated(o);
    if (wanted("generated")) compare(s, o);
    if (wanted("filters-generated")) filtered(s, o);
  }
  return 0;
}
