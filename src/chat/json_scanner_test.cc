// SPDX-License-Identifier: Apache-2.0
#include "chat/json_scanner.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>

namespace redknot::chat {
namespace {

using State = JsonScanner::State;

State scanned(std::string_view text) {
  JsonScanner scanner;
  for (const char c : text) scanner.feed(c);
  return scanner.state();
}

TEST(JsonScanner, KnowsObjectsAndListsFromTheirBeginnings) {
  for (const std::string text :
       {R"({})", R"([])", R"({"a": [1, -0.5e+10, 0], "b": {"c": null}, "d": true})",
        R"(["\u00e9\\\"", false, [[]], 12])", R"( {"a" : 1 } )"}) {
    EXPECT_EQ(scanned(text), State::kDone) << text;
    const std::string body = text.substr(0, text.find_last_of("}]"));
    for (std::size_t length = 0; length <= body.size(); ++length) {
      EXPECT_NE(scanned(body.substr(0, length)), State::kDone) << text << " cut at " << length;
      EXPECT_NE(scanned(body.substr(0, length)), State::kBad) << text << " cut at " << length;
    }
  }
}

TEST(JsonScanner, RefusesWhatIsNotJson) {
  for (const std::string text : {"1",
                                 "\"a\"",
                                 "null",
                                 "}",
                                 "[}",
                                 "{]",
                                 "{a: 1}",
                                 "{'a': 1}",
                                 R"({"a" 1})",
                                 R"({"a": })",
                                 R"({"a": 1,})",
                                 "[1,]",
                                 "[01]",
                                 "[-]",
                                 "[1.]",
                                 "[1e]",
                                 "[.5]",
                                 "[+1]",
                                 "[tru]",
                                 "[nul ",
                                 R"(["\x"])",
                                 R"(["\u12g4"])",
                                 "[\"\n\"]",
                                 "[1 2]",
                                 R"({"a": 1 "b": 2})"}) {
    EXPECT_EQ(scanned(text), State::kBad) << text;
  }
}

TEST(JsonScanner, BoundsDepth) {
  const std::string open(JsonScanner::kMaxDepth, '[');
  EXPECT_EQ(scanned(open), State::kValueOrClose);
  EXPECT_EQ(scanned(open + "["), State::kBad);
  EXPECT_EQ(scanned(open + std::string(JsonScanner::kMaxDepth, ']')), State::kDone);
}

// Against a parser of others, on texts that are nearly JSON.
TEST(JsonScanner, AgreesWithAParser) {
  constexpr unsigned kSeed = 7;
  std::mt19937 random(kSeed);
  const std::string seed = R"({"a":[1,-2.5e-3,true],"b":{"c":"x\u0041\n"},"d":null})";
  constexpr std::string_view kBytes = "{}[],:\"\\ 01e.-+tfnua";
  int valid = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = seed;
    for (unsigned changes = random() % 3; changes > 0; --changes) {
      const std::size_t at = 1 + random() % (text.size() - 1);
      if (random() % 2 == 0) {
        text.erase(at, 1);
      } else {
        text.insert(at, 1, kBytes[random() % kBytes.size()]);
      }
    }
    const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    // The scanner does not look behind the end.
    JsonScanner scanner;
    std::size_t used = 0;
    while (used < text.size() && scanner.state() != State::kDone) scanner.feed(text[used++]);
    const bool done = scanner.state() == State::kDone && used == text.size();
    ASSERT_EQ(done, !json.is_discarded()) << text << ", seed " << kSeed;
    valid += done ? 1 : 0;
  }
  EXPECT_GT(valid, 1000);
}

}  // namespace
}  // namespace redknot::chat
