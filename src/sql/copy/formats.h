// The text and CSV formats of COPY: options, splitting input into fields, rendering rows.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/parser/pg.h"

namespace stele::sql {

struct CopyOptions {
  enum class Format : uint8_t { kText, kCsv, kBinary } format = Format::kText;
  char delimiter = '\t', quote = '"', escape = '"';
  std::string null_text = "\\N";
  bool header = false, header_match = false, freeze = false;
  bool force_quote_all = false;
  std::vector<std::string> force_quote, force_not_null, force_null;
  bool csv() const { return format == Format::kCsv; }
};
// Throws as PostgreSQL's ProcessCopyOptions.
CopyOptions parse_copy_options(pg::Node* const* options, size_t n, bool from, std::string_view text);

struct CopyField {
  std::string_view text;     // until the next row
  bool is_null = false, quoted = false;
};

// Cuts a byte stream into rows of fields. Chunks come from `read` (false at the end).
class CopyReader {
 public:
  CopyReader(const CopyOptions& options, std::function<bool(std::string*)> read) : o_(options), read_(std::move(read)) {}
  // False at the end of the data. Rows are reused between calls. Throws bad_copy_file_format.
  bool next(std::vector<CopyField>& fields);
  uint64_t line() const { return line_; }
  // The row as it came, for error context.
  std::string_view raw() const { return raw_; }

 private:
  bool fill();
  bool next_line();   // text: one line into raw_
  bool next_csv(std::vector<CopyField>& fields);
  void split_text(std::vector<CopyField>& fields);
  void unescape(std::string_view raw);
  const CopyOptions& o_;
  std::function<bool(std::string*)> read_;
  std::string buffer_, raw_, plain_;   // plain_: texts that were not in the row as they are meant
  std::vector<size_t> ends_;           // CSV: where each field ends in plain_
  std::string chunk_;
  size_t at_ = 0;
  uint64_t line_ = 0;
  bool done_ = false;
};

void append_copy_text(const CopyOptions& o, std::string_view value, std::string& out);
void append_copy_csv(const CopyOptions& o, std::string_view value, bool force_quote, bool single_column, std::string& out);

}  // namespace stele::sql
