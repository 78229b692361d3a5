// SPDX-License-Identifier: Apache-2.0
#include "profiler/head_effects.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace redknot {
namespace {

// Effects that add up.
class Additive {
 public:
  explicit Additive(std::vector<double> effects) : effects_(std::move(effects)) {}
  Result<std::vector<double>> operator()(std::span<const HeadProfile> profiles) {
    std::vector<double> kls;
    for (const HeadProfile& profile : profiles) {
      ++trials;
      kls.push_back(0);
      for (std::size_t i = 0; i < effects_.size(); ++i) {
        if (profile.policies[i].head_class == HeadClass::kLocal) kls.back() += effects_[i];
      }
    }
    most_at_once = std::max(most_at_once, profiles.size());
    return kls;
  }
  int trials = 0;
  std::size_t most_at_once = 0;

 private:
  std::vector<double> effects_;
};

EffectOptions in_order(int heads) {
  EffectOptions options;
  options.order.resize(static_cast<std::size_t>(heads));
  std::iota(options.order.begin(), options.order.end(), 0);
  return options;
}

TEST(HeadEffects, FindsTheFewThatMatter) {
  std::vector<double> effects(256, 0.0);
  effects[3] = 0.5;
  effects[100] = 0.25;
  effects[255] = 0.125;
  Additive model(effects);
  EffectOptions options = in_order(256);
  options.first_group = 256;
  options.most_at_once = 3;
  const auto found = find_effects(uniform_profile(32, 8, {}), options,
                                  [&](std::span<const HeadProfile> p) { return model(p); });
  ASSERT_TRUE(found.ok());
  for (std::size_t i = 0; i < effects.size(); ++i) {
    if (effects[i] > 0) {
      EXPECT_EQ((*found)[i].group_size, 1);
    }
    EXPECT_EQ((*found)[i].kl, effects[i]) << i;
  }
  EXPECT_LE(model.trials, 2 * 3 * 8 + 1);
  EXPECT_EQ(model.most_at_once, 3u);
}

TEST(HeadEffects, GroupsThatAreTriedFirstMayBeSmall) {
  std::vector<double> effects(10, 0.0);
  effects[4] = 0.5;
  Additive model(effects);
  EffectOptions options = in_order(10);
  options.first_group = 4;
  options.most_at_once = 100;
  const auto found = find_effects(uniform_profile(5, 2, {}), options,
                                  [&](std::span<const HeadProfile> p) { return model(p); });
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(model.trials, 3 + 2 + 2);
  EXPECT_EQ((*found)[0].group_size, 4);
  EXPECT_EQ((*found)[4].group_size, 1);
  EXPECT_EQ((*found)[6].group_size, 2);
  EXPECT_EQ((*found)[9].group_size, 2);
  for (std::size_t i = 0; i < effects.size(); ++i) EXPECT_EQ((*found)[i].kl, effects[i]) << i;
}

TEST(HeadEffects, ATrialMayChangeOtherThanTheWindow) {
  EffectOptions options = in_order(2);
  options.change = [](HeadPolicy& policy) { policy.kv_format = KvFormat::kQ8; };
  const auto found =
      find_effects(uniform_profile(1, 2, {}), options,
                   [](std::span<const HeadProfile> profiles) -> Result<std::vector<double>> {
                     for (const HeadPolicy& policy : profiles[0].policies) {
                       EXPECT_EQ(policy.head_class, HeadClass::kGlobal);
                       EXPECT_EQ(policy.kv_format, KvFormat::kQ8);
                     }
                     return std::vector<double>(profiles.size());
                   });
  EXPECT_TRUE(found.ok());
}

TEST(HeadEffects, SmallOnesStayInTheirGroup) {
  Additive model(std::vector<double>(16, 1e-6));
  EffectOptions options = in_order(16);
  options.first_group = 16;
  const auto found = find_effects(uniform_profile(4, 4, {}), options,
                                  [&](std::span<const HeadProfile> p) { return model(p); });
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(model.trials, 1);
  EXPECT_EQ((*found)[7].group_size, 16);
  EXPECT_NEAR((*found)[7].kl, 16e-6, 1e-12);
}

TEST(HeadEffects, KeepsTheFormatsAndReportsErrors) {
  const HeadProfile dense = uniform_profile(1, 2, {.kv_format = KvFormat::kQ8});
  const auto found = find_effects(
      dense, in_order(2), [](std::span<const HeadProfile> profiles) -> Result<std::vector<double>> {
        EXPECT_EQ(profiles[0].policies[0].kv_format, KvFormat::kQ8);
        return io_error("no more");
      });
  EXPECT_FALSE(found.ok());
}

}  // namespace
}  // namespace redknot
