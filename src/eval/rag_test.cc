// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "eval/rag_trial.h"
#include "tests/answers.h"
#include "tests/model_maker.h"

namespace redknot::eval {
namespace {

RagOptions small_workload() {
  return {.documents = 3,
          .length = 20,
          .questions = 5,
          .questions_per_set = 3,
          .seed = 4,
          .question_tokens = 6};
}

TEST(RagWorkload, AsksAboutTheSameDocumentsInOtherOrders) {
  const std::vector<RagSet> sets = random_sets(small_workload(), 200);
  ASSERT_EQ(sets.size(), 2u);
  EXPECT_EQ(sets[0].prompts.size(), 3u);
  EXPECT_EQ(sets[1].prompts.size(), 2u);
  for (const RagSet& set : sets) {
    for (const RagPrompt& prompt : set.prompts) {
      ASSERT_EQ(prompt.parts.size(), 5u);
      EXPECT_EQ(prompt.parts.front().tokens, set.original.front().tokens);
      EXPECT_FALSE(prompt.parts.back().reusable);
      EXPECT_EQ(prompt.parts.back().tokens.size(), 6u);
      for (std::size_t i = 1; i < 4; ++i) {
        EXPECT_TRUE(prompt.parts[i].reusable);
        EXPECT_TRUE(std::any_of(
            set.original.begin(), set.original.end(),
            [&](const PromptPart& one) { return one.tokens == prompt.parts[i].tokens; }));
      }
    }
  }
  RagOptions other = small_workload();
  other.seed = 5;
  EXPECT_NE(random_sets(other, 200)[0].original.front().tokens, sets[0].original.front().tokens);
}

class RagTrialTest : public testing::Test {
 protected:
  Engine open() const {
    EngineOptions options = tests::small_engine(model_.path());
    options.context_tokens = 256;
    options.segment_tokens = 2048;
    return Engine::open(options).value();
  }
  static std::vector<RagArm> arms() {
    return {{.name = "dense", .reuse = Reuse::kNone},
            {.name = "none", .recovery = {.policy = RecoveryPolicy::kNone}},
            {.name = "boundary",
             .ratio = 1,
             .recovery = {.policy = RecoveryPolicy::kBoundary, .ratio = 1}}};
  }
  tests::ModelOnDisk model_{
      {.shape = tests::small_shape(Architecture::kQwen3), .type = "Q8_0", .seed = 7}};
};

TEST_F(RagTrialTest, EverythingRecoveredIsDenseAndNothingIsNot) {
  for (const double new_rate : {0.0, 1.0}) {
    RagOptions workload = small_workload();
    workload.new_rate = new_rate;
    Engine engine = open();
    const auto sets = random_sets(workload, 200);
    double done = 0;
    const auto samples =
        try_arms(engine, sets, arms(), 3, [&done](double fraction) { done = fraction; }).value();
    EXPECT_EQ(done, 1);
    ASSERT_EQ(samples.size(), 3u);
    const auto all = arms();
    const RagRow dense = summarize(all[0], samples[0], samples[0], 1);
    const RagRow none = summarize(all[1], samples[1], samples[0], 1);
    const RagRow whole = summarize(all[2], samples[2], samples[0], 1);
    EXPECT_EQ(dense.n, 5);
    EXPECT_EQ(whole.kl_mean, 0);
    EXPECT_EQ(whole.same_top1, 1);
    EXPECT_EQ(whole.recomputed, 1);
    EXPECT_GT(none.kl_mean, 1e-6);
    EXPECT_EQ(none.recomputed, 0);
    EXPECT_GT(none.kv_shared_bytes, none.kv_private_bytes);
    EXPECT_EQ(dense.kv_shared_bytes, 0);
    EXPECT_LT(none.flops, dense.flops);
    // Documents that come unannounced are computed when they are met first, by every arm.
    const int built = samples[1].front().usage.built_tokens;
    EXPECT_EQ(built, new_rate == 0 ? 0 : 16 + 3 * 20);
    EXPECT_EQ(samples[2].front().usage.built_tokens, built);
  }
}

}  // namespace
}  // namespace redknot::eval
