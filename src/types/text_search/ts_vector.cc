// tsvector's text and binary forms and the functions over it.
#include <algorithm>

#include "base/codec.h"
#include "base/error.h"
#include "types/array.h"
#include "types/function_helpers.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/text.h"
#include "types/text_search/ts_scan.h"
#include "types/text_search/ts_value.h"
#include "types/type_registry.h"

namespace stele {
namespace {

Datum vector_in(std::string_view text, int32_t, Arena& arena, EvalContext&) {
  LexemeScanner scanner(text, LexemeScanner::Mode::kVector);
  std::vector<TsEntry> entries;
  size_t at = 0, bytes = 0;
  TsEntry e;
  while (scanner.next(at, e.text, &e.positions)) {
    if (e.text.size() > kMaxLexemeBytes)
      throw Error(ErrorCode::kProgramLimitExceeded, fmt::format("word is too long ({} bytes, max {} bytes)", e.text.size(), kMaxLexemeBytes));
    if (bytes > kMaxTsVectorBytes)
      throw Error(ErrorCode::kProgramLimitExceeded, fmt::format("string is too long for tsvector ({} bytes, max {} bytes)", bytes, kMaxTsVectorBytes));
    bytes += e.text.size();
    entries.push_back(std::move(e));
    e = {};
  }
  return make_tsvector(std::move(entries), arena);
}

void vector_out(Datum d, std::string& out, EvalContext&) {
  const TsVectorView v(d);
  for (int i = 0; i < v.size(); ++i) {
    const TsLexeme l = v[i];
    if (i > 0) out.push_back(' ');
    out.push_back('\'');
    for (const char c : l.text) {
      if (c == '\'' || c == '\\') out.push_back(c);
      out.push_back(c);
    }
    out.push_back('\'');
    for (int k = 0; k < l.npos; ++k) {
      out.push_back(k == 0 ? ':' : ',');
      out += std::to_string(l.at(k).position());
      if (const int w = l.at(k).weight(); w > 0) out.push_back("DCBA"[w]);
    }
  }
}

void vector_send(Datum d, std::string& out, EvalContext&) {
  const TsVectorView v(d);
  put_be32(out, static_cast<uint32_t>(v.size()));
  for (int i = 0; i < v.size(); ++i) {
    const TsLexeme l = v[i];
    out += l.text;
    out.push_back('\0');
    put_be16(out, static_cast<uint16_t>(l.npos));
    for (int k = 0; k < l.npos; ++k) put_be16(out, l.at(k).bits);
  }
}
[[noreturn]] void short_message() { throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message"); }
[[noreturn]] void bad_vector(const char* what) { throw Error(ErrorCode::kInternalError, fmt::format("invalid tsvector: {}", what)); }

Datum vector_recv(std::string_view s, int32_t, Arena& arena, EvalContext&) {
  Reader r(s);
  const uint32_t n = r.be32();
  if (!r.ok()) short_message();
  if (n > (1u << 28)) throw Error(ErrorCode::kInternalError, "invalid size of tsvector");
  std::vector<TsEntry> entries;
  auto be16 = [&] { return __builtin_bswap16(r.le<uint16_t>()); };
  for (uint32_t i = 0; i < n; ++i) {
    TsEntry e;
    const size_t end = r.rest().find('\0');
    if (end == std::string_view::npos) throw Error(ErrorCode::kProtocolViolation, "invalid string in message");
    e.text = std::string(r.bytes(end));
    r.bytes(1);
    check_utf8(e.text);
    const uint16_t npos = be16();
    if (!r.ok()) short_message();
    if (e.text.size() > kMaxLexemeBytes) bad_vector("lexeme too long");
    if (npos > kMaxTsPositions) throw Error(ErrorCode::kInternalError, "unexpected number of tsvector positions");
    for (uint16_t k = 0; k < npos; ++k) {
      e.positions.emplace_back(be16());
      if (k > 0 && e.positions[k].position() <= e.positions[k - 1].position())
        throw Error(ErrorCode::kInternalError, "position information is misordered");
    }
    if (!r.ok()) short_message();
    entries.push_back(std::move(e));
  }
  return make_tsvector(std::move(entries), arena);
}

int compare(Datum a, Datum b, Oid) { return compare_tsvector(TsVectorView(a), TsVectorView(b)); }
bool equal(Datum a, Datum b, Oid) { return compare(a, b, 0) == 0; }
uint64_t hash(Datum v, Oid) { return hash_bytes(v.as_view()); }

// The order of compare_tsvector: size, count, then lexeme by lexeme.
void encode(Datum d, Oid, std::string& out) {
  const TsVectorView v(d);
  put_be32(out, static_cast<uint32_t>(v.postgres_bytes()));
  put_be32(out, static_cast<uint32_t>(v.size()));
  for (int i = 0; i < v.size(); ++i) {
    const TsLexeme l = v[i];
    out.push_back(l.npos > 0 ? 1 : 2);
    encode_bytes_key(l.text, out);
    if (l.npos == 0) continue;
    put_be16(out, static_cast<uint16_t>(~l.npos));
    for (int k = 0; k < l.npos; ++k) {
      put_be16(out, static_cast<uint16_t>(~l.at(k).position()));
      out.push_back(static_cast<char>(3 - l.at(k).weight()));
    }
  }
}
[[noreturn]] void bad_key() { throw Error(ErrorCode::kIndexCorrupted, "index key is too short"); }
std::vector<TsEntry> read_key(std::string_view& in) {
  Reader r(in);
  r.be32();
  const uint32_t n = r.be32();
  if (!r.ok()) bad_key();
  std::vector<TsEntry> entries;
  for (uint32_t i = 0; i < n; ++i) {
    const auto kind = r.bytes(1);
    if (!r.ok()) bad_key();
    TsEntry e;
    std::string_view rest = r.rest();
    const size_t before = rest.size();
    decode_bytes_key(rest, e.text);
    r.bytes(before - rest.size());
    if (kind[0] == 1) {
      const auto npos = static_cast<uint16_t>(~__builtin_bswap16(r.le<uint16_t>()));
      for (uint16_t k = 0; k < npos && r.ok(); ++k) {
        const auto position = static_cast<uint16_t>(~__builtin_bswap16(r.le<uint16_t>()));
        const auto weight = r.bytes(1);
        if (r.ok()) e.positions.emplace_back(position, 3 - weight[0]);
      }
    }
    if (!r.ok()) bad_key();
    entries.push_back(std::move(e));
  }
  in = r.rest();
  return entries;
}
Datum decode(std::string_view& in, Arena& arena) { return store_tsvector(read_key(in), arena); }
void skip(std::string_view& in) { read_key(in); }

// ---------------------------------------------------------------- functions

int weight_of(char c) {
  switch (c) {
    case 'A': case 'a': return 3;
    case 'B': case 'b': return 2;
    case 'C': case 'c': return 1;
    case 'D': case 'd': return 0;
    default: break;
  }
  if ((c & 0x80) == 0 && c != 0) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("unrecognized weight: \"{}\"", c));
  throw Error(ErrorCode::kInvalidParameterValue, fmt::format("unrecognized weight: \"\\{:03o}\"", static_cast<uint8_t>(c)));
}

Datum concat(FnCall& c) {
  const TsVectorView a(c.arg(0)), b(c.arg(1));
  int shift = 0;
  for (int i = 0; i < a.size(); ++i) {
    const TsLexeme l = a[i];
    for (int k = 0; k < l.npos; ++k) shift = std::max(shift, l.at(k).position());
  }
  std::vector<TsEntry> left = tsvector_entries(a), right = tsvector_entries(b), out;
  auto shifted = [&](const std::vector<TsPosition>& from, std::vector<TsPosition>& to) {
    for (const TsPosition p : from) {
      if (to.size() >= static_cast<size_t>(kMaxTsPositions) || (!to.empty() && to.back().position() == kMaxTsPosition)) return;
      to.emplace_back(clip_ts_position(p.position() + shift), p.weight());
    }
  };
  size_t i = 0, k = 0;
  while (i < left.size() || k < right.size()) {
    const int order = i == left.size() ? 1 : k == right.size() ? -1 : left[i].text.compare(right[k].text);
    TsEntry e;
    e.text = order <= 0 ? left[i].text : right[k].text;
    if (order <= 0) e.positions = std::move(left[i++].positions);
    if (order >= 0) shifted(right[k++].positions, e.positions);
    out.push_back(std::move(e));
  }
  return store_tsvector(out, *c.arena);
}

Datum strip(FnCall& c) {
  std::vector<TsEntry> entries = tsvector_entries(TsVectorView(c.arg(0)));
  for (TsEntry& e : entries) e.positions.clear();
  return store_tsvector(entries, *c.arena);
}

void set_weight(TsEntry& e, int weight) {
  for (TsPosition& p : e.positions) p = TsPosition(p.position(), weight);
}
Datum setweight(FnCall& c) {
  const int w = weight_of(static_cast<char>(c.int_arg(1)));
  std::vector<TsEntry> entries = tsvector_entries(TsVectorView(c.arg(0)));
  for (TsEntry& e : entries) set_weight(e, w);
  return store_tsvector(entries, *c.arena);
}
void no_nulls(const ArrayView& a, const char* what) {
  for (int i = 0; i < a.count(); ++i) {
    if (a.is_null(i)) throw Error(ErrorCode::kNullValueNotAllowed, fmt::format("{} array may not contain nulls", what));
  }
}
TsEntry* find_entry(std::vector<TsEntry>& entries, std::string_view lexeme) {
  auto it = std::lower_bound(entries.begin(), entries.end(), lexeme, [](const TsEntry& e, std::string_view s) { return e.text < s; });
  return it != entries.end() && it->text == lexeme ? &*it : nullptr;
}
Datum setweight_some(FnCall& c) {
  const int w = weight_of(static_cast<char>(c.int_arg(1)));
  const ArrayView lexemes(c.arg(2));
  std::vector<TsEntry> entries = tsvector_entries(TsVectorView(c.arg(0)));
  no_nulls(lexemes, "lexeme");
  for (int i = 0; i < lexemes.count(); ++i) {
    if (TsEntry* e = find_entry(entries, lexemes.get(i).as_view())) set_weight(*e, w);
  }
  return store_tsvector(entries, *c.arena);
}
Datum delete_one(FnCall& c) {
  std::vector<TsEntry> entries = tsvector_entries(TsVectorView(c.arg(0)));
  std::erase_if(entries, [&](const TsEntry& e) { return e.text == c.text_arg(1); });
  return store_tsvector(entries, *c.arena);
}
Datum delete_some(FnCall& c) {
  const ArrayView lexemes(c.arg(1));
  no_nulls(lexemes, "lexeme");
  std::vector<TsEntry> entries = tsvector_entries(TsVectorView(c.arg(0)));
  for (int i = 0; i < lexemes.count(); ++i)
    std::erase_if(entries, [&](const TsEntry& e) { return e.text == lexemes.get(i).as_view(); });
  return store_tsvector(entries, *c.arena);
}
Datum filter(FnCall& c) {
  const ArrayView weights(c.arg(1));
  int wanted = 0;
  for (int i = 0; i < weights.count(); ++i) {
    if (weights.is_null(i)) throw Error(ErrorCode::kNullValueNotAllowed, "weight array may not contain nulls");
    const char w = static_cast<char>(weights.get(i).as_int());
    if (std::string_view("ABCDabcd").find(w) == std::string_view::npos)
      throw Error(ErrorCode::kInvalidParameterValue, fmt::format("unrecognized weight: \"{}\"", w));
    wanted |= 1 << weight_of(w);
  }
  std::vector<TsEntry> entries = tsvector_entries(TsVectorView(c.arg(0)));
  for (TsEntry& e : entries) std::erase_if(e.positions, [&](TsPosition p) { return (wanted >> p.weight() & 1) == 0; });
  std::erase_if(entries, [](const TsEntry& e) { return e.positions.empty(); });
  return store_tsvector(entries, *c.arena);
}

Datum to_array(FnCall& c) {
  const TsVectorView v(c.arg(0));
  std::vector<std::string_view> words;
  for (int i = 0; i < v.size(); ++i) words.push_back(v[i].text);
  return make_text_array(words, *c.arena);
}
Datum from_array(FnCall& c) {
  const ArrayView a(c.arg(0));
  std::vector<TsEntry> entries;
  for (int i = 0; i < a.count(); ++i) {
    if (a.is_null(i)) throw Error(ErrorCode::kNullValueNotAllowed, "lexeme array may not contain nulls");
    if (a.get(i).as_view().empty()) {
      Error e(ErrorCode::kDataException, "lexeme array may not contain empty strings");
      e.set_sqlstate("2200F");  // zero_length_character_string
      throw e;
    }
    entries.push_back({std::string(a.get(i).as_view()), {}});
  }
  return make_tsvector(std::move(entries), *c.arena);
}

class Unnest : public SetRows {
 public:
  explicit Unnest(FnCall& c) : copy_(make_bytes(arena_, c.arg(0).as_view())) {}
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    const TsVectorView v(copy_);
    if (at_ >= v.size()) return false;
    const TsLexeme l = v[at_++];
    out[0] = c.text(l.text);
    nulls[0] = false;
    nulls[1] = nulls[2] = l.npos == 0;
    if (l.npos == 0) return true;
    ArrayBuilder positions(element_info(oid::kInt2, nullptr));
    std::vector<std::string_view> weights;
    static constexpr std::string_view kNames[] = {"D", "C", "B", "A"};
    for (int k = 0; k < l.npos; ++k) {
      positions.add(Datum::from_int(l.at(k).position()));
      weights.push_back(kNames[l.at(k).weight()]);
    }
    out[1] = positions.finish(*c.arena);
    out[2] = make_text_array(weights, *c.arena);
    return true;
  }

 private:
  Arena arena_;
  Datum copy_;
  int at_ = 0;
};

int compare_call(FnCall& c) { return compare(c.arg(0), c.arg(1), 0); }

}  // namespace

void register_ts_vector_types(TypeTable& t) {
  t.ops(oid::kTsvector, {compare, equal, hash, encode, decode, skip});
  t.io(oid::kTsvector, {vector_in, vector_out, vector_recv, vector_send});
}

void register_ts_vector_functions(FunctionRegistry& r) {
  r.add("tsvectorin", &input_function<vector_in>);
  r.add("tsvectorout", &output_function<vector_out>);
  r.add("tsvectorrecv", &input_function<vector_recv>);
  r.add("tsvectorsend", &output_function<vector_send>);
  add_comparisons<compare_call>(r, "tsvector_");
  r.add("tsvector_concat", concat);
  r.add("tsvector_strip", strip);
  r.add("tsvector_setweight", setweight);
  r.add("tsvector_setweight_by_filter", setweight_some);
  r.add("tsvector_delete_str", delete_one);
  r.add("tsvector_delete_arr", delete_some);
  r.add("tsvector_filter", filter);
  r.add("tsvector_length", [](FnCall& c) { return Datum::from_int(TsVectorView(c.arg(0)).size()); });
  r.add("tsvector_to_array", to_array);
  r.add("array_to_tsvector", from_array);
  r.add_set("tsvector_unnest", [](FnCall& c) -> std::unique_ptr<SetRows> { return std::make_unique<Unnest>(c); });
}

}  // namespace stele
