// SPDX-License-Identifier: Apache-2.0
#include "chat/required_call.h"

#include <optional>

#include "base/error.h"
#include "chat/call_frame.h"

namespace redknot::chat {

Result<Constraint> required_call(const AnswerStyle& style, const std::vector<AnswerTool>& tools,
                                 const std::string& name, std::string_view prompt_end) {
  std::vector<AnswerTool> choices;
  for (const AnswerTool& tool : tools) {
    if (name.empty() || tool.name == name) choices.push_back(tool);
  }
  const std::optional<CallFrame> frame = call_frame(style, choices, prompt_end);
  if (!frame) {
    const std::string_view way =
        choices.size() > 1 ? "; use \"auto\", or name one" : "; use \"auto\"";
    return unsupported("a call cannot be required in the model's notation (", name_of(style.tools),
                       ")", way);
  }
  return Constraint::framed(frame->prefix, frame->schema, frame->suffix);
}

}  // namespace redknot::chat
