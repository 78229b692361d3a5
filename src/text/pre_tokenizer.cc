// SPDX-License-Identifier: Apache-2.0
#include "text/pre_tokenizer.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/error.h"
#include "text/known_expressions.h"
#include "text/stand_ins.h"

namespace redknot::text {
namespace {

constexpr std::size_t kExpressionLimit = 64;

}  // namespace

Result<PreTokenizer> PreTokenizer::named(std::string_view name) {
  std::string names;
  for (const KnownPreTokenizer& known : known_pre_tokenizers()) {
    if (std::ranges::find(known.names, name) != known.names.end()) {
      return from_expressions(known.expressions);
    }
    for (const std::string_view known_name : known.names) {
      names += concat(names.empty() ? "" : ", ", known_name);
    }
  }
  return unsupported("create tokenizer: unknown pre-tokenizer \"", name, "\"; known are ", names);
}

Result<PreTokenizer> PreTokenizer::from_expressions(std::span<const std::string> expressions) {
  if (expressions.size() > kExpressionLimit) {
    return unsupported("create tokenizer: ", expressions.size(), " split expressions, more than ",
                       kExpressionLimit);
  }
  PreTokenizer pre_tokenizer;
  for (const std::string& expression : expressions) {
    REDKNOT_TRY(Expression compiled, Expression::compile(expression));
    pre_tokenizer.expressions_.push_back(std::move(compiled));
  }
  return pre_tokenizer;
}

Result<std::span<const std::string_view>> PreTokenizer::split(std::string_view text,
                                                              Scratch& scratch) const {
  std::vector<std::string_view>& parts = scratch.parts_;
  parts.clear();
  if (!text.empty()) parts.push_back(text);
  const std::string matchable = with_stand_ins(text);
  if (!matchable.empty()) parts[0] = matchable;
  for (const Expression& expression : expressions_) {
    scratch.next_parts_.clear();
    for (const std::string_view part : parts) {
      REDKNOT_RETURN_IF_ERROR(expression.split(part, scratch.match_, scratch.next_parts_));
    }
    std::swap(parts, scratch.next_parts_);
  }
  // A stand-in is as long as what it stands for.
  std::size_t begin = 0;
  for (std::string_view& part : parts) {
    part = text.substr(begin, part.size());
    begin += part.size();
  }
  return std::span<const std::string_view>(parts);
}

}  // namespace redknot::text
