// SPDX-License-Identifier: Apache-2.0
// The printable alphabet in which byte-level BPE vocabularies are stored: one visible character for
// every byte (GPT-2's bytes_to_unicode). Bytes 33..126, 161..172 and 174..255 stand for themselves,
// the other 68 are U+0100, U+0101, ... in order: a space reads "Ġ". Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace redknot::text {

// The bytes that `text` stands for; nothing if it holds a character outside of the alphabet.
std::optional<std::string> bytes_from_alphabet(std::string_view text);

// Any bytes, spelled in the alphabet.
std::string to_alphabet(std::string_view bytes);

}  // namespace redknot::text
