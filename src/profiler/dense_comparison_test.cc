// SPDX-License-Identifier: Apache-2.0
#include "profiler/dense_comparison.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/dense_forward.h"
#include "tests/model_maker.h"

namespace redknot {
namespace {

using tests::ModelOnDisk;

HeadPolicy local(int sink, int window) {
  return {.head_class = HeadClass::kLocal, .sink_tokens = sink, .window_tokens = window};
}

class DenseComparisonTest : public testing::Test {
 protected:
  DenseComparison open() {
    EngineOptions options;
    options.model = model_.path();
    options.page_tokens = 16;
    options.context_tokens = 128;
    options.max_step_tokens = 40;
    options.threads = 1;
    auto comparison = DenseComparison::open(options);
    EXPECT_TRUE(comparison.ok()) << comparison.error().message();
    return std::move(*comparison);
  }
  HeadProfile uniform(const DenseComparison& comparison, HeadPolicy policy) {
    const ModelConfig& config = comparison.model().config();
    return uniform_profile(config.layers, config.kv_heads, policy);
  }
  ComparedText text(int tokens, int first_compared) {
    return {.tokens = tests::random_tokens(tokens, 300, 3), .first_compared = first_compared};
  }

  ModelOnDisk model_{{.shape = tests::small_shape(Architecture::kLlama), .type = "F32", .seed = 7}};
};

TEST_F(DenseComparisonTest, StepsDoNotMatter) {
  DenseComparison comparison = open();
  const HeadProfile variant = uniform(comparison, local(4, 30));
  const Divergence whole = comparison.compare(text(100, 10), variant).total();
  for (const int step_tokens : {1, 7, 1000}) {
    const DenseComparison::How how{.step_tokens = step_tokens};
    const Divergence dense = comparison.compare(text(100, 10), comparison.dense(), how).total();
    EXPECT_EQ(dense.kl_mean, 0);
    EXPECT_EQ(dense.positions, 90);
    EXPECT_EQ(comparison.compare(text(100, 10), variant, how).total(), whole);
  }
}

TEST_F(DenseComparisonTest, PredictionsMadeBeforeSaveTheDenseRun) {
  DenseComparison comparison = open();
  const HeadProfile variant = uniform(comparison, local(4, 30));
  for (const int first_compared : {0, 10, 99}) {
    const ComparedText given = text(100, first_compared);
    const std::size_t floats = static_cast<std::size_t>(100 - first_compared) * 300;
    const std::vector<float> dense = comparison.predict(given, floats);
    ASSERT_EQ(dense.size(), floats);
    EXPECT_TRUE(comparison.predict(given, floats - 1).empty());
    EXPECT_EQ(comparison.compare(given, variant, {.dense = dense}).total(),
              comparison.compare(given, variant).total());
  }
}

TEST_F(DenseComparisonTest, DenseAndWhatSeesEverythingAreTheSame) {
  DenseComparison comparison = open();
  for (const HeadProfile& variant : {comparison.dense(), uniform(comparison, local(0, 128))}) {
    const Divergence found = comparison.compare(text(100, 10), variant).total();
    EXPECT_EQ(found.positions, 90);
    EXPECT_EQ(found.kl_mean, 0);
  }
  EXPECT_TRUE(comparison.core().pages().check());
}

// The slow forward pass under the same profile.
TEST_F(DenseComparisonTest, AgreesWithMaskedDenseAttention) {
  DenseComparison comparison = open();
  HeadProfile profile = uniform(comparison, {});
  profile.policies[1] = local(4, 20);
  profile.policies[2] = local(0, 1);
  const ComparedText given = text(100, 0);
  const Divergence found = comparison.compare(given, profile).total();
  const ModelConfig& config = comparison.model().config();
  const auto expected = [&](const HeadProfile& p) {
    const auto logits = tests::dense_logits(config, comparison.model().weights(), p, given.tokens);
    return std::vector<float>(logits.begin(), logits.end());
  };
  const std::vector<float> dense = expected(comparison.dense()), masked = expected(profile);
  DivergenceSum sum;
  const auto vocabulary = static_cast<std::size_t>(config.vocabulary_size);
  for (std::size_t i = 0; i < given.tokens.size(); ++i) {
    const auto row = [&](const std::vector<float>& logits) {
      return std::span(logits).subspan(i * vocabulary, vocabulary);
    };
    sum.add(diverge({row(dense), -1}, row(masked)));
  }
  EXPECT_GT(sum.total().kl_mean, 1e-4);
  EXPECT_NEAR(found.kl_mean, sum.total().kl_mean, 0.02 * sum.total().kl_mean);
}

TEST(ComparedPositions, AreAllOrRunsThatReachTheEnd) {
  ComparedText text{.tokens = std::vector<TokenId>(1000), .first_compared = 100};
  EXPECT_EQ(compared_positions(text).size(), 900u);
  EXPECT_EQ(compared_positions(text).front(), 100);
  for (const int most : {1, 16, 100, 899, 900, 5000}) {
    text.most_compared = most;
    const std::vector<int> found = compared_positions(text);
    EXPECT_EQ(found.back(), 999);
    EXPECT_GE(found.front(), 100);
    EXPECT_TRUE(std::is_sorted(found.begin(), found.end()));
    EXPECT_LE(found.size(), static_cast<std::size_t>(std::min(most, 900) + kComparedRun));
    EXPECT_GE(found.size(), static_cast<std::size_t>(std::min(most, 900) / 2));
  }
}

TEST_F(DenseComparisonTest, ComparesTheSamePositionsOfAText) {
  DenseComparison comparison = open();
  const HeadProfile variant = uniform(comparison, local(4, 30));
  ComparedText some = text(120, 10);
  some.most_compared = 48;
  const DivergenceSum all = comparison.compare(text(120, 10), variant);
  const std::vector<int> positions = compared_positions(some);
  DivergenceSum expected = comparison.compare(some, variant);
  ASSERT_EQ(expected.kl().size(), positions.size());
  for (std::size_t i = 0; i < positions.size(); ++i) {
    EXPECT_EQ(expected.kl()[i], all.kl()[static_cast<std::size_t>(positions[i] - 10)]);
  }
  const std::vector<float> dense = comparison.predict(some, 1 << 20);
  EXPECT_EQ(comparison.compare(some, variant, {.step_tokens = 7, .dense = dense}).total(),
            expected.total());
}

TEST_F(DenseComparisonTest, BehindNothingItIsTheWholeComparison) {
  DenseComparison comparison = open();
  const HeadProfile variants[] = {uniform(comparison, local(2, 8)), comparison.dense()};
  const ComparedText given = text(90, 0);
  const auto all = comparison.compare_behind(comparison.pass(0, given, 0), given, variants);
  EXPECT_EQ(all[0].total(), comparison.compare(given, variants[0]).total());
  const auto behind = comparison.compare_behind(comparison.pass(64, given, 0), given, variants);
  EXPECT_EQ(behind[0].total().positions, 26);
  EXPECT_GT(behind[0].total().kl_mean, 0);
  EXPECT_EQ(behind[1].total().kl_mean, 0);
  EXPECT_TRUE(comparison.core().pages().check());
}

TEST_F(DenseComparisonTest, APassGivesWhatPredictGives) {
  DenseComparison comparison = open();
  ComparedText given = text(100, 30);
  given.most_compared = 40;
  const std::vector<float> expected = comparison.predict(given, 1 << 20);
  for (const int shared : {0, 48, 96}) {
    const auto pass = comparison.pass(shared, given, expected.size());
    EXPECT_EQ(pass.logits, expected);
    EXPECT_EQ(pass.logits_behind.size(), static_cast<std::size_t>(100 - shared) * 300);
    EXPECT_EQ(pass.prefix.length(), shared);
    EXPECT_TRUE(comparison.pass(shared, given, expected.size() - 1).logits.empty());
  }
}

// Variants of one step, whatever their policies and formats, are what each is alone.
TEST_F(DenseComparisonTest, ManyBehindOnePrefixAreEachAsAlone) {
  DenseComparison comparison = open();
  const ComparedText given = text(120, 0);
  const auto pass = comparison.pass(80, given, 0);
  std::vector<HeadProfile> variants;
  for (int i = 0; i < 21; ++i) {
    HeadProfile& profile = variants.emplace_back(comparison.dense());
    HeadPolicy& policy = profile.policies[static_cast<std::size_t>(i) % profile.policies.size()];
    if (i % 3 != 0) policy = local(i % 4, 1 + i);
    if (i % 5 == 0) {
      policy = {.head_class = HeadClass::kRetrieval, .window_tokens = 16, .top_pages = 2};
    }
    if (i % 2 == 0) policy.kv_format = KvFormat::kQ8;
    if (i % 4 == 1) policy.kv_format = KvFormat::kK8V4;
    if (i % 7 == 0) {
      for (HeadPolicy& one : profile.policies) one.kv_format = KvFormat::kQ8;
    }
  }
  const auto together = comparison.compare_behind(pass, given, variants);
  ASSERT_EQ(together.size(), variants.size());
  for (std::size_t i = 0; i < variants.size(); ++i) {
    const auto alone = comparison.compare_behind(pass, given, {&variants[i], 1});
    EXPECT_EQ(together[i].total(), alone[0].total()) << i;
    EXPECT_EQ(together[i].total().kl_mean > 0, !(variants[i] == comparison.dense())) << i;
  }
  EXPECT_TRUE(comparison.core().pages().check());
}

// Behind a prefix, other formats move predictions by about what they do from the start.
TEST_F(DenseComparisonTest, APrefixIsRoundedToTheFormatsOfVariants) {
  DenseComparison comparison = open();
  const ComparedText given = text(112, 96);
  const auto pass = comparison.pass(96, given, 0);
  for (const KvFormat format : {KvFormat::kQ8, KvFormat::kK8V4}) {
    for (const HeadPolicy& policy :
         {HeadPolicy{.kv_format = format}, HeadPolicy{.head_class = HeadClass::kRetrieval,
                                           .window_tokens = 16,
                                           .kv_format = format,
                                           .top_pages = 8}}) {
      const HeadProfile rounded = uniform(comparison, policy);
      const auto found = comparison.compare_behind(pass, given, {&rounded, 1});
      const double behind = found[0].total().kl_mean;
      const double whole = comparison.compare(given, rounded).total().kl_mean;
      EXPECT_GT(behind, whole / 4) << name(format);
      EXPECT_LT(behind, whole * 4) << name(format);
    }
  }
}

TEST_F(DenseComparisonTest, VariantsMayHaveOtherFormats) {
  DenseComparison comparison = open();
  const HeadProfile variant = uniform(comparison, {.kv_format = KvFormat::kQ8});
  const Divergence found = comparison.compare(text(60, 0), variant).total();
  EXPECT_GT(found.kl_mean, 0);
  EXPECT_LT(found.kl_mean, 0.05);
}

TEST_F(DenseComparisonTest, VariantsMaySelectPagesAlsoBehindADensePart) {
  DenseComparison comparison = open();
  HeadPolicy policy{.head_class = HeadClass::kRetrieval, .window_tokens = 16, .top_pages = 8};
  const HeadProfile all = uniform(comparison, policy);
  policy.top_pages = 1;
  const HeadProfile variants[] = {all, uniform(comparison, policy)};
  const ComparedText given = text(120, 90);
  EXPECT_EQ(comparison.compare(given, all).total().kl_mean, 0);
  const Divergence found = comparison.compare(given, variants[1]).total();
  EXPECT_GT(found.kl_mean, 0);
  EXPECT_EQ(comparison.compare(given, variants[1], {.step_tokens = 7}).total(), found);
  const auto behind = comparison.compare_behind(comparison.pass(80, given, 0), given, variants);
  EXPECT_EQ(behind[0].total().kl_mean, 0);
  EXPECT_GT(behind[1].total().kl_mean, 0);
}

TEST(KvBytes, OfADecodedTokenAreThoseItAttendsToAndBounds) {
  const PageShape shape{.page_tokens = 16, .head_dim = 32};
  const std::size_t page = shape.bytes(KvFormat::kF16);
  HeadProfile profile = uniform_profile(1, 2, {});
  EXPECT_EQ(kv_bytes_read(profile, shape, 320), 2 * 20 * page);
  profile.policies[0] = {.head_class = HeadClass::kLocal, .sink_tokens = 16, .window_tokens = 32};
  EXPECT_EQ(kv_bytes_read(profile, shape, 320), (3 + 20) * page);
  profile.policies[1] = {.head_class = HeadClass::kRetrieval, .window_tokens = 16, .top_pages = 4};
  const std::size_t bounds = std::size_t{4} * 32;
  EXPECT_EQ(kv_bytes_read(profile, shape, 320), (3 + 5) * page + 20 * bounds);
  EXPECT_EQ(kv_bytes(profile, shape, 320), (20 + 1 + 3) * (page + bounds));
}

TEST(KvBytes, CountWholePages) {
  const PageShape shape{.page_tokens = 16, .head_dim = 32};
  HeadProfile profile = uniform_profile(1, 2, {});
  EXPECT_EQ(kv_bytes(profile, shape, 100), 2 * 7 * shape.bytes(KvFormat::kF16));
  profile.policies[1] = {.head_class = HeadClass::kLocal,
                         .sink_tokens = 4,
                         .window_tokens = 16,
                         .kv_format = KvFormat::kQ8};
  EXPECT_EQ(kv_bytes(profile, shape, 100),
            7 * shape.bytes(KvFormat::kF16) + 3 * shape.bytes(KvFormat::kQ8));
}

}  // namespace
}  // namespace redknot
