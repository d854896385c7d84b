// Text as UTF-8: characters, case, collations. Collations order by bytes (C, POSIX, default and
// everything of libc) or by ICU under the locale that pg_collation names.
#pragma once

#include <string>
#include <string_view>

#include "types/datum.h"

namespace stele {

// ---- characters
inline bool is_utf8_start(char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }
size_t utf8_length(std::string_view s);
// Byte offset of the n-th character (0-based); s.size() when there are fewer.
size_t utf8_offset(std::string_view s, size_t n);
// Bytes of the character at the front, at least 1.
size_t utf8_front(std::string_view s);
uint32_t utf8_decode(std::string_view s);  // of the front character
void utf8_append(uint32_t code_point, std::string& out);
// The longest prefix of at most `bytes` bytes that ends at a character.
std::string_view utf8_clip(std::string_view s, size_t bytes);
// Throws character_not_in_repertoire: invalid byte sequence for encoding "UTF8": 0x...
void check_utf8(std::string_view s);
bool is_valid_utf8(std::string_view s);

// ---- collation
// Makes a collation of the user's known for the life of the process. provider: 'c' or 'i'.
void define_collation(Oid oid, char provider, std::string locale, bool deterministic);
int compare_text(std::string_view a, std::string_view b, Oid collation);
bool equal_text(std::string_view a, std::string_view b, Oid collation);
// False when equal strings may differ in bytes.
bool collation_is_deterministic(Oid collation);
// True when order is byte order.
bool collation_is_bytes(Oid collation);

// ---- case, by the collation's rules (C: ASCII only; default: Unicode simple mapping)
std::string text_upper(std::string_view s, Oid collation);
std::string text_lower(std::string_view s, Oid collation);
std::string text_initcap(std::string_view s, Oid collation);

// ---- key encoding of bytes: 00 becomes 00 FF, the end is 00 00
void encode_bytes_key(std::string_view s, std::string& out);
void decode_bytes_key(std::string_view& in, std::string& out);
void skip_bytes_key(std::string_view& in);

// Identifiers of at most 63 bytes.
constexpr size_t kNameLength = 63;

// SQL quoting, as quote_ident and quote_literal do.
std::string quote_identifier(std::string_view s);
std::string quote_literal(std::string_view s);

}  // namespace stele
