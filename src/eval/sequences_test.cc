// SPDX-License-Identifier: Apache-2.0
#include "eval/sequences.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/model_maker.h"
#include "tests/temp_folder.h"

namespace redknot::eval {
namespace {

class SequencesTest : public testing::Test {
 protected:
  Result<SequenceHalves> cut(const std::string& text, int context_tokens, int most) {
    std::ofstream(path_) << text;
    return file_sequences({&path_, 1}, context_tokens, most, tokenizer_);
  }

  Tokenizer tokenizer_ = Tokenizer::open(REDKNOT_SOURCE_DIR "/models/redknot-reader.gguf").value();
  tests::TempFolder folder_;
  std::filesystem::path path_ = folder_ / "text";
};

TEST_F(SequencesTest, OfTheCorpusFitTheContextAndEndWithAnswers) {
  for (const int context : {700, 2048}) {
    const auto found =
        corpus_sequences({.context_tokens = context, .count = 3, .seed = 5}, tokenizer_);
    ASSERT_TRUE(found.ok()) << found.error().message();
    ASSERT_EQ(found->size(), 3u);
    for (const Sequence& sequence : *found) {
      EXPECT_LE(static_cast<int>(sequence.tokens.size()), context);
      EXPECT_GE(static_cast<int>(sequence.tokens.size()), context / 2 - 200);
      ASSERT_LT(static_cast<std::size_t>(sequence.first_compared) + 1, sequence.tokens.size());
      const std::span<const int> tokens(sequence.tokens);
      const auto before = tokens.first(static_cast<std::size_t>(sequence.first_compared) + 1);
      EXPECT_TRUE(tokenizer_.detokenize(before, true)->ends_with("<|assistant|>"));
      EXPECT_TRUE(tokenizer_.detokenize(tokens, true)->ends_with("<|end|>"));
    }
  }
  EXPECT_FALSE(corpus_sequences({.context_tokens = 100}, tokenizer_).ok());
}

TEST_F(SequencesTest, OfTheCorpusDependOnTheSeed) {
  const auto first = [&](std::uint64_t seed) {
    return corpus_sequences({.context_tokens = 700, .count = 1, .seed = seed}, tokenizer_)
        ->front()
        .tokens;
  };
  EXPECT_EQ(first(1), first(1));
  EXPECT_NE(first(1), first(2));
}

TEST_F(SequencesTest, OfFilesShareNothing) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += std::to_string(i) + " ";
  const auto found = cut(text, 512, 4);
  ASSERT_TRUE(found.ok()) << found.error().message();
  ASSERT_EQ(found->first.size(), 4u);
  ASSERT_EQ(found->second.size(), 4u);
  std::string together;
  for (std::size_t i = 0; i < 4; ++i) {
    for (const auto* half : {&found->first, &found->second}) {
      EXPECT_LE((*half)[i].tokens.size(), 512u);
      EXPECT_EQ((*half)[i].first_compared, static_cast<int>((*half)[i].tokens.size() / 2));
      together += tokenizer_.detokenize((*half)[i].tokens, false).value();
    }
  }
  EXPECT_TRUE(text.starts_with(together));
}

TEST_F(SequencesTest, OfShortFilesAreTwoHalvesAtLeast) {
  const auto found = cut(std::string(400, '7'), 4096, 8);
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(found->first.size(), 1u);
  EXPECT_EQ(found->second.size(), 1u);
  EXPECT_FALSE(cut("too short", 4096, 8).ok());
  EXPECT_FALSE(cut(std::string(400, '7'), 32, 8).ok());
  std::filesystem::remove(path_);
  EXPECT_FALSE(file_sequences({&path_, 1}, 512, 4, tokenizer_).ok());
}

}  // namespace
}  // namespace redknot::eval
