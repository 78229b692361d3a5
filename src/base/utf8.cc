// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <cstddef>

namespace redknot {
namespace {

int length_by_lead(unsigned lead) {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

}  // namespace

Utf8Character first_character(std::string_view text) {
  const unsigned lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1, Utf8State::kValid};
  const int length = length_by_lead(lead);
  if (length == 0) return {0, 1, Utf8State::kInvalid};
  // Only the second byte's range depends on the first.
  unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  char32_t code_point = lead & (0x7fu >> length);
  for (int i = 1; i < length; ++i) {
    if (static_cast<std::size_t>(i) == text.size()) return {0, i, Utf8State::kIncomplete};
    const unsigned byte = static_cast<unsigned char>(text[static_cast<std::size_t>(i)]);
    if (byte < low || byte > high) return {0, i, Utf8State::kInvalid};
    code_point = code_point << 6 | (byte & 0x3f);
    low = 0x80;
    high = 0xbf;
  }
  return {code_point, length, Utf8State::kValid};
}

std::optional<std::u32string> decode_utf8(std::string_view text) {
  std::u32string out;
  while (!text.empty()) {
    const Utf8Character character = first_character(text);
    if (character.state != Utf8State::kValid) return std::nullopt;
    out += character.code_point;
    text.remove_prefix(static_cast<std::size_t>(character.length));
  }
  return out;
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Utf8Character character = first_character(text);
    const auto length = static_cast<std::size_t>(character.length);
    out += character.state == Utf8State::kValid ? text.substr(0, length) : "\ufffd";
    text.remove_prefix(length);
  }
  return out;
}

void append_utf8(std::string& out, char32_t code_point) {
  const auto put = [&out](char32_t byte) { out += static_cast<char>(byte); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xc0 | code_point >> 6);
    put(0x80 | (code_point & 0x3f));
  } else if (code_point < 0x10000) {
    put(0xe0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3f));
    put(0x80 | (code_point & 0x3f));
  } else {
    put(0xf0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3f));
    put(0x80 | (code_point >> 6 & 0x3f));
    put(0x80 | (code_point & 0x3f));
  }
}

}  // namespace redknot
