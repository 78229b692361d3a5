// SPDX-License-Identifier: Apache-2.0
#include "profiler/profiling.h"

#include <gtest/gtest.h>

#include "tests/model_maker.h"
#include "tests/temp_folder.h"

namespace redknot {
namespace {

class ProfilingTest : public testing::Test {
 protected:
  ProfilingTest() {
    options_.engine.model = model_.path();
    options_.engine.page_tokens = 16;
    options_.engine.context_tokens = 160;
    options_.trial.window_tokens = 16;
    options_.windows = {16, 32, 64};
    options_.budget_kl = 0.01;
    options_.journal = folder_ / "journal";
  }

  static CalibrationText text(std::uint64_t seed) {
    CalibrationText text{.description = "random tokens"};
    for (int i = 0; i < 3; ++i) {
      text.sequences.push_back(
          {.tokens = tests::random_tokens(150, 300, seed + static_cast<std::uint64_t>(i)),
           .first_compared = 75});
    }
    return text;
  }

  ProfilingResult make() {
    const auto result = make_profile(options_, text(1), text(100));
    EXPECT_TRUE(result.ok()) << result.error().message();
    return *result;
  }

  tests::ModelOnDisk model_{
      {.shape = tests::small_shape(Architecture::kLlama), .type = "F16", .seed = 2}};
  tests::TempFolder folder_;
  ProfilingOptions options_;
};

TEST_F(ProfilingTest, HoldsTheBudgetAndBringsItsEvidence) {
  const ProfilingResult made = make();
  const ProfileFile& file = made.file;
  ASSERT_TRUE(file.validated && file.calibration && file.validation);
  ASSERT_FALSE(file.curve.empty());
  EXPECT_EQ(file.curve[0].kv_bytes, file.calibration->dense_bytes);
  EXPECT_EQ(file.curve[0].divergence.kl_mean, 0);  // dense against dense
  EXPECT_LT(file.validated->kv_bytes, file.validation->dense_bytes);
  EXPECT_EQ(file.validated->divergence.positions, 3 * 75);  // all texts have their say
  EXPECT_LE(file.validated->divergence.kl_mean, options_.budget_kl);
  EXPECT_NE(file.calibration->sha256, file.validation->sha256);
  EXPECT_EQ(file.calibration->tokens, 450);
  EXPECT_EQ(file.calibration->context_tokens, 150);
  ASSERT_EQ(file.heads.size(), file.profile.policies.size());
  for (const HeadEvidence& head : file.heads) EXPECT_GT(head.prefix_shift, 0.0);
  EXPECT_LE(made.found, 1u);                       // a choice may be what formats were tried with
  const auto read = parse_profile(to_json(file));  // its numbers are rounded
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(read->profile, file.profile);
  EXPECT_EQ(to_json(*read), to_json(file));
}

TEST_F(ProfilingTest, GoesOnFromTheJournal) {
  const ProfilingResult first = make();
  const ProfilingResult again = make();
  EXPECT_EQ(again.file, first.file);
  EXPECT_EQ(again.made, 0u);
  EXPECT_EQ(again.found, first.made + first.found);
  // What was measured on other text says nothing.
  const auto other = make_profile(options_, text(50), text(100));
  ASSERT_TRUE(other.ok());
  EXPECT_GT(other->made, 1u);
}

TEST_F(ProfilingTest, WithAllTheBudgetEverythingIsLocal) {
  options_.budget_kl = 1e6;
  for (const HeadPolicy& policy : make().file.profile.policies) {
    EXPECT_EQ(policy.head_class, HeadClass::kLocal);
    // Values of 16 numbers would take no less in 4 bits.
    EXPECT_EQ(policy.kv_format, KvFormat::kQ8);
  }
}

TEST_F(ProfilingTest, WithoutBudgetNothingChanges) {
  options_.budget_kl = 0;
  const ProfilingResult made = make();
  for (const HeadPolicy& policy : made.file.profile.policies) {
    EXPECT_EQ(policy, HeadPolicy{});
  }
  EXPECT_EQ(made.file.validated->divergence.kl_mean, 0);
}

}  // namespace
}  // namespace redknot
