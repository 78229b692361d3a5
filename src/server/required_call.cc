// SPDX-License-Identifier: Apache-2.0
#include "server/required_call.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"

namespace redknot::server {
namespace {

using Json = nlohmann::ordered_json;

// One call: `before`, {name_key: .., arguments_key: ..}, `after`.
struct CallForm {
  const char* before = "";
  const char* name_key = "name";
  const char* arguments_key = "arguments";
  const char* after = "";
};

std::optional<CallForm> form_of(ToolNotation notation) {
  switch (notation) {
    case ToolNotation::kJson:
      return CallForm{};
    case ToolNotation::kHermes:
      return CallForm{.before = "<tool_call>\n", .after = "\n</tool_call>"};
    case ToolNotation::kLlama:
      return CallForm{.arguments_key = "parameters"};
    case ToolNotation::kMistral:
      return CallForm{.before = "[TOOL_CALLS][", .after = "]"};
    case ToolNotation::kGranite:
      return CallForm{.before = "<|tool_call|>[", .after = "]"};
    case ToolNotation::kNemotron:
      return CallForm{.before = "<TOOLCALL>[", .after = "]</TOOLCALL>"};
    case ToolNotation::kFirefunction:
      return CallForm{.before = "functools[", .after = "]"};
    case ToolNotation::kCommandR:
      return CallForm{.before = "Action: ```json\n[",
                      .name_key = "tool_name",
                      .arguments_key = "parameters",
                      .after = "]\n```"};
    default:
      return std::nullopt;
  }
}

// `shared` gets the definitions that the schema of the arguments refers to: a $ref is looked up from
// the root.
Json call_schema(const CallForm& form, const AnswerTool& tool, Json& shared) {
  Json arguments = Json::parse(tool.parameters, nullptr, false);
  if (!arguments.is_object()) arguments = {{"type", "object"}, {"additionalProperties", true}};
  for (const char* key : {"$defs", "definitions"}) {
    if (!arguments.contains(key)) continue;
    if (arguments[key].is_object()) shared[key].update(arguments[key]);
    arguments.erase(key);
  }
  return {{"type", "object"},
          {"properties", {{form.name_key, {{"const", tool.name}}}, {form.arguments_key, arguments}}},
          {"required", {form.name_key, form.arguments_key}},
          {"additionalProperties", false}};
}

}  // namespace

Result<Constraint> required_call(const AnswerStyle& style, const std::vector<AnswerTool>& tools,
                                 const std::string& name) {
  const std::optional<CallForm> form = form_of(style.tools);
  if (!form) {
    return unsupported("a call cannot be required in the model's notation (",
                       std::string(name_of(style.tools)), "); use \"auto\"");
  }
  Json calls = Json::array();
  Json schema = Json::object();
  for (const AnswerTool& tool : tools) {
    if (name.empty() || tool.name == name) calls.push_back(call_schema(*form, tool, schema));
  }
  if (calls.size() == 1) {
    schema.update(calls.front());
  } else {
    schema["anyOf"] = std::move(calls);
  }
  return Constraint::framed(form->before, schema.dump(), form->after);
}

}  // namespace redknot::server
