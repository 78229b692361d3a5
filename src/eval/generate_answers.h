// SPDX-License-Identifier: Apache-2.0
// Has an engine answer questions by dense attention, several at a time so that the machine is used.
// Borrows the engine for the call, on the caller's thread, which waits; what it returns is values.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/outcome.h"
#include "eval/question.h"
#include "redknot/redknot.h"

namespace redknot::eval {

struct Answer {
  std::string text{};                            // without white space at its ends
  std::optional<double> gold_log_probability{};  // of the expected answer, nats a token
  bool operator==(const Answer&) const = default;
};

struct GenerateOptions {
  int at_once = 4;  // requests that the engine has at any time; answers do not depend on it
  // Also find out how likely the expected answers are. The engine needs room for the prompts of
  // as many questions as parts (EngineOptions::segment_tokens).
  bool likelihood = false;
  Stop stop{};
  std::function<void(const Question&, const Answer&)> on_answer{};  // after each, in their order
};

// In the order of the questions; when stopped, those that were answered by then. The error of the
// first that fails.
Result<std::vector<Answer>> generate_answers(Engine& engine, std::span<const Question> questions,
                                             const GenerateOptions& options);

}  // namespace redknot::eval
