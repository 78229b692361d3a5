// SPDX-License-Identifier: Apache-2.0
#include "heads/visibility.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

namespace redknot {
namespace {

constexpr int kPositions = 40;

HeadPolicy local(int sink_tokens, int window_tokens) {
  return {
      .head_class = HeadClass::kLocal, .sink_tokens = sink_tokens, .window_tokens = window_tokens};
}

// The contract's definition, as a set: {0..p}, or {0..sink-1} and {p-window+1..p}, none after p.
std::set<int> visible_set(const HeadPolicy& policy, int position) {
  std::set<int> seen;
  for (int other = 0; other <= position; ++other) {
    if (policy.head_class == HeadClass::kGlobal || other < policy.sink_tokens ||
        other > position - policy.window_tokens) {
      seen.insert(other);
    }
  }
  return seen;
}

// The positions of both ranges; fails the test if one is named twice or they are out of order.
std::set<int> positions_of(const VisibleRange& range) {
  std::set<int> positions;
  for (const PositionRange& part : {range.sink, range.recent}) {
    for (int position = part.begin; position < part.end; ++position) {
      EXPECT_TRUE(positions.empty() || position > *positions.rbegin());
      positions.insert(position);
      EXPECT_TRUE(range.contains(position));
    }
  }
  return positions;
}

template <typename Check>
void for_each_policy(Check check) {
  check(HeadPolicy{});
  for (int sink = 0; sink <= 12; ++sink) {
    for (int window = 1; window <= 12; ++window) check(local(sink, window));
  }
  check(local(kPositions * 2, 3));
  check(local(3, kPositions * 2));
  check(local(std::numeric_limits<int>::max(), std::numeric_limits<int>::max()));
}

TEST(Visibility, VisibleIsTheSetOfTheContract) {
  for_each_policy([](const HeadPolicy& policy) {
    for (int position = 0; position < kPositions; ++position) {
      SCOPED_TRACE(testing::Message() << "sink " << policy.sink_tokens << " window "
                                      << policy.window_tokens << " position " << position);
      const VisibleRange range = visible(policy, position);
      EXPECT_EQ(positions_of(range), visible_set(policy, position));
      EXPECT_FALSE(range.contains(-1));
      EXPECT_FALSE(range.contains(position + 1));
    }
  });
}

TEST(Visibility, StillNeededIsWhatAnyLaterQuerySeesOfThePast) {
  for_each_policy([](const HeadPolicy& policy) {
    for (int position = 0; position < kPositions; ++position) {
      std::set<int> needed;
      for (int query = position; query < kPositions * 2; ++query) {
        for (const int seen : visible_set(policy, query)) {
          if (seen < position) needed.insert(seen);
        }
      }
      SCOPED_TRACE(testing::Message() << "sink " << policy.sink_tokens << " window "
                                      << policy.window_tokens << " position " << position);
      EXPECT_EQ(positions_of(still_needed(policy, position)), needed);
    }
  });
}

TEST(Visibility, RetrievalHeadSeesAsALocalOneDoesAndKeepsEverything) {
  HeadPolicy policy = local(3, 5);
  policy.head_class = HeadClass::kRetrieval;
  policy.top_pages = 2;
  for (int position = 0; position < kPositions; ++position) {
    EXPECT_EQ(visible(policy, position), visible(local(3, 5), position));
    EXPECT_EQ(still_needed(policy, position), still_needed(HeadPolicy{}, position));
  }
  EXPECT_EQ(selected_pages(policy), 2);
  EXPECT_EQ(selected_pages(local(3, 5)), 0);
  EXPECT_TRUE(keeps_everything(policy));
  EXPECT_FALSE(keeps_everything(local(3, 5)));
}

TEST(Visibility, MostAttendedIsWhatAQueryCanSeeAtMost) {
  HeadPolicy policy = local(3, 5);
  EXPECT_EQ(most_attended(HeadPolicy{}, 100, 16), 100);
  EXPECT_EQ(most_attended(policy, 100, 16), 8);
  EXPECT_EQ(most_attended(policy, 6, 16), 6);
  policy.head_class = HeadClass::kRetrieval;
  policy.top_pages = 2;
  EXPECT_EQ(most_attended(policy, 100, 16), 8 + 32);
  policy.top_pages = std::numeric_limits<int>::max();
  EXPECT_EQ(most_attended(policy, 100, 128), 100);
  HeadProfile profile = uniform_profile(1, 2, {});
  EXPECT_FALSE(selects_pages(profile));
  profile.policies[1] = policy;
  EXPECT_TRUE(selects_pages(profile));
}

TEST(Visibility, GlobalHeadSeesEverythingAsOneRange) {
  EXPECT_EQ(visible(HeadPolicy{}, 9), (VisibleRange{.sink = {0, 0}, .recent = {0, 10}}));
}

TEST(Visibility, SinkThatMeetsTheWindowIsOneRange) {
  EXPECT_EQ(visible(local(4, 6), 9), (VisibleRange{.sink = {0, 0}, .recent = {0, 10}}));
  EXPECT_EQ(visible(local(4, 6), 10), (VisibleRange{.sink = {0, 4}, .recent = {5, 11}}));
}

TEST(Visibility, WindowOfOneNeedsNothingOfThePastButItsSink) {
  EXPECT_EQ(positions_of(still_needed(local(2, 1), 30)), (std::set<int>{0, 1}));
  EXPECT_TRUE(positions_of(still_needed(local(0, 1), 30)).empty());
}

}  // namespace
}  // namespace redknot
