// SPDX-License-Identifier: Apache-2.0
// What the writers of answers share: answers put together from deltas, and usage.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "chat/answer_delta.h"
#include "redknot/redknot.h"
#include "server/json_fields.h"

namespace redknot::server {

// Said of every chunk of an answer.
struct AnswerHead {
  std::string id{};          // "chatcmpl-..."
  std::string model{};       // as clients call it
  std::int64_t created = 0;  // Unix seconds
};

// One of the answers to a request, as a whole.
struct WholeAnswer {
  chat::AnswerDelta delta{};  // all deltas in one; calls in the order of their index
  std::vector<chat::TokenLogprobs> logprobs{};
  chat::AnswerEnd end = chat::AnswerEnd::kStop;
  std::string stopped_by{};  // of kStopSequence

  void add(const chat::AnswerDelta& next);
};

// Of several answers to one prompt, which is counted once.
Usage combined_usage(std::span<const Usage> usages);
// Of several prompts.
Usage summed_usage(std::span<const Usage> usages);

// Where the tokens came from: {"exact_tokens", "adopted_tokens", "recovered_tokens", "new_tokens",
// "built_tokens"}.
Json reuse_json(const Usage& usage);

// "data: ...\n\n", and with the name of an event in front.
std::string sse(const Json& json);
std::string sse(const char* event, const Json& json);

// JSON has no infinities; -9999 stands for the logarithm of zero.
double finite_logprob(float value);

}  // namespace redknot::server
