// SPDX-License-Identifier: Apache-2.0
#include "grammar/pattern.h"

#include "base/error.h"
#include "base/utf8.h"
#include "grammar/json_rules.h"
#include "grammar/pattern_parser.h"

namespace redknot::grammar {
namespace {

int add(RuleNodes& nodes, const Expression& expression, int next);

int add_any_number(RuleNodes& nodes, const Expression& part, int next) {
  const int head = nodes.hole();
  nodes.fill(head, nodes.either(next, add(nodes, part, head)));
  return head;
}

int add_repeat(RuleNodes& nodes, const Expression& expression, int next) {
  const Expression& part = expression.parts.front();
  int out = expression.most ? next : add_any_number(nodes, part, next);
  for (int i = expression.least; i < expression.most.value_or(0) && !nodes.full(); ++i) {
    const int one = add(nodes, part, out);
    if (one == out || one == kNothing) break;  // repeated or not, it is the same
    out = nodes.either(one, next);
  }
  for (int i = 0; i < expression.least && !nodes.full(); ++i) {
    const int one = add(nodes, part, out);
    if (one == out) break;
    out = one;
  }
  return out;
}

int add(RuleNodes& nodes, const Expression& expression, int next) {
  int out = kNothing;
  switch (expression.kind) {
    case Expression::Kind::kCharacter:
      return string_characters(nodes, expression.characters, next);
    case Expression::Kind::kRepeat:
      return add_repeat(nodes, expression, next);
    case Expression::Kind::kAlternatives:
      for (const Expression& part : expression.parts) {
        out = nodes.either(out, add(nodes, part, next));
      }
      return out;
    case Expression::Kind::kSequence:
      for (auto part = expression.parts.rbegin(); part != expression.parts.rend(); ++part) {
        next = add(nodes, *part, next);
      }
      return next;
  }
  return kNothing;
}

Expression anything() {
  Expression out{.kind = Expression::Kind::kCharacter};
  out.characters.add(0, kLastCodePoint);
  return out;
}

}  // namespace

Result<int> string_with_pattern(RuleNodes& nodes, std::string_view pattern, int next) {
  const std::optional<std::u32string> characters = decode_utf8(pattern);
  if (!characters) return invalid("not valid UTF-8");
  REDKNOT_TRY(const std::vector<AnchoredExpression> alternatives,
              PatternParser(*characters).parse());
  const int end = nodes.byte('"', next);
  int out = kNothing;
  for (const AnchoredExpression& one : alternatives) {
    int node = one.at_end ? end : add_any_number(nodes, anything(), end);
    node = add(nodes, one.expression, node);
    if (!one.at_begin) node = add_any_number(nodes, anything(), node);
    out = nodes.either(out, node);
  }
  return nodes.byte('"', out);
}

}  // namespace redknot::grammar
