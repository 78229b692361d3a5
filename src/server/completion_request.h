// SPDX-License-Identifier: Apache-2.0
// What POST /v1/completions asks for: read_completion makes it of JSON. A value; any thread.
#pragma once

#include <vector>

#include "chat/chat_request.h"
#include "redknot/redknot.h"

namespace redknot::server {

struct CompletionRequest {
  chat::AnswerOptions options{};
  std::vector<PromptPart> prompts{};  // one part each; answers come prompt by prompt
  bool echo = false;                  // answers begin with the prompt's text
  bool logprobs = false;
};

}  // namespace redknot::server
