// SPDX-License-Identifier: Apache-2.0
#include "jinja/text_literal.h"

#include <charconv>
#include <cstdint>

#include "base/error.h"
#include "jinja/characters.h"

namespace redknot::jinja {
namespace {

// The number that `digits` digits make at the front, which it takes off.
Result<std::uint32_t> take_number(std::string_view& text, std::size_t digits, int base) {
  std::uint32_t number = 0;
  const char* end = text.data() + std::min(digits, text.size());
  const auto parsed = std::from_chars(text.data(), end, number, base);
  if (text.size() < digits || parsed.ptr != end) return invalid("an escape lacks its digits");
  text.remove_prefix(digits);
  return number;
}

// A pair of \u that stand for one character is joined, as JSON has it.
Result<std::uint32_t> take_unit(std::string_view& text) {
  REDKNOT_TRY(const std::uint32_t high, take_number(text, 4, 16));
  if (high < 0xd800 || high > 0xdbff || text.substr(0, 2) != "\\u") return high;
  std::string_view after = text.substr(2);
  const auto low = take_number(after, 4, 16);
  if (!low.ok() || *low < 0xdc00 || *low > 0xdfff) return high;
  text = after;
  return 0x10000 + ((high - 0xd800) << 10) + (*low - 0xdc00);
}

std::size_t octal_digits(std::string_view text) {
  std::size_t count = 0;
  while (count < 3 && count < text.size() && text[count] >= '0' && text[count] <= '7') ++count;
  return count;
}

// `text` begins behind the backslash.
Status append_escape(std::string& out, std::string_view& text) {
  static constexpr std::string_view kLetters = "abfnrtv\\'\"";
  static constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
  const char letter = text[0];
  if (const std::size_t octal = octal_digits(text); octal > 0) {
    REDKNOT_TRY(const std::uint32_t number, take_number(text, octal, 8));
    append_code_point(out, number);
    return Done{};
  }
  text.remove_prefix(1);
  if (const std::size_t at = kLetters.find(letter); at != kLetters.npos) {
    out += kMeanings[at];
  } else if (letter == 'x' || letter == 'U') {
    REDKNOT_TRY(const std::uint32_t number, take_number(text, letter == 'x' ? 2 : 8, 16));
    append_code_point(out, number);
  } else if (letter == 'u') {
    REDKNOT_TRY(const std::uint32_t number, take_unit(text));
    append_code_point(out, number);
  } else if (letter == 'N') {
    return invalid("characters by name are not supported");
  } else if (letter != '\n') {
    out += '\\';
    out += letter;
  }
  return Done{};
}

}  // namespace

Result<std::string> resolve_escapes(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t escape = std::min(text.find('\\'), text.size());
    out += text.substr(0, escape);
    text.remove_prefix(escape);
    if (text.empty()) break;
    text.remove_prefix(1);
    if (text.empty()) return invalid("a text ends in a backslash");
    REDKNOT_RETURN_IF_ERROR(append_escape(out, text));
  }
  return out;
}

}  // namespace redknot::jinja
