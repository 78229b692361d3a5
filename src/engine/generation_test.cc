// SPDX-License-Identifier: Apache-2.0
// How pieces reach whoever does not want to wait for them, and what ends a queue.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
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
using tests::becomes_true;
using tests::greedy_request;
using tests::ModelOnDisk;
using tests::read_all;
using tests::small_engine;
using tests::small_shape;

class GenerationTest : public testing::Test {
 protected:
  ModelOnDisk model_{{.shape = small_shape(Architecture::kLlama), .type = "Q8_0", .seed = 7}};
};

// Counts calls, and waits for them.
class Calls {
 public:
  void add() {
    {
      const std::lock_guard lock(mutex_);
      ++count_;
    }
    changed_.notify_all();
  }
  // Whether there are, in time.
  bool become_more_than(int count) {
    std::unique_lock lock(mutex_);
    const std::chrono::seconds limit(tests::kPatienceSeconds);
    return changed_.wait_for(lock, limit, [&] { return count_ > count; });
  }
  int count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

// Keeps the loop of an engine, which has room for one more sequence, where it is: what is asked for
// meanwhile begins when it is let go, and nothing of it has happened before.
class HeldLoop {
 public:
  explicit HeldLoop(Engine& engine) : holder_(engine.generate(many_pieces()).value()) {
    holder_->notify([this] {
      if (std::this_thread::get_id() == owner_) return;
      held_ = true;
      EXPECT_TRUE(becomes_true([this] { return let_go_.load(); }));
    });
    // It has more pieces than it makes ahead of its reader, so one of them is still to come.
    EXPECT_TRUE(becomes_true([this] {
      if (!held_) holder_->try_next();
      return held_.load();
    }));
  }
  ~HeldLoop() { let_go(); }
  HeldLoop(const HeldLoop&) = delete;
  HeldLoop& operator=(const HeldLoop&) = delete;

  void let_go() {
    let_go_ = true;
    holder_.reset();
  }

 private:
  static Request many_pieces() {
    Request request = greedy_request(1, 1);
    request.all_logits = true;
    return request;
  }

  const std::thread::id owner_ = std::this_thread::get_id();
  std::atomic<bool> held_{false}, let_go_{false};
  std::optional<Generation> holder_;
};

TEST_F(GenerationTest, TryNextGivesWhatNextGives) {
  Engine engine = Engine::open(small_engine(model_.path())).value();
  const Answer expected = answer(engine, greedy_request(40, 1));
  Calls calls;
  Generation generation = engine.generate(greedy_request(40, 1)).value();
  generation.notify([&calls] { calls.add(); });
  EXPECT_GE(calls.count(), 1);
  std::vector<int> tokens;
  for (bool ended = false; !ended;) {
    const int before = calls.count();
    const std::optional<Piece> piece = generation.try_next();
    if (!piece) {
      ASSERT_TRUE(calls.become_more_than(before));
      continue;
    }
    if (piece->token >= 0) tokens.push_back(piece->token);
    ended = piece->finish != FinishReason::kNone;
  }
  EXPECT_EQ(tokens, expected.tokens);
  EXPECT_FALSE(generation.try_next());
  EXPECT_FALSE(generation.next());
}

TEST_F(GenerationTest, NobodyIsNotifiedOnceItReturnedOrTheGenerationIsGone) {
  Engine engine = Engine::open(small_engine(model_.path())).value();
  for (const bool destroy : {false, true}) {
    std::atomic<bool> alive{true}, late{false};
    std::optional<Generation> generation = engine.generate(greedy_request(40, 2)).value();
    generation->notify([&] {
      if (!alive.load()) late = true;
    });
    ASSERT_TRUE(generation->next());
    if (destroy) {
      generation.reset();
    } else {
      generation->notify(nullptr);
    }
    alive = false;
    answer(engine, greedy_request(40, 3));
    EXPECT_FALSE(late);
  }
}

TEST_F(GenerationTest, ANotifiedOneMaySetAnother) {
  Engine engine = Engine::open(small_engine(model_.path())).value();
  HeldLoop loop(engine);
  Calls calls;
  Generation generation = engine.generate(greedy_request(10, 2)).value();
  generation.notify([&] { generation.notify([&calls] { calls.add(); }); });
  loop.let_go();
  EXPECT_TRUE(calls.become_more_than(3));
  EXPECT_EQ(read_all(generation).tokens.size(), 20u);
}

TEST_F(GenerationTest, TheLastPieceNamesTheStopString) {
  Engine engine = Engine::open(small_engine(model_.path())).value();
  Request request = greedy_request(10, 7);
  request.max_tokens = 60;
  const std::string whole = answer(engine, request).text;
  const std::string stop = whole.substr(whole.size() / 2, 3);
  request.stop = {"never in the text of a random model", stop};
  for (const bool stops : {true, false}) {
    if (!stops) request.stop.pop_back();
    Generation generation = engine.generate(request).value();
    std::string stopped_by;
    while (const std::optional<Piece> piece = generation.next()) stopped_by = piece->stopped_by;
    EXPECT_EQ(stopped_by, stops ? stop : "");
  }
}

TEST_F(GenerationTest, MoreThanMayWaitAreRefusedUntilTheyBegin) {
  EngineOptions options = small_engine(model_.path());
  options.max_running = 1;
  options.max_waiting = 2;
  Engine engine = Engine::open(options).value();
  Request slow = greedy_request(100, 3);
  slow.all_logits = true;  // nobody reads them, so it stays
  std::optional<Generation> running = engine.generate(slow).value();
  ASSERT_TRUE(running->next());
  std::optional<Generation> first = engine.generate(greedy_request(5, 1)).value();
  Generation second = engine.generate(greedy_request(5, 2)).value();
  const auto third = engine.generate(greedy_request(5, 3));
  ASSERT_FALSE(third.ok());
  EXPECT_EQ(third.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(third.error().message(), HasSubstr("2 requests are waiting already"));
  running.reset();
  const Answer got = read_all(second);
  EXPECT_EQ(got.tokens.size(), 20u);
  EXPECT_GT(got.usage.queue_seconds, 0);
  EXPECT_LE(got.usage.queue_seconds, got.usage.prompt_seconds);
  EXPECT_TRUE(engine.generate(greedy_request(5, 3)).ok());
}

TEST_F(GenerationTest, MoreRunThanTheLeastRowsOfLogits) {
  EngineOptions options = small_engine(model_.path());
  options.max_sequences = 80;
  options.context_tokens = 32;
  options.max_step_tokens = 100;
  options.max_running = 80;
  Engine engine = Engine::open(options).value();
  EXPECT_EQ(engine.context_tokens(), 32);
  Request request = greedy_request(4, 5);
  const Answer expected = answer(engine, request);
  HeldLoop loop(engine);
  std::atomic<int> most{0};
  std::vector<Generation> generations;
  for (int i = 0; i < 80; ++i) generations.push_back(engine.generate(request).value());
  // With each of its tokens, on the loop's thread.
  generations.back().notify([&] { most = std::max(most.load(), engine.stats().sequences); });
  loop.let_go();
  for (Generation& generation : generations) {
    ASSERT_TRUE(generation.next());
    EXPECT_EQ(read_all(generation).tokens.back(), expected.tokens.back());
  }
  EXPECT_GT(most, 64);
}

}  // namespace
}  // namespace redknot
