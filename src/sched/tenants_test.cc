// SPDX-License-Identifier: Apache-2.0
// Two tenants of one scheduler: whatever one of them does, what the other keeps for reuse stays
// above its share, and pins stay within quotas.
#include <gtest/gtest.h>

#include <algorithm>
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
constexpr int kPages = 400;
constexpr int kStepTokens = 256;

PageOptions page_options() {
  return {.shape = {.page_tokens = kPageTokens, .head_dim = 4}, .page_count = {kPages, 0, 0}};
}

class Tenants {
 public:
  explicit Tenants(unsigned seed) : random_(seed) {
    for (std::vector<TokenId>& document : documents_) document = text(draw(20, 120));
  }

  // The victim leaves some prompts, and does nothing from then on.
  void leave_prompts() {
    for (int i = 0; i < 6; ++i) {
      submit({.prompt = {.tokens = text(draw(100, 300))},
              .max_tokens = 3,
              .salt = "victim",
              .uses_prefixes = true},
             1);
      finish_all();
    }
    ASSERT_GT(kept("victim"), 0u);
  }

  void run_attack() {
    for (int turn = 0; turn < 400; ++turn) {
      ASSERT_NO_FATAL_FAILURE(attack());
      const std::size_t before = kept("victim");
      step();
      ASSERT_NO_FATAL_FAILURE(check(before)) << "turn " << turn;
    }
    ASSERT_NO_FATAL_FAILURE(finish_all());
    EXPECT_GT(kept("victim"), 0u);
  }

  int pins() const { return pins_; }
  std::uint64_t evictions() const { return evicted_; }

 private:
  int draw(int least, int most) { return std::uniform_int_distribution(least, most)(random_); }

  std::vector<TokenId> text(int tokens) {
    std::vector<TokenId> out;
    for (int i = 0; i < tokens; ++i) out.push_back(TokenId{draw(0, 999)});
    return out;
  }

  std::size_t kept(const std::string& tenant) const {
    return scheduler_.cache().kept_bytes(tenant);
  }

  void submit(SequenceSpec spec, int answers) {
    spec.shares_prompt = answers > 1;
    const auto request = make_request(*pages_, profile_, std::move(spec), kStepTokens);
    if (!request.ok()) return;
    scheduler_.submit(*request, answers);
  }

  void attack() {
    SequenceSpec spec{.max_tokens = draw(0, 4), .salt = "attacker", .uses_prefixes = true};
    spec.quota_bytes = quota_;
    std::vector<TokenId>& tokens = spec.prompt.tokens;
    int answers = 1;
    switch (random_() % 5) {
      case 0:  // many tiny prompts
        for (int i = 0; i < 20; ++i) {
          tokens = text(draw(1, 20));
          submit(spec, 1);
        }
        return;
      case 1:  // a prompt as long as fits
        tokens = text(draw(200, 1200));
        break;
      case 2:  // many answers
        tokens = text(draw(20, 100));
        answers = 128;
        break;
      case 3:  // copies of documents behind contexts of their own, some pinned
        tokens = text(draw(1, 40));
        spec.prompt.context_tokens = static_cast<int>(tokens.size());
        for (const auto& document : documents_) {
          const int begin = static_cast<int>(tokens.size());
          tokens.insert(tokens.end(), document.begin(), document.end());
          spec.prompt.reusable.push_back({begin, static_cast<int>(tokens.size())});
        }
        tokens.push_back(TokenId{1});
        spec.prompt.text_ends = {static_cast<int>(tokens.size())};
        break;
      default:
        return pin();
    }
    submit(std::move(spec), answers);
  }

  void pin() {
    const std::vector<SegmentUse> uses = scheduler_.cache().segment_uses("attacker");
    if (uses.empty()) return;
    const SegmentName name{"attacker", uses[random_() % uses.size()].id};
    const Pins::Terms terms{.until = Pins::Time::max(), .quota_bytes = quota_};
    const auto fits = [this] { return scheduler_.pins_fit(); };
    if (scheduler_.cache().pins().pin(name, terms, fits)) ++pins_;
  }

  void step() {
    scheduler_.admit();
    const StepPlan plan = scheduler_.plan();
    if (plan.empty()) return;
    for (const SequenceEvent& event : scheduler_.finish(plan, executor_.run(plan))) {
      const bool ended = event.is_last || event.kind == SequenceEvent::Kind::kEnded;
      if (ended) scheduler_.cancel(event.sequence);
    }
  }

  void finish_all() {
    for (int turn = 0; turn < 20'000; ++turn) {
      if (scheduler_.running() + scheduler_.waiting() == 0) return;
      step();
    }
    FAIL() << "it does not end";
  }

  // What the victim keeps has become less only if it was more than its share, one entry aside.
  void check(std::size_t before) {
    ASSERT_TRUE(scheduler_.check());
    ASSERT_LE(scheduler_.cache().pins().bytes("attacker"), quota_);
    const std::size_t now = kept("victim");
    if (now < before) ++evicted_;
    const std::size_t share = (now + kept("attacker")) / 2;
    ASSERT_GE(now + page_bytes_, std::min(before, share));
  }

  std::mt19937 random_;
  const HeadProfile profile_ = uniform_profile(1, 1, {});
  const std::size_t page_bytes_ = page_options().shape.bytes(KvFormat::kF16);
  const std::size_t quota_ = kPages / 4 * page_bytes_;
  std::unique_ptr<PageAllocator> pages_ = PageAllocator::create(page_options()).value();
  tests::FakeExecutor executor_{page_options(), profile_};
  Scheduler scheduler_{*pages_, profile_, {.max_step_tokens = kStepTokens}};
  std::array<std::vector<TokenId>, 4> documents_;
  int pins_ = 0;
  std::uint64_t evicted_ = 0;
};

TEST(Tenants, OneCannotPushTheOtherBelowItsShareOrPinMoreThanItsQuota) {
  int pins = 0;
  std::uint64_t evictions = 0;
  for (unsigned seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Tenants tenants(seed);
    ASSERT_NO_FATAL_FAILURE(tenants.leave_prompts());
    ASSERT_NO_FATAL_FAILURE(tenants.run_attack());
    pins += tenants.pins();
    evictions += tenants.evictions();
  }
  EXPECT_GT(pins, 50);
  // The attacker's room is wanted again and again, and the victim keeps what is its own.
  EXPECT_LT(evictions, 200u);
}

}  // namespace
}  // namespace redknot
