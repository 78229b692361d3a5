// SPDX-License-Identifier: Apache-2.0
#include "server/read_messages.h"

#include <utility>

#include "base/error.h"
#include "server/read_chat.h"
#include "server/read_options.h"

namespace redknot::server {
namespace {

struct Reader {
  const ReadContext& context;
  chat::ChatRequest& request;
  bool has_segments = false;
};

// Text and segments; nothing for other blocks.
std::optional<chat::ContentPart> read_text_block(const Value& block, const std::string& type,
                                                 Reader& reader) {
  if (type == "text") {
    const Value text = block["text"].required();
    return chat::ContentPart{
        .text = text.text(), .reusable = is_cached(block), .path = text.path()};
  }
  if (type == "segment") {
    reader.has_segments = true;
    return chat::ContentPart{
        .text = read_segment(block, reader.context), .reusable = true, .path = block.path()};
  }
  return {};
}

void refuse_block(const Value& block, const std::string& type) {
  if (!block["type"].is_string()) return;  // refused
  block["type"].refuse(concat("\"", type.substr(0, 64), "\" is not supported here"));
}

// A string, or blocks of text.
std::vector<chat::ContentPart> read_text(const Value& value, Reader& reader) {
  std::vector<chat::ContentPart> out;
  if (!value) return out;
  if (value.is_string()) {
    out.push_back({.text = value.text(), .path = value.path()});
    return out;
  }
  if (!value.is_array()) value.refuse_type("a string or a list of blocks");
  if (!value.is_array() || !value.expect_array(kMaxParts)) return out;
  out.reserve(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) {
    const Value block = value.at(i);
    if (!block.expect_object()) continue;
    const std::string type = block["type"].required().text();
    if (auto part = read_text_block(block, type, reader)) {
      out.push_back(std::move(*part));
    } else {
      refuse_block(block, type);
    }
  }
  return out;
}

chat::ChatMessage message_of(const char* role) {
  chat::ChatMessage out;
  out.fields["role"] = role;
  return out;
}

void read_tool_result(const Value& block, Reader& reader) {
  chat::ChatMessage answer = message_of("tool");
  answer.fields["tool_call_id"] = block["tool_use_id"].required().text();
  answer.content = read_text(block["content"], reader);
  if (answer.content.empty()) answer.content.push_back({.text = "", .path = block.path()});
  (void)block["is_error"].flag(false);
  if (is_cached(block)) {
    for (chat::ContentPart& part : answer.content) part.reusable = true;
  }
  reader.request.messages.push_back(std::move(answer));
}

Json read_tool_use(const Value& block) {
  const Value input = block["input"].required();
  const bool is_object = input.expect_object();
  return {{"id", block["id"].required().text()},
          {"type", "function"},
          {"function",
           {{"name", block["name"].required().text()},
            {"arguments", is_object ? *input.json() : Json::object()}}}};
}

// Answers of tools become messages of their own, in front of what else a message says.
void read_user(const Value& content, Reader& reader) {
  chat::ChatMessage message = message_of("user");
  for (std::size_t i = 0; i < content.size(); ++i) {
    const Value block = content.at(i);
    if (!block.expect_object()) continue;
    const std::string type = block["type"].required().text();
    if (type == "tool_result") {
      read_tool_result(block, reader);
    } else if (auto part = read_text_block(block, type, reader)) {
      message.content.push_back(std::move(*part));
    } else {
      refuse_block(block, type);
    }
  }
  if (!message.content.empty()) reader.request.messages.push_back(std::move(message));
}

void read_assistant(const Value& content, Reader& reader) {
  chat::ChatMessage message = message_of("assistant");
  Json calls = Json::array();
  std::string reasoning;
  for (std::size_t i = 0; i < content.size(); ++i) {
    const Value block = content.at(i);
    if (!block.expect_object()) continue;
    const std::string type = block["type"].required().text();
    if (type == "tool_use") {
      calls.push_back(read_tool_use(block));
    } else if (type == "thinking") {
      reasoning += block["thinking"].required().text();
    } else if (auto part = read_text_block(block, type, reader)) {
      message.content.push_back(std::move(*part));
    } else if (type != "redacted_thinking") {
      refuse_block(block, type);
    }
  }
  if (!reasoning.empty()) message.fields["reasoning_content"] = std::move(reasoning);
  if (!calls.empty()) message.fields["tool_calls"] = std::move(calls);
  reader.request.messages.push_back(std::move(message));
}

void read_message(const Value& value, Reader& reader) {
  if (!value.expect_object()) return;
  const bool is_user = value["role"].required().choice({"user", "assistant"}, 0) == 0;
  const Value content = value["content"].required();
  if (content.is_string()) {
    chat::ChatMessage message = message_of(is_user ? "user" : "assistant");
    message.content.push_back({.text = content.text(), .path = content.path()});
    reader.request.messages.push_back(std::move(message));
    return;
  }
  if (content && !content.is_array()) content.refuse_type("a string or a list of blocks");
  if (!content.is_array() || !content.expect_array(kMaxParts)) return;
  if (content.size() == 0) content.refuse("is empty");
  if (is_user) {
    read_user(content, reader);
  } else {
    read_assistant(content, reader);
  }
}

void read_conversation(const Value& body, Reader& reader) {
  chat::ChatMessage system = message_of("system");
  system.content = read_text(body["system"], reader);
  if (!system.content.empty()) reader.request.messages.push_back(std::move(system));
  const Value messages = body["messages"].required();
  if (!messages.expect_array(kMaxMessages)) return;
  if (messages.size() == 0) messages.refuse("is empty");
  for (std::size_t i = 0; i < messages.size(); ++i) read_message(messages.at(i), reader);
  name_tool_answers(reader.request.messages);
  const bool ends_with_assistant = !reader.request.messages.empty() &&
                                   reader.request.messages.back().fields["role"] == "assistant";
  reader.request.continue_final_message = ends_with_assistant;
  reader.request.add_generation_prompt = !ends_with_assistant;
}

chat::ChatTool read_tool(const Value& value) {
  chat::ChatTool out;
  if (!value.expect_object()) return out;
  const Value type = value["type"];
  if (type.is_string() && type.text() != "custom") {
    type.refuse(concat("\"", type.text().substr(0, 64), "\" is not a tool of this server"));
  }
  (void)type.text();
  const Value schema = value["input_schema"].required();
  const std::string name = value["name"].required().text();
  if (value["name"].is_string() && name.empty()) value["name"].refuse("is empty");
  Json function = {{"name", name}};
  if (value["description"]) function["description"] = value["description"].text();
  function["parameters"] = schema.expect_object() ? *schema.json() : Json::object();
  out.tool = {{"type", "function"}, {"function", std::move(function)}};
  out.reusable = is_cached(value);
  return out;
}

void read_tool_choice(const Value& choice, chat::ChatRequest& request) {
  if (!choice.expect_object()) return;
  constexpr chat::ToolChoice kChoices[] = {chat::ToolChoice::kAuto, chat::ToolChoice::kRequired,
                                           chat::ToolChoice::kNamed, chat::ToolChoice::kNone};
  request.tool_choice =
      kChoices[choice["type"].required().choice({"auto", "any", "tool", "none"}, 0)];
  request.parallel_tool_calls = !choice["disable_parallel_tool_use"].flag(false);
  if (request.tool_choice == chat::ToolChoice::kRequired && request.tools.empty()) {
    choice["type"].refuse("is \"any\", but there are no tools");
  }
  if (request.tool_choice != chat::ToolChoice::kNamed) return;
  request.tool_name = choice["name"].required().text();
  for (const chat::ChatTool& tool : request.tools) {
    if (tool.tool.is_object() && tool.tool["function"]["name"] == request.tool_name) return;
  }
  choice["name"].refuse("is none of the tools");
}

void read_tools(const Value& body, chat::ChatRequest& request) {
  const Value tools = body["tools"];
  if (tools.expect_array(kMaxTools)) {
    request.tools.reserve(tools.size());
    for (std::size_t i = 0; i < tools.size(); ++i) request.tools.push_back(read_tool(tools.at(i)));
  }
  read_tool_choice(body["tool_choice"], request);
}

void read_thinking(const Value& thinking, chat::ChatRequest& request) {
  bool thinks = false;
  if (thinking.expect_object()) {
    thinks = thinking["type"].required().choice({"disabled", "enabled", "adaptive"}, 0) != 0;
    (void)thinking["budget_tokens"].count(1, 1 << 30, 1);
  }
  request.show_reasoning = thinks;
  request.template_variables["enable_thinking"] = thinks;
}

chat::AnswerOptions read_message_options(const Value& body, const ReadContext& context) {
  chat::AnswerOptions options;
  options.model = body["model"].text();
  options.stream = body["stream"].flag(false);
  options.include_usage = true;
  options.engine.sampling = read_sampling(body, context);
  options.engine.max_tokens = body["max_tokens"].required().count(1, 1 << 30, 1);
  options.engine.stop = read_stops(body["stop_sequences"]);
  if (body["stop_sequences"].is_string()) {
    body["stop_sequences"].refuse_type("a list of strings");
  }
  options.engine.priority = 0;
  read_reuse(body["redknot"], context, options.engine);
  return options;
}

}  // namespace

Read<chat::ChatRequest> read_messages(std::string_view text, const ReadContext& context) {
  const Read<Json> json = parse_json(text);
  if (!json.ok()) return json.error();
  if (!(*json).is_object()) return RequestError{.message = "body is not a JSON object"};
  Refusal refusal;
  const Value body(&*json, "", refusal);
  chat::ChatRequest request;
  Reader reader{.context = context, .request = request};
  request.options = read_message_options(body, context);
  read_conversation(body, reader);
  read_documents(body["documents"], context, reader.has_segments, request);
  read_tools(body, request);
  read_thinking(body["thinking"], request);
  settle_marks(request);
  settle_reuse(body, reader.has_segments, request.options.engine);
  if (refusal.first()) return *refusal.first();
  return request;
}

}  // namespace redknot::server
