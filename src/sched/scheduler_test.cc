// SPDX-License-Identifier: Apache-2.0
// Who runs next: single decisions, then random histories with a model that reads the page tables.
#include "sched/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <string>

namespace redknot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kPageTokens = 16;

std::unique_ptr<PagePool> make_pool(int pages) {
  return PagePool::create(
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
  }

  SequenceId submit(int prompt_tokens, int max_tokens, bool all_logits = false) {
    return scheduler_->submit({{.tokens = prompt(prompt_tokens)}, max_tokens, all_logits}).value();
  }

  // Computes the next step, giving every sequence that is sampled the token 7.
  StepPlan step() {
    StepPlan plan = scheduler_->next_step();
    scheduler_->computed(plan);
    for (const StepSlice& slice : plan.slices) {
      if (scheduler_->samples(slice.sequence)) scheduler_->append(slice.sequence, TokenId{7});
      if (scheduler_->ended(slice.sequence)) scheduler_->cancel(slice.sequence);
    }
    EXPECT_TRUE(scheduler_->check());
    return plan;
  }
  int free_pages() const { return pool_->free_pages(KvFormat::kF16); }

  HeadProfile profile_ = uniform_profile(1, 1, {});
  std::unique_ptr<PagePool> pool_;
  std::optional<Scheduler> scheduler_;
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
  EXPECT_EQ(third, (StepPlan{{TokenId{7}}, {6}, {{a, 0, 1}}, {0}}));
  EXPECT_TRUE(step().empty());  // the second sampled token is not
}

TEST_F(SchedulerTest, SequencesThatGenerateComeBeforePrompts) {
  start(100, {.max_step_tokens = 8});
  const SequenceId a = submit(20, 3), b = submit(2, 3);
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{a, 0, 8}));
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{a, 0, 8}));
  EXPECT_THAT(step().slices, ElementsAre(StepSlice{a, 0, 4}, StepSlice{b, 4, 2}));
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
  EXPECT_TRUE(scheduler_->submit({{.tokens = prompt(60)}, 4}).ok());
  const auto refused = scheduler_->submit({{.tokens = prompt(60)}, 5});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(refused.error().message(), HasSubstr("65 tokens needs 5 KV pages, 4 exist"));
  EXPECT_EQ(scheduler_->waiting(), 1);
}

TEST_F(SchedulerTest, CancelFreesPagesAtOnceWaitingOrRunning) {
  start(/*pages=*/4, {});
  const SequenceId a = submit(64, 0), b = submit(64, 0);
  const StepPlan plan = scheduler_->next_step();
  EXPECT_EQ(free_pages(), 0);
  scheduler_->cancel(a);
  EXPECT_EQ(free_pages(), 4);
  EXPECT_EQ(scheduler_->running(), 0);
  scheduler_->cancel(b);
  EXPECT_EQ(scheduler_->waiting(), 0);
  scheduler_->cancel(b);  // unknown by now
  EXPECT_TRUE(scheduler_->next_step().empty());
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
  EXPECT_THAT(step(), (StepPlan{{TokenId{7}}, {10}, {{a, 0, 1}}, {0}}));
}

TEST_F(SchedulerTest, SequencesThatGenerateGetTheirRowsOfLogitsFirst) {
  start(100, {.max_step_tokens = 100, .max_logit_rows = 4});
  const SequenceId a = submit(1, 9), b = submit(1, 9);
  step();
  const SequenceId c = submit(10, 0, /*all_logits=*/true);
  EXPECT_THAT(step().slices,
              ElementsAre(StepSlice{a, 0, 1}, StepSlice{b, 1, 1}, StepSlice{c, 2, 2}));
}

TEST_F(SchedulerTest, APromptAloneEndsOnceItIsComputedAndIsNotSampled) {
  start(100, {.max_step_tokens = 4});
  const SequenceId a = submit(6, 0);
  scheduler_->computed(scheduler_->next_step());
  EXPECT_FALSE(scheduler_->ended(a));
  EXPECT_FALSE(scheduler_->samples(a));
  const StepPlan last = scheduler_->next_step();
  scheduler_->computed(last);
  EXPECT_THAT(last.logit_rows, ElementsAre());
  EXPECT_TRUE(scheduler_->ended(a));
  EXPECT_FALSE(scheduler_->samples(a));
}

TEST_F(SchedulerTest, ASequenceEndsWithItsLastTokenAndRemembersAllOfThem) {
  start(100, {});
  const SequenceId a = submit(2, 2);
  for (const int token : {41, 42}) {
    scheduler_->computed(scheduler_->next_step());
    EXPECT_TRUE(scheduler_->samples(a));
    EXPECT_FALSE(scheduler_->ended(a));
    scheduler_->append(a, TokenId{token});
  }
  EXPECT_TRUE(scheduler_->ended(a));
  EXPECT_FALSE(scheduler_->samples(a));
  EXPECT_THAT(scheduler_->tokens(a), ElementsAre(TokenId{0}, TokenId{1}, TokenId{41}, TokenId{42}));
}

TEST_F(SchedulerTest, LocalHeadsReserveTheirWindowAndGiveBackWhatLeftIt) {
  profile_ = uniform_profile(1, 1, local(4, 20));
  start(/*pages=*/5, {.max_step_tokens = 16});
  // 200 tokens lie in 13 pages, but sink, window and a chunk never in more than 5.
  submit(150, 50);
  while (!step().empty()) EXPECT_GE(free_pages(), 0);
  EXPECT_EQ(free_pages(), 5);
}

TEST(StepPlan, PlansAreEqualIfEveryFieldIs) {
  const StepPlan plan{{TokenId{5}, TokenId{6}}, {0, 1}, {{SequenceId{3}, 0, 2}}, {1}};
  EXPECT_EQ(plan, StepPlan(plan));
  StepPlan other = plan;
  other.tokens[1] = TokenId{7};
  EXPECT_FALSE(plan == other);
  other = plan;
  other.positions[1] = 2;
  EXPECT_FALSE(plan == other);
  other = plan;
  other.slices[0].sequence = SequenceId{4};
  EXPECT_FALSE(plan == other);
  other = plan;
  other.logit_rows.clear();
  EXPECT_FALSE(plan == other);
  EXPECT_FALSE(plan.empty());
  EXPECT_TRUE(StepPlan().empty());
}

TEST(StepPlan, IsPrintedOneSliceALine) {
  const StepPlan plan{{TokenId{5}, TokenId{6}, TokenId{9}},
                      {30, 31, 0},
                      {{SequenceId{3}, 0, 2}, {SequenceId{8}, 2, 1}},
                      {1, 2}};
  EXPECT_EQ(to_string(plan),
            "sequence 3: rows 0..1 at positions 30..31\n"
            "sequence 8: rows 2..2 at positions 0..0\n"
            "2 rows of logits\n");
  EXPECT_EQ(to_string({}), "0 rows of logits\n");
}

// ---- Random histories ----

// The next token of the fake model: a hash of what the query at `position` sees.
class Digest {
 public:
  void add(int position, TokenId token) {
    const auto both = (static_cast<std::uint64_t>(position) << 32) ^
                      static_cast<std::uint64_t>(static_cast<std::int32_t>(token));
    hash_ = (hash_ ^ both) * 0x9e3779b97f4a7c15u;
    hash_ ^= hash_ >> 29;
  }
  TokenId token() const { return TokenId{static_cast<std::int32_t>(hash_ % 1000)}; }

 private:
  std::uint64_t hash_ = 1;
};

// What a sequence asks for, and the tokens it must get: every head sees the set of its policy.
struct Expected {
  SequenceSpec spec;
  std::vector<TokenId> tokens;  // prompt and answer
};

Expected expected_of(const HeadProfile& profile, SequenceSpec spec) {
  std::vector<TokenId> tokens = spec.prompt.tokens;
  for (int i = 0; i < spec.max_tokens; ++i) {
    Digest digest;
    const int last = static_cast<int>(tokens.size()) - 1;
    for (const HeadPolicy& policy : profile.policies) {
      for (int key = 0; key <= last; ++key) {
        const bool seen = policy.head_class == HeadClass::kGlobal || key < policy.sink_tokens ||
                          key > last - policy.window_tokens;
        if (seen) digest.add(key, tokens[static_cast<std::size_t>(key)]);
      }
    }
    tokens.push_back(digest.token());
  }
  return {std::move(spec), std::move(tokens)};
}

// A model of one layer whose keys are token ids, kept in the pages that the plan's tables name.
class FakeModel {
 public:
  FakeModel(PagePool& pool, const HeadProfile& profile) : pool_(pool), profile_(profile) {}

  void store(const StepPlan& plan, const std::vector<SequenceKv*>& kv) {
    for (std::size_t i = 0; i < kv.size(); ++i) {
      const StepSlice& slice = plan.slices[i];
      for (int row = slice.first_row; row < slice.first_row + slice.rows; ++row) {
        const auto at = static_cast<std::size_t>(row);
        for (int head = 0; head < profile_.kv_heads; ++head) {
          write(*kv[i], head, plan.positions[at], plan.tokens[at]);
        }
      }
    }
  }

  TokenId next(const SequenceKv& kv, int position) {
    Digest digest;
    for (int head = 0; head < profile_.kv_heads; ++head) {
      const VisibleRange range = visible(profile_.at(0, head), position);
      for (int key = 0; key <= position; ++key) {
        if (range.contains(key)) digest.add(key, *slot(kv, head, key));
      }
    }
    return digest.token();
  }

 private:
  // Not into pages that are reused: there it lies already.
  void write(const SequenceKv& kv, int head, int position, TokenId token) {
    for (const PageRef& page : kv.table(0, head)) {
      if (position >= page.position && position < page.end() && page.reused) return;
    }
    *slot(kv, head, position) = token;
  }

  // The first four bytes of a slot's value.
  TokenId* slot(const SequenceKv& kv, int head, int position) {
    static TokenId nowhere{-1};
    for (const PageRef& page : kv.table(0, head)) {
      if (position < page.position || position >= page.end()) continue;
      std::byte* values = pool_.bytes(page.page) + pool_.shape().values_offset(KvFormat::kF16);
      return reinterpret_cast<TokenId*>(values + (position - page.position) * 8);
    }
    ADD_FAILURE() << "position " << position << " is in no page";
    return &nowhere;
  }

  PagePool& pool_;
  const HeadProfile& profile_;
};

class History {
 public:
  explicit History(unsigned seed) : random_(seed), profile_(uniform_profile(1, 2, {})) {
    if (random_() % 2 == 0) profile_.policies[1] = local(draw(0, 20), draw(1, 40));
    options_ = {
        .max_step_tokens = draw(1, 60), .max_logit_rows = draw(1, 20), .max_sequences = draw(1, 6)};
    pool_ = make_pool(draw(20, 60));
    for (int i = 0; i < 5; ++i) {
      for (int token = draw(1, 40); token > 0; --token) {
        documents_[static_cast<std::size_t>(i)].push_back(TokenId{draw(0, 999)});
      }
    }
    model_.emplace(*pool_, profile_);
    scheduler_.emplace(*pool_, profile_, options_);
  }

  void run() {
    int arrivals = 40;
    while (arrivals > 0 || scheduler_->running() + scheduler_->waiting() > 0) {
      if (arrivals > 0 && random_() % 3 == 0) arrive(), --arrivals;
      if (random_() % 40 == 0) cancel_one();
      pause_some(/*stop=*/arrivals == 0);
      ASSERT_NO_FATAL_FAILURE(step());
      ASSERT_TRUE(scheduler_->check());
    }
    EXPECT_EQ(scheduler_->segments().pinned_pages()[0], 0);
    EXPECT_TRUE(expected_.empty());
    EXPECT_GT(finished_, 10);
  }

  std::uint64_t segments() const {
    return static_cast<std::uint64_t>(scheduler_->segments().segments());
  }
  int prefix_tokens() const { return prefix_tokens_; }
  std::uint64_t evictions() const { return scheduler_->segments().evictions(); }

 private:
  int draw(int least, int most) { return std::uniform_int_distribution(least, most)(random_); }

  void arrive() {
    SequenceSpec spec{.prompt = {}, .max_tokens = draw(0, 40), .all_logits = random_() % 4 == 0};
    std::vector<TokenId>& tokens = spec.prompt.tokens;
    const auto add_text = [&](int length) {
      for (int i = 0; i < length; ++i) tokens.push_back(TokenId{draw(0, 999)});
    };
    if (random_() % 2 == 0) {
      // Documents in any order, text between some of them; the context of all is the same.
      for (int i = 0; i < 3; ++i) tokens.push_back(TokenId{7});
      spec.prompt.context_tokens = 3;
      for (int count = draw(1, 4); count > 0; --count) {
        const std::vector<TokenId>& document = documents_[static_cast<std::size_t>(draw(0, 4))];
        const int begin = static_cast<int>(tokens.size());
        tokens.insert(tokens.end(), document.begin(), document.end());
        spec.prompt.reusable.push_back({begin, static_cast<int>(tokens.size())});
        if (random_() % 3 == 0) add_text(draw(1, 20));
      }
      if (random_() % 2 == 0) {
        spec.recovery = {.policy = RecoveryPolicy::kBoundary, .boundary_tokens = draw(1, 40)};
      }
      if (random_() % 4 != 0) add_text(draw(1, 20));
    } else {
      add_text(draw(1, random_() % 3 == 0 ? 120 : 20));
    }
    // Some begin as an earlier one did, and go on otherwise.
    spec.uses_prefixes = random_() % 2 == 0;
    if (random_() % 3 == 0 && !earlier_.empty()) {
      const Expected& one = earlier_[random_() % earlier_.size()];
      spec.prompt = one.spec.prompt;
      spec.recovery = one.spec.recovery;
      tokens = one.tokens;
      tokens.resize(static_cast<std::size_t>(draw(1, static_cast<int>(tokens.size()))));
      std::erase_if(spec.prompt.reusable, [&](const PositionRange& range) {
        return range.end > static_cast<int>(tokens.size());
      });
      spec.prompt.context_tokens =
          std::min(spec.prompt.context_tokens, static_cast<int>(tokens.size()));
      add_text(draw(0, 20));
    }
    const bool fits = fits_alone(*pool_, profile_, spec, options_.max_step_tokens).ok();
    const Result<SequenceId> id = scheduler_->submit(spec);
    ASSERT_EQ(id.ok(), fits);
    if (fits) expected_.emplace(*id, expected_of(profile_, std::move(spec)));
  }

  void cancel_one() {
    if (expected_.empty()) return;
    const auto one = std::next(expected_.begin(), draw(0, static_cast<int>(expected_.size()) - 1));
    scheduler_->cancel(one->first);
    paused_.erase(one->first);
    expected_.erase(one);
  }

  void pause_some(bool stop) {
    for (const auto& [id, unused] : expected_) {
      if (!stop && random_() % 10 != 0) continue;
      const bool pause = !stop && random_() % 2 == 0;
      scheduler_->pause(id, pause);
      paused_[id] = pause;
    }
  }

  void step() {
    const StepPlan plan = scheduler_->next_step();
    SCOPED_TRACE(to_string(plan));
    ASSERT_LE(static_cast<int>(plan.tokens.size()), options_.max_step_tokens);
    ASSERT_LE(static_cast<int>(plan.logit_rows.size()), options_.max_logit_rows);
    ASSERT_LE(scheduler_->running(), options_.max_sequences);
    const std::vector<SequenceKv*> kv = scheduler_->kv(plan);
    model_->store(plan, kv);
    std::map<SequenceId, TokenId> sampled;
    for (std::size_t i = 0; i < kv.size(); ++i) {
      const SequenceId id = plan.slices[i].sequence;
      ASSERT_FALSE(paused_[id]);
      if (scheduler_->samples(id)) sampled[id] = model_->next(*kv[i], kv[i]->length() - 1);
    }
    scheduler_->computed(plan);
    for (const StepSlice& slice : plan.slices) {
      ASSERT_NO_FATAL_FAILURE(check_rows(plan, slice, sampled.contains(slice.sequence)));
      if (sampled.contains(slice.sequence)) {
        scheduler_->append(slice.sequence, sampled[slice.sequence]);
      }
      if (!scheduler_->is_submitted(slice.sequence)) continue;
      if (scheduler_->ended(slice.sequence)) finish(slice.sequence);
    }
  }

  // Rows of logits are those that were asked for: all, or the one that is sampled.
  void check_rows(const StepPlan& plan, const StepSlice& slice, bool sampled) {
    std::vector<int> wanted;
    const int end = slice.first_row + slice.rows;
    const auto submitted = expected_.find(slice.sequence);
    const bool all = submitted != expected_.end() && submitted->second.spec.all_logits;
    for (int row = slice.first_row; row < end; ++row) {
      if (all || (sampled && row == end - 1)) wanted.push_back(row);
    }
    std::vector<int> rows;
    std::copy_if(plan.logit_rows.begin(), plan.logit_rows.end(), std::back_inserter(rows),
                 [&](int row) { return row >= slice.first_row && row < end; });
    ASSERT_EQ(rows, wanted);
  }

  void finish(SequenceId id) {
    const std::span<const TokenId> tokens = scheduler_->tokens(id);
    ASSERT_EQ(std::vector<TokenId>(tokens.begin(), tokens.end()), expected_.at(id).tokens);
    prefix_tokens_ += scheduler_->prompt_tokens(id).prefix;
    scheduler_->cancel(id);
    earlier_.push_back(expected_.at(id));
    expected_.erase(id);
    ++finished_;
  }

  std::mt19937 random_;
  HeadProfile profile_;
  SchedulerOptions options_;
  std::unique_ptr<PagePool> pool_;
  std::optional<FakeModel> model_;
  std::optional<Scheduler> scheduler_;
  std::array<std::vector<TokenId>, 5> documents_;
  std::map<SequenceId, Expected> expected_;
  std::map<SequenceId, bool> paused_;
  std::vector<Expected> earlier_;
  int finished_ = 0;
  int prefix_tokens_ = 0;
};

TEST(SchedulerHistories, EverySequenceGetsTheTokensItWouldGetAlone) {
  std::uint64_t segments = 0, evictions = 0;
  int prefix_tokens = 0;
  for (unsigned seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    History history(seed);
    ASSERT_NO_FATAL_FAILURE(history.run());
    segments += history.segments();
    evictions += history.evictions();
    prefix_tokens += history.prefix_tokens();
  }
  EXPECT_GT(segments, 30u);
  EXPECT_GT(evictions, 30u);
  EXPECT_GT(prefix_tokens, 300);
}

}  // namespace
}  // namespace redknot
