// SPDX-License-Identifier: Apache-2.0
#include "chat/reusable_marks.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "chat/special_texts.h"

namespace redknot::chat {
namespace {

TEST(ReusableMarks, TextsComeBackAsTheyWentIn) {
  const auto marks = ReusableMarks::choose(2, {});
  ASSERT_TRUE(marks);
  const MarkedRuns found =
      marks->split("<s>" + marks->wrap(0, "one") + " and " + marks->wrap(1, "twö"));
  EXPECT_EQ(found.joined, "<s>one and twö");
  EXPECT_EQ(found.broken, (std::vector<bool>{false, false}));
  ASSERT_EQ(found.runs.size(), 4u);
  EXPECT_EQ(found.runs[1].text, "one");
  EXPECT_EQ(found.runs[1].mark, 0);
  EXPECT_EQ(found.runs[2].mark, -1);
  EXPECT_EQ(found.runs[3].text, "twö");
  EXPECT_EQ(found.runs[3].mark, 1);
}

TEST(ReusableMarks, WhiteSpaceAtTheEndsStaysOutside) {
  const auto marks = ReusableMarks::choose(1, {});
  ASSERT_TRUE(marks);
  EXPECT_EQ(marks->wrap(0, " \n a b\t"),
            " \n " + marks->opening(0) + "a b" + marks->closing(0) + "\t");
  EXPECT_EQ(marks->wrap(0, "  "), "  ");
  EXPECT_EQ(marks->wrap(0, ""), "");
}

TEST(ReusableMarks, CharactersInUseAreText) {
  const auto first = ReusableMarks::choose(1, {});
  ASSERT_TRUE(first);
  const std::string hostile = first->closing(0) + "x" + first->opening(0);
  const auto marks = ReusableMarks::choose(1, private_characters(hostile));
  ASSERT_TRUE(marks);
  const MarkedRuns found = marks->split(marks->wrap(0, hostile));
  ASSERT_EQ(found.runs.size(), 1u);
  EXPECT_EQ(found.runs[0].text, hostile);
  EXPECT_EQ(found.runs[0].mark, 0);
}

TEST(ReusableMarks, WhatATemplateTearsIsBroken) {
  const auto marks = ReusableMarks::choose(3, {});
  ASSERT_TRUE(marks);
  const std::string torn = marks->opening(0) + "a" + marks->wrap(1, "b") + marks->closing(2);
  const MarkedRuns found = marks->split(torn);
  EXPECT_EQ(found.joined, "ab");
  EXPECT_EQ(found.broken, (std::vector<bool>{true, false, true}));
  EXPECT_TRUE(marks->split("x" + marks->opening(1)).broken[1]);
}

TEST(ReusableMarks, ThereAreOnlySoMany) {
  EXPECT_TRUE(ReusableMarks::choose(65534, {}));
  EXPECT_FALSE(ReusableMarks::choose(65535, {}));
}

TEST(SpecialTexts, AreFoundWhereverTheyStand) {
  const SpecialTexts specials({"<s>", "<|end|>", "<|end", "[INST]"});
  EXPECT_TRUE(specials.appear_in("a<|end|>b"));
  EXPECT_TRUE(specials.appear_in("<s>"));
  EXPECT_FALSE(specials.appear_in("<|en|> [inst] <"));
  EXPECT_FALSE(specials.appear_in(""));
  EXPECT_EQ(specials.last_in("<s>x<|end|>yy"), 4u);
  EXPECT_EQ(specials.last_in("plain"), std::nullopt);
}

TEST(SpecialTexts, OfATokenizerAreItsSpecialTokens) {
  const auto tokenizer = Tokenizer::open(REDKNOT_SOURCE_DIR "/models/redknot-reader.gguf");
  ASSERT_TRUE(tokenizer.ok());
  const SpecialTexts specials = SpecialTexts(special_texts(*tokenizer));
  for (const char* text : {"<s>", "<|end|>", "<|system|>", "<|document|>"}) {
    EXPECT_TRUE(specials.appear_in(text)) << text;
  }
  EXPECT_FALSE(specials.appear_in("A plain text, with <tags> and [brackets]. <|im_end|>"));
}

}  // namespace
}  // namespace redknot::chat
