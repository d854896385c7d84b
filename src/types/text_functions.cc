// Operators and functions of text, varchar, bpchar and name.
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "base/error.h"
#include "types/array.h"
#include "types/builtin.h"
#include "types/function.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/scalar_io.h"
#include "types/text.h"
#include "types/type_io.h"

namespace stele {

std::string quote_literal(std::string_view s) {
  std::string out;
  if (s.find('\\') != std::string_view::npos) out += 'E';
  out += '\'';
  for (char c : s) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  out += '\'';
  return out;
}

namespace {

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

// ---- comparison

template <bool kBytes, bool kPadded>
int compare(FnCall& c) {
  std::string_view a = c.text_arg(0), b = c.text_arg(1);
  if constexpr (kPadded) {
    a = trimmed(a);
    b = trimmed(b);
  }
  return compare_text(a, b, kBytes ? oid::kCCollation : c.collation);
}
template <bool kPadded>
bool equals(FnCall& c) {
  if constexpr (kPadded) return equal_text(trimmed(c.text_arg(0)), trimmed(c.text_arg(1)), c.collation);
  return equal_text(c.text_arg(0), c.text_arg(1), c.collation);
}
template <bool P> Datum eq(FnCall& c) { return Datum::from_bool(equals<P>(c)); }
template <bool P> Datum ne(FnCall& c) { return Datum::from_bool(!equals<P>(c)); }
template <bool B, bool P> Datum lt(FnCall& c) { return Datum::from_bool(compare<B, P>(c) < 0); }
template <bool B, bool P> Datum le(FnCall& c) { return Datum::from_bool(compare<B, P>(c) <= 0); }
template <bool B, bool P> Datum gt(FnCall& c) { return Datum::from_bool(compare<B, P>(c) > 0); }
template <bool B, bool P> Datum ge(FnCall& c) { return Datum::from_bool(compare<B, P>(c) >= 0); }
// As memcmp, and by length.
int difference(std::string_view a, std::string_view b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i] != b[i]) return static_cast<uint8_t>(a[i]) - static_cast<uint8_t>(b[i]);
  }
  return a.size() < b.size() ? -1 : a.size() > b.size();
}
// Byte order shows the difference of the first bytes that differ, as strcmp does.
template <bool B, bool P> Datum cmp(FnCall& c) {
  if (!B && collation_is_bytes(c.collation) && c.collation != oid::kCCollation) {
    const std::string_view a = P ? trimmed(c.text_arg(0)) : c.text_arg(0), b = P ? trimmed(c.text_arg(1)) : c.text_arg(1);
    const size_t n = static_cast<size_t>(std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(std::min(a.size(), b.size())), b.begin()).first - a.begin());
    auto at = [n](std::string_view s) { return n < s.size() ? static_cast<int>(static_cast<uint8_t>(s[n])) : 0; };
    return Datum::from_int(at(a) - at(b));
  }
  if (B) return Datum::from_int(difference(P ? trimmed(c.text_arg(0)) : c.text_arg(0), P ? trimmed(c.text_arg(1)) : c.text_arg(1)));
  return Datum::from_int(compare<B, P>(c));
}
template <bool P> Datum larger(FnCall& c) { return compare<false, P>(c) > 0 ? c.arg(0) : c.arg(1); }
template <bool P> Datum smaller(FnCall& c) { return compare<false, P>(c) < 0 ? c.arg(0) : c.arg(1); }

void register_comparison(FunctionRegistry& r) {
  for (const char* n : {"texteq", "nameeq", "nameeqtext", "texteqname"}) r.add(n, eq<false>);
  for (const char* n : {"textne", "namene", "namenetext", "textnename"}) r.add(n, ne<false>);
  for (const char* n : {"text_lt", "namelt", "namelttext", "textltname"}) r.add(n, lt<false, false>);
  for (const char* n : {"text_le", "namele", "nameletext", "textlename"}) r.add(n, le<false, false>);
  for (const char* n : {"text_gt", "namegt", "namegttext", "textgtname"}) r.add(n, gt<false, false>);
  for (const char* n : {"text_ge", "namege", "namegetext", "textgename"}) r.add(n, ge<false, false>);
  for (const char* n : {"bttextcmp", "btnamecmp", "btnametextcmp", "bttextnamecmp"}) r.add(n, cmp<false, false>);
  r.add("text_larger", larger<false>);
  r.add("text_smaller", smaller<false>);
  r.add("text_pattern_lt", lt<true, false>);
  r.add("text_pattern_le", le<true, false>);
  r.add("text_pattern_gt", gt<true, false>);
  r.add("text_pattern_ge", ge<true, false>);
  r.add("bttext_pattern_cmp", cmp<true, false>);
  r.add("bpchareq", eq<true>);
  r.add("bpcharne", ne<true>);
  r.add("bpcharlt", lt<false, true>);
  r.add("bpcharle", le<false, true>);
  r.add("bpchargt", gt<false, true>);
  r.add("bpcharge", ge<false, true>);
  r.add("bpcharcmp", cmp<false, true>);
  r.add("bpchar_larger", larger<true>);
  r.add("bpchar_smaller", smaller<true>);
  r.add("bpchar_pattern_lt", lt<true, true>);
  r.add("bpchar_pattern_le", le<true, true>);
  r.add("bpchar_pattern_gt", gt<true, true>);
  r.add("bpchar_pattern_ge", ge<true, true>);
  r.add("btbpchar_pattern_cmp", cmp<true, true>);
  for (const char* n : {"hashtext", "hashvarlena", "hashname"})
    r.add(n, [](FnCall& c) { return Datum::from_int(static_cast<int32_t>(pg_hash_any(c.text_arg(0)))); });
  for (const char* n : {"hashtextextended", "hashvarlenaextended", "hashnameextended"})
    r.add(n, [](FnCall& c) { return Datum{pg_hash_any_extended(c.text_arg(0), c.arg(1).bits)}; });
  r.add("hashbpchar", [](FnCall& c) { return Datum::from_int(static_cast<int32_t>(pg_hash_any(trimmed(c.text_arg(0))))); });
  r.add("hashbpcharextended", [](FnCall& c) { return Datum{pg_hash_any_extended(trimmed(c.text_arg(0)), c.arg(1).bits)}; });
  r.add("text_starts_with", [](FnCall& c) { return Datum::from_bool(c.text_arg(0).starts_with(c.text_arg(1))); });
}

// ---- pieces

[[noreturn]] void substring_error() {
  throw Error(ErrorCode::kSubstringError, "negative substring length not allowed");
}
// Characters [start, start + length) counted from 1; length -1 is to the end.
std::string_view substr(std::string_view s, int64_t start, bool has_length, int64_t length) {
  int64_t end = std::numeric_limits<int32_t>::max();
  if (has_length) {
    if (length < 0) {
      substring_error();
    }
    end = std::min<int64_t>(start + length, std::numeric_limits<int32_t>::max());
    if (end < 1) return {};
  }
  start = std::max<int64_t>(start, 1);
  if (end <= start && has_length) return {};
  size_t from = utf8_offset(s, static_cast<size_t>(start - 1));
  std::string_view rest = s.substr(from);
  if (!has_length) return rest;
  return rest.substr(0, utf8_offset(rest, static_cast<size_t>(end - start)));
}

Datum overlay(FnCall& c, int64_t start, int64_t length) {
  std::string_view s = c.text_arg(0), with = c.text_arg(1);
  if (start <= 0) substring_error();
  if (start + length > INT32_MAX) int_out_of_range(4);
  std::string out(substr(s, 1, true, start - 1));
  out += with;
  out += substr(s, start + length, false, 0);
  return c.text(out);
}

int64_t position(std::string_view s, std::string_view what) {
  if (what.empty()) return 1;
  size_t at = s.find(what);
  return at == std::string_view::npos ? 0 : static_cast<int64_t>(utf8_length(s.substr(0, at))) + 1;
}

bool in_set(std::string_view ch, std::string_view set) {
  if (ch.size() == 1) return set.find(ch[0]) != std::string_view::npos;
  return set.find(ch) != std::string_view::npos;
}
std::string_view trim(std::string_view s, std::string_view set, bool left, bool right) {
  if (left) {
    while (!s.empty()) {
      size_t n = utf8_front(s);
      if (!in_set(s.substr(0, n), set)) break;
      s.remove_prefix(n);
    }
  }
  if (right) {
    while (!s.empty()) {
      size_t i = s.size() - 1;
      while (i > 0 && !is_utf8_start(s[i])) --i;
      if (!in_set(s.substr(i), set)) break;
      s = s.substr(0, i);
    }
  }
  return s;
}

[[noreturn]] void too_large() { throw Error(ErrorCode::kProgramLimitExceeded, "requested length too large"); }

std::string pad(std::string_view s, int64_t width, std::string_view fill, bool left) {
  if (width <= 0) return {};
  if (width > 250000000) too_large();
  size_t have = utf8_length(s), want = static_cast<size_t>(width);
  if (have >= want) return std::string(s.substr(0, utf8_offset(s, want)));
  if (fill.empty()) return std::string(s);
  std::string padding;
  size_t need = want - have;
  if (utf8_length(fill) == 1) {
    for (size_t i = 0; i < need; ++i) padding += fill;
  } else {
    for (size_t i = 0, at = 0; i < need; ++i) {
      size_t n = utf8_front(fill.substr(at));
      padding += fill.substr(at, n);
      at += n;
      if (at >= fill.size()) at = 0;
    }
  }
  return left ? padding + std::string(s) : std::string(s) + padding;
}

std::string replace_all(std::string_view s, std::string_view from, std::string_view to) {
  if (from.empty()) return std::string(s);
  std::string out;
  for (;;) {
    size_t at = s.find(from);
    out += s.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += to;
    s.remove_prefix(at + from.size());
  }
}

Datum split_part(FnCall& c) {
  std::string_view s = c.text_arg(0), sep = c.text_arg(1);
  int64_t n = c.int_arg(2);
  if (n == 0) throw Error(ErrorCode::kInvalidParameterValue, "field position must not be zero");
  if (s.empty()) return c.text("");
  if (sep.empty()) return n == 1 || n == -1 ? c.arg(0) : c.text("");
  std::vector<std::string_view> parts;
  for (;;) {
    size_t at = s.find(sep);
    parts.push_back(s.substr(0, at));
    if (at == std::string_view::npos) break;
    s.remove_prefix(at + sep.size());
    if (n > 0 && static_cast<int64_t>(parts.size()) >= n) break;
  }
  int64_t index = n > 0 ? n - 1 : static_cast<int64_t>(parts.size()) + n;
  if (index < 0 || index >= static_cast<int64_t>(parts.size())) return c.text("");
  return c.text(parts[static_cast<size_t>(index)]);
}

Datum translate(FnCall& c) {
  std::string_view s = c.text_arg(0), from = c.text_arg(1), to = c.text_arg(2);
  std::string out;
  for (size_t i = 0; i < s.size();) {
    size_t n = utf8_front(s.substr(i));
    std::string_view ch = s.substr(i, n);
    i += n;
    size_t f = 0, t = 0;
    bool found = false;
    while (f < from.size()) {
      size_t fn = utf8_front(from.substr(f));
      if (from.substr(f, fn) == ch) {
        found = true;
        break;
      }
      f += fn;
      if (t < to.size()) t += utf8_front(to.substr(t));
    }
    if (!found) out += ch;
    else if (t < to.size()) out += to.substr(t, utf8_front(to.substr(t)));
  }
  return c.text(out);
}

void register_pieces(FunctionRegistry& r) {
  r.add("textlen", [](FnCall& c) { return Datum::from_int(static_cast<int64_t>(utf8_length(c.text_arg(0)))); });
  r.add("bpcharlen", [](FnCall& c) { return Datum::from_int(static_cast<int64_t>(utf8_length(trimmed(c.text_arg(0))))); });
  for (const char* n : {"textoctetlen", "bpcharoctetlen"})
    r.add(n, [](FnCall& c) { return Datum::from_int(static_cast<int64_t>(c.text_arg(0).size())); });
  r.add("sql:bit_length/text", [](FnCall& c) { return Datum::from_int(static_cast<int64_t>(c.text_arg(0).size()) * 8); });
  r.add("sql:bit_length/bytea", [](FnCall& c) { return Datum::from_int(static_cast<int64_t>(c.text_arg(0).size()) * 8); });
  r.add("textcat", [](FnCall& c) {
    std::string_view a = c.text_arg(0), b = c.text_arg(1);
    Varlena* v = make_varlena(*c.arena, a.size() + b.size());
    if (!a.empty()) std::memcpy(v->data, a.data(), a.size());
    if (!b.empty()) std::memcpy(v->data + a.size(), b.data(), b.size());
    return Datum::from_varlena(v);
  });
  r.add("text_substr", [](FnCall& c) { return c.text(substr(c.text_arg(0), c.int_arg(1), true, c.int_arg(2))); });
  r.add("text_substr_no_len", [](FnCall& c) { return c.text(substr(c.text_arg(0), c.int_arg(1), false, 0)); });
  r.add("textoverlay", [](FnCall& c) { return overlay(c, c.int_arg(2), c.int_arg(3)); });
  r.add("textoverlay_no_len", [](FnCall& c) {
    return overlay(c, c.int_arg(2), static_cast<int64_t>(utf8_length(c.text_arg(1))));
  });
  r.add("textpos", [](FnCall& c) { return Datum::from_int(position(c.text_arg(0), c.text_arg(1))); });
  r.add("text_left", [](FnCall& c) {
    std::string_view s = c.text_arg(0);
    int64_t n = c.int_arg(1);
    if (n < 0) n = std::max<int64_t>(0, static_cast<int64_t>(utf8_length(s)) + n);
    return c.text(s.substr(0, utf8_offset(s, static_cast<size_t>(n))));
  });
  r.add("text_right", [](FnCall& c) {
    std::string_view s = c.text_arg(0);
    int64_t n = c.int_arg(1), length = static_cast<int64_t>(utf8_length(s));
    int64_t skip = n < 0 ? -n : std::max<int64_t>(0, length - n);
    return c.text(s.substr(utf8_offset(s, static_cast<size_t>(skip))));
  });
  r.add("text_reverse", [](FnCall& c) {
    std::string_view s = c.text_arg(0);
    std::string out(s.size(), '\0');
    size_t at = s.size();
    for (size_t i = 0; i < s.size();) {
      size_t n = utf8_front(s.substr(i));
      at -= n;
      std::memcpy(out.data() + at, s.data() + i, n);
      i += n;
    }
    return c.text(out);
  });
  r.add("ltrim", [](FnCall& c) { return c.text(trim(c.text_arg(0), c.text_arg(1), true, false)); });
  r.add("ltrim1", [](FnCall& c) { return c.text(trim(c.text_arg(0), " ", true, false)); });
  r.add("rtrim", [](FnCall& c) { return c.text(trim(c.text_arg(0), c.text_arg(1), false, true)); });
  r.add("rtrim1", [](FnCall& c) { return c.text(trim(c.text_arg(0), " ", false, true)); });
  r.add("btrim", [](FnCall& c) { return c.text(trim(c.text_arg(0), c.text_arg(1), true, true)); });
  r.add("btrim1", [](FnCall& c) { return c.text(trim(c.text_arg(0), " ", true, true)); });
  r.add("lpad", [](FnCall& c) { return c.text(pad(c.text_arg(0), c.int_arg(1), c.text_arg(2), true)); });
  r.add("rpad", [](FnCall& c) { return c.text(pad(c.text_arg(0), c.int_arg(1), c.text_arg(2), false)); });
  r.add("sql:lpad/text,int4", [](FnCall& c) { return c.text(pad(c.text_arg(0), c.int_arg(1), " ", true)); });
  r.add("sql:rpad/text,int4", [](FnCall& c) { return c.text(pad(c.text_arg(0), c.int_arg(1), " ", false)); });
  r.add("replace_text", [](FnCall& c) { return c.text(replace_all(c.text_arg(0), c.text_arg(1), c.text_arg(2))); });
  r.add("translate", translate);
  r.add("split_part", split_part);
  r.add("repeat", [](FnCall& c) {
    std::string_view s = c.text_arg(0);
    int64_t n = std::max<int64_t>(0, c.int_arg(1));
    if (!s.empty() && n > static_cast<int64_t>(0x3fffffff / s.size())) too_large();
    Varlena* v = make_varlena(*c.arena, s.size() * static_cast<size_t>(n));
    for (int64_t i = 0; i < n && !s.empty(); ++i) std::memcpy(v->data + static_cast<size_t>(i) * s.size(), s.data(), s.size());
    return Datum::from_varlena(v);
  });
  r.add("upper", [](FnCall& c) { return c.text(text_upper(c.text_arg(0), c.collation)); });
  r.add("lower", [](FnCall& c) { return c.text(text_lower(c.text_arg(0), c.collation)); });
  r.add("initcap", [](FnCall& c) { return c.text(text_initcap(c.text_arg(0), c.collation)); });
  r.add("ascii", [](FnCall& c) { return Datum::from_int(utf8_decode(c.text_arg(0))); });
  r.add("chr", [](FnCall& c) {
    int64_t v = c.int_arg(0);
    if (v < 0) throw Error(ErrorCode::kInvalidParameterValue, "character number must be positive");
    if (v == 0) throw Error(ErrorCode::kProgramLimitExceeded, "null character not permitted");
    if (v > 0x10ffff)
      throw Error(ErrorCode::kProgramLimitExceeded, fmt::format("requested character too large for encoding: {}", v));
    if (v >= 0xd800 && v <= 0xdfff)
      throw Error(ErrorCode::kProgramLimitExceeded, fmt::format("requested character not valid for encoding: {}", v));
    std::string out;
    utf8_append(static_cast<uint32_t>(v), out);
    return c.text(out);
  });
  r.add("to_hex32", [](FnCall& c) { return c.text(fmt::format("{:x}", static_cast<uint32_t>(c.arg(0).bits))); });
  r.add("to_hex64", [](FnCall& c) { return c.text(fmt::format("{:x}", c.arg(0).bits)); });
}

// ---- casts

void register_casts(FunctionRegistry& r) {
  r.add("char_text", [](FnCall& c) {
    char ch = static_cast<char>(c.arg(0).bits);
    if (static_cast<uint8_t>(ch) & 0x80) {
      uint8_t u = static_cast<uint8_t>(ch);
      return c.text(fmt::format("\\{}{}{}", u >> 6, u >> 3 & 7, u & 7));
    }
    return c.text(ch == 0 ? std::string_view() : std::string_view(&ch, 1));
  });
  r.add("char_bpchar", [](FnCall& c) {
    char ch = static_cast<char>(c.arg(0).bits);
    return c.text(ch == 0 ? std::string_view() : std::string_view(&ch, 1));
  });
  r.add("text_char", [](FnCall& c) {
    std::string_view s = c.text_arg(0);
    if (s.size() == 4 && s[0] == '\\' && s[1] >= '0' && s[1] <= '3')
      return Datum{static_cast<uint64_t>((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'))};
    return Datum{s.empty() ? 0ull : static_cast<uint8_t>(s[0])};
  });
  for (const char* n : {"name_text", "name_bpchar"}) r.add(n, [](FnCall& c) { return c.arg(0); });
  r.add("text_name", [](FnCall& c) { return c.text(utf8_clip(c.text_arg(0), kNameLength)); });
  r.add("bpchar_name", [](FnCall& c) { return c.text(trimmed(utf8_clip(c.text_arg(0), kNameLength))); });
  r.add("nameconcatoid", [](FnCall& c) {
    std::string suffix = "_" + std::to_string(c.arg(1).as_oid());
    return c.text(std::string(utf8_clip(c.text_arg(0), kNameLength - suffix.size())) + suffix);
  });
}

// ---- any-typed concatenation

void append_value(FnCall& c, int i, std::string& out) { type_output(c.arg_types[i], c.arg(i), out, *c.context); }

// Calls fn(type, datum) for each argument from `first` on that is not NULL.
template <typename F>
void each_variadic(FnCall& c, int first, F fn) {
  if (c.variadic_array) {
    if (c.is_null(first)) return;
    ArrayView a(c.arg(first));
    for (int i = 0; i < a.count(); ++i) fn(a.element(), a.at(i));
    return;
  }
  for (int i = first; i < c.nargs; ++i) fn(c.arg_types[i], NullableDatum{c.arg(i), c.is_null(i)});
}

Datum concat(FnCall& c) {
  if (c.variadic_array && c.is_null(0)) return c.null();
  std::string out;
  each_variadic(c, 0, [&](Oid type, NullableDatum v) {
    if (!v.is_null) type_output(type, v.value, out, *c.context);
  });
  return c.text(out);
}
Datum concat_ws(FnCall& c) {
  if (c.is_null(0) || (c.variadic_array && c.is_null(1))) return c.null();
  std::string out;
  bool first = true;
  each_variadic(c, 1, [&](Oid type, NullableDatum v) {
    if (v.is_null) return;
    if (!first) out += c.text_arg(0);
    first = false;
    type_output(type, v.value, out, *c.context);
  });
  return c.text(out);
}

class Formatter {
 public:
  explicit Formatter(FnCall& c) : c_(c), format_(c.text_arg(0)) {
    if (c.nargs > 1) each_variadic(c, 1, [&](Oid type, NullableDatum v) { args_.push_back({type, v}); });
  }
  std::string run() {
    std::string out;
    for (i_ = 0; i_ < format_.size(); ++i_) {
      if (format_[i_] != '%') {
        out += format_[i_];
        continue;
      }
      advance();
      if (format_[i_] == '%') {
        out += '%';
        continue;
      }
      directive(out);
    }
    return out;
  }

 private:
  void advance() {
    if (++i_ >= format_.size())
      throw Error(ErrorCode::kInvalidParameterValue, "unterminated format() type specifier")
          .hint("For a single \"%\" use \"%%\".");
  }
  bool number(int& v) {
    if (!std::isdigit(static_cast<unsigned char>(format_[i_]))) return false;
    int64_t n = 0;
    while (std::isdigit(static_cast<unsigned char>(format_[i_]))) {
      n = n * 10 + (format_[i_] - '0');
      if (n > INT32_MAX) throw Error(ErrorCode::kNumericValueOutOfRange, "number is out of range");
      advance();
    }
    v = static_cast<int>(n);
    return true;
  }
  NullableDatum take(int position, Oid& type) {
    if (position > 0) next_ = position;
    else position = ++next_;
    if (position > static_cast<int>(args_.size()))
      throw Error(ErrorCode::kInvalidParameterValue, "too few arguments for format()");
    type = args_[static_cast<size_t>(position - 1)].first;
    return args_[static_cast<size_t>(position - 1)].second;
  }
  void directive(std::string& out) {
    int position = -1, width = 0, n = 0;
    bool left = false, width_from_arg = false;
    int width_position = -1;
    if (number(n)) {
      if (format_[i_] != '$') {
        width = n;
      } else {
        position = n;
        if (n == 0)
          throw Error(ErrorCode::kInvalidParameterValue, "format specifies argument 0, but arguments are numbered from 1");
        advance();
      }
    }
    if (width == 0) {
      while (format_[i_] == '-') {
        left = true;
        advance();
      }
      if (format_[i_] == '*') {
        advance();
        width_from_arg = true;
        if (number(n)) {
          if (format_[i_] != '$')
            throw Error(ErrorCode::kInvalidParameterValue, "width argument position must be ended by \"$\"");
          if (n == 0)
            throw Error(ErrorCode::kInvalidParameterValue, "format specifies argument 0, but arguments are numbered from 1");
          width_position = n;
          advance();
        }
      } else if (number(n)) {
        width = n;
      }
    }
    char kind = format_[i_];
    if (kind != 's' && kind != 'I' && kind != 'L')
      throw Error(ErrorCode::kInvalidParameterValue,
                  fmt::format("unrecognized format() type specifier \"{}\"",
                              format_.substr(i_, utf8_front(format_.substr(i_)))))
          .hint("For a single \"%\" use \"%%\".");
    Oid type = 0;
    if (width_from_arg) {
      NullableDatum w = take(width_position, type);
      if (!w.is_null) {
        std::string text;
        type_output(type, w.value, text, *c_.context);
        width = static_cast<int>(parse_int4(text));
      }
      if (width < 0) {
        left = true;
        width = -width;
      }
    }
    NullableDatum v = take(position, type);
    std::string text;
    if (v.is_null) {
      if (kind == 'I') throw Error(ErrorCode::kNullValueNotAllowed, "null values cannot be formatted as an SQL identifier");
      if (kind == 'L') text = "NULL";
    } else {
      type_output(type, v.value, text, *c_.context);
      if (kind == 'I') text = quote_identifier(text);
      if (kind == 'L') text = quote_literal(text);
    }
    size_t length = utf8_length(text);
    size_t padding = static_cast<size_t>(width) > length ? static_cast<size_t>(width) - length : 0;
    if (!left) out.append(padding, ' ');
    out += text;
    if (left) out.append(padding, ' ');
  }

  FnCall& c_;
  std::string_view format_;
  std::vector<std::pair<Oid, NullableDatum>> args_;
  size_t i_ = 0;
  int next_ = 0;
};

Datum format_text(FnCall& c) {
  if (c.is_null(0)) return c.null();
  return c.text(Formatter(c).run());
}

void register_concatenation(FunctionRegistry& r) {
  r.add("text_concat", concat);
  r.add("text_concat_ws", concat_ws);
  r.add("text_format", format_text);
  r.add("text_format_nv", format_text);
  r.add("sql:textanycat/text,anynonarray", [](FnCall& c) {
    std::string out(c.text_arg(0));
    // As a cast to text: booleans in full.
    if (c.arg_types[1] == oid::kBool) out += c.arg(1).as_bool() ? "true" : "false";
    else append_value(c, 1, out);
    return c.text(out);
  });
  r.add("sql:anytextcat/anynonarray,text", [](FnCall& c) {
    std::string out;
    if (c.arg_types[0] == oid::kBool) out = c.arg(0).as_bool() ? "true" : "false";
    else append_value(c, 0, out);
    out += c.text_arg(1);
    return c.text(out);
  });
  r.add("quote_ident", [](FnCall& c) { return c.text(quote_identifier(c.text_arg(0))); });
  r.add("quote_literal", [](FnCall& c) { return c.text(quote_literal(c.text_arg(0))); });
  r.add("quote_nullable", [](FnCall& c) { return c.text(c.is_null(0) ? "NULL" : quote_literal(c.text_arg(0))); });
  for (const char* n : {"sql:quote_literal/anyelement", "sql:quote_nullable/anyelement"})
    r.add(n, [](FnCall& c) {
      if (c.is_null(0)) return c.text("NULL");
      std::string s;
      append_value(c, 0, s);
      return c.text(quote_literal(s));
    });
}

// ---- Unicode

Datum unistr(FnCall& c) {
  std::string_view s = c.text_arg(0);
  std::string out;
  uint32_t high = 0;
  auto bad_pair = [] { throw Error(ErrorCode::kSyntaxError, "invalid Unicode surrogate pair"); };
  for (size_t i = 0; i < s.size();) {
    if (s[i] != '\\') {
      if (high != 0) bad_pair();
      out += s[i++];
      continue;
    }
    if (i + 1 < s.size() && s[i + 1] == '\\') {
      if (high != 0) bad_pair();
      out += '\\';
      i += 2;
      continue;
    }
    auto hex = [&](size_t from, size_t n) -> int64_t {
      if (from + n > s.size()) return -1;
      int64_t v = 0;
      for (size_t k = from; k < from + n; ++k) {
        if (!std::isxdigit(static_cast<unsigned char>(s[k]))) return -1;
        v = v * 16 + (std::isdigit(static_cast<unsigned char>(s[k])) ? s[k] - '0' : (s[k] | 32) - 'a' + 10);
      }
      return v;
    };
    int64_t v = -1;
    size_t used = 0;
    if (i + 1 < s.size() && s[i + 1] == 'u') { v = hex(i + 2, 4); used = 6; }
    else if (i + 1 < s.size() && s[i + 1] == 'U') { v = hex(i + 2, 8); used = 10; }
    else if (i + 1 < s.size() && s[i + 1] == '+') { v = hex(i + 2, 6); used = 8; }
    else { v = hex(i + 1, 4); used = 5; }
    if (v < 0)
      throw Error(ErrorCode::kSyntaxError, "invalid Unicode escape")
          .hint("Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX.");
    if (v == 0 || v > 0x10ffff)
      throw Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid Unicode code point: {:04X}", v));
    uint32_t cp = static_cast<uint32_t>(v);
    if (high != 0) {
      if (cp < 0xdc00 || cp > 0xdfff) bad_pair();
      cp = 0x10000 + ((high - 0xd800) << 10) + (cp - 0xdc00);
      high = 0;
    } else if (cp >= 0xdc00 && cp <= 0xdfff) {
      bad_pair();
    }
    if (cp >= 0xd800 && cp <= 0xdbff) high = cp;
    else utf8_append(cp, out);
    i += used;
  }
  if (high != 0) bad_pair();
  return c.text(out);
}

const icu::Normalizer2* normalizer(std::string_view form) {
  UErrorCode status = U_ZERO_ERROR;
  auto is = [&](const char* name) { return form.size() == std::strlen(name) && strncasecmp(form.data(), name, form.size()) == 0; };
  if (is("NFC")) return icu::Normalizer2::getNFCInstance(status);
  if (is("NFD")) return icu::Normalizer2::getNFDInstance(status);
  if (is("NFKC")) return icu::Normalizer2::getNFKCInstance(status);
  if (is("NFKD")) return icu::Normalizer2::getNFKDInstance(status);
  throw Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid normalization form: {}", form));
}
icu::UnicodeString to_icu(std::string_view s) {
  return icu::UnicodeString::fromUTF8(icu::StringPiece(s.data(), static_cast<int32_t>(s.size())));
}

// ---- parse_ident

Datum parse_ident(FnCall& c) {
  std::string_view s = c.text_arg(0);
  bool strict = c.arg(1).as_bool();
  auto fail = [&](std::string detail) {
    Error e(ErrorCode::kInvalidParameterValue, fmt::format("string is not a valid identifier: \"{}\"", s));
    if (detail.empty()) throw e;
    throw std::move(e).detail(std::move(detail));
  };
  auto start = [](char ch) { return std::isalpha(static_cast<unsigned char>(ch)) || ch == '_' || (ch & 0x80); };
  auto part = [&](char ch) { return start(ch) || std::isdigit(static_cast<unsigned char>(ch)) || ch == '$'; };
  auto space = [](char ch) { return ch == ' ' || (ch >= '\t' && ch <= '\r'); };
  std::vector<std::string> names;
  size_t i = 0;
  while (i < s.size() && space(s[i])) ++i;
  bool after_dot = false;
  for (;;) {
    bool missing = true;
    if (i < s.size() && s[i] == '"') {
      std::string name;
      for (++i;; ++i) {
        if (i >= s.size()) fail("String has unclosed double quotes.");
        if (s[i] == '"') {
          if (i + 1 < s.size() && s[i + 1] == '"') ++i;
          else break;
        }
        name += s[i];
      }
      ++i;
      if (name.empty()) fail("Quoted identifier must not be empty.");
      names.push_back(name);
      missing = false;
    } else if (i < s.size() && start(s[i])) {
      size_t from = i;
      while (i < s.size() && part(s[i])) ++i;
      names.push_back(text_lower(s.substr(from, i - from), oid::kDefaultCollation));
      missing = false;
    }
    if (missing) {
      if (i < s.size() && s[i] == '.') fail("No valid identifier before \".\".");
      if (after_dot) fail("No valid identifier after \".\".");
      fail("");
    }
    while (i < s.size() && space(s[i])) ++i;
    if (i < s.size() && s[i] == '.') {
      after_dot = true;
      ++i;
      while (i < s.size() && space(s[i])) ++i;
      continue;
    }
    if (i >= s.size() || !strict) break;
    fail("");
  }
  return make_text_array(std::span<const std::string>(names), *c.arena);
}

void register_unicode(FunctionRegistry& r) {
  r.add("unistr", unistr);
  r.add("unicode_normalize_func", [](FnCall& c) {
    UErrorCode status = U_ZERO_ERROR;
    std::string out;
    normalizer(c.text_arg(1))->normalize(to_icu(c.text_arg(0)), status).toUTF8String(out);
    return c.text(out);
  });
  r.add("unicode_is_normalized", [](FnCall& c) {
    UErrorCode status = U_ZERO_ERROR;
    return Datum::from_bool(normalizer(c.text_arg(1))->isNormalized(to_icu(c.text_arg(0)), status));
  });
  r.add("parse_ident", parse_ident);
  for (const char* n : {"getdatabaseencoding", "pg_client_encoding"}) r.add(n, [](FnCall& c) { return c.text("UTF8"); });
  r.add("PG_encoding_to_char", [](FnCall& c) { return c.text(c.int_arg(0) == 6 ? "UTF8" : c.int_arg(0) == 0 ? "SQL_ASCII" : c.int_arg(0) == 8 ? "LATIN1" : ""); });
  r.add("PG_char_to_encoding", [](FnCall& c) {
    std::string s = text_upper(c.text_arg(0), oid::kCCollation);
    return Datum::from_int(s == "UTF8" || s == "UTF-8" || s == "UNICODE" ? 6 : s == "SQL_ASCII" ? 0 : s == "LATIN1" ? 8 : -1);
  });
  r.add("pg_encoding_max_length_sql", [](FnCall& c) { return c.int_arg(0) == 6 ? Datum::from_int(4) : c.int_arg(0) < 0 ? c.null() : Datum::from_int(1); });
}

}  // namespace

void register_text_functions(FunctionRegistry& r) {
  register_comparison(r);
  register_pieces(r);
  register_casts(r);
  register_concatenation(r);
  register_unicode(r);
}

}  // namespace stele
