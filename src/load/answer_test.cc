// SPDX-License-Identifier: Apache-2.0
#include "load/answer.h"

#include <gtest/gtest.h>

#include "load/address.h"

namespace redknot::load {
namespace {

std::string chat(const std::string& delta) { return "{\"choices\": [{\"delta\": " + delta + "}]}"; }

TEST(LoadAnswer, CountsTextOnlyEventsAndTakesUsage) {
  AnswerReader reader;
  reader.take(chat("{\"role\": \"assistant\", \"content\": \"\"}"), 1);
  reader.take(chat("{\"content\": \"Hel\"}"), 2);
  reader.take(chat("{\"reasoning_content\": \"lo\"}"), 3);
  reader.take("{\"choices\": [{\"delta\": {}, \"finish_reason\": \"stop\"}]}", 4);
  reader.take(
      "{\"choices\": [], \"usage\": {\"prompt_tokens\": 9, \"completion_tokens\": 2,"
      "\"prompt_tokens_details\": {\"cached_tokens\": 4}, \"redknot\": {\"exact_tokens\": 4,"
      "\"adopted_tokens\": 3, \"recovered_tokens\": 2, \"new_tokens\": 1}}}",
      5);
  EXPECT_FALSE(reader.done());
  reader.take("[DONE]", 6);
  EXPECT_TRUE(reader.done());
  const Answer answer = reader.finish(7);
  EXPECT_TRUE(answer.ok()) << answer.failure;
  EXPECT_EQ(answer.text, "Hello");
  EXPECT_EQ(answer.finish_reason, "stop");
  ASSERT_EQ(answer.events.size(), 2u);
  EXPECT_EQ(answer.events[0].at_s, 2);
  EXPECT_EQ(answer.events[0].text_end, 3u);
  EXPECT_EQ(answer.prompt_tokens, 9);
  EXPECT_EQ(answer.output_tokens, 2);
  EXPECT_EQ(answer.cached_tokens, 4);
  EXPECT_TRUE(answer.has_reuse);
  EXPECT_EQ(answer.reuse.adopted_tokens, 3);
  EXPECT_EQ(answer.mean_itl_s(), 1);
}

TEST(LoadAnswer, ReadsCompletionsAndCountsWithoutUsage) {
  AnswerReader reader;
  reader.take("{\"choices\": [{\"text\": \"a\"}]}", 1);
  reader.take("{\"choices\": [{\"text\": \"b\", \"finish_reason\": \"length\"}]}", 2);
  reader.take("[DONE]", 2);
  const Answer answer = reader.finish(2);
  EXPECT_EQ(answer.text, "ab");
  EXPECT_EQ(answer.output_tokens, 2);
  EXPECT_FALSE(answer.has_usage);
}

TEST(LoadAnswer, RunningUsageSaysHowManyTokensAnEventHas) {
  AnswerReader reader;
  const auto chunk = [](const char* text, int tokens) {
    return "{\"choices\": [{\"delta\": {\"content\": \"" + std::string(text) +
           "\"}}], \"usage\": {\"completion_tokens\": " + std::to_string(tokens) + "}}";
  };
  reader.take(chunk("a", 1), 1);
  reader.take(chunk("bcd", 4), 2);
  reader.take("[DONE]", 2);
  const Answer answer = reader.finish(2);
  EXPECT_EQ(answer.events[0].tokens, 1);
  EXPECT_EQ(answer.events[1].tokens, 3);
}

TEST(LoadAnswer, TokensThatOnlyTheEndCountsGoToTheFullestEvents) {
  std::vector<AnswerEvent> events = {{.text_end = 2}, {.text_end = 22}, {.text_end = 27}};
  spread_tokens(events, 6);
  EXPECT_EQ(events[0].tokens, 1);
  EXPECT_EQ(events[1].tokens, 4);
  EXPECT_EQ(events[2].tokens, 1);
  spread_tokens(events, 2);  // less than there are: as it was
  EXPECT_EQ(events[1].tokens, 4);
  spread_tokens(events, 2'000'000'000);  // nonsense is bounded
  EXPECT_LT(events[1].tokens, 1000);
}

TEST(LoadAnswer, FailuresAreNamed) {
  const auto failure = [](const char* data) {
    AnswerReader reader;
    if (*data != '\0') reader.take(data, 1);
    return reader.finish(1).failure;
  };
  EXPECT_EQ(failure(""), "cut short");
  EXPECT_EQ(failure("not json"), "malformed stream");
  EXPECT_EQ(failure("[1]"), "malformed stream");
  EXPECT_EQ(failure("{\"error\": {\"message\": \"no\"}}"), "error in stream");
  EXPECT_EQ(failure("{\"choices\": 5}"), "cut short");
}

TEST(LoadAnswer, AnEmptyAnswerIsOne) {
  AnswerReader reader;
  reader.take("[DONE]", 1);
  const Answer answer = reader.finish(2);
  EXPECT_TRUE(answer.ok());
  EXPECT_EQ(answer.output_tokens, 0);
  EXPECT_EQ(answer.ttft_s(), 2);
}

TEST(LoadAnswer, NonsenseInUsageIsNoCount) {
  AnswerReader reader;
  reader.take(
      "{\"usage\": {\"prompt_tokens\": -5, \"completion_tokens\": 1e99, \"redknot\": 3,"
      "\"prompt_tokens_details\": {\"cached_tokens\": 18446744073709551615}}}",
      1);
  reader.take("[DONE]", 1);
  const Answer answer = reader.finish(1);
  EXPECT_EQ(answer.prompt_tokens, 0);
  EXPECT_EQ(answer.output_tokens, 0);
  EXPECT_EQ(answer.cached_tokens, 2147483647);
  EXPECT_FALSE(answer.has_reuse);
}

TEST(LoadAnswer, AnErrorBodySaysItsMessage) {
  EXPECT_EQ(error_message("{\"error\": {\"message\": \"full\"}}"), "full");
  EXPECT_EQ(error_message("{\"error\": \"full\"}"), "full");
  EXPECT_EQ(error_message("<html>"), "<html>");
  EXPECT_LE(error_message(std::string(9999, 'a')).size(), 300u);
}

TEST(LoadAddress, ReadsWhatUsersWrite) {
  const auto read = [](const char* url) { return parse_address(url)->text(); };
  EXPECT_EQ(read("http://127.0.0.1:8080"), "http://127.0.0.1:8080");
  EXPECT_EQ(read("https://example/"), "https://example:443");
  EXPECT_EQ(read("http://[::1]:90/a/b/"), "http://[::1]:90/a/b");
  EXPECT_EQ(read("http://[::1]"), "http://[::1]:80");
}

TEST(LoadAddress, RefusesWhatIsNone) {
  for (const char* url : {"", "127.0.0.1:80", "ftp://a", "http://", "http://:80", "http://a:0",
                          "http://a:65536", "http://a:8x", "http://a:", "http://[::1", "http://a b",
                          "http://[::1]80", "http://user@a", "http://a?b"}) {
    EXPECT_FALSE(parse_address(url).ok()) << url;
  }
}

}  // namespace
}  // namespace redknot::load
