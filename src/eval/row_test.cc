// SPDX-License-Identifier: Apache-2.0
#include "eval/row.h"

#include <gtest/gtest.h>

namespace redknot::eval {
namespace {

TEST(Row, HoldsTheMeansOverItsQuestions) {
  const std::vector<Question> questions = {
      {.answer = "Marto Velk"}, {.answer = "1794"}, {.answer = "Ana"}, {.answer = "not stated"}};
  const std::vector<std::string> answers = {"the Marto Velk.", "1794", "", "stated"};
  const Row row = scored({.arm = "dense", .kind = "one_hop", .context_tokens = 512}, questions,
                         answers, /*seed=*/1);
  EXPECT_EQ(row.arm, "dense");
  EXPECT_EQ(row.kind, "one_hop");
  EXPECT_EQ(row.context_tokens, 512);
  EXPECT_EQ(row.n, 4);
  EXPECT_DOUBLE_EQ(row.exact_match, 0.5);
  EXPECT_DOUBLE_EQ(row.f1, (1 + 1 + 0 + 2.0 / 3) / 4);
  EXPECT_EQ(row.exact_match_interval, (Interval{0, 1}));
}

TEST(Row, OfOneQuestionHasAPointForItsInterval) {
  const std::vector<Question> questions = {{.answer = "1794"}};
  const std::vector<std::string> answers = {"1794"};
  const Row row = scored({}, questions, answers, /*seed=*/1);
  EXPECT_EQ(row.exact_match_interval, (Interval{1, 1}));
}

TEST(Row, AgainstDenseIsPaired) {
  const std::vector<Question> questions = {
      {.answer = "1"}, {.answer = "2"}, {.answer = "3"}, {.answer = "4"}};
  const std::vector<std::string> dense = {"1", "2", "x", "y"}, arm = {"1", "z", "3", "y"};
  const AgainstDense found = against_dense(questions, arm, dense, /*seed=*/1);
  EXPECT_DOUBLE_EQ(found.exact_match, 0);
  EXPECT_LT(found.exact_match_interval.low, 0);
  EXPECT_GT(found.exact_match_interval.high, 0);
  EXPECT_DOUBLE_EQ(found.agreement, 0.5);
  EXPECT_EQ(found.more, (std::vector<double>{0, -1, 1, 0}));
  EXPECT_EQ(against_dense(questions, dense, dense, 1).exact_match_interval, (Interval{0, 0}));
}

}  // namespace
}  // namespace redknot::eval
