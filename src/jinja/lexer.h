// SPDX-License-Identifier: Apache-2.0
// The source of a template as tokens, white space around tags already taken away: as Jinja2 with
// trim_blocks and lstrip_blocks, without the newline at the end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "redknot/result.h"

namespace redknot::jinja {

enum class TokenKind {
  kPlain,        // text outside of tags
  kOutputBegin,  // {{
  kOutputEnd,
  kTagBegin,  // {%
  kTagEnd,
  kName,
  kText,  // a literal, its escapes resolved
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text{};  // of numbers without underscores
  int line = 0;        // from 1
};

// The last token is kEnd. kInvalidArgument with the line: a tag, comment or text that does not end,
// an unknown character, brackets that do not match.
Result<std::vector<Token>> tokenize(std::string_view source);

}  // namespace redknot::jinja
