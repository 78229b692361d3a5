// SPDX-License-Identifier: Apache-2.0
// Messages to a prompt, through the chat template of a model.
//
// What the template itself writes may stand for special tokens. What the request says never does:
// a text that has the spelling of one becomes a part of its own, which is taken literally; if the
// template does not keep it apart, the request is refused. Reusable texts become reusable parts;
// where the template changes such a text (it measures or cuts it), the text is in the prompt as the
// template has it and not reusable. All other text is one part between those, so that it is
// tokenized as a whole.
//
// Documents are given to templates that write them; for others they stand in front of the last user
// message, with an empty line behind each. What a template writes between a special token and a
// document, the token included, belongs to the document's part, if it is short.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "chat/chat_request.h"
#include "chat/fields.h"
#include "chat/special_texts.h"
#include "redknot/chat_template.h"
#include "redknot/redknot.h"

namespace redknot::chat {

// Of a model; any thread.
struct ChatModel {
  ChatTemplate chat_template;
  SpecialTexts specials;
  std::string bos_text{}, eos_text{};
};

// Of a model's own files, or with this Jinja source instead of their template. Nothing for a model
// without a template or without a tokenizer; an error for a template that cannot be parsed.
Result<std::optional<ChatModel>> chat_model(const ModelInfo& info, const Tokenizer* tokenizer,
                                            const std::string& chat_template);

// Whether the template has a place of its own for documents.
bool writes_documents(const ChatModel& model);

struct ChatPrompt {
  std::vector<PromptPart> parts{};
  bool add_bos = true;  // false: the template wrote it
  std::string text{};   // of all parts
};

// Takes long for long prompts. Refused, naming the field: what the template refuses, documents
// that have no place, texts that cannot be taken literally.
Read<ChatPrompt> chat_prompt(const ChatRequest& request, const ChatModel& model,
                             std::int64_t now_seconds);

// How a text is written as a reusable part, as a document and as a part of a message: what has to
// be preloaded so that requests find it. One if both are the same.
std::vector<PromptPart> preload_parts(const std::string& text, const ChatModel& model,
                                      std::int64_t now_seconds);

}  // namespace redknot::chat
