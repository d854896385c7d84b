#include "sql/copy/formats.h"

#include "base/error.h"
#include "sql/parser/parser.h"
#include "sql/session/settings.h"

namespace stele::sql {

namespace {
std::string string_of(const pg::DefElem* d) {
  if (d->arg == nullptr) return {};
  switch (d->arg->node_case) {
    case PG_QUERY__NODE__NODE_STRING: return d->arg->string->sval;
    case PG_QUERY__NODE__NODE_INTEGER: return std::to_string(d->arg->integer->ival);
    case PG_QUERY__NODE__NODE_BOOLEAN: return d->arg->boolean->boolval != 0 ? "true" : "false";
    default: return {};
  }
}
std::vector<std::string> names_of(const pg::DefElem* d) {
  std::vector<std::string> out;
  if (d->arg != nullptr && d->arg->node_case == PG_QUERY__NODE__NODE_LIST) {
    for (size_t i = 0; i < d->arg->list->n_items; ++i) out.emplace_back(d->arg->list->items[i]->string->sval);
  }
  return out;
}
[[noreturn]] void fail(ErrorCode code, std::string message) { throw Error(code, std::move(message)); }
}  // namespace

CopyOptions parse_copy_options(pg::Node* const* options, size_t n, bool from, std::string_view text) {
  CopyOptions o;
  std::optional<std::string> delimiter, null_text, quote, escape;
  std::set<std::string> seen;
  for (size_t i = 0; i < n; ++i) {
    const auto* d = options[i]->def_elem;
    const std::string name = d->defname;
    if (!seen.insert(name).second) {
      throw Error(ErrorCode::kSyntaxError, "conflicting or redundant options").position(character_position(text, d->location));
    }
    const std::string value = string_of(d);
    auto boolean = [&] {
      if (d->arg == nullptr) return true;
      const auto b = parse_bool_setting(value);
      if (!b) fail(ErrorCode::kSyntaxError, fmt::format("{} requires a Boolean value", name));
      return *b;
    };
    if (name == "format") {
      if (value == "text") o.format = CopyOptions::Format::kText;
      else if (value == "csv") o.format = CopyOptions::Format::kCsv;
      else if (value == "binary") o.format = CopyOptions::Format::kBinary;
      else throw Error(ErrorCode::kInvalidParameterValue, fmt::format("COPY format \"{}\" not recognized", value)).position(character_position(text, d->location));
    } else if (name == "delimiter") {
      delimiter = value;
    } else if (name == "null") {
      null_text = value;
    } else if (name == "header") {
      if (value == "match") {
        if (!from) fail(ErrorCode::kFeatureNotSupported, "cannot use \"match\" with HEADER in COPY TO");
        o.header = o.header_match = true;
      } else {
        o.header = boolean();
      }
    } else if (name == "quote") {
      quote = value;
    } else if (name == "escape") {
      escape = value;
    } else if (name == "freeze") {
      o.freeze = boolean();
    } else if (name == "force_quote") {
      if (d->arg != nullptr && d->arg->node_case == PG_QUERY__NODE__NODE_A_STAR) o.force_quote_all = true;
      else o.force_quote = names_of(d);
    } else if (name == "force_not_null") {
      o.force_not_null = names_of(d);
    } else if (name == "force_null") {
      o.force_null = names_of(d);
    } else if (name == "encoding") {
      std::string e = value;
      for (char& c : e) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      if (e != "utf8" && e != "utf-8" && e != "sql_ascii") fail(ErrorCode::kInvalidParameterValue, "argument to option \"encoding\" must be a valid encoding name");
    } else {
      throw Error(ErrorCode::kSyntaxError, fmt::format("option \"{}\" not recognized", name)).position(character_position(text, d->location));
    }
  }
  const bool csv = o.csv(), binary = o.format == CopyOptions::Format::kBinary;
  if (binary && delimiter) fail(ErrorCode::kSyntaxError, "cannot specify DELIMITER in BINARY mode");
  if (binary && null_text) fail(ErrorCode::kSyntaxError, "cannot specify NULL in BINARY mode");
  if (binary && o.header) fail(ErrorCode::kFeatureNotSupported, "cannot specify HEADER in BINARY mode");
  if (csv) {
    o.delimiter = ',';
    o.null_text = "";
  }
  if (delimiter) {
    if (delimiter->size() != 1) fail(ErrorCode::kFeatureNotSupported, "COPY delimiter must be a single one-byte character");
    o.delimiter = (*delimiter)[0];
    if (o.delimiter == '\n' || o.delimiter == '\r') fail(ErrorCode::kInvalidParameterValue, "COPY delimiter cannot be newline or carriage return");
    if (!csv && std::string_view("\\.abcdefghijklmnopqrstuvwxyz0123456789").find(o.delimiter) != std::string_view::npos) {
      fail(ErrorCode::kInvalidParameterValue, fmt::format("COPY delimiter cannot be \"{}\"", *delimiter));
    }
  }
  if (null_text) {
    if (null_text->find_first_of("\r\n") != std::string::npos) fail(ErrorCode::kInvalidParameterValue, "COPY null representation cannot use newline or carriage return");
    o.null_text = *null_text;
  }
  if (!csv && quote) fail(ErrorCode::kFeatureNotSupported, "COPY quote available only in CSV mode");
  if (quote) {
    if (quote->size() != 1) fail(ErrorCode::kFeatureNotSupported, "COPY quote must be a single one-byte character");
    o.quote = o.escape = (*quote)[0];
  }
  if (csv && o.delimiter == o.quote) fail(ErrorCode::kInvalidParameterValue, "COPY delimiter and quote must be different");
  if (!csv && escape) fail(ErrorCode::kFeatureNotSupported, "COPY escape available only in CSV mode");
  if (escape) {
    if (escape->size() != 1) fail(ErrorCode::kFeatureNotSupported, "COPY escape must be a single one-byte character");
    o.escape = (*escape)[0];
  }
  if (!csv && (o.force_quote_all || !o.force_quote.empty())) fail(ErrorCode::kFeatureNotSupported, "COPY force quote available only in CSV mode");
  if (from && (o.force_quote_all || !o.force_quote.empty())) fail(ErrorCode::kFeatureNotSupported, "COPY force quote only available using COPY TO");
  if (!csv && !o.force_not_null.empty()) fail(ErrorCode::kFeatureNotSupported, "COPY force not null available only in CSV mode");
  if (!from && !o.force_not_null.empty()) fail(ErrorCode::kFeatureNotSupported, "COPY force not null only available using COPY FROM");
  if (!csv && !o.force_null.empty()) fail(ErrorCode::kFeatureNotSupported, "COPY force null available only in CSV mode");
  if (!from && !o.force_null.empty()) fail(ErrorCode::kFeatureNotSupported, "COPY force null only available using COPY FROM");
  if (o.null_text.find(o.delimiter) != std::string::npos) fail(ErrorCode::kInvalidParameterValue, "COPY delimiter character must not appear in the NULL specification");
  if (csv && o.null_text.find(o.quote) != std::string::npos) fail(ErrorCode::kFeatureNotSupported, "CSV quote character must not appear in the NULL specification");
  return o;
}

bool CopyReader::fill() {
  if (done_) return false;
  if (at_ > 0) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
  if (!read_(&chunk_)) {
    done_ = true;
    return false;
  }
  buffer_ += chunk_;
  return true;
}

bool CopyReader::next_line() {
  size_t from = at_;
  for (;;) {
    const size_t nl = buffer_.find('\n', from);
    if (nl != std::string::npos) {
      raw_.assign(buffer_, at_, nl - at_);
      at_ = nl + 1;
      break;
    }
    const size_t seen = buffer_.size() - at_;
    if (!fill()) {
      if (buffer_.size() == at_) return false;
      raw_.assign(buffer_, at_, std::string::npos);
      at_ = buffer_.size();
      break;
    }
    from = at_ + seen;
  }
  if (!raw_.empty() && raw_.back() == '\r') raw_.pop_back();
  ++line_;
  return true;
}

void CopyReader::split_text(std::vector<CopyField>& fields) {
  fields.clear();
  const std::string_view s = raw_;
  if (std::memchr(s.data(), '\\', s.size()) == nullptr) {
    for (size_t start = 0;;) {
      const void* found = std::memchr(s.data() + start, o_.delimiter, s.size() - start);
      const size_t end = found == nullptr ? s.size() : static_cast<size_t>(static_cast<const char*>(found) - s.data());
      const std::string_view raw = s.substr(start, end - start);
      if (raw == o_.null_text) fields.push_back({{}, true, false});
      else fields.push_back({raw, false, false});
      if (found == nullptr) return;
      start = end + 1;
    }
  }
  // What escapes leave is never longer than what they were.
  plain_.clear();
  plain_.reserve(s.size());
  for (size_t start = 0;;) {
    size_t end = start;
    bool escaped = false;
    while (end < s.size() && s[end] != o_.delimiter) {
      if (s[end] == '\\' && end + 1 < s.size()) {
        escaped = true;
        ++end;
      }
      ++end;
    }
    CopyField f;
    const std::string_view raw = s.substr(start, end - start);
    if (raw == o_.null_text) {
      f.is_null = true;
    } else if (!escaped) {
      f.text = raw;
    } else {
      const size_t from = plain_.size();
      unescape(raw);
      f.text = std::string_view(plain_).substr(from);
    }
    fields.push_back(f);
    if (end >= s.size()) return;
    start = end + 1;
  }
}

// Appends to plain_.
void CopyReader::unescape(std::string_view raw) {
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\' || i + 1 == raw.size()) {
      plain_.push_back(raw[i]);
      continue;
    }
    const char c = raw[++i];
    switch (c) {
      case 'b': plain_.push_back('\b'); break;
      case 'f': plain_.push_back('\f'); break;
      case 'n': plain_.push_back('\n'); break;
      case 'r': plain_.push_back('\r'); break;
      case 't': plain_.push_back('\t'); break;
      case 'v': plain_.push_back('\v'); break;
      case 'x': {
        int v = 0, n = 0;
        while (n < 2 && i + 1 < raw.size() && std::isxdigit(static_cast<unsigned char>(raw[i + 1])) != 0) {
          const char h = static_cast<char>(std::tolower(static_cast<unsigned char>(raw[++i])));
          v = v * 16 + (h <= '9' ? h - '0' : h - 'a' + 10);
          ++n;
        }
        plain_.push_back(n == 0 ? 'x' : static_cast<char>(v));
        break;
      }
      case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': {
        int v = c - '0';
        for (int n = 1; n < 3 && i + 1 < raw.size() && raw[i + 1] >= '0' && raw[i + 1] <= '7'; ++n) v = v * 8 + (raw[++i] - '0');
        plain_.push_back(static_cast<char>(v));
        break;
      }
      default: plain_.push_back(c);
    }
  }
}

bool CopyReader::next_csv(std::vector<CopyField>& fields) {
  fields.clear();
  raw_.clear();
  plain_.clear();
  ends_.clear();
  CopyField f;
  bool in_quotes = false, any = false;
  auto more = [&] { return at_ < buffer_.size() || fill(); };
  auto finish = [&] {
    const size_t from = ends_.empty() ? 0 : ends_.back();
    f.is_null = !f.quoted && std::string_view(plain_).substr(from) == o_.null_text;
    if (f.is_null) plain_.resize(from);
    ends_.push_back(plain_.size());
    fields.push_back(f);
    f = {};
  };
  auto cut = [&] {
    for (size_t i = 0, from = 0; i < fields.size(); from = ends_[i++]) fields[i].text = std::string_view(plain_).substr(from, ends_[i] - from);
  };
  while (more()) {
    const char c = buffer_[at_++];
    any = true;
    raw_.push_back(c);
    if (in_quotes) {
      if (c == o_.escape && more() && (buffer_[at_] == o_.quote || buffer_[at_] == o_.escape) && (o_.escape != o_.quote || buffer_[at_] == o_.quote)) {
        plain_.push_back(buffer_[at_]);
        raw_.push_back(buffer_[at_++]);
      } else if (c == o_.quote) {
        in_quotes = false;
      } else {
        plain_.push_back(c);
      }
      continue;
    }
    if (c == o_.quote) {
      in_quotes = true;
      f.quoted = true;
    } else if (c == o_.delimiter) {
      finish();
    } else if (c == '\n' || c == '\r') {
      if (c == '\r' && more() && buffer_[at_] == '\n') ++at_;
      raw_.pop_back();
      ++line_;
      if (raw_ == "\\.") {
        done_ = true;
        return false;
      }
      finish();
      cut();
      return true;
    } else {
      plain_.push_back(c);
    }
  }
  if (!any) return false;
  ++line_;
  if (in_quotes) throw Error(ErrorCode::kBadCopyFileFormat, "unterminated CSV quoted field");
  if (raw_ == "\\.") return false;
  finish();
  cut();
  return true;
}

bool CopyReader::next(std::vector<CopyField>& fields) {
  if (o_.csv()) return next_csv(fields);
  if (!next_line()) return false;
  if (raw_ == "\\.") {
    std::string rest;
    while (read_(&rest)) {
    }
    done_ = true;
    return false;
  }
  split_text(fields);
  return true;
}

void append_copy_text(const CopyOptions& o, std::string_view value, std::string& out) {
  for (char c : value) {
    switch (c) {
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\v': out += "\\v"; break;
      case '\\': out += "\\\\"; break;
      default:
        if (c == o.delimiter) out.push_back('\\');
        out.push_back(c);
    }
  }
}

void append_copy_csv(const CopyOptions& o, std::string_view value, bool force, bool single, std::string& out) {
  bool quote = force || value == o.null_text || (single && value == "\\.");
  for (char c : value) quote = quote || c == o.delimiter || c == o.quote || c == '\n' || c == '\r';
  if (!quote) {
    out += value;
    return;
  }
  out.push_back(o.quote);
  for (char c : value) {
    if (c == o.quote || c == o.escape) out.push_back(o.escape);
    out.push_back(c);
  }
  out.push_back(o.quote);
}

}  // namespace stele::sql
