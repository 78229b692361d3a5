// SPDX-License-Identifier: Apache-2.0
#include "profiler/policy_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace redknot {
namespace {

using Heads = std::vector<std::vector<HeadOption>>;

struct Sum {
  double cost = 0, kl = 0;
};

Sum sum_of(const Heads& heads, const std::vector<std::size_t>& choice) {
  Sum sum;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    sum.cost += heads[i][choice[i]].cost;
    sum.kl += heads[i][choice[i]].kl;
  }
  return sum;
}

// The least cost of all choices that hold the allowance.
double least_cost(const Heads& heads, double allowed, std::size_t head = 0, Sum before = {}) {
  if (before.kl > allowed) return std::numeric_limits<double>::infinity();
  if (head == heads.size()) return before.cost;
  double least = std::numeric_limits<double>::infinity();
  for (const HeadOption& option : heads[head]) {
    least = std::min(least, least_cost(heads, allowed, head + 1,
                                       {before.cost + option.cost, before.kl + option.kl}));
  }
  return least;
}

TEST(PolicyChoice, IsAtMostOneStepFromTheBestOfAll) {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> number(0, 1);
  for (int round = 0; round < 300; ++round) {
    Heads heads(1 + static_cast<std::size_t>(round) % 5);
    double widest = 0;
    for (std::vector<HeadOption>& head : heads) {
      head.push_back({.cost = 1, .kl = 0});  // dense
      for (int i = 0; i < round % 6; ++i) {
        // Equal and worthless options are among them.
        head.push_back({.cost = std::floor(8 * number(random)) / 7,
                        .kl = std::floor(10 * number(random)) / 40});
      }
      const auto [least, most] = std::minmax_element(
          head.begin(), head.end(),
          [](const HeadOption& a, const HeadOption& b) { return a.cost < b.cost; });
      widest = std::max(widest, most->cost - least->cost);
    }
    const double allowed = number(random) * 0.5;
    const Sum found = sum_of(heads, choose_options(heads, allowed));
    EXPECT_LE(found.kl, allowed + 1e-12);
    const double best = least_cost(heads, allowed + 1e-12);
    EXPECT_GE(found.cost, best - 1e-9);
    EXPECT_LE(found.cost, best + widest + 1e-9);
  }
}

TEST(PolicyChoice, TakesWhatIsFreeAndNothingElseWithoutAllowance) {
  const Heads heads = {{{.cost = 1, .kl = 0}, {.cost = 0.5, .kl = 0}, {.cost = 0.1, .kl = 1e-9}},
                       {{.cost = 1, .kl = 0}}};
  EXPECT_EQ(choose_options(heads, 0), (std::vector<std::size_t>{1, 0}));
  EXPECT_EQ(choose_options(heads, 1), (std::vector<std::size_t>{2, 0}));
}

TEST(PolicyChoice, SpendsWhereItSavesTheMost) {
  const Heads heads = {{{.cost = 1, .kl = 0}, {.cost = 0.9, .kl = 0.01}},
                       {{.cost = 1, .kl = 0}, {.cost = 0.2, .kl = 0.01}}};
  EXPECT_EQ(choose_options(heads, 0.015), (std::vector<std::size_t>{0, 1}));
}

}  // namespace
}  // namespace redknot
