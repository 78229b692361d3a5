// SPDX-License-Identifier: Apache-2.0
#include "chat/call_frame.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "chat/fields.h"

namespace redknot::chat {
namespace {

using Notation = ToolNotation;

// Of notations whose calls are JSON objects.
struct ObjectFrame {
  std::string_view prefix{}, suffix{};
  std::string_view name_key = "name";
  std::string_view arguments_key = "arguments";
};

std::optional<ObjectFrame> object_frame(const AnswerStyle& style) {
  switch (style.tools) {
    case Notation::kJson:
      return ObjectFrame();
    case Notation::kHermes:
      return ObjectFrame{.prefix = "<tool_call>\n", .suffix = "\n</tool_call>"};
    case Notation::kLlama:
      return ObjectFrame{.arguments_key = "parameters"};
    case Notation::kMistral:
      if (style.names_first) return std::nullopt;
      return ObjectFrame{.prefix = "[TOOL_CALLS] [", .suffix = "]"};
    case Notation::kCommandR:
      return ObjectFrame{.prefix = "Action:\n```json\n[\n    ",
                         .suffix = "\n]```",
                         .name_key = "tool_name",
                         .arguments_key = "parameters"};
    case Notation::kCommandR7b:
      return ObjectFrame{.prefix = "<|START_ACTION|>[\n    ",
                         .suffix = "\n]<|END_ACTION|>",
                         .name_key = "tool_name",
                         .arguments_key = "parameters"};
    case Notation::kGranite:
      return ObjectFrame{.prefix = "<|tool_call|>[", .suffix = "]"};
    case Notation::kNemotron:
      return ObjectFrame{.prefix = "<TOOLCALL>[", .suffix = "]</TOOLCALL>"};
    case Notation::kFirefunction:
      return ObjectFrame{.prefix = " functools[", .suffix = "]"};
    case Notation::kLfm:
      return ObjectFrame{.prefix = "<|tool_call_start|>[", .suffix = "]<|tool_call_end|>"};
    default:
      return std::nullopt;
  }
}

// Of notations whose calls are a name and then JSON: what stands around the name, and behind all.
struct NamedFrame {
  std::string_view before{}, behind{}, suffix{};
};

std::optional<NamedFrame> named_frame(const AnswerStyle& style, std::string_view prompt_end) {
  switch (style.tools) {
    case Notation::kMistral:
      return NamedFrame{.before = "[TOOL_CALLS]", .behind = "[ARGS]"};
    case Notation::kDeepSeek:
      if (style.fenced) {
        return NamedFrame{
            .before = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>",
            .behind = "\n```json\n",
            .suffix = "\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"};
      }
      return NamedFrame{.before = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>",
                        .behind = "<｜tool▁sep｜>",
                        .suffix = "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"};
    case Notation::kKimi:
      return NamedFrame{.before = "<|tool_calls_section_begin|><|tool_call_begin|>functions.",
                        .behind = ":0<|tool_call_argument_begin|>",
                        .suffix = "<|tool_call_end|><|tool_calls_section_end|>"};
    case Notation::kFunctionaryXml:
      return NamedFrame{.before = "<function=", .behind = ">", .suffix = "</function>"};
    case Notation::kFunctionary:
      return NamedFrame{.before = trimmed(prompt_end).ends_with(">>>") ? "" : ">>>",
                        .behind = "\n"};
    case Notation::kChatGlm:
      return NamedFrame{.behind = "\n"};
    case Notation::kYandex:
      return NamedFrame{.before = "\n[TOOL_CALL_START]", .behind = "\n"};
    case Notation::kHarmony:
      return NamedFrame{.before = "<|channel|>commentary to=functions.",
                        .behind = " <|constrain|>json<|message|>"};
    default:
      return std::nullopt;
  }
}

std::string schema_text(const AnswerTool& tool) {
  return trimmed(tool.parameters).empty() ? R"({"type": "object", "additionalProperties": true})"
                                          : tool.parameters;
}

// Points references into `definitions` of one tool to where they are kept for all. False: one of
// them cannot be moved.
bool move_references(Json& schema, const std::string& owner) {
  if (schema.is_array()) {
    for (Json& item : schema) {
      if (!move_references(item, owner)) return false;
    }
  }
  if (!schema.is_object()) return true;
  for (auto& [key, value] : schema.items()) {
    if (key != "$ref" || !value.is_string()) {
      if (!move_references(value, owner)) return false;
      continue;
    }
    const std::string reference = value.get<std::string>();
    bool moved = false;
    for (const std::string_view place : {"#/$defs/", "#/definitions/"}) {
      if (!std::string_view(reference).starts_with(place)) continue;
      value = "#/$defs/" + owner + reference.substr(place.size());
      moved = true;
    }
    if (!moved) return false;
  }
  return true;
}

// {"name": ..., "arguments": ...} for one tool; its definitions go to `definitions`.
std::optional<Json> call_schema(const ObjectFrame& frame, const AnswerTool& tool,
                                const std::string& owner, Json& definitions) {
  std::optional<Json> schema = json_of(schema_text(tool));
  if (!schema || !schema->is_object() || !move_references(*schema, owner)) return std::nullopt;
  for (const char* place : {"$defs", "definitions"}) {
    const auto found = schema->find(place);
    if (found == schema->end() || !found->is_object()) continue;
    for (auto& [name, definition] : found->items()) definitions[owner + name] = definition;
    schema->erase(place);
  }
  const std::string name(frame.name_key), arguments(frame.arguments_key);
  return Json{{"type", "object"},
              {"properties", {{name, {{"const", tool.name}}}, {arguments, *std::move(schema)}}},
              {"required", {name, arguments}},
              {"additionalProperties", false}};
}

std::optional<CallFrame> framed_objects(const ObjectFrame& frame,
                                        std::span<const AnswerTool> tools) {
  CallFrame result = {.prefix = std::string(frame.prefix), .suffix = std::string(frame.suffix)};
  if (tools.size() == 1) {
    result.prefix.append("{\"").append(frame.name_key).append("\": ");
    result.prefix.append(dump_json(tools[0].name)).append(", \"").append(frame.arguments_key);
    result.prefix.append("\": ");
    result.schema = schema_text(tools[0]);
    result.suffix.insert(0, "}");
    return result;
  }
  Json choices = Json::array();
  Json definitions = Json::object();
  for (const AnswerTool& tool : tools) {
    const std::string owner = "tool" + std::to_string(choices.size()) + "_";
    std::optional<Json> schema = call_schema(frame, tool, owner, definitions);
    if (!schema) return std::nullopt;
    choices.push_back(*std::move(schema));
  }
  Json schema = {{"anyOf", std::move(choices)}};
  if (!definitions.empty()) schema["$defs"] = std::move(definitions);
  result.schema = dump_json(schema);
  return result;
}

}  // namespace

std::optional<CallFrame> call_frame(const AnswerStyle& style, std::span<const AnswerTool> tools,
                                    std::string_view prompt_end) {
  if (tools.empty()) return std::nullopt;
  std::optional<CallFrame> result;
  if (const std::optional<ObjectFrame> object = object_frame(style)) {
    result = framed_objects(*object, tools);
  } else if (const std::optional<NamedFrame> named = named_frame(style, prompt_end)) {
    if (tools.size() > 1) return std::nullopt;
    result = CallFrame{.schema = schema_text(tools[0]), .suffix = std::string(named->suffix)};
    result->prefix.append(named->before).append(tools[0].name).append(named->behind);
  }
  if (result && trimmed(prompt_end).ends_with(style.reasoning.open)) {
    result->prefix.insert(0, "\n" + style.reasoning.close + "\n\n");
  }
  return result;
}

}  // namespace redknot::chat
