// SPDX-License-Identifier: Apache-2.0
// UTF-8 one character at a time, strict as Unicode's table 3-7: no overlong forms, no surrogates,
// nothing above U+10FFFF.
//
// Everybody who reads or writes characters uses this: the tokenizer, constraints, chat templates,
// the marks of reusable parts, pictures. Pure functions, for any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace redknot {

enum class Utf8State { kValid, kInvalid, kIncomplete };

struct Utf8Character {
  char32_t code_point = 0;  // 0 unless the character is valid
  int length = 0;           // bytes, at least 1
  Utf8State state = Utf8State::kInvalid;
};

// The first character of `text`, which must not be empty. kInvalid: `length` bytes can never be
// part of a character (Unicode's "maximal subpart", what one U+FFFD stands for). kIncomplete: the
// text ends before the character does; more bytes may complete it.
Utf8Character first_character(std::string_view text);

// Whether a byte stands inside a character, behind its first byte.
constexpr bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

// How many bytes, 1 to 4, a character has that begins with `first`, whether or not the bytes behind
// it keep the promise. For those who have to cut broken text as others do.
constexpr int promised_bytes(char first) {
  const auto lead = static_cast<unsigned char>(first);
  return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

// All characters of a text; nothing if it is not valid.
std::optional<std::u32string> decode_utf8(std::string_view text);

// The text with U+FFFD for each maximal run of bytes that is no character.
std::string valid_utf8(std::string_view text);

// Requires a code point up to U+10FFFF that is no surrogate.
void append_utf8(std::string& out, char32_t code_point);

}  // namespace redknot
