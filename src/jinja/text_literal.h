// SPDX-License-Identifier: Apache-2.0
// Python's escapes in a text between quotes.
#pragma once

#include <string>
#include <string_view>

#include "redknot/result.h"

namespace redknot::jinja {

// \n, \x41, \u00e9, \101 and their like; unknown ones stay. kInvalidArgument for \x, \u and \U
// without their digits, and for \N.
Result<std::string> resolve_escapes(std::string_view text);

}  // namespace redknot::jinja
