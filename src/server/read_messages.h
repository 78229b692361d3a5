// SPDX-License-Identifier: Apache-2.0
// POST /v1/messages, Anthropic's dialect: JSON to the ChatRequest that /v1/chat/completions has.
//
// Blocks with "cache_control" are reusable parts; {"type": "segment", "id"}, `documents` and
// `redknot` are there as in the other dialect. Text, tool_use, tool_result and thinking blocks;
// images and documents in files are refused by name. A last message of the assistant is continued.
// Without "thinking", or with it disabled, templates are told not to think, and reasoning is left
// out of the answer.
#pragma once

#include <string_view>

#include "chat/chat_request.h"
#include "server/json_fields.h"
#include "server/read_context.h"

namespace redknot::server {

Read<chat::ChatRequest> read_messages(std::string_view text, const ReadContext& context);

}  // namespace redknot::server
