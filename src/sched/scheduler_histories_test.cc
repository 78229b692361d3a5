// SPDX-License-Identifier: Apache-2.0
// Random histories of requests, with documents, prefixes, priorities, quotas, shared prompts, pins,
// pauses and cancellations, under a model that reads the page tables: every sequence must get the
// tokens that it would get alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "sched/scheduler.h"
#include "tests/fake_executor.h"

namespace redknot {
namespace {

constexpr int kPageTokens = 16;

PageOptions page_options(int pages) {
  return {.shape = {.page_tokens = kPageTokens, .head_dim = 4}, .page_count = {pages, 0, 0}};
}

std::unique_ptr<PageAllocator> make_pool(int pages) {
  return PageAllocator::create(page_options(pages)).value();
}

HeadPolicy local(int sink_tokens, int window_tokens) {
  return {
      .head_class = HeadClass::kLocal, .sink_tokens = sink_tokens, .window_tokens = window_tokens};
}

// What a sequence asks for, and the tokens it must get: every head sees the set of its policy.
struct Expected {
  SequenceSpec spec;
  std::vector<TokenId> tokens;  // prompt and answer
};

Expected expected_of(const HeadProfile& profile, SequenceSpec spec) {
  std::vector<TokenId> tokens = spec.prompt.tokens;
  for (int i = 0; i < spec.max_tokens; ++i) tokens.push_back(tests::token_behind(profile, tokens));
  return {std::move(spec), std::move(tokens)};
}

class History {
 public:
  explicit History(unsigned seed) : random_(seed), profile_(uniform_profile(1, 2, {})) {
    if (random_() % 2 == 0) profile_.policies[1] = local(draw(0, 20), draw(1, 40));
    options_ = {
        .max_step_tokens = draw(1, 60), .max_logit_rows = draw(1, 20), .max_sequences = draw(1, 6)};
    const int pages = draw(20, 60);
    pool_ = make_pool(pages);
    quota_bytes_ = static_cast<std::size_t>(draw(8, 30)) * pool_->shape().bytes(KvFormat::kF16);
    for (int i = 0; i < 5; ++i) {
      for (int token = draw(1, 40); token > 0; --token) {
        documents_[static_cast<std::size_t>(i)].push_back(TokenId{draw(0, 999)});
      }
    }
    executor_.emplace(page_options(pages), profile_, seed);
    scheduler_.emplace(*pool_, profile_, options_);
  }

  void run() {
    int arrivals = 40;
    while (arrivals > 0 || scheduler_->running() + scheduler_->waiting() > 0) {
      if (arrivals > 0 && random_() % 3 == 0) arrive(), --arrivals;
      if (random_() % 40 == 0) cancel_one();
      if (random_() % 20 == 0) pin_or_drop_one();
      scheduler_->cache().pins().end(now());
      pause_some(/*stop=*/arrivals == 0);
      ASSERT_NO_FATAL_FAILURE(step());
      ASSERT_TRUE(scheduler_->check());
    }
    EXPECT_EQ(scheduler_->cache().segments().used_pages()[0], 0);
    scheduler_->cache().pins().end(Pins::Time::max());
    EXPECT_FALSE(scheduler_->cache().pins().next_end());
    EXPECT_TRUE(scheduler_->check());
    EXPECT_TRUE(expected_.empty());
    EXPECT_GT(finished_, 4);
  }

  std::uint64_t segments() const {
    return static_cast<std::uint64_t>(scheduler_->cache().segments().segments());
  }
  int prefix_tokens() const { return prefix_tokens_; }
  bool looks() const { return looks_; }
  int pins() const { return pins_; }
  int shared() const { return shared_; }
  const SchedulerCounts& counts() const { return scheduler_->counts(); }
  std::uint64_t evictions() const { return scheduler_->cache().segments().evictions(); }

 private:
  int draw(int least, int most) { return std::uniform_int_distribution(least, most)(random_); }

  // A second a step.
  Pins::Time now() const { return Pins::Time(std::chrono::seconds(steps_)); }

  bool pin(const SegmentName& name) {
    return scheduler_->cache().pins().pin(name, {.until = now() + std::chrono::seconds(30)},
                                          [this] { return scheduler_->pins_fit(); });
  }

  void pin_or_drop_one() {
    const std::string salt = random_() % 2 == 0 ? "" : "limited";
    const std::vector<SegmentUse> uses = scheduler_->cache().segment_uses(salt);
    if (uses.empty()) return;
    const SegmentUse& one = uses[random_() % uses.size()];
    if (random_() % 4 == 0) {
      EXPECT_EQ(scheduler_->cache().drop_segments(salt, one.id), 1);
    } else if (pin({salt, one.id})) {
      ++pins_;
    }
  }

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
        if (random_() % 3 == 0) add_text(draw(1, 50));
      }
      spec.recovery = {
          .policy = static_cast<RecoveryPolicy>(draw(0, 4)),
          .ratio = draw(0, 10) / 10.0,
          .boundary_tokens = draw(0, 1) * draw(0, 40),
          .elastic = {.mass = draw(0, 1) == 0 ? 0.5 : 1.0, .recent_tokens = draw(0, 30)}};
      if (random_() % 4 != 0) add_text(draw(1, 20));
      spec.prompt.text_ends = {draw(4, static_cast<int>(tokens.size())),
                               static_cast<int>(tokens.size())};
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
      std::erase_if(spec.prompt.text_ends,
                    [&](int end) { return end > static_cast<int>(tokens.size()); });
      spec.prompt.context_tokens =
          std::min(spec.prompt.context_tokens, static_cast<int>(tokens.size()));
      add_text(draw(0, 20));
    }
    spec.priority = random_() % 3 == 0 ? draw(1, 3) : 0;
    if (random_() % 3 == 0) {
      spec.salt = "limited";
      spec.quota_bytes = quota_bytes_;
    }
    const int answers = random_() % 5 == 0 ? draw(2, 4) : 1;
    spec.shares_prompt = answers > 1;
    const auto request = make_request(*pool_, profile_, spec, options_.max_step_tokens);
    if (!request.ok()) return;
    const std::vector<SequenceId> ids = scheduler_->submit(*request, answers);
    ASSERT_EQ(static_cast<int>(ids.size()), answers);
    const Expected expected = expected_of(profile_, std::move(spec));
    for (const SequenceId id : ids) expected_.emplace(id, expected);
    if (answers > 1) ++shared_;
  }

  void cancel_one() {
    if (expected_.empty()) return;
    const auto one = std::next(expected_.begin(), draw(0, static_cast<int>(expected_.size()) - 1));
    scheduler_->cancel(one->first);
    paused_.erase(one->first);
    given_.erase(one->first);
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
    scheduler_->admit();
    const StepPlan plan = scheduler_->plan();
    SCOPED_TRACE(to_string(plan));
    ASSERT_LE(static_cast<int>(plan.tokens.size()), options_.max_step_tokens);
    ASSERT_LE(static_cast<int>(plan.logit_rows.size()), options_.max_logit_rows);
    ASSERT_LE(scheduler_->running(), options_.max_sequences);
    const bool some_paused =
        std::any_of(paused_.begin(), paused_.end(), [](const auto& one) { return one.second; });
    const int alive = scheduler_->running() + scheduler_->waiting();
    ASSERT_FALSE(plan.empty() && alive > 0 && !some_paused) << alive << " wait for nothing";
    ASSERT_NO_FATAL_FAILURE(check_quota());
    ++steps_;
    StepResult result = executor_->run(plan);
    std::size_t samples = 0;
    for (const StepSlice& slice : plan.slices) {
      ASSERT_FALSE(paused_[slice.sequence]);
      looks_ = looks_ || slice.measure == Measure::kPageMass;
      const int last = slice.first_row + slice.rows - 1;
      const bool sampled = samples < plan.samples.size() && plan.samples[samples].row <= last;
      ASSERT_NO_FATAL_FAILURE(check_rows(plan, slice, sampled));
      if (!sampled) continue;
      ASSERT_EQ(plan.samples[samples].row, last);
      ASSERT_TRUE(expected_.contains(slice.sequence));
      ++samples;
    }
    ASSERT_EQ(samples, plan.samples.size());
    for (const SequenceEvent& event : scheduler_->finish(plan, std::move(result))) {
      ASSERT_NE(event.kind, SequenceEvent::Kind::kFailed);
      if (event.is_last || event.kind == SequenceEvent::Kind::kEnded) finish(event.sequence);
    }
  }

  static int last_part_of(const Prompt& prompt) {
    return parts_of(prompt, "").back().positions.begin;
  }

  // Rows of logits are those that were asked for: all of the last part, or the one that is sampled.
  // Once they have been given they are not asked for again, if it had to give way meanwhile.
  void check_rows(const StepPlan& plan, const StepSlice& slice, bool sampled) {
    std::vector<int> wanted;
    const int end = slice.first_row + slice.rows;
    const auto submitted = expected_.find(slice.sequence);
    const bool all = submitted != expected_.end() && submitted->second.spec.all_logits;
    const int last_part =
        submitted == expected_.end() ? 0 : last_part_of(submitted->second.spec.prompt);
    for (int row = slice.first_row; row < end; ++row) {
      const int position = plan.positions[static_cast<std::size_t>(row)];
      const bool asked = all && position >= std::max(last_part, given_[slice.sequence]);
      if (asked || (sampled && row == end - 1)) wanted.push_back(row);
    }
    // Rows of a first pass are computed again, and asked for then.
    const bool looks = all && submitted->second.spec.recovery.policy == RecoveryPolicy::kKnot;
    std::vector<int> rows;
    std::copy_if(plan.logit_rows.begin(), plan.logit_rows.end(), std::back_inserter(rows),
                 [&](int row) { return row >= slice.first_row && row < end; });
    if (looks && rows.empty()) return;
    ASSERT_EQ(rows, wanted);
    if (!rows.empty()) {
      given_[slice.sequence] = plan.positions[static_cast<std::size_t>(rows.back())] + 1;
    }
  }

  // Those of one salt hold no more of their own than its quota.
  void check_quota() {
    std::size_t bytes = 0;
    for (const auto& [id, expected] : expected_) {
      if (expected.spec.quota_bytes == 0) continue;
      bytes += pool_->shape().bytes(scheduler_->usage(id, true).pages.own);
    }
    ASSERT_LE(bytes, quota_bytes_);
  }

  void finish(SequenceId id) {
    const std::span<const TokenId> tokens = scheduler_->tokens(id);
    ASSERT_EQ(std::vector<TokenId>(tokens.begin(), tokens.end()), expected_.at(id).tokens);
    prefix_tokens_ += scheduler_->usage(id, false).prompt.prefix;
    scheduler_->cancel(id);
    earlier_.push_back(expected_.at(id));
    paused_.erase(id);
    given_.erase(id);
    expected_.erase(id);
    ++finished_;
  }

  std::mt19937 random_;
  HeadProfile profile_;
  SchedulerOptions options_;
  std::unique_ptr<PageAllocator> pool_;
  std::optional<tests::FakeExecutor> executor_;
  std::optional<Scheduler> scheduler_;
  std::array<std::vector<TokenId>, 5> documents_;
  std::map<SequenceId, Expected> expected_;
  std::map<SequenceId, bool> paused_;
  std::map<SequenceId, int> given_;  // logits of positions before it
  std::size_t quota_bytes_ = 0;
  std::vector<Expected> earlier_;
  bool looks_ = false;
  int finished_ = 0;
  int steps_ = 0, pins_ = 0, shared_ = 0;
  int prefix_tokens_ = 0;
};

TEST(SchedulerHistories, EverySequenceGetsTheTokensItWouldGetAlone) {
  std::uint64_t segments = 0, evictions = 0;
  int prefix_tokens = 0, looked = 0, pins = 0, shared = 0;
  SchedulerCounts counts;
  for (unsigned seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    History history(seed);
    ASSERT_NO_FATAL_FAILURE(history.run());
    segments += history.segments();
    evictions += history.evictions();
    prefix_tokens += history.prefix_tokens();
    looked += history.looks() ? 1 : 0;
    pins += history.pins();
    shared += history.shared();
    counts.preemptions += history.counts().preemptions;
    counts.segment_hits += history.counts().segment_hits;
    counts.segment_misses += history.counts().segment_misses;
    counts.prefix_hits += history.counts().prefix_hits;
    counts.prefix_misses += history.counts().prefix_misses;
  }
  EXPECT_GT(segments, 30u);
  EXPECT_GT(evictions, 30u);
  EXPECT_GT(prefix_tokens, 300);
  EXPECT_GT(looked, 10);
  EXPECT_GT(pins, 30);
  EXPECT_GT(shared, 100);
  EXPECT_GT(counts.preemptions, 100u);
  EXPECT_GT(counts.segment_hits, 100u);
  EXPECT_GT(counts.segment_misses, 100u);
  EXPECT_GT(counts.prefix_hits, 30u);
  EXPECT_GT(counts.prefix_misses, 100u);
}

}  // namespace
}  // namespace redknot
