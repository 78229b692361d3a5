// SPDX-License-Identifier: Apache-2.0
// Small readings of ASCII, without a locale.
#pragma once

#include <string>
#include <string_view>

namespace redknot::http {

// A string_view of another library.
template <typename Text>
std::string_view view(const Text& text) {
  return {text.data(), text.size()};
}

inline std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// -1 if it is none.
inline int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace redknot::http
