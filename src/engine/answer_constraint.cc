// SPDX-License-Identifier: Apache-2.0
#include "engine/answer_constraint.h"

#include <string_view>
#include <utility>

#include "base/check.h"
#include "grammar/constraint_state.h"

namespace redknot {
namespace {

std::vector<std::string_view> texts(const text::Tokenizer& tokenizer, int vocabulary_size) {
  std::vector<std::string_view> out;
  out.reserve(static_cast<std::size_t>(vocabulary_size));
  for (int id = 0; id < vocabulary_size; ++id) {
    const TokenId token{id};
    const bool has_text = tokenizer.contains(token) && !tokenizer.is_special(token) &&
                          !tokenizer.is_end_of_generation(token);
    out.push_back(has_text ? tokenizer.bytes_of(token) : std::string_view());
  }
  return out;
}

std::vector<int> ends(const text::Tokenizer& tokenizer, int vocabulary_size) {
  std::vector<int> out;
  for (const TokenId token : tokenizer.vocabulary().end_of_generation) {
    if (static_cast<int>(token) < vocabulary_size) out.push_back(static_cast<int>(token));
  }
  return out;
}

}  // namespace

ConstrainedVocabulary::ConstrainedVocabulary(const text::Tokenizer& tokenizer, int vocabulary_size)
    : tokenizer_(tokenizer),
      ends_(ends(tokenizer, vocabulary_size)),
      masker_(texts(tokenizer, vocabulary_size)) {}

AnswerConstraint::AnswerConstraint(const Constraint& constraint,
                                   const ConstrainedVocabulary& vocabulary, bool may_stop)
    : vocabulary_(vocabulary), acceptor_(grammar::acceptor_of(constraint)), may_stop_(may_stop) {}

Result<std::span<const std::uint64_t>> AnswerConstraint::allowed() {
  grammar::Acceptor::Position position = acceptor_.position();
  if (!answer_.empty() && position == asked_at_) return std::span<const std::uint64_t>(answer_);
  REDKNOT_TRY(grammar::TokenSet out, vocabulary_.masker_.allowed(acceptor_));
  if (may_stop_ && acceptor_.may_end()) {
    for (const int token : vocabulary_.ends_) grammar::insert(out, token);
  }
  asked_at_ = std::move(position);
  answer_ = std::move(out);
  return std::span<const std::uint64_t>(answer_);
}

void AnswerConstraint::take(TokenId token) {
  REDKNOT_CHECK(acceptor_.accept(vocabulary_.tokenizer_.bytes_of(token)));
}

}  // namespace redknot
