// SPDX-License-Identifier: Apache-2.0
#include "server/openai_writers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace redknot::server {
namespace {

const AnswerHead kHead{.id = "chatcmpl-1", .model = "m", .created = 5};

Usage usage() {
  Usage out;
  out.prompt_tokens = 10;
  out.prefix_tokens = 4;
  out.adopted_tokens = 3;
  out.new_tokens = 3;
  out.recovered_tokens = 2;
  out.built_tokens = 1;
  out.generated_tokens = 7;
  return out;
}

// The JSON of an event, which must be one.
Json event(const std::string& bytes) {
  EXPECT_EQ(bytes.substr(0, 6), "data: ");
  EXPECT_EQ(bytes.find("\n\n"), bytes.size() - 2);
  const Read<Json> json = parse_json(bytes.substr(6));
  EXPECT_TRUE(json.ok()) << bytes;
  return json.ok() ? *json : Json();
}

Json parsed(const std::string& text) {
  const Read<Json> json = parse_json(text);
  EXPECT_TRUE(json.ok()) << text;
  return json.ok() ? *json : Json();
}

chat::TokenLogprobs token(std::string text, float value) {
  return {.token = {.token = 1, .text = text, .log_probability = value},
          .top = {{.token = 1, .text = text, .log_probability = value},
                  {.token = 2, .text = "other", .log_probability = -3.0f}}};
}

TEST(ChatWriter, AWholeAnswerHasAllThatWasSaid) {
  const ChatWriter writer(kHead, /*logprobs=*/false, /*include_usage=*/false);
  WholeAnswer plain;
  plain.add({.content = "He"});
  plain.add({.content = "llo", .reasoning = "hm"});
  WholeAnswer calling;
  calling.add({.calls = {{.index = 0, .id = "c1", .name = "f", .arguments = "{\"a\""}}});
  calling.add({.calls = {{.index = 0, .arguments = ":1}"}, {.index = 1, .id = "c2", .name = "g"}}});
  calling.end = chat::AnswerEnd::kToolCalls;
  const Json json = parsed(writer.whole(std::vector<WholeAnswer>{plain, calling}, usage()));
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_EQ(json["id"], "chatcmpl-1");
  const Json& first = json["choices"][0];
  EXPECT_EQ(first["message"]["content"], "Hello");
  EXPECT_EQ(first["message"]["reasoning_content"], "hm");
  EXPECT_FALSE(first["message"].contains("tool_calls"));
  EXPECT_EQ(first["finish_reason"], "stop");
  EXPECT_TRUE(first["logprobs"].is_null());
  const Json& second = json["choices"][1];
  EXPECT_EQ(second["index"], 1);
  EXPECT_TRUE(second["message"]["content"].is_null());
  EXPECT_EQ(second["message"]["tool_calls"][0]["function"]["arguments"], "{\"a\":1}");
  EXPECT_EQ(second["message"]["tool_calls"][1]["id"], "c2");
  EXPECT_EQ(second["finish_reason"], "tool_calls");
}

TEST(ChatWriter, UsageSaysWhereTokensCameFrom) {
  const ChatWriter writer(kHead, false, true);
  const Json json = event(writer.usage_chunk(usage()));
  EXPECT_TRUE(json["choices"].empty());
  const Json& said = json["usage"];
  EXPECT_EQ(said["prompt_tokens"], 10);
  EXPECT_EQ(said["completion_tokens"], 7);
  EXPECT_EQ(said["total_tokens"], 17);
  EXPECT_EQ(said["prompt_tokens_details"]["cached_tokens"], 4);
  EXPECT_EQ(said["redknot"], (Json{{"exact_tokens", 4},
                                   {"adopted_tokens", 3},
                                   {"recovered_tokens", 2},
                                   {"new_tokens", 3},
                                   {"built_tokens", 1}}));
}

TEST(ChatWriter, AStreamSaysWhatAWholeAnswerSays) {
  const ChatWriter writer(kHead, /*logprobs=*/true, /*include_usage=*/true);
  const Json first = event(writer.first_chunk(1));
  EXPECT_EQ(first["object"], "chat.completion.chunk");
  EXPECT_EQ(first["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(first["choices"][0]["index"], 1);
  EXPECT_TRUE(first["usage"].is_null());
  const std::vector<chat::TokenLogprobs> tokens = {token("\xc3", -0.5f), token("\xa4", -HUGE_VALF)};
  const Json delta = event(writer.delta_chunk(1, {.content = "ä"}, tokens));
  EXPECT_EQ(delta["choices"][0]["delta"], (Json{{"content", "ä"}}));
  const Json& content = delta["choices"][0]["logprobs"]["content"];
  EXPECT_EQ(content[0]["bytes"], Json::array({0xc3}));
  EXPECT_EQ(content[0]["logprob"], -0.5);
  EXPECT_EQ(content[0]["top_logprobs"][1]["token"], "other");
  EXPECT_EQ(content[1]["logprob"], -9999.0);
  const Json call = event(writer.delta_chunk(
      0, {.calls = {{.index = 0, .id = "c1", .name = "f", .arguments = ""}}}, {}));
  EXPECT_EQ(call["choices"][0]["delta"]["tool_calls"][0],
            parsed(R"({"index":0,"id":"c1","type":"function",
                       "function":{"name":"f","arguments":""}})"));
  const Json more = event(writer.delta_chunk(0, {.calls = {{.index = 0, .arguments = "{}"}}}, {}));
  EXPECT_EQ(more["choices"][0]["delta"]["tool_calls"][0],
            parsed(R"({"index":0,"function":{"arguments":"{}"}})"));
  EXPECT_EQ(event(writer.end_chunk(0, chat::AnswerEnd::kLength))["choices"][0]["finish_reason"],
            "length");
  EXPECT_EQ(writer.delta_chunk(0, {}, {}), "");
  EXPECT_NE(writer.delta_chunk(0, {}, tokens), "");
}

TEST(ChatWriter, WithoutUsageNoChunkHasIt) {
  const ChatWriter writer(kHead, false, false);
  EXPECT_FALSE(event(writer.first_chunk(0)).contains("usage"));
}

TEST(CompletionWriter, OffsetsCountCharactersOverChunks) {
  CompletionWriter writer(kHead, /*logprobs=*/true, false);
  const std::vector<chat::TokenLogprobs> first = {token("ä", -1), token("bc", -1)};
  const std::vector<chat::TokenLogprobs> second = {token("d", -1)};
  EXPECT_EQ(event(writer.delta_chunk(0, "äbc", first))["choices"][0]["logprobs"]["text_offset"],
            Json::array({0, 1}));
  const Json other = event(writer.delta_chunk(1, "d", second));
  EXPECT_EQ(other["choices"][0]["logprobs"]["text_offset"], Json::array({0}));
  const Json json = event(writer.delta_chunk(0, "d", second));
  EXPECT_EQ(json["object"], "text_completion");
  EXPECT_EQ(json["choices"][0]["text"], "d");
  EXPECT_EQ(json["choices"][0]["logprobs"]["text_offset"], Json::array({3}));
  EXPECT_EQ(json["choices"][0]["logprobs"]["tokens"], Json::array({"d"}));
  EXPECT_EQ(json["choices"][0]["logprobs"]["top_logprobs"][0]["other"], -3.0);
  EXPECT_TRUE(json["choices"][0]["finish_reason"].is_null());
}

TEST(CompletionWriter, AWholeAnswerHasItsText) {
  const CompletionWriter writer(kHead, true, false);
  WholeAnswer answer;
  answer.add({.content = "abc"});
  answer.logprobs = {token("abc", -1)};
  const Json json = parsed(writer.whole(std::vector<WholeAnswer>{answer}, usage()));
  EXPECT_EQ(json["choices"][0]["text"], "abc");
  EXPECT_EQ(json["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(json["choices"][0]["logprobs"]["tokens"][0], "abc");
  EXPECT_EQ(json["usage"]["total_tokens"], 17);
}

TEST(AnswerEnd, IsWhatTheLastPieceSays) {
  EXPECT_EQ(chat::answer_end({.finish = FinishReason::kLength}, true), chat::AnswerEnd::kLength);
  EXPECT_EQ(chat::answer_end({.finish = FinishReason::kStop, .stopped_by = "x"}, false),
            chat::AnswerEnd::kStopSequence);
  EXPECT_EQ(chat::answer_end({.finish = FinishReason::kStop}, true), chat::AnswerEnd::kToolCalls);
  EXPECT_EQ(chat::answer_end({.finish = FinishReason::kStop}, false), chat::AnswerEnd::kStop);
}

TEST(Usage, APromptOfSeveralAnswersIsCountedOnce) {
  const std::vector<Usage> two = {usage(), usage()};
  EXPECT_EQ(combined_usage(two).prompt_tokens, 10);
  EXPECT_EQ(combined_usage(two).generated_tokens, 14);
  EXPECT_EQ(summed_usage(two).prompt_tokens, 20);
  EXPECT_EQ(combined_usage({}).prompt_tokens, 0);
}

}  // namespace
}  // namespace redknot::server
