// SPDX-License-Identifier: Apache-2.0
// A PatternParser reads one expression of those that pattern.h describes into a tree.
//
// string_with_pattern() makes one for each "pattern" of a schema and drops it once the tree is
// turned into rules, on the thread that compiles the schema. It borrows the expression's
// characters; the tree owns itself. What is not regular, or nested too deeply, is refused by name.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "grammar/code_points.h"
#include "redknot/result.h"

namespace redknot::grammar {

struct Expression {
  enum class Kind { kCharacter, kSequence, kAlternatives, kRepeat };
  Kind kind = Kind::kSequence;
  CodePointSet characters{};
  std::vector<Expression> parts{};  // one, of kRepeat
  int least = 0;
  std::optional<int> most{};
};

// One alternative of the whole.
struct AnchoredExpression {
  Expression expression{};
  bool at_begin = false, at_end = false;
};

class PatternParser {
 public:
  explicit PatternParser(std::u32string_view text) : text_(text) {}
  Result<std::vector<AnchoredExpression>> parse();

 private:
  Result<Expression> sequence(int depth);
  Result<Expression> alternatives(int depth);
  Result<Expression> atom(int depth);
  Result<Expression> group(int depth);
  Result<Expression> quantified(Expression atom);
  Result<std::optional<std::pair<int, std::optional<int>>>> quantifier();
  Result<CodePointSet> bracket();
  Result<CodePointSet> escape(bool in_bracket);
  Result<CodePointSet> unicode_escape();
  Result<char32_t> hexadecimal(std::size_t digits);
  std::optional<int> number();

  bool at_end() const { return at_ == text_.size(); }
  char32_t peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : U'\0';
  }
  bool take(char32_t character);
  bool take(std::u32string_view characters);
  Error refuse(std::string_view what) const;
  Error wrong(std::string_view what) const;

  std::u32string_view text_;
  std::size_t at_ = 0;
};

}  // namespace redknot::grammar
