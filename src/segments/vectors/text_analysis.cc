#include "segments/vectors/text_analysis.h"

#include <unicode/brkiter.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <boost/json.hpp>

#include "base/error.h"
#include "types/text_search/stop_words.h"

namespace stele::segments::vectors {

namespace {
[[noreturn]] void no_variant() { throw Error(ErrorCode::kParsing, "data did not match any variant of untagged enum PayloadFieldSchema"); }
std::string text_of(const json::value& v) {
  const json::string* s = v.if_string();
  if (s == nullptr) no_variant();
  return {s->data(), s->size()};
}
size_t characters(std::string_view s) {
  return static_cast<size_t>(std::count_if(s.begin(), s.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}
std::string lower(std::string_view text) {
  std::string out;
  int32_t i = 0;
  const auto n = static_cast<int32_t>(text.size());
  while (i < n) {
    UChar32 c;
    const int32_t from = i;
    U8_NEXT(text.data(), i, n, c);
    if (c < 0) {
      out.append(text.substr(static_cast<size_t>(from), static_cast<size_t>(i - from)));
      continue;
    }
    char buffer[4];
    int32_t length = 0;
    U8_APPEND_UNSAFE(buffer, length, u_tolower(c));
    out.append(buffer, static_cast<size_t>(length));
  }
  return out;
}
std::vector<std::string> split(std::string_view text, bool whitespace_only) {
  std::vector<std::string> out;
  std::string word;
  int32_t i = 0;
  const auto n = static_cast<int32_t>(text.size());
  while (i < n) {
    UChar32 c;
    const int32_t from = i;
    U8_NEXT(text.data(), i, n, c);
    const bool inside = c >= 0 && (whitespace_only ? !u_isUWhiteSpace(c) : u_isalnum(c) != 0);
    if (inside) {
      word.append(text.substr(static_cast<size_t>(from), static_cast<size_t>(i - from)));
    } else if (!word.empty()) {
      out.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) out.push_back(std::move(word));
  return out;
}
// Words as their languages have them, also where no spaces stand between them.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  UErrorCode status = U_ZERO_ERROR;
  static thread_local const std::unique_ptr<icu::BreakIterator> breaks(icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), status));
  if (breaks == nullptr) return split(text, false);
  UText source = UTEXT_INITIALIZER;
  utext_openUTF8(&source, text.data(), static_cast<int64_t>(text.size()), &status);
  breaks->setText(&source, status);
  int32_t from = breaks->first();
  for (int32_t to = breaks->next(); U_SUCCESS(status) && to != icu::BreakIterator::DONE; from = to, to = breaks->next()) {
    if (breaks->getRuleStatus() >= UBRK_WORD_NONE_LIMIT) out.emplace_back(text.substr(static_cast<size_t>(from), static_cast<size_t>(to - from)));
  }
  utext_close(&source);
  return out;
}
}  // namespace

TextAnalysis::TextAnalysis(const json::value& schema) {
  const json::object* o = schema.if_object();
  if (o == nullptr) return;
  for (const auto& [name, v] : *o) {
    if (v.is_null()) continue;
    if (name == "tokenizer") {
      const std::string t = text_of(v);
      if (t == "whitespace") kind_ = Kind::kWhitespace;
      else if (t == "prefix") kind_ = Kind::kPrefix;
      else if (t == "multilingual") kind_ = Kind::kWords;
      else if (t != "word") no_variant();
    } else if (name == "lowercase") {
      if (!v.is_bool()) no_variant();
      lowercase_ = v.get_bool();
    } else if (name == "min_token_len" || name == "max_token_len") {
      if (!v.is_int64() || v.get_int64() < 0) no_variant();
      (name == "min_token_len" ? min_ : max_) = static_cast<size_t>(v.get_int64());
    } else if (name == "ascii_folding") {
      if (!v.is_bool()) no_variant();
      if (v.get_bool()) filters_.push_back(asciifolding_filter(false));
    } else if (name == "stopwords") {
      auto language = [&](const json::value& l) {
        for (std::string& word : split(stop_words(text_of(l)), true)) stop_.insert(std::move(word));
      };
      if (v.is_string()) {
        language(v);
      } else if (const json::object* s = v.if_object()) {
        for (const auto& [kind, list] : *s) {
          if (list.is_null()) continue;
          if (kind == "languages" && list.is_string()) language(list);
          if (!list.is_array()) continue;
          for (const json::value& x : list.get_array()) kind == "languages" ? language(x) : static_cast<void>(stop_.insert(lower(text_of(x))));
        }
      } else {
        no_variant();
      }
    }
  }
  // Stemming comes last, whatever the order of the members.
  if (const json::value* s = o->if_contains("stemmer"); s != nullptr && s->is_object()) {
    const json::value* language = s->get_object().if_contains("language");
    if (language == nullptr) no_variant();
    filters_.push_back(stemmer_filter(text_of(*language)));
  }
}

std::vector<std::string> TextAnalysis::tokens(std::string_view text, bool document) const {
  std::vector<std::string> out;
  for (std::string& word : kind_ == Kind::kWords ? words_of(text) : split(text, kind_ == Kind::kWhitespace)) {
    std::string token = lowercase_ ? lower(word) : std::move(word);
    if (stop_.contains(lowercase_ ? token : lower(token))) continue;
    if (!filters_.empty()) {
      TokenBuffer buffer;
      buffer.add(token, 0, static_cast<uint32_t>(token.size()), "word");
      for (const auto& f : filters_) f->apply(buffer);
      if (buffer.tokens.empty()) continue;
      token = buffer.term(buffer.tokens[0]);
    }
    const size_t length = characters(token);
    if (kind_ != Kind::kPrefix) {
      if (length >= min_ && length <= max_) out.push_back(std::move(token));
      continue;
    }
    // A document has every beginning of its words, a question its words as far as beginnings go.
    const size_t least = std::max<size_t>(1, min_);
    size_t n = 0;
    for (size_t at = 0; at < token.size();) {
      do ++at;
      while (at < token.size() && (static_cast<unsigned char>(token[at]) & 0xC0) == 0x80);
      ++n;
      if (n > max_) break;
      const bool last = n == length || n == max_;
      if (document ? n >= least : last) out.push_back(token.substr(0, at));
    }
  }
  return out;
}

}  // namespace stele::segments::vectors
