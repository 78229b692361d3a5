// SPDX-License-Identifier: Apache-2.0
// POST /v1/chat/completions: JSON to a ChatRequest.
//
// Messages have a string or a list of parts: {"type": "text", "text"}, with {"cache_control":
// {"type": "ephemeral"}} a reusable one, or {"type": "segment", "id"}, a preloaded one, wherever
// it stands. `documents` are strings, {"text", "title", ...} (also "contents" or "content" for the
// text) or {"type": "segment", "id"}; all of them are reusable. The last part of the last message
// is never reusable: it is the question, and what a prompt begins with is shared anyway.
// Unknown fields are ignored; `user` and `metadata` too.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "chat/chat_request.h"
#include "server/json_fields.h"
#include "server/read_context.h"

namespace redknot::server {

Read<chat::ChatRequest> read_chat(std::string_view body, const ReadContext& context);
// Of a body that has been parsed, for those that hold messages and little else.
Read<chat::ChatRequest> read_parsed_chat(const Json& json, const ReadContext& context);

// Shared with the other dialect.
bool is_cached(const Value& part);  // cache_control, which is checked
// The text of {"type": "segment", "id"}; refuses ids that are not known.
std::string read_segment(const Value& part, const ReadContext& context);
// `documents`; tells if one of them is a preloaded segment.
void read_documents(const Value& documents, const ReadContext& context, bool& has_segments,
                    chat::ChatRequest& request);
// The last part of the last message is the question, and not reusable.
void settle_marks(chat::ChatRequest& request);
// Tool messages without a name get that of the call they answer.
void name_tool_answers(std::vector<chat::ChatMessage>& messages);

inline constexpr std::size_t kMaxMessages = 16384;
inline constexpr std::size_t kMaxParts = 4096;
inline constexpr std::size_t kMaxTools = 1024;
inline constexpr std::size_t kMaxDocuments = 4096;
inline constexpr std::size_t kMaxSegmentBytes = std::size_t{64} << 20;  // that a request refers to

}  // namespace redknot::server
