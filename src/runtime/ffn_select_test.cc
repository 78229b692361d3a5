// SPDX-License-Identifier: Apache-2.0
#include "runtime/ffn_select.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

namespace redknot {
namespace {

using testing::Each;
using testing::ElementsAre;

std::vector<std::uint8_t> marks(const std::vector<float>& scores, float mass, int recent = 0) {
  std::vector<std::uint8_t> out(scores.size());
  mark_by_mass(scores, mass, recent, out);
  return out;
}

TEST(FfnSelect, TakesTheLargestUntilTheMassIsReachedAndTheCrossingRowToo) {
  const std::vector<float> scores = {1, 4, 2, 1};
  EXPECT_THAT(marks(scores, 0.0f), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(marks(scores, 0.5f), ElementsAre(0, 1, 0, 0));  // exactly reached
  EXPECT_THAT(marks(scores, 0.51f), ElementsAre(0, 1, 1, 0));
  EXPECT_THAT(marks(scores, 0.9f), ElementsAre(1, 1, 1, 1));
}

TEST(FfnSelect, TheEarlierOfEqualRowsComesFirst) {
  EXPECT_THAT(marks({2, 2, 2, 2}, 0.5f), ElementsAre(1, 1, 0, 0));
}

TEST(FfnSelect, RecentRowsAlwaysPass) {
  EXPECT_THAT(marks({9, 1, 1, 1}, 0.1f, 2), ElementsAre(1, 0, 1, 1));
  EXPECT_THAT(marks({9, 1}, 0.1f, 5), ElementsAre(1, 1));
}

TEST(FfnSelect, AllPassWhereThereIsNothingToShare) {
  EXPECT_THAT(marks({0, 0, 0}, 0.1f), Each(1));
  EXPECT_THAT(marks({1, std::numeric_limits<float>::quiet_NaN()}, 0.1f), Each(1));
  EXPECT_THAT(marks({1, std::numeric_limits<float>::infinity()}, 0.1f), Each(1));
  EXPECT_THAT(marks({1, 2}, 1.0f), Each(1));
  EXPECT_TRUE(marks({}, 0.5f).empty());
}

// The definition, row by row: a row passes if the rows before it in order hold less than the mass.
TEST(FfnSelect, AgreesWithTheDefinitionOnRandomScores) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<float> scores(1 + random() % 40);
    for (float& score : scores) score = static_cast<float>(random() % 8);
    scores[0] += 1;
    const float mass = static_cast<float>(random() % 100) / 100;
    double total = 0;
    for (const float score : scores) total += score;
    const std::vector<std::uint8_t> found = marks(scores, mass);
    for (std::size_t row = 0; row < scores.size(); ++row) {
      double before = 0;
      bool first = true;
      for (std::size_t other = 0; other < scores.size(); ++other) {
        const bool ahead =
            scores[other] > scores[row] || (scores[other] == scores[row] && other < row);
        if (ahead) before += scores[other];
        first &= !ahead;
      }
      EXPECT_EQ(found[row] != 0, first || before < mass * total);
    }
  }
}

}  // namespace
}  // namespace redknot
