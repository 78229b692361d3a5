// SPDX-License-Identifier: Apache-2.0
// What counts as white space around and between the words of an answer: that of ASCII.
#pragma once

#include <string_view>

namespace redknot::eval {

inline constexpr std::string_view kWhiteSpace = " \t\n\v\f\r";

// The text without white space at its ends.
inline std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kWhiteSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kWhiteSpace) + 1 - begin);
}

}  // namespace redknot::eval
