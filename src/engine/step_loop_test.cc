// SPDX-License-Identifier: Apache-2.0
// Who may come and go while the loop turns: many callers, generations destroyed, full pools and
// queues, engines closed. Through the public header alone.
#include "engine/step_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "redknot/redknot.h"
#include "tests/answers.h"
#include "tests/model_maker.h"
#include "tests/wait.h"

namespace redknot {
namespace {

using testing::HasSubstr;
using tests::Answer;
using tests::answer;
using tests::becomes_idle;
using tests::becomes_true;
using tests::greedy_request;
using tests::ModelOnDisk;
using tests::read_all;
using tests::small_engine;
using tests::small_shape;
using tests::TimeLimit;

class StepLoopTest : public testing::Test {
 protected:
  Engine open(int max_sequences = 4, int threads = 1) {
    EngineOptions options = small_engine(model_.path());
    options.max_sequences = max_sequences;
    options.threads = threads;
    return Engine::open(options).value();
  }

  // Holds all pages of an engine of one sequence, and does nothing: nobody reads its logits.
  Generation hold(Engine& engine) {
    Request request = greedy_request(240, 1);
    request.all_logits = true;
    request.max_tokens = 16;
    return engine.generate(request).value();
  }

  ModelOnDisk model_{{.shape = small_shape(Architecture::kLlama), .type = "Q8_0", .seed = 7}};
};

TEST_F(StepLoopTest, ManyThreadsGenerateAtOnceAndEachGetsItsAnswer) {
  constexpr int kCallers = 4, kRequests = 6;
  const TimeLimit limit("four callers and their answers");
  Engine engine = open(/*max_sequences=*/2, /*threads=*/2);
  std::vector<Answer> expected;
  for (int i = 0; i < kRequests; ++i) {
    expected.push_back(answer(engine, greedy_request(1 + 7 * i, static_cast<std::uint64_t>(i))));
  }
  std::vector<std::thread> callers;
  for (int caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; i < kRequests; ++i) {
        const int which = (i + caller) % kRequests;
        const auto seed = static_cast<std::uint64_t>(which);
        Generation generation = engine.generate(greedy_request(1 + 7 * which, seed)).value();
        if ((i + caller) % 3 == 0) {  // changes its mind
          generation.next();
          continue;
        }
        EXPECT_TRUE(read_all(generation) == expected[static_cast<std::size_t>(which)]);
        EXPECT_GE(engine.stats().steps, 1u);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_TRUE(becomes_idle(engine));
}

TEST_F(StepLoopTest, DestroyingAGenerationFreesItsPages) {
  Engine engine = open();
  {
    Generation generation = hold(engine);
    ASSERT_TRUE(generation.next());
    EXPECT_LT(engine.stats().free_pages, engine.stats().total_pages);
  }
  EXPECT_TRUE(becomes_idle(engine));
  EXPECT_EQ(engine.stats().generated_tokens, 0u);
}

TEST_F(StepLoopTest, AssigningOverAGenerationCancelsIt) {
  Engine engine = open(/*max_sequences=*/1);
  Generation generation = hold(engine);
  generation = engine.generate(greedy_request(10, 3)).value();
  EXPECT_EQ(read_all(generation).tokens.size(), 20u);
}

TEST_F(StepLoopTest, ARequestWaitsForPagesAndIsAnsweredOnceTheyAreFree) {
  Engine engine = open(/*max_sequences=*/1);
  const Answer expected = answer(engine, greedy_request(10, 4));
  Generation holder = hold(engine);
  Generation waiting = engine.generate(greedy_request(10, 4)).value();
  ASSERT_TRUE(becomes_true([&] { return engine.stats().waiting > 0; }));
  EXPECT_EQ(engine.stats().sequences, 1);
  EXPECT_EQ(read_all(holder).tokens.size(), 16u);
  EXPECT_TRUE(read_all(waiting) == expected);
  EXPECT_TRUE(becomes_idle(engine));
}

TEST_F(StepLoopTest, ARequestLargerThanAllPagesIsRefused) {
  EngineOptions options = small_engine(model_.path());
  options.kv_bytes = 4 * 5 * 1024;  // 5 pages of 16 tokens for each of 4 heads
  Engine engine = Engine::open(options).value();
  EXPECT_EQ(engine.stats().total_pages, 20);
  EXPECT_EQ(answer(engine, greedy_request(60, 5)).tokens.size(), 20u);
  const auto refused = engine.generate(greedy_request(61, 5));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(refused.error().message(), HasSubstr("KV pages"));
}

TEST_F(StepLoopTest, AFullQueueIsAnAnswerAndPassesWhenItEmpties) {
  Engine engine = open(/*max_sequences=*/1);
  std::optional<Generation> holder = hold(engine);
  ASSERT_TRUE(becomes_true([&] { return engine.stats().sequences > 0; }));
  std::vector<Generation> waiting;
  std::optional<Error> refusal;
  while (!refusal && waiting.size() < 10'000) {
    Result<Generation> generation = engine.generate(greedy_request(1, 6));
    if (generation.ok()) {
      waiting.push_back(std::move(*generation));
    } else {
      refusal = generation.error();
    }
  }
  ASSERT_TRUE(refusal) << waiting.size() << " requests wait";
  EXPECT_EQ(refusal->code(), ErrorCode::kUnavailable);
  EXPECT_THAT(refusal->message(), HasSubstr("waiting"));
  waiting.clear();
  holder.reset();
  std::optional<Generation> later;
  ASSERT_TRUE(becomes_true([&] {
    Result<Generation> generation = engine.generate(greedy_request(1, 6));
    if (generation.ok()) later = std::move(*generation);
    return later.has_value();
  }));
  EXPECT_EQ(read_all(*later).tokens.size(), 20u);
}

TEST_F(StepLoopTest, ClosingAnEngineEndsWhatRunsAndWhatWaitsWithAnError) {
  const TimeLimit limit("the end of what waits for an engine that closes");
  std::optional<Engine> engine = open(/*max_sequences=*/1);
  Generation running = hold(*engine);
  Generation waiting = engine->generate(greedy_request(10, 7)).value();
  std::thread reader([&waiting] {
    const Answer got = read_all(waiting);  // blocked until the engine closes
    EXPECT_EQ(got.finish, FinishReason::kError);
    ASSERT_TRUE(got.error);
    EXPECT_EQ(got.error->code(), ErrorCode::kCancelled);
  });
  EXPECT_TRUE(becomes_true([&] { return engine->stats().waiting > 0; }));
  engine.reset();
  reader.join();
  const Answer got = read_all(running);
  EXPECT_EQ(got.finish, FinishReason::kError);
  ASSERT_TRUE(got.error);
  EXPECT_THAT(got.error->message(), HasSubstr("closed"));
}

TEST_F(StepLoopTest, AnErrorIsThereOnlyAfterTheLastPiece) {
  const TimeLimit limit("the end of an engine");
  std::optional<Engine> engine = open(/*max_sequences=*/1);
  Generation generation = hold(*engine);
  std::atomic<bool> closed{false};
  std::thread reader([&] {
    bool seen = false;
    while (!closed) seen |= generation.error().has_value();
    EXPECT_FALSE(seen) << "before the last piece was read";
  });
  engine.reset();
  closed = true;
  reader.join();
  read_all(generation);
  EXPECT_TRUE(generation.error());
}

TEST_F(StepLoopTest, AGenerationOutlivesItsEngine) {
  std::optional<Engine> engine = open();
  Generation finished = engine->generate(greedy_request(5, 8)).value();
  ASSERT_TRUE(becomes_true([&] { return engine->stats().generated_tokens >= 20; }));
  ASSERT_TRUE(becomes_idle(*engine));
  Generation dropped = hold(*engine);
  engine.reset();
  EXPECT_EQ(read_all(finished).finish, FinishReason::kLength);  // its pieces are still there
}

TEST_F(StepLoopTest, TwoEnginesLiveInOneProcess) {
  const ModelOnDisk other({.shape = small_shape(Architecture::kQwen3Moe), .type = "F16"});
  Engine first = open(), second = Engine::open(small_engine(other.path())).value();
  const Answer first_alone = answer(first, greedy_request(30, 9));
  const Answer second_alone = answer(second, greedy_request(30, 9));
  EXPECT_NE(first_alone.tokens, second_alone.tokens);
  Generation a = first.generate(greedy_request(30, 9)).value();
  Generation b = second.generate(greedy_request(30, 9)).value();
  EXPECT_TRUE(read_all(b) == second_alone);
  EXPECT_TRUE(read_all(a) == first_alone);
}

TEST_F(StepLoopTest, AnEngineMayBeMovedWhileItRuns) {
  Engine engine = open();
  Generation generation = engine.generate(greedy_request(30, 10)).value();
  Engine moved = std::move(engine);
  EXPECT_EQ(read_all(generation).tokens.size(), 20u);
  EXPECT_EQ(answer(moved, greedy_request(30, 10)).tokens.size(), 20u);
}

TEST_F(StepLoopTest, StepsAreNoLongerThanAllSequencesTogether) {
  EngineOptions options = small_engine(model_.path());
  options.context_tokens = 100;
  options.max_sequences = 2;
  options.max_step_tokens = 60'000;
  EXPECT_EQ(EngineCore::open(options).value()->max_step_tokens(), 200);
}

}  // namespace
}  // namespace redknot
