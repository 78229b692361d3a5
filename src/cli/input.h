// SPDX-License-Identifier: Apache-2.0
// What a user hands in as files: text, and lists of token ids. Plain functions on the caller's
// thread; verbs call them for what their options name, before they open a model. Nothing is kept,
// and more than kMaxInputBytes is refused.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "redknot/redknot.h"

namespace redknot::cli {

inline constexpr std::size_t kMaxInputBytes = std::size_t{256} << 20;

// The whole file, or standard input for "-". kNotFound, kIo with the system's reason;
// kResourceExhausted beyond kMaxInputBytes.
Result<std::string> read_input(const std::string& path);

// Token ids from JSON: [1, 2, 3], or an object whose "tokens" is such an array. kInvalidArgument
// naming `source` and the entry; ids must be 0 or more and fit 31 bits.
Result<std::vector<int>> parse_token_ids(std::string_view json, const std::string& source);

}  // namespace redknot::cli
