// A pushdown automaton. Each state has a list of tests, tried in order against the current character;
// the first that holds says where to go. Guesses (is this word the start of a host? of a path?) push
// the position and come back to the test after the one that guessed when they fail.
#include "types/text_search/ts_parser.h"

#include <array>
#include <cwctype>
#include <locale.h>
#include <memory>
#include <string>

#include <unicode/uchar.h>

#include "types/text.h"

namespace stele {

std::span<const TsTokenName> ts_token_names() {
  static constexpr TsTokenName kNames[] = {
      {"", ""},
      {"asciiword", "Word, all ASCII"},
      {"word", "Word, all letters"},
      {"numword", "Word, letters and digits"},
      {"email", "Email address"},
      {"url", "URL"},
      {"host", "Host"},
      {"sfloat", "Scientific notation"},
      {"version", "Version number"},
      {"hword_numpart", "Hyphenated word part, letters and digits"},
      {"hword_part", "Hyphenated word part, all letters"},
      {"hword_asciipart", "Hyphenated word part, all ASCII"},
      {"blank", "Space symbols"},
      {"tag", "XML tag"},
      {"protocol", "Protocol head"},
      {"numhword", "Hyphenated word, letters and digits"},
      {"asciihword", "Hyphenated word, all ASCII"},
      {"hword", "Hyphenated word, all letters"},
      {"url_path", "URL path"},
      {"file", "File or path name"},
      {"float", "Decimal notation"},
      {"int", "Signed integer"},
      {"uint", "Unsigned integer"},
      {"entity", "XML entity"},
  };
  return kNames;
}

namespace {

enum State : uint8_t {
  kStay, kBase, kNumWord, kAsciiWord, kWord, kUnsigned, kSignedFirst, kSigned, kSpace, kUDecimalFirst, kUDecimal, kDecimalFirst,
  kDecimal, kSignedVersion, kSignedVersionSkip, kVersionFirst, kVersion, kMantissaFirst, kMantissaSign, kMantissa, kEntityFirst,
  kEntity, kEntityNumberFirst, kEntityNumber, kEntityHexFirst, kEntityHex, kEntityEnd, kTagFirst, kXmlBegin, kTagCloseFirst,
  kTagName, kTagSelfEnd, kTag, kTagQuote, kTagDoubleQuote, kTagBackslash, kTagEnd, kCommentFirst, kCommentLast, kComment,
  kCloseCommentFirst, kCloseCommentLast, kCommentEnd, kHostFirstDomain, kHostDomainSecond, kHostDomain, kPortFirst, kPort,
  kHostFirst, kHost, kEmail, kFileFirst, kFileTilde, kPathFirst, kPathFirstFirst, kPathSecond, kFile, kFileNext, kUrlPathFirst,
  kUrlPathStart, kUrlPath, kFullUrl, kProtocolFirst, kProtocolSecond, kProtocolEnd, kHyphenAsciiFirst, kHyphenAscii,
  kHyphenWordFirst, kHyphenWord, kHyphenNumFirst, kHyphenNum, kHyphenDigits, kParts, kPartHyphen, kPartWord, kPartAscii, kPartNum,
  kPartUnsigned, kPartDecimalFirst, kPartDecimal, kPartVersionFirst, kPartVersion, kStates
};

enum Test : uint8_t {
  tAny, tEnd, tChar, tIgnored, tAscii, tAlpha, tDigit, tSpecial, tAlnum, tNotAlnum, tSpace, tHexDigit, tStopHost, tIsHost,
  tUrlChar, tIsUrlPath
};
enum Flag : uint8_t { fBingo = 1, fPop = 2, fPush = 4, fRerun = 8, fClear = 16, fMerge = 32, fClearAll = 64 };
enum Special : uint8_t { sNone, sTags, sUrl, sHyphen, sVersion };

struct Item {
  Test test;
  char c = 0;
  uint8_t flags = 0;
  State to = kStay;
  uint8_t type = 0;
  Special special = sNone;
};
using Items = std::vector<Item>;

Item end_pop() { return {tEnd, 0, fPop}; }
Item any_pop() { return {tAny, 0, fPop}; }
Item go(Test t, State to, Special s = sNone) { return {t, 0, 0, to, 0, s}; }
Item on(char c, State to, Special s = sNone) { return {tChar, c, 0, to, 0, s}; }
Item push(Test t, State to) { return {t, 0, fPush, to}; }
Item push_on(char c, State to) { return {tChar, c, fPush, to}; }
Item clear(Test t, State to) { return {t, 0, fClear, to}; }
Item found(Test t, uint8_t type, State to = kBase) { return {t, 0, fBingo, to, type}; }
Item found_on(char c, uint8_t type, uint8_t flags = 0) { return {tChar, c, static_cast<uint8_t>(fBingo | flags), kBase, type}; }
Item all(Test t, uint8_t type, State to = kBase, Special s = sNone) { return {t, 0, fBingo | fClearAll, to, type, s}; }

std::array<Items, kStates> make_states() {
  std::array<Items, kStates> a;
  a[kBase] = {{tEnd}, push_on('<', kTagFirst), go(tIgnored, kSpace), go(tAscii, kAsciiWord), go(tAlpha, kWord),
              go(tDigit, kUnsigned), push_on('-', kSignedFirst), push_on('+', kSignedFirst), push_on('&', kEntityFirst),
              push_on('~', kFileTilde), push_on('/', kFileFirst), push_on('.', kPathFirstFirst), go(tAny, kSpace)};
  a[kNumWord] = {found(tEnd, kTsNumWord), go(tAlnum, kNumWord), go(tSpecial, kNumWord), push_on('@', kEmail), push_on('/', kFileFirst),
                 push_on('.', kFileNext), push_on('-', kHyphenNumFirst), found(tAny, kTsNumWord)};
  a[kAsciiWord] = {found(tEnd, kTsAsciiWord), go(tAscii, kStay), push_on('.', kHostFirstDomain), push_on('.', kFileNext),
                   push_on('-', kHostFirst), push_on('-', kHyphenAsciiFirst), push_on('_', kHostFirst), push_on('@', kEmail),
                   push_on(':', kProtocolFirst), push_on('/', kFileFirst), push(tDigit, kHost), go(tDigit, kNumWord),
                   go(tAlpha, kWord), go(tSpecial, kWord), found(tAny, kTsAsciiWord)};
  a[kWord] = {found(tEnd, kTsWord), go(tAlpha, kStay), go(tSpecial, kStay), go(tDigit, kNumWord), push_on('-', kHyphenWordFirst),
              found(tAny, kTsWord)};
  a[kUnsigned] = {found(tEnd, kTsUnsignedInt), go(tDigit, kStay), push_on('.', kHostFirstDomain), push_on('.', kUDecimalFirst),
                  push_on('e', kMantissaFirst), push_on('E', kMantissaFirst), push_on('-', kHostFirst), push_on('_', kHostFirst),
                  push_on('@', kEmail), push(tAscii, kHost), go(tAlpha, kNumWord), go(tSpecial, kNumWord), push_on('/', kFileFirst),
                  found(tAny, kTsUnsignedInt)};
  a[kSignedFirst] = {end_pop(), clear(tDigit, kSigned), any_pop()};
  a[kSigned] = {found(tEnd, kTsSignedInt), go(tDigit, kStay), push_on('.', kDecimalFirst), push_on('e', kMantissaFirst),
                push_on('E', kMantissaFirst), found(tAny, kTsSignedInt)};
  a[kSpace] = {found(tEnd, kTsSpace), found_on('<', kTsSpace), go(tIgnored, kStay), found_on('-', kTsSpace), found_on('+', kTsSpace),
               found_on('&', kTsSpace), found_on('/', kTsSpace), go(tNotAlnum, kSpace), found(tAny, kTsSpace)};
  a[kUDecimalFirst] = {end_pop(), clear(tDigit, kUDecimal), any_pop()};
  a[kUDecimal] = {found(tEnd, kTsDecimal), go(tDigit, kUDecimal), push_on('.', kVersionFirst), push_on('e', kMantissaFirst),
                  push_on('E', kMantissaFirst), found(tAny, kTsDecimal)};
  a[kDecimalFirst] = {end_pop(), clear(tDigit, kDecimal), any_pop()};
  a[kDecimal] = {found(tEnd, kTsDecimal), go(tDigit, kDecimal), push_on('.', kSignedVersion), push_on('e', kMantissaFirst),
                 push_on('E', kMantissaFirst), found(tAny, kTsDecimal)};
  // 1.2.3 with a sign before it: the sign is no part of a version.
  a[kSignedVersion] = {end_pop(), {tDigit, 0, fRerun, kSignedVersionSkip, 0, sVersion}, any_pop()};
  a[kSignedVersionSkip] = {end_pop(), all(tDigit, kTsSpace, kUnsigned), go(tAny, kStay)};
  a[kVersionFirst] = {end_pop(), clear(tDigit, kVersion), any_pop()};
  a[kVersion] = {found(tEnd, kTsVersion), go(tDigit, kVersion), push_on('.', kVersionFirst), found(tAny, kTsVersion)};
  a[kMantissaFirst] = {end_pop(), clear(tDigit, kMantissa), on('+', kMantissaSign), on('-', kMantissaSign), any_pop()};
  a[kMantissaSign] = {end_pop(), clear(tDigit, kMantissa), any_pop()};
  a[kMantissa] = {found(tEnd, kTsScientific), go(tDigit, kMantissa), found(tAny, kTsScientific)};
  a[kEntityFirst] = {end_pop(), on('#', kEntityNumberFirst), go(tAscii, kEntity), on(':', kEntity), on('_', kEntity), any_pop()};
  a[kEntity] = {end_pop(), go(tAlnum, kEntity), on(':', kEntity), on('_', kEntity), on('.', kEntity), on('-', kEntity),
                on(';', kEntityEnd), any_pop()};
  a[kEntityNumberFirst] = {end_pop(), on('x', kEntityHexFirst), on('X', kEntityHexFirst), go(tDigit, kEntityNumber), any_pop()};
  a[kEntityNumber] = {end_pop(), go(tDigit, kEntityNumber), on(';', kEntityEnd), any_pop()};
  a[kEntityHexFirst] = {end_pop(), go(tHexDigit, kEntityHex), any_pop()};
  a[kEntityHex] = {end_pop(), go(tHexDigit, kEntityHex), on(';', kEntityEnd), any_pop()};
  a[kEntityEnd] = {{tAny, 0, fBingo | fClear, kBase, kTsEntity}};
  a[kTagFirst] = {end_pop(), push_on('/', kTagCloseFirst), push_on('!', kCommentFirst), push_on('?', kXmlBegin),
                  push(tAscii, kTagName), push_on(':', kTagName), push_on('_', kTagName), any_pop()};
  a[kXmlBegin] = {end_pop(), on('x', kTag), any_pop()};
  a[kTagCloseFirst] = {end_pop(), go(tAscii, kTagName), any_pop()};
  a[kTagName] = {end_pop(), on('/', kTagSelfEnd), on('>', kTagEnd, sTags), go(tSpace, kTag, sTags), go(tAlnum, kStay),
                 on(':', kStay), on('_', kStay), on('.', kStay), on('-', kStay), any_pop()};
  a[kTagSelfEnd] = {end_pop(), on('>', kTagEnd), any_pop()};
  a[kTag] = {end_pop(), on('>', kTagEnd, sTags), on('\'', kTagQuote), on('"', kTagDoubleQuote), go(tAscii, kTag), go(tDigit, kTag),
             on('=', kTag), on('-', kTag), on('_', kTag), on('#', kTag), on('/', kTag), on(':', kTag), on('.', kTag), on('&', kTag),
             on('?', kTag), on('%', kTag), on('~', kTag), go(tSpace, kTag, sTags), any_pop()};
  a[kTagQuote] = {end_pop(), push_on('\\', kTagBackslash), on('\'', kTag), go(tAny, kTagQuote)};
  a[kTagDoubleQuote] = {end_pop(), push_on('\\', kTagBackslash), on('"', kTag), go(tAny, kTagDoubleQuote)};
  a[kTagBackslash] = {end_pop(), {tAny, 0, fMerge}};
  a[kTagEnd] = {all(tAny, kTsTag)};
  a[kCommentFirst] = {end_pop(), on('-', kCommentLast), on('D', kTag), on('d', kTag), any_pop()};
  a[kCommentLast] = {end_pop(), on('-', kComment), any_pop()};
  a[kComment] = {end_pop(), on('-', kCloseCommentFirst), go(tAny, kStay)};
  a[kCloseCommentFirst] = {end_pop(), on('-', kCloseCommentLast), go(tAny, kComment)};
  a[kCloseCommentLast] = {end_pop(), on('-', kStay), on('>', kCommentEnd), go(tAny, kComment)};
  a[kCommentEnd] = {all(tAny, kTsTag)};
  a[kHostFirstDomain] = {end_pop(), go(tAscii, kHostDomainSecond), go(tDigit, kHost), any_pop()};
  a[kHostDomainSecond] = {end_pop(), go(tAscii, kHostDomain), push(tDigit, kHost), push_on('-', kHostFirst), push_on('_', kHostFirst),
                          push_on('.', kHostFirstDomain), push_on('@', kEmail), any_pop()};
  a[kHostDomain] = {all(tEnd, kTsHost), go(tAscii, kHostDomain), push(tDigit, kHost), push_on(':', kPortFirst), push_on('-', kHostFirst),
                    push_on('_', kHostFirst), push_on('.', kHostFirstDomain), push_on('@', kEmail), {tDigit, 0, fPop},
                    all(tStopHost, kTsHost, kUrlPathStart), push_on('/', kFullUrl), all(tAny, kTsHost)};
  a[kPortFirst] = {end_pop(), go(tDigit, kPort), any_pop()};
  a[kPort] = {all(tEnd, kTsHost), go(tDigit, kPort), all(tStopHost, kTsHost, kUrlPathStart), push_on('/', kFullUrl), all(tAny, kTsHost)};
  a[kHostFirst] = {end_pop(), go(tDigit, kHost), go(tAscii, kHost), any_pop()};
  a[kHost] = {end_pop(), go(tDigit, kHost), go(tAscii, kHost), push_on('@', kEmail), push_on('.', kHostFirstDomain),
              push_on('-', kHostFirst), push_on('_', kHostFirst), any_pop()};
  a[kEmail] = {{tStopHost, 0, fPop}, all(tIsHost, kTsEmail), any_pop()};
  a[kFileFirst] = {end_pop(), go(tAscii, kFile), go(tDigit, kFile), on('.', kPathFirst), on('_', kFile), push_on('~', kFileTilde), any_pop()};
  a[kFileTilde] = {end_pop(), go(tAscii, kFile), go(tDigit, kFile), on('_', kFile), on('/', kFileFirst), any_pop()};
  a[kPathFirst] = {end_pop(), go(tAscii, kFile), go(tDigit, kFile), on('_', kFile), on('.', kPathSecond), on('/', kFileFirst), any_pop()};
  a[kPathFirstFirst] = {end_pop(), on('.', kPathSecond), on('/', kFileFirst), any_pop()};
  a[kPathSecond] = {{tEnd, 0, fBingo | fClear, kBase, kTsFile}, push_on('/', kFileFirst), found_on('/', kTsFile, fClear),
                    {tSpace, 0, fBingo | fClear, kBase, kTsFile}, any_pop()};
  a[kFile] = {found(tEnd, kTsFile), go(tAscii, kFile), go(tDigit, kFile), push_on('.', kFileNext), on('_', kFile), on('-', kFile),
              push_on('/', kFileFirst), found(tAny, kTsFile)};
  a[kFileNext] = {end_pop(), clear(tAscii, kFile), clear(tDigit, kFile), {tChar, '_', fClear, kFile}, any_pop()};
  a[kUrlPathFirst] = {end_pop(), go(tUrlChar, kUrlPath), any_pop()};
  a[kUrlPathStart] = {go(tAny, kUrlPath)};
  a[kUrlPath] = {found(tEnd, kTsUrlPath), go(tUrlChar, kUrlPath), found(tAny, kTsUrlPath)};
  a[kFullUrl] = {end_pop(), all(tIsUrlPath, kTsUrl, kBase, sUrl), any_pop()};
  a[kProtocolFirst] = {end_pop(), on('/', kProtocolSecond), any_pop()};
  a[kProtocolSecond] = {end_pop(), on('/', kProtocolEnd), any_pop()};
  a[kProtocolEnd] = {all(tAny, kTsProtocol)};
  a[kHyphenAsciiFirst] = {end_pop(), go(tAscii, kHyphenAscii), go(tAlpha, kHyphenWord), go(tDigit, kHyphenDigits), any_pop()};
  a[kHyphenAscii] = {all(tEnd, kTsAsciiHword, kParts, sHyphen), go(tAscii, kHyphenAscii), go(tAlpha, kHyphenWord), go(tSpecial, kHyphenWord),
                     go(tDigit, kHyphenNum), push_on('-', kHyphenAsciiFirst), all(tAny, kTsAsciiHword, kParts, sHyphen)};
  a[kHyphenWordFirst] = {end_pop(), go(tAlpha, kHyphenWord), go(tDigit, kHyphenDigits), any_pop()};
  a[kHyphenWord] = {all(tEnd, kTsHword, kParts, sHyphen), go(tAlpha, kHyphenWord), go(tSpecial, kHyphenWord), go(tDigit, kHyphenNum),
                    push_on('-', kHyphenWordFirst), all(tAny, kTsHword, kParts, sHyphen)};
  a[kHyphenNumFirst] = {end_pop(), go(tAlpha, kHyphenNum), go(tDigit, kHyphenDigits), any_pop()};
  a[kHyphenNum] = {all(tEnd, kTsNumHword, kParts, sHyphen), go(tAlnum, kHyphenNum), go(tSpecial, kHyphenNum), push_on('-', kHyphenNumFirst),
                   all(tAny, kTsNumHword, kParts, sHyphen)};
  a[kHyphenDigits] = {end_pop(), go(tDigit, kHyphenDigits), go(tAlpha, kHyphenNum), go(tSpecial, kHyphenNum), any_pop()};
  a[kParts] = {{tEnd, 0, fRerun, kBase}, go(tAscii, kPartAscii), go(tAlpha, kPartWord), push(tDigit, kPartUnsigned), push_on('-', kPartHyphen),
               {tAny, 0, fRerun, kBase}};
  a[kPartHyphen] = {end_pop(), {tAlnum, 0, fBingo | fClear, kParts, kTsSpace}, {tSpecial, 0, fBingo | fClear, kParts, kTsSpace}, any_pop()};
  a[kPartWord] = {found(tEnd, kTsPartHword), go(tAlpha, kPartWord), go(tSpecial, kPartWord), go(tDigit, kPartNum),
                  found(tAny, kTsPartHword, kParts)};
  a[kPartAscii] = {found(tEnd, kTsPartAsciiHword), go(tAscii, kPartAscii), go(tAlpha, kPartWord), go(tSpecial, kPartWord), go(tDigit, kPartNum),
                   found(tAny, kTsPartAsciiHword, kParts)};
  a[kPartNum] = {found(tEnd, kTsPartNumHword), go(tAlnum, kPartNum), go(tSpecial, kPartNum), found(tAny, kTsPartNumHword, kParts)};
  a[kPartUnsigned] = {end_pop(), go(tDigit, kStay), clear(tAlpha, kPartNum), clear(tSpecial, kPartNum), push_on('.', kPartDecimalFirst),
                      any_pop()};
  a[kPartDecimalFirst] = {end_pop(), clear(tDigit, kPartDecimal), any_pop()};
  a[kPartDecimal] = {found(tEnd, kTsDecimal), go(tDigit, kPartDecimal), push_on('.', kPartVersionFirst), found(tAny, kTsDecimal, kParts)};
  a[kPartVersionFirst] = {end_pop(), clear(tDigit, kPartVersion), any_pop()};
  a[kPartVersion] = {found(tEnd, kTsVersion), go(tDigit, kPartVersion), push_on('.', kPartVersionFirst), found(tAny, kTsVersion, kParts)};
  return a;
}

struct Character {
  uint32_t at;
  uint8_t length;
  uint8_t classes;
};
enum Class : uint8_t { cAlpha = 1, cDigit = 2, cSpace = 4, cHex = 8, cSpecial = 16, cAscii = 32, cUrl = 64 };

// The text once classified, shared by a parse and the parses that it starts to look ahead.
std::vector<Character> classify(std::string_view s) {
  static const locale_t classes = [] {
    locale_t l = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return l != nullptr ? l : newlocale(LC_CTYPE_MASK, "C", nullptr);
  }();
  std::vector<Character> out;
  out.reserve(s.size() + 1);
  for (size_t i = 0; i < s.size();) {
    const size_t n = utf8_front(s.substr(i));
    const auto w = static_cast<wint_t>(utf8_decode(s.substr(i)));
    uint8_t c = 0;
    if (iswalpha_l(w, classes) != 0) c |= cAlpha;
    if (w >= '0' && w <= '9') c |= cDigit;
    if (iswspace_l(w, classes) != 0) c |= cSpace;
    if (w < 0x80 && std::isxdigit(static_cast<int>(w)) != 0) c |= cHex;
    if (w < 0x80) {
      c |= cAscii;
      if (w > 0x20 && w < 0x7f && std::string_view("\"<>\\^`{}|").find(static_cast<char>(w)) == std::string_view::npos) c |= cUrl;
    } else {
      const int8_t kind = u_charType(static_cast<UChar32>(w));
      if (kind == U_NON_SPACING_MARK || kind == U_ENCLOSING_MARK || kind == U_COMBINING_SPACING_MARK) c |= cSpecial;
    }
    out.push_back({static_cast<uint32_t>(i), static_cast<uint8_t>(n), c});
    i += n;
  }
  out.push_back({static_cast<uint32_t>(s.size()), 0, 0});
  return out;
}

// Positions are counted in characters.
class Parser {
 public:
  Parser(std::string_view text, const std::vector<Character>& chars, size_t from) : text_(text), chars_(chars), size_(chars.size() - 1) {
    p_.at = from;
  }

  bool next() {
    static const std::array<Items, kStates> kItems = make_states();
    if (p_.at >= size_) return false;
    token_ = p_.at;
    p_.resume = -1;
    const Item* item = nullptr;
    while (p_.at <= size_) {
      p_.step = p_.at < size_ ? 1 : 0;
      const Items& items = kItems[p_.state];
      size_t i = p_.resume >= 0 ? static_cast<size_t>(p_.resume) + 1 : 0;
      while (items[i].test != tAny && !holds(items[i])) ++i;
      item = &items[i];
      p_.resume = -1;
      special(item->special);
      if ((item->flags & fBingo) != 0) {
        token_length_ = p_.length;
        p_.length = 0;
        type_ = item->type;
      }
      if ((item->flags & fPop) != 0) {
        Position before = std::move(stack_.back());
        stack_.pop_back();
        p_ = before;
      } else if ((item->flags & fPush) != 0) {
        p_.resume = static_cast<int>(i);
        stack_.push_back(p_);
        p_.resume = -1;
      } else if ((item->flags & fClear) != 0) {
        if (!stack_.empty()) stack_.pop_back();
      } else if ((item->flags & fClearAll) != 0) {
        stack_.clear();
      } else if ((item->flags & fMerge) != 0) {
        Position before = stack_.back();
        stack_.pop_back();
        before.at = p_.at;
        before.step = p_.step;
        before.length = p_.length;
        p_ = before;
      }
      if (item->to != kStay) p_.state = item->to;
      if ((item->flags & fBingo) != 0 || (p_.at >= size_ && (item->flags & fRerun) == 0)) break;
      if ((item->flags & (fRerun | fPop)) != 0) continue;
      if (p_.step != 0) {
        ++p_.at;
        ++p_.length;
      }
    }
    return item != nullptr && (item->flags & fBingo) != 0;
  }
  int type() const { return type_; }
  size_t token_length() const { return token_length_; }
  std::string_view token() const {
    const size_t from = chars_[token_].at;
    return text_.substr(from, chars_[token_ + token_length_].at - from);
  }
  void want_host() { want_host_ = true; }
  // A state that can be left again, for the base state at the same place.
  void start_in(State s) {
    stack_.push_back(p_);
    p_.state = s;
  }

 private:
  struct Position {
    size_t at = 0;       // characters
    size_t length = 0;   // of the token so far
    size_t step = 0;     // whether there is a current character
    State state = kBase;
    int resume = -1;     // the test that pushed this position
  };

  bool has(uint8_t c) const { return p_.step != 0 && (chars_[p_.at].classes & c) != 0; }
  bool holds(const Item& item) {
    switch (item.test) {
      case tAny: return true;
      case tEnd: return p_.at == size_;
      case tChar: return p_.step != 0 && chars_[p_.at].length == 1 && text_[chars_[p_.at].at] == item.c;
      case tIgnored: return ignore_;
      case tAscii: return has(cAlpha) && has(cAscii);
      case tAlpha: return has(cAlpha);
      case tDigit: return has(cDigit);
      case tSpecial: return has(cSpecial);
      case tAlnum: return has(cAlpha | cDigit);
      case tNotAlnum: return !has(cAlpha | cDigit);
      case tSpace: return has(cSpace);
      case tHexDigit: return has(cHex);
      case tUrlChar: return has(cUrl);
      case tStopHost:
        if (!want_host_) return false;
        want_host_ = false;
        return true;
      case tIsHost: return look_ahead(kTsHost, [](Parser& p) { p.want_host(); });
      case tIsUrlPath: return look_ahead(kTsUrlPath, [](Parser& p) { p.start_in(kUrlPathFirst); });
    }
    return false;
  }
  template <typename F>
  bool look_ahead(int type, F prepare) {
    Parser p(text_, chars_, p_.at);
    prepare(p);
    if (!p.next() || p.type() != type) return false;
    p_.at += p.token_length();
    p_.length += p.token_length();
    p_.step = 0;
    return true;
  }
  void special(Special s) {
    switch (s) {
      case sNone: return;
      case sTags: {
        const size_t from = chars_[token_].at;
        std::string tag;
        for (const char c : text_.substr(from, chars_[token_ + p_.length].at - from)) tag.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
        if (p_.length == 8 && tag == "</script") ignore_ = false;
        else if (p_.length == 7 && tag == "</style") ignore_ = false;
        else if (p_.length == 7 && tag == "<script") ignore_ = true;
        else if (p_.length == 6 && tag == "<style") ignore_ = true;
        return;
      }
      case sUrl:
        want_host_ = true;
        p_.at -= p_.length;
        return;
      case sHyphen: p_.at -= p_.length; return;
      case sVersion:
        p_.at -= p_.length;
        p_.length = 0;
        return;
    }
  }

  std::string_view text_;
  const std::vector<Character>& chars_;
  size_t size_;
  Position p_;
  std::vector<Position> stack_;
  size_t token_ = 0, token_length_ = 0;
  int type_ = 0;
  bool ignore_ = false, want_host_ = false;
};

}  // namespace

std::vector<TsToken> ts_parse(std::string_view text) {
  std::vector<TsToken> out;
  const std::vector<Character> chars = classify(text);
  Parser p(text, chars, 0);
  while (p.next()) out.push_back({p.type(), p.token()});
  return out;
}

}  // namespace stele
