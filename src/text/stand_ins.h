// SPDX-License-Identifier: Apache-2.0
// Makes any bytes matchable by regular expressions without moving a byte.
//
// PCRE2 needs valid UTF-8, and knows the Unicode version it was built with (14 in Debian 12), while
// models were made with later ones. So bytes that are not UTF-8 become U+0001, a control character,
// and characters assigned since Unicode 14 become an older character of the same general category
// and the same length in bytes, one that no known expression names. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace redknot::text {

// The text with its stand-ins, of the same length; "" if the text needs none.
std::string with_stand_ins(std::string_view text);

}  // namespace redknot::text
