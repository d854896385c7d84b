// PostgreSQL's default text search parser: text into words, numbers, addresses, paths, tags ...
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace stele {

enum TsTokenType : int {
  kTsAsciiWord = 1, kTsWord, kTsNumWord, kTsEmail, kTsUrl, kTsHost, kTsScientific, kTsVersion, kTsPartNumHword, kTsPartHword,
  kTsPartAsciiHword, kTsSpace, kTsTag, kTsProtocol, kTsNumHword, kTsAsciiHword, kTsHword, kTsUrlPath, kTsFile, kTsDecimal,
  kTsSignedInt, kTsUnsignedInt, kTsEntity
};
constexpr int kTsTokenTypes = 23;

struct TsTokenName {
  const char* alias;
  const char* description;
};
// By type; entry 0 is unused.
std::span<const TsTokenName> ts_token_names();

struct TsToken {
  int type;
  std::string_view text;
};
// All tokens in order. Compound words and URLs come whole first and then in parts.
std::vector<TsToken> ts_parse(std::string_view text);

}  // namespace stele
