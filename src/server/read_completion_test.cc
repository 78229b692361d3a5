// SPDX-License-Identifier: Apache-2.0
#include "server/read_completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/read_tokenize.h"

namespace redknot::server {
namespace {

using ::testing::HasSubstr;

std::vector<PromptPart> prompts(const std::string& prompt) {
  const Read<CompletionRequest> request = read_completion("{\"prompt\": " + prompt + "}", {});
  EXPECT_TRUE(request.ok()) << (request.ok() ? "" : request.error().message);
  return request.ok() ? request->prompts : std::vector<PromptPart>{};
}

TEST(ReadCompletion, PromptsAreTextsOrTokensOrSeveral) {
  EXPECT_EQ(prompts("\"a\"").front().text, "a");
  EXPECT_EQ(prompts("[1, 2]").front().tokens, (std::vector<int>{1, 2}));
  const auto texts = prompts(R"(["a", "b"])");
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(texts[1].text, "b");
  const auto tokens = prompts("[[1], [2, 3]]");
  ASSERT_EQ(tokens.size(), 2u);
  EXPECT_EQ(tokens[1].tokens, (std::vector<int>{2, 3}));
}

TEST(ReadCompletion, DefaultsAndOptions) {
  const auto plain = read_completion(R"({"prompt": "a"})", {});
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->options.engine.max_tokens, 16);
  EXPECT_FALSE(plain->logprobs);
  const auto full = read_completion(
      R"({"prompt": "a", "max_tokens": 0, "logprobs": 3, "n": 2, "best_of": 2, "suffix": ""})", {});
  ASSERT_TRUE(full.ok());
  EXPECT_EQ(full->options.engine.max_tokens, 0);
  EXPECT_EQ(full->options.engine.sampling.log_probabilities, 3);
  EXPECT_EQ(full->options.answers, 2);
}

TEST(ReadCompletion, RefusesNamingTheField) {
  std::string many = R"({"prompt": [)";
  for (std::size_t i = 0; i <= kMaxPrompts; ++i) many += R"("x",)";
  many.back() = ']';
  many += '}';
  const std::vector<std::vector<std::string>> cases = {
      {"{}", "prompt", "is required"},
      {R"({"prompt": 5})", "prompt", "expected a string"},
      {R"({"prompt": []})", "prompt", "is empty"},
      {R"({"prompt": [1, -2]})", "prompt[1]", "-2 is not in"},
      {R"({"prompt": [1, "x"]})", "prompt[1]", "expected an integer"},
      {R"({"prompt": ["x", 1]})", "prompt[1]", "expected a string"},
      {R"({"prompt": [[1], []]})", "prompt[1]", "is empty"},
      {R"({"prompt": [[1.5]]})", "prompt[0][0]", "expected an integer"},
      {R"({"prompt": [99999999999]})", "prompt[0]", "is not in"},
      {many, "prompt", "65 elements, more than 64"},
      {R"({"prompt": "x", "suffix": "y"})", "suffix", "not supported"},
      {R"({"prompt": "x", "best_of": 3})", "best_of", "not supported"},
      {R"({"prompt": "x", "echo": true, "logprobs": 1})", "logprobs", "echo"},
      {R"({"prompt": "x", "logprobs": 21})", "logprobs", "0..20"},
      {R"({"prompt": "x", "max_tokens": -5})", "max_tokens", "-5"},
  };
  for (const auto& refused : cases) {
    const auto request = read_completion(refused[0], {});
    ASSERT_FALSE(request.ok()) << refused[0];
    EXPECT_EQ(request.error().param, refused[1]) << refused[0];
    EXPECT_THAT(request.error().message, HasSubstr(refused[2])) << refused[0];
  }
}

TEST(ReadTokenize, TakesTheFieldsOfOtherServers) {
  const auto theirs = read_tokenize(R"({"content": "x", "with_pieces": true})", {});
  ASSERT_TRUE(theirs.ok());
  EXPECT_EQ(theirs->text, "x");
  EXPECT_FALSE(theirs->add_special);
  EXPECT_TRUE(theirs->with_texts);
  const auto others = read_tokenize(R"({"prompt": "x"})", {});
  ASSERT_TRUE(others.ok());
  EXPECT_TRUE(others->add_special);
  const auto chat = read_tokenize(R"({"messages": [{"role": "user", "content": "x"}]})", {});
  ASSERT_TRUE(chat.ok());
  EXPECT_EQ(chat->chat->messages.size(), 1u);
  EXPECT_EQ(read_tokenize("{}", {}).error().param, "prompt");
  EXPECT_EQ(read_tokenize(R"({"prompt": ["x"]})", {}).error().param, "prompt");
  EXPECT_EQ(read_tokenize(R"({"messages": [1]})", {}).error().param, "messages[0]");
  const auto tokens = read_detokenize(R"({"tokens": [3, 4]})");
  ASSERT_TRUE(tokens.ok());
  EXPECT_EQ(tokens->tokens, (std::vector<int>{3, 4}));
  EXPECT_EQ(read_detokenize(R"({"tokens": "x"})").error().param, "tokens");
  EXPECT_EQ(read_detokenize(R"({"tokens": [-1]})").error().param, "tokens[0]");
  EXPECT_EQ(read_detokenize("{}").error().param, "tokens");
}

}  // namespace
}  // namespace redknot::server
