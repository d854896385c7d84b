// Operators and functions of bytea; encodings, digests, conversions.
#include <openssl/evp.h>
#include <unicode/ucnv.h>
#include <unicode/unistr.h>

#include "base/error.h"
#include "types/function.h"
#include "types/oids.h"
#include "types/scalar_io.h"
#include "types/text.h"

namespace stele {

void decode_hex(std::string_view s, std::string& out);

namespace {

int compare(FnCall& c) { return compare_text(c.text_arg(0), c.text_arg(1), oid::kCCollation); }

[[noreturn]] void bad_index(int64_t index, int64_t last) {
  throw Error(ErrorCode::kArraySubscriptError, fmt::format("index {} out of valid range, 0..{}", index, last));
}

std::string_view slice(std::string_view s, int64_t start, bool has_length, int64_t length) {
  int64_t end = INT64_MAX / 2;
  if (has_length) {
    if (length < 0) throw Error(ErrorCode::kSubstringError, "negative substring length not allowed");
    end = start + length;
  }
  start = std::max<int64_t>(start, 1);
  end = std::min<int64_t>(end, static_cast<int64_t>(s.size()) + 1);
  if (end <= start) return {};
  return s.substr(static_cast<size_t>(start - 1), static_cast<size_t>(end - start));
}
Datum overlay(FnCall& c, int64_t start, int64_t length) {
  if (start <= 0) throw Error(ErrorCode::kSubstringError, "negative substring length not allowed");
  if (start + length > INT32_MAX) int_out_of_range(4);
  std::string out(slice(c.text_arg(0), 1, true, start - 1));
  out += c.text_arg(1);
  out += slice(c.text_arg(0), start + length, false, 0);
  return c.text(out);
}
std::string_view trim(std::string_view s, std::string_view set, bool left, bool right) {
  while (left && !s.empty() && set.find(s.front()) != std::string_view::npos) s.remove_prefix(1);
  while (right && !s.empty() && set.find(s.back()) != std::string_view::npos) s.remove_suffix(1);
  return s;
}

// ---- encodings

constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string encode_base64(std::string_view s) {
  std::string out;
  size_t line = 0;
  auto put = [&](char ch) {
    out += ch;
  };
  for (size_t i = 0; i < s.size(); i += 3) {
    uint32_t v = static_cast<uint8_t>(s[i]) << 16;
    if (i + 1 < s.size()) v |= static_cast<uint32_t>(static_cast<uint8_t>(s[i + 1])) << 8;
    if (i + 2 < s.size()) v |= static_cast<uint8_t>(s[i + 2]);
    put(kBase64[v >> 18]);
    put(kBase64[v >> 12 & 63]);
    put(i + 1 < s.size() ? kBase64[v >> 6 & 63] : '=');
    put(i + 2 < s.size() ? kBase64[v & 63] : '=');
    line += 4;
    if (line >= 76) {
      if (i + 2 < s.size()) out += '\n';
      line = 0;
    }
  }
  return out;
}
std::string decode_base64(std::string_view s) {
  std::string out;
  uint32_t buffer = 0;
  int pos = 0, end = 0;
  for (size_t i = 0; i < s.size(); ++i) {
    char ch = s[i];
    if (ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r') continue;
    int v = 0;
    if (ch == '=') {
      if (end == 0) {
        if (pos == 2) end = 1;
        else if (pos == 3) end = 2;
        else throw Error(ErrorCode::kInvalidParameterValue, "unexpected \"=\" while decoding base64 sequence");
      }
    } else {
      const char* at = std::strchr(kBase64, ch);
      if (at == nullptr || ch == 0)
        throw Error(ErrorCode::kInvalidParameterValue,
                    fmt::format("invalid symbol \"{}\" found while decoding base64 sequence",
                                s.substr(i, utf8_front(s.substr(i)))));
      v = static_cast<int>(at - kBase64);
    }
    buffer = buffer << 6 | static_cast<uint32_t>(v);
    if (++pos == 4) {
      out += static_cast<char>(buffer >> 16);
      if (end == 0 || end > 1) out += static_cast<char>(buffer >> 8);
      if (end == 0 || end > 2) out += static_cast<char>(buffer);
      buffer = 0;
      pos = 0;
    }
  }
  if (pos != 0)
    throw Error(ErrorCode::kInvalidParameterValue, "invalid base64 end sequence")
        .hint("Input data is missing padding, is truncated, or is otherwise corrupted.");
  return out;
}
std::string encode_hex(std::string_view s) {
  std::string out;
  out.reserve(2 * s.size());
  for (char ch : s) {
    out += "0123456789abcdef"[static_cast<uint8_t>(ch) >> 4];
    out += "0123456789abcdef"[static_cast<uint8_t>(ch) & 15];
  }
  return out;
}
std::string encode_escape(std::string_view s) {
  std::string out;
  for (char ch : s) {
    uint8_t b = static_cast<uint8_t>(ch);
    if (b == 0 || b >= 0x80) out += fmt::format("\\{}{}{}", b >> 6, b >> 3 & 7, b & 7);
    else if (ch == '\\') out += "\\\\";
    else out += ch;
  }
  return out;
}
std::string decode_escape(std::string_view s) {
  std::string out;
  auto octal = [&](size_t i, char top) { return i < s.size() && s[i] >= '0' && s[i] <= top; };
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '\\') {
      out += s[i];
    } else if (octal(i + 1, '3') && octal(i + 2, '7') && octal(i + 3, '7')) {
      out += static_cast<char>((s[i + 1] - '0') << 6 | (s[i + 2] - '0') << 3 | (s[i + 3] - '0'));
      i += 3;
    } else if (i + 1 < s.size() && s[i + 1] == '\\') {
      out += '\\';
      ++i;
    } else {
      throw Error(ErrorCode::kInvalidTextRepresentation, "invalid input syntax for type bytea");
    }
  }
  return out;
}
enum class Encoding { kHex, kBase64, kEscape };
Encoding encoding_arg(FnCall& c) {
  std::string name = text_lower(c.text_arg(1), oid::kCCollation);
  if (name == "hex") return Encoding::kHex;
  if (name == "base64") return Encoding::kBase64;
  if (name == "escape") return Encoding::kEscape;
  throw Error(ErrorCode::kInvalidParameterValue, fmt::format("unrecognized encoding: \"{}\"", c.text_arg(1)));
}

// ---- digests

std::string digest(std::string_view s, const EVP_MD* kind) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int n = 0;
  EVP_Digest(s.data(), s.size(), out, &n, kind, nullptr);
  return {reinterpret_cast<char*>(out), n};
}

// ---- character sets, through ICU

struct Close {
  void operator()(UConverter* c) const { ucnv_close(c); }
};
std::unique_ptr<UConverter, Close> converter(std::string_view name, const char* what) {
  std::string key = text_upper(name, oid::kCCollation), icu;
  // PostgreSQL's names for which ICU's differ.
  static const std::map<std::string, const char*, std::less<>> kNames = {
      {"LATIN1", "ISO-8859-1"}, {"LATIN2", "ISO-8859-2"}, {"LATIN3", "ISO-8859-3"}, {"LATIN4", "ISO-8859-4"},
      {"LATIN5", "ISO-8859-9"}, {"LATIN9", "ISO-8859-15"}, {"WIN1250", "windows-1250"}, {"WIN1251", "windows-1251"},
      {"WIN1252", "windows-1252"}, {"WIN1253", "windows-1253"}, {"WIN1254", "windows-1254"}, {"WIN1255", "windows-1255"},
      {"WIN1256", "windows-1256"}, {"WIN1257", "windows-1257"}, {"WIN1258", "windows-1258"}, {"WIN866", "IBM866"},
      {"WIN874", "windows-874"}, {"KOI8R", "KOI8-R"}, {"KOI8U", "KOI8-U"}, {"SJIS", "Shift_JIS"}, {"EUC_JP", "EUC-JP"},
      {"EUC_CN", "GB2312"}, {"EUC_KR", "EUC-KR"}, {"BIG5", "Big5"}, {"GBK", "GBK"}, {"GB18030", "GB18030"},
      {"UHC", "windows-949"}, {"ISO_8859_5", "ISO-8859-5"}, {"ISO_8859_6", "ISO-8859-6"}, {"ISO_8859_7", "ISO-8859-7"},
      {"ISO_8859_8", "ISO-8859-8"}};
  auto it = kNames.find(key);
  icu = it != kNames.end() ? it->second : "";
  if (icu.empty() && key.starts_with("ISO-8859")) icu = key;
  UErrorCode status = U_ZERO_ERROR;
  std::unique_ptr<UConverter, Close> c(icu.empty() ? nullptr : ucnv_open(icu.c_str(), &status));
  if (c == nullptr || U_FAILURE(status))
    throw Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid {}encoding name \"{}\"", what, name));
  return c;
}
bool is_utf8(std::string_view name) {
  std::string s = text_upper(name, oid::kCCollation);
  return s == "UTF8" || s == "UTF-8" || s == "UNICODE" || s == "SQL_ASCII";
}
std::string to_utf8(std::string_view s, std::string_view name, const char* what = "source ") {
  if (is_utf8(name)) {
    check_utf8(s);
    return std::string(s);
  }
  auto from = converter(name, what);
  UErrorCode status = U_ZERO_ERROR;
  icu::UnicodeString u(s.data(), static_cast<int32_t>(s.size()), from.get(), status);
  std::string out;
  u.toUTF8String(out);
  return out;
}
std::string from_utf8(std::string_view s, std::string_view name) {
  if (is_utf8(name)) return std::string(s);
  auto to = converter(name, "destination ");
  UErrorCode status = U_ZERO_ERROR;
  ucnv_setFromUCallBack(to.get(), UCNV_FROM_U_CALLBACK_STOP, nullptr, nullptr, nullptr, &status);
  std::string out;
  // Character by character, so that the one that cannot be converted is named.
  for (size_t i = 0; i < s.size();) {
    size_t n = utf8_front(s.substr(i));
    std::string_view ch = s.substr(i, n);
    i += n;
    if (n == 1) {
      out += ch;
      continue;
    }
    icu::UnicodeString u = icu::UnicodeString::fromUTF8(icu::StringPiece(ch.data(), static_cast<int32_t>(n)));
    char buffer[16];
    status = U_ZERO_ERROR;
    int32_t written = u.extract(buffer, sizeof buffer, to.get(), status);
    if (U_FAILURE(status)) {
      std::string hex;
      for (char b : ch) hex += fmt::format("{}0x{:02x}", hex.empty() ? "" : " ", static_cast<uint8_t>(b));
      throw Error(ErrorCode::kUntranslatableCharacter,
                  fmt::format("character with byte sequence {} in encoding \"UTF8\" has no equivalent in encoding \"{}\"",
                              hex, text_upper(name, oid::kCCollation)));
    }
    out.append(buffer, static_cast<size_t>(written));
  }
  return out;
}

}  // namespace

void register_bytea_functions(FunctionRegistry& r) {
  r.add("byteaeq", [](FnCall& c) { return Datum::from_bool(c.text_arg(0) == c.text_arg(1)); });
  r.add("byteane", [](FnCall& c) { return Datum::from_bool(c.text_arg(0) != c.text_arg(1)); });
  r.add("bytealt", [](FnCall& c) { return Datum::from_bool(compare(c) < 0); });
  r.add("byteale", [](FnCall& c) { return Datum::from_bool(compare(c) <= 0); });
  r.add("byteagt", [](FnCall& c) { return Datum::from_bool(compare(c) > 0); });
  r.add("byteage", [](FnCall& c) { return Datum::from_bool(compare(c) >= 0); });
  // Shows how far apart the first differing bytes are, as PostgreSQL's does.
  r.add("byteacmp", [](FnCall& c) {
    const std::string_view a = c.text_arg(0), b = c.text_arg(1);
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      if (a[i] != b[i]) return Datum::from_int(static_cast<uint8_t>(a[i]) - static_cast<uint8_t>(b[i]));
    }
    return Datum::from_int(compare(c));
  });
  r.add("byteacat", [](FnCall& c) { return c.text(std::string(c.text_arg(0)) + std::string(c.text_arg(1))); });
  r.add("byteaoctetlen", [](FnCall& c) { return Datum::from_int(static_cast<int64_t>(c.text_arg(0).size())); });
  r.add("bytea_substr", [](FnCall& c) { return c.text(slice(c.text_arg(0), c.int_arg(1), true, c.int_arg(2))); });
  r.add("bytea_substr_no_len", [](FnCall& c) { return c.text(slice(c.text_arg(0), c.int_arg(1), false, 0)); });
  r.add("byteaoverlay", [](FnCall& c) { return overlay(c, c.int_arg(2), c.int_arg(3)); });
  r.add("byteaoverlay_no_len", [](FnCall& c) { return overlay(c, c.int_arg(2), static_cast<int64_t>(c.text_arg(1).size())); });
  r.add("byteapos", [](FnCall& c) {
    size_t at = c.text_arg(0).find(c.text_arg(1));
    return Datum::from_int(at == std::string_view::npos ? 0 : static_cast<int64_t>(at) + 1);
  });
  r.add("byteatrim", [](FnCall& c) { return c.text(trim(c.text_arg(0), c.text_arg(1), true, true)); });
  r.add("bytealtrim", [](FnCall& c) { return c.text(trim(c.text_arg(0), c.text_arg(1), true, false)); });
  r.add("byteartrim", [](FnCall& c) { return c.text(trim(c.text_arg(0), c.text_arg(1), false, true)); });
  r.add("byteaGetByte", [](FnCall& c) {
    std::string_view s = c.text_arg(0);
    int64_t i = c.int_arg(1), n = static_cast<int64_t>(s.size());
    if (i < 0 || i >= n) bad_index(i, n - 1);
    return Datum::from_int(static_cast<uint8_t>(s[static_cast<size_t>(i)]));
  });
  r.add("byteaSetByte", [](FnCall& c) {
    std::string s(c.text_arg(0));
    int64_t i = c.int_arg(1), n = static_cast<int64_t>(s.size());
    if (i < 0 || i >= n) bad_index(i, n - 1);
    s[static_cast<size_t>(i)] = static_cast<char>(c.int_arg(2));
    return c.text(s);
  });
  r.add("byteaGetBit", [](FnCall& c) {
    std::string_view s = c.text_arg(0);
    int64_t i = c.int_arg(1), n = static_cast<int64_t>(s.size()) * 8;
    if (i < 0 || i >= n) bad_index(i, n - 1);
    return Datum::from_int(static_cast<uint8_t>(s[static_cast<size_t>(i / 8)]) >> (i % 8) & 1);
  });
  r.add("byteaSetBit", [](FnCall& c) {
    std::string s(c.text_arg(0));
    int64_t i = c.int_arg(1), n = static_cast<int64_t>(s.size()) * 8, bit = c.int_arg(2);
    if (i < 0 || i >= n) bad_index(i, n - 1);
    if (bit != 0 && bit != 1) throw Error(ErrorCode::kInvalidParameterValue, "new bit must be 0 or 1");
    char& b = s[static_cast<size_t>(i / 8)];
    b = static_cast<char>(bit ? b | 1 << (i % 8) : b & ~(1 << (i % 8)));
    return c.text(s);
  });
  r.add("bytea_bit_count", [](FnCall& c) {
    int64_t n = 0;
    for (char ch : c.text_arg(0)) n += std::popcount(static_cast<uint8_t>(ch));
    return Datum::from_int(n);
  });

  r.add("binary_encode", [](FnCall& c) {
    switch (encoding_arg(c)) {
      case Encoding::kHex: return c.text(encode_hex(c.text_arg(0)));
      case Encoding::kBase64: return c.text(encode_base64(c.text_arg(0)));
      default: return c.text(encode_escape(c.text_arg(0)));
    }
  });
  r.add("binary_decode", [](FnCall& c) {
    switch (encoding_arg(c)) {
      case Encoding::kHex: {
        std::string out;
        decode_hex(c.text_arg(0), out);
        return c.text(out);
      }
      case Encoding::kBase64: return c.text(decode_base64(c.text_arg(0)));
      default: return c.text(decode_escape(c.text_arg(0)));
    }
  });
  for (const char* n : {"md5_text", "md5_bytea"}) r.add(n, [](FnCall& c) { return c.text(encode_hex(digest(c.text_arg(0), EVP_md5()))); });
  r.add("sha224_bytea", [](FnCall& c) { return c.text(digest(c.text_arg(0), EVP_sha224())); });
  r.add("sha256_bytea", [](FnCall& c) { return c.text(digest(c.text_arg(0), EVP_sha256())); });
  r.add("sha384_bytea", [](FnCall& c) { return c.text(digest(c.text_arg(0), EVP_sha384())); });
  r.add("sha512_bytea", [](FnCall& c) { return c.text(digest(c.text_arg(0), EVP_sha512())); });
  r.add("pg_convert_from", [](FnCall& c) { return c.text(to_utf8(c.text_arg(0), c.text_arg(1))); });
  r.add("pg_convert_to", [](FnCall& c) { return c.text(from_utf8(c.text_arg(0), c.text_arg(1))); });
  for (const char* n : {"to_ascii_default", "to_ascii_enc", "to_ascii_encname"})
    r.add(n, [](FnCall&) -> Datum {
      throw Error(ErrorCode::kFeatureNotSupported, "encoding conversion from UTF8 to ASCII not supported");
    });
  r.add("pg_convert", [](FnCall& c) { return c.text(from_utf8(to_utf8(c.text_arg(0), c.text_arg(1)), c.text_arg(2))); });
  r.add("length_in_encoding", [](FnCall& c) {
    return Datum::from_int(static_cast<int64_t>(utf8_length(to_utf8(c.text_arg(0), c.text_arg(1), ""))));
  });
}

}  // namespace stele
