// SPDX-License-Identifier: Apache-2.0
// From the nodes of rules to the tables of a Grammar: subset construction, then without all that
// cannot come to an end. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/rule_nodes.h"
#include "redknot/result.h"

namespace redknot::grammar {

inline constexpr std::size_t kMaxTableCells = std::size_t{1} << 22;
inline constexpr std::size_t kMaxSubsetWork = std::size_t{1} << 26;  // nodes looked at

struct Rule {
  int start = kNothing;
  std::string place{};  // in the schema, for errors
};

// kResourceExhausted naming the place whose tables are too large; kInvalidArgument if nothing
// matches the root. Requires that no rule matches the empty text.
Result<Grammar> determinise(const RuleNodes& nodes, const std::vector<Rule>& rules, int root);

}  // namespace redknot::grammar
