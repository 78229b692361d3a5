// SPDX-License-Identifier: Apache-2.0
// What clients ask for, in one form for both dialects: readers make these of JSON, chat_prompt
// makes prompts of them. Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "chat/fields.h"
#include "redknot/redknot.h"

namespace redknot::chat {

// What all requests for text have.
struct AnswerOptions {
  Request engine{};  // all fields that the request sets; no prompt, no constraint
  std::string model{};
  int answers = 1;  // to each prompt
  bool stream = false;
  bool include_usage = false;  // a last chunk with usage
};

struct ContentPart {
  std::string text{};
  bool reusable = false;
  std::string path{};  // of the text in the request
};

struct ChatMessage {
  // role, and if given name, tool_call_id, reasoning_content, tool_calls with arguments as JSON
  // (not as the text of it); everything but the content.
  Json fields = Json::object();
  std::vector<ContentPart> content{};  // none: null
};

struct ChatDocument {
  Json fields = Json::object();  // title and whatever else it has; everything but the text
  ContentPart text{};            // reusable
};

struct ChatTool {
  Json tool{};            // {"type": "function", "function": {"name", "description", "parameters"}}
  bool reusable = false;  // it, and those before it
};

enum class ToolChoice { kAuto, kNone, kRequired, kNamed };
enum class ResponseFormat { kText, kJsonObject, kJsonSchema };

struct ChatRequest {
  AnswerOptions options{};
  std::vector<ChatMessage> messages{};
  std::vector<ChatDocument> documents{};
  std::vector<ChatTool> tools{};
  ToolChoice tool_choice = ToolChoice::kAuto;
  std::string tool_name{};  // of kNamed
  bool parallel_tool_calls = true;
  ResponseFormat response_format = ResponseFormat::kText;
  Json schema{};                             // of kJsonSchema
  Json template_variables = Json::object();  // further ones
  bool add_generation_prompt = true;
  bool continue_final_message = false;  // the answer goes on where the last message ends
  bool logprobs = false;                // of the tokens of the answer
  bool show_reasoning = true;           // as such, apart from the content; else it is left out
};

}  // namespace redknot::chat
