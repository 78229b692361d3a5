// SPDX-License-Identifier: Apache-2.0
#include "grammar/json_rules.h"

#include <nlohmann/json.hpp>

namespace redknot::grammar {
namespace {

constexpr int kIndent = 20;
constexpr int kDigits = 16;  // before and behind the point
constexpr std::string_view kDecimal = "0123456789";
constexpr std::string_view kHex = "0123456789abcdefABCDEF";

int space(RuleNodes& nodes) {
  int indent = nodes.done();
  for (int i = 0; i < kIndent; ++i)
    indent = nodes.either(nodes.any_of(" \t", indent), nodes.done());
  return nodes.either(nodes.byte(' ', nodes.done()), nodes.byte('\n', indent));
}

int hex_digits(RuleNodes& nodes, int count, int next) {
  for (int i = 0; i < count; ++i) next = nodes.any_of(kHex, next);
  return next;
}

// Behind "\u": four digits, or a pair of surrogates.
int unicode_escape(RuleNodes& nodes, int next) {
  const int low = nodes.any_of("dD", nodes.any_of("cdefCDEF", hex_digits(nodes, 2, next)));
  const int pair = nodes.any_of("89abAB", hex_digits(nodes, 2, nodes.literal("\\u", low)));
  const int surrogate =
      nodes.any_of("dD", nodes.either(nodes.any_of("01234567", hex_digits(nodes, 2, next)), pair));
  return nodes.either(nodes.any_of("0123456789abcefABCEF", hex_digits(nodes, 3, next)), surrogate);
}

CodePointSet plain() {
  CodePointSet special;
  special.add(0, 0x1f);
  special.add('"', '"');
  special.add('\\', '\\');
  return special.complement();
}

int any_character(RuleNodes& nodes, int next, int plain_characters) {
  const int escape =
      nodes.either(nodes.any_of("\"\\/bfnrt", next), nodes.byte('u', unicode_escape(nodes, next)));
  return nodes.either(nodes.characters(plain(), next, plain_characters),
                      nodes.range('\\', '\\', escape, plain_characters));
}

int digits(RuleNodes& nodes, int least, int most, int next) {
  int node = next;
  for (int i = least; i < most; ++i) node = nodes.either(nodes.any_of(kDecimal, node), next);
  for (int i = 0; i < least; ++i) node = nodes.any_of(kDecimal, node);
  return node;
}

int magnitude(RuleNodes& nodes, int most_digits, int next) {
  return nodes.either(nodes.byte('0', next),
                      nodes.any_of("123456789", digits(nodes, 0, most_digits - 1, next)));
}

int maybe_minus(RuleNodes& nodes, int next) { return nodes.either(nodes.byte('-', next), next); }

int maybe_fraction(RuleNodes& nodes, int next) {
  return nodes.either(nodes.byte('.', digits(nodes, 1, kDigits, next)), next);
}

int number(RuleNodes& nodes) {
  const int exponent_digits = digits(nodes, 1, 2, nodes.done());
  const int exponent =
      nodes.any_of("eE", nodes.either(nodes.any_of("+-", exponent_digits), exponent_digits));
  const int rest = maybe_fraction(nodes, nodes.either(exponent, nodes.done()));
  return maybe_minus(nodes, magnitude(nodes, kDigits, rest));
}

// Numbers of as many digits as both have, from `low` to `high`.
int digits_between(RuleNodes& nodes, std::string_view low, std::string_view high, int next) {
  const int count = static_cast<int>(low.size());
  const bool any = low.find_first_not_of('0') == std::string_view::npos &&
                   high.find_first_not_of('9') == std::string_view::npos;
  if (any) return digits(nodes, count, count, next);
  const std::string_view low_rest = low.substr(1), high_rest = high.substr(1);
  if (low[0] == high[0]) {
    return nodes.byte(low[0], digits_between(nodes, low_rest, high_rest, next));
  }
  const std::string nines(low_rest.size(), '9'), zeros(low_rest.size(), '0');
  int out = nodes.either(nodes.byte(low[0], digits_between(nodes, low_rest, nines, next)),
                         nodes.byte(high[0], digits_between(nodes, zeros, high_rest, next)));
  if (high[0] - low[0] > 1) {
    out = nodes.either(out, nodes.range(static_cast<std::uint8_t>(low[0] + 1),
                                        static_cast<std::uint8_t>(high[0] - 1),
                                        digits(nodes, count - 1, count - 1, next)));
  }
  return out;
}

// Requires 0 <= least.
int magnitude_between(RuleNodes& nodes, std::int64_t least, std::int64_t most, int next) {
  int out = kNothing;
  while (least <= most) {
    const std::string low = std::to_string(least);
    const std::int64_t longest = std::stoll(std::string(low.size(), '9'));
    const std::string high = std::to_string(std::min(longest, most));
    out = nodes.either(out, digits_between(nodes, low, high, next));
    least = longest + 1;
  }
  return out;
}

// Requires 0 <= least <= most.
int decimal_between(RuleNodes& nodes, std::int64_t least, std::int64_t most, int next) {
  int zeros = next;
  for (int i = 1; i < kDigits; ++i) zeros = nodes.either(nodes.byte('0', zeros), next);
  zeros = nodes.either(nodes.byte('.', nodes.byte('0', zeros)), next);
  return nodes.either(magnitude_between(nodes, least, most - 1, maybe_fraction(nodes, next)),
                      magnitude_between(nodes, most, most, zeros));
}

using Between = int (*)(RuleNodes&, std::int64_t, std::int64_t, int);

int signed_between(RuleNodes& nodes, std::int64_t least, std::int64_t most, int next,
                   Between between) {
  int out = kNothing;
  if (most >= 0) out = between(nodes, std::max<std::int64_t>(least, 0), most, next);
  if (least >= 0) return out;
  const std::int64_t smallest = most < 0 ? -most : 0;
  return nodes.either(out, nodes.byte('-', between(nodes, smallest, -least, next)));
}

}  // namespace

int optional_space(RuleNodes& nodes, int next) {
  return nodes.either(nodes.call(kSpace, next), next);
}

int string_characters(RuleNodes& nodes, const CodePointSet& set, int next) {
  int out = nodes.characters(set.without(plain().complement()), next);
  ByteSet short_escapes;
  CodePointSet rest = set;
  constexpr std::string_view kEscaped = "\"\\\b\f\n\r\t", kLetters = "\"\\bfnrt";
  for (std::size_t i = 0; i < kEscaped.size(); ++i) {
    const auto character = static_cast<char32_t>(kEscaped[i]);
    if (!set.contains(character)) continue;
    short_escapes.set(static_cast<std::uint8_t>(kLetters[i]));
    CodePointSet one;
    one.add(character, character);
    rest = rest.without(one);
  }
  int escape = nodes.bytes(short_escapes, next);
  for (const char high : {'0', '1'}) {
    std::string low;
    for (char32_t digit = 0; digit < 16; ++digit) {
      if (!rest.contains((high == '1' ? 16 : 0) + digit)) continue;
      low += kHex[digit];
      if (digit > 9) low += kHex[digit + 6];
    }
    if (low.empty()) continue;
    escape = nodes.either(escape, nodes.literal("u00", nodes.byte(high, nodes.any_of(low, next))));
  }
  return nodes.either(out, nodes.byte('\\', escape));
}

int rest_of_string(RuleNodes& nodes, int next) {
  const int head = nodes.hole();
  nodes.fill(head, nodes.either(nodes.range('"', '"', next, kAnyCharacters),
                                any_character(nodes, head, kAnyCharacters)));
  return head;
}

int string_of_length(RuleNodes& nodes, int least, std::optional<int> most, int next) {
  if (!most) {
    int node = rest_of_string(nodes, next);
    for (int i = 0; i < least; ++i) node = nodes.call(kCharacter, node, kAnyCharacters);
    return nodes.byte('"', node);
  }
  int node = nodes.range('"', '"', next, 0);
  const int end = node;
  for (int left = 1; left <= *most; ++left) {
    node = nodes.call(kCharacter, node, left);
    if (*most - left >= least) node = nodes.either(node, end);
  }
  return nodes.byte('"', node);
}

std::string json_string(std::string_view text) { return nlohmann::json(text).dump(); }

int integer_between(RuleNodes& nodes, std::int64_t least, std::int64_t most, int next) {
  // No "-0".
  if (least < 0 && most == 0) {
    return nodes.either(nodes.byte('0', next), integer_between(nodes, least, -1, next));
  }
  if (least < 0 && most > 0) {
    return nodes.either(magnitude_between(nodes, 0, most, next),
                        integer_between(nodes, least, -1, next));
  }
  return signed_between(nodes, least, most, next, magnitude_between);
}

int number_between(RuleNodes& nodes, std::int64_t least, std::int64_t most, int next) {
  return signed_between(nodes, least, most, next, decimal_between);
}

int constant(RuleNodes& nodes, const nlohmann::ordered_json& value, int next) {
  if (!value.is_structured()) return nodes.literal(value.dump(), next);
  const char open = value.is_object() ? '{' : '[', close = value.is_object() ? '}' : ']';
  int node = nodes.byte(close, next);
  if (!value.empty()) node = optional_space(nodes, node);
  std::size_t left = value.size();
  for (auto item = value.end(); left > 0; --left) {
    --item;
    node = constant(nodes, *item, node);
    if (value.is_object()) {
      node = nodes.literal(json_string(item.key()) + ":", optional_space(nodes, node));
    }
    node = optional_space(nodes, node);
    if (left > 1) node = nodes.byte(',', node);
  }
  return nodes.byte(open, node);
}

int array(RuleNodes& nodes, const ArrayShape& shape, int next) {
  const int close = nodes.byte(']', next);
  const int end = optional_space(nodes, close);
  const int first_count = static_cast<int>(shape.first_rules.size());
  // `behind`: where an array may go on that has so many items, from the last possible count down.
  int behind = end, count = std::max(first_count, shape.least);
  if (shape.item_rule && !shape.most) {
    const int head = nodes.hole();
    const int item = nodes.call(*shape.item_rule, head);
    nodes.fill(head, nodes.either(end, nodes.byte(',', optional_space(nodes, item))));
    behind = head;
    // An empty array has no comma before its first item.
    if (count == 0) {
      return nodes.byte('[',
                        nodes.either(optional_space(nodes, item), optional_space(nodes, close)));
    }
  } else {
    count = shape.item_rule ? *shape.most : std::min(first_count, shape.most.value_or(first_count));
    if (count < shape.least) return kNothing;
  }
  for (; count > 0; --count) {
    const bool is_first = count <= first_count;
    const int rule =
        is_first ? shape.first_rules[static_cast<std::size_t>(count - 1)] : *shape.item_rule;
    int item = optional_space(nodes, nodes.call(rule, behind));
    if (count > 1) item = nodes.byte(',', item);
    behind = item;
    if (count - 1 >= shape.least) behind = nodes.either(item, count > 1 ? end : close);
  }
  return nodes.byte('[', behind == end ? close : behind);
}

void add_json_rules(RuleNodes& nodes, std::vector<Rule>& rules, const std::string& place) {
  const int done = nodes.done();
  rules.resize(kJsonRules);
  for (Rule& rule : rules) rule.place = place;
  const auto set = [&rules](JsonRule rule, int start) { rules[rule].start = start; };
  set(kSpace, space(nodes));
  set(kCharacter, any_character(nodes, done, 0));
  set(kString, string_of_length(nodes, 0, std::nullopt, done));
  set(kNumber, number(nodes));
  set(kInteger, integer_between(nodes, -kMaxInteger, kMaxInteger, done));
  set(kBoolean, nodes.either(nodes.literal("true", done), nodes.literal("false", done)));
  set(kNull, nodes.literal("null", done));
  set(kAnyObject, object(nodes, {.additional_rule = kAnyValue}, done));
  set(kAnyArray, array(nodes, {.item_rule = kAnyValue}, done));
  int any = kNothing;
  for (const JsonRule rule : {kString, kNumber, kBoolean, kNull, kAnyObject, kAnyArray}) {
    any = nodes.either(any, nodes.call(rule, done));
  }
  set(kAnyValue, any);
}

}  // namespace redknot::grammar
