// SPDX-License-Identifier: Apache-2.0
#include "server/messages_writer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace redknot::server {
namespace {

const AnswerHead kHead{.id = "msg_1", .model = "m"};

Usage usage() {
  Usage out;
  out.prompt_tokens = 10;
  out.prefix_tokens = 4;
  out.generated_tokens = 3;
  return out;
}

// The events of a stream, whose names must be their types.
std::vector<Json> events(const std::string& bytes) {
  std::vector<Json> out;
  for (std::size_t begin = 0; begin < bytes.size();) {
    const std::size_t end = bytes.find("\n\n", begin);
    EXPECT_NE(end, bytes.npos);
    const std::string one = bytes.substr(begin, end - begin);
    const std::size_t line = one.find("\ndata: ");
    const Read<Json> json = parse_json(one.substr(line + 7));
    EXPECT_TRUE(json.ok()) << one;
    if (!json.ok()) return out;
    EXPECT_EQ(one.substr(0, line), "event: " + (*json)["type"].get<std::string>());
    out.push_back(*json);
    begin = end + 2;
  }
  return out;
}

std::vector<std::string> types(const std::string& bytes) {
  std::vector<std::string> out;
  for (const Json& json : events(bytes)) out.push_back(json["type"].get<std::string>());
  return out;
}

TEST(MessagesWriter, AWholeAnswerHasItsBlocks) {
  const MessagesWriter writer(kHead, /*show_reasoning=*/true);
  WholeAnswer answer;
  answer.add({.content = "text", .reasoning = "hm"});
  answer.add({.calls = {{.index = 0, .id = "t1", .name = "f", .arguments = "{\"a\":1}"}}});
  answer.end = chat::AnswerEnd::kToolCalls;
  const Read<Json> read = parse_json(writer.whole(answer, usage()));
  ASSERT_TRUE(read.ok());
  const Json& json = *read;
  EXPECT_EQ(json["type"], "message");
  EXPECT_EQ(json["role"], "assistant");
  ASSERT_EQ(json["content"].size(), 3u);
  EXPECT_EQ(json["content"][0]["thinking"], "hm");
  EXPECT_EQ(json["content"][1]["text"], "text");
  EXPECT_EQ(json["content"][2]["input"]["a"], 1);
  EXPECT_EQ(json["stop_reason"], "tool_use");
  EXPECT_TRUE(json["stop_sequence"].is_null());
  EXPECT_EQ(json["usage"]["input_tokens"], 6);
  EXPECT_EQ(json["usage"]["cache_read_input_tokens"], 4);
  EXPECT_EQ(json["usage"]["output_tokens"], 3);
}

TEST(MessagesWriter, ReasoningIsLeftOutUnlessAskedFor) {
  MessagesWriter writer(kHead, /*show_reasoning=*/false);
  EXPECT_EQ(writer.delta({.reasoning = "hm"}), "");
  EXPECT_EQ(types(writer.delta({.content = "a", .reasoning = "hm"})),
            (std::vector<std::string>{"content_block_start", "content_block_delta"}));
}

TEST(MessagesWriter, BlocksOpenAndCloseAsWhatIsSaidChanges) {
  MessagesWriter writer(kHead, true);
  std::string bytes = writer.begin(usage());
  bytes += writer.delta({.reasoning = "hm"});
  bytes += writer.delta({.content = "a"});
  bytes += MessagesWriter::ping();
  bytes += writer.delta({.content = "b"});
  bytes += writer.delta({.calls = {{.index = 0, .id = "t0", .name = "f", .arguments = "{"}}});
  bytes += writer.delta(
      {.calls = {{.index = 0, .arguments = "}"}, {.index = 1, .id = "t1", .name = "g"}}});
  bytes += writer.end(chat::AnswerEnd::kStopSequence, "END", usage());
  EXPECT_EQ(types(bytes), (std::vector<std::string>{
                              "message_start", "content_block_start", "content_block_delta",
                              "content_block_delta", "content_block_stop", "content_block_start",
                              "content_block_delta", "ping", "content_block_delta",
                              "content_block_stop", "content_block_start", "content_block_delta",
                              "content_block_delta", "content_block_stop", "content_block_start",
                              "content_block_stop", "message_delta", "message_stop"}));
  const std::vector<Json> all = events(bytes);
  EXPECT_EQ(all[0]["message"]["usage"]["input_tokens"], 6);
  EXPECT_EQ(all[1]["content_block"]["type"], "thinking");
  EXPECT_EQ(all[3]["delta"]["type"], "signature_delta");
  EXPECT_EQ(all[6]["delta"]["text"], "a");
  EXPECT_EQ(all[6]["index"], 1);
  EXPECT_EQ(all[10]["content_block"]["name"], "f");
  EXPECT_EQ(all[11]["delta"]["partial_json"], "{");
  EXPECT_EQ(all[14]["index"], 3);
  EXPECT_EQ(all[16]["delta"]["stop_reason"], "stop_sequence");
  EXPECT_EQ(all[16]["delta"]["stop_sequence"], "END");
  EXPECT_EQ(all[16]["usage"]["output_tokens"], 3);
}

TEST(MessagesWriter, AnAnswerOfNothingIsAMessageWithoutBlocks) {
  MessagesWriter writer(kHead, true);
  EXPECT_EQ(types(writer.begin({}) + writer.end(chat::AnswerEnd::kLength, "", {})),
            (std::vector<std::string>{"message_start", "message_delta", "message_stop"}));
  EXPECT_EQ(types(MessagesWriter::error({.message = "no"}, "id")),
            std::vector<std::string>{"error"});
}

}  // namespace
}  // namespace redknot::server
