// SPDX-License-Identifier: Apache-2.0
#include "jinja/characters.h"

#include <utf8proc.h>
#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/utf8.h"

namespace redknot::jinja {
namespace {

constexpr char32_t kReplacement = 0xfffd;

bool is_between(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

// What `append(out, c)` writes for each character; bytes that are none stay.
template <typename Append>
std::string change_characters(std::string_view text, Append append) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    const char32_t c = first_code_point(text);
    if (c == kReplacement) {
      out += text.substr(0, bytes);
    } else {
      append(out, c);
    }
    text.remove_prefix(bytes);
  }
  return out;
}

utf8proc_int32_t number_of(char32_t c) { return static_cast<utf8proc_int32_t>(c); }

// Unicode's full case folding: "ss" for a sharp s, "fi" for its ligature. Mostly one character.
std::u32string folded(char32_t c) {
  std::array<utf8proc_int32_t, 4> characters{};
  int boundary = 0;
  const auto count = utf8proc_decompose_char(number_of(c), characters.data(), characters.size(),
                                             UTF8PROC_CASEFOLD, &boundary);
  REDKNOT_CHECK(count >= 1 && count <= static_cast<utf8proc_ssize_t>(characters.size()));
  return {characters.begin(), characters.begin() + count};
}

char32_t one_upper(char32_t c) { return static_cast<char32_t>(utf8proc_toupper(number_of(c))); }

// The library maps characters to characters. Where Unicode writes several for one, they are those
// of its case folding, but for capitals, which stay.
bool becomes_several(char32_t c) {
  return c >= 0x80 && utf8proc_category(number_of(c)) != UTF8PROC_CATEGORY_LU &&
         folded(c).size() > 1;
}

void append_lower(std::string& out, char32_t c) {
  if (c == 0x130) {  // a capital I with a dot
    out += "i\u0307";
  } else {
    append_utf8(out, static_cast<char32_t>(utf8proc_tolower(number_of(c))));
  }
}

void append_upper(std::string& out, char32_t c) {
  if (!becomes_several(c)) return append_utf8(out, one_upper(c));
  for (const char32_t part : folded(c)) append_utf8(out, one_upper(part));
}

void append_title(std::string& out, char32_t c) {
  const auto title = static_cast<char32_t>(utf8proc_totitle(number_of(c)));
  if (is_title(title) || !becomes_several(c)) return append_utf8(out, title);
  const std::u32string parts = folded(c);
  const bool first_is_letter = is_cased(parts[0]);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool raised = i == 0 || (i == 1 && !first_is_letter);
    // Below a Greek vowel the iota stays small.
    const bool below = parts[i] == 0x3b9 && i > 0;
    append_utf8(out, raised ? one_upper(parts[i]) : below ? 0x345 : parts[i]);
  }
}

std::size_t last_character_bytes(std::string_view text) {
  std::size_t start = text.size() - 1;
  while (start > 0 && is_continuation(text[start])) --start;
  return text.size() - start;
}

bool has_character(std::string_view characters, std::string_view wanted) {
  for (; !characters.empty(); characters.remove_prefix(character_bytes(characters))) {
    if (characters.substr(0, character_bytes(characters)) == wanted) return true;
  }
  return false;
}

bool ends_line(char32_t c) {
  return is_between(c, '\n', '\r') || is_between(c, 0x1c, 0x1e) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

}  // namespace

std::size_t character_bytes(std::string_view text) {
  std::size_t bytes = 1;
  while (bytes < text.size() && is_continuation(text[bytes])) ++bytes;
  return bytes;
}

std::size_t character_count(std::string_view text) {
  if (text.empty()) return 0;
  const auto count =
      std::count_if(text.begin() + 1, text.end(), [](char byte) { return !is_continuation(byte); });
  return 1 + static_cast<std::size_t>(count);
}

std::size_t character_start(std::string_view text, std::size_t index) {
  if (index == 0) return 0;
  std::size_t at = 1;
  for (; at < text.size(); ++at) {
    if (!is_continuation(text[at]) && --index == 0) break;
  }
  return std::min(at, text.size());
}

char32_t first_code_point(std::string_view text) {
  const std::size_t bytes = character_bytes(text);
  const Utf8Character first = first_character(text.substr(0, bytes));
  const bool valid =
      first.state == Utf8State::kValid && static_cast<std::size_t>(first.length) == bytes;
  return valid ? first.code_point : kReplacement;
}

void append_code_point(std::string& out, char32_t c) {
  append_utf8(out, c > 0x10ffff || is_between(c, 0xd800, 0xdfff) ? kReplacement : c);
}

bool is_space(char32_t c) {
  return is_between(c, '\t', '\r') || is_between(c, 0x1c, 0x20) || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || is_between(c, 0x2000, 0x200a) || c == 0x2028 || c == 0x2029 ||
         c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_letter(char32_t c) {
  const utf8proc_category_t category = utf8proc_category(number_of(c));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool is_printable(char32_t c) {
  const utf8proc_category_t category = utf8proc_category(number_of(c));
  return c == ' ' || (category != UTF8PROC_CATEGORY_CN && category < UTF8PROC_CATEGORY_ZS);
}

bool is_title(char32_t c) { return utf8proc_category(number_of(c)) == UTF8PROC_CATEGORY_LT; }

bool is_upper(char32_t c) {
  if (utf8proc_category(number_of(c)) == UTF8PROC_CATEGORY_LU) return true;
  return utf8proc_tolower(number_of(c)) != number_of(c) && !is_title(c);
}

bool is_lower(char32_t c) {
  if (utf8proc_category(number_of(c)) == UTF8PROC_CATEGORY_LL) return true;
  return utf8proc_toupper(number_of(c)) != number_of(c) && !is_title(c);
}

bool is_cased(char32_t c) { return is_upper(c) || is_lower(c) || is_title(c); }

std::string_view strip_left(std::string_view text) {
  while (!text.empty() && is_space(first_code_point(text))) {
    text.remove_prefix(character_bytes(text));
  }
  return text;
}

std::string_view strip_right(std::string_view text) {
  while (!text.empty()) {
    const std::size_t bytes = last_character_bytes(text);
    if (!is_space(first_code_point(text.substr(text.size() - bytes)))) break;
    text.remove_suffix(bytes);
  }
  return text;
}

std::string_view strip_left(std::string_view text, std::string_view characters) {
  while (!text.empty() && has_character(characters, text.substr(0, character_bytes(text)))) {
    text.remove_prefix(character_bytes(text));
  }
  return text;
}

std::string_view strip_right(std::string_view text, std::string_view characters) {
  while (!text.empty()) {
    const std::size_t bytes = last_character_bytes(text);
    if (!has_character(characters, text.substr(text.size() - bytes))) break;
    text.remove_suffix(bytes);
  }
  return text;
}

std::string lower(std::string_view text) { return change_characters(text, append_lower); }

std::string upper(std::string_view text) { return change_characters(text, append_upper); }

std::string title(std::string_view text) {
  bool in_word = false;
  return change_characters(text, [&in_word](std::string& out, char32_t c) {
    (in_word ? append_lower : append_title)(out, c);
    in_word = is_cased(c);
  });
}

std::string capitalize(std::string_view text) {
  bool is_first = true;
  return change_characters(text, [&is_first](std::string& out, char32_t c) {
    (is_first ? append_title : append_lower)(out, c);
    is_first = false;
  });
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    std::size_t bytes = character_bytes(rest);
    if (ends_line(first_code_point(rest))) {
      lines.push_back(text.substr(start, at - start));
      if (rest.substr(0, 2) == "\r\n") bytes = 2;
      start = at + bytes;
    }
    at += bytes;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace redknot::jinja
