#include "rows/check.h"

#include "base/error.h"
#include "base/hash.h"

namespace stele::rows {

namespace {
constexpr size_t kMaxProblems = 100;

std::string hex(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < std::min<size_t>(s.size(), 48); ++i) out += fmt::format("{:02x}", static_cast<uint8_t>(s[i]));
  return out;
}
}  // namespace

CheckReport check_table(TableAccess& table, const storage::ReadView& view) {
  CheckReport report;
  auto problem = [&](std::string text) {
    if (report.problems.size() < kMaxProblems) report.problems.push_back(table.table().relation().name + ": " + std::move(text));
  };
  const Table& t = table.table();
  // Every row has exactly the entries it should have: each must be there, and there are no more of them.
  // Sums of hashes stand for the sets, so that memory does not grow with the table.
  struct Sum { uint64_t count = 0, hash = 0; };
  std::vector<Sum> expected(t.indexes().size());
  std::vector<NullableDatum> row(t.format().columns());
  Arena arena;
  std::string key, value;
  uint64_t last = 0;
  for (RowCursor c = table.scan(view); c.valid(); c.next()) {
    ++report.rows;
    arena.reset();
    if (c.row_id() <= last && last != 0) problem(fmt::format("row {} is out of order", c.row_id()));
    last = c.row_id();
    try {
      t.format().decode_all(c.bytes(), row.data(), arena);
      for (size_t i = 0; i < t.indexes().size(); ++i) {
        bool distinct;
        if (!table.encode_key(t.indexes()[i], row, &key, &distinct)) continue;
        table.encode_entry(t.indexes()[i], row, c.row_id(), distinct, &key, &value);
        ++expected[i].count;
        expected[i].hash += hash64(key, hash64(value));
      }
    } catch (const Error& e) {
      problem(fmt::format("row {}: {}", c.row_id(), e.message()));
    }
  }
  for (size_t i = 0; i < t.indexes().size(); ++i) {
    const IndexDef& d = t.indexes()[i];
    if (!d.relation->index->valid) continue;
    Sum found;
    std::string bytes;
    for (IndexCursor c = table.index_scan(d, key_range(d, {}, nullptr, nullptr), view); c.valid(); c.next()) {
      ++found.count;
      found.hash += hash64(c.key(), hash64(c.value()));
    }
    report.entries += found.count;
    if (found.count == expected[i].count && found.hash == expected[i].hash) continue;
    problem(fmt::format("index {} has {} entries where rows ask for {}, or they differ", d.name(), found.count,
                        expected[i].count));
    // Now name the entries that are wrong, by looking at the row of each.
    for (IndexCursor c = table.index_scan(d, key_range(d, {}, nullptr, nullptr), view); c.valid(); c.next()) {
      if (report.problems.size() >= kMaxProblems) break;
      arena.reset();
      if (!table.fetch(c.row_id(), view, &bytes)) {
        problem(fmt::format("index {} points to row {}, which is not there", d.name(), c.row_id()));
        continue;
      }
      t.format().decode_all(bytes, row.data(), arena);
      bool distinct;
      bool in = table.encode_key(d, row, &key, &distinct);
      if (in) table.encode_entry(d, row, c.row_id(), distinct, &key, &value);
      if (!in || key != c.key()) {
        problem(fmt::format("index {} has entry {} for row {}, which asks for {}", d.name(), hex(c.key()), c.row_id(),
                            in ? hex(key) : "none"));
      }
    }
  }
  return report;
}

}  // namespace stele::rows
