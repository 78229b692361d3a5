// SPDX-License-Identifier: Apache-2.0
// Answers that have to be a call of a tool (tool_choice "required", or one by name): the model's
// own notation of one call as a constraint.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "chat/tool_notation.h"
#include "chat/tool_table.h"
#include "redknot/constraint.h"

namespace redknot::chat {

// Of any of the tools, or of the one of that name. kUnsupported where call_frame() has no frame;
// the errors of Constraint for what the schemas say. `prompt_end` as in ParserOptions.
Result<Constraint> required_call(const AnswerStyle& style, const std::vector<AnswerTool>& tools,
                                 const std::string& name, std::string_view prompt_end);

}  // namespace redknot::chat
