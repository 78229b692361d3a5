// SPDX-License-Identifier: Apache-2.0
// From a JSON Schema to a grammar. What is understood is said in redknot/constraint.h.
#pragma once

#include <cstddef>
#include <string_view>

#include "grammar/grammar.h"
#include "redknot/result.h"

namespace redknot::grammar {

inline constexpr std::size_t kMaxSchemaBytes = std::size_t{128} << 10;
inline constexpr std::size_t kMaxFrameBytes = 4096;  // of prefix and suffix, each
inline constexpr int kMaxSchemaDepth = 64;
inline constexpr std::size_t kMaxSchemaRules = 8192;
inline constexpr std::size_t kMaxProperties = 1024;  // of one object
inline constexpr std::size_t kMaxNameBytes = 1024;
inline constexpr int kMaxCount = 4096;  // of characters, items, alternatives and values of enums

// `prefix`, a value of the schema, `suffix`. The errors of Constraint::json_schema.
Result<Grammar> grammar_of_schema(std::string_view schema, std::string_view prefix,
                                  std::string_view suffix);

}  // namespace redknot::grammar
