// SPDX-License-Identifier: Apache-2.0
#include "chat/answer_parser.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/read_answer.h"

namespace redknot::chat {
namespace {

using Notation = ToolNotation;
using Json = nlohmann::json;

const std::vector<AnswerTool> kTools = {
    {.name = "weather",
     .parameters = R"({"type": "object", "properties": {"city": {"type": "string"},
       "days": {"type": "integer"}, "exact": {"type": "boolean"}, "tags": {"type": "array"}}})"},
    {.name = "weather_map", .parameters = "{}"},
    {.name = "now"}};

ParserOptions options(Notation notation) { return {.style = {.tools = notation}, .tools = kTools}; }

tests::ReadAnswer read(Notation notation, const std::string& text) {
  return tests::read_answer(options(notation), text);
}

struct Written {
  Notation notation;
  std::string text;
  std::vector<tests::ReadCall> calls;
};

// Arguments as JSON, whatever their white space.
void expect_calls(const tests::ReadAnswer& answer, const std::vector<tests::ReadCall>& calls) {
  ASSERT_EQ(answer.calls.size(), calls.size());
  for (std::size_t i = 0; i < calls.size(); ++i) {
    EXPECT_EQ(answer.calls[i].name, calls[i].name);
    EXPECT_EQ(Json::parse(answer.calls[i].arguments), Json::parse(calls[i].arguments));
    if (!calls[i].id.empty()) {
      EXPECT_EQ(answer.calls[i].id, calls[i].id);
    }
  }
}

const tests::ReadCall kOslo = {.name = "weather", .arguments = R"({"city": "Oslo"})"};
const tests::ReadCall kNow = {.name = "now", .arguments = "{}"};

const std::vector<Written> kWritten = {
    {Notation::kHermes,
     "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>\n"
     "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>",
     {kOslo, kNow}},
    {Notation::kHermes,
     "<tool_call>{\"arguments\": {\"city\": \"Oslo\"}, \"name\": \"weather\"}</tool_call>",
     {kOslo}},
    {Notation::kHermes, R"(<tool_call>{"name": "now"}</tool_call>)", {kNow}},
    {Notation::kHermes,
     R"(<tool_call>{"name": "weather", "arguments": "{\"city\": \"Oslo\"}"}</tool_call>)",
     {kOslo}},
    {Notation::kLlama, R"({"name": "weather", "parameters": {"city": "Oslo"}})", {kOslo}},
    {Notation::kLlama,
     R"({"type": "function", "name": "weather", "parameters": {"city": "Oslo"}}; )"
     R"({"name": "now", "parameters": {}})",
     {kOslo, kNow}},
    {Notation::kLlama,
     R"(<|python_tag|>{"name": "weather", "parameters": {"city": "Oslo"}})",
     {kOslo}},
    {Notation::kLlama, R"(<|python_tag|>weather.call(city="Oslo"))", {kOslo}},
    {Notation::kMistral,
     R"([TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Oslo"}}, {"name": "now"}])",
     {kOslo, kNow}},
    {Notation::kMistral,
     R"([TOOL_CALLS]weather[CALL_ID]abcdefghi[ARGS]{"city": "Oslo"}[TOOL_CALLS]now[ARGS]{})",
     {{.id = "abcdefghi", .name = "weather", .arguments = R"({"city": "Oslo"})"}, kNow}},
    {Notation::kDeepSeek,
     "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n"
     "{\"city\": "
     "\"Oslo\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now"
     "\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     {kOslo, kNow}},
    {Notation::kDeepSeek,
     "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{\"city\": \"Oslo\"}"
     "<｜tool▁call▁end｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜>"
     "<｜tool▁calls▁end｜>",
     {kOslo, kNow}},
    {Notation::kDsml,
     "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"weather\">\n<｜DSML｜parameter name=\"city\" "
     "string=\"true\">Oslo</｜DSML｜parameter>\n<｜DSML｜parameter name=\"days\" "
     "string=\"false\">"
     "3</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
     {{.name = "weather", .arguments = R"({"city": "Oslo", "days": 3})"}}},
    {Notation::kKimi,
     "<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:3"
     "<|tool_call_argument_begin|>{\"city\": \"Oslo\"}<|tool_call_end|><|tool_call_begin|>"
     "now<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
     {{.id = "functions.weather:3", .name = "weather", .arguments = R"({"city": "Oslo"})"}, kNow}},
    {Notation::kCommandR,
     "Action:\n```json\n[\n    {\n        \"tool_name\": \"weather\",\n        \"parameters\": "
     "{\n            \"city\": \"Oslo\"\n        }\n    }\n]```\n",
     {kOslo}},
    {Notation::kCommandR7b,
     "<|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"weather\", "
     "\"parameters\": {\"city\": \"Oslo\"}}\n]<|END_ACTION|>",
     {kOslo}},
    {Notation::kGranite,
     R"(<|tool_call|>[{"name": "weather", "arguments": {"city": "Oslo"}}])",
     {kOslo}},
    {Notation::kNemotron,
     R"(<TOOLCALL>[{"name": "weather", "arguments": {"city": "Oslo"}}]</TOOLCALL>)",
     {kOslo}},
    {Notation::kFirefunction,
     R"( functools[{"name": "weather", "arguments": {"city": "Oslo"}}, {"name": "now"}])",
     {kOslo, kNow}},
    {Notation::kFunctionaryXml,
     R"(<function=weather>{"city": "Oslo"}</function><function=now>{}</function>)",
     {kOslo, kNow}},
    {Notation::kFunctionary, ">>>weather\n{\"city\": \"Oslo\"}>>>now\n{}", {kOslo, kNow}},
    {Notation::kQwenCoder,
     "<tool_call>\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n"
     "3\n</parameter>\n<parameter=exact>\nTrue\n</parameter>\n</function>\n</tool_call>\n"
     "<tool_call>\n<function=now>\n</function>\n</tool_call>",
     {{.name = "weather", .arguments = R"({"city": "Oslo", "days": 3, "exact": true})"}, kNow}},
    {Notation::kGlm,
     "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>12</arg_value>\n"
     "<arg_key>tags</arg_key>\n<arg_value>[1, \"a\"]</arg_value>\n</tool_call>"
     "<tool_call>now\n</tool_call>",
     {{.name = "weather", .arguments = R"({"city": "12", "tags": [1, "a"]})"}, kNow}},
    {Notation::kChatGlm, "weather\n{\"city\": \"Oslo\"}", {kOslo}},
    {Notation::kLfm,
     R"(<|tool_call_start|>[weather(city="Oslo", days=3), now()]<|tool_call_end|>)",
     {{.name = "weather", .arguments = R"({"city": "Oslo", "days": 3})"}, kNow}},
    {Notation::kLfm,
     R"(<|tool_call_start|>[{"name": "weather", "arguments": {"city": "Oslo"}}])"
     "<|tool_call_end|>",
     {kOslo}},
    {Notation::kGemma,
     "<|tool_call>call:weather{city:<|\"|>Oslo<|\"|>,days:3,tags:[1,{a:true}]}<tool_call|>"
     "<|tool_call>call:now{}<tool_call|>",
     {{.name = "weather", .arguments = R"({"city": "Oslo", "days": 3, "tags": [1, {"a": true}]})"},
      kNow}},
    {Notation::kYandex, "\n[TOOL_CALL_START]weather\n{\"city\": \"Oslo\"}", {kOslo}},
    {Notation::kJson,
     "```json\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n```",
     {kOslo}},
    {Notation::kJson,
     R"({"type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}})",
     {kOslo}},
    {Notation::kHarmony,
     "<|channel|>commentary to=functions.weather <|constrain|>json<|message|>"
     "{\"city\": \"Oslo\"}<|call|>",
     {kOslo}},
};

TEST(AnswerParser, ReadsCallsOfEveryNotation) {
  for (const Written& one : kWritten) {
    SCOPED_TRACE(one.text);
    const tests::ReadAnswer answer = read(one.notation, one.text);
    expect_calls(answer, one.calls);
    EXPECT_EQ(answer.content, "");
    EXPECT_EQ(answer.reasoning, "");
  }
}

TEST(AnswerParser, ContentBesideCallsKeepsItsText) {
  const std::string call = R"(<tool_call>{"name": "now", "arguments": {}}</tool_call>)";
  const tests::ReadAnswer answer =
      read(Notation::kHermes, " Let me see.\n\n" + call + "\n Done.\n");
  EXPECT_EQ(answer.content, " Let me see.Done.\n");
  expect_calls(answer, {kNow});
}

TEST(AnswerParser, WithoutToolsNothingIsACall) {
  for (const std::string text :
       {R"(<tool_call>{"name": "now"}</tool_call>)", R"( {"name": "now"})", "  \n", ""}) {
    const tests::ReadAnswer answer =
        tests::read_answer({.style = {.tools = Notation::kHermes}}, text);
    EXPECT_EQ(answer.content, text);
    EXPECT_TRUE(answer.calls.empty());
  }
}

TEST(AnswerParser, WhatIsNoCallIsContentToTheByte) {
  const std::vector<std::pair<Notation, std::string>> texts = {
      {Notation::kHermes, "a <tool_call> is a tag, <tool_ too; <"},
      {Notation::kHermes, R"(<tool_call>{"name": "unknown", "arguments": {}}</tool_call> b)"},
      {Notation::kHermes, R"(<tool_call>{"name": "now", "arguments": [1]}</tool_call>)"},
      {Notation::kHermes, R"(<tool_call>{"name": "now", 'arguments': {}}</tool_call>)"},
      {Notation::kHermes, R"(<tool_call>{"name": "no)"},
      {Notation::kHermes, "<tool_call>[]"},
      {Notation::kHermes, "<tool_call>\n"},
      {Notation::kLlama, R"({"answer": {"name": "now"}})"},
      {Notation::kLlama, R"( {"name": "Ann", "parameters": {}} )"},
      {Notation::kLlama, "<|python_tag|>print(1)"},
      {Notation::kLlama, R"(Use {"name": "now", "parameters": {}})"},
      {Notation::kMistral, "[TOOL_CALLS]elsewhere[ARGS]{}"},
      {Notation::kMistral, "[TOOL_CALLS]weather[AR"},
      {Notation::kKimi, "<|tool_call_begin|>functions.now:x<|tool_call_argument_begin|>{}"},
      {Notation::kCommandR, "Action: buy milk."},
      {Notation::kFunctionary, "a >> b >>>c"},
      {Notation::kQwenCoder, "<tool_call><function=now><parameter=a>1</function></tool_call>"},
      {Notation::kGlm, "<tool_call>now<arg_key>a</arg_key></tool_call> more"},
      {Notation::kGlm, "<tool_call>now<arg_key>a</arg_key><arg_value>1"},
      {Notation::kChatGlm, "weather is fine\n{}"},
      {Notation::kChatGlm, " weather"},
      {Notation::kLfm, "<|tool_call_start|>[now(), other()]<|tool_call_end|>"},
      {Notation::kGemma, "<|tool_call>call:now{a:b}<tool_call|>"},
      {Notation::kJson, "[1, 2]"},
      {Notation::kJson, "```json\n{\"a\": 1}\n```"},
      {Notation::kHarmony, "just text"},
  };
  for (const auto& [notation, text] : texts) {
    SCOPED_TRACE(text);
    const tests::ReadAnswer answer = read(notation, text);
    EXPECT_EQ(answer.content, text);
    EXPECT_TRUE(answer.calls.empty());
  }
}

TEST(AnswerParser, AfterACallThatIsNoneTheNextIsRead) {
  const tests::ReadAnswer answer = read(
      Notation::kHermes, R"(<tool_call>{oops</tool_call><tool_call>{"name": "now"}</tool_call>)");
  EXPECT_EQ(answer.content, "<tool_call>{oops</tool_call>");
  expect_calls(answer, {kNow});
}

TEST(AnswerParser, ArgumentsStreamBeforeTheCallEnds) {
  AnswerParser parser(options(Notation::kHermes));
  EXPECT_TRUE(parser.read(R"(<tool_call>{"name": "weather", "argum)").empty());
  const AnswerDelta begun = parser.read(R"(ents": {"city": "Os)");
  ASSERT_EQ(begun.calls.size(), 1U);
  EXPECT_EQ(begun.calls[0].name, "weather");
  EXPECT_EQ(begun.calls[0].arguments, R"({"city": "Os)");
  const AnswerDelta more = parser.read("lo");
  ASSERT_EQ(more.calls.size(), 1U);
  EXPECT_EQ(more.calls[0].arguments, "lo");
  EXPECT_TRUE(more.calls[0].id.empty());
  EXPECT_EQ(parser.calls(), 1);
}

TEST(AnswerParser, ACallThatTheEndCutsStaysACall) {
  const tests::ReadAnswer answer =
      read(Notation::kHermes, R"(<tool_call>{"name": "weather", "arguments": {"city": "Os)");
  ASSERT_EQ(answer.calls.size(), 1U);
  EXPECT_EQ(answer.calls[0].arguments, R"({"city": "Os)");
  EXPECT_EQ(answer.content, "");
}

TEST(AnswerParser, WhatBreaksOffWithinArgumentsGoesOnAsContent) {
  const tests::ReadAnswer answer =
      read(Notation::kMistral, R"([TOOL_CALLS]weather[ARGS]{"city" oops)");
  ASSERT_EQ(answer.calls.size(), 1U);
  EXPECT_EQ(answer.calls[0].arguments, R"({"city" )");
  EXPECT_EQ(answer.content, "oops");
}

TEST(AnswerParser, OnlyWhatMayBecomeAMarkerIsHeldBack) {
  AnswerParser parser(options(Notation::kHermes));
  EXPECT_EQ(parser.read("Hello <tool").content, "Hello");
  EXPECT_EQ(parser.read("box> now").content, " <toolbox> now");
  EXPECT_EQ(parser.read("here ").content, "here");
  EXPECT_EQ(parser.finish().content, " ");
}

TEST(AnswerParser, ReasoningIsToldApart) {
  const tests::ReadAnswer answer =
      read(Notation::kHermes, "\n<think>\nLet me\n see.\n</think>\n\nIt is <think>4</think>.");
  EXPECT_EQ(answer.reasoning, "Let me\n see.");
  EXPECT_EQ(answer.content, "It is <think>4</think>.");
}

TEST(AnswerParser, ReasoningMayBeginInThePrompt) {
  const tests::ReadAnswer answer =
      tests::read_answer({.style = {.tools = Notation::kHermes},
                          .tools = kTools,
                          .prompt_end = "assistant\n<think>\n"},
                         "Hm.</think><tool_call>{\"name\": \"now\"}</tool_call>");
  EXPECT_EQ(answer.reasoning, "Hm.");
  EXPECT_EQ(answer.content, "");
  expect_calls(answer, {kNow});
  const tests::ReadAnswer cut = tests::read_answer({.prompt_end = "<think>"}, "Hm, </thin");
  EXPECT_EQ(cut.reasoning, "Hm, </thin");
}

TEST(AnswerParser, BareCallsMayFollowReasoning) {
  const tests::ReadAnswer answer =
      read(Notation::kLlama, "<think>Hm.</think>\n{\"name\": \"now\"}");
  EXPECT_EQ(answer.reasoning, "Hm.");
  expect_calls(answer, {kNow});
}

TEST(AnswerParser, OtherModelsMarkReasoningOtherwise) {
  const AnswerStyle gemma = answer_style("<|tool_call> <|channel>thought");
  const tests::ReadAnswer first =
      tests::read_answer({.style = gemma}, "<|channel>thought\nHm.\n<channel|>The answer.");
  EXPECT_EQ(first.reasoning, "Hm.");
  EXPECT_EQ(first.content, "The answer.");
  const AnswerStyle cohere = answer_style("<|START_ACTION|> <|START_THINKING|>");
  const tests::ReadAnswer second = tests::read_answer(
      {.style = cohere},
      "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>Yes.<|END_RESPONSE|>");
  EXPECT_EQ(second.reasoning, "Hm.");
  EXPECT_EQ(second.content, "Yes.");
}

TEST(AnswerParser, HarmonyHasChannels) {
  const tests::ReadAnswer answer = read(
      Notation::kHarmony,
      "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>"
      "I ask.<|end|><|start|>assistant to=functions.weather<|channel|>commentary json<|message|>"
      "{\"city\": \"Oslo\"}<|call|>");
  EXPECT_EQ(answer.reasoning, "Hm.");
  EXPECT_EQ(answer.content, "I ask.");
  expect_calls(answer, {kOslo});
  const tests::ReadAnswer final =
      read(Notation::kHarmony, "<|channel|>final<|message|>4<|return|>");
  EXPECT_EQ(final.content, "4");
}

TEST(AnswerParser, HarmonyCallsOfOthersAreContent) {
  const tests::ReadAnswer answer =
      read(Notation::kHarmony, "<|channel|>commentary to=python<|message|>1+1<|call|>");
  EXPECT_EQ(answer.content, "<|channel|>commentary to=python<|message|>1+1");
  EXPECT_TRUE(answer.calls.empty());
}

TEST(AnswerParser, HarmonyHeadersHaveABound) {
  const std::string text = "<|channel|>" + std::string(600, 'a') + "<|message|>";
  EXPECT_EQ(tests::read_pieces(options(Notation::kHarmony), {text}).content, text);
  const std::string second = "<|end|><|star[|><|channel|>final<|message|>4";
  EXPECT_EQ(read(Notation::kHarmony, second).content, "<|star[|>4");
}

TEST(AnswerParser, TextsOfSpecialTokensAreTakenOut) {
  ParserOptions given = options(Notation::kHermes);
  given.special = std::make_shared<const MarkerSet>(
      std::vector<std::string>{"<|im_end|>", "<|im_start|>", "<tool_call>", "用户"});
  const tests::ReadAnswer answer = tests::read_answer(
      given, "a<|im_end|>b用户c <|im_<tool_call>{\"name\": \"now\"}</tool_call><|im_end|>");
  EXPECT_EQ(answer.content, "abc <|im_");
  expect_calls(answer, {kNow});
}

TEST(AnswerParser, FunctionaryBeginsInThePrompt) {
  ParserOptions given = options(Notation::kFunctionary);
  given.prompt_end = "<|end_header_id|>\n\n>>>";
  expect_calls(tests::read_answer(given, "weather\n{\"city\": \"Oslo\"}"), {kOslo});
  EXPECT_EQ(tests::read_answer(given, "all\nHello").content, "Hello");
  EXPECT_EQ(tests::read_answer(given, "Hello").content, "Hello");
  given.tools.clear();
  EXPECT_EQ(tests::read_answer(given, "all\nHello").content, "Hello");
}

TEST(AnswerParser, IdentifiersAreMadeAsTemplatesWantThem) {
  const tests::ReadAnswer hermes =
      read(Notation::kHermes, R"(<tool_call>{"name": "now"}</tool_call>)");
  ASSERT_EQ(hermes.calls.size(), 1U);
  EXPECT_EQ(hermes.calls[0].id.size(), 29U);
  EXPECT_EQ(hermes.calls[0].id.substr(0, 5), "call_");
  const tests::ReadAnswer mistral = read(Notation::kMistral, "[TOOL_CALLS]now[ARGS]{}");
  ASSERT_EQ(mistral.calls.size(), 1U);
  EXPECT_EQ(mistral.calls[0].id.size(), 9U);
  AnswerParser first(options(Notation::kMistral)), second(options(Notation::kMistral));
  EXPECT_NE(first.read("[TOOL_CALLS]now[ARGS]{}").calls[0].id,
            second.read("[TOOL_CALLS]now[ARGS]{}").calls[0].id);
}

TEST(AnswerParser, DeepNestingIsNoCall) {
  const std::string deep(1000, '[');
  const std::string text = R"(<tool_call>{"name": "now", "id": )" + deep;
  EXPECT_EQ(tests::read_pieces(options(Notation::kHermes), {text}).content, text);
  EXPECT_EQ(
      tests::read_pieces(options(Notation::kGemma), {"<|tool_call>call:now{a:" + deep}).content,
      "<|tool_call>call:now{a:" + deep);
}

}  // namespace
}  // namespace redknot::chat
