// The engine's side of bench/search: a store, a catalogue and segments in one process, one thread at work.
//
//   search_bench index CORPUS DIRECTORY       lines "num TAB text" become rows of a table with a search index
//   search_bench query DIRECTORY QUERIES ROUNDS
//   search_bench zipf DOCUMENTS FILE           a generated corpus
// Results are one JSON object on standard output. bench/search/run compares them with Lucene's.
#include <sys/resource.h>

#include <boost/json.hpp>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "base/logging.h"
#include "query/providers/search.h"
#include "segments/segments.h"
#include "sql/session.h"

namespace stele {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;
double seconds(Clock::time_point from) { return std::chrono::duration<double>(Clock::now() - from).count(); }
double cpu_seconds() {
  rusage u;
  getrusage(RUSAGE_SELF, &u);
  auto s = [](timeval t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
  return s(u.ru_utime) + s(u.ru_stime);
}

struct Server {
  std::unique_ptr<storage::Store> store;
  std::unique_ptr<catalog::Catalog> catalog;
  std::unique_ptr<segments::Segments> segments;
  query::Engine parts;
  std::unique_ptr<sql::Database> database;

  explicit Server(const std::string& directory) {
    storage::StoreOptions so;
    so.directory = directory;
    store = storage::Store::open(so);
    catalog = catalog::Catalog::create(*store);
    store->add_participant(catalog.get());
    segments = std::make_unique<segments::Segments>(*store, *catalog, directory + "/segments");
    store->add_participant(segments.get());
    store->recover();
    catalog->load();
    segments->load();
    rows::add_observer(segments.get());
    parts.store = store.get();
    parts.catalog = catalog.get();
    parts.segments = segments.get();
    database = sql::Database::create(parts);
  }
  ~Server() {
    database.reset();
    store->shutdown();
    rows::remove_observer(segments.get());
  }
  segments::IndexedPtr documents() {
    auto all = segments->all();
    return all.empty() ? nullptr : all[0];
  }
};

uint64_t bytes_below(const std::string& directory) {
  uint64_t n = 0;
  for (auto& e : std::filesystem::recursive_directory_iterator(directory)) n += e.is_regular_file() ? e.file_size() : 0;
  return n;
}

int index_corpus(const std::string& corpus, const std::string& directory) {
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  Server s(directory);
  sql::SessionOptions options;
  options.notice = [](const sql::Notice&) {};
  auto session = s.database->connect(options);
  sql::DiscardResults none;
  session->simple_query("create table docs (id int primary key, num int, body text)", none);
  session->simple_query("create index on docs using search (body)", none);
  Oid table = 0;
  for (auto& r : s.segments->all()) table = r->oid;
  std::ifstream in(corpus);
  std::string line;
  auto started = Clock::now();
  double cpu = cpu_seconds();
  int32_t n = 0;
  storage::Lsn last = 0;
  bool more = static_cast<bool>(std::getline(in, line));
  while (more) {
    session->begin_implicit();
    auto& ctx = session->exec_context();
    auto writer = query::TableWriter::open(table, ctx);
    Arena arena;
    for (int k = 0; k < 5000 && more; ++k) {
      arena.reset();
      size_t tab = line.find('\t');
      NullableDatum row[3] = {{Datum::from_int(n), false}, {Datum::from_int(std::atoi(line.c_str())), false},
                              {make_bytes(arena, std::string_view(line).substr(tab + 1)), false}};
      bool given[3] = {true, true, true};
      writer->insert(row, given);
      ++n;
      more = static_cast<bool>(std::getline(in, line));
    }
    writer->finish();
    writer.reset();
    session->end_implicit(false);
    last = session->pending_durable();
  }
  s.store->wait_durable(last);
  double committed = seconds(started);
  // What merging is due, and files for everything.
  for (auto& r : s.segments->all()) r->index.maintain();
  s.segments->checkpoint();
  double total = seconds(started);
  session.reset();
  uint64_t bytes = 0;
  auto stats = s.documents()->index.stats();
  bytes = bytes_below(directory + "/segments");
  s.store->checkpoint();
  std::cout << json::serialize(json::object{{"documents", n}, {"seconds", total}, {"committed_seconds", committed}, {"cpu_seconds", cpu_seconds() - cpu},
                                            {"index_bytes", bytes}, {"segments", stats.segments}}) << "\n";
  return 0;
}

// "class TAB query": term w | and w w | or w w | phrase w w | prefix p | fuzzy w | filtered w lo hi
segments::QueryPtr parse(const std::string& kind, const std::vector<std::string>& words) {
  using namespace segments;
  auto term = [](const std::string& w) {
    auto q = make_query(QueryKind::kTerm);
    q->field = "body";
    q->text = w;
    return q;
  };
  if (kind == "term") return term(words[0]);
  auto b = make_query(QueryKind::kBool);
  if (kind == "and") {
    for (auto& w : words) b->must.push_back(term(w));
    return b;
  }
  if (kind == "or") {
    for (auto& w : words) b->should.push_back(term(w));
    return b;
  }
  if (kind == "filtered") {
    b->must.push_back(term(words[0]));
    auto r = make_query(QueryKind::kColumnRange);
    r->field = "num";
    r->lo = std::atoll(words[1].c_str());
    r->hi = std::atoll(words[2].c_str());
    b->filter.push_back(r);
    return b;
  }
  auto q = make_query(kind == "phrase" ? QueryKind::kPhrase : kind == "prefix" ? QueryKind::kPrefix : QueryKind::kFuzzy);
  q->field = "body";
  if (kind == "phrase") {
    for (uint32_t i = 0; i < words.size(); ++i) q->phrase.push_back({{words[i]}, i, false});
  } else {
    q->text = words[0];
    if (kind == "fuzzy") q->edits = words[0].size() > 5 ? 2 : 1;
  }
  return q;
}

int run_queries(const std::string& directory, const std::string& file, int rounds) {
  Server s(directory);
  auto docs = s.documents();
  if (!docs) return 1;
  storage::SnapshotPtr snapshot = s.store->snapshot();
  struct Item { std::string kind, text; segments::QueryPtr query; std::vector<double> us; json::array top; };
  std::vector<Item> items;
  std::ifstream in(file);
  std::string line;
  while (std::getline(in, line)) {
    Item i;
    size_t tab = line.find('\t');
    i.kind = line.substr(0, tab);
    i.text = line.substr(tab + 1);
    std::istringstream words(i.text);
    std::vector<std::string> list;
    for (std::string w; words >> w;) list.push_back(w);
    i.query = parse(i.kind, list);
    items.push_back(std::move(i));
  }
  constexpr int kWarm = 3;
  for (int round = 0; round < rounds + kWarm; ++round) {
    for (Item& i : items) {
      auto t = Clock::now();
      segments::Searcher searcher(s.segments->leaves(*docs, snapshot->lsn()));
      uint64_t total = 0;
      auto top = searcher.top(i.query, 10, 1000, &total);
      double us = 1e6 * seconds(t);
      if (round >= kWarm) i.us.push_back(us);
      if (round == 0) {
        for (auto& d : top) {
          auto& segment = *searcher.leaves()[d.leaf].segment;
          segments::Column id = segment.column("id");
          i.top.push_back(json::array{id.value(id.begin(d.doc)), d.score});
        }
      }
    }
  }
  json::array out;
  for (Item& i : items) {
    std::sort(i.us.begin(), i.us.end());
    out.push_back(json::object{{"kind", i.kind}, {"text", i.text}, {"us", i.us[i.us.size() / 2]}, {"top", i.top}});
  }
  std::cout << json::serialize(json::object{{"segments", docs->index.stats().segments}, {"queries", out}}) << "\n";
  return 0;
}

// Words by Zipf's law over a vocabulary of 200,000, documents of 20 to 80 words.
int generate(uint64_t documents, const std::string& file) {
  std::ofstream out(file);
  uint64_t state = 42;
  auto random = [&] {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    uint64_t x = state ^ (state >> 33);
    x *= 0xff51afd7ed558ccdull;
    return x ^ (x >> 33);
  };
  constexpr size_t kWords = 200000;
  std::vector<double> cumulative(kWords);
  double sum = 0;
  for (size_t i = 0; i < kWords; ++i) cumulative[i] = sum += 1.0 / std::pow(static_cast<double>(i + 1), 1.05);
  std::vector<std::string> words(kWords);
  for (size_t i = 0; i < kWords; ++i) {
    static const char* kSyllables[] = {"ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "va"};
    for (uint64_t v = i * 2654435761u % (1u << 20) + 16, k = 0; v > 0 && k < 6; v >>= 4, ++k) words[i] += kSyllables[v & 15];
  }
  std::string line;
  for (uint64_t d = 0; d < documents; ++d) {
    line = std::to_string(random() % 1000);
    line += '\t';
    for (uint64_t k = 0, n = 20 + random() % 61; k < n; ++k) {
      double at = static_cast<double>(random() >> 11) * 0x1p-53 * sum;
      line += words[static_cast<size_t>(std::lower_bound(cumulative.begin(), cumulative.end(), at) - cumulative.begin())];
      line += ' ';
    }
    line.back() = '\n';
    out << line;
  }
  return 0;
}

}  // namespace
}  // namespace stele

int main(int argc, char** argv) {
  std::vector<std::string> a(argv + 1, argv + argc);
  stele::logging::set_level(stele::logging::Level::kError);
  if (a.size() == 3 && a[0] == "index") return stele::index_corpus(a[1], a[2]);
  if (a.size() == 4 && a[0] == "query") return stele::run_queries(a[1], a[2], std::atoi(a[3].c_str()));
  if (a.size() == 3 && a[0] == "zipf") return stele::generate(std::stoull(a[1]), a[2]);
  std::fprintf(stderr, "usage: search_bench index CORPUS DIRECTORY | query DIRECTORY QUERIES ROUNDS | zipf DOCUMENTS FILE\n");
  return 2;
}
