// SPDX-License-Identifier: Apache-2.0
#include "cli/conversation.h"

#include <utility>

#include "cli/rendered_chat.h"

namespace redknot::cli {

Conversation::Conversation(const chat::ChatModel& model, std::string system)
    : model_(model), system_(std::move(system)) {
  reset();
}

void Conversation::reset() {
  request_ = {};
  waiting_.clear();
  if (!system_.empty()) request_.messages.push_back(chat_message("system", system_));
}

void Conversation::add_document(std::string text) {
  if (chat::writes_documents(model_)) {
    request_.documents.push_back(chat_document(std::move(text)));
  } else {
    waiting_.push_back({.text = std::move(text) + "\n\n", .reusable = true});
  }
}

Result<chat::ChatPrompt> Conversation::say(std::string text) {
  chat::ChatMessage message = chat_message("user", std::move(text));
  message.content.insert(message.content.begin(), waiting_.begin(), waiting_.end());
  request_.messages.push_back(std::move(message));
  return rendered(request_, model_);
}

void Conversation::answered(std::string text) {
  waiting_.clear();
  request_.messages.push_back(chat_message("assistant", std::move(text)));
}

void Conversation::take_back() { request_.messages.pop_back(); }

}  // namespace redknot::cli
