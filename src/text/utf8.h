// SPDX-License-Identifier: Apache-2.0
// UTF-8 one character at a time, strict as Unicode's table 3-7: no overlong forms, no surrogates,
// nothing above U+10FFFF. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace redknot::text {

enum class Utf8State { kValid, kInvalid, kIncomplete };

struct Utf8Character {
  char32_t code_point = 0;  // of a valid character
  int length = 0;           // bytes, at least 1
  Utf8State state = Utf8State::kInvalid;
};

// The first character of `text`, which must not be empty. kInvalid: `length` bytes can never be
// part of a character (Unicode's "maximal subpart", what one U+FFFD stands for). kIncomplete: the
// text ends before the character does; more bytes may complete it.
Utf8Character first_character(std::string_view text);

void append_utf8(std::string& out, char32_t code_point);

}  // namespace redknot::text
