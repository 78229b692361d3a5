// SPDX-License-Identifier: Apache-2.0
// How a model writes calls of tools and its reasoning, as its chat template shows.
//
// Pure functions of the template's source; the names in comments are examples of who writes so.
#pragma once

#include <string>
#include <string_view>

namespace redknot::chat {

enum class ToolNotation {
  kNone,     // the template does not know tools
  kJson,     // knows them, and shows no notation: {"name": .., "arguments": {..}}
  kHermes,   // <tool_call>{"name": .., "arguments": {..}}</tool_call> (Qwen, Granite 4)
  kLlama,    // {"name": .., "parameters": {..}}, <|python_tag|> (Llama 3.x)
  kMistral,  // [TOOL_CALLS][{..}], [TOOL_CALLS]name[CALL_ID]id[ARGS]{..}
  kDeepSeek,  // <｜tool▁call▁begin｜>name<｜tool▁sep｜>{..}<｜tool▁call▁end｜> (V3, R1, V3.1)
  kDsml,            // <｜DSML｜invoke name=".."><｜DSML｜parameter ..> (DeepSeek V4)
  kKimi,            // <|tool_call_begin|>functions.name:0<|tool_call_argument_begin|>{..} (Kimi K2)
  kCommandR,        // Action: ```json [{"tool_name": .., "parameters": {..}}]```
  kCommandR7b,      // <|START_ACTION|>[{"tool_name": ..}]<|END_ACTION|>
  kGranite,         // <|tool_call|>[{"name": ..}] (Granite 3.x)
  kNemotron,        // <TOOLCALL>[{"name": ..}]</TOOLCALL>
  kFirefunction,    // functools[{"name": ..}]
  kFunctionaryXml,  // <function=name>{..}</function> (functionary 3.1)
  kFunctionary,     // >>>name\n{..} (functionary 3.2)
  kQwenCoder,  // <tool_call><function=name><parameter=key>..</parameter></function></tool_call>
  kGlm,        // <tool_call>name<arg_key>..</arg_key><arg_value>..</arg_value></tool_call>
  kChatGlm,    // name\n{..} (GLM-4)
  kLfm,        // <|tool_call_start|>[name(key="..")]<|tool_call_end|>
  kGemma,      // <|tool_call>call:name{key:<|"|>..<|"|>}<tool_call|> (Gemma 4)
  kYandex,     // [TOOL_CALL_START]name\n{..}
  kHarmony,    // <|channel|>commentary to=functions.name<|message|>{..}<|call|> (gpt-oss)
};

// What stands before and behind a model's reasoning. Harmony's channels are a matter of kHarmony.
struct ReasoningMarks {
  std::string open = "<think>";
  std::string close = "</think>";
};

struct AnswerStyle {
  ToolNotation tools = ToolNotation::kNone;
  ReasoningMarks reasoning{};
  bool response_tags = false;  // the answer proper stands in <response></response>
  bool names_first = false;    // kMistral: name[ARGS]{..}, not JSON that has the name in it
  bool fenced = false;         // kDeepSeek: arguments stand in ```json
};

AnswerStyle answer_style(std::string_view template_source);

// "Hermes", for messages.
std::string_view name_of(ToolNotation notation);

// Whether the texts of special tokens have to be part of the answer (Request::show_special) so that
// it can be read; with_tools: whether calls are wanted.
bool needs_special_text(const AnswerStyle& style, bool with_tools);

}  // namespace redknot::chat
