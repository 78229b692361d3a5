// SPDX-License-Identifier: Apache-2.0
#include "sched/recovery_strategy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string_view>
#include <vector>

namespace redknot {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Policy = RecoveryPolicy;

std::vector<PositionRange> choose_pages(const RecoveryOptions& options,
                                        const std::vector<PageCandidate>& candidates) {
  return strategy_of(options.policy).choose_pages(with_defaults(options), candidates);
}

bool recomputes(Policy strategy, const HeadPolicy& head) {
  return strategy_of(strategy).recomputes(head);
}

// Segments of so many tokens behind each other from position 10, in pages of 16.
std::vector<PageCandidate> pages_of(const std::vector<int>& segments,
                                    const std::vector<double>& scores = {}) {
  std::vector<PageCandidate> out;
  int position = 10;
  for (std::size_t segment = 0; segment < segments.size(); ++segment) {
    for (int left = segments[segment]; left > 0; left -= 16) {
      const int tokens = std::min(left, 16);
      out.push_back({{position, position + tokens},
                     static_cast<int>(segment),
                     out.size() < scores.size() ? scores[out.size()] : 0});
      position += tokens;
    }
  }
  return out;
}

TEST(Recovery, BoundaryTakesTheFirstPagesOfEachSegment) {
  const auto pages = pages_of({40, 5, 16});
  const RecoveryOptions half{.policy = Policy::kBoundary, .ratio = 0.5};
  EXPECT_THAT(choose_pages(half, pages), ElementsAre(PositionRange{10, 26}, PositionRange{26, 42},
                                                     PositionRange{50, 55}, PositionRange{55, 71}));
  const RecoveryOptions fixed{.policy = Policy::kBoundary, .ratio = 0.5, .boundary_tokens = 1};
  EXPECT_THAT(choose_pages(fixed, pages),
              ElementsAre(PositionRange{10, 26}, PositionRange{50, 55}, PositionRange{55, 71}));
}

TEST(Recovery, DeviationTakesTheWorstPagesOfEachSegment) {
  const auto pages = pages_of({48, 32}, {1, 3, 2, 9, 9});
  const RecoveryOptions third{.policy = Policy::kDeviation, .ratio = 1.0 / 3};
  EXPECT_THAT(choose_pages(third, pages),
              ElementsAre(PositionRange{26, 42}, PositionRange{58, 74}));
}

TEST(Recovery, KnotTakesTheBestPagesOfAllSegmentsTogether) {
  const auto pages = pages_of({48, 32}, {1, 3, 2, 9, 8});
  const RecoveryOptions some{.policy = Policy::kKnot, .ratio = 0.4};
  EXPECT_THAT(choose_pages(some, pages), ElementsAre(PositionRange{58, 74}, PositionRange{74, 90}));
  EXPECT_THAT(choose_pages({.policy = Policy::kKnot, .ratio = 0}, pages), IsEmpty());
}

TEST(Recovery, KnotTakesAtLeastSoManyTokensUnlessTheRatioIsNone) {
  const auto pages = pages_of({48, 32}, {1, 3, 2, 9, 8});
  RecoveryOptions least{.policy = Policy::kKnot, .ratio = 0.01, .least_tokens = 17};
  EXPECT_THAT(choose_pages(least, pages),
              ElementsAre(PositionRange{58, 74}, PositionRange{74, 90}));
  least.least_tokens = 1000;
  EXPECT_EQ(choose_pages(least, pages).size(), pages.size());
  least.ratio = 0;
  EXPECT_THAT(choose_pages(least, pages), IsEmpty());
}

TEST(Recovery, DefaultsAreFilledInAndWhatAPolicyDoesNotReadIsCleared) {
  const RecoveryOptions knot = with_defaults({});
  EXPECT_EQ(knot.ratio, std::optional(kDefaultRecoveryRatio));
  EXPECT_EQ(knot.least_tokens, std::optional(kDefaultRecoveryTokens));
  EXPECT_EQ(with_defaults({.ratio = 0.08}).least_tokens, std::optional(0));
  EXPECT_EQ(with_defaults(knot), knot);
  const RecoveryOptions boundary{
      .policy = Policy::kBoundary, .boundary_tokens = 5, .elastic = {.mass = 1}};
  EXPECT_EQ(with_defaults(boundary).boundary_tokens, 5);
  EXPECT_EQ(with_defaults(boundary).elastic, ElasticOptions{});
  EXPECT_EQ(with_defaults({.policy = Policy::kNone, .ratio = 0.5, .boundary_tokens = 5}),
            with_defaults({.policy = Policy::kNone}));
}

TEST(Recovery, EveryPolicyHasANameAndIsFoundByIt) {
  for (const std::string_view policy : kRecoveryPolicyNames) {
    EXPECT_EQ(name(recovery_policy(policy).value()), policy);
  }
  EXPECT_EQ(recovery_policy("knots"), std::nullopt);
}

TEST(Recovery, NoneTakesNothingAndElasticEverything) {
  const auto pages = pages_of({20, 3});
  EXPECT_THAT(choose_pages({.policy = Policy::kNone}, pages), IsEmpty());
  EXPECT_EQ(choose_pages({.policy = Policy::kElastic}, pages).size(), 3u);
}

TEST(Recovery, SaysWhichHeadsTakeWhatIsComputed) {
  const HeadPolicy global{.context_bound = false};
  const HeadPolicy local{.head_class = HeadClass::kLocal, .window_tokens = 4};
  EXPECT_FALSE(recomputes(Policy::kNone, local));
  EXPECT_TRUE(recomputes(Policy::kBoundary, global));
  EXPECT_TRUE(recomputes(Policy::kElastic, global));
  EXPECT_FALSE(recomputes(Policy::kElastic, local));
  EXPECT_FALSE(recomputes(Policy::kKnot, global));
  EXPECT_TRUE(recomputes(Policy::kKnot, local));
  HeadProfile profile = uniform_profile(3, 2, global);
  EXPECT_EQ(knot_strategy().deepest_recomputed(profile), -1);
  profile.policies[3].context_bound = true;
  EXPECT_EQ(knot_strategy().deepest_recomputed(profile), 1);
}

TEST(Recovery, NeverTakesMorePagesThanAreReserved) {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    std::vector<int> segments(random() % 6);
    for (int& tokens : segments) tokens = 1 + static_cast<int>(random() % 90);
    std::vector<double> scores(40);
    for (double& score : scores) score = static_cast<double>(random() % 10);
    const RecoveryOptions recovery{
        .policy = static_cast<Policy>(random() % 5),
        .ratio = static_cast<double>(random() % 11) / 10,
        .least_tokens = static_cast<int>(random() % 3) * 40,
        .boundary_tokens = random() % 2 == 0 ? 0 : static_cast<int>(random() % 50)};
    const auto chosen = choose_pages(recovery, pages_of(segments, scores));
    const int most = strategy_of(recovery.policy).most_pages(with_defaults(recovery), segments, 16);
    EXPECT_LE(static_cast<int>(chosen.size()), most);
  }
}

}  // namespace
}  // namespace redknot
