// SPDX-License-Identifier: Apache-2.0
// A thousand requests at random, through the public header: documents in common, every kind of
// reuse, several answers, priorities, seeds, callers who leave, in memory that is too small for
// all. Each answer must be what the same request gets alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "redknot/redknot.h"
#include "tests/answers.h"
#include "tests/model_maker.h"
#include "tests/wait.h"

namespace redknot {
namespace {

using tests::Answer;

constexpr int kRequests = 1000;
constexpr int kKinds = 120;  // different ones
constexpr std::size_t kMostAtOnce = 32;

std::vector<int> tokens(int count, std::uint64_t seed) {
  std::vector<int> out;
  for (const TokenId token : tests::random_tokens(count, 256, seed)) {
    out.push_back(static_cast<int>(token));
  }
  return out;
}

class Requests {
 public:
  explicit Requests(unsigned seed) : random_(seed) {}

  int draw(int least, int most) { return std::uniform_int_distribution(least, most)(random_); }

  Request next() {
    Request out;
    out.prompt = {token_part(tokens(9, 1))};
    const auto own = [&](int most) {
      out.prompt.push_back(token_part(tokens(draw(1, most), static_cast<unsigned>(draw(0, 9999)))));
    };
    for (int count = draw(0, 3); count > 0; --count) {
      const int document = draw(0, 5);
      out.prompt.push_back(
          token_part(tokens(10 + 9 * document, 100 + static_cast<unsigned>(document))));
      out.prompt.back().reusable = true;
      if (draw(0, 3) == 0) own(40);
    }
    own(draw(0, 4) == 0 ? 70 : 15);
    out.reuse = static_cast<Reuse>(draw(0, 2));
    out.canonical_context = static_cast<CanonicalContext>(draw(0, 1));
    out.recovery.policy = static_cast<RecoveryPolicy>(draw(0, 4));
    if (draw(0, 1) == 0) out.recovery.ratio = draw(0, 10) / 10.0;
    out.cache_salt = draw(0, 4) == 0 ? "another" : "";
    out.max_tokens = draw(0, 9) == 0 ? 0 : draw(1, 30);
    out.ignore_end = draw(0, 3) != 0;
    out.sampling.temperature = draw(0, 1) == 0 ? 0.0f : 1.0f;
    out.sampling.seed = static_cast<std::uint64_t>(draw(0, 99));
    out.sampling.log_probabilities = draw(0, 2) - 1;
    out.all_logits = draw(0, 9) == 0;
    return out;
  }

 private:
  std::mt19937 random_;
};

// What the reader of a generation has so far.
struct Session {
  Generation generation;
  std::size_t kind = 0;
  int sibling = 0;
  int leaves_after = -1;  // pieces; -1: it stays
  Answer answer{};
};

class RandomLoad {
 public:
  RandomLoad(EngineOptions options, unsigned seed)
      : options_(std::move(options)), requests_(seed), engine_(open()) {
    for (int i = 0; i < kKinds; ++i) kinds_.push_back(requests_.next());
  }

  void run(int count) {
    while (count > 0 || !sessions_.empty()) {
      if (count > 0 && sessions_.size() < kMostAtOnce && requests_.draw(0, 2) > 0) {
        ASSERT_NO_FATAL_FAILURE(submit());
        --count;
      }
      const bool may_submit = count > 0 && sessions_.size() < kMostAtOnce;
      ASSERT_TRUE(
          tests::becomes_true([&] { return read_all() || may_submit || sessions_.empty(); }));
    }
  }

  // Once nothing runs, so that the load does not wait for it.
  void compare() {
    for (const Ended& one : ended_) {
      EXPECT_TRUE(one.answer == answer_alone(one.kind, one.sibling))
          << "request " << one.kind << ", answer " << one.sibling;
    }
  }

  Engine& engine() { return *engine_; }
  int ended() const { return static_cast<int>(ended_.size()); }
  int left() const { return left_; }
  int refused() const { return refused_; }

 private:
  // Whether there was anything to read.
  bool read_all() {
    moved_ = false;
    for (std::size_t i = 0; i < sessions_.size();) {
      read(sessions_[i]);
      if (is_over(sessions_[i])) {
        std::swap(sessions_[i], sessions_.back());
        sessions_.pop_back();
      } else {
        ++i;
      }
    }
    return moved_;
  }

  struct Ended {
    std::size_t kind = 0;
    int sibling = 0;
    Answer answer{};
  };

  std::unique_ptr<Engine> open() {
    return std::make_unique<Engine>(Engine::open(options_).value());
  }

  void submit() {
    const auto kind = static_cast<std::size_t>(requests_.draw(0, kKinds - 1));
    Request request = kinds_[kind];
    request.priority = requests_.draw(0, 1) == 0 ? requests_.draw(1, 2) : 0;
    if (request.cache_salt == "another") {
      request.kv_quota_bytes = engine_->stats().kv_bytes * 2 / 3;
    }
    const int answers = requests_.draw(0, 3) == 0 ? requests_.draw(2, 3) : 1;
    auto generations = engine_->generate_several(std::move(request), answers);
    if (!generations.ok()) {
      ASSERT_EQ(generations.error().code(), ErrorCode::kResourceExhausted)
          << generations.error().message();
      ++refused_;
      return;
    }
    int sibling = 0;
    for (Generation& generation : *generations) {
      const int leaves_after = requests_.draw(0, 7) == 0 ? requests_.draw(0, 10) : -1;
      sessions_.push_back({std::move(generation), kind, sibling++, leaves_after});
    }
  }

  void read(Session& session) {
    while (!is_over(session)) {
      const std::optional<Piece> piece = session.generation.try_next();
      if (!piece) return;
      moved_ = true;
      Answer& answer = session.answer;
      if (piece->token >= 0) answer.tokens.push_back(piece->token);
      if (piece->probability) {
        answer.log_probabilities.push_back(piece->probability->log_probability);
      }
      answer.text += piece->text;
      answer.logits.insert(answer.logits.end(), piece->logits.begin(), piece->logits.end());
      answer.logit_rows += piece->logit_rows;
      answer.finish = piece->finish;
      if (session.leaves_after >= 0) --session.leaves_after;
      if (answer.finish == FinishReason::kNone) continue;
      answer.error = session.generation.error();
      answer.usage = session.generation.usage();
      ended_.push_back({session.kind, session.sibling, answer});
    }
    if (session.answer.finish == FinishReason::kNone) ++left_;
  }

  static bool is_over(const Session& session) {
    return session.leaves_after == 0 || session.answer.finish != FinishReason::kNone;
  }

  const Answer& answer_alone(std::size_t kind, int sibling) {
    const auto [at, is_missing] = alone_.try_emplace({kind, sibling});
    if (!is_missing) return at->second;
    Request request = kinds_[kind];
    request.sampling.seed += static_cast<std::uint64_t>(sibling);
    const std::unique_ptr<Engine> fresh = open();
    at->second = tests::answer(*fresh, std::move(request));
    return at->second;
  }

  EngineOptions options_;
  Requests requests_;
  std::unique_ptr<Engine> engine_;
  std::vector<Request> kinds_;
  std::vector<Session> sessions_;
  std::map<std::pair<std::size_t, int>, Answer> alone_;
  bool moved_ = false;
  std::vector<Ended> ended_;
  int left_ = 0, refused_ = 0;
};

// Closing an engine checks that all pages are accounted for.
void expect_answers_as_alone(EngineOptions options, unsigned seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  options.context_tokens = 512;
  options.max_running = 12;
  RandomLoad load(std::move(options), seed);
  ASSERT_NO_FATAL_FAILURE(load.run(kRequests / 2));
  // Whether a sequence of less priority runs when one of more comes is a matter of time: more come
  // until one did.
  for (int round = 0; round < 40 && load.engine().stats().preemptions == 0; ++round) {
    ASSERT_NO_FATAL_FAILURE(load.run(kRequests / 20));
  }
  load.compare();
  EXPECT_GT(load.ended(), kRequests / 3);
  EXPECT_GT(load.left(), 20);
  EXPECT_LT(load.refused(), kRequests / 10);
  Engine& engine = load.engine();
  ASSERT_TRUE(tests::nothing_runs(engine));
  const Stats stats = engine.stats();
  EXPECT_GT(stats.preemptions, 0u);
  EXPECT_GT(stats.segment_hits, 20u);
  EXPECT_GT(stats.segment_evictions, 5u);
  EXPECT_GT(stats.prefix_hits, 20u);
  engine.drop_segments("", "");
  engine.drop_segments("another", "");
  EXPECT_TRUE(engine.segments("").empty());
  EXPECT_TRUE(engine.segments("another").empty());
}

class EngineRandomTest : public testing::Test {
 protected:
  tests::ModelOnDisk model_{
      {.shape = tests::small_shape(Architecture::kQwen3), .type = "Q8_0", .seed = 7}};
};

TEST_F(EngineRandomTest, AnswersAreThoseOfEachAlone) {
  EngineOptions options = tests::small_engine(model_.path());
  options.kv_bytes = std::size_t{40} * 4 * 16 * 24 * 2 * 2;  // 40 pages of each head
  expect_answers_as_alone(std::move(options), 1);
}

TEST_F(EngineRandomTest, AnswersAreThoseOfEachAloneUnderAProfile) {
  const tests::ProfileOnDisk profile(
      model_, {{.kv_format = KvFormat::kQ8, .context_bound = true},
               {.head_class = HeadClass::kLocal, .sink_tokens = 4, .window_tokens = 24},
               {.kv_format = KvFormat::kK8V4, .context_bound = true},
               {.head_class = HeadClass::kLocal, .window_tokens = 40, .kv_format = KvFormat::kQ8}});
  EngineOptions options = tests::small_engine(model_.path());
  options.profile = profile.path();
  options.kv = std::nullopt;
  options.threads = 2;
  options.kv_bytes = std::size_t{30} * 4 * 16 * 24 * 2 * 2;
  expect_answers_as_alone(std::move(options), 2);
}

}  // namespace
}  // namespace redknot
