// SPDX-License-Identifier: Apache-2.0
// Texts as Python sees them: characters instead of bytes, its white space, its letters.
//
// Texts are UTF-8; bytes that are not count as characters of their own or as part of the one before
// and are kept as they are. Case and classes of characters are Unicode's, from libutf8proc, with
// several characters for one where Python has them; but modifier letters have no case, and a
// capital sigma becomes the same small one wherever it stands. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace redknot::jinja {

std::size_t character_count(std::string_view text);
// Bytes of the first character of a text, which must not be empty.
std::size_t character_bytes(std::string_view text);
// The byte at which character `index` begins; the size of the text if it has no more than that.
std::size_t character_start(std::string_view text, std::size_t index);
// Of the first character; U+FFFD if it is not UTF-8. Requires a text that is not empty.
char32_t first_code_point(std::string_view text);
void append_code_point(std::string& out, char32_t code_point);

bool is_space(char32_t c);
bool is_letter(char32_t c);
bool is_printable(char32_t c);  // shown as it is by repr()
bool is_upper(char32_t c);
bool is_lower(char32_t c);
bool is_title(char32_t c);  // a character that is a capital and a small letter in one
bool is_cased(char32_t c);  // one of these

std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);
// The same of any of `characters`.
std::string_view strip_left(std::string_view text, std::string_view characters);
std::string_view strip_right(std::string_view text, std::string_view characters);

// Every character changed. title() raises those that follow no letter with a case.
std::string lower(std::string_view text);
std::string upper(std::string_view text);
std::string title(std::string_view text);
std::string capitalize(std::string_view text);

// Lines without their ends, as str.splitlines().
std::vector<std::string_view> split_lines(std::string_view text);

// & < > " ' as HTML's entities.
std::string escape_html(std::string_view text);

}  // namespace redknot::jinja
