// SPDX-License-Identifier: Apache-2.0
// What has become known of an answer: the unit that the parser of answers makes of the engine's
// pieces, and that the writers of the dialects turn into bytes.
#pragma once

#include <string>
#include <vector>

#include "redknot/redknot.h"

namespace redknot::chat {

struct ToolCallDelta {
  int index = 0;            // of the call in the answer
  std::string id{};         // set on a call's first delta, as is the name
  std::string name{};       // of the function
  std::string arguments{};  // the next characters of a JSON text
};

// Whole UTF-8 characters everywhere.
struct AnswerDelta {
  std::string content{};
  std::string reasoning{};
  std::vector<ToolCallDelta> calls{};

  bool empty() const { return content.empty() && reasoning.empty() && calls.empty(); }
};

// A token that was sampled, and those that were likely in its place, as the engine reported them.
struct TokenLogprobs {
  TokenProbability token{};
  std::vector<TokenProbability> top{};
};

// Why an answer ended, in neither dialect's words.
enum class AnswerEnd {
  kStop,          // a token that ends answers
  kStopSequence,  // a text that the client asked to stop at
  kLength,
  kToolCalls,
};

// Requires a last piece that is not an error.
inline AnswerEnd answer_end(const Piece& last, bool calls_made) {
  if (last.finish == FinishReason::kLength) return AnswerEnd::kLength;
  if (!last.stopped_by.empty()) return AnswerEnd::kStopSequence;
  return calls_made ? AnswerEnd::kToolCalls : AnswerEnd::kStop;
}

}  // namespace redknot::chat
