// SPDX-License-Identifier: Apache-2.0
#include "server/read_chat.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "server/read_options.h"

namespace redknot::server {
namespace {

struct Reader {
  const ReadContext& context;
  bool has_segments = false;
};

constexpr std::array<std::string_view, 6> kRoles = {"system",    "developer", "user",
                                                    "assistant", "tool",      "function"};

chat::ContentPart read_part(const Value& part, Reader& reader) {
  if (part.is_string()) return {.text = part.text(), .path = part.path()};
  if (!part.expect_object()) return {};
  const Value type = part["type"].required();
  const std::string name = type.text();
  if (name == "text" || name == "input_text" || name == "output_text") {
    const Value text = part["text"].required();
    return {.text = text.text(), .reusable = is_cached(part), .path = text.path()};
  }
  if (name == "refusal") {
    const Value text = part["refusal"].required();
    return {.text = text.text(), .path = text.path()};
  }
  if (name == "segment") {
    reader.has_segments = true;
    return {.text = read_segment(part, reader.context), .reusable = true, .path = part.path()};
  }
  if (type.is_string()) {
    type.refuse(concat("\"", name.substr(0, 64), "\" is not supported: this model reads text"));
  }
  return {};
}

std::vector<chat::ContentPart> read_content(const Value& content, Reader& reader) {
  std::vector<chat::ContentPart> out;
  if (content.is_string()) {
    out.push_back({.text = content.text(), .path = content.path()});
    return out;
  }
  if (!content) return out;
  if (!content.is_array()) content.refuse_type("a string or a list of parts");
  if (!content.is_array() || !content.expect_array(kMaxParts)) return out;
  out.reserve(content.size());
  for (std::size_t i = 0; i < content.size(); ++i) out.push_back(read_part(content.at(i), reader));
  return out;
}

// The arguments of a call come as JSON text, as OpenAI has them, or as an object.
Json read_arguments(const Value& arguments) {
  if (!arguments || arguments.is_object()) {
    return arguments ? *arguments.json() : Json::object();
  }
  const std::string text = arguments.text();
  if (!arguments.is_string() || text.empty()) return Json::object();
  const Read<Json> parsed = parse_json(text);
  if (!parsed.ok() || !(*parsed).is_object()) {
    arguments.refuse("expected the JSON text of an object");
    return Json::object();
  }
  return *parsed;
}

Json read_tool_calls(const Value& calls) {
  Json out = Json::array();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const Value call = calls.at(i);
    if (!call.expect_object()) continue;
    (void)call["type"].choice({"function"}, 0);
    const Value function = call["function"].required();
    if (!function.expect_object()) continue;
    const std::string name = function["name"].required().text();
    out.push_back(
        {{"id", call["id"].text()},
         {"type", "function"},
         {"function", {{"name", name}, {"arguments", read_arguments(function["arguments"])}}}});
  }
  return out;
}

void copy_text(const Value& message, const char* field, Json& out) {
  const Value value = message[field];
  if (value) out[field] = value.text();
}

chat::ChatMessage read_message(const Value& value, Reader& reader) {
  chat::ChatMessage message;
  if (!value.expect_object()) return message;
  std::string role = value["role"].required().text();
  if (value["role"].is_string() && std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
    value["role"].refuse(concat("unknown role ", dump_json(Json(role.substr(0, 64)))));
  }
  if (role == "function") role = "tool";
  message.fields["role"] = role;
  copy_text(value, "name", message.fields);
  copy_text(value, "tool_call_id", message.fields);
  copy_text(value, "reasoning_content", message.fields);
  const Value calls = value["tool_calls"];
  if (calls.expect_array(kMaxParts) && calls.size() > 0) {
    if (role != "assistant") calls.refuse(concat("a message of role ", role, " makes no calls"));
    message.fields["tool_calls"] = read_tool_calls(calls);
  }
  const Value content = value["content"];
  if (!message.fields.contains("tool_calls") && !value["refusal"]) (void)content.required();
  message.content = read_content(content, reader);
  return message;
}

void read_messages_of(const Value& body, Reader& reader, chat::ChatRequest& request) {
  const Value messages = body["messages"].required();
  if (!messages.expect_array(kMaxMessages)) return;
  if (messages.size() == 0) messages.refuse("is empty");
  request.messages.reserve(messages.size());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    request.messages.push_back(read_message(messages.at(i), reader));
  }
  name_tool_answers(request.messages);
}

chat::ChatDocument read_document(const Value& value, const ReadContext& context,
                                 bool& has_segments) {
  if (value.is_string()) {
    return {.text = {.text = value.text(), .reusable = true, .path = value.path()}};
  }
  if (!value.is_object()) value.refuse_type("a string or an object");
  if (!value.expect_object()) return {};
  if (value["type"].is_string() && value["type"].text() == "segment") {
    has_segments = true;
    return {.text = {.text = read_segment(value, context), .reusable = true, .path = value.path()}};
  }
  chat::ChatDocument out;
  Value text = value["text"];
  for (const char* field : {"contents", "content"}) {
    if (!text && value[field]) text = value[field];
  }
  if (!text) value["text"].refuse("is required");
  out.text = {.text = text.text(), .reusable = true, .path = text.path()};
  (void)value["title"].text();
  for (const auto& [name, field] : value.json()->items()) {
    if (name == "text" || name == "contents" || name == "content" || name == "cache_control") {
      continue;
    }
    out.fields[name] = field;
  }
  return out;
}

chat::ChatTool read_tool(const Value& value) {
  chat::ChatTool out;
  if (!value.expect_object()) return out;
  (void)value["type"].required().choice({"function"}, 0);
  const Value function = value["function"].required();
  if (!function.expect_object()) return out;
  const std::string name = function["name"].required().text();
  if (name.empty()) function["name"].refuse("is empty");
  (void)function["description"].text();
  (void)function["parameters"].expect_object();
  out.reusable = is_cached(value) || is_cached(function);
  if (name.empty()) return out;
  out.tool = *value.json();
  out.tool.erase("cache_control");
  out.tool["function"].erase("cache_control");
  return out;
}

void read_tool_choice(const Value& choice, chat::ChatRequest& request) {
  if (choice.is_object()) {
    (void)choice["type"].required().choice({"function"}, 0);
    const Value function = choice["function"].required();
    if (!function.expect_object()) return;
    request.tool_choice = chat::ToolChoice::kNamed;
    request.tool_name = function["name"].required().text();
    for (const chat::ChatTool& tool : request.tools) {
      if (tool.tool.is_object() && tool.tool["function"]["name"] == request.tool_name) return;
    }
    function["name"].refuse("is none of the tools");
    return;
  }
  constexpr chat::ToolChoice kChoices[] = {chat::ToolChoice::kNone, chat::ToolChoice::kAuto,
                                           chat::ToolChoice::kRequired};
  request.tool_choice = kChoices[choice.choice({"none", "auto", "required"}, 1)];
  if (request.tool_choice == chat::ToolChoice::kRequired && request.tools.empty()) {
    choice.refuse("is \"required\", but there are no tools");
  }
}

void read_tools(const Value& body, chat::ChatRequest& request) {
  const Value tools = body["tools"];
  if (tools.expect_array(kMaxTools)) {
    request.tools.reserve(tools.size());
    for (std::size_t i = 0; i < tools.size(); ++i) request.tools.push_back(read_tool(tools.at(i)));
  }
  if (body["functions"]) body["functions"].refuse("is not supported: use tools");
  for (const chat::ChatTool& tool : request.tools) {
    if (!tool.tool.is_object()) return;  // refused
  }
  read_tool_choice(body["tool_choice"], request);
  request.parallel_tool_calls = body["parallel_tool_calls"].flag(true);
}

void read_response_format(const Value& format, chat::ChatRequest& request) {
  if (!format.expect_object()) return;
  constexpr chat::ResponseFormat kFormats[] = {chat::ResponseFormat::kText,
                                               chat::ResponseFormat::kJsonObject,
                                               chat::ResponseFormat::kJsonSchema};
  request.response_format =
      kFormats[format["type"].required().choice({"text", "json_object", "json_schema"}, 0)];
  if (request.response_format != chat::ResponseFormat::kJsonSchema) return;
  const Value named = format["json_schema"].required();
  if (!named.expect_object()) return;
  (void)named["name"].text();
  (void)named["strict"].flag(false);
  const Value schema = named["schema"].required();
  if (schema.expect_object()) request.schema = *schema.json();
}

void read_template_variables(const Value& body, chat::ChatRequest& request) {
  const Value effort = body["reasoning_effort"];
  if (effort) {
    request.template_variables["reasoning_effort"] = effort.text();
    if (effort.is_string() && effort.text() == "none") {
      request.template_variables["enable_thinking"] = false;
    }
  }
  const Value variables = body["chat_template_kwargs"];
  if (variables.expect_object()) {
    for (const auto& [name, value] : variables.json()->items()) {
      for (const std::string_view own :
           {"messages", "tools", "documents", "bos_token", "eos_token", "add_generation_prompt"}) {
        if (name == own) variables[name].refuse("is not a variable for requests to set here");
      }
      request.template_variables[name] = value;
    }
  }
  request.add_generation_prompt = body["add_generation_prompt"].flag(true);
  const Value continued = body["continue_final_message"];
  request.continue_final_message = continued.flag(false);
  if (!request.continue_final_message) return;
  if (body["add_generation_prompt"] && request.add_generation_prompt) {
    continued.refuse("cannot be with add_generation_prompt");
  }
  request.add_generation_prompt = false;
}

void read_logprobs(const Value& body, chat::ChatRequest& request) {
  request.logprobs = body["logprobs"].flag(false);
  const Value top = body["top_logprobs"];
  const int count = top.count(0, kMaxTopLogprobs, 0);
  if (top && !request.logprobs && count > 0) top.refuse("needs logprobs: true");
  if (request.logprobs) request.options.engine.sampling.log_probabilities = count;
}

void read_max_tokens(const Value& body, Request& request) {
  const Value named =
      body["max_completion_tokens"] ? body["max_completion_tokens"] : body["max_tokens"];
  request.max_tokens = named.count(1, 1 << 30, -1);
}

}  // namespace

bool is_cached(const Value& part) {
  const Value control = part["cache_control"];
  if (!control.expect_object()) return false;
  (void)control["type"].required().choice({"ephemeral"}, 0);
  return true;
}

std::string read_segment(const Value& part, const ReadContext& context) {
  const Value id = part["id"].required();
  const std::string name = id.text();
  if (!id.is_string()) return {};
  auto text = context.find_segment ? context.find_segment(name) : std::nullopt;
  if (text && (context.segment_bytes += text->size()) > kMaxSegmentBytes) {
    id.refuse(concat("the segments of this request have more than ", kMaxSegmentBytes, " bytes"));
    return {};
  }
  if (!text) {
    id.refuse(
        concat("no segment ", dump_json(Json(name.substr(0, 64))), "; PUT /v1/segments makes one"));
  }
  return text.value_or("");
}

void read_documents(const Value& documents, const ReadContext& context, bool& has_segments,
                    chat::ChatRequest& request) {
  if (!documents.expect_array(kMaxDocuments)) return;
  request.documents.reserve(documents.size());
  for (std::size_t i = 0; i < documents.size(); ++i) {
    request.documents.push_back(read_document(documents.at(i), context, has_segments));
  }
}

void settle_marks(chat::ChatRequest& request) {
  if (request.messages.empty() || request.messages.back().content.empty()) return;
  request.messages.back().content.back().reusable = false;
}

void name_tool_answers(std::vector<chat::ChatMessage>& messages) {
  std::map<std::string, std::string> names;  // by the call's id
  for (chat::ChatMessage& message : messages) {
    if (const auto calls = message.fields.find("tool_calls"); calls != message.fields.end()) {
      for (const Json& call : *calls) {
        names[call["id"].get<std::string>()] = call["function"]["name"].get<std::string>();
      }
    }
    const auto id = message.fields.find("tool_call_id");
    if (id == message.fields.end() || message.fields.contains("name")) continue;
    const auto name = names.find(id->get<std::string>());
    if (name != names.end()) message.fields["name"] = name->second;
  }
}

Read<chat::ChatRequest> read_parsed_chat(const Json& json, const ReadContext& context) {
  Refusal refusal;
  const Value body(&json, "", refusal);
  if (!json.is_object()) return RequestError{.message = "body is not a JSON object"};
  chat::ChatRequest request;
  Reader reader{.context = context};
  request.options = read_answer_options(body, context);
  read_max_tokens(body, request.options.engine);
  read_messages_of(body, reader, request);
  read_documents(body["documents"], context, reader.has_segments, request);
  read_tools(body, request);
  read_response_format(body["response_format"], request);
  read_template_variables(body, request);
  read_logprobs(body, request);
  settle_marks(request);
  settle_reuse(body, reader.has_segments, request.options.engine);
  if (refusal.first()) return *refusal.first();
  return request;
}

Read<chat::ChatRequest> read_chat(std::string_view body, const ReadContext& context) {
  const Read<Json> json = parse_json(body);
  if (!json.ok()) return json.error();
  return read_parsed_chat(*json, context);
}

}  // namespace redknot::server
