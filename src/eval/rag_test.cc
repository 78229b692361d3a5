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
    for (const Question& question : set.prompts) {
      const auto& parts = question.prompt;
      ASSERT_EQ(parts.size(), 5u);
      EXPECT_EQ(parts.front().tokens, set.original.front().tokens);
      EXPECT_FALSE(parts.back().reusable);
      EXPECT_EQ(parts.back().tokens.size(), 6u);
      for (std::size_t i = 1; i < 4; ++i) {
        EXPECT_TRUE(parts[i].reusable);
        EXPECT_TRUE(
            std::any_of(set.original.begin(), set.original.end(),
                        [&](const PromptPart& one) { return one.tokens == parts[i].tokens; }));
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
  // Facts, and what follows from them.
  std::vector<RagSet> task_sets_of(int tasks) const {
    const Tokenizer tokenizer = Tokenizer::open(model_.path()).value();
    std::vector<corpus::Task> all;
    for (int i = 0; i < tasks; ++i) {
      corpus::Task task{.kind = "facts", .answers = {"b" + std::to_string(i)}, .answer_tokens = 3};
      for (const char* text : {"one is a", "two is b", "three is c"}) {
        task.sample.documents.push_back(text + std::to_string(i));
      }
      task.sample.turns = {{corpus::Kind::kOneHop, "what is two?", task.answers.front()}};
      all.push_back(std::move(task));
    }
    return task_sets(all, {}, Prompter(PromptStyle::kPlain, tokenizer)).value();
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
    const TrialOptions trial{
        .on_prompt = [&done](std::span<const RagSample> samples, double fraction) {
          EXPECT_EQ(samples.size(), 3u);
          done = fraction;
        }};
    const auto samples = try_arms({engine}, sets, arms(), trial).value();
    EXPECT_EQ(done, 1);
    ASSERT_EQ(samples.size(), 3u);
    const auto all = arms();
    const RagRow dense = summarize(all[0], samples[0], samples[0], 1);
    const RagRow none = summarize(all[1], samples[1], samples[0], 1);
    const RagRow whole = summarize(all[2], samples[2], samples[0], 1);
    EXPECT_EQ(dense.n, 5);
    EXPECT_NEAR(whole.kl_mean, 0, 1e-7);  // sums over other cuts
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

TEST_F(RagTrialTest, DocumentsOfATaskAreKnownAndComeInAnotherOrder) {
  for (const RagSet& set : task_sets_of(4)) {
    ASSERT_EQ(set.prompts.size(), 1u);
    std::vector<std::vector<int>> known, asked;
    for (const PromptPart& part : set.original) known.push_back(part.tokens);
    for (const PromptPart& part : set.prompts[0].prompt) asked.push_back(part.tokens);
    asked.pop_back();
    EXPECT_NE(known, asked);
    std::sort(known.begin(), known.end());
    std::sort(asked.begin(), asked.end());
    EXPECT_EQ(known, asked);
  }
}

TEST_F(RagTrialTest, LikelihoodOfTheExpectedAnswerIsThatOfTheArm) {
  Engine engine = open();
  const auto sets = task_sets_of(3);
  const auto samples = try_arms({engine}, sets, arms(), {}).value();
  const auto all = arms();
  const RagRow dense = summarize(all[0], samples[0], samples[0], 1);
  const RagRow none = summarize(all[1], samples[1], samples[0], 1);
  const RagRow whole = summarize(all[2], samples[2], samples[0], 1);
  ASSERT_TRUE(dense.gold_log_probability && none.gold_log_probability);
  EXPECT_LT(dense.gold_log_probability->mean, -1);
  EXPECT_EQ(dense.gold_log_probability->against_dense, 0);
  EXPECT_NEAR(whole.gold_log_probability->mean, dense.gold_log_probability->mean, 1e-5);
  EXPECT_NE(none.gold_log_probability->mean, dense.gold_log_probability->mean);
  EXPECT_EQ(none.measure, "f1");
  EXPECT_EQ(whole.recovered_tokens, samples[2][0].usage.adopted_tokens);
}

TEST_F(RagTrialTest, NoiseIsDenseAttentionThatRoundsOtherwise) {
  Engine engine = open();
  EngineOptions rounded = tests::small_engine(model_.path());
  rounded.context_tokens = 256;
  rounded.kv = KvFormat::kQ8;
  Engine other = Engine::open(rounded).value();
  std::vector<RagArm> all = arms();
  all.push_back({.name = "noise", .reuse = Reuse::kNone, .is_noise = true});
  const auto samples =
      try_arms({.usual = engine, .noise = &other}, task_sets_of(3), all, {}).value();
  const RagRow noise = summarize(all[3], samples[3], samples[0], 1);
  EXPECT_GT(noise.kl_mean, 0);
  EXPECT_LT(noise.kl_mean, summarize(all[1], samples[1], samples[0], 1).kl_mean);
  EXPECT_NE(noise.gold_log_probability->against_dense, 0);
  EXPECT_EQ(noise.recovered_tokens, 0);
}

TEST_F(RagTrialTest, AQuestionWithoutDocumentsIsTheSameUnderAllArms) {
  Engine engine = open();
  std::vector<RagSet> sets(1);
  sets[0].prompts = {task_sets_of(1)[0].prompts[0]};
  sets[0].prompts[0].prompt = {token_part({5, 6, 7, 8})};
  const auto samples = try_arms({engine}, sets, arms(), {}).value();
  for (const auto& of_arm : samples) {
    ASSERT_EQ(of_arm.size(), 1u);
    EXPECT_EQ(of_arm[0].answer, samples[0][0].answer);
    EXPECT_EQ(of_arm[0].gold_log_probability, samples[0][0].gold_log_probability);
    EXPECT_EQ(of_arm[0].kl_sum, 0);
  }
}

TEST_F(RagTrialTest, WhenStoppedAllArmsHaveHadTheSamePrompts) {
  Engine engine = open();
  int prompts = 0;
  const TrialOptions trial{.stop = [&] { return prompts == 2; },
                           .on_prompt = [&](std::span<const RagSample>, double) { ++prompts; }};
  const auto samples = try_arms({engine}, task_sets_of(4), arms(), trial).value();
  for (const auto& of_arm : samples) EXPECT_EQ(of_arm.size(), 2u);
}

}  // namespace
}  // namespace redknot::eval
