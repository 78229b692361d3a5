// SPDX-License-Identifier: Apache-2.0
#include "eval/bootstrap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "corpus/random.h"

namespace redknot::eval {
namespace {

// `ones` values of 1 and the rest 0.
std::vector<double> outcomes(int ones, int count) {
  std::vector<double> out(static_cast<std::size_t>(count), 0.0);
  std::fill_n(out.begin(), ones, 1.0);
  return out;
}

TEST(Bootstrap, OfNothingIsNothing) { EXPECT_FALSE(bootstrap_mean({}, 1).has_value()); }

TEST(Bootstrap, OfEqualValuesIsTheValueItself) {
  for (const int count : {1, 3, 200}) {
    const std::vector<double> values(static_cast<std::size_t>(count), 0.1);
    EXPECT_EQ(bootstrap_mean(values, 1), (Interval{0.1, 0.1})) << count;
  }
}

TEST(Bootstrap, OfOutcomesIsNearTheNormalInterval) {
  for (const int ones : {30, 100, 170}) {
    const std::vector<double> values = outcomes(ones, 200);
    const double mean = ones / 200.0;
    const double half = 1.96 * std::sqrt(mean * (1 - mean) / 200);
    const Interval interval = bootstrap_mean(values, 5).value();
    EXPECT_NEAR(interval.low, mean - half, 0.011) << ones;
    EXPECT_NEAR(interval.high, mean + half, 0.011) << ones;
  }
}

TEST(Bootstrap, CoversTheMeanMostOfTheTime) {
  corpus::Random random(11);
  int covered = 0;
  constexpr int kTrials = 60;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> values(30);
    for (double& value : values) value = random.fraction();
    const Interval interval = bootstrap_mean(values, static_cast<std::uint64_t>(trial)).value();
    covered += interval.low <= 0.5 && 0.5 <= interval.high ? 1 : 0;
  }
  EXPECT_GE(covered, kTrials * 90 / 100);
  EXPECT_LT(covered, kTrials);
}

TEST(Bootstrap, IsTheSameEverywhere) {
  const std::vector<double> values = outcomes(150, 200);
  const Interval interval = bootstrap_mean(values, 7).value();
  EXPECT_EQ(interval, bootstrap_mean(values, 7));
  EXPECT_EQ(interval, (Interval{0.69, 0.81}));
}

TEST(Bootstrap, TakesDifferencesBelowZero) {
  const std::vector<double> values = {-1, 0, 0, -1, 0, 1, -1, -1, 0, -1};
  const Interval interval = bootstrap_mean(values, 2).value();
  EXPECT_LT(interval.low, -0.4);
  EXPECT_GE(interval.low, -1);
  EXPECT_GT(interval.high, -0.4);
}

TEST(Bootstrap, ARatioOfEqualWholesIsTheMean) {
  std::vector<double> values;
  std::vector<Share> shares;
  for (int i = 0; i < 50; ++i) {
    values.push_back(i * i % 17);
    shares.push_back({values.back() * 4, 4});
  }
  const Interval mean = *bootstrap_mean(values, 3), ratio = *bootstrap_ratio(shares, 3);
  EXPECT_NEAR(ratio.low, mean.low, 1e-12);
  EXPECT_NEAR(ratio.high, mean.high, 1e-12);
  EXPECT_FALSE(bootstrap_ratio({}, 3));
}

TEST(Bootstrap, ARatioWeighsItsUnits) {
  // 100 of 1,000 and 0 of 1: near 0.1 unless only the second is drawn.
  const Interval found = *bootstrap_ratio(std::vector<Share>{{100, 1000}, {0, 1}}, 3);
  EXPECT_EQ(found.low, 0);
  EXPECT_DOUBLE_EQ(found.high, 0.1);
}

}  // namespace
}  // namespace redknot::eval
