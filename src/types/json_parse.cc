// JSON text to trees, with PostgreSQL's reports of what is wrong and where.
#include "base/error.h"
#include "types/jsonb.h"

namespace stele {

namespace {

enum class Token : uint8_t { kString, kNumber, kTrue, kFalse, kNull, kObjectOpen, kObjectClose, kArrayOpen, kArrayClose, kComma, kColon, kEnd };

constexpr int kMaxDepth = 2500;

bool alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80) != 0;
}
int char_length(std::string_view in, size_t at) {
  unsigned char c = static_cast<unsigned char>(in[at]);
  int n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
  return static_cast<int>(std::min<size_t>(static_cast<size_t>(n), in.size() - at));
}
void put_utf8(uint32_t c, std::string& out) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xc0 | c >> 6));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | c >> 12));
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else {
    out.push_back(static_cast<char>(0xf0 | c >> 18));
    out.push_back(static_cast<char>(0x80 | (c >> 12 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  }
}

class Parser {
 public:
  Parser(std::string_view in, Arena* arena, bool unescape) : in_(in), arena_(arena), unescape_(unescape) {}

  void document(JsonNode* out) {
    lex();
    value(out, 0);
    if (token_ != Token::kEnd) expected("end of input");
  }

 private:
  [[noreturn]] void fail(std::string detail, ErrorCode code = ErrorCode::kInvalidTextRepresentation,
                         const char* message = "invalid input syntax for type json") {
    size_t start = line_start_, end = end_;
    while (end > start && end - start >= 50) start += static_cast<size_t>(char_length(in_, start));
    if (start - line_start_ <= 3) start = line_start_;
    const char* prefix = start > line_start_ ? "..." : "";
    const char* suffix = token_ != Token::kEnd && end < in_.size() && in_[end] != '\n' && in_[end] != '\r' ? "..." : "";
    throw Error(code, message)
        .detail(std::move(detail))
        .context(fmt::format("JSON data, line {}: {}{}{}", line_, prefix, in_.substr(start, end > start ? end - start : 0), suffix));
  }
  std::string token_text() const { return std::string(in_.substr(start_, end_ - start_)); }
  [[noreturn]] void expected(const char* what) {
    if (token_ == Token::kEnd) fail("The input string ended unexpectedly.");
    fail(fmt::format("Expected {}, but found \"{}\".", what, token_text()));
  }
  [[noreturn]] void invalid_token(size_t end) {
    end_ = end;
    token_ = Token::kNull;  // anything but the end
    fail(fmt::format("Token \"{}\" is invalid.", token_text()));
  }

  void lex() {
    size_t p = end_;
    while (p < in_.size() && (in_[p] == ' ' || in_[p] == '\t' || in_[p] == '\n' || in_[p] == '\r')) {
      if (in_[p++] == '\n') {
        ++line_;
        line_start_ = p;
      }
    }
    previous_end_ = end_;
    start_ = p;
    if (p >= in_.size()) {
      end_ = p;
      token_ = Token::kEnd;
      return;
    }
    switch (char c = in_[p]) {
      case '{': token_ = Token::kObjectOpen; end_ = p + 1; return;
      case '}': token_ = Token::kObjectClose; end_ = p + 1; return;
      case '[': token_ = Token::kArrayOpen; end_ = p + 1; return;
      case ']': token_ = Token::kArrayClose; end_ = p + 1; return;
      case ',': token_ = Token::kComma; end_ = p + 1; return;
      case ':': token_ = Token::kColon; end_ = p + 1; return;
      case '"': lex_string(p); return;
      default:
        if (c == '-' || (c >= '0' && c <= '9')) {
          lex_number(p);
          return;
        }
        while (p < in_.size() && alphanumeric(in_[p])) ++p;
        if (p == start_) invalid_token(p + 1);
        std::string_view word = in_.substr(start_, p - start_);
        if (word == "true") token_ = Token::kTrue;
        else if (word == "false") token_ = Token::kFalse;
        else if (word == "null") token_ = Token::kNull;
        else invalid_token(p);
        end_ = p;
    }
  }

  void lex_number(size_t p) {
    bool error = false;
    auto digit = [&] { return p < in_.size() && in_[p] >= '0' && in_[p] <= '9'; };
    if (in_[p] == '-') ++p;
    if (p < in_.size() && in_[p] == '0') ++p;
    else if (digit()) while (digit()) ++p;
    else error = true;
    if (p < in_.size() && in_[p] == '.') {
      ++p;
      if (!digit()) error = true;
      while (digit()) ++p;
    }
    if (p < in_.size() && (in_[p] == 'e' || in_[p] == 'E')) {
      ++p;
      if (p < in_.size() && (in_[p] == '+' || in_[p] == '-')) ++p;
      if (!digit()) error = true;
      while (digit()) ++p;
    }
    while (p < in_.size() && alphanumeric(in_[p])) {
      ++p;
      error = true;
    }
    if (error) invalid_token(p);
    end_ = p;
    token_ = Token::kNumber;
  }

  void surrogate_error(const char* detail, size_t p) {
    end_ = p + static_cast<size_t>(char_length(in_, p));
    token_ = Token::kString;
    fail(detail);
  }

  void lex_string(size_t p) {
    size_t begin = ++p;
    bool escaped = false;
    // The common case: nothing to decode.
    while (p < in_.size() && in_[p] != '"' && in_[p] != '\\' && static_cast<unsigned char>(in_[p]) >= 32) ++p;
    std::string decoded;
    int high = -1;
    size_t copied = begin;
    for (;; ++p) {
      if (p >= in_.size()) invalid_token(p);
      unsigned char c = static_cast<unsigned char>(in_[p]);
      if (c == '"') break;
      if (c < 32) {
        end_ = p;
        token_ = Token::kString;
        fail(fmt::format("Character with value 0x{:02x} must be escaped.", c));
      }
      if (c != '\\') {
        if (unescape_ && high != -1) surrogate_error("Unicode low surrogate must follow a high surrogate.", p);
        continue;
      }
      if (unescape_) {
        if (!escaped) decoded.assign(in_.substr(begin, p - begin));
        else decoded.append(in_.substr(copied, p - copied));
        escaped = true;
      }
      ++p;
      if (p >= in_.size()) invalid_token(p);
      char e = in_[p];
      if (e == 'u') {
        uint32_t code = 0;
        for (int i = 0; i < 4; ++i) {
          ++p;
          if (p >= in_.size()) invalid_token(p);
          char h = in_[p];
          if (h >= '0' && h <= '9') code = code * 16 + static_cast<uint32_t>(h - '0');
          else if (h >= 'a' && h <= 'f') code = code * 16 + static_cast<uint32_t>(h - 'a' + 10);
          else if (h >= 'A' && h <= 'F') code = code * 16 + static_cast<uint32_t>(h - 'A' + 10);
          else {
            end_ = p + static_cast<size_t>(char_length(in_, p));
            token_ = Token::kString;
            fail("\"\\u\" must be followed by four hexadecimal digits.");
          }
        }
        if (unescape_) {
          if (code >= 0xd800 && code <= 0xdbff) {
            if (high != -1) surrogate_error("Unicode high surrogate must not follow a high surrogate.", p);
            high = static_cast<int>(code);
            copied = p + 1;
            continue;
          }
          if (code >= 0xdc00 && code <= 0xdfff) {
            if (high == -1) surrogate_error("Unicode low surrogate must follow a high surrogate.", p);
            code = 0x10000 + ((static_cast<uint32_t>(high) & 0x3ff) << 10) + (code & 0x3ff);
            high = -1;
          }
          if (high != -1) surrogate_error("Unicode low surrogate must follow a high surrogate.", p);
          if (code == 0) {
            end_ = p + 1;
            token_ = Token::kString;
            fail("\\u0000 cannot be converted to text.", ErrorCode::kUntranslatableCharacter,
                 "unsupported Unicode escape sequence");
          }
          put_utf8(code, decoded);
          copied = p + 1;
        }
        continue;
      }
      if (unescape_ && high != -1) surrogate_error("Unicode low surrogate must follow a high surrogate.", p);
      char plain;
      switch (e) {
        case '"': case '\\': case '/': plain = e; break;
        case 'b': plain = '\b'; break;
        case 'f': plain = '\f'; break;
        case 'n': plain = '\n'; break;
        case 'r': plain = '\r'; break;
        case 't': plain = '\t'; break;
        default:
          start_ = p;
          end_ = p + static_cast<size_t>(char_length(in_, p));
          token_ = Token::kString;
          fail(fmt::format("Escape sequence \"\\{}\" is invalid.", token_text()));
      }
      if (unescape_) {
        decoded.push_back(plain);
        copied = p + 1;
      }
    }
    if (unescape_ && high != -1) surrogate_error("Unicode low surrogate must follow a high surrogate.", p);
    if (escaped) {
      decoded.append(in_.substr(copied, p - copied));
      string_ = arena_ != nullptr ? arena_->copy(decoded) : std::string_view();
    } else {
      string_ = in_.substr(begin, p - begin);
    }
    end_ = p + 1;
    token_ = Token::kString;
  }

  void value(JsonNode* out, int depth) {
    if (depth > kMaxDepth)
      throw Error(ErrorCode::kStatementTooComplex, "stack depth limit exceeded")
          .hint("Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), after ensuring the platform's stack depth limit is adequate.");
    size_t begin = start_;
    switch (token_) {
      case Token::kObjectOpen: object(out, depth); break;
      case Token::kArrayOpen: array(out, depth); break;
      case Token::kString:
        if (out != nullptr) *out = JsonNode::string(string_);
        lex();
        break;
      case Token::kNumber:
        if (out != nullptr) {
          out->type = JsonType::kNumber;
          out->text = in_.substr(start_, end_ - start_);
        }
        lex();
        break;
      case Token::kTrue:
      case Token::kFalse:
        if (out != nullptr) *out = JsonNode::boolean(token_ == Token::kTrue);
        lex();
        break;
      case Token::kNull:
        lex();
        break;
      default:
        expected("JSON value");
    }
    if (out != nullptr) out->raw = in_.substr(begin, previous_end_ - begin);
  }

  void object(JsonNode* out, int depth) {
    if (out != nullptr) out->type = JsonType::kObject;
    lex();
    if (token_ == Token::kString) {
      member(out, depth);
      while (token_ == Token::kComma) {
        lex();
        member(out, depth);
      }
    } else if (token_ != Token::kObjectClose) {
      expected("string or \"}\"");
    }
    if (token_ != Token::kObjectClose) expected("\",\" or \"}\"");
    lex();
  }
  void member(JsonNode* out, int depth) {
    if (token_ != Token::kString) expected("string");
    std::string_view key = string_;
    lex();
    if (token_ != Token::kColon) expected("\":\"");
    lex();
    if (out == nullptr) {
      value(nullptr, depth + 1);
      return;
    }
    out->keys.push_back(key);
    out->items.emplace_back();
    JsonNode child;
    value(&child, depth + 1);
    out->items.back() = std::move(child);
  }
  void array(JsonNode* out, int depth) {
    if (out != nullptr) out->type = JsonType::kArray;
    lex();
    if (token_ != Token::kArrayClose) {
      for (;;) {
        if (out == nullptr) {
          value(nullptr, depth + 1);
        } else {
          JsonNode child;
          value(&child, depth + 1);
          out->items.push_back(std::move(child));
        }
        if (token_ != Token::kComma) break;
        lex();
      }
    }
    if (token_ != Token::kArrayClose) expected("\",\" or \"]\"");
    lex();
  }

  std::string_view in_;
  Arena* arena_;
  bool unescape_;
  Token token_ = Token::kEnd;
  size_t start_ = 0, end_ = 0, previous_end_ = 0, line_start_ = 0;
  int line_ = 1;
  std::string_view string_;
};

}  // namespace

JsonNode parse_json(std::string_view text, Arena& arena, bool unescape) {
  JsonNode root;
  Parser(text, &arena, unescape).document(&root);
  return root;
}
void check_json(std::string_view text) { Parser(text, nullptr, false).document(nullptr); }
bool is_valid_json(std::string_view text) {
  try {
    check_json(text);
    return true;
  } catch (const Error&) {
    return false;
  }
}

void put_json_string(std::string_view s, std::string& out) {
  out.push_back('"');
  size_t copied = 0;
  for (size_t i = 0; i < s.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(s[i]);
    if (c >= 32 && c != '"' && c != '\\') continue;
    out.append(s.substr(copied, i - copied));
    copied = i + 1;
    switch (c) {
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      default: fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
    }
  }
  out.append(s.substr(copied));
  out.push_back('"');
}

}  // namespace stele
