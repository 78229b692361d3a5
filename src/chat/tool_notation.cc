// SPDX-License-Identifier: Apache-2.0
#include "chat/tool_notation.h"

#include <array>
#include <initializer_list>

namespace redknot::chat {
namespace {

using Notation = ToolNotation;

struct Sign {
  Notation notation = Notation::kNone;
  std::string_view first{};  // both occur in the source
  std::string_view second{};
};

// The first that fits decides: what is more particular stands first.
constexpr std::array<Sign, 24> kSigns = {{
    {Notation::kHarmony, "<|channel|>", "<|message|>"},
    {Notation::kCommandR7b, "<|START_ACTION|>", ""},
    {Notation::kCommandR, "Action:", "tool_name"},
    {Notation::kDsml, "｜DSML｜", ""},
    {Notation::kDeepSeek, "<｜tool▁call▁begin｜>", ""},
    {Notation::kDeepSeek, "<｜tool▁calls▁begin｜>", ""},
    {Notation::kKimi, "<|tool_call_begin|>", ""},
    {Notation::kLfm, "<|tool_list_start|>", ""},
    {Notation::kLfm, "<|tool_call_start|>", ""},
    {Notation::kYandex, "[TOOL_CALL_START]", ""},
    {Notation::kFunctionary, ">>>all", ""},
    {Notation::kQwenCoder, "<function=", "<parameter="},
    {Notation::kFunctionaryXml, "<function=", ""},
    {Notation::kFirefunction, "functools[", ""},
    {Notation::kGemma, "<|tool_call>", ""},
    {Notation::kGlm, "<arg_key>", ""},
    {Notation::kNemotron, "<TOOLCALL>", ""},
    {Notation::kMistral, "[TOOL_CALLS]", ""},
    {Notation::kGranite, "<|tool_call|>", ""},
    {Notation::kHermes, "<tool_call>", ""},
    {Notation::kLlama, "<|python_tag|>", ""},
    {Notation::kLlama, "<|start_header_id|>", "\"parameters\": "},
    {Notation::kChatGlm, "[gMASK]", "tools"},
    {Notation::kJson, "tools", "function"},
}};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

AnswerStyle answer_style(std::string_view source) {
  AnswerStyle style;
  for (const Sign& sign : kSigns) {
    if (!contains(source, sign.first) || !contains(source, sign.second)) continue;
    style.tools = sign.notation;
    break;
  }
  // Uses of the variable, not of the word: "tools" alone may stand in a system message.
  if (style.tools == Notation::kNone &&
      (contains(source, "in tools") || contains(source, "if tools"))) {
    style.tools = Notation::kJson;
  }
  if (contains(source, "<|START_THINKING|>")) {
    style.reasoning = {.open = "<|START_THINKING|>", .close = "<|END_THINKING|>"};
  } else if (contains(source, "<|channel>thought")) {
    style.reasoning = {.open = "<|channel>thought", .close = "<channel|>"};
  } else if (contains(source, "<seed:think>")) {
    style.reasoning = {.open = "<seed:think>", .close = "</seed:think>"};
  } else if (contains(source, "[THINK]")) {
    style.reasoning = {.open = "[THINK]", .close = "[/THINK]"};
  }
  style.response_tags = contains(source, "<response>");
  style.names_first = contains(source, "[ARGS]");
  style.fenced = contains(source, "```json");
  return style;
}

std::string_view name_of(ToolNotation notation) {
  switch (notation) {
    case Notation::kNone:
      return "none";
    case Notation::kJson:
      return "JSON";
    case Notation::kHermes:
      return "Hermes";
    case Notation::kLlama:
      return "Llama 3";
    case Notation::kMistral:
      return "Mistral";
    case Notation::kDeepSeek:
      return "DeepSeek";
    case Notation::kDsml:
      return "DeepSeek DSML";
    case Notation::kKimi:
      return "Kimi K2";
    case Notation::kCommandR:
      return "Command R";
    case Notation::kCommandR7b:
      return "Command R7B";
    case Notation::kGranite:
      return "Granite";
    case Notation::kNemotron:
      return "Nemotron";
    case Notation::kFirefunction:
      return "Firefunction";
    case Notation::kFunctionaryXml:
      return "functionary 3.1";
    case Notation::kFunctionary:
      return "functionary 3.2";
    case Notation::kQwenCoder:
      return "Qwen3-Coder";
    case Notation::kGlm:
      return "GLM";
    case Notation::kChatGlm:
      return "ChatGLM";
    case Notation::kLfm:
      return "LFM2";
    case Notation::kGemma:
      return "Gemma";
    case Notation::kYandex:
      return "YandexGPT";
    case Notation::kHarmony:
      return "harmony";
  }
  return "none";
}

bool needs_special_text(const AnswerStyle& style, bool with_tools) {
  // Their reasoning, or the answer itself, is told apart by special tokens.
  if (style.tools == Notation::kHarmony || style.reasoning.open != "<think>") return true;
  return with_tools && style.tools != Notation::kNone;
}

}  // namespace redknot::chat
