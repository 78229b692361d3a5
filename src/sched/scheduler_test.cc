// SPDX-License-Identifier: Apache-2.0
// Who runs next: single decisions.
#include "sched/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

namespace redknot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kPageTokens = 16;

std::unique_ptr<PageAllocator> make_pool(int pages) {
  return PageAllocator::create(
             {.shape = {.page_tokens = kPageTokens, .head_dim = 4}, .page_count = {pages, 0, 0}})
      .value();
}

std::vector<TokenId> prompt(int count) {
  std::vector<TokenId> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(TokenId{i});
  return tokens;
}

HeadPolicy local(int sink_tokens, int window_tokens) {
  return {
      .head_class = HeadClass::kLocal, .sink_tokens = sink_tokens, .window_tokens = window_tokens};
}

// A scheduler over one layer of one global KV head, so that a page is 16 tokens.
class SchedulerTest : public testing::Test {
 protected:
  void start(int pages, const SchedulerOptions& options) {
    pool_ = make_pool(pages);
    scheduler_.emplace(*pool_, profile_, options);
    step_tokens_ = options.max_step_tokens;
  }

  Result<std::vector<SequenceId>> make_and_submit(SequenceSpec spec, int count) {
    REDKNOT_TRY(auto request, make_request(*pool_, profile_, std::move(spec), step_tokens_));
    return scheduler_->submit(std::move(request), count);
  }
  Result<SequenceId> make_and_submit(SequenceSpec spec) {
    REDKNOT_TRY(const std::vector<SequenceId> ids, make_and_submit(std::move(spec), 1));
    return ids.front();
  }
  SequenceId submit(int prompt_tokens, int max_tokens, bool all_logits = false) {
    return make_and_submit({{.tokens = prompt(prompt_tokens)}, max_tokens, all_logits}).value();
  }

  StepPlan next_step() {
    scheduler_->admit();
    return scheduler_->plan();
  }

  // Every sequence that is sampled gets this token.
  std::vector<SequenceEvent> computed(const StepPlan& plan, int token = 7) {
    StepResult result;
    result.slices.resize(plan.slices.size());
    result.sampled.resize(plan.samples.size(), {.token = TokenId{token}});
    return scheduler_->finish(plan, std::move(result));
  }

  static bool has_ended(const SequenceEvent& event) {
    return event.is_last || event.kind == SequenceEvent::Kind::kEnded;
  }

  // Computes the next step, giving every sequence that is sampled the token 7.
  StepPlan step() {
    StepPlan plan = next_step();
    for (const SequenceEvent& event : computed(plan)) {
      if (has_ended(event)) scheduler_->cancel(event.sequence);
    }
    EXPECT_TRUE(scheduler_->check());
    return plan;
  }
  int free_pages() const { return pool_->free_pages(KvFormat::kF16); }

  HeadProfile profile_ = uniform_profile(1, 1, {});
  std::unique_ptr<PageAllocator> pool_;
  std::optional<Scheduler> scheduler_;
  int step_tokens_ = 0;
};

TEST_F(SchedulerTest, PromptsAreServedInOrderOfArrivalAndShareAStep) {
  start(100, {.max_step_tokens = 10});
  const SequenceId a = submit(6, 1), b = submit(7, 1);
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{a, 0, 6}, StepSlice{b, 6, 4}));
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{b, 0, 3}));
  EXPECT_TRUE(step().empty());
}

TEST_F(SchedulerTest, PlanHasTokensPositionsAndTheRowThatIsSampled) {
  start(100, {.max_step_tokens = 4});
  const SequenceId a = submit(6, 2);
  const StepPlan first = step();
  EXPECT_THAT(first.tokens, ElementsAre(TokenId{0}, TokenId{1}, TokenId{2}, TokenId{3}));
  EXPECT_THAT(first.positions, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(first.logit_rows, ElementsAre());
  const StepPlan second = step();
  EXPECT_THAT(second.positions, ElementsAre(4, 5));
  EXPECT_THAT(second.logit_rows, ElementsAre(1));
  const StepPlan third = step();  // the sampled token is fed back
  EXPECT_EQ(
      third,
      (StepPlan{{TokenId{7}}, {6}, {{a, 0, 1}}, {0}, {0}, {}, third.samples, third.page_ops}));
  EXPECT_EQ(third.samples, (std::vector<RowSample>{{.row = 0, .position = 7}}));
  EXPECT_THAT(
      third.page_ops,
      ElementsAre(PageOp{.kind = PageOp::Kind::kFill, .sequence = a, .entry = {.tokens = 7}}));
  EXPECT_TRUE(step().empty());  // the second sampled token is not
}

TEST_F(SchedulerTest, SequencesThatGenerateComeBeforePrompts) {
  start(100, {.max_step_tokens = 8});
  const SequenceId a = submit(20, 3), b = submit(2, 5);
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{a, 0, 6}, StepSlice{b, 6, 2}));
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{b, 0, 1}, StepSlice{a, 1, 7}));
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{b, 0, 1}, StepSlice{a, 1, 7}));
  const SequenceId c = submit(9, 1);
  EXPECT_THAT(step().slices,
              ElementsAre(StepSlice{a, 0, 1}, StepSlice{b, 1, 1}, StepSlice{c, 2, 6}));
}

TEST_F(SchedulerTest, ASequenceWaitsUntilItsPagesAreFreeOfReservations) {
  start(/*pages=*/4, {});
  const SequenceId a = submit(20, 20);  // 3 pages, of which the prompt takes 2
  const SequenceId b = submit(16, 17);  // 3 pages
  const SequenceId c = submit(1, 1);    // 1 page, which is free; but b came first
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{a, 0, 20}));
  EXPECT_EQ(scheduler_->running(), 1);
  EXPECT_EQ(scheduler_->waiting(), 2);
  EXPECT_EQ(free_pages(), 2);
  scheduler_->cancel(a);
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{b, 0, 16}, StepSlice{c, 16, 1}));
  EXPECT_EQ(scheduler_->waiting(), 0);
}

TEST_F(SchedulerTest, ASequenceThatCouldNotRunAloneIsRefused) {
  start(/*pages=*/4, {});
  EXPECT_TRUE(make_and_submit({{.tokens = prompt(60)}, 4}).ok());
  const auto refused = make_and_submit({{.tokens = prompt(60)}, 5});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(refused.error().message(), HasSubstr("65 tokens needs 5 KV pages, 4 exist"));
  EXPECT_EQ(scheduler_->waiting(), 1);
}

TEST_F(SchedulerTest, CancelFreesPagesAtOnceWaitingOrRunning) {
  start(/*pages=*/4, {});
  const SequenceId a = submit(64, 0), b = submit(64, 0);
  const StepPlan plan = next_step();
  EXPECT_EQ(free_pages(), 0);
  scheduler_->cancel(a);
  EXPECT_EQ(free_pages(), 4);
  EXPECT_EQ(scheduler_->running(), 0);
  scheduler_->cancel(b);
  EXPECT_EQ(scheduler_->waiting(), 0);
  scheduler_->cancel(b);  // unknown by now
  EXPECT_TRUE(next_step().empty());
}

TEST_F(SchedulerTest, APausedSequenceIsLeftOutUntilItIsResumed) {
  start(100, {});
  const SequenceId a = submit(3, 5), b = submit(4, 5);
  scheduler_->pause(a, true);
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{b, 0, 4}));
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{b, 0, 1}));
  scheduler_->pause(b, true);
  EXPECT_TRUE(step().empty());
  scheduler_->pause(a, false);
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{a, 0, 3}));
}

TEST_F(SchedulerTest, NoMoreThanMaxSequencesRun) {
  start(100, {.max_sequences = 2});
  const SequenceId a = submit(3, 2), b = submit(3, 1), c = submit(3, 1);
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{a, 0, 3}, StepSlice{b, 3, 3}));
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{a, 0, 1}, StepSlice{c, 1, 3}));
}

TEST_F(SchedulerTest, AllLogitsAsksForEveryRowAndKeepsToTheRowsOfAStep) {
  start(100, {.max_step_tokens = 100, .max_logit_rows = 8});
  const SequenceId a = submit(10, 2, /*all_logits=*/true);
  EXPECT_THAT(step().logit_rows, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(step().logit_rows, ElementsAre(0, 1));
  const StepPlan last = step();
  const StepSlice slice{a, 0, 1, Measure::kNothing, /*returns_logits=*/true};
  EXPECT_EQ(last,
            (StepPlan{{TokenId{7}}, {10}, {slice}, {0}, {0}, {}, last.samples, last.page_ops}));
}

TEST_F(SchedulerTest, SequencesThatGenerateGetTheirRowsOfLogitsFirst) {
  start(100, {.max_step_tokens = 100, .max_logit_rows = 4});
  const SequenceId a = submit(1, 9), b = submit(1, 9);
  step();
  const SequenceId c = submit(10, 0, /*all_logits=*/true);
  EXPECT_THAT(step().slices,
              ElementsAre(StepSlice{a, 0, 1}, StepSlice{b, 1, 1},
                          StepSlice{c, 2, 2, Measure::kNothing, /*returns_logits=*/true}));
}

TEST_F(SchedulerTest, APromptAloneEndsOnceItIsComputedAndIsNotSampled) {
  start(100, {.max_step_tokens = 4});
  const SequenceId a = submit(6, 0);
  const std::vector<SequenceEvent> part = computed(next_step());
  ASSERT_EQ(part.size(), 1u);
  EXPECT_EQ(part[0].kind, SequenceEvent::Kind::kComputed);
  const StepPlan last = next_step();
  const std::vector<SequenceEvent> whole = computed(last);
  EXPECT_THAT(last.logit_rows, ElementsAre());
  EXPECT_THAT(last.samples, ElementsAre());
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(whole[0].kind, SequenceEvent::Kind::kEnded);
  EXPECT_EQ(whole[0].sequence, a);
  EXPECT_TRUE(next_step().empty());
}

TEST_F(SchedulerTest, ASequenceEndsWithItsLastTokenAndRemembersAllOfThem) {
  start(100, {});
  const SequenceId a = submit(2, 2);
  for (const int token : {41, 42}) {
    const std::vector<SequenceEvent> events = computed(next_step(), token);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, SequenceEvent::Kind::kToken);
    EXPECT_EQ(events[0].token.token, TokenId{token});
    EXPECT_EQ(events[0].is_last, token == 42);
  }
  EXPECT_TRUE(next_step().empty());
  EXPECT_THAT(scheduler_->tokens(a), ElementsAre(TokenId{0}, TokenId{1}, TokenId{41}, TokenId{42}));
}

TEST_F(SchedulerTest, ATokenThatCannotBeFailsAndIsNotRemembered) {
  start(100, {});
  const SequenceId a = submit(2, 2);
  const StepPlan plan = next_step();
  StepResult result;
  result.slices.resize(1);
  result.sampled = {{.usable = false}};
  const std::vector<SequenceEvent> events = scheduler_->finish(plan, result);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, SequenceEvent::Kind::kFailed);
  EXPECT_EQ(scheduler_->tokens(a).size(), 2u);
}

TEST_F(SchedulerTest, SamplesSayHowAndWhatPenaltiesSee) {
  start(100, {});
  SequenceSpec spec{.prompt = {.tokens = prompt(5)}, .max_tokens = 3};
  spec.sampling.seed = 40;
  spec.sampling.penalty_tokens = 2;
  spec.sampling.presence_penalty = 1.0f;
  make_and_submit(spec, 2).value();
  const StepPlan plan = step();
  ASSERT_EQ(plan.samples.size(), 2u);
  EXPECT_EQ(plan.samples[0].sampling, spec.sampling);
  EXPECT_EQ(plan.samples[1].sampling.seed, 41u);
  EXPECT_EQ(plan.samples[0].position, 5);
  EXPECT_THAT(plan.samples[0].history, ElementsAre(TokenId{3}, TokenId{4}));
  EXPECT_THAT(step().samples[0].history, ElementsAre(TokenId{4}, TokenId{7}));
}

TEST_F(SchedulerTest, TurnsThatComputeNothingKeepTheChangesOfPageTables) {
  start(100, {});
  const SequenceId a = submit(20, 5);
  step();
  scheduler_->cancel(a);
  EXPECT_THAT(step().page_ops, ElementsAre());
  const SequenceId b = submit(3, 1);
  const std::vector<PageOp> ops = step().page_ops;
  ASSERT_EQ(ops.size(), 2u);
  EXPECT_EQ(ops[0], (PageOp{.kind = PageOp::Kind::kTruncate, .sequence = a}));
  EXPECT_EQ(ops[1].kind, PageOp::Kind::kAppend);
  EXPECT_EQ(ops[1].sequence, b);
}

TEST_F(SchedulerTest, LocalHeadsReserveTheirWindowAndGiveBackWhatLeftIt) {
  profile_ = uniform_profile(1, 1, local(4, 20));
  start(/*pages=*/5, {.max_step_tokens = 16});
  // 200 tokens lie in 13 pages, but sink, window and a chunk never in more than 5.
  submit(150, 50);
  while (!step().empty()) EXPECT_GE(free_pages(), 0);
  EXPECT_EQ(free_pages(), 5);
}

TEST_F(SchedulerTest, ALocalHeadReservesLessOnceItsPromptIsComputed) {
  profile_ = uniform_profile(1, 1, local(4, 20));
  start(/*pages=*/9, {.max_step_tokens = 48});
  submit(100, 50);  // 1 page of its sink, 6 of window and chunk
  const SequenceId b = submit(100, 50);
  EXPECT_EQ(step().slices.size(), 1u);
  EXPECT_EQ(step().slices.size(), 1u);
  EXPECT_EQ(step().slices.size(), 1u);  // the last of the prompt: 1 and 3 pages from now on
  EXPECT_EQ(scheduler_->running(), 1);
  EXPECT_EQ(scheduler_->waiting(), 1);
  scheduler_->cancel(b);
  const SequenceId c = submit(40, 5);  // 3 pages
  EXPECT_THAT(step().slices, testing::Contains(StepSlice{c, 1, 40}));
  while (!step().empty()) EXPECT_GE(free_pages(), 0);
  EXPECT_EQ(free_pages(), 9);
}

class PriorityTest : public SchedulerTest {
 protected:
  SequenceId submit(int prompt_tokens, int max_tokens, int priority) {
    SequenceSpec spec{.prompt = {.tokens = prompt(prompt_tokens)}, .max_tokens = max_tokens};
    spec.priority = priority;
    return make_and_submit(std::move(spec)).value();
  }
};

TEST_F(PriorityTest, LargerGoesFirstInTheQueue) {
  start(100, {.max_sequences = 1});
  submit(3, 1, 0);
  EXPECT_EQ(step().slices.size(), 1u);
  const SequenceId a = submit(3, 1, 0), b = submit(3, 1, 2), c = submit(3, 1, 1);
  for (const SequenceId next : {b, c, a}) {
    EXPECT_THAT(step().slices, ElementsAre(StepSlice{next, 0, 3}));
  }
}

TEST_F(PriorityTest, TheYoungestOfLessPriorityGivesWayAndGoesOnLater) {
  start(/*pages=*/6, {});
  const SequenceId a = submit(20, 12, 0), b = submit(20, 12, 0), c = submit(20, 12, 1);
  step();
  step();
  EXPECT_EQ(scheduler_->running(), 3);
  const SequenceId d = submit(16, 1, 1);  // 2 pages, of which b has enough
  EXPECT_THAT(step().slices,              // those with more priority began first
              ElementsAre(StepSlice{c, 0, 1}, StepSlice{a, 1, 1}, StepSlice{d, 2, 16}));
  EXPECT_EQ(scheduler_->counts().preemptions, 1u);
  EXPECT_EQ(scheduler_->waiting(), 1);
  EXPECT_EQ(scheduler_->tokens(b).size(), 22u);
  // What it had is computed again, in one piece, and its answer goes on behind.
  EXPECT_THAT(step().slices, testing::Contains(StepSlice{b, 2, 22}));
  EXPECT_EQ(scheduler_->tokens(b).size(), 23u);
  EXPECT_EQ(scheduler_->usage(b, false).prompt.computed, 20);
}

TEST_F(PriorityTest, NobodyGivesWayIfThatIsNotEnough) {
  start(/*pages=*/6, {});
  const SequenceId a = submit(40, 8, 1), b = submit(40, 8, 0);
  step();
  submit(80, 1, 1);  // 6 pages; b has 3
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{a, 0, 1}, StepSlice{b, 1, 1}));
  EXPECT_EQ(scheduler_->counts().preemptions, 0u);
  EXPECT_EQ(scheduler_->waiting(), 1);
}

TEST_F(PriorityTest, EqualsDoNotGiveWay) {
  start(/*pages=*/3, {});
  submit(40, 8, 1);
  step();
  submit(40, 8, 1);
  step();
  EXPECT_EQ(scheduler_->counts().preemptions, 0u);
}

class SharedPromptTest : public SchedulerTest {
 protected:
  std::vector<SequenceId> submit(int prompt_tokens, int max_tokens, int count) {
    SequenceSpec spec{.prompt = {.tokens = prompt(prompt_tokens)}, .max_tokens = max_tokens};
    spec.shares_prompt = true;
    return make_and_submit(std::move(spec), count).value();
  }
};

TEST_F(SharedPromptTest, APromptIsComputedOnceAndItsPagesAreHeldOnce) {
  start(/*pages=*/14, {});
  const std::vector<SequenceId> ids = submit(100, 20, 3);  // 7 pages, and 2 for each
  const StepPlan first = step();
  EXPECT_EQ(first.tokens.size(), 100u);
  EXPECT_THAT(first.logit_rows, ElementsAre());
  // Each computes the last token, which it is sampled from, in a page of its own.
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{ids[0], 0, 1}, StepSlice{ids[1], 1, 1},
                                         StepSlice{ids[2], 2, 1}));
  EXPECT_EQ(free_pages(), 14 - 7 - 3);
  EXPECT_EQ(scheduler_->usage(ids[0], false).prompt.computed, 100);
  EXPECT_EQ(scheduler_->usage(ids[1], false).prompt.computed, 1);
  EXPECT_EQ(scheduler_->usage(ids[1], false).prompt.prefix, 99);
  scheduler_->cancel(ids[0]);
  scheduler_->cancel(ids[1]);
  EXPECT_EQ(free_pages(), 14 - 7 - 1);
  while (!step().empty()) continue;
  EXPECT_EQ(free_pages(), 14);
}

TEST_F(SharedPromptTest, WhereAllDoNotFitSomeComeLater) {
  start(/*pages=*/11, {});
  submit(100, 20, 4);
  step();
  EXPECT_EQ(scheduler_->running(), 2);
  EXPECT_EQ(scheduler_->waiting(), 2);
  while (!step().empty()) continue;
  EXPECT_EQ(scheduler_->waiting(), 0);
  EXPECT_EQ(free_pages(), 11);
}

TEST_F(SharedPromptTest, APromptAloneOrOfOneTokenIsNoTrouble) {
  start(/*pages=*/11, {});
  submit(100, 0, 3);
  submit(1, 2, 3);
  while (!step().empty()) continue;
  EXPECT_EQ(scheduler_->running(), 0);
  EXPECT_EQ(free_pages(), 11);
}

TEST_F(SchedulerTest, AQuotaHoldsUpThoseOfItsSaltAlone) {
  start(100, {});
  const std::size_t page_bytes = pool_->shape().bytes(KvFormat::kF16);
  const auto limited = [&](const std::string& salt, int prompt_tokens) {
    SequenceSpec spec{.prompt = {.tokens = prompt(prompt_tokens)}, .max_tokens = 2, .salt = salt};
    spec.quota_bytes = 4 * page_bytes;
    return make_and_submit(std::move(spec));
  };
  const SequenceId a = limited("x", 40).value();  // 3 pages
  const SequenceId b = limited("x", 20).value();  // 2 pages
  const SequenceId c = limited("x", 3).value();   // 1 page, but b came first
  const SequenceId d = limited("y", 40).value();
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{a, 0, 40}, StepSlice{d, 40, 40}));
  step();
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{b, 0, 20}, StepSlice{c, 20, 3}));
  const auto refused = limited("x", 63);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(refused.error().message(), HasSubstr("quota"));
}

}  // namespace
}  // namespace redknot
