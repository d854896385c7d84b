// Numbers and patterns as Redis reads and writes them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace stele::keyspace {

// Canonical decimal only: no spaces, no plus sign, no leading zeros.
bool parse_i64(std::string_view s, int64_t* out);
bool parse_u64(std::string_view s, uint64_t* out);
// strtod over the whole text; rejects empty text, leading space and NaN.
bool parse_double(std::string_view s, double* out);
bool parse_long_double(std::string_view s, long double* out);

// buf holds at least 24 bytes; returns the length.
size_t format_i64(int64_t v, char* buf);
std::string format_double(double v);              // %.17g, integers without an exponent, inf/-inf
std::string format_score(double v);               // %.17g always
std::string format_human(long double v);          // %.17Lf without trailing zeros

// Glob patterns: * ? [a-z] [^x] and backslash.
bool glob_match(std::string_view pattern, std::string_view text, bool ignore_case = false);
bool iequals(std::string_view a, std::string_view b);
std::string lower(std::string_view s);
std::string upper(std::string_view s);
// "10mb", "1k", ...; -1 when it is none.
bool parse_memory(std::string_view s, int64_t* out);
// The quoted form redis-cli prints: "a\x00b".
std::string quoted(std::string_view s);
// Splits "a 'b c' \"d\\n\"" into arguments; false for unbalanced quotes.
bool split_args(std::string_view line, std::vector<std::string>* out);
std::string sha1_hex(std::string_view s);
std::string sha256_hex(std::string_view s);
void sha1_raw(std::string_view s, unsigned char out[20]);
uint64_t crc64(uint64_t crc, const char* data, size_t n);
std::string human_bytes(uint64_t n);
std::string random_hex(size_t n);

}  // namespace stele::keyspace
