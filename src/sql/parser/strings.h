// Texts written for standard_conforming_strings = off.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace stele::sql {

// The same text with plain string constants that hold backslash escapes written without them. Every other token keeps its
// offset: a constant is never longer without its escapes, and blanks fill the rest. `warn` gets what escape_string_warning
// says about a constant, once each. Throws for constants with Unicode escapes, which that setting forbids.
std::string without_escapes(std::string_view text, const std::function<void(const Error&)>& warn);

}  // namespace stele::sql
