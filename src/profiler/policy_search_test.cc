// SPDX-License-Identifier: Apache-2.0
#include "profiler/policy_search.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"

namespace redknot {
namespace {

constexpr int kContext = 4096;

// A model whose heads each need a window: what a local head with a smaller one costs, and what
// 8-bit pages cost. Costs add up; bytes are tokens kept, half of them for q8.
struct Pretended {
  std::vector<int> needed;  // by head
  double missing_kl = 0.1;
  double q8_kl = 0;

  std::size_t bytes(const HeadProfile& profile) const {
    std::size_t sum = 0;
    for (const HeadPolicy& policy : profile.policies) {
      sum += static_cast<std::size_t>(kept(policy) * (policy.kv_format == KvFormat::kQ8 ? 1 : 2));
    }
    return sum;
  }

  Divergence divergence(const HeadProfile& profile) const {
    Divergence found;
    for (std::size_t i = 0; i < needed.size(); ++i) {
      const HeadPolicy& policy = profile.policies[i];
      if (kept(policy) < needed[i]) found.kl_mean += missing_kl;
      if (policy.kv_format == KvFormat::kQ8) found.kl_mean += q8_kl;
    }
    return found;
  }

  static int kept(const HeadPolicy& policy) {
    return policy.head_class == HeadClass::kLocal ? policy.window_tokens : kContext;
  }
};

std::vector<HeadEffect> effects_of(const Pretended& model, int window) {
  std::vector<HeadEffect> effects;
  for (const int needed : model.needed) effects.push_back({.kl = needed > window ? 0.1 : 0});
  return effects;
}

PolicySearchOptions options_for(const Pretended& model) {
  return {.windows = {16, 32, 64, 256, 1024},
          .bytes = [&](const HeadProfile& profile) { return model.bytes(profile); },
          .divergence = [&](const HeadProfile& profile) -> Result<Divergence> {
            return model.divergence(profile);
          }};
}

PolicySearchResult search(const Pretended& model) {
  const auto found = search_policies(uniform_profile(1, static_cast<int>(model.needed.size()), {}),
                                     effects_of(model, 64), options_for(model));
  EXPECT_TRUE(found.ok());
  return *found;
}

TEST(PolicySearch, GivesEveryHeadWhatItNeeds) {
  const Pretended model{.needed = {10, 4096, 60, 200, 10, 64}};
  const PolicySearchResult found = search(model);
  EXPECT_EQ(found.trial.divergence.kl_mean, 0);
  for (std::size_t i = 0; i < model.needed.size(); ++i) {
    const HeadPolicy& policy = found.profile.policies[i];
    EXPECT_EQ(policy.kv_format, KvFormat::kQ8);
    if (model.needed[i] > 1024) {
      EXPECT_EQ(policy.head_class, HeadClass::kGlobal);
    } else {
      EXPECT_EQ(policy.head_class, HeadClass::kLocal);
      EXPECT_GE(policy.window_tokens, model.needed[i]);
    }
  }
  EXPECT_EQ(found.profile.policies[3].window_tokens, 256);
}

TEST(PolicySearch, KeepsToTheBudget) {
  const Pretended model{.needed = {4096, 4096, 4096}, .missing_kl = 1, .q8_kl = 1};
  const PolicySearchResult found = search(model);
  EXPECT_EQ(found.profile, uniform_profile(1, 3, {}));
  EXPECT_EQ(found.trial.kv_bytes, std::size_t{3 * 2 * kContext});
}

TEST(PolicySearch, NeverEndsOverTheBudgetOrLargerThanDense) {
  for (unsigned seed = 1; seed < 200; ++seed) {
    Pretended model;
    unsigned state = seed * 2654435761u;
    for (int i = 0; i < 1 + static_cast<int>(seed % 9); ++i) {
      state = state * 1664525u + 1013904223u;
      model.needed.push_back(1 << (state >> 28) % 13);
    }
    model.missing_kl = 0.001 * (seed % 7);
    model.q8_kl = 0.0004 * (seed % 5);
    const PolicySearchResult found = search(model);
    EXPECT_LE(found.trial.divergence.kl_mean, 0.005);
    EXPECT_EQ(found.trial.divergence, model.divergence(found.profile));
    EXPECT_EQ(found.trial.kv_bytes, model.bytes(found.profile));
    EXPECT_LE(found.trial.kv_bytes, model.needed.size() * 2 * kContext);
  }
}

TEST(PolicySearch, UsesQ8ForSomeWhenItCostsTooMuchForAll) {
  const Pretended model{.needed = {1, 1, 1, 1}, .q8_kl = 0.0024};
  const PolicySearchResult found = search(model);
  EXPECT_EQ(found.profile.policies[0].kv_format, KvFormat::kQ8);
  EXPECT_EQ(found.profile.policies[1].kv_format, KvFormat::kQ8);
  EXPECT_EQ(found.profile.policies[2].kv_format, KvFormat::kF16);
  EXPECT_EQ(found.profile.policies[3].window_tokens, 16);
}

TEST(PolicySearch, HeadsThatNeedEverythingSelectPagesWhereThatIsEnough) {
  const Pretended model{.needed = {10, 4096, 4096}};
  PolicySearchOptions options = options_for(model);
  const HeadPolicy few{
      .head_class = HeadClass::kRetrieval, .sink_tokens = 4, .window_tokens = 128, .top_pages = 4};
  HeadPolicy more = few;
  more.top_pages = 16;
  options.selections = {few, more};
  const auto selects = [](const HeadPolicy& policy) {
    return policy.head_class == HeadClass::kRetrieval;
  };
  // Key bounds make everything larger by a sixteenth.
  options.bytes = [&](const HeadProfile& profile) {
    const bool bounds = std::any_of(profile.policies.begin(), profile.policies.end(), selects);
    return model.bytes(profile) * (bounds ? 17 : 16) / 16;
  };
  options.bytes_read = [&](const HeadProfile& profile) {
    std::size_t sum = 0;
    for (const HeadPolicy& policy : profile.policies) {
      sum += static_cast<std::size_t>(selects(policy) ? 64 * policy.top_pages
                                                      : Pretended::kept(policy));
    }
    return sum;
  };
  // The second head is content with more pages, the third with none.
  options.divergence = [&](const HeadProfile& profile) -> Result<Divergence> {
    Divergence found = model.divergence(profile);
    if (selects(profile.policies[1]) && profile.policies[1].top_pages < 16) found.kl_mean += 1;
    if (selects(profile.policies[2])) found.kl_mean += 1;
    return found;
  };
  const auto found = search_policies(uniform_profile(1, 3, {}), effects_of(model, 64), options);
  ASSERT_TRUE(found.ok());
  more.kv_format = KvFormat::kQ8;
  EXPECT_EQ(found->profile.policies[0].head_class, HeadClass::kLocal);
  EXPECT_EQ(found->profile.policies[1], more);
  EXPECT_EQ(found->profile.policies[2].head_class, HeadClass::kGlobal);
  EXPECT_EQ(found->trial.kv_bytes, options.bytes(found->profile));
  EXPECT_EQ(found->trial.kv_bytes_read, options.bytes_read(found->profile));

  // Not where bounds cost more than there is to save.
  options.bytes_read = [&](const HeadProfile&) { return std::size_t{1000}; };
  const auto without = search_policies(uniform_profile(1, 3, {}), effects_of(model, 64), options);
  ASSERT_TRUE(without.ok());
  EXPECT_EQ(without->profile.policies[1].head_class, HeadClass::kGlobal);
}

TEST(PolicySearch, ReportsErrors) {
  const Pretended model{.needed = {1}};
  PolicySearchOptions options = options_for(model);
  options.divergence = [](const HeadProfile&) -> Result<Divergence> { return io_error("no"); };
  EXPECT_FALSE(search_policies(uniform_profile(1, 1, {}), {{}}, options).ok());
}

}  // namespace
}  // namespace redknot
