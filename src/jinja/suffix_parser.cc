// SPDX-License-Identifier: Apache-2.0
// What follows a value: attributes, subscripts, calls, filters and tests.
#include <utility>

#include "base/error.h"
#include "jinja/expression_parser.h"

namespace redknot::jinja {

Result<ExpressionPtr> ExpressionParser::suffixed(ExpressionPtr base, bool filters) {
  std::vector<Suffix> suffixes;
  REDKNOT_RETURN_IF_ERROR(access_suffixes(suffixes));
  if (filters) REDKNOT_RETURN_IF_ERROR(filter_suffixes(suffixes));
  if (suffixes.empty()) return base;
  const int line = base->line;
  return ExpressionPtr(std::make_unique<const Expression>(
      Expression{.what = Suffixed{std::move(base), std::move(suffixes)}, .line = line}));
}

Status ExpressionParser::access_suffixes(std::vector<Suffix>& suffixes) {
  while (true) {
    const int line = tokens_.line();
    if (tokens_.skip_operator(".")) {
      REDKNOT_RETURN_IF_ERROR(attribute(suffixes));
    } else if (tokens_.skip_operator("[")) {
      REDKNOT_RETURN_IF_ERROR(subscript(suffixes));
    } else if (tokens_.at_operator("(")) {
      REDKNOT_TRY(Arguments call, arguments());
      suffixes.push_back({.what = Call{std::move(call)}, .line = line});
    } else {
      return Done{};
    }
  }
}

Status ExpressionParser::filter_suffixes(std::vector<Suffix>& suffixes) {
  while (true) {
    const int line = tokens_.line();
    if (tokens_.skip_operator("|")) {
      REDKNOT_TRY(Suffix one, filter());
      suffixes.push_back(std::move(one));
    } else if (tokens_.skip_name("is")) {
      REDKNOT_RETURN_IF_ERROR(test(suffixes));
    } else if (tokens_.at_operator("(")) {
      REDKNOT_TRY(Arguments call, arguments());
      suffixes.push_back({.what = Call{std::move(call)}, .line = line});
    } else {
      return Done{};
    }
  }
}

Status ExpressionParser::attribute(std::vector<Suffix>& suffixes) {
  const int line = tokens_.line();
  if (tokens_.at(TokenKind::kInteger)) {
    REDKNOT_TRY(ExpressionPtr index, number());
    suffixes.push_back({.what = Subscript{std::move(index)}, .line = line});
    return Done{};
  }
  REDKNOT_TRY(const std::string name, tokens_.take_name());
  suffixes.push_back({.what = Attribute{tokens_.intern(name)}, .line = line});
  return Done{};
}

// Behind "[": a key, several (a tuple) or a slice.
Status ExpressionParser::subscript(std::vector<Suffix>& suffixes) {
  const int line = tokens_.line();
  ExpressionPtr first;
  if (!tokens_.at_operator(":")) {
    REDKNOT_TRY(first, tuple(true));
  }
  if (!tokens_.skip_operator(":")) {
    suffixes.push_back({.what = Subscript{std::move(first)}, .line = line});
    return tokens_.expect_operator("]");
  }
  Slice slice{.start = std::move(first), .stop = nullptr, .step = nullptr};
  REDKNOT_TRY(slice.stop, slice_part());
  if (tokens_.skip_operator(":")) {
    REDKNOT_TRY(slice.step, slice_part());
  }
  suffixes.push_back({.what = std::move(slice), .line = line});
  return tokens_.expect_operator("]");
}

Result<ExpressionPtr> ExpressionParser::slice_part() {
  if (tokens_.at_operator(":") || tokens_.at_operator("]")) return ExpressionPtr();
  return expression();
}

Result<Suffix> ExpressionParser::filter() {
  const int line = tokens_.line();
  REDKNOT_TRY(std::string name, tokens_.take_name());
  while (tokens_.skip_operator(".")) {
    REDKNOT_TRY(const std::string part, tokens_.take_name());
    name += "." + part;
  }
  Filter filter{.name = std::move(name), .arguments = {}};
  if (tokens_.at_operator("(")) {
    REDKNOT_TRY(filter.arguments, arguments());
  }
  return Suffix{.what = std::move(filter), .line = line};
}

Result<std::vector<Suffix>> ExpressionParser::filters() {
  std::vector<Suffix> suffixes;
  REDKNOT_TRY(Suffix first, filter());
  suffixes.push_back(std::move(first));
  while (tokens_.skip_operator("|")) {
    REDKNOT_TRY(Suffix one, filter());
    suffixes.push_back(std::move(one));
  }
  return suffixes;
}

bool ExpressionParser::at_test_argument() const {
  switch (tokens_.here().kind) {
    case TokenKind::kText:
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return true;
    case TokenKind::kName:
      // `if` may follow in `a if b is c if d`; the words that end an expression do not begin one.
      return !tokens_.at_name("else") && !tokens_.at_name("or") && !tokens_.at_name("and") &&
             !tokens_.at_name("is") && !tokens_.at_name("if") && !tokens_.at_name("in") &&
             !tokens_.at_name("not");
    default:
      return tokens_.at_operator("[") || tokens_.at_operator("{");
  }
}

// Behind "is".
Status ExpressionParser::test(std::vector<Suffix>& suffixes) {
  const int line = tokens_.line();
  const bool is_negated = tokens_.skip_name("not");
  REDKNOT_TRY(std::string name, tokens_.take_name());
  while (tokens_.skip_operator(".")) {
    REDKNOT_TRY(const std::string part, tokens_.take_name());
    name += "." + part;
  }
  Test test{.name = std::move(name), .is_negated = is_negated, .arguments = {}};
  if (tokens_.at_operator("(")) {
    REDKNOT_TRY(test.arguments, arguments());
  } else if (at_test_argument()) {
    const NestingLevel level(tokens_);
    if (!level.fits()) return level.error();
    REDKNOT_TRY(ExpressionPtr base, primary());
    REDKNOT_TRY(ExpressionPtr argument, suffixed(std::move(base), false));
    test.arguments.positional.push_back(std::move(argument));
  }
  suffixes.push_back({.what = std::move(test), .line = line});
  return Done{};
}

Result<Arguments> ExpressionParser::arguments() {
  REDKNOT_RETURN_IF_ERROR(tokens_.expect_operator("("));
  Arguments arguments;
  bool is_first = true;
  while (!tokens_.skip_operator(")")) {
    if (!is_first) REDKNOT_RETURN_IF_ERROR(tokens_.expect_operator(","));
    if (tokens_.skip_operator(")")) break;
    is_first = false;
    if (tokens_.skip_operator("**")) {
      if (arguments.more_named) return tokens_.fail("** twice in one call");
      REDKNOT_TRY(arguments.more_named, expression());
    } else if (tokens_.skip_operator("*")) {
      if (arguments.more_positional) return tokens_.fail("* twice in one call");
      REDKNOT_TRY(arguments.more_positional, expression());
    } else if (tokens_.at(TokenKind::kName) && tokens_.next_is_operator("=")) {
      REDKNOT_TRY(std::string name, tokens_.take_name());
      tokens_.advance();
      REDKNOT_TRY(ExpressionPtr value, expression());
      arguments.named.emplace_back(std::move(name), std::move(value));
    } else {
      if (!arguments.named.empty() || arguments.more_positional || arguments.more_named) {
        return tokens_.fail("an argument without a name behind one with a name");
      }
      REDKNOT_TRY(ExpressionPtr value, expression());
      arguments.positional.push_back(std::move(value));
    }
  }
  return arguments;
}

}  // namespace redknot::jinja
