// SPDX-License-Identifier: Apache-2.0
#include "server/read_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace redknot::server {
namespace {

using ::testing::HasSubstr;

chat::ChatRequest read(const std::string& body) {
  Read<chat::ChatRequest> request = read_messages(body, {});
  EXPECT_TRUE(request.ok()) << (request.ok() ? "" : request.error().message);
  return request.ok() ? *request : chat::ChatRequest{};
}

// A body with one message and these further fields.
std::string with(const std::string& fields) {
  return R"({"max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}], )" + fields + "}";
}

TEST(ReadMessages, MakesTheSameRequestsAsTheOtherDialect) {
  const chat::ChatRequest request = read(R"({"model": "m", "max_tokens": 9, "stream": true,
    "temperature": 0.5, "top_p": 0.9, "top_k": 3, "stop_sequences": ["END"],
    "metadata": {"user_id": "u"},
    "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}],
    "messages": [
      {"role": "user", "content": [{"type": "text", "text": "D",
         "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "Q"}]},
      {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": ""},
         {"type": "text", "text": "A"},
         {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}}]},
      {"role": "user", "content": [{"type": "text", "text": "So?"},
         {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "R"}]},
         {"type": "tool_result", "tool_use_id": "t2"}]}],
    "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"},
               "cache_control": {"type": "ephemeral"}}],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": true}})");
  EXPECT_EQ(request.options.engine.max_tokens, 9);
  EXPECT_EQ(request.options.engine.sampling.top_k, 3);
  EXPECT_EQ(request.options.engine.stop, std::vector<std::string>{"END"});
  EXPECT_EQ(request.options.engine.reuse, Reuse::kPrefix);
  EXPECT_TRUE(request.options.stream);
  std::vector<std::string> roles;
  for (const chat::ChatMessage& message : request.messages) {
    roles.push_back(message.fields["role"].get<std::string>());
  }
  EXPECT_EQ(roles,
            (std::vector<std::string>{"system", "user", "assistant", "tool", "tool", "user"}));
  EXPECT_TRUE(request.messages[0].content[0].reusable);
  EXPECT_TRUE(request.messages[1].content[0].reusable);
  EXPECT_FALSE(request.messages[1].content[1].reusable);
  EXPECT_EQ(request.messages[2].fields["reasoning_content"], "hm");
  EXPECT_EQ(request.messages[2].fields["tool_calls"][0]["function"]["arguments"]["x"], 1);
  EXPECT_EQ(request.messages[3].fields["name"], "f");
  EXPECT_EQ(request.messages[3].content[0].text, "R");
  EXPECT_EQ(request.messages[4].content[0].text, "");
  EXPECT_EQ(request.tools[0].tool["function"]["parameters"]["type"], "object");
  EXPECT_TRUE(request.tools[0].reusable);
  EXPECT_EQ(request.tool_choice, chat::ToolChoice::kRequired);
  EXPECT_FALSE(request.parallel_tool_calls);
  EXPECT_FALSE(request.show_reasoning);
  EXPECT_EQ(request.template_variables["enable_thinking"], false);
}

TEST(ReadMessages, ALastMessageOfTheAssistantIsContinued) {
  const chat::ChatRequest request = read(R"({"max_tokens": 1, "messages": [
    {"role": "user", "content": "Q"}, {"role": "assistant", "content": "The"}]})");
  EXPECT_TRUE(request.continue_final_message);
  EXPECT_FALSE(request.add_generation_prompt);
  EXPECT_TRUE(
      read(with(R"("thinking": {"type": "enabled", "budget_tokens": 1024})")).show_reasoning);
}

struct Refused {
  std::string body;
  std::string param;
  std::string why;
};

TEST(ReadMessages, RefusesNamingTheField) {
  const auto one = [](const std::string& message) {
    return R"({"max_tokens": 1, "messages": [)" + message + "]}";
  };
  const auto block = [&](const std::string& text) {
    return one(R"({"role": "user", "content": [)" + text + "]}");
  };
  const std::string first = "messages[0].content[0]";
  const std::vector<Refused> cases = {
      {"7", "", "not a JSON object"},
      {R"({"messages": [{"role": "user", "content": "x"}]})", "max_tokens", "is required"},
      {R"({"max_tokens": 0, "messages": [{"role": "user", "content": "x"}]})", "max_tokens", "0"},
      {R"({"max_tokens": 4})", "messages", "is required"},
      {R"({"max_tokens": 4, "messages": []})", "messages", "is empty"},
      {one(R"({"role": "system", "content": "x"})"), "messages[0].role", "assistant"},
      {one(R"({"role": "user", "content": 1})"), "messages[0].content", "list of blocks"},
      {one(R"({"role": "user", "content": []})"), "messages[0].content", "is empty"},
      {block(R"({"type": "image", "source": {}})"), first + ".type", "image"},
      {block(R"({"type": "tool_use", "id": "a"})"), first + ".type", "not supported here"},
      {block(R"({"type": "text", "text": 1})"), first + ".text", "expected a string"},
      {block(R"({"text": "x"})"), first + ".type", "is required"},
      {block(R"({"type": "tool_result"})"), first + ".tool_use_id", "is required"},
      {block(R"({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image"}]})"),
       first + ".content[0].type", "image"},
      {one(R"({"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f",
                "input": "x"}]})"),
       first + ".input", "expected an object"},
      {with(R"("system": 1)"), "system", "a string"},
      {with(R"("stop_sequences": "x")"), "stop_sequences", "a list of strings"},
      {with(R"("temperature": "x")"), "temperature", "expected a number"},
      {with(R"("tools": [{"name": "f"}])"), "tools[0].input_schema", "is required"},
      {with(R"("tools": [{"type": "bash_20250124", "name": "bash"}])"), "tools[0].type",
       "bash_20250124"},
      {with(R"("tool_choice": "auto")"), "tool_choice", "expected an object"},
      {with(R"("tool_choice": {"type": "any"})"), "tool_choice.type", "there are no tools"},
      {with(R"("tool_choice": {"type": "tool", "name": "f"})"), "tool_choice.name", "none"},
      {with(R"("thinking": {"type": "maybe"})"), "thinking.type", "disabled"},
      {with(R"("redknot": {"reuse": 1})"), "redknot.reuse", "segment"},
  };
  for (const Refused& refused : cases) {
    const Read<chat::ChatRequest> request = read_messages(refused.body, {});
    ASSERT_FALSE(request.ok()) << refused.body;
    EXPECT_EQ(request.error().param, refused.param) << refused.body;
    EXPECT_THAT(request.error().message, HasSubstr(refused.why)) << refused.body;
  }
}

}  // namespace
}  // namespace redknot::server
