// SPDX-License-Identifier: Apache-2.0
#include "chat/call_frame.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "redknot/constraint.h"
#include "tests/read_answer.h"

namespace redknot::chat {
namespace {

using Notation = ToolNotation;
using Json = nlohmann::json;

const AnswerTool kWeather = {
    .name = "weather",
    .parameters = R"({"type": "object", "properties": {"place": {"$ref": "#/$defs/Place"}},
      "required": ["place"], "additionalProperties": false,
      "$defs": {"Place": {"type": "string"}}})"};
const AnswerTool kNow = {.name = "now"};

constexpr Notation kObjects[] = {Notation::kJson,    Notation::kHermes,   Notation::kLlama,
                                 Notation::kMistral, Notation::kCommandR, Notation::kCommandR7b,
                                 Notation::kGranite, Notation::kNemotron, Notation::kFirefunction,
                                 Notation::kLfm};
constexpr Notation kNamed[] = {
    Notation::kDeepSeek, Notation::kKimi,   Notation::kFunctionaryXml, Notation::kFunctionary,
    Notation::kChatGlm,  Notation::kYandex, Notation::kHarmony};

void expect_read_back(const AnswerStyle& style, const std::string& prompt_end) {
  SCOPED_TRACE(std::string(name_of(style.tools)) + " after " + prompt_end);
  const std::vector<AnswerTool> tools = {kWeather};
  const std::optional<CallFrame> frame = call_frame(style, tools, prompt_end);
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(Json::parse(frame->schema), Json::parse(kWeather.parameters));
  const std::string text = frame->prefix + R"({"place": "Oslo"})" + frame->suffix;
  const tests::ReadAnswer answer =
      tests::read_answer({.style = style, .tools = tools, .prompt_end = prompt_end}, text);
  ASSERT_EQ(answer.calls.size(), 1U) << text;
  EXPECT_EQ(answer.calls[0].name, "weather");
  EXPECT_EQ(answer.calls[0].arguments, R"({"place": "Oslo"})");
  EXPECT_EQ(answer.content + answer.reasoning, "");
  const auto constraint = Constraint::framed(frame->prefix, frame->schema, frame->suffix);
  EXPECT_TRUE(constraint.ok()) << constraint.error().message();
}

TEST(CallFrame, WhatItFramesIsReadAsThatCall) {
  for (const Notation notation : kObjects) expect_read_back({.tools = notation}, "");
  for (const Notation notation : kNamed) expect_read_back({.tools = notation}, "");
  expect_read_back({.tools = Notation::kMistral, .names_first = true}, "");
  expect_read_back({.tools = Notation::kDeepSeek, .fenced = true}, "");
  expect_read_back({.tools = Notation::kFunctionary}, "<|end_header_id|>\n\n>>>");
}

TEST(CallFrame, EndsReasoningThatThePromptOpens) {
  expect_read_back({.tools = Notation::kHermes}, "assistant\n<think>\n");
}

TEST(CallFrame, SeveralToolsAreChoicesThatKeepTheirDefinitions) {
  const std::vector<AnswerTool> tools = {kWeather, kNow};
  for (const Notation notation : kObjects) {
    const std::optional<CallFrame> frame = call_frame({.tools = notation}, tools, "");
    ASSERT_TRUE(frame.has_value());
    const Json schema = Json::parse(frame->schema);
    EXPECT_EQ(schema["anyOf"].size(), 2U);
    EXPECT_EQ(schema["$defs"], Json::parse(R"({"tool0_Place": {"type": "string"}})"));
    EXPECT_NE(frame->schema.find("#/$defs/tool0_Place"), std::string::npos);
    const auto constraint = Constraint::framed(frame->prefix, frame->schema, frame->suffix);
    EXPECT_TRUE(constraint.ok()) << constraint.error().message();
    const bool cohere = notation == Notation::kCommandR || notation == Notation::kCommandR7b;
    const std::string call = cohere ? R"({"tool_name": "now", "parameters": {}})"
                                    : R"({"name": "now", "arguments": {}})";
    const tests::ReadAnswer answer = tests::read_answer(
        {.style = {.tools = notation}, .tools = tools}, frame->prefix + call + frame->suffix);
    ASSERT_EQ(answer.calls.size(), 1U) << name_of(notation);
    EXPECT_EQ(answer.calls[0].name, "now");
    EXPECT_EQ(answer.content, "");
  }
}

TEST(CallFrame, SaysWhereThereIsNone) {
  const std::vector<AnswerTool> both = {kWeather, kNow};
  for (const Notation notation : kNamed) {
    EXPECT_FALSE(call_frame({.tools = notation}, both, "").has_value());
  }
  for (const Notation notation :
       {Notation::kNone, Notation::kQwenCoder, Notation::kGlm, Notation::kDsml, Notation::kGemma}) {
    EXPECT_FALSE(call_frame({.tools = notation}, {&kWeather, 1}, "").has_value());
  }
  EXPECT_FALSE(call_frame({.tools = Notation::kHermes}, {}, "").has_value());
  const std::vector<AnswerTool> circular = {
      {.name = "tree", .parameters = R"({"properties": {"child": {"$ref": "#"}}})"}, kNow};
  EXPECT_FALSE(call_frame({.tools = Notation::kHermes}, circular, "").has_value());
  const std::vector<AnswerTool> broken = {{.name = "broken", .parameters = "{"}, kNow};
  EXPECT_FALSE(call_frame({.tools = Notation::kHermes}, broken, "").has_value());
}

}  // namespace
}  // namespace redknot::chat
