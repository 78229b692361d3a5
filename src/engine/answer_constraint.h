// SPDX-License-Identifier: Apache-2.0
// Which tokens an answer may go on with, when it has to meet a constraint.
//
// The engine makes one ConstrainedVocabulary, on the thread of the first request that needs it; it
// never changes. An AnswerStream owns an AnswerConstraint, and asks and tells it on the step loop's
// thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "grammar/acceptor.h"
#include "grammar/token_masker.h"
#include "model/vocabulary.h"
#include "redknot/constraint.h"
#include "redknot/result.h"
#include "text/tokenizer.h"

namespace redknot {

// A model's tokens as constraints see them: control tokens and those that end answers have no text.
class ConstrainedVocabulary {
 public:
  // The tokenizer must outlive the object. Takes tens of milliseconds for 150,000 tokens.
  ConstrainedVocabulary(const text::Tokenizer& tokenizer, int vocabulary_size);

 private:
  friend class AnswerConstraint;
  const text::Tokenizer& tokenizer_;
  std::vector<int> ends_;  // tokens that end an answer
  grammar::TokenMasker masker_;
};

class AnswerConstraint {
 public:
  // The vocabulary must outlive the object. With may_stop, tokens that end the answer may be
  // sampled where it may end; else it ends where nothing can follow.
  AnswerConstraint(const Constraint& constraint, const ConstrainedVocabulary& vocabulary,
                   bool may_stop);

  // A bit for each token, as sample() takes them; valid until the next call.
  // kResourceExhausted if that would take unreasonably long.
  Result<std::span<const std::uint64_t>> allowed();
  // Requires a token that was allowed.
  void take(TokenId token);
  bool is_complete() const { return acceptor_.is_complete(); }

 private:
  const ConstrainedVocabulary& vocabulary_;
  grammar::Acceptor acceptor_;
  bool may_stop_;
  // What came of the last question: within a string it is often asked again.
  grammar::Acceptor::Position asked_at_;
  grammar::TokenSet answer_;
};

}  // namespace redknot
