// SPDX-License-Identifier: Apache-2.0
// Objects: known properties in their order, then others, whose names are none of those.
#include <algorithm>
#include <span>

#include "base/utf8.h"
#include "grammar/json_rules.h"

namespace redknot::grammar {
namespace {

// Names but the known ones. While what came could still become a known name, characters are written
// in one way only, so that no escape can spell one.
class OtherNames {
 public:
  OtherNames(RuleNodes& nodes, int next)
      : nodes_(nodes), next_(next), tail_(rest_of_string(nodes, next)) {
    CodePointSet ascii;
    ascii.add(0, 0x7f);
    beyond_ascii_ = nodes_.characters(ascii.complement(), tail_);
  }

  // Behind the first `depth` characters of all of `known`, which are sorted.
  int but(std::span<const std::u32string> known, std::size_t depth) {
    if (known.empty()) return tail_;
    int out = kNothing;
    CodePointSet taken;
    if (known.front().size() == depth) {
      known = known.subspan(1);
    } else {
      out = nodes_.byte('"', next_);
    }
    while (!known.empty()) {
      const char32_t character = known.front()[depth];
      const auto last = std::find_if(known.begin(), known.end(), [&](const std::u32string& name) {
        return name[depth] != character;
      });
      const auto count = static_cast<std::size_t>(last - known.begin());
      CodePointSet one;
      one.add(character, character);
      taken.add(one);
      out = nodes_.either(out, string_characters(nodes_, one, but(known.first(count), depth + 1)));
      known = known.subspan(count);
    }
    return nodes_.either(out, untaken(taken));
  }

 private:
  // A character after which no known name is possible; never an escape.
  int untaken(const CodePointSet& taken) {
    CodePointSet excluded = taken;
    excluded.add(0, 0x1f);
    excluded.add('"', '"');
    excluded.add('\\', '\\');
    CodePointSet beyond;
    beyond.add(0x80, kLastCodePoint);
    const bool only_ascii = taken.ranges().empty() || taken.ranges().back().last < 0x80;
    if (!only_ascii) return nodes_.characters(excluded.complement(), tail_);
    excluded.add(beyond);
    return nodes_.either(nodes_.characters(excluded.complement(), tail_), beyond_ascii_);
  }

  RuleNodes& nodes_;
  int next_, tail_, beyond_ascii_;
};

int other_name(RuleNodes& nodes, const ObjectShape& shape, int next) {
  std::vector<std::u32string> known;
  known.reserve(shape.properties.size());
  for (const ObjectShape::Property& property : shape.properties) {
    known.push_back(decode_utf8(property.name).value_or(std::u32string()));
  }
  std::sort(known.begin(), known.end());
  return nodes.byte('"', OtherNames(nodes, next).but(known, 0));
}

}  // namespace

int object(RuleNodes& nodes, const ObjectShape& shape, int next) {
  const int close = nodes.byte('}', next);
  // Where an object may go on before property i, if it is empty so far, and if not.
  int if_empty = close, if_not = optional_space(nodes, close);
  if (shape.additional_rule) {
    const int behind = nodes.hole();
    const int value = optional_space(nodes, nodes.call(*shape.additional_rule, behind));
    const int entry = other_name(nodes, shape, nodes.byte(':', value));
    nodes.fill(behind, nodes.either(if_not, nodes.byte(',', optional_space(nodes, entry))));
    if_empty = nodes.either(close, entry);
    if_not = behind;
  }
  for (auto property = shape.properties.rbegin(); property != shape.properties.rend(); ++property) {
    const int value = optional_space(nodes, nodes.call(property->rule, if_not));
    const int entry = nodes.literal(json_string(property->name) + ":", value);
    const int separated = nodes.byte(',', optional_space(nodes, entry));
    if_empty = property->required ? entry : nodes.either(entry, if_empty);
    if_not = property->required ? separated : nodes.either(separated, if_not);
  }
  return nodes.byte('{', optional_space(nodes, if_empty));
}

}  // namespace redknot::grammar
