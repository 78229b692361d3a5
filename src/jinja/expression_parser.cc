// SPDX-License-Identifier: Apache-2.0
#include "jinja/expression_parser.h"

#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/error.h"

namespace redknot::jinja {
namespace {

template <typename Node>
ExpressionPtr make(Node node, int line) {
  return std::make_unique<const Expression>(Expression{.what = std::move(node), .line = line});
}

std::optional<BinaryOperator> binary_operator(const Token& token) {
  static constexpr std::pair<std::string_view, BinaryOperator> kOperators[] = {
      {"+", BinaryOperator::kAdd},          {"-", BinaryOperator::kSubtract},
      {"*", BinaryOperator::kMultiply},     {"/", BinaryOperator::kDivide},
      {"//", BinaryOperator::kFloorDivide}, {"%", BinaryOperator::kModulo},
      {"**", BinaryOperator::kPower},
  };
  if (token.kind != TokenKind::kOperator) return std::nullopt;
  for (const auto& [text, op] : kOperators) {
    if (token.text == text) return op;
  }
  return std::nullopt;
}

bool is_additive(BinaryOperator op) {
  return op == BinaryOperator::kAdd || op == BinaryOperator::kSubtract;
}

// Takes a comparison's sign or word off the front, if there is one.
std::optional<Comparison> take_comparison(TokenStream& tokens) {
  static constexpr std::pair<std::string_view, Comparison> kSigns[] = {
      {"==", Comparison::kEqual},  {"!=", Comparison::kNotEqual},
      {"<", Comparison::kLess},    {"<=", Comparison::kLessEqual},
      {">", Comparison::kGreater}, {">=", Comparison::kGreaterEqual},
  };
  for (const auto& [sign, comparison] : kSigns) {
    if (tokens.skip_operator(sign)) return comparison;
  }
  if (tokens.skip_name("in")) return Comparison::kIn;
  if (tokens.at_name("not") && tokens.next_is_name("in")) {
    tokens.advance();
    tokens.advance();
    return Comparison::kNotIn;
  }
  return std::nullopt;
}

}  // namespace

Result<ExpressionPtr> ExpressionParser::expression() {
  const NestingLevel level(tokens_);
  if (!level.fits()) return level.error();
  const int line = tokens_.line();
  REDKNOT_TRY(ExpressionPtr value, logic(true));
  while (tokens_.skip_name("if")) {
    REDKNOT_TRY(ExpressionPtr condition, logic(true));
    ExpressionPtr no;
    if (tokens_.skip_name("else")) {
      REDKNOT_TRY(no, expression());
    }
    value = make(Conditional{std::move(condition), std::move(value), std::move(no)}, line);
  }
  return value;
}

Result<ExpressionPtr> ExpressionParser::plain_expression() {
  const NestingLevel level(tokens_);
  if (!level.fits()) return level.error();
  return logic(true);
}

bool ExpressionParser::at_tuple_end() const {
  return tokens_.at(TokenKind::kTagEnd) || tokens_.at(TokenKind::kOutputEnd) ||
         tokens_.at_operator(")") || tokens_.at_operator("]") || tokens_.at_operator("=");
}

Result<ExpressionPtr> ExpressionParser::tuple(bool conditionals) {
  const int line = tokens_.line();
  std::vector<ExpressionPtr> items;
  bool is_tuple = false;
  while (!at_tuple_end()) {
    REDKNOT_TRY(ExpressionPtr item, conditionals ? expression() : plain_expression());
    items.push_back(std::move(item));
    if (!tokens_.skip_operator(",")) break;
    is_tuple = true;
  }
  if (items.empty()) return tokens_.unexpected("an expression");
  if (!is_tuple) return std::move(items[0]);
  return make(ListDisplay{.items = std::move(items), .is_tuple = true}, line);
}

Result<ExpressionPtr> ExpressionParser::logic(bool is_or) {
  const int line = tokens_.line();
  REDKNOT_TRY(ExpressionPtr first, is_or ? logic(false) : negation());
  const std::string_view word = is_or ? "or" : "and";
  if (!tokens_.at_name(word)) return first;
  std::vector<ExpressionPtr> operands;
  operands.push_back(std::move(first));
  while (tokens_.skip_name(word)) {
    REDKNOT_TRY(ExpressionPtr operand, is_or ? logic(false) : negation());
    operands.push_back(std::move(operand));
  }
  return make(Logic{.is_or = is_or, .operands = std::move(operands)}, line);
}

Result<ExpressionPtr> ExpressionParser::negation() {
  const int line = tokens_.line();
  if (!tokens_.skip_name("not")) return comparisons();
  const NestingLevel level(tokens_);
  if (!level.fits()) return level.error();
  REDKNOT_TRY(ExpressionPtr operand, negation());
  return make(Unary{UnaryOperator::kNot, std::move(operand)}, line);
}

Result<ExpressionPtr> ExpressionParser::comparisons() {
  const int line = tokens_.line();
  REDKNOT_TRY(ExpressionPtr first, sum());
  std::vector<std::pair<Comparison, ExpressionPtr>> rest;
  while (const auto comparison = take_comparison(tokens_)) {
    REDKNOT_TRY(ExpressionPtr operand, sum());
    rest.emplace_back(*comparison, std::move(operand));
  }
  if (rest.empty()) return first;
  return make(Comparisons{std::move(first), std::move(rest)}, line);
}

Result<ExpressionPtr> ExpressionParser::sum() {
  const int line = tokens_.line();
  REDKNOT_TRY(ExpressionPtr first, concatenation());
  std::vector<std::pair<BinaryOperator, ExpressionPtr>> rest;
  for (auto op = binary_operator(tokens_.here()); op && is_additive(*op);
       op = binary_operator(tokens_.here())) {
    tokens_.advance();
    REDKNOT_TRY(ExpressionPtr operand, concatenation());
    rest.emplace_back(*op, std::move(operand));
  }
  if (rest.empty()) return first;
  return make(Arithmetic{std::move(first), std::move(rest)}, line);
}

Result<ExpressionPtr> ExpressionParser::concatenation() {
  const int line = tokens_.line();
  REDKNOT_TRY(ExpressionPtr first, product());
  if (!tokens_.at_operator("~")) return first;
  std::vector<ExpressionPtr> parts;
  parts.push_back(std::move(first));
  while (tokens_.skip_operator("~")) {
    REDKNOT_TRY(ExpressionPtr part, product());
    parts.push_back(std::move(part));
  }
  return make(Concatenation{std::move(parts)}, line);
}

Result<ExpressionPtr> ExpressionParser::product() {
  const int line = tokens_.line();
  REDKNOT_TRY(ExpressionPtr first, power());
  std::vector<std::pair<BinaryOperator, ExpressionPtr>> rest;
  for (auto op = binary_operator(tokens_.here()); op && !is_additive(*op);
       op = binary_operator(tokens_.here())) {
    tokens_.advance();
    REDKNOT_TRY(ExpressionPtr operand, power());
    rest.emplace_back(*op, std::move(operand));
  }
  if (rest.empty()) return first;
  return make(Arithmetic{std::move(first), std::move(rest)}, line);
}

Result<ExpressionPtr> ExpressionParser::power() {
  const int line = tokens_.line();
  REDKNOT_TRY(ExpressionPtr first, unary(true));
  std::vector<std::pair<BinaryOperator, ExpressionPtr>> rest;
  while (tokens_.skip_operator("**")) {
    REDKNOT_TRY(ExpressionPtr operand, unary(true));
    rest.emplace_back(BinaryOperator::kPower, std::move(operand));
  }
  if (rest.empty()) return first;
  return make(Arithmetic{std::move(first), std::move(rest)}, line);
}

Result<ExpressionPtr> ExpressionParser::unary(bool filters) {
  const NestingLevel level(tokens_);
  if (!level.fits()) return level.error();
  const int line = tokens_.line();
  for (const auto& [sign, op] :
       {std::pair("-", UnaryOperator::kMinus), std::pair("+", UnaryOperator::kPlus)}) {
    if (!tokens_.skip_operator(sign)) continue;
    REDKNOT_TRY(ExpressionPtr operand, unary(false));
    return suffixed(make(Unary{op, std::move(operand)}, line), filters);
  }
  REDKNOT_TRY(ExpressionPtr base, primary());
  return suffixed(std::move(base), filters);
}

Result<ExpressionPtr> ExpressionParser::primary() {
  switch (tokens_.here().kind) {
    case TokenKind::kName:
      return name_or_constant();
    case TokenKind::kText:
      return text();
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return number();
    default:
      break;
  }
  if (tokens_.at_operator("(")) return parenthesized();
  if (tokens_.at_operator("[")) return list_display();
  if (tokens_.at_operator("{")) return dict_display();
  return tokens_.unexpected("an expression");
}

Result<ExpressionPtr> ExpressionParser::name_or_constant() {
  const int line = tokens_.line();
  const Result<std::string> taken = tokens_.take_name();
  if (!taken.ok()) return taken.error();
  const std::string_view name = taken.value();
  if (name == "true" || name == "True") return make(Literal{Value(true)}, line);
  if (name == "false" || name == "False") return make(Literal{Value(false)}, line);
  if (name == "none" || name == "None") return make(Literal{Value(None{})}, line);
  seen.varargs |= name == "varargs";
  seen.kwargs |= name == "kwargs";
  seen.caller |= name == "caller";
  return make(Variable{tokens_.intern(taken.value())}, line);
}

Result<ExpressionPtr> ExpressionParser::number() {
  const Token& token = tokens_.here();
  const char* end = token.text.data() + token.text.size();
  Value value;
  if (token.kind == TokenKind::kInteger) {
    std::int64_t integer = 0;
    const auto parsed = std::from_chars(token.text.data(), end, integer);
    if (parsed.ec != std::errc()) return tokens_.fail(token.text, " is too large");
    value = Value(integer);
  } else {
    double number = 0;
    const auto parsed = std::from_chars(token.text.data(), end, number);
    if (parsed.ec != std::errc()) return tokens_.fail(token.text, " is out of range");
    value = Value(number);
  }
  const int line = token.line;
  tokens_.advance();
  return make(Literal{value}, line);
}

Result<ExpressionPtr> ExpressionParser::text() {
  const int line = tokens_.line();
  std::string text;
  for (; tokens_.at(TokenKind::kText); tokens_.advance()) text += tokens_.here().text;
  return make(Literal{constant_text(std::move(text))}, line);
}

Result<ExpressionPtr> ExpressionParser::parenthesized() {
  const int line = tokens_.line();
  tokens_.advance();
  if (tokens_.skip_operator(")")) return make(ListDisplay{.items = {}, .is_tuple = true}, line);
  REDKNOT_TRY(ExpressionPtr inner, tuple(true));
  REDKNOT_RETURN_IF_ERROR(tokens_.expect_operator(")"));
  return inner;
}

Result<ExpressionPtr> ExpressionParser::list_display() {
  const int line = tokens_.line();
  tokens_.advance();
  ListDisplay list;
  while (!tokens_.skip_operator("]")) {
    if (!list.items.empty()) REDKNOT_RETURN_IF_ERROR(tokens_.expect_operator(","));
    if (tokens_.skip_operator("]")) break;
    REDKNOT_TRY(ExpressionPtr item, expression());
    list.items.push_back(std::move(item));
  }
  return make(std::move(list), line);
}

Result<ExpressionPtr> ExpressionParser::dict_display() {
  const int line = tokens_.line();
  tokens_.advance();
  DictDisplay dict;
  while (!tokens_.skip_operator("}")) {
    if (!dict.entries.empty()) REDKNOT_RETURN_IF_ERROR(tokens_.expect_operator(","));
    if (tokens_.skip_operator("}")) break;
    REDKNOT_TRY(ExpressionPtr key, expression());
    REDKNOT_RETURN_IF_ERROR(tokens_.expect_operator(":"));
    REDKNOT_TRY(ExpressionPtr value, expression());
    dict.entries.emplace_back(std::move(key), std::move(value));
  }
  return make(std::move(dict), line);
}

}  // namespace redknot::jinja
