// SPDX-License-Identifier: Apache-2.0
#include "jinja/characters.h"

#include <algorithm>

#include "base/utf8.h"

namespace redknot::jinja {
namespace {

constexpr char32_t kReplacement = 0xfffd;

bool is_between(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

template <typename Change>
std::string change_characters(std::string_view text, Change change) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    const char32_t c = first_code_point(text);
    if (c == kReplacement) {
      out += text.substr(0, bytes);
    } else {
      append_code_point(out, change(c));
    }
    text.remove_prefix(bytes);
  }
  return out;
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

// Pairs of neighbours, the capital first on even (or odd) numbers.
bool is_even_pair(char32_t c) {
  return is_between(c, 0x100, 0x137) || is_between(c, 0x14a, 0x177) ||
         is_between(c, 0x460, 0x481) || is_between(c, 0x48a, 0x4bf) ||
         is_between(c, 0x4d0, 0x52f) || is_between(c, 0x1e00, 0x1e95) ||
         is_between(c, 0x1ea0, 0x1eff) || is_between(c, 0x200, 0x21f) ||
         is_between(c, 0x222, 0x233) || is_between(c, 0x3d8, 0x3ef);
}
bool is_odd_pair(char32_t c) {
  return is_between(c, 0x139, 0x148) || is_between(c, 0x179, 0x17e) || is_between(c, 0x1cd, 0x1dc);
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
  if (c < 0x80) return is_between(c | 0x20, 'a', 'z');
  if (c < 0xc0) return c == 0xaa || c == 0xb5 || c == 0xba;
  if (c == 0xd7 || c == 0xf7) return false;
  return c < 0x2c2 || is_between(c, 0x370, 0x373) || is_between(c, 0x376, 0x377) ||
         (is_between(c, 0x386, 0x481) && c != 0x387) || is_between(c, 0x48a, 0x556) ||
         is_between(c, 0x561, 0x587) || is_between(c, 0x5d0, 0x5ea) ||
         is_between(c, 0x620, 0x64a) || is_between(c, 0x904, 0x939) ||
         is_between(c, 0x1e00, 0x1fbc) || is_between(c, 0x3041, 0x3096) ||
         is_between(c, 0x30a1, 0x30fa) || is_between(c, 0x3400, 0x4dbf) ||
         is_between(c, 0x4e00, 0x9fff) || is_between(c, 0xac00, 0xd7a3);
}

bool is_printable(char32_t c) {
  if (c == ' ') return true;
  return !is_space(c) && !is_between(c, 0, 0x1f) && !is_between(c, 0x7f, 0xa0) && c != 0xad &&
         !is_between(c, 0x200b, 0x200f) && !is_between(c, 0x202a, 0x202e) &&
         !is_between(c, 0x2060, 0x206f) && c != 0xfeff && !is_between(c, 0xe000, 0xf8ff);
}

char32_t to_lower(char32_t c) {
  if (is_between(c, 'A', 'Z')) return c + 32;
  if (c < 0xc0) return c;
  if (is_between(c, 0xc0, 0xde) && c != 0xd7) return c + 32;
  if (c == 0x130) return 'i';
  if (c == 0x178) return 0xff;
  if (is_even_pair(c)) return c | 1;
  if (is_odd_pair(c)) return c % 2 == 1 ? c + 1 : c;
  if (is_between(c, 0x391, 0x3ab) && c != 0x3a2) return c + 32;
  if (c == 0x386) return 0x3ac;
  if (is_between(c, 0x388, 0x38a)) return c + 37;
  if (c == 0x38c) return 0x3cc;
  if (c == 0x38e || c == 0x38f) return c + 63;
  if (is_between(c, 0x400, 0x40f)) return c + 80;
  if (is_between(c, 0x410, 0x42f)) return c + 32;
  if (is_between(c, 0x531, 0x556)) return c + 48;
  return c;
}

char32_t to_upper(char32_t c) {
  if (is_between(c, 'a', 'z')) return c - 32;
  if (c < 0xb5) return c;
  if (c == 0xb5) return 0x39c;
  if (is_between(c, 0xe0, 0xfe) && c != 0xf7) return c - 32;
  if (c == 0xff) return 0x178;
  if (c == 0x131) return 'I';
  if (c == 0x17f) return 'S';
  if (is_even_pair(c)) return c & ~char32_t{1};
  if (is_odd_pair(c)) return c % 2 == 0 ? c - 1 : c;
  if (c == 0x3c2) return 0x3a3;
  if (is_between(c, 0x3b1, 0x3cb)) return c - 32;
  if (c == 0x3ac) return 0x386;
  if (is_between(c, 0x3ad, 0x3af)) return c - 37;
  if (c == 0x3cc) return 0x38c;
  if (c == 0x3cd || c == 0x3ce) return c - 63;
  if (is_between(c, 0x450, 0x45f)) return c - 80;
  if (is_between(c, 0x430, 0x44f)) return c - 32;
  if (is_between(c, 0x561, 0x586)) return c - 48;
  return c;
}

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

std::string lower(std::string_view text) { return change_characters(text, to_lower); }

std::string upper(std::string_view text) {
  std::string out;
  for (std::size_t at = text.find("\xc3\x9f"); at != std::string_view::npos;
       at = text.find("\xc3\x9f")) {
    out += change_characters(text.substr(0, at), to_upper) + "SS";
    text.remove_prefix(at + 2);
  }
  return out + change_characters(text, to_upper);
}

std::string title(std::string_view text) {
  bool in_word = false;
  return change_characters(text, [&in_word](char32_t c) {
    const char32_t changed = in_word ? to_lower(c) : to_upper(c);
    in_word = is_letter(c);
    return changed;
  });
}

std::string capitalize(std::string_view text) {
  bool is_first = true;
  return change_characters(text, [&is_first](char32_t c) {
    const char32_t changed = is_first ? to_upper(c) : to_lower(c);
    is_first = false;
    return changed;
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
