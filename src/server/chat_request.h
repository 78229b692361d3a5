// SPDX-License-Identifier: Apache-2.0
// What clients ask for, in one form for both dialects: readers make these of JSON, chat_prompt
// makes prompts of them. Values; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "redknot/redknot.h"
#include "server/fields.h"

namespace redknot::server {

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

struct CompletionRequest {
  AnswerOptions options{};
  std::vector<PromptPart> prompts{};  // one part each; answers come prompt by prompt
  bool echo = false;                  // answers begin with the prompt's text
  bool logprobs = false;
};

// What a request cannot know of itself.
struct ReadContext {
  std::uint64_t random_seed = 0;  // for requests without a seed
  // For requests that do not say.
  Reuse reuse = Reuse::kPrefix;
  CanonicalContext canonical_context = CanonicalContext::kPrefix;
  RecoveryOptions recovery{};
  // The text of a preloaded segment; nothing if there is none of this id.
  std::function<std::optional<std::string>(const std::string& id)> find_segment{};
  mutable std::size_t segment_bytes = 0;  // that have been referred to so far
};

}  // namespace redknot::server
