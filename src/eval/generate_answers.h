// SPDX-License-Identifier: Apache-2.0
// Has an engine answer questions, several at a time so that the machine is used.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "eval/prompt_format.h"
#include "redknot/redknot.h"

namespace redknot::eval {

struct Question {
  std::string prompt{};               // ends where the answer begins
  std::vector<PromptPiece> pieces{};  // of the prompt; empty: it is one
  std::string text{};                 // what is asked, without the documents, for people
  std::string answer{};               // expected
  int prompt_tokens = 0;              // with BOS
};

struct GenerateOptions {
  PromptFormat format = PromptFormat::kPlain;
  int at_once = 4;  // requests that the engine has at any time; answers do not depend on it
  Reuse reuse = Reuse::kNone;
  CanonicalContext canonical_context = CanonicalContext::kPrefix;
  RecoveryOptions recovery{};
  std::function<void(const Question&)> on_answer{};  // called after each, in their order
};

// The engine's answers in the order of the questions, without white space at their ends. The error
// of the first that fails.
Result<std::vector<std::string>> generate_answers(Engine& engine,
                                                  std::span<const Question> questions,
                                                  const GenerateOptions& options);

}  // namespace redknot::eval
