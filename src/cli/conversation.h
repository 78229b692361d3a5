// SPDX-License-Identifier: Apache-2.0
// What has been said in a terminal chat, and the prompt that follows from it.
//
// `redknot chat` owns one Conversation on its main thread and tells it everything: documents that
// were added, questions, answers. Documents go where the model's chat template writes them; if it
// has no place for them, they become parts of the message that is said next and stay there, so that
// what a prompt begins with stays what it was. It keeps texts, no tokens: those are the engine's.
#pragma once

#include <string>
#include <vector>

#include "chat/chat_prompt.h"
#include "redknot/redknot.h"

namespace redknot::cli {

class Conversation {
 public:
  // The model outlives it. An empty system text is none.
  Conversation(const chat::ChatModel& model, std::string system);

  void reset();  // forgets all but the system text
  void add_document(std::string text);
  // What the user says, as a prompt. If it leads to nothing, take_back() forgets it.
  Result<chat::ChatPrompt> say(std::string text);
  void answered(std::string text);
  void take_back();

 private:
  const chat::ChatModel& model_;
  std::string system_;
  chat::ChatRequest request_{};
  std::vector<chat::ContentPart> waiting_{};  // documents for the message that comes next
};

}  // namespace redknot::cli
