// SPDX-License-Identifier: Apache-2.0
// Runs of an engine are recorded and replayed: equal bits on any number of threads, differences
// where the file was changed, and errors, never a crash, for plans that cannot be run.
#include "engine/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <vector>

#include "engine/engine_core.h"
#include "runtime/cpu_executor.h"
#include "runtime/plan_checker.h"
#include "step/step_file.h"
#include "step/step_json.h"
#include "tests/answers.h"
#include "tests/model_maker.h"
#include "tests/random_steps.h"
#include "tests/temp_folder.h"

namespace redknot {
namespace {

using testing::HasSubstr;

std::vector<int> some_tokens(int count, std::uint64_t seed) {
  std::vector<int> out;
  for (const TokenId token : tests::random_tokens(count, 256, seed)) {
    out.push_back(static_cast<int>(token));
  }
  return out;
}

// Documents in common, every recovery policy, penalties, log-probabilities and leavers, on a
// profile with heads of every class.
class ReplayTest : public testing::Test {
 protected:
  static constexpr int kRequests = 24;

  EngineOptions options() const {
    EngineOptions out = tests::small_engine(model_.path());
    out.profile = profile_.path();
    out.kv.reset();
    out.activations = ActivationFormat::k16;  // not what the model would be opened with
    out.page_tokens = 16;
    out.max_step_tokens = 40;
    out.context_tokens = 256;
    out.max_sequences = 3;
    out.segment_tokens = 256;
    out.record = path_;
    return out;
  }

  Request request(std::mt19937& random) const {
    Request out;
    out.prompt = {token_part(some_tokens(9, 1))};
    for (unsigned count = random() % 3; count > 0; --count) {
      out.prompt.push_back(token_part(some_tokens(40, 100 + random() % 3)));
      out.prompt.back().reusable = true;
    }
    out.prompt.push_back(token_part(some_tokens(static_cast<int>(random() % 30) + 1, random())));
    out.reuse = static_cast<Reuse>(random() % 3);
    out.recovery.policy = static_cast<RecoveryPolicy>(random() % 5);
    out.max_tokens = static_cast<int>(random() % 12);
    out.ignore_end = true;
    out.sampling.seed = random();
    out.sampling.log_probabilities = static_cast<int>(random() % 3) - 1;
    if (random() % 2 == 0) out.sampling.repetition_penalty = 1.3f;
    out.all_logits = random() % 5 == 0;
    return out;
  }

  Stats record() {
    Engine engine = Engine::open(options()).value();
    std::mt19937 random(3);
    std::vector<Generation> generations;
    for (int i = 0; i < kRequests; ++i) {
      const int answers = 1 + static_cast<int>(random() % 2);
      std::vector<Generation> some = engine.generate_several(request(random), answers).value();
      for (Generation& one : some) {
        if (random() % 8 != 0) generations.push_back(std::move(one));  // or its reader leaves
      }
    }
    for (Generation& one : generations) tests::read_all(one);
    return engine.stats();
  }

  std::vector<RecordedStep> steps() const {
    StepReader reader = StepReader::open(path_).value();
    std::vector<RecordedStep> out;
    while (auto step = reader.next().value()) out.push_back(std::move(*step));
    return out;
  }

  std::vector<std::string> lines() const {
    std::ifstream file(path_);
    std::vector<std::string> out;
    for (std::string line; std::getline(file, line);) out.push_back(line);
    return out;
  }

  void write(const std::vector<std::string>& lines) const {
    std::ofstream file(path_);
    for (const std::string& line : lines) file << line << '\n';
  }

  tests::ModelOnDisk model_{
      {.shape = tests::small_shape(Architecture::kLlama), .type = "Q8_0", .seed = 7}};
  tests::ProfileOnDisk profile_{
      model_,
      {{},
       {.head_class = HeadClass::kLocal, .sink_tokens = 4, .window_tokens = 20},
       {.head_class = HeadClass::kRetrieval, .sink_tokens = 4, .window_tokens = 16, .top_pages = 2},
       {.kv_format = KvFormat::kQ8}}};
  tests::TempFolder folder_;
  std::string path_ = folder_ / "steps.jsonl";
};

TEST_F(ReplayTest, StepsOfAnEngineGiveEqualBitsOnAnyNumberOfThreads) {
  const Stats stats = record();
  EXPECT_EQ(stats.recording_stopped, "");
  for (int threads = 1; threads <= 3; ++threads) {
    const Result<ReplayReport> report = replay({.file = path_, .threads = threads});
    ASSERT_TRUE(report.ok()) << report.error().message();
    EXPECT_EQ(report->first_difference, "");
    EXPECT_EQ(report->unequal_steps, 0u);
    EXPECT_GE(report->steps, stats.recorded_steps);
    EXPECT_GT(report->steps, 20u);
    EXPECT_GT(report->rows, report->steps);
    EXPECT_GE(report->sequences, 20u);
    EXPECT_FALSE(report->ends_within_line);
  }
}

TEST_F(ReplayTest, DifferencesAreNamedAndCounted) {
  record();
  std::vector<std::string> text = lines();
  std::vector<RecordedStep> all = steps();
  ASSERT_EQ(text.size(), all.size() + 1);
  std::size_t sampled = 5;
  while (all[sampled].sampled.empty()) ++sampled;
  const int token = static_cast<int>(all[sampled].sampled[0].token);
  all[sampled].sampled[0].token = TokenId{token + 1};
  text[sampled + 1] = to_json(all[sampled]);
  write(text);
  const ReplayReport report = replay({.file = path_, .threads = 1}).value();
  EXPECT_EQ(report.unequal_steps, 1u);
  EXPECT_EQ(report.steps, all.size());
  EXPECT_THAT(report.first_difference, HasSubstr("step " + std::to_string(sampled + 1) + ", seq"));
  EXPECT_THAT(report.first_difference, HasSubstr("sampled " + std::to_string(token) +
                                                 ", recorded " + std::to_string(token + 1)));
}

TEST_F(ReplayTest, OfAnotherModelIsRefused) {
  record();
  const tests::ModelOnDisk other(
      {.shape = tests::small_shape(Architecture::kQwen2), .type = "F32", .seed = 7});
  EXPECT_THAT(replay({.file = path_, .model = other.path(), .threads = 1}).error().message(),
              HasSubstr("recorded on a model with kv_heads 2, this one has 1"));
  EXPECT_THAT(replay({.file = path_, .model = "no_such_model"}).error().message(),
              HasSubstr("no_such_model"));
}

TEST_F(ReplayTest, TheModelsFileIsNotWrittenOver) {
  EngineOptions wrong = options();
  wrong.record = model_.path();
  const Result<Engine> engine = Engine::open(wrong);
  ASSERT_FALSE(engine.ok());
  EXPECT_THAT(engine.error().message(), HasSubstr("this is the model's file"));
}

TEST_F(ReplayTest, PlansArePrinted) {
  record();
  std::string text;
  const auto print = [&text](std::string_view part) -> Status {
    text += part;
    return Done{};
  };
  EXPECT_FALSE(print_steps(path_, print).value());
  EXPECT_THAT(text, HasSubstr("step 1\nsequence "));
  EXPECT_THAT(text, HasSubstr("append page"));
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 5);
  EXPECT_TRUE(print_steps(path_, print).value());
}

// Whatever is changed in a plan, it is refused, or it is run.
TEST_F(ReplayTest, ChangedPlansAreRefusedOrRun) {
  record();
  const std::vector<RecordedStep> all = steps();
  const auto core = EngineCore::open(options()).value();
  const StepFileHeader header = StepReader::open(path_).value().header();
  std::mt19937 random(17);
  int refused = 0, ran = 0;
  for (int round = 0; round < 400; ++round) {
    PlanChecker checker({.profile = core->profile(),
                         .pages = header.pages,
                         .vocabulary_size = header.vocabulary_size,
                         .max_rows = header.max_rows,
                         .max_logit_rows = header.max_logit_rows});
    CpuExecutor executor(core->backend(), core->profile());
    const std::size_t first = random() % all.size();
    for (std::size_t i = 0; i < all.size() && i < first + 3; ++i) {
      StepPlan plan = all[i].plan;
      if (i >= first) tests::change_something(plan, random);
      const Status checked = checker.check(plan);
      ASSERT_TRUE(i >= first || checked.ok()) << checked.error().message();
      if (!checked.ok()) {
        EXPECT_EQ(checked.error().code(), ErrorCode::kCorrupt);
        ++refused;
        break;
      }
      if (i >= first) {
        executor.run(with_all_logits(plan));
        ++ran;
      } else {  // what pages hold does not matter
        executor.run({.page_ops = plan.page_ops});
      }
    }
  }
  EXPECT_GT(refused, 100);
  EXPECT_GT(ran, 50);
}

}  // namespace
}  // namespace redknot
