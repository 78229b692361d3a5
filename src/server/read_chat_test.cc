// SPDX-License-Identifier: Apache-2.0
#include "server/read_chat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "server/api_error.h"

namespace redknot::server {
namespace {

using ::testing::HasSubstr;

ReadContext context() {
  ReadContext out;
  out.random_seed = 77;
  out.find_segment = [](const std::string& id) -> std::optional<std::string> {
    if (id == "seg_1") return "a preloaded text";
    return {};
  };
  return out;
}

// A body with one message and these further fields.
std::string with(const std::string& fields) {
  return std::string(R"({"messages": [{"role": "user", "content": "Hi"}])") +
         (fields.empty() ? "" : ", ") + fields + "}";
}

chat::ChatRequest read(const std::string& body) {
  Read<chat::ChatRequest> request = read_chat(body, context());
  EXPECT_TRUE(request.ok()) << (request.ok() ? "" : request.error().message);
  return request.ok() ? *request : chat::ChatRequest{};
}

TEST(ReadChat, DefaultsAreOpenAis) {
  const chat::ChatRequest request = read(with(""));
  const Request& engine = request.options.engine;
  EXPECT_EQ(engine.sampling.temperature, 1.0f);
  EXPECT_EQ(engine.sampling.top_p, 1.0f);
  EXPECT_EQ(engine.sampling.top_k, 0);
  EXPECT_EQ(engine.sampling.min_p, 0.0f);
  EXPECT_EQ(engine.sampling.seed, 77u);
  EXPECT_EQ(engine.sampling.log_probabilities, -1);
  EXPECT_EQ(engine.max_tokens, -1);
  EXPECT_EQ(engine.reuse, Reuse::kPrefix);
  EXPECT_EQ(request.options.answers, 1);
  EXPECT_FALSE(request.options.stream);
  EXPECT_EQ(request.tool_choice, chat::ToolChoice::kAuto);
  EXPECT_TRUE(request.add_generation_prompt);
}

TEST(ReadChat, ReadsEveryNumber) {
  const chat::ChatRequest request = read(with(R"("model": "m", "temperature": 0, "top_p": 0.5,
      "top_k": 7, "min_p": 0.1, "repetition_penalty": 1.1, "frequency_penalty": -2,
      "presence_penalty": 2, "seed": -1, "n": 3, "stream": true,
      "stream_options": {"include_usage": true}, "stop": ["a", "b"], "ignore_eos": true,
      "max_completion_tokens": 9, "max_tokens": 5, "logprobs": true, "top_logprobs": 4,
      "logit_bias": {"12": -100, "7": 1.5}, "user": "me", "unknown": {"x": []}, "priority": -3)"));
  const Sampling& s = request.options.engine.sampling;
  EXPECT_EQ(request.options.model, "m");
  EXPECT_EQ(s.temperature, 0.0f);
  EXPECT_EQ(s.top_p, 0.5f);
  EXPECT_EQ(s.top_k, 7);
  EXPECT_EQ(s.min_p, 0.1f);
  EXPECT_EQ(s.repetition_penalty, 1.1f);
  EXPECT_EQ(s.frequency_penalty, -2.0f);
  EXPECT_EQ(s.presence_penalty, 2.0f);
  EXPECT_EQ(s.seed, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(s.log_probabilities, 4);
  EXPECT_EQ(s.logit_bias, (std::vector<std::pair<int, float>>{{12, -100.0f}, {7, 1.5f}}));
  EXPECT_EQ(request.options.answers, 3);
  EXPECT_TRUE(request.options.stream && request.options.include_usage && request.logprobs);
  EXPECT_EQ(request.options.engine.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(request.options.engine.ignore_end);
  EXPECT_EQ(request.options.engine.max_tokens, 9);
  EXPECT_EQ(request.options.engine.priority, -3);
}

TEST(ReadChat, ReadsMessagesOfAllRoles) {
  const chat::ChatRequest request = read(R"({"messages": [
    {"role": "developer", "content": [{"type": "text", "text": "Be "},
                                        {"type": "text", "text": "brief"}]},
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function",
      "function": {"name": "weather", "arguments": "{\"city\": \"Ulm\"}"}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "rain"}]})");
  ASSERT_EQ(request.messages.size(), 4u);
  EXPECT_EQ(request.messages[0].content.size(), 2u);
  EXPECT_EQ(request.messages[0].content[1].path, "messages[0].content[1].text");
  EXPECT_TRUE(request.messages[2].content.empty());
  const Json& call = request.messages[2].fields["tool_calls"][0];
  EXPECT_EQ(call["function"]["arguments"]["city"], "Ulm");
  EXPECT_EQ(request.messages[3].fields["name"], "weather");
}

TEST(ReadChat, CachedPartsDocumentsAndSegmentsAreReusable) {
  const chat::ChatRequest request = read(R"({"messages": [
    {"role": "system", "content": [{"type": "text", "text": "S",
                                    "cache_control": {"type": "ephemeral"}}]},
    {"role": "user", "content": [{"type": "segment", "id": "seg_1"},
      {"type": "text", "text": "Q", "cache_control": {"type": "ephemeral"}}]}],
    "documents": ["one", {"title": "T", "contents": "two"}, {"type": "segment", "id": "seg_1"}]})");
  EXPECT_TRUE(request.messages[0].content[0].reusable);
  EXPECT_TRUE(request.messages[1].content[0].reusable);
  EXPECT_EQ(request.messages[1].content[0].text, "a preloaded text");
  EXPECT_FALSE(request.messages[1].content[1].reusable) << "the question";
  ASSERT_EQ(request.documents.size(), 3u);
  EXPECT_EQ(request.documents[1].text.text, "two");
  EXPECT_EQ(request.documents[1].fields, (Json{{"title", "T"}}));
  EXPECT_EQ(request.documents[2].text.text, "a preloaded text");
  EXPECT_EQ(request.options.engine.reuse, Reuse::kSegment);
  EXPECT_EQ(request.options.engine.canonical_context, CanonicalContext::kBare);
}

TEST(ReadChat, RequestsSayHowToReuse) {
  const Request engine = read(with(R"("documents": ["d"], "redknot": {"reuse": "prefix",
      "recovery": "boundary", "ratio": 0.25, "canonical_context": "bare", "priority": 4})"))
                             .options.engine;
  EXPECT_EQ(engine.reuse, Reuse::kPrefix);
  EXPECT_EQ(engine.recovery.policy, RecoveryPolicy::kBoundary);
  EXPECT_EQ(engine.recovery.ratio, 0.25);
  EXPECT_EQ(engine.canonical_context, CanonicalContext::kBare);
  EXPECT_EQ(engine.priority, 4);
  const Request elastic =
      read(with(R"("redknot": {"recovery": "elastic", "ratio": 0.75})")).options.engine;
  EXPECT_EQ(elastic.recovery.elastic.mass, 0.75);
  EXPECT_FALSE(elastic.recovery.ratio);
  EXPECT_EQ(read(with(R"("documents": ["d"])")).options.engine.reuse, Reuse::kPrefix);
  ReadContext segments = context();
  segments.reuse = Reuse::kSegment;
  EXPECT_EQ(read_chat(with(R"("documents": ["d"])"), segments)->options.engine.reuse,
            Reuse::kSegment);
}

TEST(ReadChat, ReadsToolsAndFormats) {
  const std::string tools = R"("tools": [{"type": "function", "function": {"name": "f",
      "parameters": {"type": "object"}}, "cache_control": {"type": "ephemeral"}},
      {"type": "function", "function": {"name": "g"}}])";
  const chat::ChatRequest named =
      read(with(tools + R"(, "tool_choice": {"type": "function", "function": {"name": "g"}},
                            "parallel_tool_calls": false)"));
  EXPECT_EQ(named.tool_choice, chat::ToolChoice::kNamed);
  EXPECT_EQ(named.tool_name, "g");
  EXPECT_FALSE(named.parallel_tool_calls);
  EXPECT_TRUE(named.tools[0].reusable);
  EXPECT_FALSE(named.tools[0].tool.contains("cache_control"));
  EXPECT_FALSE(named.tools[1].reusable);
  EXPECT_EQ(read(with(tools + R"(, "tool_choice": "none")")).tool_choice, chat::ToolChoice::kNone);
  EXPECT_EQ(read(with(tools + R"(, "tool_choice": "required")")).tool_choice,
            chat::ToolChoice::kRequired);
  const chat::ChatRequest format = read(with(
      R"("response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": true,
         "schema": {"type": "object"}}})"));
  EXPECT_EQ(format.response_format, chat::ResponseFormat::kJsonSchema);
  EXPECT_EQ(format.schema, (Json{{"type", "object"}}));
  EXPECT_EQ(read(with(R"("response_format": {"type": "json_object"})")).response_format,
            chat::ResponseFormat::kJsonObject);
}

TEST(ReadChat, ReadsWhatTemplatesAreTold) {
  const chat::ChatRequest request = read(with(
      R"("chat_template_kwargs": {"enable_thinking": false}, "reasoning_effort": "low",
         "continue_final_message": true)"));
  EXPECT_EQ(request.template_variables["enable_thinking"], false);
  EXPECT_EQ(request.template_variables["reasoning_effort"], "low");
  EXPECT_TRUE(request.continue_final_message);
  EXPECT_FALSE(request.add_generation_prompt);
}

struct Refused {
  std::string body;
  std::string param;
  std::string why;  // in the message
};

std::vector<Refused> refused_fields() {
  std::string stops = R"("stop": [)";
  for (int i = 0; i < 17; ++i) stops += R"("s",)";
  stops.back() = ']';
  return {
      {with(R"("temperature": "hot")"), "temperature", "expected a number, got a string"},
      {with(R"("temperature": 2.5)"), "temperature", "2.5 is not from 0 to 2"},
      {with(R"("temperature": -1)"), "temperature", "-1 is not"},
      {with(R"("top_p": 1.5)"), "top_p", "1.5"},
      {with(R"("top_k": 1.5)"), "top_k", "expected an integer"},
      {with(R"("min_p": true)"), "min_p", "true or false"},
      {with(R"("repetition_penalty": 0)"), "repetition_penalty", "0"},
      {with(R"("frequency_penalty": -3)"), "frequency_penalty", "-3"},
      {with(R"("presence_penalty": 3)"), "presence_penalty", "3"},
      {with(R"("seed": 1.5)"), "seed", "integer"},
      {with(R"("n": 0)"), "n", "0 is not in 1..128"},
      {with(R"("n": 99999999999999999999)"), "n", "is not in"},
      {with(R"("stream": 1)"), "stream", "expected true or false"},
      {with(R"("stream_options": [])"), "stream_options", "expected an object"},
      {with(R"("stream_options": {"include_usage": "yes"})"), "stream_options.include_usage", ""},
      {with(R"("stop": 5)"), "stop", "a string or a list of strings"},
      {with(R"("stop": ["a", ""])"), "stop[1]", "is empty"},
      {with(R"("stop": ["a", 2])"), "stop[1]", "expected a string"},
      {with(stops), "stop", "17 elements, more than 16"},
      {with(R"("logit_bias": {"x": 1})"), "logit_bias", "\"x\" is not the id of a token"},
      {with(R"("logit_bias": {"5": 101})"), "logit_bias.5", "101"},
      {with(R"("logit_bias": [1])"), "logit_bias", "expected an object"},
      {with(R"("max_tokens": 0)"), "max_tokens", "0 is not in 1.."},
      {with(R"("max_tokens": -1)"), "max_tokens", "-1"},
      {with(R"("max_completion_tokens": "9")"), "max_completion_tokens", "expected an integer"},
      {with(R"("logprobs": 3)"), "logprobs", "expected true or false"},
      {with(R"("top_logprobs": 2)"), "top_logprobs", "needs logprobs"},
      {with(R"("logprobs": true, "top_logprobs": 21)"), "top_logprobs", "0..20"},
      {with(R"("model": 7)"), "model", "expected a string"},
      {with(R"("redknot": {"reuse": "all"})"), "redknot.reuse", "one of \"none\""},
      {with(R"("redknot": {"recovery": "x"})"), "redknot.recovery", "knot"},
      {with(R"("redknot": {"ratio": 2})"), "redknot.ratio", "2 is not"},
      {with(R"("redknot": {"recovery": "none", "ratio": 0.1})"), "redknot.ratio", "nothing"},
      {with(R"("redknot": 1)"), "redknot", "expected an object"},
      {with(R"("redknot": {"priority": 1e9})"), "redknot.priority", "is not in"},
      {with(R"("documents": "one")"), "documents", "expected a list"},
      {with(R"("documents": [1])"), "documents[0]", "a string or an object"},
      {with(R"("documents": [{"title": "t"}])"), "documents[0].text", "is required"},
      {with(R"("documents": [{"text": 4}])"), "documents[0].text", "expected a string"},
      {with(R"("documents": [{"type": "segment", "id": "seg_2"}])"), "documents[0].id",
       "no segment \"seg_2\""},
      {with(R"("tools": {})"), "tools", "expected a list"},
      {with(R"("tools": [{"type": "web_search"}])"), "tools[0].type", "function"},
      {with(R"("tools": [{"type": "function"}])"), "tools[0].function", "is required"},
      {with(R"("tools": [{"type": "function", "function": {"name": ""}}])"),
       "tools[0].function.name", "is empty"},
      {with(R"("tools": [{"type": "function", "function": {"name": "f", "parameters": 1}}])"),
       "tools[0].function.parameters", "expected an object"},
      {with(R"("tool_choice": "required")"), "tool_choice", "there are no tools"},
      {with(R"("tool_choice": "any")"), "tool_choice", "one of"},
      {with(R"("tool_choice": {"type": "function", "function": {"name": "f"}})"),
       "tool_choice.function.name", "is none of the tools"},
      {with(R"("functions": [])"), "functions", "use tools"},
      {with(R"("response_format": {"type": "xml"})"), "response_format.type", "json_schema"},
      {with(R"("response_format": {"type": "json_schema"})"), "response_format.json_schema",
       "is required"},
      {with(R"("response_format": {"type": "json_schema", "json_schema": {"schema": 1}})"),
       "response_format.json_schema.schema", "expected an object"},
      {with(R"("chat_template_kwargs": {"messages": []})"), "chat_template_kwargs.messages", ""},
      {with(R"("continue_final_message": true, "add_generation_prompt": true)"),
       "continue_final_message", "add_generation_prompt"},
  };
}

std::vector<Refused> refused_messages() {
  const auto one = [](const std::string& message) { return R"({"messages": [)" + message + "]}"; };
  return {
      {"[]", "", "not a JSON object"},
      {"{}", "messages", "is required"},
      {R"({"messages": "hi"})", "messages", "expected a list"},
      {R"({"messages": []})", "messages", "is empty"},
      {one("1"), "messages[0]", "expected an object"},
      {one(R"({"content": "x"})"), "messages[0].role", "is required"},
      {one(R"({"role": "king", "content": "x"})"), "messages[0].role", "unknown role"},
      {one(R"({"role": 1, "content": "x"})"), "messages[0].role", "expected a string"},
      {one(R"({"role": "user"})"), "messages[0].content", "is required"},
      {one(R"({"role": "user", "content": 5})"), "messages[0].content", "a list of parts"},
      {one(R"({"role": "user", "content": [{"text": "x"}]})"), "messages[0].content[0].type",
       "is required"},
      {one(R"({"role": "user", "content": [{"type": "text", "text": 3}]})"),
       "messages[0].content[0].text", "expected a string"},
      {one(R"({"role": "user", "content": [{"type": "image_url"}]})"),
       "messages[0].content[0].type", "image_url"},
      {one(R"({"role": "user", "content": [{"type": "text", "text": "x", "cache_control": 1}]})"),
       "messages[0].content[0].cache_control", "expected an object"},
      {one(R"({"role": "user", "content": [{"type": "text", "text": "x",
                "cache_control": {"type": "forever"}}]})"),
       "messages[0].content[0].cache_control.type", "ephemeral"},
      {one(R"({"role": "user", "content": [{"type": "segment", "id": "seg_9"}]})"),
       "messages[0].content[0].id", "no segment"},
      {one(R"({"role": "user", "content": "x", "tool_calls": [{"function": {"name": "f"}}]})"),
       "messages[0].tool_calls", "makes no calls"},
      {one(R"({"role": "assistant", "tool_calls": [{"function": {}}]})"),
       "messages[0].tool_calls[0].function.name", "is required"},
      {one(R"({"role": "assistant", "tool_calls": [{"function": {"name": "f",
                "arguments": "[1"}}]})"),
       "messages[0].tool_calls[0].function.arguments", "the JSON text of an object"},
      {one(R"({"role": "tool", "content": "x", "tool_call_id": 4})"), "messages[0].tool_call_id",
       "expected a string"},
  };
}

TEST(ReadChat, RefusesNamingTheField) {
  std::vector<Refused> cases = refused_fields();
  for (Refused& refused : refused_messages()) cases.push_back(std::move(refused));
  for (const Refused& refused : cases) {
    const Read<chat::ChatRequest> request = read_chat(refused.body, context());
    ASSERT_FALSE(request.ok()) << refused.body;
    EXPECT_EQ(api_error(request.error()).status, 400);
    EXPECT_EQ(request.error().param, refused.param) << refused.body;
    EXPECT_THAT(request.error().message, HasSubstr(refused.why)) << refused.body;
    EXPECT_THAT(request.error().message, HasSubstr(refused.param)) << refused.body;
  }
}

}  // namespace
}  // namespace redknot::server
