// to_char and to_number for numbers.
#include "base/error.h"
#include "types/formatting.h"
#include "types/function_helpers.h"
#include "types/numeric.h"
#include "types/oids.h"

namespace stele {

namespace {

enum Key : uint8_t { kComma, kDec, k0, k9, kB, kC, kD, kE, kFM, kG, kL, kMI, kPL, kPR, kRN, krn, kSG, kSP, kS, kTH, kth, kV };
struct Keyword { const char* name; Key id; };
// A longer name stands before its prefixes; names match in either case, all of one case.
constexpr Keyword kKeywords[] = {
    {",", kComma}, {".", kDec}, {"0", k0}, {"9", k9}, {"B", kB}, {"C", kC}, {"D", kD}, {"EEEE", kE}, {"FM", kFM}, {"G", kG},
    {"L", kL}, {"MI", kMI}, {"PL", kPL}, {"PR", kPR}, {"RN", kRN}, {"SG", kSG}, {"SP", kSP}, {"S", kS}, {"TH", kTH}, {"V", kV},
    {"b", kB}, {"c", kC}, {"d", kD}, {"eeee", kE}, {"fm", kFM}, {"g", kG}, {"l", kL}, {"mi", kMI}, {"pl", kPL}, {"pr", kPR},
    {"rn", krn}, {"sg", kSG}, {"sp", kSP}, {"s", kS}, {"th", kth}, {"v", kV}};

constexpr int kDecimal = 1, kLocalDecimal = 2, kZero = 4, kBlank = 8, kFillMode = 16, kLocalSign = 32, kBracket = 64, kMinus = 128,
              kPlus = 256, kRoman = 512, kMulti = 1024, kPlusPost = 2048, kMinusPost = 4096, kScientific = 8192;
enum SignPlace : uint8_t { kNowhere, kBefore, kAfter };

struct Node {
  bool action = false;
  Key id = kComma;
  std::string text;
};
struct Shape {
  int pre = 0, post = 0, flags = 0, pre_sign = 0, multi = 0, zero_start = 0, zero_end = 0;
  SignPlace sign = kNowhere;
  bool has(int f) const { return (flags & f) != 0; }
  std::vector<Node> nodes;
};

[[noreturn]] void syntax(const char* m) { throw Error(ErrorCode::kSyntaxError, m); }

void learn(Shape* s, Key id) {
  if (s->has(kScientific) && id != kE) syntax("\"EEEE\" must be the last pattern used");
  switch (id) {
    case k9:
      if (s->has(kBracket)) syntax("\"9\" must be ahead of \"PR\"");
      if (s->has(kMulti)) ++s->multi;
      else ++(s->has(kDecimal) ? s->post : s->pre);
      break;
    case k0:
      if (s->has(kBracket)) syntax("\"0\" must be ahead of \"PR\"");
      if (!s->has(kZero) && !s->has(kDecimal)) {
        s->flags |= kZero;
        s->zero_start = s->pre + 1;
      }
      ++(s->has(kDecimal) ? s->post : s->pre);
      s->zero_end = s->pre + s->post;
      break;
    case kB:
      if (s->pre == 0 && s->post == 0 && !s->has(kZero)) s->flags |= kBlank;
      break;
    case kD:
      s->flags |= kLocalDecimal;
      [[fallthrough]];
    case kDec:
      if (s->has(kDecimal)) syntax("multiple decimal points");
      if (s->has(kMulti)) syntax("cannot use \"V\" and decimal point together");
      s->flags |= kDecimal;
      break;
    case kFM: s->flags |= kFillMode; break;
    case kS:
      if (s->has(kLocalSign)) syntax("cannot use \"S\" twice");
      if (s->has(kPlus | kMinus | kBracket)) syntax("cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together");
      if (!s->has(kDecimal)) {
        s->sign = kBefore;
        s->pre_sign = s->pre;
        s->flags |= kLocalSign;
      } else if (s->sign == kNowhere) {
        s->sign = kAfter;
        s->flags |= kLocalSign;
      }
      break;
    case kMI:
      if (s->has(kLocalSign)) syntax("cannot use \"S\" and \"MI\" together");
      s->flags |= kMinus;
      if (s->has(kDecimal)) s->flags |= kMinusPost;
      break;
    case kPL:
      if (s->has(kLocalSign)) syntax("cannot use \"S\" and \"PL\" together");
      s->flags |= kPlus;
      if (s->has(kDecimal)) s->flags |= kPlusPost;
      break;
    case kSG:
      if (s->has(kLocalSign)) syntax("cannot use \"S\" and \"SG\" together");
      s->flags |= kMinus | kPlus;
      break;
    case kPR:
      if (s->has(kLocalSign | kPlus | kMinus)) syntax("cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together");
      s->flags |= kBracket;
      break;
    case kRN: case krn: s->flags |= kRoman; break;
    case kV:
      if (s->has(kDecimal)) syntax("cannot use \"V\" and decimal point together");
      s->flags |= kMulti;
      break;
    case kE:
      if (s->has(kScientific)) syntax("cannot use \"EEEE\" twice");
      if (s->has(kBlank | kFillMode | kLocalSign | kBracket | kMinus | kPlus | kRoman | kMulti))
        throw Error(ErrorCode::kSyntaxError, "\"EEEE\" is incompatible with other formats")
            .detail("\"EEEE\" may only be used together with digit and decimal point patterns.");
      s->flags |= kScientific;
      break;
    default: break;
  }
}

size_t char_size(std::string_view s) {
  unsigned char c = static_cast<unsigned char>(s[0]);
  return std::min<size_t>(c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4, s.size());
}
Shape parse_template(std::string_view f) {
  Shape s;
  while (!f.empty()) {
    const Keyword* key = nullptr;
    for (const Keyword& k : kKeywords)
      if (f.substr(0, std::strlen(k.name)) == k.name) {
        key = &k;
        break;
      }
    Node n;
    if (key != nullptr) {
      n.action = true;
      n.id = key->id;
      f.remove_prefix(std::strlen(key->name));
      learn(&s, n.id);
      s.nodes.push_back(n);
      continue;
    }
    auto literal = [&] {
      size_t size = char_size(f);
      n.text = std::string(f.substr(0, size));
      f.remove_prefix(size);
      s.nodes.push_back(n);
    };
    if (f[0] == '"') {
      f.remove_prefix(1);
      while (!f.empty()) {
        if (f[0] == '"') {
          f.remove_prefix(1);
          break;
        }
        if (f[0] == '\\' && f.size() > 1) f.remove_prefix(1);
        literal();
      }
    } else {
      if (f[0] == '\\' && f.size() > 1 && f[1] == '"') f.remove_prefix(1);
      literal();
    }
  }
  return s;
}

const char* ordinal(std::string_view number, bool capital) {
  char last = number.empty() ? '0' : number.back();
  if (number.size() > 1 && number[number.size() - 2] == '1') last = '0';
  switch (last) {
    case '1': return capital ? "ST" : "st";
    case '2': return capital ? "ND" : "nd";
    case '3': return capital ? "RD" : "rd";
    default: return capital ? "TH" : "th";
  }
}

// Writes the digits of `number` into the places of the template.
class Writer {
 public:
  Writer(Shape& s, std::string number, int spaces, char sign) : s_(s), number_(std::move(number)), spaces_(spaces), sign_(sign) {}

  std::string write() {
    if (s_.has(kScientific)) return number_;
    if (s_.has(kRoman)) {
      s_.sign = kNowhere;
      s_.pre = s_.post = s_.pre_sign = s_.multi = s_.zero_start = s_.zero_end = 0;
      s_.flags = kRoman | (s_.flags & kFillMode);
    }
    if (s_.has(kPlus | kMinus)) {
      // PL alone leaves the minus to the number itself.
      sign_written_ = !(s_.has(kPlus) && !s_.has(kMinus));
    } else {
      if (sign_ != '-' && s_.has(kFillMode)) s_.flags &= ~kBracket;
      sign_written_ = sign_ == '+' && s_.has(kFillMode) && !s_.has(kLocalSign);
      if (s_.sign == kBefore && s_.pre == s_.pre_sign) s_.sign = kAfter;
    }
    count_ = s_.post + s_.pre - 1;
    if (s_.zero_start > 0) --s_.zero_start;
    if (s_.has(kFillMode) && s_.has(kDecimal)) {
      size_t dot = number_.find('.');
      if (dot != std::string::npos) {
        last_ = static_cast<int>(dot);
        for (size_t i = dot + 1; i < number_.size(); ++i)
          if (number_[i] != '0') last_ = static_cast<int>(i);
      }
      if (last_ >= 0 && s_.zero_end > spaces_)
        last_ = std::max(last_, std::min(static_cast<int>(number_.size()) - 1, s_.zero_end - spaces_));
    }
    if (!sign_written_ && spaces_ == 0) ++count_;
    for (const Node& n : s_.nodes) {
      if (!n.action) {
        out_ += n.text;
        continue;
      }
      bool fill = s_.has(kFillMode);
      switch (n.id) {
        case k9: case k0: case kDec: case kD: place(n.id); break;
        case kComma:
        case kG:
          if (in_number_) out_ += ',';
          else if (!fill) out_ += ' ';
          break;
        case kL: out_ += ' '; break;
        case kRN:
        case krn: {
          std::string roman = n.id == kRN ? number_ : lower_ascii(number_);
          if (fill) out_ += roman;
          else out_ += std::string(roman.size() < 15 ? 15 - roman.size() : 0, ' ') + roman;
          break;
        }
        case kth:
        case kTH:
          if (s_.has(kRoman) || number_.substr(0, 1) == "#" || sign_ == '-' || s_.has(kDecimal)) break;
          out_ += ordinal(number_, n.id == kTH);
          break;
        case kMI:
          if (sign_ == '-') out_ += '-';
          else if (!fill) out_ += ' ';
          break;
        case kPL:
          if (sign_ == '+') out_ += '+';
          else if (!fill) out_ += ' ';
          break;
        case kSG: out_ += sign_; break;
        default: break;
      }
    }
    return out_;
  }

 private:
  bool last_is_dot() const { return last_ >= 0 && number_[static_cast<size_t>(last_)] == '.'; }
  bool hidden_zero() const { return !s_.has(kZero) && at_ == 0 && !number_.empty() && number_[0] == '0' && s_.post != 0; }
  void place(Key id) {
    if (s_.has(kRoman)) return;
    in_number_ = false;
    bool fill = s_.has(kFillMode);
    if (!sign_written_ && (current_ >= spaces_ || (s_.has(kZero) && s_.zero_start == current_)) && (!hidden_zero() || last_is_dot())) {
      if (s_.has(kLocalSign)) {
        if (s_.sign == kBefore) {
          out_ += sign_;
          sign_written_ = true;
        }
      } else if (s_.has(kBracket)) {
        out_ += sign_ == '+' ? ' ' : '<';
        sign_written_ = true;
      } else if (sign_ == '+') {
        if (!fill) out_ += ' ';
        sign_written_ = true;
      } else {
        out_ += '-';
        sign_written_ = true;
      }
    }
    if (current_ < spaces_ && (s_.zero_start > current_ || !s_.has(kZero))) {
      if (!fill) out_ += ' ';
    } else if (s_.has(kZero) && current_ < spaces_ && s_.zero_start <= current_) {
      out_ += '0';
      in_number_ = true;
    } else {
      char c = at_ < number_.size() ? number_[at_] : '\0';
      if (c == '.') {
        if (!last_is_dot() || fill) out_ += '.';
      } else if (last_ >= 0 && static_cast<int>(at_) > last_ && id != k0) {
      } else if (hidden_zero()) {
        if (!fill) out_ += ' ';
        else if (last_is_dot()) out_ += '0';
      } else if (c != '\0') {
        out_ += c;
        in_number_ = true;
      }
      if (c != '\0') ++at_;
    }
    int end = count_ + (spaces_ != 0 ? 1 : 0) + (s_.has(kDecimal) ? 1 : 0);
    if (last_ >= 0 && last_ == static_cast<int>(at_)) end = current_;
    if (current_ + 1 == end) {
      if (sign_written_ && s_.has(kBracket)) out_ += sign_ == '+' ? ' ' : '>';
      else if (s_.has(kLocalSign) && s_.sign == kAfter) out_ += sign_;
    }
    ++current_;
  }

  Shape& s_;
  std::string number_, out_;
  int spaces_;
  char sign_;
  bool sign_written_ = false, in_number_ = false;
  int count_ = 0, current_ = 0, last_ = -1;
  size_t at_ = 0;
};

std::string roman(int64_t v) {
  if (v > 3999 || v < 1) return std::string(15, '#');
  static constexpr std::pair<int, const char*> kParts[] = {{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"},
                                                           {50, "L"}, {40, "XL"}, {10, "X"}, {9, "IX"}, {5, "V"}, {4, "IV"}, {1, "I"}};
  std::string out;
  for (auto [n, text] : kParts)
    for (; v >= n; v -= n) out += text;
  return out;
}
std::string hashes(const Shape& s) {
  std::string out(static_cast<size_t>(s.pre + s.post + 1), '#');
  out[static_cast<size_t>(s.pre)] = '.';
  return out;
}
std::string scientific_hashes(const Shape& s) {
  std::string out(static_cast<size_t>(s.pre + s.post + 6), '#');
  out[0] = ' ';
  out[static_cast<size_t>(s.pre) + 1] = '.';
  return out;
}
// text: the rounded number, "-12.50".
std::string finish(Shape& s, std::string text) {
  char sign = '+';
  if (!text.empty() && text[0] == '-') {
    sign = '-';
    text.erase(0, 1);
  }
  int digits = static_cast<int>(std::min(text.find('.'), text.size()));
  int spaces = 0;
  if (digits < s.pre) spaces = s.pre - digits;
  else if (digits > s.pre) text = hashes(s);
  return Writer(s, std::move(text), spaces, sign).write();
}

std::string numeric_scientific(Datum v, int scale, FnCall& c) {
  std::string text = numeric_text(v);
  bool negative = text[0] == '-';
  if (negative) text.erase(0, 1);
  size_t dot = text.find('.');
  std::string digits = text;
  int point = static_cast<int>(std::min(dot, text.size()));
  if (dot != std::string::npos) digits.erase(dot, 1);
  size_t first = digits.find_first_not_of('0');
  int exponent = 0;
  std::string mantissa = "0";
  if (first != std::string::npos) {
    exponent = point - static_cast<int>(first) - 1;
    // Round to scale + 1 digits.
    std::string d = digits.substr(first);
    size_t keep = static_cast<size_t>(scale) + 1;
    bool up = d.size() > keep && d[keep] >= '5';
    d.resize(keep, '0');
    if (up) {
      size_t i = keep;
      while (i > 0 && d[i - 1] == '9') d[--i] = '0';
      if (i > 0) {
        ++d[i - 1];
      } else {
        d.insert(0, 1, '1');
        d.pop_back();
        ++exponent;
      }
    }
    mantissa = d;
  } else {
    mantissa.resize(static_cast<size_t>(scale) + 1, '0');
  }
  std::string out = mantissa.substr(0, 1);
  if (scale > 0) out += "." + mantissa.substr(1);
  (void)c;
  return fmt::format("{}{}e{}{:02}", negative ? "-" : " ", out, exponent < 0 ? '-' : '+', std::abs(exponent));
}

Datum numeric_to_char(FnCall& c, Datum v) {
  if (c.text_arg(1).empty()) return c.text("");
  Shape s = parse_template(c.text_arg(1));
  if (s.has(kRoman)) {
    int64_t n = 0;
    n = numeric_to_int(numeric_round(v, 0, *c.arena), 4);
    return c.text(Writer(s, roman(n), 0, '+').write());
  }
  if (s.has(kScientific)) return c.text(numeric_is_finite(v) ? numeric_scientific(v, s.post, c) : scientific_hashes(s));
  if (s.has(kMulti)) {
    Datum ten = numeric_from_int(10, *c.arena);
    for (int i = 0; i < s.multi; ++i) v = numeric_mul(v, ten, *c.arena);
    s.pre += s.multi;
  }
  return c.text(finish(s, numeric_text(numeric_is_finite(v) ? numeric_round(v, s.post, *c.arena) : v)));
}
Datum int4_to_char(FnCall& c) {
  if (c.text_arg(1).empty()) return c.text("");
  Shape s = parse_template(c.text_arg(1));
  int64_t v = c.int_arg(0);
  if (s.has(kRoman)) return c.text(Writer(s, roman(v), 0, '+').write());
  if (s.has(kScientific)) {
    char buffer[64];
    std::snprintf(buffer, sizeof buffer, "%+.*e", s.post, static_cast<double>(v));
    if (buffer[0] == '+') buffer[0] = ' ';
    return c.text(buffer);
  }
  if (s.has(kMulti)) {
    for (int i = 0; i < s.multi; ++i) v *= 10;
    s.pre += s.multi;
    if (v > INT32_MAX || v < INT32_MIN) throw Error(ErrorCode::kNumericValueOutOfRange, "integer out of range");
  }
  std::string text = std::to_string(v);
  if (s.post > 0) text += "." + std::string(static_cast<size_t>(s.post), '0');
  return c.text(finish(s, text));
}
template <bool Single>
Datum float_to_char(FnCall& c) {
  if (c.text_arg(1).empty()) return c.text("");
  Shape s = parse_template(c.text_arg(1));
  double v = Single ? static_cast<double>(c.arg(0).as_float()) : c.arg(0).as_double();
  constexpr int kDigits = Single ? 6 : 15;
  char buffer[512];
  if (s.has(kRoman)) {
    double r = std::rint(v);
    return c.text(Writer(s, roman(std::isnan(r) || r > 1e9 || r < -1e9 ? 0 : static_cast<int64_t>(r)), 0, '+').write());
  }
  if (s.has(kScientific)) {
    if (std::isnan(v) || std::isinf(v)) return c.text(scientific_hashes(s));
    std::snprintf(buffer, sizeof buffer, "%+.*e", s.post, v);
    if (buffer[0] == '+') buffer[0] = ' ';
    return c.text(buffer);
  }
  if (s.has(kMulti)) {
    v *= std::pow(10, s.multi);
    if (Single) v = static_cast<double>(static_cast<float>(v));
    s.pre += s.multi;
  }
  std::snprintf(buffer, sizeof buffer, "%.0f", std::fabs(v));
  int length = static_cast<int>(std::strlen(buffer));
  if (length >= kDigits) s.post = 0;
  else if (length + s.post > kDigits) s.post = kDigits - length;
  if (std::isnan(v)) return c.text(finish(s, "NaN"));
  if (std::isinf(v)) return c.text(finish(s, v < 0 ? "-Infinity" : "Infinity"));
  std::snprintf(buffer, sizeof buffer, "%.*f", s.post, v);
  return c.text(finish(s, buffer));
}

// Reads digits through the template; the result is [sign]digits[.digits].
class Reader {
 public:
  Reader(Shape& s, std::string_view in) : s_(s), in_(in) {}
  std::string read() {
    for (const Node& n : s_.nodes) {
      if (end()) break;
      if (!n.action) {
        at_ += char_size(in_.substr(at_));
        continue;
      }
      switch (n.id) {
        case k9: case k0: case kDec: case kD: place(n.id); break;
        case kComma:
        case kG:
          if (!in_number_ && s_.has(kFillMode)) continue;
          if (in_[at_] != ',') continue;
          break;
        case kL: skip(1); continue;
        case kRN: case krn: continue;
        case kTH: case kth:
          if (s_.has(kRoman | kDecimal) || sign_ == '-') continue;
          skip(2);
          continue;
        case kMI:
          if (in_[at_] == '-') sign_ = '-';
          else { skip(1); continue; }
          break;
        case kPL:
          if (in_[at_] == '+') sign_ = '+';
          else { skip(1); continue; }
          break;
        case kSG:
          if (in_[at_] == '-' || in_[at_] == '+') sign_ = in_[at_];
          else { skip(1); continue; }
          break;
        default: continue;
      }
      ++at_;
    }
    std::string out = sign_ == '-' ? "-" : "";
    out += digits_;
    if (!out.empty() && out.back() == '.') out.pop_back();
    s_.post = read_post_;
    return out;
  }

 private:
  bool end() const { return at_ >= in_.size(); }
  bool digit_at(size_t i) const { return i < in_.size() && in_[i] >= '0' && in_[i] <= '9'; }
  void skip(int n) {
    while (n-- > 0) {
      if (end() || std::strchr("0123456789.,+-", in_[at_]) != nullptr) return;
      at_ += char_size(in_.substr(at_));
    }
  }
  void place(Key id) {
    bool read = false;
    if (end()) return;
    if (in_[at_] == ' ') ++at_;
    if (end()) return;
    if (sign_ == ' ' && (id == k0 || id == k9) && read_pre_ + read_post_ == 0) {
      char c = in_[at_];
      if (s_.has(kLocalSign) && s_.sign == kBefore) {
        if (c == '-' || c == '+') {
          sign_ = c;
          ++at_;
        }
      } else if (c == '-' || (s_.has(kBracket) && c == '<')) {
        sign_ = '-';
        ++at_;
      } else if (c == '+') {
        sign_ = '+';
        ++at_;
      }
    }
    if (end()) return;
    if (digit_at(at_)) {
      if (read_dot_ && read_post_ == s_.post) return;
      digits_ += in_[at_];
      in_number_ = true;
      ++(read_dot_ ? read_post_ : read_pre_);
      read = true;
    } else if (s_.has(kDecimal) && !read_dot_ && in_[at_] == '.') {
      digits_ += '.';
      read_dot_ = true;
      read = true;
    }
    if (end()) return;
    if (sign_ == ' ' && read_pre_ + read_post_ > 0) {
      if (s_.has(kLocalSign) && read && at_ + 1 < in_.size() && !digit_at(at_ + 1)) {
        char c = in_[at_ + 1];
        if (c == '-' || c == '+') {
          sign_ = c;
          ++at_;
        }
      } else if (!read && !s_.has(kLocalSign)) {
        if (in_[at_] == '-' || in_[at_] == '+') sign_ = in_[at_];
      }
    }
  }
  Shape& s_;
  std::string_view in_;
  size_t at_ = 0;
  std::string digits_;
  char sign_ = ' ';
  bool read_dot_ = false, in_number_ = false;
  int read_pre_ = 0, read_post_ = 0;
};

Datum to_number(FnCall& c) {
  if (c.text_arg(1).empty()) return c.null();
  Shape s = parse_template(c.text_arg(1));
  if (s.has(kScientific)) throw Error(ErrorCode::kFeatureNotSupported, "\"EEEE\" not supported for input");
  if (s.has(kRoman)) throw Error(ErrorCode::kFeatureNotSupported, "\"RN\" not supported for input");
  std::string text = Reader(s, c.text_arg(0)).read();
  int precision = s.pre + s.multi + s.post;
  Datum v = numeric_parse(text.empty() ? " " : text, (precision << 16 | s.post) + 4, *c.arena);
  if (s.has(kMulti)) {
    Datum ten = numeric_from_int(10, *c.arena);
    Datum by = numeric_from_int(1, *c.arena);
    for (int i = 0; i < s.multi; ++i) by = numeric_mul(by, ten, *c.arena);
    v = numeric_div(v, by, *c.arena);
  }
  return v;
}

}  // namespace

void register_formatting_number_functions(FunctionRegistry& r) {
  r.add("numeric_to_char", [](FnCall& c) { return numeric_to_char(c, c.arg(0)); });
  r.add("numeric_to_number", to_number);
  r.add("int4_to_char", int4_to_char);
  r.add("int8_to_char", [](FnCall& c) { return numeric_to_char(c, numeric_from_int(c.int_arg(0), *c.arena)); });
  r.add("float4_to_char", float_to_char<true>);
  r.add("float8_to_char", float_to_char<false>);
}

}  // namespace stele
