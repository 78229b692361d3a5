// SPDX-License-Identifier: Apache-2.0
#include "profiler/divergence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace redknot {
namespace {

TEST(Divergence, OfEqualLogitsIsNothing) {
  const std::vector<float> logits = {1, -2, 3};
  DivergenceSum sum;
  sum.add(diverge({logits, 1}, logits));
  const Divergence total = sum.total();
  EXPECT_EQ(total.positions, 1);
  EXPECT_EQ(total.kl_mean, 0);
  EXPECT_EQ(total.same_top1, 1);
  EXPECT_EQ(total.perplexity_ratio, 1);
}

TEST(Divergence, FollowsItsFormula) {
  // Probabilities 1/4 and 3/4 against 1/2 and 1/2; what is added to all logits does not matter.
  const std::vector<float> p = {std::log(1.0f), std::log(3.0f)}, q = {5, 5};
  DivergenceSum sum;
  sum.add(diverge({p, 1}, q));
  const Divergence total = sum.total();
  EXPECT_NEAR(total.kl_mean, 0.25 * std::log(0.5) + 0.75 * std::log(1.5), 1e-6);
  EXPECT_NEAR(total.perplexity_ratio, 1.5, 1e-6);
  EXPECT_EQ(total.same_top1, 0);
}

TEST(Divergence, QuantilesAreNearestRanks) {
  DivergenceSum sum;
  const std::vector<float> p = {0, 0};
  for (int i = 1; i <= 200; ++i) {
    const std::vector<float> q = {0, static_cast<float>(i) / 100};
    sum.add(diverge({p, -1}, q));
  }
  const Divergence total = sum.total();
  EXPECT_EQ(total.kl_p99, sum.kl()[197]);
  EXPECT_EQ(total.kl_p999, sum.kl()[199]);
}

TEST(Divergence, WhatIsNoNumberIsInfinitelyFar) {
  const std::vector<float> p = {0, 0}, q = {0, std::numeric_limits<float>::quiet_NaN()};
  DivergenceSum sum;
  sum.add(diverge({p, -1}, q));
  EXPECT_EQ(sum.total().kl_mean, std::numeric_limits<double>::infinity());
}

TEST(Divergence, SumsOfPartsAreTheSumOfAll) {
  const std::vector<float> p = {1, 2}, q = {2, 1};
  DivergenceSum all, first, second;
  all.add(diverge({p, 0}, q));
  all.add(diverge({q, 1}, q));
  first.add(diverge({p, 0}, q));
  second.add(diverge({q, 1}, q));
  first.add(second);
  EXPECT_EQ(first.total(), all.total());
}

TEST(Divergence, TheIntervalHoldsTheMeanAndNarrows) {
  const std::vector<float> p = {0, 0};
  DivergenceSum sum;
  double width = 1e9;
  for (int i = 0; i < 4096; ++i) {
    const std::vector<float> q = {0, static_cast<float>((i * 37) % 101) / 50};
    sum.add(diverge({p, -1}, q));
    if (i + 1 == 127) {
      EXPECT_FALSE(sum.kl_interval().excludes(1e9));  // too few to say anything
    }
    if ((i + 1) % 1024 != 0) continue;
    const KlInterval found = sum.kl_interval();
    EXPECT_FALSE(found.excludes(sum.total().kl_mean));
    EXPECT_TRUE(found.excludes(2 * sum.total().kl_mean));
    EXPECT_LT(found.high - found.low, width);
    width = found.high - found.low;
  }
}

}  // namespace
}  // namespace redknot
