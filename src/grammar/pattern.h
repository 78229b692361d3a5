// SPDX-License-Identifier: Apache-2.0
// The regular part of ECMAScript's expressions: characters, classes, groups, |, ? * + {m,n}, and
// ^ and $ at the ends of the whole or of its alternatives. Lazy quantifiers are like others.
// Unicode mode; \w, \d and \s without case folding. All else is refused by name.
#pragma once

#include <string>
#include <string_view>

#include "grammar/rule_nodes.h"
#include "redknot/result.h"

namespace redknot::grammar {

inline constexpr int kMaxRepetitions = 4096;

// A JSON string, with quotes, that the pattern is found in. kInvalidArgument for what is no
// expression, kUnsupported naming what is not regular. Check nodes.full().
Result<int> string_with_pattern(RuleNodes& nodes, std::string_view pattern, int next);

}  // namespace redknot::grammar
