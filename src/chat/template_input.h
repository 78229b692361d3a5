// SPDX-License-Identifier: Apache-2.0
// A ChatRequest as the variables of a chat template, with marks around the texts that matter.
#pragma once

#include <string>
#include <vector>

#include "chat/chat_request.h"
#include "chat/reusable_marks.h"
#include "chat/special_texts.h"

namespace redknot::chat {

// Templates differ in what they can be given; these are tried in turn.
struct TemplateStyle {
  bool arguments_as_text = false;  // of tool calls
  bool null_as_empty = false;      // content of messages that have none
  bool developer_as_system = false;
};

struct MarkedPlace {
  enum class Kind {
    kPart,      // reusable
    kDocument,  // reusable; its own field of the template
    kTools,     // reusable: from the first tool to the last that is
    kLiteral,   // has the text of special tokens
  };
  Kind kind = Kind::kPart;
  std::string path{};
  bool has_specials = false;
};

struct TemplateInput {
  Json variables = Json::object();
  std::vector<MarkedPlace> places{};  // in the order of the marks
};

// Tells which places there are, and, with `marks`, puts them around those that are `enabled`.
struct TemplateFrame {
  const SpecialTexts& specials;
  std::string bos_text{}, eos_text{};
  TemplateStyle style{};
  const ReusableMarks* marks = nullptr;
  const std::vector<bool>* enabled = nullptr;  // by mark
};
TemplateInput template_input(const ChatRequest& request, const TemplateFrame& frame);

// Documents as parts in front of the last user message, for templates that do not write them.
// False if there is no such message.
bool move_documents_into_messages(ChatRequest& request);

}  // namespace redknot::chat
