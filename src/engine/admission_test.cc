// SPDX-License-Identifier: Apache-2.0
// Who may run and who waits, and what is kept for reuse, through the public header.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <thread>

#include "redknot/redknot.h"
#include "tests/answers.h"
#include "tests/model_maker.h"

namespace redknot {
namespace {

using testing::HasSubstr;
using tests::Answer;
using tests::answer;
using tests::greedy_request;
using tests::ModelOnDisk;
using tests::read_all;
using tests::small_engine;
using tests::small_shape;

class AdmissionTest : public testing::Test {
 protected:
  EngineOptions options() const { return small_engine(model_.path()); }
  Engine open() const { return Engine::open(options()).value(); }

  // Runs, and does nothing: nobody reads its logits.
  static Request idle_request() {
    Request request = greedy_request(200, 1);
    request.all_logits = true;
    request.max_tokens = 50;
    return request;
  }

  // A document of 40 tokens, and a question.
  static Request with_document(int document) {
    Request request = greedy_request(12, 50);
    PromptPart part = greedy_request(40, 100 + static_cast<std::uint64_t>(document)).prompt[0];
    part.reusable = true;
    request.prompt.insert(request.prompt.begin(), part);
    request.reuse = Reuse::kSegment;
    request.canonical_context = CanonicalContext::kBare;
    request.max_tokens = 2;
    return request;
  }

  ModelOnDisk model_{{.shape = small_shape(Architecture::kLlama), .type = "Q8_0", .seed = 7}};
};

TEST_F(AdmissionTest, SeveralAnswersAreThoseOfTheirSeedsAndShareThePrompt) {
  Request request = greedy_request(100, 3);
  request.sampling = {.temperature = 1.2f, .seed = 40};
  std::vector<Answer> alone;
  {
    Engine engine = open();
    for (std::uint64_t i = 0; i < 4; ++i) {
      Request one = request;
      one.sampling.seed += i;
      alone.push_back(answer(engine, one));
    }
  }
  for (const Reuse reuse : {Reuse::kNone, Reuse::kPrefix}) {
    Engine engine = open();
    request.reuse = reuse;
    std::vector<Generation> several = engine.generate_several(request, 4).value();
    ASSERT_EQ(several.size(), 4u);
    int computed = 0;
    for (std::size_t i = 0; i < several.size(); ++i) {
      const Answer got = read_all(several[i]);
      EXPECT_TRUE(got == alone[i]) << i;
      computed += got.usage.new_tokens;
    }
    EXPECT_EQ(computed, 100 + 3);  // the last token, for each
  }
  Engine engine = open();
  const auto none = engine.generate_several(request, 0);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(AdmissionTest, OneThatGivesWayGoesOnAsIfNothingHadBeen) {
  EngineOptions small = options();
  small.max_sequences = 1;
  Engine engine = Engine::open(small).value();
  Request low = greedy_request(60, 1);
  low.max_tokens = 150;
  const Answer alone = answer(engine, low);
  Generation running = engine.generate(low).value();
  ASSERT_TRUE(running.next());
  Request high = greedy_request(200, 2);
  high.priority = 1;
  const Answer other = answer(engine, high);
  EXPECT_EQ(other.tokens.size(), 20u);
  const Answer rest = read_all(running);
  ASSERT_EQ(rest.tokens.size(), 149u);
  EXPECT_TRUE(std::equal(rest.tokens.begin(), rest.tokens.end(), alone.tokens.begin() + 1));
  EXPECT_EQ(rest.usage.new_tokens, 60);
}

TEST_F(AdmissionTest, LogitsAreGivenOnceAlsoByOneThatGaveWay) {
  EngineOptions small = options();
  small.max_sequences = 1;
  Engine engine = Engine::open(small).value();
  const Answer alone = answer(engine, idle_request());
  Generation running = engine.generate(idle_request()).value();
  ASSERT_TRUE(running.next());
  Request high = greedy_request(200, 2);
  high.priority = 1;
  answer(engine, high);
  const Answer rest = read_all(running);
  EXPECT_EQ(rest.tokens, alone.tokens);
  EXPECT_EQ(rest.logit_rows, alone.logit_rows - 32);  // of the first step
  EXPECT_TRUE(std::equal(rest.logits.rbegin(), rest.logits.rend(), alone.logits.rbegin()));
  EXPECT_EQ(engine.stats().preemptions, 1u);
}

TEST_F(AdmissionTest, WhoHasNotBegunInTimeIsTold) {
  EngineOptions one = options();
  one.max_running = 1;
  Engine engine = Engine::open(one).value();
  Generation running = engine.generate(idle_request()).value();
  ASSERT_TRUE(running.next());
  Request late = greedy_request(5, 2);
  late.max_queue_seconds = 0.05;
  const Answer got = answer(engine, late);  // nothing else happens meanwhile
  EXPECT_EQ(got.finish, FinishReason::kError);
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code(), ErrorCode::kUnavailable);
  EXPECT_THAT(got.error->message(), HasSubstr("max_queue_seconds"));
  EXPECT_EQ(read_all(running).tokens.size(), 50u);
  late.max_queue_seconds = 60;
  EXPECT_EQ(answer(engine, late).finish, FinishReason::kLength);
  late.max_queue_seconds = -1;
  EXPECT_FALSE(engine.generate(late).ok());
}

TEST_F(AdmissionTest, AQuotaHoldsUpItsSaltAlone) {
  Engine engine = open();
  Request request = idle_request();
  request.cache_salt = "tenant";
  request.kv_quota_bytes = engine.stats().kv_bytes / 4 + 1;
  Generation running = engine.generate(request).value();
  ASSERT_TRUE(running.next());
  Request second = greedy_request(30, 2);
  second.cache_salt = "tenant";
  second.kv_quota_bytes = request.kv_quota_bytes;
  Generation waiting = engine.generate(second).value();
  EXPECT_EQ(answer(engine, greedy_request(30, 3)).tokens.size(), 20u);
  EXPECT_FALSE(waiting.try_next());
  EXPECT_EQ(read_all(running).tokens.size(), 50u);
  EXPECT_EQ(read_all(waiting).tokens.size(), 20u);
  second.kv_quota_bytes = 1024;
  const auto refused = engine.generate(second);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(refused.error().message(), HasSubstr("quota"));
}

TEST_F(AdmissionTest, SegmentsAreListedByTheirTokensPinnedAndDropped) {
  Engine engine = open();
  const std::string id = Engine::segment_id(with_document(0).prompt[0].tokens);
  EXPECT_EQ(id.size(), 32u);
  EXPECT_NE(id, Engine::segment_id(with_document(1).prompt[0].tokens));
  EXPECT_TRUE(engine.segments("").empty());
  EXPECT_FALSE(engine.pin_segment("", id, 60));
  answer(engine, with_document(0));
  answer(engine, with_document(0));
  const std::vector<SegmentInfo> listed = engine.segments("");
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].id, id);
  EXPECT_EQ(listed[0].tokens, 40);
  EXPECT_EQ(listed[0].copies, 1);
  EXPECT_EQ(listed[0].uses, 2);
  EXPECT_EQ(listed[0].bytes, 3u * 4u * 1024u);  // pages of 16 tokens, for each head
  EXPECT_EQ(listed[0].pinned_seconds, 0);
  EXPECT_TRUE(engine.segments("another").empty());
  EXPECT_FALSE(engine.pin_segment("another", id, 60));
  EXPECT_TRUE(engine.pin_segment("", id, 60));
  EXPECT_GT(engine.segments("")[0].pinned_seconds, 30);
  EXPECT_TRUE(engine.pin_segment("", id, 0));
  EXPECT_EQ(engine.segments("")[0].pinned_seconds, 0);
  EXPECT_EQ(engine.drop_segments("another", ""), 0);
  EXPECT_EQ(engine.drop_segments("", id), 1);
  EXPECT_EQ(engine.drop_segments("", id), 0);
  EXPECT_EQ(engine.stats().segment_hits, 1u);
  EXPECT_EQ(engine.stats().segment_misses, 1u);
  EXPECT_EQ(engine.stats().segment_evictions, 0u);
}

TEST_F(AdmissionTest, APinnedSegmentStaysUnlessNothingElseCouldRun) {
  EngineOptions small = options();
  small.max_sequences = 1;
  Engine engine = Engine::open(small).value();
  answer(engine, with_document(0));
  const std::string id = Engine::segment_id(with_document(0).prompt[0].tokens);
  ASSERT_TRUE(engine.pin_segment("", id, 60));
  // Half of the pool is the most: 8 pages of each head, and a document has 3.
  for (int i = 1; i < 8; ++i) answer(engine, with_document(i));
  EXPECT_EQ(engine.segments("").size(), 4u);
  EXPECT_EQ(answer(engine, with_document(0)).usage.built_tokens, 0);
  int pinned = 1;
  for (const SegmentInfo& one : engine.segments("")) {
    pinned += one.id != id && engine.pin_segment("", one.id, 60) ? 1 : 0;
  }
  EXPECT_EQ(pinned, 2);
  // One that needs all there is goes nevertheless.
  EXPECT_EQ(answer(engine, greedy_request(236, 9)).tokens.size(), 20u);
  for (const SegmentInfo& one : engine.segments("")) EXPECT_EQ(one.pinned_seconds, 0);
}

TEST_F(AdmissionTest, APinEndsByItself) {
  Engine engine = open();
  answer(engine, with_document(0));
  const std::string id = Engine::segment_id(with_document(0).prompt[0].tokens);
  ASSERT_TRUE(engine.pin_segment("", id, 0.02));
  std::this_thread::sleep_for(std::chrono::milliseconds(40));
  EXPECT_EQ(engine.segments("")[0].pinned_seconds, 0);
}

TEST_F(AdmissionTest, ASegmentInUseIsDroppedWhenItsUserEnds) {
  Engine engine = open();
  Request slow = with_document(0);
  slow.all_logits = true;
  slow.max_tokens = 30;
  std::optional<Generation> running = engine.generate(slow).value();
  ASSERT_TRUE(running->next());
  EXPECT_EQ(engine.drop_segments("", ""), 1);
  EXPECT_EQ(engine.segments("").size(), 1u);
  read_all(*running);
  EXPECT_TRUE(engine.segments("").empty());
}

TEST_F(AdmissionTest, StatsSayWhatThePoolHoldsAndWherePromptsCameFrom) {
  Engine engine = open();
  answer(engine, with_document(0));
  answer(engine, with_document(0));
  const Stats stats = engine.stats();
  ASSERT_EQ(stats.pool.size(), 1u);
  EXPECT_EQ(stats.pool[0].dtype, KvFormat::kF16);
  EXPECT_EQ(stats.pool[0].page_bytes, 1024u);
  EXPECT_EQ(stats.pool[0].total_pages, stats.total_pages);
  EXPECT_EQ(stats.pool[0].free_pages, stats.free_pages);
  EXPECT_EQ(stats.heads[0].shared_bytes, 3u * 1024u);
  EXPECT_TRUE(stats.heads[0].recovers);
  // The document stands behind its own context, so it is exact.
  EXPECT_EQ(stats.prefix_tokens + stats.adopted_tokens + stats.new_tokens, 2u * 52u);
  EXPECT_GE(stats.prefix_tokens, 80u);
  EXPECT_EQ(stats.prefix_hits, 1u);
  EXPECT_EQ(stats.prefix_misses, 1u);
}

}  // namespace
}  // namespace redknot
