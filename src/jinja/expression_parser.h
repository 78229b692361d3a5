// SPDX-License-Identifier: Apache-2.0
// An ExpressionParser reads the expressions of templates, by Jinja's precedences: if-else, or, and,
// not, comparisons, + and -, ~, * / // %, **, signs, and what follows a value: `.a`, `[b]`, `(c)`,
// `|filter`, `is test`.
//
// The parser of statements owns one for each template and lends it the tokens; what it returns is
// part of the template's tree. One thread, that of ChatTemplate::parse().
#pragma once

#include <string_view>
#include <vector>

#include "jinja/syntax.h"
#include "jinja/token_stream.h"
#include "redknot/result.h"

namespace redknot::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

  Result<ExpressionPtr> expression();
  // Without `a if b else c`, which in a for or if statement would take the statement's own words.
  Result<ExpressionPtr> plain_expression();
  // An expression or several with commas, which make a tuple.
  Result<ExpressionPtr> tuple(bool conditionals);
  // One or more filters, the first without its bar.
  Result<std::vector<Suffix>> filters();

  // Which of the names that macros know were read so far.
  struct MacroNames {
    bool varargs = false;
    bool kwargs = false;
    bool caller = false;
  };
  MacroNames seen;

 private:
  Result<ExpressionPtr> logic(bool is_or);
  Result<ExpressionPtr> negation();
  Result<ExpressionPtr> comparisons();
  Result<ExpressionPtr> sum();
  Result<ExpressionPtr> concatenation();
  Result<ExpressionPtr> product();
  Result<ExpressionPtr> power();
  Result<ExpressionPtr> unary(bool filters);
  Result<ExpressionPtr> primary();
  Result<ExpressionPtr> name_or_constant();
  Result<ExpressionPtr> number();
  Result<ExpressionPtr> text();
  Result<ExpressionPtr> parenthesized();
  Result<ExpressionPtr> list_display();
  Result<ExpressionPtr> dict_display();
  Result<ExpressionPtr> suffixed(ExpressionPtr base, bool filters);
  Status access_suffixes(std::vector<Suffix>& suffixes);
  Status filter_suffixes(std::vector<Suffix>& suffixes);
  Status attribute(std::vector<Suffix>& suffixes);
  Status subscript(std::vector<Suffix>& suffixes);
  Result<ExpressionPtr> slice_part();
  Result<Suffix> filter();
  Status test(std::vector<Suffix>& suffixes);
  Result<Arguments> arguments();
  bool at_test_argument() const;
  bool at_tuple_end() const;

  TokenStream& tokens_;
};

}  // namespace redknot::jinja
