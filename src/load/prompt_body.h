// SPDX-License-Identifier: Apache-2.0
// The JSON bodies of a load's requests, in OpenAI's dialect with RedKnot's additions. Pure
// functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "load/text.h"
#include "load/workload.h"

namespace redknot::load {

enum class Endpoint { kChat, kCompletions };

// "/v1/chat/completions" or "/v1/completions"
const char* path_of(Endpoint endpoint);

struct PromptOptions {
  Endpoint endpoint = Endpoint::kChat;
  std::string model{};
  double temperature = 0;
  std::uint64_t seed = 1;  // sent where the temperature is above 0, another for each turn
  bool ignore_eos = false;
  // kChat: documents of a file stand in the user's message, in front of the question, for servers
  // that do not know the field `documents`.
  bool documents_in_message = false;
  // Sent as redknot: {...} where given; empty or nothing: the server's default.
  std::string reuse{};
  std::string recovery{};
  std::optional<double> ratio{};
};

// What a turn of a conversation sends, after `answers` to the turns before it. Reusable parts are
// content parts of their own with cache_control; a question of a file has them as `documents`, or
// in its message.
// Requires turn <= answers.size().
std::string prompt_body(const Conversation& conversation, std::size_t turn,
                        const std::vector<std::string>& answers, const TextMaker& maker,
                        const PromptOptions& options);

}  // namespace redknot::load
