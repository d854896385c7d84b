// The template of redis_key: literal text with {column}s, as in 'product:{id}'. Every row has one key and
// every key one row: values of restricted types (numbers, uuid, date) are told apart by separators that
// they cannot contain, and at most one column may hold any text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "catalog/objects.h"
#include "types/context.h"

namespace stele::sql::redis {

class KeyTemplate {
 public:
  // Throws invalid_parameter_value: unknown columns, ambiguous templates.
  static KeyTemplate parse(std::string_view text, const catalog::Relation& table);

  // Attribute numbers in the order in which the template names them.
  const std::vector<int16_t>& columns() const { return columns_; }
  const std::string& prefix() const { return literals_[0]; }
  std::string key_of(const std::vector<std::string>& values) const;
  // Splits a key; false when it is none of the template's.
  bool match(std::string_view key, std::vector<std::string_view>* values) const;

 private:
  std::vector<std::string> literals_;   // one more than columns
  std::vector<int16_t> columns_;
  std::vector<bool> restricted_;
};

}  // namespace stele::sql::redis
