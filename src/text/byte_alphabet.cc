// SPDX-License-Identifier: Apache-2.0
#include "text/byte_alphabet.h"

#include <array>
#include <cstddef>

#include "base/utf8.h"

namespace redknot::text {
namespace {

constexpr int kLetters = 256 + 68;  // code points 0..323 cover the alphabet

constexpr bool stands_for_itself(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

struct Alphabet {
  std::array<char32_t, 256> letter_of_byte = {};
  std::array<short, kLetters> byte_of_letter = {};  // -1: not a letter
};

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  for (short& byte : alphabet.byte_of_letter) byte = -1;
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const int letter = stands_for_itself(byte) ? byte : next++;
    alphabet.letter_of_byte[static_cast<std::size_t>(byte)] = static_cast<char32_t>(letter);
    alphabet.byte_of_letter[static_cast<std::size_t>(letter)] = static_cast<short>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

std::optional<std::string> bytes_from_alphabet(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  while (!text.empty()) {
    const Utf8Character character = first_character(text);
    if (character.state != Utf8State::kValid || character.code_point >= kLetters) return {};
    const short byte = kAlphabet.byte_of_letter[character.code_point];
    if (byte < 0) return {};
    bytes += static_cast<char>(byte);
    text.remove_prefix(static_cast<std::size_t>(character.length));
  }
  return bytes;
}

std::string to_alphabet(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    append_utf8(text, kAlphabet.letter_of_byte[static_cast<unsigned char>(byte)]);
  }
  return text;
}

}  // namespace redknot::text
