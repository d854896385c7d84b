// pg_snapshot and txid_snapshot: xmin, xmax and the transactions in progress between them, as 64-bit words.
#include <algorithm>
#include <charconv>

#include "base/codec.h"
#include "base/error.h"
#include "types/function.h"

namespace stele {
namespace {

std::vector<uint64_t> words(Datum d) {
  const std::string_view s = d.as_view();
  std::vector<uint64_t> v(s.size() / 8);
  std::memcpy(v.data(), s.data(), v.size() * 8);
  return v;
}
Datum store(const std::vector<uint64_t>& v, Arena& arena) {
  return make_bytes(arena, {reinterpret_cast<const char*>(v.data()), v.size() * 8});
}

Datum snapshot_in(FnCall& c) {
  const std::string_view text = c.text_arg(0);
  std::string_view s = text;
  auto bad = [&]() -> Error {
    return Error(ErrorCode::kInvalidTextRepresentation, "invalid input syntax for type pg_snapshot: \"" + std::string(text) + "\"");
  };
  auto number = [&] {
    uint64_t v = 0;
    auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v);
    if (error != std::errc() || v > INT64_MAX) throw bad();
    s.remove_prefix(static_cast<size_t>(end - s.data()));
    return v;
  };
  auto colon = [&] {
    if (s.empty() || s[0] != ':') throw bad();
    s.remove_prefix(1);
  };
  std::vector<uint64_t> v;
  v.push_back(number());
  colon();
  v.push_back(number());
  colon();
  if (v[0] == 0 || v[1] == 0 || v[1] < v[0]) throw bad();
  uint64_t last = 0;
  while (!s.empty()) {
    const uint64_t x = number();
    if (x < v[0] || x >= v[1] || x < last) throw bad();
    if (x != last) v.push_back(x);
    last = x;
    if (s.empty()) break;
    if (s[0] != ',') throw bad();
    s.remove_prefix(1);
  }
  return store(v, *c.arena);
}

Datum snapshot_out(FnCall& c) {
  const auto v = words(c.arg(0));
  std::string out = std::to_string(v[0]) + ":" + std::to_string(v[1]) + ":";
  for (size_t i = 2; i < v.size(); ++i) out += (i > 2 ? "," : "") + std::to_string(v[i]);
  return c.text(out);
}

Datum snapshot_send(FnCall& c) {
  const auto v = words(c.arg(0));
  std::string out;
  put_be32(out, static_cast<uint32_t>(v.size() - 2));
  for (uint64_t x : v) put_be64(out, x);
  return c.text(out);
}
Datum snapshot_recv(FnCall& c) {
  const std::string_view s = c.text_arg(0);
  const auto bad = [] { return Error(ErrorCode::kInvalidBinaryRepresentation, "invalid external pg_snapshot data"); };
  if (s.size() < 20 || s.size() != 20 + 8 * static_cast<size_t>(load_be32(s.data()))) throw bad();
  std::vector<uint64_t> v;
  for (size_t at = 4; at < s.size(); at += 8) v.push_back(load_be64(s.data() + at));
  if (v[0] == 0 || v[1] == 0 || v[0] > v[1]) throw bad();
  for (size_t i = 2; i < v.size(); ++i)
    if (v[i] < v[0] || v[i] >= v[1] || (i > 2 && v[i] < v[i - 1])) throw bad();
  return store(v, *c.arena);
}

Datum visible(FnCall& c) {
  const auto v = words(c.arg(1));
  const uint64_t x = c.arg(0).bits;
  if (x < v[0]) return Datum::from_bool(true);
  if (x >= v[1]) return Datum::from_bool(false);
  return Datum::from_bool(!std::binary_search(v.begin() + 2, v.end(), x));
}

class Xip : public SetRows {
 public:
  explicit Xip(std::vector<uint64_t> v) : v_(std::move(v)) {}
  bool next(FnCall&, Datum* out, bool* nulls) override {
    if (at_ >= v_.size()) return false;
    out[0] = Datum{v_[at_++]};
    nulls[0] = false;
    return true;
  }

 private:
  std::vector<uint64_t> v_;
  size_t at_ = 2;
};

}  // namespace

void register_snapshot_functions(FunctionRegistry& r) {
  for (const char* n : {"pg_snapshot_in", "txid_snapshot_in"}) r.add(n, snapshot_in);
  for (const char* n : {"pg_snapshot_out", "txid_snapshot_out"}) r.add(n, snapshot_out);
  for (const char* n : {"pg_snapshot_send", "txid_snapshot_send"}) r.add(n, snapshot_send);
  for (const char* n : {"pg_snapshot_recv", "txid_snapshot_recv"}) r.add(n, snapshot_recv);
  for (const char* n : {"pg_snapshot_xmin", "txid_snapshot_xmin"}) r.add(n, [](FnCall& c) { return Datum{words(c.arg(0))[0]}; });
  for (const char* n : {"pg_snapshot_xmax", "txid_snapshot_xmax"}) r.add(n, [](FnCall& c) { return Datum{words(c.arg(0))[1]}; });
  for (const char* n : {"pg_visible_in_snapshot", "txid_visible_in_snapshot"}) r.add(n, visible);
  for (const char* n : {"pg_snapshot_xip", "txid_snapshot_xip"})
    r.add_set(n, [](FnCall& c) -> std::unique_ptr<SetRows> { return std::make_unique<Xip>(words(c.arg(0))); });
}

}  // namespace stele
