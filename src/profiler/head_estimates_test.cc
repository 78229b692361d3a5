// SPDX-License-Identifier: Apache-2.0
#include "profiler/head_estimates.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "base/error.h"

namespace redknot {
namespace {

// A model of which is known what every policy of every head costs; costs add up.
struct Planted {
  std::vector<double> importance{};  // by head
  double q8_kl = 0;
  int trials = 0;

  // What a head's output loses under a window falls as its square root.
  static double error(int window) { return 1 / std::sqrt(static_cast<double>(window)); }
  double alone(std::size_t head, const HeadPolicy& policy) const {
    double kl = policy.kv_format == KvFormat::kQ8 ? q8_kl : 0;
    if (policy.head_class == HeadClass::kLocal) {
      kl += importance[head] * error(policy.window_tokens);
    }
    if (policy.top_pages > 0) kl += importance[head] / (100 * policy.top_pages);
    return kl;
  }
  Result<std::vector<double>> kl_of(std::span<const HeadProfile> profiles) {
    std::vector<double> out;
    for (const HeadProfile& profile : profiles) {
      ++trials;
      double kl = 0;
      for (std::size_t i = 0; i < importance.size(); ++i) kl += alone(i, profile.policies[i]);
      out.push_back(kl);
    }
    return out;
  }
};

EstimateOptions options_for(std::size_t heads) {
  EstimateOptions options{.windows = {32, 64, 256, 1024, 2048},
                          .selections = {{.head_class = HeadClass::kRetrieval,
                                          .sink_tokens = 4,
                                          .window_tokens = 128,
                                          .top_pages = 8}},
                          .formats = {KvFormat::kQ8}};
  options.effects.order.resize(heads);
  std::iota(options.effects.order.begin(), options.effects.order.end(), 0);
  options.window_error = [](std::size_t, int window) { return Planted::error(window); };
  return options;
}

HeadEstimates estimate(Planted& model) {
  const int heads = static_cast<int>(model.importance.size());
  const auto found =
      estimate_heads(uniform_profile(1, heads, {}), options_for(model.importance.size()),
                     [&](std::span<const HeadProfile> profiles) { return model.kl_of(profiles); });
  EXPECT_TRUE(found.ok());
  return *found;
}

TEST(HeadEstimates, FindWhatWasPlanted) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> number(0, 1);
  Planted model{.q8_kl = 0.002};
  for (int i = 0; i < 60; ++i) {
    model.importance.push_back(i % 3 == 0 ? 0.1 * number(random) : 1e-6 * number(random));
  }
  const HeadEstimates found = estimate(model);
  for (std::size_t head = 0; head < model.importance.size(); ++head) {
    EXPECT_EQ(found.heads[head].front().policy, HeadPolicy{});
    EXPECT_EQ(found.heads[head].front().kl, 0);
    bool selects = false;
    for (const HeadOption& option : found.heads[head]) {
      const double expected = model.alone(head, option.policy);
      EXPECT_NEAR(option.kl, expected, 2e-5 + 1e-9 * expected) << head;
      selects |= option.policy.top_pages > 0;
    }
    // Only for heads that a window hurts, and in each format as everything else.
    EXPECT_EQ(selects, model.importance[head] > 0.003) << model.importance[head];
    EXPECT_EQ(found.heads[head].size(), selects ? 14u : 12u);
  }
}

TEST(HeadEstimates, HeadsThatDoNothingTakeFewTrials) {
  Planted model{.importance = std::vector<double>(64, 0.0)};
  estimate(model);
  EXPECT_EQ(model.trials, 16 + 1);  // groups of 4 heads, and all of them in 8 bits
}

TEST(HeadEstimates, WithoutWindowsOrSelectionsThereAreFormats) {
  Planted model{.importance = {0.1, 0.1}, .q8_kl = 1e-6};
  EstimateOptions options = options_for(2);
  options.windows.clear();
  options.selections.clear();
  const auto found =
      estimate_heads(uniform_profile(1, 2, {}), options,
                     [&](std::span<const HeadProfile> profiles) { return model.kl_of(profiles); });
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->heads[0].size(), 2u);
  EXPECT_EQ(found->heads[0][1].policy.kv_format, KvFormat::kQ8);
}

TEST(HeadEstimates, ReportErrors) {
  const auto found = estimate_heads(
      uniform_profile(1, 2, {}), options_for(2),
      [](std::span<const HeadProfile>) -> Result<std::vector<double>> { return io_error("no"); });
  EXPECT_FALSE(found.ok());
}

}  // namespace
}  // namespace redknot
