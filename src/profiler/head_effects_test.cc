// SPDX-License-Identifier: Apache-2.0
#include "profiler/head_effects.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"

namespace redknot {
namespace {

// Effects that add up.
class Additive {
 public:
  explicit Additive(std::vector<double> effects) : effects_(std::move(effects)) {}
  Result<double> operator()(const HeadProfile& profile) {
    ++trials;
    double kl = 0;
    for (std::size_t i = 0; i < effects_.size(); ++i) {
      if (profile.policies[i].head_class == HeadClass::kLocal) kl += effects_[i];
    }
    return kl;
  }
  int trials = 0;

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
  const auto found = find_effects(uniform_profile(32, 8, {}), in_order(256),
                                  [&](const HeadProfile& p) { return model(p); });
  ASSERT_TRUE(found.ok());
  for (std::size_t i = 0; i < effects.size(); ++i) {
    if (effects[i] > 0) {
      EXPECT_EQ((*found)[i].group_size, 1);
    }
    EXPECT_EQ((*found)[i].kl, effects[i]) << i;
  }
  EXPECT_LE(model.trials, 2 * 3 * 8 + 1);
}

TEST(HeadEffects, SmallOnesStayInTheirGroup) {
  Additive model(std::vector<double>(16, 1e-6));
  const auto found = find_effects(uniform_profile(4, 4, {}), in_order(16),
                                  [&](const HeadProfile& p) { return model(p); });
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(model.trials, 1);
  EXPECT_EQ((*found)[7].group_size, 16);
  EXPECT_NEAR((*found)[7].kl, 16e-6, 1e-12);
}

TEST(HeadEffects, KeepsTheFormatsAndReportsErrors) {
  const HeadProfile dense = uniform_profile(1, 2, {.kv_format = KvFormat::kQ8});
  const auto found = find_effects(dense, in_order(2), [](const HeadProfile& p) -> Result<double> {
    EXPECT_EQ(p.policies[0].kv_format, KvFormat::kQ8);
    return io_error("no more");
  });
  EXPECT_FALSE(found.ok());
}

}  // namespace
}  // namespace redknot
