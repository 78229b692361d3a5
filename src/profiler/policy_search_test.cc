// SPDX-License-Identifier: Apache-2.0
#include "profiler/policy_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/error.h"
#include "heads/visibility.h"

namespace redknot {
namespace {

constexpr int kContext = 4096;

// A model of which is known what every head needs: what each window costs it falls with the window,
// and together heads cost `together` times the sum. Bytes are tokens kept, half of them for q8.
struct PlantedHeads {
  std::vector<double> importance{};  // by head
  double q8_kl = 0;                  // of a head
  double together = 1;               // what all but formats do together
  int bounds = 0;                    // bytes a head that pages selected by any head add to each

  static int kept(const HeadPolicy& policy) {
    return policy.head_class == HeadClass::kLocal ? policy.window_tokens : kContext;
  }
  std::size_t bytes(const HeadProfile& profile) const {
    std::size_t sum = 0;
    for (const HeadPolicy& policy : profile.policies) {
      sum += static_cast<std::size_t>(kept(policy) * (policy.kv_format == KvFormat::kQ8 ? 1 : 2));
      if (selects_pages(profile)) sum += static_cast<std::size_t>(bounds);
    }
    return sum;
  }
  std::size_t bytes_read(const HeadProfile& profile) const {
    std::size_t sum = 0;
    for (const HeadPolicy& policy : profile.policies) {
      sum += static_cast<std::size_t>(policy.top_pages > 0 ? 64 * policy.top_pages : kept(policy));
    }
    return sum;
  }
  double format_alone(const HeadPolicy& policy) const {
    return policy.kv_format == KvFormat::kQ8 ? q8_kl : 0;
  }
  double read_alone(std::size_t head, const HeadPolicy& policy) const {
    double kl = 0;
    if (policy.head_class == HeadClass::kLocal) {
      kl += importance[head] * std::pow(1 - policy.window_tokens / double{kContext}, 2);
    }
    if (policy.top_pages > 0) kl += importance[head] / (100 * policy.top_pages);
    return kl;
  }
  Divergence divergence(const HeadProfile& profile) const {
    Divergence found{.positions = 1};
    for (std::size_t i = 0; i < importance.size(); ++i) {
      const HeadPolicy& policy = profile.policies[i];
      found.kl_mean += together * read_alone(i, policy) + format_alone(policy);
    }
    return found;
  }

  PolicySearchOptions options() const {
    PolicySearchOptions out;
    for (std::size_t i = 0; i < importance.size(); ++i) {
      std::vector<HeadOption>& own = out.heads.emplace_back();
      for (const KvFormat format : {KvFormat::kF16, KvFormat::kQ8}) {
        std::vector<HeadPolicy> policies = {{}};
        for (const int window : {32, 128, 512, 2048}) {
          policies.push_back(
              {.head_class = HeadClass::kLocal, .sink_tokens = 4, .window_tokens = window});
        }
        policies.push_back({.head_class = HeadClass::kRetrieval,
                            .sink_tokens = 4,
                            .window_tokens = 128,
                            .top_pages = 8});
        for (HeadPolicy policy : policies) {
          policy.kv_format = format;
          const double format_kl = format_alone(policy);
          own.push_back(
              {.policy = policy, .kl = read_alone(i, policy) + format_kl, .format_kl = format_kl});
        }
      }
    }
    out.bytes = [this](const HeadProfile& profile) { return bytes(profile); };
    out.bytes_read = [this](const HeadProfile& profile) { return bytes_read(profile); };
    out.divergence = [this](const HeadProfile& profile) -> Result<Divergence> {
      return divergence(profile);
    };
    return out;
  }
  HeadProfile dense() const { return uniform_profile(1, static_cast<int>(importance.size()), {}); }
  PolicySearchResult search() const {
    const auto found = search_policies(dense(), options());
    EXPECT_TRUE(found.ok());
    return *found;
  }
};

TEST(PolicySearch, HeadsKeepWhatTheyNeedAndNoMore) {
  const PlantedHeads model{.importance = {0, 10, 0, 10}};
  const PolicySearchResult found = model.search();
  for (const std::size_t idle : {0, 2}) {
    EXPECT_EQ(found.profile.policies[idle].window_tokens, 32);
    EXPECT_EQ(found.profile.policies[idle].kv_format, KvFormat::kQ8);
  }
  for (const std::size_t busy : {1, 3}) {
    EXPECT_EQ(found.profile.policies[busy].head_class, HeadClass::kGlobal);
    EXPECT_EQ(found.profile.policies[busy].kv_format, KvFormat::kQ8);
  }
}

TEST(PolicySearch, HoldsTheBudgetWhateverHeadsDoTogether) {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> number(0, 1);
  for (const double together : {0.1, 0.5, 1.0, 3.0, 20.0}) {
    for (int round = 0; round < 20; ++round) {
      PlantedHeads model{.q8_kl = 0.0005 * number(random), .together = together};
      for (int i = 0; i < 40; ++i) model.importance.push_back(std::pow(number(random), 6));
      const PolicySearchResult found = model.search();
      EXPECT_LE(found.trial.divergence.kl_mean, 0.005);
      EXPECT_EQ(found.trial.divergence, model.divergence(found.profile));
      EXPECT_EQ(found.trial.kv_bytes, model.bytes(found.profile));
      EXPECT_LE(found.trials.size(), 9u);
      // As good as with estimates that add up, about.
      PlantedHeads exact = model;
      for (double& importance : exact.importance) importance *= together;
      exact.together = 1;
      EXPECT_LE(static_cast<double>(found.trial.kv_bytes),
                1.1 * static_cast<double>(exact.search().trial.kv_bytes));
    }
  }
}

TEST(PolicySearch, WithoutBudgetOrAnythingWithinItTheProfileIsDense) {
  const PlantedHeads model{.importance = {1, 1, 1}, .q8_kl = 1};
  PolicySearchOptions none = model.options();
  none.budget_kl = 0;
  EXPECT_EQ(search_policies(model.dense(), none)->profile, model.dense());
  PolicySearchOptions never = model.options();
  never.divergence = [&](const HeadProfile& profile) -> Result<Divergence> {
    return Divergence{.kl_mean = profile == model.dense() ? 0.0 : std::nan("")};
  };
  EXPECT_EQ(search_policies(model.dense(), never)->profile, model.dense());
}

TEST(PolicySearch, HeadsSelectPagesWhereThatSavesMoreThanBoundsTake) {
  PlantedHeads model{.importance = {0.5, 0.5, 0.5, 0.5}};
  const auto selecting = [](const PolicySearchResult& found) {
    return std::count_if(found.profile.policies.begin(), found.profile.policies.end(),
                         [](const HeadPolicy& policy) { return policy.top_pages > 0; });
  };
  EXPECT_EQ(selecting(model.search()), 4);
  model.bounds = 2 * kContext;
  EXPECT_EQ(selecting(model.search()), 0);
}

TEST(PolicySearch, GoesOnFromWhatAnotherHasLearned) {
  PlantedHeads model{.q8_kl = 0.0001, .together = 4};
  for (int i = 0; i < 40; ++i) model.importance.push_back(1e-4 * i);
  const PolicySearchResult first = model.search();
  EXPECT_NEAR(first.worth.formats, 1, 1e-9);
  EXPECT_NEAR(first.worth.reads, 4, 0.4);
  PolicySearchOptions less = model.options();
  less.budget_kl = 0.004;
  less.worth = first.worth;
  const auto again = search_policies(model.dense(), less);
  ASSERT_TRUE(again.ok());
  EXPECT_LE(again->trial.divergence.kl_mean, 0.004);
  EXPECT_LE(again->trials.size(), 3u);
  less.worth.reset();
  EXPECT_GT(search_policies(model.dense(), less)->trials.size(), again->trials.size());
}

TEST(PolicySearch, ReportsErrors) {
  const PlantedHeads model{.importance = {1}};
  PolicySearchOptions options = model.options();
  options.divergence = [](const HeadProfile&) -> Result<Divergence> { return io_error("no"); };
  EXPECT_FALSE(search_policies(model.dense(), options).ok());
}

}  // namespace
}  // namespace redknot
