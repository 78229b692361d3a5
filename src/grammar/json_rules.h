// SPDX-License-Identifier: Apache-2.0
// Rules for JSON as answers write it: white space is one space, or a line break and an indent of up
// to 20 spaces or tabs, and only where it separates; strings are valid UTF-8 with valid escapes;
// integers have up to 18 digits, numbers up to 16 before and behind the point and 2 in an exponent.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/determinise.h"
#include "grammar/rule_nodes.h"

namespace redknot::grammar {

// Rules that every grammar begins with, by their numbers.
enum JsonRule {
  kSpace,
  kCharacter,  // of a string, escaped or not
  kString,
  kNumber,
  kInteger,
  kBoolean,
  kNull,
  kAnyObject,
  kAnyArray,
  kAnyValue,
  kJsonRules
};

inline constexpr std::int64_t kMaxInteger = 999'999'999'999'999'999;  // 18 digits

// Requires empty rules. The place is that of all of them.
void add_json_rules(RuleNodes& nodes, std::vector<Rule>& rules, const std::string& place);

int optional_space(RuleNodes& nodes, int next);
// Characters as a string holds them, each in one way: raw where that is allowed, else escaped.
int string_characters(RuleNodes& nodes, const CodePointSet& set, int next);
// Any number of characters, escaped or not, and the closing quote.
int rest_of_string(RuleNodes& nodes, int next);
// With quotes; most: nothing if there is no limit.
int string_of_length(RuleNodes& nodes, int least, std::optional<int> most, int next);
// A string as it is written, with quotes. Requires valid UTF-8.
std::string json_string(std::string_view text);
// Requires -kMaxInteger <= least <= most <= kMaxInteger.
int integer_between(RuleNodes& nodes, std::int64_t least, std::int64_t most, int next);
// Numbers with or without a fraction, no exponent; the same requirement.
int number_between(RuleNodes& nodes, std::int64_t least, std::int64_t most, int next);
// This value, with white space where other values have it.
int constant(RuleNodes& nodes, const nlohmann::ordered_json& value, int next);

struct ObjectShape {
  struct Property {
    std::string name{};  // valid UTF-8
    int rule = 0;
    bool required = false;
  };
  std::vector<Property> properties{};
  std::optional<int> additional_rule{};  // of values under other names; nothing: there are none
};
int object(RuleNodes& nodes, const ObjectShape& shape, int next);

struct ArrayShape {
  std::vector<int> first_rules{};
  std::optional<int> item_rule{};  // of what follows those; nothing: there are none
  int least = 0;
  std::optional<int> most{};
};
// kNothing if no array has this shape.
int array(RuleNodes& nodes, const ArrayShape& shape, int next);

}  // namespace redknot::grammar
