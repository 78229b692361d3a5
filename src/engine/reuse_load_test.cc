// SPDX-License-Identifier: Apache-2.0
// Reuse under load, through the public header: many sessions over the same documents, many
// documents in little memory, many questions in a row.
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

using tests::Answer;
using tests::answer;
using tests::read_all;

constexpr int kPageTokens = 16;

PromptPart tokens(int count, std::uint64_t seed) {
  std::vector<int> out;
  for (const TokenId token : tests::random_tokens(count, 256, seed)) {
    out.push_back(static_cast<int>(token));
  }
  return token_part(std::move(out));
}

PromptPart document(int number, int length) {
  PromptPart part = tokens(length, 1000 + static_cast<std::uint64_t>(number));
  part.reusable = true;
  return part;
}

Request request(std::vector<PromptPart> documents, std::uint64_t question) {
  Request out = tests::greedy_request(1, 1);
  out.prompt = {tokens(9, 1)};
  std::move(documents.begin(), documents.end(), std::back_inserter(out.prompt));
  out.prompt.push_back(tokens(12, question));
  out.reuse = Reuse::kSegment;
  out.recovery = {.policy = RecoveryPolicy::kKnot, .ratio = 0.1};
  out.sampling.log_probabilities = 0;
  return out;
}

class ReuseLoadTest : public testing::Test {
 protected:
  EngineOptions options() const {
    EngineOptions out = tests::small_engine(model_.path());
    out.page_tokens = kPageTokens;
    return out;
  }
  tests::ModelOnDisk model_{
      {.shape = tests::small_shape(Architecture::kQwen3), .type = "Q8_0", .seed = 7}};
};

// Fifty sessions over ten documents of 1,000 tokens hold, per head:
//   shared   ceil(9 / 16) of the context and ten times ceil(1000 / 16) of the documents, once
//   private  ceil((12 + 4) / 16) of question and answer, without recovery, and the same again of
//            what is kept for a prompt that begins alike: an answer goes on in a copy
TEST_F(ReuseLoadTest, FiftySessionsHoldOneCopyOfTheirDocuments) {
  constexpr int kSessions = 50, kDocuments = 10, kLength = 1000;
  EngineOptions many = options();
  many.context_tokens = 11000;
  many.segment_tokens = 12000;
  many.max_sequences = 1;
  many.kv_bytes = 0;
  many.threads = 2;
  many.max_step_tokens = 512;
  Engine engine = Engine::open(many).value();
  std::vector<PromptPart> documents;
  for (int i = 0; i < kDocuments; ++i) documents.push_back(document(i, kLength));
  std::vector<Request> asked;
  std::mt19937 random(1);
  for (int i = 0; i < kSessions; ++i) {
    std::shuffle(documents.begin(), documents.end(), random);
    asked.push_back(request(documents, 60 + static_cast<std::uint64_t>(i)));
    asked.back().recovery.policy = RecoveryPolicy::kNone;
    asked.back().max_tokens = 4;
  }
  std::vector<PromptPart> all = asked.front().prompt;
  all.pop_back();
  Generation loaded = engine.preload(all).value();
  while (loaded.next()) continue;
  EXPECT_EQ(loaded.usage().built_tokens, 9 + kDocuments * kLength);
  ASSERT_TRUE(tests::nothing_runs(engine));

  std::vector<Generation> running;
  for (const Request& one : asked) running.push_back(engine.generate(one).value());
  // All have begun and none has ended: each holds its pages.
  for (Generation& one : running) ASSERT_TRUE(one.next().has_value());
  const Stats during = engine.stats();
  const int heads = during.layers * during.kv_heads;
  const int shared = 1 + kDocuments * ((kLength + kPageTokens - 1) / kPageTokens);
  // Also the question of the preload: one token, one page.
  const int most = heads * (shared + 2 * kSessions + 1);
  EXPECT_LE(during.total_pages - during.free_pages, most);
  EXPECT_EQ(during.segments, 1 + kDocuments);
  for (std::size_t i = 0; i < running.size(); ++i) {
    while (running[i].next()) continue;
    const Usage usage = running[i].usage();
    EXPECT_EQ(usage.built_tokens, 0);
    EXPECT_EQ(usage.kv_private_bytes % static_cast<std::size_t>(heads), 0u);
    EXPECT_GE(usage.kv_shared_bytes, 600 * usage.kv_private_bytes);
  }
  // They decode what they would alone.
  Engine fresh = Engine::open(many).value();
  Generation again = engine.generate(asked[17]).value();
  EXPECT_EQ(read_all(again).log_probabilities, answer(fresh, asked[17]).log_probabilities);
}

TEST_F(ReuseLoadTest, AThousandDocumentsPassThroughATenthOfTheirMemory) {
  EngineOptions small = options();
  small.context_tokens = 512;
  small.max_sequences = 2;
  small.segment_tokens = 3000;
  Engine engine = Engine::open(small).value();
  std::mt19937 random(5);
  const auto length = [](int number) { return 1 + number * 37 % 63; };
  int total = 0;
  for (int i = 0; i < 1000; ++i) total += length(i);
  EXPECT_GT(total, 10 * (small.segment_tokens - 100));
  std::vector<Request> asked;
  for (int i = 0; i < 250; ++i) {
    std::vector<PromptPart> documents;
    for (int j = 0; j < 4; ++j) documents.push_back(document(4 * i + j, length(4 * i + j)));
    asked.push_back(request(documents, 60 + static_cast<std::uint64_t>(i)));
    asked.back().max_tokens = 2;
  }
  std::vector<Answer> first;
  for (const Request& one : asked) first.push_back(answer(engine, one));
  const Stats stats = engine.stats();
  EXPECT_GT(stats.segment_evictions, 500u);
  // Again, several at a time, in another order: most documents have gone meanwhile.
  std::vector<std::size_t> order(asked.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);
  for (std::size_t at = 0; at < 80; at += 4) {
    std::vector<Generation> running;
    for (std::size_t i = at; i < at + 4; ++i) {
      running.push_back(engine.generate(asked[order[i]]).value());
    }
    for (std::size_t i = at; i < at + 4; ++i) {
      ASSERT_EQ(read_all(running[i - at]).log_probabilities, first[order[i]].log_probabilities);
    }
  }
  ASSERT_TRUE(tests::nothing_runs(engine));
  EXPECT_EQ(engine.stats().sequences, 0);
}

TEST_F(ReuseLoadTest, NewQuestionsFillNothing) {
  EngineOptions own = options();
  own.context_tokens = 512;
  own.segment_tokens = 512;
  Engine engine = Engine::open(own).value();
  std::vector<PromptPart> documents = {document(0, 60), document(1, 60), document(2, 60)};
  std::mt19937 random(2);
  double flops = 0;
  for (int i = 0; i < 200; ++i) {
    std::rotate(documents.begin(), documents.begin() + 1, documents.end());
    Request asked = request(documents, 60 + static_cast<std::uint64_t>(i));
    asked.max_tokens = 1;
    const Usage usage = answer(engine, asked).usage;
    if (i == 1) flops = usage.flops;
    // After the first question everything but the question is at hand, always.
    EXPECT_EQ(usage.built_tokens, i == 0 ? 9 + 180 : 0);
    EXPECT_EQ(usage.new_tokens, 12);
    if (i > 0) {
      EXPECT_NEAR(usage.flops, flops, 0.1 * flops) << i;
    }
  }
  EXPECT_EQ(engine.stats().segments, 4);
  EXPECT_EQ(engine.stats().segment_evictions, 0u);
}

TEST_F(ReuseLoadTest, WhatTwoRequestsNeedAtOnceIsComputedOnce) {
  EngineOptions own = options();
  own.context_tokens = 512;
  own.segment_tokens = 512;
  own.max_sequences = 4;
  Engine engine = Engine::open(own).value();
  std::vector<Generation> running;
  for (int i = 0; i < 4; ++i) {
    running.push_back(engine
                          .generate(request({document(0, 60), document(1, 60)},
                                            60 + static_cast<std::uint64_t>(i)))
                          .value());
  }
  int built = 0;
  for (Generation& one : running) built += read_all(one).usage.built_tokens;
  EXPECT_EQ(built, 9 + 120);
}

TEST_F(ReuseLoadTest, NothingIsSharedBetweenSalts) {
  EngineOptions own = options();
  own.context_tokens = 512;
  own.segment_tokens = 1024;
  Engine engine = Engine::open(own).value();
  Request mine = request({document(0, 60), document(1, 60)}, 60);
  Request theirs = mine;
  theirs.cache_salt = "another tenant";
  const Answer first = answer(engine, mine);
  const Answer other = answer(engine, theirs);
  EXPECT_EQ(other.usage.built_tokens, first.usage.built_tokens);
  EXPECT_EQ(other.log_probabilities, first.log_probabilities);
  EXPECT_EQ(answer(engine, theirs).usage.built_tokens, 0);
  mine.reuse = theirs.reuse = Reuse::kPrefix;
  answer(engine, theirs);
  EXPECT_EQ(answer(engine, mine).usage.prefix_tokens, 0);
  EXPECT_GT(answer(engine, mine).usage.prefix_tokens, 0);
  EXPECT_GT(answer(engine, theirs).usage.prefix_tokens, 0);
}

}  // namespace
}  // namespace redknot
