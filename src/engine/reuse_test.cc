// SPDX-License-Identifier: Apache-2.0
// Reusable parts of prompts, through the public header: what an answer says does not depend on what
// was at hand, and pages are shared.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "redknot/redknot.h"
#include "tests/answers.h"
#include "tests/model_maker.h"

namespace redknot {
namespace {

using testing::HasSubstr;
using tests::Answer;
using tests::answer;
using tests::read_all;

std::vector<int> tokens(int count, std::uint64_t seed) {
  std::vector<int> out;
  for (const TokenId token : tests::random_tokens(count, 256, seed)) {
    out.push_back(static_cast<int>(token));
  }
  return out;
}

PromptPart document(int number) {
  constexpr int kLengths[] = {40, 17, 64, 1, 33};
  PromptPart part = token_part(tokens(kLengths[number], 100 + static_cast<std::uint64_t>(number)));
  part.reusable = true;
  return part;
}

RecoveryOptions nothing() { return {.policy = RecoveryPolicy::kNone}; }

RecoveryOptions boundary(int tokens) {
  return {.policy = RecoveryPolicy::kBoundary, .boundary_tokens = tokens};
}

// One of each policy, and that of nothing.
std::vector<RecoveryOptions> policies() {
  return {nothing(),
          boundary(16),
          boundary(30),
          {.policy = RecoveryPolicy::kDeviation, .ratio = 0.3},
          {.policy = RecoveryPolicy::kElastic, .elastic = {.mass = 0.4, .recent_tokens = 5}},
          {.policy = RecoveryPolicy::kKnot, .ratio = 0.3}};
}

// A system text, documents in this order, and a question.
Request request(const std::vector<int>& documents, std::uint64_t question,
                const RecoveryOptions& recovery = nothing()) {
  Request out = tests::greedy_request(1, 1);
  out.prompt = {token_part(tokens(9, 1))};
  for (const int number : documents) out.prompt.push_back(document(number));
  out.prompt.push_back(token_part(tokens(12, question)));
  out.reuse = Reuse::kSegment;
  out.recovery = recovery;
  out.sampling.log_probabilities = 0;
  return out;
}

class ReuseTest : public testing::Test {
 protected:
  EngineOptions options() const {
    EngineOptions out = tests::small_engine(model_.path());
    out.context_tokens = 512;
    return out;
  }
  Engine open() const { return Engine::open(options()).value(); }

  tests::ModelOnDisk model_{
      {.shape = tests::small_shape(Architecture::kQwen3), .type = "Q8_0", .seed = 7}};
};

TEST_F(ReuseTest, FirstAndLaterSightsGiveTheSameBits) {
  for (const RecoveryOptions& recovery : policies()) {
    SCOPED_TRACE(static_cast<int>(recovery.policy));
    const Request asked = request({2, 0, 3, 1}, 50, recovery);
    Engine fresh = open();
    const Answer first = answer(fresh, asked);
    EXPECT_EQ(answer(fresh, asked), first);
    // Other requests had the same documents in other orders before, some of them twice.
    Engine used = open();
    answer(used, request({1, 3, 0, 2}, 51));
    answer(used, request({0, 0}, 52, boundary(16)));
    EXPECT_EQ(answer(used, asked), first);
  }
}

TEST_F(ReuseTest, ABatchAndAnyStepSizeGiveTheSameBits) {
  std::vector<Request> asked;
  std::vector<Answer> alone;
  for (int i = 0; i < 6; ++i) {
    std::vector<int> documents = {0, 1, 2, 4};
    std::shuffle(documents.begin(), documents.end(), std::mt19937(static_cast<unsigned>(i)));
    asked.push_back(request(documents, 60 + static_cast<std::uint64_t>(i),
                            policies()[static_cast<std::size_t>(i)]));
    Engine engine = open();
    alone.push_back(answer(engine, asked.back()));
  }
  for (const int step_tokens : {17, 32, 300}) {
    EngineOptions own = options();
    own.max_step_tokens = step_tokens;
    own.threads = 2;
    Engine engine = Engine::open(own).value();
    std::vector<Generation> running;
    for (const Request& one : asked) running.push_back(engine.generate(one).value());
    for (std::size_t i = 0; i < asked.size(); ++i) {
      EXPECT_EQ(read_all(running[i]), alone[i]) << "request " << i << ", steps of " << step_tokens;
    }
  }
}

TEST_F(ReuseTest, UnderAPoolTooSmallForAllDocumentsAnswersAreTheSame) {
  EngineOptions small = options();
  small.max_sequences = 1;
  small.context_tokens = 320;
  Engine engine = Engine::open(small).value();
  std::mt19937 random(3);
  for (int i = 0; i < 30; ++i) {
    std::vector<int> documents = {0, 1, 2, 3, 4};
    std::shuffle(documents.begin(), documents.end(), random);
    documents.resize(2);
    const Request asked = request(documents, random() % 4, policies()[random() % 6]);
    Engine fresh = open();
    ASSERT_EQ(answer(engine, asked), answer(fresh, asked)) << i;
  }
}

TEST_F(ReuseTest, UsageSaysWhereTokensCameFrom) {
  Engine engine = open();
  const Answer plain = answer(engine, request({2, 0}, 50));
  EXPECT_EQ(plain.usage.prompt_tokens, 9 + 64 + 40 + 12);
  EXPECT_EQ(plain.usage.prefix_tokens, 9 + 64);  // as dense attention has it
  EXPECT_EQ(plain.usage.adopted_tokens, 40);
  EXPECT_EQ(plain.usage.new_tokens, 12);
  EXPECT_EQ(plain.usage.built_tokens, 9 + 64 + 40);
  EXPECT_EQ(plain.usage.recovered_tokens, 0);
  // The first stands right behind its own context, where nothing is missing.
  EXPECT_EQ(answer(engine, request({2, 0}, 50, boundary(17))).usage.recovered_tokens, 17);
  Request dense = request({2, 0}, 50);
  dense.reuse = Reuse::kNone;
  EXPECT_EQ(answer(engine, dense).usage.adopted_tokens, 0);
}

TEST_F(ReuseTest, AnAnswerUntilTheContextIsFullEndsWhereMemoryDoes) {
  EngineOptions one = options();
  one.max_sequences = 1;
  one.context_tokens = 320;
  Engine engine = Engine::open(one).value();
  Request asked = request({2, 0}, 50, boundary(16));
  asked.max_tokens = -1;
  const Answer found = answer(engine, asked);
  EXPECT_EQ(found.finish, FinishReason::kLength);
  EXPECT_GT(found.tokens.size(), 20u);
  EXPECT_LT(found.tokens.size(), 320u - 125u);
  asked.max_tokens = 320 - 125;
  EXPECT_FALSE(engine.generate(asked).ok());
}

TEST_F(ReuseTest, APromptThatEndsWithADocumentIsAnswered) {
  Engine engine = open();
  Request asked = request({2, 0}, 50);
  asked.prompt.pop_back();
  const Answer found = answer(engine, asked);
  EXPECT_EQ(found.tokens.size(), 20u);
  EXPECT_EQ(found.usage.prefix_tokens, 9 + 64);
  EXPECT_EQ(found.usage.new_tokens, 40);
}

TEST_F(ReuseTest, BehindItsContextOneDocumentIsThePrefixItWouldBe) {
  // The system text fills a page, so that dense attention lies in the same pages.
  Engine engine = open();
  Request asked = request({2}, 50);
  asked.prompt.front() = token_part(tokens(16, 1));
  Request dense = asked;
  dense.reuse = Reuse::kNone;
  EXPECT_EQ(answer(engine, asked).log_probabilities, answer(engine, dense).log_probabilities);
}

// Turns of a conversation: each goes on behind the last one's answer.
std::vector<Request> turns(Request first, const Answer& answered, int count, Engine& engine) {
  std::vector<Request> out = {std::move(first)};
  Answer last = answered;
  for (int turn = 1; turn < count; ++turn) {
    Request next = out.back();
    next.prompt.push_back(token_part(last.tokens));
    next.prompt.push_back(token_part(tokens(7, 200 + static_cast<std::uint64_t>(turn))));
    last = answer(engine, next);
    out.push_back(std::move(next));
  }
  return out;
}

TEST_F(ReuseTest, APrefixGivesTheBitsOfDenseAttention) {
  Engine engine = open();
  Request first = request({2, 0}, 50);
  first.reuse = Reuse::kPrefix;
  const Answer answered = answer(engine, first);
  for (Request& turn : turns(first, answered, 5, engine)) {
    Engine fresh = open();
    turn.reuse = Reuse::kNone;
    const Answer dense = answer(fresh, turn);
    turn.reuse = Reuse::kPrefix;
    const Answer found = answer(engine, turn);
    EXPECT_EQ(found, dense);
    // All but what was asked last, or its last token.
    EXPECT_GE(found.usage.prefix_tokens, found.usage.prompt_tokens - 8);
  }
}

TEST_F(ReuseTest, AConversationOverDocumentsFindsItsLastTurn) {
  for (const RecoveryOptions& recovery : policies()) {
    SCOPED_TRACE(static_cast<int>(recovery.policy));
    Engine engine = open();
    const Request first = request({2, 0, 1}, 50, recovery);
    const Answer answered = answer(engine, first);
    for (const Request& turn : turns(first, answered, 4, engine)) {
      Engine fresh = open();
      const Answer cold = answer(fresh, turn);
      const Answer warm = answer(engine, turn);
      EXPECT_EQ(warm, cold);
      EXPECT_EQ(cold.usage.prefix_tokens, 9 + 64);
      EXPECT_EQ(cold.usage.adopted_tokens, 40 + 17);
      EXPECT_EQ(warm.usage.prefix_tokens, 9 + 64);
      EXPECT_EQ(warm.usage.adopted_tokens, warm.usage.prompt_tokens - 1 - 9 - 64);
      EXPECT_EQ(warm.usage.new_tokens, 1);
    }
  }
}

TEST_F(ReuseTest, AllLogitsAreThoseBehindTheLastDocument) {
  for (const RecoveryOptions& recovery : policies()) {
    for (const int step_tokens : {17, 300}) {
      EngineOptions own = options();
      own.max_step_tokens = step_tokens;
      Engine engine = Engine::open(own).value();
      Request asked = request({2, 0, 1}, 50, recovery);
      asked.max_tokens = 1;
      const Answer last = answer(engine, asked);
      asked.all_logits = true;
      asked.max_tokens = 0;
      Generation generation = engine.generate(asked).value();
      std::vector<float> logits;
      while (const auto piece = generation.next()) {
        logits.insert(logits.end(), piece->logits.begin(), piece->logits.end());
      }
      const int vocabulary = engine.model().vocabulary_size;
      ASSERT_EQ(static_cast<int>(logits.size()), 12 * vocabulary);
      const auto row = logits.end() - vocabulary;
      EXPECT_EQ(std::max_element(row, logits.end()) - row, last.tokens.front());
    }
  }
}

TEST_F(ReuseTest, SessionsShareTheDocumentsPages) {
  EngineOptions many = options();
  many.max_sequences = 20;
  Engine engine = Engine::open(many).value();
  answer(engine, request({0, 1, 2}, 50));
  ASSERT_TRUE(tests::nothing_runs(engine));
  const Stats before = engine.stats();
  std::vector<Generation> running;
  for (int i = 0; i < 20; ++i) {
    std::vector<int> documents = {0, 1, 2};
    std::shuffle(documents.begin(), documents.end(), std::mt19937(static_cast<unsigned>(i)));
    Request asked = request(documents, 60 + static_cast<std::uint64_t>(i));
    asked.max_tokens = 300;
    asked.all_logits = true;  // nobody reads on, so it stays
    running.push_back(engine.generate(std::move(asked)).value());
  }
  for (Generation& one : running) ASSERT_TRUE(one.next().has_value());
  // Of its own each has the system text, and question and answer: 9 and 312 tokens at most.
  const Stats during = engine.stats();
  EXPECT_EQ(during.sequences, 20);
  const int heads = during.layers * during.kv_heads;
  EXPECT_LE(before.free_pages - during.free_pages, 20 * heads * (1 + 20));
  // Three documents, and of the first session its system text, question and answer.
  EXPECT_EQ(before.total_pages - before.free_pages, heads * (3 + 2 + 4 + 1 + 2));
}

TEST_F(ReuseTest, EverythingRecoveredGivesTheBitsOfDenseAttention) {
  // All parts fill their pages, so that dense attention lies in the same pages.
  const auto documents = [](Request asked) {
    asked.prompt.front() = token_part(tokens(16, 1));
    for (std::size_t i = 1; i + 1 < asked.prompt.size(); ++i) {
      asked.prompt[i].tokens = tokens(16 + 32 * static_cast<int>(i % 2), 70 + i);
    }
    return asked;
  };
  Engine engine = open();
  const std::vector<RecoveryOptions> all = {
      {.policy = RecoveryPolicy::kBoundary, .ratio = 1},
      {.policy = RecoveryPolicy::kDeviation, .ratio = 1},
      {.policy = RecoveryPolicy::kElastic, .elastic = {.mass = 1, .mass_deep = 1}},
      {.policy = RecoveryPolicy::kKnot, .ratio = 1}};
  Request dense = documents(request({2, 0, 1}, 50));
  dense.reuse = Reuse::kNone;
  const std::vector<float> expected = answer(engine, dense).log_probabilities;
  for (const RecoveryOptions& recovery : all) {
    for (const CanonicalContext context : {CanonicalContext::kPrefix, CanonicalContext::kBare}) {
      Request asked = documents(request({2, 0, 1}, 50, recovery));
      asked.canonical_context = context;
      const Answer found = answer(engine, asked);
      EXPECT_EQ(found.log_probabilities, expected) << static_cast<int>(recovery.policy);
      EXPECT_EQ(found.usage.recovered_tokens, found.usage.adopted_tokens);
    }
  }
}

TEST_F(ReuseTest, BareSegmentsAreSharedByPromptsThatBeginDifferently) {
  Engine engine = open();
  Request first = request({2, 0}, 50), second = request({0, 2}, 51);
  second.prompt.front() = token_part(tokens(23, 9));
  answer(engine, first);
  EXPECT_EQ(answer(engine, second).usage.built_tokens, 23 + 104);
  first.canonical_context = second.canonical_context = CanonicalContext::kBare;
  EXPECT_EQ(answer(engine, first).usage.built_tokens, 104);
  const Answer found = answer(engine, second);
  EXPECT_EQ(found.usage.built_tokens, 0);
  EXPECT_EQ(found.usage.adopted_tokens, 104);  // also the first misses what stands before it
  EXPECT_EQ(found.usage.new_tokens, 23 + 12);
}

TEST_F(ReuseTest, HeadsWithWindowsAreComposedToo) {
  EngineOptions own = options();
  const tests::ProfileOnDisk profile(model_, {{},
                                              {.head_class = HeadClass::kLocal,
                                               .sink_tokens = 4,
                                               .window_tokens = 20,
                                               .context_bound = false}});
  own.profile = profile.path();
  own.kv = std::nullopt;
  own.max_sequences = 1;
  own.segment_tokens = 512;
  for (const RecoveryOptions& recovery : policies()) {
    Engine engine = Engine::open(own).value();
    const Request asked = request({2, 0, 4, 1}, 50, recovery);
    const Answer first = answer(engine, asked);
    EXPECT_EQ(answer(engine, asked), first);
    answer(engine, request({1, 4, 2}, 51, recovery));
    EXPECT_EQ(answer(engine, asked).log_probabilities, first.log_probabilities);
  }
  // A pool for windows alone has no room for all of a document's tokens.
  own.segment_tokens = 0;
  own.context_tokens = 208;
  Engine engine = Engine::open(own).value();
  EXPECT_FALSE(engine.generate(request({2, 0, 4, 1}, 50)).ok());
}

TEST_F(ReuseTest, EmptyPartsAreNoParts) {
  Engine engine = open();
  Request asked = request({2, 0}, 50, {.policy = RecoveryPolicy::kKnot, .ratio = 0.3});
  const Answer plain = answer(engine, asked);
  PromptPart empty;
  empty.reusable = true;
  for (const std::size_t at : {0u, 2u, 3u}) {
    asked.prompt.insert(asked.prompt.begin() + static_cast<std::ptrdiff_t>(at), empty);
  }
  asked.add_bos = false;
  EXPECT_EQ(answer(engine, asked).log_probabilities, plain.log_probabilities);
}

TEST_F(ReuseTest, WhatCannotBeIsRefusedByName) {
  Engine engine = open();
  const auto negative = engine.generate(request({0}, 50, boundary(-1)));
  ASSERT_FALSE(negative.ok());
  EXPECT_THAT(negative.error().message(), HasSubstr("boundary_tokens"));
}

}  // namespace
}  // namespace redknot
