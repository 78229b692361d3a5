// SPDX-License-Identifier: Apache-2.0
// Recording changes nothing of what a run gives, and ends quietly when no more can be written.
#include "step/recording_executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <random>

#include "tests/random_steps.h"
#include "tests/temp_folder.h"

namespace redknot {
namespace {

using testing::HasSubstr;

// Gives logits to the slices that return them, and remembers which did.
class LogitsExecutor final : public Executor {
 public:
  explicit LogitsExecutor(int& returned) : returned_(returned) {}
  StepResult run(const StepPlan& plan) override {
    StepResult result;
    for (const StepSlice& slice : plan.slices) {
      returned_ += slice.returns_logits ? 1 : 0;
      result.slices.push_back({.flops = 1.0 * slice.rows});
      if (slice.returns_logits) result.slices.back().logits = {1, 2, 3.0f + slice.first_row};
    }
    for (const RowSample& sample : plan.samples) {
      result.sampled.push_back({.token = TokenId{sample.row}});
    }
    return result;
  }

 private:
  int& returned_;
};

// Slices with logits that are asked for, with logits that are not, and without.
StepPlan three_slices() {
  StepPlan plan;
  plan.tokens.resize(6);
  plan.positions = {0, 1, 0, 1, 0, 1};
  for (std::uint32_t i = 0; i < 3; ++i) {
    plan.slices.push_back(
        {.sequence = SequenceId{i}, .first_row = static_cast<int>(2 * i), .rows = 2});
  }
  plan.slices[0].returns_logits = true;
  plan.logit_rows = {1, 3};
  plan.samples = {{.row = 1, .position = 2}, {.row = 3, .position = 2}};
  return plan;
}

class RecordingExecutorTest : public testing::Test {
 protected:
  std::unique_ptr<RecordingExecutor> make() {
    std::mt19937 random(1);
    StepWriter writer = StepWriter::create(path_, tests::random_header(random)).value();
    return std::make_unique<RecordingExecutor>(std::make_unique<LogitsExecutor>(returned_),
                                               std::move(writer));
  }

  tests::TempFolder folder_;
  std::string path_ = folder_ / "steps.jsonl";
  int returned_ = 0;  // slices that returned logits to the recorder
};

TEST_F(RecordingExecutorTest, GivesWhatThePlanAsksForAndWritesTheRest) {
  const StepPlan plan = three_slices();
  int unused = 0;
  const auto recording = make();
  EXPECT_EQ(recording->run(plan), LogitsExecutor(unused).run(plan));
  EXPECT_EQ(returned_, 2);
  EXPECT_EQ(recording->recorded_steps(), 1u);
  EXPECT_EQ(recording->why_stopped(), "");
  StepReader reader = StepReader::open(path_).value();
  const RecordedStep step = reader.next().value().value();
  EXPECT_EQ(step.plan, plan);
  EXPECT_EQ(step.sampled[1].token, TokenId{3});
  EXPECT_EQ(step.slices[0].logits.size(), 64u);
  EXPECT_EQ(step.slices[1].logits.size(), 64u);
  EXPECT_NE(step.slices[0].logits, step.slices[1].logits);
  EXPECT_EQ(step.slices[2].logits, "");
}

TEST_F(RecordingExecutorTest, GoesOnWithoutTheFileWhenItCannotBeWritten) {
  const auto recording = make();
  const StepPlan plan = three_slices();
  const StepResult expected = recording->run(plan);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit full{.rlim_cur = std::filesystem::file_size(path_) + 10,
                    .rlim_max = before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  EXPECT_EQ(recording->run(plan), expected);
  EXPECT_EQ(recording->run(plan), expected);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(recording->recorded_steps(), 1u);
  EXPECT_THAT(recording->why_stopped(), HasSubstr("File too large"));
  EXPECT_EQ(returned_, 5);  // asked for all logits no longer
  StepReader reader = StepReader::open(path_).value();
  EXPECT_TRUE(reader.next().value());
  EXPECT_FALSE(reader.next().value());
  EXPECT_TRUE(reader.ends_within_line());
}

}  // namespace
}  // namespace redknot
