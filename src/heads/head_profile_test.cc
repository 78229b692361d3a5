// SPDX-License-Identifier: Apache-2.0
#include "heads/head_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace redknot {
namespace {

TEST(HeadProfile, UniformGivesEveryHeadTheSamePolicy) {
  const HeadPolicy policy{.head_class = HeadClass::kLocal,
                          .sink_tokens = 4,
                          .window_tokens = 8,
                          .kv_format = KvFormat::kQ8};
  const HeadProfile profile = uniform_profile(2, 3, policy);
  EXPECT_EQ(profile.layers, 2);
  EXPECT_EQ(profile.kv_heads, 3);
  EXPECT_THAT(profile.policies, testing::AllOf(testing::SizeIs(6), testing::Each(policy)));
}

TEST(HeadProfile, HeadsOfOneLayerLieTogether) {
  HeadProfile profile = uniform_profile(2, 3, {});
  profile.policies[4].sink_tokens = 7;
  EXPECT_EQ(profile.at(1, 1).sink_tokens, 7);
}

}  // namespace
}  // namespace redknot
