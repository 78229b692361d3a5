// SPDX-License-Identifier: Apache-2.0
#include "text/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "text/known_expressions.h"
#include "text/stand_ins.h"

namespace redknot::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> words(const PreTokenizer& pre_tokenizer, std::string_view text) {
  PreTokenizer::Scratch scratch;
  const auto parts = pre_tokenizer.split(text, scratch);
  if (!parts.ok()) return {parts.error().message()};
  return {parts->begin(), parts->end()};
}

std::vector<std::string> words(std::string_view name, std::string_view text) {
  const auto pre_tokenizer = PreTokenizer::named(name);
  if (!pre_tokenizer.ok()) return {pre_tokenizer.error().message()};
  return words(*pre_tokenizer, text);
}

TEST(PreTokenizer, CutsAsTheModelsDo) {
  EXPECT_THAT(words("gpt-2", "It's  12345 a\n\n b"),
              ElementsAre("It", "'s", " ", " 12345", " a", "\n\n", " b"));
  EXPECT_THAT(words("llama-bpe", "IT'S 12345!\n x"),
              ElementsAre("IT", "'S", " ", "123", "45", "!\n", " x"));
  EXPECT_THAT(words("qwen2", "a 123"), ElementsAre("a", " ", "1", "2", "3"));
  EXPECT_THAT(words("tekken", "camelCase HTTPServer"), ElementsAre("camel", "Case", " HTTPServer"));
  EXPECT_THAT(words("starcoder", " 12"), ElementsAre(" ", "1", "2"));
  EXPECT_THAT(words("falcon", "a,b 1234"), ElementsAre("a", ",", "b", " ", "123", "4"));
  EXPECT_THAT(words("deepseek-llm", "ab  \u4e00 12"), ElementsAre("ab", "  ", "\u4e00", " ", "12"));
  EXPECT_THAT(words("deepseek-coder", "x\n12"), ElementsAre("x", "\n", "1", "2"));
}

TEST(PreTokenizer, RefusesAnUnknownNameAndListsTheKnown) {
  const auto unknown = PreTokenizer::named("nonesuch");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(unknown.error().message(), HasSubstr("nonesuch"));
  EXPECT_THAT(unknown.error().message(), HasSubstr("gpt-2, "));
  EXPECT_THAT(unknown.error().message(), HasSubstr("tekken"));
}

TEST(PreTokenizer, NamesEachExpressionThatDoesNotCompile) {
  const std::vector<std::string> expressions = {"a+", "(b"};
  const auto broken = PreTokenizer::from_expressions(expressions);
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(broken.error().message(), HasSubstr("(b"));
}

TEST(PreTokenizer, LosesNoByteOfAnyText) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (const KnownPreTokenizer& known : known_pre_tokenizers()) {
    const auto pre_tokenizer = PreTokenizer::named(known.names.front());
    ASSERT_TRUE(pre_tokenizer.ok()) << pre_tokenizer.error().message();
    for (int round = 0; round < 50; ++round) {
      std::string text(random() % 40, '\0');
      for (char& byte : text) byte = static_cast<char>(random() % 2 ? random() : random() % 64 + 9);
      std::string joined;
      for (const std::string& word : words(*pre_tokenizer, text)) joined += word;
      EXPECT_EQ(joined, text);
    }
  }
}

TEST(PreTokenizer, WhiteSpaceIsThatOfUnicode) {
  const std::vector<std::string> expressions = {R"(\s+)", R"([^\s]+)", R"(\S+)"};
  const auto pre_tokenizer = PreTokenizer::from_expressions(expressions);
  ASSERT_TRUE(pre_tokenizer.ok());
  EXPECT_THAT(words(*pre_tokenizer, "a\u3000\u0085\u2028b\u180ec"),
              ElementsAre("a", "\u3000\u0085\u2028", "b\u180ec"));
}

TEST(PreTokenizer, BytesThatAreNotUtf8CutLikeControlCharacters) {
  EXPECT_THAT(words("gpt-2", "ab\xff\xfe cd\xe4\xb8"),
              ElementsAre("ab", "\xff\xfe", " cd", "\xe4\xb8"));
}

TEST(PreTokenizer, KnowsLettersNewerThanTheRegexLibrary) {
  const std::string new_letter = "\U00031350";  // CJK extension H, Unicode 15
  EXPECT_THAT(words("qwen2", "a" + new_letter + "!"), ElementsAre("a" + new_letter, "!"));
}

TEST(PreTokenizer, ReportsAnExpressionThatBacktracksWithoutEnd) {
  const std::vector<std::string> expressions = {"(?:a|a|b?a)+$"};
  const auto pre_tokenizer = PreTokenizer::from_expressions(expressions);
  ASSERT_TRUE(pre_tokenizer.ok());
  PreTokenizer::Scratch scratch;
  const auto parts = pre_tokenizer->split(std::string(64, 'a') + "!", scratch);
  ASSERT_FALSE(parts.ok());
  EXPECT_EQ(parts.error().code(), ErrorCode::kResourceExhausted);
}

TEST(PreTokenizer, TakesLinearTimeForRunsOfSpaces) {
  const std::string text = std::string(1 << 20, ' ') + "1";
  for (const KnownPreTokenizer& known : known_pre_tokenizers()) {
    EXPECT_LE(words(known.names.front(), text).size(), 3u);
  }
}

TEST(StandIns, KeepTheLengthAndAreOnlyMadeWhereNeeded) {
  EXPECT_EQ(with_stand_ins("plain, \u4e00 \U0001f680"), "");
  const std::string text = "x\xc3\U00011f04\u1c89y";
  EXPECT_EQ(with_stand_ins(text).size(), text.size());
}

}  // namespace
}  // namespace redknot::text
