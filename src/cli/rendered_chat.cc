// SPDX-License-Identifier: Apache-2.0
#include "cli/rendered_chat.h"

#include <ctime>
#include <utility>

namespace redknot::cli {

chat::ChatMessage chat_message(const char* role, std::string text) {
  chat::ChatMessage message;
  message.fields["role"] = role;
  message.content = {{.text = std::move(text)}};
  return message;
}

chat::ChatDocument chat_document(std::string text) {
  return {.text = {.text = std::move(text), .reusable = true}};
}

Result<chat::ChatPrompt> rendered(const chat::ChatRequest& request, const chat::ChatModel& model) {
  chat::Read<chat::ChatPrompt> prompt = chat::chat_prompt(request, model, std::time(nullptr));
  if (prompt.ok()) return std::move(*prompt);
  return Error(ErrorCode::kInvalidArgument, "write the prompt: " + prompt.error().message);
}

}  // namespace redknot::cli
