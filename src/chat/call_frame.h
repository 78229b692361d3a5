// SPDX-License-Identifier: Apache-2.0
// What an answer has to be so that it is a call of a tool: for Constraint::framed, where a request
// insists on a call. Pure functions.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "chat/tool_notation.h"
#include "chat/tool_table.h"

namespace redknot::chat {

struct CallFrame {
  std::string prefix{};
  std::string schema{};  // of the JSON between the two
  std::string suffix{};
};

// One call of one of the tools, as AnswerParser reads it. Nothing where the notation cannot be
// framed: its arguments are not JSON, its name stands outside the JSON and there are several tools,
// or a schema of several refers to itself as a whole ("#"). `prompt_end` as in ParserOptions: if
// the prompt opens reasoning, the frame ends it. Schemas must be JSON objects, or empty.
std::optional<CallFrame> call_frame(const AnswerStyle& style, std::span<const AnswerTool> tools,
                                    std::string_view prompt_end);

}  // namespace redknot::chat
