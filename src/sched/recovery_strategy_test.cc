// SPDX-License-Identifier: Apache-2.0
#include "sched/recovery_strategy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

namespace redknot {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Policy = RecoveryPolicy;

std::vector<PositionRange> choose(const RecoveryOptions& options,
                                  const std::vector<Candidate>& candidates) {
  return strategy_of(options.policy).choose(with_defaults(options), candidates);
}

bool recomputes(Policy strategy, const HeadPolicy& head) {
  return strategy_of(strategy).recomputes(head);
}

// Segments of so many tokens behind each other from position 10, in pages of 16, in candidates of
// at most so many tokens.
std::vector<Candidate> candidates_of(const std::vector<int>& segments,
                                     const std::vector<double>& scores = {}, int most = 16) {
  std::vector<Candidate> out;
  int position = 10;
  for (std::size_t segment = 0; segment < segments.size(); ++segment) {
    for (int at = 0; at < segments[segment]; at += out.back().tokens()) {
      const int tokens = std::min({segments[segment] - at, 16 - at % 16, most});
      out.push_back({{position, position + tokens},
                     static_cast<int>(segment),
                     out.size() < scores.size() ? scores[out.size()] : 0});
      position += tokens;
    }
  }
  return out;
}

int tokens_of(const std::vector<PositionRange>& ranges) {
  int tokens = 0;
  for (const PositionRange& range : ranges) tokens += range.end - range.begin;
  return tokens;
}

TEST(Recovery, BoundaryTakesTheFirstTokensOfEachSegment) {
  const auto pages = candidates_of({40, 5, 16});
  const RecoveryOptions half{.policy = Policy::kBoundary, .ratio = 0.5};
  EXPECT_THAT(choose(half, pages),
              ElementsAre(PositionRange{10, 30}, PositionRange{50, 53}, PositionRange{55, 63}));
  const RecoveryOptions fixed{.policy = Policy::kBoundary, .ratio = 0.5, .boundary_tokens = 17};
  EXPECT_THAT(choose(fixed, pages), ElementsAre(PositionRange{10, 27}, PositionRange{50, 71}));
}

TEST(Recovery, DeviationTakesTheWorstTokensOfEachSegment) {
  const auto tokens = candidates_of({4, 2}, {1, 3, 2, 2, 9, 9}, 1);
  const RecoveryOptions half{.policy = Policy::kDeviation, .ratio = 0.5};
  EXPECT_THAT(choose(half, tokens), ElementsAre(PositionRange{11, 13}, PositionRange{14, 15}));
}

TEST(Recovery, KnotTakesTheBestPiecesOfAllSegmentsTogether) {
  const auto pieces = candidates_of({48, 32}, {1, 3, 2, 9, 8});
  const RecoveryOptions some{.policy = Policy::kKnot, .ratio = 0.5};
  EXPECT_THAT(choose(some, pieces), ElementsAre(PositionRange{26, 34}, PositionRange{58, 90}));
  EXPECT_THAT(choose({.policy = Policy::kKnot, .ratio = 0}, pieces), IsEmpty());
}

TEST(Recovery, KnotTakesAtLeastSoManyTokensButNoMoreThanAShareOfThem) {
  const auto pieces = candidates_of({48, 32}, {1, 3, 2, 9, 8});
  RecoveryOptions least{.policy = Policy::kKnot, .ratio = 0.01, .least_tokens = 7};
  EXPECT_THAT(choose(least, pieces), ElementsAre(PositionRange{58, 65}));
  least.least_tokens = 1000;
  EXPECT_THAT(choose(least, pieces), ElementsAre(PositionRange{58, 68}));  // an eighth
  least.ratio = 0.5;
  EXPECT_EQ(tokens_of(choose(least, pieces)), 40);
  least.ratio = 0;
  EXPECT_THAT(choose(least, pieces), IsEmpty());
}

TEST(Recovery, ByDefaultTheShareFallsFromAnEighthToTheRatio) {
  const RecoveryOptions knot = with_defaults({});
  EXPECT_EQ(tokens_to_recover(knot, 0), 0);
  EXPECT_EQ(tokens_to_recover(knot, 8), 1);
  EXPECT_EQ(tokens_to_recover(knot, 1200), 150);
  EXPECT_EQ(tokens_to_recover(knot, 2048), 256);
  EXPECT_EQ(tokens_to_recover(knot, 3200), 256);
  EXPECT_EQ(tokens_to_recover(knot, 8000), 640);
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
  const auto pages = candidates_of({20, 3});
  EXPECT_THAT(choose({.policy = Policy::kNone}, pages), IsEmpty());
  EXPECT_THAT(choose({.policy = Policy::kElastic}, pages),
              ElementsAre(PositionRange{10, 26}, PositionRange{26, 30}, PositionRange{30, 33}));
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

// Pages of 16 that hold a position of the ranges, of segments as candidates_of() places them.
int pages_touched(const std::vector<PositionRange>& ranges, const std::vector<int>& segments) {
  int pages = 0;
  for (const Candidate& page : candidates_of(segments)) {
    pages += std::any_of(ranges.begin(), ranges.end(), [&page](const PositionRange& range) {
      return range.begin < page.positions.end && range.end > page.positions.begin;
    });
  }
  return pages;
}

TEST(Recovery, TakesAsManyTokensAsAreWantedAndNoMorePagesThanAreReserved) {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    std::vector<int> segments(random() % 6);
    for (int& tokens : segments) tokens = 1 + static_cast<int>(random() % 90);
    std::vector<double> scores(600);
    for (double& score : scores) score = static_cast<double>(random() % 10);
    const RecoveryOptions recovery =
        with_defaults({.policy = static_cast<Policy>(random() % 5),
                       .ratio = static_cast<double>(random() % 11) / 10,
                       .least_tokens = static_cast<int>(random() % 3) * 40,
                       .boundary_tokens = random() % 2 == 0 ? 0 : static_cast<int>(random() % 50)});
    const RecoveryStrategy& strategy = strategy_of(recovery.policy);
    const auto candidates = candidates_of(segments, scores, strategy.candidate_tokens(16));
    const auto chosen = choose(recovery, candidates);
    EXPECT_LE(pages_touched(chosen, segments), strategy.most_pages(recovery, segments, 16));
    for (std::size_t i = 1; i < chosen.size(); ++i) {
      EXPECT_LE(chosen[i - 1].end, chosen[i].begin);
    }
    std::int64_t all = 0, wanted = 0;
    for (const int own : segments) {
      all += own;
      const std::int64_t most = recovery.boundary_tokens > 0 ? recovery.boundary_tokens
                                                             : tokens_to_recover(recovery, own);
      wanted += std::min<std::int64_t>(own, most);
    }
    if (recovery.policy == Policy::kElastic) wanted = all;
    if (recovery.policy == Policy::kKnot) wanted = std::min(all, tokens_to_recover(recovery, all));
    EXPECT_EQ(tokens_of(chosen), wanted) << name(recovery.policy);
  }
}

}  // namespace
}  // namespace redknot
