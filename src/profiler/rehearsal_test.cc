// SPDX-License-Identifier: Apache-2.0
#include "profiler/rehearsal.h"

#include <gtest/gtest.h>

#include "tests/dense_forward.h"
#include "tests/model_maker.h"

namespace redknot {
namespace {

using tests::ModelOnDisk;

HeadPolicy local(int sink, int window) {
  return {.head_class = HeadClass::kLocal, .sink_tokens = sink, .window_tokens = window};
}

class RehearsalTest : public testing::Test {
 protected:
  Rehearsal open() {
    RehearsalOptions options;
    options.engine.model = model_.path();
    options.engine.page_tokens = 16;
    options.engine.context_tokens = 128;
    options.engine.max_step_tokens = 40;
    options.engine.threads = 1;
    options.variants = 3;
    auto rehearsal = Rehearsal::open(options);
    EXPECT_TRUE(rehearsal.ok()) << rehearsal.error().message();
    return std::move(*rehearsal);
  }
  HeadProfile uniform(const Rehearsal& rehearsal, HeadPolicy policy) {
    const ModelConfig& config = rehearsal.model().config();
    return uniform_profile(config.layers, config.kv_heads, policy);
  }
  RehearsedText text(int tokens, int first_measured) {
    return {.tokens = tests::random_tokens(tokens, 300, 3), .first_measured = first_measured};
  }

  ModelOnDisk model_{{.shape = tests::small_shape(Architecture::kLlama), .type = "F32", .seed = 7}};
};

TEST_F(RehearsalTest, StepsDoNotMatter) {
  Rehearsal rehearsal = open();
  const HeadProfile variants[] = {rehearsal.dense(), uniform(rehearsal, local(4, 30))};
  const auto whole = rehearsal.compare(text(100, 10), variants);
  for (const int step_tokens : {1, 7, 1000}) {
    const auto found = rehearsal.compare(text(100, 10), variants, {.step_tokens = step_tokens});
    EXPECT_EQ(found[0].total().kl_mean, 0);
    EXPECT_EQ(found[0].total().positions, 90);
    EXPECT_EQ(found[1].total(), whole[1].total());
  }
}

TEST_F(RehearsalTest, PredictionsMadeBeforeSaveTheDenseRun) {
  Rehearsal rehearsal = open();
  const HeadProfile variant = uniform(rehearsal, local(4, 30));
  for (const int first_measured : {0, 10, 99}) {
    const RehearsedText given = text(100, first_measured);
    const std::size_t floats = static_cast<std::size_t>(100 - first_measured) * 300;
    const std::vector<float> dense = rehearsal.predict(given, floats);
    ASSERT_EQ(dense.size(), floats);
    EXPECT_TRUE(rehearsal.predict(given, floats - 1).empty());
    EXPECT_EQ(rehearsal.compare(given, {&variant, 1}, {.dense = dense})[0].total(),
              rehearsal.compare(given, {&variant, 1})[0].total());
  }
}

TEST_F(RehearsalTest, DenseAndWhatSeesEverythingAreTheSame) {
  Rehearsal rehearsal = open();
  const HeadProfile variants[] = {rehearsal.dense(), uniform(rehearsal, local(0, 128))};
  for (const DivergenceSum& sum : rehearsal.compare(text(100, 10), variants)) {
    EXPECT_EQ(sum.total().positions, 90);
    EXPECT_EQ(sum.total().kl_mean, 0);
  }
  EXPECT_TRUE(rehearsal.core().pool().check());
}

// The slow forward pass under the same profile.
TEST_F(RehearsalTest, AgreesWithMaskedDenseAttention) {
  Rehearsal rehearsal = open();
  HeadProfile profile = uniform(rehearsal, {});
  profile.policies[1] = local(4, 20);
  profile.policies[2] = local(0, 1);
  const RehearsedText given = text(100, 0);
  const Divergence found = rehearsal.compare(given, {&profile, 1})[0].total();
  const ModelConfig& config = rehearsal.model().config();
  const auto expected = [&](const HeadProfile& p) {
    const auto logits = tests::dense_logits(config, rehearsal.model().weights(), p, given.tokens);
    return std::vector<float>(logits.begin(), logits.end());
  };
  const std::vector<float> dense = expected(rehearsal.dense()), masked = expected(profile);
  DivergenceSum sum;
  const auto vocabulary = static_cast<std::size_t>(config.vocabulary_size);
  for (std::size_t i = 0; i < given.tokens.size(); ++i) {
    const auto row = [&](const std::vector<float>& logits) {
      return std::span(logits).subspan(i * vocabulary, vocabulary);
    };
    sum.add({row(dense), -1}, row(masked));
  }
  EXPECT_GT(sum.total().kl_mean, 1e-4);
  EXPECT_NEAR(found.kl_mean, sum.total().kl_mean, 0.02 * sum.total().kl_mean);
}

TEST_F(RehearsalTest, BehindNothingItIsTheWholeComparison) {
  Rehearsal rehearsal = open();
  const HeadProfile variants[] = {uniform(rehearsal, local(2, 8)), rehearsal.dense()};
  const RehearsedText given = text(90, 60);
  const auto whole = rehearsal.compare(given, variants);
  EXPECT_EQ(rehearsal.compare_behind(0, given, variants)[0].total(), whole[0].total());
  const auto behind = rehearsal.compare_behind(60, given, variants);
  EXPECT_EQ(behind[0].total().positions, 30);
  EXPECT_GT(behind[0].total().kl_mean, 0);
  EXPECT_EQ(behind[1].total().kl_mean, 0);
  EXPECT_TRUE(rehearsal.core().pool().check());
}

TEST_F(RehearsalTest, VariantsMayHaveOtherFormats) {
  Rehearsal rehearsal = open();
  const HeadProfile variant = uniform(rehearsal, {.kv_format = KvFormat::kQ8});
  const Divergence found = rehearsal.compare(text(60, 0), {&variant, 1})[0].total();
  EXPECT_GT(found.kl_mean, 0);
  EXPECT_LT(found.kl_mean, 0.05);
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
