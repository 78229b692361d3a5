// SPDX-License-Identifier: Apache-2.0
#include "eval/score.h"

#include <gtest/gtest.h>

namespace redknot::eval {
namespace {

TEST(Score, NormalisingKeepsTheWordsAlone) {
  EXPECT_EQ(normalised("  The  Velkar Fair.\n"), "velkar fair");
  EXPECT_EQ(normalised("an apple, a pear & the plum"), "apple pear plum");
  EXPECT_EQ(normalised("well-known"), "wellknown");  // as the evaluation script does
  EXPECT_EQ(normalised("Theatre Ana"), "theatre ana");
  EXPECT_EQ(normalised("A. \t THE!"), "");
  EXPECT_EQ(normalised(""), "");
  EXPECT_EQ(normalised("\xc3\x84pfel \xe6\x9d\xb1\xe4\xba\xac"),
            "\xc3\x84pfel \xe6\x9d\xb1\xe4\xba\xac");
}

TEST(Score, ExactMatchIsOfNormalisedAnswers) {
  EXPECT_TRUE(exact_match("marto velk", "Marto Velk"));
  EXPECT_TRUE(exact_match("The Velkar Fair.", "Velkar fair"));
  EXPECT_TRUE(exact_match(" the ", ""));
  EXPECT_FALSE(exact_match("Marto", "Marto Velk"));
  EXPECT_FALSE(exact_match("Marto Velk Marto Velk", "Marto Velk"));
  EXPECT_FALSE(exact_match("", "Marto"));
}

TEST(Score, F1CountsWordsOfBoth) {
  EXPECT_DOUBLE_EQ(token_f1("Marto Velk", "marto velk"), 1);
  EXPECT_DOUBLE_EQ(token_f1("Velk Marto", "Marto Velk"), 1);            // in any order
  EXPECT_DOUBLE_EQ(token_f1("Marto", "Marto Velk"), 2.0 / 3);           // P 1, R 1/2
  EXPECT_DOUBLE_EQ(token_f1("it is Marto", "Marto"), 0.5);              // P 1/3, R 1
  EXPECT_DOUBLE_EQ(token_f1("Marto Marto Marto", "Marto Marto"), 0.8);  // P 2/3, R 1
  EXPECT_DOUBLE_EQ(token_f1("Ana", "Marto"), 0);
}

TEST(Score, F1WithoutWordsIsOneOnlyIfNeitherHasAny) {
  EXPECT_DOUBLE_EQ(token_f1("", "the"), 1);
  EXPECT_DOUBLE_EQ(token_f1("", "Marto"), 0);
  EXPECT_DOUBLE_EQ(token_f1("Marto", ""), 0);
}

}  // namespace
}  // namespace redknot::eval
