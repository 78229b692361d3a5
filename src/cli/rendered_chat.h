// SPDX-License-Identifier: Apache-2.0
// Messages that the command line has, rather than a client: made and put through the model's chat
// template, with errors of the command line's kind. Plain functions; any thread.
#pragma once

#include <string>

#include "chat/chat_prompt.h"
#include "redknot/redknot.h"

namespace redknot::cli {

chat::ChatMessage chat_message(const char* role, std::string text);
chat::ChatDocument chat_document(std::string text);

// kInvalidArgument with what the template refuses.
Result<chat::ChatPrompt> rendered(const chat::ChatRequest& request, const chat::ChatModel& model);

}  // namespace redknot::cli
