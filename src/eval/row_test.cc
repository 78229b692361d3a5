// SPDX-License-Identifier: Apache-2.0
#include "eval/row.h"

#include <gtest/gtest.h>

namespace redknot::eval {
namespace {

TEST(Row, HoldsTheMeansOverItsQuestions) {
  const std::vector<Question> questions = {{.task = {.answers = {"Marto Velk"}}},
                                           {.task = {.answers = {"1794"}}},
                                           {.task = {.answers = {"Ana"}}},
                                           {.task = {.answers = {"not stated"}}}};
  const std::vector<Answer> answers = {{"the Marto Velk.", -0.5}, {"1794", -1.5}, {""}, {"stated"}};
  const Row row = scored({.arm = "dense", .kind = "one_hop", .context_tokens = 512}, questions,
                         answers, /*seed=*/1);
  EXPECT_EQ(row.arm, "dense");
  EXPECT_EQ(row.kind, "one_hop");
  EXPECT_EQ(row.context_tokens, 512);
  EXPECT_EQ(row.n, 4);
  EXPECT_DOUBLE_EQ(row.exact_match, 0.5);
  EXPECT_DOUBLE_EQ(row.partial, (1 + 1 + 0 + 2.0 / 3) / 4);
  EXPECT_EQ(row.measure, "f1");
  EXPECT_DOUBLE_EQ(row.contains, 0.5);
  EXPECT_EQ(row.gold_log_probability, -1);  // of those that have one
  EXPECT_EQ(row.exact_match_interval, (Interval{0, 1}));
}

TEST(Row, OfSeveralScoringsIsCalledPartial) {
  const std::vector<Question> questions = {
      {.task = {.answers = {"a"}}},
      {.task = {.answers = {"b"}, .scoring = corpus::Scoring::kLine}}};
  const std::vector<Answer> answers = {{"a"}, {"c"}};
  EXPECT_EQ(scored({}, questions, answers, 1).measure, "partial");
  EXPECT_FALSE(scored({}, questions, answers, 1).gold_log_probability.has_value());
}

TEST(Row, OfOneQuestionHasAPointForItsInterval) {
  const std::vector<Question> questions = {{.task = {.answers = {"1794"}}}};
  const std::vector<Answer> answers = {{"1794"}};
  const Row row = scored({}, questions, answers, /*seed=*/1);
  EXPECT_EQ(row.exact_match_interval, (Interval{1, 1}));
}

TEST(Row, AgainstDenseIsPaired) {
  const std::vector<Question> questions = {{.task = {.answers = {"1"}}},
                                           {.task = {.answers = {"2"}}},
                                           {.task = {.answers = {"3"}}},
                                           {.task = {.answers = {"4"}}}};
  const std::vector<Answer> dense = {{"1"}, {"2"}, {"x"}, {"y"}};
  const std::vector<Answer> arm = {{"1"}, {"z"}, {"3"}, {"y"}};
  const AgainstDense found = against_dense(questions, arm, dense, /*seed=*/1);
  EXPECT_DOUBLE_EQ(found.exact_match, 0);
  EXPECT_LT(found.exact_match_interval.low, 0);
  EXPECT_GT(found.exact_match_interval.high, 0);
  EXPECT_DOUBLE_EQ(found.agreement, 0.5);
  EXPECT_EQ(found.more, (std::vector<double>{0, -1, 1, 0}));
  EXPECT_EQ(against_dense(questions, dense, dense, 1).exact_match_interval, (Interval{0, 0}));
  EXPECT_FALSE(found.gold_log_probability.has_value());
}

TEST(Row, ExpectedAnswersAreHeldAgainstDenseOnesInPairs) {
  const std::vector<Question> questions(2);
  const std::vector<Answer> dense = {{"", -1}, {"", -3}}, arm = {{"", -1.5}, {"", -2.5}};
  const AgainstDense found = against_dense(questions, arm, dense, /*seed=*/1);
  ASSERT_TRUE(found.gold_log_probability.has_value());
  EXPECT_EQ(found.gold_log_probability->mean, -2);
  EXPECT_EQ(found.gold_log_probability->against_dense, 0);
  EXPECT_EQ(found.gold_log_probability->against_dense_interval, (Interval{-0.5, 0.5}));
}

}  // namespace
}  // namespace redknot::eval
