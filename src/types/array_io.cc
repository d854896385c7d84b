#include "base/codec.h"
#include "base/error.h"
#include "types/array.h"
#include "types/builtin.h"
#include "types/composite_io.h"
#include "types/format_type.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele {
namespace {

char delimiter_of(Oid element, EvalContext& ctx) {
  if (const BuiltinType* t = builtin::type(element)) return t->delimiter;
  return ctx.catalog != nullptr ? ctx.catalog->type_facts(element).delimiter : ',';
}

// One pass over the literal: the states follow array_in's grammar.
class ArrayParser {
 public:
  ArrayParser(std::string_view text, Oid element, int32_t typmod, Arena& arena, EvalContext& ctx)
      : text_(text), element_(element), typmod_(typmod), delimiter_(delimiter_of(element, ctx)),
        arena_(arena), ctx_(ctx), builder_(element_info(element, &ctx)) {}

  Datum parse() {
    size_t i = 0;
    while (i < text_.size() && is_array_space(text_[i])) ++i;
    parse_bounds(i);
    while (i < text_.size() && is_array_space(text_[i])) ++i;
    if (i >= text_.size() || text_[i] != '{') {
      if (lowers_.empty()) fail("Array value must start with \"{\" or dimension information.");
      fail("Array contents must start with \"{\".");
    }
    parse_contents(i);
    for (; i < text_.size(); ++i)
      if (!is_array_space(text_[i])) fail("Junk after closing right brace.");
    if (builder_.size() == 0) {
      if (!lowers_.empty()) fail("Specified array dimensions do not match array contents.");
      return builder_.finish(arena_);
    }
    std::vector<int> lengths(dims_.begin(), dims_.begin() + depth_);
    if (lowers_.empty()) {
      lowers_.assign(lengths.size(), 1);
    } else if (lengths != lengths_) {
      fail("Specified array dimensions do not match array contents.");
    }
    return builder_.finish(arena_, lengths, lowers_);
  }

 private:
  enum class State { kNoLevel, kLevelStarted, kElement, kQuoted, kElementDone, kDelimited, kLevelDone, kLevelDelimited };

  [[noreturn]] void fail(std::string detail) {
    throw Error(ErrorCode::kInvalidTextRepresentation, fmt::format("malformed array literal: \"{}\"", text_))
        .detail(std::move(detail));
  }
  [[noreturn]] void unexpected(char c) { fail(fmt::format("Unexpected \"{}\" character.", c)); }

  int parse_number(size_t& i) {
    size_t start = i;
    if (i < text_.size() && (text_[i] == '-' || text_[i] == '+')) ++i;
    while (i < text_.size() && text_[i] >= '0' && text_[i] <= '9') ++i;
    if (i == start) fail("Missing array dimension value.");
    errno = 0;
    long v = std::strtol(std::string(text_.substr(start, i - start)).c_str(), nullptr, 10);
    if (v > std::numeric_limits<int>::max() || v < std::numeric_limits<int>::min())
      throw Error(ErrorCode::kProgramLimitExceeded, "array bound is out of integer range");
    return static_cast<int>(v);
  }

  void parse_bounds(size_t& i) {
    while (i < text_.size() && text_[i] == '[') {
      ++i;
      if (lengths_.size() >= kMaxDim)
        throw Error(ErrorCode::kProgramLimitExceeded,
                    fmt::format("number of array dimensions ({}) exceeds the maximum allowed ({})",
                                lengths_.size() + 1, kMaxDim));
      if (i >= text_.size() || !(text_[i] == '-' || text_[i] == '+' || (text_[i] >= '0' && text_[i] <= '9')))
        fail("\"[\" must introduce explicitly-specified array dimensions.");
      int low = 1, high = parse_number(i);
      if (i < text_.size() && text_[i] == ':') {
        low = high;
        ++i;
        high = parse_number(i);
      }
      if (i >= text_.size() || text_[i] != ']') fail("Missing \"]\" after array dimensions.");
      ++i;
      if (high < low) throw Error(ErrorCode::kArraySubscriptError, "upper bound cannot be less than lower bound");
      lengths_.push_back(static_cast<int>(int64_t{high} - low + 1));
      lowers_.push_back(low);
      while (i < text_.size() && is_array_space(text_[i])) ++i;
    }
    if (lengths_.empty()) return;
    if (text_.substr(i, 1) != "=") fail("Missing \"=\" after array dimensions.");
    ++i;
    array_item_count(lengths_);
  }

  void finish_element(std::string_view raw, bool literal) {
    if (!literal && raw.size() == 4 && strncasecmp(raw.data(), "null", 4) == 0) builder_.add_null();
    else builder_.add(type_input(element_, raw, typmod_, arena_, ctx_));
    ++counts_[level_ - 1];
    if (depth_known_ && level_ != depth_) mismatch();
    depth_ = level_;
    depth_known_ = true;
  }
  [[noreturn]] void mismatch() {
    fail("Multidimensional arrays must have sub-arrays with matching dimensions.");
  }

  void parse_contents(size_t& i) {
    State state = State::kNoLevel;
    std::string element;      // of the element being read
    size_t kept = 0;          // trailing unquoted spaces beyond this are dropped
    bool literal = false;     // quoted or escaped: not NULL
    auto end_element = [&] {
      element.resize(kept);
      finish_element(element, literal);
    };
    auto begin_element = [&] { element.clear(); kept = 0; literal = false; };
    auto may_start = [&] {
      return state == State::kLevelStarted || state == State::kDelimited;
    };
    for (;; ++i) {
      if (i >= text_.size()) fail("Unexpected end of input.");
      char c = text_[i];
      if (c == '\\') {
        if (!may_start() && state != State::kElement) unexpected('\\');
        if (state != State::kElement) begin_element();
        state = State::kElement;
        if (++i >= text_.size()) fail("Unexpected end of input.");
        element.push_back(text_[i]);
        kept = element.size();
        literal = true;
      } else if (c == '"') {
        if (!may_start()) fail("Unexpected array element.");
        begin_element();
        literal = true;
        for (++i;; ++i) {
          if (i >= text_.size()) fail("Unexpected end of input.");
          if (text_[i] == '"') break;
          if (text_[i] == '\\' && ++i >= text_.size()) fail("Unexpected end of input.");
          element.push_back(text_[i]);
        }
        kept = element.size();
        state = State::kQuoted;
      } else if (c == '{') {
        if (state != State::kNoLevel && state != State::kLevelStarted && state != State::kLevelDelimited) unexpected('{');
        if (level_ >= kMaxDim)
          throw Error(ErrorCode::kProgramLimitExceeded,
                      fmt::format("number of array dimensions ({}) exceeds the maximum allowed ({})", level_ + 1, kMaxDim));
        counts_[level_++] = 0;
        state = State::kLevelStarted;
      } else if (c == '}') {
        if (state == State::kElement || state == State::kQuoted) end_element();
        else if (state != State::kLevelDone && !(state == State::kLevelStarted && level_ == 1)) unexpected('}');
        --level_;
        if (dims_[level_] >= 0 && dims_[level_] != counts_[level_]) mismatch();
        dims_[level_] = counts_[level_];
        if (level_ == 0) {
          ++i;
          return;
        }
        ++counts_[level_ - 1];
        state = State::kLevelDone;
      } else if (c == delimiter_) {
        if (state == State::kElement || state == State::kQuoted) {
          end_element();
          state = State::kDelimited;
        } else if (state == State::kLevelDone) {
          state = State::kLevelDelimited;
        } else {
          unexpected(c);
        }
      } else if (is_array_space(c)) {
        if (state == State::kElement) element.push_back(c);
      } else {
        if (!may_start() && state != State::kElement) fail("Unexpected array element.");
        if (state != State::kElement) begin_element();
        state = State::kElement;
        element.push_back(c);
        kept = element.size();
      }
    }
  }

  std::string_view text_;
  Oid element_;
  int32_t typmod_;
  char delimiter_;
  Arena& arena_;
  EvalContext& ctx_;
  ArrayBuilder builder_;
  std::vector<int> lengths_, lowers_;  // as specified
  int level_ = 0, depth_ = 0;
  bool depth_known_ = false;
  int counts_[kMaxDim] = {};
  std::array<int, kMaxDim> dims_ = {-1, -1, -1, -1, -1, -1};
};

bool needs_quotes(std::string_view s, char delimiter) {
  if (s.empty() || (s.size() == 4 && strncasecmp(s.data(), "null", 4) == 0)) return true;
  for (char c : s)
    if (c == '"' || c == '\\' || c == '{' || c == '}' || c == delimiter || is_array_space(c)) return true;
  return false;
}

}  // namespace

Datum array_input(Oid element, std::string_view text, int32_t typmod, Arena& arena, EvalContext& ctx) {
  return ArrayParser(text, element, typmod, arena, ctx).parse();
}

void array_output(Datum array, std::string& out, EvalContext& ctx) {
  ArrayView a(array);
  if (a.ndim() == 0) {
    out += "{}";
    return;
  }
  char delimiter = delimiter_of(a.element(), ctx);
  bool bounds = false;
  for (int d = 0; d < a.ndim(); ++d) bounds |= a.lower(d) != 1;
  if (bounds) {
    for (int d = 0; d < a.ndim(); ++d)
      out += fmt::format("[{}:{}]", a.lower(d), int64_t{a.lower(d)} + a.length(d) - 1);
    out += '=';
  }
  std::string item;
  std::vector<int> at(static_cast<size_t>(a.ndim()), 0);
  int last = a.ndim() - 1;
  out.append(static_cast<size_t>(a.ndim()), '{');
  for (int i = 0; i < a.count(); ++i) {
    if (a.is_null(i)) {
      out += "NULL";
    } else {
      item.clear();
      type_output(a.element(), a.get(i), item, ctx);
      if (needs_quotes(item, delimiter)) {
        out += '"';
        for (char c : item) {
          if (c == '"' || c == '\\') out += '\\';
          out += c;
        }
        out += '"';
      } else {
        out += item;
      }
    }
    // Close the levels that end here, open them again if there is more.
    int d = last, closed = 0;
    while (d >= 0 && ++at[static_cast<size_t>(d)] == a.length(d)) {
      at[static_cast<size_t>(d)] = 0;
      --d;
      ++closed;
    }
    out.append(static_cast<size_t>(closed), '}');
    if (d >= 0) {
      out += delimiter;
      out.append(static_cast<size_t>(closed), '{');
    }
  }
}

Datum array_receive(Oid element, std::string_view bytes, int32_t typmod, Arena& arena, EvalContext& ctx) {
  Reader in(bytes);
  int ndim = static_cast<int>(in.be32());
  if (ndim < 0)
    throw Error(ErrorCode::kInvalidBinaryRepresentation, fmt::format("invalid number of dimensions: {}", ndim));
  if (ndim > kMaxDim)
    throw Error(ErrorCode::kProgramLimitExceeded,
                fmt::format("number of array dimensions ({}) exceeds the maximum allowed ({})", ndim, kMaxDim));
  uint32_t flags = in.be32();
  if (flags > 1) throw Error(ErrorCode::kInvalidBinaryRepresentation, "invalid array flags");
  Oid sent = in.be32();
  if (sent != element)
    throw Error(ErrorCode::kDatatypeMismatch,
                fmt::format("binary data has array element type {} ({}) instead of expected {} ({})", sent,
                            format_type_sql(sent, -1, nullptr), element, format_type_sql(element, -1, &ctx)));
  std::vector<int> lengths, lowers;
  for (int d = 0; d < ndim; ++d) {
    lengths.push_back(static_cast<int>(in.be32()));
    lowers.push_back(static_cast<int>(in.be32()));
  }
  auto truncated = [] { throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message"); };
  if (!in.ok()) truncated();
  int n = array_item_count(lengths);
  ArrayBuilder b(element_info(element, &ctx));
  if (n == 0) return b.finish(arena);
  for (int i = 0; i < n; ++i) {
    int32_t size = static_cast<int32_t>(in.be32());
    if (!in.ok()) truncated();
    if (size == -1) {
      b.add_null();
      continue;
    }
    if (size < 0) throw Error(ErrorCode::kInvalidBinaryRepresentation, "insufficient data left in message");
    std::string_view item = in.bytes(static_cast<size_t>(size));
    if (!in.ok()) throw Error(ErrorCode::kInvalidBinaryRepresentation, "insufficient data left in message");
    b.add(type_receive(element, item, typmod, arena, ctx));
  }
  return b.finish(arena, lengths, lowers);
}

void array_send(Datum array, std::string& out, EvalContext& ctx) {
  ArrayView a(array);
  put_be32(out, static_cast<uint32_t>(a.ndim()));
  put_be32(out, a.has_nulls() ? 1 : 0);
  put_be32(out, a.element());
  for (int d = 0; d < a.ndim(); ++d) {
    put_be32(out, static_cast<uint32_t>(a.length(d)));
    put_be32(out, static_cast<uint32_t>(a.lower(d)));
  }
  for (int i = 0; i < a.count(); ++i) {
    size_t at = out.size();
    put_be32(out, 0xffffffffu);
    if (a.is_null(i)) continue;
    type_send(a.element(), a.get(i), out, ctx);
    store_be32(out.data() + at, static_cast<uint32_t>(out.size() - at - 4));
  }
}

}  // namespace stele
